"""Patterns: rules that name arrays by how they are called, of which the first that matches counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..arguments import refuse
from ..laws import Law

#: In words, as refusals name them.
LIST = "a list of (pattern, scheme) or (pattern, scheme, keywords)"


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


class Patterns:
    """Rules of (pattern, scheme) or (pattern, scheme, keywords): the first whose pattern a name matches."""

    def __init__(self, rules: Sequence[tuple[Any, ...]]) -> None:
        for rule in rules:
            if not _is_rule(rule):
                refuse("rules", LIST, rule, TypeError)
        self.rules: list[tuple[Any, ...]] = [(*rule, {})[:3] for rule in rules]

    def rule_for(self, name: str) -> tuple[Any, Mapping[str, Any]] | None:
        """The scheme of the first rule for that name, and its keywords."""
        number = self._first_for(name)
        return None if number is None else self.rules[number][1:]

    def without_use(self, names: Iterable[str]) -> list[str]:
        """Patterns that come first for none of the names."""
        matched = set(map(self._first_for, names))
        return [pattern for at, (pattern, *_) in enumerate(self.rules) if at not in matched]

    def _first_for(self, name: str) -> int | None:
        return next((at for at, (pattern, *_) in enumerate(self.rules) if fnmatchcase(name, pattern)), None)
