"""exp, log, sine, cosine and the normal law of one precision, in pairs of numbers, from polynomials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .rounding import fma32, fma64
from .widths import F32, F64, Array

Pair = tuple[Array, Array]


class Real(NamedTuple):
    """What a precision has: its dtype and that of its bits, numbers, and coefficients from the lowest on."""

    kind: Any
    bits: Any
    fraction: int
    bias: int
    magic: float
    lift: int
    log2e: float
    ln2: tuple[float, float]
    exp: str
    log1p: str
    middle: str
    tail: str
    tail_centre: float
    tail_first: tuple[str, str]
    sin: str
    cos: str
    per_quarter: str
    quarter: str
    few_turns: float
    held: dict[str, float]
    density: tuple[str, str]
    cubic: tuple[str, str, str, str]
    root: tuple[str, str, str, str]


NARROW = Real(
    kind=F32,
    bits=np.uint32,
    fraction=23,
    bias=127,
    magic=1.5 * 2.0**23,
    lift=64,
    log2e=float.fromhex("0x1.715476p+0"),
    ln2=(float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cp-20")),
    exp="0x1p-1 0x1.5554dcp-3 0x1.5555p-5 0x1.120c8ep-7 0x1.6d30d2p-10",
    log1p="0x1.555556p-1 0x1.999868p-2 0x1.24d704p-2 0x1.bb3dc2p-3 0x1.e0e71p-3",
    middle="-0x1.105838p-4 0x1.46d038p-7 -0x1.37386ep-10 0x1.e2c302p-14 -0x1.30297ap-17 0x1.fa4226p-22",
    tail=(
        "-0x1.04c72ap-1 0x1.d71386p-3 -0x1.832ca6p-5 -0x1.56d656p-7 0x1.c8aae2p-8 0x1.0c99aep-10 -0x1.0dfa98p-10 "
        "-0x1.feec6ep-13 0x1.0ea6c8p-13 0x1.bccde6p-15"
    ),
    tail_centre=3.0,
    tail_first=("0x1.754a76p-1", "-0x1.c6491ap-26"),
    sin="-0x1.555556p-3 0x1.111198p-7 -0x1.a08322p-13 0x1.877deep-19",
    cos="0x1.555554p-5 -0x1.6c129cp-10 0x1.9bc64ep-16",
    per_quarter="0x1.45f306p-1",
    quarter="0x1.921fb6p+0 -0x1.777a5cp-25 -0x1.ee59dap-50",
    few_turns=2.0**16,
    held={"sigmoid": 110, "tanh": 112, "gelu": 14.7, "gelu_tanh": 11, "erf": 10.5},
    density=("0x1.988454p-2", "-0x1.857936p-27"),
    cubic=("0x1.988454p+0", "-0x1.857936p-25", "0x1.2444f2p-4", "0x1.49b16ap-29"),
    root=("0x1.6a09e6p+0", "0x1.6a09e6p+2", "0x1.06eba8p-3", "0x1.20dd76p+0"),
)

WIDE = Real(
    kind=F64,
    bits=np.uint64,
    fraction=52,
    bias=1023,
    magic=1.5 * 2.0**52,
    lift=512,
    log2e=float.fromhex("0x1.71547652b82fep+0"),
    ln2=(float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")),
    exp=(
        "0x1p-1 0x1.5555555555557p-3 0x1.5555555554368p-5 0x1.111111111002ep-7 0x1.6c16c17738db2p-10 "
        "0x1.a01a01ac3903ap-13 0x1.a019bc7d94c17p-16 0x1.71de014941736p-19 0x1.288e8e7134f2cp-22 "
        "0x1.af4fac011c7eep-26"
    ),
    log1p=(
        "0x1.5555555555555p-1 0x1.999999999a257p-2 0x1.24924923e21cp-2 0x1.c71c726a177dcp-3 "
        "0x1.745cf1b47cbdfp-3 0x1.3b189ce8ea464p-3 0x1.10ad8ee937004p-3 0x1.eb7f63175e669p-4 "
        "0x1.68c27a4195d47p-4 0x1.4ac9a2c05ef5ap-3"
    ),
    middle=(
        "-0x1.1058377e2ceep-4 0x1.46d042976906bp-7 -0x1.37403f6b92979p-10 0x1.e42b0d4afc281p-14 "
        "-0x1.3ce8f9dc5169dp-17 0x1.6589ffc491ab6p-21 -0x1.621f5108fde41p-25 0x1.3849adaf3c3d7p-29 "
        "-0x1.ed6b6125b7ad7p-34 0x1.516148791af71p-38 -0x1.3b12ae25ef07fp-43"
    ),
    tail=(
        "-0x1.373e3a893c28ap-1 0x1.8c6dbf2cfc2b2p-2 -0x1.7dff2bff683bcp-3 0x1.eec4cc3e4d675p-5 -0x1.ee276104785dp-8 "
        "-0x1.c81719d59e7f8p-9 0x1.ab825fbfa7c83p-10 0x1.17a4ae6bfb418p-13 -0x1.e4a4252069ce3p-13 "
        "-0x1.001eb221ee50cp-19 0x1.26d0939c56c9fp-15 0x1.80b802e54ee0bp-21 -0x1.8d4a83c2b531ep-18 "
        "-0x1.51f51c3aae41dp-21 0x1.12311339b4455p-20 0x1.2374713d0efc5p-22 -0x1.4ca3bf6b35e28p-23 "
        "-0x1.6d0cc75b61328p-24 0x1.c988f522a7d24p-27 0x1.4c844ae0736b5p-26 0x1.fa41c7abc05b5p-30 "
        "-0x1.509432be992d8p-29 -0x1.7d5014b298915p-31"
    ),
    tail_centre=4.0,
    tail_first=("0x1.82b4bb8c94dcep-1", "-0x1.a3a3926e48abep-56"),
    sin=(
        "-0x1.5555555555555p-3 0x1.1111111110c7fp-7 -0x1.a01a019ea0128p-13 0x1.71de37b040fabp-19 "
        "-0x1.ae601f5cf1b6ap-26 0x1.5e10f46459c91p-33"
    ),
    cos=(
        "0x1.5555555555555p-5 -0x1.6c16c16c168cap-10 0x1.a01a019f3824ep-16 -0x1.27e4fa02b1dfap-22 "
        "0x1.1eeb578a27a15p-29 -0x1.907344329409cp-37"
    ),
    per_quarter="0x1.45f306dc9c883p-1",
    quarter="0x1.921fb54442d18p+0 0x1.1a62633145c07p-54 -0x1.f1976b7ed8fbcp-110",
    few_turns=2.0**20,
    held={"sigmoid": 760, "tanh": 760, "gelu": 38.9, "gelu_tanh": 22, "erf": 27.6},
    density=("0x1.9884533d43651p-2", "-0x1.cbc0d30ebfd15p-56"),
    cubic=("0x1.9884533d43651p+0", "-0x1.cbc0d30ebfd15p-54", "0x1.2444f2a4d8b4bp-4", "-0x1.6c843a29d1c7p-61"),
    root=("0x1.6a09e667f3bcdp+0", "0x1.6a09e667f3bcdp+2", "0x1.06eba8214db69p-3", "0x1.20dd750429b6dp+0"),
)


class Exponential(NamedTuple):
    """exp(t) = (1 + r + curve) scale; lifted is scale 2^lift."""

    r: Array
    curve: Array
    scale: Array
    lifted: Array

    @property
    def more(self) -> Array:
        return self.r + self.curve


class Elementary:
    """The functions of one precision, of arrays. Numbers are of the precision before they meet an array."""

    def __init__(self, real: Real) -> None:
        self.real = real
        self.fma: Callable[[Any, Any, Any], Array] = fma32 if real.kind is F32 else fma64

    def number(self, value: Any) -> Any:
        return self.real.kind(float.fromhex(value) if isinstance(value, str) else value)

    def polynomial(self, x: Array, terms: str) -> Array:
        coefficients = [self.number(term) for term in terms.split()]
        if self.real.kind is F32:
            return self._horner(x, coefficients)
        square = x * x
        return self.fma(self._horner(square, coefficients[1::2]), x, self._horner(square, coefficients[::2]))

    def _horner(self, x: Array, coefficients: list[Any]) -> Array:
        value = np.full_like(x, coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            value = self.fma(value, x, coefficient)
        return value

    def product(self, a: Array, b: Any) -> Pair:
        product = a * b
        return product, self.fma(a, b, -product)

    def pair_product(self, a: Pair, b: Pair) -> Pair:
        high, low = self.product(a[0], b[0])
        return high, low + self.fma(a[0], b[1], a[1] * b[0])

    def times(self, a: Pair, power_of_two: Array) -> Pair:
        return a[0] * power_of_two, a[1] * power_of_two

    def inverse(self, d: Pair) -> Pair:
        """value and change: one over a pair is value (1 + change)."""
        value = self.number(1) / d[0]
        return value, self.fma(-d[1], value, self.fma(-d[0], value, self.number(1)))

    def quotient(self, n: Pair, d: Pair) -> Pair:
        high, low = self.product(n[0], d[0])
        return high, self.fma(high, d[1], self.fma(n[1], d[0], low))

    def held(self, x: Array, name: str) -> Array:
        most = self.number(self.real.held[name])
        return np.copysign(np.where(np.abs(x) > most, most, np.abs(x)), x)

    def exp(self, t: Array, less: Any = 0.0, sign: int = 1) -> Exponential:
        """Lifted, or lowered by a `sign` of -1."""
        real, number = self.real, self.number
        magic = number(real.magic + real.bias + sign * real.lift)
        shifted = self.fma(t, number(real.log2e), magic)
        k = shifted - magic
        r = self.fma(-k, number(real.ln2[1]), self.fma(-k, number(real.ln2[0]), t)) - number(less)
        curve = r * r * self.polynomial(r, real.exp)
        lifted = (shifted.view(real.bits) << real.bits(real.fraction)).view(real.kind)
        return Exponential(r, curve, lifted * number(2.0**-real.lift), lifted)

    def lowered(self, significand: Array, lifted: Any) -> Array:
        return significand * lifted * self.number(2.0**-self.real.lift)

    def significand(self, e: Exponential) -> Pair:
        high = self.number(1) + e.more
        return high, ((self.number(1) - high) + e.r) + e.curve

    def logistic(self, t: Array, less: Any = 0.0) -> Pair:
        e, one = self.exp(t, less, -1), self.number(1)
        powers = e.lifted + self.number(2.0**-self.real.lift)
        value = one / self.fma(e.lifted, e.more, powers)
        part = e.lifted * value
        return value, self.fma(-e.curve, part, self.fma(-e.r, part, self.fma(-powers, value, one)))

    def log1p(self, f: Array, low: Array) -> Array:
        s = f / (self.number(2) + f)
        z, half_square = s * s, self.number(0.5) * f * f
        bend = self.fma(z, self.polynomial(z, self.real.log1p), half_square)
        return f - (half_square - self.fma(s, bend, low))

    def tail(self, a: Array) -> tuple[Pair, Pair]:
        number, real = self.number, self.real
        centre, (first, *terms) = number(real.tail_centre), real.tail.split()
        inverse = self.inverse(exact_sum(a, centre))
        nearly = (a - centre) * inverse[0]
        t = self.fma(nearly, inverse[1], nearly)
        slope, slope_low = exact_sum(number(first), t * self.polynomial(t, " ".join(terms)))
        rest, rest_low = self.product(t, slope)
        high, low = exact_sum(number(real.tail_first[0]), rest)
        return (high, low + (number(real.tail_first[1]) + self.fma(t, slope_low, rest_low))), inverse

    def quarters(self, a: Array) -> tuple[Array, Array]:
        """What is left of angles beside quarter turns, and the turns."""
        magic = self.number(self.real.magic)
        k = self.fma(a, self.number(self.real.per_quarter), magic) - magic
        rest = a
        for part in self.real.quarter.split():
            rest = self.fma(-k, self.number(part), rest)
        far = ~(a <= self.number(self.real.few_turns))
        turns = np.where(far, 0, k).astype(np.int64)
        for i in np.ndindex(a.shape):
            if far[i]:
                rest[i], turns[i] = _many_turns(float(a[i]))
        return rest, turns

    def sine(self, rest: Array, turns: Array) -> Array:
        z, one = rest * rest, self.number(1)
        sine = self.fma(rest * z, self.polynomial(z, self.real.sin), rest)
        cosine = self.fma(z, self.fma(z, self.polynomial(z, self.real.cos), self.number(-0.5)), one)
        value = np.where(turns & 1, cosine, sine)
        return np.where(turns & 2, -value, value)


def exact_sum(a: Any, b: Any) -> Pair:
    """a + b and the part that rounding it lost."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def ordered_sum(a: Any, b: Any) -> Pair:
    """The same where a is the larger."""
    total = a + b
    return total, (a - total) + b


