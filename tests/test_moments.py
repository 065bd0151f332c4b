"""Moments: exact equality over levels, splits and threads; error bounds; what is not finite; merging."""

import copy
import math
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from conftest import FOREIGN, LENGTHS, bits
from scipy import stats

import fastinit as fi
from fastinit import _core, reference
from fastinit.dtypes import kind_of

BLOCK = 4096


def data(dtype, count, scale=1.0, offset=0.0, seed=0):
    return (np.random.default_rng(seed).standard_normal(count) * scale + offset).astype(dtype)


def same(mine, theirs, order):
    """Equal bits of the sums that this order has (zeros of either sign, and NaN, are alike)."""
    mine, theirs = np.array(mine), np.array(theirs, float)
    if order == 2:
        mine[3:5] = theirs[3:5] = 0
    return ((bits(mine) == bits(theirs)) | (np.isnan(mine) & np.isnan(theirs)) | ((mine == 0) & (theirs == 0))).all()


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (1e-3, 0), (1, 1000), (1e-3, 7)])
def test_every_level_gives_the_twins_bits(level, dtype, order, scale, offset):
    for count in [n for n in LENGTHS if n] + [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 16 * BLOCK + 5]:
        x = data(dtype, count, scale, offset)
        assert same(fi.Moments(order).update(x)._sums.result(), reference.sums(x, order), order), count


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e9, 1e30])
def test_elements_whose_powers_float32_cannot_hold(level, order, scale):
    x = data("float32", 3 * BLOCK + 7, scale)
    assert same(fi.Moments(order).update(x)._sums.result(), reference.sums(x, order), order)
    assert fi.moments(x, order=order).variance == pytest.approx(x.astype(np.float64).var(), rel=1e-6)


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("power", [-1070, -1000, -530, -260, -201, -199, 199, 201, 260, 530, 1000, 1008])
def test_elements_whose_powers_float64_cannot_hold(level, order, power):
    """Skewness and kurtosis know no scale; the deviation is a number where the variance is none."""
    x = data("float64", 3 * BLOCK + 7, offset=0.3)
    scaled = np.ldexp(x, power)
    got, want = fi.moments(scaled, order=order), fi.moments(x, order=order)
    assert same(fi.Moments(order).update(scaled)._sums.result(), reference.sums(scaled, order), order)
    lost = 2.0 ** max(-1074 - power, -45)  # of elements below the normal numbers
    assert got.std == pytest.approx(np.ldexp(want.std, power), rel=lost)
    assert got.mean == pytest.approx(np.ldexp(want.mean, power), rel=8 * lost)
    with np.errstate(over="ignore"):
        assert got.variance == pytest.approx(np.ldexp(want.variance, 2 * power), rel=lost, abs=2.0**-1074)
    if order == 4:
        assert got.kurtosis == pytest.approx(want.kurtosis, rel=8 * lost)
        assert got.skewness == pytest.approx(want.skewness, rel=0, abs=8 * lost)
    rows = fi.moments(np.stack([scaled, x, -scaled]), axis=1, order=order)
    assert [rows.std[0], rows.std[1], rows.std[2]] == [got.std, want.std, got.std]


@pytest.mark.parametrize("order", [2, 4])
def test_parts_of_very_different_sizes_merge(level, order):
    """Blocks, and sums of accumulators, of which one or both leave the range of float64's fourth powers."""
    tiny, usual, vast = (data("float64", 2 * BLOCK, scale, seed=seed) for seed, scale in enumerate((1e-200, 1, 1e200)))
    for parts in ([tiny, usual], [usual, vast], [vast, tiny], [tiny, vast, usual], [tiny + 1e-100, tiny - 1e-100],
                  [np.full(BLOCK, 1e300), np.full(BLOCK, -1e300)], [np.full(BLOCK, 1e-300), tiny],
                  [np.full(BLOCK, 4e304), np.full(BLOCK, -4e304)], [np.zeros(BLOCK), vast]):  # fmt: skip
        x = np.concatenate(parts)
        largest = np.abs(x).max()
        with np.errstate(over="ignore", under="ignore"):
            scaled = x / largest
        got = fi.moments(x, order=order)
        assert same(fi.Moments(order).update(x)._sums.result(), reference.sums(x, order), order)
        assert got.std / largest == pytest.approx(scaled.std(), rel=1e-12)
        added = sum((fi.Moments(order).update(part) for part in parts[1:]), fi.Moments(order).update(parts[0]))
        assert added.std == pytest.approx(got.std, rel=1e-12)
        if order == 4:
            assert got.kurtosis == pytest.approx(stats.kurtosis(scaled) + 3, rel=1e-9)
            assert added.kurtosis == pytest.approx(got.kurtosis, rel=1e-12)


