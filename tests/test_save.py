"""`fastinit.save`: the bits of `init`, files as others read them, and all of a checkpoint or nothing."""

import errno
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import DTYPES, bits, refused

import fastinit as fi
from fastinit import checkpoints
from fastinit.cli import main
from fastinit.tensor_files import CODES, open_tensors

#: Of each, how it is described. Pieces of 64 bytes begin in the midst of most.
WEIGHTS = {
    "plain": (33, 7),
    "list": [16, 16],
    "none": (0, 3),
    "zeros": (5, "zeros"),
    "scalar": ((), fi.constant, {"value": 0.5}),
    "identity": ((9, 12), "identity", {"gain": 2.0}),
    "dirac": ((3, 8, 16), "dirac", {"groups": 2}),
    "uniform": [[40, 3], "uniform", {"low": -1.0}],
    "law": ((100,), fi.laws.Truncated(0.1, 0.5)),
    "kernel": ((3, 3, 5, 6), "glorot_uniform", {"gain": 0.5}),
    "orthogonal": ((17, 12), "orthogonal"),
    "sparse": ((31, 9), "sparse", {"sparsity": 0.4}),
}


def made(described, name, dtype, scheme="he_normal", seed=3):
    """What `init` gives for the same."""
    if len(described) < 2 or isinstance(described[1], int):
        described = (described, scheme)
    shape, scheme, keywords = (*described, {})[:3]
    return fi.init({name: shape}, scheme, seed, dtype=dtype, **keywords)[name]


def read(files):
    """The tensors of all files, and which file each is in."""
    tensors, where = {}, {}
    for path in files:
        if path.suffix == ".safetensors":
            with open_tensors(path) as file:
                where |= dict.fromkeys(file.names, path.name)
                tensors |= {name: file.read(name) for name in file.names}
    return tensors, where


def header_of(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), length, len(data) - 8 - length


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("piece", [64, 1 << 20])
def test_the_bits_are_those_of_init(tmp_path, monkeypatch, piece, dtype):
    monkeypatch.setattr(checkpoints, "PIECE", piece)
    (file,) = fi.save(tmp_path / "new" / "folder", WEIGHTS, "he_normal", 3, dtype=dtype)
    assert file == tmp_path / "new" / "folder" / "model.safetensors"
    tensors, _ = read([file])
    assert [*header_of(file)[0]] == ["__metadata__", *WEIGHTS]
    for name, described in WEIGHTS.items():
        expected = made(described, name, dtype)
        assert (tensors[name].dtype, tensors[name].shape) == (expected.dtype, expected.shape), name
        assert np.array_equal(bits(tensors[name]), bits(expected)), name


def test_a_larger_array_than_a_piece(tmp_path):
    (file,) = fi.save(tmp_path, {"w": (1000, 700)}, seed=np.random.SeedSequence(5))
    assert np.array_equal(read([file])[0]["w"], fi.he_normal((1000, 700), seed=np.random.SeedSequence(5), name="w"))


def test_a_users_function_is_called_once_as_init_calls_it(tmp_path):
    calls = []

    def ramp(shape, *, seed, name, dtype, step=1):
        calls.append((shape, seed, name, dtype, step))
        return np.arange(0, step * np.prod(shape), step, dtype=dtype).reshape(shape).T.copy().T

    (file,) = fi.save(tmp_path, {"w": ((3, 4), ramp, {"step": 2})}, seed=7, dtype="float16")
    assert calls == [((3, 4), 7, "w", "float16", 2)]
    assert np.array_equal(read([file])[0]["w"], np.arange(0, 24, 2, dtype="float16").reshape(3, 4))


def test_a_file_is_as_its_format_is(tmp_path):
    (file,) = fi.save(tmp_path, {"a": (3, 5), "b": (2,)}, "normal", 0, dtype="float16", metadata={"by": "us"})
    header, length, size = header_of(file)
    assert header == {
        "__metadata__": {"format": "pt", "by": "us"},
        "a": {"dtype": "F16", "shape": [3, 5], "data_offsets": [0, 30]},
        "b": {"dtype": "F16", "shape": [2], "data_offsets": [30, 34]},
    }
    assert (length % 8, size) == (0, 34)


