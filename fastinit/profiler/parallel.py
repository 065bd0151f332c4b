"""Parallel: pieces of work on Python threads, each with a BLAS that keeps to its own."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar, copy_context
from functools import cache
from threading import get_ident
from typing import Any, TypeVar

from ..locks import lock_of_forks
from ..machine import threads_for, threads_limited

Piece = TypeVar("Piece")
Result = TypeVar("Result")

#: The threads of the context, but for its own; None where it shares nothing.
_pool: ContextVar[ThreadPoolExecutor | None] = ContextVar("pool", default=None)
#: Held while the limit of BLAS is set or put back; the threads that want it now; and what there was before.
_turn = lock_of_forks()
_holders: list[int] = []
_before: list[tuple[Any, int]] = []


@contextmanager
def sharing() -> Iterator[None]:
    """Let `in_parallel` share out pieces of work in this context, to threads that have a BLAS of one thread each.

    The threads of a BLAS wait for its next product on cores that others want: half of the processor time of a default
    profile was such waiting, and on a busy machine two thirds. To hold it to one needs threadpoolctl: where that is
    missing it has all threads, and pieces come one after another.
    """
    threads = threads_for(None)
    with ExitStack() as held:
        pool = None
        if _blas() is not None:
            held.enter_context(_limited())
            if threads > 1:
                pool = held.enter_context(ThreadPoolExecutor(threads - 1))
        held.callback(_pool.reset, _pool.set(pool))
        yield


def in_parallel(work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
    """The results for all pieces, in their order; this thread makes some too. An error ends it for all.

    NumPy and the core let go of the interpreter's lock.
    """
    pool, threads = _pool.get(), min(threads_for(None), len(pieces))
    if pool is None or threads == 1:
        return [work(piece) for piece in pieces]
    left, found, works = deque(enumerate(pieces)), dict[int, Result](), [work]

    def share() -> None:
        try:
            with threads_limited(1):
                while (taken := _next_of(left)) is not None:
                    found[taken[0]] = works[0](taken[1])
        finally:
            left.clear()  # after an error

    helpers = [pool.submit(copy_context().run, share) for _ in range(threads - 1)]
    try:
        share()
    finally:
        late = [helper for helper in helpers if not helper.cancel()]  # the others had not begun
        wait(late)
        works.clear()  # a pool keeps what it was asked until its thread has a core again: not arrays as well
    for helper in late:
        helper.result()
    return [found.pop(place) for place in range(len(pieces))]


def _next_of(left: deque[Piece]) -> Piece | None:
    """None where there are no more. Each thread gets another one, which an iterator promises with a GIL alone."""
    with suppress(IndexError):
        return left.popleft()
    return None


@cache
def _blas() -> list[Any] | None:
    """Those who set the threads of BLAS, or None: looking for them takes longer than setting."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


def _set_threads(counts: list[tuple[Any, int]]) -> None:
    """Of each BLAS, whichever thread asks: threadpoolctl 3.8 lets one alone set a BLAS of pthreads until it is told."""
    for blas, count in counts:
        let_go = getattr(blas, "clear_controlling_thread", _nobody)
        let_go(force=True)
        blas.set_num_threads(count)
        let_go(force=True)


def _nobody(force: bool) -> None:
    """Before threadpoolctl 3.8 every thread could."""


@contextmanager
def _limited() -> Iterator[None]:
    """One thread of BLAS. Limits that overlap would put back each other's: the first is put back after the last."""
    global _before
    this = get_ident()
    with _turn:
        if not _holders:
            _before = [(blas, blas.get_num_threads()) for blas in _blas() or ()]
            _set_threads([(blas, 1) for blas, _ in _before])
        _holders.append(this)
    try:
        yield
    finally:
        with _turn:
            _holders.remove(this)
            if not _holders:
                _set_threads(_before)


def _in_child() -> None:
    """Of those who wanted it none is there but the thread that forked."""
    gone = [holder for holder in _holders if holder != get_ident()]
    if gone:
        _holders[:] = [holder for holder in _holders if holder == get_ident()]
        if not _holders:
            _set_threads(_before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
