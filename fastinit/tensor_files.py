"""Files of tensors: what .safetensors files hold, one or several with an index, with errors that name the file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

from .arguments import first_few, refuse
from .dtypes import NAMES, kind_of
from .missing import missing
from .whole_files import path_of

#: Dtypes by their names, as these files call them.
CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "complex64": "C64",
    "bool": "BOOL",
    **{f"{kind}{bits}": f"{kind[0].upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}
#: Of those, what weights can have.
FLOATS = tuple(CODES[name] for name in NAMES)
#: How the name of an index ends; and names of files that torch writes.
INDEX = ".safetensors.index.json"
PICKLED = (".pt", ".pth", ".bin")
#: As long as the header of a .safetensors file may be.
_LONGEST_INDEX = 100_000_000


class TensorFiles:
    """Open files: the names of their tensors, and of each its dtype as the file calls it, its shape and its values."""

    def __init__(self, files: Mapping[Path, Any], numpy: bool) -> None:
        self._files, self._numpy = files, numpy
        self._where: dict[str, Path] = {name: path for path, stored in files.items() for name in [*stored.keys()]}
        for path, stored in files.items():
            check_names(path, stored.keys())
        self.names: list[str] = [*self._where]

    def _part(self, name: str) -> Any:
        return self._files[self._where[name]].get_slice(name)

    def dtype_of(self, name: str) -> str:
        """Such as "F32" or "BF16"."""
        return str(self._part(name).get_dtype())

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Lengths of its axes."""
        return tuple(self._part(name).get_shape())

    def read(self, name: str) -> Any:
        """The tensor: an array, or what the framework calls one, of the file's own bits."""
        path, dtype = self._where[name], self.dtype_of(name)
        if self._numpy and dtype == "BF16":
            kind_of("bfloat16")  # which NumPy knows from then on
        try:
            return self._files[path].get_tensor(name)
        except (AttributeError, TypeError) as error:
            raise ValueError(f"{path} has a tensor of a dtype that NumPy has not: {name!r} of {dtype}") from error


def check_names(path: Path, names: Iterable[str]) -> None:
    """Refuse a file with names that a terminal would act on, or show as other lines."""
    for name in names:
        if not name.isprintable():
            raise ValueError(f"{path} has a tensor whose name cannot be printed: {name!r}")


def has_tensors(path: Path) -> bool:
    """Whether it is called as what `open_tensors` opens."""
    return path.suffix == ".safetensors" or path.name.endswith(INDEX) or path.is_dir()


def refuse_kind(path: Path, others: str = "") -> NoReturn:
    """Raise for a file of a kind that is not read; `others` are more that are."""
    os.stat(path)  # what is not there is told as of any other file
    kinds = f".safetensors, or of torch.save ({', '.join(PICKLED)}); the index of several (*{INDEX}), or their folder"
    refuse("file", f"a file of arrays: {others}{kinds}", str(path))


@contextmanager
def open_tensors(path: str | PathLike[str], framework: str = "np") -> Iterator[TensorFiles]:
    """Open .safetensors files, whose tensors are read when they are asked for.

    Parameters
    ----------
    path : path
        Of a file; of the index of several (``*.safetensors.index.json``); or of a folder with the one or the other.
    framework : {"np", "pt"}
        Arrays of NumPy, in which bfloat16 needs ml_dtypes; or tensors of torch, which has the other small dtypes too.

    Yields
    ------
    TensorFiles
        Until the block ends. What was read stays.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    ValueError, OSError
        If there is no such file, or it holds something else; or an index and its files have not the same tensors.
    """
    found = _chosen(path_of("file", path))
    with ExitStack() as stack:
        if not found.name.endswith(INDEX):
            yield TensorFiles({found: stack.enter_context(_opened(found, framework))}, framework == "np")
            return
        where = _indexed(found)
        opened = {found.parent / name: stack.enter_context(_opened(found.parent / name, framework)) for name in where}
        _check_index(found, where, {file.name: {*stored.keys()} for file, stored in opened.items()})
        yield TensorFiles(opened, framework == "np")


def _chosen(path: Path) -> Path:
    """The file; of a folder that which says what there is in it."""
    if not path.is_dir():
        return path
    names = sorted(one.name for one in path.iterdir())
    for ending in (INDEX, ".safetensors"):
        held = [name for name in names if name.endswith(ending)]
        if len(held) == 1:
            return path / held[0]
        if held:
            break
    rule = f"a folder with one .safetensors file, or one index of several (*{INDEX})"
    refuse("file", rule, f"{path}: {first_few(names)}")


def _indexed(path: Path) -> dict[str, set[str]]:
    """By file, the tensors that it should have."""
    if path.stat().st_size > _LONGEST_INDEX:
        refuse("file", f"an index of at most {_LONGEST_INDEX} bytes", str(path))
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        where: dict[str, set[str]] = {}
        for name, file in found["weight_map"].items():
            if Path(file).name != file:
                raise ValueError(file)
            where.setdefault(file, set()).add(name)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read as the index of .safetensors files: {error!r}") from error
    if absent := [file for file in where if not (path.parent / file).is_file()]:
        raise ValueError(f"{path} names files that are not there: {first_few(absent)}")
    if beside := sorted(_beside(path.parent, where)):
        raise ValueError(f"{path} names no tensor of files that belong to those it names: {first_few(beside)}")
    return where


def _beside(folder: Path, files: Iterable[str]) -> set[str]:
    """The other files there of those that are numbered as these are: model-00002-of-00007.safetensors."""
    numbered = re.compile(r"(.+)-\d+-of-(\d+)\.safetensors")
    known = {found.groups() for found in map(numbered.fullmatch, files) if found}
    there = {one.name: numbered.fullmatch(one.name) for one in folder.glob("*.safetensors")}
    return {name for name, found in there.items() if found and found.groups() in known}.difference(files)


def _check_index(path: Path, where: Mapping[str, set[str]], held: Mapping[str, set[str]]) -> None:
    for file, names in where.items():
        if absent := sorted(names - held[file]):
            raise ValueError(f"{path} names tensors that {file} has not: {first_few(absent)}")
        if others := sorted(held[file] - names):
            raise ValueError(f"{path} does not name all tensors of {file}: {first_few(others)}")


def _opened(path: Path, framework: str) -> Any:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise missing("a .safetensors file", "safetensors", "safetensors") from error
    os.stat(path)  # what is not there is told as of any other file
    try:
        return safe_open(path, framework=framework)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read as a .safetensors file: {error}") from error
    except OSError as error:
        raise OSError(f"{path} cannot be read as a .safetensors file: {error}") from error
