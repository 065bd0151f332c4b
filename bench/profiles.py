"""Profiles: what following a signal costs, beside the same written well in plain NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import log, sqrt
from multiprocessing import get_context
from typing import Any

import numpy as np

import fastinit as fi

from .races import ALL_THREADS, Array, Call, Check, Entrant, Race, side


def profiles(most: int) -> Iterator[Race]:
    """The three methods, at the sizes that are promised, and at some that take seconds; smaller where `most` is."""
    for race, small, promised in (
        (partial(_dense, depth=16, batch=256), side(1024, most), side(4096, most)),
        (partial(_tiled, batch=64), side(8192, 256 * most), side(65536, 256 * most)),
        (partial(_matrix_free, depth=2, batch=32), min(50_000, most), min(1_000_000, most)),
    ):
        yield race(small, quick=True)
        if promised > small:
            yield race(promised, quick=False)
    yield _dense(side(64, most), depth=50, batch=16, quick=True)
    yield _dense(side(512, most), depth=30, batch=64, quick=True, norm="batch")
    yield _matrix_free(min(1_000_000, most), depth=10, batch=32, quick=False, threads=1)
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


def points(most: int) -> Iterator[Race]:
    """A sweep over small networks, on two processes that are there, and in this one."""
    count = min(320, most)
    over = {"depth": [4, 8, 12, 16], "seed": range(count // 4)}
    settings = {"width": 64, "batch": 16}

    def bind(_: Array, workers: int) -> Call:
        pool = ProcessPoolExecutor(workers, get_context("spawn")) if workers else None
        return lambda: fi.sweep(over, executor=pool, progress=False, **settings)

    def check(sweep: Any, _: Array, __: float) -> float:
        assert len(sweep["error"]) == count and not any(sweep["error"]), "points have failed"
        return 0.0

    entrants = {"fastinit": Entrant(partial(bind, workers=2))}
    entrants["fastinit, one process"] = Entrant(partial(bind, workers=0))
    name = f"{count} profiles of 64 units, on two processes"
    yield Race("points", name, count, lambda: np.zeros(0), check, entrants, quick=False, rounds=5)


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


#: How many times as large a gradient through batch normalisation and ReLU is, by the number of examples: in the first
#: layer, whose inputs have second moment 1, in those between, and in the last, whose cotangent is not centred.
_GROWTH = {32: (0.531, 1.522, 1.46), 64: (0.514, 1.493, 1.475)}


def _check_batch_norm(width: int, depth: int, batch: int) -> Check:
    """A check that ReLU after batch normalisation halves the second moment, and that gradients grow as they do.

    Their log may be three times as far off as twice the former: four standard deviations or more, for fixed seeds.
    """
    first, between, last = _GROWTH[batch]
    bound = 0.06 + 0.5 * sqrt(depth / width)

    def check(result: Any, _: Array, slack: float) -> float:
        forward, back = result
        error = max(abs(2 * forward - 1), abs(log(back / (first * last * between ** (depth - 2)))) / 3)
        assert error <= bound + slack, f"second moments are {forward:.3g} forward and {back:.3g} back"
        return error

    return check


def _dense(n: int, depth: int, batch: int, quick: bool, norm: str | None = None) -> Race:
    size = {"width": n, "depth": depth, "batch": batch, "norm": norm, "method": "dense"}
    entrants = {
        "fastinit": Entrant(lambda _: partial(_ends, **size)),
        "numpy": Entrant(lambda weights: partial(numpy_dense, weights, batch, norm)),
        "draws and matrix products alone": Entrant(partial(_draws_and_products, batch), check=lambda *_: 0.0),
    }
    buffer = partial(np.ones, (depth, n, n), np.float32)
    name = f"dense {n}, depth {depth}, batch {batch}{', batch norm' if norm else ''}"
    check = _check_batch_norm(n, depth, batch) if norm else _check_he(n, depth)
    return Race("profile", name, depth * n * n, buffer, check, entrants, ALL_THREADS, quick, rounds=3)


def _draws_and_products(batch: int, weights: Array) -> Call:
    """What no profile can do without: weights, and what they make of a signal forward and of one back."""
    x = fi.normal((batch, weights.shape[1]), seed=1)
    out = np.empty_like(x)

    def call() -> Array:
        for layer, w in enumerate(weights):
            fi.he_normal(w.shape, seed=layer, out=w)
            np.matmul(x, w, out=out)
        for w in weights[::-1]:
            np.matmul(x, w.T, out=out)
        return out

    return call


def numpy_dense(weights: Array, batch: int, norm: str | None = None) -> tuple[float, float]:
    """He and ReLU, forward and backward, the norms of the gradients from Gram matrices; weights made in place."""
    rng = np.random.Generator(np.random.SFC64(0))
    n = weights.shape[1]
    x = rng.standard_normal((batch, n), dtype=np.float32)
    first = float(np.vdot(x, x))
    grams, kept, second_moments = [], [], []
    for w in weights:
        rng.standard_normal(out=w, dtype=np.float32)
        w *= np.float32(sqrt(2 / n))
        grams.append(x @ x.T)
        h = x @ w
        inverse = _normalise(h) if norm else None
        x = np.maximum(h, 0)
        kept.append((h if norm else h > 0, inverse))
        second_moments.append(float(np.vdot(x, x)))
    d = np.copysign(np.float32(1), rng.random((batch, n), dtype=np.float32) - np.float32(0.5))
    norms = []
    for w, gram, (h, inverse) in zip(weights[::-1], grams[::-1], kept[::-1], strict=True):
        if norm:
            d *= h > 0
            d -= h * (np.einsum("ij,ij->j", d, h) / np.float32(batch)) + d.mean(axis=0)
            d *= inverse
        else:
            d *= h
        norms.append(float(np.vdot(gram, d @ d.T)))
        d = d @ w.T
    return second_moments[-1] / first, float(np.vdot(d, d)) / d.size


def _normalise(h: Array) -> Array:
    """Columns, in place; what they were multiplied by."""
    h -= h.mean(axis=0)
    inverse = 1 / np.sqrt(np.einsum("ij,ij->j", h, h) / np.float32(len(h)) + np.float32(1e-5))
    h *= inverse
    return inverse


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


def _matrix_free(n: int, depth: int, batch: int, quick: bool, threads: int = ALL_THREADS) -> Race:
    size = {"width": n, "depth": depth, "batch": batch, "norm": "batch", "method": "matrix_free"}
    entrants = {
        "fastinit": Entrant(lambda _: partial(_ends, **size)),
        "draws alone": Entrant(lambda out: partial(_draws, out, 2 * depth), check=lambda *_: 0.0),
    }
    if depth < 3:  # which keeps three arrays of float64 for each layer
        entrants["numpy qr, float64"] = Entrant(lambda _: partial(numpy_matrix_free, n, batch, depth))
    name = f"matrix_free {n}, depth {depth}, batch {batch}, batch norm" + (", one thread" if threads == 1 else "")
    buffer, check = partial(np.ones, (batch, n), np.float32), _check_batch_norm(n, depth, batch)
    return Race("profile", name, depth * n * batch, buffer, check, entrants, threads, quick, rounds=2)


def _draws(out: Array, times: int) -> Array:
    """The normal values that a profile without matrices needs: as many as a signal has, for each layer and way."""
    for time in range(times):
        fi.normal(out.shape, seed=time, out=out)
    return out


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
