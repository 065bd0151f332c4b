#include "streaming.h"

#include "moment_merge.h"
#include "threads.h"

#include <stdlib.h>

/* Whole blocks are summed in spans of so many: one thread's piece of work, and a subtree where it begins on a
   multiple. */
#define SPAN_LEVEL 4
#define SPAN ((size_t)1 << SPAN_LEVEL)
#define SPANS_AT_ONCE 1024
/* Of rows that do not lie in order, so many bytes of those that lie side by side are read together: a line of the
   cache. */
#define BYTES_ABREAST 64
#define MOST_ABREAST (BYTES_ABREAST / sizeof(uint16_t))
/* To start a thread takes as long as so many elements. */
#define WORTH_A_THREAD ((size_t)1 << 18)

void fi_accumulator_start(fi_accumulator *a, int order) {
    a->order = order, a->wide = 0;
    a->whole.blocks = 0, a->waiting = 0;
    a->apart = fi_no_moments();
}

void fi_accumulator_copy(const fi_accumulator *a, fi_accumulator *copy) {
    memset(copy, 0, sizeof *copy);
    copy->order = a->order, copy->wide = a->wide;
    copy->whole.blocks = a->whole.blocks, copy->waiting = a->waiting;
    copy->apart = a->apart;
    for (int level = 0; level < FI_TREE_LEVELS; level++)
        if (a->whole.blocks >> level & 1) copy->whole.merged[level] = a->whole.merged[level];
    memcpy(copy->pending, a->pending, a->waiting * sizeof *a->pending);
}

/* 2^level blocks more, merged as a binary counter carries. */
static void push(fi_tree *t, int level, const fi_moments *m) {
    fi_moments carry = *m;
    uint64_t bit = (uint64_t)1 << level;
    for (; t->blocks & bit; bit <<= 1, level++) {
        carry = fi_merge_moments(&t->merged[level], &carry);
        t->blocks ^= bit;
    }
    t->merged[level] = carry;
    t->blocks |= bit;
}

/* `m` is that of the elements after the last whole block, and then of all. */
static void merge_tree(const fi_tree *t, fi_moments *m) {
    for (int level = 0; level < FI_TREE_LEVELS; level++)
        if (t->blocks >> level & 1) *m = fi_merge_moments(&t->merged[level], m);
}

static void sum_pending(const fi_accumulator *a, fi_moments *m) {
    const fi_kernels *kernels = fi_level_in_use()->kernels;
    float narrow[FI_MOMENT_BLOCK];
    if (a->wide) {
        kernels->block[FI_F64](a->pending, a->waiting, a->order, m);
    } else {
        for (size_t i = 0; i < a->waiting; i++) narrow[i] = (float)a->pending[i];
        kernels->block[FI_F32](narrow, a->waiting, a->order, m);
    }
}

static double element(enum fi_dtype dtype, const char *elements, size_t i) {
    float f;
    double d;
    uint16_t h;
    switch (dtype) {
        case FI_F32: memcpy(&f, elements + i * sizeof f, sizeof f); return (double)f;
        case FI_F64: memcpy(&d, elements + i * sizeof d, sizeof d); return d;
        case FI_F16: memcpy(&h, elements + i * sizeof h, sizeof h); return (double)fi_from_f16(h);
        default: memcpy(&h, elements + i * sizeof h, sizeof h); return (double)fi_from_bf16(h);
    }
}

static void wait_for_more(fi_accumulator *a, enum fi_dtype dtype, const char *elements, size_t count) {
    for (size_t i = 0; i < count; i++) a->pending[a->waiting + i] = element(dtype, elements, i);
    a->waiting += count;
    a->wide |= dtype == FI_F64 && count;
    if (a->waiting < FI_MOMENT_BLOCK) return;
    fi_moments m;
    sum_pending(a, &m);
    a->waiting = 0, a->wide = 0;
    push(&a->whole, 0, &m);
}

/* Where they are, or in `copy`. */
static const char *elements_of(const fi_array *x, int in_order, size_t first, size_t count, char *copy) {
    if (in_order) return x->elements + first * x->item;
    fi_gather(x, 0, x->elements, 0, 1, first, count, copy);
    return copy;
}

/* Each worker has room for a copy of `room` bytes. */
typedef struct {
    fi_block_fn *block;
    const fi_array *x;
    int in_order, order;
    size_t first, count;
    fi_counter taken;
    fi_moments *spans;
    char *copies;
    size_t room;
} span_job;

