"""The proofs of the stream's statistics run small: they hold, are kept, and find a fault that is planted.

Each false alarm is that of the rule, below 1e-6 a job; the seeds are fixed.
"""

import ctypes.util
import importlib
import json
import platform
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

import fastinit as fi
from fastinit import _core
from fastinit.laws.parameters import Parameters

HOME = Path(__file__).parents[1]
compiled_here = pytest.mark.skipif(
    platform.machine() != "x86_64" or not sys.platform.startswith("linux"), reason="compiled for there"
)


@pytest.fixture
def part(monkeypatch):
    monkeypatch.syspath_prepend(HOME)
    return lambda name: importlib.import_module(f"proof.statistics.{name}")


def kept(folder, name):
    (line,) = json.loads((folder / f"statistics_{name}.json").read_text())
    assert line["claim"] and line["command"].startswith("python -m proof.statistics.") and line["found"]["p"]
    assert all(0 <= p <= 1 for p in line["found"]["p"].values()) and line["machine"]["stream"] == str(
        fi.info()["stream"]
    )
    return line


def test_a_suspicious_p_is_settled_by_ten_times_the_data(part):
    rule, asked = part("rule"), []

    def again(answer):
        return lambda test: asked.append(test) or answer

    usual = {f"usual {i}": (i + 1) / 101 for i in range(100)}
    assert rule.settled(usual, again(0.0))["holds"] and not asked
    for p in (0.0, 1e-7, 1 - 1e-7, 1.0, float("nan")):
        assert rule.settled({**usual, "odd": p}, again(0.5))["holds"]
        assert not rule.settled({**usual, "odd": p}, again(1e-5))["holds"]
        assert not rule.settled({**usual, "odd": p}, again(1 - 1e-5))["holds"]
        assert not rule.settled({**usual, "odd": p}, again(float("nan")))["holds"]
    assert set(asked) == {"odd"} and len(asked) == 20
    assert rule.settled({**usual, "odd": 0.0}, again(0.0), unjudged={"odd"})["holds"]
    assert rule.settled({**usual, "odd": 0.0}, again(0.0), known={"odd": 0.5})["holds"] and len(asked) == 20
    found = rule.settled({**usual, "odd": 0.0}, again(0.3))["found"]
    assert found["at_ten_times_the_data"] == {"odd": 0.3} and found["outside"] == 1 and found["tests"] == 101


def test_too_many_p_outside_fail_though_none_is_suspicious(part):
    rule = part("rule")
    many = {str(i): 5e-4 if i < 14 else 0.5 for i in range(1000)}
    assert rule.settled(many, lambda test: 0.5)["holds"]  # of the same data they are one
    result = rule.settled(many, lambda test: 0.5, data=str)
    assert not result["holds"] and result["found"]["expected"] == 2.0
    assert result["found"]["so_many_or_more"] == pytest.approx(stats.poisson.sf(13, 2.0))


def test_stouffers_sum_leans_to_the_end_that_all_lean_to(part):
    joined = part("rule").joined
    assert joined([0.5] * 10) == pytest.approx(0.5) and joined([0.3]) == pytest.approx(0.3)
    assert joined([0.05] * 10) < 1e-6 < 1 - 1e-6 < joined([0.95] * 10)
    assert joined([0.0, *[0.5] * 9]) < 1e-20 and joined([1.0, 0.5]) > 1 - 1e-7


def test_sources_are_the_words_that_they_say(part):
    sources = part("sources")
    key = sources.stream_key(sources.SEED, "normal", "")
    words, found = _core.words(key, 0, 0, 2 << 16), sources.SOURCES
    assert (np.concatenate([found["words"](0), found["words"](1)]) == words).all()
    reverse = [int(f"{word:032b}"[::-1], 2) for word in words[:300].tolist()]
    assert found["words reversed"](0)[:300].tolist() == reverse
    assert (found["fine words"](0) == _core.words(key, 1, 0, 1 << 16)).all()
    for name, stream in (
        ("adjacent seeds", (sources.SEED + 3, "normal", "")),
        ("adjacent names", (sources.SEED, "normal", "layer.3")),
        ("adjacent laws", (sources.SEED, "orthogonal", "layer.0")),
    ):
        streams = 6 if name == "adjacent laws" else 256
        own = np.concatenate([found[name](0)[3::streams], found[name](1)[3::streams]])
        assert (own == _core.words(sources.stream_key(*stream), 0, 0, len(own))).all()
    assert len({found[name](5).tobytes() for name in found}) == len(found) == 14


