"""Generator: NumPy's random generator on a counter. Its values are the laws', its bits a stream of their own."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.random import SeedSequence

from . import _core
from .arguments import integer, refuse
from .fill import LAWS, REACH, Kind, kind_of, make
from .layout import LIMIT, check_out, checked_shape
from .machine import STREAM, threads_for
from .stream import SEED_BITS, seed_number, stream_key

#: Values that `ARS.jumped` goes ahead by: 2**15 jumps leave the stream.
JUMP = 1 << 48
_WORDS = 1 << 64


class ARS(_core.WordGenerator):
    """Bit generator that counts: ARS-7, seven rounds of AES over a counter (Salmon and others, SC'11).

    It holds a seed and two places: `position`, the number of the value that a law gives next, and `word`, the number of
    the 32-bit word that NumPy's own distributions read next. Both only count; any of them can be gone to at once.

    Parameters
    ----------
    seed : int, numpy.random.SeedSequence or None
        An integer in [0, 2**128), which is the seed as `fastinit.normal` takes it. None takes such an integer from the
        system. Of a SeedSequence the first 128 bits.

    Attributes
    ----------
    lock : threading.RLock
        Held while the places move.
    seed_seq : numpy.random.SeedSequence
        What `spawn` draws on: `seed`, or ``SeedSequence(seed)``.

    Raises
    ------
    ValueError, TypeError
        If `seed` breaks its rule.

    Notes
    -----
    *Stream*: the words are the main words of law "bits" and the empty name. A 32-bit draw is one word, a 64-bit draw
    two (low first), a double the upper 53 bits of a 64-bit draw. There are 2**64 of them; then they begin again.

    Examples
    --------
    >>> import numpy as np, fastinit as fi
    >>> np.random.Generator(fi.ARS(0)).integers(10, size=5)
    array([5, 5, 3, 5, 7])
    """

    def __init__(self, seed: Any = None) -> None:
        number = seed_number(seed)
        super().__init__(seed if isinstance(seed, SeedSequence) else number)
        self._go(number, 0, 0)

    def _go(self, seed: int, position: int, word: int) -> None:
        keys = {law: stream_key(seed, law, "") for law in ("normal", "uniform", "bits")}
        with self.lock:
            self._seed, self._position, self._keys = seed, position, keys
            self._seek(keys["bits"], word)

    def _take(self, law: str, count: int) -> tuple[bytes, int]:
        """The key of a law, and the number of the first of its next `count` values, which are passed over."""
        with self.lock:
            first = self._position
            if count >= LIMIT - first:
                refuse("size", f"at most the {LIMIT - 1 - first} values that the stream has left", count)
            self._position = first + count
            return self._keys[law], first

    @property
    def state(self) -> dict[str, Any]:
        """The seed and the two places, as a dict of plain numbers; can be set.

        Raises
        ------
        ValueError, TypeError
            On setting anything but the state of a bit generator of this class and stream. Then nothing has changed.

        Examples
        --------
        >>> import fastinit as fi
        >>> fi.ARS(7).state
        {'bit_generator': 'ARS', 'stream': 0, 'state': {'seed': 7, 'position': 0, 'word': 0}}
        """
        with self.lock:
            places = {"seed": self._seed, "position": self._position, "word": self._word}
        return {"bit_generator": type(self).__name__, "stream": STREAM, "state": places}

    @state.setter
    def state(self, value: Any) -> None:
        _check_keys("state", value, ("bit_generator", "stream", "state"))
        for key, right in (("bit_generator", type(self).__name__), ("stream", STREAM)):
            if value[key] != right:
                refuse(f"state['{key}']", repr(right), value[key])
        places = value["state"]
        _check_keys("state['state']", places, ("seed", "position", "word"))
        self._go(
            integer("state['state']['seed']", places["seed"], 0, 1 << SEED_BITS),
            integer("state['state']['position']", places["position"], 0, LIMIT),
            integer("state['state']['word']", places["word"], 0, _WORDS),
        )

    def _room(self) -> tuple[int, int]:
        """The least delta that `advance` takes, and the least one that is too much."""
        least = -min(self._position, self._word // 2)
        return least, min(LIMIT - self._position, (_WORDS + 1 - self._word) // 2)

    def advance(self, delta: int) -> ARS:
        """Go `delta` values and `delta` 64-bit draws ahead (back, if negative).

        Parameters
        ----------
        delta : int
            Added to the position; twice it is added to the number of the word, a 64-bit draw being two words.

        Returns
        -------
        ARS
            This bit generator.

        Raises
        ------
        ValueError, TypeError
            If `delta` is no integer, or leads before the beginning or past the end. Then nothing has changed.

        Examples
        --------
        >>> import fastinit as fi
        >>> rng = fi.default_rng(0)
        >>> ten = rng.random(10)
        >>> bool((rng.random(2) == fi.Generator(fi.ARS(0).advance(10)).random(2)).all())
        True
        """
        with self.lock:
            delta = integer("delta", delta, *self._room())
            self._go(self._seed, self._position + delta, self._word + 2 * delta)
        return self

    def jumped(self, jumps: int = 1) -> ARS:
        """A new bit generator, ``jumps * 2**48`` values (and 64-bit draws) ahead of this one.

        Parameters
        ----------
        jumps : int
            At least 0, and fewer than lead past the end: 2**15 from the beginning.

        Returns
        -------
        ARS
            Of the same class and seed. It shares `seed_seq`, so that the children of the two differ.

        Raises
        ------
        ValueError, TypeError
            If `jumps` is no such integer.

        Examples
        --------
        >>> import fastinit as fi
        >>> fi.ARS(7).jumped(2)
        <ARS seed=7 position=562949953421312 word=1125899906842624>
        """
        with self.lock:
            jumps = integer("jumps", jumps, 0, (self._room()[1] - 1) // JUMP + 1)
            ahead = type(self)(self.seed_seq)
            ahead.state = self.state
        return ahead.advance(jumps * JUMP)

    def __repr__(self) -> str:
        places = " ".join(f"{name}={number}" for name, number in self.state["state"].items())
        return f"<{type(self).__name__} {places}>"


def _check_keys(name: str, value: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(value, dict) or set(value) != set(keys):
        rule = "a dict with the keys " + ", ".join(map(repr, keys))
        refuse(name, rule, value, ValueError if isinstance(value, dict) else TypeError)


class Generator(np.random.Generator):
    """NumPy's generator with fast `standard_normal`, `normal`, `random` and `uniform`, in four dtypes and with `out`.

    These four give the values of `fastinit.normal` and `fastinit.uniform` for the seed of the bit generator and the
    empty name, each call continuing where the last one ended: after p values, whatever their law and dtype, a call for
    n values of a law gives its values number p to p + n. All other distributions are NumPy's own.

    Parameters
    ----------
    bit_generator : ARS
        Where the values come from. Generators may share it.

    Raises
    ------
    TypeError
        If `bit_generator` is of another kind.

    See Also
    --------
    default_rng : makes one from a seed.

    Notes
    -----
    *Stream*: laws "normal" and "uniform" at the bit generator's position; NumPy's distributions read law "bits", and
    their values may change with NumPy. Those that NumPy makes of the four (`multivariate_normal` of `standard_normal`,
    `choice` with probabilities of `random`) move the position.

    Threads may share a generator: a call takes its numbers of the stream under the lock, and computes them outside it.

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
            refuse("bit_generator", "an ARS", bit_generator, TypeError)
        super().__init__(bit_generator)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.bit_generator,)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
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
        kind = _kind(dtype, out)
        return self._values("normal", _standard("normal", kind), kind, size, out)

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
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
        0.30126656483260206
        """
        kind = _kind(dtype, out)
        return self._values("uniform", _standard("uniform", kind), kind, size, out)

    def normal(
        self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, dtype: Any = np.float64, out: Any = None
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
        kind, loc, scale = _kind(dtype, out), _reals("loc", loc), _reals("scale", scale)
        shape = _joint_shape("loc", loc, "scale", scale)
        _check_normal(kind, loc, scale)
        if isinstance(loc, float) and isinstance(scale, float) and math.isfinite(loc) and math.isfinite(scale):
            return self._values("normal", LAWS["normal"][1](kind, loc, scale), kind, size, out)
        z = self._wide_values("normal", shape, kind, size, out)
        with np.errstate(all="ignore"):
            z *= scale
            z += loc
            return _put(z, shape, kind, size, out)

    def uniform(
        self, low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = np.float64, out: Any = None
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
            As for `standard_normal`; if an interval is empty, infinite or wider than the dtype's numbers.

        Notes
        -----
        *Stream*: where `low` or `high` is an array, u is multiplied in float64, as in `normal`.

        Examples
        --------
        >>> import fastinit as fi
        >>> fi.default_rng(0).uniform([0, 100], [1, 101])
        array([  0.30126656, 100.70599303])
        """
        kind, low, high = _kind(dtype, out), _reals("low", low), _reals("high", high)
        if isinstance(low, float) and isinstance(high, float):
            return self._values("uniform", LAWS["uniform"][1](kind, low, high), kind, size, out)
        shape = _joint_shape("low", low, "high", high)
        least, greatest = _ends(kind, low, high)
        u = self._wide_values("uniform", shape, kind, size, out)
        u *= high - low
        u += least
        return _put(np.minimum(u.astype(kind.real), greatest), shape, kind, size, out)

    def _values(self, law: str, settings: tuple[float, ...], kind: Kind, size: Any, out: Any) -> Any:
        """The next values of a law; a float where there is neither `size` nor `out`."""

        def fill(target: np.ndarray[Any, Any], _: int, steps: tuple[int, ...] | None) -> None:
            key, first = self.bit_generator._take(law, target.size)
            _core.fill(LAWS[law][0], kind.code, key, settings, target, first, steps, threads_for(None))

        values = make(_lengths(size, out, ()), kind, None, out, fill)
        return float(values) if size is None and out is None else values

    def _wide_values(self, law: str, shape: tuple[int, ...], kind: Kind, size: Any, out: Any) -> np.ndarray[Any, Any]:
        """The next values of the standard law, as many as `size`, `out` or `shape` says, as float64 to compute with."""
        lengths, narrow = _lengths(size, out, shape), kind_of(kind.real)
        if out is not None:
            check_out(out, lengths, kind.dtype)
        return self._values(law, _standard(law, narrow), narrow, lengths, None).astype(np.float64, copy=False)


