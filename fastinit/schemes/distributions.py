"""Distributions: the laws by their public names, each value independent of the others, and constants."""

from __future__ import annotations

import warnings
from typing import Any

from ..arguments import refuse_unknown
from ..typing import DType, Index, Never, Out, Seed, Shape
from .table import DRAWS, public


def _warn_of_lengths(function: str, length: Any, keyword: str, value: Any) -> None:
    """Two integers where weights have hardly any such mean: as `numpy.random.randn` takes the lengths of axes."""
    typed = f"{function}({length}, {value})"
    remedy = f"{function}(({length}, {value})) has two axes, and {keyword}={value}.0 is this without a warning"
    warnings.warn(f"{typed} makes {length} values with a {keyword} of {value}: {remedy}", stacklevel=3)


@public
def normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    *,
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
    """Normal (Gaussian) values: ``mean + std * z``.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of the whole array.
    mean, std : float
        Mean and standard deviation (at least 0).
    seed : int, list or array of int, numpy.random.SeedSequence or None
        An integer in [0, 2**128), or what NumPy makes a SeedSequence of. None takes fresh entropy from the system.
    name : str
        The stream. **Two arrays made with the same seed and the same name start with the same numbers.**
    dtype : {"float32", "float64", "float16", "bfloat16"} or dtype
        float16 and bfloat16 are the float32 values rounded once. None: that of `out`.
    index : basic index, ``fi.flat[...]``, or a list of these
        Which part to compute: the result is what ``normal(shape)[index]`` would be. A list gives a list of arrays.
    out : numpy.ndarray
        Where to put the values; of any strides and alignment. With a list of indices, a list.
    threads : int
        At most so many; no value depends on it. None: see `set_num_threads`.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array.

    Raises
    ------
    ValueError, TypeError, IndexError
        If an argument breaks its rule, or the values could overflow the dtype. Then nothing has been written.

    Warns
    -----
    UserWarning
        Where two integers may be meant as the lengths of two axes: ``normal(64, 128)`` has 64 values of mean 128.

    Notes
    -----
    *Stream*: law "normal". Values reach 8.15 standard deviations in float32 and 8.57 in float64.

    No rounding mode or flush to zero that another library has set in this thread changes a value; numbers that are
    handed in are what the caller computed. Ctrl-C is seen within some hundredths of a second, by every function that
    makes an array, but while BLAS is at work: what `out` then holds is not said. The next call is as any.

    *Reference*: Box and Muller, "A note on the generation of random normal deviates", Ann. Math. Stat. 29, 1958.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.normal((2, 3), seed=0)
    array([[-0.66800666,  0.63464093,  1.4365132 ],
           [ 1.0852128 ,  0.89012635, -1.4125665 ]], dtype=float32)
    """
    if unknown:
        refuse_unknown(normal, unknown)
    if mean.__class__ is int and mean > 1 and shape.__class__ is int and std == 1:
        _warn_of_lengths("normal", shape, "mean", mean)
    return DRAWS["normal"]((shape, dtype, mean, std), seed, name, index, out, threads)


