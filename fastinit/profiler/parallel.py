"""Parallel: pieces of work on Python threads, each with a BLAS that keeps to its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import numpy as np

from ..machine import threads_for

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def in_parallel(work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
    """The results for all pieces, in their order.

    NumPy and the core let go of the interpreter's lock. A BLAS with threads of its own would have them wait for ours:
    it is limited to one, for which threadpoolctl is needed; where that is missing the pieces come one after another.
    """
    threads = min(threads_for(None), len(pieces))
    limit = one_blas_thread() if threads > 1 else None
    if limit is None:
        return [work(piece) for piece in pieces]

    def quiet(piece: Piece) -> Result:
        with np.errstate(all="ignore"):
            return work(piece)

    with limit, ThreadPoolExecutor(threads) as pool:
        return list(pool.map(quiet, pieces))


def one_blas_thread() -> AbstractContextManager[Any] | None:
    """A context in which BLAS has one thread, where threadpoolctl is there to see to it."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return None
    return threadpool_limits(1, "blas")
