"""The drill at the door of torch: a scheme that is registered here alone is right by its name for every module."""

import functools
import math

import numpy as np
import pytest
import torch
from torch import nn

import fastinit as fi
import fastinit.torch as ft
from fastinit.laws import Called, Constant, Normal, Orthogonal, Truncated, Uniform

SCHEMES = (
    fi.Scheme("test_only", scale=1.5, mode="fan_in"),
    fi.Scheme("test_out_uniform", scale=0.75, mode="fan_out", distribution="uniform"),
    fi.Scheme("test_family", family=lambda width: Normal(0.0, 1.5 / width), keywords={"width": 32.0}),
    fi.Scheme(
        "test_structure",
        family=lambda gain, in_axis, out_axis: Orthogonal(2 * gain, in_axis, out_axis),
        keywords={"gain": 1.0, "in_axis": -2, "out_axis": -1},
    ),
)


@pytest.fixture(autouse=True)
def registered():
    for scheme in SCHEMES:
        fi.register(scheme)
    yield
    for scheme in SCHEMES:
        fi.unregister(scheme.name)


class Packed(nn.Module):
    """A parameter that is used as x @ W."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(96, 48))


#: A module, its fans, and where its inputs and outputs are.
MODULES = [
    (lambda: nn.Linear(1024, 256), (1024, 256), {"in_axis": 1, "out_axis": 0}),
    (lambda: nn.Conv2d(8, 64, 3), (72, 576), {"in_axis": 1, "out_axis": 0}),
    (lambda: nn.ConvTranspose2d(8, 64, 3), (72, 576), {"in_axis": 0, "out_axis": 1}),
    (lambda: nn.Conv2d(8, 64, 3, groups=4), (18, 144), None),
    (lambda: nn.ConvTranspose2d(8, 64, 3, groups=4), (18, 144), None),
    (lambda: nn.Embedding(300, 50), (50, 300), {"in_axis": 1, "out_axis": 0}),
]
IDS = ["linear", "conv", "transposed conv", "grouped conv", "grouped transposed conv", "embedding"]


RULES = [("*bias", "zeros"), ("*", "test_only")]


def test_the_numbers_that_tables_of_their_own_had_wrong():
    assert ft.plan(nn.Linear(1024, 256), RULES)[0].std == pytest.approx(0.0383, abs=5e-5)
    assert ft.plan(nn.Conv2d(8, 64, 3), RULES)[0].std == pytest.approx(0.144, abs=5e-4)


@pytest.mark.parametrize(("make", "fans", "axes"), MODULES, ids=IDS)
@pytest.mark.parametrize("scheme", ["test_only", "test_out_uniform"])
def test_fans_are_those_of_the_module(make, fans, axes, scheme):
    """In the plan to the last digit; in the values to five standard errors, missed once in 2e6, and by bits."""
    model, rules = make(), [("weight", scheme), ("bias", "zeros")]
    rules = rules[: len(list(model.parameters()))]
    std = math.sqrt(1.5 / fans[0] if scheme == "test_only" else 0.75 / fans[1])
    entry = ft.plan(model, rules)[0]
    assert entry.fans == fans and entry.std == pytest.approx(std, rel=1e-14)
    law = Normal if scheme == "test_only" else Uniform
    assert type(entry.law) is law and entry.description == str(entry.law)
    assert ft.initialize_(model, rules, seed=7)[0] == entry
    weight = model.weight.detach().numpy()
    assert abs(weight.std() / std - 1) < 5 / math.sqrt(2 * weight.size)
    if axes is not None:
        shape = weight.shape
        twin = fi.init({"weight": shape}, scheme, seed=7, **axes)["weight"]
        assert np.array_equal(weight, twin)
    assert ft.verify(model, rules, seed=7) and ft.verify(model, rules)
    model.weight.data.mul_(1.5)
    assert not ft.verify(model, rules)


def test_axes_that_are_named_and_packed_projections():
    rules = [("*", "test_only", {"in_axis": 0, "out_axis": 1, "gain": 2.0})]
    (entry,) = ft.plan(Packed(), rules)
    assert entry.fans == (96, 48) and entry.std == pytest.approx(2 * math.sqrt(1.5 / 96), rel=1e-14)
    packed = ft.plan(nn.Linear(64, 3 * 64, bias=False), [("*", "test_out_uniform")], split={"weight": 3})
    assert packed[0].fans == (64, 64) and packed[0].std == pytest.approx(math.sqrt(0.75 / 64), rel=1e-14)


def test_a_family_with_keywords_of_its_own():
    model = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False))
    rules = [("0.*", "test_family"), ("1.*", "test_family", {"width": 64.0})]
    assert [entry.law for entry in ft.plan(model, rules)] == [Normal(std=1.5 / 32), Normal(std=1.5 / 64)]
    ft.initialize_(model, rules, seed=7)
    assert np.array_equal(model[1].weight.detach(), fi.normal((64, 64), std=1.5 / 64, seed=7, name="1.weight"))
    assert ft.verify(model, rules, seed=7) and ft.verify(model, rules)
    with pytest.raises(TypeError) as refused:
        ft.plan(model, [("*", "test_family", {"widht": 64.0})])
    assert str(refused.value) == "test_family() got an unexpected keyword argument 'widht' (nearest: 'width')"


def test_a_structure_has_torchs_order_unless_axes_are_named():
    model = nn.Sequential(nn.Linear(12, 8, bias=False), Packed())
    rules = [("0.*", "test_structure"), ("*", "test_structure", {"gain": 0.5, "in_axis": 0, "out_axis": 1})]
    entries = ft.plan(model, rules)
    assert [entry.law for entry in entries] == [Orthogonal(2.0, 1, 0), Orthogonal(1.0, 0, 1)]
    assert entries[0].std == pytest.approx(2 / math.sqrt(12)) and entries[1].fans == (96, 48)
    ft.initialize_(model, rules, seed=7)
    weight = model[0].weight.detach().numpy().astype(float)
    assert np.allclose(weight @ weight.T, 4 * np.eye(8), atol=1e-5) and ft.verify(model, rules, seed=7)


IN_PARTS = [
    ("orthogonal", {"gain": 2.0}, {"in_axis": 1, "out_axis": 0}),
    ("test_structure", {}, {"in_axis": 1, "out_axis": 0}),
    ("sparse", {"sparsity": 0.3}, {}),
    ("identity", {"gain": 0.5}, {}),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize(("scheme", "keywords", "axes"), IN_PARTS, ids=[scheme for scheme, *_ in IN_PARTS])
def test_each_part_of_a_packed_weight_is_an_array_by_itself(scheme, keywords, axes, dtype):
    model = nn.Linear(16, 48, bias=False, dtype=getattr(torch, dtype))
    rules, split = [("*", scheme, keywords)], {"weight": 3}
    (entry,) = ft.initialize_(model, rules, seed=7, split=split)
    (alone,) = ft.plan(nn.Linear(16, 16, bias=False), rules)
    assert entry.law == fi.laws.Packed(alone.law, 3, 0) and str(entry.law) == f"3 of {alone.law}"
    assert entry.fans == alone.fans and entry.std == pytest.approx(alone.std, nan_ok=True)
    for number, part in enumerate(model.weight.detach().chunk(3)):
        known = "float32" if dtype == "bfloat16" else dtype
        name = f"weight[{number}]"
        twin = fi.schemes.SCHEMES[scheme]((16, 16), seed=7, name=name, dtype=known, **keywords, **axes)
        assert torch.equal(part, torch.from_numpy(twin).to(part.dtype))
    assert ft.verify(model, rules, seed=7, split=split) and ft.verify(model, rules, split=split)
    ft.initialize_(model, rules, seed=7)
    assert not ft.verify(model, rules, seed=7, split=split)
    assert not ft.verify(model, rules, split=split)


def test_parts_of_other_modules_and_of_rules_that_name_axes():
    lstm = nn.LSTM(8, 16)
    ft.initialize_(lstm, [("bias*", "zeros"), ("*", "orthogonal")], seed=0, split={"weight_*": 4})
    for gate in lstm.weight_hh_l0.detach().chunk(4):
        assert torch.allclose(gate @ gate.T, torch.eye(16), atol=1e-5)
    attention = nn.MultiheadAttention(8, 2, bias=False)
    ft.initialize_(attention, lambda one: Orthogonal(1.0, 1, 0), seed=0, split={"in_proj_weight": 3})
    for part in attention.in_proj_weight.detach().chunk(3):
        assert torch.allclose(part @ part.T, torch.eye(8), atol=1e-5)
    turned = Packed()
    (entry,) = ft.initialize_(turned, [("*", "orthogonal", {"in_axis": 0, "out_axis": 1})], seed=0, split={"*": 3})
    for number, part in enumerate(turned.weight.detach().chunk(3, dim=1)):
        assert np.array_equal(part.numpy(), fi.orthogonal((96, 16), seed=0, name=f"weight[{number}]"))
    assert entry.fans == (96, 16)
    (entry,) = ft.plan(turned, [("*", "test_out_uniform", {"in_axis": 0, "out_axis": 1})], split={"*": 3})
    assert entry.fans == (96, 16) and entry.std == pytest.approx(math.sqrt(0.75 / 16))
    for conv, axis in ((nn.Conv2d(4, 24, 3, bias=False), 0), (nn.ConvTranspose2d(4, 24, 3, bias=False), 1)):
        for scheme in ("dirac", "orthogonal") if axis else ("dirac", "orthogonal", "delta_orthogonal"):
            (entry,) = ft.initialize_(conv, [("*", scheme)], seed=0, split={"*": 2})
            assert (entry.law.parts, entry.law.axis) == (2, axis)
            assert ft.verify(conv, [("*", scheme)], seed=0, split={"*": 2})
    plain = ft.plan(nn.Linear(8, 24, bias=False), [("*", "normal", {"std": 0.02})], split={"*": 3})
    assert plain[0].law == Normal(std=0.02)  # of independent elements parts are what the whole is


def test_a_rank_has_its_share_of_each_part():
    whole, rules, split = nn.Linear(16, 48, bias=False), [("*", "orthogonal")], {"*": 3}
    ft.initialize_(whole, rules, seed=2, split=split)
    for rank in range(2):
        shard = nn.Linear(16, 24, bias=False)
        shard.weight.tensor_model_parallel, shard.weight.partition_dim, shard.weight.partition_stride = True, 0, 3
        ft.initialize_(shard, rules, seed=2, split=split, partition=(rank, 2))
        parts = [part.chunk(2)[rank] for part in whole.weight.chunk(3)]
        assert torch.equal(shard.weight, torch.cat(parts))


def test_what_cannot_be_in_parts_is_refused():
    def own(shape, **common):
        return np.zeros(shape)

    linear, conv = nn.Linear(8, 24, bias=False), nn.Conv2d(8, 12, 3, bias=False)
    for call, error, message in (
        (lambda: ft.plan(linear, [("*", own)], split={"*": 3}), ValueError,
         "`split` must be left out for weight, whose law is a function of yours, which may make its parts itself, "
         "got 3"),
        (lambda: ft.plan(conv, [("*", "delta_orthogonal")], split={"*": 2}), ValueError,
         "`shape` must be of no more inputs (8) than outputs (6), to keep every norm, got (6, 8, 3, 3)"),
        (lambda: ft.plan(linear, [("*", "orthogonal")], split={"*": 5}), ValueError,
         "`split` must be a divisor of the outputs of weight (24, 8), got 5"),
        (lambda: ft.plan(linear, [("*", "he_normal", {"in_axis": 0, "out_axis": 1})], split={"*": 3}), ValueError,
         "`split` must be a divisor of the outputs of weight (24, 8), got 3"),
        (lambda: ft.plan(linear, [("*", "he_normal")], split={"*": True}), TypeError,
         "`split` must be an integer of at least 1, got True"),
        (lambda: ft.plan(linear, [("*", "he_normal")], split=3), TypeError,
         "`split` must be a mapping of patterns to numbers of parts, got 3"),
        (lambda: ft.plan(linear, [("*", "he_normal")], partition=(0, True)), TypeError,
         "`partition` must be an integer of at least 1, got True"),
        (lambda: ft.initialize_(linear, [("*", "he_normal")], partition="01"), TypeError,
         "`partition` must be (rank, ranks), got '01'"),
        (lambda: ft.initialize_(linear, [("*", "he_normal")], buffers=1), TypeError,
         "`buffers` must be True or False, got 1"),
        (lambda: fi.laws.Packed(Orthogonal(), 3, 2).fills((4, 6), fi.dtypes.kind_of("float32"), 0, "", 1), ValueError,
         "`axis` must be an integer in [-2, 2), got 2"),
        (lambda: fi.laws.Packed(Orthogonal(), 4, 1).fills((4, 6), fi.dtypes.kind_of("float32"), 0, "", 1), ValueError,
         "`parts` must be a divisor of the length of axis 1 of (4, 6), got 4"),
        (lambda: fi.laws.Packed(Called(own), 2, 0), TypeError,
         f"`law` must be one of fastinit's, for each part, got {Called(own)!r}"),
    ):  # fmt: skip
        with pytest.raises(error) as refused:
            call()
        assert str(refused.value) == message


def test_as_a_scheme_and_in_functions_and_recipes():
    model = nn.Linear(1024, 256)
    entries = ft.plan(model, RULES)
    assert ft.plan(model, [("*bias", "zeros"), ("*", SCHEMES[0])]) == entries
    assert ft.plan(model, lambda one: ft.law_of("zeros" if one.fans is None else "test_only", one)) == entries
    with torch.device("meta"):
        base, wide = nn.Linear(64, 64), nn.Linear(256, 256)
    assert ft.plan(wide, ft.mup(base, RULES))[0].std == pytest.approx(math.sqrt(1.5 / 256), rel=1e-14)


def test_parts_that_the_caller_describes():
    whole = ft.fill_flat_(torch.empty(64 * 48), 0, (64, 48), "test_only", seed=7, name="w").view(64, 48)
    part = ft.fill_partition_(torch.empty(32, 48), "test_only", partition=(1, 2), partition_dim=0, seed=7, name="w")
    box = ft.fill_rectangles_(torch.empty(5, 6), (64, 48), [((3, 7), (0, 0), (5, 6))], "test_only", seed=7, name="w")
    assert torch.equal(part, whole[32:]) and torch.equal(box, whole[3:8, 7:13])
    for wrong, error, said in (
        ([((0, 0), (0, 0), (3, 3)), ((9, 9), (2, 2), (2, 2))], ValueError,
         "apart in place from each other (((0, 0), (0, 0), (3, 3))), got ((9, 9), (2, 2), (2, 2))"),
        (3, TypeError, "a sequence of (offset, local_offset, size), got 3"),
        ([((0, 0), (0, 0))], TypeError, "a sequence of (offset, local_offset, size), got ((0, 0), (0, 0))"),
        ([(b"\0\0", (0, 0), (1, 1))], TypeError, "an integer or a sequence of integers, got b'\\x00\\x00'"),
    ):  # fmt: skip
        with pytest.raises(error) as refused:
            ft.fill_rectangles_(torch.empty(5, 6), (64, 48), wrong, "test_only", seed=7, name="w")
        assert str(refused.value) == "`rectangles` must be " + said
    beside = [((0, 0), (0, 0), (3, 3)), ((0, 0), (3, 0), (2, 3)), ((0, 0), (0, 3), (5, 3))]
    ft.fill_rectangles_(torch.empty(5, 6), (64, 48), beside, "test_only", seed=7, name="w")
    assert whole.std().item() == pytest.approx(math.sqrt(1.5 / 48), rel=0.07)


def ramp(shape, *, seed, name, dtype="float32", index=None, out=None, step=1.0):
    """A user's function, whose values are their numbers in the whole."""
    if isinstance(index, list):
        outs = [None] * len(index) if out is None else out
        parts = zip(index, outs, strict=True)
        return [ramp(shape, seed=seed, name=name, dtype=dtype, index=one, out=to, step=step) for one, to in parts]
    numbers = (np.arange(np.prod(shape)) * step).reshape(shape).astype(dtype)
    if isinstance(index, type(fi.flat)):
        numbers, index = numbers.ravel(), index.positions
    made = numbers if index is None else numbers[index]
    return made if out is None else np.copyto(out, made)


