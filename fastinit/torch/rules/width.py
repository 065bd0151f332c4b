"""Width: the recipe by which what was tuned in a small model is right in a wide one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from torch import nn

from ...arguments import refuse
from ...laws import Law
from ...models.recipe import Recipe
from ..tensors.names import canonical_name
from .lists import Listed
from .modules import sides_of
from .recipe import modules_draw
from .weights import Ruled, Weight, law_of, refuse_axes, ruled

#: Of a mean that is found by quadrature, in deviations.
_ROUNDING = 1e-12


class Factors(NamedTuple):
    """What muP asks for beside a weight's law: factors on its output and on the learning rates of the base model."""

    kind: str
    multiplier: float
    adam: float
    sgd: float


class _Lecun(Recipe):
    def law(self, weight: Weight) -> Ruled:
        return law_of("lecun_normal", weight)


class mup(Recipe):  # noqa: N801
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
    if several do, and its module does not tell which they are, its rule must name the axes. Where the sides of a hidden
    weight grow unequally SGD wants fan-out over fan-in, which is 1 in the table.

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

    base_shapes: dict[str, tuple[int, ...]]
    rule: Callable[[Weight], Any]

    def __init__(self, base_shapes: Mapping[str, Any] | nn.Module, rules: Any = None) -> None:
        if isinstance(base_shapes, nn.Module):
            named = base_shapes.named_parameters(remove_duplicate=False)
            base_shapes = {canonical_name(name): tensor.shape for name, tensor in named}
        self.base_shapes = {name: tuple(shape) for name, shape in base_shapes.items()}
        self.rule = _Lecun() if rules is None else rules if callable(rules) else Listed(rules)

    def unmatched(self, weights: Iterable[Weight]) -> list[str]:
        """Patterns of the base model's rules that come first for none of the weights."""
        return self.rule.unmatched(weights) if isinstance(self.rule, Recipe) else []

    def __call__(self, weight: Weight) -> Ruled | None:
        base = self._base(weight)
        given = self._given(base)
        if (left := modules_draw(given)) is not None:
            refuse("rules", f"such that {weight.name} has the law of the base model, not its module's own", left)
        kind, (fan_in, _) = self._growth(weight, base)
        if kind != "hidden" or not isinstance(given, Ruled) or given.law is None:
            return given
        return given._replace(law=_narrowed(given.law, 1 / math.sqrt(fan_in), weight.name))

    def _given(self, weight: Weight) -> Any:
        return ruled(self.rule(weight))

    def factors(self, model: nn.Module, rename: Callable[[str], str] | None = None) -> dict[str, Factors]:
        """By canonical name: the kind of a weight, and what to multiply its output and its learning rates by.

        The multiplier is for the output of a weight that leads to a fixed number of units (a tied one under the name by
        which it does). Attention must be scaled by 1 / d, not 1 / sqrt(d), up to a constant.
        """
        found = {}
        for prefix, module in model.named_modules():
            for leaf, tensor in module.named_parameters(recurse=False):
                name = canonical_name(f"{prefix}.{leaf}".removeprefix("."), rename)
                found[name] = self._factors(Weight(name, module, tuple(tensor.shape), tensor.dtype))
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
        return weight._replace(shape=shape)

    def _growth(self, weight: Weight, base: Weight) -> tuple[str, tuple[float, float]]:
        """By which sides grow with the width, the kind of a weight; and how much they do."""
        if weight.shape == base.shape:
            return "fixed", (1.0, 1.0)
        sides = self._sides(weight, base)
        grows = (sides[0] != 1, sides[1] != 1)
        return {(True, True): "hidden", (True, False): "output"}.get(grows, "input"), sides

    def _sides(self, weight: Weight, base: Weight) -> tuple[float, float]:
        """How much its inputs and its outputs have grown, without those of a kernel's places or of a group."""
        both = [self._given(one) for one in (weight, base)]
        named = [one.fans for one in both if isinstance(one, Ruled) and one.fans is not None]
        if len(named) == 2:
            return named[0].fan_in / named[1].fan_in, named[0].fan_out / named[1].fan_out
        ratios = [length / before for length, before in zip(weight.shape, base.shape, strict=True)]
        if len(ratios) == 1 or isinstance(weight.module, nn.Embedding):
            return 1.0, ratios[-1]
        grown = [axis for axis, ratio in enumerate(ratios) if ratio != 1]
        sides = sides_of(weight.module, weight.shape)
        if sides is None and len(grown) == 1:
            return 1.0, ratios[grown[0]]
        if sides is None or not {*grown} <= {sides.in_axis, sides.out_axis, *sides.batch_axis}:
            refuse_axes(weight)
        return ratios[sides.in_axis], ratios[sides.out_axis]


def _narrowed(law: Law, factor: float, name: str) -> Law:
    """A law around zero with another standard deviation. That of a structure depends on the shape already."""
    if not abs(law.mean) <= _ROUNDING * law.std or not law.is_independent:
        called = str(law).partition("(")[0]
        refuse("rules", f"a law around zero for {name}, which grows on both sides", called)
    return law.scaled(factor)
