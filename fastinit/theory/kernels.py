"""What one activation makes of normal variables: expectations of its products, its squares and its slopes."""

from __future__ import annotations

import math
from functools import lru_cache, partial
from math import atan2, pi, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..activations import ACTIVATIONS, Activation, Function, activation_of
from ..arguments import real, refuse
from ..typing import ActivationLike
from .planes import MOST_KINKS, gaussian_plane
from .quadrature import expectation

#: Stands for q -> 0: phi' and phi / sqrt(q) on either side of zero, without a division by zero.
TINY = 1e-200


def _homogeneous_kernel(slopes: tuple[float, float], c: float) -> tuple[float, float]:
    """E[phi phi] and E[phi' phi'] at q = 1 for phi = below u + (above - below) relu(u)."""
    above, below = slopes
    bend = above - below
    angle = pi - atan2(sqrt((1 - c) * (1 + c)), c)
    both = (sqrt((1 - c) * (1 + c)) + c * angle) / (2 * pi)
    return below * above * c + bend * bend * both, below * above + bend * bend * angle / (2 * pi)


def _erf_kernel(c: float, q: float) -> tuple[float, float]:
    product, cross = 1 + 2 * q, 2 * c * q
    return 2 / pi * math.asin(cross / product), 4 / pi / sqrt((product - cross) * (product + cross))


def _sin_kernel(c: float, q: float) -> tuple[float, float]:
    plus, minus = math.exp(-q * (1 - c)) / 2, math.exp(-q * (1 + c)) / 2
    return plus - minus, plus + minus


_KERNELS = {ACTIVATIONS["erf"].function: _erf_kernel, ACTIVATIONS["sin"].function: _sin_kernel}


def _closed(phi: Activation, c: float, q: float) -> tuple[float, float] | None:
    if phi.degree == 1:
        above, minus_below = phi.function(np.array([1.0, -1.0])).tolist()
        value, slope = _homogeneous_kernel((above, -minus_below), c)
        return q * value, slope
    kernel = _KERNELS.get(phi.function)
    return kernel(c, q) if kernel else None


def _product(activation: ActivationLike, c: float, q: float, derivative: bool) -> float:
    phi, c = activation_of(activation), real("c", c)
    if not -1 <= c <= 1:
        refuse("c", "a correlation in [-1, 1]", c)
    closed = _closed(phi, c, q)
    if closed:
        return closed[derivative]
    function = phi.derivative if derivative else phi.function
    if c == 1:
        return expectation(lambda u: function(u) ** 2, q, phi.kinks)
    return math.nan if len(phi.kinks) > MOST_KINKS else gaussian_plane(c, sqrt(q), phi.kinks).product(function)


def kernel(activation: ActivationLike, c: float, q: float = 1.0) -> float:
    """Expectation of a product of activations, ``E[phi(u) phi(v)]``: the dual activation.

    Closed forms for piecewise linear functions (arc-cosine), erf and sin; for the others quadrature in the plane of u
    and v in polar coordinates, with panel edges where u or v is at a kink: a few 1e-14 of E phi**2 for every c. It
    is NaN for c below one where there are more than 32 kinks, which this quadrature would not bear. Quadrature asks of
    phi what `expectation` asks of its function.

    Parameters
    ----------
    activation : str, tuple or Activation
        phi.
    c : float
        Correlation of u and v.
    q : float
        Variance of each.

    Notes
    -----
    *Reference*: Cho and Saul, "Kernel methods for deep learning", NeurIPS 2009; Williams, "Computing with
    infinite networks", NeurIPS 1996, for erf.

    Examples
    --------
    >>> round(2 * kernel("relu", 0.5), 9)
    0.608997781
    """
    return _product(activation, c, real("q", q, low=0.0), False)


def derivative_kernel(activation: ActivationLike, c: float, q: float = 1.0) -> float:
    """Expectation of a product of derivatives, ``E[phi'(u) phi'(v)]``; see `kernel`.

    Examples
    --------
    >>> round(derivative_kernel("relu", 0.0), 9)
    0.25
    """
    return _product(activation, c, max(real("q", q, low=0.0), TINY), True)


@lru_cache(maxsize=64)
def _at_one(phi: Activation) -> tuple[float, float, float, float]:
    """The moments of one that has a degree, at q = 1: at others they are these times a power; and slope^2 at zero."""
    at_zero = float(phi.derivative(np.zeros(1))[0]) ** 2
    return expectation(phi.function, 1.0, phi.kinks), kernel(phi, 1.0), derivative_kernel(phi, 1.0), at_zero


class ActivationMoments(NamedTuple):
    """E phi(u), E phi(u)**2 and E phi'(u)**2: floats, or arrays of the shape of q."""

    mean: Any
    second_moment: Any
    slope: Any


def activation_moments(activation: ActivationLike, q: ArrayLike = 1.0) -> ActivationMoments:
    """Moments of an activation at pre-activations of second moment q, a number or an array.

    At q = 0 exactly, phi' is what the activation says it is at zero.

    Examples
    --------
    >>> [round(value, 9) for value in activation_moments("relu")]
    [0.39894228, 0.5, 0.5]
    """
    phi, q = activation_of(activation), np.asarray(q, dtype=float)[()]

    def second(function: Function, at: Any) -> Any:
        return expectation(lambda u: function(u) ** 2, at, phi.kinks)

    if phi.degree is not None:
        mean, square, slope, at_zero = _at_one(phi)
        slopes = slope * q ** (phi.degree - 1)
        found = mean * q ** (phi.degree / 2), square * q**phi.degree, np.where(q == 0, at_zero, slopes)[()]
    elif phi.function in _KERNELS:
        value, slope = np.vectorize(partial(_KERNELS[phi.function], 1.0))(q)
        found = expectation(phi.function, q, phi.kinks), value[()], slope[()]
    else:
        found = expectation(phi.function, q, phi.kinks), second(phi.function, q), second(phi.derivative, q)
    return ActivationMoments(*(float(value) if np.ndim(value) == 0 else value for value in found))
