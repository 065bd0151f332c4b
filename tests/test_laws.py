"""The laws against their twin: exact, on every level, at every edge, into memory of every kind."""

import ctypes
import mmap
import sys

import numpy as np
import pytest
from conftest import DTYPES, LAWS, LENGTHS, bits
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastinit as fi
from fastinit import _core, reference
from fastinit.fill import draw
from fastinit.laws import UniformBelow

STARTS = [0, 1, 7, 31, 32, 33, 224, 255, 256, 257, 2000]
#: Whole tiles are made at most 64 at a time.
BATCH = 2048
#: Whole lines of 16 float32 are streamed 512 values at a time, after the values before the first line.
STREAMED = (15, 16, 17, *range(511, 514), *range(519, 530), *range(1023, 1026), 1039, 1040)


def ids(law):
    return f"{law[0]}{law[1]}"


@pytest.fixture(scope="module")
def twin():
    """The first 9,000 values of each law and dtype, by the twin."""
    made = {}

    def values(law, dtype):
        if (law, dtype) not in made:
            made[law, dtype] = getattr(reference, law[0])(9000, *law[1], seed=11, name="edge", dtype=dtype)
        return made[law, dtype]

    return values


def part(law, dtype, start, count, **keywords):
    where = fi.flat[start : start + count]
    return getattr(fi, law[0])(9000, *law[1], seed=11, name="edge", dtype=dtype, index=where, **keywords)


@pytest.mark.parametrize("law", LAWS, ids=ids)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_level_gives_the_twins_bits_at_every_length_and_start(level, law, dtype, twin):
    expected = twin(law, dtype)
    for start in STARTS:
        for count in LENGTHS:
            got = part(law, dtype, start, count)
            assert np.array_equal(bits(got), bits(expected[start : start + count])), (start, count)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.1, 0.1), (-3.0, 0.0), (1.0, 1.0), (2.0, 2.0 + 2**-11)])
def test_uniform_below_is_the_twins_uniform_but_for_the_rounded_end(level, low, high, dtype):
    twin = reference.uniform(4000, low, high, seed=11, name="edge", dtype=dtype)
    got = draw(UniformBelow(low, high), 4000, seed=11, name="edge", dtype=dtype)
    end, start = twin.dtype.type(high), twin.dtype.type(low)
    expected = twin if start == end else np.where(twin < end, twin, np.nextafter(end, start))
    assert np.array_equal(bits(got), bits(expected))


@pytest.fixture(params=[2**63, 1], ids=["through the caches", "past them"])
def way(request):
    """How memory is written: the processor at hand knows but one way that is fast."""
    before = _core.stream_from(request.param)
    yield
    assert _core.stream_from(before) == request.param


@pytest.mark.parametrize("law", LAWS, ids=ids)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0, 1, 8])
def test_batches_end_anywhere_and_lie_anywhere(level, law, dtype, offset, twin, way):
    """Lengths around one batch and two, from a tile's start and not, into memory aligned to 64 bytes and not."""
    expected = bits(twin(law, dtype))
    real = fi.dtypes.kind_of(dtype).dtype
    for start in (0, 1, 31, 32, BATCH - 32):
        counts = *STREAMED, BATCH - 33, *range(BATCH - 1, BATCH + 2), BATCH + 31, BATCH + 32, 2 * BATCH - 1, 2 * BATCH
        for count in counts:
            count = min(count, 9000 - start)
            memory = np.zeros(count * real.itemsize + 256, np.uint8)
            place = -memory.ctypes.data % 64 + offset * real.itemsize
            out = memory[place : place + count * real.itemsize].view(real)
            part(law, dtype, start, count, out=out)
            assert np.array_equal(bits(out), expected[start : start + count]), (start, count)
            assert not memory[:place].any()
            assert not memory[place + out.nbytes :].any()


