"""Bad input: the whole message, and nothing written."""

import inspect
import itertools
import json
import math
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from conftest import FOREIGN

import fastinit as fi

BASIC = "`index` must be a basic index (integers, slices, Ellipsis, None), fi.flat[...], or a list of these, got "
SEED = "`seed` must be None, an integer in [0, 2**128), a list or array of integers >= 0 or a SeedSequence, got "
DTYPE = "`dtype` must be one of 'float16', 'float32', 'float64', 'bfloat16', got "
ACTIVATION = (
    "`activation` must be a pair of functions (phi, phi'), ('leaky_relu', slope), ('elu', alpha) or one of 'linear', "
    "'identity', 'relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'gelu_tanh', 'silu', 'swish', 'mish', 'tanh', 'sigmoid', "
    "'softplus', 'erf', 'sin', 'softsign', 'abs', 'relu2', got "
)


def read_only():
    out = np.zeros(4, np.float32)
    out.flags.writeable = False
    return out


REFUSED = [
    (lambda: fi.normal(3, dtype="\ud800"), ValueError, DTYPE + "'\\ud800'"),
    (lambda: fi.default_rng(0).normal(dtype="\ud800"), TypeError, DTYPE + "'\\ud800'"),
    (lambda: fi.normal(fi.flat), TypeError,
     "`shape` must be an integer or a sequence of integers, got fi.flat[None]"),
    (lambda: fi.normal(itertools.count(1), seed=0), ValueError,
     "`shape` must be of fewer than 2**63 elements, got " + str(tuple(range(1, 66)))),
    (lambda: fi.default_rng(0).uniform(np.zeros((1,) * 33)), ValueError,
     f"`low` must be of at most 32 axes, as NumPy broadcasts, got {(1,) * 33}"),
    (lambda: fi.he_normal((3, 4), in_axis=2**63), ValueError,
     "`in_axis` must be of integers in [-2**63, 2**63), got 9223372036854775808"),
    (lambda: fi.laws.Dirac(groups=10**5000), ValueError,
     "`groups` must be below 2**63, got what has too many digits to be shown (int)"),
    (lambda: fi.normal(-1), ValueError, "`shape` must be an integer of at least 0, got -1"),
    (lambda: fi.normal((2, 2.5)), TypeError, "`shape` must be an integer of at least 0, got 2.5"),
    (lambda: fi.normal(2.5), TypeError, "`shape` must be an integer or a sequence of integers, got 2.5"),
    (lambda: fi.normal((2**32, 2**31)), ValueError,
     "`shape` must be of fewer than 2**63 elements, got (4294967296, 2147483648)"),
    (lambda: fi.normal((0, 2**70)), ValueError,
     "`shape` must be of fewer than 2**63 elements, got (0, 1180591620717411303424)"),
    (lambda: fi.normal((1,) * 65), ValueError, f"`shape` must be of at most 64 axes, got {(1,) * 65}"),
    (lambda: fi.normal(3, std=-1.0), ValueError, "`std` must be a finite number of at least 0, got -1.0"),
    (lambda: fi.normal(3, std=np.nan), ValueError, "`std` must be a finite number of at least 0, got nan"),
    (lambda: fi.normal(3, mean=np.inf), ValueError, "`mean` must be a finite number, got inf"),
    (lambda: fi.normal(3, mean="0.5x"), TypeError, "`mean` must be a finite number, got '0.5x'"),
    (lambda: fi.normal(3, std=1e4, dtype="float16"), ValueError,
     "`std` must be small enough for mean + 8.58 std to stay below 65504 in float16, got 10000.0"),
    (lambda: fi.normal(3, std=1e38), ValueError,
     "`std` must be small enough for mean + 8.58 std to stay below 3.40282e+38 in float32, got 1e+38"),
    (lambda: fi.uniform(3, 2.0, 1.0), ValueError, "`low` must be at most high (1.0), got 2.0"),
    (lambda: fi.uniform(3, -3e38, 3e38), ValueError,
     "`high` must be such that low, high and high - low stay below 3.40282e+38 in float32, got (-3e+38, 3e+38)"),
    (lambda: fi.uniform(3, 1 + 1e-12, 1 + 2e-12), ValueError,
     "`high` must be such that a float32 lies in [low, high), got (1.000000000001, 1.000000000002)"),
    (lambda: fi.truncated_normal(3, low=1.0, high=1.0), ValueError, "`low` must be below high (1.0), got 1.0"),
    (lambda: fi.truncated_normal(3, low=np.nan), ValueError, "`low` must be a number, got nan"),
    (lambda: fi.truncated_normal(3, low=9.0, high=10.0), ValueError,
     "`low` must be such that a standard normal lies in (low, high) with probability 2**-48 or more, got (9.0, 10.0)"),
    (lambda: fi.truncated_normal(3, 1.0, 1e-12, 0.5, 1.0), ValueError,
     "`std` must be such that a float32 lies in [mean + low std, mean + high std], got 1e-12"),
    (lambda: fi.truncated_normal(3, 0, 1e40, 0, 1e-7), ValueError,
     "`std` must be small enough for the values to stay below 3.40282e+38 in float32, got 1e+40"),
    (lambda: fi.identity((2, 2), gain=1e6, dtype="float16"), ValueError,
     "`gain` must be at most 65504 in float16, got 1000000.0"),
    (lambda: fi.normal(3, std="0.5"), TypeError, "`std` must be a finite number of at least 0, got '0.5'"),
    (lambda: fi.normal(3, dtype=f"{FOREIGN}f4"), ValueError, DTYPE + f"'{FOREIGN}f4'"),
    (lambda: fi.init({"b": (7,)}), ValueError, "array 'b': `shape` must be of at least two axes, for a fan, got (7,)"),
    (lambda: fi.variance_scaling((3, 4), mode=[]), TypeError,
     "`mode` must be one of 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg', got []"),
    (lambda: fi.moments(np.ma.masked_array([1.0], [True])), TypeError,
     "`x` must be an array without a mask (x.compressed() has the elements that are not masked), got MaskedArray"),
    (lambda: fi.verify(np.ma.masked_array([1.0], [True]), "normal"), TypeError,
     "`array` must be an array without a mask (array.compressed() has the elements that are not masked), "
     "got MaskedArray"),
    (lambda: fi.verify([np.zeros(1), np.ma.zeros(1)], "normal", shape=2, index=[np.s_[:1], np.s_[1:]]), TypeError,
     "`array` must be an array without a mask (array.compressed() has the elements that are not masked), "
     "got MaskedArray"),
    (lambda: fi.normal(3, seed=-1), ValueError, SEED + "-1"),
    (lambda: fi.normal(3, seed=2**128), ValueError, SEED + str(2**128)),
    (lambda: fi.normal(3, seed=1.5), TypeError, SEED + "1.5"),
    (lambda: fi.normal(3, seed="0"), TypeError, SEED + "'0'"),
    (lambda: fi.normal(3, seed=0, name=b"x"), TypeError, "`name` must be a string, got b'x'"),
    (lambda: fi.normal(3, seed=0, name="\ud800"), ValueError,
     "`name` must be a string without lone surrogates, got '\\ud800'"),
    (lambda: fi.normal(3, dtype="float8"), ValueError, DTYPE + "'float8' (nearest: 'float64')"),
    (lambda: fi.normal(3, dtype=np.int32), ValueError, DTYPE + "'int32'"),
    (lambda: fi.normal(3, dtype=7), TypeError, DTYPE + "7"),
    (lambda: fi.normal(3, threads=0), ValueError, "`threads` must be an integer of at least 1, got 0"),
    (lambda: fi.set_num_threads("2"), TypeError, "`n` must be an integer of at least 1, got '2'"),
    (lambda: fi.normal(3, index=0), ValueError,
     "`seed` must be given where index is (a part of an array that nobody can make whole), got None"),
    (lambda: fi.normal(3, seed=0, index=3), IndexError,
     "`index` must be a basic index with an integer in [-3, 3) for axis 0, got 3"),
    (lambda: fi.normal(3, seed=0, index=(0, 0)), IndexError,
     "`index` must be a basic index of at most 1 entries for shape (3,), got (0, 0)"),
    (lambda: fi.normal(3, seed=0, index=(..., ...)), IndexError,
     "`index` must be a basic index with one Ellipsis at the most, got (Ellipsis, Ellipsis)"),
    (lambda: fi.normal(3, seed=0, index=True), TypeError, BASIC + "True"),
    (lambda: fi.normal(3, seed=0, index=1.0), TypeError, BASIC + "1.0"),
    (lambda: fi.normal(3, seed=0, index=slice(None, None, 0)), ValueError,
     "`index` must be a basic index with slices of integers, their steps not 0, got slice(None, None, 0)"),
    (lambda: fi.normal(3, seed=0, index=slice(0.5)), TypeError,
     "`index` must be a basic index with slices of integers, their steps not 0, got slice(None, 0.5, None)"),
    (lambda: fi.normal(3, seed=0, index=fi.flat[1, 2]), IndexError,
     "`index` must be a basic index (one integer or slice of the flattened array), got fi.flat[(1, 2)]"),
    (lambda: fi.normal(3, seed=0, index=[0, 1], out=np.empty(2)), TypeError,
     "`out` must be a list of 2 arrays where index is a list, got ndarray"),
    (lambda: fi.normal(3, out=[0.0] * 3), TypeError, "`out` must be a NumPy array, got list"),
    (lambda: fi.normal(3, out=np.zeros(3)), TypeError,
     "`out` must have dtype float32, got float64 (dtype=None takes the dtype of out)"),
    (lambda: fi.normal(3, out=np.zeros(4, np.float32)), ValueError, "`out` must have shape (3,), got (4,)"),
    (lambda: fi.normal(4, out=read_only()), ValueError, "`out` must be writable, got a read-only array"),
    (lambda: fi.normal(4, out=np.zeros(4, f"{FOREIGN}f4")), TypeError,
     f"`out` must have dtype float32 in the machine's own byte order, got {FOREIGN}f4"),
    (lambda: fi.normal((2, 2), out=np.lib.stride_tricks.as_strided(np.zeros(3, np.float32), (2, 2), (4, 4))),
     ValueError, "`out` must not overlap itself, got strides (4, 4) for shape (2, 2)"),
    (lambda: fi.fans(3), ValueError, "`shape` must be of at least two axes, for a fan, got (3,)"),
    (lambda: fi.he_normal(7), ValueError, "`shape` must be of at least two axes, for a fan, got (7,)"),
    (lambda: fi.fans((3, 4), in_axis=2), ValueError, "`in_axis` must be an integer in [-2, 2), got 2"),
    (lambda: fi.fans((3, 4), in_axis=1), ValueError,
     "`in_axis` must be apart from out_axis and batch_axis, got (1, -1, ())"),
    (lambda: fi.variance_scaling((3, 4), -1.0), ValueError, "`scale` must be a finite number of at least 0, got -1.0"),
    (lambda: fi.variance_scaling((3, 4), mode="fan"), ValueError,
     "`mode` must be one of 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg', got 'fan' (nearest: 'fan_in')"),
    (lambda: fi.he_normal((3, 4), distribution="gauss"), ValueError,
     "`distribution` must be one of 'normal', 'truncated_normal', 'uniform', got 'gauss'"),
    (lambda: fi.he_normal((3, 4), gain=-1), ValueError, "`gain` must be a finite number of at least 0, got -1.0"),
    (lambda: fi.constant(3, np.inf), ValueError, "`value` must be a finite number, got inf"),
    (lambda: fi.constant(3, 1e6, dtype="float16"), ValueError,
     "`value` must be at most 65504 in float16, got 1000000.0"),
    (lambda: fi.identity((3, 3, 3)), ValueError, "`shape` must be of two axes, for the identity, got (3, 3, 3)"),
    (lambda: fi.dirac((3, 3)), ValueError, "`shape` must be of three to five axes, for a convolution, got (3, 3)"),
    (lambda: fi.dirac((3, 4, 6), groups=4), ValueError, "`groups` must be a divisor of the 6 output channels, got 4"),
    (lambda: fi.dirac((3, 4, 6), in_axis=2), ValueError, "`in_axis` must be apart from out_axis (-1), got 2"),
    (lambda: fi.init([(2, 3)]), TypeError, "`shapes` must be a mapping of names to shapes, got list"),
    (lambda: fi.Moments(3), ValueError, "`order` must be 2 or 4, got 3"),
    (lambda: fi.Moments(5), ValueError, "`order` must be an integer in [2, 5), got 5"),
    (lambda: fi.Moments(2) + fi.Moments(4), ValueError, "`order` must be the same on both sides (2), got 4"),
    (lambda: fi.moments(["a"]), TypeError, "`x` must be an array of real numbers, got 'str32'"),
    (lambda: fi.moments([1j]), TypeError, "`x` must be an array of real numbers, got 'complex128'"),
    (lambda: fi.gain("maxout"), ValueError, ACTIVATION + "'maxout'"),
    (lambda: fi.gain("rleu"), ValueError, ACTIVATION + "'rleu' (nearest: 'relu')"),
    (lambda: fi.gain(3), TypeError, ACTIVATION + "3"),
    (lambda: fi.gain(("leaky_relu", np.nan)), ValueError,
     "`slope` must be a finite number of at least -1e+150, got nan"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSED, ids=[message[:60] for *_, message in REFUSED])
def test_refused_with_one_sentence(call, error, message):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


SENTENCE = re.compile(r"(array 'w': )?`\w+` must (be|have) .*, got .*", re.DOTALL)
TRUTHS = [True, False, np.True_, np.array(True)]
#: For each kind of argument, values that it must not have; of what can be read but once, a function that makes it.
WRONG = {
    "shape": [*TRUTHS, None, 2.0, "22", b"\2\3", bytearray(2), memoryview(b"\2"), {2, 3}, frozenset({2}), {2: 3}, -1,
              (2, -1), (2, True), [2.0, 2], (b"2", 2), np.array([[2, 2]]), np.array([2.0])],
    "axis": [*TRUTHS, None, 1.0, -1.0, -2.0, "1", b"\1", {1}, {1: 0}, np.array([1]), np.array([0, 1]), np.array(1.0),
             [True], [1.0], 70, 2**70, lambda: iter((1,))],
    "seed": [*TRUTHS, -1, 2**128, 1.0, "0", b"0", np.array(0.0)],
    "threads": [*TRUTHS, 0, -1, 1.0, "2", [1], np.array([1]), {1}],
    "name": [True, 1, b"x", ("x",), np.array(["x", "y"]), "\ud800"],
    "dtype": [True, 7, "float8", np.int32, np.float64(1), np.array([0, 1]), np.array([1.0]), ("f4", 2), f"{FOREIGN}f4"],
    "index": [*TRUTHS, 1.0, "0", b"0", {0}, {0: 1}, np.array([0]), np.array([0, 1]), np.array(0.0), 9, (0,) * 5,
              (0, True), [True], [1.0], [[0]], fi.flat[1.0], fi.flat[True], lambda: iter((0,))],
    "out": [True, 1.0, "x", [], {}, np.zeros(3), np.zeros((3, 3), np.int32), np.float32(1)],
    "real": [*TRUTHS, None, "1", b"1", bytearray(b"1"), memoryview(b"1"), np.array("1"), np.array(b"1"), 1j,
              [1.0], (1.0,), np.array([1.0]), {1.0}, math.nan],
    "count": [*TRUTHS, None, 0, -1, 1.0, "1", [1], np.array([1])],
    "choice": [True, None, 1, b"normal", "gauss", ["normal"], np.array([0, 1]), ("fan_in",)],
}  # fmt: skip
AXES = ("in_axis", "out_axis", "batch_axis")
OF_KIND = {"groups": "count", "mode": "choice", "distribution": "choice"} | dict.fromkeys(AXES, "axis")
NEEDED = {"constant": {"value": 1.0}, "sparse": {"sparsity": 0.5}}
FUNCTIONS = {name: getattr(fi, name) for name in fi.schemes.SCHEMES}
ARGUMENTS = [(name, argument) for name, made in FUNCTIONS.items() for argument in inspect.signature(made).parameters]


def refused(call, value):
    """Whether a call with a wrong value says so in one sentence of ours."""
    made = value() if inspect.isfunction(value) else value
    with pytest.raises((ValueError, TypeError, IndexError)) as raised:
        call(made)
    return SENTENCE.fullmatch(str(raised.value)) is not None


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS, ids=[".".join(one) for one in ARGUMENTS])
def test_every_function_refuses_every_wrong_value_of_every_argument(name, argument):
    usual = {"shape": (3, 4, 4) if name.endswith(("dirac", "delta_orthogonal")) else (4, 4), "seed": 0}
    usual |= NEEDED.get(name, {})
    kind = argument if argument in WRONG else OF_KIND.get(argument, "real")
    for value in WRONG[kind]:
        assert refused(lambda wrong: FUNCTIONS[name](**usual | {argument: wrong}), value), value


