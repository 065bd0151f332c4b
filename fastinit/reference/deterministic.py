"""Arrays without random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..layout import checked_shape
from .placing import dtype_of, placed
from .widths import Array


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
    middle = kernel[tuple(slice(length // 2, length // 2 + 1) for length in kernel.shape[:-2])]
    channels = middle.shape[-1] // groups
    for group in range(groups):
        for d in range(min(channels, middle.shape[-2])):
            middle[..., d, group * channels + d] = 1.0
    return _fixed(values, common)


def _fixed(values: Array, common: dict[str, Any]) -> Any:
    return placed(values, dtype_of(common), common)
