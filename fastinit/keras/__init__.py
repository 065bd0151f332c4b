"""fastinit for Keras 3: its random initializers, with the same bits on every backend.

Each is a subclass of Keras's own of that name, with its parameters and defaults. Integer seeds are fastinit's own, and
repeat; a ``keras.random.SeedGenerator`` in the state (s, c) is seed ``s + 2**32 * c``, and moves on; one without a seed
repeats itself, and its clone does not. Names of streams are empty: two layers of one seed begin with the same numbers.

On the jax backend arrays are taken over without a copy, and under a layout of ``keras.distribution`` each device makes
its own part. What a program of jax traces is made on the host when it runs.

Examples
--------
>>> import keras
>>> import fastinit as fi
>>> import fastinit.keras as fk
>>> kernel = fk.HeNormal(seed=1)((9, 6))
>>> same = fi.he_normal((9, 6), seed=1, distribution="truncated_normal")
>>> bool((keras.ops.convert_to_numpy(kernel) == same).all())
True
>>> layer = keras.layers.Dense(6, kernel_initializer=fk.Orthogonal(seed=keras.random.SeedGenerator(2)))
"""

try:
    import keras as keras
except ImportError as _error:
    from ..missing import missing

    raise missing("`fastinit.keras`", "keras", "keras") from _error

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