def test_both_orders_have_one_variance(level):
    for dtype in ("float32", "float16", "bfloat16"):
        for mean in (0.0, 1.0, 30.0):
            x = fi.normal(3 * BLOCK + 5, mean=mean, seed=1, dtype=dtype)
            two, four = fi.moments(x, order=2), fi.moments(x, order=4)
            assert (two.variance, two.std, two.mean) == (four.variance, four.std, four.mean)


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_no_cut_and_no_number_of_threads_changes_anything(order, dtype):
    x = fi.normal(70 * BLOCK + 123, seed=1, dtype=dtype)
    whole = fi.Moments(order).update(x, threads=1).result()
    assert fi.Moments(order).update(x, threads=3).result() == whole
    edges = [1, 17, BLOCK - 1, BLOCK, BLOCK + 1, 16 * BLOCK - 1, 16 * BLOCK, 16 * BLOCK + 1, 33 * BLOCK + 5, len(x) - 1]
    for cut in edges + np.random.default_rng(2).integers(0, len(x), 20).tolist():
        assert fi.Moments(order).update(x[:cut]).update(x[cut:], threads=2).result() == whole, cut
    many = fi.Moments(order)
    for piece in np.array_split(x, 300):
        many.update(piece)
    assert many.result() == whole


def test_strided_and_foreign_elements_are_taken_in_c_order():
    x = data("float64", 6000).reshape(60, 100)
    assert fi.moments(x.T) == fi.moments(np.ascontiguousarray(x.T))
    assert fi.moments(x[::-2, ::3]) == fi.moments(x[::-2, ::3].copy())
    assert fi.moments(x.astype(f"{FOREIGN}f8")) == fi.moments(x)
    buffer = np.zeros(6000 * 8 + 1, np.uint8)[1:].view(np.float64)
    buffer[:] = x.ravel()
    assert fi.moments(buffer) == fi.moments(x)
    for kind in ("?", "i1", "u1", f"{FOREIGN}i2", "i4", "u8", "f2", f"{FOREIGN}f4", "g", "bfloat16"):
        dtype = kind_of(kind).dtype if kind == "bfloat16" else kind
        many = (np.arange(700_000) * 37 % 251).reshape(70, 100, 100).astype(dtype)
        usual = many.astype("f4" if kind in ("f2", f"{FOREIGN}f4", "bfloat16") else "f8")  # i1 has wrapped around
        for view, plain in ((many, usual), (many.T, usual.T), (many[::-3, 5:, ::7], usual[::-3, 5:, ::7])):
            assert fi.moments(view) == fi.moments(np.ascontiguousarray(plain))
            for axis in (0, 1, (0, 2), (2, 1, 0)):
                got, want = (fi.moments(x, axis=axis) for x in (view, np.ascontiguousarray(plain)))
                assert alike(got, want), (kind, axis)
    for whole in (np.arange(-5, 100), np.array([True, False, True]), [1, 2, 3], np.arange(7, dtype=np.uint8)):
        assert fi.moments(whole).mean == np.mean(whole)
        assert fi.moments(whole).variance == pytest.approx(np.var(whole), rel=1e-15)


