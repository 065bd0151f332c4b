"""Libraries of arrays: NumPy, which always is there, and bottleneck."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..checks import BOUND, STD, check_moment
from ..races import Array, Call, Entrant
from .peer import Entrants, Peer


class NumPy(Peer):
    """NumPy as people type it, as its generators' methods make arrays, and at its best: SFC64, `out=`, then scaled."""

    name, module = "numpy", "numpy"

    def __init__(self) -> None:
        super().__init__()
        self.best = _generator()
        np.random.seed(1)

    def fills(self, law: str, dtype: str) -> Entrants:
        if law == "constant":
            return {"numpy": Entrant(lambda out: lambda: out.fill(STD), writes=True)}
        typed = {
            "normal": lambda n: np.random.randn(n) * STD,
            "uniform": lambda n: np.random.uniform(-BOUND, BOUND, n),
            "truncated": lambda n: _redrawn(np.random.randn(n), np.random.randn) * STD,
        }[law]
        narrow = dtype in ("float16", "bfloat16")
        as_typed = Entrant(lambda out: lambda: typed(out.size).astype(out.dtype) if narrow else typed(out.size))
        best = Entrant(partial(_in_blocks, _BEST[law]) if narrow else _BEST[law], writes=True, splits=True)
        entrants = {"numpy best": best, "numpy as typed": as_typed}
        if narrow or law == "truncated":
            return entrants
        return entrants | {"numpy method": Entrant(partial(self._method, law))}

    def _method(self, law: str, out: Array) -> Call:
        """A new array from the generator: float64 in one call, float32 from standard values."""
        n, rng, single = out.size, self.best, np.float32
        scale, width, low = single(STD), single(2 * BOUND), single(BOUND)
        if out.dtype == np.float64:
            return (lambda: rng.normal(0, STD, n)) if law == "normal" else lambda: rng.uniform(-BOUND, BOUND, n)
        if law == "normal":
            return lambda: rng.standard_normal(n, single) * scale
        return lambda: rng.random(n, single) * width - low

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

        def var(x: Array, *axis_and_dtype: Any) -> Call:
            if dtype == "bfloat16":
                return lambda: wide(x).var(*axis_and_dtype)
            return partial(x.var, *axis_and_dtype)

        if order == 2:
            double = Entrant(lambda x: var(x, None, np.float64), 1e-9)
            return {"numpy var": Entrant(var, 1e-4)} | ({} if dtype == "float64" else {"numpy var, float64": double})
        typed = Entrant(lambda x: lambda: _four_moments(wide(x)), 1e-3)
        return {"numpy four moments": typed, "numpy four moments, products": Entrant(_products_of(wide), 1e-3)}

    def orthogonal(self) -> Entrants:
        def call(out: Array) -> Array:
            q, r = np.linalg.qr(self.best.standard_normal(out.shape, dtype=out.dtype))
            return np.multiply(q, np.sign(np.diag(r)), out=out)

        return {"numpy qr": Entrant(lambda out: partial(call, out), 1e-4)}

    def along(self, axis: int) -> Entrants:
        return {
            "numpy var": Entrant(lambda x: partial(x.var, axis), 1e-3),
            "numpy var, float64": Entrant(lambda x: partial(x.var, axis, np.float64)),
        }

    def activation(self, name: str) -> Entrants:
        if name == "gelu":  # NumPy has no erf
            return {"scipy": Entrant(_scipy_gelu, 1e-6, needs="scipy")}
        return {"numpy": Entrant(lambda x: lambda: _ACTIVATIONS[name](x), 1e-6)}

    def gram(self) -> Entrants:
        return {
            "numpy, float64": Entrant(lambda x: lambda: (wide := x.astype(np.float64)) @ wide.T),
            "numpy, float64 in pieces": Entrant(lambda x: partial(_gram_in_pieces, x)),
            "numpy, float32 sums": Entrant(lambda x: lambda: x @ x.T, 1e-3),
        }

    def norm(self, name: str, axis: int, centred: bool, eps: float) -> Entrants:
        return {"numpy": Entrant(lambda both: partial(_normalised, *both, axis, centred, eps), 1e-5)}

    def units(self, normalised: bool, eps: float) -> Entrants:
        return {"numpy": Entrant(lambda both: partial(_units, *both, normalised, eps), 1e-4)}

    def calls(self) -> dict[str, Call]:
        rng, single, half, value = self.best, np.float32, np.float32(0.5), np.float32(STD)
        few = np.ones(64)
        return {
            "he_normal 8 x 8": lambda: rng.standard_normal((8, 8), single) * half,
            "normal 8 x 8": lambda: rng.standard_normal((8, 8), single),
            "normal 4 Ki": lambda: rng.standard_normal(4096, single),
            "uniform 64": lambda: rng.random(64, single),
            "normal, 16 of 256 x 256": lambda: rng.standard_normal((256, 256), single)[3, :16],
            "zeros 64": lambda: np.zeros(64, single),
            "constant 64": lambda: np.full(64, value),
            "identity 8 x 8": lambda: np.eye(8, dtype=single),
            "identity 4096 x 4096": lambda: np.eye(4096, dtype=single),
            "rng.standard_normal()": lambda: rng.standard_normal(),
            "rng.normal()": lambda: rng.normal(),
            "rng.random()": lambda: rng.random(),
            "rng.uniform(-1, 1)": lambda: rng.uniform(-1, 1),
            "rng.standard_normal(64)": lambda: rng.standard_normal(64),
            "rng.normal(0, 1, 64)": lambda: rng.normal(0, 1, 64),
            "rng.random(64)": lambda: rng.random(64),
            "rng.uniform(-1, 1, 64)": lambda: rng.uniform(-1, 1, 64),
            "rng.standard_normal(out=64)": lambda: rng.standard_normal(out=few),
            "rng.standard_normal(64, float32)": lambda: rng.standard_normal(64, single),
        }


