"""Normalisations: each is one value, which says all that the profiler is to know of it; `NORMS` has them by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _core
from ..machine import threads_for
from .products import row_sums

Array = np.ndarray[Any, Any]

#: What the statistics of a norm go over, as axes of a signal: of each unit over the rows (the batch, and the positions
#: of an image), or of each row over its units.
ROWS, UNITS = 0, 1
#: What so few rows do to the gradient through batch normalisation.
FEW_ROWS = {
    2: "sends no gradient back (but for norm_eps)",
    3: "has a gradient whose expectation is infinite: read medians and mean_log(name)",
}


class Normalised(ABC):
    """A normalised signal `y`, and the Jacobian at it.

    Where a row has units that are not here, what is to be known of them are the means over the whole row of what
    `row_sums` sums up over the units that are here.
    """

    y: Array

    @abstractmethod
    def backward(self, d: Array, means: Sequence[Array] | None = None) -> Array:
        """The Jacobian's transpose times d."""

    @abstractmethod
    def tangent(self, t: Array) -> Array:
        """The Jacobian times t."""

    def row_sums(self, d: Array) -> list[Array]:
        """Of d and y, in float64: the sums over units whose means `backward` takes."""
        raise NotImplementedError


@dataclass(frozen=True)
class Norm(ABC):
    """A normalisation without parameters.

    Attributes
    ----------
    name : str
        What `norm=` calls it.
    axis : int
        What its statistics go over, `ROWS` or `UNITS`.
    centred : bool
        Whether it takes out the mean.
    kinds : tuple of str
        Kinds of network that can have it.
    least_rows : int
        A signal of fewer rows has no such norm.
    few_rows : mapping of int to str
        What so many rows do to the gradient.
    """

    name: str
    axis: int
    centred: bool
    kinds: tuple[str, ...] = ("mlp", "conv", "transformer")
    least_rows: int = 1
    few_rows: Mapping[int, str] = field(default_factory=dict, hash=False)

    @property
    def can_be_cut(self) -> bool:
        """Whether some units can be normalised where sums over all of them are known: if not, none without the rest."""
        return self.axis == ROWS

    @property
    def predicted(self) -> bool:
        """Whether theory has its law: it divides by the root of the second moment of what it may have centred."""
        return False

    @abstractmethod
    def normalised(self, h: Array, eps: float, means: Sequence[Array] | None = None) -> Normalised:
        """Rows of units, normalised; of rows with units elsewhere `means` are those of what `row_sums` sums up."""

    def row_sums(self, h: Array) -> list[Array]:
        """Of h, in float64: the sums over units whose means `normalised` takes."""
        raise NotImplementedError

    def caution(self, rows: int) -> str:
        """What is to be said of a signal of so many rows; nothing where they are enough."""
        return f"{self.name} normalisation over {rows} rows {self.few_rows[rows]}" if rows in self.few_rows else ""


@dataclass(frozen=True)
class MomentNorm(Norm):
    """``y = (h - mean) / sqrt(variance + eps)``; where nothing is centred the mean is zero."""

    @property
    def can_be_cut(self) -> bool:
        """Over units too: sums of h and of its square tell mean and variance."""
        return True

    @property
    def predicted(self) -> bool:
        """Over rows where they are centred."""
        return self.centred or self.axis == UNITS

    def normalised(self, h: Array, eps: float, means: Sequence[Array] | None = None) -> Normalised:
        """Where the variance and eps are both zero the result is not a number."""
        y, inverse = np.empty(h.shape, h.dtype), np.empty(h.shape[1 - self.axis])
        _core.normalise(self.axis, self.centred, eps, h, None, means, y, inverse, threads_for(None))
        return _MomentNormalised(self, y, inverse)

    def row_sums(self, h: Array) -> list[Array]:
        """Of h, and of its square."""
        return sums_over_units(h, h)


@dataclass(frozen=True, eq=False)
class _MomentNormalised(Normalised):
    """``y = (h - mean) * inverse``, with ``inverse = 1 / sqrt(variance + eps)``. The Jacobian is symmetric."""

    norm: MomentNorm
    y: Array
    inverse: Array

    def backward(self, d: Array, means: Sequence[Array] | None = None) -> Array:
        """``inverse (d - <d> - y <d y>)``; without ``<d>`` where nothing is centred."""
        result, norm = np.empty(d.shape, d.dtype), self.norm
        _core.normalise(norm.axis, norm.centred, 0, d, self.y, means, result, self.inverse, threads_for(None))
        return result

    def tangent(self, t: Array) -> Array:
        return self.backward(t)

    def row_sums(self, d: Array) -> list[Array]:
        """Of d, and of d y."""
        return sums_over_units(d, self.y)


def sums_over_units(x: Array, y: Array) -> list[Array]:
    """In float64: of x, and of x y."""
    return [*row_sums(x, y, threads=1)]


#: Every normalisation by its name.
NORMS: dict[str, Norm] = {
    norm.name: norm
    for norm in (
        MomentNorm("batch", ROWS, centred=True, kinds=("mlp", "conv"), least_rows=2, few_rows=FEW_ROWS),
        MomentNorm("layer", UNITS, centred=True),
        MomentNorm("rms", UNITS, centred=False),
    )
}
