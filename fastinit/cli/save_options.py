"""Options of a checkpoint that is written, whatever it is of."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .readers import read_seed


def add_save_options(parser: argparse.ArgumentParser, dtype: str | None) -> None:
    """Where it goes, of which seed and dtype (None: the model's own), in files of which size."""
    parser.add_argument("directory", help="folder that the files go in, which must hold no checkpoint")
    parser.add_argument("--seed", default="0", help="seed of all arrays (default: 0)")
    add_dtype(parser, dtype)
    parser.add_argument(
        "--max-shard-size",
        default="5GB",
        metavar="SIZE",
        help="largest file: bytes, or as 5GB and 512MiB (default: 5GB)",
    )


def add_dtype(parser: argparse.ArgumentParser, dtype: str | None) -> None:
    """Of the arrays, and the one by default."""
    meaning = f"of the arrays: float32, float16, bfloat16 or float64 (default: {dtype or 'that of the model'})"
    parser.add_argument("--dtype", default=dtype, help=meaning)


def typed_save_options(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword to value of what they say."""
    size = options.max_shard_size
    return {
        "seed": read_seed("--seed", options.seed),
        "dtype": options.dtype,
        "max_shard_size": int(size) if size.isdecimal() else size,
    }


def told_files(files: Iterable[Path]) -> int:
    """Say what was written. Returns the exit status."""
    for path in files:
        print(f"{path}: {path.stat().st_size} bytes")
    return 0
