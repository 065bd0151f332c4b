"""Libraries of arrays: NumPy, which always is there, and bottleneck."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..checks import BOUND, STD, check_moment
from ..races import Array, Call, Entrant
from .peer import Entrants, Peer, into


class NumPy(Peer):
    """NumPy as people type it, and at its best: SFC64, float32, `out=`, scaled in place."""

    name, module = "numpy", "numpy"

    def __init__(self) -> None:
        super().__init__()
        self.best = np.random.Generator(np.random.SFC64(1))
        np.random.seed(1)

    def fills(self, law: str, dtype: str) -> Entrants:
        fill = {"normal": self._normal, "uniform": self._uniform, "truncated": self._truncated}[law]
        typed = {
            "normal": lambda n: np.random.randn(n) * STD,
            "uniform": lambda n: np.random.uniform(-BOUND, BOUND, n),
            "truncated": lambda n: _redrawn(np.random.randn(n), np.random.randn) * STD,
        }[law]
        narrow = dtype in ("float16", "bfloat16")
        as_typed = Entrant(lambda out: lambda: typed(out.size).astype(out.dtype) if narrow else typed(out.size))
        best = Entrant(lambda out: into(out, partial(self._blocks if narrow else fill, out, fill)))
        return {"numpy best": best, "numpy as typed": as_typed}

    def _normal(self, out: Array, _: Any = None) -> None:
        self.best.standard_normal(dtype=out.dtype, out=out)
        out *= STD

    def _uniform(self, out: Array, _: Any = None) -> None:
        self.best.random(dtype=out.dtype, out=out)
        out *= 2 * BOUND
        out -= BOUND

    def _truncated(self, out: Array, _: Any = None) -> None:
        self.best.standard_normal(dtype=out.dtype, out=out)
        _redrawn(out, partial(self.best.standard_normal, dtype=out.dtype))
        out *= STD

    def _blocks(self, out: Array, fill: Callable[[Array], None], block: int = 1 << 14) -> None:
        """Fill 16-bit `out` from float32 blocks that stay in cache."""
        scratch = np.empty(min(block, out.size), np.float32)
        for start in range(0, out.size, block):
            part = scratch[: out.size - start]
            fill(part)
            out[start : start + block] = part

    def schemes(self, scheme: str) -> Entrants:
        typed = {
            "small_normal": lambda n: np.random.randn(n, n) * 0.01,
            "lecun_normal": lambda n: np.random.randn(n, n) / np.sqrt(n),
            "he_normal": lambda n: np.random.randn(n, n) * np.sqrt(2 / n),
            "he_normal truncated": None,
            "glorot_uniform": lambda n: np.random.uniform(-np.sqrt(3 / n), np.sqrt(3 / n), (n, n)),
        }[scheme]
        return {"numpy as typed": Entrant(lambda out: lambda: typed(len(out)))} if typed else {}

    def moments(self, order: int, dtype: str) -> Entrants:
        def wide(x: Array) -> Array:
            return x.astype(np.float32) if dtype == "bfloat16" else x

        if order == 2:
            own = Entrant(lambda x: lambda: np.var(wide(x)), 1e-4)
            double = Entrant(lambda x: lambda: np.var(wide(x), dtype=np.float64), 1e-9)
            return {"numpy var": own} | ({} if dtype == "float64" else {"numpy var, float64": double})
        typed = Entrant(lambda x: lambda: _four_moments(wide(x)), 1e-3)
        return {"numpy four moments": typed, "numpy four moments, products": Entrant(_products_of(wide), 1e-3)}

    def orthogonal(self) -> Entrants:
        def call(out: Array) -> Array:
            q, r = np.linalg.qr(self.best.standard_normal(out.shape, dtype=out.dtype))
            return np.multiply(q, np.sign(np.diag(r)), out=out)

        return {"numpy qr": Entrant(lambda out: partial(call, out), 1e-4)}

    def small_layer(self) -> Entrants:
        return {"numpy": Entrant(lambda out: lambda: np.random.default_rng(0).standard_normal((8, 8)) * 0.5)}


def _redrawn(z: Array, normal: Callable[[int], Array]) -> Array:
    """Standard normal `z`, in place, drawn again where it is cut off."""
    bad = np.flatnonzero(np.abs(z) > 2)
    while bad.size:
        z[bad] = normal(bad.size)
        bad = bad[np.abs(z[bad]) > 2]
    return z


def _four_moments(x: Array) -> float:
    mean, variance = x.mean(), x.var()
    third, fourth = ((x - mean) ** 3).mean(), ((x - mean) ** 4).mean()
    return float((mean, variance, third, fourth)[3] / variance**2)


def _products_of(wide: Callable[[Array], Array]) -> Callable[[Array], Call]:
    def call(x: Array) -> float:
        d = wide(x) - wide(x).mean()
        squared = d * d
        variance, third, fourth = squared.mean(), (squared * d).mean(), (squared * squared).mean()
        return float((variance, third, fourth)[2] / variance**2)

    return lambda x: partial(call, x)


class Bottleneck(Peer):
    """bottleneck's one-dtype reductions."""

    name, module = "bottleneck", "bottleneck"

    def moments(self, order: int, dtype: str) -> Entrants:
        if order != 2 or dtype == "bfloat16":
            return {}
        # It adds in the dtype of x, one after another: in float32 the variance of 16 Mi values is 3 % off.
        return {"bottleneck": Entrant(lambda x: lambda: self.package.nanvar(x), 0.1)}


def read_limit() -> Entrants:
    """np.dot(x, x): the rate at which memory is read."""
    return {"np.dot (read limit)": Entrant(lambda x: lambda: np.dot(x, x) / x.size, 0.0, check_moment("second", 1e-3))}
