"""Fills: a law's values into a tensor's memory, wherever that is and however much of the whole it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.dlpack import from_dlpack, to_dlpack

from ..._core import FEW_VALUES, CheckedCall
from ...arguments import refuse
from ...dtypes import BFLOAT16_BITS, kind_of
from ...fill import draw
from ...laws import Law
from ...layout import Part
from ...rectangles import Rectangle
from .shards import Pieces, address_of, is_followed, lies_plainly, stands_for_itself

Index = tuple[slice, ...] | Part | None

DTYPES: dict[torch.dtype, Any] = {
    torch.float32: "float32",
    torch.float64: "float64",
    torch.float16: "float16",
    torch.bfloat16: BFLOAT16_BITS,
}

KINDS = {dtype: kind_of(known) for dtype, known in DTYPES.items()}

#: Elements that go to an accelerator together, through one pinned buffer.
CHUNK = 1 << 24
_NUMBERS = (1 << 64) - 1
with torch.inference_mode(False):
    #: To draw into: a call takes one out while it does, if one is there, and nothing makes a fake of the draw.
    _SPARE = [torch.empty((), dtype=torch.int64, device="cpu")]


def seed_from(generator: torch.Generator | None) -> int:
    """The next 64 bits of a generator, or of torch's default one."""
    with torch._C.DisableTorchFunction():
        return unseen_seed_from(generator)


def unseen_seed_from(generator: torch.Generator | None) -> int:
    """The same where no mode sees what torch is asked."""
    if generator is None and _SPARE and not torch._C._len_torch_dispatch_stack():
        number = _SPARE.pop()
        try:
            return number.random_(-(1 << 63), None).item() & _NUMBERS
        finally:
            _SPARE.append(number)
    if not isinstance(generator, torch.Generator | None):
        refuse("generator", "a torch.Generator or None", generator, TypeError)
    number = torch.empty((), dtype=torch.int64, device="cpu" if generator is None else generator.device)
    return number.random_(-(1 << 63), None, generator=generator).item() & _NUMBERS


class _WholeTensor(NamedTuple):
    """What the whole tensor holds, of which any part is asked for."""

    law: Law
    shape: tuple[int, ...]
    seed: int
    name: str

    def draw(self, **common: Any) -> Any:
        """Its values, as `fastinit.fill.draw` gives them."""
        return draw(self.law, self.shape, seed=self.seed, name=self.name, **common)


def address_of_few(tensor: torch.Tensor) -> int:
    """Where the elements of a plain tensor of few are, if they lie in C order and no mode looks on; else 0."""
    if not stands_for_itself(tensor) or tensor.dtype not in KINDS or not 0 < tensor.numel() <= FEW_VALUES:
        return 0
    if torch._C._len_torch_dispatch_stack() or is_followed():
        return 0
    if not lies_plainly(tensor) or not tensor.is_contiguous():
        return 0
    address = address_of(tensor)
    return 0 if address % tensor.itemsize else address


def fill_few_(tensor: torch.Tensor, address: int, call: CheckedCall, *, seed: int, name: str) -> None:
    """Fill a tensor of that address with what the law of a call for its shape and dtype gives the whole."""
    call.fill(seed, name, address)
    torch._C._increment_version([tensor])


def fill_pieces_(pieces: Pieces, law: Law, *, seed: int, name: str) -> None:
    """Fill what is here of a tensor of floats with what a law gives the whole."""
    with torch._C.DisableTorchFunction():
        is_whole = pieces.rectangles is None and pieces.part is None
        if is_whole and law.in_core and (address := address_of_few(pieces.local)):
            call = law._checked_call(pieces.shape, KINDS[pieces.local.dtype])
            if call is not None:
                return fill_few_(pieces.local, address, call, seed=seed, name=name)
        local = pieces.local.detach()
        if local.is_inference() and not torch.is_inference_mode_enabled():  # as torch's own fills
            shape = f"one of shape {tuple(local.shape)}"
            refuse("tensor", "filled in inference mode, where it was made", shape, RuntimeError)
        targets: list[torch.Tensor] = [local]
        indices: list[Index] = [pieces.part]
        if pieces.rectangles is not None:
            targets = [local[one.local_slices] for one in pieces.rectangles]
            indices = [one.slices for one in pieces.rectangles]
        if not local.is_meta:
            _fill_memory_or_device(local.device)(targets, indices, _WholeTensor(law, pieces.shape, seed, name))
            torch._C._increment_version([local])


def _fill_memory_or_device(device: torch.device) -> Callable[..., None]:
    return _fill_memory if device.type == "cpu" else _fill_device


def dtype_for(law: Law, dtype: torch.dtype) -> Any:
    """What a law is asked for: what the core makes in bits that NumPy need not know goes through float32 elsewhere."""
    return "float32" if dtype is torch.bfloat16 and not law.in_core else DTYPES.get(dtype, "float32")


def _fill_memory(targets: Sequence[torch.Tensor], indices: Sequence[Index], whole: _WholeTensor) -> None:
    """One call for all rectangles, so that what can only be made whole is made once."""
    if not targets:
        return
    dtype = dtype_for(whole.law, targets[0].dtype)
    if targets[0].dtype is torch.bfloat16 and not whole.law.in_core:
        for target, values in zip(targets, whole.draw(index=[*indices], dtype=dtype), strict=True):
            target.copy_(torch.from_numpy(values))
        return
    arrays = [_items(target) for target in targets]
    if len(arrays) == 1:
        whole.draw(index=indices[0], dtype=dtype, out=arrays[0])
    else:
        whole.draw(index=[*indices], dtype=dtype, out=arrays)


def array_over(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """The memory of a tensor without gradient as an array.

    That of an alias: torch does not resize any more what it has once made an array of, and FSDP frees so.
    """
    return from_dlpack(to_dlpack(tensor)).numpy()


def values_over(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """That array, of bfloat16 where the tensor is."""
    return _items(tensor).view(kind_of("bfloat16").dtype) if tensor.dtype is torch.bfloat16 else array_over(tensor)


def _items(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    return array_over(tensor.view(torch.int16) if tensor.dtype is torch.bfloat16 else tensor)


def _fill_device(targets: Sequence[torch.Tensor], indices: Sequence[Index], whole: _WholeTensor) -> None:
    """Through pinned memory, so that nothing as large as the tensor is needed here."""
    if not whole.law.in_core or isinstance(indices[0], Part):
        made = [torch.empty(target.shape, dtype=target.dtype) for target in targets]
        _fill_memory(made, indices, whole)
        for target, values in zip(targets, made, strict=True):
            target.copy_(values)
        return
    for target, index in zip(targets, indices, strict=True):
        assert not isinstance(index, Part)
        corner = (0,) * target.ndim if index is None else tuple(one.start for one in index)
        buffer = torch.empty(min(CHUNK, target.numel()), dtype=target.dtype, pin_memory=target.device.type == "cuda")
        for part in Rectangle(corner, (0,) * target.ndim, tuple(target.shape)).split(CHUNK):
            held = buffer[: target[part.local_slices].numel()].view(part.size)
            _fill_memory([held], [part.slices], whole)
            target[part.local_slices].copy_(held)
