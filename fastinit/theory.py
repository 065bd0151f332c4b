"""Networks of infinite width: how second moments, correlations and gradients pass through a layer.

A layer is ``h = W phi(h') + b`` with independent weights of variance ``weight_variance / fan_in`` and biases of
variance ``bias_variance``. At infinite width the pre-activations h are Gaussian, so everything follows from their
second moment q and from the correlation c of the pre-activations of two inputs. Rates are ratios of second moments from
one layer to the next, never of their roots. Activations are given as everywhere: a name, ``("leaky_relu", slope)``,
``("elu", alpha)``, a pair (phi, phi') or an `Activation`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from math import atan2, inf, pi, sqrt
from typing import Any, NamedTuple

import numpy as np

from .activations import ACTIVATIONS, Activation, Array, Function, activation_of
from .arguments import choice, integer, real, refuse

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
#: A standard normal lies beyond with probability 4e-33; Gauss-Legendre panels of 1.5 inside.
_REACH = 12.0
_GRID = np.linspace(-_REACH, _REACH, 17)
#: Stands for q -> 0: phi' and phi / sqrt(q) on either side of zero, without a division by zero.
_TINY = 1e-200


def _panels(edges: Array) -> tuple[Array, Array]:
    """Nodes and weights of composite Gauss-Legendre quadrature between edges in any order."""
    edges = np.unique(edges)
    half = np.diff(edges)[:, None] / 2
    return ((edges[:-1, None] + half) + half * _NODES).ravel(), (half * _WEIGHTS).ravel()


def _graded(scale: float) -> list[float]:
    """1, 1/2, 1/4, ... down to where a function that bends over 1/scale is smooth."""
    return [2.0**-j for j in range(max(0, math.ceil(math.log2(scale))) + 1)] if scale > 1 else []


def expectation(function: Function, q: Any = 1.0, kinks: Iterable[float] = ()) -> Any:
    """Expectation of a function of a centred normal variable: ``E[f(u)]``, u of variance q.

    Composite Gauss-Legendre quadrature, with panel edges at the kinks: off by less than 1e-13 of ``E|f(u)|`` for a
    function that is smooth between them and bends over lengths of one or more.

    Parameters
    ----------
    function : callable
        f, of float64 arrays, elementwise.
    q : float or array_like
        Variance of u.
    kinks : iterable of float
        Where f or one of its derivatives jumps.

    Returns
    -------
    float or ndarray
        Of the shape of q.

    Examples
    --------
    >>> import numpy as np
    >>> round(expectation(np.cos), 9)
    0.60653066
    """
    variance = np.asarray(q, dtype=float)
    if not ((variance >= 0) & (variance < inf)).all():
        refuse("q", "finite and at least 0", q)
    std = np.sqrt(variance)
    widest = float(std.max(initial=0.0))
    far = _REACH * np.array(_graded(widest * _REACH)) if widest > 1 else np.zeros(0)
    bends = np.divide.outer(np.array([*kinks]), np.unique(std[std > 0])).ravel()
    z, weight = _panels(np.clip(np.concatenate([_GRID, far, -far, bends]), -_REACH, _REACH))
    weight *= np.exp(-z * z / 2) / sqrt(2 * pi)
    found = function(np.multiply.outer(std, z)) @ weight
    return float(found) if variance.ndim == 0 else found


class _Plane(NamedTuple):
    """Two directions in the plane, u and v, and points on one side of their bisector: the other side swaps them.

    Nodes (radius, angle), weights of sum one.
    """

    u: Array
    v: Array
    weight: Array

    def mean(self, function: Function) -> float:
        """E[f(u)]."""
        return float(np.sum(self.weight * (function(self.u) + function(self.v)))) / 2

    def product(self, function: Function) -> float:
        """E[f(u) f(v)]."""
        return float(np.sum(self.weight * function(self.u) * function(self.v)))


def _plane(c: float, radius: Array, radial: Array, scale: float) -> _Plane:
    """Two directions of correlation c. Where u or v is zero the angle has a panel edge, at every radius."""
    turn = atan2(sqrt((1 - c) * (1 + c)), c) / 2
    near = np.array([0.0, *_graded(2 * scale)])
    crossings = np.add.outer([pi / 2 - turn, pi / 2 + turn], [*near, *-near]).ravel()
    angle, angular = _panels(np.clip([0.0, pi / 2, pi, *crossings], 0.0, pi))
    weight = radial[:, None] * angular
    u, v = (np.multiply.outer(radius, np.cos(angle + shift)) for shift in (-turn, turn))
    return _Plane(u, v, weight / weight.sum())


def _gaussian_plane(c: float, std: float) -> _Plane:
    radius, weight = _panels(np.concatenate([_GRID[(_GRID >= 0) & (_GRID <= 9)], _graded(std)]))
    return _plane(c, std * radius, weight * radius * np.exp(-radius * radius / 2), std)


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


def _product(activation: Any, c: Any, q: float, derivative: bool) -> float:
    phi, c = activation_of(activation), real("c", c)
    if not -1 <= c <= 1:
        refuse("c", "a correlation in [-1, 1]", c)
    closed = _closed(phi, c, q)
    if closed:
        return closed[derivative]
    function = phi.derivative if derivative else phi.function
    if c == 1:
        return expectation(lambda u: function(u) ** 2, q, phi.kinks)
    return _gaussian_plane(c, sqrt(q)).product(function)


def kernel(activation: Any, c: float, q: float = 1.0) -> float:
    """Expectation of a product of activations, ``E[phi(u) phi(v)]``: the dual activation.

    Closed forms for piecewise linear functions (arc-cosine), erf and sin; for the others quadrature in the plane of u
    and v in polar coordinates, where u and v vanish at fixed angles: a few 1e-14 of E phi**2 for every c, if the
    activation has no kinks but at zero.

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


