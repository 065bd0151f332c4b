"""Wrapping: functions of torch.nn.init in whose place there are others while there are blocks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import signature
from typing import Any

from torch import Tensor
from torch._C import DisableTorchFunction, _len_torch_function_stack
from torch.nn import Module, Parameter
from torch.nn import init as torch_init
from torch.nn.modules.module import _global_parameter_registration_hooks
from torch.overrides import _get_current_function_mode, handle_torch_function, has_torch_function_variadic

from ...locks import lock_of_forks
from .requests import REQUESTS, Asks

Function = Callable[..., Any]


def dispatching(function: Function) -> Function:
    """A function of torch.nn.init such that modes see its call."""

    @functools.wraps(function)
    def dispatched(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if has_torch_function_variadic(tensor):
            return handle_torch_function(dispatched, (tensor,), tensor, *args, **kwargs)
        return function(tensor, *args, **kwargs)

    return dispatched


def _shortened(function: Function, asks: Asks) -> Function:
    """One that announces itself, as torch's does; but first asks the block that it is in for an answer at once.

    For torch to announce a call takes longer than a small fill.
    """
    parameters = signature(function)

    @functools.wraps(function)
    def shortened(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not has_torch_function_variadic(tensor):
            return function(tensor, *args, **kwargs)
        fill_at_once = getattr(_get_current_function_mode(), "fill_at_once", None)
        if fill_at_once is not None:
            with DisableTorchFunction():
                if fill_at_once(tensor, asks, args, kwargs):
                    return tensor
            return handle_torch_function(shortened, (tensor,), tensor, *args, **kwargs)
        call = parameters.bind(tensor, *args, **kwargs)
        call.apply_defaults()
        return handle_torch_function(function, (tensor,), **call.arguments)

    return shortened


def _unseen(function: Function, is_plain: Callable[..., bool]) -> Function:
    """One that only reads, which a block alone does not see where the arguments are plain."""

    @functools.wraps(function)
    def unseen(*args: Any, **kwargs: Any) -> Any:
        alone = _len_torch_function_stack() == 1 and hasattr(_get_current_function_mode(), "fill_at_once")
        if not alone or kwargs or not is_plain(*args):
            return function(*args, **kwargs)
        with DisableTorchFunction():
            return function(*args)

    return unseen


def _registers_only(module: Module, name: str, parameter: Any) -> bool:
    """Whether to register a parameter runs nothing of the user's, and is told of by torch alone."""
    is_plain = type(parameter) is Parameter and type(module).__getattr__ is Module.__getattr__
    return is_plain and not _global_parameter_registration_hooks


#: Torch lets no mode see their calls. trunc_normal_ is reached below its name, which libraries keep copies of.
_SILENT = ("_no_grad_trunc_normal_", "orthogonal_", "sparse_")
#: Torch lets modes see their calls.
ANNOUNCED = ("normal_", "uniform_", "kaiming_uniform_")
#: Where, under which name, and of which arguments they only read.
_READING: list[tuple[Any, str, Callable[..., bool]]] = [
    (torch_init, "_calculate_fan_in_and_fan_out", lambda tensor: True),
    (Module, "register_parameter", _registers_only),
]
#: By the name in torch.nn.init.
WRAPPED = {
    **{name: dispatching(getattr(torch_init, name)) for name in _SILENT},
    **{name: _shortened(getattr(torch_init, name), REQUESTS[name]) for name in ANNOUNCED},
}
#: What is put in whose place: where, under which name, and instead of what.
_IN_PLACE: list[tuple[Any, str, Function, Function]] = [
    *((torch_init, name, getattr(torch_init, name), wrapped) for name, wrapped in WRAPPED.items()),
    *((owner, name, getattr(owner, name), _unseen(getattr(owner, name), only)) for owner, name, only in _READING),
]
LOCK = lock_of_forks()
_blocks = 0


def wrap() -> None:
    global _blocks
    with LOCK:
        _blocks += 1
        for owner, name, original, other in _IN_PLACE:
            if getattr(owner, name) is original:
                setattr(owner, name, other)


def unwrap() -> None:
    """By the last block of all threads; what others have put there since stays."""
    global _blocks
    with LOCK:
        _blocks -= 1
        for owner, name, original, other in _IN_PLACE:
            if not _blocks and getattr(owner, name) is other:
                setattr(owner, name, original)
