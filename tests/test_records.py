"""Results as records: JSON and back, equality in which NaN equals NaN, hashes, frames, and what is refused."""

import json
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from test_verdict import FLAT, LAYERS, crafted

import fastinit as fi
from fastinit.profiler import Course, Finding, compare
from fastinit.profiler.show.story import Story
from fastinit.records import Record, plain, real_array, real_number

SMALL = {"width": 16, "depth": 5, "batch": 4}


def own(x):
    return np.sin(2 * x)


def own_derivative(x):
    return 2 * np.cos(2 * x)


def own_scheme(shape, seed, name):
    return fi.he_normal(shape, seed=seed, name=name)


NETWORKS = {
    "plain": {**SMALL, "seed": 2**100, "repeats": 3},
    "rectangular": {"widths": [12, 8, 3], "batch": 4, "dtype": "float64", "norm": "batch", "norm_position": "post_act"},
    "leaky": {**SMALL, "activation": ("leaky_relu", 0.123456789), "bias_std": 0.1},
    "elu": {**SMALL, "activation": ("elu", 1 / 3), "residual": True, "norm": "rms", "branch_scale": 0.3},
    "default leaky": {**SMALL, "activation": "leaky_relu", "scheme": "orthogonal"},
    "keywords": {**SMALL, "scheme": ("normal", {"std": 1 / 3, "mean": 0.0}), "gain": np.float64(1 / 7)},
    "conv": {"kind": "conv", "channels": (3, 4, 4), "image_size": 5, "batch": 2, "padding": "circular"},
    "transformer": {"kind": "transformer", "width": 8, "depth": 2, "batch": 2, "sequence_length": 3, "norm": "rms",
                    "activation": "gelu", "gated": True, "residual_gain": "gpt2", "logit_scale": "mup"},
    "steps": {**SMALL, "sgd_steps": 2},
    "forward": {**SMALL, "backward": False},
    "jacobian": {**SMALL, "jacobian": True, "repeats": 2},
    "own activation": {**SMALL, "activation": (own, own_derivative)},
    "own scheme": {**SMALL, "scheme": own_scheme, "gain": 0.7},
    "not finite": {**SMALL, "scheme": ("small_normal", {"std": 1e30}), "depth": 3},
    "zero": {**SMALL, "scheme": "zeros"},
}  # fmt: skip


@pytest.mark.parametrize("keywords", NETWORKS.values(), ids=NETWORKS)
def test_a_profile_comes_back_from_json(keywords):
    p = fi.profile(**keywords)
    text = p.to_json()
    q = fi.Profile.from_json(text)
    assert q == p and hash(q) == hash(p) and q.to_json() == text
    assert list(q) == list(p) and all(type(q[name]) is np.ndarray for name in q)
    for name in p:
        np.testing.assert_array_equal(q[name], p[name])
    assert q.verdict == p.verdict and hash(q.verdict) == hash(p.verdict)
    assert (repr(q), q.description, q.seconds) == (repr(p), p.description, p.seconds)
    assert (q.network.rows, q.network.output_shape, len(q.steps)) == (
        p.network.rows, p.network.output_shape, len(p.steps))  # fmt: skip
    assert all(mine == its for mine, its in zip(q.steps, p.steps, strict=True))


@pytest.mark.parametrize("name", ["plain", "leaky", "elu", "default leaky", "keywords"])
def test_the_network_of_a_profile_that_was_read_is_the_same_to_the_last_bit(name):
    given = NETWORKS[name]
    network = fi.Profile.from_json(fi.profile(**given).to_json()).network
    scheme = network.scheme
    again = {"activation": network.activation, "scheme": (scheme.name, scheme.keywords), "gain": scheme.gain}
    assert fi.profile(**given | again) == fi.profile(**given)


@pytest.mark.parametrize("name", ["own activation", "own scheme"])
def test_functions_of_the_user_come_back_as_their_names(name):
    network = fi.Profile.from_json(fi.profile(**NETWORKS[name]).to_json()).network
    given = {"own activation": {"activation": network.activation}, "own scheme": {"scheme": network.scheme.call}}[name]
    argument, whose = name.split()[1], {"own activation": "own", "own scheme": "own_scheme"}[name]
    with pytest.raises(ValueError) as raised:
        fi.profile(**SMALL, **given)
    rule = "the function itself, of which a profile that was read from JSON has the name"
    assert str(raised.value) == f"`{argument}` must be {rule}, got {whose!r}"


