"""PyTorch: single functions, small tensors, a rank's part of one, and what the context costs, beside torch's own ways.

torch is imported when a race begins, not before: its entrants need it, and are left out where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

import fastinit as fi
from fastinit.dtypes import kind_of

from .checks import BOUND, STD, check_law, check_orthogonal
from .races import ALL_THREADS, LARGE, Array, Call, Check, Entrant, Race, side, size_label

_RANKS, _RANK = 8, 3
_CALLS = 1000


def torch_calls(most: int) -> Iterator[Race]:
    """Single functions, small and large, a shard, and what the context costs a call."""
    for n in (n for n in (64, 256, 1 << 10, 1 << 12) if n <= most):
        yield _small("uniform_", n)
        yield _small("normal_", n)
    yield _orthogonal(side(2048, most))
    for dtype in ("float32", "bfloat16"):
        yield _truncated(dtype, min(LARGE, most), cut=True)
        yield _truncated(dtype, min(LARGE, most), cut=False)
    yield _shard(side(4096, most) // _RANKS * _RANKS)
    yield _context()


def torch_entrant(bind: Callable[..., Call], *arguments: Any, **more: Any) -> Entrant:
    """An entrant whose `bind` takes torch, fastinit.torch and the buffer."""

    def late(out: Array) -> Call:
        return bind(import_module("torch"), import_module("fastinit.torch"), out, *arguments)

    return Entrant(late, needs="torch", **more)


def no_buffer() -> Array:
    """Of a race whose calls make their own memory, each after one like it, as what was there before decides its price.

    A system that hands free memory back to a host takes long to fetch it again, and longer in large pages.
    """
    return np.zeros(0)


def inside(context: Callable[..., Any], make: Callable[[], Any], **settings: Any) -> Call:
    def call() -> Any:
        with context(**settings):
            return make()

    return call


def _tensor(torch: Any, out: Array) -> Any:
    """The same memory as a tensor."""
    if out.dtype.name == "bfloat16":
        return torch.from_numpy(out.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(out)


def _small(name: str, n: int) -> Race:
    """A small tensor by a function of torch.nn.init, against torch's and against the tensor's own method."""
    first, second, law = (-BOUND, BOUND, "uniform") if name == "uniform_" else (0.0, STD, "normal")

    def ours(torch: Any, door: Any, out: Array) -> Call:
        tensor, fill = _tensor(torch, out), getattr(door, name)
        return lambda: fill(tensor, first, second)

    def own(torch: Any, _: Any, out: Array) -> Call:
        tensor, fill = _tensor(torch, out), getattr(torch.nn.init, name)
        return lambda: fill(tensor, first, second)

    def method(torch: Any, _: Any, out: Array) -> Call:
        fill = getattr(_tensor(torch, out), name)
        return lambda: fill(first, second)

    ways = {"fastinit": ours, "torch": own, "torch, method": method}
    entrants = {label: torch_entrant(bind, writes=True) for label, bind in ways.items()}
    return Race("torch", f"{name} {size_label(n)}", n, partial(np.ones, n, np.float32), check_law(law), entrants)


def _functions(name: str, **settings: Any) -> dict[str, Entrant]:
    """A function of torch.nn.init, ours and torch's."""

    def ours(torch: Any, door: Any, out: Array) -> Call:
        return partial(getattr(door, name), _tensor(torch, out), **settings)

    def own(torch: Any, _: Any, out: Array) -> Call:
        return partial(getattr(torch.nn.init, name), _tensor(torch, out), **settings)

    # torch's 16-bit uniforms are rounded down, and its columns are orthonormal to rounding errors of another method.
    return {"fastinit": torch_entrant(ours, writes=True), "torch": torch_entrant(own, slack=5e-3, writes=True)}


def _orthogonal(n: int) -> Race:
    buffer = partial(np.ones, (n, n), np.float32)
    entrants = _functions("orthogonal_")
    return Race("torch", f"orthogonal_ {n} x {n}", n * n, buffer, check_orthogonal, entrants, ALL_THREADS)


def _truncated(dtype: str, n: int, *, cut: bool) -> Race:
    """Cut at two standard deviations; or with the bounds left as they are, which at this one cut nothing."""
    settings = {"a": -2 * STD, "b": 2 * STD} if cut else {}
    entrants = _functions("trunc_normal_", std=STD, **settings)
    name = f"trunc_normal_ {dtype} {size_label(n)}, {'cut at 2 sd' if cut else 'bounds beyond reach'}"
    buffer = partial(np.ones, n, kind_of(dtype).dtype)
    check, quick = check_law("truncated" if cut else "normal"), dtype == "float32"
    return Race("torch", name, n, buffer, check, entrants, quick=quick)


def _shard(n: int) -> Race:
    """What a rank of eight computes for its rows, or columns, of a square matrix: the shard, or the whole to cut it."""
    length = n // _RANKS
    some = slice(_RANK * length, (_RANK + 1) * length)
    parts = {"fastinit": np.s_[some, :], "fastinit, columns": np.s_[:, some], "fastinit, the whole": np.s_[:, :]}

    def ours(torch: Any, door: Any, _: Array, index: Any) -> Call:
        offset = tuple(one.start or 0 for one in index)
        size = tuple(length if one.start else n for one in index)
        local = torch.ones(size)
        boxes = [(offset, (0, 0), size)]
        return lambda: door.fill_rectangles_(local, (n, n), boxes, "normal", seed=0, name="w", std=STD).numpy()

    def materialised(torch: Any, *_: Any) -> Call:
        whole, local = torch.ones(n, n), torch.ones(length, n)

        def call() -> Array:
            torch.nn.init.normal_(whole, std=STD)
            return local.copy_(whole[some]).numpy()

        return call

    def check_part(index: Any) -> Check:
        def check(result: Array, *_: Any) -> float:
            expected = fi.normal((n, n), std=STD, seed=0, name="w", index=index)
            assert np.array_equal(result, expected), "values differ from those of the whole"
            return 0.0

        return check

    entrants = {label: torch_entrant(ours, index, check=check_part(index)) for label, index in parts.items()}
    entrants["torch, the whole, then cut"] = torch_entrant(materialised)
    return Race("torch", f"1/{_RANKS} of {n} x {n}", n * length, no_buffer, check_law("normal"), entrants)


def _context() -> Race:
    """Calls of torch without a draw, which the context sees as well."""

    def calls(torch: Any, *_: Any) -> Call:
        tensor = torch.zeros(8)

        def call() -> Any:
            for _ in range(_CALLS):
                tensor.add_(1)
            return tensor

        return call

    def nothing(torch: Any, *rest: Any) -> Call:
        return inside(torch.overrides.BaseTorchFunctionMode, calls(torch))

    entrants = {
        "fastinit": torch_entrant(lambda torch, door, _: inside(door.fast_init, calls(torch))),
        "torch": torch_entrant(calls),
        "a mode that does nothing": torch_entrant(nothing),
    }
    return Race("torch", f"{_CALLS} calls without a draw", _CALLS, no_buffer, _check_calls, entrants)


def _check_calls(tensor: Any, _: Array, __: float) -> float:
    assert float(tensor[0]) >= _CALLS and float(tensor.std()) == 0, "calls are missing"
    return 0.0
