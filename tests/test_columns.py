"""Columns of a layer: exact equality over levels, threads and the twin; what is not finite; what is refused."""

import numpy as np
import pytest
from conftest import bits

import fastinit as fi
from fastinit import _core, reference
from fastinit.stream import stream_key

FORWARD, _, BACKWARD, _ = range(4)
WIDTHS = [1, 15, 16, 17, 63, 64, 65, 255, 256, 257, 1000, 4097]
ROWS = [1, 3, 4, 5, 17]


def same(mine, theirs):
    """Equal bits; any NaN is like another."""
    mine, theirs = np.array(mine), np.array(theirs)
    return ((bits(mine) == bits(theirs)) | (np.isnan(mine) & np.isnan(theirs))).all()


def signal(rows, width, dtype, seed=0):
    return fi.normal((rows, width), seed=seed, name="signal", dtype=dtype)


def passed(x, way=FORWARD, orders=(), threads=1, **what):
    """What a pass over columns as wide as x gives; and the sums of the moments asked for."""
    accumulators = tuple(_core.Accumulator(order) if order else None for order in orders or (0,) * 4)
    found = _core.pass_columns(way, x.dtype, *x.shape, accumulators, _core.ColumnRoom(), threads, **what)
    return found, [seen.result() for seen in accumulators if seen is not None]


def key(name):
    return stream_key(5, "normal", name)


def drawn(name, shape, dtype):
    return fi.normal(shape, seed=5, name=name, dtype=dtype)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_made_and_read_is_the_twins(level, dtype, width, wide):
    for rows in ROWS:
        x, terms = signal(rows, width, dtype), rows - (rows > 3)
        by = signal(rows, terms + 1, "float64" if wide else dtype, seed=1)
        z, n = drawn("z", (terms, width), dtype), drawn("n", (rows, width), dtype)
        bias = fi.normal(width, 0, 0.5, seed=5, name="b", dtype=dtype)
        h = np.empty_like(x)
        source = {"z": (key("z"), terms), "map": by, "bias": key("b"), "bias_std": 0.5}
        end = {"n": (key("n"), rows), "exact": wide, "products": True, "crossed": True, "squares": wide}
        found, (sums,) = passed(x, orders=(0, 4, 0, 0), out=h, **source, **end)
        assert same(h, reference.mapped(by, np.concatenate([z, bias[None]]))), rows
        assert same(found[2], reference.column_products(h))
        assert same(found[3], reference.column_products(h, n, wide))
        if wide:
            assert same(found[4], reference.column_products(n))
        else:
            assert np.allclose(found[4], np.sum(n.astype(float) ** 2, axis=1), rtol=1e-14)
        assert found[1] == pytest.approx(float(np.sum(z.astype(float) ** 2)), rel=1e-13)
        assert same(sums, reference.column_sums(h, 4))
        found, (sums,) = passed(
            x, BACKWARD, (0, 0, 0, 2), gradient=x, exact=wide, products=True, crossed=True, **source
        )
        assert same(found[2], reference.column_products(x))
        assert same(found[3], reference.column_products(x, z, wide))
        assert same(sums, reference.column_sums(x, 2))
        g, both = np.empty_like(x), signal(rows, rows + terms, by.dtype.name, seed=2)
        passed(x, BACKWARD, given=x, n=(key("n"), terms), back=both, out=g)
        assert same(g, reference.mapped(both, np.concatenate([x, n[:terms]])))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 1000, 40_001])
def test_parts_alone_add_up_to_all(dtype, width):
    """To the bit, in their order: whoever makes them."""
    x, by = signal(17, width, dtype), signal(17, 17, dtype, seed=1)
    what = {"z": (key("z"), 17), "map": by, "steps": (0, 2), "activation": (1, (1.0, 0.0))}
    what |= {"products": True, "crossed": True, "n": (key("n"), 17)}
    add_up(x, 1, FORWARD, what)
    back = {"functions": 3, "gradient": signal(51, width, dtype, seed=2), "products": True}
    add_up(x, 3, BACKWARD, back | {"z": (key("z"), 17), "map": by, "steps": (0, 2), "activation": (1, (1.0, 0.0))})


