"""Fill: a law's values into an array, whole or in part. Checks and defaults are here, and arrays are made here."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import _core
from .arguments import choice, real, refuse
from .layout import check_out, checked_shape, part, whole_steps
from .machine import threads_for
from .scaling import normal_interval
from .stream import seed_number, stream_key

if TYPE_CHECKING:
    from typing_extensions import Unpack

_BFLOAT16 = 3

#: |z| stays below this in every dtype: sqrt(2 * 53 * log 2) = 8.572 (float64), sqrt(2 * 48 * log 2) = 8.158 (float32).
REACH = 8.58


class Kind(NamedTuple):
    """A dtype that weights can have: its number in C, itself, the dtype it is computed in, and its greatest number."""

    code: int
    dtype: np.dtype[Any]
    real: type[np.floating[Any]]
    greatest: float

    @property
    def name(self) -> str:
        """That of the dtype, however its items are seen."""
        return "bfloat16" if self.code == _BFLOAT16 else self.dtype.name


_KINDS = {
    "float32": Kind(0, np.dtype(np.float32), np.float32, float(np.finfo(np.float32).max)),
    "float64": Kind(1, np.dtype(np.float64), np.float64, float(np.finfo(np.float64).max)),
    "float16": Kind(2, np.dtype(np.float16), np.float32, float(np.finfo(np.float16).max)),
}


#: bfloat16 in items that NumPy takes for integers, for arrays of a library that has bfloat16 itself.
BFLOAT16_BITS = Kind(_BFLOAT16, np.dtype(np.int16), np.float32, float.fromhex("0x1.fep127"))


def kind_of(dtype: Any) -> Kind:
    """The kind of a dtype given by name, type or dtype object, or itself; bfloat16 by name needs ml_dtypes."""
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", dtype)
    if isinstance(name, str) and name in _KINDS:
        return _KINDS[name]
    if isinstance(dtype, Kind):
        return dtype
    if name != "bfloat16":
        try:
            known = np.dtype(dtype)
            name = known.name if known.isnative else known.str
        except TypeError:
            pass
        choice("dtype", name, ["float16", "float32", "float64", "bfloat16"])
    if name in _KINDS:
        return _KINDS[name]
    try:
        from ml_dtypes import bfloat16
    except ImportError as error:
        raise ImportError("`dtype` bfloat16 needs ml_dtypes: pip install 'fastinit-nn[bfloat16]'") from error
    _KINDS["bfloat16"] = BFLOAT16_BITS._replace(dtype=np.dtype(bfloat16))
    return _KINDS["bfloat16"]


def kind_for(dtype: Any, out: Any) -> Kind:
    """The kind of `dtype`; where that is None, of `out`; float32 where that is None too."""
    if dtype is None:
        dtype = "float32" if out is None else getattr(out, "dtype", None)
    return kind_of(dtype)


def _at_least(kind: Kind, x: float) -> float:
    """The least number of the precision computed in that is not below x."""
    nearest = kind.real(x)
    return float(nearest if float(nearest) >= x else np.nextafter(nearest, kind.real(np.inf)))


def _below(kind: Kind, x: float) -> float:
    """The greatest number of the precision computed in that is below x."""
    nearest = kind.real(x)
    return float(nearest if float(nearest) < x else np.nextafter(nearest, kind.real(-np.inf)))


def _normal_parameters(kind: Kind, mean: Any, std: Any) -> tuple[float, ...]:
    mean, std = real("mean", mean), real("std", std, low=0)
    if abs(mean) + REACH * std > kind.greatest:
        rule = f"small enough for mean + {REACH} std to stay below {kind.greatest:.6g} in {kind.name}"
        refuse("std", rule, std)
    return mean, std, 0.0, 0.0, 0.0, 0.0, 0.0, 0


def _uniform_parameters(kind: Kind, low: Any, high: Any) -> tuple[float, ...]:
    low, high = real("low", low), real("high", high)
    if low > high:
        refuse("low", f"at most high ({high!r})", low)
    if max(abs(low), abs(high), high - low) > kind.greatest:
        refuse("high", f"such that low, high and high - low stay below {kind.greatest:.6g} in {kind.name}", high)
    least, greatest = _at_least(kind, low), _below(kind, high)
    if low == high:
        least = greatest = float(kind.real(low))
    if least > greatest:
        refuse("high", f"such that a {kind.real.__name__} lies in [low, high)", (low, high))
    return least, high - low, least, greatest, 0.0, 0.0, 0.0, 0


def _truncated_parameters(kind: Kind, mean: Any, std: Any, low: Any, high: Any) -> tuple[float, ...]:
    mean, std = real("mean", mean), real("std", std, low=0)
    low, high = real("low", low, infinite=True), real("high", high, infinite=True)
    if low >= high:
        refuse("low", f"below high ({high!r})", low)
    left, mass, right = normal_interval(low, high)
    if mass < 2**-48:
        refuse("low", "such that a standard normal lies in (low, high) with probability 2**-48 or more", (low, high))
    reach = min(max(abs(low), abs(high)), REACH)
    if abs(mean) + reach * std > kind.greatest or std > kind.greatest:
        refuse("std", f"small enough for the values to stay below {kind.greatest:.6g} in {kind.name}", std)
    if std == 0:
        least = greatest = float(kind.real(mean))
    else:
        ends = (max(-kind.greatest, mean + low * std), min(kind.greatest, mean + high * std))
        least, greatest = _at_least(kind, ends[0]), -_at_least(kind, -ends[1])
    if least > greatest:
        refuse("std", f"such that a {kind.real.__name__} lies in [mean + low std, mean + high std]", std)
    tails = min(left, right) < 0.005  # |z| up to 2.57 needs none
    return mean, std, least, greatest, left, mass, right, int(tails)


LAWS: dict[str, tuple[int, Callable[..., tuple[float, ...]]]] = {
    "normal": (0, _normal_parameters),
    "uniform": (1, _uniform_parameters),
    "truncated": (2, _truncated_parameters),
}


class Common(TypedDict, total=False):
    """The keywords that all laws and schemes share."""

    seed: Any
    name: str
    dtype: Any
    index: Any
    out: Any
    threads: int | None


def _number_for(seed: Any, index: Any) -> int:
    if seed is None and index is not None:
        refuse("seed", "given where index is (a part of an array that nobody can make whole)", seed)
    return seed_number(seed)


def draw(
    law: str,
    arguments: tuple[Any, ...],
    shape: Any,
    *,
    seed: Any = None,
    name: str = "",
    dtype: Any = "float32",
    index: Any = None,
    out: Any = None,
    threads: int | None = None,
) -> Any:
    """The values of a law in an array of that shape, or in the parts of it that `index` names."""
    kind = kind_for(dtype, out)
    lengths = checked_shape(shape)
    number, parameters = LAWS[law]
    settings = parameters(kind, *arguments)
    key = stream_key(_number_for(seed, index), law, name)

    def fill(target: np.ndarray[Any, Any], first: int, steps: tuple[int, ...] | None) -> None:
        _core.fill(number, kind.code, key, settings, target, first, steps, threads_for(threads))

    return make(lengths, kind, index, out, fill)


def draw_whole(
    check: Callable[..., Any],
    build: Callable[..., None],
    shape: Any,
    *,
    seed: Any = None,
    name: str = "",
    dtype: Any = "float32",
    index: Any = None,
    out: Any = None,
    threads: int | None = None,
) -> Any:
    """An array that can only be made whole, or what `index` names, cut from it.

    check(lengths, kind) raises where there is no such array; build(array, kind, seed, name, threads) fills one that is
    C-contiguous.
    """
    kind = kind_for(dtype, out)
    lengths = checked_shape(shape)
    check(lengths, kind)
    number = _number_for(seed, index)

    def built(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        build(array, kind, number, name, threads_for(threads))
        return array

    whole = cache(lambda: built(np.empty(lengths, kind.dtype)))

    def fill(target: np.ndarray[Any, Any], first: int, steps: tuple[int, ...] | None) -> None:
        if steps is None:
            built(target)
        else:
            strides = [step * target.itemsize for step in steps]
            target[...] = as_strided(whole().reshape(-1)[first:], target.shape, strides, writeable=False)

    return make(lengths, kind, index, out, fill)


def make(lengths: tuple[int, ...], kind: Kind, index: Any, out: Any, fill: Callable[..., None]) -> Any:
    """Arrays for what `index` names (or `out`, checked), filled by fill(array, first, steps)."""
    if index is None:
        if out is None:
            out = np.empty(lengths, kind.dtype)
        else:
            check_out(out, lengths, kind.dtype)
        fill(out, 0, None if out.flags.c_contiguous else whole_steps(lengths))
        return out
    if isinstance(index, list):
        outs = [None] * len(index) if out is None else out
        if not isinstance(outs, (list, tuple)) or len(outs) != len(index):
            refuse("out", f"a list of {len(index)} arrays where index is a list", type(out).__name__, TypeError)
        shapes = [lengths if one is None else part(lengths, one).shape for one in index]
        for one_shape, target in zip(shapes, outs, strict=True):
            if target is not None:
                check_out(target, one_shape, kind.dtype)
        return [make(lengths, kind, one, target, fill) for one, target in zip(index, outs, strict=True)]
    piece = part(lengths, index)
    if out is None:
        target = np.empty(piece.shape, kind.dtype)
    else:
        check_out(out, piece.shape, kind.dtype)
        target = out
    if target.size:
        fill(target, piece.first, piece.steps)
    return target[()] if out is None and target.ndim == 0 else target


def normal(shape: Any, mean: float = 0.0, std: float = 1.0, **common: Unpack[Common]) -> Any:
    """Normal (Gaussian) values: ``mean + std * z``.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of the whole array.
    mean, std : float
        Mean and standard deviation (at least 0).
    seed : int, numpy.random.SeedSequence or None
        An integer in [0, 2**128). None takes fresh entropy from the system.
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

    Notes
    -----
    *Stream*: law "normal". Values reach 8.15 standard deviations in float32 and 8.57 in float64.

    *Reference*: Box and Muller, "A note on the generation of random normal deviates", Ann. Math. Stat. 29, 1958.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.normal((2, 3), seed=0)
    array([[-0.66800666,  0.63464093,  1.4365132 ],
           [ 1.0852128 ,  0.89012635, -1.4125665 ]], dtype=float32)
    """
    return draw("normal", (mean, std), shape, **common)


def uniform(shape: Any, low: float = 0.0, high: float = 1.0, **common: Unpack[Common]) -> Any:
    """Uniform values in [low, high): ``low + (high - low) * u``, u a multiple of 2**-24 (float64: 2**-52).

    Parameters
    ----------
    shape : int or sequence of int
        Shape of the whole array.
    low, high : float
        Ends of the interval, low at most high. In float32 and float64 no value is below low or reaches high (unless
        they are equal); rounding to 16 bits may then reach it.
    **common
        seed, name, dtype, index, out and threads, as for `normal`.

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
    return draw("uniform", (low, high), shape, **common)


def truncated_normal(
    shape: Any, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, **common: Unpack[Common]
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
    **common
        seed, name, dtype, index, out and threads, as for `normal`.

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
    return draw("truncated", (mean, std, low, high), shape, **common)
