"""The profile of a model: rows of modules, the roles they have, and the verdict on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any, ClassVar

import numpy as np

from ...profiler.result.advice import Built
from ...profiler.result.comparison import Comparison
from ...profiler.result.fields import read_fields
from ...profiler.result.findings import CAUTION, Bounds, Finding, Judgement
from ...profiler.result.layer_profile import LayerProfile, whole
from ...profiler.result.training import Evidence
from ...profiler.result.verdict import Verdict
from ...profiler.result.words import Naming
from .model import Model, Modules, Row
from .verdicts import COURSE, judged_model

Array = np.ndarray[Any, Any]


class ModelProfile(LayerProfile[Model]):
    """What happens to a signal, module by module, in the order in which they first return.

    A mapping of field names to arrays (1, modules), NaN where a module has no such thing; (1,) of what is known of all
    of the model; (modules,) of theory.

    Attributes
    ----------
    network : Model
        Its `names` are those of the modules.
    seed : int
        Of the random signs that were sent back.
    seconds : float
        Of the pass.
    backward : bool
        Whether a gradient was sent back.
    """

    network: Model
    notation: ClassVar[str] = "modules are called by their names in the model, where # stands for any number"

    def __init__(self, network: Model, seed: int, fields: Mapping[str, Array], theory: Mapping[str, Array],
                 seconds: float = 0.0, backward: bool | None = None) -> None:  # fmt: skip
        super().__init__(network, "torch", seed, fields, theory, seconds=seconds, backward=backward)

    @property
    def sums(self) -> bool:
        """Whether branches add to a stream."""
        return self.network.branches

    def only(self, rows: Sequence[int]) -> ModelProfile:
        """Some of the rows, as a profile."""
        model = replace(self.network, modules=tuple(self.network.modules[row] for row in rows))
        found = self._fields.items()
        fields = {name: values[:, list(rows)] if self._by_layer(name) else values for name, values in found}
        theory = {name: values[list(rows)] for name, values in self._expected.items()}
        return ModelProfile(model, self.seed, fields, theory, self.seconds, self.backward)

    def without_gradient(self) -> ModelProfile:
        """The same, as if none had been sent."""
        backward = {name for name in self if "grad" in name or name.startswith("kernel")}
        fields = {name: values * (np.nan if name in backward else 1) for name, values in self._fields.items()}
        return ModelProfile(self.network, self.seed, fields, self._expected, self.seconds, False)

    @property
    def _expected(self) -> dict[str, Array]:
        """What theory has, by the names of fields."""
        return {name.removeprefix("theory_"): values for name, values in self._theory.items()}

    @property
    def roles(self) -> Comparison:
        """Profiles of modules that do the same in layer after layer: of one class, and one name but for numbers.

        Only between these are second moments to be compared. Modules that the signal or the gradient goes around, as
        around a branch that begins at zero, are left out.
        """
        return Comparison({role: self.only(rows) for role, rows in self._roles().items()})

    def _roles(self, least: int = COURSE) -> dict[str, list[int]]:
        """The rows of each role that has so many."""
        found: dict[tuple[str, ...], list[int]] = {}
        for row in self._passed():
            found.setdefault(self.network.modules[row].role, []).append(row)
        found = {role: rows for role, rows in found.items() if len(rows) >= least}
        words = zip(*(path[:-2] for path in found), strict=False)
        shared = sum(1 for _ in takewhile(lambda word: len(set(word)) == 1, words))
        return {f"{'.'.join(path[shared:])} ({kind})": rows for (*path, kind), rows in found.items()}

    def sections(self, most: int) -> list[list[int]]:
        """As of `LayerProfile`; of a model that has more modules the input, some of each role, and the last one."""
        roles = [*self._roles().values()][: most // 2]
        last = self.network.depth
        if last < most + 2 or not roles:
            return super().sections(most)
        some = [_evenly(rows, most // len(roles)) for rows in roles]
        return [[0], *some, *([] if any(last in rows for rows in some) else [[last]])]

    def _passed(self) -> list[int]:
        forward, backward = (self[name][0] for name in ("act_second_moment", "grad_act_second_moment"))
        around = (forward == 0) & _any_after(forward != 0)
        if self.backward:
            around |= (backward == 0) & np.logical_or.accumulate(backward != 0)
            around |= [not row.traced for row in self.network.modules]
            around |= [not row.kind for row in self.network.modules] & (backward == 0)  # an input needs no gradient
        around |= [row.parting or not row.elements for row in self.network.modules]
        return [int(row) for row in np.flatnonzero(~around)]

    def _start(self) -> int | None:
        """The module whose weights are zero, so that no gradient passes, and get a gradient: one step, and it does."""
        weights, learns, backward, cosine = (
            self[name][0] for name in ("weight_norm", "weight_grad_norm", "grad_act_second_moment", "cosine")
        )
        starts = np.flatnonzero((weights == 0) & (learns > 0))
        if not len(starts) or np.nan_to_num(backward[: starts[0]]).any():
            return None
        alike = np.isnan(cosine) | [row.same for row in self.network.modules]  # no row is told from another behind it
        return int(starts[0]) if alike[starts[0] :].all() else None

    @property
    def verdict(self) -> Verdict:
        """What the numbers mean: the worst that is found.

        Any module may be dead, symmetric, not finite, or out of the range of the weights' dtype; weights that are zero
        and get no gradient, an activation that is zero in its branch, and rows that all come out the same are dead too.
        How fast signal and gradient change is told only of roles that have three modules which all of the gradient
        passes, with no branch around them, blocks before what is within them, without the output layer: between unlike
        modules, and within branches, it says nothing. Where nothing was compared it is unknown, and so is
        what is stable where no parameter takes a gradient, or the examples are nearly alike where they come in.
        Gradients are compared only between outputs of one size, which no pool has changed; in models with norms,
        signals are too. A signal that changes while its gradient does not is a sum, of blocks or biases, and not held
        against a model. A last layer that begins at zero is not dead: it learns, and the others from the second step
        on.
        """
        return self.judge()

    def _judgement(self, forward: Bounds, backward: Bounds) -> Judgement:
        start = self._start()
        if start:
            found = self.only(range(start)).without_gradient()._judgement(forward, backward)
            return replace(found, findings=(*found.findings, Finding(CAUTION, "weight_norm", start)))
        return judged_model(self, self._passed(), self._roles(), forward, backward)

    def _evidence(self, judgement: Judgement) -> Evidence:
        """With what is known of tokens at the outputs; the head stands on what it is given, and may begin at zero."""
        within, given = (float(self[name][0]) for name in ("output_position_cosine", "head_second_moment"))
        evidence = super()._evidence(judgement)._replace(position_cosine=within, outputs=given)
        return evidence._replace(whose="head's inputs'", scaled=self.network.normalises)

    def _built(self) -> Built:
        """Ways around are seen by the gradient."""
        model = self.network
        branches = model.branches if self.backward else None
        return Built(model.normalises, model.batch_norm, branches, model.biases, model.own_gain)

    def _naming(self) -> Naming:
        return Modules(self.network.modules)

    @property
    def parts(self) -> Mapping[str, list[int]]:
        """The rows of each role that comes again, if only in two blocks; between others no line says anything."""
        return self._roles(2)

    def _columns(self) -> dict[str, Any]:
        """What was profiled and how: a value, or an array with one for each module."""
        model = self.network
        return {
            "module": np.array(model.names, object),
            "kind": np.array([row.kind for row in model.modules], object),
            "width": np.array(model.widths),
            "model": model.name,
            "parameters": model.parameters,
            "batch": model.rows,
            "dtype": np.dtype(model.dtype).name,
        } | super()._columns()

    def to_dict(self) -> dict[str, Any]:
        """All of it as dictionaries, lists, strings and numbers; "modules" are their names."""
        return super().to_dict() | {"modules": list(self.network.names)}

    def _description(self) -> dict[str, Any]:
        model = self.network
        told = (
            *("name", "parameters", "rows", "normalises", "branches", "output", "learns"),
            *("batch_norm", "biases", "own_gain"),
        )
        about = {name: getattr(model, name) for name in told}
        return about | {"dtype": np.dtype(model.dtype).name, "modules": [row._asdict() for row in model.modules]}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> ModelProfile:
        """That of which `to_dict` gives these."""
        about = dict(found["description"])
        modules = tuple(Row(**row) for row in about.pop("modules"))
        model = Model(**about | {"modules": modules, "dtype": np.dtype(about["dtype"])})
        return whole(cls(model, found["seed"], *read_fields(found), found["seconds"], found["backward"]))


def _evenly(rows: Sequence[int], most: int) -> list[int]:
    """So many of them at most, the first and the last among them."""
    places = np.linspace(0, len(rows) - 1, min(most, len(rows)))
    return [rows[int(place)] for place in places]


def _any_after(found: Array) -> Array:
    """Whether there is one further on, for each place."""
    return np.logical_or.accumulate(found[::-1])[::-1]
