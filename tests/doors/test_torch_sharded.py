"""Shards: real processes over gloo; whatever the world and the layout, the gathered model is the plain one exactly."""

import functools
import itertools
import traceback
import warnings
from functools import partial

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.placement_types import _StridedShard

import fastinit as fi
import fastinit.torch as ft
from fastinit.rectangles import chunk, cut_in_order, strided_chunk
from fastinit.torch.tensors.shards import pieces_of

RULES = [("*bias", "zeros"), ("*norm.weight", "ones"), ("*w2.weight", "orthogonal"), ("*", "he_normal")]


class Layer(nn.Module):
    """Of odd lengths, so that shards are uneven and some are empty."""

    def __init__(self):
        super().__init__()
        self.norm, self.w1, self.w2 = nn.LayerNorm(6), nn.Linear(6, 10), nn.Linear(10, 6)
        self.conv = nn.Conv1d(3, 5, 2)


class Model(nn.Module):
    def __init__(self, layers=2):
        super().__init__()
        self.embed = nn.Embedding(11, 6, padding_idx=9)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))

    def draw_weights(self):
        """A trainer's own code."""
        nn.init.normal_(self.embed.weight, std=0.5)
        for layer in self.layers:
            layer.norm.reset_parameters()
            nn.init.trunc_normal_(layer.w1.weight, std=0.5, a=-1.0, b=1.0)
            nn.init.orthogonal_(layer.w2.weight)
            layer.conv.weight.data.uniform_(-1, 1)
            for bias in (layer.w1.bias, layer.w2.bias, layer.conv.bias):
                nn.init.zeros_(bias)


class Initialising(Model):
    """That which makes it its own."""

    def init_weights(self):
        self.draw_weights()


def by_preset(model, **keywords):
    ft.initialize_(model, "torch", seed=1, **keywords)


def by_rules(model, **keywords):
    ft.initialize_(model, RULES, seed=1, **keywords)


def by_own_code(model, **keywords):
    with ft.fast_init(model=model, seed=1, **keywords):
        model.draw_weights()


def by_own_rule(model, **keywords):
    ft.initialize_(model, "own", seed=1, **keywords)


WAYS = [by_preset, by_rules, by_own_code, by_own_rule]


def kind_for(way):
    return Initialising if way is by_own_rule else Model


def sharded(apply, way, layers=2, **keywords):
    """From meta, parallelised, to memory full of something else, to weights."""
    with torch.device("meta"):
        model = kind_for(way)(layers)
    apply(model)
    assert ft.materialize(model, "cpu") is model
    for tensor in model.parameters():
        (tensor._local_tensor if isinstance(tensor, DTensor) else tensor).data.fill_(7)
    way(model, **keywords)
    return model


def assert_plain(model, way, rename=lambda name: name):
    plain = kind_for(way)()
    way(plain)
    plain = dict(plain.named_parameters())
    for name, tensor in model.named_parameters():
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        assert torch.equal(whole, plain[rename(name)]), (way.__name__, name)


def shard_fully(mesh, model, **keywords):
    for layer in model.layers:
        fully_shard(layer, mesh=mesh, **keywords)
    fully_shard(model, mesh=mesh, **keywords)


def parallelise(mesh, model):
    for layer in model.layers:
        parallelize_module(layer, mesh, {"w1": ColwiseParallel(), "w2": RowwiseParallel()})


def fully_sharded(world):
    mesh = init_device_mesh("cpu", (world,))
    for way in WAYS:
        assert_plain(sharded(lambda model: shard_fully(mesh, model), way), way)
    second = {"shard_placement_fn": lambda tensor: Shard(tensor.ndim - 1)}
    if world < 3:  # FSDP wants other axes than the first to be divided evenly
        assert_plain(sharded(lambda model: fully_shard(model.layers[0].w1, mesh=mesh, **second), by_rules), by_rules)


def tensor_parallel(world):
    mesh = init_device_mesh("cpu", (world,))
    for way in WAYS:
        assert_plain(sharded(lambda model: parallelise(mesh, model), way), way)


