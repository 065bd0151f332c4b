"""The benchmark suite: its arithmetic, its report, and what it does with wrong outputs and wrong arguments."""

import contextlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rich")
pytest.importorskip("threadpoolctl")

from rich.console import Console

from bench import checks, peers, plot, processes, report, running, standings, stopping, suite, targets, timing
from bench.command_line import main
from bench.needs import missing
from bench.options import PICTURES
from bench.peers import installed
from bench.races import ALL_THREADS, Entrant, Race, side, size_label, use_threads
from bench.running import chosen
from bench.suite import races

HEADLINE = "Of 2 races against the best other in each, 1 is lost, 0 won and 1 equal"
MARKED = f"before\n{report.START}\nold\n{report.END}\nafter\n"


@pytest.fixture(autouse=True)
def numpy_alone(monkeypatch, tmp_path):
    """No other peer is loaded: their threads would be there when other tests fork this process. No run is kept here."""
    monkeypatch.setattr(peers, "installed", lambda: (peers.arrays.NumPy(),))
    monkeypatch.setattr(running, "LAST", tmp_path / "last.json")
    yield
    use_threads(ALL_THREADS)


def entry(*samples):
    median, low, high = timing.summary(samples)
    return {"median": median, "iqr": high - low, "rounds": len(samples), "error": 1e-4, "samples": list(samples)}


def race(group, name, values, **entrants):
    return {"group": group, "name": name, "values": values, "threads": 1, "entrants": entrants}


@pytest.fixture
def results():
    """Two fills: one ahead of all but a peer that is too near to tell, and one lost."""
    machine = {"cpu": "A", "threads": 2, "isa": "avx2", "compiler": "C", "version": "0", "python": "3", "date": "today"}
    winner = {"fastinit": entry(0.01, 0.011, 0.012), "torch": entry(0.1, 0.1, 0.12)}
    others = {"near": entry(0.011, 0.0115, 0.012), "memset": entry(0.005, 0.005, 0.005)}
    won = race("fills", "normal float32 16 Mi", 1 << 24, **winner, **others)
    loser = {"fastinit": entry(0.04, 0.04, 0.04), "torch": entry(0.01, 0.01, 0.01)}
    lost = race("fills", "uniform float32 16 Mi", 1 << 24, **loser)
    return {
        "machine": machine,
        "settings": {"fewest": 3, "most": 3, "unset": "OPENBLAS_CORETYPE"},
        "peers": {"torch": {"version": "2", "choices": {}}},
        "processes": {"fill, beyond out, for each thread": {"MiB": 0.25}, "fastinit profile": {"seconds": 7.0}},
        "races": [won, lost, race("calls", "he_normal 8 x 8", 64, fastinit=entry(7e-6, 7e-6, 7e-6))],
        "failures": [],
    }


def test_ratio_is_the_median_over_rounds_and_knows_when_it_is_not_significant(results):
    won = results["races"][0]
    assert str(targets.ratio(won, "fastinit", "torch")) == "10 [9.55, 10]"
    assert str(targets.ratio(won, "fastinit", "near")) == "1.05, not significant"
    assert not targets.ratio(won, "fastinit", "near").significant


def test_geometric_mean():
    assert report.geometric_mean([2.0, 8.0]) == pytest.approx(4.0, rel=1e-15)


def test_fills_table_keeps_the_row_that_is_lost_and_averages_both(results):
    table = report.fills_table(results, largest=True)
    torch = table.heads.index("x torch")
    assert [row[0] for row in table.rows] == ["normal float32 16 Mi", "uniform float32 16 Mi", "geometric mean"]
    assert [row[torch] for row in table.rows] == ["10 [9.55, 10]", "0.25 [0.25, 0.25]", "1.58"]


def test_fills_table_shows_beside_each_fill_what_it_is_elsewhere(results):
    swept = race(
        "second fill", "normal float32 16 Mi", 1 << 24, fastinit=entry(0.02), torch=entry(0.05), memset=entry(1)
    )
    alone = race("fresh", "normal float32 16 Mi", 1 << 24, fastinit=entry(0.04), memset=entry(1))
    results["races"] += [swept, alone]
    table = report.fills_table(results, largest=True)
    assert table.heads[:6] == ("fastinit", "M values/s", "second fill", "fresh memory", "all threads", "error")
    assert table.rows[0][1:5] == ("1525", "839 (2.5 x torch)", "419", "")
    assert table.rows[1][2:5] == ("", "", "")


def lost_to(peer, own, other):
    return race("fills", "g", 1, fastinit=entry(*own), memset=entry(0.1), **{peer: entry(*other)})


