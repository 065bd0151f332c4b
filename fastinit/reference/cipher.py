"""Words: blocks of ARS-7 under a key, and the key of a stream."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from ..stream import encoded
from .widths import U32, U64, Array


def stream_key(seed: int, law: str, name: str) -> bytes:
    """As `fastinit.stream.stream_key`."""
    message = b"fastinit/stream0" + seed.to_bytes(16, "little") + law.encode().ljust(16, b"\0") + encoded(name)
    return blake2b(message, digest_size=16).digest()


def _times_two(s: Array) -> Array:
    """Multiplication by x in the field of AES, bytes as integers."""
    return (s << 1) ^ ((s >> 7) * 0x11B)


def _s_box() -> Array:
    """The AES S-box (FIPS 197, 5.1.1): the inverse in the field, then an affine map of its bits."""
    powers = [1]
    for _ in range(254):  # of the generator x + 1
        powers.append(int(_times_two(np.array(powers[-1]))) ^ powers[-1])
    inverse = np.zeros(256, int)
    for k, power in enumerate(powers):
        inverse[power] = powers[-k % 255]
    turned = [(inverse << k | inverse >> (8 - k)) & 0xFF for k in range(5)]
    return turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4] ^ 0x63


S_BOX = _s_box()
# Byte r of new column c comes from column c + r: the index, in a block of 16 bytes, that ShiftRows reads from.
SHIFTED = np.array([(4 * (i // 4 + i % 4) + i % 4) % 16 for i in range(16)])


def _rounded(state: Array, last: bool) -> Array:
    """SubBytes, ShiftRows and (but in the last round) MixColumns of blocks of 16 bytes."""
    state = S_BOX[state][..., SHIFTED]
    if last:
        return state
    column = state.reshape(*state.shape[:-1], 4, 4)
    after = [np.roll(column, -k, axis=-1) for k in range(4)]
    mixed = _times_two(after[0]) ^ _times_two(after[1]) ^ after[1] ^ after[2] ^ after[3]
    return mixed.reshape(state.shape)


def ars(counters: Array, key: bytes, rounds: int = 7) -> Array:
    """Blocks of four words (n, 4) for counters of four words (n, 4)."""
    low, high = (int.from_bytes(half, "little") for half in (key[:8], key[8:]))

    def round_key(k: int) -> Array:
        halves = (low + k * 0x9E3779B97F4A7C15) % 2**64, (high + k * 0xBB67AE8584CAA73B) % 2**64
        return np.frombuffer(b"".join(half.to_bytes(8, "little") for half in halves), np.uint8).astype(int)

    state = np.ascontiguousarray(counters, "<u4").view(np.uint8).reshape(-1, 16).astype(int) ^ round_key(0)
    for k in range(1, rounds + 1):
        state = _rounded(state, k == rounds) ^ round_key(k)
    return np.ascontiguousarray(state, np.uint8).view("<u4").astype(U32)


def words(key: bytes, domain: int, first: int, count: int) -> Array:
    """Words [first, first + count) of a domain (0 main, 1 fine): word n is word n mod 4 of block n div 4."""
    blocks = np.arange(first // 4, (first + count + 3) // 4, dtype=U64)
    counters = np.zeros((len(blocks), 4), U32)
    counters[:, 0], counters[:, 1], counters[:, 2] = blocks & U64(0xFFFFFFFF), blocks >> U64(32), domain
    return ars(counters, key).ravel()[first % 4 : first % 4 + count]
