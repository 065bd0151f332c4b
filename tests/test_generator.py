"""The generator: its values are the laws', its words are the stream's, and NumPy's own distributions run on them."""

import copy
import doctest
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from functools import partial
from hashlib import blake2b
from importlib import import_module
from itertools import product

import numpy as np
import pytest
from conftest import DTYPES, FOREIGN, LENGTHS, bits
from numpy.random.bit_generator import ISeedSequence, ISpawnableSeedSequence

import fastinit as fi
from fastinit import _core, generator, reference
from fastinit.dtypes import kind_of
from fastinit.ranges import interval
from fastinit.stream import stream_key

st = pytest.importorskip("scipy.stats")

SEED = 11
MANY = 10_000
#: Each of about 60 checks below fails for a right generator with probability 2e-9 (means and variances, six standard
#: errors of a normal) or 1e-6 (Kolmogorov-Smirnov): 1e-4 for all of them together, once, since the seeds are fixed.
ERRORS, LEAST_P = 6.0, 1e-6


def words(count, seed=SEED, first=0):
    return _core.words(stream_key(seed, "bits", ""), 0, first, count)


def drawn(seed=SEED, skipped=0):
    """A generator some 32-bit draws on."""
    rng = fi.default_rng(seed)
    for _ in range(skipped):
        next_uint32(rng.bit_generator)
    return rng


def next_uint32(bit_generator):
    return bit_generator.ctypes.next_uint32(bit_generator.ctypes.state)


def next_uint64(bit_generator):
    return bit_generator.ctypes.next_uint64(bit_generator.ctypes.state)


def next_double(bit_generator):
    return bit_generator.ctypes.next_double(bit_generator.ctypes.state)


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(bits(a), bits(b))


def seeds(children):
    return [getattr(child, "bit_generator", child).state["state"]["seed"] for child in children]


# The four that are the laws


