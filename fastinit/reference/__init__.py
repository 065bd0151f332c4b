"""The twin: every law, scheme, moment, product and norm in plain NumPy, with the same bits; obvious and slow.

It stands apart: of the package it uses only the arithmetic of shapes, fans and stream keys. Read it beside STREAM.md.
"""

from typing import Any

from .activations import activated
from .cipher import S_BOX, SHIFTED, ars, words
from .columns import column_products, column_sums, mapped
from .deterministic import constant, dirac, identity, ones, zeros
from .laws import normal, truncated_normal, uniform
from .products import gram, row_sums, weighted_square
from .reals import RARE, neglog32, neglog64, normal_pairs, open32, open64, quantile32, quantile64, turn32, turn64
from .rounding import fma32, fma64, to_bfloat16
from .schemes import SCHEMES, small_normal, variance_scaling
from .signals import jacobian, normalise, project
from .streaming import BLOCK, GROUP_ROWS, LANES, Sums, moments, sums
from .structured import delta_orthogonal, orthogonal, sparse
from .widths import F32, F64, U16, U32, U64, Array

__all__ = [
    *SCHEMES,
    "BLOCK",
    "F32",
    "F64",
    "GROUP_ROWS",
    "LANES",
    "RARE",
    "SHIFTED",
    "S_BOX",
    "U16",
    "U32",
    "U64",
    "Array",
    "Sums",
    "activated",
    "ars",
    "column_products",
    "column_sums",
    "constant",
    "delta_orthogonal",
    "dirac",
    "fma32",
    "fma64",
    "gram",
    "identity",
    "jacobian",
    "mapped",
    "moments",
    "neglog32",
    "neglog64",
    "normal",
    "normal_pairs",
    "normalise",
    "ones",
    "open32",
    "open64",
    "orthogonal",
    "project",
    "quantile32",
    "quantile64",
    "row_sums",
    "small_normal",
    "sparse",
    "sums",
    "to_bfloat16",
    "truncated_normal",
    "turn32",
    "turn64",
    "uniform",
    "variance_scaling",
    "weighted_square",
    "words",
    "zeros",
]


def __getattr__(name: str) -> Any:
    """The schemes that have a row in the table."""
    if name in SCHEMES:
        return SCHEMES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
