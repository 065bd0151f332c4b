"""Pictures: second moments by layer, on a logarithmic scale, with the theory and the limits of floating point."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..result.findings import BACKWARD, FORWARD, LIMITS
from .axes import COLOURS, decades

if TYPE_CHECKING:
    from ..result.layer_profile import LayerProfile

#: With these, profiles are told apart without colour too.
MARKERS = "os^DvphX"
#: Decades between data and a limit of a dtype within which the limit is drawn.
_NEAR = 2.0
_SMALL = {"fontsize": 7, "color": "#444444"}


class Picture(Figure):
    """A figure of its own, apart from pyplot, that a notebook shows."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def picture(width: float, height: float) -> Picture:
    """An empty one, in inches."""
    return Picture(figsize=(width, height), dpi=150, layout="constrained")


def plot(profiles: Mapping[str, LayerProfile[Any]], path: Any = None, ax: Any = None) -> Any:
    """One profile in one panel, forward and backward; or several, in a panel for each direction."""
    if len(profiles) == 1:
        ((_, profile),) = profiles.items()
        figure = picture(8, 4.5) if ax is None else ax.figure
        panel = Panel(ax or figure.subplots())
        panel.add(profile, FORWARD, "activations, forward", COLOURS[0], MARKERS[0])
        panel.add(profile, BACKWARD, "gradient, backward", COLOURS[1], MARKERS[1])
        panel.finish(str(profile.network), "second moment")
        panel.legend()
    else:
        figure = picture(11, 4.8)
        for axes, name, title in zip(figure.subplots(1, 2), (FORWARD, BACKWARD), TITLES, strict=True):
            overlay(axes, profiles, name).finish(title)
        legend(figure)
    if path is not None:
        figure.savefig(path)
    return figure


TITLES = ("activations, forward: E x²", "gradient, backward: E g²")


def overlay(axes: Any, profiles: Mapping[str, LayerProfile[Any]], name: str) -> Panel:
    """A panel with one field of several profiles."""
    panel = Panel(axes)
    for place, (label, profile) in enumerate(profiles.items()):
        panel.add(profile, name, label, COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)])
    return panel


def legend(figure: Any) -> None:
    """One legend below all panels."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    across = 140 // (max(map(len, labels), default=0) + 8)  # characters that there is room for
    figure.legend(handles, labels, loc="outside lower center", ncols=min(max(across, 1), 5), frameon=False)


class Panel:
    """Axes with layers across and a second moment up."""

    def __init__(self, axes: Any) -> None:
        self.axes = axes
        self._lines: list[tuple[Any, bool, str]] = []
        self._values: list[Any] = []

    def add(self, profile: LayerProfile[Any], name: str, label: str, colour: str, marker: str) -> None:
        """The mean over repeats with the range and the quartiles, and the theory dashed."""
        values = np.asarray(profile[name], float)
        if np.isnan(values).all():
            return
        layers, mean = np.arange(values.shape[1]), values.mean(axis=0)
        every = max(1, len(layers) // 10)  # and staggered, so that lines that lie on each other are all seen
        style = {"color": colour, "label": literal(label), "linewidth": 1.8, "marker": marker, "markersize": 4}
        self.axes.plot(layers, _drawable(mean), markevery=(len(self._values) % every, every), **style)
        shown = [_drawable(mean)]
        if len(values) > 1:
            for low, high, alpha in ((0, 1, 0.12), (0.25, 0.75, 0.25)):
                edges = [_drawable(edge) for edge in np.quantile(values, [low, high], axis=0)]
                self.axes.fill_between(layers, *edges, color=colour, alpha=alpha, linewidth=0)
            shown += edges  # of the quartiles: the range of heavy tails would leave little room for the rest
        if f"theory_{name}" in profile:
            theory = _drawable(np.asarray(profile[f"theory_{name}"], float))
            told = any(line.get_label() == "theory" for line in self.axes.get_lines())
            self.axes.plot(layers, theory, "--", color="black", linewidth=1, zorder=3, label="" if told else "theory")
            self._values.append(theory)
        if not profile.interrupted:  # then NaN is what was not reached
            self._lines.append((mean, name.startswith("grad"), colour))
        self._values.append(np.concatenate(shown))

    def finish(self, title: str, label: str = "") -> None:
        """Scales, limits of dtypes and what has left the panel."""
        axes = self.axes
        axes.set_yscale("log")
        low, high = decades(np.concatenate(self._values) if self._values else np.ones(1))
        low, high = self._limits(low, high)
        axes.set_ylim(10.0**low, 10.0**high)
        axes.set_title(literal(title), fontsize=10, loc="left", wrap=True)
        axes.set_xlabel("layer")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        for line in self._lines:
            self._leaves(*line)

    def legend(self) -> None:
        """A legend of this panel."""
        self.axes.legend(frameon=False, fontsize=9)

    def _limits(self, low: float, high: float) -> tuple[float, float]:
        """Shade where the root of a second moment is outside a dtype's numbers, if the data come near."""
        room = max(1.0, 0.07 * (high - low))  # for the text
        for dtype, limits in LIMITS.items():
            tiny, huge = (2 * np.log10(limit) for limit in limits)
            if low < tiny + _NEAR:
                low = min(low, tiny - room)
                self._shade(low, tiny, f"{dtype} underflow", "bottom")
            if high > huge - _NEAR:
                high = max(high, huge + room)
                self._shade(huge, high, f"{dtype} overflow", "top")
        return low, high

    def _shade(self, low: float, high: float, text: str, edge: str) -> None:
        self.axes.axhspan(10.0**low, 10.0**high, color="#888888", alpha=0.15, linewidth=0)
        at, down, up = (high, -4, "top") if edge == "bottom" else (low, 4, "bottom")
        box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.5}
        self.axes.annotate(text, (0.5, 10.0**at), (0, down), ("axes fraction", "data"), "offset points", ha="center",
                           va=up, bbox=box, **_SMALL)  # fmt: skip

    def _leaves(self, mean: Any, backward: bool, colour: str) -> None:
        """A line to the edge, and an arrow there, where a value is zero, infinite or not a number."""
        order = np.arange(len(mean))[:: -1 if backward else 1]
        gone = order[~(np.isfinite(mean[order]) & (mean[order] > 0))]
        if not len(gone):
            return
        layer = int(gone[0])
        before = layer + (1 if backward else -1)
        bottom, top = self.axes.get_ylim()
        edge = bottom if mean[layer] == 0 else top
        if 0 <= before < len(mean):
            self.axes.plot([before, layer], [mean[before], edge], color=colour, linewidth=1.8)
        text, up, marker = ("0", 5, "v") if edge == bottom else ("∞", -11, "^")
        self.axes.annotate(text, (layer, edge), (6, up), textcoords="offset points", **_SMALL)
        self.axes.plot([layer], [edge], marker=marker, markersize=8, color=colour, clip_on=False)


def literal(text: str) -> str:
    """Without what matplotlib reads into a text: mathematics between dollars, an underscore that hides a line."""
    return text.replace("$", r"\$").replace("_", " _", text.startswith("_"))


def _drawable(values: Any) -> Any:
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)