def derivative_kernel(activation: Any, c: float, q: float = 1.0) -> float:
    """Expectation of a product of derivatives, ``E[phi'(u) phi'(v)]``; see `kernel`.

    Examples
    --------
    >>> round(derivative_kernel("relu", 0.0), 9)
    0.25
    """
    return _product(activation, c, max(real("q", q, low=0.0), _TINY), True)


def second_moment_map(activation: Any, q: float, weight_variance: float = 1.0, bias_variance: float = 0.0) -> float:
    """Second moment of the next pre-activations, ``weight_variance E[phi(u)**2] + bias_variance``.

    Parameters
    ----------
    activation : str, tuple or Activation
        phi.
    q : float
        Second moment of the pre-activations.
    weight_variance : float
        fan_in times the variance of a weight.
    bias_variance : float
        Variance of a bias.

    Notes
    -----
    *Reference*: Poole, Lahiri, Raghu, Sohl-Dickstein and Ganguli, "Exponential expressivity in deep neural networks
    through transient chaos", NeurIPS 2016, equation 3.

    Examples
    --------
    >>> second_moment_map("relu", 3.0, 2.0)
    3.0
    """
    return weight_variance * kernel(activation, 1.0, q) + bias_variance


def correlation_map(
    activation: Any, c: float, q: float = 1.0, weight_variance: float = 1.0, bias_variance: float = 0.0
) -> float:
    """Correlation of the next pre-activations of two inputs, both of second moment q now and of correlation c.

    Notes
    -----
    *Reference*: Poole et al. 2016, equation 5.

    Examples
    --------
    >>> round(correlation_map("relu", 0.0), 9)
    0.318309886
    """
    covariance = weight_variance * kernel(activation, c, q) + bias_variance
    return covariance / second_moment_map(activation, q, weight_variance, bias_variance)


def chi(activation: Any, q: float, weight_variance: float = 1.0, c: float = 1.0) -> float:
    """Rate of the gradient's second moment per layer, ``weight_variance E[phi'(u) phi'(v)]``.

    At c = 1 it is also the rate at which a small difference of inputs grows, and at a fixed point c of
    `correlation_map` the slope of that map.

    Notes
    -----
    *Reference*: Schoenholz, Gilmer, Ganguli and Sohl-Dickstein, "Deep information propagation", ICLR 2017.

    Examples
    --------
    >>> chi("relu", 1.0, 2.0)
    1.0
    """
    return weight_variance * derivative_kernel(activation, c, q)


