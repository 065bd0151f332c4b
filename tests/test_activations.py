"""Activation functions: values, derivatives, dtypes, extremes, and what names them."""

import math
import warnings

import numpy as np
import pytest
from scipy import special
from test_gain import FUNCTIONS

import fastinit as fi
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
