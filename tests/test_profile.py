"""Profiles: the reference cases of the theory (V1 to V10), gradients, equal weights, and what is refused."""

import math
import os
import pickle
import re
import time
import tracemalloc
import warnings
import weakref
from contextlib import closing
from functools import partial
from itertools import pairwise
from threading import Barrier, Event, Thread
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import shown

import fastinit as fi
from fastinit.activations import ACTIVATIONS
from fastinit.machine import threads_for, threads_limited
from fastinit.profiler import methods, parallel, runs
from fastinit.profiler.description.initialisation import initialisation_from
from fastinit.profiler.description.keywords import network_from
from fastinit.profiler.parallel import in_parallel, sharing
from fastinit.profiler.statistics import FIELDS, Tally
from fastinit.profiler.steps.layers import Builder
from fastinit.profiler.steps.matrices import TILE, Tiled
from fastinit.profiler.steps.step import backward, forward, tangent

USUAL = {
    "kind": "mlp", "width": 6, "depth": 2, "widths": None, "channels": None, "activation": "relu", "scheme": None,
    "gain": None, "norm": None, "norm_position": "pre_act", "norm_eps": 1e-5, "residual": False, "branch_scale": 1.0,
    "bias_std": 0.0, "kernel_size": 3, "image_size": 4, "padding": "zero", "batch": 5, "dtype": "float64",
}  # fmt: skip


def layers_of(seed=0, method="dense", learns=False, **keywords):
    network = network_from(**USUAL | keywords)
    tallies = [Tally() for _ in range(network.depth + 1)]
    return network, Builder(network, seed, tallies, method, learns).layers(), tallies


def through(layers, x):
    for layer in layers:
        x = forward(layer, x)
    return x


def back(layers, d):
    for layer in reversed(layers):
        d = backward(layer, d)
    return d


# --- V1 to V10 of the theory


@pytest.mark.parametrize("dtype, within", [("float64", 1e-10), ("float32", 1e-4)])
@pytest.mark.parametrize("activation", ["relu", ("leaky_relu", 0.2), "linear", "abs"])
@pytest.mark.parametrize("more", [{}, {"kind": "conv", "channels": 7, "image_size": 5}, {"scheme": "orthogonal"},
                                  {"scheme": "small_normal"}, {"widths": [9, 20, 3, 8]}], ids=str)  # fmt: skip
def test_v1_weights_and_gradients_have_one_inner_product(activation, more, dtype, within):
    """Of a homogeneous network without biases <W, dL/dW> is the same for every layer: any weights, any loss."""
    sizes = {} if "widths" in more else {"depth": 6} if "channels" in more else {"width": 24, "depth": 6}
    p = fi.profile(activation=activation, batch=5, loss=lambda x: np.sin(x) + 1, dtype=dtype, **sizes, **more)
    products = p["weight_dot_grad"][0, 1:]
    largest = (p["weight_norm"] * p["weight_grad_norm"])[0, 1:]
    assert np.abs(products - products[0]).max() <= within * largest.max()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_v2_zeros_get_no_gradient(activation):
    p = fi.profile(16, 4, activation, "zeros", batch=8, loss="mse")
    assert (p["weight_grad_norm"][0, 1:] == 0).all()
    assert (p["act_second_moment"][0, 1:] == 0).all()
    assert (p["distinct_units"][0, 1:] == 1).all()


def test_v2_zeros_with_sigmoid():
    """The last weights then get equal gradients, the lower ones none."""
    p = fi.profile(16, 3, "sigmoid", "zeros", batch=8, loss="mse")
    assert (p["weight_grad_norm"][0, 1:3] == 0).all()
    assert p["weight_grad_norm"][0, 3] > 0


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_v2_a_constant_keeps_hidden_units_the_same(activation):
    p = fi.profile(16, 4, activation, ("constant", {"value": 0.05}), batch=8, sgd_steps=3, lr=0.05, dtype="float64")
    assert [*p.steps, p][0]["weight_grad_norm"][0, 1] > 0
    for step in (*p.steps, p):
        assert (step["distinct_units"][0, 1:4] == 1).all()
    assert p["distinct_units"][0, 4] == 16  # the targets of the outputs differ
    assert p["act_second_moment"][0, 4] != p.steps[0]["act_second_moment"][0, 4]
    _, layers, _ = layers_of(
        width=16, depth=3, activation=activation, scheme=("constant", {"value": 0.05}), learns=True
    )
    x = fi.normal((5, 16), seed=1, dtype="float64")
    back(layers, fi.normal(through(layers, x).shape, seed=2, dtype="float64"))
    _, inputs, _ = layers[2][0]._kept
    gradient = inputs.T @ layers[2][0]._gradient
    assert np.linalg.matrix_rank(gradient) == 1
    assert np.abs(gradient - gradient[0]).max() <= 1e-12 * np.abs(gradient).max()


def test_v3_small_random_weights_fade():
    """tanh, 0.01 randn, 500 units; the tolerance is four standard errors of the theory's table."""
    p = fi.profile(500, 10, "tanh", "small_normal", batch=1000, backward=False)
    expected = [0.213546, 0.047642, 0.010652, 0.002382, 0.000533, 0.000119, 2.66e-5, 5.95e-6, 1.33e-6]
    seen = np.sqrt(p["act_variance"][0, 1:10])
    within = np.linspace(0.007, 0.025, 9) + np.array([0, 0, 0, 0, 1, 4, 2, 1, 4]) / 1000  # the table's last digit
    assert (np.abs(seen / expected - 1) < within).all()


def test_v4_large_random_weights_saturate():
    p = fi.profile(500, 5, "tanh", "normal", batch=1000, backward=False)
    assert np.abs(np.sqrt(p["act_variance"][0, 1:4]) - [0.982012, 0.981680, 0.981673]).max() < 4e-4


