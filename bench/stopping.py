"""Stopping: Ctrl-C ends what is within; and soon, also where a call of C does not come back."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any

#: That Ctrl-C was pressed, which some calls take to mean that they shall return what they have.
STOPPED = Event()
#: Seconds that a call has to come back after Ctrl-C. A gibibyte on its way to a slow disk takes more than ten.
GRACE = 0.2


def stop_if_asked() -> None:
    """A call that was cut off and returned is no sample, and its output not wrong."""
    if STOPPED.is_set():
        raise KeyboardInterrupt


@contextmanager
def stoppable(give_up: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C ends what is within, also where a call makes a result of what it has by then, as profiles do.

    Python tells the main thread of a signal between two of its own steps. Where it is in the midst of one for longer
    than `GRACE`, another thread calls `give_up`, which is to end the process.
    """

    def stop(*_: Any) -> None:
        if not STOPPED.is_set():  # a second time would end what tidies up after the first
            STOPPED.set()
            raise KeyboardInterrupt

    told, tells = socket.socketpair()
    tells.setblocking(False)
    left, last = Event(), Lock()
    Thread(target=_watch, args=(told, left, last, give_up), daemon=True).start()
    before, wakeup = signal.signal(signal.SIGINT, stop), signal.set_wakeup_fd(tells.fileno())
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        with last:  # which who gives up keeps until the process has ended
            left.set()
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGINT, before)
        STOPPED.clear()
        tells.close()


def _watch(told: socket.socket, left: Event, last: Lock, give_up: Callable[[], None]) -> None:
    """Wait for the byte that says that there was a signal, or for the end of what sends it."""
    with told:
        while (signals := told.recv(1)) and signals[0] != signal.SIGINT:
            pass
        if signals and not left.wait(GRACE):
            with last:
                if not left.is_set():
                    give_up()
