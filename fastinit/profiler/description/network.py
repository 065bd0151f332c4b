"""The network: one frozen description, which the methods of propagation and the theory read."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ...activations import Activation
from ..norms import NORMS, ROWS, Norm
from .initialisation import Initialisation


@dataclass(frozen=True)
class Image:
    """What a convolutional net convolves: square images, and the kernel that slides over them with stride 1."""

    size: int
    kernel: int
    padding: str

    @property
    def positions(self) -> int:
        """Pixels of an image."""
        return self.size**2


@dataclass(frozen=True)
class Text:
    """What a transformer reads, tokens or (where the vocabulary is 0) signals, and what its blocks are made of."""

    positions: int
    vocabulary: int
    embedding_std: float
    positional: bool
    heads: int
    hidden: int
    gated: bool
    causal: bool
    stream_scale: float
    residual_gain: float
    logit_scale: float

    def shapes(self, width: int) -> dict[str, tuple[int, int]]:
        """Of the matrices of a block."""
        mlp = ("gate", "up") if self.gated else ("up",)
        square = dict.fromkeys(("query", "key", "value", "output"), (width, width))
        return square | dict.fromkeys(mlp, (width, self.hidden)) | {"down": (self.hidden, width)}

    def __str__(self) -> str:
        words = [f"{self.heads} head{'s' * (self.heads > 1)} of {self.positions} {'causal ' * self.causal}positions"]
        words.append(f"{'gated ' * self.gated}MLP {self.hidden}")
        if self.vocabulary:
            words.append(f"vocabulary {self.vocabulary}, embedding std {self.embedding_std:.6g}")
            words[-1] += "" if self.positional else " without positions"
        scales = {"stream": self.stream_scale, "residual weights": self.residual_gain}
        words += [f"{name} x {scale:.6g}" for name, scale in scales.items() if scale != 1]
        return ", ".join([*words, f"logits x {self.logit_scale:.6g}"])


@dataclass(frozen=True)
class Network:
    """Shapes, weights, units and normalisation, checked.

    `widths` are units, or channels, of the input and of each layer; `scheme` is how their weights are drawn.
    """

    kind: str
    widths: tuple[int, ...]
    batch: int
    activation: Activation
    scheme: Initialisation
    norm: str | None = None
    norm_position: str = "pre_act"
    norm_eps: float = 1e-5
    residual: bool = False
    branch_scale: float = 1.0
    bias_std: float = 0.0
    dtype: Any = np.float32
    image: Image | None = None
    text: Text | None = None

    @property
    def depth(self) -> int:
        """Layers, the input not counted."""
        return len(self.widths) - 1

    @property
    def names(self) -> tuple[str, ...]:
        """None: its layers are numbered."""
        return ()

    @property
    def labels(self) -> tuple[str, ...]:
        """What tables call the input and the layers."""
        return tuple(map(str, range(self.depth + 1)))

    @property
    def rows(self) -> int:
        """Rows of a signal: examples, times positions."""
        several = self.image or self.text
        return self.batch * (several.positions if several else 1)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What is to be borne in mind of such a network, whatever is measured."""
        norm = normalisation_of(self)
        return tuple(filter(None, [norm.caution(self.rows) if norm else ""]))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the inputs as a user gives them: (batch, width), (batch, height, width, channels), or of tokens."""
        if self.text and self.text.vocabulary:
            return (self.batch, self.text.positions)
        return (*self.output_shape[:-1], self.widths[0])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the outputs: (batch, width), (batch, height, width, channels), or (batch, positions, width)."""
        sides = (self.image.size,) * 2 if self.image else (self.text.positions,) if self.text else ()
        return (self.batch, *sides, self.widths[-1])

    @property
    def outputs(self) -> int:
        """Of one example."""
        return prod(self.output_shape[1:])

    def weight_shape(self, layer: int) -> tuple[int, ...]:
        """Shape of the weights of layer 1 to `depth`: (fan_in, fan_out), or (height, width, in, out)."""
        sides = (self.image.kernel,) * 2 if self.image else ()
        return (*sides, self.widths[layer - 1], self.widths[layer])

    def in_order(self, read: Any, norm: Any, act: Any) -> list[Any]:
        """What reads h, normalises and activates, as a layer has them; without a norm, none is among them.

        In a plain layer h is what the weights give, in a residual block what the norm gives.
        """
        if self.norm is None:
            return [read, act]
        if self.norm_position == "post_act":
            return [read, act, norm]
        return [norm, read, act] if self.residual else [read, norm, act]

    def matrices(self, layer: int) -> dict[str, tuple[int, ...]]:
        """Shapes of all weights of layer 1 to `depth`, by the name of their stream."""
        name = f"layer.{layer}"
        if self.text:
            return {f"{name}.{part}": shape for part, shape in self.text.shapes(self.widths[layer]).items()}
        return {name: self.weight_shape(layer)}

    @property
    def words(self) -> list[str]:
        """What it is, item by item."""
        widths = str(self.widths[0]) if len(set(self.widths)) == 1 else "-".join(map(str, self.widths))
        words = [f"{self.kind} {widths}, depth {self.depth}", self.activation.name, str(self.scheme)]
        if self.image:
            words.append(
                f"{self.image.kernel}x{self.image.kernel} on {self.image.size}x{self.image.size}, {self.image.padding}"
            )
        if self.text:
            words.append(str(self.text))
        if self.norm:
            places = {"pre_act": "", "post_act": " after the activation", "pre": " before", "post": " after"}
            words.append(f"{self.norm} norm{places[self.norm_position]}")
        if self.residual:
            words.append("residual" + (f" x {self.branch_scale:.6g}" if self.branch_scale != 1 else ""))
        if self.bias_std:
            words.append(f"bias std {self.bias_std:.6g}")
        return [*words, f"batch {self.batch}"]

    def __str__(self) -> str:
        return ", ".join(self.words)


def normalisation_of(network: Network) -> Norm | None:
    """What the norm of that name is."""
    return None if network.norm is None else NORMS[network.norm]


def mixes(network: Network) -> bool:
    """Whether examples take part in each other's outputs: by a norm over the batch."""
    norm = normalisation_of(network)
    return norm is not None and norm.axis == ROWS
