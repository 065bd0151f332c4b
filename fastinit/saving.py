"""Saving: arrays that are made and written to disk as they are made, however many there are."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from .arguments import names_nearest, refuse, type_of
from .checkpoints import Stored, pieces_of, write_checkpoint
from .dtypes import NAMES, Kind, kind_of
from .fill import draw
from .laws import Called, Law
from .layout import checked_shape
from .machine import usually_rounded
from .models.plans import Entry, Plan, check_law
from .scaling import Fans, fan_pair
from .schemes import AXES, SchemeLike, rules_for, scheme_of
from .stream import seed_number
from .typing import DType, Seed, Shape

#: A shape; or that, a scheme of its own, and keywords of the scheme.
Described: TypeAlias = Shape | tuple[Shape, SchemeLike | Law] | tuple[Shape, SchemeLike | Law, Mapping[str, Any]]


@names_nearest
@usually_rounded
def save(
    directory: str | os.PathLike[str],
    weights: Mapping[str, Described],
    scheme: SchemeLike | Law | Sequence[tuple[Any, ...]] = "he_normal",
    seed: Seed = None,
    *,
    dtype: DType = "float32",
    max_shard_size: int | str = "5GB",
    metadata: Mapping[str, str] | None = None,
) -> list[Path]:
    """Many arrays, each under its own name, as a checkpoint on disk that may be larger than memory.

    The values are those of `init`. They are made and written a megabyte at a time.

    Parameters
    ----------
    directory : path
        Where the files go. It is made if it is not there, and must not have another checkpoint.
    weights : mapping of str to shape or tuple
        Name of each array, and its shape; or (shape, scheme) or (shape, scheme, keywords), for one that has another
        scheme or keywords.
    scheme : str, Scheme, Law, callable or list
        The name of a law or scheme, one of `fastinit.laws`, or a callable ``(shape, *, seed, name, ...) -> array``; or
        a list of rules, as for `init`, for those arrays that have no scheme of their own.
    seed : int, list or array of int, numpy.random.SeedSequence or None
        One for all; None takes fresh entropy, once.
    dtype : dtype
        float16, float32, float64 or bfloat16, which needs ml_dtypes.
    max_shard_size : int or str
        Most bytes of tensors in a file: a number, or "5GB" (10**9 bytes each) or "512MiB". A larger tensor has a file
        to itself.
    metadata : mapping of str to str
        What the header of each file has beside ``format: pt``.

    Returns
    -------
    list of pathlib.Path
        The files: ``model.safetensors``; or several, and ``model.safetensors.index.json``, as Hugging Face has them.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks a rule; before anything is written.
    OSError
        If the directory has a checkpoint, or what is written does not fit. No file of it is left then.

    Notes
    -----
    Files have names of their own (``.part``) until all are whole and on disk.

    *Memory* does not grow with what is written, but for arrays that can only be made whole: ``orthogonal``,
    ``delta_orthogonal``, ``sparse`` and what a callable makes.

    Examples
    --------
    >>> import tempfile
    >>> import fastinit as fi
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = fi.save(folder, {"fc.kernel": (784, 10), "fc.bias": (10, "zeros")}, "he_normal", seed=0)
    ...     print(*(f"{path.name}: {path.stat().st_size} bytes" for path in files))
    model.safetensors: 31584 bytes
    """
    if not isinstance(weights, Mapping):
        refuse("weights", "a mapping of names to shapes", type_of(weights), TypeError)
    number, kind = seed_number(seed), kind_of(dtype)
    stored = [_stored(entry, number, kind) for entry in plan_of(weights, scheme, dtype)]
    return write_checkpoint(directory, stored, max_shard_size, metadata)


def plan_of(weights: Mapping[str, Described], scheme: Any, dtype: DType) -> Plan:
    """What `save` would make of these, which is refused as it refuses it."""
    rules = rules_for([name for name, one in weights.items() if not has_scheme(one)], scheme)
    kind, entries = kind_of(dtype), Plan()
    for name, described in weights.items():
        shape, *own = described if has_scheme(described) else (described, *rules[name])
        try:
            entries.append(_entry(name, shape, kind, *own))
        except (TypeError, ValueError) as error:
            raise type(error)(f"array {name!r}: {error}") from error
    return entries


def has_scheme(described: Described) -> TypeGuard[Sequence[Any]]:
    """Whether it is more than a shape: it begins with one, or goes on with what is no number."""
    if not isinstance(described, (tuple, list)) or len(described) not in (2, 3):
        return False
    return isinstance(described[0], (tuple, list)) or isinstance(described[1], (str, Law)) or callable(described[1])


def _entry(name: str, shape: Any, kind: Kind, scheme: Any, keywords: Mapping[str, Any] | None = None) -> Entry:
    lengths, given = checked_shape(shape), {} if keywords is None else keywords
    if not isinstance(given, Mapping) or not all(isinstance(keyword, str) for keyword in given):
        refuse("keywords", "a mapping of the scheme's keywords to values", given, TypeError)
    make = scheme_of(scheme)
    law = make.law_for(lengths, **given)
    check_law(law, lengths, name, kind.name, whole=True)
    axes = {**AXES, **given}
    fans = Fans(*fan_pair(lengths, *(axes[axis] for axis in AXES))) if make.needs_fans else None
    return Entry(name, lengths, law, name, fans, name)


def _stored(entry: Entry, seed: int, kind: Kind) -> Stored:
    name, lengths, law = entry[:3]
    assert law is not None  # which it is of a module alone

    def whole() -> list[np.ndarray[Any, Any]]:
        made = np.asarray(draw(law, lengths, seed=seed, name=name, dtype=kind.name))
        if made.shape != lengths or not (made.dtype.kind in "biuf" or made.dtype.name in NAMES):
            rule = f"such as makes numbers of shape {lengths} (array {name!r})"
            refuse("scheme", rule, f"{made.dtype.name}, {made.shape}")
        return [np.ascontiguousarray(made, kind.dtype)]

    if isinstance(law, Called):
        return Stored(name, kind.name, kind.dtype.itemsize, lengths, whole)
    pieces = (lambda: pieces_of(law, lengths, kind, seed, name)) if law.can_be_cut else whole
    return Stored(name, kind.name, kind.dtype.itemsize, lengths, pieces)
