"""The floors of the house, by parsing: every import and every include goes down, or stays on its floor.

Inside a package the rooms stand one above the other: what a file imports of its own package stands below it.
"""

import ast
import os
import re
import shlex
import subprocess
from hashlib import blake2b
from pathlib import Path

import pytest

import fastinit as fi
from fastinit.cli import models

HOME = Path(__file__).parents[1]
ROOT = HOME / "fastinit"
CORE = ROOT / "src"

PYTHON_FLOORS = {
    3: ("locks", "_core", "reference"),
    4: (
        *("arguments", "dtypes", "records", "activations", "machine", "layout", "rectangles", "stream", "scaling"),
        *("missing", "version", "typing", "ranges", "laws", "fill", "streaming", "bit_generator"),
        *("generator", "tensor_files", "checkpoints", "whole_files"),
    ),
    5: (
        *("schemes", "findings", "repeats", "theory", "profiler", "sweeps", "comparison", "verification"),
        *("models", "saving"),
    ),
    6: ("__init__", "__main__", "cli", "torch", "jax", "keras", "dask"),
}
DOORS = {"cli", "torch", "jax", "keras", "dask"}
#: No door imports another. What a door imports by a name that it is given or computes, and where that stands: the
#: command line asks the door of torch, when a model is given to it, and is free of torch otherwise.
BY_NAME = {"cli/users_code.py": "modules of the user", "cli/models.py": "fastinit.torch"}
#: The twin shares the arithmetic of shapes and keys, and nothing that makes values.
TWIN_MAY_IMPORT = {"arguments", "layout", "scaling", "stream"}

#: The rooms of each package, lowest first: a file by its name, a folder as (name, its rooms). The __init__ of a folder
#: stands above its rooms, its __main__ above that.
INSIDE = {
    "laws": ("parameters", "law", "independent", "called", "haar", "structures", "placed", "whole", "packed"),
    "schemes": ("scheme", "table", "distributions", "fan_scaling", "structured"),
    "reference": (
        "widths",
        "cipher",
        "rounding",
        "elementary",
        "activations",
        "reals",
        "placing",
        "laws",
        "schemes",
        "deterministic",
        "structured",
        "streaming",
        "products",
        "signals",
        "columns",
    ),
    "theory": (
        "quadrature",
        "planes",
        "kernels",
        "maps",
        "false_position",
        "fixed_points",
        "criticality",
        "tangent",
        "normalisation",
        "finite_width",
    ),
    "profiler": (
        "products",
        "norms",
        "passes",
        "parallel",
        "progress",
        "statistics",
        "first_loss",
        "gram_factors",
        ("description", ("initialisation", "network", "signals", "keywords")),
        "tangent_kernel",
        (
            "steps",
            (
                "step",
                "matrices",
                "lazy_gaussian",
                "shared",
                "kernel_products",
                "linear",
                "units",
                "branches",
                "attention",
                "transformer",
                "layers",
                "jacobian",
                "kernel_beside",
                "propagation",
            ),
        ),
        ("columns", ("gram_sampling", "dealing", "layerwise", "plain", "residual", "propagation")),
        "methods",
        "prediction",
        "drawing",
        (
            "result",
            (
                *("described", "courses", "findings", "words", "training", "verdict", "advice"),
                *("frames", "fields", "layer_profile", "plain_network", "remedies", "network_profile", "comparison"),
            ),
        ),
        "runs",
        (
            "show",
            (
                *("axes", "coloured", "plain", "tables", "kernel", "table", "advice_table", "series", "plot"),
                *("charts", "html", "story"),
            ),
        ),
    ),
    "sweeps": (
        *("points", "stored", "executors", "result", "runs"),
        ("show", ("lines", "table", "plot", "html")),
    ),
    "cli": (
        "array_files",
        "readers",
        "users_code",
        "models",
        "scheme_options",
        "save_options",
        "standard_output",
        "profile_command",
        "profile_options",
        "sweep_options",
        "torch_commands",
        "verify_arrays",
        "verify_command",
        "shape_commands",
        "command_line",
    ),
    "models": ("patterns", "plans", "recipe", "recipes", "shards", "weights"),
    "jax": ("keys", "programs", "draws", "initializers", "shards", "transformation", "trees"),
    "keras": ("seeds", "tensors", "initializers", "fast"),
    "torch": (
        ("tensors", ("shards", "agreement", "fills", "checks", "copies", "names", "meta", "ties")),
        ("rules", ("modules", "weights", "recipe", "lists", "width")),
        ("calls", ("requests", "init", "visits", "wrapping", "answers", "fast")),
        (
            "models",
            (
                "reparametrised",
                "own",
                "steps",
                "resets",
                "recording",
                "plans",
                "buffers",
                "memory",
                "initialize",
                "saving",
                "pickled",
                "verification",
                "stored",
            ),
        ),
        "fill_parts",
        (
            "seen",
            (
                "patterns",
                "outputs",
                "returns",
                "paths",
                "factors",
                "tangents",
                "examples",
                "undisturbed",
                "centred",
                "expected",
                "head",
                "model",
                "verdicts",
                "model_profile",
                "watch",
                "arguments",
                "profiling",
                "lsuv",
                "coordinate_chart",
                "coordinates",
                "coordinate_arguments",
                "widening",
            ),
        ),
    ),
}