def alike(mine, theirs):
    return all(a is b is None or np.array_equal(a, b, equal_nan=True) for a, b in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("count", [0, 1, 64, BLOCK - 1, BLOCK, BLOCK + 1, (1 << 14) - 1, 1 << 14, (1 << 14) + 1])
def test_few_elements_are_told_as_any_others(count, dtype, order):
    """An array of up to 2**14 usual elements is looked at by the core itself."""
    x = data(dtype, count, offset=2.0)
    x[7:8], x[8:9] = 0.0, np.nan
    x.flags.writeable = False
    for some in (x, x[: count - 1]):
        several = np.stack([np.zeros_like(some), some])
        rows = [None if field is None else field[1] for field in fi.moments(several, axis=1, order=order)]
        foreign = some.astype(some.dtype.newbyteorder())
        accumulated = fi.Moments(order).update(some[:50]).update(some[50:])
        for told in (fi.moments(some, order=order), accumulated.result(), fi.moments(foreign, order=order)):
            assert alike(told, rows)
            assert {type(field) for field in told} <= {int, float, type(None)}


@pytest.mark.parametrize("wrong", [{"order": 3}, {"order": 5}, {"order": 4.0}, {"order": True}, {"order": None},
                                   {"threads": 0}, {"threads": True}, {"threads": 1.0}, {"threads": "2"}])  # fmt: skip
def test_few_elements_are_refused_as_any_others(wrong):
    said = []
    for x in (np.ones(3, np.float32), np.ones(3, int)):
        with pytest.raises((TypeError, ValueError)) as refused:
            fi.moments(x, **wrong)
        said.append((refused.type, str(refused.value)))
        if "threads" in wrong:
            with pytest.raises(refused.type) as refused:
                fi.Moments().update(x, **wrong)
            said.append((refused.type, str(refused.value)))
    assert len(set(said)) == 1
    assert fi.moments(np.ones(3), order=np.int64(2), threads=np.int64(1)) == fi.moments(np.ones(3), order=2)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("length", [1, 63, 64, 65, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 129])
def test_rows_that_lie_side_by_side_are_told_as_their_copies(dtype, length):
    """Rows by ones, and around the 8, 16 or 32 that are read together; steps of more than an element, and backwards."""
    x = fi.normal((length, 67), mean=0.5, std=2.0, seed=1, dtype=dtype)
    x[0, 5] = np.nan
    for order in (2, 4):
        copies = [fi.moments(column.copy(), order=order) for column in x.T]
        for cut in (np.s_[:1], np.s_[:7], np.s_[1:9], np.s_[3:19], np.s_[:33], np.s_[::-1], np.s_[2::3], np.s_[:]):
            told = fi.moments(x[:, cut], axis=0, order=order)
            for place, want in enumerate(copies[cut]):
                assert alike([None if field is None else field[place] for field in told], want), (cut, place)
        for view in (x.T, x[::-1].T, x[:, ::-2].T, x.T[3:50], np.asfortranarray(x)):
            assert alike(fi.moments(view, order=order), fi.moments(np.ascontiguousarray(view), order=order))


def test_any_axes_in_any_order_of_memory():
    x = fi.normal((5, 18, 21, 40), mean=1.0, seed=1)
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2), (2, 0, 3, 1)):
        view = x.transpose(order)
        plain = np.ascontiguousarray(view)
        for cut in (np.s_[:], np.s_[:, 1:, ::2], np.s_[..., ::-1], np.s_[2:3]):
            for axis in (None, (), 0, 1, 2, 3, (0, 1), (0, 3), (1, 2), (3, 1), (0, 1, 2), (3, 2, 0)):
                assert alike(fi.moments(view[cut], axis), fi.moments(plain[cut].copy(), axis)), (order, cut, axis)
    assert fi.moments(np.broadcast_to(x[0], x.shape), axis=0).variance.max() == 0


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_threads_change_nothing_along_any_axis(axis):
    x = fi.normal((1030, 1100), seed=1)
    for view in (x, x.T, np.asfortranarray(x)[:, 1:]):
        assert alike(fi.moments(view, axis, threads=3), fi.moments(view, axis, threads=1))


def exact_moments(x):
    """Mean and central moments with fsum: right to the last digits."""
    x = [float(v) for v in x]
    n = len(x)
    mean = math.fsum(x) / n
    m2, m3, m4 = (math.fsum((v - mean) ** k for v in x) / n for k in (2, 3, 4))
    return mean, m2, m3 / m2**1.5, m4 / m2**2


