"""The face of torch.nn.init: its names and manners, our laws."""

import contextlib
import inspect
import math
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException

import fastinit as fi
import fastinit.torch as ft
from fastinit import _core
from fastinit.torch.calls import init
from fastinit.torch.calls.requests import Asks
from fastinit.torch.tensors import fills

DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
#: The first 64 bits that torch.manual_seed(0) gives, and so the seed of the first fill after it.
FIRST_SEED = 0x8C7F0AAC97C4AA2F


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "xavier_normal_", "orthogonal_"]
)
def test_compiled_code_is_torchs_to_fill(name):
    torch._dynamo.reset()
    values = torch.compile(lambda x: getattr(ft, name)(x) * 1, backend="eager")(torch.zeros(30, 20))
    assert values.shape == (30, 20) and values.std() > 0


def expected(scheme, shape, dtype, **keywords):
    """What a law of ours gives, through float32 where NumPy lacks the dtype."""
    name = "float64" if dtype is torch.float64 else "float32"
    return torch.from_numpy(np.asarray(scheme(shape, dtype=name, **keywords))).to(dtype)


def below(values, high):
    """With the number next below it in place of the end of a half-open interval."""
    last = torch.tensor(high, dtype=values.dtype)
    return torch.where(values < last, values, torch.nextafter(last, -torch.ones_like(last)))


def same(tensor, other):
    return tensor.dtype is other.dtype and torch.equal(tensor, other)


CALLS = [
    (lambda t, g=None: init.normal_(t, 0.5, 2.0, g), lambda s, **k: fi.normal(s, 0.5, 2.0, **k)),
    (lambda t, g=None: init.uniform_(t, -1.0, 3.0, g), lambda s, **k: fi.uniform(s, -1.0, 3.0, **k)),
    (
        lambda t, g=None: init.trunc_normal_(t, 0.0, 0.5, -1.0, 0.5, g),
        lambda s, **k: fi.truncated_normal(s, 0, 0.5, -2, 1, **k),
    ),
    (lambda t, g=None: init.kaiming_uniform_(t, 5**0.5, generator=g), lambda s, **k: fi.uniform(s, *bound(s), **k)),
    (
        lambda t, g=None: init.kaiming_normal_(t, nonlinearity="relu", generator=g),
        lambda s, **k: fi.normal(s, std=math.sqrt(2.0) / math.sqrt(math.prod(s[1:])), **k),
    ),
    (
        lambda t, g=None: init.xavier_normal_(t, 2.0, g),
        lambda s, **k: fi.glorot_normal(s, gain=2.0, in_axis=1, out_axis=0, **k),
    ),
    (
        lambda t, g=None: init.orthogonal_(t, 2.0, g),
        lambda s, **k: fi.orthogonal(s, gain=2.0, in_axis=1, out_axis=0, **k),
    ),
]


def bound(shape):
    limit = math.sqrt(3.0) * (init.calculate_gain("leaky_relu", 5**0.5) / math.sqrt(math.prod(shape[1:])))
    return -limit, limit


def half_open(fill, values):
    """What a call of the list above gives where the law of `fastinit` gives these."""
    high = {CALLS[1][0]: 3.0, CALLS[3][0]: bound(values.shape)[1]}.get(fill)
    return values if high is None else below(values, high)


def test_every_name_with_its_signature():
    for name in torch.nn.init.__all__:
        ours, theirs = inspect.signature(getattr(ft, name)), inspect.signature(getattr(torch.nn.init, name))
        for one, other in zip(ours.parameters.values(), theirs.parameters.values(), strict=True):
            assert (one.name, one.default, one.kind) == (other.name, other.default, other.kind)
    assert ft.calculate_gain is torch.nn.init.calculate_gain
    assert ft.calculate_gain("tanh") == 5 / 3 and fi.gain("tanh") == 1.5925374197228315


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("fill", "scheme"), CALLS)
def test_the_values_are_those_of_our_laws(fill, scheme, dtype):
    for shape in [(7, 5), (4, 3, 3, 3)]:
        torch.manual_seed(0)
        tensor = torch.empty(shape, dtype=dtype)
        assert fill(tensor) is tensor
        assert same(tensor, half_open(fill, expected(scheme, shape, dtype, seed=FIRST_SEED)))


