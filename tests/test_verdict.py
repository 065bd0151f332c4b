"""The verdict: every kind, from networks that have it and from numbers made for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastinit as fi
from fastinit.activations import Activation
from fastinit.profiler.description.keywords import network_from
from fastinit.profiler.result.training import OPTIMIZERS, Evidence, answer, told
from fastinit.profiler.statistics import FIELDS
from fastinit.profiler.tangent_kernel import ratio_words

DEFAULTS = {
    "kind": "mlp", "width": 100, "depth": 20, "widths": None, "channels": None, "activation": "tanh", "scheme": None,
    "gain": None, "norm": None, "norm_position": None, "norm_eps": 0.0, "residual": False, "branch_scale": 1.0,
    "bias_std": 0.0, "kernel_size": 3, "image_size": 4, "padding": "zero", "batch": 8, "dtype": "float32", "text": {},
}  # fmt: skip


def crafted(act, grad=None, theory=(), interrupted=False, steps=(), network=(), **fields):
    """A profile with these second moments, all else being well."""
    act = np.atleast_2d(np.asarray(act, float))
    made = network_from(**{**DEFAULTS, "depth": act.shape[1] - 1, **dict(network)})
    filled = {name: np.full(act.shape, np.nan) for name in FIELDS}
    filled |= {"act_second_moment": act, "dead_fraction": np.zeros(act.shape)}
    filled["distinct_units"] = np.tile(np.array(made.widths, float), (len(act), 1))
    filled["grad_act_second_moment"] = np.full(act.shape, np.nan) if grad is None else np.atleast_2d(grad)
    filled |= {name: np.broadcast_to(values, act.shape) for name, values in fields.items()}
    return fi.Profile(made, "dense", 0, filled, dict(theory), tuple(steps), interrupted)


LAYERS = np.arange(21)
FLAT = np.ones(21)


@pytest.mark.parametrize(
    ("kind", "keywords"),
    [
        ("stable", {"scheme": "he_normal"}),
        ("stable", {"scheme": "orthogonal", "activation": "linear"}),
        ("stable", {"norm": "layer", "residual": True}),
        ("vanishing", {"scheme": "lecun_normal"}),
        ("vanishing", {"scheme": "small_normal"}),
        ("vanishing", {"scheme": "small_normal", "depth": 60}),
        ("exploding", {"residual": True}),
        ("exploding", {"scheme": ("small_normal", {"std": 0.2})}),
        ("gradient vanishing", {"scheme": "lecun_normal", "activation": "sigmoid"}),
        ("gradient exploding", {"norm": "batch"}),
        ("gradient exploding", {"norm": "layer", "norm_position": "post_act"}),
        ("dead", {"scheme": "zeros"}),
        ("dead", {"scheme": "zeros", "norm": "batch"}),
        ("dead", {"scheme": "zeros", "bias_std": 0.1}),
        ("symmetric", {"scheme": ("constant", {"value": 1 / 256})}),
        ("symmetric", {"scheme": ("constant", {"value": 0.1}), "norm": "batch"}),
        ("symmetric", {"scheme": ("constant", {"value": 1.0}), "depth": 40}),
        ("not finite", {"scheme": ("small_normal", {"std": 100.0})}),
    ],
    ids=str,
)
def test_kinds_of_networks(kind, keywords):
    p = fi.profile(width=256, batch=16, seed=0, **{"depth": 30, "activation": "relu", **keywords})
    assert p.verdict.kind == kind
    assert p.healthy is p.ok is p.verdict.healthy is p.verdict.ok is (p.trains("sgd").grade == "yes")
    assert p.verdict.sentence.startswith(f"{kind.capitalize()}: ")


def test_batch_normalisation_explodes_by_its_known_factor():
    """A layer's factor has a standard deviation of 0.006 sqrt(50000 / n): 44 at n = 512 leave 0.009, a fifth of 5 %."""
    found = fi.profile(512, 24, "relu", norm="batch", norm_eps=0, batch=8, repeats=2, seed=0).verdict
    assert found.backward.rate == pytest.approx(1.788190, rel=0.05)
    assert found.forward.rate == pytest.approx(1, rel=0.01)


