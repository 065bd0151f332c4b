"""Quadrature on the line: Gauss-Legendre panels, and the expectation of a function of one normal variable."""

from __future__ import annotations

import math
from collections.abc import Iterable
from math import inf, pi, sqrt
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..activations import Array, Function
from ..arguments import refuse

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
#: A standard normal lies beyond with probability 4e-33; Gauss-Legendre panels of 1.5 inside.
REACH = 12.0
GRID = np.linspace(-REACH, REACH, 17)


def panels(edges: Array) -> tuple[Array, Array]:
    """Nodes and weights of composite Gauss-Legendre quadrature between edges in any order, or those of each row."""
    edges = np.unique(edges) if edges.ndim == 1 else np.sort(edges)
    half = np.diff(edges)[..., None] / 2
    shape = (*edges.shape[:-1], -1)
    return ((edges[..., :-1, None] + half) + half * _NODES).reshape(shape), (half * _WEIGHTS).reshape(shape)


def graded(scale: float) -> list[float]:
    """1, 1/2, 1/4, ... down to where a function that bends over 1/scale is smooth."""
    return [2.0**-j for j in range(max(0, math.ceil(math.log2(scale))) + 1)] if scale > 1 else []


@overload
def expectation(function: Function, q: float = 1.0, kinks: Iterable[float] = ()) -> float: ...
@overload
def expectation(function: Function, q: Array, kinks: Iterable[float] = ()) -> NDArray[np.float64]: ...
@overload
def expectation(function: Function, q: ArrayLike, kinks: Iterable[float] = ()) -> float | NDArray[np.float64]: ...
def expectation(function: Function, q: ArrayLike = 1.0, kinks: Iterable[float] = ()) -> float | NDArray[np.float64]:
    """Expectation of a function of a centred normal variable: ``E[f(u)]``, u of variance q.

    Composite Gauss-Legendre quadrature, with panel edges at the kinks: off by less than 1e-13 of ``E|f(u)|`` for a
    function that is smooth between them and bends over lengths of one or more, and far from zero over as much as the
    distance. One that oscillates for ever, as cos does, is followed as far only where q is small: the square of cos is
    off by 1e-8 or less up to q = 10, by 1e-4 at 100, and wrong beyond.

    Parameters
    ----------
    function : callable
        f, of float64 arrays, elementwise.
    q : float or array_like
        Variance of u.
    kinks : iterable of float
        Where f or one of its derivatives jumps.

    Returns
    -------
    float or ndarray
        Of the shape of q.

    Examples
    --------
    >>> import numpy as np
    >>> round(expectation(np.cos), 9)
    0.60653066
    """
    variance = np.asarray(q, dtype=float)
    if not ((variance >= 0) & (variance < inf)).all():
        refuse("q", "finite and at least 0", q)
    std = np.sqrt(variance)
    widest = float(std.max(initial=0.0))
    far = REACH * np.array(graded(widest * REACH)) if widest > 1 else np.zeros(0)
    bends = np.divide.outer(np.array([*kinks]), np.unique(std[std > 0])).ravel()
    z, weight = panels(np.clip(np.concatenate([GRID, far, -far, bends]), -REACH, REACH))
    weight *= np.exp(-z * z / 2) / sqrt(2 * pi)
    found: NDArray[np.float64] = function(np.multiply.outer(std, z)) @ weight
    return float(found) if variance.ndim == 0 else found