def test_bits_of_uniforms_are_all_theirs(part):
    sources = part("sources")
    narrow, wide = (fi.uniform(1 << 16, seed=sources.SEED, dtype=dtype) for dtype in ("float32", "float64"))
    bits = "".join(f"{int(x * 2**24):024b}" for x in narrow[:4].tolist())
    assert bits == "".join(f"{word:032b}" for word in sources.SOURCES["float32"](0)[:3].tolist())
    a, b = (int(x * 2**53) for x in wide[:2].tolist())
    rest = (a & 0x1FFFFF) << 11 | (b & 0x1FFFFF) >> 10
    assert sources.SOURCES["float64"](0)[:3].tolist() == [a >> 21, b >> 21, rest]


def test_p_values_of_counts(part):
    cells = part("cells")
    counts, expected = np.array([18.0, 25, 22, 35]), np.full(4, 25.0)
    assert cells.chi2_p(counts, expected / 100) == pytest.approx(stats.chisquare(counts, expected).pvalue)
    split = cells.chi2_p(np.array([18.0, 25, 20, 2, 35]), np.array([25, 25, 21, 4, 25]) / 100)
    joined = cells.chi2_p(np.array([18.0, 25, 20, 37]), np.array([25, 25, 21, 29]) / 100)
    assert split == pytest.approx(joined)
    assert cells.poisson_p(0, 1e-9) == pytest.approx(0.5) and cells.poisson_p(10, 1.0) < 1e-7
    assert cells.normal_between(np.array([-np.inf, -9.0, 0, 9, np.inf])) == pytest.approx(
        [1.1285884059538405e-19, 0.5, 0.5, 1.1285884059538405e-19], rel=1e-12
    )
    assert cells.rounded_edges(np.float32([1.0])) == 1 - 2.0**-25


@pytest.mark.slow
def test_float32_near_zero_is_what_all_its_angles_make(part):
    """Summed over the whole quadrant instead of over its beginning."""
    cells = part("cells")
    turns = (np.arange(cells.STEPS) * 2.0**-22 - 1).astype(np.float32)
    sines = np.abs(np.array(fi.reference.turn32(turns), np.float64)) / np.sqrt(2)
    for size in (1e-7, 1e-6, 1e-5):
        whole = -np.expm1(-((size / sines) ** 2) / 2).mean()
        # The rest of a sine's rounding is random, and the quadrant's end: a hundredth of a step.
        difference = whole - special.erf(size / np.sqrt(2)) + cells.NO_RADIUS
        assert cells.near_zero(np.array([size]))[0] == pytest.approx(difference, abs=0.01 / cells.STEPS)


@compiled_here
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normals(part, tmp_path, dtype):
    normals = part("normals")
    assert normals.prove(dtype, 1 << 22, 2, tmp_path)
    assert len(kept(tmp_path, "normals")["found"]["p"]) == 48
    assert not normals.prove(dtype, 1 << 22, 2, tmp_path, Parameters(0.0, 1.003))
    line = kept(tmp_path, "normals")
    assert not line["holds"] and line["found"]["at_ten_times_the_data"]["moment 2"] < 1e-20


