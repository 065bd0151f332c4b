"""Findings: what the numbers of a profile show, as data. Measured; theory only stands beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, log
from typing import Any

import numpy as np

from ...arguments import real, refuse
from ...records import Record, real_number
from ..tangent_kernel import spectra
from .courses import BOUNDS, Course, course_of
from .described import Profiled

Array = np.ndarray[Any, Any]
Bounds = tuple[float, float]

FORWARD, BACKWARD = "act_second_moment", "grad_act_second_moment"
#: The kind of what makes no verdict and is to be kept in mind beside it, and what that and other findings are about.
CAUTION, PARTIAL, ROLES, SHALLOW, COPIES = "caution", "partial", "roles", "depth", "inputs"

#: Smallest normal and largest number of the dtypes that networks run in; those of bfloat16 are float32's to 0.4 %.
LIMITS = {
    "float16": (2.0**-14, 65504.0),
    "float32 and bfloat16": (2.0**-126, float(np.finfo(np.float32).max)),
}
#: Share of units without a slope from which a layer is dead.
_DEAD = 0.99
#: Mean cosine of the last layer of so many units from which on it is not known whether a gradient tells examples apart:
#: of 40 networks that pass signals, all that were trained on digits and did not learn were above.
ALIKE, UNITS = 0.98, 16
#: From this power on, twenty layers make a thousand: that is held against a network.
_STEEP = 2.5


@dataclass(frozen=True, eq=False)
class Finding(Record):
    """One thing that the numbers show.

    Attributes
    ----------
    kind : str
        That of the verdict which it makes, or "caution" where it makes none.
    quantity : str
        The field of the profile that shows it; of cautions what they are about.
    layer : int or None
        The first layer where it is so, on the way of the signal or the gradient.
    numbers : dict
        What was measured: "rate", "change", ... of a `Course`, the "share" of dead units, the "ratio" to another layer,
        how many layers are "before" that one. Those whose names end in "_layer" are layers.
    """

    kind: str
    quantity: str
    layer: int | None = None
    numbers: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Finding:
        """That of which `to_dict` gives these."""
        numbers = {name: one if isinstance(one, int) else real_number(one) for name, one in found["numbers"].items()}
        return cls(found["kind"], found["quantity"], found["layer"], numbers)

    def moved(self, rows: Sequence[int]) -> Finding:
        """The same of a profile of which this one's has those rows alone."""
        numbers = {name: rows[int(value)] if name.endswith("_layer") else value for name, value in self.numbers.items()}
        return replace(self, layer=None if self.layer is None else rows[self.layer], numbers=numbers)


@dataclass(frozen=True)
class Judgement:
    """What was found, not yet in words: at least one finding of a kind, the worst first; and where, if not all over."""

    findings: tuple[Finding, ...]
    forward: Course
    backward: Course | None
    partial: bool = False
    where: str = ""

    @property
    def kind(self) -> str:
        """Of the worst; what is stable as far as a run came, is not known to be."""
        kind = self.findings[0].kind
        return "unknown" if self.partial and kind == "stable" else kind

    def instead(self, finding: Finding) -> Judgement:
        """The same, but that this was found in place of all but cautions."""
        return replace(self, findings=(finding, *(one for one in self.findings if one.kind == CAUTION)), where="")

    def moved(self, rows: Sequence[int]) -> Judgement:
        """The same findings in a profile of which this one's has those rows alone."""
        return replace(self, findings=tuple(one.moved(rows) for one in self.findings))


def checked_bounds(name: str, bounds: Any) -> Bounds:
    """Two numbers in order."""
    try:
        low, high = bounds
    except (TypeError, ValueError):
        refuse(name, "(low, high)", bounds, TypeError)
    low, high = real(name, low, low=0), real(name, high, low=0, infinite=True)
    return (low, high) if low <= high else refuse(name, "(low, high) with low at most high", bounds)


