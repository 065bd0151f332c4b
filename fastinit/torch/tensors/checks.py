"""Checks: that a model is one, and that its tensors are such as can be filled."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.parameter import is_lazy

from ...arguments import Words, refuse
from .fills import DTYPES
from .shards import is_placeholder, is_plain, pieces_of, stands_for_itself


def kind_of_value(value: Any) -> Words:
    """What a refused value is: of a tensor the shape and dtype, never its elements."""
    if isinstance(value, torch.Tensor):
        return Words(f"a tensor of shape {tuple(value.shape)} and {value.dtype}")
    return Words(f"{type(value).__name__} {value!r}")


def check_model(model: Any) -> None:
    """Raise where a model is none."""
    if not isinstance(model, torch.nn.Module):
        rule = "a torch.nn.Module"
        rule += " (for a tensor: the functions of fastinit.torch)" if isinstance(model, torch.Tensor) else ""
        refuse("model", rule, kind_of_value(model), TypeError)


def check_here(tensor: torch.Tensor, argument: str = "model", full_name: str = "") -> None:
    """Raise where a tensor, an argument or one of a model, stands for values that are elsewhere, or are not yet."""
    if stands_for_itself(tensor) and not _is_freed(tensor):
        return
    subject = "of tensors whose" if argument == "model" else "one whose"
    name = f"{full_name}, " if full_name else ""
    if is_lazy(tensor):
        rule = f"{subject} shape is known (a lazy module gets its in a first call)"
        refuse(argument, rule, f"{name}{type(tensor).__name__}")
    if is_placeholder(tensor) or _is_freed(tensor):
        rule = f"{subject} values are here (before FSDP wraps them, or inside deepspeed.zero.GatheredParameters;"
        rule += " fill_flat_ fills what a rank holds)"
        refuse(argument, rule, f"{name}a placeholder of shape {tuple(tensor.shape)}")


def _is_freed(tensor: torch.Tensor) -> bool:
    """Whether the memory under a tensor is given back, as FSDP does between passes."""
    if type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__ or tensor.is_meta:
        return False
    try:
        return tensor.numel() > 0 == tensor.untyped_storage().nbytes()
    except RuntimeError:  # of what has no storage of its own
        return False


def check_tensor(full_name: str, tensor: torch.Tensor) -> None:
    """Raise where a tensor of a model is not one of floats whose memory and place we know."""
    if is_plain(tensor) and tensor.dtype in DTYPES and tensor.is_contiguous():
        return
    check_here(tensor, full_name=full_name)
    if tensor.is_meta:
        refuse("model", "in memory (fastinit.torch.materialize gives it some)", f"{full_name} on the meta device")
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.dtype not in DTYPES:
        kind = "quantised" if tensor.is_quantized else f"{tensor.layout} of {tensor.dtype}"
        refuse("model", "of dense float16, bfloat16, float32 or float64 parameters", f"{full_name}, {kind}", TypeError)
    if any(not step and length > 1 for step, length in zip(tensor.stride(), tensor.shape, strict=True)):
        refuse("model", "of parameters each element of which has its own memory", f"{full_name}, expanded")
    if pieces_of(tensor) is None:
        layout = getattr(tensor, "placements", type(tensor).__name__)
        refuse("model", "of tensors that are whole, replicated or sharded", f"{full_name}, {layout}")
