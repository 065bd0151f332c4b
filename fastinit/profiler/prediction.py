"""Prediction: what infinite width predicts of a network, layer by layer, beside what is measured."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan, nan, prod, sqrt
from typing import Any, NamedTuple

import numpy as np

from ..activations import ACTIVATIONS, Activation
from ..machine import usually_rounded
from ..theory import activation_moments, batch_norm, expectation, kernel
from .description.network import Image, Network, mixes, normalisation_of
from .description.signals import Signals
from .products import mean_cosine_of_rows, rounding
from .statistics import FIELDS

Array = np.ndarray[Any, Any]

#: Rows whose cosines with all others are looked at together.
_ROWS = 256
#: Second moments from here on are not followed.
_LARGEST = 1e290


class SignalMoments(NamedTuple):
    """What is known of a signal: its second moment and mean over units, and the mean product of two inputs.

    Of an image each is (size, size), one for each position, `cross` being at one position of two inputs and `far` at
    this and any position; otherwise second moment and mean are (batch,) or (1,), of each input or of all alike, and the
    mean product is (1,).
    """

    second: Array
    mean: Array
    cross: Array
    far: Array


class GradientMoments(NamedTuple):
    """Second moment of a gradient, by position or input as of signals, and mean product of those of two inputs."""

    second: Array
    cross: Array


Back = Callable[[GradientMoments], GradientMoments]
Passed = tuple[SignalMoments, Back]


@usually_rounded
def predicted(network: Network, signals: Signals | None = None) -> dict[str, Array]:
    """What infinite width predicts of the fields of a profile: (depth + 1,) each, NaN where there is no answer.

    Exact recursions of second moments for plain and residual layers, convolutions of either padding (by position),
    biases, rectangular widths (n_out / n_in backward), layer and RMS normalisation, and batch normalisation before the
    activation of a fully connected net, or after a linear one, at any batch. Leading order only: batch normalisation
    after another activation, where gradients are off by 1.6 / batch (tanh) to 2.8 / batch (ReLU) in each layer, and in
    convolutions, by 1 / batch, where zero padding adds a percent or so.

    Inputs enter by their second moments and mean cosine: for each input in a fully connected net, for each position in
    a convolutional one. Cosines, and all fields under batch normalisation, are exact where inputs have one second
    moment and one cosine. Gradients are those of random signs.

    No answer: weights whose variance is not known from the scheme (callables, constants, the identity, ...), from
    their layer on; norms whose law is not known (`Norm.predicted`), from theirs on; residual nets with the user's
    inputs, which are not Gaussian; images of different second moments; gradients of the user's cotangent or of a loss;
    transformers; kurtosis, distinct units, gradients of weights; dead units but for piecewise linear functions and
    relu2 without batch normalisation, and inputs with one cosine.

    Parameters
    ----------
    network : Network
        Its description.
    signals : Signals, optional
        What is sent through it: standard normal inputs and random signs where left out.

    Returns
    -------
    dict
        Of the fields of `Profile` that have an answer for at least one layer.
    """
    if network.text:
        return {}
    with np.errstate(all="ignore"):  # zeros have no cosine, and what overflows is infinite
        fields = _Prediction(network, signals or Signals()).fields()
    return {name: values for name, values in fields.items() if not np.isnan(values).all()}


class _Prediction:
    """Passes a `SignalMoments` through the layers, and a `GradientMoments` back, and notes the fields on the way."""

    def __init__(self, network: Network, signals: Signals) -> None:
        self._network, self._signals = network, signals
        self._fields = {name: np.full(network.depth + 1, np.nan) for name in FIELDS}
        self._taps: Array | None = None
        self._far_taps: Array | None = None
        if network.image:
            self._taps, self._far_taps = _taps(network.image)
        self._alike = True
        self._cosines: dict[int, Array] = {}  # of pre-activations, by layer, where any two inputs have the same
        norm = normalisation_of(network)
        self._over_rows = mixes(network)
        self._has_law = norm is None or norm.predicted
        self._norm_first = network.norm_position == "pre_act"

    def fields(self) -> dict[str, Array]:
        """All fields, NaN where there is no answer."""
        network, signals = self._network, self._signals
        law = self._inputs()
        backs = []
        for layer in range(network.depth + 1):
            if layer:
                law, back = self._layer(layer, law)
                backs.append(back)
            self._note_act(layer, law)
        self._note_dead()
        if signals.backward and signals.cotangent is None and signals.loss is None:
            gradient = GradientMoments(np.ones_like(law.second), np.zeros_like(law.cross))
            for layer in range(network.depth, 0, -1):
                self._note("grad_act_second_moment", layer, gradient.second)
                gradient = backs[layer - 1](gradient)
            self._note("grad_act_second_moment", 0, gradient.second)
        return self._fields

    def _note(self, name: str, layer: int, values: Any) -> None:
        self._fields[name][layer] = _mean(values)

    def _note_act(self, layer: int, law: SignalMoments) -> None:
        self._note("act_second_moment", layer, law.second)
        self._note("act_mean", layer, law.mean)
        self._note("act_variance", layer, _mean(law.second) - _mean(law.mean) ** 2)
        if self._network.batch > 1:
            self._note("cosine", layer, _mean(law.cross) / _mean(law.second))

    def _note_dead(self) -> None:
        """Of all layers together: quadrature takes as long for one."""
        if self._cosines:
            cosines = np.array([*self._cosines.values()]).reshape(len(self._cosines), -1)
            self._fields["dead_fraction"][[*self._cosines]] = _dead(
                self._network.activation, cosines, self._network.batch
            )

    def _inputs(self) -> SignalMoments:
        """Standard normal inputs, or the user's as they are on average."""
        network, inputs = self._network, self._signals.inputs
        shape = network.input_shape[1:-1] or (1,)
        if inputs is None:
            return SignalMoments(np.ones(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape))
        x = inputs.astype(float)
        second, batch = np.mean(x * x, axis=-1), network.batch
        if network.image:
            sizes = second.reshape(batch, -1).mean(axis=1)
            if np.ptp(sizes) > 1e-6 * sizes.max() and (network.norm or network.activation.degree != 1):
                second = second * np.nan  # what is not linear in the second moment is not that of their mean
            everywhere, pairs = x.mean(axis=(1, 2), keepdims=True), batch * max(batch - 1, 1)
            cross, far = (
                np.mean(x.sum(axis=0) * y.sum(axis=0) - (x * y).sum(axis=0), axis=-1) / pairs for y in (x, everywhere)
            )
            self._alike = False
            return SignalMoments(second.mean(axis=0), x.mean(axis=(0, -1)), cross, far)
        cosine = np.nan_to_num(mean_cosine_of_rows(x))
        cosine = 1.0 if abs(cosine - 1) <= 2 * rounding(x.shape[-1]) else cosine
        self._alike = _alike(x, cosine)
        cross = cosine * second.mean(keepdims=True)
        return SignalMoments(second, x.mean(axis=-1), cross, cross)

    # --- Layers

    def _layer(self, layer: int, law: SignalMoments) -> Passed:
        network = self._network
        if not network.residual:
            return self._through([self._linear, *self._units()], layer, law)
        if self._signals.inputs is not None:
            law = SignalMoments(*(values * np.nan for values in law))
        branch, back = self._through([*self._units(), self._linear], layer, law)
        share = network.branch_scale**2
        total = SignalMoments(*(values + share * more for values, more in zip(law, branch, strict=True)))

        def both(d: GradientMoments) -> GradientMoments:
            through = back(GradientMoments(share * d.second, share * d.cross))
            return GradientMoments(d.second + through.second, d.cross + through.cross)

        return total, both

    def _through(self, steps: list[Callable[[int, SignalMoments], Passed]], layer: int, law: SignalMoments) -> Passed:
        backs: list[Back] = []
        for step in steps:
            law, back = step(layer, law)
            backs.append(back)

        def all_back(d: GradientMoments) -> GradientMoments:
            for back in reversed(backs):
                d = back(d)
            return d

        return law, all_back

    def _units(self) -> list[Callable[[int, SignalMoments], Passed]]:
        """Activation and norm in the order of the network's layers."""
        network = self._network
        linear = network.activation.function == ACTIVATIONS["linear"].function  # before the norm or after, it is one
        if self._over_rows and self._has_law and (self._norm_first or linear) and not network.image:
            return [self._batch_units] if network.residual and self._norm_first else [self._read, self._batch_units]
        return network.in_order(self._read, self._normalise, self._activate)

    # --- Steps, forward; each gives its way back

    def _linear(self, layer: int, law: SignalMoments) -> Passed:
        network, shape = self._network, self._network.weight_shape(layer)
        known = network.scheme.variance(shape)
        variance, bias = np.nan if known is None else known, network.bias_std**2
        self._note("weight_norm", layer, sqrt(prod(shape)) * np.sqrt(variance))
        taps, far_taps, (fan_in, fan_out) = self._taps, self._far_taps, shape[-2:]

        def back(d: GradientMoments) -> GradientMoments:
            across = None if taps is None else taps.T
            return GradientMoments(*(fan_out * variance * _filtered(values, across) for values in d))

        second, cross = (fan_in * variance * _filtered(values, taps) + bias for values in (law.second, law.cross))
        far = fan_in * variance * _filtered(law.far, far_taps) + bias
        return SignalMoments(second, 0 * second, cross, far), back

    def _read(self, layer: int, law: SignalMoments) -> Passed:
        self._note_preact(layer, law)

        def back(d: GradientMoments) -> GradientMoments:
            self._note("grad_preact_second_moment", layer, d.second)
            return d

        return law, back

    def _note_preact(self, layer: int, law: SignalMoments) -> None:
        self._note("preact_second_moment", layer, law.second)
        self._note("preact_mean", layer, law.mean)
        self._note("preact_variance", layer, _mean(law.second) - _mean(law.mean) ** 2)
        if self._alike and not self._over_rows:
            self._cosines[layer] = law.cross / self._shared(law.second)

    def _shared(self, second: Array) -> Array:
        """Second moments of the shape of mean products."""
        return second if self._network.image or second.size == 1 else second.mean(keepdims=True)

    def _activate(self, layer: int, law: SignalMoments) -> Passed:
        phi, known = self._network.activation, law.second < _LARGEST
        if known.all():
            mean, square, slope = activation_moments(phi, law.second)
        else:
            moments = activation_moments(phi, np.where(known, law.second, 0.0))
            mean, square, slope = (np.where(known, values, np.nan) for values in moments)

        def back(d: GradientMoments) -> GradientMoments:
            return GradientMoments(slope * d.second, d.cross)  # mean products are zero here

        shared = self._shared(law.second)
        cross = far = _products(phi, law.cross / shared, shared)
        if self._over_rows and self._network.image:
            far = _products(phi, law.far / shared, shared)
        return SignalMoments(square, mean, cross, far), back

    def _normalise(self, layer: int, law: SignalMoments) -> Passed:
        """Over the units of a row; or over so many rows that their mean and variance are those of the law."""
        network, norm, batch = self._network, normalisation_of(self._network), self._over_rows
        assert norm is not None
        if not self._has_law:
            return self._unknown(law)
        centre = law.mean**2 * norm.centred
        common = np.mean(law.far) - 2 * law.far if batch else -centre  # what the norm takes out adds this to products
        variance = np.maximum(law.second + common, 0)
        inverse = 1 / ((np.mean(variance) if batch else variance) + network.norm_eps)
        mean = np.sqrt(inverse) * law.mean if not norm.centred else 0 * law.mean
        centred, known = law.cross + self._shared(common), self._shared(variance)
        cosine = np.divide(centred, known, out=np.zeros_like(centred), where=known != 0)  # as if of rows alike
        cross = cosine * self._shared(inverse * variance)
        far = np.zeros_like(cross)
        if batch and not network.image:
            cross = far = -np.mean(inverse * variance, keepdims=True) / (network.batch - 1)

        def back(d: GradientMoments) -> GradientMoments:
            return GradientMoments(inverse * d.second, np.zeros_like(d.cross))

        return SignalMoments(inverse * variance, mean, cross, far), back

    def _batch_units(self, layer: int, law: SignalMoments) -> Passed:
        """Batch normalisation and the activation after it: the gradient's two factors are not independent."""
        network, batch = self._network, self._network.batch
        variance = np.maximum(np.mean(law.second - law.cross), 0) * (batch - 1) / batch  # of equal inputs a rounding
        total = variance + network.norm_eps
        scale = float(variance / total)
        if np.isnan(scale):
            return self._unknown(law)
        units, one = batch_norm(network.activation, batch, scale), np.ones(1)
        if network.residual and self._norm_first:
            self._note_preact(layer, SignalMoments(scale * one, 0 * one, 0 * one, 0 * one))

        def back(d: GradientMoments) -> GradientMoments:
            if network.residual and self._norm_first:
                self._note("grad_preact_second_moment", layer, units.slope * d.second)
            second = (units.own * (d.second - d.cross) + units.common * d.cross) / total
            return GradientMoments(second, -second / (batch - 1))

        cross = units.cross_moment * one
        return SignalMoments(units.second_moment * one, units.mean * one, cross, cross), back

    def _unknown(self, law: SignalMoments) -> Passed:
        def back(d: GradientMoments) -> GradientMoments:
            return GradientMoments(d.second * np.nan, d.cross * np.nan)

        return SignalMoments(*(values * np.nan for values in law)), back


