"""What type checkers see of functions that are made by a loop: those of the NumPy face, with chunks."""

from typing import Any

from dask.array import Array

from .typing import Axes, Distribution, DType, Mode, Seed, Shape

def constant(
    shape: Shape, value: float, *, seed: Seed = None, name: str = "", dtype: DType = "float32",
    chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def delta_orthogonal(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, seed: Seed = None, name: str = "",
    dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def dirac(
    shape: Shape, groups: int = 1, *, in_axis: int = -2, out_axis: int = -1, seed: Seed = None, name: str = "",
    dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def glorot_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2,
    out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType = "float32",
    chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def glorot_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def he_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2,
    out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType = "float32",
    chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def he_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def identity(
    shape: Shape, gain: float = 1.0, *, seed: Seed = None, name: str = "", dtype: DType = "float32",
    chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def kaiming_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2,
    out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType = "float32",
    chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def kaiming_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def lecun_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2,
    out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType = "float32",
    chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def lecun_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, seed: Seed = None, name: str = "",
    dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def ones(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def orthogonal(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def small_normal(
    shape: Shape, std: float = 0.01, *, seed: Seed = None, name: str = "", dtype: DType = "float32",
    chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def sparse(
    shape: Shape, sparsity: float, std: float = 0.01, *, seed: Seed = None, name: str = "",
    dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def truncated_normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, *, seed: Seed = None,
    name: str = "", dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def uniform(
    shape: Shape, low: float = 0.0, high: float = 1.0, *, seed: Seed = None, name: str = "",
    dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def variance_scaling(
    shape: Shape, scale: float = 1.0, mode: Mode = "fan_in", distribution: Distribution = "normal", *,
    gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None,
    name: str = "", dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def xavier_normal(
    shape: Shape, *, distribution: Distribution = "normal", gain: float = 1.0, in_axis: Axes = -2,
    out_axis: Axes = -1, batch_axis: Axes = (), seed: Seed = None, name: str = "", dtype: DType = "float32",
    chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def xavier_uniform(
    shape: Shape, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (),
    seed: Seed = None, name: str = "", dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
def zeros(
    shape: Shape, *, seed: Seed = None, name: str = "", dtype: DType = "float32", chunks: Any = "auto",
) -> Array: ...  # fmt: skip
