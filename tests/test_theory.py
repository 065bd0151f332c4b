"""Theory against known answers: closed forms, and tables computed apart by other quadratures."""

import math
from itertools import pairwise

import numpy as np
import pytest
from conftest import shown
from scipy import integrate, special

import fastinit as fi
from fastinit import theory
from fastinit.activations import ACTIVATIONS, Activation, activation_of

# At q = 1: E phi, E phi^2, Var phi, E phi'^2, E phi', kurtosis of phi, gain, 1/sqrt(Var phi), gradient rate with RMS
# normalisation, with batch normalisation. Composite Gauss-Legendre on half-lines, all digits given are right.
TABLE = """
linear      0           1           1           1           1            3         1           1            1           1
relu        0.398942280 0.500000000 0.340845057 0.500000000 0.5          5.407639  1.414213562 1.712858550  1           1.466942207
leaky_relu  0.394952858 0.500050000 0.344062240 0.500050000 0.505        5.359976  1.414142857 1.704831627  1           1.453370761
leaky 0.2   0.319153824 0.520000000 0.418140836 0.520000000 0.6          4.453352  1.386750491 1.546460060  1           1.243600134
abs         0.797884561 1           0.363380228 1           0            3.869177  1           1.658896740  1           2.751938394
elu         0.160520572 0.644945417 0.619178563 0.668102001 0.761578292  3.179659  1.245198301 1.270843418  1.035904719 1.079013455
selu        0           1           1           1.071574992 0.985231116  2.503140  1           1            1.071574992 1.071574992
gelu        0.282094792 0.425221483 0.345644011 0.455850866 0.5          6.084665  1.533530441 1.700926243  1.072031598 1.318844971
gelu_tanh   0.282038588 0.425193711 0.345647946 0.455817846 0.5          6.087026  1.533580522 1.700916562  1.072023960 1.318734427
silu        0.206620964 0.355775520 0.313083297 0.379482352 0.5          6.068513  1.676532470 1.787187222  1.066634241 1.212081115
mish        0.240403888 0.452342192 0.394548163 0.479083758 0.563747557  5.134968  1.486847581 1.592025381  1.059118001 1.214259255
tanh        0           0.394294490 0.394294490 0.464402902 0.605705510  1.627291  1.592537420 1.592537420  1.177807232 1.177807232
sigmoid     0.5         0.293379036 0.043379036 0.044836241 0.206620964  2.139380  1.846228545 4.801313372  0.152827012 1.033592390
softplus    0.806059183 0.921245909 0.271514502 0.293379036 0.5          4.537783  1.041866836 1.919125980  0.318458984 1.080528053
erf         0           0.464559054 0.464559054 0.569410035 0.651470016  1.559839  1.467166950 1.467166950  1.225700004 1.225700004
sin         0           0.432332358 0.432332358 0.567667642 0.606530660  1.644493  1.520866623 1.520866623  1.313035285 1.313035285
softsign    0           0.183014021 0.183014021 0.227671340 0.412755100  1.587787  2.337533363 2.337533363  1.244010371 1.244010371
relu2       0.5         1.5         1.25        2           0.797884561  25.32     0.816496581 0.894427191  1.333333333 1.6
"""  # noqa: E501
ROWS = [line.replace("leaky 0.2", "leaky_0.2").split() for line in TABLE.strip().splitlines()]


def opaque(name):
    """The named activation as a pair: no closed form is known for it."""
    described = ACTIVATIONS[name]
    return Activation("opaque", lambda u: described.function(u), lambda u: described.derivative(u), described.kinks)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_moments_at_one(row):
    name = ("leaky_relu", 0.2) if row[0] == "leaky_0.2" else row[0]
    phi = activation_of(name)
    mean = theory.expectation(phi.function, 1.0, phi.kinks)
    second = theory.expectation(lambda u: phi.function(u) ** 2, 1.0, phi.kinks)
    fourth = theory.expectation(lambda u: (phi.function(u) - mean) ** 4, 1.0, phi.kinks)
    slope = theory.expectation(lambda u: phi.derivative(u) ** 2, 1.0, phi.kinks)
    first = theory.expectation(phi.derivative, 1.0, phi.kinks)
    variance = second - mean**2
    rms, batch = theory.norm_rate(phi, "rms"), theory.norm_rate(phi, "batch")
    kurtosis = fourth / variance**2
    found = [mean, second, variance, slope, first, kurtosis, second**-0.5, variance**-0.5, rms, batch]
    expected = [float(word) for word in row[1:]]
    assert found[:5] + found[6:] == pytest.approx(expected[:5] + expected[6:], abs=6e-10)
    assert kurtosis == pytest.approx(expected[5], abs=6e-7)
    assert (theory.kernel(phi, 1.0), theory.derivative_kernel(phi, 1.0)) == pytest.approx((second, slope), rel=1e-13)
    assert fi.gain(name) == pytest.approx(second**-0.5, rel=1e-13)