def two_axes(world):
    if world < 4:
        return
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "model"))
    for way in WAYS:
        model = sharded(lambda model: shard_fully(mesh, model), way)  # replicated, then sharded
        assert_plain(model, way)
        local = model.embed.weight.to_local().contiguous()
        others = [torch.empty_like(local) for _ in range(2)]
        dist.all_gather(others, local, group=mesh.get_group("data"))
        assert torch.equal(*others)

        def both(model):
            parallelise(mesh["model"], model)
            shard_fully(mesh["data"], model)

        model = sharded(both, way)
        assert any(isinstance(one, _StridedShard) for one in model.layers[0].w1.weight.placements)
        assert_plain(model, way)


def stage_of_a_pipeline(way):
    """One of two stages, fully sharded over the rest, and what its layer is called in the whole."""
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("stage", "data"))
    stage = mesh.get_local_rank("stage")

    def rename(name):
        return name.replace("layers.0", f"layers.{stage}")

    return sharded(lambda model: shard_fully(mesh["data"], model), way, layers=1, rename=rename), rename


def pipeline(world):
    """Two stages, each fully sharded over the rest, its layers numbered from zero."""
    if world != 4:
        return
    for way in WAYS:
        model, rename = stage_of_a_pipeline(way)
        assert_plain(model, way, rename)


def any_placement(world):
    """Each shard is what distributing the whole would have put there."""
    meshes = [init_device_mesh("cpu", shape) for shape in [(world,)] + [(2, 2)] * (world == 4)]
    plain = [Replicate(), Shard(0), Shard(1), Shard(2)]
    first = [*plain, _StridedShard(0, split_factor=2), _StridedShard(1, split_factor=3)]
    for mesh in meshes:
        for placements in itertools.product(first, *[plain] * (mesh.ndim - 1)):
            for shape in [(7, 5, 2), (3, 1, 4), (8, 8, 8)]:
                torch.manual_seed(3)
                whole = ft.normal_(torch.empty(shape))
                tensor = distribute_tensor(torch.zeros(shape), mesh, placements, src_data_rank=None)
                expected = distribute_tensor(whole, mesh, placements, src_data_rank=None)
                torch.manual_seed(3)
                ft.normal_(tensor)
                assert torch.equal(tensor.to_local(), expected.to_local()), (placements, shape)
    dtensor = distribute_tensor(torch.zeros(7, 6), meshes[0], [Shard(0)])
    with ft.fast_init(seed=3) as fast:
        dtensor.normal_()
        nn.init.orthogonal_(dtensor)
    assert fast.filled == 2
    whole = torch.from_numpy(fi.orthogonal((7, 6), in_axis=1, out_axis=0, seed=3, name="#1"))
    assert torch.equal(dtensor.full_tensor(), whole)


def what_is_refused(world):
    mesh = init_device_mesh("cpu", (world,))
    model = sharded(lambda model: shard_fully(mesh, model), by_rules)
    before = [tensor.to_local().clone() for tensor in model.parameters()]
    if world > 1:
        seeds = [min(rank, 1) for rank in range(world)]
        mine = seeds[dist.get_rank()]
        for call in (lambda: ft.initialize_(model, seed=mine), lambda: ft.fast_init(mine, model=model)):
            message = refusal(call)
            assert message == f"`seed` must be the same on every rank, got {seeds}", message
    holder = nn.Module()
    holder.weight = nn.Parameter(DTensor.from_local(torch.zeros(3, 3), mesh, [Partial()]))
    message = refusal(lambda: ft.initialize_(holder, [("*", "ones")]))
    expected = "`model` must be of tensors that are whole, replicated or sharded, got 'weight, (Partial(sum),)'"
    assert message == expected, message
    for tensor, kept in zip(model.parameters(), before, strict=True):
        assert torch.equal(tensor.to_local(), kept)