def _generator() -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(1))


def _normal(out: Array) -> Call:
    rng, dtype, scale = _generator(), out.dtype, out.dtype.type(STD)

    def call() -> None:
        rng.standard_normal(dtype=dtype, out=out)
        np.multiply(out, scale, out)

    return call


def _uniform(out: Array) -> Call:
    rng, dtype, width, low = _generator(), out.dtype, out.dtype.type(2 * BOUND), out.dtype.type(BOUND)

    def call() -> None:
        rng.random(dtype=dtype, out=out)
        np.multiply(out, width, out)
        np.subtract(out, low, out)

    return call


def _truncated(out: Array) -> Call:
    rng, dtype, scale = _generator(), out.dtype, out.dtype.type(STD)
    normal = partial(rng.standard_normal, dtype=dtype)

    def call() -> None:
        normal(out=out)
        _redrawn(out, normal)
        np.multiply(out, scale, out)

    return call


_BEST = {"normal": _normal, "uniform": _uniform, "truncated": _truncated}


def _in_blocks(bind: Callable[[Array], Call], out: Array, block: int = 1 << 14) -> Call:
    """Fill 16-bit `out` from float32 blocks that stay in cache."""
    scratch = np.empty(min(block, out.size), np.float32)
    fill = bind(scratch)

    def call() -> None:
        for start in range(0, out.size, block):
            fill()
            out[start : start + block] = scratch[: out.size - start]

    return call


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


def _relu(x: Array) -> tuple[Array, Array]:
    return np.maximum(x, 0), (x > 0).astype(x.dtype)


def _tanh(x: Array) -> tuple[Array, Array]:
    y = np.tanh(x)
    return y, 1 - y * y


def _silu(x: Array) -> tuple[Array, Array]:
    s = 1 / (1 + np.exp(-x))
    return x * s, s * (1 + x * (1 - s))


_ACTIVATIONS = {"relu": _relu, "tanh": _tanh, "silu": _silu}


def _scipy_gelu(x: Array) -> Call:
    from scipy.special import ndtr

    half, root = x.dtype.type(-0.5), x.dtype.type((2 * np.pi) ** -0.5)

    def call() -> tuple[Array, Array]:
        below = ndtr(x)
        return x * below, below + x * np.exp(half * x * x) * root

    return call


def _gram_in_pieces(x: Array, piece: int = 1 << 12) -> Array:
    """As many columns together as stay in cache."""
    total = np.zeros((len(x), len(x)))
    for start in range(0, x.shape[1], piece):
        wide = x[:, start : start + piece].astype(np.float64)
        total += wide @ wide.T
    return total


def _normalised(x: Array, d: Array, axis: int, centred: bool, eps: float) -> tuple[Array, Array]:
    """Forward and back, in the dtype of x, each product with its sum at once, and in place where there is a place."""

    def mean_product(a: Array, b: Array) -> Array:
        sums = np.einsum("ij,ij->j" if axis == 0 else "ij,ij->i", a, b)
        return np.expand_dims(sums, axis) / x.dtype.type(x.shape[axis])

    y = x - x.mean(axis, keepdims=True) if centred else x.copy()
    inverse = 1 / np.sqrt(mean_product(y, y) + x.dtype.type(eps))
    y *= inverse
    back = y * mean_product(d, y)
    np.subtract(d, back, out=back)
    if centred:
        back -= d.mean(axis, keepdims=True)
    back *= inverse
    return y, back


def _units(h: Array, d: Array, normalised: bool, eps: float) -> tuple[Any, ...]:
    """Sums in the dtype of h."""
    y, inverse, rows = h, None, h.dtype.type(len(h))
    if normalised:
        y = h - h.mean(0)
        inverse = 1 / np.sqrt(np.einsum("ij,ij->j", y, y) / rows + h.dtype.type(eps))
        y *= inverse
    x, back = np.maximum(y, 0), d * (y > 0)
    if normalised:
        off = y * (np.einsum("ij,ij->j", back, y) / rows)
        off += back.mean(0)
        back -= off
        back *= inverse
    return x, back, x @ x.T, back @ back.T, _kurtosis(h), _kurtosis(x)


def _kurtosis(x: Array) -> float:
    squares = x - x.mean()
    squares *= squares
    return float(np.vdot(squares, squares) / x.size / squares.mean() ** 2)


class Bottleneck(Peer):
    """bottleneck's one-dtype reductions."""

    name, module = "bottleneck", "bottleneck"

    def moments(self, order: int, dtype: str) -> Entrants:
        if order != 2 or dtype == "bfloat16":
            return {}
        # It adds in the dtype of x, one after another: in float32 the variance of 16 Mi values is 3 % off.
        return {"bottleneck": Entrant(lambda x: lambda: self.package.nanvar(x), 0.1)}

    def along(self, axis: int) -> Entrants:
        return {"bottleneck": Entrant(lambda x: lambda: self.package.nanvar(x, axis), 0.1)}


def read_limit() -> Entrants:
    """np.dot(x, x): the rate at which memory is read."""
    return {"np.dot (read limit)": Entrant(lambda x: lambda: np.dot(x, x) / x.size, 0.0, check_moment("second", 1e-3))}
