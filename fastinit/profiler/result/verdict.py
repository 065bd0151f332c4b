"""The verdict: what the numbers of a profile mean, in few sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...records import Record
from .courses import Course
from .findings import Finding, Judgement
from .training import NAMES, OPTIMIZERS, YES, Answer, Evidence, answer, told
from .words import Naming, capital, sentences


@dataclass(frozen=True, eq=False, repr=False)
class Verdict(Record):
    """What a profile says. Its string tells whether the network trains and why, then what became of the signal.

    Attributes
    ----------
    kind : str
        stable, or the worst that was found: dead, symmetric, not finite, vanishing, exploding, gradient vanishing,
        gradient exploding; unknown where nothing was found and too little is known to call it stable: a run was
        interrupted, nothing could be compared, nothing is there to learn, or the examples are copies of one, or nearly
        alike at the end (of a torch model: where they come in). It is of the signal: what keeps the network from
        training is the `cause` of `sgd` and `adam`.
    sentence : str
        All that was found, a sentence for each.
    findings : tuple of Finding
        The same as data, the worst first.
    sgd, adam : Answer
        Whether the network trains with SGD (with momentum) and with Adam.
    forward, backward : Course
        How the second moment of the activations, and that of the gradient times the width, change;
        `backward` is None where no gradient was sent.
    """

    kind: str
    sentence: str
    findings: tuple[Finding, ...]
    forward: Course
    backward: Course | None
    sgd: Answer
    adam: Answer

    @property
    def training(self) -> str:
        """Whether the network trains, and why."""
        return told((self.sgd, self.adam), self.kind)

    @property
    def healthy(self) -> bool:
        """Whether the network trains with SGD and with Adam, and neither is near a bound."""
        return self.sgd.grade == self.adam.grade == YES

    @property
    def ok(self) -> bool:
        """The same as `healthy`."""
        return self.healthy

    def __str__(self) -> str:
        return f"{self.training} {self.signal}"

    @property
    def signal(self) -> str:
        """What was found, with what it was found of."""
        if self.kind == "unknown":
            return capital(self.sentence.removeprefix("Unknown: "))
        if self.kind.startswith("gradient"):
            return self.sentence
        return f"Signal {self.sentence[0].lower()}{self.sentence[1:]}"

    @property
    def short(self) -> str:
        """The kind, how the network trains with each optimizer, and the causes where it does not: one line."""
        answers = (self.sgd, self.adam)
        grades = ", ".join(f"{NAMES[one.optimizer]} {one.grade}" for one in answers)
        causes = dict.fromkeys(one.cause for one in answers if one.cause)
        return f"{self.kind}; {grades}" + f" ({', '.join(causes)})" * bool(causes)

    def __repr__(self) -> str:
        return f"Verdict({self.kind!r}, {self.sentence!r})"

    def to_dict(self) -> dict[str, Any]:
        """All of it as dictionaries, lists, strings and numbers."""
        return super().to_dict() | {"healthy": self.healthy}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Verdict:
        """That of which `to_dict` gives these."""
        findings = tuple(map(Finding.from_dict, found["findings"]))
        backward = None if found["backward"] is None else Course.from_dict(found["backward"])
        answers = (Answer.from_dict(found[name]) for name in OPTIMIZERS)
        return cls(found["kind"], found["sentence"], findings, Course.from_dict(found["forward"]), backward, *answers)


def verdict_of(judgement: Judgement, naming: Naming, evidence: Evidence) -> Verdict:
    """The verdict that says what was judged, of layers by their names, and how the network trains."""
    words, answers = sentences(judgement, naming), (answer(optimizer, evidence) for optimizer in OPTIMIZERS)
    return Verdict(judgement.kind, words, judgement.findings, judgement.forward, judgement.backward, *answers)