@pytest.mark.parametrize("law", LAWS, ids=ids)
def test_every_split_of_300_values_joins_to_the_whole(law, twin):
    whole = bits(twin(law, "float32")[:300])
    for cut in range(301):
        joined = np.concatenate([part(law, "float32", 0, cut), part(law, "float32", cut, 300 - cut)])
        assert np.array_equal(bits(joined), whole), cut


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("law", LAWS[::2], ids=ids)
def test_splits_around_pieces_and_any_number_of_threads(law, dtype, way):
    count, piece = 12 * 65536 + 17, 65536  # enough for three threads
    make = getattr(fi, law[0])
    whole = make(count, *law[1], seed=3, dtype=dtype, threads=1)
    for threads in (1, 2, 3, 7):
        out = whole + whole.dtype.type(1)  # no fresh memory: that is never streamed
        make(count, *law[1], seed=3, dtype=dtype, threads=threads, out=out)
        assert np.array_equal(bits(out), bits(whole))
    for cut in (piece - 1, piece, piece + 1, 2 * piece - 1, 2 * piece + 1, piece + 255, piece + 257):
        for some in (slice(None, cut), slice(cut, None)):
            got = make(count, *law[1], seed=3, dtype=dtype, index=fi.flat[some], threads=3)
            assert np.array_equal(bits(got), bits(whole[some]))


@pytest.mark.parametrize("law", LAWS, ids=ids)
def test_a_longer_array_starts_with_the_shorter(law):
    make = getattr(fi, law[0])
    long = make(5000, *law[1], seed=5)
    for count in (1, 31, 257, 4999):
        assert np.array_equal(bits(make(count, *law[1], seed=5)), bits(long[:count]))


def test_a_matrix_is_its_flattened_stream():
    assert np.array_equal(fi.normal((7, 11, 13), seed=1).ravel(), fi.normal(7 * 11 * 13, seed=1))


@pytest.mark.parametrize("law", LAWS, ids=ids)
def test_16_bit_values_are_the_float32_values_rounded_once(law):
    from ml_dtypes import bfloat16

    make = getattr(fi, law[0])
    wide = make(100_003, *law[1], seed=2)
    for dtype, rounded in (("float16", wide.astype(np.float16)), ("bfloat16", wide.astype(bfloat16))):
        assert np.array_equal(bits(make(100_003, *law[1], seed=2, dtype=dtype)), bits(rounded))


def test_float16_rounds_subnormal_and_large_values_as_numpy_does():
    for std in (1e-7, 3e-6, 1e-4, 7000.0):
        wide = fi.normal(50_000, std=std, seed=8)
        assert np.array_equal(bits(fi.normal(50_000, std=std, seed=8, dtype="float16")), bits(wide.astype(np.float16)))


def test_float64_refines_float32_within_the_bound_of_the_specification():
    n = 1 << 22
    z64 = fi.normal(n, seed=4, dtype="float64").reshape(-1, 2, 16)
    z32 = fi.normal(n, seed=4).reshape(-1, 2, 16).astype(np.float64)
    t = (z64**2).sum(axis=1, keepdims=True) / 2  # -log of the radius' uniform
    u = np.exp(-t)
    dt = 2.0**-24 + 2.0**-30 / np.maximum(u, 2.0**-17) + 2.0**-22 * t
    bound = (
        np.minimum(dt / np.sqrt(2 * np.maximum(t, 1e-12)) * 1.5, np.sqrt(2 * dt)) + np.sqrt(2 * t) * 2.0**-20 + 2.0**-24
    )
    assert (np.abs(z64 - z32) <= bound).all()
    u64, u32 = (fi.uniform(n, seed=4, dtype=dtype) for dtype in ("float64", "float32"))
    assert np.array_equal(np.floor(u64 * 2**24) / 2**24, u32)


