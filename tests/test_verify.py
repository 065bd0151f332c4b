"""verify finds what is wrong, and nothing where nothing is; the command line says the same."""

import subprocess
import sys

import numpy as np
import pytest

import fastinit as fi
from fastinit.cli import main
from fastinit.cli.readers import read_index

SHAPE = (1024, 256)
KEYWORDS = {
    "normal": {"std": 0.02},
    "uniform": {"low": -0.1, "high": 0.2},
    "truncated_normal": {"std": 0.02},
    "constant": {"value": 0.5},
    "sparse": {"sparsity": 0.9},
}
SHAPES = {"dirac": (3, 16, 16), "delta_orthogonal": (3, 32, 64), "orthogonal": (128, 96), "identity": (40, 50)}


@pytest.mark.parametrize("scheme", sorted(fi.schemes.SCHEMES))
def test_every_scheme_passes_its_own_check(scheme):
    shape, keywords = SHAPES.get(scheme, SHAPE), KEYWORDS.get(scheme, {})
    made = fi.schemes.SCHEMES[scheme](shape, seed=5, name="w", **keywords)
    assert not fi.verify(made, scheme, **keywords).problems
    assert not fi.verify(made, scheme, seed=5, name="w", **keywords).problems


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_every_dtype_passes(dtype):
    assert fi.verify(fi.he_normal(SHAPE, seed=1, dtype=dtype), "he_normal", seed=1)


@pytest.mark.parametrize("seed", range(6))
def test_right_arrays_raise_no_alarm(seed):
    """Laws with few values, long tails or mostly zeros among them."""
    made = [
        ("delta_orthogonal", fi.delta_orthogonal((3, 3, 16, 32), seed=seed), {}),
        ("sparse", fi.sparse((1000, 20), 0.999, seed=seed), {"sparsity": 0.999}),
        ("normal", fi.normal(5000, std=0, seed=seed), {"std": 0}),
        ("uniform", fi.uniform(5000, 1, 1, seed=seed), {"low": 1, "high": 1}),
        ("normal", fi.normal(50_000, 1, 1e-3, seed=seed, dtype="bfloat16"), {"mean": 1, "std": 1e-3}),
        ("truncated_normal", fi.truncated_normal(1000, low=2, high=9, seed=seed), {"low": 2, "high": 9}),
        ("orthogonal", fi.orthogonal((100, 60), gain=50, seed=seed, dtype="float16"), {"gain": 50}),
        ("he_normal", fi.he_normal((7, 3), seed=seed), {}),
        ("he_uniform", fi.he_uniform((30, 30), seed=seed), {}),
    ]
    for scheme, array, keywords in made:
        assert not fi.verify(array, scheme, seed=seed, **keywords).problems, scheme
        assert not fi.verify(array, scheme, **keywords).problems, scheme
    big_endian = fi.he_normal((64, 64), seed=seed).astype(">f4")
    assert fi.verify(big_endian, "he_normal", seed=seed)


def test_structure_and_small_arrays_are_looked_at():
    assert "of an orthogonal matrix" in problem(fi.normal((256, 256), std=1 / 16, seed=0), "orthogonal")
    turned = {"in_axis": 1, "out_axis": 0}
    assert "of an orthogonal matrix" in problem(fi.normal((256, 64, 2, 2), std=1 / 16, seed=0), "orthogonal", **turned)
    assert fi.verify(fi.orthogonal((64, 16, 2, 2), seed=0, **turned), "orthogonal", **turned)
    scattered = fi.normal((400, 50), std=0.01, seed=0) * (fi.uniform((400, 50), seed=1) < 0.1)
    assert "zeros they should have" in problem(scattered, "sparse", sparsity=0.9)
    assert "standard deviation" in problem(fi.he_normal((30, 30), seed=0) * 3)
    assert "mean" in problem(np.arange(900, dtype=np.float32).reshape(30, 30) / 1000)
    assert "all 900 elements are 0" in problem(fi.zeros((30, 30)))


def problem(array, scheme="he_normal", **keywords):
    found = fi.verify(array, scheme, **keywords)
    assert not found
    assert not found.ok
    return "\n".join(found.problems)


