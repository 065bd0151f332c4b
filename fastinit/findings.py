"""Findings: what `fastinit.verify` has to say of an array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .records import Record
from .streaming import Statistics

#: Begins the problem of an array that has its law, and hardly one of the bits that it should have.
OF_ANOTHER = "of its law, but of another seed, or of another name"
#: The check of bits.
DIFFER = "elements that differ"


@dataclass(eq=False, repr=False)
class Verification(Record):
    """What was found. It is true if nothing was wrong.

    Attributes
    ----------
    problems : list of str
        One line for each, what tells most first; empty if the array is what it is said to be. That bits differ comes
        second where there is more to say.
    checks : dict
        Name of each check to what was measured.
    statistics : Statistics
        Moments of the array.
    sketch : tuple of int
        Hashes of some stretches of 16 values, the least of all there are: two arrays that share one have values in
        common. Empty where the law has few values, or every bit was compared and is right.
    """

    statistics: Statistics
    problems: list[str] = field(default_factory=list)
    checks: dict[str, Any] = field(default_factory=dict)
    sketch: tuple[int, ...] = ()

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # no type says so: typeshed ignores it for lists too

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.ok

    @property
    def summary(self) -> str:
        """The problems in one line: the first, that bits differ, and how many more."""
        shown = self.problems[: 2 if self.checks.get(DIFFER) else 1]
        more = len(self.problems) - len(shown)
        return "; ".join(shown) + (f" (and {more} more)" if more else "")

    @property
    def is_of_another(self) -> bool:
        """Whether it has its law, and nearly all of its elements are other ones: so are those of another seed."""
        return self.problems[:1] != [] and self.problems[0].startswith(OF_ANOTHER)

    def __str__(self) -> str:
        shown = {name: self.checks[name] for name in ("elements", DIFFER)} if self.is_of_another else self.checks
        lines = [f"{name}: {value}" for name, value in shown.items()]
        return "\n".join(lines + [f"PROBLEM {problem}" for problem in self.problems] + ["ok" if self.ok else "not ok"])

    def __repr__(self) -> str:
        return f"Verification({self.statistics.count} elements, {'ok' if self.ok else f'not ok: {self.summary}'})"

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Verification:
        """That of which `to_dict` gives these."""
        statistics, sketch = Statistics.from_dict(found["statistics"]), tuple(found["sketch"])
        return cls(statistics, list(found["problems"]), dict(found["checks"]), sketch)
