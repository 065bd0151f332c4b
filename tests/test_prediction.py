"""What theory predicts of a network: closed forms by hand, and what is measured, within its standard errors."""

import math

import numpy as np
import pytest

import fastinit as fi
from fastinit import theory
from fastinit.profiler.description.keywords import network_from
from fastinit.profiler.description.signals import Signals
from fastinit.profiler.prediction import predicted

USUAL = {
    "kind": "mlp", "width": 64, "depth": 6, "widths": None, "channels": None, "activation": "relu", "scheme": None,
    "gain": None, "norm": None, "norm_position": "pre_act", "norm_eps": 0.0, "residual": False, "branch_scale": 1.0,
    "bias_std": 0.0, "kernel_size": 3, "image_size": 6, "padding": "zero", "batch": 8, "dtype": "float32",
}  # fmt: skip


def of(signals=None, **keywords):
    return predicted(network_from(**USUAL | keywords), signals)


def ratios(values):
    return values[:-1] / values[1:]


def test_he_relu_keeps_all_second_moments():
    found = of(depth=10)
    assert found["act_second_moment"] == pytest.approx(np.ones(11))
    assert found["preact_second_moment"][1:] == pytest.approx(np.full(10, 2))
    assert found["act_mean"][1:] == pytest.approx(np.full(10, 1 / math.sqrt(math.pi)))
    assert found["act_variance"][1:] == pytest.approx(np.full(10, 1 - 1 / math.pi))
    assert found["grad_act_second_moment"] == pytest.approx(np.ones(11))
    assert found["grad_preact_second_moment"][1:] == pytest.approx(np.full(10, 0.5))
    assert found["weight_norm"][1:] == pytest.approx(np.full(10, math.sqrt(128)))
    arc_cosine = [0.318309886, 0.493731090, 0.604825720, 0.680953533, 0.735946351]
    assert found["cosine"][[1, 2, 3, 4, 5, 10]] == pytest.approx([*arc_cosine, 0.871535516], abs=6e-10)
    assert math.isnan(found["weight_norm"][0]) and math.isnan(found["preact_mean"][0])
    assert not {"preact_kurtosis", "distinct_units", "weight_grad_norm"} & set(found)


def test_gelu_with_relus_gain_vanishes():
    found = of(depth=50, activation="gelu")["act_second_moment"]
    assert found[[1, 5, 10, 20, 30, 50]] == pytest.approx(
        [9.2208e-1, 6.0962e-1, 2.4722e-1, 1.3607e-3, 1.3426e-6, 1.2804e-12], rel=6e-5
    )


def test_widths_that_differ():
    """He by fan in keeps the signal, and the gradient has n_out / n_in; Glorot has n_in / (n_in + n_out) forward."""
    widths = [30, 60, 20, 40]
    found = of(widths=widths)
    assert found["act_second_moment"] == pytest.approx(np.ones(4))
    assert ratios(found["grad_act_second_moment"]) == pytest.approx([2, 1 / 3, 2])
    found = of(widths=widths, scheme="glorot_normal")
    assert found["act_second_moment"] == pytest.approx(np.cumprod([1, 1 / 3, 3 / 4, 1 / 3]))
    assert ratios(found["grad_act_second_moment"]) == pytest.approx([2 / 3, 1 / 4, 2 / 3])


def test_torch_default_layers():
    """Weights and biases of variance 1 / (3n): E h^2 tends to 2 / (5n), and gradients have a rate of one sixth."""
    n = 64
    scheme = ("variance_scaling", {"scale": 1 / 3, "distribution": "uniform"})
    found = of(width=n, depth=30, scheme=scheme, bias_std=1 / math.sqrt(3 * n))
    assert found["preact_second_moment"][30] == pytest.approx(2 / (5 * n))
    assert ratios(found["grad_act_second_moment"]) == pytest.approx(np.full(30, 1 / 6))


@pytest.mark.parametrize(("name", "batch", "rate"), [("linear", 8, 1.2), ("relu", 8, 1.788190), ("relu", 32, 1.521953)])
def test_batch_normalisation(name, batch, rate):
    """Interior layers, the last one (its cotangent is not centred), and the first (inputs of variance one)."""
    found = of(activation=name, norm="batch", batch=batch, depth=8)
    rates = ratios(found["grad_act_second_moment"])
    units = theory.batch_norm(name, batch)
    assert rates[1:-1] == pytest.approx(np.full(6, rate), abs=6e-7)
    assert rates[-1] == pytest.approx(units.top_rate)
    assert rates[0] == pytest.approx(rate * units.variance, abs=6e-7)
    assert found["act_second_moment"][1:] == pytest.approx(np.full(8, units.second_moment))
    if (name, batch) == ("relu", 8):
        assert (rates[-1], rates[0]) == (pytest.approx(1.600, abs=1e-3), pytest.approx(0.670, abs=1e-3))


