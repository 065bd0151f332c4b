"""Matrix-free propagation: the joint law of the way forward and the way back, without weights and without signals.

Given what the Gram matrices of a batch say (`gram_sampling`), the columns of a layer are independent, and each can be
made again from its place in a stream. So a layer is passed a block of its columns at a time, forward once and back
once, and what is kept for each layer has the size of the batch, squared. A residual stream is kept whole, in float64.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..description.network import Network
from ..description.signals import Signals
from ..progress import Report
from ..statistics import Tally
from .plain import PlainByColumns
from .residual import ResidualByColumns


def propagate_by_columns(
    network: Network, signals: Signals, seed: int, tallies: list[Tally], report: Report
) -> Iterator[dict[str, float]]:
    """Send the signals through one drawing of the network, and fill in the tallies, as `propagate_by_steps` does."""
    passed = (ResidualByColumns if network.residual else PlainByColumns)(network, signals, seed, tallies)
    for layer in range(network.depth + 1):
        passed.forward(layer)
        report()
    if signals.backward:
        passed.turn()
        for layer in reversed(range(network.depth + 1)):
            passed.backward(layer)
            report()
    yield passed.kernel_fields() if signals.backward else {}
