"""Words to be tested: each source is an endless row of chunks, and chunk n a pure function of n.

What is tested of the stream is its words, as they are and with their bits in reverse, since batteries look at the upper
ones first; the words of streams that differ in one thing alone, one of each in turn; and the bits of uniform numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fastinit as fi
from fastinit import _core
from fastinit.stream import stream_key

Array = np.ndarray[Any, Any]
Chunks = Callable[[int], Array]

SEED = 20261127
#: Of words, or of uniforms, in a chunk.
CHUNK = 1 << 16
#: Streams that are interleaved, but for those of the laws, of which there are six.
STREAMS = 256
LAWS = ("normal", "uniform", "truncated", "orthogonal", "sparse", "bits")
MAIN, FINE = 0, 1

#: Stretches of a source that begin so many chunks apart have no word in common: no test reads 2^37 of them.
STRETCH = 1 << 21


def words_of(key: bytes, domain: int, chunk: int) -> Array:
    return _core.words(key, domain, chunk * CHUNK, CHUNK)


def interleaved(keys: list[bytes], chunk: int) -> Array:
    """One main word of each stream in turn."""
    each = CHUNK // len(keys)
    rows = np.array([_core.words(key, MAIN, chunk * each, each) for key in keys])
    return np.ascontiguousarray(rows.T).ravel()


def uniforms(dtype: str, chunk: int) -> Array:
    place = fi.flat[chunk * CHUNK : (chunk + 1) * CHUNK]
    return fi.uniform(1 << 62, seed=SEED, dtype=dtype, index=place)


def bits_of_float32(chunk: int) -> Array:
    """All 24 bits: four numbers are three words."""
    a, b, c, d = (uniforms("float32", chunk) * np.float32(2**24)).astype(np.uint32).reshape(-1, 4).T
    return np.stack([a << 8 | b >> 16, b << 16 | c >> 8, c << 24 | d], axis=1).ravel()


def bits_of_float64(chunk: int) -> Array:
    """The upper 32 bits of two numbers; then the lower 21 of the first, and of those of the second the upper 11."""
    pairs = (uniforms("float64", chunk) * 2.0**53).astype(np.uint64).reshape(-1, 2).T
    (a, b), (rest_a, rest_b) = pairs >> np.uint64(21), pairs & np.uint64(2**21 - 1)
    return np.stack([a, b, rest_a << np.uint64(11) | rest_b >> np.uint64(10)], axis=1).astype(np.uint32).ravel()


def with_bits_reversed(chunks: Chunks, chunk: int) -> Array:
    words = chunks(chunk).byteswap()
    for bits, mask in ((4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        words = (words & np.uint32(mask)) << np.uint32(bits) | words >> np.uint32(bits) & np.uint32(mask)
    return words


def _straight() -> dict[str, Chunks]:
    key = stream_key(SEED, "normal", "")
    return {
        "words": partial(words_of, key, MAIN),
        "fine words": partial(words_of, key, FINE),
        "adjacent seeds": partial(interleaved, [stream_key(SEED + i, "normal", "") for i in range(STREAMS)]),
        "adjacent names": partial(interleaved, [stream_key(SEED, "normal", f"layer.{i}") for i in range(STREAMS)]),
        "adjacent laws": partial(interleaved, [stream_key(SEED, law, "layer.0") for law in LAWS]),
        "float32": bits_of_float32,
        "float64": bits_of_float64,
    }


#: By their names; each as it is, and reversed.
SOURCES = {
    name + suffix: partial(with_bits_reversed, chunks) if suffix else chunks
    for name, chunks in _straight().items()
    for suffix in ("", " reversed")
}
