# cython: language_level=3, boundscheck=False, wraparound=False, binding=True, embedsignature=True
"""Border to the C core: pointers and the GIL, one function per C entry. Arguments were checked above."""
# Free-threaded Python turns the GIL on when it imports this, and warns: nobody has tried what generators, accumulators
# and the laws that schemes keep do without it. The core itself needs none.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.ref cimport Py_INCREF
from cpython.slice cimport PySlice_AdjustIndices, PySlice_Unpack
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport signbit
from libc.stdint cimport SIZE_MAX, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy
from numpy.random.bit_generator cimport BitGenerator

cimport cython
cimport numpy as cnp

from .locks import lock_of_forks

cnp.import_array()


cdef extern from "numpy/arrayobject.h":
    object PyArray_Empty(int axes, const cnp.npy_intp *shape, cnp.dtype items, int fortran)  # takes a reference


cdef enum:
    BETWEEN_SIGNALS = 1 << 26  # values, after which Ctrl-C is looked for: some hundredths of a second


cdef int check_items(int dtype, size_t bytes) except -1:
    """That items have the size of those of a dtype."""
    if not 0 <= dtype < FI_DTYPES:
        raise ValueError(f"`dtype` must be below {<int>FI_DTYPES}, got {dtype}")
    if bytes != fi_item_bytes[dtype]:
        raise BufferError(f"items must be of {fi_item_bytes[dtype]} bytes, got {bytes}")
    return 0


cdef int check_law(int law) except -1:
    if not 0 <= law < FI_LAWS:
        raise ValueError(f"`law` must be below {<int>FI_LAWS}, got {law}")
    return 0


cdef int check_elements(int order, int dtype, cnp.ndarray elements, int axes) except -1:
    """That elements can be read where they are."""
    if order != 2 and order != 4:
        raise ValueError(f"`order` must be 2 or 4, got {order}")
    check_items(dtype, cnp.PyArray_ITEMSIZE(elements))
    if axes and cnp.PyArray_NDIM(elements) != axes:
        raise BufferError(f"`elements` must have {axes} axes, got {cnp.PyArray_NDIM(elements)}")
    if not cnp.PyArray_IS_C_CONTIGUOUS(elements) or not cnp.PyArray_ISALIGNED(elements):
        raise BufferError("`elements` must be C-contiguous and aligned")
    return 0


cdef int read_key(bytes key, fi_key *k) except -1:
    if PyBytes_GET_SIZE(key) != sizeof(fi_key):
        raise ValueError(f"`key` must be 16 bytes, got {len(key)}")
    cdef const uint8_t *b = <const uint8_t *>PyBytes_AS_STRING(key)
    cdef int i
    k.low = k.high = 0
    for i in range(8):
        k.low |= <uint64_t>b[i] << 8 * i
        k.high |= <uint64_t>b[8 + i] << 8 * i
    return 0


cdef int read_parameters(object parameters, fi_parameters *p) except -1:
    if not isinstance(parameters, tuple):
        raise TypeError(f"`parameters` must be a tuple, got {type(parameters).__name__}")
    p.shift, p.scale, p.least, p.greatest, p.left, p.mass, p.right, p.tails = <tuple>parameters
    return 0


def fill(int law, int dtype, bytes key, parameters, cnp.ndarray out, int64_t first, tuple steps, int threads):
    """Fill `out` with values number first + i steps[0] + j steps[1] + ... (None: in C order) of the stream of `key`."""
    cdef fi_key k
    cdef fi_parameters p
    cdef fi_region region
    cdef int axis
    cdef size_t some, done = 0, count = cnp.PyArray_SIZE(out)
    cdef void *data = cnp.PyArray_DATA(out)
    read_key(key, &k)
    read_parameters(parameters, &p)
    check_law(law)
    check_items(dtype, cnp.PyArray_ITEMSIZE(out))
    if not cnp.PyArray_ISWRITEABLE(out):
        raise BufferError("`out` must be writable")
    region.first = first
    if steps is None:
        if not cnp.PyArray_IS_C_CONTIGUOUS(out):
            raise ValueError("`out` must be C-contiguous where there are no steps")
        region.axes = 1
        region.shape[0] = count
        region.source_step[0] = 1
        region.target_step[0] = cnp.PyArray_ITEMSIZE(out)
    else:
        region.axes = cnp.PyArray_NDIM(out)
        if len(steps) != region.axes:
            raise ValueError(f"`steps` must be {region.axes} numbers, got {len(steps)}")
        for axis in range(region.axes):
            region.shape[axis] = cnp.PyArray_DIM(out, axis)
            region.source_step[axis] = steps[axis]
            region.target_step[axis] = cnp.PyArray_STRIDE(out, axis)
    while count:
        some = count if count < BETWEEN_SIGNALS else BETWEEN_SIGNALS
        with nogil:
            fi_fill(<fi_law>law, <fi_dtype>dtype, k, &p, &region, done, some, data, threads)
        done, count = done + some, count - some
        if count:
            PyErr_CheckSignals()


