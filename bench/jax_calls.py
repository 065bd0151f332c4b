"""JAX: a scheme's values as a jax array, at once and in a program, and a model of flax's, beside jax's own ways.

jax is imported when a race begins, not before: its entrants need it, and are left out where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from itertools import count
from typing import Any

import numpy as np

from .checks import LAWS, check_law
from .races import MOST, Array, Call, Entrant, Race, side
from .torch_calls import no_buffer

#: jax's 16-bit normals have 128 values, whose mean is no zero.
_COARSE = {"float32": 0.0, "bfloat16": 0.05}


def jax_calls(most: int) -> Iterator[Race]:
    """The usual scheme of a square layer, small and large, eagerly and compiled; and a shape's first time."""
    for n in dict.fromkeys(side(n, most) for n in (64, 4096)):
        for dtype in ("float32", "bfloat16"):
            for compiled in (False, True):
                yield _he_normal(n, dtype, compiled)
    for compiled in (False, True):
        yield _first(side(64, most), compiled)
    if most >= MOST:
        yield _model(layers=6, width=512, words=32_000)


def _entrants(
    bind: Callable[[Any, Any, Any], Call], dtype: str, keys: dict[str, tuple[str, str]]
) -> dict[str, Entrant]:
    """By label, what `bind` makes of jax, an initializer and a key of an implementation."""

    def late(_: Array, home: str, implementation: str) -> Call:
        jax = import_module("jax")
        return bind(jax, import_module(home).he_normal(), jax.random.key(0, impl=implementation))

    entrants = {}
    for label, (home, implementation) in keys.items():
        slack = 0.0 if label == "fastinit" else _COARSE[dtype]
        entrants[label] = Entrant(partial(late, home=home, implementation=implementation), slack, needs="jax")
    return entrants


_OURS = {"fastinit": ("fastinit.jax", "threefry2x32")}
#: jax by default, and by the fastest of its generators.
_THEIRS = {
    name: ("jax.nn.initializers", kind) for name, kind in (("jax", "threefry2x32"), ("jax, philox", "philox4x32"))
}


def _he_normal(n: int, dtype: str, compiled: bool) -> Race:
    def bind(jax: Any, initializer: Any, key: Any) -> Call:
        make = partial(initializer, shape=(n, n), dtype=dtype)
        make = jax.jit(make) if compiled else make
        return lambda: make(key).block_until_ready()

    name = f"he_normal {dtype} {n} x {n}, {'compiled' if compiled else 'at once'}"
    return Race("jax", name, n * n, no_buffer, _check(n), _entrants(bind, dtype, _OURS | _THEIRS), quick=n < 4096)


def _first(n: int, compiled: bool) -> Race:
    """Each call asks for a shape that none has asked for."""

    def bind(jax: Any, initializer: Any, key: Any) -> Call:
        columns = count(n)

        def call() -> Any:
            make = partial(initializer, shape=(n, next(columns)))
            return (jax.jit(make) if compiled else make)(key).block_until_ready()

        return call

    name = f"he_normal float32, first of a shape, {'compiled' if compiled else 'at once'}"
    return Race("jax", name, n * n, no_buffer, _check(n), _entrants(bind, "float32", _OURS | _THEIRS), rounds=10)


def _check(n: int) -> Any:
    """Truncated, of variance 2 / n."""
    return check_law("truncated", (2 / n) ** 0.5 / LAWS["truncated"][0])


def _model(layers: int, width: int, words: int) -> Race:
    """A transformer of flax.nnx, made for the first time, as a user's process makes it: nothing is compiled yet."""

    def bind(_: Array, home: str) -> Call:
        jax, nnx, kernel = import_module("jax"), import_module("flax.nnx"), import_module(home).lecun_normal()

        class Block(nnx.Module):  # type: ignore[misc]
            def __init__(self, rngs: Any) -> None:
                self.attention = nnx.MultiHeadAttention(8, width, kernel_init=kernel, rngs=rngs, decode=False)
                self.wide = nnx.Linear(width, 4 * width, kernel_init=kernel, rngs=rngs)
                self.narrow = nnx.Linear(4 * width, width, kernel_init=kernel, rngs=rngs)

        def call() -> Any:
            rngs = nnx.Rngs(0)
            model = [nnx.Embed(words, width, embedding_init=kernel, rngs=rngs), *(Block(rngs) for _ in range(layers))]
            return jax.block_until_ready(jax.tree.leaves(nnx.state(model)))

        jax.clear_caches()
        return call

    def check(leaves: Any, _: Array, slack: float) -> float:
        """The layers of four times the width, whose fans are known by their shapes."""
        found = [leaf for leaf in leaves if leaf.shape in ((width, 4 * width), (4 * width, width))]
        laws = [check_law("truncated", leaf.shape[0] ** -0.5 / LAWS["truncated"][0]) for leaf in found]
        return max(law(leaf, np.zeros(0), slack) for law, leaf in zip(laws, found, strict=True))

    homes = {"fastinit": "fastinit.jax", "jax": "jax.nn.initializers"}
    entrants = {label: Entrant(partial(bind, home=home), needs="jax flax") for label, home in homes.items()}
    values, name = (words + 12 * layers * width) * width, f"nnx model of {layers} layers of {width}, the first time"
    return Race("jax", name, values, no_buffer, check, entrants, quick=False, rounds=5, memory="fresh")
