"""Matrix-free propagation: the joint law of the way forward and the way back, without weights and without signals.

Given what the Gram matrices of a batch say (`gram_sampling`), the columns of a layer are independent, and each can be
made again from its place in a stream. So a layer is passed a block of its columns at a time, forward once and back
once, and what is kept for each layer has the size of the batch, squared. A residual stream is kept whole, in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..description.network import Network, mixes
from ..description.signals import Signals
from ..parallel import sharing
from ..progress import Report
from ..statistics import Tally
from ..tangent_kernel import kernel_examples
from .layerwise import NetworkByColumns
from .plain import PlainByColumns
from .residual import ResidualByColumns


def propagate_by_columns(
    network: Network, signals: Signals, seed: int, tallies: list[Tally], report: Report
) -> Iterator[dict[str, Any]]:
    """Send the signals through one drawing of the network, and fill in the tallies, as `propagate_by_steps` does."""
    with sharing():
        passed = _both_ways(network, signals, seed, tallies, report)
        if not signals.backward:
            yield {}
        elif passed.kernel_here:
            yield passed.kernel_fields()
        else:
            del passed  # and a stream that it keeps
            yield kernel_alone(network, signals, seed, tallies)


def _both_ways(
    network: Network, signals: Signals, seed: int, tallies: list[Tally], report: Report, functions: int = 1
) -> NetworkByColumns:
    kind = ResidualByColumns if network.residual else PlainByColumns
    passed = kind(network, signals, seed, tallies, functions)
    for layer in range(network.depth + 1):
        passed.forward(layer)
        report()
    if signals.backward:
        passed.turn()
        for layer in reversed(range(network.depth + 1)):
            passed.backward(layer)
            report()
    return passed


def kernel_alone(network: Network, signals: Signals, seed: int, tallies: list[Tally]) -> dict[str, Any]:
    """The kernel by signals of its own: of the first examples, and where a norm mixes them, of these alone.

    Then each comes with a cotangent of its own, and all go back together. In law it is that of the network, but what
    weights it is of beyond the way forward is drawn for it alone: not together with the rest of the profile.
    """
    some = replace(network, batch=kernel_examples(network, alone=True))
    inputs = None if signals.inputs is None else signals.inputs[: some.batch]
    own = [Tally(measures=False) for _ in tallies]
    functions = some.batch if mixes(network) else 1
    passed = _both_ways(some, Signals(inputs), seed, own, lambda: None, functions)
    found = passed.kernel_fields()
    for tally, seen in zip(tallies, own, strict=True):
        tally.kernel_share = seen.kernel_share
    return found
