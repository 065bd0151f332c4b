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
    """The z with P(Z < z) = left and P(Z > z) = right (Wichura's AS 241)."""
    q = (left - right) * 0.5
    v = fma64(-q, q, 0.180625)
    middle = q * horner(
        v, 2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
        13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
    ) / horner(
        v, 5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
        5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0,
    )  # fmt: skip
    r = np.sqrt(neglog64(np.where(left < right, left, right)))
    outside = horner(
        r - 1.6, 7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
        3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
    ) / horner(
        r - 1.6, 1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
        0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0,
    )  # fmt: skip
    beyond = horner(
        r - 5.0, 2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386,
        0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358,
        5.4637849111641143699, 6.6579046435011037772,
    ) / horner(
        r - 5.0, 2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5,
        7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0,
    )  # fmt: skip
    outside = np.where(r <= 5.0, outside, beyond) if tails else outside
    return np.where(np.abs(q) <= 0.425, middle, np.where(left < right, -outside, outside))
