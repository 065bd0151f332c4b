"""Keys: what jax's random functions are given, as seeds."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ..arguments import Words, refuse

#: Words that a seed has.
_MOST_WORDS = 4


def words_of(key: Any, caller: str) -> Any:
    """The words of one key, typed or raw, as a jax array.

    Under a trace they are a tracer, so that values of a key that a function has closed over are made by its program.
    """
    words = jax.random.key_data(key)
    if words.ndim != 1:
        rule = f"{caller} accepts a single key, but was given a key array of shape {words.shape[:-1]} != ()"
        raise ValueError(f"{rule}. Use jax.vmap for batching.")
    if words.shape[0] > _MOST_WORDS:
        refuse("key", f"one of at most {_MOST_WORDS} words of 32 bits", Words(f"{words.shape[0]} words"))
    return words


def number_of(words: Any) -> int:
    """Words as one integer, the first highest."""
    return int.from_bytes(np.asarray(words).astype(">u4").tobytes(), "big")


def seed_of(key: Any) -> int:
    """The seed that a key is to fastinit: its words as one integer, the first highest.

    Parameters
    ----------
    key : jax.Array
        One key, typed or raw, of any implementation whose keys have at most four words.

    Returns
    -------
    int
        No two keys of an implementation have the same.

    Raises
    ------
    ValueError, TypeError
        If it is no key, or more than one.

    Examples
    --------
    >>> import jax
    >>> from fastinit.jax import seed_of
    >>> seed_of(jax.random.key(5))
    5
    """
    return number_of(words_of(key, "seed_of"))