@pytest.mark.parametrize("offset", [0.0, 3.0, 1e3])
def test_error_bounds(offset):
    """Those of the docstring: 22 w + 300 u in the block sums, and a few u for each of the 17 doublings after it."""
    for dtype, order, w in (("float32", 4, 2.0**-24), ("float64", 4, 2.0**-53), ("float32", 2, 2.0**-53)):
        x = data(dtype, 200_001, 1.0, offset)
        mean, variance, skewness, kurtosis = exact_moments(x)
        bound = 22 * w + 300 * 2.0**-53 + 17 * 8 * 2.0**-53
        got = fi.moments(x, order=order)
        assert abs(got.mean - mean) <= 1e-15 * max(abs(offset), 1) * 4
        assert abs(got.variance / variance - 1) <= bound
        if order == 4:
            assert abs(got.kurtosis / kurtosis - 1) <= 3 * bound
            assert abs(got.skewness - skewness) <= 8 * bound  # E|d|^3 = 1.6 for a normal, over 1, plus 1.5 times m2's


def test_digits_are_kept_far_from_zero():
    x = 1e8 + np.random.default_rng(1).standard_normal(1_000_000)
    got = fi.moments(x)
    centred = x - 1e8  # exact
    assert got.variance == pytest.approx(centred.var(), rel=1e-9)
    assert abs(fi.moments(x, order=2).variance / centred.var() - 1) < 1e-9
    assert got.kurtosis == pytest.approx(stats.kurtosis(centred) + 3, rel=1e-7)
    drifting = np.concatenate([np.zeros(BLOCK), x])
    assert fi.moments(drifting).variance == pytest.approx(drifting.var(), rel=1e-9)
    assert fi.moments(np.full(10_000, 0.1)).variance <= 1e-32


@pytest.mark.parametrize("order", [2, 4])
def test_what_is_not_finite_is_counted_and_propagates(order):
    for extra in ([np.nan], [np.inf], [-np.inf], [np.inf, -np.inf], [np.inf, np.nan, 0.0]):
        x = np.concatenate([data("float64", 10_000), extra, data("float64", 10_000, seed=1)])
        got = fi.moments(x, order=order)
        with np.errstate(invalid="ignore"):
            assert np.array_equal([got.mean, got.variance], [x.mean(), x.var()], equal_nan=True)
        assert np.array_equal([got.minimum, got.maximum], [x.min(), x.max()], equal_nan=True)
        assert got.nonfinite == sum(not math.isfinite(v) for v in extra)
        assert got.count == len(x)
        assert got.zeros == extra.count(0.0)
        assert fi.moments(x.astype(np.float32), order=order).nonfinite == got.nonfinite
        halves = fi.Moments(order).update(x[:10_000]) + fi.Moments(order).update(x[10_000:])
        assert np.array_equal([halves.mean], [got.mean], equal_nan=True)


def test_a_sum_beyond_float64_is_infinite_as_numpys_and_the_rest_stands():
    for x in ([1.7e308] * 2, [1.7e308] * 3 + [0.0, -1.0]):
        for order in (2, 4):
            got = fi.moments(x, order=order)
            with np.errstate(over="ignore", invalid="ignore"):
                assert got.mean == np.mean(x) == np.inf
            assert (got.count, got.nonfinite, got.zeros) == (len(x), 0, x.count(0.0))
            assert (got.minimum, got.maximum) == (min(x), max(x))
            assert math.isnan(got.variance)


def test_a_deviation_of_one_unit_in_the_last_place_is_exact():
    x = 1 + np.arange(4096) % 2 * 2.0**-52
    for order in (2, 4):
        assert fi.moments(x, order=order).variance == pytest.approx(2.0**-106, rel=1e-12)
    for scale in (1e76, 1e-75):
        assert fi.moments(np.array([1.0, -1.0]) * scale).kurtosis == pytest.approx(1.0)


def test_threads_may_share_an_accumulator():
    m, x = fi.Moments(), np.ones(3000, np.float32)

    def work():
        for _ in range(2000):
            m.update(x)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert m.count == 4 * 2000 * 3000