@pytest.mark.parametrize(
    ("own", "other", "outcome"),
    [
        ((1.0, 1.0, 1.0), (1.1, 1.1, 1.1), "won"),
        ((1.0, 1.0, 1.0), (1.02, 1.02, 1.02), "equal"),
        ((1.0, 1.0, 1.0), (0.98, 0.98, 0.98), "equal"),
        ((1.0, 1.0, 1.0), (0.9, 0.9, 0.9), "lost"),
        ((1.0, 1.0, 1.0), (0.5, 0.9, 1.5), "equal"),  # not significant
        ((0.5, 1.0, 1.5), (1.2, 1.2, 1.2), "equal"),
    ],
)
def test_a_row_is_won_equal_or_lost(own, other, outcome, results):
    (row,) = standings.rows(results | {"races": [lost_to("torch", own, other)]})
    assert (row.race, row.peer, row.outcome) == ("fills/g", "torch", outcome)


def test_a_row_is_lost_to_the_fastest_of_those_who_are_surely_faster(results):
    one = lost_to("torch", (1.0, 1.0, 1.0), (0.9, 0.9, 0.9))
    one["entrants"] |= {"near": entry(0.1, 1.0, 2.0), "first": entry(0.8, 0.8, 0.8), "last": entry(2.0, 2.0, 2.0)}
    (row,) = standings.rows(results | {"races": [one]})
    assert (row.peer, row.outcome, str(row.ratio)) == ("first", "lost", "0.8 [0.8, 0.8]")


def test_rows_need_a_rival(results):
    own = race("torch", "1", 1, fastinit=entry(1.0), memset=entry(0.1), **{"fastinit, columns": entry(0.1)})
    sweep = race("sweep", "1", 1, dense=entry(1.0), matrix_free=entry(0.1))
    assert standings.rows(results | {"races": [own, sweep]}) == []
    assert standings.headline([]) == "No race has another's entrant that does the same work"


def test_lost_rows_are_named_with_the_reason(results):
    known = race("moments", "1", 1, fastinit=entry(1.0), bottleneck=entry(0.5))
    table = report.lost_table(standings.rows(results | {"races": [*results["races"], known]}))
    assert table.rows == [
        ("no reason known", "1", "fills/uniform float32 16 Mi (0.25 x torch)"),
        (standings.REASONS[-1][1], "1", "moments/1 (0.5 x bottleneck)"),
    ]


def test_reasons_are_of_rows_that_there_are():
    names = [f"{race.key}: {label}" for race in races() for label in (*race.entrants, "bottleneck", "oneMKL")]
    for pattern, _ in standings.REASONS:
        assert any(re.search(pattern, name) for name in names), pattern


def test_group_table_leaves_references_out_of_its_mean(results):
    rows = report.group_tables(results)[0].rows
    assert [row[1] for row in rows[:4]] == ["fastinit", "torch", "near", "memset"]
    assert rows[-1][0] == "geometric mean"
    assert float(rows[-1][-1]) == pytest.approx((10 * 11.5 / 11 * 0.25) ** (1 / 3), rel=5e-3)


def test_verdicts(results):
    verdicts = {(what, against): (rule, verdict) for what, against, _, rule, verdict in targets.judged(results)}
    assert verdicts["normal float32", "torch"] == ("9 x", "met")
    assert verdicts["uniform float32", "torch"] == ("14 x", "missed")
    assert verdicts["normal float64", "torch"] == ("13 x", "not measured")
    assert verdicts["he_normal((8, 8), seed=0)", "(call)"] == ("at most 0.8 us", "missed")
    assert verdicts["fill, beyond out, for each thread", "(process)"] == ("at most 1 MiB", "met")
    assert verdicts["fastinit profile", "(process)"] == ("at most 5 seconds", "missed")


def test_a_ratio_that_is_not_significant_meets_nothing(results):
    results["races"][0]["entrants"]["torch"] = entry(0.001, 0.011, 1.0)
    verdicts = {(what, against): verdict for what, against, _, _, verdict in targets.judged(results)}
    assert verdicts["normal float32", "torch"] == "not significant"


def test_a_call_may_take_so_long_beyond_another(results):
    calls = race("torch", "1000 calls without a draw", 1000, fastinit=entry(3e-3, 4e-3), torch=entry(1e-3, 3e-3))
    found = {row[0]: row for row in targets.judged(results | {"races": [calls]})}
    what = "fast_init, a call without a draw"
    assert found[what] == (what, "(beyond torch)", "1.5 us", "at most 2 us", "met")


def test_processes_may_be_unknown(results):
    assert targets.judged(results | {"processes": {}})[-1][2:] == ("", "at most 5 seconds", "not measured")


def test_limits_name_processes_that_there_are():
    assert {name for name, *_ in targets.LIMITS} <= {*processes.PROGRAMS, "fastinit profile"}


def test_processes_say_what_they_took():
    assert 0 <= processes.run(processes.PROGRAMS["fill, beyond out, for each thread"], 1)["MiB"] < 8
    small = next(text for name, text in processes.PROGRAMS.items() if name.startswith("tiled"))
    found = processes.run(small.replace("65536", "64"), 1)
    assert 0 < found["seconds"] < 60 and found["MiB"] > 1


