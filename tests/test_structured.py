"""Orthogonal and sparse weights: the numbers they use, how orthogonal and how uniform they are, and what is refused.

Statistical tests have fixed seeds. Six standard errors of a mean are passed once in 5e8 by a right law; the other
rates stand beside their bounds.
"""

import re

import numpy as np
import pytest
from conftest import DTYPES, bits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastinit as fi
from fastinit import _core, reference
from fastinit.fill import draw
from fastinit.laws import DeltaOrthogonal, Dirac, Identity, Orthogonal, Packed, Sparse
from fastinit.laws.haar import PANEL
from fastinit.schemes.structured import delta_orthogonal, orthogonal, sparse
from fastinit.stream import stream_key

SHAPES = [(1, 1), (1, 7), (7, 1), (2, 2), (5, 4), (4, 5), (31, 33), (PANEL, PANEL), (PANEL + 1, PANEL + 1),
          (PANEL - 1, 3 * PANEL), (300, 2 * PANEL + 1), (257, 300), (10000, 3), (3, 10000)]  # fmt: skip
UNIT = {"float32": 2.0**-24, "float64": 2.0**-53, "float16": 2.0**-11, "bfloat16": 2.0**-8}


def tall(matrices):
    """In float64, no fewer rows than columns."""
    matrices = np.asarray(matrices, np.float64)
    return matrices if matrices.shape[-2] >= matrices.shape[-1] else matrices.mT


def departure(matrices):
    """The greatest singular value of Q'Q - I."""
    q = tall(matrices)
    return np.linalg.norm(q.mT @ q - np.eye(q.shape[-1]), 2, axis=(-2, -1)).max()


def normals(count, n, k, seed, name, dtype):
    """The vectors of the reflections, as the docstring numbers them."""
    x = np.empty((count, k, n), dtype)
    key = stream_key(seed, "orthogonal", name)
    _core.fill(0, {"float32": 0, "float64": 1}[dtype], key, (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0), x, 0, None, 1)
    return x.astype(np.float64)


def one_by_one(x):
    """H[0] H[1] ... S from the vectors (k, n) of the reflections, in float64, one reflection at a time."""
    k, n = x.shape
    signs = np.where(x.diagonal() < 0, -1.0, 1.0)
    q = np.zeros((n, k))
    np.fill_diagonal(q, -signs)
    for j in reversed(range(k)):
        v = np.where(np.arange(n) < j, 0, x[j])
        v[j] += signs[j] * np.linalg.norm(v)
        q -= np.outer(2 * v / (v @ v), v @ q)
    return q


@pytest.fixture(scope="module")
def sixteen():
    """4,000 matrices 16 x 16."""
    return np.asarray(orthogonal((4000, 16, 16), batch_axis=0, seed=1), np.float64)


@pytest.fixture(scope="module")
def three():
    """40,000 matrices 3 x 3: every entry of a Haar one is uniform on [-1, 1] (Archimedes)."""
    return np.asarray(orthogonal((40000, 3, 3), batch_axis=0, seed=2), np.float64)


def assert_mean(values, expected):
    """The mean of independent values is within six of its standard errors."""
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - expected) < 6 * error, (values.mean(), expected, error)


# --- orthogonal -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_orthonormal_to_rounding(shape, dtype):
    # n roundings of a unit u each, as a random walk: u sqrt(n), times a constant: at most 13 in 1e5 matrices of each
    # size (of 2 x 2; 9 x 9: 10), and 1 at 2048 x 2048.
    assert departure(orthogonal(shape, seed=0, dtype=dtype)) < 32 * UNIT[dtype] * np.sqrt(max(shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_is_the_product_of_the_documented_reflections(shape, dtype):
    n, k = max(shape), min(shape)
    expected = one_by_one(normals(1, n, k, 3, "layer", dtype)[0])
    got = tall(orthogonal(shape, seed=3, name="layer", dtype=dtype))
    assert np.abs(got - expected).max() < 64 * UNIT[dtype] * np.sqrt(n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_small_ones_are_each_orthonormal(dtype):
    assert departure(orthogonal((2000, 9, 9), batch_axis=0, seed=4, dtype=dtype)) < 32 * UNIT[dtype] * 3


@pytest.mark.parametrize("shape", [(20, 20), (150, 140), (30, 200)], ids=str)
def test_a_stack_is_the_documented_matrices_in_order(shape):
    n, k = max(shape), min(shape)
    got = orthogonal((2, 9, *shape), batch_axis=(0, 1), seed=5, dtype="float64").reshape(18, *shape)
    for matrix, x in zip(tall(got), normals(18, n, k, 5, "", "float64"), strict=True):
        assert np.abs(matrix - one_by_one(x)).max() < 1e-13


def test_first_column_is_the_first_vector_over_its_length():
    x = normals(1, 50, 20, 6, "", "float64")[0, 0]
    got = orthogonal((50, 20), seed=6, dtype="float64")[:, 0]
    assert np.abs(got - x / np.linalg.norm(x)).max() < 1e-15


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-30])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (4, 4)], ids=str)
def test_vectors_of_no_length_give_the_identity(shape, value, monkeypatch):
    monkeypatch.setattr(_core, "fill", lambda law, dtype, key, parameters, out, *where: out.fill(value))
    got = orthogonal(shape, seed=0)
    assert departure(got) < 1e-6
    if value == 0:
        assert np.array_equal(got, np.eye(*shape))


