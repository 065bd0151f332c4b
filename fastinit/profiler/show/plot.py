"""Pictures: second moments by layer, on a logarithmic scale, with the theory and the limits of floating point."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...whole_files import write_figure
from ..result.courses import typical_log
from ..result.findings import BACKWARD, FORWARD, LIMITS
from ..result.training import NAMES, OPTIMIZERS
from .axes import decades, style
from .kernel import SHARES, SPECTRUM, UNIT, Bound, Spectrum, bounds_near, shares_of, spectra_of
from .series import Across, Profiles, Series, across, series_of, theory_of, whole

if TYPE_CHECKING:
    from ..result.layer_profile import LayerProfile

#: Decades between data and a limit of a dtype within which the limit is drawn.
_NEAR = 2.0
_SMALL = {"fontsize": 7, "color": "#444444"}
#: What marks the largest of a kernel's eigenvalues, the mean and the median.
_MARKS = ("*", "P", "X")


class Picture(Figure):
    """A figure of its own, apart from pyplot, that a notebook shows."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def picture(width: float, height: float) -> Picture:
    """An empty one, in inches."""
    return Picture(figsize=(width, height), dpi=150, layout="constrained")


def plot(profiles: Profiles, path: Any = None, ax: Any = None) -> Any:
    """One profile in one panel, forward and backward; or several series, in a panel for each direction.

    Below are the eigenvalues of the tangent kernel, and the shares of the layers in it, where it was seen.
    """
    several = ax is None and len(series_of(profiles)) > 1
    figure = _several(profiles) if several else _one(next(iter(profiles.values())), ax)
    if path is not None:
        write_figure(figure, path)
    return figure


def _one(profile: LayerProfile[Any], ax: Any) -> Any:
    one = {"": profile}
    if ax is not None:
        figure, panel = ax.figure, Panel(ax, one)
    elif spectra_of(one):
        figure = picture(9, 8)
        axes: dict[str, Any] = figure.subplot_mosaic([["both ways", "both ways"], ["spectrum", "shares"]])
        panel = Panel(axes["both ways"], one)
        spectra(axes["spectrum"], one)
        shares(axes["shares"], one)
    else:
        figure = picture(9, 5)
        panel = Panel(figure.subplots(), one)
    panel.add(whole("activations, forward", profile, 0), FORWARD)
    panel.add(whole("gradient, backward", profile, 1), BACKWARD)
    panel.finish(str(profile.network), _typical(one))
    if ax is None:
        legend(figure)
    else:
        panel.legend()
    return figure


def _several(profiles: Profiles) -> Any:
    kernel = bool(spectra_of(profiles))
    figure = picture(11, 9.2 if kernel else 4.8)
    panels = figure.subplots(1 + kernel, 2, squeeze=False)
    for axes, name, title in zip(panels[0], (FORWARD, BACKWARD), TITLES, strict=True):
        overlay(axes, profiles, name).finish(title, _typical(profiles))
    if kernel:
        spectra(panels[1, 0], profiles)
        shares(panels[1, 1], profiles)
    if len(profiles) == 1:
        figure.suptitle(*(literal(str(profile.network)) for profile in profiles.values()), fontsize=11)
    legend(figure)
    return figure


def _typical(profiles: Profiles) -> str:
    """What the numbers are."""
    return "second moment" + " (geometric mean)" * any(one.repeats > 1 for one in profiles.values())


TITLES = ("activations, forward: E x²", "gradient, backward: E g²")


def overlay(axes: Any, profiles: Profiles, name: str) -> Panel:
    """A panel with one field of several series."""
    panel = Panel(axes, profiles)
    for one in series_of(profiles):
        panel.add(one, name)
    return panel


