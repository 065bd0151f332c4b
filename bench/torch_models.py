"""PyTorch: what the construction of models costs, and a rank's part of a tensor, beside torch's own ways.

torch is imported when a race begins, not before: its entrants need it, and are left out where it is not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from math import inf, sqrt
from typing import Any

import numpy as np

import fastinit as fi
from fastinit import _core
from fastinit.dtypes import kind_of

from .checks import STD, check_law, check_orthogonal, law_error
from .races import ALL_THREADS, MOST, Array, Call, Check, Entrant, Race, side, size_label

_LAYERS = 16
_RANKS, _RANK = 8, 3
_CALLS = 1000
#: Fresh memory in pages of either size, for the entrants that make it.
_PAGES = {"fastinit": True, "fastinit, small pages": False}
#: Values of each tensor of a model that are checked.
_CHECKED = 1 << 20


def torch_models(most: int) -> Iterator[Race]:
    """Whole models, a stack of layers, single functions, a shard, and what the context costs a call."""
    if most >= MOST:
        settings = {"n_embd": 1280, "n_layer": 36, "n_head": 20}
        yield _transformer("GPT-2 774M", 774_030_080, "GPT2LMHeadModel", "GPT2Config", settings)
    yield from _small_models(max(64, side(768, most) // 64 * 64), most)
    yield _stack(side(4096, most))
    yield _orthogonal(side(2048, most))
    for dtype in ("float32", "bfloat16"):
        yield _truncated(dtype, min(MOST, most), cut=True)
        yield _truncated(dtype, min(MOST, most), cut=False)
    yield _shard(side(4096, most) // _RANKS * _RANKS)
    yield _context()


def _torch(bind: Callable[..., Call], *arguments: Any, **more: Any) -> Entrant:
    """An entrant whose `bind` takes torch, fastinit.torch and the buffer."""

    def late(out: Array) -> Call:
        return bind(import_module("torch"), import_module("fastinit.torch"), out, *arguments)

    return Entrant(late, needs="torch", **more)


def _no_buffer() -> Array:
    """Of a race whose calls make their own memory, each after one like it, as what was there before decides its price.

    A system that hands free memory back to a host takes long to fetch it again, and longer in large pages.
    """
    return np.zeros(0)


def _tensor(torch: Any, out: Array) -> Any:
    """The same memory as a tensor."""
    if out.dtype.name == "bfloat16":
        return torch.from_numpy(out.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(out)


def _small_models(width: int, most: int) -> Iterator[Race]:
    """Four layers of each kind; matrices make their values, but for a few in a thousand."""
    words, heads, matrices = min(16384, most // width), width // 64, 4 * width**2
    names = {"vocab_size": words, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
    size = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": 4, "num_attention_heads": heads}
    gpt2 = {"n_embd": width, "n_layer": 4, "n_head": heads, **names}
    for name, values, model, config, settings in (
        ("GPT-2", 12 * matrices + (words + 1024) * width, "GPT2LMHeadModel", "GPT2Config", gpt2),
        ("Llama", 16 * matrices + 2 * words * width, "LlamaForCausalLM", "LlamaConfig", {**size, **names}),
        ("ViT", 12 * matrices + (197 + 768) * width, "ViTForImageClassification", "ViTConfig", size),
    ):
        yield _transformer(f"{name}, 4 layers of {width}", values, model, config, settings)


def _transformer(name: str, values: int, model: str, config: str, settings: dict[str, Any]) -> Race:
    """A model of random weights from its configuration, as transformers makes it, in fresh memory."""

    def make() -> Call:
        transformers = import_module("transformers")
        transformers.logging.set_verbosity_error()
        given = getattr(transformers, config)(**settings)
        return lambda: getattr(transformers, model)(given)

    entrants = {
        label: _torch(lambda _, door, __, pages=pages: _inside(door.fast_init, make(), large_pages=pages))
        for label, pages in _PAGES.items()
    }
    entrants["transformers"] = _torch(lambda *_: make())
    entrants = {label: entrant._replace(needs="transformers") for label, entrant in entrants.items()}
    return Race("torch", name, values, _no_buffer, _check_model(settings.get("n_layer", 0)), entrants, ALL_THREADS,
                rounds=5, warm=inf)  # fmt: skip


def _inside(context: Callable[..., Any], make: Callable[[], Any], **settings: Any) -> Call:
    def call() -> Any:
        with context(**settings):
            return make()

    return call


def _check_model(layers: int) -> Check:
    """A check of each tensor of two axes or more: standard deviation 0.02, or that divided by sqrt(2 layers)."""
    stds = (0.02, 0.02 / sqrt(2 * layers or 1))

    def check(model: Any, _: Array, slack: float) -> float:
        tensors = [tensor.detach().numpy().ravel()[:_CHECKED] for tensor in model.parameters() if tensor.ndim > 1]
        nearest = [min(stds, key=lambda std, values=values: abs(values.std() - std)) for values in tensors]
        return max(map(law_error, tensors, nearest, [np.inf] * len(tensors), [slack] * len(tensors)))

    return check


def _stack(n: int) -> Race:
    """Layers as torch makes them, in fresh memory; how long it takes to write that memory at all, and to make none."""

    def make(torch: Any) -> Call:
        return lambda: [torch.nn.Linear(n, n) for _ in range(_LAYERS)]

    def skipped(torch: Any) -> list[Any]:
        return [torch.nn.utils.skip_init(torch.nn.Linear, n, n) for _ in range(_LAYERS)]

    def cleared(torch: Any, _: Any, __: Array, large_pages: bool) -> Call:
        def call() -> list[Any]:
            layers = skipped(torch)
            for weight in (layer.weight for layer in layers):
                if large_pages:
                    _core.advise_large_pages(weight.data_ptr(), weight.nbytes)
                ctypes.memset(weight.data_ptr(), 0, weight.nbytes)
            return layers

        return call

    def check(layers: list[Any], _: Array, slack: float) -> float:
        bound = n**-0.5
        return max(law_error(one.weight.detach().numpy().ravel(), bound / sqrt(3), bound, slack) for one in layers)

    def check_zeros(layers: list[Any], _: Array, slack: float) -> float:
        assert not any(layer.weight.any() for layer in layers), "memory is not zero"
        return 0.0

    entrants = {
        label: _torch(lambda torch, door, _, pages=pages: _inside(door.fast_init, make(torch), large_pages=pages))
        for label, pages in _PAGES.items()
    }
    entrants["torch"] = _torch(lambda torch, *_: make(torch))
    entrants["memset"] = _torch(cleared, True, check=check_zeros)
    entrants["memset, small pages"] = _torch(cleared, False, check=check_zeros)
    entrants["skip_init"] = _torch(lambda torch, *_: partial(skipped, torch), check=lambda *_: 0.0)
    return Race("torch", f"{_LAYERS} x nn.Linear({n}, {n})", _LAYERS * n * n, _no_buffer, check, entrants, ALL_THREADS,
                rounds=5, warm=inf)  # fmt: skip


def _into(tensor: Any, out: Array, fill: Callable[..., Any], **settings: Any) -> Call:
    def call() -> Array:
        fill(tensor, **settings)
        return out

    return call


def _functions(name: str, **settings: Any) -> dict[str, Entrant]:
    """A function of torch.nn.init, ours and torch's."""

    def ours(torch: Any, door: Any, out: Array) -> Call:
        return _into(_tensor(torch, out), out, getattr(door, name), **settings)

    def own(torch: Any, _: Any, out: Array) -> Call:
        return _into(_tensor(torch, out), out, getattr(torch.nn.init, name), **settings)

    # torch's 16-bit uniforms are rounded down, and its columns are orthonormal to rounding errors of another method.
    return {"fastinit": _torch(ours), "torch": _torch(own, slack=5e-3)}


