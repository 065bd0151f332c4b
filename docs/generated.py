"""Pages that are made when the site is built, from what is in the sources: mkdocs calls the functions by their names.

The help of the command line becomes reference/command-line.md, and the stored run of the benchmark becomes
benchmarks/table.md and the pictures beside it. Stored results of proofs stand below what develop/proof.md says, and
counts of tests of emulated machines in develop/platforms.md.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from inspect import Parameter, Signature, getdoc, signature
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

HOME = Path(__file__).parents[1]
sys.path.insert(0, str(HOME))

from bench import report  # noqa: E402
from proof import report as proof_report  # noqa: E402
from proof.__main__ import JOBS  # noqa: E402

DASK = """# Dask

`import fastinit.dask as fd`. [The guide](../guides/dask.md) shows it at work.

Each function describes a lazy `dask.array.Array`. Its parameters are those of the function of that name in
[fastinit](arrays.md), and `chunks`, as of `dask.array.ones`. No value depends on the chunks. A seed of None takes
entropy when the array is described, not when it is computed. `index`, `out` and `threads` are refused.
"""
MACHINES = "<!-- machines -->"
COMMAND_LINE = """# Command line

Options have one name, and are not abbreviated. The exit status is 0 where all is well. It is 1 where a network would
not train or a file is wrong, and 2 where the question could not be asked.

What is named as `MODULE` or `MODULE:NAME` is imported, which runs the code in it. Name none that you would not run.
"""
TABLE = """---
search:
  exclude: true
---

# The whole table

This page is made from `bench/results/quick.json`. [How it is measured](index.md) says what the numbers mean.
"""


#: griffe reads `__all__` without running it, and cannot see what the twin's table of schemes adds.
logging.getLogger("mkdocs.plugins.griffe").addFilter(
    lambda record: "fastinit.reference.__all__" not in record.getMessage()
)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made."""
    made = {
        "reference/command-line.md": command_line(),
        "reference/dask.md": dask_door(),
        "benchmarks/table.md": f"{TABLE}\n{report.section(report.load(HOME / 'bench/results/quick.json'))}\n",
        "develop/specification.md": (HOME / "fastinit/STREAM.md").read_text(encoding="utf-8"),
    }
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    for picture in sorted((HOME / "bench/results").glob("*.png")):
        files.append(File.generated(config, f"images/bench/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Add what proofs have found to the pages on them."""
    results = HOME / "proof/results"
    match page.file.src_uri:
        case "develop/proof.md":
            return "\n".join(
                [markdown, *(proof_report.section(results, job.name, job.shows, job.worst) for job in JOBS)]
            )
        case "develop/platforms.md":
            head, marked, rest = markdown.partition(MACHINES)
            assert marked
            return f"{head}{proof_report.suites(results)}{rest}"
    return markdown


def dask_door() -> str:
    """The functions of the door to Dask, which are made as it is imported."""
    import fastinit.dask as door

    entries = (_dask_entry(name, getattr(door, name)) for name in door.__all__)
    return "\n".join([DASK, *entries])


def _dask_entry(name: str, function: Callable[..., Any]) -> str:
    bare = [one.replace(annotation=Parameter.empty) for one in signature(function).parameters.values()]
    first = (getdoc(function) or "").split("\n\n")[0]
    return f"## fastinit.dask.{name}\n\n```python\n{name}{Signature(bare)}\n```\n\n{first}\n"


def command_line() -> str:
    """What `--help` says, of the whole and of each command below it."""
    return "\n".join([COMMAND_LINE, *_helps("fastinit")])


def _helps(command: str) -> Iterator[str]:
    arguments = [sys.executable, "-m", *command.split(), "--help"]
    environment = {**os.environ, "COLUMNS": "100", "PYTHONPATH": str(HOME), "NO_COLOR": "1"}
    told = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout
    yield f"## {command}\n\n```text\n{told}```\n"
    _, _, below = told.partition("\n  command\n")
    for name in re.findall(r"^    (\w+)  ", below.partition("\n\n")[0], flags=re.MULTILINE):
        yield from _helps(f"{command} {name}")
