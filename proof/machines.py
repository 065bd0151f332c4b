"""The tests of what needs NumPy alone pass on processors of other kinds: `python -m proof.machines ROOT ...`

Each ROOT is a Debian of another architecture: Python, NumPy and what the tests use, as installed there. Its programs
are run by qemu's emulation of a process (packages debootstrap, qemu-user-static and gcc-s390x-linux-gnu, and a kernel
that asks qemu: /proc/sys/fs/binfmt_misc/qemu-s390x). A root is made so, here for s390x, which is big-endian:

    debootstrap --arch=s390x --variant=minbase --include=libpython3-dev,python3-numpy,python3-scipy,python3-pytest,\
    python3-hypothesis,python3-mpmath,python3-pandas,python3-matplotlib,python3-rich,python3-threadpoolctl,\
    python3-cffi,python3-pytest-benchmark,python3-plotly,python3-cloudpickle,python3-safetensors,python3-ml-dtypes,\
    python3-sklearn forky ROOT MIRROR /usr/share/debootstrap/scripts/sid

and so with arm64, riscv64 and ppc64el. With --download-only its packages can be unpacked without being configured,
which is far faster: `dpkg-deb -x` of each in ROOT/var/cache/apt/archives, and links in ROOT/usr/lib/s390x-linux-gnu to
libblas and liblapack, which lie in folders below. That is how the roots of the stored results were made. One of this
machine's own kind needs no emulator: it brings another Python.

The extension is compiled by the cross compiler, by the arguments of setup.py, beside a copy of the sources in ROOT.
Only root may change to there. A part is a file of tests, or the examples in docstrings, run without the tests marked
slow; `LEFT_OUT` says which parts there are not, and why. A test's outcome stays in ROOT/fastinit_reports as soon as it
is known, so a run may be cut off, and the next goes on, whatever has changed: `earlier` counts the outcomes that are of
another package, file of tests or conftest.py than those of now. A part that is named runs anew.

A claim fails where a test fails; the exit status is 1 while one has no outcome, too. There is a line for each machine
in results/machines.json, with the counts of each part, the names of the tests that failed, then or before they passed,
and why others were skipped. Emulated, tests take twenty times as long as here: all of one machine some hours. Most of
them are of a few tests: --quick 0.05 --times ROOT, a root of this machine's own kind where all ran, leaves for later
what took longer than so many seconds there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import runpy
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .outcomes import summary
from .record import RESULTS, digest, keep
from .report import stored_line

HOME = Path(__file__).parents[1]
SETUP = SimpleNamespace(**runpy.run_path(str(HOME / "setup.py")))
#: Where the copy of the sources lies in a root, extensions by what they were made of, and what the parts said.
COPY, BUILT, REPORTS = "fastinit_copy", "fastinit_built", "fastinit_reports"
#: A second name for Debian's packages. Hypothesis reads the sources of all modules that are in no folder of this name,
#: in search of numbers to try: minutes, emulated.
INSTALLED = "usr/lib/site-packages"
DOCSTRINGS = "fastinit"
#: Files of the package that make a difference.
PACKAGE = (".py", ".pyx", ".pxd", ".pxi", ".c", ".h", ".inc")
#: What runs first: kernels, and what stands on them.
FIRST = (
    *("ars", "stream", "stream_1", "moments", "generator", "refusals", "schemes", "structured", "gain", "verify"),
    *("tensor_files", "save", "signals", "products", "columns", "norms", "laws"),
)
LEFT_OUT = {
    "of the sources alone, which are the same everywhere": ("floors", "docs", "readme"),
    "of how distributions are made": ("package",),
    "of other compilers and emulators": ("cross",),
    "of the proofs themselves": ("proof", "proof_bits", "proof_statistics"),
    "of the benchmark": ("bench", "bench_comparison", "bench_process"),
    "of a page in a browser": ("html_browser",),
    "needs torch": ("trainability",),
}
DOORS = ("torch", "jax", "keras", "dask.py", "models")


def parts() -> list[str]:
    """Files of tests in the order they are run in, then the docstrings."""
    names = {path.stem.removeprefix("test_") for path in (HOME / "tests").glob("test_*.py")}
    left_out = {name for some in LEFT_OUT.values() for name in some}
    assert left_out | {*FIRST} <= names
    order = [*FIRST, *sorted(names - left_out - {*FIRST})]
    return [*(f"tests/test_{name}.py" for name in order), DOCSTRINGS]


class Root:
    """A Debian of another architecture, with a copy of the sources and an extension built for it."""

    def __init__(self, path: Path) -> None:
        self.path, self.copy = path, path / COPY
        header = next(path.glob("usr/include/*/python3.*/pyconfig.h"))
        self.triplet, self.python = header.parts[-3], header.parts[-2].removeprefix("python")
        self.arch = self.triplet.partition("-")[0]

    def build(self) -> None:
        """Put the sources there, and beside them the extension, which is compiled where theirs differ."""
        unwanted = shutil.ignore_patterns("*.so", "__pycache__", "_core.c", ".git", ".venv", "build", "results")
        shutil.copytree(HOME, self.copy, ignore=unwanted, dirs_exist_ok=True)
        for path in self.copy.rglob("*.py"):  # the rest stays, and with it what Python has compiled
            if not (HOME / path.relative_to(self.copy)).exists():
                path.unlink()
        for name in (BUILT, REPORTS):
            (self.path / name).mkdir(exist_ok=True)
        if not (self.path / INSTALLED).is_symlink():
            (self.path / INSTALLED).symlink_to("python3/dist-packages")
        package = self.copy / "fastinit"
        paths = sorted(path for one in ("*.px*", "*.pyx", "src/*") for path in package.glob(one))
        extension = self.path / BUILT / f"{digest(map(Path.read_bytes, [self.copy / 'setup.py', *paths]))}.so"
        if not extension.exists():
            self._compile(extension)
        target = package / f"_core.cpython-{self.python.replace('.', '')}-{self.triplet}.so"
        target.unlink(missing_ok=True)  # not written over: another run may have it loaded
        shutil.copy(extension, target)

    def _compile(self, extension: Path) -> None:
        package = self.copy / "fastinit"
        subprocess.run([sys.executable, "-m", "cython", "-3", "fastinit/_core.pyx"], cwd=self.copy, check=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(self._compiled, [package / "_core.c", *sorted(package.glob("src/*.c"))]))
        arguments = [*objects, *SETUP.link_arguments("gnu", False), "-o", extension]
        subprocess.run([*self._compiler(), "-shared", *arguments], check=True)

    def _compiler(self) -> list[str]:
        return [f"{self.triplet}-gcc"]

    def _compiled(self, source: Path) -> Path:
        """The object of a source, by the arguments of setup.py and those that any extension has."""
        extension, target = SETUP.core(), self.path / BUILT / f"{source.stem}.o"
        headers = self.path / "usr/include"
        numpy = self.path / "usr/lib/python3/dist-packages/numpy/_core/include"
        command = [
            *self._compiler(),
            *SETUP.compile_arguments("gnu", False, partial(SETUP.takes, self._compiler())),
            *("-fPIC", "-DNDEBUG", *(f"-D{name}={value}" for name, value in extension.define_macros)),
            *(f"-I{folder}" for folder in (self.copy / "fastinit", numpy, headers / f"python{self.python}")),
            # The C library is the compiler's own: the root's is searched last, for what Python's headers include.
            *("-idirafter", headers),
        ]
        subprocess.run([*command, "-c", source, "-o", target], check=True)
        return target

    def run(self, *arguments: str, seconds: float | None = None) -> subprocess.CompletedProcess[str]:
        """Python there, in the copy: with processes of its own, which end with it, and this machine's devices."""
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.path / 'proc'}"]
        devices = ["sh", "-c", 'mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"', str(self.path)]
        clean = [
            "env",
            "-i",
            "-C",
            f"/{COPY}",
            "HOME=/root",
            "PATH=/usr/bin:/bin",
            f"PYTHONPATH=/{INSTALLED}:/{COPY}",
            "LANG=C.UTF-8",
        ]
        command = [*apart, *devices, *clean, "python3", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)

    def outcomes(self, part: str) -> Path:
        """Where those of a part's tests stay."""
        return self.path / REPORTS / Path(part).with_suffix(".jsonl").name

    def sources(self, part: str) -> str:
        """A digest of what a part is run on, as it lies there."""
        paths = (path for path in self.copy.glob("fastinit/**/*") if path.suffix in PACKAGE and path.name != "_core.c")
        own = [] if part == DOCSTRINGS else [part]
        others = (self.copy / name for name in ("setup.py", "tests/conftest.py", *own))
        return digest(map(Path.read_bytes, [*sorted(paths), *others]))

    def known(self, part: str) -> dict[str, Any]:
        """What is known of a part there, and of which sources all is but what is `earlier`."""
        sources = self.sources(part)
        return {**summary(self.outcomes(part), sources), "sources": sources}

    def machine(self) -> dict[str, str]:
        """As `record.machine`, asked there, and what emulates it."""
        asked = self.run("-c", "import json; from proof.record import machine; print(json.dumps(machine()))")
        if asked.returncode:
            sys.exit(asked.stderr)
        found = dict(json.loads(asked.stdout))
        if self.arch == platform.machine():
            return found
        qemu = [f"qemu-{self.arch.replace('powerpc', 'ppc')}-static", "--version"]
        emulator = subprocess.run(qemu, capture_output=True, text=True, check=True).stdout.splitlines()[0]
        return {**found, "emulator": emulator}


