"""Jacobian: what is known of the singular values of that from inputs to outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..description.network import mixes
from ..description.signals import Signals, random_signs
from ..products import row_sums
from ..progress import Report
from ..statistics import NETWORK_FIELDS
from .layers import Builder
from .step import backward_each, forward, tangent

Array = np.ndarray[Any, Any]

#: Passes back and forward by which the largest singular value is found, at most, and after how many and by what share
#: it must have grown to go on. One Gaussian matrix, at the end of whose singular values nothing stands out, takes 24 of
#: them, and is then right to 1e-4 at width 4096; a product of four takes 12.
_PASSES, _BETWEEN, _GROWN = 32, 4, 1e-4


def jacobian_fields(signals: Signals, builder: Builder, report: Report) -> dict[str, float]:
    """Means of the squares and fourth powers of the Jacobian's singular values, and the largest of any example.

    Where a norm mixes examples it is the Jacobian of all together. From fair signs v, independent in all examples and
    outputs, E |J'v|^2 = tr JJ' and E |JJ'v|^2 = tr (JJ')^2 (Hutchinson, 1990), over as many values as outputs. These
    estimates are off: of square linear weights, drawn once, the first has a relative standard deviation of
    sqrt(2 depth / (batch outputs)), and the second was measured 1.4 to 1.7 times as far off (depth 1 to 16). A matrix
    that is known by its products would have to remember those of all passes: there the largest is not a number.
    """
    network, seed = builder.network, builder.seed
    layers = Builder(network, seed, builder.tallies, builder.method, beside=builder).layers()
    x = signals.first(network, seed)
    for layer in layers:
        x = forward(layer, x)
        report()
    signs = random_signs(x.shape, seed, "cotangent.jacobian", x.dtype)
    lazy = builder.method == "matrix_free"
    bands = _bidiagonal(layers, signs, 1 if mixes(network) else network.batch, 1 if lazy else _PASSES)
    along, across = bands[:, :2, 0].T ** 2
    found = (along.mean(), (along * (along + across)).mean(), np.nan if lazy else _largest(bands))
    return dict(zip(NETWORK_FIELDS, map(float, found), strict=True))


def _bidiagonal(layers: list[Any], signs: Array, blocks: int, passes: int) -> Array:
    """Of the Jacobian of each of these blocks the matrix of Golub and Kahan (1965), (blocks, passes + 1, passes).

    It begins with the signs. Each pass is of unit vectors, so that what vanishes or explodes stays in range as long as
    one pass does. It ends, in zeros, where its largest singular value has grown to that of the Jacobian.
    """
    bands, found = np.zeros((blocks, passes + 1, passes)), 0.0
    u = beta = np.zeros((blocks, 1), signs.dtype)
    v, _ = _unit(signs.reshape(blocks, -1))
    for place in range(passes):
        back = v.reshape(1, *signs.shape)
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
    return bands


def _largest(bands: Array) -> float:
    """The largest singular value of any of these matrices."""
    return float(np.linalg.norm(bands, 2, axis=(1, 2)).max()) if np.isfinite(bands).all() else np.nan


def _unit(x: Array) -> tuple[Array, Array]:
    """Rows of length one, and their lengths, (rows, 1); a zero row stays."""
    length = np.sqrt(row_sums(x, x)[1])[:, None].astype(x.dtype)
    return np.divide(x, length, out=np.zeros_like(x), where=length != 0), length
