"""``fastinit plan`` and ``fastinit save``: arrays by their names and shapes, told of or made on disk."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..arguments import refuse
from ..models.patterns import LIST
from ..schemes import SCHEMES
from .models import refuse_models
from .readers import refuse_typed
from .save_options import add_dtype, add_save_options, told_files, typed_save_options
from .scheme_options import add_scheme_options, scheme_with_keywords, typed_keywords
from .users_code import read_object

_EXAMPLE = (
    'where shapes.json is {"fc.kernel": [784, 10], "fc.bias": [[10], "zeros"], "head": [[10, 10], "normal", {"std": '
    "0.02}]}"
)


def add_plan(parser: argparse.ArgumentParser) -> None:
    """What the command is, and all its options."""
    parser.description = (
        "Name, shape, law, standard deviation and fans of the arrays that fastinit save would make, of which none is "
        "made. Exit status: 0, or 2 if the question was wrong."
    )
    parser.epilog = f"Example: fastinit plan --shapes shapes.json --scheme he_normal, {_EXAMPLE}"
    add_dtype(parser, "float32")
    _add_shapes(parser)
    parser.set_defaults(run=_run_plan)


def add_save(parser: argparse.ArgumentParser) -> None:
    """What the command is, and all its options."""
    parser.description = (
        "A checkpoint of new arrays, each under its own name, as Hugging Face lays them out, made as it is written: it "
        "may be larger than memory. Exit status: 0, or 2 if the question was wrong."
    )
    parser.epilog = f"Example: fastinit save folder --shapes shapes.json --scheme he_normal --seed 0, {_EXAMPLE}"
    add_save_options(parser, "float32")
    _add_shapes(parser)
    parser.set_defaults(run=_run_save)


def _add_shapes(parser: argparse.ArgumentParser) -> None:
    refuse_models(parser, "--model", "--config")
    group = parser.add_argument_group("arrays")
    group.add_argument(
        "--shapes",
        type=Path,
        required=True,
        metavar="FILE",
        help="JSON: an object from names to shapes, or to a shape, a scheme and its keywords",
    )
    group.add_argument(
        "--scheme", metavar="NAME", help="a law or scheme: " + ", ".join(SCHEMES) + " (default: he_normal)"
    )
    group.add_argument("--rules", metavar="MODULE:NAME", help=f"in place of --scheme: {LIST}")
    add_scheme_options(parser)


def _run_plan(options: argparse.Namespace) -> int:
    weights = _typed_weights(options)
    from ..saving import plan_of

    print(plan_of(*weights, options.dtype))
    return 0


def _run_save(options: argparse.Namespace) -> int:
    keywords, weights = typed_save_options(options), _typed_weights(options)
    from ..saving import save

    return told_files(save(options.directory, *weights, **keywords))


def _typed_weights(options: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    """What each array is, by its name, and the scheme or the rules of those that have none of their own."""
    from ..saving import has_scheme

    if options.rules is not None:
        refuse_typed({"scheme": options.scheme} | typed_keywords(options), "--rules")
        rules = read_object("--rules", options.rules)
        if not isinstance(rules, (list, tuple)):
            refuse("--rules", LIST, type(rules).__name__)
        return _read_shapes(options.shapes), rules
    options.scheme = "he_normal" if options.scheme is None else options.scheme
    scheme, keywords = scheme_with_keywords(options)
    shapes = _read_shapes(options.shapes)
    return {name: one if has_scheme(one) else (one, scheme, keywords) for name, one in shapes.items()}, scheme


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
