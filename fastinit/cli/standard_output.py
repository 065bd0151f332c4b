"""Standard output as the place of a file: numbers alone go there, and what else is told stands aside."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TextIO

from ..whole_files import write_whole

#: What --json calls it.
STANDARD = Path("-")


@contextmanager
def told_aside(files: Mapping[str, Path]) -> Iterator[TextIO]:
    """Standard output. Where it takes the numbers, what is printed meanwhile goes to standard error."""
    out = sys.stdout
    with redirect_stdout(sys.stderr) if files.get("json") == STANDARD else nullcontext():
        yield out


def write_json(path: Path, numbers: str, out: TextIO) -> None:
    """All numbers, in a file or on standard output."""
    if path == STANDARD:
        print(numbers, file=out)
    else:
        write_whole(path, numbers)
