"""Structured weights: the identity, Dirac kernels, orthogonal matrices and kernels, sparse columns."""

from __future__ import annotations

from typing import Any

from ..arguments import refuse_unknown
from ..fill import draw
from ..laws import DeltaOrthogonal, Orthogonal, Sparse
from ..typing import Axes, DType, Index, Never, Out, Seed, Shape
from .table import DRAWS, public


@public
def identity(
    shape: Shape,
    gain: float = 1.0,
    *,
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
    """`gain` on the diagonal of a matrix (square or not), zero elsewhere.

    Parameters
    ----------
    shape : sequence of int
        Two lengths.
    gain : float
        The value on the diagonal.
    seed, name, dtype, index, out, threads
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
    if unknown:
        refuse_unknown(identity, unknown)
    return DRAWS["identity"]((shape, dtype, gain), seed, name, index, out, threads)


@public
def dirac(
    shape: Shape,
    groups: int = 1,
    *,
    in_axis: int = -2,
    out_axis: int = -1,
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
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
    seed, name, dtype, index, out, threads
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
    if unknown:
        refuse_unknown(dirac, unknown)
    return DRAWS["dirac"]((shape, dtype, groups, in_axis, out_axis), seed, name, index, out, threads)


@public
def orthogonal(
    shape: Shape,
    *more: Never,
    gain: float = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
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
    seed, name, dtype, index, out, threads
        As for `normal`. With `index` the whole is made all the same, and
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
    if unknown or more:
        refuse_unknown(orthogonal, unknown, (shape, *more))
    law = Orthogonal(gain, in_axis, out_axis, batch_axis)
    return draw(law, shape, seed=seed, name=name, dtype=dtype, index=index, out=out, threads=threads)


@public
def delta_orthogonal(
    shape: Shape,
    *more: Never,
    gain: float = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
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
    seed, name, dtype, index, out, threads
        As for `orthogonal`: with `index` the whole is made, and cut.

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
    if unknown or more:
        refuse_unknown(delta_orthogonal, unknown, (shape, *more))
    law = DeltaOrthogonal(gain, in_axis, out_axis)
    return draw(law, shape, seed=seed, name=name, dtype=dtype, index=index, out=out, threads=threads)


@public
def sparse(
    shape: Shape,
    sparsity: float,
    std: float = 0.01,
    *,
    seed: Seed = None,
    name: str = "",
    dtype: DType = "float32",
    index: Index | list[Index] = None,
    out: Out = None,
    threads: int | None = None,
    **unknown: Never,
) -> Any:
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
    seed, name, dtype, index, out, threads
        As for `normal`. With `index` the whole is made all the same, and
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
    if unknown:
        refuse_unknown(sparse, unknown)
    return draw(Sparse(sparsity, std), shape, seed=seed, name=name, dtype=dtype, index=index, out=out, threads=threads)