def run_part(root: Root, part: str, seconds: float, quick: float | None, faster: Root | None) -> dict[str, Any]:
    """What is known of a part when it has run for so long, or has ended."""
    outcomes = root.outcomes(part)
    doors = [f"--ignore=fastinit/{name}" for name in DOORS] if part == DOCSTRINGS else []
    plugin = ["-p", "proof.outcomes", f"--outcomes=/{outcomes.relative_to(root.path)}"]
    plugin += [f"--sources={root.sources(part)}"]
    if faster is not None and faster.outcomes(part).exists():
        times = outcomes.with_suffix(".times")
        shutil.copy(faster.outcomes(part), times)
        plugin += [f"--times=/{times.relative_to(root.path)}", f"--quick={quick}"]
    try:
        done = root.run(
            "-m", "pytest", part, "-m", "not slow", "-p", "no:cacheprovider", *plugin, *doors, seconds=seconds
        )
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        said = f"cut off after {seconds} s\n"
    outcomes.with_suffix(".txt").write_text(said)
    return root.known(part)


def passed(found: dict[str, Any]) -> bool:
    return bool(found["ended"] and not found["failed"])


def told(found: dict[str, Any]) -> str:
    skipped = sum(found["skipped"].values())
    counts = f"{found['passed']} passed, {len(found['failed'])} failed, {skipped} skipped"
    return f"{counts} of {found['tests'] or 'an unknown number'} in {found['seconds']} s"


