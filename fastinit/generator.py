"""Generator: NumPy's random generator on a counter. Its values are the laws', its bits a stream of their own."""

from __future__ import annotations

import math
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _core
from .arguments import refuse
from .bit_generator import ARS
from .dtypes import Kind, kind_of
from .fill import make
from .laws import Normal, Uniform
from .laws.independent import uniform_parameters
from .laws.parameters import Parameters
from .layout import check_out, checked_shape
from .machine import threads_for, usually_rounded
from .ranges import check_normal, interval, reals
from .typing import Array, DType, Float32, Float64, Seed, Shape

Real = TypeVar("Real", bound=np.floating[Any])
Given = TypeVar("Given", bound=Array)

#: The two laws that generators give, and their numbers.
_LAWS = (Normal, Uniform)
_NORMAL, _UNIFORM = Normal.number, Uniform.number
#: Axes of what NumPy broadcasts; its arrays may have twice as many.
_MOST_BROADCAST = 32


class Generator(np.random.Generator):
    """NumPy's generator with fast `standard_normal`, `normal`, `random` and `uniform`, in four dtypes and with `out`.

    These four give the values of `fastinit.normal` and `fastinit.uniform` for the seed of the bit generator and the
    empty name, each call continuing where the last one ended: after p values, whatever their law and dtype, a call for
    n values of a law gives its values number p to p + n. All other distributions are NumPy's own.

    In functions that numba compiles (nopython mode) these four draw other numbers: it has compiled NumPy's samplers for
    itself, which read the words of the bit generator and leave the position where it is.

    Parameters
    ----------
    bit_generator : ARS
        Where the values come from. Generators may share it.

    Raises
    ------
    TypeError, ValueError
        If `bit_generator` is of another kind, or a class.

    See Also
    --------
    default_rng : makes one from a seed.

    Notes
    -----
    *Stream*: laws "normal" and "uniform" at the bit generator's position; NumPy's distributions read law "bits", and
    their values may change with NumPy. Those that NumPy makes of the four (`multivariate_normal` of `standard_normal`,
    `choice` with probabilities of `random`) move the position.

    Threads may share a generator: a call takes its numbers of the stream under the lock, and computes them outside it.
    One that Ctrl-C ends has taken them all.

    Examples
    --------
    >>> import fastinit as fi
    >>> rng = fi.Generator(fi.ARS(0))
    >>> bool((rng.standard_normal(5, dtype="float32") == fi.normal(5, seed=0)).all())
    True
    >>> bool((rng.random(5) == fi.uniform(10, seed=0, dtype="float64")[5:]).all())
    True
    """

    def __init__(self, bit_generator: ARS) -> None:
        if not isinstance(bit_generator, ARS):
            error = ValueError if isinstance(bit_generator, type) else TypeError  # as NumPy
            refuse("bit_generator", "an ARS", bit_generator, error)
        super().__init__(bit_generator)
        self._next = bit_generator._draw

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.bit_generator,)

    @overload  # type: ignore[override]  # of NumPy's, whose dtypes are two
    def standard_normal(self, size: None = None, dtype: DType = ..., out: None = None) -> float: ...
    @overload
    def standard_normal(self, size: Shape, dtype: Float32, out: None = None) -> NDArray[np.float32]: ...
    @overload
    def standard_normal(self, size: Shape, dtype: Float64 = ..., out: None = None) -> NDArray[np.float64]: ...
    @overload
    def standard_normal(self, size: Shape, dtype: type[Real] | np.dtype[Real], out: None = None) -> NDArray[Real]: ...
    @overload
    def standard_normal(self, size: Shape, dtype: DType, out: None = None) -> Array: ...
    @overload
    def standard_normal(self, size: Shape | None = None, dtype: DType = ..., *, out: Given) -> Given: ...
    def standard_normal(self, size: Shape | None = None, dtype: DType = np.float64, out: Array | None = None) -> Any:
        """Standard normal values: `fastinit.normal` at the position.

        Parameters
        ----------
        size : int or sequence of int, optional
            Shape of the result. None: that of `out`, or one number.
        dtype : {"float64", "float32", "float16", "bfloat16"} or dtype
            None: that of `out`, or float64.
        out : numpy.ndarray
            Where to put the values; of any strides and alignment.

        Returns
        -------
        float or numpy.ndarray
            `out`, or a new array, or a float where neither `size` nor `out` is given.

        Raises
        ------
        ValueError, TypeError
            If an argument breaks its rule, or the stream has fewer values left. Then nothing has been written or taken.

        Examples
        --------
        >>> import fastinit as fi
        >>> fi.default_rng(0).standard_normal((2, 2), dtype="float32")
        array([[-0.66800666,  0.63464093],
               [ 1.4365132 ,  1.0852128 ]], dtype=float32)
        """
        drawn = self._next(_NORMAL, 0.0, 1.0, size, dtype, out)
        return self._values(_NORMAL, _kind(dtype, out), size, out) if drawn is None else drawn

    @overload  # type: ignore[override]
    def random(self, size: None = None, dtype: DType = ..., out: None = None) -> float: ...
    @overload
    def random(self, size: Shape, dtype: Float32, out: None = None) -> NDArray[np.float32]: ...
    @overload
    def random(self, size: Shape, dtype: Float64 = ..., out: None = None) -> NDArray[np.float64]: ...
    @overload
    def random(self, size: Shape, dtype: type[Real] | np.dtype[Real], out: None = None) -> NDArray[Real]: ...
    @overload
    def random(self, size: Shape, dtype: DType, out: None = None) -> Array: ...
    @overload
    def random(self, size: Shape | None = None, dtype: DType = ..., *, out: Given) -> Given: ...
    def random(self, size: Shape | None = None, dtype: DType = np.float64, out: Array | None = None) -> Any:
        """Uniform values in [0, 1): `fastinit.uniform` at the position.

        Parameters
        ----------
        size, dtype, out
            As for `standard_normal`.

        Returns
        -------
        float or numpy.ndarray
            `out`, or a new array, or a float where neither `size` nor `out` is given.

        Raises
        ------
        ValueError, TypeError
            As for `standard_normal`.

        Examples
        --------
        >>> import fastinit as fi
        >>> fi.default_rng(0).random()
        0.30126656483260217
        """
        drawn = self._next(_UNIFORM, 0.0, 1.0, size, dtype, out)
        return self._values(_UNIFORM, _kind(dtype, out), size, out) if drawn is None else drawn

    @overload  # type: ignore[override]
    def normal(self, loc: float = ..., scale: float = ..., size: None = None, dtype: DType = ...,
               out: None = None) -> float: ...  # fmt: skip
    @overload
    def normal(self, loc: ArrayLike = ..., scale: ArrayLike = ..., size: Shape | None = None, dtype: DType = ...,
               *, out: Given) -> Given: ...  # fmt: skip
    @overload
    def normal(self, loc: ArrayLike = ..., scale: ArrayLike = ..., size: Shape | None = None, dtype: DType = ...,
               out: None = None) -> Array: ...  # fmt: skip
    def normal(
        self,
        loc: ArrayLike = 0.0,
        scale: ArrayLike = 1.0,
        size: Shape | None = None,
        dtype: DType = np.float64,
        out: Array | None = None,
    ) -> Any:
        """Normal values: `fastinit.normal` at the position, or ``loc + scale * z`` for arrays.

        Parameters
        ----------
        loc, scale : float or array of float
            Mean and standard deviation (at least 0). They broadcast. As in NumPy, NaN and infinity spread.
        size, dtype, out
            As for `standard_normal`; None takes the shape of `loc` and `scale`.

        Returns
        -------
        float or numpy.ndarray
            `out`, or a new array, or a float where neither `size` nor `out` is given and `loc` and `scale` are numbers.

        Raises
        ------
        ValueError, TypeError
            As for `standard_normal`; if a scale is negative; if the values could overflow the dtype.

        Notes
        -----
        *Stream*: where `loc` or `scale` is an array, z is multiplied in float64 and the result rounded to the dtype
        (through float32 for 16 bits), which may differ from a number's result in the last bit.

        Examples
        --------
        >>> import fastinit as fi
        >>> fi.default_rng(0).normal([0, 100], 0.5)
        array([ -0.3340033, 100.3173204])
        """
        drawn = self._next(_NORMAL, loc, scale, size, dtype, out)
        return self._any_normal(loc, scale, size, dtype, out) if drawn is None else drawn

    @usually_rounded
    def _any_normal(self, loc: Any, scale: Any, size: Any, dtype: Any, out: Any) -> Any:
        kind, mean, std = _kind(dtype, out), reals("loc", loc), reals("scale", scale)
        shape = _joint_shape("loc", mean, "scale", std)
        check_normal(kind, mean, std, ("loc", "scale"))
        if isinstance(mean, float) and isinstance(std, float) and math.isfinite(mean) and math.isfinite(std):
            return self._values(_NORMAL, kind, size, out, Parameters(mean, std))
        z = self._wide_values(_NORMAL, shape, kind, size, out)
        with np.errstate(all="ignore"):
            z *= std
            z += mean
            return _put(z, shape, kind, size, out)

    @overload  # type: ignore[override]
    def uniform(self, low: float = ..., high: float = ..., size: None = None, dtype: DType = ...,
                out: None = None) -> float: ...  # fmt: skip
    @overload
    def uniform(self, low: ArrayLike = ..., high: ArrayLike = ..., size: Shape | None = None, dtype: DType = ...,
                *, out: Given) -> Given: ...  # fmt: skip
    @overload
    def uniform(self, low: ArrayLike = ..., high: ArrayLike = ..., size: Shape | None = None, dtype: DType = ...,
                out: None = None) -> Array: ...  # fmt: skip
    def uniform(
        self,
        low: ArrayLike = 0.0,
        high: ArrayLike = 1.0,
        size: Shape | None = None,
        dtype: DType = np.float64,
        out: Array | None = None,
    ) -> Any:
        """Uniform values in [low, high): `fastinit.uniform` at the position, or ``low + (high - low) * u`` for arrays.

        Parameters
        ----------
        low, high : float or array of float
            Ends of the interval, low at most high; they broadcast. In float32 and float64 no value is below low or
            reaches high (unless they are equal); rounding to 16 bits may then reach it.
        size, dtype, out
            As for `standard_normal`; None takes the shape of `low` and `high`.

        Returns
        -------
        float or numpy.ndarray
            `out`, or a new array, or a float where neither `size` nor `out` is given and `low` and `high` are numbers.

        Raises
        ------
        ValueError, TypeError
            As for `standard_normal`; if an interval is empty.
        OverflowError
            If an end is not finite, or the interval is wider than the dtype's numbers.

        Notes
        -----
        *Stream*: where `low` or `high` is an array, u is multiplied in float64, as in `normal`.

        Examples
        --------
        >>> import fastinit as fi
        >>> fi.default_rng(0).uniform([0, 100], [1, 101])
        array([  0.30126656, 100.70599303])
        """
        drawn = self._next(_UNIFORM, low, high, size, dtype, out)
        return self._any_uniform(low, high, size, dtype, out) if drawn is None else drawn

    @usually_rounded
    def _any_uniform(self, low: Any, high: Any, size: Any, dtype: Any, out: Any) -> Any:
        kind, below, above = _kind(dtype, out), reals("low", low), reals("high", high)
        if isinstance(below, float) and isinstance(above, float):
            if not below <= above:
                interval(kind, below, above, OverflowError)  # which refuses it
            return self._values(_UNIFORM, kind, size, out, uniform_parameters(kind, below, above, OverflowError))
        shape = _joint_shape("low", below, "high", above)
        with np.errstate(over="ignore", invalid="ignore"):
            least, greatest = interval(kind, below, above, OverflowError)
        u = self._wide_values(_UNIFORM, shape, kind, size, out)
        u *= above - below
        u += least
        return _put(np.minimum(u.astype(kind.real), greatest), shape, kind, size, out)

    def _values(self, law: int, kind: Kind, size: Any, out: Any, parameters: Parameters | None = None) -> Any:
        """The next values of a law (the standard one), or a float where there is neither `size` nor `out`."""
        settings = _LAWS[law](0.0, 1.0).parameters(kind) if parameters is None else parameters

        def fill(target: np.ndarray[Any, Any], _: int, steps: tuple[int, ...] | None) -> None:
            source: Any = self.bit_generator
            key, first = source._take(law, target.size)
            _core.fill(law, kind.code, key, settings, target, first, steps, threads_for(None))

        values = make(_lengths(size, out, ()), kind, None, out, fill)
        return float(values) if size is None and out is None else values

    def _wide_values(self, law: int, shape: tuple[int, ...], kind: Kind, size: Any, out: Any) -> np.ndarray[Any, Any]:
        """The next values of the standard law, as many as `size`, `out` or `shape` says, as float64 to compute with."""
        lengths, narrow = _lengths(size, out, shape), kind_of(kind.real)
        if out is not None:
            check_out(out, lengths, kind.dtype)
        return self._values(law, narrow, lengths, None).astype(np.float64, copy=False)


