"""Whole files: what is written to a path is there all of it, or what was there before is."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from threading import get_ident
from typing import Any

from .arguments import refuse


def path_of(argument: str, value: Any) -> Path:
    """What an argument names, which a file system can have."""
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(path, str):
        refuse(argument, "a path", value, TypeError)
    try:
        can_be = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:  # of half a pair of surrogates
        can_be = False
    return Path(path) if can_be else refuse(argument, "a path that a file system can have", path)


def write_whole(path: Any, content: str | bytes) -> None:
    """Write a file that is there whole or not at all: under a name of its own, a hidden one, until all of it is."""
    path = path_of("path", path)
    if not path.absolute().parent.is_dir():
        refuse("path", "in a folder that exists", str(path))
    part = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}.part")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_figure(figure: Any, path: Any) -> None:
    """Write one of matplotlib, by what the name of its file ends with; or to what is open, as matplotlib would."""
    ending = Path(path).suffix[1:] if isinstance(path, (str, os.PathLike)) else ""
    if not ending:  # matplotlib gives the file its own
        figure.savefig(path)
        return
    file = BytesIO()
    figure.savefig(file, format=ending)
    write_whole(path, file.getvalue())
