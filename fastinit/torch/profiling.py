"""Profiling: what becomes of a signal in a real model, module by module, seen through hooks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from os import PathLike
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..arguments import refuse
from ..profiler.comparison import Comparison
from ..profiler.description.signals import random_signs
from ..profiler.result import Profile
from ..profiler.statistics import FIELDS, Tally, distinct_columns, inner, mean_cosine_of_rows, squared_norm
from ..profiler.verdict import BOUNDS, Verdict
from ..stream import seed_number
from .passes import Patterns, array_of, check_whole, first_floats, undisturbed
from .tensors.checks import kind_of_value
from .tensors.names import Rename, canonical_name, unwrapped
from .verdicts import COURSE, judge_model

Array = np.ndarray[Any, Any]

_BATCH = nn.modules.batchnorm._NormBase
#: Where units are along axis 1 whatever the number of axes; elsewhere they are from four axes on, but for the last.
_CHANNELS_FIRST = (nn.modules.conv._ConvNd, _BATCH, nn.GroupNorm)
#: From this cosine on rows are the same.
_ALIKE = 1 - 1e-6
_LISTS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.Embedding)


class Row(NamedTuple):
    """A module, or the input: its name, its class (none for the input), and what it returned.

    `positions` are the elements of one unit, over all calls; `traced`, whether a gradient could come; `parting`,
    whether units that are all the same got gradients that are not.
    """

    name: str
    kind: str
    elements: int
    positions: int
    traced: bool
    parting: bool

    @property
    def role(self) -> tuple[str, ...]:
        """Words of the name, and the class; numbers are left out, but for those that end the last word."""
        *path, last = self.name.split(".")
        return (*(re.sub(r"\d+", "#", word) for word in path), "#" if last.isdigit() else last, self.kind)


@dataclass(frozen=True)
class Model:
    """What a profile says of its model. To tables, pictures and the verdict this is a network with a layer a module.

    `widths` are the elements of all outputs of a module: |g|^2 is what a gradient keeps. `normalises`: whether it has a
    norm that divides by the deviation it finds; `output`: the name of the last layer.
    """

    name: str
    modules: tuple[Row, ...]
    parameters: int
    rows: int
    dtype: Any
    normalises: bool
    output: str
    norm: None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each module, "input" being that of the input."""
        return tuple(row.name for row in self.modules)

    @property
    def labels(self) -> tuple[str, ...]:
        """What tables call each row: its name and class."""
        return tuple(f"{row.name} ({row.kind})" if row.kind else row.name for row in self.modules)

    @property
    def widths(self) -> tuple[int, ...]:
        """Elements that each module returned."""
        return tuple(row.elements for row in self.modules)

    @property
    def depth(self) -> int:
        """Rows, the first not counted."""
        return len(self.modules) - 1

    def __str__(self) -> str:
        return f"{self.name}, {self.parameters} parameters, batch {self.rows}"


