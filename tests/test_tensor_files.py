"""The one reader of .safetensors files: names, dtypes, shapes, bits, and errors that name the file."""

import json
import sys
from functools import partial

import numpy as np
import pytest
from conftest import stored_bytes

import fastinit as fi
from fastinit.dtypes import kind_of
from fastinit.tensor_files import FLOATS, open_tensors

HALF = kind_of("bfloat16").dtype
#: Of each, how files call it and what it holds: all of bfloat16, NaN and signed zeros among them.
TENSORS = {
    "double": ("F64", np.array([[1.5, -0.0], [np.nan, 1e-310]])),
    "single": ("F32", fi.he_normal((6, 4), seed=0)),
    "half": ("F16", np.array([65504, -6e-8, np.inf], np.float16)),
    "brain": ("BF16", np.arange(1 << 16, dtype=np.uint16).view(HALF).reshape(256, 256)),
    "none": ("BF16", np.zeros((0, 3), HALF)),
    "one": ("BF16", np.array(1.5, HALF)),
    "count": ("I64", np.array([[3]])),
    "small": ("F8_E5M2", np.array([1, 2], np.uint8)),
}


def written(path, tensors=TENSORS):
    """A file as its format is: the length of a header, the header, the bytes."""
    header, data = {}, b""
    for name, (dtype, array) in tensors.items():
        begin, data = len(data), data + stored_bytes(array)
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_what_a_file_holds(tmp_path):
    with open_tensors(written(tmp_path / "w.safetensors")) as file:
        assert sorted(file.names) == sorted(TENSORS)
        for name, (dtype, array) in TENSORS.items():
            assert (file.dtype_of(name), file.shape_of(name)) == (dtype, array.shape)
            assert (dtype in FLOATS) == (name not in ("count", "small"))
        found = {name: file.read(name) for name in file.names if name != "small"}
    for name, array in found.items():  # after the file is closed
        expected = TENSORS[name][1]
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert array.tobytes() == expected.tobytes()


def test_a_dtype_that_numpy_has_not_is_one_line(tmp_path):
    path = written(tmp_path / "w.safetensors")
    with open_tensors(path) as file, pytest.raises(ValueError) as raised:
        file.read("small")
    assert str(raised.value) == f"{path} has a tensor of a dtype that NumPy has not: 'small' of F8_E5M2"


def test_errors_name_the_file(tmp_path):
    """What is no such file, a file cut short, and nothing."""
    bad, short, missing = (tmp_path / f"{name}.safetensors" for name in ("bad", "short", "missing"))
    bad.write_bytes(b"nothing")
    short.write_bytes(written(tmp_path / "w.safetensors").read_bytes()[:-1])
    for path, kind in ((bad, ValueError), (short, ValueError), (missing, FileNotFoundError)):
        with pytest.raises(kind) as raised, open_tensors(path):
            pass
        assert str(path) in str(raised.value)
        if path is not missing:
            assert str(raised.value).startswith(f"{path} cannot be read as a .safetensors file: ")


@pytest.mark.parametrize("path", ["\ud800", "a\0b"])
def test_what_no_file_system_can_have(path):
    """Wherever a path is asked for."""
    profile = fi.profile(8, 2, batch=4, seed=0)
    sweep = partial(fi.sweep, {"width": [4]}, depth=2, batch=4, seed=0)
    for argument, call in (
        ("file", lambda: open_tensors(path).__enter__()),
        ("path", lambda: profile.to_html(f"{path}.html")),
        ("path", lambda: sweep(path=path)),
    ):
        with pytest.raises(ValueError, match=f"^`{argument}` must be a path that a file system can have, got "):
            call()


def several(folder, shards, index):
    """Files of tensors by their names, and an index."""
    folder.mkdir(exist_ok=True)
    for file, names in shards.items():
        written(folder / f"{file}.safetensors", {name: TENSORS[name] for name in names})
    where = {name: f"{file}.safetensors" for file, names in index.items() for name in names}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return folder


def test_several_files_with_an_index(tmp_path):
    shards = {"a": ["double", "half"], "b": ["single"]}
    folder = several(tmp_path / "several", shards, shards)
    written(folder / "consolidated.safetensors")  # which no index names
    for path in (folder, folder / "model.safetensors.index.json"):
        with open_tensors(path) as files:
            assert sorted(files.names) == ["double", "half", "single"]
            for name in files.names:
                assert files.read(name).tobytes() == TENSORS[name][1].tobytes()
    (tmp_path / "one").mkdir()
    written(tmp_path / "one" / "any.safetensors")
    with open_tensors(tmp_path / "one") as files:
        assert sorted(files.names) == sorted(TENSORS)


@pytest.mark.parametrize(
    ("shards", "index", "said"),
    [
        ({"a": ["half"]}, {"a": ["half"], "b": ["single"]}, "names files that are not there: b.safetensors"),
        ({"a": ["half"]}, {"a": ["half", "one"]}, "names tensors that a.safetensors has not: one"),
        ({"a": ["half", "one", "none", "double", "brain"]}, {"a": ["half"]},
         "does not name all tensors of a.safetensors: brain, double, none and 1 more"),
        ({"a": ["half"], "b": ["half", "one"]}, {"a": ["half"], "b": ["one"]},
         "does not name all tensors of b.safetensors: half"),
        ({"a": ["half"]}, {"../several/a": ["half"]},
         "cannot be read as the index of .safetensors files: ValueError('../several/a.safetensors')"),
        ({"a-1-of-2": ["half"], "a-2-of-2": ["one"], "b-2-of-2": ["half"], "a-2-of-3": ["one"]}, {"a-1-of-2": ["half"]},
         "names no tensor of files that belong to those it names: a-2-of-2.safetensors"),
    ],
)  # fmt: skip
def test_an_index_and_its_files_have_the_same(tmp_path, shards, index, said):
    folder = several(tmp_path / "several", shards, index)
    with pytest.raises(ValueError) as raised, open_tensors(folder):
        pass
    assert str(raised.value) == f"{folder / 'model.safetensors.index.json'} {said}"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', 100_000 * "["])
def test_what_is_no_index(tmp_path, text):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ValueError, match="cannot be read as the index of "), open_tensors(tmp_path):
        pass


@pytest.mark.parametrize("names", [[], ["a.safetensors", "b.safetensors"], ["a.bin", "c.json"]])
def test_a_folder_must_say_what_it_has(tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(ValueError) as raised, open_tensors(tmp_path):
        pass
    rule = "a folder with one .safetensors file, or one index of several (*.safetensors.index.json)"
    assert str(raised.value) == f"`file` must be {rule}, got '{tmp_path}: {', '.join(names)}'"


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError) as raised, open_tensors(written(tmp_path / "w.safetensors")):
        pass
    said = "pip install safetensors (or '.[safetensors]' in the source folder of fastinit)"
    assert str(raised.value) == f"a .safetensors file needs safetensors: {said}"
