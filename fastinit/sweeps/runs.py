"""Runs: `sweep` profiles a network at every point of a product of settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from os import PathLike
from typing import Any

from ..profiler.progress import progress as progress_bar
from ..stream import seed_number
from .executors import ExecutorLike, check_executor, made
from .points import points_of
from .result import Sweep
from .stored import Stored, key_of


def sweep(
    over: Mapping[str, Iterable[Any]],
    *,
    executor: ExecutorLike = None,
    path: str | PathLike[str] | None = None,
    progress: bool | None = None,
    **fixed: Any,
) -> Sweep:
    """Profile a network at every point of a product of settings, here or on many workers.

    Parameters
    ----------
    over : mapping of str to sequence
        Keywords of `fastinit.profile`, and the values that each takes.
    executor : concurrent.futures.Executor, callable or distributed.Client, optional
        What makes the points: this process, one after the other, where it is left out; an executor, of threads,
        processes or machines; a function that makes one, which is called again where its workers die; or a client of
        Dask. No number depends on it.
    path : path, optional
        A file of JSON lines, to which each point is added as soon as it is done, and whose points are not made again:
        what was interrupted is resumed by the same call. Points of other settings, or of another version, may be there
        too; those that failed are tried again.
    progress : bool, optional
        Whether to show a bar with the time left; where it is left out, for long sweeps on a terminal.
    **fixed
        Keywords of `fastinit.profile` that are the same for all points. One thread makes a profile, unless `threads`
        is given.

    Returns
    -------
    Sweep
        A mapping of columns, a row for each point: the last axis of `over` changes fastest. A point that fails has its
        message in the column "error", and no numbers.

    Raises
    ------
    TypeError, ValueError
        If a keyword is not one of `fastinit.profile`, or is given twice, or has no values, or names what is not there
        (a scheme, an activation, a norm, a method), or the file is none of sweeps, or has to tell functions apart;
        nothing has been made then.
    concurrent.futures.BrokenExecutor
        If a worker of an executor died. The points that were done by then are in the file; a function that makes an
        executor, or Dask, goes on.

    See Also
    --------
    fastinit.profile : what is made of each point, and its keywords.

    Examples
    --------
    >>> import fastinit as fi
    >>> found = fi.sweep({"scheme": ["lecun_normal", "he_normal"], "depth": [8, 16]}, width=64, batch=16)
    >>> found["depth"].tolist(), found["verdict"].tolist()
    ([8, 16, 8, 16], ['vanishing', 'vanishing', 'stable', 'stable'])
    >>> bool(abs(found["act_second_moment_rate"][1] - 0.5) < 0.1)
    True
    """
    points = points_of(over, fixed)
    check_executor(executor)
    if fixed.get("seed") is not None:
        fixed["seed"] = seed_number(fixed["seed"])
    settings = [fixed | point for point in points]
    keys = [] if path is None else [key_of(one) for one in settings]
    with nullcontext() if path is None else Stored(path) as stored:
        known = {} if stored is None else stored.rows
        rows = {number: known[key] for number, key in enumerate(keys) if key in known}
        left = {number: one for number, one in enumerate(settings) if number not in rows}
        with progress_bar(len(left), progress, "points") as report:
            for number, row in made(left, executor):
                rows[number] = row
                if stored is not None:
                    stored.add(keys[number], settings[number], row)
                report()
    return Sweep(points, [rows[number] for number in range(len(points))])
