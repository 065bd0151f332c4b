"""Recording: what the modules' own initialisations would draw on a model, with nothing written."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from types import NoneType
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
from ..tensors.names import Register, Rename, canonical_name, named_tensors
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


class Recorded(NamedTuple):
    """By name, what modules draw last on each tensor, by their resets or beyond them; `Steps.begins`; and the `settled`
    steps: by number, the names of all that each writes to, which keeps what it draws there.
    """

    drawn: Mapping[str, Draw]
    begins: Mapping[str, int]
    settled: Mapping[int, Sequence[str]]


def recorded(model: nn.Module, rename: Rename | None, own: bool) -> Recorded:
    """What modules would draw on a model."""
    with on_meta(model), without_computed(model):
        tensors = list(own_tensors(model))
        computed = [(one, one.computed) for one in tensors if one.computed is not None]
        with _Recorder(0, model, rename, tensors, own=own) as recorder, torch.no_grad():
            reset_parts(model, tensors, recorder, rename)
        for one, how in computed:
            if any(canonical_name(part, rename) in recorder.drawn for part in how.parts(one.full_name)):
                name = canonical_name(one.full_name, rename)
                recorder.drawn[name] = Draw(None, name, entangled=True)
    settled = {step: names for step in recorder.writes if (names := recorder.draws_of(step))}
    return Recorded(recorder.drawn, recorder.anew, settled)


class _Recorder(Steps):
    """Notes what would be written to the tensors of a model that is on the meta device."""

    def __init__(
        self, seed: int, model: nn.Module, rename: Rename | None, tensors: Iterable[OwnTensor], *, own: bool
    ) -> None:
        super().__init__(seed, model, rename, own=own)
        self._rename = rename
        self.drawn: dict[str, Draw] = {}
        self.anew: dict[str, int] = {}
        self.writes: dict[int, list[tuple[str, bool]]] = {}  # by step, to whom, and whether that was a draw by a law
        self._last: dict[str, int] = {}  # the step that wrote to each name last
        self._alike: dict[Hashable, dict[str, Law | None]] = {}  # the laws of leaves, by what modules are like
        self._shapes = {one.names[0]: tuple(one.tensor.shape) for one in named_tensors(model, rename)}
        for one in tensors:  # what is computed has a name of its own
            self._shapes[canonical_name(one.full_name, rename)] = tuple(one.tensor.shape)
        self._beside = WeakIdKeyDictionary()  # whole ones that were drawn to be copied
        self._padded = {self._named(weight)[0] for weight, _ in padding_rows(model)}

    def _done_apart(self, register: Register) -> list[str]:
        return []  # nothing depends on the layout yet

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

    def do_known(self, module: nn.Module, owned: Sequence[OwnTensor]) -> bool:
        """A module like one before draws the same."""
        laws = self._alike.get(_likeness(module, owned))
        if laws is None:
            return False
        for one in owned:
            self._note(canonical_name(one.full_name, self._rename), laws[one.leaf], is_draw=True)
            self._beside[one.tensor] = True
        return True

    def remember(self, module: nn.Module, owned: Sequence[OwnTensor]) -> None:
        names = {canonical_name(one.full_name, self._rename): one.leaf for one in owned}
        likeness, drawn = _likeness(module, owned), self.draws_of(self.step)
        if likeness is not None and drawn and names.keys() == {*drawn}:
            self._alike[likeness] = {leaf: self.drawn[name].law for name, leaf in names.items()}

    def draws_of(self, step: int) -> list[str]:
        """The names of all that a step wrote to, if it drew each once and nothing was written to them since."""
        names = [name for name, is_draw in self.writes.get(step, []) if is_draw and self._last[name] == step]
        return names if len({*names}) == len(self.writes.get(step, [])) else []

    def fill(self, tensor: Tensor, asks: Asks, args: Any, kwargs: Any) -> bool:
        name, whole = self._named(tensor)
        if name:
            request = asks(tensor, *args, **kwargs) if tensor.numel() else Request(Constant(0.0))
            self._note(name, None if request is None or not whole else request.law, is_draw=True)
            if whole:
                self._beside[tensor] = True
        return True

    #: Nothing is written, so nothing is left to torch either, nor is there more to note.
    fill_at_once = fill

    def _note(self, name: str, law: Law | None, is_draw: bool = False, entangled: bool = False) -> None:
        """The first write of a step, if it fills the tensor, makes all before it as if it had not been.

        What is computed stays entangled until it is filled anew.
        """
        if self.own and self._last.get(name) != self.step and law is not None:
            self.anew[name] = self.step
            self._visits.draws[name] = 0
        before = self.drawn.get(name)
        entangled = law is None and (entangled or (before is not None and before.entangled))
        self.drawn[name] = Draw(law, self.stream(name) if is_draw else name, None, entangled)
        self._last[name] = self.step
        self.writes.setdefault(self.step, []).append((name, is_draw and law is not None))

    def _named(self, tensor: Tensor) -> tuple[str, bool]:
        """The name of a tensor, and whether it has the elements of the whole that has that name."""
        name, place = self._place(tensor, Pieces(tuple(tensor.shape), tensor))
        return name, place.part is None and self._shapes.get(name) == place.shape

    def _note_constant(self, tensor: Tensor, value: float, entangled: bool = False) -> None:
        """One of the row of a padding index leaves the law of the rest; of what is not finite there is no law."""
        name, whole = self._named(tensor)
        if name and (whole or not (name in self._padded or self._is_made(tensor))):
            known = whole and math.isfinite(value)
            self._note(name, Constant(float(value)) if known else None, entangled=entangled)

    def _note_computed(self, tensor: Tensor, others: tuple[Any, ...], copied: bool) -> None:
        """A copy of what was drawn beside a tensor, under its name, is no computation."""
        name, whole = self._named(tensor)
        tensors = [one for one in others if isinstance(one, Tensor)]
        copied = copied and tensors[0] in self._beside and self._named(tensors[0])[0] == name
        if name and not copied and (whole or not self._is_made(tensor)):
            self._note(name, None, entangled=bool(tensors))

    def _is_made(self, tensor: Tensor) -> bool:
        return self.register is not None and self.register.is_made(tensor)


#: Attributes that every module has, which its reset does not ask for.
_EVERYONES = frozenset(vars(nn.Module()))


def _likeness(module: nn.Module, owned: Iterable[OwnTensor]) -> Hashable:
    """What modules have in common whose resets do the same; None where one has what may differ unseen."""
    held = {name: value for name, value in vars(module).items() if name not in _EVERYONES}
    if not all(map(_is_simple, held.values())):
        return None
    with torch._C.DisableTorchFunction():
        return type(module), repr(held), *((one.leaf, one.tensor.shape, one.tensor.dtype) for one in owned)


def _is_simple(value: Any) -> bool:
    """Whether a value is all that is written down of it."""
    return type(value) in (bool, int, float, str, NoneType) or (type(value) is tuple and all(map(_is_simple, value)))


#: What each writes.
_CONSTANTS: dict[Any, Callable[..., float]] = {
    Tensor.zero_: lambda tensor: 0.0,
    Tensor.fill_: lambda tensor, value: value,
    torch_init.constant_: lambda tensor, val: val,
}
