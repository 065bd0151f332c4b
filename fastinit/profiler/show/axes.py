"""Axes: how series are told apart, the ends of a logarithmic axis, and names along an axis of modules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

#: Of Okabe and Ito (2008), told apart by all eyes.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
#: What is measured has a line without gaps, and one of these, by matplotlib: seven, so that with six colours no two of
#: 42 series are the same. Gaps are theory's alone.
MARKERS = "os^Dvph"
#: Of what belongs to no series, or to all.
GREY = "#808080"

#: So many names fit below a chart on the screen of a phone, aslant; and so many characters of each.
_MOST_NAMES, _LONGEST = 16, 16
#: Fewer names than these tell no place; and what share of the modules blocks have if they stand for all.
_FEW, _COVERED = 4, 0.8


class Block(NamedTuple):
    """Modules in a row that are called by the same first words: the place of the first, these words, how many."""

    place: int
    name: str
    modules: int


def style(place: int | None) -> tuple[str, str]:
    """Colour and marker of a series; of what belongs to none or to all (None), grey."""
    if place is None:
        return GREY, MARKERS[0]
    return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]


def decades(values: Any) -> tuple[float, float]:
    """Ends of a logarithmic axis in powers of ten: what is there and a margin, two decades at least."""
    known = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    margin = max(0.05 * (high - low), 0.15, (2 - (high - low)) / 2)
    return float(low - margin), float(high + margin)


def ticks(names: Sequence[str]) -> dict[int, str]:
    """Places along an axis of modules, and what is written there: where blocks begin, as deep as there is room for.

    That is as long as the blocks that are named have most of the modules, or else few would be named.
    """
    paths = _without_shared([tuple(name.split(".")) for name in names])
    found = _blocks(paths, 1)
    for depth in range(2, 1 + max(map(len, paths))):
        deeper = _blocks(paths, depth)
        if len(found) >= _FEW and sum(block.modules for block in deeper) < _COVERED * len(paths):
            break
        found = deeper
    return {block.place: _short(block.name) for block in sorted(found)}


def _without_shared(paths: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Without first words that most of them share and that say nothing: none before a number."""
    while True:
        word, count = Counter(path[0] for path in paths).most_common(1)[0]
        shared = [len(path) > 1 and path[0] == word for path in paths]
        shorter = [path[1:] if cut else path for path, cut in zip(paths, shared, strict=True)]
        numbered = any(path[1].isdigit() for path, cut in zip(paths, shared, strict=True) if cut)
        if 2 * count <= len(paths) or not any(shared) or numbered or len({*shorter}) < len({*paths}):
            return paths
        paths = shorter


def _blocks(paths: list[tuple[str, ...]], depth: int) -> list[Block]:
    """Runs of modules with the same first words, so many; of those too near to each other the largest alone."""
    runs = groupby(range(len(paths)), lambda place: paths[place][:depth])
    found = [Block(places[0], ".".join(words), len(places)) for words, (*places,) in runs]
    apart, kept = -(-len(paths) // _MOST_NAMES), list[Block]()
    for block in sorted(found, key=lambda block: -block.modules):
        if all(abs(block.place - other.place) >= apart for other in kept):
            kept.append(block)
    return kept


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"
