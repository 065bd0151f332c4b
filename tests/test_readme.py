"""The README: short, its Python blocks run in order in one program, and its figures are those of the stored runs."""

from importlib.util import find_spec

import pytest
from pages import HOME, blocks_of, held_out, long_sentences, run, shares_right, shares_trained

PATH = HOME / "README.md"
README = PATH.read_text(encoding="utf-8")
BLOCKS = blocks_of(PATH)


def test_python_blocks_run():
    """Those of PyTorch where it is installed."""
    assert len(BLOCKS) == 4 and sum("import torch" in block for block in BLOCKS.values()) == 1
    run(PATH, {line: block for line, block in BLOCKS.items() if "import torch" not in block or find_spec("torch")})


def test_it_is_read_in_a_minute():
    assert len(README.splitlines()) <= 150
    assert len(next(iter(BLOCKS.values())).splitlines()) <= 6


def test_sentences_are_short():
    assert not long_sentences(README)


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
    by_verdict, by_signal = shares_right("verdict"), shares_right("signal alone")
    told = "Of {} networks that no bound was chosen on, {} are judged rightly with SGD and {} with Adam."
    assert told.format(len(held_out()), *by_verdict) in README
    told = "The signal alone is right for {} and {}; always saying yes, for {} and {}."
    assert told.format(*by_signal, *shares_trained()) in " ".join(README.split())
