"""Programs: a stream's values as a part of a jax program, made by a custom call of XLA, each device its own part."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jax.experimental.custom_partitioning import custom_partitioning
from jax.extend.backend import backends
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from .. import _core
from ..arguments import refuse
from ..dtypes import kind_of
from ..fill import draw
from ..laws import Law
from ..laws.independent import InCore
from ..layout import whole_steps
from .keys import number_of

_TARGET = "fastinit_fill"
#: Along an axis: they have 32 bits, as without its own permission jax has no more.
_MOST_POSITIONS = 1 << 32
#: Values whose positions nobody need mind are fewer.
_WORTH_FOLDING = 1 << 16
jax.ffi.register_ffi_target(_TARGET, _core.xla_handler(), platform="cpu")


@lru_cache(maxsize=1024)
def program(shape: tuple[int, ...], dtype: Any, law: Law, threads: int) -> Callable[[Any], Any]:
    """From the words of a seed to the values of its stream, in any program and on any device.

    Compiled once for all who ask for the same; mapped over by `jax.vmap`, it is one call for all seeds.
    """
    if max(shape, default=0) >= _MOST_POSITIONS:
        refuse("shape", f"of axes below {_MOST_POSITIONS} in a program", shape)

    @custom_vmap
    def values(words: Any) -> Any:
        if not isinstance(law, InCore):
            return _from_host(words, shape, dtype, law)
        if backends().keys() <= {"cpu"}:
            return _by_xla(words, shape, dtype, law, threads)
        # Where all is for the host this stands aside: in explicit meshes its result would be whole on every device.
        return jax.lax.platform_dependent(
            words,
            cpu=lambda words: _by_xla(words, shape, dtype, law, threads),
            default=lambda words: _from_host(words, shape, dtype, law),
        )

    @values.def_vmap
    def mapped(size: int, is_mapped: Any, words: Any) -> Any:
        return values(words), True

    return jax.jit(values)


def _by_xla(words: Any, shape: tuple[int, ...], dtype: Any, law: InCore, threads: int) -> Any:
    lengths = _folded(shape)
    positions = [jax.lax.iota(jnp.uint32, length) for length in lengths]
    made = _partitioned(lengths, dtype, law, threads, words.ndim - 1)(words, *positions)
    return made if lengths == shape else made.reshape(*words.shape[:-1], *shape)


def _folded(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, with an axis in two whose positions would take more than 1/64 of what the values do.

    The second is odd where it can be, so that numbers of devices divide the first. An explicit mesh would have the
    values whole on every device before they have their shape again.
    """
    longest, size = max(shape, default=0), prod(shape)
    explicit = AxisType.Explicit in jax.sharding.get_abstract_mesh().axis_types
    if size < _WORTH_FOLDING or 64 * longest <= size or explicit:
        return shape
    axis, parts = shape.index(longest), [part for part in range(64, 1024) if longest % part == 0]
    part = min(parts, key=lambda part: (part % 2 == 0, part), default=1)
    return (*shape[:axis], longest // part, part, *shape[axis + 1 :])


def _partitioned(shape: tuple[int, ...], dtype: Any, law: InCore, threads: int, streams: int) -> Callable[..., Any]:
    """The call for seeds along so many axes, of which each device makes what it holds of the result.

    It knows its place by the positions along each axis, of which it has been handed its own: the index of the device
    in a mesh does not tell where another mesh goes on inside it.
    """
    attributes = {
        "law": np.int64(law.number),
        "parameters": np.array(law.parameters(kind_of(dtype.name)), np.float64),
        "stream": np.frombuffer(law.stream.encode().ljust(16, b"\0"), np.uint8),
        "steps": np.array(whole_steps(shape), np.int64),
    }

    def call(workers: int) -> Callable[..., Any]:
        def part(words: Any, *positions: Any) -> Any:
            lengths = (*words.shape[:-1], *(one.shape[0] for one in positions))
            made = jax.ffi.ffi_call(_TARGET, jax.ShapeDtypeStruct(lengths, dtype))
            return made(words, *positions, threads=np.int64(workers), **attributes)

        return part

    if not shape:
        return call(threads)
    outer = jax.sharding.get_abstract_mesh()

    def partition(mesh: Any, arguments: Any, result: Any) -> Any:
        sharding = _named(result.sharding, outer, len(result.shape))
        devices, axes = sharding.mesh, [*sharding.spec, *[None] * (streams + len(shape) - len(sharding.spec))]
        words = NamedSharding(devices, PartitionSpec(*axes[:streams], None))
        positions = [NamedSharding(devices, PartitionSpec(axis)) for axis in axes[streams:]]
        return devices, call(max(1, threads // devices.local_mesh.size)), sharding, (words, *positions)

    own = [f"stream{axis}" for axis in range(streams)]
    axes = [f"axis{axis}" for axis in range(len(shape))]
    whole = custom_partitioning(call(threads))
    rule = f"{' '.join([*own, 'word'])}, {', '.join(axes)} -> {' '.join([*own, *axes])}"
    whole.def_partition(partition=partition, sharding_rule=rule, need_replication_factors=("word",))
    return whole


def _named(sharding: Any, mesh: Any, rank: int) -> NamedSharding:
    """The same in the words of jax, where XLA tells it as tiles: of a mesh of which it has the devices alone.

    An axis of the mesh is one along which the places of devices among the tiles of an axis of the array change.
    """
    if isinstance(sharding, NamedSharding):
        return sharding
    tiles, devices = sharding._hlo_sharding, np.array(sharding._device_assignment)
    if tiles.is_replicated():
        return NamedSharding(Mesh(devices, ("devices",)), PartitionSpec())
    lengths, numbers = tiles.tile_assignment_dimensions(), np.array(tiles.tile_assignment_devices())
    sizes = [size for size, kind in zip(mesh.axis_sizes, mesh.axis_types, strict=True) if kind is not AxisType.Manual]
    sizes = sizes if prod(sizes) == len(numbers) else lengths
    spec = []
    for places in np.unravel_index(np.argsort(numbers), lengths)[:rank]:
        along = places.reshape(sizes)
        steps = {axis: along.take(size > 1, axis).flat[0] for axis, size in enumerate(sizes)}
        spec.append(tuple(f"axis{axis}" for axis in sorted(steps, key=lambda axis: -steps[axis]) if steps[axis]))
    names = [f"axis{axis}" for axis in range(len(sizes))]
    return NamedSharding(Mesh(devices[: len(numbers)].reshape(sizes), names), PartitionSpec(*spec))


def _from_host(words: Any, shape: tuple[int, ...], dtype: Any, law: Law) -> Any:
    """The values made on the host, and sent to where they are asked for."""

    def made(words: Any) -> Any:
        seeds = np.asarray(words)
        out = np.empty((*seeds.shape[:-1], *shape), dtype)
        for place in np.ndindex(seeds.shape[:-1]):
            draw(law, shape, seed=number_of(seeds[place]), dtype=None, out=out[(*place, ...)])
        return out

    return jax.pure_callback(made, jax.ShapeDtypeStruct((*words.shape[:-1], *shape), dtype), words)
