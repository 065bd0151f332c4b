"""The profile of a network that `fastinit.profile` made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..description.network import Network, normalisation_of
from .findings import CAUTION, Finding
from .layer_profile import LayerProfile, read_fields
from .plain_network import keywords_of, network_from_dict, network_to_dict


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
    def least_for_power(self) -> int:
        """Of how many layers a power of the layer is told; of a residual network it is to be expected."""
        return 4 if self.network.residual else 8

    def cautions(self) -> list[Finding]:
        norm, rows = normalisation_of(self.network), self.network.rows
        return [Finding(CAUTION, norm.name, None, {"rows": rows})] if norm and norm.caution(rows) else []

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
