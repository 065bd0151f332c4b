"""``fastinit verify``: does an array, or do the tensors of a file, have the law they claim?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial
from shlex import quote
from typing import Any

from ..arguments import first_few, refuse
from ..dtypes import kind_of
from ..models.shards import Shard, problems_of, wants_sketches
from ..schemes import Scheme
from ..tensor_files import FLOATS
from ..verification import verify
from .array_files import ArchivedFile, read_npy_file
from .models import opened
from .readers import read_index, read_seed, read_shape
from .scheme_options import scheme_with_keywords

#: What an array that has another name may need.
_UNNAMED = "; --name is the name that the array was made under"


def verify_arrays(options: argparse.Namespace) -> int:
    """One array, or each tensor under its own name."""
    scheme, keywords = scheme_with_keywords(options)
    for keyword in set(keywords) & {"seed", "name", "shape", "index", "threads"}:
        refuse("--scheme", f"without {keyword}, which is --{keyword}", options.scheme)
    seed = None if options.seed is None else read_seed("--seed", options.seed)
    if options.file.suffix == ".npy":
        if options.array is not None:
            refuse("--array", "left out for a .npy file", _shown(options.array))
        return _verify_array(options, read_npy_file(options.file), "", scheme, keywords, seed)
    with opened(options.file) as file:
        asked = file.names if options.array is None else options.array
        if isinstance(file, ArchivedFile) and len(asked) == 1 and asked[0] in file.names:
            return _verify_array(options, file.read(asked[0]), asked[0], scheme, keywords, seed)
        return _verify_tensors(options, file, scheme, keywords, seed)


def _verify_tensors(
    options: argparse.Namespace, file: Any, scheme: Scheme, keywords: dict[str, Any], seed: int | None
) -> int:
    """Each tensor under its own name: a line for one that is wrong, or has values of another."""
    for option in ("shape", "index", "name", "dtype"):
        if getattr(options, option) is not None:
            refuse(f"--{option}", "left out for a file of tensors by name", getattr(options, option))
    unchecked, checked = list[str](), list[Shard]()
    for name, array in _read_tensors(file, options.array):
        if array is None or not array.size:
            unchecked.append(name if array is None else f"{name} (no elements)")
            continue
        try:
            law = scheme.law_for(array.shape, **keywords)
            found = verify(array, law, seed=seed, name=name)
        except (TypeError, ValueError) as error:
            raise type(error)(f"tensor {name!r}: {error}") from error
        whole = Shard(name, array.shape, array.dtype.name, places=(), total=0, checked=True)
        checked.append(whole.judged(found, law))
    if not checked:
        refuse("--array", "such that a tensor of floats with elements is checked", _shown(options.array))
    if wants_sketches([checked]):
        checked = [one.sketched(partial(_read_again, file, one.name)) for one in checked]
    problems = problems_of([checked])
    for problem in problems:
        print(f"PROBLEM {problem}")
    if unchecked:
        print(f"not checked: {', '.join(unchecked)}")
    print(f"tensors checked: {len(checked)}", "not ok" if problems else "ok", sep="\n")
    return int(bool(problems))


def _read_again(file: Any, name: str) -> list[Any]:
    return [file.read(name)]


def _read_tensors(file: Any, patterns: list[str] | None) -> Iterator[tuple[str, Any]]:
    """Name of each tensor that a pattern matches, and the array; None where it is not to check.

    Without a pattern, what has fewer than two axes is not.
    """
    for pattern in patterns or ["*"]:
        if not any(fnmatchcase(name, pattern) for name in file.names):
            held = first_few([*map(repr, file.names)], 8) or "none"
            refuse("--array", f"a pattern that a tensor's name matches (there are: {held})", pattern)
    for name in (one for one in file.names if any(fnmatchcase(one, pattern) for pattern in patterns or ["*"])):
        checked = file.dtype_of(name) in FLOATS and (patterns is not None or len(file.shape_of(name)) > 1)
        yield name, file.read(name) if checked else None


def _shown(patterns: list[str] | None) -> Any:
    """As they were typed."""
    return patterns[0] if patterns and len(patterns) == 1 else patterns


def _verify_array(
    options: argparse.Namespace, array: Any, stored: str, scheme: Scheme, keywords: dict[str, Any], seed: int | None
) -> int:
    """One array, which may be a part of one; by default its stream has the name under which it is stored."""
    if options.dtype == "bfloat16":
        if array.dtype.itemsize != 2:
            refuse("--dtype", f"left out for items of {array.dtype.itemsize} bytes", options.dtype)
        array = array.astype(array.dtype.newbyteorder("="), copy=False).view(kind_of("bfloat16").dtype)
    if not array.size:
        refuse("file", "of an array with elements: of this nothing can be checked", f"{options.file} of {array.shape}")
    keywords |= {
        "shape": None if options.shape is None else read_shape("--shape", options.shape),
        "index": None if options.index is None else read_index("--index", options.index),
        "seed": seed,
    }
    found = verify(array, scheme, name=stored if options.name is None else options.name, **keywords)
    if options.name is None and found.is_of_another:
        stem = options.file.stem
        is_named = stem.isprintable() and verify(array, scheme, name=stem, **keywords).ok
        found.problems[0] += f"; they are those of name {stem!r}: --name {quote(stem)}" if is_named else _UNNAMED
    print(found)
    return 0 if found else 1
