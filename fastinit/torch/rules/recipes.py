"""Recipes: what is known to train, as rules. What a recipe asks for beside the weights, it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from ...arguments import integer
from .recipe import Recipe, Sought, register_recipe
from .weights import Ruled, Weight, law_of

#: Last names of the modules that lead back to the residual stream, in the usual libraries.
RESIDUAL = ("c_proj", "out_proj", "o_proj", "down_proj", "linear2", "fc2", "wo", "w2", "dense_4h_to_h")


@register_recipe
class gpt2(Recipe):  # noqa: N801
    """Recipe: normal of standard deviation `std`; projections back to the residual stream divided by sqrt(2 layers).

    Parameters
    ----------
    layers : int
        Of the whole model.
    std : float
        Of all else, embeddings included.
    residual : sequence of str
        Last names of the modules that lead back; a model must have one. None at all: ``()``.

    Notes
    -----
    Norms are told by the name of their class and get ones; such as multiply by 1 + w, as Gemma's, want zeros.

    *Reference*: Radford et al., "Language models are unsupervised multitask learners", 2019, section 2.3.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> model = torch.nn.ModuleDict({"c_fc": torch.nn.Linear(4, 16), "c_proj": torch.nn.Linear(16, 4)})
    >>> [entry.std for entry in fastinit.torch.plan(model, fastinit.torch.gpt2(layers=2))]
    [0.02, 0.0, 0.01, 0.0]
    """

    sought: ClassVar[Sought | None] = Sought("residual", "residual projections of")
    needs_layers: ClassVar[bool] = True

    layers: int
    std: float
    residual: tuple[str, ...]

    def __init__(self, layers: int, std: float = 0.02, residual: Sequence[str] = RESIDUAL) -> None:
        self.layers, self.std, self.residual = integer("layers", layers, 1), std, tuple(residual)

    def law(self, weight: Weight) -> Ruled:
        """Of a weight that is no norm and no bias."""
        return law_of("normal", weight, std=self.std / math.sqrt(2 * self.layers) if self.seeks(weight) else self.std)


@register_recipe
class llama(Recipe):  # noqa: N801
    """Recipe: normal of standard deviation `std`; what leads out of block l divided by sqrt(2 (l + 1)).

    The embedding has standard deviation 1, the head 1 / sqrt(d), cut at three of them.

    Parameters
    ----------
    std : float
        Of all else.
    residual : sequence of str
        Last names of the modules of a numbered block that lead out of it; a model must have one. None at all: ``()``.

    Notes
    -----
    Norms as in `gpt2`. ``w3`` and ``up_proj``, which end within the block, are among the default names as they are in
    the reference.

    *Reference*: the recipe by which torchtitan trains Llama 3.
    """

    sought: ClassVar[Sought | None] = Sought("residual", "residual projections in numbered blocks of")

    std: float
    residual: tuple[str, ...]

    def __init__(self, std: float = 0.02, residual: Sequence[str] = (*RESIDUAL, "w3", "up_proj")) -> None:
        self.std, self.residual = std, tuple(residual)

    def seeks(self, weight: Weight) -> bool:
        """Whether it is of a residual projection in a numbered block."""
        return weight.layer is not None and super().seeks(weight)

    def law(self, weight: Weight) -> Ruled:
        """Of a weight that is no norm and no bias."""
        if isinstance(weight.module, nn.Embedding):
            return law_of("normal", weight, std=1.0)
        if weight.is_of("output", "lm_head"):
            return law_of("truncated_normal", weight, std=weight.shape[1] ** -0.5, low=-3.0, high=3.0)
        if weight.layer is not None and self.seeks(weight):
            return law_of("normal", weight, std=self.std / math.sqrt(2 * (weight.layer + 1)))
        return law_of("normal", weight, std=self.std)


#: Those of values, outputs and feed-forward layers.
SMALLER = ("v_proj", "out_proj", "o_proj", "fc1", "fc2", "linear1", "linear2", "gate_proj", "up_proj", "down_proj",
           "wv", "wo", "w1", "w2", "w3")  # fmt: skip


class deepnorm(Recipe):  # noqa: N801
    """Recipe: Glorot, times ``beta = (8 L)**(-1/4)`` in values, outputs and feed-forward layers.

    Parameters
    ----------
    layers : int
        Of a model that is an encoder or a decoder.
    smaller : sequence of str
        Last names of the modules that are values, outputs and feed-forward layers; a model must have one. None: ``()``.

    Attributes
    ----------
    alpha, beta : float
        ``(2 L)**(1/4)``, by which the model must multiply its residual, and ``(8 L)**(-1/4)``.

    Notes
    -----
    Values that are packed with queries and keys keep what these have.

    *Reference*: Wang et al., "DeepNet: scaling transformers to 1,000 layers", 2022, figure 2.
    """

    sought: ClassVar[Sought | None] = Sought("smaller", "values, outputs and feed-forward layers of")
    needs_layers: ClassVar[bool] = True

    layers: int
    smaller: tuple[str, ...]
    alpha: float
    beta: float

    def __init__(self, layers: int, smaller: Sequence[str] = SMALLER) -> None:
        self.layers, self.smaller = integer("layers", layers, 1), tuple(smaller)
        self.alpha, self.beta = (2 * layers) ** 0.25, (8 * layers) ** -0.25

    def law(self, weight: Weight) -> Ruled:
        """Of a weight that is no norm and no bias."""
        return law_of("glorot_normal", weight, gain=self.beta if self.seeks(weight) else 1.0)
