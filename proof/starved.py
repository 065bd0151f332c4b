"""Calls that the system grants less than they ask for: `python -m proof.starved [JOB...]`, in about three minutes.

``threads``: a user who may have no more of them (RLIMIT_NPROC, in a child that is nobody) gets the bits of one thread.
``memory``: the n-th allocation fails, for n = 0, 1, ... until a call makes so many no more: of those that the core asks
for itself (proof/failing.c counts them), and of Python's. The call must raise MemoryError or give the right bits, and
the same call after it must give them. Of Python's only calls are made that ask no function of NumPy's for arithmetic:
where their memory fails, NumPy's end in SystemError and in dead processes, here those of 2.4. Of calls that ask for
memory one must have failed; those whose core asks for none are named.
``stacks``: on threads of 64 KiB all kinds of calls live; on 512 KiB, as macOS has them, those that ask BLAS.

A job fails if a child dies, hangs, raises something else, gives other bits, or comes to no end. Kept in
results/starved.json.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fastinit as fi

from .record import RESULTS, keep

SOURCE = Path(__file__).with_name("failing.c")
LARGE, MOST = 1 << 20, 4000
#: So many calls in a row that were right came after the last allocation, where nobody says so.
OVER = 60
NOBODY = 65534
Array = np.ndarray[Any, Any]


def _many_moments() -> Any:
    return fi.moments(np.arange(70_000.0).reshape(7, 10_000).T, axis=1, threads=2)


def _updates() -> Any:
    sums = fi.Moments().update(np.ones(100_000)).update(np.arange(140_000.0).reshape(2, -1).T)
    return (sums + sums).result()


def _draws() -> Any:
    rng = fi.default_rng(5)
    return rng.normal(size=9), rng.uniform([0, 1], 2.0), rng.integers(9, size=5), rng.random(LARGE // 4)


#: Those without arithmetic of NumPy's.
PLAIN = (
    *("small fill", "fill on threads", "fill of a part", "fill of out", "constant", "init"),
    *("moments", "moments of rows", "updates"),
)
#: Those whose core asks for memory.
ASKING = ("fill on threads", "moments", "moments of rows", "updates", "profile", "profile, matrix free")
#: Those that ask BLAS, whose stacks are its own.
BLAS = ("orthogonal", "verify", "profile", "profile, matrix free")
#: What is called; each twice the same.
CALLS: dict[str, Callable[[], Any]] = {
    "small fill": lambda: fi.normal(9, seed=1, name="w"),
    "fill on threads": lambda: fi.normal(LARGE, seed=1, threads=2),
    "fill of a part": lambda: fi.he_uniform((70, 90), seed=1, index=np.s_[::-2, 3:], dtype="float16"),
    "fill of out": lambda: fi.truncated_normal((30, 40), seed=1, out=np.empty((40, 30), np.float32).T),
    "constant": lambda: fi.constant((30, 40), 2.0, dtype="float64"),
    "orthogonal": lambda: fi.orthogonal((20, 30), seed=1),
    "sparse": lambda: fi.sparse((20, 30), 0.5, seed=1),
    "init": lambda: fi.init({"a": (3, 4), "b": (5, 6)}, seed=1),
    "moments": lambda: fi.moments(np.arange(200_000.0), threads=2),
    "moments of rows": _many_moments,
    "updates": _updates,
    "draws": _draws,
    "verify": lambda: fi.verify(fi.he_normal((30, 40), seed=1), "he_normal", seed=1).ok,
    "profile": lambda: fi.profile(16, 2, batch=4, seed=1)["act_second_moment"],
    "profile, matrix free": lambda: fi.profile(64, 2, batch=4, seed=1, method="matrix_free")["act_second_moment"],
}


def told(value: Any) -> Any:
    """The bits of what a call gave."""
    if isinstance(value, (tuple, list)):
        return [told(one) for one in value]
    if isinstance(value, dict):
        return {name: told(one) for name, one in value.items()}
    return (
        (str(value.dtype), value.shape, value.tobytes()) if isinstance(value, (np.ndarray, np.generic)) else repr(value)
    )


# Threads


def without_threads() -> dict[str, Any]:
    """What a child finds that is nobody and may start none."""
    import resource

    expected = {name: told(call()) for name, call in CALLS.items()}
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    refused = 0
    try:
        threading.Thread(target=print).start()
    except RuntimeError:
        refused = 1
    found = {name: told(call()) == expected[name] for name, call in CALLS.items()}
    judged = _judged(found)
    return {"threads refused": refused, **judged, "holds": judged["holds"] and bool(refused)}


def _judged(found: dict[str, bool]) -> dict[str, Any]:
    wrong = [name for name, same in found.items() if not same]
    return {"calls": len(found), "wrong": wrong, "holds": bool(found) and not wrong}


# Memory


def failing(folder: str) -> Path:
    """The library that fails allocations."""
    made = Path(folder) / "failing.so"
    compiler = shlex.split(os.environ.get("CC", "cc"))
    subprocess.run([*compiler, "-O1", "-shared", "-fPIC", str(SOURCE), "-o", str(made), "-ldl"], check=True)
    return made


def outcomes(name: str, set_failing: Callable[[int], None], stop: Callable[[], bool]) -> Counter[str]:
    """What the calls of a kind came to, where one allocation after the other fails; stop() says whether it was made.

    "failed" is how often it was.
    """
    call, found, in_a_row = CALLS[name], Counter[str](), 0
    expected = told(call())
    for number in range(MOST):
        in_a_row += 1
        value: Any = None
        try:
            set_failing(number)
            value = call()
            failed = stop()
            found["right" if told(value) == expected else "other bits"] += 1
        except MemoryError:
            failed = stop()
            found["MemoryError"] += 1
            in_a_row = 0
        except BaseException as error:
            failed = stop()
            found[f"{type(error).__name__}: {error}"[:200]] += 1
        del value
        if told(call()) != expected:
            found["other bits after it"] += 1
        found["failed"] += failed
        if not failed or in_a_row > OVER:
            break
    else:
        found["no end"] += 1
    return found


def without_memory(name: str, whose: str) -> dict[str, Any]:
    """What a child finds of one kind of calls, of whose allocations one fails."""
    if whose == "python":
        import _testcapi

        def stop() -> bool:
            _testcapi.remove_mem_hooks()
            return True

        found = outcomes(name, lambda number: _testcapi.set_nomemory(number, number + 1), stop)
        del found["failed"]  # which nobody says
    else:
        library = ctypes.CDLL(os.environ["LD_PRELOAD"])
        fail, over = library.fail_allocation, library.failed_and_over
        found = outcomes(name, lambda number: fail(number), lambda: bool(over()))
    return {**found, "holds": _lived(name, whose, found)}


def _lived(name: str, whose: str, found: Counter[str]) -> bool:
    """Whether all was right, and something failed where something can."""
    failed = found["MemoryError" if whose == "python" else "failed"]
    can_fail = whose == "python" or name in ASKING
    return set(found) <= {"right", "MemoryError", "failed"} and (failed > 0 or not can_fail)


def of_memory(name: str, whose: str) -> dict[str, Any]:
    """The same, by a child that is started for it."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ)
        if whose == "core":
            environment["LD_PRELOAD"] = str(failing(folder))
        return in_process(["memory", name, whose], environment)


