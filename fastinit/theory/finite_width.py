"""Networks of finite width: the exact law of a ReLU network's mean square."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from math import pi
from typing import NamedTuple

import numpy as np

from ..arguments import integer, refuse


class NormLaw(NamedTuple):
    """Law of ``M = q_L / q_0`` over random networks: mean and variance of log M, and E M**2 (E M is 1).

    q is the mean of the squares of a layer's units, ``|x|**2 / n``.
    """

    mean_log: float
    variance_log: float
    second_moment: float


def relu_norm_law(widths: int | Sequence[int]) -> NormLaw:
    """Exact law of the mean square of one input's activations, ReLU with Gaussian weights of variance 2 / fan_in.

    A layer of width n multiplies it by ``2/n chi2_K``, K ~ Bin(n, 1/2), independently of the layers before and whatever
    their widths, whence ``E M**2 = prod(1 + 5/n)``. Squared norms have the law of M times the last width over that of
    the input. Logs are given that no layer is dead (K > 0).

    Parameters
    ----------
    widths : int or sequence of int
        Width of each layer after the input.

    Returns
    -------
    NormLaw

    Notes
    -----
    *Reference*: Hanin and Rolnick, "How to start training", NeurIPS 2018; Hanin and Nica, "Products of many large
    random matrices and gradients in deep neural networks", 2020.

    Examples
    --------
    >>> [round(value, 6) for value in relu_norm_law([256] * 50)]
    [-0.491433, 0.990935, 2.630432]
    """
    listed = [integer("widths", n, 1) for n in np.atleast_1d(widths).tolist()]
    if not listed:
        refuse("widths", "those of one layer at least", widths)
    means, variances = zip(*map(_log_chi_square_mixture, listed), strict=True)
    return NormLaw(sum(means), sum(variances), math.prod(1 + 5 / n for n in listed))


@lru_cache(maxsize=64)
def _log_chi_square_mixture(n: int) -> tuple[float, float]:
    """Mean and variance of log(2/n chi2_K), K ~ Bin(n, 1/2) given K > 0.

    E log chi2_k = log 2 + digamma(k/2), Var log chi2_k = trigamma(k/2); both by recurrence from k = 1 and k = 2.
    """
    k = np.arange(1.0, n + 1)
    logs = np.cumsum(np.log((n + 1 - k) / k))
    probability = np.exp(logs - logs.max())
    probability /= probability.sum()
    digamma, trigamma = np.empty(n), np.empty(n)
    for first, start, curvature in ((0, -np.euler_gamma - 2 * math.log(2), pi**2 / 2), (1, -np.euler_gamma, pi**2 / 6)):
        halves = k[first::2][:-1] / 2
        digamma[first::2] = start + np.cumsum([0.0, *(1 / halves)])[: len(k[first::2])]
        trigamma[first::2] = curvature - np.cumsum([0.0, *(1 / halves**2)])[: len(k[first::2])]
    mean = float(probability @ digamma)
    return math.log(4 / n) + mean, float(probability @ (trigamma + (digamma - mean) ** 2))
