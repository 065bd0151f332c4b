"""Plot: time per value by size, the rates of all peers, the cost of profiles, and PyTorch, from stored results."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from .standings import REFERENCES
from .targets import Results, number, ratio

_OWN = "tab:red"
_OTHERS = ("tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:pink", "tab:gray", "tab:cyan")


def draw(results: Results, folder: Path) -> list[Path]:
    """Write sizes.png, peers.png, profiles.png and torch.png, those for which there are races; returns their paths."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    draws = {"sizes": (_sizes, "fills"), "peers": (_peers, "fills"), "profiles": (_sweeps, "sweep")}
    draws["torch"] = (_torch, "torch")
    run = {race["group"] for race in results["races"]}
    figures = {f"{name}.png": draw(results) for name, (draw, group) in draws.items() if group in run}
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=130, bbox_inches="tight")
    return [folder / name for name in figures]


def _panels(count: int, **settings: Any) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * count, 4.2), layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False, **settings)[0]


def _fills(results: Results, start: str) -> list[Results]:
    return [race for race in results["races"] if race["group"] == "fills" and race["name"].startswith(start)]


def _sizes(results: Results) -> Any:
    """A panel for each law in float32, log-log."""
    laws = ("normal", "uniform", "truncated")
    figure, panels = _panels(len(laws), sharey=True)
    styles = _styles([race for law in laws for race in _fills(results, f"{law} float32 ")])
    lines = {}
    for law, panel in zip(laws, panels, strict=True):
        races = _fills(results, f"{law} float32 ")
        for label in (label for label in styles if any(label in race["entrants"] for race in races)):
            points = [_point(race, label) for race in races if label in race["entrants"]]
            lines[label] = panel.loglog(*zip(*points, strict=True), marker="o", **styles[label])[0]
        panel.set(title=f"{law} float32", xlabel="values in a call")
    panels[0].set_ylabel("ns per value (one thread)")
    figure.legend(lines.values(), lines, loc="outside right upper")
    return figure


def _point(race: Results, label: str) -> tuple[int, float]:
    return race["values"], race["entrants"][label]["median"] / race["values"] * 1e9


def _styles(races: list[Results]) -> dict[str, dict[str, str]]:
    """One style for each entrant, in all panels."""
    others = cycle(_OTHERS)
    styles = {"fastinit": {"color": _OWN}} | {name: {"color": "black", "linestyle": ":"} for name in REFERENCES}
    for label in (label for race in races for label in race["entrants"]):
        if label not in styles:
            styles[label] = {"color": next(others)}
    return styles


def _peers(results: Results) -> Any:
    """A panel for each dtype of the largest normal fill, fastest on top."""
    dtypes = ("float32", "bfloat16", "float64")
    figure, panels = _panels(len(dtypes))
    for dtype, panel in zip(dtypes, panels, strict=True):
        races = _fills(results, f"normal {dtype} ")
        race = max(races, key=lambda race: race["values"], default={"entrants": {}, "values": 0, "name": dtype})
        entries = {label: entry for label, entry in race["entrants"].items() if label not in REFERENCES}
        rates = {label: race["values"] / entry["median"] / 1e6 for label, entry in entries.items()}
        order = sorted(rates, key=rates.__getitem__)
        colors = [_OWN if label == "fastinit" else "tab:gray" for label in order]
        bars = panel.barh(order, [rates[label] for label in order], color=colors)
        panel.bar_label(bars, fmt="%.0f", padding=3)
        panel.set(title=race["name"], xlabel="million values a second (one thread)")
        panel.margins(x=0.15)
    return figure


def _sweeps(results: Results) -> Any:
    """Seconds of a profile by width and by depth, log-log, with the exponent that a straight line through them has."""
    figure, panels = _panels(2)
    for panel, by, fixed in zip(panels, ("width", "depth"), ("depth 4", "width 1024 (dense) and 16384"), strict=True):
        races = [race for race in results["races"] if race["group"] == "sweep" and race["name"].startswith(by)]
        for label, color in (("dense", "tab:blue"), ("matrix_free", _OWN)):
            points = [(r["values"], r["entrants"][label]["median"]) for r in races if label in r["entrants"]]
            if len(points) > 1:
                x, y = np.array(points).T
                power = np.polyfit(np.log(x[-3:]), np.log(y[-3:]), 1)[0]
                panel.loglog(x, y, marker="o", color=color, label=f"{label}: {by}^{power:.2f} at the end")
        panel.set(title=f"batch 32, {fixed}", xlabel=by)
        if by == "depth":
            panel.set_xticks([4, 8, 16, 32, 64], ["4", "8", "16", "32", "64"])
            panel.minorticks_off()
        if panel.lines:
            panel.legend()
    panels[0].set_ylabel("seconds of a profile, forward and back")
    return figure


def _torch(results: Results) -> Any:
    """How many times as fast each race of PyTorch is, the greatest on top."""
    figure, (panel,) = _panels(1)
    figure.set_figwidth(9)
    times = {}
    for race in (race for race in results["races"] if race["group"] == "torch"):
        found = [
            label for label in race["entrants"] if label in ("transformers", "torch", "torch, the whole, then cut")
        ]
        if found and "fastinit" in race["entrants"] and "calls" not in race["name"]:
            times[race["name"]] = ratio(race, "fastinit", found[0]).times.median
    order = sorted(times, key=times.__getitem__)
    figure.set_figheight(max(4.2, 0.28 * len(order)))
    bars = panel.barh(order, [times[name] for name in order], color=_OWN)
    panel.bar_label(bars, [number(times[name]) for name in order], padding=3)
    panel.set(title="fastinit.torch", xlabel="times as fast as torch alone", xscale="log" if times else "linear")
    panel.set_xlim(right=2 * max(times.values(), default=1))
    return figure
