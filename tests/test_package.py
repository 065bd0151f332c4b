"""What is installed: its metadata, its typing, and what it says where its extension is missing."""

import ast
import shutil
import subprocess
import sys
from importlib.metadata import entry_points, metadata, version
from pathlib import Path

import fastinit as fi
from fastinit import _core
from fastinit.cli import main

PACKAGE = Path(fi.__file__).parent
EXTRAS = {"bench", "profile", "torch", "safetensors", "frame", "bfloat16", "test"}


def test_metadata():
    found = metadata("fastinit-nn")
    assert found["Name"] == "fastinit-nn"
    assert found["License-Expression"] == "Apache-2.0"
    assert found["Requires-Python"] == ">=3.10"
    assert version("fastinit-nn") == fi.__version__ == "0.2.0.dev0"
    assert set(found.get_all("Provides-Extra")) == EXTRAS
    needed = [one for one in found.get_all("Requires-Dist") if "extra ==" not in one]
    assert needed == ["numpy>=2.0"]


def test_command():
    (command,) = (one for one in entry_points(group="console_scripts") if one.name == "fastinit")
    assert command.load() is main


def test_files_beside_the_modules():
    for name in ("py.typed", "_core.pyi", "STREAM.md"):
        assert (PACKAGE / name).is_file()


def test_stub_names_what_the_extension_has():
    """Functions with their parameters, classes with their own methods."""
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
            methods = {one.name for one in node.body if not one.name.startswith("__")}
            assert methods == {one for one in vars(value) if not one.startswith("__")}


def test_missing_extension_is_a_loud_error(tmp_path):
    """Of the import itself. Without site (-S), where an editable installation would still find the core."""
    (tmp_path / "fastinit").mkdir()
    for path in PACKAGE.glob("*.py"):
        shutil.copy(path, tmp_path / "fastinit")
    code = "import sys; sys.path.insert(0, sys.argv[1]); import fastinit"
    done = subprocess.run([sys.executable, "-S", "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    message = "ImportError: the C core of fastinit is not built: run `pip install .` in its source folder"
    assert done.stderr.splitlines()[-1] == message
