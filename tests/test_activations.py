"""Activation functions: values, derivatives, dtypes, extremes, and what names them."""

import importlib
import json
import math
import pickle
import platform
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import FOREIGN, LENGTHS, bits, compiles
from scipy import special
from test_gain import FUNCTIONS

import fastinit as fi
from fastinit import _core, reference
from fastinit.activations import ACTIVATIONS, Activation, activation_of
from fastinit.scaling import _GAINS

GRID = np.concatenate([np.linspace(-9, 9, 3601), np.logspace(-140, 1, 400), -np.logspace(-20, 1.5, 200)])
EACH = pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=list(ACTIVATIONS))


@EACH
def test_values(activation):
    """Against SciPy's special functions, whose own error and the twin formulas' cancellation are a few roundings."""
    expected = FUNCTIONS[activation.name](GRID)
    assert np.abs(activation.function(GRID) - expected).max() <= 1e-14
    wide = GRID.astype(np.float32).astype(float)
    error = np.abs(activation.function(wide.astype(np.float32)) - FUNCTIONS[activation.name](wide))
    assert (error <= 8 * 2.0**-24 * (1 + np.abs(wide))).all()


@EACH
def test_derivatives_against_central_differences(activation):
    """(phi(x + h) - phi(x - h)) / 2h is off by h h phi''' / 6 and 1e-16 phi / h: 1e-9 for h = 1e-5."""
    x = GRID[np.abs(GRID) > 2e-5]
    h = 1e-5
    slope = (activation.function(x + h) - activation.function(x - h)) / (2 * h)
    assert np.abs(activation.derivative(x) - slope).max() <= 2e-9
    single = activation.derivative(x.astype(np.float32))
    assert np.abs(single - activation.derivative(x.astype(np.float32).astype(float))).max() <= 4e-6


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes_are_finite_and_silent_and_keep_the_dtype(activation, dtype):
    x = np.array([[-1e4, -100, -30, -1, -1e-3, -0.0], [1e4, 100, 30, 1, 1e-3, 0.0]], dtype)
    kept = x.copy()
    with warnings.catch_warnings(), np.errstate(over="raise", divide="raise", invalid="raise"):
        warnings.simplefilter("error")
        value, slope = activation.function(x), activation.derivative(x)
    assert (value.dtype, slope.dtype, value.shape, slope.shape) == (x.dtype, x.dtype, x.shape, x.shape)
    assert np.isfinite(value).all() and np.isfinite(slope).all()
    assert (x == kept).all() and not np.shares_memory(value, x) and not np.shares_memory(slope, x)
    assert np.isnan(activation.function(np.array([np.nan], dtype))).all()


def test_far_values_are_the_limits():
    far = np.array([-1e4, 1e4])
    for name in ("relu", "gelu", "gelu_tanh", "silu", "mish", "softplus"):
        assert (ACTIVATIONS[name].function(far) == [0, 1e4]).all()
        assert (ACTIVATIONS[name].derivative(far) == [0, 1]).all()
    assert (ACTIVATIONS["elu"].function(far) == [-1, 1e4]).all()


def test_erf_and_the_tails_of_gelu_keep_their_digits():
    erf = ACTIVATIONS["erf"].function(GRID)
    exact = np.array([math.erf(x) for x in GRID])
    assert np.abs(erf - exact).max() <= 2.0**-52
    assert (np.abs(erf - exact) <= 2.0**-51 * np.abs(exact)).all()
    x = np.linspace(-12, 0, 500)
    assert ACTIVATIONS["gelu"].function(x) == pytest.approx(x * special.ndtr(x), rel=1e-13)


@EACH
def test_degree_is_the_power_of_a_positive_factor(activation):
    for factor in (0.25, 2.0, 8.0):
        scaled = activation.function(factor * GRID)
        if activation.degree is None:
            assert not np.allclose(scaled, factor * activation.function(GRID))
            assert not np.allclose(scaled, factor**2 * activation.function(GRID))
        else:
            assert np.array_equal(scaled, factor**activation.degree * activation.function(GRID))


