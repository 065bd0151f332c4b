/* Loops: what every ISA level offers. A tile is the smallest run of values computed together: 32 values i, i + 1, ...
   with i a multiple of 32, made of the 32 main words (and 32 fine words) of the same numbers. */
#ifndef FI_KERNELS_H
#define FI_KERNELS_H

#include "activations.h"
#include "ars.h"
#include "moments.h"

#define FI_LANES 16
#define FI_TILE 32
#define FI_TILE_BLOCKS (FI_TILE / FI_BLOCK_WORDS)

enum fi_law { FI_NORMAL, FI_UNIFORM, FI_TRUNCATED, FI_LAWS };
enum fi_dtype { FI_F32, FI_F64, FI_F16, FI_BF16, FI_DTYPES };

/* The value is `shift` + `scale` times the standard one (normal; normal between bounds; uniform in [0, 1)), then moved
   into [least, greatest] (not for the normal). `left`, `mass` and `right` are the probabilities of a standard normal
   below, between and above the truncation bounds; `tails`: whether |z| > 2.6 can occur. */
typedef struct {
    double shift, scale, least, greatest, left, mass, right;
    int tails;
} fi_parameters;

/* Values [first, first + count) of the stream into `out`, which is aligned to its items. */
typedef void fi_fill_fn(fi_key key, const fi_parameters *parameters, uint64_t first, size_t count, void *out);

/* `tiles` times 32 words of a domain from `block` on, into 64-byte aligned memory. */
typedef void fi_words_fn(fi_key key, enum fi_domain domain, uint64_t block, size_t tiles, uint32_t *words);

/* Signals have the first so many dtypes, float and double. */
#define FI_SIGNALS 2

/* Rows of a signal that lie side by side; from row to row it is `step` bytes. */
typedef struct {
    const char *elements;
    size_t rows;
    int64_t step;
} fi_rows;

/* Sums of products over the columns of rows: see gram.h. A span of columns is summed in blocks, a block in lanes
   (column mod 8), and its lanes in a fixed tree. Rows are taken in tiles of four; of pairs of rows so many are summed
   at once. */
#define FI_GRAM_LANES 8
#define FI_GRAM_BLOCK 256
#define FI_GRAM_SPAN 1024
#define FI_GRAM_TILE 4
#define FI_GRAM_PAIRS (FI_GRAM_TILE * FI_GRAM_TILE)

/* Adds the products over one block, of `columns` columns from `first` on, of each tile of x and each of y; or (NULL) of
   each of x and those of x up to itself. `room` holds the tiles as doubles; of `products` of floats as floats, in which a
   block is summed, in 16 lanes. */
typedef void fi_gram_fn(const fi_rows *x, const fi_rows *y, size_t first, size_t columns, void *room, double *sums);

/* Of one span of a row: the sum of x, and of x y. */
typedef void fi_row_sums_fn(const void *x, const void *y, size_t columns, double *sums);

/* Of one span, the sum of the squares of the weighted sums of its columns. */
typedef double fi_weighted_fn(const fi_rows *x, const double *weights, size_t first, size_t columns);

/* A norm of the signal x, or (where y has elements) its Jacobian at y times x: see signals.h. `known` are two means for
   each row or column, or NULL: those of the elements here are taken. `out` may be x. */
typedef struct {
    fi_rows x, y;
    char *out;
    int64_t out_step;
    size_t columns;
    const double *known[2];
    double *inverse, eps;
    int centred;
} fi_norm;

/* Of some columns, each over all rows (at most FI_COLUMNS_AT_ONCE); or of some rows, each over all columns. */
typedef void fi_norm_fn(const fi_norm *n, size_t first, size_t count);
#define FI_COLUMNS_AT_ONCE 256

/* How many of some columns (at most FI_COLUMNS_AT_ONCE) are zero in all rows. */
typedef size_t fi_zeros_fn(const fi_rows *x, size_t first, size_t count);

/* Of each column, by the type of the elements: the weighted sum, in double, and the largest magnitude, or one that is
   not finite where an element is not. */
typedef void fi_project_fn(const fi_rows *x, const double *weights, size_t columns, double *sums, void *peaks);

/* A matrix of so many rows and terms, both in C order, times as many rows of x, of `columns` columns. */
typedef void fi_map_fn(const void *map, size_t rows, size_t terms, const void *x, size_t columns, void *out);

/* x, of `count` elements, by as many of y. */
typedef void fi_change_fn(void *x, const void *y, size_t count);
/* stream + sign x, of `count` elements, is the stream, and x what it is rounded to. */
typedef void fi_join_fn(void *x, double *stream, double sign, size_t count);

/* Whole lines of memory at their places, written past the caches: without being read first. */
typedef void fi_stream_fn(char *lines, const char *items, size_t bytes);
#define FI_LINE 64

/* phi and its slope of `count` numbers, each where it is not NULL; `value` may be x. All are aligned to their items. */
typedef void fi_activate_fn(const fi_activation_parameters *parameters, const void *x, size_t count, void *value,
                            void *slope);

typedef struct {
    fi_words_fn *words;
    fi_stream_fn *stream; /* NULL where no instruction writes a line */
    fi_block_fn *block[FI_DTYPES];
    fi_fill_fn *fill[FI_LAWS][FI_DTYPES];
    /* of signals: */
    fi_gram_fn *gram[FI_SIGNALS];
    fi_gram_fn *products[FI_SIGNALS];
    fi_row_sums_fn *row_sums[FI_SIGNALS];
    fi_weighted_fn *weighted[FI_SIGNALS];
    fi_norm_fn *norm_columns[FI_SIGNALS], *norm_rows[FI_SIGNALS];
    fi_zeros_fn *zero_columns[FI_SIGNALS];
    fi_project_fn *project[FI_SIGNALS];
    fi_map_fn *map[FI_SIGNALS], *map_wide[FI_SIGNALS]; /* by a matrix of the elements' type, and of doubles */
    fi_change_fn *add[FI_SIGNALS], *times[FI_SIGNALS], *take_signs[FI_SIGNALS];
    fi_join_fn *join[FI_SIGNALS];
    fi_activate_fn *activate[FI_SIGNALS][FI_ACTIVATIONS];
} fi_kernels;

extern const fi_kernels fi_kernels_portable, fi_kernels_avx2, fi_kernels_avx2_vaes, fi_kernels_avx512, fi_kernels_neon;

#endif