def test_rare_words_take_their_fine_bits(level):
    """One radius in 2^17 does: those of the first 2^23 words are found, and their tiles compared with the twin's."""
    key = fi.stream.stream_key(6, "normal", "")
    words = _core.words(key, 0, 0, 1 << 23).reshape(-1, 32)
    tiles = np.flatnonzero((words[:, :16] & 0x7FFFFFFF < reference.RARE).any(axis=1))
    assert len(tiles) > 10
    for tile in tiles[:6].tolist():
        w, x = (reference.words(key, domain, 32 * tile, 32).reshape(1, 32) for domain in (0, 1))
        expected = bits(reference.normal_pairs(w, x, np.float32).ravel())
        for before in (0, 1, 3, 4, 5, 59, 63):  # tiles, in a batch of 64
            first = max(0, tile - before)
            for last in (tile, tile + 1, tile + 5, first + 63):
                got = fi.normal(1 << 24, seed=6, index=fi.flat[32 * first : 32 * last + 32])
                assert np.array_equal(bits(got)[32 * (tile - first) :][:32], expected), (before, last)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.data())
def test_every_basic_index_is_the_cut(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=40))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    index = (None,) if index is None else index  # alone it means the whole
    whole = fi.normal(shape, seed=1, name="cut")
    got, cut = fi.normal(shape, seed=1, name="cut", index=index), whole[index]
    assert np.shape(got) == cut.shape
    assert np.array_equal(got, cut)


@pytest.mark.parametrize("some", [np.s_[5], np.s_[3:50], np.s_[::-7], np.s_[-4:1000], np.s_[...]], ids=str)
def test_flat_ranges(some):
    whole = fi.normal((9, 8), seed=1)
    assert np.array_equal(fi.normal((9, 8), seed=1, index=fi.flat[some]), whole.ravel()[some])


def test_several_parts_at_once():
    whole = fi.he_normal((50, 40), seed=1)
    index = [np.s_[:10], np.s_[20:30, ::2], fi.flat[7:9], np.s_[3, 4]]
    outs = [np.empty(whole[:10].shape, np.float32), None, None, None]
    parts = fi.he_normal((50, 40), seed=1, index=index, out=outs)
    assert parts[0] is outs[0]
    for one, got in zip(index, parts, strict=True):
        assert np.array_equal(got, whole.ravel()[7:9] if isinstance(one, type(fi.flat)) else whole[one])


def test_a_shard_of_a_matrix_beyond_memory():
    shape = (1 << 31, 1 << 31)
    shard = fi.normal(shape, seed=0, index=np.s_[-3:, -5:])
    assert np.array_equal(shard[1], fi.normal(shape, seed=0, index=fi.flat[-(1 << 31) - 5 : -(1 << 31)]))
    assert np.array_equal(shard[2, 1:], fi.normal(shape, seed=0, index=np.s_[-1, -4:]))


def outs():
    """Memory of every kind, by name: (array to fill, the whole buffer behind it)."""

    def raw(dtype, offset=0):
        buffer = np.full(8192, 0xA5, np.uint8)
        return buffer[offset : offset + 32 * 31 * dtype.itemsize].view(dtype).reshape(32, 31), buffer

    yield "plain", lambda dtype: raw(dtype, 64)
    yield "unaligned", lambda dtype: raw(dtype, 65)
    yield "transposed", lambda dtype: (lambda a, b: (a.reshape(31, 32).T, b))(*raw(dtype, 64))
    yield "reversed", lambda dtype: (lambda a, b: (a[::-1, ::-1], b))(*raw(dtype, 64))
    yield "every second column", lambda dtype: (lambda a, b: (a[:, ::2], b))(*raw(dtype, 64))
    yield "some rows, unaligned", lambda dtype: (lambda a, b: (a[3:-2:3, 1:-1], b))(*raw(dtype, 1))


