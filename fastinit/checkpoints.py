"""Checkpoints: tensors on disk as Hugging Face lays them out, made piece by piece. A whole one is there, or none."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import takewhile
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .arguments import integer, refuse
from .dtypes import Kind
from .fill import draw
from .laws import Law
from .layout import flat
from .tensor_files import CODES, INDEX
from .whole_files import path_of

#: Bytes that are made, and then written, together: 4 MiB no longer stay in the cache, and take half as long again.
PIECE = 1 << 20

_ENDINGS = (".safetensors", INDEX)
#: What transformers asks of a file before it reads it.
_METADATA = {"format": "pt"}


class Stored(NamedTuple):
    """A tensor to be written. `pieces` makes its values in C order, each piece when the last is done with."""

    name: str
    dtype: str
    itemsize: int
    shape: tuple[int, ...]
    pieces: Callable[[], Iterable[np.ndarray[Any, Any]]]

    @property
    def nbytes(self) -> int:
        """Bytes of the whole."""
        return prod(self.shape) * self.itemsize


def pieces_of(law: Law, lengths: tuple[int, ...], kind: Kind, seed: int, name: str) -> Iterator[np.ndarray[Any, Any]]:
    """An array of a law that can be cut, in pieces that are over the same memory."""
    count = prod(lengths)
    buffer = np.empty(min(count, PIECE // kind.dtype.itemsize), kind.dtype)
    for start in range(0, count, len(buffer) or 1):
        held = buffer[: count - start]
        index = flat[start : start + len(held)]
        yield draw(law, lengths, seed=seed, name=name, dtype=kind, index=index, out=held)


def write_checkpoint(
    directory: str | os.PathLike[str],
    tensors: Sequence[Stored],
    max_shard_size: int | str,
    metadata: Mapping[str, str] | None = None,
    beside: Mapping[str, bytes] | None = None,
) -> list[Path]:
    """Write tensors, and files `beside` them, to a directory that has no checkpoint, and give the paths of its files.

    Files have other names until all of them are on disk; the index gets its own last. Whatever goes wrong, they are
    removed, and folders that were made for them.
    """
    folder, words = _checked_path(directory), {**_METADATA, **_checked_metadata(metadata)}
    _check_names([one.name for one in tensors])
    named = _named(_shards_of(tensors, _byte_count(max_shard_size)))
    files: dict[str, Iterable[Any]] = {name: _file_of(shard, words) for name, shard in named.items()}
    files.update({name: [text] for name, text in (beside or {}).items()})
    if len(named) > 1:
        files[f"model{INDEX}"] = [_index_of(named)]
    _check_folder(folder)
    new = [*takewhile(lambda one: not one.exists(), (folder, *folder.parents))]
    ours: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_space(folder, sum(one.nbytes for one in tensors))
        _write(folder, files, ours)
    except BaseException:
        for path in ours:
            path.unlink(missing_ok=True)
        for path in new:
            with suppress(OSError):
                path.rmdir()
        raise
    return [folder / name for name in files]


def _checked_path(directory: Any) -> Path:
    path = path_of("directory", directory)
    return path if os.fspath(directory) else refuse("directory", "the path of a folder, such as '.'", directory)


def _byte_count(size: Any) -> int:
    """Bytes, of a number or of words such as "5GB" and "512MiB"."""
    if not isinstance(size, str):
        return integer("max_shard_size", size, 1)
    found = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?) ?([KMGT])(i?)B", size)
    if found is None:
        refuse("max_shard_size", "an integer, or a string such as '5GB' or '512MiB'", size)
    number, prefix, binary = found.groups()
    unit = (1024 if binary else 1000) ** ("KMGT".index(prefix) + 1)
    return integer("max_shard_size", int(Fraction(number) * unit), 1)


def _checked_metadata(metadata: Any) -> Mapping[str, str]:
    given = {} if metadata is None else metadata
    if not isinstance(given, Mapping) or not all(isinstance(one, str) for pair in given.items() for one in pair):
        refuse("metadata", "a mapping of strings to strings", metadata, TypeError)
    if re.search("[\ud800-\udfff]", "".join(word for pair in given.items() for word in pair)):
        refuse("metadata", "of strings without lone surrogates, which no reader takes", metadata)
    return given


def _check_names(names: Iterable[Any]) -> None:
    for name in names:
        if not isinstance(name, str) or not name.isprintable() or name in ("", "__metadata__"):
            refuse("name", "a string that can be printed, and not '__metadata__'", name)


def _check_folder(folder: Path) -> None:
    held = sorted(path.name for path in folder.iterdir() if path.name.endswith(_ENDINGS)) if folder.is_dir() else []
    if held:
        refuse("directory", "one without a checkpoint", str(folder / held[0]), FileExistsError)


def _check_space(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise OSError(errno.ENOSPC, f"{wanted} bytes are to be written, and {free} are free", str(folder))


def _shards_of(tensors: Iterable[Stored], limit: int) -> list[list[Stored]]:
    """As huggingface_hub parts them: in order, and what is larger than the limit by itself."""
    shards: list[list[Stored]] = []
    held, size = list[Stored](), 0
    for one in tensors:
        if one.nbytes > limit:
            shards.append([one])
            continue
        if size + one.nbytes > limit:
            shards.append(held)
            held, size = [], 0
        held.append(one)
        size += one.nbytes
    return [*shards, held] if held or not shards else shards


def _named(shards: Sequence[list[Stored]]) -> dict[str, list[Stored]]:
    """By the names of their files."""
    count = len(shards)
    if count == 1:
        return {"model.safetensors": shards[0]}
    return {f"model-{at:05d}-of-{count:05d}.safetensors": shard for at, shard in enumerate(shards, 1)}


def _file_of(shard: Iterable[Stored], words: Mapping[str, str]) -> Iterator[Any]:
    """What a file has in it: the length of its header, the header, and tensors, each at a multiple of its items."""
    ordered = sorted(shard, key=lambda one: -one.itemsize)
    header: dict[str, Any] = {"__metadata__": words}
    end = 0
    for one in ordered:
        begin, end = end, end + one.nbytes
        header[one.name] = {"dtype": CODES[one.dtype], "shape": one.shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for one in ordered:
        width = one.itemsize // (2 if one.dtype.startswith("complex") else 1)
        for piece in one.pieces():
            yield _little(piece, width)


def _little(piece: np.ndarray[Any, Any], width: int) -> np.ndarray[Any, Any]:
    """The bytes of numbers, each of so many, in the order that files have them in, whatever the machine's is."""
    return piece.reshape(-1).view(f"u{width}").astype(f"<u{width}", copy=False).view(np.uint8)


