"""Visits: a module is come to once more through each wrapper that hands its attributes on, and is drawn as once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any, NamedTuple

from torch import nn

from ..tensors.names import Rename, named_tensors


class _Visit(NamedTuple):
    """The modules one is in, the numbers that names had before, and of what was done the ways and those numbers."""

    modules: frozenset[nn.Module]
    before: dict[str, int]
    done: dict[Hashable, tuple[frozenset[Hashable], dict[str, int]]]


class Visits:
    """How many draws each name has had, where a repetition through a wrapper does not count.

    ``model.apply(reset)`` resets a layer, and again through each wrapper around it (compilation, checkpoints, FSDP1,
    one's own), which has its methods and tensors too; in the plain model, once. The same by another way is such a
    repetition: its draws have the numbers that they had. By the same way it is done anew.
    """

    def __init__(self, model: nn.Module | None = None, rename: Rename | None = None) -> None:
        self.draws: Counter[str] = Counter()
        self._now = _Visit(frozenset(), {}, {})
        self._alike: Counter[Hashable] = Counter()
        self._wrappers: dict[nn.Module, list[nn.Module]] = {}
        for module in () if model is None else model.modules():
            if (inner := _handed_on(module)) is not None:
                self._wrappers.setdefault(inner, []).append(module)
        owners = {id(tensor): module for module in self._wrappers for tensor in module._parameters.values()}
        named = named_tensors(model, rename) if model is not None and owners else []
        self._owners = {one.names[0]: owners[id(one.tensor)] for one in named if id(one.tensor) in owners}

    def stream(self, name: str, draw: Hashable = None) -> str:
        """The name of the next draw's stream; `draw` tells draws on the tensor of that name itself apart.

        By which way that was come by nobody knows: of draws alike, as many as there are ways are one.
        """
        owner = None if draw is None else self._owners.get(name)
        if owner is None or owner in self._now.modules:
            return self._next(name)
        what = name, draw
        way = self._alike[what] % (1 + len(self._wrappers[owner]))
        self._alike[what] += 1
        with self.visit(what, way, owner):
            return self._next(name)

    def _next(self, name: str) -> str:
        number = self.draws[name]
        self.draws[name] += 1
        self._now.before.setdefault(name, number)
        return f"{name}#{number}" if number or not name else name

    @contextmanager
    def visit(self, what: Hashable, way: Hashable, module: nn.Module) -> Iterator[None]:
        """Something is done to a module, by some way."""
        outer = self._now
        ways, before = outer.done.get(what, (frozenset(), {}))
        if way in ways:
            ways, before = frozenset(), {}
        for name, number in before.items():
            self.draws[name] = number
        self._now = now = _Visit(outer.modules | {module}, {}, {})
        try:
            yield
        finally:
            self._now = outer
            outer.done[what] = ways | {way}, before or now.before
            for name, number in now.before.items():
                outer.before.setdefault(name, number)

    def is_in(self, module: nn.Module) -> bool:
        """Whether what is done is part of what is done to a module."""
        return module in self._now.modules

    def begin(self) -> None:
        """See calls of wrapped modules' methods, by each way, until `end`."""
        for inner, wrappers in self._wrappers.items():
            for name in set(dir(type(inner))) - set(dir(nn.Module)):
                if name.startswith("__") or not isinstance(getattr(type(inner), name), FunctionType):
                    continue
                for holder in (inner, *(one for one in wrappers if not hasattr(type(one), name))):
                    holder.__dict__.setdefault(name, _Seen(self, inner, name, holder))

    def end(self) -> None:
        """Leave the modules as they were."""
        for inner, wrappers in self._wrappers.items():
            for one in (inner, *wrappers):
                held = one.__dict__
                for name in [name for name, seen in held.items() if isinstance(seen, _Seen) and seen.visits is self]:
                    del held[name]


def _handed_on(wrapper: nn.Module) -> nn.Module | None:
    """The module whose methods a wrapper has that hands on what it has not itself; None where it is no wrapper."""
    if type(wrapper).__getattr__ is nn.Module.__getattr__:
        return None
    for child in wrapper.children():
        inner = _handed_on(child) or child
        for name in set(dir(type(inner))) - set(dir(type(wrapper))):
            if getattr(getattr(wrapper, name, None), "__self__", None) is inner:
                return inner
    return None


class _Seen:
    """A method of a module in place of itself, or of what a wrapper would hand on."""

    def __init__(self, visits: Visits, module: nn.Module, name: str, way: nn.Module) -> None:
        self.visits, self._module, self._what, self._way = visits, module, (module, name), way
        self._method = MethodType(getattr(type(module), name), module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.visits.is_in(self._module):
            return self._method(*args, **kwargs)
        with self.visits.visit(self._what, self._way, self._module):
            return self._method(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return MethodType(self._method.__func__, memo[id(self._module)])
