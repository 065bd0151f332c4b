"""python -m bench: nothing is imported here before the process is as it is to be."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from . import UNSET

_SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
INTERRUPTED = 130
#: As of a process that the signal would have ended.
NOBODY_READS = 141


def without_slowing_variables() -> None:
    """Start again without the variables that make OpenBLAS, and so NumPy, slower than its users know it."""
    found = [name for name in _SLOWING if os.environ.pop(name, None) is not None]
    if found:
        print(f"{', '.join(found)} slows OpenBLAS: unset for this run", file=sys.stderr, flush=True)
        os.environ[UNSET] = ", ".join(found)
        os.execv(sys.executable, sys.orig_argv)


def start(name: str, main: Callable[[list[str]], int]) -> int:
    """The exit status. Ctrl-C is one line, whatever an import makes of it; an output that nobody reads is left."""
    import signal

    asked = []

    def stop(*_: object) -> None:
        asked.append(True)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        without_slowing_variables()
        try:
            status = main(sys.argv[1:])
        finally:
            print(end="", flush=True)  # or the interpreter does, when it ends
    except BaseException as error:
        if not asked and not isinstance(error, OSError):
            raise
        status = _status(name, None if asked else error)
    if status == INTERRUPTED:
        sys.stderr.flush()
        os._exit(status)  # Python would still end by the signal, where it came while C ran some Python
    return status


def _status(name: str, error: BaseException | None) -> int:
    if error is None:
        print(f"{name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter tries again, and says so
    return NOBODY_READS if isinstance(error, BrokenPipeError) else 2


def _main(argv: list[str]) -> int:
    from .command_line import main

    return main(argv)


if __name__ == "__main__":
    sys.exit(start("python -m bench", _main))
