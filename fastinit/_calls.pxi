# Part of _core.pyx: calls that were made before.

cpdef enum:
    FEW_AXES = 8
    FEW_VALUES = 1 << 14  # one thread is fastest, and to let go of the lock takes longer than it is worth


cdef enum:
    MOST_KEPT = 1 << 10


@cython.final
cdef class CheckedCall:
    """What a call came to whose arguments were checked: the law of an array of that shape."""

    cdef uint64_t kinds
    cdef int law, dtype, axes
    cdef fi_parameters parameters
    cdef uint8_t[16] stream
    cdef int64_t[FEW_AXES] shape
    cdef cnp.dtype items

    def __init__(self, int law, str stream, int dtype, parameters, tuple shape, cnp.dtype items):
        cdef int axis
        if len(shape) > FEW_AXES:
            raise ValueError(f"`shape` must have at most {<int>FEW_AXES} axes, got {len(shape)}")
        check_law(law)
        check_items(dtype, items.itemsize)
        read_parameters(parameters, &self.parameters)
        self.law, self.dtype, self.items, self.axes = law, dtype, items, <int>len(shape)
        for axis in range(self.axes):
            self.shape[axis] = shape[axis]
        memcpy(self.stream, PyBytes_AS_STRING(stream.encode().ljust(FI_LAW_BYTES, b"\0")), FI_LAW_BYTES)

    def fill(self, seed, str name not None, size_t address):
        """Fill such an array, of few values in C order, where the caller knows that one is."""
        cdef uint8_t[16] number
        cdef Py_ssize_t bytes
        cdef const char *text = PyUnicode_AsUTF8AndSize(name, &bytes)
        cdef fi_key key
        cdef fi_region region
        cdef size_t items = fi_item_bytes[self.dtype], count = few_values(self)
        if not count:
            raise ValueError(f"`shape` must be of 1 to {<int>FEW_VALUES} values, got {self.lengths!r}")
        if not address or address % items:
            raise BufferError(f"`address` must be a multiple of {items}, got {address}")
        if not read_seed(seed, number):
            raise ValueError(f"`seed` must be an integer in [0, 2**128), got {seed!r}")
        region.first, region.axes = 0, 1
        region.shape[0], region.source_step[0], region.target_step[0] = count, 1, items
        key = fi_stream_key(number, self.stream, <const uint8_t *>text, bytes)
        fi_fill(<fi_law>self.law, <fi_dtype>self.dtype, key, &self.parameters, &region, 0, count, <void *>address, 1)

    @property
    def lengths(self):
        """The shape."""
        return tuple([self.shape[axis] for axis in range(self.axes)])


cdef size_t few_values(CheckedCall call) noexcept:
    """How many values the array of a call has, if they are few; else 0."""
    cdef int64_t count = 1
    cdef int axis
    for axis in range(call.axes):
        if not 0 < call.shape[axis] <= FEW_VALUES:
            return 0
        count *= call.shape[axis]
        if count > FEW_VALUES:
            return 0
    return count


cdef uint64_t kinds_of(tuple asked) noexcept:
    """The types of arguments, such that those that are equal and of one type mean the same; 0 where they need not."""
    cdef uint64_t kinds = 1
    if len(asked) > 20:
        return 0
    for one in asked:
        kinds <<= 3
        if type(one) is float:
            if <double>one == 0 and signbit(<double>one):
                return 0
            kinds |= 1
        elif type(one) is int:
            kinds |= 2
        elif type(one) is str:
            kinds |= 3
        elif type(one) is tuple:
            for length in <tuple>one:
                if type(length) is not int:
                    return 0
            kinds |= 4
        elif type(one) is type or isinstance(one, cnp.dtype):
            kinds |= 5
        else:
            return 0
    return kinds


cdef bint read_seed(object seed, uint8_t *b) except -1:
    """The 16 bytes of an integer in [0, 2**128); false where it is none."""
    cdef int i
    cdef uint64_t low
    if type(seed) is not int:
        return False
    try:
        low = seed
    except OverflowError:
        if seed < 0 or seed >> 128:
            return False
        memcpy(b, PyBytes_AS_STRING(seed.to_bytes(16, "little")), 16)
        return True
    for i in range(8):
        b[i] = low >> 8 * i & 0xff
        b[8 + i] = 0
    return True


