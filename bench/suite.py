"""Suite: every race there is. A race is cheap until it is run: its buffer is made then, and let go after."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

import fastinit as fi
from fastinit import _core
from fastinit.dtypes import kind_of

from . import checks
from .checks import BOUND, STD, check_bits, check_law, check_moment
from .peers import Peer, installed, read_limit
from .profiles import profiles, sweeps
from .races import ALL_THREADS, MOST, SIZES, Array, Call, Entrant, Race, side, size_label
from .torch_models import torch_models

DTYPES = ("float32", "bfloat16", "float64", "float16")
LAWS = {
    "normal": lambda out, **more: fi.normal(out.shape, 0, STD, seed=0, dtype=None, out=out, **more),
    "uniform": lambda out, **more: fi.uniform(out.shape, -BOUND, BOUND, seed=0, dtype=None, out=out, **more),
    "truncated": lambda out, **more: fi.truncated_normal(out.shape, 0, STD, seed=0, dtype=None, out=out, **more),
}


def races(most: int = MOST) -> list[Race]:
    """All races, on arrays of at most `most` values (the large layer: 16 times as many)."""
    parts = (fills, fresh, schemes, moments, calls, threads, levels, large, orthogonal, profiles, sweeps, torch_models)
    return [race for part in parts for race in part(most)]


def _touched(shape: int | tuple[int, ...], dtype: str) -> Array:
    return np.zeros(shape, kind_of(dtype).dtype) + kind_of(dtype).dtype.type(1)


def _from_peers(ask: Callable[[Peer], dict[str, Entrant]]) -> dict[str, Entrant]:
    return {label: entrant for peer in installed() for label, entrant in ask(peer).items()}


def _memset(out: Array, workers: int = 1) -> Call:
    """Clear the buffer: the rate at which memory is written."""
    cuts = np.linspace(0, out.nbytes, workers + 1, dtype=np.int64)
    parts = [(out.ctypes.data + int(a), 0, int(b - a)) for a, b in pairwise(cuts)]
    apply = ThreadPoolExecutor(workers).map if workers > 1 else map  # ctypes lets go of the GIL

    def call() -> Array:
        list(apply(lambda part: ctypes.memset(*part), parts))
        return out

    return call


def _fill_entrants(law: str, dtype: str) -> dict[str, Entrant]:
    own = {"fastinit": Entrant(lambda out: partial(LAWS[law], out))}
    return own | _from_peers(lambda peer: peer.fills(law, dtype)) | {"memset": Entrant(_memset, 0, checks.check_zeros)}


def _fill(group: str, law: str, dtype: str, n: int, entrants: dict[str, Entrant], quick: bool) -> Race:
    name = f"{law} {dtype} {size_label(n)}"
    return Race(group, name, n, partial(_touched, n, dtype), check_law(law), entrants, quick=quick)


def fills(most: int) -> Iterator[Race]:
    """Each law, dtype and size into warm memory."""
    for law in LAWS:
        for dtype in DTYPES:
            for n in (n for n in SIZES if n <= most):
                quick = dtype == "float32" or (law == "normal" and dtype != "float16" and n == MOST)
                yield _fill("fills", law, dtype, n, _fill_entrants(law, dtype), quick)


def fresh(most: int) -> Iterator[Race]:
    """The same into memory that the process has not touched: page faults are part of it."""

    def anew(entrant: Entrant) -> Entrant:
        return entrant._replace(bind=lambda out: lambda: entrant.bind(np.empty_like(out))())

    for law in LAWS:
        for dtype in DTYPES:
            entrants = {label: anew(entrant) for label, entrant in _fill_entrants(law, dtype).items()}
            yield _fill("fresh", law, dtype, min(MOST, most), entrants, quick=(law, dtype) == ("normal", "float32"))


def schemes(most: int) -> Iterator[Race]:
    """A square float32 layer, against what people type for it."""
    n = side(4096, most)
    narrowed = partial(fi.he_normal, distribution="truncated_normal")
    own = {
        "small_normal": (partial(fi.small_normal, std=0.01), "normal", 0.01 / STD),
        "lecun_normal": (fi.lecun_normal, "normal", n**-0.5 / STD),
        "he_normal": (fi.he_normal, "normal", (2 / n) ** 0.5 / STD),
        "he_normal truncated": (narrowed, "truncated", (2 / n) ** 0.5 / checks.LAWS["truncated"][0]),
        "glorot_uniform": (fi.glorot_uniform, "uniform", (3 / n) ** 0.5 / BOUND),
    }
    for scheme, (make, law, scale) in own.items():
        entrants = {"fastinit": Entrant(lambda out, make=make: partial(make, out.shape, seed=0, out=out))}
        entrants |= _from_peers(lambda peer, scheme=scheme: peer.schemes(scheme))
        buffer = partial(_touched, (n, n), "float32")
        check, quick = check_law(law, scale), scheme in ("he_normal", "he_normal truncated")
        yield Race("schemes", f"{scheme} {n} x {n}", n * n, buffer, check, entrants, quick=quick)


def moments(most: int) -> Iterator[Race]:
    """One pass over normal values: variance for order 2, kurtosis for order 4.

    The bounds are those of fastinit.Moments: a few hundred units of 2**-53, and 20 of 2**-24 in the fourth power sum
    and twice that in the square of the second, for narrow elements.
    """
    n = min(MOST, most)
    for dtype in ("float32", "bfloat16", "float64"):
        for order, moment in ((2, "variance"), (4, "kurtosis")):
            entrants = {"fastinit": Entrant(lambda x, o=order, m=moment: lambda: getattr(fi.moments(x, order=o), m))}
            entrants |= _from_peers(lambda peer, o=order, d=dtype: peer.moments(o, d))
            entrants |= {} if dtype == "bfloat16" else read_limit()
            buffer = partial(fi.normal, n, 0.01, STD, seed=0, dtype=dtype)
            check = check_moment(moment, 1e-11 if order == 2 or dtype == "float64" else 60 * 2**-24)
            name = f"moments of order {order} {dtype} {size_label(n)}"
            yield Race("moments", name, n, buffer, check, entrants, quick=dtype == "float32")


def calls(most: int) -> Iterator[Race]:
    """What one call costs where there is next to nothing to fill."""
    own = {"fastinit": Entrant(lambda out: lambda: fi.he_normal((8, 8), seed=0))}
    entrants = own | _from_peers(lambda peer: peer.small_layer())
    yield Race("calls", "he_normal 8 x 8", 64, partial(_touched, 64, "float32"), _check_small_layer, entrants)


def _check_small_layer(result: Any, _: Array, slack: float) -> float:
    return checks.law_error(np.asarray(result).ravel(), 0.5, np.inf, slack)


def threads(most: int) -> Iterator[Race]:
    """One thread to all; the bits are those of one thread."""
    counts = {"1 thread": 1}
    counts |= {f"{2**k} threads": 2**k for k in range(1, ALL_THREADS.bit_length()) if 2**k < ALL_THREADS}
    counts["all threads"] = ALL_THREADS
    n = min(MOST, most)
    for law, dtype in (("normal", "float32"), ("normal", "bfloat16"), ("uniform", "float32")):
        entrants = {
            label: Entrant(lambda out, law=law, count=count: partial(LAWS[law], out, threads=count))
            for label, count in counts.items()
        }
        entrants["memset, all threads"] = Entrant(partial(_memset, workers=ALL_THREADS), 0, checks.check_zeros)
        check, quick = check_bits(partial(LAWS[law], threads=1)), (law, dtype) == ("normal", "float32")
        name = f"{law} {dtype} {size_label(n)}"
        yield Race("threads", name, n, partial(_touched, n, dtype), check, entrants, quick=quick)


def levels(most: int) -> Iterator[Race]:
    """Each ISA level of this machine, on memory that is near; the bits are those of the best."""
    n = min(1 << 20, most)
    for dtype in DTYPES:
        entrants = {isa: Entrant(partial(_at_level, isa)) for isa in _core.supported_isas()}
        torch = _from_peers(lambda peer, dtype=dtype: peer.fills("normal", dtype)).get("torch")
        others = {"torch": torch._replace(check=check_law("normal"))} if torch else {}
        check = check_bits(LAWS["normal"])
        name = f"normal {dtype} {size_label(n)}"
        buffer = partial(_touched, n, dtype)
        yield Race("levels", name, n, buffer, check, entrants | others, quick=dtype == "float32")


def _at_level(isa: str, out: Array) -> Call:
    usual = _core.isa_in_use()

    def call() -> Array:
        if not _core.use_isa(isa):
            raise ValueError(f"`isa` must be one of {_core.supported_isas()}, got {isa!r}")
        try:
            return LAWS["normal"](out)
        finally:
            _core.use_isa(*usual)

    return call


def large(most: int) -> Iterator[Race]:
    """A layer of half a gigabyte in bfloat16, with all threads."""
    n = side(16384, 16 * most)
    own = {"fastinit": Entrant(lambda out: partial(fi.he_normal, out.shape, seed=0, dtype=None, out=out))}
    torch = {k: v for k, v in _from_peers(lambda peer: peer.schemes("he_normal")).items() if k == "torch"}
    check = check_law("normal", (2 / n) ** 0.5 / STD)
    buffer = partial(_touched, (n, n), "bfloat16")
    yield Race("large", f"he_normal bfloat16 {n} x {n}", n * n, buffer, check, own | torch, ALL_THREADS)


def orthogonal(most: int) -> Iterator[Race]:
    """A Haar-distributed matrix, on one thread and on all."""
    n = side(2048, most)
    own = {"fastinit": Entrant(lambda out: partial(fi.orthogonal, out.shape, seed=0, out=out))}
    entrants = own | _from_peers(lambda peer: peer.orthogonal())
    for name, count in (("one thread", 1), ("all threads", ALL_THREADS)):
        buffer = partial(_touched, (n, n), "float32")
        yield Race("orthogonal", f"{n} x {n}, {name}", n * n, buffer, checks.check_orthogonal, entrants, count)
