"""Advice: what keeps a network from training, and which changes were tried against it and how they came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isnan, nan
from typing import Any, NamedTuple

from ...records import Record
from ..drawing import drawn
from ..tangent_kernel import ratio_words
from .training import GRADES, NAMES, NOT_JUDGED, OPTIMIZERS, YES, Answer, Evidence
from .verdict import Verdict


class Built(NamedTuple):
    """How a network is built: what is so, what is not, and None of what is not known.

    `norm` and `batch_norm`: whether it has one at all, and one over the batch; `branches`: whether they add to a
    stream; `biases`: whether some are not zero; `own_gain`: whether weights have that of their activation.
    """

    norm: bool | None = None
    batch_norm: bool | None = None
    branches: bool | None = None
    biases: bool | None = None
    own_gain: bool | None = None


Remedy = tuple[str, Callable[[Built], bool]]
_GAIN: Remedy = "the activation's own gain (fastinit.gain)", lambda built: not (built.norm or built.own_gain)
_SMALLER: Remedy = f"smaller weights, of {_GAIN[0]}", _GAIN[1]
_ORTHOGONAL: Remedy = "orthogonal weights", lambda built: not built.norm
_EDGE: Remedy = (
    "weights of the edge of chaos (fastinit.theory.edge_of_chaos)",
    lambda built: built.norm is False and built.branches is False,
)
_NORM: Remedy = "a norm", lambda built: built.norm is False
_BATCH_NORM: Remedy = "batch normalisation", lambda built: built.batch_norm is False
_NORM_ELSEWHERE: Remedy = "a norm in another place", lambda built: built.norm is True
_LAYER_NORM: Remedy = "layer instead of batch normalisation", lambda built: built.batch_norm is True
_SCALED_BRANCHES: Remedy = "branches scaled by 1/sqrt(depth)", lambda built: built.branches is True
_OTHER_BRANCHES: Remedy = "branches that are not zero", lambda built: built.branches is True
_BRANCHES: Remedy = "residual branches", lambda built: built.branches is False
_NO_BIASES: Remedy = "no biases", lambda built: built.biases is True
_DIFFERENT: Remedy = "weights that differ from unit to unit: a random scheme", lambda built: True
_RANDOM: Remedy = f"random weights of {_GAIN[0]}", lambda built: True
#: What helps against each cause, in words, and whether it does where a network is so built.
REMEDIES: dict[str, tuple[Remedy, ...]] = {
    "symmetric": (_DIFFERENT,),
    "dead": (_RANDOM, _OTHER_BRANCHES),
    "not finite": (_SMALLER, _SCALED_BRANCHES),
    "vanishing": (_GAIN, _ORTHOGONAL, _NORM),
    "exploding": (_SCALED_BRANCHES, _GAIN, _NORM),
    "alike": (_GAIN, _NO_BIASES, _BATCH_NORM, _BRANCHES),
    "gradient exploding": (_EDGE, _BRANCHES, _NORM_ELSEWHERE, _LAYER_NORM),
}


@dataclass(frozen=True, eq=False)
class Trial(Record):
    """A change that was tried at the same network, and how that trains then.

    Attributes
    ----------
    change : dict
        Keywords of `fastinit.profile` instead of those that were given; none of the network as it is.
    sgd, adam : Answer
        Whether it trains then.
    """

    change: dict[str, Any]
    sgd: Answer
    adam: Answer

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Trial:
        """That of which `to_dict` gives these."""
        return cls(dict(found["change"]), *(Answer.from_dict(found[name]) for name in OPTIMIZERS))

    @property
    def mends(self) -> bool:
        """Whether it trains then with SGD and with Adam, and neither is near a bound."""
        return self.sgd.grade == self.adam.grade == YES

    @property
    def ratio(self) -> float:
        """The largest eigenvalue of the tangent kernel over the mean of the others; NaN where it was not seen."""
        return self.sgd.numbers.get("over_mean", nan)

    def __str__(self) -> str:
        """The change as it is typed."""
        return ", ".join(f"{name}={value!r}" for name, value in self.change.items()) or "as it is"


@dataclass(frozen=True, eq=False)
class Advice(Record):
    """What keeps a network from training, and what would mend it.

    Attributes
    ----------
    cause : str
        That of the first answer which is not yes, as the verdict names it (see `Answer`). Empty where nothing is to be
        mended, or nothing was judged.
    reason : str
        What says so.
    before : Trial
        How the network trains as it is.
    trials : tuple of Trial
        All that was tried, the likeliest against that cause first. Of a model that is not described by keywords nothing
        can be tried.
    remedy : str
        What helps against the cause, in words, and is not so already; empty where nothing is known to.
    """

    cause: str
    reason: str
    before: Trial
    trials: tuple[Trial, ...] = ()
    remedy: str = ""

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Advice:
        """That of which `to_dict` gives these."""
        trials = tuple(map(Trial.from_dict, found["trials"]))
        return cls(found["cause"], found["reason"], Trial.from_dict(found["before"]), trials, found["remedy"])

    @property
    def mends(self) -> tuple[Trial, ...]:
        """Those with which the network trains."""
        return tuple(one for one in self.trials if one.mends)

    @property
    def best(self) -> Trial | None:
        """The first that mends; where none does, the one that comes nearest; None where nothing was tried."""
        return min(self.trials, key=_distance, default=None)

    def table(self) -> Any:
        """A table with a row for each trial below the network as it is, which shows itself as `Profile.table` does."""
        return drawn("advice_table").table(self)

    def __str__(self) -> str:
        if not self.cause:
            return self.reason
        return f"{self.cause.capitalize()}: {self.reason}.{self._outcome()}"

    @property
    def short(self) -> str:
        """The same without the reason, which a verdict has told."""
        return f"{self.cause.capitalize()}.{self._outcome()}" if self.cause else self.reason

    def _outcome(self) -> str:
        """What helps, or what was tried and how it came out."""
        best = self.best
        if best is None:
            return f" What helps: {self.remedy}." if self.remedy else ""
        if not best.mends:
            tried = f"{len(self.trials)} change{'s' * (len(self.trials) > 1)}"
            return f" Of {tried} tried at the same network none mends it; nearest comes {self._told(best)}."
        others = f" So do: {'; '.join(map(str, self.mends[1:]))}." if self.mends[1:] else ""
        return f" Tried at the same network, {self._told(best)} mends it.{others}"

    def _told(self, trial: Trial) -> str:
        """A change, and what it changes."""
        pairs = zip(*((one.sgd, one.adam) for one in (self.before, trial)), strict=True)
        changes = [f"{NAMES[was.optimizer]} {was.grade} -> {now.grade}" for was, now in pairs]
        if not isnan(self.before.ratio + trial.ratio):
            ratios = (ratio_words(one.ratio, one.sgd.numbers.get("rounding", nan)) for one in (self.before, trial))
            changes.append(f"kernel over mean {' -> '.join(ratios)}")
        return f"{trial} ({', '.join(changes)})"


def _distance(trial: Trial) -> tuple[int, float]:
    """How far it is from being mended; of those that are, none is nearer than another."""
    grades = sum(GRADES.index(one.grade) for one in (trial.sgd, trial.adam))
    return grades, 0.0 if trial.mends else inf if isnan(trial.ratio) else trial.ratio


def diagnosis(verdict: Verdict, seen: Evidence, worst: str, built: Built) -> Advice:
    """Advice without a trial: the cause that the verdict names first, where it trains not or slowly, and what helps.

    Where that is what the signals are called, `worst` says what became of them.
    """
    before = Trial({}, verdict.sgd, verdict.adam)
    if before.mends:
        return Advice("", "Trains with SGD and Adam: nothing is to be mended.", before)
    first = next(one for one in (verdict.sgd, verdict.adam) if one.grade != YES)
    if seen.interrupted or first.grade == NOT_JUDGED:
        why = "the profile was interrupted" if seen.interrupted else first.reason
        return Advice("", f"Training is not judged ({why}): nothing was tried.", before)
    named = first.cause == seen.kind or not seen.told_apart
    remedy = ", ".join(words for words, helps in REMEDIES[first.cause] if helps(built))
    return Advice(first.cause, worst if named else first.reason, before, remedy=remedy)
