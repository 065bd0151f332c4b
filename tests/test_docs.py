"""The site of docs/: every example runs, every public name has a place, every link leads somewhere."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import run_blocks

HOME = Path(__file__).parents[1]
DOCS = HOME / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
#: Pages whose examples need a framework: `make test-doors` runs those whose framework is there.
FRAMEWORKS = {"torch": "torch", "jax": "jax", "keras": "keras", "dask": "dask", "many-machines": "distributed"}
#: What pages are of by the time that the site is built.
MADE = {"reference/command-line.md", "reference/dask.md", "benchmarks/table.md", "develop/specification.md"}


def name_of(path):
    return path.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("path", [path for path in PAGES if "```python" in path.read_text("utf-8")], ids=name_of)
def test_python_blocks_run(path, tmp_path, monkeypatch):
    """Each page is one program, in a folder of its own."""
    framework = FRAMEWORKS.get(path.stem)
    if framework and not (os.environ.get("FASTINIT_TEST_DOORS") and find_spec(framework)):
        pytest.skip(f"{framework} is not here, or FASTINIT_TEST_DOORS is not set")
    monkeypatch.chdir(tmp_path)
    assert run_blocks(path) >= 1
