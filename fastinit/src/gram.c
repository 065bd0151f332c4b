#include "gram.h"

#include "threads.h"

#include <stdlib.h>

/* To start a thread takes as long as so many products, or so many elements that are read. */
#define WORTH_A_THREAD ((size_t)1 << 21)
#define ELEMENTS_WORTH_A_THREAD ((size_t)1 << 18)
/* So many sums of spans wait to be added, or those of one span for each thread. */
#define SUMS_AT_ONCE ((size_t)1 << 20)

static size_t spans_of(size_t columns) { return (columns + FI_GRAM_SPAN - 1) / FI_GRAM_SPAN; }

static size_t in_span(size_t columns, size_t first) { return fi_fewer(columns - first, FI_GRAM_SPAN); }

static size_t tiles_of(const fi_rows *x) { return (x->rows + FI_GRAM_TILE - 1) / FI_GRAM_TILE; }

/* How many doubles on a line of the cache begins. */
static size_t line_after(const double *place) {
    return (FI_LINE - (uintptr_t)place % FI_LINE) % FI_LINE / sizeof *place;
}

/* The sums of a span lie tile by tile, as the kernel makes them. Each worker has room for the tiles of a block. */
typedef struct {
    fi_gram_fn *kernel;
    const fi_rows *x, *y;
    size_t columns, first, spans, count, room;
    fi_counter taken;
    double *sums, *rooms;
} gram_job;

static void multiply_spans(void *context, size_t worker) {
    gram_job *j = context;
    for (size_t span; (span = fi_count_up(&j->taken)) < j->spans;) {
        double *sums = j->sums + span * j->count;
        const size_t first = (j->first + span) * FI_GRAM_SPAN, end = first + in_span(j->columns, first);
        memset(sums, 0, j->count * sizeof *sums);
        for (size_t block = first; block < end; block += FI_GRAM_BLOCK)
            j->kernel(j->x, j->y, block, fi_fewer(end - block, FI_GRAM_BLOCK), j->rooms + worker * j->room, sums);
    }
}

static void unpack(const fi_rows *x, const fi_rows *y, const double *sums, double *out) {
    const size_t tiles = tiles_of(x), width = y ? y->rows : x->rows;
    for (size_t one = 0; one < tiles; one++)
        for (size_t other = 0; other < (y ? tiles_of(y) : one + 1); other++, sums += FI_GRAM_PAIRS)
            for (size_t pair = 0; pair < FI_GRAM_PAIRS; pair++) {
                const size_t i = FI_GRAM_TILE * one + pair / FI_GRAM_TILE;
                const size_t k = FI_GRAM_TILE * other + pair % FI_GRAM_TILE;
                if (i >= x->rows || k >= width) continue;
                out[i * width + k] = sums[pair];
                if (!y) out[k * width + i] = sums[pair];
            }
}

int fi_gram(enum fi_dtype dtype, const fi_rows *x, const fi_rows *y, size_t columns, double *out, int threads) {
    const size_t tiles = tiles_of(x), pairs = y ? tiles * tiles_of(y) : tiles * (tiles + 1) / 2;
    const size_t spans = spans_of(columns), packed = (tiles + (y ? tiles_of(y) : 0)) * FI_GRAM_TILE;
    gram_job j = {fi_level_in_use()->kernels->gram[dtype], x, y, columns, .count = pairs * FI_GRAM_PAIRS};
    j.room = packed * fi_fewer(FI_GRAM_BLOCK, (columns + FI_GRAM_LANES - 1) / FI_GRAM_LANES * FI_GRAM_LANES);
    const size_t workers = fi_workers_for(spans, j.count * columns, WORTH_A_THREAD, threads);
    const size_t at_once = workers == 1 ? 1 : fi_fewer(spans, workers + SUMS_AT_ONCE / (j.count + 1));
    const size_t held = (1 + at_once) * j.count; /* the total among them */
    double *total = calloc(held + workers * j.room + FI_LINE / sizeof *total, sizeof *total);
    if (!total) return -1;
    j.sums = total + j.count, j.rooms = total + held + line_after(total + held);
    fi_fp_state caller = fi_fp_enter();
    for (; j.first < spans; j.first += j.spans) {
        j.spans = fi_fewer(at_once, spans - j.first), j.taken = 0;
        fi_run_parallel(multiply_spans, &j, workers, (int)workers);
        for (size_t span = 0; span < j.spans; span++)
            for (size_t i = 0; i < j.count; i++) total[i] += j.sums[span * j.count + i];
    }
    fi_fp_leave(caller);
    unpack(x, y, total, out);
    free(total);
    return 0;
}

