"""The profile of a network that `fastinit.profile` made."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan, sqrt
from typing import Any

import numpy as np

from ..description.network import Network, normalisation_of
from .findings import CAUTION, UNITS, Finding, Judgement
from .layer_profile import LayerProfile, read_fields
from .plain_network import is_users, keywords_of, network_from_dict, network_to_dict
from .training import Evidence


class Profile(LayerProfile[Network]):
    """What happens to a signal, layer by layer.

    A mapping of field names to arrays: measured fields are (repeats, depth + 1), theory has (depth + 1,) under the same
    name after ``theory_``. Column 0 is the input; NaN is where a layer has no such thing.

    Two profiles are equal where all but the seconds that they took is.

    Attributes
    ----------
    network : Network
        What was profiled.
    method : str
        dense, tiled or matrix_free.
    seed : int
        That of the first repeat.
    steps : tuple of Profile
        Before each step of gradient descent, this profile being after the last.
    interrupted : bool
        Whether it was stopped before all repeats and layers were done.
    seconds : float
        Of the whole run.
    backward : bool
        Whether a gradient was sent back.
    """

    network: Network
    steps: tuple[Profile, ...]

    @property
    def sums(self) -> bool:
        """Whether layers add to a stream."""
        return self.network.residual

    def spread(self, first: int, last: int) -> float:
        """As of `LayerProfile`: of plain layers, where phi is linear on either side of zero, for one input.

        A layer of n units has a variance of (E phi**4 / (E phi**2)**2 - 1) / n, as in `relu_norm_law`.
        """
        network, phi = self.network, self.network.activation
        plain = network.kind == "mlp" and not (network.residual or network.norm or network.bias_std)
        known = phi.degree == 1 and not is_users(phi) and network.scheme.scheme.needs_fans  # from JSON as well
        if not (plain and known and network.scheme.is_gaussian):
            return nan
        squares = phi.function(np.array([1.0, -1.0])) ** 2
        each = 6 * float(np.sum(squares**2)) / float(np.sum(squares)) ** 2 - 1
        return sqrt(each * sum(1 / n for n in network.widths[first + 1 : last + 1]) / self.repeats)

    def cautions(self) -> list[Finding]:
        norm, rows = normalisation_of(self.network), self.network.rows
        return [Finding(CAUTION, norm.name, None, {"rows": rows})] if norm and norm.caution(rows) else []

    def _evidence(self, judgement: Judgement) -> Evidence:
        """With what is known of the outputs, on which a readout stands; of one unit any cosine is one.

        Where positions are alike, pixels of an image, what is to be said of it is not lost: of tokens it is.
        """
        cosine = float(self.mean("cosine")[-1]) if self.network.outputs >= UNITS else nan
        outputs = float(np.exp(self.mean_log("act_second_moment")[-1]))
        tokens = self.network.text and self.network.widths[-1] >= UNITS
        within = float(self.mean("position_cosine")[-1]) if tokens else nan
        scaled = self.network.norm is not None
        evidence = super()._evidence(judgement)
        return evidence._replace(outputs=outputs, cosine=cosine, position_cosine=within, scaled=scaled)

    def _columns(self) -> dict[str, Any]:
        return keywords_of(self.network) | {"sgd_steps": len(self.steps)} | super()._columns()

    def _description(self) -> dict[str, Any]:
        return network_to_dict(self.network)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Profile:
        """That of which `to_dict` gives these."""
        steps: tuple[Profile, ...] = ()
        for step in found["steps"]:
            steps = (*steps, cls._from(step, steps))
        return cls._from(found, steps)

    @classmethod
    def _from(cls, found: Mapping[str, Any], steps: tuple[Profile, ...]) -> Profile:
        fields, theory = read_fields(found)
        network = network_from_dict(found["description"])
        return cls(network, found["method"], found["seed"], fields, theory, steps, found["interrupted"],
                   found["seconds"], found["backward"])  # fmt: skip
