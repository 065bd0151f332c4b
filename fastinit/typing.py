"""Types for annotations: of arguments that many functions take, and of what they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol, SupportsIndex, TypeAlias

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from .activations import Activation as Activation
from .layout import Flat

if TYPE_CHECKING:
    from pandas import DataFrame as DataFrame
else:
    DataFrame = Any  # so that hints resolve where pandas is not installed, and are no reason to import it

Array: TypeAlias = NDArray[Any]
#: Of keywords that there are none of.
Never: TypeAlias = NoReturn
#: A shape: an integer or a sequence of integers.
Shape: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
#: One axis or several.
Axes: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
#: An integer in [0, 2**128), or what a SeedSequence is or is made of; None takes entropy from the system.
Seed: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | NDArray[np.integer[Any]] | ISeedSequence | None

Float32: TypeAlias = Literal["float32"]
Float64: TypeAlias = Literal["float64"]
Float16: TypeAlias = Literal["float16"]
#: A dtype that weights can have, by its name or itself; None is that of `out`.
DType: TypeAlias = Float32 | Float64 | Float16 | Literal["bfloat16"] | np.dtype[Any] | type[Any] | None

#: A dtype that signals can have, by its name.
SignalDType: TypeAlias = Float16 | Literal["bfloat16"] | Float32 | Float64

_Entry: TypeAlias = SupportsIndex | slice | EllipsisType | None
#: A basic index, or a range of the flattened array.
Index: TypeAlias = _Entry | tuple[_Entry, ...] | Flat

#: Where values go: an array, or a list of them where the index is a list.
Out: TypeAlias = Array | Sequence[Array | None] | None

Mode: TypeAlias = Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]
Distribution: TypeAlias = Literal["normal", "truncated_normal", "uniform"]
SchemeName: TypeAlias = Literal[
    "normal", "uniform", "truncated_normal", "constant", "zeros", "ones", "identity", "dirac", "variance_scaling",
    "small_normal", "lecun_normal", "lecun_uniform", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform",
    "xavier_normal", "xavier_uniform", "kaiming_normal", "kaiming_uniform", "orthogonal", "delta_orthogonal", "sparse",
]  # fmt: skip

#: Of a profile: what a network is, and how its signals are followed.
NetworkKind: TypeAlias = Literal["mlp", "conv", "transformer"]
NormName: TypeAlias = Literal["batch", "layer", "rms"]
NormPosition: TypeAlias = Literal["pre_act", "post_act", "pre", "post"]
Padding: TypeAlias = Literal["zero", "circular"]
Method: TypeAlias = Literal["auto", "dense", "tiled", "matrix_free"]
ActivationName: TypeAlias = Literal[
    "linear", "identity", "relu", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh", "silu", "swish", "mish", "tanh",
    "sigmoid", "softplus", "erf", "sin", "softsign", "abs", "relu2",
]  # fmt: skip
#: phi, or phi': of arrays, elementwise.
Elementwise: TypeAlias = Callable[[Array], Array]
#: An activation by its name, by its name and slope, as phi and phi', or itself.
ActivationLike: TypeAlias = (
    ActivationName | tuple[Literal["leaky_relu", "elu"], float] | tuple[Elementwise, Elementwise] | Activation
)


class Client(Protocol):
    """What is asked of a client of Dask, a `distributed.Client`."""

    def submit(self, function: Callable[..., Any], /, *given: Any, **keywords: Any) -> Any:
        """A task."""

    def map(self, function: Callable[..., Any], /, *given: Any, **keywords: Any) -> Any:
        """Many."""

    def gather(self, futures: Any, /) -> Any:
        """What they give."""

    def get_executor(self, **keywords: Any) -> Any:
        """An executor of its workers."""
