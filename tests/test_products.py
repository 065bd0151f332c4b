"""Products of rows: exact equality over levels, threads, chunks of rows and the twin; errors; what is not finite."""

from itertools import product as pairs_of

import numpy as np
import pytest
from conftest import FOREIGN, bits

from fastinit import _core, reference
from fastinit.profiler import products

LENGTHS = [0, 1, 7, 8, 9, 63, 64, 65, 255, 256, 257, 767, 1000, 1023, 1024, 1025, 1280, 2049]
ROWS = [0, 1, 3, 4, 5, 9]


def matrix(rows, columns, dtype, seed=0, scale=1.0):
    """Rows in wider memory: what lies between them is not a number."""
    held = np.full((rows, columns + 3), np.nan, dtype)
    held[:, 2 : columns + 2] = np.random.default_rng(seed).standard_normal((rows, columns)) * scale
    return held[:, 2 : columns + 2]


def same(mine, theirs):
    """Equal bits; any NaN is like another."""
    mine, theirs = np.array(mine), np.array(theirs)
    return ((bits(mine) == bits(theirs)) | (np.isnan(mine) & np.isnan(theirs))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", LENGTHS)
def test_every_level_gives_the_twins_bits(level, dtype, columns):
    for rows in ROWS:
        x, y = matrix(rows, columns, dtype), matrix(rows + 2, columns, dtype, seed=1)
        weights = np.random.default_rng(2).standard_normal(rows)
        assert same(_core.gram(x, None, 1), reference.gram(x)), rows
        assert same(_core.gram(x, y, 1), reference.gram(x, y)), rows
        assert same(_core.row_sums(x, y[:rows], 1), reference.row_sums(x, y[:rows])), rows
        assert same(_core.weighted_square(x, weights, 1), reference.weighted_square(x, weights)), rows


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_entry_depends_on_its_two_rows_alone(level, dtype):
    x = matrix(70, 1100, dtype)
    whole = _core.gram(x, None, 1)
    assert same(whole, whole.T)
    assert same(whole, _core.gram(x, x, 1))
    for first, last in ((0, 1), (1, 8), (3, 70), (64, 66)):
        assert same(whole[first:last], _core.gram(x[first:last], x, 1))
    assert same(np.diag(whole), _core.row_sums(x, x, 1)[1])
    assert same(whole[::-1, ::-1], _core.gram(x[::-1], None, 1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_change_nothing(dtype):
    """Of enough work for several threads, and of more sums of spans than wait at once."""
    few, many, rows = matrix(5, 900_001, dtype), matrix(301, 2 * 1024 + 5, dtype), matrix(900, 1025, dtype)
    weights = np.linspace(-1, 1, 5)
    for threads in (2, 3, 8):
        for x in (few, many):
            assert same(_core.gram(x, None, threads), _core.gram(x, None, 1))
        assert same(_core.gram(few, few[:3], threads), _core.gram(few, few[:3], 1))
        for x in (few, rows):
            assert same(_core.row_sums(x, x, threads), _core.row_sums(x, x, 1))
        assert _core.weighted_square(few, weights, threads) == _core.weighted_square(few, weights, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 300, 5000])
def test_errors_keep_to_their_bound(dtype, columns):
    """Of rows that all but cancel, against sums in long doubles; the bound holds for any rows."""
    x, y = matrix(6, columns, dtype), matrix(5, columns, dtype, seed=1)
    y[1] = x[0] + y[0] * y.dtype.type(1e-3)
    x[3], y[3] = 1, np.where(np.arange(columns) % 2, 1, -1)
    wide, other = x.astype(np.longdouble), y.astype(np.longdouble)
    lengths = np.sqrt((wide * wide).sum(axis=1))[:, None] * np.sqrt((other * other).sum(axis=1))
    exact = (wide[:, None] * other).sum(axis=2)
    assert (np.abs(products.gram(x, y) - exact) <= products.rounding(columns) * lengths).all()


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan, 1e-45, 3e38])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_and_extremes(level, dtype, special):
    """They reach the entries of their own row and no other, and those as in the twin."""
    for place in (0, 3, 255, 256, 258):
        x = matrix(6, 259, dtype)
        before = _core.gram(x, None, 1)
        x[2, place] = special
        after = _core.gram(x, None, 1)
        others = np.delete(np.arange(6), 2)
        assert same(after[np.ix_(others, others)], before[np.ix_(others, others)])
        with np.errstate(invalid="ignore"):
            assert same(after, reference.gram(x))
            assert same(_core.row_sums(x, x, 1), reference.row_sums(x, x))
            weights = np.array([0.5, -1, 0, 2, 1e-3, 1])  # zero times infinity is not a number
            assert same(_core.weighted_square(x, weights, 1), reference.weighted_square(x, weights))


