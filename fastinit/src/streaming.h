/* Loops: moments of a sequence that comes in pieces. */
#ifndef FI_STREAMING_H
#define FI_STREAMING_H

#include "gather.h"

/* `merged[i]` holds the moments of 2^i blocks where bit i of `blocks` is set. */
#define FI_TREE_LEVELS 64
typedef struct {
    uint64_t blocks;
    fi_moments merged[FI_TREE_LEVELS];
} fi_tree;

/* What is told of a sequence, NaN where there is no such number; variance has ddof 0. */
typedef struct {
    double count, mean, variance, std, skewness, kurtosis, minimum, maximum, zeros, nonfinite;
} fi_statistics;

/* The elements after the whole blocks wait in `pending` (as float64, which is exact; `wide` where one of them came as
   such). `apart` came in through merges. */
typedef struct {
    int order, wide;
    size_t waiting;
    fi_tree whole;
    fi_moments apart;
    double pending[FI_MOMENT_BLOCK];
} fi_accumulator;

/* Of fresh memory only what is in use is touched: most accumulators are of few elements. */
void fi_accumulator_start(fi_accumulator *a, int order);

/* What is not in use is zero in the copy. */
void fi_accumulator_copy(const fi_accumulator *a, fi_accumulator *copy);

/* Takes in elements [first, first + count) of an array in C order. -1 where there is no memory for it: then nothing is
   taken in. */
int fi_accumulator_update(fi_accumulator *a, enum fi_dtype dtype, const fi_array *x, size_t first, size_t count,
                          int threads);
void fi_accumulator_result(const fi_accumulator *a, fi_moments *result);
void fi_accumulator_statistics(const fi_accumulator *a, fi_statistics *result);

/* As if the elements of a result had come as one piece apart: exact up to rounding, 1e-12 relative. */
void fi_accumulator_merge(fi_accumulator *a, const fi_moments *m);

/* An array holds a row at each place of its first `kept` axes, which goes over the other axes. Of rows [first, first +
   rows), in C order, each on its own, as an accumulator would; -1 where there is no memory for it. */
int fi_moments_of_rows(int order, enum fi_dtype dtype, const fi_array *x, int kept, size_t first, size_t rows,
                       fi_statistics *results, int threads);

#endif
