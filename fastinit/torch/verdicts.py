"""Verdicts on real models: rates of modules that repeat, and of the others only what no role excuses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, log, nan
from typing import Any

import numpy as np

from ..profiler.verdict import BOUNDS, Course, Verdict, judge

#: So many modules of one role make a course.
COURSE = 3
#: And so many of one stage.
_STAGE = 8
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
    found = [(role, one, _judge_role(one, forward, backward)) for role, one in reversed(rated)]
    role, profile, worst = min(found, key=lambda one: (_KINDS.index(one[2].kind), -one[1].network.depth))
    if _KINDS.index(everything.kind) < _KINDS.index(worst.kind):
        return everything
    count = len(profile.network.modules)
    return replace(worst, sentence=worst.sentence.replace(": ", f" in modules {role}, {count} of them: ", 1))


def _rated(roles: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Those that are in no other: what passes through a model is the outputs of its blocks, not what is within."""
    sets = [(role, one) for role, profile in roles.items() for one in _alike(profile)]
    members = {name for profile in roles.values() if not _are_stages(profile) for name in profile.network.names}
    return [(role, one) for role, one in sets if not all(_within(name, members) for name in one.network.names)]


def _alike(profile: Any) -> list[Any]:
    """A role without the output layer, which has a law of its own; where norms are, only modules between two pools.

    With norms each of these stages begins anew. Of so few blocks as most have, a power of the layer is no rate.
    """
    found: dict[int, list[int]] = {}
    for at, row in enumerate(profile.network.modules):
        if row.name != profile.network.output:
            found.setdefault(row.positions if profile.network.normalises else 0, []).append(at)
    least = COURSE if len(found) == 1 else _STAGE
    return [profile.only(rows) for rows in found.values() if len(rows) >= least]


def _are_stages(profile: Any) -> bool:
    """Whether between most of them there is a pool, so that a model with norms begins anew in each."""
    modules = profile.network.modules
    return profile.network.normalises and 2 * len({row.positions for row in modules}) > len(modules)


def _within(name: str, members: set[str]) -> bool:
    above = name.rpartition(".")[0]
    return bool(above) and (above in members or _within(above, members))


def _judge_role(profile: Any, forward: Bounds, backward: Bounds) -> Verdict:
    """Gradients are not compared where modules return as many values a unit as others do not: a pool changes them.

    A gain multiplies signal and gradient alike. Where the gradient keeps its size, a signal that changes is a sum, as
    the stream of blocks that begin with a norm is: that is held against it only by bounds that are asked for. Where no
    gradient is known, norms are taken to excuse a signal that grows.
    """
    modules = profile.network.modules
    if len({row.positions for row in modules}) > 1:
        profile = profile.without_gradient()
    verdict = judge(profile, forward, backward)
    sums = {"vanishing", "exploding"} if profile.backward else {"exploding"} if profile.network.normalises else set()
    if forward == BOUNDS and verdict.kind in sums:
        alone = judge(profile, _ANY, backward)
        verdict = alone if alone.healthy else verdict
    return replace(verdict, sentence=_named(verdict.sentence, modules))


def _judge_unlike(profile: Any) -> Verdict:
    """Without rates: whether a module is dead, symmetric, not finite or beyond the range of the weights' dtype."""
    verdict = judge(profile, _ANY, _ANY)
    kind, sentence = verdict.kind, verdict.sentence
    if kind == "stable":
        found = _out_of_range(verdict, profile.network.dtype)
        kind = found[0][0] if found else kind
        texts = [text for _, text in found] or ["no role has enough modules to compare: no rate is told"]
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
