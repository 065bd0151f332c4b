"""Plans: what each tensor of a model is going to hold, before anything is allocated."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from math import prod
from typing import Any, ClassVar, NamedTuple, SupportsIndex, overload

from torch import nn

from ...arguments import choice, integer, refuse
from ...dtypes import kind_of
from ...laws import Called, Law, Packed
from ...records import Record, plain
from ...scaling import Fans
from ...schemes import Scheme
from ..rules.lists import OWN, Listed, Rule, Rules
from ..rules.modules import fans_of, sides_of
from ..rules.recipe import RECIPES, Recipe
from ..rules.weights import Ruled, Weight, ruled
from ..tensors.checks import check_here, check_model
from ..tensors.fills import dtype_for
from ..tensors.names import Rename, canonical_name
from ..tensors.shards import Partition, checked_partition, pieces_of, reshard
from .recording import Draw, recorded_draws
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
        return math.nan if self.law is None else self.law.deviation(self.shape)

    @property
    def description(self) -> str:
        """The law in words."""
        return "computed by its module" if self.law is None else str(self.law)

    @property
    def lengths(self) -> str:
        """The shape in words."""
        return "x".join(map(str, self.shape)) or "1"

    def __repr__(self) -> str:
        return f"Entry({self.name}: {self.description}, shape {self.lengths}, std {self.std:.4g})"

    def to_dict(self) -> dict[str, Any]:
        """Its fields as JSON has them."""
        law = None if self.law is None else plain(_named(self.law.to_dict()))
        fans = None if self.fans is None else self.fans._asdict()
        return {**self._asdict(), "shape": list(self.shape), "law": law, "fans": fans}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Entry:
        """That of which `to_dict` gives these."""
        law, fans = found["law"], found["fans"]
        read = None if law is None else _read_law(law)
        shape, own = tuple(found["shape"]), None if fans is None else Fans(**fans)
        return cls(found["name"], shape, read, found["stream"], own, found["full_name"])


def _named(value: Any) -> Any:
    """What a law was made with; of a user's function what JSON has not is named only."""
    if isinstance(value, Mapping):
        return {key: _named(one) for key, one in value.items()}
    return value if value is None or isinstance(value, (bool, int, float, str, tuple, list)) else repr(value)


def _read_law(described: Mapping[str, Any]) -> Law:
    if described.get("law") == Called.name:
        refuse("text", "the JSON of a plan whose laws are fastinit's own", described.get("call"))
    infinite = {key: float(value) for key, value in described.items() if value in ("inf", "-inf")}
    return Law.from_dict({**described, **infinite})


class Plan(list[Entry], Record):
    """Entries, in the order of the model; as a string, a table. A slice of a plan is a plan."""

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # no type says so: typeshed ignores it for lists too

    @overload
    def __getitem__(self, which: SupportsIndex) -> Entry: ...
    @overload
    def __getitem__(self, which: slice) -> Plan: ...
    def __getitem__(self, which: SupportsIndex | slice) -> Entry | Plan:
        return Plan(super().__getitem__(which)) if isinstance(which, slice) else super().__getitem__(which)

    def __str__(self) -> str:
        rows = [("name", "shape", "law", "std", "fan_in", "fan_out")]
        for entry in self:
            fans = ("-", "-") if entry.fans is None else (str(round(fan, 2)) for fan in entry.fans)
            rows.append((entry.name, entry.lengths, entry.description, f"{entry.std:.4g}", *fans))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def __repr__(self) -> str:
        return f"Plan({len(self)} parameters, {sum(prod(entry.shape) for entry in self)} elements)"

    def to_dict(self) -> dict[str, Any]:
        """Its entries as dictionaries: name, shape, law, stream, fans, full_name; see `fastinit.laws` for laws."""
        return {"entries": [entry.to_dict() for entry in self]}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Plan:
        """That of which `to_dict` gives these. A law that is a user's function is not read back."""
        return cls(map(Entry.from_dict, found["entries"]))


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
    if not isinstance(split, Mapping | None):
        refuse("split", "a mapping of patterns to numbers of parts", split, TypeError)
    if partition is not None:
        checked_partition(partition)
    reshard(model)
    weights = _weights(model, rename, split or {}, partition)
    drawn = recorded_draws(model, rename) if rules == "torch" else _ruled(model, rules, [*weights.values()], rename)
    missing = [weight.name for weight in weights.values() if weight.name not in drawn]
    if missing:
        refuse("rules", f"such that each parameter has a law ({_remedy(rules)})", missing)
    entries = Plan()
    for full_name, weight in weights.items():
        law, stream, fans = drawn[weight.name]
        if law is not None:
            _check_law(law, weight)
        fans = fans or fans_of(weight.module, weight.shape, weight.split)
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
    """Raise where a law of ours cannot give the weight, or a function cannot be called as it would be."""
    dtype = dtype_for(law, weight.dtype)
    if not isinstance(law, Called):
        law.fills(weight.shape, kind_of(dtype), 0, weight.name, 1)
        return
    common = {"seed": 0, "name": weight.name, "dtype": dtype, "index": None, "out": None}
    try:
        inspect.signature(law.call).bind(weight.shape, **common, **law.keywords)
    except (TypeError, ValueError) as error:  # the latter of what tells no signature
        called = getattr(law.call, "__name__", law.call)
        refuse("rules", f"of schemes that are called as fastinit's are ({weight.name}: {error})", called, TypeError)


