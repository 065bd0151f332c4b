"""The tangent kernel of a profile: against explicit Jacobians, against itself by other ways, and its spectrum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastinit as fi
from fastinit.profiler.description.signals import random_signs
from fastinit.profiler.statistics import distinct_rows
from fastinit.profiler.steps import layers
from fastinit.profiler.tangent_kernel import spectra, spectrum_of

Array = np.ndarray[Any, Any]


class Parameters:
    """A network as a function of all its parameters: weights that a scheme gives, and biases in place of the drawn."""

    def __init__(self, patch: pytest.MonkeyPatch, **network: Any) -> None:
        self.values: dict[str, Array] = {}
        self._network, self._outputs = network, np.empty(0)
        patch.setattr(layers, "bias", self._bias)

    def _bias(self, std: float, width: int, seed: int, name: str, dtype: Any) -> Array:
        return self.values.setdefault(f"{name}.bias", std * fi.normal(width, seed=seed, name=name, dtype=dtype)).copy()

    def _weight(self, shape: tuple[int, ...], seed: int, name: str) -> Array:
        drawn = self.values.setdefault(name, fi.lecun_normal(shape, gain=1.3, seed=seed, name=name, dtype="float64"))
        return drawn.copy()

    def outputs(self) -> Array:
        """(batch, outputs of an example)."""

        def keep(outputs: Array) -> Array:
            self._outputs = outputs.reshape(len(outputs), -1).copy()
            return outputs

        fi.profile(**self._network, scheme=self._weight, bias_std=0.1, loss=keep, dtype="float64", progress=False)
        return self._outputs

    def profile(self, **more: Any) -> fi.Profile:
        """The network's own."""
        return fi.profile(**self._network, scheme=self._weight, bias_std=0.1, dtype="float64", progress=False, **more)

    def slopes(self, values: Array, of: Callable[[Array], Any]) -> Array:
        """Of what is made of the outputs by each of these parameters, by central differences, one below the other."""
        flat, step, found = values.reshape(-1), 1e-5, []
        for place, was in enumerate(flat.tolist()):
            flat[place] = was + step
            above = of(self.outputs())
            flat[place] = was - step
            found.append((above - of(self.outputs())) / (2 * step))
            flat[place] = was
        return np.array(found)

    def descend(self, rate: float) -> None:
        """A step on half the sum of the outputs' squares."""
        slopes = [self.slopes(values, lambda outputs: np.sum(outputs**2) / 2) for values in self.values.values()]
        for values, along in zip(self.values.values(), slopes, strict=True):
            values -= rate * along.reshape(values.shape)

    def kernels(self) -> dict[str, Array]:
        """Each layer's part, by central differences of every parameter, and that of a readout."""
        outputs = self.outputs()
        count = outputs.shape[1]
        functional = random_signs((count,), 0, "cotangent", "float64") / np.sqrt(count)
        parts = {"readout": outputs @ outputs.T + 1}
        for name, values in self.values.items():
            slopes = self.slopes(values, lambda outputs: outputs @ functional)
            layer = name.split(".")[1]
            parts[layer] = parts.get(layer, 0) + slopes.T @ slopes
        return parts


