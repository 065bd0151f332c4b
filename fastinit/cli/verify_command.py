"""``fastinit verify``: its options, and which of them belong together."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..arguments import refuse
from ..schemes import SCHEMES
from .models import add_model_options, verify_model
from .readers import refuse_typed
from .scheme_options import add_scheme_options, typed_keywords

#: What says which arrays, and which parts of them.
_OF_ARRAYS = ("scheme", "array", "shape", "index", "name", "dtype")


def add_verify(parser: argparse.ArgumentParser) -> None:
    """What the command is, and all its options."""
    parser.description = (
        "With --scheme: one array, or each tensor of a file, or of several with an index, under its own name. With "
        "--model or --config: the tensors as the weights that rules give a PyTorch model. Exit status: 0 all is "
        "right, 1 it is not, 2 the question was wrong."
    )
    parser.epilog = (
        "Examples: fastinit verify w.npy --scheme he_normal --seed 0 --name mlp.0; "
        "fastinit verify w.safetensors --array '*.weight' --scheme he_normal --in-axis 1 --out-axis 0 --seed 0; "
        "fastinit verify gpt.safetensors --model my.models:gpt --rules gpt2 --seed 0"
    )
    parser.add_argument("file", type=Path, help=".npy; .npz; .safetensors, an index of several or their folder; .pt")
    parser.add_argument("--seed", help="compare every bit with the streams of this seed")
    group = parser.add_argument_group("arrays")
    group.add_argument("--scheme", metavar="NAME", help="a law or scheme: " + ", ".join(SCHEMES))
    group.add_argument(
        "--array",
        metavar="KEY",
        help="which arrays of a file, by name or by a pattern with * and ? (default: those with two axes or more; all "
        "there is where an .npz file has one)",
    )
    group.add_argument("--shape", help="shape of the whole array, if the file holds a part: 4096,4096")
    group.add_argument("--index", help="which part: 0:1024,: or flat[0:1000]")
    group.add_argument("--name", help="the stream's name (default: the array's in its file, or none)")
    group.add_argument("--dtype", choices=["bfloat16"], help="read 16-bit items as bfloat16")
    add_model_options(parser)
    add_scheme_options(parser)
    parser.set_defaults(run=_run_verify)


def _run_verify(options: argparse.Namespace) -> int:
    if options.model is None and options.config is None:
        if options.rules is not None:
            refuse("--rules", "left out without --model or --config", options.rules)
        if options.scheme is None:
            refuse("--scheme", "given where neither --model nor --config is", None)
        from .verify_arrays import verify_arrays

        return verify_arrays(options)
    typed = {name: getattr(options, name) for name in _OF_ARRAYS} | typed_keywords(options)
    if options.model is None:
        refuse_typed(typed, "--config")
    else:
        refuse_typed(typed | {"config": options.config}, "--model")
    return verify_model(options)
