"""``fastinit sweep``: what varies, who makes the points, how they are shown; and the options of ``profile``."""

from __future__ import annotations

import argparse
import re
from functools import partial
from pathlib import Path
from typing import Any

from ..arguments import choice, refuse
from .profile_options import FILES, OPTIONS, add_files, add_keywords, typed_files, typed_options
from .readers import read_truth, read_whole
from .standard_output import told_aside, write_shown

#: Columns of the picture, by option, with the defaults of `fastinit.Sweep.plot`.
_COLUMNS = {
    "x": "column across the picture (default: the keyword that changes fastest)",
    "y": "column up the picture (default: act_second_moment_rate)",
    "hue": "column that has a line for each value in the picture (default: the first other keyword)",
}


def add_sweep(parser: argparse.ArgumentParser) -> None:
    """What the command is, and all its options."""
    parser.description = (
        "Profiles over the product of some keywords. Exit status: 0; 1 if a point failed; 2 the question was wrong; "
        "130 interrupted: with --path the same command goes on from there."
    )
    parser.epilog = "Example: fastinit sweep --over depth=10,20,40 --over norm=none,layer --processes 2 --html out.html"
    group = parser.add_argument_group("sweep")
    group.add_argument(
        "--over", action="append", required=True, metavar="KEYWORD=VALUES",
        help="a keyword that varies, and its values between commas; between semicolons where they have commas",
    )  # fmt: skip
    group.add_argument(
        "--processes",
        metavar="NUMBER",
        help="how many processes make the points (default: this one); with --client its workers do",
    )
    group.add_argument(
        "--path",
        type=Path,
        metavar="FILE",
        help="a file of JSON lines, which keeps each point: the same command again does only what is missing",
    )
    add_keywords(parser)
    group = parser.add_argument_group("showing")
    group.add_argument(
        "--table", action=argparse.BooleanOptionalAction, default=None, help="print a table of points (default: yes)"
    )
    add_files(group, FILES)
    for name, meaning in _COLUMNS.items():
        group.add_argument(f"--{name}", metavar="COLUMN", help=meaning)
    parser.set_defaults(run=_run_sweep, table=True)


def typed_axes(options: argparse.Namespace) -> dict[str, list[Any]]:
    """Keyword to values of what varies, each read as the option of that name is."""
    known = {name: read or read_truth for group in OPTIONS.values() for name, (read, _) in group.items()}
    axes: dict[str, list[Any]] = {}
    for text in options.over:
        keyword, equals, values = text.partition("=")
        if not equals:
            refuse("--over", "a keyword and its values, as in depth=10,20", text)
        name = choice("--over", keyword.replace("-", "_"), known)
        if name in axes:
            refuse("--over", "another keyword each time", text)
        parts = values.split(";") if ";" in values else re.split(r",(?![^,:]*=)", values)
        axes[name] = [known[name](f"--over {keyword}", part) for part in parts]
    return axes


def _run_sweep(options: argparse.Namespace) -> int:
    axes, keywords, files = typed_axes(options), typed_options(options), typed_files(options)
    executor, progress = keywords.pop("client", None), keywords.pop("progress", None)
    if options.processes is not None:
        if executor is not None:
            refuse("--processes", "left out with --client", options.processes)
        from concurrent.futures import ProcessPoolExecutor

        executor = partial(ProcessPoolExecutor, read_whole("--processes", options.processes))
    from ..sweeps import sweep

    found = sweep(axes, executor=executor, path=options.path, progress=progress, **keywords)
    columns = {name: column for name in _COLUMNS if (column := getattr(options, name)) is not None}
    with told_aside(files) as out:
        if options.table:
            print(found.table())
        write_shown(found, files, out, **columns)
    return int(any(found["error"]))