def stream_key(bytes seed, bytes law, bytes name):
    """The key of a stream: see src/key.h."""
    if PyBytes_GET_SIZE(seed) != FI_SEED_BYTES or PyBytes_GET_SIZE(law) != FI_LAW_BYTES:
        raise ValueError(f"`seed` and `law` must be of {FI_SEED_BYTES} bytes, got {len(seed)} and {len(law)}")
    cdef fi_key k = fi_stream_key(<const uint8_t *>PyBytes_AS_STRING(seed), <const uint8_t *>PyBytes_AS_STRING(law),
                                  <const uint8_t *>PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
    cdef uint8_t[16] b
    cdef int i
    for i in range(8):
        b[i] = k.low >> 8 * i & 0xff
        b[8 + i] = k.high >> 8 * i & 0xff
    return PyBytes_FromStringAndSize(<char *>b, sizeof(fi_key))


include "_calls.pxi"


def words(bytes key, int domain, uint64_t first, size_t count):
    """Words [first, first + count) of a domain as bytes of uint32, low byte first on the usual machines."""
    cdef fi_key k
    cdef uint64_t tile = first // FI_TILE
    cdef size_t skipped = <size_t>(first - tile * FI_TILE)
    cdef size_t tiles = (skipped + count + FI_TILE - 1) // FI_TILE
    cdef cnp.npy_intp size = <cnp.npy_intp>(tiles * FI_TILE + 16)
    cdef cnp.ndarray buffer = cnp.PyArray_SimpleNew(1, &size, cnp.NPY_UINT32)
    cdef size_t offset = ((64 - <size_t>cnp.PyArray_DATA(buffer) % 64) % 64) // 4
    cdef uint32_t *start = <uint32_t *>cnp.PyArray_DATA(buffer) + offset
    read_key(key, &k)
    with nogil:
        fi_level_in_use().kernels.words(k, <fi_domain>domain, tile * FI_TILE_BLOCKS, tiles, start)
    return buffer[offset + skipped:offset + skipped + count]


def ars_block(bytes key, tuple counter, int rounds):
    """The four words of one block, by table."""
    cdef uint32_t[4] block
    cdef uint32_t[4] c
    cdef int i
    cdef fi_key k
    read_key(key, &k)
    if len(counter) != 4:
        raise ValueError(f"`counter` must be four words, got {len(counter)}")
    for i in range(4):
        c[i] = counter[i]
    fi_ars_block(k, c, rounds, block)
    return (block[0], block[1], block[2], block[3])


def supported_levels():
    """Pairs of an ISA and how its words are made (table, or the width of the AES instructions), best first."""
    cdef const fi_level *levels[8]
    cdef size_t count = fi_supported_levels(levels), i
    return tuple((levels[i].isa.decode(), levels[i].aes.decode()) for i in range(count))


def supported_isas():
    """Names of the ISA levels this machine can run, best first."""
    return tuple(dict.fromkeys(isa for isa, _ in supported_levels()))


def isa_in_use():
    """The ISA level in use, and how its words are made."""
    return fi_level_in_use().isa.decode(), fi_level_in_use().aes.decode()


def use_isa(str isa, str aes=None):
    """Use the best level of that ISA (and AES); False where this machine has none such."""
    cdef bytes isa_name = isa.encode()
    cdef bytes aes_name = b"" if aes is None else aes.encode()
    return fi_use_level(isa_name, NULL if aes is None else <const char *>aes_name) == 0


cdef class Accumulator:
    """A sequence of elements being reduced to its moments. Copies and pickles are exact."""

    cdef fi_accumulator *state
    cdef object lock

    def __cinit__(self, int order, bytes state=None):
        self.state = <fi_accumulator *>PyMem_Calloc(1, sizeof(fi_accumulator))
        if self.state == NULL:
            raise MemoryError()
        self.lock = lock_of_forks()
        if order != 2 and order != 4:
            raise ValueError(f"`order` must be 2 or 4, got {order}")
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
        with self.lock:
            return Accumulator, (self.state.order, (<char *>self.state)[:sizeof(fi_accumulator)])

    def update(self, int dtype, cnp.ndarray elements, int threads):
        """Take in the elements of a C-contiguous array, in order."""
        cdef const char *data = <const char *>cnp.PyArray_DATA(elements)
        cdef size_t some, count = cnp.PyArray_SIZE(elements)
        check_elements(self.state.order, dtype, elements, 0)
        with self.lock:
            while count:
                some = count if count < BETWEEN_SIGNALS else BETWEEN_SIGNALS
                with nogil:
                    fi_accumulator_update(self.state, <fi_dtype>dtype, data, some, threads)
                data, count = data + some * fi_item_bytes[dtype], count - some
                if count:
                    PyErr_CheckSignals()

    def merge(self, Accumulator other not None):
        """Take in all that `other` has taken in, as one piece."""
        cdef Accumulator still = Accumulator(*other.__reduce__()[1])
        with self.lock:
            fi_accumulator_merge(self.state, still.state)

    def result(self):
        """The eleven numbers of fi_moments."""
        cdef fi_moments m
        with self.lock:
            fi_accumulator_result(self.state, &m)
        sums = (m.count, m.mean, m.m2, m.m3, m.m4, m.exponent)
        return (*sums, m.minimum, m.maximum, m.zeros, m.nonfinite, m.nonfinite_sum)


def moments_of_rows(int order, int dtype, cnp.ndarray elements, int threads):
    """The eleven numbers of fi_moments for each row of a C-contiguous matrix."""
    check_elements(order, dtype, elements, 2)
    cdef size_t rows = cnp.PyArray_DIM(elements, 0), count = cnp.PyArray_DIM(elements, 1)
    cdef cnp.npy_intp[2] shape
    shape[0] = rows
    shape[1] = sizeof(fi_moments) // sizeof(double)
    cdef cnp.ndarray results = cnp.PyArray_SimpleNew(2, shape, cnp.NPY_FLOAT64)
    cdef const void *data = cnp.PyArray_DATA(elements)
    cdef fi_moments *numbers = <fi_moments *>cnp.PyArray_DATA(results)
    with nogil:
        fi_moments_of_rows(order, <fi_dtype>dtype, data, rows, count, numbers, threads)
    return results


def advise_large_pages(size_t address, size_t size):
    """Ask the system for large pages within `size` bytes of this process's memory from an address on."""
    if size > SIZE_MAX - address:
        raise ValueError(f"`size` must end within the address space, got {size} bytes from {address:#x}")
    with nogil:
        fi_advise_large_pages(address, size)


def rounds_otherwise():
    """Whether this thread rounds otherwise than to nearest, or flushes subnormal numbers to zero."""
    return fi_fp_is_foreign() != 0


cdef class UsualRounding:
    """A context in which this thread rounds to nearest and keeps subnormal numbers; what was set is put back after."""

    cdef fi_fp_state caller

    def __enter__(self):
        self.caller = fi_fp_enter()

    def __exit__(self, *_):
        fi_fp_leave(self.caller)


def compiler():
    """The compiler of this extension, and its version."""
    return FI_COMPILER.decode()


cdef enum:
    WORDS_HELD = 1024


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


cdef class WordGenerator(BitGenerator):
    """The main words of a key as NumPy's C code asks for them, one after the other; after 2**64 of them, again."""

    cdef word_source source
    cdef uint32_t[WORDS_HELD + 16] space

    def __cinit__(self, *_, **__):
        self.source.held = &self.space[(64 - <size_t>self.space % 64) % 64 // 4]

    def __init__(self, seed):
        BitGenerator.__init__(self, seed)
        self.lock = lock_of_forks()
        self._bitgen.state = &self.source
        self._bitgen.next_uint64 = next_uint64
        self._bitgen.next_uint32 = next_uint32
        self._bitgen.next_double = next_double
        self._bitgen.next_raw = next_uint64

    def _seek(self, bytes key, uint64_t word):
        """Go to a word of a key. The caller holds the lock."""
        read_key(key, &self.source.key)
        self.source.next = word
        if word % WORDS_HELD:
            hold_words(&self.source)

    @property
    def _word(self):
        """Number of the word to come."""
        return self.source.next
