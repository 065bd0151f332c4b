# Part of _core.pyx: calls that were made before.

cdef enum:
    FEW_AXES = 8
    FEW_VALUES = 1 << 14  # one thread is fastest, and to let go of the lock takes longer than it is worth
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

    def __init__(self, checked):
        self.calls, self.checked = {}, checked

    def __len__(self):
        return len(self.calls)

    def keep(self, tuple asked, int law, str stream, int dtype, parameters, tuple shape, cnp.dtype items):
        """Note what the arguments that describe an array came to, where what is equal to them means the same."""
        cdef CheckedCall call = CheckedCall()
        cdef int axis
        call.kinds = kinds_of(asked)
        if not call.kinds or not 0 < len(shape) <= FEW_AXES:
            return
        check_law(law)
        check_items(dtype, items.itemsize)
        read_parameters(parameters, &call.parameters)
        call.law, call.dtype, call.items, call.axes = law, dtype, items, <int>len(shape)
        for axis in range(call.axes):
            call.shape[axis] = shape[axis]
        memcpy(call.stream, PyBytes_AS_STRING(stream.encode().ljust(FI_LAW_BYTES, b"\0")), FI_LAW_BYTES)
        if len(self.calls) >= MOST_KEPT:
            self.calls.clear()
        self.calls[asked] = call

    def draw(self, tuple asked, seed, name, index, out, threads):
        """The array that is asked for."""
        made = self.again(asked, seed, name, index, out, threads)
        return self.checked(asked, seed, name, index, out, threads) if made is None else made

    cdef object again(self, tuple asked, seed, name, index, out, threads):
        """The same, or None."""
        cdef PyObject *found
        cdef CheckedCall call
        cdef fi_key key
        cdef fi_region region
        cdef cnp.npy_intp[FEW_AXES] shape
        cdef uint8_t[16] number
        cdef uint64_t kinds
        cdef int axes
        cdef Py_ssize_t bytes
        cdef const char *text
        if type(name) is not str or not (threads is None or (type(threads) is int and threads > 0)):
            return None
        kinds = kinds_of(asked)
        if not kinds or not read_seed(seed, number):
            return None
        found = PyDict_GetItemWithError(self.calls, asked)
        if found == NULL:
            return None
        call = <CheckedCall>found
        axes = cut(call, index, &region, shape) if call.kinds == kinds else 0
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
