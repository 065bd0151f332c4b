"""What theory expects of the modules of a model: each rule by hand, and where it begins anew from what is measured."""

import numpy as np
import pytest
import torch
from torch import nn

import fastinit as fi
import fastinit.torch as ft
from fastinit.torch.seen.centred import is_centred

Q = 1.7


def expected(model, *inputs, **keywords):
    """By module."""
    p = ft.profile(model, *inputs, examples=0, **keywords)
    return dict(zip(p.network.names, p["theory_act_second_moment"].tolist(), strict=True))


def square(tensor):
    return float(tensor.detach().double().square().mean())


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inputs(*shape):
    """Of second moment Q."""
    x = drawn(*shape)
    return x * (Q / square(x)) ** 0.5


def with_numbers(module):
    """The same module with parameters and statistics that are no ones and zeros."""
    for number, (name, tensor) in enumerate([*module.named_parameters(), *module.named_buffers()]):
        if tensor.is_floating_point():
            values = drawn(*tensor.shape, seed=number + 1)
            tensor.data.copy_(values.abs() + 0.5 if name == "running_var" else values)
    return module.double()


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (nn.ReLU(), "relu"),
        (nn.ReLU(inplace=True), "relu"),
        (nn.LeakyReLU(0.3), ("leaky_relu", 0.3)),
        (nn.ELU(0.5), ("elu", 0.5)),
        (nn.SELU(), "selu"),
        (nn.GELU(), "gelu"),
        (nn.GELU("tanh"), "gelu_tanh"),
        (nn.SiLU(), "silu"),
        (nn.Mish(), "mish"),
        (nn.Tanh(), "tanh"),
        (nn.Sigmoid(), "sigmoid"),
        (nn.Softplus(), "softplus"),
        (nn.Softsign(), "softsign"),
        (nn.Identity(), "linear"),
    ],
    ids=str,
)
def test_activations_are_those_of_the_theory(activation, name):
    found = expected(nn.Sequential(activation), inputs(8, 64), backward=False)
    assert found["0"] == pytest.approx(fi.theory.second_moment_map(name, Q), rel=1e-9)
    x = inputs(400, 500)
    assert square(activation(x.clone())) == pytest.approx(found["0"], rel=0.02)  # of 2e5 values, 8 deviations at least


