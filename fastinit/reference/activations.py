"""Activations and their slopes, with the bits of the core in either precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from .elementary import NARROW, WIDE, Elementary, and_pair, exact_sum, ordered_sum
from .widths import F32, F64, Array

Both = tuple[Array, Array]


class _Activations(Elementary):
    """Each as a method: phi and its slope, of an array."""

    def linear(self, x: Array, above: float, below: float) -> Both:
        return x.copy(), np.ones_like(x)

    def relu(self, x: Array, above: float, below: float) -> Both:
        return np.where(x < 0, self.number(0), x), (x > 0).astype(x.dtype)

    def leaky_relu(self, x: Array, above: float, below: float) -> Both:
        slope = self.number(below)
        return np.where(x > 0, x, slope * x), np.where(x > 0, self.number(1), slope)

    def elu(self, x: Array, above: float, below: float) -> Both:
        b, one = self.held(x, "sigmoid"), self.number(1)
        e = self.exp(np.where(b > 0, self.number(0), b))
        high, low = ordered_sum(e.scale - one, e.scale * e.r)
        high, low = ordered_sum(high, self.fma(e.scale, e.curve, low))
        value = self.number(below) * high + self.number(below) * low
        slope = self.lowered(self.number(below) * (one + e.more), e.lifted)
        return np.where(x > 0, self.number(above) * x, value), np.where(x > 0, self.number(above), slope)

    def gelu(self, x: Array, above: float, below: float) -> Both:
        number, half = self.number, self.number(0.5)
        b = self.held(x, "gelu")
        a = np.abs(b)
        c, c_low = map(number, self.real.density)
        square, square_low = self.product(a, a)
        e = self.exp(-half * square, half * square_low)
        tail, inverse = self.tail(a)
        high, low = self.quotient(self.pair_product(self.significand(e), tail), inverse)
        upper, product = high + low, self.fma(b, high, b * low)
        middle, middle_low = self.product(b, c)
        high, low = ordered_sum(half, middle)
        curve = self.fma(square, self.polynomial(square, self.real.middle), c_low)
        near = high + (low + self.fma(b, curve, middle_low))
        is_near, up = a < 1, x > 0
        whole = is_near | up
        share = np.where(is_near, near, np.where(up, self.fma(-upper, e.scale, number(1)), upper))
        density = self.fma(c, e.more, c) * np.where(whole, e.scale, number(1))
        lifted = np.where(whole, number(2.0**self.real.lift), e.lifted)
        value = np.where(whole, x * share, self.lowered(product, e.lifted))
        return value, self.lowered(self.fma(b, density, share), lifted)

    @property
    def _lowered_one(self) -> Any:
        return self.number(2.0**-self.real.lift)

    def _gated(self, x: Array, a: Array, steep: Any, y: Both) -> Both:
        one, low = self.number(1), self._lowered_one
        rest = y[0] * y[1]
        share, product = y[0] + rest, self.fma(a, y[0], a * rest)
        slope = share * self.fma(a * steep, self.fma(share, low, -one), one) * low
        return np.where(x < 0, self.number(0), x) - product * low, np.where(x < 0, slope, one - slope)

    def gelu_tanh(self, x: Array, above: float, below: float) -> Both:
        a = np.abs(self.held(x, "gelu_tanh"))
        c, c_low, d, d_low = map(self.number, self.real.cubic)
        cubic, cubic_low = self.pair_product((d, d_low), self.product(a, a))
        high, low = exact_sum(c, cubic)
        v, v_low = self.pair_product((high, low + (c_low + cubic_low)), (a, self.number(0)))
        return self._gated(x, a, self.fma(self.number(3) * d, a * a, c), self.logistic(v, -v_low))

    def silu(self, x: Array, above: float, below: float) -> Both:
        a = np.abs(self.held(x, "sigmoid"))
        return self._gated(x, a, self.number(1), self.logistic(a))

    def sigmoid(self, x: Array, above: float, below: float) -> Both:
        value, change = self.logistic(np.abs(self.held(x, "sigmoid")))
        share, low = self.fma(value, change, value), self._lowered_one
        least = share * low
        return np.where(x < 0, least, self.number(1) - least), self.fma(-share, least, share) * low

    def mish(self, x: Array, above: float, below: float) -> Both:
        number, up = self.number, x > 0
        b, base = self.held(x, "sigmoid"), np.where(x > 0, number(1), number(2))
        e = self.exp(-np.abs(b))
        m = self.significand(e)
        power, power_low = self.times(m, e.scale)
        product = self.pair_product(m, and_pair(base, (power, power_low)))
        part, part_low = self.times(product, np.where(up, number(2) * e.scale, e.scale))
        d, d_low = exact_sum(base, part)
        n, n_low = exact_sum(number(1), number(2) * power)
        n, n_low = np.where(up, n, product[0]), np.where(up, n_low + number(2) * power_low, product[1])
        inverse = self.inverse((d, d_low + part_low))
        share, lifted = np.add(*self.quotient((n, n_low), inverse)), np.where(up, number(2.0**self.real.lift), e.lifted)
        bend = np.where(up, power * power, m[0]) * (number(1) + power) * (inverse[0] * inverse[0])
        value = np.where(up, x * share, self.lowered(b * share, lifted))
        return value, self.lowered(self.fma(number(4) * b, bend, share), lifted)

    def tanh(self, x: Array, above: float, below: float) -> Both:
        number, low = self.number, self._lowered_one
        a = np.abs(x)
        value, change = self.logistic(np.abs(self.held(a + a, "tanh")))
        rest = value * change
        share = value + rest
        tanh = self.fma(number(-2) * low, rest, self.fma(number(-2) * low, value, number(1)))
        return np.copysign(tanh, x), self.fma(-share, share * low, share) * (number(4) * low)

    def softplus(self, x: Array, above: float, below: float) -> Both:
        value, change = self.logistic(np.abs(self.held(x, "sigmoid")))
        log = self.log1p(*self.times(ordered_sum(value, value * change), -self._lowered_one))
        return np.where(x < 0, self.number(0), x) - log, self.sigmoid(x, above, below)[0]

    def erf(self, x: Array, above: float, below: float) -> Both:
        number = self.number
        a = np.abs(self.held(x, "erf"))
        root, curved, first, c = map(number, self.real.root)
        square, square_low = self.product(a, a)
        e = self.exp(-square, square_low)
        (tail, _), (value, _) = self.tail(a * root)
        beyond = number(1) - number(2) * ((number(1) + e.more) * e.scale * value * tail)
        curve = curved * square * self.polynomial(number(2) * square, self.real.middle)
        erf = np.where(a < 1, a + a * (first + curve), beyond)
        return np.copysign(erf, x), self.lowered(self.fma(c, e.more, c), e.lifted)

    def sin(self, x: Array, above: float, below: float) -> Both:
        rest, turns = self.quarters(np.abs(x))
        return self.sine(rest, turns + 2 * np.signbit(x)), self.sine(rest, turns + 1)

    def softsign(self, x: Array, above: float, below: float) -> Both:
        one, far = self.number(1), self.number(2.0**100)
        b, a = np.clip(x, -far, far), np.abs(x)
        value, change = self.inverse(exact_sum(one, a))
        inverse = np.where(a < self.number(2.0**60), self.fma(value, change, value), value)
        return b / (one + np.abs(b)), inverse * inverse

    def abs(self, x: Array, above: float, below: float) -> Both:
        return np.abs(x), np.where((x != 0) & (x == x), np.copysign(self.number(1), x), x)

    def relu2(self, x: Array, above: float, below: float) -> Both:
        positive = np.where(x < 0, self.number(0), x)
        return positive * positive, self.number(2) * positive


_BOTH = {F32: _Activations(NARROW), F64: _Activations(WIDE)}


@np.errstate(all="ignore")
def activated(name: str, x: Array, above: float = 1.0, below: float = 0.0) -> Both:
    """phi(x) and phi'(x) of float32 or float64."""
    values = _BOTH[F32 if x.dtype == F32 else F64]
    value, slope = getattr(values, name)(x, above, below)
    return value, slope
