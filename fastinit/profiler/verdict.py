"""The verdict: what the numbers of a profile mean, in one sentence. Measured; theory only stands beside."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, exp, log
from typing import Any

import numpy as np

from .norms import FEW_ROWS

Array = np.ndarray[Any, Any]

#: Change of a second moment over the depth that still is stable.
BOUNDS = (0.1, 10.0)

#: Smallest normal and largest number of the dtypes that networks run in; those of bfloat16 are float32's to 0.4 %.
LIMITS = {
    "float16": (2.0**-14, 65504.0),
    "float32 and bfloat16": (2.0**-126, float(np.finfo(np.float32).max)),
}
#: A value below so many smallest normal numbers lost its digits on the way, and a zero after it is an underflow.
_NEARLY_ZERO = 1e10
#: Share of units without a slope from which a layer is dead.
_DEAD = 0.99
#: A fit of a power of the layer is taken where its squares are below this share of those of a factor per layer.
_POWER = 0.5
#: A power of the layer needs so many layers in a residual network, and twice as many in another.
_FEW = 4
#: From this power on, twenty layers make a thousand: that is held against a network.
_STEEP = 2.5


@dataclass(frozen=True)
class Course:
    """How one second moment changes from layer to layer, in the direction in which the signal goes.

    Attributes
    ----------
    rate : float
        Factor per layer, fitted to the logarithms of the interior layers; NaN where fewer than two are positive.
    change : float
        Last over first of the layers of `span`.
    power : float
        Exponent, where the change is a power of the layer and not a factor per layer; else NaN.
    theory : float
        The rate of the theory; NaN where it has none.
    span : (int, int)
        First and last of the interior layers, on the way of the signal.
    furthest : (float, int)
        The greatest change from the first of them, up or down, and its layer.
    """

    rate: float
    change: float
    power: float
    theory: float
    span: tuple[int, int]
    furthest: tuple[float, int]
    logs: Array = field(repr=False)
    backward: bool = False

    @property
    def order(self) -> Array:
        """Layers in the order in which the signal passes them."""
        layers = np.arange(len(self.logs))
        return layers[::-1] if self.backward else layers

    def first(self, wanted: Array) -> int | None:
        """The first layer on the way for which `wanted` is true."""
        found = self.order[wanted[self.order]]
        return int(found[0]) if len(found) else None

    def underflow(self, dtype: Any) -> int | None:
        """The first layer that is zero because the one before it nearly was."""
        zero = self.first(np.isneginf(self.logs))
        if zero in (None, self.order[0]):
            return None
        before = self.logs[zero + 1 if self.backward else zero - 1] / 2
        return zero if before < log(float(np.finfo(dtype).tiny) * _NEARLY_ZERO) else None


@dataclass(frozen=True)
class Verdict:
    """What a profile says. Its string is the sentence.

    Attributes
    ----------
    kind : str
        stable, or the worst that was found: dead, symmetric, not finite, vanishing, exploding, gradient vanishing,
        gradient exploding; unknown where a run was interrupted too early.
    sentence : str
        All that was found.
    forward, backward : Course
        How the second moment of the activations, and that of the gradient times the width, change;
        `backward` is None where no gradient was sent.
    """

    kind: str
    sentence: str
    forward: Course
    backward: Course | None

    @property
    def healthy(self) -> bool:
        """Whether the network is stable."""
        return self.kind == "stable"

    def __str__(self) -> str:
        return self.sentence


Finding = tuple[str, str]


def judge(profile: Any, forward: tuple[float, float] = BOUNDS, backward: tuple[float, float] = BOUNDS) -> Verdict:
    """The verdict on a profile, a change of the interior layers between these bounds being stable."""
    there = course(profile, "act_second_moment")
    sent = profile.backward and not (profile.interrupted and not _measured(profile, "grad_act_second_moment"))
    back = course(profile, "grad_act_second_moment") if sent else None
    found = _not_finite(profile, there, back)
    if not found or not profile.steps:  # steps of descent that went astray leave nothing else to tell
        found = [*_dead(profile, there, back), *_symmetric(profile, there), *found]
    if not {"dead", "not finite"} & {kind for kind, _ in found}:
        found += _unstable(there, forward, back, backward)
    if not found and profile.interrupted and np.isnan(there.change):
        found.append(("unknown", "too few layers were passed"))
    kind = found[0][0] if found else "stable"
    texts = [text for _, text in found] or [_stable(there, back)]
    sentence = f"{kind.capitalize()}: " + "; ".join([*texts, *_cautions(profile)]) + "."
    return Verdict(kind, sentence, there, back)


def typical_log(profile: Any, name: str) -> Array:
    """Mean over repeats of the logarithm of a field, (depth + 1,): of what was reached, where a run was interrupted."""
    values = np.asarray(profile[name], float)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(values)
        if not profile.interrupted:
            return np.asarray(logs.mean(axis=0))
        seen = ~np.isnan(values)
        return np.asarray(np.where(seen, logs, 0).sum(axis=0) / seen.sum(axis=0))


def _measured(profile: Any, name: str) -> bool:
    return not np.isnan(np.asarray(profile[name])).all()


def interior(depth: int) -> slice:
    """Layers apart from the input and the last, which have their own factors; all of them where there are few."""
    return slice(1, depth) if depth >= 4 else slice(0, depth + 1)


def course(profile: Any, name: str) -> Course:
    """The course of a second moment.

    A gradient's is multiplied by the width: rectangular layers of variance 1 / fan_in keep the squared norm, and
    change the second moment by the ratio of the widths.
    """
    network, backward = profile.network, name.startswith("grad")
    logs = typical_log(profile, name)
    sizes = np.log(network.widths) if backward else 0.0
    sign = -1 if backward else 1
    rate, power = _fits(logs + sizes, network, sign)
    inside = np.arange(len(logs))[interior(network.depth)][::sign]
    if profile.interrupted:
        inside = inside[~np.isnan(logs[inside])]
    first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (0, 0)
    with np.errstate(invalid="ignore", over="ignore"):
        change = float(np.exp((logs + sizes)[last] - (logs + sizes)[first]))
    theory = float("nan")
    if f"theory_{name}" in profile:
        with np.errstate(divide="ignore", invalid="ignore"):
            theory = _fits(np.log(np.asarray(profile[f"theory_{name}"], float)) + sizes, network, sign)[0]
    furthest = _furthest((logs + sizes)[inside], inside) if len(inside) else (1.0, first)
    return Course(rate, change, power, theory, (first, last), furthest, logs, backward)


def _furthest(logs: Array, layers: Array) -> tuple[float, int]:
    """The greatest change from the first that is a number, and its layer."""
    with np.errstate(invalid="ignore"):
        moved = logs - logs[0]
    far = int(np.argmax(np.where(np.isfinite(moved), np.abs(moved), -1)))
    return (exp(min(moved[far], 700.0)) if np.isfinite(moved[far]) else 1.0), int(layers[far])


def _fits(logs: Array, network: Any, sign: int) -> tuple[float, float]:
    """Factor per layer, and the exponent of the layer where that fits much better, else NaN."""
    layers = np.arange(len(logs))
    some = np.zeros(len(logs), bool)
    some[interior(network.depth)] = True
    some &= np.isfinite(logs) & (logs / 2 > log(float(np.finfo(network.dtype).tiny)))
    if some.sum() < 2:
        return float("nan"), float("nan")
    slope, left = _line(layers[some], logs[some])
    enough = _FEW if getattr(network, "residual", True) else 2 * _FEW  # of few layers any curve fits one
    fits = some.sum() >= enough and not some[0]
    power, left_of_power = _line(np.log(layers[some]), logs[some]) if fits else (0.0, left)
    return exp(min(sign * slope, 700.0)), power if left_of_power < _POWER * left else float("nan")


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Slope of the least-squares line, and the sum of squares that it leaves."""
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    return slope, float(((y - slope * x) ** 2).sum())


