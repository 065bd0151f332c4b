"""Statistics of one layer, taken in as the signal passes: nothing that passes is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from ..streaming import Moments

Array = np.ndarray[Any, Any]

#: Two units are the same where they differ by less than this, in rounding errors of their dtype and in their size.
_ROUNDINGS = 64
#: Two rows are the same where they differ by less than this, in rounding errors.
_COPIED = 4
#: Rows by which most columns that are not the same are told apart.
_GLANCE = 8


@lru_cache(8)
def _direction(rows: int) -> Array:
    """Weights of rows, with no simple relation between them."""
    return np.cos(np.arange(1, rows + 1) ** 2 * 0.7)


def distinct_columns(x: Array) -> float:
    """How many columns differ by more than rounding; not a number where one is not finite.

    Columns are sorted by a fixed projection, which rounding moves by a few units of its last place; neighbours that are
    close in it are then compared, first in a few rows and, where those agree, whole.
    """
    if x.strides[1] != x.itemsize:
        x = np.ascontiguousarray(x)
    shadow, peaks = _core.project(x, _direction(len(x)))
    peak = float(peaks.max())
    if not peak < np.inf:
        return np.nan
    slack = _ROUNDINGS * float(np.finfo(x.dtype).eps)
    ranked = np.sort(shadow)
    close = np.flatnonzero(ranked[1:] - ranked[:-1] <= slack * len(x) ** 0.5 * peak)
    if not close.size:
        return float(x.shape[1])
    order = np.argsort(shadow, kind="stable")  # which takes ten times as long
    pairs = np.stack([order[close], order[close + 1]])
    for rows in (x[:_GLANCE], x):
        gaps = np.abs(rows[:, pairs[0]] - rows[:, pairs[1]]).max(axis=0)
        pairs = pairs[:, gaps <= slack * peaks[pairs].max(axis=0)]
    return float(x.shape[1] - pairs.shape[1])


def distinct_rows(*given: Array) -> Array:
    """Places of the rows that differ by more than rounding, in one of several arrays, from all before them."""
    matrices = [x.reshape(len(x), -1) for x in given]
    shadows = [x @ _direction(x.shape[1]).astype(x.dtype if x.dtype.kind in "fc" else float) for x in matrices]
    offs = [_rounding(x) for x in matrices]
    found: list[int] = []
    for row in range(len(matrices[0])):
        near = np.array(found, int)
        for x, shadow, off in zip(matrices, shadows, offs, strict=True):
            near = near[np.abs(shadow[near] - shadow[row]) <= 2 * x.shape[1] * off[row]]
        for x, off in zip(matrices, offs, strict=True):
            near = near[(np.abs(x[near] - x[row]) <= off[row]).all(axis=1)]
        if not near.size:
            found.append(row)
    return np.array(found)


def _rounding(x: Array) -> Array:
    """How far elements of each row may be off; integers are exact."""
    eps = float(np.finfo(x.dtype).eps) if x.dtype.kind in "fc" else 0.0
    return np.asarray(_COPIED * eps * np.abs(x).max(axis=1, initial=0))


class Tally:
    """What is known of one layer. Arrays are (rows, units), and may come in pieces of some units each.

    One that does not measure has no moments: of what passes it is to know the kernel alone.
    """

    preact: Moments
    act: Moments
    grad_preact: Moments
    grad_act: Moments
    dead: int
    units: int
    distinct: float
    cosine: float
    position_cosine: float
    squares: dict[str, float]
    kernel: Array | None
    kernel_share: float

    def __init__(self, measures: bool = True) -> None:
        self._measures = measures
        self.start()

    def start(self) -> None:
        """Forget all."""
        if self._measures:
            self.preact, self.act = Moments(4), Moments(4)
            self.grad_preact, self.grad_act = Moments(2), Moments(2)
        self.dead = 0
        self.units = 0
        self.distinct = np.nan
        self.cosine = self.position_cosine = np.nan
        self.squares = {}
        self.kernel = None
        self.kernel_share = np.nan

    def sums_of(self, name: str) -> _core.Accumulator | None:
        """Where the core puts the moments of that name."""
        sums: _core.Accumulator | None = getattr(self, name)._sums if self._measures else None
        return sums

    def add_weights(self, **squares: float) -> None:
        """Add |W|^2, |dW|^2 and <W, dW> of one matrix to those of the layer."""
        for name, value in squares.items():
            self.squares[name] = self.squares.get(name, 0.0) + value

    def add_kernel(self, part: Array) -> None:
        """Add what one matrix and its bias add to the tangent kernel."""
        self.kernel = part if self.kernel is None else self.kernel + part

    def add_slopes(self, slopes: Array, batch: int) -> None:
        """Count the units whose slope is zero on the whole batch; a unit is a column of (batch, -1)."""
        whole = slopes.reshape(batch, -1)
        self.dead += _core.zero_columns(whole)
        self.units += whole.shape[1]

    def merge(self, part: Tally, names: Iterable[str]) -> None:
        """Take in what was seen of the next units: moments or counts, by name."""
        for name in names:
            setattr(self, name, getattr(self, name) + getattr(part, name))

    @property
    def dead_fraction(self) -> float:
        """The share of units whose slope is zero on the whole batch."""
        return self.dead / self.units if self.units else np.nan

    def row(self) -> dict[str, float]:
        """The fields of this layer; what it has not seen is not a number."""
        results = {name: getattr(self, name).result() for name in ("preact", "act", "grad_preact", "grad_act")}
        moments = {name: _with_infinities(seen) if seen.count else {} for name, seen in results.items()}
        seen = TallyResult(moments, not results["preact"].nonfinite, self)
        return {name: float(known.read(seen)) for name, known in FIELDS.items()}


def _with_infinities(seen: Any) -> dict[str, float]:
    """Mean, variance, second moment and kurtosis."""
    kurtosis = np.nan if seen.kurtosis is None else seen.kurtosis
    mean, variance = seen.mean, seen.variance  # a power would raise where the product is infinite
    return {"mean": mean, "variance": variance, "second_moment": variance + mean * mean, "kurtosis": kurtosis}


class TallyResult(NamedTuple):
    """What a layer's fields are read from: mean, variance, second moment and kurtosis by signal, and the tally."""

    moments: dict[str, dict[str, float]]
    finite: bool
    tally: Tally

    def root(self, name: str) -> float:
        """The root of a sum of squares, which as a sum of products may be a rounding below zero."""
        return float(np.sqrt(np.maximum(self.tally.squares.get(name, np.nan), 0)))

    @property
    def distinct(self) -> float:
        """Units that differ, where all are finite."""
        return self.tally.distinct if self.finite else np.nan


