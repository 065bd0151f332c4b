"""Training: whether descent will fit what a network was profiled on, by SGD and by Adam, and what says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from typing import Any, NamedTuple

import numpy as np

from ...records import Record, real_number
from ..tangent_kernel import KernelSpectrum
from .courses import Course
from .findings import ALIKE

#: From good to bad; the last is of what was not seen.
GRADES = ("yes", "slowly", "no", "not judged")
YES, SLOWLY, NO, NOT_JUDGED = GRADES


class Bounds(NamedTuple):
    """From where on a number is held against an optimizer: training is slow, and there is none.

    Ratios of the tangent kernel are for each example of it: those of more examples are larger in proportion.
    """

    over_mean: tuple[float, float]
    over_median: tuple[float, float]
    growth: tuple[float, float]
    outputs: tuple[float, float]
    least_outputs: tuple[float, float]


#: Read off networks that were trained with the best of several rates (`bench/trainability`), of the half of them that
#: is not used to tell how often this is right. What one ratio is for SGD Adam makes up for, down to the rounding of
#: float32, 2**-24, squared; far below its epsilon of 1e-8 it takes no steps. A gradient that grows by more, on its way
#: back, asks for rates at which the last layers do not move, and outputs of these sizes for other rates at every step.
OPTIMIZERS = {
    "sgd": Bounds((8.0, 40.0), (2e3, 1e4), growth=(1e5, 1e6), outputs=(1e4, 3e4), least_outputs=(1e-5, 1e-6)),
    "adam": Bounds((inf, inf), (1.6e10, 1.6e11), growth=(1e5, 1e8), outputs=(1e4, 1e8), least_outputs=(1e-14, 1e-18)),
}
NAMES = {"sgd": "SGD", "adam": "Adam"}
#: Where the kernel is not known, the least change of the gradient's second moment over the layers.
_LEAST_CHANGE = 1e-3
#: Momentum of the rate.
_MOMENTUM = 0.9


@dataclass(frozen=True, eq=False)
class Answer(Record):
    """Whether a network trains with an optimizer.

    Attributes
    ----------
    optimizer : str
        "sgd", with momentum, or "adam".
    grade : str
        "yes", "slowly" (near a bound, on either side: another drawing may be judged otherwise), "no", or "not judged",
        where what decides was not seen.
    reason : str
        What says so.
    numbers : dict
        What it was held against: "over_mean" and "over_median", the largest eigenvalue of the tangent kernel over the
        mean and the median of the others; "outputs", their second moment; "rate", of SGD with momentum 0.9, the
        greatest of the linearisation, for half a squared distance averaged over examples: of a softmax over K classes
        it is K times as much. Those of the kernel are not there where it was not seen.
    """

    optimizer: str
    grade: str
    reason: str
    numbers: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Answer:
        """That of which `to_dict` gives these."""
        numbers = {name: real_number(value) for name, value in found["numbers"].items()}
        return cls(found["optimizer"], found["grade"], found["reason"], numbers)

    def __bool__(self) -> bool:
        """Whether it trains, if slowly."""
        return self.grade in (YES, SLOWLY)

    def __str__(self) -> str:
        return f"{self.grade}: {self.reason}"


class Evidence(NamedTuple):
    """What is known of a network: the kind of its signals, kernels of its drawings, the gradient's course.

    `outputs` is their second moment where a readout of its own stands on them, and `cosine` then their mean cosine;
    `scaled` whether the signals keep their size by a norm, whatever the weights'.
    """

    kind: str
    spectra: Sequence[KernelSpectrum]
    backward: Course | None
    interrupted: bool
    outputs: float = nan
    cosine: float = nan
    scaled: bool = False


def answer(optimizer: str, seen: Evidence) -> Answer:
    """What is known of training with it: that something is lost, or the worst of what is held against bounds."""
    bounds = OPTIMIZERS[optimizer]
    known = [one for one in seen.spectra if one.known]
    if seen.kind in _LOST and not (known and seen.kind == "dead"):
        return Answer(optimizer, NO, _LOST[seen.kind])
    if seen.interrupted:
        return Answer(optimizer, NOT_JUDGED, "the profile was interrupted")
    held = _of_kernel(bounds, known) if known else _of_signal(seen)
    if seen.kind == "dead":
        held.append((SLOWLY, f"{_LOST[seen.kind]}: at best a readout learns"))
    held += _of_cosine(seen.cosine, SLOWLY if known else NO)
    held += [*_of_growth(bounds, seen.backward), *_of_outputs(bounds, seen.outputs)]
    if not held:
        return Answer(optimizer, NOT_JUDGED, "no gradient was followed, or there was nothing to compare")
    grade, reason = max(held, key=lambda one: GRADES.index(one[0]))
    numbers = {} if np.isnan(seen.outputs) else {"outputs": seen.outputs}
    if known:
        middle = typical(known)
        numbers |= {"over_mean": middle.over_mean, "over_median": middle.over_median}
        if optimizer == "sgd" and not seen.scaled and middle.largest:
            numbers["rate"] = 2 * (1 + _MOMENTUM) * middle.examples / middle.largest
    return Answer(optimizer, grade, reason, numbers)


_LOST = {
    "dead": "signal or gradient is lost",
    "symmetric": "units of a layer are all the same, and stay so",
    "not finite": "signal or gradient is not finite",
}
Held = list[tuple[str, str]]


def _graded(value: float, bounds: tuple[float, float]) -> str:
    return YES if value < bounds[0] else SLOWLY if value < bounds[1] else NO


def typical(known: Sequence[KernelSpectrum]) -> KernelSpectrum:
    """That of the drawing in the middle."""
    return sorted(known, key=lambda one: one.over_mean)[len(known) // 2]


def _of_kernel(bounds: Bounds, known: Sequence[KernelSpectrum]) -> Held:
    """The two ratios; drawings that are not at one make it slow."""
    held: Held = []
    count = known[0].examples
    for name, of in (("over_mean", "mean"), ("over_median", "median")):
        slow, least = getattr(bounds, name)
        if not isfinite(slow):
            continue
        ratios = sorted(np.nan_to_num(getattr(one, name), nan=inf) / one.examples for one in known)
        grades = {_graded(ratio, (slow, least)) for ratio in ratios}
        grade = grades.pop() if len(grades) == 1 else SLOWLY
        words = (
            f"the gradient {'tells' if grade == YES else 'hardly tells'} the examples apart: the largest eigenvalue of "
            f"the tangent kernel of {count:.0f} examples is {ratios[len(ratios) // 2] * count:.3g} times the {of} of "
            f"the others (bound {least * count:.3g})"
        )
        held.append((grade, words))
    return held


def _of_signal(seen: Evidence) -> Held:
    """Where the kernel is not known: that signal and gradient pass."""
    if seen.kind == "unknown" or seen.backward is None:
        return []
    change = seen.backward.change
    note = "; the tangent kernel was not seen"
    if np.isnan(change):
        return [(YES, f"signal and gradient pass{note}")] if seen.kind == "stable" else []
    said = f"the gradient's second moment changes by {change:.3g} over the layers{note}"
    return [(YES if change > _LEAST_CHANGE else NO, said)]


def _of_growth(bounds: Bounds, backward: Course | None) -> Held:
    """How much the gradient grows on its way back."""
    change = nan if backward is None else backward.change
    if np.isnan(change) or (grade := _graded(change, bounds.growth)) == YES:
        return []
    return [
        (grade, f"the gradient's second moment grows by {change:.3g} over the layers (bound {bounds.growth[1]:.0e})")
    ]


def _of_cosine(cosine: float, grade: str) -> Held:
    """Outputs that are nearly alike keep the steps small that tell them apart."""
    return [(grade, f"the examples are nearly alike at the outputs (mean cosine {cosine:.4f})")] * (cosine >= ALIKE)


def _of_outputs(bounds: Bounds, outputs: float) -> Held:
    if np.isnan(outputs):
        return []
    slow, least = bounds.least_outputs
    small = YES if outputs >= slow else SLOWLY if outputs >= least else NO
    large = _graded(outputs, bounds.outputs)
    said = f"the outputs' second moment is {outputs:.3g} (bound {{:.0e}})"
    return [(one, said.format(bound)) for one, bound in ((small, least), (large, bounds.outputs[1])) if one != YES]


def told(answers: Sequence[Answer]) -> str:
    """A sentence of the answers; where all are of one grade, of the first one's reason."""
    names = [NAMES[one.optimizer] for one in answers]
    if len({one.grade for one in answers}) == 1:
        names, answers = [" and ".join(names)], answers[:1]
    text = "; ".join(
        f"{_VERBS[one.grade]} with {name} ({one.reason})" for one, name in zip(answers, names, strict=True)
    )
    return f"{text[0].upper()}{text[1:]}."


_VERBS = {YES: "trains", SLOWLY: "trains slowly or not", NO: "does not train", NOT_JUDGED: "training is not judged"}