def test_sparse():
    torch.manual_seed(0)
    tensor = init.sparse_(torch.empty(10, 4, dtype=torch.bfloat16), 0.3, 2.0)
    assert same(tensor, expected(fi.sparse, (10, 4), torch.bfloat16, sparsity=0.3, std=2.0, seed=FIRST_SEED))
    assert ((tensor == 0).sum(0) == 3).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fill", [one for one, _ in CALLS])
def test_strides_do_not_matter(fill, dtype):
    def filled(tensor):
        torch.manual_seed(3)
        return fill(tensor)

    whole = filled(torch.empty(6, 4, 3, 5, dtype=dtype))
    last = torch.empty(6, 4, 3, 5, dtype=dtype).to(memory_format=torch.channels_last)
    turned = torch.empty(5, 3, 4, 6, dtype=dtype).permute(3, 2, 1, 0)
    wider = torch.zeros(6, 8, 3, 5, dtype=dtype)
    for tensor in (last, turned, wider[:, 1::2]):
        strides = tensor.stride()
        assert same(filled(tensor), whole) and tensor.stride() == strides
    assert not wider[:, ::2].any()


def test_a_generator_governs_and_the_default_one_does_not():
    def drawn(seed, default):
        torch.manual_seed(default)
        generator = torch.Generator().manual_seed(seed)
        values = [fill(torch.empty(4, 4), generator) for fill, _ in CALLS]
        values.append(init.sparse_(torch.empty(4, 4), 0.5, generator=generator))
        return torch.stack(values), torch.rand(1)

    first, after = drawn(0, 1)
    again, after_again = drawn(0, 2)
    assert torch.equal(first, again) and after != after_again
    assert not torch.equal(first, drawn(1, 1)[0])
    assert drawn(5, 1)[1] == after
    torch.manual_seed(0)
    twice = [init.normal_(torch.empty(3)), init.normal_(torch.empty(3))]
    assert not torch.equal(*twice)


def test_parameters_that_require_grad():
    parameter = torch.nn.Parameter(torch.zeros(3, 4))
    version = parameter._version
    assert init.normal_(parameter) is parameter
    assert parameter.requires_grad and parameter.is_leaf and parameter._version > version
    kept = torch.ones(3, 4, requires_grad=True)
    product = (kept * parameter).sum()
    init.uniform_(parameter)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()
    with torch.inference_mode():
        assert init.normal_(torch.zeros(4)).all()


def test_tensors_without_elements_or_memory():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    for fill, _ in CALLS[:3]:
        assert fill(torch.empty(0, 3)).shape == (0, 3)
    for fill, _ in CALLS:
        assert fill(torch.empty(3, 4, device="meta")).is_meta
    for name in ("kaiming_normal_", "kaiming_uniform_"):
        with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op") as caught:
            getattr(init, name)(torch.empty(0, 3))
        assert caught[0].filename == __file__
    assert torch.equal(torch.get_rng_state(), before)
    assert init.normal_(torch.zeros(())).shape == ()


def noted():
    tensor = torch.nn.Parameter(torch.zeros(8, 6))
    tensor.note = 1
    return tensor


def inferred():
    with torch.inference_mode():
        return torch.zeros(4, 4)