@pytest.mark.slow
def test_v5_log_and_mean_over_drawings():
    """He and ReLU, one input: E log M = -.491433, Var log M = .990935, E M = 1 at n = 256, L = 50.

    300 networks: four standard errors are .23, .33 and .30.
    """
    p = fi.profile(256, 50, batch=1, repeats=300, backward=False)
    with np.errstate(divide="ignore"):
        log_m = np.log(p["act_second_moment"][:, 50] / p["act_second_moment"][:, 0])
    assert abs(log_m.mean() + 0.491433) < 0.23
    assert abs(log_m.var() - 0.990935) < 0.33
    assert abs(np.exp(log_m).mean() - 1) < 0.30
    gap = p.mean_log("act_second_moment")[50] - p.mean_log("act_second_moment")[0] - log_m.mean()
    assert abs(gap) < 1e-12


@pytest.mark.slow
def test_v6_cosines_of_orthogonal_inputs():
    inputs = np.eye(64, 4096) * 64
    p = fi.profile(4096, 50, inputs=inputs, backward=False)
    layers = [1, 2, 3, 4, 5, 10, 20, 50]
    expected = np.array([0.318310, 0.493731, 0.604826, 0.680954, 0.735946, 0.871536, 0.948428, 0.987862])
    assert (np.abs(p["cosine"][0, layers] - expected) < np.maximum(0.01, 0.15 * (1 - expected))).all()


def test_v7_torch_default_layers():
    """Var(w) = Var(b) = 1/(3n) and ReLU: E h^2 = 2/(5n) and a gradient rate of 1/6, exactly at any width."""
    p = fi.profile(256, 14, "relu", ("variance_scaling", {"scale": 1 / 3, "distribution": "uniform"}),
                   bias_std=1 / math.sqrt(3 * 256), batch=4, repeats=200)  # fmt: skip
    deep = p.mean("preact_second_moment")[10:]
    assert np.abs(256 * deep / 0.4 - 1).max() < 0.03
    gradient = p.mean("grad_act_second_moment")
    rate = (gradient[4] / gradient[12]) ** (1 / 8)
    assert abs(rate * 6 - 1) < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("activation, gain, std, rate, within", [
    ("tanh", 5 / 3, 0.651347, 1.209831, (0.005, 0.02)), ("selu", 0.75, 0.199571, 1.003670, (0.03, 0.02)),
])  # fmt: skip
def test_v8_torch_gains(activation, gain, std, rate, within):
    inputs = fi.normal((64, 1000), 0, std, seed=9)  # SELU comes to its fixed point too slowly from elsewhere
    p = fi.profile(1000, 40, activation, "lecun_normal", gain=gain, inputs=inputs, repeats=4)
    seen = np.sqrt(p.mean("act_variance")[30:])
    assert np.abs(seen.mean() / std - 1) < within[0]
    gradient = p.mean_log("grad_act_second_moment")
    assert abs(np.exp((gradient[5] - gradient[35]) / 30) / rate - 1) < within[1]


@pytest.mark.slow
@pytest.mark.parametrize("activation, batch, rate", [("linear", 8, 1.2), ("relu", 8, 1.788190), ("relu", 32, 1.521953)])
def test_v9_batch_norm_makes_gradients_explode(activation, batch, rate):
    p = fi.profile(2000, 14, activation, norm="batch", norm_eps=0, batch=batch)
    gradient = p.mean_log("grad_act_second_moment")
    assert abs(np.exp((gradient[2] - gradient[12]) / 10) - rate) < 0.06


@pytest.mark.parametrize("scheme", ["he_normal", "glorot_uniform"])
def test_v10_units_dead_on_the_batch(scheme):
    """Inputs e_0 + e_i: a unit is dead on all B with probability 1 / (B + 1), whatever the law of the weights."""
    batch, width = 16, 4096
    inputs = np.zeros((batch, width))
    inputs[:, 0] = 1
    inputs[np.arange(batch), np.arange(batch) + 1] = 1
    p = fi.profile(width, 1, "relu", scheme, inputs=inputs, backward=False)
    chance = 1 / (batch + 1)
    assert abs(p["dead_fraction"][0, 1] - chance) < 4 * math.sqrt(chance * (1 - chance) / width)


@pytest.mark.slow
def test_kurtosis_within_a_network_and_pooled():
    """Within one network E b2 = 3 (n - 1) / (n + 1) for one input; pooled over networks it is 3 (1 + 5/n)^l.

    2000 networks of 100 units: standard errors .009 and, the pooled fourth moment being heavy-tailed, .35.
    """
    p = fi.profile(100, 11, batch=1, repeats=2000, backward=False)
    assert abs(p.mean("preact_kurtosis")[11] - 3 * 99 / 101) < 0.04
    second, fourth = (p["preact_second_moment"][:, 11], p["preact_variance"][:, 11])
    assert abs(3 * np.mean(second**2) / np.mean(second) ** 2 * 99 / 101 / (3 * 1.05**10) - 1) < 0.35
    assert np.abs(fourth / second - 1).max() < 0.2


def test_scale_invariance_under_norms():
    """<W, dL/dW> = 0 where a norm without eps follows the weights: exactly, but for rounding."""
    for norm in ("batch", "layer", "rms"):
        p = fi.profile(32, 4, "tanh", norm=norm, norm_eps=0, batch=8, dtype="float64")
        assert (np.abs(p["weight_dot_grad"]) <= 1e-12 * p["weight_norm"] * p["weight_grad_norm"])[0, 1:].all()


def test_jacobian_tells_orthogonal_from_gaussian():
    """Linear, L layers: E s^2 = 1, E s^4 = L + 1 for Gaussian weights (Fuss-Catalan); 1 and 1 for orthogonal ones."""
    gaussian = fi.profile(256, 4, "linear", "lecun_normal", batch=64, jacobian=True, repeats=4)
    haar = fi.profile(256, 4, "linear", "orthogonal", batch=64, jacobian=True)
    assert abs(gaussian.mean("jacobian_second_moment") - 1) < 0.05
    assert abs(gaussian.mean("jacobian_fourth_moment") - 5) < 0.5
    assert abs(haar["jacobian_second_moment"][0] - 1) < 1e-5
    assert abs(haar["jacobian_fourth_moment"][0] - 1) < 1e-5


# --- gradients