@pytest.mark.parametrize(
    ("shape", "axes", "order"),
    [
        ((3, 3, 8, 16), {}, (0, 1, 2, 3)),
        ((16, 8, 3, 3), {"in_axis": 1, "out_axis": 0}, (1, 2, 3, 0)),
        ((8, 16, 3, 3), {"in_axis": 0, "out_axis": 1}, (0, 2, 3, 1)),
        ((8, 4, 4, 3), {"in_axis": 0, "out_axis": (1, 2)}, (0, 3, 1, 2)),
        ((200, 2, 2, 2), {"in_axis": (2, 3), "out_axis": 0}, (1, 2, 3, 0)),
    ],
)
def test_columns_are_along_the_output_axes(shape, axes, order):
    got = orthogonal(shape, seed=7, dtype="float64", **axes)
    outputs = np.ravel([axes.get("out_axis", -1)]).size
    ordered = got.transpose(order)
    columns = int(np.prod(ordered.shape[-outputs:]))
    expected = orthogonal((got.size // columns, columns), seed=7, dtype="float64")
    assert np.abs(ordered.reshape(expected.shape) - expected).max() < 1e-13


@pytest.mark.parametrize(
    ("shape", "in_axis", "out_axis", "batch_axis"),
    [((6, 7, 5), 1, 2, 0), ((6, 5, 7), 2, 1, 0), ((7, 6, 5), 0, 2, 1), ((7, 5, 6), 0, 1, -1), ((5, 7, 6), 1, 0, (2,))],
)
def test_batch_axis_anywhere(shape, in_axis, out_axis, batch_axis):
    got = orthogonal(shape, in_axis=in_axis, out_axis=out_axis, batch_axis=batch_axis, seed=8)
    expected = orthogonal((6, 7, 5), batch_axis=0, seed=8)
    order = (*np.ravel(batch_axis), in_axis, out_axis)
    assert np.abs(got.transpose(order) - expected).max() < 1e-6
    assert len({matrix[0, 0] for matrix in expected}) == 6


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (2, 0, 3, 4)], ids=str)
def test_no_elements(shape):
    assert orthogonal(shape, seed=0).shape == shape
    assert orthogonal((0, 4, 4), batch_axis=0, seed=0).shape == (0, 4, 4)


def test_gain_multiplies():
    whole = orthogonal((40, 30), seed=9)
    assert np.array_equal(orthogonal((40, 30), seed=9, gain=2), 2 * whole)
    assert np.array_equal(orthogonal((40, 30), seed=9, gain=0), np.zeros((40, 30)))
    assert np.array_equal(orthogonal((40, 30), seed=9, gain=0.3), np.float32(0.3) * whole)
    assert np.isfinite(orthogonal((1, 1), seed=9, gain=3.39e38)).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(60, 40), (40, 60), (150, 150)], ids=str)
def test_16_bits_are_rounded_once(shape, dtype):
    whole = orthogonal(shape, seed=10, gain=1.7).astype(np.float64)
    got = orthogonal(shape, seed=10, gain=1.7, dtype=dtype).astype(np.float64)
    least = 2.0**-25 if dtype == "float16" else 0
    # 1e-6: two runs of a BLAS may differ in the last bits of float32.
    assert np.all(np.abs(got - whole) <= UNIT[dtype] * np.abs(whole) + least + 1e-6)


