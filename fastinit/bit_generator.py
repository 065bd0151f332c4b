"""Bit generator: a counter that NumPy's random generators, and ours, read."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, TypeVar

from numpy.random import SeedSequence

from . import _core
from .arguments import integer, refuse
from .layout import LIMIT
from .locks import lock_of_forks
from .stream import SEED_BITS, seed_number, seed_source, stream_key
from .typing import Seed
from .version import STREAM

Own = TypeVar("Own", bound="ARS")

#: Values that `ARS.jumped` goes ahead by: 2**15 jumps leave the stream.
JUMP = 1 << 48
_WORDS = 1 << 64
#: Of the streams that are read: of the two laws, by their numbers, and of the words.
_LAWS = ("normal", "uniform", "bits")
#: Held while a seed sequence counts the children that it has had: bit generators may share one, and it has no lock.
_spawning = lock_of_forks()


class ARS(_core.WordGenerator):
    """Bit generator that counts: ARS-7, seven rounds of AES over a counter (Salmon and others, SC'11).

    It holds a seed and two places: `position`, the number of the value that a law gives next, and `word`, the number of
    the 32-bit word that NumPy's own distributions read next. Both only count; any of them can be gone to at once.

    Parameters
    ----------
    seed : int, list or array of int, numpy.random.SeedSequence or None
        An integer in [0, 2**128), which is the seed as `fastinit.normal` takes it. None takes such an integer from the
        system. Of a SeedSequence (or any other ISeedSequence) the first 128 bits; a list or an array stands for the
        SeedSequence of it. So ``[5]`` is another seed than 5, unlike in NumPy, which makes one of both.

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

    def __init__(self, seed: Seed = None) -> None:
        source = seed_source(seed)
        super().__init__(source)
        self._go(seed_number(source), 0, 0)

    def _go(self, seed: int, position: int, word: int) -> None:
        keys = tuple(stream_key(seed, law, "") for law in _LAWS)
        with self.lock:
            self._seed, self._keys = seed, keys
            self._seek(keys, position, word)

    def _take(self, law: int, count: int) -> tuple[bytes, int]:
        """The key of a law, and the number of the first of its next `count` values, which are passed over."""
        with self.lock:
            first = self._position
            if count >= LIMIT - first:
                refuse("size", f"at most the {LIMIT - 1 - first} values that the stream has left", count)
            self._position = first + count
            return self._keys[law], first

    @property  # type: ignore[override]  # NumPy's stub has a mapping that can be set to any
    def state(self) -> dict[str, Any]:
        """The seed and the two places, as a dict of plain numbers; can be set.

        What `numpy.random.RandomState` adds of its own to a state (``has_gauss`` and ``gauss``) may stand in it.

        Raises
        ------
        ValueError, TypeError
            On setting anything but the state of a bit generator of this class and stream. Then nothing has changed.

        Examples
        --------
        >>> import fastinit as fi
        >>> fi.ARS(7).state
        {'bit_generator': 'ARS', 'stream': 1, 'state': {'seed': 7, 'position': 0, 'word': 0}}
        """
        with self.lock:
            places = {"seed": self._seed, "position": self._position, "word": self._word}
        return {"bit_generator": type(self).__name__, "stream": STREAM, "state": places}

    @state.setter
    def state(self, value: Any) -> None:
        _check_keys("state", value, ("bit_generator", "stream", "state"), besides={"has_gauss", "gauss"})
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

    def advance(self, delta: int) -> ARS:
        """Go `delta` values and `delta` 64-bit draws ahead (back, if negative).

        Parameters
        ----------
        delta : int
            Added to the position modulo 2**63; twice it is added to the number of the word modulo 2**64, a 64-bit draw
            being two words. So ``-delta`` leads back, and 2**63 round to the same places.

        Returns
        -------
        ARS
            This bit generator. Its children stay what they were: those of `seed_seq`.

        Raises
        ------
        TypeError
            If `delta` is no integer. Then nothing has changed.

        Examples
        --------
        >>> import fastinit as fi
        >>> rng = fi.default_rng(0)
        >>> ten = rng.random(10)
        >>> bool((rng.random(2) == fi.Generator(fi.ARS(0).advance(10)).random(2)).all())
        True
        """
        delta = integer("delta", delta)
        with self.lock:
            self._go(self._seed, (self._position + delta) % LIMIT, (self._word + 2 * delta) % _WORDS)
        return self

    def jumped(self: Own, jumps: int = 1) -> Own:
        """A new bit generator, ``jumps * 2**48`` values (and 64-bit draws) ahead of this one.

        Parameters
        ----------
        jumps : int
            At least 0, and fewer than lead past the end: 2**15 from the beginning.

        Returns
        -------
        ARS
            Of the same class and seed. Its `seed_seq` is made of its seed and places: copies that have jumped to
            different places have different children, in whatever process they were made, and none of them those of this
            one.

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
            most = min((LIMIT - 1 - self._position) // JUMP, (_WORDS - 1 - self._word) // (2 * JUMP))
            ahead = integer("jumps", jumps, 0, most + 1) * JUMP
            seed, position, word = self._seed, self._position + ahead, self._word + 2 * ahead
        children = stream_key(seed, "bits", f"jumped to {position} {word}")
        made = type(self)(SeedSequence(int.from_bytes(children, "little")))
        made._go(seed, position, word)
        return made

    def spawn(self: Own, n_children: int) -> list[Own]:
        """New bit generators of other seeds, which are independent of this one and of each other.

        Parameters
        ----------
        n_children : int
            How many.

        Returns
        -------
        list of ARS
            Of the same class, on the next children of `seed_seq`. No two calls give the same ones, whether of several
            threads, or of bit generators that share `seed_seq`: a shallow copy, and those made of one SeedSequence. A
            deep copy or a pickle has the same children as this one, from here on. (`seed_seq.spawn` takes no lock.)

        Raises
        ------
        TypeError
            If `seed_seq` cannot spawn.

        Examples
        --------
        >>> import fastinit as fi
        >>> [child.seed_seq.spawn_key for child in fi.ARS(7).spawn(2)]
        [(0,), (1,)]
        """
        with _spawning:
            return super().spawn(n_children)

    def __repr__(self) -> str:
        places = " ".join(f"{name}={number}" for name, number in self.state["state"].items())
        return f"<{type(self).__name__} {places}>"


def _check_keys(name: str, value: Any, keys: tuple[str, ...], besides: Set[str] = frozenset()) -> None:
    if not isinstance(value, dict) or set(value) - besides != set(keys):
        rule = "a dict with the keys " + ", ".join(map(repr, keys))
        refuse(name, rule, value, ValueError if isinstance(value, dict) else TypeError)
