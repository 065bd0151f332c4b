"""Calls of the public surface that are drawn at random, and what each may come to.

A call gives what the twin gives, to the bit, or nearly, where BLAS rounds as it likes; or it raises an error of
`ALLOWED`, and has then written nothing. Anything else is a finding: another error, a bit, a byte written beside `out`,
a position that moved.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from operator import index as as_index
from random import Random
from typing import Any

import numpy as np

import fastinit as fi
from fastinit import reference
from fastinit.layout import Flat, checked_shape
from fastinit.reference import laws, structured

from .wild import (
    DTYPES,
    INDEXES,
    LAYOUTS,
    SEEDS,
    SHAPES,
    WILD_INDEXES,
    WILD_SHAPES,
    WORDS,
    BrokenError,
    Call,
    is_guarded,
    made,
    picked,
)  # fmt: skip

#: Errors that a refusal may be; and those that stand for themselves.
ALLOWED = (ValueError, TypeError, OverflowError, MemoryError, IndexError, KeyError, BrokenError)
_TWINS_KEPT = 20_000
#: Of calls that the twin has not been asked for before, one in so many is.
ASKED = 6

GAINS, STDS = ("1.0", "2", "0.5", "np.float32(0.3)", "0"), ("1.0", "0.02", "0", "np.float64(2.5)", "1e-40", "3e4")
NUMBERS = ("0.0", "0.25", "-1", "np.float16(0.5)", "1e-39", "7e4")
AXES = ("-2", "-1", "0", "1", "(0, 1)", "[-1]", "()", "(0,)")
FANNED = {"gain": GAINS, "distribution": ("'normal'", "'uniform'", "'truncated_normal'"), "in_axis": AXES,
          "out_axis": AXES, "batch_axis": ("()", "0", "(0,)")}  # fmt: skip
SCHEMES = (*reference.SCHEMES, "variance_scaling")
#: The parameters of its own of each function that makes an array, after the shape.
OWN: dict[str, dict[str, tuple[str, ...]]] = {
    "normal": {"mean": NUMBERS, "std": STDS},
    "uniform": {"low": ("0.0", "-1", "-0.5", "-0.0"), "high": ("1.0", "0.25", "np.float32(2)", "1e-39")},
    "truncated_normal": {
        "mean": NUMBERS,
        "std": STDS,
        "low": ("-2.0", "-inf", "1", "4.0"),
        "high": ("2.0", "inf", "5"),
    },
    "constant": {"value": NUMBERS},
    "zeros": {},
    "ones": {},
    "small_normal": {"std": STDS},
    "identity": {"gain": GAINS},
    "dirac": {"groups": ("1", "2", "3"), "in_axis": AXES, "out_axis": AXES},
    "orthogonal": {"gain": GAINS, "in_axis": AXES, "out_axis": AXES, "batch_axis": ("()", "0")},
    "delta_orthogonal": {"gain": GAINS, "in_axis": ("-2", "0"), "out_axis": ("-1", "1")},
    "sparse": {"sparsity": ("0.5", "0", "1", "0.9"), "std": STDS},
    **{name: dict(FANNED) for name in SCHEMES},
}
OWN["variance_scaling"] = {"scale": GAINS, "mode": ("'fan_in'", "'fan_out'", "'fan_avg'", "'fan_geo_avg'"), **FANNED}
_FUNCTIONS = tuple(OWN)
_ROUNDED = {"orthogonal", "delta_orthogonal"}


class Finding(Exception):  # noqa: N818  # it is what is looked for
    """What no call may come to."""


def use_fast_twin() -> None:
    """Let the twin keep the words that it has made: they take most of its time."""
    kept = lru_cache(4096)(reference.words)
    laws.words = structured.words = kept  # type: ignore[attr-defined]


# Drawing


def draw_array(drawn: Random) -> Call:
    """One of the functions that make an array."""
    function = _FUNCTIONS[int(drawn.random() * len(_FUNCTIONS))]
    shape = picked(drawn, SHAPES, WILD_SHAPES, 0.06)
    own = OWN[function]
    keywords = {name: picked(drawn, good, share=0.06) for name, good in own.items() if drawn.random() < 0.4}
    given = [shape]
    if function in ("constant", "sparse") and drawn.random() < 0.97:
        needed = next(iter(own))
        given.append(keywords.pop(needed, own[needed][0]))
    return Call(f"fi.{function}", tuple(given), {**keywords, **_common(drawn, shape)})


def _common(drawn: Random, shape: str) -> dict[str, str]:
    """What every array is asked for."""
    words, chance = {}, drawn.random
    if chance() < 0.95:
        words["seed"] = picked(drawn, SEEDS, share=0.05)
    if chance() < 0.3:
        words["name"] = picked(drawn, WORDS, share=0.1)
    dtype = "float32"
    if chance() < 0.6:
        dtype = DTYPES[int(chance() * 4)]
        words["dtype"] = repr(dtype) if chance() < 0.93 else picked(drawn, ("np.float32", "None", "'f4'"), share=0.7)
    if chance() < 0.35:
        words["index"] = picked(drawn, INDEXES, WILD_INDEXES, 0.15)
    if chance() < 0.35:
        words["out"] = _out(drawn, shape, dtype, words.get("index"))
    if chance() < 0.2:
        words["threads"] = picked(drawn, ("1", "2", "7", "None"), share=0.2)
    if chance() < 0.01:
        words["sed"] = "1"
    return words


@lru_cache(1 << 14)
def _shape_of(shape: str, index: str | None) -> tuple[int, ...] | None:
    """Of what is asked for, where that is one small array."""
    try:
        lengths = checked_shape(made(shape))
        if math.prod(lengths) > 4096:
            return None
        if index is None:
            return lengths
        return _cut(np.broadcast_to(np.int8(0), lengths), made(index)).shape
    except Exception:
        return None


def _out(drawn: Random, shape: str, dtype: str, index: str | None) -> str:
    chance, lengths = drawn.random, _shape_of(shape, index)
    if lengths is None or chance() < 0.08:
        return picked(drawn, ("memory('float32', (2, 3), 'plain')", "overlapping('f4', (2, 3))"), share=0.5)
    if chance() < 0.04:
        return f"mapped({dtype!r}, {lengths})" if dtype != "bfloat16" and math.prod(lengths) else "[]"
    if chance() < 0.05:
        return f"overlapping('f4', {lengths})" if len(lengths) < 9 else "()"
    layout = LAYOUTS[int(chance() * len(LAYOUTS))]
    if chance() < 0.04:
        return f"memory('>f4', {lengths}, {layout!r})"
    return f"memory({dtype!r}, {lengths}, {layout!r})"


# Judging


def _cut(whole: Any, index: Any) -> Any:
    if isinstance(index, list):
        return [_cut(whole, one) for one in index]
    if isinstance(index, Flat):
        return whole.ravel()[index.positions]
    return whole if index is None else whole[index]


def _same(one: Any, other: Any, rounded: bool) -> bool:
    if isinstance(one, list) or isinstance(other, list):
        return type(one) is type(other) and len(one) == len(other) and all(
            _same(a, b, rounded) for a, b in zip(one, other, strict=True))  # fmt: skip
    a, b = np.asarray(one), np.asarray(other)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if rounded:
        wide, other_wide = a.astype(np.float64), b.astype(np.float64)
        return bool(
            np.allclose(wide, other_wide, rtol=1e-2, atol=2e-5 * max(1.0, float(np.abs(other_wide).max(initial=0))))
        )
    return a.tobytes() == b.tobytes()


class Judge:
    """Makes calls and says what they came to; `counts` has how many were compared with the twin, or other calls."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._twins: dict[Any, Any] = {}

    def outcome(self, call: Call, make: Callable[[], Any], *outs: Any) -> tuple[str, Any]:
        """The name of the error that was raised, or "value", and the value."""
        try:
            value = make()
        except ALLOWED as error:
            if isinstance(error, UnicodeError):
                raise Finding(f"{call}: {error!r}") from error
            return type(error).__name__, error
        except Exception as error:
            raise Finding(f"{call}: {error!r}") from error
        return "value", value

    def array(self, call: Call, drawn: Random) -> str:
        """Judge one that makes an array."""
        function = getattr(fi, call.function[3:])
        given, keywords = [made(text) for text in call.given], {k: made(text) for k, text in call.keywords.items()}
        out = keywords.get("out")
        before = out.tobytes() if type(out) in (np.ndarray, np.memmap) and out.dtype.kind != "O" else None
        kind, value = self.outcome(call, lambda: function(*given, **keywords))
        if before is not None and (not is_guarded(out) or (kind != "value" and out.tobytes() != before)):
            raise Finding(f"{call}: {kind}, and memory was written")
        if kind == "value":
            if out is not None and value is not out and not isinstance(out, (list, tuple)):
                raise Finding(f"{call}: gives something else than out")
            self._against_twin(call, value, drawn)
        return kind

    def _against_twin(self, call: Call, value: Any, drawn: Random) -> None:
        keywords = dict(call.keywords)
        index, out = keywords.pop("index", "None"), keywords.pop("out", None)
        keywords.pop("threads", None)
        function = call.function[3:]
        if made(keywords.get("seed", "None")) is None and function not in (
            "constant",
            "zeros",
            "ones",
            "identity",
            "dirac",
        ):
            return
        dtype = made(keywords.pop("dtype", "'float32'"))
        if dtype is None:
            held = value[0] if isinstance(value, list) and value else value
            dtype = np.dtype("float32") if out is None or out == "None" else getattr(held, "dtype", np.dtype("float32"))
        name = "bfloat16" if "bfloat16" in str(dtype) else np.dtype(dtype).name
        axes = [made(keywords.get(name, "0")) for name in ("in_axis", "out_axis")]
        if function == "delta_orthogonal" and not all(hasattr(axis, "__index__") for axis in axes):
            return  # the twin knows kernels of one axis each
        if index != "None" and math.prod(checked_shape(made(call.given[0]))) > 4096:
            return  # a part of what no memory holds
        key = (function, call.given, *keywords.items(), name)
        whole = self._twins.get(key)
        if whole is None:
            if drawn.random() * ASKED > 1:
                return
            whole = self._twin(function, call.given, keywords, name)
            if len(self._twins) < _TWINS_KEPT:
                self._twins[key] = whole
        self.counts["twin"] += 1
        if not _same(value, _cut(whole, made(index)), function in _ROUNDED):
            raise Finding(f"{call}: {value!r}, and the twin {_cut(whole, made(index))!r}")

    def _twin(self, function: str, given: tuple[str, ...], keywords: dict[str, str], dtype: str) -> Any:
        """The whole array, of numbers as floats: the twin leaves them as they are."""
        words = {name: made(text) for name, text in keywords.items()}
        shape, *rest = [made(text) for text in given]
        for name in words.keys() - {"seed", "name", "in_axis", "out_axis", "batch_axis", "mode", "distribution"}:
            words[name] = as_index(words[name]) if name == "groups" else float(words[name])
        if "name" in words:
            words["name"] = str(words["name"])
        with np.errstate(all="ignore"):
            try:
                return getattr(reference, function)(checked_shape(shape), *map(float, rest), **words, dtype=dtype)
            except Exception as error:
                raise Finding(f"fi.{function}{given}{keywords}: a value, and the twin {error!r}") from error
