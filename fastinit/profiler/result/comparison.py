"""Comparison: several profiles side by side, in one table, picture or page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, ClassVar

from ...arguments import names_nearest, refuse
from ...records import Record, labelled, unlabelled
from ...typing import DataFrame
from ..drawing import drawn
from .frames import frame
from .layer_profile import LayerProfile
from .verdict import Verdict


class Comparison(Record, dict[str, LayerProfile[Any]]):
    """Profiles by name, which show themselves together."""

    format_name: ClassVar[str] = "Comparison"
    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # no type says so: typeshed ignores it for lists too

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on each."""
        return {name: profile.verdict for name, profile in self.items()}

    def to_dict(self) -> dict[str, Any]:
        """All numbers as dictionaries, lists, strings and numbers: "profiles" has those of each by name."""
        return {"profiles": {name: labelled(profile) for name, profile in self.items()}}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Comparison:
        """That of which `to_dict` gives these."""
        kinds: list[type[LayerProfile[Any]]] = LayerProfile.__subclasses__()
        return cls({name: unlabelled(one, *kinds) for name, one in found["profiles"].items()})

    def _identity(self) -> Any:
        return dict(self)

    def to_frame(self) -> DataFrame:
        """A `pandas.DataFrame` of all: those of `Profile.to_frame`, one below the other, and a column "name"."""
        return frame(self, "name")

    def table(self) -> Any:
        """A table with a row for each profile, which prints in a terminal and shows in a notebook."""
        return drawn("table").overview(self)

    def plot(self, path: str | PathLike[str] | None = None) -> Any:
        """A picture with two panels, forward and backward; see `Profile.plot`."""
        return drawn("plot").plot(self, path)

    def to_html(self, path: str | PathLike[str] | None = None) -> str | None:
        """A page with the charts of all; see `Profile.to_html`."""
        page: str | None = drawn("html").to_html(self, path)
        return page

    def __repr__(self) -> str:
        kinds = ", ".join(f"{name!r}: {verdict.kind}" for name, verdict in self.verdicts.items())
        return f"{type(self).__name__}({{{kinds}}})"


@names_nearest
def compare(
    profiles: Iterable[LayerProfile[Any]] | Mapping[str, LayerProfile[Any]], names: Iterable[str] | None = None
) -> Comparison:
    """Overlay several profiles.

    Parameters
    ----------
    profiles : iterable of Profile, or mapping of str to Profile
        At least one; in a mapping by their names.
    names : iterable of str, optional
        One for each; by default what sets its network apart from the others. Beside a mapping it is left out.

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
    >>> list(compare({"ours": found["he_normal"], "theirs": found["lecun_normal"]}))
    ['ours', 'theirs']
    """
    if isinstance(profiles, Mapping) and not isinstance(profiles, LayerProfile):
        if names is not None:
            refuse("names", "left out where profiles have theirs, in a mapping", names)
        names, profiles = profiles.keys(), profiles.values()
    listed = [profiles] if isinstance(profiles, LayerProfile) else list(profiles)
    if not listed or not all(isinstance(one, LayerProfile) for one in listed):
        refuse("profiles", "one profile or more", listed, ValueError if not listed else TypeError)
    named = _names(listed) if names is None else [str(name) for name in names]
    if len(named) != len(listed) or len(set(named)) != len(named):
        refuse("names", f"{len(listed)} different names", named)
    return Comparison(zip(named, listed, strict=True))


def _words(profile: LayerProfile[Any]) -> list[str]:
    return [*profile.network.words, profile.method, f"seed {profile.seed}"]


def shared(profiles: Iterable[LayerProfile[Any]]) -> str:
    """What the descriptions of all profiles say."""
    first, *others = map(_words, profiles)
    return ", ".join(word for word in first if all(word in words for words in others))


def _names(profiles: list[LayerProfile[Any]]) -> list[str]:
    """The words of each description that are not in all of them, and a number where that is not enough."""
    common = set.intersection(*(set(_words(one)) for one in profiles))
    names = [", ".join(word for word in _words(one) if word not in common) or str(one.network) for one in profiles]
    return [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, 1)]