@pytest.mark.parametrize(
    "name",
    [
        *("profile/dense 64, depth 16", "profile/dense 64, depth 50", "profile/dense 64, depth 30"),
        *("profile/tiled 1024", "profile/matrix_free 4096, depth 2", "profile/matrix_free 4096, depth 10"),
    ],
)
def test_baselines_of_profiles_are_right(name):
    """Each entrant passes the check of its race; the two ways of the same work give nearly the same."""
    found = next(race for race in races(4096) if race.key.startswith(name))
    buffer = found.buffer()
    for label in found.entrants:
        assert np.isfinite(found.checked(label, buffer).error)


def test_rounds_of_a_long_race():
    seen = []
    entrants = {"one": Entrant(lambda out: lambda: seen.append(1) or out)}
    long = Race("g", "n", 1, lambda: np.zeros(1), lambda *_: 0.0, entrants, rounds=2)
    for fewest in (9, 1):
        settings = timing.Settings(5.0, fewest, 41, 0.0)
        assert timing.run(long, settings, [])["entrants"]["one"]["rounds"] == min(2, fewest)


@pytest.mark.parametrize(("warm", "calls"), [(0.0, 3), (np.inf, 5)])
def test_a_race_says_which_calls_are_warmed_up(warm, calls):
    """One call that is checked, and one or two for each of two rounds."""
    seen = []
    entrants = {"one": Entrant(lambda out: lambda: seen.append(1) or out)}
    race = Race("g", "n", 1, lambda: np.zeros(1), lambda *_: 0.0, entrants, rounds=2, warm=warm)
    assert timing.run(race, timing.Settings(0.1, 2, 2, 0.0), [])
    assert len(seen) == calls


def test_who_is_far_behind_leaves_after_a_few_rounds(monkeypatch):
    seconds = {"one": 1.0, "near": 4.0, "far": 4.001}
    monkeypatch.setattr(timing, "_sample", lambda race, label, *_: seconds[label])
    entrants = {label: Entrant(lambda out: lambda: out) for label in seconds}
    race = Race("g", "n", 1, lambda: np.zeros(1), lambda *_: 0.0, entrants)
    found = timing.run(race, timing.Settings(0.0, 5, 5, 0.0), [])["entrants"]
    assert {label: entry["rounds"] for label, entry in found.items()} == {"one": 5, "near": 5, "far": 2}
    assert str(targets.ratio({"entrants": found}, "one", "far")) == "4 [4, 4]"


@pytest.mark.parametrize(
    ("memory", "bound", "calls", "sweeps"), [("warm", 1, 4, 0), ("swept", 1, 7, 3), ("fresh", 4, 4, 0)]
)
def test_memory_is_as_the_race_wants_it(memory, bound, calls, sweeps, monkeypatch):
    """One call that is checked, and three rounds of one, each after a fill and a sweep, or on memory of its own."""
    swept, buffers, called = [], [], []
    monkeypatch.setattr(timing, "sweep", lambda: swept.append(1))
    entrants = {"one": Entrant(lambda out: buffers.append(out) or (lambda: called.append(out)), writes=True)}
    race = Race("g", "n", 1, lambda: np.zeros(1), lambda *_: 0.0, entrants, warm=0.0, memory=memory)
    assert timing.run(race, timing.Settings(0.0, 3, 3, 0.0), [])
    assert (len(buffers), len({id(one) for one in buffers}), len(called), len(swept)) == (bound, bound, calls, sweeps)


def test_a_sweep_is_larger_than_the_caches():
    timing.sweep()
    assert timing._larger_than_caches().nbytes >= 1 << 20 and timing._larger_than_caches().all()


def test_the_result_of_who_writes_is_the_buffer():
    seen = []
    entrants = {
        "writes": Entrant(lambda out: lambda: out.fill(3), writes=True),
        "returns": Entrant(lambda out: lambda: np.full(1, 5.0)),
    }
    race = Race("g", "n", 1, lambda: np.zeros(1), lambda result, *_: seen.append(result[0]) or 0.0, entrants)
    for label in entrants:
        race.checked(label, np.zeros(1))
    assert seen == [3.0, 5.0]


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
@pytest.mark.parametrize("law", ["normal", "uniform", "truncated", "constant"])
def test_calls_of_numpy_fill_what_they_say(law, dtype):
    """Each passes the check of its race, whole and in parts, at sizes below and above a block."""
    names = [f"fills/{law} {dtype} 1 Ki", f"fills/{law} {dtype} 64 Ki", f"all threads/{law} {dtype} 64 Ki"]
    found = {race.key: race for race in races(1 << 16)}
    for race in (found[name] for name in names):
        buffer = race.buffer()
        for label in race.present:
            assert np.isfinite(race.checked(label, buffer).error)


