"""Signals: what is sent through a network, forward and back, and the checks of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...arguments import choice, integer, real, refuse
from ...schemes.distributions import normal, uniform
from ..first_loss import checked_classes
from .network import Network

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Signals:
    """What is sent through a network: inputs forward, a cotangent or a gradient of a loss back, descent between.

    And what is asked of its outputs: of how many `classes` they are to tell.
    """

    inputs: Array | None = None
    cotangent: Array | None = None
    loss: Callable[[Array], Array] | str | None = None
    classes: int | None = None
    backward: bool = True
    jacobian: bool = False
    sgd_steps: int = 0
    rates: tuple[float, ...] = field(default=())

    @property
    def is_random(self) -> bool:
        """Whether random signs are sent back."""
        return self.backward and self.cotangent is None and self.loss is None

    @property
    def asks_again(self) -> bool:
        """Whether a matrix is multiplied more often than once on each way."""
        return self.jacobian or self.sgd_steps > 0

    def first(self, network: Network, seed: int) -> Array:
        """The inputs as a matrix of rows: the user's, or of the stream "input" standard normals or uniform tokens."""
        inputs = self.inputs
        if inputs is None and network.text and network.text.vocabulary:
            places = uniform(network.input_shape, 0, network.text.vocabulary, seed=seed, name="input", dtype="float64")
            inputs = places.astype(np.int64)
        elif inputs is None:
            inputs = normal_inputs(network, seed)
        return inputs.reshape(network.rows, -1)

    def comparable(self, network: Network, x: Array) -> Array | None:
        """Of inputs those that may be like each other, as a matrix of examples: independent normals are not."""
        return None if self.inputs is None and x.dtype == network.dtype else x.reshape(-1, *network.input_shape[1:])

    def last(self, network: Network, seed: int, x: Array) -> Array:
        """The gradient at the outputs x: the user's, that of the loss, or random signs of the stream "cotangent"."""
        if self.cotangent is not None:
            return self.cotangent.reshape(x.shape)
        if self.loss is None:
            return random_cotangent(network.batch, network.outputs, seed, x.dtype).reshape(x.shape)
        if self.loss == "mse":
            return (x - normal(x.shape, seed=seed, name="target", dtype=x.dtype)) / x.dtype.type(network.batch)
        assert callable(self.loss)
        shape = network.output_shape
        gradient = np.asarray(self.loss(x.reshape(shape).copy()))  # the steps keep x for the way back
        if gradient.shape != shape:
            refuse("loss", f"a function whose gradient has the shape of the outputs, {shape}", gradient.shape)
        return gradient.astype(x.dtype).reshape(x.shape)


def normal_inputs(network: Network, seed: int) -> Array:
    """Standard normals of the stream "input"."""
    made: Array = normal(network.input_shape, seed=seed, name="input", dtype=network.dtype)
    return made


def random_signs(shape: tuple[int, ...], seed: int, name: str, dtype: Any) -> Array:
    """Independent fair signs: of each element of a normal stream."""
    drawn = normal(shape, seed=seed, name=name, dtype=dtype)
    return np.copysign(drawn.dtype.type(1), drawn, out=drawn)


def random_cotangent(examples: int, outputs: int, seed: int, dtype: Any) -> Array:
    """Signs of the examples times signs of the outputs, (examples, outputs of one).

    Of any two elements the expected product is zero, as if all were independent; and but for the sign of each example
    one functional of the outputs is sent back from all.
    """
    return example_signs(examples, seed, dtype)[:, None] * random_signs((outputs,), seed, "cotangent", dtype)


def example_signs(examples: int, seed: int, dtype: Any) -> Array:
    """Those of the first examples in a random cotangent."""
    return random_signs((examples,), seed, "cotangent.example", dtype)


def signals_from(network: Network, **given: Any) -> Signals:
    """Checked `Signals` from the keywords of `profile`."""
    inputs, cotangent, loss, steps = (given[name] for name in ("inputs", "cotangent", "loss", "sgd_steps"))
    if inputs is not None and network.text and network.text.vocabulary:
        inputs = _tokens(inputs, network.input_shape, network.widths[0], network.text.vocabulary)
    elif inputs is not None:
        inputs = _array("inputs", inputs, network.input_shape, network.dtype)
    outputs = network.output_shape
    if isinstance(cotangent, str):
        choice("cotangent", cotangent, ("random_sign",))
        cotangent = None
    elif cotangent is not None:
        cotangent = _array("cotangent", cotangent, outputs, network.dtype)
    if loss is not None and not callable(loss):
        choice("loss", loss, ("mse",))
    steps = integer("sgd_steps", steps, 0)
    if steps and not given["backward"]:
        refuse("backward", "true where sgd_steps is not 0", given["backward"])
    if given["jacobian"] and (loss is not None or cotangent is not None or steps or not given["backward"]):
        rule = "false, or with backward, cotangent='random_sign', and neither loss nor sgd_steps"
        refuse("jacobian", rule, given["jacobian"])
    return Signals(
        inputs=inputs,
        cotangent=cotangent,
        loss="mse" if steps and loss is None and cotangent is None else loss,
        classes=checked_classes(given["classes"]),
        backward=given["backward"],
        jacobian=given["jacobian"],
        sgd_steps=steps,
        rates=_rates(0.1 / max(network.widths) if given["lr"] is None else given["lr"], network.depth),
    )


def _array(name: str, value: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    array = np.asarray(value)
    if array.shape != shape:
        refuse(name, f"an array of shape {shape}", array.shape)
    if array.dtype.kind not in "fiub":
        refuse(name, "an array of real numbers", array.dtype.name, TypeError)
    array = array.astype(dtype)
    if len(wrong := np.argwhere(~np.isfinite(array))):
        place = tuple(wrong[0].tolist())
        rule = f"finite everywhere ({len(wrong)} of {array.size} elements are not, the first at {place})"
        refuse(name, rule, float(array[place]))
    return array


def _tokens(value: Any, shape: tuple[int, ...], width: int, vocabulary: int) -> Array:
    array = np.array(value)
    if array.shape != shape:
        refuse("inputs", f"tokens of shape {shape} or signals of shape {(*shape, width)}", array.shape)
    if array.dtype.kind not in "iu":
        refuse("inputs", "integers where they are tokens", array.dtype.name, TypeError)
    if array.min() < 0 or array.max() >= vocabulary:
        refuse("inputs", f"tokens in [0, {vocabulary}) (the vocabulary)", [int(array.min()), int(array.max())])
    return array


def _rates(lr: Any, depth: int) -> tuple[float, ...]:
    """One learning rate for each layer."""
    if np.ndim(lr) == 0:
        return (real("lr", lr, low=0),) * depth
    if len(lr) != depth:
        refuse("lr", f"a number, or one for each of the {depth} layers", lr)
    return tuple(real("lr", rate, low=0) for rate in lr)
