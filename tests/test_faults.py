"""What is proved under fault: each job made small, and a fault that it must find. The corpus of calls, made again."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from contextlib import nullcontext
from random import Random
from threading import current_thread, main_thread

import numpy as np
import pytest
from conftest import compiles

import fastinit as fi
from fastinit import layout, reference
from fastinit.layout import in_parts
from proof.calls import OWN
from proof.wild import is_guarded, memory

pytest.importorskip("resource", reason="no limits of a process on this platform")
forks, fuzz, interrupts, races, starved, threads, writers = (
    pytest.importorskip(f"proof.{name}", reason="no proofs beside an installed package")
    for name in ("forks", "fuzz", "interrupts", "races", "starved", "threads", "writers")
)
CORPUS = json.loads(fuzz.CORPUS.read_text(encoding="utf-8"))


class Always(Random):
    """Lets a judge compare whatever it can."""

    def random(self):
        return 0.0


def kept(folder, name):
    """The lines that a job kept."""
    return json.loads((folder / f"{name}.json").read_text())


# Ctrl-C


def test_a_signal_ends_a_call_and_all_is_right_after(tmp_path):
    """How soon is what the proof itself says: here other tests may have the processors."""
    for name in ("normal, transposed", "update"):
        seconds, right = interrupts.interrupted(name, 0.1)
        assert seconds is not None and right


def test_an_accumulator_that_has_other_elements_than_the_first_is_found():
    row = np.arange(10_000.0)
    twice = np.concatenate([row, row])
    for right in (twice[:0], twice[:1], twice[:7000], twice[:13_000]):
        assert interrupts.has_first(fi.Moments().update(right), row)
    for wrong in (twice[1:7000], twice[4096:13_000], np.delete(twice[:13_000], 5), twice[:7000] + (row[:7000] == 9)):
        assert not interrupts.has_first(fi.Moments().update(wrong), row)


def test_what_comes_too_late_does_not_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(interrupts, "MOST_SECONDS", 0.0)
    assert interrupts.main(["moments of integers", "--times", "1", "--results", str(tmp_path)]) == 1
    (line,) = kept(tmp_path, "interrupts")
    assert not line["holds"] and line["found"]["right_after"] == [True]


@pytest.mark.parametrize("shape", [(), (0, 3), (7,), (5, 1, 9), (20, 30)])
@pytest.mark.parametrize("turn", [lambda x: x, np.transpose, lambda x: x[..., ::-1] if x.ndim else x])
def test_parts_are_the_whole_once_in_the_order_of_memory(monkeypatch, shape, turn):
    monkeypatch.setattr(layout, "_AT_ONCE", 7)
    target = turn(np.zeros(shape))
    other = np.arange(float(target.size)).reshape(target.shape)
    places = []
    for piece, some in in_parts(target, other):
        assert piece.size <= 7 or piece.size == target.size == 0
        piece += some + 1
        places += [piece.ctypes.data] if piece.strides and min(piece.strides) > 0 else []
    assert np.array_equal(target, other + 1) and places == sorted(places)


def test_fills_in_many_parts_are_those_of_one(monkeypatch):
    """Constants and what is cut from a whole."""
    expected = [fi.constant((50, 60), 2.5), fi.identity((50, 60)), fi.orthogonal((40, 30), seed=1)[3:, ::-2]]
    monkeypatch.setattr(layout, "_AT_ONCE", 11)
    made = [
        fi.constant((50, 60), 2.5, out=np.empty((60, 50), np.float32).T),
        fi.identity((50, 60), out=np.empty((60, 50), np.float32).T),
        fi.orthogonal((40, 30), seed=1, index=np.s_[3:, ::-2]),
    ]
    assert all(map(np.array_equal, made, expected))


@pytest.mark.parametrize("threads", [1, 2])
def test_fills_that_are_looked_at_often_are_those_of_one(threads):
    """Values that lie apart, in fresh memory: the stretches between two looks begin with 1024 of them."""
    whole = fi.normal((1500, 900), seed=1)
    assert np.array_equal(
        fi.normal((1500, 900), seed=1, out=np.empty((900, 1500), np.float32).T, threads=threads), whole
    )
    apart = fi.normal(1024 * 300_000, seed=1, index=np.s_[::1024], threads=threads)
    assert apart[-1] == fi.normal(1024 * 300_000, seed=1, index=1024 * 299_999)


def test_a_generator_has_passed_over_what_an_interrupted_call_asked_for():
    rng, out = fi.default_rng(1), np.empty(1 << 28, np.float16)  # a tenth of a second on one thread, at least
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    before = fi.info()["threads"]
    fi.set_num_threads(1)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.04)
        with pytest.raises(KeyboardInterrupt):
            rng.standard_normal(dtype="float16", out=out)
    finally:
        fi.set_num_threads(before)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert rng.random() == fi.uniform(1 << 29, seed=1, dtype="float64", index=1 << 28)


# Forks and threads


def test_children_return(tmp_path):
    assert forks.main(["--forks", "2", "--results", str(tmp_path)]) == 0
    (line,) = kept(tmp_path, "forks")
    calls, found = line["found"].pop("calls"), line["found"]
    assert line["holds"] and found == {"forks": 2, "right": 2, "raised": {}}
    assert [*calls] == ["fill", "draw", "update", "moments"] and min(calls.values()) > 0


def test_a_thread_that_dies_or_makes_no_call_is_found(monkeypatch):
    def raises():
        raise OSError("planted")

    monkeypatch.setattr(forks.Shared, "calls", lambda _: {"dies": raises, "lives": lambda: None})
    monkeypatch.setattr(forks.Shared, "child", lambda _: b"right")
    found = forks.forked(2)
    assert found["right"] == 2 and found["raised"] == {"dies": "OSError('planted')"} and not forks.held(found)
    assert found["calls"]["dies"] == 0 < found["calls"]["lives"] and not forks.held({**found, "raised": {}})
    assert forks.held({**found, "raised": {}, "calls": {"lives": 1}})


@pytest.mark.parametrize(
    ("child", "found"), [(lambda: b"draw", b"draw"), (lambda: time.sleep(60), b"hangs"), (lambda: os._exit(3), b"dies")]
)
def test_a_child_that_is_wrong_is_found(child, found):
    assert forks.in_child(child, hangs=1) == found


def test_threads_lose_nothing(tmp_path, monkeypatch):
    assert threads.main(["--threads", "4", "--calls", "40", "--results", str(tmp_path)]) == 0
    real = fi.Moments.update
    monkeypatch.setattr(fi.Moments, "update", lambda self, x: real(self, x[1:]))
    assert threads.main(["--threads", "2", "--calls", "8", "--results", str(tmp_path)]) == 1
    (line,) = kept(tmp_path, "threads")
    assert not line["found"]["each element once"] and line["found"]["each value once"]


@pytest.mark.slow
def test_no_race_is_seen_and_a_planted_one_is(tmp_path):
    compiler = os.environ.get("CC", "cc").split()
    trial = [*compiler, "-fsanitize=thread", "-x", "c", "-", "-o", str(tmp_path / "trial")]
    if subprocess.run(trial, input=b"int main(void) { return 0; }", capture_output=True).returncode:
        pytest.skip("no thread sanitizer")
    assert races.main(["core", "--threads", "3", "--calls", "6", "--results", str(tmp_path)]) == 0
    (line,) = kept(tmp_path, "races")
    assert line["found"]["planted fault found"] == dict.fromkeys(("unlocked", "part", "sums"), True)
    assert line["found"]["said"] == "threads 3 calls 18 updates 3 wrong 0"


@compiles
def test_an_extension_that_is_not_compiled_for_the_sanitizer_shows_nothing(tmp_path):
    package = os.path.dirname(os.path.dirname(fi.__file__))
    options = ["--threads", "2", "--calls", "8", "--built", package, "--results", str(tmp_path)]
    assert races.main(["extension", *options]) == 1
    (line,) = kept(tmp_path, "races")
    assert line["found"]["status"] == 0 and line["found"]["planted fault found"] == {"one array": False}


# Threads, memory and stacks that are not granted


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root may become nobody, who has no threads"
)
def test_a_user_without_threads_gets_the_same_bits():
    found = starved.in_process(["threads"])
    assert found["holds"] and found["threads refused"] == 1 and found["calls"] == len(starved.CALLS)


def test_calls_live_on_small_stacks():
    found = starved.in_process(["stacks"])
    assert found["holds"] and found["calls"] == len(starved.CALLS)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_call_that_raises_on_a_small_stack_is_found(monkeypatch):
    def raises():
        if current_thread() is not main_thread():
            raise RecursionError

    monkeypatch.setattr(starved, "CALLS", {"planted": raises, "constant": starved.CALLS["constant"]})
    assert starved.on_small_stacks() == {"calls": 2, "wrong": ["planted"], "holds": False}
    assert not starved._judged({})["holds"]


@compiles
@pytest.mark.skipif(sys.platform != "linux", reason="other allocators")
@pytest.mark.parametrize("name", ["fill on threads", "updates", "moments of rows"])
def test_memory_of_the_core_that_fails_is_an_error_or_nothing(name):
    found = starved.of_memory(name, "core")
    assert found["holds"] and found["failed"] > 0


@compiles
@pytest.mark.skipif(sys.platform != "linux", reason="other allocators")
def test_a_library_that_fails_nothing_is_found(tmp_path, monkeypatch):
    source = starved.SOURCE.read_text().replace("fastinit/_core", "another/_core")
    monkeypatch.setattr(starved, "SOURCE", tmp_path / "failing.c")
    starved.SOURCE.write_text(source)
    assert starved.of_memory("moments", "core") == {"right": 1, "failed": 0, "holds": False}


@pytest.mark.parametrize("name", ["small fill", "fill of out", "moments"])
def test_memory_of_python_that_fails_is_an_error(name):
    pytest.importorskip("_testcapi")
    found = starved.in_process(["memory", name, "python"])
    assert found["holds"] and found["MemoryError"] > 0


def test_other_bits_where_memory_fails_are_found(monkeypatch):
    left = iter([1, 2, 3])
    monkeypatch.setitem(starved.CALLS, "planted", lambda: next(left, 3))
    found = starved.outcomes("planted", lambda number: None, lambda: False)
    assert found == {"other bits": 1, "other bits after it": 1, "failed": 0}
    assert not starved._lived("planted", "core", found)


def test_memory_that_fails_for_ever_is_found(monkeypatch):
    armed = []

    def fails():
        if armed:
            raise MemoryError

    monkeypatch.setattr(starved, "MOST", 3)
    monkeypatch.setitem(starved.CALLS, "planted", fails)
    found = starved.outcomes("planted", armed.append, lambda: armed.pop() >= 0)
    assert found == {"MemoryError": 3, "failed": 3, "no end": 1}
    assert not starved._lived("planted", "core", found)


# Writers


def test_what_does_not_fit_leaves_no_half_a_file(tmp_path):
    assert writers.main(["full", "--writers", "fi.save", "sweep", "profile --json", "--results", str(tmp_path)]) == 0


def test_what_is_killed_leaves_no_half_a_file(tmp_path):
    assert writers.main(["killed", "--kills", "3", "--writers", "fi.save", "sweep", "--results", str(tmp_path)]) == 0


def test_half_a_file_is_found(tmp_path, monkeypatch):
    def write(folder):
        with (folder / "a.json").open("w") as file:
            for _ in range(1000):
                file.write("1" * 1000)
                file.flush()

    def wrong(folder):
        found = folder / "a.json"
        return "half" if found.exists() and found.stat().st_size < 10**6 else None

    monkeypatch.setitem(writers.WRITERS, "planted", writers.Writer(write, wrong))
    assert "left ['a.json']" in writers.full("planted", 0)["small files"]
    found = writers.killed("planted", 12)
    assert not found["holds"] and found["half"] > 0


def test_half_a_shard_without_an_index_is_found(tmp_path):
    writer = writers.WRITERS["fi.save"]
    writer.write(tmp_path)
    (tmp_path / "new" / "model.safetensors.index.json").unlink()
    assert writer.wrong(tmp_path) is None
    shard = min((tmp_path / "new").iterdir())
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-4] + bytes(4))
    assert writer.wrong(tmp_path) == "other values"
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be read as"):
        writer.wrong(tmp_path)


def test_an_error_that_is_not_of_room_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("fastinit.cli.main", lambda told: 2)
    assert writers.main(["full", "--writers", "profile --json", "--results", str(tmp_path)]) == 1
    (line,) = kept(tmp_path, "writers")
    assert line["found"]["small files"] == "RuntimeError('')"


def test_a_disk_that_was_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "small_disk", lambda: nullcontext())
    assert writers.main(["full", "--writers", "fi.save", "--results", str(tmp_path)]) == 0
    (line,) = kept(tmp_path, "writers")
    assert line["claim"].endswith("; small disk not tried")


@pytest.mark.parametrize(
    ("write", "found"), [(lambda _: time.sleep(0.01), "nothing written"), (lambda _: sys.exit(), "ended by itself")]
)
def test_a_writer_that_does_not_write_is_found(monkeypatch, write, found):
    monkeypatch.setitem(writers.WRITERS, "planted", writers.Writer(write, lambda folder: None))
    monkeypatch.setattr(writers, "_usual_time", lambda name: 0.01)
    monkeypatch.setattr(writers, "HANGS", 1)
    assert writers.killed("planted", 1) == {"kills": 1, found: 1, "holds": False}


def test_numbers_and_pictures_of_a_profile_are_whole_files(tmp_path):
    """By pieces under a name of their own; what was there stays where that cannot be."""
    pytest.importorskip("matplotlib")
    path = tmp_path / "p.png"
    path.write_bytes(b"before")
    with writers.small_files(), pytest.raises(OSError):
        fi.profile(8, 2, batch=4, seed=1).plot(path)
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == ["p.png"]
    fi.profile(8, 2, batch=4, seed=1).plot(path)
    assert path.read_bytes()[-8:-4] == b"IEND" and os.listdir(tmp_path) == ["p.png"]


# Wild calls


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("line", CORPUS, ids=lambda line: f"{line[0]}-{line[3]}")
def test_calls_of_the_corpus_come_to_what_they_came_to(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *call, outcome = line
    assert fuzz.judged(fuzz.Call(call[0], tuple(call[1]), call[2]), fuzz.Judge(), Always()) == outcome


def test_the_corpus_has_every_function():
    functions = {line[0] for line in CORPUS}
    assert {f"fi.{name}" for name in OWN} | {"fi.moments", "Moments", "default_rng", "fi.init"} <= functions
    assert {f"fi.{name}" for name in (*fuzz.more.SMALL, *fuzz.more.NETWORKS)} <= functions


@pytest.mark.filterwarnings("ignore")
def test_some_calls_come_to_nothing_else(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = fuzz.chunk(7, 1500, None)
    assert (
        not found["findings"] and found["calls"] >= 1500 and found["compared"] > 50 and found["outcomes"]["value"] > 300
    )


def test_what_is_compared_is_counted_by_what_with(monkeypatch):
    """A generator's arrays with other calls, its numbers with nothing, and neither with the twin."""
    steps = ("random()", "random(size=3)", "standard_normal(size=(2, 3))", "integers(9, size=3)", "uniform(size=3)")
    generator = fuzz.Kind(1, lambda drawn: fuzz.Call("default_rng", ("1", *steps), {}), fuzz.more.judge_generator)
    monkeypatch.setitem(fuzz.KINDS, "generator", generator)
    monkeypatch.setattr(fuzz, "_DEALT", ["generator"])
    found = fuzz.chunk(1, 1, None)
    assert [found[name] for name in ("findings", "compared", "compared with calls")] == [[], 0, 2]


