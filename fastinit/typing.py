"""Types for annotations: of arguments that many functions take, and of what they return."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import Any, Literal, NoReturn, SupportsIndex, TypeAlias

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray

from .layout import Flat

Array: TypeAlias = NDArray[Any]
#: Of keywords that there are none of.
Never: TypeAlias = NoReturn
#: A shape: an integer or a sequence of integers.
Shape: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
#: One axis or several.
Axes: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
#: An integer in [0, 2**128), or the entropy of a SeedSequence; None takes entropy from the system.
Seed: TypeAlias = SupportsIndex | SeedSequence | None

Float32: TypeAlias = Literal["float32"] | type[np.float32] | np.dtype[np.float32]
Float64: TypeAlias = Literal["float64"] | type[np.float64] | type[float] | np.dtype[np.float64]
Float16: TypeAlias = Literal["float16"] | type[np.float16] | np.dtype[np.float16]
#: That of ml_dtypes, which has no types for annotations.
BFloat16: TypeAlias = Literal["bfloat16"]
DType: TypeAlias = Float32 | Float64 | Float16 | BFloat16 | np.dtype[Any] | type[Any] | None

_Entry: TypeAlias = SupportsIndex | slice | EllipsisType | None
#: A basic index, or a range of the flattened array.
Index: TypeAlias = _Entry | tuple[_Entry, ...] | Flat

#: Where values go: an array, or a list of them where the index is a list.
Out: TypeAlias = Array | Sequence[Array | None] | None

Mode: TypeAlias = Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]
Distribution: TypeAlias = Literal["normal", "truncated_normal", "uniform"]
