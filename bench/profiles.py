"""Profiles: what following a signal costs, beside the same written well in plain NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import log, sqrt
from typing import Any

import numpy as np

import fastinit as fi

from .races import ALL_THREADS, Array, Call, Check, Entrant, Race, side

_DEPTH = 16


def profiles(most: int) -> Iterator[Race]:
    """The three methods, at the sizes that are promised, and at some that take seconds; smaller where `most` is."""
    for race, small, promised in (
        (partial(_dense, batch=256), side(1024, most), side(4096, most)),
        (partial(_tiled, batch=64), side(8192, 256 * most), side(65536, 256 * most)),
        (partial(_matrix_free, batch=32), min(50_000, most), min(1_000_000, most)),
    ):
        yield race(small, quick=True)
        if promised > small:
            yield race(promised, quick=False)
    yield _methods(side(4096, most), 64)


def sweeps(most: int) -> Iterator[Race]:
    """Time by width and by depth: dense is to grow with n squared, matrix_free with n, both with depth."""
    for n in (512, 1024, 2048, 4096, 16384, 65536, 262144, 1048576):
        if n <= most:
            methods = ("dense", "matrix_free") if n <= 4096 else ("matrix_free",)
            yield _sweep(f"width {n}", n, {method: {"width": n, "depth": 4} for method in methods})
    for depth in (4, 8, 16, 32, 64):
        sizes = {"dense": {"width": side(1024, most), "depth": depth}}
        sizes["matrix_free"] = {"width": min(16384, most), "depth": depth}
        yield _sweep(f"depth {depth}", depth, sizes)


def _sweep(name: str, values: int, sizes: dict[str, dict[str, int]]) -> Race:
    entrants = {}
    for method, size in sizes.items():
        entrants[method] = Entrant(lambda _, m=method, s=size: partial(_ends, batch=32, method=m, **s))
    return Race("sweep", name, values, lambda: np.zeros(0), _check_he(512, 64), entrants, ALL_THREADS, quick=False)


def _ends(**keywords: Any) -> tuple[float, float]:
    """Second moment at the last layer over that at the first, forward, and at the first over the last, back."""
    p = fi.profile(seed=0, **keywords)
    forward = p["act_second_moment"][0]
    if not keywords.get("backward", True):
        return float(forward[-1] / forward[0]), 1.0
    back = p["grad_act_second_moment"][0]
    return float(forward[-1] / forward[0]), float(back[0] / back[-1])


def _check_he(width: int, depth: int) -> Check:
    """A check that both ratios are those of ReLU and He: their logs have variance 5 L / n, and mean -5/2 L / n.

    Six standard deviations and the mean, for a fixed seed: false alarms below 1e-8.
    """
    bound = 6 * sqrt(5 * depth / width) + 2.5 * depth / width

    def check(result: Any, _: Array, slack: float) -> float:
        error = max(abs(log(ratio)) for ratio in result)
        assert error <= bound + slack, f"log second moments move by {error:.3g}"
        return error

    return check


def _check_batch_norm(depth: int) -> Check:
    """A check that ReLU after batch normalisation halves the second moment, and that gradients grow as for 32 examples.

    By 1.522 a layer, but .531 in the first, whose inputs have second moment 1, and 1.46 in the last, whose cotangent is
    not centred.
    """

    def check(result: Any, _: Array, slack: float) -> float:
        forward, back = result
        error = max(abs(2 * forward - 1), abs(back / (0.531 * 1.46 * 1.522 ** (depth - 2)) - 1) / 3)
        assert error <= 0.06 + slack, f"second moments are {forward:.3g} forward and {back:.3g} back"
        return error

    return check


def _dense(n: int, batch: int, quick: bool) -> Race:
    entrants = {
        "fastinit": Entrant(lambda _: partial(_ends, width=n, depth=_DEPTH, batch=batch, method="dense")),
        "numpy": Entrant(lambda weights: partial(numpy_dense, weights, batch)),
    }
    buffer = partial(np.ones, (_DEPTH, n, n), np.float32)
    name, values = f"dense {n}, depth {_DEPTH}, batch {batch}", _DEPTH * n * n
    return Race("profile", name, values, buffer, _check_he(n, _DEPTH), entrants, ALL_THREADS, quick, rounds=3)


def numpy_dense(weights: Array, batch: int) -> tuple[float, float]:
    """He and ReLU, forward and backward, the norms of the gradients from Gram matrices; weights made in place."""
    rng = np.random.Generator(np.random.SFC64(0))
    n = weights.shape[1]
    x = rng.standard_normal((batch, n), dtype=np.float32)
    first = float(np.vdot(x, x))
    grams, masks, second_moments = [], [], []
    for w in weights:
        rng.standard_normal(out=w, dtype=np.float32)
        w *= np.float32(sqrt(2 / n))
        grams.append(x @ x.T)
        x = x @ w
        masks.append(x > 0)
        np.maximum(x, 0, out=x)
        second_moments.append(float(np.vdot(x, x)))
    d = np.copysign(np.float32(1), rng.random((batch, n), dtype=np.float32) - np.float32(0.5))
    norms = []
    for w, gram, mask in zip(weights[::-1], grams[::-1], masks[::-1], strict=True):
        d *= mask
        norms.append(float(np.vdot(gram, d @ d.T)))
        d = d @ w.T
    return second_moments[-1] / first, float(np.vdot(d, d)) / d.size


def _tiled(n: int, batch: int, quick: bool) -> Race:
    ours = partial(_ends, width=n, depth=2, batch=batch, method="tiled", backward=False)
    entrants = {
        "fastinit": Entrant(lambda _: ours),
        "matrix products alone": Entrant(partial(_products, n, batch), check=lambda *_: 0.0),
    }
    buffer = partial(fi.normal, (n, max(1, n // 64)), seed=0)
    return Race("profile", f"tiled {n}, depth 2, batch {batch}, forward", 2 * n * n, buffer, _check_he(n, 2), entrants,
                ALL_THREADS, quick, rounds=2)  # fmt: skip


def _products(n: int, batch: int, columns: Array) -> Call:
    """Two layers of products with a stored part of the weights, as often as makes the whole."""
    x = fi.normal((batch, n), seed=1)
    out = np.empty((batch, columns.shape[1]), np.float32)

    def call() -> Array:
        for _ in range(2 * n // columns.shape[1]):
            np.matmul(x, columns, out=out)
        return out

    return call


def _matrix_free(n: int, batch: int, quick: bool) -> Race:
    size = {"width": n, "depth": 2, "batch": batch, "norm": "batch", "method": "matrix_free"}
    entrants = {
        "fastinit": Entrant(lambda _: partial(_ends, **size)),
        "numpy qr, float64": Entrant(lambda _: partial(numpy_matrix_free, n, batch, 2)),
    }
    name = f"matrix_free {n}, depth 2, batch {batch}, batch norm"
    return Race("profile", name, 2 * n * batch, lambda: np.zeros(0), _check_batch_norm(2), entrants, ALL_THREADS,
                quick, rounds=2)  # fmt: skip


def numpy_matrix_free(n: int, batch: int, depth: int) -> tuple[float, float]:
    """The law of a Gaussian network with batch norm and ReLU without its weights, from QR factors in float64.

    Columns are examples: H = Zf R for X = Q R; back, G = Q (Zf'D) + T - Q (Q'T) with T = Zb Rd for D = Qd Rd.
    """
    rng = np.random.Generator(np.random.SFC64(0))
    scale = sqrt(2 / n)
    x = rng.standard_normal((n, batch))
    first, kept = np.vdot(x, x), []
    for _ in range(depth):
        q, r = np.linalg.qr(x)
        z = rng.standard_normal((n, batch))
        z *= scale
        h = z @ r
        h -= h.mean(axis=1, keepdims=True)
        inverse = 1 / np.sqrt(np.mean(h * h, axis=1, keepdims=True) + 1e-5)
        h *= inverse
        x = np.maximum(h, 0)
        kept.append((q, z, h, inverse))
    d = np.copysign(1.0, rng.standard_normal((n, batch)))
    for q, z, u, inverse in reversed(kept):
        d *= u > 0
        d -= u * np.mean(d * u, axis=1, keepdims=True) + d.mean(axis=1, keepdims=True)
        d *= inverse
        t = rng.standard_normal((n, batch)) @ np.linalg.qr(d, mode="r")
        t *= scale
        d = q @ (z.T @ d - q.T @ t)
        d += t
    return float(np.vdot(x, x) / first), float(np.vdot(d, d)) / d.size


def _methods(n: int, batch: int) -> Race:
    size = {"width": n, "depth": 20, "batch": batch}
    entrants = {
        label: Entrant(lambda _, m=label: partial(_ends, method=m, **size)) for label in ("matrix_free", "dense")
    }
    name = f"matrix_free and dense {n}, depth 20, batch {batch}"
    return Race(
        "profile", name, 20 * n * batch, lambda: np.zeros(0), _check_he(n, 20), entrants, ALL_THREADS, quick=False
    )
