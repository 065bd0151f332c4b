"""Keras: what the construction of a model costs on each of its backends, beside its own initializers.

A process has one backend. So each entrant has a process of its own, which makes models when it is told to.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from .checks import LAWS, law_error
from .races import MOST, Array, Call, Entrant, Race, use_threads
from .torch_calls import no_buffer

_LAWS = {"RandomNormal": "normal", "TruncatedNormal": "truncated"}
#: Ours by name, Keras's own in our context and out of it; and what all but random numbers takes.
_WAYS = ("fastinit", "fastinit, fast_init", "keras", "zeros")
#: Places of a text.
_PLACES = 1024


def keras_models(most: int) -> Iterator[Race]:
    """GPT-like models: small ones, and of 124 million values."""
    sizes = [(2, 128, min(4096, most // 128), True)]
    sizes += [(12, 768, 50257, False)] if most >= MOST else []
    for layers, width, words, quick in sizes:
        for backend in ("jax", "torch"):
            for initializer, law in _LAWS.items():
                size = (layers, width, words)
                yield _gpt(backend, initializer, law, size, quick=quick and law == "normal")


def _gpt(backend: str, initializer: str, law: str, size: tuple[int, int, int], *, quick: bool) -> Race:
    def bind(_: Array, way: str) -> Call:
        return _Maker(backend, way, initializer, *size)

    def check(maker: Any, _: Array, slack: float) -> float:
        return float(maker.asked("check"))

    layers, width, words = size
    values = (words + _PLACES + 12 * width * layers) * width  # those of matrices
    entrants = {way: Entrant(partial(bind, way=way), needs=f"keras {backend}") for way in _WAYS}
    name = f"GPT-like, {layers} layers of {width}, {law}, {backend}"
    return Race("keras", name, values, no_buffer, check, entrants, quick=quick, rounds=5)


class _Maker:
    """A call that has its process make a model."""

    def __init__(self, backend: str, *arguments: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *map(str, arguments)],
            env={**os.environ, "KERAS_BACKEND": backend, "NPROC": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def __call__(self) -> _Maker:
        self.asked("make")
        return self

    def asked(self, what: str) -> str:
        """What the process answers."""
        assert self._process.stdin and self._process.stdout
        print(what, file=self._process.stdin)
        if answer := self._process.stdout.readline():
            return answer
        raise RuntimeError("the process that makes models has ended")

    def __del__(self) -> None:
        self._process.communicate()


def _serve(way: str, initializer: str, layers: str, width: str, words: str) -> None:
    """Make a model for each line that is read, and let go of it when that has been answered."""
    keras, door = import_module("keras"), import_module("fastinit.keras")
    use_threads(1)
    home = door if way == "fastinit" else keras.initializers
    drawn = "zeros" if way == "zeros" else getattr(home, initializer)(stddev=0.02)
    for line in sys.stdin:
        with door.fast_init() if way.endswith("fast_init") else nullcontext():
            model = _made(keras, drawn, int(layers), int(width), int(words))
        if keras.backend.backend() == "jax":
            import_module("jax").block_until_ready([variable.value for variable in model.variables])
        print(_error(keras, model, way, _LAWS[initializer]) if line.strip() == "check" else "", flush=True)
        del model


def _made(keras: Any, drawn: Any, layers: int, width: int, words: int) -> Any:
    of = keras.layers
    text = keras.Input((_PLACES,), dtype="int32")
    signal = of.Embedding(words, width, embeddings_initializer=drawn)(text)
    signal += of.Embedding(_PLACES, width, embeddings_initializer=drawn)(keras.ops.arange(_PLACES))
    for _ in range(layers):
        normed = of.LayerNormalization()(signal)
        attention = of.MultiHeadAttention(width // 64, 64, kernel_initializer=drawn)
        signal += attention(normed, normed, use_causal_mask=True)
        normed = of.LayerNormalization()(signal)
        inner = of.Dense(4 * width, activation="gelu", kernel_initializer=drawn)(normed)
        signal += of.Dense(width, kernel_initializer=drawn)(inner)
    return keras.Model(text, of.LayerNormalization()(signal))


def _error(keras: Any, model: Any, way: str, law: str) -> float:
    """That of the matrix that is the furthest from its law; or of one that is not zero.

    What Keras cuts on torch is left as it is after four draws: its values are checked for mean and deviation alone.
    """
    drawn = [variable for variable in model.variables if variable.name in ("kernel", "embeddings")]
    values = [keras.ops.convert_to_numpy(variable).ravel() for variable in drawn]
    if way == "zeros":
        assert not any(one.any() for one in values), "values are not zero"
        return 0.0
    std, greatest = LAWS[law]
    return max(law_error(one, std, np.inf if way == "keras" else greatest, 0.0) for one in values)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
