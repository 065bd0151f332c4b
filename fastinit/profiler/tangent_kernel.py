"""The tangent kernel of some examples: what one step of descent on one of them does to the others.

``K_ij = <ds_i/dp, ds_j/dp>`` over all parameters p, s_i being one random unit functional of the outputs for example i.
Descent fits what differs between examples as fast as the eigenvalues of K say: where the largest, of what all examples
share, is beyond the others by too much, no learning rate tells the examples apart (Jacot, Gabriel and Hongler, 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

#: Half the distance from one to the next number of float64.
_ROUNDING = 2.0**-53


class KernelSpectrum(NamedTuple):
    """What the tangent kernel says of the whole network: eigenvalues, by one unit functional of the outputs.

    Attributes
    ----------
    largest : float
        The largest eigenvalue.
    mean, median : float
        Of the eigenvalues with the mean over examples taken out: one less than there are examples.
    effective_rank : float
        Of these, exp of the entropy of their shares (Roy and Vetterli, 2007): at most as many as there are.
    rounding : float
        How far an eigenvalue may be off, over the largest: sums of float64 are rounded. Signals of float32 were rounded
        to 6e-8 before, and what differs by less is not there.
    examples : float
        How many there are.
    """

    largest: float
    mean: float
    median: float
    effective_rank: float
    rounding: float
    examples: float

    @property
    def over_mean(self) -> float:
        """The largest over the mean: steps of descent, at the fastest stable rate, until a random labelling is fitted.

        In the linearisation; infinite where nothing tells the examples apart.
        """
        return _ratio(self.largest, self.mean)

    @property
    def over_median(self) -> float:
        """The largest over the median."""
        return _ratio(self.largest, self.median)

    @property
    def known(self) -> bool:
        """Whether it was seen, and is finite."""
        return bool(np.isfinite(self.largest) and self.examples > 1)


#: The same numbers as fields of a profile.
KERNEL_FIELDS = tuple(f"kernel_{name}" for name in KernelSpectrum._fields)


def spectrum_of(kernel: Array | None, rounding: float = 0.0) -> KernelSpectrum:
    """The spectrum of a kernel (examples, examples) of float64, whose elements are off by `rounding` of their sizes.

    Where there is none, it is not a number; nor is it where the kernel is not finite.
    """
    if kernel is None or not np.isfinite(kernel).all():
        return KernelSpectrum(*[np.nan] * 5, float(0 if kernel is None else len(kernel)))
    examples = len(kernel)
    scale = float(np.abs(kernel).max())
    if examples < 2 or not scale:
        return KernelSpectrum(scale, *[0.0] * 4, float(examples))
    unit = (kernel + kernel.T) / (2 * scale)  # of any size: squares of eigenvalues stay in range
    largest = float(np.linalg.eigvalsh(unit)[-1])
    others = _differences(examples)
    centred = np.maximum(np.linalg.eigvalsh(others.T @ unit @ others), 0)
    off = (rounding * float(np.trace(unit)) + examples * _ROUNDING * largest) / largest
    mean, median = float(centred.mean()), float(np.median(centred))
    return KernelSpectrum(largest * scale, mean * scale, median * scale, _effective_rank(centred), off, float(examples))


def _effective_rank(eigenvalues: Array) -> float:
    total = float(eigenvalues.sum())
    shares = eigenvalues[eigenvalues > 0] / total if total else np.empty(0)
    return float(np.exp(-np.sum(shares * np.log(shares)))) if len(shares) else 0.0


@lru_cache(8)
def _differences(examples: int) -> Array:
    """Orthonormal columns of mean zero (Helmert's)."""
    columns = np.arange(1, examples)
    found = np.triu(np.ones((examples, examples - 1)))
    found[columns, columns - 1] = -columns
    return np.asarray(found / np.sqrt(columns * (columns + 1)))


def _ratio(large: float, small: float) -> float:
    return float(np.divide(large, small)) if small else np.inf if large else np.nan


def spectra(fields: Mapping[str, Array], repeats: int) -> list[KernelSpectrum]:
    """Those of a profile's drawings."""
    if KERNEL_FIELDS[0] not in fields:
        return [spectrum_of(None)] * repeats
    return [KernelSpectrum(*map(float, row)) for row in np.stack([fields[name] for name in KERNEL_FIELDS], axis=1)]
