"""The tangent kernel of some examples: what one step of descent on one of them does to the others.

``K_ij = <ds_i/dp, ds_j/dp>`` over all parameters p, s_i being one random unit functional of the outputs for example i.
Descent fits what differs between examples as fast as the eigenvalues of K say: where the largest, of what all examples
share, is beyond the others by too much, no learning rate tells the examples apart (Jacot, Gabriel and Hongler, 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import nan
from typing import Any, NamedTuple

import numpy as np

from .description.network import Network, mixes
from .description.signals import example_signs
from .products import mean_cosine, rounding
from .statistics import Tally, distinct_rows

Array = np.ndarray[Any, Any]

#: Half the distance from one to the next number of float64.
_ROUNDING = 2.0**-53
#: Examples whose kernel is taken: of rows that are no sums over positions, and do not mix; otherwise; and where they
#: mix: gradients then have as many rows, squared. None of the 291 networks of `bench/trainability` is judged otherwise
#: by 6 than by 16. Of 2400 drawings no ratio of 6 is within a factor of ten of a bound; of 4 some are.
MOST, SOME, FEW = 256, 16, 6


def kernel_examples(network: Network, alone: bool = False) -> int:
    """How many examples of a batch the kernel is of, the first ones; `alone` where they have signals of their own."""
    most = SOME if alone or network.rows > network.batch else MOST
    return min(network.batch, FEW if mixes(network) else most)


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
        How many there are; of equal ones the first.
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


#: The same numbers as fields of a profile, and the mean cosine between the gradients of two examples; and the field
#: that has a row for each drawing: the eigenvalues with the mean over examples taken out, from large to small.
KERNEL_FIELDS = tuple(f"kernel_{name}" for name in KernelSpectrum._fields)
GRADIENT_COSINE, KERNEL_EIGENVALUES = "gradient_cosine", "kernel_eigenvalues"


def kernel_fields(
    network: Network, seed: int, tallies: Sequence[Tally], products: Array, inputs: Array | None
) -> dict[str, Any]:
    """Fields of the whole network from the parts of its layers, which get their shares.

    A linear readout stands on the outputs: weights of variance 1 / outputs and a bias, which learn too. It turns one
    unit functional of its own outputs into a random one of these, as long as one.

    Parameters
    ----------
    network, seed
        What was drawn.
    tallies : sequence of Tally
        With what each layer adds, (examples, examples), where a random cotangent comes back.
    products : (examples, examples)
        The Gram matrix of the outputs, of the same examples.
    inputs : (examples or more, ...), optional
        Where they are not independent normals: copies of an example, of which the kernel says nothing that it does not
        say of the first one, would add an eigenvalue of zero each.
    """
    examples, outputs = len(products), network.outputs
    some = np.arange(examples) if inputs is None else distinct_rows(inputs[:examples])
    signs = example_signs(examples, seed, network.dtype).astype(float)[some]
    of = np.ix_(some, some) if len(some) < examples else np.s_[:, :]
    scale = np.outer(signs, signs) / outputs
    kernel = products[of] + 1
    for tally in tallies:
        if tally.kernel is not None:
            part = tally.kernel[of] * scale
            tally.kernel_share = float(np.trace(part))
            kernel += part
            tally.kernel = None
    for tally in tallies:
        tally.kernel_share /= float(np.trace(kernel))
    return fields_of(kernel, 2 * rounding(max(outputs, *network.widths)), examples)


def fields_of(kernel: Array | None, off: float = 0.0, examples: int = 0) -> dict[str, Any]:
    """What a profile has of a kernel: see `spectrum_of`. What it has not of so many examples' eigenvalues is NaN."""
    found, others = _spectrum(kernel, off)
    eigenvalues = np.full(max(examples - 1, len(others)), np.nan)
    eigenvalues[: len(others)] = others
    cosine = np.nan if kernel is None else mean_cosine(kernel)
    return dict(zip(KERNEL_FIELDS, found, strict=True)) | {GRADIENT_COSINE: cosine, KERNEL_EIGENVALUES: eigenvalues}


def part_of_product(x: Array, d: Array, examples: int) -> Array:
    """What the weights and the bias of one product add to the kernel, from Gram matrices of inputs and gradients.

    The gradient of example i is ``dW_i = x_i' d_i``, summed over its rows. Where norms mix examples every row of x
    takes part in each, and d is that of as many functions, one below the other.
    """
    functions, rows = len(d) // len(x), len(d) // examples
    parts = (np.tile(x + 1, (functions, functions)) if functions > 1 else x + 1) * d
    return parts if rows == 1 else np.asarray(parts.reshape(examples, rows, examples, rows).sum(axis=(1, 3)))


def spectrum_of(kernel: Array | None, off: float = 0.0) -> KernelSpectrum:
    """The spectrum of a kernel (examples, examples) of float64, whose elements may be off by so much of the trace.

    Where there is none, it is not a number; nor is it where the kernel is not finite.
    """
    return _spectrum(kernel, off)[0]


def _spectrum(kernel: Array | None, off: float) -> tuple[KernelSpectrum, Array]:
    """And the eigenvalues with the mean over examples taken out, from large to small."""
    examples = 0 if kernel is None else len(kernel)
    if kernel is None or not np.isfinite(kernel).all():
        return KernelSpectrum(nan, nan, nan, nan, nan, float(examples)), np.full(max(examples - 1, 0), np.nan)
    scale = float(np.abs(kernel).max())
    if examples < 2 or not scale:
        return KernelSpectrum(scale, 0.0, 0.0, 0.0, 0.0, float(examples)), np.zeros(examples - 1)
    unit = (kernel + kernel.T) / (2 * scale)  # of any size: squares of eigenvalues stay in range
    largest = float(np.linalg.eigvalsh(unit)[-1])
    others = _differences(examples)
    centred = np.maximum(np.linalg.eigvalsh(others.T @ unit @ others)[::-1], 0)
    off = (off * float(np.trace(unit)) + examples * _ROUNDING * largest) / largest
    mean, median = float(centred.mean()), float(np.median(centred))
    numbers = (largest * scale, mean * scale, median * scale, _effective_rank(centred), off, float(examples))
    return KernelSpectrum(*numbers), centred * scale


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


def ratio_words(ratio: float, rounding: float, write: Callable[[float], str] = "{:.3g}".format) -> str:
    """A ratio of the largest eigenvalue as it is shown: where rounding may have made it, what it is more than."""
    most = _ratio(1.0, rounding)
    return f">{write(most)}" if ratio > most else write(ratio)


def spectra(fields: Any, repeats: int) -> list[KernelSpectrum]:
    """Those of a profile's drawings."""
    if KERNEL_FIELDS[0] not in fields:
        return [spectrum_of(None)] * repeats
    return [KernelSpectrum(*map(float, row)) for row in np.stack([fields[name] for name in KERNEL_FIELDS], axis=1)]
