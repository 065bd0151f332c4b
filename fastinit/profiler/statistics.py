"""Statistics of one layer, taken in as the signal passes: nothing that passes is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..streaming import Moments

Array = np.ndarray[Any, Any]

#: What a profile has for each layer, in the order of tables.
FIELDS = (
    "preact_mean",
    "preact_variance",
    "preact_second_moment",
    "preact_kurtosis",
    "act_mean",
    "act_variance",
    "act_second_moment",
    "act_kurtosis",
    "dead_fraction",
    "distinct_units",
    "cosine",
    "grad_preact_second_moment",
    "grad_act_second_moment",
    "weight_norm",
    "weight_grad_norm",
    "weight_dot_grad",
)

#: Columns multiplied at once for a Gram matrix; sums of so many products in float32 are added in float64.
BLOCK = 4096
#: Elements multiplied and summed at once by BLAS, which has dozens of partial sums: some hundreds go into each.
_RUN = 1 << 14
#: What underflow may take from a product in float32 is below 1e-7 of this.
_LOST = 1e-30
#: Two units are the same where they differ by less than this, in rounding errors of their dtype and in their size.
_ROUNDINGS = 64
#: Rows by which most columns that are not the same are told apart.
_GLANCE = 8


def gram(x: Array, dtype: Any = None) -> Array:
    """xx' in float64, for rows of many columns; products and their first sums are in `dtype`, by default that of x.

    What is so small or large that products would leave the range of the dtype is scaled by a power of two before.
    """
    x, power = _scaled(x)
    total = np.zeros((len(x), len(x)))
    for start in range(0, x.shape[1], BLOCK):
        some = x[:, start : start + BLOCK].astype(dtype or x.dtype, copy=False)
        total += some @ some.T
    return np.ldexp(total, 2 * power)


def _scaled(x: Array) -> tuple[Array, int]:
    """x / 2**power and power: 0 where the largest element is between 2**-40 and 2**40."""
    peak = max(float(x.max()), -float(x.min())) if x.size else 1.0
    power = int(np.frexp(peak)[1]) if np.isfinite(peak) else 0
    return (np.ldexp(x, -power), power) if abs(power) > 40 else (x, 0)


def inner(x: Array, y: Array) -> float:
    """<x, y>: products of `_RUN` elements in their dtype, which in float32 is right to 1e-5, summed in float64.

    Where products may have left the range of float32, they are made again in float64.
    """
    runs = [slice(start, start + _RUN) for start in range(0, x.size, _RUN)]
    x, y = x.reshape(-1), y.reshape(-1)
    total = float(sum(float(np.vdot(x[run], y[run])) for run in runs))
    if x.dtype == np.float32 and not x.size * _LOST <= abs(total) < np.inf:
        total = float(sum(float(np.vdot(x[run].astype(np.float64), y[run].astype(np.float64))) for run in runs))
    return total


def squared_norm(x: Array) -> float:
    """|x|^2."""
    return inner(x, x)


def mean_cosine(products: Array) -> float:
    """Mean over pairs of different rows of the cosine between them, from their Gram matrix; zero rows have none."""
    squares = np.diag(products)
    some = np.flatnonzero(squares)
    count = len(some)
    if count < 2:
        return np.nan
    unit = 1 / np.sqrt(squares[some])
    cosines = products[np.ix_(some, some)] * unit[:, None] * unit
    return float((cosines.sum() - np.trace(cosines)) / (count * (count - 1)))


def mean_cosine_of_rows(x: Array) -> float:
    """The same from the rows themselves, in a time and memory linear in their number: |sum of unit vectors|^2."""
    x = _scaled(x)[0]
    blocks = [slice(start, start + BLOCK) for start in range(0, x.shape[1], BLOCK)]
    squares = sum(np.einsum("ij,ij->i", some, some) for some in (x[:, at].astype(np.float64) for at in blocks))
    count = np.count_nonzero(squares)
    if count < 2:
        return np.nan
    unit = np.divide(1, np.sqrt(squares), out=np.zeros(len(x)), where=squares != 0)
    total = sum(float(np.square(unit @ x[:, at].astype(np.float64)).sum()) for at in blocks)
    return (total - count) / (count * (count - 1))


def distinct_columns(x: Array) -> float:
    """How many columns differ by more than rounding; not a number where one is not finite.

    Columns are sorted by a fixed projection, which rounding moves by a few units of its last place; neighbours that are
    close in it are then compared, first in a few rows and, where those agree, whole.
    """
    if not np.isfinite(x).all():
        return np.nan
    slack = _ROUNDINGS * float(np.finfo(x.dtype).eps)
    direction = np.cos(np.arange(1, len(x) + 1) ** 2 * 0.7).astype(x.dtype)  # no simple relation between its entries
    shadow = direction @ x
    order = np.argsort(shadow, kind="stable")
    ranked, peaks = shadow[order], np.abs(x).max(axis=0)
    close = np.flatnonzero(np.diff(ranked) <= slack * len(x) ** 0.5 * float(peaks.max()))
    pairs = np.stack([order[close], order[close + 1]])
    for rows in (x[:_GLANCE], x):
        gaps = np.abs(rows[:, pairs[0]] - rows[:, pairs[1]]).max(axis=0)
        pairs = pairs[:, gaps <= slack * peaks[pairs].max(axis=0)]
    return float(x.shape[1] - pairs.shape[1])


class Tally:
    """What is known of one layer. Arrays are (rows, units), and may come in pieces of some units each."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Forget all."""
        self.preact, self.act = Moments(4), Moments(4)
        self.grad_preact, self.grad_act = Moments(2), Moments(2)
        self.dead = 0
        self.units = 0
        self.distinct: float = np.nan
        self.cosine = np.nan
        self.squares: dict[str, float] = {}

    def add_weights(self, **squares: float) -> None:
        """Add |W|^2, |dW|^2 and <W, dW> of one matrix to those of the layer."""
        for name, value in squares.items():
            self.squares[name] = self.squares.get(name, 0.0) + value

    def add_slopes(self, slopes: Array, batch: int) -> None:
        """Count the units whose slope is zero on the whole batch; a unit is a column of (batch, -1)."""
        whole = slopes.reshape(batch, -1)
        self.dead += int(whole.shape[1] - np.count_nonzero(whole.any(axis=0)))
        self.units += whole.shape[1]

    def merge(self, part: Tally, names: Iterable[str]) -> None:
        """Take in what was seen of the next units: moments or counts, by name."""
        for name in names:
            setattr(self, name, getattr(self, name) + getattr(part, name))

    def row(self) -> dict[str, float]:
        """The fields of this layer; what it has not seen is not a number."""
        found = dict.fromkeys(FIELDS, np.nan)
        results = {name: getattr(self, name).result() for name in ("preact", "act", "grad_preact", "grad_act")}
        for name, seen in results.items():
            if not seen.count:
                continue
            statistics = _with_infinities(seen)
            if name.startswith("grad"):
                found[f"{name}_second_moment"] = statistics["second_moment"]
            else:
                found |= {f"{name}_{key}": value for key, value in statistics.items()}
        if self.units:
            found["dead_fraction"] = self.dead / self.units
        found["distinct_units"] = np.nan if results["preact"].nonfinite else self.distinct
        found["cosine"] = self.cosine
        for name in ("weight_norm", "weight_grad_norm"):
            found[name] = float(np.sqrt(np.maximum(self.squares.get(name, np.nan), 0)))  # a sum of products rounds
        found["weight_dot_grad"] = self.squares.get("weight_dot_grad", np.nan)
        return {name: float(found[name]) for name in FIELDS}


def _with_infinities(seen: Any) -> dict[str, float]:
    """Mean, variance, second moment and kurtosis."""
    kurtosis = np.nan if seen.kurtosis is None else seen.kurtosis
    second = np.float64(seen.variance) + np.float64(seen.mean) ** 2
    return {"mean": seen.mean, "variance": seen.variance, "second_moment": second, "kurtosis": kurtosis}
