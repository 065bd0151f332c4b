"""Outcomes: every network trained once, by several processes, and kept in a file that a later run goes on with."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from math import inf
from multiprocessing import active_children, get_context
from pathlib import Path
from time import process_time
from typing import Any

from .networks import Case

Outcome = dict[str, Any]


def outcome(case: Case) -> Outcome:
    """What becomes of one network in training, and its tangent kernel by torch, from the weights of the profile."""
    import torch

    from .data import examples
    from .kernel import tangent_kernel
    from .model import drawn, rows
    from .training import RATES, losses

    start, network, seed = process_time(), case.profile(backward=False).network, case.keywords["seed"]
    parameters, x = drawn(network, seed), rows(network, seed, case.inputs())
    seen = x[: network.batch].flatten(0, 1)
    classes = torch.from_numpy(examples(case.data)[1])
    return {
        "key": case.key,
        "difference": difference(case),
        "kernel": tangent_kernel(network, parameters, seen),
        "training": {name: losses(network, parameters, x, classes, name) for name in RATES},
        "seconds": round(process_time() - start, 2),
    }


def difference(case: Case) -> float:
    """How far the outputs' second moment in torch is from the profile's, of either: in float64, as some are chaotic."""
    from .model import drawn, outputs, rows

    profile, seed = case.profile(backward=False, dtype="float64"), case.keywords["seed"]
    network = profile.network
    seen = rows(network, seed, case.inputs()[: network.batch]).double().flatten(0, 1)
    ours = outputs(network, drawn(network, seed), seen).square().mean().item()
    theirs = profile["act_second_moment"][0, -1].item()
    return abs(ours - theirs) / max(ours, theirs) if 0 < max(ours, theirs) < inf else 0.0


def stored(path: Path) -> dict[str, Outcome]:
    """Outcomes that a file has, by the keys of the networks."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {found["key"]: found for found in map(json.loads, lines)}


def outcomes(cases: list[Case], path: Path, workers: int, console: Any) -> dict[str, Outcome]:
    """Those of all cases: what is not in the file is trained, the longest first, and added to it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    found = stored(path)
    todo = sorted((case for case in cases if case.key not in found), key=lambda case: -case.cost)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _alone)
    with Progress(*columns, console=console, transient=True) as progress, path.open("a") as file:
        task = progress.add_task("networks", total=len(todo))
        try:
            for done in as_completed([pool.submit(outcome, case) for case in todo]):
                found[done.result()["key"]] = done.result()
                file.write(json.dumps(done.result()) + "\n")
                file.flush()
                progress.advance(task)
        except KeyboardInterrupt:  # a network may take a minute
            for process in active_children():
                process.kill()
            raise
        finally:  # where one fails, what has not begun is left
            pool.shutdown(cancel_futures=True)
    return {case.key: found[case.key] for case in cases}


def _alone() -> None:
    """One thread for each process, which leaves it to the first to answer Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)