def test_every_dtype_has_the_name_that_files_have_for_it():
    """As safetensors reads them."""
    known = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "C64", "BOOL"}
    assert {*CODES.values()} == known | {f"{kind}{bits}" for kind in "IU" for bits in (8, 16, 32, 64)}


#: Sizes in KB and a limit, and in which file huggingface_hub 1.0 puts each.
SHARDS = [
    ([6, 6, 2, 6, 2, 2], "10KB", [1, 2, 2, 3, 3, 3]),
    ([6, 6, 2, 6, 2, 2], 6000, [1, 2, 3, 4, 5, 5]),
    ([1, 12, 1, 12, 1], "10KB", [3, 1, 3, 2, 3]),
    ([12, 1], "10KB", [1, 2]),
    ([4, 4], "8KB", None),
    ([4, 4], "7.9KB", [1, 2]),
    ([4, 4], "7.8KiB", [1, 2]),
    ([4, 4], "1 TB", None),
    ([4], 1, None),
]


@pytest.mark.parametrize(("sizes", "limit", "expected"), SHARDS)
def test_shards_and_their_index(tmp_path, sizes, limit, expected):
    weights = {f"w{number}": (size * 250,) for number, size in enumerate(sizes)}
    *files, last = fi.save(tmp_path, weights, "normal", 1, max_shard_size=limit)
    if expected is None:
        assert (files, last.name) == ([], "model.safetensors")
        return
    count = max(expected)
    named = [f"model-{one:05d}-of-{count:05d}.safetensors" for one in range(count + 1)]
    tensors, where = read(files)
    assert where == {name: named[one] for name, one in zip(weights, expected, strict=True)}
    assert json.loads(last.read_text()) == {
        "metadata": {"total_parameters": 250 * sum(sizes), "total_size": 1000 * sum(sizes)},
        "weight_map": where,
    }
    assert (last.name, [path.name for path in files]) == ("model.safetensors.index.json", named[1:])
    assert sorted(os.listdir(tmp_path)) == [*named[1:], last.name]
    for name, shape in weights.items():
        assert np.array_equal(tensors[name], fi.normal(shape, seed=1, name=name))


def test_odd_names_are_kept(tmp_path):
    names = ["a b", 'quo"te', "back\\slash", "größe", "層.0", "🙂", "x/y", "__metadata", " "]
    (file,) = fi.save(tmp_path, dict.fromkeys(names, 3), "normal", 0)
    tensors, _ = read([file])
    assert {*tensors} == {*names}
    for name, values in tensors.items():
        assert np.array_equal(values, fi.normal(3, seed=0, name=name))


