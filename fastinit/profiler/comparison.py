"""Comparison: several profiles side by side, in one table, picture or page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from os import PathLike
from typing import Any

import numpy as np

from ..arguments import refuse
from .result import Profile, drawn
from .verdict import Verdict

#: Of Okabe and Ito (2008), told apart by all eyes.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#777777")


class Comparison(dict[str, Profile]):
    """Profiles by name, which show themselves together."""

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on each."""
        return {name: profile.verdict for name, profile in self.items()}

    def to_json(self) -> str:
        """All numbers, by name, as JSON."""
        return json.dumps({name: profile.to_dict() for name, profile in self.items()}, allow_nan=False)

    def table(self) -> Any:
        """A table with a row for each profile, which prints in a terminal and shows in a notebook."""
        return drawn("table").overview(self)

    def plot(self, path: str | PathLike[str] | None = None) -> Any:
        """A picture with two panels, forward and backward; see `Profile.plot`."""
        return drawn("plot").plot(self, path)

    def to_html(self, path: str | PathLike[str] | None = None) -> str | None:
        """A page with the charts of all; see `Profile.to_html`."""
        return drawn("html").to_html(self, path)


def compare(profiles: Iterable[Profile], names: Iterable[str] | None = None) -> Comparison:
    """Overlay several profiles.

    Parameters
    ----------
    profiles : iterable of Profile
        At least one.
    names : iterable of str, optional
        One for each; by default what sets its network apart from the others.

    Returns
    -------
    Comparison
        A dictionary of name to profile, with ``.table()``, ``.plot(path)``, ``.to_html(path)`` and ``.verdicts``.

    Raises
    ------
    ValueError, TypeError
        If there is nothing to compare, or names are not as many as profiles, or two are the same.

    Examples
    --------
    >>> from fastinit.profiler import compare, profile
    >>> found = compare(profile(64, 10, "relu", scheme, batch=32) for scheme in ("he_normal", "lecun_normal"))
    >>> {name: verdict.kind for name, verdict in found.verdicts.items()}
    {'he_normal': 'stable', 'lecun_normal': 'vanishing'}
    """
    listed = [profiles] if isinstance(profiles, Profile) else list(profiles)
    if not listed or not all(isinstance(one, Profile) for one in listed):
        refuse("profiles", "one profile or more", listed, ValueError if not listed else TypeError)
    named = _names(listed) if names is None else [str(name) for name in names]
    if len(named) != len(listed) or len(set(named)) != len(named):
        refuse("names", f"{len(listed)} different names", named)
    return Comparison(zip(named, listed, strict=True))


def _words(profile: Profile) -> list[str]:
    words = re.split(r", (?![^()]*\))", str(profile.network))  # keywords of a scheme stay together
    return [*words, profile.method, f"seed {profile.seed}"]


def shared(profiles: Iterable[Profile]) -> str:
    """What the descriptions of all profiles say."""
    first, *others = map(_words, profiles)
    return ", ".join(word for word in first if all(word in words for words in others))


def _names(profiles: list[Profile]) -> list[str]:
    """The words of each description that are not in all of them, and a number where that is not enough."""
    common = set.intersection(*(set(_words(one)) for one in profiles))
    names = [", ".join(word for word in _words(one) if word not in common) or str(one.network) for one in profiles]
    return [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, 1)]


def decades(values: Any) -> tuple[float, float]:
    """Ends of a logarithmic axis in powers of ten: what is there and a margin, two decades at least."""
    known = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    margin = max(0.05 * (high - low), 0.15, (2 - (high - low)) / 2)
    return float(low - margin), float(high + margin)
