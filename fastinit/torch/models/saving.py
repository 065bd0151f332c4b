"""Saving: the weights of a model on disk, made as they are written; the model itself needs no memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from ...arguments import refuse
from ...checkpoints import Stored, pieces_of, write_checkpoint
from ...dtypes import kind_of
from ...laws import Called
from ...machine import usually_rounded
from ...models.plans import Entry, Plan
from ...stream import seed_number
from ...tensor_files import CODES
from ..rules.lists import Rules
from ..tensors.checks import check_model
from ..tensors.fills import array_over
from ..tensors.meta import on_meta
from ..tensors.names import canonical_name
from ..tensors.shards import is_dense, reshard
from ..tensors.ties import check_apart, kept_names
from .initialize import carry_out, drawn, values_of
from .plans import Planned, planned
from .resets import OwnTensor, own_tensors, padding_rows

Array = np.ndarray[Any, Any]


@usually_rounded
def save(
    model: nn.Module,
    directory: str | os.PathLike[str],
    rules: Rules = "torch",
    seed: Any = 0,
    *,
    dtype: torch.dtype | str | None = None,
    max_shard_size: int | str = "5GB",
) -> list[Path]:
    """Write the weights that `initialize_` gives a model to disk, as Hugging Face's libraries store a model.

    The model may be on the meta device, and larger than memory. Nothing of it is changed.

    Parameters
    ----------
    model : torch.nn.Module
        Its values are not looked at, but for buffers in memory that no module restores.
    directory : path
        Where the files go. It is made if it is not there, and must not have another checkpoint.
    rules, seed
        As for `initialize_`.
    dtype : torch.dtype or str
        float16, bfloat16, float32 or float64, in which all tensors of floats are stored. None: each has its own.
    max_shard_size : int or str
        As for `fastinit.save`.

    Returns
    -------
    list of pathlib.Path
        The files: ``model.safetensors``; or several, and ``model.safetensors.index.json``. Of a model of transformers
        ``config.json`` too, by which ``from_pretrained`` loads it.

    Raises
    ------
    ValueError, TypeError
        As for `initialize_`; if a module computes weights from others, which are not there, or nothing restores a
        buffer of its state that is on the meta device. Nothing has been written then.
    OSError
        If the directory has a checkpoint, or what is written does not fit. No file of it is left then.

    Warns
    -----
    UserWarning
        As `plan`.

    Notes
    -----
    Names are those of ``state_dict``, and tensors all that has: parameters, and buffers that are not left out of it
    (``persistent=False``). A tied weight is stored once, under the name that is not in ``_tied_weights_keys``.

    *Memory* is that of one megabyte, and of what cannot be made in pieces: buffers, what modules or parametrizations
    compute, and one at a time, arrays of laws like ``orthogonal`` and of callables.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> import fastinit.torch
    >>> with torch.device("meta"):
    ...     model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.BatchNorm1d(256), torch.nn.Linear(256, 10))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = fastinit.torch.save(model, folder, seed=1, dtype="bfloat16")
    ...     print(*(f"{path.name}: {path.stat().st_size} bytes" for path in files))
    model.safetensors: 409820 bytes
    """
    check_model(model)
    if seed is None:
        refuse("seed", "given (nobody could make the same again)", seed)
    number = seed_number(seed)
    floats = None if dtype is None else kind_of(str(dtype).removeprefix("torch.")).name
    reshard(model)
    own = list(own_tensors(model))
    check_apart((one.full_name, one.tensor) for one in own)
    found = planned(model, own, rules, rename=None, split=None, partition=None)
    found.warn("save")
    stored = [_stored(one, floats, number) for one in _state(model, found, number)]
    return write_checkpoint(directory, stored, max_shard_size, beside=_configuration(model, floats))


def _configuration(model: nn.Module, floats: str | None) -> dict[str, bytes]:
    """What a model of transformers was made from, as that stores it: by the name of the file, its text."""
    config: Any = getattr(model, "config", None)
    if not (hasattr(config, "to_json_string") and hasattr(model, "from_pretrained")):
        return {}
    config = deepcopy(config)
    config.architectures = [type(model).__name__]
    config.dtype = floats or str(model.dtype).removeprefix("torch.")
    return {"config.json": config.to_json_string().encode()}


class _Held(NamedTuple):
    """A tensor of a model's state: itself; or one like it without values, what these are going to be, and zero rows."""

    name: str
    tensor: Tensor
    entry: Entry | None
    rows: list[int]


