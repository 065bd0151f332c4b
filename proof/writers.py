"""Files that are cut off as they are written: `python -m proof.writers [JOB...]`, in about six minutes.

``full``: what each writer makes does not fit, on a small file system where this user may have one (a tmpfs), and by a
limit of the size of files. It must raise OSError, of the number that says so, and leave nothing under a final name: a
file that was there before is as it was. A claim names what was not tried. ``killed``: a process that writes is killed
(SIGKILL) at a random time, 100 times for each writer; then there is no file under a final name, or a whole one. Of a
sweep each line but the last is whole, and it goes on from there. A job fails if a file is half one. Kept in
results/writers.json.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fastinit as fi

from .record import RESULTS, keep

SEED, KILLS, HANGS = 20261128, 100, 120
#: Bytes that fit: of what writers write only some.
SPACE = 1 << 18
#: What the system says where no more fits.
FULL = (errno.EFBIG, errno.ENOSPC)
NOT_TRIED = "not tried"


class Writer(NamedTuple):
    """What writes into a folder; and what is wrong with what it left there under final names, if anything is."""

    write: Callable[[Path], Any]
    wrong: Callable[[Path], str | None]


def _save(folder: Path) -> None:
    fi.save(folder / "new", {f"w{i}": (300, 200) for i in range(6)}, seed=1, max_shard_size="500KB")


def _wrong_save(folder: Path) -> str | None:
    """Each file that has its name is whole, and with the index, which comes last, all are there."""
    from fastinit.tensor_files import INDEX, has_tensors, open_tensors

    for path in filter(has_tensors, folder.glob("new/*")):
        with open_tensors(path) as tensors:
            same = [_same(tensors.read(name), name, (300, 200)) for name in tensors.names]
        if not all(same) or (path.name.endswith(INDEX) and len(same) < 6):
            return "other values"
    return None


def _same(read: Any, name: str, shape: tuple[int, int]) -> bool:
    return np.array_equal(read, fi.he_normal(shape, seed=1, name=name))


def _torch_save(folder: Path) -> None:
    import torch

    import fastinit.torch as ft

    ft.save(torch.nn.Linear(400, 300), folder / "new", seed=1)


def _wrong_torch(folder: Path) -> str | None:
    import torch

    import fastinit.torch as ft
    from fastinit.tensor_files import open_tensors

    if not list(folder.glob("new/*.safetensors")):
        return None
    model = torch.nn.Linear(400, 300)
    ft.initialize_(model, seed=1)
    with open_tensors(folder / "new") as tensors:
        same = [np.array_equal(tensors.read(name), one.numpy()) for name, one in model.state_dict().items()]
    return None if all(same) else "other values"


def _profile() -> Any:
    return fi.profile(16, 3, batch=4, seed=1)


def _page(folder: Path) -> None:
    _profile().to_html(folder / "page.html")


def _wrong_page(folder: Path) -> str | None:
    page = folder / "page.html"
    return None if not page.exists() or page.read_text().rstrip().endswith("</html>") else "half a page"


def _picture(folder: Path) -> None:
    _profile().plot(folder / "picture.png")


def _wrong_picture(folder: Path) -> str | None:
    picture = folder / "picture.png"
    return None if not picture.exists() or picture.read_bytes()[-8:-4] == b"IEND" else "half a picture"


def _command(folder: Path) -> None:
    from fastinit.cli import main

    told = ["--width", "16", "--depth", "200", "--batch", "4", "--seed", "1", "--json", str(folder / "a.json")]
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as errors:
        status = main(["profile", *told])
    if status:
        raise _error_of(errors.getvalue())


def _error_of(said: str) -> Exception:
    """What a command would have raised that says so; another error where it says something else."""
    return next((OSError(one, said) for one in FULL if os.strerror(one) in said), RuntimeError(said))


def _wrong_json(folder: Path) -> str | None:
    found = folder / "a.json"
    return None if not found.exists() or fi.Profile.from_json(found.read_text()) else "half of the numbers"


def _sweep(folder: Path) -> None:
    fi.sweep({"seed": range(40)}, width=16, depth=2, batch=4, path=folder / "points.jsonl")


def _wrong_sweep(folder: Path) -> str | None:
    """A line that is none must be the last, and the sweep goes on."""
    path = folder / "points.jsonl"
    if not path.exists():
        return None
    whole = path.read_bytes().splitlines(keepends=True)
    if not all(line.endswith(b"\n") for line in whole[:-1]):
        return "half a line among others"
    for line in whole[:-1]:
        json.loads(line)
    fi.sweep({"seed": range(2)}, width=16, depth=2, batch=4, path=path)
    return None


WRITERS = {
    "fi.save": Writer(_save, _wrong_save),
    "ft.save": Writer(_torch_save, _wrong_torch),
    "to_html": Writer(_page, _wrong_page),
    "plot": Writer(_picture, _wrong_picture),
    "profile --json": Writer(_command, _wrong_json),
    "sweep": Writer(_sweep, _wrong_sweep),
}


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A folder that holds few bytes; None where this user may have none."""
    with tempfile.TemporaryDirectory() as place:
        command = ["mount", "-t", "tmpfs", "-o", f"size={SPACE}", "tmpfs", place]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            yield None
            return
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", place], check=True)


