"""The keywords of `profile`: nothing given is ignored, what is left out has its usual value, annotations resolve."""

import inspect
import typing

import numpy as np
import pytest
from conftest import shown

import fastinit as fi
from fastinit.activations import ACTIVATIONS
from fastinit.profiler.description.keywords import KEYWORDS, KINDS
from fastinit.profiler.norms import NORMS
from fastinit.profiler.statistics import FIELDS
from fastinit.typing import ActivationName, NormName

SIZES = {
    "mlp": {"width": 8, "depth": 2, "batch": 4},
    "conv": {"kind": "conv", "channels": 3, "depth": 2, "batch": 4, "image_size": 4},
    "transformer": {"kind": "transformer", "width": 8, "depth": 1, "batch": 2, "sequence_length": 3},
}
#: Something to give for each: its usual value, or one that differs.
VALUES = {name: keyword.usual for name, keyword in KEYWORDS.items()} | {
    "norm_position": "pre", "image_size": 4, "sequence_length": 3, "heads": 4, "logit_scale": "mup",
    "loss": "mse", "lr": 0.1,
}  # fmt: skip


def refusal(**keywords):
    with pytest.raises((ValueError, TypeError)) as error:
        fi.profile(**keywords)
    return str(error.value)


OF_ANOTHER_KIND = [(name, kind) for name, one in KEYWORDS.items() for kind in KINDS if kind not in one.kinds]


@pytest.mark.parametrize(("name", "kind"), OF_ANOTHER_KIND)
def test_keywords_of_another_kind(name, kind):
    owner = "kinds 'mlp' and 'conv'" if name == "residual" else f"kind {KEYWORDS[name].kinds[0]!r}"
    said = f"`{name}` must be left out for kind {kind!r} (it belongs to {owner}), got {VALUES[name]!r}"
    assert refusal(**SIZES[kind], **{name: VALUES[name]}) == said


def test_which_kinds_have_what():
    """Both ways: what is not refused is right for that kind."""
    assert {name for name, kind in OF_ANOTHER_KIND if kind == "mlp"} == {
        "kernel_size", "image_size", "padding", "sequence_length", "vocabulary", "embedding_std", "positional", "heads",
        "mlp_ratio", "gated", "causal", "stream_scale", "residual_gain", "logit_scale",
    }  # fmt: skip
    assert [name for name, kind in OF_ANOTHER_KIND if kind == "transformer"] == [
        "residual", "kernel_size", "image_size", "padding",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "switch"), [
    ("norm_position", "norm"), ("norm_eps", "norm"), ("branch_scale", "residual"), ("lr", "sgd_steps"),
    ("cotangent", "backward"), ("loss", "backward"),
])  # fmt: skip
def test_keywords_of_a_switch_that_is_off(name, switch, kind):
    off = {"backward": False} if switch == "backward" else {}
    if (switch, kind) == ("residual", "transformer"):
        fi.profile(**SIZES[kind], branch_scale=0.5)
        return
    said = f"`{name}` must be left out without {switch}, got {VALUES[name]!r}"
    assert refusal(**SIZES[kind], **off, **{name: VALUES[name]}) == said


