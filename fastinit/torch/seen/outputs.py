"""Outputs: the tensor of floats in what a module takes or returns, its values as an array, and fields of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from math import log, nan
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...arguments import refuse
from ...profiler.first_loss import FIRST_LOSS_FIELDS
from ...profiler.products import mean_cosine_within, squared_norm
from ...profiler.result.findings import UNITS
from ..tensors.fills import array_over


def first_floats(value: Any) -> Tensor | None:
    """The first tensor of floats in what a module takes or returns: a tensor, or a tuple, dictionary or dataclass."""
    if isinstance(value, Tensor):
        return value if value.is_floating_point() and value.layout is torch.strided else None
    if isinstance(value, Mapping):
        value = list(value.values())
    elif is_dataclass(value):
        value = list(vars(value).values())
    if not isinstance(value, (list, tuple)):
        return None
    return next((found for found in map(first_floats, value) if found is not None), None)


def array_of(tensor: Tensor) -> np.ndarray[Any, Any]:
    """The values as an array of float32 or float64: the memory of the tensor itself, where that is what it holds.

    Of complex numbers it has the real and imaginary parts.
    """
    tensor = tensor.detach()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.dtype not in (torch.float32, torch.float64):
        tensor = tensor.float()
    return array_over(tensor.resolve_neg().cpu())


def second_moment(tensor: Tensor) -> float:
    """Mean square of the elements; NaN of none."""
    return squared_norm(array_of(tensor)) / tensor.numel() if tensor.numel() else nan


def output_fields(outputs: Tensor | None, classes: int | None) -> dict[str, float]:
    """What a profile has of the outputs; and where they are logits of so many classes, of the first loss."""
    found = {"output_second_moment": nan, "output_position_cosine": nan}
    if outputs is not None and outputs.numel():
        found["output_second_moment"] = second_moment(outputs)
        if outputs.ndim == 3 and outputs.shape[-1] >= UNITS:
            found["output_position_cosine"] = mean_cosine_within(array_of(outputs))
    if classes is not None:
        found |= dict(zip(FIRST_LOSS_FIELDS, (_first_loss(outputs, classes), log(classes)), strict=True))
    return found


def _first_loss(logits: Tensor | None, classes: int) -> float:
    """The cross-entropy of random labels."""
    shape = () if logits is None else tuple(logits.shape)
    axis = next((axis for axis in (-1, 1) if len(shape) > 1 and shape[axis] == classes), None)
    if logits is None or axis is None:
        refuse("classes", f"the length of the outputs' last axis or of axis 1 (outputs of shape {shape})", classes)
    logits = logits.detach().to(torch.promote_types(logits.dtype, torch.float32))
    return float(logits.logsumexp(axis).mean(dtype=torch.float64) - logits.mean(dtype=torch.float64))
