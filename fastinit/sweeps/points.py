"""Points: the settings of a sweep, one profile each, and the row that is kept of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from inspect import signature
from itertools import product
from time import perf_counter
from typing import Any

import numpy as np

from ..arguments import refuse, unexpected
from ..profiler import Profile, profile
from ..profiler.description.keywords import check_name
from ..profiler.parallel import sharing
from ..profiler.result.courses import course_of
from ..profiler.result.training import OPTIMIZERS
from ..profiler.statistics import FIELDS
from ..profiler.tangent_kernel import KERNEL_EIGENVALUES

#: Keywords of `profile`, or numbers and words by column.
Settings = dict[str, Any]
Row = dict[str, Any]

#: Keywords of `profile` that a sweep has for itself.
_OWN = ("progress", "client")
#: Columns that are no numbers.
WORDS = ("verdict", *OPTIMIZERS, "error")


def points_of(over: Any, fixed: Mapping[str, Any]) -> list[Settings]:
    """What varies of each point, the last axis fastest; all keywords checked, and what they name."""
    if not isinstance(over, Mapping) or not over:
        refuse("over", "a mapping of keywords of profile, one or more, to their values", over, TypeError)
    unexpected("sweep", (*over, *fixed), [name for name in signature(profile).parameters if name not in _OWN])
    both = sorted(set(over) & set(fixed))
    if both:
        refuse("over", "of other keywords than those that are fixed", both)
    axes = {name: _values(name, values) for name, values in over.items()}
    for name, values in (axes | {name: [value] for name, value in fixed.items()}).items():
        for value in values:
            check_name(name, value)
    return [dict(zip(axes, chosen, strict=True)) for chosen in product(*axes.values())]


def _values(name: str, values: Any) -> list[Any]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        refuse("over", f"a mapping to sequences of values, for {name} too", values, TypeError)
    listed = [value.item() if isinstance(value, np.generic) else value for value in values]
    return listed or refuse("over", f"a mapping to values, one or more, for {name} too", listed)


def row_of(settings: Settings) -> Row:
    """What one profile says: a row, also of one that fails.

    On one thread where nothing else is said, whoever makes it: sums of a BLAS may depend on its threads, others may run
    beside it, and small products gain nothing from a second thread.
    """
    start = perf_counter()
    alone = settings.get("threads") is None
    try:
        with sharing() if alone else nullcontext():
            row = _summary(profile(**settings | ({"threads": 1} if alone else {}), progress=False))
    except Exception as error:
        row = failed(error)
    return row | {"seconds": perf_counter() - start}


def failed(error: BaseException) -> Row:
    """The row of a point that is not made."""
    return {"error": f"{type(error).__name__}: {error}"}


def _summary(found: Profile) -> Row:
    """Verdicts; each field of layers at the first that has it, at the last, and by its factor per layer; the others."""
    verdict = found.verdict
    row: Row = {"verdict": verdict.kind, "healthy": verdict.healthy}
    row |= {name: getattr(verdict, name).grade for name in OPTIMIZERS}
    for name in found:
        measured = name.removeprefix("theory_")
        if measured not in FIELDS:
            if name != KERNEL_EIGENVALUES:  # many of each network
                row[name] = float(np.mean(found[name]))
            continue
        layers, course = found.mean(name), course_of(found, measured)
        row[f"{name}_first"] = float(layers[0 if FIELDS[measured].at_input else 1])
        row[f"{name}_last"] = float(layers[-1])
        row[f"{name}_rate"] = course.rate if name == measured else course.theory
    for ratio in ("over_mean", "over_median"):
        row[f"kernel_{ratio}"] = float(np.median([getattr(kernel, ratio) for kernel in found.kernels]))
    return row | {"error": None}
