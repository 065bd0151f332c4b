"""Meta: a model whose tensors are away for a while, so that nothing reaches them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ...locks import lock_of_forks
from .shards import is_dense, is_dtensor

#: Held while tensors are away: a second thread, or the child of a fork, would take what is in their place for theirs.
_LOCK = lock_of_forks()


def meta_like(tensor: Tensor) -> Tensor:
    """A whole tensor like it without memory."""
    strides = torch.empty(tensor.shape, device="meta").stride() if is_dtensor(tensor) else tensor.stride()
    empty = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device="meta")
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


@contextmanager
def without_parameters(model: nn.Module) -> Iterator[None]:
    """A model whose parameters are on the meta device, ties kept, and whole where they are sharded.

    On the way out it has those that it had, whatever was put in their place.
    """
    with _LOCK, _kept([one._parameters for one in model.modules()]) as held:
        _put_on_meta(held)
        yield


@contextmanager
def on_meta(model: nn.Module) -> Iterator[None]:
    """The same with buffers; and on the way out every attribute of its modules is what it was."""
    with _LOCK:
        modules = list(model.modules())
        tensors = [held for one in modules for held in (one._parameters, one._buffers)]
        with _kept([*tensors, *(one._modules for one in modules), *(one.__dict__ for one in modules)]):
            _put_on_meta(tensors)
            yield


@contextmanager
def _kept(held: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Dictionaries, which on the way out hold what they held."""
    before = [dict(one) for one in held]
    try:
        yield held
    finally:
        for one, items in zip(held, before, strict=True):
            one.clear()
            one.update(items)


def _put_on_meta(held: list[dict[str, Any]]) -> None:
    replaced: dict[int, Tensor] = {}
    for tensors in held:
        for leaf, tensor in tensors.items():
            if tensor is not None:
                tensors[leaf] = replaced.setdefault(id(tensor), _away(tensor))


def _away(tensor: Tensor) -> Tensor:
    """Without memory; or a copy, of what torch has no such thing of."""
    return meta_like(tensor) if is_dense(tensor) else tensor.detach().clone()
