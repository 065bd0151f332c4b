"""Recipes: what is known to train, as rules. What a recipe asks for beside the weights, it says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from ..arguments import integer, refuse
from .recipe import RECIPES, Recipe, Sought, Weight, is_of, layer_of

#: Names, or ends of paths, of the modules that lead back to the residual stream, in the usual libraries.
RESIDUAL = ("c_proj", "out_proj", "o_proj", "down_proj", "linear2", "fc2", "wo", "w2", "dense_4h_to_h",
            "attention.dense", "self_attention.dense", "self_attn.dense", "mlp.fc_out", "per_layer_projection",
            "attn.out", "attention.out", "self_attention.out")  # fmt: skip

#: The path of a block; lists in it, with their numbers; and the rest, which begins with the name of a branch.
_IN_BLOCK = re.compile(r"((?:.*?\.)??\d+)\.(?:[^.]+\.\d+\.)*(.+)")

Block = dict[str, Weight]


def blocks_of(weights: Iterable[Weight]) -> dict[str, Block]:
    """By its path, each numbered block that has two of the weights or more; in it, these by theirs."""
    blocks: dict[str, Block] = {}
    for weight in weights:
        if (found := _IN_BLOCK.fullmatch(weight.path)) is not None:
            blocks.setdefault(found[1], {})[found[2]] = weight
    return {name: block for name, block in blocks.items() if len(block) > 1}


def _branches(block: Block) -> list[list[Weight]]:
    """The weights of each branch that has several; those of no such branch are one together."""
    branches: dict[str, list[Weight]] = {}
    for path, weight in block.items():
        branches.setdefault(path.split(".")[0], []).append(weight)
    alone = [weight for held in branches.values() if len(held) == 1 for weight in held]
    return [held for held in (*branches.values(), alone) if len(held) > 1]


def _nested(weights: Iterable[Weight]) -> str:
    """The path of a block that is in another one, or "": it has two branches, as no expert and no layer of one has."""
    inner: dict[str, Block] = {}
    for weight in weights:
        words = weight.path.split(".")
        numbers = [at for at, word in enumerate(words[:-1], 1) if word.isdecimal()]
        for at in numbers[1:]:
            inner.setdefault(".".join(words[:at]), {})[".".join(words[at:])] = weight
    return next((path for path, block in inner.items() if len(_branches(block)) > 1), "")


class _Blockwise(Recipe):
    """A recipe whose usual names must do for each block; of others that it is given, the model must have every one."""

    usual: ClassVar[tuple[str, ...]] = RESIDUAL

    @classmethod
    def from_model(cls, weights: Sequence[Weight], renamed: bool) -> Recipe:
        """The recipe for a model whose rules are its name. Its layers are its blocks: a list of matrices has none."""
        matrices = [weight for weight in weights if len(weight.shape) > 1]
        if cls.needs_layers and (nested := _nested(matrices)):
            rule = f"{cls.__name__}(layers=...) where blocks are in lists of blocks, as {nested} is"
            refuse("rules", f"{rule} (whose number is not how many there are)", cls.__name__)
        blocks = blocks_of(matrices)
        if cls.needs_layers and not blocks and not renamed:
            made: Callable[..., Recipe] = cls
            return made(layers=max(len({layer_of(one) for one in matrices} - {None}), 1))  # some may be activations
        return super().from_model([one for block in blocks.values() for one in block.values()] or weights, renamed)

    def check(self, weights: Sequence[Weight], renamed: bool) -> None:
        """Raise where names that were given are none of the model, or the usual ones are not all that a block has."""
        super().check(weights, renamed)
        assert self.sought is not None
        argument, words = self.sought
        names: tuple[str, ...] = getattr(self, argument)
        matrices = [one for one in weights if not (self.leaves(one) or one.is_embedding)]
        if names == self.usual:
            self._check_blocks(argument, blocks_of(matrices))
        elif not renamed and (unused := [one for one in names if not any(is_of(weight, one) for weight in matrices)]):
            refuse(argument, f"names of {words} the model, each of which it has", unused)

    def suffices(self, block: Block) -> bool:
        """Whether two branches or more lead back by a usual name, as attention and feed-forward do, and none does not.

        Matrices that are in no branch of several are one together.
        """
        back = {path.split(".")[0] for path, weight in block.items() if is_of(weight, *RESIDUAL)}
        leads = [any(is_of(weight, *RESIDUAL) for weight in held) for held in _branches(block)]
        return len(back) > 1 and all(leads)

    def _check_blocks(self, argument: str, blocks: Mapping[str, Block]) -> None:
        lacking = {name: block for name, block in blocks.items() if not self.suffices(block)}
        if not lacking:
            return
        every = [weight for block in blocks.values() for weight in block.values()]
        known = tuple(name for name in self.usual if any(is_of(weight, name) for weight in every))
        found: dict[tuple[str, ...], str] = {}
        others: set[str] = set()
        for name, block in lacking.items():
            sought = {path for path, weight in block.items() if self.seeks(weight)}
            found.setdefault(_without_numbers(path for path in block if path in sought), name)
            others.update(_without_numbers(block.keys() - sought))
        rule = (
            f"given where not every branch of a block has one of the usual names: {self._call_with(known, every)} "
            f"if these are all, with more of {', '.join(sorted(others))} if not"
        )
        refuse(argument, rule, {name: [*sought] for sought, name in found.items()})


def _without_numbers(paths: Iterable[str]) -> tuple[str, ...]:
    """Each once, whichever of a list of experts it is of."""
    return tuple(dict.fromkeys(re.sub(r"\.\d+(?=\.)", ".*", path) for path in paths))


class gpt2(_Blockwise):  # noqa: N801
    """Recipe: normal of standard deviation `std`; projections back to the residual stream divided by sqrt(2 layers).

    Parameters
    ----------
    layers : int
        Of the whole model, each of which adds two branches to the stream; by name, the greatest number of a block and
        one, where no block is in another. By the same rule layers of one branch count half, and those of three, as
        where a decoder attends to an encoder, one and a half.
    std : float
        Of all else, embeddings included.
    residual : sequence of str
        Last names of the modules that lead back, or ends of their paths, as ``mlp.dense``. By the usual names one must
        be found in every branch of every numbered block, and in two branches at least; where they do not do, they must
        be given, and each that is must be found. None at all: ``()``.

    Notes
    -----
    Norms get ones: torch's by their type, and vectors of classes that are called so; such as multiply by 1 + w, as
    Gemma's, want zeros.

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

    def law(self, weight: Weight) -> Any:
        """Of a weight that is no norm and no bias."""
        return weight.law("normal", std=self.std / math.sqrt(2 * self.layers) if self.seeks(weight) else self.std)


