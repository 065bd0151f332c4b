/* Values and loops: streaming moments. The elements are cut into blocks of 4096 by their place in the sequence; a block
   is summed in 16 lanes (place mod 16) and its lanes in a fixed tree; blocks are merged as a binary counter counts. So
   the result depends on the sequence of elements alone. No fma changes a bit, and no sum is left to the compiler to
   order. */
#ifndef FI_MOMENTS_H
#define FI_MOMENTS_H

#include "portability.h"

#define FI_MOMENT_BLOCK 4096
#define FI_MOMENT_LANES 16
#define FI_MOMENT_GROUP 256 /* float32 sums of order 4 are added into float64 after so many elements */

/* Of the finite elements; m2, m3 and m4 are sums of powers of the distance from their mean, in units of 2^exponent. But
   `minimum` and `maximum` are of all elements, and NaN where one is; `nonfinite_sum` is the sum of the others. */
typedef struct {
    double count, mean, m2, m3, m4, exponent, minimum, maximum, zeros, nonfinite, nonfinite_sum;
} fi_moments;

/* One block of 1 to FI_MOMENT_BLOCK elements. Order 2 leaves m3 and m4 zero. */
typedef void fi_block_fn(const void *elements, size_t count, int order, fi_moments *result);

#endif
