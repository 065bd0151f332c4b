"""When a p-value is suspicious, and what is done then. This was written before any of them was seen.

Every p-value is kept, whatever it is. Small ones say that a statistic is too large, and those near one that it is too
small, so both ends count.

1. *Outside* is a p-value outside [1e-3, 1 - 1e-3]. Of m right ones 0.002 m are; that number is kept beside how many
   were found. Those of the same data depend on each other, and count as one. A job fails if so many or more have a
   probability below 1e-6: Poisson's, which bounds that of independent events where it is so small (Hoeffding 1956).
2. *Suspicious* is one outside [1e-6, 1 - 1e-6]. Its test runs once more with ten times the data, none of which it has
   seen: a test of ours on ten times as many values; one of a battery whose sizes are fixed on ten later stretches,
   whose p-values are joined by Stouffer's sum. If the new p-value is outside [1e-4, 1 - 1e-4] the job fails; until it
   has run, the job does not hold. A right stream fails so with a probability of 4e-10 for each test.
3. *All together*: the p-values of all batteries of one kind, one of each test, are compared with the uniform law
   (Kolmogorov and Smirnov). The summary fails below 1e-6. Statistics of the same data depend on each other, so this is
   said of the batteries of others, each of whose tests has numbers of its own.

A battery that is run in parts is judged at its end: a look before it says how it stands.

A test that its own authors mark as suspect, or as not to be used, is kept and not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from math import sqrt
from typing import Any

from scipy import stats

OUTSIDE, SUSPICIOUS, CONFIRMED = 1e-3, 1e-6, 1e-4
#: Of the number outside, and of all p-values together.
TOGETHER = 1e-6
#: So many times the data settle a suspicion.
MORE = 10


def beyond(p: float, bound: float) -> bool:
    """Whether it is outside [bound, 1 - bound], or no number."""
    return not bound <= p <= 1 - bound


def joined(ps: Collection[float]) -> float:
    """Stouffer's: one p-value of several of the same test, near zero or one where they lean to that end."""
    clipped = [min(max(p, 1e-300), 1 - 1e-16) for p in ps]
    return float(stats.norm.sf(stats.norm.isf(clipped).sum() / sqrt(len(clipped))))


Data = Callable[[str], Hashable]


def the_same(test: str) -> Hashable:
    """The data of a test, where all read the same."""
    return None


def numbered(test: str) -> Hashable:
    """Where a name begins with a number, and what has the same number has read the same."""
    return test.split()[0]


def number_outside(ps: Mapping[str, float], data: Data) -> dict[str, float]:
    """How many are outside, of how much data; how many were expected, and how probable so much or more is, at most."""
    outside, expected = [test for test, p in ps.items() if beyond(p, OUTSIDE)], 2 * OUTSIDE * len(ps)
    apart = len({data(test) for test in outside})
    probability = float(stats.poisson.sf(apart - 1, expected)) if apart else 1.0
    return {
        "tests": len(ps),
        "outside": len(outside),
        "of data": apart,
        "expected": round(expected, 3),
        "so_many_or_more": probability,
    }


def settled(
    ps: Mapping[str, float],
    again: Callable[[str], float],
    data: Data = the_same,
    unjudged: Collection[str] = (),
    known: Mapping[str, float] | None = None,
    besides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the rule finds of p-values by their tests, as `record.keep` takes it, with what else was found before it.

    again(test) is asked for ten times the data where that is not known; data(test) is what a test has read.
    """
    judged, known = {test: p for test, p in ps.items() if test not in unjudged}, known or {}
    suspicious = [test for test, p in judged.items() if beyond(p, SUSPICIOUS)]
    reruns = {test: known[test] if test in known else again(test) for test in suspicious}
    count = number_outside(judged, data)
    holds = count["so_many_or_more"] >= TOGETHER and not any(beyond(p, CONFIRMED) for p in reruns.values())
    found = {**(besides or {}), "p": dict(ps), **count, "at_ten_times_the_data": reruns}
    return {"holds": holds, "found": found, "false_alarm": false_alarm(len(judged))}


def false_alarm(tests: int) -> float:
    """How probable it is that a job of so many right tests fails."""
    return TOGETHER + 2 * SUSPICIOUS * 2 * CONFIRMED * tests