def test_small_calls_and_loops_are_right():
    for race in (race for race in races(1 << 16) if race.group in ("calls", "moments", "loops")):
        buffer = race.buffer()
        assert {"fastinit"} <= set(race.present)
        for label in race.present:
            assert np.isfinite(race.checked(label, buffer).error)


def test_calls_of_numpy_have_races():
    assert set(peers.arrays.NumPy().calls()) <= {race.name for race in races() if race.group == "calls"}


def test_entrants_whose_package_is_missing_are_left_out():
    entrants = {
        "one": Entrant(lambda out: lambda: out, needs="no_such_package"),
        "two": Entrant(lambda out: lambda: out),
    }
    alone = Race("g", "n", 1, lambda: np.zeros(1), lambda *_: 0.0, entrants)
    failures = []
    assert alone.present == ["two"]
    assert timing.run(alone, timing.Settings(0.1, 1, 1, 0.0), failures) is None and not failures


def test_entrants_may_need_several_packages():
    assert missing("numpy no_such_package") == ["no_such_package"] and not missing("numpy rich") and not missing("")


def test_what_is_missing_is_said(results, capsys):
    report.show(results | {"missing": ["dask", "keras"]}, Console(width=200))
    assert "Not installed, and left out with what needs it: dask, keras." in capsys.readouterr().out
    assert " Not installed: dask, keras." in report.conditions(results | {"missing": ["dask", "keras"]})
    assert "Not installed" not in report.conditions(results)


def test_a_run_knows_what_is_missing(monkeypatch):
    """Of the races that it was asked for."""
    entrants = {label: Entrant(lambda out: lambda: out, needs=label) for label in ("numpy", "no_such_package")}
    one = Race("g", "n", 1, lambda: np.zeros(1), lambda *_: 0.0, entrants)
    other = replace(one, group="h", entrants={"other": Entrant(lambda out: lambda: out, needs="nor_this")})
    monkeypatch.setattr(suite, "races", lambda: [one, other])
    found = running.measure(False, "g/", Console(quiet=True))
    assert found["missing"] == ["no_such_package"]


@pytest.mark.parametrize(("key", "label"), [("points", "fastinit, one process"), ("save", "fastinit")])
def test_sweeps_and_saves_are_right(key, label):
    found = [race for race in races(4096) if race.group == key]
    assert found
    for race in found:
        assert np.isfinite(race.checked(label, race.buffer()).error)


def test_a_process_that_saves_takes_little():
    text = processes.PROGRAMS["save 1 GiB, fastinit"].replace("4096", "64")
    assert 1 < processes.run(text, 1)["MiB"] < 200


def test_targets_name_races_that_there_are():
    found = {race.key: race for race in races()}
    for target in targets.TARGETS:
        assert target.race in found, target
    own = [target for target in targets.TARGETS if target.entrant == "fastinit"]
    assert all("fastinit" in found[target.race].entrants for target in own)


def test_section_is_written_between_the_markers_once(results, tmp_path):
    path = tmp_path / "README.md"
    path.write_text(MARKED)
    for _ in range(2):
        report.write_between_markers(path, report.short_section(results))
        text = path.read_text()
        assert text.startswith(f"before\n{report.START}\n**{HEADLINE}** (A, avx2, float32 and one thread")
        assert text.endswith(f"40 ms | 10 ms torch (0.25 x, lost) |  | 10 ms |\n{report.END}\nafter\n")
        assert "old" not in text


def test_the_section_of_everything(results):
    text = report.section(results)
    heads = "| what | fastinit | best other | NumPy as typed | torch | where it loses |"
    assert text.startswith(f"**{HEADLINE}.**\n\n{heads}")
    assert text.index("| what |") < text.index("| why |") < text.index("\n\nA, 2 threads, avx2, C")
    assert text.count("| geometric mean |") == 2  # of the largest fills, and of all; calls have no rival here
    assert "Unset for this run: OPENBLAS_CORETYPE." in text


@pytest.mark.parametrize("text", ["", report.START, report.END + report.START, MARKED + MARKED])
def test_markers_must_be_there_once_and_in_order(text, tmp_path):
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(ValueError) as raised:
        report.write_between_markers(path, "new")
    rule = "a file with <!-- bench:begin --> and <!-- bench:end --> once each, in this order"
    assert str(raised.value) == f"`--readme` must be {rule}, got {str(path)!r}"
    assert path.read_text() == text