def disagreement_is_refused(world):
    """On every rank, whichever differs, and before anything is written: none waits for one that has raised."""
    if world > 1:
        refused_on(init_device_mesh("cpu", (world,)))
    if world == 4:
        refused_on(init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicas", "shards")))


def refused_on(mesh):
    first, ones = dist.get_rank() == 0, [("*", "ones")]
    model = sharded(lambda model: shard_fully(mesh, model), by_rules)
    before = [tensor.to_local().clone() for tensor in model.parameters()]
    other = fully_shard(nn.Sequential(*[nn.Linear(4, 4) for _ in range(1 + first)]), mesh=mesh)
    odd = f"`seed` must be the same on every rank, got {[1, *[0] * (mesh.size() - 1)]}"
    missing = "`seed` must be given (a rank alone would draw another), got None"
    unmatched = (
        "`rules` must be patterns each of which matches the name of a parameter, got 'x': no parameter matches it "
    )
    unequal = "`model` must be the same on every rank, with the same rules (digests of both), got ["
    for call, start in (
        (lambda: ft.initialize_(model, ones, seed=int(first)), odd),
        (lambda: ft.fast_init(int(first), model=model), odd),
        (lambda: ft.initialize_(model, ones, seed=None if first else 0), missing),
        (lambda: ft.initialize_(model, [("x", "ones")] if first else ones), unmatched),
        (lambda: ft.initialize_(model, [("*", "constant", {"value": 1e-9 * first})]), unequal),
        (lambda: ft.initialize_(other, ones), unequal),
        (lambda: ft.fast_init(0, model=other), unequal),
    ):
        message = refusal(call)
        assert message.startswith(start), message

    class UnpicklableError(Exception):
        pass

    def broken(weight):
        raise UnpicklableError(weight.name)

    for call in (ft.initialize_, ft.verify):
        with pytest.raises(Exception, match=r"embed\.weight") as raised:
            call(model, broken if first else ones)
        assert "UnpicklableError('embed.weight')" in repr(raised.value)
    for tensor, kept in zip(model.parameters(), before, strict=True):
        assert torch.equal(tensor.to_local(), kept)


def passes_are_refused(world):
    """Profiles and LSUV of sharded models, which then still run and hold what they held."""
    mesh = init_device_mesh("cpu", (world,))

    def nested():
        model = nn.Sequential(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), nn.Linear(8, 8))
        for module in (model[0], model):
            fully_shard(module, mesh=mesh)
        return model

    def tensor_parallel():
        return parallelize_module(nn.Sequential(nn.Linear(8, 8)), mesh, {"0": ColwiseParallel()})

    for make, got in ((nested, "FSDPSequential under fully_shard"), (tensor_parallel, "0.weight, (Shard(dim=0),)")):
        model, x = make(), torch.ones(2, 8)
        before = model(x)  # the root's parameters are whole from here on
        for call, what in ((ft.profile, "profile it"), (ft.lsuv_, "call lsuv_")):
            message = refusal(partial(call, model, x))
            rule = f"one that is not sharded ({what} before fully_shard or parallelize_module)"
            assert message == f"`model` must be {rule}, got {got!r}", message
        assert torch.equal(model(x), before)


def whole_parameters(world):
    """After a forward pass FSDP2 leaves those of the root whole, and frees them later."""
    mesh = init_device_mesh("cpu", (world,))
    for way in (by_rules_of_two, by_code_of_two):
        plain, model = (nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)) for _ in range(2))
        fully_shard(model[0], mesh=mesh)
        fully_shard(model, mesh=mesh)
        model(torch.ones(2, 4))
        assert not isinstance(model[1].weight, DTensor)
        ft.plan(model)
        model(torch.ones(2, 4))
        way(model)
        way(plain)
        for tensor, whole in zip(model.parameters(), plain.parameters(), strict=True):
            assert torch.equal(tensor.full_tensor(), whole)
        model(torch.ones(2, 4))
        model.reshard()


def by_rules_of_two(model):
    ft.initialize_(model, [("*", "normal")], seed=1)


def by_code_of_two(model):
    with ft.fast_init(model=model, seed=1):
        for tensor in model.parameters():
            nn.init.normal_(tensor)


