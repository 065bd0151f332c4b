"""The laws: normal, uniform and truncated normal, from the words of a key."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..layout import checked_shape
from ..scaling import normal_interval
from ..stream import seed_number
from .cipher import stream_key, words
from .placing import dtype_of, placed, precision_of
from .reals import normal_pairs, open32, open64, quantile32, quantile64
from .rounding import fma32
from .widths import F32, F64, U32, U64, Array


def values_of(law: str, key: bytes, count: int, real: type, arguments: tuple[float, ...]) -> Array:
    """The first `count` values of a law under a key."""
    rounded = -(-count // 32) * 32
    return values_of_words(law, words(key, 0, 0, rounded), words(key, 1, 0, rounded), real, arguments)[:count]


def values_of_words(law: str, w: Array, x: Array, real: type, arguments: tuple[float, ...]) -> Array:
    """The values that a law makes of whole tiles of main and fine words."""
    laws: dict[str, Callable[..., Array]] = {"normal": _normal, "uniform": _uniform, "truncated": _truncated}
    return laws[law](w, x, real, *arguments)


def _moved(z: Array, scale: float, shift: float, real: type) -> Array:
    return fma32(z, F32(scale), F32(shift)) if real is F32 else z * scale + shift


def _ceiling(x: float, real: type) -> float:
    """The least number of that precision not below x."""
    return float(real(x) if float(real(x)) >= x else np.nextafter(real(x), real(np.inf)))


def _normal(w: Array, x: Array, real: type, mean: float, std: float) -> Array:
    return _moved(normal_pairs(w.reshape(-1, 32), x.reshape(-1, 32), real).ravel(), std, mean, real)


def _uniform(w: Array, x: Array, real: type, low: float, high: float) -> Array:
    if low == high:
        return np.full(w.shape, low, real) + real(0)  # of both zeros the one without a sign
    least = _ceiling(low, real)
    if real is F32:
        value = fma32((w >> U32(8)).astype(F32) * F32(2**-24), F32(high - low), F32(least))
    else:
        n = w.astype(U64) << U64(21) | (x >> U32(12) << U32(1) | x & U32(1)).astype(U64)
        value = n.astype(F64) * 2.0**-53 * (high - low) + least
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


def _shaped(law: str, shape: Any, arguments: tuple[float, ...], common: dict[str, Any]) -> Any:
    """A law in an array, made whole and cut."""
    lengths = checked_shape(shape)
    key = stream_key(seed_number(common.get("seed")), law, common.get("name", ""))
    values = values_of(law, key, prod(lengths), precision_of(common), tuple(map(float, arguments)))
    return placed(values.reshape(lengths), dtype_of(common), common)


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
