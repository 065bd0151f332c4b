"""Patterns: rules that name arrays by how they are called, of which the first that matches counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..arguments import Words, closest, first_few, refuse
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


def refuse_unused(
    unused: Sequence[str], names: Collection[str], argument: str = "rules", what: str = "an array"
) -> None:
    """Raise: these patterns come first for none of the names. What matches none at all, a slip, is told first."""
    if unmatched := [one for one in unused if not any(fnmatchcase(name, one) for name in names)]:
        near = next(filter(None, (closest(one, _patterns_of(names)) for one in unmatched)), [])
        hint = f"nearest: {near[0]!r}" if near else f"there are: {first_few([*map(repr, names)], 8) or 'none'}"
        told = f"no {what.split()[1]} matches {'it' if len(unmatched) == 1 else 'them'} ({hint})"
        rule = f"patterns each of which matches the name of {what}"
        refuse(argument, rule, Words(f"{', '.join(map(repr, unmatched))}: {told}"))
    told = f"patterns before match all that {'it does' if len(unused) == 1 else 'they do'}"
    rule = f"patterns of which each comes first for {what}"
    refuse(argument, rule, Words(f"{', '.join(map(repr, unused))}: {told}"))


def _patterns_of(names: Iterable[str]) -> list[str]:
    """The names, and patterns for what they end with."""
    words = [name.split(".") for name in names]
    ends = (f"*.{'.'.join(one[at:])}" for one in words for at in range(1, len(one)))
    return list(dict.fromkeys([".".join(one) for one in words] + [*ends]))


def pattern_for(name: str, others: Iterable[str]) -> str:
    """The shortest end of a name, with any numbers in it, that none of the others has; or the name."""
    words = ["*" if word.isdecimal() else word for word in name.split(".")]
    for at in reversed(range(len(words))):
        pattern = f"*{'.'.join(words[at:])}"
        if words[at] != "*" and not any(fnmatchcase(other, pattern) for other in others):
            return pattern
    return name


#: Words of names of what begins at zero, as running means do, that no weight calls a bias.
_AT_ZERO = re.compile(r"(^|[._])(b|beta|shift|offset|mean|average|hidden)$", re.IGNORECASE)


def usual_scheme(weight: Any) -> tuple[Any, ...]:
    """A scheme, with keywords where it needs some, for a weight of which name, shape and fans alone are known."""
    if sum(length != 1 for length in weight.shape) > 1 and not weight.is_bias:
        return ("normal", {"std": 0.02}) if weight.known_fans is None else ("lecun_normal",)
    # what else there is may be a variance, or a factor, of which zero kills its branch
    return ("zeros",) if weight.is_bias or _AT_ZERO.search(weight.name) else ("ones",)


def examples_for(
    some: Iterable[Any], others: Iterable[Any], scheme: Callable[[Any], tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """Rules that give some weights, by their names, what `scheme` says, and match none of the others."""
    wanted, names = [(weight.name, scheme(weight)) for weight in some], [other.name for other in others]
    found = list[tuple[Any, ...]]()
    for name, given in wanted:
        if not any(fnmatchcase(name, pattern) for pattern, *_ in found):
            unlike = [other for other, its in wanted if its != given]
            found.append((pattern_for(name, [*names, *unlike]), *given))
    return found


class NoFansError(ValueError):
    """Of a scheme with a fan, for a weight that has none."""


def of_each(
    weights: Sequence[Any], rule: Callable[[Any], Any], scheme: Callable[[Any], tuple[Any, ...]] = usual_scheme
) -> dict[str, Any]:
    """By name, what a rule gives each weight. Of a list, all weights are told at once that lack the fans they need."""
    given, without = dict[str, Any](), list[Any]()
    for weight in weights:
        try:
            given[weight.name] = rule(weight)
        except NoFansError:
            if not isinstance(rule, Patterns):
                raise
            without.append(weight)
    if without:
        examples = examples_for(without, [one for one in weights if one.name in given], scheme)
        first = f"others need a rule before it: {first_few([*map(repr, examples)], 8)}"
        told = first_few([f"{one.name} {one.shape}" for one in without])
        refuse("rules", f"such that a scheme with a fan is for weights of two axes or more ({first})", told)
    return given


class Patterns:
    """Rules of (pattern, scheme) or (pattern, scheme, keywords): the first whose pattern a name matches."""

    def __init__(self, rules: Sequence[tuple[Any, ...]], argument: str = "rules") -> None:
        for rule in rules:
            if not _is_rule(rule):
                refuse(argument, LIST, rule, TypeError)
        self._argument = argument
        self.rules: list[tuple[Any, ...]] = [(*rule, {})[:3] for rule in rules]

    def rule_for(self, name: str) -> tuple[Any, Mapping[str, Any]] | None:
        """The scheme of the first rule for that name, and its keywords."""
        number = self._first_for(name)
        return None if number is None else self.rules[number][1:]

    def for_each(self, names: Collection[str]) -> dict[str, tuple[Any, Mapping[str, Any]]]:
        """What `rule_for` has for each; refused where there is none for one, or a pattern comes first for none."""
        numbers = {name: self._first_for(name) for name in names}
        if missing := [name for name, number in numbers.items() if number is None]:
            refuse(self._argument, "such that each array has a law (a list may end with ('*', scheme))", missing)
        if unused := self._others(numbers.values()):
            refuse_unused(unused, names, self._argument)
        return {name: self.rules[number][1:] for name, number in numbers.items() if number is not None}

    def without_use(self, names: Iterable[str]) -> list[str]:
        """Patterns that come first for none of the names."""
        return self._others(map(self._first_for, names))

    def _others(self, numbers: Iterable[int | None]) -> list[str]:
        """Patterns of rules of other numbers."""
        matched = set(numbers)
        return [pattern for at, (pattern, *_) in enumerate(self.rules) if at not in matched]

    def _first_for(self, name: str) -> int | None:
        return next((at for at, (pattern, *_) in enumerate(self.rules) if fnmatchcase(name, pattern)), None)
