"""Reports: one page with interactive charts, which opens without a network."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from ...records import Record, labelled
from ...version import STREAM, VERSION
from ...whole_files import write_whole
from ..result.comparison import shared
from ..result.courses import typical_log
from .axes import decades, line
from .kernel import SHARES, SPECTRUM, UNIT, bounds_near, shares_of, spectra_of
from .table import MEANINGS, columns, gradient_ratio, kernel_words, legend

if TYPE_CHECKING:
    from ..result.layer_profile import LayerProfile
    from ..result.verdict import Verdict

#: What marks the largest of a kernel's eigenvalues, the mean and the median: by Plotly, and in words.
_MARKS = {"star": "★", "diamond": "◆", "square": "■"}

_STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1c1e21; --faint: #63676d; --paper: #ffffff; --line: #d9dce0; --card: #f5f6f8;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --faint: #a3a8af; --paper: #15171a; --line: #363a40; --card: #1f2226; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.3rem; margin: 0.5rem 0; }
h1, p, dd, summary, section { overflow-wrap: anywhere; }
section, details { background: var(--card); border-left: 5px solid #d55e00; border-radius: 4px; }
section, details { padding: 0.5rem 1rem; margin: 0.5rem 0; }
.stable { border-color: #009e73; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; }
.charts { margin: 1rem 0; }
figure { margin: 0; min-width: 0; border: 1px solid var(--line); border-radius: 8px; padding: 0.75rem 0.5rem 0; }
figcaption { padding: 0 0.5rem; font-weight: 600; }
figcaption small { display: block; font-weight: 400; color: var(--faint); }
.chart { height: 20rem; }
.scroll { overflow-x: auto; }
@media (max-width: 40rem) {
  .scroll::before { content: "the table scrolls sideways"; color: var(--faint); font-size: 0.85rem; }
}
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.85rem; }
th, td { text-align: right; padding: 0.15rem 0.6rem; white-space: nowrap; border-bottom: 1px solid var(--line); }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; font-size: 0.9rem; }
dt, footer { color: var(--faint); }
dd { margin: 0; }
summary, a { cursor: pointer; color: inherit; }
footer { font-size: 0.9rem; margin: 1rem 0; }
"""

_SCRIPT = """
"use strict";
const text = (id) => document.getElementById(id).textContent;
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colours = () => ({
  "dragmode": matchMedia("(pointer: coarse)").matches ? false : "zoom",
  "font.color": ink("--ink"), "xaxis.gridcolor": ink("--line"), "yaxis.gridcolor": ink("--line"),
});
const charts = JSON.parse(text("charts"));
const places = charts.map((_, number) => document.getElementById("chart-" + number));
Promise.all(charts.map((chart, number) =>
  Plotly.newPlot(places[number], chart.data, chart.layout,
    { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "resetScale2d"]] })
    .then(() => Plotly.relayout(places[number], colours()))
)).then(() => document.body.classList.add("drawn"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  places.forEach((place) => Plotly.relayout(place, colours())));
document.getElementById("download").href =
  URL.createObjectURL(new Blob([text("numbers")], { type: "application/json" }));
"""

_PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; script-src $hashes; style-src 'unsafe-inline'; img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><style>$style</style></head>
<body><main><h1>$title</h1>$above
<div class="charts">$charts</div>$below
<footer>$note What is zero or not finite has no point on a logarithmic scale.
<a id="download" download="$kind.json">All numbers as JSON</a>. fastinit $version, stream $stream.</footer></main>
<script type="application/json" id="charts">$figures</script>
<script type="application/json" id="numbers">$numbers</script>
<script>$library</script>
<script>$script</script></body></html>
"""
)


def to_html(profiles: Mapping[str, LayerProfile[Any]], path: Any = None) -> str | None:
    """The page of one profile, named "", or of several."""
    made = _page(profiles)
    if path is None:
        return made
    write_whole(Path(path), made)
    return None


def _page(profiles: Mapping[str, LayerProfile[Any]]) -> str:
    numbers = labelled(profiles if isinstance(profiles, Record) else profiles[""])
    if len(profiles) == 1:
        ((_, profile),) = profiles.items()
        verdict = profile.verdict
        drawn = profile.parts
        above = f'<section class="{_mood(verdict)}">{escape(str(verdict))}</section>'
        above += f"<p>{' '.join(f'{_line(place)} {escape(name)}' for place, name in enumerate(drawn) if name)}</p>"
        below = _layers(profile)
    else:
        drawn = profiles
        above, below = "".join(_fold(place, *item) for place, item in enumerate(profiles.items())), ""
    title, note = shared(profiles.values()), "Grey, dashed: theory, of the arithmetic mean."
    return page("profile", title, above, _charts(drawn), below, numbers, note)


def page(
    kind: str, title: str, above: str, charts: list[tuple[str, str, Any]], below: str, numbers: Any, note: str = ""
) -> str:
    """A page of charts, each a title, what its symbols are and a figure, between two texts; numbers as JSON."""
    places = "".join(
        f"<figure><figcaption>{escape(title)}{f'<small>{escape(key)}</small>' if key else ''}</figcaption>"
        f'<div class="chart" id="chart-{number}"></div></figure>'
        for number, (title, key, _) in enumerate(charts)
    )
    library = get_plotlyjs()
    # Scripts are allowed by their hashes, so that nothing a name contains can run; Plotly sets styles as it draws.
    hashes = (b64encode(sha256(script.encode()).digest()).decode() for script in (library, _SCRIPT))
    return _PAGE.substitute(
        hashes=" ".join(f"'sha256-{one}'" for one in hashes),
        kind=kind,
        title=escape(title),
        style=_STYLE,
        above=above,
        charts=places,
        below=below,
        note=note,
        version=VERSION,
        stream=STREAM,
        figures=_inert(f"[{','.join(chart.to_json() for *_, chart in charts)}]"),
        numbers=_inert(json.dumps(numbers, allow_nan=False)),
        library=library,
        script=_SCRIPT,
    )


def _inert(text: str) -> str:
    """JSON that cannot end the element it stands in."""
    return text.replace("<", "\\u003c")


def _mood(verdict: Verdict) -> str:
    return "stable" if verdict.healthy else "ill"


def _fold(place: int, name: str, profile: LayerProfile[Any]) -> str:
    """One of several profiles: its line, name and kind of verdict, and all else when it is opened."""
    verdict = profile.verdict
    return (
        f'<details class="{_mood(verdict)}"><summary>{_line(place)} {escape(name)}: '
        f"<b>{verdict.kind}</b></summary><p>{escape(str(verdict))}</p>{_layers(profile)}</details>"
    )


def _line(place: int) -> str:
    """What the lines of a profile look like."""
    colour, dashes = line_of(place)
    line = f'<line x2="36" y1="5" y2="5" stroke="{colour}" stroke-width="4" stroke-dasharray="{dashes}"/>'
    return f'<svg width="36" height="10">{line}</svg>'


def _layers(profile: LayerProfile[Any]) -> str:
    """What was asked, and all layers in a table."""
    shown = columns(profile)
    asked = {"network": profile.network, "method": profile.method, "seed": profile.seed, "repeats": profile.repeats,
             "dtype": profile.network.dtype, "seconds": f"{profile.seconds:.3g}"}  # fmt: skip
    asked |= {
        key: f"{np.mean(profile[key]):.4g}" for key in profile if key.startswith(("jacobian", "first", "uniform"))
    }
    asked |= kernel_words(profile)
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in asked.items())
    head = "".join(f"<th>{escape(header)}</th>" for header in ("layer", *(header for header, *_ in shown)))
    rows = "".join(
        f"<tr><th>{escape(label)}</th>{''.join(f'<td>{form(values[layer])}</td>' for _, values, form in shown)}</tr>"
        for layer, label in enumerate(profile.network.labels)
    )
    key = escape("; ".join(filter(None, [legend(shown), profile.notation])))
    return f'<dl>{listed}</dl><p><small>{key}</small></p><div class="scroll"><table><tr>{head}</tr>{rows}</table></div>'


def line_of(place: int | None) -> tuple[str, str]:
    """Colour and dashes, in pixels, of a profile's lines."""
    colour, dashes = line(place)
    return colour, ",".join(f"{length}px" for length in dashes or (1, 0))


def _charts(profiles: Mapping[str, LayerProfile[Any]]) -> list[tuple[str, str, Any]]:
    """Title, what the symbols are and figure of each chart that has something to show."""
    typical = " (geometric mean)" if any(one.repeats > 1 for one in profiles.values()) else ""
    wanted = (
        (f"Activations, forward: E x²{typical}", "E x²", "act_second_moment", True),
        (f"Gradient, backward: E g²{typical}", "E g²", "grad_act_second_moment", True),
        ("Weight gradient over weight: |∂W|/|W|", "|∂W|/|W|", "ratio", True),
        ("Mean cosine between inputs", "", "cosine", False),
        ("Mean cosine between positions of an input", "", "position_cosine", False),
        ("Share of dead units", "dead", "dead_fraction", False),
        ("Distinct units", "units", "distinct_units", True),
    )
    made = [(title, MEANINGS.get(sign, ""), _chart(profiles, name, log)) for title, sign, name, log in wanted]
    return [one for one in (*made, _spectra(profiles), _shares(profiles)) if one[-1].data]


