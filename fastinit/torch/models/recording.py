"""Recording: what the modules' own initialisations would draw on a model, with nothing written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import init as torch_init
from torch.utils.weak import WeakIdKeyDictionary

from ...laws import Constant, Law
from ...scaling import Fans
from ..calls.answers import is_answered
from ..calls.requests import Asks, Request
from ..tensors.meta import on_meta
from ..tensors.names import Rename, canonical_name, named_tensors
from ..tensors.shards import Pieces
from .reparametrised import without_computed
from .resets import OwnTensor, own_tensors, padding_rows, reset_parts
from .steps import Steps, written_by


class Draw(NamedTuple):
    """What a parameter gets: a law (None: a module computes it), its stream, and fans where axes were named.

    It is `entangled` where it is computed from other tensors.
    """

    law: Law | None
    stream: str
    fans: Fans | None = None
    entangled: bool = False


def recorded(model: nn.Module, rename: Rename | None, own: bool) -> tuple[Mapping[str, Draw], Mapping[str, int]]:
    """By name, what modules draw last on each tensor, by their resets or beyond them; and `Steps.begins`."""
    with on_meta(model), without_computed(model):
        tensors = list(own_tensors(model))
        computed = [(one, one.computed) for one in tensors if one.computed is not None]
        with _Recorder(0, model, rename, tensors, own=own) as recorder, torch.no_grad():
            reset_parts(model, tensors, recorder, rename)
        for one, how in computed:
            if any(canonical_name(part, rename) in recorder.drawn for part in how.parts(one.full_name)):
                name = canonical_name(one.full_name, rename)
                recorder.drawn[name] = Draw(None, name, entangled=True)
    return recorder.drawn, recorder.anew


class _Recorder(Steps):
    """Notes what would be written to the tensors of a model that is on the meta device."""

    def __init__(
        self, seed: int, model: nn.Module, rename: Rename | None, tensors: Iterable[OwnTensor], *, own: bool
    ) -> None:
        super().__init__(seed, model, rename, own=own)
        self.drawn: dict[str, Draw] = {}
        self.anew: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._shapes = {one.names[0]: tuple(one.tensor.shape) for one in named_tensors(model, rename)}
        for one in tensors:  # what is computed has a name of its own
            self._shapes[canonical_name(one.full_name, rename)] = tuple(one.tensor.shape)
        self._beside = WeakIdKeyDictionary()  # whole ones that were drawn to be copied
        self._padded = {self._named(weight)[0] for weight, _ in padding_rows(model)}

    def __exit__(self, *raised: Any) -> None:
        self.left_to_torch.clear()  # nothing depends on the layout yet
        self.unnamed = 0
        super().__exit__(*raised)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        rest = kwargs or {}
        target: Any = written_by(func, args, rest)
        if func in _CONSTANTS:
            self._note_constant(target, _CONSTANTS[func](*args, **rest))
        elif func is Tensor.__setitem__:
            self._note_constant(target[args[1]], math.nan, entangled=isinstance(args[2], Tensor))
        elif target is not None and not is_answered(func):
            self._note_computed(target, args[1:], func is Tensor.copy_)
        return super().__torch_function__(func, types, args, kwargs)

    def passes(self, tensor: Tensor) -> bool:
        return False

    def fill(self, tensor: Tensor, asks: Asks, args: Any, kwargs: Any) -> bool:
        name, whole = self._named(tensor)
        if name:
            request = asks(tensor, *args, **kwargs) if tensor.numel() else Request(Constant(0.0))
            law = None if request is None or not whole else request.law
            self._begin(name, law is not None)
            self._note(name, law, self.stream(name))
            if whole:
                self._beside[tensor] = True
        return True

    #: Nothing is written, so nothing is left to torch either, nor is there more to note.
    fill_at_once = fill

    def _begin(self, name: str, anew: bool) -> None:
        """The first write of a step, if it fills the tensor, makes all before it as if it had not been."""
        if self.own and self._last.get(name) != self.step and anew:
            self.anew[name] = self.step
            self._visits.draws[name] = 0
        self._last[name] = self.step

    def _note(self, name: str, law: Law | None, stream: str, entangled: bool = False) -> None:
        """What is computed stays entangled until it is filled anew."""
        before = self.drawn.get(name)
        entangled = law is None and (entangled or (before is not None and before.entangled))
        self.drawn[name] = Draw(law, stream, None, entangled)

    def _named(self, tensor: Tensor) -> tuple[str, bool]:
        """The name of a tensor, and whether it has the elements of the whole that has that name."""
        name, place = self._place(tensor, Pieces(tuple(tensor.shape), tensor))
        return name, place.part is None and self._shapes.get(name) == place.shape

    def _note_constant(self, tensor: Tensor, value: float, entangled: bool = False) -> None:
        """One of the row of a padding index leaves the law of the rest; of what is not finite there is no law."""
        name, whole = self._named(tensor)
        if name and (whole or not (name in self._padded or self._is_made(tensor))):
            known = whole and math.isfinite(value)
            self._begin(name, known)
            self._note(name, Constant(float(value)) if known else None, name, entangled)

    def _note_computed(self, tensor: Tensor, others: tuple[Any, ...], copied: bool) -> None:
        """A copy of what was drawn beside a tensor, under its name, is no computation."""
        name, whole = self._named(tensor)
        tensors = [one for one in others if isinstance(one, Tensor)]
        copied = copied and tensors[0] in self._beside and self._named(tensors[0])[0] == name
        if name and not copied and (whole or not self._is_made(tensor)):
            self._begin(name, False)
            self._note(name, None, name, entangled=bool(tensors))

    def _is_made(self, tensor: Tensor) -> bool:
        return self.register is not None and self.register.is_made(tensor)


#: What each writes.
_CONSTANTS: dict[Any, Callable[..., float]] = {
    Tensor.zero_: lambda tensor: 0.0,
    Tensor.fill_: lambda tensor, value: value,
    torch_init.constant_: lambda tensor, val: val,
}
