from collections.abc import Sequence
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from ..typing import Array, DType, Float16, Float32, Float64, Index, Seed, Shape

Real = TypeVar("Real", bound=np.floating[Any])
Given = TypeVar("Given", bound=Array)

@overload
def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, seed: Seed = None, name: str = "",
    dtype: Float32 = "float32", index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, seed: Seed = None, name: str = "", dtype: Float64,
    index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, seed: Seed = None, name: str = "", dtype: Float16,
    index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, seed: Seed = None, name: str = "",
    dtype: type[Real] | np.dtype[Real], index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, seed: Seed = None, name: str = "", dtype: DType,
    index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, seed: Seed = None, name: str = "", dtype: DType = "float32",
    index: Index = None, out: Given, threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, seed: Seed = None, name: str = "", dtype: DType = "float32",
    index: list[Index], out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, seed: Seed = None, name: str = "",
    dtype: Float32 = "float32", index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, seed: Seed = None, name: str = "", dtype: Float64,
    index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, seed: Seed = None, name: str = "", dtype: Float16,
    index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, seed: Seed = None, name: str = "",
    dtype: type[Real] | np.dtype[Real], index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, seed: Seed = None, name: str = "", dtype: DType,
    index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, seed: Seed = None, name: str = "", dtype: DType = "float32",
    index: Index = None, out: Given, threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, seed: Seed = None, name: str = "", dtype: DType = "float32",
    index: list[Index], out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def truncated_normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, *, seed: Seed = None,
    name: str = "", dtype: Float32 = "float32", index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def truncated_normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, *, seed: Seed = None,
    name: str = "", dtype: Float64, index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def truncated_normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, *, seed: Seed = None,
    name: str = "", dtype: Float16, index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def truncated_normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, *, seed: Seed = None,
    name: str = "", dtype: type[Real] | np.dtype[Real], index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def truncated_normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, *, seed: Seed = None,
    name: str = "", dtype: DType, index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def truncated_normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, *, seed: Seed = None,
    name: str = "", dtype: DType = "float32", index: Index = None, out: Given, threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def truncated_normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, *, seed: Seed = None,
    name: str = "", dtype: DType = "float32", index: list[Index], out: Sequence[Array | None] | None = None,
    threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def small_normal(
    shape: Shape, std: float = 0.01, *, seed: Seed = None, name: str = "", dtype: Float32 = "float32",
    index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def small_normal(
    shape: Shape, std: float = 0.01, *, seed: Seed = None, name: str = "", dtype: Float64, index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def small_normal(
    shape: Shape, std: float = 0.01, *, seed: Seed = None, name: str = "", dtype: Float16, index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def small_normal(
    shape: Shape, std: float = 0.01, *, seed: Seed = None, name: str = "", dtype: type[Real] | np.dtype[Real],
    index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def small_normal(
    shape: Shape, std: float = 0.01, *, seed: Seed = None, name: str = "", dtype: DType, index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def small_normal(
    shape: Shape, std: float = 0.01, *, seed: Seed = None, name: str = "", dtype: DType = "float32",
    index: Index = None, out: Given, threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def small_normal(
    shape: Shape, std: float = 0.01, *, seed: Seed = None, name: str = "", dtype: DType = "float32",
    index: list[Index], out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def constant(
    shape: Shape, value: float, *, seed: Seed = None, name: str = "", dtype: Float32 = "float32", index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def constant(
    shape: Shape, value: float, *, seed: Seed = None, name: str = "", dtype: Float64, index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def constant(
    shape: Shape, value: float, *, seed: Seed = None, name: str = "", dtype: Float16, index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def constant(
    shape: Shape, value: float, *, seed: Seed = None, name: str = "", dtype: type[Real] | np.dtype[Real],
    index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def constant(
    shape: Shape, value: float, *, seed: Seed = None, name: str = "", dtype: DType, index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def constant(
    shape: Shape, value: float, *, seed: Seed = None, name: str = "", dtype: DType = "float32", index: Index = None,
    out: Given, threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def constant(
    shape: Shape, value: float, *, seed: Seed = None, name: str = "", dtype: DType = "float32", index: list[Index],
    out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def zeros(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: Float32 = "float32", index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def zeros(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: Float64, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def zeros(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: Float16, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def zeros(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: type[Real] | np.dtype[Real], index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def zeros(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: DType, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def zeros(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: DType = "float32", index: Index = None, out: Given,
    threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def zeros(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: DType = "float32", index: list[Index],
    out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def ones(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: Float32 = "float32", index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def ones(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: Float64, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def ones(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: Float16, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def ones(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: type[Real] | np.dtype[Real], index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def ones(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: DType, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def ones(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: DType = "float32", index: Index = None, out: Given,
    threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def ones(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: DType = "float32", index: list[Index],
    out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