X = np.zeros((4, 8), np.float32)
REFUSED = [
    ({"heads": 4}, "`heads` must be left out for kind 'mlp' (it belongs to kind 'transformer'), got 4"),
    ({"branch_scale": 0.5}, "`branch_scale` must be left out without residual, got 0.5"),
    ({"branch_scale": 0.5, "residual": False}, "`branch_scale` must be left out without residual, got 0.5"),
    ({"lr": [0.1, 0.2], "sgd_steps": 0}, "`lr` must be left out without sgd_steps, got [0.1, 0.2]"),
    ({"cotangent": X, "backward": False}, "`cotangent` must be left out without backward, got 'an array'"),
    ({"cotangent": "random_sign", "loss": "mse"},
     "`cotangent` must be left out where there is a loss, got 'random_sign'"),
    ({"cotangent": "random_sign", "sgd_steps": 1},
     "`cotangent` must be an array, or left out, with sgd_steps, got 'random_sign'"),
    ({"width": [8, 9, 8], "depth": 2}, "`depth` must be left out where width is a sequence, got 2"),
    ({"width": (8, 9, 8), "depth": 5}, "`depth` must be left out where width is a sequence, got 5"),
    ({"kind": "conv", "width": None, "channels": [3, 4], "depth": 1},
     "`depth` must be left out where channels is a sequence, got 1"),
    *(({"kind": "transformer", "depth": 1, "inputs": np.zeros((2, 3, 8)), "sequence_length": 3, name: value},
       f"`{name}` must be left out without tokens as inputs, got {value!r}")
      for name, value in (("vocabulary", 7), ("embedding_std", 0.02), ("positional", False))),
    ({"residual": "no"}, "`residual` must be True or False, got 'no'"),
    ({"residual": 1}, "`residual` must be True or False, got 1"),
    ({"backward": 0}, "`backward` must be True or False, got 0"),
    ({"backward": None}, "`backward` must be True or False, got None"),
    ({"jacobian": "yes"}, "`jacobian` must be True or False, got 'yes'"),
    ({"progress": "off"}, "`progress` must be True or False, got 'off'"),
    ({"kind": "transformer", "positional": "learned"}, "`positional` must be True or False, got 'learned'"),
    ({"kind": "transformer", "gated": 0.5}, "`gated` must be True or False, got 0.5"),
    ({"kind": "transformer", "causal": np.ones(2)}, "`causal` must be True or False, got array([1., 1.])"),
    ({"kind": "transformer", "residual": True},
     "`residual` must be left out for kind 'transformer' (it belongs to kinds 'mlp' and 'conv'), got True"),
    ({"kind": "transformer", "residual": False},
     "`residual` must be left out for kind 'transformer' (it belongs to kinds 'mlp' and 'conv'), got False"),
]  # fmt: skip


@pytest.mark.parametrize(("keywords", "said"), REFUSED, ids=lambda value: shown(value)[:40])
def test_refusals(keywords, said):
    assert refusal(**{"width": 8} | keywords) == said


def test_flags_of_numpy_are_flags():
    p = fi.profile(8, 2, batch=4, residual=np.True_, backward=np.False_)
    assert (p.network.residual, p.backward) == (True, False)
    assert isinstance(p.network.residual, bool)


@pytest.mark.parametrize("kind", KINDS)
def test_usual_values_are_those_of_what_is_left_out(kind):
    """All at once, with every switch on."""
    on = {"norm": "layer", **({"sgd_steps": 1} if kind == "mlp" else {})}
    on |= {} if kind == "transformer" else {"residual": True}
    usual = {name: one.usual for name, one in KEYWORDS.items() if kind in one.kinds and one.usual is not None}
    usual = {name: value for name, value in usual.items() if name not in {*SIZES[kind], *on}}
    if kind == "mlp":
        usual.pop("cotangent")
        usual |= {"norm_position": "pre_act", "loss": "mse", "lr": 0.1 / 8}
    one, other = fi.profile(**SIZES[kind], **on), fi.profile(**SIZES[kind], **on, **usual)
    assert all(np.array_equal(one[name], other[name], equal_nan=True) for name in FIELDS)
    assert str(one.network) == str(other.network)
    left_out = fi.profile(**SIZES[kind], **on, **dict.fromkeys(set(KEYWORDS) - {*SIZES[kind], *on}))
    assert all(np.array_equal(one[name], left_out[name], equal_nan=True) for name in FIELDS)


def test_the_docstring_says_usual_values():
    said = " ".join(inspect.getdoc(fi.profile).split())
    for words in (
        '3, 16 and "zero" where left out', "64 where left out", "1024, 0.02 and True where left out",
        "4 and False where left out", "1e-5 where left out", "factor of the branch; 1 where left out",
    ):  # fmt: skip
        assert words in said


def test_annotations_resolve_and_say_something():
    hints = typing.get_type_hints(fi.profile)
    assert set(hints) == {*inspect.signature(fi.profile).parameters, "return"}
    assert typing.Any not in hints.values()
    assert typing.get_args(hints["kind"]) == KINDS
    assert typing.get_args(NormName) == tuple(NORMS)
    assert typing.get_args(ActivationName) == tuple(ACTIVATIONS)
    assert hints["return"] is fi.Profile


def test_an_unknown_keyword_is_refused_in_the_name_of_profile():
    assert refusal(dpeth=3) == "profile() got an unexpected keyword argument 'dpeth' (nearest: 'depth')"


def test_seed_none_is_another_each_time_and_can_be_had_again():
    one, other = (fi.profile(8, 2, batch=4, seed=None) for _ in range(2))
    assert one.seed != other.seed
    again = fi.profile(8, 2, batch=4, seed=one.seed)
    assert all(np.array_equal(one[name], again[name], equal_nan=True) for name in FIELDS)
