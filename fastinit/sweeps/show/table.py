"""The table of a sweep, a row for each point."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from ...profiler.show.table import Shown, empty, number
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


def headed(sweep: Sweep) -> dict[str, list[str]]:
    """Header and cells of each column that has something to show."""
    headers = dict.fromkeys(sweep.axes) | {name: header for name, header in _SHOWN.items() if name in sweep}
    off = sweep["kernel_rounding"] if "kernel_rounding" in sweep else [nan] * len(sweep["seconds"])
    columns = {
        header or name: [_cell(name, *one, sweep) for one in zip(sweep[name], off, strict=True)]
        for name, header in headers.items()
    }
    return {header: cells for header, cells in columns.items() if any(cells)}


def _cell(name: str, value: Any, rounding: float, sweep: Sweep) -> str:
    if name in sweep.axes:
        return word(value)
    if name == "kernel_over_mean":
        return ratio_words(value, rounding, number)
    return "" if value is None else number(value) if isinstance(value, float) else str(value)


def table(sweep: Sweep) -> Shown:
    """The table."""
    columns = headed(sweep)
    made = empty("factors of the second moment, per layer", list(columns))
    made.columns[-1].no_wrap = False  # it may be a message
    for row in zip(*columns.values(), strict=True):
        made.add_row(*map(escape, row))
    return made
