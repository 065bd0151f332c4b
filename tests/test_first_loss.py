"""The first loss: its law against quadrature, readouts that are drawn, and what the verdict makes of it."""

from __future__ import annotations

from math import log, pi, sqrt
from typing import Any

import numpy as np
import pytest

import fastinit as fi
from fastinit.profiler.first_loss import loss_of_readout
from fastinit.profiler.result.training import Evidence, answer

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize("second_moment", [0.0, 1e-9, 0.01, 0.3, 1.0, 4.0, 12.0])
def test_of_two_classes_it_is_the_mean_of_a_softplus(second_moment: float) -> None:
    """Of the difference of two logits, a normal of twice the variance: by Gauss and Hermite."""
    places, weights = np.polynomial.hermite_e.hermegauss(180)
    softplus = np.logaddexp(0, sqrt(2 * second_moment) * places)
    assert loss_of_readout(second_moment, 2) == pytest.approx(weights @ softplus / weights.sum(), abs=2e-7)


@pytest.mark.parametrize("classes", [2, 10, 50257])
def test_logits_that_say_nothing_have_log_k_and_small_ones_half_a_variance_more(classes: int) -> None:
    assert loss_of_readout(0.0, classes) == pytest.approx(log(classes), abs=1e-8)
    assert loss_of_readout(1e-4, classes) == pytest.approx(log(classes) + (1 - 1 / classes) * 5e-5, abs=2e-8)


def test_of_large_logits_only_the_largest_counts() -> None:
    """Of two of variance q, E max = sqrt(q / pi)."""
    for second_moment in (1e6, 1e30, 1e300):
        assert loss_of_readout(second_moment, 2) == pytest.approx(sqrt(second_moment / pi), rel=2e-3)
    below, above = (loss_of_readout(32.0**2 * (1 + off), 10) for off in (-1e-9, 1e-9))
    assert above == pytest.approx(below, rel=1e-6)
    assert loss_of_readout(np.inf, 10) == np.inf and np.isnan(loss_of_readout(np.nan, 10))


@pytest.mark.parametrize("method", ["dense", "matrix_free"])
def test_it_is_that_of_readouts(method: Any) -> None:
    """Of outputs of one length: the mean of 400 readouts is within 5 standard errors, but for one seed in 1e6."""
    found: list[Array] = []

    def keep(outputs: Array) -> Array:
        found.append(outputs.copy())
        return outputs

    network: dict[str, Any] = {"width": 48, "depth": 2, "norm": "rms", "norm_position": "post_act", "batch": 8}
    fi.profile(**network, gain=1.5, loss=keep)
    readouts = fi.normal((400, 48, 7), std=48**-0.5, seed=0)
    logits = np.einsum("bo,rok->rbk", found[0], readouts).astype(float)
    losses = (np.log(np.exp(logits).sum(axis=2)) - logits.mean(axis=2)).mean(axis=1)
    p = fi.profile(**network, gain=1.5, classes=7, method=method, repeats=2)
    assert p["first_loss"].shape == (2,)
    assert abs(p["first_loss"][0] - losses.mean()) < 5 * losses.std() / sqrt(400)
    assert p["uniform_loss"].tolist() == [log(7)] * 2
    assert p.trains("adam").numbers["first_loss"] == p["first_loss"].mean()
    assert "first_loss" not in fi.profile(**network)


def test_what_must_be_unlearned_is_held_against_a_network() -> None:
    def graded(times: float) -> list[str]:
        seen = Evidence("stable", [], None, False, first_loss=times * log(10), uniform_loss=log(10))
        return [answer(optimizer, seen).grade for optimizer in ("sgd", "adam")]

    grades = [graded(times) for times in (1.0, 19.9, 20.1, 119.0, 121.0, 999.0, 1001.0)]
    assert grades[:2] == [["not judged"] * 2] * 2  # nothing else is known of it
    assert grades[2:] == [["slowly"] * 2] * 2 + [["no", "slowly"]] * 2 + [["no"] * 2]
    p = fi.profile(64, 8, "relu", residual=True, gain=1.3, batch=16, classes=10)
    assert not p.healthy and fi.profile(64, 8, "relu", residual=True, gain=1.3, batch=16).healthy
    first, uniform = p["first_loss"][0], log(10)
    assert p.trains("sgd").reason == (
        f"the first loss is {first:.3g}, of a network that says nothing {uniform:.3g} "
        "(slow from 46.1, not at all from 276)"
    )


