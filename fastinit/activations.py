"""Activation functions: phi, phi', where they bend, and how they scale. Elementwise, silent, in the dtype they get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from math import pi, sqrt
from typing import Any

import numpy as np

from .arguments import choice, real, refuse

Array = np.ndarray[Any, Any]
Function = Callable[[Array], Array]


@dataclass(frozen=True)
class Activation:
    """An activation function and its derivative.

    Parameters
    ----------
    name : str
        What tables and charts call it.
    function, derivative : callable
        phi and phi', of arrays, elementwise: a new array of the dtype they get.
    kinks : tuple of float
        Where phi or one of its derivatives jumps: quadrature has panel edges there.
    degree : float, optional
        ``phi(a x) = a**degree phi(x)`` for every positive a; None where no degree does.
    """

    name: str
    function: Function
    derivative: Function
    kinks: tuple[float, ...] = ()
    degree: float | None = None


#: What a polynomial is off by where a function is not smooth, and how many such intervals are followed.
_ROUGH, _MOST_ROUGH = 1e-9, 4096

# Chebyshev coefficients of (1 + 2a) exp(a a) erfc(a) in t = (a - 3) / (a + 3), and of erf(x) / x in 2 x x - 1 on
# [-1, 1]: interpolation at 120 Chebyshev nodes with 40 digits. The first terms alone are right to float32 rounding.
_TAIL = (
    1.1775625741965600, 0.0053539045396156768, -0.093775503422842091, 0.054366525557443220, -0.018976596707845207,
    0.0044534260614627116, -0.00063355317105531469, 1.7661719523171592e-5, 1.2841532864056671e-5,
    -2.0072285659059914e-6, -1.8075227904148371e-7, 7.5498283438250928e-8, 1.8856685238386028e-9,
    -2.6995190497983640e-9, -1.4600791199391049e-11, 1.0361607445969490e-10, 1.4757159766234730e-12,
    -4.2773400643969108e-12, -2.0792249285979900e-13, 1.8134502003176962e-13, 1.9734255745447388e-14,
    -7.2879437375926732e-15, -1.5169878690228116e-15, 2.3514112258781404e-16, 1.0006111691821668e-16,
)  # fmt: skip
_NEAR = (
    0.97547693938265410, -0.14226120510371364, 0.010035582187599796, -0.00057687646997674848, 2.7419931252196061e-5,
    -1.1043175507344508e-6, 3.8488755420345037e-8, -1.1808582533875467e-9, 3.2334215826050910e-11,
    -7.9910159470045488e-13, 1.7990725113961456e-14, -3.7186354878186926e-16, 7.1035990037142530e-18,
)  # fmt: skip


@cache
def _coefficients(series: tuple[float, ...]) -> list[float]:
    """Those of the powers, of a Chebyshev series."""
    from numpy.polynomial.chebyshev import cheb2poly  # a tenth of the time of the import of the package

    return list(cheb2poly(series).tolist())


def _polynomial(series: tuple[float, ...], terms32: int, x: Array) -> Array:
    """A Chebyshev series at x, of which its first terms will do for float32."""
    coefficients = _coefficients(series if x.dtype == np.float64 else series[:terms32])
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value *= x
        value += coefficient
    return value


def _erfc(a: Array) -> Array:
    """erfc(a) for a >= 0, to a few roundings of itself; from 28 on it is zero in float64."""
    a = np.minimum(a, 28.0)
    tail = _polynomial(_TAIL, 12, (a - 3.0) / (a + 3.0))
    return np.exp(-a * a) * tail / (1.0 + 2.0 * a)


def _erf(x: Array) -> Array:
    a = np.abs(x)
    square = np.minimum(a, 1.0) ** 2
    near = x * _polynomial(_NEAR, 7, 2.0 * square - 1.0)
    return np.where(a < 1.0, near, np.copysign(1.0 - _erfc(a), x))


def _erf_derivative(x: Array) -> Array:
    x = np.clip(x, -28.0, 28.0)
    return 2.0 / sqrt(pi) * np.exp(-x * x)


def _gelu(x: Array) -> Array:
    return x * _normal_cdf(x)


def _normal_cdf(x: Array) -> Array:
    lower = 0.5 * _erfc(np.abs(x) * sqrt(0.5))
    return ~np.signbit(x) - np.copysign(lower, x)


def _gelu_derivative(x: Array) -> Array:
    inner = np.clip(x, -39.0, 39.0)
    return _normal_cdf(x) + inner * np.exp(-0.5 * inner * inner) * (1.0 / sqrt(2.0 * pi))


def _gelu_tanh_inner(x: Array) -> tuple[Array, Array]:
    """tanh of the approximation's cubic, and x, held within 10, where that tanh is one."""
    inner = np.clip(x, -10.0, 10.0)
    return np.tanh(sqrt(2.0 / pi) * inner * (1.0 + 0.044715 * inner * inner)), inner


