"""Files of tensors: what a .safetensors file holds, tensor by tensor, with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

from .dtypes import NAMES, kind_of
from .missing import missing

#: Dtypes by their names, as these files call them.
CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "complex64": "C64",
    "bool": "BOOL",
    **{f"{kind}{bits}": f"{kind[0].upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}
#: Of those, what weights can have.
FLOATS = tuple(CODES[name] for name in NAMES)


class TensorFile:
    """An open file: the names of its tensors, and of each its dtype as the file calls it, its shape and its values."""

    def __init__(self, path: str | PathLike[str], stored: Any, numpy: bool) -> None:
        self._path, self._stored, self._numpy = path, stored, numpy
        self.names: list[str] = list(stored.keys())

    def dtype_of(self, name: str) -> str:
        """Such as "F32" or "BF16"."""
        return str(self._stored.get_slice(name).get_dtype())

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Lengths of its axes."""
        return tuple(self._stored.get_slice(name).get_shape())

    def read(self, name: str) -> Any:
        """The tensor: an array, or what the framework calls one, of the file's own bits."""
        dtype = self.dtype_of(name)
        if self._numpy and dtype == "BF16":
            kind_of("bfloat16")  # which NumPy knows from then on
        try:
            return self._stored.get_tensor(name)
        except (AttributeError, TypeError) as error:
            raise ValueError(f"{self._path} has a tensor of a dtype that NumPy has not: {name!r} of {dtype}") from error


@contextmanager
def open_tensors(path: str | PathLike[str], framework: str = "np") -> Iterator[TensorFile]:
    """Open a .safetensors file, whose tensors are read when they are asked for.

    Parameters
    ----------
    path : path
        Of the file.
    framework : {"np", "pt"}
        Arrays of NumPy, in which bfloat16 needs ml_dtypes; or tensors of torch, which has the other small dtypes too.

    Yields
    ------
    TensorFile
        Until the block ends. What was read stays.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    ValueError, OSError
        If there is no such file, or it holds something else.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise missing("a .safetensors file", "safetensors", "safetensors") from error
    try:
        stored = safe_open(path, framework=framework)
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read as a .safetensors file: {error}") from error
    except OSError as error:
        if str(path) in str(error):
            raise
        raise OSError(f"{path} cannot be read as a .safetensors file: {error}") from error
    with stored as file:
        yield TensorFile(path, file, framework == "np")
