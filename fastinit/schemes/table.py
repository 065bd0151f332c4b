"""Table: every scheme by its name, a row each, and those that users register; many arrays at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import FunctionType
from typing import Any, TypeAlias

from ..arguments import Function, choice, hide_unknown, refuse, type_of, unexpected
from ..laws import (
    Constant,
    DeltaOrthogonal,
    Dirac,
    Identity,
    Law,
    Normal,
    Orthogonal,
    Sparse,
    Truncated,
    Uniform,
)
from ..laws.called import OneLaw, UsersFunction
from ..models.patterns import Patterns
from ..stream import seed_number
from ..typing import SchemeName, Seed, Shape
from .scheme import AXES, COMMON, REQUIRED, Scheme

#: A scheme by its name, itself, or a function that makes arrays. What is registered later has no name here.
SchemeLike: TypeAlias = SchemeName | Scheme | Callable[..., Any]

_ROWS = (
    Scheme("normal", family=Normal, keywords={"mean": 0.0, "std": 1.0}),
    Scheme("uniform", family=Uniform, keywords={"low": 0.0, "high": 1.0}),
    Scheme("truncated_normal", family=Truncated, keywords={"mean": 0.0, "std": 1.0, "low": -2.0, "high": 2.0}),
    Scheme("constant", family=Constant, keywords={"value": REQUIRED}),
    Scheme("zeros", family=OneLaw(Constant(0.0))),
    Scheme("ones", family=OneLaw(Constant(1.0))),
    Scheme("identity", family=Identity, keywords={"gain": 1.0}),
    Scheme("dirac", family=Dirac, keywords={"groups": 1, "in_axis": -2, "out_axis": -1}),
    Scheme("variance_scaling", 1.0, keywords={"scale": 1.0, "mode": "fan_in"}),
    Scheme("small_normal", family=Normal, keywords={"std": 0.01}),
    Scheme("lecun_normal", 1.0),
    Scheme("lecun_uniform", 1.0, distribution="uniform"),
    Scheme("glorot_normal", 1.0, "fan_avg"),
    Scheme("glorot_uniform", 1.0, "fan_avg", "uniform"),
    Scheme("he_normal", 2.0),
    Scheme("he_uniform", 2.0, distribution="uniform"),
    Scheme("xavier_normal", 1.0, "fan_avg"),
    Scheme("xavier_uniform", 1.0, "fan_avg", "uniform"),
    Scheme("kaiming_normal", 2.0),
    Scheme("kaiming_uniform", 2.0, distribution="uniform"),
    Scheme("orthogonal", family=Orthogonal, keywords={"gain": 1.0, **AXES}),
    Scheme("delta_orthogonal", family=DeltaOrthogonal, keywords={"gain": 1.0, "in_axis": -2, "out_axis": -1}),
    Scheme("sparse", family=Sparse, keywords={"sparsity": REQUIRED, "std": 0.01}),
)

#: Every scheme that is known, laws among them, by its name.
SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in _ROWS}

#: Names of the package itself, which none that is registered has.
OWN = frozenset(SCHEMES)

#: What the public functions of those call whose values the core makes: draw((shape, dtype, keywords...), ...).
DRAWS: dict[str, Callable[..., Any]] = {scheme.name: scheme._calls.draw for scheme in _ROWS}


#: In rules it is what a module's own reset draws.
_RESERVED = ("torch",)


def register(scheme: Scheme) -> Scheme:
    """Make a scheme known by its name at every door.

    `init`, `verify`, `profile`, the rules of ``fastinit.torch`` and the command line then take the name.

    Parameters
    ----------
    scheme : Scheme
        Of a name that none has.

    Returns
    -------
    Scheme
        The same.

    Raises
    ------
    ValueError, TypeError
        If it is none, or another scheme has its name.

    Examples
    --------
    >>> import fastinit as fi
    >>> scheme = fi.register(fi.Scheme("nearly_he", scale=1.8))
    >>> bool(abs(fi.init({"w": (450, 300)}, "nearly_he", seed=0)["w"].std() / (1.8 / 450) ** 0.5 - 1) < 0.01)
    True
    >>> fi.unregister("nearly_he")
    """
    if not isinstance(scheme, Scheme):
        refuse("scheme", "a Scheme", scheme, TypeError)
    if not scheme.name.isidentifier() or scheme.name in _RESERVED:
        refuse("scheme", "of a name as Python's are, and not 'torch'", scheme.name)
    if SCHEMES.get(scheme.name, scheme) != scheme:
        refuse("scheme", "of a name that no other scheme has", scheme.name)
    return SCHEMES.setdefault(scheme.name, scheme)


def unregister(name: str) -> None:
    """Forget a scheme that was registered.

    Parameters
    ----------
    name : str
        Its name.

    Raises
    ------
    ValueError, TypeError
        If none of that name was registered; those of the package stay.

    Examples
    --------
    >>> import fastinit as fi
    >>> scheme = fi.register(fi.Scheme("forgotten_soon", scale=1.2))
    >>> fi.unregister("forgotten_soon")
    """
    registered = set(SCHEMES) - OWN
    del SCHEMES[choice("name", name, sorted(registered))]


#: The scheme of each public function. A function made of one by `functools.wraps` is another.
_OF_FUNCTION: dict[Callable[..., Any], Scheme] = {}


def public(function: Function) -> Function:
    """A public function that makes what the scheme of its name makes."""
    hide_unknown(function)
    _OF_FUNCTION[function] = SCHEMES[function.__name__]
    return function


def scheme_of(scheme: Any) -> Scheme:
    """The scheme of that name, public function or law; any other callable is one by itself."""
    if isinstance(scheme, str):
        return SCHEMES[choice("scheme", scheme, SCHEMES)]
    if isinstance(scheme, Scheme):
        return scheme
    if isinstance(scheme, Law):
        return Scheme(scheme.name, family=OneLaw(scheme))
    if isinstance(scheme, type) and issubclass(scheme, Law):
        refuse("scheme", f"a law, not its class ({scheme.__name__}(...) is one)", scheme, TypeError)
    if callable(scheme):
        known = _OF_FUNCTION.get(scheme) if isinstance(scheme, FunctionType) else None
        name = str(getattr(scheme, "__name__", "") or type(scheme).__name__)
        return Scheme(name, family=UsersFunction(scheme)) if known is None else known
    return choice("scheme", scheme, SCHEMES)


def init(
    shapes: Mapping[str, Shape],
    scheme: SchemeLike | Sequence[tuple[Any, ...]] = "he_normal",
    seed: Seed = None,
    **keywords: Any,
) -> dict[str, Any]:
    """Many arrays at once, each under its own name, so that none shares numbers with another.

    Parameters
    ----------
    shapes : mapping of str to shape
        Name of each array, and its shape.
    scheme : str, Scheme, callable or list
        The name of a law or scheme, or a callable ``(shape, *, seed, name, ...) -> array``; or a list of ``(pattern,
        scheme)`` or ``(pattern, scheme, keywords)``, of which the first counts whose pattern matches the name.
    seed : int, list or array of int, numpy.random.SeedSequence or None
        One for all; None takes fresh entropy, once.
    **keywords
        Passed on: gain, dtype, ... Beside a list, those that every scheme takes.

    Returns
    -------
    dict
        Name to array, in the order of `shapes`.

    Raises
    ------
    ValueError, TypeError
        If the scheme is unknown, or one of its arguments breaks a rule; or no pattern matches a name, or one comes
        first for none.

    Notes
    -----
    Adding, removing or reordering arrays changes no other.

    Examples
    --------
    >>> import fastinit as fi
    >>> weights = fi.init({"fc1": (784, 256), "fc2": (256, 10)}, "he_normal", seed=0)
    >>> weights["fc2"].shape
    (256, 10)
    >>> shapes = {"fc.weight": (784, 256), "fc.bias": 256}
    >>> both = fi.init(shapes, [("*.bias", "zeros"), ("*", "he_normal", {"gain": 0.5})], seed=0, dtype="float16")
    >>> bool((both["fc.weight"] == fi.he_normal((784, 256), gain=0.5, seed=0, name="fc.weight", dtype="float16")).all())
    True
    """
    if not isinstance(shapes, Mapping):
        refuse("shapes", "a mapping of names to shapes", type_of(shapes), TypeError)
    if keywords.get("out") is not None:
        refuse("out", "left out where many arrays are made", type_of(keywords["out"]))
    rules, number = rules_for(shapes, scheme, **keywords), seed_number(seed)
    arrays = {}
    for name, shape in shapes.items():
        try:
            make, own = rules[name]
            arrays[name] = make(shape, seed=number, name=name, **keywords, **own)
        except (TypeError, ValueError) as error:
            raise type(error)(f"array {name!r}: {error}") from error
    return arrays


def rules_for(names: Collection[str], scheme: Any, **keywords: Any) -> dict[str, tuple[Scheme, Mapping[str, Any]]]:
    """Of each name the scheme, and keywords that are its alone, where these are given for all."""
    if "rules" in keywords:
        raise TypeError("init() got an unexpected keyword argument 'rules' (a list of rules goes in `scheme`)")
    if isinstance(scheme, (list, tuple)):
        unexpected("init", keywords, COMMON[2:])
        rules = Patterns(scheme, "scheme").for_each(names)
        found = {name: (scheme_of(make), own) for name, (make, own) in rules.items()}
        for make, own in found.values():
            unexpected(make.name, own, own.keys() - {*COMMON} if make.is_called else make.parameters)
        return found
    make = scheme_of(scheme)
    if not make.is_called:
        unexpected("init", keywords, (*make.parameters, *COMMON[2:]))
    return dict.fromkeys(names, (make, {}))
