"""The profile of layers: fields by layer and repeat, what they mean, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...arguments import UnknownKeyError, choice
from ...records import Record, plain
from ...typing import DataFrame, SignalDType
from ..drawing import drawn
from ..first_loss import FIRST_LOSS_FIELDS
from ..tangent_kernel import KernelSpectrum, spectra
from .advice import Advice, Built, diagnosis
from .courses import BOUNDS, typical_log
from .described import Described
from .fields import Fields, Theory
from .findings import BACKWARD, FORWARD, Bounds, Finding, Judgement, are_one, checked_bounds, judged, learnable
from .frames import frame
from .training import OPTIMIZERS, RANGES, Answer, Evidence, answer
from .verdict import Verdict, verdict_of
from .words import Naming, Numbered, worst

Array = NDArray[np.float64]
Passed = TypeVar("Passed", bound=Described)
Whole = TypeVar("Whole", bound="LayerProfile[Any]")


class LayerProfile(Record, Fields, Generic[Passed]):
    """What happens to a signal, layer by layer: a mapping of the names of fields to arrays.

    Attributes
    ----------
    network : Described
        What was profiled.
    method, seed, steps, interrupted, seconds, backward
        As of `Profile`.
    """

    network: Passed
    method: str
    seed: int
    steps: tuple[Any, ...]
    interrupted: bool
    seconds: float
    backward: bool

    def __init__(self, network: Passed, method: str, seed: int, fields: Mapping[str, Array],
                 theory: Theory | Callable[[], Theory], steps: tuple[Any, ...] = (), interrupted: bool = False,
                 seconds: float = 0.0, backward: bool | None = None) -> None:  # fmt: skip
        self.network, self.method, self.seed = network, method, seed
        self.steps, self.interrupted, self.seconds = steps, interrupted, seconds
        super().__init__(fields, theory)
        measured = not np.isnan(np.asarray(fields["grad_act_second_moment"], float)).all()
        self.backward = measured if backward is None else backward

    #: How layers are called, for those who read a table; where that does not go without saying.
    notation: ClassVar[str] = ""

    @property
    def description(self) -> str:
        """What was profiled, and how, in one line."""
        words = [str(self.network), self.method, f"seed {self.seed}"]
        words += [f"{self.repeats} repeats"] if self.repeats > 1 else []
        words += [f"after {len(self.steps)} steps of gradient descent"] if self.steps else []
        return ", ".join(words)

    @property
    def verdict(self) -> Verdict:
        """What the numbers mean: its string tells whether it trains, then what was found; its `kind` is the worst."""
        return self.judge()

    @property
    def healthy(self) -> bool:
        """Whether the network trains with SGD and with Adam: whether `trains` says yes of both.

        Examples
        --------
        >>> from fastinit.profiler import profile
        >>> profile(64, 10, "relu", "he_normal", batch=32).healthy
        True
        >>> profile(64, 10, "sigmoid", "lecun_normal", batch=32).healthy
        False
        """
        return self.verdict.healthy

    @property
    def ok(self) -> bool:
        """The same as `healthy`."""
        return self.healthy

    def judge(self, *, forward: Bounds = BOUNDS, backward: Bounds = BOUNDS) -> Verdict:
        """The verdict by bounds of one's own.

        Parameters
        ----------
        forward, backward : (low, high)
            Bounds on the last over the first second moment of the interior layers (1 to depth - 1; all layers below
            depth 4): of the activations on their way, and of the gradient, times the width, on its way back. At least
            0, low at most high.

        Returns
        -------
        Verdict
            Stable only where no change is outside its bounds.

        Examples
        --------
        >>> from fastinit.profiler import profile
        >>> p = profile(64, 10, "relu", "lecun_normal", batch=32)
        >>> p.judge(forward=(1e-4, 1e4), backward=(1e-4, 1e4)).kind
        'stable'
        """
        checked = (checked_bounds(name, one) for name, one in (("forward", forward), ("backward", backward)))
        judgement = self._judgement(*checked)
        return verdict_of(judgement, self._naming(), self._evidence(judgement))

    def trains(self, optimizer: str, *, dtype: SignalDType = "float32") -> Answer:
        """Whether the network trains, with the best of several learning rates, and what says so.

        What decides is the tangent kernel at initialisation: whether its largest eigenvalue, of what all examples
        share, is beyond the others by more than an optimizer bears. Where it was not seen, or of one example, nothing
        is judged but what the signal alone forbids: that it passes is no yes. It is of networks that were profiled on
        the examples that they are to learn, or on inputs like them: standard normal inputs have nothing in common,
        examples of data often have.

        Parameters
        ----------
        optimizer : {"sgd", "adam"}
            SGD is with momentum.
        dtype : {"float16", "bfloat16", "float32", "float64"}
            Of signals and gradients, in whose range the typical size of every layer's signal must be, and of the
            gradients, which a scale of the loss moves together, the span. Weights are of float32 or wider.

        Returns
        -------
        Answer

        Examples
        --------
        >>> from fastinit.profiler import profile
        >>> p = profile(128, 10, "sigmoid", "lecun_normal", batch=32)
        >>> p.trains("sgd").grade, p.trains("adam").grade
        ('no', 'no')
        """
        choice("optimizer", optimizer, tuple(OPTIMIZERS))
        choice("dtype", dtype, tuple(RANGES))
        return answer(optimizer, self._evidence(self._judgement(BOUNDS, BOUNDS)), dtype)

    def advise(self) -> Advice:
        """What keeps the network from training with SGD or with Adam, and in words what helps.

        Returns
        -------
        Advice
            Without trials: only networks that `fastinit.profile` made can be made anew with something changed.
        """
        judgement, naming = self._judgement(BOUNDS, BOUNDS), self._naming()
        seen = self._evidence(judgement)
        return diagnosis(verdict_of(judgement, naming, seen), seen, worst(judgement, naming), self._built())

    @property
    def kernels(self) -> list[KernelSpectrum]:
        """The spectrum of the tangent kernel of each drawing; not a number where it was not seen."""
        return spectra(self, self.repeats)

    def _evidence(self, judgement: Judgement) -> Evidence:
        """What is known of how it trains."""
        first, uniform = (float(np.mean(self[name])) if name in self else np.nan for name in FIRST_LOSS_FIELDS)
        dtype = np.dtype(self.network.dtype)
        courses = [one for one in (judgement.forward, judgement.backward) if one is not None]
        lost = judgement.kind == "not finite" or any(one.underflow(dtype) is not None for one in courses)
        alike = are_one(self)
        return Evidence(
            judgement.kind, self.kernels, judgement.backward, self.interrupted, first_loss=first, uniform_loss=uniform,
            sizes=self._sizes(FORWARD), gradient_sizes=self._sizes(BACKWARD), lost_range=dtype.name if lost else "",
            told_apart=(judgement.kind, judgement.findings[0].quantity) != ("dead", "cosine"),
            unseen=self._unseen(alike), alike=alike,
        )  # fmt: skip

    def _unseen(self, alike: bool) -> str:
        """Why there is no kernel, where there is none; `alike` if the examples are copies of one."""
        if not self.backward:
            return "no gradient was sent (backward=False)"
        if alike:
            return "between copies of one example there is nothing to tell apart"
        if all(one.examples == 1 for one in self.kernels):
            return "one example is nothing to tell apart: the tangent kernel, which decides, wants two"
        return "the tangent kernel was not seen, and the signal alone does not tell"

    def _sizes(self, name: str) -> tuple[float, float]:
        """Logarithms of the least and the greatest root of a second moment that is neither zero nor infinite."""
        logs = typical_log(self, name) / 2
        known = logs[np.isfinite(logs)]
        return (float(known.min()), float(known.max())) if len(known) else (np.nan, np.nan)

    def _judgement(self, forward: Bounds, backward: Bounds) -> Judgement:
        return learnable(judged(self, forward, backward), self)

    def _built(self) -> Built:
        """What is known of how the network is built."""
        raise NotImplementedError

    def _naming(self) -> Naming:
        return Numbered()

    @property
    def sums(self) -> bool:
        """Whether layers add to a stream, so that a power of the layer is to be expected."""
        return False

    def spread(self, first: int, last: int) -> float:
        """Standard deviation over drawings of the mean logarithm of the change between layers; NaN where unknown."""
        return np.nan

    @property
    def parts(self) -> Mapping[str, list[int]]:
        """Layers that pictures join by a line, by what they are called."""
        return {"": [*range(self.network.depth + 1)]}

    def sections(self, most: int) -> list[list[int]]:
        """The layers that a table of about so many rows shows, in sections: the ends, and some evenly between them."""
        depth = self.network.depth
        return [sorted({*range(0, depth + 1, max(-(-depth // most), 1)), min(1, depth), depth})]

    def cautions(self) -> list[Finding]:
        """What is to be kept in mind of what was profiled, whatever is measured."""
        return []

    def table(self, layers: Literal["some", "all"] = "some") -> Any:
        """A table of layers, with the description and the verdict below it.

        ``E x²`` is act_second_moment and ``E g²`` grad_act_second_moment, each with its theory and its deviation from
        it, over repeats in standard errors (``SE``), of one drawing relative to the theory (``off``); then cosine,
        position_cosine (``within``), dead_fraction, distinct_units (``units``), the norms of weights and of their
        gradients, and kernel_share (``kernel``). Columns at the right for which a terminal has no room are left out.

        Parameters
        ----------
        layers : {"some", "all"}
            Whether to leave some out where there are many.

        Returns
        -------
        rich.table.Table
            It shows itself: by `print`, at the prompt, in a notebook, and in colour by ``rich.print``. Where rich is
            not installed it is a plain one, which has rows and a string.
        """
        return drawn("table").table(self, layers)

    def plot(self, path: str | PathLike[str] | None = None, ax: Any = None) -> Any:
        """A picture of the second moments by layer, forward and backward, and of the tangent kernel.

        Of a model there is a line for each role, or for each class where no two roles are repeated, and names of
        modules are along the axis; modules without a line are grey rings. Lines are geometric means over repeats, of
        which verdicts speak, between bands of the quartiles and of the range; dashed is theory alone, of the arithmetic
        mean. Grey is where the root of a second moment is below the smallest normal number of a dtype, or beyond its
        largest; and at the right, where the last second moment is near a bound of the verdict, beyond which it is no.
        An arrow is where a value is zero or not finite.

        Of the tangent kernel there are the eigenvalues, of the drawing of which the verdict speaks: over the largest,
        times the examples, so that the bounds on their mean and median, grey and no below, are the same for all
        networks; and the share of each layer in its trace, of which a readout has the rest.

        Parameters
        ----------
        path : path, optional
            Where to save it: .png, .svg, .pdf.
        ax : matplotlib.axes.Axes, optional
            Where to draw the second moments, instead of a figure of its own.

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
        page: str | None = drawn("html").to_html({"": self}, path)
        return page

    def to_frame(self) -> DataFrame:
        """A `pandas.DataFrame` with a row for each layer and repeat.

        Its columns are layer, label and repeat; every field, those of theory too; and what was profiled, a column for
        each keyword. What is known of a repeat and of no layer, as moments of the Jacobian, is in all its rows; the
        eigenvalues of the kernel are left out.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return frame({None: self})

    def _columns(self) -> dict[str, Any]:
        """What was profiled and how, as columns of a frame: a value, or an array with one for each layer."""
        return {"method": self.method, "backward": self.backward}

    def to_dict(self) -> dict[str, Any]:
        """All of it as dictionaries, lists, strings and numbers; NaN is None, infinities are "inf" and "-inf"."""
        return self._told() | {"steps": [step._told() | {"steps": []} for step in self.steps]}

    def _told(self) -> dict[str, Any]:
        """All but the steps before it, each of which has those before itself."""
        verdict = self.verdict
        told = {"kind": verdict.kind, "sentence": verdict.sentence, "healthy": verdict.healthy}
        return {
            "network": str(self.network),
            "verdict": told | {"findings": plain(verdict.findings)},
            "seconds": self.seconds,
            **self._alone(),
        }

    def _identity(self) -> dict[str, Any]:
        """All but the seconds that it took, and what follows from the rest."""
        return self._alone() | {"steps": [step._alone() for step in self.steps]}

    def _alone(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "seed": self.seed,
            "interrupted": self.interrupted,
            "backward": self.backward,
            "description": self._description(),
            "fields": {name: plain(self[name]) for name in self},
        }

    def _description(self) -> dict[str, Any]:
        """What was profiled, as dictionaries, lists, strings and numbers."""
        raise NotImplementedError

    def __hash__(self) -> int:
        return hash((type(self), self.method, self.seed, str(self.network)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.network}, {self.method}, repeats {self.repeats})"


def whole(profile: Whole) -> Whole:
    """A profile that was read, which has all that a verdict asks for; a KeyError where less was written."""
    try:
        profile.verdict  # noqa: B018
    except UnknownKeyError as error:
        raise KeyError(error.asked) from None
    return profile
