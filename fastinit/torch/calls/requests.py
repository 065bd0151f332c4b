"""Requests: what a call of ``torch.nn.init`` asks for, as a law of ours; the signatures are those of torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.init import _calculate_correct_fan, calculate_gain

from ..._core import CheckedCall, CheckedCalls
from ...arguments import real, refuse
from ...dtypes import Kind
from ...laws import Law, Normal, Orthogonal, Sparse, Truncated, UniformBelow
from ...machine import usually_rounded
from ...ranges import REACH
from ...scaling import normal_interval
from ..tensors.fills import KINDS


class Request(NamedTuple):
    """A law, and the generator that the call named."""

    law: Law
    generator: Generator | None = None


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Request:
    return Request(UniformBelow(a, b), generator)


def uniform_method(
    tensor: Tensor, low: float = 0.0, high: float = 1.0, /, *, generator: Generator | None = None, **named: float
) -> Request:
    """Tensor.uniform_, one of whose arguments is called `from`."""
    return uniform_(tensor, named.get("from", low), named.get("to", high), generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Request:
    return Request(Normal(mean, std), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Request:
    bound = math.sqrt(3.0) * kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


@usually_rounded
def kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Request:
    return Request(Orthogonal(gain, in_axis=1, out_axis=0), generator)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Request:
    return Request(Sparse(sparsity, std), generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Request | None:
    """None where torch's rejection is more exact.

    That is where less than 2**-48 of the distribution is between the cut-offs, or float32 has fewer than 2**16
    probabilities there; but where they are so close that the uniform law has the same distribution function to 2**-26,
    it is that.
    """
    mean, std = real("mean", mean), real("std", std)
    a, b = real("a", a, infinite=True), real("b", b, infinite=True)
    if a > b:
        refuse("a", f"at most b ({b!r})", a)
    if std == 0 or a == b:
        value = min(max(mean, a), b)
        return uniform_(tensor, value, value, generator)
    low, high = (a - mean) / std, (b - mean) / std
    if std < 0 or (low < -REACH and high > REACH):
        return normal_(tensor, mean, std, generator)
    below, between, above = normal_interval(low, high)
    if between < 2**-24 * min(below, above):
        return uniform_(tensor, a, b, generator)
    coarse = tensor.dtype is not torch.float64 and between < 2**-8 * min(below, above)
    if coarse or between < 2**-48:
        return None
    low, high = _inward(mean, std, low, a, 1), _inward(mean, std, high, b, -1)
    return Request(Truncated(mean, std, low, high), generator)


def _inward(mean: float, std: float, z: float, bound: float, sign: int) -> float:
    """z, or next to it, such that mean + std z does not round to beyond the bound."""
    step = math.ulp(z) * sign
    while (mean + std * z - bound) * sign < 0:
        z += step
        step *= 2
    return z


class Asks:
    """From a call of torch's to its request; what calls on small tensors came to is kept."""

    def __init__(self, request: Callable[..., Request | None]) -> None:
        self._request = usually_rounded(request)
        self._calls = CheckedCalls()

    def __call__(self, tensor: Tensor, *args: Any, **kwargs: Any) -> Request | None:
        return self._request(tensor, *args, **kwargs)

    def call(self, tensor: Tensor, args: Any, kwargs: Any) -> CheckedCall | None:
        """What fills a tensor of few values; None where its law needs more, or is refused.

        The generator is not among the arguments.
        """
        kind, shape = KINDS[tensor.dtype], tuple(tensor.shape)
        asked = (kind.code, shape, len(args), *args, *kwargs, *kwargs.values())
        call = self._calls.known(asked)
        if call is None:
            call = self._first(tensor, shape, kind, args, kwargs)
            if call is not None:
                self._calls.keep(asked, call)
        return call

    def _first(self, tensor: Tensor, shape: tuple[int, ...], kind: Kind, args: Any, kwargs: Any) -> CheckedCall | None:
        """What a call comes to that was not made before; of what is refused, or names a generator, others know."""
        try:
            request = self(tensor, *args, **kwargs)
            if request is None or request.generator is not None or not request.law.in_core:
                return None
            return request.law._checked_call(shape, kind)
        except (TypeError, ValueError):
            return None


#: By the name of the function; those that come down to `normal_` and `uniform_` need no entry.
REQUESTS: dict[str, Asks] = {
    function.__name__: Asks(function)
    for function in (uniform_, normal_, kaiming_uniform_, orthogonal_, sparse_, trunc_normal_)
}
