# Part of _core.pyx: how much is done between two looks for Ctrl-C.

cdef enum:
    FIRST = 1 << 20  # values or elements, on each thread, before it is known how fast they are
    FIRST_APART = 1 << 17  # of those that lie apart, each of which may take as long as a tile
    FIRST_FRESH = 1 << 10  # of those, where each may be the first of a page of 2 MiB, which the system has to clear
    MOST_FIRST = 1 << 26
    EVEN = 1 << 16  # a multiple of so many: a piece of a fill, a span of moments


#: Seconds that the core works without a look: a hundred times what it takes to start the threads anew.
cdef double PATIENCE = 0.03


cdef struct pace:
    size_t some, unit  # of what comes next; a multiple of the unit
    double since


cdef int set_out(pace *p, size_t first, int threads, size_t unit) except -1:
    """Begin, with so many on each of the threads."""
    cdef size_t some = first * <size_t>max(threads, 1)
    p.unit, p.since = unit, perf_counter()
    p.some = max(min(some, <size_t>MOST_FIRST) // unit, <size_t>1) * unit
    return 0


cdef int go_on(pace *p) except -1:
    """Look for Ctrl-C after `some`; as many come next as are done in such a time, and at most eight times as many."""
    PyErr_CheckSignals()
    cdef double now = perf_counter()
    cdef double times = PATIENCE / max(now - p.since, PATIENCE / 8)
    p.some = max(<size_t>(<double>p.some * times) // p.unit, <size_t>1) * p.unit
    p.since = now
    return 0
