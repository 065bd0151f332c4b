"""The profile of a network that `fastinit.profile` made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from math import nan, sqrt
from typing import Any

import numpy as np

from ...arguments import refuse
from ..description.network import Network, mixes, normalisation_of
from .advice import Advice, Built, Trial
from .fields import read_fields
from .findings import CAUTION, UNITS, Finding, Judgement
from .layer_profile import LayerProfile, whole
from .plain_network import is_users, keywords_of, network_from_dict, network_to_dict
from .remedies import remedies
from .training import Evidence

#: Keywords that say how large a network is.
_SIZES = ("width", "depth", "widths", "channels")


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
    call : functools.partial or None
        The call of `fastinit.profile` that made it, with the seed, the inputs and the cotangent as they were taken,
        and without a client. None of a profile that was read from JSON, was interrupted, or is one of `steps`; and of
        one that was pickled where the loss is a function.
    """

    network: Network
    steps: tuple[Profile, ...]
    call: partial[Profile] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without what a loss of one's own would keep from being pickled."""
        loss = self.call and self.call.keywords["loss"]
        return super().__getstate__() | ({"call": None} if callable(loss) else {})

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

    def _built(self) -> Built:
        network = self.network
        norm = network.norm is not None, mixes(network)
        return Built(*norm, branches=network.residual, biases=network.bias_std > 0)

    def again(self, **changed: Any) -> Profile:
        """The same profiled anew, with some keywords of `fastinit.profile` changed.

        Sizes are one choice: `width`, `channels` or `widths` that are changed replace the others, and with one number
        for all layers there are as many as before.

        Raises
        ------
        ValueError
            If `call` is not known: profile the network by `fastinit.profile`.

        Examples
        --------
        >>> from fastinit.profiler import profile
        >>> p = profile(64, 10, "tanh", "lecun_normal", batch=32)
        >>> p.again(norm="layer") == profile(64, 10, "tanh", "lecun_normal", norm="layer", batch=32)
        True
        """
        if self.call is None:
            rule = "one that `fastinit.profile` gave (read from JSON, or before a step of descent, it has no inputs)"
            refuse("profile", rule, self)
        return self.call(**self._sizes_for(changed, self.call.keywords) | changed)

    def _sizes_for(self, changed: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """The sizes that a change of one of them leaves, which are given in one way."""
        wide = [name for name in ("width", "channels", "widths") if changed.get(name) is not None]
        if wide:
            each = wide == ["widths"] or np.ndim(changed[wide[0]])
            return dict.fromkeys(_SIZES) | {"depth": None if each else self.network.depth}
        if changed.get("depth") is None or given["widths"] is None:
            return {}
        if len(set(self.network.widths)) > 1:
            refuse("depth", "given with width, where the layers have widths of their own", changed["depth"])
        return dict.fromkeys(_SIZES) | {"width": self.network.widths[0]}

    def advise(self) -> Advice:
        """What keeps the network from training with SGD or with Adam, and which changes mend it.

        The first cause that can be measured is named, on the way from the weights to a step, and changes that may help
        against it are tried: the network is profiled anew with each of them in turn, all else as it was. That is up to
        seven profiles of the same size. A change mends it where the network trains then with both optimizers. Nothing
        is tried where it does already, or was not judged; without a gradient only the cause is told.

        Returns
        -------
        Advice

        Raises
        ------
        ValueError
            If something is to be mended and the network cannot be profiled `again`.

        Examples
        --------
        >>> import fastinit as fi
        >>> advice = fi.profile(128, 20, "relu", "lecun_normal", batch=32).advise()
        >>> advice.cause, str(advice.best)
        ('vanishing', "scheme='lecun_normal', gain='auto'")
        >>> fi.profile(128, 20, "relu", scheme="lecun_normal", gain="auto", batch=32).healthy
        True
        """
        found = super().advise()
        if not (found.cause and self.backward):
            return found
        return replace(found, trials=tuple(map(self._tried, remedies(found.cause, self.network, self.method))))

    def _tried(self, change: dict[str, Any]) -> Trial:
        verdict = self.again(**change).verdict
        return Trial(change, verdict.sgd, verdict.adam)

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
        return whole(cls(network, found["method"], found["seed"], fields, theory, steps, found["interrupted"],
                          found["seconds"], found["backward"]))  # fmt: skip
