"""Plans: what each array of a model is going to hold, as every door tells it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar, NamedTuple, SupportsIndex, overload

from ..arguments import refuse
from ..dtypes import kind_of
from ..laws import Called, Law
from ..records import Record, aligned, plain
from ..scaling import Fans


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


def check_law(law: Law, shape: tuple[int, ...], name: str, dtype: str, whole: bool = False) -> None:
    """Raise where a law of ours cannot give such an array, or a function cannot be called as it would be.

    `whole` is as in `Called.check_call`.
    """
    if isinstance(law, Called):
        law.check_call(shape, name, dtype, whole)
    else:
        law.fills(shape, kind_of(dtype), 0, name, 1)


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
        return "\n".join(aligned(rows))

    def __repr__(self) -> str:
        return f"Plan({len(self)} parameters, {sum(prod(entry.shape) for entry in self)} elements)"

    def to_dict(self) -> dict[str, Any]:
        """Its entries as dictionaries: name, shape, law, stream, fans, full_name; see `fastinit.laws` for laws."""
        return {"entries": [entry.to_dict() for entry in self]}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Plan:
        """That of which `to_dict` gives these. A law that is a user's function is not read back."""
        return cls(map(Entry.from_dict, found["entries"]))
