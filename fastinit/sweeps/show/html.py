"""Pages of a sweep: charts, and all points in a table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ...profiler.show.charts import finite, layout, looks_of
from ...profiler.show.html import key, page, scrolling
from ...records import plain
from ...whole_files import write_whole
from .lines import TITLES, Lines, word
from .table import headed, roundings

if TYPE_CHECKING:
    from ..result import Sweep


def to_html(sweep: Sweep, path: Any = None) -> str | None:
    """The page, or where it is written."""
    charts = (
        (f"{title[0].upper()}{title[1:]}", _note(sweep, name), _chart(Lines(sweep, None, name, None)))
        for name, title in TITLES.items()
        if name in sweep
    )
    shown = [one for one in charts if one[-1].data]
    axes = {name: [word(value) for value in sweep[name].tolist()] for name in sweep.axes}
    numbers = {"format": "fastinit sweep", "columns": {name: plain(sweep[name]) for name in sweep} | axes}
    title = f"{len(sweep['seconds'])} points over {', '.join(sweep.axes)}"
    made = page("sweep", title, _lines(sweep), shown, _rows(sweep), numbers)
    if path is None:
        return made
    write_whole(path, made)
    return None


def _lines(sweep: Sweep) -> str:
    """What the lines are, where there are several."""
    lines = Lines(sweep, None, "seconds", None)
    return key(enumerate(name for name, _ in lines.items())) if lines.hue is not None else ""


def _note(sweep: Sweep, name: str) -> str:
    """What a title leaves to be said of its column."""
    known = [off for off in roundings(sweep) if off > 0]
    if name != "kernel_over_mean" or not known:
        return ""
    most = 1 / max(known)
    return f"largest eigenvalue of the tangent kernel over the mean of the others; {most:.0e} and more may be rounding"


def _chart(lines: Lines) -> Any:
    chart = go.Figure()
    for place, (name, (x, y)) in enumerate(lines.items()):
        if np.isnan(y).all():
            continue
        chart.add_scatter(x=x.tolist(), y=finite(y), name=name or lines.y, connectgaps=True, **looks_of(place))
    if not chart.data:
        return chart
    values = np.concatenate([y for _, (_, y) in lines.items()])
    chart.update_layout(layout(values, lines.spans_decades("y"), lines.x))
    if lines.spans_decades("x"):
        chart.update_xaxes(type="log", exponentformat="power")
    if lines.labels is not None:
        chart.update_xaxes(tickvals=list(range(len(lines.labels))), ticktext=lines.labels)
    return chart


def _rows(sweep: Sweep) -> str:
    columns = headed(sweep)
    head = "".join(f"<th>{escape(header)}</th>" for header in columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in zip(*columns.values(), strict=True)
    )
    return scrolling(f"<tr>{head}</tr>{rows}")