def test_report_runs_nothing_and_writes_everything(results, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    stored, readme = tmp_path / "results.json", tmp_path / "README.md"
    stored.write_text(json.dumps(results))
    readme.write_text(MARKED)
    assert main(["--report", str(stored), "--readme", str(readme), "--plots", str(tmp_path / "figures")]) == 0
    assert "0.25 x torch" in capsys.readouterr().out
    assert report.GLANCE[0][0] in readme.read_text()
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["peers.png", "sizes.png"]


def test_pictures_with_nothing_to_show_are_not_written(results, tmp_path):
    pytest.importorskip("matplotlib")
    assert plot.draw(results | {"races": []}, tmp_path) == [] == list(tmp_path.iterdir())


def test_lines_of_pictures_are_told_apart_without_gaps():
    """All is measured; who is of the same colour has another marker."""
    pytest.importorskip("matplotlib")
    stored = json.loads(Path(plot.__file__).with_name("results").joinpath("quick.json").read_text())
    figure = plot._sizes(stored)
    lines = [line for panel in figure.axes for line in panel.get_lines()]
    assert len(lines) > 20 and {line.get_linestyle() for line in lines} == {"-"}
    looks = {(line.get_color(), line.get_marker()) for line in lines}
    assert len(looks) == len(figure.legends[0].get_texts())


def test_picture_of_torch_has_the_rows_that_are_lost_to_the_best_of_its_ways(results):
    pytest.importorskip("matplotlib")
    ways = {"fastinit": entry(2.0), "torch": entry(4.0), "torch, method": entry(1.0)}
    lost = race("torch", "normal_ 64", 64, **ways)
    (panel,) = plot._torch(results | {"races": [lost]}).axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["normal_ 64, beside torch, method"]
    assert panel.collections[0].get_offsets()[:, 0].tolist() == [0.5]
    assert panel.get_xlim()[0] < 0.5 and "logarithmic" in panel.get_xlabel()


def test_bars_begin_at_zero_and_each_law_has_them(results):
    pytest.importorskip("matplotlib")
    fills = [
        race("fills", f"{law} float32 1 Mi", 1 << 20, fastinit=entry(2e-3), torch=entry(1e-3))
        for law in ("normal", "uniform", "truncated", "constant")
    ]
    panels = [panel for panel in plot._peers(results | {"races": fills}).axes if panel.patches]
    assert [panel.get_title() for panel in panels] == [fill["name"] for fill in fills]
    for panel in panels:
        assert panel.get_xlim()[0] == 0 and len(panel.patches) == 2
    lines = plot._sizes(results | {"races": fills}).axes
    assert [panel.get_title() for panel in lines] == [fill["name"].removesuffix(" 1 Mi") for fill in fills]
    assert all(len(panel.lines) == 2 for panel in lines)


def test_everything_is_shown_where_it_is_asked_for(results, tmp_path, capsys):
    stored = tmp_path / "results.json"
    stored.write_text(json.dumps(results))
    for options, shown in (([], False), (["--all"], True)):
        assert main(["--report", str(stored), *options]) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"{HEADLINE}.\nAt a glance") and text.index("At a glance") < text.index("Lost races")
        assert ("0.25 [0.25, 0.25]" in text, "--all shows every row of 3 races." in text) == (shown, not shown)


def test_rows_at_a_glance_are_races_of_the_quick_run():
    found = {race.key: race for race in races()}
    assert all(found[one.race].quick for one in (*report.GLANCE, *report.MORE)) and len(report.GLANCE) == 6


def test_each_race_with_a_rival_is_like_one_row_at_a_glance():
    every = [race for race in races() if standings.rivals({"entrants": race.entrants})]
    assert len(every) > 100
    for one in every:
        alike = [glance.what for glance in report.GLANCE if re.search(glance.like, one.key)]
        assert len(alike) == 1, (one.key, alike)
    for glance in report.GLANCE:
        assert re.search(glance.like, glance.race)


def test_a_glance_has_the_time_of_each_and_where_what_is_like_it_loses(results):
    results["races"] += [race("fresh", "uniform float32 16 Mi", 4, fastinit=entry(2.0), torch=entry(1.0))]
    (first, second) = report.glance_table(results).rows
    assert first == ("16 Mi normal values", "11 ms", "11.5 ms near (1.05 x)", "", "100 ms", "0 of 1 of normal laws")
    where = "2 of 2 of uniform laws; worst: fills/uniform float32 16 Mi (0.25 x torch)"
    assert second[1:] == ("40 ms", "10 ms torch (0.25 x, lost)", "", "10 ms", where)


@pytest.mark.parametrize(("seconds", "text"), [(2.5e-7, "0.25 us"), (1e-3, "1 ms"), (0.9994, "999 ms"), (12.0, "12 s")])
def test_durations_have_their_unit(seconds, text):
    assert report.duration(seconds) == text


def test_a_machine_that_was_not_quiet_is_said_to_be_so(results):
    assert report.unquiet(results) == ""
    results["machine"]["load"] = 14.0
    results["races"] = [race("g", "n", 1, fastinit=entry(1.0, 2.0, 9.0))]
    said = "The machine was not quiet: load 14.0 on 2 threads at the start, 1 of 1 rows spread by more than 30%."
    assert report.unquiet(results).startswith(said)
    assert said in report.short_section(results) and said in report.section(results)


