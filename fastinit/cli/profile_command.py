"""``fastinit profile``: profiles, of models too, and comparisons of them, as a table, a sentence and files."""

from __future__ import annotations

import argparse
import re
import warnings
from pathlib import Path
from typing import Any

from ..arguments import refuse
from ..profiler import Advice, Comparison, Profile, compare, profile
from ..profiler.drawing import drawn
from ..profiler.result.layer_profile import LayerProfile
from ..profiler.show.story import story
from .models import profile_model
from .readers import read_scheme
from .standard_output import told_aside, write_shown

#: What may be asked of the story too.
_OF_ANY_RUN = {"seed", "repeats", "threads", "progress"}
#: What draws a file of a kind.
_DRAWN = {"png": "plot", "html": "html"}


def run_profile(options: argparse.Namespace, keywords: dict[str, Any], files: dict[str, Path]) -> int:
    """Profile what the keywords say, show it as the options say, and save it in files."""
    _check_showing(options, files)
    of_story = options.compare is None and set(keywords) <= _OF_ANY_RUN
    if options.advise and (of_story or options.compare is not None):
        refuse("--advise", "left out with --compare and for the story: it is of one network (--width 1024)", True)
    if options.all and (of_story or options.compare is not None):
        refuse("--all", "left out with --compare and for the story: it is of a table of layers", True)
    shown: Any
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the verdict says it
        if options.compare is not None:
            shown, interrupted = _compared(options.compare, keywords)
        elif of_story:
            shown = story(**keywords)
            interrupted = shown.interrupted
        else:
            shown, interrupted = _kept(**keywords)
        return _answer(shown, options, files, interrupted)


def run_model_profile(options: argparse.Namespace, keywords: dict[str, Any], files: dict[str, Path]) -> int:
    """The same of a model."""
    _check_showing(options, files)
    return _answer(profile_model(options, **keywords), options, files)


def _check_showing(options: argparse.Namespace, files: dict[str, Path]) -> None:
    """Raise where it cannot be shown so, before the run."""
    if options.all and not options.table:
        refuse("--all", "left out with --no-table: it is of a table of layers", True)
    for module in (["table"] if options.table else []) + [_DRAWN[kind] for kind in files if kind in _DRAWN]:
        drawn(module)


def _answer(shown: Any, options: argparse.Namespace, files: dict[str, Path], interrupted: bool = False) -> int:
    """Show and save it. Returns the exit status."""
    with told_aside(files) as out:
        _show(shown, options.table, options.all)
        write_shown(shown, files, out)
        if interrupted:
            return 130
        if options.advise:
            _show_advice(shown.advise(), options.table)
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


def _show(shown: Any, table: bool, every: bool) -> None:
    if table:
        drawn("tables").print_table(
            shown.table("all" if every else "some") if isinstance(shown, LayerProfile) else shown.table()
        )
    elif isinstance(shown, LayerProfile):
        print(shown.verdict)
    if isinstance(shown, Comparison):
        print("", *(f"{name}: {verdict.short}" for name, verdict in shown.verdicts.items()), sep="\n")


def _show_advice(advice: Advice, table: bool) -> None:
    print()
    if table and advice.trials:
        drawn("tables").print_table(advice.table())
    else:
        print(advice.short)