def test_the_wrong_scale_law_and_fan_are_found():
    weights = fi.he_normal(SHAPE, seed=1)
    assert "standard deviation" in problem(weights * 1.05)
    assert "kurtosis" in problem(fi.he_uniform(SHAPE, seed=1))
    assert "share beyond 2 sigma" in problem(fi.he_normal(SHAPE, seed=1, distribution="truncated_normal"))
    assert "mean" in problem(weights + 0.002)
    assert "standard deviation" in problem(weights[:512])  # the fan of a shard
    assert fi.verify(weights[:512], "he_normal", shape=SHAPE, index=np.s_[:512], seed=1)


def test_coarse_values_are_found():
    assert "distinct values" in problem(np.round(fi.normal(SHAPE, seed=1) * 32) / 32, "normal")


def test_repeated_and_unfilled_memory_is_found():
    weights = fi.he_normal(SHAPE, seed=1)
    twice = weights.copy()
    twice.ravel()[100_003 : 100_003 + 2000] = weights.ravel()[7:2007]
    assert "occur again" in problem(twice)
    shards = [fi.he_normal(SHAPE, seed=1, index=np.s_[:512])] * 2
    index = [np.s_[:512], np.s_[512:]]
    assert "occur again" in problem(shards, shape=SHAPE, index=index)
    right = fi.he_normal(SHAPE, seed=1, index=index)
    assert fi.verify(right, "he_normal", shape=SHAPE, index=index, seed=1)
    hole = weights.copy()
    hole[500:503] = 0
    assert "memory that was left unfilled" in problem(hole)
    assert "are not finite" in problem(np.where(weights > 0.2, np.nan, weights))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_repeats_are_found_among_few_values(dtype):
    """bfloat16 has some 2,500 values for a normal law, of which 16 in a row are never alike by chance."""
    weights = fi.he_normal(SHAPE, seed=1, dtype=dtype)
    weights[700:710] = weights[20:30]
    assert "occur again" in problem(weights)
    assert fi.verify(fi.normal(SHAPE, 1, 1e-3, seed=1, dtype=dtype), "normal", mean=1, std=1e-3)  # three values


def test_sketches_tell_that_arrays_have_values_in_common():
    def sketch(array, **keywords):
        return set(fi.verify(array, "he_normal", shape=SHAPE, **keywords).sketch)

    first, second = (fi.he_normal(SHAPE, seed=1, index=index) for index in (np.s_[:512], np.s_[512:]))
    mine = sketch(first, index=np.s_[:512])
    assert len(mine) == 32 and sketch(first, index=np.s_[512:]) == mine
    assert not sketch(second, index=np.s_[512:]) & mine
    assert sketch(first[:300], index=np.s_[512:812]) & mine
    assert not sketch(first, index=np.s_[:512], seed=1)  # every bit is right
    assert not fi.verify(first[0, :15], "normal").sketch


def test_one_wrong_bit_is_found():
    weights = fi.he_normal(SHAPE, seed=1, name="w")
    weights.view(np.uint32)[3, 4] ^= 1
    assert problem(weights, seed=1, name="w") == "1 of 262144 elements are not those of seed 1 and name 'w'"
    assert fi.verify(weights, "he_normal")
    assert "262144 of 262144" in problem(fi.he_normal(SHAPE, seed=1), seed=1, name="other")
    assert "elements are not those" in problem(fi.zeros(SHAPE) + 1e-9, "zeros")


def test_small_arrays_and_callables():
    assert fi.verify(fi.he_normal((3, 5), seed=1), "he_normal", seed=1)
    assert fi.verify(fi.zeros((0, 3)), "he_normal")
    assert fi.verify(fi.normal(5000, std=3.0, seed=1), lambda shape, **k: fi.normal(shape, std=3.0, **k))
    assert "greatest absolute value" in problem(np.full((3, 5), 1e6, np.float32))


def test_what_does_not_belong_together():
    with pytest.raises(
        ValueError, match=r"^`array` must be of shape \(512, 256\) and dtype float32, got \(\(1024, 256\), "
    ):
        fi.verify(fi.he_normal(SHAPE, seed=1), "he_normal", shape=SHAPE, index=np.s_[:512])
    with pytest.raises(ValueError, match=r"^`scheme` must be one of 'normal', "):
        fi.verify(fi.he_normal(SHAPE, seed=1), "he")


