"""Shards: which rectangles of the whole tensor the memory of this rank holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard, TypeVar

import torch
from torch.fx.experimental.proxy_tensor import get_proxy_mode
from torch.nn.parameter import is_lazy

from ..arguments import integer, refuse
from ..layout import Part, whole_steps

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh
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

    def cut(self, axis: int, begin: int, length: int) -> Rectangle:
        """The part of it from its position `begin` of an axis on, so long."""
        offset, local_offset, size = map(list, self)
        offset[axis] += begin
        local_offset[axis] += begin
        size[axis] = length
        return Rectangle(tuple(offset), tuple(local_offset), tuple(size))


class Pieces(NamedTuple):
    """The shape of the whole tensor, the local one, and what that holds: rectangles, or a part, or (None) the whole."""

    shape: tuple[int, ...]
    local: torch.Tensor
    rectangles: Sequence[Rectangle] | None = None
    part: Part | None = None


#: (rank, ranks) of the group that a Megatron tensor is partitioned over, which it does not say itself.
Partition = tuple[int, int]


def pieces_of(tensor: torch.Tensor, partition: Partition | None = None) -> Pieces | None:
    """What a tensor holds of the whole; None where that cannot be told, or not in memory that we know."""
    if is_dtensor(tensor):
        local, rectangles = tensor._local_tensor, _rectangles(tensor)
        return Pieces(tuple(tensor.shape), local, rectangles) if rectangles is not None and has_memory(local) else None
    if not has_memory(tensor) or _is_placeless(tensor):
        return None
    if is_checkpointable(tensor):
        return _checkpointable(tensor)
    if partition is not None and is_partitioned(tensor):
        return partitioned(tensor, partition, tensor.partition_dim, getattr(tensor, "partition_stride", 1))
    return Pieces(tuple(tensor.shape), tensor)


def is_partitioned(tensor: torch.Tensor) -> bool:
    """Whether it is Megatron's, and a part."""
    return getattr(tensor, "tensor_model_parallel", False)


def check_partition(tensor: torch.Tensor, partition: Partition | None) -> None:
    """Raise where a tensor is a part of Megatron's, and nobody says which."""
    if partition is None and is_partitioned(tensor):
        refuse("partition", "(rank, ranks), for tensors that Megatron has partitioned", partition)


def checked_partition(partition: Any) -> Partition:
    """A rank and how many there are."""
    if not (isinstance(partition, (tuple, list)) and len(partition) == 2):
        refuse("partition", "(rank, ranks)", partition, TypeError)
    rank, ranks = partition
    return integer("partition", rank, 0, integer("partition", ranks, 1)), ranks


def partitioned(tensor: torch.Tensor, partition: Partition, axis: int, stride: int) -> Pieces:
    """What Megatron leaves a rank: of each of `stride` chunks along an axis, the rank's share."""
    rank, ranks = checked_partition(partition)
    shape = list(tensor.shape)
    shape[axis] *= ranks
    if tensor.shape[axis] % stride:
        refuse("stride", f"a divisor of axis {axis} of {tuple(tensor.shape)}", stride)
    runs: list[Runs] = [[(0, length)] for length in shape]
    runs[axis] = strided_chunk(runs[axis], stride, ranks, rank)
    return Pieces(tuple(shape), tensor, rectangles_of(runs))


def is_dtensor(tensor: torch.Tensor) -> TypeGuard[DTensor]:
    """Whether a tensor is one of torch.distributed's; importing that takes half a second, so only who has one does."""
    distributed = sys.modules.get("torch.distributed.tensor")
    return distributed is not None and isinstance(tensor, distributed.DTensor)


def sharded_part(model: torch.nn.Module) -> str:
    """The first parameter or module that is sharded, in words; empty where there is none.

    Modules are asked too: between passes FSDP2 may have whole parameters in place of its shards.
    """
    fsdp = sys.modules.get("torch.distributed.fsdp")
    for name, module in model.named_modules():
        if fsdp is not None and isinstance(module, fsdp.FSDPModule):
            return f"{name or type(module).__name__} under fully_shard"
    for name, tensor in model.named_parameters():
        if is_dtensor(tensor) or _is_placeless(tensor):
            return f"{name}, {getattr(tensor, 'placements', type(tensor).__name__)}"
    return ""