@pytest.mark.parametrize(("kind", "make"), list(outs()), ids=[kind for kind, _ in outs()])
@pytest.mark.parametrize("dtype", DTYPES)
def test_out_of_any_layout_and_nothing_beside_it(level, dtype, kind, make):
    real = fi.dtypes.kind_of(dtype).dtype
    out, buffer = make(real)
    for guard in (0xA5, 0x5A):
        buffer[:] = guard
        assert fi.normal(out.shape, seed=9, dtype=dtype, out=out) is out
        assert np.array_equal(bits(out), bits(fi.normal(out.shape, seed=9, dtype=dtype)))
        inside = np.zeros(len(buffer), bool)
        start = buffer.__array_interface__["data"][0]
        for byte in range(real.itemsize):
            places = np.zeros(out.shape, np.int64) + (out.__array_interface__["data"][0] - start + byte)
            for axis, stride in enumerate(out.strides):
                places += (np.arange(out.shape[axis]) * stride).reshape(
                    [-1 if a == axis else 1 for a in range(out.ndim)]
                )
            inside[places] = True
        assert (buffer[~inside] == guard).all()


@pytest.mark.skipif(sys.platform == "win32", reason="guard pages are made by mprotect")
def test_fresh_memory_between_pages_that_may_not_be_touched(level):
    """The system is asked for pages ahead of the writes: for those of the array, from its first byte to its last."""
    page, inside = mmap.PAGESIZE, 5 << 20
    memory = np.frombuffer(mmap.mmap(-1, inside + 2 * page), np.uint8)
    protect = ctypes.CDLL(None).mprotect
    for guard in (0, page + inside):
        assert protect(ctypes.c_void_p(memory.ctypes.data + guard), ctypes.c_size_t(page), 0) == 0
    parts = [fi.normal(inside // 4, seed=2, index=fi.flat[at : at + 100_000]) for at in range(0, inside // 4, 100_000)]
    whole = np.concatenate(parts)
    for start in (page + 4000, page):  # the memory is fresh, and then it is not
        out = memory[start : page + inside].view(np.float32)
        fi.normal(len(out), seed=2, out=out, threads=2)
        assert np.array_equal(bits(out), bits(whole[: len(out)]))


def test_dtype_none_is_that_of_out():
    out = np.empty(5, np.float64)
    assert np.array_equal(fi.normal(5, seed=1, dtype=None, out=out), fi.normal(5, seed=1, dtype="float64"))
    assert fi.normal(5, seed=1, dtype=None).dtype == np.float32


@pytest.mark.parametrize("law", LAWS, ids=ids)
@pytest.mark.parametrize("shape", [0, (0,), (3, 0, 2)], ids=str)
def test_arrays_without_elements(law, shape):
    assert getattr(fi, law[0])(shape, *law[1], seed=1).size == 0


def test_shapes_of_any_kind():
    expected = fi.normal((2, 3), seed=1)
    for shape in ([2, 3], np.array([2, 3]), (np.int8(2), np.uint64(3)), range(2, 4)):
        assert np.array_equal(fi.normal(shape, seed=1), expected)
    assert fi.normal(np.int32(5), seed=1).shape == fi.normal(np.array(5), seed=1).shape == (5,)


def test_no_axes_is_one_value():
    assert fi.normal((), seed=1).shape == ()
    assert fi.normal((), seed=1) == fi.normal(1, seed=1)[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (-0.1, 0.1), (1.0, 1.0000002), (-3e38, 1.0), (5.0, 5.0)])
def test_uniform_stays_in_its_half_open_interval(dtype, low, high):
    values = fi.uniform(1 << 20, low, high, seed=1, dtype=dtype).astype(np.float64)
    assert values.min() >= (low if low < high else np.float32(low))
    assert values.max() < high or low == high


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (-0.3, 0.1), (2.0, 2.5), (-9.0, -6.5), (0.0, np.inf)])
def test_truncated_normal_stays_within_its_bounds(dtype, low, high):
    values = fi.truncated_normal(1 << 20, 0.1, 0.3, low, high, seed=1, dtype=dtype).astype(np.float64)
    assert values.min() >= 0.1 + low * 0.3
    assert values.max() <= 0.1 + high * 0.3


