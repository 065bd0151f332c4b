"""Dealing: the columns of a layer, passed by the core in this process, or part by part by the workers of a client.

Sums over columns are made in parts that depend on rows and width alone, and added in their order: who makes a part
changes no bit. A part is made from keys and from matrices of the size of the batch, so that one that is lost with its
worker is made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import local
from typing import Any

import numpy as np

from ... import _core
from ...typing import Client
from ..passes import MOMENTS
from ..statistics import Tally

Accumulators = tuple[_core.Accumulator | None, ...]

_client: ContextVar[Client | None] = ContextVar("client", default=None)
_here = local()


@contextmanager
def dealt_to(client: Client | None) -> Iterator[None]:
    """Let the workers of a client of Dask make the passes in this context; None changes nothing."""
    token = _client.set(_client.get() if client is None else client)
    try:
        yield
    finally:
        _client.reset(token)


def pass_columns(way: int, dtype: Any, rows: int, width: int, into: Accumulators, room: _core.ColumnRoom, threads: int,
                 **what: Any) -> list[Any]:  # fmt: skip
    """As of the core."""
    client = _client.get()
    if client is None:
        return list(_core.pass_columns(way, dtype, rows, width, into, room, threads, **what))
    wanted = tuple(None if sums is None else name for name, sums in zip(MOMENTS, into, strict=True))
    # A task of its own: it goes to each worker once, from one to the other, and is there again where one dies.
    layer = client.submit(_layer, way, dtype, rows, width, wanted, what, pure=False)
    parts = range(_core.columns_parts(rows * what.get("functions", 1), width))
    made = client.map(_part, parts, layer=layer, pure=False)
    (seen, found), *others = client.gather(made)
    for moments, more in others:
        _merge(moments, seen)
        found = [total + one for total, one in zip(found, more, strict=True)]
    _merge(seen, into)
    return found


def _merge(moments: Accumulators, into: Accumulators) -> None:
    for sums, total in zip(moments, into, strict=True):
        if sums is not None and total is not None:
            total.merge(sums)


def _aligned(value: Any) -> Any:
    """What came over a wire, arrays where the core can read them."""
    if isinstance(value, np.ndarray):
        return np.require(value, requirements=["C", "A"])
    return type(value)(map(_aligned, value)) if type(value) in (tuple, list) else value


def _layer(*layer: Any) -> Any:
    return layer


def _part(part: int, layer: Any) -> tuple[Accumulators, list[Any]]:
    """What one part sees."""
    way, dtype, rows, width, wanted, what = layer
    what = {name: _aligned(value) for name, value in what.items()}
    tally = Tally()
    into = tuple(None if name is None else tally.sums_of(name) for name in wanted)
    if not hasattr(_here, "room"):
        _here.room = _core.ColumnRoom()
    return into, list(_core.pass_columns(way, dtype, rows, width, into, _here.room, 1, only=part, **what))