class ModelProfile(Profile):
    """A `fastinit.Profile` whose layers are modules, in the order in which they first return.

    Attributes
    ----------
    network : Model
        Its `names` are those of the modules.
    """

    network: Model  # type: ignore[assignment]

    def only(self, rows: Sequence[int]) -> ModelProfile:
        """Some of the rows, as a profile."""
        model = replace(self.network, modules=tuple(self.network.modules[row] for row in rows))
        fields = {name: np.asarray(self[name])[:, list(rows)] for name in self}
        return ModelProfile(model, self.method, self.seed, fields, {}, (), False, self.seconds, self.backward)  # type: ignore[arg-type]

    def without_gradient(self) -> ModelProfile:
        """The same, as if none had been sent."""
        fields = {name: np.asarray(self[name]) * (np.nan if "grad" in name else 1) for name in self}
        return ModelProfile(self.network, self.method, self.seed, fields, {}, (), False, self.seconds, False)  # type: ignore[arg-type]

    @property
    def roles(self) -> Comparison:
        """Profiles of modules that do the same in layer after layer: of one class, and one name but for numbers.

        Only between these are second moments to be compared. Modules that the signal or the gradient goes around, as
        around a branch that begins at zero, are left out.
        """
        found: dict[tuple[str, ...], list[int]] = {}
        for row in self._passed():
            found.setdefault(self.network.modules[row].role, []).append(row)
        found = {role: rows for role, rows in found.items() if len(rows) >= COURSE}
        words = zip(*(path[:-2] for path in found), strict=False)
        shared = sum(1 for _ in takewhile(lambda word: len(set(word)) == 1, words))
        return Comparison(
            {f"{'.'.join(path[shared:])} ({kind})": self.only(rows) for (*path, kind), rows in found.items()}
        )

    def _passed(self) -> list[int]:
        forward, backward = (np.asarray(self[name])[0] for name in ("act_second_moment", "grad_act_second_moment"))
        around = (forward == 0) & _any_after(forward != 0)
        if self.backward:
            around |= (backward == 0) & _any_after(backward[::-1] != 0)[::-1]
            around |= [not row.traced for row in self.network.modules]
            around |= [not row.kind for row in self.network.modules] & (backward == 0)  # an input needs no gradient
        around |= [row.parting or not row.elements for row in self.network.modules]
        return [int(row) for row in np.flatnonzero(~around)]

    def _start(self) -> int | None:
        """The module whose weights are zero, so that no gradient passes, and get a gradient: one step, and it does."""
        weights, learns, backward, cosine = (
            np.asarray(self[name])[0]
            for name in ("weight_norm", "weight_grad_norm", "grad_act_second_moment", "cosine")
        )
        starts = np.flatnonzero((weights == 0) & (learns > 0))
        if not len(starts) or np.nan_to_num(backward[: starts[0]]).any():
            return None
        alike = np.isnan(cosine) | (cosine > _ALIKE)  # behind it no row of the batch is told from another
        return int(starts[0]) if alike[starts[0] :].all() else None

    @property
    def verdict(self) -> Verdict:
        """What the numbers mean: the worst that is found.

        Any module may be dead, symmetric, not finite, or out of the range of the weights' dtype. How fast signal and
        gradient change is told only of roles that have three modules, blocks before what is within them, without the
        output layer: between unlike modules it says nothing. Gradients are compared only between outputs of one size,
        which no pool has changed; in models with norms, signals are too. A signal that changes while its gradient does
        not is a sum, of blocks or biases, and not held against a model. A last layer that begins at zero is not dead:
        it learns, and the others from the second step on.
        """
        return self._judged(BOUNDS, BOUNDS)

    def healthy(self, forward: tuple[float, float] = BOUNDS, backward: tuple[float, float] = BOUNDS) -> bool:
        """Whether signal and gradient pass, by `verdict`; see `fastinit.Profile.healthy` for the bounds."""
        return self._judged(forward, backward).healthy

    def _judged(self, forward: tuple[float, float], backward: tuple[float, float]) -> Verdict:
        start = self._start()
        if start:
            found = self.only(range(start)).without_gradient()._judged(forward, backward)
            sentence = (
                f"{str(found)[:-1]}; no gradient passes module {self.network.names[start]} in the first step: its "
            )
            return replace(found, sentence=f"{sentence}weights are zero.")
        rows = self._passed()
        return judge_model(self.only(rows) if rows else self.without_gradient(), self.roles, forward, backward)

    def plot(self, path: str | PathLike[str] | None = None, ax: Any = None) -> Any:
        """A picture of each role, over its modules; of all modules where there is none, or in axes that are given."""
        several = self.roles
        return several.plot(path) if len(several) > 1 and ax is None else super().plot(path, ax)

    def to_dict(self) -> dict[str, Any]:
        """All of it as dictionaries, lists and numbers; "modules" are their names."""
        return super().to_dict() | {"modules": list(self.network.names)}


def _any_after(found: Array) -> Array:
    """Whether there is one further on, for each place."""
    return np.logical_or.accumulate(found[::-1])[::-1]


def profile(
    model: nn.Module,
    *inputs: Any,
    loss: Callable[[Any], Tensor] | None = None,
    names: str | Iterable[str] | None = None,
    backward: bool = True,
    seed: Any = 0,
    rename: Rename | None = None,
    **keywords: Any,
) -> ModelProfile:
    """Run a model forward and backward once, and tell what becomes of signal and gradient, module by module.

    Parameters
    ----------
    model : torch.nn.Module
        In the mode it is in. Parameters, their gradients, buffers, hooks and random generators are left as they are.
        Not sharded: profile it before ``fully_shard`` or ``parallelize_module``.
    *inputs, **keywords
        What the model takes. If the first is a tensor of floats, it is the first row.
    loss : callable
        From what the model returns to a scalar. Where it is left out, the gradient at the first tensor of floats of
        the output is random signs, for which ``E |J'v|**2 = |J|**2``.
    names : str or iterable of str
        Patterns (of `fnmatch`) for the names of the modules to show. Where left out: modules that call no other, and
        the blocks of a model: members of a ``ModuleList`` or ``Sequential``, whose outputs are its residual stream.
    backward : bool
        Whether gradients are wanted.
    seed : int, SeedSequence or None
        Of the random signs.
    rename : callable
        See `canonical_name`.

    Returns
    -------
    ModelProfile
        A mapping of the fields of `fastinit.profile` to arrays (1, modules), NaN where a module has no such thing:
        ``act_*`` are of the module's first output of floats, ``grad_act_second_moment`` of the gradient there,
        ``dead_fraction`` is of units (features, or channels) that are zero on the whole batch (the input has none),
        weights are all parameters of two axes or more below the module. ``.verdict``, ``.table()``, ``.plot()``,
        ``.to_html()`` and ``.to_json()`` are those of `fastinit.Profile`, ``.roles`` sets like modules of all layers
        side by side. Calls of one module are taken together: moments and the share of dead units over all, the mean of
        the cosines, the least of the distinct units.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks its rule, a pattern matches no module, or tensors of the model have no memory or are
        sharded.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> with fastinit.torch.fast_init(seed=0):
    ...     layers = [torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.ReLU()) for _ in range(10)]
    >>> p = fastinit.torch.profile(torch.nn.Sequential(*layers), fastinit.torch.normal_(torch.empty(64, 256)))
    >>> p.network.names[:3]
    ('input', '0.0', '0.1')
    >>> p.verdict.kind
    'gradient vanishing'
    """
    check_whole(model, "profile it")
    start, number = perf_counter(), seed_number(seed)
    watch = _Watch(model, Patterns(names), rename, backward)
    with (
        torch.inference_mode(False),
        undisturbed(model) as stack,
        np.errstate(all="ignore"),
        torch.set_grad_enabled(backward),
    ):
        args, kwargs = watch.inputs(stack, inputs, keywords)
        with ExitStack() as hooks:
            watch.attach(hooks, stack)
            output = model(*args, **kwargs)
        watch.check()
        watch.weights(_gradients(output, loss, watch.sources, number) if backward else {})
        return watch.profile(number, perf_counter() - start)


