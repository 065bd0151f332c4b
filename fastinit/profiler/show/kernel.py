"""The tangent kernel as it is drawn: its eigenvalues, in the unit in which the verdict's bounds are the same for all.

The verdict asks how far the largest of K's eigenvalues is beyond the mean, and the median, of those with the mean over
examples taken out, for each example. So each is drawn over the largest, times the number of examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..result.training import NAMES, OPTIMIZERS, typical
from ..tangent_kernel import KERNEL_EIGENVALUES, KernelSpectrum

if TYPE_CHECKING:
    from ..result.layer_profile import LayerProfile

Array = np.ndarray[Any, Any]
Profiles = Mapping[str, "LayerProfile[Any]"]

SPECTRUM, SHARES = "tangent kernel: eigenvalues in order", "tangent kernel: share of each layer in its trace"
#: How many times a bound an eigenvalue may be and the bound still is drawn.
_NEAR = 1e4
#: What the unit is.
UNIT = "over the largest, times examples"


class Bound(NamedTuple):
    """Where the mean or the median of the eigenvalues is, below `slow`, near a bound of an optimizer, or below `no`."""

    name: str
    slow: float
    no: float


BOUNDS = tuple(
    Bound(f"{NAMES[optimizer]}, {of}", *(1 / bound for bound in getattr(bounds, f"over_{of}")))
    for optimizer, bounds in OPTIMIZERS.items()
    for of in ("mean", "median")
    if isfinite(getattr(bounds, f"over_{of}")[0])
)


class Spectrum(NamedTuple):
    """Of the drawing that the verdict speaks of, in the unit of the bounds; and the quartiles over all, of several.

    `eigenvalues` are from large to small, those with the mean over examples taken out; `mean` and `median` are theirs.
    What rounding may have made is zero.
    """

    largest: float
    eigenvalues: Array
    mean: float
    median: float
    quartiles: Array | None

    @property
    def marks(self) -> dict[str, tuple[float, float]]:
        """Place and height of the largest of all, of the mean where the others pass it, and of the median."""
        others = self.eigenvalues
        passed = float(np.interp(-self.mean, -others, np.arange(1, len(others) + 1)))
        return {
            "largest": (0.0, self.largest),
            "mean of the others": (passed, self.mean),
            "median of the others": ((len(others) + 1) / 2, self.median),
        }


def spectra_of(profiles: Profiles) -> dict[int | None, Spectrum]:
    """Those that were seen, by the profiles' places; by None that of one alone, or the one that all have."""
    every = {place: _spectrum(profile) for place, profile in enumerate(profiles.values())}
    found: dict[int | None, Spectrum] = {place: one for place, one in every.items() if one is not None}
    first, *others = found.values() or [None]
    if first and (others or len(every) == 1) and all(_same(first, one) for one in others):
        return {None: first}
    return found


def _same(first: Spectrum, other: Spectrum | None) -> bool:
    return other is not None and np.array_equal(first.eigenvalues, other.eigenvalues)


def _spectrum(profile: LayerProfile[Any]) -> Spectrum | None:
    kernels = profile.kernels
    seen = [place for place, one in enumerate(kernels) if one.known and one.largest]
    if not seen or KERNEL_EIGENVALUES not in profile:
        return None
    middle = typical([kernels[place] for place in seen])
    unit, scale = np.array([_unit(kernels[place]) for place in seen]), _unit(middle)
    least = middle.rounding * middle.examples
    several = profile[KERNEL_EIGENVALUES][seen] * unit[:, None]
    several[several < least] = 0
    own = several[[kernels[place] for place in seen].index(middle)][: int(middle.examples) - 1]
    quartiles = np.nanquantile(several[:, : len(own)], [0.25, 0.75], axis=0) if len(seen) > 1 else None
    mean, median = (one if one >= least else 0.0 for one in (middle.mean * scale, middle.median * scale))
    return Spectrum(middle.examples, own, mean, median, quartiles)


def _unit(kernel: KernelSpectrum) -> float:
    """By which eigenvalues are multiplied."""
    return kernel.examples / kernel.largest


def shares_of(profiles: Profiles) -> dict[int, Array]:
    """Mean share of each layer in the kernel's trace, of the profiles that have it, by their places."""
    found = {place: profile.mean("kernel_share") for place, profile in enumerate(profiles.values())}
    return {place: shares for place, shares in found.items() if not np.isnan(shares).all()}


def bounds_near(spectra: Mapping[int | None, Spectrum]) -> tuple[list[Bound], list[Bound]]:
    """The bounds that eigenvalues come near, or are beyond; and those that are far below all of them."""
    least = min(one.eigenvalues.min(initial=np.inf) for one in spectra.values())
    near = [bound for bound in BOUNDS if least < _NEAR * bound.slow]
    return near, [bound for bound in BOUNDS if bound not in near]
