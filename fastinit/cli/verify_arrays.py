"""``fastinit verify FILE --scheme``: does an array, or do the tensors of a file, have the law they claim?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..arguments import refuse
from ..dtypes import kind_of
from ..schemes import Scheme
from ..tensor_files import FLOATS, open_tensors
from ..verification import verify
from .readers import read_array, read_index, read_seed, read_shape
from .scheme_options import scheme_with_keywords


def verify_arrays(options: argparse.Namespace) -> int:
    """One array, or each tensor under its own name."""
    scheme, keywords = scheme_with_keywords(options)
    for keyword in set(keywords) & {"seed", "name", "shape", "index", "threads"}:
        refuse("--scheme", f"without {keyword}, which is --{keyword}", options.scheme)
    if options.seed is not None:
        keywords["seed"] = read_seed("--seed", options.seed)
    run = _verify_tensors if options.file.suffix == ".safetensors" else _verify_array
    return run(options, scheme, keywords)


def _verify_tensors(options: argparse.Namespace, scheme: Scheme, keywords: dict[str, Any]) -> int:
    """Each tensor of a file under its own name: a line for one that is wrong."""
    for option in ("shape", "index", "name", "dtype"):
        if getattr(options, option) is not None:
            refuse(f"--{option}", "left out for a .safetensors file", getattr(options, option))
    unchecked, checked, wrong = [], 0, 0
    for name, array in _read_tensors(options.file, options.array):
        if array is None:
            unchecked.append(name)
            continue
        try:
            found = verify(array, scheme, name=name, **keywords)
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


def _read_tensors(path: Path, pattern: str | None) -> Iterator[tuple[str, Any]]:
    """Name of each tensor of a file that a pattern matches, and the array; None where it is not to check.

    Without a pattern, what has fewer than two axes is not.
    """
    with open_tensors(path) as file:
        names = [name for name in file.names if fnmatchcase(name, pattern or "*")]
        if not names:
            refuse("--array", "a pattern that a tensor's name matches", pattern)
        for name in names:
            checked = file.dtype_of(name) in FLOATS and (pattern is not None or len(file.shape_of(name)) > 1)
            yield name, file.read(name) if checked else None


def _verify_array(options: argparse.Namespace, scheme: Scheme, keywords: dict[str, Any]) -> int:
    array, member = read_array(options.file, options.array)
    if options.dtype == "bfloat16":
        if array.dtype.itemsize != 2:
            refuse("--dtype", f"left out for items of {array.dtype.itemsize} bytes", options.dtype)
        array = array.view(kind_of("bfloat16").dtype)
    found = verify(
        array,
        scheme,
        shape=None if options.shape is None else read_shape("--shape", options.shape),
        index=None if options.index is None else read_index("--index", options.index),
        name=member if options.name is None else options.name,
        **keywords,
    )
    print(found)
    return 0 if found else 1
