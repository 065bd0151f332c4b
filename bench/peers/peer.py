"""What a peer is: its version, and the best of its calls for each race."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from time import perf_counter

import numpy as np

from ..races import Array, Call, Entrant

_CALIBRATION, _FEW = 1 << 17, 1 << 10
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

    def along(self, axis: int) -> Entrants:
        """Ways to make the variances of the buffer along an axis."""
        return {}

    def activation(self, name: str) -> Entrants:
        """Ways to make new arrays of an activation of the buffer and of its slope."""
        return {}

    def gram(self) -> Entrants:
        """Ways to make the products of all pairs of rows of the buffer, summed in float64."""
        return {}

    def norm(self, name: str, axis: int, centred: bool, eps: float) -> Entrants:
        """Ways to normalise the first matrix of the buffer, and to send the second one back."""
        return {}

    def units(self, normalised: bool, eps: float) -> Entrants:
        """Ways to send the first matrix of the buffer through ReLU, perhaps after batch norm, and the second back.

        They tell both, the Gram matrices of both, and the kurtoses of the first matrix and of what it becomes.
        """
        return {}

    def calls(self) -> dict[str, Call]:
        """The best call for races of `calls`, by their names."""
        return {}

    def fastest(self, what: str, candidates: dict[str, Callable[[Array], Call]], out: Array) -> Call:
        """The candidate that fills 128 Ki values, or few where there are few, in the least time; chosen once."""
        size = _CALIBRATION if out.size >= _FEW else _FEW
        if size == _FEW:
            what += ", few values"
        if what not in self.choices:
            trial = np.zeros(size, out.dtype)
            calls = {label: bind(trial) for label, bind in candidates.items()}
            times = [{label: _seconds(call, _CALIBRATION // size) for label, call in calls.items()} for _ in range(15)]
            self.choices[what] = min(candidates, key=lambda label: min(trial[label] for trial in times))
        return candidates[self.choices[what]](out)


def _seconds(call: Call, loops: int) -> float:
    start = perf_counter()
    for _ in range(loops):
        call()
    return perf_counter() - start