NAME = "`name` must be a string that can be printed, and not '__metadata__', got "
SIZE = "`max_shard_size` must be an integer, or a string such as '5GB' or '512MiB', got "
TYPED_SIZE = SIZE.replace("max_shard_size", "--max-shard-size")
LEAST = "`max_shard_size` must be an integer of at least 1, got "
KEYWORDS = "array 'a': `keywords` must be a mapping of the scheme's keywords to values, got "
MADE = "`scheme` must be such as makes numbers of shape {} (array 'a'), got "
REFUSED = [
    ({"": 3}, {}, ValueError, NAME + "''"),
    ({"__metadata__": 3}, {}, ValueError, NAME + "'__metadata__'"),
    ({"a\nb": 3}, {}, ValueError, NAME + "'a\\nb'"),
    ({"a\0": 3}, {}, ValueError, NAME + "'a\\x00'"),
    ({"\ud800": 3}, {}, ValueError, "array '\\ud800': `name` must be a string without lone surrogates, got '\\ud800'"),
    ({3: 3}, {}, TypeError, "array 3: `name` must be a string, got 3"),
    ([("a", 3)], {}, TypeError, "`weights` must be a mapping of names to shapes, got list"),
    ({"a": (3, -1)}, {}, ValueError, "array 'a': `shape` must be an integer of at least 0, got -1"),
    ({"a": "zeros"}, {}, TypeError, "array 'a': `shape` must be an integer or a sequence of integers, got 'zeros'"),
    ({"a": (3, "normal", {"sdt": 1})}, {}, TypeError,
     "array 'a': normal() got an unexpected keyword argument 'sdt' (nearest: 'std')"),
    ({"a": (3, "normal", "std")}, {}, TypeError, KEYWORDS + "'std'"),
    ({"a": (3, "normal", [("std", 1)])}, {}, TypeError, KEYWORDS + "[('std', 1)]"),
    ({"a": (3, "normal", {3: 1})}, {}, TypeError, KEYWORDS + "{3: 1}"),
    ({"a": (3, 1.5)}, {}, TypeError, "array 'a': `shape` must be an integer of at least 0, got 1.5"),
    ({"a": (3, "normal", {"seed": 1})}, {}, TypeError, "array 'a': normal() got an unexpected keyword argument 'seed'"),
    ({"a": (3, "normal", {"std": 1e4})}, {"dtype": "float16"}, ValueError,
     "array 'a': `std` must be small enough for mean + 8.58 std to stay below 65504 in float16, got 10000.0"),
    ({"a": ((2, 3, 4), "identity")}, {}, ValueError,
     "array 'a': `shape` must be of two axes, for the identity, got (2, 3, 4)"),
    ({"a": (7,)}, {"scheme": "he_normal"}, ValueError,
     "array 'a': `shape` must be of at least two axes, for a fan, got (7,)"),
    ({"a": 3}, {"scheme": lambda shape, **_: np.zeros(2)}, ValueError,
     MADE.format("(3,)") + "'float64, (2,)'"),
    ({"a": 1}, {"scheme": lambda shape, **_: None}, ValueError, MADE.format("(1,)") + "'object, ()'"),
    ({"a": 1}, {"scheme": lambda shape, **_: ["1"]}, ValueError, MADE.format("(1,)") + "'str32, (1,)'"),
    ({"a": 1}, {"scheme": lambda shape, **_: [1j]}, ValueError, MADE.format("(1,)") + "'complex128, (1,)'"),
    ({"a": 3}, {"max_shard_size": "5"}, ValueError, SIZE + "'5'"),
    ({"a": 3}, {"max_shard_size": "-5GB"}, ValueError, SIZE + "'-5GB'"),
    ({"a": 3}, {"max_shard_size": "5gb"}, ValueError, SIZE + "'5gb'"),
    ({"a": 3}, {"max_shard_size": "0.0001KB"}, ValueError, LEAST + "0"),
    ({"a": 3}, {"max_shard_size": 0}, ValueError, LEAST + "0"),
    ({"a": 3}, {"max_shard_size": None}, TypeError, LEAST + "None"),
    ({"a": 3}, {"max_shard_size": 5e9}, TypeError,
     "`max_shard_size` must be an integer of at least 1, as 5000000000 is, got 5000000000.0"),
    ({"a": 3}, {"max_shard_size": float("inf")}, TypeError, LEAST + "inf"),
    ({"a": 3}, {"max_shard_size": -1}, ValueError, LEAST + "-1"),
    ({"a": 3}, {"max_shard_size": 400 * "9" + "GB"}, ValueError, SIZE + repr(400 * "9" + "GB")),
    ({"a": 3}, {"max_shard_size": "٣GB"}, ValueError, SIZE + "'٣GB'"),
    ({"a": 3}, {"metadata": {"a": 1}}, TypeError, "`metadata` must be a mapping of strings to strings, got {'a': 1}"),
    ({"a": 3}, {"metadata": {"a": "\ud800"}}, ValueError,
     "`metadata` must be of strings without lone surrogates, which no reader takes, got {'a': '\\ud800'}"),
    ({"a": 3}, {"metadata": "a"}, TypeError, "`metadata` must be a mapping of strings to strings, got 'a'"),
    ({"a": 3}, {"dtyp": "float16"}, TypeError,
     "save() got an unexpected keyword argument 'dtyp' (nearest: 'dtype')"),
]  # fmt: skip


