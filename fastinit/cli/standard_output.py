"""Files of what a command shows, of which standard output may be one: numbers alone go there, the rest stands aside."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from ..whole_files import write_whole

#: What --json calls it.
STANDARD = Path("-")


@contextmanager
def told_aside(files: Mapping[str, Path]) -> Iterator[TextIO]:
    """Standard output. Where it takes the numbers, what is printed meanwhile goes to standard error."""
    out = sys.stdout
    with redirect_stdout(sys.stderr) if files.get("json") == STANDARD else nullcontext():
        yield out


def write_shown(shown: Any, files: Mapping[str, Path], out: TextIO, **pictured: str) -> None:
    """Its files by their kinds, with a line for each; `pictured` are keywords of the picture."""
    write: dict[str, Callable[[Path], object]] = {
        "png": lambda path: shown.plot(path, **pictured),
        "html": lambda path: shown.to_html(path),
        "json": lambda path: _write_json(path, shown.to_json(), out),
    }
    for kind, path in files.items():
        write[kind](path)
        print(f"wrote {'standard output' if path == STANDARD else path}")


def _write_json(path: Path, numbers: str, out: TextIO) -> None:
    """All numbers, in a file or on standard output."""
    if path == STANDARD:
        print(numbers, file=out)
    else:
        write_whole(path, numbers)