@public
def uniform(
    shape: Shape,
    low: float = 0.0,
    high: float = 1.0,
    *,
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
    """Uniform values in [low, high): ``low + (high - low) * u``, u a multiple of 2**-24 (float64: 2**-53).

    Parameters
    ----------
    shape : int or sequence of int
        Shape of the whole array.
    low, high : float
        Ends of the interval, low at most high. In float32 and float64 no value is below low or reaches high (unless
        they are equal); rounding to 16 bits may then reach it.
    seed, name, dtype, index, out, threads
        As for `normal`.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array.

    Raises
    ------
    ValueError, TypeError, IndexError
        As for `normal`.

    Notes
    -----
    *Stream*: law "uniform".

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.uniform(3, -1, 1, seed=0)
    array([-0.3974669 ,  0.411986  ,  0.21765065], dtype=float32)
    """
    if unknown:
        refuse_unknown(uniform, unknown)
    return DRAWS["uniform"]((shape, dtype, low, high), seed, name, index, out, threads)


@public
def truncated_normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    *,
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
    """Normal values restricted to ``[mean + low * std, mean + high * std]``, by the inverse distribution function.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of the whole array.
    mean, std : float
        Of the normal before truncation (between -2 and 2 the result's own deviation is 0.8796 std).
    low, high : float
        Bounds in units of `std`, low below high; either may be infinite.
    seed, name, dtype, index, out, threads
        As for `normal`.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array.

    Raises
    ------
    ValueError, TypeError, IndexError
        As for `normal`; and if a standard normal lies between the bounds with probability below 2**-48.

    Notes
    -----
    *Stream*: law "truncated". No value is outside the bounds in float32 and float64; rounding to 16 bits may pass them
    by less than half a unit in the last place.
    In float32 the probabilities between the bounds have 24 bits: an interval much narrower than its distance from zero,
    or than 1e-4, holds few distinct values; float64 has 52.

    *Reference*: the inverse by M. Giles, "Approximating the erfinv function", GPU Computing Gems 2, 2011 (its form; the
    coefficients are our own) in float32, and Wichura, Algorithm AS 241, Applied Statistics 37, 1988, in float64.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.truncated_normal(3, std=0.02, seed=0)
    array([-0.00992881,  0.01839336,  0.00458059], dtype=float32)
    """
    if unknown:
        refuse_unknown(truncated_normal, unknown)
    if mean.__class__ is int and mean > 1 and shape.__class__ is int and std == 1:
        _warn_of_lengths("truncated_normal", shape, "mean", mean)
    return DRAWS["truncated_normal"]((shape, dtype, mean, std, low, high), seed, name, index, out, threads)


@public
def small_normal(
    shape: Shape,
    std: float = 0.01,
    *,
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
    """``0.01 * randn``: in a deep network the signal fades. See `normal`.

    Examples
    --------
    >>> import fastinit as fi
    >>> bool(abs(fi.small_normal((100, 100), seed=0).std() - 0.01) < 2e-4)
    True
    """
    if unknown:
        refuse_unknown(small_normal, unknown)
    if std.__class__ is int and std > 1 and shape.__class__ is int:
        _warn_of_lengths("small_normal", shape, "std", std)
    return DRAWS["small_normal"]((shape, dtype, std), seed, name, index, out, threads)


@public
def constant(
    shape: Shape,
    value: float,
    *,
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
    """`value` everywhere.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of the whole array.
    value : float
        Finite, and within the dtype's range.
    dtype, index, out
        As for `normal`.
    seed, name, threads
        Taken so that every law can be called alike; nothing depends on them.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array.

    Raises
    ------
    ValueError, TypeError, IndexError
        If an argument breaks its rule.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.constant((2, 2), 0.5)
    array([[0.5, 0.5],
           [0.5, 0.5]], dtype=float32)
    """
    if unknown:
        refuse_unknown(constant, unknown)
    return DRAWS["constant"]((shape, dtype, value), seed, name, index, out, threads)


@public
def zeros(
    shape: Shape,
    *more: Never,
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
    """Zeros: every neuron of a layer the same, and the same they stay. See `constant`.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.zeros(2)
    array([0., 0.], dtype=float32)
    """
    if unknown or more:
        refuse_unknown(zeros, unknown, (shape, *more))
    return DRAWS["zeros"]((shape, dtype), seed, name, index, out, threads)


@public
def ones(
    shape: Shape,
    *more: Never,
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
    """Ones. See `constant`.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.ones(2)
    array([1., 1.], dtype=float32)
    """
    if unknown or more:
        refuse_unknown(ones, unknown, (shape, *more))
    return DRAWS["ones"]((shape, dtype), seed, name, index, out, threads)
