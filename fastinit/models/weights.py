"""Weights: arrays of a model by name, shape and dtype, inputs before outputs, and the laws that rules give them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from ..arguments import refuse, unexpected
from ..laws import Law
from ..scaling import Fans, fan_pair
from ..schemes import AXES, scheme_of
from .patterns import LIST, NoFansError, Patterns, of_each
from .plans import Entry, Plan, check_law
from .recipe import RECIPES, Recipe, layer_of, recipe_named

#: Last words of names that say no more than that it is the weight of what the name begins with.
_HELD = r"\.(kernel|embeddings?|weight|w|scale)$"
#: Of what holds it, where that is a norm or an embedding; of what is added.
_NORMS, _EMBEDDINGS, _BIASES = r"norm|(^|_)ln(_|\d|$)", r"emb|^w[tp]e$", ("b", "offset", "beta")

#: The axes of inputs, of outputs, and of arrays that are stacked, where a name says nothing else.
_SIDES: tuple[Any, Any, Any] = (-2, -1, ())


class Weight(NamedTuple):
    """What a rule is asked about: an array by its name, (..., in, out) unless `sides` says otherwise.

    What it is for is told by the names that flax, haiku and equinox give.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    sides: tuple[Any, Any, Any] = _SIDES

    @property
    def fans(self) -> Fans | None:
        """None below two axes, and of biases; refused where the name does not tell which axes they are along."""
        if self.known_fans is None and self.has_fans:
            _refuse_axes(self, "lecun_normal", {})
        return self.known_fans

    @property
    def has_fans(self) -> bool:
        """Whether it has inputs and outputs, known or not."""
        return len(self.shape) > 1 and not self.is_bias

    @property
    def known_fans(self) -> Fans | None:
        """Those that its name tells; None where it does not."""
        return Fans(*fan_pair(self.shape, *self.sides)) if self.has_fans and self._has_known_axes else None

    @property
    def _has_known_axes(self) -> bool:
        """Outputs come first in what Equinox calls a weight; of three axes some may be layers, experts or heads."""
        is_plain = len(self.shape) < 3 or self.sides != _SIDES or "conv" in self.name.lower()
        return is_plain and self._leaf != "weight"

    @property
    def path(self) -> str:
        """The name of what it is of, with dots for haiku's slashes; a number, as in ``h_0``, is that in a list."""
        return re.sub(r"_(\d+)(?=\.|$)", r".\1", re.sub(r"/(~/)?", ".", re.sub(_HELD, "", self.name)))

    @property
    def is_bias(self) -> bool:
        """Whether it is added to something."""
        return self._leaf == "bias" or (len(self.shape) < 2 and ("bias" in self._leaf or self._leaf in _BIASES))

    @property
    def in_norm(self) -> bool:
        """Whether a normalisation holds it."""
        return re.search(_NORMS, self._holder) is not None

    @property
    def is_norm(self) -> bool:
        """Whether it scales or shifts a normalisation."""
        return len(self.shape) < 2 and (self.in_norm or self._leaf == "scale")

    @property
    def is_embedding(self) -> bool:
        """Whether it is looked up, and nothing is multiplied by it."""
        is_called = self._leaf == "weight" and re.search(_EMBEDDINGS, self._holder) is not None
        return is_called or self._leaf.startswith("embedding")

    @property
    def door(self) -> str:
        """Whose recipes are made for it."""
        return "fastinit.jax"

    def law(self, scheme: Any, **keywords: Any) -> Ruled:
        """See `law_of`."""
        return law_of(scheme, self, **keywords)

    @property
    def _leaf(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def _holder(self) -> str:
        return f".{self.name}".rpartition(".")[0].rpartition(".")[2].lower()


class Ruled(NamedTuple):
    """What a rule gives a weight: a law, and its fans where there are any."""

    law: Law
    fans: Fans | None


#: The name of a recipe; a list of (pattern, scheme) or (pattern, scheme, keywords); or a function, as a recipe is one,
#: from a weight to what `law_of` gives, or to a law; None where it has none.
Rules = str | Sequence[tuple[Any, ...]] | Callable[[Weight], Ruled | Law | None]


def law_of(scheme: Any, weight: Weight, **keywords: Any) -> Ruled:
    """The law of a scheme for a weight. Keywords are the scheme's, axes among them."""
    known = scheme_of(scheme)
    if not known.is_called:
        unexpected(known.name, keywords, known.parameters)
    is_named = keywords.keys() >= {"in_axis", "out_axis"}
    if known.needs_fans and weight.known_fans is None and not is_named:
        if weight.has_fans:
            _refuse_axes(weight, known.name, keywords)
        rule = f"such that a scheme with a fan is for arrays of two axes or more ({known.name!r} is one)"
        refuse("rules", rule, (weight.name, weight.shape), NoFansError)
    axes = {axis: keywords.get(axis, own) for axis, own in zip(AXES, weight.sides, strict=True)}
    taken = {axis: own for axis, own in axes.items() if axis in known.parameters}
    law = known.law_for(weight.shape, **taken | keywords)
    is_known = weight.has_fans and (is_named or weight.known_fans is not None)
    return Ruled(law, Fans(*fan_pair(weight.shape, **axes)) if is_known else None)


def _refuse_axes(weight: Weight, scheme: str, keywords: Mapping[str, Any]) -> NoReturn:
    """Raise where nobody knows the axes of a weight, with rules for it that do as they are typed."""

    def typed(**axes: Any) -> tuple[Any, ...]:
        return weight.name, scheme, {**keywords, **axes}

    if len(weight.shape) < 3 or weight._leaf == "weight":
        cases = {"outputs come first, as in Equinox": typed(in_axis=1, out_axis=0)}
        cases["they do not"] = typed(in_axis=0, out_axis=1)
    else:
        last = {"in_axis": -2, "out_axis": -1}
        cases = {"it is of a convolution": typed(**last)}
        stacked = list(range(len(weight.shape) - 2))
        cases["it is a stack of matrices"] = typed(**last, batch_axis=stacked)
    rule = f"such that axes are named: {', '.join(f'{words} where {case}' for case, words in cases.items())}"
    refuse("rules", rule, (weight.name, weight.shape))


def planned(weights: Sequence[Weight], rules: Rules, law_of: Callable[..., Ruled] = law_of) -> Plan:
    """What rules give each of the weights; refused where one has no law, or a pattern comes first for none.

    `law_of` is that of the door.
    """
    rule: Any = rules
    if isinstance(rules, str):
        rule = _recipe(rules, weights)
    elif not callable(rules) or isinstance(rules, (Law, type)):
        rule = _Listed(rules, weights, law_of)
    given = of_each(weights, rule)
    if missing := [name for name, one in given.items() if one is None]:
        refuse(
            "rules", "such that each array has a law (a function may give one, and call a recipe for others)", missing
        )
    if isinstance(rule, Recipe):
        rule.check(weights, renamed=False)
    return Plan(_entry(weight, given[weight.name]) for weight in weights)


#: What is there instead of recipes that no name alone makes.
_NOT_BY_NAME = {
    "deepnorm": "fastinit.jax.deepnorm(layers=...)",
    "mup": "a function from a Weight to a law (only fastinit.torch has a recipe)",
}


def _recipe(name: str, weights: Sequence[Weight]) -> Recipe:
    """The recipe of that name for a model, of whose layers the names tell how many there are."""
    recipe = recipe_named(name, RECIPES, _NOT_BY_NAME, "a list, a function, a recipe made with its arguments, or ")
    if recipe.needs_layers and all(layer_of(weight) is None for weight in weights):
        refuse("rules", f"fastinit.jax.{name}(layers=...) where no name has the number of a block", name)
    return recipe.from_model(weights, renamed=False)


class _Listed(Patterns):
    """A list as a rule for these weights, each of which has one of its patterns."""

    def __init__(self, rules: Any, weights: Sequence[Weight], law_of: Callable[..., Ruled]) -> None:
        if not isinstance(rules, (list, tuple)):
            refuse("rules", f"{LIST}, or a function from a Weight to a law", rules, TypeError)
        super().__init__(rules)
        self._found, self._law_of = self.for_each([weight.name for weight in weights]), law_of

    def __call__(self, weight: Weight) -> Ruled:
        scheme, keywords = self._found[weight.name]
        return self._law_of(scheme, weight, **keywords)


def _entry(weight: Weight, given: Any) -> Entry:
    law, fans = given if isinstance(given, Ruled) else (given, weight.known_fans)
    if not isinstance(law, Law):
        refuse("rules", f"such that a function gives a law ({weight.name})", given, TypeError)
    check_law(law, weight.shape, weight.name, weight.dtype)
    return Entry(weight.name, weight.shape, law, weight.name, fans, weight.name)
