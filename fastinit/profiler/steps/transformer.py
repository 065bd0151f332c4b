"""Transformer: the steps of a block of attention and MLP. Rows of a signal are tokens, example after example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...schemes.distributions import normal
from ..description.network import Network, Text, normalisation_of
from .attention import Attention
from .branches import Multiply, ResidualSum, SideBySide
from .step import Step
from .units import Normalise

Array = np.ndarray[Any, Any]

#: The steps ``x W (+ b)`` of a matrix of the block: of its part, such as "query", and a factor of its weights.
Linear = Callable[[str, float], list[Step]]


def block(network: Network, hidden: list[Step], linear: Linear) -> list[Step]:
    """Attention and MLP, each in a residual branch whose norm is at its beginning ("pre") or after the sum ("post").

    `hidden` are the units of the MLP; of a gated one, those of the gate.
    """
    text = network.text
    assert text is not None
    parts = [linear(part, 1.0) for part in ("query", "key", "value")]
    attention: list[Step] = [SideBySide(parts), Attention(text), *linear("output", text.residual_gain)]
    mlp: list[Step] = [*linear("up", 1.0), *hidden]
    if text.gated:
        mlp = [SideBySide([[*linear("gate", 1.0), *hidden], linear("up", 1.0)]), Multiply()]
    mlp += linear("down", text.residual_gain)
    return [*_sum(network, text, attention), *_sum(network, text, mlp)]


def _sum(network: Network, text: Text, branch: list[Step]) -> list[Step]:
    """``stream_scale x + branch_scale f(norm(x))``, or the norm of ``stream_scale x + branch_scale f(x)``."""
    norm: list[Step] = [Normalise(known, network.norm_eps)] if (known := normalisation_of(network)) else []
    if network.norm_position == "pre":
        return [ResidualSum([*norm, *branch], network.branch_scale, text.stream_scale)]
    return [ResidualSum(branch, network.branch_scale, text.stream_scale), *norm]


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
