"""Recipes: what is known to train, as rules. What a recipe asks for beside the weights, it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn
from torch.nn.modules.conv import _ConvNd

from ..arguments import integer, refuse
from ..deterministic import zeros
from ..fill import normal, truncated_normal, uniform
from .laws import Law
from .names import canonical_name
from .rules import OWN, Listed, Weight, fans_of, law_of, output_axis


def _is_plain(weight: Weight) -> bool:
    """Whether recipes agree on it."""
    return weight.is_norm or weight.name.endswith("bias") or len(weight.shape) < 2


def _plain(weight: Weight) -> Law | None:
    """Norms begin as the identity, biases at zero. Of other vectors and numbers, which may be factors, nobody knows."""
    if weight.name.endswith("bias") or (len(weight.shape) < 2 and "bias" in weight.name.split(".")[-1]):
        return law_of("zeros", weight)
    return law_of("ones", weight) if weight.is_norm else None


def _ends(weight: Weight, *names: str) -> bool:
    """Whether the weight is, or is that of, something so called."""
    segments = weight.name.removesuffix(".weight").split(".")
    return segments[-1] in names


#: Last names of the modules that lead back to the residual stream, in the usual libraries.
RESIDUAL = ("c_proj", "out_proj", "o_proj", "down_proj", "linear2", "fc2", "wo", "w2", "dense_4h_to_h")


class gpt2:  # noqa: N801
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

    def __init__(self, layers: int, std: float = 0.02, residual: Sequence[str] = RESIDUAL) -> None:
        self.layers, self.std, self.residual = integer("layers", layers, 1), std, tuple(residual)

    def seeks(self, weight: Weight) -> bool:
        """Whether it is of a residual projection."""
        return _ends(weight, *self.residual)

    def __call__(self, weight: Weight) -> Law | None:
        std = self.std / math.sqrt(2 * self.layers) if self.seeks(weight) else self.std
        return _plain(weight) if _is_plain(weight) else law_of("normal", weight, std=std)


class llama:  # noqa: N801
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

    def __init__(self, std: float = 0.02, residual: Sequence[str] = (*RESIDUAL, "w3", "up_proj")) -> None:
        self.std, self.residual = std, tuple(residual)

    def seeks(self, weight: Weight) -> bool:
        """Whether it is of a residual projection."""
        return weight.layer is not None and _ends(weight, *self.residual)

    def __call__(self, weight: Weight) -> Law | None:
        if _is_plain(weight):
            return _plain(weight)
        if isinstance(weight.module, nn.Embedding):
            return law_of("normal", weight, std=1.0)
        if _ends(weight, "output", "lm_head"):
            return law_of("truncated_normal", weight, std=weight.shape[1] ** -0.5, low=-3.0, high=3.0)
        if self.seeks(weight):
            return law_of("normal", weight, std=self.std / math.sqrt(2 * (weight.layer + 1)))
        return law_of("normal", weight, std=self.std)


#: Those of values, outputs and feed-forward layers.
SMALLER = ("v_proj", "out_proj", "o_proj", "fc1", "fc2", "linear1", "linear2", "gate_proj", "up_proj", "down_proj",
           "wv", "wo", "w1", "w2", "w3")  # fmt: skip


class deepnorm:  # noqa: N801
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

    def __init__(self, layers: int, smaller: Sequence[str] = SMALLER) -> None:
        self.layers, self.smaller = integer("layers", layers, 1), tuple(smaller)
        self.alpha, self.beta = (2 * layers) ** 0.25, (8 * layers) ** -0.25

    def seeks(self, weight: Weight) -> bool:
        """Whether it is of values, outputs or a feed-forward layer."""
        return _ends(weight, *self.smaller)

    def __call__(self, weight: Weight) -> Law | None:
        gain = self.beta if self.seeks(weight) else 1.0
        return _plain(weight) if _is_plain(weight) else law_of("glorot_normal", weight, gain=gain)


class Factors(NamedTuple):
    """What muP asks for beside a weight's law: factors on its output and on the learning rates of the base model."""

    kind: str
    multiplier: float
    adam: float
    sgd: float


def _lecun(weight: Weight) -> Law | None:
    return _plain(weight) if _is_plain(weight) else law_of("lecun_normal", weight)


