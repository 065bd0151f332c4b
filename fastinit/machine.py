"""The machine: how many threads a call may use, which instructions it uses, and what was built."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from . import _core
from .arguments import integer
from .version import STREAM, VERSION

P = ParamSpec("P")
R = TypeVar("R")

#: More threads than this serve nobody.
_MOST = 1 << 12


def _text(path: str) -> str:
    """What a file holds. This module does without pathlib, a fifth of the import."""
    with open(path) as file:
        return file.read()


def _groups(controller: str) -> Iterator[str]:
    """Folders of the control groups that hold this process, of either version, and of all above: each may limit it.

    In a container the path may be one of the host, which is not here; the group at the root is then its own.
    """
    own = {"": "/", controller: "/"}
    try:
        for line in _text("/proc/self/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            own |= {name: path for name in controllers.split(",") if name in own}
    except (OSError, ValueError):
        pass
    for name, path in own.items():
        groups = [group for group in path.split("/") if group]
        for depth in range(len(groups), -1, -1):
            yield os.path.join("/sys/fs/cgroup", name, *groups[:depth])


def _words(path: str) -> list[str]:
    """Of a file; none where it cannot be read."""
    try:
        return _text(path).split()
    except (OSError, ValueError):
        return []


def _numbers(group: str, *names: str) -> tuple[int, ...] | None:
    """The first two numbers in these files of a control group; None where there is a word instead, or nothing."""
    words = [word for name in names for word in _words(os.path.join(group, name))][:2]
    return tuple(map(int, words)) if len(words) == 2 and all(word.isdigit() for word in words) else None


def _cgroup_quota() -> float:
    """CPUs that the control groups grant this process; infinity where nothing says so."""

    def quota(group: str) -> float:
        granted = _numbers(group, "cpu.max") or _numbers(group, "cpu.cfs_quota_us", "cpu.cfs_period_us")
        return granted[0] / granted[1] if granted and granted[1] else math.inf

    return min(map(quota, _groups("cpu")))


def _cgroup_memory() -> float:
    """Bytes that the control groups leave this process; what was read from files, and not lately, can be taken back."""

    def room(group: str) -> float:
        taken = _numbers(group, "memory.max", "memory.current")
        taken = taken or _numbers(group, "memory.limit_in_bytes", "memory.usage_in_bytes")
        words = _words(os.path.join(group, "memory.stat"))
        known = dict(zip(words[::2], words[1::2], strict=False))
        cached = int(known.get("total_inactive_file", known.get("inactive_file", 0)))
        return taken[0] - max(0, taken[1] - cached) if taken else math.inf

    return min(map(room, _groups("memory")))


def _available_threads() -> int:
    """CPUs this process may use, divided by the ranks a launcher says share the machine."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota()
    cpus = min(cpus, math.ceil(quota)) if math.isfinite(quota) else cpus
    ranks = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return max(1, cpus // (int(ranks) if ranks.isascii() and ranks.isdigit() and int(ranks) > 0 else 1))


def _threads_wanted() -> int:
    wanted = os.environ.get("FASTINIT_NUM_THREADS", "")
    if not wanted:
        return _available_threads()
    return integer("FASTINIT_NUM_THREADS", int(wanted) if wanted.isascii() and wanted.isdigit() else wanted, 1)


def _use_isa_wanted() -> None:
    wanted = os.environ.get("FASTINIT_ISA", "")
    if wanted and not _core.use_isa(wanted):
        names = ", ".join(map(repr, _core.supported_isas()))
        raise ValueError(f"`FASTINIT_ISA` must be one of {names} on this machine, got {wanted!r}")


default_threads: int = _threads_wanted()
_use_isa_wanted()


def set_num_threads(n: int) -> None:
    """Set how many threads a call without `threads=` uses.

    Parameters
    ----------
    n : int
        At least 1. Until then it is the number of CPUs this process may use (affinity and control groups),
        divided by ``LOCAL_WORLD_SIZE`` where a launcher sets it; or ``FASTINIT_NUM_THREADS``.

    Raises
    ------
    ValueError, TypeError
        If `n` is not an integer of at least 1.

    Notes
    -----
    No value depends on it.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.set_num_threads(2)
    >>> fi.info()["threads"]
    2
    """
    global default_threads
    default_threads = integer("n", n, 1)


_limit: ContextVar[int | None] = ContextVar("threads", default=None)


def threads_for(threads: int | None) -> int:
    """The number of threads a call uses."""
    if threads is None:
        threads = _limit.get()
    return min(_MOST, default_threads if threads is None else integer("threads", threads, 1))


@contextmanager
def threads_limited(threads: int | None) -> Iterator[None]:
    """Let the calls in this context use so many threads where they do not say otherwise; None changes nothing."""
    token = _limit.set(_limit.get() if threads is None else integer("threads", threads, 1))
    try:
        yield
    finally:
        _limit.reset(token)


def usually_rounded(function: Callable[P, R]) -> Callable[P, R]:
    """A function whose floats are those of rounding to nearest and gradual underflow, whatever this thread is set to.

    The C core sees to itself; this is for what Python and NumPy compute around it. What they hand to other threads, as
    the products of BLAS are, is computed in the mode of those. Calls so short that a function more would show in their
    time ask `rounds_otherwise` themselves, and then call themselves so.
    """

    @wraps(function)
    def rounded(*arguments: P.args, **keywords: P.kwargs) -> R:
        if not _core.rounds_otherwise():
            return function(*arguments, **keywords)
        with _core.UsualRounding():
            return function(*arguments, **keywords)

    return rounded


def available_memory() -> float:
    """Bytes that this process may still take: of the machine and of its control groups; infinity where nothing says."""
    free = math.inf
    try:
        lines = _text("/proc/meminfo").splitlines()
        free = next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    return max(0.0, min(free, _cgroup_memory()))


def info() -> dict[str, Any]:
    """What runs here: version, stream version, instructions, threads, compiler.

    Returns
    -------
    dict
        ``version``; ``stream``, the version of the stream (STREAM.md); ``isa`` in use and ``isas`` that this machine
        can run; ``aes``, how the words are made; ``threads`` of a call by default; ``compiler``; ``machine``;
        ``python`` and ``numpy`` versions.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.info()["stream"]
    1
    """
    import numpy as np

    isa, aes = _core.isa_in_use()
    return {
        "version": VERSION,
        "stream": STREAM,
        "isa": isa,
        "isas": list(_core.supported_isas()),
        "aes": aes,
        "threads": default_threads,
        "compiler": _core.compiler(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
