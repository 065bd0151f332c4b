"""Schemes and fans: the scale of each, by the twin and by its formula."""

import copy
import functools
import inspect
import json
import pickle
from fractions import Fraction
from functools import partial
from math import sqrt

import mpmath
import numpy as np
import pytest
from conftest import bits

import fastinit as fi
from fastinit import reference
from fastinit.fill import draw
from fastinit.laws import (
    Called,
    Constant,
    DeltaOrthogonal,
    Dirac,
    Identity,
    Law,
    Normal,
    Orthogonal,
    Sparse,
    Truncated,
    Uniform,
    UniformBelow,
)
from fastinit.schemes import COMMON, REQUIRED, SCHEMES, scheme_of

STD = {
    "lecun": lambda i, o: sqrt(1 / i),
    "glorot": lambda i, o: sqrt(2 / (i + o)),
    "xavier": lambda i, o: sqrt(2 / (i + o)),
    "he": lambda i, o: sqrt(2 / i),
    "kaiming": lambda i, o: sqrt(2 / i),
}
SHAPES = [((300, 200), {}), ((3, 5, 40, 60), {}), ((64, 32, 3, 3), {"in_axis": 1, "out_axis": 0}),
          ((8, 100, 50), {"batch_axis": 0}), ((40, 5, 60), {"in_axis": (0, 1), "out_axis": 2})]  # fmt: skip


@pytest.mark.parametrize(("shape", "axes"), SHAPES, ids=str)
@pytest.mark.parametrize("author", STD)
@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "uniform"])
def test_scheme_has_its_deviation_and_the_twins_bits(author, distribution, shape, axes):
    name = f"{author}_uniform" if distribution == "uniform" else f"{author}_normal"
    keywords = {} if distribution == "uniform" else {"distribution": distribution}
    weights = getattr(fi, name)(shape, seed=1, gain=1.5, **keywords, **axes)
    again = getattr(reference, name)(shape, seed=1, gain=1.5, **keywords, **axes)
    assert np.array_equal(bits(weights), bits(again))
    expected = 1.5 * STD[author](*fi.fans(shape, **axes))
    # False alarm: 6e-7 each (5 standard errors of a standard deviation, kurtosis at most 3).
    assert abs(weights.std() / expected - 1) < 5 * sqrt(0.5 / weights.size)


def test_fans():
    assert fi.fans((784, 256)) == (784, 256)
    assert fi.fans((3, 3, 64, 128)) == (576, 1152)
    assert fi.fans((128, 64, 3, 3), in_axis=1, out_axis=0) == (576, 1152)
    assert fi.fans((8, 100, 50), batch_axis=0) == (100, 50)
    assert fi.fans((4, 5, 6), in_axis=(0, 1), out_axis=2) == fi.Fans(fan_in=20, fan_out=6)


def test_fans_are_those_of_jax_where_both_are_defined():
    """Values read off jax.nn.initializers' own rule for these shapes."""
    assert fi.fans((7, 2, 3, 5), in_axis=-2, out_axis=-1, batch_axis=(0,)) == (6, 10)
    assert fi.fans((7, 2, 3, 5), in_axis=(1, 2), out_axis=3, batch_axis=(0,)) == (6, 5)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg", "fan_geo_avg"])
def test_modes(mode):
    fan = {"fan_in": 90, "fan_out": 40, "fan_avg": 65, "fan_geo_avg": 60}[mode]
    got = fi.variance_scaling((90, 40), 3.0, mode, seed=1)
    assert np.array_equal(got, fi.normal((90, 40), 0.0, sqrt(3.0 / fan), seed=1))
    assert np.array_equal(got, reference.variance_scaling((90, 40), 3.0, mode, seed=1))


def test_the_fan_is_that_of_the_whole_array():
    whole = fi.he_normal((512, 128), seed=0, name="w")
    assert np.array_equal(fi.he_normal((512, 128), seed=0, name="w", index=np.s_[10:20, 3::4]), whole[10:20, 3::4])


def test_truncated_distribution_has_the_right_variance_and_bounds():
    weights = fi.he_normal((2000, 1000), seed=3, distribution="truncated_normal")
    std = sqrt(2 / 2000)
    assert abs(weights.std() / std - 1) < 5 * sqrt(0.5 / weights.size)
    assert abs(weights).max() <= 2 * std / 0.87962566103423978