def _mean(values: Any) -> Any:
    """Over places or inputs, of which there most often is one."""
    return values.flat[0] if values.size == 1 else np.mean(values)


def _alike(x: Array, cosine: float) -> bool:
    """Whether any two rows have this cosine."""
    unit = x / np.sqrt((x * x).sum(axis=-1, keepdims=True))
    for start in range(0, len(unit), _ROWS):
        cosines = unit[start : start + _ROWS] @ unit.T
        cosines[np.arange(len(cosines)), start + np.arange(len(cosines))] = cosine
        if not (abs(cosines - cosine) < 5e-7).all():
            return False
    return True


def _taps(image: Image) -> tuple[Array, Array]:
    """(size, size): which places of an axis each place of the next layer sees.

    And the same weighted by the part of the axis where the tap is inside: what two places any distance apart both see.
    """
    before, size = (image.kernel - 1) // 2, image.size
    shifts = range(-before, image.kernel - before)
    if image.padding == "circular":
        taps = np.sum([np.roll(np.eye(size), shift, axis=1) for shift in shifts], axis=0)
        return taps, taps
    inside = [np.eye(size, k=shift) for shift in shifts]
    weighted = [(1 - abs(shift) / size) * one for shift, one in zip(shifts, inside, strict=True)]
    return np.sum(inside, axis=0), np.sum(weighted, axis=0)