def _gradients(output: Any, loss: Any, sources: list[Tensor], seed: int) -> dict[int, Tensor | None]:
    """At the input and the parameters, by `id`; the others are seen on the way there."""
    target = first_floats(output) if loss is None else loss(output)
    if loss is not None and not (isinstance(target, Tensor) and target.numel() == 1):
        refuse("loss", "a function to a tensor of one element", kind_of_value(target))
    if target is None or not target.requires_grad:
        refuse("backward", "false where what the model returns depends on no tensor that takes a gradient", True)
    signs = torch.ones_like(target)
    if loss is None:
        drawn = random_signs(tuple(target.shape), seed, "cotangent", np.float32)
        signs = torch.from_numpy(np.asarray(drawn)).to(target)
    found = torch.autograd.grad(target, sources, signs, allow_unused=True)
    return dict(zip(map(id, sources), found, strict=True))


@dataclass
class _Seen:
    """What is known of a module."""

    label: str
    kind: str
    weights: list[Tensor]
    tally: Tally = field(default_factory=Tally)
    elements: int = 0
    positions: int = 0
    traced: bool = False
    parting: bool = False
    cosines: list[float] = field(default_factory=list)

    def take(self, module: nn.Module | None, tensor: Tensor) -> None:
        """What a call returned."""
        array = array_of(tensor)
        self.elements += array.size
        self.tally.act.update(array)
        if array.ndim >= 2 and array.size:
            units = _units(module, array)
            self.positions += len(units)
            if module is not None:  # an input has no slope
                self.tally.add_slopes(units, len(units))
            if units.shape[1] > 1:  # one unit is the same as no other
                self.tally.distinct = np.fmin(self.tally.distinct, distinct_columns(units))
            self.cosines.append(mean_cosine_of_rows(array.reshape(len(array), -1)))

    def take_gradient(self, module: nn.Module | None, gradient: Tensor) -> None:
        """What came back to a call."""
        array = array_of(gradient)
        self.tally.grad_act.update(array)
        if self.tally.distinct == 1 and array.ndim >= 2:
            self.parting |= distinct_columns(_units(module, array)) > 1

    def fields(self) -> dict[str, float]:
        """By name."""
        cosines = [cosine for cosine in self.cosines if not np.isnan(cosine)]
        self.tally.cosine = float(np.mean(cosines)) if cosines else np.nan
        found = self.tally.row()
        if self.traced and not self.tally.grad_act.count:
            found["grad_act_second_moment"] = 0.0
        return found