static void sum_spans(void *context, size_t worker) {
    span_job *j = context;
    for (size_t span; (span = fi_count_up(&j->taken)) < j->count;) {
        fi_moments level[SPAN_LEVEL + 1];
        const char *x = elements_of(j->x, j->in_order, j->first + span * SPAN * FI_MOMENT_BLOCK, SPAN * FI_MOMENT_BLOCK,
                                    j->copies + worker * j->room);
        for (size_t i = 0; i < SPAN; i++) {
            fi_moments m;
            int height = 0;
            j->block(x + i * FI_MOMENT_BLOCK * j->x->item, FI_MOMENT_BLOCK, j->order, &m);
            for (size_t bits = i; bits & 1; bits >>= 1, height++) m = fi_merge_moments(&level[height], &m);
            level[height] = m;
        }
        j->spans[span] = level[SPAN_LEVEL];
    }
}

int fi_accumulator_update(fi_accumulator *a, enum fi_dtype dtype, const fi_array *x, size_t first, size_t count,
                          int threads) {
    const int in_order = fi_is_in_order(x, 0);
    const size_t most_spans = count / (SPAN * FI_MOMENT_BLOCK);
    const size_t workers = fi_workers_for(most_spans, count, WORTH_A_THREAD, threads);
    const size_t together = most_spans ? SPAN * FI_MOMENT_BLOCK : count < FI_MOMENT_BLOCK ? count : FI_MOMENT_BLOCK;
    const size_t room = in_order ? 0 : together * x->item;
    const size_t spans_at_once = most_spans < SPANS_AT_ONCE ? most_spans : SPANS_AT_ONCE;
    fi_moments *results = NULL; /* too much for a stack, as are the copies after them */
    if (spans_at_once || room) {
        results = malloc(spans_at_once * sizeof *results + workers * room);
        if (!results) return -1;
    }
    char *copies = (char *)(results + spans_at_once);
    fi_fp_state caller = fi_fp_enter();
    fi_block_fn *block = fi_level_in_use()->kernels->block[dtype];
    while (count) {
        size_t blocks = a->waiting ? 0 : count / FI_MOMENT_BLOCK;
        size_t spans = a->whole.blocks % SPAN == 0 ? blocks / SPAN : 0;
        size_t taken;
        if (spans) {
            spans = spans < spans_at_once ? spans : spans_at_once;
            span_job j = {block, x, in_order, a->order, first, spans, 0, results, copies, room};
            fi_run_parallel(sum_spans, &j, workers, (int)workers);
            for (size_t span = 0; span < spans; span++) push(&a->whole, SPAN_LEVEL, &results[span]);
            taken = spans * SPAN * FI_MOMENT_BLOCK;
        } else if (blocks) {
            fi_moments m;
            taken = FI_MOMENT_BLOCK;
            block(elements_of(x, in_order, first, taken, copies), taken, a->order, &m);
            push(&a->whole, 0, &m);
        } else {
            taken = FI_MOMENT_BLOCK - a->waiting < count ? FI_MOMENT_BLOCK - a->waiting : count;
            wait_for_more(a, dtype, elements_of(x, in_order, first, taken, copies), taken);
        }
        first += taken, count -= taken;
    }
    fi_fp_leave(caller);
    free(results);
    return 0;
}

static void merge_all(const fi_accumulator *a, fi_moments *m) {
    *m = fi_no_moments();
    if (a->waiting) sum_pending(a, m);
    merge_tree(&a->whole, m);
    *m = fi_merge_moments(&a->apart, m);
}

void fi_accumulator_result(const fi_accumulator *a, fi_moments *result) {
    fi_fp_state caller = fi_fp_enter();
    merge_all(a, result);
    fi_fp_leave(caller);
}

static void tell(const fi_moments *m, fi_statistics *s) {
    const double none = (double)NAN, total = m->count + m->nonfinite, unit = fi_two_to((int)m->exponent);
    const int finite = m->nonfinite == 0 && total > 0;
    const double scaled = finite ? (m->m2 < 0 ? 0 : m->m2) / m->count : none;
    const double spread = finite && m->m2 > 0 ? m->m2 : none;
    *s = (fi_statistics){
        .count = total,
        .mean = m->nonfinite != 0 ? m->nonfinite_sum : finite ? m->mean : none,
        .variance = scaled * unit * unit,
        .std = sqrt(scaled) * unit,
        .skewness = sqrt(m->count) * m->m3 / spread / sqrt(spread),
        .kurtosis = m->count * m->m4 / spread / spread,
        .minimum = total > 0 ? m->minimum : none,
        .maximum = total > 0 ? m->maximum : none,
        .zeros = m->zeros,
        .nonfinite = m->nonfinite,
    };
}

