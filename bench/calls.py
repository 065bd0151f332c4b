"""Calls: what one costs where there is little to fill, a generator's methods, and arrays that are nearly all zeros."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import fastinit as fi

from .checks import STD, check_constant, check_zeros, law_error
from .peers import Peer, from_peers
from .races import Array, Call, Check, Entrant, Race

Row = tuple[int, Call, Check]


def calls(most: int) -> Iterator[Race]:
    """Our call and the best of each peer for what it returns, which is new memory but where the row says out."""
    for name, (values, own, check) in (_layers() | _generators() | _structured(most)).items():
        entrants = {"fastinit": Entrant(lambda _, own=own: own)} | from_peers(partial(_best, name))
        yield Race("calls", name, values, partial(np.zeros, 1, np.float32), check, entrants)


def _best(name: str, peer: Peer) -> dict[str, Entrant]:
    own, call = peer.calls(), name.removesuffix(", named")
    return {peer.name: Entrant(lambda _: own[call])} if call in own else {}


def _check(result: Any, _: Array, slack: float, *, std: float, mean: float = 0.0) -> float:
    return law_error(np.asarray(result, np.float64).ravel() - mean, std, np.inf, slack)


_NORMAL, _UNIFORM, _TWICE = (
    partial(_check, std=1.0),
    partial(_check, std=12**-0.5, mean=0.5),
    partial(_check, std=3**-0.5),
)


def _layers() -> dict[str, Row]:
    he, part = partial(_check, std=0.5), np.s_[3, :16]
    return {
        "he_normal 8 x 8": (64, lambda: fi.he_normal((8, 8), seed=0), he),
        "he_normal 8 x 8, named": (64, lambda: fi.he_normal((8, 8), seed=0, name="layers.0.weight"), he),
        "normal 8 x 8": (64, lambda: fi.normal((8, 8), seed=0), _NORMAL),
        "normal 4 Ki": (4096, lambda: fi.normal(4096, seed=0), _NORMAL),
        "uniform 64": (64, lambda: fi.uniform(64, seed=0), _UNIFORM),
        "normal, 16 of 256 x 256": (16, lambda: fi.normal((256, 256), seed=0, index=part), _NORMAL),
        "zeros 64": (64, lambda: fi.zeros(64), check_zeros),
        "constant 64": (64, lambda: fi.constant(64, STD), check_constant(STD)),
    }


def _generators() -> dict[str, Row]:
    rng, few = fi.default_rng(0), np.ones(64)
    return {
        "rng.standard_normal()": (1, lambda: rng.standard_normal(), _NORMAL),
        "rng.normal()": (1, lambda: rng.normal(), _NORMAL),
        "rng.random()": (1, lambda: rng.random(), _UNIFORM),
        "rng.uniform(-1, 1)": (1, lambda: rng.uniform(-1, 1), _TWICE),
        "rng.standard_normal(64)": (64, lambda: rng.standard_normal(64), _NORMAL),
        "rng.standard_normal(64, float32)": (64, lambda: rng.standard_normal(64, np.float32), _NORMAL),
        "rng.standard_normal(out=64)": (64, lambda: rng.standard_normal(out=few), _NORMAL),
        "rng.normal(0, 1, 64)": (64, lambda: rng.normal(0, 1, 64), _NORMAL),
        "rng.random(64)": (64, lambda: rng.random(64), _UNIFORM),
        "rng.uniform(-1, 1, 64)": (64, lambda: rng.uniform(-1, 1, 64), _TWICE),
    }


def _structured(most: int) -> dict[str, Row]:
    rows: dict[str, Row] = {
        "identity 8 x 8": (64, lambda: fi.identity((8, 8)), _check_identity),
        "identity 4096 x 4096": (1 << 24, lambda: fi.identity((4096, 4096)), _check_identity),
        "dirac 16 x 16 x 3 x 3": (
            9 << 8, lambda: fi.dirac((16, 16, 3, 3), in_axis=1, out_axis=0), _check_dirac,
        ),
        "dirac 512 x 512 x 3 x 3": (
            9 << 18, lambda: fi.dirac((512, 512, 3, 3), in_axis=1, out_axis=0), _check_dirac,
        ),
    }  # fmt: skip
    return {name: row for name, row in rows.items() if row[0] <= most}


def _check_identity(result: Any, _: Array, __: float) -> float:
    matrix = np.asarray(result)
    assert (matrix.diagonal() == 1).all() and np.count_nonzero(matrix) == len(matrix), "not the identity"
    return 0.0


def _check_dirac(result: Any, _: Array, __: float) -> float:
    kernel = np.asarray(result)
    _check_identity(kernel[:, :, 1, 1], _, __)
    assert np.count_nonzero(kernel) == len(kernel), "not the identity"
    return 0.0