def _gelu_tanh(x: Array) -> Array:
    return x * (0.5 + 0.5 * _gelu_tanh_inner(x)[0])


def _gelu_tanh_derivative(x: Array) -> Array:
    tanh, inner = _gelu_tanh_inner(x)
    slope = sqrt(0.5 / pi) * inner * (1.0 + 3.0 * 0.044715 * inner * inner)
    return 0.5 + 0.5 * tanh + slope * (1.0 - tanh * tanh)


def _sigmoid(x: Array) -> Array:
    return np.exp(np.minimum(x, 0.0)) / (1.0 + np.exp(-np.abs(x)))


def _sigmoid_derivative(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    return e / (1.0 + e) ** 2


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _silu(x: Array) -> Array:
    return x * _sigmoid(x)


def _silu_derivative(x: Array) -> Array:
    return _sigmoid(x) + x * _sigmoid_derivative(x)


def _tanh_softplus(x: Array) -> Array:
    """(p p - 1) / (p p + 1) with p = 1 + exp(x), both over exp(2x) where x is positive."""
    above = np.exp(-np.maximum(x, 0.0))
    below = np.exp(np.minimum(x, 0.0))
    numerator = below * (below + 2.0 * above)
    return numerator / (numerator + 2.0 * above * above)


def _mish(x: Array) -> Array:
    return x * _tanh_softplus(x)


def _mish_derivative(x: Array) -> Array:
    tanh = _tanh_softplus(x)
    return tanh + x * (1.0 - tanh * tanh) * _sigmoid(x)


def _tanh_derivative(x: Array) -> Array:
    tanh = np.tanh(x)
    return 1.0 - tanh * tanh


def _relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def _relu_derivative(x: Array) -> Array:
    return (x > 0).astype(x.dtype)


def _softsign_derivative(x: Array) -> Array:
    reciprocal = 1.0 / (1.0 + np.abs(x))
    return reciprocal * reciprocal


def _relu2(x: Array) -> Array:
    positive = np.maximum(x, 0.0)
    return positive * positive


def _relu2_derivative(x: Array) -> Array:
    return 2.0 * np.maximum(x, 0.0)


def _softsign(x: Array) -> Array:
    return x / (1.0 + np.abs(x))


def _leaky(x: Array, slope: float) -> Array:
    return np.maximum(x, 0.0) + slope * np.minimum(x, 0.0)


def _leaky_derivative(x: Array, slope: float) -> Array:
    above = _relu_derivative(x)
    return above + slope * (1.0 - above)


def _exponential(x: Array, above: float, below: float) -> Array:
    return above * np.maximum(x, 0.0) + below * np.expm1(np.minimum(x, 0.0))


def _exponential_derivative(x: Array, above: float, below: float) -> Array:
    positive = _relu_derivative(x)
    return above * positive + below * (1.0 - positive) * np.exp(np.minimum(x, 0.0))


# Parts of named functions, unlike closures, can be pickled: a profile with them goes to other processes.
def _leaky_relu(slope: float) -> Activation:
    return Activation("leaky_relu", partial(_leaky, slope=slope), partial(_leaky_derivative, slope=slope), (0.0,), 1)


def _elu(alpha: float, scale: float = 1.0, name: str = "elu") -> Activation:
    """scale x for positive x, scale alpha (exp(x) - 1) for the others."""
    function = partial(_exponential, above=scale, below=scale * alpha)
    return Activation(name, function, partial(_exponential_derivative, above=scale, below=scale * alpha), (0.0,))


def check_continuous(phi: Activation) -> None:
    """That the function has no jump: it would be in phi' a peak that no number tells.

    A jump is as high a thousandth as far from it; what a slope makes, or a root, is not.
    """
    near = np.array([1e-9, 1e-6])
    for kink in phi.kinks:
        above, below = phi.function(kink + near), phi.function(kink - near)
        off = np.abs(above - below)
        if off[0] > 0.5 * off[1] and off[0] > 1e-6 * (1 + np.abs(above[0])):
            refuse("activation", f"without a jump (there is one at {round(kink, 9) + 0.0:g})", phi.name)


def _kept_to_shape(function: Callable[[Array], Any]) -> Function:
    return function if isinstance(function, np.ufunc) else _Own(function)


@dataclass(frozen=True)
class _Own:
    """A function of the user's, of an array that it may change, to an array of the same shape and dtype."""

    function: Callable[[Array], Any]

    def __call__(self, x: Array) -> Array:
        y = np.asarray(self.function(x.copy()))
        if y.shape != x.shape:
            refuse("activation", f"a pair of functions that keep the shape {x.shape} of what they get", y.shape)
        if y.dtype.kind not in "fiub":
            refuse("activation", "a pair of functions that give real numbers", y.dtype.name, TypeError)
        return y.astype(x.dtype, copy=False)


_LINEAR = Activation("linear", np.positive, np.ones_like, degree=1)
_SILU = Activation("silu", _silu, _silu_derivative)

#: Every activation that has a name.
ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        _LINEAR,
        replace(_LINEAR, name="identity"),
        Activation("relu", _relu, _relu_derivative, (0.0,), 1),
        _leaky_relu(0.01),
        _elu(1.0),
        # Klambauer et al., "Self-normalizing neural networks", 2017: E phi = 0 and E phi**2 = 1 for a standard normal.
        _elu(1.6732632423543772, 1.0507009873554805, "selu"),
        Activation("gelu", _gelu, _gelu_derivative),
        Activation("gelu_tanh", _gelu_tanh, _gelu_tanh_derivative),
        _SILU,
        replace(_SILU, name="swish"),
        Activation("mish", _mish, _mish_derivative),
        Activation("tanh", np.tanh, _tanh_derivative),
        Activation("sigmoid", _sigmoid, _sigmoid_derivative),
        Activation("softplus", _softplus, _sigmoid),
        Activation("erf", _erf, _erf_derivative),
        Activation("sin", np.sin, np.cos),
        Activation("softsign", _softsign, _softsign_derivative, (0.0,)),
        Activation("abs", np.abs, np.sign, (0.0,), 1),
        Activation("relu2", _relu2, _relu2_derivative, (0.0,), 2),
    )
}


