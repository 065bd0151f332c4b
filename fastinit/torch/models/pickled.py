"""Pickled: the tensors of a file that `torch.save` wrote, read as weights alone, and from disk as they are needed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from torch import Tensor

from ...arguments import first_few
from ...tensor_files import CODES, check_names
from ..tensors.fills import values_over

#: How files of torch.save begin: as archives do, or (before torch 1.6) soon with torch's number, pickled.
_ARCHIVE, _NUMBER, _BEGINNING = b"PK\3\4", (0x1950A86A20F9469CFC6C).to_bytes(10, "little"), 32


class PickledFile:
    """What `TensorFiles` are of others. Where arrays are asked for, one of several names is read under the first."""

    def __init__(self, path: Path, framework: str) -> None:
        self._numpy = framework == "np"
        self._tensors = _tensors_of(path)
        if self._numpy:
            first = {_memory(one): name for name, one in reversed(self._tensors.items())}
            self._tensors = {name: one for name, one in self._tensors.items() if first[_memory(one)] == name}
        self.names = [*self._tensors]

    def dtype_of(self, name: str) -> str:
        """As .safetensors files call it."""
        dtype = str(self._tensors[name].dtype).removeprefix("torch.")
        return CODES.get(dtype, dtype)

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Lengths of its axes."""
        return tuple(self._tensors[name].shape)

    def read(self, name: str) -> Any:
        """The tensor, or an array of its bits."""
        tensor = self._tensors[name].detach()
        return values_over(tensor.contiguous()) if self._numpy else tensor


def _memory(tensor: Tensor) -> Any:
    """Equal for tensors that are one: empty ones are none of another."""
    start = tensor.data_ptr() if tensor.numel() else id(tensor)
    return start, tensor.shape, tensor.stride(), tensor.dtype


def _tensors_of(path: Path) -> dict[str, Tensor]:
    """All of a state; of what has one among other things, that of the one entry that is a state."""
    found = _loaded(path)
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} holds no tensors by name, but {type(found).__name__}")
    states = [one for one in found.values() if isinstance(one, Mapping) and one and all(map(_is_dense, one.values()))]
    is_among_others = len(states) == 1 and not any(isinstance(one, Tensor) for one in found.values())
    state: Mapping[Any, Any] = states[0] if is_among_others else found
    check_names(path, map(str, state))
    if others := [str(name) for name, one in state.items() if not (isinstance(name, str) and _is_dense(one))]:
        raise ValueError(f"{path} holds more than tensors by name: {first_few(others)}")
    # The memory of what torch negates or conjugates as it is read does not hold its values.
    return {name: one.resolve_conj().resolve_neg() for name, one in state.items()}


def _is_dense(value: Any) -> bool:
    """Whether it is a tensor that has its values in memory."""
    return isinstance(value, Tensor) and value.layout is torch.strided and not value.is_meta


def _loaded(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other protocols of pickles: they are read, or refused below
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except OSError:
        raise
    except Exception as error:  # whatever unpickling meets
        raise ValueError(f"{path} {_reason(path, str(error))}") from error


def _reason(path: Path, said: str) -> str:
    """Why a file is not read, of what torch says: it goes on with how to run what is in there."""
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    if not beginning.startswith(_ARCHIVE) and _NUMBER not in beginning:
        return "is no file of torch.save"
    if held := re.search(r"GLOBAL (\S+)", said):
        return f"holds more than tensors ({held[1]}): save the state_dict() of a model instead of itself"
    if "Unsupported operand" in said:
        return "has a pickle of a protocol that torch reads no weights of: leave pickle_protocol out of torch.save"
    first = re.split(r"[.\n]", said)[0]
    return f"cannot be read as weights that torch.save wrote: {first}"
