"""Returns: what the modules of a model return, as seen through hooks, and which of them are to be shown."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from torch import Tensor, nn

from ..tensors.names import Rename, canonical_name, unwrapped
from .outputs import first_floats
from .patterns import Patterns

#: From a module, its label, the first tensor of floats that it returned, and whether the module is to be shown.
Take = Callable[[nn.Module, str, Tensor, bool], None]

_LISTS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)


class Returns:
    """Hooks on all modules that may be called.

    To be shown are those that patterns match; without patterns those that call no other, and the members of lists.
    """

    def __init__(self, model: nn.Module, patterns: Patterns, rename: Rename | None, take: Take) -> None:
        self._model, self._patterns, self._rename, self._take = model, patterns, rename, take
        self._calls: list[int] = []
        self._blocks = {
            child
            for module in model.modules()
            if isinstance(module, _LISTS)
            for child in map(unwrapped, module.children())
            if not isinstance(child, _LISTS)
        }

    def attach(self, hooks: ExitStack) -> None:
        """Until the stack is left."""
        for name, module in self._model.named_modules():
            if ".parametrizations." not in f".{name}." and unwrapped(module) is module:
                label = canonical_name(name, self._rename) if canonical_name(name) else type(module).__name__
                hooks.callback(module.register_forward_pre_hook(self._enter).remove)
                leave = partial(self._leave, label)
                hooks.callback(module.register_forward_hook(leave, always_call=True).remove)

    def _enter(self, *_: Any) -> None:
        self._calls.append(0)

    def _leave(self, label: str, module: nn.Module, _: Any, output: Any) -> None:
        called = self._calls.pop()
        if self._calls:
            self._calls[-1] += 1
        tensor = first_floats(output)
        if tensor is not None:
            self._take(module, label, tensor, self._shown(module, label, called == 0))

    def _shown(self, module: nn.Module, label: str, leaf: bool) -> bool:
        return self._patterns.match(label) if self._patterns else leaf or module in self._blocks