def test_profiles_are_equal_where_their_numbers_are():
    p, q, other = (fi.profile(**SMALL, seed=seed) for seed in (0, 0, 1))
    assert p == q and (p != q) is False and hash(p) == hash(q) and len({p, q, other}) == 2
    assert p != other and p != fi.profile(**SMALL, activation="tanh") and p != 3
    assert p != fi.profile(**SMALL, backward=False)
    assert p.verdict == q.verdict != other.verdict
    assert pickle.loads(pickle.dumps(p)) == p


def test_nan_equals_nan_in_verdicts_and_courses():
    broken = np.where(LAYERS < 7, 1.0, np.nan)
    one, other = (crafted(broken, np.where(LAYERS < 3, np.inf, 1.0)).verdict for _ in range(2))
    assert np.isnan(one.forward.theory)
    assert one == other and hash(one) == hash(other)
    assert one.forward == other.forward and hash(one.forward) == hash(other.forward)
    assert one.forward != one.backward and one != crafted(broken).verdict
    for record in (one, one.forward, *one.findings):
        assert type(record).from_json(record.to_json()) == record
    assert Course.from_json(one.backward.to_json()).logs[0] == np.inf
    assert json.loads(one.backward.to_json())["logs"][:4] == ["inf", "inf", "inf", 0.0]
    assert repr(one) == f"Verdict('not finite', {one.sentence!r})"


def test_findings_are_data():
    verdict = crafted(0.3**LAYERS, np.where(LAYERS < 5, 0.0, 1.0)).verdict
    assert [(one.kind, one.quantity, one.layer) for one in verdict.findings] == [("dead", "grad_act_second_moment", 4)]
    (forward,) = crafted(0.3**LAYERS).verdict.findings
    assert (forward.kind, forward.quantity, forward.layer) == ("vanishing", "act_second_moment", None)
    assert forward.numbers["rate"] == pytest.approx(0.3)
    assert [forward.numbers[f"{name}_layer"] for name in ("first", "last", "float16")] == [1, 19, 17]
    stable = crafted(FLAT, FLAT).verdict.findings
    assert [(one.kind, one.quantity) for one in stable] == [
        ("stable", "act_second_moment"), ("stable", "grad_act_second_moment")]  # fmt: skip
    cautious = crafted(FLAT, interrupted=True).verdict
    assert (cautious.kind, cautious.healthy, cautious.ok) == ("unknown", False, False)
    assert [one.quantity for one in cautious.findings if one.kind == "caution"] == ["partial"]
    assert Finding("dead", "act_second_moment", 3) == Finding("dead", "act_second_moment", 3, {})
    assert len({Finding("dead", "act_second_moment", 3), Finding("dead", "act_second_moment", 4)}) == 2


def test_statistics_come_back_from_json():
    rows = np.array([[1.0, 1.0, 1.0], [1.0, np.inf, 2.0], [1.0, np.nan, 3.0], [0.0, 1.0, 5.0]])
    for made in (
        *(fi.moments(row, order=order) for row in rows for order in (2, 4)),
        *(fi.moments(rows, axis=1, order=order) for order in (2, 4)),
        fi.moments([]),
    ):
        read = fi.Statistics.from_json(made.to_json())
        assert read == made and (read != made) is False and hash(read) == hash(made)
        assert [type(value) for value in read] == [type(value) for value in made]
    one = fi.moments(rows[3])
    assert one == tuple(one) and one.count == one[0] == 3 and one != fi.moments(rows[0])
    assert repr(one).startswith("Statistics(count=3, mean=2.0, variance=")


def test_verifications_come_back_from_json():
    weights = fi.he_normal((64, 64), seed=0)
    right, wrong = fi.verify(weights, "he_normal", seed=0), fi.verify(2 * weights, "he_normal")
    for made in (right, wrong):
        assert fi.Verification.from_json(made.to_json()) == made
    assert right != wrong and right.ok and not wrong.ok
    assert repr(right) == "Verification(4096 elements, ok)"
    assert repr(wrong) == f"Verification(4096 elements, not ok: {wrong.summary})"


def test_comparisons_come_back_from_json():
    made = compare([fi.profile(**SMALL, scheme=scheme) for scheme in ("he_normal", "zeros")])
    read = fi.Comparison.from_json(made.to_json())
    assert read == made and list(read) == ["he_normal", "zeros"] and type(read) is fi.Comparison
    assert repr(read) == "Comparison({'he_normal': stable, 'zeros': dead})"
    assert made != compare([made["zeros"]]) and made == dict(made)
    story = Story(made)
    assert type(Story.from_json(story.to_json())) is Story
    assert fi.Comparison.from_json(story.to_json()) == made


