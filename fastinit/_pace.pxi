# Part of _core.pyx: how long the core works between two looks for Ctrl-C.

#: Seconds. To start the threads again takes less than a hundredth of it.
cdef double PATIENCE = 0.03

cdef enum:
    FIRST = 1 << 20  # elements, on each thread, before it is known how fast they are read
    FIRST_PASSED = 1 << 17  # those of a layer's signals
    MOST_FIRST = 1 << 26
    EVEN = 1 << 16  # a multiple of so many: a span of moments


#: Of what cannot be cut off by the clock, as it is counted: how much is done before the next look.
cdef struct pace:
    size_t some, unit  # of what comes next; a multiple of the unit
    double since


cdef int set_out(pace *p, size_t first, int threads, size_t unit) except -1:
    """Begin, with so many on each of the threads."""
    cdef size_t some = first * <size_t>max(threads, 1)
    p.unit, p.since = unit, fi_seconds()
    p.some = max(min(some, <size_t>MOST_FIRST) // unit, <size_t>1) * unit
    return 0


cdef int go_on(pace *p) except -1:
    """Look for Ctrl-C after `some`. Next come as many as take such a time, and at most twice as many: speeds change."""
    PyErr_CheckSignals()
    cdef double now = fi_seconds()
    cdef double times = PATIENCE / max(now - p.since, PATIENCE / 2)
    p.some = max(<size_t>(<double>p.some * times) // p.unit, <size_t>1) * p.unit
    p.since = now
    return 0
