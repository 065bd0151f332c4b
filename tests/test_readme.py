"""Every Python block of the README runs, in order, in one program."""

import re
from pathlib import Path
from textwrap import dedent

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_python_blocks_run():
    blocks = re.findall(r"^( *)```python\n(.*?)^ *```", README, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    program = "\n".join(dedent(block) for _, block in blocks)
    exec(compile(program, "README.md", "exec"), {})