def test_a_function_that_nobody_registered():
    model, partial = nn.Linear(5, 4), functools.partial(ramp, step=0.5)
    rules = [("weight", partial, {}), ("*", ramp, {"step": 3.0})]
    entries = ft.initialize_(model, rules, seed=7)
    assert [entry.law for entry in entries] == [Called(ramp, {"step": 0.5}), Called(ramp, {"step": 3.0})]
    assert [entry.description for entry in entries] == ["ramp(step=0.5)", "ramp(step=3)"]
    assert all(math.isnan(entry.std) for entry in entries)
    assert np.array_equal(model.weight.detach(), ramp((4, 5), seed=0, name="", step=0.5))
    assert np.array_equal(model.bias.detach(), [0.0, 3.0, 6.0, 9.0])
    assert ft.verify(model, rules, seed=7)
    half = nn.Linear(5, 4).to(torch.bfloat16)
    ft.initialize_(half, rules, seed=7)
    assert torch.equal(half.weight, torch.arange(20.0).view(4, 5).mul(0.5).bfloat16())


def test_a_partial_of_a_public_function_keeps_its_keywords():
    model = nn.Linear(1024, 256, bias=False)
    (entry,) = ft.plan(model, [("*", functools.partial(fi.he_normal, gain=0.5))])
    assert entry.law == Normal(std=0.5 * math.sqrt(2 / 1024))
    (entry,) = ft.plan(model, [("*", functools.partial(fi.he_normal, gain=0.5), {"gain": 3.0})])
    assert entry.law == Normal(std=3 * math.sqrt(2 / 1024))
    twice = functools.partial(functools.partial(fi.variance_scaling, mode="fan_out"), scale=3.0)
    (entry,) = ft.plan(model, [("*", twice)])
    assert entry.law == Normal(std=math.sqrt(3 / 256))


