/* Loops: what is made and known of a signal, whose rows are of units. Elements are float or double (`dtype` FI_F32 or
   FI_F64). No result depends on threads or ISA.

   A norm makes y = (x - mean) inverse of x, inverse = 1 / sqrt(variance + eps), with the mean and variance of each
   column over the rows, or of each row over its columns; where it does not centre, the mean is zero and the variance
   the mean of x^2. Its Jacobian takes d to (d - <d> - y <d y>) inverse, without <d> where it does not centre; it is
   symmetric.

   Means are sums in double in a fixed order: over rows, row after row; over columns, in 16 lanes (column mod 16) and a
   fixed tree. What is summed is the distance from the first element and its square, so that a large mean costs no
   digits and what is constant has variance zero: with n elements the variance is right to n^2 2^-52 of itself, which
   takes a first element that is far from all others, and usually to some 2^-52. All else is computed in the type of the
   elements, with a mean of two of them: y of floats is within 4 units in the last place of what mean and inverse in
   double give, however large the mean is beside the deviation. */
#ifndef FI_SIGNALS_H
#define FI_SIGNALS_H

#include "dispatch.h"

enum fi_axis { FI_OVER_ROWS, FI_OVER_COLUMNS };

void fi_normalise(enum fi_axis axis, enum fi_dtype dtype, const fi_norm *n, int threads);

/* How many columns are zero in all rows. */
size_t fi_zero_columns(enum fi_dtype dtype, const fi_rows *x, size_t columns);

/* Of each column: the weighted sum, in double; and, of the type of the elements, the largest magnitude, which is not
   finite where an element is not. */
void fi_project(enum fi_dtype dtype, const fi_rows *x, const double *weights, size_t columns, double *sums,
                void *peaks);

#endif
