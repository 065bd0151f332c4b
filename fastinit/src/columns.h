/* Loops: a layer's columns, made and read a block at a time without leaving the cache. A block goes forward: normals
   times a matrix, or what is given, or a stream of doubles; norm and activation; and is read. On the way back it is made
   again, and the gradient at its end, a matrix times its end and more normals, or what is given, goes back to its start:
   of several functions, one below the other. Blocks, and the parts in which sums are added, depend on rows, functions and
   width alone, so that no sum depends on threads.
   Elements are float or double (`dtype` FI_F32 or FI_F64). */
#ifndef FI_COLUMNS_H
#define FI_COLUMNS_H

#include "dispatch.h"

/* What is passed, in order: where h is read, a norm, an activation. */
enum fi_step { FI_READ, FI_NORM, FI_ACT };
#define FI_MOST_STEPS 3

/* What a pass is for. The sums of rows are those that a norm over columns needs: of its x and x^2, or back of d and
   d y. */
enum fi_way { FI_FORWARD, FI_FORWARD_SUMS, FI_BACKWARD, FI_BACKWARD_SUMS };

/* What is not the core's. Of an activation the value of x and its slope; of a norm its value, or where there is d its
   Jacobian at x times d (`out` may be d); and where there is no `out` it sums up what it needs of rows. Not 0 where it
   failed. */
typedef int fi_own_fn(void *context, enum fi_step step, size_t rows, size_t columns, const void *x, const void *d,
                      void *out, void *slope);

/* Normals of some rows of a stream, whose rows are as long as the layer is wide. */
typedef struct {
    fi_key key;
    size_t rows;
} fi_normal_rows;

/* rows x terms, in C order; of the elements' type, or `wide`: double. */
typedef struct {
    const void *elements;
    int wide;
} fi_matrix;

typedef struct {
    enum fi_dtype dtype;
    enum fi_way way;
    size_t rows, width;
    size_t functions; /* whose gradients go back: rows of each, all at the same signal */
    /* Where columns start: normals z, by a matrix if there is one (whose last term is the bias, if that has a std);
       or what is given. If there is a stream, `sign` times that is added to it, and it is what goes on. */
    fi_normal_rows z;
    fi_matrix map;
    fi_key bias;
    double bias_std, sign, *stream;
    fi_rows given;
    /* What they pass. */
    enum fi_step steps[FI_MOST_STEPS];
    int count;
    int norm_over_columns, centred, activation;
    double eps;
    const double *known[2], *known_back[2];
    fi_activation_parameters parameters;
    fi_own_fn *own[FI_ACT + 1]; /* or NULL */
    void *context;
    /* Where they end: new normals n, at most as many rows as gradients have, and back a matrix times both, or a given
       gradient, or a matrix times the signs of n. */
    fi_normal_rows n;
    fi_matrix back, signs;
    fi_rows gradient;
    int exact; /* products of different signals are summed in double throughout */
    int orders[4]; /* of the moments of what is seen, in the order of those; 0: none */
    char *out; /* what went through, or back the gradients, or NULL: of `width` columns */
    int adds;  /* to what is there */
} fi_columns;

/* What is seen; forward first. x is what ends there, or back what arrives at the start: d. Sums of products are added to
   what is there, where they are not NULL. */
typedef struct {
    fi_moments read, end, read_back, end_back;
    size_t dead; /* columns whose slope is zero in all rows */
    double z_squares;
    double *xx, *xy;        /* y: n, or back z */
    double *nn, *n_squares; /* of each row of n */
    double *row_sums;       /* of the rows, and then of their products */
} fi_columns_seen;

/* Nothing. */
void fi_columns_start(fi_columns_seen *seen);

/* How many of them a thread works on at once, and of how many parts the sums are: by the rows of the gradients. */
size_t fi_columns_at_once(size_t rows);
size_t fi_columns_parts(size_t rows, size_t width);

/* Some of them, in memory of so many bytes, which passes had better use again: fresh pages for each took a sixth of its
   time. -1 where what is not the core's failed. */
size_t fi_columns_bytes(const fi_columns *c, const fi_columns_seen *seen, size_t parts, int threads);
int fi_pass_columns(const fi_columns *c, size_t first, size_t parts, fi_columns_seen *seen, void *memory, int threads);

#endif
