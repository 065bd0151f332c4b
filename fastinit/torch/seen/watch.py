"""Watch: what the modules of a model return and what gradients come back to them, seen through hooks."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ...arguments import refuse, type_of
from ...profiler.products import inner, mean_cosine_of_rows, mean_cosine_within, mean_of_known, squared_norm
from ...profiler.result.findings import FORWARD
from ...profiler.statistics import FIELDS, Tally, distinct_columns
from ...profiler.tangent_kernel import fields_of
from ..rules.modules import normalises, takes_moments
from ..tensors.names import Rename, canonical_name
from .expected import Expected, has_own_gain
from .head import Head
from .model import Model, Row
from .model_profile import ModelProfile
from .outputs import array_of, first_floats, output_fields
from .paths import passed_by_all
from .patterns import Patterns
from .returns import Returns
from .tangents import Tangents

Array = np.ndarray[Any, Any]

_BATCH = nn.modules.batchnorm._NormBase
#: Where units are along axis 1 whatever the number of axes; elsewhere they are from four axes on, but for the last.
_CHANNELS_FIRST = (nn.modules.conv._ConvNd, _BATCH, nn.GroupNorm)
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.Embedding)


#: Rows are the same that are off by less than this of the greatest value, which the mean cosine tells most of.
_SAME, _PARALLEL = 1e-6, 1 - 1e-9


@dataclass
class Seen:
    """What is known of a module."""

    label: str
    kind: str
    weights: list[Tensor]
    tally: Tally = field(default_factory=Tally)
    elements: int = 0
    expected: float = 0.0
    positions: int = 0
    traced: bool = False
    parting: bool = False
    bends: bool = False
    same: bool = True
    nodes: list[Any] = field(default_factory=list)
    cosines: list[float] = field(default_factory=list)
    position_cosines: list[float] = field(default_factory=list)

    def take(self, module: nn.Module | None, tensor: Tensor, expected: float) -> None:
        """What a call returned, and of its second moment what theory has."""
        array = array_of(tensor)
        self.expected += expected * array.size
        self.elements += array.size
        self.tally.act.update(array)
        if array.ndim >= 2 and array.size:
            units = _units(module, array)
            self.positions += len(units)
            if module is not None:  # an input has no slope
                self.tally.add_slopes(units, len(units))
            if units.shape[1] > 1:  # one unit is the same as no other
                self.tally.distinct = np.fmin(self.tally.distinct, distinct_columns(units))
            rows = array.reshape(len(array), -1)
            self.cosines.append(mean_cosine_of_rows(rows))
            self.position_cosines.append(mean_cosine_within(units.reshape(len(array), -1, units.shape[1])))
            self.same &= self.cosines[-1] > _PARALLEL and _are_same(rows)

    def take_gradient(self, module: nn.Module | None, gradient: Tensor) -> None:
        """What came back to a call."""
        array = array_of(gradient)
        self.tally.grad_act.update(array)
        if self.tally.distinct == 1 and array.ndim >= 2:
            self.parting |= distinct_columns(_units(module, array)) > 1

    def fields(self) -> dict[str, float]:
        """By name."""
        self.tally.cosine, self.tally.position_cosine = map(mean_of_known, (self.cosines, self.position_cosines))
        found = self.tally.row()
        if self.traced and not self.tally.grad_act.count:
            found["grad_act_second_moment"] = 0.0
        return found


class _Granted(TorchFunctionMode):
    """A model may ask for the gradient of what it is given, or of a view of it, or for none.

    Of plain inputs it could; here they have one, and torch would refuse.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in _ASKED and not args[0].is_leaf:
            return args[0]
        return function(*args, **(kwargs or {}))


_ASKED = (Tensor.requires_grad.__set__, Tensor.requires_grad_)


