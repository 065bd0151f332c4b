"""Model: the network of a profile in torch, with the weights that the profile draws, and a linear readout.

Written apart from the profiler's own steps, to hold them against it; what is the same are names, shapes and draws.
Signals are matrices as in the profiler, a row for each example, position or token. Axes may come before those of
signals and parameters: several networks, or one for each example, go through together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from math import prod

import numpy as np
import torch

import fastinit as fi
from fastinit.profiler.description.network import Network, normalisation_of
from fastinit.profiler.steps.matrices import bias
from fastinit.profiler.steps.transformer import Embed

from .data import CLASSES, Array

Tensor = torch.Tensor
Parameters = dict[str, Tensor]
Map = Callable[[Tensor], Tensor]

HEAD = "head"


def drawn(network: Network, seed: int) -> Parameters:
    """Weights (fan in, fan out) and biases (1, units) by the names of their streams, and the readout."""
    found = {}
    for layer in range(1, network.depth + 1):
        for name, shape in network.matrices(layer).items():
            ends_branch = network.text is not None and name.endswith((".output", ".down"))
            gain = network.scheme.gain * (network.text.residual_gain if ends_branch else 1.0)
            weights = replace(network.scheme, gain=gain).draw(shape, seed, name, network.dtype)
            found[name] = torch.from_numpy(weights.reshape(prod(shape[:-1]), shape[-1]))
            if network.bias_std:
                drawn_bias = bias(network.bias_std, shape[-1], seed, name, network.dtype)
                found[f"{name}.bias"] = torch.from_numpy(drawn_bias.reshape(1, -1))
    shape = (prod(network.output_shape[1:]), CLASSES)
    return found | {HEAD: torch.from_numpy(fi.lecun_normal(shape, seed=seed, name=HEAD, dtype=network.dtype))}


def rows(network: Network, seed: int, inputs: Array) -> Tensor:
    """Signals (examples, positions, units) of inputs as the profile takes them; tokens are embedded."""
    if network.text and network.text.vocabulary:
        embedded = Embed(network, seed).forward(inputs.reshape(-1, 1))
        return torch.from_numpy(embedded.reshape(*inputs.shape, -1))
    return torch.from_numpy(inputs.reshape(len(inputs), -1, inputs.shape[-1]))


def read_out(network: Network, parameters: Parameters, x: Tensor) -> Tensor:
    """Logits (..., examples, classes) of inputs (..., rows, units)."""
    return by_example(network, outputs(network, parameters, x)) @ parameters[HEAD]


def by_example(network: Network, x: Tensor) -> Tensor:
    """Signals (..., rows, units) with all that an example has in one row."""
    return x.reshape(*x.shape[:-2], -1, prod(network.output_shape[1:-1]) * x.shape[-1])


def outputs(network: Network, parameters: Parameters, x: Tensor) -> Tensor:
    """The signal after the last layer."""
    for layer in range(1, network.depth + 1):
        x = _block(network, parameters, layer)(x) if network.text else _layer(network, parameters, f"layer.{layer}")(x)
    return x


def _linear(network: Network, parameters: Parameters, name: str) -> Map:
    def linear(x: Tensor) -> Tensor:
        h = (_patches(network, x) if network.image else x) @ parameters[name]
        return h + parameters[f"{name}.bias"] if network.bias_std else h

    return linear


def _layer(network: Network, parameters: Parameters, name: str) -> Map:
    linear = _linear(network, parameters, name)
    units = network.in_order(lambda x: x, _norm(network), _activation(network))
    if network.residual:
        return lambda x: x + network.branch_scale * _through([*units, linear])(x)
    return _through([linear, *units])


def _through(maps: list[Map]) -> Map:
    return lambda x: reduce(lambda signal, one: one(signal), maps, x)


def _norm(network: Network) -> Map:
    norm = normalisation_of(network)
    if norm is None:
        return lambda x: x
    axis = norm.axis - 2

    def normalised(x: Tensor) -> Tensor:
        x = x - x.mean(axis, keepdim=True) if norm.centred else x
        return x / (x.square().mean(axis, keepdim=True) + network.norm_eps).sqrt()

    return normalised


def _activation(network: Network) -> Map:
    """That of torch with the profiler's name; a slope of leaky_relu goes with it."""
    name, _, slope = network.activation.name.partition("(")
    if name == "linear":
        return lambda x: x
    if slope:
        return lambda x: torch.nn.functional.leaky_relu(x, float(slope.rstrip(")")))
    return getattr(torch, name, None) or getattr(torch.nn.functional, name)


def _patches(network: Network, x: Tensor) -> Tensor:
    """(..., rows, channels) to (..., rows, kernel * kernel * channels), with zeros around the images."""
    image = network.image
    before = (image.kernel - 1) // 2
    sides = (before, image.kernel - 1 - before)
    images = x.reshape(*x.shape[:-2], -1, image.size, image.size, x.shape[-1])
    padded = torch.nn.functional.pad(images, (0, 0, *sides, *sides))
    shifted = [
        padded[..., i : i + image.size, j : j + image.size, :] for i, j in np.ndindex(image.kernel, image.kernel)
    ]
    return torch.cat(shifted, -1).reshape(*x.shape[:-1], -1)


def _block(network: Network, parameters: Parameters, layer: int) -> Map:
    text, norm, act = network.text, _norm(network), _activation(network)

    def linear(part: str) -> Map:
        return _linear(network, parameters, f"layer.{layer}.{part}")

    def attention(x: Tensor) -> Tensor:
        q, k, v = (_by_head(network, linear(part)(x)) for part in ("query", "key", "value"))
        scores = text.logit_scale * (q @ k.mT)
        if text.causal:
            scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -torch.inf)
        return linear("output")((scores.softmax(-1) @ v).transpose(-2, -3).flatten(-2).flatten(-3, -2))

    def mlp(x: Tensor) -> Tensor:
        hidden = act(linear("gate")(x)) * linear("up")(x) if text.gated else act(linear("up")(x))
        return linear("down")(hidden)

    def added(branch: Map) -> Map:
        if network.norm_position == "pre":
            return lambda x: text.stream_scale * x + network.branch_scale * branch(norm(x))
        return lambda x: norm(text.stream_scale * x + network.branch_scale * branch(x))

    return _through([added(attention), added(mlp)])


def _by_head(network: Network, x: Tensor) -> Tensor:
    """(..., rows, units) to (..., examples, heads, positions, units of a head)."""
    split = x.reshape(*x.shape[:-2], -1, network.text.positions, network.text.heads, x.shape[-1] // network.text.heads)
    return split.transpose(-2, -3)
