"""Undisturbed: a model that runs once, for the sake of what is seen then, is left as it was found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ...arguments import refuse
from ..tensors.checks import check_here, check_model
from ..tensors.shards import sharded_part


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[ExitStack]:
    """On the way out, buffers, modes and random generators are as they were; the stack takes hooks to remove then.

    Code that ``torch.compile`` made would not call hooks: what it was made from runs.
    """
    with ExitStack() as stack:
        _keep_generators(stack, model)
        stack.callback(_restore, [(module, module.training, _buffers(module)) for module in model.modules()])
        if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):  # to import it takes a second
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield stack


def check_whole(model: nn.Module, what: str) -> None:
    """Raise where a model is none, has no memory, cannot be hooked or is sharded.

    Layers of sharded models return parts, and weights come and go around their calls.
    """
    check_model(model)
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            refuse("model", "one whose modules run in Python (not scripted or traced)", name or type(module).__name__)
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if is_lazy(tensor) or tensor.is_meta:
            refuse("model", "one whose tensors have memory (no lazy module, nothing on the meta device)", name)
        check_here(tensor, full_name=name)
    if found := sharded_part(model):
        refuse("model", f"one that is not sharded ({what} before fully_shard or parallelize_module)", found)


def _keep_generators(stack: ExitStack, model: nn.Module) -> None:
    """That of the CPU, and those of the devices that the model is on."""
    stack.enter_context(torch.random.fork_rng(devices=[]))
    devices = {tensor.device for tensor in chain(model.parameters(), model.buffers())}
    for device in devices:
        if device.type != "cpu":
            stack.enter_context(torch.random.fork_rng([device], device_type=device.type))


def _buffers(module: nn.Module) -> dict[str, tuple[Tensor | None, Tensor | None]]:
    return {name: (one, None if one is None else one.clone()) for name, one in module._buffers.items()}


@torch.no_grad()
def _restore(found: list[tuple[nn.Module, bool, dict[str, Any]]]) -> None:
    for module, training, buffers in found:
        module.training = training
        module._buffers.clear()
        for name, (tensor, values) in buffers.items():
            module._buffers[name] = tensor
            if tensor is not None and not _unchanged(tensor, values):
                tensor.copy_(values)


def _unchanged(one: Tensor, other: Tensor) -> bool:
    """Whether nothing was written; what is equal is not written again, which would make a graph's version stale."""
    return one.shape == other.shape and torch.equal(one, other)
