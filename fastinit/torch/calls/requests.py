"""Requests: what a call of ``torch.nn.init`` asks for, as one of our schemes; the signatures are those of torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.init import _calculate_correct_fan, calculate_gain

from ... import structured
from ...arguments import real, refuse
from ...fill import REACH, normal, truncated_normal, uniform
from ...scaling import Fans, normal_interval


class Law(NamedTuple):
    """A scheme of ours, its keywords, the generator that the call named, and the fans where axes were named."""

    scheme: Callable[..., Any]
    keywords: dict[str, Any]
    generator: Generator | None = None
    fans: Fans | None = None


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Law:
    return Law(uniform, {"low": a, "high": b}, generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Law:
    return Law(normal, {"mean": mean, "std": std}, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Law:
    bound = math.sqrt(3.0) * kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Law:
    return Law(structured.orthogonal, {"gain": gain, "in_axis": 1, "out_axis": 0}, generator)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Law:
    return Law(structured.sparse, {"sparsity": sparsity, "std": std}, generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Law | None:
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
    return Law(truncated_normal, {"mean": mean, "std": std, "low": low, "high": high}, generator)


def _inward(mean: float, std: float, z: float, bound: float, sign: int) -> float:
    """z, or next to it, such that mean + std z does not round to beyond the bound."""
    step = math.ulp(z) * sign
    while (mean + std * z - bound) * sign < 0:
        z += step
        step *= 2
    return z


#: By the name of the function; those that come down to `normal_` and `uniform_` need no entry.
LAWS: dict[str, Callable[..., Law | None]] = {
    law.__name__: law for law in (uniform_, normal_, kaiming_uniform_, orthogonal_, sparse_, trunc_normal_)
}
