"""Threads, forks, foreign floating-point modes, forced levels, and what the environment says."""

import ctypes
import itertools
import mmap
import os
import platform
import select
import shlex
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import bits, compiles

import fastinit as fi
from fastinit import _core, machine
from fastinit.scaling import normal_interval, truncated_moments

MI = 1 << 20


def run(code, **environment):
    """A fresh interpreter: (exit status, output, last line of the error)."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    return done.returncode, done.stdout.strip(), (done.stderr.strip().splitlines() or [""])[-1]


def test_info():
    got = fi.info()
    assert list(got) == ["version", "stream", "isa", "isas", "aes", "threads", "compiler", "machine", "python", "numpy"]
    assert got["version"] == fi.__version__
    assert got["isas"][-1] == "portable"
    assert got["compiler"].split()[0] in ("GCC", "Clang", "MSVC")


def test_python_keeps_the_gil_that_it_has_or_has_not():
    asked = "getattr(sys, '_is_gil_enabled', lambda: True)()"
    code = f"import numpy, sys; before = {asked}; import fastinit; fastinit.normal(3); print(before, {asked})"
    assert run(code)[1] in ("True True", "False False")


@pytest.mark.parametrize("isa", _core.supported_isas())
def test_a_forced_level_is_the_one_that_runs(isa):
    assert run("import fastinit as fi; print(fi.info()['isa'])", FASTINIT_ISA=isa) == (0, isa, "")


def test_forcing_what_the_machine_lacks_is_an_error():
    names = ", ".join(map(repr, _core.supported_isas()))
    status, _, error = run("import fastinit.machine", FASTINIT_ISA="mmx")
    assert (status, error) == (1, f"ValueError: `FASTINIT_ISA` must be one of {names} on this machine, got 'mmx'")
    before = _core.isa_in_use()
    assert not _core.use_isa("mmx")
    assert _core.isa_in_use() == before


def test_thread_count_from_the_environment():
    show = "import fastinit as fi; print(fi.info()['threads'])"
    assert run(show, FASTINIT_NUM_THREADS="3") == (0, "3", "")
    for wrong in ("0", "-2", "many"):
        shown = wrong if wrong == "0" else repr(wrong)
        error = "TypeError" if wrong != "0" else "ValueError"
        expected = f"{error}: `FASTINIT_NUM_THREADS` must be an integer of at least 1, got {shown}"
        assert run(show, FASTINIT_NUM_THREADS=wrong)[::2] == (1, expected)
    cpus = len(os.sched_getaffinity(0))
    assert int(run(show, LOCAL_WORLD_SIZE=str(cpus), FASTINIT_NUM_THREADS="")[1]) == 1
    assert int(run(show, LOCAL_WORLD_SIZE="junk", FASTINIT_NUM_THREADS="")[1]) <= cpus


def test_more_threads_than_anybody_has():
    assert np.array_equal(fi.normal(2 * MI, seed=1, threads=2**40), fi.normal(2 * MI, seed=1, threads=1))


GROUPS = "/sys/fs/cgroup"


@pytest.fixture
def played(monkeypatch):
    """Files of control groups, of memory and of the process that are read instead of this machine's; 96 CPUs."""
    files = {}

    def read(path):
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    monkeypatch.setattr(machine, "_text", read)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(96)))
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    return files


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({}, 96),
        ({f"{GROUPS}/cpu.max": "50000 100000"}, 1),
        ({f"{GROUPS}/cpu.max": "max 100000"}, 96),
        ({f"{GROUPS}/cpu.max": "nonsense"}, 96),
        ({"/proc/self/cgroup": "0::/a/unit\n", f"{GROUPS}/a/unit/cpu.max": "350000 100000\n"}, 4),
        ({"/proc/self/cgroup": "0::/a/unit\n", f"{GROUPS}/a/cpu.max": "200000 100000\n",
          f"{GROUPS}/a/unit/cpu.max": "max 100000"}, 2),
        ({"/proc/self/cgroup": "0::/a/unit\n", f"{GROUPS}/a/cpu.max": "900000 100000\n",
          f"{GROUPS}/a/unit/cpu.max": "300000 100000"}, 3),
        ({"/proc/self/cgroup": "1:name=systemd:/x\n4:cpu,cpuacct:/job/step\n0::/\n",
          f"{GROUPS}/cpu/job/cpu.cfs_quota_us": "600000", f"{GROUPS}/cpu/job/cpu.cfs_period_us": "100000",
          f"{GROUPS}/cpu/job/step/cpu.cfs_quota_us": "-1", f"{GROUPS}/cpu/job/step/cpu.cfs_period_us": "100000"}, 6),
        ({"/proc/self/cgroup": "4:cpu,cpuacct:/docker/of/the/host\n",
          f"{GROUPS}/cpu/cpu.cfs_quota_us": "500000", f"{GROUPS}/cpu/cpu.cfs_period_us": "100000"}, 5),
        ({"/proc/self/cgroup": "torn line", f"{GROUPS}/cpu.max": "700000 100000"}, 7),
    ],
)  # fmt: skip
def test_quota_of_every_control_group_above(played, files, threads):
    played |= files
    assert machine._available_threads() == threads


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, float("inf")),
        ({"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 5 kB\n"}, 5120),
        ({f"{GROUPS}/memory.max": "9000", f"{GROUPS}/memory.current": "5000"}, 4000),
        ({f"{GROUPS}/memory.max": "9000", f"{GROUPS}/memory.current": "9500"}, 0),
        ({f"{GROUPS}/memory.max": "max", f"{GROUPS}/memory.current": "5000"}, float("inf")),
        ({f"{GROUPS}/memory.max": "9000", f"{GROUPS}/memory.current": "8000",
          f"{GROUPS}/memory.stat": "anon 1000\ninactive_file 6500\n"}, 7500),
        ({"/proc/self/cgroup": "0::/a/unit\n", f"{GROUPS}/a/memory.max": "900", f"{GROUPS}/a/memory.current": "100",
          f"{GROUPS}/a/unit/memory.max": "5000", f"{GROUPS}/a/unit/memory.current": "50"}, 800),
        ({"/proc/self/cgroup": "4:memory:/job\n", f"{GROUPS}/memory/job/memory.limit_in_bytes": "700",
          f"{GROUPS}/memory/job/memory.usage_in_bytes": "600",
          f"{GROUPS}/memory/job/memory.stat": "inactive_file 5\ntotal_inactive_file 90\n"}, 190),
        ({"/proc/meminfo": "MemAvailable: 1 kB\n", f"{GROUPS}/memory.max": "9000",
          f"{GROUPS}/memory.current": "5000"}, 1024),
    ],
)  # fmt: skip
def test_memory_that_every_control_group_leaves(played, files, free):
    played |= files
    assert machine.available_memory() == free


