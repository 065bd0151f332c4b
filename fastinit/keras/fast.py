"""fast_init: what Keras draws inside the block, by its own initializers too, is fastinit's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from keras.src.backend import random

from ..laws import Normal, Truncated, Uniform
from .tensors import drawn


def _normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    return drawn(Normal(mean, stddev), shape, dtype, seed)


def _truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    return drawn(Truncated(mean, stddev), shape, dtype, seed)


def _uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    return drawn(Uniform(minval, maxval), shape, dtype, seed)


_OURS = {"normal": _normal, "truncated_normal": _truncated_normal, "uniform": _uniform}


@contextmanager
def fast_init() -> Iterator[None]:
    """Context in which Keras's normal, truncated and uniform draws run on fastinit: ``with fast_init(): make_model()``.

    Seeds mean what they mean to Keras: an integer repeats, a ``SeedGenerator`` and the global one move on. Other random
    functions, dropout among them, are Keras's own.

    Notes
    -----
    Keras's functions are replaced for all threads while the block lasts. Blocks may be nested. ``as`` gives None: where
    seeds say all, and no parameter has a name, there is nothing to report, as the block of ``fastinit.torch`` does.

    Examples
    --------
    >>> import keras
    >>> import fastinit as fi
    >>> import fastinit.keras as fk
    >>> with fk.fast_init():
    ...     values = keras.random.normal((3,), seed=7)
    >>> bool((keras.ops.convert_to_numpy(values) == fi.normal(3, seed=7)).all())
    True
    """
    before = {name: getattr(random, name) for name in _OURS}
    try:
        for name, ours in _OURS.items():
            setattr(random, name, ours)
        yield
    finally:
        for name, theirs in before.items():
            setattr(random, name, theirs)