def fused(w):
    w.copy_(torch.cat([nn.init.normal_(w.new_empty(rows, 5)) for rows in (2, 2, 3)]))


def like_rows(w):
    like = torch.zeros_like(w)
    like[2:4].normal_()
    w.copy_(like)


#: What a plain tensor takes, by views of it or by what is made from it.
WRITES = {
    "row": lambda w: w[3].fill_(5),
    "last row": lambda w: w.data[-1].zero_(),
    "every other": lambda w: w[1::2].fill_(3),
    "column": lambda w: w[:, 1].zero_(),
    "block": lambda w: w.detach()[1:4, 1:3].fill_(7),
    "row set": lambda w: w.__setitem__(3, 0),
    "rows set": lambda w: w.data.__setitem__(slice(1, 3), 2.0),
    "element set": lambda w: w.__setitem__((2, 1), 9),
    "row set to a row": lambda w: w.__setitem__(1, w[2]),
    "chunks": lambda w: [one.fill_(number) for number, one in enumerate(w.chunk(3))],
    "split columns": lambda w: w.split([1, 3, 1], 1)[1].mul_(-1),
    "select": lambda w: w.select(0, 2).zero_(),
    "turned": lambda w: w.T[2, 1:3].fill_(4),
    "view of a view": lambda w: w[1:5][1:3][:, 1].fill_(6),
    "by torch.nn.init": lambda w: (nn.init.zeros_(w[2]), nn.init.constant_(w[4:6], 3)),
    "sum": lambda w: w[1:3].add_(w[3:5]),
    "draw on rows": lambda w: w[1:5].normal_(),
    "draw on a column": lambda w: nn.init.normal_(w[:, 1]),
    "draw on chunks": lambda w: [nn.init.trunc_normal_(one, std=0.5) for one in w.chunk(3)],
    "draw on what is turned": lambda w: w.T[1:3].uniform_(-1, 1),
    "made whole and cut": lambda w: nn.init.orthogonal_(w[1:5]),
    "fused": fused,
    "clone": lambda w: w.copy_(w.clone().normal_()),
    "like it": lambda w: w.copy_(nn.init.xavier_uniform_(torch.zeros_like(w))),
    "like rows": lambda w: w[1:5].copy_(torch.randn_like(w[1:5])),
    "rows of what is like it": like_rows,
    "scaled": lambda w: w.copy_(torch.randn_like(w) * 0.5),
}


def written(write, place):
    holder = nn.Module()
    holder.w = nn.Parameter(place(torch.arange(35.0).reshape(7, 5) + 1))
    with torch.no_grad(), ft.fast_init(model=holder, seed=1):
        write(holder.w)
    return holder.w.detach()


def writes_to_parts(world):
    """What torch gives a copy for, so that it loses the write, is written all the same."""
    places = [(init_device_mesh("cpu", (world,)), [one]) for one in (Shard(0), Shard(1), Replicate())]
    if world == 4:
        mesh = init_device_mesh("cpu", (2, 2))
        places = [(mesh, both) for both in ([Shard(0), Shard(1)], [Shard(0), Shard(0)], [Replicate(), Shard(0)])]
    for name, write in WRITES.items():
        plain = written(write, lambda tensor: tensor)
        for mesh, placements in places:
            tensor = written(write, partial(distribute_tensor, device_mesh=mesh, placements=placements))
            assert torch.equal(tensor.full_tensor(), plain), (name, placements)
    if world > 1:
        with pytest.raises(RuntimeError) as raised:
            written(
                lambda w: w.diagonal().fill_(1), partial(distribute_tensor, device_mesh=mesh, placements=places[0][1])
            )
        rule = "a view along the axes of a DTensor (torch has made a copy, and what is written there is lost)"
        assert str(raised.value) == f"`tensor` must be {rule}, got 'one of shape (5,) of (7, 5)'"


