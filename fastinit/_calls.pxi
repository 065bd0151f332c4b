# Part of _core.pyx: calls that were made before.

cpdef enum:
    FEW_AXES = 8
    FEW_VALUES = 1 << 14  # one thread is fastest, and to let go of the lock takes longer than it is worth


USUAL_DTYPE = "float32"


cdef enum:
    MOST_KEPT = 1 << 10
    REPEATED = 1 << 12  # bytes that are written again and again: they stay in the nearest cache
    REPEATED_AT_ONCE = 1 << 21  # bytes between two looks at the clock


@cython.final
cdef class CheckedCall:
    """What a call came to whose arguments were checked: the law of an array of that shape, or what its values are."""

    cdef uint64_t kinds
    cdef int law, dtype, axes
    cdef cnp.ndarray value, marked  # where no seed matters: see `fixed`; else None
    cdef bint is_zero  # but for what is marked
    cdef fi_parameters parameters
    cdef uint8_t[16] stream
    cdef int64_t[FEW_AXES] shape
    cdef cnp.dtype items

    def __init__(self, int law, str stream, int dtype, parameters, tuple shape, cnp.dtype items):
        self.read_shape(shape)
        check_law(law)
        check_items(dtype, items.itemsize)
        read_parameters(parameters, &self.parameters)
        self.law, self.dtype, self.items = law, dtype, items
        memcpy(self.stream, PyBytes_AS_STRING(stream.encode().ljust(FI_LAW_BYTES, b"\0")), FI_LAW_BYTES)

    @staticmethod
    def fixed(cnp.ndarray value not None, tuple shape, marked=None):
        """That of a law of one value: everywhere, or at the numbers that are marked, and zero elsewhere."""
        cdef CheckedCall call = CheckedCall.__new__(CheckedCall)
        call.read_shape(shape)
        if marked is not None:
            call.marked = cnp.PyArray_ContiguousFromAny(marked, cnp.NPY_INT64, 1, 1)
            if call.marked.size and not (0 <= call.marked.min() and call.marked.max() < prod(shape)):
                raise ValueError(f"`marked` must be below {prod(shape)}, got {call.marked.max()}")
        call.value, call.items = value.reshape(()), value.dtype
        call.is_zero = marked is not None or not value.tobytes().strip(b"\0")
        return call

    cdef int read_shape(self, tuple shape) except -1:
        cdef int axis
        if len(shape) > FEW_AXES:
            raise ValueError(f"`shape` must have at most {<int>FEW_AXES} axes, got {len(shape)}")
        self.axes = <int>len(shape)
        for axis in range(self.axes):
            self.shape[axis] = shape[axis]
        return 0

    def fill(self, seed, str name not None, size_t address):
        """Fill such an array, of few values in C order, where the caller knows that one is."""
        cdef uint8_t[16] number
        cdef Py_ssize_t bytes
        cdef const char *text = PyUnicode_AsUTF8AndSize(name, &bytes)
        cdef fi_key key
        cdef size_t items = fi_item_bytes[self.dtype], count = few_values(self)
        if not count:
            raise ValueError(f"`shape` must be of 1 to {<int>FEW_VALUES} values, got {self.lengths!r}")
        if not address or address % items:
            raise BufferError(f"`address` must be a multiple of {items}, got {address}")
        if not read_seed(seed, number):
            raise ValueError(f"`seed` must be an integer in [0, 2**128), got {seed!r}")
        key = fi_stream_key(number, self.stream, <const uint8_t *>text, bytes)
        fill_row(self.law, self.dtype, key, &self.parameters, 0, count, <void *>address, 1)

    @property
    def lengths(self):
        """The shape."""
        return tuple([self.shape[axis] for axis in range(self.axes)])


cdef size_t few_values(CheckedCall call) noexcept:
    """How many values the array of a call has, if they are few; else 0."""
    cdef int64_t count = 1
    cdef int axis
    if call.value is not None:
        return 0
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


cdef int cut(CheckedCall call, object index, fi_region *region, cnp.npy_intp *shape) except -2:
    """The part that slices, integers and dots cut out of the array, and its axes: -1 where Python has to look at them.

    That is where they are anything else, or it is empty.
    """
    cdef tuple entries = index if type(index) is tuple else () if index is None else (index,)
    cdef int64_t step = 1, count = 1, length
    cdef Py_ssize_t start, stop, stride
    cdef int axis, axes = call.axes, place, used = <int>len(entries), dots = used, after
    region.first, region.axes = 0, call.axes
    for place in range(<int>len(entries)):
        axes -= type(entries[place]) is int
        if entries[place] is None:
            return -1
        if entries[place] is Ellipsis:
            if used < <int>len(entries):
                return -1
            used, dots = used - 1, place
    if used > call.axes:
        return -1
    after = call.axes - used + dots  # the first axis that an entry after the dots is for
    place = axes
    for axis in range(call.axes - 1, -1, -1):
        length, start, stride = call.shape[axis], 0, 1
        entry = entries[axis] if axis < dots else entries[axis - call.axes + len(entries)] if axis >= after else None
        if entry is not None:
            if type(entry) is int and -length <= entry < length:
                start, length = entry % length, 1
            elif type(entry) is slice:
                try:
                    PySlice_Unpack(entry, &start, &stop, &stride)
                except (TypeError, ValueError):
                    return -1
                length = PySlice_AdjustIndices(length, &start, &stop, stride)
            else:
                return -1
        count *= length
        if count == 0:
            return -1
        if type(entry) is not int:
            place -= 1
            shape[place] = length
        region.first += start * step
        region.shape[axis] = length
        region.source_step[axis] = stride * step
        region.target_step[axis] = count // length * call.items.itemsize
        step *= call.shape[axis]
    return axes