def default_rng(seed: Seed | ARS | Generator = None) -> Generator:
    """A generator from a seed.

    Parameters
    ----------
    seed : int, list or array of int, numpy.random.SeedSequence, ARS, Generator or None
        An integer in [0, 2**128), as `seed` of the laws and schemes, or another seed of `ARS`: a list such as ``[seed,
        rank]`` stands for the SeedSequence of it, and ``[5]`` is another seed than 5. None takes entropy from the
        system. A Generator is returned as it is, and an ARS is wrapped.

    Returns
    -------
    Generator
        It is a `numpy.random.Generator`.

    Raises
    ------
    ValueError, TypeError
        If `seed` is of another kind, or out of range.

    Examples
    --------
    >>> import fastinit as fi
    >>> rng = fi.default_rng(0)
    >>> bool((rng.standard_normal(3, dtype="float32") == fi.normal(3, seed=0)).all())
    True
    >>> rng.integers(6, size=3)
    array([3, 3, 2])
    """
    if isinstance(seed, Generator):
        return seed
    return Generator(seed if isinstance(seed, ARS) else ARS(seed))


def _kind(dtype: Any, out: Any) -> Kind:
    """The kind of what NumPy takes for a dtype; of None, that of `out` or float64. As there, others are TypeErrors."""
    dtype = _core.dtype_for(dtype, out, np.float64)
    try:
        given = np.dtype(dtype)
        named = given.type if given.isnative else given.str
    except (TypeError, ValueError):
        named = dtype
    try:
        return kind_of(named)
    except ValueError as error:
        raise TypeError(*error.args) from None


