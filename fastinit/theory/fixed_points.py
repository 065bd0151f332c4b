"""Where a deep network settles, and how fast."""

from __future__ import annotations

from math import isnan, nan
from typing import NamedTuple

from ..activations import Activation, activation_of
from ..arguments import real, refuse
from ..typing import ActivationLike
from .false_position import root
from .kernels import TINY
from .maps import chi, chi_parallel, correlation_map, depth_scale, second_moment_map


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
    activation: ActivationLike, weight_variance: float, bias_variance: float = 0.0, *, start: float = 1.0
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
        If the second moment grows without end, or phi jumps.

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
    c = _settled_correlation(phi, max(q, TINY), weight_variance, bias_variance) if chi_1 > 1 + 1e-12 else 1.0
    chi_c = nan if isnan(c) else chi(phi, q, weight_variance, c)
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
            return root(growth, near, far)
        near = far
    if first < 0:
        return 0.0
    rule = f"such that the second moment settles with {phi.name}: it grows without end"
    refuse("weight_variance", rule, weight_variance)


def _settled_correlation(phi: Activation, q: float, weight_variance: float, bias_variance: float) -> float:
    """The stable correlation below one; one where it is nearer than 1e-8, NaN where the map has no answer."""

    def growth(c: float) -> float:
        return correlation_map(phi, c, q, weight_variance, bias_variance) - c

    near_one = 1 - 1e-8
    last = growth(near_one)
    return root(growth, 0.0, near_one) if last < 0 else 1.0 if last >= 0 else nan