def test_rectangular_layers_keep_the_norm_of_the_gradient():
    """He weights: the gradient's second moment changes by the ratio of the widths, 10 / 784, and its norm does not."""
    assert fi.profile(widths=[784, 512, 10], batch=64, seed=0).verdict.kind == "stable"


def test_whole_sentences():
    said = crafted(0.3**LAYERS, 0.3 ** LAYERS[::-1], {"act_second_moment": 0.25**LAYERS}).verdict
    assert said.sentence == (
        "Vanishing: the activations' second moment shrinks by a factor of 0.3 (theory 0.25) per layer, 3.87e-10 in all "
        "from layer 1 to 19. The gradient's second moment shrinks by a factor of 0.3 per layer, 3.87e-10 in all from "
        "layer 19 to 1. Underflow of the activations: float16 at layer 17, by extrapolation float32 and bfloat16 after "
        "about 146 layers. Underflow of the gradient: float16 at layer 3, by extrapolation float32 and bfloat16 after "
        "about 146 layers."
    )
    assert str(said) == f"{said.training} {said.signal}"
    assert said.signal == said.sentence.replace("Vanishing", "Signal vanishing")
    assert said.short == "vanishing; SGD no, Adam no (vanishing, alike)"
    assert said.forward.rate == pytest.approx(0.3) == said.backward.rate
    assert said.forward.theory == pytest.approx(0.25)
    assert np.isnan(said.backward.theory)
    assert crafted(FLAT, 1.5 ** LAYERS[::-1]).verdict.sentence == (
        "Gradient exploding: though the activations are stable, the gradient's second moment grows by a factor of 1.5 "
        "per layer, 1.48e+03 in all from layer 19 to 1. Overflow of the gradient: by extrapolation float16 after about "
        "55 layers, float32 and bfloat16 after about 438 layers."
    )
    assert crafted(FLAT, 1.01**LAYERS).verdict.sentence == (
        "Stable: the activations' second moment changes by a factor of 1 per layer, 1 in all from layer 1 to 19. The "
        "gradient's changes by a factor of 0.9901 per layer, 0.836 in all from layer 19 to 1."
    )
    assert crafted(1.0 + 2 * LAYERS).verdict.sentence == (
        "Stable: the activations' second moment changes as layer^0.89, 13 in all from layer 1 to 19."
    )
    same = np.ones(21)
    assert crafted(FLAT, FLAT, distinct_units=same, steps=[None, None]).verdict.sentence == (
        "Symmetric: all units of a layer are the same from layer 1 on and get the same gradient, so that they stay the "
        "same (after 2 steps of gradient descent they still are)."
    )
    zero = np.where(LAYERS < 7, 1.0, 0.0)
    assert crafted(zero, 1 - zero).verdict.sentence == (
        "Dead: the signal is zero from layer 7 on and no gradient comes back to layer 6 or below."
    )
    assert crafted(FLAT, FLAT, dead_fraction=(LAYERS == 5) * 0.999).verdict.sentence == (
        "Dead: hardly a unit (0.1 %) of layer 5 has a slope on the batch."
    )
    assert crafted(np.where(LAYERS < 7, 1, np.nan), np.where(LAYERS < 3, np.inf, 1)).verdict.sentence == (
        "Not finite: activations are not finite from layer 7 on. The gradient is not finite from layer 2 down."
    )


def test_a_signal_that_underflows_has_vanished_and_is_not_dead():
    p = crafted(np.where(LAYERS < 18, 1e-4**LAYERS, 0), np.where(LAYERS < 20, 0, 1.0))
    assert p.verdict.kind == "vanishing"
    assert p.verdict.forward.rate == pytest.approx(1e-4)
    assert "Underflow of the activations: float16 at layer 3, float32 and bfloat16 at layer 18" in p.verdict.sentence
    assert "No gradient comes back to layer 19 or below." in p.verdict.sentence