DOORS = [
    ("shape", lambda wrong: fi.fans(wrong)),
    ("shape", lambda wrong: fi.init({"w": wrong}, "normal", 0)),
    ("seed", lambda wrong: fi.init({"w": 3}, "normal", wrong)),
    *(("axis", lambda wrong, axis=axis: fi.fans((4, 4), **{axis: wrong})) for axis in AXES),
    ("axis", lambda wrong: fi.moments(np.ones((3, 4)), 1.5 if wrong is None or type(wrong) is int else wrong)),
    ("count", lambda wrong: fi.set_num_threads(wrong)),
    ("count", lambda wrong: fi.Moments(wrong)),
    ("threads", lambda wrong: fi.moments([1.0], threads=wrong)),
    ("threads", lambda wrong: fi.verify(fi.zeros((2, 2)), "zeros", threads=wrong)),
    ("seed", lambda wrong: fi.verify(fi.normal(9, seed=0), "normal", seed=wrong)),
    ("name", lambda wrong: fi.verify(fi.normal(9, seed=0), "normal", name=wrong)),
    ("index", lambda wrong: fi.verify([fi.normal(9, seed=0)] if type(wrong) is list else fi.normal(9, seed=0), "normal",
                                      shape=(4, 4), index=wrong)),
    ("real", lambda wrong: fi.verify(fi.normal(9, seed=0), "normal", std=wrong)),
    ("real", lambda wrong: fi.Scheme("x", scale=wrong)),
    ("real", lambda wrong: fi.laws.Normal().scaled(wrong)),
    ("real", lambda wrong: fi.gain(("leaky_relu", wrong))),
    ("choice", lambda wrong: fi.Scheme("x", 1.0, mode=1 if wrong is None else wrong)),
    ("choice", lambda wrong: fi.Scheme("x", 1.0, keywords=3 if wrong is None else wrong)),
    ("choice", lambda wrong: fi.gain(wrong)),
    *(("shape", lambda wrong, draw=draw: getattr(fi.default_rng(0), draw)(size=2.0 if wrong is None else wrong))
      for draw in ("random", "standard_normal", "normal", "uniform")),
    ("threads", lambda wrong: fi.profile(4, 2, threads=wrong)),
    ("seed", lambda wrong: fi.profile(4, 2, seed=wrong)),
    ("count", lambda wrong: fi.profile(4, 2, batch=0 if wrong is None else wrong)),
    ("count", lambda wrong: fi.profile(4, 2, repeats=wrong)),
    ("count", lambda wrong: fi.profile(4, 0 if wrong is None else wrong)),
    ("real", lambda wrong: fi.profile(4, 2, gain=-1.0 if wrong is None else wrong)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "call"), DOORS)