def _check_pair(function: Function, derivative: Function) -> None:
    """That both are elementwise functions of arrays, and one the derivative of the other, but for kinks and jumps.

    Central differences of step 1e-5 err by 1e-10 of the third derivative and 1e-11 of phi: a thousandth is left for
    steep functions.
    """
    x, step = np.linspace(-3.017, 3.029, 64).reshape(8, 8), 1e-5
    with np.errstate(all="ignore"):
        try:
            ends = [np.asarray(function(x + shift), float) for shift in (-step, step)]
            slopes = np.asarray(derivative(x), float)
        except (TypeError, ValueError) as error:
            raise type(error)(f"`activation` must be a pair of functions of arrays: {error}") from error
        if {ends[0].shape, slopes.shape} != {x.shape}:
            refuse("activation", f"elementwise: shape {x.shape} for shape {x.shape}", (ends[0].shape, slopes.shape))
        off = np.abs((ends[1] - ends[0]) / (2 * step) - slopes) > 1e-3 * (1 + np.abs(slopes))
    if off.mean() > 0.25:
        refuse(
            "activation",
            "a pair (phi, phi') of which the second is the derivative of the first",
            (function, derivative),
        )


@np.errstate(all="ignore")
def _kinks_of(function: Function, derivative: Function) -> tuple[float, ...]:
    """Where phi or one of its derivatives jumps, within 100 of zero: found by what a polynomial cannot follow.

    One through the Gauss points of an interval tells those of its halves, where the function is smooth. Where it does
    not, the halves are looked at; what is rough at lengths of 6e-5 is followed down to rounding. Intervals begin at odd
    numbers, since a jump is not seen from an edge. A function that is rough all over has no places.
    """
    x, _ = np.polynomial.legendre.leggauss(12)
    halves = np.concatenate([x - 1, x + 1]) / 2
    vander = np.polynomial.legendre.legvander
    told = np.linalg.solve(vander(x, 11).T, vander(halves, 11).T)

    def roughness(f: Function, start: Array, length: float) -> Array:
        middle = start[:, None] + length / 2
        at, there = (f((middle + length / 2 * points).ravel()).reshape(-1, len(points)) for points in (x, halves))
        return np.asarray(np.abs(at @ told - there).max(axis=1, initial=0) / (1 + np.abs(at).max(axis=1, initial=0)))

    found: dict[float, float] = {}
    for f in (derivative, function):
        start, length = np.arange(-100.0131, 99.0), 1.0
        while length > 6e-5 and len(start) <= 2 * _MOST_ROUGH:
            rough = start[roughness(f, start, length) > _ROUGH]
            length /= 2
            start = np.add.outer(rough, [0.0, length]).ravel()
        start = start[roughness(f, start, length) > _ROUGH]
        if len(start) > _MOST_ROUGH:
            return ()
        while len(start) and length > 4e-16 * max(np.abs(start).max(), 1.0):
            length /= 2
            pairs = np.add.outer(start, [0.0, length])
            worse = roughness(f, pairs.ravel(), length).reshape(pairs.shape).argmax(axis=1)
            start = pairs[np.arange(len(pairs)), worse]
        places = np.round(start + length / 2, 15) + 0.0  # no -0
        found = {round(one, 6): one for one in places.tolist()} | found
    return tuple(sorted(found.values()))


