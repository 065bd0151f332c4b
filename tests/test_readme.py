"""Every Python block of the README runs, in order, in one program."""

from pathlib import Path

from conftest import run_blocks

README = Path(__file__).parents[1] / "README.md"


def test_python_blocks_run():
    assert run_blocks(README) >= 8