C_FLOORS = {
    0: ("portability.h", "cpu.h", "threads.*", "pages.*"),
    1: (
        *("ars.h", "ars.c", "key.h", "key.c", "real.h", "normal.h", "moments.h", "moment_merge.h"),
        *("activations.*", "elementary.*", "quarter_turns.h"),
    ),
    2: (
        "kernels*",
        "ars_wide.inc",
        "laws.inc",
        "activate.inc",
        "moments.inc",
        "moment_blocks.inc",
        "dispatch.*",
        "fill.*",
        "gather.*",
        "streaming.*",
        "gram.*",
        "row_sums.inc",
        "signals.*",
        "map.inc",
        "columns.*",
        "xla.*",
    ),
}
#: Compilers and platforms are told apart here only.
CONDITIONAL = {"portability.h", "cpu.h"}
BANNED = {"util", "utils", "helper", "helpers", "common", "misc", "manager"}


#: No file is longer; those of the tests may be.
MOST_LINES = 400


def files(root=ROOT):
    """Every module as a path below the package."""
    return [path.relative_to(root) for path in sorted(root.rglob("*.py"))]


def python_floor(name):
    floors = [floor for floor, names in PYTHON_FLOORS.items() if name in names]
    assert len(floors) == 1, f"{name} must stand on one floor of PYTHON_FLOORS"
    return floors[0]


def place_of(parts, root=ROOT):
    """The module that a dotted name is or lies in: ("profiler", "norms"), or (..., "__init__") of a package."""
    path = root.joinpath(*parts)
    if path.is_dir():
        return (*parts, "__init__")
    if any(path.with_suffix(suffix).is_file() for suffix in (".py", ".pyx")):
        return tuple(parts)
    return place_of(parts[:-1], root)


def imported(source, folder=(), root=ROOT):
    """(line, place) of each thing of ours that a module in a folder imports, wherever in it that stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ["fastinit", *folder[: len(folder) + 1 - node.level]] if node.level else []
            within = [*above, *(node.module or "").split(".")] if node.module else above
            names = [[*within, alias.name] for alias in node.names]
        else:
            continue
        for name in names:
            if name[0] == "fastinit":
                yield node.lineno, place_of(name[1:], root)


def may_import(name, other):
    """Whether a module or package at the top may import another one."""
    if name == "reference" and other != name:
        return other in TWIN_MAY_IMPORT
    if name in DOORS and other in DOORS:
        return name == other
    return name == other or python_floor(other) <= python_floor(name)


def order_of(rooms, *folder):
    """The files of a package, lowest first."""
    for room in rooms:
        if isinstance(room, str):
            yield (*folder, room)
        else:
            yield from order_of(room[1], *folder, room[0])
    yield (*folder, "__init__")
    yield (*folder, "__main__")


def upward(package, rooms, path, root=ROOT):
    """(line, place) of what a file imports of its own package and does not stand below it."""
    order = list(order_of(rooms, package))
    own = order.index(path.with_suffix("").parts)
    source = (root / path).read_text(encoding="utf-8")
    return [
        (line, "/".join(other))
        for line, other in imported(source, path.parts[:-1], root)
        if other[0] == package and not (other in order and order.index(other) < own)
    ]


@pytest.mark.parametrize("path", files(), ids=str)
def test_imports_go_down(path):
    name, source = path.with_suffix("").parts[0], (ROOT / path).read_text(encoding="utf-8")
    for line, (other, *_) in imported(source, path.parts[:-1]):
        assert may_import(name, other), f"{path}:{line} imports {other}"


@pytest.mark.parametrize("path", [path for path in files() if len(path.parts) > 1], ids=str)
def test_imports_inside_a_package_go_down(path):
    package = path.parts[0]
    for line, other in upward(package, INSIDE[package], path):
        raise AssertionError(f"{path}:{line} imports {other}")


def test_doors_import_by_name_where_it_says_so():
    found = {
        path.as_posix()
        for path in files()
        if path.with_suffix("").parts[0] in DOORS
        and {"import_module", "__import__"} & set(re.findall(r"\w+", (ROOT / path).read_text(encoding="utf-8")))
    }
    assert found == set(BY_NAME)
    for name in (models.STORED, models.RECIPES):
        assert (HOME / f"{name.replace('.', '/')}.py").is_file() and name.startswith(BY_NAME["cli/models.py"])


def test_every_file_of_a_package_has_its_room():
    found = {path.with_suffix("").parts for path in files() if len(path.parts) > 1}
    rooms = [room for package in INSIDE for room in order_of(INSIDE[package], package)]
    assert len(set(rooms)) == len(rooms)
    assert {room for room in rooms if room[-1] != "__main__"} <= found <= set(rooms)


def test_every_form_of_import_is_seen():
    source = """
