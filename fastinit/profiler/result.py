"""The result: a `Profile` of fields, by layer and repeat."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from os import PathLike
from typing import Any

import numpy as np

from ..arguments import choice
from .description.network import Network
from .verdict import BOUNDS, Verdict, judge

Array = np.ndarray[Any, Any]


class Field(np.ndarray[Any, Any]):
    """Values of one quantity, (repeats, depth + 1); an array whose `mean` goes over the repeats.

    Over repeats a second moment q and its logarithm tell different things: in a finite ReLU network E q stays while
    E log q falls by 5/2 for each unit of depth / width.
    """

    def mean(self, axis: Any = 0, *arguments: Any, **keywords: Any) -> Any:
        """Mean over repeats, (depth + 1,); as of any array, `axis` may be another."""
        return self.view(np.ndarray).mean(axis, *arguments, **keywords)

    def mean_log(self) -> Array:
        """Mean over repeats of the natural logarithm, (depth + 1,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(self.view(np.ndarray)).mean(axis=0)

    def standard_error(self, log: bool = False) -> Array:
        """Standard error of the mean (or of the mean logarithm), (depth + 1,); not a number for one repeat."""
        values = self.view(np.ndarray)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.log(values) if log else values
            spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1:], np.nan)
        return spread / np.sqrt(len(values))


