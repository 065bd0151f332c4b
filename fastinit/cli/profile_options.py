"""Options of ``fastinit profile``: one for each keyword of `fastinit.profile`, by group, and how it is shown."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ..arguments import refuse
from .models import refuse_models
from .readers import (
    Reader,
    metavar_of,
    option_of,
    read_activation,
    read_client,
    read_cotangent,
    read_norm,
    read_npy,
    read_number,
    read_number_or_word,
    read_scheme,
    read_seed,
    read_text,
    read_whole,
    several,
)

#: By group and keyword: how each is read (None: a flag) and what it is, with its default and all choices.
Options: TypeAlias = Mapping[str, Mapping[str, tuple[Reader | None, str]]]

#: `fastinit.profile` has them too, and is slow to import.
OPTIONS: Options = {
    "network": {
        "kind": (read_text, "mlp, conv or transformer (default: mlp)"),
        "width": (read_whole, "units of every layer: 4096, 1e6 (default: 1024, conv 32, transformer 256)"),
        "depth": (read_whole, "layers (default: 50, conv 20, transformer 12)"),
        "widths": (several(read_whole), "units of the input and of each layer, in place of both: 784,512,10"),
        "activation": (
            read_activation,
            "linear, identity, relu, leaky_relu, elu, selu, gelu, gelu_tanh, silu, swish, mish, tanh, sigmoid, "
            "softplus, erf, sin, softsign, abs or relu2; with its parameter, leaky_relu:0.2 (default: relu)",
        ),
        "scheme": (
            read_scheme,
            "normal, uniform, truncated_normal, constant, zeros, ones, identity, dirac, variance_scaling, "
            "small_normal, orthogonal, delta_orthogonal, sparse, or lecun, glorot (xavier) or he (kaiming) with "
            "_normal or _uniform; with keywords, small_normal:std=0.02 (default: he_normal)",
        ),
        "gain": (
            read_number_or_word,
            "factor of the weights, or auto: the activation's own on lecun_normal (default: 1)",
        ),
        "norm": (read_norm, "none, batch, layer or rms (default: none)"),
        "norm_position": (
            read_text,
            "pre_act or post_act, of a transformer pre or post (default: pre_act, transformer pre)",
        ),
        "norm_eps": (read_number, "what is added to the variance (default: 1e-05)"),
        "residual": (None, "residual blocks, in pre-activation order (default: no)"),
        "branch_scale": (read_number, "factor of their branches (default: 1)"),
        "bias_std": (read_number, "standard deviation of the biases (default: 0)"),
        "dtype": (read_text, "float32 or float64 (default: float32)"),
    },
    "convolutional network": {
        "channels": (several(read_whole), "of every layer, or of the input and each layer, in place of width"),
        "kernel_size": (read_whole, "height and width of the kernels (default: 3)"),
        "image_size": (read_whole, "height and width of the images (default: 16)"),
        "padding": (read_text, "zero or circular (default: zero)"),
    },
    "transformer": {
        "sequence_length": (read_whole, "tokens of each example (default: 64)"),
        "vocabulary": (read_whole, "tokens there are (default: 1024)"),
        "embedding_std": (read_number, "standard deviation of their embeddings (default: 0.02)"),
        "positional": (None, "embeddings of the positions are added (default: yes)"),
        "heads": (read_whole, "of attention (default: one for 64 units)"),
        "mlp_ratio": (read_number, "hidden units of the MLP by unit of width (default: 4)"),
        "gated": (None, "a gated MLP (default: no)"),
        "causal": (None, "a token sees none after it (default: yes)"),
        "stream_scale": (read_number, "factor of the stream where a branch is added (default: 1)"),
        "residual_gain": (read_number_or_word, "factor of the weights that end a branch, or gpt2 (default: 1)"),
        "logit_scale": (
            read_number_or_word,
            "of the products of queries and keys, or mup (default: one over the root of the units of a head)",
        ),
    },
    "signals": {
        "batch": (read_whole, "examples (default: 256, conv 32, transformer 8)"),
        "inputs": (read_npy, "an .npy file, (batch, width), in place of standard normal inputs"),
        "cotangent": (
            read_cotangent,
            "random_sign, or an .npy file of the gradient at the outputs (default: random_sign)",
        ),
        "loss": (read_text, "mse, in place of a cotangent"),
        "classes": (read_whole, "that the outputs are to tell: for the first loss"),
        "backward": (None, "the gradient too (default: yes)"),
        "jacobian": (None, "the singular values of the input-output Jacobian (default: no)"),
        "sgd_steps": (read_whole, "steps of gradient descent before the profile (default: 0)"),
        "lr": (several(read_number), "their learning rate, or one for each layer (default: 0.1 / width)"),
    },
    "run": {
        "seed": (read_seed, "of the first repeat (default: 0)"),
        "repeats": (read_whole, "networks drawn (default: 1)"),
        "method": (read_text, "auto, dense, tiled or matrix_free (default: auto)"),
        "threads": (read_whole, "of fills, moments and products (default: see fastinit info)"),
        "client": (read_client, "the address of a scheduler of Dask, whose workers do it"),
        "progress": (None, "a bar with the time left (default: for long runs on a terminal)"),
    },
}


#: Files that show what was seen: what each is, and how its name ends.
FILES = {
    "png": ("a picture (also .svg, .pdf)", (".png", ".svg", ".pdf")),
    "html": ("a page with charts", (".html", ".htm")),
    "json": ("all numbers", (".json",)),
}


def add_profile(parser: argparse.ArgumentParser) -> None:
    """What the command is, and all its options."""
    parser.description = (
        "Without options: the story of five initialisations in a deep ReLU network, with and without batch "
        "normalisation. Exit status: 0; 1 if --healthy is asked for and it is not; 2 the question was wrong; "
        "130 interrupted."
    )
    parser.epilog = "Example: fastinit profile --width 1e6 --depth 50 --norm batch --method matrix_free --html out.html"
    refuse_models(parser, "--model")
    add_keywords(parser)
    add_showing(parser).add_argument(
        "--compare", metavar="SCHEMES", help="several schemes side by side: he_normal,lecun_normal"
    )
    parser.set_defaults(run=_run_profile)


def add_showing(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """The group of options that say how a profile is shown."""
    group = parser.add_argument_group("showing")
    group.add_argument(
        "--table", action=argparse.BooleanOptionalAction, default=None, help="a table of layers (default: yes)"
    )
    group.add_argument("--all", action="store_true", help="all layers in it (default: some)")
    add_files(group, FILES)
    group.add_argument(
        "--advise", action="store_true", help="what would mend it; without a model also tried, in up to seven profiles"
    )
    group.add_argument("--healthy", action="store_true", help="exit status 1 if it does not train with SGD and Adam")
    parser.set_defaults(table=True)
    return group


def add_keywords(parser: argparse.ArgumentParser, known: Options = OPTIONS) -> None:
    """An option for each of these keywords."""
    for title, options in known.items():
        group = parser.add_argument_group(title)
        for name, (read, meaning) in options.items():
            flag: dict[str, Any] = {"action": argparse.BooleanOptionalAction, "default": None}
            more = {"metavar": metavar_of(name)} if read else flag
            group.add_argument(option_of(name), help=meaning, **more)


def add_files(group: argparse._ArgumentGroup, kinds: Iterable[str]) -> None:
    """An option for each kind of file."""
    for kind in kinds:
        group.add_argument(f"--{kind}", type=Path, metavar="FILE", help=FILES[kind][0])


def typed_options(options: argparse.Namespace, known: Options = OPTIONS) -> dict[str, Any]:
    """Keyword to value of those that were typed."""
    return {
        name: value if read is None else read(option_of(name), value)
        for group in known.values()
        for name, (read, _) in group.items()
        if (value := getattr(options, name)) is not None
    }


def typed_files(options: argparse.Namespace) -> dict[str, Path]:
    """Where to write what, checked."""
    files = {kind: path for kind in FILES if (path := getattr(options, kind, None)) is not None}
    for kind, path in files.items():
        _, endings = FILES[kind]
        if path.suffix.lower() not in endings:
            refuse(f"--{kind}", f"a file that ends in {' or '.join(endings)}", str(path))
        if not path.absolute().parent.is_dir():
            refuse(f"--{kind}", "in a folder that exists", str(path))
    return files


def _run_profile(options: argparse.Namespace) -> int:
    """What is wrong with the words is said before the profiler is imported."""
    keywords, files = typed_options(options), typed_files(options)
    from .profile_command import run_profile

    return run_profile(options, keywords, files)
