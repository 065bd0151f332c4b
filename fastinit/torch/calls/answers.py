"""Answers: what a block does in place of each function of torch whose call it sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import FunctionType
from typing import Any, Protocol

import torch
from torch import Generator, Tensor
from torch.nn import init as torch_init

from ..tensors.names import Register
from ..tensors.shards import is_dtensor
from . import init
from .init import TORCH
from .requests import REQUESTS, Asks, uniform_method
from .wrapping import ANNOUNCED, WRAPPED


class Block(Protocol):
    """What answers ask of a block, `new` being a tensor that was made just now."""

    left_to_torch: Counter[str]
    register: Register | None
    new: Tensor | None

    def passes(self, tensor: Tensor) -> bool: ...
    def fill(self, tensor: Tensor, asks: Asks, args: Any, kwargs: Any) -> bool: ...


def _fills(asks: Asks, tracked: bool = False) -> Callable[..., Any]:
    """The answer to a call that fills its first argument; a `tracked` one may be recorded for its gradient."""

    def answer(mode: Block, func: Any, args: Any, kwargs: Any) -> Any:
        rest = dict(kwargs)
        tensor = args[0] if args else rest.pop("tensor")
        if mode.passes(tensor):
            return func(*args, **kwargs)
        recorded = tracked and tensor.requires_grad and torch.is_grad_enabled()
        if not recorded and mode.fill(tensor, asks, args[1:], rest):
            return tensor
        return _left(mode, func, args, kwargs)

    return answer


def _made(mode: Block, tensor: Tensor, asks: Asks, generator: Generator | None, *asked: Any) -> bool:
    """Whether a tensor just made has its values."""
    mode.new = tensor
    try:
        return mode.passes(tensor) or mode.fill(tensor, asks, asked, {"generator": generator})
    finally:
        mode.new = None


def _makes(empty: Callable[[Block, Any, Any], Tensor], asks: Asks) -> Callable[..., Any]:
    """The answer to a call that makes a tensor: `empty` takes the mode, and its arguments but for the generator."""

    def answer(mode: Block, func: Any, args: Any, kwargs: Any) -> Any:
        rest = dict(kwargs)
        generator = rest.pop("generator", None)
        tensor = empty(mode, args, rest)
        return tensor if _made(mode, tensor, asks, generator) else _left(mode, func, args, kwargs)

    return answer


def _empty(mode: Block, args: Any, kwargs: Any) -> Tensor:
    return torch.empty(*args, **kwargs)


def _alike(mode: Block, args: Any, kwargs: Any) -> Any:
    tensor = torch.empty_like(*args, **kwargs)
    if mode.register is not None:
        mode.register.follow(torch.empty_like, args, kwargs, tensor)
    return tensor


def _normal_of_size(mode: Block, func: Any, args: Any, kwargs: Any) -> Any:
    """The answer to torch.normal, which makes a tensor where its mean and standard deviation are numbers."""
    rest = dict(zip(("mean", "std", "size"), args, strict=False)) | kwargs
    if "size" in rest:
        asked, generator = (rest.pop("mean"), rest.pop("std")), rest.pop("generator", None)
        tensor = torch.empty(rest.pop("size"), **rest)
        if _made(mode, tensor, _NORMAL, generator, *asked):
            return tensor
    return _left(mode, func, args, kwargs)


def _set_item(mode: Block, func: Any, args: Any, kwargs: Any) -> Any:
    """The answer to ``tensor[index] = value``, which torch does not do to a DTensor that is sharded."""
    tensor, index, value = args
    if mode.register is None or not is_dtensor(tensor):
        return func(*args)
    part = tensor[index]
    mode.register.follow(Tensor.__getitem__, (tensor, index), {}, part)
    if not mode.register.is_view(part):
        return func(*args)
    result = part.copy_(value) if isinstance(value, Tensor) else part.fill_(value)
    mode.register.follow(Tensor.copy_, (part, value), {}, result)
    return None


def _left(mode: Block, func: Any, args: Any, kwargs: Any) -> Any:
    mode.left_to_torch[getattr(func, "__name__", repr(func)).removeprefix("_no_grad_")] += 1
    return func(*args, **kwargs)


def _left_in_training(mode: Block, func: Any, args: Any, kwargs: Any) -> Any:
    return _left(mode, func, args, kwargs) if kwargs["training"] else func(*args, **kwargs)


_NORMAL, _UNIFORM = REQUESTS["normal_"], REQUESTS["uniform_"]
_OTHER_METHODS = (
    "bernoulli",
    "multinomial",
    "bernoulli_",
    "cauchy_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "random_",
)
_OTHER_FUNCTIONS = ("bernoulli", "binomial", "multinomial", "poisson", "randint", "randint_like", "randperm")
_DISTRIBUTIONS = ("_sample_dirichlet", "_standard_gamma")  # torch.distributions draws these
#: Of torch.nn.functional, which a mode sees in place of what they call; those draw where `training` is true.
_DROPPING = ("alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout", "rrelu")

ANSWERS: dict[Any, Callable[..., Any]] = {
    Tensor.normal_: _fills(_NORMAL, tracked=True),
    Tensor.uniform_: _fills(Asks(uniform_method), tracked=True),
    torch.randn: _makes(_empty, _NORMAL),
    torch.rand: _makes(_empty, _UNIFORM),
    torch.randn_like: _makes(_alike, _NORMAL),
    torch.rand_like: _makes(_alike, _UNIFORM),
    torch.normal: _normal_of_size,
    Tensor.__setitem__: _set_item,
    **{getattr(init, name): _fills(asks) for name, asks in REQUESTS.items()},
    **{TORCH[name]: _fills(REQUESTS[name]) for name in ANNOUNCED},
    **{wrapped: _fills(REQUESTS[name.removeprefix("_no_grad_")]) for name, wrapped in WRAPPED.items()},
    **{getattr(Tensor, name): _left for name in _OTHER_METHODS},
    **{getattr(torch, name): _left for name in _OTHER_FUNCTIONS + _DISTRIBUTIONS},
    **{getattr(torch.nn.functional, name): _left_in_training for name in _DROPPING},
    torch.nn.functional.gumbel_softmax: _left,
}


def in_place_of_torchs(function: Any) -> Callable[..., Any] | None:
    """The answer to torch's own function where another is in its place: it announces itself by what has its name."""
    name = function.__name__
    return ANSWERS[TORCH[name]] if name in ANNOUNCED and getattr(torch_init, name) is function else None


def is_answered(function: Any) -> bool:
    """Whether a mode sees to calls of a function itself."""
    return function in ANSWERS or (type(function) is FunctionType and in_place_of_torchs(function) is not None)
