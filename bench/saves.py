"""Saves: random values that end on disk, beside what makes them in memory and then writes them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import numpy as np

import fastinit as fi

from .checks import STD, check_law
from .races import Array, Call, Entrant, Race, side
from .torch_calls import no_buffer

_ARRAYS = 16
#: What the folders of this process begin with.
PREFIX = f"fastinit-bench-{os.getpid()}-"
_NAME = "model.safetensors"


def saves(most: int) -> Iterator[Race]:
    """A checkpoint of square matrices, small and of a gibibyte."""
    for n in dict.fromkeys((side(512, most), side(4096, most))):
        yield _saved(n, quick=n <= 512)


def remove_folders() -> None:
    """Those of this process, though something still writes there: what is cut off need not reach the disk first."""
    for folder in Path(gettempdir()).glob(f"{PREFIX}*"):
        for path in folder.iterdir():
            os.truncate(path, 0)
        shutil.rmtree(folder, ignore_errors=True)


def write(way: str, n: int, folder: str) -> None:
    """A checkpoint of so many matrices by one of the ways."""
    names = [f"layers.{number}.weight" for number in range(_ARRAYS)]
    _WAYS[way](names, n, Path(folder))


def _ours(names: list[str], n: int, folder: Path) -> None:
    fi.save(folder, {name: ((n, n), "normal", {"std": STD}) for name in names}, seed=0)


def _by_numpy(names: list[str], n: int, folder: Path) -> None:
    rng = np.random.Generator(np.random.SFC64(1))
    arrays = {name: rng.standard_normal((n, n), np.float32) for name in names}
    for array in arrays.values():
        array *= np.float32(STD)
    import_module("safetensors.numpy").save_file(arrays, folder / _NAME)


def _tensors(names: list[str], n: int) -> dict[str, Any]:
    torch = import_module("torch")
    return {name: torch.empty(n, n).normal_(0, STD) for name in names}


def _by_torch(names: list[str], n: int, folder: Path) -> None:
    import_module("safetensors.torch").save_file(_tensors(names, n), folder / _NAME)


def _by_pickle(names: list[str], n: int, folder: Path) -> None:
    import_module("torch").save(_tensors(names, n), folder / "model.pt")


_WAYS: dict[str, Callable[[list[str], int, Path], None]] = {
    "fastinit": _ours,
    "safetensors.numpy": _by_numpy,
    "safetensors.torch": _by_torch,
    "torch.save": _by_pickle,
}
#: The packages of those that are not ours.
NEEDS = {
    "fastinit": "",
    "safetensors.numpy": "safetensors",
    "safetensors.torch": "safetensors torch",
    "torch.save": "torch",
}


def _saved(n: int, *, quick: bool) -> Race:
    """Each call into a folder of its own, which is removed when its time has been taken."""

    def bind(_: Array, way: str) -> Call:
        def call() -> Any:
            folder = TemporaryDirectory(prefix=PREFIX)
            write(way, n, folder.name)
            return folder

        return call

    def check(folder: Any, _: Array, slack: float) -> float:
        """The last matrix is what the file of tensors ends with."""
        (path,) = Path(folder.name).iterdir()
        if path.suffix == ".pt":
            *_, last = import_module("torch").load(path, mmap=True).values()
            return check_law("normal")(last.numpy(), np.zeros(0), slack)
        values = np.fromfile(path, np.float32, offset=path.stat().st_size - 4 * n * n)
        return check_law("normal")(values, np.zeros(0), slack)

    entrants = {way: Entrant(partial(bind, way=way), needs=NEEDS[way]) for way in _WAYS}
    name = f"{_ARRAYS} x float32 {n} x {n}"
    return Race("save", name, _ARRAYS * n * n, no_buffer, check, entrants, quick=quick, rounds=5, memory="fresh")
