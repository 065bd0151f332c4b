"""Agreement: every rank does the same to the tensors that they share, or every one of them raises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from ...arguments import refuse
from .shards import is_dtensor

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

Found = TypeVar("Found")


def agreed(find: Callable[[], tuple[int, Iterable[str], Found]], tensors: Sequence[torch.Tensor]) -> tuple[int, Found]:
    """The seed and the last of what `find` returns: a seed, what this rank is going to do to each tensor, and more.

    Raises on every rank that holds part of a tensor, unless for all of these the seed is the same, what happens to the
    tensors of a mesh is the same, and nothing was raised.
    """
    meshes: dict[Any, list[int]] = {}  # in the order of the model, which is that of every rank
    for number, tensor in enumerate(tensors):
        if is_dtensor(tensor) and tensor.device_mesh.get_coordinate() is not None:
            meshes.setdefault(tensor.device_mesh, []).append(number)
    try:
        seed, deeds, found = find()
        texts = list(deeds) if meshes else []
        mine = {_ranks(mesh): _digest([texts[one] for one in at]) for mesh, at in meshes.items()} | {"seed": seed}
    except Exception as error:  # which the others must hear of, or they would wait
        _told(portable(error), meshes)
        raise
    everyone = _told(mine, meshes)
    for one in everyone:
        if isinstance(one, Exception):
            raise one
    for fact, ours in reversed(mine.items()):
        values = [one[fact] for one in everyone if fact in one]
        if set(values) != {ours}:
            if fact == "seed":
                refuse("seed", "the same on every rank", values)
            refuse("model", "the same on every rank, with the same rules (digests of both)", values)
    return seed, found


def _ranks(mesh: DeviceMesh) -> str:
    return _digest([str(mesh.mesh.tolist())])


def _digest(texts: list[str]) -> str:
    return blake2b("\n".join(texts).encode(), digest_size=4).hexdigest()


def portable(error: Exception) -> Exception:
    """One that every rank can unpickle."""
    return type(error)(str(error)) if type(error) in (ValueError, TypeError) else RuntimeError(repr(error))


def _told(mine: Any, meshes: Iterable[DeviceMesh]) -> list[Any]:
    """What the ranks of the meshes have to tell, in their order.

    The ranks along an axis hand on what those along the axes before have told them: so each hears of all.
    """
    everyone = {torch.distributed.get_rank() if meshes else 0: mine}
    for mesh in meshes:
        for axis in range(mesh.ndim):
            told: list[Any] = [None] * mesh.size(axis)
            torch.distributed.all_gather_object(told, everyone, group=mesh.get_group(axis))
            everyone = {rank: one for some in told for rank, one in some.items()}
    return [everyone[rank] for rank in sorted(everyone)]


def from_all_ranks(find: Callable[[], Found]) -> list[Found]:
    """What `find` returns on every rank there is, in their order; raises on every one where it raises on any."""
    try:
        mine: Any = find()
    except Exception as error:  # which the others must hear of, or they would wait
        mine = portable(error)
    distributed, everyone = torch.distributed, [mine]
    if distributed.is_available() and distributed.is_initialized():
        everyone = [None] * distributed.get_world_size()
        distributed.all_gather_object(everyone, mine)
    for one in everyone:
        if isinstance(one, Exception):
            raise one
    return everyone
