"""The picture of a check of coordinates: sizes by width, on logarithmic scales, where level lines are right."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...whole_files import write_figure

#: Panels of steps, evenly apart; and modules in colour, the others being grey.
_PANELS, _NAMED = 4, 7


def chart(check: Any, plot: Any, path: Any = None) -> Any:
    """Of a `CoordinateCheck`, a panel for the start and one for each of some steps, drawn with the module `plot`."""
    steps = sorted({*np.linspace(1, check.steps, min(check.steps, _PANELS)).round().astype(int).tolist()})
    figure = plot.picture(2.2 * (len(steps) + 1) + 2.4, 3.6)
    panels = figure.subplots(1, len(steps) + 1, sharex=True, sharey=True)
    moved = check.moves.power[1:]
    off = np.nan_to_num(np.abs(moved)).max(axis=0)
    named = np.argsort(-off, kind="stable")[:_NAMED].tolist()
    for axes, step in zip(panels, (0, *steps), strict=True):
        values = (check.changes if step else check.coordinates)[:, :, step].mean(axis=0)
        for module in [*set(range(len(off))) - {*named}, *reversed(named)]:
            shown = np.where(values[:, module] > 0, values[:, module], np.nan)
            if module in named:
                steepest = moved[np.nan_to_num(np.abs(moved[:, module])).argmax(), module]
                label, place = f"{steepest:+.2f}  {check.modules[module]}", named.index(module)
                plot.curve(axes, check.widths, shown, label, place, len(named) - 1 - place)
            else:
                axes.plot(check.widths, shown, color="#bbbbbb", linewidth=0.8)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set_xticks(check.widths, [str(width) for width in check.widths], fontsize=7, rotation=45)
        axes.set_title(f"change by step {step}" if step else "size at the start", fontsize=9, loc="left")
        plot.clear(axes)
    panels[0].set_ylabel("mean absolute coordinate")
    figure.supxlabel("width", fontsize=9)
    handles, labels = panels[-1].get_legend_handles_labels()
    title = f"{'passed' if check else 'not passed'}\nsteepest power of the width"
    figure.legend(handles[::-1], labels[::-1], loc="outside right upper", frameon=False, fontsize=8, title=title)
    if path is not None:
        write_figure(figure, path)
    return figure