#: What a generator's method is called with, and the law it gives.
CALLS = [
    ("standard_normal", (), "normal", ()),
    ("normal", (0.25, 0.02), "normal", (0.25, 0.02)),
    ("random", (), "uniform", ()),
    ("uniform", (-0.1, 0.3), "uniform", (-0.1, 0.3)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("method, arguments, law, parameters", CALLS, ids=[call[0] for call in CALLS])
def test_every_split_of_300_values_joins_to_the_law(method, arguments, law, parameters, dtype):
    whole = getattr(fi, law)(300, *parameters, seed=SEED, dtype=dtype)
    for cut in range(301):
        rng = fi.default_rng(SEED)
        pieces = [getattr(rng, method)(*arguments, size=size, dtype=dtype) for size in (cut, 300 - cut)]
        assert same(np.concatenate(pieces), whole), cut
        assert rng.bit_generator.state["state"] == {"seed": SEED, "position": 300, "word": 0}


def test_mixtures_of_laws_dtypes_and_sizes_share_one_position():
    choose, rng, position = np.random.default_rng(0), fi.default_rng(SEED), 0
    for _ in range(500):
        method, arguments, law, parameters = CALLS[choose.integers(len(CALLS))]
        dtype, count = str(choose.choice(DTYPES)), int(choose.choice(LENGTHS))
        got = getattr(rng, method)(*arguments, size=count, dtype=dtype)
        where = fi.flat[position : position + count]
        assert same(got, getattr(fi, law)(10**6, *parameters, seed=SEED, dtype=dtype, index=where))
        position += count
    assert rng.bit_generator.state["state"]["position"] == position


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_level_gives_the_twins_values(level, dtype):
    rng = fi.default_rng(SEED)
    rng.random(37)
    z, u = (law(259, seed=SEED, dtype=dtype) for law in (reference.normal, reference.uniform))
    assert same(rng.standard_normal((3, 41), dtype=dtype), z[37:160].reshape(3, 41))
    assert same(rng.random(99, dtype=dtype), u[160:])


def test_numbers_are_python_floats_and_continue_the_stream():
    rng = fi.default_rng(SEED)
    z, u, z23, u23 = (
        law(8, *parameters, seed=SEED, dtype="float64").tolist()
        for parameters, law in product([(), (2, 3)], [fi.normal, fi.uniform])
    )
    got = [rng.standard_normal(), rng.random(), rng.normal(), rng.uniform(), rng.normal(2, 3), rng.uniform(2, 3)]
    assert all(type(value) is float for value in got)
    assert got == [z[0], u[1], z[2], u[3], z23[4], u23[5]]
    for dtype in DTYPES:
        assert type(rng.standard_normal(dtype=dtype)) is float
    assert rng.standard_normal(()).shape == rng.normal(np.zeros(()), 1, ()).shape == ()
    assert type(rng.normal(np.array(1.0), np.float32(2))) is float


@pytest.mark.parametrize("dtype", DTYPES)
def test_out_of_any_layout(dtype):
    kind = fi.normal(0, dtype=dtype).dtype
    for method, arguments, law, parameters in CALLS:
        rng = fi.default_rng(SEED)
        whole = getattr(fi, law)(60, *parameters, seed=SEED, dtype=dtype)
        strided, fortran = np.zeros((5, 8), kind)[:, ::2], np.zeros((4, 5), kind, order="F")
        unaligned = np.zeros(20 * kind.itemsize + 1, np.uint8)[1:].view(kind)
        for first, out in zip((0, 20, 40), (strided, fortran, unaligned), strict=True):
            assert getattr(rng, method)(*arguments, dtype=dtype, out=out) is out
            assert same(out.ravel(), whole[first : first + 20])
    out = np.zeros(3, kind)
    assert fi.default_rng(SEED).standard_normal(3, None, out) is out
    assert same(out, fi.normal(3, seed=SEED, dtype=dtype))


@pytest.mark.parametrize("name", [float, "d", "f8", np.double, np.dtype("float64"), "float64", None])
def test_dtypes_as_numpy_names_them(name):
    assert fi.default_rng(0).random(1, name).dtype == np.float64


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_parameters_broadcast_and_are_rounded_once_per_precision(dtype):
    real = np.float64 if dtype == "float64" else np.float32
    a, b = np.array([[0.1], [-3.0], [40.0]]), np.array([0.5, 0.0, 2.0, 7.1])
    z = fi.normal((3, 4), seed=SEED, dtype=real).astype(np.float64)
    expected = (z * b + a).astype(real).astype(fi.normal(0, dtype=dtype).dtype)
    assert same(fi.default_rng(SEED).normal(a, b, dtype=dtype), expected)
    assert same(fi.default_rng(SEED).normal(a, b, (3, 4), dtype), expected)
    out = np.zeros((4, 3), expected.dtype).T
    assert fi.default_rng(SEED).normal(a, b, dtype=dtype, out=out) is out
    assert same(out, expected)
    stacked = fi.default_rng(SEED).normal(a, b, (2, 3, 4), dtype)
    assert same(stacked[0], expected)


def test_arrays_of_one_parameter_agree_with_the_number_to_the_last_bit_or_its_neighbour():
    for method, arguments, dtype in product(("normal", "uniform"), ((0.1, 0.7), (-3.0, 5.5)), DTYPES):
        number = getattr(fi.default_rng(SEED), method)(*arguments, 2000, dtype)
        array = getattr(fi.default_rng(SEED), method)(np.full(2000, arguments[0]), arguments[1], None, dtype)
        spacing = np.finfo(number.dtype).eps if dtype != "bfloat16" else 2.0**-7
        distance = abs(number.astype(float) - array.astype(float))
        assert (distance <= 2 * spacing * np.maximum(abs(number.astype(float)), 4)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_between_arrays_is_half_open(dtype):
    real = np.dtype(dtype).type
    low = np.array([1.0, 0.1, -0.1, 5.0, -1.0])
    high = np.array([np.nextafter(real(1), real(2)), 0.1 + 1e-6, 0.0, 5.0, 1.0])
    got = fi.default_rng(SEED).uniform(low, high, (1000, 5), dtype).astype(np.float64)
    assert (got >= low).all()
    assert ((got < high) | (low == high)).all()
    assert (got[:, [0, 3]] == [1, 5]).all()


def test_nan_and_infinity_spread_as_in_numpy():
    rng = fi.default_rng(0)
    assert np.isnan(rng.normal(np.nan)) and np.isnan(rng.normal(0, np.nan)) and rng.normal(-np.inf) == -np.inf
    assert np.isnan(rng.normal([np.nan, 1], 1)).tolist() == [True, False]


KINDS = [3, True, 10**20, -(2**64), 2**63, Fraction(1, 3), Decimal("0.1"), np.array(2**70), np.float16(0.1)]


@pytest.mark.parametrize("number", KINDS, ids=repr)
def test_whatever_has_a_float_is_a_parameter(number):
    for method, other in (("normal", 2.0), ("uniform", 1e30)):
        for given, plain in ((number, float(number)), ([number] * 3, [float(number)] * 3)):
            got, wanted = (getattr(fi.default_rng(SEED), method)(first, other, 3) for first in (given, plain))
            assert same(got, wanted)


class Stubborn(np.ndarray):
    """A number that will not be one."""

    def __float__(self):
        raise ZeroDivisionError("mine")


class Stubborner:
    """The same, not of NumPy."""

    __float__ = Stubborn.__float__


@pytest.mark.parametrize("number", [np.array(1.0).view(Stubborn), Stubborner(), [2**64, Stubborner()]])
def test_what_conversion_to_a_float_raises_is_raised(number):
    rng = fi.default_rng(SEED)
    for call in (rng.normal, rng.uniform, partial(rng.normal, 0), partial(rng.uniform, 0)):
        with pytest.raises(ZeroDivisionError, match="mine"):
            call(number)
    assert rng.bit_generator.state == at(position=0, word=0)


# What is drawn without Python's looking at the arguments


def looked_at():
    """A generator each of whose calls Python looks at."""
    rng = fi.default_rng(SEED)
    rng._next = lambda *_: None
    return rng


def outcome(call, rng, out=None):
    """What a call makes, to the bit, or its refusal; what is then in `out`; and where that leaves the generator."""
    made = out
    try:
        made = call(rng)
        said = "" if out is None or made is out else "another array"
    except (ValueError, TypeError, OverflowError) as error:
        said = (type(error), str(error))
    whole = np.asarray(made) if made is not None else np.zeros(0)
    return said, type(made), whole.dtype, whole.shape, whole.tobytes(), rng.bit_generator.state


SIZES = [
    *(None, (), 0, 1, 31, 32, 33, 16384, 16385, (8, 8), (3, 0), (0, 10**6), (2,) * 8, (2,) * 9, (128, 128), (129, 128)),
    *([4, 2], np.int64(3), np.array([2, 3]), (np.int64(2), 3), True, -1, 1.5, (2, -1), (2, 1.5), 2**63, 2**70, "a"),
]
NAMES = [
    *(np.float64, np.float32, "float64", "float32", np.dtype("f8"), np.dtype("f4"), float, "d", None),
    *(np.dtype(f"{FOREIGN}f8"), np.float16, "bfloat16", int, "half8", 5, [1]),
]
PARAMETERS = [
    *((), (0.25, 0.02), (-0.1, 0.3), (2, 3), (0.0, 0.0), (-0.0, 0.0), (0.0, -0.0), (-0.0, 1.0), (1, 0), (5.0, 5.0)),
    *((0.0, 1e30), (0.0, np.nextafter(1e30, 2e30).item()), (-1e30, 1e30), (0.0, 1e37), (-3e38, 3e38), (1e308, 1e308)),
    *((np.nan, 1.0), (0.0, np.nan), (0.0, np.inf), (True, 2), (2**53 + 1, 2**54), (0, 2**1024), (0.0, 5e-324)),
    *((1 + 1e-12, 1 + 2e-12), (np.float32(0.1), 0.7), (np.array(0.1), 1), ([0.1, 0.2], 1), ("a", 1), (None, 1)),
]


@pytest.mark.parametrize("method", ["standard_normal", "random", "normal", "uniform"])
def test_calls_are_those_that_python_looks_at(method):
    """Every size, name of a dtype and parameters, each with some of the others; and where the stream ends."""
    rng, slow = fi.default_rng(SEED), looked_at()
    takes = PARAMETERS if method in ("normal", "uniform") else [()]
    calls = list(product(SIZES, NAMES[:2], takes[:3])) + list(product((None, 3), NAMES, takes[:3]))
    calls += list(product((None, 3), NAMES[:2], takes))
    for number, (size, dtype, parameters) in enumerate(calls):

        def call(rng):
            return getattr(rng, method)(*parameters, size=size, dtype=dtype)  # noqa: B023

        for left in (2**63, 40, 32, 3, 1, 0) if number % 5 == 0 else (2**63,):
            if left < 2**62:
                for each in (rng, slow):
                    each.bit_generator.state = at(position=2**63 - 1 - left, word=0)
            assert outcome(call, rng) == outcome(call, slow), (size, dtype, parameters, left)
        for each in (rng, slow):
            each.bit_generator.state = at(position=number, word=0)


def test_arrays_to_fill_are_those_that_python_looks_at():
    rng, slow = fi.default_rng(SEED), looked_at()

    def arrays(kind, count):
        yield from (np.zeros(shape, kind) for shape in (count, (), (4, 5), (2,) * 9))
        yield from (np.zeros((4, 5), kind, order="F"), np.zeros((5, 8), kind)[:, ::2])
        yield np.zeros(kind.itemsize * 20 + 1, np.uint8)[1:].view(kind)
        yield from (np.zeros(20, kind.newbyteorder()), np.zeros(20, kind).view(Stubborn))
        locked = np.zeros(20, kind)
        locked.flags.writeable = False
        yield from (locked, np.broadcast_to(np.zeros(1, kind), 20), [0.0])

    for kind, count, size in product(
        map(np.dtype, ("f8", "f4", "f2", "i8")), (0, 20, 16384, 16385), (None, 20, (4, 5))
    ):
        for out, twin in zip(arrays(kind, count), arrays(kind, count), strict=True):
            for name in (np.float64, np.float32, None):
                got, wanted = (
                    outcome(lambda rng: rng.uniform(-1, 1, size, name, out), rng, out),  # noqa: B023
                    outcome(lambda rng: rng.uniform(-1, 1, size, name, twin), slow, twin),  # noqa: B023
                )
                assert got == wanted


@pytest.mark.parametrize("dtype", [np.float64, np.float32, "float64", "float32", np.dtype("f8"), np.dtype("f4")])
def test_usual_calls_are_not_looked_at(dtype):
    """Which the others in this part compare; a call that is looked at takes ten times as long."""
    bit_generator = fi.ARS(SEED)
    for law, one, other, size in product((0, 1), (0.0, -3), (1, 2.5), (None, (), 5, 16384, (8, 8), (2,) * 8)):
        assert bit_generator._draw(law, one, other, size, dtype, None) is not None
    out = np.zeros(5, dtype)
    assert bit_generator._draw(0, 0.0, 1.0, None, dtype, out) is out
    for law in (-1, 2):
        with pytest.raises(ValueError, match=f"`law` must be below 2, got {law}"):
            bit_generator._draw(law, 0.0, 1.0, None, dtype, None)


def test_numbers_of_a_tile_drawn_ahead_are_those_of_the_place():
    """Whatever else moves, sets or shares the place between them."""
    choose, rng = np.random.default_rng(1), fi.default_rng(SEED)
    sharing = fi.Generator(rng.bit_generator)
    position, seed = 0, SEED
    for _ in range(4000):
        step = choose.integers(10)
        if step == 0:
            position, seed = int(choose.integers(70)), int(choose.integers(3))
            rng.bit_generator.state = at(seed, position=position, word=0)
        elif step == 1:
            delta = int(choose.integers(-position, 40))
            rng.bit_generator.advance(delta)
            position += delta
        elif step == 2:
            rng.integers(9), rng.exponential()
        elif step == 3:
            rng, sharing = copy.deepcopy(rng), rng
            sharing = fi.Generator(rng.bit_generator)
        else:
            method, arguments, law, parameters = CALLS[choose.integers(len(CALLS))]
            dtype = ("float64", "float32")[choose.integers(2)]
            size = (None, None, None, 5)[choose.integers(4)]
            got = getattr((rng, sharing)[choose.integers(2)], method)(*arguments, size=size, dtype=dtype)
            count = 1 if size is None else size
            where = fi.flat[position : position + count]
            right = getattr(fi, law)(1 << 20, *parameters, seed=seed, dtype=dtype, index=where)
            assert np.array_equal(np.atleast_1d(got), right)
            position += count
        assert rng.bit_generator.state["state"]["position"] == position


def test_the_least_and_the_greatest_number_of_an_interval(level):
    """As NumPy finds them for arrays; in two precisions, at zeros, subnormals, powers of two and large numbers."""
    near = [0.0, 5e-324, 1e-46, 1e-45, 1e-38, 2.0**-126, 0.1, 1.0, 1 + 2.0**-30, 1 + 2.0**-23, 1e30, 3e38]
    numbers = sorted({sign * number for number in near for sign in (1, -1)})
    for kind in map(kind_of, ("float32", "float64", "float16")):
        for low, high in product(numbers, numbers):
            if low <= high and max(-low, high, high - low) <= kind.greatest:
                least, greatest = _core.ends_of_numbers(kind.code, low, high)
                if least > greatest:
                    with pytest.raises(ValueError, match="lies in"):
                        interval(kind, low, high)
                else:
                    assert (least, greatest) == interval(kind, low, high)


# The words, and what NumPy makes of them


@pytest.mark.parametrize("skipped", [0, 1, 2, 1021, 1022, 1023, 1024, 1025])
def test_draws_are_the_words_in_order(level, skipped):
    bit_generator, position, w = drawn(skipped=skipped).bit_generator, skipped, words(8000).tolist()
    for i in range(600):
        if i % 3 == 0:
            assert next_uint32(bit_generator) == w[position]
            position += 1
            continue
        wide = w[position] | w[position + 1] << 32
        if i % 3 == 1:
            assert next_uint64(bit_generator) == wide
        else:
            assert next_double(bit_generator) == (wide >> 11) * 2**-53
        position += 2
    assert bit_generator.state["state"] == {"seed": SEED, "position": 0, "word": position}


def test_raw_draws_are_the_words_and_begin_again_after_the_last():
    assert np.array_equal(fi.ARS(SEED).random_raw(5000).astype("<u8").view("<u4"), words(10_000))
    bit_generator = fi.ARS(SEED)
    bit_generator.state = at(position=0, word=2**64 - 3)
    last = words(3, first=2**64 - 3).tolist() + words(3).tolist()
    assert bit_generator.random_raw(3).tolist() == [last[i] | last[i + 1] << 32 for i in (0, 2, 4)]
    assert bit_generator.state == at(position=0, word=3)


def test_known_words():
    """Pinned: a change here is a change of the stream."""
    key = blake2b(b"fastinit/stream0" + bytes(16) + b"bits".ljust(16, b"\0"), digest_size=16).digest()
    low, high, *_ = _core.ars_block(key, (0, 0, 0, 0), 7)
    assert fi.ARS(0).random_raw(2).tolist() == [low | high << 32, 9918040121838880248]
    assert low | high << 32 == 10207701513040083915


CONTINUOUS = [
    ("beta", (2, 3), st.beta(2, 3)),
    ("chisquare", (3,), st.chi2(3)),
    ("exponential", (2,), st.expon(scale=2)),
    ("f", (5, 20), st.f(5, 20)),
    ("gamma", (2.5, 1.5), st.gamma(2.5, scale=1.5)),
    ("gamma", (0.5, 1), st.gamma(0.5)),
    ("gumbel", (1, 2), st.gumbel_r(1, 2)),
    ("laplace", (1, 2), st.laplace(1, 2)),
    ("logistic", (1, 2), st.logistic(1, 2)),
    ("lognormal", (0, 0.5), st.lognorm(0.5)),
    ("noncentral_chisquare", (3, 2), st.ncx2(3, 2)),
    ("noncentral_f", (5, 30, 2), st.ncf(5, 30, 2)),
    ("normal", (1, 2), st.norm(1, 2)),
    ("pareto", (3,), st.lomax(3)),
    ("power", (3,), st.powerlaw(3)),
    ("random", (), st.uniform()),
    ("rayleigh", (2,), st.rayleigh(scale=2)),
    ("standard_cauchy", (), st.cauchy()),
    ("standard_exponential", (), st.expon()),
    ("standard_gamma", (3,), st.gamma(3)),
    ("standard_normal", (), st.norm()),
    ("standard_t", (4,), st.t(4)),
    ("triangular", (0, 1, 4), st.triang(0.25, scale=4)),
    ("uniform", (-1, 3), st.uniform(-1, 4)),
    ("vonmises", (0, 2), st.vonmises(2)),
    ("wald", (2, 3), st.invgauss(2 / 3, scale=3)),
    ("weibull", (2,), st.weibull_min(2)),
]
DISCRETE = [
    ("binomial", (20, 0.3), st.binom(20, 0.3)),
    ("binomial", (1000, 0.4), st.binom(1000, 0.4)),
    ("geometric", (0.3,), st.geom(0.3)),
    ("hypergeometric", (15, 20, 10), st.hypergeom(35, 15, 10)),
    ("integers", (100,), st.randint(0, 100)),
    ("integers", (-3, 2**30), st.randint(-3, 2**30)),
    ("logseries", (0.6,), st.logser(0.6)),
    ("negative_binomial", (5, 0.4), st.nbinom(5, 0.4)),
    ("poisson", (4,), st.poisson(4)),
    ("poisson", (50,), st.poisson(50)),
    ("zipf", (9,), st.zipf(9)),
]
OTHER = {
    "bytes", "choice", "dirichlet", "multinomial", "multivariate_hypergeometric", "multivariate_normal", "permutation",
    "permuted", "shuffle", "spawn", "bit_generator",
}  # fmt: skip


def test_every_method_of_numpys_generator_is_in_these_tests():
    names = {name for name in dir(np.random.Generator) if not name.startswith("_")}
    assert names == OTHER | {name for name, *_ in CONTINUOUS + DISCRETE}


@pytest.mark.parametrize("name, arguments, law", CONTINUOUS, ids=[name for name, *_ in CONTINUOUS])
def test_continuous_distributions(name, arguments, law):
    sample = getattr(fi.default_rng(SEED), name)(*arguments, size=MANY)
    assert st.kstest(sample, law.cdf).pvalue > LEAST_P


@pytest.mark.parametrize("name, arguments, law", DISCRETE, ids=[name for name, *_ in DISCRETE])
def test_discrete_distributions(name, arguments, law):
    sample = getattr(fi.default_rng(SEED), name)(*arguments, size=MANY)
    mean, variance, excess = (float(moment) for moment in law.stats("mvk"))
    assert sample.dtype == np.int64
    assert abs(sample.mean() - mean) < ERRORS * np.sqrt(variance / MANY)
    assert abs(sample.var() - variance) < ERRORS * variance * np.sqrt((excess + 2) / MANY)


def test_dtypes_and_ends_of_integers():
    rng = fi.default_rng(SEED)
    for dtype in ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"):
        least, most = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        sample = rng.integers(least, most, MANY, dtype, endpoint=True)
        middle, deviation = (least + most) / 2, (most - least) / np.sqrt(12) + 0.5
        assert sample.dtype == dtype
        assert abs(sample.astype(float).mean() - middle) < ERRORS * deviation / np.sqrt(MANY)


def test_vectors_and_permutations():
    rng = fi.default_rng(SEED)
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    sample = rng.multivariate_normal([1, -1], cov, MANY)
    assert abs(sample.mean(0) - [1, -1]).max() < ERRORS * np.sqrt(2 / MANY)
    assert abs(np.cov(sample.T) - cov).max() < ERRORS * np.sqrt(8 / MANY)
    assert abs(rng.dirichlet([1, 2, 3], MANY).mean(0) - np.array([1, 2, 3]) / 6).max() < ERRORS * 0.2 / np.sqrt(MANY)
    assert abs(rng.multinomial(10, [0.2, 0.8], MANY).mean(0) - [2, 8]).max() < ERRORS * np.sqrt(1.6 / MANY)
    assert abs(rng.multivariate_hypergeometric([5, 5], 4, MANY).mean(0) - 2).max() < ERRORS / np.sqrt(MANY)
    shares = [0.1, 0.2, 0.3, 0.4]
    assert abs(np.bincount(rng.choice(4, MANY, p=shares)) / MANY - shares).max() < ERRORS * 0.5 / np.sqrt(MANY)
    assert sorted(rng.permutation(50)) == sorted(rng.choice(50, 50, replace=False)) == list(range(50))
    shuffled = np.arange(50)
    rng.shuffle(shuffled)
    assert sorted(shuffled) == list(range(50)) and shuffled.tolist() != list(range(50))
    assert (np.sort(rng.permuted(np.tile(np.arange(9), (5, 1)), axis=1)) == np.arange(9)).all()
    assert len(rng.bytes(11)) == 11


def test_first_places_of_permutations_are_even():
    """24 orders of 4 things; chi-square with 23 degrees of freedom stays below 80 with probability 1 - 3e-8."""
    rng = fi.default_rng(SEED)
    orders = rng.permuted(np.tile(np.arange(4), (24_000, 1)), axis=1) @ [64, 16, 4, 1]
    counts = np.unique(orders, return_counts=True)[1]
    assert len(counts) == 24 and ((counts - 1000) ** 2 / 1000).sum() < 80


def test_distributions_are_the_same_on_every_level(level):
    def some(rng):
        return [rng.integers(1000, size=700).tolist(), rng.gamma(2.0, size=700).tolist(), rng.permutation(700).tolist()]

    got = some(fi.default_rng(SEED))
    assert _core.use_isa("portable")
    assert got == some(fi.default_rng(SEED))


def test_words_and_values_do_not_move_each_other():
    plain, mixed = fi.default_rng(SEED), fi.default_rng(SEED)
    mixed.standard_normal(1000)
    assert (plain.integers(10**9, size=100) == mixed.integers(10**9, size=100)).all()
    assert mixed.random() == fi.uniform(1001, seed=SEED, dtype="float64")[1000]


# Seeds


def test_seeds():
    sequence = np.random.SeedSequence(5)
    bit_generator = fi.ARS(5)
    assert fi.default_rng(5).random() == fi.uniform(1, seed=5, dtype="float64")[0]
    assert fi.default_rng(sequence).random() == fi.uniform(1, seed=sequence, dtype="float64")[0]
    assert fi.default_rng(np.int64(5)).random() == fi.default_rng(5).random()
    assert fi.default_rng(bit_generator).bit_generator is bit_generator
    rng = fi.default_rng(bit_generator)
    assert fi.default_rng(rng) is rng and np.random.default_rng(rng) is rng
    assert isinstance(rng, np.random.Generator) and isinstance(bit_generator, np.random.BitGenerator)
    assert fi.ARS(sequence).seed_seq is sequence and fi.ARS(5).seed_seq.entropy == 5
    assert fi.ARS(2**128 - 1).state["state"]["seed"] == 2**128 - 1


LISTS = [
    [], [5], (5, 3), range(4), [[1, 2], [3]], [2**200, 0], [np.int8(5), 2**64], np.arange(5),
    np.array([[7, 2**63]], "u8"), np.array([2**70, 1], object),
]  # fmt: skip


@pytest.mark.parametrize("seed", LISTS, ids=map(repr, LISTS))
def test_lists_and_arrays_are_the_seeds_that_a_seed_sequence_makes_of_them(seed):
    expected = fi.ARS(np.random.SeedSequence(seed))
    rng = fi.default_rng(seed)
    assert rng.bit_generator.state == fi.ARS(seed).state == expected.state != fi.ARS(5).state
    assert seeds(rng.spawn(2)) == seeds(expected.spawn(2))
    values = rng.random(9)
    for law in (fi.uniform, reference.uniform):
        assert same(law(9, seed=seed, dtype="float64"), values)


def test_a_number_without_axes_is_an_integer():
    for seed in (np.array(5), np.uint64(5), np.int8(5)):
        assert fi.ARS(seed).state == fi.ARS(5).state


class Sequence(ISpawnableSeedSequence):
    """A user's own seeds, which count their children with a pause."""

    def __init__(self, first=1):
        self.first, self.count = first, 0

    def generate_state(self, n_words, dtype=np.uint32):
        return np.arange(self.first, self.first + n_words).astype(dtype)

    def spawn(self, n_children):
        count = self.count
        time.sleep(1e-4)
        self.count = count + n_children
        return [Sequence(100 * self.first + count + i) for i in range(n_children)]


def test_any_seed_sequence_is_a_seed():
    sequence = Sequence()
    rng = fi.default_rng(sequence)
    assert rng.bit_generator.seed_seq is sequence
    assert rng.bit_generator.state["state"]["seed"] == 1 + (2 << 32) + (3 << 64) + (4 << 96)
    assert rng.random() == fi.uniform(1, seed=Sequence(), dtype="float64")[0]
    assert [child.bit_generator.seed_seq.first for child in rng.spawn(2) + rng.spawn(1)] == [100, 101, 102]


def test_a_seed_sequence_without_children_is_a_seed_too():
    class Childless(ISeedSequence):
        first, generate_state = 1, Sequence.generate_state

    bit_generator = fi.ARS(Childless())
    assert bit_generator.state == fi.ARS(Sequence()).state
    assert bit_generator.jumped().state == fi.ARS(Sequence()).jumped().state
    with pytest.raises(TypeError, match="The underlying SeedSequence does not implement spawning"):
        bit_generator.spawn(1)


def test_entropy_differs_and_can_be_noted_down():
    one, other = fi.default_rng(), fi.default_rng()
    assert one.random() != other.random()
    again = fi.default_rng(one.bit_generator.seed_seq.entropy)
    assert again.standard_normal() == fi.normal(1, seed=one.bit_generator.state["state"]["seed"], dtype="float64")[0]


class Derived(fi.Generator):
    """A user's own class."""


def test_children_keep_the_class_and_are_independent():
    """Largest of 45 correlations of pairs of 20,000 values: above six standard errors with probability 1e-7."""
    rng = Derived(fi.ARS(SEED))
    children = [rng, *rng.spawn(4), *rng.spawn(3), *rng.spawn(1)[0].spawn(2)]
    assert {type(child) for child in children} == {Derived}
    assert {type(child.bit_generator) for child in children} == {fi.ARS}
    assert len({child.bit_generator.state["state"]["seed"] for child in children}) == 10
    values = np.corrcoef([child.standard_normal(20_000) for child in children])
    raw = np.corrcoef([child.bit_generator.random_raw(20_000).astype(float) for child in children])
    for correlations in (values, raw):
        assert abs(correlations - np.eye(10)).max() < ERRORS / np.sqrt(20_000)
    first = np.random.SeedSequence(SEED).spawn(1)[0]
    assert fi.ARS(SEED).spawn(1)[0].state == fi.default_rng(SEED).spawn(1)[0].bit_generator.state == fi.ARS(first).state
    assert [type(child) for child in fi.ARS(0).spawn(2)] == [fi.ARS] * 2


def test_threads_are_given_each_child_once():
    """By all that share a sequence, which is sure to count wrongly where two ask it at a time."""
    sequence = Sequence()
    rng = fi.default_rng(sequence)
    sharing = [
        rng,
        rng.bit_generator,
        copy.copy(rng),
        copy.copy(rng.bit_generator),
        np.random.Generator(fi.ARS(sequence)),
    ]
    with ThreadPoolExecutor(len(sharing)) as pool:
        children = [child for some in pool.map(lambda one: one.spawn(2) + one.spawn(1), sharing * 4) for child in some]
    assert len(set(seeds(children))) == len(children) == 60


def test_children_of_jumped_copies_are_of_their_place():
    """Each copy made anew, as processes do that know their rank."""
    ranks = [fi.ARS(SEED).jumped(rank) for rank in range(5)]
    others = [
        fi.ARS(SEED),
        fi.ARS(SEED).advance(1).jumped(),
        drawn(skipped=1).bit_generator.jumped(),
        fi.ARS(0).jumped(),
    ]
    children = [child for one in ranks + others for child in one.spawn(3)]
    assert len(set(seeds(children))) == len(children) == 27
    for again in (fi.ARS(SEED).jumped(2), fi.ARS(SEED).jumped().jumped(), pickled(2, fi.ARS(SEED).jumped(2))):
        assert seeds(again.spawn(3)) == seeds(children[6:9])
    ahead = fi.ARS(SEED).jumped(2)
    name = f"jumped to {2 * 2**48} {4 * 2**48}"
    assert ahead.seed_seq.entropy == int.from_bytes(stream_key(SEED, "bits", name), "little")
    assert seeds(ahead.advance(7).spawn(1)) == seeds(children[6:7])


# Places and states


def at(seed=SEED, **places):
    return {"bit_generator": "ARS", "stream": 1, "state": {"seed": seed, **places}}


@pytest.mark.parametrize("delta", [0, 1, 7, 511, 512, 513, 100_000])
def test_advance_is_drawing_so_many(delta):
    advanced, drawn_out = fi.default_rng(SEED), fi.default_rng(SEED)
    assert advanced.bit_generator.advance(delta) is advanced.bit_generator
    drawn_out.random(delta)
    drawn_out.bit_generator.random_raw(delta)
    assert advanced.bit_generator.state == drawn_out.bit_generator.state == at(position=delta, word=2 * delta)
    assert advanced.random() == drawn_out.random() and advanced.integers(2**60) == drawn_out.integers(2**60)
    advanced.bit_generator.state = at(position=delta, word=2 * delta)
    assert advanced.bit_generator.advance(-delta).state == at(position=0, word=0)


@pytest.mark.parametrize("delta", [-1, 2**62, 2**63 - 1, 2**63, 2**63 + 7, -(2**64) + 5, 10**40])
def test_advance_goes_round_and_back(delta):
    bit_generator = drawn(skipped=5).bit_generator
    bit_generator.advance(delta)
    assert bit_generator.state == at(position=delta % 2**63, word=(5 + 2 * delta) % 2**64)
    assert bit_generator.advance(3).advance(-delta).state == at(position=3, word=11)
    assert fi.ARS(SEED).advance(delta).random_raw() == fi.ARS(SEED).advance(delta - 2**63).random_raw()


def test_jumped():
    rng = drawn(skipped=3)
    rng.random(5)
    ahead = rng.bit_generator.jumped(3)
    assert type(ahead) is fi.ARS and ahead is not rng.bit_generator
    assert ahead.state == at(position=5 + 3 * 2**48, word=3 + 6 * 2**48)
    assert rng.bit_generator.state == at(position=5, word=3)
    where = fi.flat[5 + 3 * 2**48 : 9 + 3 * 2**48]
    assert same(fi.Generator(ahead).normal(size=4), fi.normal(2**52, seed=SEED, dtype="float64", index=where))
    assert rng.bit_generator.jumped().state == rng.bit_generator.jumped(0).advance(2**48).state


def test_the_last_values_of_the_stream():
    rng = fi.default_rng(SEED)
    rng.bit_generator.advance(2**63 - 5)
    last = rng.standard_normal(3)
    assert same(last, fi.normal(2**63 - 1, seed=SEED, dtype="float64", index=fi.flat[-4:-1]))
    with pytest.raises(ValueError, match="size") as error:
        rng.random(2)
    assert str(error.value) == "`size` must be at most the 1 values that the stream has left, got 2"
    rng.random()
    assert rng.bit_generator.state["state"]["position"] == 2**63 - 1
    rng.random(0)
    rng.integers(3)
    with pytest.raises(ValueError):
        rng.random()


def test_state_is_a_plain_dict_that_restores():
    rng = drawn(skipped=1029)
    rng.random(77)
    state = rng.bit_generator.state
    assert state == at(position=77, word=1029)
    later = (rng.normal(size=5).tolist(), rng.integers(9, size=50).tolist())
    other = fi.default_rng(0)
    other.integers(9)
    other.bit_generator.state = state
    assert (other.normal(size=5).tolist(), other.integers(9, size=50).tolist()) == later


class DerivedBits(fi.ARS):
    """A user's own class."""


def pickled(protocol, thing):
    return pickle.loads(pickle.dumps(thing, protocol))


COPIES = [copy.copy, copy.deepcopy, *(partial(pickled, protocol) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1))]


@pytest.mark.parametrize("remade", COPIES, ids=range(len(COPIES)))
def test_copies_and_pickles_are_exact_and_keep_the_class(remade):
    rng = Derived(DerivedBits(SEED))
    rng.random(3), rng.integers(9, size=9), rng.spawn(2)
    expected = rng.bit_generator.state
    bit_generator, whole = remade(rng.bit_generator), remade(rng)
    assert type(bit_generator) is DerivedBits and type(whole) is Derived and type(whole.bit_generator) is DerivedBits
    assert bit_generator.state == whole.bit_generator.state == expected
    assert bit_generator.seed_seq.state == whole.bit_generator.seed_seq.state == rng.bit_generator.seed_seq.state
    assert (whole.bit_generator is rng.bit_generator) == (remade is copy.copy)
    assert fi.Generator(bit_generator).random() == rng.random()


def test_a_pickle_goes_on_in_another_process():
    rng = drawn(skipped=5)
    rng.random(3)
    values = "type(rng), rng.normal(), rng.integers(2**60), rng.spawn(1)[0].random()"
    program = f"import pickle, sys; rng = pickle.load(sys.stdin.buffer); print({values})"
    done = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(rng), capture_output=True, check=True)
    expected = f"{fi.Generator} {rng.normal()} {rng.integers(2**60)} {rng.spawn(1)[0].random()}"
    assert done.stdout.decode().strip() == expected


@pytest.mark.parametrize("remade", COPIES[1:], ids=range(1, len(COPIES)))
@pytest.mark.parametrize("kind", [np.random.Generator, np.random.RandomState])
def test_numpys_generators_on_our_bits_are_copied_too(kind, remade):
    """A RandomState keeps the second of each pair of normal values, and hands it on in the state."""
    rng = kind(DerivedBits(SEED))
    rng.standard_normal(5)
    again = remade(rng)
    assert type(again) is kind and type(again._bit_generator) is DerivedBits
    assert same(again.standard_normal(4), rng.standard_normal(4))


def test_the_state_of_a_random_state_can_be_set():
    rng, other = np.random.RandomState(fi.ARS(SEED)), np.random.RandomState(fi.ARS(0))
    rng.standard_normal(5)
    state = rng.get_state(legacy=False)
    assert state == at(position=0, word=state["state"]["word"]) | {"has_gauss": 1, "gauss": state["gauss"]}
    later = rng.standard_normal(4)
    for each in (rng, other):
        each.set_state(state)
        assert same(each.standard_normal(4), later)


def test_repr():
    assert repr(fi.ARS(7)) == "<ARS seed=7 position=0 word=0>"
    assert str(fi.default_rng(7)) == "Generator(ARS)"


# Company


def test_threads_share_a_generator_and_every_value_comes_once():
    rng, tasks, count = fi.default_rng(SEED), 200, 499
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda _: rng.random(count), range(tasks)))
        raw = list(pool.map(lambda _: rng.bit_generator.random_raw(count), range(tasks)))
    whole = fi.uniform(tasks * count, seed=SEED, dtype="float64").reshape(tasks, count)
    assert sorted(map(tuple, values)) == sorted(map(tuple, whole))
    assert np.array_equal(np.sort(np.concatenate(raw)), np.sort(fi.ARS(SEED).random_raw(tasks * count)))


