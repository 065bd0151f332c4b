"""The proofs that bits are the same everywhere, in a tiny form: each holds, and finds what is planted."""

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_cross import NATIVE, require

from fastinit import _core
from proof import clang_cl, compilers, dumps, modes, processors, targets, tiles, words

HOME = Path(__file__).parents[1]
x86_linux = pytest.mark.skipif(
    platform.machine() != "x86_64" or not sys.platform.startswith("linux"), reason="compiled for there"
)


def kept(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """stream_dump, compiled in a few seconds."""
    require(shutil.which(NATIVE[0]), NATIVE[0])
    return dumps.build(NATIVE, tmp_path_factory.mktemp("core"), added=["-O0"])


def other_core(folder):
    """A copy of the core, one of whose constants is another number."""
    copy = shutil.copytree(words.CORE, folder / "src")
    text = (copy / "normal.h").read_text()
    assert text.count("0x1.921fb6p-1f") == 1
    (copy / "normal.h").write_text(text.replace("0x1.921fb6p-1f", "0x1.921fb8p-1f"))
    return copy


@x86_linux
def test_words_of_a_level_with_another_constant_are_found(tmp_path, monkeypatch, capsys):
    require(shutil.which(NATIVE[0]), NATIVE[0])
    files = {"best": words.CORE / "kernels_portable.c", words.PORTABLE: words.CORE / "kernels_portable.c"}
    same = words.built(files, tmp_path, ["-O0"])
    files[words.PORTABLE] = other_core(tmp_path) / "kernels_portable.c"
    other = words.built(files, tmp_path, ["-O0"])
    assert len(list(tmp_path.glob("*.so"))) == 3  # the best one is found again, and the other one not
    for levels, status in ((same, 0), (other, 1)):
        monkeypatch.setattr(words, "built", lambda files, folder, levels=levels: levels)
        monkeypatch.setattr(words, "PORTION", words.CHUNK)
        folder = tmp_path / str(status)
        folder.mkdir()
        for most in (1, 2 * words.CHUNK):  # the second goes on
            assert (
                words.main(["angle", "truncated, -3 to 3.5", "--most", str(most), "--results", str(folder)]) == status
            )
        angle, truncated, *rest = kept(folder, "words")
        assert [one["holds"] for one in (angle, truncated, *rest)] == [not status, True]
        assert angle["found"]["numbers"] == 2 * words.CHUNK and truncated["found"]["differences"]["twin"] == 0
        assert angle["found"]["values"] == {
            "best": 4 * words.CHUNK,
            words.PORTABLE: 4 * words.CHUNK,
            "twin": 2 * words.CHUNK,
        }
        assert (angle["found"]["differences"][words.PORTABLE] > 1000) == bool(status)


def test_every_level_has_its_kernels():
    assert [*words.kernels()] == [" ".join(level) for level in _core.supported_levels()]
    assert all(path.exists() for path in words.kernels().values())


def test_a_library_of_other_sources_or_flags_has_another_name(tmp_path):
    (tmp_path / "a").write_text("a")
    same = words.digest(["cc", "-O1"], [tmp_path / "a"])
    assert words.digest(["cc", "-O1"], [tmp_path / "a"]) == same != words.digest(["cc", "-O2"], [tmp_path / "a"])
    (tmp_path / "a").write_text("b")
    assert words.digest(["cc", "-O1"], [tmp_path / "a"]) != same


def test_the_portable_level_sees_all_low_bits_of_the_numbers_of_chunks():
    def low_bits(count, every):
        return {chunk * words.SPREAD % (count // words.CHUNK) % 64 for chunk in range(0, count // words.CHUNK, every)}

    for grid in words.GRIDS.values():
        assert len(low_bits(grid.count, grid.portable_every)) == 64
    assert len(low_bits(1 << 31, 16)) == 4


def test_grids_have_the_words_that_are_said():
    w, x = words.GRIDS["rare"].tiles((1 << 17) - words.CHUNK)
    assert set((w[:, :16] & 0x7FFFFFFF).ravel()) == {0} and len(np.unique(x[:, :16] >> 15)) == words.CHUNK
    w, x = words.GRIDS["truncated, -3 to 3.5, rare high words"].tiles(5 << 17)
    assert set(((w & 0x7FFFFFFF) ^ 0x7FFFFFFF).ravel()) == {5} and len(np.unique(~x >> 15)) == words.CHUNK
    turns = np.concatenate([words.GRIDS["angle"].tiles(first)[0] for first in range(0, 1 << 25, words.CHUNK << 7)])
    assert {(r >> 31, a >> 31) for r, a in zip(turns[::64, 0], turns[::64, 16], strict=True)} == {*np.ndindex(2, 2)}
    assert (turns[:, :16] & 0x7FFFFFFF == words.UNIT).all()
    radii = np.concatenate([words.GRIDS["pairs, float16"].tiles(first)[0] for first in (0, (1 << 27) - words.CHUNK)])
    assert np.array_equal((radii[:, :16] & 0x7FFFFFFF).ravel() // 16 % (1 << 16), [*range(1 << 16)] * 2)


@pytest.mark.skipif(len(_core.supported_levels()) == 1, reason="there is one level")
def test_tiles_go_on_where_they_ended_and_a_level_that_differs_is_found(tmp_path, monkeypatch, capsys):
    job = ["truncated float64, -3 to 3.5", "--results", str(tmp_path), "--tiles"]
    monkeypatch.setattr(tiles, "PORTION", 1 << 12)
    monkeypatch.setattr(tiles, "PORTABLE_EVERY", 2)
    assert tiles.main([*job, "5000"]) == tiles.main([*job, "9000"]) == 0
    (one,) = kept(tmp_path, "tiles")
    assert one["found"]["tiles"] == 9000 and {*one["found"]["differences"].values()} == {0}
    assert {made for level, made in one["found"]["made"].items() if "portable" not in level} == {9000}
    assert 0 < one["found"]["made"]["portable table"] < 9000

    def fill(out, first):
        out[:] = first
        out[7] += _core.isa_in_use() == _core.supported_levels()[-1]

    found = tiles.differing(fill, "float64", 0, 3 * tiles.CHUNK)
    assert found[1] == {" ".join(level): 2 * (level[0] == "portable") for level in _core.supported_levels()}
    assert _core.isa_in_use() == _core.supported_levels()[0]


@x86_linux
def test_a_compiler_that_computes_otherwise_is_found(program, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compilers, "build", lambda command, folder, added: program)
    monkeypatch.setattr(compilers, "OPTIONS", ("-O1", "-O2", "-no-such-option"))
    job = ["--compiler", NATIVE[0], "--results", str(tmp_path)]
    assert compilers.main(job) == 0
    (one,) = kept(tmp_path, "compilers")
    assert one["holds"] and [*one["found"]] == ["-O1", "-O2"]
    assert {*one["found"]["-O1"]} == {" ".join(level) for level in _core.supported_levels()}
    assert "cannot build with -no-such-option here" in capsys.readouterr().out
    monkeypatch.setattr(dumps, "STRETCH", 70000)
    dumps.filled.cache_clear()
    assert compilers.main([*job, "--option=-O2"]) == 1
    (one,) = kept(tmp_path, "compilers")
    assert not one["holds"] and "stretch-normal-float32" in one["found"]["-O2"]["portable table"]
    dumps.filled.cache_clear()


@x86_linux
def test_levels_that_are_lost_are_found(tmp_path, monkeypatch, capsys):
    """All of them, and one."""
    require(shutil.which(NATIVE[0]), NATIVE[0])
    nothing = tmp_path / "nothing"
    nothing.write_text('#!/bin/sh\n: >"$2"\n')
    nothing.chmod(0o755)
    for job in (compilers, clang_cl):
        monkeypatch.setattr(job, "build" if job is compilers else "built", lambda *given, **added: nothing)
        monkeypatch.setattr(clang_cl, "RUNNER", "env")
        few = ["--option=-O2"] if job is compilers else []
        assert job.main(["--compiler", NATIVE[0], "--results", str(tmp_path), *few]) == 1
    assert [one["found"] for name in ("compilers", "clang_cl") for one in kept(tmp_path, name)] == [{"-O2": {}}, {}]
    whole = {level: [] for level in dumps.LEVELS}
    assert dumps.have_same_bits(whole) and not dumps.have_same_bits({**whole, "sve 128-bit": []})
    for level in dumps.LEVELS:
        assert not dumps.have_same_bits({**whole, level: ["words-zero-uint32"]})
        assert not dumps.have_same_bits({name: found for name, found in whole.items() if name != level})


def test_compilers_on_the_path_are_found_by_name_and_number(tmp_path, monkeypatch):
    for name in ("gcc-9", "gcc-12", "clang-16", "clang-cl-16", "gcc-ar-12", "gcc"):
        (tmp_path / name).touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{tmp_path / 'absent'}")
    assert compilers.installed() == ["clang-16", "gcc-9", "gcc-12"]


@x86_linux
def test_a_processor_with_other_levels_is_found(program, tmp_path, monkeypatch, capsys):
    require(shutil.which("qemu-x86_64"), "qemu-x86_64")
    monkeypatch.setattr(processors, "build", lambda command, folder, added: program)
    assert processors.main(["Nehalem", "--results", str(tmp_path)]) == 0
    monkeypatch.setitem(processors.PROCESSORS, "Nehalem", processors.AES)
    assert processors.main(["Nehalem", "--results", str(tmp_path)]) == 1
    assert [one["holds"] for one in kept(tmp_path, "processors")] == [False, True]


@x86_linux
def test_a_mode_that_changes_bits_or_is_lost_is_found(tmp_path, monkeypatch, capsys):
    foreign = dict(modes.foreign_modes())
    assert len(foreign) == 48
    few = [(name, foreign[name]) for name in ("up", "zero, flush both, x87 single", "traps")]
    monkeypatch.setattr(modes, "foreign_modes", lambda: iter(few))
    assert modes.main([*modes.KINDS, "--results", str(tmp_path)]) == 0
    assert all(one["holds"] for one in kept(tmp_path, "modes"))

    def wrong():
        yield lambda: [np.array(1.0) / 3 - 1]
        yield lambda: [np.array([]), modes.USUAL.enter()]

    monkeypatch.setitem(modes.KINDS, "scalars", wrong)
    assert modes.main(["scalars", "--results", str(tmp_path)]) == 1
    (found,) = (one["found"] for one in kept(tmp_path, "modes") if not one["holds"])
    assert {place.split(", ")[0] for place in found["modes lost"]} == {"call 1"}
    assert {place.split(", ", 2)[2] for place in found["differ"] if "call 0" in place} == {*dict(few)} - {"traps"}


UNGUARDED = """
import sys
from fastinit import _core, fill
from proof import modes

_core.rounds_otherwise = fill.rounds_otherwise = lambda: False
foreign = dict(modes.foreign_modes())
modes.foreign_modes = lambda: ((name, foreign[name]) for name in ("up", "zero, flush both, x87 single"))
sys.exit(modes.main(sys.argv[1:]))
"""


@x86_linux
def test_python_that_computes_in_the_mode_of_the_caller_is_found(tmp_path):
    """In a process where nothing was kept before: no function of the package sees that a mode is a foreign one."""
    command = [sys.executable, "-c", UNGUARDED, "schemes", "structures", "draws", "--results", str(tmp_path)]
    assert subprocess.run(command, cwd=HOME, stdout=subprocess.DEVNULL).returncode == 1
    for line in kept(tmp_path, "modes"):
        assert not line["holds"] and not line["found"]["modes lost"]
        levels = {place.split(", ")[1] for place in line["found"]["differ"]}
        assert levels == {" ".join(level) for level in _core.supported_levels()}, line["claim"]
    schemes = [line["found"]["differ"] for line in kept(tmp_path, "modes") if line["claim"].startswith("schemes")]
    assert {place.split(", ")[0] for place in schemes[0]} == {f"call {number}" for number in (0, 1, 2, 3, 5)}


KEPT = """
import gc
from functools import _lru_cache_wrapper
from fastinit._core import CheckedCalls
from proof import modes

def kept():
    every = gc.get_objects()
    caches = [one for one in every if type(one) is _lru_cache_wrapper and one.__module__.startswith("fastinit")]
    return [*map(len, (one for one in every if type(one) is CheckedCalls))], [one.cache_info()[3] for one in caches]

calls = [call for kind in modes.KINDS.values() for call in kind()]
print(*(any(numbers) for numbers in kept()))
for call in calls:
    call()
print(*(any(numbers) for numbers in kept()))
"""


@x86_linux
def test_the_process_that_forks_for_modes_has_kept_nothing():
    done = subprocess.run([sys.executable, "-c", KEPT], cwd=HOME, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False", "True", "True"]


def test_a_target_that_does_not_compile_is_found(tmp_path, monkeypatch, capsys):
    pytest.importorskip("ziglang")
    monkeypatch.setattr(targets, "SOURCES", [words.CORE / "key.c"])
    assert targets.main(["s390x-linux-musl", "--results", str(tmp_path)]) == 0
    (tmp_path / "key.c").write_text("#error no\n")
    monkeypatch.setattr(targets, "SOURCES", [tmp_path / "key.c"])
    assert targets.main(["s390x-linux-musl", "--results", str(tmp_path)]) == 1
    (one,) = kept(tmp_path, "targets")
    assert not one["holds"] and "no" in one["found"]["said"][0]


@x86_linux
def test_clang_cl_that_computes_otherwise_is_found(program, tmp_path, monkeypatch, capsys):
    """Of a program that is here already: to build one takes minutes."""
    require(shutil.which(NATIVE[0]), NATIVE[0])
    monkeypatch.setattr(clang_cl, "built", lambda compiler, folder: program)
    monkeypatch.setattr(clang_cl, "RUNNER", "env")
    job = ["--compiler", NATIVE[0], "--results", str(tmp_path)]
    assert clang_cl.main(job) == 0
    monkeypatch.setattr(dumps, "KEY", bytes(16))
    dumps.filled.cache_clear()
    assert clang_cl.main(job) == 1
    dumps.filled.cache_clear()
    (one,) = kept(tmp_path, "clang_cl")
    assert not one["holds"] and "last-tail-float16" in one["found"]["portable table"]