SMALL_OR_NOT = {
    "whole": lambda dtype: torch.zeros(8, 6, dtype=dtype),
    "parameter": lambda dtype: torch.nn.Parameter(torch.zeros(8, 6, dtype=dtype)),
    "most": lambda dtype: torch.zeros(2, _core.FEW_VALUES // 2, dtype=dtype),
    "one more": lambda dtype: torch.zeros(1, _core.FEW_VALUES + 1, dtype=dtype),
    "most axes": lambda dtype: torch.zeros(2, 3, *[1] * (_core.FEW_AXES - 2), dtype=dtype),
    "one axis more": lambda dtype: torch.zeros(2, 3, *[1] * (_core.FEW_AXES - 1), dtype=dtype),
    "lying in another": lambda dtype: torch.zeros(9, 6, dtype=dtype)[1:],
    "turned": lambda dtype: torch.zeros(8, 6, dtype=dtype).T,
    "every other": lambda dtype: torch.zeros(8, 6, dtype=dtype)[:, ::2],
    "of one row": lambda dtype: torch.zeros(8, 6, dtype=dtype)[::8],
    "empty": lambda dtype: torch.zeros(0, 6, dtype=dtype),
    "of no axes": lambda dtype: torch.zeros((), dtype=dtype),
    "unaligned": lambda dtype: torch.frombuffer(bytearray(513), dtype=dtype, offset=1, count=48),
    "negative": lambda dtype: torch._neg_view(torch.zeros(4, 4, dtype=dtype)),
    "on meta": lambda dtype: torch.zeros(8, 6, dtype=dtype, device="meta"),
    "sparse": lambda dtype: torch.zeros(8, 6, dtype=dtype).to_sparse(),
    "noted": lambda dtype: noted(),
    "inferred": lambda dtype: inferred(),
    "complex": lambda dtype: torch.zeros(4, 4, dtype=torch.complex64),
}
ASKED = [
    ("uniform_", ()),
    ("uniform_", (0, 1)),
    ("uniform_", (False, True)),
    ("uniform_", (-0.0, 1.0)),
    ("uniform_", (0.0, 1.0)),
    ("uniform_", (np.float32(0.1), 0.5)),
    ("uniform_", (0.0, 7e4)),
    ("uniform_", (1.0, 0.0)),
    ("normal_", (0.0, -1.0)),
    ("normal_", (0.0, 0.02)),
    ("trunc_normal_", (0.0, 0.02, -0.04, 0.04)),
    ("trunc_normal_", (0.0, 1.0, 6.0, 9.0)),
    ("kaiming_uniform_", (5**0.5,)),
    ("kaiming_uniform_", (0.0, "FAN_OUT", "tanh")),
    ("kaiming_uniform_", (0.0, "fan")),
    ("xavier_normal_", (2,)),
]


def outcomes(make, dtype):
    """Of each call, made twice: its error or the bits, what the generator is then, and how often the tensor changed."""
    found = []
    for name, arguments in ASKED * 2:
        generator, tensor = torch.Generator().manual_seed(1), make(dtype)
        torch.manual_seed(0)
        try:
            getattr(init, name)(tensor, *arguments, generator=generator if len(found) % 3 else None)
            error = ""
        except (ValueError, TypeError, RuntimeError, AttributeError, NotImplementedError) as one:
            error = repr(one)
        dense = tensor.layout is torch.strided and not (tensor.is_neg() or tensor.is_meta)
        flat = tensor.detach().contiguous().flatten() if dense and tensor.numel() else torch.empty(0)
        bits = flat.view(torch.uint8).numpy().tobytes()
        version = 0 if tensor.is_inference() else tensor._version
        found.append((error, bits, torch.rand(1).item(), torch.rand(1, generator=generator).item(), version))
    return found


@pytest.mark.filterwarnings("ignore:mean is more than 2 std", "ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", SMALL_OR_NOT.values(), ids=SMALL_OR_NOT)
def test_a_small_tensor_gets_what_any_other_does(make, dtype, monkeypatch):
    """Values, errors, generators and versions; what is not plain and small goes the way of all others."""
    soon = outcomes(make, dtype)
    monkeypatch.setattr(Asks, "call", lambda *_: None)
    monkeypatch.setattr(fills, "address_of_few", lambda _: 0)
    assert soon == outcomes(make, dtype)


def test_only_what_is_plain_and_small_is_filled_at_once():
    made = {name: make(torch.float32) for name, make in SMALL_OR_NOT.items()}
    few = {name: one for name, one in made.items() if fills.address_of_few(one)}
    taken = {name for name, one in few.items() if init.REQUESTS["uniform_"].call(one, (), {}) is not None}
    assert taken == {"whole", "parameter", "most", "most axes", "lying in another", "of one row"}


def test_where_there_is_no_array_of_few_values_nothing_is_written():
    tensor = torch.zeros(4, 4)
    kind, address = fills.KINDS[torch.float32], tensor.data_ptr()
    call = fi.laws.Normal()._checked_call((4, 4), kind)
    for wrong in (0, address + 1, address + 2):
        with pytest.raises(BufferError, match=rf"^`address` must be a multiple of 4, got {wrong}$"):
            call.fill(0, "", wrong)
    for shape in ((0,), (4, 0), (fills.FEW_VALUES + 1,), (1 << 40, 1 << 40), (129, 128)):
        words = rf"^`shape` must be of 1 to 16384 values, got {re.escape(repr(shape))}$"
        with pytest.raises(ValueError, match=words):
            fi.laws.Normal()._checked_call(shape, kind).fill(0, "", address)
    with pytest.raises(ValueError, match=r"^`seed` must be an integer in \[0, 2\*\*128\), got -1$"):
        call.fill(-1, "", address)
    assert not tensor.any()
    call.fill(1 << 100, "ä", address)
    assert same(tensor, expected(fi.normal, (4, 4), torch.float32, seed=1 << 100, name="ä"))
    with pytest.raises(ValueError, match=r"^`shape` must have at most 8 axes, got 9$"):
        _core.CheckedCall(0, "normal", 0, (0.0,) * 7 + (0,), (1,) * 9, np.dtype("float32"))


def test_a_seed_is_that_of_the_generator_whoever_draws_meanwhile(monkeypatch):
    torch.manual_seed(0)
    expected_seeds = [fills.seed_from(None) for _ in range(2)]
    assert expected_seeds[0] == FIRST_SEED
    torch.manual_seed(0)
    monkeypatch.setattr(fills, "_SPARE", [])
    assert [fills.seed_from(None) for _ in range(2)] == expected_seeds
    monkeypatch.undo()
    with FakeTensorMode(allow_non_fake_inputs=True), pytest.raises(DataDependentOutputException):
        fills.seed_from(None)
    assert len(fills._SPARE) == 1


def test_warnings_point_at_the_caller():
    with pytest.warns(FutureWarning, match="`nn.init.normal` is now deprecated") as caught:
        init.normal(torch.empty(3))
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="mean is more than 2 std from") as caught:
        init.trunc_normal_(torch.empty(3), 0.0, 1.0, 3.0, 4.0)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("dtype", DTYPES)