def test_what_names_an_activation():
    relu = ACTIVATIONS["relu"]
    assert activation_of("relu") is relu and activation_of(relu) is relu
    assert activation_of(("elu", 0.5)).function(np.array([-50.0])) == -0.5
    assert activation_of(("leaky_relu", -1)).function(np.array([-2.0, 3.0])).tolist() == [2, 3]
    pair = activation_of((np.tanh, lambda x: 1 - np.tanh(x) ** 2))
    assert (pair.name, pair.function, pair.kinks, pair.degree) == ("tanh", np.tanh, (), None)
    assert activation_of((np.abs, np.sign)).name == "absolute"
    assert activation_of((np.rint, np.zeros_like)).name == "rint"
    with pytest.raises(TypeError) as raised:
        activation_of(np.tanh)
    message = "`activation` must be a pair (phi, phi'): the derivative is needed too, got <ufunc 'tanh'>"
    assert str(raised.value) == message


@pytest.mark.parametrize("pair, error, message", [
    ((np.tanh, np.tanh), ValueError, "the second is the derivative of the first"),
    ((np.sum, np.ones_like), ValueError, "elementwise: shape (8, 8) for shape (8, 8), got ((), (8, 8))"),
    ((math.tanh, math.cos), TypeError, "`activation` must be a pair of functions of arrays: "),
    ((lambda x: x, lambda x: 1j + x), TypeError, "a pair of functions that give real numbers, got complex ones"),
])  # fmt: skip
def test_pairs_are_looked_at(pair, error, message):
    with pytest.raises(error) as raised:
        activation_of(pair)
    assert message in str(raised.value)


def test_gain_takes_all_that_names_an_activation():
    assert list(_GAINS) == list(ACTIVATIONS)
    assert fi.gain(ACTIVATIONS["mish"]) == fi.gain("mish")
    assert fi.gain((np.sin, np.cos)) == fi.gain(np.sin)
    assert fi.gain(("elu", 1)) == pytest.approx(fi.gain("elu"), rel=1e-12)
    assert fi.gain(Activation("shifted", lambda x: x + 1, np.ones_like)) == pytest.approx(math.sqrt(0.5), rel=1e-12)
    assert fi.gain(ACTIVATIONS["relu"]) == math.sqrt(2)


def points(dtype):
    """Usual numbers, angles beyond a million, all sizes there are, and those that are hard."""
    rng, info = np.random.default_rng(3), np.finfo(dtype)
    sizes = 2.0 ** rng.uniform(info.minexp - info.nmant, info.maxexp - 1, 800) * rng.choice([-1, 1], 800)
    hard = [0, 1, 5e-324, info.smallest_subnormal, info.tiny, info.max, np.inf, np.nan, 0.5, np.sqrt(2), np.pi]
    x = np.concatenate([rng.normal(0, 3, 2000), rng.uniform(-800, 800, 500), rng.uniform(-1e7, 1e7, 200), sizes])
    return np.concatenate([x, hard, np.negative(hard)]).astype(dtype)


