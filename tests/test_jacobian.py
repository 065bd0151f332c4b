"""The Jacobian's largest singular value: against differences, isometries, and what products of Gaussians have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastinit as fi

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
def test_it_is_that_of_the_whole_jacobian(network: dict[str, Any]) -> None:
    """Central differences are off by 1e-9."""
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
    p = fi.profile(**network, inputs=inputs, jacobian=True)
    assert p["jacobian_largest"][0] == pytest.approx(np.linalg.norm(np.stack(columns), 2), rel=1e-7)
    assert p["jacobian_second_moment"][0] <= p["jacobian_largest"][0] ** 2


@pytest.mark.parametrize("method", ["dense", "tiled"])
def test_other_fields_are_as_without_it(method: Any) -> None:
    """What its passes see goes nowhere else."""
    network: dict[str, Any] = {"width": 16, "depth": 3, "norm": "layer", "batch": 4, "method": method, "repeats": 2}
    alone, p = fi.profile(**network), fi.profile(**network, jacobian=True)
    for name in alone:
        assert np.array_equal(alone[name], p[name], equal_nan=True), name


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
