"""Array files: the array of an .npy file, and those of an .npz file by their names. Nothing pickled is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy

from ..arguments import refuse
from ..tensor_files import CODES, check_names

#: Headers that arrays of numbers have, by their versions.
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
#: A member that has more bytes, and so many times those that are stored, is refused: weights hardly shrink.
_LARGE, _MOST_TIMES = 1 << 28, 100


class ArchivedFile:
    """What `TensorFiles` are, of an .npz file."""

    def __init__(self, path: Path, archive: ZipFile) -> None:
        self._path, self._archive = path, archive
        self._members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
        self.names: list[str] = [*self._members]
        if len(self.names) < len(archive.infolist()):
            raise ValueError("there are several arrays of one name")
        check_names(path, self.names)

    def dtype_of(self, name: str) -> str:
        """As .safetensors files call it."""
        dtype = str(self._header(name)[1])
        return CODES.get(dtype, dtype)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Lengths of its axes."""
        return self._header(name)[0]

    def read(self, name: str) -> Any:
        """The array: no more memory is taken than its bytes need."""
        dtype = self._header(name)[1]
        with _named(self._path), self._archive.open(self._members[name]) as file:
            _check_numbers(repr(name), dtype)
            return npy.read_array(file, allow_pickle=False)

    def _header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype."""
        member = self._members[name]
        _check_size(self._path, member)
        with _named(self._path), self._archive.open(member) as file:
            shape, dtype = _read_header(file, repr(name))
            if not dtype.hasobject and prod(shape) * dtype.itemsize > member.file_size - file.tell():
                raise ValueError(f"{name!r} has fewer bytes than its shape says")
        return shape, dtype


def _read_header(file: Any, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype, from the beginning of the file of an array."""
    start = file.read(len(npy.MAGIC_PREFIX))
    if start != npy.MAGIC_PREFIX:
        raise ValueError(f"{name} is {'no array (numpy.save writes one)' if start else 'empty'}")
    version = tuple(file.read(2))
    if version not in _HEADERS:
        raise ValueError(f"{name} is of version {version} of the format")
    shape, _, dtype = _HEADERS[version](file)
    return shape, dtype


def _check_numbers(name: str, dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise ValueError(f"{name} has objects of Python, where only numbers are read")


def _check_size(path: Path, member: ZipInfo) -> None:
    stored = min(member.compress_size, path.stat().st_size)
    if member.file_size > max(_LARGE, _MOST_TIMES * stored):
        rule = (
            f"an .npz file of arrays that are at most {_MOST_TIMES} times as large as they are stored (see numpy.savez)"
        )
        refuse("file", rule, f"{path}: {member.filename}")


@contextmanager
def open_archive(path: Path) -> Iterator[ArchivedFile]:
    """Open an .npz file, whose arrays are read when they are asked for."""
    with path.open("rb") as file:
        with _named(path):
            archive = ZipFile(file)
            found = ArchivedFile(path, archive)
        with archive:
            yield found


def read_npy_file(path: Path) -> Any:
    """The array of an .npy file, read as it is needed."""
    with _named(path):
        with path.open("rb") as file:
            _check_numbers("it", _read_header(file, "it")[1])
        return npy.open_memmap(path, mode="r")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is wrong with a file is told with its name, in one line, whatever NumPy and zipfile make of it."""
    try:
        with np.errstate(over="raise", invalid="raise"):  # of sizes that no array has
            yield
    except OSError:
        raise
    except Exception as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        shown = said if len(said) <= 200 else f"{said[:197]}..."
        raise ValueError(f"{path} cannot be read as an .npy or .npz file: {shown}") from error
