"""Arguments of the check of coordinates: what cannot be checked, or would pass unseen, is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from inspect import signature
from itertools import islice, pairwise
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from ...arguments import Words, is_integer, refuse, type_of
from ..tensors.checks import kind_of_value
from .undisturbed import check_whole

_OPTIMIZER = "a function from a model to a torch.optim.Optimizer"
_TYPED = f"{_OPTIMIZER}: lambda model: torch.optim.Adam(model.parameters(), 1e-3)"


def checked_widths(widths: Sequence[int]) -> tuple[int, ...]:
    """At least three."""
    rule = "at least three positive integers in ascending order"
    if not isinstance(widths, Iterable):
        refuse("widths", rule, widths, TypeError)
    found = tuple(widths)
    right = all(is_integer(one) and one > 0 for one in found) and all(one < other for one, other in pairwise(found))
    if not right or len(found) < 3:
        refuse("widths", rule, widths)
    return tuple(map(int, found))


def checked_batches(batches: Iterable[tuple[Any, Any]], most: int) -> list[tuple[Any, Any]]:
    """The first of them, taken once: models of all widths are given the same."""
    if not isinstance(batches, Iterable) and not hasattr(batches, "__getitem__"):
        refuse("batches", "an iterable of (inputs, targets), one at least", kind_of_value(batches), TypeError)
    found = [_pair(one) for one in islice(batches, most)]
    if not found:
        refuse("batches", "an iterable of (inputs, targets), one at least", batches)
    return found


def _pair(batch: Any) -> tuple[Any, Any]:
    if not (isinstance(batch, (tuple, list)) and len(batch) == 2):
        refuse("batches", "an iterable of (inputs, targets)", kind_of_value(batch), TypeError)
    inputs, targets = batch
    tensors = [one for one in tree_leaves(inputs) if isinstance(one, Tensor)]
    if tensors and not any(one.numel() for one in tensors):
        refuse("batches", "of inputs that have a row at least", kind_of_value(tensors[0]))
    return inputs, targets


def check_functions(make_model: Any, optimizer: Any, loss: Any) -> None:
    """That they are such, and no results of them; and no classes that are given something else."""
    if isinstance(make_model, nn.Module) or not callable(make_model):
        refuse("make_model", "a function from a width to a new model", _kind(make_model), TypeError)
    made = optimizer.func if isinstance(optimizer, partial) else optimizer
    takes_weights = isinstance(made, type) and issubclass(made, Optimizer) and "params" in signature(made).parameters
    if takes_weights or not callable(optimizer):
        what = Words(f"the class {made.__name__}") if takes_weights else _kind(optimizer)
        refuse("optimizer", _TYPED, what, TypeError)
    if loss is not None and not callable(loss):
        refuse("loss", "a function of what the model returns and the targets", loss, TypeError)


def steps_of(optimizer: Callable[[nn.Module], Optimizer], model: nn.Module) -> Optimizer:
    """What takes the steps of a model, from gradients that are there."""
    found = optimizer(model)
    if not isinstance(found, Optimizer):
        refuse("optimizer", _OPTIMIZER, kind_of_value(found), TypeError)
    closure = signature(found.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        refuse("optimizer", "one whose steps take no closure, as SGD and Adam", type_of(found))
    return found


class Made:
    """The models that were made: each must be new, and as wide as it was asked for."""

    def __init__(self) -> None:
        self._weights: Any = WeakIdKeyDictionary()
        self._widths: dict[tuple[tuple[str, tuple[int, ...]], ...], int] = {}

    def check(self, model: Any, width: int) -> None:
        """Raise where the model cannot be looked at, or was there before, or one of another width is like it."""
        check_whole(model, "check it")
        name = type(model).__name__
        learning = [one for one in model.parameters() if one.requires_grad]
        if any(one in self._weights for one in learning):
            found = Words(f"{name} with weights of another")
            refuse("make_model", "a function that makes a new model at each call", found)
        self._weights.update(dict.fromkeys(learning))
        sizes = tuple((one, tuple(weight.shape)) for one, weight in model.named_parameters())
        other = self._widths.setdefault(sizes, width)
        if other != width:
            same = f"{name} with weights of the same shapes at width {other} and {width}"
            refuse("make_model", "a function to models that are as wide as it is asked", same)


def _kind(value: Any) -> Words:
    """What a module or an optimizer is, without all that is in it."""
    return type_of(value) if isinstance(value, (nn.Module, Optimizer)) else kind_of_value(value)
