"""Fill: a law's values into arrays, whole or in part. Defaults and checks of memory are here; arrays are made here."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ._core import rounds_otherwise
from .arguments import refuse, type_of
from .dtypes import Kind, kind_for
from .laws import Called, Law
from .laws.law import Fill
from .layout import check_apart, check_out, checked_shape, part, whole_steps
from .machine import threads_for, usually_rounded
from .stream import encoded, seed_number

#: Bytes at whose multiples memory must begin for XLA.
_ALIGNMENT = 64


def draw(
    law: Law,
    shape: Any,
    *,
    seed: Any = None,
    name: str = "",
    dtype: Any = "float32",
    index: Any = None,
    out: Any = None,
    threads: int | None = None,
) -> Any:
    """The values of a law in an array of that shape, or in the parts of it that `index` names."""
    if rounds_otherwise():
        again = usually_rounded(draw)
        return again(law, shape, seed=seed, name=name, dtype=dtype, index=index, out=out, threads=threads)
    if type(law) is Called:
        return _called(law, shape, out, seed=seed, name=name, dtype=dtype, **_given(index=index, threads=threads))
    kind, lengths = kind_for(dtype, out), checked_shape(shape)
    if law.is_fixed:
        if type(name) is not str or name or seed is not None or threads is not None:
            _check_unused(seed, name, threads)
        number, workers = 0, 1
    else:
        if seed is None and index is not None:
            refuse("seed", "given where index is (a part of an array that nobody can make whole)", seed)
        number, workers = seed_number(seed), threads_for(threads)
    if index is None and out is None:
        return law.array(lengths, kind, number, name, workers)
    return make(lengths, kind, index, out, law.fills(lengths, kind, number, name, workers))


def _called(law: Called, shape: Any, out: Any, **common: Any) -> Any:
    """What a user's function makes; it may fill `out`, or return others, whose values are then put there."""
    if out is None:
        return law(shape, **common)
    if isinstance(out, (list, tuple)):
        check_apart(out)
    made = law(shape, out=out, **common)
    if isinstance(out, (list, tuple)):
        return out if made is None else [_put(*one) for one in zip(out, made, strict=True)]
    return _put(out, made)


def _put(out: Any, values: Any) -> Any:
    if out is None:
        return values
    if values is not None and values is not out:
        np.copyto(out, values, casting="same_kind")
    return out


def _given(**keywords: Any) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if value is not None}


def _check_unused(seed: Any, name: Any, threads: Any) -> None:
    """What a law that needs no random numbers is given is checked all the same."""
    encoded(name)
    if seed is not None:
        seed_number(seed)
    if threads is not None:
        threads_for(threads)


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A new array, not filled, whose memory XLA takes for its own; that of NumPy's own arrays it copies."""
    size = prod(shape) * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)


def draw_aligned(
    law: Law, lengths: tuple[int, ...], dtype: Any, *, seed: int, name: str = "", index: Any = None
) -> Any:
    """The values of a law, or of the part that `index` names, in such an array."""
    place = None if index is None else part(lengths, index)
    out = aligned(lengths if place is None else place.shape, dtype)
    return draw(law, lengths, seed=seed, name=name, dtype=None, index=place, out=out)


def make(lengths: tuple[int, ...], kind: Kind, index: Any, out: Any, fill: Fill) -> Any:
    """Arrays for what `index` names (or `out`, checked), filled by fill(array, first, steps)."""
    if index is None:
        if out is None:
            out = np.empty(lengths, kind.dtype)
        else:
            check_out(out, lengths, kind.dtype)
        fill(out, 0, None if out.flags.c_contiguous else whole_steps(lengths))
        return out
    if isinstance(index, list):
        outs = [None] * len(index) if out is None else out
        if not isinstance(outs, (list, tuple)) or len(outs) != len(index):
            refuse("out", f"a list of {len(index)} arrays where index is a list", type_of(out), TypeError)
        pieces = [None if one is None else part(lengths, one) for one in index]
        for piece, target in zip(pieces, outs, strict=True):
            if target is not None:
                check_out(target, lengths if piece is None else piece.shape, kind.dtype)
        check_apart(outs)
        return [make(lengths, kind, piece, target, fill) for piece, target in zip(pieces, outs, strict=True)]
    piece = part(lengths, index)
    if out is None:
        target = np.empty(piece.shape, kind.dtype)
    else:
        check_out(out, piece.shape, kind.dtype)
        target = out
    if target.size:
        fill(target, piece.first, piece.steps)
    return target[()] if out is None and target.ndim == 0 else target
