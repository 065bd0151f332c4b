"""Laws: what the elements of an array are, as values.

A law knows its moments, its bounds and how to fill an array. `Normal`, `Uniform`, `UniformBelow` and `Truncated` are
made by the core at any position; `Constant`, `Identity` and `Dirac` need no random numbers; `Orthogonal`,
`DeltaOrthogonal` and `Sparse` can only be made whole, as can `Packed`, several of a law in one array; `Called` is a
user's function. Laws compare, hash and pickle; `str` is as tables show them.
"""

from .called import Called
from .independent import Constant, Normal, Truncated, Uniform, UniformBelow
from .law import Law
from .packed import Packed
from .parameters import Parameters
from .placed import Dirac, Identity
from .whole import DeltaOrthogonal, Orthogonal, Sparse

__all__ = [
    "Called",
    "Constant",
    "DeltaOrthogonal",
    "Dirac",
    "Identity",
    "Law",
    "Normal",
    "Orthogonal",
    "Packed",
    "Parameters",
    "Sparse",
    "Truncated",
    "Uniform",
    "UniformBelow",
]
