"""Nothing runs what a file holds, and a file that is no such file is refused in one line, before memory is taken."""

import ast
import io
import json
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_tensor_files import written

import fastinit as fi
from fastinit import tensor_files
from fastinit.cli import main

PACKAGE = Path(fi.__file__).parent

#: What runs what it is given, or may; where that is asked for; and why.
RUNS_CODE = re.compile(
    r"(builtins\.)?(eval|exec|compile|__import__)|(c?pickle|dill|marshal|shelve|joblib)\.\w+|yaml\.(unsafe_|full_)?load\w*"
    r"|(np|numpy|npy)\.(load|read_array)|(torch\.)?load|os\.(system|popen|exec\w*|spawn\w*)|runpy\.\w+|(import_module)"
    r"|subprocess\.\w+|ctypes\.\w+"
)
ALLOWED = {
    ("__init__.py", "import_module"): "modules of fastinit, by the table of its names",
    ("profiler/drawing.py", "import_module"): "its own modules, by names that it has in it",
    ("cli/models.py", "import_module"): "the door to torch, by its name",
    ("cli/users_code.py", "import_module"): "modules of the user, whose names were typed",
    ("cli/array_files.py", "npy.read_array"): "allow_pickle=False",
    ("torch/models/pickled.py", "torch.load"): "weights_only=True",
    ("torch/models/stored.py", "load"): "its own function",
}
#: Keywords with which a call is of data alone.
OF_DATA = {"npy.read_array": ("allow_pickle", False), "torch.load": ("weights_only", True)}
ORDERS = {"shell": True, "allow_pickle": True, "weights_only": False, "trust_remote_code": True}