def chi_parallel(activation: Any, q: float, weight_variance: float = 1.0) -> float:
    """Slope of `second_moment_map` in q, ``weight_variance E[u phi(u) phi'(u)] / q``.

    Notes
    -----
    *Reference*: Roberts, Yaida and Hanin, "The principles of deep learning theory", 2022, chapter 5.

    Examples
    --------
    >>> round(chi_parallel("tanh", 1.17848049, 25 / 9), 6)
    0.430899
    """
    phi, q = activation_of(activation), max(real("q", q, low=0.0), _TINY)
    if phi.degree is not None:
        return weight_variance * phi.degree * kernel(phi, 1.0, q) / q
    return weight_variance * expectation(lambda u: u / q * phi.function(u) * phi.derivative(u), q, phi.kinks)


def depth_scale(rate: float) -> float:
    """Layers over which a deviation that is multiplied by `rate` in each shrinks to 1/e: ``-1 / log(rate)``.

    Infinite at a rate of one; NaN above, where nothing shrinks.

    Notes
    -----
    *Reference*: Schoenholz et al. 2017.

    Examples
    --------
    >>> round(depth_scale(0.5), 6)
    1.442695
    """
    if rate <= 0 or abs(rate - 1) <= 1e-12:
        return inf if rate > 0 else 0.0
    return -1 / math.log(rate) if rate < 1 else math.nan


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """A zero between low and high, where the signs differ: false position with the Illinois rule."""
    at_low, at_high = function(low), function(high)
    for _ in range(200):
        if at_low == 0 or at_high == 0 or abs(high - low) <= 4e-16 * abs(high):
            break
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        value = function(middle)
        if value * at_high <= 0:
            low, at_low = high, at_high
        else:
            at_low /= 2
        high, at_high = middle, value
    return low if at_low == 0 else high


class ActivationMoments(NamedTuple):
    """E phi(u), E phi(u)**2 and E phi'(u)**2: floats, or arrays of the shape of q."""

    mean: Any
    second_moment: Any
    slope: Any


def activation_moments(activation: Any, q: Any = 1.0) -> ActivationMoments:
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
        mean, square, slope = expectation(phi.function, 1.0, phi.kinks), kernel(phi, 1.0), derivative_kernel(phi, 1.0)
        slopes = slope * q ** (phi.degree - 1)
        at_zero = float(phi.derivative(np.zeros(1))[0]) ** 2
        found = mean * q ** (phi.degree / 2), square * q**phi.degree, np.where(q == 0, at_zero, slopes)[()]
    elif phi.function in _KERNELS:
        value, slope = np.vectorize(partial(_KERNELS[phi.function], 1.0))(q)
        found = expectation(phi.function, q, phi.kinks), value[()], slope[()]
    else:
        found = expectation(phi.function, q, phi.kinks), second(phi.function, q), second(phi.derivative, q)
    return ActivationMoments(*(float(value) if np.ndim(value) == 0 else value for value in found))


class FixedPoint(NamedTuple):
    """Where a deep network of infinite width settles, and how fast.

    ``q`` and ``c`` are the second moment and the correlation that the maps converge to; ``chi_1`` is `chi` at c = 1
    (above one: chaos), ``chi_q`` the slope of the second-moment map, ``chi_c`` that of the correlation map; ``xi_q``
    and ``xi_c`` are their depth scales in layers.
    """

    q: float
    c: float
    chi_1: float
    chi_q: float
    chi_c: float
    xi_q: float
    xi_c: float


def fixed_point(
    activation: Any, weight_variance: float, bias_variance: float = 0.0, *, start: float = 1.0
) -> FixedPoint:
    """Second moment and correlation that a deep network converges to, from second moment `start`.

    Where every second moment stays as it is (ReLU with variance 2 / fan_in), ``q`` is `start`; where it vanishes, 0,
    with the limits of the rest.

    Parameters
    ----------
    activation : str, tuple or Activation
        phi.
    weight_variance : float
        fan_in times the variance of a weight.
    bias_variance : float
        Variance of a bias.
    start : float
        Second moment of the first pre-activations.

    Returns
    -------
    FixedPoint

    Raises
    ------
    ValueError
        If the second moment grows without end.

    Notes
    -----
    *Reference*: Poole et al. 2016; Schoenholz et al. 2017.

    Examples
    --------
    >>> point = fixed_point("tanh", 2.5, 0.05)
    >>> round(point.q, 8), round(point.c, 6), round(point.chi_1, 6), round(point.xi_c, 4)
    (1.06395838, 0.446804, 1.133516, 11.7956)
    """
    phi = activation_of(activation)
    weight_variance = real("weight_variance", weight_variance, low=0.0)
    bias_variance = real("bias_variance", bias_variance, low=0.0)
    q = _settled(phi, weight_variance, bias_variance, real("start", start, low=1e-12))
    chi_1, chi_q = chi(phi, q, weight_variance), chi_parallel(phi, q, weight_variance)
    c = _settled_correlation(phi, max(q, _TINY), weight_variance, bias_variance) if chi_1 > 1 + 1e-12 else 1.0
    chi_c = chi(phi, q, weight_variance, c)
    return FixedPoint(q, c, chi_1, chi_q, chi_c, depth_scale(chi_q), depth_scale(chi_c))


