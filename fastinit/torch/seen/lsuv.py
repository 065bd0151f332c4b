"""LSUV: layer-sequential unit variance, in one pass."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from functools import partial
from math import inf
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...arguments import Words, first_few, real, refuse, type_of
from ...laws import Orthogonal
from ...machine import usually_rounded
from ...stream import seed_number
from ...streaming import Moments
from ..tensors.fills import DTYPES, fill_pieces_
from ..tensors.names import Rename, canonical_name
from ..tensors.shards import known_pieces_of, pieces_of
from .arguments import given
from .outputs import array_of
from .patterns import Patterns
from .undisturbed import check_whole, undisturbed

_ORTHOGONAL = Orthogonal(in_axis=1, out_axis=0)


class Correction(NamedTuple):
    """Standard deviation of a layer's output, with orthonormal weights and after they were scaled."""

    name: str
    before: float
    after: float


@usually_rounded
def lsuv_(
    model: nn.Module,
    *inputs: Any,
    target_std: float = 1.0,
    seed: Any = 0,
    names: str | Iterable[str] | None = None,
    rename: Rename | None = None,
    **keywords: Any,
) -> list[Correction]:
    """Make weights orthonormal, then scale each layer's so that its output on these inputs has unit variance.

    Linear and convolutional layers get Haar-distributed orthonormal rows or columns, and no bias; then, in the order in
    which they are called, ``W *= target_std / std(output)``.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place: ``weight`` of those layers that are called, and ``bias``, which becomes zero. It runs in
        evaluation mode; its modes, buffers and hooks, and random generators are left as they are. Not sharded: call
        this before ``fully_shard`` or ``parallelize_module``.
    *inputs, **keywords
        What the model takes: a batch of the data. A mapping alone is passed by keyword.
    target_std : float
        Standard deviation that outputs get.
    seed : int, list or array of int, numpy.random.SeedSequence or None
        The weights have the bits of `fastinit.orthogonal` for this seed and their canonical names before they are
        scaled. None takes entropy from the system.
    names : str or iterable of str
        Patterns (of `fnmatch`) for the names of the layers. Where left out: all.
    rename : callable
        See `canonical_name`.

    Returns
    -------
    list of Correction
        The layers in the order of their first call, with the standard deviation before and after.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks its rule, the model is sharded, a weight is computed from other tensors (a
        parametrization), or the output of a layer does not vary or is not finite. After these and any error of the
        model itself all weights are what they were: a copy of them is held until the pass is over.

    Warns
    -----
    UserWarning
        If a layer shares its weight with a module of another kind, as an output layer with an embedding: it is left as
        it is. Or if no layer was called.

    Notes
    -----
    Without a bias an output is linear in the scale of its weight, so one correction is exact, where the original method
    iterates; and because it is made as the layer returns, later layers see corrected inputs: one forward pass is
    enough. Weights that a module multiplies by without calling a layer (as ``nn.MultiheadAttention`` does) are left as
    they are.

    *Reference*: Mishkin and Matas, "All you need is a good init", 2016, algorithm 1.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64))
    >>> x = torch.from_numpy(fastinit.normal((32, 64), seed=0))
    >>> for layer in fastinit.torch.lsuv_(model, x):
    ...     print(f"{layer.name} {layer.before:.2f} {layer.after:.2f}")
    0 0.99 1.00
    2 0.63 1.00
    """
    check_whole(model, "call lsuv_")
    target = real("target_std", target_std, low=0)
    if not target:
        refuse("target_std", "positive", target_std)
    args, named = given(inputs, keywords)
    layers = _layers(model, Patterns(names), rename)
    made = _Corrections(target, seed_number(seed))
    with undisturbed(model) as stack, torch.no_grad():
        model.eval()
        for module, (label, name) in layers.items():
            made.attach(stack, module, label, name)
        try:
            model(*args, **named)
        except BaseException:
            made.undo()
            raise
    if layers and not made.done:
        names = first_few([label for label, _ in layers.values()])
        warnings.warn(f"lsuv_: the model called none of its layers ({names}), and is what it was", stacklevel=3)
    return made.done