def padding_rows(world):
    """Of embeddings that reset themselves, and of a trainer that sets them to zero in its own way."""

    def by_reset(model):
        with ft.fast_init(model=model, seed=1):
            for module in model:
                module.reset_parameters()

    def by_hand(model):
        with ft.fast_init(model=model, seed=1), torch.no_grad():
            for module in model:
                module.weight.data.normal_(std=0.02)
                module.weight.data[module.padding_idx].zero_()
                nn.init.ones_(module.weight[0])

    mesh = init_device_mesh("cpu", (world,))
    for way in (by_reset, by_hand):
        for axis in (0, 1):
            plain, model = (
                nn.Sequential(nn.Embedding(13, 12, padding_idx=3), nn.EmbeddingBag(5, 12, padding_idx=4))
                for _ in range(2)
            )
            fully_shard(model, mesh=mesh, shard_placement_fn=lambda tensor, axis=axis: Shard(axis))
            way(plain)
            way(model)
            for one, other in zip(plain, model, strict=True):
                assert torch.equal(other.weight.full_tensor(), one.weight) and not one.weight[one.padding_idx].any()
        assert way is by_hand or ft.verify(model, seed=1).ok


def refusal(call):
    try:
        call()
    except ValueError as error:
        return str(error)
    raise AssertionError("nothing was refused")


def work(rank, world, folder, checks, queue):
    torch.set_num_threads(1)
    warnings.filterwarnings("error", "fast_init|initialize_")
    try:
        dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
        for check in checks:
            check(world)
        queue.put("ok")
    except BaseException:
        queue.put(f"rank {rank} of {world}: {traceback.format_exc()}")
    finally:
        dist.destroy_process_group()


