from collections.abc import Sequence
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from ..typing import Array, Axes, Distribution, DType, Float16, Float32, Float64, Index, Mode, Seed, Shape

Real = TypeVar("Real", bound=np.floating[Any])
Given = TypeVar("Given", bound=Array)

@overload
def variance_scaling(
    shape: Shape, scale: float = 1.0, mode: Mode = "fan_in", distribution: Distribution = "normal", *,
    gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None,
    name: str = "", dtype: Float32 = "float32", index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def variance_scaling(
    shape: Shape, scale: float = 1.0, mode: Mode = "fan_in", distribution: Distribution = "normal", *,
    gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None,
    name: str = "", dtype: Float64, index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def variance_scaling(
    shape: Shape, scale: float = 1.0, mode: Mode = "fan_in", distribution: Distribution = "normal", *,
    gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None,
    name: str = "", dtype: Float16, index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def variance_scaling(
    shape: Shape, scale: float = 1.0, mode: Mode = "fan_in", distribution: Distribution = "normal", *,
    gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None,
    name: str = "", dtype: type[Real] | np.dtype[Real], index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def variance_scaling(
    shape: Shape, scale: float = 1.0, mode: Mode = "fan_in", distribution: Distribution = "normal", *,
    gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None,
    name: str = "", dtype: DType, index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def variance_scaling(
    shape: Shape, scale: float = 1.0, mode: Mode = "fan_in", distribution: Distribution = "normal", *,
    gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None,
    name: str = "", dtype: DType = "float32", index: Index = None, out: Given, threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def variance_scaling(
    shape: Shape, scale: float = 1.0, mode: Mode = "fan_in", distribution: Distribution = "normal", *,
    gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None,
    name: str = "", dtype: DType = "float32", index: list[Index], out: Sequence[Array | None] | None = None,
    threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def lecun_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: Float32 = "float32", index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def lecun_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: Float64, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def lecun_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: Float16, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def lecun_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: type[Real] | np.dtype[Real], index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def lecun_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def lecun_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType = "float32", index: Index = None,
    out: Given, threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def lecun_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType = "float32", index: list[Index],
    out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def lecun_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: Float32 = "float32", index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def lecun_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: Float64, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def lecun_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: Float16, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def lecun_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: type[Real] | np.dtype[Real], index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def lecun_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType, index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def lecun_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", index: Index = None, out: Given,
    threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def lecun_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", index: list[Index],
    out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def glorot_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: Float32 = "float32", index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def glorot_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: Float64, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def glorot_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: Float16, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def glorot_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: type[Real] | np.dtype[Real], index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def glorot_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def glorot_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType = "float32", index: Index = None,
    out: Given, threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def glorot_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType = "float32", index: list[Index],
    out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def glorot_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: Float32 = "float32", index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def glorot_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: Float64, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def glorot_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: Float16, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def glorot_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: type[Real] | np.dtype[Real], index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def glorot_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType, index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def glorot_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", index: Index = None, out: Given,
    threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def glorot_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", index: list[Index],
    out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def he_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: Float32 = "float32", index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def he_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: Float64, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def he_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: Float16, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def he_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: type[Real] | np.dtype[Real], index: Index = None,
    out: None = None, threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def he_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def he_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType = "float32", index: Index = None,
    out: Given, threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def he_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1,
    batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType = "float32", index: list[Index],
    out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip
@overload
def he_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: Float32 = "float32", index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float32]: ...  # fmt: skip
@overload
def he_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: Float64, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float64]: ...  # fmt: skip
@overload
def he_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: Float16, index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[np.float16]: ...  # fmt: skip
@overload
def he_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: type[Real] | np.dtype[Real], index: Index = None, out: None = None,
    threads: int | None = None,
) -> NDArray[Real]: ...  # fmt: skip
@overload
def he_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType, index: Index = None, out: None = None, threads: int | None = None,
) -> NDArray[Any]: ...  # fmt: skip
@overload
def he_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", index: Index = None, out: Given,
    threads: int | None = None,
) -> Given: ...  # fmt: skip
@overload
def he_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", index: list[Index],
    out: Sequence[Array | None] | None = None, threads: int | None = None,
) -> list[NDArray[Any]]: ...  # fmt: skip

xavier_normal = glorot_normal
xavier_uniform = glorot_uniform
kaiming_normal = he_normal
kaiming_uniform = he_uniform
