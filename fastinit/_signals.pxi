# Part of _core.pyx: signals, matrices of float32 or float64.

cdef int read_rows(cnp.ndarray matrix, fi_rows *x, size_t *columns) except -1:
    """The dtype of a matrix, with where its rows are, whose elements lie side by side."""
    cdef int kind = cnp.PyArray_TYPE(matrix)
    if (kind != cnp.NPY_FLOAT32 and kind != cnp.NPY_FLOAT64) or cnp.PyArray_NDIM(matrix) != 2:
        shape = (<object>matrix).shape
        raise ValueError(f"a matrix of float32 or float64 is needed, got {matrix.dtype} of shape {shape}")
    if not cnp.PyArray_ISBEHAVED_RO(matrix):
        raise BufferError("a matrix must be aligned, in native byte order")
    x.elements, x.rows = <const char *>cnp.PyArray_DATA(matrix), cnp.PyArray_DIM(matrix, 0)
    x.step, columns[0] = cnp.PyArray_STRIDE(matrix, 0), cnp.PyArray_DIM(matrix, 1)
    if x.rows and columns[0] > 1 and cnp.PyArray_STRIDE(matrix, 1) != cnp.PyArray_ITEMSIZE(matrix):
        raise BufferError("elements of a row must lie side by side")
    return FI_F32 if kind == cnp.NPY_FLOAT32 else FI_F64


cdef int read_both(cnp.ndarray one, cnp.ndarray other, fi_rows *x, fi_rows *y, size_t *columns) except -1:
    """The same of two of one dtype and as many columns."""
    cdef size_t others
    cdef int dtype = read_rows(one, x, columns)
    if read_rows(other, y, &others) != dtype or others != columns[0]:
        raise ValueError("both matrices must have one dtype and as many columns")
    return dtype


cdef double *read_numbers(cnp.ndarray numbers, size_t count) except NULL:
    """Where so many numbers in float64 are, one after the other."""
    if cnp.PyArray_TYPE(numbers) != cnp.NPY_FLOAT64 or <size_t>cnp.PyArray_SIZE(numbers) != count:
        shape = (<object>numbers).shape
        raise ValueError(f"{count} numbers of float64 are needed, got {numbers.dtype} of shape {shape}")
    if not cnp.PyArray_ISCARRAY(numbers):
        raise BufferError("numbers must be aligned and contiguous, and writable")
    return <double *>cnp.PyArray_DATA(numbers)


def normalise(int axis, bint centred, double eps, cnp.ndarray x not None, cnp.ndarray y, known,
              cnp.ndarray out not None, cnp.ndarray inverse not None, int threads):
    """A norm of x, or at y its Jacobian times x, into `out`, which may be x; `known` are two means, or None."""
    cdef fi_norm n
    cdef fi_rows result
    cdef size_t count
    cdef int dtype = read_both(x, out, &n.x, &result, &n.columns)
    if y is not None:
        read_both(x, y, &n.x, &n.y, &n.columns)
    else:
        n.y = n.x
        n.y.elements = NULL
    if axis != FI_OVER_ROWS and axis != FI_OVER_COLUMNS:
        raise ValueError(f"`axis` must be 0 or 1, got {axis}")
    if result.rows != n.x.rows or n.y.rows != n.x.rows:
        raise ValueError(f"all matrices must have as many rows, got {n.x.rows}, {n.y.rows} and {result.rows}")
    if not cnp.PyArray_ISWRITEABLE(out):
        raise BufferError("`out` must be writable")
    n.out, n.out_step, n.centred, n.eps = <char *>result.elements, result.step, centred, eps
    count = n.columns if axis == FI_OVER_ROWS else n.x.rows
    n.inverse = read_numbers(inverse, count)
    n.known[0] = n.known[1] = NULL
    if known is not None:
        mean, along = known
        n.known[0], n.known[1] = read_numbers(mean, count), read_numbers(along, count)
    if n.x.rows * n.columns <= FEW_VALUES:
        fi_normalise(<fi_axis>axis, <fi_dtype>dtype, &n, 1)
        return
    with nogil:
        fi_normalise(<fi_axis>axis, <fi_dtype>dtype, &n, threads)


def zero_columns(cnp.ndarray x not None):
    """How many columns are zero in all rows."""
    cdef fi_rows rows
    cdef size_t columns, zeros
    cdef int dtype = read_rows(x, &rows, &columns)
    if rows.rows * columns <= FEW_VALUES:
        return fi_zero_columns(<fi_dtype>dtype, &rows, columns)
    with nogil:
        zeros = fi_zero_columns(<fi_dtype>dtype, &rows, columns)
    return zeros


def project(cnp.ndarray x not None, cnp.ndarray weights not None):
    """Of each column the weighted sum in float64, and the largest magnitude: not finite where an element is not."""
    cdef fi_rows rows
    cdef size_t columns
    cdef int dtype = read_rows(x, &rows, &columns)
    cdef const double *by = read_numbers(weights, rows.rows)
    cdef cnp.npy_intp count = columns
    cdef cnp.ndarray sums = cnp.PyArray_SimpleNew(1, &count, cnp.NPY_FLOAT64)
    cdef cnp.ndarray peaks = cnp.PyArray_SimpleNew(1, &count, cnp.PyArray_TYPE(x))
    with nogil:
        fi_project(<fi_dtype>dtype, &rows, by, columns, <double *>cnp.PyArray_DATA(sums), cnp.PyArray_DATA(peaks))
    return sums, peaks
