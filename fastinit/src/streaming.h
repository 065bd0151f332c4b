/* Loops: moments of a sequence that comes in pieces. */
#ifndef FI_STREAMING_H
#define FI_STREAMING_H

#include "dispatch.h"

/* `merged[i]` holds the moments of 2^i blocks where bit i of `blocks` is set. */
#define FI_TREE_LEVELS 64
typedef struct {
    uint64_t blocks;
    fi_moments merged[FI_TREE_LEVELS];
} fi_tree;

/* The elements after the whole blocks wait in `pending` (as float64, which is exact; `wide` where one of them came as
   such). `apart` came in through merges. */
typedef struct {
    int order, wide;
    size_t waiting;
    fi_tree whole;
    fi_moments apart;
    double pending[FI_MOMENT_BLOCK];
} fi_accumulator;

void fi_accumulator_start(fi_accumulator *a, int order);
void fi_accumulator_update(fi_accumulator *a, enum fi_dtype dtype, const void *elements, size_t count, int threads);
void fi_accumulator_result(const fi_accumulator *a, fi_moments *result);

/* As if the elements of b had come as one piece apart: exact up to rounding, 1e-12 relative. */
void fi_accumulator_merge(fi_accumulator *a, const fi_accumulator *b);

/* Each of `rows` rows of `count` elements on its own, as an accumulator would. */
void fi_moments_of_rows(int order, enum fi_dtype dtype, const void *elements, size_t rows, size_t count,
                        fi_moments *results, int threads);

#endif