class Proof:
    """What is found of the parts on one machine, and the line that says so."""

    def __init__(self, root: Root, path: Path) -> None:
        root.build()
        self.root, self.path, self.where = root, path, root.machine()
        self.claim = f"no test of what needs NumPy alone fails on {root.arch}, of those that were run"
        line = stored_line(path.parent, path.stem, self.claim)
        stored = line["found"]["parts"] if line and line["machine"] == self.where else {}
        known = {part: one for part, one in stored.items() if one.get("sources") == root.sources(part)}
        begun = {part: root.known(part) for part in parts() if root.outcomes(part).exists()}
        self.found: dict[str, dict[str, Any]] = {**known, **begun}

    def wants(self, part: str) -> bool:
        return part not in self.found or not passed(self.found[part])

    def is_whole(self) -> bool:
        return not any(map(self.wants, parts()))

    def add(self, part: str, found: dict[str, Any]) -> None:
        """Put what was found of a part into the line, with the counts of all."""
        self.found = {one: {**self.found, part: found}[one] for one in parts() if one in (*self.found, part)}
        all_parts = self.found.values()
        whole = {
            "passed": sum(one["passed"] for one in all_parts),
            "failed": sum(len(one["failed"]) for one in all_parts),
            "failed before": sum(sum(one["failed before"].values()) for one in all_parts),
            "skipped": sum(sum(one["skipped"].values()) for one in all_parts),
            "earlier": sum(one["earlier"] for one in all_parts),
            "not run": [one for one in parts() if one not in self.found],
            "not ended": [one for one, found in self.found.items() if not found["ended"]],
            "parts": self.found,
        }
        keep(
            self.path.stem,
            self.claim,
            command="python -m proof.machines ROOT",
            holds=not whole["failed"],
            found=whole,
            seconds=sum(one["seconds"] for one in all_parts),
            where=self.where,
            folder=self.path.parent,
        )


def main(argv: list[str]) -> int:
    """Part by part over all machines, so that the first parts are known of each before the last are run on any."""
    parser = argparse.ArgumentParser("python -m proof.machines", description=__doc__.splitlines()[0])
    parser.add_argument("roots", nargs="+", type=Path, metavar="ROOT", help="a Debian of another architecture")
    parser.add_argument("--part", dest="named", action="append", choices=parts(), help="whatever is stored (all)")
    parser.add_argument("--jobs", type=int, default=1, help="parts at a time (%(default)s)")
    parser.add_argument("--seconds", type=float, default=1800, help="for a part (%(default)s)")
    parser.add_argument("--quick", type=float, metavar="SECONDS", help="leave what takes longer in --times for later")
    parser.add_argument("--times", type=Path, metavar="ROOT", help="one of this machine's own kind, where all ran")
    parser.add_argument("--json", type=Path, default=RESULTS / "machines.json", help="where it is stored (%(default)s)")
    options = parser.parse_args(argv)
    if (options.quick is None) != (options.times is None):
        parser.error("`--quick` must be given with `--times`")
    faster = options.times and Root(options.times.resolve())
    proofs = [Proof(Root(path.resolve()), options.json) for path in options.roots]
    wanted = [(part, one) for part in options.named or parts() for one in proofs if options.named or one.wants(part)]
    for part, proof in wanted if options.named else []:
        proof.root.outcomes(part).unlink(missing_ok=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        ask = partial(pool.submit, run_part, seconds=options.seconds, quick=options.quick, faster=faster)
        running = {ask(proof.root, part): (part, proof) for part, proof in wanted}
        for done in as_completed(running):
            part, proof = running[done]
            proof.add(part, done.result())
            print(f"{proof.root.arch} {part}: {told(done.result())}", flush=True)
    return int(not all(proof.is_whole() for proof in proofs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
