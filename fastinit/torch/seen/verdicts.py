"""Verdicts on real models: rates of modules that repeat, and of the others only what no role excuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf, log, nan
from typing import Any, Protocol

import numpy as np

from ...profiler.result.courses import BOUNDS, Course
from ...profiler.result.described import Profiled
from ...profiler.result.findings import (
    BACKWARD,
    FORWARD,
    ROLES,
    SHALLOW,
    UNITS,
    Bounds,
    Finding,
    Judgement,
    are_one,
    judged,
    of_one,
    unless_alike,
)
from .model import Model

#: So many modules of one role make a course.
COURSE = 3
#: And so many of one stage.
_STAGE = 8
#: From the worst on.
_KINDS = ("dead", "symmetric", "not finite", "vanishing", "exploding", "gradient vanishing", "gradient exploding",
          "unknown", "stable")  # fmt: skip
_ANY = (0.0, inf)

Rows = list[int]


class ProfiledModel(Profiled, Protocol):
    """What judging asks of the profile of a model: of some of its rows too."""

    @property
    def network(self) -> Model:
        """The model."""

    def only(self, rows: Rows) -> ProfiledModel:
        """Some of the rows."""

    def without_gradient(self) -> ProfiledModel:
        """The same, as if none had been sent."""


def judged_model(
    whole: ProfiledModel, passed: Rows, roles: Mapping[str, Rows], forward: Bounds, backward: Bounds
) -> Judgement:
    """What is found, but that signals which pass are no evidence where nothing learns, or examples come in alike."""
    found = _worst(whole, passed, roles, forward, backward)
    if are_one(whole):
        return of_one(found)
    if found.kind != "stable":
        return found
    if whole.backward and not whole.network.learns:
        return found.instead(Finding("unknown", "weight_grad_norm"))
    first = whole.network.modules[0]
    tells = first.same or first.elements >= UNITS * whole.network.rows  # of one unit any cosine is one
    return unless_alike(found, whole, 0) if tells else found


def _worst(
    whole: ProfiledModel, passed: Rows, roles: Mapping[str, Rows], forward: Bounds, backward: Bounds
) -> Judgement:
    """The worst of all modules that a signal passes, and of the roles whose rates tell something.

    Of roles that are equally bad it is that with the most modules, and then the last.
    """
    if passed:
        everything = _judged_unlike(whole.only(passed)).moved(passed)
    else:
        everything = _judged_unlike(whole.without_gradient())
    if everything.kind == "unknown":
        shallow = [] if roles else [Finding("unknown", SHALLOW)]
        everything = replace(everything, findings=(*(_lost(whole) or shallow),) or everything.findings)
    rated = _rated(whole, roles)
    if not rated or everything.kind in _KINDS[:3]:
        return everything
    found = [(role, rows, _judged_role(whole.only(rows), forward, backward)) for role, rows in reversed(rated)]
    role, rows, worst = min(found, key=lambda one: (_KINDS.index(one[2].kind), -len(one[1])))
    if _KINDS.index(everything.kind) < min(_KINDS.index(worst.kind), _KINDS.index("unknown")):
        return everything
    return replace(worst.moved(rows), where=f" in modules {role}, {len(rows)} of them")


def _rated(whole: ProfiledModel, roles: Mapping[str, Rows]) -> list[tuple[str, Rows]]:
    """Those that are in no other: what passes through a model is the outputs of its blocks, not what is within.

    And of each what no branch goes around: only that makes a chain, whose factors multiply.
    """
    names, modules = whole.network.names, whole.network.modules
    roles = {role: [row for row in rows if modules[row].through] for role, rows in roles.items()}
    members = {names[row] for rows in roles.values() if not _are_stages(whole, rows) for row in rows}
    sets = [(role, some) for role, rows in roles.items() for some in _alike(whole, rows)]
    return [(role, rows) for role, rows in sets if not all(_within(names[row], members) for row in rows)]


def _alike(whole: ProfiledModel, rows: Rows) -> list[Rows]:
    """A role without the output layer, which has a law of its own; where norms are, only modules between two pools.

    With norms each of these stages begins anew. Of so few blocks as most have, a power of the layer is no rate.
    """
    model, found = whole.network, dict[int, Rows]()
    for row in rows:
        if model.modules[row].name != model.output:
            found.setdefault(model.modules[row].positions if model.normalises else 0, []).append(row)
    least = COURSE if len(found) == 1 else _STAGE
    return [some for some in found.values() if len(some) >= least]


def _are_stages(whole: ProfiledModel, rows: Rows) -> bool:
    """Whether between most of them there is a pool, so that a model with norms begins anew in each."""
    model = whole.network
    return model.normalises and 2 * len({model.modules[row].positions for row in rows}) > len(rows)


def _lost(whole: ProfiledModel) -> list[Finding]:
    """What keeps weights from learning, though signals pass: that none gets a gradient, or some for ever.

    A weight that is zero and gets no gradient stays so; what has a zero beside it that learns gets one later. And rows
    that differ where they come in and are the same where they go out teach nothing.
    """
    modules = whole.network.modules
    weights, learns, forward = (whole[name][0] for name in ("weight_norm", "weight_grad_norm", FORWARD))
    known = np.flatnonzero(~np.isnan(learns))
    if len(known) and not learns[known].any() and not any(modules[row].waits for row in known):
        return [Finding("dead", "weight_grad_norm")]
    for row, module in enumerate(modules):
        if module.waits or not module.elements:
            continue
        if weights[row] == 0 == learns[row]:
            return [Finding("dead", "weight_grad_norm", row)]
        if row and module.bends and forward[row] == 0 < forward[row - 1]:
            return [Finding("dead", FORWARD, row, {"last_layer": row})]
    ends = [row for row, module in enumerate(modules) if module.through]
    if not ends or modules[0].kind or modules[0].same or not modules[ends[-1]].same:
        return []
    first = next(row for row in ends if all(modules[one].same for one in ends if one >= row))
    return [Finding("dead", "cosine", first)]


def _within(name: str, members: set[str]) -> bool:
    above = name.rpartition(".")[0]
    return bool(above) and (above in members or _within(above, members))


def _judged_role(profile: ProfiledModel, forward: Bounds, backward: Bounds) -> Judgement:
    """Gradients are not compared where modules return as many values a unit as others do not: a pool changes them.

    A gain multiplies signal and gradient alike. Where the gradient keeps its size, a signal that changes is a sum, as
    the stream of blocks that begin with a norm is: that is held against it only by bounds that are asked for. Where no
    gradient is known, norms are taken to excuse a signal that grows.
    """
    if len({row.positions for row in profile.network.modules}) > 1:
        profile = profile.without_gradient()
    found = judged(profile, forward, backward)
    sums = {"vanishing", "exploding"} if profile.backward else {"exploding"} if profile.network.normalises else set()
    if forward == BOUNDS and found.kind in sums:
        alone = judged(profile, _ANY, backward)
        found = alone if alone.kind == "stable" else found
    return found


def _judged_unlike(profile: ProfiledModel) -> Judgement:
    """Without rates: whether a module is dead, symmetric, not finite or beyond the range of the weights' dtype."""
    found = judged(profile, _ANY, _ANY)
    if found.kind in ("stable", "unknown"):
        out = _out_of_range(found, profile.network.dtype)
        found = replace(found, findings=tuple(out) or (Finding("unknown", ROLES),))
    back = None if found.backward is None else _without_rate(found.backward)
    return replace(found, forward=_without_rate(found.forward), backward=back)


def _without_rate(course: Course) -> Course:
    return replace(course, rate=nan, change=nan, power=nan)


def _out_of_range(found: Judgement, dtype: np.dtype[Any]) -> list[Finding]:
    """Sizes that the dtype cannot hold as normal numbers."""
    limits, out = np.finfo(dtype), []
    for course, quantity, kind in ((found.forward, FORWARD, ""), (found.backward, BACKWARD, "gradient ")):
        if course is not None:
            small, large = course.logs / 2 < log(float(limits.tiny)), course.logs / 2 > log(float(limits.max))
            for way, where in (("vanishing", small), ("exploding", large)):
                layer = course.first(where)
                if layer is not None:
                    out.append(Finding(kind + way, quantity, layer, {"bits": limits.bits}))
    return out
