"""The edge of chaos: variances at which gradients neither grow nor vanish."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..activations import activation_of, check_continuous
from ..arguments import real, refuse
from ..typing import ActivationLike
from .false_position import root
from .kernels import derivative_kernel, kernel


class CriticalPoint(NamedTuple):
    """Variances at which gradients neither grow nor vanish, and the second moment that they keep."""

    weight_variance: float
    bias_variance: float
    q: float


def edge_of_chaos(
    activation: ActivationLike, *, bias_variance: float | None = None, q: float | None = None
) -> CriticalPoint:
    """Variances with `chi` = 1 at the fixed point: ``weight_variance = 1 / E[phi'(u)**2]``.

    Give one of the bias variance and the second moment q of the pre-activations. Without bias, an activation with
    phi(0) = 0 is critical as q -> 0, which is returned; for a piecewise linear one, any q will do, and it is NaN.

    Raises
    ------
    ValueError
        If there is no critical point with a bias variance of at least 0 (softplus), or phi jumps, or is flat at zero
        and has no bias.

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
    check_continuous(phi)

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
        if phi.degree != 1 and phi.derivative(np.zeros(1))[0] == 0:
            refuse("activation", "one with a slope at zero (without bias it is critical there, as q -> 0)", phi.name)
        q = math.nan if phi.degree == 1 else 0.0
        return CriticalPoint(1 / derivative_kernel(phi, 1.0, 0.0), 0.0, q)
    grid = [max(wanted, 1e-6) * 1.25**k for k in range(120)]
    for low, high in pairwise(grid):
        if bias(high) >= wanted:
            q = root(lambda q: bias(q) - wanted, low, high)
            return CriticalPoint(1 / derivative_kernel(phi, 1.0, q), wanted, q)
    refuse("bias_variance", f"such that {phi.name} has a critical point with it", wanted)
