"""Tables of a profile, layer by layer, and of several profiles side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import numpy as np

from ...arguments import choice
from ..result.comparison import shared
from ..result.training import NOT_JUDGED, typical
from ..tangent_kernel import KernelSpectrum, ratio_words
from .kernel import shares_of
from .tables import Shown, cell_len, empty, escape, unmarked

if TYPE_CHECKING:
    from ..result.courses import Course
    from ..result.layer_profile import LayerProfile

#: A thinned table shows about so many rows between the first and the last.
SHOWN = 20
#: What the headers of columns mean.
MEANINGS = {
    "E x²": "second moment of the activations, the mean of their squares",
    "E g²": "second moment of the gradient",
    "theory": "of infinite width",
    "off": "measured, from theory",
    "SE": "measured, from theory, in standard errors",
    "cosine": "mean between examples",
    "within": "mean cosine between the positions of an example",
    "dead": "units without a slope on the batch",
    "units": "those that differ",
    "|∂W|/|W|": "norm of the weight gradient over that of the weights",
    "|W|": "norm of the weights",
    "kernel": "share of the layer in the tangent kernel's trace",
}
#: What the ratios of the tangent kernel are called in all tables, and are.
KERNEL_HEADERS = ("kernel\nover\nmean", "kernel\nover\nmedian")
KERNEL_MEANING = (
    "kernel over mean, over median: largest eigenvalue of the tangent kernel over the mean, the median of the others"
)


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


def meanings(shown: list[Column]) -> dict[str, str]:
    """What the headers of these columns mean, each once."""
    return {header: MEANINGS[header] for header, *_ in shown}


def _kernel(profile: LayerProfile[Any]) -> KernelSpectrum | None:
    """Of the drawing in the middle, if a kernel was seen."""
    known = [one for one in profile.kernels if one.known]
    return typical(known) if known else None


def kernel_words(profile: LayerProfile[Any]) -> dict[str, str]:
    """What the verdict asks of the tangent kernel, of the drawing in the middle."""
    one = _kernel(profile)
    if one is None:
        return {}
    mean, median = (ratio_words(ratio, one.rounding) for ratio in (one.over_mean, one.over_median))
    return {
        "tangent kernel": f"of {one.examples:.0f} examples: eigenvalues: largest {one.largest:.3g}; kernel over mean "
        f"{mean}, over median {median}, of the others; effective rank {one.effective_rank:.3g}"
    }


def _width(profile: LayerProfile[Any], shown: list[Column]) -> int:
    first = max(map(len, ("layer", *profile.network.labels)))
    return first + sum(1 + max(len(header), *(len(form(value)) for value in values)) for header, values, form in shown)


def table(profile: LayerProfile[Any], layers: str = "some") -> Shown:
    """The table of one profile; columns at the right that a terminal of this width has no room for are left out."""
    choice("layers", layers, ("some", "all"))
    labels = profile.network.labels
    sections = profile.sections(SHOWN) if layers == "some" else [[*range(len(labels))]]
    rows, shown, verdict = sum(map(len, sections)), columns(profile), profile.verdict
    while len(shown) > 1 and _width(profile, shown) > get_terminal_size().columns:
        shown.pop()
    left = [f"{rows} of {len(labels)} rows: table('all') or --all shows all"] * (rows < len(labels))
    said = [
        *left,
        "; ".join(f"{header}: {meaning}" for header, meaning in meanings(shown).items()),
        *filter(None, [profile.notation]),
        profile.description,
        *(f"{key} {text}" for key, text in kernel_words(profile).items()),
        verdict.training,
        verdict.signal,
    ]
    made = empty(escape("\n".join(said)), ["layer", *(header for header, *_ in shown)])
    made.padding = (0, int(_width(profile, shown) + len(shown) < get_terminal_size().columns), 0, 0)
    made.columns[0].justify = "right" if labels[-1].isdigit() else "left"
    for section in sections:
        for layer in section:
            cells = (form(values[layer]) for _, values, form in shown)
            made.add_row(escape(labels[layer]), *cells, end_section=layer == section[-1])
    return made


_COLOURS = {"stable": "green", "dead": "red", "symmetric": "red", "not finite": "red"}


def overview(profiles: Mapping[str, LayerProfile[Any]]) -> Shown:
    """One row for each of several profiles: verdict, how it trains and by which ratios, factors, and dead units.

    Columns for which there is no room beside the names are left out.
    """
    rows = [[escape(name), *_summary(profile)] for name, profile in profiles.items()]
    heads = ["", "verdict", "trains\n\nSGD", "\n\nAdam", *KERNEL_HEADERS]
    heads += ["E x²\nper\nlayer", "\n\nin all", "E g²\nper\nlayer", "\n\nin all", "\n\ndead", "\n\nunits"]
    kept = places_kept([*zip(heads, *rows, strict=True)], _SPARE, {1: VERDICT})
    told = [shared(profiles.values()), *dict.fromkeys(one.notation for one in profiles.values())]
    told += [KERNEL_MEANING, "factors of the second moment: per layer, and in all over the interior layers"]
    made = empty(escape("\n".join(filter(None, told))), [heads[place] for place in kept])
    for column in made.columns[:2]:
        column.justify, column.no_wrap, column.overflow = "left", False, "fold"
    made.columns[1].max_width = VERDICT
    for row in rows:
        made.add_row(*(row[place] for place in kept))
    return made


#: Widest column of verdicts, whose words are then below one another.
VERDICT = 10
#: Places of what may be left out, the last of these first: units, dead, over median, the factors, over mean.
_SPARE = (4, 6, 7, 8, 9, 5, 10, 11)


def places_kept(columns: Sequence[Sequence[str]], spare: Sequence[int], widest: Mapping[int, int]) -> list[int]:
    """Places of the columns, each a header and cells, for which a terminal has room: the last of the spare go first.

    Some are at most so wide, by place: what is wider is folded.
    """
    lines = ("\n".join(map(unmarked, cells)).splitlines() for cells in columns)
    widths = [min(max(map(cell_len, some), default=0), widest.get(place, 1 << 10)) for place, some in enumerate(lines)]
    kept, left = [*range(len(columns))], [*spare]
    while left and sum(1 + widths[place] for place in kept) > get_terminal_size().columns:
        kept.remove(left.pop())
    return kept


def _summary(profile: LayerProfile[Any]) -> list[str]:
    """The cells of an overview beside the name."""
    verdict, one = profile.verdict, _kernel(profile)
    hidden = max(profile.network.depth - 1, 1)
    factors = [number(value) for course in (verdict.forward, verdict.backward) for value in _factors(course)]
    dead, units = (profile.mean(field)[hidden] for field in ("dead_fraction", "distinct_units"))
    kind = f"[{_COLOURS.get(verdict.kind, 'yellow')}]{verdict.kind}[/]"
    trains = ["" if one.grade == NOT_JUDGED else one.grade for one in (verdict.sgd, verdict.adam)]
    ratios = (one.over_mean, one.over_median) if one else (np.nan, np.nan)
    written = [ratio_words(ratio, one.rounding if one else np.nan, number) for ratio in ratios]
    return [kind, *trains, *written, *factors, _share(dead), _count(units)]


def _factors(course: Course | None) -> tuple[float, float]:
    return (np.nan, np.nan) if course is None else (course.rate, course.change)
