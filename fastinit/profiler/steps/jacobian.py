"""Jacobian: what is known of the singular values of that from inputs to outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..description.network import mixes
from ..description.signals import Signals
from ..products import row_sums, squared_norm
from ..progress import Report
from .layers import Builder
from .step import backward_each, forward, tangent

Array = np.ndarray[Any, Any]

#: Passes back and forward by which the largest singular value is found, at most, and after how many and by what share
#: it must have grown to go on. One Gaussian matrix, at the end of whose singular values nothing stands out, takes 24 of
#: them, and is then right to 1e-4 at width 4096; a product of four takes 12.
_PASSES, _BETWEEN, _GROWN = 32, 4, 1e-4


def jacobian_moments(layers: list[Any], d: Array, outputs: int, report: Report) -> tuple[float, float]:
    """Means of the squares and fourth powers of the Jacobian's singular values, from d = J'v for random signs v.

    E |J'v|^2 = tr JJ' and E |JJ'v|^2 = tr (JJ')^2 (Hutchinson 1990), over as many singular values as outputs.
    """
    t = d
    for layer in layers:
        t = tangent(layer, t)
        report()
    return squared_norm(d) / outputs, squared_norm(t) / outputs


def jacobian_largest(signals: Signals, builder: Builder) -> float:
    """The largest singular value of the Jacobian of any example; where a norm mixes them, of all together.

    That of the bidiagonal matrix of Golub and Kahan (1965), from the random signs on. Each pass is of unit vectors, so
    that what vanishes or explodes stays in range as long as one pass does. A matrix that is known by its products would
    have to remember those of all passes: there it is not a number.
    """
    network, seed = builder.network, builder.seed
    if builder.method == "matrix_free":
        return np.nan
    layers = Builder(network, seed, builder.tallies, builder.method, beside=builder).layers()
    x = signals.first(network, seed)
    for layer in layers:
        x = forward(layer, x)
    blocks = 1 if mixes(network) else network.batch
    bands = np.zeros((blocks, _PASSES + 1, _PASSES))
    found = 0.0
    u = beta = np.zeros((blocks, 1), x.dtype)
    v, _ = _unit(signals.last(network, seed, x).reshape(blocks, -1))
    for place in range(_PASSES):
        back = v.reshape(1, *x.shape)
        for layer in reversed(layers):
            back = backward_each(layer, back)
        u, alpha = _unit(back[0].reshape(blocks, -1) - u * beta)
        t = u.reshape(back[0].shape)
        for layer in layers:
            t = tangent(layer, t)
        v, beta = _unit(t.reshape(blocks, -1) - v * alpha)
        bands[:, place, place], bands[:, place + 1, place] = alpha[:, 0], beta[:, 0]
        if not (place + 1) % _BETWEEN:
            last, found = found, _largest(bands)
            if not found > (1 + _GROWN) * last:
                break
    return found


def _largest(bands: Array) -> float:
    """The largest singular value of any of these matrices."""
    return float(np.linalg.norm(bands, 2, axis=(1, 2)).max()) if np.isfinite(bands).all() else np.nan


def _unit(x: Array) -> tuple[Array, Array]:
    """Rows of length one, and their lengths, (rows, 1); a zero row stays."""
    length = np.sqrt(row_sums(x, x)[1])[:, None].astype(x.dtype)
    return np.divide(x, length, out=np.zeros_like(x), where=length != 0), length