@dataclass(frozen=True)
class LayerField:
    """A number that a profile has for each layer.

    Attributes
    ----------
    name : str
        What the profile calls it.
    of : {"preactivation", "activation", "weights"}
        What it is a number of: the signal h, the signal x', or the matrices of the layer.
    way : {"forward", "backward"}
        The pass that gives it.
    at_input : bool
        Whether the input has it too.
    read : callable
        From what a layer has seen to the number; NaN where it has not seen it.
    """

    name: str
    of: str
    way: str
    at_input: bool
    read: Callable[[TallyResult], float]


def _moment(signal: str, of: str, statistic: str) -> LayerField:
    way = "backward" if signal.startswith("grad") else "forward"
    name = f"{signal}_{statistic}"
    return LayerField(name, of, way, of == "activation", lambda seen: seen.moments[signal].get(statistic, np.nan))


_STATISTICS = ("mean", "variance", "second_moment", "kurtosis")
#: What a profile has for each layer, by name, in the order of tables.
FIELDS: dict[str, LayerField] = {
    one.name: one
    for one in (
        *(_moment("preact", "preactivation", statistic) for statistic in _STATISTICS),
        *(_moment("act", "activation", statistic) for statistic in _STATISTICS),
        LayerField("dead_fraction", "preactivation", "forward", False, lambda seen: seen.tally.dead_fraction),
        LayerField("distinct_units", "preactivation", "forward", False, lambda seen: seen.distinct),
        LayerField("cosine", "activation", "forward", True, lambda seen: seen.tally.cosine),
        LayerField("position_cosine", "activation", "forward", True, lambda seen: seen.tally.position_cosine),
        _moment("grad_preact", "preactivation", "second_moment"),
        _moment("grad_act", "activation", "second_moment"),
        LayerField("weight_norm", "weights", "forward", False, lambda seen: seen.root("weight_norm")),
        LayerField("weight_grad_norm", "weights", "backward", False, lambda seen: seen.root("weight_grad_norm")),
        LayerField(
            "weight_dot_grad", "weights", "backward", False,
            lambda seen: seen.tally.squares.get("weight_dot_grad", np.nan),
        ),
        LayerField("kernel_share", "weights", "backward", False, lambda seen: seen.tally.kernel_share),
    )
}  # fmt: skip
#: What it has of the whole network where tangents are sent forward: see `Signals.jacobian`.
NETWORK_FIELDS = ("jacobian_second_moment", "jacobian_fourth_moment", "jacobian_largest")


def log_normal_skewness(values: Array) -> Array:
    """That of a log-normal law whose logarithms vary as those of the repeats; NaN where one is not positive."""
    grown = np.exp(np.log(values).var(axis=0, ddof=1))
    return np.asarray((grown + 2) * np.sqrt(grown - 1))