def _dead(profile: Any, there: Course, back: Course | None) -> list[Finding]:
    dtype = profile.network.dtype
    if there.underflow(dtype) is not None or _broken(profile, there) is not None:
        return []
    found = []
    zero = there.first(np.isneginf(there.logs))
    if zero is not None:
        found.append(f"the signal is zero from layer {zero} on")
    elif _measured(profile, "dead_fraction"):
        share = np.nan_to_num(profile["dead_fraction"]).mean(axis=0)
        layer = there.first(share >= _DEAD)
        if layer is not None:
            whose = "no unit" if share[layer] == 1 else f"hardly a unit ({100 * (1 - share[layer]):.2g} %)"
            found.append(f"{whose} of layer {layer} has a slope on the batch")
    if back is not None and back.underflow(dtype) is None:
        zero = back.first(np.isneginf(back.logs))
        if zero is not None:
            found.append(f"no gradient comes back to layer {zero}" + (" or below" if zero else ""))
    return [("dead", " and ".join(found))] if found else []


def _symmetric(profile: Any, there: Course) -> list[Finding]:
    """Units that are all the same, in the hidden layers that a signal reaches: a zero signal would make any so."""
    network = profile.network
    last = network.depth - 1
    zero = there.first(np.isneginf(there.logs))
    if zero is not None:
        last = min(last, zero - (there.underflow(network.dtype) is not None))
    distinct = np.asarray(profile["distinct_units"]).max(axis=0)
    layer = next((at for at in range(1, last + 1) if distinct[at] == 1 < network.widths[at]), None)
    if layer is None:
        return []
    steps = len(profile.steps)
    still = f" (after {steps} step{'s' * (steps > 1)} of gradient descent they still are)" if steps else ""
    return [("symmetric", f"all units of a layer are the same from layer {layer} on and get the same gradient, so that "
                          f"they stay the same{still}")]  # fmt: skip