@pytest.mark.parametrize(("weights", "keywords", "error", "message"), REFUSED)
def test_what_is_refused_leaves_nothing(tmp_path, weights, keywords, error, message):
    with pytest.raises(error) as raised:
        fi.save(tmp_path / "new" / "folder", weights, **{"scheme": "normal", "seed": 0} | keywords)
    assert str(raised.value) == message
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("directory", "error", "message"),
    [
        ("", ValueError, "`directory` must be the path of a folder, such as '.', got ''"),
        ("\ud800", ValueError, "`directory` must be a path that a file system can have, got '\\ud800'"),
        ("a\0b", ValueError, "`directory` must be a path that a file system can have, got 'a\\x00b'"),
        (3, TypeError, "`directory` must be a path, got 3"),
        (b"out", TypeError, "`directory` must be a path, got b'out'"),
    ],
)
def test_what_is_no_folder(tmp_path, monkeypatch, directory, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as raised:
        fi.save(directory, {"w": 3}, "normal", 0)
    assert str(raised.value) == message and os.listdir(tmp_path) == []


def test_an_integer_of_any_length_is_a_size(tmp_path):
    assert len(fi.save(tmp_path, {"a": 3, "b": 3}, "normal", 0, max_shard_size=10**400)) == 1


@pytest.mark.parametrize("name", ["model.safetensors", "other.safetensors", "model.safetensors.index.json"])
def test_another_checkpoint_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("theirs")
    with pytest.raises(FileExistsError) as raised:
        fi.save(tmp_path, {"w": 3}, "normal", 0)
    assert str(raised.value) == f"`directory` must be one without a checkpoint, got {str(tmp_path / name)!r}"
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "theirs"


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "w").write_text("theirs")
    with pytest.raises(FileExistsError):
        fi.save(tmp_path / "w", {"w": 3}, "normal", 0)
    assert (tmp_path / "w").read_text() == "theirs"


def test_what_does_not_fit_is_said_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _: SimpleNamespace(free=11))
    with pytest.raises(OSError) as raised:
        fi.save(tmp_path / "w", {"w": 3}, lambda *_, **__: pytest.fail("made"), 0)
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.strerror == "12 bytes are to be written, and 11 are free"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("is_new", [True, False])
def test_a_disk_that_is_full_has_no_part_of_a_checkpoint(tmp_path, is_new):
    """The system stops each file at 100,000 bytes, which the third of four would pass."""
    resource = pytest.importorskip("resource", reason="no limit of the size of files on this platform")
    folder = tmp_path if not is_new else tmp_path / "new"
    (tmp_path / "config.json").write_text("{}")
    weights = {"a": (300, 40), "b": (300, 40), "c": (300, 100), "d": (300, 40)}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError) as raised:
            fi.save(folder, weights, seed=0, max_shard_size="50KB")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.errno == errno.EFBIG
    assert os.listdir(tmp_path) == ["config.json"]
    assert len(fi.save(folder, weights, seed=0, max_shard_size="50KB")) == 5


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("number", range(3))
def test_whatever_stops_it_nothing_is_left(tmp_path, monkeypatch, step, number):
    """An interruption at the number-th file: as it is put on disk, or as it gets its name."""
    home = os if step == "fsync" else checkpoints.Path
    real, calls = getattr(home, step), []

    def stopped(*arguments):
        calls.append(arguments)
        if len(calls) > number:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(home, step, stopped)
    with pytest.raises(KeyboardInterrupt):
        fi.save(tmp_path / "w", {"a": 3, "b": 3}, "normal", 0, max_shard_size=12)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []


