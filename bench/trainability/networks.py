"""Networks: which are trained, as keywords of `fi.profile` and the data, and which of them no bound was chosen on."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

import fastinit as fi

from .data import SIDE, VOCABULARY, Array, examples

#: Bounds may be looked at on networks of the first fold alone.
FOLDS = ("choose", "held out")
#: Examples that a profile sees, of each kind of network.
PROFILED = {"mlp": 64, "conv": 16, "transformer": 16}
#: What a sampled network costs at most, as layers times the square of their width.
_COST = 30 * 128**2
#: How many are sampled of each kind.
_SAMPLED = {"mlp": 90, "conv": 16, "transformer": 30}


@dataclass(frozen=True)
class Case:
    """A network and its data.

    Attributes
    ----------
    keywords : dict
        Those of `fi.profile` but for the inputs, as JSON has them.
    data : str
        Name of the data set.
    scale, shift : float
        Of the standardised features, a factor and what is added then.
    """

    keywords: dict[str, Any]
    data: str = "digits"
    scale: float = 1.0
    shift: float = 0.0

    @property
    def kind(self) -> str:
        """Fully connected, convolutional or a transformer."""
        return self.keywords.get("kind", "mlp")

    @property
    def configuration(self) -> dict[str, Any]:
        """All of it."""
        return {"data": self.data, "scale": self.scale, "shift": self.shift, "keywords": self.keywords}

    @property
    def key(self) -> str:
        """A hash of the configuration."""
        return blake2b(json.dumps(self.configuration, sort_keys=True).encode(), digest_size=8).hexdigest()

    @property
    def fold(self) -> str:
        """By the hash."""
        return FOLDS[int(self.key, 16) % 2]

    @property
    def cost(self) -> float:
        """What training takes, roughly."""
        units = max(self.keywords.get("widths") or self.keywords.get("channels") or [self.keywords.get("width", 0)])
        layers = self.keywords.get("depth") or len(self.keywords.get("widths") or self.keywords.get("channels"))
        times = {"mlp": 1, "conv": 6 * SIDE**2, "transformer": 12 * SIDE}[self.kind]
        return layers * (units**2 + 32 * units) * times

    def profile(self, **more: Any) -> fi.Profile:
        """What the profiler says of it, on the first examples."""
        words = {name: tuple(word) if isinstance(word, list) else word for name, word in self.keywords.items()}
        return fi.profile(**words, inputs=self.inputs()[: PROFILED[self.kind]], threads=1, progress=False, **more)

    def inputs(self) -> Array:
        """All examples as the profile takes them; features are repeated until there are as many as units."""
        x, _ = examples(self.data)
        if self.data == "topics":
            return x
        words, sides = self.keywords, {"mlp": (), "conv": (SIDE, SIDE), "transformer": (SIDE,)}[self.kind]
        units = words["width"] if "width" in words else words.get("widths", words.get("channels"))[0]
        x = x.reshape(len(x), *sides, -1)
        repeated = np.tile(x, units // x.shape[-1])
        return repeated * np.float32(self.scale) + np.float32(self.shift)


def cases() -> list[Case]:
    """All networks, in one order: what is known to be hard, and a sample of everything."""
    found = {case.key: case for case in (*_known(), *_sample())}
    return list(found.values())


def quick(count: int = 40) -> list[Case]:
    """A few of them, by the hash."""
    return sorted(cases(), key=lambda case: case.key)[:count]


def _mlp(width: int, depth: int, activation: Any = "relu", scheme: Any = "he_normal", **words: Any) -> dict[str, Any]:
    """Layers of one width on 64 inputs; residual ones take the inputs as often as they have room for."""
    first = width if words.get("residual") else SIDE**2
    return {"widths": [first, *[width] * depth], "activation": activation, "scheme": scheme, **words}


def _known() -> Iterator[Case]:
    """Those that hold a verdict to account: of every kind that is easily judged wrongly, and near every bound."""
    leaky, small = ["leaky_relu", 0.2], ["small_normal", {"std": 0.01}]
    torch_like = ["variance_scaling", {"scale": 1 / 3, "distribution": "uniform"}]
    narrow = ["small_normal", {"std": 0.04}]
    words: list[dict[str, Any]] = [
        *(_mlp(128, depth) for depth in (8, 24, 36, 48)),
        *(_mlp(64, depth) for depth in (30, 60)),
        *(_mlp(width, 25) for width in (16, 32)),
        *(_mlp(96, depth, scheme="lecun_normal") for depth in (8, 16, 22, 30, 44)),
        *(_mlp(96, depth, scheme="glorot_uniform") for depth in (15, 25)),
        *(_mlp(96, depth, scheme=small) for depth in (3, 5, 8)),
        *(_mlp(96, depth, scheme=narrow) for depth in (8, 12, 16)),
        *(_mlp(96, depth, scheme=torch_like) for depth in (4, 7, 9, 12, 15, 18)),
        *(_mlp(64, depth, scheme="orthogonal", gain=2**0.5) for depth in (20, 50)),
        *(_mlp(96, 18, gain=gain) for gain in (0.7, 0.85, 1.2, 1.35, 1.5)),
        *(_mlp(96, 30, gain=gain) for gain in (0.8, 1.3)),
        *(_mlp(96, 24, bias_std=std) for std in (0.3, 1.0)),
        *(_mlp(96, depth, "tanh", "lecun_normal") for depth in (12, 40)),
        _mlp(64, 50, "tanh", "orthogonal"),
        *(_mlp(96, 20, "tanh", "lecun_normal", gain=gain) for gain in (5 / 3, 2.0, 3.0)),
        _mlp(96, 10, "tanh", "lecun_normal", gain=4.0),
        *(_mlp(96, depth, "tanh", "lecun_normal", bias_std=0.05**0.5) for depth in (15, 25, 40)),
        *(_mlp(96, depth, "tanh", "lecun_normal", gain=0.7) for depth in (12, 20, 28, 40)),
        _mlp(96, 36, "tanh", "lecun_normal", gain=1.76**0.5, bias_std=0.05**0.5),
        *(_mlp(96, depth, "gelu", "he_normal") for depth in (15, 30, 40, 50)),
        *(_mlp(96, depth, "gelu", "lecun_normal") for depth in (6, 10, 15, 25)),
        *(_mlp(96, depth, "silu", "he_normal") for depth in (10, 20, 35)),
        *(_mlp(96, depth, "gelu", None, gain="auto") for depth in (12, 30)),
        *(_mlp(96, depth, "selu", "lecun_normal") for depth in (10, 30)),
        *(_mlp(96, depth, "elu", "lecun_normal") for depth in (12, 36)),
        *(_mlp(96, depth, "sigmoid", "lecun_normal") for depth in (2, 3, 5, 7, 9)),
        *(_mlp(96, depth, "sigmoid", "lecun_normal", gain=4.0) for depth in (4, 8, 14)),
        *(_mlp(96, depth, "softplus", None, gain="auto") for depth in (5, 10, 20)),
        *(_mlp(96, depth, "abs", "lecun_normal") for depth in (10, 30)),
        _mlp(96, 30, "sin", "lecun_normal"),
        _mlp(96, 30, leaky, None, gain="auto"),
        *(_mlp(96, depth, "linear", "lecun_normal") for depth in (10, 30)),
        *(_mlp(64, depth, norm="batch") for depth in (4, 12, 20, 28, 40)),
        *(_mlp(64, 20, scheme=small, norm=norm) for norm in ("batch", "layer", "rms")),
        _mlp(64, 30, "tanh", "lecun_normal", norm="batch"),
        _mlp(64, 24, "linear", "lecun_normal", norm="batch"),
        _mlp(64, 16, norm="batch", norm_position="post_act"),
        *(_mlp(96, depth, norm="layer") for depth in (18, 36, 60)),
        *(_mlp(96, depth, norm="layer", norm_position="post_act") for depth in (12, 24, 36)),
        *(_mlp(96, 30, norm="rms", norm_position=position) for position in ("pre_act", "post_act")),
        *(_mlp(64, depth, residual=True) for depth in (8, 12, 16, 20, 28, 40)),
        *(_mlp(64, 36, residual=True, branch_scale=scale) for scale in (0.05, 1 / 6, 0.5)),
        *(_mlp(64, 36, residual=True, norm=norm) for norm in ("batch", "layer", "rms")),
        _mlp(64, 20, scheme="zeros", residual=True),
        _mlp(64, 40, "tanh", "lecun_normal", residual=True),
        *(_mlp(96, 4, activation, "zeros") for activation in ("relu", "tanh", "sigmoid")),
        *(_mlp(96, 3, activation, ["constant", {"value": 0.05}]) for activation in ("relu", "tanh")),
        _mlp(64, 10, scheme="identity"),
        *(_mlp(96, depth, scheme=["sparse", {"sparsity": 0.9}]) for depth in (3, 10)),
    ]
    for seed, one in enumerate(words, 1000):
        yield Case({**one, "seed": seed}, "clusters" if seed % 3 == 0 else "digits")
    moved = [(1, 5), (1, 50), (0.01, 0), (100, 0), (30, 0)]
    for seed, (scale, shift) in enumerate(moved, 2000):
        for place, one in enumerate((_mlp(96, 8), _mlp(96, 8, "tanh", "lecun_normal"), _mlp(96, 6, norm="batch"))):
            data = ("digits", "clusters")[(seed + place) % 2]
            yield Case({**one, "seed": seed}, data, scale, shift)
    yield from (Case({**one, "seed": seed}) for seed, one in enumerate(_known_others(), 3000))


def _known_others() -> Iterator[dict[str, Any]]:
    """Convolutional nets and transformers among them."""
    for depth, words in (
        (6, {}),
        (14, {"scheme": "lecun_normal"}),
        (10, {"activation": "tanh"}),
        (8, {"norm": "batch"}),
    ):
        yield {"kind": "conv", "channels": [1, *[6] * depth], **words}
    yield {"kind": "conv", "channels": [1, *[8] * 4], "activation": "sigmoid", "scheme": "lecun_normal"}
    yield {"kind": "conv", "channels": [6] * 9, "residual": True}
    gpt = {"scheme": ["small_normal", {"std": 0.02}], "residual_gain": "gpt2", "activation": "gelu"}
    several: list[dict[str, Any]] = [
        {"norm": "layer", **gpt},
        {"norm": "layer", "norm_position": "post", **gpt},
        {"norm": "layer", "branch_scale": 0.0, "scheme": "lecun_normal"},
        {"norm": "rms", "gated": True, "activation": "silu", "scheme": "lecun_normal"},
        {"stream_scale": 0.0, "norm": "layer", "scheme": "lecun_normal"},
        {"norm": "layer", "scheme": "zeros"},
    ]
    yield from ({"kind": "transformer", "width": 32, "depth": 6, "sequence_length": SIDE, **words} for words in several)


def _sample() -> Iterator[Case]:
    """Of everything, by one generator."""
    rng = random.Random(12)
    for kind, count in _SAMPLED.items():
        for number in range(count):
            words = {"mlp": _sampled_mlp, "conv": _sampled_conv, "transformer": _sampled_transformer}[kind](rng)
            data = rng.choice(("digits", "clusters") if kind != "transformer" else ("digits", "topics"))
            scale = 1.0 if data == "topics" else rng.choice((1.0, 1.0, 1.0, 1.0, 0.1, 10.0))
            shift = 0.0 if data == "topics" else rng.choice((0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 3.0))
            texts = {"vocabulary": VOCABULARY, "embedding_std": rng.choice((0.02, 1.0))} if data == "topics" else {}
            yield Case({**words, **texts, "seed": number}, data, scale, shift)


def _sampled_mlp(rng: random.Random) -> dict[str, Any]:
    residual = rng.random() < 0.25
    width = rng.choice((64, 128) if residual else (24, 48, 64, 96, 128))
    depth = rng.choice([depth for depth in (3, 5, 8, 12, 16, 20, 25, 30, 40, 50) if depth * width**2 <= _COST])
    words = _mlp(width, depth, **_sampled_units(rng), **_sampled_norm(rng, ("batch", "layer", "rms")))
    if residual:
        scales = (1.0, 0.1, round(depth**-0.5, 4))
        words |= {"residual": True, "widths": [width] * (depth + 1), "branch_scale": rng.choice(scales)}
    return words


def _sampled_conv(rng: random.Random) -> dict[str, Any]:
    depth, channels = rng.choice((3, 5, 8)), rng.choice((4, 6, 8))
    words = _sampled_units(rng) | _sampled_norm(rng, ("batch", "layer", "rms"))
    if rng.random() < 0.3:
        return {"kind": "conv", "channels": [channels] * (depth + 1), "residual": True, **words}
    return {"kind": "conv", "channels": [1, *[channels] * depth], **words}


def _sampled_transformer(rng: random.Random) -> dict[str, Any]:
    depth, width = rng.choice((2, 4, 8)), rng.choice((16, 24, 32))
    words = _sampled_units(rng) | _sampled_norm(rng, ("layer", "layer", "rms"), ("pre", "post"))
    words |= {"stream_scale": rng.choice((1.0, 1.0, 1.0, 0.5, 0.0)), "branch_scale": rng.choice((1.0, 1.0, 0.3))}
    words |= {"heads": rng.choice((1, 2, 4)), "causal": rng.random() < 0.5}
    words |= {"gated": "norm" in words and rng.random() < 0.4}  # without a norm sizes are squared by every block
    return {"kind": "transformer", "width": width, "depth": depth, "sequence_length": SIDE, **words}


def _sampled_norm(
    rng: random.Random, norms: tuple[str, ...], positions: tuple[str, str] = ("pre_act", "post_act")
) -> dict[str, Any]:
    norm, position = rng.choice((None, None, None, *norms)), rng.choice((positions[0], *positions))
    return {"norm": norm, "norm_position": position} if norm else {}


def _sampled_units(rng: random.Random) -> dict[str, Any]:
    """Activation, scheme, gain and biases."""
    smooth = ("tanh", "tanh", "gelu", "gelu", "silu", "selu", "elu", "softplus", "sigmoid", "sin", "softsign")
    phi = rng.choice((*["relu"] * 5, ["leaky_relu", 0.2], "abs", "linear", *smooth))
    scheme = rng.choice(
        (
            *("he_normal", "he_normal", "lecun_normal", "lecun_normal", "glorot_uniform", "orthogonal", "he_uniform"),
            *(["small_normal", {"std": std}] for std in (0.02, 0.05)),
            ["lecun_normal", {"distribution": "truncated_normal"}],
            ["variance_scaling", {"scale": 1 / 3, "distribution": "uniform"}],
        )
    )
    gain = rng.choice((1.0, 1.0, 1.0, 0.7, 0.9, 1.1, 1.4, 2.0))
    return {
        "activation": phi,
        "scheme": scheme,
        "gain": gain,
        "bias_std": rng.choice((0.0, 0.0, 0.0, 0.05, 0.3)),
    }
