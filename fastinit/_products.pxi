# Part of _core.pyx: sums of products of the rows of matrices of float32 or float64.

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