def judged(profile: Profiled, forward: Bounds, backward: Bounds) -> Judgement:
    """What is found, a change of the interior layers between these bounds being stable."""
    there = course_of(profile, FORWARD)
    sent = profile.backward and not (profile.interrupted and not _measured(profile, BACKWARD))
    back = course_of(profile, BACKWARD) if sent else None
    found = _not_finite(profile, there, back)
    if not found or not profile.steps:  # steps of descent that went astray leave nothing else to tell
        found = [*_dead(profile, there, back), *_symmetric(profile, there), *found]
    if not {"dead", "not finite"} & {one.kind for one in found}:
        found += _unstable(there, forward, back, backward)
    if not found and np.isnan(there.change):
        found.append(Finding("unknown", FORWARD))
    found = found or _stable(there, back)
    if not {"dead", "symmetric", "not finite"} & {one.kind for one in found}:
        found += _borderline(profile, there, forward)
    found += _cautions(profile)
    return Judgement(tuple(found), there, back, profile.interrupted)


def learnable(judgement: Judgement, profile: Profiled) -> Judgement:
    """The same, but that signals which pass are no evidence where no weight learns, or examples are not told apart."""
    if are_one(profile):
        return of_one(judgement)
    if judgement.kind != "stable":
        return judgement
    if _measured(profile, "weight_grad_norm") and not np.nan_to_num(profile["weight_grad_norm"]).any():
        return judgement.instead(Finding("dead", "weight_grad_norm"))
    known = ~np.isnan(profile["cosine"]).all(axis=0)
    last = np.flatnonzero(known & (np.array(profile.network.widths) >= UNITS))
    return unless_alike(judgement, profile, int(last[-1])) if len(last) else judgement


def are_one(profile: Profiled) -> bool:
    """Whether the examples are several copies of one, where they come in."""
    seen = spectra(profile, 1)
    cosine = _means(profile["cosine"])[0]
    return all(one.examples == 1 for one in seen) and bool(cosine > 1 - 1e-6)


def of_one(judgement: Judgement) -> Judgement:
    """What is found of copies of one example: what their gradients, or the cosines, seem to say is of no network."""
    worst = judgement.findings[0]
    passes = judgement.kind in ("stable", "unknown") or worst.quantity in ("weight_grad_norm", "cosine")
    return judgement.instead(Finding("unknown", COPIES)) if passes else judgement


def unless_alike(judgement: Judgement, profile: Profiled, layer: int) -> Judgement:
    """The same, but unknown where the examples are nearly alike in that layer; the tangent kernel would tell."""
    cosine = float(_means(profile["cosine"])[layer])
    if cosine >= ALIKE and not any(one.known for one in spectra(profile, 1)):
        return judgement.instead(Finding("unknown", "cosine", layer, {"cosine": cosine}))
    return judgement


def _measured(profile: Profiled, name: str) -> bool:
    return not np.isnan(profile[name]).all()


