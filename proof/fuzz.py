"""Calls of the whole public surface with arguments of wild kinds: `python -m proof.fuzz --calls N --seed S`.

A call may give what the twin gives, or raise an error that refuses it: proof/calls.py has the rule. The job fails at
any finding: another bit, another error, a byte written where none is due, a process that dies or hangs, a report of a
sanitizer. Each chunk of calls runs in a process of its own and by a seed of its own, S, S + 1, ...; what was found is
kept after each in results/fuzz.json, in a line for the build and S. Calls that came to something new go into
proof/corpus/, which the tests make again.

10**6 calls take about five minutes of one core. `--sanitized` builds the core for the address and undefined-behaviour
sanitizers, and calls that. A fault is planted first, which must be reported: an array with fewer bytes than it says.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np

import fastinit as fi

from . import more_calls as more
from .calls import Finding, Judge, draw_array, use_fast_twin
from .record import keep, machine
from .sanitized import FOUND, HOME, environment, package, run
from .wild import Call

CORPUS = Path(__file__).parent / "corpus" / "calls.json"
CHUNK, HANGS = 20_000, 1800
#: Bytes of addresses of a child, so that what asks for more than there is gets none. Sanitizers need them all.
MEMORY = 8 << 30
BUILDS = ("plain build", "address and undefined-behaviour sanitizers")
#: How many came to the twin's bits; and steps of generators to those of another call.
COMPARED = ("compared", "compared with calls")
CLAIM = "no call of the public surface from seed {} on comes to what it must not, {}"


class Kind(NamedTuple):
    """Calls of a kind, how many of a thousand are, how one is drawn, and how it is judged."""

    share: int
    draw: Callable[[Random], Call]
    judge: Callable[[Judge, Call, Random], str]


KINDS = {
    "array": Kind(640, draw_array, Judge.array),
    "moments": Kind(100, more.draw_moments, more.judge_moments),
    "accumulator": Kind(20, more.draw_accumulator, more.judge_accumulator),
    "generator": Kind(60, more.draw_generator, more.judge_generator),
    "law": Kind(49, more.draw_law, more.judge_law),
    "many": Kind(50, more.draw_many, more.judge_many),
    "small": Kind(80, more.draw_small, more.judge_small),
    "network": Kind(1, more.draw_network, more.judge_small),
}
_DEALT = [name for name, kind in KINDS.items() for _ in range(kind.share)]


def kind_of(call: Call) -> Kind:
    """By its function."""
    own = {"fi.moments": "moments", "Moments": "accumulator", "default_rng": "generator", "fi.init": "many"}
    name = call.function[3:]
    if call.function in own:
        return KINDS[own[call.function]]
    if call.function.startswith("fi.laws.") and name[5:] in more.LAWS:
        return KINDS["law"]
    return KINDS["network" if name in more.NETWORKS else "small" if name in more.SMALL else "array"]


def judged(call: Call, judge: Judge, drawn: Random) -> str:
    """What it came to."""
    return kind_of(call).judge(judge, call, drawn)


def steps_of(call: Call) -> int:
    """How many calls it is of."""
    return len(call.given) if call.function in ("Moments", "default_rng") else 1


def chunk(seed: int, calls: int, trace: Path | None) -> dict[str, Any]:
    """Make so many; `trace` has the last one when the process dies."""
    drawn, judge, made, number = Random(seed), Judge(), Counter[str](), 0
    new: dict[str, Any] = {}
    findings: list[str] = []
    while number < calls:
        call = KINDS[_DEALT[int(drawn.random() * len(_DEALT))]].draw(drawn)
        if trace:
            trace.write_text(str(call))
        try:
            outcome = judged(call, judge, drawn)
        except Exception as found:  # one of the judge's own is one too
            findings.append((str(found) if isinstance(found, Finding) else f"{call}: {found!r}")[:2000])
            outcome = "finding"
        made[outcome] += 1
        number += steps_of(call)
        new.setdefault(f"{call.function} {outcome}", [*call, outcome])
    compared = dict(zip(COMPARED, (judge.counts["twin"], judge.counts["calls"]), strict=True))
    return {"calls": number, "outcomes": made, **compared, "new": new, "findings": findings}


def child(seed: int, calls: int, trace: str) -> None:
    """A chunk, in a folder that is gone after it."""
    warnings.simplefilter("ignore")
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    use_fast_twin()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        found = chunk(seed, calls, Path(trace) if trace else None)
        os.chdir("/")
    print(json.dumps(found))


def too_short() -> None:
    """Fill an array that has fewer bytes than it says: no caller may do it, and it must be seen."""
    fi.normal(12, seed=1, out=np.lib.stride_tricks.as_strided(np.empty(10, np.float32), (12,), (4,)))


def python(where: Mapping[str, str], *arguments: str, seconds: float = HANGS) -> subprocess.CompletedProcess[str]:
    """This Python in that environment."""
    return run([sys.executable, *arguments], where, seconds)


def compiler(where: Mapping[str, str]) -> str:
    """Of the core there."""
    return python(where, "-c", "from fastinit import _core; print(_core.compiler())").stdout.strip()


def sees(where: Mapping[str, str]) -> bool:
    """Whether the core there is compiled for the sanitizers, and a planted fault is reported."""
    planted = python(where, "-c", "from proof import fuzz; fuzz.too_short()")
    return "address sanitizer" in compiler(where) and planted.returncode == FOUND


def arguments_of(seed: int, calls: int, trace: str) -> list[str]:
    """Of Python, which makes a chunk."""
    return ["-m", "proof.fuzz", "--child", str(seed), str(calls), trace]


def run_chunk(where: Mapping[str, str], seed: int, calls: int, trace: str = "") -> dict[str, Any]:
    """What a child found; one that died is made again, and the call that it died of is the finding."""
    try:
        done = python(where, *arguments_of(seed, calls, trace), seconds=HANGS * (10 if trace else 1))
        told = f"ended with {done.returncode}: {done.stderr[-1500:]}"
        if done.returncode == 0:
            return dict(json.loads(done.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        told = f"hung for {HANGS} seconds"
    if trace or "hung" in told:
        last = Path(trace).read_text() if trace and Path(trace).exists() else "a call unknown"
        nothing = {"calls": 0, "outcomes": {}, **dict.fromkeys(COMPARED, 0), "new": {}}
        return {**nothing, "findings": [f"seed {seed} {told} at {last}"]}
    with tempfile.TemporaryDirectory() as folder:
        found = run_chunk(where, seed, calls, f"{folder}/last")
    return found if found["findings"] else {**found, "findings": [f"seed {seed} {told}, and not again"]}


def grown(new: dict[str, Any]) -> None:
    """Put calls that came to something new into the corpus."""
    CORPUS.parent.mkdir(exist_ok=True)
    known = json.loads(CORPUS.read_text()) if CORPUS.exists() else []
    seen = {f"{one[0]} {one[3]}" for one in known}
    added = [one for key, one in new.items() if key not in seen and one[3] not in ("finding", "no call")]
    if added:
        lines = sorted(map(json.dumps, [*known, *added]))
        CORPUS.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.fuzz", description=__doc__)
    parser.add_argument("--calls", type=int, default=10**6, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first chunk (%(default)s)")
    parser.add_argument("--sanitized", action="store_true", help="call a core that is compiled for the sanitizers")
    parser.add_argument("--until", help="a time of the day, such as 19:30, after which no chunk is begun")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        child(int(options.child[0]), int(options.child[1]), options.child[2])
        return 0
    with tempfile.TemporaryDirectory() as folder:
        plain = {**os.environ, "PYTHONPATH": str(HOME)}
        where = environment(package(Path(folder))) if options.sanitized else plain
        if options.sanitized and not sees(where):
            print("the sanitizers do not see a planted fault: they would have seen nothing")
            return 1
        return fuzzed(where, options)


def fuzzed(where: Mapping[str, str], options: argparse.Namespace) -> int:
    """Make the calls, chunk by chunk, and keep what was found."""
    start, seed, outcomes = time.perf_counter(), options.seed, Counter[str]()
    found: dict[str, Any] = {"calls": 0, **dict.fromkeys(COMPARED, 0), "findings": []}
    build, also = BUILDS[options.sanitized], " --sanitized" * options.sanitized
    core = machine(core=compiler(where))
    while found["calls"] < options.calls and not (options.until and time.strftime("%H:%M") >= options.until):
        one = run_chunk(where, seed, min(CHUNK, options.calls - found["calls"]))
        outcomes.update(one["outcomes"])
        for name in found:
            found[name] += one[name]
        grown(one["new"])
        seed += 1
        seconds = time.perf_counter() - start
        command = f"python -m proof.fuzz --calls {found['calls']} --seed {options.seed}{also}"
        keep("fuzz", CLAIM.format(options.seed, build), command=command, seed=options.seed,
             holds=not found["findings"], seconds=seconds, where=core,
             found={**found, "chunks": seed - options.seed, "outcomes": dict(outcomes)})  # fmt: skip
        print(
            seed,
            found["calls"],
            found["compared"],
            f"{found['calls'] / seconds:.0f}/s",
            one["findings"][:3],
            flush=True,
        )
    return int(bool(found["findings"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
