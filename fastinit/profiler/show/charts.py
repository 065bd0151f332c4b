"""Charts: what a page of profiles draws, and how any page's charts look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from ..result.courses import typical_log
from .axes import GREY, decades, style
from .kernel import SHARES, SPECTRUM, UNIT, bounds_near, shares_of, spectra_of
from .series import Profiles, Series, across, series_of
from .table import MEANINGS, gradient_ratio

if TYPE_CHECKING:
    from ..result.layer_profile import LayerProfile

#: What marks the largest of a kernel's eigenvalues, the mean and the median: by Plotly, and in words.
_MARKS = {"star": "★", "cross": "+", "x": "\u00d7"}
#: Plotly's names of the markers.
_SYMBOLS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "p": "pentagon",
    "h": "hexagon",
}
#: A long line has about so many markers.
_MARKERS = 15

#: Title, what the symbols are and figure of a chart.
Chart = tuple[str, str, Any]


def charts_of(profiles: Profiles) -> list[Chart]:
    """Those that have something to show."""
    typical = " (geometric mean)" if any(one.repeats > 1 for one in profiles.values()) else ""
    wanted = (
        (f"Activations, forward: E x²{typical}", "E x²", "act_second_moment", True),
        (f"Gradient, backward: E g²{typical}", "E g²", "grad_act_second_moment", True),
        ("|∂W|/|W|: weight gradient over weight", "|∂W|/|W|", "ratio", True),
        ("Mean cosine between inputs", "", "cosine", False),
        ("Mean cosine between positions of an input", "", "position_cosine", False),
        ("Share of dead units", "dead", "dead_fraction", False),
        ("Distinct units", "units", "distinct_units", True),
    )
    made = [(title, MEANINGS.get(sign, ""), _chart(profiles, name, log)) for title, sign, name, log in wanted]
    return [one for one in (*made, _spectra(profiles), _shares(profiles)) if one[-1].data]


def _spectra(profiles: Profiles) -> Chart:
    """Eigenvalues of the kernels, and the bounds of the verdict."""
    chart, found = go.Figure(), spectra_of(profiles)
    labels = list(profiles)
    for place, one in found.items():
        looks = looks_of(place) | ({"mode": "lines"} if place is None else {})
        label = labels[place] if place is not None else "all" if len(profiles) > 1 else "measured"
        order = list(range(1, len(one.eigenvalues) + 1))
        chart.add_scatter(x=order, y=_positive(one.eigenvalues), name=label, **looks)
        places, heights = zip(*one.marks.values(), strict=True)
        colour = looks["line"]["color"]
        marker = {"color": (GREY, colour, colour), "size": 11, "symbol": list(_MARKS)}  # the largest is the same of all
        chart.add_scatter(x=places, y=_positive(heights), name=label, mode="markers", hovertext=list(one.marks),
                          marker=marker | {"line": {"width": 1, "color": "#ffffff"}})  # fmt: skip
    if not found:
        return SPECTRUM, "", chart
    near, far = bounds_near(found)
    for bound in near:
        chart.add_hrect(bound.no, bound.slow, fillcolor=GREY, opacity=0.25, line_width=0)
        chart.add_annotation(x=0, y=np.log10(bound.no), xref="x domain", text=bound.name, showarrow=False,
                             xanchor="left", yanchor="top", font={"size": 10})  # fmt: skip
    values = [*(value for one in found.values() for value in (one.largest, *one.eigenvalues)), *(b.no for b in near)]
    longest = max(len(one.eigenvalues) for one in found.values())
    chart.update_layout(layout(np.array(values), True, "place (0: the largest of all)", _whole(longest)))
    key = ", ".join(
        f"{sign} {what}" for sign, what in zip(_MARKS.values(), next(iter(found.values())).marks, strict=True)
    )
    key += "; grey: bounds of the verdict, slowly, and below: no; what rounding may have made is not drawn"
    key += "".join(f"; {bound.name}: far below, {bound.slow:.0e} to {bound.no:.0e}" for bound in far)
    return f"{SPECTRUM}, {UNIT}".capitalize(), key, chart


def _shares(profiles: Profiles) -> Chart:
    """Bars, or of several profiles lines."""
    chart, found, series = go.Figure(), shares_of(profiles), series_of(profiles)
    for number, one in enumerate(series):
        place = number if len(profiles) > 1 else 0
        if place not in found:
            continue
        if len(profiles) > 1:
            _add(chart, one, found[place])
        else:
            colour = style(one.place if len(series) > 1 else None)[0]
            name = one.label or "measured"
            chart.add_bar(**_points(one, found[place]), name=name, width=0.8, marker={"color": colour})
    if found:
        chart.update_layout(layout(np.ones(1), False, *_along(profiles)), barmode="overlay")
        chart.update_layout(yaxis_range=(0, 1.05 * max(np.nanmax(shares) for shares in found.values())))
    return SHARES.capitalize(), "", chart


def _chart(profiles: Profiles, name: str, logarithmic: bool) -> Any:
    chart, drawn = go.Figure(), []
    for one in series_of(profiles):
        values = _values(one.profile, name)
        if np.isnan(one.joined(values)[1]).all():
            continue
        drawn.append(values)
        _add(chart, one, values)
        if f"theory_{name}" in one.profile:
            theory = _points(one, np.asarray(one.profile[f"theory_{name}"], float))
            mode, dash = "lines+markers" if one.has_points else "lines", {"symbol": "line-ew-open", "color": GREY}
            chart.add_scatter(**theory, name=f"{one.label} theory".strip(), mode=mode, marker=dash,
                              line={"color": GREY, "dash": "dash", "width": 2})  # fmt: skip
    shown = layout(np.concatenate(drawn), logarithmic, *_along(profiles)) if drawn else {}
    return chart.update_layout(shown)


def _values(profile: LayerProfile[Any], name: str) -> Any:
    if name == "ratio":
        return gradient_ratio(profile)
    return np.exp(typical_log(profile, name)) if name.endswith("second_moment") else profile.mean(name)


def _add(chart: Any, series: Series, values: Any) -> None:
    """The lines of a series, by layer."""
    points, looks = _points(series, values), looks_of(series.place)
    if None in points["x"]:  # several lines, of which some may be one point
        del looks["marker"]["maxdisplayed"]
    chart.add_scatter(**points, name=series.label or "measured", **looks)


def _points(series: Series, values: Any) -> dict[str, Any]:
    """Layers, values and what the layers are called, without what is not there; None is where a line ends."""
    x, y = series.joined(np.where(np.isfinite(values), values, np.nan))
    labels = series.profile.network.labels
    called = ["" if np.isnan(layer) else labels[int(layer)] for layer in x]
    return {"x": finite(x), "y": finite(y), "hovertext": called}


def _along(profiles: Profiles) -> tuple[str, dict[str, Any]]:
    """What an axis of layers is called, and where something stands along it."""
    label, last, names = along = across(profiles)
    named = {"tickvals": list(names), "ticktext": list(names.values()), "tickangle": -45}
    return label, {"range": along.ends, **(named if names else _whole(last))}


def _whole(last: int) -> dict[str, Any]:
    """Whole numbers along an axis up to the last; Plotly would set halves between few."""
    return {"dtick": 1} if last <= 10 else {}


def looks_of(place: int | None) -> dict[str, Any]:
    """Of the lines of a series, the later the thinner, so that equal ones below show; of the rest, rings."""
    colour, marker = style(place)
    sizes = {"size": max(8 - 0.5 * (place or 0), 5), "maxdisplayed": _MARKERS}
    symbol = _SYMBOLS[marker] + "-open" * (place is None)
    return {
        "mode": "lines+markers",
        "line": {"color": colour, "dash": "solid", "width": max(2.5 - 0.25 * (place or 0), 1.25)},
        "marker": {"color": colour, "symbol": symbol, **sizes},
    }


def layout(values: Any, logarithmic: bool, label: str, places: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Of a chart of these values by what the label says, and what stands along that axis if that is not Plotly's."""
    clear, axis = "rgba(0,0,0,0)", {"zeroline": False, "automargin": True}
    if logarithmic:
        low, high = decades(values)
        scale: dict[str, Any] = {"type": "log", "exponentformat": "power", "range": (low, high)}
        scale |= {"dtick": 1} if high - low < 8 else {}
    else:
        scale = {"range": (min(0.0, np.nanmin(values)) - 0.03, max(1.0, np.nanmax(values)) + 0.03)}
    return {
        "template": "none",
        "paper_bgcolor": clear,
        "plot_bgcolor": clear,
        "modebar": {"bgcolor": clear},
        "margin": {"l": 60, "r": 15, "t": 15, "b": 45},
        "showlegend": False,
        "xaxis": {"title": {"text": label}, **axis, **(places or {})},
        "yaxis": {**scale, **axis},
    }


def _positive(values: Any) -> list[float | None]:
    return [float(value) if value > 0 else None for value in values]


def finite(values: Any) -> list[float | None]:
    """As JSON has them."""
    return [float(value) if np.isfinite(value) else None for value in values]