cdef int cut(CheckedCall call, object index, fi_region *region, cnp.npy_intp *shape) except -1:
    """The part that slices and integers cut out of the array, and its axes: 0 where Python has to look at them.

    That is where they are anything else, or it is one number, empty or not small.
    """
    cdef tuple entries = index if type(index) is tuple else () if index is None else (index,)
    cdef int64_t step = 1, count = 1, length
    cdef Py_ssize_t start, stop, stride
    cdef int axis, axes = call.axes, place
    region.first, region.axes = 0, call.axes
    if len(entries) > call.axes:
        return 0
    for entry in entries:
        axes -= type(entry) is int
    place = axes
    for axis in range(call.axes - 1, -1, -1):
        length, start, stride = call.shape[axis], 0, 1
        if axis < len(entries):
            entry = entries[axis]
            if type(entry) is int and -length <= entry < length:
                start, length = entry % length, 1
            elif type(entry) is slice:
                try:
                    PySlice_Unpack(entry, &start, &stop, &stride)
                except (TypeError, ValueError):
                    return 0
                length = PySlice_AdjustIndices(length, &start, &stop, stride)
            else:
                return 0
        count *= length
        if not 0 < length <= FEW_VALUES or count > FEW_VALUES:
            return 0
        if axis >= len(entries) or type(entries[axis]) is slice:
            place -= 1
            shape[place] = length
        region.first += start * step
        region.shape[axis] = length
        region.source_step[axis] = stride * step
        region.target_step[axis] = count // length * call.items.itemsize
        step *= call.shape[axis]
    return axes


cdef class CheckedCalls:
    """Small arrays, or parts, of laws that were asked for before: what was checked then is not checked again.

    Anything else goes to `checked`, which may `keep` what it has found.
    """

    cdef dict calls
    cdef object checked

    def __init__(self, checked=None):
        self.calls, self.checked = {}, checked

    def __len__(self):
        return len(self.calls)

    def keep(self, tuple asked, CheckedCall call not None):
        """Note what the arguments that describe an array came to, where what is equal to them means the same."""
        call.kinds = kinds_of(asked)
        if not call.kinds:
            return
        if len(self.calls) >= MOST_KEPT:
            self.calls.clear()
        self.calls[asked] = call

    cdef CheckedCall find(self, tuple asked):
        """What was kept for what is equal to these arguments, and means the same."""
        cdef uint64_t kinds = kinds_of(asked)
        cdef PyObject *found = PyDict_GetItemWithError(self.calls, asked) if kinds else NULL
        return <CheckedCall>found if found != NULL and (<CheckedCall>found).kinds == kinds else None

    def known(self, tuple asked):
        """What such a call came to; None where there was none."""
        return self.find(asked)

    def draw(self, tuple asked, seed, name, index, out, threads):
        """The array that is asked for."""
        made = self.again(asked, seed, name, index, out, threads)
        return self.checked(asked, seed, name, index, out, threads) if made is None else made

    cdef object again(self, tuple asked, seed, name, index, out, threads):
        """The same, or None."""
        cdef CheckedCall call
        cdef fi_key key
        cdef fi_region region
        cdef cnp.npy_intp[FEW_AXES] shape
        cdef uint8_t[16] number
        cdef int axes
        cdef Py_ssize_t bytes
        cdef const char *text
        if type(name) is not str or not (threads is None or (type(threads) is int and threads > 0)):
            return None
        call = self.find(asked)
        if call is None or not read_seed(seed, number):
            return None
        axes = cut(call, index, &region, shape)
        if axes == 0:
            return None
        try:
            text = PyUnicode_AsUTF8AndSize(name, &bytes)
        except UnicodeEncodeError:
            return None
        out = plain_array(out, call.items, axes, shape)
        if out is None:
            return None
        key = fi_stream_key(number, call.stream, <const uint8_t *>text, bytes)
        fi_fill(<fi_law>call.law, <fi_dtype>call.dtype, key, &call.parameters, &region, 0, cnp.PyArray_SIZE(out),
                cnp.PyArray_DATA(out), 1)
        return out


cdef object plain_array(object out, cnp.dtype items, int axes, const cnp.npy_intp *shape):
    """`out`, or a new array; None where it has another shape or items, or is not in C order, aligned and writable."""
    cdef int axis
    if out is None:
        Py_INCREF(items)
        return PyArray_Empty(axes, shape, items, 0)
    if type(out) is not cnp.ndarray or not cnp.PyArray_ISCARRAY(out):
        return None
    if cnp.PyArray_NDIM(out) != axes or cnp.PyArray_TYPE(out) != items.num:
        return None
    for axis in range(axes):
        if cnp.PyArray_DIM(out, axis) != shape[axis]:
            return None
    return out