def test_a_law_is_a_rule_as_it_is():
    model = nn.Linear(6, 4)
    law = Truncated(0.0, 0.1, -1.0, 2.0)
    listed = ft.plan(model, [("*", law)])
    assert [entry.law for entry in listed] == [law, law] and ft.plan(model, lambda weight: law) == listed
    assert ft.plan(model, lambda weight: ft.law_of(law, weight)) == listed
    ft.initialize_(model, lambda weight: law, seed=7)
    drawn = fi.truncated_normal((4, 6), 0.0, 0.1, -1.0, 2.0, seed=7, name="weight")
    assert np.array_equal(model.weight.detach(), drawn)
    with pytest.raises(TypeError) as refused:
        ft.plan(model, lambda weight: "he_normal")
    assert str(refused.value) == "`rules` must be such that a function gives a law (weight), got 'he_normal'"


def test_deviations_are_right_in_the_far_tail():
    """The second computation of them that there was had 0.186 here, where the values have 0.127."""
    model = nn.Linear(100, 1000, bias=False)
    rules = [("*", "truncated_normal", {"low": 7.5, "high": math.inf})]
    (entry,) = ft.initialize_(model.double(), rules, seed=7)
    assert entry.std == pytest.approx(0.126964, abs=1e-6)
    assert model.weight.std().item() == pytest.approx(entry.std, rel=0.02)
    assert str(entry.law) == "truncated_normal(std=1, low=7.5, high=inf)"


