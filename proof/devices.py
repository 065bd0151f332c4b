"""Devices of torch: tensors on one with memory around them that must stay, and fills that are held against the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

import fastinit.torch as ft
from fastinit.torch.tensors import fills

SEED = 20261127
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
#: Integers as long as the items of each dtype, so that bits are compared, NaN too.
BITS = {8: torch.int64, 4: torch.int32, 2: torch.int16}
#: Elements before and after a tensor that must stay.
GUARD = 67
#: Chunks so short that small tensors are of several.
SHORT_CHUNK = 1000

Fill = Callable[[Tensor], Any]
FILLS: dict[str, Fill] = {
    "uniform_": partial(ft.uniform_, a=-0.5, b=2.0),
    "normal_": partial(ft.normal_, mean=0.5, std=3.0),
    "trunc_normal_": partial(ft.trunc_normal_, std=0.5, a=-1.0, b=0.7),
    "xavier_uniform_": ft.xavier_uniform_,
    "xavier_normal_": ft.xavier_normal_,
    "kaiming_uniform_": partial(ft.kaiming_uniform_, mode="fan_out"),
    "kaiming_normal_": partial(ft.kaiming_normal_, nonlinearity="relu"),
    "orthogonal_": ft.orthogonal_,
    "sparse_": partial(ft.sparse_, sparsity=0.25),
    "constant_": partial(ft.constant_, val=0.1),
    "ones_": ft.ones_,
    "zeros_": ft.zeros_,
    "eye_": ft.eye_,
    "dirac_": ft.dirac_,
}
#: By name a shape, strides and the place of the first element, within as many elements as these reach.
LAYOUTS = {
    "plain": ((37, 61), (61, 1), 0),
    "several chunks": ((67, 127), (127, 1), 0),
    "off by one": ((37, 61), (61, 1), 1),
    "transposed": ((37, 61), (1, 37), 0),
    "every other row and column": ((37, 61), (244, 2), 3),
    "few": ((3, 5), (5, 1), 0),
    "of convolution": ((6, 6, 3, 3), (54, 9, 3, 1), 0),
    "channels last": ((6, 6, 3, 3), (54, 1, 18, 6), 0),
    "line": ((1003,), (1,), 0),
    "scalar": ((), (), 0),
    "empty": ((0, 5), (5, 1), 0),
}


class Device:
    """Where tensors are made, and how what is asked of it is waited for."""

    def __init__(self, name: str) -> None:
        self.torch = torch.device(name)
        self.module: Any = torch.get_device_module(self.torch)
        self.is_cpu = self.torch.type == "cpu"
        self.title = "the CPU as a device" if self.is_cpu else self.torch.type
        self.model = str(getattr(self.module, "get_device_name", lambda: "none")())

    def wait(self) -> None:
        if not self.is_cpu:
            self.module.synchronize()

    def state(self) -> Tensor:
        """Of its own generator: of the CPU's, which the seed is taken from, there is nothing to say."""
        return torch.empty(0) if self.is_cpu else self.module.get_rng_state()


@contextmanager
def chunks(device: Device, length: int) -> Iterator[None]:
    """Values go to a device in chunks of that length; to the CPU, too."""
    before = fills.CHUNK, fills._fill_memory_or_device
    fills.CHUNK = length
    if device.is_cpu:
        fills._fill_memory_or_device = lambda _: fills._fill_device
    try:
        yield
    finally:
        fills.CHUNK, fills._fill_memory_or_device = before  # type: ignore[misc]


def bits(tensor: Tensor) -> Tensor:
    return tensor.detach().view(BITS[tensor.element_size()])


def same(one: Tensor, other: Tensor) -> bool:
    """Bit by bit, wherever they are."""
    return one.shape == other.shape and torch.equal(bits(one).cpu(), bits(other).cpu())


def guarded(device: Any, dtype: torch.dtype, layout: str) -> tuple[Tensor, Tensor]:
    """Memory full of numbers that no law gives, and the tensor of that layout within it."""
    shape, strides, first = LAYOUTS[layout]
    reach = 1 + sum((length - 1) * step for length, step in zip(shape, strides, strict=True)) if 0 not in shape else 0
    count = max(reach, 0) + first + 2 * GUARD
    width = BITS[dtype.itemsize]
    memory = (torch.arange(count) * 2654435761 % torch.iinfo(width).max).to(width).to(device).view(dtype)
    return memory, memory.as_strided(shape, strides, GUARD + first)


def filled(fill: Fill, tensor: Tensor) -> str:
    """Fill it by the seed; or what is said against that."""
    torch.manual_seed(SEED)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tensors that are empty
            fill(tensor)
    except (TypeError, ValueError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""
