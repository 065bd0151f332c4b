"""Expected: the second moments that theory has of what modules return, from those of what they are given.

Theory is of infinite width: weights are independent of each other and of what they multiply, and what they make of it
is normal with mean zero. So the second moment q becomes ``fan_in E w**2 q + E b**2`` in a layer, ``E phi(u)**2`` at
variance q in an activation, ``E gamma**2 q / (q + eps) + E beta**2`` in a norm. Where weights are not so it has nothing
to say of a layer and of what comes of it; of an activation it has not where what that is given is not normal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from ...scaling import gain
from ...theory import second_moment_map
from ...typing import ActivationLike
from ..rules.modules import is_as_its_class, takes_moments
from .centred import is_centred
from .outputs import first_floats, second_moment


class Moment(NamedTuple):
    """A second moment, NaN where theory has none, and whether it is of what is normal with mean zero."""

    value: float
    normal: bool = True


#: Weights have a gain whose squares are off by less: their mean squares are by a part in the root of their number.
_OWN = 0.1
#: From a module, the second moment of what it is given, and the shape of that, to that of what it returns; or to none.
Rule = Callable[[Any, Moment, tuple[int, ...]], Moment | None]


class Expected:
    """What second moments theory has of the tensors that modules return.

    A module is given what theory has of the tensor, where it has any: where it is, or is a view of, what a module with
    a rule returned, or the model's input. Of others it is given what is measured.
    """

    def __init__(self) -> None:
        self._known: Any = WeakIdKeyDictionary()
        self._given: list[tuple[Moment, tuple[int, ...]]] = []

    def of(self, tensor: Tensor) -> float:
        """NaN where theory has none."""
        known = self._found(tensor)
        return math.nan if known is None else known.value

    def _found(self, tensor: Tensor) -> Moment | None:
        """None of what comes of no module with a rule."""
        known, version = self._known.get(_owner(tensor), (None, 0))
        return known if version == _version(tensor) else None

    def start(self, tensor: Tensor) -> None:
        """Take what is measured of the model's input."""
        self._know(tensor, Moment(second_moment(tensor)))

    def attach(self, hooks: ExitStack, model: nn.Module) -> None:
        """Until the stack is left, follow what modules with a rule are given and return."""
        for module in model.modules():
            if (rule := _rule_of(module)) is not None:
                hooks.callback(module.register_forward_pre_hook(self._enter).remove)
                hooks.callback(module.register_forward_hook(self._leaver(rule)).remove)

    def _enter(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        """Before it is called: it may write into what it is given."""
        tensor = first_floats(args[:1])
        if tensor is None:
            self._given.append((Moment(math.nan), ()))
            return
        self._given.append((self._found(tensor) or Moment(second_moment(tensor)), tuple(tensor.shape)))

    def _leaver(self, rule: Rule) -> Callable[..., None]:
        def leave(module: nn.Module, _: Any, output: Any) -> None:
            given, shape = self._given.pop()
            if isinstance(output, Tensor) and (found := rule(module, given, shape)) is not None:
                self._know(output, found)

        return leave

    def _know(self, tensor: Tensor, moment: Moment) -> None:
        self._known[_owner(tensor)] = moment, _version(tensor)


def _owner(tensor: Tensor) -> Tensor:
    """What it is a view of, if of all of it."""
    base = tensor._base
    return tensor if base is None or base.numel() != tensor.numel() else base


def _version(tensor: Tensor) -> int:
    """How often it was written into."""
    return -1 if tensor.is_inference() else tensor._version


def _square(parameter: Tensor | None, absent: float) -> float:
    return absent if parameter is None else second_moment(parameter)


def _shifts(parameter: Tensor | None) -> bool:
    """Whether it moves the mean away from zero, where it is added."""
    return parameter is not None and not is_centred(parameter)


def _layer(module: Any, given: Moment, shape: tuple[int, ...]) -> Moment:
    """Of a matrix or a kernel, whose taps beside the input are given zeros."""
    if not is_centred(module.weight):
        return Moment(math.nan)
    fan_in = module.weight[0].numel() if isinstance(module, (nn.Linear, *_KERNELS)) else module.weight.shape[0]
    share = _share_inside(module, shape) if isinstance(module, _KERNELS) else 1.0
    value = fan_in * share * second_moment(module.weight) * given.value + _square(module.bias, 0.0)
    return Moment(value, not _shifts(module.bias))


def _share_inside(module: Any, shape: tuple[int, ...]) -> float:
    """Of the taps of a kernel those that meet the input, in the mean over positions."""
    if module.padding_mode != "zeros":
        return 1.0
    share, paddings = 1.0, module._reversed_padding_repeated_twice[::-1]
    for axis, (kernel, stride, gap) in enumerate(zip(module.kernel_size, module.stride, module.dilation, strict=True)):
        length, (after, before) = shape[axis - len(module.kernel_size)], paddings[2 * axis : 2 * axis + 2]
        starts = np.arange(-before, length + after - gap * (kernel - 1), stride)
        taps = np.add.outer(starts, gap * np.arange(kernel))
        share *= float(((taps >= 0) & (taps < length)).mean())
    return share


def _embedding(module: Any, _: Moment, __: tuple[int, ...]) -> Moment:
    return Moment(second_moment(module.weight), not _shifts(module.weight))


def _norm(module: Any, given: Moment, _: tuple[int, ...]) -> Moment:
    eps = torch.finfo(torch.float32).eps if module.eps is None else module.eps
    bias = getattr(module, "bias", None)
    value = _square(module.weight, 1.0) * given.value / (given.value + eps) + _square(bias, 0.0)
    return Moment(value, given.normal and not _shifts(bias))


def _batch_norm(module: Any, given: Moment, shape: tuple[int, ...]) -> Moment:
    """With running statistics it is a map of each channel, ``a x + c``."""
    if takes_moments(module):
        return _norm(module, given, shape)
    a = (module.running_var + module.eps) ** -0.5 * (1 if module.weight is None else module.weight)
    c = (0 if module.bias is None else module.bias) - a * module.running_mean
    return Moment(second_moment(a) * given.value + second_moment(c), given.normal and not _shifts(c))


def _dropout(module: Any, given: Moment, _: tuple[int, ...]) -> Moment:
    """Zeros among the values are of no normal law."""
    drops = module.training and module.p > 0
    if not drops:
        return given
    return Moment(0.0 if module.p == 1 else given.value / (1 - module.p), normal=False)


def _same(_: Any, given: Moment, __: tuple[int, ...]) -> Moment:
    return given


def _activation(name: Callable[[Any], ActivationLike | None]) -> Rule:
    def rule(module: Any, given: Moment, _: tuple[int, ...]) -> Moment | None:
        if not math.isfinite(given.value):
            return Moment(math.nan)
        phi = name(module) if given.normal else None
        return None if phi is None else Moment(second_moment_map(phi, given.value), normal=False)

    return rule


_KERNELS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_ACTIVATIONS: dict[type[nn.Module], Callable[[Any], ActivationLike | None]] = {
    nn.ReLU: lambda _: "relu",
    nn.LeakyReLU: lambda module: ("leaky_relu", module.negative_slope),
    nn.ELU: lambda module: ("elu", module.alpha),
    nn.SELU: lambda _: "selu",
    nn.GELU: lambda module: "gelu" if module.approximate == "none" else "gelu_tanh",
    nn.SiLU: lambda _: "silu",
    nn.Mish: lambda _: "mish",
    nn.Tanh: lambda _: "tanh",
    nn.Sigmoid: lambda _: "sigmoid",
    nn.Softplus: lambda module: "softplus" if module.beta == 1 else None,
    nn.Softsign: lambda _: "softsign",
}
#: By classes, not by those that are made from them, which may do something else.
_RULES: dict[type[nn.Module], Rule] = {
    **dict.fromkeys((nn.Linear, *_KERNELS), _layer),
    nn.Embedding: _embedding,
    **dict.fromkeys((nn.LayerNorm, nn.RMSNorm, nn.GroupNorm), _norm),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _batch_norm),
    **dict.fromkeys((nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d), _dropout),
    **dict.fromkeys((nn.Identity, nn.Flatten, nn.Unflatten), _same),
    **{kind: _activation(name) for kind, name in _ACTIVATIONS.items()},
}
#: Those of transformers, which is not imported for it.
_OF_TRANSFORMERS: dict[str, Rule] = {
    "transformers.pytorch_utils.Conv1D": _layer,
    "transformers.activations.NewGELUActivation": _activation(lambda _: "gelu_tanh"),
    "transformers.activations.GELUActivation": _activation(lambda _: "gelu"),
}


def _rule_of(module: nn.Module) -> Rule | None:
    """None where none is known."""
    kind = type(module)
    if not is_as_its_class(module):
        return None
    return _RULES.get(kind) or _OF_TRANSFORMERS.get(f"{kind.__module__}.{kind.__name__}")


def has_own_gain(model: nn.Module) -> bool | None:
    """Whether the layers between the first and the last have, in the mean, weights of the gain of their activation.

    None where no layer is between them, or there is not one kind of activation.
    """
    kinds = {_ACTIVATIONS[type(one)](one) for one in model.modules() if type(one) in _ACTIVATIONS}
    activation = kinds.pop() if len(kinds) == 1 else None
    layers = [one.weight for one in model.modules() if type(one) in (nn.Linear, *_KERNELS)]
    weights = [one for one in layers[1:-1] if one.numel()]
    if activation is None or not weights:
        return None
    squares = [second_moment(one) * one[0].numel() for one in weights]
    return math.isclose(sum(squares) / len(squares), gain(activation) ** 2, rel_tol=_OWN)
