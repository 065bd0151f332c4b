"""Axes: what several profiles are told apart by, and the ends of a logarithmic axis."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Of Okabe and Ito (2008), told apart by all eyes.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#777777")
#: Lengths of dashes and gaps, in which a line below is seen where two are equal; the first line has no gaps.
DASHES = ((), (8, 3), (2, 3), (8, 3, 2, 3), (5, 8))


def line(place: int | None) -> tuple[str, tuple[int, ...]]:
    """Colour and dashes of a profile's lines; of what all have in common (None), grey."""
    if place is None:
        return "#808080", ()
    return COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]


def decades(values: Any) -> tuple[float, float]:
    """Ends of a logarithmic axis in powers of ten: what is there and a margin, two decades at least."""
    known = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    margin = max(0.05 * (high - low), 0.15, (2 - (high - low)) / 2)
    return float(low - margin), float(high + margin)