def test_so_does_every_other_call(kind, call):
    for value in WRONG[kind]:
        assert refused(call, value), value


def test_what_means_the_same_is_taken():
    whole = fi.he_normal((4, 6), seed=3)
    for shape in ([4, 6], np.array([4, 6]), (np.int64(4), np.array(6)), range(4, 7, 2)):
        assert np.array_equal(fi.he_normal(shape, seed=np.int64(3), threads=np.int8(1)), whole)
    for axes in ((-2, -1), ([0], [1]), (np.int64(0), (1,)), (range(1), np.array(1))):
        assert np.array_equal(fi.he_normal((4, 6), seed=3, in_axis=axes[0], out_axis=axes[1]), whole)
        law = fi.laws.Orthogonal(1.0, *axes)
        assert (
            hash(law) == hash(law.scaled(1.0)) and fi.laws.Law.from_dict(json.loads(json.dumps(law.to_dict()))) == law
        )
    for index in (np.int64(2), np.array(2), (2, ...)):
        assert np.array_equal(fi.he_normal((4, 6), seed=3, index=index), whole[2])
    for std in (2, np.float32(2), np.array(2.0), Fraction(2), Decimal(2)):
        assert np.array_equal(fi.normal(5, 0, std, seed=0), fi.normal(5, 0.0, 2.0, seed=0))