def default_rng(seed: Any = None) -> Generator:
    """A generator from a seed.

    Parameters
    ----------
    seed : int, numpy.random.SeedSequence, ARS, Generator or None
        An integer in [0, 2**128), as `seed` of the laws and schemes. None takes entropy from the system. A
        Generator is returned as it is, and an ARS is wrapped.

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


@cache
def _standard(law: str, kind: Kind) -> tuple[float, ...]:
    """The parameters of the standard law: mean 0 and deviation 1, or low 0 and high 1."""
    return LAWS[law][1](kind, 0.0, 1.0)


def _kind(dtype: Any, out: Any) -> Kind:
    """The kind of whatever NumPy takes for a dtype. None: that of `out`, or float64."""
    if dtype is None:
        dtype = getattr(out, "dtype", np.float64)
    try:
        given = np.dtype(dtype)
    except TypeError:
        return kind_of(dtype)
    if not given.isnative:
        refuse("dtype", "in the machine's own byte order", given.str)
    return kind_of(given.type)


def _reals(name: str, value: Any) -> Any:
    """`value` as a float, or as a float64 array where it has axes."""
    if type(value) is float:
        return value
    numbers = np.asarray(value)
    if not np.can_cast(numbers.dtype, np.float64, "same_kind"):
        got = f"array of {numbers.dtype.name}" if numbers.ndim else value
        refuse(name, "a real number or an array of real numbers", got, TypeError)
    return numbers.astype(np.float64) if numbers.ndim else float(numbers)


def _joint_shape(one_name: str, one: Any, other_name: str, other: Any) -> tuple[int, ...]:
    """The shape that two parameters broadcast to."""
    if isinstance(one, float) and isinstance(other, float):
        return ()
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


def _where(bad: Any, *numbers: Any) -> tuple[float, ...] | None:
    """The numbers at the first place that is bad, if there is one."""
    if isinstance(bad, bool):
        return numbers if bad else None
    if not bad.any():
        return None
    return tuple(float(np.broadcast_to(x, bad.shape).flat[bad.argmax()]) for x in numbers)


def _check_normal(kind: Kind, loc: Any, scale: Any) -> None:
    """Raise where a scale is negative, or finite parameters lead beyond the dtype."""
    negative = _where(scale < 0, scale)
    if negative:
        refuse("scale", "at least 0", *negative)
    too_great = scale > (kind.greatest - abs(loc)) / REACH
    beyond = _where(too_great & (abs(loc) < math.inf) & (scale < math.inf), scale)
    if beyond:
        rule = f"such that loc + {REACH} scale stays below {kind.greatest:.6g} in {kind.dtype.name}"
        refuse("scale", rule, *beyond)


def _ends(kind: Kind, low: Any, high: Any) -> tuple[Any, Any]:
    """The least and the greatest number of the precision computed in that lie in [low, high)."""
    crossed = _where(~(low <= high), low, high)
    if crossed:
        refuse("low", f"at most high ({crossed[1]!r})", crossed[0])
    with np.errstate(over="ignore"):
        reach = np.maximum(np.maximum(abs(low), abs(high)), high - low)
    beyond = _where(reach > kind.greatest, high)
    if beyond:
        rule = f"such that low, high and high - low stay below {kind.greatest:.6g} in {kind.dtype.name}"
        refuse("high", rule, *beyond)
    least, greatest = (np.asarray(end).astype(kind.real) for end in (low, high))
    point = low == high
    up, down = kind.real(np.inf), kind.real(-np.inf)
    least = np.where(point | (least.astype(np.float64) >= low), least, np.nextafter(least, up))
    greatest = np.where(point | (greatest.astype(np.float64) < high), greatest, np.nextafter(greatest, down))
    empty = _where(least > greatest, low, high)
    if empty:
        refuse("high", f"such that a {kind.real.__name__} lies in [low, high)", empty)
    return least, greatest


def _put(values: Any, shape: tuple[int, ...], kind: Kind, size: Any, out: Any) -> Any:
    """The values, rounded to the precision computed in and then to the dtype, in `out` or a new array (or a float)."""
    values = values.astype(kind.real, copy=False).astype(kind.dtype, copy=False)
    if out is not None:
        out[...] = values
        return out
    return values if shape or size is not None else float(values)
