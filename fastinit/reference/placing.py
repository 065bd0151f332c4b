"""What every law is asked for: a dtype, the part that `index` names, `out`."""

from __future__ import annotations

from typing import Any

from ..layout import Flat
from .rounding import to_bfloat16
from .widths import F32, F64, Array


def dtype_of(common: dict[str, Any]) -> str:
    """The name of the dtype that is asked for, however it is spelt."""
    dtype = common.get("dtype", "float32")
    return str(getattr(dtype, "name", getattr(dtype, "__name__", dtype)))


def precision_of(common: dict[str, Any]) -> type:
    """The precision that values of that dtype are computed in."""
    return F64 if dtype_of(common) == "float64" else F32


def placed(values: Array, dtype: str, common: dict[str, Any]) -> Any:
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
