"""Result: what a sweep found, as a mapping of columns, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import key, refuse
from ..profiler.drawing import drawn
from ..profiler.result.frames import framed
from ..records import Record, plain, real_number
from ..typing import DataFrame
from .points import WORDS, Row, Settings

#: What a picture shows where nothing is said.
_USUAL = "act_second_moment_rate"


class Sweep(Record, Mapping[str, NDArray[Any]]):
    """Profiles at the points of a product of settings: a mapping of the names of columns to arrays, a row for each.

    First come the settings, under their keywords. Then "verdict" (its kind), "healthy", "sgd" and "adam" (the grades of
    `Profile.trains`). Then every field of a profile, as its mean over repeats: of layers with ``_first`` (the input, or
    where that has none layer 1), ``_last``, and ``_rate``, the factor per layer on the way of the signal or gradient,
    as of `fastinit.profiler.Course`; those of the whole network, eigenvalues left out, under their own names;
    "kernel_over_mean" and "kernel_over_median", medians over repeats of those of `fastinit.profiler.KernelSpectrum`.
    Last "error", the message of a point that failed, and "seconds". What a point has not is not a number, or None.

    Attributes
    ----------
    axes : tuple of str
        The keywords that vary.
    """

    axes: tuple[str, ...]

    def __init__(self, points: Sequence[Settings], rows: Sequence[Row]) -> None:
        self.axes = tuple(points[0])
        names = dict.fromkeys((*self.axes, *(name for row in rows for name in row)))
        for last in ("error", "seconds"):  # those that failed have no more
            names[last] = names.pop(last)
        whole = [row | point for point, row in zip(points, rows, strict=True)]
        self._columns = {name: _column([one.get(name) for one in whole]) for name in names}

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[key(name, self._columns)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def to_dict(self) -> dict[str, Any]:
        """All columns as lists of strings and numbers, "axes" being the names of those that vary.

        Settings that JSON has not, as functions, are named.
        """
        columns = {name: [_written(value) for value in column.tolist()] for name, column in self._columns.items()}
        return {"axes": list(self.axes), "columns": columns}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Sweep:
        """That of which `to_dict` gives these. A setting that was a function is its name."""
        axes, columns = found["axes"], found["columns"]
        read = {name: [_read(name, value, name in axes) for value in column] for name, column in columns.items()}
        whole = [dict(zip(read, row, strict=True)) for row in zip(*read.values(), strict=True)]
        points = [{name: one[name] for name in axes} for one in whole]
        return cls(points, [{name: one[name] for name in one if name not in axes} for one in whole])

    def to_frame(self) -> DataFrame:
        """A `pandas.DataFrame` with these columns.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return framed(dict(self))

    def table(self) -> Any:
        """A table with a row for each point: settings, verdict, whether it trains, and factors per layer.

        Returns
        -------
        rich.table.Table
            It shows itself: by `print`, at the prompt, in a notebook, and in colour by ``rich.print``. Where rich is
            not installed it is a plain one, which has rows and a string.
        """
        return drawn("table", __package__).table(self)

    def plot(self, path: str | PathLike[str] | None = None, ax: Any = None, *,
             x: str | None = None, y: str = _USUAL, hue: str | None = None) -> Any:  # fmt: skip
        """A picture of one column by another, a line for each value of a third.

        Parameters
        ----------
        path : path, optional
            Where to save it: .png, .svg, .pdf.
        ax : matplotlib.axes.Axes, optional
            Where to draw it, instead of a figure of its own.
        x : str, optional
            By default the axis that changes fastest.
        y : str
            A column of numbers. Points of the same x and hue are averaged.
        hue : str, optional
            By default the first other axis, if there is one.

        Returns
        -------
        matplotlib.figure.Figure
            Apart from pyplot: there is nothing to close.
        """
        if path in self.axes:
            refuse("path", f"a file, or a keyword (x={path!r})", path)
        return drawn("plot", __package__).plot(self, path, ax, x, y, hue)

    def to_html(self, path: str | PathLike[str] | None = None) -> str | None:
        """A page with charts, all points in a table and the numbers as JSON: one file, which needs no network.

        Parameters
        ----------
        path : path, optional
            Where to write it; it is there whole or not at all.

        Returns
        -------
        str or None
            The page, where no path is given.
        """
        page: str | None = drawn("html", __package__).to_html(self, path)
        return page

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self['seconds'])} points over {', '.join(self.axes)})"


def _written(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _written(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [*map(_written, value)]
    if value is None or isinstance(value, (bool, int, float, str, np.generic, np.ndarray)):
        return plain(value)
    return str(getattr(value, "__name__", value))


def _read(name: str, value: Any, is_setting: bool) -> Any:
    """What `_written` made that of: a setting, a word, a truth, or a number, which is NaN where it is missing."""
    if isinstance(value, list):
        return tuple(_read(name, one, is_setting) for one in value)
    if is_setting or name in WORDS or isinstance(value, bool) or (name == "healthy" and value is None):
        return value
    return real_number(value)


def _column(values: list[Any]) -> NDArray[Any]:
    """Numbers with NaN for what is missing, truths, or objects."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in values):
        return np.array(values)
    if known and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        return np.array([np.nan if value is None else value for value in values])
    column = np.empty(len(values), object)
    column[:] = values
    return column