def same(found, expected):
    return np.array_equal(bits(found)[~np.isnan(found)], bits(expected)[~np.isnan(expected)]) and np.array_equal(
        np.isnan(found), np.isnan(expected)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("code, name", list(enumerate(_core.ACTIVATIONS)), ids=_core.ACTIVATIONS)
def test_every_level_gives_the_twins_bits_at_every_length_and_place(level, code, name, dtype):
    x, parameters = points(dtype), (1.05, -1.7)
    value, slope = reference.activated(name, x, *parameters)
    found = np.empty_like(x), np.empty_like(x)
    _core.activate(code, parameters, x, *found)
    assert same(found[0], value) and same(found[1], slope)
    for count in LENGTHS:
        for start in (0, 1):
            memory = np.full((2, count + 40), 7, dtype)
            part, out = slice(start, start + count), memory[:, 20 : 20 + count]
            _core.activate(code, parameters, x[part], out[0], out[1])
            assert same(out[0], value[part]) and same(out[1], slope[part]), count
            assert (memory[:, :20] == 7).all() and (memory[:, 20 + count :] == 7).all()
            alone = np.full_like(out, 7)
            _core.activate(code, parameters, x[part], alone[0], None)
            _core.activate(code, parameters, x[part], None, alone[1])
            assert same(alone, out), count
            alone[0] = x[part]
            _core.activate(code, parameters, alone[0], alone[0], alone[1])
            assert same(alone, out), count


def test_border_refuses_what_it_cannot_read():
    x, p = np.ones(4), (1.0, 0.0)
    with pytest.raises(ValueError) as raised:
        _core.activate(len(_core.ACTIVATIONS), p, x, x, None)
    assert str(raised.value) == "`code` must be below 16, got 16"
    unaligned = np.ones(33, np.uint8)[1:].view(float)
    for array in (np.ones(4, np.float16), np.ones((4, 4)).T[:2], x.astype(f"{FOREIGN}f8"), unaligned):
        with pytest.raises(BufferError, match="`x` must be aligned float32 or float64 in C order"):
            _core.activate(0, p, array, None, None)
    fixed = np.ones(4)
    fixed.flags.writeable = False
    for out in (np.ones(3), np.ones(4, np.float32), fixed, np.ones(8)[::2], unaligned, [1.0]):
        for both in ((out, None), (None, out)):
            with pytest.raises(BufferError) as raised:
                _core.activate(0, p, x, *both)
            assert str(raised.value) == "what is written must be writable and as what is read: in dtype, size and order"


@EACH
def test_arrays_of_any_kind_and_numbers(activation):
    """What does not lie as the core reads it is copied; integers are computed as float64, 16-bit reals as float32."""
    for function in (activation.function, activation.derivative):
        x = np.linspace(-3, 3, 48).reshape(6, 8)
        expected = function(x)
        for other in (x.T, np.asfortranarray(x), x[::-1, ::2], x.astype(f"{FOREIGN}f8"), x[:0]):
            got = function(other)
            assert got.shape == other.shape and np.array_equal(got, function(np.array(other, float, order="C")))
        assert function(x[2, 3]) == function(np.array(x[2, 3])) == expected[2, 3]
        assert np.isscalar(function(np.float32(0.5))) and function(np.float32(0.5)).dtype == np.float32
        half = x.astype(np.float16)
        assert np.array_equal(function(half), function(half.astype(np.float32)).astype(np.float16))
        assert np.array_equal(function(np.arange(4)), function(np.arange(4.0)))
        assert pickle.loads(pickle.dumps(function)) == function
    assert pickle.loads(pickle.dumps(activation)) == activation == replace(activation)


def test_kinks_infinities_and_signs_of_zero():
    inf, nan = np.inf, np.nan
    x = np.array([-inf, -0.0, 0.0, inf, nan])
    expected = {
        "relu": ([0, 0, 0, inf, nan], [0, 0, 0, 1, 0]),
        "leaky_relu": ([-inf, 0, 0, inf, nan], [0.01, 0.01, 0.01, 1, 0.01]),
        "elu": ([-1, 0, 0, inf, nan], [0, 1, 1, 1, nan]),
        "gelu": ([0, 0, 0, inf, nan], [0, 0.5, 0.5, 1, nan]),
        "gelu_tanh": ([0, 0, 0, inf, nan], [0, 0.5, 0.5, 1, nan]),
        "silu": ([0, 0, 0, inf, nan], [0, 0.5, 0.5, 1, nan]),
        "mish": ([0, 0, 0, inf, nan], [0, 0.6, 0.6, 1, nan]),
        "tanh": ([-1, 0, 0, 1, nan], [0, 1, 1, 0, nan]),
        "sigmoid": ([0, 0.5, 0.5, 1, nan], [0, 0.25, 0.25, 0, nan]),
        "softplus": ([0, np.log(2), np.log(2), inf, nan], [0, 0.5, 0.5, 1, nan]),
        "erf": ([-1, 0, 0, 1, nan], [0, 2 / np.sqrt(np.pi), 2 / np.sqrt(np.pi), 0, nan]),
        "sin": ([nan, 0, 0, nan, nan], [nan, 1, 1, nan, nan]),
        "softsign": ([-1, 0, 0, 1, nan], [0, 1, 1, 0, nan]),
        "abs": ([inf, 0, 0, inf, nan], [-1, 0, 0, 1, nan]),
        "relu2": ([0, 0, 0, inf, nan], [0, 0, 0, inf, nan]),
    }
    for name, (value, slope) in expected.items():
        activation = ACTIVATIONS[name]
        np.testing.assert_array_max_ulp(activation.function(x), np.array(value, float), 1)
        np.testing.assert_array_max_ulp(activation.derivative(x), np.array(slope, float), 1)
    for name in ("tanh", "erf", "sin", "softsign", "gelu", "silu", "mish", "gelu_tanh"):
        assert np.signbit(ACTIVATIONS[name].function(x[1:3])).tolist() == [True, False]


def test_what_the_core_has_of_an_activation():
    assert ACTIVATIONS["relu"].in_core == (1, (1.0, 0.0))
    assert {named.in_core[0] for named in ACTIVATIONS.values()} == {*range(len(_core.ACTIVATIONS))}
    assert activation_of(("leaky_relu", 0.2)).in_core == (2, (1.0, 0.2))
    assert activation_of(("elu", 0.5)).in_core == (3, (1.0, 0.5))
    assert ACTIVATIONS["selu"].in_core == (3, (1.0507009873554805, 1.0507009873554805 * 1.6732632423543772))
    assert replace(ACTIVATIONS["tanh"], derivative=np.ones_like).in_core is None
    assert activation_of((np.sin, np.cos)).in_core is None
    slope = ACTIVATIONS["tanh"].derivative
    assert replace(ACTIVATIONS["tanh"], function=slope).in_core is None


#: Slopes that cross zero: their error is in units of the last place of one half, where they are below that.
CROSSING = {"gelu", "gelu_tanh", "silu", "mish"}


def units_off(found, exact, absolute):
    """The greatest error in units in the last place, of exact numbers in a wider dtype."""
    info = np.finfo(found.dtype)
    _, exponent = np.frexp(exact)
    unit = np.ldexp(exact.dtype.type(1), np.maximum(exponent, 0 if absolute else info.minexp + 1) - info.nmant - 1)
    with np.errstate(invalid="ignore"):
        off = np.where(found == exact, 0, np.abs(found - exact)) / unit
    return off.max()


def bell(x, factor):
    """exp(factor x x), in parts of which each square is exact or small."""
    high = x.astype(np.float32).astype(x.dtype)
    return np.exp(factor * high * high) * np.exp(factor * (x - high) * (x + high))


def below(x):
    """P(Z < x) for a standard normal Z: of a long double by a series up to 2, beyond that by a continued fraction."""
    if x.dtype == np.float64:
        return special.ndtr(x)
    a, one = np.abs(x), x.dtype.type(1)
    density = bell(a, -one / 2) / np.sqrt(8 * np.arctan(one))
    term, middle, ratio = np.minimum(a, 2), np.zeros_like(a), np.maximum(a, 2)
    for i in range(1, 120):
        middle = middle + term
        term = term * np.minimum(a, 2) ** 2 / (2 * i + 1)
    for i in range(200, 0, -1):
        ratio = np.maximum(a, 2) + i / ratio
    tail = np.where(a < 2, one / 2 - density * middle, density / ratio)
    return np.where(x > 0, 1 - tail, np.where(a < 2, one / 2 - density * middle, tail))


def erf(x):
    return special.erf(x) if x.dtype == np.float64 else 2 * below(np.sqrt(x.dtype.type(2)) * x) - 1


def exactly(name, x):
    """phi(x) and phi'(x) in the dtype of x, wide enough."""
    one, a, up = x.dtype.type(1), np.abs(x), x > 0
    pi = 4 * np.arctan(one)

    def gated(v):
        """sigmoid(v) and sigmoid(-v), of which the sum is one."""
        e = np.exp(-np.abs(v))
        return np.where(v > 0, 1, e) / (1 + e), np.where(v > 0, e, 1) / (1 + e)

    def gelu_tanh():
        c = np.sqrt(8 / pi)
        d = c * 44715 / 1000000
        gate, rest = gated(x * (c + d * x * x))
        return x * gate, gate + x * gate * rest * (c + 3 * d * x * x)

    def mish():
        e = np.exp(-a)
        d = np.where(up, 1 + 2 * e * (1 + e), 2 + e * (2 + e))
        gate = np.where(up, 1 + 2 * e, e * (2 + e)) / d
        return x * gate, gate + 4 * x * np.where(up, e * e, e) * (1 + e) / d**2

    gate, rest = gated(x)
    bend = np.exp(-2 * a)
    return {
        "elu": lambda: (np.where(up, x, np.expm1(np.minimum(x, 0))), np.exp(np.minimum(x, 0))),
        "gelu": lambda: (x * below(x), below(x) + x * bell(x, -one / 2) / np.sqrt(2 * pi)),
        "gelu_tanh": gelu_tanh,
        "silu": lambda: (x * gate, gate * (1 + x * rest)),
        "mish": mish,
        "tanh": lambda: (np.tanh(x), 4 * bend / (1 + bend) ** 2),
        "sigmoid": lambda: (gate, gate * rest),
        "softplus": lambda: (np.maximum(x, 0) + np.log1p(np.exp(-a)), gate),
        "erf": lambda: (erf(x), 2 / np.sqrt(pi) * bell(x, -one)),
        "sin": lambda: (np.sin(x), np.cos(x)),
        "softsign": lambda: (x / (1 + a), 1 / (1 + a) ** 2),
    }[name]()


def check_units(name, x, wide):
    with np.errstate(all="ignore"):
        value, slope = exactly(name, x.astype(wide))
    assert units_off(ACTIVATIONS[name].function(x), value, False) <= 2
    assert units_off(ACTIVATIONS[name].derivative(x), slope, name in CROSSING) <= (3 if name in CROSSING else 2)


ROUNDED = pytest.mark.parametrize(
    "name",
    ["elu", "gelu", "gelu_tanh", "silu", "mish", "tanh", "sigmoid", "softplus", "erf", "sin", "softsign"],
)


def floats(name, stride):
    """Every so many of all floats, and some more where functions bend."""
    x = np.arange(0, 2**31 - 2**23, stride, dtype=np.uint32).view(np.float32)
    x = np.concatenate([x, np.linspace(0, 20, 300_001, dtype=np.float32)])
    x = x[x < (1e6 if name == "sin" else 1e30)]  # NumPy's own sine may use a reduction of its own; squares are finite
    return np.concatenate([x, -x])


@ROUNDED
def test_two_units_in_the_last_place(name):
    """float32 against NumPy's and SciPy's float64."""
    check_units(name, floats(name, 4001), np.float64)


@pytest.mark.slow
@ROUNDED
def test_two_units_in_the_last_place_of_many(name):
    check_units(name, floats(name, 211), np.float64)


@pytest.mark.slow
@ROUNDED
def test_two_units_in_the_last_place_of_float64(name):
    """Against long double: of all sizes that matter, evenly, and near zero of slopes and where formulas meet."""
    if np.finfo(np.longdouble).nmant < 63:
        pytest.skip("long double is no wider than double here")
    rng, count = np.random.default_rng(7), 200_000
    near = rng.choice([-1.2785, -1.1924, -0.7518, 0.625, 1.0, np.sqrt(0.5), np.log(2) / 2, np.pi / 2, np.pi], count)
    sizes = 2.0 ** rng.uniform(-60, 9.5, count)
    x = np.concatenate([sizes, rng.uniform(0, 20, count), np.abs(near) + rng.uniform(-1e-3, 1e-3, count)])
    x = np.concatenate([x, -x, near])
    limits = {"gelu_tanh": (0, 8), "gelu": (0, 38), "erf": (0.1, 26)}  # outside the exact numbers themselves err
    least, most = limits.get(name, (0, 700))
    check_units(name, x[(np.abs(x) >= least) & (np.abs(x) < most)], np.longdouble)


@pytest.mark.skipif(platform.machine() != "x86_64" or not sys.platform.startswith("linux"), reason="compiled for there")
@compiles
def test_a_proof_holds_and_one_of_a_false_claim_does_not(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    activations = importlib.import_module("proof.activations")
    job = ["gelu", "--dtype", "float64", "--points", "50000", "--results", str(tmp_path)]
    assert activations.main(job) == 0
    monkeypatch.setattr(activations, "BOUND", 1.0)
    assert activations.main(job) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["holds"] for one in found] == [True, False] and 1 < found[0]["found"]["value"]["ulp"][0] <= 2
    assert json.loads((tmp_path / "activations.json").read_text()) == found[1:]
    assert _core.isa_in_use() == _core.supported_levels()[0]


@pytest.mark.skipif(platform.machine() != "x86_64" or not sys.platform.startswith("linux"), reason="compiled for there")
@compiles
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_proof_takes_nothing_else_for_infinity(tmp_path, monkeypatch, dtype):
    """Of relu2 and of its slope, which lie beyond the largest number there; of leaky_relu below zero the value."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    measure = importlib.import_module("proof.activations").reference(dtype, str(tmp_path))
    most = np.finfo(dtype).max

    def holds(name, below, x, *given):
        worst = np.zeros((2, 6))
        x, value, slope = (np.array([one], dtype) for one in (x, *given))
        code = ACTIVATIONS[name].in_core[0]
        measure(code, 1.0, below, *(y.ctypes.data for y in (x, value, slope)), 1, worst.ctypes.data)
        return (worst[:, 0] <= 2).tolist()

    for value, right in ((np.inf, True), (-np.inf, False), (np.nan, False), (-np.nan, False), (most, False)):
        assert holds("relu2", 0.0, most, value, value) == [right, right]
        assert holds("leaky_relu", 2.0, -most, -value, 2.0) == [right, True]
