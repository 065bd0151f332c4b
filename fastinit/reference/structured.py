"""Arrays whose elements depend on each other: orthogonal and sparse."""

from __future__ import annotations

from math import ceil, prod
from typing import Any

import numpy as np

from ..layout import checked_shape
from ..scaling import fan_pair
from ..stream import seed_number
from .cipher import stream_key, words
from .laws import normal, values_of
from .placing import dtype_of, placed, precision_of
from .widths import Array


def orthogonal(
    shape: Any, *, gain: float = 1.0, in_axis: Any = -2, out_axis: Any = -1, batch_axis: Any = (), **common: Any
) -> Any:
    """As `fastinit.orthogonal`: the same random numbers, reflected by one at a time."""
    lengths, real = checked_shape(shape), precision_of(common)
    fan_pair(lengths, in_axis, out_axis, batch_axis)
    columns, batch = (np.lib.array_utils.normalize_axis_tuple(axes, len(lengths)) for axes in (out_axis, batch_axis))
    order = (*batch, *(axis for axis in range(len(lengths)) if axis not in (*batch, *columns)), *columns)
    if not prod(lengths):
        return placed(np.empty(lengths, real), dtype_of(common), common)
    moved: Array = np.empty(lengths, real).transpose(order)
    count, width = (prod(lengths[axis] for axis in axes) for axes in (batch, columns))
    height = prod(lengths) // (count * width)
    key = stream_key(seed_number(common.get("seed")), "orthogonal", common.get("name", ""))
    normals = values_of("normal", key, prod(lengths), real, (0.0, 1.0)).reshape(count, min(height, width), -1)
    matrices = np.array([_reflected(x) for x in normals]).reshape(count, max(height, width), min(height, width))
    moved[...] = (gain * (matrices if height >= width else matrices.mT)).reshape(moved.shape)
    return placed(moved.transpose(np.argsort(order)), dtype_of(common), common)


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
    values = np.zeros(shape, precision_of(common))
    if not values.size:
        return placed(values, dtype_of(common), common)
    kernel = np.moveaxis(values, (in_axis, out_axis), (-2, -1))
    middle = kernel[tuple((length - 1) // 2 for length in kernel.shape[:-2])]
    plain = {key: common[key] for key in ("seed", "name") if key in common}
    middle[...] = orthogonal(middle.shape, gain=gain, dtype=values.dtype.name, **plain)
    return placed(values, dtype_of(common), common)


def sparse(shape: Any, sparsity: float, std: float = 0.01, **common: Any) -> Any:
    """As `fastinit.sparse`: zeros where a column's words are least."""
    rows, columns = checked_shape(shape)
    plain = {"seed": seed_number(common.get("seed")), "name": common.get("name", "")}
    values = normal(shape, 0.0, std, dtype=precision_of(common), **plain)
    ranks = words(stream_key(plain["seed"], "sparse", plain["name"]), 0, 0, rows * columns).reshape(columns, rows)
    for column, order in enumerate(np.argsort(ranks, axis=1, kind="stable")):
        values[order[: ceil(sparsity * rows)], column] = 0
    return placed(values, dtype_of(common), common)
