"""Reparametrised tensors: what a module computes from others, by parametrizations or by hooks before its call."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm, _WeightNorm
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized, type_before_parametrizations
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from ...arguments import refuse
from ...laws import Constant, Law, Normal
from ..tensors.fills import fill_pieces_
from ..tensors.shards import Pieces, is_checkpointable, is_dtensor, is_partitioned

_Hook: TypeAlias = WeightNorm | SpectralNorm | BasePruningMethod

#: Of the power method: as many as torch's own estimates of a largest singular value begin with.
_ITERATIONS = 15


class Computed(NamedTuple):
    """A tensor that a module computes, and what computes it."""

    module: nn.Module
    leaf: str
    by: ParametrizationList | _Hook

    @property
    def takes(self) -> set[str]:
        """Names of the module's own parameters that it is computed from."""
        if isinstance(self.by, ParametrizationList):
            return set()
        return {self.leaf + end for end in (("_g", "_v") if isinstance(self.by, WeightNorm) else ("_orig",))}

    @property
    def originals(self) -> list[Tensor]:
        """The parameters that it is computed from."""
        if isinstance(self.by, ParametrizationList):
            return list(self.by.parameters())
        return [self.module._parameters[leaf] for leaf in self.takes]

    @property
    def estimates(self) -> set[str]:
        """Names of the module's own buffers that `settle` finds."""
        return {self.leaf + end for end in ("_u", "_v")} if isinstance(self.by, SpectralNorm) else set()

    def parts(self, full_name: str) -> list[str]:
        """Full names of the parameters that it is computed from, where they are not known by its own."""
        if isinstance(self.by, ParametrizationList):
            return [] if self.by.is_tensor else [f"{full_name}.original{number}" for number in range(self.by.ntensors)]
        return [full_name.removesuffix(self.leaf) + leaf for leaf in self.takes]

    @property
    def held(self) -> Tensor | None:
        """The parameter that has the bits of what was assigned; None where it is transformed."""
        if not isinstance(self.by, ParametrizationList):
            return self.module._parameters[self.leaf + ("_v" if isinstance(self.by, WeightNorm) else "_orig")]
        if all(isinstance(one, _SpectralNorm) for one in self.by):
            return self.by.original
        return self.by.original1 if self._is_weight_norm else None

    @property
    def lengths(self) -> tuple[Tensor, Tensor] | None:
        """Of weight normalisation: the parameter that has the lengths, and what they are of what is held."""
        if isinstance(self.by, WeightNorm):
            given, axis = self.module._parameters[f"{self.leaf}_g"], self.by.dim
        elif self._is_weight_norm:
            given, axis = self.by.original0, self.by[0].dim
        else:
            return None
        return given, torch.norm_except_dim(self.held, 2, axis)

    @property
    def _is_weight_norm(self) -> bool:
        return isinstance(self.by, ParametrizationList) and len(self.by) == 1 and isinstance(self.by[0], _WeightNorm)

    @property
    def like(self) -> Tensor:
        """Something of its shape, dtype and device; it is not computed where a parameter is such."""
        held = self.held
        if held is None and isinstance(self.by, ParametrizationList) and self.by.is_tensor:
            held = self.by.original
        return getattr(self.module, self.leaf) if held is None else held

    def check(self, full_name: str) -> None:
        """Raise where nothing can be assigned to it."""
        like = self.like
        whole = not (is_dtensor(like) or is_partitioned(like) or is_checkpointable(like))
        chain = self.by if isinstance(self.by, ParametrizationList) else ()
        if not whole or not all(hasattr(one, "right_inverse") for one in chain):
            refuse("model", "of parametrizations that are whole and have a right inverse", full_name)

    def check_divides(self, full_name: str, law: Law | None) -> None:
        """Raise where it would be divided by a length of zero: all of it, or a row for padding."""
        if self.held is None or isinstance(self.by, BasePruningMethod):
            return
        has_lengths = self.lengths is not None
        is_zero = law == Constant(0.0) and (has_lengths or self.held.ndim > 1)  # of a vector torch sees to it
        row = getattr(self.module, "padding_idx", None) if self.leaf == "weight" else None
        is_padded = type(row) is int and -len(self.held) <= row < len(self.held)
        if is_zero or (is_padded and has_lengths):
            rule = "of weights that are not zero, nor have a row for padding, where they are normalised (0 / 0)"
            refuse("model", rule, full_name)

    def check_keeps(self, full_name: str, value: Tensor) -> None:
        """Raise where what is computed from it is another value, and so has another law, than was assigned."""
        if self.held is None:
            assert isinstance(self.by, ParametrizationList)
            with torch.no_grad():
                trial = copy.deepcopy(self.by)
                trial.right_inverse(value.clone())
                found, scale = trial(), value.abs().max().item()
            if not (found - value).abs().max().item() <= math.sqrt(torch.finfo(value.dtype).eps) * scale:
                rule = "of parametrizations that keep what is assigned, as that by orthogonal does 'orthogonal'"
                refuse("model", f"{rule} (with other rules: initialise first, then register them)", full_name)

    def assign(self, value: Tensor) -> None:
        """Let it be computed as a value, once `settle` has been called."""
        if isinstance(self.by, ParametrizationList):
            setattr(self.module, self.leaf, value)
            return
        self.like.copy_(value)
        if self.lengths is not None:
            given, lengths = self.lengths
            given.copy_(lengths)

    def settle(self, seed: int, name: str) -> None:
        """Find what depends on the values: singular vectors, from a start by seed and name, and what a hook leaves."""
        module, leaf, by = self
        if isinstance(by, ParametrizationList):
            if any(isinstance(one, _SpectralNorm) for one in by):
                values = [by.original] if by.is_tensor else [getattr(by, f"original{i}") for i in range(by.ntensors)]
                for one in by:
                    if isinstance(one, _SpectralNorm) and values[0].ndim > 1:
                        _find_largest(one._reshape_weight_to_matrix(values[0]), one._u, one._v, seed, f"{name}_v")
                    values = values if one is by[-1] else [one(*values)]
        elif isinstance(by, SpectralNorm):
            u, v = (module._buffers[leaf + end] for end in ("_u", "_v"))
            assert u is not None and v is not None
            _find_largest(by.reshape_weight_to_matrix(self.like), u, v, seed, f"{name}_v")
            setattr(module, leaf, by.compute_weight(module, do_power_iteration=False))
        else:
            setattr(module, leaf, by.compute_weight(module) if isinstance(by, WeightNorm) else by.apply_mask(module))


