"""The machine: how many threads a call may use, which instructions it uses, and what was built."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from . import _core
from .arguments import integer

VERSION = "0.2.0.dev0"
STREAM = 0


#: More threads than this serve nobody.
_MOST = 1 << 12


def _cgroup_quota() -> float:
    """CPUs that the control group grants this process; infinity where nothing says so."""
    try:
        granted, span = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return math.inf if granted == "max" else int(granted) / int(span)
    except (OSError, ValueError):
        pass
    try:
        folder = Path("/sys/fs/cgroup/cpu")
        quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else math.inf
    except (OSError, ValueError):
        return math.inf


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
        At least 1. At import it is the number of CPUs this process may use (affinity and control group),
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


def available_memory() -> float:
    """Bytes that this process may still take: of the machine, and of its control group; infinity where nothing says."""
    free = math.inf
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        most, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current"))
        free = min(free, math.inf if most == "max" else float(int(most) - int(used)))
    except (OSError, ValueError):
        pass
    return max(0.0, free)


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
    0
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