def test_set_num_threads_is_used():
    before = fi.info()["threads"]
    try:
        fi.set_num_threads(5)
        assert machine.threads_for(None) == 5
        assert machine.threads_for(2) == 2
        assert np.array_equal(fi.normal(MI, seed=1), fi.normal(MI, seed=1, threads=1))
    finally:
        fi.set_num_threads(before)


def test_many_python_threads_at_once():
    expected = fi.normal(MI // 2, seed=1)
    results = [None] * 16

    def work(i):
        results[i] = fi.normal(MI // 2, seed=1, threads=3)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(result, expected) for result in results)


def test_a_thread_that_comes_when_the_work_is_done_finds_nothing_to_do():
    """More of them than cores, and memory that the next call has for itself."""
    expected = fi.normal(MI, seed=1)
    for _ in range(100):
        assert np.array_equal(fi.normal(MI, seed=1, threads=4), expected)


def test_after_a_fork_in_a_program_that_has_used_threads():
    fi.normal(1 << 20, seed=1, threads=4)
    expected = fi.normal(1 << 20, seed=2)[-1000:].tobytes()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, fi.normal(1 << 20, seed=2, threads=4)[-1000:].tobytes())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == expected
    assert os.waitpid(child, 0)[1] == 0


LIBM = ctypes.CDLL(None)  # which has the mathematics of this process
ROUNDINGS = {  # of each machine's fenv.h
    "x86_64": {"down": 0x400, "up": 0x800, "zero": 0xC00},
    "aarch64": {"down": 0x800000, "up": 0x400000, "zero": 0xC00000},
    "riscv64": {"down": 2, "up": 3, "zero": 1},
    **{machine: {"down": 3, "up": 2, "zero": 1} for machine in ("ppc64le", "s390x")},
}
ROUNDING = ROUNDINGS.get(platform.machine(), {"unknown": None})
rounded_here = pytest.mark.skipif(platform.machine() not in ROUNDINGS, reason="rounding modes of another machine")
SEVENTHS = np.arange(10_000) / 7
CALLS = {
    "normal": lambda: fi.normal(1000, std=0.3, seed=1),
    "normal float64": lambda: fi.normal(1000, seed=1, dtype="float64"),
    "small normal": lambda: fi.normal(1000, std=1e-39, seed=1),
    "uniform": lambda: fi.uniform(1000, -0.1, 0.3, seed=1),
    "uniform float64": lambda: fi.uniform(1000, -0.1, 0.3, seed=1, dtype="float64"),
    "small uniform": lambda: fi.uniform(1000, 0, 1e-38, seed=1),
    "truncated": lambda: fi.truncated_normal(1000, 0.1, 0.3, seed=1, dtype="float16"),
    "truncated elsewhere": lambda: fi.truncated_normal(1000, low=0.123456, high=3.3, seed=1, dtype="float64"),
    "small truncated": lambda: fi.truncated_normal(1000, std=1e-39, seed=1),
    "constant": lambda: fi.constant(3, 0.1),
    "small constant": lambda: fi.constant(3, 1e-39),
    "identity": lambda: fi.identity((3, 3), gain=0.1),
    "sparse": lambda: fi.sparse((30, 30), sparsity=0.3, std=0.7, seed=1, dtype="float64"),
    "into": lambda: fi.uniform((50, 20), -0.1, 0.3, seed=1, dtype=None, out=np.empty((20, 50)).T),
    "part": lambda: fi.he_uniform((37, 20), seed=1, dtype="float64", index=np.s_[3:, ::2]),
    "init": lambda: fi.init({"w": (17, 7)}, "glorot_uniform", seed=1, dtype="float64")["w"],
    "law": lambda: np.array([fi.laws.Uniform(0, 0.3).scaled(0.7).high, fi.laws.Truncated(0.1, 0.7).scaled(0.3).scale]),
    "gain": lambda: np.array([fi.gain(np.tanh), fi.gain(("leaky_relu", 0.3))]),
    "generator": lambda: fi.default_rng(1).uniform(-0.1, 0.3, size=100),
    "generator, numbers": lambda: np.array([fi.default_rng(i).uniform(-0.1, 0.3) for i in range(99)]),
    "generator, arrays": lambda: fi.default_rng(1).normal([0.1, 0.2], 0.3, size=(50, 2)),
    "moments": lambda: np.array(fi.moments(SEVENTHS)),
    "moments of integers": lambda: np.array(fi.moments(np.arange(99) + (1 << 53))),
    "moments of rows": lambda: np.array(fi.moments(SEVENTHS.reshape(100, 100), axis=0)[:8]),
    "profile": lambda: fi.profile(30, 3, batch=8, dtype="float64", seed=1)["act_second_moment"],
    "sum": lambda: np.array((fi.Moments().update(SEVENTHS[:77]) + fi.Moments().update(SEVENTHS[77:])).result()),
}  # fmt: skip


COUNT = itertools.count()  # for arguments that no call has had


@pytest.fixture(params=[*ROUNDING, "flush"])
def foreign(request):
    """A function that calls another with the modes that some library might have left, which must be there after it."""
    torch = pytest.importorskip("torch") if request.param == "flush" else None

    def under(call):
        try:
            assert torch.set_flush_denormal(True) if torch else LIBM.fesetround(ROUNDING[request.param]) == 0
            got = call()
            tiny = float(np.float32(1e-30) * np.float32(1e-10))
            assert tiny == 0 if torch else LIBM.fegetround() == ROUNDING[request.param]
        finally:
            torch.set_flush_denormal(False) if torch else LIBM.fesetround(0)
        return got

    return under


@rounded_here
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_foreign_modes_change_nothing_and_are_put_back(level, foreign, call):
    """First in the foreign mode: what is kept for later calls must be right too."""
    for kept in (normal_interval, truncated_moments):
        kept.cache_clear()
    got = foreign(call)
    assert np.array_equal(bits(got), bits(call()))


@rounded_here
@pytest.mark.parametrize(
    "door", ["xavier_normal_", "xavier_uniform_", "kaiming_normal_", "initialize_", "plan", "lsuv_"]
)
def test_foreign_modes_change_nothing_at_the_door_of_torch(foreign, door):
    """Of torch's own code too, which computes the bounds of an initialisation in Python."""
    torch = pytest.importorskip("torch")
    import fastinit.torch as ft

    def call():
        torch.manual_seed(0)
        if door in ("initialize_", "plan"):
            model = torch.nn.MultiheadAttention(24, 4)
            laws = [str(entry.law) for entry in getattr(ft, door)(model, "torch")]
            return laws, [one.detach() for one in model.parameters()] if door == "initialize_" else []
        if door == "lsuv_":
            model = torch.nn.Linear(24, 7)
            found = ft.lsuv_(model, torch.arange(72.0).reshape(3, 24), seed=1)
            return [str(found)], [model.weight.detach()]
        return [], [getattr(ft, door)(torch.empty(37, 20, dtype=torch.float64), 0.3)]

    (laws, tensors), (same_laws, same_tensors) = foreign(call), call()
    assert laws == same_laws
    assert all(map(torch.equal, tensors, same_tensors))


@rounded_here
def test_laws_that_schemes_keep_are_those_of_the_usual_mode(foreign):
    """A shape of its own, of which no law is kept yet, and that of a scheme that keeps none."""
    shape = (12347, 3)
    made = foreign(lambda: fi.he_uniform(shape, seed=1, dtype="float64", gain=0.3))
    scheme = fi.Scheme("fresh", 2.0, distribution="uniform")
    assert np.array_equal(made, scheme(shape, seed=1, dtype="float64", gain=0.3))
    assert np.array_equal(made, fi.he_uniform(shape, seed=1, dtype="float64", gain=0.3))


@rounded_here
def test_what_calls_of_torch_keep_is_of_the_usual_mode(foreign):
    torch = pytest.importorskip("torch")
    import fastinit.torch as ft
    from fastinit.laws import independent

    def made():
        with ft.fast_init(seed=1):
            return torch.empty(37, 20, dtype=torch.float64).uniform_(-0.1, foreign.high)

    independent._parameters_below.cache_clear()
    foreign.high = 0.7 + next(COUNT)
    values = foreign(made)
    assert np.array_equal(values, fi.uniform((37, 20), -0.1, foreign.high, seed=1, name="#0", dtype="float64"))


@rounded_here
def test_modes_are_put_back_after_an_error(foreign):
    def wrong():
        with pytest.raises(ValueError):
            fi.uniform(3, 2.0, 1.0, seed=0)
        with pytest.raises(TypeError):
            fi.moments("text")

    foreign(wrong)


# Forks


def in_child(work, seconds=60):
    """What a forked child makes of work(), as bytes; an error where it hangs."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, work())
        finally:  # whatever is raised, this process has no more tests to run
            os._exit(0)
    os.close(writer)
    try:
        assert select.select([reader], [], [], seconds)[0], "the child hangs"
        return os.read(reader, 1 << 12)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@contextmanager
def at_work(*calls):
    """Threads that make these calls again and again."""
    ends = threading.Event()

    def repeat(call):
        while not ends.is_set():
            call()

    threads = [threading.Thread(target=repeat, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ends.set()
        for thread in threads:
            thread.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_child_finds_no_accumulator_half_done_and_no_lock_held():
    x = np.ones(50_000, np.float32)
    shared = [fi.Moments() for _ in range(3)]

    def work():
        counts = [m.update(x).count for m in shared]
        whole = all(count % len(x) == 0 for count in counts) and all(m.variance == 0 for m in shared)
        return b"whole" if whole else str(counts).encode()

    with at_work(*(lambda m=m: m.update(x, threads=1) for m in shared)):
        assert [in_child(work) for _ in range(10)] == [b"whole"] * 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
@pytest.mark.parametrize(
    "draws",
    [
        lambda rng: rng.exponential(size=5000),
        lambda rng: rng.standard_normal(50_000),
        lambda rng: rng.standard_normal(),
    ],
)
def test_a_child_draws_on_from_where_a_busy_generator_is(draws):
    rng = fi.default_rng(3)

    def work():
        again = fi.Generator(fi.ARS(3))
        again.bit_generator.state = rng.bit_generator.state
        one, other = ([each.random(), *each.integers(0, 99, 100), *each.normal(size=9)] for each in (rng, again))
        return b"same" if one == other else b"other"

    with at_work(lambda: draws(rng)):
        assert [in_child(work) for _ in range(10)] == [b"same"] * 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_fork_does_not_wait_for_itself_nor_for_who_waits_for_it():
    first, second = fi.ARS(1), fi.ARS(2)
    with first.lock:
        assert in_child(lambda: b"own") == b"own"
    held, asked = threading.Event(), threading.Event()

    def holds_one_and_wants_the_other():
        with first.lock:
            held.set()
            asked.wait(10)
            with second.lock:
                pass

    thread = threading.Thread(target=holds_one_and_wants_the_other)
    thread.start()
    held.wait(10)
    threading.Timer(0.2, asked.set).start()
    assert in_child(lambda: repr(first).encode()) == repr(first).encode()
    thread.join(10)
    assert not thread.is_alive()


# Ctrl-C


@contextmanager
def interrupted():
    """What a signal of Ctrl-C's kind must end, which comes when the call is under way."""
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 5e-3)
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_long_fill_can_be_interrupted(threads):
    """Between pieces; what comes before is in `out`."""
    out = np.zeros((3 << 26) + 5, np.float16)
    with interrupted():
        fi.normal(out.size, seed=1, dtype=None, out=out, threads=threads)
    assert np.array_equal(out[:1000], fi.normal(1000, seed=1, dtype="float16"))
    assert not out[-1000:].any()