def _state(model: nn.Module, found: Planned, seed: int) -> list[_Held]:
    """All of it, each tensor once. What has no law by itself is here: buffers, and what is computed."""
    buffers = [dict(module._buffers) for module in model.modules()]
    without = {canonical_name(name) for name, one in model.named_buffers(remove_duplicate=False) if one.is_meta}
    with on_meta(model), torch.device("cpu"):
        here = _put_here(model, found.plan, buffers)
        own = list(own_tensors(model))
        left = _carried_out(model, own, found, seed) if here else []
        laws = {id(one.tensor): entry for one, entry in zip(own, found.plan, strict=True) if entry.law is not None}
        rows: dict[int, list[int]] = {}
        for weight, row in padding_rows(model):
            if -len(weight) <= row < len(weight):
                rows.setdefault(id(weight), []).append(row % len(weight))
        kept = kept_names(model, _checked_state(model))
    if lost := [name for name in kept if canonical_name(name) in without.intersection(left)]:
        refuse("model", "made with its buffers in memory, where no module restores them", lost)
    entries = {name: laws.get(id(one)) if one.is_meta else None for name, one in kept.items()}
    if computed := [name for name, one in kept.items() if one.is_meta and entries[name] is None]:
        _refuse_computed(computed)
    return [_Held(name, one, entries[name], rows.get(id(one), [])) for name, one in kept.items()]


def _put_here(model: nn.Module, plan: Plan, buffers: Iterable[Mapping[str, Tensor | None]]) -> bool:
    """Give memory to what has no law by itself, if anything has none; buffers in memory have copies."""
    wanted: set[int] = set()
    for one, entry in zip(own_tensors(model), plan, strict=True):
        if one.computed is not None:
            wanted.update(map(id, one.computed.originals))
        elif entry.law is None:
            wanted.add(id(one.tensor))
    here: dict[int, Tensor] = {}
    for module, before in zip(model.modules(), buffers, strict=True):
        for leaf, tensor in module._parameters.items():
            if tensor is not None and id(tensor) in wanted:
                empty = nn.Parameter(torch.empty_like(tensor, device="cpu"), tensor.requires_grad)
                module._parameters[leaf] = here.setdefault(id(tensor), empty)
        if module._buffers.keys() - module._non_persistent_buffers_set:
            for leaf, tensor in module._buffers.items():
                if (buffer := before[leaf]) is not None and tensor is not None:
                    held = torch.empty_like(tensor, device="cpu") if buffer.is_meta else buffer.detach().clone().cpu()
                    module._buffers[leaf] = here.setdefault(id(tensor), held)
    return bool(here)


def _carried_out(model: nn.Module, own: Sequence[OwnTensor], found: Planned, seed: int) -> list[str]:
    """What is planned is done where there is memory. Returns the names of buffers that nothing has restored."""
    try:
        return carry_out(model, own, found, seed, values_of(own, found, seed))
    except RuntimeError:  # torch's, of what would be read from the meta device
        if computed := [entry.name for entry in found.plan if entry.law is None]:
            _refuse_computed(computed)
        raise


def _refuse_computed(names: list[str]) -> NoReturn:
    rule = "such that no module computes weights from others (initialize_ a model in memory, and store that)"
    refuse("rules", rule, names)


def _checked_state(model: nn.Module) -> dict[str, Tensor]:
    """By name, what `state_dict` gives, but for what transformers leaves out."""
    left_out = getattr(model, "_keys_to_ignore_on_save", None) or ()
    state = {name: one for name, one in model.state_dict(keep_vars=True).items() if name not in left_out}
    if others := [name for name, one in state.items() if not isinstance(one, Tensor)]:
        refuse("model", "one whose state is of tensors alone", others, TypeError)
    return state


def _stored(held: _Held, floats: str | None, seed: int) -> Stored:
    """How a tensor is written, which is of the dtype `floats` where that is given and it is of floats."""
    name, tensor, entry, rows = held
    dtype = str(tensor.dtype).removeprefix("torch.")
    if floats is not None and tensor.is_floating_point():
        dtype = floats
    if dtype not in CODES:
        refuse("model", "of dtypes that .safetensors files have", f"{name}, {dtype}", TypeError)
    if not is_dense(tensor):
        refuse("model", "of dense tensors, which .safetensors files have", f"{name}, {tensor.layout}", TypeError)
    items, shape = getattr(torch, dtype), tuple(tensor.shape)

    def whole() -> list[Array]:
        if entry is None:
            value = tensor.detach().to(items)
        else:
            value = drawn(torch.empty(shape, dtype=items, device="cpu"), entry, seed)
        for row in rows:
            value[row] = 0
        return [array_over(value.contiguous().view(-1).view(torch.uint8))]

    law = None if entry is None else entry.law
    if entry is None or law is None or isinstance(law, Called) or not law.can_be_cut:
        return Stored(name, dtype, items.itemsize, shape, whole)
    kind = kind_of(dtype)
    law.fills(shape, kind, seed, entry.stream, 1)  # which raises where there is no such array
    zeros = [(row * prod(shape[1:]), (row + 1) * prod(shape[1:])) for row in rows]
    return Stored(
        name, dtype, items.itemsize, shape, lambda: _zeroed(pieces_of(law, shape, kind, seed, entry.stream), zeros)
    )


def _zeroed(pieces: Iterable[Array], zeros: Sequence[tuple[int, int]]) -> Iterator[Array]:
    """Pieces of an array, zero from each of some elements to another."""
    start = 0
    for piece in pieces:
        for begin, end in zeros:
            piece[max(begin - start, 0) : max(end - start, 0)] = 0
        start += len(piece)
        yield piece
