"""Tables of a profile, layer by layer, and of several profiles side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import StringIO
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...arguments import choice
from ..result.comparison import shared
from ..result.training import NOT_JUDGED, typical
from .kernel import shares_of

if TYPE_CHECKING:
    from ..result.courses import Course
    from ..result.layer_profile import LayerProfile

#: A thinned table shows so many layers, evenly apart; and the first and the last.
SHOWN = 20


class Shown(Table):
    """A rich table that `print`, the prompt and a notebook show as it is."""

    def __str__(self) -> str:
        text = StringIO()
        Console(file=text, width=get_terminal_size().columns).print(self)
        return text.getvalue().rstrip()

    __repr__ = __str__


def number(value: float) -> str:
    """Three digits, as few characters as there are for them; nothing where there is no number."""
    if np.isnan(value):
        return ""
    text = f"{value:.3g}" if value == 0 or 0.01 <= abs(value) < 1e4 else f"{value:.2e}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def _cosine(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}"


def _count(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.0f}" if value == round(value) else f"{value:.1f}"


def _share(value: float) -> str:
    return "" if np.isnan(value) else f"{100 * value:.0f}%"


def _deviation(value: float) -> str:
    return "" if np.isnan(value) else f"{value:+.1f}" if abs(value) < 100 else f"{np.sign(value) * np.inf:+}"


def _off(value: float) -> str:
    return "" if np.isnan(value) else f"{round(100 * value):+}%" if abs(value) < 10 else f"{np.sign(value) * np.inf:+}"


Column = tuple[str, Any, Callable[[float], str]]


def columns(profile: LayerProfile[Any]) -> list[Column]:
    """Header, values by layer and format of each column that has a number; what can best be spared comes last."""
    found: list[Column] = []
    for name, header in (("act_second_moment", "E x²"), ("grad_act_second_moment", "E g²")):
        found.append((header, profile.mean(name), number))
        if f"theory_{name}" in profile:
            found.append(("theory", profile[f"theory_{name}"], number))
            if profile.repeats > 1:
                found.append(("SE", profile.deviation(name), _deviation))
            else:
                with np.errstate(divide="ignore", invalid="ignore"):
                    found.append(("off", profile.mean(name) / profile[f"theory_{name}"] - 1, _off))
    found += [("cosine", profile.mean("cosine"), _cosine), ("within", profile.mean("position_cosine"), _cosine)]
    found.append(("dead", profile.mean("dead_fraction"), _share))
    found.append(("units", profile.mean("distinct_units"), _count))
    found += [("|∂W|/|W|", gradient_ratio(profile), number), ("|W|", profile.mean("weight_norm"), number)]
    found += [("kernel", shares, _share) for shares in shares_of({"": profile}).values()]
    return [column for column in found if not np.isnan(column[1]).all()]


def gradient_ratio(profile: LayerProfile[Any]) -> Any:
    """|∂W| / |W| by layer."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return profile.mean("weight_grad_norm") / profile.mean("weight_norm")


def kernel_words(profile: LayerProfile[Any]) -> dict[str, str]:
    """What the verdict asks of the tangent kernel, of the drawing in the middle."""
    known = [one for one in profile.kernels if one.known]
    if not known:
        return {}
    one = typical(known)
    numbers = {"largest": one.largest, "over the mean": one.over_mean, "over the median": one.over_median}
    said = ", ".join(
        f"{name} {value:.3g}" for name, value in (numbers | {"effective rank": one.effective_rank}).items()
    )
    return {"tangent kernel": f"of {one.examples:.0f} examples: eigenvalues: {said}"}


def _width(profile: LayerProfile[Any], shown: list[Column]) -> int:
    first = max(map(len, ("layer", *profile.network.labels)))
    return first + sum(1 + max(len(header), *(len(form(value)) for value in values)) for header, values, form in shown)


def table(profile: LayerProfile[Any], layers: str = "some") -> Shown:
    """The table of one profile; columns at the right that a terminal of this width has no room for are left out."""
    choice("layers", layers, ("some", "all"))
    depth, labels = profile.network.depth, profile.network.labels
    step = -(-depth // SHOWN) if layers == "some" else 1
    rows = sorted({*range(0, depth + 1, step), min(1, depth), depth})
    shown = columns(profile)
    while len(shown) > 1 and _width(profile, shown) > get_terminal_size().columns:
        shown.pop()
    said = [
        profile.description,
        *(f"{key} {text}" for key, text in kernel_words(profile).items()),
        str(profile.verdict),
    ]
    made = empty(escape("\n".join(said)), ["layer", *(header for header, *_ in shown)])
    made.padding = (0, int(_width(profile, shown) + len(shown) < get_terminal_size().columns), 0, 0)
    made.columns[0].justify = "right" if labels[-1].isdigit() else "left"
    for layer in rows:
        made.add_row(escape(labels[layer]), *(form(values[layer]) for _, values, form in shown))
    return made


_COLOURS = {"stable": "green", "dead": "red", "symmetric": "red", "not finite": "red"}


def overview(profiles: Mapping[str, LayerProfile[Any]]) -> Shown:
    """One row for each of several profiles: verdict, how it trains, factors, and units of the last hidden layer."""
    caption = f"{shared(profiles.values())}\nfactors of the second moment, per layer and over the interior layers"
    factors = ("E x²\nper\nlayer", "\n\nin all", "E g²\nper\nlayer", "\n\nin all")
    headers = ["", "verdict", "trains\n\nSGD", "\n\nAdam", *factors, "\n\ndead", "\n\nunits"]
    made = empty(escape(caption), headers)
    for column in made.columns[:2]:
        column.justify, column.no_wrap = "left", False
    made.columns[1].max_width = 10
    for name, profile in profiles.items():
        verdict = profile.verdict
        hidden = max(profile.network.depth - 1, 1)
        numbers = [number(value) for one in (verdict.forward, verdict.backward) for value in _factors(one)]
        dead, units = (profile.mean(field)[hidden] for field in ("dead_fraction", "distinct_units"))
        kind = f"[{_COLOURS.get(verdict.kind, 'yellow')}]{verdict.kind}[/]"
        trains = ("" if one.grade == NOT_JUDGED else one.grade for one in (verdict.sgd, verdict.adam))
        made.add_row(escape(name), kind, *trains, *numbers, _share(dead), _count(units))
    return made


def _factors(course: Course | None) -> tuple[float, float]:
    return (np.nan, np.nan) if course is None else (course.rate, course.change)


def empty(caption: str, headers: list[str]) -> Shown:
    """A table of numbers without a row."""
    made = Shown(caption=caption, caption_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for header in headers:
        made.add_column(header, justify="right", no_wrap=True)
    return made
