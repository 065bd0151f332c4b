"""Plans: what each tensor of a model is going to hold, before anything is allocated."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import init as torch_init
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized, type_before_parametrizations

from ..arguments import choice, integer, refuse
from ..deterministic import constant, ones, zeros
from ..fill import normal, truncated_normal, uniform
from ..layout import flat
from ..scaling import Fans
from ..schemes import SCHEMES
from ..structured import orthogonal, sparse
from .fast import fast_init, is_answered
from .laws import Law
from .names import Register, Rename, canonical_name
from .recipes import deepnorm, gpt2, llama, mup
from .rules import OWN, Listed, Rule, Rules, Weight, fans_of, output_axis
from .shards import Partition, Pieces, is_dtensor, pieces_of, reshard
from .tensors import BY_POSITION, DTYPES, check_model

_RESETS = ("reset_parameters", "_reset_parameters")


class Entry(NamedTuple):
    """A parameter and its law. The law is None where a module computes the values itself.

    `stream` is the name of the stream: that of the parameter, or of a later draw on it.
    """

    name: str
    shape: tuple[int, ...]
    law: Law | None
    stream: str
    fans: Fans | None
    full_name: str

    @property
    def std(self) -> float:
        """Standard deviation of the values; NaN where it is not known."""
        return math.nan if self.law is None else _std(self.law, self.shape)

    @property
    def description(self) -> str:
        """The law in words."""
        if self.law is None:
            return "computed by its module"
        scheme, keywords = self.law.scheme, self.law.keywords
        shown = [f"{name}={value:.4g}" for name, value in keywords.items() if isinstance(value, (int, float))]
        hidden = ("in_axis", "out_axis")
        shown = [one for one in shown if not one.startswith(hidden)]
        return f"{getattr(scheme, '__name__', scheme)}({', '.join(shown)})"


class Plan(list[Entry]):
    """Entries, in the order of the model; as a string, a table."""

    def __str__(self) -> str:
        rows = [("name", "shape", "law", "std", "fan_in", "fan_out")]
        for entry in self:
            fans = ("-", "-") if entry.fans is None else map(str, entry.fans)
            shape = "x".join(map(str, entry.shape)) or "1"
            rows.append((entry.name, shape, entry.description, f"{entry.std:.4g}", *fans))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _std(law: Law, shape: tuple[int, ...]) -> float:
    scheme, keywords = law.scheme, law.keywords
    if scheme in (constant, zeros, ones):
        return 0.0
    if scheme is normal:
        return float(keywords.get("std", 1.0))
    if scheme is uniform:
        return (keywords.get("high", 1.0) - keywords.get("low", 0.0)) / math.sqrt(12)
    if scheme is truncated_normal:
        return keywords.get("std", 1.0) * _truncated_std(keywords.get("low", -2.0), keywords.get("high", 2.0))
    if scheme is orthogonal:
        return keywords.get("gain", 1.0) / math.sqrt(max(shape[0], math.prod(shape[1:])))
    if scheme is sparse:
        return keywords.get("std", 0.01) * math.sqrt(1 - math.ceil(keywords["sparsity"] * shape[0]) / shape[0])
    return math.nan


def _truncated_std(low: float, high: float) -> float:
    """Of a standard normal between the bounds."""

    def density(x: float) -> float:
        return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    mass = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
    mean = (density(low) - density(high)) / mass
    ends = sum(sign * x * density(x) for sign, x in ((1, low), (-1, high)) if math.isfinite(x))
    return math.sqrt(max(0.0, 1 + ends / mass - mean * mean))


_ANOTHER = "a function may give one, and call a recipe for the rest"


def plan(
    model: nn.Module,
    rules: Rules = "torch",
    *,
    rename: Rename | None = None,
    split: Mapping[str, int] | None = None,
    partition: Partition | None = None,
) -> Plan:
    """What `initialize_` would do to a model, which may be on the meta device: name, shape, law, deviation, fans.

    Parameters
    ----------
    model, rules, rename, split, partition
        As for `initialize_`.

    Returns
    -------
    Plan
        A list with an entry for each parameter; as a string, a table.

    Raises
    ------
    ValueError, TypeError
        If a rule matches nothing, or nothing matches a parameter; see `initialize_`.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> with torch.device("meta"):
    ...     model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    >>> print(fastinit.torch.plan(model, [("*.bias", "zeros"), ("*", "he_normal")]))
    name      shape    law                  std      fan_in  fan_out
    0.weight  256x784  normal(std=0.05051)  0.05051  784     256
    0.bias    256      zeros()              0        -       -
    2.weight  10x256   normal(std=0.08839)  0.08839  256     10
    2.bias    10       zeros()              0        -       -
    """
    check_model(model)
    reshard(model)
    weights = _weights(model, rename, split or {}, partition)
    drawn = _recorded(model, rename) if rules == "torch" else _ruled(model, rules, weights.values(), rename)
    missing = [weight.name for weight in weights.values() if weight.name not in drawn]
    if missing:
        remedy = "a list may end with ('*', 'torch')" if isinstance(rules, (list, tuple)) else _ANOTHER
        remedy = "one that no module resets needs a rule" if rules == "torch" else remedy
        refuse("rules", f"such that each parameter has a law ({remedy})", missing)
    entries = Plan()
    for full_name, weight in weights.items():
        law, stream = drawn[weight.name]
        if law is not None:
            _check_law(law, weight)
        fans = weight.fans if law is None or law.fans is None else law.fans
        entries.append(Entry(weight.name, weight.shape, law, stream, fans, full_name))
    return entries


def _check_law(law: Law, weight: Weight) -> None:
    """Raise where a scheme of ours cannot give the weight, or another cannot be called as it would be."""
    through_float32 = weight.dtype is torch.bfloat16 and law.scheme not in BY_POSITION
    dtype = "float32" if through_float32 else DTYPES.get(weight.dtype, "float32")
    keywords = {"seed": 0, "name": weight.name, "dtype": dtype, "index": flat[:0], "out": None}
    if any(law.scheme is scheme for scheme in SCHEMES.values()):
        law.scheme(weight.shape, **keywords, **law.keywords)
        return
    try:
        inspect.signature(law.scheme).bind(weight.shape, **keywords, **law.keywords)
    except (TypeError, ValueError) as error:  # the latter of what tells no signature
        called = getattr(law.scheme, "__name__", law.scheme)
        refuse("rules", f"of schemes that are called as fastinit's are ({weight.name}: {error})", called, TypeError)


def _ruled(
    model: nn.Module, rules: Rules, weights: Iterable[Weight], rename: Rename | None
) -> dict[str, tuple[Law | None, str]]:
    """By name, the law that rules give each weight that they have one for, and its stream."""
    rule = _recipe(rules, weights, rename) if isinstance(rules, str) else rules if callable(rules) else Listed(rules)
    laws = {weight.name: law for weight in weights if (law := rule(weight)) is not None}
    for name, law in laws.items():
        if not isinstance(law, Law):
            refuse("rules", f"such that a function gives a law ({name})", law, TypeError)
    if isinstance(rule, (Listed, mup)) and rule.unmatched:
        refuse("rules", "patterns of which each comes first for a parameter", rule.unmatched)
    if isinstance(rule, (gpt2, llama, deepnorm)) and rename is None:  # a renamed stage may have no block
        _check_sought(rule, [weight for weight in weights if len(weight.shape) > 1])
    recorded = _recorded(model, rename) if OWN in laws.values() else {}
    drawn = {name: recorded.get(name) if law is OWN else (law, name) for name, law in laws.items()}
    computed = [name for name, law in laws.items() if law is OWN and (drawn[name] is None or drawn[name][0] is None)]
    if computed:
        refuse("rules", "'torch' in a list where a module's reset draws the values, and does no more", computed)
    return drawn


#: The argument by which a recipe knows what it is for, and what that names.
_SOUGHT = {
    gpt2: ("residual", "residual projections of"),
    llama: ("residual", "residual projections in numbered blocks of"),
    deepnorm: ("smaller", "values, outputs and feed-forward layers of"),
}


def _check_sought(rule: gpt2 | llama | deepnorm, weights: list[Weight]) -> None:
    """Raise where a recipe would scale none of the weights that it is there to scale."""
    argument, what = _SOUGHT[type(rule)]
    names = getattr(rule, argument)
    if names and not any(map(rule.seeks, weights)):
        recipe, last = type(rule).__name__, {weight.name.removesuffix(".weight").split(".")[-1] for weight in weights}
        rule_text = f"last names of {what} the model (() where it has none): {recipe}({argument}=...)"
        refuse(argument, f"{rule_text}, which has {', '.join(sorted(last))}", names)


def _recipe(name: str, weights: Iterable[Weight], rename: Rename | None) -> Rule:
    """The recipe of that name, with as many layers as the model has."""
    if choice("rules", name, ["torch", "gpt2", "llama"]) == "llama":
        return llama()
    if rename is not None:
        refuse("rules", "gpt2(layers=...) where rename is given (a stage does not know how many there are)", name)
    return gpt2(1 + max((weight.layer for weight in weights if weight.layer is not None), default=0))


def _weights(
    model: nn.Module, rename: Rename | None, split: Mapping[str, int], partition: Partition | None
) -> dict[str, Weight]:
    """Every parameter by its full name; a parametrized tensor is one, whatever it is computed from."""
    found: dict[str, Weight] = {}
    unused = list(split)
    for full_name, module, _, tensor in own_tensors(model):
        name = canonical_name(full_name, rename)
        pieces = pieces_of(tensor, partition)
        shape, parts = tuple(tensor.shape) if pieces is None else pieces.shape, 1
        for pattern in split:
            if fnmatchcase(name, pattern):
                parts = integer("split", split[pattern], 1)
                if len(shape) > 1 and shape[output_axis(module)] % parts:
                    refuse("split", f"a divisor of the outputs of {name} {shape}", parts)
                unused = [one for one in unused if one != pattern]
        found[full_name] = Weight(name, module, shape, tensor.dtype, fans_of(module, shape, parts))
    if unused:
        refuse("split", "patterns that match a parameter", unused)
    return found


def own_tensors(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, Tensor]]:
    """(full name, module, attribute, tensor) of each parameter, once.

    A parametrized tensor stands for its originals; it is not computed where one original has its shape.
    """
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        if isinstance(module, ParametrizationList):
            continue
        dot = f"{prefix}." if prefix else ""
        for leaf, tensor in module._parameters.items():
            if tensor is not None and id(tensor) not in seen:
                seen.add(id(tensor))
                yield dot + leaf, module, leaf, tensor
        for leaf, held in module.parametrizations.items() if is_parametrized(module) else ():
            yield dot + leaf, module, leaf, held.original if held.is_tensor else getattr(module, leaf)


def reset_of(module: nn.Module) -> Callable[[], Any] | None:
    """The method by which a module gives its parameters their values."""
    return next((getattr(module, name) for name in _RESETS if hasattr(type(module), name)), None)


def resets(model: nn.Module, register: Register, rename: Rename | None) -> Iterator[None]:
    """Reset each module after its parts, as when they were made. A tied tensor is its first owner's to reset."""
    owners = {(module, leaf): full_name for full_name, module, leaf, _ in own_tensors(model)}
    for module in _parts_first(model):
        if reset_of(module) is None or isinstance(module, ParametrizationList):
            continue
        with _only(module, [leaf for leaf in module._parameters if (module, leaf) in owners]):
            if is_parametrized(module):
                names = {leaf: canonical_name(owners[module, leaf], rename) for leaf in module.parametrizations}
                _reset_parametrized(module, names, register)
            else:
                reset_of(module)()
        yield


