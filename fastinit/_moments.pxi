# Part of _core.pyx: moments.

cdef enum:
    LINE = 64  # bytes of rows that do not lie in order, which are read together
    MOST_ABREAST = 1 << 25  # elements of such rows: Ctrl-C waits for them

cdef int check_order(int order) except -1:
    if order != 2 and order != 4:
        raise ValueError(f"`order` must be 2 or 4, got {order}")
    return 0


cdef int read_array(int dtype, cnp.ndarray elements, fi_array *x) except -1:
    """Where elements are, which can be read there."""
    cdef int axis
    check_items(dtype, cnp.PyArray_ITEMSIZE(elements))
    if not cnp.PyArray_ISALIGNED(elements):
        raise BufferError("`elements` must be aligned")
    x.elements, x.item = <const char *>cnp.PyArray_DATA(elements), cnp.PyArray_ITEMSIZE(elements)
    x.axes = cnp.PyArray_NDIM(elements)
    for axis in range(x.axes):
        x.shape[axis], x.step[axis] = cnp.PyArray_DIM(elements, axis), cnp.PyArray_STRIDE(elements, axis)
    return 0


cdef int few_of(x, threads, fi_array *elements) except -2:
    """The dtype of a small usual array, with where its elements are; -1 of anything else, and where threads are odd."""
    cdef int dtype
    if type(x) is not cnp.ndarray or not (threads is None or (type(threads) is int and threads > 0)):
        return -1
    if not cnp.PyArray_ISCARRAY_RO(x) or cnp.PyArray_SIZE(x) > FEW_VALUES:
        return -1
    if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT32:
        dtype = FI_F32
    elif cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT64:
        dtype = FI_F64
    elif cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT16:
        dtype = FI_F16
    else:
        return -1
    read_array(dtype, x, elements)
    return dtype


cdef tuple told(const fi_statistics *s, int order):
    """The fields of `Statistics`."""
    skewness, kurtosis = (s.skewness, s.kurtosis) if order == 4 else (None, None)
    return (<int64_t>s.count, s.mean, s.variance, s.std, skewness, kurtosis, s.minimum, s.maximum, <int64_t>s.zeros,
            <int64_t>s.nonfinite)


def moments_of_few(x, order, threads):
    """The fields of `Statistics` of a small usual array; None of anything else."""
    cdef fi_array elements
    cdef fi_statistics s
    cdef int dtype = few_of(x, threads, &elements)
    if dtype < 0 or type(order) is not int or (order != 2 and order != 4):
        return None
    if fi_moments_of_rows(order, <fi_dtype>dtype, &elements, 0, 0, 1, &s, 1):
        raise MemoryError()
    return told(&s, order)


cdef class Accumulator:
    """A sequence of elements being reduced to its moments. Copies and pickles are exact."""

    cdef fi_accumulator *state
    cdef object lock

    def __cinit__(self, int order, bytes state=None):
        self.state = <fi_accumulator *>PyMem_Malloc(sizeof(fi_accumulator))
        if self.state == NULL:
            raise MemoryError()
        self.lock = lock_of_forks()
        check_order(order)
        fi_accumulator_start(self.state, order)
        if state is not None:
            if PyBytes_GET_SIZE(state) != sizeof(fi_accumulator):
                raise ValueError("`state` is not that of an Accumulator of this version")
            memcpy(self.state, PyBytes_AS_STRING(state), sizeof(fi_accumulator))
            if self.state.order != order or self.state.waiting >= FI_MOMENT_BLOCK:
                fi_accumulator_start(self.state, order)
                raise ValueError("`state` is not that of an Accumulator of this order")

    def __dealloc__(self):
        PyMem_Free(self.state)

    def __reduce__(self):
        cdef bytes state = PyBytes_FromStringAndSize(NULL, sizeof(fi_accumulator))
        with self.lock:
            fi_accumulator_copy(self.state, <fi_accumulator *>PyBytes_AS_STRING(state))
            return Accumulator, (self.state.order, state)

    def update(self, int dtype, cnp.ndarray elements, int threads):
        """Take in the elements of an array, in C order."""
        cdef fi_array x
        cdef size_t some, first = 0, count = cnp.PyArray_SIZE(elements)
        cdef int failed = 0
        cdef pace steps
        read_array(dtype, elements, &x)
        with self.lock:
            set_out(&steps, FIRST, threads, EVEN)
            while count:
                some = min(count, steps.some)
                with nogil:
                    failed = fi_accumulator_update(self.state, <fi_dtype>dtype, &x, first, some, threads)
                if failed:
                    raise MemoryError()
                first, count = first + some, count - some
                if count:
                    go_on(&steps)

    def update_few(self, x, threads):
        """Whether `x` is a small usual array; its elements have then been taken in."""
        cdef fi_array elements
        cdef int dtype = few_of(x, threads, &elements)
        if dtype < 0:
            return False
        with self.lock:
            if fi_accumulator_update(self.state, <fi_dtype>dtype, &elements, 0, cnp.PyArray_SIZE(x), 1):
                raise MemoryError()
        return True

    def merge(self, Accumulator other not None):
        """Take in all that `other` has taken in, as one piece."""
        cdef fi_moments m
        with other.lock:
            fi_accumulator_result(other.state, &m)
        with self.lock:
            fi_accumulator_merge(self.state, &m)

    def result(self):
        """The eleven numbers of fi_moments."""
        cdef fi_moments m
        with self.lock:
            fi_accumulator_result(self.state, &m)
        sums = (m.count, m.mean, m.m2, m.m3, m.m4, m.exponent)
        return (*sums, m.minimum, m.maximum, m.zeros, m.nonfinite, m.nonfinite_sum)

    def statistics(self):
        """The fields of `Statistics`."""
        cdef fi_statistics s
        with self.lock:
            fi_accumulator_statistics(self.state, &s)
        return told(&s, self.state.order)


def moments_of_rows(int order, int dtype, cnp.ndarray elements, int kept, int threads):
    """The numbers of fi_statistics, in columns, of the row at each place of the first `kept` axes, in C order."""
    cdef fi_array x
    cdef fi_statistics *numbers
    cdef size_t rows, some, first = 0, length = 1, abreast
    cdef pace steps
    cdef cnp.npy_intp[2] shape
    cdef int axis, failed = 0
    check_order(order)
    read_array(dtype, elements, &x)
    if not 0 <= kept <= x.axes:
        raise ValueError(f"`kept` must be in [0, {x.axes}], got {kept}")
    shape[0], shape[1] = 1, sizeof(fi_statistics) // sizeof(double)
    for axis in range(kept):
        shape[0] *= x.shape[axis]
    for axis in range(kept, x.axes):
        length *= max(<size_t>1, <size_t>x.shape[axis])
    rows, abreast = shape[0], LINE // x.item
    cdef cnp.ndarray results = cnp.PyArray_SimpleNew(2, shape, cnp.NPY_FLOAT64)
    numbers = <fi_statistics *>cnp.PyArray_DATA(results)
    set_out(&steps, max(<size_t>1, 4 * FIRST // length), threads, abreast if length <= MOST_ABREAST // abreast else 1)
    while first < rows:
        some = min(steps.some, rows - first)
        with nogil:
            failed = fi_moments_of_rows(order, <fi_dtype>dtype, &x, kept, first, some, numbers + first, threads)
        if failed:
            raise MemoryError()
        first += some
        if first < rows:
            go_on(&steps)
    return results