@pytest.mark.parametrize("q", [0.01, 1.0, 7.0, 400.0])
def test_closed_forms_in_q(q):
    def close(name, value, slope=None):
        assert theory.kernel(name, 1.0, q) == pytest.approx(value, rel=1e-12)
        assert theory.kernel(opaque(name), 1.0, q) == pytest.approx(value, rel=1e-12)
        if slope is not None:
            assert theory.derivative_kernel(name, 1.0, q) == pytest.approx(slope, rel=1e-12)
            assert theory.derivative_kernel(opaque(name), 1.0, q) == pytest.approx(slope, rel=1e-12)

    close("relu", q / 2, 0.5)
    close("leaky_relu", q * 1.0001 / 2, 1.0001 / 2)
    close("erf", 2 / math.pi * math.asin(2 * q / (1 + 2 * q)), 4 / math.pi / math.sqrt(1 + 4 * q))
    root = 2 * q / ((1 + q) * math.sqrt(1 + 2 * q))
    close("gelu", q / 4 + q / (2 * math.pi) * (math.asin(q / (1 + q)) + root))
    tail = special.erfcx(math.sqrt(2 * q)) / 2 - special.erfcx(math.sqrt(q / 2))
    assert theory.kernel("elu", 1.0, q) == pytest.approx(q / 2 + tail + 0.5, rel=1e-10)
    if q < 100:  # its waves are too short for the quadrature there
        wave = math.exp(-2 * q) / 2
        close("sin", 0.5 - wave, 0.5 + wave)
    assert theory.derivative_kernel("softplus", 1.0, q) == pytest.approx(theory.kernel("sigmoid", 1.0, q), rel=1e-12)


@pytest.mark.parametrize("name", ["linear", "relu", "leaky_relu", "abs", "erf", "sin"])
def test_quadrature_in_the_plane_against_closed_forms(name):
    for q in (0.01, 0.4, 1.0, 5.0):
        scale = q if ACTIVATIONS[name].degree else 1
        for c in (-1, -0.99, -0.3, 0, 0.2, 0.5, 0.9, 0.99, 1 - 1e-4, 1 - 1e-9, 1 - 1e-13, 1):
            error = theory.kernel(opaque(name), c, q) - theory.kernel(name, c, q)
            assert abs(error) <= 1e-13 * scale, (q, c)
            error = theory.derivative_kernel(opaque(name), c, q) - theory.derivative_kernel(name, c, q)
            assert abs(error) <= 1e-13, (q, c)


@pytest.mark.parametrize("name", ["tanh", "gelu", "selu"])
def test_quadrature_in_the_plane_against_scipy(name):
    """Conditioned on u: v is normal of mean c u. Halves of each line, for the kink."""
    phi, c, q = ACTIVATIONS[name], 0.7, 1.5

    def density(z):
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    def inner(x):
        kink = -c * x / math.sqrt(1 - c * c)
        edges = sorted({-9.0, min(max(kink, -9.0), 9.0), 9.0})
        return sum(
            integrate.quad(
                lambda z: float(phi.function(np.array(math.sqrt(q) * (c * x + math.sqrt(1 - c * c) * z)))) * density(z),
                low, high, epsabs=1e-11,
            )[0] for low, high in pairwise(edges)
        )  # fmt: skip

    x, weight = np.polynomial.legendre.leggauss(40)
    whole = sum(
        w * 4.5 * inner(point) * float(phi.function(np.array(math.sqrt(q) * point))) * density(point)
        for side in (-4.5, 4.5) for point, w in zip(side + 4.5 * x, weight, strict=True)
    )  # fmt: skip
    assert theory.kernel(name, c, q) == pytest.approx(whole, abs=1e-9)


def pair(function, derivative):
    """As a user gives it: where it bends is for the package to find."""
    return activation_of((function, derivative))