def test_pieces_between_which_a_fill_is_interrupted_do_not_show():
    """A part of two pieces and more, its last axis no divisor of a piece, and backwards."""
    index = np.s_[::-1, 1:]
    whole = fi.uniform((1 << 13, (3 << 13) + 7), seed=1, dtype="float16", index=index)
    rows = (1 << 26) // whole.shape[1]
    for row in (0, rows, rows + 1, 2 * rows, len(whole) - 1):
        one = fi.uniform((1 << 13, (3 << 13) + 7), seed=1, dtype="float16", index=np.s_[len(whole) - 1 - row, 1:])
        assert np.array_equal(whole[row], one)


def test_a_long_update_can_be_interrupted_and_says_how_far_it_came():
    x, m = np.broadcast_to(np.float32(1), (1 << 28,)), fi.Moments()
    long = np.ones((5 << 26) // 2, np.uint16).view(np.float16)
    for elements in (x, long):
        before = m.count
        with interrupted():
            m.update(elements, threads=1)
        assert 0 <= m.count - before < len(elements)
        assert m.update([1.0]).nonfinite == 0


# What a thread of a small stack can call


def test_every_entry_lives_in_a_small_stack():
    """64 KiB; a stack overflow is a signal, so in processes of their own."""
    calls = """
for law in (lambda **k: fi.normal(9999, seed=0, **k), lambda **k: fi.uniform(9999, seed=0, **k), (
        lambda **k: fi.truncated_normal((99, 101), low=-3, high=4, seed=0, index=np.s_[::2, 1:], **k)),
        lambda **k: fi.constant(99, 2.0, **k), lambda **k: fi.he_normal((64, 64), seed=0, **k)):
    for dtype in ("float16", "float32", "float64"):
        law(dtype=dtype)
fi.orthogonal((40, 30), seed=0), fi.sparse((30, 30), sparsity=0.5, seed=0), fi.dirac((3, 4, 4)), fi.identity((4, 4))
"""
    moments = """
for x in (wide, wide.astype("f4"), wide.astype("f2"), 1e30 * wide.astype("f4"), 1e-200 * wide, 50 + wide, odd,
          odd.astype("f4"), odd.astype("f2"), (9 * wide).astype(int), wide[::2], wide > 0):
    for order in (2, 4):
        fi.moments(x, order=order), fi.moments(x[:6000].reshape(2, -1), axis=1, order=order)
        a, b = fi.Moments(order).update(x[:5000]), fi.Moments(order).update(x[5000:5100])
        a + b, (a + b).update(x[:9]).kurtosis
rng = fi.default_rng(0)
rng.normal(size=9999), rng.uniform([0, 1], [2, 3]), rng.integers(9, size=9999), rng.bit_generator.jumped()
"""
    small = """
import decimal, threading, numpy as np, fastinit as fi
import fastinit.generator, fastinit.schemes, fastinit.streaming  # Python's own parser needs more, from 3.14 on
wide = np.random.default_rng(0).standard_normal(70_000)
odd = np.where(np.arange(70_000) % 777 == 0, np.nan, wide)
def work():
    with np.errstate(all="ignore"):
        run()
threading.stack_size(65536)
thread = threading.Thread(target=work)
thread.start(), thread.join(), print("lives")
"""
    for some in (calls, moments):
        body = "def run():" + some.replace("\n", "\n    ")
        assert run(f"import numpy as np, fastinit as fi\n{body}\n{small}", FASTINIT_NUM_THREADS="1") == (0, "lives", "")


def test_words_are_those_of_the_twin(level):
    from fastinit import reference

    key = bytes(range(16))
    for first, count in ((0, 100), (3, 5), (31, 2), (2**34 - 3, 40), (2**63 - 64, 64)):
        for domain in (0, 1):
            assert np.array_equal(_core.words(key, domain, first, count), reference.words(key, domain, first, count))


@pytest.fixture
def advised(tmp_path):
    """Compiles pages.c with a recorder for madvise: a function that gives all (address, bytes, advice) of one call."""
    recorder = tmp_path / "recorder.c"
    recorder.write_text("""
        #include <stddef.h>
        size_t calls, seen[3];
        int recorded(void *address, size_t bytes, int advice) {
            calls++, seen[0] = (size_t)address, seen[1] = bytes, seen[2] = (size_t)advice;
            return 0;
        }
    """)
    compiler = shlex.split(os.environ.get("CC", "cc"))
    pages = Path(__file__).parents[1] / "fastinit" / "src" / "pages.c"  # a built package has none
    flags = ["-std=gnu11", "-shared", "-fPIC", "-Dmadvise=recorded"]
    subprocess.run([*compiler, *flags, pages, recorder, "-o", tmp_path / "pages.so"], check=True)
    library = ctypes.CDLL(str(tmp_path / "pages.so"))
    calls, seen = ctypes.c_size_t.in_dll(library, "calls"), (ctypes.c_size_t * 3).in_dll(library, "seen")

    def call(address, size):
        calls.value = 0
        library.fi_advise_large_pages(ctypes.c_size_t(address), ctypes.c_size_t(size))
        return tuple(seen) if calls.value else None

    return call


@compiles
@pytest.mark.skipif(sys.platform != "linux", reason="large pages are asked of Linux")
@pytest.mark.parametrize(
    ("address", "size", "expected"),
    [
        (64 * MI, 4 * MI, (64 * MI, 4 * MI)),
        (64 * MI, 4 * MI - 1, None),
        (64 * MI, 4 * MI + 1, (64 * MI, 4 * MI)),
        (64 * MI + 64, 12 * MI, (66 * MI, 10 * MI)),
        (64 * MI - 1, 4 * MI, (64 * MI, 2 * MI)),
        (64 * MI - 1, 4 * MI + 1, (64 * MI, 4 * MI)),
        (2**64 - 6 * MI, 6 * MI - 1, (2**64 - 6 * MI, 4 * MI)),
        (0, 0, None),
        (2**64 - 1, 0, None),
    ],
)
def test_large_pages_are_asked_for_where_whole_ones_lie(advised, address, size, expected):
    huge_page = 14  # MADV_HUGEPAGE of the kernel's interface
    assert advised(address, size) == (expected and (*expected, huge_page))


def test_large_pages_change_no_byte():
    memory = np.frombuffer(mmap.mmap(-1, 9 * MI), np.uint8)
    memory[:] = 7
    _core.advise_large_pages(memory.ctypes.data, memory.nbytes)
    assert (memory == 7).all()


def test_the_border_refuses_what_is_no_memory():
    top = 2 ** (8 * ctypes.sizeof(ctypes.c_size_t)) - 1
    with pytest.raises(ValueError) as raised:
        _core.advise_large_pages(top, 1)
    assert str(raised.value) == f"`size` must end within the address space, got 1 bytes from {top:#x}"
    for address, size in ((-1, 0), (0, -1), (top + 1, 0), (0, top + 1)):
        with pytest.raises(OverflowError):
            _core.advise_large_pages(address, size)
    for wrong in (None, "0"):
        with pytest.raises(TypeError):
            _core.advise_large_pages(wrong, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_fork_during_the_first_profile_of_another_thread_says_nothing():
    """What that imports has hooks of forks itself: none may be added while a fork waits."""
    code = """
import os, threading, time
import fastinit as fi
thread = threading.Thread(target=lambda: fi.profile(16, 2, batch=4))
thread.start()
for _ in range(20):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(0.005)
thread.join()
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]  # Python's, of forks beside threads
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""
