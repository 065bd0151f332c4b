# Part of _core.pyx: the columns of a layer.

cdef class _Own:
    """What a pass has that is not the core's: a function of step, x and d, which gives arrays; and what it raised."""

    cdef object function, error
    cdef int item

    cdef object array(self, size_t rows, size_t columns, const void *data):
        cdef cnp.npy_intp[2] shape
        cdef cnp.ndarray made
        if data == NULL:
            return None
        shape[0], shape[1] = rows, columns
        made = cnp.PyArray_SimpleNew(2, shape, self.item)
        memcpy(cnp.PyArray_DATA(made), data, cnp.PyArray_NBYTES(made))
        return made

    cdef int put(self, cnp.ndarray found, size_t rows, size_t columns, void *out) except -1:
        found = cnp.PyArray_ContiguousFromAny(found, self.item, 2, 2)
        if cnp.PyArray_DIM(found, 0) != <cnp.npy_intp>rows or cnp.PyArray_DIM(found, 1) != <cnp.npy_intp>columns:
            raise ValueError(f"the shape {(rows, columns)} must be kept, got {(<object>found).shape}")
        memcpy(out, cnp.PyArray_DATA(found), cnp.PyArray_NBYTES(found))
        return 0


cdef int own_step(void *context, fi_step step, size_t rows, size_t columns, const void *x, const void *d, void *out,
                  void *slope) noexcept with gil:
    cdef _Own own = <_Own>context
    try:
        found = own.function(<int>step, own.array(rows, columns, x), own.array(rows, columns, d), out == NULL)
        if out != NULL and step == FI_ACT:
            own.put(found[0], rows, columns, out)
            own.put(found[1], rows, columns, slope)
        elif out != NULL:
            own.put(found, rows, columns, out)
        return 0
    except BaseException as error:
        own.error = error
        return -1


cdef int read_normals(given, fi_normal_rows *n) except -1:
    """The key of a stream, and how many of its rows."""
    if given is not None:
        key, n.rows = given
        read_key(key, &n.key)
    return 0


cdef int read_matrix(cnp.ndarray given, int dtype, size_t rows, size_t terms, fi_matrix *m) except -1:
    cdef fi_rows x
    cdef size_t columns
    cdef int own
    if given is None:
        return 0
    own = read_rows(given, &x, &columns)
    if x.rows != rows or columns != terms or (own != dtype and own != FI_F64):
        raise ValueError(f"a matrix of shape {(rows, terms)} is needed, got {(<object>given).shape} of {given.dtype}")
    if not cnp.PyArray_ISCARRAY_RO(given):
        raise BufferError("a matrix must be in C order")
    m.elements, m.wide = x.elements, own == FI_F64
    return 0


cdef int read_signal(cnp.ndarray given, const fi_columns *c, size_t rows, fi_rows *x) except -1:
    """Rows as wide as the layer."""
    cdef size_t columns
    if given is None:
        return 0
    if read_rows(given, x, &columns) != c.dtype or x.rows != rows or columns != c.width:
        raise ValueError(f"a signal of shape {(rows, c.width)} is needed, got {(<object>given).shape}, {given.dtype}")
    return 0


cdef int read_known(given, size_t rows, const double **known) except -1:
    if given is not None:
        known[0], known[1] = read_numbers(given[0], rows), read_numbers(given[1], rows)
    return 0


cdef double *sums_for(list found, tuple shape):
    """Zeros, the last of what was found."""
    cdef cnp.ndarray made
    cdef cnp.npy_intp[2] lengths
    lengths[0], lengths[1] = shape
    made = cnp.PyArray_ZEROS(2, lengths, cnp.NPY_FLOAT64, 0)
    found.append(made)
    return <double *>cnp.PyArray_DATA(made)


cdef class ColumnRoom:
    """Memory that passes use one after the other."""

    cdef void *memory
    cdef size_t bytes
    cdef object lock

    def __cinit__(self):
        self.memory, self.bytes = NULL, 0
        self.lock = lock_of_forks()

    cdef int take(self, size_t bytes) except -1:
        if bytes > self.bytes:
            PyMem_RawFree(self.memory)
            self.memory = PyMem_RawMalloc(bytes)
            self.bytes = 0 if self.memory == NULL else bytes
            if self.memory == NULL:
                raise MemoryError()
        return 0

    def __dealloc__(self):
        PyMem_RawFree(self.memory)


def columns_at_once(size_t rows):
    """How many columns of so many rows a thread works on at once."""
    return fi_columns_at_once(rows)


def columns_parts(size_t rows, size_t width):
    """In how many parts the sums over so many columns are made."""
    return fi_columns_parts(rows, width)