def spectra(axes: Any, profiles: Profiles) -> None:
    """A panel with the eigenvalues of the tangent kernels, and the bounds that the verdict holds them against."""
    found = spectra_of(profiles)
    if not found:
        axes.set_axis_off()
        return
    for place, one in found.items():
        _spectrum(axes, one, place)
    near, far = bounds_near(found)
    ends = np.array([end for bound in near for end in (bound.slow, bound.no)])
    low, high = decades(np.concatenate([*(_heights(one) for one in found.values()), ends]))
    low -= 0.12 * (high - low)  # for the text
    axes.set_yscale("log")
    axes.set_ylim(10.0**low, 10.0**high)
    for bound in near:
        _bound(axes, bound, "bounds of the verdict" if bound is near[0] else "")
    said = "; ".join(f"{bound.name}: far below, {bound.slow:.0e} to {bound.no:.0e}" for bound in far)
    axes.annotate(said, (0.02, 0.0), (0, 4), "axes fraction", "offset points", **_SMALL)
    for place, one in found.items():
        if not one.eigenvalues.all():
            zero = np.flatnonzero(one.eigenvalues == 0)[0]
            axes.plot([zero + 1], [10.0**low], "v", markersize=8, color=style(place)[0], clip_on=False)
    _plain(axes, f"{SPECTRUM},\n{UNIT}", "place (0: the largest of all)")
    for marker, label in zip(_MARKS, next(iter(found.values())).marks, strict=True):
        _symbol(axes, marker, f"{label} eigenvalue" if marker == "*" else label)
    if not all(one.eigenvalues.all() for one in found.values()):
        _symbol(axes, "v", "from here on zero, or beyond rounding")


def _symbol(axes: Any, marker: str, label: str) -> None:
    """For the legend alone."""
    axes.plot([], [], marker, color="black", label=label, in_layout=False)


def _heights(one: Spectrum) -> Any:
    parts = [np.array([one.largest]), one.eigenvalues]
    return np.concatenate([*parts, *([] if one.quartiles is None else one.quartiles)])


def _spectrum(axes: Any, one: Spectrum, place: int | None) -> None:
    colour = style(place)[0]
    order = np.arange(1, len(one.eigenvalues) + 1)
    if place is None:
        axes.plot(order, _drawable(one.eigenvalues), color=colour, linewidth=_linewidth(0))
    else:
        curve(axes, order, _drawable(one.eigenvalues), "", place, place)
    if one.quartiles is not None:
        axes.fill_between(order, *map(_drawable, one.quartiles), color=colour, alpha=0.25, linewidth=0)
    for (x, y), marker in zip(one.marks.values(), _MARKS, strict=True):
        largest = marker == _MARKS[0]  # which is the same of all
        axes.plot([x], _drawable(np.array([y])), marker, color="black" if largest else colour, markersize=9,
                  markeredgecolor="white", markeredgewidth=0.8, zorder=4)  # fmt: skip


def _bound(axes: Any, bound: Bound, label: str) -> None:
    axes.axhspan(bound.no, bound.slow, color="#888888", alpha=0.25, linewidth=0, label=label)
    axes.annotate(bound.name, (0.02, bound.no), (0, -3), ("axes fraction", "data"), textcoords="offset points",
                  va="top", **_SMALL)  # fmt: skip


def shares(axes: Any, profiles: Profiles) -> None:
    """A panel with the layers' shares in the trace of the tangent kernel: bars, or of several profiles lines."""
    found, series = shares_of(profiles), series_of(profiles)
    for number, one in enumerate(series):
        place = number if len(profiles) > 1 else 0
        if place not in found:
            continue
        layers, values = one.joined(found[place])
        if len(profiles) > 1:
            curve(axes, layers, values, "", number, number)
        else:
            some = np.isfinite(layers)
            axes.bar(layers[some], values[some], color=style(one.place if len(series) > 1 else None)[0])
    axes.set_ylim(bottom=0)
    _layered(axes, SHARES, across(profiles))


