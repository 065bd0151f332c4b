"""Tensors: the values of a law as the backend has them, without a copy where it takes NumPy's memory for its own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras.src.utils.jax_utils import is_in_jax_tracing_scope

from ..dtypes import BFLOAT16_BITS, Kind, kind_of
from ..fill import draw, draw_aligned
from ..laws import Law
from .seeds import number_of, seed_of


def drawn(law: Law, shape: Any, dtype: Any, seed: Any, layout: Any = None) -> Any:
    """What a law gives under a seed of Keras, as a tensor of the backend, laid out so."""
    lengths, dtype = tuple(shape), keras.backend.standardize_dtype(dtype)
    backend = keras.backend.backend()
    if backend == "jax":
        return _jax_array(law, lengths, dtype, seed, layout)
    if backend == "torch":
        return _torch_tensor(law, lengths, dtype, seed)
    return keras.ops.convert_to_tensor(draw(law, lengths, seed=seed_of(seed), dtype=dtype), dtype)


def _jax_array(law: Law, lengths: tuple[int, ...], dtype: str, seed: Any, layout: Any) -> Any:
    import jax

    kind = kind_of(str(jax.dtypes.canonicalize_dtype(dtype)))
    sharding = getattr(layout, "backend_layout", layout)
    known = seed_of(seed)
    if not isinstance(known, int) or is_in_jax_tracing_scope():
        return _in_program(law, lengths, kind, known, sharding)
    if sharding is not None and isinstance(sharding.mesh, jax.sharding.AbstractMesh):
        sharding = jax.sharding.NamedSharding(jax.sharding.get_mesh(), sharding.spec)
    if sharding is None or not law.can_be_cut:
        return jax.device_put(draw_aligned(law, lengths, kind.dtype, seed=known), sharding)
    return jax.make_array_from_callback(
        lengths,
        sharding,
        lambda index: draw_aligned(law, lengths, kind.dtype, seed=known, index=index),
        dtype=kind.dtype,
    )


def _in_program(law: Law, lengths: tuple[int, ...], kind: Kind, seed: Any, sharding: Any) -> Any:
    """What is traced asks for the values when it runs."""
    import jax

    words = () if isinstance(seed, int) else (seed,)

    def values(*known: Any) -> Any:
        return draw_aligned(law, lengths, kind.dtype, seed=number_of(known[0]) if known else seed)

    made = jax.pure_callback(values, jax.ShapeDtypeStruct(lengths, kind.dtype), *words, vmap_method="sequential")
    return made if sharding is None else jax.lax.with_sharding_constraint(made, sharding)


def _torch_tensor(law: Law, lengths: tuple[int, ...], dtype: str, seed: Any) -> Any:
    import torch
    from keras.src.backend.torch.core import get_device

    device, items = get_device(), getattr(torch, dtype)
    if str(device) == "meta":  # shapes alone are asked for
        return torch.empty(lengths, dtype=items, device=device)
    kind = BFLOAT16_BITS if items is torch.bfloat16 and law.in_core else kind_of(dtype)
    array = np.empty(lengths, kind.dtype)
    draw(law, lengths, seed=seed_of(seed), dtype=kind, out=array)
    values = array.view(np.int16) if items is torch.bfloat16 else array
    return torch.from_numpy(values).view(items).to(device)