def activation_of(value: Any) -> Activation:
    """The activation that `value` names: a name, ("leaky_relu", slope), ("elu", alpha) or a pair (phi, phi').

    Where the functions of a pair bend or jump is looked for, within 100 of zero; an `Activation` says it itself.

    Raises
    ------
    ValueError, TypeError
        If it names none.

    Examples
    --------
    >>> import numpy as np
    >>> activation_of(("leaky_relu", 0.2)).function(np.array([-1.0, 1.0]))
    array([-0.2,  1. ])
    >>> activation_of((np.sin, np.cos)).name
    'sin'
    """
    if isinstance(value, Activation):
        return value
    if isinstance(value, tuple) and len(value) == 2:
        if value[0] == "leaky_relu":
            slope = real("slope", value[1], low=-1e150)
            return replace(_leaky_relu(slope), name=f"leaky_relu({slope:g})")
        if value[0] == "elu":
            alpha = real("alpha", value[1])
            return replace(_elu(alpha), name=f"elu({alpha:g})")
        if callable(value[0]) and callable(value[1]):
            _check_pair(*value)
            name = str(getattr(value[0], "__name__", "activation"))
            pair = _kept_to_shape(value[0]), _kept_to_shape(value[1])
            return Activation(name, *pair, _kinks_of(*pair))
    forms = "a pair of functions (phi, phi'), ('leaky_relu', slope), ('elu', alpha) or "
    if callable(value):
        refuse("activation", "a pair (phi, phi'): the derivative is needed too", value, TypeError)
    return ACTIVATIONS[choice("activation", value, ACTIVATIONS, forms)]
