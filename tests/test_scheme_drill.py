"""The drill: a scheme that is registered here alone is right at every door below torch and the command line.

Those two have their own files of this name. What a scheme means stands in its row, and everyone asks that.
"""

from math import sqrt

import numpy as np
import pytest
from conftest import bits

import fastinit as fi
from fastinit.laws import Normal, Truncated
from fastinit.schemes import SCHEMES


@pytest.fixture(autouse=True)
def registered():
    """A scheme with a scale, one with a family and a keyword of its own, one whose law no theory knows."""
    fi.register(fi.Scheme("test_scaled", scale=1.5))
    fi.register(fi.Scheme("test_out_uniform", scale=0.75, mode="fan_out", distribution="uniform"))
    fi.register(fi.Scheme("test_family", family=lambda width: Normal(0.0, 1.5 / width), keywords={"width": 32.0}))
    fi.register(fi.Scheme("test_cut", family=lambda: Truncated(0.0, 0.1, 1.0, 2.0)))
    yield
    for name in ("test_scaled", "test_out_uniform", "test_family", "test_cut"):
        fi.unregister(name)
    assert not [name for name in SCHEMES if name.startswith("test_")]


def test_arrays_and_parts_of_them():
    whole = fi.init({"w": (600, 100)}, "test_scaled", seed=0)["w"]
    twin = fi.variance_scaling((600, 100), 1.5, "fan_in", seed=0, name="w")
    assert np.array_equal(bits(whole), bits(twin))
    assert abs(whole.std() / 0.05 - 1) < 5 / sqrt(2 * whole.size)  # five standard errors: 6e-7
    part = SCHEMES["test_scaled"]((600, 100), seed=0, name="w", index=np.s_[5:90:2, ::3])
    assert np.array_equal(bits(part), bits(whole[5:90:2, ::3]))
    narrow = fi.init({"w": (64, 3, 5)}, "test_scaled", seed=0, in_axis=1, out_axis=0, gain=2.0)["w"]
    assert np.array_equal(
        narrow, fi.variance_scaling((64, 3, 5), 1.5, gain=2.0, seed=0, name="w", in_axis=1, out_axis=0)
    )
    own = fi.init({"w": (40, 30)}, "test_family", seed=0, width=64.0, dtype="float64")["w"]
    assert np.array_equal(own, fi.normal((40, 30), 0.0, 1.5 / 64, seed=0, name="w", dtype="float64"))


@pytest.mark.parametrize("name", ["test_scaled", "test_out_uniform", "test_family", "test_cut"])
def test_verify(name):
    weights = SCHEMES[name]((300, 200), seed=3, name="v")
    assert fi.verify(weights, name, seed=3, name="v").ok and fi.verify(weights, SCHEMES[name]).ok
    assert fi.verify(weights[5:200], name, shape=(300, 200), index=np.s_[5:200], seed=3, name="v").ok
    wrong = fi.verify(1.1 * weights, name)
    assert not wrong.ok and wrong.problems[0].split()[0] in ("mean", "standard")


@pytest.mark.parametrize("name", ["test_scaled", "test_family"])
def test_profiles_agree_in_every_method_with_theory(name):
    """1.5 x 1/2 per layer of ReLU: the tiled weights are the dense ones, the weight-free law has the same theory."""
    asked = {"width": 32, "depth": 5, "activation": "relu", "scheme": name, "batch": 8, "seed": 1}
    found = {method: fi.profile(**asked, repeats=40, method=method) for method in ("dense", "tiled", "matrix_free")}
    for method, p in found.items():
        per_layer = p["theory_act_second_moment"][1:] / p["theory_act_second_moment"][:-1]
        variance = 1.5 if name == "test_scaled" else 32 * (1.5 / 32) ** 2
        assert per_layer == pytest.approx(variance / 2, rel=1e-12), method
        error = p.standard_error("act_second_moment", log=True)[5]
        # E log falls below log E by 5/2 depth / width, or so; six standard errors beside it
        assert abs(p.mean_log("act_second_moment")[5] - np.log((variance / 2) ** 5) + 2.5 * 5 / 32) < 6 * error + 0.1
    assert np.allclose(found["dense"]["act_second_moment"], found["tiled"]["act_second_moment"], rtol=1e-4)
    assert name in str(found["dense"].network)


def test_profiles_of_a_scheme_with_keywords_a_gain_and_kernels():
    p = fi.profile(32, 3, scheme=("test_family", {"width": 16.0}), gain=0.5, batch=8, seed=1)
    assert p["theory_act_second_moment"][1] == pytest.approx(32 * (0.5 * 1.5 / 16) ** 2 / 2, rel=1e-12)
    conv = fi.profile(kind="conv", channels=6, depth=2, image_size=5, scheme="test_scaled", padding="circular", batch=4)
    assert conv["theory_act_second_moment"][2] == pytest.approx(0.75**2, rel=1e-12)
    with pytest.raises(ValueError) as raised:
        fi.profile(32, 3, scheme=("test_family", {"wdith": 16.0}))
    assert str(raised.value) == "`scheme` must be 'test_family' with keywords among ['width'], got {'wdith': 16.0}"


def test_a_truncated_normal_of_mean_zero_has_the_theory_of_its_variance():
    p = fi.profile(32, 2, scheme=("truncated_normal", {"std": 0.2, "low": -1.0, "high": 1.0}), batch=8, seed=1)
    assert p["theory_act_second_moment"][1] == pytest.approx(16 * Truncated(0, 0.2, -1, 1).std ** 2, rel=1e-12)


def test_what_no_theory_knows_has_none():
    p = fi.profile(32, 3, scheme="test_cut", batch=8, seed=1)
    assert "theory_act_second_moment" not in p or np.isnan(p["theory_act_second_moment"][1:]).all()
    with pytest.raises(ValueError, match="neither Gaussian of mean zero nor Haar"):
        fi.profile(32, 3, scheme="test_cut", batch=8, method="matrix_free")
