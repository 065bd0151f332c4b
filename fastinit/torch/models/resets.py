"""Resets: the parameters that each module owns, and the methods by which modules give them their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized, type_before_parametrizations

from ..tensors.names import Register, Rename, canonical_name
from ..tensors.shards import is_dtensor

#: (full name, module, attribute, tensor).
OwnTensor: TypeAlias = tuple[str, nn.Module, str, Tensor]

_RESETS = ("reset_parameters", "_reset_parameters")


def own_tensors(model: nn.Module) -> Iterator[OwnTensor]:
    """Each parameter, once.

    A parametrized tensor stands for its originals; it is not computed where one original has its shape.
    """
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        if isinstance(module, ParametrizationList):
            continue
        dot = f"{prefix}." if prefix else ""
        for leaf, tensor in module._parameters.items():
            if tensor is not None and id(tensor) not in seen:
                seen.add(id(tensor))
                yield dot + leaf, module, leaf, tensor
        for leaf in module.parametrizations if is_parametrized(module) else ():
            yield dot + leaf, module, leaf, _original(module, leaf)


def _original(module: nn.Module, leaf: str) -> Tensor:
    """What stands for a parametrized tensor: its one original, or what is computed from several."""
    held = module.parametrizations[leaf]
    original: Tensor = held.original if held.is_tensor else getattr(module, leaf)
    return original


def reset_of(module: nn.Module) -> Callable[[], Any] | None:
    """The method by which a module gives its parameters their values."""
    return next((getattr(module, name) for name in _RESETS if hasattr(type(module), name)), None)


def reset_parts(model: nn.Module, register: Register, rename: Rename | None) -> None:
    """Reset each module after its parts, as when they were made. A tied tensor is its first owner's to reset."""
    owners = {(module, leaf): full_name for full_name, module, leaf, _ in own_tensors(model)}
    for module in _parts_first(model):
        reset = reset_of(module)
        if reset is None or isinstance(module, ParametrizationList):
            continue
        with _only(module, [leaf for leaf in module._parameters if (module, leaf) in owners]):
            if is_parametrized(module):
                names = {leaf: canonical_name(owners[module, leaf], rename) for leaf in module.parametrizations}
                _reset_parametrized(module, names, register)
            else:
                reset()


def _parts_first(module: nn.Module, seen: set[nn.Module] | None = None) -> Iterator[nn.Module]:
    seen = set() if seen is None else seen
    for child in module.children():
        if child not in seen:
            seen.add(child)
            yield from _parts_first(child, seen)
    yield module


@contextmanager
def _only(module: nn.Module, leaves: list[str]) -> Iterator[None]:
    """A module all of whose parameters but those are on the meta device, where nothing reaches them."""
    parameters = module._parameters
    away = {leaf: tensor for leaf, tensor in parameters.items() if tensor is not None and leaf not in leaves}
    try:
        parameters.update({leaf: _meta(tensor) for leaf, tensor in away.items()})
        yield
    finally:
        parameters.update(away)


def without_parameters(module: nn.Module) -> AbstractContextManager[None]:
    """A module whose reset reaches its buffers alone."""
    return _only(module, [])


def _meta(tensor: Tensor) -> Tensor:
    """A whole tensor like it without memory."""
    strides = torch.empty(tensor.shape, device="meta").stride() if is_dtensor(tensor) else tensor.stride()
    empty = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device="meta")
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


def _reset_parametrized(module: nn.Module, names: Mapping[str, str], register: Register) -> None:
    """What the module was before resets a tensor, which is then assigned: so its parametrization inverts it."""
    before = object.__new__(type_before_parametrizations(module))
    before.__dict__ = {**module.__dict__, "_parameters": dict(module._parameters)}
    for leaf, name in names.items():
        before._parameters[leaf] = nn.Parameter(torch.empty_like(_original(module, leaf)), requires_grad=False)
        register.adopt(before._parameters[leaf], name)
    reset = reset_of(before)
    assert reset is not None  # that of a module which has one
    reset()
    for leaf in names:
        if not before._parameters[leaf].is_meta:
            setattr(module, leaf, before._parameters[leaf].detach())


@contextmanager
def on_meta(model: nn.Module) -> Iterator[None]:
    """A model whose parameters and buffers are on the meta device, ties kept, and whole where they are sharded."""
    held = [(tensors, dict(tensors)) for one in model.modules() for tensors in (one._parameters, one._buffers)]
    replaced: dict[int, Tensor] = {}
    try:
        for tensors, before in held:
            for leaf, tensor in before.items():
                if tensor is not None:
                    tensors[leaf] = replaced.setdefault(id(tensor), _meta(tensor))
        yield
    finally:
        for tensors, before in held:
            tensors.clear()
            tensors.update(before)
