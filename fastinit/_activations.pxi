# Part of _core.pyx: activations.

#: Their names: an activation's code is its place here.
ACTIVATIONS = tuple(FI_ACTIVATION_NAMES.decode("ascii").split())


cdef int dtype_of_reals(cnp.ndarray x) noexcept:
    """FI_F32 or FI_F64 of an array that a loop can read from its first item on; -1 of others."""
    if not cnp.PyArray_ISCARRAY_RO(x):
        return -1
    if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT32:
        return FI_F32
    return FI_F64 if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT64 else -1


cdef void *place_for(cnp.ndarray x, object out) except? NULL:
    """Where to put a number for each of x; NULL where none are wanted."""
    if out is None:
        return NULL
    if not (type(out) is cnp.ndarray and cnp.PyArray_ISCARRAY(out) and cnp.PyArray_TYPE(out) == cnp.PyArray_TYPE(x)
            and cnp.PyArray_SIZE(out) == cnp.PyArray_SIZE(x)):
        raise BufferError("what is written must be writable and as what is read: in dtype, size and order")
    return cnp.PyArray_DATA(out)


cdef void run_activation(int code, const fi_activation_parameters *p, int dtype, cnp.ndarray x, void *value,
                         void *slope) noexcept:
    cdef size_t count = cnp.PyArray_SIZE(x)
    cdef const void *data = cnp.PyArray_DATA(x)
    cdef fi_activate_fn *loop = fi_level_in_use().kernels.activate[dtype][code]
    cdef fi_fp_state caller = fi_fp_enter()
    if count <= FEW_VALUES:
        loop(p, data, count, value, slope)
    else:
        with nogil:
            loop(p, data, count, value, slope)
    fi_fp_leave(caller)


cdef int check_activation(int code) except -1:
    if not 0 <= code < FI_ACTIVATIONS:
        raise ValueError(f"`code` must be below {<int>FI_ACTIVATIONS}, got {code}")
    return 0


def activate(int code, tuple parameters, cnp.ndarray x, value, slope):
    """phi(x) into `value` and phi'(x) into `slope`, each where it is not None; `value` may be x."""
    cdef fi_activation_parameters p
    cdef int dtype = dtype_of_reals(x)
    check_activation(code)
    p.above, p.below = parameters
    if dtype < 0:
        raise BufferError("`x` must be aligned float32 or float64 in C order")
    run_activation(code, &p, dtype, x, place_for(x, value), place_for(x, slope))


@cython.final
cdef class NamedFunction:
    """An activation that the core has, or its slope, of an array; what is not one as the core reads goes to `checked`.

    Two of one code and of the same parameters are equal. Pickles are exact.
    """

    cdef fi_activation_parameters p
    cdef readonly int code
    cdef readonly bint is_slope
    cdef object checked

    def __init__(self, int code, tuple parameters, bint is_slope, checked):
        check_activation(code)
        self.p.above, self.p.below = parameters
        self.code, self.is_slope, self.checked = code, is_slope, checked

    @property
    def parameters(self):
        """What `activate` takes."""
        return self.p.above, self.p.below

    def __reduce__(self):
        return NamedFunction, (self.code, self.parameters, self.is_slope, self.checked)

    def __eq__(self, other):
        return type(other) is NamedFunction and self.__reduce__() == other.__reduce__()

    def __hash__(self):
        return hash(self.__reduce__()[1])

    def __call__(self, x):
        cdef int dtype = dtype_of_reals(x) if type(x) is cnp.ndarray and cnp.PyArray_NDIM(x) > 0 else -1
        cdef cnp.ndarray out
        cdef void *place
        if dtype < 0:
            return self.checked(self, x)
        out = cnp.PyArray_SimpleNew(cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), cnp.PyArray_TYPE(x))
        place = cnp.PyArray_DATA(out)
        run_activation(self.code, &self.p, dtype, x, NULL if self.is_slope else place, place if self.is_slope else NULL)
        return out
