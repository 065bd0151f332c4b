"""Options of schemes: their keywords, how each is read and what help says of it, are asked of `SCHEMES`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from ..arguments import Words, nearest, refuse
from ..schemes import DISTRIBUTIONS, FANS, REQUIRED, SCHEMES, Scheme, scheme_of
from .readers import check_required, metavar_of, option_of, reader_of, split_scheme


def add_scheme_options(parser: argparse.ArgumentParser) -> None:
    """An option for each keyword of a scheme. Of one that the command has for itself, ``NAME:key=value`` is left."""
    group = parser.add_argument_group(
        "keywords of the scheme",
        "Or with its name: small_normal:std=0.02. In PyTorch's layout --in-axis is 1 and --out-axis 0.",
    )
    for keyword in _keywords():
        try:
            group.add_argument(
                option_of(keyword), dest=_place(keyword), metavar=metavar_of(keyword), help=_meaning(keyword)
            )
        except argparse.ArgumentError:
            continue


def typed_keywords(options: argparse.Namespace) -> dict[str, str]:
    """Keyword to text of those options that were typed."""
    found = {keyword: getattr(options, _place(keyword), None) for keyword in _keywords()}
    return {keyword: text for keyword, text in found.items() if text is not None}


def scheme_with_keywords(options: argparse.Namespace) -> tuple[Scheme, dict[str, Any]]:
    """The scheme that was asked for, and the keywords that stand with its name or are options."""
    name, keywords = split_scheme("--scheme", options.scheme)
    scheme = scheme_of(name)
    if not scheme.is_called:
        _check_keywords(scheme, keywords, options)
    for keyword, text in typed_keywords(options).items():
        option = option_of(keyword)
        if keyword in keywords:
            refuse(option, "left out where --scheme has it", text)
        if keyword not in scheme.parameters and not scheme.is_called:
            known = ", ".join(map(option_of, scheme.parameters)) or "none"
            refuse(option, f"left out for {name} (its own: {known})", text)
        keywords[keyword] = reader_of(scheme.parameters.get(keyword))(option, text)
    check_required("--scheme", name, keywords, options.scheme, beside=True)
    return scheme, keywords


def _check_keywords(scheme: Scheme, keywords: Mapping[str, Any], options: argparse.Namespace) -> None:
    """Raise for one that stands with the name and is not the scheme's: the command may have an option for it."""
    for keyword in keywords.keys() - scheme.parameters.keys():
        if hasattr(options, keyword):
            refuse("--scheme", f"without {keyword}, which is {option_of(keyword)}", options.scheme)
        known = ", ".join(scheme.parameters) or "none"
        got = Words(f"{keyword!r}{nearest(keyword, scheme.parameters)}")
        refuse("--scheme", f"{scheme.name} with keywords of its own ({known})", got)


def _keywords() -> list[str]:
    """Those of all schemes, each once."""
    return list(dict.fromkeys(keyword for scheme in SCHEMES.values() for keyword in scheme.parameters))


def _place(keyword: str) -> str:
    """Where the parser keeps what was typed."""
    return f"keyword {keyword}"


def _meaning(keyword: str) -> str:
    """Whose it is, with its defaults there, and what it may be."""
    owners = {name: scheme for name, scheme in SCHEMES.items() if keyword in scheme.parameters}
    by_default: dict[str, list[str]] = {}
    for name, scheme in owners.items():
        by_default.setdefault(_written(scheme.parameters[keyword]), []).append(name)
    text = "; ".join(f"{_listed(names)} ({default})" for default, names in by_default.items())
    return f"of {text}{_choices(keyword, owners)}".replace("%", "%%")


def _written(default: Any) -> str:
    if default is REQUIRED:
        return "must be given"
    if isinstance(default, float):
        return f"default {default:g}"
    return "default none" if default in ((), None) else f"default {default}"


def _listed(names: Sequence[str]) -> str:
    """Names, those that fans scale as one where they are all among them."""
    scaled = [name for name, scheme in SCHEMES.items() if scheme.needs_fans]
    if set(scaled) <= set(names):
        names = ["all that fans scale", *(name for name in names if name not in scaled)]
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _choices(keyword: str, owners: Mapping[str, Scheme]) -> str:
    """What a word may be: that of a scheme with a scale is a mode or a distribution."""
    defaults = [scheme.parameters[keyword] for scheme in owners.values() if scheme.needs_fans]
    for known in (FANS, DISTRIBUTIONS):
        if any(isinstance(default, str) and default in known for default in defaults):
            return f": {', '.join(known)}"
    return ""
