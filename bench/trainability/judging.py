"""Judging: what the profiler and others say of a network before it is trained. Nothing here is trained."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from .networks import Case
from .training import TRAINS

OPTIMISERS = ("sgd", "adam")
#: Of a network whose kernel torch has: what the ratios of its largest eigenvalue to the mean and to the median may be,
#: and the second moment of the outputs.
BOUNDS = {"sgd": (500.0, 1e6, 1e5), "adam": (inf, 1e13, 1e9)}
#: The gradient norms' rule: orders of magnitude between the first and the last layer. That of LSUV: standard deviations
#: of the layers. The cosine from which on examples are called alike.
ORDERS, DEVIATIONS, ALIKE = 3.0, (0.5, 2.0), 0.98

Judged = dict[str, Any]


def judgement(case: Case) -> Judged:
    """The numbers of a network's profile that rules are made of."""
    p = case.profile()
    norms, verdict = p["weight_grad_norm"][0, 1:], p.verdict
    answers = {"sgd": verdict.sgd, "adam": verdict.adam}
    with np.errstate(all="ignore"):
        orders = float(np.log10(norms[0] / norms[-1]))
    return {
        "network": str(p.network),
        "verdict": verdict.kind,
        "trains": {name: one.grade for name, one in answers.items()},
        "reasons": {name: one.reason for name, one in answers.items()},
        "profile's kernel": p.kernels[0]._asdict(),
        "cosine": float(p["cosine"][0, -1]),
        "gradient change": verdict.backward.change if verdict.backward else None,
        "gradient orders": orders,
        "deviations": [float(f(p["act_variance"][0, 1:]) ** 0.5) for f in (np.min, np.max)],
        "second moment": float(p["act_second_moment"][0, -1]),
    }


def trained(network: Judged, optimiser: str) -> bool:
    """Whether it trains at some rate."""
    return best(network, optimiser) < TRAINS


def best(network: Judged, optimiser: str) -> float:
    """The least of the last losses."""
    return min((loss for loss in network["training"][optimiser]["last"].values() if loss is not None), default=inf)


def ratios(network: Judged) -> tuple[float, float]:
    """Largest eigenvalue of torch's kernel over the mean, and over the median, of the centred one."""
    kernel = network["kernel"]
    if kernel is None:
        return inf, inf
    return tuple(kernel["largest"] / one if one > 0 else inf for one in (kernel["mean"], kernel["median"]))


def _by_kernel(network: Judged, optimiser: str) -> bool:
    if network["verdict"] in ("dead", "symmetric", "not finite"):
        return False
    numbers = (*ratios(network), network["second moment"])
    return all(number <= bound for number, bound in zip(numbers, BOUNDS[optimiser], strict=True))


def _by_deviations(network: Judged, _: str) -> bool:
    low, high = network["deviations"]
    return DEVIATIONS[0] <= low <= high <= DEVIATIONS[1]


#: Rules by name: what each makes of a network and an optimiser; the first has a word of its own, "slowly" being a yes.
RULES: dict[str, Callable[[Judged, str], bool]] = {
    "verdict": lambda network, optimiser: network["trains"][optimiser] in ("yes", "slowly"),
    "kernel in torch": _by_kernel,
    "signal alone": lambda network, _: network["verdict"] == "stable",
    "cosine": lambda network, _: network["cosine"] < ALIKE,
    "gradient norms": lambda network, _: abs(network["gradient orders"]) < ORDERS,
    "LSUV": _by_deviations,
}