class Profile(Mapping[str, Any]):
    """What happens to a signal, layer by layer.

    A mapping of field names to arrays: measured fields are `Field` arrays (repeats, depth + 1), theory has
    (depth + 1,) under the same name after ``theory_``. Column 0 is the input; NaN is where a layer has no such thing.

    Attributes
    ----------
    network : Network
        What was profiled.
    method : str
        dense, tiled or matrix_free.
    seed : int
        That of the first repeat.
    steps : tuple of Profile
        Before each step of gradient descent, this profile being after the last.
    interrupted : bool
        Whether it was stopped before all repeats and layers were done.
    seconds : float
        Of the whole run.
    backward : bool
        Whether a gradient was sent back.
    """

    def __init__(self, network: Network, method: str, seed: int, fields: Mapping[str, Array],
                 theory: Mapping[str, Array], steps: tuple[Profile, ...] = (), interrupted: bool = False,
                 seconds: float = 0.0, backward: bool | None = None) -> None:  # fmt: skip
        self.network, self.method, self.seed = network, method, seed
        self.steps, self.interrupted, self.seconds = steps, interrupted, seconds
        self._fields = {name: np.asarray(values).view(Field) for name, values in fields.items()}
        measured = not np.isnan(np.asarray(fields["grad_act_second_moment"], float)).all()
        self.backward = measured if backward is None else backward
        self._theory = {f"theory_{name}": values for name, values in theory.items()}

    def __getitem__(self, name: str) -> Any:
        try:
            return self._fields[name] if name in self._fields else self._theory[choice("name", name, self)]
        except ValueError as error:
            raise KeyError(str(error)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._fields or name in self._theory

    def __iter__(self) -> Iterator[str]:
        return iter((*self._fields, *self._theory))

    def __len__(self) -> int:
        return len(self._fields) + len(self._theory)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    @property
    def repeats(self) -> int:
        """Networks drawn."""
        return len(self._fields["act_second_moment"])

    @property
    def description(self) -> str:
        """What was profiled, and how, in one line."""
        words = [str(self.network), self.method, f"seed {self.seed}"]
        words += [f"{self.repeats} repeats"] if self.repeats > 1 else []
        words += [f"after {len(self.steps)} steps of gradient descent"] if self.steps else []
        return ", ".join(words)

    def deviation(self, name: str) -> Array:
        """How far the mean of a field is from theory, in standard errors of the mean, (depth + 1,)."""
        measured = self[name]
        with np.errstate(divide="ignore", invalid="ignore"):
            return (measured.mean() - self[f"theory_{name}"]) / measured.standard_error()

    @property
    def verdict(self) -> Verdict:
        """What the numbers mean: its string is one sentence, its `kind` the worst that was found."""
        return judge(self)

    def healthy(self, forward: tuple[float, float] = BOUNDS, backward: tuple[float, float] = BOUNDS) -> bool:
        """Whether signal and gradient pass.

        Parameters
        ----------
        forward, backward : (low, high)
            Bounds on the last over the first second moment of the interior layers (1 to depth - 1; all layers below
            depth 4): of the activations on their way, and of the gradient, times the width, on its way back.

        Returns
        -------
        bool
            False where a change is outside its bounds, and where units are dead or all the same, a signal or gradient
            is zero or one is not finite. A change that follows a power of the layer, as that of a normalised residual
            network, is not held against it.

        Examples
        --------
        >>> from fastinit.profiler import profile
        >>> profile(64, 10, "relu", "he_normal", batch=32).healthy()
        True
        >>> profile(64, 10, "relu", "lecun_normal", batch=32).healthy()
        False
        """
        return judge(self, forward, backward).healthy

    def table(self, layers: str = "some") -> Any:
        """A table of layers, with the description and the verdict below it.

        ``E x²`` is act_second_moment and ``E g²`` grad_act_second_moment, each with its theory and, over repeats, with
        its deviation from it in standard errors (``SE``); then cosine, dead_fraction, distinct_units (``units``), and
        the norms of weights and of their gradients. Columns at the right for which a terminal has no room are left
        out.

        Parameters
        ----------
        layers : {"some", "all"}
            Whether to leave some out where there are many.

        Returns
        -------
        rich.table.Table
            It shows itself: by `print`, at the prompt, in a notebook, and in colour by ``rich.print``.
        """
        return drawn("table").table(self, layers)

    def plot(self, path: str | PathLike[str] | None = None, ax: Any = None) -> Any:
        """A picture of the second moments by layer, forward and backward.

        Lines are means over repeats, between bands of the quartiles and of the range; theory is dashed. Grey is where
        the root of a second moment is below the smallest normal number of a dtype, or beyond its largest. An arrow is
        where a value is zero or not finite.

        Parameters
        ----------
        path : path, optional
            Where to save it: .png, .svg, .pdf.
        ax : matplotlib.axes.Axes, optional
            Where to draw it, instead of a figure of its own.

        Returns
        -------
        matplotlib.figure.Figure
            Apart from pyplot: there is nothing to close.
        """
        return drawn("plot").plot({"": self}, path, ax)

    def to_html(self, path: str | PathLike[str] | None = None) -> str | None:
        """A page with charts, all layers in a table and the numbers as JSON: one file, which needs no network.

        Parameters
        ----------
        path : path, optional
            Where to write it; it is there whole or not at all.

        Returns
        -------
        str or None
            The page, where no path is given.
        """
        return drawn("html").to_html({"": self}, path)

    def to_json(self) -> str:
        """All of it as JSON, NaN and infinities as null."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """All of it as dictionaries, lists and numbers; NaN and infinities are None."""
        verdict = self.verdict
        return {
            "network": str(self.network),
            "verdict": {"kind": verdict.kind, "sentence": str(verdict), "healthy": verdict.healthy},
            "method": self.method,
            "seed": self.seed,
            "seconds": self.seconds,
            "interrupted": self.interrupted,
            "fields": {name: _plain(self[name]) for name in self},
            "steps": [step.to_dict() for step in self.steps],
        }

    def __repr__(self) -> str:
        return f"Profile({self.network}, {self.method}, repeats {self.repeats})"


def drawn(module: str) -> Any:
    """The module of this package that shows profiles so: it imports what only the extra installs."""
    try:
        return import_module(f".{module}", __package__)
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise ImportError(f"to show a profile needs {missing}: pip install 'fastinit-nn[profile]'") from error


def _plain(values: Array) -> Any:
    return np.where(np.isfinite(values), values.astype(object), None).tolist()