def _other_bits(normal):
    return lambda *given, **words: np.nextafter(normal(*given, **words), 9)


def _writes_beside(normal):
    def wrong(*given, out=None, **words):
        made = normal(*given, out=out, **words)
        if isinstance(out, np.ndarray) and out.base is not None and out.flags.c_contiguous and out.ndim == 1:
            np.lib.stride_tricks.as_strided(out, (out.size + 1,), out.strides)[-1] = 0
        return made

    return wrong


def _writes_between(normal):
    def wrong(*given, out=None, **words):
        made = normal(*given, out=out, **words)
        if isinstance(out, np.ndarray) and out.size and out.ndim == 1 and out.strides == (2 * out.itemsize,):
            np.lib.stride_tricks.as_strided(out, (2 * out.size,), (out.itemsize,))[-1] = 0
        return made

    return wrong


def _another_error(normal):
    def wrong(*given, **words):
        try:
            return normal(*given, **words)
        except TypeError as error:
            raise AssertionError from error

    return wrong


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", [_other_bits, _writes_beside, _writes_between, _another_error])
def test_a_planted_fault_is_found(monkeypatch, tmp_path, fault):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fuzz, "_DEALT", ["array"])
    monkeypatch.setattr(fi, "small_normal", fault(fi.small_normal))
    monkeypatch.setattr(fi, "he_uniform", fault(fi.he_uniform))
    assert fuzz.chunk(3, 4000, None)["findings"]


