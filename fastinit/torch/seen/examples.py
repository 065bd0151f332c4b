"""Examples: what a model returns of the first ones of a batch, each from a pass of its own where that can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from ...profiler.description.signals import random_signs
from ...profiler.statistics import distinct_rows
from ...profiler.tangent_kernel import FEW
from ..rules.modules import takes_moments
from .factors import recorded
from .outputs import array_of
from .tangents import Pass, Tangents, tangents

#: Where rows mix each example is sent back through all of them; of a model as large fewer are then taken.
_FEW_LARGE, _LARGE = 4, 10_000_000


class Given(NamedTuple):
    """A model, what it is given, a batch of so many rows, and what of it is asked.

    `outputs` is from what the model returns to a tensor with a row for each example, or to one number; `loss`, which
    may be missing, to one number.
    """

    model: nn.Module
    args: Sequence[Any]
    kwargs: dict[str, Any]
    rows: int
    outputs: Callable[[Any], Tensor | None]
    loss: Callable[[Any], Tensor] | None

    def run(self, row: int | None = None) -> Any:
        """What the model returns of a row, or of the whole batch; it may write into what it is given."""

        def own(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            if row is not None and value.ndim and len(value) == self.rows:
                value = value[row : row + 1]
            return value.detach().clone()

        args, kwargs = tree_map(own, (tuple(self.args), self.kwargs))
        return self.model(*args, **kwargs)

    def distinct(self, rows: int) -> list[int]:
        """Of so many rows those that differ, in something that the model is given, from all before them."""
        leaves = tree_leaves((tuple(self.args), self.kwargs))
        split = [one for one in leaves if isinstance(one, Tensor) and one.ndim and len(one) == self.rows]
        found: list[int] = distinct_rows(*(_numbers(one[:rows]) for one in split)).tolist() if split else [*range(rows)]
        return found


def kernel_of(given: Given, values: Tensor | None, examples: int, seed: int) -> Tangents | None:
    """The tangent kernel of the first examples; None where what comes back does not split into them.

    That of one random functional of an example's outputs, the same for all: signs of the stream "cotangent", over the
    root of their number. Where the model returns no rows it is that of the losses of single examples. `values` are the
    outputs of the whole batch. Of examples that are given the same the first is taken: copies tell nothing more.
    """
    parameters = [one for one in given.model.parameters() if one.requires_grad]
    if not parameters:
        return None
    rows = range(min(examples, given.rows))
    state = torch.get_rng_state()
    passes = _apart(given, values, rows) or _together(given, values, rows, sum(one.numel() for one in parameters))
    if not passes:
        return None
    if torch.equal(state, torch.get_rng_state()):  # or each had random numbers of its own
        passes = [passes[row] for row in given.distinct(len(passes))]
    target = passes[0].target
    signs = random_signs(tuple(target.shape), seed, "cotangent", np.float32) if target.ndim else np.ones(())
    found = tangents(passes, torch.from_numpy(np.asarray(signs)).to(target), parameters)
    return found.over(signs.size)


def _apart(given: Given, values: Tensor | None, rows: range) -> list[Pass]:
    """Passes of single rows, where they return what the batch does. The last comes first: others may be in it."""
    if any(map(_mixes_rows, given.model.modules())):
        return []
    found = list[Pass]()
    for row in reversed(rows):
        state = torch.get_rng_state()
        try:
            with recorded(given.model) as uses:
                target = _of_one(given, given.run(row), values is not None)
        except Exception:  # of the model: it takes no batch of one
            return []
        drew = not torch.equal(state, torch.get_rng_state())
        if target is None or (values is not None and not _agree(target, values[row], drew)):
            return []
        found.append(Pass(target, uses))
    return found[::-1]


def _together(given: Given, values: Tensor | None, rows: range, parameters: int) -> list[Pass]:
    """One pass of the whole batch, where it returns rows."""
    if values is None:
        return []
    output = given.outputs(given.run())
    assert output is not None
    few = min(len(rows), FEW if parameters <= _LARGE else _FEW_LARGE)
    return [Pass(target, []) for target in output[:few]]


def _of_one(given: Given, output: Any, has_rows: bool) -> Tensor | None:
    """From what the model returns of one row: its outputs, or the loss of it where there are no rows."""
    target = given.loss(output) if given.loss and not has_rows else given.outputs(output)
    if target is None:
        return None
    if has_rows:
        return target[0] if target.ndim and len(target) == 1 else None
    return target.reshape(()) if target.numel() == 1 else None


def _numbers(tensor: Tensor) -> Any:
    """As an array in which integers are exact."""
    return array_of(tensor if tensor.is_floating_point() or tensor.is_complex() else tensor.double())


def _mixes_rows(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and takes_moments(module)


def _agree(one: Tensor, other: Tensor, random: bool) -> bool:
    """Whether outputs are the same but for rounding; where random numbers were drawn, whether they may be."""
    if one.shape != other.shape or random:
        return one.shape == other.shape
    off = torch.finfo(one.dtype).eps ** 0.5 * float(other.abs().max()) if other.numel() else 0.0
    return torch.allclose(one.detach(), other, rtol=0, atol=off, equal_nan=True)
