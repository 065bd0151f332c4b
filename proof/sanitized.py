"""A command on a core that is compiled for sanitizers: `python -m proof.sanitized FOLDER COMMAND ...`.

The package is built into a folder first. `make sanitize` tests it so, and `proof.fuzz` and `proof.races` call it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

HOME = Path(__file__).parents[1]
COMPILER = shlex.split(os.environ.get("CC", "cc"))
#: Of each value of FASTINIT_SANITIZE (setup.py): what must be there before Python is, and the options of each.
LIBRARIES = {"1": ("libasan.so", "libubsan.so"), "thread": ("libtsan.so",)}
#: The exit status where a sanitizer had something to report.
FOUND = 66
#: Python's own leaks are not ours.
OPTIONS = {
    "ASAN_OPTIONS": f"exitcode={FOUND}:detect_leaks=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": f"exitcode={FOUND}:halt_on_error=1",
}


def package(folder: Path, which: str = "1") -> Path:
    """Build one into a folder; the folder that it lies in."""
    command = [sys.executable, "setup.py", "--quiet", "build", "--build-base", str(folder.resolve())]
    subprocess.run(command, cwd=HOME, env={**os.environ, "FASTINIT_SANITIZE": which}, check=True)
    (made,) = folder.glob("lib*")
    return made.resolve()


def environment(library: Path, which: str = "1") -> dict[str, str]:
    """In which Python takes that package, and the modules of this folder; run it elsewhere than in the sources."""
    asked = [[*COMPILER, f"-print-file-name={name}"] for name in LIBRARIES[which]]
    found = [subprocess.run(one, capture_output=True, text=True, check=True).stdout.strip() for one in asked]
    return {**os.environ, **OPTIONS, "PYTHONPATH": f"{library}{os.pathsep}{HOME}", "LD_PRELOAD": " ".join(found)}


def run(
    command: Sequence[str], where: Mapping[str, str], seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """A command in that environment and an empty folder: Python looks for packages where it is run."""
    with tempfile.TemporaryDirectory() as empty:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=where, cwd=empty)


def main(argv: list[str]) -> int:
    if len(argv) < 2:
        sys.exit("usage: python -m proof.sanitized FOLDER COMMAND ...")
    folder, *command = argv
    return subprocess.run(command, env=environment(package(Path(folder)))).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
