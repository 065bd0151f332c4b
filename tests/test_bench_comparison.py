"""Two runs of the benchmark, held against each other: what changed, how much in all, and what may be the machine's."""

import copy
import json

import pytest

pytest.importorskip("rich")
pytest.importorskip("threadpoolctl")

from bench import baseline, comparison, timing
from bench.command_line import main


def entry(*samples):
    median, low, high = timing.summary(samples)
    return {"median": median, "iqr": high - low, "rounds": len(samples), "error": 0.0, "samples": list(samples)}


@pytest.fixture
def before():
    """Four races, each of three rounds."""
    names = ("slower", "faster", "by little", "spread")
    races = [
        {"group": "g", "name": name, "values": 1, "threads": 1, "entrants": {"fastinit": entry(1.0, 1.0, 1.01)}}
        for name in names
    ]
    machine = {"cpu": "A", "threads": 2, "isa": "avx512", "python": "3.11", "numpy": "2.4", "load": 0.1}
    return {
        "machine": machine,
        "settings": {"full": False, "unset": ""},
        "peers": {"torch": {"version": "2", "choices": {}}},
        "processes": {},
        "races": races,
        "failures": [],
    }


@pytest.fixture
def now(before):
    """Twice as long, half as long, 2 % longer, and with a spread in which the old times lie."""
    found = copy.deepcopy(before)
    samples = ((2.0, 2.0, 2.0), (0.5, 0.5, 0.5), (1.02, 1.02, 1.02), (0.5, 1.2, 4.0))
    for race, new in zip(found["races"], samples, strict=True):
        race["entrants"]["fastinit"] = entry(*new)
    return found


def test_what_changed_is_beyond_noise_and_the_worst_comes_first(before, now):
    found = comparison.changes(before, now)
    assert [(one.race, one.verdict) for one in found] == [
        ("g/slower", "slower"),
        ("g/spread", "same"),
        ("g/by little", "same"),
        ("g/faster", "faster"),
    ]
    assert comparison.table(found).rows[0] == ("g/slower", "1 s", "2 s", "0.5", "slower")
    with pytest.raises(ValueError, match="`--compare` must be two runs that have a race in common"):
        comparison.changes(before, now | {"races": []})


def test_one_sentence_has_the_counts_and_the_geometric_mean(before, now):
    del now["races"][2:]
    said = "Of 2 races, 1 slower, 1 faster, 0 the same; 1 times as fast as before (geometric mean)."
    assert comparison.sentence(comparison.changes(before, now)) == said


def told(before, now, tmp_path, *options):
    paths = [tmp_path / "before.json", tmp_path / "now.json"]
    for path, run in zip(paths, (before, now), strict=True):
        path.write_text(json.dumps(run))
    return main(["--compare", *map(str, paths), *options])


def test_the_sentence_comes_first_and_what_is_the_same_is_folded(before, now, tmp_path, capsys):
    now["races"].pop()
    assert told(before, now, tmp_path) == 1
    text = capsys.readouterr().out
    assert text.startswith("Of 3 races, 1 slower, 1 faster, 1 the same; 0.993 times as fast as before")
    assert "g/slower" in text and "g/faster" in text and "g/by little" not in text
    assert "1 race only before: left out." in text and "--all shows the 1 that are the same too." in text
    assert told(before, now, tmp_path, "--all") == 1
    assert "g/by little" in capsys.readouterr().out
    assert told(before, before, tmp_path) == 0
    text = capsys.readouterr().out
    assert text == (
        "Of 4 races, 0 slower, 0 faster, 4 the same; 1 times as fast as before (geometric mean).\n"
        "--all shows the 4 that are the same too.\n"
    )


def test_what_is_the_machine_s_is_said_above_the_table(before, now, tmp_path, capsys):
    now["machine"] |= {"load": 7.0, "isa": "avx2", "cpu": "B", "numpy": "2.5"}
    now["peers"]["torch"]["version"] = "3"
    now["settings"]["full"] = now["interrupted"] = True
    assert told(before, now, tmp_path) == 1
    text = " ".join(capsys.readouterr().out.split())
    above = text.partition("Before and now")[0]
    assert "now: The machine was not quiet: load 7.0 on 2 threads at the start" in above and "before: " not in above
    differ = "cpu 'A' and 'B'; isa 'avx512' and 'avx2'; numpy '2.4' and '2.5'; full False and True; torch 2 and 3."
    assert f"The runs differ in more than the code, and times may for that: {differ}" in above
    assert "now: the run was interrupted." in above


def test_runs_of_the_same_are_one_with_the_samples_of_all(before, now):
    whole = baseline.merged([before, copy.deepcopy(now)])
    found = whole["races"][0]["entrants"]["fastinit"]
    assert found == entry(1.0, 1.0, 1.01, 2.0, 2.0, 2.0) | {"rounds": 6}


def test_a_baseline_must_be_a_commit(capsys):
    assert main(["--baseline", "no-such-commit"]) == 2
    text = " ".join(capsys.readouterr().err.split())
    wrong = "python -m bench: `--baseline` must be a commit of this repository, got 'no-such-commit'"
    assert text.startswith(f"building no-such-commit {wrong}")


def test_a_baseline_needs_races_before_it_is_built(monkeypatch, capsys):
    monkeypatch.setattr(baseline, "_built", lambda _: pytest.fail("it is built"))
    assert main(["--baseline", "HEAD", "--only", "no such race"]) == 2
    assert "`--only` must be a pattern that finds a race" in capsys.readouterr().err


def test_a_baseline_is_raced_in_turn(monkeypatch, before, now, tmp_path, capsys):
    from contextlib import nullcontext

    runs = []
    monkeypatch.setattr(baseline, "_built", lambda _: nullcontext(tmp_path))
    monkeypatch.setattr(
        baseline, "_run", lambda tree, *how: runs.append((tree, *how)) or copy.deepcopy([now, before][tree == tmp_path])
    )
    assert main(["--baseline", "HEAD", "--only", "calls", "--full"]) == 1
    assert [tree == tmp_path for tree, *_ in runs] == [True, False, False, True, True, False]
    assert {run[1:] for run in runs} == {("calls", True)}
    shown = capsys.readouterr()
    assert shown.err.splitlines()[:3] == ["building HEAD", "round 1 of 3: HEAD", "round 1 of 3: this tree"]
    assert shown.out.startswith("Of 4 races, 1 slower, 1 faster")
