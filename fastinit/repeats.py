"""Repeats: stretches of an array that occur twice, or hold one value, as where two shards were filled alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Values that are hashed together, so that their 64-bit hashes stay in the cache; and of a window.
PIECE = 1 << 15
WINDOW = 16
#: Stretches are compared where two values of the law are equal less often: a window so by chance once in 2**96.
_ALIKE = 1 / 64
_SKETCH = 32
#: Elements whose values are counted.
_COUNTED = 1 << 12


class Repeats(NamedTuple):
    """Windows of one value; and of those that occur again: how many, and where the first and its twin begin.

    `sketch` holds the least hashes of the others: two arrays that share one have values in common.
    """

    alike: int
    again: int
    first: int
    second: int
    sketch: tuple[int, ...]


def repeats(pieces: list[Any]) -> Repeats:
    """What occurs twice in pieces one after the other, wherever it begins.

    Windows of 16 values are hashed, but those of one value alone; those whose hash is 0 mod 64 are kept, so that equal
    stretches of a few hundred values keep the same ones.
    """
    hashes = [np.empty(0, np.uint64)]
    places: list[NDArray[Any]] = [np.empty(0, np.int64)]
    sketch = hashes[0]
    done = alike = 0
    for piece in pieces:
        bits = bits_of(piece)
        for start in range(0, len(bits) - WINDOW + 1, PIECE):
            some = bits[start : start + PIECE + WINDOW - 1]
            equal, window = equal_windows(some), _window_hashes(some)
            alike += int(np.sum(equal))
            few = window[~equal if len(sketch) < _SKETCH else (window < sketch[-1]) & ~equal]
            sketch = np.unique(np.concatenate([sketch, few]))[:_SKETCH]
            kept = np.flatnonzero((window & np.uint64(63) == 0) & ~equal)
            hashes.append(window[kept])
            places.append(kept + start + done)
        done += len(bits)
    all_hashes, all_places = np.concatenate(hashes), np.concatenate(places)
    order = np.argsort(all_hashes, kind="stable")
    same = np.flatnonzero(all_hashes[order][1:] == all_hashes[order][:-1])
    first, second = all_places[order][same[0] : same[0] + 2].tolist() if len(same) else (-1, -1)
    return Repeats(alike, len(same), first, second, tuple(sketch.tolist()))


def counts_of(sample: Any) -> NDArray[np.float64]:
    """How often each value is among the first elements of a sample; there is one zero."""
    some = sample[:_COUNTED]
    return np.unique(bits_of(some + some.dtype.type(0)), return_counts=True)[1].astype(float)


def has_many_values(counts: NDArray[np.float64]) -> bool:
    """Whether two values of a law are equal so seldom that a window says which it is."""
    return float(np.sum(counts * (counts - 1))) / max(1.0, float(np.sum(counts)) ** 2) <= _ALIKE


def share_of_the_commonest(counts: NDArray[np.float64]) -> float:
    """How often a law has its commonest value, at most: of a count six deviations more, and 20 of the least (2e-9)."""
    most = float(counts.max())
    return min(1.0, (most + 6 * most**0.5 + 20) / float(counts.sum()))


def bits_of(array: Any) -> Any:
    """The bits of the elements, in C order, as unsigned integers."""
    return np.ascontiguousarray(array).reshape(-1).view(f"u{array.itemsize}")


def equal_windows(bits: Any) -> Any:
    """Whether each window, of such as there are, holds one value."""
    equal, length = bits[1:] == bits[:-1], 2
    while length < WINDOW:
        step = min(length - 1, WINDOW - length)
        equal, length = equal[:-step] & equal[step:], length + step
    return equal


def _window_hashes(bits: Any) -> Any:
    """A hash of each 16 neighbours: a polynomial in an odd constant, mixed so that its low bits depend on all."""
    factor = 0x9E3779B97F4A7C15
    values = (bits.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)
    values ^= values >> np.uint64(32)
    step = 1
    while step < WINDOW and len(values) > step:
        values = values[:-step] * np.uint64(pow(factor, step, 2**64)) + values[step:]
        step *= 2
    values ^= values >> np.uint64(29)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    return values ^ values >> np.uint64(32)
