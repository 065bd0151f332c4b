"""The twin: every law, scheme and moment in plain NumPy, with the same bits; obvious and slow.

It stands apart: of the package it uses only the arithmetic of shapes, fans and stream keys. Read it beside STREAM.md.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, prod, sqrt
from typing import Any, NamedTuple

import numpy as np

from .layout import Flat, checked_shape
from .scaling import TRUNCATED_STD, fan_pair, normal_interval
from .stream import seed_number, stream_key

F32, F64, U16, U32, U64 = np.float32, np.float64, np.uint16, np.uint32, np.uint64
Array = np.ndarray[Any, Any]

# --- words: ARS-7 -----------------------------------------------------------------------------------------------------


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


# --- reals ------------------------------------------------------------------------------------------------------------


def _sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b, and the part that rounding it lost (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """a b, and the part that rounding it lost (Dekker)."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _halves(a: Array) -> tuple[Array, Array]:
    wide = a * 134217729.0
    high = wide - (wide - a)
    return high, a - high


def _odd(total: Array, error: Array) -> Array:
    """total + error rounded to odd: of the two doubles around it, the one whose last bit is one."""
    bits = np.asarray(total).view(np.int64)
    step = np.where((error != 0) & (bits & 1 == 0), np.where((error > 0) == (total > 0), 1, -1), 0)
    return (bits + step).view(F64)


def fma32(a: Any, b: Any, c: Any) -> Array:
    """a b + c rounded once to float32 (Boldo and Melquiond 2008)."""
    return _odd(*_sum(np.multiply(a, b, dtype=F64), np.asarray(c, F64))).astype(F32)


def fma64(a: Any, b: Any, c: Any) -> Array:
    """a b + c rounded once to float64."""
    product, rest = _product(np.asarray(a, F64), np.asarray(b, F64))
    low, low_error = _sum(np.asarray(c, F64), rest)
    high, high_error = _sum(product, low)
    return high + _odd(*_sum(low_error, high_error))


def _horner(x: Array, *coefficients: str | float) -> Array:
    """A polynomial by fma in the precision of x, highest coefficient first, as numbers or in hexadecimal."""
    numbers = [float.fromhex(c) if isinstance(c, str) else c for c in coefficients]
    value = np.full_like(x, numbers[0])
    for number in numbers[1:]:
        value = fma32(value, x, F32(number)) if x.dtype == F32 else fma64(value, x, number)
    return value


def neglog32(u: Array) -> Array:
    """-log(u)."""
    bits = u.view(U32)
    e = (bits - U32(0x3F3504F3)) & U32(0xFF800000)
    f = (bits - e).view(F32) - F32(1)
    p = _horner(f, "-0x1.65f0e8p-4", "0x1.2505aap-3", "-0x1.317ca8p-3", "0x1.535c2ap-3", "-0x1.98d3a0p-3",
                  "0x1.0004a8p-2", "-0x1.5556f0p-2", "0x1.fffffap-2", "-1.0")  # fmt: skip
    return fma32(p, f, e.view(np.int32).astype(F32) * F32(float.fromhex("-0x1.62e430p-24")))


def neglog64(u: Array) -> Array:
    """-log(u)."""
    bits = u.view(U64)
    e = (bits - U64(0x3FE6A09E667F3BCD) + U64(0x3FF0000000000000)) >> U64(52)
    m = (bits - (e << U64(52)) + U64(0x3FF0000000000000)).view(F64)
    s = (m - 1) / (m + 1)
    z = s * s
    p = _horner(z, "0x1.2b584aae78a57p-3", "0x1.39fe606542ddep-3", "0x1.7462b4ab2ef6bp-3", "0x1.c71c62e5800a1p-3",
                "0x1.2492492df148dp-2", "0x1.99999999952e2p-2", "0x1.5555555555558p-1")  # fmt: skip
    return fma64(e.astype(F64) - 1023.0, float.fromhex("-0x1.62e42fefa39efp-1"), -fma64(s * z, p, s + s))


def turn32(t: Array) -> tuple[Array, Array]:
    """cos y - sin y and cos y + sin y for y = t pi / 4."""
    z = t * t
    c = _horner(z, "-0x1.4eb112p-12", "0x1.03b18ep-6", "-0x1.3bd3a2p-2", "1.0")
    s = _horner(z, "-0x1.3375fep-15", "0x1.468282p-9", "-0x1.4abc28p-4", "0x1.921fb6p-1")
    return fma32(-t, s, c), fma32(t, s, c)


