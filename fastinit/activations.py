"""Activation functions: phi, phi', where they bend, and how they scale. Elementwise, silent, in the dtype they get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import _core
from .arguments import Words, choice, real, refuse

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

    @property
    def in_core(self) -> tuple[int, tuple[float, float]] | None:
        """Code and parameters, where both functions are the core's; None of a user's."""
        phi, slope = self.function, self.derivative
        if not (isinstance(phi, _core.NamedFunction) and isinstance(slope, _core.NamedFunction)):
            return None
        known, are_a_pair = (phi.code, phi.parameters), slope.is_slope and not phi.is_slope
        return known if are_a_pair and known == (slope.code, slope.parameters) else None

    def with_slope(self, x: Array) -> tuple[Array, Array]:
        """phi(x) and phi'(x), of which the core makes both at once."""
        known = self.in_core
        if known is None or x.dtype.char not in "fd" or not x.flags.carray:
            return self.function(x), self.derivative(x)
        value, slope = np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype)
        _core.activate(*known, x, value, slope)
        return value, slope


#: What a polynomial is off by where a function is not smooth, and how many such intervals are followed.
_ROUGH, _MOST_ROUGH = 1e-9, 4096


def _checked(function: _core.NamedFunction, x: Any) -> Any:
    """Of an array as the core does not read it, and of a number: computed as float32 where that holds it."""
    array = np.asarray(x)
    real = array.dtype if array.dtype.kind in "fV" else np.dtype(np.float64)  # bfloat16 is of kind V
    kind = np.float32 if real.itemsize <= 4 else np.float64
    values = np.array(array, kind, order="C")
    wanted = (None, values) if function.is_slope else (values, None)
    _core.activate(function.code, function.parameters, values, *wanted)
    return values.astype(real, copy=False)[()]


def _function(code: int, parameters: tuple[float, float], is_slope: bool) -> _core.NamedFunction:
    return _core.NamedFunction(code, parameters, is_slope, _checked)


def _named(
    name: str,
    kinks: tuple[float, ...] = (),
    degree: float | None = None,
    *,
    code: str | None = None,
    parameters: tuple[float, float] = (1.0, 0.0),
) -> Activation:
    """One that the core has."""
    number = _core.ACTIVATIONS.index(code or name)
    return Activation(name, _function(number, parameters, False), _function(number, parameters, True), kinks, degree)


def _leaky_relu(slope: float) -> Activation:
    return _named("leaky_relu", (0.0,), 1, parameters=(1.0, slope))


def _elu(alpha: float, scale: float = 1.0, name: str = "elu") -> Activation:
    """scale x for positive x, scale alpha (exp(x) - 1) for the others."""
    return _named(name, (0.0,), code="elu", parameters=(scale, scale * alpha))


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


_LINEAR, _SILU = _named("linear", degree=1), _named("silu")

#: Every activation that has a name.
ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        _LINEAR,
        replace(_LINEAR, name="identity"),
        _named("relu", (0.0,), 1),
        _leaky_relu(0.01),
        _elu(1.0),
        # Klambauer et al., "Self-normalizing neural networks", 2017: E phi = 0 and E phi**2 = 1 for a standard normal.
        _elu(1.6732632423543772, 1.0507009873554805, "selu"),
        _named("gelu"),
        _named("gelu_tanh"),
        _SILU,
        replace(_SILU, name="swish"),
        _named("mish"),
        _named("tanh"),
        _named("sigmoid"),
        _named("softplus"),
        _named("erf"),
        _named("sin"),
        _named("softsign", (0.0,)),
        _named("abs", (0.0,), 1),
        _named("relu2", (0.0,), 2),
    )
}


def as_floats(values: Any) -> Array:
    """Numbers in float64. Complex ones stay what they are, for whoever asked for real ones to refuse."""
    array = np.asarray(values)
    return array if np.iscomplexobj(array) else array.astype(float)


def _check_pair(function: Function, derivative: Function) -> None:
    """That both are elementwise functions of arrays, and one the derivative of the other, but for kinks and jumps.

    Central differences of step 1e-5 err by 1e-10 of the third derivative and 1e-11 of phi: a thousandth is left for
    steep functions.
    """
    x, step = np.linspace(-3.017, 3.029, 64).reshape(8, 8), 1e-5
    with np.errstate(all="ignore"):
        try:
            ends = [as_floats(function(x + shift)) for shift in (-step, step)]
            slopes = as_floats(derivative(x))
        except (TypeError, ValueError) as error:
            raise type(error)(f"`activation` must be a pair of functions of arrays: {error}") from error
        if any(map(np.iscomplexobj, (*ends, slopes))):
            refuse("activation", "a pair of functions that give real numbers", Words("complex ones"), TypeError)
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
