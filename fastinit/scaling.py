"""Scaling: fans, gains, and the probabilities that truncation needs. Nothing here leaves its last bits to a libm."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from math import hypot, prod, sqrt
from operator import index as as_index
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .activations import ACTIVATIONS, activation_of, as_floats
from .arguments import Words, hide_unknown, integer, is_integer, names_nearest, real, refuse, refuse_unknown
from .layout import checked_shape
from .machine import usually_rounded
from .typing import ActivationLike, Never, Shape

if TYPE_CHECKING:
    from decimal import Decimal

Axes = int | Sequence[int]

#: Standard deviation of a standard normal truncated at -2 and 2, which schemes divide by.
TRUNCATED_STD = 0.87962566103423978


class Fans(NamedTuple):
    """How many inputs an output sums over, and how many outputs an input reaches.

    Both are integers but where a stride divides them (see `fastinit.torch.fans_of`).
    """

    fan_in: float
    fan_out: float


#: Beyond lies no axis that NumPy would count.
_FARTHEST = 1 << 63


def checked_axes(name: str, axes: Any) -> Axes:
    """`axes` as an integer, or as a tuple of integers, which nobody can change."""
    if type(axes) is int and -_FARTHEST <= axes < _FARTHEST:
        return axes
    several = type(axes) is tuple or (
        isinstance(axes, Sequence) and not isinstance(axes, (str, bytes, bytearray, memoryview))
    )
    if not all(map(is_integer, axes if several else [axes])):
        refuse(name, "an integer or a sequence of integers", axes, TypeError)
    checked = tuple(map(as_index, axes if several else [axes]))
    if not all(-_FARTHEST <= axis < _FARTHEST for axis in checked):
        refuse(name, "of integers in [-2**63, 2**63)", axes)
    return checked if several else checked[0]


def checked_gain(gain: Any) -> float:
    """A gain as a number. What draws weights does not know which activation follows them, whose own would be "auto"."""
    if isinstance(gain, str):
        refuse("gain", "a finite number of at least 0, as fastinit.gain of an activation is", gain, TypeError)
    return real("gain", gain, low=0)


def _axes_within(name: str, axes: Any, count: int) -> list[int]:
    """Such axes of an array that has so many, counted from the first."""
    checked = checked_axes(name, axes)
    listed = [checked] if isinstance(checked, int) else checked
    return [integer(name, axis, -count, count) % count for axis in listed]


@hide_unknown
def fans(shape: Shape, *, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), **unknown: Never) -> Fans:
    """Fan-in and fan-out of a weight array.

    ``fan_in = prod(shape[in_axis]) * r`` and ``fan_out = prod(shape[out_axis]) * r``, where the receptive field ``r``
    is the product over the axes that are none of in, out and batch.

    Parameters
    ----------
    shape : sequence of int
        Shape of the whole array, never of a shard. By default (..., fan_in, fan_out): a convolution kernel is
        (height, width, in, out).
    in_axis, out_axis, batch_axis : int or sequence of int
        Axes summed over, axes of the result, and axes along which independent weights lie.

    Returns
    -------
    Fans
        ``(fan_in, fan_out)``.

    Raises
    ------
    ValueError
        If the shape has fewer than two axes that in and out could be, or an axis is named twice or out of range.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.fans((784, 256))
    Fans(fan_in=784, fan_out=256)
    >>> fi.fans((3, 3, 64, 128))
    Fans(fan_in=576, fan_out=1152)
    """
    if unknown:
        refuse_unknown(fans, unknown)
    return Fans(*fan_pair(checked_shape(shape), in_axis, out_axis, batch_axis))


def fan_pair(lengths: tuple[int, ...], in_axis: Axes, out_axis: Axes, batch_axis: Axes) -> tuple[int, int]:
    """Fan-in and fan-out of a checked shape."""
    if len(lengths) < 2:
        refuse("shape", "of at least two axes, for a fan", lengths)
    usual = type(in_axis) is type(out_axis) is int and type(batch_axis) is tuple and not batch_axis
    if usual and in_axis == -2 and out_axis == -1:
        receptive = prod(lengths[:-2])
        return lengths[-2] * receptive, lengths[-1] * receptive
    count = len(lengths)
    named = [_axes_within("in_axis", in_axis, count), _axes_within("out_axis", out_axis, count)]
    named.append(_axes_within("batch_axis", batch_axis, count))
    axes = [axis for group in named for axis in group]
    if len(set(axes)) < len(axes):
        refuse("in_axis", "apart from out_axis and batch_axis", (in_axis, out_axis, batch_axis))
    receptive = prod(length for axis, length in enumerate(lengths) if axis not in axes)
    fan_in, fan_out = (prod(lengths[axis] for axis in group) for group in named[:2])
    return fan_in * receptive, fan_out * receptive


# 1 / sqrt(E phi(z)^2) to the last bit; by adaptive quadrature with 30 digits.
_GAINS = {
    "linear": 1.0,
    "identity": 1.0,
    "relu": 1.4142135623730951,
    "leaky_relu": 1.4141428569978354,
    "elu": 1.2451983007007066,
    "selu": 1.0,
    "gelu": 1.5335304411955353,
    "gelu_tanh": 1.533580521666147,
    "silu": 1.676532470331091,
    "swish": 1.676532470331091,
    "mish": 1.486847581273208,
    "tanh": 1.5925374197228315,
    "sigmoid": 1.8462285453386054,
    "softplus": 1.0418668355353018,
    "erf": 1.4671669504891387,
    "sin": 1.5208666231788148,
    "softsign": 2.3375333631085398,
    "abs": 1.0,
    "relu2": 0.816496580927726,
}


#: Panels at first, whose points are at most 0.003 apart; how far from the round numbers they begin.
_PANEL, _BESIDE = 1 / 32, 1e-12 / 3
#: Of the whole: what a panel may be wrong by. Panels are halved while they are fewer and wider than this.
_SETTLED, _MOST_PANELS, _NARROWEST = 1e-13, 1 << 16, 2.0**-40


@names_nearest
def gain(activation: ActivationLike | Callable[[Any], Any]) -> float:
    """The factor that keeps the second moment: ``1 / sqrt(E[phi(z)**2])`` for standard normal z.

    Weights of standard deviation ``gain / sqrt(fan_in)`` give pre-activations of second moment one, layer after layer.

    Parameters
    ----------
    activation : str, (str, float), callable or (callable, callable)
        A name: linear, identity, relu, leaky_relu (slope 0.01), elu, selu, gelu, gelu_tanh, silu, swish, mish, tanh,
        sigmoid, softplus, erf, sin, softsign, abs, relu2; ``("leaky_relu", slope)`` or ``("elu", alpha)``; or a
        function of an array (or of a number), whose second moment is then integrated, alone or with its derivative.

    Returns
    -------
    float
        For a name, the correctly rounded value.

    Raises
    ------
    ValueError
        For an unknown name, or a function whose second moment is zero, not finite, or not found to 1e-6 (one that
        nowhere settles).

    Notes
    -----
    The moment of a function is found by quadrature, to 1e-10 where it is smooth, has kinks or jumps, and to 1e-6 where
    it has a great many. What it does between points 0.003 apart and nowhere else is not seen.

    This is not torch's ``calculate_gain``, which has 5/3 for tanh and 3/4 for selu.

    *Reference*: He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015, equations 7 to 10, for ReLU;
    the same argument for any function.

    Examples
    --------
    >>> import numpy as np
    >>> import fastinit as fi
    >>> fi.gain("relu")
    1.4142135623730951
    >>> fi.gain(("leaky_relu", 0.2))
    1.3867504905630728
    >>> round(fi.gain(np.tanh), 9)
    1.59253742
    """
    if callable(activation):
        return _measured_gain(activation)
    described = activation_of(activation)
    if described is ACTIVATIONS.get(described.name):
        return _GAINS[described.name]
    return _linear_gain(described.function) if described.degree == 1 else _measured_gain(described.function)


@usually_rounded
def _linear_gain(activation: Callable[[Any], Any]) -> float:
    """Of what is linear on either side of zero."""
    above, below = activation(np.array([1.0, -1.0])).tolist()
    return sqrt(2.0 / (above * above + below * below))


@usually_rounded
def _measured_gain(activation: Callable[[Any], Any]) -> float:
    """Clenshaw-Curtis on panels of [-14, 14], of which those are halved where 17 points and every other one disagree.

    Ends of panels are among the points, so that a jump always lies between two points of a panel; they are a little
    beside the round numbers, where functions have their kinks and divisions by zero. A panel with a jump is halved
    until it is so narrow that nothing depends on it.
    """
    nodes, weights, coarse_weights = _clenshaw_curtis()
    left = np.arange(-14.0, 14.0, _PANEL) + _BESIDE
    width, settled, unsettled = _PANEL, 0.0, 0.0
    while len(left):
        z = left[:, None] + width * nodes
        density = np.exp(-z * z / 2) / sqrt(2 * math.pi)
        values = np.broadcast_to(_values(activation, z), z.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            shares = density * values**2
            fine, coarse = width * (shares @ weights), width * (shares[:, ::2] @ coarse_weights)
        if not np.isfinite(fine).all():
            refuse("activation", "finite on [-14, 14]", activation)
        if width == _PANEL:
            if not np.array_equal(np.broadcast_to(_values(activation, z[14:15]), (1, len(nodes))), values[14:15]):
                refuse("activation", "elementwise: the same for an element whatever is beside it", activation)
            moment, ends = float(fine.sum()), float(max(shares[0, 0], shares[-1, -1]))
        errors = np.abs(fine - coarse)
        rough = errors > _SETTLED * moment
        settled, unsettled = settled + float(fine[~rough].sum()), float(errors[rough].sum())
        moment = settled + float(fine[rough].sum())
        if np.count_nonzero(rough) > _MOST_PANELS or width < _NARROWEST:
            break
        width /= 2
        left = (left[rough, None] + [0.0, width]).ravel()
    if ends > 1e-12 * moment:
        refuse("activation", "such that its second moment is that of |z| < 14", activation)
    if not moment > 0:
        refuse("activation", "not zero everywhere", activation)
    if unsettled > 1e-6 * moment:
        refuse("activation", "smooth enough for its second moment to be found to 1e-6", activation)
    return 1.0 / sqrt(moment)


@cache
def _clenshaw_curtis() -> tuple[Any, Any, Any]:
    """Seventeen places in [0, 1], ends among them; their weights, and those of every other one of them alone."""
    angles = np.pi * np.arange(17) / 16

    def weights(step: int) -> Any:
        """Those that integrate cosines of the angles, and so the polynomials, exactly."""
        some = angles[::step]
        even = np.arange(0, len(some), 2)
        integrals = np.zeros(len(some))
        integrals[even] = 1 / (1 - even**2.0)
        return np.linalg.solve(np.cos(np.outer(np.arange(len(some)), some)), integrals)

    return (1 - np.cos(angles)) / 2, weights(1), weights(2)


def _values(activation: Callable[[Any], Any], z: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """activation(z), element by element where the function takes numbers only."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        try:
            values = as_floats(activation(z))
        except (TypeError, ValueError):
            values = np.array([float(activation(x)) for x in z.ravel().tolist()]).reshape(z.shape)
    if np.iscomplexobj(values):
        refuse("activation", "of real numbers", Words(f"values of {values.dtype.name}"), TypeError)
    if values.shape not in (z.shape, ()):
        refuse("activation", f"elementwise: shape {z.shape} for shape {z.shape}", values.shape)
    return values


