"""The command line: ``fastinit info`` and ``fastinit verify``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from .arguments import refuse
from .layout import Flat
from .machine import STREAM, VERSION, info
from .schemes import SCHEMES
from .verification import verify

_NUMBERS = {
    "mean": "of normal and truncated_normal",
    "std": "of normal, truncated_normal, small_normal and sparse",
    "low": "of uniform (an end) and truncated_normal (a bound, in std)",
    "high": "likewise",
    "gain": "factor of a scheme, or of identity",
    "scale": "of variance_scaling",
    "sparsity": "of sparse: the share of zeros",
    "value": "of constant",
}
_WORDS = {
    "mode": "of variance_scaling: fan_in, fan_out, fan_avg or fan_geo_avg",
    "distribution": "of *_normal and variance_scaling: normal, truncated_normal or uniform",
}
_AXES = {
    "in_axis": "axis of the inputs (default -2; PyTorch's layout: 1)",
    "out_axis": "axis of the outputs (default -1; PyTorch's layout: 0)",
    "batch_axis": "axis along which weights are independent",
}


def read_index(text: str) -> Any:
    """A basic index from its text: integers, slices, ``...``, None between commas; ``flat[a:b]`` for a flat range."""
    if text.startswith("flat[") and text.endswith("]"):
        return Flat(_read_entry(text[5:-1], text))
    entries = tuple(_read_entry(entry.strip(), text) for entry in text.split(","))
    return entries if len(entries) > 1 else entries[0]


def _read_entry(entry: str, text: str) -> Any:
    named = {"...": Ellipsis, "None": None, "newaxis": None}
    if entry in named:
        return named[entry]
    try:
        numbers = [int(number) if number.strip() else None for number in entry.split(":")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or (len(numbers) == 1 and numbers[0] is None):
        refuse("--index", "integers, slices, '...' and None between commas", text)
    return slice(*numbers) if ":" in entry else numbers[0]


def read_shape(text: str) -> tuple[int, ...]:
    """A shape from its text: ``4096,4096`` or ``4096x4096``."""
    try:
        return tuple(int(length) for length in text.strip("()[] ").replace("x", ",").rstrip(",").split(","))
    except ValueError:
        refuse("--shape", "integers between commas", text)


def read_array(path: Path, member: str | None) -> tuple[Any, str]:
    """An array from a .npy file (read as it is needed) or an .npz file, and its name there; nothing pickled is read."""
    try:
        if path.suffix == ".npy":
            if member is not None:
                refuse("--array", "left out for a .npy file", member)
            return np.load(path, mmap_mode="r", allow_pickle=False), ""
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as stored:
            if member is None and len(stored.files) == 1:
                member = stored.files[0]
            if member not in stored.files:
                refuse(
                    "--array", "one of " + (", ".join(map(repr, stored.files)) or "none (the file is empty)"), member
                )
            return stored[member], member
    except (EOFError, BadZipFile, TokenError, SyntaxError, MemoryError) as error:
        raise ValueError(f"{path} cannot be read as an .npy or .npz file: {error}") from error


def _run_info(_: argparse.Namespace) -> int:
    for key, value in info().items():
        print(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    return 0


def _run_verify(options: argparse.Namespace) -> int:
    array, member = read_array(options.file, options.array)
    if options.dtype == "bfloat16":
        if array.dtype.itemsize != 2:
            refuse("--dtype", f"left out for items of {array.dtype.itemsize} bytes", options.dtype)
        from .fill import kind_of

        array = array.view(kind_of("bfloat16").dtype)
    keywords = {key: getattr(options, key) for key in (*_NUMBERS, *_WORDS, *_AXES)}
    found = verify(
        array,
        options.scheme,
        shape=None if options.shape is None else read_shape(options.shape),
        index=None if options.index is None else read_index(options.index),
        seed=options.seed,
        name=member if options.name is None else options.name,
        **{key: value for key, value in keywords.items() if value is not None},
    )
    print(found)
    return 0 if found else 1


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    whole = argparse.ArgumentParser(
        prog="fastinit", description="Initial weights: what runs here, and whether a file is right."
    )
    whole.add_argument("--version", action="version", version=f"fastinit {VERSION}, stream {STREAM}")
    commands = whole.add_subparsers(required=True, metavar="command")
    one = commands.add_parser("info", help="version, stream, instructions, threads, compiler")
    one.set_defaults(run=_run_info)
    one = commands.add_parser(
        "verify",
        help="does an array in a file have the law it claims?",
        description="Exit status: 0 the array is right, 1 it is not, 2 the question was wrong.",
        epilog="Example: fastinit verify w.npy --scheme he_normal --seed 0 --name mlp.0",
    )
    one.add_argument("file", type=Path, help=".npy or .npz")
    one.add_argument("--scheme", required=True, metavar="NAME", help="a law or scheme: " + ", ".join(SCHEMES))
    one.add_argument("--array", metavar="KEY", help="which array of an .npz file")
    one.add_argument("--shape", help="shape of the whole array, if the file holds a part: 4096,4096")
    one.add_argument("--index", help="which part: 0:1024,: or flat[0:1000]")
    one.add_argument("--seed", type=int, help="compare every bit with the stream of this seed and name")
    one.add_argument("--name", help="the stream's name (default: the array's in an .npz file, or none)")
    one.add_argument("--dtype", choices=["bfloat16"], help="read 16-bit items as bfloat16")
    for number, meaning in _NUMBERS.items():
        one.add_argument(f"--{number}", type=float, help=meaning)
    for word, meaning in _WORDS.items():
        one.add_argument(f"--{word}", help=meaning)
    for axis, meaning in _AXES.items():
        one.add_argument(f"--{axis.replace('_', '-')}", type=int, help=meaning)
    one.set_defaults(run=_run_verify)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; wrong questions get one line, not a traceback."""
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ValueError, TypeError, IndexError, OSError, ImportError) as error:
        print(f"fastinit: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
