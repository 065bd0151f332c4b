"""Executors: the points of a sweep in this process, or on workers, some of which may die."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from itertools import islice
from queue import SimpleQueue
from typing import Any, TypeAlias

from ..arguments import check_open, refuse
from ..typing import Client
from .points import Row, Settings, failed, row_of

#: None, one that runs, a function that makes one anew, or a `distributed.Client`.
ExecutorLike: TypeAlias = Executor | Callable[[], Executor] | Client | None
#: Points that are to be made, by their numbers.
Points = dict[int, Settings]


def made(points: Points, executor: Any) -> Iterator[tuple[int, Row]]:
    """Number and row of each point, as they are done by a checked executor."""
    if executor is None:
        for number, settings in points.items():
            yield number, row_of(settings)
    elif _makes(executor):
        yield from _made_anew(dict(points), executor)
    elif hasattr(executor, "get_executor"):  # that of Dask makes the points of a dead worker again
        yield from _submitted(dict(points), executor.get_executor(pure=False))
    else:
        left = dict(points)
        yield from _submitted(left, executor)
        if left:
            rule = f"a function that makes one: a worker died, and {len(left)} of {len(points)} points are not made"
            refuse("executor", rule, executor, BrokenExecutor)


def check_executor(executor: ExecutorLike) -> None:
    """Raise where points cannot be made by it."""
    if not (executor is None or _makes(executor) or hasattr(executor, "submit")):
        rule = "None, a concurrent.futures.Executor, a function that makes one, or a Dask client"
        refuse("executor", rule, executor, TypeError)
    check_open("executor", executor)


def _makes(executor: ExecutorLike) -> bool:
    return isinstance(executor, type) or (callable(executor) and not hasattr(executor, "submit"))


def _made_anew(left: Points, make: Callable[[], Executor]) -> Iterator[tuple[int, Row]]:
    """On one executor after the other. Where one dies at once, the next has one point: if that dies too, it fails."""
    alone = False
    while left:
        some = dict(islice(left.items(), 1 if alone else None))
        asked = len(some)
        with make() as executor:
            for number, row in _submitted(some, executor):
                del left[number]
                yield number, row
        if alone and some:
            (number,) = some
            del left[number]
            yield number, failed(BrokenExecutor("a worker died while it made this point alone"))
        alone = not alone and len(some) == asked


def _submitted(left: Points, executor: Executor) -> Iterator[tuple[int, Row]]:
    """What an executor makes is taken from `left`; where it dies the rest is left."""
    done: SimpleQueue[Future[Row]] = SimpleQueue()
    futures: dict[Future[Row], int] = {}
    try:
        for number, settings in left.items():
            future = executor.submit(row_of, settings)
            futures[future] = number
            future.add_done_callback(done.put)
    except BrokenExecutor:
        pass  # those that were submitted say so too
    except RuntimeError as refusal:  # of one that takes no more
        for future in futures:
            future.cancel()
        raise ValueError(f"`executor` must be one that has not been shut down, got {executor!r}") from refusal
    try:
        while futures:
            future = done.get()
            number = futures.pop(future)
            error = CancelledError() if future.cancelled() else future.exception()
            if not isinstance(error, BrokenExecutor):
                del left[number]
                yield number, failed(error) if error else future.result()
    finally:
        for future in futures:
            future.cancel()
