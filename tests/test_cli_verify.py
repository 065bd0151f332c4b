"""``fastinit verify``: which options belong together, options of schemes, the user's modules; and no torch unasked."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import refused
from test_tensor_files import written

import fastinit as fi
from fastinit.cli import main
from fastinit.cli.command_line import parser
from fastinit.schemes import REQUIRED, SCHEMES

HOME = Path(fi.__file__).parents[1]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of its own, with files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    np.save("w.npy", fi.he_normal((64, 32), seed=3))
    np.save("sparse.npy", fi.sparse((100, 8), 0.5, seed=3))
    np.save("dirac.npy", fi.dirac((3, 8, 16), groups=2))
    np.save("many.npy", fi.he_normal((4, 5, 6, 7), seed=3, in_axis=(0, 1), out_axis=2, batch_axis=3))
    Path("text.npy").write_text("hello")
    Path("nothing.npy").touch()
    np.save("objects.npy", np.array([{}]), allow_pickle=True)
    Path("x.csv").write_text("1,2\n")
    empty = np.zeros((0, 4), np.float32)
    np.save("empty.npy", empty)
    np.savez("empties.npz", a=empty, b=empty)
    np.savez("some.npz", a=fi.he_normal((64, 32), seed=3, name="a"), b=empty)
    written(tmp_path / "w.safetensors", {"a": ("F32", fi.he_normal((64, 32), seed=3, name="a"))})
    return tmp_path


def run(capsys, *arguments):
    try:
        status = main(arguments)
    except SystemExit as stopped:
        status = stopped.code
    printed = capsys.readouterr()
    return status, printed.out, printed.err


HE = ["--scheme", "he_normal"]
MODEL = ["--model", "my.models:gpt"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["w.npy"], "the following arguments are required: --scheme (see fastinit verify --help)"),
        (["w.npy", *MODEL], "`--model` must be left out here (fastinit torch verify has it), got 'my.models:gpt'"),
        (["w.npy", *HE, "--config", "c"], "`--config` must be left out here (fastinit torch verify has it), got 'c'"),
        (["w.npy", *HE, "--seed", "1.5"], "`--seed` must be an integer, such as 4096 or 1e6, got '1.5'"),
        (["w.npy", *HE, "--seed", "-1"], "`--seed` must be an integer in [0, 2**128), got -1"),
        (["none.npy", *HE], "none.npy: No such file or directory"),
        (["none.npz", *HE], "none.npz: No such file or directory"),
        (["none.safetensors", *HE], "none.safetensors: No such file or directory"),
        (["text.npy", *HE],
         "text.npy cannot be read as an .npy or .npz file: it is no array (numpy.save writes one)"),
        (["nothing.npy", *HE], "nothing.npy cannot be read as an .npy or .npz file: it is empty"),
        (["objects.npy", *HE],
         "objects.npy cannot be read as an .npy or .npz file: it has objects of Python, where only numbers are read"),
        (["x.csv", *HE],
         "`file` must be a file of arrays: .npy, .npz, .safetensors, or of torch.save (.pt, .pth, .bin); the index of "
         "several (*.safetensors.index.json), or their folder, got 'x.csv'"),
        (["none.csv", *HE], "none.csv: No such file or directory"),
        (["", *HE], "`file` must be a path, got ''"),
        (["empty.npy", *HE],
         "`file` must be of an array with elements: of this nothing can be checked, got 'empty.npy of (0, 4)'"),
        (["empties.npz", *HE],
         "`--array` must be such that a tensor of floats with elements is checked, got None"),
        (["w.npy", *HE, "--gain", "two"], "`--gain` must be a number, got 'two'"),
        (["w.npy", *HE, "--in-axis", "0,x"], "`--in-axis` must be a number, got 'x'"),
        (["w.npy", *HE, "--std", "1"],
         "`--std` must be left out for he_normal (its own: --distribution, --gain, --in-axis, --out-axis, "
         "--batch-axis), got '1'"),
        (["w.npy", "--scheme", "zeros", "--value", "1"],
         "`--value` must be left out for zeros (its own: none), got '1'"),
        (["w.npy", "--scheme", "he_normal:gain=2", "--gain", "2"],
         "`--gain` must be left out where --scheme has it, got '2'"),
        (["w.npy", "--scheme", "he_normal:2"],
         "`--scheme` must be a name, or a name with keywords as in small_normal:std=0.02, got 'he_normal:2'"),
        (["w.npy", "--scheme", "constant"],
         "`--scheme` must be given with its value: constant:value=NUMBER, or --value NUMBER, got 'constant'"),
        (["w.npy", "--scheme", "he_normal:gian=2"],
         "`--scheme` must be he_normal with keywords of its own (distribution, gain, in_axis, out_axis, batch_axis), "
         "got 'gian' (nearest: 'gain')"),
        (["w.npy", "--scheme", "he_normal:seed=2"],
         "`--scheme` must be without seed, which is --seed, got 'he_normal:seed=2'"),
        (["w.npy", *HE, "--in-axis", "7"], "`--in-axis` must be an integer in [-2, 2), got 7"),
        (["w.npy", "--scheme", "variance_scaling", "--mode", "fan"],
         "`--mode` must be one of 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg', got 'fan' (nearest: 'fan_in')"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_one_line_for_what_is_wrong(capsys, arguments, said):
    assert run(capsys, "verify", *arguments) == (2, "", refused("verify", said))


ONE = "one of the arguments --model --config is required (see fastinit torch {} --help)"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan"], ONE.format("plan")),
        (["verify", "w.npy"], ONE.format("verify")),
        (["save", "out"], ONE.format("save")),
        (["save", "out", "--shapes", "s.json"], "unrecognized arguments: --shapes (see fastinit torch save --help)"),
        (["verify", "w.npy", *MODEL, *HE],
         "unrecognized arguments: --scheme (nearest: '--seed') (see fastinit torch verify --help)"),
        (["profile", *MODEL],
         "one of the arguments --batch --shape is required (see fastinit torch profile --help)"),
        (["profile", *MODEL, "--shape", "2,3", "--all", "--no-table"],
         "`--all` must be left out with --no-table: it is of a table of layers, got True"),
        (["profile", "--model", "os:getcwd", "--batch", "os:sep", "--high", "9"],
         "`--high` must be left out with --batch, got '9'"),
        (["profile", *MODEL, "--shape", "2,3", "--examples", "few"], "`--examples` must be a number, got 'few'"),
        (["plan", "--model", "gpt"], "`--model` must be package.module:name, got 'gpt'"),
        (["verify", "w.npy", *MODEL, "--seed", "0"],
         "`--model` must be a module that Python finds, as it finds those of this folder, got 'my.models'"),
        (["verify", "w.npy", "--model", "os:nothing"], "`--model` must be a name that os has, got 'nothing'"),
        (["plan", "--model", "os:getcwd", "--rules", ":own"], "`--rules` must be package.module:name, got ':own'"),
        (["verify", "w.npy", "--model", "os:getcwd", "--seed", "one"], "`--seed` must be a number, got 'one'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_one_line_for_what_is_wrong_of_models(capsys, arguments, said):
    """Before torch is there."""
    assert run(capsys, "torch", *arguments) == (2, "", refused(f"torch {arguments[0]}", said))


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["verify", "w.npy", "--schm", "he_normal"], " (nearest: '--scheme')"),
        (["verify", "w.npy", "--sch", "he_normal"], " (nearest: '--scheme')"),
        (["profile", "--wid", "8"], " (nearest: '--width')"),
    ],
)
def test_options_have_one_name(capsys, arguments, nearest):
    """An abbreviation would change its meaning with the schemes that there are."""
    command = f"fastinit {arguments[0]} --help"
    said = f"fastinit: unrecognized arguments: {arguments[-2]}{nearest} (see {command})\n"
    assert run(capsys, *arguments) == (2, "", said)


@pytest.mark.parametrize(
    "arguments",
    [
        ["w.npy", *HE, "--seed", "3"],
        ["w.npy", "--scheme", "he_normal:gain=1", "--seed", "3e0"],
        ["w.npy", "--scheme", "variance_scaling:scale=2", "--mode", "fan_in", "--seed", "3"],
        ["w.npy", "--scheme", "normal", "--std", "0.17677669529663687", "--mean", "0", "--seed", "3"],
        ["dirac.npy", "--scheme", "dirac", "--groups", "2"],
        ["sparse.npy", "--scheme", "sparse", "--sparsity", "0.5", "--seed", "3"],
        ["many.npy", *HE, "--in-axis", "0,1", "--out-axis", "2", "--batch-axis", "3", "--seed", "3"],
        ["w.safetensors", *HE, "--seed", "3"],
    ],
    ids=" ".join,
)
def test_what_is_right(capsys, arguments):
    status, out, err = run(capsys, "verify", *arguments)
    assert (status, err) == (0, "") and out.endswith("\nok\n")


def test_tensors_of_several_files(capsys):
    fi.save("several", {"a": (64, 32), "b": (32, 64), "c": 7}, fi.laws.Normal(0.0, 0.02), 3, max_shard_size="9KB")
    right = ["--scheme", "normal:std=0.02", "--seed", "3"]
    for path in ("several", "several/model.safetensors.index.json"):
        assert run(capsys, "verify", path, *right) == (0, "not checked: c\ntensors checked: 2\nok\n", "")
    said = "of their laws, but of another seed, or of other names (2048 of 2048 elements are not those of seed 4"
    status, out, _ = run(capsys, "verify", "several", *right[:-1], "4", "--array", "*")
    assert status == 1 and out == f"PROBLEM a, b, c: {said} and name 'a')\ntensors checked: 3\nnot ok\n"
    Path("several/model-00002-of-00002.safetensors").unlink()
    status, out, err = run(capsys, "verify", "several", *right)
    assert (status, out) == (2, "") and err.endswith(
        " names files that are not there: model-00002-of-00002.safetensors\n"
    )


STRANGE = "of its law, but of another seed, or of another name (2048 of 2048 elements are not those of seed {})"


@pytest.mark.parametrize(
    ("typed", "whose", "hint"),
    [
        (["fc1.npy", "--seed", "1", "--name", "fc1"], "1 and name 'fc1'", ""),
        (["fc1.npy", "--seed", "0"], "0 and name ''", "; they are those of name 'fc1': --name fc1"),
        (["fc1.npy", "--seed", "1"], "1 and name ''", "; --name is the name that the array was made under"),
        (["fc1.npz", "--seed", "0"], "0 and name 'arr_0'", "; they are those of name 'fc1': --name fc1"),
        (["a fc.npy", "--seed", "0"], "0 and name ''", "; they are those of name 'a fc': --name 'a fc'"),
    ],
)
def test_an_array_of_another_seed_or_name(capsys, typed, whose, hint):
    weights = fi.he_normal((64, 32), seed=0, name="fc1")
    np.save("fc1.npy", weights)
    np.savez("fc1.npz", weights)
    np.save("a fc.npy", fi.he_normal((64, 32), seed=0, name="a fc"))
    said = f"elements: 2048\nelements that differ: 2048\nPROBLEM {STRANGE.format(whose)}{hint}\nnot ok\n"
    assert run(capsys, "verify", *typed, *HE) == (1, said, "")


def test_a_cause_is_told_before_the_bits(capsys):
    """Copies of what is right, whichever comes first; zeros; twice the scale. All beside the bits."""
    right, other = (fi.he_normal((64, 32), seed=0, name=name) for name in ("right", "double"))
    np.savez("w.npz", before=right, right=right, after=right, zero=np.zeros_like(right), double=2 * other)
    status, out, _ = run(capsys, "verify", "w.npz", *HE, "--seed", "0")
    lines = dict(line.removeprefix("PROBLEM ").split(": ", 1) for line in out.splitlines()[:-2])
    assert status == 1 and [*lines] == ["before", "after", "zero", "double"]
    bits = {name: f"2048 of 2048 elements are not those of seed 0 and name {name!r}" for name in lines}
    assert lines["before"] == f"has values of right; {bits['before']}"
    assert lines["after"] == f"has values of right; {bits['after']}"
    assert lines["zero"].startswith(f"all 2048 elements are 0; {bits['zero']} (and ")
    assert lines["double"].startswith("standard deviation 0.3") and bits["double"] in lines["double"]


def test_what_has_no_elements_is_told(capsys):
    said = "not checked: b (no elements)\ntensors checked: 1\nok\n"
    assert run(capsys, "verify", "some.npz", *HE, "--seed", "3") == (0, said, "")
    found = fi.verify(np.zeros((0, 4), np.float32), "he_normal", seed=0)
    assert found.ok and str(found) == "elements: 0\nnot checked: anything: there are no elements\nok"


def test_copies_between_tensors(folder, capsys):
    """Of values, but not of zeros: two that nobody filled have that problem each, and are none of the other."""
    normal, zeros = fi.normal((64, 32), std=0.02, seed=3), np.zeros((64, 32), np.float32)
    arrays = {"a": normal, "b": normal, "c": zeros, "d": zeros}
    written(folder / "w.safetensors", {name: ("F32", one) for name, one in arrays.items()})
    status, out, _ = run(capsys, "verify", "w.safetensors", "--scheme", "normal:std=0.02")
    problems = dict(line.removeprefix("PROBLEM ").split(": ", 1) for line in out.splitlines()[:-2])
    assert status == 1 and list(problems) == ["b", "c", "d"] and problems["b"] == "has values of a"
    assert problems["c"] == problems["d"] == "all 2048 elements are 0 (and 5 more)"
    assert run(capsys, "verify", "w.safetensors", "--scheme", "zeros", "--array", "[cd]")[0] == 0
    both = run(capsys, "verify", "w.safetensors", "--scheme", "zeros", "--array", "c", "--array", "d")
    assert both[:2] == (0, "tensors checked: 2\nok\n")


def test_every_keyword_of_a_scheme_is_an_option_with_its_defaults(capsys):
    status, out, _ = run(capsys, "verify", "--help")
    options, _ = out.split("\nExamples: ")
    meanings = dict(re.findall(r"--(\S+) [A-Z]+ (.*?)(?= --|$)", " ".join(options.split())))
    assert status == 0
    for scheme in SCHEMES.values():
        for keyword, default in scheme.parameters.items():
            meaning = meanings[keyword.replace("_", "-")]
            assert scheme.name in meaning or (scheme.needs_fans and "of all that fans scale" in meaning)
            plain = f"{default:g}" if isinstance(default, float) else "none" if default == () else default
            assert ("must be given" if default is REQUIRED else f"default {plain}") in meaning
    assert meanings["std"] == "of normal and truncated_normal (default 1); small_normal and sparse (default 0.01)"
    assert meanings["low"] == "of uniform (default 0); truncated_normal (default -2)"
    assert meanings["mode"] == "of variance_scaling (default fan_in): fan_in, fan_out, fan_avg, fan_geo_avg"
    assert meanings["gain"] == "of all that fans scale, identity, orthogonal and delta_orthogonal (default 1)"
    assert meanings["value"] == "of constant (must be given)"


def test_no_command_without_a_model_imports_torch():
    code = """
