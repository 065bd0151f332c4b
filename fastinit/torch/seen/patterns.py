"""Patterns: which modules of a model are meant, by name."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from ...arguments import refuse


class Patterns:
    """Which modules are meant, by name: those that any of the patterns matches, or all if there are none."""

    def __init__(self, names: str | Iterable[str] | None) -> None:
        self._patterns = None if names is None else [names] if isinstance(names, str) else _strings(names)

    def __bool__(self) -> bool:
        return self._patterns is not None

    def match(self, label: str) -> bool:
        """Whether this one is meant."""
        return self._patterns is None or any(fnmatchcase(label, pattern) for pattern in self._patterns)

    def check(self, labels: Iterable[str], what: str) -> None:
        """That each pattern matches one of the labels."""
        labels = list(labels)
        for pattern in self._patterns or []:
            if not any(fnmatchcase(label, pattern) for label in labels):
                refuse("names", f"patterns each of which matches {what}", pattern)


def _strings(names: Iterable[str]) -> list[str]:
    found = list(names) if isinstance(names, Iterable) else [names]
    if not all(isinstance(one, str) for one in found):
        refuse("names", "a string or an iterable of strings", names, TypeError)
    return found