def _means(values: Array) -> Array:
    """Over the repeats that have one."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0).sum(axis=0) / known.sum(axis=0))


def _dead(profile: Profiled, there: Course, back: Course | None) -> list[Finding]:
    dtype = profile.network.dtype
    if there.underflow(dtype) is not None or _broken(profile, there) is not None:
        return []
    found = []
    zero = there.first_zero()
    if zero is not None:
        until = there.last_zero()
        found.append(Finding("dead", FORWARD, zero, {} if until is None else {"last_layer": until}))
    elif _measured(profile, "dead_fraction"):
        share = np.nan_to_num(profile["dead_fraction"]).mean(axis=0)
        layer = there.first(share >= _DEAD)
        if layer is not None:
            found.append(Finding("dead", "dead_fraction", layer, {"share": float(share[layer])}))
    if back is not None and back.underflow(dtype) is None:
        zero = back.first_zero()
        if zero is not None:
            found.append(_no_gradient("dead", zero))
    return found


def _no_gradient(kind: str, layer: int) -> Finding:
    """None comes back to that layer, and to those before it."""
    return Finding(kind, BACKWARD, layer, {"before": layer})


def _symmetric(profile: Profiled, there: Course) -> list[Finding]:
    """Units that are all the same, in the hidden layers that a signal reaches: a zero signal would make any so."""
    network = profile.network
    last = network.depth - 1
    zero = there.first_zero()
    if zero is not None:
        last = min(last, zero - (there.underflow(network.dtype) is not None))
    distinct = np.asarray(profile["distinct_units"]).max(axis=0)
    apart = distinct > 1  # what comes apart again learns
    alike = (at for at in range(1, last + 1) if distinct[at] == 1 < network.widths[at])
    layer = next((at for at in alike if not apart[at : last + 1].any()), None)
    steps = len(profile.steps)
    return [] if layer is None else [Finding("symmetric", "distinct_units", layer, {"steps": steps} if steps else {})]


def _not_finite(profile: Profiled, there: Course, back: Course | None) -> list[Finding]:
    layers = {FORWARD: _broken(profile, there), BACKWARD: None if back is None else _broken(profile, back)}
    return [Finding("not finite", name, layer) for name, layer in layers.items() if layer is not None]


def _broken(profile: Profiled, one: Course) -> int | None:
    """The first layer that is not finite; what an interrupted run has not reached is not known, and no finding."""
    return one.first(np.isposinf(one.logs) | (np.isnan(one.logs) & (not profile.interrupted)))


def _unstable(there: Course, forward: Bounds, back: Course | None, backward: Bounds) -> list[Finding]:
    found = []
    for one, bounds, name, kind in ((there, forward, FORWARD, ""), (back, backward, BACKWARD, "gradient ")):
        if one is None or abs(one.power) < _STEEP:
            continue
        zero = one.first_zero()
        if kind and np.isnan(one.change) and zero is not None:
            found.append(_no_gradient("gradient vanishing", zero))
        if not bounds[0] <= one.change <= bounds[1] and not np.isnan(one.change):
            way = "vanishing" if one.change < bounds[0] else "exploding"
            found.append(Finding(kind + way, name, None, _numbers(one) | _leaves(one)))
        elif not bounds[0] <= one.furthest[0] <= bounds[1]:
            way = "vanishing" if one.furthest[0] < bounds[0] else "exploding"
            numbers = {"ratio": one.furthest[0], "first_layer": one.span[0]}
            found.append(Finding(kind + way, name, one.furthest[1], numbers))
    return found


def _stable(there: Course, back: Course | None) -> list[Finding]:
    both = [Finding("stable", FORWARD, None, _numbers(there))]
    return both if back is None else [*both, Finding("stable", BACKWARD, None, _numbers(back))]


def _numbers(one: Course) -> dict[str, float]:
    """Those of a course that a sentence tells; a power of the layer only where it makes much of a change."""
    numbers = {"rate": one.rate, "theory": one.theory, "power": one.power, "change": one.change}
    if BOUNDS[0] <= one.change <= BOUNDS[1]:
        del numbers["power"]
    known = {name: value for name, value in numbers.items() if name in ("rate", "change") or not np.isnan(value)}
    return known | {"first_layer": one.span[0], "last_layer": one.span[1]}


def _leaves(one: Course) -> dict[str, float]:
    """Where the typical size, the root of the second moment, leaves the range of a dtype.

    For example "float16_layer" in the network, or by extrapolation "float16_depth", that of a deeper one.
    """
    sizes = one.logs / 2
    last, step = sizes[one.order[-1]], log(one.rate) / 2 if one.rate > 0 else 0.0
    found: dict[str, float] = {}
    for dtype, (tiny, huge) in LIMITS.items():
        name = dtype.partition(" ")[0]
        layer = one.first(sizes < log(tiny) if one.change < 1 else sizes > log(huge))
        if layer is not None:
            found[f"{name}_layer"] = layer
        elif step and np.isfinite(last):
            more = ceil(((log(tiny) if step < 0 else log(huge)) - last) / step)
            found[f"{name}_depth"] = len(sizes) - 1 + more
    return found


def _borderline(profile: Profiled, there: Course, bounds: Bounds) -> list[Finding]:
    """That another drawing may be judged otherwise: a bound is within two standard deviations of the change."""
    spread = profile.spread(*there.span)
    near = [bound for bound in bounds if 0 < bound < np.inf and there.change > 0]
    if not any(abs(log(there.change / bound)) < 2 * spread for bound in near):
        return []
    return [Finding(CAUTION, FORWARD, None, {"spread": spread})]


def _cautions(profile: Profiled) -> list[Finding]:
    return [*profile.cautions(), *([Finding(CAUTION, PARTIAL)] if profile.interrupted else [])]
