"""Propagation step by step: through weights made whole (dense), tile by tile (tiled), or known by their products."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ..description.network import Network, mixes
from ..description.signals import Signals
from ..parallel import sharing
from ..products import gram
from ..progress import Report
from ..statistics import Tally
from ..tangent_kernel import kernel_examples, kernel_fields
from .jacobian import jacobian_fields
from .kernel_beside import KernelBeside
from .kernel_products import KernelProducts
from .layers import Builder
from .step import Step, backward, forward, learn

Array = np.ndarray[Any, Any]


def propagate_by_steps(
    network: Network, signals: Signals, seed: int, tallies: list[Tally], report: Report, method: str
) -> Iterator[dict[str, Any]]:
    """Send the signals through one drawing of the network, and fill in the tallies, one for each layer.

    Yields once for each step of gradient descent, and once after the last, what is known of the whole network; the
    tallies then hold that step's layers. `report` is called once for each layer passed.
    """
    here = signals.is_random and not mixes(network)
    kernel = partial(KernelProducts, kernel_examples(network), network.rows // network.batch) if here else lambda: None
    builder = Builder(network, seed, tallies, method, signals.sgd_steps > 0, kernel)
    layers = builder.layers()  # BLAS has all its threads for weights that are held
    with sharing():
        yield from _passed(signals, builder, layers, here, report)


def _passed(
    signals: Signals, builder: Builder, layers: list[list[Step]], here: bool, report: Report
) -> Iterator[dict[str, Any]]:
    """What is known of the whole network, the kernel among it as its signals pass, where it is to be taken `here`."""
    network, seed, tallies, steps = builder.network, builder.seed, builder.tallies, signals.sgd_steps
    inputs = signals.first(network, seed)
    for step in range(steps + 1):
        if step:
            for tally in tallies:
                tally.start()
        beside = KernelBeside(signals, builder) if signals.backward and not here else None
        x = inputs
        for number, layer in enumerate(layers):
            x = forward(layer, x)
            if beside:
                beside.forward(number)
            if not signals.backward:
                layer.clear()  # and with the steps what they keep for the way back
            report()
        whole = dict[str, Any]()
        if signals.backward:
            d = signals.last(network, seed, x)
            if beside:
                beside.turn()
            for number, layer in reversed([*enumerate(layers)]):
                d = backward(layer, d)
                if beside:
                    beside.backward(number)
                report()
            if here:
                outputs = x.reshape(network.batch, -1)[: kernel_examples(network)]
                whole = kernel_fields(network, seed, tallies, gram(outputs), signals.comparable(network, inputs))
            elif beside:
                whole = beside.fields()
            if signals.jacobian:
                for layer in layers:
                    layer.clear()
                whole |= jacobian_fields(signals, builder, report)
        yield whole
        if step < steps:
            for layer, rate in zip(layers[1:], signals.rates, strict=True):
                learn(layer, rate)


def reports_per_layer(signals: Signals) -> int:
    """How many times `report` is called for each layer."""
    return (1 + signals.backward) * (signals.sgd_steps + 1) + signals.jacobian
