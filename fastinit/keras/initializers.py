"""Initializers: Keras's own, with its parameters, defaults, seeds and configurations; the values are fastinit's."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

import keras
from keras import initializers
from keras.src.initializers.random_initializers import compute_fans

from ..laws import Law, Normal, Truncated, Uniform
from ..laws import Orthogonal as OrthogonalLaw
from ..schemes import SCHEMES
from .tensors import drawn

Kind = TypeVar("Kind", bound=type)

#: Keras's names of distributions, where they are others.
_DISTRIBUTIONS = {"untruncated_normal": "normal"}
_SCALED = SCHEMES["variance_scaling"]


def _registered(kind: Kind) -> Kind:
    """A class that Keras finds again in what it has saved."""
    return keras.saving.register_keras_serializable(package="fastinit")(kind)


class _Drawn:
    """An initializer that says what law its values have."""

    seed: Any

    @abstractmethod
    def law(self, shape: tuple[int, ...]) -> Law:
        """Of a tensor of that shape."""

    def __call__(self, shape: Any, dtype: Any = None, layout: Any = None) -> Any:
        """A tensor of that shape and dtype; where there is a layout, each device makes its part."""
        return drawn(self.law(tuple(shape)), shape, dtype, self.seed, layout)


@_registered
class RandomNormal(_Drawn, initializers.RandomNormal):
    """The normal law."""

    def law(self, shape: tuple[int, ...]) -> Law:
        return Normal(self.mean, self.stddev)


@_registered
class TruncatedNormal(_Drawn, initializers.TruncatedNormal):
    """The normal law within two deviations, whose own deviation is 0.88 of what is given."""

    def law(self, shape: tuple[int, ...]) -> Law:
        return Truncated(self.mean, self.stddev)


@_registered
class RandomUniform(_Drawn, initializers.RandomUniform):
    """The uniform law on [minval, maxval)."""

    def law(self, shape: tuple[int, ...]) -> Law:
        return Uniform(self.minval, self.maxval)


class _Scaled(_Drawn):
    """Such as a fan scales, as Keras counts it."""

    scale: float
    mode: Any
    distribution: str
    input_axes: Any
    output_axes: Any

    def law(self, shape: tuple[int, ...]) -> Law:
        fan_in, fan_out = compute_fans(shape, input_axes=self.input_axes, output_axes=self.output_axes)
        drawn_as: Any = _DISTRIBUTIONS.get(self.distribution, self.distribution)
        return _SCALED.scaled(fan_in, fan_out, scale=self.scale, mode=self.mode, distribution=drawn_as)


@_registered
class VarianceScaling(_Scaled, initializers.VarianceScaling):
    """Variance ``scale / fan``."""


@_registered
class GlorotUniform(_Scaled, initializers.GlorotUniform):
    """Variance ``1 / fan_avg``, uniform."""


@_registered
class GlorotNormal(_Scaled, initializers.GlorotNormal):
    """Variance ``1 / fan_avg``, truncated normal."""


@_registered
class LecunNormal(_Scaled, initializers.LecunNormal):
    """Variance ``1 / fan_in``, truncated normal."""


@_registered
class LecunUniform(_Scaled, initializers.LecunUniform):
    """Variance ``1 / fan_in``, uniform."""


@_registered
class HeNormal(_Scaled, initializers.HeNormal):
    """Variance ``2 / fan_in``, truncated normal."""


@_registered
class HeUniform(_Scaled, initializers.HeUniform):
    """Variance ``2 / fan_in``, uniform."""


@_registered
class Orthogonal(_Drawn, initializers.Orthogonal):
    """`gain` times a matrix of orthonormal rows or columns, the last axis against all others."""

    def law(self, shape: tuple[int, ...]) -> Law:
        if len(shape) < 2:
            raise ValueError(
                "The tensor to initialize must be at least two-dimensional. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        return OrthogonalLaw(self.gain)
