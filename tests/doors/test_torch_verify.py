"""verify: right models pass in worlds of 1 to 4 with one digest, each fault is found, and files are judged alike."""

import itertools
import math
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
import torch
import torch.distributed as dist
from conftest import refused
from safetensors.torch import save_file, save_model
from test_torch_initialize import Block
from test_torch_sharded import (
    RULES,
    Model,
    by_own_code,
    by_preset,
    by_rules,
    parallelise,
    refusal,
    run_in_processes,
    shard_fully,
    sharded,
    stage_of_a_pipeline,
)
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, distribute_tensor
from torch.nn.utils import parametrizations, parametrize

import fastinit as fi
import fastinit.torch as ft
from fastinit.cli import main
from fastinit.rectangles import Rectangle
from fastinit.torch.models.verification import _digest

HE = [("*bias", "zeros"), ("*", "he_normal")]
OWN_LAWS = [
    ("*norm.*", "torch"), ("*bias", "zeros"), ("embed.*", "normal", {"std": 0.5}),
    ("*w1.weight", "truncated_normal", {"std": 0.5, "low": -2, "high": 2}),
    ("*w2.weight", "orthogonal"), ("*", "uniform", {"low": -1, "high": 1}),
]  # fmt: skip
#: Of the model that `by_preset` makes: on every machine, in every world.
DIGEST = "f14b50624c90c83ba9354c13c0bbfbcf"
#: And of `right()`.
DIGEST_OF_WIDE = "b45111d4f5febb718a06fd3746814a1d"


def wide():
    """Large enough for laws to be told apart in a quarter of it."""
    return nn.Sequential(nn.Linear(128, 96), nn.Linear(96, 128, bias=False))


def right(rules=HE, seed=1):
    model = wide()
    ft.initialize_(model, rules, seed=seed)
    return model


def flip(tensor):
    """The last bit of the last element."""
    tensor.detach().view(torch.int32).view(-1)[-1:] ^= 1


def alike(found):
    """A verdict, which every rank has."""
    everyone = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, found)
    assert all(one == found for one in everyone)
    return found


# Real processes.


def every_layout_is_right_and_has_one_digest(world):
    mesh = init_device_mesh("cpu", (world,))
    layouts = [lambda model: shard_fully(mesh, model), lambda model: parallelise(mesh, model), lambda model: None]
    if world == 4:
        square = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "model"))

        def both(model):
            parallelise(square["model"], model)
            shard_fully(square["data"], model)

        layouts += [lambda model: shard_fully(square, model), both]
    for layout in layouts:
        model = sharded(layout, by_preset)
        found = alike(ft.verify(model, "torch", seed=1))
        assert found and (found.checked, found.unchecked) == (17, ()), str(found)
        assert found.digest == DIGEST
        assert ft.verify(model, "torch")
        assert ft.verify(sharded(layout, by_rules), RULES, seed=1)
        (line,) = ft.verify(sharded(layout, by_own_code), OWN_LAWS, seed=1).problems  # that code does not make it so
        assert line.startswith("embed.weight") and line.endswith(": row 9, that of a padding index, is not zero")


def stages_of_a_pipeline(world):
    if world != 4:
        return
    model, rename = stage_of_a_pipeline(by_preset)
    found = alike(ft.verify(model, "torch", seed=1, rename=rename))
    assert found and found.digest == DIGEST, str(found)
    clashing = alike(ft.verify(model, "torch"))
    assert any(line.startswith("layers.0.w1.weight, rank") and "not equal to its replica" in line
               for line in clashing.problems)  # fmt: skip


def fully(world, make=right):
    """The wide model on shards, and this rank's."""
    model = make()
    fully_shard(model, mesh=init_device_mesh("cpu", (world,)))
    return model, dist.get_rank(), model[0].weight._local_tensor


