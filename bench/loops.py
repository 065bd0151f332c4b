"""Loops: what is done to a signal between its draws: activations with slopes, Gram matrices, and norms."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import erf, exp, fsum, pi, sqrt, tanh
from typing import Any

import numpy as np

import fastinit as fi
from fastinit import _core
from fastinit.activations import activation_of
from fastinit.profiler.norms import NORMS
from fastinit.profiler.products import gram

from .peers import from_peers
from .races import Array, Call, Check, Entrant, Race, size_label

_EPS = 1e-5
#: Numbers of an activation that are compared with their own.
_COMPARED = 1 << 12


def loops(most: int) -> Iterator[Race]:
    """Each on one thread, into new memory."""
    for name in _EXACT:
        for n in (64, 1 << 14, 1 << 20):
            if n <= most:
                yield _activation(name, n)
    for rows, columns in ((64, 4096), (32, 1 << 20)):
        if rows * columns <= 16 * most:
            yield _gram(rows, columns)
    for norm in NORMS:
        for rows, columns in ((64, 512), (256, 4096)):
            if rows * columns <= most:
                yield _norm(norm, rows, columns)


def _activation(name: str, n: int) -> Race:
    entrants = {"fastinit": Entrant(partial(_activated, name))} | from_peers(lambda peer: peer.activation(name))
    buffer, check = partial(fi.normal, n, seed=0), _check_activation(name)
    return Race("loops", f"{name} and slope {size_label(n)}", n, buffer, check, entrants, quick=n < 1 << 20)


def _activated(name: str, x: Array) -> Call:
    found = activation_of(name).in_core
    assert found is not None, f"{name} is not in the core"

    def call() -> tuple[Array, Array]:
        value, slope = np.empty_like(x), np.empty_like(x)
        _core.activate(*found, x, value, slope)
        return value, slope

    return call


def _sigmoid(x: float) -> float:
    return (1 + tanh(x / 2)) / 2


def _normal_law(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2


#: phi and its slope at one number.
_EXACT = {
    "relu": lambda x: (max(x, 0.0), float(x > 0)),
    "tanh": lambda x: (tanh(x), 1 - tanh(x) ** 2),
    "silu": lambda x: (x * _sigmoid(x), _sigmoid(x) * (1 + x * (1 - _sigmoid(x)))),
    "gelu": lambda x: (x * _normal_law(x), _normal_law(x) + x * exp(-x * x / 2) / sqrt(2 * pi)),
}


def _check_activation(name: str) -> Check:
    """A check of the first numbers against the C library's, in float64: within four roundings of the largest here."""

    def check(result: Any, buffer: Array, slack: float) -> float:
        x = buffer[:_COMPARED]
        exact = np.array([_EXACT[name](number) for number in x.tolist()]).T
        error = max(
            float(np.abs(np.asarray(got)[: x.size] - want).max()) for got, want in zip(result, exact, strict=True)
        )
        bound = 4 * float(np.spacing(x.dtype.type(np.abs(exact).max())))
        assert error <= bound + slack, f"{name} is off by {error:.2g}"
        return error

    return check


def _gram(rows: int, columns: int) -> Race:
    entrants = {"fastinit": Entrant(lambda x: partial(gram, x))} | from_peers(lambda peer: peer.gram())
    name = f"Gram matrix {rows} x {size_label(columns)}"
    buffer, quick = partial(fi.normal, (rows, columns), seed=0), columns < 1 << 20
    return Race("loops", name, rows * columns, buffer, _check_gram, entrants, quick=quick)


def _check_gram(result: Any, buffer: Array, slack: float) -> float:
    """Of the first row with itself and the last, against sums that round once."""
    products, rows = np.asarray(result), buffer[[0, -1]].astype(np.float64)
    exact = [fsum((rows[0] * row).tolist()) for row in rows]
    error = max(abs(float(got) - want) for got, want in zip(products[0, [0, -1]], exact, strict=True)) / exact[0]
    assert error <= 1e-12 + slack, f"a product is {error:.2g} of the square off"
    return error


def _norm(name: str, rows: int, columns: int) -> Race:
    norm = NORMS[name]

    def bind(both: Array) -> Call:
        x, d = both

        def call() -> tuple[Array, Array]:
            found = norm.normalised(x, _EPS)
            return found.y, found.backward(d)

        return call

    entrants = {"fastinit": Entrant(bind)}
    entrants |= from_peers(lambda peer: peer.norm(name, norm.axis, norm.centred, _EPS))
    label, buffer = (
        f"{name} norm {rows} x {size_label(columns)}, both ways",
        partial(fi.normal, (2, rows, columns), seed=0),
    )
    check = _check_norm(norm.axis, norm.centred)
    return Race("loops", label, rows * columns, buffer, check, entrants, quick=columns < 4096)


def _check_norm(axis: int, centred: bool) -> Check:
    """A check of y and of what goes back, against float64: within a few roundings of the largest."""

    def check(result: Any, buffer: Array, slack: float) -> float:
        x, d = buffer.astype(np.float64)
        away = x - x.mean(axis, keepdims=True) if centred else x
        inverse = 1 / np.sqrt(np.mean(away**2, axis, keepdims=True) + _EPS)
        y = away * inverse
        back = d - y * np.mean(d * y, axis, keepdims=True) - (d.mean(axis, keepdims=True) if centred else 0)
        found = [np.asarray(array, np.float64) for array in result]
        error = max(float(np.abs(got - want).max()) for got, want in zip(found, (y, back * inverse), strict=True))
        assert error <= 4e-6 + slack, f"a signal is off by {error:.2g}"
        return error

    return check
