"""Head: the layer that makes the outputs of a model, and the second moment of what it is given."""

from __future__ import annotations

import re
from contextlib import ExitStack
from math import nan
from typing import Any

from torch import Tensor, nn

from ..rules.modules import is_as_its_class
from .outputs import first_floats, second_moment

#: What may stand between the head and the outputs, or the loss that a model returns, by the names of autograd's nodes:
#: none has parameters, or normalises. What takes in anything else has more than one node before it.
_PASSES = re.compile(
    r"((Reshape)?Alias|Clone|ToCopy|(Unsafe)?View|Squeeze|Unsqueeze|Select|Slice|Index|Split|Unbind|Expand|"
    r"Permute|Transpose|T|Add|Sub|Neg|Mean|Sum|(Log)?Softmax|(Log)?Sigmoid|Tanh|Relu|Softplus|"
    r"NllLoss(2D)?|MseLoss|BinaryCrossEntropyWithLogits)Backward\d*"
)
_KINDS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)


class Head:
    """Notes what the layers of a model are given, until it is known which of them makes the outputs."""

    def __init__(self, model: nn.Module) -> None:
        self._layers = [module for module in model.modules() if _is_layer(module)]
        self._given: dict[Any, float] = {}

    def attach(self, hooks: ExitStack) -> None:
        """Until the stack is left."""
        for layer in self._layers:
            hooks.callback(layer.register_forward_hook(self._note).remove)

    def _note(self, _: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        given = first_floats(args[:1])
        if given is not None and output.grad_fn is not None:
            self._given[output.grad_fn] = second_moment(given)

    def second_moment(self, outputs: Tensor | None) -> float:
        """Of what the head was given; NaN where no layer is known to be it.

        And where it is given zeros: what begins at zero has no size yet, and what is dead is told of its own.
        """
        node = None if outputs is None else outputs.grad_fn
        while node is not None and node not in self._given:
            before = [one for one, _ in node.next_functions if one is not None]
            node = before[0] if len(before) == 1 and _PASSES.fullmatch(node.name()) else None
        return self._given.get(node, nan) or nan


def _is_layer(module: nn.Module) -> bool:
    """Whether it multiplies what it is given by its weight, and nothing else happens: a class of yours may scale it."""
    return is_as_its_class(module) and any(type(module).forward is kind.forward for kind in _KINDS)