def _filtered(values: Array, taps: Array | None) -> Array:
    return values if taps is None else taps @ values @ taps.T


def _products(phi: Activation, cosine: Array, second: Array) -> Array:
    """E[phi phi] at each place; places that a symmetry makes alike are computed once."""
    if second.size == 1:
        return np.full(second.shape, _product(phi, cosine.item(), second.item()))
    scale = np.nanmax(second, initial=0.0) or 1.0
    places = np.round([cosine.ravel(), second.ravel() / scale], 12) + 0.0  # no -0
    distinct, where = np.unique(places, axis=1, return_inverse=True)
    found = np.array([_product(phi, c, q * scale) for c, q in distinct.T.tolist()])[where.ravel()]
    return found.reshape(second.shape)


def _product(phi: Activation, cosine: float, second: float) -> float:
    if second == 0:
        return kernel(phi, 1.0, 0.0)
    known = second < _LARGEST and not isnan(cosine)
    return kernel(phi, min(max(cosine, -1.0), 1.0), second) if known else nan


def _dead(phi: Activation, cosines: Array, batch: int) -> Array:
    """Probability that phi' is zero at all of `batch` normal variables, any two of which have one cosine.

    With phi' zero on one side only, E Phi(u)^batch, u of variance c / (1 - c): 2^-batch at c = 0, 1 / (batch + 1) at
    one half. Of each row of cosines the mean; not a number where one is below zero.
    """
    sides = np.count_nonzero(phi.derivative(np.array([-1.0, 1.0])) == 0)
    if phi.degree is None or sides != 1:
        return np.full(len(cosines), np.nan if phi.degree is None else sides / 2)
    dead, known = np.full(len(cosines), np.nan), (cosines >= 0).all(axis=1)
    erf, below_one = ACTIVATIONS["erf"].function, np.minimum(cosines[known], 1 - 1e-12)
    found = expectation(lambda u: (0.5 + 0.5 * erf(u * sqrt(0.5))) ** batch, below_one / (1 - below_one))
    dead[known] = found.mean(axis=1)
    return dead
