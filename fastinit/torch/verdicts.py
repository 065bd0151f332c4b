"""Verdicts on real models: rates of modules that repeat, and of the others only what no role excuses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, log, nan
from typing import Any

import numpy as np

from ..profiler.verdict import Course, Verdict, judge

#: So many modules of one role make a course.
COURSE = 3
#: From the worst on.
_KINDS = ("dead", "symmetric", "not finite", "vanishing", "exploding", "gradient vanishing", "gradient exploding",
          "stable")  # fmt: skip
_ANY = (0.0, inf)

Bounds = tuple[float, float]


def judge_model(passed: Any, roles: Mapping[str, Any], forward: Bounds, backward: Bounds) -> Verdict:
    """The worst of all modules that a signal passes, and of the roles whose rates tell something.

    Of roles that are equally bad it is that with the most modules, and then the last.
    """
    everything = _judge_unlike(passed)
    rated = _rated(roles)
    if not rated or everything.kind in _KINDS[:3]:
        return everything
    found = {role: _judge_role(rated[role], forward, backward) for role in reversed(rated)}
    role = min(found, key=lambda one: (_KINDS.index(found[one].kind), -rated[one].network.depth))
    if _KINDS.index(everything.kind) < _KINDS.index(found[role].kind):
        return everything
    count = len(rated[role].network.modules)
    return replace(
        found[role], sentence=found[role].sentence.replace(": ", f" in modules {role}, {count} of them: ", 1)
    )


def _rated(roles: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are in no other: what passes through a model is the outputs of its blocks, not what is within."""
    members = {name for profile in roles.values() for name in profile.network.names}
    return {role: one for role, one in roles.items() if not all(_within(name, members) for name in one.network.names)}


def _within(name: str, members: set[str]) -> bool:
    above = name.rpartition(".")[0]
    return bool(above) and (above in members or _within(above, members))


def _judge_role(profile: Any, forward: Bounds, backward: Bounds) -> Verdict:
    """Gradients are not compared where modules return as many values a unit as others do not: a pool changes them."""
    modules = profile.network.modules
    if len({row.positions for row in modules}) > 1:
        profile = profile.without_gradient()
    verdict = judge(profile, forward, backward)
    return replace(verdict, sentence=_named(verdict.sentence, modules))


def _judge_unlike(profile: Any) -> Verdict:
    """Without rates: whether a module is dead, symmetric, not finite or beyond the range of the weights' dtype."""
    verdict = judge(profile, _ANY, _ANY)
    kind, sentence = verdict.kind, verdict.sentence
    if kind == "stable":
        found = _out_of_range(verdict, profile.network.dtype)
        kind = found[0][0] if found else kind
        texts = [text for _, text in found] or ["no module repeats three times: no rate is told"]
        sentence = f"{kind.capitalize()}: {'; '.join(texts)}."
    back = None if verdict.backward is None else _without_rate(verdict.backward)
    return Verdict(kind, _named(sentence, profile.network.modules), _without_rate(verdict.forward), back)


def _without_rate(course: Course) -> Course:
    return replace(course, rate=nan, change=nan, power=nan)


def _out_of_range(verdict: Verdict, dtype: np.dtype[Any]) -> list[tuple[str, str]]:
    """Kinds and texts for sizes that the dtype cannot hold as normal numbers."""
    limits, found = np.finfo(dtype), []
    for course, whose, kind in (
        (verdict.forward, "activations are", ""),
        (verdict.backward, "gradient is", "gradient "),
    ):
        if course is None:
            continue
        for way, where, out in (
            ("vanishing", "below", course.logs / 2 < log(float(limits.tiny))),
            ("exploding", "beyond", course.logs / 2 > log(float(limits.max))),
        ):
            layer = course.first(out)
            if layer is not None:
                found.append((kind + way, f"the {whose} {where} the range of {dtype} at layer {layer}"))
    return found


def _named(sentence: str, modules: Sequence[Any]) -> str:
    """Rows by the names of their modules, where a sentence counts layers."""

    def name(found: re.Match[str]) -> str:
        first, last = modules[int(found[1])], found[2]
        start = f"module {first.name}" if first.kind else "the input"
        return start if last is None else f"{start} to {modules[int(last)].name}"

    return re.sub(r"\blayer (\d+)(?: to (\d+))?", name, sentence).replace(" or below", " or before it")
