"""Courses: how a second moment changes from layer to layer, on the way of the signal or of the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...records import Record, real_array, real_number
from .described import Described, Profiled

Array = np.ndarray[Any, Any]

#: Change of a second moment over the depth that still is stable.
BOUNDS = (0.1, 10.0)

#: A value below so many smallest normal numbers lost its digits on the way, and a zero after it is an underflow.
_NEARLY_ZERO = 1e10
#: A power of the layer is told of so many layers, of fewer any curve fits one, where it leaves less than this share of
#: the squares that a factor per layer leaves: where layers add to a stream, and where not. A short sum is not to be
#: taken for a factor, or a deeper network would be healthy where a shallower one is not.
_POWER = {True: (4, 2.0), False: (8, 0.5)}


@dataclass(frozen=True, eq=False)
class Course(Record):
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
    logs : numpy.ndarray
        Mean over repeats of the logarithm of the second moment, (depth + 1,).
    backward : bool
        Whether it is that of the gradient, which goes from the last layer to the first.
    """

    rate: float
    change: float
    power: float
    theory: float
    span: tuple[int, int]
    furthest: tuple[float, int]
    logs: NDArray[np.float64] = field(repr=False)
    backward: bool = False

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Course:
        """That of which `to_dict` gives these."""
        numbers = {name: real_number(found[name]) for name in ("rate", "change", "power", "theory")}
        first, last = found["span"]
        far, layer = found["furthest"]
        furthest = (real_number(far), layer)
        return cls(**numbers, span=(first, last), furthest=furthest, logs=real_array(found["logs"]),
                   backward=found["backward"])  # fmt: skip

    @property
    def order(self) -> Array:
        """Layers in the order in which the signal passes them."""
        layers = np.arange(len(self.logs))
        return layers[::-1] if self.backward else layers

    def first(self, wanted: Array) -> int | None:
        """The first layer on the way for which `wanted` is true."""
        found = self.order[wanted[self.order]]
        return int(found[0]) if len(found) else None

    def first_zero(self) -> int | None:
        """The first layer on the way that is zero."""
        return self.first(np.isneginf(self.logs))

    def last_zero(self) -> int | None:
        """The last one of those that are zero with it; None where all from there on are."""
        zero = np.isneginf(self.logs[self.order])
        first = int(zero.argmax())
        return None if zero[first:].all() else int(self.order[first + zero[first:].argmin() - 1])

    def underflow(self, dtype: Any) -> int | None:
        """The first layer that is zero because the one before it nearly was."""
        zero = self.first_zero()
        if zero in (None, self.order[0]):
            return None
        before = self.logs[zero + 1 if self.backward else zero - 1] / 2
        return zero if before < log(float(np.finfo(dtype).tiny) * _NEARLY_ZERO) else None


def typical_log(profile: Profiled, name: str) -> Array:
    """Mean over repeats of the logarithm of a field, (depth + 1,): of what was reached, where a run was interrupted."""
    values = np.asarray(profile[name], float)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(values)
        if not profile.interrupted:
            return np.asarray(logs.mean(axis=0))
        seen = ~np.isnan(values)
        return np.asarray(np.where(seen, logs, 0).sum(axis=0) / seen.sum(axis=0))


def interior(depth: int) -> slice:
    """Layers apart from the input and the last, which have their own factors; all of them where there are few."""
    return slice(1, depth) if depth >= 4 else slice(0, depth + 1)


def course_of(profile: Profiled, name: str) -> Course:
    """The course of a second moment.

    A gradient's is multiplied by the width: rectangular layers of variance 1 / fan_in keep the squared norm, and
    change the second moment by the ratio of the widths.
    """
    network, backward = profile.network, name.startswith("grad")
    logs = typical_log(profile, name)
    sizes = np.log(network.widths) if backward else 0.0
    sized = logs + sizes
    sign = -1 if backward else 1
    rate, power = _fits(sized, network, sign, profile.sums)
    inside = np.arange(len(logs))[interior(network.depth)][::sign]
    if profile.interrupted:
        inside = inside[~np.isnan(logs[inside])]
    first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (0, 0)
    with np.errstate(invalid="ignore", over="ignore"):
        change = float(np.exp(sized[last] - sized[first]))
    theory = nan
    if f"theory_{name}" in profile:
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = np.log(np.asarray(profile[f"theory_{name}"], float)) + sizes
        theory = _fits(expected, network, sign, profile.sums)[0]
    furthest = _furthest(sized[inside], inside) if len(inside) else (1.0, first)
    return Course(rate, change, power, theory, (first, last), furthest, logs, backward)


def _furthest(logs: Array, layers: Array) -> tuple[float, int]:
    """The greatest change from the first that is a number, and its layer."""
    with np.errstate(invalid="ignore"):
        moved = logs - logs[0]
    far = int(np.argmax(np.where(np.isfinite(moved), np.abs(moved), -1)))
    return (exp(min(moved[far], 700.0)) if np.isfinite(moved[far]) else 1.0), int(layers[far])


def _fits(logs: Array, network: Described, sign: int, sums: bool) -> tuple[float, float]:
    """Factor per layer, and the exponent of the layer where that is to be told, else NaN."""
    least, share = _POWER[sums]
    layers = np.arange(len(logs))
    some = np.zeros(len(logs), bool)
    some[interior(network.depth)] = True
    some &= np.isfinite(logs) & (logs / 2 > log(float(np.finfo(network.dtype).tiny)))
    if some.sum() < 2:
        return nan, nan
    slope, left = _line(layers[some], logs[some])
    rate = exp(min(sign * slope, 700.0))
    if some[0] or some.sum() < least:
        return rate, nan
    power, left_of_power = _line(np.log(layers[some]), logs[some])
    return rate, power if left_of_power < share * left else nan


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Slope of the least-squares line, and the sum of squares that it leaves."""
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    return slope, float(((y - slope * x) ** 2).sum())
