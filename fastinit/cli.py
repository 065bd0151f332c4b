"""The command line: ``fastinit info``, ``fastinit profile`` and ``fastinit verify``."""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from io import TextIOWrapper
from pathlib import Path
from tokenize import TokenError
from typing import Any, NoReturn
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from .arguments import refuse
from .dtypes import kind_of
from .layout import Flat
from .machine import STREAM, VERSION, info
from .profiler import Comparison, Profile, ProfileInterrupted, compare, profile
from .profiler.show.drawing import drawn
from .profiler.show.story import Story, story
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
#: As .safetensors files call the dtypes that weights can have.
_FLOATS = {"F16", "BF16", "F32", "F64"}

#: From the name of an option and what was typed to a value.
Reader = Callable[[str, str], Any]


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


def read_tensors(path: Path, pattern: str | None) -> Iterator[tuple[str, Any]]:
    """Name of each tensor of a .safetensors file that a pattern matches, and the array; None where it is not to check.

    Without a pattern, what has fewer than two axes is not.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise ImportError("a .safetensors file needs safetensors: pip install 'fastinit-nn[torch]'") from error
    try:
        with safe_open(path, framework="np") as file:
            names = [name for name in file.keys() if fnmatchcase(name, pattern or "*")]  # noqa: SIM118 (no mapping)
            if not names:
                refuse("--array", "a pattern that a tensor's name matches", pattern)
            for name in names:
                entry = file.get_slice(name)
                checked = entry.get_dtype() in _FLOATS and (pattern is not None or len(entry.get_shape()) > 1)
                if checked and entry.get_dtype() == "BF16":
                    kind_of("bfloat16")  # which NumPy knows from then on
                yield name, file.get_tensor(name) if checked else None
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read as a .safetensors file: {error}") from error


def _run_info(_: argparse.Namespace) -> int:
    for key, value in info().items():
        print(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    return 0


def _run_verify(options: argparse.Namespace) -> int:
    keywords = {key: value for key in (*_NUMBERS, *_WORDS, *_AXES) if (value := getattr(options, key)) is not None}
    run = _verify_tensors if options.file.suffix == ".safetensors" else _verify_array
    return run(options, keywords)


def _verify_tensors(options: argparse.Namespace, keywords: dict[str, Any]) -> int:
    """Each tensor of a file under its own name: a line for one that is wrong."""
    for option in ("shape", "index", "name", "dtype"):
        if getattr(options, option) is not None:
            refuse(f"--{option}", "left out for a .safetensors file", getattr(options, option))
    unchecked, checked, wrong = [], 0, 0
    for name, array in read_tensors(options.file, options.array):
        if array is None:
            unchecked.append(name)
            continue
        try:
            found = verify(array, options.scheme, seed=options.seed, name=name, **keywords)
        except (TypeError, ValueError) as error:
            raise type(error)(f"tensor {name!r}: {error}") from error
        checked += 1
        if not found:
            wrong += 1
            print(f"PROBLEM {name}: {found.summary}")
    if not checked:
        refuse("--array", "such that a tensor of floats is checked", options.array)
    if unchecked:
        print(f"not checked: {', '.join(unchecked)}")
    print(f"tensors checked: {checked}", "not ok" if wrong else "ok", sep="\n")
    return int(wrong > 0)


def _verify_array(options: argparse.Namespace, keywords: dict[str, Any]) -> int:
    array, member = read_array(options.file, options.array)
    if options.dtype == "bfloat16":
        if array.dtype.itemsize != 2:
            refuse("--dtype", f"left out for items of {array.dtype.itemsize} bytes", options.dtype)
        array = array.view(kind_of("bfloat16").dtype)
    found = verify(
        array,
        options.scheme,
        shape=None if options.shape is None else read_shape(options.shape),
        index=None if options.index is None else read_index(options.index),
        seed=options.seed,
        name=member if options.name is None else options.name,
        **keywords,
    )
    print(found)
    return 0 if found else 1


def read_whole(option: str, text: str) -> int:
    """An integer, which may be written 1e6."""
    try:
        return int(text)
    except ValueError:
        number = read_number(option, text)
    return int(number) if number.is_integer() else refuse(option, "an integer, such as 4096 or 1e6", text)


def read_number(option: str, text: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        refuse(option, "a number", text)


def several(read: Reader) -> Reader:
    """One, or several between commas."""

    def read_several(option: str, text: str) -> Any:
        values = tuple(read(option, part) for part in text.split(","))
        return values if len(values) > 1 else values[0]

    return read_several


def read_number_or_word(_: str, text: str) -> Any:
    """A number, or what was typed."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def read_activation(option: str, text: str) -> Any:
    """A name, or with its parameter: ``leaky_relu:0.2``."""
    name, parameter, number = text.partition(":")
    return (name, read_number(option, number)) if parameter else name


