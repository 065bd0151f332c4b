"""Findings: what `fastinit.verify` has to say of an array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .records import Record
from .streaming import Statistics


@dataclass(eq=False, repr=False)
class Verification(Record):
    """What was found. It is true if nothing was wrong.

    Attributes
    ----------
    problems : list of str
        One line for each; empty if the array is what it is said to be.
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
        """The problems in one line: the first, and how many more."""
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return "".join(self.problems[:1]) + more

    def __str__(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.checks.items()]
        return "\n".join(lines + [f"PROBLEM {problem}" for problem in self.problems] + ["ok" if self.ok else "not ok"])

    def __repr__(self) -> str:
        return f"Verification({self.statistics.count} elements, {'ok' if self.ok else f'not ok: {self.summary}'})"

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Verification:
        """That of which `to_dict` gives these."""
        statistics, sketch = Statistics.from_dict(found["statistics"]), tuple(found["sketch"])
        return cls(statistics, list(found["problems"]), dict(found["checks"]), sketch)
