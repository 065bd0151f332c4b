"""What the C core offers."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t


cdef extern from "src/portability.h" nogil:
    const char *FI_COMPILER

    ctypedef struct fi_fp_state:
        pass

    int fi_fp_is_foreign()
    fi_fp_state fi_fp_enter()
    void fi_fp_leave(fi_fp_state caller)


cdef extern from "src/threads.h" nogil:
    double fi_seconds()


cdef extern from "src/pages.h" nogil:
    void fi_advise_large_pages(uintptr_t address, size_t bytes)


cdef extern from "src/ars.h" nogil:
    ctypedef struct fi_key:
        uint64_t low
        uint64_t high

    ctypedef enum fi_domain "enum fi_domain":
        FI_MAIN
        FI_FINE

    void fi_ars_block(fi_key key, const uint32_t *counter, int rounds, uint32_t *block)


cdef extern from "src/key.h" nogil:
    enum:
        FI_SEED_BYTES
        FI_LAW_BYTES

    fi_key fi_stream_key(const uint8_t *seed, const uint8_t *law, const uint8_t *name, size_t bytes)


cdef extern from "src/dispatch.h" nogil:
    enum:
        FI_ACTIVATIONS

    const char *FI_ACTIVATION_NAMES

    ctypedef enum fi_law "enum fi_law":
        FI_NORMAL
        FI_LAWS

    ctypedef enum fi_dtype "enum fi_dtype":
        FI_F32
        FI_F64
        FI_F16
        FI_BF16
        FI_DTYPES

    ctypedef struct fi_parameters:
        double shift
        double scale
        double least
        double greatest
        double left
        double mass
        double right
        int tails

    ctypedef struct fi_activation_parameters:
        double above
        double below

    ctypedef void fi_activate_fn(const fi_activation_parameters *parameters, const void *x, size_t count,
                                 void *value, void *slope) noexcept nogil

    ctypedef struct fi_kernels:
        void (*words)(fi_key key, fi_domain domain, uint64_t block, size_t tiles, uint32_t *words) noexcept nogil
        fi_activate_fn *(*activate)[FI_ACTIVATIONS]

    ctypedef struct fi_level:
        const char *isa
        const char *aes
        const fi_kernels *kernels

    enum:
        FI_MOST_AXES
        FI_TILE
        FI_TILE_BLOCKS

    const size_t *fi_item_bytes

    size_t fi_supported_levels(const fi_level **levels)
    const fi_level *fi_level_in_use()
    int fi_use_level(const char *isa, const char *aes)
    size_t fi_streamed_from()
    void fi_stream_from(size_t bytes)


cdef extern from "src/fill.h" nogil:
    ctypedef struct fi_region:
        int axes
        int64_t shape[64]
        int64_t source_step[64]
        int64_t target_step[64]
        int64_t first

    void fi_fill(fi_law law, fi_dtype dtype, fi_key key, const fi_parameters *parameters, const fi_region *region,
                 size_t done, size_t count, void *out, int threads)
    size_t fi_fill_for(fi_law law, fi_dtype dtype, fi_key key, const fi_parameters *parameters, const fi_region *region,
                       size_t done, size_t count, void *out, int threads, double seconds)


cdef extern from "src/xla.h" nogil:
    ctypedef struct fi_xla_call:
        pass

    ctypedef struct fi_xla_error:
        pass

    fi_xla_error *fi_xla_fill(fi_xla_call *call)


cdef extern from "src/gather.h" nogil:
    ctypedef struct fi_array:
        const char *elements
        size_t item
        int axes
        int64_t shape[64]
        int64_t step[64]


cdef extern from "src/streaming.h" nogil:
    ctypedef struct fi_moments:
        double count
        double mean
        double m2
        double m3
        double m4
        double exponent
        double minimum
        double maximum
        double zeros
        double nonfinite
        double nonfinite_sum

    ctypedef struct fi_statistics:
        double count
        double mean
        double variance
        double std
        double skewness
        double kurtosis
        double minimum
        double maximum
        double zeros
        double nonfinite

    enum:
        FI_MOMENT_BLOCK

    ctypedef struct fi_accumulator:
        int order
        size_t waiting

    void fi_accumulator_start(fi_accumulator *a, int order)
    int fi_accumulator_update(fi_accumulator *a, fi_dtype dtype, const fi_array *x, size_t first, size_t count,
                              int threads)
    void fi_accumulator_result(const fi_accumulator *a, fi_moments *result)
    void fi_accumulator_statistics(const fi_accumulator *a, fi_statistics *result)
    void fi_accumulator_copy(const fi_accumulator *a, fi_accumulator *copy)
    void fi_accumulator_merge(fi_accumulator *a, const fi_moments *m)
    int fi_moments_of_rows(int order, fi_dtype dtype, const fi_array *x, int kept, size_t first, size_t rows,
                           fi_statistics *results, int threads)


cdef extern from "src/kernels.h" nogil:
    ctypedef struct fi_rows:
        const char *elements
        size_t rows
        int64_t step


cdef extern from "src/gram.h" nogil:
    int fi_gram(fi_dtype dtype, const fi_rows *x, const fi_rows *y, size_t columns, double *out, int threads)
    int fi_row_sums(fi_dtype dtype, const fi_rows *x, const fi_rows *y, size_t columns, double *out, int threads)
    int fi_weighted_square(fi_dtype dtype, const fi_rows *x, const double *weights, size_t columns, double *out,
                           int threads)


cdef extern from "src/signals.h" nogil:
    ctypedef struct fi_norm:
        fi_rows x
        fi_rows y
        char *out
        int64_t out_step
        size_t columns
        const double *known[2]
        double *inverse
        double eps
        int centred

    ctypedef enum fi_axis "enum fi_axis":
        FI_OVER_ROWS
        FI_OVER_COLUMNS

    void fi_normalise(fi_axis axis, fi_dtype dtype, const fi_norm *n, int threads)
    size_t fi_zero_columns(fi_dtype dtype, const fi_rows *x, size_t columns)
    void fi_project(fi_dtype dtype, const fi_rows *x, const double *weights, size_t columns, double *sums, void *peaks)


cdef extern from "src/columns.h" nogil:
    ctypedef enum fi_step "enum fi_step":
        FI_READ
        FI_NORM
        FI_ACT

    ctypedef enum fi_way "enum fi_way":
        FI_FORWARD
        FI_FORWARD_SUMS
        FI_BACKWARD
        FI_BACKWARD_SUMS

    enum:
        FI_MOST_STEPS

    ctypedef int fi_own_fn(void *context, fi_step step, size_t rows, size_t columns, const void *x, const void *d,
                           void *out, void *slope) noexcept nogil

    ctypedef struct fi_normal_rows:
        fi_key key
        size_t rows

    ctypedef struct fi_matrix:
        const void *elements
        int wide

    ctypedef struct fi_columns:
        fi_dtype dtype
        fi_way way
        size_t rows
        size_t width
        size_t functions
        fi_normal_rows z
        fi_matrix map
        fi_key bias
        double bias_std
        double sign
        double *stream
        fi_rows given
        fi_step steps[3]
        int count
        int norm_over_columns
        int centred
        int activation
        double eps
        const double *known[2]
        const double *known_back[2]
        fi_activation_parameters parameters
        fi_own_fn *own[3]
        void *context
        fi_normal_rows n
        fi_matrix back
        fi_matrix signs
        fi_rows gradient
        int exact
        int orders[4]
        char *out
        int adds

    ctypedef struct fi_columns_seen:
        fi_moments read
        fi_moments end
        fi_moments read_back
        fi_moments end_back
        size_t dead
        double z_squares
        double *xx
        double *xy
        double *nn
        double *n_squares
        double *row_sums

    void fi_columns_start(fi_columns_seen *seen)
    size_t fi_columns_at_once(size_t rows)
    size_t fi_columns_parts(size_t rows, size_t width)
    size_t fi_columns_bytes(const fi_columns *c, const fi_columns_seen *seen, size_t parts, int threads)
    int fi_pass_columns(const fi_columns *c, size_t first, size_t parts, fi_columns_seen *seen, void *memory,
                        int threads)
