"""Layers with a normalisation: their moments and the rates of their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from math import inf, sqrt
from typing import Literal, NamedTuple

from ..activations import Activation, Array, activation_of
from ..arguments import choice, integer, real
from ..typing import ActivationLike, NormName
from .kernels import activation_moments
from .planes import MOST_KINKS, sphere_plane
from .quadrature import expectation


class BatchNorm(NamedTuple):
    """Batch normalisation before the activation at infinite width; see `batch_norm`.

    ``mean``, ``second_moment`` and ``cross_moment`` are E phi(u), E phi(u)**2 and E phi(u) phi(v), u and v being the
    normalised pre-activations of two inputs, and ``slope`` is E phi'(u)**2. Gradients of second moment g at phi, and of
    mean product s between two inputs, come out of the backward pass with second moment ``own (g - s) + common s``, over
    the mean variance (plus eps) of the pre-activations; what comes out sums to zero over the batch.
    """

    batch: float
    mean: float
    second_moment: float
    cross_moment: float
    slope: float
    own: float
    common: float

    @property
    def variance(self) -> float:
        """Variance of an activation across the batch, unbiased."""
        return self.second_moment - self.cross_moment

    @property
    def rate(self) -> float:
        """Rate of the gradient's second moment per interior layer.

        At the first layer, times `variance` over that of the inputs across the batch.
        """
        if inf in (self.batch, self.own):
            return self.own / self.variance
        share = self.batch / (self.batch - 1)
        return share * (share * self.own - self.common / (self.batch - 1)) / self.variance

    @property
    def top_rate(self) -> float:
        """`rate` where the gradient does not sum to zero over the batch: the last layer, with random signs."""
        return self.own / self.variance * (1 if self.batch == inf else self.batch / (self.batch - 1))


def batch_norm(activation: ActivationLike, batch: float = inf, scale: float = 1.0) -> BatchNorm:
    """Moments and gradient rates of a layer ``phi(batch_norm(x W))`` in a deep network of infinite width.

    The pre-activations of a neuron, normalised over a batch of B, are uniform on a sphere. With a = E phi'(u)**2,
    a2 = E phi'(u) phi'(v), b = E (u phi'(u))**2, b2 = E u phi'(u) v phi'(v) on it, and the projection
    ``P = I - 11'/B - uu'/B`` of the backward pass, the rate per layer is ``B T / ((B - 3) (B - 1) variance)`` with
    ``T = (B-1) a - b - ((B-1) (a - a2) - b - (B-1) b2) / B``; as B grows, ``E phi'**2 / Var phi``.

    Parameters
    ----------
    activation : str, tuple or Activation
        phi. All is NaN for one with more than 32 kinks, which the quadrature on the sphere would not bear.
    batch : int or inf
        B, at least 2. Rates are infinite at B = 3, as the expectation of 1 / variance is; at B = 2 the normalised
        values are 1 and -1, and gradients are zero.
    scale : float
        Mean square of the normalised pre-activations: variance / (variance + eps). Below one, what comes from the
        variance's fluctuations is kept to the first order in 1 / B.

    Returns
    -------
    BatchNorm

    Notes
    -----
    *Reference*: Yang, Pennington, Rao, Sohl-Dickstein and Schoenholz, "A mean field theory of batch normalization",
    ICLR 2019.

    Examples
    --------
    >>> [round(batch_norm("relu", batch).rate, 6) for batch in (8, 32, float("inf"))]
    [1.78819, 1.521953, 1.466942]
    >>> round(batch_norm("linear", 8).rate, 6)
    1.2
    """
    phi, scale = activation_of(activation), real("scale", scale, low=0.0)
    return _batch_norm(phi, batch if batch == inf else integer("batch", batch, 2), scale)


@lru_cache(maxsize=256)
def _batch_norm(phi: Activation, batch: float, scale: float) -> BatchNorm:
    def drift(u: Array) -> Array:
        return u * phi.derivative(u)

    functions = (phi.function, phi.derivative, drift)
    if batch == inf:
        _, mean_slope, mean_drift = (expectation(f, scale, phi.kinks) for f in functions)
        mean, second, slope = activation_moments(phi, scale)
        common = slope - mean_slope**2 - (2 - scale) * mean_drift**2
        return BatchNorm(batch, mean, second, mean**2, slope, slope, common)
    if len(phi.kinks) > MOST_KINKS:
        return BatchNorm(batch, *[math.nan] * 6)
    plane = sphere_plane(int(batch), sqrt(scale), phi.kinks)
    mean = plane.mean(phi.function)
    second, slope, square = (plane.mean(_squared(f)) for f in functions)
    cross, slopes, product = (plane.product(f) for f in functions)
    # tr(P P D D) / B and 1'D P P D 1 / B, with D = diag phi'(u) and P P = I - 11'/B - (2 - scale) uu'/B
    own = slope - (slope + (2 - scale) * square) / batch
    common = slope - (slope + (batch - 1) * slopes + (2 - scale) * (square + (batch - 1) * product)) / batch
    if batch <= 3:
        own = common = 0.0 if batch == 2 else inf
    else:  # E 1 / (variance + eps), times the mean variance (plus eps)
        own, common = (value * (1 + 2 * scale**2 / (batch - 3)) for value in (own, common))
    return BatchNorm(batch, mean, second, cross, slope, own, common)


def _squared(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda u: f(u) ** 2


def decorrelation_rate(activation: ActivationLike) -> float:
    """Rate per layer of the centred correlation of two inputs under batch normalisation, ``(E phi')**2 / Var phi``.

    For batches so large that the normalisation's constants are those of the law (B -> inf), and small correlations.

    Examples
    --------
    >>> round(decorrelation_rate("relu"), 6)
    0.733471
    """
    phi = activation_of(activation)
    mean, second, _ = activation_moments(phi)
    return expectation(phi.derivative, 1.0, phi.kinks) ** 2 / (second - mean * mean)


def norm_rate(
    activation: ActivationLike,
    norm: NormName | None,
    position: Literal["pre_act", "post_act"] = "pre_act",
    q: float = 1.0,
) -> float:
    """Rate of the gradient's second moment per layer with a normalisation, at infinite width (and batch).

    With "layer" and "rms", and q the second moment of what the activation gets, ``E phi'**2 / E phi**2``; layer
    normalisation after the activation divides by ``Var phi`` instead; and so does "batch", before it. Without a
    normalisation (None), of weights that keep the second moment: ``E phi'**2 / E phi**2`` as well.

    Parameters
    ----------
    activation : str, tuple or Activation
        phi.
    norm : {None, "batch", "layer", "rms"}
        Normalisation.
    position : {"pre_act", "post_act"}
        Before or after the activation. NaN for "batch" after it, for which no closed form is known here.
    q : float
        Second moment of what the activation gets: one after a normalisation.

    Examples
    --------
    >>> [round(norm_rate("relu", norm, "post_act"), 6) for norm in ("layer", "rms")]
    [1.466942, 1.0]
    """
    centred = norm == "batch" or (norm == "layer" and position == "post_act")
    if norm is not None:
        choice("norm", norm, ["batch", "layer", "rms"])
    if choice("position", position, ["pre_act", "post_act"]) == "post_act" and norm == "batch":
        return math.nan
    mean, second, slope = activation_moments(activation, q)
    return slope / (second - mean * mean * centred)
