"""Loops: what is done to a signal between its draws: activations with slopes, Gram matrices, norms, and all in one."""

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
from fastinit.profiler.passes import ACTIVATION, BACKWARD, FORWARD, NORM, READ
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
    for rows, columns, normalised in ((64, 512, True), (256, 4096, False)):
        if columns * columns <= 16 * most:
            yield _units(rows, columns, normalised)


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


def _units(rows: int, columns: int, normalised: bool) -> Race:
    """ReLU, perhaps after batch norm, of a layer's h, and back: with kurtoses and Gram matrices of what ends."""
    entrants = {
        "fastinit": Entrant(partial(_passed, normalised=normalised)),
        "draws and matrix products alone": Entrant(_made_and_multiplied, check=lambda *_: 0.0),
    }
    entrants |= from_peers(lambda peer: peer.units(normalised, _EPS))
    name = f"{'batch norm and ' if normalised else ''}relu {rows} x {size_label(columns)}, all of a layer, both ways"
    buffer, check = partial(fi.normal, (2, rows, columns), seed=0), _check_units(normalised)
    return Race("loops", name, rows * columns, buffer, check, entrants, quick=columns < 4096)


def _passed(both: Array, normalised: bool) -> Call:
    h, d = both
    room = _core.ColumnRoom()
    steps = (READ, NORM, ACTIVATION) if normalised else (READ, ACTIVATION)
    units: dict[str, Any] = {"steps": steps, "activation": activation_of("relu").in_core, "products": True}
    units["norm"] = (False, True, _EPS, None, None)

    def call() -> tuple[Any, ...]:
        seen = [fi.Moments(order) for order in (4, 4, 2, 2)]
        into = tuple(one._sums for one in seen)
        passed = partial(_core.pass_columns, dtype=h.dtype, rows=len(h), width=h.shape[1], into=into, room=room,
                         threads=1, given=h, **units)  # fmt: skip
        x, back = np.empty_like(h), np.empty_like(h)
        forward, backward = passed(FORWARD, out=x)[2], passed(BACKWARD, gradient=d, out=back)[2]
        return x, back, forward, backward, seen[0].kurtosis, seen[1].kurtosis

    return call


def _made_and_multiplied(both: Array) -> Call:
    """The weights of the layer, twice, and their products with a signal and with a gradient."""
    x, d = both
    weights, out = np.empty((x.shape[1], x.shape[1]), x.dtype), np.empty_like(x)

    def call() -> Array:
        for signal, seen in ((x, weights), (d, weights.T)):
            fi.he_normal(weights.shape, seed=0, out=weights)
            np.matmul(signal, seen, out=out)
        return out

    return call


def _check_units(normalised: bool) -> Check:
    """A check against float64: signals within a few roundings, their products and kurtoses within those of sums."""

    def check(result: Any, buffer: Array, slack: float) -> float:
        h, d = buffer.astype(np.float64)
        away = h - h.mean(0) if normalised else h
        inverse = 1 / np.sqrt(np.mean(away**2, 0) + _EPS) if normalised else np.ones(h.shape[1])
        y, g = away * inverse, d * (away > 0)
        back = (g - g.mean(0) - y * np.mean(g * y, 0)) * inverse if normalised else g
        x = np.maximum(y, 0)
        exact = [x, back, x @ x.T, back @ back.T, *(np.mean((z - z.mean()) ** 4) / z.var() ** 2 for z in (h, x))]
        found = [np.asarray(array, np.float64) for array in result]
        off = [np.abs(got - want).max() / np.abs(want).max() for got, want in zip(found, exact, strict=True)]
        error = float(max(off))
        assert error <= 4e-6 + slack, f"what is made is off by {off}"
        return error

    return check