def run_in_processes(world, folder, checks):
    """Each check, in every process of a world. Their server imports torch once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch.distributed.tensor.parallel", "torch.distributed.fsdp", "fastinit.torch"])
    queue = context.Queue()
    arguments = [(rank, world, str(folder), checks, queue) for rank in range(world)]
    processes = [context.Process(target=work, args=each) for each in arguments]
    for process in processes:
        process.start()
    try:
        for _ in processes:
            assert (said := queue.get(timeout=120)) == "ok", said
    finally:
        for process in processes:
            process.join(10)
            process.kill()


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_real_processes(world, tmp_path):
    checks = [fully_sharded, tensor_parallel, two_axes, pipeline, any_placement, what_is_refused]
    checks += [disagreement_is_refused, passes_are_refused, whole_parameters, writes_to_parts, padding_rows]
    run_in_processes(world, tmp_path, checks)


@pytest.mark.parametrize("length", [*range(10), 17])
def test_chunks_are_torchs(length):
    for count, split in itertools.product(range(1, 6), range(1, 5)):
        positions = torch.arange(length)
        pieces = [*torch.chunk(positions, count), *[positions[:0]] * count][:count]
        placement = _StridedShard(0, split_factor=split)
        strided, _ = placement._split_tensor(positions, count, with_padding=False, contiguous=False)
        for number in range(count):
            intervals = chunk([(0, length)], count, number)
            assert [at for start, stop in intervals for at in range(start, stop)] == pieces[number].tolist()
            intervals = strided_chunk([(0, length)], split, count, number)
            assert [at for start, stop in intervals for at in range(start, stop)] == strided[number].tolist()


@pytest.mark.parametrize("length", [1, 5, 13, 26])
def test_a_strided_cut_comes_after_those_to_its_right(length):
    """FSDP2 over 3 or 4 of what tensor parallel over 2 has left, and over both of these of a third; however uneven."""
    whole = [(0, length)]
    for data, model in itertools.product((3, 4), (2, 3)):
        for rank, other in itertools.product(range(data), range(model)):
            cuts = [(0, model, data, rank), (0, 1, model, other)]
            assert cut_in_order(cuts, (length,)) == [chunk(chunk(whole, model, other), data, rank)]
            three = [(0, model, 2, 1), *cuts]  # cut after the last, and before the middle one
            assert cut_in_order(three, (length,)) == [chunk(chunk(chunk(whole, model, other), 2, 1), data, rank)]
            assert cut_in_order([(0, 5, data, rank), (0, 1, model, other)], (length,)) == []


WHOLE = torch.from_numpy(fi.he_normal((12, 6), in_axis=1, out_axis=0, seed=4, name="w"))
STREAM = {"seed": 4, "name": "w"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_flat_shards_with_padding(dtype):
    for ranks in (1, 2, 5, 7, 30):
        size = -(-72 // ranks)
        shards = [
            ft.fill_flat_(torch.full((size,), 7.0, dtype=dtype), rank * size, (12, 6), "he_normal", **STREAM)
            for rank in range(ranks)
        ]
        flat = torch.cat(shards)
        assert torch.equal(flat[:72], WHOLE.flatten().to(dtype)) and (flat[72:] == 7).all()


def test_rectangles_of_a_tensor():
    tensor = torch.full((5, 9), 7.0)
    ft.fill_rectangles_(tensor, (12, 6), [((1, 2), (0, 0), (3, 4)), ((8, 0), (3, 4), (2, 5))], "he_normal", **STREAM)
    assert torch.equal(tensor[:3, :4], WHOLE[1:4, 2:]) and torch.equal(tensor[3:, 4:], WHOLE[8:10, :5])
    assert (tensor == 7).sum() == 45 - 12 - 10
    tensor.global_shape, tensor.global_offsets = (12, 6), ((4, 1), (0, 0))
    tensor.local_offsets, tensor.local_sizes = ((0, 0), (4, 0)), ((4, 5), (1, 6))
    holder = nn.Module()
    holder.w = nn.Parameter(tensor)
    for name in ("global_shape", "global_offsets", "local_offsets", "local_sizes"):
        setattr(holder.w, name, getattr(tensor, name))
    assert pieces_of(holder.w).shape == (12, 6)
    ft.initialize_(holder, [("*", "he_normal")], seed=4)
    assert torch.equal(holder.w[:4, :5], WHOLE[4:8, 1:]) and torch.equal(holder.w[4, :6], WHOLE[0])


def shard(**more):
    tensor = torch.zeros(3, 6)
    fields = {"global_offsets": ((4, 0),), "local_offsets": ((0, 0),), "local_sizes": ((3, 6),)} | more
    for name, value in ({"global_shape": (12, 600)} | fields).items():
        setattr(tensor, name, value)
    return tensor


@pytest.mark.parametrize("fill", [ft.kaiming_uniform_, ft.kaiming_normal_, ft.xavier_uniform_, ft.xavier_normal_])
def test_fans_are_those_of_the_whole(fill):
    def filled(tensor):
        torch.manual_seed(0)
        return fill(tensor)

    whole = filled(torch.empty(12, 600))
    assert torch.equal(filled(shard()), whole[4:7, :6])


def test_fans_of_a_call_that_is_seen_are_those_of_the_whole():
    with ft.fast_init(seed=1):
        part = nn.init.kaiming_uniform_(shard())
    with ft.fast_init(seed=1):
        whole = nn.init.kaiming_uniform_(torch.empty(12, 600))
    assert torch.equal(part, whole[4:7, :6])


@pytest.mark.parametrize(
    "more",
    [{"global_offsets": ((10, 0),)}, {"local_offsets": ((1, 0),)}, {"local_sizes": ((3, 6), (1, 1))}],
)
def test_shards_that_are_nowhere_have_no_place(more):
    assert pieces_of(shard()).shape == (12, 600) and pieces_of(shard(**more)) is None
    assert pieces_of(shard(local_sizes=None)).shape == (3, 6)  # says nothing


def test_megatrons_partitions():
    for axis, stride, ranks in [(0, 1, 3), (0, 2, 3), (1, 1, 2), (0, 1, 1)]:
        parts = torch.split(WHOLE, WHOLE.shape[axis] // ranks // stride, axis)
        for rank in range(ranks):
            expected = torch.cat(parts[rank::ranks], axis)
            tensor = ft.fill_partition_(
                torch.empty_like(expected),
                "he_normal",
                partition=(rank, ranks),
                partition_dim=axis,
                stride=stride,
                **STREAM,
            )
            assert torch.equal(tensor, expected)
            holder = nn.Module()
            holder.w = nn.Parameter(torch.empty_like(expected))
            holder.w.tensor_model_parallel, holder.w.partition_dim, holder.w.partition_stride = True, axis, stride
            (entry,) = ft.initialize_(holder, [("*", "he_normal")], seed=4, partition=(rank, ranks))
            assert torch.equal(holder.w, expected) and entry.shape == (12, 6)
            with ft.fast_init(model=holder, seed=4, partition=(rank, ranks)):
                holder.w.data.normal_(0, (1 / 3) ** 0.5)
            assert torch.equal(holder.w, expected)


def placed(**attributes):
    holder = nn.Module()
    holder.w = nn.Parameter(torch.empty(0))
    for name, value in attributes.items():
        setattr(holder.w, name, value)
    return holder


EMPTY = torch.empty(3, 4)
REFUSED = [
    *((functools.partial(call, placed(tensor_model_parallel=True), [("*", "zeros")]), ValueError,
       "`partition` must be (rank, ranks), for tensors that Megatron has partitioned, got None")
      for call in (ft.plan, ft.initialize_, ft.verify)),
    (lambda: ft.initialize_(placed(tensor_model_parallel=True, partition_dim=0), [("*", "zeros")], partition=(2, 2)),
     ValueError, "`partition` must be an integer in [0, 2), got 2"),
    (lambda: ft.initialize_(placed(tensor_model_parallel=True, partition_dim=0), [("*", "zeros")], partition=2),
     TypeError, "`partition` must be (rank, ranks), got 2"),
    (lambda: ft.initialize_(placed(global_shape=(4,), global_offsets=((3,),), local_offsets=((0,),),
                                   local_sizes=((1,),)), [("*", "zeros")]), ValueError,
     "`model` must be of tensors that are whole, replicated or sharded, got 'w, Parameter'"),
    (lambda: ft.fill_flat_(EMPTY, -1, (3, 4), "zeros", **STREAM), ValueError,
     "`start` must be an integer of at least 0, got -1"),
    (lambda: ft.fill_flat_(EMPTY.T, 0, (3, 4), "zeros", **STREAM), ValueError,
     "`buffer` must be contiguous, got strides (1, 4) for shape (4, 3)"),
    (lambda: ft.fill_flat_(EMPTY.long(), 0, (3, 4), "zeros", **STREAM), TypeError,
     "`tensor` must be a dense one of float16, bfloat16, float32 or float64, got 'Tensor of torch.int64'"),
    (lambda: ft.fill_flat_(EMPTY, 0, (3, 4), "zeros", seed=None, name="w"), ValueError,
     "`seed` must be given (a rank alone would draw another), got None"),
    (lambda: ft.fill_rectangles_(EMPTY, (4, 4), [((2, 0), (0, 0), (3, 4))], "zeros", **STREAM), ValueError,
     "`rectangles` must be within (4, 4), and in place within (3, 4), got ((2, 0), (0, 0), (3, 4))"),
    (lambda: ft.fill_partition_(EMPTY, "zeros", partition=(2, 2), partition_dim=0, **STREAM), ValueError,
     "`partition` must be an integer in [0, 2), got 2"),
    (lambda: ft.fill_partition_(EMPTY, "zeros", partition=(0, 2), **STREAM), ValueError,
     "`partition_dim` must be given, or an attribute of the tensor, got None"),
    (lambda: ft.fill_partition_(EMPTY, "zeros", partition=(0, 2), partition_dim=0, stride=2, **STREAM), ValueError,
     "`stride` must be a divisor of axis 0 of (3, 4), got 2"),
]  # fmt: skip


def freed(offset=0):
    tensor = torch.empty(3 + offset, 4)[offset:]
    tensor.untyped_storage().resize_(0)
    return tensor


HERE = "whose values are here (before FSDP wraps them, or inside deepspeed.zero.GatheredParameters;"
HERE += " fill_flat_ fills what a rank holds)"
LAZY = "of tensors whose shape is known (a lazy module gets its in a first call)"
ONES = [("*", "ones")]
#: What each door says of a model with such a tensor, or of the tensor.
DOORS = {
    "initialize_": lambda model: ft.initialize_(model, ONES),
    "plan": lambda model: ft.plan(model, ONES),
    "verify": lambda model: ft.verify(model, ONES),
    "fast_init": lambda model: ft.fast_init(0, model=model),
    "lsuv_": lambda model: ft.lsuv_(model, torch.ones(2, 4)),
    "profile": lambda model: ft.profile(model, torch.ones(2, 4)),
}
FILLS = {
    "normal_": lambda w: ft.normal_(w),
    "uniform_": lambda w: ft.uniform_(w),
    "trunc_normal_": lambda w: ft.trunc_normal_(w, std=0.02),
    "fill_flat_": lambda w: ft.fill_flat_(w, 0, (3, 4), "ones", seed=0, name="w"),
    "fill_rectangles_": lambda w: ft.fill_rectangles_(w, (3, 4), [], "ones", seed=0, name="w"),
}
PLACEHOLDERS = {
    "ds_numel": lambda: placed(ds_numel=12),
    "ds_shape": lambda: placed(ds_shape=(3, 4)),
    "fsdp": lambda: placed(_fsdp_flattened=True),
}


@pytest.mark.parametrize("make", PLACEHOLDERS.values(), ids=PLACEHOLDERS)
def test_placeholders_are_refused_at_every_door(make):
    """A fill of one would be lost without a word."""
    model = make()
    for call in DOORS.values():
        with pytest.raises(ValueError) as raised:
            call(model)
        assert str(raised.value) == f"`model` must be of tensors {HERE}, got 'w, a placeholder of shape (0,)'"
    for name, call in FILLS.items():
        with pytest.raises(ValueError) as raised:
            call(model.w)
        argument = "buffer" if name == "fill_flat_" else "tensor"
        assert str(raised.value) == f"`{argument}` must be one {HERE}, got 'a placeholder of shape (0,)'"
    assert ft.normal_(torch.empty(0)).shape == (0,)  # what is only empty passes
    empty = placed()
    with ft.fast_init(0, model=empty):
        nn.init.normal_(empty.w)
    gathered = placed(ds_numel=12, ds_shape=(3, 4))
    gathered.w.data = torch.zeros(3, 4)
    ft.initialize_(gathered, ONES)
    assert gathered.w.all()


def test_what_becomes_a_placeholder_in_a_block_is_refused():
    model = placed(ds_numel=0)
    with ft.fast_init(0, model=model):
        model.w.ds_numel = 12
        with pytest.raises(ValueError, match="`tensor` must be one whose values are here"):
            nn.init.normal_(model.w)


@pytest.mark.parametrize("offset", [0, 2])
def test_lazy_and_freed_tensors_are_refused(offset):
    for call in (DOORS["initialize_"], DOORS["plan"], DOORS["verify"]):
        with pytest.raises(ValueError) as raised:
            call(nn.LazyLinear(3))
        assert str(raised.value) == f"`model` must be {LAZY}, got 'weight, UninitializedParameter'"
    holder = placed()
    holder.w.data = freed(offset)  # torch's own fills die of it
    for call in DOORS.values():
        with pytest.raises(ValueError) as raised:
            call(holder)
        assert str(raised.value) == f"`model` must be of tensors {HERE}, got 'w, a placeholder of shape (3, 4)'"
    with pytest.raises(ValueError) as raised:
        ft.normal_(holder.w)
    assert str(raised.value) == f"`tensor` must be one {HERE}, got 'a placeholder of shape (3, 4)'"


@pytest.mark.parametrize(("call", "error", "message"), REFUSED, ids=[message[:60] for *_, message in REFUSED])
def test_refused_with_one_sentence(call, error, message):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message