def _layered(axes: Any, title: str, along: Across) -> None:
    """What panels with layers across look like."""
    _plain(axes, title, along.label)
    axes.set_xlim(*along.ends)
    if along.names:
        aslant = {"rotation": 45, "ha": "right", "rotation_mode": "anchor", "fontsize": 8}
        axes.set_xticks([*along.names], [*map(literal, along.names.values())], **aslant)


def _plain(axes: Any, title: str, across: str) -> None:
    """What panels with whole numbers across look like."""
    axes.set_title(literal(title), fontsize=10, loc="left", wrap=True)
    axes.set_xlabel(across)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    clear(axes)


def clear(axes: Any) -> None:
    """What all panels look like: a faint grid below, and no edge that is not an axis."""
    axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def curve(axes: Any, x: Any, y: Any, label: str, place: int | None, before: int) -> None:
    """One of several, without gaps; markers are staggered, so that lines that lie on each other are all seen.

    Where x is not a number one line ends and another begins, and every point has its marker. Without a place there are
    rings.
    """
    colour, marker = style(place)
    x, y = np.asarray(x, float), np.asarray(y, float)
    x, y = (one[np.isnan(x) | ~np.isnan(y)] for one in (x, y))
    every = 1 if np.isnan(x).any() else max(1, len(y) // 10)
    looks = {"linestyle": "none", "markerfacecolor": "none"} if place is None else {"linewidth": _linewidth(place)}
    axes.plot(x, y, color=colour, label=literal(label), marker=marker, markersize=4,
              markevery=(before % every, every), **looks)  # fmt: skip


def legend(figure: Any, panels: Iterable[Any] | None = None) -> None:
    """One legend below all panels, where it hides nothing: of what these have, or all, once."""
    told: dict[str, Any] = {}
    for axes in figure.axes if panels is None else panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            told.setdefault(label, handle)
    across = int(13 * figure.get_figwidth()) // (max(map(len, told), default=0) + 8)  # characters there is room for
    columns = min(max(across, 1), 5)
    figure.legend(told.values(), told, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


class Panel:
    """Axes with layers across and a second moment up."""

    def __init__(self, axes: Any, profiles: Profiles) -> None:
        self.axes = axes
        self._across = across(profiles)
        self._lines: list[tuple[Any, Any, bool, str]] = []
        self._has_outputs = False
        self._values: list[Any] = []

    def add(self, series: Series, name: str) -> None:
        """The geometric mean over repeats, of which verdicts speak, between range and quartiles; and the theory."""
        profile = series.profile
        values = np.asarray(profile[name], float)
        if np.isnan(values).all():
            return
        colour, typical = style(series.place)[0], np.exp(typical_log(profile, name))
        drawn = series.joined(_drawable(typical))
        curve(self.axes, *drawn, series.label, series.place, len(self._values))
        shown = [drawn[1]]
        if len(values) > 1:
            shown += self._bands(series, values, colour)
        if f"theory_{name}" in profile:
            layers, theory = series.joined(_drawable(np.asarray(profile[f"theory_{name}"], float)))
            told = self._once(theory_of(len(values)))
            marker = "_" if series.has_points else ""
            self.axes.plot(layers, theory, "--", color="black", linewidth=1, zorder=3, label=told, marker=marker)
            shown.append(theory)
        self._has_outputs |= name == FORWARD and "outputs" in profile.trains("sgd").numbers
        if not profile.interrupted:  # then NaN is what was not reached
            some = (np.array(line) for line in series.lines if len(line) > 1 or not np.isnan(typical[line]).any())
            self._lines += [(line, typical[line], name.startswith("grad"), colour) for line in some]
        self._values.append(np.concatenate(shown))

    def _bands(self, series: Series, values: Any, colour: str) -> list[Any]:
        """Range and quartiles; the edges of these: the range of heavy tails would leave little room for the rest."""
        for quantiles, alpha, told in (((0, 1), 0.12, "range"), ((0.25, 0.75), 0.25, "quartiles")):
            edges = [_drawable(edge) for edge in np.quantile(values, quantiles, axis=0)]
            for line in series.lines:
                style = {"color": colour, "alpha": alpha, "linewidth": 0, "label": self._once(told)}
                self.axes.fill_between(line, *(edge[line] for edge in edges), **style)
        return edges

    def _once(self, label: str) -> str:
        """A label that the legend is to have once, the first time."""
        return "" if label in self.axes.get_legend_handles_labels()[1] else label

    def finish(self, title: str, label: str = "") -> None:
        """Scales, limits of dtypes and what has left the panel."""
        axes = self.axes
        axes.set_yscale("log")
        low, high = decades(np.concatenate(self._values) if self._values else np.ones(1))
        low, high = self._limits(low, high)
        axes.set_ylim(10.0**low, 10.0**high)
        axes.set_ylabel(label)
        _layered(axes, title, self._across)
        for one in self._lines:
            self._leaves(*one)
        if self._has_outputs:
            self._bounds_of_outputs()

    def legend(self) -> None:
        """A legend of this panel, below it, where it hides nothing."""
        self.axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3)

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

    def _bounds_of_outputs(self) -> None:
        """At the right, where the last second moment is held against them: grey near, and no beyond."""
        bottom, top = self.axes.get_ylim()
        told: dict[float, list[str]] = {}
        for optimizer, bounds in OPTIMIZERS.items():
            for slow, no in (bounds.outputs, bounds.least_outputs):
                if bottom < slow < top:
                    self.axes.axhspan(*sorted((slow, no)), 0.98, 1, color="#888888", alpha=0.25, linewidth=0)
                    told.setdefault(min(max(no, bottom), top), []).append(NAMES[optimizer])
        for at, names in told.items():
            self.axes.annotate(f"outputs,\n{', '.join(names)}", (1, at), (3, 0), ("axes fraction", "data"),
                               "offset points", va="center", **_SMALL)  # fmt: skip

    def _shade(self, low: float, high: float, text: str, edge: str) -> None:
        self.axes.axhspan(10.0**low, 10.0**high, color="#888888", alpha=0.15, linewidth=0)
        at, down, up = (high, -4, "top") if edge == "bottom" else (low, 4, "bottom")
        box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.5}
        self.axes.annotate(text, (0.5, 10.0**at), (0, down), ("axes fraction", "data"), "offset points", ha="center",
                           va=up, bbox=box, **_SMALL)  # fmt: skip

    def _leaves(self, layers: Any, mean: Any, backward: bool, colour: str) -> None:
        """A line to the edge, and an arrow there, where a value is zero, infinite or not a number."""
        order = np.arange(len(mean))[:: -1 if backward else 1]
        gone = order[~(np.isfinite(mean[order]) & (mean[order] > 0))]
        if not len(gone):
            return
        first = int(gone[0])
        before = first + (1 if backward else -1)
        bottom, top = self.axes.get_ylim()
        edge = bottom if mean[first] == 0 else top
        if 0 <= before < len(mean):
            self.axes.plot(layers[[before, first]], [mean[before], edge], color=colour, linewidth=1.8)
        text, up, marker = ("0", 5, "v") if edge == bottom else ("∞", -11, "^")
        self.axes.annotate(text, (layers[first], edge), (6, up), textcoords="offset points", **_SMALL)
        self.axes.plot(layers[[first]], [edge], marker=marker, markersize=8, color=colour, clip_on=False)


def _linewidth(place: int) -> float:
    """The later a line is drawn the thinner it is, so that equal ones below it show at its sides."""
    return max(2.4 - 0.3 * place, 1.0)


def literal(text: str) -> str:
    """Without what matplotlib reads into a text: mathematics between dollars, an underscore that hides a line."""
    return text.replace("$", r"\$").replace("_", " _", text.startswith("_"))


def _drawable(values: Any) -> Any:
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)