def test_squares_that_float64_cannot_hold():
    x = matrix(4, 100, "float64")
    for power, y in pairs_of((-700, -45, 45, 500), (None, x[:2])):
        scaled = np.ldexp(products.gram(x, y), power * (2 if y is None else 1))
        assert same(products.gram(np.ldexp(x, power), y), scaled)
        assert products.mean_cosine_of_rows(np.ldexp(x, power)) == pytest.approx(
            products.mean_cosine_of_rows(x), abs=1e-15
        )


def test_any_layout_is_read():
    x = np.asfortranarray(matrix(4, 300, "float32"))
    plain = np.ascontiguousarray(x)
    unaligned = np.frombuffer(b"-" + plain.tobytes(), np.uint8)[1:].view(np.float32).reshape(plain.shape)
    assert not unaligned.flags.aligned
    for other in (x, unaligned, np.repeat(plain, 2, axis=1)[:, ::2]):
        assert same(products.gram(other), reference.gram(plain))
        assert same(products.gram(plain, other), reference.gram(plain))
        assert products.squared_norm(other) == products.squared_norm(plain)
        assert products.mean_cosine_of_rows(other) == products.mean_cosine_of_rows(plain)


def test_mean_cosine_of_rows_is_that_of_their_gram_matrix():
    x = matrix(7, 500, "float32")
    x[3] = 0
    assert products.mean_cosine_of_rows(x) == pytest.approx(products.mean_cosine(products.gram(x)), rel=1e-12)
    assert np.isnan(products.mean_cosine_of_rows(x[3:5]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mean_cosine_within_is_the_mean_over_examples_that_have_one(dtype):
    x = np.random.default_rng(0).standard_normal((4, 5, 12)).astype(dtype)
    x[1, 3], x[2, 1:] = 0, 0
    unit = x[[0, 3]].astype(float) / np.linalg.norm(x[[0, 3]].astype(float), axis=2, keepdims=True)
    apart = ~np.eye(5, dtype=bool)
    each = [float((one @ one.T)[apart].mean()) for one in unit]
    each.append(products.mean_cosine_of_rows(x[1][[0, 1, 2, 4]]))  # a position of zeros has none, nor has one alone
    assert products.mean_cosine_within(x) == pytest.approx(np.mean(each), abs=1e-14)
    assert np.isnan(products.mean_cosine_within(x[:, :1])) and np.isnan(products.mean_cosine_within(0 * x))


def test_the_border_refuses_what_it_cannot_read():
    x, y, one = np.zeros((3, 5), np.float32), np.zeros((3, 5)), np.ones(3, np.float32)
    foreign = x.astype(f"{FOREIGN}f4")
    kind, weights = "a matrix of float32 or float64 is needed, got", "`weights` must be 3 of float64, got"
    alike = "both matrices must have one dtype and as many columns"
    for call, error, message in (
        (lambda: _core.gram(one, None, 1), ValueError, f"{kind} float32 of shape (3,)"),
        (lambda: _core.gram(x.view("i4"), None, 1), ValueError, f"{kind} int32 of shape (3, 5)"),
        (lambda: _core.gram(x.astype("f2"), None, 1), ValueError, f"{kind} float16 of shape (3, 5)"),
        (lambda: _core.gram(foreign, None, 1), BufferError, "a matrix must be aligned, in native byte order"),
        (lambda: _core.gram(x.T, None, 1), BufferError, "elements of a row must lie side by side"),
        (lambda: _core.gram(x, y, 1), ValueError, alike),
        (lambda: _core.gram(x, x[:, 1:], 1), ValueError, alike),
        (lambda: _core.row_sums(x, x[1:], 1), ValueError, "both matrices must have as many rows, got 3 and 2"),
        (lambda: _core.weighted_square(x, np.ones(2), 1), ValueError, f"{weights} float64 of shape (2,)"),
        (lambda: _core.weighted_square(x, one, 1), ValueError, f"{weights} float32 of shape (3,)"),
    ):
        with pytest.raises(error) as told:
            call()
        assert str(told.value) == message