def test_what_the_border_refuses():
    accumulator, unaligned = _core.Accumulator(4), np.zeros(41, np.uint8)[1:].view(np.float64)
    for call in (
        lambda: _core.Accumulator(7),
        lambda: _core.Accumulator(4, b"\xff" * len(accumulator.__reduce__()[1][1])),
        lambda: _core.Accumulator(4, b"short"),
        lambda: accumulator.update(9, np.zeros(5), 1),
        lambda: _core.moments_of_rows(4, 9, np.zeros((5, 5)), 1, 1),
        lambda: _core.moments_of_rows(3, 1, np.zeros((5, 5)), 1, 1),
        lambda: _core.moments_of_rows(4, 1, np.zeros((5, 5)), 3, 1),
        lambda: _core.moments_of_rows(4, 1, np.zeros((5, 5)), -1, 1),
        lambda: _core.ars_block(bytes(16), (1, 2), 7),
        lambda: _core.fill(9, 0, bytes(16), (0.0,) * 8, np.zeros(3, np.float32), 0, None, 1),
        lambda: _core.words(b"short", 0, 0, 1),
    ):
        with pytest.raises(ValueError):
            call()
    for call in (
        lambda: accumulator.update(1, np.zeros(5, np.float16), 1),
        lambda: accumulator.update(1, unaligned, 1),
        lambda: _core.moments_of_rows(4, 1, unaligned, 1, 1),
        lambda: _core.fill(0, 1, bytes(16), (0.0,) * 8, np.zeros(3, np.float16), 0, None, 1),
        lambda: _core.fill(0, 0, bytes(16), (0.0,) * 8, np.broadcast_to(np.float32(0), 3), 0, (1,), 1),
    ):
        with pytest.raises(BufferError):
            call()


def test_nothing_and_one_element():
    none = fi.moments([])
    assert none.count == 0
    assert math.isnan(none.mean)
    assert math.isnan(none.variance)
    assert math.isnan(none.minimum)
    one = fi.moments([3.0])
    assert one[:4] == (1, 3.0, 0.0, 0.0)
    assert math.isnan(one.skewness)
    assert (one.minimum, one.maximum) == (3.0, 3.0)


def test_zeros_minimum_and_maximum():
    x = np.maximum(fi.normal(100_001, seed=1), 0)
    got = fi.moments(x, order=2)
    assert (got.zeros, got.minimum, got.maximum) == (np.sum(x == 0), x.min(), x.max())


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), (2, 1), (0, 1, 2)], ids=str)
def test_axis(order, axis):
    x = fi.normal((7, 130, 50), std=2.0, mean=0.5, seed=2)
    got, twin, wide = (
        fi.moments(x, axis=axis, order=order),
        reference.moments(x, axis=axis, order=order),
        x.astype(float),
    )
    for name, value in twin.items():
        assert (value is None and getattr(got, name) is None) or np.array_equal(getattr(got, name), value), name
    np.testing.assert_allclose(got.mean, wide.mean(axis=axis), rtol=0, atol=1e-13)
    np.testing.assert_allclose(got.variance, wide.var(axis=axis), rtol=1e-5)
    assert np.array_equal(got.maximum, x.max(axis=axis))
    assert np.shape(got.count) == np.shape(got.mean)


@pytest.mark.parametrize("order", [2, 4])
def test_all_axes_of_arrays_that_are_not_contiguous(order):
    x = np.arange(12.0)
    for view, axis in ((x[::2], 0), (x[::-1], -1), (x.reshape(3, 4).T, (0, 1)), (x.reshape(3, 4), (1, 0)),
                       (x.reshape(3, 4)[:, ::2], (-1, 0)), (np.broadcast_to(x[:, None], (12, 5)), (0, 1)),
                       (np.zeros((4, 0)).T, (0, 1)), (np.float64(3.0), ())):  # fmt: skip
        got, axes = fi.moments(view, axis=axis, order=order), axis if isinstance(axis, tuple) else (axis,)
        whole = fi.moments(np.transpose(view, axes), order=order)
        assert alike(got, whole)
        assert np.ndim(got.mean) == 0


def test_rows_that_are_copied_in_pieces():
    x = fi.normal((3, 700_001), mean=0.5, seed=5)
    foreign = x.astype(f"{FOREIGN}f4")
    for view in (x, x[:, ::2], x[::-1], np.asfortranarray(x), foreign, foreign.T.copy().T):
        for order in (2, 4):
            got = fi.moments(view, axis=1, order=order)
            for row, whole in enumerate(fi.moments(view[row].copy(), order=order) for row in range(3)):
                assert alike([None if field is None else field[row] for field in got], whole)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB there")
