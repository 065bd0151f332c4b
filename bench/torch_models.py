"""PyTorch: what the construction of models costs, large and small, beside torch's own way.

torch is imported when a race begins, not before: its entrants need it, and are left out where it is not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from math import inf, sqrt
from typing import Any

import numpy as np

from fastinit import _core

from .checks import law_error
from .races import ALL_THREADS, MOST, Array, Call, Check, Race, side
from .torch_calls import inside, no_buffer, torch_entrant

#: How `fast_init` is called, for the entrants that make fresh memory.
_CONTEXTS = {"fastinit": {}, "fastinit, large pages": {"large_pages": True}}
#: Values of each tensor of a model that are checked.
_CHECKED = 1 << 20


def torch_models(most: int) -> Iterator[Race]:
    """Whole models, stacks of layers, and tensors that a model has already."""
    if most >= MOST:
        settings = {"n_embd": 1280, "n_layer": 36, "n_head": 20}
        yield _transformer("GPT-2 774M", 774_030_080, "GPT2LMHeadModel", "GPT2Config", settings, quick=False)
    yield from _small_models(max(64, side(768, most) // 64 * 64), most)
    for count, n, quick in ((16, 4096, False), (64, 256, True), (200, 32, True), (500, 16, True)):
        if n * n <= most:
            yield _stack(count, n, quick)
    yield _initialize(500, 16)


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
        yield _transformer(f"{name}, 4 layers of {width}", values, model, config, settings, quick=name == "GPT-2")


def _transformer(name: str, values: int, model: str, config: str, settings: dict[str, Any], quick: bool) -> Race:
    """A model of random weights from its configuration, as transformers makes it, in fresh memory."""

    def make() -> Call:
        transformers = import_module("transformers")
        transformers.logging.set_verbosity_error()
        given = getattr(transformers, config)(**settings)
        return lambda: getattr(transformers, model)(given)

    entrants = {
        label: torch_entrant(lambda _, door, __, how=how: inside(door.fast_init, make(), **how))
        for label, how in _CONTEXTS.items()
    }
    entrants["transformers"] = torch_entrant(lambda *_: make())
    entrants = {label: entrant._replace(needs="transformers") for label, entrant in entrants.items()}
    check = _check_model(settings.get("n_layer", 0))
    return Race("torch", name, values, no_buffer, check, entrants, ALL_THREADS, quick, rounds=5, warm=inf)


def _check_model(layers: int) -> Check:
    """A check of each tensor of two axes or more: standard deviation 0.02, or that divided by sqrt(2 layers)."""
    stds = (0.02, 0.02 / sqrt(2 * layers or 1))

    def check(model: Any, _: Array, slack: float) -> float:
        tensors = [tensor.detach().numpy().ravel()[:_CHECKED] for tensor in model.parameters() if tensor.ndim > 1]
        nearest = [min(stds, key=lambda std, values=values: abs(values.std() - std)) for values in tensors]
        return max(map(law_error, tensors, nearest, [np.inf] * len(tensors), [slack] * len(tensors)))

    return check


def _linear(torch: Any, count: int, n: int) -> Call:
    return lambda: [torch.nn.Linear(n, n) for _ in range(count)]


def _check_layers(layers: Any, _: Array, slack: float) -> float:
    bound = layers[0].in_features ** -0.5
    return max(law_error(one.weight.detach().numpy().ravel(), bound / sqrt(3), bound, slack) for one in layers)


def _stack(count: int, n: int, quick: bool) -> Race:
    """Layers as torch makes them, in fresh memory; how long it takes to write that memory at all, and to make none."""

    def skipped(torch: Any) -> list[Any]:
        return [torch.nn.utils.skip_init(torch.nn.Linear, n, n) for _ in range(count)]

    def cleared(torch: Any, _: Any, __: Array, large_pages: bool) -> Call:
        def call() -> list[Any]:
            layers = skipped(torch)
            for weight in (layer.weight for layer in layers):
                if large_pages:
                    _core.advise_large_pages(weight.data_ptr(), weight.nbytes)
                ctypes.memset(weight.data_ptr(), 0, weight.nbytes)
            return layers

        return call

    def check_zeros(layers: list[Any], _: Array, slack: float) -> float:
        assert not any(layer.weight.any() for layer in layers), "memory is not zero"
        return 0.0

    entrants = {
        label: torch_entrant(lambda torch, door, _, how=how: inside(door.fast_init, _linear(torch, count, n), **how))
        for label, how in _CONTEXTS.items()
    }
    entrants["torch"] = torch_entrant(lambda torch, *_: _linear(torch, count, n))
    entrants["memset"] = torch_entrant(cleared, False, check=check_zeros)
    entrants["memset, large pages"] = torch_entrant(cleared, True, check=check_zeros)
    entrants["skip_init"] = torch_entrant(lambda torch, *_: partial(skipped, torch), check=lambda *_: 0.0)
    if n < 1024:  # no large pages, and what skip_init takes is more than all else
        entrants = {label: entrants[label] for label in ("fastinit", "torch")}
    name, rounds = f"{count} x nn.Linear({n}, {n})", 5 if n >= 1024 else None
    return Race("torch", name, count * n * n, no_buffer, _check_layers, entrants, ALL_THREADS, quick, rounds, inf)


def _initialize(count: int, n: int) -> Race:
    """The parameters of small layers, two each, drawn again."""

    def ours(torch: Any, door: Any, _: Array) -> Call:
        model = torch.nn.Sequential(*_linear(torch, count, n)())

        def call() -> Any:
            door.initialize_(model, seed=0)
            return model

        return call

    def own(torch: Any, *_: Any) -> Call:
        model = torch.nn.Sequential(*_linear(torch, count, n)())

        def call() -> Any:
            for layer in model:
                layer.reset_parameters()
            return model

        return call

    entrants = {"fastinit": torch_entrant(ours), "torch": torch_entrant(own)}
    name = f"initialize_, {2 * count} tensors of nn.Linear({n}, {n})"
    return Race("torch", name, count * n * n, no_buffer, _check_layers, entrants, ALL_THREADS)
