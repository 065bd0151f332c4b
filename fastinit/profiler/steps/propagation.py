"""Propagation step by step: through weights made whole (dense), tile by tile (tiled), or known by their products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..description.network import Network, mixes
from ..description.signals import Signals, random_cotangent
from ..products import gram
from ..progress import Report
from ..statistics import NETWORK_FIELDS, Tally
from ..tangent_kernel import SOME, kernel_examples, kernel_fields
from .jacobian import jacobian_largest, jacobian_moments
from .kernel_products import KernelProducts
from .layers import Builder
from .step import backward, backward_each, forward, learn

Array = np.ndarray[Any, Any]


def propagate_by_steps(
    network: Network, signals: Signals, seed: int, tallies: list[Tally], report: Report, method: str
) -> Iterator[dict[str, Any]]:
    """Send the signals through one drawing of the network, and fill in the tallies, one for each layer.

    Yields once for each step of gradient descent, and once after the last, what is known of the whole network; the
    tallies then hold that step's layers. `report` is called once for each layer passed.
    """
    steps = signals.sgd_steps
    here = signals.is_random and not mixes(network)
    kernel = partial(KernelProducts, kernel_examples(network), network.rows // network.batch) if here else lambda: None
    layers = Builder(network, seed, tallies, method, steps > 0, kernel).layers()
    inputs = signals.first(network, seed)
    for step in range(steps + 1):
        if step:
            for tally in tallies:
                tally.start()
        x = inputs
        for layer in layers:
            x = forward(layer, x)
            if not signals.backward:
                layer.clear()  # and with the steps what they keep for the way back
            report()
        whole = dict[str, Any]()
        if signals.backward:
            d = signals.last(network, seed, x)
            for layer in reversed(layers):
                d = backward(layer, d)
                report()
            if here:
                outputs = _examples(network, x)[: kernel_examples(network)]
                whole = kernel_fields(network, seed, tallies, gram(outputs), _examples(network, inputs))
            elif not steps:
                whole = kernel_alone(network, signals, seed, tallies, method)
            if signals.jacobian:
                moments = jacobian_moments(layers, d, x.size, report)
                for layer in layers:
                    layer.clear()
                largest = jacobian_largest(network, signals, seed, method)
                whole |= dict(zip(NETWORK_FIELDS, (*moments, largest), strict=True))
        yield whole
        if step < steps:
            for layer, rate in zip(layers[1:], signals.rates, strict=True):
                learn(layer, rate)


def kernel_alone(network: Network, signals: Signals, seed: int, tallies: list[Tally], method: str) -> dict[str, Any]:
    """The kernel by signals of its own: of the first examples, and where a norm mixes them, of these alone.

    Then each comes with a cotangent of its own. All go back together, so that a matrix is made once.
    """
    some, several = replace(network, batch=min(network.batch, SOME)), mixes(network)
    own = [Tally() for _ in tallies]
    kernel = partial(KernelProducts, some.batch, network.rows // network.batch)
    layers = Builder(some, seed, own, method, kernel=kernel).layers()
    inputs = x = signals.first(network, seed)[: some.rows]
    for layer in layers:
        x = forward(layer, x)
    d = random_cotangent(some.batch, some.outputs, seed, some.dtype)
    if several:
        alone = np.eye(some.batch, dtype=d.dtype)[:, :, None] * d
        back: Sequence[Array] = [one.reshape(x.shape) for one in alone]
        for layer in reversed(layers):
            back = backward_each(layer, back)
    else:
        d = d.reshape(x.shape)
        for layer in reversed(layers):
            d = backward(layer, d)
    found = kernel_fields(some, seed, own, gram(_examples(some, x)), _examples(some, inputs))
    for tally, seen in zip(tallies, own, strict=True):
        tally.kernel_share = seen.kernel_share
    return found


def _examples(network: Network, x: Array) -> Array:
    return x.reshape(network.batch, -1)


def reports_per_layer(signals: Signals) -> int:
    """How many times `report` is called for each layer."""
    return (1 + signals.backward) * (signals.sgd_steps + 1) + signals.jacobian