class mup:  # noqa: N801
    """Recipe: maximal update parametrisation, by which the best learning rate of a small model is that of a wide one.

    A weight gets the law that it has in the base model; one that grows on both sides, narrowed by ``1 / sqrt(w)``, with
    w its fan-in over that in the base model. This alone is not muP: `factors` has what else there is to do.

    Parameters
    ----------
    base_shapes : mapping of str to shape, or torch.nn.Module
        The shape of each parameter in the base model, by canonical name; or that model, on the meta device too.
    rules : list or callable
        Of the base model. None: norms one, biases zero, all else ``lecun_normal``.

    Notes
    -----
    A parameter of three axes or more that no convolution holds is an input if one axis grows (embeddings of positions);
    if several do, as in stacked experts, its rule must name the axes. Where the sides of a hidden weight grow unequally
    SGD wants fan-out over fan-in, which is 1 in the table.

    *Reference*: Yang et al., "Tensor programs V: tuning large neural networks via zero-shot hyperparameter transfer",
    2022, table 8.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> def model(width):
    ...     sides = [8, width, width, 2]
    ...     with torch.device("meta"):
    ...         return torch.nn.Sequential(*map(torch.nn.Linear, sides, sides[1:]))
    >>> recipe = fastinit.torch.mup(model(64))
    >>> [round(entry.std, 4) for entry in fastinit.torch.plan(model(256), recipe)][::2]
    [0.3536, 0.0625, 0.125]
    >>> recipe.factors(model(256))["2.weight"]
    Factors(kind='output', multiplier=0.25, adam=1.0, sgd=4.0)
    """

    def __init__(self, base_shapes: Mapping[str, Any] | nn.Module, rules: Any = None) -> None:
        if isinstance(base_shapes, nn.Module):
            named = base_shapes.named_parameters(remove_duplicate=False)
            base_shapes = {canonical_name(name): tensor.shape for name, tensor in named}
        self.base_shapes = {name: tuple(shape) for name, shape in base_shapes.items()}
        self.rule = _lecun if rules is None else rules if callable(rules) else Listed(rules)

    @property
    def unmatched(self) -> list[str]:
        """Patterns of the base model's rules that have come first for no parameter."""
        return getattr(self.rule, "unmatched", [])

    def __call__(self, weight: Weight) -> Law | None:
        base = self._base(weight)
        law = self._law(base)
        if law is OWN:
            refuse("rules", f"such that {weight.name} has the law of the base model, not its module's own", law.scheme)
        kind, (fan_in, _) = self._growth(weight, base)
        return law if law is None or kind != "hidden" else _narrowed(law, 1 / math.sqrt(fan_in), weight.name)

    def _law(self, weight: Weight) -> Law | None:
        return self.rule(weight)

    def factors(self, model: nn.Module, rename: Callable[[str], str] | None = None) -> dict[str, Factors]:
        """By canonical name: the kind of a weight, and what to multiply its output and its learning rates by.

        The multiplier is for the output of a weight that leads to a fixed number of units (a tied one under the name by
        which it does). Attention must be scaled by 1 / d, not 1 / sqrt(d), up to a constant.
        """
        found = {}
        for prefix, module in model.named_modules():
            for leaf, tensor in module.named_parameters(recurse=False):
                name = canonical_name(f"{prefix}.{leaf}".removeprefix("."), rename)
                shape = tuple(tensor.shape)
                found[name] = self._factors(Weight(name, module, shape, tensor.dtype, fans_of(module, shape)))
        return found

    def _factors(self, weight: Weight) -> Factors:
        kind, (fan_in, fan_out) = self._growth(weight, self._base(weight))
        return {
            "input": Factors(kind, 1.0, 1.0, fan_out),
            "hidden": Factors(kind, 1.0, 1 / fan_in, fan_out / fan_in),
            "output": Factors(kind, 1 / fan_in, 1.0, fan_in),
            "fixed": Factors(kind, 1.0, 1.0, 1.0),
        }[kind]

    def _base(self, weight: Weight) -> Weight:
        shape = self.base_shapes.get(weight.name)
        if shape is None or len(shape) != len(weight.shape):
            refuse("base_shapes", f"such that {weight.name} has one of {len(weight.shape)} axes", shape)
        whole = fans_of(weight.module, weight.shape)
        split = 1 if whole is None or not weight.fans.fan_out else whole.fan_out // weight.fans.fan_out
        return weight._replace(shape=shape, fans=fans_of(weight.module, shape, split))

    def _growth(self, weight: Weight, base: Weight) -> tuple[str, tuple[float, float]]:
        """By which sides grow with the width, the kind of a weight; and how much they do."""
        if weight.shape == base.shape:
            return "fixed", (1.0, 1.0)
        sides = self._sides(weight, base)
        grows = (sides[0] != 1, sides[1] != 1)
        return {(True, True): "hidden", (True, False): "output"}.get(grows, "input"), sides

    def _sides(self, weight: Weight, base: Weight) -> tuple[float, float]:
        """How much its inputs and its outputs have grown, without those of a kernel's places or of a group."""
        named = [law.fans for one in (weight, base) if (law := self._law(one)) is not None and law.fans is not None]
        if len(named) == 2:
            return named[0].fan_in / named[1].fan_in, named[0].fan_out / named[1].fan_out
        ratios = [length / before for length, before in zip(weight.shape, base.shape, strict=True)]
        if len(ratios) == 1 or isinstance(weight.module, nn.Embedding):
            return 1.0, ratios[-1]
        if len(ratios) == 2 or isinstance(weight.module, _ConvNd):
            outputs = output_axis(weight.module)
            return ratios[1 - outputs], ratios[outputs]
        grown = [ratio for ratio in ratios if ratio != 1]
        if len(grown) > 1:  # experts, or a convolution that torch does not know
            refuse("rules", f"such that the axes of {weight.name} are named, several of which grow", weight.shape)
        return 1.0, grown[0]


def _narrowed(law: Law, factor: float, name: str) -> Law:
    """A law around zero with another standard deviation."""
    if law.scheme is zeros:
        return law
    if law.scheme not in (normal, uniform, truncated_normal) or law.keywords.get("mean", 0) != 0:
        refuse("rules", f"a law around zero for {name}, which grows on both sides", law.scheme.__name__)
    scaled = {"std": 1.0} | law.keywords if law.scheme is not uniform else {"low": 0.0, "high": 1.0} | law.keywords
    keys = ("low", "high") if law.scheme is uniform else ("std",)
    return law._replace(keywords=scaled | {key: scaled[key] * factor for key in keys})
