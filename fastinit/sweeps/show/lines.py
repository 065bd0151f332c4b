"""Lines: what a picture or a chart of a sweep shows, one column by another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...arguments import choice

if TYPE_CHECKING:
    from ..result import Sweep


#: What columns are called that charts show where nothing is said.
TITLES = {
    "act_second_moment_rate": "activations, forward: E x², factor per layer",
    "grad_act_second_moment_rate": "gradient, backward: E g², factor per layer",
    "cosine_last": "mean cosine between outputs",
    "kernel_over_mean": "kernel over mean",
}


def title(column: str) -> str:
    """A column, along an axis: in words, where it is no keyword."""
    return TITLES.get(column, column.replace("_", " "))


def word(value: Any) -> str:
    """A setting, in a table or beside a line."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], Mapping):
        return f"{value[0]}:{','.join(f'{key}={one}' for key, one in value[1].items())}"
    if isinstance(value, np.ndarray):
        return f"array {value.shape}"
    return str(getattr(value, "__name__", value))


class Lines:
    """Of each line of a picture its name and its numbers; `x` are numbers, or places that `labels` name."""

    def __init__(self, sweep: Sweep, x: str | None, y: str, hue: str | None) -> None:
        self.x = sweep.axes[-1] if x is None else choice("x", x, sweep)
        self.y = choice("y", y, [name for name in sweep if sweep[name].dtype.kind in "iufb"])
        others = [name for name in sweep.axes if name != self.x]
        self.hue = choice("hue", hue, sweep) if hue is not None else others[0] if others else None
        places = sweep[self.x]
        self.labels: list[str] | None = None
        if places.dtype.kind not in "iuf":
            words = [word(value) for value in places]
            self.labels = list(dict.fromkeys(words))
            places = np.array([self.labels.index(one) for one in words])
        names = [""] * len(places) if self.hue is None else [word(value) for value in sweep[self.hue].tolist()]
        self._lines: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
        for name in dict.fromkeys(names):
            mine = np.array(names) == name
            at = np.unique(places[mine])
            values = sweep[self.y].astype(float)
            means = np.array([np.mean(values[mine & (places == one)]) for one in at])
            self._lines[name if self.hue is None else f"{self.hue} {name}"] = at, means

    def items(self) -> Iterator[tuple[str, tuple[NDArray[Any], NDArray[Any]]]]:
        """Name, and x and y, of each."""
        return iter(self._lines.items())

    def is_counted(self, of: str) -> bool:
        """Whether x or y are whole numbers, so that none lies between two of them."""
        return all(line["xy".index(of)].dtype.kind in "iu" for line in self._lines.values())

    def spans_decades(self, of: str) -> bool:
        """Whether x or y is better seen on a logarithmic scale."""
        if of == "x" and self.labels is not None:
            return False
        values = np.concatenate([line["xy".index(of)] for line in self._lines.values()])
        known = values[np.isfinite(values) & (values > 0)]
        return len(known) > 0 and not (values < 0).any() and float(known.max()) > 30 * float(known.min())