def _index_of(files: Mapping[str, Sequence[Stored]]) -> bytes:
    tensors = [one for shard in files.values() for one in shard]
    found = {
        "metadata": {
            "total_parameters": sum(prod(one.shape) for one in tensors),
            "total_size": sum(one.nbytes for one in tensors),
        },
        "weight_map": {one.name: file for file, shard in files.items() for one in shard},
    }
    return json.dumps(found, indent=2, sort_keys=True).encode() + b"\n"


def _write(folder: Path, files: Mapping[str, Iterable[Any]], ours: list[Path]) -> None:
    """What there is of it at any time is among `ours`."""
    ending = f".{secrets.token_hex(8)}.part"  # by no reader's pattern, and of no other writer
    for name, parts in files.items():
        ours.append(folder / (name + ending))
        with ours[-1].open("xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
    with _naming(folder):
        _check_folder(folder)  # again: there may be another writer's by now
        for name in files:
            if not (folder / name).exists():  # what is written beside tensors may take the place of another's
                ours.append(folder / name)
            (folder / (name + ending)).replace(folder / name)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """While files get their names: one writer at a time, of whatever process. At its end the names last.

    Of a writer that is killed the system unlocks the folder. Where folders cannot be opened (Windows), or a file system
    locks nothing, two writers that end in the same moment are not told apart.
    """
    if not hasattr(os, "O_DIRECTORY"):
        yield
        return
    from fcntl import LOCK_EX, flock  # which is where folders can be opened

    opened = os.open(folder, os.O_DIRECTORY)
    try:
        with suppress(OSError):
            flock(opened, LOCK_EX)
        yield
        os.fsync(opened)
    finally:
        os.close(opened)