@contextmanager
def small_files() -> Iterator[None]:
    """Files of few bytes only."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, kept)


def cut_off(writer: Writer, folder: Path, limit: Any) -> str:
    """What a writer came to in a folder that cannot hold what it writes."""
    for name in ("page.html", "picture.png", "a.json"):
        (folder / name).write_bytes(b"before")
    with limit:
        try:
            writer.write(folder)
            said = "no error"
        except Exception as error:
            is_full = isinstance(error, OSError) and error.errno in FULL
            said = "OSError" if is_full else repr(error)[:200]
    left = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    changed = [
        path
        for path in left
        if path in ("page.html", "picture.png", "a.json") and (folder / path).read_bytes() != b"before"
    ]
    halves = [*changed, *(path for path in left if path.endswith((".part", ".safetensors")) or path.startswith("new"))]
    return said if not halves else f"{said}, and left {halves}"


def full(name: str, kills: int) -> dict[str, Any]:
    """What a writer comes to where there is no room."""
    with tempfile.TemporaryDirectory() as folder:
        found = {"small files": cut_off(WRITERS[name], Path(folder), small_files())}
    with small_disk() as disk:
        found["small disk"] = NOT_TRIED
        if disk:
            (disk / "filler").write_bytes(bytes(SPACE - (48 << 10)))
            found["small disk"] = cut_off(WRITERS[name], disk, nullcontext())
    return {**found, "holds": set(found.values()) <= {"OSError", NOT_TRIED}}


def killed(name: str, kills: int) -> dict[str, Any]:
    """What processes leave that are killed as they write."""
    drawn, seen, usual = random.Random(f"{SEED} {name}"), Counter[str](), _usual_time(name)
    for _ in range(kills):
        with tempfile.TemporaryDirectory() as folder:
            seen[_kill_one(name, Path(folder), drawn.uniform(0, 2 * usual))] += 1
    return {"kills": kills, **seen, "holds": bool(seen) and set(seen) <= {"whole", "whole, and one begun"}}


def _usual_time(name: str) -> float:
    """Seconds that a writer takes when all that it imports is there; three at most."""
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            WRITERS[name].write(Path(folder))
    return min(3.0, time.perf_counter() - start)


def _kill_one(name: str, folder: Path, after: float) -> str:
    """What a process left that wrote again and again, killed some time after it had written once."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            for number in range(1000):
                (folder / str(number)).mkdir()
                WRITERS[name].write(folder / str(number))
        finally:
            os._exit(0)
    end = time.monotonic() + HANGS
    while not (folder / "1").exists() and time.monotonic() < end:
        time.sleep(1e-3)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        return "ended by itself"
    places = sorted(folder.iterdir(), key=lambda path: int(path.name))
    if len(places) < 2 or not any(places[0].iterdir()):
        return "nothing written"
    for place in places:
        try:
            wrong = WRITERS[name].wrong(place)
        except Exception as error:
            wrong = repr(error)[:200]
        if wrong:
            return wrong
    return "whole, and one begun" if any(places[-1].iterdir()) else "whole"


JOBS = {
    "full": ("where what is written does not fit, OSError is raised and no file is half one", full),
    "killed": ("a writer that is killed leaves a whole file under a final name, or none", killed),
}


def claimed(job: str, name: str, found: dict[str, Any]) -> str:
    """What is claimed of a writer, with what could not be tried."""
    untried = [one for one, said in found.items() if said == NOT_TRIED]
    return f"{name}: {JOBS[job][0]}" + "".join(f"; {one} {NOT_TRIED}" for one in untried)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m proof.writers", description=__doc__)
    parser.add_argument("jobs", nargs="*", choices=[*JOBS, []], metavar="JOB", help=f"of {', '.join(JOBS)} (all)")
    parser.add_argument("--kills", type=int, default=KILLS, help="of each writer (%(default)s)")
    parser.add_argument("--writers", nargs="*", default=[*WRITERS], help="(all)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept (%(default)s)")
    options = parser.parse_args(argv)
    bad = 0
    for job, name in product(options.jobs or JOBS, options.writers):
        start, found = time.perf_counter(), JOBS[job][1](name, options.kills)
        command = f"python -m proof.writers {job} --kills {options.kills} --writers {name!r}"
        keep("writers", claimed(job, name, found), command=command, seed=SEED, holds=found["holds"], found=found,
             seconds=time.perf_counter() - start, folder=options.results)  # fmt: skip
        print(job, name, found, flush=True)
        bad += not found["holds"]
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