def test_truncation_at_any_std(dtype):
    """Bounds are cut-offs; 16-bit dtypes round them."""
    for std, a, b in [(1.0, -2.0, 2.0), (0.1, -0.03, 0.07), (3.0, 0.1, 0.1 + 1 / 3), (0.02, -2.0, 2.0)]:
        tensor = init.trunc_normal_(torch.empty(10_000, dtype=dtype), 0.0, std, a, b)
        low, high = torch.tensor([a, b], dtype=dtype)
        assert tensor.min() >= low and tensor.max() <= high
        assert tensor.unique().numel() > (200 if dtype is torch.bfloat16 else 1000)
    for mean, value in [(0.5, 0.5), (-3.0, -2.0), (5.0, 2.0)]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert (init.trunc_normal_(torch.empty(9, dtype=dtype), mean, 0.0) == value).all()
    assert (init.trunc_normal_(torch.empty(9, dtype=dtype), 0.0, 1.0, 0.5, 0.5) == 0.5).all()


ENDS = [(0.0, 1.0), (-1.0, 0.0), (-0.1, 0.1), (0.0, 0.7), (-3.0, 1.7), (1.0, 1.0 + 2**-6), (1.0, 1.0 + 4.2 * 2**-23)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("low", "high"), ENDS)
def test_no_rounding_reaches_the_end_of_a_half_open_interval(low, high, dtype):
    """As in torch, which rounds the ends first. What rounds to less is what `fastinit.uniform` gives."""
    calls = [init.uniform_, torch.nn.init.uniform_, torch.Tensor.uniform_, lambda t, a, b: init.uniform(t, a, b)]
    first, last = torch.tensor([low, high], dtype=dtype)
    for call in calls:
        torch.manual_seed(0)
        with warnings.catch_warnings(), ft.fast_init():
            warnings.simplefilter("ignore", FutureWarning)
            drawn = call(torch.empty(1 << 16, dtype=dtype), low, high)
        assert first <= drawn.min() and (drawn.max() < last or first == last)
        law = expected(fi.uniform, drawn.shape, dtype, low=low, high=high, seed=FIRST_SEED)
        assert torch.equal(drawn, law if first == last else below(law, high))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_random_fractions_stay_below_one(dtype):
    """Of 2**16 draws of these dtypes 4 and 128 round to one."""
    with ft.fast_init(seed=0) as fast:
        for drawn in (torch.rand(1 << 16, dtype=dtype), torch.rand_like(torch.empty(1 << 16, dtype=dtype))):
            assert drawn.max() == torch.nextafter(torch.ones((), dtype=dtype), torch.zeros((), dtype=dtype))
    assert fast.filled == 2
    assert fi.uniform(1 << 16, seed=0, name="#0", dtype="float16").max() == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_plans_and_verify_know_half_open_intervals(dtype):
    """Of 2**16 values on (-bound, bound) dozens would have been the rounded bound, in bfloat16."""
    model = torch.nn.Linear(256, 256, dtype=dtype)
    plan = ft.initialize_(model, seed=3)
    assert ft.verify(model, seed=3).ok
    last = torch.tensor(plan[0].law.high, dtype=dtype)
    assert model.weight.max() == torch.nextafter(last, torch.zeros_like(last))
    assert plan[0].description == "uniform(low=-0.0625, high=0.0625)" and ft.Plan.from_json(plan.to_json()) == plan


