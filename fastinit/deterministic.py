"""Laws without randomness: constants, the identity, and convolutions that pass their input on (Dirac)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .arguments import integer, real, refuse
from .fill import kind_for, make
from .layout import checked_shape, whole_steps

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .fill import Common

_PIECE = 1 << 14


def constant(
    shape: Any,
    value: float,
    *,
    seed: Any = None,
    name: str = "",
    dtype: Any = "float32",
    index: Any = None,
    out: Any = None,
    threads: int | None = None,
) -> Any:
    """`value` everywhere.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of the whole array.
    value : float
        Finite, and within the dtype's range.
    dtype, index, out
        As for `normal`.
    seed, name, threads
        Taken so that every law can be called alike; nothing depends on them.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array.

    Raises
    ------
    ValueError, TypeError, IndexError
        If an argument breaks its rule.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.constant((2, 2), 0.5)
    array([[0.5, 0.5],
           [0.5, 0.5]], dtype=float32)
    """
    kind = kind_for(dtype, out)
    number = real("value", value)
    if abs(number) > kind.greatest:
        refuse("value", f"at most {kind.greatest:.6g} in {kind.dtype.name}", number)
    return make(checked_shape(shape), kind, index, out, lambda target, first, steps: target.fill(number))


def zeros(shape: Any, **common: Unpack[Common]) -> Any:
    """Zeros: every neuron of a layer the same, and the same they stay. See `constant`.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.zeros(2)
    array([0., 0.], dtype=float32)
    """
    return constant(shape, 0.0, **common)


def ones(shape: Any, **common: Unpack[Common]) -> Any:
    """Ones. See `constant`.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.ones(2)
    array([1., 1.], dtype=float32)
    """
    return constant(shape, 1.0, **common)


def identity(shape: Any, gain: float = 1.0, **common: Unpack[Common]) -> Any:
    """`gain` on the diagonal of a matrix (square or not), zero elsewhere.

    Parameters
    ----------
    shape : sequence of int
        Two lengths.
    gain : float
        The value on the diagonal.
    **common
        As for `constant`.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array.

    Raises
    ------
    ValueError, TypeError, IndexError
        If the shape is not of two axes, or an argument breaks its rule.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.identity((2, 3))
    array([[1., 0., 0.],
           [0., 1., 0.]], dtype=float32)
    """
    lengths = checked_shape(shape)
    if len(lengths) != 2:
        refuse("shape", "of two axes, for the identity", lengths)
    return _marked(lengths, lambda row, column: row == column, real("gain", gain), **common)


def dirac(
    shape: Any,
    groups: int = 1,
    *,
    in_axis: int = -2,
    out_axis: int = -1,
    **common: Unpack[Common],
) -> Any:
    """A convolution that hands on its input: one at the kernel's centre for output channel g * (out / groups) + d and
    input channel d, for each group g and every d that both have.

    Parameters
    ----------
    shape : sequence of int
        (k, ..., in / groups, out), three to five axes, or with `in_axis` and `out_axis` elsewhere.
    groups : int
        A divisor of the number of output channels.
    in_axis, out_axis : int
        Where the channels are; the other axes are the kernel's.
    **common
        As for `constant`.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array.

    Raises
    ------
    ValueError, TypeError, IndexError
        If an argument breaks its rule.

    Examples
    --------
    >>> import fastinit as fi
    >>> fi.dirac((3, 2, 2))[1]
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    lengths = checked_shape(shape)
    if not 3 <= len(lengths) <= 5:
        refuse("shape", "of three to five axes, for a convolution", lengths)
    source, target = (
        integer(axis_name, axis, -len(lengths), len(lengths)) % len(lengths)
        for axis_name, axis in (("in_axis", in_axis), ("out_axis", out_axis))
    )
    if source == target:
        refuse("in_axis", f"apart from out_axis ({out_axis})", in_axis)
    if lengths[target] % integer("groups", groups, 1):
        refuse("groups", f"a divisor of the {lengths[target]} output channels", groups)
    channels = lengths[target] // groups

    def is_one(*place: Any) -> Any:
        here = place[source] == place[target] % max(channels, 1)
        for axis, length in enumerate(lengths):
            if axis not in (source, target):
                here = here & (place[axis] == length // 2)
        return here

    return _marked(lengths, is_one, 1.0, **common)


def _marked(
    lengths: tuple[int, ...],
    is_marked: Any,
    value: float,
    *,
    seed: Any = None,
    name: str = "",
    dtype: Any = "float32",
    index: Any = None,
    out: Any = None,
    threads: int | None = None,
) -> Any:
    """`value` where is_marked(i, j, ...), arrays of places in an array of shape `lengths`; zero elsewhere."""
    kind = kind_for(dtype, out)
    if abs(value) > kind.greatest:
        refuse("gain", f"at most {kind.greatest:.6g} in {kind.dtype.name}", value)

    def fill(target: np.ndarray[Any, Any], first: int, steps: tuple[int, ...] | None) -> None:
        walk, shape = (whole_steps(target.shape) if steps is None else steps), target.shape or (1,)
        walk = walk or (0,)
        for start in range(0, target.size, _PIECE):
            here = np.unravel_index(np.arange(start, min(start + _PIECE, target.size)), shape)
            numbers = first + sum(place * step for place, step in zip(here, walk, strict=True))
            marked = is_marked(*np.unravel_index(numbers, lengths))
            target.flat[start : start + _PIECE] = np.where(marked, value, 0.0).astype(target.dtype)

    return make(lengths, kind, index, out, fill)