def test_arrays_that_share_memory_are_not_filled_as_two(monkeypatch):
    row, square = np.zeros(4, np.float32), np.zeros((4, 4), np.float32)
    shared = "`out` must be arrays apart in memory, got some that numbers {} and {} share"
    for index, outs, numbers in (
        ([0, 1], [row, row], (0, 1)),
        ([0, 1], (row, row[::-1]), (0, 1)),
        ([0, 1, 2], [row, None, row], (0, 2)),
        ([np.s_[0], np.s_[:, 0]], [square[1], square[:, 2]], (0, 1)),
        ([np.s_[0, :2], np.s_[1, :2]], [row[:2], row[1:3]], (0, 1)),
        ([None, 0], [square, square[3]], (0, 1)),
    ):
        for call in (fi.normal, fi.zeros, fi.orthogonal):
            with pytest.raises(ValueError, match=re.escape(shared.format(*numbers))):
                call((4, 4), seed=0, index=index, out=outs)
        with pytest.raises(ValueError, match=re.escape(shared.format(*numbers))):
            fi.fill.draw(fi.laws.Called(lambda shape, **k: None), (4, 4), seed=0, index=index, out=outs)
    assert not row.any() and not square.any()
    whole, parts = fi.normal((4, 4), seed=0), [square[:, ::2], square[:, 1::2]]  # apart, though their bounds are not
    assert fi.normal((4, 4), seed=0, index=[np.s_[:, ::2], np.s_[:, 1::2]], out=parts)[0] is parts[0]
    assert np.array_equal(square, whole)
    monkeypatch.delattr(np, "shares_memory")  # of many rows none is compared with all the others
    rows = list(np.zeros((500, 4), np.float32))
    fi.normal((500, 4), seed=0, index=[*range(500)], out=rows)
    assert np.array_equal(rows, fi.normal((500, 4), seed=0))
    for scheme in ("normal", lambda shape, **k: fi.normal(shape, **k)):
        with pytest.raises(ValueError, match="`out` must be left out where many arrays are made, got ndarray"):
            fi.init({"a": (4,), "b": (4,)}, scheme, seed=0, out=row)