def _parts_first(module: nn.Module, seen: set[nn.Module] | None = None) -> Iterator[nn.Module]:
    seen = set() if seen is None else seen
    for child in module.children():
        if child not in seen:
            seen.add(child)
            yield from _parts_first(child, seen)
    yield module


@contextmanager
def _only(module: nn.Module, leaves: list[str]) -> Iterator[None]:
    """A module all of whose parameters but those are on the meta device, where nothing reaches them."""
    parameters = module._parameters
    away = {leaf: tensor for leaf, tensor in parameters.items() if tensor is not None and leaf not in leaves}
    try:
        parameters.update({leaf: _meta(tensor) for leaf, tensor in away.items()})
        yield
    finally:
        parameters.update(away)


def without_parameters(module: nn.Module) -> AbstractContextManager[None]:
    """A module whose reset reaches its buffers alone."""
    return _only(module, [])


def _meta(tensor: Tensor) -> Tensor:
    """A whole tensor like it without memory."""
    strides = torch.empty(tensor.shape, device="meta").stride() if is_dtensor(tensor) else tensor.stride()
    empty = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device="meta")
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


def _reset_parametrized(module: nn.Module, names: Mapping[str, str], register: Register) -> None:
    """What the module was before resets a tensor, which is then assigned: so its parametrization inverts it."""
    before = object.__new__(type_before_parametrizations(module))
    before.__dict__ = {**module.__dict__, "_parameters": dict(module._parameters)}
    for leaf, name in names.items():
        held = module.parametrizations[leaf]
        original = held.original if held.is_tensor else getattr(module, leaf)
        before._parameters[leaf] = nn.Parameter(torch.empty_like(original), requires_grad=False)
        register.adopt(before._parameters[leaf], name)
    reset_of(before)()
    for leaf in names:
        if not before._parameters[leaf].is_meta:
            setattr(module, leaf, before._parameters[leaf].detach())


