"""Own initialisations: what a model or a part of it does beyond the resets of its modules."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ..calls import wrapping

#: Methods that initialise all parts, the first of which a class has; those of an argument take each part in turn.
METHODS = ("initialize_weights", "init_weights", "_initialize_weights", "_init_weights")
_PARTS = {"module", "m", "layer"}

#: Where all bases of torch's own modules are from.
_TORCHS = {"torch", "abc", "builtins", "typing"}

_TORCHS_FILES = (os.path.dirname(torch.__file__) + os.sep, wrapping.__file__)

#: By which transformers marks what it is not to initialise again.
_MARK = "_is_hf_initialized"


def own_init_of(module: nn.Module) -> Callable[[], Any] | None:
    """The initialisation of all its parts that a module has beside its reset, if it can be called."""
    for name in METHODS:
        method = getattr(module, name, None) if hasattr(type(module), name) else None
        if method is not None:
            needed = _needed(method)
            if not needed:
                return method
            if len(needed) == 1 and (needed[0].name in _PARTS or needed[0].annotation in (nn.Module, "nn.Module")):
                return functools.partial(module.apply, method)
    return None


def _needed(method: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a method that have no default."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(method).parameters.values()
    return [one for one in found if one.default is one.empty and one.kind not in variable]


def own_inits(model: nn.Module) -> list[str]:
    """Names of the classes that have one, of modules that hold parameters; the outermost alone."""
    if own_init_of(model) is not None and any(True for _ in model.parameters()):
        return [type(model).__name__]
    return list(dict.fromkeys(name for child in model.children() for name in own_inits(child)))


def unreached(model: nn.Module) -> set[nn.Module]:
    """Modules that no own initialisation is of or above, but for torch's own that nothing but these hold."""
    whole = (module for module in model.modules() if own_init_of(module) is not None)
    return {*model.modules()}.difference(_torchs(model), (part for module in whole for part in module.modules()))


def is_torchs(kind: type[nn.Module]) -> bool:
    """Whether a class of modules and all its bases are torch's own; that of a sharded one is, beside its plain one."""
    return {base.__module__.partition(".")[0] for base in kind.__mro__} <= _TORCHS


def is_torchs_function(function: Any) -> bool:
    """Whether a function is written down in torch, or is what a block puts in the place of one that is."""
    file = getattr(getattr(function, "__code__", None), "co_filename", "")
    return file.startswith(_TORCHS_FILES)


def _torchs(module: nn.Module) -> Iterator[nn.Module]:
    """A module of torch's own and such of its parts, down to the first that is none."""
    if is_torchs(type(module)):
        yield module
        for child in module.children():
            yield from _torchs(child)


@contextmanager
def unmarked(module: nn.Module) -> Iterator[None]:
    """A module of which nothing is marked as initialised; on the way out the marks are what they were."""
    parts: list[Any] = [*module.modules(), *module.parameters(), *module.buffers()]
    marks = [(one, vars(one).pop(_MARK)) for one in parts if _MARK in vars(one)]
    try:
        yield
    finally:
        for one in parts:
            vars(one).pop(_MARK, None)
        for one, mark in marks:
            vars(one)[_MARK] = mark
