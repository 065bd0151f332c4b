"""Plans: what each tensor of a model is going to hold, before anything is allocated."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import torch
from torch import nn

from ...arguments import choice, integer, refuse
from ...deterministic import constant, ones, zeros
from ...fill import normal, truncated_normal, uniform
from ...layout import flat
from ...scaling import Fans
from ...schemes import SCHEMES
from ...structured import orthogonal, sparse
from ..calls.requests import Law
from ..rules.lists import OWN, Listed, Rule, Rules
from ..rules.recipe import RECIPES, Recipe
from ..rules.weights import Weight, fans_of, output_axis
from ..tensors.checks import check_model
from ..tensors.fills import BY_POSITION, DTYPES
from ..tensors.names import Rename, canonical_name
from ..tensors.shards import Partition, pieces_of, reshard
from .recording import recorded_draws
from .resets import own_tensors


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
    drawn = recorded_draws(model, rename) if rules == "torch" else _ruled(model, rules, [*weights.values()], rename)
    missing = [weight.name for weight in weights.values() if weight.name not in drawn]
    if missing:
        refuse("rules", f"such that each parameter has a law ({_remedy(rules)})", missing)
    entries = Plan()
    for full_name, weight in weights.items():
        law, stream = drawn[weight.name]
        if law is not None:
            _check_law(law, weight)
        fans = weight.fans if law is None or law.fans is None else law.fans
        entries.append(Entry(weight.name, weight.shape, law, stream, fans, full_name))
    return entries


def _remedy(rules: Rules) -> str:
    """What there is to do where rules give a parameter no law."""
    if rules == "torch":
        return "one that no module resets needs a rule"
    if isinstance(rules, (list, tuple)):
        return "a list may end with ('*', 'torch')"
    return "a function may give one, and call a recipe for the rest"


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
    model: nn.Module, rules: Rules, weights: Sequence[Weight], rename: Rename | None
) -> dict[str, tuple[Law | None, str]]:
    """By name, the law that rules give each weight that they have one for, and its stream."""
    rule = _rule(rules, weights, rename is not None)
    laws = {weight.name: law for weight in weights if (law := rule(weight)) is not None}
    for name, law in laws.items():
        if not isinstance(law, Law):
            refuse("rules", f"such that a function gives a law ({name})", law, TypeError)
    if isinstance(rule, Recipe):
        rule.check(weights, rename is not None)
    recorded = recorded_draws(model, rename) if OWN in laws.values() else {}
    drawn = {name: recorded.get(name) if law is OWN else (law, name) for name, law in laws.items()}
    computed = [name for name, law in laws.items() if law is OWN and (drawn[name] is None or drawn[name][0] is None)]
    if computed:
        refuse("rules", "'torch' in a list where a module's reset draws the values, and does no more", computed)
    return drawn


def _rule(rules: Rules, weights: Sequence[Weight], renamed: bool) -> Rule:
    """Rules that were given as a name, a list or a function, as a function."""
    if isinstance(rules, str):
        return RECIPES[choice("rules", rules, ["torch", *RECIPES])].from_model(weights, renamed)
    return rules if callable(rules) else Listed(rules)


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