def _ruled(model: nn.Module, rules: Rules, weights: Sequence[Weight], rename: Rename | None) -> dict[str, Draw]:
    """By name, what rules give each weight that they have a law for."""
    rule = _rule(rules, weights, rename is not None)
    given = {weight.name: one for weight in weights if (one := ruled(rule(weight))) is not None}
    for name, one in given.items():
        if not isinstance(one, Ruled):
            refuse("rules", f"such that a function gives a law ({name})", one, TypeError)
    if isinstance(rule, Recipe):
        rule.check(weights, rename is not None)
    own = [name for name, one in given.items() if one is OWN]
    recorded = recorded_draws(model, rename) if own else {}
    computed = [name for name in own if name not in recorded or recorded[name].law is None]
    if computed:
        refuse("rules", "'torch' in a list where a module's reset draws the values, and does no more", computed)
    named = {weight.name: weight for weight in weights}
    return {name: recorded[name] if one is OWN else _draw(one, named[name]) for name, one in given.items()}


def _draw(given: Ruled, weight: Weight) -> Draw:
    """What a rule gives a weight, and so each of the parts that it is packed from along its outputs."""
    law = given.law
    if isinstance(law, Called) and weight.split > 1:
        rule = f"left out for {weight.name}, whose law is a function of yours, which may make its parts itself"
        refuse("split", rule, weight.split)
    if law is not None and not law.is_independent and weight.split > 1:
        sides = sides_of(weight.module, weight.shape) if given.fans is None else None  # but for axes that its rule has
        law = Packed(law, weight.split, getattr(law, "out_axis", 0) if sides is None else sides.out_axis)
    return Draw(law, weight.name, given.fans)


def _rule(rules: Rules, weights: Sequence[Weight], renamed: bool) -> Rule:
    """Rules that were given as a name, a list or a function, as a function."""
    if isinstance(rules, str):
        return RECIPES[choice("rules", rules, ["torch", *RECIPES])].from_model(weights, renamed)
    if isinstance(rules, Law | Scheme | type):
        rule = "a list such as [('*', scheme)], a recipe made with its arguments, or a function"
        refuse("rules", rule, rules, TypeError)
    return rules if callable(rules) else Listed(rules)


def _weights(
    model: nn.Module, rename: Rename | None, split: Mapping[str, int], partition: Partition | None
) -> dict[str, Weight]:
    """Every parameter by its full name; a parametrized tensor is one, whatever it is computed from."""
    found: dict[str, Weight] = {}
    unused = list(split)
    for full_name, module, _, tensor in own_tensors(model):
        check_here(tensor, full_name=full_name)
        name = canonical_name(full_name, rename)
        pieces = pieces_of(tensor, partition)
        shape, parts = tuple(tensor.shape) if pieces is None else pieces.shape, 1
        for pattern in split:
            if fnmatchcase(name, pattern):
                parts = integer("split", split[pattern], 1)
                if (sides := sides_of(module, shape)) is not None and shape[sides.out_axis] % parts:
                    refuse("split", f"a divisor of the outputs of {name} {shape}", parts)
                unused = [one for one in unused if one != pattern]
        found[full_name] = Weight(name, module, shape, tensor.dtype, parts)
    if unused:
        refuse("split", "patterns that match a parameter", unused)
    return found
