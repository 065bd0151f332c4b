"""Remedies: the keywords of `fastinit.profile` that may mend what keeps a network from training."""

from __future__ import annotations

from collections.abc import Callable
from math import isclose, sqrt
from typing import Any

from ...scaling import gain
from ...theory import edge_of_chaos
from ..description.initialisation import initialisation_from
from ..description.network import Network
from ..norms import NORMS, ROWS

Change = dict[str, Any]

#: Widest layers whose orthogonal weights are made for a trial: that takes a time with the cube of the width.
_WIDEST = 1024
#: Where else a norm may stand.
_OTHER_PLACE = {"pre_act": "post_act", "post_act": "pre_act", "pre": "post", "post": "pre"}


def remedies(cause: str, network: Network, method: str) -> list[Change]:
    """What is worth a trial, the likeliest first: it leaves all else of the network, and changes something."""
    found = [change for remedy in _ORDER[cause] if (change := remedy(network))]
    dense = method == "dense" and max(network.widths) <= _WIDEST
    return [change for change in found if dense or change.get("scheme") != "orthogonal"]


def _own_gain(network: Network) -> Change:
    """Normal weights that keep the second moment of the pre-activations."""
    return _drawn(network, "lecun_normal", _gain_of(network)) and {"scheme": "lecun_normal", "gain": "auto"}


def _orthogonal(network: Network) -> Change:
    """Weights that keep every length, with that gain."""
    return _drawn(network, "orthogonal", _gain_of(network))


def _critical(network: Network) -> Change:
    """Normal weights at which gradients neither grow nor vanish."""
    return _drawn(network, "lecun_normal", _critical_gain(network))


def _critical_orthogonal(network: Network) -> Change:
    """Orthogonal ones."""
    return _drawn(network, "orthogonal", _critical_gain(network))


def _drawn(network: Network, scheme: str, scale: float | None) -> Change:
    """Weights of that scheme and scale, unless they are drawn so already; nothing where there is no scale."""
    if scale is None or _is_drawn_so(network, scheme, scale):
        return {}
    return {"scheme": scheme, "gain": _short(scale)}


def _gain_of(network: Network) -> float | None:
    """The activation's own gain; None of a function whose second moment is zero or not finite."""
    try:
        return gain(network.activation)
    except ValueError:
        return None


def _critical_gain(network: Network) -> float | None:
    """That of the edge of chaos with these biases, which is of plain layers; None where there is none."""
    if network.norm or network.residual:
        return None
    try:
        return sqrt(edge_of_chaos(network.activation, bias_variance=network.bias_std**2).weight_variance)
    except ValueError:
        return None


def _is_drawn_so(network: Network, scheme: str, scale: float) -> bool:
    """Whether weights of that variance are, and whether orthogonal where the scheme is."""
    own, other = network.scheme, initialisation_from(scheme, scale)
    shapes = {shape for layer in range(network.depth) for shape in network.matrices(layer + 1).values()}
    pairs = ((own.variance(shape), other.variance(shape)) for shape in shapes)
    alike = all(mine is not None and its is not None and isclose(mine, its, rel_tol=1e-3) for mine, its in pairs)
    return alike and own.is_haar == other.is_haar


def _without_biases(network: Network) -> Change:
    """Nothing that all examples get alike."""
    return {"bias_std": 0.0} if network.bias_std else {}


def _norm_of_rows(network: Network) -> Change:
    """A norm that takes out what all examples share."""
    norm = NORMS["batch"]
    few = network.kind not in norm.kinds or network.rows < norm.least_rows or norm.caution(network.rows)
    return {} if few or network.norm == norm.name else {"norm": norm.name}


def _norm_of_units(network: Network) -> Change:
    """A norm that keeps the size of each signal."""
    return {} if network.norm and NORMS[network.norm].axis != ROWS else {"norm": "layer"}


def _norm_elsewhere(network: Network) -> Change:
    """The norm on the other side of the activation, or of the sum."""
    return {"norm_position": _OTHER_PLACE[network.norm_position]} if network.norm else {}


def _small_branches(network: Network) -> Change:
    """Branches whose sum is as large as the stream: each scaled by 1 over the root of their number."""
    scale = _branch_scale(network)
    return {"branch_scale": scale} if network.residual and not 0 < abs(network.branch_scale) <= scale else {}


def _residual(network: Network) -> Change:
    """A stream that such branches add to."""
    equal = len(set(network.widths)) == 1
    return {"residual": True, "branch_scale": _branch_scale(network)} if equal and not network.residual else {}


def _branch_scale(network: Network) -> float:
    return _short(1 / sqrt(network.depth * (2 if network.text else 1)))


def _short(value: float) -> float:
    """As it is typed."""
    return float(f"{value:.4g}")


#: Against each cause, the likeliest first.
_ORDER: dict[str, tuple[Callable[[Network], Change], ...]] = {
    "symmetric": (_own_gain, _orthogonal),
    "dead": (_small_branches, _own_gain, _orthogonal, _norm_of_units, _residual),
    "not finite": (_small_branches, _own_gain, _orthogonal, _norm_of_units, _residual),
    "vanishing": (_own_gain, _orthogonal, _norm_of_units, _residual),
    "exploding": (_small_branches, _own_gain, _orthogonal, _norm_of_units, _residual),
    "alike": (
        *(_own_gain, _critical, _critical_orthogonal, _without_biases),
        *(_norm_of_rows, _norm_elsewhere, _residual, _small_branches),
    ),
    "gradient exploding": (
        *(_small_branches, _critical, _critical_orthogonal, _residual),
        *(_norm_elsewhere, _norm_of_units),
    ),
}
