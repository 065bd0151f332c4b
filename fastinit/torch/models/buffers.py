"""Buffers: those that a module can restore are restored, without a way to the parameters; and which are lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.utils.weak import WeakIdKeyDictionary

from ..tensors.meta import without_parameters
from ..tensors.names import canonical_name
from .reparametrised import computed_tensors, plain_of, without_computed
from .resets import reset_of
from .steps import Steps, memory_of

#: Those that had values when their model was given its memory.
_KEPT = WeakIdKeyDictionary()


def keep(buffers: Iterable[Tensor]) -> None:
    """Remember that these have values, which no `to_empty` has taken."""
    _KEPT.update(dict.fromkeys(buffers, True))


def may_have_lost(model: nn.Module) -> bool:
    """Whether buffers may be without values: memory was given to the model after it was made.

    Layers that have a reset write to the parameters they make; to what `to_empty` makes in their place nobody has
    written.
    """
    parameters = [
        one for module in model.modules() if reset_of(module) is not None for one in module._parameters.values()
    ]
    return not parameters or any(one is not None and (one.is_inference() or not one._version) for one in parameters)


def unrestored(model: nn.Module) -> dict[str, Tensor]:
    """Buffers of modules that have no method which is for restoring them, by name: at most their reset does."""
    return {
        canonical_name(f"{prefix}.{leaf}".removeprefix(".")): buffer
        for prefix, module in model.named_modules()
        for leaf, buffer in _buffers_of(module).items()
        if _restorer(module, by_reset=False) is None
    }


def restore_buffers(model: nn.Module, steps: Steps, by_reset: bool) -> None:
    """By modules' own methods, and by their resets where these do not run otherwise.

    No method reaches a parameter: these are on the meta device, in all of the model.
    """
    restorers = []
    for module in model.modules():
        if isinstance(module, _NormBase) and type(module).reset_running_stats is _NormBase.reset_running_stats:
            module.reset_running_stats()  # torch's own, which is known to reach nothing else
        elif _buffers_of(module) and (restores := _restorer(module, by_reset)) is not None:
            restorers.append((module, restores))
    if restorers:
        with without_parameters(model), without_computed(model):
            for module, restores in restorers:
                _restore(module, restores, steps)


def buffers_left(model: nn.Module, before: set[int], written: set[int]) -> list[str]:
    """Names of those that were there (by their id) and that nothing has written to."""
    return [
        canonical_name(f"{prefix}.{leaf}".removeprefix("."))
        for prefix, module in model.named_modules()
        for leaf, buffer in _buffers_of(module).items()
        if id(buffer) in before and buffer not in _KEPT and memory_of(buffer) not in written
    ]


def _buffers_of(module: nn.Module) -> dict[str, Tensor]:
    """Without what is found with the weight that it belongs to."""
    if isinstance(module, _SpectralNorm):
        return {}
    taken = {leaf for one in computed_tensors(module) for leaf in one.estimates}
    return {leaf: one for leaf, one in module._buffers.items() if one is not None and leaf not in taken}


def _restore(module: nn.Module, restores: Callable[[], Any], steps: Steps) -> None:
    """All buffers of a module, or none."""
    held, written = dict(module._buffers), set(steps.written)
    values = {one: one.clone() for one in held.values() if one is not None}
    try:
        restores()
        failed = any(one is not None and one.is_meta for one in module._buffers.values())
    except Exception:  # whatever a method does without parameters: its buffers are named
        failed = True
    if failed and not any(one.is_meta for one in values):
        module._buffers.clear()
        module._buffers.update(held)
        for one, value in values.items():
            one.copy_(value)
        steps.written = written


def _restorer(module: nn.Module, by_reset: bool) -> Callable[[], Any] | None:
    """The method by which a module, or a new one like it, gives its buffers their values."""
    for name in ("reset_buffers", "rope_init", "reset_running_stats"):
        if hasattr(type(module), name):
            return getattr(module, name)
    if "inv_freq" in module._buffers and hasattr(module, "config"):
        return lambda: _remake(module)
    return (lambda: _reset(module)) if by_reset and reset_of(module) is not None else None


def _reset(module: nn.Module) -> None:
    """As if nothing of the module were computed."""
    reset = reset_of(plain_of(module, {one.leaf: one.like for one in computed_tensors(module)}))
    assert reset is not None  # that of a module which has one
    reset()


def _remake(module: nn.Module) -> None:
    """The buffers of rotary embeddings are copied from new ones, of the same configuration, where that makes them."""
    try:
        with torch.device("cpu"):
            buffers = dict(type(module)(module.config).named_buffers())
    except TypeError:  # a constructor of other arguments
        return
    for name in module._buffers.keys() & buffers.keys():
        module._buffers[name].copy_(buffers[name])
