"""Pictures of a sweep: one column by another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.ticker import MaxNLocator

from ...profiler.show.plot import clear, curve, legend, literal, picture
from ...whole_files import write_figure
from .lines import Lines, title

if TYPE_CHECKING:
    from ..result import Sweep


def plot(sweep: Sweep, path: Any, ax: Any, x: str | None, y: str, hue: str | None) -> Any:
    """A line for each value of a hue."""
    lines = Lines(sweep, x, y, hue)
    figure = picture(8, 4.5) if ax is None else ax.figure
    axes = ax or figure.subplots()
    for place, (name, values) in enumerate(lines.items()):
        curve(axes, *values, name, place, place)
    for of in "xy":
        if lines.spans_decades(of):
            axes.set(**{f"{of}scale": "log"})
        elif lines.is_counted(of):
            axis = getattr(axes, f"{of}axis")
            axis.set_major_locator(MaxNLocator(integer=True))
    if lines.labels is not None:
        axes.set_xticks(range(len(lines.labels)), map(literal, lines.labels))
    axes.set_xlabel(literal(title(lines.x)))
    axes.set_ylabel(literal(title(lines.y)))
    clear(axes)
    if lines.hue is not None:
        legend(figure) if ax is None else axes.legend(frameon=False, fontsize=9)
    if path is not None:
        write_figure(figure, path)
    return figure