def test_layers_add_their_weights_and_biases():
    layer = with_numbers(nn.Linear(64, 32))
    q = 64 * square(layer.weight) * Q + square(layer.bias)
    assert expected(nn.Sequential(layer), inputs(8, 64))["0"] == pytest.approx(q)
    embedding = with_numbers(nn.Embedding(16, 8))
    assert expected(nn.Sequential(embedding), torch.arange(16)[None])["0"] == pytest.approx(square(embedding.weight))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize(
    "keywords",
    [
        {"kernel_size": 3},
        {"kernel_size": 3, "padding": 1, "stride": 2},
        {"kernel_size": (3, 5), "padding": (2, 1), "dilation": (1, 2), "groups": 2, "bias": False},
        {"kernel_size": (2, 4), "padding": "same"},
        {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
    ],
    ids=str,
)
def test_taps_beside_the_input_count_for_nothing(keywords):
    layer = with_numbers(nn.Conv2d(4, 6, **keywords))
    found = expected(nn.Sequential(layer), inputs(8, 4, 7, 9))["0"]
    ones = nn.Conv2d(4, 6, **keywords | {"bias": False}).double()
    nn.init.ones_(ones.weight)
    taps = float(ones(torch.ones(1, 4, 7, 9, dtype=torch.float64)).detach().mean())
    bias = 0 if layer.bias is None else square(layer.bias)
    assert found == pytest.approx(taps * square(layer.weight) * Q + bias)


@pytest.mark.parametrize(
    "norm", [nn.LayerNorm(64), nn.RMSNorm(64), nn.GroupNorm(4, 64), nn.BatchNorm1d(64), nn.LayerNorm(64, bias=False)]
)
def test_norms_have_their_factors_and_shifts(norm):
    with_numbers(norm)
    eps = norm.eps or np.finfo(np.float32).eps
    shift = 0 if getattr(norm, "bias", None) is None else square(norm.bias)
    found = expected(nn.Sequential(norm), inputs(8, 64))["0"]
    assert found == pytest.approx(square(norm.weight) * Q / (Q + eps) + shift)
    assert expected(nn.Sequential(nn.LayerNorm(64, elementwise_affine=False)), inputs(8, 64))["0"] == pytest.approx(
        Q / (Q + 1e-5)
    )


def test_running_statistics_are_a_map():
    norm = with_numbers(nn.BatchNorm2d(8)).eval()
    x = inputs(2000, 8, 2, 2)
    assert expected(nn.Sequential(norm), x, backward=False)["0"] == pytest.approx(square(norm(x)), rel=0.02)


def test_dropout_makes_up_for_what_it_drops():
    model = nn.Sequential(nn.Dropout(0.2))
    assert expected(model, inputs(8, 64))["0"] == pytest.approx(Q / 0.8)
    assert expected(model.eval(), inputs(8, 64))["0"] == pytest.approx(Q)


class Own(nn.Module):
    """Layers, and what is done between them."""

    def __init__(self, between=lambda h: h, second=None):
        super().__init__()
        self.first, self.between, self.second = (
            nn.Linear(64, 64).double(),
            between,
            second or nn.Linear(64, 64).double(),
        )

    def forward(self, x):
        return self.second(self.between(self.first(x)))


@pytest.mark.parametrize(
    ("between", "follows"),
    [
        (lambda h: h, True),
        (lambda h: h.reshape(4, 2, 64).flatten(0, 1), True),
        (lambda h: h.mT.mT, True),
        (lambda h: 2 * h, False),
        (lambda h: h.mul_(2), False),
        (lambda h: h.view(8, 64).mul_(2).view(8, 64), False),
        (lambda h: h[:4], False),
    ],
)
@pytest.mark.parametrize("backward", [True, False])
def test_theory_follows_tensors_that_are_the_same(between, follows, backward):
    """And begins anew from what is measured of those that are not."""
    model, x = Own(between), inputs(8, 64)
    found = expected(model, x, backward=backward)
    first = 64 * square(model.first.weight) * Q + square(model.first.bias)
    given = first if follows else square(between(model.first(x)))
    assert found["first"] == pytest.approx(first)
    assert found["second"] == pytest.approx(64 * square(model.second.weight) * given + square(model.second.bias))


class Twice(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def replaced():
    layer = nn.Linear(64, 64).double()
    layer.forward = lambda x: 2 * x
    return layer


def hooked():
    layer = nn.Linear(64, 64).double()
    layer.register_forward_hook(lambda module, args, output: 2 * output)
    return layer


@pytest.mark.parametrize("second", [Twice(64, 64).double(), replaced(), hooked(), nn.Hardtanh(), nn.Softplus(2.0)])
def test_what_has_no_rule_has_no_theory(second):
    assert np.isnan(expected(Own(second=second), inputs(8, 64))["second"])


def weighted(weight):
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False).double()
    layer.weight = nn.Parameter(weight.double())
    return layer


DEPENDENT = {
    "ones": torch.ones(64, 64),
    "constant": torch.full((64, 64), -0.1),
    "positive": drawn(64, 64).abs(),
    "shifted": drawn(64, 64) + 0.2,
    "equal rows": drawn(64).expand(64, 64),
    "equal columns": drawn(64)[:, None].expand(64, 64),
    "constant rows of both signs": (torch.arange(64) % 2 * 2.0 - 1)[:, None].expand(64, 64),
    "identity": torch.eye(64),
}


@pytest.mark.parametrize("weight", DEPENDENT.values(), ids=DEPENDENT)
def test_of_weights_that_are_not_independent_with_mean_zero_nothing_is_expected(weight):
    """And of nothing that comes of them, up to what no rule is known of."""
    tail = [nn.ReLU(), weighted(drawn(64, 64)), nn.LayerNorm(64).double(), nn.Tanh()]
    found = expected(nn.Sequential(weighted(drawn(64, 64)), weighted(weight), *tail), inputs(8, 64))
    assert found["0"] == pytest.approx(64 * square(drawn(64, 64)) * Q)
    assert np.isnan([found[str(place)] for place in range(1, 6)]).all()
    follows = expected(nn.Sequential(weighted(weight), nn.Hardtanh(), weighted(drawn(64, 64))), inputs(8, 64))
    assert follows["2"] > 0


ORDINARY = {
    "normal": fi.normal,
    "uniform": lambda shape, seed: fi.uniform(shape, -1, 1, seed=seed),
    "truncated": fi.truncated_normal,
    "orthogonal": fi.orthogonal,
    "sparse": lambda shape, seed: fi.sparse(shape, sparsity=0.9, seed=seed),
    "zeros": lambda shape, seed: fi.zeros(shape),
}


@pytest.mark.parametrize("law", ORDINARY.values(), ids=ORDINARY)
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 60), (3, 5), (64, 16), (16, 64), (64, 64)], ids=str)
def test_ordinary_laws_are_taken_for_what_they_are(law, shape):
    """Of 8400 matrices one is not in 2000 runs: the chance is 3 exp(-18) each at most."""
    assert all(is_centred(torch.from_numpy(law(shape, seed=seed))) for seed in range(200))


