"""Gains: the table against quadrature, and quadrature against closed forms."""

import math

import numpy as np
import pytest
from scipy import special

import fastinit as fi
from fastinit.scaling import _GAINS, normal_interval

FUNCTIONS = {
    "linear": lambda z: z,
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z * special.ndtr(z),
    "gelu_tanh": lambda z: z / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z * special.expit(z),
    "swish": lambda z: z * special.expit(z),
    "mish": lambda z: z * np.tanh(np.logaddexp(0, z)),
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "softplus": lambda z: np.logaddexp(0, z),
    "erf": special.erf,
    "sin": np.sin,
    "softsign": lambda z: z / (1 + abs(z)),
    "abs": np.abs,
    "relu2": lambda z: np.maximum(z, 0) ** 2,
}


@pytest.mark.parametrize("name", _GAINS)
def test_table_against_quadrature(name):
    assert fi.gain(name) == pytest.approx(fi.gain(FUNCTIONS[name]), rel=1e-9)


def test_parametrised_and_closed_forms():
    assert fi.gain("relu") == math.sqrt(2)
    assert fi.gain(("leaky_relu", 0.2)) == math.sqrt(2 / 1.04)
    assert fi.gain(("leaky_relu", 0.01)) == pytest.approx(fi.gain("leaky_relu"), rel=1e-15)
    assert fi.gain("sin") == pytest.approx(1 / math.sqrt((1 - math.exp(-2)) / 2), rel=1e-15)
    assert fi.gain("erf") == pytest.approx(1 / math.sqrt(2 / math.pi * math.asin(2 / 3)), rel=1e-15)


def test_functions_of_numbers_and_kinks_anywhere():
    assert fi.gain(math.tanh) == pytest.approx(fi.gain("tanh"), rel=1e-9)
    shifted = fi.gain(lambda z: np.maximum(z - 0.3, 0))
    q = 0.3
    exact = (1 + q * q) * special.ndtr(-q) - q * math.exp(-q * q / 2) / math.sqrt(2 * math.pi)
    assert shifted == pytest.approx(1 / math.sqrt(exact), rel=1e-10)
    assert fi.gain(lambda z: np.where(z > 0, 1.0, 0.0)) == pytest.approx(math.sqrt(2), rel=1e-9)
    assert fi.gain(lambda z: 2.0) == pytest.approx(0.5)


def beyond(q, power=0):
    """E z**power over z > q: the moment of what is z**(power / 2) there and zero elsewhere."""
    density = math.exp(-q * q / 2) / math.sqrt(2 * math.pi)
    return special.ndtr(-q) + (q * density if power else 0.0)


@pytest.mark.parametrize(
    "q", [0.0, 1e-9, 1e-3, 0.1, 0.3, 1 / 3, 0.5, 0.501, 1 - 1e-12, 1.0, math.pi, -0.001, -2.7, 7.1]
)
def test_jumps_are_found_wherever_they_are(q):
    """Steps, thresholds and shrinkage: of arrays, of numbers, and with a narrow gap."""
    assert fi.gain(lambda z: (z > q) * 1.0) == pytest.approx(beyond(q) ** -0.5, rel=1e-10)
    assert fi.gain(lambda z: (z >= q) * 1.0) == pytest.approx(beyond(q) ** -0.5, rel=1e-10)
    assert fi.gain(lambda z: z if z > q else 0.0) == pytest.approx(beyond(q, 2) ** -0.5, rel=1e-10)
    shrunk = abs(q)
    assert fi.gain(lambda z: np.where(abs(z) > shrunk, z, 0.0)) == pytest.approx(
        (2 * beyond(shrunk, 2)) ** -0.5, rel=1e-10
    )
    gap = beyond(q) - beyond(q + 0.004)
    assert fi.gain(lambda z: 3.0 * ((z > q) & (z < q + 0.004))) == pytest.approx((9 * gap) ** -0.5, rel=1e-9)


def test_many_jumps_singularities_and_waves():
    steps = np.arange(0.5, 200) / 16  # where round(16 z) / 16 goes up from k / 16: the square does by (2 k + 1) / 256
    exact = sum(2 * (2 * k + 1) / 256 * special.ndtr(-q) for k, q in enumerate(steps))
    assert fi.gain(lambda z: np.round(16 * z) / 16) == pytest.approx(exact**-0.5, rel=1e-9)
    squared = math.pi**2 / 8 + ((np.euler_gamma + math.log(2)) / 2) ** 2  # E log(|z|)**2
    assert fi.gain(lambda z: np.log(abs(z))) == pytest.approx(squared**-0.5, rel=1e-9)
    assert fi.gain(lambda z: z / abs(z)) == fi.gain(lambda z: z / np.sqrt(z * z)) == pytest.approx(1.0, rel=1e-10)
    assert fi.gain(lambda z: math.sin(z) / z) == pytest.approx(
        fi.gain(np.vectorize(lambda z: math.sin(z) / z)), rel=1e-12
    )
    assert fi.gain(lambda z: np.sin(1e4 * z)) == pytest.approx(math.sqrt(2), rel=1e-9)


@pytest.mark.parametrize(
    ("function", "message"),
    [(lambda z: 0 * z, "`activation` must be not zero everywhere, got "),
     (lambda z: np.exp(z**4), "`activation` must be finite on [-14, 14], got "),
     (lambda z: np.sin(1e9 * z),
      "`activation` must be smooth enough for its second moment to be found to 1e-6, got "),
     (lambda z: np.exp(z * z / 4), "`activation` must be such that its second moment is that of |z| < 14, got "),
     (lambda z: z / np.abs(z).max(),
      "`activation` must be elementwise: the same for an element whatever is beside it, got "),
     (lambda z: z[:, :1], "`activation` must be elementwise: shape (896, 17) for shape (896, 17), got (896, 1)"),
     (lambda z: (1 + 1j) * z, "`activation` must be of real numbers, got values of complex128")],
)  # fmt: skip
def test_functions_without_a_gain(function, message):
    with pytest.raises((ValueError, TypeError)) as raised:
        fi.gain(function)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("low", "high"), [(-2, 2), (-3, 3), (0, math.inf), (-math.inf, 1.5), (4, 5), (-40, -6), (6, 38), (-0.001, 0.002)]
)
def test_probabilities_of_an_interval_are_right_to_the_last_digits(low, high):
    left, mass, right = normal_interval(low, high)
    assert left == pytest.approx(special.ndtr(low), rel=2e-15)
    assert right == pytest.approx(special.ndtr(-high), rel=2e-15)
    away = (-high, -low) if low > 0 else (low, high)
    assert mass == pytest.approx(special.ndtr(away[1]) - special.ndtr(away[0]), rel=1e-12)
