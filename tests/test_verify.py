"""verify finds what is wrong, and nothing where nothing is; the command line says the same."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import FOREIGN

import fastinit as fi
from fastinit.cli import main
from fastinit.cli.readers import read_index
from fastinit.laws import Identity, Orthogonal, Packed, Sparse

SHAPE = (1024, 256)
KEYWORDS = {
    "normal": {"std": 0.02},
    "uniform": {"low": -0.1, "high": 0.2},
    "truncated_normal": {"std": 0.02},
    "constant": {"value": 0.5},
    "sparse": {"sparsity": 0.9},
}
SHAPES_OF = {"delta_orthogonal": (4, 16, 64)}
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
    foreign = fi.he_normal((64, 64), seed=seed).astype(f"{FOREIGN}f4")
    assert fi.verify(foreign, "he_normal", seed=seed)


#: Laws of which few elements, coarse numbers or long tails are told from wrong ones with care.
HARD = [
    ("normal", {}), ("normal", {"mean": 5.0, "std": 0.01}), ("normal", {"mean": 5.0, "std": 0.0039}),
    ("normal", {"mean": 5.0, "std": 0.003}), ("normal", {"mean": -1.0, "std": 1e-3}),
    ("normal", {"mean": 3.0, "std": 0.0}), ("normal", {"std": 1e-7}), ("normal", {"std": 1e-8}),
    ("normal", {"mean": 1e4, "std": 1e-4}), ("normal", {"std": 1e-20}), ("uniform", {}),
    ("uniform", {"low": 5.0, "high": 5.02}), ("uniform", {"low": -1e-7, "high": 1e-7}),
    ("truncated_normal", {}), ("truncated_normal", {"low": 2.0, "high": 9.0}),
    ("truncated_normal", {"low": 6.0, "high": np.inf}),
    ("truncated_normal", {"mean": 6.0, "low": -np.inf, "high": -6.0}),
    ("truncated_normal", {"mean": 3.0, "std": 0.003, "low": 1.0, "high": 8.0}),
    ("truncated_normal", {"low": -0.001, "high": 0.002}), ("constant", {"value": 0.1}), ("he_uniform", {}),
    ("lecun_normal", {"gain": 1e-6}), ("glorot_normal", {"distribution": "truncated_normal"}),
    ("orthogonal", {}), ("orthogonal", {"gain": 50.0}), ("orthogonal", {"gain": 1e-6}), ("orthogonal", {"gain": 0.0}),
    ("delta_orthogonal", {}), ("delta_orthogonal", {"gain": 1e-5}), ("dirac", {}), ("identity", {"gain": 0.1}),
    ("sparse", {"sparsity": 0.9}), ("sparse", {"sparsity": 0.0}), ("sparse", {"sparsity": 1.0}),
    ("sparse", {"sparsity": 0.3, "std": 1e-6}), ("sparse", {"sparsity": 0.3, "std": 1e-8}),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(("scheme", "keywords"), HARD, ids=[f"{name}-{words}" for name, words in HARD])
def test_right_arrays_pass_however_few_or_coarse(scheme, keywords, dtype):
    """At most 2e-8 of them fail (fixed seeds)."""
    for seed, shape in enumerate([(1, 1), (1, 2), (2, 1), (2, 2), (1, 7), (3, 5), (2, 16), (1, 100), (30, 40)]):
        whole = (3, *shape) if scheme in ("dirac", "delta_orthogonal") else shape
        if scheme == "delta_orthogonal" and shape[0] > shape[1]:
            continue
        array = fi.schemes.SCHEMES[scheme](whole, seed=seed, name="w", dtype=dtype, **keywords)
        assert not fi.verify(array, scheme, **keywords).problems, shape
        assert not fi.verify(array, scheme, seed=seed, name="w", **keywords).problems, shape


@pytest.mark.parametrize(
    ("scheme", "shape", "keywords", "dtype"),
    [("sparse", (512, 512), {"sparsity": 0.5}, "float16"), ("sparse", (16, 2), {"sparsity": 0.9}, "float32"),
     ("orthogonal", (1, 2), {}, "float32"), ("orthogonal", (1, 1), {}, "float64"),
     ("normal", (7,), {"mean": 5.0, "std": 0.01}, "bfloat16"),
     ("normal", (20_000,), {"mean": 5.0, "std": 0.0039}, "bfloat16"),
     ("truncated_normal", (), {"low": 6.0, "high": np.inf}, "float32")],
)  # fmt: skip
def test_of_many_right_arrays_none_fails(scheme, shape, keywords, dtype):
    make = fi.schemes.SCHEMES[scheme]
    for seed in range(10 if len(shape) and shape[0] > 100 else 100):
        found = fi.verify(make(shape, seed=seed, dtype=dtype, **keywords), scheme, **keywords)
        assert not found.problems, seed


def test_wrong_arrays_fail_among_those_too():
    coarse = {"mean": 5.0, "std": 0.01}
    assert "mean" in problem(fi.normal(3000, 5.1, 0.01, dtype="bfloat16", seed=0), "normal", **coarse)
    assert "standard deviation" in problem(fi.normal(3000, 5.0, 0.03, dtype="bfloat16", seed=0), "normal", **coarse)
    assert "all 3000 elements" in problem(np.full(3000, 5.0, np.float32), "normal", **coarse)
    assert "all 12 elements are 0" in problem(np.zeros(12, np.float32), "normal")
    assert "mean" in problem(np.full(3000, 3.0000002, np.float32), "normal", mean=3.0, std=0.0)
    far = {"low": 6.0, "high": np.inf}
    assert "standard deviation" in problem(
        fi.truncated_normal(3000, 0.0, 1.3, 4.7, np.inf, seed=0), "truncated_normal", **far
    )
    lost = fi.sparse((512, 64), 0.5, seed=0, dtype="float16")
    lost[:30] = 0
    assert "zeros they should have" in problem(lost, "sparse", sparsity=0.5)
    assert "zeros they should have" in problem(fi.sparse((512, 64), 0.6, seed=0), "sparse", sparsity=0.5)
    assert "zeros they should have" in problem(
        fi.sparse((512, 64), 0.4, seed=0, dtype="float16"), "sparse", sparsity=0.5
    )
    tilted = fi.orthogonal((2, 2), seed=0) + np.float32(0.01)
    assert "of an orthogonal matrix" in problem(tilted, "orthogonal")
    small = fi.normal((64, 64), std=1e-7, seed=0, dtype="float16")
    assert "of an orthogonal matrix" in problem(small, "orthogonal", gain=1e-5)


@pytest.mark.parametrize(
    ("law", "shape", "axis"),
    [(Orthogonal(2.0), (48, 24), 0), (Orthogonal(2.0), (24, 48), 1), (Sparse(0.5), (48, 24), 0),
     (Identity(3.0), (48, 24), 0), (Identity(3.0), (24, 48), -1)],
)  # fmt: skip
def test_each_part_of_what_is_packed_is_looked_at(law, shape, axis):
    packed = Packed(law, 3, axis)
    array = fi.init({"w": shape}, packed, seed=1)["w"]
    assert fi.verify(array, packed, seed=1, name="w") and fi.verify(array, packed)
    wrong = problem(fi.init({"w": shape}, law, seed=1)["w"], packed)
    said = {
        "orthogonal": "of an orthogonal matrix",
        "sparse": "zeros they should have",
        "identity": "those of the scheme",
    }
    assert said[law.name] in wrong
    part = np.s_[5:20, 3:20]
    assert fi.verify(array[part], packed, shape=shape, index=part, seed=1, name="w")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("scheme", ["he_normal", "orthogonal", "sparse", "delta_orthogonal", "uniform", "zeros"])
def test_of_memory_that_nobody_filled_only_its_problems_are_said(scheme, dtype):
    kind = fi.dtypes.kind_of(dtype).dtype
    items = np.random.default_rng(0).integers(0, 256, 4 * 32 * 32 * kind.itemsize, dtype=np.uint8)
    shape, keywords = SHAPES_OF.get(scheme, (64, 64)), KEYWORDS.get(scheme, {})
    for garbage in (items, np.full_like(items, 255), np.full_like(items, 0x7F)):
        assert fi.verify(garbage.view(kind).reshape(shape), scheme, **keywords).problems
        assert fi.verify(garbage.view(kind).reshape(shape), scheme, seed=0, **keywords).problems


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


def test_a_cause_is_told_before_the_bits():
    """Of zeros, of another scale, of what is not finite; of another seed where there is none."""
    weights = fi.he_normal(SHAPE, seed=1, name="w")
    bits = "262144 of 262144 elements are not those of seed 1 and name 'w'"
    for wrong, cause in ((np.zeros_like(weights), "all 262144 elements are 0"), (2 * weights, "standard deviation")):
        found = fi.verify(wrong, "he_normal", seed=1, name="w")
        assert found.problems[0].startswith(cause) and found.problems[1] == bits
        assert f"; {bits} (and {len(found.problems) - 2} more)" in repr(found)
    other = fi.verify(weights, "he_normal", seed=2, name="w")
    said = f"of its law, but of another seed, or of another name ({bits.replace('seed 1', 'seed 2')})"
    assert other.problems == [said] and other.is_of_another
    assert str(other) == f"elements: 262144\nelements that differ: 262144\nPROBLEM {said}\nnot ok"
    assert repr(other) == f"Verification(262144 elements, not ok: {said})"
    lost = weights.copy()
    lost[0, :7] = np.nan
    assert fi.verify(lost, "he_normal", seed=1, name="w").problems[0] == "7 elements are not finite"


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


def test_parts_that_overlap_need_a_seed():
    """What occurs twice is no sign of a fault there, and counts twice in every moment."""
    whole, indices = fi.normal((100, 100), seed=0), [np.s_[:60], np.s_[70:], np.s_[40:65:7, 99]]
    parts = [whole[index] for index in indices]
    with pytest.raises(ValueError) as raised:
        fi.verify(parts, "normal", shape=(100, 100), index=indices)
    said = "`index` must be of parts that do not overlap, where no seed is given, got parts 0 and 2, which do"
    assert str(raised.value) == said
    assert fi.verify(parts, "normal", shape=(100, 100), index=indices, seed=0).ok
    assert fi.verify([whole[::2], whole[1::2]], "normal", shape=(100, 100), index=[np.s_[::2], np.s_[1::2]]).ok


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
    np.save(tmp_path / "swapped.npy", np.load(tmp_path / "half.npy").astype(">u2"))
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
        (["swapped.npy", "--scheme", "he_normal", "--dtype", "bfloat16", "--seed", "3", "--name", "fc"], 0, "ok"),
        (["both.npz", "--array", "a", "--scheme", "he_normal"], 0, "ok"),
        (["both.npz", "--scheme", "he_normal"], 0, "not checked: b\ntensors checked: 1\nok\n"),
        (["both.npz", "--array", "?", "--scheme", "zeros", "--seed", "3"], 1, "PROBLEM a: 262144 of 262144 elements"),
        (
            ["both.npz", "--scheme", "he_normal", "--shape", "2,3"],
            2,
            "`--shape` must be left out for a file of tensors by name, got '2,3'",
        ),
        (
            ["both.npz", "--array", "c", "--scheme", "he_normal"],
            2,
            "`--array` must be a pattern that a tensor's name matches (there are: 'a', 'b'), got 'c'",
        ),
        (["w.npy", "--scheme", "he"], 2, "`--scheme` must be one of"),
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
        (["objects.npy", "--scheme", "he_normal"], 2, "it has objects of Python, where only numbers are read"),
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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_claim_is_the_laws_and_not_a_samples(dtype):
    wide = fi.normal((64, 64), 0.3, 0.05, seed=1, dtype=dtype)
    found = fi.verify(wide, "normal", mean=0.1, std=0.02).problems
    assert " where 0.1 is claimed (" in found[0]
    assert " where 0.02 is claimed (" in next(one for one in found if one.startswith("standard deviation"))
    assert " where 0.125 is claimed (" in problem(fi.normal((64, 64), seed=1, dtype=dtype), "orthogonal")


def test_a_users_function_may_leave_the_dtype_to_us():
    def ramp(shape, *, seed, name, **_):
        return np.linspace(0, 1, np.prod(shape)).reshape(shape)

    assert fi.verify(ramp((40, 30), seed=0, name="").astype(np.float32), ramp, seed=0)
    assert not fi.verify(np.zeros((40, 30), np.float32), ramp, seed=0)


def test_the_report_has_what_is_claimed():
    """Beside what was measured, and what a sample has; of a sparse law that of the weights that are not zero."""
    found = fi.verify(fi.normal((64, 32), std=0.02, seed=3), "normal", std=0.02)
    assert found.checks["mean"] == "-0.0003593 (claimed: 0, sample: 0.0001441, 0.9 standard errors)"
    assert found.checks["standard deviation"] == "0.01971 (claimed: 0.02, sample: 0.01986, 0.4 standard errors)"
    found = fi.verify(fi.sparse((64, 32), 0.5, std=0.1, seed=3), "sparse", sparsity=0.5, std=0.1)
    assert "(claimed: 0.1, sample: " in found.checks["standard deviation"]
