"""Standings: the rows won, equal and lost. A row is a race of fastinit against the best of its peers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from .targets import TOLERANCE, Ratio, Results, ratio

#: Entrants that do less than the race asks: limits, not peers.
REFERENCES = (
    "memset",
    "memset, all threads",
    "memset, large pages",
    "skip_init",
    "np.dot (read limit)",
    "matrix products alone",
    "draws and matrix products alone",
    "draws alone",
    "numpy, float32 sums",
    "a mode that does nothing",
    "zeros",
)
#: Why rows are lost: a pattern of "group/name: peer", and what is known. The first that is found counts.
REASONS = (
    (
        r"^fills/\w+ \w+ (1|64|1 Ki|4 Ki): (randompack|oneMKL)$",
        "each of our calls hashes a seed and a name; theirs go on with a generator that is there",
    ),
    (
        r"^(fills|second fill|fresh|all threads)/uniform .*: (randompack|oneMKL)",
        "seven rounds of AES for each word, and two words for a float64: theirs are lighter generators, or five rounds",
    ),
    (
        r"/(constant|zeros)( \w+)? (1|64|1 Ki|4 Ki): (numpy|torch)$",
        "shape, dtype and value are looked up among the calls that were made before; theirs is the store alone",
    ),
    (
        r"/constant ",
        "what is near is copied on, of any dtype: a load for each store of theirs",
    ),
    (
        r"Fortran order: (oneMKL|randompack|torch)",
        "a value has its place in C order wherever it lies; theirs have none, and fill the transpose",
    ),
    (
        r"^torch/(uniform_|normal_) .*: torch",
        "a seed is taken from torch's generator, and others may see the call: a microsecond each",
    ),
    (
        r"^torch/\d+ x nn.Linear",
        "torch shows ten calls of each layer to any context, a microsecond each, of which four are left",
    ),
    (r"^torch/1000 calls without a draw", "torch shows every call to the context, which costs a microsecond each"),
    (
        r"^torch/initialize_",
        "all is known to be right before the first value is written: each tensor is looked at some ten times in Python",
    ),
    (
        r"^profile/dense 64, depth 50",
        "four moments of four signals, dead units, cosines and the norms of weights for each layer: theirs has second "
        "moments, and so little to do that calls are most of it",
    ),
    (
        r"^loops/(tanh|silu) and slope",
        "slopes right to two units in the last place however small, with equal bits on every machine: theirs lose what "
        "1 - y y and 1 + exp(-x) round away",
    ),
    (
        r"^moments/.*Fortran order: numpy",
        "the result is that of the elements in C order, which is to read across memory; NumPy adds them as they lie",
    ),
    (
        r"^moments/.*: (bottleneck|torch)$",
        "one number, summed in the dtype of the values; ours are five, with bounded errors",
    ),
)
_NO_REASON = "no reason known"


class Row(NamedTuple):
    """A race, the peer that is the nearest to win it, or has won, and how many times as fast fastinit is as that."""

    race: str
    peer: str
    ratio: Ratio
    outcome: Literal["won", "equal", "lost"]

    @property
    def reason(self) -> str:
        """Why a row is lost, as far as is known."""
        row = f"{self.race}: {self.peer}"
        return next((reason for pattern, reason in REASONS if re.search(pattern, row)), _NO_REASON)


def rivals(race: Results) -> list[str]:
    """The entrants that fastinit is up against: others, that do the same work. None where all are fastinit's own."""
    own, *others = race["entrants"]
    if own != "fastinit":
        return []
    return [label for label in others if label not in REFERENCES and not label.startswith("fastinit")]


def rows(results: Results) -> list[Row]:
    """A row for each race that has a rival."""
    return [_row(race, found) for race in results["races"] if (found := rivals(race))]


def _row(race: Results, labels: Iterable[str]) -> Row:
    ratios = {label: ratio(race, "fastinit", label) for label in labels}
    lost = [label for label, one in ratios.items() if one.significant and one.times.median < TOLERANCE]
    peer = min(lost or ratios, key=lambda label: ratios[label].times.median)
    best = ratios[peer]
    won = not lost and best.significant and best.times.median > 1 / TOLERANCE
    return Row(f"{race['group']}/{race['name']}", peer, best, "won" if won else "lost" if lost else "equal")


def headline(found: list[Row]) -> str:
    """The number that counts, and what it is a part of."""
    if not found:
        return "No race has another's entrant that does the same work"
    count = {outcome: sum(row.outcome == outcome for row in found) for outcome in ("won", "equal", "lost")}
    races, lost = (
        f"{len(found)} race{'s' * (len(found) != 1)}",
        f"{count['lost']} {'is' if count['lost'] == 1 else 'are'}",
    )
    return f"Of {races} against the best other in each, {lost} lost, {count['won']} won and {count['equal']} equal"