class Watch:
    """Takes in what the modules of a model return, in one pass, through hooks."""

    def __init__(self, model: nn.Module, patterns: Patterns, rename: Rename | None, backward: bool) -> None:
        self._model, self._patterns, self._backward = model, patterns, backward
        self.sources: list[Tensor] = [one for one in model.parameters() if one.requires_grad]
        self._rename, self.rows = rename, 1
        self._seen: dict[nn.Module | None, Seen] = {}
        self._grants = False
        self._start: Any = None
        self._through: set[Any] | None = None
        self._waiting: set[str] = set()
        self._expected, self._head = Expected(), Head(model)

    def inputs(self, stack: ExitStack, args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
        """What to give the model: a first argument of floats is taken in, and is a tensor that takes a gradient."""
        given = {key: _recorded(one) for key, one in {**dict(enumerate(args)), **kwargs}.items()}
        key, first = next(iter(given.items()), (None, None))
        if isinstance(first, Tensor) and first.ndim:
            self.rows = len(first)
            if first_floats(first) is not None:
                leaf = first.detach().requires_grad_(self._backward)
                given[key] = leaf.clone()  # a model may write into what it is given, if it is no leaf
                self.sources.append(leaf)
                self._grants = self._backward
                self._start = given[key].grad_fn
                self._expected.start(given[key])
                self._take(stack, None, "input", given[key])
        return [given[place] for place in range(len(args))], {name: given[name] for name in kwargs}

    def attach(self, hooks: ExitStack, stack: ExitStack) -> None:
        """Hooks on all modules that may be called; those on tensors stay until the stack is left."""
        if self._grants:
            hooks.enter_context(_Granted())
        self._expected.attach(hooks, self._model)
        self._head.attach(hooks)
        Returns(self._model, self._patterns, self._rename, partial(self._returned, stack)).attach(hooks)

    def _returned(self, stack: ExitStack, module: nn.Module, label: str, tensor: Tensor, shown: bool) -> None:
        self._start = self._start or tensor.grad_fn
        if shown:
            self._take(stack, module, label, tensor)

    def _take(self, stack: ExitStack, module: nn.Module | None, label: str, tensor: Tensor) -> None:
        kind, weights = "", list[Tensor]()
        if module is not None:
            kind, weights = type(module).__name__, [one for one in module.parameters() if one.ndim > 1]
        seen = self._seen.setdefault(module, Seen(label, kind, weights))
        seen.bends = type(module).__module__ == nn.ReLU.__module__ and not weights
        seen.take(module, tensor, self._expected.of(tensor))
        if tensor.requires_grad:
            seen.traced = True
            seen.nodes.append(tensor.grad_fn)
            stack.callback(tensor.register_hook(partial(seen.take_gradient, module)).remove)

    def check(self) -> None:
        """That there is something to show, for each pattern."""
        modules = [seen.label for module, seen in self._seen.items() if module is not None]
        self._patterns.check(modules, "a module that is called and returns floats")
        if not modules:
            refuse("model", "such that a module of it is called, and returns floats", type_of(self._model))
        if not any(seen.elements for seen in self._seen.values()):
            refuse("inputs", "such that modules return something: a batch of one row at least", "nothing")

    def output_fields(self, outputs: Tensor | None, classes: int | None) -> dict[str, float]:
        """Those of the outputs, and of what enters the layer that makes them."""
        return output_fields(outputs, classes) | {"head_second_moment": self._head.second_moment(outputs)}

    def follow(self, target: Tensor) -> None:
        """Take in which modules every gradient passes, from here to the first that returned something with one."""
        if self._start is not None and target.grad_fn is not None:
            self._through = passed_by_all(target.grad_fn, self._start)

    def weights(self, gradients: dict[int, Tensor | None]) -> None:
        """Take in the weights, and the gradients that there are of them."""
        for name, parameter in self._model.named_parameters():
            slope = gradients.get(id(parameter))
            adds = name.endswith(".bias")  # a zero that is added keeps no gradient from anything
            if slope is not None and not adds and not parameter.any() and slope.to_dense().any():
                self._waiting.add(_block_of(canonical_name(name, self._rename)))
        products = {}
        for weight in {id(one): one for seen in self._seen.values() for one in seen.weights}.values():
            values, gradient = array_of(weight), gradients.get(id(weight))
            products[id(weight)] = {"weight_norm": squared_norm(values)}
            if gradient is not None:
                slope = array_of(gradient.to_dense())
                squares = {"weight_grad_norm": squared_norm(slope), "weight_dot_grad": inner(values, slope)}
                products[id(weight)] |= squares
        for seen in self._seen.values():
            for weight in seen.weights:
                seen.tally.add_weights(**products[id(weight)])

    def profile(self, seed: int, tangents: Tangents | None, outputs: dict[str, float], seconds: float) -> ModelProfile:
        """What was seen, the tangent kernel if there is one, and fields of the outputs."""
        rows = [seen.fields() for seen in self._seen.values()]
        fields = {name: np.array([[row[name] for row in rows]]) for name in FIELDS}
        whole = fields_of(tangents.kernel, tangents.rounding) if tangents else fields_of(None)
        fields |= {"kernel_share": self._shares(tangents)} | {name: np.array([value]) for name, value in whole.items()}
        fields |= {name: np.array([value]) for name, value in outputs.items()}
        modules = tuple(
            Row(seen.label, seen.kind, seen.elements, seen.positions, seen.traced, seen.parting, **self._about(seen))
            for seen in self._seen.values()
        )
        count = sum(one.numel() for one in self._model.parameters())
        branches = any(seen.weights and not row.through for seen, row in zip(self._seen.values(), modules, strict=True))
        learns = any(one.requires_grad for one in self._model.parameters())
        about = self.rows, self._dtype(), self._normalises(), branches, self._output(), learns, *self._built()
        model = Model(type(self._model).__name__, modules, count, *about)
        theory = [seen.expected / seen.elements if seen.elements else np.nan for seen in self._seen.values()]
        return ModelProfile(model, seed, fields, {FORWARD: np.array(theory)}, seconds, self._backward)

    def _shares(self, tangents: Tangents | None) -> Array:
        """Of the kernel's trace what comes of the parameters of each module that no module within it has.

        Those of several modules count for the first.
        """
        traces = {} if tangents is None else dict(tangents.traces)
        total, shares = sum(traces.values()), np.full((1, len(self._seen)), np.nan)
        inside_out = sorted(enumerate(self._seen), key=lambda one: len([*one[1].modules()]) if one[1] else 0)
        for place, module in inside_out:
            own = [] if module is None else [one for one in map(id, module.parameters()) if one in traces]
            if own:
                shares[0, place] = np.divide(sum(traces.pop(one) for one in own), total)
        return shares

    def _about(self, seen: Seen) -> dict[str, bool]:
        """Where it is, and what it does."""
        return {
            "through": self._through is None or bool(seen.nodes and self._through.issuperset(seen.nodes)),
            "waits": any(f"{seen.label}.".startswith(block) for block in self._waiting),
            "bends": seen.bends,
            "same": bool(seen.cosines and seen.same),
        }

    def _built(self) -> tuple[bool, bool, bool | None]:
        """Whether a norm takes moments of the batch, some biases are not zero, and weights have their own gain."""
        norms = (one for one in self._model.modules() if isinstance(one, _BATCH))
        biases = (one for name, one in self._model.named_parameters() if "bias" in name.rpartition(".")[2])
        return any(map(takes_moments, norms)), any(bool(one.any()) for one in biases), has_own_gain(self._model)

    def _output(self) -> str:
        """The last module that has weights, and none within it that has."""
        names = [seen.label for seen in self._seen.values() if seen.weights]
        return next((one for one in reversed(names) if not any(name.startswith(f"{one}.") for name in names)), "")

    def _normalises(self) -> bool:
        """Batch norms do only where they have no running statistics to use."""
        return any(takes_moments(one) if isinstance(one, _BATCH) else normalises(one) for one in self._model.modules())

    def _dtype(self) -> Any:
        """Of the weights; NumPy has no bfloat16, whose range is that of float32."""
        kinds = {one.dtype for one in self._model.parameters()}
        if torch.float16 in kinds:
            return np.dtype(np.float16)
        return np.dtype(np.float64 if kinds == {torch.float64} else np.float32)


def _recorded(value: Any) -> Any:
    """A tensor of inference mode as one that a gradient can ask for."""
    return value.clone() if isinstance(value, Tensor) and value.is_inference() else value


def _are_same(rows: Array) -> bool:
    return np.allclose(rows, rows[0], rtol=0, atol=_SAME * float(np.abs(rows).max()))


def _block_of(name: str) -> str:
    """The block in which a parameter is, by the last number above its module; all of the model where there is none."""
    above = name.split(".")[:-2]
    while above and not above[-1].isdigit():
        above.pop()
    return "".join(f"{word}." for word in above)


def _units(module: nn.Module | None, array: Array) -> Array:
    """Units as columns."""
    axis = _unit_axis(module, array.ndim)
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def _unit_axis(module: nn.Module | None, axes: int) -> int:
    if isinstance(module, _CHANNELS_FIRST):
        return 1
    return 1 if axes >= 4 and not isinstance(module, _CHANNELS_LAST) else -1