@contextmanager
def _on_meta(model: nn.Module) -> Iterator[None]:
    """A model whose parameters and buffers are on the meta device, ties kept, and whole where they are sharded."""
    held = [(tensors, dict(tensors)) for one in model.modules() for tensors in (one._parameters, one._buffers)]
    replaced: dict[int, Tensor] = {}
    try:
        for tensors, before in held:
            for leaf, tensor in before.items():
                if tensor is not None:
                    tensors[leaf] = replaced.setdefault(id(tensor), _meta(tensor))
        yield
    finally:
        for tensors, before in held:
            tensors.clear()
            tensors.update(before)


def _recorded(model: nn.Module, rename: Rename | None) -> dict[str, tuple[Law | None, str]]:
    """By name, what the modules' own resets draw last on each parameter, and the stream of that draw."""
    with _on_meta(model), _Recorder(model, rename) as recorder, torch.no_grad():
        for _ in resets(model, recorder.register, rename):
            pass
    return recorder.drawn


class _Recorder(fast_init):
    """Notes what would be written to the tensors of a model that is on the meta device."""

    def __init__(self, model: nn.Module, rename: Rename | None) -> None:
        super().__init__(seed=0, model=model, rename=rename)
        self.drawn: dict[str, tuple[Law | None, str]] = {}
        self._padded = {
            canonical_name(f"{prefix}.weight".removeprefix("."), rename)
            for prefix, module in model.named_modules()
            if getattr(module, "padding_idx", None) is not None
        }

    def __exit__(self, *raised: Any) -> None:
        self.left_to_torch.clear()  # nothing depends on the layout yet
        self.unnamed = 0
        super().__exit__(*raised)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        target = args[0] if args else (kwargs or {}).get("tensor")
        name = getattr(func, "__name__", "")
        if func in _CONSTANTS:
            self._note_constant(target, _CONSTANTS[func](*args, **(kwargs or {})))
        elif func is Tensor.__setitem__:
            self._note_constant(target[args[1]], math.nan)
        elif _changes(name) and isinstance(target, Tensor) and not is_answered(func):
            self._note_computed(target, args[1:])
        return super().__torch_function__(func, types, args, kwargs)

    def passes(self, tensor: Tensor) -> bool:
        return False

    def fill(self, tensor: Tensor, law_of: Callable[..., Law | None], args: Any, kwargs: Any) -> bool:
        law = law_of(tensor, *args, **kwargs) if tensor.numel() else Law(constant, {"value": 0.0})
        name, place = self.place(tensor, Pieces(tuple(tensor.shape), tensor))
        stream = self.stream(name)
        if name:
            self.drawn[name] = (law if place.part is None else None, stream)
        return True

    def _note_constant(self, tensor: Tensor, value: float) -> None:
        """One of the row of a padding index leaves the law of the rest; NaN is what we do not know."""
        name, place = self.place(tensor, Pieces(tuple(tensor.shape), tensor))
        if name and (place.part is None or name not in self._padded):
            known = place.part is None and not math.isnan(value)
            self.drawn[name] = (Law(constant, {"value": float(value)}) if known else None, name)

    def _note_computed(self, tensor: Tensor, others: tuple[Any, ...]) -> None:
        """A copy of what was drawn beside a tensor, under its name, is no computation."""
        tensors = [tensor, *(one for one in others if isinstance(one, Tensor))]
        name, *beside = (self.place(one, Pieces(tuple(one.shape), one))[0] for one in tensors)
        if name and beside != [name]:
            self.drawn[name] = (None, name)


#: Names of the methods that write to a tensor.
_changes = re.compile(r"(?!_|requires_grad_$|detach_$|share_memory_$)\w+(?<!_)_$").match
#: What each writes.
_CONSTANTS: dict[Any, Callable[..., float]] = {
    Tensor.zero_: lambda tensor: 0.0,
    Tensor.fill_: lambda tensor, value: value,
    torch_init.constant_: lambda tensor, val: val,
}