def add_up(x, functions, way, what):
    parts = range(_core.columns_parts(functions * len(x), x.shape[1]))
    *whole, counts = passed_with_accumulators(x, way, **what)
    moments = None
    for part in parts:
        *some, seen = passed_with_accumulators(x, way, only=part, **what)
        if moments is None:
            total, moments = some, seen
            continue
        total = [one + other for one, other in zip(total, some, strict=True)]
        for sums, more in zip(moments, seen, strict=True):
            sums.merge(more)
    assert all(same(one, other) for one, other in zip(total, whole, strict=True))
    assert all(one.result() == other.result() for one, other in zip(moments, counts, strict=True))
    for part in (len(parts), 2**40):
        with pytest.raises(ValueError) as error:
            passed(x, way, only=part, **what)
        assert str(error.value) == f"`only` must be a part in [0, {len(parts)}), got {part}"


def passed_with_accumulators(x, way, **what):
    """What is found, and where its moments are."""
    accumulators = _core.Accumulator(4), _core.Accumulator(4)
    into = (*accumulators, None, None) if way == FORWARD else (None, None, *accumulators)
    return *_core.pass_columns(way, x.dtype, *x.shape, into, _core.ColumnRoom(), 1, **what), accumulators


UNITS = {
    "batch norm, then gelu": ((0, 1, 2), True),
    "sin, then batch norm": ((0, 2, 1), True),
    "rms norm over columns": ((0, 1, 2), False),
}


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_units_are_those_of_whole_signals(level, dtype, units):
    """By the core's functions of whole signals, bit for bit; forward and back."""
    steps, over_rows = UNITS[units]
    x, d = signal(9, 5000, dtype), signal(9, 5000, dtype, seed=3)
    phi = fi.activations.ACTIVATIONS["sin" if "sin" in units else "gelu"]
    wide, eps = x.astype(float), 1e-5
    known = None if over_rows else ((0 * wide[:, 0]).copy(), (wide**2).mean(axis=1))
    known_back = None if over_rows else (np.zeros(9), np.linspace(-1, 1, 9))
    y, slope, inverse = x, None, np.empty(5000 if over_rows else 9)
    for step in steps[1:]:
        if step == 1:
            y, before = np.empty_like(x), y
            _core.normalise(0 if over_rows else 1, over_rows, eps, before, None, known, y, inverse, 1)
            normalised = y
        else:
            y, slope = phi.with_slope(y)
    g = d
    for step in reversed(steps[1:]):
        if step == 1:
            before, g = g, np.empty_like(x)
            _core.normalise(0 if over_rows else 1, over_rows, 0, before, normalised, known_back, g, inverse, 1)
        else:
            g = g * slope
    given = {"given": x, "steps": steps, "activation": phi.in_core}
    given["norm"] = (not over_rows, over_rows, eps, known, known_back)
    out = np.empty_like(x)
    for threads in (1, 2, 3):
        _, (read, end) = passed(x, orders=(4, 4, 0, 0), threads=threads, out=out, **given)
        assert same(out, y)
        assert same(read, reference.column_sums(x, 4))
        assert same(end, reference.column_sums(y, 4))
        found, (read, end) = passed(
            x, BACKWARD, (0, 0, 2, 2), threads=threads, gradient=d, out=out, products=True, **given
        )
        assert same(out, g)
        assert same(found[2], reference.column_products(g))
        assert same(read, reference.column_sums(g, 2))
        assert same(end, reference.column_sums(d, 2))


@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_is_seen(level, dtype, special):
    x = signal(5, 700, dtype)
    x[2, 300] = special
    by = np.eye(5, 10, dtype=dtype)
    out = np.empty_like(x)
    found, (sums,) = passed(x, orders=(0, 4, 0, 0), given=x, n=(key("n"), 5), products=True, crossed=True)
    assert same(np.isfinite(found[2]), ~(np.arange(5)[:, None] == 2) & (np.arange(5) != 2))
    assert np.isfinite(found[3]).all(axis=1).tolist() == [True, True, False, True, True]
    assert sums[-2] == 1
    passed(x, BACKWARD, given=x, n=(key("n"), 5), back=by, out=out)
    assert same(out[:, :300], x[:, :300])
    assert same(out[:, 301:], x[:, 301:])
    assert np.isnan(out[[0, 1, 3, 4], 300]).all()  # 0 inf
    assert same(out[2, 300], x[2, 300])


@pytest.mark.parametrize("rows, width", [(1, 70_001), (129, 300), (512, 40), (513, 33), (4, 0), (0, 3)])
def test_shapes_at_the_ends(rows, width):
    x = signal(rows, width, "float32")
    found, (sums,) = passed(x, orders=(0, 4, 0, 0), given=x, products=True)
    assert same(found[2], reference.column_products(x))
    assert sums[0] == x.size


