"""Data: what networks are profiled and trained on, of 64 features and ten classes, as far as no network is known."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: Classes of every data set.
CLASSES = 10
#: Positions of an image, side by side, or tokens of a text by features of a token: all are 64 features.
SIDE = 8
#: Words that texts are made of, and how many of ten are of the text's own topic.
VOCABULARY, OWN = 50, 5


@cache
def examples(name: str) -> tuple[Array, Array]:
    """Features (examples, 64), or tokens (examples, 8), and the class of each example."""
    return {"digits": _digits, "clusters": _clusters, "topics": _topics}[name]()


def _digits() -> tuple[Array, Array]:
    """Handwritten digits of 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    return _standardised(*load_digits(return_X_y=True))


def _clusters() -> tuple[Array, Array]:
    """Two clusters for each class, in 24 of 64 directions."""
    from sklearn.datasets import make_classification

    sizes = {"n_samples": 2048, "n_features": SIDE**2, "n_informative": 24, "n_redundant": 8, "n_classes": CLASSES}
    return _standardised(*make_classification(**sizes, class_sep=2.0, flip_y=0, random_state=0))


def _topics() -> tuple[Array, Array]:
    """Texts of 8 words, half of them or so of one topic's five words; which topic, is the class."""
    rng = np.random.default_rng(0)
    classes = rng.integers(CLASSES, size=2048)
    own = classes[:, None] * (VOCABULARY // CLASSES) + rng.integers(VOCABULARY // CLASSES, size=(2048, SIDE))
    return np.where(rng.random(own.shape) < OWN / 10, own, rng.integers(VOCABULARY, size=own.shape)), classes


def _standardised(x: Array, classes: Array) -> tuple[Array, Array]:
    """Mean 0 and variance 1 for each feature that is not constant; in an order that knows no class."""
    order = np.random.default_rng(0).permutation(len(x))
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return x[order].astype(np.float32), classes[order].astype(np.int64)
