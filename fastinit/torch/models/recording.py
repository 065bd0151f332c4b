"""Recording: what the modules' own resets would draw on a model, with nothing written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import init as torch_init
from torch.utils.weak import WeakIdKeyDictionary

from ...laws import Constant, Law
from ...scaling import Fans
from ..calls.fast import fast_init, is_answered
from ..calls.requests import Request
from ..tensors.names import Rename, canonical_name, named_tensors
from ..tensors.shards import Pieces
from .resets import on_meta, reset_parts


class Draw(NamedTuple):
    """What a parameter gets: a law (None: a module computes it), its stream, and fans where axes were named."""

    law: Law | None
    stream: str
    fans: Fans | None = None


def recorded_draws(model: nn.Module, rename: Rename | None) -> dict[str, Draw]:
    """By name, what the modules' own resets draw last on each parameter."""
    with on_meta(model), _Recorder(model, rename) as recorder, torch.no_grad():
        assert recorder.register is not None
        reset_parts(model, recorder.register, rename)
    return recorder.drawn


class _Recorder(fast_init):
    """Notes what would be written to the tensors of a model that is on the meta device."""

    _watches = False

    def __init__(self, model: nn.Module, rename: Rename | None) -> None:
        super().__init__(seed=0, model=model, rename=rename)
        self.drawn: dict[str, Draw] = {}
        self._shapes = {one.names[0]: tuple(one.tensor.shape) for one in named_tensors(model, rename)}
        self._beside = WeakIdKeyDictionary()  # whole ones that were drawn to be copied
        self._padded = {
            canonical_name(f"{prefix}.weight".removeprefix("."), rename)
            for prefix, module in model.named_modules()
            if getattr(module, "padding_idx", None) is not None
        }

    def __exit__(self, *raised: Any) -> None:
        self.left_to_torch.clear()  # nothing depends on the layout yet
        self.unnamed = 0
        super().__exit__(*raised)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        target: Any = args[0] if args else (kwargs or {}).get("tensor")
        name = getattr(func, "__name__", "")
        if func in _CONSTANTS:
            self._note_constant(target, _CONSTANTS[func](*args, **(kwargs or {})))
        elif func is Tensor.__setitem__:
            self._note_constant(target[args[1]], math.nan)
        elif _changes(name) and isinstance(target, Tensor) and not is_answered(func):
            self._note_computed(target, args[1:])
        return super().__torch_function__(func, types, args, kwargs)

    def passes(self, tensor: Tensor) -> bool:
        return False

    def fill(self, tensor: Tensor, asks: Callable[..., Request | None], args: Any, kwargs: Any) -> bool:
        name, whole = self._named(tensor)
        stream = self.stream(name)
        if name:
            request = asks(tensor, *args, **kwargs) if tensor.numel() else Request(Constant(0.0))
            self.drawn[name] = Draw(None if request is None or not whole else request.law, stream)
            if whole:
                self._beside[tensor] = True
        return True

    def _named(self, tensor: Tensor) -> tuple[str, bool]:
        """The name of a tensor, and whether it has the elements of the whole that has that name."""
        name, place = self._place(tensor, Pieces(tuple(tensor.shape), tensor))
        return name, place.part is None and self._shapes.get(name) == place.shape

    def _note_constant(self, tensor: Tensor, value: float) -> None:
        """One of the row of a padding index leaves the law of the rest; of what is not finite there is no law."""
        name, whole = self._named(tensor)
        if name and (whole or not (name in self._padded or self._is_made(tensor))):
            known = whole and math.isfinite(value)
            self.drawn[name] = Draw(Constant(float(value)) if known else None, name)

    def _note_computed(self, tensor: Tensor, others: tuple[Any, ...]) -> None:
        """A copy of what was drawn beside a tensor, under its name, is no computation."""
        name, whole = self._named(tensor)
        tensors = [one for one in others if isinstance(one, Tensor)]
        copied = len(tensors) == 1 and tensors[0] in self._beside and self._named(tensors[0])[0] == name
        if name and not copied and (whole or not self._is_made(tensor)):
            self.drawn[name] = Draw(None, name)

    def _is_made(self, tensor: Tensor) -> bool:
        return self.register is not None and self.register.is_made(tensor)


#: Names of the methods that write to a tensor.
_changes = re.compile(r"(?!_|requires_grad_$|detach_$|share_memory_$)\w+(?<!_)_$").match
#: What each writes.
_CONSTANTS: dict[Any, Callable[..., float]] = {
    Tensor.zero_: lambda tensor: 0.0,
    Tensor.fill_: lambda tensor, value: value,
    torch_init.constant_: lambda tensor, val: val,
}