def test_float64_refines_float32():
    wide, narrow = (orthogonal((100, 100), seed=11, dtype=dtype) for dtype in ("float64", "float32"))
    assert 0 < np.abs(wide - narrow).max() < 1e-4


def test_same_arguments_same_bits_and_other_streams_others():
    whole = orthogonal((50, 50), seed=12, name="a")
    assert np.array_equal(orthogonal((50, 50), seed=12, name="a"), whole)
    assert np.array_equal(orthogonal((50, 50), seed=12, name="a", threads=1), whole)
    assert not np.array_equal(orthogonal((50, 50)), orthogonal((50, 50)))
    for other in (orthogonal((50, 50), seed=13, name="a"), orthogonal((50, 50), seed=12, name="b")):
        # The entries of Q'P are of variance 1/50: 2,500 of them exceed 0.85 (6 deviations) once in 2e5.
        assert np.abs(whole.T @ other).max() < 0.85


INDICES = [0, -1, np.s_[1:3], np.s_[:, ::-2], np.s_[..., 2], np.s_[3, 4], np.s_[::-1, None, 5:2:-1], np.s_[2:2],
           fi.flat[3:40], fi.flat[7], fi.flat[::-3]]  # fmt: skip


def cut(array, index):
    return array.ravel()[index.positions] if isinstance(index, type(fi.flat)) else array[index]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", [orthogonal, lambda shape, **common: sparse(shape, 0.4, **common)],
                         ids=["orthogonal", "sparse"])  # fmt: skip
def test_index_is_a_cut_of_the_whole(make, dtype):
    common = {"seed": 14, "dtype": dtype}
    whole = make((8, 6), **common)
    for index in INDICES:
        got, expected = make((8, 6), index=index, **common), cut(whole, index)
        assert np.shape(got) == np.shape(expected) and np.array_equal(got, expected), index
    for got, index in zip(make((8, 6), index=INDICES, **common), INDICES, strict=True):
        assert np.array_equal(got, cut(whole, index)), index
    out = np.zeros((2, 6), whole.dtype)
    assert make((8, 6), index=np.s_[2:4], out=out, **common) is out
    assert np.array_equal(out, whole[2:4])


def unaligned(shape, dtype):
    buffer = np.zeros(int(np.prod(shape)) * np.dtype(dtype).itemsize + 1, np.uint8)
    return buffer[1:].view(dtype).reshape(shape)


OUTS = {
    "contiguous": lambda shape: np.empty(shape, np.float32),
    "by column": lambda shape: np.empty(shape, np.float32, order="F"),
    "every third": lambda shape: np.empty((shape[0], 3 * shape[1]), np.float32)[:, ::3],
    "backwards": lambda shape: np.empty(shape, np.float32)[::-1, ::-1],
    "unaligned": lambda shape: unaligned(shape, np.float32),
    "none": lambda shape: None,
}


@pytest.mark.parametrize("out", OUTS)
@pytest.mark.parametrize("shape", [(150, 140), (20, 150)], ids=str)
def test_into_memory_of_every_kind(shape, out):
    target = OUTS[out](shape)
    got = orthogonal(shape, seed=15, out=target, dtype=None)
    assert target is None or got is target
    assert np.abs(got - orthogonal(shape, seed=15)).max() < 1e-6
    target = OUTS[out](shape)
    assert np.array_equal(sparse(shape, 0.5, seed=15, out=target), sparse(shape, 0.5, seed=15))


def test_nothing_beside_out_is_written():
    around = np.full((60, 50), 7, np.float32)
    orthogonal((40, 30), seed=16, out=around[10:50, 10:40])
    around[10:50, 10:40] = 7
    assert np.all(around == 7)


# --- Haar -------------------------------------------------------------------------------------------------------------


def test_traces_of_powers_are_those_of_haar(sixteen):
    # Diaconis and Shahshahani (1994): tr Q^j is sqrt(j) times a standard normal, plus 1 for even j, in its low moments.
    power = np.broadcast_to(np.eye(16), sixteen.shape)
    for j in range(1, 5):
        power = power @ sixteen
        trace = np.trace(power, axis1=1, axis2=2) - (j % 2 == 0)
        assert_mean(trace, 0)
        assert_mean(trace**2, j)
    assert_mean(np.trace(sixteen, axis1=1, axis2=2) ** 4, 3)