def _settled(phi: Activation, weight_variance: float, bias_variance: float, start: float) -> float:
    def growth(q: float) -> float:
        return second_moment_map(phi, q, weight_variance, bias_variance) - q

    near, first = start, growth(start)
    if abs(first) <= 1e-14 * start:
        return start
    while 1e-13 * start < near < 1e8 * max(start, 1.0):
        far = near * 2 if first > 0 else near / 2
        if growth(far) * first <= 0:
            return _root(growth, near, far)
        near = far
    if first < 0:
        return 0.0
    rule = f"such that the second moment settles with {phi.name}: it grows without end"
    refuse("weight_variance", rule, weight_variance)


def _settled_correlation(phi: Activation, q: float, weight_variance: float, bias_variance: float) -> float:
    """The stable correlation below one; one where it is nearer than 1e-8."""

    def growth(c: float) -> float:
        return correlation_map(phi, c, q, weight_variance, bias_variance) - c

    near_one = 1 - 1e-8
    return _root(growth, 0.0, near_one) if growth(near_one) < 0 else 1.0


class CriticalPoint(NamedTuple):
    """Variances at which gradients neither grow nor vanish, and the second moment that they keep."""

    weight_variance: float
    bias_variance: float
    q: float


def edge_of_chaos(activation: Any, *, bias_variance: float | None = None, q: float | None = None) -> CriticalPoint:
    """Variances with `chi` = 1 at the fixed point: ``weight_variance = 1 / E[phi'(u)**2]``.

    Give one of the bias variance and the second moment q of the pre-activations. Without bias, an activation with
    phi(0) = 0 is critical as q -> 0, which is returned; for a piecewise linear one, any q will do, and it is NaN.

    Raises
    ------
    ValueError
        If there is no critical point with a bias variance of at least 0 (softplus).

    Notes
    -----
    *Reference*: Hayou, Doucet and Rousseau, "On the impact of the activation function on deep neural networks
    training", ICML 2019.

    Examples
    --------
    >>> [round(value, 8) for value in edge_of_chaos("tanh", bias_variance=0.05)]
    [1.76095464, 0.05, 0.57004788]
    >>> edge_of_chaos("relu", bias_variance=0)
    CriticalPoint(weight_variance=2.0, bias_variance=0.0, q=nan)
    """
    phi = activation_of(activation)

    def bias(q: float) -> float:
        return q - kernel(phi, 1.0, q) / derivative_kernel(phi, 1.0, q)

    if (q is None) == (bias_variance is None):
        refuse("q", "given, or bias_variance, and not both", (q, bias_variance))
    if q is not None:
        q = real("q", q, low=0.0)
        found = bias(q)
        if found < -1e-13 * q:
            refuse("q", f"such that {phi.name} is critical with a bias variance of at least 0", q)
        return CriticalPoint(1 / derivative_kernel(phi, 1.0, q), max(found, 0.0), q)
    wanted = real("bias_variance", bias_variance, low=0.0)
    if wanted == 0 and phi.function(np.zeros(1))[0] == 0:
        q = math.nan if phi.degree == 1 else 0.0
        return CriticalPoint(1 / derivative_kernel(phi, 1.0, 0.0), 0.0, q)
    grid = [max(wanted, 1e-6) * 1.25**k for k in range(120)]
    for low, high in pairwise(grid):
        if bias(high) >= wanted:
            q = _root(lambda q: bias(q) - wanted, low, high)
            return CriticalPoint(1 / derivative_kernel(phi, 1.0, q), wanted, q)
    refuse("bias_variance", f"such that {phi.name} has a critical point with it", wanted)


