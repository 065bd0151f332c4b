"""Arguments that calls are tried with, as texts: what a call was is a line of Python, which makes it again.

Most of them break a rule; `GOOD` has some that do not. Shapes have few elements, or more than any memory holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from random import Random
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

import fastinit as fi

Array = np.ndarray[Any, Any]
DTYPES = ("float32", "float64", "float16", "bfloat16")


class BrokenError(Exception):
    """Of an argument that raises: that a call hands it on is right."""


class Raises:
    """An object one of whose methods raises, as each word says."""

    def __new__(cls, *names: str) -> Any:
        def broken(self: Any, *_: Any, **__: Any) -> Any:
            raise BrokenError

        return object.__new__(type("Raises", (cls,), dict.fromkeys(names, broken)))

    def __init__(self, *_: str) -> None:
        pass

    def __repr__(self) -> str:
        return "a broken object"


class Says:
    """An object whose methods give what they are told to give, right or wrong."""

    def __new__(cls, **answers: Any) -> Any:
        methods = {f"__{name}__": (lambda self, *_, _answer=answer, **__: _answer) for name, answer in answers.items()}
        return object.__new__(type("Says", (cls,), methods))

    def __init__(self, **_: Any) -> None:
        pass

    def __repr__(self) -> str:
        return "an object that says"


class Changes:
    """A sequence that is shorter each time it is asked."""

    def __init__(self) -> None:
        self.length = 4

    def __len__(self) -> int:
        self.length -= 1
        return max(self.length, 0)

    def __getitem__(self, place: int) -> int:
        if place >= self.length:
            raise IndexError
        return 2

    def __iter__(self) -> Iterator[int]:
        return iter([2] * max(self.length, 0))


def nested(depth: int) -> list[Any]:
    """Lists in lists."""
    return [] if depth == 0 else [nested(depth - 1)]


def memory(dtype: str, shape: tuple[int, ...], layout: str) -> Array:
    """An array of 7s in the middle of others, of that layout: see `is_guarded`."""
    kind = np.dtype(dtype) if dtype != "bfloat16" else _bfloat16()
    size = int(np.prod(shape)) * kind.itemsize
    if layout == "apart":
        held = np.full(_shape_apart(shape), 7, kind)
        return held[..., 1::2] if shape else held[1:2].reshape(())
    room = np.full(size + 129, 7, np.uint8)
    first = -room.ctypes.data % 64 + (1 if layout == "unaligned" else 0)
    plain = room[first : first + size].view(kind).reshape(shape if layout != "fortran" else shape[::-1])
    if layout == "fortran":
        return plain.T
    if layout == "backwards":
        return plain[tuple(slice(None, None, -1) for _ in shape)] if shape else plain
    if layout == "locked":
        plain.flags.writeable = False
    return plain


def _shape_apart(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of an array that has a 7 before and after each element of the last axis."""
    return (*shape[:-1], 2 * shape[-1] + 1) if shape else (3,)


def overlapping(dtype: str, shape: tuple[int, ...]) -> Array:
    """An array whose elements lie over each other."""
    return np.lib.stride_tricks.as_strided(np.zeros(300, np.dtype(dtype)), shape, (2,) * len(shape))


def mapped(dtype: str, shape: tuple[int, ...]) -> Array:
    """An array that is a file."""
    from tempfile import TemporaryFile

    return np.memmap(TemporaryFile(), np.dtype(dtype), "w+", shape=shape)


def is_guarded(out: Array) -> bool:
    """Whether what lies around memory of `memory` is as it was."""
    room = out
    while isinstance(room.base, np.ndarray):
        room = room.base
    if room.dtype == out.dtype and room.shape == _shape_apart(out.shape):
        return bool((room[..., ::2] == 7).all())
    if room.dtype != np.uint8 or room.ndim != 1 or room.size < 129:
        return True
    low, high = np.lib.array_utils.byte_bounds(out)
    start = room.ctypes.data
    return bool((room[: low - start] == 7).all() and (room[high - start :] == 7).all())


def _bfloat16() -> Any:
    from ml_dtypes import bfloat16

    return np.dtype(bfloat16)