HARD = pair(lambda u: np.clip(u, -1, 1), lambda u: (np.abs(u) < 1) * 1.0)
SHIFTED = pair(lambda u: np.maximum(u - 0.3, 0), lambda u: (u > 0.3) * 1.0)
SWISH = pair(lambda u: u * np.clip(u + 3, 0, 6) / 6, lambda u: np.where(abs(u) < 3, (2 * u + 3) / 6, (u > 0) * 1.0))
SQUARE = pair(lambda u: np.maximum(u - 0.3, 0) ** 2, lambda u: 2 * np.maximum(u - 0.3, 0))
STEPS = pair(np.rint, np.zeros_like)


def within(c, q, low, high):
    """P(low < u < high, low < v < high), by conditioning on u."""
    std, left = math.sqrt(q), math.sqrt((1 - c) * (1 + c))
    low, high = max(low / std, -9.0), min(high / std, 9.0)

    def inside(x):
        return special.ndtr((high - c * x) / left) - special.ndtr((low - c * x) / left)

    edges = sorted({low, high, *np.clip(np.add.outer([low, high], left * np.linspace(-12, 12, 7)), low, high).ravel()})
    x, weight = np.polynomial.legendre.leggauss(60)
    middle, half = (np.array(edges[1:]) + edges[:-1])[:, None] / 2, np.diff(edges)[:, None] / 2
    at = middle + half * x
    return float(np.sum(half * weight * inside(at) * np.exp(-at * at / 2))) / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("q", [0.05, 1.0, 7.0, 100.0])
@pytest.mark.parametrize("c", [-0.9999, -0.5, 0.0, 0.3, 0.9, 0.999, 1 - 1e-6])
def test_kernels_of_functions_that_bend_away_from_zero(c, q):
    """Of those whose slope is one in an interval, and zero outside it."""
    assert theory.derivative_kernel(HARD, c, q) == pytest.approx(within(c, q, -1, 1), abs=1e-13)
    assert theory.derivative_kernel(SHIFTED, c, q) == pytest.approx(within(c, q, 0.3, math.inf), abs=1e-13)


def test_kinks_are_found_and_used_by_every_integral():
    found = [one.kinks for one in (HARD, SHIFTED, SWISH, SQUARE)]
    assert found == [(-1.0, 1.0), (0.3,), (-3.0, 3.0), pytest.approx((0.3,), abs=1e-9)]
    inner = math.erf(math.sqrt(0.5))  # P(|z| < 1)
    for q in (1.0, np.array([1.0])):
        moments = theory.activation_moments(HARD, q)
        assert moments.slope == pytest.approx(inner, rel=1e-13)
    assert theory.chi(HARD, 1.0) == pytest.approx(inner, rel=1e-13)
    assert theory.edge_of_chaos(HARD, q=1.0).weight_variance == pytest.approx(1 / inner, rel=1e-13)
    assert theory.chi_parallel(HARD, 1.0) == pytest.approx(inner - math.sqrt(2 / math.pi) * math.exp(-0.5), rel=1e-12)
    assert theory.norm_rate(HARD, "rms") == pytest.approx(fi.gain(HARD) ** 2 * inner, rel=1e-9)
    assert theory.batch_norm(SHIFTED).mean == pytest.approx(
        math.exp(-0.045) / math.sqrt(2 * math.pi) - 0.3 * special.ndtr(-0.3), rel=1e-13
    )
    assert theory.decorrelation_rate(HARD) == pytest.approx(inner**2 * fi.gain(HARD) ** 2, rel=1e-9)
    step = 1e-5  # the kernel's slope in c is q E phi'(u) phi'(v)
    for phi in (HARD, SWISH, SQUARE):
        ends = [theory.kernel(phi, 0.4 + h, 1.5) for h in (step, -step)]
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(
            1.5 * theory.derivative_kernel(phi, 0.4, 1.5), rel=1e-8
        )


def test_of_many_kinks_no_product_is_told():
    assert len(STEPS.kinks) == 200 and STEPS.kinks[100] == 0.5
    squares = sum(k * k * 2 * (special.ndtr(k + 0.5) - special.ndtr(k - 0.5)) for k in range(1, 12))
    assert theory.kernel(STEPS, 1.0) == pytest.approx(squares, rel=1e-13)
    assert math.isnan(theory.kernel(STEPS, 0.5))
    assert np.isnan(theory.batch_norm(STEPS, 8)[1:]).all()
    waves = pair(lambda u: np.abs(u - 2 * np.rint(u / 2)), lambda u: np.sign(u - 2 * np.rint(u / 2)))
    assert len(waves.kinks) == 200
    assert theory.fixed_point(waves, 0.1).c == 1 and math.isnan(theory.fixed_point(waves, 9).c)


