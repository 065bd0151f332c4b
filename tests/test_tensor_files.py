"""The one reader of .safetensors files: names, dtypes, shapes, bits, and errors that name the file."""

import json
import sys

import numpy as np
import pytest

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
        begin, data = len(data), data + array.tobytes()
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
    """What is no such file, a file cut short, a folder, and nothing."""
    bad, short, missing = (tmp_path / f"{name}.safetensors" for name in ("bad", "short", "missing"))
    bad.write_bytes(b"nothing")
    short.write_bytes(written(tmp_path / "w.safetensors").read_bytes()[:-1])
    for path, kind in ((bad, ValueError), (short, ValueError), (tmp_path, OSError), (missing, FileNotFoundError)):
        with pytest.raises(kind) as raised, open_tensors(path):
            pass
        assert str(path) in str(raised.value)
        if path is not missing:
            assert str(raised.value).startswith(f"{path} cannot be read as a .safetensors file: ")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError) as raised, open_tensors(written(tmp_path / "w.safetensors")):
        pass
    said = "pip install safetensors (or '.[safetensors]' in the source folder of fastinit)"
    assert str(raised.value) == f"a .safetensors file needs safetensors: {said}"