@pytest.mark.parametrize("width", [1e-30, 1e-36, 3e-38, 1e-39])
def test_uniform_of_tiny_widths_keeps_its_law(width):
    """The mean within 6 standard errors (2e-9), and no pile at either end."""
    values = fi.uniform(1 << 20, 0.0, width, seed=0).astype(np.float64)
    assert abs(values.mean() / width - 0.5) < 6 / (12 * 2**20) ** 0.5 + 2.0**-149 / width
    assert np.mean(values == values.max()) < 1e-4 + 4 * 2.0**-149 / width
    assert np.array_equal(fi.uniform(999, 0.0, width, seed=0), reference.uniform(999, 0.0, width, seed=0))


@pytest.mark.parametrize("shift", [2.0**23, 2.0**23 + 1, -(2.0**23) - 1, -(2.0**23) - 2])
def test_a_multiplication_and_addition_round_once(level, shift):
    """k scale = 1/2 - 2**-47, and the steps of `shift` are 1: short of half a step, which in double is half of one."""
    key, place = bytes(range(16)), 385_733
    assert _core.words(key, 0, place, 1)[0] >> 8 == 2**23 + 1
    scale = 1 - 2.0**-23
    value = np.empty(1, np.float32)
    _core.fill(1, 0, key, (shift, scale, 0.0, 2.0**30, 0.0, 0.0, 0.0, 0), value, place, None, 1)
    assert value[0] == shift


@pytest.mark.parametrize(
    "law", [("normal", (0.0, 1e-39)), ("normal", (1e-40, 3e-38)), ("uniform", (0.0, 1e-39))], ids=ids
)
def test_subnormal_values_on_every_level(level, law):
    got = getattr(fi, law[0])(4097, *law[1], seed=3)
    assert (np.abs(got) < 2.0**-126).any()
    assert np.array_equal(bits(got), bits(getattr(reference, law[0])(4097, *law[1], seed=3)))


def test_parts_in_a_list_mean_what_they_mean_alone():
    whole = fi.normal(3, seed=0)
    outs = [np.zeros(3, np.float32), np.zeros(3, np.float32)]
    for got in fi.normal(3, seed=0, index=[slice(None), None], out=outs):
        assert np.array_equal(got, whole)
    bad = [np.zeros(3, np.float32), np.zeros((1, 3), np.float32)]
    with pytest.raises(ValueError):
        fi.normal(3, seed=0, index=[slice(None), None], out=bad)
    assert (bad[0] == 0).all()
    assert fi.normal((0, 2**62, 2**62), seed=0, index=np.s_[:, :5, :5]).shape == (0, 5, 5)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.data())
@pytest.mark.parametrize(
    "scheme", ["uniform", "he_normal", "identity", "dirac", "orthogonal", "sparse", "glorot_uniform"]
)
def test_every_scheme_can_be_cut(scheme, data):
    shape = data.draw(hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6))
    shape = shape if scheme == "dirac" else shape[:2]
    keywords = {"sparsity": 0.5} if scheme == "sparse" else {}
    index = data.draw(hnp.basic_indices(shape))
    make = getattr(fi, scheme)
    assert np.array_equal(make(shape, seed=1, index=index, **keywords), make(shape, seed=1, **keywords)[index])


def test_std_zero_is_the_mean():
    assert (fi.normal(100, 0.5, 0.0, seed=1) == 0.5).all()
    assert (fi.truncated_normal(100, 0.1, 0.0, seed=1) == np.float32(0.1)).all()


def test_names_laws_and_seeds_are_streams_of_their_own():
    one = fi.normal(1000, seed=1, name="a")
    assert np.array_equal(one, fi.normal(1000, seed=1, name="a"))
    for other in (fi.normal(1000, seed=1, name="b"), fi.normal(1000, seed=2, name="a"), fi.normal(1000, seed=1)):
        assert not np.isin(other, one).any()


def test_without_a_seed_every_call_differs():
    assert not np.array_equal(fi.normal(10), fi.normal(10))
