"""Widening: models of several widths take the same steps of descent, and what their modules return is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils._pytree import tree_map

from ...arguments import integer, real, refuse, type_of
from ...machine import usually_rounded
from ...stream import seed_number
from ..tensors.checks import kind_of_value
from ..tensors.names import Rename
from .arguments import arguments_of
from .coordinate_arguments import Made, check_functions, checked_batches, checked_widths, steps_of
from .coordinates import CoordinateCheck
from .outputs import first_floats
from .patterns import Patterns
from .returns import Returns
from .undisturbed import undisturbed

Loss = Callable[[Any, Any], Tensor]


@usually_rounded
def coordinate_check(
    make_model: Callable[[int], nn.Module],
    widths: Sequence[int],
    optimizer: Callable[[nn.Module], Optimizer],
    batches: Iterable[tuple[Any, Any]],
    *,
    loss: Loss | None = None,
    steps: int = 4,
    repeats: int = 3,
    seed: Any = 0,
    tolerance: float = 0.25,
    names: str | Iterable[str] | None = None,
    rename: Rename | None = None,
) -> CoordinateCheck:
    """Does what steps of descent change in a model depend on its width? In maximal update parametrisation it must not.

    Models of several widths take the same steps. The mean absolute coordinate of what each module returns of the first
    batch, and of how far that has moved from what the module returned before the first step, is fitted by a power of
    the width. A change that grows with the width makes wide models diverge at the learning rate of narrow ones; one
    that shrinks leaves a module as it began; either way the best rate of one width is not that of another.

    Parameters
    ----------
    make_model : callable
        From a width to a new model of that width, its weights drawn. The generator of torch on the CPU is seeded before
        it is called: where weights are drawn from streams, take the seed from there, ``seed=torch.initial_seed()``.
        What a model multiplies outside its modules is not seen: multiply what the last one is given, not what it
        returns.
    widths : sequence of int
        At least three, in ascending order; from 64 on the powers are near those of wide models.
    optimizer : callable
        From a model to what takes its steps: ``lambda model: torch.optim.Adam(model.parameters(), 1e-3)``. The rates of
        `mup` are in its `factors`. Steps with a closure, as of LBFGS, are none of one gradient.
    batches : iterable of (inputs, targets)
        As many of them as there are steps; where there are fewer they come again. Inputs are a tensor, or a tuple or
        mapping of what the model takes.
    loss : callable
        From what the model returns and the targets to a scalar. Where left out: of the first tensor of floats there,
        cross-entropy along the last axis where targets are integers, else the mean square of the distance.
    steps : int
        Of descent, at least one.
    repeats : int
        Models of each width.
    seed : int, list or array of int, numpy.random.SeedSequence or None
        Of the first model of each width; repeat r has that number + r.
    tolerance : float
        A power may be off zero by that much. Of sound models of width 64 to 512 it is 0.1 at most or so, and of wrong
        ones mostly 1/2 or 1.
    names, rename
        As for `profile`: where `names` are left out it is of modules that call no other, and of blocks.

    Returns
    -------
    CoordinateCheck
        True if it passed: by `print` a table of powers with their standard errors; ``.problems``, ``.plot()``,
        ``.to_frame()``, ``.to_json()``. Numbers that are not finite make it fail, and so do modules with parameters
        that no step moves at any width, of which nothing was learned: by `names` what is frozen is left out. A last
        layer that begins at zero keeps the first step from the others: take two at least.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks its rule, modules of two widths have other names, or models of two widths have weights of
        the same shapes.

    Notes
    -----
    Random generators are left as they are, that of NumPy aside. While outputs are looked at, a model is in its own
    mode, draws the same random numbers (of dropout) each time, and keeps its buffers.

    *Reference*: Yang and Hu, "Tensor programs IV: feature learning in infinite-width neural networks", 2021; Yang et
    al., "Tensor programs V: tuning large neural networks via zero-shot hyperparameter transfer", 2022, appendix D.1.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch as ft
    >>> def model(width):
    ...     sides = [16, width, width, 4]
    ...     return torch.nn.Sequential(*map(torch.nn.Linear, sides, sides[1:]))
    >>> def adam(model):
    ...     return torch.optim.Adam(model.parameters(), 1e-2)
    >>> batch = torch.eye(16), torch.arange(16) % 4
    >>> check = ft.coordinate_check(model, [64, 128, 256], adam, [batch])
    >>> check.passed, [problem.split(":")[0] for problem in check.problems]
    (False, ['1', '2'])
    """
    check_functions(make_model, optimizer, loss)
    sizes = checked_widths(widths)
    tolerance, steps = real("tolerance", tolerance, low=0), integer("steps", steps, 1)
    repeats, number = integer("repeats", repeats, 1), seed_number(seed)
    pairs = checked_batches(batches, steps)
    patterns, given = Patterns(names), loss or _distance
    found, made = list[_Sizes](), Made()
    with torch.inference_mode(False), torch.enable_grad():
        for repeat in range(repeats):
            for width in sizes:
                with _seeded((number + repeat) % 2**64):
                    model = make_model(width)
                    made.check(model, width)
                    found.append(_course(model, steps_of(optimizer, model), pairs, given, steps, patterns, rename))
                if found[-1].names != found[0].names:
                    other = sorted({*found[-1].names} ^ {*found[0].names}) or found[-1].names
                    refuse("make_model", "such that modules have the same names at each width", other)
    both = np.array([one.values for one in found]).reshape(repeats, len(sizes), steps + 1, -1, 2)
    return CoordinateCheck(sizes, found[0].names, tolerance, number, both[..., 0], both[..., 1], found[0].weighted)


class _Sizes(NamedTuple):
    """Names of modules, those with parameters; by step and module the mean size of coordinates and of their changes."""

    names: tuple[str, ...]
    weighted: tuple[str, ...]
    values: list[list[tuple[float, float]]]


def _course(
    model: nn.Module, descent: Optimizer, pairs: Sequence[tuple[Any, Any]], loss: Loss, steps: int, patterns: Patterns,
    rename: Rename | None,
) -> _Sizes:  # fmt: skip
    """Of one model, before the first step and after each."""
    seen = _Outputs(model, patterns, rename, pairs[0][0])
    sizes = [seen.look()]
    patterns.check(sizes[0], "a module that is called and returns floats")
    if not sizes[0]:
        refuse("make_model", "a function to models of which a module returns floats", type_of(model))
    for step in range(steps):
        inputs, targets = pairs[step % len(pairs)]
        descent.zero_grad()
        value = loss(_returned(model, inputs), _copied(targets))
        if not (isinstance(value, Tensor) and value.numel() == 1 and value.requires_grad):
            rule = "a function to a tensor of one element, which depends on what takes a gradient"
            refuse("loss", rule, kind_of_value(value))
        value.backward()
        descent.step()
        sizes.append(seen.look())
    if any(one.keys() != sizes[0].keys() for one in sizes):
        refuse("make_model", "a function to models of which the same modules are called each time", [*sizes[0]])
    weighted = tuple(name for name in sizes[0] if name in seen.weighted)
    return _Sizes(tuple(sizes[0]), weighted, [[one[name] for name in sizes[0]] for one in sizes])


class _Outputs:
    """What the modules of a model return of some inputs, beside what they returned of them at first."""

    def __init__(self, model: nn.Module, patterns: Patterns, rename: Rename | None, inputs: Any) -> None:
        self._model, self._inputs, self._seed = model, inputs, torch.initial_seed()
        self._returns = Returns(model, patterns, rename, self._take)
        self._first: dict[str, list[Tensor]] = {}
        self._now: dict[str, list[tuple[int, float, float]]] = {}
        self.weighted: set[str] = set()

    def look(self) -> dict[str, tuple[float, float]]:
        """By name, the mean size of coordinates and of their changes; calls of one module are taken together."""
        self._now = {}
        with undisturbed(self._model) as stack, torch.no_grad():
            _seed(self._seed)
            self._returns.attach(stack)
            _returned(self._model, self._inputs)
        found = {}
        for name, calls in self._now.items():
            counts, sizes, changes = np.array(calls).T
            found[name] = (float(counts @ sizes / counts.sum()), float(counts @ changes / counts.sum()))
        return found

    def _take(self, module: nn.Module, label: str, tensor: Tensor, shown: bool) -> None:
        if not (shown and tensor.numel()):
            return
        if any(True for _ in module.parameters()):
            self.weighted.add(label)
        calls, first = self._now.setdefault(label, []), self._first.setdefault(label, [])
        if len(first) == len(calls):
            first.append(tensor.clone())  # which the model may write into
        before = first[len(calls)]
        if before.shape != tensor.shape:
            refuse("make_model", "a function to models whose outputs keep their shapes", label)
        calls.append((tensor.numel(), _mean_size(tensor), _mean_size(tensor - before)))


def _mean_size(tensor: Tensor) -> float:
    return float(tensor.abs().mean(dtype=torch.promote_types(tensor.dtype, torch.float32)))


def _returned(model: nn.Module, inputs: Any) -> Any:
    """What a model returns of what it takes, and may write into."""
    args, keywords = arguments_of(_copied(inputs))
    return model(*args, **keywords)


def _copied(values: Any) -> Any:
    return tree_map(lambda value: value.detach().clone() if isinstance(value, Tensor) else value, values)


def _distance(output: Any, targets: Any) -> Tensor:
    """Cross-entropy of classes, mean square of numbers."""
    found = first_floats(output)
    if found is None or not isinstance(targets, Tensor):
        refuse("loss", "given where outputs or targets are no tensors", kind_of_value(targets))
    shape = found.shape if targets.is_floating_point() else found.shape[:-1]
    if targets.shape != shape:
        refuse("loss", f"given where targets are not of shape {tuple(shape)}", kind_of_value(targets))
    if targets.is_floating_point():
        return nn.functional.mse_loss(found, targets)
    return nn.functional.cross_entropy(found.reshape(-1, found.shape[-1]), targets.reshape(-1))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Generators that begin at a seed, and are as they were on the way out."""
    there = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng([*there]):
        _seed(seed)
        yield


def _seed(seed: int) -> None:
    """Seed the generators that are in use: another one would begin there when it is first asked."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
