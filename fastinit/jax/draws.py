"""Draws: a law's values as a jax array, made here where a key is known, and by a program where it is not."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from .. import fill
from .._core import FEW_VALUES, CheckedCall
from ..dtypes import NAMES, kind_of
from ..laws import Law
from ..machine import threads_for
from .keys import number_of, words_of
from .programs import program


def draw(
    key: Any,
    shape: tuple[int, ...],
    dtype: Any,
    law: Law,
    caller: str,
    out_sharding: NamedSharding | PartitionSpec | None = None,
) -> Any:
    """The values that a key stands for, of a dtype of jax, laid out as jax has found that they can be."""
    if dtype.name not in NAMES:
        return draw(key, shape, jnp.dtype("float32"), law, caller, out_sharding).astype(dtype)
    words = words_of(key, caller)
    if out_sharding is None and _is_plain(words):
        return _array(words, shape, dtype, law)
    made = program(shape, dtype, law, threads_for(None))
    if out_sharding is None:
        return made(words)
    if isinstance(words, jax.core.Tracer):
        return jax.sharding.reshard(made(words), out_sharding)
    if isinstance(out_sharding, PartitionSpec):
        out_sharding = NamedSharding(jax.sharding.get_mesh(), out_sharding)
    return jax.jit(made, out_shardings=out_sharding)(words)


def _is_plain(words: Any) -> bool:
    """Whether they are known, and their values belong on one device."""
    if isinstance(words, jax.core.Tracer) or not jax.sharding.get_abstract_mesh().empty:
        return False
    return len(words.devices()) == 1


def _array(words: Any, shape: tuple[int, ...], dtype: Any, law: Law) -> Any:
    out, seed = fill.aligned(shape, dtype), number_of(words)
    few = _call_for_few(law, shape, dtype)
    if few is None:
        fill.draw(law, shape, seed=seed, dtype=None, out=out)
    else:
        few.fill(seed, "", out.ctypes.data)
    return jax.device_put(out, *words.devices()) if words.committed else jax.device_put(out)


@lru_cache(maxsize=1024)
def _call_for_few(law: Law, shape: tuple[int, ...], dtype: Any) -> CheckedCall | None:
    """What fills an array of few values, checked once for all; None where they are many, or none."""
    return law._checked_call(shape, kind_of(dtype.name)) if law.in_core and 0 < prod(shape) <= FEW_VALUES else None