@compiled_here
def test_normals_that_are_not_independent_are_found(part):
    """In each tile the second half is the first."""
    normals = part("normals")
    values = fi.normal(normals.BEFORE + normals.CHUNK, seed=5)
    tiles = values.reshape(-1, 2, 16)

    def p_values():
        counter = normals.Counter("float32")
        counter.add(values)
        return normals.p_values("float32", normals.CHUNK, counter.totals())

    assert min(p_values().values()) > 1e-6
    tiles[:, 1] = tiles[:, 0]
    ps = p_values()
    assert max(ps["pairs: halves"], ps["angle"], ps["lag 16"]) < 1e-100


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_numbers_of_16_bits(part, tmp_path, dtype):
    halves = part("halves")
    assert halves.prove(dtype, 1 << 23, 2, tmp_path)
    assert set(kept(tmp_path, "halves")["found"]["p"]) == {"cells", "cells near zero", "signs"}
    assert not halves.prove(dtype, 1 << 23, 2, tmp_path, Parameters(0.0, 1.01))
    assert not halves.prove(dtype, 1 << 23, 2, tmp_path, Parameters(0.01, 1.0))


@compiled_here
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_truncated_normals(part, tmp_path, monkeypatch, dtype):
    truncated = part("truncated")
    monkeypatch.setattr(truncated, "INTERVALS", ((0.0, 0.01), (-8.0, -7.5)))
    assert truncated.prove(dtype, 1 << 22, tmp_path)
    assert set(kept(tmp_path, "truncated")["found"]["p"]) == {"[0, 0.01]", "[-8, -7.5]"}

    def uniform(dtype, low, high):
        return lambda numbers: fi.uniform(1 << 40, low, high, seed=3, index=fi.flat[numbers.start : numbers.stop])

    monkeypatch.setattr(truncated, "INTERVALS", ((-8.0, -7.5),))
    assert not truncated.prove("float32", 1 << 18, tmp_path, uniform)


@compiled_here
def test_a_float32_law_that_is_off_is_found(part, tmp_path, monkeypatch):
    truncated = part("truncated")
    right = truncated.quantile32
    monkeypatch.setattr(truncated, "INTERVALS", ((3.0, 3.5),))
    monkeypatch.setattr(truncated, "quantile32", lambda *given: right(*given) * np.float32(1 + 2.0**-18))
    truncated.bins.cache_clear()
    assert not truncated.prove("float32", 1 << 18, tmp_path)
    assert kept(tmp_path, "truncated")["found"]["off"]["[3, 3.5]"] > 1
    truncated.bins.cache_clear()


def test_the_rare_path(part, tmp_path):
    rare = part("rare")
    assert rare.prove(1 << 27, tmp_path)
    line = kept(tmp_path, "rare")
    assert 400 < line["found"]["rare"] < 630 and len(line["found"]["p"]) == 9
    assert not rare.prove(1 << 25, tmp_path, Parameters(0.0, 1.02))


def test_orthogonal_matrices(part, tmp_path, monkeypatch):
    """What is not uniform: the Q of LAPACK's factors, whose signs are those of its reflections."""
    haar = part("haar")
    monkeypatch.setattr(haar, "MORE", 2)
    assert haar.prove("float64", 200, tmp_path)
    assert len(kept(tmp_path, "haar")["found"]["p"]) == 34

    def factor(shape, dtype, number):
        tall = np.random.default_rng(number).standard_normal((max(shape), min(shape)))
        q = np.linalg.qr(tall)[0]
        return q if shape[0] >= shape[1] else q.T

    assert not haar.prove("float64", 200, tmp_path, factor)


