"""Weights: arrays of a model by name, shape and dtype, inputs before outputs, and the laws that rules give them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..arguments import refuse, unexpected
from ..dtypes import kind_of
from ..laws import Called, Law
from ..scaling import Fans, fan_pair
from ..schemes import AXES, SCHEMES, scheme_of
from .patterns import LIST, NoFansError, Patterns, of_each
from .plans import Entry, Plan


class Weight(NamedTuple):
    """What a rule is asked about: an array (..., in, out), by its name."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def fans(self) -> Fans | None:
        """None below two axes."""
        return Fans(*fan_pair(self.shape, -2, -1, ())) if len(self.shape) > 1 else None

    @property
    def is_bias(self) -> bool:
        """Whether it is added to something, as its name tells."""
        return len(self.shape) < 2 and "bias" in self.name.rpartition(".")[2]


class Ruled(NamedTuple):
    """What a rule gives a weight: a law, and its fans where there are any."""

    law: Law
    fans: Fans | None


#: A list of (pattern, scheme) or (pattern, scheme, keywords), or a function from a weight to what `law_of` gives, or to
#: a law; None where it has none.
Rules = Sequence[tuple[Any, ...]] | Callable[[Weight], Ruled | Law | None]


def law_of(scheme: Any, weight: Weight, **keywords: Any) -> Ruled:
    """The law of a scheme for a weight. Keywords are the scheme's, axes among them."""
    known = scheme_of(scheme)
    if not known.is_called:
        unexpected(known.name, keywords, known.parameters)
    if known.needs_fans and weight.fans is None:
        rule = f"such that a scheme with a fan is for arrays of two axes or more ({known.name!r} is one)"
        refuse("rules", rule, (weight.name, weight.shape), NoFansError)
    law = known.law_for(weight.shape, **keywords)
    axes = {axis: keywords.get(axis, usual) for axis, usual in AXES.items()}
    return Ruled(law, None if weight.fans is None else Fans(*fan_pair(weight.shape, **axes)))


def planned(weights: Sequence[Weight], rules: Rules, law_of: Callable[..., Ruled] = law_of) -> Plan:
    """What rules give each of the weights; refused where one has no law, or a pattern comes first for none.

    `law_of` is that of the door.
    """
    rule = rules if callable(rules) and not isinstance(rules, (Law, type)) else _Listed(rules, law_of)
    if isinstance(rule, Patterns):
        rule.for_each([weight.name for weight in weights])
    given = of_each(weights, rule, lambda weight: "zeros" if weight.is_bias else "ones")
    if missing := [name for name, one in given.items() if one is None]:
        refuse("rules", "such that a function gives each array a law", missing)
    return Plan(_entry(weight, given[weight.name]) for weight in weights)


class _Listed(Patterns):
    def __init__(self, rules: Any, law_of: Callable[..., Ruled]) -> None:
        if isinstance(rules, str) and rules in SCHEMES:
            refuse("rules", f"[('*', {rules!r})] where that is meant", rules)
        if not isinstance(rules, (list, tuple)):
            refuse("rules", f"{LIST}, or a function from a Weight to a law", rules, TypeError)
        super().__init__(rules)
        self._law_of = law_of

    def __call__(self, weight: Weight) -> Ruled | None:
        found = self.rule_for(weight.name)
        return None if found is None else self._law_of(found[0], weight, **found[1])


def _entry(weight: Weight, given: Any) -> Entry:
    law, fans = given if isinstance(given, Ruled) else (given, weight.fans)
    if not isinstance(law, Law):
        refuse("rules", f"such that a function gives a law ({weight.name})", given, TypeError)
    if isinstance(law, Called):
        law.check_call(weight.shape, weight.name, weight.dtype)
    else:
        law.fills(weight.shape, kind_of(weight.dtype), 0, weight.name, 1)  # which raises where there is no such array
    return Entry(weight.name, weight.shape, law, weight.name, fans, weight.name)
