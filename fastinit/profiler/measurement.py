"""Measurement: `profile` sends signals through networks and returns what it saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from ..arguments import integer
from ..machine import threads_for
from ..stream import SEED_BITS, seed_number
from .network import Network, Signals, method_for, network_from, signals_from
from .propagation import passes, propagate
from .result import Profile
from .statistics import FIELDS, Tally

Array = np.ndarray[Any, Any]


def profile(
    width: Any = 1024,
    depth: int = 50,
    activation: Any = "relu",
    scheme: Any = None,
    *,
    gain: Any = None,
    widths: Iterable[int] | None = None,
    norm: str | None = None,
    norm_position: str = "pre_act",
    norm_eps: float = 1e-5,
    residual: bool = False,
    branch_scale: float = 1.0,
    bias_std: float = 0.0,
    kind: str = "mlp",
    channels: Any = None,
    kernel_size: int = 3,
    image_size: int = 16,
    padding: str = "zero",
    batch: int = 256,
    inputs: Any = None,
    cotangent: Any = "random_sign",
    loss: Any = None,
    backward: bool = True,
    jacobian: bool = False,
    sgd_steps: int = 0,
    lr: Any = 0.1,
    seed: Any = 0,
    repeats: int = 1,
    method: str = "auto",
    dtype: Any = "float32",
    threads: int | None = None,
    progress: bool | None = None,
) -> Profile:
    """Placeholder."""
    network = network_from(
        kind=kind, width=width, depth=depth, widths=widths, channels=channels, activation=activation, scheme=scheme,
        gain=gain, norm=norm, norm_position=norm_position, norm_eps=norm_eps, residual=residual,
        branch_scale=branch_scale, bias_std=bias_std, kernel_size=kernel_size, image_size=image_size, padding=padding,
        batch=batch if inputs is None else len(inputs), dtype=dtype,
    )  # fmt: skip
    signals = signals_from(
        network, inputs=inputs, cotangent=cotangent, loss=loss, backward=backward, jacobian=jacobian,
        sgd_steps=sgd_steps, lr=lr,
    )  # fmt: skip
    method = method_for(network, signals, method)
    return measured(network, signals, method, seed_number(seed), integer("repeats", repeats, 1), progress)


def measured(
    network: Network, signals: Signals, method: str, seed: int, repeats: int, progress: bool | None
) -> Profile:
    """The profile of so many drawings; what is done when the user interrupts is kept."""
    start = perf_counter()
    runs = Runs(network, signals, method, seed)
    try:
        for repeat in range(repeats):
            runs.add(repeat)
    except KeyboardInterrupt:
        runs.interrupted = True
    return runs.profile(perf_counter() - start)


class Runs:
    """Rows of fields: of each step of gradient descent, and in it of each repeat."""

    def __init__(self, network: Network, signals: Signals, method: str, seed: int) -> None:
        self._network, self._signals, self._method, self._seed = network, signals, method, seed
        self._rows: list[list[dict[str, Array]]] = [[] for _ in range(signals.sgd_steps + 1)]
        self.interrupted = False

    def add(self, repeat: int) -> None:
        """Draw one more network and follow its signals."""
        tallies = [Tally() for _ in range(self._network.depth + 1)]
        step = 0
        try:
            for step, whole in enumerate(self._propagate(repeat, tallies)):
                self._rows[step].append(_row(tallies) | whole)
        except KeyboardInterrupt:
            ...
            raise

    def _propagate(self, repeat: int, tallies: list[Tally]) -> Iterator[dict[str, float]]:
        seed = (self._seed + repeat) % (1 << SEED_BITS)
        return propagate(self._network, self._signals, seed, tallies, lambda: None, tiled=self._method == "tiled")

    def profile(self, seconds: float) -> Profile:
        profiles: list[Profile] = []
        for rows in self._rows:
            fields = {name: np.array([row[name] for row in rows]) for name in rows[0]}
            profiles.append(Profile(self._network, self._method, self._seed, fields, {}, tuple(profiles),
                                    self.interrupted, seconds))  # fmt: skip
        return profiles[-1]


def _row(tallies: list[Tally]) -> dict[str, Array]:
    rows = [tally.row() for tally in tallies]
    return {name: np.array([row[name] for row in rows]) for name in FIELDS}
