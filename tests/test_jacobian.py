"""The Jacobian's largest singular value: against differences, isometries, and what products of Gaussians have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastinit as fi
from fastinit.profiler.description.signals import random_signs

Array = np.ndarray[Any, Any]


def outputs_of(inputs: Array, **network: Any) -> Array:
    """All of them, flat."""
    found: list[Array] = []

    def keep(outputs: Array) -> Array:
        found.append(outputs.reshape(-1).copy())
        return outputs

    fi.profile(**network, inputs=inputs, loss=keep)
    return found[0]


@pytest.mark.parametrize("network", [
    {"width": 6, "depth": 3, "activation": "tanh", "bias_std": 0.3},
    {"widths": [5, 2, 7, 3], "activation": "gelu", "method": "tiled"},
    {"widths": [4, 1], "activation": "tanh"},
    {"width": 5, "depth": 2, "activation": "tanh", "norm": "layer"},
    {"width": 5, "depth": 2, "activation": "tanh", "norm": "batch"},
    {"width": 4, "depth": 3, "activation": "gelu", "residual": True, "norm": "rms", "scheme": "orthogonal"},
    {"kind": "conv", "channels": 2, "depth": 2, "image_size": 3, "activation": "tanh"},
    {"kind": "conv", "channels": 2, "depth": 1, "image_size": 3, "activation": "tanh", "norm": "batch",
     "padding": "circular"},
    {"kind": "transformer", "width": 4, "depth": 2, "sequence_length": 3, "activation": "gelu", "norm": "layer",
     "heads": 2},
    {"kind": "transformer", "width": 4, "depth": 1, "sequence_length": 3, "activation": "silu", "norm": "rms",
     "norm_position": "post", "gated": True},
], ids=str)  # fmt: skip
def test_they_are_those_of_the_whole_jacobian(network: dict[str, Any]) -> None:
    """Central differences are off by 1e-9. Moments are by definition, from the signs of the stream."""
    network = {"scheme": "lecun_normal", "batch": 4, "dtype": "float64"} | network
    known = fi.profile(**network, backward=False).network
    shape = (*known.output_shape[:-1], known.widths[0])
    inputs, step = np.random.default_rng(0).standard_normal(shape), 1e-5
    columns = []
    for place in range(inputs.size):
        moved = [inputs.copy(), inputs.copy()]
        for one, sign in zip(moved, (1, -1), strict=True):
            one.reshape(-1)[place] += sign * step
        above, below = (outputs_of(one, **network) for one in moved)
        columns.append((above - below) / (2 * step))
    p, transposed = fi.profile(**network, inputs=inputs, jacobian=True), np.stack(columns)
    assert p["jacobian_largest"][0] == pytest.approx(np.linalg.norm(transposed, 2), rel=1e-7)
    rows = (p.network.rows, p.network.widths[-1])
    signs = random_signs(rows, 0, "cotangent.jacobian", "float64").reshape(-1)
    back = transposed @ signs
    assert p["jacobian_second_moment"][0] == pytest.approx(back @ back / signs.size, rel=1e-7)
    assert p["jacobian_fourth_moment"][0] == pytest.approx(np.sum((back @ transposed) ** 2) / signs.size, rel=1e-7)


@pytest.mark.parametrize("method", ["dense", "tiled"])
def test_other_fields_are_as_without_it(method: Any) -> None:
    """What its passes see goes nowhere else."""
    network: dict[str, Any] = {"width": 16, "depth": 3, "norm": "layer", "batch": 4, "method": method, "repeats": 2}
    alone, p = fi.profile(**network), fi.profile(**network, jacobian=True)
    for name in alone:
        assert np.array_equal(alone[name], p[name], equal_nan=True), name


def test_moments_of_a_linear_network_sharpen_with_the_batch() -> None:
    """Every example has the same J: of B of them v'Av, A = JJ' or its square, varies by 2 sum A_ij^2 / B, i != j.

    Of 64 drawings the mean of z is within 3.9 / 8 of zero at 1e-4, and that of z^2, at most 4 with 64 degrees of
    freedom, between 0.42 and 1.9 at 1e-4 each.
    """
    p = fi.profile(16, 3, "linear", "lecun_normal", batch=64, repeats=64, jacobian=True, dtype="float64", seed=0)
    for name, power in (("second", 1), ("fourth", 2)):
        z = []
        for seed, found in enumerate(p[f"jacobian_{name}_moment"]):
            layers = [fi.lecun_normal((16, 16), seed=seed, name=f"layer.{i}", dtype="float64") for i in (1, 2, 3)]
            product = np.linalg.multi_dot(layers)
            a = np.linalg.matrix_power(product.T @ product, power)
            deviation = np.sqrt(2 * (np.sum(a * a) - np.sum(np.diag(a) ** 2)) / 64) / 16
            z.append((found - np.trace(a) / 16) / deviation)
        assert abs(np.mean(z)) < 3.9 / 8 and 0.42 < np.mean(np.square(z)) < 1.9, name


def test_orthogonal_layers_are_an_isometry() -> None:
    p = fi.profile(32, 20, "linear", "orthogonal", batch=4, jacobian=True, dtype="float64")
    assert p["jacobian_largest"][0] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_products_of_gaussian_matrices_end_where_their_law_does(depth: int) -> None:
    """Of L of them squares end at (L + 1)^(L + 1) / L^L (Fuss-Catalan), up to n^(-2/3): 3 % here, and as much again."""
    p = fi.profile(256, depth, "linear", "lecun_normal", batch=2, jacobian=True, repeats=2)
    edge = ((depth + 1) ** (depth + 1) / depth**depth) ** 0.5
    assert p["jacobian_largest"] == pytest.approx(edge, rel=0.06)


def test_what_vanishes_or_explodes_far_beyond_float32_squared_is_a_number() -> None:
    """A factor of 1e-12, and of 1e12, for each of two layers: squares would be out of range."""
    for size in (1e-12, 1e12):
        p = fi.profile(8, 2, "linear", "orthogonal", gain=size, batch=4, jacobian=True)
        assert p["jacobian_largest"][0] == pytest.approx(size**2, rel=1e-5)


def test_nothing_that_passes_has_none_to_tell() -> None:
    assert fi.profile(8, 2, scheme="zeros", batch=4, jacobian=True)["jacobian_largest"].tolist() == [0.0]
    lazy = fi.profile(64, 2, batch=4, jacobian=True, method="matrix_free")
    assert np.isnan(lazy["jacobian_largest"]).all() and not np.isnan(lazy["jacobian_fourth_moment"]).any()


@pytest.mark.parametrize(("depth", "batch"), [(1, 4), (4, 2)])
def test_moments_are_estimates_whose_spread_is_told(depth: int, batch: int) -> None:
    """100 draws of the signs for the same weights: 30 % of a standard deviation is four standard errors of it."""

    def weights(shape: tuple[int, ...], seed: object, name: str) -> np.ndarray:
        return fi.lecun_normal(shape, seed=7, name=name)

    runs = (fi.profile(64, depth, "linear", weights, batch=batch, jacobian=True, seed=seed) for seed in range(100))
    found = np.array([p["jacobian_second_moment"][0] for p in runs])
    assert found.std() / found.mean() == pytest.approx((2 * depth / (batch * 64)) ** 0.5, rel=0.3)
