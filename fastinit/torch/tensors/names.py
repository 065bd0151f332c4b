"""Names: what a tensor of a model is called, whatever the model is wrapped in; and which of them a draw is on.

Wrappers' own segments are left out: ``module`` (DistributedDataParallel), ``_orig_mod`` (torch.compile),
``_fsdp_wrapped_module``, ``_checkpoint_wrapped_module``; and ``parametrizations.weight.original`` is ``weight``. What
remains is what the plain model calls the tensor. A pipeline stage that numbers its layers from zero says with `rename`
what the whole model calls them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn.parameter import is_lazy
from torch.utils.weak import WeakIdKeyDictionary

from ...arguments import refuse
from .shards import Partition, Pieces, is_dtensor, pieces_of, view_of

Rename = Callable[[str], str]

_WRAPPED = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_WRAPPERS = {"module", *_WRAPPED}
_PARAMETRIZED = re.compile(r"(^|\.)parametrizations\.([^.]+)\.original$")
_SEVERAL = re.compile(r"(^|\.)parametrizations\.([^.]+)\.(original\d+)$")


def canonical_name(name: str, rename: Rename | None = None) -> str:
    """The name that a tensor has in the plain model.

    Parameters
    ----------
    name : str
        As ``named_parameters`` gives it.
    rename : callable
        From the name without wrappers to that in the whole model.

    Returns
    -------
    str
        The name.

    Examples
    --------
    >>> from fastinit.torch import canonical_name
    >>> canonical_name("_orig_mod.layers.0._checkpoint_wrapped_module.fc.parametrizations.weight.original")
    'layers.0.fc.weight'
    """
    name = ".".join(segment for segment in name.split(".") if segment not in _WRAPPERS)
    name = _PARAMETRIZED.sub(r"\1\2", _SEVERAL.sub(r"\1\2.\3", name))
    return name if rename is None else rename(name)


def unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """The module of a plain model that compilation, FSDP or checkpoints have wrapped; any other is itself."""
    inner = next((module._modules[name] for name in _WRAPPED if name in module._modules), None)
    return module if inner is None else unwrapped(inner)


class Named(NamedTuple):
    """A tensor of a model, whether it is a parameter, and its names: its own first, more where it is tied."""

    names: tuple[str, ...]
    tensor: torch.Tensor
    parameter: bool


def named_tensors(model: torch.nn.Module, rename: Rename | None = None) -> list[Named]:
    """Every parameter and buffer, once."""
    found: dict[int, Named] = {}
    owners: dict[str, torch.Tensor] = {}
    parameters = model.named_parameters(remove_duplicate=False)
    buffers = model.named_buffers(remove_duplicate=False)
    for parameter, tensors in ((True, parameters), (False, buffers)):
        for full_name, tensor in tensors:
            name = canonical_name(full_name, rename)
            if owners.setdefault(name, tensor) is not tensor:
                refuse("rename", f"such that no two tensors have one name ({full_name})", name)
            before = found[id(tensor)].names if id(tensor) in found else ()
            found[id(tensor)] = Named((*before, name), tensor, parameter)
    return list(found.values())


class Register:
    """Finds the tensor of a model that a given tensor is, or is a view of, or was made like."""

    model: torch.nn.Module

    def __init__(
        self, model: torch.nn.Module, rename: Rename | None = None, partition: Partition | None = None
    ) -> None:
        self.model, self._rename, self._partition = model, rename, partition
        self._likenesses = WeakIdKeyDictionary()
        self._first = _first_names(named_tensors(model, rename))
        self._read()

    def tied_since(self) -> list[str]:
        """The names of one tensor that were names of several when this was asked last, or the model was first read."""
        tied, before, found = [], self._first, named_tensors(self.model, self._rename)
        for named in found:
            if len({before[name] for name in named.names if name in before}) > 1:
                tied.append(" and ".join(named.names))
        self._first = _first_names(found)
        return tied

    def _read(self) -> None:
        self._owners: dict[int, list[tuple[int, int, str, Pieces]]] = {}  # by storage, each from where to where
        for named in named_tensors(self.model, self._rename):
            pieces = pieces_of(named.tensor, self._partition)
            if pieces is not None:
                owners = self._owners.setdefault(_storage(pieces.local), [])
                owners.append((pieces.local.storage_offset(), _end(pieces.local), named.names[0], pieces))

    def forget(self) -> None:
        """Let go of memory that may be the model's no longer: shards that were replaced would stay."""
        self._owners = {}

    def find(self, tensor: torch.Tensor, pieces: Pieces, new: bool = False) -> tuple[str, Pieces] | None:
        """Its name, and what of the whole is here. The model is read again if it has come by one that was not known.

        A `new` tensor was made just now, so it is not the model's.
        """
        if tensor in self._likenesses:
            return self._likenesses[tensor], pieces
        found = self._known(pieces.local)
        if found is None and not new and self._holds(_storage(pieces.local)):
            self._read()
            found = self._known(pieces.local)
        return found

    def _holds(self, storage: int) -> bool:
        """Whether a tensor of the model has that storage now: reading it again takes thirty times as long."""
        for module in self.model.modules():
            for tensor in (*module._parameters.values(), *module._buffers.values()):
                local = tensor._local_tensor if is_dtensor(tensor) else tensor
                if local is None or is_lazy(local) or local.layout is not torch.strided:
                    continue
                if _storage(local) == storage:
                    return True
        return False

    def _known(self, local: torch.Tensor) -> tuple[str, Pieces] | None:
        first, last = local.storage_offset(), _end(local)
        for begin, end, name, owner in self._owners.get(_storage(local), []):
            if begin <= first and last <= end:
                pieces = view_of(owner, local)
                return None if pieces is None else (name, pieces)
        return None

    def liken(self, tensor: torch.Tensor, other: torch.Tensor) -> None:
        """A tensor of the shape of another takes its name."""
        pieces = pieces_of(other)
        found = None if pieces is None else self.find(other, pieces)
        if found is not None and found[1].part is None and tensor.shape == other.shape:
            self.adopt(tensor, found[0])

    def adopt(self, tensor: torch.Tensor, name: str) -> None:
        """A tensor beside the model is known by a name from now on."""
        self._likenesses[tensor] = name


def _first_names(found: list[Named]) -> dict[str, str]:
    """By each name of a tensor, its own first."""
    return {name: named.names[0] for named in found for name in named.names}


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _end(tensor: torch.Tensor) -> int:
    """One past the last element, in elements of the storage."""
    if not tensor.numel():
        return tensor.storage_offset()
    reach = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.storage_offset() + reach + 1