#: What the texts are read with.
NAMES: dict[str, Any] = {
    "np": np, "fi": fi, "inf": float("inf"), "nan": float("nan"), "Decimal": Decimal, "Fraction": Fraction,
    "Raises": Raises, "Says": Says, "Changes": Changes, "nested": nested, "memory": memory,
    "overlapping": overlapping, "mapped": mapped,
}  # fmt: skip

_codes: dict[str, CodeType] = {}


def made(text: str) -> Any:
    """What the text means, made anew."""
    code = _codes.get(text)
    if code is None:
        if len(_codes) > 200_000:
            _codes.clear()
        code = _codes[text] = compile(text, "<argument>", "eval")
    return eval(code, NAMES)


class Call(NamedTuple):
    """A function and its arguments as texts; those without a keyword first."""

    function: str
    given: tuple[str, ...]
    keywords: dict[str, str]

    def __str__(self) -> str:
        words = [*self.given, *(f"{name}={text}" for name, text in self.keywords.items())]
        return f"{self.function}({', '.join(words)})"


WILD = [
    *("None", "True", "False", "0", "1", "-1", "2", "3", "7", "2**44", "2**62", "2**63", "2**64", "2**128", "-2**63"),
    *("10**400", "-10**4400", "0.0", "-0.0", "0.5", "1.5", "2.0", "5e-324", "1e-45", "1e38", "3.5e38", "1e308"),
    *("nan", "inf", "-inf", "1j", "''", "'a'", "'3'", "'he_normal'", "'float32'", "b'3'", "bytearray(b'3')"),
    *("'\\ud800'", "'\\0'", "'é' * 300", "[]", "()", "{}", "[2, 3]", "(2, 3)", "{2: 3}", "{2, 3}", "range(3)"),
    *("range(-1)", "iter([2, 3])", "[[2], [3, 4]]", "[None]", "(2, None)", "nested(50)", "object()", "Ellipsis"),
    *("slice(1, 3)", "slice('a')", "slice(None, None, 0)", "(lambda *a, **k: 3)", "int", "float", "type", "np", "fi"),
    *("np.float32(0.5)", "np.float16(2)", "np.int8(3)", "np.uint64(2**63)", "np.bool_(True)", "np.float64(nan)"),
    *("np.longdouble(0.5)", "np.complex64(1)", "np.str_('a')", "np.bytes_(b'a')", "np.datetime64('2020')"),
    *("np.timedelta64(3)", "np.void(b'abc')", "np.array(3)", "np.array(0.5)", "np.array([2])", "np.array([2, 3])"),
    *("np.array([0.5, nan])", "np.array(['a'])", "np.array([2, None])", "np.zeros((0, 3))", "np.zeros((2, 0))"),
    *("np.array([True, False])", "np.array([2, 3], '>i8')", "np.arange(6)[::-2]", "np.ma.array([2, 3], mask=[0, 1])"),
    *("np.ma.masked", "np.matrix([[2, 3]])", "np.zeros(3, 'f4,i4')", "np.zeros(2, 'M8[s]')", "np.zeros(2, 'V3')"),
    *("np.recarray(2, 'f4')", "np.dtype('f4')", "np.dtype('>f4')", "np.float32", "np.floating", "np.dtype('f4,i4')"),
    *("np.broadcast_to(np.float32(2), (3, 4))", "np.random.SeedSequence(5)", "np.random.default_rng(5)", "fi.ARS(5)"),
    *("fi.default_rng(5)", "fi.flat", "fi.flat[1:3]", "fi.laws.Normal()", "fi.laws", "fi.Moments()", "fi.normal"),
    *("Fraction(1, 3)", "Fraction(2)", "Decimal('0.5')", "Decimal('NaN')", "memoryview(b'abc')", "Changes()"),
    *("Raises('__index__', '__int__')", "Raises('__float__')", "Raises('__array__')", "Raises('__len__')"),
    *("Raises('__iter__')", "Raises('__eq__')", "Raises('__hash__')", "Raises('__bool__')", "Raises('__str__')"),
    *("Raises('__call__')", "Raises('__getitem__', '__len__')", "Raises('__array_interface__')", "Raises('dtype')"),
    *("Says(index=3)", "Says(index='3')", "Says(index=-1)", "Says(index=2**70)", "Says(float=0.5)", "Says(float='a')"),
    *("Says(len=3)", "Says(len=-1)", "Says(len=2**62)", "Says(iter=3)", "Says(array=3)", "Says(dtype=3)"),
    *("Says(array=np.zeros(3))", "Says(bool=3)", "Says(fspath='a')", "Says(fspath=3)", "Says(call=3)"),
]  # fmt: skip

