"""Shards of a model: whether what several hold of it is right and whole, and one hash that no sharding changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..arguments import first_few
from ..comparison import sketch_of
from ..findings import DIFFER, OF_ANOTHER, Verification
from ..laws import Law
from ..layout import whole_steps
from ..records import Record
from ..rectangles import Rectangle

#: Elements that are hashed together: their 64-bit words stay in the cache.
_CHUNK = 1 << 15


@dataclass(frozen=True, eq=False, repr=False)
class ModelVerification(Record):
    """What was found, the same on every rank. It is true if nothing was wrong.

    Attributes
    ----------
    problems : tuple of str
        One line for each tensor that is wrong, with the ranks where it is; where all that a seed makes are of another
        one, or of other names, one line for these.
    checked : int
        How many tensors were checked.
    unchecked : tuple of str
        Names of those whose law is not known: a module computes the values, or a parametrization transforms them.
    digest : str
        Hash of the bits of all parameters, in hexadecimal.
    """

    problems: tuple[str, ...]
    checked: int
    unchecked: tuple[str, ...]
    digest: str

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        more = f" and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
        found = "ok" if self.ok else f"not ok: {self.problems[0]}{more}"
        return f"ModelVerification({self.checked} tensors checked, {found}, digest {self.digest})"

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> ModelVerification:
        """That of which `to_dict` gives these."""
        return cls(tuple(found["problems"]), found["checked"], tuple(found["unchecked"]), found["digest"])

    def __str__(self) -> str:
        lines = [f"PROBLEM {problem}" for problem in self.problems]
        lines += [f"not checked: {', '.join(self.unchecked)}"] if self.unchecked else []
        lines += [f"tensors checked: {self.checked}", f"digest: {self.digest}", "ok" if self else "not ok"]
        return "\n".join(lines)


class Shard(NamedTuple):
    """What a holder tells the others of a tensor: which it is, what is here of it, and what was found."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    places: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    total: int
    checked: bool
    problems: tuple[str, ...] = ()
    sketch: tuple[int, ...] = ()
    fits: bool | None = None

    def judged(self, found: Verification, law: Law) -> Shard:
        """With what was found of its values: the problems, and whether these are of the seed and the name.

        They are not where they have their law, but are other ones nearly all; of part of them nobody knows.
        """
        differ, fits = found.checks.get(DIFFER), None
        if differ is not None and not law.is_fixed:
            fits = True if not differ else False if found.is_of_another else None
        problems = (*self.problems, *([found.summary] if found.problems else []))
        return self._replace(problems=problems, sketch=found.sketch, fits=fits)

    def sketched(self, arrays: Callable[[], list[Any]]) -> Shard:
        """With the sketch of what is here, if every bit of it is right: see `wants_sketches`."""
        return self._replace(sketch=sketch_of(arrays())) if self.fits else self

    @property
    def whole(self) -> tuple[str, tuple[int, ...], str]:
        """Which tensor it is of."""
        return self[:3]

    @property
    def elements(self) -> int:
        """How many are here."""
        return sum(prod(size) for _, size in self.places)


def digest_of(bits: Callable[[Rectangle], Any], rectangle: Rectangle, shape: tuple[int, ...]) -> int:
    """The sum over the elements of a rectangle of a mix of their numbers and bits, which are had for parts of it."""
    total = 0
    for part in rectangle.split(_CHUNK):
        words = _mix(_numbers(part, shape))
        words += bits(part)
        total += int(_mix(words).sum(dtype=np.uint64))
    return total


def _numbers(rectangle: Rectangle, shape: tuple[int, ...]) -> Any:
    """Numbers of its elements in the flattened whole, from one on."""
    numbers = np.ones((), np.uint64)
    for at, length, step in zip(rectangle.offset, rectangle.size, whole_steps(shape), strict=True):
        numbers = np.add.outer(numbers, np.arange(at, at + length, dtype=np.uint64) * np.uint64(step))
    return np.asarray(numbers)


def _mix(words: Any) -> Any:
    """The mix of SplitMix64, a bijection, in place. (Stafford, "Better bit mixing", 2011, variant 13.)"""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        words ^= words >> np.uint64(shift)
        words *= np.uint64(factor)
    words ^= words >> np.uint64(31)
    return words


def put_together(everyone: Sequence[Sequence[Shard]], holder: str = "rank") -> ModelVerification:
    """The verdict on what all have found of their shards; `holder` is what they are called."""
    checked = {shard.name: shard.checked for shards in everyone for shard in shards}
    unchecked = tuple(name for name, was in checked.items() if not was)
    distinct: dict[Any, Shard] = {}
    for shard in chain.from_iterable(everyone):
        distinct.setdefault((shard.whole, shard.places), shard)
    lines = problems_of(everyone, holder)
    if len(everyone) > 1:
        lines += _incomplete(distinct.values())
    return ModelVerification(tuple(lines), len(checked) - len(unchecked), unchecked, _combined(distinct.values()))


