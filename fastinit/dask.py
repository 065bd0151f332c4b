"""fastinit for Dask: every law and scheme as a lazy array, with the values of the NumPy face whatever the chunks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import Parameter, Signature, getdoc, signature
from typing import Any

import numpy as np

try:
    import dask.array as da
    from dask.array.core import normalize_chunks
    from dask.layers import ArraySliceDep
except ImportError as _error:
    from .missing import missing

    raise missing("`fastinit.dask`", "dask", "dask") from _error

from .arguments import refuse, type_of, unexpected
from .dtypes import kind_for
from .fill import draw
from .laws import Law
from .layout import checked_shape
from .machine import usually_rounded
from .schemes import SCHEMES, Scheme, distributions, fan_scaling, structured
from .stream import encoded, seed_number

_FACES: dict[str, Callable[..., Any]] = {
    name: getattr(home, name)
    for home in (distributions, fan_scaling, structured)
    for name in SCHEMES
    if hasattr(home, name)
}
__all__ = sorted(_FACES)

#: What an array has that is made at once, and why one that is not has not.
_REFUSED = {
    "index": "slice it",
    "out": "the workers make its blocks",
    "threads": "a task has one",
}
_SHAPE = Parameter("shape", Parameter.POSITIONAL_OR_KEYWORD)
_COMMON = {"seed": None, "name": "", "dtype": "float32"}
_CHUNKS = Parameter("chunks", Parameter.KEYWORD_ONLY, default="auto", annotation="Any")

_DOCS = """{first}

As `fastinit.{name}`, but lazy: a `dask.array.Array`, whose blocks the workers of any scheduler make, each alone.

Parameters
----------
{others}
    As of `fastinit.{name}`. A `seed` of None takes entropy when the array is described, not when it is computed.
chunks : int, tuple, "auto", ...
    As of `dask.array.ones`. No value depends on it.

Returns
-------
dask.array.Array
    Of the same values. What the NumPy face can only make whole is one task's, and then cut.

Raises
------
ValueError, TypeError
    If an argument breaks its rule, at once; `index`, `out` and `threads` are none of a lazy array.
"""


def _lazy(scheme: Scheme) -> Callable[..., Any]:
    """The function that describes arrays of a scheme."""
    known = _signature(scheme)

    def described(*arguments: Any, **keywords: Any) -> Any:
        for key in keywords:
            if key in _REFUSED:
                value = keywords[key]
                shown = type_of(value) if key == "out" else value
                refuse(key, f"left out for a lazy array ({_REFUSED[key]})", shown, TypeError)
        unexpected(scheme.name, keywords, known.parameters)
        try:
            bound = known.bind(*arguments, **keywords)
        except TypeError as error:
            raise TypeError(f"{scheme.name}() {error}") from None
        bound.apply_defaults()
        given = bound.arguments
        shape, common = given.pop("shape"), {key: given.pop(key) for key in (*_COMMON, "chunks")}
        return _array(scheme, shape, given, **common)

    described.__name__ = described.__qualname__ = scheme.name
    described.__signature__ = known  # type: ignore[attr-defined]
    face = _FACES.get(scheme.name)
    first = (getdoc(face) or "").partition("\n\n")[0] if face else f"The scheme {scheme.name!r}, as it is registered."
    others = ", ".join(key for key in known.parameters if key != "chunks")
    described.__doc__ = _DOCS.format(first=first, name=scheme.name, others=others)
    return described


def _signature(scheme: Scheme) -> Signature:
    """That of the NumPy face, with chunks in place of what is refused; of what was registered, by its keywords."""
    face = _FACES.get(scheme.name)
    if face is None:
        own = {**scheme.parameters, **_COMMON}
        parameters = [Parameter(key, Parameter.KEYWORD_ONLY, default=value) for key, value in own.items()]
        return Signature([_SHAPE, *parameters, _CHUNKS])
    shown = signature(face)
    kept = [one for one in shown.parameters.values() if one.name not in _REFUSED]
    return shown.replace(parameters=[*kept, _CHUNKS])


@usually_rounded
def _array(scheme: Scheme, shape: Any, own: dict[str, Any], *, seed: Any, name: Any, dtype: Any, chunks: Any) -> Any:
    """A lazy array, all that it is made of checked."""
    lengths, kind = checked_shape(shape), kind_for(dtype, None)
    law = scheme.law_for(lengths, **own)
    number = seed_number(seed)
    encoded(name)
    law.fills(lengths, kind, number, name, 1)  # raises where there is no such array
    if law.is_fixed:
        number, name = 0, ""
    cut = normalize_chunks(chunks, lengths, dtype=kind.dtype)
    whole = tuple((length,) for length in lengths)
    axes = tuple(range(len(lengths)))
    array = da.blockwise(
        partial(_block, law=law, shape=lengths, seed=number, name=name, dtype=kind.name),
        axes,
        ArraySliceDep(cut if law.can_be_cut else whole),
        axes,
        dtype=kind.dtype,
        meta=np.empty((0,) * len(lengths), kind.dtype),
        token=f"fastinit-{scheme.name}",
        align_arrays=False,
    )
    return array if law.can_be_cut else array.rechunk(cut)


def _block(where: tuple[slice, ...], *, law: Law, **given: Any) -> Any:
    """The task: a block by its place."""
    return np.asarray(draw(law, index=where if law.can_be_cut else None, threads=1, **given))


globals().update({name: _lazy(SCHEMES[name]) for name in _FACES})


def __getattr__(name: str) -> Callable[..., Any]:
    """Of schemes that are registered."""
    if name in SCHEMES:
        return _lazy(SCHEMES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
