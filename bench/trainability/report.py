"""Report: who was right about which networks, in tables and a picture, from stored results."""

from __future__ import annotations

from math import log
from typing import Any

from .judging import BOUNDS, OPTIMISERS, RULES, TRAINS, Judged, best, ratios, trained
from .networks import FOLDS

_COLOURS = {True: "tab:blue", False: "tab:red"}


def show(results: dict[str, Any], console: Any) -> None:
    """The tables, and what the first rule judges wrongly."""
    networks = results["networks"]
    for fold in FOLDS:
        for optimiser in OPTIMISERS:
            console.print(_table(networks, fold, optimiser))
    first = next(iter(RULES))
    for optimiser in OPTIMISERS:
        console.print(_wrong(networks, first, optimiser))


def counted(networks: list[Judged], rule: str, optimiser: str) -> dict[tuple[bool, bool], int]:
    """How many there are of each (said, trained)."""
    counts = dict.fromkeys([(True, True), (True, False), (False, True), (False, False)], 0)
    for network in networks:
        counts[RULES[rule](network, optimiser), trained(network, optimiser)] += 1
    return counts


def _table(networks: list[Judged], fold: str, optimiser: str) -> Any:
    from rich.table import Table

    some = [network for network in networks if network["fold"] == fold]
    heads = ("rule", "right", "yes, trains", "yes, does not", "no, trains", "no, does not", "a yes is wrong")
    table = Table(*heads, title=f"{optimiser}, fold {fold!r}: {len(some)} networks")
    for rule in RULES:
        counts = counted(some, rule, optimiser)
        right, yes = counts[True, True] + counts[False, False], counts[True, True] + counts[True, False]
        shares = (f"{right / max(len(some), 1):.1%}", f"{counts[True, False] / max(yes, 1):.1%}")
        table.add_row(rule, shares[0], *map(str, counts.values()), shares[1])
    return table


def _wrong(networks: list[Judged], rule: str, optimiser: str) -> Any:
    from rich.table import Table

    heads = ("network", "data", "fold", "said", "best loss", "largest", "by mean", "by median", "second moment")
    table = Table(*heads, title=f"{optimiser}: judged wrongly by {rule!r}")
    for network in networks:
        said = RULES[rule](network, optimiser)
        if said != trained(network, optimiser):
            kernel, numbers = network["kernel"] or {}, (*ratios(network), network["second moment"])
            cells = (f"{number:.3g}" for number in (best(network, optimiser), kernel.get("largest", 0), *numbers))
            table.add_row(network["network"], _data(network), network["fold"], "yes" if said else "no", *cells)
    return table


def _data(network: Judged) -> str:
    words = [network["data"]]
    words += [f"x {network['scale']:g}"] if network["scale"] != 1 else []
    return " ".join([*words, f"+ {network['shift']:g}"] if network["shift"] else words)


def draw(results: dict[str, Any]) -> Any:
    """A panel for each optimiser: the loss after training by the ratio of the largest to the median eigenvalue."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(OPTIMISERS), 4.2), layout="constrained")
    for optimiser, panel in zip(OPTIMISERS, figure.subplots(1, len(OPTIMISERS), sharey=True), strict=True):
        for outcome, colour in _COLOURS.items():
            some = [network for network in results["networks"] if trained(network, optimiser) == outcome]
            points = [(min(ratios(network)[1], 1e20), min(best(network, optimiser), 4.0)) for network in some]
            label = "trains" if outcome else "does not train"
            panel.plot(*zip(*points, strict=True), "o", markersize=4, color=colour, alpha=0.6, label=label)
        panel.axvline(BOUNDS[optimiser][1], color="black", linestyle=":")
        panel.axhline(TRAINS, color="black", linestyle=":")
        panel.set(title=optimiser, xscale="log", xlabel="largest eigenvalue by median, centred")
    panel.legend()
    figure.axes[0].set_ylabel(f"best loss after training (log 10 = {log(10):.2f})")
    return figure
