"""Schemes: laws whose deviation follows from the fans of a shape."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

from ..layout import checked_shape
from ..scaling import TRUNCATED_STD, fan_pair
from .laws import normal, truncated_normal, uniform


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


#: One row a scheme: scale, mode, distribution.
ROWS = {
    "lecun_normal": (1.0, "fan_in", "normal"),
    "lecun_uniform": (1.0, "fan_in", "uniform"),
    "glorot_normal": (1.0, "fan_avg", "normal"),
    "glorot_uniform": (1.0, "fan_avg", "uniform"),
    "he_normal": (2.0, "fan_in", "normal"),
    "he_uniform": (2.0, "fan_in", "uniform"),
    "xavier_normal": (1.0, "fan_avg", "normal"),
    "xavier_uniform": (1.0, "fan_avg", "uniform"),
    "kaiming_normal": (2.0, "fan_in", "normal"),
    "kaiming_uniform": (2.0, "fan_in", "uniform"),
}
SCHEMES = {name: _scheme(*row) for name, row in ROWS.items()}


def small_normal(shape: Any, std: float = 0.01, **common: Any) -> Any:
    """As `fastinit.small_normal`."""
    return normal(shape, 0.0, std, **common)