def read_scheme(option: str, text: str) -> Any:
    """A name, or with its keywords: ``small_normal:std=0.02``."""
    name, *words = re.split("[:,]", text)
    pairs = [word.partition("=") for word in words]
    if not all(equals for _, equals, _ in pairs):
        refuse(option, "a name, or a name with keywords as in small_normal:std=0.02", text)
    return (name, {key: read_number_or_word(option, value) for key, _, value in pairs}) if pairs else name


def read_npy(option: str, text: str) -> Any:
    """The array of an .npy file."""
    if not text.endswith(".npy"):
        refuse(option, "an .npy file", text)
    return read_array(Path(text), None)[0]


def read_cotangent(option: str, text: str) -> Any:
    """random_sign, or the array of an .npy file."""
    return read_npy(option, text) if text.endswith(".npy") else text


def read_norm(_: str, text: str) -> str | None:
    """What was typed, or None."""
    return None if text == "none" else text


def read_text(_: str, text: str) -> str:
    """What was typed: `profile` checks it."""
    return text


#: Options of `profile` by group: how each is read (None: a flag) and what it is. Their defaults are those of `profile`.
_PROFILE: dict[str, dict[str, tuple[Reader | None, str]]] = {
    "network": {
        "kind": (read_text, "mlp, conv or transformer"),
        "width": (read_whole, "units of every layer: 4096, 1e6"),
        "depth": (read_whole, "layers"),
        "widths": (several(read_whole), "units of the input and of each layer: 784,512,10"),
        "activation": (read_activation, "relu, tanh, gelu, ..., leaky_relu:0.2"),
        "scheme": (read_scheme, "he_normal, orthogonal, ..., small_normal:std=0.02"),
        "gain": (read_number_or_word, "factor of the weights, or auto: the activation's own on lecun_normal"),
        "norm": (read_norm, "none, batch, layer or rms"),
        "norm_position": (read_text, "pre_act or post_act; of a transformer pre or post"),
        "norm_eps": (read_number, "what is added to the variance"),
        "residual": (None, "residual blocks, in pre-activation order"),
        "branch_scale": (read_number, "factor of their branches"),
        "bias_std": (read_number, "standard deviation of the biases"),
        "dtype": (read_text, "float32 or float64"),
    },
    "convolutional network": {
        "channels": (several(read_whole), "of every layer, or of the input and each layer"),
        "kernel_size": (read_whole, "height and width of the kernels"),
        "image_size": (read_whole, "height and width of the images"),
        "padding": (read_text, "zero or circular"),
    },
    "transformer": {
        "sequence_length": (read_whole, "tokens of each example"),
        "vocabulary": (read_whole, "tokens there are"),
        "embedding_std": (read_number, "standard deviation of their embeddings"),
        "positional": (None, "embeddings of the positions are added"),
        "heads": (read_whole, "of attention"),
        "mlp_ratio": (read_number, "hidden units of the MLP by unit of width"),
        "gated": (None, "a gated MLP"),
        "causal": (None, "a token sees none after it"),
        "stream_scale": (read_number, "factor of the stream where a branch is added"),
        "residual_gain": (read_number_or_word, "factor of the weights that end a branch, or gpt2"),
        "logit_scale": (read_number_or_word, "of the products of queries and keys, or mup"),
    },
    "signals": {
        "batch": (read_whole, "examples"),
        "inputs": (read_npy, "an .npy file, (batch, width), in place of standard normal inputs"),
        "cotangent": (read_cotangent, "random_sign, or an .npy file of the gradient at the outputs"),
        "loss": (read_text, "mse, in place of a cotangent"),
        "backward": (None, "the gradient too"),
        "jacobian": (None, "moments of the singular values of the input-output Jacobian"),
        "sgd_steps": (read_whole, "steps of gradient descent before the profile"),
        "lr": (several(read_number), "their learning rate, or one for each layer"),
    },
    "run": {
        "seed": (read_whole, "of the first repeat"),
        "repeats": (read_whole, "networks drawn"),
        "method": (read_text, "auto, dense, tiled or matrix_free"),
        "threads": (read_whole, "of the fills"),
        "progress": (None, "a bar with the time left"),
    },
}
#: What may be asked of the story too.
_OF_ANY_RUN = {"seed", "repeats", "threads", "progress"}
_FILES = {"png": (".png", ".svg", ".pdf"), "html": (".html", ".htm"), "json": (".json",)}