def test_what_an_interrupted_run_did_not_reach_is_no_finding():
    p = crafted(np.where(LAYERS < 12, 1, np.nan), interrupted=True)
    assert p.verdict.sentence == (
        "Unknown: the activations' second moment changes by a factor of 1 per layer, 1 in all from layer 1 to 11. "
        "Partial, interrupted: of the layers and repeats done by then."
    )
    assert crafted(np.where(LAYERS < 12, 0.1**LAYERS, np.nan), interrupted=True).verdict.kind == "vanishing"


def test_an_interrupted_run_that_reached_nothing_is_not_called_stable():
    p = crafted(np.full(21, np.nan), interrupted=True)
    assert p.verdict.sentence == (
        "Unknown: too few layers were passed. Partial, interrupted: of the layers and repeats done by then."
    )
    assert not p.healthy


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_whose_gradient_is_no_number_is_not_called_stable(bad):
    p = fi.profile(8, 5, batch=4, loss=lambda x: x * bad)
    assert p.verdict.sentence == "Not finite: the gradient is not finite from layer 5 down."
    assert not p.healthy


def test_a_steep_power_is_held_against_a_network():
    """sin(3 x) in normalised residual blocks: the gradient grows by nine orders of magnitude."""
    sine = (lambda x: np.sin(3 * x)), (lambda x: 3 * np.cos(3 * x))
    p = fi.profile(100, 50, sine, residual=True, norm="rms", batch=8)
    assert p.verdict.backward.change > 1e8
    assert p.verdict.kind == "gradient exploding"
    assert "the gradient's second moment grows as layer^-" in p.verdict.sentence


def test_few_rows_of_batch_normalisation_are_pointed_out():
    with pytest.warns(UserWarning, match="infinite"):
        p = crafted(FLAT, FLAT, network={"norm": "batch", "batch": 3})
    assert p.verdict.sentence.endswith(
        " Batch normalisation over 3 rows has a gradient whose expectation is infinite: "
        "read medians and mean_log(name)."
    )


SAID = {
    ("yes", "yes"): "It trains with SGD and with Adam{}: sgd.",
    ("slowly", "slowly"): "It trains slowly or not at all, with SGD and with Adam: sgd.",
    ("no", "no"): "It trains with neither SGD nor Adam: sgd.",
    ("not judged", "not judged"): "Whether it trains is not judged: sgd.",
    ("yes", "slowly"): "With SGD it trains{}: sgd. With Adam it trains slowly or not at all: adam.",
    ("yes", "no"): "With SGD it trains{}: sgd. With Adam it does not train: adam.",
    ("slowly", "yes"): "With SGD it trains slowly or not at all: sgd. With Adam it trains{}: adam.",
    ("slowly", "no"): "With SGD it trains slowly or not at all: sgd. With Adam it does not train: adam.",
    ("no", "yes"): "With SGD it does not train: sgd. With Adam it trains{}: adam.",
    ("no", "slowly"): "With SGD it does not train: sgd. With Adam it trains slowly or not at all: adam.",
    ("no", "not judged"): "With SGD it does not train: sgd. With Adam it is not judged: adam.",
}


@pytest.mark.parametrize(
    ("kind", "though"), [("stable", ""), ("unknown", ""), ("vanishing", ", though the signal vanishes")]
)
@pytest.mark.parametrize(("grades", "said"), SAID.items())
def test_a_sentence_for_every_pair_of_answers(grades, said, kind, though):
    answers = [fi.Answer(name, grade, name) for name, grade in zip(OPTIMIZERS, grades, strict=True)]
    assert told(answers, kind) == said.format(though)