def test_layer_and_rms_normalisation():
    for norm, position, rate in (("layer", "post_act", 1.466942207), ("rms", "post_act", 1), ("layer", "pre_act", 1)):
        rates = ratios(of(norm=norm, norm_position=position)["grad_act_second_moment"])
        assert rates[1:-1] == pytest.approx(np.full(4, rate), abs=6e-10)
    tanh = ratios(of(activation="tanh", scheme="lecun_normal", norm="layer")["grad_act_second_moment"])
    assert tanh[1:-1] == pytest.approx(np.full(4, 1.177807232), abs=6e-10)


def test_residual_blocks():
    """Without a norm 2^l; with one l + 1, and a gradient of depth + 1: its rate at layer l is 1 + 1 / l."""
    assert of(residual=True)["act_second_moment"] == pytest.approx(2.0 ** np.arange(7))
    found = of(residual=True, norm="rms")
    assert found["act_second_moment"] == pytest.approx(np.arange(1, 8))
    assert found["grad_act_second_moment"][0] == pytest.approx(7)
    assert found["preact_second_moment"][1:] == pytest.approx(np.ones(6))
    quarter = of(residual=True, norm="rms", branch_scale=0.5)
    assert quarter["act_second_moment"] == pytest.approx(1 + np.arange(7) / 4)


def test_convolutions():
    """Circular padding is like no convolution; with zeros the edge sees two thirds, a corner four ninths."""
    for found in (of(kind="conv", padding="circular"), of(kind="conv", kernel_size=1)):
        for name, values in of().items():
            if name != "weight_norm":
                assert found[name] == pytest.approx(values, nan_ok=True)
    found = of(kind="conv", depth=1)
    part = (4 + 2 * 2 / 3) / 6
    assert found["act_second_moment"][1] == pytest.approx(part**2)
    assert found["grad_act_second_moment"][0] == pytest.approx(part**2)
    assert found["weight_norm"][1] == pytest.approx(math.sqrt(9 * 64 * 64 * 2 / (9 * 64)))


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_dead_units_of_the_first_layer(batch):
    """2^-batch for independent inputs, 1 / (batch + 1) for pairwise cosines of one half: both are exact."""
    assert of(batch=batch)["dead_fraction"][1] == pytest.approx(2.0**-batch, rel=1e-9)
    inputs = np.zeros((batch, 64), np.float32)
    inputs[:, 0] = 1
    inputs[np.arange(batch), 1 + np.arange(batch)] = 1
    if batch > 1:
        assert of(Signals(inputs=inputs), batch=batch)["dead_fraction"][1] == pytest.approx(1 / (batch + 1), rel=1e-7)
        inputs[0, 0] = 3
        assert "dead_fraction" not in of(Signals(inputs=inputs), batch=batch)
    assert (of(activation="linear", batch=batch)["dead_fraction"][1:] == 0).all()
    assert "dead_fraction" not in of(activation="tanh", batch=batch)


def test_inputs_of_the_user():
    """Each input has its own second moment: q and 4q here, and the mean of tanh's."""
    inputs = np.random.default_rng(0).standard_normal((8, 64))
    inputs[4:] *= 2
    second = (inputs**2).mean(axis=1)
    found = of(Signals(inputs=inputs.astype(np.float32)), activation="tanh", scheme="lecun_normal")
    assert found["act_second_moment"][0] == pytest.approx(second.mean())
    mean_of_each = theory.activation_moments("tanh", second).second_moment.mean()
    assert found["act_second_moment"][1] == pytest.approx(mean_of_each, rel=1e-6)
    unit = inputs / np.sqrt((inputs**2).sum(axis=1, keepdims=True))
    cosine = ((unit @ unit.T).sum() - 8) / 56
    assert found["cosine"][0] == pytest.approx(cosine, rel=1e-5)
    images = np.random.default_rng(1).standard_normal((8, 6, 6, 3)).astype(np.float32)
    images[:, 0] *= 3  # a row of the image, which the first layer's border halves
    found = of(Signals(inputs=images), kind="conv", channels=[3, 64])
    rows = (images**2).mean(axis=(0, 3))
    padded = np.pad(rows, 1)
    seen = sum(padded[i : i + 6, j : j + 6] for i in range(3) for j in range(3))
    assert found["act_second_moment"][1] == pytest.approx(seen.mean() / 9, rel=1e-5)


def test_no_answer():
    nothing = of(scheme=lambda shape, seed, name: np.ones(shape))
    assert set(nothing) == {"act_second_moment", "act_mean", "act_variance", "cosine", "grad_act_second_moment"}
    assert all(math.isnan(values[1]) for name, values in nothing.items() if name != "grad_act_second_moment")
    inputs = np.ones((8, 64), np.float32)
    assert np.isnan(of(Signals(inputs=inputs), residual=True)["act_second_moment"][1:]).all()
    for signals in (Signals(cotangent=inputs), Signals(loss="mse"), Signals(backward=False)):
        assert not {name for name in of(signals) if name.startswith("grad")}
    zeros = of(scheme="zeros", activation="sigmoid")
    assert (zeros["act_second_moment"][1:] == 0.25).all() and (zeros["cosine"][1:] == 1).all()
    assert (zeros["grad_act_second_moment"][:-1] == 0).all()