@pytest.mark.parametrize("place", [(0, 0), (7, 7), (15, 15), (15, 0)], ids=str)
def test_signs_of_entries_are_even(sixteen, place):
    # An unsigned QR factorisation gives a negative diagonal.
    assert_mean(np.sign(sixteen[:, place[0], place[1]]), 0)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (16, 16)], ids=str)
def test_determinants_are_plus_and_minus_one_alike(shape):
    determinants = np.linalg.det(orthogonal((4000, *shape), batch_axis=0, seed=17).astype(np.float64))
    assert np.abs(np.abs(determinants) - 1).max() < 1e-5
    assert_mean(np.sign(determinants), 0)


def assert_uniform(values):
    """Kolmogorov and Smirnov on [-1, 1]: beyond 3.2 / sqrt(N) with probability 2 exp(-2 * 3.2**2) = 3e-9."""
    values = np.sort((values + 1) / 2)
    steps = np.arange(len(values) + 1) / len(values)
    distance = max(np.max(steps[1:] - values), np.max(values - steps[:-1]))
    assert distance * np.sqrt(len(values)) < 3.2


def test_columns_and_rows_are_uniform_on_the_sphere(three):
    for row in range(3):
        for column in range(3):
            assert_uniform(three[:, row, column])


@pytest.mark.parametrize("shape", [(3, 1), (1, 3), (3, 2), (2, 3)], ids=str)
def test_frames_are_uniform_on_the_sphere(shape):
    frames = orthogonal((20000, *shape), batch_axis=0, seed=18).astype(np.float64)
    for entry in frames.reshape(20000, -1).T:
        assert_uniform(entry)


def test_joint_moments_of_entries_are_those_of_haar(three):
    # Weingarten's for O(n), n = 3: denominators n (n + 2) and (n - 1) n (n + 2).
    q = three
    assert_mean(q[:, 0, 0] ** 4, 3 / 15)
    assert_mean(q[:, 0, 0] ** 2 * q[:, 0, 2] ** 2, 1 / 15)
    assert_mean(q[:, 0, 0] ** 2 * q[:, 2, 2] ** 2, 4 / 30)
    assert_mean(q[:, 0, 0] * q[:, 1, 1] * q[:, 0, 1] * q[:, 1, 0], -1 / 30)
    assert_mean(q[:, 1, 1] * q[:, 2, 2] * q[:, 1, 2] * q[:, 2, 1], -1 / 30)
    assert_mean(q[:, 0, 0] * q[:, 2, 2], 0)


def test_matrices_of_a_stack_are_independent(sixteen):
    assert_mean(np.einsum("mij,mij->m", sixteen[:-1:2], sixteen[1::2]), 0)
    assert_mean(np.einsum("mij,mij->m", sixteen[:-1:2], sixteen[1::2]) ** 2, 1)


# --- delta_orthogonal -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", [(1,), (2,), (5,), (3, 4), (3, 1, 2)], ids=str)
def test_all_but_the_centre_is_zero(kernel, dtype):
    whole = delta_orthogonal((*kernel, 6, 9), seed=19, name="conv", gain=1.5, dtype=dtype)
    centre = tuple((length - 1) // 2 for length in kernel)
    assert np.array_equal(whole[centre], orthogonal((6, 9), seed=19, name="conv", gain=1.5, dtype=dtype))
    whole[centre] = 0
    assert not np.any(whole)


def test_channels_on_any_axes():
    got = delta_orthogonal((9, 6, 3, 3), in_axis=1, out_axis=0, seed=20)
    expected = delta_orthogonal((3, 3, 6, 9), seed=20)
    assert np.abs(got.transpose(2, 3, 1, 0) - expected).max() < 1e-6
    assert np.array_equal(delta_orthogonal((3, 3, 6, 9), seed=20, index=np.s_[1, ..., 2]), expected[1, ..., 2])


def test_circular_convolution_keeps_the_norm():
    kernel = delta_orthogonal((3, 4, 7), seed=21, dtype="float64")
    signal = np.random.default_rng(0).standard_normal((11, 4))
    result = sum(np.roll(signal, 1 - tap, axis=0) @ kernel[tap] for tap in range(3))
    assert abs(np.linalg.norm(result) / np.linalg.norm(signal) - 1) < 1e-14


@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 0, 0)], ids=str)
def test_no_elements_of_a_kernel(shape):
    assert delta_orthogonal(shape, seed=0).shape == shape


