"""Modules: what a module tells of its parameters. Which are a norm's, along which axes others are, and their fans."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from ...scaling import Fans

#: Those of torch, over whatever shape they normalise.
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
#: Last words of what scales in other norms, and of what is added there.
_FACTORS = ("weight", "scale", "gamma", "gain", "g")
_SHIFTS = ("bias", "shift", "beta", "b")


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a normalisation and no more, by its type, or by how the name of its class ends."""
    return isinstance(module, _NORMS) or re.search(r"Norm(\dd)?$", _called_norm(module)) is not None


def is_as_its_class(module: nn.Module) -> bool:
    """Whether nothing of the user's is called with a module, or in place of what its class does."""
    return not (module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def takes_moments(norm: nn.modules.batchnorm._NormBase) -> bool:
    """Whether a norm with running statistics divides by what it finds in its input, and not by these."""
    return norm.training or norm.running_mean is None


def normalises(module: nn.Module) -> bool:
    """Whether a module is a normalisation, or scales one, as what is fused of one and a projection does."""
    own = ((leaf, one.shape) for leaf, one in module._parameters.items() if one is not None)
    return is_norm(module) or any(is_of_norm(module, *one) for one in own)


def is_of_norm(module: nn.Module, leaf: str, shape: Sequence[int]) -> bool:
    """Whether a parameter scales or shifts a normalisation. A matrix does only where torch says so."""
    if isinstance(module, _NORMS):
        return leaf in ("weight", "bias")
    is_vector = len(shape) == 1 or (is_norm(module) and math.prod(shape) == max(shape, default=0))
    return is_vector and bool(_called_norm(module)) and (_last_word(leaf) in _FACTORS or is_shift(leaf))


def is_shift(leaf: str) -> bool:
    """Whether a parameter of a normalisation is what it adds, as its name tells."""
    return _last_word(leaf) in _SHIFTS


def _called_norm(module: nn.Module) -> str:
    """The name of a class that has the word in it; "" where a layer of torch is a base of that, which says more."""
    name = type(module).__name__
    if "Norm" not in name:
        return ""
    bases = {base for base in type(module).__mro__ if base.__module__.startswith("torch.nn.modules.")}
    return "" if bases - {nn.Module} else name


def _last_word(leaf: str) -> str:
    return leaf.rpartition("_")[2]


class Sides(NamedTuple):
    """Along which axes the inputs and the outputs of a weight are, and those along which independent weights lie."""

    in_axis: int
    out_axis: int
    batch_axis: tuple[int, ...] = ()


IN_TORCHS_ORDER, _TURNED = Sides(1, 0), Sides(0, 1)


def sides_of(module: nn.Module, shape: Sequence[int]) -> Sides | None:
    """Of a matrix, a kernel or stacked experts of transformers; None where there are none, or nobody knows."""
    if len(shape) < 2:
        return None
    if len(shape) == 2 or isinstance(module, nn.Bilinear) or _is_kernel(module, shape):
        return _TURNED if _is_turned(module) else IN_TORCHS_ORDER
    if len(shape) == 3 and hasattr(module, "has_gate") and hasattr(module, "is_transposed"):
        return Sides(1, 2, (0,)) if module.is_transposed else Sides(2, 1, (0,))
    return None


def _is_turned(module: nn.Module) -> bool:
    """Whether its inputs come first: those of a transposed convolution, or of transformers' Conv1D, a Linear so."""
    return isinstance(module, _ConvTransposeNd) or any(one.__name__ == "Conv1D" for one in type(module).__mro__)


def _is_kernel(module: nn.Module, shape: Sequence[int]) -> bool:
    """Of a convolution of torch; or of one in whose words it is just that, in torch's order."""
    kernel = getattr(module, "kernel_size", None)
    if isinstance(module, _ConvNd):
        return tuple(shape[2:]) == kernel
    words: list[Any] = [getattr(module, name, None) for name in ("out_channels", "in_channels", "groups")]
    if not isinstance(kernel, tuple) or not all(isinstance(word, int) for word in words):
        return False
    outputs, inputs, groups = words
    return tuple(shape) == (outputs, inputs // groups, *kernel)


def fans_of(module: nn.Module, shape: Sequence[int], split: int = 1) -> Fans | None:
    """How many inputs an output of the module sums over, and how many outputs an input reaches.

    None below two axes, and of more where the module does not tell which of them are inputs and outputs. torch's own
    rule knows neither groups nor transposition nor packing: it takes the first axis for the outputs. With a stride, an
    output of a transposed convolution sums over that part of the kernel which meets it, on an average over positions.
    The fan-out of a convolution is that without its stride, as everywhere.
    """
    sides = sides_of(module, shape)
    if sides is None:
        return None
    lengths, steps = list(shape), 1
    lengths[sides.out_axis] //= split
    places = 1 if sides.batch_axis else math.prod(shape[2:])
    if len(shape) > 2 and _is_kernel(module, shape):
        lengths[0] //= module.groups  # the other axis is that of one group already
        steps = math.prod(module.stride) if isinstance(module, _ConvTransposeNd) else 1
    fan_in, fan_out = lengths[sides.in_axis] * places, lengths[sides.out_axis] * places
    return Fans(fan_in / steps if fan_in % steps else fan_in // steps, fan_out)
