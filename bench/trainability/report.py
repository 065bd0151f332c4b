"""Report: who was right about which networks, in tables and a picture, from stored results."""

from __future__ import annotations

from math import isfinite, log, log10
from typing import Any

from fastinit.profiler.result.training import NAMES, OPTIMIZERS
from fastinit.profiler.tangent_kernel import KernelSpectrum

from .data import CLASSES
from .judging import OPTIMISERS, RULES, TRAINS, Judged, best, ratios, trained
from .networks import FOLDS

#: Colour, marker and words of those that train, and of the others.
_OUTCOMES = {True: ("tab:blue", "o", "trains"), False: ("tab:red", "x", "does not train")}
#: What the picture calls the ratios of the verdict; and where its axes end.
RATIOS = {"over_mean": "largest eigenvalue over the mean", "over_median": "largest eigenvalue over the median"}
_MOST_RATIO, _MOST_LOSS = 1e18, 4.0


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
    """The loss after training by each ratio that the verdict holds against a bound, which is shaded where it is near.

    Both are of the profile, for each example of its kernel; what is beyond an axis is at its end.
    """
    from matplotlib.figure import Figure

    panels = [(name, of) for name in OPTIMISERS for of in RATIOS if isfinite(getattr(OPTIMIZERS[name], of)[0])]
    figure = Figure(figsize=(4.6 * len(panels), 4.6), layout="constrained")
    for (name, of), panel in zip(panels, figure.subplots(1, len(panels), sharey=True), strict=True):
        for outcome, (colour, marker, label) in _OUTCOMES.items():
            some = [network for network in results["networks"] if trained(network, name) == outcome]
            points = [(_shown(network, of), min(best(network, name), _MOST_LOSS)) for network in some]
            panel.plot(*zip(*points, strict=True), marker, markersize=4, color=colour, alpha=0.6, label=label)
        slow, no = getattr(OPTIMIZERS[name], of)
        panel.axvspan(slow, no, color="black", alpha=0.15, linewidth=0, label="bounds of the verdict: slowly, no")
        panel.axhline(TRAINS, color="black", linestyle=":", label=f"trains: a loss below {TRAINS:.2f}")
        nothing = log(CLASSES)
        panel.axhline(nothing, color="gray", linestyle="--", label=f"says nothing: log {CLASSES} = {nothing:.2f}")
        beyond = f"10$^{{{log10(_MOST_RATIO):.0f}}}$"
        panel.set(title=f"{NAMES[name]}: {RATIOS[of]}", xscale="log")
        panel.set_xlabel(f"for each example of the kernel ({beyond}: or more)")
    figure.axes[0].set_ylabel(f"best loss after training ({_MOST_LOSS:g}: or more)")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _shown(network: Judged, of: str) -> float:
    """The ratio of the profile's kernel, for each of its examples."""
    kernel = KernelSpectrum(**network["profile's kernel"])
    ratio = getattr(kernel, of) / kernel.examples
    return min(ratio, _MOST_RATIO) if ratio >= 0 else _MOST_RATIO
