"""From words to reals: logarithms, turns, uniforms in (0, 1], normals, quantiles."""

from __future__ import annotations

import numpy as np

from .rounding import fma32, fma64, horner
from .widths import F32, F64, U32, U64, Array


def neglog32(u: Array) -> Array:
    """-log(u)."""
    bits = u.view(U32)
    e = (bits - U32(0x3F3504F3)) & U32(0xFF800000)
    f = (bits - e).view(F32) - F32(1)
    p = horner(f, "-0x1.65f0e8p-4", "0x1.2505aap-3", "-0x1.317ca8p-3", "0x1.535c2ap-3", "-0x1.98d3a0p-3",
                  "0x1.0004a8p-2", "-0x1.5556f0p-2", "0x1.fffffap-2", "-1.0")  # fmt: skip
    return fma32(p, f, e.view(np.int32).astype(F32) * F32(float.fromhex("-0x1.62e430p-24")))


def neglog64(u: Array) -> Array:
    """-log(u)."""
    bits = u.view(U64)
    e = (bits - U64(0x3FE6A09E667F3BCD) + U64(0x3FF0000000000000)) >> U64(52)
    m = (bits - (e << U64(52)) + U64(0x3FF0000000000000)).view(F64)
    s = (m - 1) / (m + 1)
    z = s * s
    p = horner(z, "0x1.2b584aae78a57p-3", "0x1.39fe606542ddep-3", "0x1.7462b4ab2ef6bp-3", "0x1.c71c62e5800a1p-3",
                "0x1.2492492df148dp-2", "0x1.99999999952e2p-2", "0x1.5555555555558p-1")  # fmt: skip
    return fma64(e.astype(F64) - 1023.0, float.fromhex("-0x1.62e42fefa39efp-1"), -fma64(s * z, p, s + s))


def turn32(t: Array) -> tuple[Array, Array]:
    """cos y - sin y and cos y + sin y for y = t pi / 4."""
    z = t * t
    c = horner(z, "-0x1.4eb112p-12", "0x1.03b18ep-6", "-0x1.3bd3a2p-2", "1.0")
    s = horner(z, "-0x1.3375fep-15", "0x1.468282p-9", "-0x1.4abc28p-4", "0x1.921fb6p-1")
    return fma32(-t, s, c), fma32(t, s, c)


def turn64(t: Array) -> tuple[Array, Array]:
    """cos y - sin y and cos y + sin y for y = t pi / 4."""
    z = t * t
    c = horner(z, "0x1.f4b536b457d9ep-34", "-0x1.a6cc32d07dc98p-26", "0x1.e1f50093e4c8fp-19", "-0x1.55d3c7e10153fp-12",
                "0x1.03c1f081b4b74p-6", "-0x1.3bd3cc9be45dbp-2", 1.0)  # fmt: skip
    s = horner(z, "0x1.e3f38399551bfp-38", "-0x1.e30071afc3e59p-30", "0x1.50782fda12d96p-22", "-0x1.32d2cce2e5b19p-15",
                "0x1.466bc677587f8p-9", "-0x1.4abbce625be41p-4", "0x1.921fb54442d18p-1")  # fmt: skip
    return fma64(-t, s, c), fma64(t, s, c)


RARE = 0x4000


def open32(k: Array, fine: Array, refine: bool = True) -> Array:
    """A uniform in (0, 1] from 31 bits, or, where these are small, from 48."""
    usual = k.astype(F32) * F32(2**-31)
    refined = ((k % U32(RARE)) << U32(17) | fine >> U32(15) | U32(1)).astype(F32) * F32(2**-48)
    return np.where(k < RARE, refined, usual) if refine else usual


def open64(k: Array, fine: Array, refine: bool = True) -> Array:
    """(n + 1/2) / 2^52 for the 52 bits n of (k, fine)."""
    n = k.astype(U64) << U64(21) | (fine >> U32(11)).astype(U64)
    return n.astype(F64) * 2.0**-52 + 2.0**-53


def _signed(magnitude: Array, word: Array) -> Array:
    return np.where(word >> U32(31) == 1, -magnitude, magnitude)