def test_truncation_that_cuts_nothing_is_the_normal_law():
    torch.manual_seed(0)
    wide = init.trunc_normal_(torch.empty(1000), 0.0, 0.02)
    torch.manual_seed(0)
    assert torch.equal(wide, init.normal_(torch.empty(1000), 0.0, 0.02))


@pytest.mark.parametrize(("std", "a", "b"), [(1e9, -1e4, 1e4), (1.0, 1.0, 1.001), (200.0, -0.001, 0.001)])
def test_truncation_to_a_narrow_interval_is_not_coarse(std, a, b):
    """In float32 it is torch's, in float64 ours; uniform values in an interval repeat as often (5819 of 10,000)."""
    for dtype, drawn in ((torch.float32, torch.nn.init.trunc_normal_), (torch.float64, init.trunc_normal_)):
        torch.manual_seed(0)
        tensor = init.trunc_normal_(torch.empty(10_000, dtype=dtype), 0.0, std, a, b)
        torch.manual_seed(0)
        assert same(tensor, drawn(torch.empty(10_000, dtype=dtype), 0.0, std, a, b))
        assert tensor.min() >= a and tensor.max() <= b and tensor.unique().numel() > 5000


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("std", "a", "b"), [(1e8, -1.0, 1.0), (1.0, 2.0, 2.0 + 2**-50), (1e-3, -1e-17, 2e-17)])
def test_truncation_to_next_to_nothing_is_the_uniform_law(std, a, b, dtype):
    torch.manual_seed(0)
    tensor = init.trunc_normal_(torch.empty(1000, dtype=dtype), 0.0, std, a, b)
    torch.manual_seed(0)
    assert same(tensor, init.uniform_(torch.empty(1000, dtype=dtype), a, b))


def test_truncation_far_out_is_torchs():
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="mean is more than 2 std"):
        tensor = init.trunc_normal_(torch.empty(20), 0.0, 0.1, 1.0, 1.2)
    assert tensor.min() >= 1.0 and tensor.max() <= 1.2


def test_float64_bounds_are_strict():
    rng = np.random.default_rng(0)
    for _ in range(300):
        mean, std = rng.normal(0, 3), rng.uniform(0.01, 1)
        a, b = mean - std * rng.uniform(0, 2), mean + std * rng.uniform(0, 2)
        tensor = init.trunc_normal_(torch.empty(200, dtype=torch.float64), mean, std, a, b)
        assert tensor.min() >= a and tensor.max() <= b


BLOCKS = {"alone": contextlib.nullcontext, "in fast_init": lambda: ft.fast_init(seed=0)}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_writes_into_wrappers_are_not_lost(block):
    """A functional wrapper copies what is under it; a nested tensor has no strides of its own."""
    for fill in (init.normal_, init.uniform_, init.orthogonal_, torch.nn.init.normal_, torch.Tensor.uniform_):
        wrapped = torch._to_functional_tensor(torch.zeros(5, 10))
        with block():
            fill(wrapped)
        torch._sync(wrapped)
        assert torch._from_functional_tensor(wrapped).unique().numel() > 40
    for fill in (init.normal_, torch.nn.init.normal_):
        with warnings.catch_warnings(), block():
            warnings.filterwarnings("ignore", "The PyTorch API of nested tensors")
            several = fill(torch.nested.nested_tensor([torch.zeros(3, 4), torch.zeros(5, 4)]))
        assert all(part.unique().numel() == part.numel() for part in several.unbind())


