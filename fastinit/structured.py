"""Orthogonal weights, uniform (Haar) by random reflections, alone or at a kernel's centre; and sparse weights.

These arrays can only be made whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from . import _core
from .arguments import real, refuse
from .fill import Kind, draw, draw_whole, kind_of
from .layout import flat
from .scaling import Axes, fan_pair
from .stream import stream_key

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .fill import Common

Array = np.ndarray[Any, Any]

#: Reflections applied together. At 2048 x 2048 float32, 64 of them take a quarter longer, 256 a tenth.
PANEL = 160
#: Elements of a product before it is subtracted: it stays in the second-level cache.
_STRIPE = 1 << 19
#: Elements of small matrices made together, and of the keys that are ranked together.
_STACK = 1 << 16
_RANKED = 1 << 19
_SLICE = 4096
_STANDARD_NORMAL = (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)


def orthogonal(
    shape: Any,
    *,
    gain: float = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    **common: Unpack[Common],
) -> Any:
    """Matrices with orthonormal rows or columns (whichever are fewer) times `gain`, uniform among all such matrices.

    A matrix has one column for each output and one row for each input, kernel places counted: ``(k, k, in, out)`` is
    ``k * k * in`` by ``out``. If Q is n by k with k <= n, it is ``H[0] H[1] ... H[k-1] S`` cut to k columns:
    ``H[j] = I - 2 v v' / v'v`` is a random reflection that leaves the first j places alone, S a diagonal of signs.

    Parameters
    ----------
    shape : sequence of int
        Shape of the whole array, (..., fan_in, fan_out) unless the axes say otherwise; two axes at least.
    gain : float
        At least 0; the singular values are all `gain`.
    in_axis, out_axis, batch_axis : int or sequence of int
        The columns are along `out_axis`; along `batch_axis` lie matrices independent of each other; all other axes
        together are the rows, `in_axis` among them.
    **common
        seed, name, dtype, index, out and threads, as for `normal`. With `index` the whole is made all the same, and
        cut. `threads` is for the random numbers; the products have as many as NumPy's BLAS takes.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array.

    Raises
    ------
    ValueError, TypeError, IndexError
        If an argument breaks its rule; then nothing has been written.

    Notes
    -----
    *Stream*: law "orthogonal". The normal numbered ``(m * k + j) * n + i``, with n the larger and k the smaller side of
    a matrix, is element i of the vector x of reflection j of matrix m, for j <= i < n (the rest is not used). Then
    ``v = x + s |x| e[j]`` and ``S[j, j] = -s``, where s is the sign of ``x[j]`` (of zero: 1; and if x is zero, |x| is
    taken as 1): so the first column of Q is ``x / |x|`` of the first vector. A matrix with fewer rows than columns is
    the transpose of Q. The normals are exact, of float64 for float64 and of float32 for the other dtypes, which are
    computed in float32 and rounded once. The arithmetic is that of NumPy's BLAS: last bits depend on the library, on
    its threads and on the machine.

    *Reference*: Stewart, "The efficient generation of random orthogonal matrices with an application to condition
    estimators", SIAM J. Numer. Anal. 17, 1980; the signs: Mezzadri, "How to generate random matrices from the
    classical compact groups", Notices of the AMS 54, 2007; many reflections as one product: Joffrain, Low,
    Quintana-Orti, van de Geijn and Van Zee, "Accumulating Householder transformations, revisited", ACM TOMS 32, 2006;
    as weights: Saxe, McClelland and Ganguli, ICLR 2014.

    Examples
    --------
    >>> import fastinit as fi
    >>> import numpy as np
    >>> W = fi.orthogonal((4, 3), gain=2, seed=0)
    >>> bool(np.allclose(W.T @ W, 4 * np.eye(3), atol=1e-5))
    True
    >>> kernel = fi.orthogonal((3, 3, 8, 16), seed=0, name="conv")
    >>> bool(np.allclose(np.tensordot(kernel, kernel, axes=[(0, 1, 2)] * 2), np.eye(16), atol=1e-5))
    True
    """

    def check(lengths: tuple[int, ...], kind: Kind) -> None:
        _scale(kind, gain)
        fan_pair(lengths, in_axis, out_axis, batch_axis)

    def build(array: Array, kind: Kind, seed: int, name: str, threads: int) -> None:
        key, scale = stream_key(seed, "orthogonal", name), _scale(kind, gain)
        columns, batch = (normalize_axis_tuple(axes, array.ndim) for axes in (out_axis, batch_axis))
        _fill_orthogonal(array, batch, columns, kind, scale, key, threads)

    return draw_whole(check, build, shape, **common)


def delta_orthogonal(
    shape: Any, *, gain: float = 1.0, in_axis: Axes = -2, out_axis: Axes = -1, **common: Unpack[Common]
) -> Any:
    """A convolution that keeps every norm: zero but for the kernel's centre, which is an orthogonal matrix.

    The centre is at ``(k - 1) // 2`` along a kernel axis of length k, and is ``orthogonal((fan_in, fan_out))``: its
    rows are orthonormal, times `gain`.

    Parameters
    ----------
    shape : sequence of int
        (k, ..., in, out), three to five axes, unless the axes say otherwise. No more inputs than outputs.
    gain : float
        At least 0.
    in_axis, out_axis : int or sequence of int
        Where the channels are; the other axes are the kernel's.
    **common
        seed, name, dtype, index, out and threads, as for `orthogonal`: with `index` the whole is made, and cut.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array.

    Raises
    ------
    ValueError, TypeError, IndexError
        If there are more inputs than outputs, or an argument breaks its rule; then nothing has been written.

    Notes
    -----
    *Stream*: law "orthogonal": the centre has the numbers of `orthogonal` under the same seed and name.

    *Reference*: Xiao, Bahri, Sohl-Dickstein, Schoenholz and Pennington, "Dynamical isometry and a mean field theory of
    CNNs: how to train 10,000-layer vanilla convolutional neural networks", ICML 2018, algorithm 1.

    Examples
    --------
    >>> import fastinit as fi
    >>> import numpy as np
    >>> kernel = fi.delta_orthogonal((3, 3, 2, 4), seed=0)
    >>> bool(np.allclose(kernel[1, 1] @ kernel[1, 1].T, np.eye(2), atol=1e-5))
    True
    >>> int(np.count_nonzero(kernel))
    8
    """

    def check(lengths: tuple[int, ...], kind: Kind) -> None:
        _scale(kind, gain)
        _centre(np.broadcast_to(np.empty((), kind.dtype), lengths), in_axis, out_axis)

    def build(array: Array, kind: Kind, seed: int, name: str, threads: int) -> None:
        key, scale = stream_key(seed, "orthogonal", name), _scale(kind, gain)
        centre, rows = _centre(array, in_axis, out_axis)
        array.fill(0)
        if array.size:
            _fill_orthogonal(centre, (), tuple(range(rows, centre.ndim)), kind, scale, key, threads)

    return draw_whole(check, build, shape, **common)


def sparse(shape: Any, sparsity: float, std: float = 0.01, **common: Unpack[Common]) -> Any:
    """Normal weights of which each output keeps only some: ``ceil(sparsity * fan_in)`` zeros in every column.

    The zeros are at rows chosen uniformly, for each column anew.

    Parameters
    ----------
    shape : sequence of int
        (fan_in, fan_out): two axes, of at most 2**32 rows.
    sparsity : float
        The share of zeros, in [0, 1]. The product with fan_in is that of float64 before it is rounded up.
    std : float
        Standard deviation of the weights that are not zero, at least 0.
    **common
        seed, name, dtype, index, out and threads, as for `normal`. With `index` the whole is made all the same, and
        cut.

    Returns
    -------
    numpy.ndarray
        `out`, or a new array.

    Raises
    ------
    ValueError, TypeError, IndexError
        If an argument breaks its rule; then nothing has been written.

    Notes
    -----
    *Stream*: law "normal" for the weights: those that are kept are those of ``normal(shape, 0, std)``. Law "sparse" for
    the zeros: row r of column c has the main word numbered ``c * fan_in + r``, and the zeros of a column are where its
    words are least (of equal words, in the upper rows first). Two words of a column are equal once in 2**32.

    *Reference*: Martens, "Deep learning via Hessian-free optimization", ICML 2010, section 5.

    Examples
    --------
    >>> import fastinit as fi
    >>> import numpy as np
    >>> np.sum(fi.sparse((10, 4), 0.75, seed=0) == 0, axis=0)
    array([8, 8, 8, 8])
    """

    def check(lengths: tuple[int, ...], kind: Kind) -> None:
        _zeros_wanted(lengths, sparsity)
        draw("normal", (0.0, std), lengths, seed=0, dtype=kind.dtype, index=flat[:0])

    def build(array: Array, kind: Kind, seed: int, name: str, threads: int) -> None:
        zeros, key = _zeros_wanted(array.shape, sparsity), stream_key(seed, "sparse", name)
        draw("normal", (0.0, std), array.shape, seed=seed, name=name, dtype=kind.dtype, out=array, threads=threads)
        if zeros:
            _put_zeros(array, zeros, key)

    return draw_whole(check, build, shape, **common)


def _scale(kind: Kind, gain: Any) -> float:
    """`gain`, such that elements that rounding has left a little above it do not overflow."""
    scale = real("gain", gain, low=0)
    if 1.001 * scale > kind.greatest:
        refuse("gain", f"small enough for the values to stay below {kind.greatest:.6g} in {kind.dtype.name}", scale)
    return scale


def _centre(array: Array, in_axis: Axes, out_axis: Axes) -> tuple[Array, int]:
    """The centre of a kernel, rows before columns, and how many of its axes are rows."""
    if not 3 <= array.ndim <= 5:
        refuse("shape", "of three to five axes, for a convolution", array.shape)
    fan_pair(array.shape, in_axis, out_axis, ())
    rows, columns = (normalize_axis_tuple(axes, array.ndim) for axes in (in_axis, out_axis))
    fan_in, fan_out = (prod(array.shape[axis] for axis in axes) for axes in (rows, columns))
    if fan_in > fan_out:
        refuse("shape", f"of no more inputs ({fan_in}) than outputs ({fan_out}), to keep every norm", array.shape)
    places = tuple(axis for axis in range(array.ndim) if axis not in rows + columns)
    middle = tuple((array.shape[axis] - 1) // 2 for axis in places) if array.size else ()
    return array.transpose(places + rows + columns)[middle], len(rows)


def _fill_orthogonal(
    array: Array, batch: Sequence[int], columns: Sequence[int], kind: Kind, scale: float, key: bytes, threads: int
) -> None:
    """Orthogonal matrices in place of those that the axes make of `array` (of any strides)."""
    rows = tuple(axis for axis in range(array.ndim) if axis not in (*batch, *columns))
    ordered = array.transpose(*batch, *rows, *columns)
    turned = array.transpose(*batch, *columns, *rows)
    count, height, width = (prod(array.shape[axis] for axis in axes) for axes in (batch, rows, columns))
    if not array.size:
        return
    if ordered.flags.carray:
        matrices = ordered.reshape(count, height, width)
    elif turned.flags.carray:
        matrices = turned.reshape(count, width, height).mT
    else:
        matrices = np.empty((count, height, width), array.dtype)
    together = max(1, _STACK // (height * width))
    for first in range(0, count, together):
        some = matrices[first : first + together]
        computed = some if some.dtype == kind.real else np.empty(some.shape, kind.real)
        _make_orthogonal(computed if height >= width else computed.mT, first, key, threads)
        if scale != 1 or computed is not some:
            np.multiply(computed, scale, out=some, dtype=kind.real, casting="unsafe")
    if not np.may_share_memory(matrices, array):
        ordered[...] = matrices.reshape(ordered.shape)


def _make_orthogonal(matrices: Array, first: int, key: bytes, threads: int) -> None:
    """Matrices number `first` and up of the stream, of shape (count, n, k) with k <= n."""
    count, n, k = matrices.shape
    matrices[...] = 0
    for start in reversed(range(0, k, PANEL)):
        vectors = np.empty((count, min(PANEL, k - start), n - start), matrices.dtype)
        number = (first * k + start) * n + start
        code = kind_of(matrices.dtype).code
        _core.fill(0, code, key, _STANDARD_NORMAL, vectors, number, (k * n, n, 1), threads)
        signs = _make_reflectors(vectors)
        _reflect(matrices[:, start:, start:], vectors, signs)


def _diagonals(matrices: Array) -> Array:
    return np.einsum("mjj->mj", matrices)


def _make_reflectors(vectors: Array) -> Array:
    """Row j of each matrix, from column j on, becomes a vector to reflect by: the reflection takes what the row was to
    `sign` times the j-th axis, times its length. Returns the signs."""
    leading = vectors[:, :, : vectors.shape[1]]
    leading[...] = np.triu(leading)
    diagonals = _diagonals(leading)
    lengths = np.sqrt(np.vecdot(vectors, vectors))
    lengths[lengths == 0] = 1  # the last vector of a square has one element, which is 0 once in 2**24 times or so
    lengths[diagonals < 0] *= -1
    diagonals += lengths
    return -np.sign(lengths)


def _reflect(matrices: Array, vectors: Array, signs: Array) -> None:
    """Multiply by the reflections, all at once: H[0] H[1] ... = I - V T V', T^-1 = V'V above the diagonal + half of it.

    The first columns of the matrices are those of a diagonal, the signs, and are zero outside it as are the first rows.
    """
    panel = vectors.shape[1]
    _diagonals(matrices[:, :panel, :panel])[...] = signs
    product = np.empty((*vectors.shape[:2], matrices.shape[2]), matrices.dtype)
    product[..., :panel] = vectors[..., :panel] * signs[:, np.newaxis]
    np.matmul(vectors[..., panel:], matrices[:, panel:, panel:], out=product[..., panel:])
    product = _accumulated(vectors) @ product
    by_column = matrices.strides[-1] != matrices.itemsize
    height = max(PANEL, _STRIPE // (matrices.shape[0] * matrices.shape[2]))
    for start in range(0, matrices.shape[1], height):
        stripe = slice(start, start + height)
        if by_column:
            matrices.mT[..., stripe] -= product.mT @ vectors[..., stripe]
        else:
            matrices[:, stripe] -= vectors[..., stripe].mT @ product


def _accumulated(vectors: Array) -> Array:
    """T, through float64: with V'V in float32 the columns of a 2048 x 2048 Q were ten times less orthonormal."""
    gram = np.zeros((*vectors.shape[:2], vectors.shape[1]))
    for start in range(0, vectors.shape[2], _SLICE):
        exact = vectors[..., start : start + _SLICE].astype(np.float64)
        gram += exact @ exact.mT
    _diagonals(gram)[...] /= 2
    return _inverted(gram).astype(vectors.dtype)


