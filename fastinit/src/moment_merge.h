/* Values: the moments of two parts as those of both. */
#ifndef FI_MOMENT_MERGE_H
#define FI_MOMENT_MERGE_H

#include "moments.h"
#include "real.h"

FI_INLINE double fi_lesser(double a, double b) { return a != a || a < b ? a : b; }
FI_INLINE double fi_greater(double a, double b) { return a != a || a > b ? a : b; }

FI_INLINE fi_moments fi_no_moments(void) {
    return (fi_moments){.minimum = (double)INFINITY, .maximum = -(double)INFINITY};
}

/* 2^power, for a power of at most 1022; 0 below -1022. */
FI_INLINE double fi_two_to(int power) {
    return power < -1022 ? 0.0 : fi_from_bits_f64((uint64_t)(1023 + power) << 52);
}

/* The exponent for sums of powers of distances up to this one: 0 where none leaves the range of float64, fourth powers
   and sums of 2^63 of them included; never 0 where the distance is infinite or NaN. */
FI_INLINE int fi_exponent_for(double distance) {
    if (distance == 0 || (distance > 0x1p-200 && distance < 0x1p200)) return 0;
    int exponent = (int)(fi_bits_f64(distance) >> 52 & 0x7ff) - 1022;
    return exponent < 1022 ? exponent : 1022;
}

/* What a part asks for: nothing where all its elements are one. */
#define FI_ANY_EXPONENT (-1023)
FI_INLINE int fi_exponent_of(const fi_moments *m) { return m->m2 == 0 ? FI_ANY_EXPONENT : (int)m->exponent; }

/* The sums of a part in units that are no smaller than it asks for. */
FI_INLINE fi_moments fi_in_units(const fi_moments *m, int exponent) {
    const double factor = fi_two_to(fi_exponent_of(m) - exponent);
    fi_moments scaled = *m;
    scaled.m2 = m->m2 * factor * factor;
    scaled.m3 = m->m3 * factor * factor * factor;
    scaled.m4 = m->m4 * factor * factor * factor * factor;
    scaled.exponent = exponent;
    return scaled;
}

FI_INLINE int fi_larger(int a, int b) { return a > b ? a : b; }

/* Pebay, Sandia report SAND2008-6212, equations 2.1 and 3.1 for two parts, in units of the largest that one of them, or
   the distance of their means, asks for. */
FI_INLINE fi_moments fi_merge_moments(const fi_moments *first, const fi_moments *second) {
    int exponent = fi_larger(fi_exponent_of(first), fi_exponent_of(second));
    const int together = first->count != 0 && second->count != 0;
    if (together && first->mean != second->mean)
        exponent = fi_larger(exponent, fi_exponent_for(fabs(second->mean - first->mean)));
    if (exponent == FI_ANY_EXPONENT) exponent = 0;
    const fi_moments in_units[2] = {fi_in_units(first, exponent), fi_in_units(second, exponent)};
    const fi_moments *a = &in_units[0], *b = &in_units[1];
    fi_moments both = first->count == 0 ? *b : *a;
    both.count = a->count + b->count;
    both.minimum = fi_lesser(a->minimum, b->minimum);
    both.maximum = fi_greater(a->maximum, b->maximum);
    both.zeros = a->zeros + b->zeros;
    both.nonfinite = a->nonfinite + b->nonfinite;
    both.nonfinite_sum = a->nonfinite_sum + b->nonfinite_sum;
    if (!together) return both;
    const double inward = fi_two_to(-exponent), outward = fi_two_to(exponent);
    const double na = a->count, nb = b->count, delta = b->mean * inward - a->mean * inward, share = delta / both.count;
    const double cross = delta * share * na * nb;
    both.mean = nb < na ? a->mean + share * nb * outward : b->mean - share * na * outward;
    both.m2 = a->m2 + b->m2 + cross;
    both.m3 = a->m3 + b->m3 + cross * share * (na - nb) + 3.0 * share * (na * b->m2 - nb * a->m2);
    both.m4 = a->m4 + b->m4 + cross * share * share * (na * na - na * nb + nb * nb) +
              6.0 * share * share * (na * na * b->m2 + nb * nb * a->m2) + 4.0 * share * (na * b->m3 - nb * a->m3);
    return both;
}

#endif
