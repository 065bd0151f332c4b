"""Stored: the points of sweeps in a file of JSON lines, which only grows: what is finished is not made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from ..arguments import refuse
from ..records import plain, real_number
from ..schemes.table import OWN, SCHEMES
from ..version import STREAM, VERSION
from ..whole_files import path_of
from .points import WORDS, Row, Settings

#: What every line starts with.
_LABEL = b'{"format": "fastinit sweep", "version": 1, '


class Stored:
    """The rows of a file by the keys of their settings, and in a context the file itself, to add more.

    Half a line, of a process that was killed as it wrote, is none; a point that failed is not finished.
    """

    def __init__(self, path: Any) -> None:
        self._path = path_of("path", path)
        self.rows: dict[str, Row] = {}
        self._file: BinaryIO | None = None

    def __enter__(self) -> Stored:
        self._file = self._path.open("a+b")
        self._file.seek(0)
        text = self._file.read()
        head = text.partition(b"\n")[0][: len(_LABEL)]  # perhaps half a line
        if text and not (head and _LABEL.startswith(head)):
            self._file.close()
            refuse("path", "a file of sweeps, or of nothing yet", str(self._path))
        try:
            for number, line in enumerate(text.splitlines(), 1):
                self._read(number, line)
        except ValueError:
            self._file.close()
            raise
        if text and not text.endswith(b"\n"):
            self._file.write(b"\n")
        return self

    def _read(self, number: int, line: bytes) -> None:
        try:
            found = json.loads(line)
        except ValueError:  # half of one
            return
        try:
            key, told = found["key"], {"error": None, "seconds": 0.0} | found["seen"]
            seen = {name: _value(name, value) for name, value in told.items()}
            if seen["error"] is None:
                self.rows[key] = seen
        except (ValueError, TypeError, KeyError, AttributeError):
            refuse("path", f"a file of sweeps, whose line {number} is none that a sweep wrote", str(self._path))

    def add(self, key: str, settings: Settings, row: Row) -> None:
        """A line for a point: whatever happens to this process after, it is there."""
        told = {"key": key, "settings": identity(settings), "seen": plain(row)}
        assert self._file is not None
        self._file.write(_LABEL + json.dumps(told, allow_nan=False)[1:].encode() + b"\n")
        self._file.flush()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._file is not None
        self._file.close()


def _value(name: str, value: Any) -> Any:
    return value if name in WORDS or isinstance(value, bool) else real_number(value)


def key_of(settings: Settings) -> str:
    """What tells a point from all others: its settings, what is fixed among them, and this version."""
    text = json.dumps([VERSION, STREAM, identity(settings)], sort_keys=True)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def identity(settings: Settings) -> dict[str, Any]:
    """The settings as JSON, an array by its hash. What a file could not tell from others is refused."""
    scheme = settings.get("scheme")
    name = scheme[0] if isinstance(scheme, (tuple, list)) and scheme else scheme
    if isinstance(name, str) and name in SCHEMES and name not in OWN:
        refuse("scheme", "one of the package where there is a path: a file has only the names of others", name)
    if "seed" in settings and settings["seed"] is None:
        refuse("seed", "a number where there is a path: no file tells one fresh seed from another", None)
    return {name: _told(name, value) for name, value in settings.items()}


def _told(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        digest = blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16).hexdigest()
        return {"array": [value.dtype.str, *value.shape, digest]}
    if isinstance(value, Mapping):
        return {str(key): _told(name, one) for key, one in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [_told(name, one) for one in value]
    if value is None or isinstance(value, (bool, int, float, str, np.generic)):
        return plain(value)
    rule = "numbers, words and arrays where there is a path: a file does not tell functions apart"
    refuse(name, rule, value, TypeError)