cdef class CheckedCalls:
    """Arrays, or parts, of laws that were asked for before: what was checked then is not checked again.

    Anything else goes to `checked`, which may `keep` what it has found. `threads_for` tells how many threads there are.
    """

    cdef dict calls
    cdef object checked, threads_for

    def __init__(self, checked=None, threads_for=None):
        self.calls, self.checked, self.threads_for = {}, checked, threads_for

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
        cdef CheckedCall found = self.calls.get(asked) if kinds else None  # held: another thread may clear them
        return found if found is not None and found.kinds == kinds else None

    def known(self, tuple asked):
        """What such a call came to; None where there was none."""
        return self.find(asked)

    def draw(self, tuple asked, seed, name, index, out, threads):
        """The array that is asked for: shape and dtype are the first of what describes it."""
        asked = plain(asked, out)
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
        cdef size_t count
        cdef Py_ssize_t bytes
        cdef const char *text
        if type(name) is not str or not (threads is None or (type(threads) is int and threads > 0)):
            return None
        call = self.find(asked)
        if call is None:
            return None
        if seed is None and call.value is None and index is None:
            seed = randbits(8 * FI_SEED_BYTES)
        if not (read_seed(seed, number) or (seed is None and call.value is not None)):
            return None
        if call.marked is not None and index is not None:
            return None
        axes = cut(call, index, &region, shape)
        if axes < 0:
            return None
        try:
            text = PyUnicode_AsUTF8AndSize(name, &bytes)
        except UnicodeEncodeError:
            return None
        made = plain_array(out, call.items, axes, shape, call.is_zero)
        if made is None:
            return None
        if call.value is None:
            key = fi_stream_key(number, call.stream, <const uint8_t *>text, bytes)
            count = cnp.PyArray_SIZE(made)
            fill_region(call.law, call.dtype, key, &call.parameters, &region, count, cnp.PyArray_DATA(made),
                        1 if count <= FEW_VALUES else self.threads_for(threads))
        else:
            put_fixed(call, made, out is None)
        return made[()] if axes == 0 and out is None else made


cdef int repeat(const char *item, size_t size, char *out, size_t bytes) except -1:
    """One item again and again, or zeros (NULL), over memory of at least one: what is near is copied on."""
    cdef size_t some, done = 0
    cdef double end
    if bytes <= FEW_VALUES:
        repeat_some(item, size, out, bytes)
        return 0
    while True:
        with nogil:
            end = fi_seconds() + PATIENCE
            while done < bytes and fi_seconds() < end:
                some = min(bytes - done, <size_t>REPEATED_AT_ONCE)
                repeat_some(item, size, out + done, some)
                done += some
        if done == bytes:
            return 0
        PyErr_CheckSignals()


cdef void repeat_some(const char *item, size_t size, char *out, size_t bytes) noexcept nogil:
    cdef size_t some, done = size
    if item == NULL:
        memset(out, 0, bytes)
        return
    memcpy(out, item, size)
    while done < bytes:
        some = min(done, <size_t>REPEATED, bytes - done)
        memcpy(out + done, out, some)
        done += some


cdef int put_fixed(CheckedCall call, cnp.ndarray out, bint is_new) except -1:
    """The values of a law that needs no seed in an array in C order, which is zero if it is new and they are."""
    cdef size_t item = call.value.itemsize
    cdef const char *value = cnp.PyArray_BYTES(call.value)
    cdef const int64_t *marked
    cdef cnp.npy_intp i
    if not call.is_zero or not is_new:
        repeat(value if not call.is_zero else NULL, item, cnp.PyArray_BYTES(out), cnp.PyArray_NBYTES(out))
    if call.marked is not None:
        marked = <const int64_t *>cnp.PyArray_DATA(call.marked)
        for i in range(cnp.PyArray_SIZE(call.marked)):
            memcpy(cnp.PyArray_BYTES(out) + <size_t>marked[i] * item, value, item)
    return 0


cpdef object dtype_for(dtype, out, usual):
    """`dtype`; where that is None, the one of `out`; the usual one where that is None too."""
    if dtype is not None:
        return dtype
    return usual if out is None else getattr(out, "dtype", None)


cdef tuple plain(tuple asked, out):
    """The same arguments, with a tuple in place of a list of lengths, and the dtype named."""
    shape, dtype = asked[0], asked[1]
    if type(shape) is not list and dtype is not None:
        return asked
    return (tuple(shape) if type(shape) is list else shape, dtype_for(dtype, out, USUAL_DTYPE), *asked[2:])


cdef object plain_array(object out, cnp.dtype items, int axes, const cnp.npy_intp *shape, bint is_zero=False):
    """`out`, or a new array (of zeros); None where it has another shape or items, is not in C order or not writable."""
    cdef int axis
    if out is None:
        Py_INCREF(items)
        return PyArray_Zeros(axes, shape, items, 0) if is_zero else PyArray_Empty(axes, shape, items, 0)
    if type(out) is not cnp.ndarray or not cnp.PyArray_ISCARRAY(out):
        return None
    if cnp.PyArray_NDIM(out) != axes or cnp.PyArray_TYPE(out) != items.num:
        return None
    for axis in range(axes):
        if cnp.PyArray_DIM(out, axis) != shape[axis]:
            return None
    return out
