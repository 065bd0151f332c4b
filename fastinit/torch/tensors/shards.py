"""Shards: what of a whole tensor the memory of this rank holds, as torch and its libraries say it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

import torch
from torch.fx.experimental.proxy_tensor import get_proxy_mode
from torch.nn.parameter import is_lazy

from ...arguments import integer, refuse
from ...layout import Part, whole_steps
from ...rectangles import Cut, Rectangle, is_within, partition_of, shard_of

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


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
    if stands_for_itself(tensor):
        return Pieces(tuple(tensor.shape), tensor) if has_memory(tensor) else None
    if is_dtensor(tensor):
        local, rectangles = tensor._local_tensor, _rectangles(tensor)
        return Pieces(tuple(tensor.shape), local, rectangles) if rectangles is not None and has_memory(local) else None
    if not has_memory(tensor) or is_placeholder(tensor):
        return None
    if is_checkpointable(tensor):
        return _checkpointable(tensor)
    if partition is not None and is_partitioned(tensor):
        return partitioned(tensor, partition, tensor.partition_dim, getattr(tensor, "partition_stride", 1))
    return Pieces(tuple(tensor.shape), tensor)


def known_pieces_of(tensor: torch.Tensor, partition: Partition | None = None) -> Pieces:
    """That of a tensor of which it is known that it can be told."""
    pieces = pieces_of(tensor, partition)
    assert pieces is not None
    return pieces


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
    shape, rectangles = partition_of(tensor.shape, axis, *checked_partition(partition), stride)
    return Pieces(shape, tensor, rectangles)


def is_dtensor(tensor: torch.Tensor) -> TypeGuard[DTensor]:
    """Whether a tensor is one of torch.distributed's; importing that takes half a second, so only who has one does."""
    distributed = sys.modules.get("torch.distributed.tensor")
    return distributed is not None and isinstance(tensor, distributed.DTensor)


def sharded_part(model: torch.nn.Module) -> str:
    """The first parameter or module that is sharded, in words; empty where there is none.

    Modules are asked too: between passes FSDP2 may have whole parameters in place of its shards.
    """
    for name, module in model.named_modules():
        if _is_fully_sharded(module):
            return f"{name or type(module).__name__} under fully_shard"
    for name, tensor in model.named_parameters():
        if is_dtensor(tensor) or is_placeholder(tensor):
            return f"{name}, {getattr(tensor, 'placements', type(tensor).__name__)}"
    return ""


def reshard(model: torch.nn.Module) -> None:
    """Put FSDP2's shards in their place: what is written to whole parameters between passes is lost."""
    modules: Iterator[Any] = model.modules()
    for module in modules:
        if _is_fully_sharded(module):
            module.reshard()


def _is_fully_sharded(module: torch.nn.Module) -> bool:
    """Whether it is one of FSDP2's; who has one has imported that."""
    fsdp = sys.modules.get("torch.distributed.fsdp")
    return fsdp is not None and isinstance(module, fsdp.FSDPModule)


def is_placeholder(tensor: torch.Tensor) -> bool:
    """Whether its values are elsewhere: FSDP1 has made it a view of a flat one, DeepSpeed has partitioned it."""
    if getattr(tensor, "_fsdp_flattened", False):
        return True
    if hasattr(tensor, "ds_numel"):
        return bool(tensor.ds_numel != tensor.numel())
    return hasattr(tensor, "ds_shape") and tuple(tensor.ds_shape) != tuple(tensor.shape)


_TORCHS = (torch.nn.Parameter, torch.Tensor)
_DISPATCH = torch.Tensor.__torch_dispatch__
#: Included while there is a mode ahead of dispatch, which is on no stack of torch's core.
_BEFORE = torch._C.DispatchKey.PreDispatch


with torch.inference_mode(False):
    _PLAIN = torch._C._dispatch_keys(torch.empty(0, device="cpu")).raw_repr()


def lies_plainly(tensor: torch.Tensor) -> bool:
    """Whether torch takes its elements to lie in this memory and no more: not where it is negated when read, a wrapper
    of another, of another layout or device, or made for inference.
    """
    return bool(torch._C._dispatch_keys(tensor).raw_repr() == _PLAIN)


def stands_for_itself(tensor: torch.Tensor) -> bool:
    """Whether a tensor is of torch's own types, and no library has put words on it that would make it a part."""
    return type(tensor) in _TORCHS and not tensor.__dict__


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether a tensor is all that it says, and in this memory."""
    return stands_for_itself(tensor) and tensor.is_cpu and has_memory(tensor)


def is_dense(tensor: torch.Tensor) -> bool:
    """Whether it has numbers and strides: neither sparse, quantised nor nested, nor of a library's own layout."""
    return tensor.layout is torch.strided and not (tensor.is_quantized or tensor.is_nested)


