"""Pictures of a sweep: one column by another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...profiler.show.plot import clear, curve, legend, literal, picture
from .lines import Lines

if TYPE_CHECKING:
    from ..result import Sweep


def plot(sweep: Sweep, x: str | None, y: str, hue: str | None, path: Any = None, ax: Any = None) -> Any:
    """A line for each value of a hue."""
    lines = Lines(sweep, x, y, hue)
    figure = picture(8, 4.5) if ax is None else ax.figure
    axes = ax or figure.subplots()
    for place, (name, values) in enumerate(lines.items()):
        curve(axes, *values, name, place, place)
    for of in "xy":
        if lines.spans_decades(of):
            axes.set(**{f"{of}scale": "log"})
    if lines.labels is not None:
        axes.set_xticks(range(len(lines.labels)), map(literal, lines.labels))
    axes.set_xlabel(literal(lines.x))
    axes.set_ylabel(literal(lines.y))
    clear(axes)
    if lines.hue is not None:
        legend(figure) if ax is None else axes.legend(frameon=False, fontsize=9)
    if path is not None:
        figure.savefig(path)
    return figure