/* A task is one span of one row, of which there are two sums; or of the weighted sum of all rows, of which there is
   one. A worker takes some tasks at a time. */
#define TASKS_TOGETHER 64
typedef struct {
    const fi_kernels *kernels;
    enum fi_dtype dtype;
    const fi_rows *x, *y;
    const double *weights; /* or NULL */
    size_t columns, spans, tasks;
    fi_counter taken;
    double *sums;
} span_job;

static const void *row_at(const fi_rows *x, size_t row, size_t column, enum fi_dtype dtype) {
    return x->elements + (int64_t)row * x->step + column * fi_item_bytes[dtype];
}

static void sum_span(const span_job *j, size_t task) {
    const size_t row = task / j->spans, first = task % j->spans * FI_GRAM_SPAN, columns = in_span(j->columns, first);
    if (j->weights)
        j->sums[task] = j->kernels->weighted[j->dtype](j->x, j->weights, first, columns);
    else
        j->kernels->row_sums[j->dtype](row_at(j->x, row, first, j->dtype), row_at(j->y, row, first, j->dtype), columns,
                                       j->sums + 2 * task);
}

static void sum_spans(void *context, size_t worker) {
    span_job *j = context;
    (void)worker;
    for (size_t task; (task = fi_count_up(&j->taken) * TASKS_TOGETHER) < j->tasks;)
        for (const size_t end = fi_fewer(task + TASKS_TOGETHER, j->tasks); task < end; task++) sum_span(j, task);
}

/* `rows` times `each` sums, the first ones of all rows first. */
static int add_spans(span_job *j, size_t rows, size_t each, double *out, int threads) {
    j->kernels = fi_level_in_use()->kernels, j->spans = spans_of(j->columns), j->tasks = rows * j->spans;
    j->sums = malloc((j->tasks * each + 1) * sizeof *j->sums);
    if (!j->sums) return -1;
    const size_t elements = (j->weights ? j->x->rows : rows) * j->columns;
    const size_t workers = fi_workers_for(j->tasks / TASKS_TOGETHER + 1, elements, ELEMENTS_WORTH_A_THREAD, threads);
    fi_run_parallel(sum_spans, j, workers, (int)workers);
    fi_fp_state caller = fi_fp_enter();
    for (size_t of = 0; of < each * rows; of++) {
        const double *sums = j->sums + of % rows * j->spans * each + of / rows;
        out[of] = 0;
        for (size_t span = 0; span < j->spans; span++) out[of] += sums[span * each];
    }
    fi_fp_leave(caller);
    free(j->sums);
    return 0;
}

int fi_row_sums(enum fi_dtype dtype, const fi_rows *x, const fi_rows *y, size_t columns, double *out, int threads) {
    span_job j = {.dtype = dtype, .x = x, .y = y, .columns = columns};
    return add_spans(&j, x->rows, 2, out, threads);
}

int fi_weighted_square(enum fi_dtype dtype, const fi_rows *x, const double *weights, size_t columns, double *out,
                       int threads) {
    span_job j = {.dtype = dtype, .x = x, .weights = weights, .columns = columns};
    return add_spans(&j, 1, 1, out, threads);
}