def test_what_the_reason_was_read_off_is_a_sentence_of_its_own():
    answers = [fi.Answer(name, "yes", "it does: 3 is less than 4") for name in OPTIMIZERS]
    assert told(answers, "stable") == "It trains with SGD and with Adam: it does. 3 is less than 4."


@pytest.mark.parametrize("method", ["dense", "matrix_free"])
def test_one_example_is_nothing_to_tell_apart(method):
    p = fi.profile(64, 10, batch=1, method=method)
    assert p.verdict.kind == "stable" and not p.healthy
    assert (
        str(p.trains("sgd"))
        == str(p.trains("adam"))
        == ("not judged: one example is nothing to tell apart: the tangent kernel, which decides, wants two")
    )
    assert fi.profile(64, 400, scheme="lecun_normal", batch=1, method=method).trains("adam").grade == "no"


@pytest.mark.parametrize("more", [{}, {"norm": "layer"}, {"width": 512, "depth": 4}])
@pytest.mark.parametrize("rows", [7, 8])
def test_copies_of_one_example_are_said_to_be_alike(rows, more):
    """What comes of the gradients' signs, which cancel where there are two of each, is of no network."""
    keywords = {"width": 64, "depth": 10} | more
    p = fi.profile(**keywords, inputs=np.ones((rows, keywords["width"])))
    assert p.verdict.kind == "unknown" and p.trains("sgd").grade == "not judged"
    assert str(p.verdict) == (
        "Whether it trains is not judged: between copies of one example there is nothing to tell apart. The examples "
        "are all alike."
    )
    assert fi.profile(64, 10, scheme="zeros", inputs=np.ones((8, 64))).verdict.kind == "dead"


def test_a_signal_that_passes_is_no_yes():
    p = fi.profile(64, 10, batch=8, backward=False)
    assert str(p.trains("sgd")) == "not judged: no gradient was sent (backward=False)"
    assert str(crafted(FLAT, FLAT).trains("adam")) == (
        "not judged: the tangent kernel was not seen, and the signal alone does not tell"
    )


def test_the_reason_is_the_first_cause_of_the_worst_grade():
    """On the way from the weights to a step, not in the order in which they were looked at."""
    seen = Evidence("stable", [], crafted(FLAT, 2e5 ** (LAYERS[::-1] / 18)).verdict.backward, False)
    few, many = seen._replace(outputs=1e-7), seen._replace(outputs=2e4)
    causes = [[answer(name, one).cause for name in OPTIMIZERS] for one in (seen, few, many)]
    assert causes == [["gradient exploding"] * 2, ["vanishing", "gradient exploding"], ["exploding"] * 2]
    assert [answer(name, few).grade for name in OPTIMIZERS] == ["no", "slowly"]
    assert answer("sgd", seen._replace(kind="dead", told_apart=False)).cause == "alike"
    assert answer("sgd", seen._replace(kind="dead")).cause == "dead"
    assert answer("sgd", seen._replace(kind="vanishing")).cause == "vanishing"
    assert answer("sgd", few._replace(kind="exploding")).cause == "vanishing"
    assert answer("sgd", seen._replace(backward=None)).cause == ""


def test_a_ratio_that_rounding_made_is_said_to_be_more():
    p = fi.profile(64, 20, "sigmoid", "lecun_normal", batch=16)
    (kernel,) = p.kernels
    most = 1 / kernel.rounding
    assert kernel.over_mean > most and p.trains("sgd").numbers["rounding"] == kernel.rounding
    assert f"is >{most:.3g} times the mean of the others" in p.trains("sgd").reason
    assert f"kernel over mean >{most:.3g}, over median >{most:.3g}, of" in " ".join(str(p.table()).split())
    assert f"kernel over mean >{most:.3g} -> " in str(p.advise())
    assert ratio_words(8.0, 0.125) == "8" and ratio_words(8.1, 0.125) == ">8" == ratio_words(np.inf, 0.125)
    assert [ratio_words(one, 0.0) for one in (8.1, np.inf, np.nan)] == ["8.1", "inf", "nan"]


