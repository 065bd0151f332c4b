"""``torch.nn.init``: its names, signatures, warnings and return values, on fastinit's laws.

What needs no random numbers is torch's own. A tensor whose memory we cannot see (complex, sparse, quantised, inside
``vmap`` or ``torch.compile``) is torch's to fill. Each call takes one 64-bit seed from `generator`, or from torch's
default generator wherever the tensor is: so ``torch.manual_seed`` governs, and an accelerator gets the bits of a CPU.
Where generators of all ranks are in the same state, shards of a DTensor are those of one whole.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import init as torch_init
from torch.nn.init import _calculate_fan_in_and_fan_out, _make_deprecate
from torch.nn.init import calculate_gain as calculate_gain
from torch.nn.init import constant_ as constant_
from torch.nn.init import dirac_ as dirac_
from torch.nn.init import eye_ as eye_
from torch.nn.init import ones_ as ones_
from torch.nn.init import zeros_ as zeros_
from torch.overrides import handle_torch_function, has_torch_function_variadic

from ..._core import rounds_otherwise
from ...machine import usually_rounded
from ..tensors.checks import check_here
from ..tensors.fills import DTYPES, address_of_few, fill_few_, fill_pieces_, seed_from, unseen_seed_from
from ..tensors.shards import is_checkpointable, pieces_of, whole_of
from .requests import REQUESTS, kaiming_std

#: torch's own, whatever is put in their place later.
TORCH = {name: getattr(torch_init, name) for name in REQUESTS}


def _fill(function: str, tensor: Tensor, *arguments: Any, generator: Generator | None) -> Tensor:
    """Fill a tensor where we can, and let torch's function fill it where we cannot."""
    if torch.compiler.is_compiling():
        return TORCH[function](tensor, *arguments, generator)
    if address := address_of_few(tensor):
        call = REQUESTS[function].call(tensor, arguments, {})
        if call is not None:
            fill_few_(tensor, address, call, seed=unseen_seed_from(generator), name="")
            return tensor
    pieces = pieces_of(tensor) if tensor.dtype in DTYPES else None
    if pieces is None or not tensor.numel():
        check_here(tensor, "tensor")
        return TORCH[function](tensor, *arguments, generator)
    request = REQUESTS[function](_whole(tensor), *arguments)
    if request is None:
        return TORCH[function](tensor, *arguments, generator)
    if not tensor.is_meta:
        fill_pieces_(pieces, request.law, seed=seed_from(generator), name="")
    return tensor


def _whole(tensor: Tensor) -> Tensor:
    """What the fans of a tensor that says what it holds of a whole are computed from."""
    return whole_of(tensor, tuple(tensor.global_shape)) if is_checkpointable(tensor) else tensor


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
    return _fill("uniform_", tensor, a, b, generator=generator)


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
    return _fill("normal_", tensor, mean, std, generator=generator)


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
    Where the bounds are beyond every value of the normal law, the values are those of `normal_`; where they are so
    close that the law differs from the uniform one by less than 2**-26, those of `uniform_`. Where less than 2**-48 of
    the distribution is between the bounds, or in float32 and below so little that its values would be fewer than 2**16,
    torch's own rejection takes over.

    Examples
    --------
    >>> import torch
    >>> import fastinit.torch as init
    >>> bool(init.trunc_normal_(torch.empty(100, 100), std=0.1, a=-0.2, b=0.2).abs().max() <= 0.2)
    True
    """
    if has_torch_function_variadic(tensor):
        keywords = {"mean": mean, "std": std, "a": a, "b": b, "generator": generator}
        return handle_torch_function(trunc_normal_, (tensor,), tensor=tensor, **keywords)
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    return _fill("trunc_normal_", tensor, mean, std, a, b, generator=generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform of variance ``2 gain**2 / (fan_in + fan_out)``. See `uniform_`."""
    if rounds_otherwise():
        return usually_rounded(xavier_uniform_)(tensor, gain, generator)
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(_whole(tensor))))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal of variance ``2 gain**2 / (fan_in + fan_out)``. See `uniform_`."""
    if rounds_otherwise():
        return usually_rounded(xavier_normal_)(tensor, gain, generator)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(_whole(tensor)))), generator)


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
    return _fill("kaiming_uniform_", tensor, a, mode, nonlinearity, generator=generator)


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
    return normal_(tensor, 0.0, kaiming_std(_whole(tensor), a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Orthonormal rows or columns (whichever are fewer) times `gain`; trailing axes are one. See `uniform_`.

    The values are those of `fastinit.orthogonal`, uniform among all such matrices. Every shard of a DTensor is cut from
    the whole, which every rank makes.
    """
    if has_torch_function_variadic(tensor):
        return handle_torch_function(orthogonal_, (tensor,), tensor=tensor, gain=gain, generator=generator)
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    return _fill("orthogonal_", tensor, gain, generator=generator)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal values but for ``ceil(sparsity * rows)`` zeros in every column. See `uniform_`.

    `generator` governs the zeros too, which in torch come from the default generator.
    """
    if has_torch_function_variadic(tensor):
        keywords = {"sparsity": sparsity, "std": std, "generator": generator}
        return handle_torch_function(sparse_, (tensor,), tensor=tensor, **keywords)
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _fill("sparse_", tensor, sparsity, std, generator=generator)


uniform: Callable[..., Tensor] = _make_deprecate(uniform_)
normal: Callable[..., Tensor] = _make_deprecate(normal_)
constant: Callable[..., Tensor] = _make_deprecate(constant_)
eye: Callable[..., Tensor] = _make_deprecate(eye_)
dirac: Callable[..., Tensor] = _make_deprecate(dirac_)
xavier_uniform: Callable[..., Tensor] = _make_deprecate(xavier_uniform_)
xavier_normal: Callable[..., Tensor] = _make_deprecate(xavier_normal_)
kaiming_uniform: Callable[..., Tensor] = _make_deprecate(kaiming_uniform_)
kaiming_normal: Callable[..., Tensor] = _make_deprecate(kaiming_normal_)
orthogonal: Callable[..., Tensor] = _make_deprecate(orthogonal_)
sparse: Callable[..., Tensor] = _make_deprecate(sparse_)