def test_a_page_has_what_can_be_read_back():
    p = fi.profile(**SMALL)
    page = p.to_html()
    assert fi.Profile.from_json(page.split('id="numbers">')[1].split("</script>")[0]) == p


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("", "''"),
        ("{", "'{'"),
        ('{"format": NaN}', "'{\"format\": NaN}'"),
        ("a longer text that is no JSON", "'a longer text that i...'"),
        ("[1]", "'format None, version None'"),
        ("{}", "'format None, version None'"),
        ('{"format": "fastinit Profile", "version": 1}', "\"format 'fastinit Profile', version 1\""),
        ('{"format": "fastinit Verdict", "version": 2}', "\"format 'fastinit Verdict', version 2\""),
    ],
)
def test_what_is_no_record_is_refused(text, got):
    with pytest.raises(ValueError) as raised:
        fi.Verdict.from_json(text)
    assert str(raised.value) == f"`text` must be JSON of format 'fastinit Verdict', version 1, got {got}"


def test_half_a_record_is_refused():
    with pytest.raises(ValueError) as raised:
        fi.Verdict.from_json('{"format": "fastinit Verdict", "version": 1, "kind": "stable", "findings": []}')
    rule = f"with all that fastinit {fi.__version__} reads of it (the version that wrote it reads it)"
    said = (
        f"`text` must be JSON of format 'fastinit {{}}', version 1, {rule}, got that of {{}}, with nothing under {{}}"
    )
    assert str(raised.value) == said.format("Verdict", "an earlier fastinit", "'backward'")
    p = fi.profile(**SMALL)
    for record, key in ((p.advise(), "remedy"), (p, "description")):
        written = json.loads(record.to_json())
        assert written["fastinit"] == fi.__version__
        del written[key]
        with pytest.raises(ValueError) as raised:
            type(record).from_json(json.dumps(written | {"fastinit": "0.1.7"}))
        assert str(raised.value) == said.format(type(record).__name__, "fastinit 0.1.7", f"'{key}'")
    written = json.loads(p.to_json())
    del written["fields"]["kernel_mean"]  # of which the verdict alone knows that it needs it
    with pytest.raises(ValueError) as raised:
        fi.Profile.from_json(json.dumps(written))
    assert str(raised.value) == said.format("Profile", f"fastinit {fi.__version__}", "'kernel_mean'")
    profiles = '{"format": "fastinit Comparison", "version": 1, "profiles": {"a": {"format": "fastinit Verdict"}}}'
    with pytest.raises(ValueError, match="`text` must be JSON of format 'fastinit Profile', version 1"):
        fi.Comparison.from_json(profiles)


def test_numbers_that_json_has_not():
    values = np.array([[1.5, np.nan], [np.inf, -np.inf]])
    assert plain(values) == [[1.5, None], ["inf", "-inf"]]
    assert plain({"a": (np.float32(0.5), float("nan"), np.int64(3), None)}) == {"a": [0.5, None, 3, None]}
    np.testing.assert_array_equal(real_array(plain(values)), values)
    assert [real_number(value) for value in (2, "inf", "-inf")] == [2.0, np.inf, -np.inf]
    assert np.isnan(real_number(None))
    with pytest.raises(NotImplementedError, match=r"Record\.from_dict"):
        Record.from_dict({})


def test_a_frame_has_a_row_for_each_layer_and_repeat():
    pandas = pytest.importorskip("pandas")
    p = fi.profile(**NETWORKS["plain"])
    frame = p.to_frame()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == 3 * 6
    assert list(frame.columns[:3]) == ["layer", "label", "repeat"]
    assert frame["layer"].tolist() == [*range(6)] * 3 and frame["repeat"].tolist() == sorted([0, 1, 2] * 6)
    assert set(frame.columns) > {
        *set(p) - {"kernel_eigenvalues"},
        "kind",
        "width",
        "depth",
        "activation",
        "scheme",
        "norm",
        "batch",
        "method",
        "seed",
    }
    for name in set(p) - {"kernel_eigenvalues"}:
        values = p[name] if len(p[name]) != 3 or p[name].ndim == 2 else p[name][:, None]  # of a repeat
        np.testing.assert_array_equal(frame[name].to_numpy().reshape(3, 6), np.broadcast_to(values, (3, 6)))
    assert frame["seed"].tolist() == [2**100 + repeat for repeat in range(3) for _ in range(6)]
    assert set(frame["scheme"]) == {"he_normal"} and set(frame["depth"]) == {5} and set(frame["width"]) == {16}
    means = frame.groupby("layer")["act_second_moment"].mean()
    np.testing.assert_allclose(means, p.mean("act_second_moment"))


