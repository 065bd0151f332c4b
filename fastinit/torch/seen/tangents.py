"""Tangents: the tangent kernel of some examples, from the gradients of each, some of the parameters at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...profiler.products import gram, mean_cosine, rounding
from ...profiler.tangent_kernel import KERNEL_FIELDS, spectrum_of
from .outputs import array_of

Array = np.ndarray[Any, Any]

#: What a profile has of the whole model.
TANGENT_FIELDS = (*KERNEL_FIELDS, "gradient_cosine")

#: Elements of gradients that are held at once, whatever the model; more of one whose parameters are more than half.
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


def tangents(targets: Sequence[Tensor], cotangent: Tensor, parameters: Sequence[Tensor]) -> Tangents:
    """Products of the gradients of <cotangent, target> at all parameters, one target for each example.

    Gradients of all examples are held of as many parameters as there is room for, those near the outputs first: the
    room of two copies of a large model. What is left of the graphs is passed again for the next ones.
    """
    kernel, traces = np.zeros((len(targets), len(targets))), dict.fromkeys(map(id, parameters), 0.0)
    numel = sum(map(_numel, parameters))
    room = max(_ROOM, 2 * numel) // (len(targets) + 1)  # the gradients of an example are there beside the block
    for part in _parts(parameters, room):
        for piece, block in zip(part, _blocks(targets, cotangent, part), strict=True):
            products = gram(block)
            kernel += products
            traces[id(piece.parameter)] += float(np.trace(products))
    return Tangents(kernel, traces, rounding(room))


def fields_of(found: Tangents | None) -> dict[str, Array]:
    """The fields of a profile that are of all of a model; not numbers where there is no kernel."""
    spectrum = spectrum_of(None) if found is None else spectrum_of(found.kernel, found.rounding)
    cosine = np.nan if found is None else mean_cosine(found.kernel)
    return {name: np.array([value]) for name, value in zip(TANGENT_FIELDS, (*spectrum, cosine), strict=True)}


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


def _blocks(targets: Sequence[Tensor], cotangent: Tensor, part: list[_Piece]) -> list[Array]:
    """Of each piece the gradients, a row for each example."""
    parameters = [piece.parameter for piece in part]
    wide = any(one.dtype in (torch.float64, torch.complex128) for one in parameters)
    dtype = np.float64 if wide else np.float32
    blocks = [np.zeros((len(targets), piece.last - piece.first), dtype) for piece in part]
    for row, target in enumerate(targets):
        if not target.requires_grad:
            continue
        found = torch.autograd.grad(target, parameters, cotangent, retain_graph=True, allow_unused=True)
        for piece, block, gradient in zip(part, blocks, found, strict=True):
            if gradient is not None:
                block[row] = array_of(gradient.to_dense()).reshape(-1)[piece.first : piece.last]
    return blocks


def _numel(tensor: Tensor) -> int:
    return tensor.numel() * (2 if tensor.is_complex() else 1)
