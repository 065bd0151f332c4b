"""Fills: a law's values into a tensor's memory, wherever that is and however much of the whole it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.autograd.graph import increment_version
from torch.utils.dlpack import from_dlpack, to_dlpack

from ...arguments import refuse
from ...fill import BFLOAT16_BITS, normal, truncated_normal, uniform
from ...layout import Part
from ...rectangles import Rectangle
from .shards import Pieces

Scheme = Callable[..., Any]

DTYPES = {
    torch.float32: "float32",
    torch.float64: "float64",
    torch.float16: "float16",
    torch.bfloat16: BFLOAT16_BITS,
}

#: Elements that go to an accelerator together, through one pinned buffer.
CHUNK = 1 << 24
#: Schemes of which any part can be made alone, in bits that NumPy need not know.
BY_POSITION = (normal, uniform, truncated_normal)
_NUMBERS = (1 << 64) - 1


def seed_from(generator: torch.Generator | None) -> int:
    """The next 64 bits of a generator, or of torch's default one."""
    if not isinstance(generator, torch.Generator | None):
        refuse("generator", "a torch.Generator or None", generator, TypeError)
    with torch._C.DisableTorchFunction():
        number = torch.empty((), dtype=torch.int64, device="cpu" if generator is None else generator.device)
        return int(number.random_(-(1 << 63), None, generator=generator).item()) & _NUMBERS


def fill_pieces_(pieces: Pieces, scheme: Scheme, *, seed: int, name: str, **keywords: Any) -> None:
    """Fill what is here of a tensor of floats with what `scheme` gives the whole."""
    with torch._C.DisableTorchFunction():
        local = pieces.local.detach()
        targets, indices = [local], [pieces.part]
        if pieces.rectangles is not None:
            targets = [local[one.local_index] for one in pieces.rectangles]
            indices = [one.index for one in pieces.rectangles]
        if not local.is_meta:
            fill = _fill_memory_or_device(local.device)
            fill(targets, indices, scheme, pieces.shape, {"seed": seed, "name": name, **keywords})
            increment_version(local)


def _fill_memory_or_device(device: torch.device) -> Callable[..., None]:
    return _fill_memory if device.type == "cpu" else _fill_device


def _fill_memory(targets: list[torch.Tensor], indices: list[Any], scheme: Scheme, shape: Any, keywords: Any) -> None:
    """One call for all rectangles, so that what can only be made whole is made once."""
    if not targets:
        return
    if targets[0].dtype is torch.bfloat16 and scheme not in BY_POSITION:
        for target, values in zip(targets, scheme(shape, index=indices, dtype="float32", **keywords), strict=True):
            target.copy_(torch.from_numpy(values))
        return
    kind = DTYPES[targets[0].dtype]
    arrays = [_items(target) for target in targets]
    if len(arrays) == 1:
        scheme(shape, index=indices[0], dtype=kind, out=arrays[0], **keywords)
    else:
        scheme(shape, index=indices, dtype=kind, out=arrays, **keywords)


def array_over(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """The memory of a tensor without gradient as an array.

    That of an alias: torch does not resize any more what it has once made an array of, and FSDP frees so.
    """
    return from_dlpack(to_dlpack(tensor)).numpy()


def _items(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    return array_over(tensor.view(torch.int16) if tensor.dtype is torch.bfloat16 else tensor)


def _fill_device(targets: list[torch.Tensor], indices: list[Any], scheme: Scheme, shape: Any, keywords: Any) -> None:
    """Through pinned memory, so that nothing as large as the tensor is needed here."""
    if scheme not in BY_POSITION or isinstance(indices[0], Part):
        wholes = [torch.empty(target.shape, dtype=target.dtype) for target in targets]
        _fill_memory(wholes, indices, scheme, shape, keywords)
        for target, whole in zip(targets, wholes, strict=True):
            target.copy_(whole)
        return
    for target, index in zip(targets, indices, strict=True):
        corner = (0,) * target.ndim if index is None else tuple(one.start for one in index)
        buffer = torch.empty(min(CHUNK, target.numel()), dtype=target.dtype, pin_memory=target.device.type == "cuda")
        for part in Rectangle(corner, (0,) * target.ndim, tuple(target.shape)).split(CHUNK):
            held = buffer[: target[part.local_index].numel()].view(part.size)
            _fill_memory([held], [part.index], scheme, shape, keywords)
            target[part.local_index].copy_(held)