def test_small_normal_and_aliases():
    assert np.array_equal(fi.small_normal((20, 30), seed=1), fi.normal((20, 30), 0.0, 0.01, seed=1))
    assert fi.kaiming_normal is fi.he_normal
    assert fi.xavier_uniform is fi.glorot_uniform
    assert fi.xavier_normal is fi.glorot_normal
    assert fi.kaiming_uniform is fi.he_uniform


def test_zero_fan_is_an_array_without_elements():
    assert fi.he_normal((0, 7), seed=1).shape == (0, 7)
    assert fi.glorot_uniform((3, 0), seed=1).shape == (3, 0)


def test_gain_and_scale_of_zero_are_zeros():
    for make in (
        fi.he_normal,
        fi.he_uniform,
        lambda shape, **k: fi.he_normal(shape, distribution="truncated_normal", **k),
    ):
        assert (make((4, 5), seed=1, gain=0) == 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize(
    "make",
    [lambda f, **k: f.constant((4, 5), 0.3, **k), lambda f, **k: f.zeros((4, 5), **k),
     lambda f, **k: f.ones((4, 5), **k),
     lambda f, **k: f.identity((4, 5), 0.7, **k), lambda f, **k: f.identity((5, 3), **k),
     lambda f, **k: f.dirac((3, 4, 6), 2, **k), lambda f, **k: f.dirac((6, 4, 3, 3), in_axis=1, out_axis=0, **k),
     lambda f, **k: f.dirac((2, 3, 3, 5, 4), **k)],
)  # fmt: skip
def test_laws_without_randomness(make, dtype):
    whole = make(fi, dtype=dtype)
    assert np.array_equal(bits(whole), bits(make(reference, dtype=dtype)))
    assert np.array_equal(make(fi, dtype=dtype, index=np.s_[1:, ::-1]), whole[1:, ::-1])
    out = np.full(whole.shape[::-1], 9, whole.dtype).T
    assert make(fi, dtype=dtype, out=out) is out
    assert np.array_equal(out, whole)
    assert make(fi, dtype=dtype, seed=0, name="x", threads=1).dtype == whole.dtype


def test_dirac_hands_its_input_on():
    """A circular convolution with the kernel is the identity on the channels both have."""
    kernel = fi.dirac((3, 4, 4))
    signal = fi.normal((10, 4), seed=1)
    padded = np.vstack([signal[-1:], signal, signal[:1]])
    passed = sum(padded[k : k + 10] @ kernel[k] for k in range(3))
    assert np.array_equal(passed, signal)


def test_a_large_identity_in_pieces():
    assert np.array_equal(fi.identity((300, 400)), np.eye(300, 400, dtype=np.float32))
    assert fi.identity((0, 3)).shape == (0, 3)


@pytest.mark.parametrize(
    "index", [np.s_[5:9, 3:8], np.s_[-4:, ::-1], np.s_[::7, ::3], np.s_[6], np.s_[..., 6], np.s_[6, 6]]
)
@pytest.mark.parametrize("make", [fi.identity, partial(fi.dirac, groups=3), partial(fi.dirac, in_axis=2, out_axis=0)])
def test_a_part_of_what_the_place_gives_is_that_of_the_whole(make, index):
    shape = (30, 20) if make is fi.identity else (30, 20, 9)
    assert np.array_equal(make(shape, index=index), make(shape)[index])


def test_a_part_of_what_the_place_gives_is_made_without_the_rest():
    """The whole would have 2**62 elements, and 2**31 of them ones."""
    side = 1 << 31
    assert np.array_equal(fi.identity((side, side), index=np.s_[-3:, -5:]), np.eye(3, 5, 2))
    assert fi.verify(fi.zeros((2, 2)), "identity", shape=(side, side), index=np.s_[:2, 5:7]).ok
    delta = fi.dirac((3, 1 << 40, 4), in_axis=2, out_axis=1, groups=1 << 38, index=np.s_[:, -4:, :])
    assert np.array_equal(delta, np.stack([np.zeros((4, 4)), np.eye(4), np.zeros((4, 4))]))


def test_init_makes_each_under_its_name():
    shapes = {"fc1": (7, 5), "fc2": (5, 3)}
    weights = fi.init(shapes, "glorot_uniform", seed=4, dtype="float64")
    assert list(weights) == ["fc1", "fc2"]
    for name, shape in shapes.items():
        assert np.array_equal(weights[name], fi.glorot_uniform(shape, seed=4, name=name, dtype="float64"))
    fewer = fi.init({"fc2": (5, 3)}, fi.glorot_uniform, seed=4, dtype="float64")
    assert np.array_equal(fewer["fc2"], weights["fc2"])
    assert not np.array_equal(fi.init(shapes)["fc1"], fi.init(shapes)["fc1"])


def test_many_arrays_by_rules():
    shapes = {"fc1.weight": (30, 20), "fc1.bias": 20, "fc2.weight": (20, 5)}
    rules = [("*.bias", "zeros"), ("fc1.*", "he_normal", {"gain": 0.5}), ("*", fi.laws.Uniform(-1.0, 1.0))]
    made = fi.init(shapes, rules, 3, dtype="float16")
    assert list(made) == list(shapes) and not made["fc1.bias"].any()
    named = {"name": "fc1.weight", "seed": 3, "dtype": "float16"}
    assert np.array_equal(made["fc1.weight"], fi.he_normal((30, 20), gain=0.5, **named))
    named["name"] = "fc2.weight"
    assert np.array_equal(made["fc2.weight"], fi.uniform((20, 5), low=-1.0, high=1.0, **named))


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_every_scheme_is_public_and_documented(name):
    """Its function has the keywords of its row, with their defaults, and makes what the row makes."""
    function, scheme = getattr(fi, name), SCHEMES[name]
    assert "Examples" in function.__doc__ or function.__name__ != name
    assert (scheme_of(function).scale, scheme_of(function).family) == (scheme.scale, scheme.family)
    parameters = inspect.signature(function).parameters
    assert next(iter(parameters)) == "shape" and tuple(parameters)[-len(COMMON) :] == COMMON
    own = {key: one.default for key, one in parameters.items() if key not in ("shape", *COMMON)}
    assert own == {
        key: one if one is not REQUIRED else inspect.Parameter.empty for key, one in scheme.parameters.items()
    }
    required = {key: 0.5 for key, default in scheme.parameters.items() if default is REQUIRED}
    shape = (3, 3, 4, 8)[2 * (name not in ("dirac", "delta_orthogonal")) :]
    assert np.array_equal(bits(function(shape, seed=1, **required)), bits(scheme(shape, seed=1, **required)))


def test_the_twin_has_every_scheme():
    assert all(callable(getattr(reference, name)) for name in SCHEMES)


LAWS = [
    Normal(0.5, 0.02), Uniform(-1, 3), UniformBelow(-1, 3), Truncated(0.1, 0.5, -3, 3.5),
    Truncated(low=7.5, high=np.inf), Constant(0.25), Identity(2), Dirac(2), Orthogonal(1.5, 1, 0),
    DeltaOrthogonal(2.0), Sparse(0.3, 0.1),
]  # fmt: skip


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_laws_are_values(law):
    """They compare, hash, pickle, do not change, and come back from what describes them."""
    assert pickle.loads(pickle.dumps(law)) == law == Law.from_dict(json.loads(json.dumps(law.to_dict())))
    assert hash(law) == hash(Law.from_dict(law.to_dict())) and repr(law).startswith(f"{type(law).__name__}(")
    assert len({law, *LAWS}) == len(LAWS)
    with pytest.raises(AttributeError, match="does not change"):
        law.mean = 3.0


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_laws_have_the_moments_and_bounds_that_their_values_have(law):
    """At n values a mean is off by 5 standard errors, and a deviation by 5 / sqrt(n), less than once in 10**6."""
    shape = (3, 40, 60) if law.least_axes == 3 else (400, 300)
    values = draw(law, shape, seed=3, name="moments", dtype="float64")
    n, deviation = values.size, law.deviation(shape)
    low, high = law.bounds
    assert low <= values.min() and values.max() <= high
    if not np.isnan(deviation):
        assert abs(values.std() - deviation) <= 5 * max(deviation, 1e-12) / sqrt(n) + 1e-12
        assert law.variance(shape) == pytest.approx(deviation**2, rel=1e-14)
    if law.is_independent:
        assert abs(values.mean() - law.mean) <= 5 * law.std / sqrt(n) + 1e-12
    if not isinstance(law, Dirac):
        twice = draw(law.scaled(2.0), shape, seed=3, name="moments", dtype="float64")
        assert np.allclose(twice, 2 * values, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("low", "high"), [(-2, 2), (0, 1), (7.5, np.inf), (-np.inf, -7.9), (3, 3 + 1e-6), (-0.5, 12), (-30, 30), (40, 41)]
)
def test_truncated_moments_are_exact_however_far_out(low, high):
    """Against 60 digits of mpmath's quadrature about the likeliest place: 1e-13 relative."""
    with mpmath.workdps(60):
        peak = min(max(mpmath.mpf(0), low), high)
        ends = [mpmath.mpf(low) - peak, mpmath.mpf(high) - peak]
        ends = [max(ends[0], -60), min(ends[1], 60)]
        cuts = [ends[0] + (ends[1] - ends[0]) * k / 40 for k in range(41)]
        zeroth, first, second = (
            mpmath.quad(lambda u, k=k: u**k * mpmath.exp(-u * (peak + u / 2)), cuts) for k in range(3)
        )
        mean, deviation = peak + first / zeroth, mpmath.sqrt(second / zeroth - (first / zeroth) ** 2)
    law = Truncated(low=low, high=high)
    assert law.std == pytest.approx(float(deviation), rel=1e-12)
    assert law.mean == pytest.approx(float(mean), rel=1e-13, abs=1e-15)


def test_schemes_that_users_register():
    own = fi.register(fi.Scheme("test_only", scale=1.5))
    assert fi.register(own) is own == pickle.loads(pickle.dumps(own))
    with pytest.raises(ValueError) as raised:
        fi.register(fi.Scheme("test_only", scale=1.6))
    assert str(raised.value) == "`scheme` must be of a name that no other scheme has, got 'test_only'"
    with pytest.raises(ValueError) as raised:
        fi.unregister("he_normal")
    assert str(raised.value) == "`name` must be one of 'test_only', got 'he_normal'"
    fi.unregister("test_only")
    with pytest.raises(ValueError, match="`scheme` must be one of 'normal'"):
        fi.init({"w": (3, 2)}, "test_only")


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_every_row_pickles_and_copies(name):
    for other in (pickle.loads(pickle.dumps(SCHEMES[name])), copy.deepcopy(SCHEMES[name])):
        assert other == SCHEMES[name] and hash(other) == hash(SCHEMES[name])
        assert [value is REQUIRED for value in other.keywords.values()] == [
            value is REQUIRED for value in SCHEMES[name].keywords.values()
        ]


class Box:
    """A number that changes, as a tensor's may."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return self.value

    def __index__(self):
        return self.value


def test_what_a_scheme_keeps_does_not_outlive_what_it_was_asked_with():
    """The second call with what is equal, or the same object with another value, has the law of that value."""
    shape, box = (64, 32), Box(1.0)
    plain = fi.he_normal(shape, seed=0)
    assert np.array_equal(fi.he_normal(shape, seed=0, gain=box), plain)
    box.value = 5.0
    assert np.array_equal(fi.he_normal(shape, seed=0, gain=box), fi.he_normal(shape, seed=0, gain=5.0))
    assert not np.array_equal(fi.he_normal(shape, seed=0, gain=box), plain)
    for gain in (np.array(2.0), np.float32(2), 2, Fraction(2)):
        assert np.array_equal(fi.he_uniform(shape, seed=0, gain=gain), fi.he_uniform(shape, seed=0, gain=float(gain)))
    for _ in range(2):
        assert np.signbit(fi.he_normal((4, 1), seed=0, gain=0.0) + 0.0).sum() == 0
        assert np.array_equal(bits(fi.he_normal(shape, seed=0, gain=-0.0)), bits(fi.he_normal(shape, seed=0, gain=0.0)))
        fi.he_normal(shape, seed=0, in_axis=1, out_axis=0)
        with pytest.raises(TypeError, match=r"`in_axis` must be an integer or a sequence of integers, got 1\.0"):
            fi.he_normal(shape, seed=0, in_axis=1.0, out_axis=0)
        with pytest.raises(TypeError, match="`shape` must be an integer"):
            fi.he_normal((64.0, 32), seed=0)
    assert np.array_equal(fi.he_normal(shape, seed=0, in_axis=[0], out_axis=[1]), plain)
    length = Box(64)
    assert np.array_equal(fi.he_normal((length, 32), seed=0), plain)
    length.value = 16
    assert np.array_equal(fi.he_normal((length, 32), seed=0), fi.he_normal((16, 32), seed=0))
    assert np.array_equal(fi.he_normal((np.array(64), 32), seed=0), plain)
    for width in range(1, 1500):
        fi.he_normal((2, width), seed=0)
    assert len(SCHEMES["he_normal"]._calls) <= 1 << 10


DRAWN = [name for name, scheme in SCHEMES.items() if scheme.needs_fans or scheme.family in (Normal, Uniform, Truncated)]
INDICES = (
    *(None, np.s_[2:5], np.s_[:, ::-2], np.s_[1:6:2, 3:4], np.s_[-1], np.s_[..., 1], np.s_[7:7], np.s_[20:]),
    *(np.s_[None, 2:], np.s_[::3, 2:-1], fi.flat[3:9], [np.s_[0], np.s_[1:3]], np.s_[2, 3]),
    *(np.s_[8], np.s_[-9], np.s_[:, 0], np.s_[::-2, -7], np.s_[4, 5::-3], np.s_[0, 6:], np.s_[3, 7:]),
)


def both_ways(function, shape, **common):
    """Bits of a call of which all is checked (its threads are no int of Python's), and of the same twice thereafter."""
    for threads in (np.int64(1), None, 2):
        made = function(shape, threads=threads, **common)
        yield [(part.shape, part.dtype, bits(part).tolist()) for part in (made if isinstance(made, list) else [made])]


@pytest.mark.parametrize("name", DRAWN)
def test_a_call_that_was_made_before_has_the_same_bits(name):
    function = getattr(fi, name)
    for dtype in ("float32", np.float64, np.dtype("float16"), "bfloat16"):
        for index in INDICES:
            first, *others = both_ways(function, (9, 7), seed=3, name="w", dtype=dtype, index=index)
            assert others == [first, first]
    for seed in (0, 2**64 - 1, 2**64, 2**128 - 1):
        for stream in ("", "é" * 40, "é" * 41, "w" * 500):
            first, *others = both_ways(function, (9, 7), seed=seed, name=stream)
            assert others == [first, first]
    for shape in ((130, 127), (1, 16384), (1, 16385), (2,) * 8, (2,) * 9, (3, 0), [9, 7], (np.int64(9), 7)):
        first, *others = both_ways(function, shape, seed=1)
        assert others == [first, first]


#: Laws that need no seed.
FIXED = {
    "zeros": fi.zeros,
    "ones": fi.ones,
    "constant": partial(fi.constant, value=0.3),
    "constant, an integer": partial(fi.constant, value=3),
    "constant, minus zero": partial(fi.constant, value=-0.0),
    "identity": partial(fi.identity, gain=0.3),
    "dirac": lambda shape, **common: fi.dirac((*shape, 2, 3), **common),
}


@pytest.mark.parametrize("name", FIXED)
def test_fixed_values_that_were_made_before_are_the_same(name):
    function, length = FIXED[name], 9
    for dtype in ("float32", np.float64, np.dtype("float16"), "bfloat16", None):
        for index in INDICES:
            first, *others = both_ways(function, (length, 7), dtype=dtype, index=index)
            assert others == [first, first]
    for shape in ((130, 127), (4096, 4096), (4097, 4097), (1, 1)):
        if name != "dirac":
            made = [function(shape, dtype="float16", threads=threads) for threads in (np.int64(1), None, 2)]
            assert all(np.array_equal(bits(one), bits(made[0])) for one in made)
    for out in (np.full((length, 7), 9, np.float32), np.full((7, length), 9, np.float32).T):
        for dtype in ("float32", None):
            if name != "dirac":
                assert function((length, 7), dtype=dtype, out=out) is out
                assert np.array_equal(bits(out), bits(function((length, 7))))


def test_a_dtype_that_is_not_named_is_that_of_out():
    """Though the same call was made with another."""
    for function in (partial(fi.normal, seed=1), fi.zeros, fi.ones, partial(fi.he_uniform, seed=2), fi.identity):
        for dtype in ("float64", "float32", "float16", "float64"):
            out = np.full((4, 4), 7, dtype)
            assert function((4, 4), dtype=None, out=out) is out
            assert np.array_equal(bits(out), bits(function((4, 4), dtype=dtype)))
        assert function((4, 4), dtype=None).dtype == np.float32
        with pytest.raises(TypeError, match=r"^`out` must be a NumPy array, got list$"):
            function((4, 4), dtype=None, out=[0.0])


def test_a_users_family_is_asked_at_each_call():
    """It may look elsewhere than at its keywords."""
    found = iter([fi.laws.Constant(1.0), fi.laws.Constant(2.0), fi.laws.Normal(3.0, 0.0), fi.laws.Normal(4.0, 0.0)])
    scheme = fi.Scheme("changing", family=lambda: next(found))
    assert [scheme((2, 2), seed=0).max() for _ in range(4)] == [1, 2, 3, 4]


def test_no_seed_is_another_at_each_call():
    one, other = (fi.normal((8, 8), seed=None) for _ in range(2))
    assert not np.array_equal(one, other)
    fi.normal((8, 8), seed=1)
    with pytest.raises(ValueError, match=r"^`seed` must be"):
        fi.normal((8, 8), seed=None, index=3)


@pytest.mark.parametrize("name", DRAWN)
def test_a_call_that_was_made_before_fills_what_it_is_given(name):
    function = getattr(fi, name)
    right = function((9, 7), seed=5)
    backing = np.zeros((2, 9 * 7 * 4 + 1), np.uint8)
    unaligned = backing[0, 1:].view(np.float32).reshape(9, 7)
    for out in (np.empty((9, 7), np.float32), np.empty((9, 7), np.float32, "F"), np.empty((9, 14), np.float32)[:, ::2],
                unaligned, np.empty((9, 7), np.float32).view(np.memmap)):  # fmt: skip
        assert function((9, 7), seed=5, out=out) is out
        assert np.array_equal(out, right)
    for index in (np.s_[2:5], np.s_[-2], np.s_[1::3, 4]):
        part = np.empty_like(right[index])
        assert function((9, 7), seed=5, index=index, out=part) is part
        assert np.array_equal(part, right[index])
    for shape, index in (((40_000, 3), -1), ((2, 16_385), 0), ((2, 16_384), 1), ((2,) * 8, np.s_[1, :, 0, ::-1, -1])):
        whole = function(shape, seed=5)
        assert np.array_equal(function(shape, seed=5, index=index), whole[index])


def test_a_call_that_was_made_before_refuses_in_the_same_words():
    locked = np.empty((9, 2), np.float32)
    locked.flags.writeable = False
    wrong = [{"seed": seed} for seed in (-1, 2**128, True, 1.0, "0")]
    wrong += [{"name": name} for name in ("\ud800", 5, None)]
    wrong += [{"threads": threads} for threads in (0, -1, True, 1.0)]
    wrong += [{"index": index} for index in ("a", np.s_[:, :, :], np.s_[1.0:], np.s_[::0], np.s_[20], [0, "a"])]
    wrong += [{"index": index} for index in (np.s_[9], np.s_[-10], np.s_[:, 2], np.s_[0, 0, 0], 2**70, True)]
    wrong += [{"out": out} for out in (locked, [], np.empty((9, 3), np.float32), np.empty((9, 2)))]

    def words(shape, bad):
        with pytest.raises((ValueError, TypeError, IndexError)) as refusal:
            fi.he_normal(shape, **({"seed": 0} | bad), gain=1.25)
        return refusal.type, str(refusal.value)

    before = [words((9, 2), bad) for bad in wrong]
    fi.he_normal((9, 2), seed=0, gain=1.25)
    assert [words((9, 2), bad) for bad in wrong] == before


def test_laws_are_taken_where_schemes_are():
    law = Truncated(0.1, 0.5, -1.0, 2.0)
    made = fi.init({"w": (30, 20)}, law, seed=1)["w"]
    assert np.array_equal(made, fi.truncated_normal((30, 20), 0.1, 0.5, -1.0, 2.0, seed=1, name="w"))
    assert fi.verify(made, law, seed=1, name="w").ok
    assert fi.profile(16, 2, scheme=Normal(0.0, 0.25), batch=4)["theory_act_second_moment"][1] == pytest.approx(0.5)
    with pytest.raises(TypeError) as raised:
        fi.init({"w": (3, 2)}, Normal)
    assert str(raised.value) == (
        "`scheme` must be a law, not its class (Normal(...) is one), got <class 'fastinit.laws.independent.Normal'>"
    )


DESCRIBED = [
    (lambda: fi.Scheme("x", family=3), TypeError, "`family` must be a function from keywords to a law, got 3"),
    (lambda: fi.Scheme("x", family=Normal, mode="fan_in"), ValueError,
     "`mode` must be left out, as distribution, where there is a family, got ('fan_in', None)"),
    (lambda: fi.Scheme("x", family=Normal, keywords={"stdd": 1.0}), TypeError,
     "`keywords` must be those of the family: got an unexpected keyword argument 'stdd'"),
    (lambda: fi.Scheme("x", family=lambda seed: Normal(), keywords={"seed": 1}), ValueError,
     "`keywords` must be none that every scheme takes (shape, fans, seed, name, dtype, index, out, threads), "
     "got ['seed']"),
    (lambda: fi.Scheme("x", 1.0, keywords={"scale": 3.0}), ValueError,
     "`keywords` must be with the scale that the scheme has (1.0), got 3.0"),
    (lambda: fi.Scheme("x", family=lambda: 3).law(), TypeError,
     "`family` must be a function from keywords to a law, got 3"),
    (lambda: fi.register(fi.Scheme("torch", 1.0)), ValueError,
     "`scheme` must be of a name as Python's are, and not 'torch', got 'torch'"),
    (lambda: fi.init({"a": 3, "b": 3}, [("a", "zeros")]), ValueError,
     "`scheme` must be such that each array has a law (a list may end with ('*', scheme)), got ['b']"),
    (lambda: fi.init({"a": 3}, [("*", "zeros"), ("a", "ones")]), ValueError,
     "`scheme` must be patterns of which each comes first for an array, got 'a': "
     "patterns before match all that it does"),
    (lambda: fi.init({"fc.weight": (3, 4), "fc.bias": 4}, [("*.bais", "zeros"), ("*", "he_normal")]), ValueError,
     "`scheme` must be patterns each of which matches the name of an array, got '*.bais': no array matches it "
     "(nearest: '*.bias')"),
    (lambda: fi.init({"fc1": (3, 4)}, [("*.bais", "zeros"), ("*", "he_normal")]), ValueError,
     "`scheme` must be patterns each of which matches the name of an array, got '*.bais': no array matches it "
     "(there are: 'fc1')"),
    (lambda: fi.init({"a": 3}, rules=[("*", "zeros")]), TypeError,
     "init() got an unexpected keyword argument 'rules' (a list of rules goes in `scheme`)"),
    (lambda: fi.init({"a": 3}, [("*", "zeros", "std")]), TypeError,
     "`scheme` must be a list of (pattern, scheme) or (pattern, scheme, keywords), got ('*', 'zeros', 'std')"),
    (lambda: fi.init({"a": 3}, [("*", "normal")], std=2.0), TypeError,
     "init() got an unexpected keyword argument 'std'"),
    (lambda: fi.init({"a": 3}, [("*", "he_normal")]), ValueError,
     "array 'a': `shape` must be of at least two axes, for a fan, got (3,)"),
    (lambda: fi.init({"a": 3}, [("*", "normal", {"seed": 3})]), TypeError,
     "normal() got an unexpected keyword argument 'seed'"),
    (lambda: fi.init({"a": 3}, [("*", lambda shape, **_: None, {"dtype": 3})]), TypeError,
     "<lambda>() got an unexpected keyword argument 'dtype'"),
    (lambda: fi.init({"a": (3, 3), "b": (3, 3)}, "normal", out=np.empty((3, 3), np.float32)), ValueError,
     "`out` must be left out where many arrays are made, got ndarray"),
    (lambda: fi.verify(np.zeros((5, 3)), "normal", index=np.s_[:5]), ValueError,
     "`shape` must be given where index is: that of the whole, got None"),
    (lambda: fi.profile(16, 2, scheme=fi.Scheme("he_normal", 1.2)), ValueError,
     "`scheme` must be of a name that no other scheme has, got 'he_normal'"),
    (lambda: fi.profile(16, 2, scheme=("he_normal", {"gain": 2.0})), ValueError,
     "`scheme` must be without gain, which is a keyword of profile itself (gain=...), "
     "got ('he_normal', {'gain': 2.0})"),
    (lambda: fi.Scheme("x"), ValueError, "`scale` must be given, or family, and not both, got (None, None)"),
    (lambda: fi.register(fi.Scheme("x y", 1.0)), ValueError,
     "`scheme` must be of a name as Python's are, and not 'torch', got 'x y'"),
    (lambda: fi.Scheme(7, 1.0), TypeError, "`name` must be a string, got 7"),
    (lambda: fi.Scheme("x", -1.0), ValueError, "`scale` must be a finite number of at least 0, got -1.0"),
    (lambda: fi.Scheme("x", 1.0, "fan"), ValueError,
     "`mode` must be one of 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg', got 'fan' (nearest: 'fan_in')"),
    (lambda: fi.Scheme("x", 1.0, keywords={"std": 1}), TypeError, "x() got an unexpected keyword argument 'std'"),
    (lambda: fi.register("he_normal"), TypeError, "`scheme` must be a Scheme, got 'he_normal'"),
    (lambda: SCHEMES["he_normal"].law(), ValueError, "`fans` must be given, for the scheme 'he_normal', got None"),
    (lambda: SCHEMES["he_normal"].law((3, 4), sacle=2), TypeError,
     "he_normal() got an unexpected keyword argument 'sacle'"),
    (lambda: SCHEMES["sparse"].law(), TypeError, "sparse() missing a required argument: 'sparsity'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), DESCRIBED, ids=[message[:50] for *_, message in DESCRIBED])
def test_schemes_refuse_in_one_sentence(call, error, message):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


def test_a_function_made_of_one_of_ours_is_another():
    @functools.wraps(fi.he_normal)
    def half(shape, **keywords):
        return 0.5 * fi.he_normal(shape, **keywords)

    made = fi.init({"w": (30, 20)}, half, seed=0)["w"]
    assert np.array_equal(made, 0.5 * fi.he_normal((30, 20), seed=0, name="w"))
    assert fi.verify(made, half, seed=0, name="w").ok
    tripled = functools.update_wrapper(functools.partial(fi.he_normal, gain=3.0), fi.he_normal)
    assert np.array_equal(
        fi.init({"w": (3, 2)}, tripled, seed=0)["w"], fi.he_normal((3, 2), gain=3.0, seed=0, name="w")
    )


@pytest.mark.parametrize(
    "make", [fi.he_normal, fi.glorot_uniform, fi.variance_scaling, SCHEMES["he_normal"], fi.normal]
)
def test_a_shape_may_be_read_once_only(make):
    assert np.array_equal(make(iter((3, 4)), seed=0), make((3, 4), seed=0))


@pytest.mark.parametrize("keywords", [{"distribution": None}, {"mode": None}, {"scale": None}])
def test_none_is_no_way_to_leave_out(keywords):
    with pytest.raises(TypeError):
        fi.variance_scaling((3, 4), **keywords)


def test_what_a_users_function_returns_is_put_where_it_is_wanted():
    """Whether it fills `out` or not, and returns it or not."""

    def returns(shape, *, seed, name, dtype, out=None, index=None):
        return fi.normal(shape, seed=seed, name=name, dtype=dtype, index=index)

    def fills(shape, *, seed, name, dtype, out, index=None):
        fi.normal(shape, seed=seed, name=name, dtype=dtype, index=index, out=out)

    expected = fi.normal((4, 3), seed=1, name="w")
    for function in (returns, fills):
        out = np.full((4, 3), np.nan, np.float32)
        assert draw(Called(function), (4, 3), seed=1, name="w", out=out) is out and np.array_equal(out, expected)
        pieces = [np.full((2, 3), np.nan, np.float32), np.full((1, 3), np.nan, np.float32)]
        draw(Called(function), (4, 3), seed=1, name="w", index=[np.s_[:2], np.s_[3:]], out=pieces)
        assert np.array_equal(pieces[0], expected[:2]) and np.array_equal(pieces[1], expected[3:])


def test_a_family_with_a_use_of_its_own_for_gain_is_multiplied():
    """In every method, and in theory."""
    for family, keywords in ((lambda gain: Normal(0.0, 0.05 * gain), {"gain": 3.0}),
                             (lambda gain: Normal(0.0, 0.05 * gain * gain), {"gain": 1.0})):  # fmt: skip
        fi.register(fi.Scheme("own_gain", family=family, keywords=keywords))
        for gain in (1.0, 2.0):
            variance = (gain * family(**keywords).std) ** 2
            for method in ("dense", "tiled", "matrix_free"):
                p = fi.profile(32, 2, "linear", "own_gain", gain=gain, batch=4, method=method)
                assert p["theory_act_second_moment"][1] == pytest.approx(32 * variance, rel=1e-12)
                assert p["weight_norm"][0, 1] == pytest.approx(32 * sqrt(variance), rel=0.1)
        fi.unregister("own_gain")


def test_extremes_of_truncated_moments():
    assert Truncated(low=1e200, high=np.inf).std == pytest.approx(1e-200, rel=1e-9)
    most = np.finfo(float).max  # a sum of two of it is none
    assert Truncated(low=most, high=np.inf).mean == most and Truncated(low=-np.inf, high=-most).std < 1e-300
    assert Truncated(low=-1e-300, high=1e-300).std == pytest.approx(1e-300 / sqrt(3), rel=1e-12)
    assert Normal(0, 1e308).variance(()) == np.inf