def test_bounds_of_healthy():
    p = crafted(0.9**LAYERS, 0.8 ** LAYERS[::-1])
    assert 0.9**18 > 0.1 > 0.8**18
    assert p.verdict.kind == "gradient vanishing"
    assert p.judge(backward=(0.01, 10)).kind == "stable"
    assert p.judge(forward=(0.5, 2), backward=(0.01, 10)).kind == "vanishing"


def test_of_repeats_the_typical_one_is_judged():
    """The mean of logarithms: one huge network among five does not hide that the others fade."""
    act = np.tile(0.5**LAYERS, (5, 1))
    act[0] = 1.5**LAYERS
    assert crafted(act).verdict.forward.rate == pytest.approx((0.5**4 * 1.5) ** 0.2)


ANY = st.lists(
    st.one_of(st.floats(0, 1e300), st.sampled_from([0.0, 1.0, 1e-80, np.nan, np.inf])), min_size=12, max_size=12
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(act=ANY, grad=ANY, split=st.sampled_from([1, 2, 3]), interrupted=st.booleans(), units=st.sampled_from([1, 100]))
def test_there_is_a_verdict_on_any_numbers(act, grad, split, interrupted, units):
    act, grad = (np.reshape(values, (split, -1)) for values in (act, grad))
    p = crafted(act, grad, interrupted=interrupted, distinct_units=units)
    kinds = "dead, symmetric, not finite, vanishing, exploding, gradient vanishing, gradient exploding, stable, unknown"
    assert p.verdict.kind in kinds.split(", ")
    assert p.verdict.sentence.endswith(".")
    assert len(str(p.table())) > 0


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ([1e-80, 1.0],
         "Exploding: the activations' second moment grows by a factor of nan per layer, 1e+80 in all from layer 0 to "
         "1."),
        ([1.0, 1e308, 1e-75, 1e-80, 1.0],
         "Vanishing: the activations' second moment shrinks by a factor of 0 per layer, 0 in all from layer 1 to 3. "
         "Underflow of the activations: float16 at layer 2, float32 and bfloat16 at layer 3."),
    ],
)  # fmt: skip
def test_there_are_words_for_fits_without_a_number(act, said):
    """One layer above the smallest normal number makes no line, and a fall may be steeper than a rate of float64."""
    assert crafted(act).verdict.sentence == said


def test_what_happens_between_is_seen():
    def shape(size, seed, name):
        weights = fi.he_normal(size, seed=seed, name=name)
        return weights * {"layer.5": 1e6, "layer.12": 1e-6}.get(name, 1)

    verdict = fi.profile(64, 20, scheme=shape, batch=8).verdict
    assert verdict.kind == "exploding"
    assert "of that of layer 1 at layer" in str(verdict)


@pytest.mark.parametrize("seed", range(0, 70, 7))
def test_few_layers_are_no_power_of_the_layer(seed):
    assert fi.profile(16, 6, "relu", ("small_normal", {"std": 0.05}), batch=8, seed=seed).verdict.kind == "vanishing"


def test_a_network_of_which_no_weight_learns_is_dead():
    p = fi.profile(64, 6, residual=True, branch_scale=0.0, batch=8)
    assert p.verdict.sentence == "Dead: no weight gets a gradient." and not p.healthy
    assert fi.profile(64, 6, residual=True, branch_scale=0.0, batch=8, backward=False).verdict.kind == "stable"
    assert fi.profile(64, 6, residual=True, scheme="zeros", batch=8).healthy


