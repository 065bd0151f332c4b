"""A device gets the bits of the CPU, and nothing else there changes: `python -m proof.accelerator [--device cuda]`.

It needs torch, and a device that torch knows; without a name the first accelerator there is, or else the CPU, which is
then given its values through chunks as another device is (otherwise it would be held against itself). A part is

* ``laws``: every function of `fastinit.torch` that has the name of one of torch.nn.init's, in every dtype and layout,
  some of several chunks. Bits must be those of the CPU by the same seed. Bytes around the tensor and of another one
  must stay, and so must the state of the device's own generator.
* ``parts``: DTensors on a mesh of one device, and ranges and rectangles of a whole as `fill_flat_` and
  `fill_rectangles_` make them, put together.
* ``models``: `materialize`, ``to_empty``, `fully_shard` on one device, `fast_init`, `initialize_` and `verify`, whose
  hash must be that of the model on the CPU.
* ``memory``: what a fill takes of the device's memory beside the tensor: at most a chunk; of a device that counts it.
* ``jax``: eager and jitted initializers on the last device of jax, where it is there and has more than one on the CPU.
* ``speed``: seconds of a large fill, of torch's own there, and of a copy from pinned memory. It fails where values are
  wrong, and says how fast they come.

If a part fails the exit status is 1. What was found is kept in results/accelerator.json, a line for each part and kind
of device. A minute or two, most of it imports and large fills.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

import fastinit as fi
import fastinit.torch as ft
from fastinit.torch.tensors import fills

from .devices import DTYPES, FILLS, LAYOUTS, SEED, SHORT_CHUNK, Device, chunks, filled, guarded, same
from .record import RESULTS, keep, machine


def differs(device: Device, name: str, dtype: torch.dtype, layout: str) -> tuple[str, bool]:
    """What is wrong with a fill on a device, nothing where it is what the CPU has; and whether the CPU refuses it."""
    here, there = guarded("cpu", dtype, layout), guarded(device.torch, dtype, layout)
    canary = torch.arange(1 << 16, dtype=torch.int64, device=device.torch)
    expected = filled(FILLS[name], here[1])
    state = device.state()
    with chunks(device, SHORT_CHUNK):
        said = filled(FILLS[name], there[1])
    device.wait()
    wrong = {
        "is refused otherwise": said != expected,
        "other bits, or other memory changed": not same(here[0], there[0]),
        "another tensor changed": not torch.equal(canary.cpu(), torch.arange(1 << 16)),
        "the device's generator moved": not device.is_cpu and not torch.equal(state, device.state()),
    }
    return ", ".join(what for what, is_so in wrong.items() if is_so), bool(expected)


def prove_laws(device: Device, _: int) -> dict[str, Any]:
    cases = [*product(FILLS, DTYPES, LAYOUTS)]
    found = [differs(device, *case) for case in cases]
    wrong = [" ".join(map(str, [*case, said])) for case, (said, _) in zip(cases, found, strict=True) if said]
    return {"cases": len(cases), "refused on both": sum(refused for _, refused in found), "wrong": wrong}


def from_ranges(device: Device, dtype: torch.dtype, scheme: str) -> Tensor:
    """A matrix of three ranges made on a device."""
    buffers = [torch.empty(800, dtype=dtype, device=device.torch) for _ in range(3)]
    for rank, buffer in enumerate(buffers):
        ft.fill_flat_(buffer, 800 * rank, (37, 61), scheme, seed=SEED, name="w")
    return torch.cat(buffers)[: 37 * 61].view(37, 61)


def from_rectangles(device: Device, dtype: torch.dtype, scheme: str) -> Tensor:
    """A matrix of two rectangles in each of two tensors."""
    rows = []
    for first, length in ((0, 20), (20, 17)):
        tensor = torch.empty(length, 61, dtype=dtype, device=device.torch)
        boxes = [((first, at), (0, at), (length, size)) for at, size in ((0, 40), (40, 21))]
        rows.append(ft.fill_rectangles_(tensor, (37, 61), boxes, scheme, seed=SEED, name="w"))
    return torch.cat(rows)


def from_mesh(device: Device, dtype: torch.dtype, scheme: str, place: Any) -> Tensor:
    """A DTensor on one device, by a function of torch.nn.init's."""
    mesh = init_device_mesh(device.torch.type, (1,))
    made = distribute_tensor(torch.empty(37, 61, dtype=dtype, device=device.torch), mesh, [place])
    assert not filled(BY_SCHEME[scheme], made)
    return made.full_tensor()


#: By name what makes a matrix on a device, whole or in parts.
PIECES: dict[str, Callable[[Device, torch.dtype, str], Tensor]] = {
    "ranges": from_ranges,
    "rectangles": from_rectangles,
    **{str(place): partial(from_mesh, place=place) for place in (Shard(0), Shard(1), Replicate())},
}
BY_SCHEME = {
    "he_normal": FILLS["kaiming_normal_"],
    "xavier_uniform": FILLS["xavier_uniform_"],
    "orthogonal": FILLS["orthogonal_"],
}


