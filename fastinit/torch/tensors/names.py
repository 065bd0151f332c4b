"""Names: what a tensor of a model is called, whatever the model is wrapped in; and which of them a draw is on.

Wrappers' own segments are left out: ``module`` (DistributedDataParallel), ``_orig_mod`` (torch.compile),
``_fsdp_wrapped_module``, ``_checkpoint_wrapped_module``; and ``parametrizations.weight.original`` is ``weight``. What
remains is what the plain model calls the tensor. A pipeline stage that numbers its layers from zero says with `rename`
what the whole model calls them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn.parameter import is_lazy
from torch.utils.weak import WeakIdKeyDictionary

from ...arguments import refuse
from .copies import Copies
from .shards import Partition, Pieces, end_of, is_dtensor, local_of, pieces_of, storage_of, view_of

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
    segments = name.split(".")
    if not _WRAPPERS.isdisjoint(segments):
        name = ".".join(segment for segment in segments if segment not in _WRAPPERS)
    if "parametrizations" in segments:
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
    modules = [*model.named_modules(remove_duplicate=False)]
    for parameter, held in ((True, "_parameters"), (False, "_buffers")):
        for prefix, module in modules:
            for leaf, tensor in getattr(module, held).items():
                if tensor is None:
                    continue
                full_name = f"{prefix}.{leaf}" if prefix else leaf
                name = canonical_name(full_name, rename)
                if owners.setdefault(name, tensor) is not tensor:
                    refuse("rename", f"such that no two tensors have one name ({full_name})", name)
                before = found[id(tensor)].names if id(tensor) in found else ()
                found[id(tensor)] = Named((*before, name), tensor, parameter)
    return list(found.values())


def versions(model: torch.nn.Module) -> list[tuple[int, Any]]:
    """Which parameters there are, and what changes when one is written; of inference mode nothing tells."""
    found = [(one, local_of(one)) for one in model.parameters() if not is_lazy(one) and one.numel()]
    return [(id(one), object() if local.is_inference() else (_memory(local), local._version)) for one, local in found]


def _memory(local: torch.Tensor) -> int:
    return storage_of(local) if local.layout is torch.strided else 0


class Register:
    """Finds the tensor of a model that a given tensor is, or is a view of, or was made from."""

    model: torch.nn.Module

    def __init__(
        self, model: torch.nn.Module, rename: Rename | None = None, partition: Partition | None = None
    ) -> None:
        self.model, self._rename, self._partition = model, rename, partition
        self._beside = WeakIdKeyDictionary()  # to name and place; without local memory, which would keep itself
        self._copies = Copies()
        self.written = False
        found = named_tensors(model, rename)
        self._first = _first_names(found)
        self._read(found)

    def tied_since(self) -> list[str]:
        """The names of one tensor that were names of several when this was asked last, or the model was first read."""
        tied, before, found = [], self._first, named_tensors(self.model, self._rename)
        for named in found:
            if len({before[name] for name in named.names if name in before}) > 1:
                tied.append(" and ".join(named.names))
        self._first = _first_names(found)
        return tied

    def _read(self, found: list[Named]) -> None:
        self._owners: dict[int, list[tuple[int, int, str, Pieces]]] = {}  # by storage, each from where to where
        self._partial: set[str] = set()  # names of which this rank has parts, in tensors that do not know of a whole
        for named in found:
            pieces = pieces_of(named.tensor, self._partition)
            if pieces is not None:
                owners = self._owners.setdefault(storage_of(pieces.local), [])
                owners.append((pieces.local.storage_offset(), end_of(pieces.local), named.names[0], pieces))
                if pieces.rectangles is not None:
                    self._partial.add(named.names[0])

    def forget(self) -> None:
        """Let go of memory that may be the model's no longer: shards that were replaced would stay."""
        self._owners = {}

    def find(self, tensor: torch.Tensor, pieces: Pieces, new: bool = False) -> tuple[str, Pieces] | None:
        """Its name, and what of the whole is here. The model is read again if it has come by one that was not known.

        A `new` tensor was made just now, so it is not the model's.
        """
        beside = self._beside.get(tensor) if self._beside else None
        if beside is not None:
            name, place = beside
            return name, pieces if place is None else place._replace(local=pieces.local)
        found = self._known(pieces.local)
        if found is None and not new and self._holds(storage_of(pieces.local)):
            self._read(named_tensors(self.model, self._rename))
            found = self._known(pieces.local)
        return found

    def _holds(self, storage: int) -> bool:
        """Whether a tensor of the model has that storage now: reading it again takes thirty times as long."""
        for module in self.model.modules():
            for tensor in (*module._parameters.values(), *module._buffers.values()):
                local = None if tensor is None else local_of(tensor)
                if local is None or is_lazy(local) or local.layout is not torch.strided:
                    continue
                if storage_of(local) == storage:
                    return True
        return False

    def _known(self, local: torch.Tensor) -> tuple[str, Pieces] | None:
        first, last, storage = local.storage_offset(), end_of(local), storage_of(local)
        for begin, end, name, owner in self._owners.get(storage, []):
            # A parameter may have got other memory since, and its own gone to another tensor.
            if begin <= first and last <= end and storage_of(owner.local) == storage:
                pieces = view_of(owner, local)
                return None if pieces is None else (name, pieces)
        return None

    def follow(self, func: Callable[..., Any], args: Sequence[Any], kwargs: Any, result: Any) -> None:
        """What a function makes of tensors of the model alone has the name of the first.

        What it writes to a copy of a part of a DTensor is put back.
        """
        if not isinstance(result, _MAYBE_TENSORS):
            return
        given = [*args, *kwargs.values()] if kwargs else args
        if result is None or any(result is one for one in given):
            written = result
            if result is None and getattr(func, "__name__", "") in ("__setitem__", "__set__"):
                written = args[0]
            if isinstance(written, torch.Tensor):
                self._copies.write_back(written)
                self.written = self.written or self.name_of(written) is not None
            return
        results = result if isinstance(result, (tuple, list)) else [result]
        made = [one for one in results if isinstance(one, torch.Tensor) and one.is_floating_point()]
        if not made:
            return
        several = (one if isinstance(one, (tuple, list)) else [one] for one in given)
        sources = [one for some in several for one in some if isinstance(one, torch.Tensor)]
        if sources and not any(one is source for one in made for source in sources):
            self._copies.note(func, args, kwargs, results)
            self._name(made, sources)

    def _name(self, made: Sequence[torch.Tensor], sources: Sequence[torch.Tensor]) -> None:
        found = [self.name_of(source, isinstance(source, torch.nn.Parameter)) for source in sources]
        if found[0] is None or None in found:
            return
        name, place = found[0]
        for one in made:
            pieces = pieces_of(one)
            if pieces is not None and self._known(pieces.local) is None:
                held = self._held(sources[0], name, place, one, pieces)
                if held is not None:
                    self._beside[one] = name, held._replace(local=_NOWHERE)

    def name_of(self, tensor: torch.Tensor, read: bool = False) -> tuple[str, Pieces] | None:
        """As `find`; whether the model is read again is to be said."""
        pieces = pieces_of(tensor)
        return None if pieces is None else self.find(tensor, pieces, not read)

    def _held(
        self, source: torch.Tensor, name: str, place: Pieces, made: torch.Tensor, pieces: Pieces
    ) -> Pieces | None:
        """What one made from a tensor holds of the whole; None where only a rank that has all of that could tell."""
        if is_dtensor(source) or is_dtensor(made):
            return self._copies.place(made, source)
        if place.part is None and storage_of(pieces.local) == storage_of(place.local):
            return view_of(place, pieces.local)
        if made.shape == source.shape:
            return place
        return None if name in self._partial else pieces

    def is_view(self, tensor: torch.Tensor) -> bool:
        """Whether what is written to a tensor goes to one of the model's."""
        pieces = pieces_of(tensor)
        return self._copies.is_copy(tensor) or (pieces is not None and self._known(pieces.local) is not None)

    def is_made(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor was made from one of the model's."""
        _, place = self._beside.get(tensor, _NO_NAME) if self._beside else _NO_NAME
        return place is not None

    def adopt(self, tensor: torch.Tensor, name: str) -> None:
        """A tensor stands for that of a name from now on."""
        self._beside[tensor] = name, None


_NOWHERE = torch.empty(0, device="meta")
_NO_NAME = "", None
_MAYBE_TENSORS = (torch.Tensor, tuple, list, type(None))


def _first_names(found: list[Named]) -> dict[str, str]:
    """By each name of a tensor, its own first."""
    return {name: named.names[0] for named in found for name in named.names}
