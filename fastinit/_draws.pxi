# Part of _core.pyx: what generators read, which is the words of one stream and the next values of two.

cdef enum:
    WORDS_HELD = 1024
    VALUES_HELD = 32  # one tile: fewer are not made
    LAWS_DRAWN = 2  # the normal and the uniform


cdef double USUAL = 1e30  # far within every range: neither ten deviations nor the distance of two leads out of it


cdef struct word_source:
    fi_key key
    uint64_t next  # number of the word to come
    uint32_t *held  # where next is no multiple of WORDS_HELD: the words from the multiple below it on


@cython.cdivision(True)
cdef void hold_words(word_source *source) noexcept nogil:
    cdef uint64_t tile = source.next // WORDS_HELD * (WORDS_HELD // FI_TILE)
    fi_level_in_use().kernels.words(source.key, FI_MAIN, tile * FI_TILE_BLOCKS, WORDS_HELD // FI_TILE, source.held)


@cython.cdivision(True)
cdef inline uint32_t take_word(word_source *source) noexcept nogil:
    if source.next % WORDS_HELD == 0:
        hold_words(source)
    cdef uint32_t word = source.held[source.next % WORDS_HELD]
    source.next += 1
    return word


cdef uint32_t next_uint32(void *source) noexcept nogil:
    return take_word(<word_source *>source)


cdef uint64_t next_uint64(void *source) noexcept nogil:
    cdef uint64_t low = take_word(<word_source *>source)
    return low | <uint64_t>take_word(<word_source *>source) << 32


cdef double next_double(void *source) noexcept nogil:
    return <double>(next_uint64(source) >> 11) * (1.0 / 9007199254740992.0)


cdef union values_held:
    float[VALUES_HELD] narrow
    double[VALUES_HELD] wide


cdef struct value_source:
    fi_key key
    uint64_t tile  # number of the one that is held; UINT64_MAX where none is
    int dtype
    fi_parameters parameters
    values_held held


#: Code and dtype by what names the two.
cdef dict usual_dtypes = {
    name: (code, items)
    for code, items in ((<int>FI_F32, cnp.dtype("float32")), (<int>FI_F64, cnp.dtype("float64")))
    for name in (items, items.type, items.name)
}


cdef tuple usual_dtype(object dtype):
    """Code and dtype; None of another, and of what names it otherwise."""
    cdef PyObject *found
    if not (type(dtype) is type or type(dtype) is str or isinstance(dtype, cnp.dtype)):
        return None
    found = PyDict_GetItemWithError(usual_dtypes, dtype)
    return None if found == NULL else <tuple>found


cdef bint usual_number(object given, double *number) except -1:
    if type(given) is not float and type(given) is not int:
        return False
    try:
        number[0] = <double>given
    except OverflowError:
        return False
    return fabs(number[0]) <= USUAL


cdef bint usual_parameters(int law, int dtype, object one, object other, fi_parameters *p) except -1:
    """The parameters of a law of two numbers; false where Python has to look at these."""
    cdef double first, second
    if not usual_number(one, &first) or not usual_number(other, &second):
        return False
    memset(p, 0, sizeof(fi_parameters))
    if law == FI_NORMAL:
        p.shift, p.scale = first, second
        return not signbit(second)
    find_ends(dtype, first, second, &p.least, &p.greatest)
    p.shift, p.scale = p.least, second - first
    return first <= second and p.least <= p.greatest


cdef object usual_array(object size, cnp.dtype items, object out):
    """`out`, or a new array of that size; None where Python has to look at one of them, or it is not small."""
    cdef cnp.npy_intp[FEW_AXES] shape
    cdef cnp.npy_intp count = 1
    cdef tuple lengths = size if type(size) is tuple else (size,)
    cdef int axis
    if size is None:
        if type(out) is not cnp.ndarray or cnp.PyArray_SIZE(out) > FEW_VALUES:
            return None
        return plain_array(out, items, cnp.PyArray_NDIM(out), cnp.PyArray_DIMS(out))
    if len(lengths) > FEW_AXES:
        return None
    for axis in range(<int>len(lengths)):
        if type(lengths[axis]) is not int:
            return None
        try:
            shape[axis] = lengths[axis]
        except OverflowError:
            return None
        if not 0 <= shape[axis] <= FEW_VALUES // count:
            return None
        count *= max(shape[axis], 1)
    return plain_array(out, items, <int>len(lengths), shape)


cdef class WordGenerator(BitGenerator):
    """The main words of a key as NumPy's C code asks for them, one after the other; after 2**64 of them, again.

    And the values of two laws from a position on, which both move.
    """

    cdef word_source source
    cdef uint32_t[WORDS_HELD + 16] space
    cdef value_source[LAWS_DRAWN] values
    cdef public int64_t _position
    cdef object acquire, release  # of the lock: half the time of a `with`

    def __cinit__(self, *_, **__):
        self.source.held = &self.space[(64 - <size_t>self.space % 64) % 64 // 4]

    def __init__(self, seed):
        BitGenerator.__init__(self, seed)
        self.lock = lock_of_forks()
        self.acquire, self.release = self.lock.acquire, self.lock.release
        self._bitgen.state = &self.source
        self._bitgen.next_uint64 = next_uint64
        self._bitgen.next_uint32 = next_uint32
        self._bitgen.next_double = next_double
        self._bitgen.next_raw = next_uint64

    def _seek(self, tuple keys, int64_t position, uint64_t word):
        """Go to a position of the laws' keys, and to a word of the last key. The caller holds the lock."""
        cdef int law
        for law in range(LAWS_DRAWN):
            read_key(keys[law], &self.values[law].key)
            self.values[law].tile = UINT64_MAX
        self._position = position
        read_key(keys[LAWS_DRAWN], &self.source.key)
        self.source.next = word
        if word % WORDS_HELD:
            hold_words(&self.source)

    @property
    def _word(self):
        """Number of the word to come."""
        return self.source.next

    def _draw(self, int law, one, other, size, dtype, out):
        """The next values of a law with two parameters; None, and none taken, where Python has to look at something."""
        cdef fi_parameters p
        cdef tuple kind = usual_dtype(dtype_for(dtype, out, "float64"))
        if not 0 <= law < LAWS_DRAWN:
            raise ValueError(f"`law` must be below {<int>LAWS_DRAWN}, got {law}")
        if kind is None or fi_fp_is_foreign() or not usual_parameters(law, kind[0], one, other, &p):
            return None
        if size is None and out is None:
            return self.next_value(law, kind[0], &p)
        made = usual_array(size, kind[1], out)
        return None if made is None else self.next_values(law, kind[0], &p, made)

    cdef const void *hold(self, int law, int dtype, const fi_parameters *p) except NULL:
        """The value at the position, and those after it in a tile that is made for the first of them.

        The caller holds the lock.
        """
        cdef value_source *source = &self.values[law]
        cdef uint64_t number = self._position, tile = number // VALUES_HELD
        if (source.tile != tile or source.dtype != dtype
                or memcmp(&source.parameters, p, sizeof(fi_parameters)) != 0):
            source.tile, source.dtype, source.parameters = tile, dtype, p[0]
            fill_row(law, dtype, source.key, p, tile * VALUES_HELD, VALUES_HELD, &source.held, 1)
        return <const char *>&source.held + number % VALUES_HELD * fi_item_bytes[dtype]

    cdef object next_value(self, int law, int dtype, const fi_parameters *p):
        cdef double value = 0
        cdef bint is_left
        cdef const void *place
        self.acquire()
        is_left = self._position < INT64_MAX
        if is_left:
            place = self.hold(law, dtype, p)
            value = (<const double *>place)[0] if dtype == FI_F64 else (<const float *>place)[0]
            self._position += 1
        self.release()
        return value if is_left else None

    cdef object next_values(self, int law, int dtype, const fi_parameters *p, cnp.ndarray out):
        cdef size_t count = cnp.PyArray_SIZE(out)
        cdef int64_t first
        cdef bint are_left, are_held
        cdef fi_key key
        self.acquire()
        first, key = self._position, self.values[law].key
        are_left = count <= <size_t>(INT64_MAX - first)
        are_held = are_left and first % VALUES_HELD + count <= VALUES_HELD
        if are_held:
            memcpy(cnp.PyArray_DATA(out), self.hold(law, dtype, p), count * fi_item_bytes[dtype])
        if are_left:
            self._position += count
        self.release()
        if are_left and not are_held:
            fill_row(law, dtype, key, p, first, count, cnp.PyArray_DATA(out), 1)
        return out if are_left else None