SHAPES = [
    *(
        "()",
        "0",
        "1",
        "5",
        "33",
        "(7,)",
        "[2, 3]",
        "(2, 3)",
        "(3, 2)",
        "(4, 4)",
        "(5, 9)",
        "(1, 1)",
        "(0, 3)",
        "(3, 0)",
    ),
    *("(8, 16)", "(3, 3, 4)", "(3, 4, 6)", "(2, 3, 2, 4)", "(1, 2, 1, 3, 1)", "(2, 2, 2, 3, 4)", "(2,) * 7"),
    *("(1,) * 10", "np.int64(6)", "np.array([3, 5])", "range(2, 4)", "(np.int32(3), 4)"),
]
WILD_SHAPES = [
    *("-1", "(2, -3)", "(2, 2.5)", "(2**62, 2**62)", "2**62", "(2**45, 4)", "(0, 2**70)", "(1,) * 64", "(1,) * 65"),
    *("(2, True)", "(3, None)", "((2, 3), 4)", "'33'", "(2, '3')", "(nan, 3)", "(Says(index=3), 2)", "[[2, 3]]"),
    *("(Raises('__index__'), 2)", "(2, 3, Ellipsis)", "np.array([[2, 3]])", "np.array([2.0, 3.0])", "(3, 4**0.5)"),
]
INDEXES = [
    *("np.s_[:]", "np.s_[1:]", "np.s_[::2]", "np.s_[::-1]", "np.s_[-1]", "np.s_[0]", "np.s_[...]", "np.s_[None]"),
    *(
        "np.s_[..., -1]",
        "np.s_[..., ::2]",
        "np.s_[1:, 1:]",
        "np.s_[::-1, ::-2]",
        "np.s_[0, 0]",
        "np.s_[None, ..., None]",
    ),
    *("np.s_[5:2]", "np.s_[()]", "np.s_[1:, ..., 1]", "np.s_[-3:10**30]", "np.s_[np.int64(1):]", "fi.flat[3:9]"),
    *("fi.flat[::-3]", "fi.flat[-2]", "fi.flat[:]", "[np.s_[:1], np.s_[1:]]", "[np.s_[..., :1], None, fi.flat[2:]]"),
    *("[]", "[None]", "np.s_[::3, ::-1, :1]", "np.s_[:, :, :, 0]"),
]
WILD_INDEXES = [
    *("np.s_[99]", "np.s_[-99]", "np.s_[..., ...]", "np.s_[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", "np.s_[2.5]"),
    *("np.s_[True]", "np.s_[[0, 1]]", "np.array([True, False])", "np.s_[::0]", "np.s_['a':]", "fi.flat[1, 2]"),
    *("fi.flat[99]", "fi.flat[None]", "[[np.s_[:1]]]", "[fi.flat]", "np.s_[10**30]", "[3, 'a']", "fi.flat[1.5:]"),
]
LAYOUTS = ("plain", "plain", "unaligned", "fortran", "backwards", "apart", "locked")
SEEDS = ("0", "1", "2**127 + 5", "[1, 2]", "np.random.SeedSequence(3)", "np.uint64(2**63)", "np.array([5])")
WORDS = ("''", "'w'", "'layers.3.é'", "np.str_('w')")


def picked(drawn: Random, good: Any, wild: Any = (), share: float = 0.12) -> str:
    """One that is good; now and then one that is wild, of those of its kind or of all."""
    if drawn.random() >= share:
        return str(good[int(drawn.random() * len(good))])
    kind = wild if wild and drawn.random() < 0.5 else WILD
    return str(kind[int(drawn.random() * len(kind))])