@pytest.mark.parametrize(
    "call",
    [
        lambda phi: theory.chi_parallel(phi, 1.0),
        lambda phi: theory.fixed_point(phi, 1.0, 0.1),
        lambda phi: theory.edge_of_chaos(phi, q=1.0),
        lambda phi: theory.edge_of_chaos(phi, bias_variance=0.1),
    ],
)
def test_slopes_of_what_jumps_are_refused(call):
    for place, phi in ((0, pair(np.sign, np.zeros_like)), (0.3, pair(lambda u: u * (u > 0.3), lambda u: u > 0.3))):
        with pytest.raises(ValueError) as caught:
            call(phi)
        assert str(caught.value) == f"`activation` must be without a jump (there is one at {place}), got '{phi.name}'"
    steep = pair(
        lambda u: np.tanh(300 * u) + np.abs(u), lambda u: 300 / np.cosh(300 * np.clip(u, -1, 1)) ** 2 + np.sign(u)
    )
    for phi in (SHIFTED, steep, pair(lambda u: np.cbrt(u - 0.3), lambda u: np.cbrt(u - 0.3) ** -2.0 / 3)):
        assert theory.chi_parallel(phi, 1.0) > 0  # kinks, a steep slope and an infinite one are no jumps


def test_a_law_of_no_layer_is_refused():
    with pytest.raises(ValueError) as caught:
        theory.relu_norm_law([])
    assert str(caught.value) == "`widths` must be those of one layer at least, got []"


# activation, weight variance, bias variance: q*, chi(1), chi_q, xi_q, c*, chi(c*), xi_c, to the digits given.
FIXED = [
    ("tanh", 1.0, 0.05, 0.19359252, 0.759032, 0.564280, 1.7476, 1, 0.759032, 3.6270),
    ("tanh", 1.3, 0.05, 0.31531648, 0.880164, 0.571123, 1.7852, 1, 0.880164, 7.8341),
    ("tanh", 2.5, 0.05, 1.06395838, 1.133516, 0.428464, 1.1799, 0.446804, 0.918717, 11.7956),
    ("tanh", 4.0, 0.05, 2.19549393, 1.342402, 0.318195, 0.8733, 0.165065, 0.866517, 6.9797),
    ("tanh", 25 / 9, 0, 1.17848049, 1.209831, 0.430899, 1.1878, 0, 0.920791, 12.118),
    ("erf", 1.0, 0.05, 0.28842669, 0.867595, 0.550206, 1.6737, 1, 0.867595, 7.0407),
    ("erf", 2.0, 0.05, 0.96595481, 1.154653, 0.393823, 1.0731, 0.434481, 0.906482, 10.185),
]


@pytest.mark.parametrize(("name", "weight", "bias", *"qabcdef"), FIXED)
def test_fixed_points_and_depth_scales(name, weight, bias, q, a, b, c, d, e, f):
    point = theory.fixed_point(name, weight, bias)
    assert point.q == pytest.approx(q, abs=6e-9)
    assert [point.chi_1, point.chi_q, point.c, point.chi_c] == pytest.approx([a, b, d, e], abs=1.5e-5)
    assert [point.xi_q, point.xi_c] == pytest.approx([c, f], rel=1e-4)
    assert theory.second_moment_map(name, point.q, weight, bias) == pytest.approx(point.q, rel=1e-13)
    assert theory.correlation_map(name, point.c, point.q, weight, bias) == pytest.approx(point.c, abs=1e-12)
    step = 1e-4 * point.q
    ahead, behind = (theory.second_moment_map(name, point.q + h, weight, bias) for h in (step, -step))
    assert (ahead - behind) / (2 * step) == pytest.approx(point.chi_q, rel=1e-6)


def test_fixed_points_of_other_kinds():
    selu = theory.fixed_point("selu", 0.75**2)
    assert (selu.q, selu.chi_1) == (pytest.approx(0.02303378, abs=6e-9), pytest.approx(1.003670, abs=6e-7))
    assert theory.fixed_point("softplus", 1.0).q == pytest.approx(0.85630516, abs=6e-9)
    assert theory.fixed_point("softplus", 1.0).chi_1 == pytest.approx(0.288722, abs=6e-7)
    assert theory.fixed_point("sigmoid", 1.0).q == pytest.approx(0.26468688, abs=6e-9)
    assert theory.fixed_point("sigmoid", 1.0).chi_1 == pytest.approx(0.055721, abs=6e-7)
    assert theory.fixed_point("relu", 2.0, start=3.0) == (3.0, 1.0, 1.0, 1.0, 1.0, math.inf, math.inf)
    for name in ("gelu", "silu"):  # variance 2 / fan_in halves what is small
        assert theory.fixed_point(name, 2.0)[:3] == (0.0, 1.0, pytest.approx(0.5))
    assert theory.fixed_point("relu", 1.0, 0.5).q == pytest.approx(1.0)
    assert theory.fixed_point("tanh", 1.0)[:3] == (0.0, 1.0, 1.0) and theory.fixed_point("tanh", 1.0).xi_c == math.inf


