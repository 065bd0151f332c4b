"""python -m bench.trainability: train networks, hold what was said of them against it, and show who was right.

Two steps: training, of which a file keeps what is done, and judging, which is done anew every time. `python -m bench
--only trainability` is the same with --quick.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from .. import command_line
from ..__main__ import start
from ..needs import check_installed
from ..options import STANDARD, Parser

#: From a difference on torch and the profiler do not have the same network: rounding is far below.
_SAME = 1e-3


def arguments(argv: list[str]) -> argparse.Namespace:
    """The options of the command line."""
    parser = Parser("python -m bench.trainability", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="40 networks (about three minutes on two cores)")
    parser.add_argument("--workers", metavar="N", type=int, default=os.cpu_count(), help="processes of one thread each")
    parser.add_argument("--resume", metavar="PATH", type=Path, default=Path("trainability.jsonl"),
                        help="what training gave: read, and added to (trainability.jsonl)")  # fmt: skip
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the results here; - is standard output")
    parser.add_argument("--report", metavar="PATH", type=Path, help="run nothing: show these stored results")
    parser.add_argument("--plot", metavar="PATH", type=Path, help="write the picture here")
    options = parser.parse_args(argv)
    if options.report and (options.quick or options.json):
        parser.error("`--report` must be given without --quick and --json")
    return options


def measure(options: argparse.Namespace, console: Any) -> dict[str, Any]:
    """Train what was not yet trained, and judge all."""
    from rich.progress import track

    from . import networks
    from .judging import judgement
    from .outcomes import outcomes

    cases = networks.quick() if options.quick else networks.cases()
    found = outcomes(cases, options.resume, options.workers, console)
    judged = [
        {**case.configuration, "fold": case.fold, **found[case.key], **judgement(case)}
        for case in track(cases, "profiles", console=console, transient=True)
    ]
    return {"machine": _machine(), "networks": judged}


def _machine() -> dict[str, Any]:
    import torch

    from ..running import machine

    return machine() | {"torch": torch.__version__}


def load(path: Path) -> dict[str, Any]:
    """Results that `python -m bench.trainability --json` wrote."""
    try:
        results = json.loads(path.read_text())
    except (OSError, ValueError):
        results = None
    if not isinstance(results, dict) or "networks" not in results:
        raise ValueError(f"`--report` must be a file that --json wrote, got {str(path)!r}")
    return results


def main(argv: list[str]) -> int:
    """0, or 1 where torch and the profiler do not have the same network."""
    options = arguments(argv)
    check_installed("the benchmark of verdicts", "torch sklearn rich matplotlib threadpoolctl", "trainability")
    from ..screen import Screen
    from . import report

    console = Screen(stderr=options.json == STANDARD)
    results = load(options.report) if options.report else measure(options, console)
    if options.json:
        command_line.write_json(options.json, results)
    report.show(results, console)
    if options.plot:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        report.draw(results).savefig(options.plot, dpi=130, bbox_inches="tight")
    differ = [network["network"] for network in results["networks"] if network["difference"] > _SAME]
    for name in differ:
        console.print(f"not the same in torch: {name}", style="red", markup=False)
    return 1 if differ else 0


def _main(argv: list[str]) -> int:
    return command_line.answered("python -m bench.trainability", lambda: main(argv))


if __name__ == "__main__":
    sys.exit(start("python -m bench.trainability", _main))