class _Watch:
    """Takes in what the modules of a model return, in one pass."""

    def __init__(self, model: nn.Module, patterns: Patterns, rename: Rename | None, backward: bool) -> None:
        self._model, self._patterns, self._backward = model, patterns, backward
        self.sources = [one for one in model.parameters() if one.requires_grad]
        self._rename, self._batch = rename, 1
        self._seen: dict[nn.Module | None, _Seen] = {}
        self._calls: list[int] = []
        self._blocks = {
            child
            for module in model.modules()
            if isinstance(module, _LISTS)
            for child in map(unwrapped, module.children())
            if not isinstance(child, _LISTS)
        }

    def inputs(self, stack: ExitStack, args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
        """What to give the model: a first argument of floats is taken in, and is a tensor that takes a gradient."""
        given = {**dict(enumerate(args)), **kwargs}
        key, first = next(iter(given.items()), (None, None))
        if isinstance(first, Tensor) and first.ndim:
            self._batch = len(first)
            if first_floats(first) is not None:
                whole = first.clone() if first.is_inference() else first.detach()
                leaf = whole.requires_grad_(self._backward)
                given[key] = leaf.clone()  # a model may write into what it is given, if it is no leaf
                self.sources.append(leaf)
                self._take(stack, None, "input", given[key])
        return [given[place] for place in range(len(args))], {name: given[name] for name in kwargs}

    def attach(self, hooks: ExitStack, stack: ExitStack) -> None:
        """Hooks on all modules that may be called; those on tensors stay until the stack is left."""
        for name, module in self._model.named_modules():
            if ".parametrizations." not in f".{name}." and unwrapped(module) is module:
                label = canonical_name(name, self._rename) if canonical_name(name) else type(module).__name__
                hooks.callback(module.register_forward_pre_hook(self._enter).remove)
                leave = partial(self._leave, stack, label)
                hooks.callback(module.register_forward_hook(leave, always_call=True).remove)

    def _enter(self, *_: Any) -> None:
        self._calls.append(0)

    def _leave(self, stack: ExitStack, label: str, module: nn.Module, _: Any, output: Any) -> None:
        called = self._calls.pop()
        if self._calls:
            self._calls[-1] += 1
        tensor = first_floats(output)
        if tensor is not None and self._wanted(module, label, called == 0):
            self._take(stack, module, label, tensor)

    def _wanted(self, module: nn.Module, label: str, leaf: bool) -> bool:
        return self._patterns.match(label) if self._patterns else leaf or module in self._blocks

    def _take(self, stack: ExitStack, module: nn.Module | None, label: str, tensor: Tensor) -> None:
        kind, weights = "", []
        if module is not None:
            kind, weights = type(module).__name__, [one for one in module.parameters() if one.ndim > 1]
        seen = self._seen.setdefault(module, _Seen(label, kind, weights))
        seen.take(module, tensor)
        if tensor.requires_grad:
            seen.traced = True
            stack.callback(tensor.register_hook(partial(seen.take_gradient, module)).remove)

    def check(self) -> None:
        """That there is something to show, for each pattern."""
        modules = [seen.label for module, seen in self._seen.items() if module is not None]
        self._patterns.check(modules, "a module that is called and returns floats")
        if not modules:
            refuse("model", "such that a module of it is called, and returns floats", type(self._model).__name__)
        if not any(seen.elements for seen in self._seen.values()):
            refuse("inputs", "such that modules return something: a batch of one row at least", "nothing")

    def weights(self, gradients: dict[int, Tensor | None]) -> None:
        """Take in the weights, and the gradients that there are of them."""
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

    def profile(self, seed: int, seconds: float) -> ModelProfile:
        """What was seen."""
        rows = [seen.fields() for seen in self._seen.values()]
        fields = {name: np.array([[row[name] for row in rows]]) for name in FIELDS}
        modules = tuple(
            Row(seen.label, seen.kind, seen.elements, seen.positions, seen.traced, seen.parting)
            for seen in self._seen.values()
        )
        count = sum(one.numel() for one in self._model.parameters())
        about = self._batch, self._dtype(), self._normalises(), self._output()
        model = Model(type(self._model).__name__, modules, count, *about)
        return ModelProfile(model, "torch", seed, fields, {}, (), False, seconds, self._backward)  # type: ignore[arg-type]

    def _output(self) -> str:
        """The last module that has weights, and none within it that has."""
        names = [seen.label for seen in self._seen.values() if seen.weights]
        return next((one for one in reversed(names) if not any(name.startswith(f"{one}.") for name in names)), "")

    def _normalises(self) -> bool:
        """Batch norms do only where they have no running statistics to use."""
        return any(
            one.training or one.running_mean is None if isinstance(one, _BATCH) else "Norm" in type(one).__name__
            for one in self._model.modules()
        )

    def _dtype(self) -> Any:
        """Of the weights; NumPy has no bfloat16, whose range is that of float32."""
        kinds = {one.dtype for one in self._model.parameters()}
        if torch.float16 in kinds:
            return np.dtype(np.float16)
        return np.dtype(np.float64 if kinds == {torch.float64} else np.float32)


def _units(module: nn.Module | None, array: Array) -> Array:
    """Units as columns."""
    axis = _unit_axis(module, array.ndim)
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def _unit_axis(module: nn.Module | None, axes: int) -> int:
    if isinstance(module, _CHANNELS_FIRST):
        return 1
    return 1 if axes >= 4 and not isinstance(module, _CHANNELS_LAST) else -1
