# cython: language_level=3, boundscheck=False, wraparound=False, binding=True, embedsignature=True
# cython: freethreading_compatible=True
"""Border to the C core: pointers and the GIL, one function per C entry. Arguments were checked above."""
# Where there is no GIL, locks guard what threads share and change, but for dicts, which have their own.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_New
from cpython.ref cimport Py_INCREF
from cpython.slice cimport PySlice_AdjustIndices, PySlice_Unpack
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport INFINITY, fabs, nextafter, nextafterf, signbit
from libc.stdint cimport (
    INT64_MAX, SIZE_MAX, UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t,
)
from libc.string cimport memcmp, memcpy, memset
from numpy.random.bit_generator cimport BitGenerator

cimport cython
cimport numpy as cnp

from math import prod
from secrets import randbits

from .locks import lock_of_forks

cnp.import_array()
# While there is one thread that asks.
fi_level_in_use()
fi_streamed_from()


cdef extern from "numpy/arrayobject.h":
    # Each takes a reference.
    object PyArray_Empty(int axes, const cnp.npy_intp *shape, cnp.dtype items, int fortran)
    object PyArray_Zeros(int axes, const cnp.npy_intp *shape, cnp.dtype items, int fortran)


include "_pace.pxi"


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


cdef int fill_region(int law, int dtype, fi_key key, const fi_parameters *p, const fi_region *region, size_t count,
                     void *out, int threads) except -1:
    """All values of a region. Few keep the lock; of many, Ctrl-C is looked for between some and some."""
    cdef size_t some, done = 0
    if count <= FEW_VALUES:
        fi_fill(<fi_law>law, <fi_dtype>dtype, key, p, region, 0, count, out, 1)
        return 0
    while True:
        with nogil:
            some = fi_fill_for(<fi_law>law, <fi_dtype>dtype, key, p, region, done, count, out, threads, PATIENCE)
        done, count = done + some, count - some
        if not count:
            return 0
        PyErr_CheckSignals()


cdef int fill_row(int law, int dtype, fi_key key, const fi_parameters *p, int64_t first, size_t count, void *out,
                  int threads) except -1:
    """Values [first, first + count) of a stream, one after the other."""
    cdef fi_region region
    region.axes, region.first, region.shape[0] = 1, first, count
    region.source_step[0], region.target_step[0] = 1, fi_item_bytes[dtype]
    return fill_region(law, dtype, key, p, &region, count, out, threads)


def fill(int law, int dtype, bytes key, parameters, cnp.ndarray out, int64_t first, tuple steps, int threads):
    """Fill `out` with values number first + i steps[0] + j steps[1] + ... (None: in C order) of the stream of `key`."""
    cdef fi_key k
    cdef fi_parameters p
    cdef fi_region region
    cdef int axis
    cdef size_t count = cnp.PyArray_SIZE(out)
    cdef void *data = cnp.PyArray_DATA(out)
    read_key(key, &k)
    read_parameters(parameters, &p)
    check_law(law)
    check_items(dtype, cnp.PyArray_ITEMSIZE(out))
    if not cnp.PyArray_ISWRITEABLE(out):
        raise BufferError("`out` must be writable")
    if steps is None:
        if not cnp.PyArray_IS_C_CONTIGUOUS(out):
            raise ValueError("`out` must be C-contiguous where there are no steps")
        fill_row(law, dtype, k, &p, first, count, data, threads)
        return
    region.first, region.axes = first, cnp.PyArray_NDIM(out)
    if len(steps) != region.axes:
        raise ValueError(f"`steps` must be {region.axes} numbers, got {len(steps)}")
    for axis in range(region.axes):
        region.shape[axis] = cnp.PyArray_DIM(out, axis)
        region.source_step[axis] = steps[axis]
        region.target_step[axis] = cnp.PyArray_STRIDE(out, axis)
    fill_region(law, dtype, k, &p, &region, count, data, threads)


cdef void find_ends(int dtype, double low, double high, double *least, double *greatest) noexcept:
    """See `ends_of_numbers`."""
    cdef volatile float first = <float>low, last = <float>high  # GCC 12 takes two roundings side by side for none
    if low == high:
        least[0] = greatest[0] = low if dtype == FI_F64 else first
    elif dtype == FI_F64:
        least[0], greatest[0] = low, nextafter(high, -INFINITY)
    else:
        least[0] = nextafterf(first, INFINITY) if first < low else first
        greatest[0] = nextafterf(last, -INFINITY) if last >= high else last


def ends_of_numbers(int dtype, double low, double high):
    """The least and the greatest number of the precision computed in that lie in [low, high); crossed if none does.

    Of an interval that is one number, what that is rounded to.
    """
    cdef double least, greatest
    find_ends(dtype, low, high, &least, &greatest)
    return least, greatest


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
    return fi_use_level(isa_name, NULL if aes is None else <char *>aes_name) == 0


def stream_from(size_t size):
    """Have memory written past the caches from so many bytes on, where values are made faster; how many it was."""
    was = fi_streamed_from()
    fi_stream_from(size)
    return was


include "_moments.pxi"
include "_signals.pxi"
include "_products.pxi"


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


def xla_handler():
    """The handler of XLA's custom call that fills a part of an array, as a capsule: see src/xla.h."""
    return PyCapsule_New(<void *>fi_xla_fill, "xla._CUSTOM_CALL_TARGET", NULL)


def compiler():
    """The compiler of this extension, and its version."""
    return FI_COMPILER.decode()


include "_draws.pxi"


include "_activations.pxi"


include "_columns.pxi"
