"""Seeds: the number that a seed of Keras stands for. A generator moves on when it is asked."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras.src.backend.common.stateless_scope import in_stateless_scope
from keras.src.random.seed_generator import SeedGenerator, draw_seed
from keras.src.utils.jax_utils import is_in_jax_tracing_scope

from ..stream import SEED_BITS

_WORD = (1 << 32) - 1


def seed_of(seed: Any) -> int | Any:
    """An integer's own; s + 2**32 c of a generator in the state (s, c). In a program of jax, the state's two words."""
    if isinstance(seed, int):
        return seed % (1 << SEED_BITS)
    if keras.backend.backend() == "jax" and isinstance(seed, SeedGenerator) and not in_stateless_scope():
        state = seed.state.value
        if not is_in_jax_tracing_scope(state):
            # By numbers: where the mesh of a layout is in force, jax mixes no arrays of it with the generator's.
            known = np.asarray(state)
            seed.state.assign(known + np.array([0, 1], known.dtype))
            return number_of(known)
    words = seed if _is_state(seed) else draw_seed(seed)
    return words if is_in_jax_tracing_scope(words) else number_of(words)


def number_of(words: Any) -> int:
    """Of a state."""
    first, count = (int(word) & _WORD for word in words)
    return first | count << 32


def _is_state(seed: Any) -> bool:
    """Whether it is a state already, as Keras's own functions on jax take it for a seed."""
    return getattr(seed, "shape", None) == (2,)