def test_another_writer_is_left_alone(tmp_path):
    """Whose files are not whole yet, or are whole when ours are."""
    (tmp_path / "model.safetensors.part").write_text("theirs")

    def zeros(shape, **_):
        if (tmp_path / "other.safetensors").exists():
            raise KeyboardInterrupt
        (tmp_path / "other.safetensors").write_text("theirs too")
        return np.zeros(shape, np.float32)

    for error, names in ((FileExistsError, {"a": 3}), (KeyboardInterrupt, {"a": 3, "b": 3})):
        with pytest.raises(error):
            fi.save(tmp_path, names, zeros, 0)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
            "model.safetensors.part": "theirs",
            "other.safetensors": "theirs too",
        }
        (tmp_path / "other.safetensors").unlink()


def test_what_is_killed_leaves_no_checkpoint(tmp_path):
    code = """
import os, sys
import numpy as np
import fastinit as fi
def zeros(shape, *, name, **_):
    if name == "b":
        os.kill(os.getpid(), 9)
    return np.zeros(shape, np.float32)
fi.save(sys.argv[1], {"a": 3, "b": 3}, zeros, 0, max_shard_size=12)
"""
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode
    left = os.listdir(tmp_path)
    assert len(left) == 2 and all(name.endswith(".part") for name in left)
    assert len(fi.save(tmp_path, {"a": 3, "b": 3}, "normal", 0, max_shard_size=12)) == 3


def test_no_file_has_its_name_before_all_are_whole(tmp_path):
    seen = []

    def zeros(shape, **_):
        seen.append(sorted(name.split(".") for name in os.listdir(tmp_path)))
        return np.zeros(shape, np.float32)

    fi.save(tmp_path, {"a": 3, "b": 3}, zeros, 0, max_shard_size=12)
    tokens = {name[2] for names in seen for name in names}
    first, second = ([f"model-0000{number}-of-00002", "safetensors", *tokens, "part"] for number in (1, 2))
    assert seen == [[first], [first, second]]