def calls_of(source):
    """Of each call in a module its name, such as np.load, and its keywords that are constants."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            constants = {one.arg: one.value.value for one in node.keywords if isinstance(one.value, ast.Constant)}
            yield ast.unparse(node.func), constants


def running(source):
    """Calls of a module that run what they are given, or may."""
    return {name for name, _ in calls_of(source) if RUNS_CODE.fullmatch(name)}


def test_no_module_runs_what_it_reads():
    text = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert {(path, name) for path, one in text.items() for name in running(one)} == set(ALLOWED)
    for path, one in text.items():
        assert not re.search(r"^\s*(import|from) (pickle|marshal|dill|shelve|subprocess|yaml|ctypes)\b", one, re.M), (
            path
        )
        for name, constants in calls_of(one):
            assert not ORDERS.items() & constants.items(), path
            keyword, value = OF_DATA.get(name, (None, None))
            assert constants.get(keyword) is value, path


def test_what_runs_code_is_seen():
    source = (
        "eval(a); np.load(b, allow_pickle=True); subprocess.run(c, shell=True); torch.load(d); re.compile(e); m.eval()"
    )
    assert running(source) == {"eval", "np.load", "subprocess.run", "torch.load"}
    assert [constants for _, constants in calls_of(source) if constants] == [{"allow_pickle": True}, {"shell": True}]


def test_the_core_has_no_way_to_run_code():
    for path in PACKAGE.glob("*.px*"):
        assert not re.search(r"\b(eval|exec|pickle|system|popen)\s*\(", path.read_text(encoding="utf-8")), path


def header(text, data=bytes(16), length=None):
    """A .safetensors file with this as its header, and the length that it says."""
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def tensor(shape=(2, 2), begin=0, end=16, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def npy(data=bytes(16), major=1, text=None, length=None, **changed):
    """An .npy file with a header as NumPy writes it, but for what is changed."""
    text = repr({"descr": "<f4", "fortran_order": False, "shape": (2, 2), **changed}).encode() if text is None else text
    size = struct.pack("<H" if major == 1 else "<I", len(text) if length is None else length)
    return b"\x93NUMPY" + bytes([major, 0]) + size + text + data


def npz(compression=zipfile.ZIP_DEFLATED, **members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def changed(archive, **places):
    """An archive of one member, of whose central entry bytes at a place are others."""
    found = bytearray(archive)
    start = found.index(b"PK\1\2")
    for place, content in places.items():
        at = start + int(place.removeprefix("at_"))
        found[at : at + len(content)] = content
    return bytes(found)


OF_TENSORS = {
    "empty": b"",
    "length": header({}, length=2**64 - 1),
    "no longer": header({}, length=99_999_999),
    "before": header({"a": tensor(begin=-16, end=0)}),
    "backwards": header({"a": tensor(begin=16, end=0)}),
    "over another": header({"a": tensor(), "b": tensor(begin=8, end=24)}, bytes(24)),
    "the same": header({"a": tensor(), "b": tensor()}),
    "a hole": header({"a": tensor(begin=16, end=32)}, bytes(32)),
    "past the end": header({"a": tensor((1 << 19, 1 << 19), end=1 << 40)}),
    "product": header({"a": tensor((1 << 63, 2, 1 << 63))}),
    "fraction": header({"a": tensor((2.5, 2))}),
    "deep": header(b'{"a":' * 100_000),
    "not UTF-8": header(b'{"\xff\xfe":1}'),
    "lone surrogate": header(b'{"\\ud800":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}'),
    "dtype": header({"a": tensor(dtype="Q9")}),
    "words": header({"__metadata__": {"a": 1}}),
    "nothing": header(b"null"),
}
NPY = npy()
OF_ARRAYS = {
    "empty": b"",
    "huge": npy(shape=(1 << 40, 1 << 10)),
    "negative": npy(shape=(-2, -2)),
    "product": npy(shape=(1 << 62, 1 << 62)),
    "no int64": npy(shape=(10**30,)),
    "objects": npy(descr="|O"),
    "objects in records": npy(descr=[("a", "|O")]),
    "length": npy(b"", 2, length=0xFFFFFFFF),
    "long": npy(b"", 2, b" " * 100_000),
    "deep": npy(b"", 2, b"(" * 5000 + b")" * 5000),
    "signs": npy(b"", 1, b"{'descr':" + b"-" * 9000 + b"1}"),
    "code": npy(b"", 1, b"__import__('pathlib').Path('ran').touch()"),
    "dtype": npy(descr="<f3"),
    "letters": npy(descr="<U2147483647", shape=(1,)),
    "version": npy(major=9),
    "short": npy(bytes(5)),
    "axes": npy(shape=(1,) * 70),
    "keys": npy(text=b"{'descr': '<f4'}"),
    "list": npy(shape=[2, 2]),
    "names": npy(descr=[("a", "<f4"), ("a", "<f4")]),
}
DAMAGED = {
    "no archive": b"PK\3\4" + bytes(100),
    "half": npz(a=NPY)[:60],
    "another sum": changed(npz(a=NPY), at_16=b"\1\2\3\4"),
    "a secret": changed(npz(a=NPY), at_8=b"\1"),
    "no such compression": changed(npz(a=NPY), at_10=b"\x63"),
    "elsewhere": changed(npz(a=NPY), at_42=b"\xff\xff\xff\x7f"),
    "no array": npz(a=b"text"),
}
ARCHIVED = {**DAMAGED, **{name: npz(a=content) for name, content in OF_ARRAYS.items()}}
FILES = [
    *((f"{name}.safetensors", content, "a .safetensors file") for name, content in OF_TENSORS.items()),
    *((f"{name}.npy", content, "an .npy or .npz file") for name, content in OF_ARRAYS.items()),
    *((f"{name}.npz", content, "an .npy or .npz file") for name, content in ARCHIVED.items()),
]


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys, recwarn):
    """The one line with which a command refuses a file."""
    monkeypatch.chdir(tmp_path)

    def ask(*arguments):
        status = main(arguments)
        out, said = capsys.readouterr()
        assert (status, out, said.count("\n"), said.isascii()) == (2, "", 1, True)
        assert len(said) < 400 and not recwarn.list and not Path("ran").exists()
        return said

    return ask


@pytest.mark.parametrize(("name", "content", "kind"), FILES, ids=[name for name, _, _ in FILES])
def test_what_is_no_such_file_is_refused_in_one_line(refused, name, content, kind):
    Path(name).write_bytes(content)
    assert refused("verify", name, "--scheme", "he_normal").startswith(f"fastinit: {name} cannot be read as {kind}: ")


def test_what_is_such_a_file_is_not_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    good = [header({"a": tensor()}), npy(), npz(a=NPY), npz(zipfile.ZIP_LZMA, a=NPY), npz(zipfile.ZIP_STORED, a=NPY)]
    for content, suffix in zip(good, ("safetensors", "npy", "npz", "npz", "npz"), strict=True):
        Path(f"w.{suffix}").write_bytes(content)
        assert main(["verify", f"w.{suffix}", "--scheme", "zeros", "--seed", "0"]) == 0, suffix
    assert capsys.readouterr().out.count("ok\n") == len(good)


def test_messages_of_archives(refused):
    """Of what NumPy would read as it is said, or say in several lines."""
    said = {
        "huge": "'a' has fewer bytes than its shape says",
        "version": "'a' is of version (9, 0) of the format",
        "empty": "'a' is empty",
        "no array": "'a' is no array (numpy.save writes one)",
        "objects": "'a' has objects of Python, where only numbers are read",
        "long": "Header info length (100000) is large and may not be safe to load securely.",
        "no such compression": "That compression method is not supported",
    }
    for name, message in said.items():
        Path("w.npz").write_bytes(ARCHIVED[name])
        found = refused("verify", "w.npz", "--scheme", "he_normal")
        assert found == f"fastinit: w.npz cannot be read as an .npy or .npz file: {message}\n"
    with zipfile.ZipFile("w.npz", "w") as archive:
        archive.writestr("a", b"")
        archive.writestr("a.npy", NPY)
    found = refused("verify", "w.npz", "--scheme", "he_normal")
    assert found == "fastinit: w.npz cannot be read as an .npy or .npz file: there are several arrays of one name\n"


def test_an_archive_that_grows_is_refused_before_it_does(refused):
    """Half a megabyte of half a gigabyte of zeros: of an array as of anything else, and where the archive lies."""
    bare = {"a.npy": npy(b"", shape=(1 << 13, 1 << 14)), "a.txt": b""}
    for name, start in bare.items():
        with zipfile.ZipFile("w.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
            member.write(start)
            for _ in range(512):
                member.write(bytes(1 << 20))
        stored = Path("w.npz").read_bytes()
        for content in (stored, changed(stored, at_20=b"\xff\xff\xff\x7f")):
            Path("w.npz").write_bytes(content)
            assert refused("verify", "w.npz", "--scheme", "he_normal") == (
                "fastinit: `file` must be an .npz file of arrays that are at most 100 times as large as they are "
                f"stored (see numpy.savez), got 'w.npz: {name}' (see fastinit verify --help)\n"
            )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a limit that only Linux keeps")
def test_no_file_takes_memory_that_it_does_not_fill(tmp_path):
    """All of them, with 300 MiB beside what Python, NumPy and safetensors hold."""
    for name, content, _ in FILES:
        (tmp_path / name).write_bytes(content)
    code = """
