"""Fan scaling: weights of variance gain^2 scale / fan, by the public names of the schemes."""

from __future__ import annotations

from typing import Any

from ..arguments import refuse_unknown
from ..typing import Axes, Distribution, DType, Index, Mode, Never, Out, Seed, Shape
from .table import DRAWS, public


@public
def variance_scaling(
    shape: Shape,
    scale: float = 1.0,
    mode: Mode = "fan_in",
    distribution: Distribution = "normal",
    *,
    gain: float = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
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
    seed, name, dtype, index, out, threads
        As for `normal`. With `index` the fan is still that of `shape`.

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
    if unknown:
        refuse_unknown(variance_scaling, unknown)
    asked = (shape, dtype, scale, mode, distribution, gain, in_axis, out_axis, batch_axis)
    return DRAWS["variance_scaling"](asked, seed, name, index, out, threads)


@public
def lecun_normal(
    shape: Shape,
    *more: Never,
    distribution: Distribution = "normal",
    gain: float = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
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
    if unknown or more:
        refuse_unknown(lecun_normal, unknown, (shape, *more))
    asked = (shape, dtype, distribution, gain, in_axis, out_axis, batch_axis)
    return DRAWS["lecun_normal"](asked, seed, name, index, out, threads)


@public
def lecun_uniform(
    shape: Shape,
    *more: Never,
    gain: float = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
    """Uniform of variance 1 / fan_in: on ±sqrt(3 / fan_in). See `variance_scaling` and `lecun_normal`.

    Examples
    --------
    >>> import fastinit as fi
    >>> bool(abs(fi.lecun_uniform((3, 100), seed=0)).max() < 1)
    True
    """
    if unknown or more:
        refuse_unknown(lecun_uniform, unknown, (shape, *more))
    asked = (shape, dtype, gain, in_axis, out_axis, batch_axis)
    return DRAWS["lecun_uniform"](asked, seed, name, index, out, threads)


@public
def glorot_normal(
    shape: Shape,
    *more: Never,
    distribution: Distribution = "normal",
    gain: float = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
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
    if unknown or more:
        refuse_unknown(glorot_normal, unknown, (shape, *more))
    asked = (shape, dtype, distribution, gain, in_axis, out_axis, batch_axis)
    return DRAWS["glorot_normal"](asked, seed, name, index, out, threads)


@public
def glorot_uniform(
    shape: Shape,
    *more: Never,
    gain: float = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
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
    if unknown or more:
        refuse_unknown(glorot_uniform, unknown, (shape, *more))
    asked = (shape, dtype, gain, in_axis, out_axis, batch_axis)
    return DRAWS["glorot_uniform"](asked, seed, name, index, out, threads)


@public
def he_normal(
    shape: Shape,
    *more: Never,
    distribution: Distribution = "normal",
    gain: float = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
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
    if unknown or more:
        refuse_unknown(he_normal, unknown, (shape, *more))
    asked = (shape, dtype, distribution, gain, in_axis, out_axis, batch_axis)
    return DRAWS["he_normal"](asked, seed, name, index, out, threads)


@public
def he_uniform(
    shape: Shape,
    *more: Never,
    gain: float = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
    """Uniform of variance 2 / fan_in: on ±sqrt(6 / fan_in). See `variance_scaling` and `he_normal`.

    Examples
    --------
    >>> import fastinit as fi
    >>> bool(abs(fi.he_uniform((6, 3), seed=0)).max() < 1)
    True
    """
    if unknown or more:
        refuse_unknown(he_uniform, unknown, (shape, *more))
    asked = (shape, dtype, gain, in_axis, out_axis, batch_axis)
    return DRAWS["he_uniform"](asked, seed, name, index, out, threads)


xavier_normal = glorot_normal
xavier_uniform = glorot_uniform
kaiming_normal = he_normal
kaiming_uniform = he_uniform
