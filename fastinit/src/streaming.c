#include "streaming.h"

#include "moment_merge.h"
#include "threads.h"

#include <stdlib.h>

/* Whole blocks are summed in spans of so many: one thread's piece of work, and a subtree where it begins on a multiple. */
#define SPAN_LEVEL 4
#define SPAN ((size_t)1 << SPAN_LEVEL)
#define SPANS_AT_ONCE 1024

void fi_accumulator_start(fi_accumulator *a, int order) {
    a->order = order, a->wide = 0;
    a->whole.blocks = 0, a->waiting = 0;
    a->apart = fi_no_moments();
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

typedef struct {
    fi_block_fn *block;
    const char *elements;
    size_t block_bytes;
    int order;
    fi_moments *spans;
} span_job;

static void sum_span(void *context, size_t span) {
    span_job *j = context;
    fi_moments level[SPAN_LEVEL + 1];
    for (size_t i = 0; i < SPAN; i++) {
        fi_moments m;
        int height = 0;
        j->block(j->elements + (span * SPAN + i) * j->block_bytes, FI_MOMENT_BLOCK, j->order, &m);
        for (size_t bits = i; bits & 1; bits >>= 1, height++) m = fi_merge_moments(&level[height], &m);
        level[height] = m;
    }
    j->spans[span] = level[SPAN_LEVEL];
}

void fi_accumulator_update(fi_accumulator *a, enum fi_dtype dtype, const void *elements, size_t count, int threads) {
    const char *x = elements;
    const size_t item = fi_item_bytes[dtype], block_bytes = item * FI_MOMENT_BLOCK;
    fi_fp_state caller = fi_fp_enter();
    fi_block_fn *block = fi_level_in_use()->kernels->block[dtype];
    /* Too much for a stack. Where there is none, blocks are summed one by one, with the same result. */
    fi_moments *results = count >= SPAN * FI_MOMENT_BLOCK ? malloc(SPANS_AT_ONCE * sizeof *results) : NULL;
    while (count) {
        size_t blocks = a->waiting ? 0 : count / FI_MOMENT_BLOCK;
        size_t spans = results && a->whole.blocks % SPAN == 0 ? blocks / SPAN : 0;
        size_t taken;
        if (spans) {
            spans = spans < SPANS_AT_ONCE ? spans : SPANS_AT_ONCE;
            span_job j = {block, x, block_bytes, a->order, results};
            fi_run_parallel(sum_span, &j, spans, threads);
            for (size_t span = 0; span < spans; span++) push(&a->whole, SPAN_LEVEL, &results[span]);
            taken = spans * SPAN * FI_MOMENT_BLOCK;
        } else if (blocks) {
            fi_moments m;
            block(x, FI_MOMENT_BLOCK, a->order, &m);
            push(&a->whole, 0, &m);
            taken = FI_MOMENT_BLOCK;
        } else {
            taken = FI_MOMENT_BLOCK - a->waiting < count ? FI_MOMENT_BLOCK - a->waiting : count;
            wait_for_more(a, dtype, x, taken);
        }
        x += taken * item, count -= taken;
    }
    free(results);
    fi_fp_leave(caller);
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

void fi_accumulator_merge(fi_accumulator *a, const fi_accumulator *b) {
    fi_fp_state caller = fi_fp_enter();
    fi_moments m;
    merge_all(b, &m);
    a->apart = fi_merge_moments(&a->apart, &m);
    fi_fp_leave(caller);
}

typedef struct {
    enum fi_dtype dtype;
    const char *elements;
    size_t count;
    int order;
    fi_moments *results;
} row_job;

static void sum_row(void *context, size_t row) {
    const row_job *j = context;
    fi_block_fn *block = fi_level_in_use()->kernels->block[j->dtype];
    const size_t block_bytes = FI_MOMENT_BLOCK * fi_item_bytes[j->dtype];
    const char *x = j->elements + row * j->count * fi_item_bytes[j->dtype];
    fi_moments *m = &j->results[row];
    fi_tree whole;
    whole.blocks = 0;
    size_t rest = j->count;
    for (; rest >= FI_MOMENT_BLOCK; rest -= FI_MOMENT_BLOCK, x += block_bytes) {
        block(x, FI_MOMENT_BLOCK, j->order, m);
        push(&whole, 0, m);
    }
    *m = fi_no_moments();
    if (rest) block(x, rest, j->order, m);
    merge_tree(&whole, m);
}

void fi_moments_of_rows(int order, enum fi_dtype dtype, const void *elements, size_t rows, size_t count,
                        fi_moments *results, int threads) {
    row_job j = {dtype, elements, count, order, results};
    fi_run_parallel(sum_row, &j, rows, threads);
}
