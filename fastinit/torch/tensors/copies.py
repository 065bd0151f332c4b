"""Copies: where a plain tensor gives a view of itself, a sharded one may give a copy; what is written there is lost.

So torch loses ``weight[row].fill_(0)`` of a DTensor that is sharded along its rows. Here it is put where it belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils.weak import WeakIdKeyDictionary

from ...arguments import refuse
from ...layout import Part
from ...rectangles import Rectangle
from .shards import Pieces, coordinates, is_dtensor, known_pieces_of, storage_of

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


class _View(NamedTuple):
    """What a tensor is a view of, and the same view of a whole one without memory."""

    origin: DTensor
    view: torch.Tensor


class Copies:
    """Knows the tensors that stand for views of DTensors, whether they have memory of their own or not."""

    def __init__(self) -> None:
        self._found = WeakIdKeyDictionary()

    def note(self, func: Callable[..., Any], args: Sequence[Any], kwargs: Any, made: Sequence[Any]) -> None:
        """Know those tensors that a function has made of a DTensor, its first argument, as views of it."""
        source = args[0] if args else None
        if not is_dtensor(source) or not any(is_dtensor(one) for one in made):
            return
        origin, whole = self._found.get(source, (source, None))
        if whole is None:
            whole = torch.empty(source.shape, dtype=source.dtype, device="meta")
        try:
            with torch.no_grad():
                views = func(whole, *args[1:], **kwargs)
        except (RuntimeError, TypeError, ValueError):  # of what only a DTensor takes
            return
        for one, view in zip(made, views if isinstance(views, (tuple, list)) else [views], strict=False):
            if is_dtensor(one) and isinstance(view, torch.Tensor) and storage_of(view) == storage_of(whole):
                self._found[one] = _View(origin, view)

    def place(self, tensor: torch.Tensor, source: torch.Tensor) -> Pieces | None:
        """What a view of a DTensor, or one made like its source, holds of the whole; None where that is several parts.

        Any other is a whole of its own.
        """
        pieces, found = known_pieces_of(tensor), self._found.get(tensor)
        if found is None and tensor.shape == source.shape:
            found = self._found.get(source)
        if found is None:
            return pieces
        held = [Rectangle.whole(pieces.shape)] if pieces.rectangles is None else pieces.rectangles
        if len(held) > 1:
            return None
        first, steps = found.view.storage_offset(), found.view.stride()
        for one in held:
            first += sum(at * step for at, step in zip(one.offset, steps, strict=True))
        return Pieces(tuple(found.origin.shape), pieces.local, part=Part(first, tuple(pieces.local.shape), steps))

    def is_copy(self, tensor: torch.Tensor) -> bool:
        """Whether what is written to a view is not written to the DTensor."""
        found = self._found.get(tensor) if self._found else None
        return found is not None and storage_of(tensor._local_tensor) != storage_of(found.origin._local_tensor)

    def write_back(self, tensor: torch.Tensor) -> None:
        """What was written to a copy goes into the shards of what it is of. On every rank: it is gathered."""
        if not self.is_copy(tensor):
            return
        found = self._found[tensor]
        start, axes = _axes(found)
        with torch.no_grad():
            values, pieces = tensor.detach().full_tensor(), known_pieces_of(found.origin)
            held = [Rectangle.whole(pieces.shape)] if pieces.rectangles is None else pieces.rectangles
            for one in held:
                _put(pieces.local.detach(), one, start, axes, values)


def _axes(found: _View) -> tuple[list[int], list[tuple[int, int]]]:
    """Where a view begins in the whole, and along which axis of that each of its own goes, by which steps."""
    whole, view = torch.empty(found.origin.shape, device="meta"), found.view
    start, *moves = (coordinates(whole, one) or [] for one in (view.storage_offset(), *view.stride()))
    axes = []
    for move, length in zip(moves, view.shape, strict=True):
        along = [(axis, by) for axis, by in enumerate(move) if by and length > 1]
        within = all(start[axis] + (length - 1) * by < whole.shape[axis] for axis, by in along)
        if within and len(along) < 2:
            axes.append(along[0] if along else (-1, 0))
    known = [axis for axis, _ in axes if axis >= 0]
    if len(axes) < view.ndim or len(set(known)) < len(known):
        rule = "a view along the axes of a DTensor (torch has made a copy, and what is written there is lost)"
        refuse("tensor", rule, f"one of shape {tuple(view.shape)} of {tuple(whole.shape)}", RuntimeError)
    return start, axes


def _put(
    local: torch.Tensor, held: Rectangle, start: list[int], axes: list[tuple[int, int]], values: torch.Tensor
) -> None:
    """Those of a view's values that are in a rectangle."""
    at, taken, strides = list(start), [], []
    for (axis, by), length in zip(axes, values.shape, strict=True):
        low, high, stride = 0, length, 0
        if by:
            begin = held.offset[axis] - start[axis]
            low, high = max(0, -(-begin // by)), min(length, -(-(begin + held.size[axis]) // by))
            at[axis], stride = start[axis] + low * by, by * local.stride(axis)
        taken.append(slice(low, max(low, high)))
        strides.append(stride)
    values, places = values[tuple(taken)], [one - begin for one, begin in zip(at, held.offset, strict=True)]
    if values.numel() and all(0 <= place < length for place, length in zip(places, held.size, strict=True)):
        steps = zip(places, held.local_offset, local.stride(), strict=True)
        offset = local.storage_offset() + sum((place + begin) * stride for place, begin, stride in steps)
        local.as_strided(values.shape, strides, offset).copy_(values)
