"""fastinit for Keras 3: its random initializers, on its jax and torch backends with the same bits."""

try:
    import keras as keras
except ImportError as _error:
    raise ImportError("`fastinit.keras` needs keras: pip install 'fastinit-nn[keras]'") from _error

from .fast import fast_init
from .initializers import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "fast_init",
]


def __dir__() -> list[str]:
    return list(__all__)