def pass_columns(int way, cnp.dtype dtype, size_t rows, size_t width, tuple into, ColumnRoom room not None, int threads,
                 *, size_t functions=1, z=None, map=None, bias=None, double bias_std=0, given=None, stream=None,
                 double sign=0,
                 steps=(), norm=None, activation=None, own=None, n=None, back=None, signs=None,
                 gradient=None, bint exact=False,
                 out=None, bint adds=False, bint products=False, bint crossed=False, bint squares=False, only=None):
    """One pass over the columns of a layer: see src/columns.h. Moments go into four accumulators, where they are there.

    All of its parts, or the one numbered `only`: what was seen of each, added in their order, is what is seen of all.
    A pass back is of the gradients of several functions, one below the other, if so many are given.
    Returns how many columns are dead, |z|^2, and the sums that were asked for.
    """
    cdef fi_columns c
    cdef fi_columns_seen seen
    cdef pace pieces
    cdef fi_rows stream_rows, out_rows
    cdef size_t parts, some, part = 0, wide, rows_back = rows * functions
    cdef int failed = 0, code
    cdef _Own mine = _Own()
    cdef list found = []
    cdef Accumulator accumulator
    memset(&c, 0, sizeof(c))
    fi_columns_start(&seen)
    if dtype.num != cnp.NPY_FLOAT32 and dtype.num != cnp.NPY_FLOAT64:
        raise ValueError(f"columns must be of float32 or float64, got {dtype}")
    c.dtype = <fi_dtype>FI_F32 if dtype.num == cnp.NPY_FLOAT32 else <fi_dtype>FI_F64
    if functions < 1 or (functions > 1 and way == FI_BACKWARD_SUMS):
        raise ValueError(f"sums of rows are of one function, got {functions}")
    c.way, c.rows, c.width, c.functions = <fi_way>way, rows, width, functions
    read_normals(z, &c.z)
    read_normals(n, &c.n)
    c.bias_std, c.sign, c.exact, c.adds = bias_std, sign, exact, adds
    if bias_std:
        read_key(bias, &c.bias)
    read_matrix(map, c.dtype, rows, c.z.rows + (bias_std > 0), &c.map)
    read_matrix(back, c.dtype, rows_back, rows + c.n.rows, &c.back)
    read_matrix(signs, c.dtype, rows_back, c.n.rows, &c.signs)
    read_signal(given, &c, rows, &c.given)
    read_signal(gradient, &c, rows_back, &c.gradient)
    if way >= FI_BACKWARD and (back is None) + (gradient is None) + (signs is None) != 2:
        raise ValueError("a way back starts with one of back, gradient and signs")
    if stream is not None:
        if read_rows(stream, &stream_rows, &wide) != FI_F64 or stream_rows.rows != rows or wide != width:
            raise ValueError(f"`stream` must be float64 of shape {(rows, width)}")
        if not cnp.PyArray_ISCARRAY(stream):
            raise BufferError("`stream` must be writable, in C order")
        c.stream = <double *>stream_rows.elements
    if out is not None:
        read_signal(out, &c, rows_back if way >= FI_BACKWARD else rows, &out_rows)
        if not cnp.PyArray_ISCARRAY(out):
            raise BufferError("`out` must be writable, in C order")
        c.out = <char *>out_rows.elements
    if len(steps) > FI_MOST_STEPS or c.z.rows > rows or c.n.rows > rows_back:
        raise ValueError(f"at most {<int>FI_MOST_STEPS} steps, {rows} rows of z and {rows_back} of n are passed")
    for code, accumulator in enumerate(into):
        c.orders[code] = 0 if accumulator is None else accumulator.state.order
    for code in steps:
        c.steps[c.count] = <fi_step>code
        c.count += 1
        if not FI_READ <= code <= FI_ACT:
            raise ValueError(f"a step must be 0, 1 or 2, got {code}")
    mine.function, mine.item = own, dtype.num
    c.context = <void *>mine
    if norm is None:
        c.own[<int>FI_NORM] = own_step
    else:
        c.norm_over_columns, c.centred, c.eps, known, known_back = norm
        read_known(known, rows, c.known)
        read_known(known_back, rows, c.known_back)
    if activation is None:
        c.own[<int>FI_ACT] = own_step
    else:
        c.activation, (c.parameters.above, c.parameters.below) = activation
        check_activation(c.activation)
    if products:
        some = rows_back if way >= FI_BACKWARD else rows
        seen.xx = sums_for(found, (some, some))
    if crossed:
        seen.xy = sums_for(found, (rows, c.n.rows) if way == FI_FORWARD else (rows_back, c.z.rows))
    if crossed and way == FI_FORWARD:
        if squares:
            seen.nn = sums_for(found, (c.n.rows, c.n.rows))
        else:
            seen.n_squares = sums_for(found, (1, c.n.rows))
    if way == FI_FORWARD_SUMS or way == FI_BACKWARD_SUMS:
        seen.row_sums = sums_for(found, (2, rows))
    parts = fi_columns_parts(rows_back, width)
    if only is not None:
        if not 0 <= only < parts:
            raise ValueError(f"`only` must be a part in [0, {parts}), got {only}")
        part, parts = only, only + 1
    wide = rows_back * width
    with room.lock:
        set_out(&pieces, parts * FIRST_PASSED // max(wide, <size_t>1), threads, max(threads, 1))
        while part < parts:
            some = min(pieces.some, parts - part)
            room.take(fi_columns_bytes(&c, &seen, some, threads))
            with nogil:
                failed = fi_pass_columns(&c, part, some, &seen, room.memory, threads)
            if failed:
                raise mine.error
            part += some
            if part < parts:
                go_on(&pieces)
    for code, accumulator in enumerate(into):
        if accumulator is not None:
            with accumulator.lock:
                fi_accumulator_merge(accumulator.state, &seen.read + code)
    return seen.dead, seen.z_squares, *found
