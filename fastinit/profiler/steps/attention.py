"""Attention: each head's softmax of queries and keys, times values. Rows of a signal are tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..description.network import Text

Array = np.ndarray[Any, Any]

#: Attention weights held at once, unless those of one head are more: 4 MiB of float32, which a core's cache holds.
ATTENTION = 1 << 20


class Attention:
    """softmax(scale q k') v for each head; q, k and v are the thirds of the columns.

    Of the attention weights, (positions, positions) for each example and head, only those of a few heads are there at
    any time: they are made again for the way back.
    """

    def __init__(self, text: Text) -> None:
        self._text = text
        self._kept: Array | None = None

    def forward(self, x: Array) -> Array:
        q, k, v = self._kept = self._by_head(x, 3)
        result = np.empty_like(v)
        for some in self._pieces(len(v)):
            np.matmul(self._weights(q[some], k[some]), v[some], out=result[some])
        return self._by_token(result[None])

    def backward(self, d: Array) -> Array:
        assert self._kept is not None
        q, k, v = self._kept
        (d,) = self._by_head(d, 1)
        result = np.empty_like(self._kept)
        for some in self._pieces(len(v)):
            a = self._weights(q[some], k[some])
            s = _softmax_jacobian(a, d[some] @ _transposed(v[some]))
            s *= self._text.logit_scale
            np.matmul(s, k[some], out=result[0, some])
            np.matmul(_transposed(s), q[some], out=result[1, some])
            np.matmul(_transposed(a), d[some], out=result[2, some])
        return self._by_token(result)

    def tangent(self, t: Array) -> Array:
        assert self._kept is not None
        q, k, v = self._kept
        dq, dk, dv = self._by_head(t, 3)
        result = np.empty_like(v)
        for some in self._pieces(len(v)):
            a = self._weights(q[some], k[some])
            s = dq[some] @ _transposed(k[some]) + q[some] @ _transposed(dk[some])
            s *= self._text.logit_scale
            np.matmul(_softmax_jacobian(a, s), v[some], out=result[some])
            result[some] += a @ dv[some]
        return self._by_token(result[None])

    def _weights(self, q: Array, k: Array) -> Array:
        """(heads, positions, positions): how much each token takes of each; zero of those after it if causal."""
        s = q @ _transposed(k)
        s *= self._text.logit_scale
        if self._text.causal:
            np.copyto(s, -np.inf, where=~np.tri(s.shape[1], dtype=bool))
        s -= s.max(axis=2, keepdims=True)
        np.exp(s, out=s)
        s /= s.sum(axis=2, keepdims=True)
        return s

    def _pieces(self, heads: int) -> Iterator[slice]:
        count = max(1, ATTENTION // self._text.positions**2)
        return (slice(start, start + count) for start in range(0, heads, count))

    def _by_head(self, x: Array, parts: int) -> Array:
        """From (rows, parts * units) to (parts, examples * heads, positions, units of a head)."""
        split = x.reshape(-1, self._text.positions, parts, self._text.heads, x.shape[1] // parts // self._text.heads)
        return split.transpose(2, 0, 3, 1, 4).reshape(parts, -1, self._text.positions, split.shape[4])

    def _by_token(self, x: Array) -> Array:
        """Back to (rows, parts * units)."""
        split = x.reshape(len(x), -1, self._text.heads, *x.shape[2:])
        return split.transpose(1, 3, 0, 2, 4).reshape(split.shape[1] * x.shape[2], -1)


def _transposed(x: Array) -> Array:
    return np.swapaxes(x, 1, 2)


def _softmax_jacobian(a: Array, t: Array) -> Array:
    """Of a = softmax(s), da/ds times t, row by row; it is symmetric."""
    return a * (t - (a * t).sum(axis=2, keepdims=True))
