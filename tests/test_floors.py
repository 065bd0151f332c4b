"""The floors of the house, by parsing: every import and every include goes down, or stays on its floor."""

import ast
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import fastinit as fi

ROOT = Path(__file__).parents[1] / "fastinit"
CORE = ROOT / "src"

PYTHON_FLOORS = {
    3: ("_core", "reference"),
    4: (
        *("arguments", "activations", "machine", "layout", "rectangles", "stream", "scaling"),
        *("fill", "streaming", "generator"),
    ),
    5: ("deterministic", "structured", "schemes", "theory", "profiler", "verification"),
    6: ("__init__", "__main__", "cli", "torch", "jax", "keras", "dask"),
}
DOORS = {"cli", "torch", "jax", "keras", "dask"}
#: The twin shares the arithmetic of shapes and keys, and nothing that makes values.
TWIN_MAY_IMPORT = {"arguments", "layout", "scaling", "stream"}

C_FLOORS = {
    0: ("portability.h", "cpu.h", "threads.*", "pages.*"),
    1: ("ars.h", "ars.c", "real.h", "normal.h", "moments.h"),
    2: ("kernels*", "ars_wide.inc", "laws.inc", "moments.inc", "dispatch.*", "fill.*", "streaming.*"),
}
#: Compilers and platforms are told apart here only.
CONDITIONAL = {"portability.h", "cpu.h"}
BANNED = {"util", "utils", "helper", "helpers", "common", "misc", "manager"}


def modules():
    """{name: source} of every module; those of a package are together under its name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).parts[0].removesuffix(".py")
        found.setdefault(name, []).append(path)
    return found


def python_floor(name):
    floors = [floor for floor, names in PYTHON_FLOORS.items() if name in names]
    assert len(floors) == 1, f"{name} must stand on one floor of PYTHON_FLOORS"
    return floors[0]


def imported(source, depth=1):
    """(line, module of ours) of each import in a module so deep; `from . import name` of no module is __init__."""
    known = {*modules(), "_core"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "fastinit"]
        elif isinstance(node, ast.ImportFrom) and (node.level == depth or (node.module or "").startswith("fastinit")):
            module = (node.module or "").removeprefix("fastinit").strip(".")
            names = [f"fastinit.{module}"] if module else [f"fastinit.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first = [*name.split("."), "__init__"][1]
            yield node.lineno, first if first in known else "__init__"


def may_import(name, other):
    if name == "reference":
        return other in TWIN_MAY_IMPORT
    if name in DOORS and other in DOORS:
        return name == other
    return name == other or python_floor(other) <= python_floor(name)


MODULES = [(name, path) for name, paths in modules().items() for path in paths]


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[str(path.relative_to(ROOT)) for _, path in MODULES])
def test_imports_go_down(name, path):
    for line, other in imported(path.read_text(encoding="utf-8"), len(path.relative_to(ROOT).parts)):
        assert may_import(name, other), f"{path.name}:{line} imports {other}"


def test_every_form_of_import_is_seen():
    source = """
import fastinit
import fastinit.fill as f
from fastinit import _core
from fastinit.schemes import init
from . import machine, __version__
from .cli import main
import numpy
def later():
    from .scaling import gain
"""
    found = [other for _, other in imported(source)]
    assert found == ["__init__", "fill", "_core", "schemes", "machine", "__init__", "cli", "scaling"]
    assert [may_import("fill", other) for other in found] == [False, True, True, False, True, False, False, True]
    assert [may_import("torch", other) for other in ("jax", "cli", "torch", "schemes")] == [False, False, True, True]
    assert [may_import("reference", other) for other in ("_core", "fill", "layout")] == [False, False, True]


def test_modules_have_names_of_their_own():
    """A module and a public function of one name would hide each other."""
    for name in modules():
        assert not BANNED & set(name.split("_"))
        assert name not in vars(fi) or type(vars(fi)[name]).__name__ == "module", f"{name} is a function and a module"


def c_floor(name):
    floors = [floor for floor, patterns in C_FLOORS.items() if any(Path(name).match(pattern) for pattern in patterns)]
    assert len(floors) == 1, f"{name} must stand on one floor of C_FLOORS"
    return floors[0]


SOURCES = sorted(path for path in CORE.iterdir() if path.suffix in (".c", ".h", ".inc"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_includes_go_down(path):
    ours = re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), flags=re.MULTILINE)
    for name in ours:
        assert (CORE / name).exists()
        assert c_floor(name) <= c_floor(path.name), f"{path.name} includes {name}"


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name not in CONDITIONAL], ids=lambda path: path.name)
def test_conditionals_ask_our_own_macros(path):
    """Include guards apart, a condition names FI_* macros and no others."""
    guard = f"FI_{path.stem.upper()}_H"
    for directive, condition in re.findall(
        r"^\s*#\s*(ifdef|ifndef|if|elif)\b(.*)$", path.read_text(), flags=re.MULTILINE
    ):
        words = set(re.findall(r"[A-Za-z_]\w*", condition)) - {"defined"}
        assert all(word.startswith("FI_") for word in words), f"#{directive}{condition}"
        assert directive in ("if", "elif") or words == {guard}


@pytest.mark.parametrize("path", sorted(CORE.glob("kernels_*.c")), ids=lambda path: path.stem)
def test_a_kernel_file_offers_its_table_only(path, tmp_path):
    """The copy of a function that the linker keeps may be the one compiled for instructions the machine lacks."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    subprocess.run([*compiler, "-std=gnu11", "-O0", "-c", path, "-o", tmp_path / "kernels.o"], check=True)
    lines = subprocess.run(
        ["nm", "--extern-only", "--defined-only", tmp_path / "kernels.o"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert {line.split()[-1].removeprefix("_") for line in lines} <= {f"fi_{path.stem}"}
