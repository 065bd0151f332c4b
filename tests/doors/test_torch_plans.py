"""Plans as results: slices, what they show, and JSON that gives back an equal one."""

import json
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import fastinit as fi
import fastinit.torch as ft
from fastinit.laws import Called, Constant, Dirac, Normal, Orthogonal, Packed, Sparse, Truncated


def model():
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


RULES = [("*.bias", "zeros"), ("*", "he_normal")]


def test_plans_of_one_model_by_several_threads_leave_it_its_tensors():
    """Each thread puts them away for a while; none takes what another has put in their place for them."""
    layers = nn.Sequential(*(nn.Linear(4, 4) for _ in range(50)))
    before = list(map(id, layers.parameters()))
    with ThreadPoolExecutor(4) as threads:
        for planned in [threads.submit(ft.plan, layers) for _ in range(20)]:
            planned.exception()  # one that saw the model half away is refused
    assert list(map(id, layers.parameters())) == before


def test_a_slice_of_a_plan_is_a_plan():
    plan = ft.plan(model(), RULES)
    assert type(plan[:2]) is ft.Plan and type(plan[::-1]) is ft.Plan and isinstance(plan[0], ft.Entry)
    assert plan[:2] == plan[0:2:1] == [plan[0], plan[1]] and plan[-1] == plan[3] and plan[4:] == ft.Plan()
    assert str(plan[1:2]).splitlines() == [
        "name    shape  law      std  fan_in  fan_out",
        "0.bias  256    zeros()  0    -       -",
    ]


def test_what_they_show():
    plan = ft.plan(model(), RULES)
    assert repr(plan) == "Plan(4 parameters, 203530 elements)" and repr(ft.Plan()) == "Plan(0 parameters, 0 elements)"
    assert repr(plan[0]) == "Entry(0.weight: normal(std=0.05051), shape 256x784, std 0.05051)"
    computed = plan[0]._replace(law=None, shape=())
    assert repr(computed) == "Entry(0.weight: computed by its module, shape 1, std nan)"


def test_a_table_of_the_modules_own_laws():
    with torch.device("meta"):
        net = nn.ModuleDict({"a": nn.Linear(8, 4), "norm": nn.LayerNorm(4), "e": nn.Embedding(5, 4, padding_idx=0)})
    assert [entry.description for entry in ft.plan(net)] == [
        "uniform(low=-0.3536, high=0.3536)",
        "uniform(low=-0.3536, high=0.3536)",
        "ones()",
        "zeros()",
        "normal(std=1)",
    ]


LAWS = [
    Normal(0.5, 0.1),
    Truncated(0.0, 1.0, 7.5, math.inf),
    Truncated(0.1, 1.0, -math.inf, 2.0),
    Constant(2.0),
    Orthogonal(2.0, (0, 2), 1, ()),
    Orthogonal(1.0, 1, 0),
    Dirac(2, 1, 0),
    Packed(Orthogonal(2.0, (0, 2), 1, ()), 4, 0),
    Packed(Sparse(0.5, 0.1), 2, -1),
    Sparse(0.5),
]


def test_json_gives_back_an_equal_plan():
    for plan in (ft.plan(model(), RULES), ft.plan(model()), ft.Plan()):
        assert ft.Plan.from_json(plan.to_json()) == plan
    entry = ft.plan(model(), RULES)[0]
    laws = ft.Plan(entry._replace(law=law, name=str(number)) for number, law in enumerate([*LAWS, None]))
    again = ft.Plan.from_json(laws.to_json())
    assert again == laws and [one.law for one in again] == [*LAWS, None]
    assert type(again) is ft.Plan and type(again[0]) is ft.Entry and str(again) == str(laws)
    assert all(type(one.fans) is fi.Fans and type(one.shape) is tuple for one in again)


def test_a_fan_that_a_stride_divides_is_shown_and_read_back():
    plan = ft.plan(nn.ConvTranspose2d(3, 4, 5, stride=3, bias=False), [("*", "lecun_normal")])
    assert plan[0].fans == (25 / 3, 100) and plan[0].std == math.sqrt(3 / 25)
    assert str(plan).splitlines()[1].split()[-2:] == ["8.33", "100"]
    assert ft.Plan.from_json(plan.to_json()) == plan


def test_json_has_a_format_and_a_version():
    written = json.loads(ft.plan(model(), RULES)[:1].to_json())
    assert written == {
        "format": "fastinit Plan",
        "version": 1,
        "fastinit": fi.__version__,
        "entries": [
            {
                "name": "0.weight",
                "shape": [256, 784],
                "law": {"law": "normal", "mean": 0.0, "std": math.sqrt(2 / 784)},
                "stream": "0.weight",
                "fans": {"fan_in": 784, "fan_out": 256},
                "full_name": "0.weight",
            }
        ],
    }
    infinite = json.loads(ft.Plan([ft.plan(model(), RULES)[0]._replace(law=LAWS[1])]).to_json())
    assert infinite["entries"][0]["law"]["high"] == "inf"
    with pytest.raises(ValueError) as refused:
        ft.Plan.from_json(json.dumps({**written, "version": 2}))
    assert "format 'fastinit Plan', version 1" in str(refused.value) and "version 2" in str(refused.value)


def test_a_users_function_is_named_and_not_read_back():
    def ramp(shape, *, seed, name, dtype, index, out, **keywords):
        return out

    plan = ft.Plan([ft.plan(model(), RULES)[0]._replace(law=Called(ramp, {"step": 2.0, "table": {1, 2}}))])
    law = plan.to_dict()["entries"][0]["law"]
    assert law == {"law": "called", "call": "ramp", "keywords": {"step": 2.0, "table": "{1, 2}"}}
    with pytest.raises(ValueError) as refused:
        ft.Plan.from_json(plan.to_json())
    assert str(refused.value) == "`text` must be the JSON of a plan whose laws are fastinit's own, got 'ramp'"
