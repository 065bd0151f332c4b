"""Recipe: a rule that says itself what it seeks in a model, what it leaves alone, and what it needs of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeAlias

from ..arguments import choice, closest, first_few, refuse
from ..schemes import SCHEMES
from .patterns import refuse_unused

#: A weight as its door sees it, which has: `name`; `path`, the name of what it is of; `shape`; `fans`; `is_norm`,
#: `is_bias`, `is_embedding`, `in_norm` (its module is one); and `law`, from a scheme to what its rules give.
Weight: TypeAlias = Any


class Sought(NamedTuple):
    """What a recipe is there to scale: its argument that has the names of the modules, and these in words."""

    argument: str
    words: str


class Recipe:
    """Base of recipes: rules from a `Weight` to a law, which refuse a model that they are not for.

    A subclass gives `law`. It is known by its name where it is registered (`register_recipe`).

    Attributes
    ----------
    sought : Sought
        Of the class. A model must have one of the weights that it `seeks`. None: it seeks nothing.
    needs_layers : bool
        Of the class: whether it is made with the number of layers of the whole model, as ``recipe(layers=...)``.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> from fastinit.torch import Recipe, law_of
    >>> class narrow(Recipe):
    ...     def law(self, weight):
    ...         return law_of("normal", weight, std=0.01)
    >>> [entry.std for entry in fastinit.torch.plan(torch.nn.Linear(4, 4), narrow())]
    [0.01, 0.0]
    """

    sought: ClassVar[Sought | None] = None
    needs_layers: ClassVar[bool] = False

    @classmethod
    def from_model(cls, weights: Sequence[Weight], renamed: bool) -> Recipe:
        """The recipe for a model whose rules are its name."""
        if not cls.needs_layers:
            return cls()
        if renamed:
            rule = f"{cls.__name__}(layers=...) where rename is given (a stage does not know how many there are)"
            refuse("rules", rule, cls.__name__)
        numbers = [number for weight in weights if (number := layer_of(weight)) is not None]
        made: Callable[..., Recipe] = cls  # which says by `needs_layers` that it takes these
        return made(layers=1 + max(numbers, default=0))

    def __call__(self, weight: Weight) -> Any:
        return conventional(weight) if self.leaves(weight) else self.law(weight)

    def law(self, weight: Weight) -> Any:
        """Of a weight that it does not leave alone."""
        raise NotImplementedError(f"{type(self).__name__} has no `law`")

    def leaves(self, weight: Weight) -> bool:
        """Whether it leaves a weight what all recipes give it: the `conventional` law."""
        return len(weight.shape) < 2 or weight.is_norm or weight.is_bias or weight.in_norm

    def seeks(self, weight: Weight) -> bool:
        """Whether a weight is one of those that it is there to scale."""
        return self.sought is not None and is_of(weight, *getattr(self, self.sought.argument))

    def unmatched(self, weights: Iterable[Weight]) -> list[str]:
        """Those of its patterns that come first for none of the weights."""
        return []

    def check(self, weights: Sequence[Weight], renamed: bool) -> None:
        """Raise where a pattern matches nothing; or nothing is sought, but in a renamed stage, which may have none."""
        if unmatched := self.unmatched(weights):
            refuse_unused(unmatched, [weight.name for weight in weights], what="a parameter")
        if self.sought is not None and not renamed:
            self._check_sought(self.sought, [weight for weight in weights if len(weight.shape) > 1])

    def _check_sought(self, sought: Sought, weights: Sequence[Weight]) -> None:
        argument, words = sought
        names = getattr(self, argument)
        if names and not any(map(self.seeks, weights)):
            ends = sorted({_path_end(weight.path) for weight in weights})
            remedy = (
                f"{self._call_with((), weights)} if it has none, or theirs in place of () (it has {first_few(ends, 8)})"
            )
            if names == getattr(type(self), "usual", ()):
                usual = f"the usual names of {words} the model ({first_few(names, 4)})"
                refuse(argument, f"given where there is none of {usual}: {remedy}", None)
            refuse(argument, f"names, or ends of paths, of {words} the model: {remedy}", names)

    def _call_with(self, names: tuple[str, ...], weights: Sequence[Weight]) -> str:
        """How the recipe is made with other names of what it seeks, as it is typed."""
        assert self.sought is not None
        layers = f"layers={getattr(self, 'layers', '...')}, " if self.needs_layers else ""
        home = f"{weights[0].door}." if weights and type(self).__module__.startswith("fastinit.") else ""
        return f"{home}{type(self).__name__}({layers}{self.sought.argument}={names})"


def conventional(weight: Weight) -> Any:
    """Norms begin as the identity, biases at zero. Of other vectors and numbers, which may be factors, nobody knows."""
    if weight.is_bias:
        return weight.law("zeros")
    return weight.law("ones") if weight.is_norm else None


def layer_of(weight: Weight) -> int | None:
    """The first number in the path of a weight, or in its name after that."""
    found = re.search(r"(?:^|\.)(\d+)\.", f"{weight.path}.")
    return None if found is None else int(found[1])


def is_of(weight: Weight, *names: str) -> bool:
    """Whether it is, or is that of, something so called; a name may be the end of a path, as ``mlp.dense``."""
    return f".{weight.path}".endswith(tuple(f".{name}" for name in names))


def _path_end(path: str) -> str:
    """What something is called that a weight is of, and what holds it where that is no number."""
    *_, holder, last = ["0", *path.split(".")]
    return last if holder.isdecimal() else f"{holder}.{last}"


#: Recipes by name.
RECIPES: dict[str, type[Recipe]] = {}


def recipe_named(name: str, known: Collection[str], made: Mapping[str, str], other: str = "") -> type[Recipe]:
    """The recipe of that name; `made` has, for those that no name alone makes, what does. Rules may be `other` too."""
    remedies = {**{scheme: f"[('*', {scheme!r})]" for scheme in SCHEMES}, **made}
    meant = name if name in remedies else next(iter(closest(name, [*known, *remedies])), name)
    if name not in RECIPES and meant in remedies and meant not in known:
        refuse("rules", f"{remedies[meant]} where that is meant", name)
    return RECIPES[choice("rules", name, known, other)]