@pytest.mark.parametrize(
    ("name", "square", "slopes"),
    [("gelu", [9.2208e-1, 6.0962e-1, 2.4722e-1, 1.3607e-3, 1.3426e-6, 1.2804e-12],
      [9.790e-1, 8.344e-1, 4.802e-1, 3.859e-3, 3.821e-6, 3.644e-12]),
     ("silu", [7.9915e-1, 2.0956e-1, 1.1280e-2, 1.1392e-5, 1.1126e-8, 1.0610e-14], None)],
)  # fmt: skip
def test_smooth_rectifiers_vanish_with_relus_gain(name, square, slopes):
    """Inputs of second moment 1, layers 1, 5, 10, 20, 30, 50: E act^2 and the product of chi."""
    q, product, acts, chis = 2.0, 1.0, [], []
    for _ in range(50):
        product *= theory.chi(name, q, 2.0)
        acts.append(theory.kernel(name, 1.0, q))
        chis.append(product)
        q = 2 * acts[-1]
    picked = [0, 4, 9, 19, 29, 49]
    assert [acts[k] for k in picked] == pytest.approx(square, rel=6e-5)
    assert slopes is None or [chis[k] for k in picked] == pytest.approx(slopes, rel=6e-4)


@pytest.mark.parametrize(
    ("name", "bias_std", "weight_std"),
    [("tanh", 0.1, 1.19340073), ("tanh", 0.2, 1.30414584), ("tanh", 0.3, 1.39558398), ("tanh", 0.5, 1.54967391),
     ("erf", 0.2, 1.15279541), ("erf", math.sqrt(0.05), math.sqrt(1.37583901)), ("elu", 0.1, 1.17614847),
     ("elu", 0.2, 1.22925112), ("softsign", 0.2, 1.72962862), ("tanh", 0, 1), ("sin", 0, 1), ("elu", 0, 1),
     ("softsign", 0, 1), ("erf", 0, math.sqrt(math.pi / 4)), ("gelu", 0, 2), ("silu", 0, 2), ("relu", 0, math.sqrt(2)),
     ("sigmoid", 0, 10.149263710), ("linear", 0, 1), (("leaky_relu", 0.2), 0, math.sqrt(2 / 1.04)),
     ("selu", 0, math.sqrt(0.47677102))],
)  # fmt: skip
def test_edge_of_chaos_by_bias(name, bias_std, weight_std):
    point = theory.edge_of_chaos(name, bias_variance=bias_std**2)
    assert math.sqrt(point.weight_variance) == pytest.approx(weight_std, abs=6e-9)
    if point.q > 0:
        settled = theory.fixed_point(name, point.weight_variance, point.bias_variance, start=point.q)
        assert (settled.q, settled.chi_1) == (pytest.approx(point.q, rel=1e-6), pytest.approx(1, abs=1e-6))


@pytest.mark.parametrize(
    ("name", "weight", "bias"),
    [("tanh", 2.15330265, 0.15096463), ("gelu", 2.19369990, 0.06719167), ("silu", 2.63516866, 0.06247150),
     ("elu", 1.49677744, 0.03466025), ("selu", 0.93320580, 0.06679420), ("mish", 2.08731768, 0.05581814),
     ("relu", 2, 0)],
)  # fmt: skip
def test_edge_of_chaos_at_one(name, weight, bias):
    assert theory.edge_of_chaos(name, q=1.0)[:2] == pytest.approx((weight, bias), abs=6e-9)


@pytest.mark.parametrize(
    ("name", "q", "weight", "bias"),
    [("gelu", (3 + math.sqrt(17)) / 2, 1.98305826, 0.17292239), ("silu", 14.32017361, 1.98800468, 0.55514317)],
)
def test_half_stable_points(name, q, weight, bias):
    """Both chi are one. The bias variance of silu is often printed as a tenth of this."""
    point = theory.edge_of_chaos(name, q=q)
    assert point[:2] == pytest.approx((weight, bias), abs=6e-9)
    assert theory.chi_parallel(name, q, point.weight_variance) == pytest.approx(1, abs=1e-9)