def test_memory_does_not_grow_with_what_is_written(tmp_path):
    tracemalloc.start()
    try:
        fi.save(tmp_path, dict.fromkeys("abcd", 4 << 20), "normal", 0)  # 64 MiB
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """The command line, in a folder with shapes."""
    monkeypatch.chdir(tmp_path)
    shapes = {"fc.kernel": [30, 10], "fc.bias": [[10], "zeros"], "head": [[10, 10], "normal", {"std": 0.02}]}
    (tmp_path / "shapes.json").write_text(json.dumps(shapes))
    rules = "SOME, ONE, OTHER = [('*.kernel', 'normal', {'std': 0.5})], 'normal', [('*.bias', 'zeros')]\n"
    (tmp_path / "rules_of.py").write_text(rules)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "rules_of", raising=False)
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "twins.json").write_text('{"a": [2, 3], "b": [3], "a": [4, 5]}')
    (tmp_path / "deep.json").write_text(100_000 * "[")

    def run(*arguments, command="save"):
        try:
            status = main([command, *arguments])
        except SystemExit as stopped:
            status = stopped.code
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_the_command_saves_shapes(run, tmp_path):
    options = ["--gain", "2", "--scheme", "glorot_uniform", "--seed", "4", "--max-shard-size", "1KB"]
    assert run("out", "--shapes", "shapes.json", *options) == (
        0,
        "out/model-00001-of-00002.safetensors: 1312 bytes\nout/model-00002-of-00002.safetensors: 608 bytes\n"
        "out/model.safetensors.index.json: 250 bytes\n",
        "",
    )
    tensors, _ = read(sorted((tmp_path / "out").iterdir()))
    assert np.array_equal(tensors["fc.kernel"], fi.glorot_uniform((30, 10), gain=2, seed=4, name="fc.kernel"))
    assert np.array_equal(tensors["head"], fi.normal((10, 10), std=0.02, seed=4, name="head"))
    assert not tensors["fc.bias"].any()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: --shapes (see fastinit save --help)"),
        (["--config", "x"], "`--config` must be left out here (fastinit torch save has it), got 'x'"),
        (["--rules", "own", "--model", "a:b"],
         "`--model` must be left out here (fastinit torch save has it), got 'a:b'"),
        (["--shapes", "shapes.json", "--rules", "rules_of:SOME", "--scheme", "normal"],
         "`--scheme` must be left out with --rules, got 'normal'"),
        (["--shapes", "shapes.json", "--rules", "rules_of:SOME", "--gain", "2"],
         "`--gain` must be left out with --rules, got '2'"),
        (["--shapes", "shapes.json", "--rules", "rules_of:ONE"],
         "`--rules` must be a list of (pattern, scheme) or (pattern, scheme, keywords), got 'str'"),
        (["--shapes", "shapes.json", "--rules", "rules_of:OTHER"],
         "`scheme` must be such that each array has a law (a list may end with ('*', scheme)), got ['fc.kernel']"),
        (["--shapes", "list.json"], "`--shapes` must be a file of one object, from names to shapes, got 'list.json'"),
        (["--shapes", "broken.json"],
         "broken.json cannot be read as JSON: Expecting property name enclosed in double quotes: line 1 column 2 "
         "(char 1)"),
        (["--seed", "-1", "--shapes", "nowhere.json"], "`--seed` must be an integer in [0, 2**128), got -1"),
        (["--shapes", "twins.json"], "twins.json cannot be read as JSON: twice in an object: 'a'"),
        (["--shapes", "nowhere.json"], "nowhere.json: No such file or directory"),
        (["--shapes", "shapes.json", "--seed", "one"], "`--seed` must be a number, got 'one'"),
        (["--shapes", "shapes.json", "--max-shard-size", "5"],
         None),
        (["--shapes", "shapes.json", "--max-shard-size", "5G"], TYPED_SIZE + "'5G'"),
        (["--shapes", "shapes.json", "--dtype", "float31"],
         "`--dtype` must be one of 'float16', 'float32', 'float64', 'bfloat16', got 'float31' (nearest: 'float32')"),
        (["--shapes", "shapes.json", "--std", "2"],
         "`--std` must be left out for he_normal (its own: --distribution, --gain, --in-axis, --out-axis, "
         "--batch-axis), got '2'"),
    ],
)  # fmt: skip
def test_one_line_for_what_is_wrong(run, arguments, said):
    status, out, err = run("out", *arguments)
    if said is None:
        assert (status, err) == (0, "") and out.count("\n") == 4
        return
    assert (status, out, err) == (2, "", refused("save", said))
    assert "out" not in os.listdir()


def test_rules_are_of_arrays_that_have_no_scheme_of_their_own(tmp_path):
    shapes = {"fc.weight": (30, 10), "fc.bias": 10}
    rules = [("*.bias", "zeros"), ("*", "he_normal", {"gain": 0.5})]
    tensors, _ = read(fi.save(tmp_path / "out", {**shapes, "own.bias": (4, "ones")}, rules, seed=3))
    made = fi.init(shapes, rules, seed=3) | {"own.bias": np.ones(4, np.float32)}
    assert tensors.keys() == made.keys() and all(np.array_equal(tensors[name], made[name]) for name in made)
    with pytest.raises(ValueError) as refused:
        fi.save(tmp_path / "no", {"own.bias": (4, "ones")}, rules)
    said = (
        "`scheme` must be patterns each of which matches the name of an array, "
        "got '*.bias', '*': no array matches them (there are: none)"
    )
    assert str(refused.value) == said and not (tmp_path / "no").exists()