MEASURED = [
    {}, {"activation": "tanh", "scheme": "lecun_normal"}, {"activation": "gelu", "gain": "auto", "bias_std": 0.3},
    {"widths": [150, 300, 100, 200], "activation": "selu", "scheme": "glorot_uniform", "bias_std": 0.2},
    {"activation": "sigmoid", "scheme": "normal"}, {"activation": "tanh", "scheme": "orthogonal"},
    {"norm": "batch"}, {"norm": "batch", "activation": "gelu", "batch": 8, "bias_std": 1.0},
    {"norm": "layer"}, {"norm": "rms", "norm_position": "post_act", "norm_eps": 0.3, "activation": "silu"},
    {"norm": "batch", "norm_position": "post_act", "batch": 150}, {"residual": True, "norm": "layer", "bias_std": 0.3},
    {"residual": True, "norm": "batch"}, {"residual": True, "norm": "rms", "norm_position": "post_act"},
    {"kind": "conv", "activation": "tanh", "kernel_size": 4}, {"kind": "conv", "norm": "layer", "residual": True},
    {"kind": "conv", "norm": "batch", "batch": 40}, {"kind": "conv", "norm": "batch", "padding": "circular"},
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("keywords", MEASURED, ids=str)
def test_measured_profiles_agree(keywords):
    """12 networks: within five standard errors, and 3 / width for each layer, or 2 / batch where theory says so.

    Means and cosines are compared by their distance to theory over the root of the second moment, and over one.
    """
    shape = {"channels": 48, "image_size": 6} if keywords.get("kind") == "conv" else {"width": 200, "depth": 4}
    if "widths" in keywords:
        shape = {"depth": None}
    p = fi.profile(**{"batch": 16, "depth": 4, "repeats": 12, "seed": 1, "progress": False} | shape | keywords)
    n, limit = min(p.network.widths), p.network.norm == "batch" and (
        p.network.image is not None or p.network.norm_position == "post_act")  # fmt: skip
    found = predicted(p.network)
    assert {"act_second_moment", "cosine", "grad_act_second_moment", "grad_preact_second_moment"} <= set(found)
    for name, values in found.items():
        size = np.sqrt(found["act_second_moment"]) if "mean" in name else np.maximum(np.abs(values), name == "cosine")
        error = np.abs(p.mean(name) - values)
        layers = np.arange(len(values))
        passed = len(values) - 1 - layers if name.startswith("grad") else layers
        within = 5 * p.standard_error(name) + size * (1 + passed) * (3 / n + 2 * limit / p.network.batch)
        if name == "dead_fraction":
            within += 0.01
        assert (np.isnan(values) | (error <= within)).all(), (name, error / size, within / size)


def test_cosines_stay_cosines_where_inputs_differ_in_size():
    """A zero input has an inverse deviation of 1/sqrt(eps), which is none of the others'."""
    x = np.random.default_rng(0).normal(size=(16, 64))
    x[0] = 0
    given = {"activation": "gelu", "norm": "layer", "norm_position": "post_act", "norm_eps": 1e-5, "batch": 16}
    assert (np.abs(of(Signals(inputs=x), **given)["cosine"]) <= 1).all()


@pytest.mark.parametrize("activation", ["relu", "tanh", (lambda x: np.clip(x, -1, 1), lambda x: (abs(x) < 1) * 1.0)])
@pytest.mark.parametrize("more", [{}, {"norm_position": "post_act"}, {"residual": True}, {"bias_std": 0.1}], ids=str)
def test_equal_inputs_under_batch_normalisation(activation, more):
    """Their variance over the batch is zero, and a rounding of it, of either sign, is none."""
    for seed in range(4):
        x = np.repeat(np.random.default_rng(seed).normal(size=(1, 64)), 8, 0)
        p = fi.profile(64, 4, activation, norm="batch", inputs=x, progress=False, **more)
        assert not p.healthy
        if not more.get("residual"):  # of which, with inputs of the user's, there is no theory
            assert (p["theory_act_second_moment"][1:] == 0).all()


@pytest.mark.parametrize("residual", [False, True])
def test_batch_normalisation_after_a_linear_activation_is_that_before_it(residual):
    before, after = (
        fi.profile(2048, 12, "linear", "lecun_normal", norm="batch", norm_position=position, residual=residual, batch=8,
                   method="matrix_free", repeats=4)
        for position in ("pre_act", "post_act")
    )  # fmt: skip
    for name in ("theory_act_second_moment", "theory_grad_act_second_moment", "theory_cosine"):
        np.testing.assert_allclose(before[name], after[name], rtol=1e-12)
    rate = after["theory_grad_act_second_moment"][1] / after["theory_grad_act_second_moment"][2]
    assert residual or rate == pytest.approx(6 / 5, rel=1e-4)  # (B - 2) / (B - 3), but for eps
    for name in ("preact_second_moment", "grad_preact_second_moment", "act_second_moment", "grad_act_second_moment"):
        measured, expected = after.mean(name)[1:], after[f"theory_{name}"][1:]
        assert np.abs(measured / expected - 1).max() < 0.15, name
