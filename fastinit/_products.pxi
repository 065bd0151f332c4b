# Part of _core.pyx: sums of products of the rows of matrices of float32 or float64.

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


cdef cnp.ndarray numbers_of(size_t rows, size_t columns):
    cdef cnp.npy_intp[2] shape
    shape[0], shape[1] = rows, columns
    return cnp.PyArray_SimpleNew(2, shape, cnp.NPY_FLOAT64)


def gram(cnp.ndarray one not None, cnp.ndarray other, int threads):
    """xy', or (None) xx', in float64."""
    cdef fi_rows x, y
    cdef size_t columns
    cdef int failed, dtype
    if other is None:
        dtype = read_rows(one, &x, &columns)
        y.rows = x.rows
    else:
        dtype = read_both(one, other, &x, &y, &columns)
    cdef cnp.ndarray result = numbers_of(x.rows, y.rows)
    with nogil:
        failed = fi_gram(<fi_dtype>dtype, &x, NULL if other is None else &y, columns,
                         <double *>cnp.PyArray_DATA(result), threads)
    if failed:
        raise MemoryError()
    return result


def row_sums(cnp.ndarray one not None, cnp.ndarray other not None, int threads):
    """Of each row, in float64, the sum of x; and then of each that of x y."""
    cdef fi_rows x, y
    cdef size_t columns
    cdef int failed, dtype = read_both(one, other, &x, &y, &columns)
    if x.rows != y.rows:
        raise ValueError(f"both matrices must have as many rows, got {x.rows} and {y.rows}")
    cdef cnp.ndarray result = numbers_of(2, x.rows)
    with nogil:
        failed = fi_row_sums(<fi_dtype>dtype, &x, &y, columns, <double *>cnp.PyArray_DATA(result), threads)
    if failed:
        raise MemoryError()
    return result


def weighted_square(cnp.ndarray one not None, cnp.ndarray weights not None, int threads):
    """The square of the length of the weighted sum of rows, in float64."""
    cdef fi_rows x, w
    cdef size_t columns, rows
    cdef double result
    cdef int failed, dtype = read_rows(one, &x, &columns)
    if read_rows(weights[None], &w, &rows) != FI_F64 or rows != x.rows:
        shape = (<object>weights).shape
        raise ValueError(f"`weights` must be {x.rows} of float64, got {weights.dtype} of shape {shape}")
    with nogil:
        failed = fi_weighted_square(<fi_dtype>dtype, &x, <const double *>w.elements, columns, &result, threads)
    if failed:
        raise MemoryError()
    return result
