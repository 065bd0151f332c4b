"""Shards: arrays laid out on several devices, of which each part is made where it will lie, under a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import fill
from ..arguments import refuse
from ..dtypes import kind_of
from ..laws import Law
from ..layout import checked_shape
from ..machine import usually_rounded
from ..schemes import SchemeLike, scheme_of
from ..stream import seed_number


@usually_rounded
def sharded(
    scheme: SchemeLike | Law,
    shape: int | Sequence[int],
    sharding: Any,
    *,
    seed: Any,
    name: str = "",
    dtype: Any = "float32",
    **keywords: Any,
) -> Any:
    """An array laid out as `sharding` says, with the values of ``scheme(shape, seed=seed, name=name)`` of fastinit.

    Each part is made on the host of the device that holds it; no more than that part is needed there.

    Parameters
    ----------
    scheme : str, Scheme, Law or callable
        As for `fastinit.init`. Its fans are those of the whole: kernels are (..., in, out).
    shape : sequence of int
        Of the whole.
    sharding : jax.sharding.Sharding
        How the whole lies on devices, on all processes.
    seed : int, list or array of int, or numpy.random.SeedSequence
        The same on every process.
    name : str
        The stream.
    dtype : {"float32", "float64", "float16", "bfloat16"} or dtype
        float64 needs jax's 64 bits.
    **keywords
        Of the scheme: gain, std, ...

    Returns
    -------
    jax.Array
        The same values whatever the sharding.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks its rule, or the sharding does not divide the shape.

    Examples
    --------
    >>> import jax
    >>> import fastinit as fi
    >>> from fastinit.jax import sharded
    >>> mesh = jax.make_mesh((1,), ("data",))
    >>> rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    >>> W = sharded("he_normal", (64, 32), rows, seed=0, name="fc1.kernel")
    >>> bool((W == fi.he_normal((64, 32), seed=0, name="fc1.kernel")).all())
    True
    """
    number, lengths = number_of_all(seed), checked_shape(shape)
    law = scheme_of(scheme).law_for(lengths, **keywords)
    return laid_out(law, lengths, sharding, seed=number, name=name, dtype=dtype)


def number_of_all(seed: Any) -> int:
    """The seed of every process, which none can draw for the others."""
    if seed is None:
        refuse("seed", "given (every process would draw another)", seed)
    return seed_number(seed)


def laid_out(law: Law, shape: tuple[int, ...], sharding: Any, *, seed: int, name: str, dtype: Any) -> Any:
    """The values of a law, laid out so."""
    known = jnp.zeros((), kind_of(dtype).dtype).dtype  # without 64 bits jax warns, and takes 32
    parts: dict[Any, Any] = {}

    def whole() -> np.ndarray[Any, Any]:
        """What cannot be cut, made once for all parts."""
        if None not in parts:
            parts[None] = fill.draw(law, shape, seed=seed, name=name, dtype=known)
        return parts[None]

    def part(index: tuple[slice, ...]) -> np.ndarray[Any, Any]:
        if law.can_be_cut:
            return fill.draw_aligned(law, shape, known, seed=seed, name=name, index=index)
        some = whole()[index]
        out = fill.aligned(some.shape, known)
        out[...] = some
        return out

    return jax.make_array_from_callback(shape, sharding, part)