# --- sparse -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sparsity", [0, 0.1, 1 / 3, 0.9, 1])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (10, 1), (30, 7), (1000, 50)], ids=str)
def test_zeros_of_each_column_are_as_many_as_said(shape, sparsity, dtype):
    got = sparse(shape, sparsity, 0.5, seed=22, dtype=dtype)
    assert np.all(np.sum(got == 0, axis=0) == np.ceil(sparsity * shape[0]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_rest_is_the_normal_law(dtype):
    got = sparse((300, 200), 0.7, 0.5, seed=23, name="s", dtype=dtype)
    weights = fi.normal((300, 200), 0, 0.5, seed=23, name="s", dtype=dtype)
    assert np.array_equal(got[got != 0], weights[got != 0])


@pytest.mark.parametrize("shape", [(5, 4000), (1000, 3), (200000, 7), (1, 5)], ids=str)
def test_zeros_are_where_words_are_least(shape):
    rows, columns = shape
    words = _core.words(stream_key(24, "sparse", "s"), 0, 0, rows * columns).reshape(columns, rows)
    expected = np.argsort(np.argsort(words, axis=1, kind="stable"), axis=1) < np.ceil(0.4 * rows)
    assert np.array_equal(sparse(shape, 0.4, 1.0, seed=24, name="s") == 0, expected.T)


def test_equal_words_are_taken_in_the_order_of_rows(monkeypatch):
    monkeypatch.setattr(_core, "words", lambda key, domain, first, count: np.full(count, 5, np.uint32))
    assert np.array_equal(sparse((6, 2), 0.5, seed=0) == 0, np.repeat([True, False], 3)[:, np.newaxis] & [True, True])


def test_a_columns_zeros_do_not_depend_on_how_many_columns_there_are():
    few, many = (sparse((50, columns), 0.5, seed=25) == 0 for columns in (10, 30))
    assert np.array_equal(few, many[:, :10])


def test_every_choice_of_rows_is_as_likely():
    zeros = sparse((5, 40000), 0.4, seed=26) == 0
    counts = np.unique(2 ** np.arange(5) @ zeros, return_counts=True)[1]
    assert len(counts) == 10
    assert np.sum((counts - 4000) ** 2) / 4000 < 60.7  # chi square of 9 degrees: 1e-9 above


def test_zeros_of_columns_and_names_are_independent():
    zeros = sparse((100, 4001), 0.5, seed=27) == 0
    shared = np.sum(zeros[:, 1:] & zeros[:, :-1], axis=0)
    # Hypergeometric of mean 25 and variance 25/4 * 100/99; neighbouring pairs are uncorrelated.
    assert abs(shared.mean() - 25) < 6 * np.sqrt(25 / 4 * 100 / 99 / 4000)
    other = sparse((100, 4001), 0.5, seed=27, name="other") == 0
    assert abs(np.sum(zeros & other, axis=0).mean() - 25) < 6 * np.sqrt(25 / 4 * 100 / 99 / 4001)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)], ids=str)
def test_no_elements_of_sparse(shape):
    assert sparse(shape, 0.5, seed=0).shape == shape


# --- refusals ---------------------------------------------------------------------------------------------------------

