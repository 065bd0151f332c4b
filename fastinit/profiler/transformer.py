"""Transformer: the steps of a block of attention and MLP. Rows of a signal are tokens, example after example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..distributions import normal
from .network import ATTENTION, Network, Text
from .statistics import Tally
from .steps import Activate, Normalise, Preactivation, Residual, Step, backward, forward, tangent

Array = np.ndarray[Any, Any]

#: The steps ``x W (+ b)`` of a matrix of the block: of its part, such as "query", and a factor of its weights.
Linear = Callable[[str, float], list[Step]]


def block(network: Network, tally: Tally, linear: Linear) -> list[Step]:
    """Attention and MLP, each in a residual branch whose norm is at its beginning ("pre") or after the sum ("post").

    h, where the pre-activation is read, is that of the MLP; of a gated one, that of the gate.
    """
    text = network.text
    assert text is not None
    parts = [linear(part, 1.0) for part in ("query", "key", "value")]
    attention = [Parallel(parts), Attention(text), *linear("output", text.residual_gain)]
    hidden = [Preactivation(tally), Activate(network.activation, tally, network.batch)]
    mlp: list[Step] = [*linear("up", 1.0), *hidden]
    if text.gated:
        mlp = [Parallel([[*linear("gate", 1.0), *hidden], linear("up", 1.0)]), Multiply()]
    mlp += linear("down", text.residual_gain)
    return [*_sum(network, text, attention), *_sum(network, text, mlp)]


def _sum(network: Network, text: Text, branch: list[Step]) -> list[Step]:
    """``stream_scale x + branch_scale f(norm(x))``, or the norm of ``stream_scale x + branch_scale f(x)``."""
    norm: list[Step] = [Normalise(network.norm, network.norm_eps)] if network.norm else []
    if network.norm_position == "pre":
        return [Residual([*norm, *branch], network.branch_scale, text.stream_scale)]
    return [Residual(branch, network.branch_scale, text.stream_scale), *norm]


class Embed:
    """From tokens, (rows, 1), to rows of the embedding, plus one for each position. Both are drawn, neither learns."""

    def __init__(self, network: Network, seed: int) -> None:
        self._network, self._seed = network, seed

    def forward(self, x: Array) -> Array:
        text = self._network.text
        assert text is not None
        tokens, which = np.unique(x, return_inverse=True)
        stream = self._drawn("embedding.token", text.vocabulary, tokens.tolist())[which.reshape(-1)]
        if text.positional:
            each = self._drawn("embedding.position", text.positions, range(text.positions))
            stream.reshape(-1, *each.shape)[:] += each
        return stream

    def _drawn(self, name: str, count: int, some: Sequence[int]) -> Array:
        """Some rows of a table that is never made whole."""
        text, width = self._network.text, self._network.widths[0]
        assert text is not None
        rows = normal((count, width), 0.0, text.embedding_std, seed=self._seed, name=name, dtype=self._network.dtype,
                      index=list(some))  # fmt: skip
        return np.stack(rows)

    def backward(self, d: Array) -> Array:
        """The gradient at the embedded tokens: there is none at the tokens."""
        return d

    def tangent(self, t: Array) -> Array:
        return t


class Parallel:
    """What several sequences of steps make of the same signal, side by side: (rows, sum of their units)."""

    def __init__(self, branches: Sequence[Sequence[Step]]) -> None:
        self._branches = branches
        self.branch = [step for branch in branches for step in branch]
        self._ends: Array | None = None

    def forward(self, x: Array) -> Array:
        results = [forward(branch, x) for branch in self._branches]
        self._ends = np.cumsum([result.shape[1] for result in results])[:-1]
        return np.concatenate(results, axis=1)

    def backward(self, d: Array) -> Array:
        assert self._ends is not None
        parts = np.split(d, self._ends, axis=1)
        total, *others = (backward(branch, part) for branch, part in zip(self._branches, parts, strict=True))
        for other in others:
            total = total + other
        return total

    def tangent(self, t: Array) -> Array:
        return np.concatenate([tangent(branch, t) for branch in self._branches], axis=1)


class Multiply:
    """The product of the first half of the columns with the second."""

    def __init__(self) -> None:
        self._halves: list[Array] = []

    def forward(self, x: Array) -> Array:
        self._halves = one, other = np.split(x, 2, axis=1)
        return one * other

    def backward(self, d: Array) -> Array:
        one, other = self._halves
        return np.concatenate([d * other, d * one], axis=1)

    def tangent(self, t: Array) -> Array:
        one, other = self._halves
        first, second = np.split(t, 2, axis=1)
        return first * other + one * second


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