class llama(_Blockwise):  # noqa: N801
    """Recipe: normal of standard deviation `std`; what leads out of block l divided by sqrt(2 (l + 1)).

    The embedding has standard deviation 1, the head 1 / sqrt(d), cut at three of them.

    Parameters
    ----------
    std : float
        Of all else.
    residual : sequence of str
        Names of the modules of a numbered block that lead out of it, as for `gpt2`. None at all: ``()``.

    Notes
    -----
    Norms as in `gpt2`. ``w3`` and ``up_proj``, which end within the block, are among the default names as they are in
    the reference.

    *Reference*: the recipe by which torchtitan trains Llama 3.
    """

    sought: ClassVar[Sought | None] = Sought("residual", "residual projections in numbered blocks of")
    usual: ClassVar[tuple[str, ...]] = (*RESIDUAL, "w3", "up_proj")

    std: float
    residual: tuple[str, ...]

    def __init__(self, std: float = 0.02, residual: Sequence[str] = usual) -> None:
        self.std, self.residual = std, tuple(residual)

    def check(self, weights: Sequence[Weight], renamed: bool) -> None:
        """Raise where the first number of a name is not that of its block, too."""
        if self.residual and (nested := _nested(weight for weight in weights if len(weight.shape) > 1)):
            rule = f"gpt2(layers=...), say, where blocks are in lists of blocks, as {nested} is"
            refuse("rules", f"{rule} (whose depth is not its first number)", "llama")
        super().check(weights, renamed)

    def seeks(self, weight: Weight) -> bool:
        """Whether it is of a residual projection in a numbered block."""
        return layer_of(weight) is not None and super().seeks(weight)

    def law(self, weight: Weight) -> Any:
        """Of a weight that is no norm and no bias."""
        if weight.is_embedding:
            return weight.law("normal", std=1.0)
        if is_of(weight, "output", "lm_head"):
            return weight.law("truncated_normal", std=weight.fans.fan_in**-0.5, low=-3.0, high=3.0)
        layer = layer_of(weight)
        if layer is not None and self.seeks(weight):
            return weight.law("normal", std=self.std / math.sqrt(2 * (layer + 1)))
        return weight.law("normal", std=self.std)


_INNER = ("fc1", "linear1", "gate_proj", "up_proj", "gate_up_proj", "w1", "w3", "c_fc", "fc_in", "dense_h_to_4h")
#: Those of values, feed-forward layers and outputs.
SMALLER = ("v_proj", "wv", *_INNER, *RESIDUAL)


class deepnorm(_Blockwise):  # noqa: N801
    """Recipe: Glorot, times ``beta = (8 L)**(-1/4)`` in values, outputs and feed-forward layers.

    Parameters
    ----------
    layers : int
        Of a model that is an encoder or a decoder.
    smaller : sequence of str
        Names of the modules that are values, outputs and feed-forward layers, as for `gpt2`; by the usual ones what
        leads into a feed-forward layer must be found, too. None at all: ``()``.

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
    usual: ClassVar[tuple[str, ...]] = SMALLER
    needs_layers: ClassVar[bool] = True

    layers: int
    smaller: tuple[str, ...]
    alpha: float
    beta: float

    def __init__(self, layers: int, smaller: Sequence[str] = SMALLER) -> None:
        self.layers, self.smaller = integer("layers", layers, 1), tuple(smaller)
        self.alpha, self.beta = (2 * layers) ** 0.25, (8 * layers) ** -0.25

    def law(self, weight: Weight) -> Any:
        """Of a weight that is no norm and no bias."""
        return weight.law("glorot_normal", gain=self.beta if self.seeks(weight) else 1.0)

    def suffices(self, block: Block) -> bool:
        """Whether what leads into the feed-forward layer is known, too."""
        return super().suffices(block) and any(is_of(weight, *_INNER) for weight in block.values())


RECIPES.update({recipe.__name__: recipe for recipe in (gpt2, llama)})
