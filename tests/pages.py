"""Pages of text as the tests see them: their Python runs, their sentences are short, their figures are stored ones."""

import json
import re
from pathlib import Path
from textwrap import dedent

import pytest

HOME = Path(__file__).parents[1]


def blocks_of(path, language="python"):
    """What stands between fences of a language, without its indentation, by the number of lines before it."""
    text = path.read_text(encoding="utf-8")
    found = re.finditer(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return {text.count("\n", 0, one.start(2)): dedent(one[2]) for one in found}


def run(path, blocks):
    """Blocks of Python as one program, each line by its number on the page."""
    program = ""
    for line, block in blocks.items():
        program += "\n" * (line - program.count("\n")) + block
    exec(compile(program, path.name, "exec"), {"__name__": "__main__"})


def long_sentences(text):
    """Those of more than 30 words, of what is no code, table, heading or picture: a semicolon ends none."""
    prose = re.sub(r"^( *)```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^\s*(\||#|:::|!\[|<!--|    \w).*$", "", prose, flags=re.MULTILINE)
    prose = re.sub(r"`[^`]*`", "x", prose)
    paragraphs = re.split(r"\n\s*\n|\n\s*(?=[*>] |\d+\. )", prose)
    found = (one for paragraph in paragraphs for one in re.split(r"(?<=[.!?]) ", " ".join(paragraph.split())))
    return [one for one in found if len(one.split()) > 30]


def shares_right(rule):
    """Of the networks that no bound was chosen on, how many a rule judges rightly, with SGD and with Adam."""
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    from bench.trainability import judging
    from bench.trainability.report import counted

    found = held_out()
    counts = [counted(found, rule, optimiser) for optimiser in judging.OPTIMISERS]
    return [percent((one[True, True] + one[False, False]) / len(found)) for one in counts]


def shares_trained(grade="", wrong=False):
    """Of those that a verdict calls so, or of all, how many train with SGD and with Adam, or do not."""
    pytest.importorskip("torch")
    from bench.trainability.judging import OPTIMISERS, trained

    graded = {name: [one for one in held_out() if grade in ("", one["trains"][name])] for name in OPTIMISERS}
    return [percent(sum(trained(one, name) != wrong for one in some) / len(some)) for name, some in graded.items()]


def held_out():
    """The networks that no bound was chosen on."""
    stored = json.loads((HOME / "bench/results/trainability.json").read_text())["networks"]
    return [network for network in stored if network["fold"] == "held out"]


def percent(share):
    """As texts have it."""
    return f"{100 * share:.0f} %"