def test_what_is_not_normal_with_mean_zero_has_no_rule_of_activations():
    """Layers behind it begin from what is measured: weights of mean zero ask for nothing of what they multiply."""

    def layer(bias):
        one = with_numbers(nn.Linear(64, 64))
        nn.init.constant_(one.bias, bias)
        return one

    first, last = layer(1.0), layer(0.0)
    x = inputs(8, 64)
    found = expected(nn.Sequential(first, nn.ReLU(), last), x)
    assert found["0"] == pytest.approx(64 * square(first.weight) * Q + 1)
    assert np.isnan(found["1"])
    assert found["2"] == pytest.approx(64 * square(last.weight) * square(first(x).relu()))
    for between in (nn.ReLU(), nn.Dropout(0.5), nn.Sequential(nn.Tanh(), nn.Identity())):
        found = expected(nn.Sequential(last, between, nn.ReLU()), x)
        assert np.isnan(found["2"]) and not np.isnan(found["0"])
    normed = [nn.LayerNorm(64).double(), nn.BatchNorm1d(64).double()]
    for norm, shifts in ((normed[0], True), (normed[1], False)):
        nn.init.constant_(norm.bias, float(shifts))
        assert np.isnan(expected(nn.Sequential(norm, nn.ReLU()), x)["1"]) == shifts


def test_calls_of_one_module_are_taken_together():
    layer = nn.Linear(64, 64, bias=False).double()
    found, factor = expected(nn.Sequential(layer, layer), inputs(8, 64)), 64 * square(layer.weight)
    assert found["0"] == pytest.approx((factor + factor**2) / 2 * Q)


def test_wide_models_are_as_expected():
    """Of 1024 units second moments fluctuate by a few per cent."""
    layers = [
        nn.Linear(1024, 1024),
        nn.GELU(),
        nn.LayerNorm(1024),
        nn.Linear(1024, 1024),
        nn.Tanh(),
        nn.Linear(1024, 8),
    ]
    model = nn.Sequential(*layers)
    ft.initialize_(model, [("*.bias", "zeros"), ("2.weight", "ones"), ("*", "he_normal")], seed=0)
    p = ft.profile(model, drawn(32, 1024).float(), examples=0)
    np.testing.assert_allclose(p["act_second_moment"][0, :-1], p["theory_act_second_moment"][:-1], rtol=0.05)


def test_tables_show_it_and_records_keep_it():
    x = inputs(8, 64)
    p = ft.profile(nn.Sequential(Own(), nn.Hardtanh(), nn.Linear(64, 64).double()), x)
    assert ft.ModelProfile.from_json(p.to_json()) == p
    np.testing.assert_array_equal(p.only([0, 2])["theory_act_second_moment"], p["theory_act_second_moment"][[0, 2]])
    pytest.importorskip("rich")
    header, _, *lines = str(p.table()).splitlines()
    assert header.split()[:5] == ["layer", "E", "x²", "theory", "off"]
    assert lines[0].split()[:4] == ["input", "1.7", "1.7", "+0%"]
    share = p["act_second_moment"][0, 1] / p["theory_act_second_moment"][1] - 1
    assert f"{round(100 * share):+}%" in lines[1]


def test_layers_of_transformers_have_rules():
    """Which are known by where they stand: these have the weight (inputs, outputs) and the GELU of those there."""

    class Conv1D(nn.Module):
        __module__ = "transformers.pytorch_utils"

        def __init__(self):
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.randn(64, 32) * 0.02), nn.Parameter(torch.randn(32))

        def forward(self, x):
            return x @ self.weight + self.bias

    class NewGELUActivation(nn.Module):
        __module__ = "transformers.activations"

        def forward(self, x):
            return nn.functional.gelu(x, approximate="tanh")

    layer = Conv1D().double()
    found = expected(nn.Sequential(layer, NewGELUActivation()), inputs(8, 64))
    assert found["0"] == pytest.approx(64 * square(layer.weight) * Q + square(layer.bias))
    assert found["1"] == pytest.approx(fi.theory.second_moment_map("gelu_tanh", found["0"]))
