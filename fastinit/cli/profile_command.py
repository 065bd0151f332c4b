"""``fastinit profile``: profiles and comparisons of them, as a table, a sentence and files."""

from __future__ import annotations

import argparse
import re
import warnings
from pathlib import Path
from typing import Any

from ..arguments import refuse
from ..profiler import Comparison, Profile, compare, profile
from ..profiler.drawing import drawn
from ..profiler.show.story import Story, story
from .profile_options import add_options, typed_options
from .scheme_options import read_scheme

#: What may be asked of the story too.
_OF_ANY_RUN = {"seed", "repeats", "threads", "progress"}
_FILES = {"png": (".png", ".svg", ".pdf"), "html": (".html", ".htm"), "json": (".json",)}
_MEANINGS = {"png": "a picture (also .svg, .pdf)", "html": "a page with charts", "json": "all numbers"}
#: What draws a file of a kind.
_DRAWN = {"png": "plot", "html": "html"}


def add_profile(commands: Any) -> None:
    """Add the command to those of the command line."""
    one = commands.add_parser(
        "profile",
        help="does a network carry a signal forward and a gradient back?",
        description="Without options: the story of five initialisations in a deep ReLU network, with and without batch "
        "normalisation, with a picture in fastinit-profile.png. Exit status: 0; 1 if --healthy is asked for and it is "
        "not; 2 the question was wrong; 130 interrupted.",
        epilog="Example: fastinit profile --width 1e6 --depth 50 --norm batch --method matrix_free --html out.html",
    )
    add_options(one)
    group = one.add_argument_group("showing")
    group.add_argument("--compare", metavar="SCHEMES", help="several schemes side by side: he_normal,lecun_normal")
    group.add_argument("--table", action=argparse.BooleanOptionalAction, default=True, help="a table of layers")
    for kind, meaning in _MEANINGS.items():
        group.add_argument(f"--{kind}", type=Path, metavar="FILE", help=meaning)
    group.add_argument("--healthy", action="store_true", help="exit status 1 where signal or gradient does not pass")
    one.set_defaults(run=_run_profile)


def _run_profile(options: argparse.Namespace) -> int:
    keywords, files = typed_options(options), _files(options)
    for module in ("table", *(_DRAWN[kind] for kind in files if kind in _DRAWN)):
        drawn(module)  # what is not installed is missed before the run
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the verdict says it
        if options.compare is not None:
            shown, interrupted = _compared(options.compare, keywords)
        elif set(keywords) <= _OF_ANY_RUN:
            shown = story(**keywords)
            interrupted = shown.interrupted
            files.setdefault("png", Path("fastinit-profile.png"))
        else:
            shown, interrupted = _kept(**keywords)
    _show(shown, options.table)
    _save(shown, files)
    if interrupted:
        return 130
    profiles = list(shown.values()) if isinstance(shown, Comparison) else [shown]
    return int(options.healthy and not all(one.healthy for one in profiles))


def _kept(**keywords: Any) -> tuple[Any, bool]:
    """A profile and False; where the user interrupts it, what was done by then and True, if anything was."""
    try:
        return profile(**keywords), False
    except KeyboardInterrupt as stopped:
        partial = getattr(stopped, "profile", None)
        if partial is None:
            raise
        return partial, True


def _compared(text: str, keywords: dict[str, Any]) -> tuple[Comparison, bool]:
    """Profiles of schemes, which commas part that are not before a keyword; and whether that was interrupted."""
    if "scheme" in keywords:
        refuse("--scheme", "left out with --compare", keywords["scheme"])
    schemes = {name: read_scheme("--compare", name) for name in re.split(r",(?![^,:]*=)", text)}
    found: dict[str, Profile] = {}
    interrupted = False
    for name, scheme in schemes.items():
        try:
            found[name], interrupted = _kept(scheme=scheme, **keywords)
        except KeyboardInterrupt:
            if not found:
                raise
            interrupted = True
        if interrupted:
            break
    return compare(found.values(), found), interrupted


def _files(options: argparse.Namespace) -> dict[str, Path]:
    """Where to write what, checked before anything runs."""
    files = {kind: path for kind in _FILES if (path := getattr(options, kind)) is not None}
    for kind, path in files.items():
        if path.suffix.lower() not in _FILES[kind]:
            refuse(f"--{kind}", f"a file that ends in {' or '.join(_FILES[kind])}", str(path))
        if not path.absolute().parent.is_dir():
            refuse(f"--{kind}", "in a folder that exists", str(path))
    return files


def _show(shown: Any, table: bool) -> None:
    if table:
        from rich.console import Console

        Console().print(shown.table())
    elif isinstance(shown, Profile):
        print(shown.verdict)
    if isinstance(shown, Comparison) and not (table and isinstance(shown, Story)):
        print(*(f"\n{name}: {verdict}" for name, verdict in shown.verdicts.items()), sep="\n")


def _save(shown: Any, files: dict[str, Path]) -> None:
    write = {"png": shown.plot, "html": shown.to_html, "json": lambda path: path.write_text(shown.to_json())}
    for kind, path in files.items():
        write[kind](path)
        print(f"wrote {path}")