def reshard(model: torch.nn.Module) -> None:
    """Put FSDP2's shards in their place: what is written to whole parameters between passes is lost."""
    fsdp = sys.modules.get("torch.distributed.fsdp")
    for module in model.modules():
        if fsdp is not None and isinstance(module, fsdp.FSDPModule):
            module.reshard()


def _is_placeless(tensor: torch.Tensor) -> bool:
    """Whether it is a view of FSDP1's flat parameter, or what DeepSpeed leaves of a tensor that it has partitioned."""
    if getattr(tensor, "_fsdp_flattened", False):
        return True
    return hasattr(tensor, "ds_numel") and tensor.ds_numel != tensor.numel()


def has_memory(tensor: torch.Tensor) -> bool:
    """Whether the elements of a tensor lie where its strides say: no wrapper, no other layout, no negation pending."""
    if type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__ or is_lazy(tensor) or _is_followed():
        return False
    if tensor.layout is not torch.strided or tensor.is_neg() or tensor.is_quantized:
        return False
    try:
        tensor.data_ptr()
    except RuntimeError:
        return False
    return True


def _is_followed() -> bool:
    """Whether calls are repeated (``vmap`` and its kin) or recorded: neither sees what is written past torch."""
    repeated = torch._C._functorch.maybe_current_level() is not None
    return repeated or torch.jit.is_tracing() or get_proxy_mode() is not None


#: Of torch's CheckpointableTensor protocol.
_FIELDS = ("global_shape", "global_offsets", "local_offsets", "local_sizes")


def is_checkpointable(tensor: torch.Tensor) -> bool:
    """Whether a tensor says by attributes what it holds of a whole."""
    return all(getattr(tensor, field, None) is not None for field in _FIELDS)


def _checkpointable(tensor: torch.Tensor) -> Pieces | None:
    """Several rectangles a tensor, the rest being padding."""
    shape, *places = (tuple(getattr(tensor, field)) for field in _FIELDS)
    rectangles = [Rectangle(*(tuple(map(int, one)) for one in place)) for place in zip(*places, strict=False)]
    fit = all(is_within(one, shape, tuple(tensor.shape)) for one in rectangles)
    return Pieces(shape, tensor, rectangles) if fit and len(set(map(len, places))) == 1 else None


def is_within(rectangle: Rectangle, shape: tuple[int, ...], local_shape: tuple[int, ...]) -> bool:
    """Whether a rectangle is one of the whole, and in place one of the local tensor."""
    for offset, lengths in ((rectangle.offset, shape), (rectangle.local_offset, local_shape)):
        if not len(offset) == len(rectangle.size) == len(lengths):
            return False
        ends = [at + length for at, length in zip(offset, rectangle.size, strict=True)]
        if any(end > most for end, most in zip(ends, lengths, strict=True)) or min(offset, default=0) < 0:
            return False
    return True


