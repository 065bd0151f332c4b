"""Recipe: a rule that says itself what it seeks in a model, what it leaves alone, and what it needs of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

from ...arguments import first_few, refuse
from ...laws import Law
from .modules import is_norm
from .weights import Ruled, Weight, law_of, path_end


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
        numbers = [weight.layer for weight in weights if weight.layer is not None]
        made: Callable[..., Recipe] = cls  # which says by `needs_layers` that it takes these
        return made(layers=1 + max(numbers, default=0))

    def __call__(self, weight: Weight) -> Ruled | Law | None:
        return conventional(weight) if self.leaves(weight) else self.law(weight)

    def law(self, weight: Weight) -> Ruled | Law | None:
        """Of a weight that it does not leave alone."""
        raise NotImplementedError(f"{type(self).__name__} has no `law`")

    def leaves(self, weight: Weight) -> bool:
        """Whether it leaves a weight what all recipes give it: the `conventional` law."""
        return len(weight.shape) < 2 or weight.is_norm or weight.is_bias or is_norm(weight.module)

    def seeks(self, weight: Weight) -> bool:
        """Whether a weight is one of those that it is there to scale."""
        return self.sought is not None and weight.is_of(*getattr(self, self.sought.argument))

    def unmatched(self, weights: Iterable[Weight]) -> list[str]:
        """Those of its patterns that come first for none of the weights."""
        return []

    def check(self, weights: Sequence[Weight], renamed: bool) -> None:
        """Raise where a pattern matches nothing; or nothing is sought, but in a renamed stage, which may have none."""
        if unmatched := self.unmatched(weights):
            refuse("rules", "patterns of which each comes first for a parameter", unmatched)
        if self.sought is not None and not renamed:
            self._check_sought(self.sought, [weight for weight in weights if len(weight.shape) > 1])

    def _check_sought(self, sought: Sought, weights: Sequence[Weight]) -> None:
        argument, words = sought
        names = getattr(self, argument)
        if names and not any(map(self.seeks, weights)):
            ends = first_few(sorted({path_end(weight.name) for weight in weights}), 8)
            rule = f"names, or ends of paths, of {words} the model: {self._call_with(())} where it has none"
            are_usual = names == getattr(type(self), "usual", ())
            refuse(argument, f"{rule}, else with all that are such of {ends}", "the usual ones" if are_usual else names)

    def _call_with(self, names: tuple[str, ...]) -> str:
        """How the recipe is made with other names of what it seeks, as it is typed."""
        assert self.sought is not None
        layers = f"layers={getattr(self, 'layers', '...')}, " if self.needs_layers else ""
        home = "fastinit.torch." if type(self).__module__.startswith("fastinit.") else ""
        return f"{home}{type(self).__name__}({layers}{self.sought.argument}={names})"


def conventional(weight: Weight) -> Ruled | None:
    """Norms begin as the identity, biases at zero. Of other vectors and numbers, which may be factors, nobody knows."""
    if weight.is_bias:
        return law_of("zeros", weight)
    return law_of("ones", weight) if weight.is_norm else None


#: What modules draw themselves, by their resets alone or by what is beyond these too; as a scheme in a list as well.
BY_MODULES = {"torch": Ruled(None), "own": Ruled(None, own=True)}
#: Recipes by name.
RECIPES: dict[str, type[Recipe]] = {}
Registered = TypeVar("Registered", bound=type[Recipe])


def register_recipe(recipe: Registered) -> Registered:
    """Let ``rules=`` know a recipe by the name of its class, also as a decorator of that.

    Parameters
    ----------
    recipe : subclass of Recipe
        Such as can be called without arguments, or with ``layers=`` alone (see `Recipe`).

    Returns
    -------
    type
        `recipe`.

    Raises
    ------
    ValueError, TypeError
        If it is no recipe, or there is one of that name.
    """
    if not (isinstance(recipe, type) and issubclass(recipe, Recipe)):
        refuse("recipe", "a subclass of fastinit.torch.Recipe", recipe, TypeError)
    taken = rule_names()
    if recipe.__name__ in taken:
        refuse("recipe", f"of a name that is not among {', '.join(map(repr, taken))}", recipe.__name__)
    RECIPES[recipe.__name__] = recipe
    return recipe


def rule_names() -> list[str]:
    """What ``rules=`` knows by name, as does the command line."""
    return [*BY_MODULES, *RECIPES]


def modules_draw(given: Any) -> str | None:
    """The name of what a rule gave, where that is left to modules."""
    if not isinstance(given, Ruled) or given.law is not None:
        return None
    return "own" if given.own else "torch"