def _lower_tail(x: Decimal) -> Decimal:
    """P(Z < x) for x <= 0, to 25 digits: a series near zero, Laplace's continued fraction below -5."""
    from decimal import Decimal  # a tenth of the import, for what few ask

    density = (-x * x / 2).exp() / (2 * Decimal("3.14159265358979323846264338327950288419716939937510582097")).sqrt()
    if x > -5:
        term = total = -x
        for k in range(3, 203, 2):
            term *= x * x / k
            total += term
        return Decimal("0.5") - density * total
    fraction = -x
    for k in range(200, 0, -1):
        fraction = -x + k / fraction
    return density / fraction


@lru_cache(maxsize=256)
@usually_rounded
def normal_interval(low: float, high: float) -> tuple[float, float, float]:
    """P(Z < low), P(low < Z < high) and P(Z > high) for a standard normal Z, each correctly rounded."""
    from decimal import Context, Decimal, localcontext

    with localcontext(Context(prec=56, Emin=-(10**9), Emax=10**9)):

        def below(x: float) -> Decimal:
            return Decimal(0) if x < -1e6 else _lower_tail(Decimal(x))

        if high <= 0:
            left, mass, right = below(low), below(high) - below(low), 1 - below(high)
        elif low >= 0:
            left, mass, right = 1 - below(-low), below(-low) - below(-high), below(-high)
        else:
            left, mass, right = below(low), 1 - below(low) - below(-high), below(-high)
        return float(left), float(mass), float(right)


@lru_cache(maxsize=256)
@usually_rounded
def truncated_moments(low: float, high: float) -> tuple[float, float]:
    """Mean and standard deviation of a standard normal between two bounds, however far out, to 1e-14.

    Composite Gauss-Legendre over the distance from the likeliest place, so that neither a narrow interval nor one far
    out loses digits to cancellation; where the density is below exp(-45) of its greatest, it counts as nothing.
    """
    peak = min(max(0.0, low), high)
    reach = 45.0 / (abs(peak) / 2 + hypot(peak, sqrt(90.0)) / 2)  # the root of |peak| u + u u / 2 = 45
    first, last = max(low - peak, -reach), min(high - peak, reach)
    scale = max(-first, last)
    edges = np.linspace(first / scale, last / scale, 33)
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half = (edges[1] - edges[0]) / 2
    u = ((edges[:-1] + edges[1:]) / 2)[:, None] + half * nodes
    density = weights * np.exp(-(scale * u) * (peak + scale * u / 2))
    density /= density.sum()
    mean = float(np.sum(density * u)) if low != -high else 0.0
    return peak + scale * mean, scale * sqrt(float(np.sum(density * (u - mean) ** 2)))
