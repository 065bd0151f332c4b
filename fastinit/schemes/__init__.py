"""Schemes: what weights mean, from shapes and fans to laws; and the public functions that make arrays. Names only."""

from .scheme import AXES, COMMON, DESCRIBED, DISTRIBUTIONS, FANS, REQUIRED, Scheme
from .table import SCHEMES, SchemeLike, init, register, rules_for, scheme_of, unregister

__all__ = [
    "AXES",
    "COMMON",
    "DESCRIBED",
    "DISTRIBUTIONS",
    "FANS",
    "REQUIRED",
    "SCHEMES",
    "Scheme",
    "SchemeLike",
    "init",
    "register",
    "rules_for",
    "scheme_of",
    "unregister",
]