def test_no_critical_point():
    for call, message in (
        (lambda: theory.edge_of_chaos("softplus", q=1.0),
         "`q` must be such that softplus is critical with a bias variance of at least 0, got 1.0"),
        (lambda: theory.edge_of_chaos("softplus", bias_variance=0),
         "`bias_variance` must be such that softplus has a critical point with it, got 0.0"),
        (lambda: theory.edge_of_chaos("relu", bias_variance=0.1),
         "`bias_variance` must be such that relu has a critical point with it, got 0.1"),
        (lambda: theory.edge_of_chaos("relu"), "`q` must be given, or bias_variance, and not both, got (None, None)"),
        (lambda: theory.fixed_point("elu", 2.0),
         "`weight_variance` must be such that the second moment settles with elu: it grows without end, got 2.0"),
        (lambda: theory.kernel("relu", 1.5), "`c` must be a correlation in [-1, 1], got 1.5"),
        (lambda: theory.expectation(np.tanh, -1.0), "`q` must be finite and at least 0, got -1.0"),
        (lambda: theory.batch_norm("relu", 1), "`batch` must be an integer of at least 2, got 1"),
        (lambda: theory.relu_norm_law(0), "`widths` must be an integer of at least 1, got 0"),
        (lambda: theory.norm_rate("relu", "group"), "`norm` must be one of 'batch', 'layer', 'rms', got 'group'"),
        (lambda: theory.edge_of_chaos("relu2", bias_variance=0),
         "`activation` must be one with a slope at zero (without bias it is critical there, as q -> 0), got 'relu2'"),
    ):  # fmt: skip
        with pytest.raises(ValueError) as raised:
            call()
        assert str(raised.value) == message


def test_approach_to_correlation_one_at_the_edge():
    """tanh: 1 - c is near 2 / (f'' l), f'' = 0.32408996; a step of the map shows it."""
    point = theory.edge_of_chaos("tanh", bias_variance=0.05)
    gap = 1e-3
    ahead = 1 - theory.correlation_map("tanh", 1 - gap, point.q, point.weight_variance, point.bias_variance)
    assert (gap - ahead) / gap**2 == pytest.approx(0.32408996 / 2, rel=2e-3)


def test_arc_cosine_map():
    """ReLU, from orthogonal inputs and from correlation one half; l^2 (1 - c) tends to 9 pi^2 / 2."""
    for start, known in (
        (0.0, {1: 0.318309886, 2: 0.493731090, 3: 0.604825720, 4: 0.680953533, 5: 0.735946351, 10: 0.871535516,
               20: 0.948428479, 30: 0.972010873, 50: 0.987861945, 100: 0.996423147, 200: 0.999015644}),
        (0.5, {1: 0.608997781, 2: 0.683905651, 5: 0.810454201, 10: 0.897646730, 20: 0.955260185, 50: 0.988662613,
               100: 0.996552711}),
    ):  # fmt: skip
        c = start
        for layer in range(1, max(known) + 1):
            c = theory.correlation_map("relu", c, 2.0, 2.0)
            assert layer not in known or c == pytest.approx(known[layer], abs=6e-10)
    assert np.isnan(theory.correlation_map("relu", 0.9, weight_variance=0.0))  # of what is zero
    assert theory.correlation_map("relu", 0.9) == pytest.approx(0.909538399, abs=6e-10)
    assert theory.correlation_map("relu", 0.99) == pytest.approx(0.990300256, abs=6e-10)
    assert 2 * theory.derivative_kernel("relu", 0.3) == pytest.approx(1 - math.acos(0.3) / math.pi, abs=1e-15)


LAW = [
    (10, -0.307461011, 0.866734253), (50, -0.051738781, 0.108168133), (100, -0.025420886, 0.051939992),
    (200, -0.012603617, 0.025473415), (256, -0.009828659, 0.019818709), (500, -0.005016430, 0.010074686),
    (512, -0.004898479, 0.009836836), (1000, -0.002504095, 0.005018585),
]  # fmt: skip


@pytest.mark.parametrize(("n", "mean", "variance"), LAW)
def test_law_of_one_layers_norm(n, mean, variance):
    assert theory.relu_norm_law(n) == pytest.approx((mean, variance, 1 + 5 / n), abs=6e-10)


