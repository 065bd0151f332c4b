"""The first loss: the cross-entropy of a network that has learned nothing, beside that of one that says nothing."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, isfinite, log, sqrt
from typing import Any

import numpy as np

from ..arguments import integer

#: What a profile has of it where the number of classes is known: for labels that are random, and log K.
FIRST_LOSS_FIELDS = ("first_loss", "uniform_loss")

#: More classes than any network tells apart.
_MOST = 1 << 31
#: Deviation of logits from which on only the largest counts, so that the loss is in proportion: to 1e-3.
_LARGE = 32.0
#: Between the places of sums that stand for integrals: smooth as these are, they are off by 1e-8.
_STEP = 0.5


def checked_classes(classes: Any) -> int | None:
    """None where it is not said how many there are."""
    return None if classes is None else integer("classes", classes, 2, _MOST)


@lru_cache(256)
def loss_of_readout(second_moment: float, classes: int) -> float:
    """The expected first loss by a linear readout, of weights of variance 1 / outputs, of outputs of one length.

    Its logits are K independent normals s. For S = sum(exp s), log S is the integral over u of
    ``exp(-e^u) - exp(-S e^u)``: from a on the first part is -a - 0.577..., and the second has the expectation
    ``(E exp(-e^(u + s)))^K``.
    """
    if not isfinite(second_moment):
        return second_moment
    deviation = min(sqrt(second_moment), _LARGE)
    unit = np.linspace(-8, 8, 65 + ceil(16 * deviation / _STEP))
    weights = np.exp(-(unit**2) / 2)
    low, high = -8 * deviation - log(classes) - 40, 8 * deviation + 5
    places = np.arange(low, high, _STEP)
    inner = np.exp(-np.exp(places[:, None] + deviation * unit)) @ (weights / weights.sum())
    found = -low - np.euler_gamma - _STEP * (float((inner**classes).sum()) - 0.5)
    return found * max(sqrt(second_moment) / _LARGE, 1.0)


def loss_fields(classes: int | None, second_moment: float) -> dict[str, float]:
    """The fields, of outputs on which a readout of so many classes stands; none where their number is not known."""
    if classes is None:
        return {}
    return dict(zip(FIRST_LOSS_FIELDS, (loss_of_readout(second_moment, classes), log(classes)), strict=True))
