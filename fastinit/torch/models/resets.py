"""Resets: the parameters that each module owns, and the methods by which modules give them their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import init as torch_init
from torch.nn.utils.parametrize import ParametrizationList
from torch.nn.utils.spectral_norm import SpectralNorm

from ..tensors.fills import DTYPES
from ..tensors.meta import meta_like
from ..tensors.names import Rename, canonical_name
from ..tensors.shards import is_dtensor, stands_for_itself
from .own import is_torchs, is_torchs_function, own_init_of, unmarked
from .reparametrised import Computed, computed_tensors, plain_of
from .steps import Steps

_RESETS = ("reset_parameters", "_reset_parameters")


class OwnTensor(NamedTuple):
    """A tensor that rules fill: its full name, module and attribute; something like it where it is `computed`."""

    full_name: str
    module: nn.Module
    leaf: str
    tensor: Tensor
    computed: Computed | None = None


def own_tensors(model: nn.Module) -> Iterator[OwnTensor]:
    """Each parameter, once; what a module computes stands for the parameters that it is computed from."""
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        if isinstance(module, ParametrizationList):
            continue
        dot = f"{prefix}." if prefix else ""
        computed = list(computed_tensors(module))
        taken = {leaf for one in computed for leaf in one.takes}
        own = [OwnTensor(dot + leaf, module, leaf, tensor)
               for leaf, tensor in module._parameters.items() if tensor is not None and leaf not in taken]  # fmt: skip
        for one in own + [OwnTensor(dot + one.leaf, module, one.leaf, one.like, one) for one in computed]:
            if id(one.tensor) not in seen:
                seen.add(id(one.tensor))
                yield one


def padding_rows(model: nn.Module) -> Iterator[tuple[Tensor, int]]:
    """Embeddings' weights that have a row for padding, and its number: it is zero, whoever wrote the embedding.

    Of a weight that is computed, the parameter that has its bits.
    """
    for module in model.modules():
        row = getattr(module, "padding_idx", None)
        if type(row) is int:
            held = [one.held for one in computed_tensors(module) if one.leaf == "weight"]
            for weight in (module._parameters.get("weight"), *held):
                if weight is not None and weight.ndim == 2:
                    yield weight, row


def reset_of(module: nn.Module) -> Callable[[], Any] | None:
    """The method by which a module gives its parameters their values."""
    return next((getattr(module, name) for name in _RESETS if hasattr(type(module), name)), None)


def _only_draws(module: nn.Module, owned: Iterable[OwnTensor]) -> bool:
    """Whether the reset of a module is torch's own, and does no more than to draw its whole parameters."""
    if not is_torchs(type(module)) or not is_torchs_function(getattr(reset_of(module), "__func__", None)):
        return False
    if module._modules or module._buffers or getattr(module, "padding_idx", None) is not None:
        return False
    if any(isinstance(value, Tensor) for value in vars(module).values()):
        return False
    with torch._C.DisableTorchFunction():  # what is asked of a tensor here is not for the block to see
        return all(_is_whole(one) for one in owned)


def _is_whole(one: OwnTensor) -> bool:
    """Whether a tensor shows the shape of the whole, and a law would fill it as torch's call does."""
    knows = stands_for_itself(one.tensor) or is_dtensor(one.tensor)
    return one.computed is None and knows and one.tensor.dtype in DTYPES and one.tensor.numel() > 0


def reset_parts(model: nn.Module, own: Iterable[OwnTensor], steps: Steps, rename: Rename | None) -> None:
    """Reset each module, its own tensors, after its parts, as when they were made. A tied one is its first owner's.

    In steps that are `own`, what has an initialisation of its own is then given that. What a reset is known to do is
    done without it (`Steps.do_known`).
    """
    are_torchs = all(is_torchs_function(one) for one in vars(torch_init).values() if isinstance(one, FunctionType))
    owned: dict[nn.Module, list[OwnTensor]] = {}
    for one in own:
        owned.setdefault(one.module, []).append(one)
    for module in parts_first(model):
        if reset_of(module) is not None and not isinstance(module, ParametrizationList):
            steps.step += 1
            its = owned.get(module, [])
            draws = are_torchs and _only_draws(module, its)
            if not (draws and steps.do_known(module, its)):
                _reset(module, its, steps, rename)
                if draws:
                    steps.remember(module, its)
        if steps.own and (initialise := own_init_of(module)) is not None:
            steps.step += 1
            _lay_bare((one for part in module.modules() for one in owned.get(part, [])), steps, rename)
            with unmarked(module):
                initialise()


def _lay_bare(owned: Iterable[OwnTensor], steps: Steps, rename: Rename | None) -> None:
    """As when a model is made: what the hook of spectral normalisation computes is the original, until it is called."""
    for one in owned:
        if one.computed is not None and isinstance(one.computed.by, SpectralNorm):
            one.module.__dict__[one.leaf] = original = one.tensor.detach()
            assert steps.register is not None
            steps.register.adopt(original, canonical_name(one.full_name, rename))


def parts_first(module: nn.Module, seen: set[nn.Module] | None = None) -> Iterator[nn.Module]:
    """Each module of a model after those that it is made of."""
    seen = set() if seen is None else seen
    for child in module.children():
        if child not in seen:
            seen.add(child)
            yield from parts_first(child, seen)
    yield module


def _reset(module: nn.Module, owned: Iterable[OwnTensor], steps: Steps, rename: Rename | None) -> None:
    """By the module's own method. What it computes is assigned what the module would give it, were it a parameter."""
    made: dict[str, nn.Parameter] = {}
    for one in owned:
        if one.computed is not None:
            made[one.leaf] = nn.Parameter(torch.empty_like(one.tensor), requires_grad=False)
            assert steps.register is not None
            steps.register.adopt(made[one.leaf], canonical_name(one.full_name, rename))
    with _only(module, [one.leaf for one in owned]):
        plain = plain_of(module, made)
        reset = reset_of(plain)
        assert reset is not None  # that of a module which has one
        reset()
        module._parameters.update({leaf: one for leaf, one in plain._parameters.items() if leaf not in made})
    for one in owned:
        if one.computed is not None and not (value := plain._parameters[one.leaf].detach()).is_meta:
            one.computed.assign(value)


@contextmanager
def _only(module: nn.Module, leaves: Iterable[str]) -> Iterator[None]:
    """A module all of whose parameters but those are on the meta device, where nothing reaches them."""
    parameters = module._parameters
    away = {leaf: tensor for leaf, tensor in parameters.items() if tensor is not None and leaf not in leaves}
    try:
        parameters.update({leaf: meta_like(tensor) for leaf, tensor in away.items()})
        yield
    finally:
        parameters.update(away)
