"""Ties: tensors that a model says are one and that are two, and parameters that are two and share memory."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ...arguments import refuse
from .meta import on_meta
from .names import canonical_name, named_tensors
from .shards import end_of, local_of, storage_of


def warn_untied(door: str, found: Iterable[str], stacklevel: int) -> None:
    """Say to whom has called a door what `untied` has found."""
    warnings.warn(f"{door}: tied by the model, and two tensors here: {', '.join(found)}", stacklevel=stacklevel + 1)


def untied(model: nn.Module) -> list[str]:
    """Pairs of names of tensors that the model says are one and that are two, each with what ties them.

    It says so by its method ``tie_weights``, which is asked on the meta device; else by ``_tied_weights_keys``.
    """
    found: dict[frozenset[str], str] = {}
    for prefix, module in model.named_modules():
        has_method = hasattr(type(module), "tie_weights")
        if has_method or getattr(module, "_tied_weights_keys", None):
            for pair in _by_method(module) if has_method else _by_keys(module):
                one, other = (canonical_name(f"{prefix}.{name}".removeprefix(".")) for name in pair)
                remedy = f"{_typed(prefix)}.tie_weights()" if has_method else f"{_typed(one)} = {_typed(other)}"
                found.setdefault(frozenset((one, other)), f"{one} and {other} ({remedy})")
    return list(found.values())


def _typed(name: str) -> str:
    """How a part of a model is written in Python."""
    return "model" + "".join(f"[{one}]" if one.isdigit() else f".{one}" for one in name.split(".") if one)


def _by_method(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of tensors that are two and that the module's ``tie_weights`` makes one."""
    before = _by_name(module)
    with on_meta(module), torch.no_grad():
        try:
            module.tie_weights()
        except Exception:  # it needs more than is here: nothing is known
            return
        tied = [named.names for named in named_tensors(module)]
    for first, *others in tied:
        for other in others:
            if {first, other} <= before.keys() and before[first] is not before[other]:
                yield other, first


def _by_keys(module: nn.Module) -> Iterator[tuple[str, str]]:
    """The same of ``_tied_weights_keys``: a mapping of patterns, or a list that leaves out what these are tied to."""
    keys, held = module._tied_weights_keys, _by_name(module)
    if getattr(getattr(module, "config", None), "tie_word_embeddings", True) is False:
        return
    for pattern in keys:
        for name in [one for one in held if re.search(pattern, one)]:
            source = keys[pattern] if isinstance(keys, Mapping) else _only_like(name, keys, held)
            if source in held and held[source] is not held[name]:
                yield name, source


def _only_like(name: str, patterns: Iterable[str], held: Mapping[str, Tensor]) -> str | None:
    """The one tensor of its shape that no pattern is of."""
    shape = held[name].shape
    like = [one for one in held if held[one].shape == shape and not any(re.search(each, one) for each in patterns)]
    return like[0] if len(like) == 1 else None


def kept_names(model: nn.Module, held: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor of a model's state under one of its names: that which transformers keeps, when it stores a model.

    It is one that `_tied_weights_keys` does not say to be tied to another, if there is such a name.
    """
    tied = [
        f"{prefix}.{key}".removeprefix(".")
        for prefix, module in model.named_modules()
        for key in getattr(module, "_tied_weights_keys", None) or ()
    ]
    named: dict[int, list[str]] = {}
    for name, one in held.items():
        named.setdefault(id(one), []).append(name)
    kept = {}
    for names in named.values():
        free = [name for name in names if not any(re.search(key, name) for key in tied)] if len(names) > 1 else names
        name = free[0] if free else max(names)
        kept[name] = held[name]
    return kept


def _by_name(module: nn.Module) -> dict[str, Tensor]:
    return {name: named.tensor for named in named_tensors(module) for name in named.names}


def check_apart(tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Raise where two tensors, each with its name, have elements in common."""
    sharing: dict[int, list[tuple[str, Tensor]]] = {}
    for name, tensor in tensors:
        local = local_of(tensor)
        if not is_lazy(local) and local.layout is torch.strided and local.numel():
            sharing.setdefault(storage_of(local), []).append((name, local))
    for held in sharing.values():
        reaching: list[tuple[str, Tensor]] = []  # those that end beyond where the next one begins
        for name, one in sorted(held, key=lambda each: _span(each[1])) if len(held) > 1 else ():
            reaching = [other for other in reaching if _span(other[1])[1] > _span(one)[0]]
            for before, other in reaching:
                if _overlap(other, one):
                    rule = "of parameters that share no memory (tie them as one Parameter)"
                    refuse("model", rule, f"{before} and {name}")
            reaching.append((name, one))


def _span(tensor: Tensor) -> tuple[int, int]:
    """Where it begins and ends in its storage, in bytes."""
    return tensor.storage_offset() * tensor.itemsize, end_of(tensor) * tensor.itemsize


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors within one storage, whose spans overlap, have an element in common."""
    if one.itemsize != other.itemsize:
        return True
    first = min(one.storage_offset(), other.storage_offset())
    marks = torch.zeros(max(end_of(one), end_of(other)) - first, dtype=torch.bool)
    places = [marks.as_strided(each.shape, each.stride(), each.storage_offset() - first) for each in (one, other)]
    places[0].fill_(True)
    return bool(places[1].any())