def _orthogonal(n: int) -> Race:
    buffer = partial(np.ones, (n, n), np.float32)
    entrants = _functions("orthogonal_")
    return Race("torch", f"orthogonal_ {n} x {n}", n * n, buffer, check_orthogonal, entrants, ALL_THREADS)


def _truncated(dtype: str, n: int, *, cut: bool) -> Race:
    """Cut at two standard deviations; or with the bounds left as they are, which at this one cut nothing."""
    settings = {"a": -2 * STD, "b": 2 * STD} if cut else {}
    entrants = _functions("trunc_normal_", std=STD, **settings)
    name = f"trunc_normal_ {dtype} {size_label(n)}, {'cut at 2 sd' if cut else 'bounds beyond reach'}"
    buffer = partial(np.ones, n, kind_of(dtype).dtype)
    return Race("torch", name, n, buffer, check_law("truncated" if cut else "normal"), entrants)


def _shard(n: int) -> Race:
    """What a rank of eight computes for its rows, or columns, of a square matrix: the shard, or the whole to cut it."""
    length = n // _RANKS
    some = slice(_RANK * length, (_RANK + 1) * length)
    parts = {"fastinit": np.s_[some, :], "fastinit, columns": np.s_[:, some], "fastinit, the whole": np.s_[:, :]}

    def ours(torch: Any, door: Any, _: Array, index: Any) -> Call:
        offset = tuple(one.start or 0 for one in index)
        size = tuple(length if one.start else n for one in index)
        local = torch.ones(size)
        boxes = [(offset, (0, 0), size)]
        return lambda: door.fill_rectangles_(local, (n, n), boxes, "normal", seed=0, name="w", std=STD).numpy()

    def materialised(torch: Any, *_: Any) -> Call:
        whole, local = torch.ones(n, n), torch.ones(length, n)

        def call() -> Array:
            torch.nn.init.normal_(whole, std=STD)
            return local.copy_(whole[some]).numpy()

        return call

    def check_part(index: Any) -> Check:
        def check(result: Array, *_: Any) -> float:
            expected = fi.normal((n, n), std=STD, seed=0, name="w", index=index)
            assert np.array_equal(result, expected), "values differ from those of the whole"
            return 0.0

        return check

    entrants = {label: _torch(ours, index, check=check_part(index)) for label, index in parts.items()}
    entrants["torch, the whole, then cut"] = _torch(materialised)
    return Race("torch", f"1/{_RANKS} of {n} x {n}", n * length, _no_buffer, check_law("normal"), entrants)


def _context() -> Race:
    """Calls of torch that draw nothing, which the context sees as well."""

    def calls(torch: Any, *_: Any) -> Call:
        tensor = torch.zeros(8)

        def call() -> Any:
            for _ in range(_CALLS):
                tensor.add_(1)
            return tensor

        return call

    def nothing(torch: Any, *rest: Any) -> Call:
        return _inside(torch.overrides.BaseTorchFunctionMode, calls(torch))

    entrants = {
        "fastinit": _torch(lambda torch, door, _: _inside(door.fast_init, calls(torch))),
        "torch": _torch(calls),
        "a mode that does nothing": _torch(nothing),
    }
    return Race("torch", f"{_CALLS} calls that draw nothing", _CALLS, _no_buffer, _check_calls, entrants)


def _check_calls(tensor: Any, _: Array, __: float) -> float:
    assert float(tensor[0]) >= _CALLS and float(tensor.std()) == 0, "calls are missing"
    return 0.0
