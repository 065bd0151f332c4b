"""Wrapping: functions of torch.nn.init whose calls torch lets no mode see, while there are blocks that want to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import init as torch_init
from torch.overrides import handle_torch_function, has_torch_function_variadic

from ...locks import lock_of_forks


def dispatching(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function of torch.nn.init such that modes see its call."""

    @functools.wraps(function)
    def dispatched(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if has_torch_function_variadic(tensor):
            return handle_torch_function(dispatched, (tensor,), tensor, *args, **kwargs)
        return function(tensor, *args, **kwargs)

    return dispatched


#: By the name in torch.nn.init. trunc_normal_ is reached below its name, which libraries keep copies of.
_ORIGINAL = {name: getattr(torch_init, name) for name in ("_no_grad_trunc_normal_", "orthogonal_", "sparse_")}
WRAPPED = {name: dispatching(function) for name, function in _ORIGINAL.items()}
LOCK = lock_of_forks()
_blocks = 0


def wrap() -> None:
    global _blocks
    with LOCK:
        _blocks += 1
        for name, wrapped in WRAPPED.items():
            if getattr(torch_init, name) is _ORIGINAL[name]:
                setattr(torch_init, name, wrapped)


def unwrap() -> None:
    """By the last block of all threads; what others have put there since stays."""
    global _blocks
    with LOCK:
        _blocks -= 1
        for name, wrapped in WRAPPED.items():
            if not _blocks and getattr(torch_init, name) is wrapped:
                setattr(torch_init, name, _ORIGINAL[name])
