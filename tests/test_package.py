"""What is installed: its metadata, its typing, and what it says where its extension is missing."""

import ast
import re
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import entry_points, metadata, version
from pathlib import Path

import pytest
from conftest import asked, brought

import fastinit as fi
from fastinit import _core
from fastinit.cli import main
from fastinit.missing import missing

PACKAGE = Path(fi.__file__).parent
EXTRAS = {
    *("bench", "profile", "trainability", "torch", "jax", "keras", "dask", "safetensors", "frame", "bfloat16"),
    *("docs", "test"),
}


def test_metadata():
    found = metadata("fastinit-nn")
    assert found["Name"] == "fastinit-nn"
    assert found["License-Expression"] == "Apache-2.0"
    assert found["Requires-Python"] == ">=3.10"
    assert found["Author"] == "fastinit developers"
    assert version("fastinit-nn") == fi.__version__ == "0.2.0.dev0"
    assert set(found.get_all("Provides-Extra")) == EXTRAS
    needed = [one for one in found.get_all("Requires-Dist") if "extra ==" not in one]
    assert needed == ["numpy>=2.0"]


def test_description_has_no_links_that_an_index_cannot_follow():
    text = metadata("fastinit-nn").get_payload()
    assert text.startswith("# fastinit\n") and "## Measured" in text
    assert "](" not in text and "bench/results" not in text


def test_command():
    (command,) = (one for one in entry_points(group="console_scripts") if one.name == "fastinit")
    assert command.load() is main


def test_files_beside_the_modules():
    for name in ("py.typed", "_core.pyi", "STREAM.md"):
        assert (PACKAGE / name).is_file()


def test_stub_names_what_the_extension_has():
    """Functions with their parameters, classes with their own members."""
    stub = {node.name: node for node in ast.parse((PACKAGE / "_core.pyi").read_text()).body if hasattr(node, "name")}
    ours = {
        name
        for name, value in vars(_core).items()
        if not name.startswith("__") and getattr(value, "__module__", None) == _core.__name__
    }
    assert set(stub) == ours
    for name, node in stub.items():
        value = getattr(_core, name)
        if isinstance(node, ast.FunctionDef):
            assert [one.arg for one in node.args.args] == list(value.__code__.co_varnames[: value.__code__.co_argcount])
        else:
            members = {one.target.id if isinstance(one, ast.AnnAssign) else one.name for one in node.body}
            assert {one for one in members if not one.startswith("__")} == {
                one for one in vars(value) if not one.startswith("__")
            }


@pytest.mark.parametrize("is_installed", [False, True])
def test_missing_extension_is_a_loud_error(tmp_path, is_installed):
    """Of the import itself. Without site (-S), where an editable installation would still find the core."""
    source, site = (tmp_path / name / "fastinit" for name in ("source", "site"))
    source.mkdir(parents=True)
    for path in PACKAGE.glob("*.py"):
        shutil.copy(path, source)
    if is_installed:
        shutil.copytree(source, site)
        (site / f"_core{EXTENSION_SUFFIXES[0]}").touch()
    code = "import sys; sys.path[:0] = sys.argv[1:]; import fastinit"
    command = [sys.executable, "-ISc", code, source.parent, site.parent]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = (
        "the C core of fastinit is not built: run `pip install .` in its source folder and start Python in another "
        "one, or `pip install --editable .` to import it there too"
    )
    if is_installed:
        said = (
            f"{source} is the source of fastinit, and hides the installed one ({site}): start Python in another "
            "folder, or run `pip install --editable .` in the source folder, to import it there too"
        )
    assert done.stderr.splitlines()[-1] == f"ImportError: {said}"


def test_every_command_that_installs_is_of_one_home():
    """And each extra that one names is there."""
    text = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob("*.py")}
    assert [name for name, one in text.items() if "pip install" in one] == ["missing.py"]
    calls = [found for one in text.values() for found in re.findall(r"raise missing\((.*)\) from", one)]
    extras = {found.rpartition(", ")[2].strip('"') for found in calls} - {"transformers"}
    assert calls and extras <= EXTRAS
    assert str(missing("a client", "distributed", "dask")) == (
        "a client needs distributed: pip install 'dask[array,distributed]' "
        "(or '.[dask]' in the source folder of fastinit)"
    )


def rooms_of(modules):
    return {name for name in modules if name.partition(".")[0] == "fastinit"}


def test_the_import_waits_for_nothing():
    modules = brought("import fastinit")
    assert rooms_of(modules) == {"fastinit", "fastinit.locks", "fastinit.version"}
    assert not modules & {"numpy", "argparse", "dataclasses", "decimal", "inspect", "pathlib"}


def test_a_name_brings_what_it_needs():
    modules = brought("import numpy.random; before |= set(sys.modules); from fastinit import normal")
    assert {"fastinit._core", "fastinit.schemes.distributions"} <= modules
    others = {"generator", "profiler", "schemes.structured", "streaming", "theory", "verification"}
    assert not modules & {f"fastinit.{name}" for name in others}
    assert not modules & {"decimal", "numpy.ma", "numpy.polynomial", "pathlib"}


def test_a_name_is_looked_up_once():
    code = "import fastinit; fastinit.{0}; assert fastinit.{0} is vars(fastinit)['{0}']"
    for name in ("he_normal", "theory", "random", "arange"):
        assert "numpy" in brought(code.format(name))


def test_threads_may_ask_for_different_names_at_once():
    """Each begins in another room: without the lock, some found a module that another had half imported."""
    code = """
import threading
import fastinit
start, found = threading.Barrier(len(fastinit.__all__)), {}
def ask(name):
    start.wait()
    found[name] = getattr(fastinit, name)
threads = [threading.Thread(target=ask, args=[name]) for name in fastinit.__all__]
for step in (threading.Thread.start, threading.Thread.join):
    for thread in threads:
        step(thread)
assert found == {name: getattr(fastinit, name) for name in fastinit.__all__}
"""
    assert "fastinit.profiler" in brought(code)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("--help", 0),
        ("--version", 0),
        ("", 2),
        ("profle", 2),
        ("info --help", 0),
        ("profile --help", 0),
        ("torch --help", 0),
        ("torch plan --help", 0),
        ("torch profile --help", 0),
        ("torch verify --help", 0),
        ("torch save --help", 0),
        ("torch profile --shape 3", 2),
        ("profile --model my.models:gpt", 2),
        ("profile --dpeth 3", 2),
        ("profile --width many", 2),
        ("profile --png p.gif", 2),
    ],
)
def test_what_the_command_line_says_without_numpy(arguments, status):
    modules = asked(*arguments.split(), status=status)
    assert "argparse" in modules and not modules & {"numpy", "inspect", "traceback"}


def test_help_of_verification_has_no_need_of_what_verifies():
    modules = asked("verify", "--help")
    assert "fastinit.schemes" in modules
    assert not modules & {"fastinit.profiler", "fastinit.verification", "rich"}
