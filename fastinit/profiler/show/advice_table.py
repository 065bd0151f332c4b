"""The table of advice: a row for the network as it is, and one for each change that was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.markup import escape

from .table import Shown, empty, number

if TYPE_CHECKING:
    from ..result.advice import Advice


def table(advice: Advice) -> Shown:
    """How it trains, the two ratios of the tangent kernel, and the outputs' second moment."""
    caption = f"{advice}\nratios of the tangent kernel: its largest eigenvalue over mean and median of the others"
    made = empty(escape(caption), ["", "SGD", "Adam", "over\nmean", "over\nmedian", "outputs\nE x²", ""])
    made.columns[0].justify, made.columns[0].no_wrap = "left", False
    for one in (advice.before, *advice.trials):
        numbers = [one.sgd.numbers.get(name, np.nan) for name in ("over_mean", "over_median", "outputs")]
        mends = "[green]mends[/]" * (one.mends and bool(one.change))
        made.add_row(escape(str(one)), one.sgd.grade, one.adam.grade, *map(number, numbers), mends)
    return made