def _inverted(upper: Array) -> Array:
    """Inverses of upper triangular matrices, whatever is below the diagonal; by halves a third of the time of inv."""
    size = upper.shape[-1]
    if size <= 32:
        return np.linalg.inv(np.triu(upper))
    first, second = slice(size // 2), slice(size // 2, size)
    inverse = np.zeros(upper.shape)
    inverse[:, first, first] = _inverted(upper[:, first, first])
    inverse[:, second, second] = _inverted(upper[:, second, second])
    inverse[:, first, second] = -inverse[:, first, first] @ upper[:, first, second] @ inverse[:, second, second]
    return inverse


def _zeros_wanted(shape: tuple[int, ...], sparsity: Any) -> int:
    """How many zeros a column has."""
    if len(shape) != 2:
        refuse("shape", "of two axes, for sparse weights", shape)
    if shape[0] > 1 << 32:
        refuse("shape", "of at most 2**32 rows, for sparse weights", shape)
    share = real("sparsity", sparsity)
    if not 0 <= share <= 1:
        refuse("sparsity", "a number in [0, 1]", share)
    return ceil(share * shape[0])


def _put_zeros(array: Array, zeros: int, key: bytes) -> None:
    """Zeros in each column where its words are least; a word with its row below it has no equal."""
    rows, columns = array.shape
    together = max(1, _RANKED // rows)
    for start in range(0, columns, together):
        some = array[:, start : start + together]
        words = _core.words(key, 0, start * rows, some.size).reshape(-1, rows)
        ranks = words.astype(np.uint64) << np.uint64(32) | np.arange(rows, dtype=np.uint64)
        last = np.partition(ranks, zeros - 1, axis=1)[:, zeros - 1]
        np.copyto(some, 0, where=(ranks <= last[:, np.newaxis]).T, casting="unsafe")