def wants_sketches(everyone: Sequence[Sequence[Shard]]) -> bool:
    """Whether wrong values may be those of a shard that is right.

    Right ones have no sketch at first: it takes three times as long as to compare every bit.
    """
    every = [*chain.from_iterable(everyone)]
    return any(shard.fits for shard in every) and any(shard.sketch and not shard.fits for shard in every)


def problems_of(everyone: Sequence[Sequence[Shard]], holder: str = "rank") -> list[str]:
    """A line for each tensor that is wrong; where none is of its seed and name, one for all of these."""
    found: dict[tuple[str, int], list[str]] = {}
    first: dict[Any, tuple[int, Shard]] = {}
    holders = _right_ones(everyone)
    strange = _strange(everyone)
    for rank, shards in enumerate(everyone):
        for shard in shards:
            is_strange = bool(strange) and shard.fits is False
            problems = found.setdefault((shard.name, rank), list(shard.problems[:-1] if is_strange else shard.problems))
            other, replica = first.setdefault((shard.whole, shard.places), (rank, shard))
            if replica.total != shard.total:
                problems.append(f"not equal to its replica on {holder} {other}")
            if other == rank and not shard.fits and (copied := _copied(shard, rank, holders, holder)):
                problems[:] = [copied, *map(_bits_alone, problems)]
    lines = _by_holders(found, len(everyone), holder)
    if strange:
        said = f"of their laws, but of another seed, or of other names ({next(iter(strange.values()))})"
        lines.insert(0, f"{first_few(strange)}: {said}")
    return lines


def _strange(everyone: Sequence[Sequence[Shard]]) -> dict[str, str]:
    """By name, what is wrong with tensors of another seed, where there are several and none is of this one."""
    every = [*chain.from_iterable(everyone)]
    found = {shard.name: _bits_alone(shard.problems[-1]) for shard in every if shard.fits is False}
    return {} if len(found) < 2 or any(shard.fits for shard in every) else found


def _bits_alone(problem: str) -> str:
    """Without where the values may be from, which is said otherwise."""
    start = f"{OF_ANOTHER} ("
    return problem.removeprefix(start).removesuffix(")") if problem.startswith(start) else problem


def _right_ones(everyone: Sequence[Sequence[Shard]]) -> dict[int, tuple[int, str]]:
    """Where the values of right shards are: what has them too is the copy, whichever comes first."""
    holders: dict[int, tuple[int, str]] = {}
    for rank, shards in enumerate(everyone):
        for shard in shards:
            holders.update({one: (rank, shard.name) for one in shard.sketch if shard.fits and one not in holders})
    return holders


def _copied(shard: Shard, rank: int, holders: dict[int, tuple[int, str]], holder: str) -> str:
    """Whether values of it have been seen elsewhere; now they have been seen here."""
    held = next((holders[one] for one in shard.sketch if one in holders), None)
    for one in shard.sketch:
        holders.setdefault(one, (rank, shard.name))
    if held is None:
        return ""
    other, name = held
    whose = "that" if name == shard.name else name
    return f"has values of {whose}" + (f" on {holder} {other}" if other != rank else "")


def _by_holders(found: Mapping[tuple[str, int], list[str]], holders: int, holder: str) -> list[str]:
    """One line for each tensor and what is wrong with it, with those that hold it."""
    where: dict[tuple[str, str], list[int]] = {}
    for (name, rank), problems in found.items():
        if problems:
            where.setdefault((name, "; ".join(problems)), []).append(rank)
    if holders == 1:
        return [f"{name}: {what}" for name, what in where]
    return [
        f"{name}, {holder}{'s' * (len(at) > 1)} {', '.join(map(str, at))}: {what}" for (name, what), at in where.items()
    ]


def _incomplete(shards: Iterable[Shard]) -> list[str]:
    """Tensors whose shards are not the whole."""
    held: Counter[Any] = Counter()
    for shard in shards:
        held[shard.whole] += shard.elements
    return [
        f"{name}: its shards have {count} elements where {dtype} of shape {shape} has {prod(shape)}"
        for (name, shape, dtype), count in held.items()
        if count != prod(shape)
    ]


def _combined(shards: Iterable[Shard]) -> str:
    totals: Counter[Any] = Counter()
    for shard in shards:
        totals[shard.whole] += shard.total
    text = repr(sorted((*whole, total % 2**64) for whole, total in totals.items()))
    return blake2b(text.encode(), digest_size=16, person=b"fastinit model").hexdigest()
