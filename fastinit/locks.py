"""Locks that no other thread holds while the process forks: nobody would release them in the child."""

from __future__ import annotations

import os
from threading import RLock
from typing import Any
from weakref import ref

#: Every lock made here that is still there; those that a fork holds; and what lets one thread fork at a time.
_made: set[ref[Any]] = set()
_held: list[Any] = []
_forking = RLock()
#: Seconds that a fork waits for a lock while it holds others, which the one who has it may want.
_PATIENCE = 0.05


def lock_of_forks() -> Any:
    """A new `threading.RLock` for what a fork must not find half done: it waits while another thread holds it."""
    try:
        lock = RLock()
    except RuntimeError as error:  # as Python says that there is no memory for one
        raise MemoryError(*error.args) from error
    _made.add(ref(lock, _made.discard))
    return lock


def _take_all() -> None:
    _forking.acquire()
    while not all(_taken(lock()) for lock in list(_made)):
        _put_back()


def _taken(lock: Any) -> bool:
    if lock is None:  # it is gone since
        return True
    if not lock.acquire(timeout=_PATIENCE):
        return False
    _held.append(lock)
    return True


def _put_back() -> None:
    while _held:
        _held.pop().release()


def _go_on() -> None:
    _put_back()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_take_all, after_in_parent=_go_on, after_in_child=_go_on)