def test_threads_are_given_each_number_once():
    rng, tasks, count = fi.default_rng(SEED), 16, 2000
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda _: [rng.random() for _ in range(count)], range(tasks)))
    assert sorted(np.ravel(values)) == sorted(fi.uniform(tasks * count, seed=SEED, dtype="float64"))


@pytest.mark.parametrize("size", [None, 5, 50_000])
def test_a_call_waits_for_the_lock(size):
    rng = fi.default_rng(SEED)
    with ThreadPoolExecutor(1) as pool:
        with rng.bit_generator.lock:
            drawn = pool.submit(rng.random, size)
            time.sleep(0.05)
            assert not drawn.done() and rng.bit_generator.state == at(position=0, word=0)
            rng.random(7)
        assert np.ravel(drawn.result())[0] == fi.uniform(8, seed=SEED, dtype="float64")[7]


def test_the_lock_can_be_held_around_calls():
    rng = fi.default_rng(0)
    with rng.bit_generator.lock:
        rng.random(3)
        rng.integers(3)
        rng.bit_generator.state = rng.bit_generator.advance(1).state


def test_scipy_takes_it():
    rng = fi.default_rng(SEED)
    assert (st.norm.rvs(size=5, random_state=rng) == fi.normal(5, seed=SEED, dtype="float64")).all()
    assert st.gamma.rvs(2, size=5, random_state=rng).shape == (5,)
    assert st.multivariate_normal.rvs([0, 0], np.eye(2), 3, rng).shape == (3, 2)