@pytest.mark.parametrize(
    ("classes", "shown"),
    [(1, "1"), (1 << 31, "2147483648"), (10**5000, "what has too many digits to be shown (int)")],
    ids=["one", "of nobody", "of many digits"],
)
def test_classes_are_two_or_more_that_may_be_told_apart(classes: int, shown: str) -> None:
    with pytest.raises(ValueError) as error:
        fi.profile(8, 2, classes=classes)
    assert str(error.value) == f"`classes` must be an integer in [2, 2147483648), got {shown}"
    assert fi.profile(8, 2, classes=(1 << 31) - 1)["uniform_loss"] == log((1 << 31) - 1)


# --- dtypes


def normed(scale: float) -> Any:
    """A network that a norm keeps in range, whatever the inputs."""
    inputs = scale * np.random.default_rng(0).standard_normal((16, 32))
    return fi.profile(32, 4, norm="rms", norm_eps=1e-30, inputs=inputs, batch=16)


@pytest.mark.parametrize(
    ("scale", "grades"),
    [
        (1.0, ("yes", "yes", "yes")),
        (1e4, ("slowly", "yes", "yes")),
        (1e6, ("no", "yes", "yes")),
        (1e-5, ("slowly", "yes", "yes")),
        (1e-9, ("no", "yes", "yes")),
    ],
)
def test_sizes_are_held_against_the_range_of_a_dtype(scale: float, grades: tuple[str, ...]) -> None:
    p = normed(scale)
    for dtype, grade in zip(("float16", "bfloat16", "float32"), grades, strict=True):
        found = p.trains("adam", dtype=dtype)
        assert (found.grade, found.dtype) == (grade, dtype), found
        assert type(found).from_json(found.to_json()) == found


def test_of_gradients_it_is_the_span_that_a_dtype_has_room_for() -> None:
    def graded(span: float) -> list[str]:
        seen = Evidence("stable", [], None, False, sizes=(0.0, 0.0), gradient_sizes=(-300.0, -300.0 + log(span)))
        return [answer("adam", seen, dtype).grade for dtype in ("float16", "bfloat16", "float64")]

    assert graded(1e8) == ["not judged"] * 3  # nothing else is known of it
    assert graded(1e11) == ["slowly", "not judged", "not judged"]
    assert graded(1e13) == ["no", "not judged", "not judged"]
    assert graded(1e79) == ["no", "no", "not judged"]


def test_an_exploding_network_is_beyond_float16_before_it_is_beyond_float32() -> None:
    p = fi.profile(64, 12, "relu", gain=2.2, batch=16)
    assert p.trains("adam", dtype="float16").grade == p.trains("adam", dtype="float32").grade == "slowly"
    assert fi.profile(64, 16, "relu", gain=2.2, batch=16).trains("adam", dtype="float16").grade == "no"


def test_what_examples_have_in_common_is_no_matter_of_the_dtype() -> None:
    """So it was in training: what was not told apart in float32 was not in float64."""
    for dtype in ("float32", "float64"):
        p = fi.profile(128, 10, "sigmoid", "lecun_normal", batch=32, dtype=dtype)
        assert {p.trains("adam", dtype=one).grade for one in ("bfloat16", "float32", "float64")} == {"no"}


@pytest.mark.parametrize("gain", [1e-5, 1e5])
def test_what_left_the_range_of_the_profile_is_not_judged_in_a_wider_one(gain: float) -> None:
    network: dict[str, Any] = {"width": 16, "depth": 12, "activation": "linear", "scheme": "orthogonal", "batch": 8}
    p = fi.profile(**network, gain=gain)
    assert {p.trains("sgd", dtype=dtype).grade for dtype in ("float16", "bfloat16", "float32")} == {"no"}
    assert str(p.trains("sgd", dtype="float64")) == (
        "not judged: it was profiled in float32, whose range signal or gradient left"
    )
    assert fi.profile(**network, gain=gain, dtype="float64").trains("sgd", dtype="float64").grade == "no"


def test_dtypes_are_known() -> None:
    with pytest.raises(ValueError) as error:
        normed(1.0).trains("sgd", dtype="int8")
    assert str(error.value) == "`dtype` must be one of 'float16', 'bfloat16', 'float32', 'float64', got 'int8'"