def test_it_prints_what_it_measured():
    text = str(fi.verify(fi.he_normal(SHAPE, seed=1), "he_normal"))
    assert text.startswith("elements: 262144\n")
    assert text.endswith("\nok")


@pytest.fixture
def files(tmp_path):
    weights = fi.he_normal(SHAPE, seed=3, name="fc")
    np.save(tmp_path / "w.npy", weights)
    np.save(tmp_path / "part.npy", weights[10:20, ::2])
    np.save(tmp_path / "half.npy", fi.he_normal(SHAPE, seed=3, name="fc", dtype="bfloat16").view(np.uint16))
    np.savez(tmp_path / "both.npz", a=weights, b=np.zeros(3, np.float32))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.savez(tmp_path / "named.npz", fc=weights)
    np.save(tmp_path / "kernel.npy", fi.he_normal((64, 32, 3, 3), in_axis=1, out_axis=0, seed=1))
    (tmp_path / "empty.npy").touch()
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 nothing")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["w.npy", "--scheme", "he_normal", "--seed", "3", "--name", "fc"], 0, "ok"),
        (["w.npy", "--scheme", "he_normal", "--seed", "4", "--name", "fc"], 1, "elements are not those"),
        (["w.npy", "--scheme", "lecun_normal"], 1, "standard deviation"),
        (["w.npy", "--scheme", "normal", "--std", "0.0441941738"], 0, "ok"),
        (
            [
                "part.npy",
                "--scheme",
                "he_normal",
                "--shape",
                "1024x256",
                "--index",
                "10:20,::2",
                "--seed",
                "3",
                "--name",
                "fc",
            ],
            0,
            "ok",
        ),
        (["half.npy", "--scheme", "he_normal", "--dtype", "bfloat16", "--seed", "3", "--name", "fc"], 0, "ok"),
        (["both.npz", "--array", "a", "--scheme", "he_normal"], 0, "ok"),
        (["both.npz", "--scheme", "he_normal"], 2, "`--array` must be one of 'a', 'b', got None"),
        (["w.npy", "--scheme", "he"], 2, "`scheme` must be one of"),
        (["w.npy", "--scheme", "he_normal", "--index", "1:2:3:4"], 2, "`--index` must be integers, slices"),
        (["w.npy", "--scheme", "he_normal", "--shape", "a"], 2, "`--shape` must be integers between commas, got 'a'"),
        (["empty.npy", "--scheme", "he_normal"], 2, "cannot be read as an .npy or .npz file"),
        (["bad.npz", "--scheme", "he_normal"], 2, "cannot be read as an .npy or .npz file"),
        (["w.npy", "--array", "a", "--scheme", "he_normal"], 2, "`--array` must be left out for a .npy file, got 'a'"),
        (
            ["w.npy", "--dtype", "bfloat16", "--scheme", "he_normal"],
            2,
            "`--dtype` must be left out for items of 4 bytes",
        ),
        (["kernel.npy", "--in-axis", "1", "--out-axis", "0", "--scheme", "he_normal", "--seed", "1"], 0, "ok"),
        (["named.npz", "--scheme", "he_normal", "--seed", "3"], 0, "ok"),
        (["missing.npy", "--scheme", "he_normal"], 2, "No such file"),
        (["objects.npy", "--scheme", "he_normal"], 2, "Python objects in dtype"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_verify_command(files, capsys, arguments, status, said):
    assert main(["verify", str(files / arguments[0]), *arguments[1:]]) == status
    printed = capsys.readouterr()
    assert said in (printed.err if status == 2 else printed.out)
    assert "Traceback" not in printed.err


def test_index_texts():
    for text, index in (("3", 3), ("1:2,...,None,-1", (slice(1, 2), ..., None, -1)), ("::2", slice(None, None, 2))):
        assert read_index("--index", text) == index
    assert read_index("--index", "flat[5:9]").positions == slice(5, 9)


def test_info_command_and_exit_status_of_the_process():
    done = subprocess.run([sys.executable, "-m", "fastinit.cli", "info"], capture_output=True, text=True, check=True)
    assert f"stream: {fi.info()['stream']}" in done.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "fastinit.cli", "frobnicate"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr
