"""Streams: (seed, law, name) to the key of the counter generator. The recipe is part of the stream (STREAM.md)."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from numpy.random import SeedSequence
from numpy.random.bit_generator import ISeedSequence

from . import _core
from .arguments import integer, refuse

SEED_BITS = 128
#: Lists in lists of a seed.
_DEEPEST = 32
_LAWS = {
    law: law.encode().ljust(16, b"\0") for law in ("normal", "uniform", "truncated", "orthogonal", "sparse", "bits")
}


def seed_number(seed: Any) -> int:
    """The integer in [0, 2**128) that `seed` stands for: itself, a seed sequence's first 128 bits, or entropy."""
    if type(seed) is int and 0 <= seed < 1 << SEED_BITS:
        return seed
    source = seed_source(seed)
    if isinstance(source, int):
        return source
    return int.from_bytes(source.generate_state(4).astype("<u4").tobytes(), "little")


def seed_source(seed: Any) -> int | ISeedSequence:
    """`seed` as an integer in that range, or as a seed sequence: a list or an array as the one NumPy makes of it."""
    if type(seed) is int and 0 <= seed < 1 << SEED_BITS:
        return seed
    if seed is None:
        return secrets.randbits(SEED_BITS)
    if isinstance(seed, (SeedSequence, ISeedSequence)):  # the first is the usual one, and found faster
        return seed
    try:
        if isinstance(seed, (list, tuple, range)) or (isinstance(seed, np.ndarray) and seed.ndim):
            return SeedSequence(_plain(seed))
        return integer("seed", seed, 0, 1 << SEED_BITS)
    except (TypeError, ValueError) as error:
        rule = "None, an integer in [0, 2**128), a list or array of integers >= 0 or a SeedSequence"
        refuse("seed", rule, seed, type(error))


def _plain(seed: Any, depth: int = 0) -> Any:
    """A seed without what NumPy would follow to the end of its stack: matrices, whose rows are matrices, and depths."""
    if depth > _DEEPEST:
        raise ValueError(depth)
    if isinstance(seed, np.ndarray) and seed.dtype.kind != "O":
        return np.asarray(seed)
    if isinstance(seed, (list, tuple, np.ndarray)):
        return [_plain(one, depth + 1) for one in (seed.tolist() if isinstance(seed, np.ndarray) else seed)]
    return seed


def stream_key(seed: int, law: str, name: str) -> bytes:
    """The 16-byte key: BLAKE2b-128 of a tag, the seed (16 bytes, low first), the law (16 bytes) and the UTF-8 name."""
    return _core.stream_key(seed.to_bytes(16, "little"), _LAWS[law], encoded(name))


def encoded(name: str) -> bytes:
    """A name in UTF-8."""
    try:
        return name.encode()
    except UnicodeEncodeError:
        refuse("name", "a string without lone surrogates", name)
    except AttributeError:
        refuse("name", "a string", name, TypeError)
