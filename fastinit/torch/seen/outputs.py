"""Outputs: the tensor of floats in what a module takes or returns, and its values as an array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

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