def _find_largest(matrix: Tensor, u: Tensor, v: Tensor, seed: int, name: str) -> None:
    """The singular vectors to the largest singular value. What BLAS rounds is that of the machine."""
    fill_pieces_(Pieces(tuple(v.shape), v), Normal(), seed=seed, name=name)
    for _ in range(_ITERATIONS):
        u.copy_(nn.functional.normalize(torch.mv(matrix, v), dim=0))
        v.copy_(nn.functional.normalize(torch.mv(matrix.T, u), dim=0))


def computed_tensors(module: nn.Module) -> Iterator[Computed]:
    """What a module computes from parameters of its own or of its parametrizations."""
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, (WeightNorm, SpectralNorm, BasePruningMethod)):
            found = Computed(module, hook._tensor_name if isinstance(hook, BasePruningMethod) else hook.name, hook)
            if not found.takes <= module._parameters.keys():
                refuse("model", "of tensors that one hook computes", f"{type(module).__name__}.{found.leaf}")
            yield found
    for leaf in module.parametrizations if is_parametrized(module) else ():
        by = module.parametrizations[leaf]
        assert isinstance(by, ParametrizationList)
        if any(True for _ in by.parameters(recurse=False)):  # else a buffer is parametrized
            yield Computed(module, leaf, by)


def plain_of(module: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """What a module was before it was reparametrised, with these in place of what it computes."""
    if not tensors:
        return module
    taken = {leaf for one in computed_tensors(module) for leaf in one.takes}
    plain: nn.Module = object.__new__(type_before_parametrizations(module))
    plain.__dict__ = {name: one for name, one in module.__dict__.items() if name not in tensors}
    plain._parameters = {leaf: one for leaf, one in module._parameters.items() if leaf not in taken}
    plain._parameters.update(tensors)
    return plain


@contextmanager
def without_computed(model: nn.Module) -> Iterator[None]:
    """A model, whose parameters are away, without what hooks have left; that may be a parameter's own memory."""
    left = [(one, vars(one.module)) for module in model.modules() for one in computed_tensors(module)]
    before = [(one, held, held[one.leaf]) for one, held in left if one.leaf in held]
    try:
        for one, held, _ in before:
            held[one.leaf] = torch.empty_like(one.like)
        yield
    finally:
        for one, held, tensor in before:
            held[one.leaf] = tensor