def _not_finite(profile: Any, there: Course, back: Course | None) -> list[Finding]:
    found = []
    for one, name, way in ((there, "activations are", "on"), (back, "the gradient is", "down")):
        layer = None if one is None else _broken(profile, one)
        if layer is not None:
            found.append(("not finite", f"{name} not finite from layer {layer} {way}"))
    return found


def _broken(profile: Any, one: Course) -> int | None:
    """The first layer that is not finite; what an interrupted run has not reached is not known, and no finding."""
    return one.first(np.isposinf(one.logs) | (np.isnan(one.logs) & (not profile.interrupted)))


def _unstable(there: Course, forward: tuple[float, float], back: Course | None,
              backward: tuple[float, float]) -> list[Finding]:  # fmt: skip
    found = []
    for one, bounds, kind in ((there, forward, ""), (back, backward, "gradient ")):
        if one is None or abs(one.power) < _STEEP:
            continue
        zero = one.first(np.isneginf(one.logs))
        if kind and np.isnan(one.change) and zero is not None:
            found.append(
                (kind + "vanishing", f"no gradient comes back to layer {zero}" + (" or below" if zero else ""))
            )
        if not bounds[0] <= one.change <= bounds[1] and not np.isnan(one.change):
            way, verb = ("vanishing", "shrinks") if one.change < bounds[0] else ("exploding", "grows")
            though = "though the activations are stable, " if kind and not found else ""
            whose = "the gradient's second moment" if kind else "the activations' second moment"
            text = f"{though}{whose} {verb} {_how(one)}"
            found.append((kind + way, text + _limits(one)))
        elif not bounds[0] <= one.furthest[0] <= bounds[1]:
            way = "vanishing" if one.furthest[0] < bounds[0] else "exploding"
            whose = "the gradient's second moment" if kind else "the activations' second moment"
            text = f"{whose} is {one.furthest[0]:.3g} of that of layer {one.span[0]} at layer {one.furthest[1]}"
            found.append((kind + way, text))
    return found


def _stable(there: Course, back: Course | None) -> str:
    text = f"the activations' second moment changes {_how(there)}"
    return text if back is None else f"{text}; the gradient's {_how(back)}"


def _how(one: Course) -> str:
    theory = "" if np.isnan(one.theory) else f" (theory {one.theory:.4g})"
    rate = f"by a factor of {one.rate:.4g}{theory} per layer"
    if not np.isnan(one.power) and not BOUNDS[0] <= one.change <= BOUNDS[1]:
        rate = f"as layer^{one.power:.2f}"
    return f"{rate}, {one.change:.3g} in all from layer {one.span[0]} to {one.span[1]}"


def _limits(one: Course) -> str:
    """Where the typical size, the root of the second moment, leaves the range of a dtype: in the network or beyond."""
    sizes = one.logs / 2
    last, step = sizes[one.order[-1]], log(one.rate) / 2
    seen, ahead = [], []
    for dtype, (tiny, huge) in LIMITS.items():
        layer = one.first(sizes < log(tiny) if one.change < 1 else sizes > log(huge))
        if layer is not None:
            seen.append(f"{dtype} at layer {layer}")
        elif step and np.isfinite(last):
            more = ceil(((log(tiny) if step < 0 else log(huge)) - last) / step)
            ahead.append(f"{dtype} after about {len(sizes) - 1 + more} layers")
    if ahead:
        seen.append(f"by extrapolation {', '.join(ahead)}")
    return f" ({'underflow' if one.change < 1 else 'overflow'}: {', '.join(seen)})" if seen else ""


def _cautions(profile: Any) -> list[str]:
    found = []
    if profile.network.norm == "batch" and profile.network.rows in FEW_ROWS:
        found.append(f"batch normalisation over {profile.network.rows} rows {FEW_ROWS[profile.network.rows]}")
    if profile.interrupted:
        found.append("interrupted: of the layers and repeats done by then")
    return found
