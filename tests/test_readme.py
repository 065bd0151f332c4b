"""The README: short, its Python blocks run in order in one program, and its figures are those of the stored runs."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import pytest

HOME = Path(__file__).parents[1]
README = (HOME / "README.md").read_text(encoding="utf-8")
BLOCKS = [dedent(block) for _, block in re.findall(r"^( *)```python\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)]
PROSE = re.sub(r"```.*?```|<!-- bench:begin.*bench:end -->", "", README, flags=re.DOTALL)


def test_python_blocks_run():
    """Those of PyTorch where it is installed."""
    assert len(BLOCKS) == 4 and sum("import torch" in block for block in BLOCKS) == 1
    run = [block for block in BLOCKS if "import torch" not in block or find_spec("torch")]
    exec(compile("\n".join(run), "README.md", "exec"), {})


def test_it_is_read_in_a_minute():
    assert len(README.splitlines()) <= 150
    assert len(BLOCKS[0].splitlines()) <= 6


def test_sentences_are_short():
    text = re.sub(r"!\[.*?\]\(.*?\)|^#.*$|`[^`]*`", "x", PROSE, flags=re.MULTILINE)
    for sentence in re.split(r"[.:;!?](?:\s|$)|\n\s*\n|^[*\d]", text, flags=re.MULTILINE):
        assert len(sentence.split()) <= 30, sentence


def test_figures_of_speed_are_those_of_the_stored_run():
    pytest.importorskip("rich")
    pytest.importorskip("threadpoolctl")
    from bench import report
    from bench.targets import ratio

    results = report.load(HOME / "bench" / "results" / "quick.json")
    races = {f"{race['group']}/{race['name']}": race for race in results["races"]}
    normal, moments = races["fills/normal float32 16 Mi"], races["moments/moments of order 4 float32 16 Mi"]
    took = [report.duration(race["entrants"]["fastinit"]["median"]) for race in (normal, moments)]
    typed = f"{ratio(normal, 'fastinit', 'numpy as typed').times.median:.0f}"
    assert f"take {took[0]} on one thread, {typed} times less" in README and f"take {took[1]}, with" in README
    assert f"{report.START}\n{report.short_section(results)}\n{report.END}" in README


def test_figures_of_the_verdict_are_those_of_the_stored_run():
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    from bench.trainability import judging
    from bench.trainability.report import counted

    found = json.loads((HOME / "bench" / "results" / "trainability.json").read_text())["networks"]
    held_out = [one for one in found if one["fold"] == "held out"]

    def right(rule, optimiser):
        counts = counted(held_out, rule, optimiser)
        return f"{(counts[True, True] + counts[False, False]) / len(held_out):.0%}".replace("%", " %")

    rates = [right(rule, optimiser) for rule in ("verdict", "signal alone") for optimiser in judging.OPTIMISERS]
    told = "Of {} networks that no bound was chosen on, {} are judged rightly with SGD and {} with Adam."
    assert told.format(len(held_out), *rates[:2]) in README
    assert "The signal alone is right for {} and {}.".format(*rates[2:]) in " ".join(README.split())