class _Corrections:
    """Hooks that fill a weight before its first use and scale it after that."""

    def __init__(self, target: float, seed: int) -> None:
        self._target, self._seed = target, seed
        self._filled: set[int] = set()
        self._scaled: set[int] = set()
        self._before: list[tuple[Tensor, Tensor]] = []
        self.done: list[Correction] = []

    def attach(self, stack: ExitStack, module: nn.Module, label: str, name: str) -> None:
        """Until the stack is left."""
        stack.callback(module.register_forward_pre_hook(partial(self._fill, name)).remove)
        stack.callback(module.register_forward_hook(partial(self._scale, label)).remove)

    def _fill(self, name: str, module: Any, _: Any) -> None:
        if module.bias is not None and module.bias.data_ptr() not in self._filled:
            self._keep(module.bias)
            module.bias.zero_()
        if module.weight.data_ptr() not in self._filled:
            self._keep(module.weight)
            fill_pieces_(known_pieces_of(module.weight), _ORTHOGONAL, seed=self._seed, name=name)

    def _keep(self, tensor: Tensor) -> None:
        self._filled.add(tensor.data_ptr())
        self._before.append((tensor, tensor.detach().clone()))

    def undo(self) -> None:
        """Give all tensors the values that they had."""
        for tensor, values in reversed(self._before):
            tensor.copy_(values)

    def _scale(self, label: str, module: Any, _: Any, output: Tensor) -> Tensor | None:
        if module.weight.data_ptr() in self._scaled:
            return None
        self._scaled.add(module.weight.data_ptr())
        before = _std(output)
        if not 0 < before < inf:
            refuse("inputs", f"such that the output of {label!r} varies and is finite", Words(f"std {before}"))
        output = output * (self._target / before)
        module.weight.mul_(self._target / before)
        self.done.append(Correction(label, before, _std(output)))
        return output


def _std(tensor: Tensor) -> float:
    return float(Moments(2).update(array_of(tensor)).std)


def _layers(model: nn.Module, patterns: Patterns, rename: Rename | None) -> dict[nn.Module, tuple[str, str]]:
    """The layers that may be filled, with their names and those of their weights."""
    found = {
        module: (canonical_name(name, rename), canonical_name(f"{name}.weight".lstrip("."), rename))
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)) or type(module).__name__ == "Conv1D"
    }
    patterns.check((label for label, _ in found.values()), "a linear or convolutional layer")
    found = {module: names for module, names in found.items() if patterns.match(names[0])}
    if not found:
        refuse("model", "one with a linear or convolutional layer", type_of(model))
    owners = _other_owners(model, found)
    for module, (label, _) in list(found.items()):
        _check(module, label)
        owner = owners.get(module.weight.data_ptr())
        if owner:
            warnings.warn(f"lsuv_: {label!r} shares its weight with {owner}, and is left as it is", stacklevel=4)
            del found[module]
    return found


def _check(module: Any, label: str) -> None:
    computed = {"weight", "bias"} - module._parameters.keys()  # also by hooks: spectral_norm and prune make such
    if any(getattr(module, name) is not None for name in computed):
        refuse("model", "such that its layers have weights of their own (no parametrizations)", label)
    if module.weight.dtype not in DTYPES or pieces_of(module.weight) is None:
        refuse("model", "such that its layers have weights of floats in memory", label)


def _other_owners(model: nn.Module, layers: Collection[nn.Module]) -> dict[int, str]:
    """The modules with parameters that are none of the layers, by where in memory those are."""
    return {
        one.data_ptr(): f"{canonical_name(name)!r} ({type(other).__name__})"
        for name, other in model.named_modules()
        if other not in layers
        for one in other._parameters.values()
        if one is not None and one.layout is torch.strided
    }
