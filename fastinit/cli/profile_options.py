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
from .standard_output import STANDARD

#: By group and keyword: how each is read (None: a flag) and what it is, with its default and all choices.
Options: TypeAlias = Mapping[str, Mapping[str, tuple[Reader | None, str]]]

#: `fastinit.profile` has them too, and is slow to import.
OPTIONS: Options = {
    "network": {
        "kind": (read_text, "mlp, conv or transformer (default: mlp)"),
        "width": (read_whole, "units of every layer, 4096 or 1e6 (default: 1024, conv 32, transformer 256)"),
        "depth": (read_whole, "how many layers (default: 50, conv 20, transformer 12)"),
        "widths": (
            several(read_whole),
            "units of the input and of each layer, in place of --width and --depth: 784,512,10",
        ),
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
            "factor of the weights, or auto: the gain of the activation, on lecun_normal (default: 1)",
        ),
        "norm": (read_norm, "normalisation of each layer: none, batch, layer or rms (default: none)"),
        "norm_position": (
            read_text,
            "where it stands: pre_act or post_act, in a transformer pre or post (default: pre_act, transformer pre)",
        ),
        "norm_eps": (read_number, "what it adds to the variance (default: 1e-05)"),
        "residual": (None, "residual blocks, in pre-activation order (default: no)"),
        "branch_scale": (read_number, "factor of the residual branches (default: 1)"),
        "bias_std": (read_number, "standard deviation of the biases (default: 0)"),
        "dtype": (read_text, "of weights and signals: float32 or float64 (default: float32)"),
    },
    "convolutional network": {
        "channels": (
            several(read_whole),
            "channels of every layer, 32, or of the input and each layer, 3,32,32; in place of --width",
        ),
        "kernel_size": (read_whole, "height and width of the kernels (default: 3)"),
        "image_size": (read_whole, "height and width of the images (default: 16)"),
        "padding": (read_text, "what is beyond the edges of the image: zero or circular (default: zero)"),
    },
    "transformer": {
        "sequence_length": (read_whole, "tokens of each example (default: 64)"),
        "vocabulary": (read_whole, "how many tokens there are to choose from (default: 1024)"),
        "embedding_std": (read_number, "standard deviation of the embeddings (default: 0.02)"),
        "positional": (None, "add embeddings of the positions (default: yes)"),
        "heads": (read_whole, "heads of attention (default: one for each 64 units)"),
        "mlp_ratio": (read_number, "hidden units of the MLP for each unit of the width (default: 4)"),
        "gated": (None, "a gated MLP (default: no)"),
        "causal": (None, "no token sees one after it (default: yes)"),
        "stream_scale": (read_number, "factor of the stream where a branch is added (default: 1)"),
        "residual_gain": (
            read_number_or_word,
            "factor of the weights that end a branch, or gpt2: one over the root of twice the depth (default: 1)",
        ),
        "logit_scale": (
            read_number_or_word,
            "factor of queries times keys, or mup: one over the units of a head (default: one over their root)",
        ),
    },
    "signals": {
        "batch": (read_whole, "how many examples (default: 256, conv 32, transformer 8)"),
        "inputs": (read_npy, "an .npy file, (batch, width), in place of standard normal inputs"),
        "cotangent": (
            read_cotangent,
            "gradient at the outputs: random_sign, or an .npy file (default: random_sign)",
        ),
        "loss": (read_text, "mse: the gradient of this loss is sent back, in place of --cotangent"),
        "classes": (read_whole, "how many classes the outputs are to tell apart: the first loss is judged by it"),
        "backward": (None, "follow the gradient too (default: yes)"),
        "jacobian": (None, "measure the singular values of the Jacobian, from inputs to outputs (default: no)"),
        "sgd_steps": (read_whole, "steps of gradient descent before the profile (default: 0)"),
        "lr": (several(read_number), "learning rate of these steps, or one for each layer (default: 0.1 / width)"),
    },
    "run": {
        "seed": (read_seed, "seed of the first repeat; the next have the next ones (default: 0)"),
        "repeats": (read_whole, "how many networks are drawn (default: 1)"),
        "method": (
            read_text,
            "how weights are held: auto, dense (all), tiled (some) or matrix_free (none) (default: auto)",
        ),
        "threads": (read_whole, "how many threads, at most (default: see fastinit info)"),
        "client": (read_client, "address of a scheduler of Dask, whose workers do it"),
        "progress": (None, "show a bar with the time left (default: for long runs on a terminal)"),
    },
}


#: Files that show what was seen: what each is, and how its name ends.
FILES = {
    "png": ("write a picture: .png, .svg or .pdf", (".png", ".svg", ".pdf")),
    "html": ("write a page with charts: .html or .htm", (".html", ".htm")),
    "json": ("write all numbers: .json; - is standard output, and all else goes to standard error", (".json",)),
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
    tried = "what keeps it from training, and which changes mend it, each tried: in up to seven more profiles"
    add_showing(parser, tried).add_argument(
        "--compare", metavar="SCHEMES", help="profile several schemes side by side: he_normal,lecun_normal"
    )
    parser.set_defaults(run=_run_profile)


def add_showing(parser: argparse.ArgumentParser, advice: str) -> argparse._ArgumentGroup:
    """The group of options that say how a profile is shown, and what advice there is."""
    group = parser.add_argument_group("showing")
    group.add_argument(
        "--table", action=argparse.BooleanOptionalAction, default=None, help="print a table of layers (default: yes)"
    )
    group.add_argument("--all", action="store_true", help="all layers in the table (default: some)")
    add_files(group, FILES)
    group.add_argument("--advise", action="store_true", help=advice)
    group.add_argument(
        "--healthy", action="store_true", help="exit status 1 if the verdict is not that it trains with SGD and Adam"
    )
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
        if kind == "json" and path == STANDARD:
            continue
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