def has_memory(tensor: torch.Tensor) -> bool:
    """Whether the elements of a tensor lie where its strides say: no wrapper, no other layout, no negation pending."""
    if type(tensor) not in _TORCHS and (type(tensor).__torch_dispatch__ is not _DISPATCH or is_lazy(tensor)):
        return False
    if is_followed():
        return False
    if not lies_plainly(tensor):
        if not is_dense(tensor) or tensor.is_neg():
            return False
        if torch._is_functional_tensor(tensor):
            return False
    try:
        address = address_of(tensor)
    except RuntimeError:
        return False
    return address != 0 or tensor.is_meta or not tensor.numel()


def address_of(tensor: torch.Tensor) -> int:
    """Where the first element is; 0 where the storage was freed, as FSDP does, though a view into it has an offset."""
    return tensor.data_ptr() if tensor.untyped_storage().nbytes() else 0


def is_followed() -> bool:
    """Whether calls are repeated (``vmap`` and its kin) or recorded: neither sees what is written past torch."""
    if torch._C._functorch.maybe_current_level() is not None or torch._C._is_tracing():
        return True
    any_mode = torch._C._len_torch_dispatch_stack() or torch._C._dispatch_tls_is_dispatch_key_included(_BEFORE)
    return bool(any_mode) and get_proxy_mode() is not None


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
            cuts.append(Cut(placement.dim, getattr(placement, "split_factor", 1), count, number))
        elif not isinstance(placement, Replicate):
            return None
    return shard_of(cuts, tensor.shape, tensor._local_tensor.shape)


def rows_of(pieces: Pieces, row: int) -> list[torch.Tensor]:
    """The parts of a row of the whole that are in local memory; none of a row that is not there."""
    local, count = pieces.local.detach(), pieces.shape[0]
    if not -count <= row < count:
        return []
    if pieces.rectangles is None:
        return [local[row]]
    row %= count
    here = [one for one in pieces.rectangles if one.offset[0] <= row < one.offset[0] + one.size[0]]
    return [local[one.local_slices][row - one.offset[0]] for one in here]


def view_of(owner: Pieces, view: torch.Tensor) -> Pieces | None:
    """What a view of an owner's local tensor holds of the whole; None where no one part of it can say that."""
    local, distance = owner.local, view.storage_offset() - owner.local.storage_offset()
    if (distance, view.shape, view.stride()) == (0, local.shape, local.stride()):
        return owner._replace(local=view)
    strides = [stride if length > 1 else 0 for stride, length in zip(view.stride(), view.shape, strict=True)]
    if owner.rectangles is None and local.is_contiguous():
        return Pieces(owner.shape, view, part=Part(distance, tuple(view.shape), tuple(strides)))
    rectangles = [Rectangle.whole(owner.shape)] if owner.rectangles is None else owner.rectangles
    found = [coordinates(local, number) for number in (distance, *strides)]
    known = [one for one in found if one is not None]
    if len(rectangles) != 1 or len(known) < len(found):
        return None
    start, *moves = known
    (held,) = rectangles
    reach = list(start)  # of the last element
    for length, move in zip(view.shape, moves, strict=True):
        reach = [at + (length - 1) * by for at, by in zip(reach, move, strict=True)]
    for at, last, begin, length in zip(start, reach, held.local_offset, held.size, strict=True):
        if at < begin or last >= begin + length:
            return None  # the view goes round an edge, or has padding
    steps = whole_steps(owner.shape)
    offsets = [at + one - begin for at, one, begin in zip(start, held.offset, held.local_offset, strict=True)]
    first = sum(at * step for at, step in zip(offsets, steps, strict=True))
    taken = tuple(sum(by * step for by, step in zip(move, steps, strict=True)) for move in moves)
    return Pieces(owner.shape, view, part=Part(first, tuple(view.shape), taken))


def coordinates(tensor: torch.Tensor, distance: int) -> list[int] | None:
    """Steps along each axis that take one so far in memory, the longest first."""
    steps = [0] * tensor.ndim
    for axis in sorted(range(tensor.ndim), key=tensor.stride, reverse=True):
        if tensor.shape[axis] > 1:
            steps[axis], distance = divmod(distance, tensor.stride(axis))
    return steps if distance == 0 else None


def local_of(tensor: torch.Tensor) -> torch.Tensor:
    """What is here of a tensor: of a DTensor the shard, of any other itself."""
    return tensor._local_tensor if is_dtensor(tensor) else tensor


def storage_of(tensor: torch.Tensor) -> int:
    """What tells the memory of a tensor from others while it lives."""
    return tensor.untyped_storage()._cdata


def end_of(tensor: torch.Tensor) -> int:
    """One past the last element, in elements of the storage."""
    if tensor.is_contiguous():
        return tensor.storage_offset() + tensor.numel()
    reach = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.storage_offset() + reach + 1
