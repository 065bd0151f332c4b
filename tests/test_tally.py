"""The statistics of a layer: in pieces as at once, known answers, and what no signal has."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fastinit.profiler.products import gram, inner, mean_cosine, squared_norm
from fastinit.profiler.statistics import FIELDS, Tally, distinct_columns

FLOATS = st.floats(-100, 100, width=32)
SIGNALS = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 12)), elements=FLOATS)


@settings(max_examples=60, deadline=None)
@given(SIGNALS, st.integers(1, 5))
def test_pieces_of_units_are_the_whole(x, step):
    """Moments of pieces are of other sequences of the same elements: they agree to 1e-4 of the largest square."""
    whole, pieces = Tally(), Tally()
    for tally, cuts in ((whole, [x]), (pieces, [x[:, i : i + step] for i in range(0, x.shape[1], step)])):
        for cut in cuts:
            tally.preact.update(cut)
            tally.act.update(cut)
            tally.grad_act.update(cut)
            tally.add_slopes((cut > 0).astype(np.float32), len(cut))
    a, b = whole.row(), pieces.row()
    assert a["dead_fraction"] == b["dead_fraction"] == (x <= 0).all(axis=0).mean()
    scale = 1 + float(np.abs(x).max()) ** 2
    for name in ("preact_mean", "preact_variance", "act_second_moment", "grad_act_second_moment"):
        assert a[name] == pytest.approx(b[name], abs=1e-4 * scale)
    assert a["act_second_moment"] == pytest.approx(float(np.mean(x.astype(float) ** 2)), abs=1e-4 * scale)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 2**32 - 1), st.data())
def test_distinct_columns_are_counted(rows, kinds, seed, data):
    """Copies of columns, in any order and with rounding, are not counted again."""
    rng = np.random.default_rng(seed)
    columns = rng.standard_normal((rows, kinds)).astype(np.float32)
    picks = data.draw(st.lists(st.integers(0, kinds - 1), min_size=1, max_size=80))
    x = columns[:, picks] * (1 + np.finfo(np.float32).eps * rng.integers(-2, 3, (rows, len(picks)))).astype(np.float32)
    apart = np.abs(columns[:, :, None] - columns[:, None]).max(axis=0)[np.triu_indices(kinds, 1)]
    if not len(apart) or apart.min() > 1e-3:
        assert distinct_columns(x) == len(set(picks))


def test_distinct_columns_of_special_signals():
    assert distinct_columns(np.zeros((3, 7), np.float32)) == 1
    assert distinct_columns(np.full((1, 5), 1e-30, np.float32)) == 1
    assert distinct_columns(np.arange(6.0).reshape(1, 6)) == 6
    assert math.isnan(distinct_columns(np.array([[1.0, np.inf]])))
    x = np.array([[1.0, 1.0, 1e-8, 2e-8]])
    assert distinct_columns(x) == 3  # small columns differ by their own measure
    late = np.ones((50, 30), np.float32)
    late[40] = np.arange(30) // 3  # far down in columns that begin alike
    assert distinct_columns(late) == 10


@settings(max_examples=60, deadline=None)
@given(SIGNALS)
def test_gram_and_cosine(x):
    exact = x.astype(float) @ x.astype(float).T
    assert np.allclose(gram(x), exact, atol=1e-5 * (1 + np.abs(exact).max()))
    assert squared_norm(x) == pytest.approx(float(np.trace(exact)), rel=1e-5)
    cosine = mean_cosine(exact)
    nonzero = [row for row in x.astype(float) if row @ row > 0]
    if len(nonzero) < 2:
        assert math.isnan(cosine)
    else:
        pairs = [a @ b / math.sqrt((a @ a) * (b @ b)) for i, a in enumerate(nonzero) for b in nonzero[:i]]
        assert cosine == pytest.approx(np.mean(pairs), abs=1e-9)


@pytest.mark.parametrize("size", [1e-30, 1e-22, 1.0, 1e25])
def test_gram_of_what_is_small_or_large(size):
    """The squares of these float32 numbers are none, or have lost their digits."""
    x = (np.arange(1, 13).reshape(3, 4) * size).astype(np.float32)
    exact = x.astype(float) @ x.astype(float).T
    assert np.allclose(gram(x), exact, rtol=1e-6, atol=0)
    assert mean_cosine(gram(x)) == pytest.approx(mean_cosine(exact), rel=1e-6)
    assert np.array_equal(gram(np.zeros((2, 3), np.float32)), np.zeros((2, 2)))
    with np.errstate(invalid="ignore"):
        assert np.isnan(gram(np.full((2, 3), np.inf, np.float32) * 0)).all()


def test_sums_of_many_float32_products():
    x = np.full(1 << 22, 0.1, np.float32)
    assert squared_norm(x) == pytest.approx(float(np.sum(x.astype(float) ** 2)), rel=1e-5)
    assert inner(x, -x) == -squared_norm(x)


def test_what_was_not_seen_is_not_a_number():
    row = Tally().row()
    assert list(row) == list(FIELDS)
    assert all(math.isnan(value) for value in row.values())
    tally = Tally()
    tally.add_weights(weight_norm=9.0)
    tally.add_weights(weight_norm=16.0)
    assert tally.row()["weight_norm"] == 5
    assert math.isnan(tally.row()["weight_grad_norm"])
    tally.start()
    assert math.isnan(tally.row()["weight_norm"])