def each_fault_of_a_shard_is_found(world):
    if world == 1:
        return
    last, others = world - 1, ", ".join(map(str, range(1, world)))
    ranks = f"0.weight, rank{'s' * (world > 2)} {others}: "

    def judged(fault, seed=None):
        model, rank, local = fully(world)
        with torch.no_grad():
            fault(model, rank, local)
        found = alike(ft.verify(model, HE, seed=seed))
        assert not found and not ft.verify(model, HE, seed=1)
        return found.problems

    def same_values(model, rank, local):
        local.normal_(0, (2 / 128) ** 0.5, generator=torch.Generator().manual_seed(5))

    def of_rank_0(model, rank, local):
        dist.broadcast(whole := local.clone(), 0)
        if rank == last:
            local.copy_(whole)

    def fan_of_shard(model, rank, local):
        local.mul_(world**0.5)

    def on_the_last(change):
        return lambda model, rank, local: change(local) if rank == last else None

    assert judged(same_values) == (f"{ranks}has values of that on rank 0",)
    assert judged(of_rank_0) == (f"0.weight, rank {last}: has values of that on rank 0",)
    count = 96 // world * 128
    bits = f"{count} of {count} elements are not those of seed 1 and name '0.weight'"
    assert judged(of_rank_0, seed=1) == (f"0.weight, rank {last}: has values of that on rank 0; {bits}",)
    wrong = judged(fan_of_shard)
    assert len(wrong) == world and all("standard deviation" in line for line in wrong)
    for change, what in [
        (lambda local: local.view(-1)[:7].fill_(torch.nan), "7 elements are not finite"),
        (lambda local: local.zero_(), f"all {count} elements are 0"),
        (lambda local: local.fill_(3e-5), f"all {count} elements are 3e-05"),
        (lambda local: local[: len(local) // 2].zero_(), "standard deviation"),
    ]:
        (line,) = judged(on_the_last(change))
        assert line.startswith(f"0.weight, rank {last}: {what}"), line
    (line,) = judged(on_the_last(flip), seed=1)
    assert line == f"0.weight, rank {last}: 1 of {count} elements are not those of seed 1 and name '0.weight'"


def replicas_must_be_equal_and_shards_complete(world):
    if world == 1:
        return
    rank, last = dist.get_rank(), world - 1
    mesh = init_device_mesh("cpu", (world,))
    plain, replicated = right(), right()
    replicated[1].weight = nn.Parameter(distribute_tensor(replicated[1].weight, mesh, [Replicate()]))
    for model in (plain, replicated):
        assert alike(ft.verify(model, HE)).digest == DIGEST_OF_WIDE
        if rank == last:
            flip(model[1].weight.data if model is plain else model[1].weight._local_tensor)
        found = alike(ft.verify(model, HE))
        assert found.problems == (f"1.weight, rank {last}: not equal to its replica on rank 0",)
    model, *_ = fully(world)
    found = alike(ft.verify(model, HE, rename=lambda name: name if rank < last else f"x.{name}"))
    here = 96 * 128 - (count := 96 // world * 128)
    whole = "elements where float32 of shape (96, 128) has 12288"
    assert f"0.weight: its shards have {here} {whole}" in found.problems
    assert f"x.0.weight: its shards have {count} {whole}" in found.problems


def what_one_rank_refuses_all_refuse(world):
    if world == 1:
        return
    rank = dist.get_rank()
    message = refusal(lambda: ft.verify(wide().to("meta" if rank else "cpu"), HE))
    assert (
        message
        == "`model` must be in memory (fastinit.torch.materialize gives it some), got '0.weight on the meta device'"
    )
    message = refusal(lambda: ft.verify(right(), HE, seed=min(rank, 1)))
    assert message == f"`seed` must be the same on every rank, got {[min(one, 1) for one in range(world)]}"


CHECKS = [
    every_layout_is_right_and_has_one_digest,
    stages_of_a_pipeline,
    each_fault_of_a_shard_is_found,
    replicas_must_be_equal_and_shards_complete,
    what_one_rank_refuses_all_refuse,
]


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_real_processes(world, tmp_path):
    run_in_processes(world, tmp_path, CHECKS)


# One process.


def test_it_says_what_it_found():
    found = ft.verify(right(), HE, seed=1)
    assert (found.problems, found.checked, found.unchecked) == ((), 3, ())
    assert str(found) == f"tensors checked: 3\ndigest: {DIGEST_OF_WIDE}\nok"
    model = parametrizations.weight_norm(nn.Linear(8, 8))
    ft.initialize_(model, "torch", seed=1)
    found = ft.verify(model, "torch", seed=2)
    assert str(found) == (
        "PROBLEM bias, weight.original1: of their laws, but of another seed, or of other names "
        "(8 of 8 elements are not those of seed 2 and name 'bias')\n"
        f"tensors checked: 3\ndigest: {found.digest}\nnot ok"
    )


class Halved(nn.Module):
    def forward(self, original):
        return original / 2

    def right_inverse(self, value):
        return value * 2


def test_what_was_found_comes_back_from_json():
    model = right()
    with torch.no_grad():
        wrong = ft.verify(wide(), HE)
    for found in (ft.verify(model, HE, seed=1), wrong):
        again = ft.ModelVerification.from_json(found.to_json())
        assert again == found and hash(again) == hash(found) and again.ok is bool(found) is found.ok
    assert repr(ft.verify(model, HE)) == f"ModelVerification(3 tensors checked, ok, digest {DIGEST_OF_WIDE})"
    assert repr(wrong).startswith(
        f"ModelVerification(3 tensors checked, not ok: {wrong.problems[0]} and 2 more, digest "
    )


def test_what_lies_under_a_parametrization_is_named_as_not_checked():
    model = nn.Linear(32, 32)
    parametrize.register_parametrization(model, "weight", Halved())
    ft.initialize_(model, HE, seed=1)
    found = ft.verify(model, HE, seed=1)
    assert found and (found.checked, found.unchecked) == (1, ("weight",))


@pytest.mark.parametrize("seed", range(3))
def test_torchs_own_models_raise_no_alarm(seed):
    """Each of some 200 comparisons fails of a right array once in 5e8."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.TransformerEncoderLayer(64, 4, 128),
        nn.Conv2d(16, 32, 3, groups=2),
        nn.LSTM(32, 32),
        nn.Embedding(500, 32, 7),
    )
    found = ft.verify(model, "torch")
    assert found and not found.unchecked, str(found)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("rules", ["torch", "gpt2", "llama"])
def test_presets_and_dtypes(rules, dtype):
    block = nn.ModuleDict({"c_proj": nn.Linear(64, 256)})
    model = nn.ModuleDict({"embed": nn.Embedding(300, 64, 5), "0": block, "norm": nn.LayerNorm(64)}).to(dtype)
    ft.initialize_(model, rules, seed=3)
    assert ft.verify(model, rules, seed=3)
    assert ft.verify(model, rules)
    with torch.no_grad():
        block["c_proj"].weight[:20] = block["c_proj"].weight[100:120]
    (line,) = ft.verify(model, rules).problems
    assert "occur again from element" in line


def test_padding_ties_strides_and_axes():
    model = Block().to(memory_format=torch.channels_last)
    rules = [("*bias*", "zeros"), ("norm.*", "ones"), ("up.*", "orthogonal"), ("*", "he_normal")]
    for each in (rules, "torch"):
        ft.initialize_(model, each, seed=2)
        found = ft.verify(model, each, seed=2)
        assert found and found.checked == 11, str(found)  # the tied one once, and no buffer
        assert ft.verify(model, each)
    model.emb.weight.data[2, 0] = 1e-30
    assert ft.verify(model, "torch").problems == ("emb.weight: row 2, that of a padding index, is not zero",)
    holder = nn.Module()
    holder.scale, holder.none = nn.Parameter(torch.ones(())), nn.Parameter(torch.empty(0, 3))
    assert ft.verify(holder, [("*", "ones")], seed=0).checked == 2


def test_what_is_not_orthogonal_is_found_in_torchs_order():
    model = right([("*bias", "zeros"), ("*", "orthogonal")])
    assert ft.verify(model, [("*bias", "zeros"), ("*", "orthogonal")])
    model[0].weight.data.normal_(0, 128**-0.5)
    (line,) = ft.verify(model, [("*bias", "zeros"), ("*", "orthogonal")]).problems
    assert line.endswith("away from those of an orthogonal matrix")


def test_swapped_tensors_have_another_digest_and_other_bits():
    model = nn.ModuleList(nn.Linear(64, 64, bias=False) for _ in range(2))
    ft.initialize_(model, HE[1:], seed=1)
    before = ft.verify(model, HE[1:], seed=1).digest
    model[0].weight, model[1].weight = model[1].weight, model[0].weight
    found = ft.verify(model, HE[1:], seed=1)
    assert [line.split(" elements")[0] for line in found.problems] == [
        "0.weight, 1.weight: of their laws, but of another seed, or of other names (4096 of 4096"
    ]
    assert found.digest != before
    assert ft.verify(model, HE[1:])  # both have the law


def test_ties_that_are_lost_and_layers_that_are_alike():
    model = nn.Sequential(nn.Embedding(64, 32), nn.Linear(32, 64, bias=False), nn.Linear(32, 64, bias=False))
    model[1].weight = model[0].weight
    rules = [("*", "normal", {"std": 0.1})]
    ft.initialize_(model, rules, seed=1)
    tied = ft.verify(model, rules, seed=1)
    assert tied and tied.checked == 2
    model[1].weight = nn.Parameter(model[0].weight.detach().clone())
    assert ft.verify(model, rules).problems == ("1.weight: has values of 0.weight",)
    found = ft.verify(model, rules, seed=1)
    bits = "2048 of 2048 elements are not those of seed 1 and name '1.weight'"
    assert found.problems == (f"1.weight: has values of 0.weight; {bits}",)
    assert found.digest != tied.digest
    for layer in model:
        torch.manual_seed(0)
        nn.init.normal_(layer.weight, std=0.1)
    found = ft.verify(model, rules)
    assert found.problems == ("1.weight: has values of 0.weight", "2.weight: has values of 0.weight")


def test_parts_of_checkpoints_and_of_megatron():
    whole = torch.from_numpy(fi.he_normal((96, 128), in_axis=1, out_axis=0, seed=4, name="w"))
    holder = nn.Module()
    holder.w = nn.Parameter(torch.full((50, 130), torch.nan))  # the padding is not looked at
    holder.w.data[:40, :128], holder.w.data[40:50, 2:66] = whole[8:48], whole[60:70, 64:]
    holder.w.global_shape, holder.w.global_offsets = (96, 128), ((8, 0), (60, 64))
    holder.w.local_offsets, holder.w.local_sizes = ((0, 0), (40, 2)), ((40, 128), (10, 64))
    for seed in (4, None):
        assert ft.verify(holder, [("*", "he_normal")], seed=seed)
    flip(holder.w.data[40:50, 2:66][-1])
    assert "1 of 5760 elements" in str(ft.verify(holder, [("*", "he_normal")], seed=4))
    part = nn.Module()
    part.w = nn.Parameter(whole[:, 32:64].contiguous())
    part.w.tensor_model_parallel, part.w.partition_dim = True, 1
    assert ft.verify(part, [("*", "he_normal")], seed=4, partition=(1, 4))
    assert not ft.verify(part, [("*", "he_normal")], seed=4, partition=(2, 4))
    with pytest.raises(ValueError) as raised:
        ft.verify(part, [("*", "he_normal")])
    assert str(raised.value) == "`partition` must be (rank, ranks), for tensors that Megatron has partitioned, got None"


# The digest.


def digest_of(**tensors):
    holder = nn.Module()
    for name, tensor in tensors.items():
        holder.register_parameter(name, nn.Parameter(tensor, requires_grad=False))
    return ft.verify(holder, [("*", "constant", {"value": 0.0})]).digest


def test_every_bit_and_place_and_name_is_in_the_digest():
    x = torch.from_numpy(fi.normal((6, 5), seed=0))
    digests = [digest_of(a=x), digest_of(b=x), digest_of(a=x.T), digest_of(a=x.reshape(5, 6)), digest_of(a=x, b=x)]
    digests += [digest_of(a=x.double()), digest_of(a=x.view(torch.int32).roll(1).view(torch.float32))]
    for bit, at in itertools.product(range(32), range(30)):
        flipped = x.clone().view(torch.int32)
        flipped.view(-1)[at] ^= np.uint32(1 << bit).astype(np.int32).item()
        digests.append(digest_of(a=flipped.view(torch.float32)))
    for one, other in itertools.combinations(range(30), 2):
        order = list(range(30))
        order[one], order[other] = other, one
        digests.append(digest_of(a=x.view(-1)[order].view(6, 5)))
    digests += [digest_of(a=torch.zeros(6, 5)), digest_of(a=-torch.zeros(6, 5))]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_any_cut_has_the_same_sum(dtype):
    shape = (9, 7, 5)
    x = torch.from_numpy(fi.normal(shape, seed=1)).to(dtype)
    whole = Rectangle((0, 0, 0), (0, 0, 0), shape)
    expected = _digest(x, whole, shape)
    for most in (1, 4, 50, 400):
        parts = [part._replace(local_offset=(0, 0, 0)) for part in whole.split(most)]
        total = sum(_digest(x[part.slices].clone(), part, shape) for part in parts)
        assert total % 2**64 == expected % 2**64


def test_the_digests_of_these_models():
    """Pinned: the same on every machine."""
    model = Model()
    by_preset(model)
    assert ft.verify(model).digest == DIGEST
    assert ft.verify(right(), HE).digest == DIGEST_OF_WIDE


# The command lines.


class Initialising(nn.Sequential):
    """The same, which has an initialisation of its own."""

    def __init__(self):
        super().__init__(*wide())

    def init_weights(self):
        for layer in self:
            nn.init.normal_(layer.weight, std=0.02)


@pytest.fixture
def files(tmp_path):
    model = Initialising()
    ft.initialize_(model, "own", seed=1)
    save_model(model, tmp_path / "own.safetensors")
    model = right()
    save_model(model, tmp_path / "right.safetensors")
    model[1].weight.data.mul_(1.1)
    save_model(model, tmp_path / "wrong.safetensors")
    save_model(right().bfloat16(), tmp_path / "rounded.safetensors")
    model[1].weight.data[2, 3] = math.nan
    save_model(model, tmp_path / "nan.safetensors")
    save_file({"weight": torch.ones(2), "module.weight": torch.zeros(2)}, tmp_path / "twice.safetensors")
    save_file({"weight": torch.ones(2).to(torch.float8_e5m2)}, tmp_path / "small8.safetensors")
    save_file({"w": torch.zeros(3), "i": torch.zeros(3, 3, dtype=torch.int64)}, tmp_path / "small.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    return tmp_path


ORDER = ["--in-axis", "1", "--out-axis", "0"]
COMMANDS = [
    (["right", "--scheme", "he_normal", *ORDER], 0, "not checked: 0.bias\ntensors checked: 2\nok\n"),
    (["right", "--scheme", "he_normal", *ORDER, "--seed", "1"], 0, "not checked: 0.bias\ntensors checked: 2\nok\n"),
    (["rounded", "--scheme", "he_normal", *ORDER, "--seed", "1"], 0, "not checked: 0.bias\ntensors checked: 2\nok\n"),
    (["right", "--scheme", "zeros", "--array", "*.bias"], 0, "tensors checked: 1\nok\n"),
    (["right", "--scheme", "he_normal", "--array", "0.weight", *ORDER], 0, "tensors checked: 1\nok\n"),
    (["right", "--scheme", "he_normal", "--array", "0.weight"], 1, "PROBLEM 0.weight: standard deviation 0.126 where"),
    (["wrong", "--scheme", "he_normal", *ORDER], 1, "PROBLEM 1.weight: standard deviation 0.159 where 0.14"),
    (["right", "--scheme", "he_normal", *ORDER, "--seed", "2"], 1,
     "PROBLEM 0.weight, 1.weight: of their laws, but of another seed, or of other names "
     "(12288 of 12288 elements are not those of seed 2 and name '0.weight')\n"),
    (["right", "--scheme", "he_normal", "--array", "x*"], 2,
     "fastinit: `--array` must be a pattern that a tensor's name matches (there are: '0.bias', '0.weight', "
     "'1.weight'), got 'x*'\n"),
    (["small", "--scheme", "zeros"], 2,
     "fastinit: `--array` must be such that a tensor of floats with elements is checked, got None\n"),
    (["small", "--scheme", "zeros", "--array", "*"], 0, "not checked: i\ntensors checked: 1\nok\n"),
    (["small", "--scheme", "he_normal", "--array", "w"], 2, "fastinit: tensor 'w': `shape` must be"),
    (["right", "--scheme", "he_normal", "--name", "w"], 2,
     "fastinit: `--name` must be left out for a file of tensors by name, got 'w'\n"),
    (["bad", "--scheme", "he_normal"], 2, "cannot be read as a .safetensors file: "),
    (["missing", "--scheme", "he_normal"], 2, "No such file"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "status", "said"), COMMANDS, ids=[" ".join(one) for one, *_ in COMMANDS])
def test_verify_command(files, capsys, arguments, status, said):
    assert main(["verify", str(files / f"{arguments[0]}.safetensors"), *arguments[1:]]) == status
    printed = capsys.readouterr()
    if said.startswith("fastinit: `"):
        said = refused("verify", said.removeprefix("fastinit: ").removesuffix("\n"))
    assert said in (printed.err if status == 2 else printed.out)


def tied():
    model = nn.Sequential(nn.Embedding(40, 8), nn.Linear(8, 40, bias=False))
    model[1].weight = model[0].weight
    model.register_buffer("table", torch.zeros(2))
    return model


HERE = "test_torch_verify"
MODEL_COMMANDS = [
    (["right", "--model", f"{HERE}:wide", "--rules", f"{HERE}:HE", "--seed", "1"], 0,
     "tensors checked: 3\ndigest: {}\nok\n"),
    (["rounded", "--model", f"{HERE}:wide", "--rules", f"{HERE}:HE", "--seed", "1"], 0, "tensors checked: 3\ndigest: "),
    (["own", "--model", f"{HERE}:Initialising", "--rules", "own", "--seed", "1"], 0, "tensors checked: 3\ndigest: "),
    (["own", "--model", f"{HERE}:Initialising", "--rules", "own", "--seed", "2"], 1,
     "PROBLEM 0.weight, 0.bias, 1.weight: of their laws"),
    (["wrong", "--model", f"{HERE}:wide", "--rules", f"{HERE}:HE"], 1,
     "PROBLEM 1.weight: standard deviation 0.159 where 0.14"),
    (["right", "--model", f"{HERE}:wide"], 1, "PROBLEM 0.bias: all 96 elements are 0"),
    (["right", "--model", f"{HERE}:tied"], 2,
     "fastinit: `file` must be one with 0.weight of shape (40, 8), got (96, 128)\n"),
    (["right", "--model", f"{HERE}:norm"], 2,
     "fastinit: `file` must be one with weight of shape (2,), got no tensor of that name (there are: '0.bias', "
     "'0.weight', '1.weight')\n"),
    (["right", "--model", "torch.nn:RMSNorm"], 2,
     "fastinit: `--model` must be what makes a torch.nn.Module when it is called without arguments, got RMSNorm "
     "(missing a required argument: 'normalized_shape')\n"),
    (["right", "--model", f"{HERE}:MADE"], 2,
     "fastinit: `--model` must be what makes a torch.nn.Module when it is called, got one itself (Identity)\n"),
    (["right", "--model", f"{HERE}:stopped"], 130, "fastinit: interrupted\n"),
    (["right", "--model", f"{HERE}:first"], 2,
     "fastinit: `file` must be one without tensors that the model has not, got ['1.weight']\n"),
    (["right", "--model", "wide"], 2, "fastinit: `--model` must be package.module:name, got 'wide'\n"),
    (["right", "--model", f"{HERE}:narrow"], 2,
     "fastinit: `--model` must be a name that test_torch_verify has, got 'narrow'\n"),
    (["right", "--model", f"{HERE}:wide", "--rules", "gpt3"], 2,
     "fastinit: `--rules` must be one of 'torch', 'own', 'gpt2', 'llama', got 'gpt3' (nearest: 'gpt2')\n"),
    (["right", "--model", f"{HERE}:breaks"], 2, "RuntimeError: needs more memory"),
    (["right", "--model", f"{HERE}:HERE"], 2,
     "fastinit: `--model` must be what makes a torch.nn.Module when it is called without arguments, "
     f"got {HERE!r}\n"),
    (["right", "--model", f"{HERE}:no_model"], 2,
     "fastinit: `--model` must be what makes a torch.nn.Module when it is called, got list\n"),
    (["nan", "--model", f"{HERE}:wide", "--rules", f"{HERE}:HE"], 1, "PROBLEM 1.weight: 1 elements are not finite"),
    (["twice", "--model", f"{HERE}:norm"], 2,
     "fastinit: `file` must be one without two tensors of one name but for wrappers, "
     "got ['module.weight', 'weight']\n"),
    (["small8", "--model", f"{HERE}:norm"], 2,
     "fastinit: `--model` must be of dense float16, bfloat16, float32 or float64 parameters, "
     "got 'weight, torch.strided of torch.float8_e5m2'\n"),
    (["right", "--model", f"{HERE}:wide", "--rules", "none.such:RULES"], 2,
     "fastinit: `--rules` must be a module that Python finds, as it finds those of this folder, got 'none.such'\n"),
    (["bad", "--model", f"{HERE}:wide"], 2, "cannot be read as a .safetensors file: "),
    (["missing", "--model", f"{HERE}:wide"], 2, "No such file"),
]  # fmt: skip


MADE = nn.Identity()


def stopped():
    raise KeyboardInterrupt


def first():
    return wide()[:1]


def breaks():
    raise RuntimeError("needs more memory")


def no_model():
    return []


def norm():
    return nn.RMSNorm(2)


@pytest.mark.parametrize(
    ("arguments", "status", "said"), MODEL_COMMANDS, ids=[" ".join(one) for one, *_ in MODEL_COMMANDS]
)
def test_verify_command_of_models(files, capsys, arguments, status, said):
    assert main(["torch", "verify", str(files / f"{arguments[0]}.safetensors"), *arguments[1:]]) == status
    printed = capsys.readouterr()
    if said.startswith("fastinit: `"):
        said = refused("torch verify", said.removeprefix("fastinit: ").removesuffix("\n"))
    assert said.format(DIGEST_OF_WIDE) in (printed.out if status < 2 else printed.err)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_what_torch_saved(tmp_path, capsys, zipped, wrapped):
    """A state, or one among other things, in a file that is mapped or is read; by schemes and by a model."""
    model = right()
    state = model.state_dict() | {"again": model[0].weight.detach(), "half": torch.zeros(2, 3, dtype=torch.bfloat16)}
    for name, one in {"all.pt": state, "own.pt": model.state_dict()}.items():
        held = {"model": one, "step": 3, "optimizer": {"state": {}}} if wrapped else one
        torch.save(held, tmp_path / name, _use_new_zipfile_serialization=zipped)
    arguments = ["--scheme", "he_normal", *ORDER, "--seed", "1", "--array", "*.weight"]
    assert main(["verify", str(tmp_path / "all.pt"), *arguments]) == 0
    assert capsys.readouterr().out == "tensors checked: 2\nok\n"
    assert main(["verify", str(tmp_path / "all.pt"), "--scheme", "zeros", "--array", "[!01]*"]) == 0
    assert capsys.readouterr().out == "tensors checked: 1\nok\n"
    rules = ["--model", f"{HERE}:wide", "--rules", f"{HERE}:HE", "--seed", "1"]
    assert main(["torch", "verify", str(tmp_path / "own.pt"), *rules]) == 0
    assert capsys.readouterr().out == f"tensors checked: 3\ndigest: {DIGEST_OF_WIDE}\nok\n"


@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_no_file_of_torch_is_told_from_a_damaged_one(tmp_path, capsys, zipped):
    path = tmp_path / "w.pt"
    torch.save({"a": torch.zeros(300)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    damaged = "cannot be read as weights that torch.save wrote: "
    for content, said in ((b"", "is no file of torch.save\n"), (b"garbage", "is no file of torch.save\n"),
                          (whole[:100], damaged)):  # fmt: skip
        path.write_bytes(content)
        assert main(["verify", str(path), "--scheme", "zeros"]) == 2
        printed = capsys.readouterr()
        assert printed.out == "" and printed.err.startswith(f"fastinit: {path} {said}") and printed.err.count("\n") == 1


def test_a_file_of_another_kind_and_none(tmp_path, capsys):
    path = tmp_path / "w.txt"
    path.write_text("hello")
    rule = (
        "`file` must be a file of arrays: .safetensors, or of torch.save (.pt, .pth, .bin); the index of several "
        f"(*.safetensors.index.json), or their folder, got {str(path)!r}"
    )
    for name, said in ((str(path), rule), ("", "`file` must be a path, got ''")):
        with suppress(SystemExit):
            assert main(["torch", "verify", name, "--model", f"{HERE}:wide"]) == 2
        assert capsys.readouterr() == ("", refused("torch verify", said))


@pytest.mark.parametrize("seed", [None, 1])
def test_a_cause_is_told_before_the_bits(seed):
    """A layer that is zero, or of twice the scale, or a copy of one that comes later."""
    model = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(4)))
    ft.initialize_(model, HE[1:], seed=1)
    with torch.no_grad():
        model[0].weight.zero_()
        model[1].weight.mul_(2)
        model[2].weight.copy_(model[3].weight)
    lines = dict(line.split(": ", 1) for line in ft.verify(model, HE[1:], seed=seed).problems)
    copy, other = (2, 3) if seed else (3, 2)
    assert [*lines] == ["0.weight", "1.weight", f"{copy}.weight"]
    causes = ["all 4096 elements are 0", "standard deviation 0.35 where 0.177 is claimed (",
              f"has values of {other}.weight"]  # fmt: skip
    for (name, line), cause in zip(lines.items(), causes, strict=True):
        assert line.startswith(cause)
        assert (f"; 4096 of 4096 elements are not those of seed 1 and name '{name}'" in line) is bool(seed)


@pytest.mark.filterwarnings("ignore:Validating sparse tensor:UserWarning")
def test_what_torch_saved_and_is_no_state(tmp_path, capsys):
    path = tmp_path / "w.pt"
    for held, said in (
        (
            nn.Linear(2, 2),
            f"{path} holds more than tensors (torch.nn.modules.linear.Linear): save the state_dict() of a model "
            "instead of itself",
        ),
        ([torch.zeros(3)], f"{path} holds no tensors by name, but list"),
        ({"a": torch.zeros(3), "b": 3, "c": None}, f"{path} holds more than tensors by name: b, c"),
        ({"a": torch.zeros(3).to_sparse()}, f"{path} holds more than tensors by name: a"),
        ({"a": torch.ones(3), "m": {"x": torch.ones(3)}}, f"{path} holds more than tensors by name: m"),
        ({"a": torch.zeros(3, device="meta")}, f"{path} holds more than tensors by name: a"),
        ({"a\x1b[31m": torch.zeros(3)}, f"{path} has a tensor whose name cannot be printed: 'a\\x1b[31m'"),
    ):
        torch.save(held, path)
        assert main(["verify", str(path), "--scheme", "zeros"]) == 2
        assert capsys.readouterr() == ("", f"fastinit: {said}\n")


def test_what_torch_negates_as_it_reads_is_what_it_reads(tmp_path, capsys):
    path, right = tmp_path / "w.pt", torch.from_numpy(fi.he_normal((40, 30), seed=3, name="a"))
    arguments = ["verify", str(path), "--scheme", "he_normal", "--seed", "3"]
    for held, status, checked in (
        ({"a": torch._neg_view(right)}, 1, 1),
        ({"a": torch._neg_view(-right)}, 0, 1),
        ({"a": right, "b": torch._neg_view(right)}, 1, 2),
        ({"a": torch.complex(right, -right).conj().imag}, 0, 1),
    ):
        torch.save(held, path)
        assert main(arguments) == status
        assert f"tensors checked: {checked}\n" in capsys.readouterr().out


def test_a_protocol_that_torch_warns_of_is_one_line(tmp_path, capsys, recwarn):
    path = tmp_path / "w.pt"
    torch.save({"a": torch.zeros(3)}, path, pickle_protocol=4)
    assert main(["verify", str(path), "--scheme", "zeros"]) == 2 and not recwarn.list
    said = "has a pickle of a protocol that torch reads no weights of: leave pickle_protocol out of torch.save"
    assert capsys.readouterr() == ("", f"fastinit: {path} {said}\n")


def test_ties_in_files(tmp_path, capsys):
    model = tied()
    ft.initialize_(model, "torch", seed=1, buffers=False)
    arguments = ["torch", "verify", str(tmp_path / "w.safetensors"), "--model", f"{HERE}:tied", "--seed", "1"]
    save_model(model, arguments[2])
    assert main(arguments) == 0
    assert ft.verify(model, seed=1).digest in capsys.readouterr().out
    save_file({"0.weight": model[0].weight, "1.weight": model[0].weight + 1}, arguments[2])
    assert main(arguments) == 2
    said = "`file` must be one with one value for weights that the model has tied, got ('0.weight', '1.weight')"
    assert capsys.readouterr().err == refused("torch verify", said)


def test_exit_status_of_the_process(files):
    command = [
        sys.executable,
        "-m",
        "fastinit",
        "torch",
        "verify",
        str(files / "wrong.safetensors"),
        "--model",
        "torch.nn:Identity",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