CONFIGURATIONS = [
    (norm, position, residual)
    for norm in (None, "batch", "layer", "rms")
    for position in (("pre_act", "post_act") if norm else ("pre_act",))
    for residual in (False, True)
]


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("norm, position, residual", CONFIGURATIONS)
def test_gradients_against_finite_differences(norm, position, residual, activation):
    """Central differences err by h^2 f''' / 6 and by u f / h: 1e-7 for h = 1e-5 and sums of a few tens."""
    keywords = {"norm": norm, "norm_position": position, "residual": residual, "activation": activation}
    _, layers, _ = layers_of(seed=3, bias_std=0.3, branch_scale=0.7, scheme="lecun_normal", **keywords)
    x, v = (fi.normal((5, 6), seed=4, name=name, dtype="float64") for name in ("x", "v"))
    c = fi.normal((5, 6), seed=4, name="c", dtype="float64")
    h = 1e-5
    slope = (np.vdot(through(layers, x + h * v), c) - np.vdot(through(layers, x - h * v), c)) / (2 * h)
    through(layers, x)
    gradient = back(layers, c)
    t = v
    for layer in layers:
        t = tangent(layer, t)
    assert np.vdot(gradient, v) == pytest.approx(np.vdot(c, t), rel=1e-10, abs=1e-12)
    assert np.vdot(gradient, v) == pytest.approx(slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("more", [
    {}, {"kind": "conv", "channels": 3}, {"kind": "conv", "channels": [2, 5], "padding": "circular"},
    {"kind": "conv", "channels": 3, "kernel_size": 2, "norm": "batch"},
], ids=str)  # fmt: skip
def test_gradients_of_weights(more):
    network, layers, tallies = layers_of(learns=True, activation="tanh", bias_std=0.2, **more)
    x = fi.normal((network.rows, network.widths[0]), seed=4, name="x", dtype="float64")
    c = fi.normal(through(layers, x).shape, seed=4, name="c", dtype="float64")
    back(layers, c)
    product = next(step for step in layers[1] if hasattr(step, "weights"))
    matrix, (_, inputs, _), d = product.weights.matrix(), product._kept, product._gradient
    gradient = inputs.T @ d
    assert tallies[1].row()["weight_grad_norm"] == pytest.approx(np.linalg.norm(gradient), rel=1e-9)
    assert tallies[1].row()["weight_dot_grad"] == pytest.approx(np.vdot(matrix, gradient), rel=1e-9, abs=1e-9)
    v = fi.normal(matrix.shape, seed=5, dtype="float64")
    ends = []
    for h in (1e-5, -1e-5):
        matrix += h * v
        ends.append(np.vdot(through(layers, x), c))
        matrix -= h * v
    assert np.vdot(gradient, v) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("kernel, padding", [(1, "zero"), (2, "zero"), (3, "zero"), (3, "circular"), (4, "circular")])
def test_convolution_is_a_convolution(kernel, padding):
    """Against the definition, position by position."""
    _, layers, _ = layers_of(kind="conv", channels=[2, 3], activation="linear", kernel_size=kernel, padding=padding)
    x = fi.normal((5, 4, 4, 2), seed=1, dtype="float64")
    seen = through(layers, x.reshape(-1, 2)).reshape(5, 4, 4, 3)
    w = fi.he_normal((kernel, kernel, 2, 3), seed=0, name="layer.1", dtype="float64")
    before = (kernel - 1) // 2
    for y, z in np.ndindex(4, 4):
        total = np.zeros((5, 3))
        for i, j in np.ndindex(kernel, kernel):
            a, b = y + i - before, z + j - before
            if padding == "circular" or (0 <= a < 4 and 0 <= b < 4):
                total += x[:, a % 4, b % 4] @ w[i, j]
        assert np.allclose(seen[:, y, z], total, rtol=1e-12, atol=1e-12)


def test_descent_lowers_the_loss():
    p = fi.profile(32, 3, "tanh", "lecun_normal", batch=8, sgd_steps=5, lr=0.1, dtype="float64")
    losses = [step["grad_act_second_moment"][0, 3] for step in (*p.steps, p)]
    assert len(losses) == 6
    assert all(a > b for a, b in pairwise(losses))
    frozen = fi.profile(32, 3, "tanh", "lecun_normal", batch=8, sgd_steps=2, lr=[0, 0, 0], dtype="float64")
    assert (frozen["act_second_moment"] == frozen.steps[0]["act_second_moment"]).all()


# --- dense and tiled

CUT = ["he_normal", "lecun_uniform", "small_normal", "zeros", "ones", "identity", ("constant", {"value": 0.5}),
       ("variance_scaling", {"scale": 2.0, "distribution": "truncated_normal"}), "normal", "glorot_normal"]  # fmt: skip


@pytest.mark.parametrize("scheme", CUT, ids=str)
@pytest.mark.parametrize("shape", [(TILE + 1, 2 * TILE - 3), (3, 3, 5, 7), (7, TILE)], ids=str)
def test_tiles_are_the_weights_bit_for_bit(scheme, shape):
    if scheme == "identity" and len(shape) > 2:
        return
    scheme = initialisation_from(scheme, 1.5)
    whole = scheme.draw(shape, 3, "layer.1", "float32").reshape(-1, shape[-1])
    tiled, seen = Tiled(scheme, shape, 3, "layer.1", np.dtype("float32")), np.full(whole.shape, np.nan, np.float32)
    for rows in tiled._rows:
        for columns in tiled._columns:
            seen[rows.where, columns] = tiled.tile(rows, columns, np.empty(TILE * TILE, np.float32))
    assert (seen.view(np.uint32) == whole.view(np.uint32)).all()
    tiled.times(np.ones((1, len(whole)), np.float32))
    assert tiled.squared_norm() == pytest.approx(float(np.sum(whole.astype(float) ** 2)), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tiled_products_agree(dtype):
    """Two orders of summing n products differ by at most 2 n u sum |x w|."""
    scheme, shape = initialisation_from("he_normal", 1.0), (2 * TILE + 5, TILE + 3)
    tiled = Tiled(scheme, shape, 0, "layer.1", np.dtype(dtype))
    w = scheme.draw(shape, 0, "layer.1", dtype)
    x, d = (fi.normal((4, n), seed=1, dtype=dtype) for n in shape)
    u = np.finfo(dtype).eps / 2
    assert (np.abs(tiled.times(x) - x @ w) <= 2 * shape[0] * u * (np.abs(x) @ np.abs(w))).all()
    assert (np.abs(tiled.times_transposed(d) - d @ w.T) <= 2 * shape[1] * u * (np.abs(d) @ np.abs(w.T))).all()


@pytest.mark.parametrize("more", [
    {}, {"norm": "batch"}, {"residual": True, "norm": "layer"}, {"kind": "conv", "width": 4, "image_size": 4},
    {"bias_std": 0.1, "activation": "gelu"},
], ids=str)  # fmt: skip
def test_methods_agree(more):
    dense, tiled = (
        fi.profile(**{"width": 40, "depth": 4, "batch": 6, "dtype": "float64", "method": method} | more)
        for method in ("dense", "tiled")
    )
    assert dense.method == "dense"
    assert tiled.method == "tiled"
    for name in dense:
        np.testing.assert_allclose(tiled[name], dense[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_weights_made_again_are_those_held():
    """Without learning a matrix is made anew for the way back; with a rate of zero it is held."""
    made = fi.profile(30, 3, batch=4, loss="mse")
    held = fi.profile(30, 3, batch=4, loss="mse", sgd_steps=1, lr=0).steps[0]
    for name in held:  # of weights that learn there is no kernel
        assert name == "kernel_share" or np.array_equal(made[name], held[name], equal_nan=True), name


# --- shape of the result


def test_unknown_fields_are_key_errors():
    p = fi.profile(8, 1, batch=2)
    assert "theory_kurtosis" not in p
    assert p.get("nothing") is None
    with pytest.raises(KeyError) as refused:
        p["act_men"]
    assert str(refused.value).startswith("`name` must be one of 'act_mean', 'preact_mean', ")
    assert str(refused.value).endswith(", got 'act_men' (nearest: 'act_mean')")


def test_theory_stands_beside():
    p = fi.profile(2048, 6, "tanh", "lecun_normal", gain=1.3, bias_std=0.2, batch=64, repeats=8)
    for name in ("act_second_moment", "preact_variance", "grad_act_second_moment", "cosine", "weight_norm"):
        assert np.abs(p.mean(name)[2:] / p[f"theory_{name}"][2:] - 1).max() < 0.03, name
    z = p.deviation("act_second_moment")[1:]
    assert z.shape == (6,)
    assert np.abs(z).max() < 6
    stepped = fi.profile(64, 2, "tanh", batch=8, sgd_steps=1)
    assert "theory_act_mean" in stepped.steps[0]
    assert "theory_act_mean" not in stepped


def test_no_deviation_is_told_where_repeats_miss_the_tail():
    """He and ReLU, 64 x 200: E q is one, and the mean of 20 log-normal drawings of log-variance 15 is not."""
    p = fi.profile(64, 200, "relu", "he_normal", batch=4, method="matrix_free", repeats=20)
    z = p.deviation("act_second_moment")
    told = ~np.isnan(z)
    logs = np.log(p["act_second_moment"]).var(axis=0, ddof=1)
    assert not told[logs > 1.5].any() and told[1:][logs[1:] < 1].all()
    assert np.abs(z[told]).max() < 6
    assert not re.search(r"\binf\b", str(p.table("all")))
    signed = fi.profile(64, 3, "tanh", "lecun_normal", batch=8, repeats=8)  # of means there is no logarithm
    assert not np.isnan(signed.deviation("act_mean")[1:]).any()


def test_fields_and_their_reductions():
    p = fi.profile(16, 3, batch=4, repeats=5)
    q = p["act_second_moment"]
    assert q.shape == (5, 4)
    assert np.isnan(p["preact_mean"][:, 0]).all()
    assert np.isnan(p["weight_norm"][:, 0]).all()
    values = np.asarray(q)
    assert (p.mean("act_second_moment") == values.mean(axis=0)).all()
    assert np.allclose(p.mean_log("act_second_moment"), np.log(values).mean(axis=0))
    assert np.allclose(p.standard_error("act_second_moment"), values.std(axis=0, ddof=1) / math.sqrt(5))
    logs = np.log(values).std(axis=0, ddof=1) / math.sqrt(5)
    assert np.allclose(p.standard_error("act_second_moment", log=True), logs)
    assert np.isnan(fi.profile(16, 3, batch=4).standard_error("act_second_moment")).all()
    assert q.mean(axis=1).shape == (5,)
    theory = p["theory_act_second_moment"]
    assert all(type(p[name]) is np.ndarray for name in p)
    assert (p.mean("theory_act_second_moment") == theory).all()
    assert (p.mean_log("theory_act_second_moment") == np.log(theory)).all()
    for log in (False, True):
        assert (p.standard_error("theory_act_second_moment", log) == np.zeros(4)).all()
    one = fi.profile(16, 3, batch=4, seed=3)
    assert (one["act_mean"][0] == p["act_mean"][3]).all()


def test_statistics_are_those_of_the_signal():
    _, layers, tallies = layers_of(norm="layer", norm_position="post_act", bias_std=0.5, batch=4)
    x = fi.normal((4, 6), seed=0, name="input", dtype="float64")
    through(layers, x)
    w = fi.he_normal((6, 6), seed=0, name="layer.1", dtype="float64")
    h = x @ w + fi.normal(6, 0, 0.5, seed=0, name="layer.1.bias", dtype="float64")
    z = np.maximum(h, 0)
    centred = z - z.mean(axis=1, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    row = tallies[1].row()
    expected = {
        "preact_mean": h.mean(), "preact_variance": h.var(), "preact_second_moment": (h**2).mean(),
        "preact_kurtosis": ((h - h.mean()) ** 4).mean() / h.var() ** 2, "act_mean": y.mean(), "act_variance": y.var(),
        "act_second_moment": (y**2).mean(), "dead_fraction": (h <= 0).all(axis=0).mean(), "distinct_units": 6,
        "cosine": np.mean([y[i] @ y[j] / np.linalg.norm(y[i]) / np.linalg.norm(y[j])
                           for i in range(4) for j in range(4) if i != j]),
        "weight_norm": np.linalg.norm(w),
    }  # fmt: skip
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-10, abs=1e-12), name


def test_seed_and_inputs_decide():
    a, b = (fi.profile(16, 2, batch=4, seed=2**128 - 1, repeats=2) for _ in range(2))
    assert all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)
    assert (a["act_mean"][1] == fi.profile(16, 2, batch=4, seed=0)["act_mean"][0]).all()  # seeds wrap
    x = fi.normal((4, 16), seed=0, name="input")
    assert (fi.profile(16, 2, inputs=x)["act_mean"] == fi.profile(16, 2, batch=4)["act_mean"]).all()
    c = np.ones((4, 16))
    assert (fi.profile(16, 2, batch=4, cotangent=c)["grad_act_second_moment"][0, 2]) == 1


def test_overflow_and_nan_are_reported():
    p = fi.profile(64, 60, "linear", "normal", batch=4)
    q = p["act_second_moment"][0]
    assert not np.isfinite(q[-1])
    assert np.isfinite(q[10])
    assert np.isnan(p["distinct_units"][0, -1])
    assert not np.isfinite(p["grad_act_second_moment"][0, 0])


def test_interruption_keeps_what_is_done(monkeypatch):
    def stop(x):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return x

    def partial(**keywords):
        with pytest.raises(fi.profiler.ProfileInterrupted) as caught:
            fi.profile(8, 3, batch=2, loss=stop, **keywords)
        assert isinstance(caught.value, KeyboardInterrupt)
        assert str(caught.value) == "`.profile` of this exception is what was done by then"
        assert equal(pickle.loads(pickle.dumps(caught.value)).profile, caught.value.profile)
        assert caught.value.profile.interrupted
        return caught.value.profile

    calls = []
    p = partial(repeats=10)
    assert p.repeats == 2
    assert np.isfinite(p["grad_act_second_moment"]).all()
    calls = [1, 1]
    p = partial(repeats=10)
    assert np.isfinite(p["act_second_moment"]).all()
    assert np.isnan(p["grad_act_second_moment"]).all()
    calls = [1]
    p = partial(sgd_steps=4)
    assert len(p.steps) == 1


@pytest.mark.parametrize("method", ["dense", "matrix_free"])
def test_a_loop_of_profiles_stops(method):
    def stop(x):
        raise KeyboardInterrupt

    done = []
    with pytest.raises(KeyboardInterrupt):
        done.extend(fi.profile(8, 3, batch=2, loss=loss, method=method) for loss in ("mse", stop, "mse"))
    assert len(done) == 1
    assert not done[0].interrupted


def test_interrupted_before_anything_was_seen():
    def scheme(shape, seed, name):
        raise KeyboardInterrupt

    with pytest.raises(fi.profiler.ProfileInterrupted) as caught:
        fi.profile(8, 3, batch=2, scheme=scheme)
    assert caught.value.profile is None


def test_callables_and_functions_as_schemes():
    by_position = fi.profile(8, 2, scheme=lambda shape, s, n: fi.he_normal(shape, seed=s, name=n), batch=2)
    by_name = fi.profile(8, 2, scheme=lambda shape, *, seed, name: fi.he_normal(shape, seed=seed, name=name), batch=2)
    own = fi.profile(8, 2, scheme=fi.he_normal, batch=2)
    for name in (name for name in own if not name.startswith("theory")):
        assert np.array_equal(by_position[name], own[name], equal_nan=True)
        assert np.array_equal(by_name[name], own[name], equal_nan=True)
    assert own.network.scheme.name == "he_normal"


@pytest.mark.parametrize("scheme", [
    "he_normal", "glorot_uniform", "lecun_normal", "small_normal", "normal", "orthogonal", "zeros", "kaiming_uniform",
    ("uniform", {"low": -0.3, "high": 0.3}),
    ("variance_scaling", {"scale": 3.0, "mode": "fan_geo_avg"}),
], ids=str)  # fmt: skip
def test_variance_is_that_of_the_weights(scheme):
    """2e5 weights: the variance is known to 4 sqrt(2 / 2e5) = 1.3 %."""
    for shape in ((500, 400), (3, 3, 200, 112), (3, 3, 100, 224)):
        made = initialisation_from(scheme, 0.5)
        assert made.draw(shape, 0, "w", "float64").var() == pytest.approx(made.variance(shape), rel=0.013)


def test_gain():
    plain, scaled = (fi.profile(64, 1, "linear", "small_normal", gain=g, batch=4) for g in (None, 3.0))
    assert np.allclose(scaled["act_second_moment"][0, 1], 9 * plain["act_second_moment"][0, 1], rtol=1e-5)
    auto = fi.profile(64, 2, "gelu", gain="auto", batch=4)
    named = fi.profile(64, 2, "gelu", "lecun_normal", gain=fi.gain("gelu"), batch=4)
    assert (auto["act_mean"] == named["act_mean"]).all()


# --- what is refused

X = np.zeros((4, 8))
REFUSED = [
    ({"width": 0}, ValueError, "`width` must be an integer of at least 1, got 0"),
    ({"depth": 0}, ValueError, "`depth` must be an integer in [1, 1048576), got 0"),
    ({"depth": 10**9, "width": 1}, ValueError, "`depth` must be an integer in [1, 1048576), got 1000000000"),
    ({"width": 2.5}, TypeError, "`width` must be an integer of at least 1, got 2.5"),
    ({"width": 1e3}, TypeError, "`width` must be an integer of at least 1, as 1000 is, got 1000.0"),
    ({"width": None, "depth": None, "widths": [8]}, ValueError,
     "`widths` must be at least two: of the input and of one layer, got (8,)"),
    ({"width": None, "depth": None, "widths": [8, 0]}, ValueError, "`widths` must be an integer of at least 1, got 0"),
    ({"batch": 0}, ValueError, "`batch` must be an integer of at least 1, got 0"),
    ({"batch": 1, "norm": "batch"}, ValueError, "`batch` must be at least 2 for batch normalisation, got 1"),
    ({"norm": "bach"}, ValueError, "`norm` must be one of 'batch', 'layer', 'rms', got 'bach' (nearest: 'batch')"),
    ({"norm": "layer", "norm_position": "pre"}, ValueError,
     "`norm_position` must be one of 'pre_act', 'post_act', got 'pre' (nearest: 'pre_act')"),
    ({"norm": "layer", "norm_eps": -1.0}, ValueError, "`norm_eps` must be a finite number of at least 0, got -1.0"),
    ({"kind": "rnn"}, ValueError, None),
    ({"activation": "rleu"}, ValueError, None),
    ({"scheme": "he_norml"}, ValueError, None),
    ({"scheme": ("normal", {"std": "x"})}, TypeError, None),
    ({"scheme": ("normal", 3)}, TypeError,
     "`scheme` must be a name, (name, {keyword: value}) or a callable, got ('normal', 3)"),
    ({"scheme": ("he_normal", {"out_axis": 0})}, ValueError,
     "`scheme` must be 'he_normal' with keywords among ['distribution'], got {'out_axis': 0}"),
    ({"scheme": ("small_normal", {"sd": 0.02})}, ValueError,
     "`scheme` must be 'small_normal' with keywords among ['std'], got {'sd': 0.02}"),
    ({"widths": [8, 9]}, ValueError, "`widths` must be left out where width, depth or channels is given, got [8, 9]"),
    ({"channels": 3}, ValueError, "`channels` must be given for kind 'conv', in place of width, got 3"),
    ({"inputs": np.zeros((4, 8)), "batch": 5}, ValueError,
     "`batch` must be the number of inputs (4), or left out, got 5"),
    ({"gain": "auto", "scheme": "he_normal"}, ValueError,
     "`scheme` must be 'lecun_normal' (or left out) with gain='auto', got 'he_normal'"),
    ({"gain": -1.0}, ValueError, "`gain` must be a finite number of at least 0, got -1.0"),
    ({"residual": True, "width": [8, 9], "depth": None}, ValueError,
     "`widths` must be the same for all layers of a residual network, got (8, 9)"),
    ({"inputs": np.zeros((4, 7))}, ValueError, "`inputs` must be an array of shape (4, 8), got (4, 7)"),
    ({"inputs": X + np.nan}, ValueError,
     "`inputs` must be finite everywhere (32 of 32 elements are not, the first at (0, 0)), got nan"),
    ({"inputs": X.astype(complex)}, TypeError, "`inputs` must be an array of real numbers, got 'complex128'"),
    ({"cotangent": np.zeros((3, 8)), "batch": 4}, ValueError,
     "`cotangent` must be an array of shape (4, 8), got (3, 8)"),
    ({"cotangent": "gauss"}, ValueError, "`cotangent` must be one of 'random_sign', got 'gauss'"),
    ({"cotangent": X, "batch": 4, "loss": "mse"}, ValueError,
     "`cotangent` must be left out where there is a loss, got 'an array'"),
    ({"loss": lambda x: x[0], "batch": 4}, ValueError,
     "`loss` must be a function whose gradient has the shape of the outputs, (4, 8), got (8,)"),
    ({"sgd_steps": 1, "backward": False}, ValueError, "`backward` must be true where sgd_steps is not 0, got False"),
    ({"sgd_steps": 1, "lr": [0.1]}, ValueError, "`lr` must be a number, or one for each of the 2 layers, got [0.1]"),
    ({"jacobian": True, "backward": False}, ValueError,
     "`jacobian` must be false, or with backward, cotangent='random_sign', and neither loss nor sgd_steps, got True"),
    ({"jacobian": True, "sgd_steps": 1}, ValueError,
     "`jacobian` must be false, or with backward, cotangent='random_sign', and neither loss nor sgd_steps, got True"),
    ({"activation": (lambda x: x[:3] if len(x) < 8 else x, np.ones_like), "batch": 4}, ValueError,
     "`activation` must be a pair of functions that keep the shape (4, 8) of what they get, got (3, 8)"),
    ({"inputs": []}, ValueError, "`inputs` must be an array of one example or more, got (0,)"),
    ({"inputs": [[1], [2, 3]]}, ValueError, "`inputs` must be an array, got [[1], [2, 3]]"),
    ({"scheme": lambda shape, seed, name: np.zeros(3)}, ValueError,
     "`scheme` must be a callable whose array has shape (8, 8), got (3,)"),
    ({"method": "dens"}, ValueError,
     "`method` must be one of 'auto', 'dense', 'tiled', 'matrix_free', got 'dens' (nearest: 'dense')"),
    ({"method": "tiled", "scheme": "orthogonal"}, ValueError,
     "`method` must be 'dense' for weights that cannot be made tile by tile (orthogonal), got 'tiled'"),
    ({"method": "tiled", "scheme": "sparse"}, TypeError, None),
    ({"method": "matrix_free"}, ValueError,
     "`method` must be 'dense' or 'tiled' for a batch (256) that is not below every width (8), got 'matrix_free'"),
    ({"method": "matrix_free", "batch": 2, "scheme": "he_uniform"}, ValueError,
     "`method` must be 'dense' or 'tiled' for weights that are neither Gaussian of mean zero nor Haar (he_uniform), "
     "got 'matrix_free'"),
    ({"method": "matrix_free", "kind": "conv"}, ValueError,
     "`method` must be 'dense' or 'tiled' for kind 'conv', got 'matrix_free'"),
    ({"kind": "conv", "kernel_size": 5, "image_size": 3}, ValueError,
     "`kernel_size` must be at most image_size (3), got 5"),
    ({"repeats": 0}, ValueError, "`repeats` must be an integer of at least 1, got 0"),
    ({"threads": 0}, ValueError, "`threads` must be an integer of at least 1, got 0"),
    ({"dtype": "float16"}, ValueError, "`dtype` must be one of 'float32', 'float64', got 'float16'"),
    ({"seed": -1}, ValueError,
     "`seed` must be None, an integer in [0, 2**128), a list or array of integers >= 0 or a SeedSequence, got -1"),
]  # fmt: skip


@pytest.mark.parametrize("keywords, error, message", REFUSED, ids=lambda value: shown(value)[:40])
def test_refusals(keywords, error, message):
    with pytest.raises(error) as caught:
        fi.profile(**{"width": 8, "depth": 2} | keywords)
    assert message is None or re.sub(r" \(nearest.*", "", str(caught.value)) == re.sub(r" \(nearest.*", "", message)


def equal(one, other):
    """Whether all measured fields are, bit for bit."""
    return all(np.array_equal(one[name], other[name], equal_nan=True) for name in FIELDS)


def test_functions_may_change_what_they_get():
    given = {"width": 8, "depth": 3, "batch": 4, "norm": "layer", "norm_position": "post_act", "residual": True}
    in_place = (lambda x: np.maximum(x, 0, out=x)), (lambda x: np.greater(x, 0, out=x))
    assert equal(fi.profile(**given, activation=in_place), fi.profile(**given, activation="relu"))
    given["residual"] = False
    one, other = (fi.profile(**given, loss=loss) for loss in (lambda x: x - 1, lambda x: np.subtract(x, 1, out=x)))
    assert equal(one, other)


def test_functions_that_give_another_dtype():
    double = (lambda x: np.maximum(x, 0).astype("f8")), (lambda x: x > 0)
    assert equal(fi.profile(8, 3, double, batch=4), fi.profile(8, 3, "relu", batch=4))


def test_dtypes_and_kernels_that_have_names():
    for dtype in (np.dtype("float64"), np.float64, float):
        assert fi.profile(8, 1, batch=2, dtype=dtype).network.dtype == np.float64
    p = fi.profile(kind="conv", channels=4, depth=2, image_size=4, batch=2, activation="linear", scheme="dirac")
    assert (p["act_second_moment"][0] == p["act_second_moment"][0, 0]).all()


@pytest.mark.parametrize("activation", ["relu", "softsign", "relu2", "selu", ("leaky_relu", 0.2), ("elu", 0.5)])
def test_a_profile_can_be_pickled(activation):
    p = fi.profile(8, 2, activation, batch=4)
    other = pickle.loads(pickle.dumps(p))
    assert equal(p, other)
    assert (other.verdict.sentence, repr(other)) == (p.verdict.sentence, repr(p))


def test_memory_is_linear_in_the_batch():
    """A matrix of 4000 x 4000 cosines would take 128 MB."""
    tracemalloc.start()
    p = fi.profile(4, 1, inputs=np.random.default_rng(0).normal(size=(4000, 4)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e7
    assert abs(p["cosine"][0, 0]) < 1e-2 and p["theory_cosine"][0] == pytest.approx(p["cosine"][0, 0], abs=1e-6)


def test_one_bad_matrix_of_a_block_is_not_hidden():
    def scheme(shape, seed, name):
        return fi.he_normal(shape, seed=seed, name=name) * (np.nan if name.endswith("query") else 1)

    p = fi.profile(8, 1, kind="transformer", batch=2, sequence_length=3, scheme=scheme)
    assert np.isnan(p["weight_norm"][0, 1])


def test_norms_beyond_the_square_root_of_the_range_of_float32():
    """Squares of 1e-26 are no number of float32; gradients of positions are made whole, then squared."""
    given = {"kind": "conv", "channels": 4, "depth": 7, "image_size": 4, "batch": 2}
    given["scheme"] = ("small_normal", {"std": 1e-5})
    single, double = (fi.profile(**given, dtype=dtype) for dtype in ("float32", "float64"))
    assert 0 < double["weight_grad_norm"][0, 1] < 1e-24
    assert np.allclose(single["weight_grad_norm"], double["weight_grad_norm"], rtol=1e-4, atol=0, equal_nan=True)
    huge = fi.profile(8, 1, batch=2, scheme=("normal", {"std": 1e25}))
    assert huge["weight_norm"][0, 1] == pytest.approx(8e25, rel=0.5)


def test_unknown_names_are_listed_with_the_nearest():
    for keywords, nearest in (({"activation": "rleu"}, "relu"), ({"scheme": "he_norml"}, "he_normal")):
        with pytest.raises(ValueError, match=r"one of .*'selu'|one of .*'zeros'") as caught:
            fi.profile(8, 2, **keywords)
        assert f"(nearest: {nearest!r})" in str(caught.value)


def test_memory_is_asked_for_before_it_is_taken(monkeypatch):
    monkeypatch.setattr("fastinit.profiler.methods.available_memory", lambda: 2.0 * 2**30)
    with pytest.raises(ValueError) as caught:
        fi.profile(10**6, 2, batch=32, method="dense")
    assert str(caught.value).startswith(
        "`method` must be one that fits in 2 GiB of free memory ('matrix_free'), got 'dense', which takes"
    )
    with pytest.raises(ValueError, match="none does: a smaller width or batch is needed"):
        fi.profile(10**5, 2, method="dense", scheme=lambda shape, seed, name: np.zeros(shape))


def test_auto_takes_the_method_that_suits(monkeypatch):
    seen = []

    def measured(network, signals, method, *_):
        seen.append(method)
        return SimpleNamespace()

    monkeypatch.setattr(runs, "measured", measured)
    for keywords in ({}, {"width": 10**5, "batch": 4}, {"width": 10**4, "batch": 4, "scheme": "he_uniform"}):
        fi.profile(depth=1, **keywords)
    assert seen == ["dense", "matrix_free", "tiled"]


def test_batch_norm_of_few_rows_warns():
    with pytest.warns(UserWarning, match=r"over 3 rows has a gradient whose expectation is infinite") as caught:
        fi.profile(8, 1, norm="batch", batch=3)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=r"over 2 rows sends no gradient back"):
        p = fi.profile(8, 1, norm="batch", norm_eps=0, batch=2, dtype="float64")
    assert p["grad_act_second_moment"][0, 0] < 1e-28 * p["grad_act_second_moment"][0, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fi.profile(8, 1, norm="batch", batch=4)


def test_a_network_describes_itself():
    p = fi.profile(8, 2, "tanh", ("small_normal", {"std": 0.02}), gain=2.0, norm="rms", residual=True, batch=3)
    assert str(p.network) == "mlp 8, depth 2, tanh, small_normal(std=0.02) x 2, rms norm, residual, batch 3"


def test_sizes_are_those_of_the_inputs():
    assert fi.profile(depth=1, inputs=np.ones((4, 7))).network.widths == (7, 7)
    images = fi.profile(4, 1, kind="conv", inputs=np.ones((2, 5, 5, 4)))
    assert (images.network.image.size, images.network.batch) == (5, 2)
    assert fi.profile(8, 1, inputs=np.ones((3, 8)), batch=3).network.batch == 3


def test_descent_that_goes_astray_is_not_called_dead():
    p = fi.profile(64, 4, "relu", batch=8, sgd_steps=3, lr=1e3)
    assert p.verdict.kind in ("not finite", "exploding")
    usual = [fi.profile(width, 4, batch=8, sgd_steps=3)["act_second_moment"][0, 4] for width in (64, 256, 1024)]
    assert max(usual) / min(usual) < 2  # the usual rate suits every width
    assert p.description.endswith("after 3 steps of gradient descent")


def test_profiles_at_once_leave_blas_its_threads():
    from concurrent.futures import ThreadPoolExecutor

    before = blas_threads()
    alone = fi.profile(2 * TILE, 1, batch=2, method="tiled")
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: fi.profile(2 * TILE, 1, batch=2, method="tiled"), range(6)))
    assert blas_threads() == before
    assert all(p["act_mean"][0, 1] == alone["act_mean"][0, 1] for p in found)


def blas_threads():
    from threadpoolctl import threadpool_info

    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]


def held(*waiting):
    """The threads of BLAS within a profile, and after it, in a thread of its own that waits for events in between."""
    seen = []

    def loss(outputs):
        seen.append(blas_threads())
        for event in waiting:
            event.wait(60)
        return outputs

    def run():
        fi.profile(8, 1, batch=4, loss=loss)
        seen.append(blas_threads())

    thread = Thread(target=run)
    thread.start()
    while not seen:
        time.sleep(0.001)
    return thread, seen


def test_every_thread_holds_blas_to_one_of_its_own_and_the_last_puts_it_back():
    """Also after another thread did, and where it was not the last."""
    before, (first, second) = blas_threads(), (Event(), Event())
    fi.profile(8, 1, batch=4)
    assert blas_threads() == before
    one, of_one = held(first)
    other, of_other = held(second)
    assert of_one == of_other == [[1] * len(before)]
    first.set()
    one.join()
    assert of_one[1] == [1] * len(before)
    second.set()
    other.join()
    assert blas_threads() == of_other[1] == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_leaves_blas_its_threads_in_the_child():
    before, let_go = blas_threads(), Event()
    thread, _ = held(let_go)
    child = os.fork()
    if not child:
        os._exit(blas_threads() != before)
    let_go.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("more", [
    {"width": 600, "batch": 40},
    {"width": 40, "batch": 600, "norm": "batch"},
    {"width": 300, "batch": 300, "sgd_steps": 1},
    {"kind": "conv", "channels": 3, "image_size": 20, "batch": 2},
    {"kind": "transformer", "width": 300, "sequence_length": 10, "batch": 2},
], ids=str)  # fmt: skip
def test_threads_change_no_bit(more):
    assert fi.profile(depth=2, threads=1, **more) == fi.profile(depth=2, threads=3, **more)


def test_pieces_are_shared_out():
    met, done = Barrier(2), []

    def fail(piece):
        done.append(piece)
        if piece % 2:
            met.wait(60)  # with the other thread
            raise ZeroDivisionError

    with threads_limited(2), sharing():
        assert in_parallel(lambda _: met.wait(60), range(2)) in ([0, 1], [1, 0])
        assert in_parallel(lambda piece: piece**2, range(100)) == [piece**2 for piece in range(100)]
        assert set(in_parallel(lambda _: threads_for(None), range(9))) == {1}
        with pytest.raises(ZeroDivisionError):
            in_parallel(fail, [1, 3, *range(2, 9)])
    assert sorted(done) == [1, 3]
    assert in_parallel(threads_for, [None] * 2) == [threads_for(None)] * 2


def test_a_thread_that_gets_no_core_keeps_no_arrays():
    """As where others use the machine: what it was asked for is done by then, piece by piece, without it."""
    let_go = Event()
    with threads_limited(2), sharing(), closing(SimpleNamespace(close=let_go.set)):
        parallel._pool.get().submit(let_go.wait, 60)
        for _ in range(3):
            array = np.ones(8)
            gone, work = weakref.ref(array), partial(np.multiply, array)
            products = in_parallel(work, range(4))
            assert all(np.array_equal(one, piece * array) for piece, one in enumerate(products))
            last = weakref.ref(products[-1])
            del array, work, products
            assert gone() is None and last() is None


@pytest.mark.parametrize("end", [0, 3])
def test_drawings_at_once(monkeypatch, end):
    """They are those of one after the other; of interrupted ones those before the first that is not there."""
    monkeypatch.setattr(methods, "_LARGE", 1)
    size = {"width": 64, "depth": 2, "batch": 8, "method": "matrix_free", "repeats": 9}
    assert fi.profile(**size, threads=2) == fi.profile(**size, threads=1)
    real = runs.propagate_by_columns

    def stop(network, signals, seed, *more):
        if seed == end:
            raise KeyboardInterrupt
        return real(network, signals, seed, *more)

    monkeypatch.setattr(runs, "propagate_by_columns", stop)
    with pytest.raises(fi.ProfileInterrupted) as caught:
        fi.profile(**size, threads=2)
    assert (caught.value.profile and caught.value.profile.repeats) == (end or None)


def test_theory_is_computed_when_it_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(runs, "predicted", lambda *given: asked.append(given) or {"act_mean": np.arange(3.0)})
    p = fi.profile(8, 2, batch=4)
    assert p["act_mean"].shape == (1, 3)
    assert not asked
    assert np.array_equal(p["theory_act_mean"], np.arange(3.0))
    assert pickle.loads(pickle.dumps(p)) == p
    assert "theory_act_mean" in fi.profile(8, 2, batch=4)
    assert len(asked) == 2
    again = pickle.loads(pickle.dumps(fi.profile(8, 2, batch=4)))
    assert np.array_equal(again["theory_act_mean"], np.arange(3.0))