def test_targets_of_some_races_are_those_that_were_run(results):
    results["settings"]["only"] = "he_normal"
    assert {row[0] for row in report.targets_table(results).rows} >= {"he_normal((8, 8), seed=0)"}
    assert all(row[-1] != "not measured" for row in report.targets_table(results).rows)


def few_races(monkeypatch, *found):
    from bench import suite

    monkeypatch.setattr(suite, "races", lambda: list(found))
    monkeypatch.setattr(timing, "QUICK", SHORT)


def test_each_race_is_kept_and_told_when_it_is_done(monkeypatch, tmp_path, capsys):
    few_races(monkeypatch, small_race(fastinit=np.zeros(4), peer=np.zeros(4)))
    results = measured()
    assert re.fullmatch(r"group/name: [\d.e-]+ ms, .* x peer\n", capsys.readouterr().out)
    assert json.loads((tmp_path / "last.json").read_text()) == json.loads(json.dumps(results))
    assert not results["interrupted"] and len(results["races"]) == 1


def measured():
    return running.measure(False, "group", Console(force_terminal=False))


def test_ctrl_c_ends_at_the_first_and_keeps_what_there_is(monkeypatch, tmp_path):
    """Also in a call that takes it to mean that it shall return what it has."""
    import signal

    calls = []

    def call():
        calls.append(1)
        if len(calls) == 2:
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        return np.zeros(4)

    swallows = Race(
        "group", "swallows", 4, lambda: np.zeros(4), checks.check_zeros, {"fastinit": Entrant(lambda _: call)}
    )
    few_races(monkeypatch, small_race(fastinit=np.zeros(4)), swallows, small_race(fastinit=np.zeros(4)))
    handler = signal.getsignal(signal.SIGINT)
    results = measured()
    assert results["interrupted"] and [race["name"] for race in results["races"]] == ["name"]
    assert not results["failures"] and signal.getsignal(signal.SIGINT) is handler and not stopping.STOPPED.is_set()
    assert len(json.loads((tmp_path / "last.json").read_text())["races"]) == 1


def test_an_interrupted_run_says_so_and_exits_with_130(monkeypatch, results, capsys):
    monkeypatch.setattr(running, "measure", lambda *_: results | {"interrupted": True})
    assert main([]) == 130
    assert "Interrupted after 3 races: the rest was not run." in capsys.readouterr().out


def test_an_interrupted_run_that_is_shown_is_shown(results, tmp_path, capsys):
    stored = tmp_path / "results.json"
    stored.write_text(json.dumps(results | {"interrupted": True, "failures": ["somebody failed"]}))
    assert main(["--report", str(stored)]) == 0
    assert "Interrupted after 3 races: the rest was not run." in capsys.readouterr().out


@pytest.mark.parametrize("less", [{"interrupted": True}, {"only": "fills"}])
def test_what_leaves_out_rows_is_not_written_over_what_has_them(less, results, tmp_path, capsys):
    stored, readme = tmp_path / "results.json", tmp_path / "README.md"
    results["settings"] |= {"only": less.get("only")}
    stored.write_text(json.dumps(results | less))
    readme.write_text(MARKED)
    assert main(["--report", str(stored), "--readme", str(readme)]) == 2
    assert readme.read_text() == MARKED
    assert "`--readme` must be of a whole run, got one of" in capsys.readouterr().err
    assert main(["--report", str(stored), "--plots", str(PICTURES)]) == 2
    assert "`--plots` must be another folder with" in capsys.readouterr().err


def test_nothing_is_kept_of_a_run_that_was_interrupted_before_its_first_race(monkeypatch, tmp_path, capsys):
    def interrupt():
        raise KeyboardInterrupt

    few_races(monkeypatch, small_race(fastinit=np.zeros(4)))
    monkeypatch.setattr(peers, "installed", interrupt)
    (tmp_path / "last.json").write_text("that of before")
    assert main(["--only", "group"]) == 130
    assert capsys.readouterr().err == "python -m bench: interrupted before the first race was done\n"
    assert (tmp_path / "last.json").read_text() == "that of before"


def test_where_nothing_can_run_the_package_is_named(monkeypatch, capsys):
    missing = {"fastinit": Entrant(lambda out: lambda: out, needs="no_such_package")}
    few_races(monkeypatch, Race("group", "n", 1, lambda: np.zeros(1), lambda *_: 0.0, missing))
    assert main(["--only", "group"]) == 2
    assert "nothing ran: what is timed there needs `pip install no_such_package`" in capsys.readouterr().err


def test_results_may_go_to_standard_output_alone(monkeypatch, capsys):
    few_races(monkeypatch, small_race(fastinit=np.zeros(4), peer=np.zeros(4)))
    assert main(["--only", "group", "--json", "-"]) == 0
    told = capsys.readouterr()
    assert [race["name"] for race in json.loads(told.out)["races"]] == ["name"]
    assert "group/name: " in told.err and "Of 1 race against the best other in each" in told.err