def and_pair(a: Any, b: Pair) -> Pair:
    high, low = ordered_sum(a, b[0])
    return high, low + b[1]


#: 2^1280 times 2 / pi.
_TWO_OVER_PI = int(
    "a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921c"
    "fe1deb1cb129a73ee88235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980f"
    "ef2f118b5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d08"
    "56033046fc7b6babf0cfbc209af4361d",
    16,
)


def _many_turns(x: float) -> tuple[float, int]:
    """By integers: 192 bits of m 2 / pi, from the one that counts two turns on."""
    if not np.isfinite(x):
        return np.nan, 0
    bits = int(np.float64(x).view(np.uint64))
    m, first = (bits & (1 << 52) - 1) | 1 << 52, (bits >> 52) - 1075 - 2
    product = m * (_TWO_OVER_PI >> 1280 - 192 - first & (1 << 192) - 1) % (1 << 192)
    turns, part = product >> 190, (product << 2) % (1 << 192)
    back = part >> 191
    part = (1 << 192) - part if back else part
    zeros = 0 if part >> 160 else 1 if part >> 128 else 2
    top = part >> 192 - 53 - 32 * zeros
    after = (part >> 192 - 106 - 32 * zeros if 106 + 32 * zeros <= 192 else part) & (1 << 53) - 1
    a, b = float(top) * 2.0 ** (-53 - 32 * zeros), float(after) * 2.0 ** (-106 - 32 * zeros)
    quarter, quarter_low = float.fromhex("0x1.921fb54442d18p+0"), float.fromhex("0x1.1a62633145c07p-54")
    high = a * quarter
    rest = high + (float(fma64(a, quarter, -high)) + (a * quarter_low + b * quarter))
    return -rest if back else rest, turns + back
