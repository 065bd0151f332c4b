"""The tangent kernel of a network of infinite width, and what bends: how far apart gradients tell two inputs."""

from __future__ import annotations

from math import inf
from typing import Literal, NamedTuple

import numpy as np

from ..activations import Array, activation_of, check_continuous
from ..arguments import choice, integer, real, refuse
from ..typing import ActivationLike
from .kernels import TINY, kernel
from .maps import chi
from .quadrature import expectation

#: Step of the central difference that a second derivative is taken by: off by 1e-12 or so of functions that bend over
#: lengths of one.
_STEP = 1e-3


class TangentKernel(NamedTuple):
    """The kernel of an input with itself, and with another."""

    same: float
    different: float

    def largest(self, examples: int) -> float:
        """The largest eigenvalue, where any two of so many examples are as far apart."""
        return max(self.same + (examples - 1) * self.different, self.same - self.different)

    @property
    def others(self) -> float:
        """The other eigenvalues then: all are alike."""
        return self.same - self.different

    def condition(self, examples: int) -> float:
        """The largest over the others; infinite where the inputs are not told apart."""
        return self.largest(examples) / self.others if self.others > 0 else inf


def tangent_kernel(
    activation: ActivationLike,
    depth: int,
    c: float,
    q: float = 1.0,
    weight_variance: float = 1.0,
    bias_variance: float = 0.0,
    *,
    parameterization: Literal["standard", "ntk"] = "standard",
    readout_variance: float = 1.0,
) -> TangentKernel:
    """Tangent kernel of `depth` layers ``h = W phi(h') + b`` and a linear readout, at initialisation.

    Each layer adds ``Theta' = Theta * chi + Sigma``: what comes back to the layers before it, and its own weights.

    Parameters
    ----------
    activation : str, tuple or Activation
        phi.
    depth : int
        Layers before the readout, each with phi after it: 1 or more.
    c, q : float
        Correlation of the first pre-activations of two inputs, and the second moment of each.
    weight_variance, bias_variance : float
        fan_in times the variance of a weight, positive, and the variance of a bias.
    parameterization : {"standard", "ntk"}
        "standard" is of weights as they are, over the width: ``Sigma = E[phi(u) phi(v)]``, to which biases add
        nothing. "ntk" is of weights and biases that are multiplied by their deviation: ``Sigma = weight_variance
        E[phi(u) phi(v)] + bias_variance``.
    readout_variance : float
        fan_in times the variance of a weight of the readout.

    Returns
    -------
    TangentKernel

    Raises
    ------
    ValueError
        If an argument breaks its rule, or c is below the correlation that the biases alone give.

    Notes
    -----
    In depth its condition number grows like ``1 / (depth * chi**depth)`` where the network is ordered (chi < 1),
    goes to (examples + 2) / 2 at the edge of chaos, and to one in chaos (Xiao et al.).

    *Reference*: Jacot, Gabriel and Hongler, "Neural tangent kernel", NeurIPS 2018; Lee et al., "Wide neural networks of
    any depth evolve as linear models", NeurIPS 2019; Xiao, Pennington and Schoenholz, "Disentangling trainability and
    generalization in deep neural networks", ICML 2020.

    Examples
    --------
    >>> kernel = tangent_kernel("relu", 10, 0.0, weight_variance=2.0)
    >>> round(kernel.same, 6), round(kernel.different, 6)
    (3.0, 1.087728)
    """
    phi = activation_of(activation)
    layers, c, q = integer("depth", depth, 1), real("c", c), real("q", q, low=0.0)
    weight_variance = real("weight_variance", weight_variance, low=TINY)
    bias_variance = real("bias_variance", bias_variance, low=0.0)
    readout_variance = real("readout_variance", readout_variance, low=0.0)
    choice("parameterization", parameterization, ("standard", "ntk"))
    if not -1 <= c <= 1:
        refuse("c", "a correlation in [-1, 1]", c)
    if q < bias_variance:
        refuse("q", f"at least bias_variance ({bias_variance})", q)
    scaled = parameterization == "ntk"
    found = [q, q * c] if scaled else [(q - bias_variance) / weight_variance, (q * c - bias_variance) / weight_variance]
    for layer in range(1, layers + 1):
        last = layer == layers
        variance, bias = (readout_variance, bias_variance * scaled) if last else (weight_variance, bias_variance)
        products = [kernel(phi, one, q) for one in (1.0, c)]
        after = [variance * product + bias for product in products]
        own = after if scaled else products
        slopes = [chi(phi, q, variance, one) for one in (1.0, c)]
        found = [total * slope + new for total, slope, new in zip(found, slopes, own, strict=True)]
        q, c = after[0], min(max(after[1] / after[0], -1.0), 1.0) if after[0] else 1.0
    return TangentKernel(*found)


def chi_2(activation: ActivationLike, q: float, weight_variance: float = 1.0) -> float:
    """How fast a curve of inputs bends as it passes a layer, ``weight_variance E[phi''(u)**2]``.

    Infinite where phi' jumps.

    Parameters
    ----------
    activation : str, tuple or Activation
        phi.
    q : float
        Second moment of the pre-activations.
    weight_variance : float
        fan_in times the variance of a weight.

    Raises
    ------
    ValueError
        If phi jumps.

    Notes
    -----
    *Reference*: Poole et al., "Exponential expressivity in deep neural networks through transient chaos", NeurIPS 2016,
    section 3.

    Examples
    --------
    >>> round(chi_2("sin", 0.5), 9)
    0.316060279
    >>> chi_2("relu", 1.0)
    inf
    """
    phi, q = activation_of(activation), max(real("q", q, low=0.0), TINY)
    weight_variance = real("weight_variance", weight_variance, low=0.0)
    check_continuous(phi)
    for kink in phi.kinks:
        below, above = phi.derivative(np.nextafter(kink, [-inf, inf])).tolist()
        if abs(above - below) > 1e-9 * max(abs(above), abs(below), 1.0):
            return inf if weight_variance else 0.0

    def second(u: Array) -> Array:
        near = phi.derivative(u + _STEP) - phi.derivative(u - _STEP)
        far = phi.derivative(u + 2 * _STEP) - phi.derivative(u - 2 * _STEP)
        return np.asarray(((8 * near - far) / (12 * _STEP)) ** 2)

    return weight_variance * expectation(second, q, phi.kinks)