def test_frames_of_other_networks():
    pytest.importorskip("pandas")
    frame = fi.profile(**NETWORKS["rectangular"]).to_frame()
    assert frame["width"].tolist() == [12, 8, 3] and frame["label"].tolist() == ["0", "1", "2"]
    assert frame["residual"].dtype == bool and frame["dtype"].tolist() == ["float64"] * 3
    text = fi.profile(**NETWORKS["transformer"]).to_frame()
    assert set(text["sequence_length"]) == {3} and set(text["mlp_ratio"]) == {4} and set(text["gated"]) == {True}
    image = fi.profile(**NETWORKS["conv"]).to_frame()
    assert set(image["image_size"]) == {5} and set(image["padding"]) == {"circular"}
    gained = fi.profile(**NETWORKS["keywords"]).to_frame()
    assert set(gained["scheme"]) == {"normal(std=0.3333333333333333, mean=0.0)"} and set(gained["gain"]) == {1 / 7}
    p = fi.profile(**NETWORKS["jacobian"])
    seen = p.to_frame().groupby("repeat")["jacobian_second_moment"]
    assert seen.nunique().tolist() == [1, 1] and seen.first().tolist() == p["jacobian_second_moment"].tolist()


def test_a_frame_of_several_profiles_names_them():
    pytest.importorskip("pandas")
    found = compare([fi.profile(**NETWORKS[name]) for name in ("plain", "conv", "forward")], ["a", "b", "c"])
    frame = found.to_frame()
    assert frame.columns[0] == "name" and frame["name"].tolist() == ["a"] * 18 + ["b"] * 3 + ["c"] * 6
    assert np.isnan(frame.loc[frame["name"] == "a", "image_size"]).all()
    assert frame.loc[frame["name"] == "b", "image_size"].tolist() == [5] * 3
    assert frame["backward"].dtype == bool and frame["act_mean"].dtype == np.float64


def test_without_pandas_a_frame_says_what_it_needs():
    code = """
import sys
sys.modules["pandas"] = None
import fastinit as fi
try:
    fi.profile(16, 2, batch=4).to_frame()
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    said = "pip install pandas (or '.[frame]' in the source folder of fastinit)"
    assert done.stdout == f"to make a frame needs pandas: {said}\n"


def test_steps_of_descent_are_written_once_each():
    sizes = [len(fi.profile(8, 2, batch=4, sgd_steps=steps).to_json()) for steps in (2, 4, 8)]
    assert sizes[2] - sizes[1] < 2.5 * (sizes[1] - sizes[0])
    one, other = (fi.profile(8, 2, batch=4, sgd_steps=3) for _ in range(2))
    again = fi.Profile.from_json(one.to_json())
    assert one == other == again and len(again.steps) == 3 and len(again.steps[2].steps) == 2
    assert again.steps[1] == one.steps[1]


def test_a_scheme_comes_back_with_what_describes_it():
    """Registered or not where it is read: with a scale it is whole, with a family its function may be missing."""
    scaled = fi.profile(16, 2, batch=4, scheme=fi.Scheme("anonymous", scale=1.2))
    again = fi.Profile.from_json(scaled.to_json())
    assert again == scaled and again.network.scheme.variance((16, 16)) == 1.2 / 16
    fi.register(fi.Scheme("named", family=fi.laws.Normal, keywords={"std": 0.2}))
    family = fi.profile(16, 2, batch=4, scheme="named")
    fi.unregister("named")
    missing = fi.Profile.from_json(family.to_json())
    assert missing == family and missing.to_json() == family.to_json()
    with pytest.raises(ValueError, match="the function itself"):
        missing.network.scheme.variance((16, 16))
    fi.register(fi.Scheme("anonymous", scale=2.5))
    assert fi.Profile.from_json(scaled.to_json()).network.scheme.variance((16, 16)) == 1.2 / 16


JUDGED = [
    ({"forward": 3}, TypeError, "`forward` must be (low, high), got 3"),
    ({"backward": (2.0, 1.0)}, ValueError, "`backward` must be (low, high) with low at most high, got (2.0, 1.0)"),
    ({"forward": (math.nan, 3)}, ValueError, "`forward` must be a finite number of at least 0, got nan"),
]


@pytest.mark.parametrize(("bounds", "error", "message"), JUDGED)
def test_bounds_are_checked(bounds, error, message):
    with pytest.raises(error) as raised:
        fi.profile(8, 2, batch=4).judge(**bounds)
    assert str(raised.value) == message


def test_json_that_was_changed_by_hand_is_refused_in_one_sentence():
    found = json.loads(fi.profile(8, 2, batch=4).to_json())
    for key, value in (("fields", 3), ("description", []), ("steps", 5), ("fields", {"act_mean": "x"})):
        with pytest.raises(ValueError):
            fi.Profile.from_json(json.dumps(found | {key: value}))
