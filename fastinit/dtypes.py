"""Dtypes that weights can have, and what each is computed in."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from ._core import USUAL_DTYPE, dtype_for
from .arguments import choice
from .missing import missing

_BFLOAT16 = 3
#: Their names, as NumPy has them.
NAMES = ("float16", "float32", "float64", "bfloat16")


class Kind(NamedTuple):
    """A dtype that weights can have: its number in C, itself, the dtype it is computed in, and its greatest number."""

    code: int
    dtype: np.dtype[Any]
    real: type[np.floating[Any]]
    greatest: float

    @property
    def name(self) -> str:
        """That of the dtype, however its items are seen."""
        return "bfloat16" if self.code == _BFLOAT16 else self.dtype.name


_KINDS = {
    "float32": Kind(0, np.dtype(np.float32), np.float32, float(np.finfo(np.float32).max)),
    "float64": Kind(1, np.dtype(np.float64), np.float64, float(np.finfo(np.float64).max)),
    "float16": Kind(2, np.dtype(np.float16), np.float32, float(np.finfo(np.float16).max)),
}

#: bfloat16 in items that NumPy takes for integers, for arrays of a library that has bfloat16 itself.
BFLOAT16_BITS = Kind(_BFLOAT16, np.dtype(np.int16), np.float32, float.fromhex("0x1.fep127"))


def kind_of(dtype: Any) -> Kind:
    """The kind of a dtype given by name, type or dtype object, or itself; bfloat16 by name needs ml_dtypes."""
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", dtype)
    if isinstance(name, str) and name in _KINDS:
        return _KINDS[name]
    if isinstance(dtype, Kind):
        return dtype
    if not isinstance(name, str) or name != "bfloat16":
        if not isinstance(dtype, (np.ndarray, np.generic)):  # a value has a dtype, and is none
            with suppress(TypeError, ValueError):  # the second of a string that is no text
                known = np.dtype(dtype)
                name = known.name if known.isnative else known.str
        choice("dtype", name, NAMES)
    if name in _KINDS:
        return _KINDS[name]
    try:
        from ml_dtypes import bfloat16
    except ImportError as error:
        raise missing("`dtype` bfloat16", "ml_dtypes", "bfloat16") from error
    _KINDS["bfloat16"] = BFLOAT16_BITS._replace(dtype=np.dtype(bfloat16))
    return _KINDS["bfloat16"]


def kind_for(dtype: Any, out: Any) -> Kind:
    """The kind of `dtype`; where that is None, of `out`; float32 where that is None too."""
    return kind_of(dtype_for(dtype, out, USUAL_DTYPE))