def _joint_shape(one_name: str, one: Any, other_name: str, other: Any) -> tuple[int, ...]:
    """The shape that two parameters broadcast to."""
    if isinstance(one, float) and isinstance(other, float):
        return ()
    for name, value in ((one_name, one), (other_name, other)):
        if np.ndim(value) > _MOST_BROADCAST:
            refuse(name, f"of at most {_MOST_BROADCAST} axes, as NumPy broadcasts", np.shape(value))
    try:
        return np.broadcast_shapes(np.shape(one), np.shape(other))
    except ValueError:
        refuse(other_name, f"of a shape that broadcasts with that of {one_name}, {np.shape(one)}", np.shape(other))


def _lengths(size: Any, out: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a result: `size`, else that of `out`, else `shape`, that of the parameters, which must fit."""
    if size is None:
        lengths = shape if out is None else getattr(out, "shape", shape)
    else:
        lengths = checked_shape(size.tolist() if isinstance(size, np.ndarray) else size, "size")
    joined = zip(shape[::-1], lengths[::-1], strict=False)
    if shape and (len(shape) > len(lengths) or not all(length in (1, whole) for length, whole in joined)):
        refuse("out" if size is None else "size", f"of a shape that parameters of shape {shape} broadcast to", lengths)
    return lengths


def _put(values: Any, shape: tuple[int, ...], kind: Kind, size: Any, out: Any) -> Any:
    """The values, rounded to the precision computed in and then to the dtype, in `out` or a new array (or a float)."""
    values = values.astype(kind.real, copy=False).astype(kind.dtype, copy=False)
    if out is not None:
        out[...] = values
        return out
    return values if shape or size is not None else float(values)
