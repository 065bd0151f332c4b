"""The table of a sweep, a row for each point."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

from ...profiler.show.table import VERDICT, number, places_kept
from ...profiler.show.tables import Shown, empty, escape
from ...profiler.tangent_kernel import ratio_words
from .lines import word

if TYPE_CHECKING:
    from ..result import Sweep

#: Headers of columns beside the settings.
_SHOWN = {
    "verdict": "verdict",
    "sgd": "SGD",
    "adam": "Adam",
    "act_second_moment_rate": "E x²\nper layer",
    "grad_act_second_moment_rate": "E g²\nper layer",
    "kernel_over_mean": "kernel\nover mean",
    "seconds": "seconds",
    "error": "error",
}


#: Columns that may be left out, the last of these first; and the widths from which on others are folded.
_SPARE = ("verdict", "act_second_moment_rate", "grad_act_second_moment_rate", "kernel_over_mean", "seconds")
_FOLDED = {"verdict": VERDICT, "error": 20}


def headed(sweep: Sweep) -> dict[str, list[str]]:
    """Header and cells of each column that has something to show."""
    headers = dict.fromkeys(sweep.axes) | {name: header for name, header in _SHOWN.items() if name in sweep}
    columns = {
        header or name: [_cell(name, *one, sweep) for one in zip(sweep[name], roundings(sweep), strict=True)]
        for name, header in headers.items()
    }
    return {header: cells for header, cells in columns.items() if any(cells)}


def roundings(sweep: Sweep) -> list[float]:
    """How far eigenvalues of each point's kernel may be off, over the largest; NaN where none was seen."""
    return list(sweep["kernel_rounding"]) if "kernel_rounding" in sweep else [nan] * len(sweep["seconds"])


def _cell(name: str, value: Any, rounding: float, sweep: Sweep) -> str:
    if name in sweep.axes:
        return word(value)
    if name == "kernel_over_mean":
        return ratio_words(value, rounding, number)
    return "" if value is None else number(value) if isinstance(value, float) else str(value)


def table(sweep: Sweep) -> Shown:
    """The table."""
    columns = [(header, *map(escape, cells)) for header, cells in headed(sweep).items()]
    heads = [header for header, *_ in columns]
    spare = [heads.index(header) for header in map(_SHOWN.get, _SPARE) if header in heads]
    folded = {heads.index(header): width for header, width in _FOLDED.items() if header in heads}
    kept = places_kept(columns, spare, folded)
    made = empty("factors of the second moment, per layer", [heads[place] for place in kept])
    for place, column in zip(kept, made.columns, strict=True):
        if place in folded:
            column.no_wrap, column.overflow = False, "fold"
            column.max_width = None if heads[place] == "error" else folded[place]
    for row in zip(*(columns[place][1:] for place in kept), strict=True):
        made.add_row(*row)
    return made