def normal_pairs(w: Array, x: Array, real: type) -> Array:
    """Standard normals of tiles (n, 32): 16 radii and 16 angles give 16 values and 16 more."""
    radius_word, angle_word = w[:, :16], w[:, 16:]
    k = radius_word & U32(0x7FFFFFFF)
    turn = angle_word & U32(0x007FFFFF)
    if real is F32:
        radius = np.sqrt(neglog32(open32(k, x[:, :16])))
        difference, total = turn32(turn.astype(F32) * F32(2**-22) - F32(1))
    else:
        radius = np.sqrt(neglog64(open64(k, x[:, :16])))
        n = turn.astype(U64) << U64(29) | (x[:, 16:] >> U32(3)).astype(U64)
        difference, total = turn64(n.astype(F64) * 2.0**-51 - 1.0)
    return np.hstack([_signed(radius, angle_word) * difference, _signed(radius, radius_word) * total])


def quantile32(left: Array, right: Array, tails: bool) -> Array:
    """The z with P(Z < z) = left and P(Z > z) = right."""
    tail = np.where(left < right, left, right)
    w = neglog32(F32(4) * fma32(-tail, tail, tail)) - F32(2)
    p = horner(w, "0x1.9f3530p-24", "0x1.4cbc96p-22", "-0x1.cf654ap-18", "0x1.744bd2p-17", "0x1.4041ccp-12",
                  "-0x1.39b5e8p-9", "-0x1.6cd33ap-9", "0x1.69b3f0p-2", "0x1.f29aecp+0")  # fmt: skip
    middle = p * (left - right)
    if not tails:
        return middle
    r = np.sqrt(neglog32(tail)) - F32(3)
    numerator = horner(r, "-0x1.c845e2p-19", "0x1.2c250cp-4", "0x1.c1ea42p-1", "0x1.a02cb0p+1", "0x1.d53054p+1")
    outside = numerator / horner(r, "0x1.a7d484p-5", "0x1.df5fbep-2", "1.0")
    return np.where(w < F32(2), middle, np.where(left < right, -outside, outside))


def quantile64(left: Array, right: Array, tails: bool) -> Array:
    """The z with P(Z < z) = left and P(Z > z) = right."""
    tail = np.where(left < right, left, right)
    w = neglog64(4.0 * fma64(-tail, tail, tail)) - 2.0
    even = horner(
        w * w, "0x1.aa2fdea6dae6bp-52", "-0x1.ee5e9009f9e45p-46", "0x1.4ff97808a523dp-40", "-0x1.0819431c0ddc0p-35",
        "-0x1.8e969d0d0d0a9p-32", "0x1.a37bcdac07d4ep-24", "-0x1.ce9e28e1f1f86p-18", "0x1.40376591785adp-12",
        "-0x1.6cd293ae8139bp-9", "0x1.f29aec2be3e76p+0",
    )  # fmt: skip
    odd = horner(
        w * w, "0x1.d34972b94e779p-51", "0x1.228a8faf360c6p-45", "-0x1.b1732f3fb6f08p-38", "0x1.c9207e52a7d0fp-32",
        "-0x1.39532631857e2p-26", "0x1.e1472a464e264p-22", "0x1.67c4b04677d65p-17", "-0x1.39a9bdc7ad6aep-9",
        "0x1.69b3eab04ee3ep-2",
    )  # fmt: skip
    middle = fma64(w, odd, even) * (left - right)
    if not tails:
        return middle
    series = horner(tail, 1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2, 1.0)
    r = np.sqrt(fma64(-tail, series, w) + 3.386294361119891) - 2.0
    outside = horner(
        r, "0x1.3bfa698194f86p-16", "0x1.3f0a66796c105p-10", "0x1.9bf1537c54e81p-6", "0x1.e61dcfeaa25e9p-3",
        "0x1.328b230d5ea59p+0", "0x1.bd975a8cc5494p+1", "0x1.7a7ad1639ba62p+2", "0x1.5dc860561a2e4p+2",
        "0x1.0b80344934a03p+1",
    ) / horner(
        r, "0x1.beda79f7f332fp-17", "0x1.b54224890a90fp-11", "0x1.08a38c5d77af3p-6", "0x1.19787308f7f26p-3",
        "0x1.32eb87206afa4p-1", "0x1.6f1a6f53f683bp+0", "0x1.d5bdb71bd5d99p+0", "1.0",
    )  # fmt: skip
    return np.where(w < 2.0, middle, np.where(left < right, -outside, outside))
