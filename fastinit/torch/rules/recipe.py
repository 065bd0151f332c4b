"""Recipes by their names, as torch's door knows them, beside what it leaves to modules."""

from __future__ import annotations

from typing import Any, TypeVar

from ...arguments import refuse
from ...models.recipe import RECIPES, Recipe
from .weights import Ruled

#: What modules draw themselves, by their resets alone or by what is beyond these too; as a scheme in a list as well.
BY_MODULES = {"torch": Ruled(None), "own": Ruled(None, own=True)}
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
