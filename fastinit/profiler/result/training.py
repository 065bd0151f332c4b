"""Training: whether descent will fit what a network was profiled on, by SGD and by Adam, and what says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, inf, isfinite, isnan, log, nan
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from ...records import Record, real_number
from ..tangent_kernel import KernelSpectrum, ratio_words
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
    first_loss: tuple[float, float]


#: Read off networks that were trained with the best of several rates (`bench/trainability`), of the half of them that
#: is not used to tell how often this is right. What one ratio is for SGD Adam makes up for; far below its epsilon of
#: 1e-8 it takes no steps. A gradient that grows by more, on its way back, asks for rates at which the last layers do
#: not move (from a thousand on, of seven that were a yes by all else, one did not train and three hardly), and outputs
#: of these sizes for other rates at every step. A first loss of so many times log K must first be
#: unlearned: up to 20 times networks of ten classes learned as others did, with SGD up to 100 times, with Adam 600.
#: No ratio depends on the dtype: of 63 networks that learn with Adam 62 did with signals of bfloat16 too, up to ratios
#: of 4e12 for each example; of 20 beyond 1e8 one learned in float64 that just failed in float32, and no other.
OPTIMIZERS = {
    "sgd": Bounds((8.0, 40.0), (2e3, 1e4), growth=(1e3, 1e6), outputs=(1e4, 3e4), least_outputs=(1e-5, 1e-6),
                  first_loss=(20.0, 120.0)),
    "adam": Bounds((inf, inf), (1.6e10, 1.6e11), growth=(1e3, 1e8), outputs=(1e4, 1e8), least_outputs=(1e-14, 1e-18),
                   first_loss=(20.0, 1000.0)),
}  # fmt: skip
NAMES = {"sgd": "SGD", "adam": "Adam"}
#: What keeps a network from training where nothing is lost, the first on the way to a step first.
CAUSES = ("vanishing", "exploding", "alike", "gradient exploding")
VANISHING, EXPLODING, ALIKE_EXAMPLES, EXPLODING_GRADIENT = CAUSES
#: Where the kernel is not known, the least change of the gradient's second moment over the layers.
_LEAST_CHANGE = 1e-3
#: Momentum of the rate.
_MOMENTUM = 0.9
#: Binary digits and largest exponent of the dtypes that signals can have.
_DTYPES = {"float16": (11, 15), "bfloat16": (8, 127), "float32": (24, 127), "float64": (53, 1023)}
#: Logarithms of the smallest number of each, of the smallest that has all digits, and of the largest.
RANGES = {
    name: ((2 - digits - top) * log(2), (1 - top) * log(2), (1 + top) * log(2))
    for name, (digits, top) in _DTYPES.items()
}
#: Elements of a signal are up to so many times its typical size.
_PEAK = log(8.0)


@dataclass(frozen=True, eq=False)
class Answer(Record):
    """Whether a network trains with an optimizer.

    Attributes
    ----------
    optimizer : str
        "sgd", with momentum, or "adam".
    grade : str
        "yes", "slowly" (near a bound, on either side: another drawing may be judged otherwise), "no", or "not judged",
        where what decides was not seen: never yes of a signal alone, nor of one example, or copies of one.
    reason : str
        What says so.
    cause : str
        What keeps it from yes: of what is graded as badly the first on the way from the weights to a step. Symmetric,
        dead, not finite; vanishing or exploding, of the signal; alike, of the examples; gradient exploding. Empty where
        the grade is yes, or nothing was judged.
    dtype : str
        Of signals and gradients: "float16", "bfloat16", "float32" or "float64".
    numbers : dict
        What it was held against: "over_mean" and "over_median", the largest eigenvalue of the tangent kernel over the
        mean and the median of the others, and "rounding", how far one of these may be off, over the largest;
        "outputs", their second moment, of a torch model that of what its last layer is given; "rate", of SGD with
        momentum 0.9, the greatest of the linearisation, for half a squared distance averaged over examples: of a
        softmax over K classes it is K times as much; "first_loss" and "uniform_loss", where there are classes. Those
        that were not seen, as without a kernel, are not there.
    """

    optimizer: str
    grade: str
    reason: str
    cause: str = ""
    dtype: str = "float32"
    numbers: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Answer:
        """That of which `to_dict` gives these."""
        numbers = {name: real_number(value) for name, value in found["numbers"].items()}
        return cls(found["optimizer"], found["grade"], found["reason"], found["cause"], found["dtype"], numbers)

    def __bool__(self) -> bool:
        """Whether it trains, if slowly."""
        return self.grade in (YES, SLOWLY)

    def __str__(self) -> str:
        return f"{self.grade}: {self.reason}"


class Evidence(NamedTuple):
    """What is known of a network: the kind of its signals, kernels of its drawings, the gradient's course.

    `outputs` is the second moment of what a readout stands on, and `whose` in words; `cosine` is the mean cosine of
    outputs on which one of its own stands, `position_cosine` that of the tokens of a sequence; `scaled` whether the
    signals keep their size by a norm, whatever the weights'. `sizes` and `gradient_sizes` are logarithms of the least
    and the greatest typical size of any layer; `lost_range` is the dtype of the profile where something left its range;
    `told_apart` is false where the signals are called dead because no example is told from another; `unseen` says why
    there is no kernel, and `alike` is whether all examples are one.
    """

    kind: str
    spectra: Sequence[KernelSpectrum]
    backward: Course | None
    interrupted: bool
    outputs: float = nan
    whose: str = "outputs'"
    cosine: float = nan
    position_cosine: float = nan
    scaled: bool = False
    first_loss: float = nan
    uniform_loss: float = nan
    sizes: tuple[float, float] = (nan, nan)
    gradient_sizes: tuple[float, float] = (nan, nan)
    lost_range: str = ""
    told_apart: bool = True
    unseen: str = "the tangent kernel was not seen"
    alike: bool = False

    @property
    def known(self) -> list[KernelSpectrum]:
        """Of the drawings whose kernel was seen."""
        return [one for one in self.spectra if one.known]


def answer(optimizer: str, seen: Evidence, dtype: str = "float32") -> Answer:
    """What is known of training with it: that something is lost, or the worst of what is held against bounds."""
    bounds = OPTIMIZERS[optimizer]
    known = seen.known
    if seen.lost_range and RANGES[seen.lost_range][-1] < RANGES[dtype][-1]:
        said = f"it was profiled in {seen.lost_range}, whose range signal or gradient left"
        return Answer(optimizer, NOT_JUDGED, said, dtype=dtype)
    if seen.kind in LOST and not (known and seen.kind == "dead"):
        return Answer(optimizer, NO, LOST[seen.kind], _cause(seen), dtype)
    if seen.interrupted:
        return Answer(optimizer, NOT_JUDGED, "the profile was interrupted", dtype=dtype)
    held = _held(bounds, dtype, seen)
    graded = [(GRADES.index(grade), grade, reason, cause) for cause in CAUSES for grade, reason in held[cause]]
    if not graded:
        return Answer(optimizer, NOT_JUDGED, seen.unseen, dtype=dtype)
    _, grade, reason, cause = max(graded, key=itemgetter(0))
    told = ("outputs", "first_loss", "uniform_loss")
    numbers = {name: value for name in told if not np.isnan(value := getattr(seen, name))}
    if known:
        middle = typical(known)
        numbers |= {name: getattr(middle, name) for name in ("over_mean", "over_median", "rounding")}
        if optimizer == "sgd" and not seen.scaled and middle.largest:
            numbers["rate"] = 2 * (1 + _MOMENTUM) * middle.examples / middle.largest
    return Answer(optimizer, grade, reason, "" if grade == YES else _cause(seen, cause), dtype, numbers)


def _cause(seen: Evidence, held: str = "") -> str:
    """What the signals are called, where they are lost, or no outputs say how large they are; or what was held."""
    if not seen.told_apart:
        return ALIKE_EXAMPLES
    signals = LOST if not isnan(seen.outputs) else (*LOST, VANISHING, EXPLODING)
    return seen.kind if seen.kind in signals else held


def _held(bounds: Bounds, dtype: str, seen: Evidence) -> dict[str, Held]:
    """What is held against an optimizer, by what it is a sign of."""
    known = seen.known
    alike = _of_kernel(bounds, known) if known else _of_signal(seen)
    lost = [(SLOWLY, f"{LOST[seen.kind]}: at best a readout learns")] if seen.kind == "dead" else []
    if not seen.alike:
        alike += [*_of_cosine(seen.cosine, SLOWLY if known else NO), *_of_positions(seen.position_cosine)]
    few, many = _of_outputs(bounds, seen)
    small, large, apart = _of_range(dtype, seen)
    return {
        ALIKE_EXAMPLES: alike + lost,
        EXPLODING_GRADIENT: _of_growth(bounds, seen.backward) + apart,
        VANISHING: few + small,
        EXPLODING: many + _of_first_loss(bounds, seen.first_loss, seen.uniform_loss) + large,
    }


#: Kinds of what leaves nothing to learn by, in words.
LOST = {
    "dead": "signal or gradient is lost",
    "symmetric": "units of a layer are all the same, and stay so",
    "not finite": "signal or gradient is not finite",
}
Held = list[tuple[str, str]]


def _graded(value: float, bounds: tuple[float, float]) -> str:
    return YES if value < bounds[0] else SLOWLY if value < bounds[1] else NO


def _bound(grade: str, slow: float, least: float) -> str:
    """What a number was held against."""
    slowly, not_at_all = f"slow from {slow:.3g}", f"not at all from {least:.3g}"
    return {YES: f"({slowly})", SLOWLY: f"({slowly}, {not_at_all})", NO: f"(bound {least:.3g})"}[grade]


def typical(known: Sequence[KernelSpectrum]) -> KernelSpectrum:
    """That of the drawing in the middle."""
    return sorted(known, key=lambda one: one.over_mean)[len(known) // 2]


_TOLD, _HARDLY_TOLD = "the gradient tells the examples apart", "the examples are nearly alike to the gradient"


def _of_kernel(bounds: Bounds, known: Sequence[KernelSpectrum]) -> Held:
    """The two ratios; drawings that are not at one make it slow."""
    held: Held = []
    count, off = known[0].examples, max(one.rounding for one in known)
    for name, of in (("over_mean", "mean"), ("over_median", "median")):
        slow, least = getattr(bounds, name)
        if not isfinite(slow):
            continue
        ratios = sorted(np.nan_to_num(getattr(one, name), nan=inf, posinf=inf) / one.examples for one in known)
        grades = {_graded(ratio, (slow, least)) for ratio in ratios}
        grade = grades.pop() if len(grades) == 1 else SLOWLY
        words = (
            f"{_TOLD if grade == YES else _HARDLY_TOLD}: the largest eigenvalue of the tangent kernel of {count:.0f} "
            f"examples is {ratio_words(ratios[len(ratios) // 2] * count, off)} times "
            f"the {of} of the others {_bound(grade, slow * count, least * count)}"
        )
        held.append((grade, words))
    return held


def _of_signal(seen: Evidence) -> Held:
    """Where the kernel is not known: that no gradient passes. That one does is no evidence that examples are told."""
    if seen.kind == "unknown" or seen.backward is None or not seen.backward.change <= _LEAST_CHANGE:
        return []
    said = f"the gradient's second moment changes by {seen.backward.change:.3g} over the layers; {seen.unseen}"
    return [(NO, said)]


def _of_growth(bounds: Bounds, backward: Course | None) -> Held:
    """How much the gradient grows on its way back."""
    change = nan if backward is None else backward.change
    if np.isnan(change) or (grade := _graded(change, bounds.growth)) == YES:
        return []
    return [
        (grade, f"the gradient's second moment grows by {change:.3g} over the layers {_bound(grade, *bounds.growth)}")
    ]


def _of_cosine(cosine: float, grade: str) -> Held:
    """Outputs that are nearly alike keep the steps small that tell them apart."""
    return [(grade, f"the examples are nearly alike at the outputs (mean cosine {cosine:.4f})")] * (cosine >= ALIKE)


def _of_positions(cosine: float) -> Held:
    """Tokens that are one vector: what is to be said of each of them is not learned, of a sequence it may be.

    Of 36 transformers that were trained to tell sequences, seven are beyond this bound: with Adam all learned, with SGD
    five. One that was to tell tokens, at 0.9988, learned nothing.
    """
    return [(SLOWLY, f"the tokens of a sequence are nearly alike at the outputs (mean cosine {cosine:.4f})")] * (
        cosine >= ALIKE
    )


def _of_first_loss(bounds: Bounds, first: float, uniform: float) -> Held:
    """What must be unlearned."""
    if np.isnan(first) or (grade := _graded(first / uniform, bounds.first_loss)) == YES:
        return []
    bound = _bound(grade, *(one * uniform for one in bounds.first_loss))
    return [(grade, f"the first loss is {first:.3g}, of a network that says nothing {uniform:.3g} {bound}")]


def _of_range(dtype: str, seen: Evidence) -> tuple[Held, Held, Held]:
    """Signals too small and too large for it; of gradients, which a scale of the loss moves together, their span.

    Of ten networks whose signals are at the end of float16's range or beyond it the nine at the end learned with Adam
    as in float32, and the one beyond learned nothing.
    """
    least, normal, most = RANGES[dtype]

    def signal(size: float, out: bool, near: bool) -> Held:
        end = "beyond the end" if out else "at the end"
        said = f"a signal of size {exp(size):.3g} is {end} of the range of {dtype}"
        return [(NO if out else SLOWLY, said)] * near

    low, high = seen.sizes
    small, large = signal(low, low < least, low < normal), signal(high, high > most, high > most - _PEAK)
    span = seen.gradient_sizes[1] - seen.gradient_sizes[0]
    apart: Held = []
    if span > most - normal - _PEAK:
        times = f"{exp(min(span, 700.0)):.3g}"
        said = f"gradients of one layer are {times} times those of another: {dtype} has no range for both"
        apart = [(NO if span > most - least else SLOWLY, said)]
    return small, large, apart


def _of_outputs(bounds: Bounds, seen: Evidence) -> tuple[Held, Held]:
    """That they are too small, and too large."""
    outputs, (slow, least) = seen.outputs, bounds.least_outputs
    small = NO if outputs < least else SLOWLY if outputs < slow else YES
    large = YES if np.isnan(outputs) else _graded(outputs, bounds.outputs)
    found = ((small, bounds.least_outputs), (large, bounds.outputs))
    few, many = (
        [(one, f"the {seen.whose} second moment is {outputs:.3g} {_bound(one, *ends)}")] * (one != YES)
        for one, ends in found
    )
    return few, many


def told(answers: Sequence[Answer], kind: str) -> str:
    """Whether it trains and why, in sentences; of which kind the signals are where it does all the same."""
    first = answers[0]
    though = f", though {_SIGNS[kind]}" if kind in _SIGNS else ""
    if len({one.grade for one in answers}) == 1:
        said = f"It trains with SGD and with Adam{though}" if first.grade == YES else _TOGETHER[first.grade]
        return f"{said}: {_why(first)}."
    verbs = _ALONE | {YES: f"it trains{though}"}
    return " ".join(f"With {NAMES[one.optimizer]} {verbs[one.grade]}: {_why(one)}." for one in answers)


def _why(one: Answer) -> str:
    """The reason, and in a sentence of its own what it was read off."""
    reason, _, read = one.reason.partition(": ")
    return f"{reason}. {read[0].upper()}{read[1:]}" if read else reason


_SIGNS = {
    "vanishing": "the signal vanishes",
    "exploding": "the signal explodes",
    "gradient vanishing": "the gradient vanishes",
    "gradient exploding": "the gradient explodes",
}
_ALONE = {SLOWLY: "it trains slowly or not at all", NO: "it does not train", NOT_JUDGED: "it is not judged"}
_TOGETHER = {
    SLOWLY: "It trains slowly or not at all, with SGD and with Adam",
    NO: "It trains with neither SGD nor Adam",
    NOT_JUDGED: "Whether it trains is not judged",
}
