"""Weights: a parameter as rules see it, the fans that it really has, and the law that a scheme gives it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import torch
from torch import nn

from ...arguments import refuse, unexpected
from ...laws import Called, Law
from ...models.patterns import NoFansError
from ...models.recipe import is_of, layer_of
from ...scaling import Axes, Fans, checked_axes, fan_pair
from ...schemes import AXES, DESCRIBED, Scheme, scheme_of
from .modules import IN_TORCHS_ORDER, fans_of, is_norm, is_of_norm, is_shift, sides_of


class Weight(NamedTuple):
    """A parameter as rules see it: its canonical name, its module, its shape; how many projections are packed in it."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    dtype: torch.dtype
    split: int = 1

    @property
    def fans(self) -> Fans | None:
        """None below two axes; of more, refused where the module does not tell which of them are inputs and outputs."""
        found = self.known_fans
        return refuse_axes(self) if found is None and len(self.shape) > 1 else found

    @property
    def known_fans(self) -> Fans | None:
        """Those that its module tells; None where it does not."""
        if (sides := sides_of(self.module, self.shape)) is not None:
            self.check_split(sides.out_axis)
        return fans_of(self.module, self.shape, self.split)

    def check_split(self, out_axis: Axes) -> None:
        """Raise where its outputs are not so many projections of one length."""
        checked = checked_axes("out_axis", out_axis)
        axes = (checked,) if isinstance(checked, int) else checked
        if math.prod(self.shape[axis] for axis in axes) % self.split:
            refuse("split", f"a divisor of the outputs of {self.name} {self.shape}", self.split)

    @property
    def is_norm(self) -> bool:
        """Whether it scales or shifts a normalisation.

        What torch's norms have does. Of other classes so called, vectors do which are called as such are: no matrix.
        """
        return is_of_norm(self.module, self._leaf, self.shape)

    @property
    def is_bias(self) -> bool:
        """Whether it is added to something."""
        in_vector = len(self.shape) < 2 and "bias" in self._leaf
        return in_vector or self.name.endswith("bias") or (self.is_norm and is_shift(self._leaf))

    @property
    def _leaf(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def path(self) -> str:
        """The name of what it is, or is that of."""
        return self.name.removesuffix(".weight")

    @property
    def layer(self) -> int | None:
        """The first number in the name."""
        return layer_of(self)

    @property
    def in_norm(self) -> bool:
        """Whether its module is a normalisation and no more."""
        return is_norm(self.module)

    @property
    def is_embedding(self) -> bool:
        """Whether it is looked up, and nothing is multiplied by it."""
        return isinstance(self.module, nn.Embedding)

    @property
    def door(self) -> str:
        """Whose recipes are made for it."""
        return "fastinit.torch"

    def is_of(self, *names: str) -> bool:
        """Whether it is, or is that of, something so called; a name may be the end of a path, as ``mlp.dense``."""
        return is_of(self, *names)

    def law(self, scheme: Any, **keywords: Any) -> Ruled:
        """See `law_of`."""
        return law_of(scheme, self, **keywords)


class Ruled(NamedTuple):
    """What a rule gives a weight: a law, and fans where axes were named.

    Where the law is None modules draw it: by their resets, or (`own`) by what they have beyond these too.
    """

    law: Law | None
    fans: Fans | None = None
    own: bool = False


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
        If there is no such scheme, it does not take a keyword, or it needs fans or axes and there are none: those of
        three axes or more that no convolution has (stacked experts, embeddings of positions) must be named.

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
    named = {}
    if keywords:
        unexpected(known.name, keywords, (*known.parameters, *(DESCRIBED if known.needs_fans else ())))
        named = {axis: keywords.pop(axis) for axis in AXES if axis in keywords}
    axes = {**_axes_of(weight, known, named, keywords), **named}
    fans = _fans_along(weight, **axes) if named else None
    if not known.needs_fans:
        return Ruled(known.law(**axes, **keywords), fans)
    found = fans or weight.fans
    if found is None:
        first = f"others need a rule before it: ({weight.name!r}, 'torch')"
        rule = f"such that a scheme with a fan is for weights of two axes or more ({first})"
        refuse("rules", rule, (weight.name, weight.shape), NoFansError)
    return Ruled(known.scaled(*found, **keywords), fans)


def _fans_along(weight: Weight, in_axis: Axes, out_axis: Axes, batch_axis: Axes = ()) -> Fans:
    fan_in, fan_out = fan_pair(weight.shape, in_axis, out_axis, batch_axis)
    weight.check_split(out_axis)
    return Fans(fan_in, fan_out // weight.split)


def _axes_of(weight: Weight, known: Scheme, named: Mapping[str, Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Those that a scheme takes, where they are not named: torch's order, but for stacked experts."""
    taken = [axis for axis in AXES if known.needs_fans or axis in known.keywords]
    order = IN_TORCHS_ORDER
    if taken and len(weight.shape) > 2:
        sides = sides_of(weight.module, weight.shape)
        stacked = sides is not None and sides.batch_axis != ()
        unknown = sides is None or (stacked and "batch_axis" not in taken)
        if unknown and not named.keys() >= {"in_axis", "out_axis"}:
            refuse_axes(weight, known.name, keywords, "batch_axis" in taken)
        order = sides if sides is not None and stacked else order
    return {axis: getattr(order, axis) for axis in taken}


def refuse_axes(
    weight: Weight, scheme: str = "lecun_normal", keywords: Mapping[str, Any] | None = None, stacked: bool = True
) -> NoReturn:
    """Raise where nobody knows the axes of a weight, with rules for it that do as they are typed."""
    *batch, outputs, inputs = range(len(weight.shape))
    axes: dict[str, Any] = {"out_axis": 0, "in_axis": 1}
    if stacked:
        axes = {"batch_axis": batch[0] if len(batch) == 1 else (*batch,), "out_axis": outputs, "in_axis": inputs}
    rules = [(weight.name, scheme, {**(keywords or {}), **axes}), (weight.name, "normal", {"std": 0.02})]
    what = "matrices side by side" if stacked else "a kernel"
    rule = "such that a weight of three axes or more that is no convolution's has them named"
    refuse("rules", f"{rule}: {rules[0]} where it is {what}, {rules[1]} where it is none", (weight.name, weight.shape))


def ruled(given: Any) -> Any:
    """What a rule gave, as `Ruled` where it is a law."""
    return Ruled(given) if isinstance(given, Law) else given
