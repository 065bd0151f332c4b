"""Coordinates: how the sizes of what modules return grow with the width of a model, and whether they may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...profiler.drawing import drawn
from ...profiler.result.frames import framed
from ...records import Record, aligned, plain, real_array
from ...typing import DataFrame
from .coordinate_chart import chart

Array = NDArray[np.float64]


class Powers(NamedTuple):
    """Powers of the width, (steps + 1, modules): of lines through logarithms; and their standard errors."""

    power: Array
    error: Array


@dataclass(frozen=True, eq=False, repr=False)
class CoordinateCheck(Record):
    """How large the coordinates of outputs are by width. It is true if no size depends on the width that should not.

    Attributes
    ----------
    widths : tuple of int
        Of the models.
    modules : tuple of str
        Their names, in the order in which they first return.
    tolerance : float
        What a power may be off zero.
    seed : int
        Of the first model of each width.
    coordinates, changes : numpy.ndarray
        Mean absolute coordinate of what a module returns, and of how far that is from what it returned at first:
        (repeats, widths, steps + 1, modules).
    weighted : tuple of str
        The modules that have parameters, in themselves or in a module below.
    """

    widths: tuple[int, ...]
    modules: tuple[str, ...]
    tolerance: float
    seed: int
    coordinates: Array = field(repr=False)
    changes: Array = field(repr=False)
    weighted: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """Of descent."""
        return self.coordinates.shape[2] - 1

    @property
    def sizes(self) -> Powers:
        """How coordinates grow; not a number where some are zero, or not finite."""
        return _powers(self.widths, self.coordinates)

    @property
    def moves(self) -> Powers:
        """How their changes grow."""
        return _powers(self.widths, self.changes)

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each module that is wrong; empty where none is.

        At first coordinates may shrink as the width grows, as those of outputs should. What steps change must neither
        grow nor shrink. A module without parameters that no step changes at any width, as one before all weights, is
        not judged; one with parameters must change, or nothing is known of how it learns.
        """
        if lost := self._first_lost():
            return (lost,)
        if not self.changes.any():
            return ("no module changes",)
        sizes, moves = self.sizes, self.moves
        found = []
        for module, name in enumerate(self.modules):
            moved = self.changes[:, :, 1:, module] > 0
            unlike = np.flatnonzero(moved.any(axis=(0, 1)) & ~moved.all(axis=(0, 1)))
            powers = np.nan_to_num(moves.power[1:, module])
            worst = int(np.abs(powers).argmax()) + 1
            if sizes.power[0, module] > self.tolerance:
                found.append(f"{name}: grows like {_power(sizes, 0, module)} at the start")
            if name in self.weighted and not moved.any():
                found.append(f"{name}: has parameters, but no step changes it (`names` leaves out what is frozen)")
            if len(unlike):
                found.append(f"{name}: is changed by step {unlike[0] + 1} at some widths and not at others")
            if abs(powers[worst - 1]) > self.tolerance:
                found.append(f"{name}: its change is like {_power(moves, worst, module)} after step {worst}")
        return tuple(found)

    def _first_lost(self) -> str:
        """Where a coordinate is first not finite, by steps; "" where all are."""
        places = np.argwhere(~np.isfinite(self.coordinates).transpose(2, 3, 1, 0))
        if not len(places):
            return ""
        step, module, width, _ = places[0]
        when = f"after step {step}" if step else "at the start"
        return f"{self.modules[module]}: is not finite {when} at width {self.widths[width]}"

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems

    @property
    def ok(self) -> bool:
        """The same as `passed`."""
        return self.passed

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        problems = self.problems
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        found = f"not passed: {problems[0]}{more}" if problems else "passed"
        return f"CoordinateCheck({len(self.modules)} modules, widths {self._range}, {found})"

    def __str__(self) -> str:
        """A table of the powers of the width, and what is wrong."""
        header = ["module", "size at start", *(f"change by {step}" for step in range(1, self.steps + 1))]
        rows = [header] + [
            [name, _cell(self.sizes, 0, module)]
            + [_cell(self.moves, step, module) for step in range(1, self.steps + 1)]
            for module, name in enumerate(self.modules)
        ]
        lines = [
            *aligned(rows),
            f"powers of the width ({self._range}, {len(self.coordinates)} models of each) and standard errors",
        ]
        lines += [f"PROBLEM {problem}" for problem in self.problems]
        return "\n".join([*lines, "passed" if self else f"not passed (tolerance {self.tolerance:g})"])

    @property
    def _range(self) -> str:
        return f"{self.widths[0]} to {self.widths[-1]}"

    def to_frame(self) -> DataFrame:
        """A `pandas.DataFrame` with a row for each repeat, width, step and module.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        shape = self.coordinates.shape
        repeat, width, step, module = (one.reshape(-1) for one in np.indices(shape))
        return framed(
            {
                "repeat": repeat,
                "width": np.array(self.widths)[width],
                "step": step,
                "module": np.array(self.modules, object)[module],
                "coordinate": self.coordinates.reshape(-1),
                "change": self.changes.reshape(-1),
                "power": np.broadcast_to(self.sizes.power, shape).reshape(-1),
                "change_power": np.broadcast_to(self.moves.power, shape).reshape(-1),
            }
        )

    def plot(self, path: str | PathLike[str] | None = None) -> Any:
        """A picture of coordinates by width: a panel for the start, and one for the changes by each step.

        Lines are means over repeats. Named are those modules that are farthest from being level; the others are grey.

        Parameters
        ----------
        path : path, optional
            Where to save it: .png, .svg, .pdf.

        Returns
        -------
        matplotlib.figure.Figure
            Apart from pyplot: there is nothing to close.
        """
        return chart(self, drawn("plot"), path)

    def to_dict(self) -> dict[str, Any]:
        """All of it as dictionaries, lists, strings and numbers; NaN is None, infinities are "inf" and "-inf"."""
        return super().to_dict() | {"passed": self.passed, "problems": plain(self.problems)}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> CoordinateCheck:
        """That of which `to_dict` gives these."""
        coordinates, changes = (real_array(found[name]) for name in ("coordinates", "changes"))
        return cls(tuple(found["widths"]), tuple(found["modules"]), found["tolerance"], found["seed"], coordinates,
                   changes, tuple(found["weighted"]))  # fmt: skip


def _powers(widths: tuple[int, ...], values: Array) -> Powers:
    """Of least-squares lines through logarithms over widths and repeats."""
    x = np.log2(widths)
    x -= x.mean()
    count, squares = values.shape[0] * len(x), values.shape[0] * float(x @ x)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log2(values)
        power = np.einsum("w,rw...->...", x, y) / squares
        left = y - y.mean(axis=(0, 1)) - x[:, None, None] * power
        return Powers(power, np.sqrt((left**2).sum(axis=(0, 1)) / (count - 2) / squares))


def _cell(powers: Powers, step: int, module: int) -> str:
    power, error = powers.power[step, module], powers.error[step, module]
    return "-" if np.isnan(power) else f"{power:+.2f} ±{error:.2f}"


def _power(powers: Powers, step: int, module: int) -> str:
    return f"width**{powers.power[step, module]:.2f} (±{powers.error[step, module]:.2f})"
