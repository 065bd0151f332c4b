"""Schemes: from a shape to a law's scale. One general rule, Var(w) = gain^2 scale / fan, and its named cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from typing import TYPE_CHECKING, Any, Literal

from .arguments import choice, real, refuse
from .deterministic import constant, dirac, identity, ones, zeros
from .fill import draw, normal, truncated_normal, uniform
from .layout import checked_shape
from .scaling import TRUNCATED_STD, Axes, fan_pair
from .stream import seed_number
from .structured import delta_orthogonal, orthogonal, sparse

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .fill import Common

    class Scaled(Common, total=False):
        """The keywords of the named schemes."""

        gain: float
        in_axis: Axes
        out_axis: Axes
        batch_axis: Axes


Mode = Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]
Distribution = Literal["normal", "truncated_normal", "uniform"]

FANS: dict[str, Callable[[int, int], float]] = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
    "fan_geo_avg": lambda fan_in, fan_out: sqrt(fan_in * fan_out),
}


def variance_scaling(
    shape: Any,
    scale: float = 1.0,
    mode: Mode = "fan_in",
    distribution: Distribution = "normal",
    *,
    gain: float = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    **common: Unpack[Common],
) -> Any:
    """Weights of mean zero and variance ``gain**2 * scale / fan``.

    Since Var(s) = n Var(w) Var(x) for a sum s of n = fan_in products, this sets how the variance of a signal grows or
    shrinks from layer to layer.

    Parameters
    ----------
    shape : sequence of int
        Shape of the whole array, (..., fan_in, fan_out) unless the axes say otherwise; see `fans`.
    scale : float
        At least 0.
    mode : {"fan_in", "fan_out", "fan_avg", "fan_geo_avg"}
        The fan: of inputs, of outputs, their mean, or their geometric mean.
    distribution : {"normal", "truncated_normal", "uniform"}
        The normal; the normal cut at two of its own deviations, widened by 1 / 0.8796 so that the variance is right
        after the cut; the uniform on ±sqrt(3) deviations.
    gain : float
        At least 0.
    in_axis, out_axis, batch_axis : int or sequence of int
        See `fans`.
    **common
        seed, name, dtype, index, out and threads, as for `normal`. With `index` the fan is still that of `shape`.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array.

    Raises
    ------
    ValueError, TypeError, IndexError
        If an argument breaks its rule; then nothing has been written.

    Notes
    -----
    *Stream*: the law of that distribution.

    *Reference*: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.6; Glorot and Bengio, AISTATS
    2010, equation 16; He, Zhang, Ren and Sun, ICCV 2015, equation 10.

    Examples
    --------
    >>> import fastinit as fi
    >>> W = fi.variance_scaling((512, 256), 2.0, "fan_avg", seed=0)
    >>> bool(abs(W.var() * 384 / 2 - 1) < 0.02)
    True
    """
    if not isinstance(mode, str) or mode not in FANS:
        choice("mode", mode, FANS)
    shape = checked_shape(shape)
    fan = FANS[mode](*fan_pair(shape, in_axis, out_axis, batch_axis)) or 1  # zero only where there are no elements
    std = real("gain", gain, low=0) * sqrt(real("scale", scale, low=0) / fan)
    if distribution == "normal":
        return draw("normal", (0.0, std), shape, **common)
    if distribution == "uniform":
        limit = sqrt(3.0) * std
        return draw("uniform", (-limit, limit), shape, **common)
    choice("distribution", distribution, ["normal", "truncated_normal", "uniform"])
    return draw("truncated", (0.0, std / TRUNCATED_STD, -2.0, 2.0), shape, **common)


def lecun_normal(shape: Any, *, distribution: Distribution = "normal", **keywords: Unpack[Scaled]) -> Any:
    """Variance 1 / fan_in: the textbook's ``randn / sqrt(n)``, right for linear units, tanh and selu.

    See `variance_scaling` for all keywords. ``distribution="truncated_normal"`` is what JAX and Keras mean.

    Notes
    -----
    *Reference*: LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 4.6.

    Examples
    --------
    >>> import fastinit as fi
    >>> bool(abs(fi.lecun_normal((400, 100), seed=0).std() * 20 - 1) < 0.02)
    True
    """
    return variance_scaling(shape, 1.0, "fan_in", distribution, **keywords)


def lecun_uniform(shape: Any, **keywords: Unpack[Scaled]) -> Any:
    """Uniform of variance 1 / fan_in: on ±sqrt(3 / fan_in). See `variance_scaling` and `lecun_normal`.

    Examples
    --------
    >>> import fastinit as fi
    >>> bool(abs(fi.lecun_uniform((3, 100), seed=0)).max() < 1)
    True
    """
    return variance_scaling(shape, 1.0, "fan_in", "uniform", **keywords)


def glorot_normal(shape: Any, *, distribution: Distribution = "normal", **keywords: Unpack[Scaled]) -> Any:
    """Variance 2 / (fan_in + fan_out): a compromise between the signal forward and the gradient back.

    See `variance_scaling` for all keywords. ``distribution="truncated_normal"`` is what JAX and Keras mean.

    Notes
    -----
    *Reference*: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 12.

    Examples
    --------
    >>> import fastinit as fi
    >>> bool(abs(fi.glorot_normal((300, 100), seed=0).var() * 200 - 1) < 0.03)
    True
    """
    return variance_scaling(shape, 1.0, "fan_avg", distribution, **keywords)


def glorot_uniform(shape: Any, **keywords: Unpack[Scaled]) -> Any:
    """Uniform of variance 2 / (fan_in + fan_out): on ±sqrt(6 / (fan_in + fan_out)). See `variance_scaling`.

    Notes
    -----
    *Reference*: Glorot and Bengio, AISTATS 2010, equation 16.

    Examples
    --------
    >>> import fastinit as fi
    >>> bool(abs(fi.glorot_uniform((3, 3), seed=0)).max() < 1)
    True
    """
    return variance_scaling(shape, 1.0, "fan_avg", "uniform", **keywords)


def he_normal(shape: Any, *, distribution: Distribution = "normal", **keywords: Unpack[Scaled]) -> Any:
    """Variance 2 / fan_in, which keeps the second moment of a signal through ReLU layers.

    See `variance_scaling` for all keywords; the factor sqrt(2) is already in, `gain` multiplies it.
    ``distribution="truncated_normal"`` is what JAX and Keras mean.

    Notes
    -----
    *Reference*: He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015, equation 10.

    Examples
    --------
    >>> import numpy as np
    >>> import fastinit as fi
    >>> W = fi.he_normal((4096, 64), seed=0, name="mlp.0")
    >>> S = fi.he_normal((4096, 64), seed=0, name="mlp.0", index=np.s_[1024:2048])
    >>> bool((W[1024:2048] == S).all())
    True
    """
    return variance_scaling(shape, 2.0, "fan_in", distribution, **keywords)


def he_uniform(shape: Any, **keywords: Unpack[Scaled]) -> Any:
    """Uniform of variance 2 / fan_in: on ±sqrt(6 / fan_in). See `variance_scaling` and `he_normal`.

    Examples
    --------
    >>> import fastinit as fi
    >>> bool(abs(fi.he_uniform((6, 3), seed=0)).max() < 1)
    True
    """
    return variance_scaling(shape, 2.0, "fan_in", "uniform", **keywords)


def small_normal(shape: Any, std: float = 0.01, **common: Unpack[Common]) -> Any:
    """``0.01 * randn``: in a deep network the signal fades. See `normal`.

    Examples
    --------
    >>> import fastinit as fi
    >>> bool(abs(fi.small_normal((100, 100), seed=0).std() - 0.01) < 2e-4)
    True
    """
    return draw("normal", (0.0, std), shape, **common)


xavier_normal = glorot_normal
xavier_uniform = glorot_uniform
kaiming_normal = he_normal
kaiming_uniform = he_uniform

#: Every law and scheme by its name.
SCHEMES: dict[str, Callable[..., Any]] = {
    "normal": normal,
    "uniform": uniform,
    "truncated_normal": truncated_normal,
    "constant": constant,
    "zeros": zeros,
    "ones": ones,
    "identity": identity,
    "dirac": dirac,
    "variance_scaling": variance_scaling,
    "small_normal": small_normal,
    "lecun_normal": lecun_normal,
    "lecun_uniform": lecun_uniform,
    "glorot_normal": glorot_normal,
    "glorot_uniform": glorot_uniform,
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "xavier_normal": xavier_normal,
    "xavier_uniform": xavier_uniform,
    "kaiming_normal": kaiming_normal,
    "kaiming_uniform": kaiming_uniform,
    "orthogonal": orthogonal,
    "delta_orthogonal": delta_orthogonal,
    "sparse": sparse,
}


def scheme_of(scheme: str | Callable[..., Any]) -> Callable[..., Any]:
    """The law or scheme of that name; a callable is handed back."""
    return scheme if callable(scheme) else SCHEMES[choice("scheme", scheme, SCHEMES)]


def init(
    shapes: Mapping[str, Any], scheme: str | Callable[..., Any] = "he_normal", seed: Any = None, **keywords: Any
) -> dict[str, Any]:
    """Many arrays at once, each under its own name, so that none shares numbers with another.

    Parameters
    ----------
    shapes : mapping of str to shape
        Name of each array, and its shape.
    scheme : str or callable
        The name of a law or scheme, or a callable ``(shape, *, seed, name, ...) -> array``.
    seed : int, numpy.random.SeedSequence or None
        One for all; None takes fresh entropy, once.
    **keywords
        Passed on: gain, dtype, ...

    Returns
    -------
    dict
        Name to array, in the order of `shapes`.

    Raises
    ------
    ValueError, TypeError
        If the scheme is unknown, or one of its arguments breaks a rule.

    Notes
    -----
    Adding, removing or reordering arrays changes no other.

    Examples
    --------
    >>> import fastinit as fi
    >>> weights = fi.init({"fc1": (784, 256), "fc2": (256, 10)}, "he_normal", seed=0)
    >>> weights["fc2"].shape
    (256, 10)
    """
    if not isinstance(shapes, Mapping):
        refuse("shapes", "a mapping of names to shapes", type(shapes).__name__, TypeError)
    make, number = scheme_of(scheme), seed_number(seed)
    arrays = {}
    for name, shape in shapes.items():
        try:
            arrays[name] = make(shape, seed=number, name=name, **keywords)
        except (TypeError, ValueError) as error:
            raise type(error)(f"array {name!r}: {error}") from error
    return arrays
