"""The table of advice: a row for the network as it is, and one for each change that was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.markup import escape

from ..tangent_kernel import ratio_words
from .table import KERNEL_HEADERS, KERNEL_MEANING, Shown, empty, number

if TYPE_CHECKING:
    from ..result.advice import Advice


def table(advice: Advice) -> Shown:
    """How it trains, the two ratios of the tangent kernel, and the outputs' second moment."""
    headers = ["", "\n\nSGD", "\n\nAdam", *KERNEL_HEADERS, "outputs\n\nE x²", ""]
    made = empty(escape(f"{advice}\n{KERNEL_MEANING}\noutputs E x²: their second moment"), headers)
    made.columns[0].justify, made.columns[0].no_wrap, made.columns[0].overflow = "left", False, "fold"
    for one in (advice.before, *advice.trials):
        mean, median, off, outputs = (
            one.sgd.numbers.get(name, np.nan) for name in ("over_mean", "over_median", "rounding", "outputs")
        )
        ratios = (ratio_words(ratio, off, number) for ratio in (mean, median))
        mends = "[green]mends[/]" * (one.mends and bool(one.change))
        made.add_row(escape(str(one)), one.sgd.grade, one.adam.grade, *ratios, number(outputs), mends)
    return made