import fastinit
import fastinit.fill as f
from fastinit import _core
from fastinit.schemes import init
from . import machine, __version__
from .cli import main
import numpy
from numpy import fill
def later():
    from .scaling import gain
"""
    found = ["/".join(place) for _, place in imported(source)]
    assert found == ["__init__", "fill", "_core", "schemes/__init__", "machine", "__init__", "cli/__init__", "scaling"]
    tops = [other.split("/")[0] for other in found]
    assert [may_import("fill", other) for other in tops] == [False, True, True, False, True, False, False, True]
    assert [may_import("torch", other) for other in ("jax", "cli", "torch", "schemes")] == [False, False, True, True]
    twins = ("_core", "fill", "layout", "reference")
    assert [may_import("reference", other) for other in twins] == [False, False, True, True]


def test_rooms_of_folders_stand_one_above_the_other(tmp_path):
    sources = {
        "rooms/__init__.py": "from .top import a",
        "rooms/__main__.py": "from . import a",
        "rooms/low.py": "from .. import _core; from .high.second import f",
        "rooms/high/__init__.py": "from .first import e",
        "rooms/high/first.py": "if TYPE_CHECKING:\n    from .second import f\nfrom ..low import b",
        "rooms/high/second.py": "from . import first, e\nfrom ...fill import draw\nimport fastinit.rooms.low",
        "rooms/top.py": "from .high import e\nfrom .high.second import f\nfrom . import top, low, other",
        "fill.py": "",
    }
    for name, source in sources.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    rooms = ("low", ("high", ("first", "second")), "top")
    found = {path.as_posix(): upward("rooms", rooms, path, tmp_path) for path in files(tmp_path)[1:]}
    assert {name: lines for name, lines in found.items() if lines} == {
        "rooms/low.py": [(1, "rooms/high/second")],
        "rooms/high/first.py": [(2, "rooms/high/second")],
        "rooms/high/second.py": [(1, "rooms/high/__init__")],
        "rooms/top.py": [(3, "rooms/top"), (3, "rooms/__init__")],
    }


def bound_names(source):
    """What the functions and classes of a module are called, its own and those that it imports by name."""
    nodes = list(ast.walk(ast.parse(source)))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    own = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return own | {alias.asname or alias.name for node in imports for alias in node.names}


@pytest.mark.parametrize("package", sorted({path.parent for path in files()}), ids=str)
def test_modules_have_names_of_their_own(package):
    """A module and a public function of one name would hide each other."""
    names = {path.name.removesuffix(".py") for path in (ROOT / package).iterdir() if path.suffix in ("", ".py")}
    assert not BANNED & {word for name in names for word in name.split("_")}
    assert not names & bound_names((ROOT / package / "__init__.py").read_text(encoding="utf-8"))


def test_the_roof_and_its_stub_name_the_same():
    """And no public name is that of a module, but those that are modules."""
    nodes = [node for node in ast.parse((ROOT / "__init__.pyi").read_text()).body if isinstance(node, ast.ImportFrom)]
    told = {alias.asname: (f".{node.module or ''}", alias.name) for node in nodes for alias in node.names}
    modules = {name for name in fi.__all__ if name in fi._MODULES}
    assert told == {name: ("." if name in modules else fi._HOME[name], name) for name in fi.__all__}
    assert {path.parts[0].removesuffix(".py") for path in files()} & {*fi.__all__} == modules


def test_no_module_asks_the_roof_for_a_name():
    """It would wait for one that holds the lock of the roof and waits for the module."""
    for path in files():
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == len(path.parts) and not node.module:
                assert not {alias.name for alias in node.names} & {*fi._HOME, *fi._MODULES}, f"{path}:{node.lineno}"


def test_the_pins_of_the_frozen_stream_are_as_they_were():
    """A failure of theirs is mended in the code. There is no other way."""
    pins = (HOME / "tests" / "test_stream_1.py").read_text(encoding="utf-8")
    assert blake2b(pins.encode(), digest_size=16).hexdigest() == "060a9ab4d56b2f68661e3d57611b1c11"


LENGTHS = [
    path.relative_to(HOME)
    for folder in (ROOT, HOME / "bench", HOME / "proof")
    for path in sorted(folder.rglob("*"))
    if path.suffix in (".py", ".pyi", ".pyx", ".pxi", ".c", ".h", ".inc") and path != ROOT / "_core.c"
]


@pytest.mark.parametrize("path", [*LENGTHS, Path("setup.py"), Path("Makefile")], ids=str)
def test_files_are_read_in_one_sitting(path):
    lines = (HOME / path).read_text(encoding="utf-8").count("\n")
    assert lines <= MOST_LINES, f"{path} has {lines} lines"


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
