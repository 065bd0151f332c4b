"""Array files: the array of an .npy file, and those of an .npz file by their names. Nothing pickled is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from ..tensor_files import CODES


class ArchivedFile:
    """What `TensorFiles` are, of an .npz file: of its arrays the last that was asked for is in memory."""

    def __init__(self, path: Path, stored: NpzFile) -> None:
        self._path, self._stored = path, stored
        self._last: tuple[str, Any] = ("", None)
        self.names: list[str] = [*stored.files]

    def dtype_of(self, name: str) -> str:
        """As .safetensors files call it."""
        dtype = str(self.read(name).dtype)
        return CODES.get(dtype, dtype)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Lengths of its axes."""
        return tuple(self.read(name).shape)

    def read(self, name: str) -> Any:
        """The array."""
        if self._last[0] != name or self._last[1] is None:
            with _named(self._path):
                self._last = name, self._stored[name]
        return self._last[1]


@contextmanager
def open_archive(path: Path) -> Iterator[ArchivedFile]:
    """Open an .npz file, whose arrays are read when they are asked for."""
    with path.open("rb") as file:
        with _named(path):
            stored = NpzFile(file, allow_pickle=False)
        with stored:
            yield ArchivedFile(path, stored)


def read_npy_file(path: Path) -> Any:
    """The array of an .npy file, read as it is needed."""
    with _named(path):
        return np.load(path, mmap_mode="r", allow_pickle=False)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is wrong with a file is told with its name."""
    try:
        yield
    except (EOFError, BadZipFile, TokenError, SyntaxError, MemoryError) as error:
        raise ValueError(f"{path} cannot be read as an .npy or .npz file: {error}") from error
