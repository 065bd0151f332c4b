"""``fastinit verify``: does an array, or do the tensors of a file, have the law they claim?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..arguments import refuse
from ..dtypes import kind_of
from ..models.shards import Shard, problems_of
from ..schemes import Scheme
from ..tensor_files import FLOATS, INDEX, PICKLED
from ..verification import verify
from .models import opened
from .readers import read_array, read_index, read_seed, read_shape
from .scheme_options import scheme_with_keywords


def verify_arrays(options: argparse.Namespace) -> int:
    """One array, or each tensor under its own name."""
    scheme, keywords = scheme_with_keywords(options)
    for keyword in set(keywords) & {"seed", "name", "shape", "index", "threads"}:
        refuse("--scheme", f"without {keyword}, which is --{keyword}", options.scheme)
    seed = None if options.seed is None else read_seed("--seed", options.seed)
    has_several = options.file.suffix in (".safetensors", *PICKLED) or options.file.name.endswith(INDEX)
    run = _verify_tensors if has_several or options.file.is_dir() else _verify_array
    return run(options, scheme, keywords, seed)


def _verify_tensors(options: argparse.Namespace, scheme: Scheme, keywords: dict[str, Any], seed: int | None) -> int:
    """Each tensor under its own name: a line for one that is wrong, or has values of another."""
    for option in ("shape", "index", "name", "dtype"):
        if getattr(options, option) is not None:
            refuse(f"--{option}", "left out for a file of tensors by name", getattr(options, option))
    unchecked, checked = list[str](), list[Shard]()
    for name, array in _read_tensors(options.file, options.array):
        if array is None:
            unchecked.append(name)
            continue
        try:
            law = scheme.law_for(array.shape, **keywords)
            found = verify(array, law, seed=seed, name=name)
        except (TypeError, ValueError) as error:
            raise type(error)(f"tensor {name!r}: {error}") from error
        whole = Shard(name, array.shape, array.dtype.name, places=(), total=0, checked=True)
        checked.append(whole.judged(found, law))
    if not checked:
        refuse("--array", "such that a tensor of floats is checked", options.array)
    problems = problems_of([checked])
    for problem in problems:
        print(f"PROBLEM {problem}")
    if unchecked:
        print(f"not checked: {', '.join(unchecked)}")
    print(f"tensors checked: {len(checked)}", "not ok" if problems else "ok", sep="\n")
    return int(bool(problems))


def _read_tensors(path: Path, pattern: str | None) -> Iterator[tuple[str, Any]]:
    """Name of each tensor that a pattern matches, and the array; None where it is not to check.

    Without a pattern, what has fewer than two axes is not.
    """
    with opened(path) as file:
        names = [name for name in file.names if fnmatchcase(name, pattern or "*")]
        if not names:
            refuse("--array", "a pattern that a tensor's name matches", pattern)
        for name in names:
            checked = file.dtype_of(name) in FLOATS and (pattern is not None or len(file.shape_of(name)) > 1)
            yield name, file.read(name) if checked else None


def _verify_array(options: argparse.Namespace, scheme: Scheme, keywords: dict[str, Any], seed: int | None) -> int:
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
        seed=seed,
        name=member if options.name is None else options.name,
        **keywords,
    )
    print(found)
    return 0 if found else 1