def test_law_of_a_deep_networks_norm():
    assert theory.relu_norm_law([100] * 50) == pytest.approx((-1.271044, 2.597000, 11.467400), abs=6e-7)
    assert theory.relu_norm_law(np.full(50, 1000)) == pytest.approx((-0.125205, 0.250929, 1.283226), abs=6e-7)
    single = theory.relu_norm_law(1)  # log(2 chi2_1): log 4 + digamma(1/2), trigamma(1/2)
    assert single[:2] == pytest.approx((math.log(4) + special.digamma(0.5), math.pi**2 / 2), rel=1e-14)


def test_law_of_mean_squares_whatever_the_widths():
    """Mean and variance of the logarithm over 4,000 networks: 5 standard errors, false alarm 1e-6."""
    widths, many = [30, 7, 50, 12], 4000
    x = np.ones((many, 1, widths[0]))
    rng = np.random.default_rng(0)
    for n, m in pairwise(widths):
        x = np.maximum(x @ rng.normal(0, math.sqrt(2 / n), (many, n, m)), 0)
    squares = np.mean(x**2, axis=(1, 2))
    logs = np.log(squares[squares > 0])
    law = theory.relu_norm_law(widths[1:])
    assert abs(logs.mean() - law.mean_log) < 5 * logs.std() / math.sqrt(many)
    spread = np.square(logs - logs.mean())
    assert abs(spread.mean() - law.variance_log) < 5 * spread.std() / math.sqrt(many)
    assert np.mean(squares) == pytest.approx(1, abs=5 * math.sqrt((law.second_moment - 1) / many))


# Batch: rate of linear, rate of relu, variance of relu.
BATCH = {
    4: (2, 3.084061, 0.4152517), 5: (1.5, 2.273707, 0.3983451), 6: (1.333333, 2.003779, 0.3876512),
    8: (1.2, 1.788190, 0.3749325), 16: (1.076923, 1.589950, 0.3571579), 32: (1.034483, 1.521953, 0.3488268),
    64: (1.016393, 1.493063, 0.3447933), 128: (1.008, 1.479681, 0.3428086), 256: (1.003953, 1.473234, 0.3418242),
    512: (1.001965, 1.470069, 0.3413340), 1024: (1.000979, 1.468501, 0.3410894), math.inf: (1, 1.466942, 0.3408451),
}  # fmt: skip


@pytest.mark.parametrize("batch", BATCH)
def test_batch_normalisation(batch):
    linear, relu = theory.batch_norm("linear", batch), theory.batch_norm("relu", batch)
    assert (linear.rate, relu.rate, relu.variance) == pytest.approx(BATCH[batch], abs=6e-7)
    assert (relu.second_moment, linear.second_moment) == pytest.approx((0.5, 1))
    if batch < math.inf:  # the closed forms, for any batch
        c = -1 / (batch - 1)
        both = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi)
        pairs = batch / 2 + batch * (batch - 1) * (0.25 + math.asin(c) / (2 * math.pi))
        trace = batch / 2 * (1 - 2 / batch) + pairs / batch**2 - 0.5 + (0.5 + (batch - 1) * both) / batch
        assert relu.variance == pytest.approx(0.5 - both, abs=1e-13)
        assert relu.rate == pytest.approx(batch * trace / ((0.5 - both) * (batch - 3) * (batch - 1)), rel=1e-12)
        assert linear.rate == pytest.approx((batch - 2) / (batch - 3), rel=1e-12)


@pytest.mark.parametrize("name", ["tanh", "gelu", "selu", "softplus", "relu2", HARD, SWISH], ids=shown)
def test_batch_normalisation_of_any_activation(name):
    """Towards E phi'^2 / Var phi as 1 / B, and against random points of the sphere: 4 standard errors, seed fixed."""
    limit = theory.batch_norm(name)
    assert limit.rate == theory.norm_rate(name, "batch")
    gaps = [theory.batch_norm(name, batch).rate - limit.rate for batch in (1000, 2000)]
    assert gaps[0] == pytest.approx(2 * gaps[1], rel=0.02)
    phi, batch, many = activation_of(name), 6, 100_000
    h = np.random.default_rng(3).standard_normal((many, batch))
    g = np.random.default_rng(4).standard_normal((many, batch))
    u = h - h.mean(1, keepdims=True)
    u /= np.sqrt((u**2).mean(1, keepdims=True))
    value, slope = phi.function(u), phi.derivative(u)
    found = theory.batch_norm(name, batch)
    share = batch / (batch - 1)
    for cotangent, factor in ((g - g.mean(1, keepdims=True), found.rate / share), (g, found.top_rate)):
        back = slope * cotangent
        back -= back.mean(1, keepdims=True) + u * (u * back).mean(1, keepdims=True)
        sizes = (back**2).sum(1)
        expected = factor * found.variance * (batch - 3)  # batch / (batch - 3) is the mean of 1 / variance
        assert abs(sizes.mean() - expected) <= 4 * sizes.std() / math.sqrt(many)
    for sample, expected in ((value[:, 0], found.mean), (value[:, 0] ** 2, found.second_moment),
                             (value[:, 0] * value[:, 1], found.cross_moment)):  # fmt: skip
        assert abs(sample.mean() - expected) <= 4 * sample.std() / math.sqrt(many)


