"""``fastinit save``: arrays of a list of shapes, or the weights of a model, made and written to disk."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..arguments import refuse
from ..schemes import SCHEMES
from .models import add_model_options, save_model
from .readers import read_seed, refuse_typed
from .scheme_options import add_scheme_options, scheme_with_keywords, typed_keywords

#: Of which one says what is saved.
_SUBJECTS = ("shapes", "config", "model")


def add_save(parser: argparse.ArgumentParser) -> None:
    """What the command is, and all its options."""
    parser.description = (
        "A checkpoint of new weights, as Hugging Face lays them out, made as it is written: it may be larger than "
        "memory. With --shapes: arrays, each under its own name. With --config or --model: the weights that rules "
        "give a PyTorch model."
    )
    parser.epilog = (
        "Examples: fastinit save folder --shapes shapes.json --scheme he_normal --seed 0, where shapes.json is "
        '{"fc.kernel": [784, 10], "fc.bias": [[10], "zeros"], "head": [[10, 10], "normal", {"std": 0.02}]}; '
        "fastinit save folder --config config.json --rules own --dtype bfloat16"
    )
    parser.add_argument("directory", help="where the files go; without a checkpoint")
    parser.add_argument("--seed", default="0", help="of all streams (default: 0)")
    parser.add_argument("--dtype", help="float32, float16, bfloat16 or float64 (default: the model's, or float32)")
    parser.add_argument("--max-shard-size", default="5GB", metavar="SIZE", help="of a file (default: 5GB)")
    group = parser.add_argument_group("arrays")
    group.add_argument("--shapes", type=Path, metavar="FILE", help="JSON: from names to shapes, schemes and keywords")
    group.add_argument(
        "--scheme", metavar="NAME", help="a law or scheme: " + ", ".join(SCHEMES) + " (default: he_normal)"
    )
    add_model_options(parser)
    add_scheme_options(parser)
    parser.set_defaults(run=_run_save)


def _run_save(options: argparse.Namespace) -> int:
    given = [name for name in _SUBJECTS if getattr(options, name) is not None]
    if len(given) != 1:
        refuse("--shapes", "given, or --config, or --model, and one of them alone", ", ".join(given) or None)
    others = {"rules": options.rules} if given == ["shapes"] else {"scheme": options.scheme} | typed_keywords(options)
    refuse_typed(others, f"--{given[0]}")
    size = options.max_shard_size
    common = {
        "seed": read_seed("--seed", options.seed),
        "dtype": options.dtype,
        "max_shard_size": int(size) if size.isdecimal() else size,
    }
    files = _save_arrays(options, **common) if given == ["shapes"] else save_model(options, **common)
    for path in files:
        print(f"{path}: {path.stat().st_size} bytes")
    return 0


def _save_arrays(options: argparse.Namespace, dtype: Any, **common: Any) -> list[Path]:
    from ..saving import has_scheme, save

    options.scheme = "he_normal" if options.scheme is None else options.scheme
    scheme, keywords = scheme_with_keywords(options)
    shapes = _read_shapes(options.shapes)
    weights = {name: one if has_scheme(one) else (one, scheme, keywords) for name, one in shapes.items()}
    return save(options.directory, weights, dtype="float32" if dtype is None else dtype, **common)


def _read_shapes(path: Path) -> dict[str, Any]:
    try:
        shapes = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(shapes, dict):
        refuse("--shapes", "a file of one object, from names to shapes", str(path))
    return shapes


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, of whose names no two may be the same: the last would hide the others."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"twice in an object: {next(name for name in found if names.count(name) > 1)!r}")
    return found
