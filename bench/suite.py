"""Suite: every race there is. A race is cheap until it is run: its buffer is made then, and let go after."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import fastinit as fi

from . import checks
from .calls import calls
from .checks import BOUND, STD, check_law, check_moment
from .dask_arrays import dask_arrays
from .fills import all_threads, fills, fortran, fresh, levels, second_fills, threads, touched
from .jax_calls import jax_calls
from .keras_models import keras_models
from .loops import loops
from .peers import from_peers, read_limit
from .profiles import points, profiles, sweeps
from .races import ALL_THREADS, LARGE, MOST, Array, Entrant, Race, side, size_label
from .saves import saves
from .torch_calls import torch_calls
from .torch_models import torch_models


def races(most: int = MOST) -> list[Race]:
    """All races, on arrays of at most `most` values (the large layer: 16 times as many)."""
    filling = (fills, second_fills, fresh, all_threads, threads, levels, schemes, fortran, large)
    doors = (torch_calls, torch_models, jax_calls, keras_models, dask_arrays)
    others = (calls, moments, axes, orthogonal, *doors, loops, profiles, sweeps, points, saves)
    return [race for part in (*filling, *others) for race in part(most)]


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
        entrants |= from_peers(lambda peer, scheme=scheme: peer.schemes(scheme))
        buffer = partial(touched, (n, n), "float32")
        check, quick = check_law(law, scale), scheme in ("he_normal", "he_normal truncated")
        yield Race("schemes", f"{scheme} {n} x {n}", n * n, buffer, check, entrants, quick=quick)


def moments(most: int) -> Iterator[Race]:
    """One pass over normal values: variance for order 2, kurtosis for order 4.

    The bounds are those of fastinit.Moments: a few hundred units of 2**-53, and 20 of 2**-24 in the fourth power sum
    and twice that in the square of the second, for narrow elements.
    """
    for dtype in ("float32", "bfloat16", "float64"):
        for order, moment in ((2, "variance"), (4, "kurtosis")):
            entrants = {"fastinit": Entrant(lambda x, o=order, m=moment: lambda: getattr(fi.moments(x, order=o), m))}
            entrants |= from_peers(lambda peer, o=order, d=dtype: peer.moments(o, d))
            entrants |= {} if dtype == "bfloat16" else read_limit()
            check = check_moment(moment, 1e-11 if order == 2 or dtype == "float64" else 60 * 2**-24)
            for n in dict.fromkeys(min(n, most) for n in (64, 1 << 12, LARGE)):
                name, buffer = f"moments of order {order} {dtype} {size_label(n)}", _normal_values(n, dtype)
                yield Race("moments", name, n, buffer, check, entrants, quick=dtype == "float32")
    running = fi.Moments(order=2)
    entrants = {"fastinit": Entrant(lambda x: lambda: running.update(x), check=_check_running)}
    entrants["numpy var"] = from_peers(lambda peer: peer.moments(2, "float32"))["numpy var"]
    check, buffer = check_moment("variance", 1e-11), _normal_values(64, "float32")
    yield Race("moments", "Moments.update of 64", 64, buffer, check, entrants)


def _normal_values(shape: int | tuple[int, ...], dtype: str) -> partial[Array]:
    return partial(fi.normal, shape, 0.01, STD, seed=0, dtype=dtype)


def _check_running(result: Any, buffer: Array, slack: float) -> float:
    return check_moment("variance", 1e-11)(result.result().variance, buffer, slack)


def axes(most: int) -> Iterator[Race]:
    """Variances along an axis of a matrix, and of all of one whose columns lie together."""
    n = side(4096, most)
    for axis in (0, 1):
        entrants = {"fastinit": Entrant(lambda x, axis=axis: lambda: fi.moments(x, axis, 2).variance)}
        entrants |= from_peers(lambda peer, axis=axis: peer.along(axis))
        if axis == 0:
            other = Entrant(lambda x: lambda: fi.moments(x, 1, 2).variance, check=_check_along(1))
            entrants["fastinit, axis 1"] = other
        name, buffer = f"moments of order 2 float32 {n} x {n}, axis {axis}", _normal_values((n, n), "float32")
        yield Race("moments", name, n * n, buffer, _check_along(axis), entrants)
    entrants = {"fastinit": Entrant(lambda x: lambda: fi.moments(x, order=2).variance)}
    entrants |= from_peers(lambda peer: peer.moments(2, "float32"))
    name, check = f"moments of order 2 float32 {n} x {n}, Fortran order", check_moment("variance", 1e-11)
    yield Race("moments", name, n * n, lambda: np.asfortranarray(_normal_values((n, n), "float32")()), check, entrants)


def _check_along(axis: int) -> checks.Check:
    def check(result: Any, buffer: Array, slack: float) -> float:
        exact = buffer.var(axis, np.float64)
        error = float(np.abs(np.asarray(result) / exact - 1).max())
        assert error <= 1e-11 + slack, f"relative error of a variance is {error:.2g}"
        return error

    return check


def large(most: int) -> Iterator[Race]:
    """A layer of half a gigabyte in bfloat16, with all threads."""
    n = side(16384, 16 * most)
    own = {"fastinit": Entrant(lambda out: partial(fi.he_normal, out.shape, seed=0, dtype=None, out=out))}
    torch = {k: v for k, v in from_peers(lambda peer: peer.schemes("he_normal")).items() if k == "torch"}
    check = check_law("normal", (2 / n) ** 0.5 / STD)
    buffer = partial(touched, (n, n), "bfloat16")
    yield Race("large", f"he_normal bfloat16 {n} x {n}", n * n, buffer, check, own | torch, ALL_THREADS, quick=False)


def orthogonal(most: int) -> Iterator[Race]:
    """A Haar-distributed matrix, on one thread and on all."""
    n = side(2048, most)
    own = {"fastinit": Entrant(lambda out: partial(fi.orthogonal, out.shape, seed=0, out=out))}
    entrants = own | from_peers(lambda peer: peer.orthogonal())
    for name, count in (("one thread", 1), ("all threads", ALL_THREADS)):
        buffer = partial(touched, (n, n), "float32")
        key, check = f"{n} x {n}, {name}", checks.check_orthogonal
        yield Race("orthogonal", key, n * n, buffer, check, entrants, count, quick=count == 1)
