"""What a peer is: its version, and the best of its calls for each race."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

from ..races import Array, Call, Entrant

_CALIBRATION = 1 << 17
Entrants = dict[str, Entrant]


class Peer:
    """A peer: its name, its version, and entrants for the races that it can run in.

    `choices` says which of several engines was found the fastest, by law and dtype.
    """

    name = ""
    module = ""

    def __init__(self) -> None:
        self.package = import_module(self.module)
        self.version = getattr(self.package, "__version__", "")
        self.choices: dict[str, str] = {}

    def fills(self, law: str, dtype: str) -> Entrants:
        """Ways to fill the buffer with a law."""
        return {}

    def schemes(self, scheme: str) -> Entrants:
        """Ways to make a square float32 layer."""
        return {}

    def moments(self, order: int, dtype: str) -> Entrants:
        """Ways to reduce the buffer to its variance (order 2) or kurtosis (order 4)."""
        return {}

    def orthogonal(self) -> Entrants:
        """Ways to make a Haar-distributed square matrix."""
        return {}

    def small_layer(self) -> Entrants:
        """Ways to make an 8 x 8 He-normal layer."""
        return {}

    def fastest(self, what: str, candidates: dict[str, Callable[[Array], Call]], out: Array) -> Call:
        """The candidate that fills 128 Ki values in the least time; chosen once for each `what`."""
        if what not in self.choices:
            trial = np.zeros(_CALIBRATION, out.dtype)
            calls = {label: bind(trial) for label, bind in candidates.items()}
            times = [{label: _seconds(call) for label, call in calls.items()} for _ in range(15)]
            self.choices[what] = min(candidates, key=lambda label: min(trial[label] for trial in times))
        return candidates[self.choices[what]](out)


def _seconds(call: Call) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def into(out: Array, fill: Callable[[], Any]) -> Call:
    """A call of `fill`, which writes `out`, that returns `out`."""

    def call() -> Array:
        fill()
        return out

    return call