class BatchNorm(NamedTuple):
    """Batch normalisation before the activation at infinite width; see `batch_norm`.

    ``mean``, ``second_moment`` and ``cross_moment`` are E phi(u), E phi(u)**2 and E phi(u) phi(v), u and v being the
    normalised pre-activations of two inputs, and ``slope`` is E phi'(u)**2. Gradients of second moment g at phi, and of
    mean product s between two inputs, come out of the backward pass with second moment ``own (g - s) + common s``, over
    the mean variance (plus eps) of the pre-activations; what comes out sums to zero over the batch.
    """

    batch: float
    mean: float
    second_moment: float
    cross_moment: float
    slope: float
    own: float
    common: float

    @property
    def variance(self) -> float:
        """Variance of an activation across the batch, unbiased."""
        return self.second_moment - self.cross_moment

    @property
    def rate(self) -> float:
        """Rate of the gradient's second moment per interior layer.

        At the first layer, times `variance` over that of the inputs across the batch.
        """
        if inf in (self.batch, self.own):
            return self.own / self.variance
        share = self.batch / (self.batch - 1)
        return share * (share * self.own - self.common / (self.batch - 1)) / self.variance

    @property
    def top_rate(self) -> float:
        """`rate` where the gradient does not sum to zero over the batch: the last layer, with random signs."""
        return self.own / self.variance * (1 if self.batch == inf else self.batch / (self.batch - 1))


def batch_norm(activation: Any, batch: float = inf, scale: float = 1.0) -> BatchNorm:
    """Moments and gradient rates of a layer ``phi(batch_norm(x W))`` in a deep network of infinite width.

    The pre-activations of a neuron, normalised over a batch of B, are uniform on a sphere. With a = E phi'(u)**2,
    a2 = E phi'(u) phi'(v), b = E (u phi'(u))**2, b2 = E u phi'(u) v phi'(v) on it, and the projection
    ``P = I - 11'/B - uu'/B`` of the backward pass, the rate per layer is ``B T / ((B - 3) (B - 1) variance)`` with
    ``T = (B-1) a - b - ((B-1) (a - a2) - b - (B-1) b2) / B``; as B grows, ``E phi'**2 / Var phi``.

    Parameters
    ----------
    activation : str, tuple or Activation
        phi, without kinks but at zero, or the moments lose digits.
    batch : int or inf
        B, at least 2. Rates are infinite at B = 3, as the expectation of 1 / variance is; at B = 2 the normalised
        values are 1 and -1, and gradients are zero.
    scale : float
        Mean square of the normalised pre-activations: variance / (variance + eps). Below one, what comes from the
        variance's fluctuations is kept to the first order in 1 / B.

    Returns
    -------
    BatchNorm

    Notes
    -----
    *Reference*: Yang, Pennington, Rao, Sohl-Dickstein and Schoenholz, "A mean field theory of batch normalization",
    ICLR 2019.

    Examples
    --------
    >>> [round(batch_norm("relu", batch).rate, 6) for batch in (8, 32, float("inf"))]
    [1.78819, 1.521953, 1.466942]
    >>> round(batch_norm("linear", 8).rate, 6)
    1.2
    """
    phi, scale = activation_of(activation), real("scale", scale, low=0.0)
    return _batch_norm(phi, batch if batch == inf else integer("batch", batch, 2), scale)


