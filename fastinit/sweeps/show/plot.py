"""Pictures of a sweep: one column by another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...profiler.show.axes import COLOURS
from ...profiler.show.plot import MARKERS, literal, picture
from .lines import Lines

if TYPE_CHECKING:
    from ..result import Sweep


def plot(sweep: Sweep, x: str | None, y: str, hue: str | None, path: Any = None, ax: Any = None) -> Any:
    """A line for each value of a hue."""
    lines = Lines(sweep, x, y, hue)
    figure = picture(8, 4.5) if ax is None else ax.figure
    axes = ax or figure.subplots()
    for place, (name, values) in enumerate(lines.items()):
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        axes.plot(*values, color=colour, marker=marker, markersize=4, linewidth=1.8, label=literal(name))
    for of in "xy":
        if lines.spans_decades(of):
            axes.set(**{f"{of}scale": "log"})
    if lines.labels is not None:
        axes.set_xticks(range(len(lines.labels)), map(literal, lines.labels))
    axes.set_xlabel(literal(lines.x))
    axes.set_ylabel(literal(lines.y))
    axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if lines.hue is not None:
        axes.legend(frameon=False, fontsize=9)
    if path is not None:
        figure.savefig(path)
    return figure
