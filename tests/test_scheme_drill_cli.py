"""The drill at the command line: a scheme that is registered here alone has its options, and files and networks of it
are right there."""

import json

import numpy as np
import pytest
from conftest import refused
from test_tensor_files import written

import fastinit as fi
from fastinit.cli import main
from fastinit.laws import Normal


def _family(width, rules, centred, shape_of):
    return Normal(0.0 if centred else 1.0, (2.0 if shape_of == "wide" else 1.0) * rules / width)


@pytest.fixture(autouse=True)
def registered(tmp_path, monkeypatch):
    """One with a scale; one with keywords of its own, of which the command line has the name of one for itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    fi.register(fi.Scheme("test_scaled", scale=1.5))
    keywords = {"width": 32, "rules": 1.5, "centred": True, "shape_of": "narrow"}
    fi.register(fi.Scheme("test_family", family=_family, keywords=keywords))
    yield
    for name in ("test_scaled", "test_family"):
        fi.unregister(name)


def run(capsys, *arguments):
    status = main(arguments)
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.mark.parametrize("seed", [[], ["--seed", "3"]], ids=["law", "bits"])
def test_verify_of_a_scheme_with_a_scale(capsys, tmp_path, seed):
    right = fi.variance_scaling((300, 40, 3, 3), 1.5, gain=2.0, seed=3, name="conv", in_axis=1, out_axis=0)
    written(tmp_path / "right.safetensors", {"conv": ("F32", right)})
    written(tmp_path / "wrong.safetensors", {"conv": ("F32", fi.he_normal(right.shape, in_axis=1, out_axis=0, seed=3))})
    asked = ["--scheme", "test_scaled", "--gain", "2", "--in-axis", "1", "--out-axis", "0", *seed]
    assert run(capsys, "verify", "right.safetensors", *asked) == (0, "tensors checked: 1\nok\n", "")
    status, out, err = run(capsys, "verify", "wrong.safetensors", *asked)
    assert (status, err) == (1, "") and out.startswith("PROBLEM conv: ") and out.endswith("\nnot ok\n")


@pytest.mark.parametrize("seed", [[], ["--seed", "3"]], ids=["law", "bits"])
@pytest.mark.parametrize(
    ("options", "mean", "std"),
    [
        ([], 0.0, 1.5 / 32),
        (["--width", "64"], 0.0, 1.5 / 64),
        (["--width", "64", "--centred", "false", "--shape-of", "wide"], 1.0, 3 / 64),
        (["test_family:rules=2,centred=False", "--width", "64"], 1.0, 2 / 64),
    ],
    ids=str,
)
def test_verify_of_a_scheme_with_keywords(capsys, options, mean, std, seed):
    np.save("right.npy", fi.normal((200, 100), mean, std, seed=3))
    np.save("wrong.npy", fi.normal((200, 100), mean, 1.1 * std, seed=3))
    asked = ["--scheme", *([] if options[:1] and ":" in options[0] else ["test_family"]), *options, *seed]
    status, out, err = run(capsys, "verify", "right.npy", *asked)
    assert (status, err) == (0, "") and out.endswith("\nok\n")
    status, out, err = run(capsys, "verify", "wrong.npy", *asked)
    assert (status, err) == (1, "") and "PROBLEM " in out


def test_help_names_it(capsys):
    with pytest.raises(SystemExit):
        main(["verify", "--help"])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "--width WIDTH of test_family (default 32)" in lines
    assert "--shape-of OF of test_family (default narrow)" in lines
    assert "--centred CENTRED of test_family (default True)" in lines
    assert "--rules RULES of test_family (default 1.5)" in lines
    with pytest.raises(SystemExit):
        main(["plan", "--help"])
    assert "--rules MODULE:NAME in place of --scheme: " in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("typed", "scheme"),
    [
        ("test_scaled", "test_scaled"),
        ("test_family", "test_family"),
        (
            "test_family:width=16,rules=0.5,shape_of=wide",
            ("test_family", {"width": 16, "rules": 0.5, "shape_of": "wide"}),
        ),
        ("test_family:centred=true", ("test_family", {"centred": True})),
    ],
)
def test_profile(capsys, typed, scheme):
    status, out, err = run(capsys, "profile", "--width", "32", "--depth", "4", "--scheme", typed, "--json", "p.json")
    same = fi.profile(32, 4, scheme=scheme)
    assert (status, err) == (0, "") and str(same.network) in " ".join(out.split())
    with open("p.json") as file:
        found = json.load(file)["fields"]
    assert found == json.loads(same.to_json())["fields"]


def test_compare(capsys):
    compared = "test_family:width=16,centred=true,test_scaled,he_normal"
    status, out, err = run(capsys, "profile", "--width", "32", "--depth", "4", "--compare", compared, "--no-table")
    assert (status, err) == (0, "")
    names = ("test_family:width=16,centred=true", "test_scaled", "he_normal")
    assert all(f"\n{name}: " in out for name in names)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("test_family:centred=yes", "`centred` must be true or false, got 'yes'"),
        ("test_family:rules=wide", "`rules` must be a number, got 'wide'"),
        ("test_family:wdith=16",
         "`--scheme` must be 'test_family' with keywords among ['width', 'rules', 'centred', 'shape_of'], "
         "got {'wdith': 16}"),
    ],
)  # fmt: skip
def test_one_line_for_what_is_wrong(capsys, typed, said):
    assert run(capsys, "profile", "--width", "32", "--depth", "4", "--scheme", typed) == (
        2,
        "",
        refused("profile", said),
    )
