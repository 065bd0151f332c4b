"""Plot: time per value by size, the rates of all peers, the cost of profiles, and PyTorch, from stored results."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from .standings import REFERENCES, rows
from .targets import Results, number

_LAWS = ("normal", "uniform", "truncated", "constant")
_OWN = "tab:red"
_OTHERS = (
    "tab:blue",
    "tab:orange",
    "tab:green",
    "tab:purple",
    "tab:brown",
    "tab:pink",
    "tab:gray",
    "tab:cyan",
    "tab:olive",
)
#: With these, entrants are told apart without colour too; all are measured, so that no line is dashed.
_MARKERS = "s^Dvph<>*"


def draw(results: Results, folder: Path) -> list[Path]:
    """Write those of sizes.png, peers.png, profiles.png and torch.png that have something to show; their paths."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, picture in {"sizes": _sizes, "peers": _peers, "profiles": _sweeps, "torch": _torch}.items():
        figure = picture(results)
        if any(panel.has_data() for panel in figure.axes):
            written.append(folder / f"{name}.png")
            figure.savefig(written[-1], dpi=130, bbox_inches="tight")
    return written


def _panels(count: int, rows: int = 1, **settings: Any) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * count, 4.2 * rows), layout="constrained")
    return figure, figure.subplots(rows, count, squeeze=False, **settings).ravel()


def _fills(results: Results, start: str) -> list[Results]:
    return [race for race in results["races"] if race["group"] == "fills" and race["name"].startswith(start)]


def _sizes(results: Results) -> Any:
    """A panel for each law in float32, log-log, on the same axes."""
    figure, panels = _panels(len(_LAWS), sharex=True, sharey=True)
    styles = _styles([race for law in _LAWS for race in _fills(results, f"{law} float32 ")])
    lines = {}
    for law, panel in zip(_LAWS, panels, strict=True):
        races = _fills(results, f"{law} float32 ")
        for label in (label for label in styles if any(label in race["entrants"] for race in races)):
            points = [_point(race, label) for race in races if label in race["entrants"]]
            lines[label] = panel.loglog(*zip(*points, strict=True), **styles[label])[0]
        panel.set(title=f"{law} float32", xlabel="values in a call")
    panels[0].set_ylabel("ns per value (one thread)")
    figure.legend(lines.values(), lines, loc="outside right upper")
    return figure


def _point(race: Results, label: str) -> tuple[int, float]:
    return race["values"], race["entrants"][label]["median"] / race["values"] * 1e9


def _styles(races: list[Results]) -> dict[str, dict[str, str]]:
    """One style for each entrant, in all panels."""
    others = zip(cycle(_OTHERS), cycle(_MARKERS), strict=False)
    styles = {"fastinit": {"color": _OWN, "marker": "o"}}
    styles |= {
        name: {"color": "black", "marker": mark} for name, mark in zip(REFERENCES, cycle("+x1234"), strict=False)
    }
    for label in (label for race in races for label in race["entrants"]):
        if label not in styles:
            colour, marker = next(others)
            styles[label] = {"color": colour, "marker": marker}
    return styles


def _peers(results: Results) -> Any:
    """A panel for each law and dtype, of its largest fill, fastest on top."""
    kinds = [f"{law} {dtype}" for law in _LAWS for dtype in ("float32", "bfloat16", "float64")]
    figure, panels = _panels(3, len(_LAWS))
    for kind, panel in zip(kinds, panels, strict=True):
        races = _fills(results, f"{kind} ")
        if not races:
            panel.set_axis_off()
            continue
        race = max(races, key=lambda race: race["values"])
        entries = {label: entry for label, entry in race["entrants"].items() if label not in REFERENCES}
        rates = {label: race["values"] / entry["median"] / 1e6 for label, entry in entries.items()}
        order = sorted(rates, key=rates.__getitem__)
        colors = [_OWN if label == "fastinit" else "tab:gray" for label in order]
        bars = panel.barh(order, [rates[label] for label in order], color=colors)
        panel.bar_label(bars, fmt="%.0f", padding=3)
        panel.set(title=race["name"], xlabel="million values a second (one thread)")
        panel.margins(x=0.25)
        panel.set_xlim(left=0)
    return figure


def _sweeps(results: Results) -> Any:
    """Seconds of a profile by width and by depth, log-log, with the exponent that a straight line through them has."""
    figure, panels = _panels(2)
    for panel, by, fixed in zip(panels, ("width", "depth"), ("depth 4", "width 1024 (dense) and 16384"), strict=True):
        races = [race for race in results["races"] if race["group"] == "sweep" and race["name"].startswith(by)]
        for label, color, marker in (("dense", "tab:blue", "s"), ("matrix_free", _OWN, "o")):
            points = [(r["values"], r["entrants"][label]["median"]) for r in races if label in r["entrants"]]
            if len(points) > 1:
                x, y = np.array(points).T
                power = np.polyfit(np.log(x[-3:]), np.log(y[-3:]), 1)[0]
                panel.loglog(x, y, marker=marker, color=color, label=f"{label}: {by}^{power:.2f} at the end")
        panel.set(title=f"batch 32, {fixed}", xlabel=by)
        if by == "depth":
            panel.set_xticks([4, 8, 16, 32, 64], ["4", "8", "16", "32", "64"])
            panel.minorticks_off()
        if panel.lines:
            panel.legend()
    panels[0].set_ylabel("seconds of a profile, forward and back")
    return figure


def _torch(results: Results) -> Any:
    """How many times as fast each race of PyTorch is as the best of torch's ways, on logarithms, so no bars."""
    figure, (panel,) = _panels(1)
    figure.set_figwidth(9)
    found = sorted((row for row in rows(results) if row.race.startswith("torch/")), key=lambda row: row.ratio.times)
    if not found:
        return figure
    names = [f"{row.race.removeprefix('torch/')}, beside {row.peer}" for row in found]
    times = [row.ratio.times.median for row in found]
    figure.set_figheight(max(4.2, 0.28 * len(found)))
    panel.axvline(1, color="black", linewidth=0.8, zorder=0)
    panel.scatter(times, names, color=_OWN)
    white = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    for point in zip(times, names, strict=True):
        panel.annotate(number(point[0]), point, (8, 0), textcoords="offset points", va="center", bbox=white)
    label = "times as fast as what it stands beside (logarithmic)"
    panel.set(title="fastinit.torch", xlabel=label, xscale="log")
    panel.set_xlim(min(*times, 1) / 2, 3 * max(times))
    panel.grid(axis="y", alpha=0.3)
    return figure
