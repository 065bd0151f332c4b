"""Frames: profiles as one tidy table of pandas, with a row for each layer and repeat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...missing import missing
from ...stream import SEED_BITS
from ...typing import DataFrame
from ..tangent_kernel import KERNEL_EIGENVALUES

Array = np.ndarray[Any, Any]


def frame(profiles: Mapping[Any, Any], name: str | None = None) -> DataFrame:
    """The rows of all profiles, below a column with the names of these if it is to have a `name`.

    What one profile has and another has not is not a number there, or None.
    """
    several = [({} if name is None else {name: key}) | _columns(profile) for key, profile in profiles.items()]
    lengths = [profile.repeats * (profile.network.depth + 1) for profile in profiles.values()]
    names = dict.fromkeys(column for columns in several for column in columns)
    return framed({one: _joined([columns.get(one) for columns in several], lengths) for one in names})


def framed(columns: Mapping[str, Any]) -> DataFrame:
    """A frame of these columns."""
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise missing("to make a frame", "pandas", "frame") from error
    return pandas.DataFrame(columns)


def _columns(profile: Any) -> dict[str, Any]:
    """Each column of one profile: a value for all rows, or an array; repeats come one after the other."""
    layers, repeats = profile.network.depth + 1, profile.repeats
    found: dict[str, Any] = {
        "layer": np.tile(np.arange(layers), repeats),
        "label": np.tile(np.array(profile.network.labels, object), repeats),
        "repeat": np.repeat(np.arange(repeats), layers),
    }
    for field in profile:
        values = profile[field]
        if field == KERNEL_EIGENVALUES:
            continue
        values = values if profile._by_layer(field) else values[:, None]
        found[field] = np.broadcast_to(values, (repeats, layers)).reshape(-1)
    for keyword, value in profile._columns().items():
        found[keyword] = np.tile(value, repeats) if isinstance(value, np.ndarray) else value
    found["seed"] = np.repeat([(profile.seed + repeat) % (1 << SEED_BITS) for repeat in range(repeats)], layers)
    return found


def _joined(parts: list[Any], lengths: list[int]) -> Array:
    """One column of arrays and of values, each for so many rows; what is missing among numbers is not a number."""
    known = [part for part in parts if part is not None]
    kinds = {np.asarray(part).dtype.kind for part in known}
    numbers = bool(known) and kinds <= set("iuf")
    kind = None if numbers or (kinds == {"b"} and known == parts) else object
    empty = np.nan if numbers else None
    filled = [empty if part is None else part for part in parts]
    return np.concatenate([np.full(length, part, kind) for part, length in zip(filled, lengths, strict=True)])