def test_nothing_is_written_where_an_argument_is_refused():
    out = np.full((2, 3), 7, np.float32)
    for keywords in ({"std": -1.0}, {"seed": -1}, {"threads": 0}, {"dtype": "float64"}, {"index": 5, "seed": 0}):
        with pytest.raises((ValueError, TypeError, IndexError)):
            fi.normal((2, 3), out=out, **keywords)
    with pytest.raises(ValueError, match=re.escape("`out` must have shape (3,), got (4,)")):
        fi.normal((2, 3), seed=0, index=[0, 1], out=[out[0], np.empty(4, np.float32)])
    assert (out == 7).all()


def test_bfloat16_without_ml_dtypes_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    monkeypatch.delitem(fi.dtypes._KINDS, "bfloat16", raising=False)
    with pytest.raises(ImportError) as raised:
        fi.normal((3, 1, 17), dtype="bfloat16")  # as no other test asks: else ml_dtypes was here before
    said = "pip install ml_dtypes (or '.[bfloat16]' in the source folder of fastinit)"
    assert str(raised.value) == f"`dtype` bfloat16 needs ml_dtypes: {said}"


UNKNOWN = [
    (lambda: fi.he_normal(64, 128), "he_normal() takes a shape as one argument: he_normal((64, 128))"),
    (lambda: fi.orthogonal(3, 4, 5), "orthogonal() takes a shape as one argument: orthogonal((3, 4, 5))"),
    (lambda: fi.he_normal((2, 2), sed=0), "he_normal() got an unexpected keyword argument 'sed' (nearest: 'seed')"),
    (lambda: fi.kaiming_normal((2, 2), modes=0), "he_normal() got an unexpected keyword argument 'modes'"),
    (lambda: fi.normal(3, standard_deviation=1), "normal() got an unexpected keyword argument 'standard_deviation'"),
    (lambda: fi.zeros(3, dtypes="x"), "zeros() got an unexpected keyword argument 'dtypes' (nearest: 'dtype')"),
    (lambda: fi.sparse((3, 3), 0.5, sparcity=1),
     "sparse() got an unexpected keyword argument 'sparcity' (nearest: 'sparsity')"),
    (lambda: fi.init({"w": (3, 3)}, "he_normal", gian=2),
     "init() got an unexpected keyword argument 'gian' (nearest: 'gain')"),
    (lambda: fi.init({"w": (3, 3)}, "zeros", gain=2), "init() got an unexpected keyword argument 'gain'"),
    (lambda: fi.verify(np.zeros((3, 3)), "normal", stdd=2),
     "verify() got an unexpected keyword argument 'stdd' (nearest: 'std')"),
    (lambda: fi.verify(np.zeros((3, 3)), "normal", shap=(3, 3)),
     "verify() got an unexpected keyword argument 'shap' (nearest: 'shape')"),
    (lambda: fi.moments([1.0], ordr=2), "moments() got an unexpected keyword argument 'ordr' (nearest: 'order')"),
    (lambda: fi.gain(activaton="relu"),
     "gain() got an unexpected keyword argument 'activaton' (nearest: 'activation')"),
    (lambda: fi.fans((3, 4), inaxis=1), "fans() got an unexpected keyword argument 'inaxis' (nearest: 'in_axis')"),
    (lambda: fi.verify(np.zeros((3, 3)), fi.laws.Normal(), std=2), "verify() got an unexpected keyword argument 'std'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), UNKNOWN, ids=[message[:40] for _, message in UNKNOWN])
def test_an_unknown_keyword_is_refused_in_the_name_of_what_was_called(call, message):
    with pytest.raises(TypeError) as raised:
        call()
    assert str(raised.value) == message


@pytest.mark.parametrize("make", [lambda **k: fi.zeros(3, **k), lambda **k: fi.identity((3, 3), **k)])
def test_what_a_fixed_law_is_given_is_checked(make):
    for keywords in ({"seed": "abc"}, {"seed": -1}, {"name": b"x"}, {"threads": 0}):
        with pytest.raises((ValueError, TypeError)):
            make(**keywords)


def test_signatures_show_every_keyword():
    for name in fi.__all__:
        function = getattr(fi, name)
        if name in fi.schemes.SCHEMES:
            shown = inspect.signature(function).parameters
            assert {"seed", "name", "dtype", "index", "out", "threads"} < set(shown) and "unknown" not in shown


@pytest.mark.parametrize(
    ("function", "keyword"), [("normal", "mean"), ("truncated_normal", "mean"), ("small_normal", "std")]
)
def test_two_lengths_where_one_shape_is_taken_are_warned_of(function, keyword):
    """What is asked for is made all the same; nobody is warned who says it in another way, or takes the remedy."""
    make = getattr(fi, function)
    said = (
        f"{function}(64, 128) makes 64 values with a {keyword} of 128: {function}((64, 128)) has two axes, and "
        f"{keyword}=128.0 is this without a warning"
    )
    with pytest.warns(UserWarning, match=f"^{re.escape(said)}$") as warned:
        values = make(64, 128, seed=0)
    assert warned[0].filename == __file__
    assert np.array_equal(values, make(64, **{keyword: 128.0}, seed=0))
    assert make((64, 128)).shape == (64, 128) and make(64, 1).shape == make((64,), 128).shape == (64,)