@pytest.mark.parametrize("shape", [(), (7,), (3, 0), (5, 9)])
@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_what_lies_between_elements_is_guarded(shape, dtype):
    out = memory(dtype, shape, "apart")
    out[...] = 3
    whole = out.base
    assert is_guarded(out)
    for place in np.ndindex(whole[..., ::2].shape):
        whole[..., ::2][place] = 0
        assert not is_guarded(out)
        whole[..., ::2][place] = 7
    assert is_guarded(out)


def test_a_process_that_dies_is_found(monkeypatch):
    monkeypatch.setattr(fuzz, "arguments_of", lambda *_: ["-c", "import os; os.abort()"])
    assert "ended with -6" in fuzz.run_chunk(os.environ, 1, 10)["findings"][0]


@compiles
def test_a_core_that_is_not_compiled_for_the_sanitizers_shows_nothing(monkeypatch, capsys):
    monkeypatch.setattr(fuzz, "package", lambda _: os.path.dirname(os.path.dirname(fi.__file__)))
    assert fuzz.main(["--calls", "10", "--sanitized"]) == 1
    assert "planted fault" in capsys.readouterr().out


# What wild calls found


def test_zero_is_without_a_sign_in_the_twin_too():
    for low, high in ((-0.0, 0.0), (-0.0, -0.0), (-1e-60, -1e-60)):
        for dtype in ("float32", "float64", "bfloat16"):
            one, other = (f(3, low, high, seed=1, dtype=dtype) for f in (fi.uniform, reference.uniform))
            assert one.tobytes() == other.tobytes()


def test_seeds_that_numpy_would_follow_for_ever():
    """A matrix's rows are matrices, and a list may hold itself."""
    endless = []
    endless.append(endless)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of matrices
        matrix = np.matrix([[2, 3]])
    assert np.array_equal(fi.normal(3, seed=matrix), fi.normal(3, seed=np.array([[2, 3]])))
    assert np.array_equal(fi.normal(3, seed=[matrix]), fi.normal(3, seed=[[2, 3]]))
    for draws in (lambda: fi.normal(3, seed=endless), lambda: fi.default_rng(endless)):
        with pytest.raises(ValueError, match="`seed` must be None, an integer") as raised:
            draws()
        assert str(raised.value).endswith("got [[...]]")