@pytest.mark.parametrize("fill", [init.normal_, init.uniform_, torch.nn.init.normal_, torch.nn.init.trunc_normal_])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_of_inference_mode_is_written_there_alone(fill, dtype):
    with torch.inference_mode():
        tensor = torch.zeros(5, dtype=dtype)
        assert fill(tensor).any()
        values = tensor.clone()
    with pytest.raises(RuntimeError) as raised, ft.fast_init(seed=0):
        fill(tensor)
    rule = "`tensor` must be filled in inference mode, where it was made"
    assert str(raised.value) == f"{rule}, got 'one of shape (5,)'" and torch.equal(tensor, values)
    model = torch.nn.Linear(3, 3)
    with torch.inference_mode():
        made = torch.nn.Linear(3, 3)
        ft.initialize_(made, seed=0)
        ft.initialize_(model, seed=0)
    assert same(made.weight, model.weight) and ft.verify(made, seed=0)
    with pytest.raises(RuntimeError, match="`tensor` must be filled in inference mode"):
        ft.initialize_(made, [("*", "normal")])


def test_what_we_have_no_memory_for_is_torchs():
    assert init.normal_(torch.zeros(5, dtype=torch.complex64)).imag.any()
    negated = torch.zeros(5, dtype=torch.complex64).conj().imag
    assert negated.is_neg() and init.normal_(negated).any()
    batched = torch.func.vmap(lambda x: init.normal_(x.clone()), randomness="different")(torch.zeros(2, 5))
    assert batched.any() and not torch.equal(*batched)


REFUSED = [
    (lambda: init.normal_(torch.empty(3), std=-1.0), "`std` must be a finite number of at least 0, got -1.0"),
    (lambda: init.uniform_(torch.empty(3), 2.0, 1.0), "`low` must be at most high (1.0), got 2.0"),
    (lambda: init.trunc_normal_(torch.empty(3), math.nan), "`mean` must be a finite number, got nan"),
    (lambda: init.trunc_normal_(torch.empty(3), a=math.nan), "`a` must be a number, got nan"),
    (lambda: init.trunc_normal_(torch.empty(3), a=2.0, b=1.0), "`a` must be at most b (1.0), got 2.0"),
    (
        lambda: init.normal_(torch.empty(3, dtype=torch.bfloat16), std=1e38),
        "`std` must be small enough for mean + 8.58 std to stay below 3.38953e+38 in bfloat16, got 1e+38",
    ),
    (
        lambda: init.normal_(torch.empty(1, 3).expand(2, 3)),
        "`out` must not overlap itself, got strides (0, 4) for shape (2, 3)",
    ),
    (lambda: init.orthogonal_(torch.empty(3)), "Only tensors with 2 or more dimensions are supported"),
    (lambda: init.sparse_(torch.empty(3, 3, 3), 0.1), "Only tensors with 2 dimensions are supported"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
def test_refused_with_one_sentence(call, message):
    with pytest.raises(ValueError) as raised:
        call()
    assert str(raised.value) == message


def test_a_seed_is_no_generator():
    tensor = torch.zeros(3)
    with pytest.raises(TypeError) as raised:
        init.normal_(tensor, 0.0, 1.0, 42)
    assert str(raised.value) == "`generator` must be a torch.Generator or None, got 42"
    assert not tensor.any()


def test_bfloat16_needs_no_other_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    monkeypatch.delitem(fi.dtypes._KINDS, "bfloat16", raising=False)
    for fill, _ in CALLS:
        assert fill(torch.zeros(4, 4, dtype=torch.bfloat16)).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("fill", "scheme"), CALLS)
def test_through_chunks_as_on_an_accelerator(fill, scheme, dtype, monkeypatch):
    """The way to memory that NumPy cannot see, taken here by memory that it can."""
    monkeypatch.setattr(fills, "_fill_memory_or_device", lambda device: fills._fill_device)
    monkeypatch.setattr(fills, "CHUNK", 7)
    torch.manual_seed(0)
    tensor = fill(torch.empty(5, 7, 3, dtype=dtype).mT)
    assert same(tensor, half_open(fill, expected(scheme, (5, 3, 7), dtype, seed=FIRST_SEED)))


def test_a_call_inside_torch_device_draws_its_seed_on_the_cpu():
    torch.manual_seed(0)
    tensor = torch.empty(3)
    with torch.device("meta"):
        init.normal_(tensor)
    assert same(tensor, expected(fi.normal, (3,), torch.float32, seed=FIRST_SEED))


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.splitlines()[-1:]


def test_torch_is_an_extra():
    assert run("import sys, fastinit; assert 'torch' not in sys.modules") == (0, [])
    code = "import sys; sys.modules['torch'] = None; import fastinit; import fastinit.torch"
    said = "`fastinit.torch` needs torch: pip install torch (or '.[torch]' in the source folder of fastinit)"
    assert run(code) == (1, [f"ImportError: {said}"])
