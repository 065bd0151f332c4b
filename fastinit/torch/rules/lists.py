"""Lists of rules: the first whose pattern a name matches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...arguments import refuse
from ...laws import Law
from ...models.patterns import LIST, Patterns
from ...models.recipe import Recipe
from .recipe import BY_MODULES
from .weights import Ruled, Weight, law_of

Rule = Callable[[Weight], Ruled | Law | None]
Rules = str | Sequence[tuple[Any, ...]] | Rule


class Listed(Recipe, Patterns):
    """Rules of (pattern, scheme) or (pattern, scheme, keywords): the first whose pattern the name matches."""

    def __init__(self, rules: Sequence[tuple[Any, ...]]) -> None:
        if not isinstance(rules, (list, tuple)):
            refuse("rules", f"a name, {LIST}, or a function from a Weight to a law", rules, TypeError)
        super().__init__(rules)
        for rule in rules:
            if isinstance(rule[1], str) and rule[1] in BY_MODULES and len(rule) > 2:
                refuse("rules", f"without keywords where {rule[1]!r} is the scheme", rule)

    def __call__(self, weight: Weight) -> Ruled | None:
        found = self.rule_for(weight.name)
        if found is None:
            return None
        scheme, keywords = found
        if isinstance(scheme, str) and scheme in BY_MODULES:
            return BY_MODULES[scheme]
        return law_of(scheme, weight, **keywords)

    def unmatched(self, weights: Iterable[Weight]) -> list[str]:
        """Patterns that come first for none of the weights."""
        return self.without_use(weight.name for weight in weights)
