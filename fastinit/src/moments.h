/* Values and loops: streaming moments. The elements are cut into blocks of 4096 by their place in the sequence; a block
   is summed in 16 lanes (place mod 16) and its lanes in a fixed tree; blocks are merged as a binary counter counts. So
   the result depends on the sequence of elements alone. No fma changes a bit, and no sum is left to the compiler to order. */
#ifndef FI_MOMENTS_H
#define FI_MOMENTS_H

#include "portability.h"

#define FI_MOMENT_BLOCK 4096
#define FI_MOMENT_LANES 16
#define FI_MOMENT_GROUP 256 /* float32 sums of order 4 are added into float64 after so many elements */

/* Of the finite elements; m2, m3 and m4 are sums of powers of the distance from their mean. But `minimum` and `maximum`
   are of all elements, and NaN where one is; `nonfinite_sum` is the sum of the others. */
typedef struct {
    double count, mean, m2, m3, m4, minimum, maximum, zeros, nonfinite, nonfinite_sum;
} fi_moments;

/* One block of 1 to FI_MOMENT_BLOCK elements. Order 2 leaves m3 and m4 zero. */
typedef void fi_block_fn(const void *elements, size_t count, int order, fi_moments *result);

FI_INLINE double fi_lesser(double a, double b) { return a != a || a < b ? a : b; }
FI_INLINE double fi_greater(double a, double b) { return a != a || a > b ? a : b; }

FI_INLINE fi_moments fi_no_moments(void) {
    return (fi_moments){.minimum = (double)INFINITY, .maximum = -(double)INFINITY};
}

/* Pebay, Sandia report SAND2008-6212, equations 2.1 and 3.1 for two parts. */
FI_INLINE fi_moments fi_merge_moments(const fi_moments *a, const fi_moments *b) {
    fi_moments both = {.count = a->count + b->count,
                       .minimum = fi_lesser(a->minimum, b->minimum),
                       .maximum = fi_greater(a->maximum, b->maximum),
                       .zeros = a->zeros + b->zeros,
                       .nonfinite = a->nonfinite + b->nonfinite,
                       .nonfinite_sum = a->nonfinite_sum + b->nonfinite_sum};
    if (a->count == 0 || b->count == 0) {
        const fi_moments *all = a->count == 0 ? b : a;
        both.mean = all->mean, both.m2 = all->m2, both.m3 = all->m3, both.m4 = all->m4;
        return both;
    }
    double na = a->count, nb = b->count, delta = b->mean - a->mean, share = delta / both.count;
    double cross = delta * share * na * nb;
    both.mean = nb < na ? a->mean + share * nb : b->mean - share * na;
    both.m2 = a->m2 + b->m2 + cross;
    both.m3 = a->m3 + b->m3 + cross * share * (na - nb) + 3.0 * share * (na * b->m2 - nb * a->m2);
    both.m4 = a->m4 + b->m4 + cross * share * share * (na * na - na * nb + nb * nb) +
              6.0 * share * share * (na * na * b->m2 + nb * nb * a->m2) + 4.0 * share * (na * b->m3 - nb * a->m3);
    return both;
}

#endif
