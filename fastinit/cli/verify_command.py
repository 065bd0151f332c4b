"""``fastinit verify``: its options."""

from __future__ import annotations

import argparse

from ..schemes import SCHEMES
from .models import refuse_models
from .readers import FilePath
from .scheme_options import add_scheme_options


def add_verify(parser: argparse.ArgumentParser) -> None:
    """What the command is, and all its options."""
    parser.description = (
        "One array, or each tensor of a file, or of several with an index, under its own name. Exit status: 0 all is "
        "right, 1 it is not, 2 the question was wrong, or there was nothing to check."
    )
    parser.epilog = (
        "Examples: fastinit verify w.npy --scheme he_normal --seed 0 --name mlp.0; "
        "fastinit verify w.safetensors --array '*.weight' --scheme he_normal --in-axis 1 --out-axis 0 --seed 0"
    )
    parser.add_argument(
        "file",
        action=FilePath,
        help="a file of arrays: .npy, .npz, .safetensors or of torch.save; the index of several, or their folder",
    )
    parser.add_argument("--seed", help="compare every bit with the arrays of this seed (default: compare laws alone)")
    refuse_models(parser, "--model", "--config")
    group = parser.add_argument_group("arrays")
    group.add_argument("--scheme", required=True, metavar="NAME", help="a law or scheme: " + ", ".join(SCHEMES))
    group.add_argument(
        "--array",
        action="append",
        metavar="KEY",
        help="which arrays of a file, by name or by a pattern with *, ? and [ab]; may be given several times (default: "
        "those with two axes or more; all there is where an .npz file has one)",
    )
    group.add_argument("--shape", help="shape of the whole array, where the file holds a part: 4096,4096")
    group.add_argument("--index", help="which part of it the file holds: 0:1024,: or flat[0:1000]")
    group.add_argument(
        "--name", help="name that the array was made under (default: its name in the file; of an .npy file none)"
    )
    group.add_argument("--dtype", choices=["bfloat16"], help="read 16-bit items as bfloat16")
    add_scheme_options(parser)
    parser.set_defaults(run=_run_verify)


def _run_verify(options: argparse.Namespace) -> int:
    from .verify_arrays import verify_arrays

    return verify_arrays(options)
