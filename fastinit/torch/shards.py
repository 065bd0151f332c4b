"""Shards: which rectangles of the whole tensor the memory of this rank holds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

import torch

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

Runs = list[tuple[int, int]]


class Rectangle(NamedTuple):
    """Elements [offset, offset + size) of the whole along each axis, and where they begin in local memory."""

    offset: tuple[int, ...]
    local_offset: tuple[int, ...]
    size: tuple[int, ...]

    @property
    def index(self) -> tuple[slice, ...]:
        """Of the whole."""
        return tuple(slice(at, at + length) for at, length in zip(self.offset, self.size, strict=True))

    @property
    def local_index(self) -> tuple[slice, ...]:
        """Of the local tensor."""
        return tuple(slice(at, at + length) for at, length in zip(self.local_offset, self.size, strict=True))


class Pieces(NamedTuple):
    """The shape of the whole tensor, the local one, and the rectangles in it (None: it is the whole)."""

    shape: tuple[int, ...]
    local: torch.Tensor
    rectangles: Sequence[Rectangle] | None = None


def pieces_of(tensor: torch.Tensor) -> Pieces | None:
    """What a tensor holds of the whole; None where that cannot be told, or not in memory that we know."""
    if is_dtensor(tensor):
        local, rectangles = tensor._local_tensor, _rectangles(tensor)
        return Pieces(tuple(tensor.shape), local, rectangles) if rectangles is not None and has_memory(local) else None
    if not has_memory(tensor):
        return None
    if hasattr(tensor, "global_offsets"):
        return _checkpointable(tensor)
    return Pieces(tuple(tensor.shape), tensor)


def is_dtensor(tensor: torch.Tensor) -> TypeGuard[DTensor]:
    """Whether a tensor is one of torch.distributed's; importing that takes half a second, so only who has one does."""
    distributed = sys.modules.get("torch.distributed.tensor")
    return distributed is not None and isinstance(tensor, distributed.DTensor)


def has_memory(tensor: torch.Tensor) -> bool:
    """Whether the elements of a tensor lie where its strides say: no wrapper, no other layout, no negation pending."""
    if type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
        return False
    if tensor.layout is not torch.strided or tensor.is_neg() or tensor.is_quantized:
        return False
    try:
        tensor.data_ptr()
    except RuntimeError:  # inside vmap and its kin
        return False
    return True


def _checkpointable(tensor: torch.Tensor) -> Pieces:
    """That of torch's CheckpointableTensor protocol: several rectangles a tensor, the rest being padding."""
    places = zip(tensor.global_offsets, tensor.local_offsets, tensor.local_sizes, strict=True)
    return Pieces(tuple(tensor.global_shape), tensor, [Rectangle(*map(tuple, place)) for place in places])


def _rectangles(tensor: DTensor) -> list[Rectangle] | None:
    from torch.distributed.tensor import Replicate, Shard
    from torch.distributed.tensor.placement_types import _StridedShard

    coordinate = tensor.device_mesh.get_coordinate()
    if coordinate is None:  # a rank outside the mesh holds nothing
        return []
    runs: list[Runs] = [[(0, length)] for length in tensor.shape]
    for placement, count, number in zip(tensor.placements, tensor.device_mesh.shape, coordinate, strict=True):
        if isinstance(placement, _StridedShard):
            runs[placement.dim] = strided_chunk(runs[placement.dim], placement.split_factor, count, number)
        elif isinstance(placement, Shard):
            runs[placement.dim] = chunk(runs[placement.dim], count, number)
        elif not isinstance(placement, Replicate):
            return None
    local_shape = tuple(sum(stop - start for start, stop in along) for along in runs)
    return rectangles_of(runs) if local_shape == tuple(tensor._local_tensor.shape) else None


def chunk(runs: Runs, count: int, number: int) -> Runs:
    """The positions in chunk `number` of `count`, as torch.chunk cuts them: the last may be short or empty."""
    total = sum(stop - start for start, stop in runs)
    length = -(-total // count)
    return _cut(runs, min(length * number, total), min(length * (number + 1), total))


def strided_chunk(runs: Runs, split: int, count: int, number: int) -> Runs:
    """Chunk `number` of `count` of each of `split` chunks: what sharding from right to left leaves a rank."""
    return [run for part in range(split) for run in chunk(chunk(runs, split, part), count, number)]


def _cut(runs: Runs, first: int, last: int) -> Runs:
    """Positions number first to last (excluded) of those that the runs hold in order."""
    cut, passed = [], 0
    for start, stop in runs:
        low, high = max(start, start + first - passed), min(stop, start + last - passed)
        if low < high:
            cut.append((low, high))
        passed += stop - start
    return cut


def _joined(runs: Runs) -> Runs:
    """The same positions in the fewest runs."""
    joined: Runs = []
    for start, stop in runs:
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, stop))
    return joined


def rectangles_of(runs: Iterable[Runs]) -> list[Rectangle]:
    """Every combination of a run along each axis; in local memory the runs of an axis follow each other."""
    along = []
    for axis in runs:
        begin, placed = 0, []
        for start, stop in _joined(axis):
            placed.append((start, begin, stop - start))
            begin += stop - start
        along.append(placed)
    return [Rectangle(*zip(*places, strict=True)) if places else Rectangle((), (), ()) for places in product(*along)]