BIG = np.full((3, 3), 7, np.float32)
REFUSED = [
    (lambda: orthogonal(5), ValueError, "`shape` must be of at least two axes, for a fan, got (5,)"),
    (lambda: orthogonal((3, 3), gain=-1, out=BIG), ValueError,
     "`gain` must be a finite number of at least 0, got -1.0"),
    (lambda: orthogonal((3, 3), gain=np.inf, out=BIG), ValueError,
     "`gain` must be a finite number of at least 0, got inf"),
    (lambda: orthogonal((3, 3), gain="much", out=BIG), TypeError,
     "`gain` must be a finite number of at least 0, as fastinit.gain of an activation is, got 'much'"),
    (lambda: orthogonal((3, 3), gain=70000, dtype="float16"), ValueError,
     "`gain` must be small enough for the values to stay below 65504 in float16, got 70000.0"),
    (lambda: orthogonal((3, 3), gain=3.4e38, out=BIG), ValueError,
     "`gain` must be small enough for the values to stay below 3.40282e+38 in float32, got 3.4e+38"),
    (lambda: orthogonal((3, 3), out_axis=2, out=BIG), ValueError, "`out_axis` must be an integer in [-2, 2), got 2"),
    (lambda: orthogonal((3, 3), out_axis=0, out=BIG), ValueError,
     "`in_axis` must be apart from out_axis and batch_axis, got (-2, 0, ())"),
    (lambda: orthogonal((3, 3), index=0), ValueError,
     "`seed` must be given where index is (a part of an array that nobody can make whole), got None"),
    (lambda: orthogonal((3, 3), seed=-1, out=BIG), ValueError,
     "`seed` must be None, an integer in [0, 2**128), a list or array of integers >= 0 or a SeedSequence, got -1"),
    (lambda: orthogonal((3, 3), name=3, out=BIG), TypeError, "`name` must be a string, got 3"),
    (lambda: orthogonal((3, 3), threads=0, out=BIG), ValueError, "`threads` must be an integer of at least 1, got 0"),
    (lambda: orthogonal((3, 4), out=BIG), ValueError, "`out` must have shape (3, 4), got (3, 3)"),
    (lambda: orthogonal((3, 3), seed=0, index=3), IndexError,
     "`index` must be a basic index with an integer in [-3, 3) for axis 0, got 3"),
    (lambda: delta_orthogonal((3, 3), out=BIG), ValueError,
     "`shape` must be of three to five axes, for a convolution, got (3, 3)"),
    (lambda: delta_orthogonal((1,) * 6), ValueError,
     "`shape` must be of three to five axes, for a convolution, got (1, 1, 1, 1, 1, 1)"),
    (lambda: delta_orthogonal((3, 4, 3)), ValueError,
     "`shape` must be of no more inputs (4) than outputs (3), to keep every norm, got (3, 4, 3)"),
    (lambda: delta_orthogonal((3, 3, 3), gain=np.nan), ValueError,
     "`gain` must be a finite number of at least 0, got nan"),
    (lambda: delta_orthogonal((3, 3, 3), in_axis=2), ValueError,
     "`in_axis` must be apart from out_axis and batch_axis, got (2, -1, ())"),
    (lambda: sparse(3, 0.5), ValueError, "`shape` must be of two axes, for sparse weights, got (3,)"),
    (lambda: sparse((2**32 + 1, 0), 0.5), ValueError,
     "`shape` must be of at most 2**32 rows, for sparse weights, got (4294967297, 0)"),
    (lambda: sparse((3, 3), 1.5, out=BIG), ValueError, "`sparsity` must be a number in [0, 1], got 1.5"),
    (lambda: sparse((3, 3), -0.5, out=BIG), ValueError, "`sparsity` must be a number in [0, 1], got -0.5"),
    (lambda: sparse((3, 3), np.nan, out=BIG), ValueError, "`sparsity` must be a finite number, got nan"),
    (lambda: sparse((3, 3), "half", out=BIG), TypeError, "`sparsity` must be a finite number, got 'half'"),
    (lambda: sparse((3, 3), 0.5, -1, out=BIG), ValueError, "`std` must be a finite number of at least 0, got -1.0"),
    (lambda: sparse((3, 3), 0.5, index=0), ValueError,
     "`seed` must be given where index is (a part of an array that nobody can make whole), got None"),
    (lambda: sparse((3, 3), 0.5, name=3, out=BIG), TypeError, "`name` must be a string, got 3"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_refused_with_the_whole_message_and_nothing_written(call, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
    assert np.all(BIG == 7)


TWIN_SHAPES = [((40, 40), {}), ((60, 25), {}), ((25, 60), {}), ((1, 7), {}), ((3, 3, 4, 20), {}), ((0, 5), {}),
          ((20, 6, 3), {"in_axis": 1, "out_axis": 0}), ((4, 9, 7), {"batch_axis": 0}), ((300, 200), {})]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(("shape", "axes"), TWIN_SHAPES, ids=str)
def test_orthogonal_is_the_twins_up_to_rounding(shape, axes, dtype):
    """Elements of up to 300 reflections: at most 300 units of rounding apart, here a tenth of that."""
    mine = fi.orthogonal(shape, gain=1.5, seed=2, name="q", dtype=dtype, **axes)
    twin = reference.orthogonal(shape, gain=1.5, seed=2, name="q", dtype=dtype, **axes)
    assert mine.dtype == twin.dtype
    np.testing.assert_allclose(mine.astype(float), twin.astype(float), rtol=0, atol=30 * np.finfo(dtype).eps)


def test_delta_orthogonal_is_the_twins_up_to_rounding():
    mine, twin = (module.delta_orthogonal((3, 3, 8, 16), seed=2) for module in (fi, reference))
    np.testing.assert_allclose(mine, twin, rtol=0, atol=1e-5)
    assert np.array_equal(mine == 0, twin == 0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_sparse_has_the_twins_bits(dtype):
    for sparsity in (0.0, 0.33, 0.9, 1.0):
        mine, twin = (module.sparse((57, 31), sparsity, seed=2, name="s", dtype=dtype) for module in (fi, reference))
        assert np.array_equal(bits(mine), bits(twin))


PACKED = [
    (Orthogonal(1.5), (30, 12), 0, lambda name: reference.orthogonal((10, 12), gain=1.5, seed=2, name=name)),
    (Orthogonal(1.5, 1, 0), (12, 30), -1, lambda name: reference.orthogonal((12, 10), gain=1.5, in_axis=1, out_axis=0,
                                                                             seed=2, name=name)),
    (DeltaOrthogonal(), (3, 4, 15), 2, lambda name: reference.delta_orthogonal((3, 4, 5), seed=2, name=name)),
    (Sparse(0.4), (30, 12), 0, lambda name: reference.sparse((10, 12), 0.4, seed=2, name=name)),
    (Identity(2.0), (12, 30), 1, lambda name: reference.identity((12, 10), 2.0)),
    (Dirac(), (3, 4, 12), 2, lambda name: reference.dirac((3, 4, 4))),
]  # fmt: skip


@pytest.mark.parametrize(("law", "shape", "axis", "twin"), PACKED, ids=[str(one[0]) for one in PACKED])
def test_parts_of_what_is_packed_are_the_twins_and_any_cut_is_of_the_whole(law, shape, axis, twin):
    packed = Packed(law, 3, axis)
    whole = draw(packed, shape, seed=2, name="w")
    np.testing.assert_allclose(whole, np.concatenate([twin(f"w[{i}]") for i in range(3)], axis), rtol=0, atol=1e-5)
    cuts = [np.s_[1:3], np.s_[..., ::2], np.s_[::-1, 2], np.s_[0, ..., -1], fi.flat[7:40:3], None]
    for cut, part in zip(cuts, draw(packed, shape, seed=2, name="w", index=cuts, threads=2), strict=True):
        expected = whole if cut is None else whole.ravel()[7:40:3] if isinstance(cut, type(fi.flat)) else whole[cut]
        assert np.array_equal(part, expected)
        assert np.array_equal(draw(packed, shape, seed=2, name="w", index=cut), expected)
    turned = np.empty(shape[::-1], np.float32).T
    assert draw(packed, shape, seed=2, name="w", out=turned) is turned and np.array_equal(turned, whole)
    if not isinstance(law, Dirac):
        assert packed.scaled(2.0) == Packed(law.scaled(2.0), 3, axis)
    assert np.array_equal(draw(Packed(law, 1, axis), shape, seed=2, name="w"), draw(law, shape, seed=2, name="w[0]"))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.data())
def test_every_part_of_what_is_placed_is_the_cut(data):
    """By basic indices and flat ranges, and in any order of axes; the twin's."""
    axes = data.draw(st.integers(2, 5))
    shape = data.draw(st.tuples(*[st.integers(0, 6)] * axes))
    if axes == 2:
        scheme, own = "identity", {"gain": 0.3}
    else:
        order = data.draw(st.permutations(range(axes)))
        scheme, own = "dirac", {"in_axis": order[0], "out_axis": order[1]}
        own["groups"] = data.draw(st.sampled_from([1, *(n for n in (2, 3) if shape[order[1]] % n == 0)]))
    make, size = getattr(fi, scheme), int(np.prod(shape))
    whole = make(shape, **own)
    assert np.array_equal(whole, getattr(reference, scheme)(shape, **own))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    index = (None,) if index is None else index  # alone it means the whole
    assert np.array_equal(make(shape, **own, index=index), whole[index])
    start, stop, step = (data.draw(st.integers(low, size + 2)) for low in (0, 0, 1))
    flat = slice(start, stop, data.draw(st.sampled_from([step, -step])))
    assert np.array_equal(make(shape, **own, index=fi.flat[flat]), whole.ravel()[flat])
    out = np.full(whole.T.shape, 9.0, np.float32).T
    assert np.array_equal(make(shape, **own, out=out), whole)
