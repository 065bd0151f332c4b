"""Fills of parts: tensors that hold a part of a whole which only the caller knows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import prod
from typing import Any

from torch import Tensor, nn

from ..arguments import Words, integer, refuse
from ..layout import Part, checked_shape
from ..rectangles import Rectangle, is_within
from ..stream import seed_number
from .rules.weights import Weight, law_of
from .tensors.checks import check_here
from .tensors.fills import DTYPES, fill_pieces_
from .tensors.shards import Pieces, has_memory, partitioned


def _fill(pieces: Pieces, scheme: Any, seed: Any, name: str, keywords: Any) -> None:
    check_here(pieces.local, "tensor")
    if not has_memory(pieces.local) or pieces.local.dtype not in DTYPES:
        kind = f"{type(pieces.local).__name__} of {pieces.local.dtype}"
        refuse("tensor", "a dense one of float16, bfloat16, float32 or float64", kind, TypeError)
    if seed is None:
        refuse("seed", "given (a rank alone would draw another)", seed)
    law = law_of(scheme, Weight(name, _of_shape(pieces.shape), pieces.shape, pieces.local.dtype), **keywords).law
    assert law is not None  # a scheme has one
    fill_pieces_(pieces, law, seed=seed_number(seed), name=name)


def _of_shape(shape: tuple[int, ...]) -> nn.Module:
    """A module by whose words a tensor of that shape is (out, in, ...), as the caller says."""
    module = nn.Module()
    if len(shape) > 2:
        vars(module).update(out_channels=shape[0], in_channels=shape[1], groups=1, kernel_size=shape[2:])
    return module


def fill_flat_(buffer: Tensor, start: int, shape: Any, scheme: Any, *, seed: Any, name: str, **keywords: Any) -> Tensor:
    """Fill a buffer with a range of the flattened (row-major) whole.

    Parameters
    ----------
    buffer : torch.Tensor
        Contiguous: ``ds_tensor`` of DeepSpeed, a slice of FSDP1's flat parameter. What is beyond the end of the whole
        is padding, and stays.
    start : int
        Number of the first element: of ``ds_tensor``, ``rank * ds_tensor.ds_numel``.
    shape : sequence of int
        Of the whole, (out, in, ...): ``ds_shape``. The fan is taken from it; name the axes of what is not so, as
        stacked experts.
    scheme, **keywords
        As in a rule of `initialize_`.
    seed, name
        The stream; the name as in `canonical_name`, for the weights that `initialize_` gives.

    Returns
    -------
    torch.Tensor
        `buffer`.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks its rule; then nothing has been written.

    Examples
    --------
    >>> import torch
    >>> from fastinit.torch import fill_flat_
    >>> whole = fill_flat_(torch.empty(6), 0, (2, 3), "he_normal", seed=0, name="w")
    >>> last = fill_flat_(torch.zeros(4), 4, (2, 3), "he_normal", seed=0, name="w")
    >>> bool((last[:2] == whole[4:]).all()), last[2:]
    (True, tensor([0., 0.]))
    """
    check_here(buffer, "buffer")
    shape, first = checked_shape(shape), integer("start", start, 0)
    if not buffer.is_contiguous():
        refuse("buffer", "contiguous", Words(f"strides {buffer.stride()} for shape {tuple(buffer.shape)}"))
    count = max(0, min(buffer.numel(), prod(shape) - first))
    here = buffer.detach().view(-1)[:count]
    _fill(Pieces(shape, here, part=Part(first if count else 0, (count,), (1,))), scheme, seed, name, keywords)
    return buffer


def fill_rectangles_(
    tensor: Tensor,
    shape: Any,
    rectangles: Sequence[tuple[Sequence[int], Sequence[int], Sequence[int]]],
    scheme: Any,
    *,
    seed: Any,
    name: str,
    **keywords: Any,
) -> Tensor:
    """Fill the rectangles that a tensor holds of a whole. See `fill_flat_`.

    Parameters
    ----------
    tensor : torch.Tensor
        Local memory; what is in no rectangle stays.
    shape : sequence of int
        Of the whole, (out, in, ...).
    rectangles : sequence of (offset, local_offset, size)
        Where each begins in the whole and in `tensor`, and its lengths.
    scheme, seed, name, **keywords
        As for `fill_flat_`.

    Returns
    -------
    torch.Tensor
        `tensor`.

    Raises
    ------
    ValueError, TypeError
        If a rectangle is not within the whole and the tensor, or lies over another there, or an argument breaks its
        rule; then nothing has been written.
    """
    shape = checked_shape(shape)
    boxes = [_rectangle(box) for box in (rectangles if isinstance(rectangles, Sequence) else [rectangles])]
    for box in boxes:
        if not is_within(box, shape, tuple(tensor.shape)):
            refuse("rectangles", f"within {shape}, and in place within {tuple(tensor.shape)}", tuple(box))
    for one, other in combinations(boxes, 2):
        if one.meets(other):
            refuse("rectangles", f"apart in place from each other ({tuple(one)})", tuple(other))
    _fill(Pieces(shape, tensor, boxes), scheme, seed, name, keywords)
    return tensor


def _rectangle(box: Any) -> Rectangle:
    if not isinstance(box, (tuple, list)) or len(box) != 3:
        refuse("rectangles", "a sequence of (offset, local_offset, size)", box, TypeError)
    return Rectangle(*(checked_shape(one, "rectangles") for one in box))


def fill_partition_(
    tensor: Tensor,
    scheme: Any,
    *,
    partition: tuple[int, int],
    partition_dim: int | None = None,
    stride: int | None = None,
    seed: Any,
    name: str,
    **keywords: Any,
) -> Tensor:
    """Fill a rank's part of a tensor that Megatron has partitioned along one axis. See `fill_flat_`.

    Parameters
    ----------
    tensor : torch.Tensor
        The local part.
    partition : (int, int)
        This rank, and how many there are.
    partition_dim, stride : int
        The axis, and the number of chunks that were partitioned one by one (2 for a gated projection). None: what the
        tensor has as attributes.
    scheme, seed, name, **keywords
        As for `fill_flat_`.

    Returns
    -------
    torch.Tensor
        `tensor`.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks its rule; then nothing has been written.
    """
    axis = getattr(tensor, "partition_dim", None) if partition_dim is None else partition_dim
    if axis is None:
        refuse("partition_dim", "given, or an attribute of the tensor", axis)
    chunks = getattr(tensor, "partition_stride", 1) if stride is None else stride
    axis, chunks = integer("partition_dim", axis, 0, tensor.ndim), integer("stride", chunks, 1)
    _fill(partitioned(tensor, partition, axis, chunks), scheme, seed, name, keywords)
    return tensor
