/* Loops: sums of products over many columns: Gram matrices of few rows, inner products, sums over rows. Elements are
   float or double (`dtype` FI_F32 or FI_F64), products and sums double. The columns are cut into blocks of 256 by their
   place; a block is summed in 8 lanes (column mod 8) and its lanes in a fixed tree; the blocks of a span of 1024 are
   added in order, and then the spans. So a sum depends on its two rows alone: not on the rows beside them, on threads
   or on ISA. A term passes at most 31 + 3 + 3 + columns / 1024 roundings of sums (and of doubles one of the
   product). */
#ifndef FI_GRAM_H
#define FI_GRAM_H

#include "dispatch.h"

/* xy', or (y NULL) xx', in C order. -1 where there is no memory for it. */
int fi_gram(enum fi_dtype dtype, const fi_rows *x, const fi_rows *y, size_t columns, double *out, int threads);

/* Of each row the sum of x, and then of each the sum of x y. -1 where there is no memory for it. */
int fi_row_sums(enum fi_dtype dtype, const fi_rows *x, const fi_rows *y, size_t columns, double *out, int threads);

/* The square of the length of the weighted sum of rows. -1 where there is no memory for it. */
int fi_weighted_square(enum fi_dtype dtype, const fi_rows *x, const double *weights, size_t columns, double *out,
                       int threads);

#endif