def prove_parts(device: Device, _: int) -> dict[str, Any]:
    wrong, cases = list[str](), [*product(DTYPES, BY_SCHEME, PIECES)]
    for dtype, scheme, name in cases:
        expected = torch.empty(37, 61, dtype=dtype)
        if name in ("ranges", "rectangles"):
            ft.fill_flat_(expected, 0, (37, 61), scheme, seed=SEED, name="w")
        else:
            filled(BY_SCHEME[scheme], expected)
        with chunks(device, SHORT_CHUNK):
            made = PIECES[name](device, dtype, scheme)
        wrong += [] if same(made, expected) else [f"{dtype} {scheme} {name}"]
    return {"cases": len(cases), "wrong": wrong}


class Block(nn.Module):
    """Each kind of parameter that rules tell apart, with a tie and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Embedding(129, 48), nn.LayerNorm(48)
        self.up, self.down = nn.Linear(48, 96), nn.Linear(96, 48)
        self.conv, self.scale = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8)
        self.head = nn.Linear(48, 129, bias=False)
        self.head.weight = self.embed.weight


RULES = [
    ("*bias", "zeros"),
    ("*norm.weight", "ones"),
    ("scale.weight", "ones"),
    ("down.*", "orthogonal"),
    ("*", "he_normal"),
]


def on_meta(dtype: torch.dtype) -> Block:
    with torch.device("meta"):
        return Block().to(dtype)


def sharded(model: Block, device: Device) -> Block:
    mesh = init_device_mesh(device.torch.type, (1,))
    for part in (model.up, model.down):
        fully_shard(part, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def emptied(model: Block, device: Device) -> Block:
    """As torch gives memory, which cuts the tie."""
    model.to_empty(device=device.torch)
    model.head.weight = model.embed.weight
    return model


WAYS: dict[str, Callable[[Block, Device], Block]] = {
    "materialize": lambda model, device: ft.materialize(model, device.torch),
    "to_empty": emptied,
    "fully_shard, materialize": lambda model, device: ft.materialize(sharded(model, device), device.torch),
    "fully_shard, to_empty": lambda model, device: emptied(sharded(model, device), device),
}


def full(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def wrong_of(model: Block, plain: Block, rules: Any) -> list[str]:
    """What of a model is not that of one on the CPU."""
    expected = {**dict(plain.named_parameters()), **dict(plain.named_buffers())}
    held = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    wrong = [name for name in expected.keys() | held.keys() if not same(full(held[name]), full(expected[name]))]
    found = ft.verify(model, rules, SEED)
    if not found:
        wrong += found.problems
    return wrong + (["digest"] if found.digest != ft.verify(plain, rules, SEED).digest else [])


def prove_models(device: Device, _: int) -> dict[str, Any]:
    wrong, cases = list[str](), [*product(DTYPES, ("torch", "list"), WAYS)]
    for dtype, kind, way in cases:
        plain, rules = ft.materialize(on_meta(dtype), "cpu"), RULES if kind == "list" else kind
        ft.initialize_(plain, rules, SEED)
        with chunks(device, SHORT_CHUNK):
            model = WAYS[way](on_meta(dtype), device)
            ft.initialize_(model, rules, SEED)
        wrong += [f"{way}, {dtype}, {kind}: {what}" for what in wrong_of(model, plain, rules)]
    pairs = zip(made_fast(torch.device("cpu")), made_on(device), strict=True)
    wrong += ["fast_init" for one, other in pairs if not same(one, other)]
    return {"cases": len(cases) + 1, "wrong": wrong}


def made_fast(place: torch.device) -> list[Tensor]:
    """Parameters of a model that makes its own weights there."""
    torch.manual_seed(SEED)
    with place, ft.fast_init():
        return [*Block().parameters()]


def made_on(device: Device) -> list[Tensor]:
    with chunks(device, SHORT_CHUNK):
        return made_fast(device.torch)


def prove_memory(device: Device, count: int) -> dict[str, Any]:
    """Of a plain tensor, which takes nothing, and of one that is transposed, which takes what a chunk has in order."""
    if not hasattr(device.module, "max_memory_allocated"):
        return {}
    taken = {}
    for name, tensor in {
        "plain": torch.empty(count, device=device.torch),
        "transposed": torch.empty(count // 1024, 1024, device=device.torch).t(),
    }.items():
        device.module.reset_peak_memory_stats()
        before = device.module.memory_allocated()
        ft.normal_(tensor)
        device.wait()
        taken[name] = device.module.max_memory_allocated() - before
    most = 4 * fills.CHUNK + 512  # and what a block of the allocator is rounded up by
    return {"bytes": taken, "wrong": [name for name, size in taken.items() if size > (0 if name == "plain" else most)]}


def seconds_of(call: Callable[[], Any], device: Device, times: int = 5) -> float:
    """The median, each time waited for, after one that is not counted."""
    spans = []
    for _ in range(times + 1):
        device.wait()
        start = time.perf_counter()
        call()
        device.wait()
        spans.append(time.perf_counter() - start)
    return statistics.median(spans[1:])


def prove_speed(device: Device, count: int) -> dict[str, Any]:
    load = round(os.getloadavg()[0], 1)  # of other programs, where it is above none: they make all of these slower
    found: dict[str, Any] = {"elements": count, "threads": fi.info()["threads"], "load before": load, "wrong": []}
    for dtype in (torch.float32, torch.bfloat16):
        there = torch.empty(count, dtype=dtype, device=device.torch)
        here = torch.empty(count, dtype=dtype, pin_memory=not device.is_cpu)
        with chunks(device, fills.CHUNK):
            spans = {"fastinit": seconds_of(partial(ft.normal_, there), device)}
        spans |= {
            "torch": seconds_of(there.normal_, device),
            "copy of pinned memory": seconds_of(partial(there.copy_, here, non_blocking=True), device),
            "fastinit in pinned memory": seconds_of(partial(ft.normal_, here), device),
        }
        found[str(dtype).removeprefix("torch.")] = {name: round(span, 6) for name, span in spans.items()}
        with chunks(device, fills.CHUNK):
            filled(ft.normal_, there)
        filled(ft.normal_, here)
        found["wrong"] += [] if same(there, here) else [str(dtype)]
    return found


def prove_jax(_: Device, __: int) -> dict[str, Any]:
    """On the last device that jax has itself, whatever torch has; nothing where that is its only one on the CPU."""
    try:
        import jax
    except ImportError:
        return {}
    import fastinit.jax as fj

    there, cpu = jax.devices()[-1], jax.devices("cpu")[0]
    if there == cpu:
        return {}
    wrong, cases, key = list[str](), 0, jax.random.key(SEED)
    makers = {name: getattr(fj, name)() for name in ("normal", "uniform", "he_normal", "glorot_uniform", "orthogonal")}
    for (name, make), dtype, shape in product(
        makers.items(), ("float32", "bfloat16", "float16"), ((300, 500), (64, 8))
    ):
        with jax.default_device(cpu):
            expected = make(jax.device_put(key, cpu), shape, dtype)
        placed = jax.device_put(key, there)
        for way, function in {"eager": make, "jitted": jax.jit(make, static_argnums=(1, 2))}.items():
            made, cases = function(placed, shape, dtype), cases + 1
            if made.devices() != {there} or jax.device_get(made).tobytes() != jax.device_get(expected).tobytes():
                wrong.append(f"{name} {dtype} {shape} {way}")
    return {"device": str(there.device_kind), "jax": jax.__version__, "cases": cases, "wrong": wrong}


PARTS: dict[str, tuple[str, Callable[[Device, int], dict[str, Any]]]] = {
    "laws": (
        "every law, dtype and layout of torch.nn.init has the bits of the CPU, and nothing else changes",
        prove_laws,
    ),
    "parts": ("shards, ranges and rectangles of a whole have its bits", prove_parts),
    "models": ("models, FSDP2's on one device too, have the bits and the hash of the CPU", prove_models),
    "memory": ("a fill takes no memory beside the tensor but a chunk's where that is strided", prove_memory),
    "jax": ("eager and jitted initializers of jax have the bits of the CPU", prove_jax),
    "speed": ("a large fill is right, and takes the seconds that are told", prove_speed),
}


def prove(part: str, device: Device, count: int, folder: Path) -> bool | None:
    """Keep what a part has found; None where there is nothing to ask here."""
    start = time.perf_counter()
    claim, ask = PARTS[part]
    found = ask(device, count)
    if not found:
        return None
    keep(
        "accelerator",
        f"On {device.title}: {claim}",
        command=f"python -m proof.accelerator --device {device.torch.type}",
        seed=SEED,
        holds=not found["wrong"],
        found=found,
        seconds=time.perf_counter() - start,
        where=machine(torch=torch.__version__, device=device.model),
        folder=folder,
    )
    print(f"{part}: {'holds' if not found['wrong'] else 'DOES NOT HOLD'} {found}", flush=True)
    return not found["wrong"]


@contextmanager
def group_of_one(device: Device) -> Iterator[None]:
    """What DTensor and FSDP need, over a file."""
    with tempfile.TemporaryDirectory() as folder:
        backend = {"cuda": "nccl", "cpu": "gloo"}.get(device.torch.type)
        dist.init_process_group(backend, init_method=f"file://{folder}/group", rank=0, world_size=1)
        try:
            yield
        finally:
            dist.destroy_process_group()


def main(argv: list[str]) -> int:
    there = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    parser = argparse.ArgumentParser("python -m proof.accelerator", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help="all, unless some are named")
    parser.add_argument("--device", default=there.type if there else "cpu", help="of torch (%(default)s)")
    parser.add_argument("--elements", type=int, help="of the large fills (2**28; of the CPU 2**24)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of results (%(default)s)")
    options = parser.parse_args(argv)
    device = Device(options.device)
    count = options.elements or (1 << 24 if device.is_cpu else 1 << 28)
    with group_of_one(device):
        held = {part: prove(part, device, count, options.results) for part in options.parts or PARTS}
    print(f"not asked on {device.title}: {', '.join(part for part, it in held.items() if it is None) or 'none'}")
    return int(False in held.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
