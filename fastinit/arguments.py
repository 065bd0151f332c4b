"""Arguments: what a value must be, and one sentence for when it is not."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from itertools import islice
from operator import index as as_index
from typing import Any, NoReturn, ParamSpec, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")


class Words(str):
    """What stands in a message for a value: it is shown as it is, for quotes would make it the value."""

    __slots__ = ()
    __repr__ = str.__str__


def type_of(value: Any) -> Words:
    """What is shown of a value whose own words would say less, or too much."""
    return Words(type(value).__name__)


def refuse(name: str, rule: str, value: Any, error: type[Exception] = ValueError) -> NoReturn:
    """Raise `error`: `name` must be `rule`, got `value`."""
    try:
        shown = repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        shown = f"what has too many digits to be shown ({type(value).__name__})"
    raise error(f"`{name}` must be {rule}, got {shown}")


def _may_be_number(value: Any) -> bool:
    """Whether `value` is no array with axes, no text and no truth, of which Python too makes numbers."""
    if not (hasattr(value, "__float__") or hasattr(value, "__index__")) or getattr(value, "ndim", 0) != 0:
        return False
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return type(value) is not bool
    kind = getattr(dtype, "kind", None)
    return (str(dtype) if kind is None else kind) not in ("b", "S", "U", "torch.bool")


def is_integer(value: Any) -> bool:
    """Whether `value` is one integer, of Python or of a library of arrays."""
    if type(value) is int:
        return True
    if not _may_be_number(value):
        return False
    try:
        as_index(value)
    except TypeError:
        return False
    return True


def integer(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """`value` as an int, in [low, high) where these are given."""
    number = as_index(value) if is_integer(value) else None
    if number is not None and (low is None or number >= low) and (high is None or number < high):
        return number
    rule = "an integer"
    if low is not None:
        rule += f" of at least {low}" if high is None else f" in [{low}, {high})"
    if isinstance(value, float) and value.is_integer():
        rule += f", as {int(value)} is"
    refuse(name, rule, value if number is None else number, TypeError if number is None else ValueError)


def real(name: str, value: Any, *, low: float = -math.inf, infinite: bool = False) -> float:
    """`value` as a float, finite (unless `infinite`) and at least `low`."""
    if type(value) is int and -(1 << 53) < value < 1 << 53:
        value = float(value)
    if type(value) is float and low <= value < math.inf and value > -math.inf:
        return value
    rule = "a number" if infinite else "a finite number"
    if low > -math.inf:
        rule += f" of at least {low:g}"
    if not isinstance(value, float) and not _may_be_number(value):
        refuse(name, rule, value, TypeError)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        refuse(name, rule, value, TypeError)
    if number < low or math.isnan(number) or (math.isinf(number) and not infinite):
        refuse(name, rule, number)
    return number


def boolean(name: str, value: Any) -> bool:
    """`value`, True or False, of Python or NumPy."""
    if type(value).__name__ != "bool":
        refuse(name, "True or False", value, TypeError)
    return bool(value)


def choice(name: str, value: Any, choices: Collection[str], other: str = "") -> Any:
    """`value`, one of `choices`; a rule that also allows `other` forms names them first."""
    if isinstance(value, str) and value in choices:
        return value
    listed = list(choices)
    message = f"`{name}` must be {other}one of {', '.join(map(repr, listed))}, got {value!r}{nearest(value, listed)}"
    raise (ValueError if isinstance(value, str) else TypeError)(message)


def closest(value: Any, listed: Collection[str], most: int = 1) -> list[str]:
    """Which of these it is nearest to, if any: the nearest first."""
    from difflib import get_close_matches  # for a message only: it would lengthen every import

    return get_close_matches(value, listed, most) if isinstance(value, str) else []


def nearest(value: Any, listed: Collection[str]) -> str:
    """The end of a message: which of these it is nearest to, if any."""
    found = closest(value, listed)
    return f" (nearest: {found[0]!r})" if found else ""


class UnknownKeyError(KeyError):
    """One that is shown as it is worded: of a `KeyError` it is the repr."""

    #: What was asked for.
    asked: Any = None

    __str__ = Exception.__str__


def key(value: Any, keys: Collection[str]) -> str:
    """`value`, one of the keys of a mapping; where it is none, the nearest are told first."""
    if isinstance(value, str) and value in keys:
        return value
    listed = dict.fromkeys((*closest(value, keys, 3), *keys))
    try:
        return str(choice("name", value, listed))
    except ValueError as error:
        unknown = UnknownKeyError(str(error))
        unknown.asked = value
        raise unknown from None


def check_open(name: str, client: Any) -> None:
    """Raise where what is to work for us is a client of Dask that has been closed."""
    if getattr(client, "status", None) in ("closed", "closing"):
        refuse(name, "a client that is not closed", client)


def first_few(names: Collection[str], most: int = 3) -> str:
    """Names in a sentence: the first of many, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(islice(names, most)) + more


def unexpected(function: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise, in the name of the function that was called, where a keyword is not among those it knows."""
    listed = list(known)
    for keyword in given:
        if keyword not in listed:
            hint = nearest(keyword, listed)
            raise TypeError(f"{function}() got an unexpected keyword argument {keyword!r}{hint}")


def hide_unknown(function: Function) -> Function:
    """A function whose signature shows no ``*more`` and ``**unknown``, which take what `refuse_unknown` refuses."""
    from inspect import signature  # slow to import, and no part of what the command line needs

    shown = signature(function)
    known = [one for one in shown.parameters.values() if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    function.__signature__ = shown.replace(parameters=known)  # type: ignore[attr-defined]
    return function


def refuse_unknown(function: Callable[..., Any], unknown: Mapping[str, Any], lengths: tuple[Any, ...] = ()) -> None:
    """Raise in the name of a public function, whose parameters these are not; `lengths` are a shape in pieces."""
    from inspect import signature

    if len(lengths) > 1:
        raise TypeError(f"{function.__name__}() takes a shape as one argument: {function.__name__}({lengths!r})")
    unexpected(function.__name__, unknown, signature(function).parameters)


def names_nearest(function: Callable[P, R]) -> Callable[P, R]:
    """A public function that names the nearest of its keywords where one is not known, as Python does from 3.13 on."""

    @wraps(function)
    def named(*arguments: P.args, **keywords: P.kwargs) -> R:
        try:
            return function(*arguments, **keywords)
        except TypeError:
            refuse_unknown(function, keywords)
            raise

    return named