def test_batches_of_two_and_three():
    for batch in (2, 3):
        small = theory.batch_norm("relu", batch)
        rate = 0 if batch == 2 else math.inf
        assert (small.second_moment, small.rate, small.top_rate) == (pytest.approx(0.5), rate, rate)
    assert theory.batch_norm("relu", 2)[1:4] == (0.5, 0.5, 0)
    angle = 2 * math.pi / 3  # three points of a circle
    exact = integrate.quad(lambda t: max(math.cos(t), 0) * max(math.cos(t - angle), 0), -math.pi, math.pi, limit=200)[0]
    assert theory.batch_norm("relu", 3).cross_moment == pytest.approx(2 * exact / (2 * math.pi), abs=1e-9)


def test_rates_of_normalisations():
    assert theory.decorrelation_rate("relu") == pytest.approx(math.pi / (2 * (math.pi - 1)), rel=1e-13)
    assert theory.norm_rate("relu", "layer") == theory.norm_rate("relu", "rms", "post_act") == pytest.approx(1)
    assert theory.norm_rate("relu", "layer", "post_act") == pytest.approx(math.pi / (math.pi - 1), rel=1e-13)
    assert theory.norm_rate("tanh", "layer") == pytest.approx(1.177807232, abs=6e-10)
    assert math.isnan(theory.norm_rate("relu", "batch", "post_act"))
    assert theory.norm_rate("gelu", None, q=1.0) == pytest.approx(1.072031598, abs=6e-10)


def test_moments_of_many_variances_at_once():
    q = np.array([[0.0, 1e-6, 0.3], [1.0, 7.0, 900.0]])
    for name in ("relu", "relu2", "elu", "tanh", "gelu", "erf", "sin"):
        for found, place in zip(theory.activation_moments(name, q), range(3), strict=True):
            each = [[theory.activation_moments(name, value)[place] for value in row] for row in q]
            assert found == pytest.approx(np.array(each), rel=1e-11, abs=1e-12)
    shifted = Activation("shifted", lambda u: np.maximum(u - 0.3, 0), lambda u: (u > 0.3) * 1.0, (0.3,))
    second = [(v + 0.09) * special.ndtr(-0.3 / v**0.5) - 0.3 * v**0.5 * math.exp(-0.045 / v) / math.sqrt(2 * math.pi)
              for v in (0.5, 2.0)]  # fmt: skip
    found = theory.activation_moments(shifted, [0.5, 2.0])
    assert found.second_moment == pytest.approx(second, rel=1e-12)
    assert found.slope == pytest.approx(special.ndtr([-0.3 / 0.5**0.5, -0.3 / 2**0.5]), rel=1e-12)


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_batch_normalisation_with_eps(name):
    """eps a quarter of the variance, batch 40, against random points: the closed form is off by 1e-2 at the most."""
    phi, batch, many, eps = ACTIVATIONS[name], 40, 20_000, 0.25
    h = np.random.default_rng(5).standard_normal((many, batch))
    h -= h.mean(1, keepdims=True)
    inverse = 1 / np.sqrt((h**2).mean(1, keepdims=True) + eps)
    u = h * inverse
    variance = (batch - 1) / batch
    found = theory.batch_norm(name, batch, variance / (variance + eps))
    assert np.mean(phi.function(u) ** 2) == pytest.approx(found.second_moment, rel=0.01)
    for common in (0.0, 0.6):
        g = np.random.default_rng(6).standard_normal((many, batch)) * math.sqrt(1 - common)
        g += np.random.default_rng(7).standard_normal((many, 1)) * math.sqrt(common)
        back = phi.derivative(u) * g
        back = inverse * (back - back.mean(1, keepdims=True) - u * (u * back).mean(1, keepdims=True))
        expected = (found.own * (1 - common) + found.common * common) / (variance + eps)
        assert np.mean(back**2) == pytest.approx(expected, rel=0.015)
