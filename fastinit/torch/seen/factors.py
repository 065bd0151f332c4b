"""Factors: weights whose gradients are products of what came in and what comes back, as seen through hooks.

``y = x W'`` over T positions has the gradient ``d' x`` of two short matrices, d being that at y; an embedding is a
layer whose inputs are rows of the identity. Products of such gradients need none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from ...profiler.products import gram
from ..rules.modules import is_as_its_class
from .outputs import array_of
from .paths import in_order

Array = np.ndarray[Any, Any]


#: Two matrices with a row for each position: L, R where the gradient of a weight, or of its transpose, is L'R. Or for
#: the first integers: of rows of the identity, where their ones are.
Factors = tuple[Tensor, Tensor]


class Use(NamedTuple):
    """A call of a layer: the layer, what came in, and where what it returned is in the graph."""

    layer: Any
    inputs: Tensor
    place: GradientEdge

    def factors(self, slope: Tensor) -> Factors:
        """From the gradient at what it returned."""
        x, d = self.inputs.detach(), slope.reshape(-1, slope.shape[-1])
        if isinstance(self.layer, nn.Embedding):
            ids = x.reshape(-1)
            some = ids != (-1 if self.layer.padding_idx is None else self.layer.padding_idx)
            return ids[some], _wide(d[some])
        x, d = _wide(x.reshape(-1, x.shape[-1])), _wide(d)
        return (d, x) if isinstance(self.layer, nn.Linear) else (x, d)


def _wide(matrix: Tensor) -> Tensor:
    return matrix.to(torch.promote_types(matrix.dtype, torch.float32))


@contextmanager
def recorded(model: nn.Module) -> Iterator[list[Use]]:
    """The calls, while this lasts, of layers that do no more than their classes say."""
    with ExitStack() as stack:
        uses = list[Use]()
        for module in model.modules():
            if _is_plain(module):
                stack.callback(module.register_forward_hook(partial(_record, uses)).remove)
        yield uses


def _is_plain(module: nn.Module) -> bool:
    """Whether it is a linear layer or an embedding without anything of the user's in between."""
    weight, kind = module._parameters.get("weight"), type(module)
    if type(weight) is not nn.Parameter or not (weight.requires_grad and weight.is_floating_point()):
        return False
    if not is_as_its_class(module):
        return False
    if kind is nn.Embedding:
        return module.max_norm is None and not (module.scale_grad_by_freq or module.sparse)
    return kind is nn.Linear or f"{kind.__module__}.{kind.__name__}" == "transformers.pytorch_utils.Conv1D"


def _record(uses: list[Use], layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
    if len(args) == 1 and output.requires_grad:
        uses.append(Use(layer, args[0], get_gradient_edge(output)))


def explained(target: Tensor, uses: Sequence[Use], weights: set[int]) -> tuple[list[Use], set[int]]:
    """The calls that a graph has come through, and of the weights, by `id`, those that came into it in no other way."""
    nodes = {*in_order(target.grad_fn)} if target.grad_fn is not None else set()
    edges = Counter(id(getattr(other, "variable", None)) for node in nodes for other, _ in node.next_functions)
    passed = [use for use in uses if use.place.node in nodes]
    calls = Counter(id(use.layer.weight) for use in passed)
    return passed, {weight for weight in weights if edges[weight] == calls[weight]}


def products(examples: Sequence[Sequence[Factors]], room: int) -> Array:
    """Of the gradients of one weight for each example, sums of products of factors, those with each other.

    From pairs of positions where that is less work; otherwise from the gradients, of some rows of the weight at a time.
    """
    owners = [example for example, factors in enumerate(examples) for _ in factors]
    if not owners:
        return np.zeros((len(examples), len(examples)))
    lefts, rights = map(list, zip(*chain.from_iterable(examples), strict=True))
    looked_up = [left.ndim == 1 for left in lefts]
    lengths = [len(right) for right in rights]
    if all(looked_up):  # no other rows get a gradient
        ids, lefts = _numbered(lefts, lengths)
    rows = len(ids) if all(looked_up) else max(left.shape[1] for left in lefts if left.ndim > 1)
    columns, positions = rights[0].shape[1], sum(lengths)
    few = positions**2 * (rows + columns) < len(examples) ** 2 * rows * columns
    if few and not any(looked_up):
        pairs = gram(array_of(torch.cat(lefts))) * gram(array_of(torch.cat(rights)))
        whose = np.equal.outer(np.arange(len(examples)), np.repeat(owners, lengths)).astype(float)
        return np.asarray(whose @ pairs @ whose.T)
    return _by_rows(len(examples), [*zip(owners, lefts, rights, strict=True)], rows, max(1, room // columns))


def _numbered(ids: list[Tensor], lengths: list[int]) -> tuple[Tensor, list[Tensor]]:
    """Which there are, and in place of each its number among these."""
    found, places = torch.unique(torch.cat(ids), return_inverse=True)
    return found, [*places.split(lengths)]


def _by_rows(examples: int, factors: list[tuple[int, Tensor, Tensor]], rows: int, some: int) -> Array:
    columns, found = factors[0][2].shape[1], np.zeros((examples, examples))
    block = torch.empty(examples, min(some, rows), columns, dtype=factors[0][2].dtype, device=factors[0][2].device)
    for first in range(0, rows, some):
        part = block[:, : rows - first].zero_()
        last = first + part.shape[1]
        for example, left, right in factors:
            if left.ndim == 1:
                here = (first <= left) & (left < last)
                part[example].index_add_(0, left[here] - first, right[here])
            else:
                part[example].addmm_(left[:, first:last].mT, right)
        found += gram(array_of(part.flatten(1)))
    return found