def test_what_must_be_copied_is_copied_in_pieces():
    """An array of bytes would take 512 MiB as float64, a transposed one 256 MiB."""
    code = """
import resource, numpy as np, fastinit as fi
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bytes_, matrix = np.ones(1 << 26, np.uint8), np.ones((1 << 13, 1 << 13), np.float32)
fi.moments(bytes_[:10]), fi.moments(bytes_.reshape(2, -1)[:, :10], axis=1)
before = peak()
fi.moments(bytes_), fi.moments(matrix.T), fi.moments(bytes_.reshape(2, -1), axis=1), fi.moments(matrix[:, ::2], axis=0)
print((peak() - before) >> 10)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 40


def test_axis_of_long_rows_and_out_of_range():
    x = fi.normal((3, 3 * BLOCK + 11), seed=3)
    rows = fi.moments(x, axis=1)
    for row in range(3):
        assert rows.kurtosis[row] == fi.moments(x[row]).kurtosis
    with pytest.raises(np.exceptions.AxisError):
        fi.moments(x, axis=2)
    assert fi.moments(np.zeros((0, 3)), axis=1).mean.shape == (0,)
    assert np.isnan(fi.moments(np.zeros((3, 0)), axis=1).mean).all()
    for items in ("i1", f"{FOREIGN}f4"):  # no row of what each would be copied in pieces
        assert fi.moments(np.zeros((0, 300_000), items), axis=1).mean.shape == (0,)


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("mean", [0.0, 1.0, 40.0])
def test_sums_of_accumulators_of_narrow_elements(order, dtype, mean):
    """Mean and variance to 1e-12, what float32 powers are in to 44 of its roundings (those of the docstring, twice)."""
    x = fi.normal(100_003, mean=mean, seed=0, dtype=dtype)
    whole = fi.moments(x, order=order)
    for cut in (0, 1, 1000, 5000, 50_000, 100_003):
        both = (fi.Moments(order).update(x[:cut]) + fi.Moments(order).update(x[cut:])).result()
        assert both.mean == pytest.approx(whole.mean, rel=1e-12)
        assert both.variance == pytest.approx(whole.variance, rel=1e-12)
        if order == 4:
            assert both.kurtosis == pytest.approx(whole.kurtosis, rel=44 * 2.0**-24)
            assert both.skewness == pytest.approx(whole.skewness, rel=0, abs=3 * 44 * 2.0**-24)


@pytest.mark.parametrize("order", [2, 4])
def test_sums_of_accumulators_agree_with_one_pass(order):
    x = data("float64", 200_000, 2.0, 5.0)
    parts = [fi.Moments(order).update(piece) for piece in np.split(x, [10, 5000, 5001, 150_000])]
    together, whole = sum(parts[1:], parts[0]).result(), fi.moments(x, order=order)
    assert together.count == whole.count
    for name in ("mean", "variance", "kurtosis") if order == 4 else ("mean", "variance"):
        assert getattr(together, name) == pytest.approx(getattr(whole, name), rel=1e-12)
    assert parts[0].count == 10
    empty = fi.Moments(order)
    assert (empty + parts[1]).result() == parts[1].result()
    with pytest.raises(TypeError, match="unsupported operand"):
        empty + 1


def test_a_sum_can_go_on():
    x = data("float64", 9000)
    both = fi.Moments().update(x[:3000]) + fi.Moments().update(x[3000:6000])
    assert both.update(x[6000:]).variance == pytest.approx(x.var(), rel=1e-12)


def test_copies_and_pickles_are_exact_and_apart():
    x = data("float32", 30_001)
    m = fi.Moments().update(x[:20_001])
    for other in (copy.copy(m), copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert other.update(x[20_001:]).result() == fi.moments(x)
    assert m.count == 20_001
    assert "count=20001" in repr(m)
    with pytest.raises(AttributeError, match="`Moments` has no attribute 'median'"):
        m.median  # noqa: B018


@pytest.mark.parametrize("order", [2, 4])
def test_accumulators_are_summed(order):
    """`sum` begins with 0, and no other number is an accumulator."""
    several = [fi.Moments(order) for _ in range(3)]
    for start, one in enumerate(several):
        one.update(np.arange(start, 50.0))
    assert sum(several).result() == (several[0] + several[1] + several[2]).result()
    for other in (1, 0.0, False):
        with pytest.raises(TypeError, match="unsupported operand"):
            other + several[0]