@pytest.mark.parametrize("network", [
    {"width": 4, "depth": 3, "activation": "tanh"},
    {"widths": [5, 2, 7, 3], "activation": "gelu"},
    {"widths": [2, 4, 3], "activation": "sin", "batch": 7},
    {"width": 4, "depth": 2, "activation": "tanh", "norm": "layer"},
    {"width": 4, "depth": 2, "activation": "tanh", "norm": "rms", "norm_position": "post_act"},
    {"width": 4, "depth": 2, "activation": "gelu", "residual": True, "branch_scale": 0.5},
    {"width": 4, "depth": 2, "activation": "gelu", "residual": True, "norm": "layer"},
    {"width": 4, "depth": 2, "activation": "tanh", "norm": "batch", "batch": 5},
    {"widths": [16, 17, 16], "activation": "tanh", "norm": "batch", "batch": 4},
    {"width": 3, "depth": 2, "activation": "tanh", "norm": "batch", "norm_position": "post_act", "batch": 5},
    {"kind": "conv", "channels": 2, "depth": 2, "image_size": 3, "activation": "tanh"},
    {"kind": "conv", "channels": [2, 8, 8], "kernel_size": 2, "image_size": 2, "activation": "tanh",
     "batch": 2},
    {"kind": "conv", "channels": 2, "depth": 2, "image_size": 3, "padding": "circular", "norm": "batch",
     "activation": "tanh"},
    {"kind": "transformer", "width": 4, "depth": 1, "sequence_length": 3, "activation": "gelu", "norm": "layer",
     "heads": 2, "vocabulary": 5, "embedding_std": 1.0},
    {"kind": "transformer", "width": 8, "depth": 1, "sequence_length": 2, "activation": "silu", "norm": "rms",
     "norm_position": "post", "gated": True, "mlp_ratio": 1.0, "vocabulary": 5, "embedding_std": 1.0},
])  # fmt: skip
def test_kernel_is_that_of_explicit_jacobians(network: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Central differences are off by 1e-10 (third derivatives) and 1e-11 (rounding) of a parameter's slope."""
    one = Parameters(monkeypatch, **{"batch": 3} | network)
    check(one.profile(), one.kernels())


@pytest.mark.parametrize("network", [
    {"width": 4, "depth": 2, "activation": "tanh"},
    {"width": 3, "depth": 2, "activation": "gelu", "residual": True, "norm": "layer"},
    {"width": 3, "depth": 2, "activation": "tanh", "norm": "batch", "batch": 5},
    {"kind": "conv", "channels": 2, "depth": 1, "kernel_size": 2, "image_size": 3, "activation": "tanh"},
    {"kind": "transformer", "width": 4, "depth": 1, "sequence_length": 3, "activation": "gelu", "norm": "layer",
     "mlp_ratio": 1.0, "vocabulary": 5, "embedding_std": 1.0},
])  # fmt: skip
def test_kernel_after_descent_is_that_of_the_weights_and_biases_then(
    network: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And before it of those as they were. What differences leave of a gradient moves the parameters by 1e-11."""
    one = Parameters(monkeypatch, **{"batch": 3} | network)
    profile = one.profile(sgd_steps=2, lr=0.05, loss=lambda outputs: outputs)
    before = one.kernels()
    check(profile.steps[0], before)
    one.descend(0.05)
    one.descend(0.05)
    after = one.kernels()
    check(profile, after)
    assert profile["kernel_largest"] != pytest.approx(profile.steps[0]["kernel_largest"], rel=1e-3)
    assert "tangent kernel of" in profile.trains("sgd").reason


def check(profile: fi.Profile, parts: dict[str, Array]) -> None:
    """What is said of the kernel is so of the sum of these parts."""
    kernel = sum(parts.values(), np.zeros(()))
    expected, (found,) = spectrum_of(kernel), spectra(profile, 1)
    rough = 1e-8 * expected.largest
    assert np.allclose(found[:3], expected[:3], rtol=1e-7, atol=rough), (found, expected)
    assert found.examples == len(kernel) and 0 < found.rounding < 1e-12
    assert found.effective_rank == pytest.approx(expected.effective_rank, rel=1e-6)
    shares = [np.trace(parts[str(layer)]) / np.trace(kernel) for layer in range(1, profile.network.depth + 1)]
    assert np.allclose(profile["kernel_share"][0, 1:], shares, rtol=1e-7)
    lengths = np.sqrt(np.diag(kernel))
    cosines = kernel / np.outer(lengths, lengths)
    mean = (cosines.sum() - len(kernel)) / (len(kernel) * (len(kernel) - 1))
    assert profile["gradient_cosine"][0] == pytest.approx(mean, abs=1e-7)


def values_of(p: fi.Profile, name: str) -> Array:
    return np.asarray(p[name])


def test_ways_of_a_kernel_agree() -> None:
    """Tiled weights are those of dense ones, bit for bit, and signals agree to rounding; a loss changes nothing."""
    dense = fi.profile(96, 6, "tanh", batch=12, dtype="float64")
    for other in (
        fi.profile(96, 6, "tanh", batch=12, dtype="float64", method="tiled"),
        fi.profile(96, 6, "tanh", batch=12, dtype="float64", loss="mse"),
        fi.profile(96, 6, "tanh", batch=12, dtype="float64", cotangent=np.ones((12, 96))),
    ):
        assert np.allclose(spectra(other, 1)[0][:4], spectra(dense, 1)[0][:4], rtol=1e-9)
        assert np.allclose(
            values_of(other, "kernel_share"), values_of(dense, "kernel_share"), rtol=1e-9, equal_nan=True
        )


@pytest.mark.parametrize("method", ["dense", "tiled", "matrix_free"])
def test_where_a_norm_mixes_it_is_that_of_the_first_examples_alone(method: Any) -> None:
    x = np.random.default_rng(3).standard_normal((9, 24))
    network: dict[str, Any] = {"width": 24, "depth": 3, "activation": "tanh", "norm": "batch", "bias_std": 0.2,
                               "method": method, "dtype": "float64"}  # fmt: skip
    whole, alone = (fi.profile(**network, inputs=some) for some in (x, x[:6]))
    assert np.allclose(spectra(whole, 1)[0], spectra(alone, 1)[0], rtol=1e-9)


@pytest.mark.parametrize(
    "network",
    [
        {"activation": "relu"},
        {"activation": "tanh", "scheme": "orthogonal", "bias_std": 0.2},
        {"activation": "gelu", "norm": "layer", "residual": True},
        {"activation": "relu", "norm": "rms"},
        {"activation": "tanh", "scheme": "orthogonal", "norm": "batch", "bias_std": 0.2},
        {"activation": "gelu", "norm": "batch", "residual": True},
        {"activation": "tanh", "loss": "mse", "bias_std": 0.2},
        {"activation": "tanh", "sgd_steps": 2, "lr": 0.02, "bias_std": 0.2},
        {"activation": "relu", "sgd_steps": 1, "lr": 0.02, "norm": "batch"},
    ],
    ids=str,
)
def test_kernel_without_weights_has_the_law_of_that_with_them(network: dict[str, Any]) -> None:
    """Kolmogorov and Smirnov's two-sample test of five numbers at 1e-4 each, with a fixed seed."""
    keywords = {"width": 40, "depth": 4, "batch": 6, "repeats": 300, "progress": False, **network}
    one = fi.profile(method="dense", seed=0, **keywords)
    other = fi.profile(method="matrix_free", seed=10**6, **keywords)
    shares = [p["kernel_share"][:, 2] for p in (one, other)]
    names = ("kernel_largest", "kernel_mean", "kernel_median", "gradient_cosine")
    for name, pair in zip(
        ("share", *names), (shares, *([p[name] for p in (one, other)] for name in names)), strict=True
    ):
        a, b = map(np.sort, pair)
        at = np.concatenate([a, b])
        distance = np.abs(np.searchsorted(a, at, "right") - np.searchsorted(b, at, "right")).max() / 300
        assert distance < np.sqrt(np.log(2 / 1e-4) / 300), name


@pytest.mark.parametrize("method", ["dense", "tiled", "matrix_free"])
def test_of_how_many_examples_it_is(method: str) -> None:
    """Of 6 where each has a gradient through the rows of all, of 16 that have signals of their own."""
    keywords: dict[str, Any] = {"width": 64, "depth": 3, "batch": 24, "method": method}
    for more, examples in (
        ({"norm": "batch"}, 6),
        ({"loss": "mse"}, 16),
        ({"cotangent": np.ones((24, 64))}, 16),
        ({}, 24),
    ):
        p = fi.profile(**keywords, **more)
        (found,) = spectra(p, 1)
        assert found.known and found.examples == examples
        assert 0 < np.nansum(p["kernel_share"]) < 1 and "tangent kernel of" in p.trains("sgd").reason


@pytest.mark.parametrize(("activation", "weights", "bias"), [("relu", 2.0, 0.0), ("tanh", 1.5, 0.1), ("tanh", 4.0, 0.0),
                                                             ("gelu", 2.0, 0.3)])  # fmt: skip
def test_wide_networks_have_the_kernel_of_theory(activation: str, weights: float, bias: float) -> None:
    """Inputs of one correlation in the mean. Of 12 drawings of width 1024 the mean is right to some percent.

    In chaos examples have nothing in common but by chance, which the largest eigenvalue is then made of.
    """
    c = bias / (weights + bias)
    gain, std = float(np.sqrt(weights)), float(np.sqrt(bias))
    drawn = {"batch": 16, "repeats": 12, "method": "matrix_free"}
    p = fi.profile(1024, 5, activation, "lecun_normal", gain=gain, bias_std=std, **drawn)
    theory = fi.theory.tangent_kernel(activation, 5, c, weights + bias, weights, bias)
    if theory.different > 0.1 * theory.same:
        assert values_of(p, "kernel_largest").mean() / 1024 == pytest.approx(theory.largest(16), rel=0.12)
    assert values_of(p, "kernel_mean").mean() / 1024 == pytest.approx(theory.others, rel=0.05)


def test_condition_of_the_kernel_in_depth() -> None:
    """It grows like 1 / (depth chi**depth) in order, to (examples + 2) / 2 at the edge of chaos, to one beyond."""
    theory = fi.theory

    def condition(weights: float, bias: float, depth: int) -> float:
        q = theory.fixed_point("tanh", weights, bias).q
        return theory.tangent_kernel("tanh", depth, 0.5, q, weights, bias, parameterization="ntk").condition(2)

    chi = theory.chi("tanh", theory.fixed_point("tanh", 1.0, 0.05).q, 1.0)
    ordered = [condition(1.0, 0.05, depth) * chi**depth * depth for depth in (60, 80)]
    assert ordered[1] / ordered[0] == pytest.approx(1, rel=0.02)
    edge = theory.edge_of_chaos("tanh", bias_variance=0.05)
    there = [abs(condition(edge.weight_variance, 0.05, depth) - 2) for depth in (400, 1600)]
    assert there[1] < there[0] < 0.01
    chaos = [condition(4.0, 0.05, depth) for depth in (40, 80)]
    assert 1 < chaos[1] < chaos[0] < 1.01


def test_relu_kernel_is_the_closed_recursion() -> None:
    """Arc cosines: Cho and Saul, 2009; Theta' = Theta kappa_0 + Sigma kappa_1."""
    c, same, different = 0.3, 1.0, 0.3
    for _ in range(7):
        angle = np.arccos(c)
        slope, c = 1 - angle / np.pi, (np.sqrt(1 - c * c) + (np.pi - angle) * c) / np.pi
        same, different = same + 1, different * slope + c
    found = fi.theory.tangent_kernel("relu", 7, 0.3, 1.0, 2.0, parameterization="ntk", readout_variance=2.0)
    assert np.allclose(found, (same, different), rtol=1e-12)
    assert found.condition(9) == pytest.approx((same + 8 * different) / (same - different))


@pytest.mark.parametrize("activation", ["tanh", "gelu", "silu", "erf", "sin", "softplus"])
def test_chi_2_is_the_slope_of_the_derivatives_kernel(activation: str) -> None:
    """d/dc E[phi'(u) phi'(v)] at c = 1 is q E[phi''(u)**2]; a difference of 1e-4 is off by some 1e-4 of it."""
    slope = (fi.theory.chi(activation, 0.8, 1.5) - fi.theory.chi(activation, 0.8, 1.5, c=1 - 1e-4)) / (0.8 * 1e-4)
    assert fi.theory.chi_2(activation, 0.8, 1.5) == pytest.approx(slope, rel=2e-3)
    assert fi.theory.chi_2(("leaky_relu", 0.3), 1.0) == np.inf and fi.theory.chi_2("linear", 1.0) < 1e-20


@pytest.mark.parametrize("keywords", [{"depth": 0}, {"c": 1.5}, {"q": 0.1, "bias_variance": 0.2},
                                      {"weight_variance": 0.0}, {"parameterization": "mup"}])  # fmt: skip
def test_kernels_that_there_are_not(keywords: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(keywords))}`"):
        fi.theory.tangent_kernel(**{"activation": "relu", "depth": 3, "c": 0.5, **keywords})


def test_spectrum_of_a_known_matrix() -> None:
    kernel = 3.0 * np.ones((6, 6)) + 0.5 * np.eye(6)
    found = spectrum_of(kernel)
    assert np.allclose(found[:4], (18.5, 0.5, 0.5, 5.0)) and found.examples == 6
    assert found.over_mean == pytest.approx(37)
    huge = spectrum_of(1e200 * kernel)
    assert np.allclose(huge[:3], (18.5e200, 0.5e200, 0.5e200)) and huge.effective_rank == pytest.approx(5)
    alike = spectrum_of(np.ones((4, 4)))
    assert alike.largest == pytest.approx(4) and alike.over_median > 1e14
    assert not spectrum_of(None).known and not spectrum_of(np.full((3, 3), np.nan)).known


def test_a_ratio_of_1e12_is_a_number() -> None:
    """In float64 examples that differ by 1e-6 of their size are 1e-12 of it in the kernel, far above its rounding."""
    x = np.random.default_rng(1).standard_normal((8, 64))
    near = x[:1] + 1e-6 * x
    p = fi.profile(64, 3, "tanh", "lecun_normal", inputs=near, dtype="float64")
    (found,) = spectra(p, 1)
    assert 1e10 < found.over_median < 1e14 and found.median > 3 * found.rounding * found.largest
    twice = fi.profile(64, 3, "tanh", "lecun_normal", inputs=x[:1] + 2e-6 * x, dtype="float64")
    assert found.over_mean / spectra(twice, 1)[0].over_mean == pytest.approx(4, rel=1e-2)


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"method": "matrix_free"},
        {"norm": "batch"},
        {"norm": "batch", "method": "matrix_free"},
        {"loss": "mse"},
        {"loss": "mse", "method": "matrix_free"},
    ],
    ids=str,
)
def test_copies_of_an_example_say_nothing(keywords: dict[str, Any]) -> None:
    """Nor does an example that is off by a rounding: its eigenvalue is none of the network's."""
    x = np.random.default_rng(2).standard_normal((4, 48)).astype(np.float32)
    network = {"width": 48, "depth": 4, "activation": "relu", "dtype": "float32", **keywords}
    copies = fi.profile(inputs=np.concatenate([x, x, np.nextafter(x, np.float32(9))]), **network)
    (found,) = spectra(copies, 1)
    assert found.examples == 4 and found.over_median < 1e3 and copies.trains("sgd").grade == "yes"
    if not keywords:
        (alone,) = spectra(fi.profile(inputs=x, **network), 1)
        assert np.allclose(found[:4], alone[:4], rtol=1e-5)
    apart = fi.profile(inputs=np.concatenate([x, x + np.float32(1e-3)]), **network)
    assert spectra(apart, 1)[0].examples == (6 if "norm" in keywords else 8)


def test_copies_of_a_text_say_nothing() -> None:
    p = fi.profile(16, 1, kind="transformer", sequence_length=1, vocabulary=3, batch=16, embedding_std=1.0)
    (found,) = spectra(p, 1)
    assert found.examples == 3 and found.over_median < 1e3


def test_distinct_rows_of_several_arrays() -> None:
    """Far from zero too, of whole numbers, and where all of one array are alike."""
    x = np.array([[1.0, 2], [1, 2], [1, 3], [1, 2]]) + 1e5
    assert distinct_rows(x).tolist() == [0, 2]
    assert distinct_rows(np.ones((4, 3)), x, np.array([7, 7, 7, 2**40])).tolist() == [0, 2, 3]
    assert distinct_rows(np.zeros((3, 0))).tolist() == [0]
    assert distinct_rows(np.full((2, 2), np.nan)).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("keywords", "sgd", "adam"),
    [
        ({"depth": 10}, "yes", "yes"),
        ({"depth": 30, "scheme": "lecun_normal"}, "no", "yes"),
        ({"depth": 6, "scheme": ("small_normal", {"std": 0.01})}, "no", "yes"),
        ({"depth": 10, "activation": "sigmoid", "scheme": "lecun_normal"}, "no", "no"),
        ({"depth": 10, "activation": "tanh", "scheme": "lecun_normal"}, "yes", "yes"),
        ({"depth": 12, "norm": "batch"}, "yes", "yes"),
        ({"depth": 20, "norm": "batch"}, "slowly", "slowly"),
        ({"depth": 20, "gain": 1.5}, "no", "slowly"),
        ({"depth": 40, "residual": True}, "no", "no"),
        ({"depth": 40, "residual": True, "branch_scale": 40**-0.5}, "yes", "yes"),
        ({"depth": 5, "scheme": "zeros"}, "no", "no"),
        ({"depth": 4, "scheme": ("constant", {"value": 0.05})}, "no", "no"),
    ],
    ids=str,
)
def test_networks_that_were_trained(keywords: dict[str, Any], sgd: str, adam: str) -> None:
    """Of those whose training was measured, as it came out but for grades between."""
    p = fi.profile(width=128, batch=64, **{"activation": "relu", **keywords})
    assert (p.trains("sgd").grade, p.trains("adam").grade) == (sgd, adam)
    assert p.healthy is (sgd == adam == "yes")
    assert bool(p.trains("sgd")) is (sgd != "no")
