"""Parallel: pieces of work on Python threads, each with a BLAS that keeps to its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from ..locks import lock_of_forks
from ..machine import threads_for, threads_limited

Piece = TypeVar("Piece")
Result = TypeVar("Result")

#: Held while the limit of BLAS is set or put back; those who want it now; and itself.
_turn = lock_of_forks()
_holders = 0
_limit: Any = None


class Workers:
    """Threads that share out pieces of work; with `map` any number of times, in a context.

    NumPy and the core let go of the interpreter's lock. A BLAS with threads of its own would have them wait for ours:
    it is limited to one, for which threadpoolctl is needed; where that is missing the pieces come one after another.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._held = ExitStack()

    def __enter__(self) -> Workers:
        limit = one_blas_thread()
        if limit is not None:
            self._held.enter_context(limit)
            if self._threads > 1:
                self._pool = self._held.enter_context(ThreadPoolExecutor(self._threads))
        return self

    def __exit__(self, *error: Any) -> None:
        self._held.close()

    def map(self, work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> Iterator[Result]:
        """The results for all pieces, in their order; few of them wait at a time."""
        if self._pool is None:
            yield from map(work, pieces)
            return

        def quiet(piece: Piece) -> Result:
            with np.errstate(all="ignore"), threads_limited(1):
                return work(piece)

        rest = iter(pieces)
        waiting: deque[Future[Result]] = deque(
            self._pool.submit(quiet, piece) for piece in islice(rest, 4 * self._threads)
        )
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(self._pool.submit(quiet, piece) for piece in islice(rest, 1))


def in_parallel(work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
    """The results for all pieces, in their order; of one thread, whose BLAS then has all, one after the other."""
    threads = min(threads_for(None), len(pieces))
    if threads == 1:
        return [work(piece) for piece in pieces]
    with Workers(threads) as workers:
        return list(workers.map(work, pieces))


@cache
def _blas() -> Any:
    """Those who set the threads of BLAS, or None: looking for them takes longer than setting."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any] | None:
    """A context in which BLAS has one thread, where threadpoolctl is there to see to it."""
    return None if _blas() is None else _limited()


@contextmanager
def _limited() -> Iterator[None]:
    """Limits that overlap in time would put back each other's: the first is set, and put back after the last."""
    global _holders, _limit
    with _turn:
        if not _holders:
            _limit = _blas().limit(limits=1, user_api="blas")
        _holders += 1
    try:
        yield
    finally:
        with _turn:
            _holders -= 1
            if not _holders:
                _limit.restore_original_limits()