def test_pictures_that_are_written_are_named(monkeypatch, results, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    stored = tmp_path / "results.json"
    for found, said in ((results["races"], "sizes.png is written\n"), ([], "No picture shows any of these races")):
        stored.write_text(json.dumps(results | {"races": found}))
        assert main(["--report", str(stored), "--plots", str(tmp_path / "figures")]) == 0
        assert said in capsys.readouterr().out


def test_a_readme_without_markers_is_refused_before_anything_runs(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(running, "measure", lambda *_: pytest.fail("a race is run"))
    assert main(["--readme", str(tmp_path / "none.md")]) == 2
    assert "`--readme` must be a file with <!-- bench:begin -->" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("package", "argv", "message"),
    [
        ("threadpoolctl", [], "the benchmark needs threadpoolctl: pip install --editable '.[bench]'"),
        ("rich", ["--report", "a"], "the benchmark needs rich: pip install --editable '.[bench]'"),
        ("matplotlib", ["--plots", "a"], "the benchmark needs matplotlib: pip install --editable '.[bench]'"),
        ("sklearn", ["--only", "trainability"], "scikit-learn: pip install --editable '.[trainability]'"),
    ],
)
def test_a_package_that_is_missing_is_named(package, argv, message, monkeypatch, capsys):
    monkeypatch.setattr(running, "measure", lambda *_: pytest.fail("a race is run"))
    monkeypatch.setitem(sys.modules, package, None)
    assert main(argv) == 2
    told = capsys.readouterr().err
    assert told.startswith("python -m bench: the benchmark") and told.count("\n") == 1
    assert f"{message} in the source folder of fastinit\n" in told


def test_a_process_that_fails_is_told(monkeypatch):
    monkeypatch.setattr(processes, "PROGRAMS", {"one": "raise ValueError('too long')", processes._QUICK: "1 / 0"})
    monkeypatch.setattr(processes, "_story", lambda: {"seconds": 1.0})
    failures = []
    assert processes.measured(1, failures, full=False) == {"fastinit profile": {"seconds": 1.0}}
    assert failures == [f"process, {processes._QUICK}: ZeroDivisionError: division by zero"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--only", "trainability", "--readme"], "`--readme` must be given without --only, which leaves out rows"),
        (["--only", "fills", "--plots", "bench/results"], "`--plots` must be another folder with --only"),
        (["--compare", "a", "b", "--only", "("], "`--compare` must be given without --only and --full"),
        (["--json", "."], "`--json` must be a file, got '.'"),
        (["--baseline", "HEAD", "--json", "a"], "`--compare` and `--baseline` must be given without --report"),
        (["--baseline", "HEAD", "--compare", "a", "b"], "`--compare` must be given without --baseline"),
        (["--baseline", "HEAD", "--only", "trainability"], "`--baseline` must be given with races"),
        (["--only", "trainability", "--plots", "bench/results"], "without --full, which leaves out networks"),
        (["--plots", "README.md"], "`--plots` must be a folder, got 'README.md'"),
        (["--onyl", "fills"], "python -m bench: unrecognized arguments: --onyl fills (nearest: '--only') (see"),
        (["--rep"], "python -m bench: unrecognized arguments: --rep (nearest: '--report') (see"),
        (
            ["--only", "("],
            "`--only` must be a regular expression, got '(' (missing ), unterminated subpattern at position 0)",
        ),
    ],
)
def test_options_that_do_not_go_together(argv, message, capsys, monkeypatch):
    monkeypatch.chdir(PICTURES.parents[1])
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2 and message in " ".join(capsys.readouterr().err.split())


def test_report_of_something_else(tmp_path, capsys):
    path = tmp_path / "other.json"
    path.write_text("[]")
    assert main(["--report", str(path)]) == 2
    text = " ".join(capsys.readouterr().err.split())
    assert text.startswith("python -m bench: `--report` must be a file that --json wrote, got '")


def test_report_with_options_of_a_run(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--report", "results.json", "--full"])
    assert stopped.value.code == 2
    assert "`--report` must be given without --full, --only and --json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ([], ["--quick"]),
        (["--full", "--json", "a/b.json"], ["--json", "a/b.json"]),
        (["--plots", "pictures"], ["--quick", "--plot", "pictures/trainability.png"]),
    ],
)
def test_trainability_is_a_benchmark_of_its_own(asked, given, monkeypatch):
    from bench.trainability import __main__ as own

    monkeypatch.setattr(own, "main", lambda argv: 3 if argv == given else pytest.fail(str(argv)))
    assert main(["--only", "trainability", *asked]) == 3


