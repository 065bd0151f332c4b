"""Lists of rules: the first whose pattern a name matches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ...arguments import refuse
from ...laws import Law
from .recipe import BY_MODULES, Recipe
from .weights import Ruled, Weight, law_of

Rule = Callable[[Weight], Ruled | Law | None]
Rules = str | Sequence[tuple[Any, ...]] | Rule

_LIST = "a list of (pattern, scheme) or (pattern, scheme, keywords)"


def _is_rule(rule: Any) -> bool:
    if not isinstance(rule, (list, tuple)) or len(rule) not in (2, 3):
        return False
    return (
        isinstance(rule[0], str)
        and (isinstance(rule[1], (str, Law)) or callable(rule[1]))
        and isinstance((*rule, {})[2], Mapping)
    )


def pattern_for(name: str, others: Iterable[str]) -> str:
    """The shortest end of a name, with any numbers in it, that none of the others has; or the name."""
    words = ["*" if word.isdecimal() else word for word in name.split(".")]
    for at in reversed(range(len(words))):
        pattern = f"*{'.'.join(words[at:])}"
        if words[at] != "*" and not any(fnmatchcase(other, pattern) for other in others):
            return pattern
    return name


class Listed(Recipe):
    """Rules of (pattern, scheme) or (pattern, scheme, keywords): the first whose pattern the name matches."""

    def __init__(self, rules: Sequence[tuple[Any, ...]]) -> None:
        if not isinstance(rules, (list, tuple)):
            refuse("rules", f"a name, {_LIST}, or a function from a Weight to a law", rules, TypeError)
        for rule in rules:
            if not _is_rule(rule):
                refuse("rules", _LIST, rule, TypeError)
            if isinstance(rule[1], str) and rule[1] in BY_MODULES and len(rule) > 2:
                refuse("rules", f"without keywords where {rule[1]!r} is the scheme", rule)
        self.rules: list[tuple[Any, ...]] = [(*rule, {})[:3] for rule in rules]

    def __call__(self, weight: Weight) -> Ruled | None:
        number = self._first_for(weight)
        if number is None:
            return None
        _, scheme, keywords = self.rules[number]
        if isinstance(scheme, str) and scheme in BY_MODULES:
            return BY_MODULES[scheme]
        return law_of(scheme, weight, **keywords)

    def _first_for(self, weight: Weight) -> int | None:
        return next((at for at, (pattern, *_) in enumerate(self.rules) if fnmatchcase(weight.name, pattern)), None)

    def unmatched(self, weights: Iterable[Weight]) -> list[str]:
        """Patterns that come first for none of the weights."""
        matched = set(map(self._first_for, weights))
        return [pattern for at, (pattern, *_) in enumerate(self.rules) if at not in matched]
