"""Reports: one page with interactive charts, which opens without a network."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
from plotly.offline import get_plotlyjs

from ...records import Record, labelled
from ...version import STREAM, VERSION
from ...whole_files import write_whole
from ..result.comparison import shared
from .axes import GREY, style
from .charts import Chart, charts_of
from .series import across, series_of, theory_of
from .table import columns, kernel_words, meanings

if TYPE_CHECKING:
    from ..result.layer_profile import LayerProfile
    from ..result.verdict import Verdict

#: Markers as a key draws them, around (18, 7).
_SHAPES = {
    "o": "M13,7a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z",
    "s": "M13.5,2.5h9v9h-9z",
    "^": "M18,1l6,10.5h-12z",
    "D": "M18,0.5l6.5,6.5l-6.5,6.5l-6.5,-6.5z",
    "v": "M18,13l6,-10.5h-12z",
    "p": "M18,1.5l5.5,4l-2.1,6.5h-6.8l-2.1,-6.5z",
    "h": "M18,1l5.5,3v6l-5.5,3l-5.5,-3v-6z",
}

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
main { background: var(--paper); max-width: 76rem; margin: 0 auto; padding: 1rem; }
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
.scroll.wide::before {
  content: "the table scrolls sideways →"; position: sticky; left: 0; color: var(--faint); font-size: 0.85rem;
}
.scroll, table, tr { background: inherit; }
th:first-child { position: sticky; left: 0; background: inherit; }
@media (max-width: 40rem) {
  .modules th:first-child { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
}
.terms { display: block; columns: 20rem; }
.terms div { display: flex; gap: 0.75rem; break-inside: avoid; }
.terms dt { flex: 0 0 4rem; }
.key { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.1rem 1.2rem; }
.key li { overflow-wrap: anywhere; }
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
const measure = () => document.querySelectorAll(".scroll").forEach((one) =>
  one.classList.toggle("wide", one.scrollWidth > one.clientWidth));
addEventListener("resize", measure);
document.addEventListener("toggle", measure, true);
measure();
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
<footer>What is zero or not finite has no point on a logarithmic scale.
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
    write_whole(path, made)
    return None


def _page(profiles: Mapping[str, LayerProfile[Any]]) -> str:
    numbers = labelled(profiles if isinstance(profiles, Record) else profiles[""])
    repeats = max(one.repeats for one in profiles.values())
    theory = theory_of(repeats) if any(name.startswith("theory_") for one in profiles.values() for name in one) else ""
    if len(profiles) == 1:
        ((_, profile),) = profiles.items()
        verdict = profile.verdict
        above = f'<section class="{_mood(verdict)}">{escape(str(verdict))}</section>'
        above += key([(one.place, one.label or "measured") for one in series_of(profiles)], theory)
        below = _layers(profile)
    else:
        above, below = "".join(_fold(place, *item) for place, item in enumerate(profiles.items())), ""
        above += key((), theory)
    return page("profile", shared(profiles.values()), above, charts_of(profiles), below, numbers)


def key(series: Iterable[tuple[int | None, str]], theory: str = "") -> str:
    """What the lines of the charts are: samples, by their places, and names."""
    samples = [f"{_sample(place)} {escape(name)}" for place, name in series]
    if theory:
        dashed = _drawn(f'<path d="M0,7h36" stroke="{GREY}" stroke-width="2" stroke-dasharray="9,6"/>')
        samples.append(f"{dashed} {theory}")
    return f'<ul class="key">{"".join(f"<li>{sample}</li>" for sample in samples)}</ul>'


def page(kind: str, title: str, above: str, charts: list[Chart], below: str, numbers: Any) -> str:
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
        f'<details class="{_mood(verdict)}"><summary>{_sample(place)} {escape(name)}: '
        f"<b>{verdict.kind}</b></summary><p>{escape(str(verdict))}</p>{_layers(profile)}</details>"
    )


def _sample(place: int | None) -> str:
    """What the line of a series looks like, or the points that no line joins."""
    colour, marker = style(place)
    if place is None:
        return _drawn(f'<path d="{_SHAPES[marker]}" fill="none" stroke="{colour}"/>')
    line = f'<path d="M0,7h36" stroke="{colour}" stroke-width="2.5"/>'
    return _drawn(f'{line}<path d="{_SHAPES[marker]}" fill="{colour}"/>')


def _drawn(paths: str) -> str:
    return f'<svg width="36" height="14">{paths}</svg>'


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
    first = across({"": profile}).label
    head = "".join(f"<th>{escape(header)}</th>" for header in (first, *(header for header, *_ in shown)))
    rows = "".join(
        f"<tr><th>{escape(label)}</th>{''.join(f'<td>{form(values[layer])}</td>' for _, values, form in shown)}</tr>"
        for layer, label in enumerate(profile.network.labels)
    )
    terms = meanings(shown).items()
    told = "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(meaning)}</dd></div>" for term, meaning in terms)
    note = f"<p><small>{escape(profile.notation)}</small></p>" if profile.notation else ""
    table = scrolling(f"<tr>{head}</tr>{rows}", f"{first}s")
    return f'<dl>{listed}</dl><dl class="terms">{told}</dl>{note}{table}'


def scrolling(rows: str, kind: str = "") -> str:
    """A table that says so where it is wider than the screen."""
    return f'<div class="scroll" tabindex="0"><table class="{kind}">{rows}</table></div>'