def test_a_stream_is_added_to_and_gone_on_from(level):
    x, stream = signal(3, 900, "float32"), signal(3, 900, "float64", seed=1)
    before, out = stream.copy(), np.empty_like(x)
    passed(x, given=x, stream=stream, sign=1, out=out)
    assert same(stream, before + x)
    assert same(out, stream.astype(np.float32))
    passed(x, given=x, stream=stream, sign=-1)
    assert same(stream, (before + x) - x)
    passed(x, BACKWARD, stream=stream, gradient=x, out=out, adds=True)
    assert same(out, ((before + x).astype(np.float32) + x))
    signs = np.float32([[1], [-1], [1]])
    passed(x, BACKWARD, n=(key("n"), 1), signs=signs, out=out)
    assert same(out, signs * np.sign(drawn("n", (1, 900), "float32")))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 65, 257, 4097])
def test_gradients_of_several_functions_go_back_as_each_alone(level, dtype, width):
    rows, functions = 5, 3
    x, d = signal(rows, width, dtype), signal(functions * rows, width, dtype, seed=3)
    z, n = drawn("z", (4, width), dtype), drawn("n", d.shape, dtype)
    by, out = signal(rows, 4, dtype, seed=1), np.empty_like(d)
    gelu = fi.activations.ACTIVATIONS["gelu"].in_core
    layer = {"z": (key("z"), 4), "map": by, "steps": (0, 1, 2), "activation": gelu,
             "norm": (False, True, 1e-5, None, None)}  # fmt: skip
    many = {"functions": functions, "products": True, "crossed": True}
    for threads in (1, 3):
        found, _ = passed(x, BACKWARD, threads=threads, gradient=d, out=out, **many, **layer)
        for function in range(functions):
            here, alone = slice(function * rows, (function + 1) * rows), np.empty_like(x)
            passed(x, BACKWARD, gradient=np.ascontiguousarray(d[here]), out=alone, **layer)
            assert same(out[here], alone)
        assert same(found[2], reference.column_products(out))
        assert same(found[3], reference.column_products(out, z, False))
    back, seen = signal(len(d), rows + len(d), dtype, seed=2), {"given": x, "n": (key("n"), len(d))}
    passed(x, BACKWARD, functions=functions, back=back, out=out, **seen)
    assert same(out, reference.mapped(back, np.concatenate([x, n])))
    found, _ = passed(x, **many, **seen)
    assert same(found[2], reference.column_products(x, rows=len(d)))
    assert same(found[3], reference.column_products(x, n, False))
    assert np.allclose(found[4], np.sum(n.astype(float) ** 2, axis=1), rtol=1e-14)


X = np.zeros((4, 9), np.float32)
REFUSED = {
    "a map": ({"z": (key("z"), 2), "map": X}, "a matrix of shape (4, 2) is needed, got (4, 9) of float32"),
    "a signal": ({"given": X[:3]}, "a signal of shape (4, 9) is needed, got (3, 9), float32"),
    "a dtype": ({"given": X.astype(float)}, "a signal of shape (4, 9) is needed, got (4, 9), float64"),
    "a stream": ({"stream": X}, "`stream` must be float64 of shape (4, 9)"),
    "steps": ({"steps": (0, 1, 2, 0)}, "at most 3 steps, 4 rows of z and 4 of n are passed"),
    "a step": ({"steps": (3,)}, "a step must be 0, 1 or 2, got 3"),
    "a way back": ({"way": BACKWARD}, "a way back starts with one of back, gradient and signs"),
    "functions": ({"functions": 2, "way": 3}, "sums of rows are of one function, got 2"),
    "gradients": (
        {"functions": 2, "way": BACKWARD, "gradient": X},
        "a signal of shape (8, 9) is needed, got (4, 9), float32",
    ),
    "rows": ({"z": (key("z"), 5)}, "at most 3 steps, 4 rows of z and 4 of n are passed"),
}


@pytest.mark.parametrize("what, told", REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(what, told):
    with pytest.raises(ValueError) as error:
        passed(X, **what)
    assert str(error.value) == told


def test_memory_is_looked_at():
    for out in (X[:, ::-1], np.zeros((9, 4), np.float32).T):
        with pytest.raises(BufferError):
            passed(X, out=out)
    with pytest.raises(ValueError, match=r"^columns must be of float32 or float64, got float16$"):
        passed(X.astype(np.float16))