@pytest.mark.parametrize(
    ("law", "narrow"),
    [
        (Normal(std=0.5), Normal(std=0.25)),
        (Uniform(-0.5, 0.5), Uniform(-0.25, 0.25)),
        (Truncated(0.0, 0.5, -1.3, 1.3), Truncated(0.0, 0.25, -1.3, 1.3)),
        (Truncated(0.0, 0.5, -math.inf, math.inf), Truncated(0.0, 0.25, -math.inf, math.inf)),
        (Constant(0.0), Constant(0.0)),
    ],
)
def test_a_wide_model_has_the_law_of_a_narrow_one_narrowed(law, narrow):
    base, wide = nn.Linear(8, 8, bias=False), nn.Linear(32, 32, bias=False)
    assert ft.plan(wide, ft.mup(base, [("*", law)]))[0].law == narrow


@pytest.mark.parametrize(
    ("law", "called"),
    [
        (Normal(0.1, 0.5), "normal"),
        (Uniform(0.0, 1.0), "uniform"),
        (Truncated(0.0, 0.5, -1.0, 2.0), "truncated_normal"),
        (Constant(1.0), "ones"),
        (Orthogonal(), "orthogonal"),  # whose deviation falls with the width by itself
        (Called(ramp), "ramp"),
    ],
)
def test_what_is_not_around_zero_is_not_narrowed(law, called):
    base, wide = nn.Linear(8, 8, bias=False), nn.Linear(32, 32, bias=False)
    with pytest.raises(ValueError) as refused:
        ft.plan(wide, ft.mup(base, [("*", law)]))
    rule = "a law around zero for weight, which grows on both sides"
    assert str(refused.value) == f"`rules` must be {rule}, got {called!r}"
