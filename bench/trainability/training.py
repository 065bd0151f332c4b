"""Training: what becomes of a network with SGD and with Adam, at several rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log
from typing import Any

import numpy as np
import torch

from fastinit.profiler.description.network import Network

from .data import CLASSES
from .model import Parameters, Tensor, read_out

STEPS, BATCH = 200, 64
#: The loss is the mean over so many last steps, and that of a network which trains is below this share of log K.
LAST, SHARE = 20, 0.7
TRAINS = SHARE * log(CLASSES)
RATES = {"sgd": (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0), "adam": (1e-4, 1e-3, 1e-2)}


def losses(network: Network, parameters: Parameters, x: Tensor, classes: Tensor, name: str) -> dict[str, Any]:
    """The first loss, and the last for each rate: None where it was not finite at any step.

    All rates are trained at once, with an axis of their own before the others; `x` is (examples, positions, units).
    """
    rates = torch.tensor(RATES[name])
    alive = torch.arange(len(rates))
    values = {key: one.expand(len(rates), *one.shape).clone() for key, one in parameters.items()}
    state = {key: [torch.zeros_like(one), torch.zeros_like(one)] for key, one in values.items()}
    seen = torch.full((STEPS, len(rates)), torch.nan)
    for step, batch in enumerate(_batches(len(x))):
        for one in values.values():
            one.requires_grad_()
        logits = read_out(network, values, x[batch].flatten(0, 1))
        each = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), classes[batch].repeat(len(alive)), reduction="none"
        )
        loss = each.view(len(alive), -1).mean(1)
        gradients = torch.autograd.grad(loss.sum(), list(values.values()))
        seen[step, alive] = loss.detach()
        values = {key: one.detach() for key, one in values.items()}
        kept = loss.detach().isfinite()
        for key, gradient in zip(list(values), gradients, strict=True):
            _OPTIMISERS[name](values[key], gradient, state[key], rates[alive].view(-1, 1, 1), step + 1)
        if not kept.all():
            alive = alive[kept]
            values = {key: one[kept] for key, one in values.items()}
            state = {key: [one[kept] for one in several] for key, several in state.items()}
        if not len(alive):
            break
    last = seen[-LAST:].mean(0).tolist()
    finite = {f"{rate:g}": loss if np.isfinite(loss) else None for rate, loss in zip(RATES[name], last, strict=True)}
    return {"first": seen[0, 0].item(), "last": finite}


def _batches(count: int) -> Iterator[Tensor]:
    """Which examples each step sees: the same for all networks, each once before any is twice."""
    rng = np.random.default_rng(1)
    each = count // BATCH
    for step in range(STEPS):
        if step % each == 0:
            order = torch.from_numpy(rng.permutation(count))
        yield order[step % each * BATCH :][:BATCH]


def _sgd(values: Tensor, gradient: Tensor, state: list[Tensor], rates: Tensor, step: int) -> None:
    """With momentum 0.9."""
    state[0].mul_(0.9).add_(gradient)
    values.addcmul_(state[0], rates, value=-1)


def _adam(values: Tensor, gradient: Tensor, state: list[Tensor], rates: Tensor, step: int) -> None:
    """With decays of 0.9 and 0.999, and eps 1e-8."""
    state[0].lerp_(gradient, 0.1)
    state[1].mul_(0.999).addcmul_(gradient, gradient, value=0.001)
    size = (state[1] / (1 - 0.999**step)).sqrt_().add_(1e-8)
    values.addcdiv_(state[0] * rates, size, value=-1 / (1 - 0.9**step))


_OPTIMISERS: dict[str, Callable[..., None]] = {"sgd": _sgd, "adam": _adam}
