"""Plans: what each tensor of a model is going to hold, before anything is allocated."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from torch import nn

from ...arguments import integer, refuse
from ...laws import Called, Law, Packed
from ...machine import usually_rounded
from ...models.patterns import examples_for, of_each, usual_scheme
from ...models.plans import Entry, Plan, check_law
from ...models.recipe import Recipe, recipe_named
from ...schemes import Scheme
from ..rules.lists import Listed, Rule, Rules
from ..rules.modules import sides_of
from ..rules.recipe import BY_MODULES, modules_draw, rule_names
from ..rules.weights import Ruled, Weight, ruled
from ..tensors.checks import check_here, check_model, check_tensor
from ..tensors.fills import dtype_for
from ..tensors.names import Rename, canonical_name
from ..tensors.shards import Partition, check_partition, checked_partition, pieces_of, reshard
from ..tensors.ties import check_apart, untied, warn_untied
from .own import METHODS, own_inits, unreached
from .recording import Draw, recorded
from .resets import OwnTensor, own_tensors


@usually_rounded
def plan(
    model: nn.Module,
    rules: Rules = "torch",
    *,
    rename: Rename | None = None,
    split: Mapping[str, int] | None = None,
    partition: Partition | None = None,
) -> Plan:
    """What `initialize_` would do to a model, which may be on the meta device: name, shape, law, deviation, fans.

    Parameters
    ----------
    model, rules, rename, split, partition
        As for `initialize_`.

    Returns
    -------
    Plan
        A list with an entry for each parameter; as a string, a table.

    Raises
    ------
    ValueError, TypeError
        If a rule matches nothing, or nothing matches a parameter; see `initialize_`.

    Warns
    -----
    UserWarning
        Of two tensors that the model ties, of initialisations that ``"torch"`` leaves out, and of parameters that have
        none of those that ``"own"`` runs, as `initialize_`.

    Notes
    -----
    Parameters and buffers are away while the modules' own initialisations are asked what they would draw: other threads
    must not use the model meanwhile.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch
    >>> with torch.device("meta"):
    ...     model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    >>> print(fastinit.torch.plan(model, [("*.bias", "zeros"), ("*", "he_normal")]))
    name      shape    law                  std      fan_in  fan_out
    0.weight  256x784  normal(std=0.05051)  0.05051  784     256
    0.bias    256      zeros()              0        -       -
    2.weight  10x256   normal(std=0.08839)  0.08839  256     10
    2.bias    10       zeros()              0        -       -
    """
    check_model(model)
    reshard(model)
    own = list(own_tensors(model))
    for one in own:
        if not one.tensor.is_meta:
            check_tensor(one.full_name, one.tensor)
    check_apart((one.full_name, one.tensor) for one in own)
    found = planned(model, own, rules, rename=rename, split=split, partition=partition)
    found.warn("plan")
    return found.plan


class Planned(NamedTuple):
    """A plan, how it is carried out, and what there is to be said of it.

    `runs` are those of `BY_MODULES` that run, if any do, with `begins` of their `Steps`, and `settled` ones which only
    draw what is planned; what has a law is then filled if `fills`. `left_out` names classes whose own initialisations
    do not run, `unreached` parameters that none is of.
    """

    plan: Plan
    runs: str | None
    begins: Mapping[str, float]
    settled: Mapping[int, Sequence[str]]
    fills: bool
    untied: Sequence[str]
    left_out: Sequence[str]
    unreached: Sequence[str]

    def warn(self, door: str) -> None:
        """To the caller of the door."""
        if self.untied:
            warn_untied(door, self.untied, stacklevel=4)
        if self.left_out:
            whose = ", ".join(self.left_out)
            text = f"rules='torch' leaves out the initialisation that {whose} has of its own; rules='own' runs it"
            warnings.warn(f"{door}: {text}", stacklevel=4)
        if self.unreached:
            first = ", ".join(self.unreached[:3]) + (", ..." if len(self.unreached) > 3 else "")
            text = (
                f"rules='own': {len(self.unreached)} parameters are of no module with an initialisation of its own, "
                f"and have their modules' resets; what a constructor draws cannot be run: {first}"
            )
            warnings.warn(f"{door}: {text}", stacklevel=4)


def planned(
    model: nn.Module,
    own: Iterable[OwnTensor],
    rules: Rules,
    *,
    rename: Rename | None,
    split: Mapping[str, int] | None,
    partition: Partition | None,
) -> Planned:
    """The plan for a model and its own tensors; see `plan`."""
    if not isinstance(split, Mapping | None):
        refuse("split", "a mapping of patterns to numbers of parts", split, TypeError)
    if partition is not None:
        checked_partition(partition)
    weights = _weights(own, rename, split or {}, partition)
    if isinstance(rules, str) and rules in BY_MODULES:
        given = dict.fromkeys((weight.name for weight in weights.values()), BY_MODULES[rules])
    else:
        given = _given(rules, [*weights.values()], rename is not None)
    whole = _is_left_whole(given)
    drawn, runs, begins, settled = _drawn(model, weights, given, rename, whole)
    left_out = own_inits(model) if rules == "torch" else []
    if missing := [weight.name for weight in weights.values() if weight.name not in drawn]:
        remedy = _remedy(rules, given, left_out, missing, [*weights.values()])
        refuse("rules", f"such that each parameter has a law ({remedy})", missing)
    entries = Plan()
    for full_name, weight in weights.items():
        law, stream, fans = drawn[weight.name][:3]
        fans = fans or weight.known_fans
        if law is not None:
            check_law(law, weight.shape, weight.name, dtype_for(law, weight.dtype))
        entries.append(Entry(weight.name, weight.shape, law, stream, fans, full_name))
    left = [weight for weight in weights.values() if modules_draw(given.get(weight.name)) == "own"]
    beyond = unreached(model) if left else set()
    alone = [weight.name for weight in left if weight.module in beyond]
    return Planned(entries, runs, begins, settled, not whole, untied(model), left_out, alone)


def _is_left_whole(given: Mapping[str, Ruled]) -> bool:
    """Whether rules leave all parameters to modules, in one way."""
    kinds = set(map(modules_draw, given.values()))
    return len(kinds) == 1 and kinds != {None}


def _remedy(
    rules: Rules,
    given: Mapping[str, Ruled],
    left_out: Sequence[str],
    missing: Sequence[str],
    weights: Sequence[Weight],
) -> str:
    """What there is to do where rules give parameters no law."""
    if left_out:
        return f"rules='own' runs the initialisation of {', '.join(left_out)}"
    if not callable(rules) and modules_draw(given.get(missing[0])) is not None:
        listed = _with_examples([("*", rules)] if isinstance(rules, str) else rules, missing, weights)
        return f"what no module initialises needs a rule, and what each wants in the place of these examples: {listed}"
    if isinstance(rules, (list, tuple)):
        return "a list may end with ('*', 'torch')"
    return "a function may give one, and call a recipe for the rest"


def _with_examples(
    rules: Sequence[tuple[Any, ...]], missing: Sequence[str], weights: Sequence[Weight]
) -> list[tuple[Any, ...]]:
    """Rules that leave all other weights what they have, and of the old ones those that come first for one."""
    some, others = ([one for one in weights if (one.name in missing) is here] for here in (True, False))
    examples = examples_for(some, others, usual_scheme)
    idle = Listed(rules).unmatched(others)
    return [*examples, *(rule for rule in rules if rule[0] not in idle)]


def _given(rules: Rules, weights: Sequence[Weight], renamed: bool) -> dict[str, Ruled]:
    """By name, what rules give each weight that they give something."""
    rule = _rule(rules, weights, renamed)
    given = {name: ruled(one) for name, one in of_each(weights, rule, lambda _: ("torch",)).items() if one is not None}
    for name, one in given.items():
        if not isinstance(one, Ruled):
            refuse("rules", f"such that a function gives a law ({name})", one, TypeError)
    if isinstance(rule, Recipe):
        rule.check(weights, renamed)
    return given


def _drawn(
    model: nn.Module, weights: Mapping[str, Weight], given: Mapping[str, Ruled], rename: Rename | None, whole: bool
) -> tuple[dict[str, Draw], str | None, dict[str, float], Mapping[int, Sequence[str]]]:
    """By name, what each weight gets; and `runs`, `begins` and `settled` of `Planned`."""
    named = {weight.name: weight for weight in weights.values()}
    draws = {name: _draw(one, named[name]) for name, one in given.items() if modules_draw(one) is None}
    runs, begins, settled = None, dict[str, float](), dict[int, Sequence[str]]()
    for kind in BY_MODULES:
        left = [name for name, one in given.items() if modules_draw(one) == kind]
        if not left:
            continue
        if kind == "own" and not own_inits(model):
            methods = ", ".join(METHODS)
            refuse("rules", f"'torch', say, where no module has an initialisation of its own (by {methods})", kind)
        found, starts, steps = recorded(model, rename, own=kind == "own")
        draws |= {name: found[name] for name in left if name in found}
        computed = [name for name in left if name in found and found[name].law is None]
        if wrong := [name for name in computed if runs is not None or (found[name].entangled and not whole)]:
            refuse("rules", f"{kind!r} in a list where no module computes values from other tensors", wrong)
        if whole or computed:
            runs, begins, settled = kind, dict(starts), dict(steps) if whole else {}
    if runs is not None and not whole:
        begins |= {name: math.inf for name, one in draws.items() if one.law is not None}
    return draws, runs, begins, settled


def _draw(given: Ruled, weight: Weight) -> Draw:
    """What a rule gives a weight, and so each of the parts that it is packed from along its outputs."""
    law = given.law
    if isinstance(law, Called) and weight.split > 1:
        rule = f"left out for {weight.name}, whose law is a function of yours, which may make its parts itself"
        refuse("split", rule, weight.split)
    if law is not None and not law.is_independent and weight.split > 1:
        sides = sides_of(weight.module, weight.shape) if given.fans is None else None  # but for axes that its rule has
        law = Packed(law, weight.split, getattr(law, "out_axis", 0) if sides is None else sides.out_axis)
    return Draw(law, weight.name, given.fans)


#: Recipes that no name alone makes, and what does.
_MADE = {
    "mup": "fastinit.torch.mup(base), with base the same model made at a smaller width,",
    "deepnorm": "fastinit.torch.deepnorm(layers=...)",
}


def _rule(rules: Rules, weights: Sequence[Weight], renamed: bool) -> Rule:
    """Rules that were given as a name, a list or a function, as a function."""
    if isinstance(rules, str):
        return recipe_named(rules, rule_names(), _MADE).from_model(weights, renamed)
    if isinstance(rules, Law | Scheme | type):
        rule = "a list such as [('*', scheme)], a recipe made with its arguments, or a function"
        refuse("rules", rule, rules, TypeError)
    return rules if callable(rules) else Listed(rules)


def _weights(
    own: Iterable[OwnTensor], rename: Rename | None, split: Mapping[str, int], partition: Partition | None
) -> dict[str, Weight]:
    """Every parameter by its full name; a parametrized tensor is one, whatever it is computed from."""
    found, unused = dict[str, Weight](), list(split)
    for full_name, module, _, tensor, _ in own:
        check_here(tensor, full_name=full_name)
        check_partition(tensor, partition)
        name = canonical_name(full_name, rename)
        pieces = pieces_of(tensor, partition)
        shape, parts = tuple(tensor.shape) if pieces is None else pieces.shape, 1
        for pattern in split:
            if fnmatchcase(name, pattern):
                parts = integer("split", split[pattern], 1)
                unused = [one for one in unused if one != pattern]
        found[full_name] = Weight(name, module, shape, tensor.dtype, parts)
    if unused:
        refuse("split", "patterns that match a parameter", unused)
    return found