void fi_accumulator_statistics(const fi_accumulator *a, fi_statistics *result) {
    fi_fp_state caller = fi_fp_enter();
    fi_moments m;
    merge_all(a, &m);
    tell(&m, result);
    fi_fp_leave(caller);
}

void fi_accumulator_merge(fi_accumulator *a, const fi_moments *m) {
    fi_fp_state caller = fi_fp_enter();
    a->apart = fi_merge_moments(&a->apart, m);
    fi_fp_leave(caller);
}

/* A task is some rows; a worker has a tree for each, and room for a block of each where they are not in order. */
typedef struct {
    fi_block_fn *block;
    const fi_array *x;
    int kept, in_order, order;
    size_t first, rows, count, abreast;
    fi_counter taken;
    fi_statistics *results;
    fi_tree *trees;
    char *copies;
} row_job;

/* Rows that differ in the place of the last kept axis only, as equally spaced ones do. */
static void sum_rows(const row_job *j, const char *start, int64_t step, size_t rows, fi_tree *trees, char *copies,
                     fi_statistics *results) {
    fi_moments m[MOST_ABREAST];
    const size_t item = j->x->item;
    for (size_t row = 0; row < rows; row++) trees[row].blocks = 0, m[row] = fi_no_moments();
    for (size_t done = 0; done < j->count; done += FI_MOMENT_BLOCK) {
        const size_t some = j->count - done < FI_MOMENT_BLOCK ? j->count - done : FI_MOMENT_BLOCK;
        if (!j->in_order) fi_gather(j->x, j->kept, start, step, rows, done, some, copies);
        for (size_t row = 0; row < rows; row++) {
            const char *x = j->in_order ? start + (int64_t)row * step + done * item : copies + row * some * item;
            j->block(x, some, j->order, &m[row]);
            if (some < FI_MOMENT_BLOCK) continue;
            push(&trees[row], 0, &m[row]);
            m[row] = fi_no_moments();
        }
    }
    for (size_t row = 0; row < rows; row++) {
        merge_tree(&trees[row], &m[row]);
        tell(&m[row], &results[row]);
    }
}

static void sum_tasks(void *context, size_t worker) {
    row_job *j = context;
    const fi_array *x = j->x;
    const int last = j->kept - 1;
    char *copies = j->copies + (j->in_order ? 0 : worker * j->abreast * FI_MOMENT_BLOCK * x->item);
    for (size_t row; (row = fi_count_up(&j->taken) * j->abreast) < j->rows;) {
        const size_t end = j->rows - row < j->abreast ? j->rows : row + j->abreast;
        while (row < end) {
            const char *start = x->elements;
            size_t rest = j->first + row, along = 1;
            for (int axis = last; axis >= 0; axis--) {
                const size_t length = (size_t)x->shape[axis], place = rest % length;
                if (axis == last) along = length - place < end - row ? length - place : end - row;
                start += (int64_t)place * x->step[axis], rest /= length;
            }
            sum_rows(j, start, last < 0 ? 0 : x->step[last], along, &j->trees[worker * j->abreast], copies,
                     &j->results[row]);
            row += along;
        }
    }
}

int fi_moments_of_rows(int order, enum fi_dtype dtype, const fi_array *x, int kept, size_t first, size_t rows,
                       fi_statistics *results, int threads) {
    row_job j = {fi_level_in_use()->kernels->block[dtype], x, kept, fi_is_in_order(x, kept), order, first, rows,
                 .count = 1};
    for (int axis = kept; axis < x->axes; axis++) j.count *= (size_t)x->shape[axis];
    j.abreast = j.in_order ? 1 : BYTES_ABREAST / x->item;
    const size_t tasks = (rows + j.abreast - 1) / j.abreast;
    const size_t workers = fi_workers_for(tasks, rows * j.count, WORTH_A_THREAD, threads);
    const size_t trees = workers * j.abreast;
    j.trees = malloc(trees * (sizeof *j.trees + (j.in_order ? 0 : FI_MOMENT_BLOCK * x->item)));
    if (!j.trees) return -1;
    j.results = results, j.copies = (char *)(j.trees + trees);
    fi_run_parallel(sum_tasks, &j, workers, (int)workers);
    free(j.trees);
    return 0;
}
