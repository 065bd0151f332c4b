"""Readers: from what was typed to values. Each takes the name of an option and its text, and refuses in its name.

What is slow to import is imported by the reader that wants it: help is printed without NumPy.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, get_args

from ..arguments import choice, refuse
from ..missing import missing

#: From the name of an option and what was typed to a value.
Reader = Callable[[str, str], Any]


class FilePath(argparse.Action):
    """What was typed, as a path: nothing would be the current folder."""

    def __call__(self, parser: argparse.ArgumentParser, found: Any, value: Any, option: str | None = None) -> None:
        if not value:
            parser.error(f"`{self.dest}` must be a path, got {value!r}")
        setattr(found, self.dest, Path(value))


def option_of(keyword: str) -> str:
    """What a keyword is called on the command line."""
    return f"--{keyword.replace('_', '-')}"


def refuse_typed(options: Mapping[str, Any], beside: str) -> None:
    """Raise where one of these options was typed, which does not go with another one."""
    for name, text in options.items():
        if text is not None:
            refuse(option_of(name), f"left out with {beside}", text)


def metavar_of(keyword: str) -> str:
    """What help calls its value: the last word."""
    return keyword.rsplit("_", 1)[-1].upper()


def read_text(_: str, text: str) -> str:
    """What was typed: whoever is given it checks it."""
    return text


def read_whole(option: str, text: str) -> int:
    """An integer, which may be written 1e6."""
    try:
        return int(text)
    except ValueError:
        number = read_number(option, text)
    return int(number) if number.is_integer() else refuse(option, "an integer, such as 4096 or 1e6", text)


def read_seed(option: str, text: str) -> int:
    """A seed of one number."""
    seed = read_whole(option, text)
    return seed if 0 <= seed < 1 << 128 else refuse(option, "an integer in [0, 2**128)", seed)


def read_number(option: str, text: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        refuse(option, "a number", text)


def read_number_as_typed(option: str, text: str) -> float:
    """A number, an integer where it is written as one."""
    try:
        return int(text)
    except ValueError:
        return read_number(option, text)


def read_number_or_word(option: str, text: str) -> Any:
    """A number, or what was typed."""
    try:
        return read_number_as_typed(option, text)
    except ValueError:
        return text


def read_truth(option: str, text: str) -> bool:
    """True or false."""
    known = {"true": True, "false": False}
    return known[text.lower()] if text.lower() in known else refuse(option, "true or false", text)


def several(read: Reader) -> Reader:
    """One, or several between commas."""

    def read_several(option: str, text: str) -> Any:
        values = tuple(read(option, part) for part in text.split(","))
        return values if len(values) > 1 else values[0]

    return read_several


def reader_of(default: Any) -> Reader:
    """Of a scheme's keyword, by the kind of its default; one that has none, or is not known, is a number or a word."""
    if isinstance(default, bool):
        return read_truth
    if isinstance(default, str):
        return read_text
    if isinstance(default, (int, tuple)):
        return several(read_whole)
    return read_number_as_typed if isinstance(default, float) else read_number_or_word


def read_scheme(option: str, text: str) -> Any:
    """A name, or with its keywords: ``small_normal:std=0.02``; with all that it must be given."""
    name, keywords = split_scheme(option, text)
    check_required(option, name, keywords, text)
    return (name, keywords) if keywords else name


def check_required(option: str, name: str, keywords: Collection[str], text: str, beside: bool = False) -> None:
    """Raise where a scheme lacks a keyword that it must be given, which may be an option `beside` it."""
    from ..schemes import REQUIRED, SCHEMES

    parameters = SCHEMES[name].parameters if name in SCHEMES else {}
    for keyword in (key for key, default in parameters.items() if default is REQUIRED and key not in keywords):
        rule = f"given with its {keyword}: {name}:{keyword}=NUMBER"
        refuse(option, f"{rule}, or {option_of(keyword)} NUMBER" if beside else rule, text)


def split_scheme(option: str, text: str) -> tuple[str, dict[str, Any]]:
    """The name, and the keywords that stand with it."""
    from ..schemes import SCHEMES

    name, *words = re.split("[:,]", text)
    pairs = [word.partition("=") for word in words]
    if not all(equals for _, equals, _ in pairs):
        refuse(option, "a name, or a name with keywords as in small_normal:std=0.02", text)
    parameters = SCHEMES[name].parameters if name in SCHEMES else {}
    keywords = {key: reader_of(parameters.get(key))(key, value) for key, _, value in pairs}
    return name, keywords


def read_shape(option: str, text: str) -> tuple[int, ...]:
    """A shape: ``4096,4096`` or ``4096x4096``."""
    try:
        return tuple(int(length) for length in text.strip("()[] ").replace("x", ",").rstrip(",").split(","))
    except ValueError:
        refuse(option, "integers between commas", text)


def read_index(option: str, text: str) -> Any:
    """A basic index: integers, slices, ``...``, None between commas; ``flat[a:b]`` for a flat range."""
    if text.startswith("flat[") and text.endswith("]"):
        from ..layout import Flat

        return Flat(_read_entry(option, text[5:-1], text))
    entries = tuple(_read_entry(option, entry.strip(), text) for entry in text.split(","))
    return entries if len(entries) > 1 else entries[0]


def _read_entry(option: str, entry: str, text: str) -> Any:
    named = {"...": Ellipsis, "None": None, "newaxis": None}
    if entry in named:
        return named[entry]
    try:
        numbers = [int(number) if number.strip() else None for number in entry.split(":")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or (len(numbers) == 1 and numbers[0] is None):
        refuse(option, "integers, slices, '...' and None between commas", text)
    return slice(*numbers) if ":" in entry else numbers[0]


def read_activation(option: str, text: str) -> Any:
    """A name, or with its parameter: ``leaky_relu:0.2``."""
    from ..typing import ActivationName

    name, parameter, number = text.partition(":")
    if parameter and name in get_args(ActivationName) and name not in ("leaky_relu", "elu"):
        refuse(option, f"{name}, leaky_relu:0.2 or elu:0.5: no other has a parameter", text)
    choice(option, name, get_args(ActivationName), "leaky_relu:0.2, elu:0.5 or ")
    return (name, read_number(option, number)) if parameter else name


def read_norm(option: str, text: str) -> str | None:
    """What was typed, or None."""
    from ..typing import NormName

    return None if choice(option, text, ("none", *get_args(NormName))) == "none" else text


def read_npy(option: str, text: str) -> Any:
    """The array of an .npy file."""
    if not text.endswith(".npy"):
        refuse(option, "an .npy file", text)
    from .array_files import read_npy_file

    return read_npy_file(Path(text))


def read_cotangent(option: str, text: str) -> Any:
    """random_sign, or the array of an .npy file."""
    return read_npy(option, text) if text.endswith(".npy") else text


def read_client(option: str, text: str) -> Any:
    """A client of a scheduler of Dask."""
    try:
        from distributed import Client
    except ImportError as error:
        raise missing(option, "distributed", "dask") from error
    return Client(text)