def test_our_package_takes_the_place_of_numpy_for_array_libraries():
    """As Dask asks it: by the name of the bit generator's class, and a child for each chunk."""
    bit_generator = fi.ARS(SEED)
    package = import_module(type(bit_generator).__module__.split(".")[0])
    child = type(bit_generator)(bit_generator._seed_seq.spawn(1)[0])
    rng = package.random.default_rng(child)
    assert type(rng) is package.random.Generator is fi.Generator and rng.bit_generator is child
    index = package.arange(50)
    rng.shuffle(index)
    assert sorted(index) == list(range(50))


@pytest.mark.parametrize("mode", ["random", "standard_normal"])
def test_threads_setting_changes_nothing(mode):
    before = fi.info()["threads"]
    try:
        fi.set_num_threads(1)
        one = getattr(fi.default_rng(SEED), mode)(200_000)
        fi.set_num_threads(5)
        five = getattr(fi.default_rng(SEED), mode)(200_000)
    finally:
        fi.set_num_threads(before)
    assert same(one, five)


# Refusals


def setting(state):
    return lambda rng: setattr(rng.bit_generator, "state", state)


def read_only():
    out = np.zeros(3)
    out.flags.writeable = False
    return out


SEEDS = "`seed` must be None, an integer in [0, 2**128), a list or array of integers >= 0 or a SeedSequence, got "
NUMBERS = "must be a real number or an array of real numbers, got "
WIDE = "`high` must be such that low, high and high - low stay below "
REFUSED = [
    (lambda r: fi.default_rng(-1), ValueError, SEEDS + "-1"),
    (lambda r: fi.default_rng(2**128), ValueError, SEEDS + str(2**128)),
    (lambda r: fi.default_rng(0.5), TypeError, SEEDS + "0.5"),
    (lambda r: fi.default_rng("12"), TypeError, SEEDS + "'12'"),
    (lambda r: fi.default_rng({1, 2}), TypeError, SEEDS + "{1, 2}"),
    (lambda r: fi.default_rng([1, -2]), ValueError, SEEDS + "[1, -2]"),
    (lambda r: fi.default_rng((1, 2.5)), TypeError, SEEDS + "(1, 2.5)"),
    (lambda r: fi.default_rng([None]), TypeError, SEEDS + "[None]"),
    (lambda r: fi.default_rng(np.array([0.5])), TypeError, SEEDS + "array([0.5])"),
    (lambda r: fi.default_rng(np.random.PCG64), TypeError, SEEDS + "<class 'numpy.random._pcg64.PCG64'>"),
    (lambda r: fi.Generator(7), TypeError, "`bit_generator` must be an ARS, got 7"),
    (lambda r: fi.Generator(fi.ARS), ValueError, f"`bit_generator` must be an ARS, got {fi.ARS}"),
    (lambda r: r.standard_normal(-1), ValueError, "`size` must be an integer of at least 0, got -1"),
    (lambda r: r.standard_normal((2, 1.5)), TypeError, "`size` must be an integer of at least 0, got 1.5"),
    (lambda r: r.random(1.5), TypeError, "`size` must be an integer or a sequence of integers, got 1.5"),
    (lambda r: r.random(2**63), ValueError, "`size` must be of fewer than 2**63 elements, got (9223372036854775808,)"),
    (lambda r: r.random(3, np.int32), TypeError,
     "`dtype` must be one of 'float16', 'float32', 'float64', 'bfloat16', got 'int32'"),
    (lambda r: r.random(3, "half8"), TypeError,
     "`dtype` must be one of 'float16', 'float32', 'float64', 'bfloat16', got 'half8'"),
    (lambda r: r.normal(0, 1, 3, [("x", "f4")]), TypeError,
     "`dtype` must be one of 'float16', 'float32', 'float64', 'bfloat16', got 'void'"),
    (lambda r: r.random(3, np.dtype("f4").newbyteorder()), TypeError,
     "`dtype` must be one of 'float16', 'float32', 'float64', 'bfloat16', got "
     f"{np.dtype('f4').newbyteorder().str!r}"),
    (lambda r: r.random(out=np.zeros(3, np.float32)), TypeError,
     "`out` must have dtype float64, got float32 (dtype=None takes the dtype of out)"),
    (lambda r: r.random(4, out=np.zeros(3)), ValueError, "`out` must have shape (4,), got (3,)"),
    (lambda r: r.random(out=[1.0]), TypeError, "`out` must be a NumPy array, got list"),
    (lambda r: r.random(dtype=None, out=[1.0]), TypeError, "`out` must be a NumPy array, got list"),
    (lambda r: r.random(out=read_only()), ValueError, "`out` must be writable, got a read-only array"),
    (lambda r: r.normal([1.0], out=read_only()), ValueError, "`out` must be writable, got a read-only array"),
    (lambda r: r.normal(0, -1), ValueError, "`scale` must be at least 0, got -1.0"),
    (lambda r: r.normal(0, [1, -2, -3]), ValueError, "`scale` must be at least 0, got -2.0"),
    (lambda r: r.normal(0, -0.0), ValueError, "`scale` must be at least 0, got -0.0"),
    (lambda r: r.normal(0, [0.0, -0.0]), ValueError, "`scale` must be at least 0, got -0.0"),
    (lambda r: r.normal("a"), TypeError, f"`loc` {NUMBERS}'a'"),
    (lambda r: r.normal(None), TypeError, f"`loc` {NUMBERS}None"),
    (lambda r: r.normal(0, np.ones(2, complex)), TypeError, f"`scale` {NUMBERS}'array of complex128'"),
    (lambda r: r.normal([None, 2**64]), TypeError, f"`loc` {NUMBERS}'array of object'"),
    (lambda r: r.normal([2**64, 1j]), TypeError, f"`loc` {NUMBERS}'array of object'"),
    (lambda r: r.uniform(["1"]), TypeError, f"`low` {NUMBERS}'array of str32'"),
    (lambda r: r.normal(2**1024), OverflowError, "int too large to convert to float"),
    (lambda r: r.normal([2**1024]), OverflowError, "int too large to convert to float"),
    (lambda r: r.normal([1, 2], [1, 2, 3]), ValueError,
     "`scale` must be of a shape that broadcasts with that of loc, (2,), got (3,)"),
    (lambda r: r.normal([1, 2], 1, 3), ValueError,
     "`size` must be of a shape that parameters of shape (2,) broadcast to, got (3,)"),
    (lambda r: r.normal([1, 2], 1, out=np.zeros(3)), ValueError,
     "`out` must be of a shape that parameters of shape (2,) broadcast to, got (3,)"),
    (lambda r: r.normal(np.zeros((2, 1)), 1, ()), ValueError,
     "`size` must be of a shape that parameters of shape (2, 1) broadcast to, got ()"),
    (lambda r: r.normal(1, 1e4, dtype="float16"), ValueError,
     "`scale` must be small enough for loc + 8.58 scale to stay below 65504 in float16, got 10000.0"),
    (lambda r: r.normal([0, 6e4], 1e3, dtype="float16"), ValueError,
     "`scale` must be small enough for loc + 8.58 scale to stay below 65504 in float16, got 1000.0"),
    (lambda r: r.uniform(3, 1), ValueError, "`low` must be at most high (1.0), got 3.0"),
    (lambda r: r.uniform([0, 3], 1), ValueError, "`low` must be at most high (1.0), got 3.0"),
    (lambda r: r.uniform(0, np.inf), OverflowError, f"{WIDE}1.79769e+308 in float64, got (0.0, inf)"),
    (lambda r: r.uniform(-np.inf, 0), OverflowError, f"{WIDE}1.79769e+308 in float64, got (-inf, 0.0)"),
    (lambda r: r.uniform(np.nan), OverflowError, f"{WIDE}1.79769e+308 in float64, got (nan, 1.0)"),
    (lambda r: r.uniform(-1e308, 1e308), OverflowError, f"{WIDE}1.79769e+308 in float64, got (-1e+308, 1e+308)"),
    (lambda r: r.uniform(0, 1e5, 3, "float16"), OverflowError, f"{WIDE}65504 in float16, got (0.0, 100000.0)"),
    (lambda r: r.uniform([0, np.nan], 1), OverflowError, f"{WIDE}1.79769e+308 in float64, got (nan, 1.0)"),
    (lambda r: r.uniform([0, np.inf], np.inf), OverflowError, f"{WIDE}1.79769e+308 in float64, got (0.0, inf)"),
    (lambda r: r.uniform([-1e308], 1e308), OverflowError, f"{WIDE}1.79769e+308 in float64, got (-1e+308, 1e+308)"),
    (lambda r: r.uniform([1 + 1e-12], 1 + 2e-12, dtype="float32"), ValueError,
     "`high` must be such that a float32 lies in [low, high), got (1.000000000001, 1.000000000002)"),
    (lambda r: r.uniform(0, [1j]), TypeError, f"`high` {NUMBERS}'array of complex128'"),
    (lambda r: r.bit_generator.advance(1.5), TypeError, "`delta` must be an integer, got 1.5"),
    (lambda r: r.bit_generator.jumped(-1), ValueError, "`jumps` must be an integer in [0, 32768), got -1"),
    (lambda r: r.bit_generator.jumped(2**15), ValueError, "`jumps` must be an integer in [0, 32768), got 32768"),
    (setting(3), TypeError, "`state` must be a dict with the keys 'bit_generator', 'stream', 'state', got 3"),
    (setting(at(position=0, word=0) | {"gauss": 0.0, "uinteger": 0}), ValueError,
     "`state` must be a dict with the keys 'bit_generator', 'stream', 'state', got "
     + str(at(position=0, word=0) | {"gauss": 0.0, "uinteger": 0})),
    (setting({}), ValueError, "`state` must be a dict with the keys 'bit_generator', 'stream', 'state', got {}"),
    (setting(at() | {"bit_generator": "PCG64"}), ValueError, "`state['bit_generator']` must be 'ARS', got 'PCG64'"),
    (setting(at() | {"stream": 9}), ValueError, "`state['stream']` must be 1, got 9"),
    (setting(at()), ValueError,
     "`state['state']` must be a dict with the keys 'seed', 'position', 'word', got {'seed': 11}"),
    (setting(at(-1, position=0, word=0)), ValueError,
     f"`state['state']['seed']` must be an integer in [0, {2**128}), got -1"),
    (setting(at(position=2**63, word=0)), ValueError,
     "`state['state']['position']` must be an integer in [0, 9223372036854775808), got 9223372036854775808"),
    (setting(at(position=0, word=0.5)), TypeError,
     "`state['state']['word']` must be an integer in [0, 18446744073709551616), got 0.5"),
]  # fmt: skip


@pytest.mark.parametrize("call, kind, message", REFUSED, ids=range(len(REFUSED)))
def test_refusals_in_full_and_nothing_moves(call, kind, message):
    rng = fi.default_rng(SEED)
    rng.random(4), rng.bit_generator.random_raw(2)
    before = rng.bit_generator.state
    with pytest.raises(kind) as error:
        call(rng)
    assert str(error.value) == message
    assert type(error.value) is kind
    assert rng.bit_generator.state == before


def test_a_refused_call_writes_nothing():
    rng, out = fi.default_rng(SEED), np.zeros(3)
    for arguments in ((0, -1), (0, [1, 1, -1]), ([1, 2], 1), (0, [1, 2])):
        with pytest.raises(ValueError):
            rng.normal(*arguments, out=out)
    with pytest.raises(ValueError):
        rng.bit_generator.advance(2**63 - 2) and rng.normal([0, 0, 0], 1, out=out)
    assert not out.any()


def test_the_examples_run():
    results = doctest.testmod(generator)
    assert results.failed == 0 and results.attempted > 15
