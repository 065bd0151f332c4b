"""``torch.nn.init``: its names, signatures, warnings and return values, on fastinit's laws.

What needs no random numbers is torch's own. A tensor whose memory we cannot see (complex, sparse, quantised, inside
``vmap`` or ``torch.compile``) is torch's to fill. Each call takes one 64-bit seed from `generator`, or from torch's
default generator wherever the tensor is: so ``torch.manual_seed`` governs, and an accelerator gets the bits of a CPU.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import init as torch_init
from torch.nn.init import (
    _calculate_correct_fan,
    _calculate_fan_in_and_fan_out,
    _make_deprecate,
    calculate_gain,
    constant_,
    dirac_,
    eye_,
)
from torch.overrides import handle_torch_function, has_torch_function_variadic

from .. import structured
from ..arguments import refuse
from ..fill import REACH
from ..fill import normal as _normal
from ..fill import truncated_normal as _truncated_normal
from ..fill import uniform as _uniform
from ..scaling import normal_interval
from .shards import pieces_of
from .tensors import DTYPES, Scheme, fill_pieces_, seed_from

#: torch's own, whatever is put in their place later.
TORCH = {name: getattr(torch_init, name) for name in torch_init.__all__}


def _fill(
    tensor: Tensor, generator: Generator | None, otherwise: Callable[[], Tensor], scheme: Scheme, **keywords: Any
) -> Tensor:
    """Fill a tensor where we can, and let torch fill it where we cannot."""
    if tensor.dtype not in DTYPES or torch.compiler.is_compiling():
        return otherwise()
    pieces = pieces_of(tensor)
    if pieces is None:
        return otherwise()
    if not tensor.is_meta and tensor.numel():
        fill_pieces_(pieces, scheme, seed=seed_from(generator), name="", **keywords)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform values in [a, b).

    Parameters
    ----------
    tensor : torch.Tensor
        Of any shape, strides and device; filled in place. A DTensor's local shard gets its part of the whole.
    a, b : float
        Ends of the interval.
    generator : torch.Generator
        Where the seed is taken from; None: torch's default generator.

    Returns
    -------
    torch.Tensor
        `tensor`.

    Raises
    ------
    ValueError, TypeError
        If an argument breaks its rule (that of `fastinit.uniform`); then nothing has been written.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch as init
    >>> _ = torch.manual_seed(0)
    >>> bool(init.uniform_(torch.empty(3, 5), -1, 1).abs().max() <= 1)
    True
    """
    if has_torch_function_variadic(tensor):
        return handle_torch_function(uniform_, (tensor,), tensor=tensor, a=a, b=b, generator=generator)
    return _fill(tensor, generator, lambda: TORCH["uniform_"](tensor, a, b, generator), _uniform, low=a, high=b)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal values. See `uniform_`.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch as init
    >>> _ = torch.manual_seed(0)
    >>> bool(abs(init.normal_(torch.empty(100, 100), std=0.02).std() / 0.02 - 1) < 0.05)
    True
    """
    if has_torch_function_variadic(tensor):
        return handle_torch_function(normal_, (tensor,), tensor=tensor, mean=mean, std=std, generator=generator)
    return _fill(tensor, generator, lambda: TORCH["normal_"](tensor, mean, std, generator), _normal, mean=mean, std=std)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Normal values restricted to [a, b], which are cut-offs, not multiples of `std`. See `uniform_`.

    Notes
    -----
    By the inverse distribution function, so exact at any `std`: at 0 every value is `mean`, or the bound next to it.
    Where the bounds are beyond every value of the normal law, the values are those of `normal_`. Where less than
    2**-48 of the distribution is between the bounds, torch's own rejection takes over.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch as init
    >>> bool(init.trunc_normal_(torch.empty(100, 100), std=0.1, a=-0.2, b=0.2).abs().max() <= 0.2)
    True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    scheme, keywords = truncated(float(mean), float(std), float(a), float(b))
    own = partial(TORCH["trunc_normal_"], tensor, mean, std, a, b, generator)
    if scheme is None:
        return own()
    _fill(tensor, generator, own, scheme, **keywords)
    if scheme is _truncated_normal and not (mean + std * keywords["low"] >= a and mean + std * keywords["high"] <= b):
        with torch.no_grad():  # which in float64 would let a value pass
            tensor.clamp_(a, b)
    return tensor


def truncated(mean: float, std: float, a: float, b: float) -> tuple[Scheme | None, dict[str, float]]:
    """The law, with its parameters, of a normal restricted to [a, b]; None where that is too far out for it."""
    if a > b:
        refuse("a", f"at most b ({b!r})", a)
    if std == 0 or a == b:
        value = min(max(mean, a), b)
        return _uniform, {"low": value, "high": value}
    low, high = (a - mean) / std, (b - mean) / std
    if std < 0 or (low < -REACH and high > REACH):
        return _normal, {"mean": mean, "std": std}
    if normal_interval(low, high)[1] < 2**-48:
        return None, {}
    return _truncated_normal, {"mean": mean, "std": std, "low": low, "high": high}


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform of variance ``2 gain**2 / (fan_in + fan_out)``. See `uniform_`."""
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal of variance ``2 gain**2 / (fan_in + fan_out)``. See `uniform_`."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform of variance ``calculate_gain(nonlinearity, a)**2 / fan``. See `uniform_`."""
    if has_torch_function_variadic(tensor):
        keywords = {"a": a, "mode": mode, "nonlinearity": nonlinearity, "generator": generator}
        return handle_torch_function(kaiming_uniform_, (tensor,), tensor=tensor, **keywords)
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal of variance ``calculate_gain(nonlinearity, a)**2 / fan``. See `uniform_`."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Orthonormal rows or columns (whichever are fewer) times `gain`; trailing axes are one. See `uniform_`.

    The values are those of `fastinit.orthogonal`, uniform among all such matrices. Every shard of a DTensor is cut from
    the whole, which every rank makes.
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    own = partial(TORCH["orthogonal_"], tensor, gain, generator)
    return _fill(tensor, generator, own, structured.orthogonal, gain=gain, in_axis=1, out_axis=0)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal values but for ``ceil(sparsity * rows)`` zeros in every column. See `uniform_`.

    `generator` governs the zeros too, which in torch come from the default generator.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    own = partial(TORCH["sparse_"], tensor, sparsity, std, generator)
    return _fill(tensor, generator, own, structured.sparse, sparsity=sparsity, std=std)


ones_ = torch_init.ones_
zeros_ = torch_init.zeros_
uniform = _make_deprecate(uniform_)
normal = _make_deprecate(normal_)
constant = _make_deprecate(constant_)
eye = _make_deprecate(eye_)
dirac = _make_deprecate(dirac_)
xavier_uniform = _make_deprecate(xavier_uniform_)
xavier_normal = _make_deprecate(xavier_normal_)
kaiming_uniform = _make_deprecate(kaiming_uniform_)
kaiming_normal = _make_deprecate(kaiming_normal_)
orthogonal = _make_deprecate(orthogonal_)
sparse = _make_deprecate(sparse_)