import resource, sys
from pathlib import Path
import safetensors
from fastinit.cli import main
assert main(["verify", "empty.npy", "--scheme", "he_normal"]) == 2
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + (300 << 20)
resource.setrlimit(resource.RLIMIT_AS, (held, held))
for path in sorted(Path().iterdir()):
    assert main(["verify", path.name, "--scheme", "he_normal"]) == 2, path
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.count("\n") == len(FILES) + 1


def test_names_that_a_terminal_would_act_on(refused, tmp_path):
    name = "a\x1b[31m\nok"
    written(tmp_path / "w.safetensors", {name: ("F32", np.zeros((2, 2), np.float32))})
    np.savez("w.npz", **{name: np.zeros((2, 2), np.float32)})
    for path in ("w.safetensors", "w.npz"):
        said = refused("verify", path, "--scheme", "he_normal")
        assert said.endswith(f"{path} has a tensor whose name cannot be printed: {name!r}\n")
    Path("shapes.json").write_text(json.dumps({name: [4, -4]}))
    assert refused("plan", "--shapes", "shapes.json") == (
        r"fastinit: array 'a\x1b[31m\nok': `shape` must be an integer of at least 0, got -4" + "\n"
    )


@pytest.mark.parametrize(
    "file", ["../w.safetensors", "/w.safetensors", "..", ".", "", "a/../w.safetensors", "\0", "w\n.safetensors"]
)
def test_an_index_leads_nowhere_else(refused, tmp_path, file):
    folder = tmp_path / "folder"
    folder.mkdir()
    written(tmp_path / "w.safetensors", {"a": ("F32", np.zeros((2, 2), np.float32))})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": file}}))
    said = refused("verify", "folder", "--scheme", "zeros")
    assert "cannot be read as the index of .safetensors files: " in said or "names files that are not there: " in said


def test_an_index_may_be_so_long(refused, monkeypatch):
    monkeypatch.setattr(tensor_files, "_LONGEST_INDEX", 100)
    Path("model.safetensors.index.json").write_text(f"{'{}':<101}")
    said = "`file` must be an index of at most 100 bytes, got 'model.safetensors.index.json'"
    assert refused("verify", "model.safetensors.index.json", "--scheme", "zeros") == (
        f"fastinit: {said} (see fastinit verify --help)\n"
    )


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"\xff\xfe", b"", b'{"a": [2, 2], "a": [3, 3]}', b"[]", b'{"a": [1e999]}']
)
def test_shapes_that_are_none(refused, content):
    Path("shapes.json").write_bytes(content)
    refused("plan", "--shapes", "shapes.json")
    refused("save", "folder", "--shapes", "shapes.json")
    assert not Path("folder").exists()
