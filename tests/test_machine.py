"""Threads, forks, foreign floating-point modes, forced levels, and what the environment says."""

import ctypes
import mmap
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import bits

import fastinit as fi
from fastinit import _core, machine

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


@pytest.mark.parametrize("isa", _core.supported_isas())
def test_a_forced_level_is_the_one_that_runs(isa):
    assert run("import fastinit as fi; print(fi.info()['isa'])", FASTINIT_ISA=isa) == (0, isa, "")


def test_forcing_what_the_machine_lacks_is_an_error():
    names = ", ".join(map(repr, _core.supported_isas()))
    status, _, error = run("import fastinit", FASTINIT_ISA="mmx")
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


def test_quota_of_the_control_group(monkeypatch):
    monkeypatch.setattr(machine, "_cgroup_quota", lambda: 0.5)
    assert machine._available_threads() == 1


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


@pytest.mark.parametrize("mode", [0x400, 0x800, 0xC00], ids=["down", "up", "zero"])
def test_a_foreign_rounding_mode_changes_nothing_and_is_put_back(level, mode):
    """The numbers are x86's FE_DOWNWARD, FE_UPWARD and FE_TOWARDZERO, as fenv.h has them."""
    libm, sevenths = ctypes.CDLL("libm.so.6"), np.arange(10_000) / 7
    laws = [
        lambda: fi.normal(1000, std=0.3, seed=1),
        lambda: fi.normal(1000, seed=1, dtype="float64"),
        lambda: fi.truncated_normal(1000, seed=1, dtype="float16"),
        lambda: np.array(fi.Moments().update(sevenths)._sums.result()),
    ]
    expected = [law() for law in laws]
    try:
        assert libm.fesetround(mode) == 0
        got = [law() for law in laws]
        assert libm.fegetround() == mode
    finally:
        libm.fesetround(0)
    assert all(np.array_equal(bits(one), bits(other)) for one, other in zip(got, expected, strict=True))


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
