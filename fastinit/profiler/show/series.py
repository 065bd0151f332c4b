"""Series: what pictures and pages draw in one colour, which layers a line joins, and what stands along the axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .axes import ticks

if TYPE_CHECKING:
    from ..result.layer_profile import LayerProfile

Profiles = Mapping[str, "LayerProfile[Any]"]


class Series(NamedTuple):
    """Layers of a profile, in lines, those of one layer being points; and the place of its colour, None of the rest."""

    label: str
    profile: LayerProfile[Any]
    lines: tuple[Sequence[int], ...]
    place: int | None

    @property
    def has_points(self) -> bool:
        """Whether some of its layers are in no line."""
        return any(len(line) == 1 for line in self.lines)

    def joined(self, values: Any) -> tuple[Any, Any]:
        """Layers and those of their values that exist, in one sequence, with NaN between the lines."""
        layers: list[float] = []
        for line in self.lines:
            layers += [np.nan, *(layer for layer in line if not np.isnan(values[layer]))]
        x = np.array(layers[1:], float)
        return x, np.array([np.nan if np.isnan(layer) else values[int(layer)] for layer in x])


def series_of(profiles: Profiles) -> list[Series]:
    """One for each profile; or of a model one for each role, and one for the modules that have none."""
    if len(profiles) > 1:
        return [whole(label, profile, place) for place, (label, profile) in enumerate(profiles.items())]
    return [one for label, profile in profiles.items() for one in _roles(label, profile)]


def whole(label: str, profile: LayerProfile[Any], place: int | None) -> Series:
    """All of a profile in one colour, with lines between layers of one role only."""
    return Series(label, profile, (*profile.parts.values(), *_alone(profile)), place)


def _roles(label: str, profile: LayerProfile[Any]) -> list[Series]:
    roles = profile.parts
    found = [Series(role or label, profile, (rows,), place) for place, (role, rows) in enumerate(roles.items())]
    alone = _alone(profile)
    return found + [Series("other modules" if roles else label, profile, alone, None)] * bool(alone)


def _alone(profile: LayerProfile[Any]) -> tuple[Sequence[int], ...]:
    """The layers that no line joins to others."""
    drawn = {row for rows in profile.parts.values() for row in rows}
    return tuple([row] for row in range(profile.network.depth + 1) if row not in drawn)


def theory_of(repeats: int) -> str:
    """What the lines of theory are called, beside so many drawings, whose typical one is the geometric mean."""
    return "theory" if repeats == 1 else "theory, of the arithmetic mean"


class Across(NamedTuple):
    """An axis of layers: what it is called, the last of them, and the names on it by place, if they have names."""

    label: str
    last: int
    names: dict[int, str]

    @property
    def ends(self) -> tuple[float, float]:
        """With a margin."""
        margin = max(0.6, 0.04 * self.last)
        return -margin, self.last + margin


def across(profiles: Profiles) -> Across:
    """The axis of these; names are on it where they are the same in all."""
    networks = [profile.network for profile in profiles.values()]
    last = max(network.depth for network in networks)
    names = {network.names for network in networks}
    if len(names) != 1 or not any(names):
        return Across("layer", last, {})
    return Across("module", last, ticks(*names))