def _run_profile(options: argparse.Namespace) -> int:
    readers = {name: read for group in _PROFILE.values() for name, (read, _) in group.items()}
    typed = {name: value for name in readers if (value := getattr(options, name)) is not None}
    keywords = {name: readers[name](_option(name), value) if readers[name] else value for name, value in typed.items()}
    files = _files(options)
    shown: Any
    for module in ("table", *(["plot"] if "png" in files else []), *(["html"] if "html" in files else [])):
        drawn(module)  # what is not installed is missed before the run
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the verdict says it
        if options.compare is not None:
            shown, interrupted = _compared(options.compare, keywords)
        elif set(keywords) <= _OF_ANY_RUN:
            shown = story(**keywords)
            interrupted = shown.interrupted
            files.setdefault("png", Path("fastinit-profile.png"))
        else:
            shown, interrupted = _kept(keywords)
    if interrupted and not shown:
        raise KeyboardInterrupt
    _show(shown, options.table)
    _save(shown, files)
    profiles = list(shown.values()) if isinstance(shown, Comparison) else [shown]
    if interrupted:
        return 130
    return int(options.healthy and not all(one.healthy for one in profiles))


def _kept(keywords: dict[str, Any]) -> tuple[Any, bool]:
    """A profile, or what of it was done, and whether it was interrupted."""
    try:
        return profile(**keywords), False
    except ProfileInterrupted as interruption:
        return interruption.profile, True


def _compared(text: str, keywords: dict[str, Any]) -> tuple[Comparison | None, bool]:
    """Profiles of schemes, which commas part that are not before a keyword; and whether that was interrupted."""
    if "scheme" in keywords:
        refuse("--scheme", "left out with --compare", keywords["scheme"])
    schemes = {name: read_scheme("--compare", name) for name in re.split(r",(?![^,:]*=)", text)}
    found: list[Profile] = []
    interrupted = False
    for scheme in schemes.values():
        one, interrupted = _kept({"scheme": scheme, **keywords})
        found += [] if one is None else [one]
        if interrupted:
            break
    return (compare(found, list(schemes)[: len(found)]) if found else None), interrupted


def _files(options: argparse.Namespace) -> dict[str, Path]:
    """Where to write what, checked before anything runs."""
    files = {kind: path for kind in _FILES if (path := getattr(options, kind)) is not None}
    for kind, path in files.items():
        if path.suffix.lower() not in _FILES[kind]:
            refuse(f"--{kind}", f"a file that ends in {' or '.join(_FILES[kind])}", str(path))
        if not path.absolute().parent.is_dir():
            refuse(f"--{kind}", "in a folder that exists", str(path))
    return files


def _show(shown: Any, table: bool) -> None:
    if table:
        from rich.console import Console

        Console().print(shown.table())
    elif isinstance(shown, Profile):
        print(shown.verdict)
    if isinstance(shown, Comparison) and not (table and isinstance(shown, Story)):
        print(*(f"\n{name}: {verdict}" for name, verdict in shown.verdicts.items()), sep="\n")


