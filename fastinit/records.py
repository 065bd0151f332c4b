"""Records: results that compare and hash by what they say, and are written as JSON and read back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar, NoReturn, TypeVar

import numpy as np

from .arguments import Words, refuse
from .version import VERSION

Array = np.ndarray[Any, Any]
Read = TypeVar("Read", bound="Record")

#: Strict JSON has no such numbers: these stand for them, and null for what is not a number.
_INFINITIES = {math.inf: "inf", -math.inf: "-inf"}


class Record:
    """A result: `to_json` writes it, `from_json` gives back an equal one, and not a number equals itself.

    A class of records says by `to_dict` what it is made of (of a dataclass these are its fields), by `from_dict` how it
    is made of that again, and raises `format_version` when the keys change their meaning.
    """

    #: By default the name of the class.
    format_name: ClassVar[str] = ""
    format_version: ClassVar[int] = 1

    def to_dict(self) -> dict[str, Any]:
        """All of it as dictionaries, lists, strings and numbers; NaN is None, infinities are "inf" and "-inf"."""
        own: Any = type(self)  # a dataclass, where this is not overridden
        return {one.name: plain(getattr(self, one.name)) for one in fields(own)}

    @classmethod
    def from_dict(cls: type[Read], found: Mapping[str, Any]) -> Read:
        """That of which `to_dict` gives these dictionaries, lists, strings and numbers."""
        raise NotImplementedError(f"{cls.__name__}.from_dict")

    def to_json(self) -> str:
        """What `to_dict` gives as JSON, with the format and its version."""
        import json  # a tenth of the time of the import of the package

        return json.dumps(labelled(self), allow_nan=False)

    @classmethod
    def from_json(cls: type[Read], text: str) -> Read:
        """An equal one from what `to_json` wrote.

        Parameters
        ----------
        text : str
            The JSON.

        Raises
        ------
        ValueError
            If it is no JSON, or of another format or version.
        """
        import json

        try:
            found = json.loads(text, parse_constant=_refuse_constant)
        except (TypeError, ValueError, RecursionError):
            refuse("text", f"JSON of {_format(cls)}", _short(text))
        return unlabelled(found, cls)

    def _identity(self) -> Any:
        """What is compared; two of one class with the same are equal."""
        return self.to_dict()

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return bool(self is other or self._identity() == other._identity())

    def __ne__(self, other: object) -> bool:  # that of a tuple or a dictionary would be found before that of object
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __hash__(self) -> int:
        return hash((type(self), _hashable(self._identity())))


def labelled(record: Record) -> dict[str, Any]:
    """What `to_json` writes."""
    labels = {"format": _name(type(record)), "version": record.format_version, "fastinit": VERSION}
    return {**labels, **record.to_dict()}


def unlabelled(found: Any, *kinds: type[Read]) -> Read:
    """The record, of one of these classes, of which `labelled` made that."""
    named = (found.get("format"), found.get("version")) if isinstance(found, Mapping) else (None, None)
    kind = next((one for one in kinds if named == (_name(one), one.format_version) and type(named[1]) is int), None)
    if kind is None:
        rule = f"JSON of {' or of '.join(map(_format, kinds))}"
        refuse("text", rule, "format {!r}, version {!r}".format(*named))
    try:
        return kind.from_dict(found)
    except KeyError as error:
        refuse("text", _whole(kind), Words(f"that of {_writer(found)}, with nothing under {error}"))
    except (TypeError, AttributeError, IndexError) as error:
        refuse("text", _whole(kind), Words(f"that of {_writer(found)} ({error})"))


def plain(value: Any) -> Any:
    """A value as it goes into JSON: arrays are lists, NaN is None, infinities are "inf" and "-inf"."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        return _plain_array(value)
    if isinstance(value, float) and not math.isfinite(value):
        return _INFINITIES.get(value)
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(one) for one in value]
    return value


def _plain_array(array: Array) -> Any:
    if array.dtype.kind != "f":
        return array.tolist()
    values = array.astype(np.float64).astype(object)
    values[np.isnan(array)] = None
    for infinity, word in _INFINITIES.items():
        values[array == infinity] = word
    return values.tolist()


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, whose columns begin below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def real_number(value: Any) -> float:
    """The number that `plain` made that of."""
    return float(real_array(value))


def real_array(values: Any) -> Array:
    """The array of numbers that `plain` made these lists of."""
    try:
        return np.array(values, object).astype(np.float64)
    except ValueError as error:
        raise TypeError(str(error)) from error


def _name(kind: type[Record]) -> str:
    return f"fastinit {kind.format_name or kind.__name__}"


def _format(kind: type[Record]) -> str:
    return f"format {_name(kind)!r}, version {kind.format_version}"


def _whole(kind: type[Record]) -> str:
    return f"JSON of {_format(kind)}, with all that fastinit {VERSION} reads of it (the version that wrote it reads it)"


def _writer(found: Mapping[str, Any]) -> str:
    """Which version wrote it; 0.1 did not say so."""
    return f"fastinit {found['fastinit']}" if "fastinit" in found else "an earlier fastinit"


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


def _short(text: Any) -> Any:
    return f"{text[:20]}..." if isinstance(text, str) and len(text) > 20 else text


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return frozenset((key, _hashable(one)) for key, one in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value
