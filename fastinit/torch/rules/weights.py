"""Weights: a parameter as rules see it, the fans that it really has, and the law that a scheme gives it."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from ...arguments import choice, refuse
from ...fill import normal, truncated_normal, uniform
from ...scaling import TRUNCATED_STD, Axes, Fans, fan_pair
from ...schemes import FANS, SCHEMES
from ..calls.requests import Law


class Weight(NamedTuple):
    """A parameter as rules see it: its canonical name, its module and its shape; `fans` is None below two axes."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    dtype: torch.dtype
    fans: Fans | None

    @property
    def is_norm(self) -> bool:
        """Whether it scales or shifts a normalisation."""
        return "Norm" in type(self.module).__name__

    @property
    def layer(self) -> int | None:
        """The first number in the name."""
        found = re.search(r"(?:^|\.)(\d+)\.", self.name)
        return None if found is None else int(found[1])

    def is_of(self, *names: str) -> bool:
        """Whether it is, or is that of, something so called."""
        return self.name.removesuffix(".weight").split(".")[-1] in names


_AUTHORS = {"lecun": (1.0, "fan_in"), "glorot": (1.0, "fan_avg"), "he": (2.0, "fan_in")}
_AUTHORS |= {"xavier": _AUTHORS["glorot"], "kaiming": _AUTHORS["he"]}
_SCALED = {
    f"{author}_{distribution}": {"scale": scale, "mode": mode, "distribution": distribution}
    for author, (scale, mode) in _AUTHORS.items()
    for distribution in ("normal", "uniform")
}
_IN_TORCHS_ORDER = {"orthogonal", "delta_orthogonal", "dirac"}


def output_axis(module: nn.Module) -> int:
    """Along which the outputs of a module's weight are."""
    transposed = isinstance(module, _ConvTransposeNd) or any(one.__name__ == "Conv1D" for one in type(module).__mro__)
    return int(transposed)  # that Conv1D is transformers', a Linear with its weight turned


def fans_of(module: nn.Module, shape: Sequence[int], split: int = 1) -> Fans | None:
    """How many inputs an output of the module sums over, and how many outputs an input reaches.

    torch's own rule knows neither groups nor transposition nor packing: it takes the first axis for the outputs.
    """
    if len(shape) < 2:
        return None
    outputs = output_axis(module)
    inputs, places = 1 - outputs, math.prod(shape[2:])
    lengths = [shape[0], shape[1]]
    if isinstance(module, _ConvNd):
        lengths[0] //= module.groups  # the other axis is that of one group already
    return Fans(lengths[inputs] * places, lengths[outputs] // split * places)


def law_of(scheme: Any, weight: Weight, **keywords: Any) -> Law:
    """The law of a scheme (a name, or a function of fastinit's, or one like them) for a weight."""
    while isinstance(scheme, functools.partial) and not scheme.args:
        keywords = {**scheme.keywords, **keywords}
        scheme = scheme.func
    names = [name for name, function in SCHEMES.items() if function is scheme]
    if callable(scheme) and not names:
        return Law(scheme, keywords)
    name = names[0] if names else choice("scheme", scheme, SCHEMES)
    if name in _SCALED:
        return _scaled(weight, **{**_SCALED[name], **keywords})
    if name == "variance_scaling":
        return _scaled(weight, **keywords)
    if name == "small_normal":
        return Law(normal, {"std": 0.01, **keywords})
    axes = {axis: keywords[axis] for axis in ("in_axis", "out_axis", "batch_axis") if axis in keywords}
    if name in _IN_TORCHS_ORDER:
        keywords = {"in_axis": 1, "out_axis": 0, **keywords}
    return Law(SCHEMES[name], keywords, fans=_fans_along(weight.shape, **axes) if axes else None)


def _scaled(
    weight: Weight,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "normal",
    gain: float = 1.0,
    **axes: Axes,
) -> Law:
    """variance_scaling, for fans that a shape does not tell: those of the module, unless axes are named."""
    if weight.fans is None:
        first = f"others need a rule before it: ({weight.name!r}, 'torch')"
        rule = f"such that a scheme with a fan is for weights of two axes or more ({first})"
        refuse("rules", rule, (weight.name, weight.shape))
    choice("mode", mode, FANS)
    choice("distribution", distribution, ["normal", "truncated_normal", "uniform"])
    fans = _fans_along(weight.shape, **axes) if axes else None
    std = gain * math.sqrt(scale / (FANS[mode](*(fans or weight.fans)) or 1))
    if distribution == "normal":
        return Law(normal, {"std": std}, fans=fans)
    if distribution == "uniform":
        return Law(uniform, {"low": -math.sqrt(3.0) * std, "high": math.sqrt(3.0) * std}, fans=fans)
    return Law(truncated_normal, {"std": std / TRUNCATED_STD, "low": -2.0, "high": 2.0}, fans=fans)


def _fans_along(shape: tuple[int, ...], in_axis: Axes = 1, out_axis: Axes = 0, batch_axis: Axes = ()) -> Fans:
    return Fans(*fan_pair(shape, in_axis, out_axis, batch_axis))