@pytest.mark.parametrize("method", ["dense", "matrix_free"])
def test_zero_inputs_leave_later_layers_as_they_are(method):
    p = fi.profile(64, 6, inputs=np.zeros((8, 64)), bias_std=0.1, method=method)
    assert (p["act_second_moment"][0, 1:] > 0).all()
    assert p.verdict.sentence == "Dead: the signal is zero at layer 0."
    two = np.where((LAYERS < 7) | (LAYERS > 8), 1.0, 0.0)
    assert crafted(two, FLAT).verdict.sentence == "Dead: the signal is zero from layer 7 to 8."
    assert crafted(two[::-1], two).verdict.sentence.startswith(
        "Dead: the signal is zero from layer 12 to 13 and no gradient"
    )


def test_examples_that_are_nearly_alike_are_no_evidence():
    near = fi.profile(128, 100, "relu", norm="layer", batch=16)
    assert near["cosine"][0, -1] > 0.98 and near.verdict.kind == "stable" and not near.healthy
    said = f"slowly: the examples are nearly alike at the outputs (mean cosine {near['cosine'][0, -1]:.4f})"
    assert str(near.trains("sgd")) == str(near.trains("adam")) == said
    near = fi.profile(128, 100, "relu", norm="layer", batch=16, backward=False)
    assert near.verdict.kind == "unknown" and not near.healthy
    assert near.verdict.sentence == (
        f"Unknown: signal and gradient pass, but the examples are nearly alike at layer 100 (mean cosine "
        f"{near['cosine'][0, -1]:.4f}): whether the gradient tells them apart was not looked at."
    )
    shifted = fi.normal((16, 128), mean=50.0, seed=0)
    assert fi.profile(128, 4, inputs=shifted, backward=False).verdict.kind == "unknown"
    assert fi.profile(128, 4, batch=16).verdict.kind == "stable"
    cosine = np.minimum(0.5 + 0.05 * LAYERS, 1.0)
    assert crafted(FLAT, FLAT, cosine=cosine).verdict.kind == "unknown"
    assert fi.profile(widths=[64, 64, 64, 1], batch=16).verdict.kind == "stable"  # of one unit any cosine is one
    assert crafted(FLAT, FLAT, cosine=np.where(LAYERS < 20, 1, 0.5)).verdict.kind == "stable"


@pytest.mark.parametrize("activation", ["relu", "linear", ("leaky_relu", 0.3), "abs"])
def test_the_spread_of_drawings_is_told(activation):
    """200 drawings of one input: 25 % of their standard deviation is 5 standard errors of it."""
    keywords = {"activation": activation, "scheme": "lecun_normal", "gain": fi.gain(activation), "batch": 1}
    p = fi.profile(64, 20, method="matrix_free", repeats=200, progress=False, **keywords)
    logs = np.log(p["act_second_moment"][:, 19] / p["act_second_moment"][:, 1])
    assert p.spread(1, 19) * np.sqrt(200) == pytest.approx(logs.std(), rel=0.25)
    law = fi.theory.relu_norm_law([64] * 18)
    assert activation != "relu" or p.spread(1, 19) == pytest.approx(np.sqrt(law.variance_log / 200), rel=0.03)


def test_a_verdict_near_a_bound_says_that_a_seed_decides():
    p = fi.profile(64, 24, "relu", "he_normal", batch=8)
    assert p.verdict.sentence.endswith(
        " Over drawings the logarithm of the activations' change has a standard deviation of 1.3: with another seed "
        "the verdict may be another."
    )
    assert p.verdict.findings[-1].numbers == {"spread": p.spread(1, 23)}
    own = fi.profile(32, 24, Activation("own", np.copy, np.ones_like, (), 1), "lecun_normal", batch=8)
    assert "another seed" not in own.verdict.sentence  # a profile that comes back from JSON has not got the function
    assert fi.Profile.from_json(own.to_json()).to_json() == own.to_json()
    for more in ({"depth": 8}, {"width": 2048}, {"norm": "layer"}, {"scheme": "orthogonal", "gain": 2**0.5}):
        assert "another seed" not in fi.profile(**{"width": 64, "depth": 24, "batch": 8} | more).verdict.sentence
