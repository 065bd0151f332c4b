"""Whether what is built again has the same bytes: `python -m proof.builds`, which needs the package build.

The source distribution is made twice, and a wheel of it twice by pip, as it is where there is no wheel to install. The
two have nothing in common but the machine, its compiler and its packages. Others are the folder and its length, the
time and its zone, the language, the hashes of Python, how many sources are compiled at once; and for the source
distribution the permissions of new files. Each pair must have one hash, or the exit status is 1. A pair that differs is
left where it is said to be. Kept in results/builds.json. About three minutes on two cores.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from .record import keep, machine

HOME = Path(__file__).parents[1]
COMMAND = "python -m proof.builds"
#: What a folder of sources may have beside them.
NOT_SOURCES = (".git", ".*_cache", ".venv", ".hypothesis", "__pycache__", "*.egg-info", "*.so")
#: Of the tops alone: sources may have folders of these names.
NOT_AT_THE_TOP = {"build", "dist", "wheelhouse"}

Maker = Callable[[Path, Path, "dict[str, str]"], None]


def variants(folder: Path) -> list[tuple[Path, int, dict[str, str]]]:
    """Two folders to build in, with a mask of permissions and what is around a command there."""
    unset = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    one = {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "1", "MAX_JOBS": "2"}
    other = {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2", "MAX_JOBS": "1"}
    places = [(folder / "a", 0o022, one), (folder / "folder with a longer name", 0o077, other)]
    for place, _, changed in places:
        (place / "scratch").mkdir(parents=True)
        changed["TMPDIR"] = str(place / "scratch")
    return [(place, mask, unset | changed) for place, mask, changed in places]


def copied(folder: Path) -> Path:
    """The sources, in a folder of that."""

    def left_out(where: str, names: Sequence[str]) -> set[str]:
        top = NOT_AT_THE_TOP & {*names} if Path(where) == HOME else set()
        return {*shutil.ignore_patterns(*NOT_SOURCES)(where, [*names])} | top

    return Path(shutil.copytree(HOME, folder / "sources", ignore=left_out))


def make_source_distribution(folder: Path, out: Path, environment: dict[str, str]) -> None:
    """From a copy of the sources; `out` is empty before."""
    command = [sys.executable, "-m", "build", "--sdist", "--outdir", str(out), str(copied(folder))]
    subprocess.run(command, env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def maker_of_wheels(source: Path) -> Maker:
    """What makes a wheel of a source distribution as an installation does."""

    def make(folder: Path, out: Path, environment: dict[str, str]) -> None:
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir", "--wheel-dir", str(out)]
        subprocess.run([*pip, str(source)], env=environment, cwd=folder, check=True)

    return make


def made(make: Maker, folder: Path, masked: bool) -> list[Path]:
    """Two of one thing, the second when the clock has gone on."""
    files = []
    for place, mask, environment in variants(folder):
        out = place / "made"
        before = os.umask(mask if masked else 0o022)
        try:
            make(place, out, environment)
        finally:
            os.umask(before)
        files += out.iterdir()
        time.sleep(2)  # the least that a zip archive tells apart
    return files


def digest(path: Path) -> str:
    """SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def differing(one: Path, other: Path) -> list[str]:
    """Files of two wheels that are not the same in both."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        ours, theirs = ({info.filename: info.CRC for info in archive.infolist()} for archive in (first, second))
    return sorted({name for name, _ in ours.items() ^ theirs.items()})


def generator(wheel: Path) -> str:
    """What made it, as it says."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (one for one in archive.namelist() if one.endswith(".dist-info/WHEEL"))
        return archive.read(name).decode().partition("Generator: ")[2].partition("\n")[0]


def shown(claim: str, make: Maker, folder: Path, masked: bool) -> tuple[bool, Path]:
    """Make two, keep what was found, and say whether they are equal; with the first of them."""
    start = time.perf_counter()
    one, other = made(make, folder, masked)
    hashes, is_wheel = [digest(one), digest(other)], one.suffix == ".whl"
    holds = one.name == other.name and hashes[0] == hashes[1]
    keep(
        "builds",
        claim,
        command=COMMAND,
        holds=holds,
        found={
            "file": one.name,
            "sha256": sorted(set(hashes)),
            "differing": differing(one, other) if is_wheel else [],
        },
        seconds=time.perf_counter() - start,
        where=machine(**({"backend": generator(one)} if is_wheel else {})),
    )
    print(f"{claim}: {holds}" if holds else f"{claim}: {holds}, see {one} and {other}", flush=True)
    return holds, one


def main() -> int:
    folder = Path(tempfile.mkdtemp())
    claim = "The source distribution made again has the same bytes"
    sources_hold, source = shown(claim, make_source_distribution, folder / "sources", True)
    claim = "The wheel that pip makes of the source distribution again has the same bytes"
    wheels_hold, _ = shown(claim, maker_of_wheels(source), folder / "wheels", False)
    holds = sources_hold and wheels_hold
    if holds:
        shutil.rmtree(folder)
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