def of_all_memory() -> dict[str, Any]:
    """All kinds of calls, and which of them did not ask for memory in the core."""
    kinds = [*((name, "core") for name in CALLS), *((name, "python") for name in PLAIN)]
    found = {f"{name}, of {whose}": of_memory(name, whose) for name, whose in kinds}
    spared = [name for name in CALLS if not found[f"{name}, of core"].get("failed")]
    return {**found, "of core none failed": {"calls": spared, "holds": not {*spared} & {*ASKING}}}


# Stacks


def on_small_stacks() -> dict[str, Any]:
    """All calls, each on a thread of its own."""
    expected = {name: told(call()) for name, call in CALLS.items()}
    found = dict.fromkeys(CALLS, False)
    for name in CALLS:
        before = threading.stack_size(1 << (19 if name in BLAS else 16))
        thread = threading.Thread(target=_compare, args=(name, expected[name], found))
        thread.start()
        thread.join()
        threading.stack_size(before)
    return _judged(found)


def _compare(name: str, expected: Any, found: dict[str, bool]) -> None:
    found[name] = told(CALLS[name]()) == expected


# All


def in_process(arguments: list[str], environment: dict[str, str] | None = None) -> dict[str, Any]:
    """What a child says; that it died, if it did."""
    import json

    command = [sys.executable, "-m", "proof.starved", "--child", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    except subprocess.TimeoutExpired:
        return {"hangs": arguments, "holds": False}
    if done.returncode or not done.stdout:
        return {"ended with": done.returncode, "said": done.stderr[-600:], "holds": False}
    return dict(json.loads(done.stdout.splitlines()[-1]))


JOBS: dict[str, tuple[str, Callable[[], dict[str, dict[str, Any]]]]] = {
    "threads": ("where no thread can be started, calls give the bits of one", lambda: {"": in_process(["threads"])}),
    "stacks": ("calls live on stacks of 64 KiB, those that ask BLAS on 512 KiB", lambda: {"": in_process(["stacks"])}),
    "memory": (
        "where an allocation of the core's or of Python's fails, a call raises MemoryError or is right, as is the next",
        of_all_memory,
    ),
}


def child(job: str, *more: str) -> int:
    """One that says what it finds as JSON."""
    import json

    functions: dict[str, Callable[..., dict[str, Any]]] = {
        "threads": without_threads, "stacks": on_small_stacks, "memory": without_memory,
    }  # fmt: skip
    print(json.dumps(functions[job](*more)), flush=True)
    os._exit(0)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.starved", description=__doc__)
    parser.add_argument("jobs", nargs="*", choices=[*JOBS, []], metavar="JOB", help=f"of {', '.join(JOBS)} (all)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept (%(default)s)")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        return child(*options.child)
    bad = 0
    for job in options.jobs or JOBS:
        claim, prove = JOBS[job]
        start, found = time.perf_counter(), prove()
        holds = all(one["holds"] for one in found.values())
        keep("starved", claim, command=f"python -m proof.starved {job}", holds=holds, found=found,
             seconds=time.perf_counter() - start, folder=options.results)  # fmt: skip
        print(job, found, flush=True)
        bad += not holds
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
