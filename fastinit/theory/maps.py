"""From one layer to the next: maps of second moment and correlation, the rate of gradients, depth scales."""

from __future__ import annotations

import math
from math import inf, nan

from ..activations import activation_of, check_continuous
from ..arguments import real
from ..typing import ActivationLike
from .kernels import TINY, derivative_kernel, kernel
from .quadrature import expectation


def second_moment_map(
    activation: ActivationLike, q: float, weight_variance: float = 1.0, bias_variance: float = 0.0
) -> float:
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
    Right as far as `kernel` is.

    *Reference*: Poole, Lahiri, Raghu, Sohl-Dickstein and Ganguli, "Exponential expressivity in deep neural networks
    through transient chaos", NeurIPS 2016, equation 3.

    Examples
    --------
    >>> second_moment_map("relu", 3.0, 2.0)
    3.0
    """
    return weight_variance * kernel(activation, 1.0, q) + bias_variance


def correlation_map(
    activation: ActivationLike, c: float, q: float = 1.0, weight_variance: float = 1.0, bias_variance: float = 0.0
) -> float:
    """Correlation of the next pre-activations of two inputs, both of second moment q now and of correlation c.

    NaN where those are zero.

    Notes
    -----
    *Reference*: Poole et al. 2016, equation 5.

    Examples
    --------
    >>> round(correlation_map("relu", 0.0), 9)
    0.318309886
    """
    covariance = weight_variance * kernel(activation, c, q) + bias_variance
    moment = second_moment_map(activation, q, weight_variance, bias_variance)
    return covariance / moment if moment else nan


def chi(activation: ActivationLike, q: float, weight_variance: float = 1.0, c: float = 1.0) -> float:
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


def chi_parallel(activation: ActivationLike, q: float, weight_variance: float = 1.0) -> float:
    """Slope of `second_moment_map` in q, ``weight_variance E[u phi(u) phi'(u)] / q``.

    Raises
    ------
    ValueError
        If phi jumps.

    Notes
    -----
    *Reference*: Roberts, Yaida and Hanin, "The principles of deep learning theory", 2022, chapter 5.

    Examples
    --------
    >>> round(chi_parallel("tanh", 1.17848049, 25 / 9), 6)
    0.430899
    """
    phi, q = activation_of(activation), max(real("q", q, low=0.0), TINY)
    check_continuous(phi)
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