import sys
from fastinit.cli import main
for arguments in (["info"], ["profile", "--width", "8", "--depth", "2"], ["verify", "w.npy", "--scheme", "he_normal"],
                  ["verify", "w.safetensors", "--scheme", "he_normal"]):
    assert main(arguments) == 0
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_model_needs_torch(capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("fastinit.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    said = "`fastinit.torch` needs torch: pip install torch (or '.[torch]' in the source folder of fastinit)"
    for typed in (["plan"], ["profile", "--shape", "2,3"], ["verify", "w.safetensors"], ["save", "out"]):
        assert run(capsys, "torch", *typed, "--model", "os:getcwd") == (2, "", f"fastinit: {said}\n")


def installed(folder, *arguments):
    """The command as an installation starts it, from a folder that Python does not look in."""
    (folder / "bin").mkdir(exist_ok=True)
    script = folder / "bin" / "fastinit"
    script.write_text("import sys\nfrom fastinit.cli import main\nsys.exit(main())\n")
    environment = os.environ | {"PYTHONPATH": str(HOME)}
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_modules_of_the_current_folder_register_schemes(folder):
    (folder / "own_schemes.py").write_text(
        "import fastinit as fi\n"
        "fi.register(fi.Scheme('own', family=lambda width: fi.laws.Normal(0.0, width**-0.5), keywords={'width': 4}))\n"
    )
    (folder / "broken_schemes.py").write_text("1 / 0\n")
    np.save(folder / "own.npy", fi.normal((40, 30), std=0.25, seed=1))
    verify = ["verify", "own.npy", "--scheme", "own", "--width", "16", "--seed", "1"]
    done = installed(folder, "--import", "own_schemes", *verify)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.endswith("\nok\n")
    done = installed(folder, *verify)
    said = "fastinit: unrecognized arguments: --width (see fastinit verify --help)\n"
    assert (done.returncode, done.stderr) == (2, said)
    done = installed(folder, "--import", "broken_schemes", *verify)
    assert done.returncode == 2 and done.stderr.endswith(
        "\nfastinit: the module of --import, broken_schemes, raised ZeroDivisionError: division by zero\n"
    )
    done = installed(folder, "--import", "no_schemes", *verify)
    said = "`--import` must be a module that Python finds, as it finds those of this folder, got 'no_schemes'"
    assert (done.returncode, done.stderr) == (2, f"fastinit: {said} (see fastinit --help)\n")
    (folder / "needy_schemes.py").write_text("import no_such_package\n")
    done = installed(folder, "--import", "needy_schemes", *verify)
    said = "fastinit: --import needy_schemes: No module named 'no_such_package'\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_the_grammar_is_that_of_the_schemes_there_are_now():
    fi.register(fi.Scheme("test_now", family=lambda now: fi.laws.Constant(now), keywords={"now": 1.0}))
    try:
        assert vars(parser().parse_args(["verify", "w.npy", *HE, "--now", "2"]))["keyword now"] == "2"
    finally:
        fi.unregister("test_now")