def whole_of(tensor: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """A tensor of the shape of the whole, for what is computed from that: fans."""
    return tensor if tuple(tensor.shape) == shape else torch.empty(shape, dtype=tensor.dtype, device="meta")


def _rectangles(tensor: DTensor) -> list[Rectangle] | None:
    from torch.distributed.tensor import Replicate, Shard
    from torch.distributed.tensor.placement_types import _StridedShard

    coordinate = tensor.device_mesh.get_coordinate()
    if coordinate is None:  # a rank outside the mesh holds nothing
        return []
    cuts = []
    for placement, count, number in zip(tensor.placements, tensor.device_mesh.shape, coordinate, strict=True):
        if isinstance(placement, (Shard, _StridedShard)):
            cuts.append((placement.dim, getattr(placement, "split_factor", 1), count, number))
        elif not isinstance(placement, Replicate):
            return None
    for runs in (_cut_in_order(cuts, tensor.shape), _cut_as_written(cuts, tensor.shape)):
        local_shape = tuple(sum(stop - start for start, stop in along) for along in runs)
        if local_shape == tuple(tensor._local_tensor.shape):
            return rectangles_of(runs)
    return None


def _cut_in_order(cuts: list[tuple[int, int, int, int]], shape: Sequence[int]) -> list[Runs]:
    """What (axis, split, count, number) leave a rank, where each cut of a split comes after cuts to its right.

    So FSDP2 cuts what tensor parallel has left; with `_cut_as_written` uneven lengths would come out otherwise. Empty
    where there is no such order.
    """
    runs: list[Runs] = [[(0, length)] for length in shape]
    orders: dict[int, list[tuple[int, int]]] = {}
    for axis, split, count, number in reversed(cuts):
        order = orders.setdefault(axis, [])
        places = [at for at in range(len(order) + 1) if prod(before for before, _ in order[:at]) == split]
        if not places:
            return []
        order.insert(places[0], (count, number))
    for axis, order in orders.items():
        for count, number in order:
            runs[axis] = chunk(runs[axis], count, number)
    return runs


def _cut_as_written(cuts: list[tuple[int, int, int, int]], shape: Sequence[int]) -> list[Runs]:
    """What they leave a rank one after the other, each of every one of its `split` parts."""
    runs: list[Runs] = [[(0, length)] for length in shape]
    for axis, split, count, number in cuts:
        runs[axis] = strided_chunk(runs[axis], split, count, number)
    return runs


def rows_of(pieces: Pieces, row: int) -> list[torch.Tensor]:
    """The parts of a row of the whole that are in local memory."""
    local = pieces.local.detach()
    if pieces.rectangles is None:
        return [local[row]]
    row %= pieces.shape[0]
    here = [one for one in pieces.rectangles if one.offset[0] <= row < one.offset[0] + one.size[0]]
    return [local[one.local_index][row - one.offset[0]] for one in here]


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
        texts = list(deeds)
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


def view_of(owner: Pieces, view: torch.Tensor) -> Pieces | None:
    """What a view of an owner's local tensor holds of the whole; None where no one part of it can say that."""
    local, distance = owner.local, view.storage_offset() - owner.local.storage_offset()
    if (distance, view.shape, view.stride()) == (0, local.shape, local.stride()):
        return owner._replace(local=view)
    strides = [stride if length > 1 else 0 for stride, length in zip(view.stride(), view.shape, strict=True)]
    if owner.rectangles is None and local.is_contiguous():
        return Pieces(owner.shape, view, part=Part(distance, tuple(view.shape), tuple(strides)))
    rectangles = [Rectangle((0,) * local.ndim, (), ())] if owner.rectangles is None else owner.rectangles
    start, *moves = (_coordinates(local, number) for number in (distance, *strides))
    if len(rectangles) != 1 or start is None or None in moves:
        return None
    corner = list(start)
    for length, move in zip(view.shape, moves, strict=True):
        corner = [at + (length - 1) * by for at, by in zip(corner, move, strict=True)]
    if any(at >= length for at, length in zip(corner, local.shape, strict=True)):
        return None  # the view goes round an edge
    steps = whole_steps(owner.shape)
    first = sum((at + by) * step for at, by, step in zip(start, rectangles[0].offset, steps, strict=True))
    taken = tuple(sum(by * step for by, step in zip(move, steps, strict=True)) for move in moves)
    return Pieces(owner.shape, view, part=Part(first, tuple(view.shape), taken))


def _coordinates(tensor: torch.Tensor, distance: int) -> list[int] | None:
    """Steps along each axis that take one so far in memory, the longest first."""
    steps = [0] * tensor.ndim
    for axis in sorted(range(tensor.ndim), key=tensor.stride, reverse=True):
        if tensor.shape[axis] > 1:
            steps[axis], distance = divmod(distance, tensor.stride(axis))
    return steps if distance == 0 else None


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