@lru_cache(maxsize=256)
def _batch_norm(phi: Activation, batch: float, scale: float) -> BatchNorm:
    def drift(u: Array) -> Array:
        return u * phi.derivative(u)

    functions = (phi.function, phi.derivative, drift)
    if batch == inf:
        _, mean_slope, mean_drift = (expectation(f, scale, phi.kinks) for f in functions)
        mean, second, slope = activation_moments(phi, scale)
        common = slope - mean_slope**2 - (2 - scale) * mean_drift**2
        return BatchNorm(batch, mean, second, mean**2, slope, slope, common)
    plane = _sphere_plane(int(batch), sqrt(scale))
    mean = plane.mean(phi.function)
    second, slope, square = (plane.mean(lambda u, f=f: f(u) ** 2) for f in functions)
    cross, slopes, product = (plane.product(f) for f in functions)
    # tr(P P D D) / B and 1'D P P D 1 / B, with D = diag phi'(u) and P P = I - 11'/B - (2 - scale) uu'/B
    own = slope - (slope + (2 - scale) * square) / batch
    common = slope - (slope + (batch - 1) * slopes + (2 - scale) * (square + (batch - 1) * product)) / batch
    if batch <= 3:
        own = common = 0.0 if batch == 2 else inf
    else:  # E 1 / (variance + eps), times the mean variance (plus eps)
        own, common = (value * (1 + 2 * scale**2 / (batch - 3)) for value in (own, common))
    return BatchNorm(batch, mean, second, cross, slope, own, common)


def _sphere_plane(batch: int, std: float) -> _Plane:
    """Two coordinates of a uniform point of norm sqrt(batch) std and sum zero: a plane at correlation -1 / (B - 1).

    The radius is ``sqrt(B - 1) sin(x)`` with density ``sin(x) cos(x)**(B - 4)``: fixed for B = 3; for B = 2 the plane
    is a line.
    """
    if batch == 2:
        return _Plane(np.array([std]), np.array([-std]), np.ones(1))
    x, weight = np.array([pi / 2]), np.ones(1)
    if batch > 3:
        x, weight = _panels(np.clip(_GRID / sqrt(batch - 3), 0, pi / 2))
        weight = weight * np.sin(x) * np.cos(x) ** (batch - 4)
    return _plane(-1 / (batch - 1), std * sqrt(batch - 1) * np.sin(x), weight, std)


def decorrelation_rate(activation: Any) -> float:
    """Rate per layer of the centred correlation of two inputs under batch normalisation, ``(E phi')**2 / Var phi``.

    For batches so large that the normalisation's constants are those of the law (B -> inf), and small correlations.

    Examples
    --------
    >>> round(decorrelation_rate("relu"), 6)
    0.733471
    """
    phi = activation_of(activation)
    mean, second, _ = activation_moments(phi)
    return expectation(phi.derivative, 1.0, phi.kinks) ** 2 / (second - mean * mean)


def norm_rate(activation: Any, norm: str | None, position: str = "pre_act", q: float = 1.0) -> float:
    """Rate of the gradient's second moment per layer with a normalisation, at infinite width (and batch).

    With "layer" and "rms", and q the second moment of what the activation gets, ``E phi'**2 / E phi**2``; layer
    normalisation after the activation divides by ``Var phi`` instead; and so does "batch", before it. Without a
    normalisation (None), of weights that keep the second moment: ``E phi'**2 / E phi**2`` as well.

    Parameters
    ----------
    activation : str, tuple or Activation
        phi.
    norm : {None, "batch", "layer", "rms"}
        Normalisation.
    position : {"pre_act", "post_act"}
        Before or after the activation. NaN for "batch" after it, for which no closed form is known here.
    q : float
        Second moment of what the activation gets: one after a normalisation.

    Examples
    --------
    >>> [round(norm_rate("relu", norm, "post_act"), 6) for norm in ("layer", "rms")]
    [1.466942, 1.0]
    """
    centred = norm == "batch" or (norm == "layer" and position == "post_act")
    if norm is not None:
        choice("norm", norm, ["batch", "layer", "rms"])
    if choice("position", position, ["pre_act", "post_act"]) == "post_act" and norm == "batch":
        return math.nan
    mean, second, slope = activation_moments(activation, q)
    return slope / (second - mean * mean * centred)


class NormLaw(NamedTuple):
    """Law of ``M = |x_L|**2 / |x_0|**2`` over random networks: mean and variance of log M, and E M**2 (E M is 1)."""

    mean_log: float
    variance_log: float
    second_moment: float


def relu_norm_law(widths: int | Sequence[int]) -> NormLaw:
    """Exact law of the squared norm of one input's activations, ReLU with Gaussian weights of variance 2 / fan_in.

    A layer of width n multiplies it by ``2/n chi2_K``, K ~ Bin(n, 1/2), independently of the layers before, whence
    ``E M**2 = prod(1 + 5/n)``. Logs are given that no layer is dead (K > 0).

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
