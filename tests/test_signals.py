"""Signals: norms, columns of zeros and projections have the twin's bits on every level and any number of threads."""

import numpy as np
import pytest
from conftest import bits

from fastinit import _core, reference
from fastinit.profiler.norms import NORMS

EPS = 1e-5
#: Around the rows and columns that are taken together, the lanes, and the blocks of columns.
SHAPES = [
    *[(rows, 19) for rows in (1, 2, 3, 4, 5, 7, 8, 9, 12, 17)],
    *[(3, columns) for columns in (1, 15, 16, 17, 127, 128, 129, 255, 256, 257, 513, 1003)],
]


def drawn(shape, dtype, seed=0, mean=0.0):
    return (mean + np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def framed(shape, dtype, gap):
    """An array whose rows lie `gap` items apart, and all the memory that it lies in, of sevens."""
    whole = np.full((shape[0] + 2, shape[1] + gap), 7, dtype)
    return whole[1:-1, : shape[1]], whole


def normalise(axis, centred, x, y=None, known=None, inverse=None, out=None, threads=1):
    out = np.empty(x.shape, x.dtype) if out is None else out
    inverse = np.empty(x.shape[1 - axis]) if inverse is None else inverse
    _core.normalise(axis, centred, EPS, x, y, known, out, inverse, threads)
    return out, inverse


def same(one, other):
    return one.dtype == other.dtype and ((bits(one) == bits(other)) | (np.isnan(one) & np.isnan(other))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("centred", [True, False])
def test_every_level_gives_the_twins_bits(level, dtype, axis, centred):
    for shape in SHAPES:
        x, d = drawn(shape, dtype, 1, mean=100), drawn(shape, dtype, 2)
        y, inverse = reference.normalise(x, axis, centred, EPS)
        got = normalise(axis, centred, x)
        assert same(got[0], y) and same(got[1], inverse), shape
        back = normalise(axis, centred, d, y, inverse=inverse)[0]
        assert same(back, reference.jacobian(d, y, inverse, axis, centred)), shape
        means = list(np.random.default_rng(3).random((2, shape[1 - axis])))
        y, inverse = reference.normalise(x, axis, centred, EPS, means)
        got = normalise(axis, centred, x, known=means)
        assert same(got[0], y) and same(got[1], inverse), shape
        back = normalise(axis, centred, d, y, means, inverse)[0]
        assert same(back, reference.jacobian(d, y, inverse, axis, centred, means)), shape


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", [0, 1])
def test_rows_lie_anywhere_and_nothing_else_is_written(level, dtype, axis):
    for shape in [(9, 257), (5, 16), (1, 33)]:
        (x, _), (d, _), (out, whole) = (framed(shape, dtype, gap) for gap in (3, 5, 2))
        x[...], d[...] = drawn(shape, dtype, 1), drawn(shape, dtype, 2)
        y, inverse = normalise(axis, True, x, out=out)
        assert same(out, reference.normalise(x, axis, True, EPS)[0])
        out[...] = 7
        assert (whole == 7).all()
        y = drawn(shape, dtype, 4)
        result = normalise(axis, True, d, y, inverse=inverse)[0]
        assert normalise(axis, True, d, y, inverse=inverse, out=d)[0] is d
        assert same(d, result)


def test_threads_change_nothing():
    for shape in [(600, 2000), (40, 30000)]:
        x, d = drawn(shape, "float32", 1), drawn(shape, "float32", 2)
        for axis in (0, 1):
            y, inverse = normalise(axis, True, x)
            assert same(normalise(axis, True, x, threads=3)[0], y)
            backs = [normalise(axis, True, d, y, inverse=inverse, threads=threads)[0] for threads in (1, 3)]
            assert same(*backs)


@pytest.mark.parametrize("mean", [0.0, 1e3, 1e5])
@pytest.mark.parametrize("axis", [0, 1])
def test_four_units_in_the_last_place_at_any_mean(mean, axis):
    """And so for the Jacobian, beside the largest of what it adds up."""
    x, d = drawn((64, 300), "float32", 1, mean), drawn((64, 300), "float32", 2)
    y, inverse = normalise(axis, True, x)
    wide = x.astype(np.float64)
    away = wide - wide.mean(axis=axis, keepdims=True)
    exact = away / np.sqrt(np.mean(away**2, axis=axis, keepdims=True) + EPS)
    assert (np.abs(y - exact) <= 4 * np.spacing(np.abs(exact).astype(np.float32))).all()
    back = normalise(axis, True, d, y, inverse=inverse)[0]
    along = y * np.mean(d.astype(np.float64) * y, axis=axis, keepdims=True)
    exact = (d - np.mean(d, axis=axis, dtype=float, keepdims=True) - along) * np.expand_dims(inverse, axis)
    scale = np.float32(np.abs(d).max() * inverse.max())
    assert np.abs(back - exact).max() <= 4 * np.spacing(scale)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_stays_where_it_is(level, dtype):
    for wrong in (np.nan, np.inf, -np.inf):
        for place in [(0, 0), (5, 20)]:
            x = drawn((9, 40), dtype)
            x[place] = wrong
            for axis in (0, 1):
                y, inverse = normalise(axis, True, x)
                touched = np.zeros((9, 40), bool)
                touched[np.s_[:, place[1]] if axis == 0 else place[0]] = True
                assert (np.isnan(y) == touched).all()
                assert np.isnan(inverse).sum() == 1
                with np.errstate(invalid="ignore"):
                    assert same(y, reference.normalise(x, axis, True, EPS)[0])
            assert not np.isfinite(_core.project(x, np.ones(9))[1]).all()


def test_what_is_constant_has_no_variance(level):
    x = np.full((300, 5), 0.1, np.float32)
    for name in ("batch", "layer"):
        assert np.isnan(NORMS[name].normalised(x, 0.0).y).all()
        assert (NORMS[name].normalised(x, EPS).y == 0).all()
    assert np.isnan(NORMS["rms"].normalised(0 * x, 0.0).y).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes(level, dtype):
    """Subnormal and huge elements, whose squares the sums of float32 hold."""
    least, greatest = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    for scale in (least, 1e-30, 1e30, greatest / 8):
        x = np.clip(drawn((20, 300), "float64", 5), -4, 4)
        x = (np.rint(8 * x) if scale == least else x).astype(dtype) * np.dtype(dtype).type(scale)
        for axis in (0, 1):
            with np.errstate(all="ignore"):
                y, inverse = reference.normalise(x, axis, True, EPS)
            got = normalise(axis, True, x)
            assert same(got[0], y) and same(got[1], inverse)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_columns_of_zeros_and_projections(level, dtype):
    for rows, columns in SHAPES:
        x, weights = drawn((rows, columns), dtype), drawn(rows, "float64", 1)
        for got, want in zip(_core.project(x, weights), reference.project(x, weights), strict=True):
            assert same(got, want)
        x[:, ::3], x[-1, ::6] = 0, np.finfo(dtype).smallest_subnormal
        x[:, 1::3] = -0.0
        assert _core.zero_columns(x) == (~x.any(axis=0)).sum()
        x[:-1], x[-1] = 0, np.nan
        assert _core.zero_columns(x) == 0
    assert _core.zero_columns(np.empty((0, 4), dtype)) == 4


def test_nothing_is_done_with_nothing():
    for shape in [(0, 3), (3, 0)]:
        for axis in (0, 1):
            assert normalise(axis, True, np.empty(shape))[0].shape == shape


def refused(kind, message, *given):
    with pytest.raises(kind) as error:
        _core.normalise(*given)
    assert str(error.value) == message


def test_what_does_not_fit_is_refused():
    x, out, inverse = np.zeros((3, 4)), np.zeros((3, 4)), np.zeros(4)
    fixed = out.copy()
    fixed.flags.writeable = False
    refused(ValueError, "`axis` must be 0 or 1, got 2", 2, True, EPS, x, None, None, out, inverse, 1)
    refused(ValueError, "4 numbers of float64 are needed, got float64 of shape (3,)",
            0, True, EPS, x, None, None, out, np.zeros(3), 1)  # fmt: skip
    refused(ValueError, "3 numbers of float64 are needed, got float32 of shape (3,)",
            1, True, EPS, x, None, [np.zeros(3), np.zeros(3, np.float32)], out, np.zeros(3), 1)  # fmt: skip
    refused(BufferError, "numbers must be aligned and contiguous, and writable",
            0, True, EPS, x, None, None, out, np.zeros(8)[::2], 1)  # fmt: skip
    refused(BufferError, "`out` must be writable", 0, True, EPS, x, None, None, fixed, inverse, 1)
    refused(
        BufferError, "elements of a row must lie side by side", 0, True, EPS, x.T.copy().T, None, None, out, inverse, 1
    )
    refused(ValueError, "both matrices must have one dtype and as many columns",
            0, True, EPS, x, None, None, out.astype(np.float32), inverse, 1)  # fmt: skip
    refused(ValueError, "all matrices must have as many rows, got 3, 2 and 3",
            0, True, EPS, x, out[:2], None, out, inverse, 1)  # fmt: skip