def test_a_plan_is_of_what_is_saved(run, tmp_path):
    """By a scheme with keywords and by rules; nothing is made, and what cannot be is refused as it is by save."""
    shapes = ["--shapes", "shapes.json"]
    assert run(*shapes, "--scheme", "he_normal:gain=2", "--in-axis", "1", "--out-axis", "0", command="plan") == (
        0,
        "name       shape  law                 std     fan_in  fan_out\n"
        "fc.kernel  30x10  normal(std=0.8944)  0.8944  10      30\n"
        "fc.bias    10     zeros()             0       -       -\n"
        "head       10x10  normal(std=0.02)    0.02    -       -\n",
        "",
    )
    rules = [*shapes, "--rules", "rules_of:SOME"]
    assert "fc.kernel  30x10  normal(std=0.5)   0.5   -       -\n" in run(*rules, command="plan")[1]
    assert run("out", *rules, "--seed", "4")[0] == 0
    tensors, _ = read(sorted((tmp_path / "out").iterdir()))
    assert np.array_equal(tensors["fc.kernel"], fi.normal((30, 10), std=0.5, seed=4, name="fc.kernel"))
    for wrong in (["--dtype", "float31"], ["--scheme", "uniform", "--high", "1e39"], ["--mode", "fan"]):
        status, out, err = run(*shapes, *wrong, command="plan")
        assert (status, out, err.replace("fastinit plan", "fastinit save")) == run(
            "no", *shapes, *wrong
        ) and status == 2


def test_what_cannot_be_asked(run):
    status, out, err = run("out", "--shapes", "deep.json")
    assert (status, out) == (2, "") and err.startswith("fastinit: deep.json cannot be read as JSON: ")
    said = refused("save", "`directory` must be the path of a folder, such as '.', got ''")
    assert run("", "--shapes", "shapes.json") == (2, "", said)


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="no folder can be locked here")
def test_of_two_writers_of_one_folder_the_second_is_refused(tmp_path, monkeypatch):
    """Each waits, once it has found no checkpoint beside its own files, for the other to find the same."""
    both, check, errors = threading.Barrier(2), checkpoints._check_folder, []

    def checked(folder):
        check(folder)
        if any(folder.glob("*.part")):
            with suppress(threading.BrokenBarrierError):
                both.wait(0.5)

    def write(size):
        try:
            fi.save(tmp_path / "out", {"a": (8, 8), "b": (8, 8)}, seed=0, max_shard_size=size)
        except FileExistsError as error:
            errors.append(error)

    monkeypatch.setattr(checkpoints, "_check_folder", checked)
    writers = [threading.Thread(target=write, args=(size,)) for size in (300, "1GB")]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    parted = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
    assert len(errors) == 1 and files in (parted, ["model.safetensors"])
    tensors, _ = read([tmp_path / "out" / name for name in files])
    assert {name: one.tolist() for name, one in tensors.items()} == {
        name: one.tolist() for name, one in fi.init({"a": (8, 8), "b": (8, 8)}, seed=0).items()
    }


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="no folder can be locked here")
def test_a_writer_that_is_killed_while_it_names_its_files_stops_no_other(tmp_path):
    code = """
import sys, time
import fastinit as fi
from fastinit import checkpoints
check = checkpoints._check_folder
def checked(folder):
    check(folder)
    if any(folder.glob("*.part")):
        print("naming", flush=True)
        time.sleep(100)
checkpoints._check_folder = checked
fi.save(sys.argv[1], {"a": (8, 8)}, seed=0)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None and killed.stdout.readline() == "naming\n"
        killed.kill()
    (path,) = fi.save(tmp_path / "out", {"a": (8, 8)}, seed=1)
    assert np.array_equal(read([path])[0]["a"], fi.he_normal((8, 8), seed=1, name="a"))


def test_a_function_that_cannot_be_called_is_refused_before_anything_is_written(tmp_path):
    def own(shape, seed):
        raise AssertionError

    with pytest.raises(TypeError) as error:
        fi.save(tmp_path / "out", {"a": (8, 8), "b": ((8, 8), own)}, seed=0)
    assert str(error.value) == (
        "array 'b': `rules` must be of schemes that are called as fastinit's are "
        "(b: got an unexpected keyword argument 'name'), got 'own'"
    )
    assert not (tmp_path / "out").exists()