@pytest.mark.parametrize("pattern", ["no such race", "nothing"])
def test_only_must_find_a_race(pattern):
    groups = (
        "fills, second fill, all threads, threads, levels, schemes, large, calls, moments, orthogonal, torch, jax, "
        "keras, dask, loops, profile, sweep, points, save"
    )
    with pytest.raises(ValueError) as raised:
        chosen(races(1 << 16), False, pattern)
    assert str(raised.value) == f"`--only` must be a pattern that finds a race (groups: {groups}), got {pattern!r}"


def test_quick_full_and_only():
    every = races()
    assert chosen(every, True, None) == every
    assert 0 < len(chosen(every, False, None)) < len(every)
    assert [race.key for race in chosen(every, False, "calls/.* 8 x 8$")] == [
        f"calls/{what} 8 x 8" for what in ("he_normal", "normal", "identity")
    ]


def test_without_peers_numpy_is_left(monkeypatch):
    def import_numpy_only(name):
        if name != "numpy":
            raise ImportError(name)
        return np

    monkeypatch.setattr(peers.peer, "import_module", import_numpy_only)
    monkeypatch.setattr(peers.generators.OneMkl, "__init__", lambda self: import_numpy_only("mkl"))
    alone = installed.__wrapped__()
    assert [(peer.name, peer.version) for peer in alone] == [("numpy", np.__version__)]


def test_fastest_candidate_is_chosen_once_for_few_values_and_once_for_many():
    peer = peers.arrays.NumPy()
    bound = []

    def bind(label, loops):
        def bound_to(out):
            bound.append(label)
            return lambda: [out.sum() for _ in range(loops)]

        return bound_to

    candidates = {"slow": bind("slow", 20), "fast": bind("fast", 1)}
    for size in (1 << 10, 1 << 12, (1 << 10) - 1):
        peer.fastest("sums", candidates, np.zeros(size))
    assert peer.choices == {"sums": "fast", "sums, few values": "fast"}
    assert bound == ["slow", "fast", "fast", "fast", "slow", "fast", "fast"]


def small_race(**entrants):
    entrants = {label: Entrant(lambda out, value=value: lambda: value) for label, value in entrants.items()}
    return Race("group", "name", 4, lambda: np.zeros(4, np.float32), checks.check_zeros, entrants)


SHORT = timing.Settings(budget=0.0, fewest=2, most=2, sample=1e-5)


def test_race_is_timed_in_turn():
    failures = []
    result = timing.run(small_race(fastinit=np.zeros(4), peer=np.zeros(4)), SHORT, failures)
    assert not failures
    assert {label: entry["rounds"] for label, entry in result["entrants"].items()} == {"fastinit": 2, "peer": 2}


def test_every_other_round_runs_backwards():
    order = []
    entrants = {label: Entrant(lambda out, label=label: lambda: order.append(label)) for label in "abc"}
    race = Race("g", "n", 1, lambda: np.zeros(1), lambda *_: 0.0, entrants, memory="fresh")
    timing.run(race, SHORT, [])
    assert "".join(order) == "abc" + "abc" + "cba"  # the first of each is checked


def test_wrong_output_is_not_timed():
    failures = []
    result = timing.run(small_race(fastinit=np.zeros(4), peer=np.ones(4), broken="no array"), SHORT, failures)
    assert list(result["entrants"]) == ["fastinit"]
    assert failures[0] == "wrong output: group/name, peer: memory is not zero"
    assert failures[1].startswith("group/name, broken: ")
    assert timing.run(small_race(fastinit=np.ones(4), peer=np.zeros(4)), SHORT, failures) is None


def test_law_check_finds_a_wrong_mean_sd_and_range():
    z = np.random.default_rng(0).standard_normal(10000)
    assert checks.law_error(z, 1.0, np.inf, 0.0) < 0.03
    with pytest.raises(AssertionError, match=r"mean is 0\.\d+ std from zero"):
        checks.law_error(z + 0.1, 1.0, np.inf, 0.0)
    with pytest.raises(AssertionError, match=r"sd is 0\.[01]\d* from that of the law"):
        checks.law_error(1.1 * z, 1.0, np.inf, 0.0)
    with pytest.raises(AssertionError, match="a value of size"):
        checks.law_error(z, 1.0, 2.0, 0.0)


def test_truncated_std_is_that_of_schemes():
    assert checks.LAWS["truncated"][0] / checks.STD == pytest.approx(0.87962566103423978, rel=1e-14)


def test_central_moments_are_those_of_numpy():
    x = np.random.default_rng(0).standard_normal(100_000) + 3
    exact = checks.central_moments(x)
    assert exact["variance"] == pytest.approx(x.var(), rel=1e-12)
    assert exact["kurtosis"] == pytest.approx(((x - x.mean()) ** 4).mean() / x.var() ** 2, rel=1e-12)


def test_labels_and_sides():
    assert [size_label(n) for n in (64, 4096, 1 << 18, 1 << 24)] == ["64", "4 Ki", "256 Ki", "16 Mi"]
    assert (side(4096, 1 << 24), side(4096, 1 << 12)) == (4096, 64)