def _spectra(profiles: Mapping[str, LayerProfile[Any]]) -> tuple[str, str, Any]:
    """Eigenvalues of the kernels, and the bounds of the verdict."""
    chart, found = go.Figure(), spectra_of(profiles)
    labels = list(profiles)
    for place, one in found.items():
        colour, dash = line_of(place)
        label = "all" if place is None else labels[place]
        order = list(range(1, len(one.eigenvalues) + 1))
        chart.add_scatter(x=order, y=_positive(one.eigenvalues), name=label or "measured", mode="lines",
                          line={"color": colour, "dash": dash})  # fmt: skip
        places, heights = zip(*one.marks.values(), strict=True)
        colours = ("#808080", colour, colour)  # the largest is the same of all
        chart.add_scatter(x=places, y=_positive(heights), name=label or "measured", mode="markers",
                          marker={"color": colours, "size": 9, "symbol": list(_MARKS)},
                          hovertext=list(one.marks))  # fmt: skip
    if not found:
        return SPECTRUM, "", chart
    near, far = bounds_near(found)
    for bound in near:
        chart.add_hrect(bound.no, bound.slow, fillcolor="#808080", opacity=0.25, line_width=0)
        chart.add_annotation(x=0, y=np.log10(bound.no), xref="x domain", text=bound.name, showarrow=False,
                             xanchor="left", yanchor="top", font={"size": 10})  # fmt: skip
    values = [*(value for one in found.values() for value in (one.largest, *one.eigenvalues)), *(b.no for b in near)]
    chart.update_layout(layout(np.array(values), True, "place (0: the largest of all)"))
    key = ", ".join(
        f"{sign} {what}" for sign, what in zip(_MARKS.values(), next(iter(found.values())).marks, strict=True)
    )
    key += "; grey: bounds of the verdict, slowly, and below: no; what rounding may have made is not drawn"
    key += "".join(f"; {bound.name}: far below, {bound.slow:.0e} to {bound.no:.0e}" for bound in far)
    return f"{SPECTRUM}, {UNIT}".capitalize(), key, chart


def _shares(profiles: Mapping[str, LayerProfile[Any]]) -> tuple[str, str, Any]:
    chart, found = go.Figure(), shares_of(profiles)
    for place, (label, profile) in enumerate(profiles.items()):
        if place in found:
            _add(chart, profile, found[place], label, place)
    if found:
        chart.update_layout(layout(np.ones(1), False))
        chart.update_layout(yaxis_range=(0, 1.05 * max(np.nanmax(shares) for shares in found.values())))
    return SHARES.capitalize(), "", chart


def _chart(profiles: Mapping[str, LayerProfile[Any]], name: str, logarithmic: bool) -> Any:
    chart, drawn = go.Figure(), []
    for place, (label, profile) in enumerate(profiles.items()):
        values = _values(profile, name)
        if np.isnan(values).all():
            continue
        drawn.append(values)
        _add(chart, profile, values, label, place)
        if f"theory_{name}" in profile:
            theory = finite(profile[f"theory_{name}"])
            chart.add_scatter(x=list(range(len(values))), y=theory, name=f"{label} theory".strip(), mode="lines",
                              showlegend=False, line={"color": "#808080", "dash": "dash", "width": 2})  # fmt: skip
    return chart.update_layout(layout(np.concatenate(drawn), logarithmic)) if drawn else chart


def _values(profile: LayerProfile[Any], name: str) -> Any:
    if name == "ratio":
        return gradient_ratio(profile)
    return np.exp(typical_log(profile, name)) if name.endswith("second_moment") else profile.mean(name)


def _add(chart: Any, profile: LayerProfile[Any], values: Any, label: str, place: int) -> None:
    """The line of a profile, by layer."""
    colour, dash = line_of(place)
    chart.add_scatter(x=list(range(len(values))), y=finite(values), name=label or "measured", mode="lines+markers",
                      line={"color": colour, "dash": dash}, marker={"size": 5}, connectgaps=True,
                      hovertext=profile.network.labels)  # fmt: skip


def layout(values: Any, logarithmic: bool, across: str = "layer") -> dict[str, Any]:
    """Of a chart of these values by layer, or by something else."""
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
        "xaxis": {"title": {"text": across}, **axis},
        "yaxis": {**scale, **axis},
    }


def _positive(values: Any) -> list[float | None]:
    return [float(value) if value > 0 else None for value in values]


def finite(values: Any) -> list[float | None]:
    """As JSON has them."""
    return [float(value) if np.isfinite(value) else None for value in values]