def stuck(chunks):
    """Bit 31 is one in every word of the second half of a chunk."""

    def faulty(number):
        words = chunks(number).copy()
        words[len(words) // 2 :] |= np.uint32(1 << 31)
        return words

    return faulty


@pytest.mark.slow
@compiled_here
@pytest.mark.skipif(not ctypes.util.find_library("testu01"), reason="needs libtestu01-0-dev")
def test_small_crush(part, tmp_path, monkeypatch):
    crush = part("crush")
    forked = partial(ProcessPoolExecutor, 2, mp_context=get_context("fork"))  # what is patched here is patched there
    with forked() as pool:
        assert crush.prove(pool, "SmallCrush", "words", [6], tmp_path)
        assert crush.prove(pool, "SmallCrush", "words", [6, 3], tmp_path)
    line = kept(tmp_path, "crush")
    assert line["found"]["run"] == [3, 6] and line["found"]["of"] == 10 and line["machine"]["testu01"]
    assert set(line["found"]["p"]) == {"3 Gap", "6 MaxOft", "6 MaxOft AD"}
    monkeypatch.setitem(crush.SOURCES, "words", stuck(crush.SOURCES["words"]))
    (tmp_path / "statistics_crush.json").unlink()
    monkeypatch.setattr(crush, "MORE", 2)
    with forked() as pool:
        assert not crush.prove(pool, "SmallCrush", "words", [6], tmp_path)


@pytest.mark.skipif(not shutil.which("dieharder"), reason="needs dieharder")
def test_dieharder(part, tmp_path, monkeypatch):
    dieharder = part("dieharder")
    assert dieharder.prove("words", [100, 15], tmp_path) and dieharder.prove("words", [100], tmp_path)
    line = kept(tmp_path, "dieharder")
    assert line["found"]["run"] == ["15.0", "100.0"]
    assert set(line["found"]["p"]) == {"15 diehard_runs 0", "15 diehard_runs 0 #2", "100 sts_monobit 1"}
    monkeypatch.setitem(dieharder.SOURCES, "words", stuck(dieharder.SOURCES["words"]))
    (tmp_path / "statistics_dieharder.json").unlink()
    assert not dieharder.prove("words", [100], tmp_path)


def test_p_values_of_one_name_are_all_kept(part):
    another = part("crush").another
    found = {}
    for p in (0.1, 0.2, 0.3):
        found[another(found, "71 LinearComp")] = p
    found[another(found, "7 Gap")] = 0.4
    assert found == {"71 LinearComp": 0.1, "71 LinearComp #2": 0.2, "71 LinearComp #3": 0.3, "7 Gap": 0.4}


def test_a_battery_does_not_go_on_from_other_words(part, tmp_path):
    crush = part("crush")
    claim = "no test of Crush that was run tells words from random words"
    line = {"claim": claim, "found": {"p": {}, "run": [1], "words": "00"}}
    (tmp_path / "statistics_crush.json").write_text(json.dumps([line]))
    with pytest.raises(SystemExit, match="other words"):
        crush.stored("statistics_crush", claim, tmp_path, crush.SOURCES["words"])


def test_numbers_of_tests(part):
    numbers_in = part("crush").numbers_in
    assert numbers_in("1-3,7", range(1, 11)) == [1, 2, 3, 7] and numbers_in("0-200", range(9, 11)) == [9, 10]
    tests = part("dieharder").TESTS
    assert set(numbers_in("0-300", tests)) == {*tests} and 0 in tests


def test_p_values_of_all_sources_are_looked_at_together(part, tmp_path, capsys):
    summary, record = part("summary"), importlib.import_module("proof.record")

    def store(source, ps):
        record.keep(
            "statistics_crush",
            f"no test of Crush that was run tells {source} from random words",
            command="a test",
            holds=True,
            found={"p": {f"{i} a": p for i, p in enumerate(ps)}, "not judged": ["0 a"], "run": [1, 2], "of": 300},
            seconds=0.0,
            folder=tmp_path,
        )

    store("one", [0.0, *((np.arange(50) + 0.5) / 50).tolist()])
    store("one reversed", [0.0, *((np.arange(50) + 0.3) / 50).tolist()])
    store("two", [0.0, *((np.arange(50) + 0.3) / 50).tolist()])
    assert summary.main(tmp_path) == 0
    (line,) = json.loads((tmp_path / "statistics_summary.json").read_text())
    assert line["found"]["tests"] == 150 and line["found"]["firsts"] == 100 and line["found"]["outside"] == 0
    assert line["found"]["sources"] == "3 of 14" and line["found"]["runs"] == "6 of 4200"
    store("two", [0.0, *((np.arange(200) + 0.5) / 1000).tolist()])
    assert summary.main(tmp_path) == 1
