"""Steps: the block in which the modules of a model initialise themselves one after another, and what it notes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..calls.fast import fast_init
from ..calls.requests import Asks
from ..tensors.names import Rename
from ..tensors.shards import Partition, local_of, pieces_of, storage_of

#: Names of the methods that write to a tensor.
_changes = re.compile(
    r"(?!_|requires_grad_$|detach_$|share_memory_$)\w+(?<!_)_$|__setitem__$|__i(?!n|te)[a-z]+__$"
).match


class Steps(fast_init):
    """fast_init in which each module's initialisation is a step.

    Attributes
    ----------
    own : bool
        Whether modules have their own initialisations after their resets.
    begins : mapping of str to float
        By name, the step that fills a tensor anew and for the last time; earlier draws on it are left out.
    known : mapping of int to list of callable
        By step, what fills all that a reset of torch's own would.
    step : int
        The number of the present one.
    written : set of int
        Memory (see `memory_of`) that has been written to.
    """

    _watches = False  # each module is come to once, and who plans says what there is to be said

    def __init__(
        self,
        seed: int,
        model: nn.Module,
        rename: Rename | None = None,
        partition: Partition | None = None,
        *,
        own: bool = False,
        begins: Mapping[str, float] | None = None,
        known: Mapping[int, Sequence[Callable[[], None]]] | None = None,
    ) -> None:
        super().__init__(seed, model=model, rename=rename, partition=partition)
        self.own = own
        self.begins = {} if begins is None else dict(begins)
        self.known = {} if known is None else known
        self.step = 0
        self.written: set[int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_function__(func, types, args, kwargs)
        target = written_by(func, args, kwargs or {})
        if target is not None:
            self.written.add(memory_of(target))
        return result

    def do_known(self, module: nn.Module, owned: Sequence[Any]) -> bool:
        """Do what the reset of a module, which only draws what it owns, would do in this step, if that is known."""
        fills = self.known.get(self.step)
        if fills is None:
            return False
        for fill in fills:
            fill()
        self.written.update(memory_of(one.tensor) for one in owned)
        return True

    def remember(self, module: nn.Module, owned: Sequence[Any]) -> None:
        """Such a reset has run in this step."""

    def fill(self, tensor: Tensor, asks: Asks, args: Any, kwargs: Any) -> bool:
        """As `fast_init` does, but for what a later step fills anew."""
        if self.begins and (pieces := pieces_of(tensor)) is not None:
            name, _ = self._place(tensor, pieces)
            if self.step < self.begins.get(name, 0):
                return True
        filled = super().fill(tensor, asks, args, kwargs)
        if filled:
            self.written.add(memory_of(tensor))
        return filled


def written_by(func: Any, args: Any, kwargs: Any) -> Tensor | None:
    """The tensor that a call of torch writes to, if there is one."""
    target, name = kwargs.get("out"), getattr(func, "__name__", "")
    is_set = name == "__set__" and func.__self__ is Tensor.data
    if target is None and (is_set or _changes(name) or kwargs.get("inplace")):
        target = args[0] if args else kwargs.get("tensor", kwargs.get("input"))
    return target if isinstance(target, Tensor) else None


def memory_of(tensor: Tensor) -> int:
    """The storage of a tensor, by which writing to a view or to its data is known."""
    local = local_of(tensor)
    return storage_of(local) if local.layout is torch.strided else id(tensor)
