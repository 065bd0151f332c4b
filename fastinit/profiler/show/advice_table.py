"""The table of advice: a row for the network as it is, and one for each change that was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..tangent_kernel import ratio_words
from .table import KERNEL_HEADERS, KERNEL_MEANING, number, places_kept
from .tables import Shown, empty, escape

if TYPE_CHECKING:
    from ..result.advice import Advice, Trial


def table(advice: Advice) -> Shown:
    """How it trains, the two ratios of the tangent kernel, and the outputs' second moment."""
    heads = ["", "\n\nSGD", "\n\nAdam", *KERNEL_HEADERS, "outputs\n\nE x²", ""]
    rows = [_cells(one) for one in (advice.before, *advice.trials)]
    kept = places_kept([*zip(heads, *rows, strict=True)], _SPARE, {0: _CHANGE})
    said = f"{advice.short}\n{KERNEL_MEANING}\noutputs E x²: their second moment"
    made = empty(escape(said), [heads[place] for place in kept])
    made.columns[0].justify, made.columns[0].no_wrap, made.columns[0].overflow = "left", False, "fold"
    for row in rows:
        made.add_row(*(row[place] for place in kept))
    return made


#: Places of the columns that may be left out, the last of these first; and how wide a change is at least.
_SPARE, _CHANGE = (3, 4, 5), 20


def _cells(trial: Trial) -> list[str]:
    mean, median, off, outputs = (
        trial.sgd.numbers.get(name, np.nan) for name in ("over_mean", "over_median", "rounding", "outputs")
    )
    ratios = (ratio_words(ratio, off, number) for ratio in (mean, median))
    mends = "[green]mends[/]" * (trial.mends and bool(trial.change))
    return [escape(str(trial)), trial.sgd.grade, trial.adam.grade, *ratios, number(outputs), mends]