def turn64(t: Array) -> tuple[Array, Array]:
    """cos y - sin y and cos y + sin y for y = t pi / 4."""
    z = t * t
    c = _horner(z, "0x1.f4b536b457d9ep-34", "-0x1.a6cc32d07dc98p-26", "0x1.e1f50093e4c8fp-19", "-0x1.55d3c7e10153fp-12",
                "0x1.03c1f081b4b74p-6", "-0x1.3bd3cc9be45dbp-2", 1.0)  # fmt: skip
    s = _horner(z, "0x1.e3f38399551bfp-38", "-0x1.e30071afc3e59p-30", "0x1.50782fda12d96p-22", "-0x1.32d2cce2e5b19p-15",
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
    p = _horner(w, "0x1.9f3530p-24", "0x1.4cbc96p-22", "-0x1.cf654ap-18", "0x1.744bd2p-17", "0x1.4041ccp-12",
                  "-0x1.39b5e8p-9", "-0x1.6cd33ap-9", "0x1.69b3f0p-2", "0x1.f29aecp+0")  # fmt: skip
    middle = p * (left - right)
    if not tails:
        return middle
    r = np.sqrt(neglog32(tail)) - F32(3)
    numerator = _horner(r, "-0x1.c845e2p-19", "0x1.2c250cp-4", "0x1.c1ea42p-1", "0x1.a02cb0p+1", "0x1.d53054p+1")
    outside = numerator / _horner(r, "0x1.a7d484p-5", "0x1.df5fbep-2", "1.0")
    return np.where(w < F32(2), middle, np.where(left < right, -outside, outside))


def quantile64(left: Array, right: Array, tails: bool) -> Array:
    """The z with P(Z < z) = left and P(Z > z) = right (Wichura's AS 241)."""
    q = (left - right) * 0.5
    v = fma64(-q, q, 0.180625)
    middle = q * _horner(
        v, 2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
        13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
    ) / _horner(
        v, 5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
        5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0,
    )  # fmt: skip
    r = np.sqrt(neglog64(np.where(left < right, left, right)))
    outside = _horner(
        r - 1.6, 7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
        3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
    ) / _horner(
        r - 1.6, 1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
        0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0,
    )  # fmt: skip
    beyond = _horner(
        r - 5.0, 2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386,
        0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358,
        5.4637849111641143699, 6.6579046435011037772,
    ) / _horner(
        r - 5.0, 2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5,
        7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0,
    )  # fmt: skip
    outside = np.where(r <= 5.0, outside, beyond) if tails else outside
    return np.where(np.abs(q) <= 0.425, middle, np.where(left < right, -outside, outside))


def to_bfloat16(x: Array) -> Array:
    """float32 to the bits of bfloat16: to nearest, ties to even."""
    bits = x.view(U32)
    return ((bits + U32(0x7FFF) + (bits >> U32(16) & U32(1))) >> U32(16)).astype(U16)


# --- laws -------------------------------------------------------------------------------------------------------------


def _values(law: str, key: bytes, count: int, real: type, arguments: tuple[float, ...]) -> Array:
    """The first `count` values of a law under a key."""
    rounded = -(-count // 32) * 32
    w, x = words(key, 0, 0, rounded), words(key, 1, 0, rounded)
    return {"normal": _normal, "uniform": _uniform, "truncated": _truncated}[law](w, x, real, *arguments)[:count]


def _moved(z: Array, scale: float, shift: float, real: type) -> Array:
    return fma32(z, F32(scale), F32(shift)) if real is F32 else z * scale + shift


def _ceiling(x: float, real: type) -> float:
    """The least number of that precision not below x."""
    return float(real(x) if float(real(x)) >= x else np.nextafter(real(x), real(np.inf)))


def _normal(w: Array, x: Array, real: type, mean: float, std: float) -> Array:
    return _moved(normal_pairs(w.reshape(-1, 32), x.reshape(-1, 32), real).ravel(), std, mean, real)


def _uniform(w: Array, x: Array, real: type, low: float, high: float) -> Array:
    if low == high:
        return np.full(w.shape, low, real)
    least = _ceiling(low, real)
    if real is F32:
        value = fma32((w >> U32(8)).astype(F32) * F32(2**-24), F32(high - low), F32(least))
    else:
        n = w.astype(U64) << U64(20) | (x >> U32(12)).astype(U64)
        value = n.astype(F64) * 2.0**-52 * (high - low) + least
    return np.minimum(value, np.nextafter(real(_ceiling(high, real)), real(-np.inf)))


def _truncated(w: Array, x: Array, real: type, mean: float, std: float, low: float, high: float) -> Array:
    left, mass, right = normal_interval(low, high)
    tails = min(left, right) < 0.005
    opened, quantile = (open32, quantile32) if real is F32 else (open64, quantile64)
    k = w & U32(0x7FFFFFFF)
    below = _moved(opened(k, x, tails), mass, left, real)
    above = _moved(opened(k ^ U32(0x7FFFFFFF), ~x, tails), mass, right, real)
    value = _moved(quantile(below, above, tails), std, mean, real)
    if std == 0:
        return np.full(w.shape, mean, real)
    limit = float(np.finfo(real).max)
    least, greatest = _ceiling(max(mean + low * std, -limit), real), -_ceiling(-min(mean + high * std, limit), real)
    return np.clip(value, real(least), real(greatest))


def _dtype(common: dict[str, Any]) -> str:
    dtype = common.get("dtype", "float32")
    return str(getattr(dtype, "name", getattr(dtype, "__name__", dtype)))


def _precision(common: dict[str, Any]) -> type:
    return F64 if _dtype(common) == "float64" else F32


def _shaped(law: str, shape: Any, arguments: tuple[float, ...], common: dict[str, Any]) -> Any:
    """A law in an array, made whole and cut."""
    lengths = checked_shape(shape)
    key = stream_key(seed_number(common.get("seed")), law, common.get("name", ""))
    values = _values(law, key, prod(lengths), _precision(common), tuple(map(float, arguments)))
    return _placed(values.reshape(lengths), _dtype(common), common)


def _placed(values: Array, dtype: str, common: dict[str, Any]) -> Any:
    """Rounded to a dtype, cut by `index`, put into `out`."""
    if dtype == "bfloat16":
        from ml_dtypes import bfloat16

        values = to_bfloat16(values.astype(F32)).view(bfloat16)
    else:
        values = values.astype(dtype)
    index, out = common.get("index"), common.get("out")
    if isinstance(index, list):
        outs = [None] * len(index) if out is None else out
        return [_cut(values, one, target) for one, target in zip(index, outs, strict=True)]
    return _cut(values, index, out)


def _cut(values: Array, index: Any, out: Any) -> Any:
    if isinstance(index, Flat):
        values = values.ravel()[index.positions]
    elif index is not None:
        values = values[index]
    if out is None:
        return values
    out[...] = values
    return out


def normal(shape: Any, mean: float = 0.0, std: float = 1.0, **common: Any) -> Any:
    """As `fastinit.normal`."""
    return _shaped("normal", shape, (mean, std), common)


def uniform(shape: Any, low: float = 0.0, high: float = 1.0, **common: Any) -> Any:
    """As `fastinit.uniform`."""
    return _shaped("uniform", shape, (low, high), common)


def truncated_normal(
    shape: Any, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, **common: Any
) -> Any:
    """As `fastinit.truncated_normal`."""
    return _shaped("truncated", shape, (mean, std, low, high), common)


# --- schemes ----------------------------------------------------------------------------------------------------------


def variance_scaling(
    shape: Any,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "normal",
    *,
    gain: float = 1.0,
    in_axis: Any = -2,
    out_axis: Any = -1,
    batch_axis: Any = (),
    **common: Any,
) -> Any:
    """As `fastinit.variance_scaling`."""
    fan_in, fan_out = fan_pair(checked_shape(shape), in_axis, out_axis, batch_axis)
    fan = {
        "fan_in": fan_in,
        "fan_out": fan_out,
        "fan_avg": (fan_in + fan_out) / 2,
        "fan_geo_avg": sqrt(fan_in * fan_out),
    }
    std = gain * sqrt(scale / (fan[mode] or 1))
    if distribution == "normal":
        return normal(shape, 0.0, std, **common)
    if distribution == "uniform":
        return uniform(shape, -sqrt(3.0) * std, sqrt(3.0) * std, **common)
    return truncated_normal(shape, 0.0, std / TRUNCATED_STD, **common)


def _scheme(scale: float, mode: str, distribution: str) -> Callable[..., Any]:
    def scheme(shape: Any, *, distribution: str = distribution, **keywords: Any) -> Any:
        return variance_scaling(shape, scale, mode, distribution, **keywords)

    return scheme


lecun_normal, lecun_uniform = _scheme(1.0, "fan_in", "normal"), _scheme(1.0, "fan_in", "uniform")
glorot_normal, glorot_uniform = _scheme(1.0, "fan_avg", "normal"), _scheme(1.0, "fan_avg", "uniform")
he_normal, he_uniform = _scheme(2.0, "fan_in", "normal"), _scheme(2.0, "fan_in", "uniform")
xavier_normal, xavier_uniform = glorot_normal, glorot_uniform
kaiming_normal, kaiming_uniform = he_normal, he_uniform


def small_normal(shape: Any, std: float = 0.01, **common: Any) -> Any:
    """As `fastinit.small_normal`."""
    return normal(shape, 0.0, std, **common)


def constant(shape: Any, value: float, **common: Any) -> Any:
    """As `fastinit.constant`."""
    return _fixed(np.full(checked_shape(shape), value), common)


def zeros(shape: Any, **common: Any) -> Any:
    """As `fastinit.zeros`."""
    return constant(shape, 0.0, **common)


def ones(shape: Any, **common: Any) -> Any:
    """As `fastinit.ones`."""
    return constant(shape, 1.0, **common)


def identity(shape: Any, gain: float = 1.0, **common: Any) -> Any:
    """As `fastinit.identity`."""
    return _fixed(np.where(np.eye(*shape) == 1, gain, 0.0), common)


def dirac(shape: Any, groups: int = 1, *, in_axis: int = -2, out_axis: int = -1, **common: Any) -> Any:
    """As `fastinit.dirac`."""
    values = np.zeros(shape)
    kernel = np.moveaxis(values, (in_axis, out_axis), (-2, -1))
    middle = kernel[tuple(length // 2 for length in kernel.shape[:-2])]
    channels = middle.shape[1] // groups
    for group in range(groups):
        for d in range(min(channels, middle.shape[0])):
            middle[d, group * channels + d] = 1.0
    return _fixed(values, common)


def _fixed(values: Array, common: dict[str, Any]) -> Any:
    return _placed(values, _dtype(common), common)


def orthogonal(
    shape: Any, *, gain: float = 1.0, in_axis: Any = -2, out_axis: Any = -1, batch_axis: Any = (), **common: Any
) -> Any:
    """As `fastinit.orthogonal`: the same random numbers, reflected by one at a time."""
    lengths, real = checked_shape(shape), _precision(common)
    fan_pair(lengths, in_axis, out_axis, batch_axis)
    columns, batch = (np.lib.array_utils.normalize_axis_tuple(axes, len(lengths)) for axes in (out_axis, batch_axis))
    order = (*batch, *(axis for axis in range(len(lengths)) if axis not in (*batch, *columns)), *columns)
    if not prod(lengths):
        return _placed(np.empty(lengths, real), _dtype(common), common)
    moved = np.empty(lengths, real).transpose(order)
    count, width = (prod(lengths[axis] for axis in axes) for axes in (batch, columns))
    height = prod(lengths) // (count * width)
    key = stream_key(seed_number(common.get("seed")), "orthogonal", common.get("name", ""))
    normals = _values("normal", key, prod(lengths), real, (0.0, 1.0)).reshape(count, min(height, width), -1)
    matrices = np.array([_reflected(x) for x in normals]).reshape(count, max(height, width), min(height, width))
    moved[...] = (gain * (matrices if height >= width else matrices.mT)).reshape(moved.shape)
    return _placed(moved.transpose(np.argsort(order)), _dtype(common), common)


def _reflected(x: Array) -> Array:
    """H[0] H[1] ... H[k-1] S, cut to k columns: H[j] reflects by x[j] + s |x[j]| e[j], S[j, j] = -s."""
    q = np.eye(x.shape[1], len(x), dtype=x.dtype)
    for j in reversed(range(len(x))):
        v = x[j, j:].copy()
        s = -1.0 if v[0] < 0 else 1.0
        v[0] += s * (np.linalg.norm(v) or 1.0)
        q[j, j] = -s
        q[j:] -= np.outer(2 * v / (v @ v), v @ q[j:])
    return q


def delta_orthogonal(shape: Any, *, gain: float = 1.0, in_axis: int = -2, out_axis: int = -1, **common: Any) -> Any:
    """As `fastinit.delta_orthogonal`."""
    values = np.zeros(shape, _precision(common))
    kernel = np.moveaxis(values, (in_axis, out_axis), (-2, -1))
    middle = kernel[tuple((length - 1) // 2 for length in kernel.shape[:-2])]
    plain = {key: common[key] for key in ("seed", "name") if key in common}
    middle[...] = orthogonal(middle.shape, gain=gain, dtype=values.dtype.name, **plain)
    return _placed(values, _dtype(common), common)


def sparse(shape: Any, sparsity: float, std: float = 0.01, **common: Any) -> Any:
    """As `fastinit.sparse`: zeros where a column's words are least."""
    rows, columns = checked_shape(shape)
    plain = {"seed": seed_number(common.get("seed")), "name": common.get("name", "")}
    values = normal(shape, 0.0, std, dtype=_precision(common), **plain)
    ranks = words(stream_key(plain["seed"], "sparse", plain["name"]), 0, 0, rows * columns).reshape(columns, rows)
    for column, order in enumerate(np.argsort(ranks, axis=1, kind="stable")):
        values[order[: ceil(sparsity * rows)], column] = 0
    return _placed(values, _dtype(common), common)


# --- moments ----------------------------------------------------------------------------------------------------------

BLOCK, LANES, GROUP_ROWS = 4096, 16, 16


class Sums(NamedTuple):
    """Of the finite elements (minimum and maximum: of all); m2, m3, m4 are sums of powers about the mean."""

    count: Any = 0.0
    mean: Any = 0.0
    m2: Any = 0.0
    m3: Any = 0.0
    m4: Any = 0.0
    minimum: Any = np.inf
    maximum: Any = -np.inf
    zeros: Any = 0.0
    nonfinite: Any = 0.0
    nonfinite_sum: Any = 0.0


def _lane_tree(lanes: Array) -> float:
    """The sum of 16 lanes: halves added to halves."""
    while len(lanes) > 1:
        lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
    return float(lanes[0])


def _lane_sums(terms: Array) -> Array:
    """Sums of terms by place mod 16, in float64, one row of 16 after the other."""
    sums = np.zeros(LANES)
    for row in range(0, len(terms), LANES):
        some = terms[row : row + LANES]
        sums[: len(some)] += some
    return sums


def _group_sums(terms: Array) -> Array:
    """The same, but whole groups of 16 rows are first summed in the precision of the terms."""
    sums, whole = np.zeros(LANES), len(terms) // (GROUP_ROWS * LANES) * GROUP_ROWS * LANES
    for group in terms[:whole].reshape(-1, GROUP_ROWS, LANES):
        partial = np.zeros(LANES, terms.dtype)
        for row in group:
            partial = partial + row
        sums += partial
    for row in range(whole, len(terms), LANES):
        some = terms[row : row + LANES]
        sums[: len(some)] += some
    return sums


def _block_sums(x: Array, order: int) -> Sums:
    """One block of float32 or float64 elements."""
    wide = x.astype(F64)
    finite = np.isfinite(wide)
    if not finite.all():
        kept = _block_sums(wide[finite], order) if finite.any() else Sums()
        others = wide[~finite]
        total = 0.0
        for number in others:
            total += number
        return _merged(kept, Sums(0.0, 0.0, 0.0, 0.0, 0.0, others.min(), others.max(), 0.0, float(len(others)), total))
    count, total = float(len(x)), _lane_tree(_lane_sums(wide))
    ends = wide.min(), wide.max(), float(np.sum(wide == 0))
    mean = total / count
    if not np.isfinite(total):
        return Sums(count, mean, np.nan, np.nan, np.nan, *ends)
    if order == 2:
        squares = _lane_tree(_lane_sums(wide * wide))
        m2 = squares - total * mean
        if m2 > 0.0625 * squares:
            return Sums(count, mean, m2, 0.0, 0.0, *ends)
    reach = max(ends[1] - mean, mean - ends[0])
    if x.dtype == F64 or order == 2 or not (reach == 0 or 2.0**-20 < reach < 2.0**24):
        x = wide
    centre = x.dtype.type(mean)
    d = x - centre
    d2 = d * d
    s2, s3, s4 = (_lane_tree(_group_sums(terms)) for terms in (d2, d2 * d, d2 * d2))
    shift = _lane_tree(_group_sums(d)) / count if x.dtype == F64 else mean - float(centre)
    mean, d = (mean + shift if x.dtype == F64 else mean), shift
    squares = count * d * d
    m2, m3 = s2 - squares, s3 - 3.0 * d * s2 + 2.0 * d * squares
    m4 = s4 - 4.0 * d * s3 + 6.0 * d * d * s2 - 3.0 * d * d * squares
    return Sums(count, mean, m2, *((m3, m4) if order == 4 else (0.0, 0.0)), *ends)


def _merged(a: Sums, b: Sums) -> Sums:
    """Two parts as one (Pebay, SAND2008-6212)."""
    na, nb, n = a.count, b.count, a.count + b.count
    ends = np.minimum(a.minimum, b.minimum), np.maximum(a.maximum, b.maximum), a.zeros + b.zeros
    rest = a.nonfinite + b.nonfinite, a.nonfinite_sum + b.nonfinite_sum
    if na == 0 or nb == 0:
        return Sums(n, *(b if na == 0 else a)[1:5], *ends, *rest)
    delta = b.mean - a.mean
    share = delta / n
    cross = delta * share * na * nb
    mean = a.mean + share * nb if nb < na else b.mean - share * na
    m2 = a.m2 + b.m2 + cross
    m3 = a.m3 + b.m3 + cross * share * (na - nb) + 3.0 * share * (na * b.m2 - nb * a.m2)
    m4 = a.m4 + b.m4 + cross * share * share * (na * na - na * nb + nb * nb)
    m4 = m4 + 6.0 * share * share * (na * na * b.m2 + nb * nb * a.m2) + 4.0 * share * (na * b.m3 - nb * a.m3)
    return Sums(n, mean, m2, m3, m4, *ends, *rest)


def sums(x: Any, order: int = 4) -> Sums:
    """The sums from which all moments of a sequence follow, as `fastinit.Moments` holds them."""
    x = np.asarray(x).ravel()
    x = x if x.dtype == F64 else x.astype(F32 if x.dtype.itemsize <= 4 and x.dtype.kind not in "iub" else F64)
    tree: list[tuple[int, Sums]] = []  # a binary counter: levels fall, and two of a level are merged into the next
    whole = len(x) // BLOCK * BLOCK
    for start in range(0, whole, BLOCK):
        level, carry = 0, _block_sums(x[start : start + BLOCK], order)
        while tree and tree[-1][0] == level:
            carry, level = _merged(tree.pop()[1], carry), level + 1
        tree.append((level, carry))
    total = _block_sums(x[whole:], order) if len(x) > whole else Sums()
    while tree:
        total = _merged(tree.pop()[1], total)
    return _merged(Sums(), total)


def moments(x: Any, axis: Any = None, order: int = 4) -> dict[str, Any]:
    """As `fastinit.moments`, as a dict."""
    if axis is None:
        rows, shape = [np.asarray(x).ravel()], ()
    else:
        axes = np.lib.array_utils.normalize_axis_tuple(axis, np.ndim(x))
        moved = np.moveaxis(np.asarray(x), axes, range(-len(axes), 0))
        shape = moved.shape[: np.ndim(x) - len(axes)]
        rows = list(moved.reshape(prod(shape), -1))
    s = Sums(*(np.array(column).reshape(shape) for column in zip(*(sums(row, order) for row in rows), strict=True)))
    total = s.count + s.nonfinite
    with np.errstate(divide="ignore", invalid="ignore"):
        valid = np.where((s.nonfinite == 0) & (total > 0), 1.0, np.nan)
        variance = np.maximum(s.m2, 0) / s.count * valid
        spread = np.where(s.m2 > 0, s.m2, np.nan) * valid
        return {
            "count": total,
            "mean": np.where(s.nonfinite == 0, s.mean * valid, s.nonfinite_sum),
            "variance": variance,
            "std": np.sqrt(variance),
            "skewness": np.sqrt(s.count) * s.m3 / spread / np.sqrt(spread) if order == 4 else None,
            "kurtosis": s.count * s.m4 / spread / spread if order == 4 else None,
            "minimum": np.where(total > 0, s.minimum, np.nan),
            "maximum": np.where(total > 0, s.maximum, np.nan),
            "zeros": s.zeros,
            "nonfinite": s.nonfinite,
        }
