#include "signals.h"

#include "threads.h"

/* Rows are dealt out so many elements at a time. */
#define PIECE ((size_t)1 << 15)
/* To start a thread takes as long as so many elements. */
#define WORTH_A_THREAD ((size_t)1 << 18)

typedef struct {
    fi_norm_fn *norm;
    const fi_norm *n;
    size_t count, piece;
} norm_job;

static void normalise_piece(void *context, size_t piece) {
    const norm_job *j = context;
    const size_t first = piece * j->piece;
    j->norm(j->n, first, fi_fewer(j->count - first, j->piece));
}

void fi_normalise(enum fi_axis axis, enum fi_dtype dtype, const fi_norm *n, int threads) {
    const fi_kernels *kernels = fi_level_in_use()->kernels;
    const size_t elements = n->x.rows * n->columns;
    if (!elements) return;
    norm_job j = {kernels->norm_columns[dtype], n, n->columns, FI_COLUMNS_AT_ONCE};
    if (axis == FI_OVER_COLUMNS)
        j = (norm_job){kernels->norm_rows[dtype], n, n->x.rows, PIECE / fi_fewer(n->columns, PIECE)};
    const size_t pieces = (j.count + j.piece - 1) / j.piece;
    fi_run_parallel(normalise_piece, &j, pieces, (int)fi_workers_for(pieces, elements, WORTH_A_THREAD, threads));
}

size_t fi_zero_columns(enum fi_dtype dtype, const fi_rows *x, size_t columns) {
    fi_zeros_fn *zeros = fi_level_in_use()->kernels->zero_columns[dtype];
    size_t found = 0;
    fi_fp_state caller = fi_fp_enter();
    for (size_t first = 0; first < columns; first += FI_COLUMNS_AT_ONCE)
        found += zeros(x, first, fi_fewer(columns - first, FI_COLUMNS_AT_ONCE));
    fi_fp_leave(caller);
    return found;
}

void fi_project(enum fi_dtype dtype, const fi_rows *x, const double *weights, size_t columns, double *sums,
                void *peaks) {
    fi_fp_state caller = fi_fp_enter();
    fi_level_in_use()->kernels->project[dtype](x, weights, columns, sums, peaks);
    fi_fp_leave(caller);
}
