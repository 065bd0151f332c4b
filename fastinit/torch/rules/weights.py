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

from ...arguments import refuse, unexpected
from ...laws import Called, Law
from ...scaling import Axes, Fans, fan_pair
from ...schemes import AXES, DESCRIBED, scheme_of


class Weight(NamedTuple):
    """A parameter as rules see it: its canonical name, its module and its shape; `fans` is None below two axes.

    Those are of one of the parts, `split` in number, that it is packed from along its outputs.
    """

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    dtype: torch.dtype
    fans: Fans | None
    split: int = 1

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
        return last_name(self.name) in names


def last_name(weight_name: str) -> str:
    """What something is called that a weight is, or is that of."""
    return weight_name.removesuffix(".weight").split(".")[-1]


class Ruled(NamedTuple):
    """What a rule gives a weight: a law (None: what its module's own reset draws), and fans where axes were named."""

    law: Law | None
    fans: Fans | None = None


#: torch's order, which those structures that know axes have unless axes are named.
_IN_TORCHS_ORDER = {"in_axis": 1, "out_axis": 0}


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


def law_of(scheme: Any, weight: Weight, **keywords: Any) -> Ruled:
    """The law of a scheme for a weight, with the fans of its module unless axes are named.

    Parameters
    ----------
    scheme : str, Scheme, Law or callable
        The name of a scheme, one of fastinit's functions or one like them, or a law itself.
    weight : Weight
        What a function that gives rules is called with.
    **keywords
        Those of the scheme: ``gain``, ``std``, ..., ``in_axis``, ``out_axis`` and ``batch_axis``; of one with a fan
        ``scale``, ``mode`` and ``distribution`` too, as in ``("*", "kaiming_normal", {"mode": "fan_out"})``.

    Returns
    -------
    Ruled
        ``law``, one of `fastinit.laws`, and ``fans`` where axes were named: what a rule returns.

    Raises
    ------
    ValueError, TypeError
        If there is no such scheme, it does not take a keyword, or it needs fans and there are none.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> from fastinit.torch import law_of
    >>> def rules(weight):
    ...     return law_of("zeros" if weight.fans is None else "he_normal", weight)
    >>> [str(entry.law) for entry in fastinit.torch.plan(torch.nn.Linear(50, 10), rules)]
    ['normal(std=0.2)', 'zeros()']
    """
    while isinstance(scheme, functools.partial) and not scheme.args:
        keywords = {**scheme.keywords, **keywords}
        scheme = scheme.func
    if isinstance(scheme, Law):
        unexpected(scheme.name, keywords, ())
        return Ruled(scheme)
    known = scheme_of(scheme)
    if known.is_called:
        return Ruled(Called(scheme, keywords))
    axes = {}
    if keywords:
        unexpected(known.name, keywords, (*known.parameters, *(DESCRIBED if known.needs_fans else ())))
        axes = {axis: keywords.pop(axis) for axis in AXES if axis in keywords}
    fans = _fans_along(weight, **axes) if axes else None
    if not known.needs_fans:
        order = {axis: at for axis, at in _IN_TORCHS_ORDER.items() if axis in known.keywords}
        return Ruled(known.law(**{**order, **axes, **keywords}), fans)
    if weight.fans is None:
        first = f"others need a rule before it: ({weight.name!r}, 'torch')"
        rule = f"such that a scheme with a fan is for weights of two axes or more ({first})"
        refuse("rules", rule, (weight.name, weight.shape))
    return Ruled(known.scaled(*(fans or weight.fans), **keywords), fans)


def _fans_along(weight: Weight, in_axis: Axes = 1, out_axis: Axes = 0, batch_axis: Axes = ()) -> Fans:
    fan_in, fan_out = fan_pair(weight.shape, in_axis, out_axis, batch_axis)
    if fan_out % weight.split:
        refuse("split", f"a divisor of the outputs of {weight.name} {weight.shape}", weight.split)
    return Fans(fan_in, fan_out // weight.split)


def ruled(given: Any) -> Any:
    """What a rule gave, as `Ruled` where it is a law."""
    return Ruled(given) if isinstance(given, Law) else given
