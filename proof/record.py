"""What a proof found, and where it is kept: results/NAME.json, a line for each claim, in the order of the claims.

A claim that is proved again replaces its own line. Every line says

* ``claim``: what is shown, in words; ``command``: what shows it again, with its ``seed``, None where nothing is drawn;
* ``false_alarm``: how probable it is that the proof fails though the claim is true, zero where it is exact;
* ``holds``: whether it did; ``found``: the numbers, by their names; ``seconds``: how long it took;
* ``date``, ``machine``: where, with the versions of what the result depends on.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from fcntl import LOCK_EX, flock
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import fastinit as fi
from bench.running import cpu_model
from fastinit import _core
from fastinit.whole_files import write_whole

from .report import stored, stored_line

HOME = Path(__file__).parents[1]
RESULTS = HOME / "proof" / "results"


def digest(texts: Iterable[bytes]) -> str:
    """Of texts one after the other, such as those of sources."""
    return hashlib.blake2b(b"".join(text + b"\0" for text in texts), digest_size=8).hexdigest()


@cache
def sources() -> str:
    """A digest of what the core is built from."""
    patterns = ("setup.py", "fastinit/src/*", "fastinit/*.pyx", "fastinit/*.pxd", "fastinit/*.pxi")
    paths = sorted(path for pattern in patterns for path in HOME.glob(pattern))
    return digest(text for path in paths for text in (str(path.relative_to(HOME)).encode(), path.read_bytes()))


def machine(**versions: str) -> dict[str, str]:
    """This machine and the versions of what runs on it; `versions` of what else a proof depends on."""
    return {
        "cpu": cpu_model(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version() + sys.abiflags,  # 3.13.5t has no GIL
        "numpy": np.__version__,
        "fastinit": fi.__version__,
        "stream": str(fi.info()["stream"]),
        "core": _core.compiler(),
        "sources": sources(),
        **versions,
    }


def keep(
    name: str,
    claim: str,
    *,
    command: str,
    holds: bool,
    found: Mapping[str, Any],
    seconds: float,
    seed: int | None = None,
    false_alarm: float = 0.0,
    where: Mapping[str, str] | None = None,
    folder: Path = RESULTS,
) -> dict[str, Any]:
    """Write one result in the place of an older one of the same claim, and return it."""
    result = {
        "claim": claim,
        "command": command,
        "seed": seed,
        "false_alarm": false_alarm,
        "holds": bool(holds),
        "found": dict(found),
        "seconds": round(seconds, 1),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "machine": dict(where) if where is not None else machine(),
    }
    with _alone_in(folder):
        lines = {one["claim"]: one for one in stored(folder, name)} | {claim: result}
        write_whole(
            folder / f"{name}.json", "[\n" + ",\n".join(json.dumps(lines[key]) for key in sorted(lines)) + "\n]\n"
        )
    return result


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Jobs that run side by side wait for each other, so that none loses what another one keeps."""
    place = os.open(folder, os.O_RDONLY)
    try:
        flock(place, LOCK_EX)
        yield
    finally:
        os.close(place)


def before(name: str, claim: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """The result that is kept of a claim, which a job goes on from.

    One of another machine, or of other sources, cannot be gone on from, and is not replaced: that ends the process.
    """
    line = stored_line(folder, name, claim)
    if line and line["machine"] != machine():
        path = folder / f"{name}.json"
        sys.exit(f"{path} has {claim!r} of other sources or machines: use --results, or delete that line to begin anew")
    return line
