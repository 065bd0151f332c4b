"""Options of a checkpoint that is written, whatever it is of."""

from __future__ import annotations

import argparse
from typing import Any

from .readers import read_seed


def add_save_options(parser: argparse.ArgumentParser, dtype: str) -> None:
    """Where it goes, of which seed and dtype (in words, the one by default), in files of which size."""
    parser.add_argument("directory", help="where the files go; without a checkpoint")
    parser.add_argument("--seed", default="0", help="of all streams (default: 0)")
    parser.add_argument("--dtype", help=f"float32, float16, bfloat16 or float64 (default: {dtype})")
    parser.add_argument("--max-shard-size", default="5GB", metavar="SIZE", help="of a file (default: 5GB)")


def typed_save_options(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword to value of what they say; no dtype is None."""
    size = options.max_shard_size
    return {
        "seed": read_seed("--seed", options.seed),
        "dtype": options.dtype,
        "max_shard_size": int(size) if size.isdecimal() else size,
    }