def _save(shown: Any, files: dict[str, Path]) -> None:
    write = {"png": shown.plot, "html": shown.to_html, "json": lambda path: path.write_text(shown.to_json())}
    for kind, path in files.items():
        write[kind](path)
        print(f"wrote {path}")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _add_profile(commands: Any) -> None:
    one = commands.add_parser(
        "profile",
        help="does a network carry a signal forward and a gradient back?",
        description="Without options: the story of five initialisations in a deep ReLU network, with and without batch "
        "normalisation, with a picture in fastinit-profile.png. Exit status: 0; 1 if --healthy is asked for and it is "
        "not; 2 the question was wrong; 130 interrupted.",
        epilog="Example: fastinit profile --width 1e6 --depth 50 --norm batch --method matrix_free --html out.html",
    )
    for title, options in _PROFILE.items():
        group = one.add_argument_group(title)
        for name, (read, meaning) in options.items():
            more: dict[str, Any] = {"metavar": name.rsplit("_", 1)[-1].upper()} if read else {}
            more |= {} if read else {"action": argparse.BooleanOptionalAction, "default": None}
            group.add_argument(_option(name), help=meaning, **more)
    group = one.add_argument_group("showing")
    group.add_argument("--compare", metavar="SCHEMES", help="several schemes side by side: he_normal,lecun_normal")
    group.add_argument("--table", action=argparse.BooleanOptionalAction, default=True, help="a table of layers")
    for kind, meaning in (
        ("png", "a picture (also .svg, .pdf)"),
        ("html", "a page with charts"),
        ("json", "all numbers"),
    ):
        group.add_argument(f"--{kind}", type=Path, metavar="FILE", help=meaning)
    group.add_argument("--healthy", action="store_true", help="exit status 1 where signal or gradient does not pass")
    one.set_defaults(run=_run_profile)


class Parser(argparse.ArgumentParser):
    """One that answers a wrong question in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where help is."""
        self.exit(2, f"fastinit: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    whole = Parser(
        prog="fastinit",
        description="Initial weights: what runs here, whether they let a network train, and whether a file is right.",
    )
    whole.add_argument("--version", action="version", version=f"fastinit {VERSION}, stream {STREAM}")
    commands = whole.add_subparsers(required=True, metavar="command")
    one = commands.add_parser("info", help="version, stream, instructions, threads, compiler")
    one.set_defaults(run=_run_info)
    _add_profile(commands)
    one = commands.add_parser(
        "verify",
        help="do the arrays in a file have the law they claim?",
        description="Exit status: 0 all is right, 1 it is not, 2 the question was wrong. Of a .safetensors file each "
        "tensor is checked, under its own name. For the rules of a whole model: python -m fastinit.torch verify --help",
        epilog="Examples: fastinit verify w.npy --scheme he_normal --seed 0 --name mlp.0; "
        "fastinit verify model.safetensors --array '*.weight' --scheme he_normal --in-axis 1 --out-axis 0 --seed 0",
    )
    one.add_argument("file", type=Path, help=".npy, .npz or .safetensors")
    one.add_argument("--scheme", required=True, metavar="NAME", help="a law or scheme: " + ", ".join(SCHEMES))
    one.add_argument(
        "--array",
        metavar="KEY",
        help="which array of an .npz file; which tensors of a .safetensors "
        "file, by a pattern with * and ? (default: those with two axes or more)",
    )
    one.add_argument("--shape", help="shape of the whole array, if the file holds a part: 4096,4096")
    one.add_argument("--index", help="which part: 0:1024,: or flat[0:1000]")
    one.add_argument("--seed", type=int, help="compare every bit with the stream of this seed and name")
    one.add_argument("--name", help="the stream's name (default: the array's in its file, or none)")
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe on Windows has no square sign
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ValueError, TypeError, IndexError, OSError, ImportError, MemoryError) as error:
        print(f"fastinit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fastinit: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
