"""Tangents: the tangent kernel of some examples, from the gradients of each, some of the parameters at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...profiler.products import gram, rounding
from .factors import Factors, Use, explained, products
from .outputs import array_of

Array = np.ndarray[Any, Any]

#: Elements of gradients that may be held at once of any model; of one with more than half as many, twice its own.
_ROOM = 1 << 24


class Tangents(NamedTuple):
    """A tangent kernel (examples, examples), the trace of the part of each parameter, by `id`, and its rounding."""

    kernel: Array
    traces: dict[int, float]
    rounding: float

    def over(self, square: float) -> Tangents:
        """That of cotangents whose squares are so many times smaller."""
        traces = {parameter: trace / square for parameter, trace in self.traces.items()}
        return Tangents(self.kernel / square, traces, self.rounding)


class _Piece(NamedTuple):
    """Some elements of a parameter, in the order of memory."""

    parameter: Tensor
    first: int
    last: int


class Pass(NamedTuple):
    """Of one example what is sent back, and the calls of layers on the way to it."""

    target: Tensor
    uses: list[Use]

    def back(self, cotangent: Tensor, sources: list[Any]) -> list[Tensor | None]:
        """Gradients of <cotangent, target>."""
        if not (sources and self.target.requires_grad):
            return [None] * len(sources)
        found = torch.autograd.grad(self.target, sources, cotangent, retain_graph=True, allow_unused=True)
        return [*found]


def tangents(passes: Sequence[Pass], cotangent: Tensor, parameters: Sequence[Tensor]) -> Tangents:
    """Products of the gradients of <cotangent, target> at all parameters, one target for each example.

    Weights that only layers use whose gradients are products of factors get those. Of the others gradients of all
    examples are held, of as many as there is room for, those near the outputs first: the room of two copies of a large
    model. What is left of the graphs is passed again for the next ones.
    """
    count = len(passes)
    kernels = {id(one): np.zeros((count, count)) for one in parameters}
    room = _room(parameters) // (count + 1)  # beside the block are those of one example
    passes, factored = _only_factored(passes)
    for part in _parts([one for one in parameters if id(one) not in factored], room):
        for piece, block in zip(part, _blocks(passes, cotangent, part), strict=True):
            kernels[id(piece.parameter)] += gram(block)
    factors: dict[int, list[list[Factors]]] = {weight: [[] for _ in passes] for weight in factored}
    for row, one in enumerate(passes):
        for use, slope in zip(one.uses, one.back(cotangent, [use.place for use in one.uses]), strict=True):
            if slope is not None:
                factors[id(use.layer.weight)][row].append(use.factors(slope))
    for weight in factored:
        kernels[weight] += products(factors.pop(weight), room)
    traces = {one: float(np.trace(kernel)) for one, kernel in kernels.items()}
    return Tangents(sum(kernels.values(), np.zeros((count, count))), traces, rounding(room))


def _only_factored(passes: Sequence[Pass]) -> tuple[list[Pass], set[int]]:
    """The passes with calls only of layers whose weights nothing else uses in any pass, and these weights, by `id`."""
    weights = {id(use.layer.weight) for one in passes for use in one.uses}
    known = [explained(one.target, one.uses, weights) for one in passes]
    factored = weights.intersection(*(alone for _, alone in known))
    found = [[use for use in uses if id(use.layer.weight) in factored] for uses, _ in known]
    return [Pass(one.target, uses) for one, uses in zip(passes, found, strict=True)], factored


def _room(parameters: Sequence[Tensor]) -> int:
    """Elements that may be held at once."""
    return max(_ROOM, 2 * sum(map(_numel, parameters)))


def _parts(parameters: Sequence[Tensor], room: int) -> Iterator[list[_Piece]]:
    """All elements, in lists of at most so many; the last parameters come first."""
    part, left = list[_Piece](), room
    for parameter in reversed(parameters):
        first, numel = 0, _numel(parameter)
        while first < numel:
            last = min(numel, first + left)
            part.append(_Piece(parameter, first, last))
            first, left = last, left - (last - first)
            if not left:
                yield part
                part, left = [], room
    if part:
        yield part


def _blocks(passes: Sequence[Pass], cotangent: Tensor, part: list[_Piece]) -> list[Array]:
    """Of each piece the gradients, a row for each example."""
    parameters = [piece.parameter for piece in part]
    wide = any(one.dtype in (torch.float64, torch.complex128) for one in parameters)
    dtype = np.float64 if wide else np.float32
    blocks = [np.zeros((len(passes), piece.last - piece.first), dtype) for piece in part]
    for row, one in enumerate(passes):
        for piece, block, gradient in zip(part, blocks, one.back(cotangent, parameters), strict=True):
            if gradient is not None:
                block[row] = array_of(gradient.to_dense()).reshape(-1)[piece.first : piece.last]
    return blocks


def _numel(tensor: Tensor) -> int:
    return tensor.numel() * (2 if tensor.is_complex() else 1)
