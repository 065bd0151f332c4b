/* Values: two words to two independent standard normals (Box and Muller, Ann. Math. Stat. 29, 1958), and one word to a
   quantile of the normal restricted to an interval. */
#ifndef FI_NORMAL_H
#define FI_NORMAL_H

#include "real.h"

/* cos y - sin y and cos y + sin y, y = t pi/4, t in [-1, 1]: sqrt(2) times (cos, sin)(y + 45 degrees), so never
   negative beyond rounding. Minimax in t^2: cosine to 3.3e-8, sine to 2.3e-8; in float64 1.9e-16 and 2.5e-18. */
FI_INLINE void fi_turn_f32(float t, float *difference, float *sum) {
    float z = t * t;
    float c = fi_fma_f32(z, -0x1.4eb112p-12f, 0x1.03b18ep-6f);
    c = fi_fma_f32(z, c, -0x1.3bd3a2p-2f);
    c = fi_fma_f32(z, c, 1.0f);
    float s = fi_fma_f32(z, -0x1.3375fep-15f, 0x1.468282p-9f);
    s = fi_fma_f32(z, s, -0x1.4abc28p-4f);
    s = fi_fma_f32(z, s, 0x1.921fb6p-1f);
    *difference = fi_fma_f32(-t, s, c);
    *sum = fi_fma_f32(t, s, c);
}

FI_INLINE void fi_turn_f64(double t, double *difference, double *sum) {
    double z = t * t;
    double c = fi_fma_f64(z, 0x1.f4b536b457d9ep-34, -0x1.a6cc32d07dc98p-26);
    c = fi_fma_f64(z, c, 0x1.e1f50093e4c8fp-19);
    c = fi_fma_f64(z, c, -0x1.55d3c7e10153fp-12);
    c = fi_fma_f64(z, c, 0x1.03c1f081b4b74p-6);
    c = fi_fma_f64(z, c, -0x1.3bd3cc9be45dbp-2);
    c = fi_fma_f64(z, c, 1.0);
    double s = fi_fma_f64(z, 0x1.e3f38399551bfp-38, -0x1.e30071afc3e59p-30);
    s = fi_fma_f64(z, s, 0x1.50782fda12d96p-22);
    s = fi_fma_f64(z, s, -0x1.32d2cce2e5b19p-15);
    s = fi_fma_f64(z, s, 0x1.466bc677587f8p-9);
    s = fi_fma_f64(z, s, -0x1.4abbce625be41p-4);
    s = fi_fma_f64(z, s, 0x1.921fb54442d18p-1);
    *difference = fi_fma_f64(-t, s, c);
    *sum = fi_fma_f64(t, s, c);
}

/* The radius sqrt(-2 log u) over sqrt(2), from u; two sign bits, the upper ones of `radius_word` (whose other bits made
   u) and `angle_word`; and t from the lower 23 bits of the latter, behind the exponent of 2. */
FI_INLINE void fi_normal_pair_f32(float u, uint32_t radius_word, uint32_t angle_word, uint32_t fine, float *first,
                                  float *second) {
    (void)fine;
    uint32_t radius = fi_bits_f32(sqrtf(fi_neglog_f32(u)));
    float difference, sum;
    fi_turn_f32(fi_from_bits_f32(0x40000000u | (angle_word & 0x007fffffu)) - 3.0f, &difference, &sum);
    *first = fi_from_bits_f32(radius ^ (angle_word & 0x80000000u)) * difference;
    *second = fi_from_bits_f32(radius ^ (radius_word & 0x80000000u)) * sum;
}

/* The same, t having 29 bits more from `fine`. */
FI_INLINE void fi_normal_pair_f64(double u, uint32_t radius_word, uint32_t angle_word, uint32_t fine, double *first,
                                  double *second) {
    uint64_t radius = fi_bits_f64(sqrt(fi_neglog_f64(u)));
    uint64_t turn = (uint64_t)(angle_word & 0x007fffffu) << 29 | fine >> 3;
    double difference, sum;
    fi_turn_f64(fi_from_bits_f64(0x4000000000000000u | turn) - 3.0, &difference, &sum);
    *first = fi_from_bits_f64(radius ^ (uint64_t)(angle_word & 0x80000000u) << 32) * difference;
    *second = fi_from_bits_f64(radius ^ (uint64_t)(radius_word & 0x80000000u) << 32) * sum;
}

/* The standard normal z with P(Z < z) = left and P(Z > z) = right; left + right = 1, each accurate to its own last
   bits. The smaller of the two is at least 2^-102. Near the middle (w = -log(4 left right) < 4, |z| < 2.6) z is
   (left - right) times a polynomial in w, as in Giles, GPU Computing Gems 2 (2011): error 1.8e-8. Outside, the caller
   having said that the outside can be reached, a rational in sqrt(-log(smaller)) (minimax: error 7.6e-8). */
FI_INLINE float fi_normal_quantile_f32(float left, float right, int tails) {
    float difference = left - right, tail = left < right ? left : right;
    float w = fi_neglog_f32(4.0f * fi_fma_f32(-tail, tail, tail)) - 2.0f;
    float p = 0x1.9f3530p-24f;
    p = fi_fma_f32(p, w, 0x1.4cbc96p-22f);
    p = fi_fma_f32(p, w, -0x1.cf654ap-18f);
    p = fi_fma_f32(p, w, 0x1.744bd2p-17f);
    p = fi_fma_f32(p, w, 0x1.4041ccp-12f);
    p = fi_fma_f32(p, w, -0x1.39b5e8p-9f);
    p = fi_fma_f32(p, w, -0x1.6cd33ap-9f);
    p = fi_fma_f32(p, w, 0x1.69b3f0p-2f);
    p = fi_fma_f32(p, w, 0x1.f29aecp+0f);
    float middle = p * difference;
    if (!tails) return middle;
    float r = sqrtf(fi_neglog_f32(tail)) - 3.0f;
    float numerator = fi_fma_f32(r, -0x1.c845e2p-19f, 0x1.2c250cp-4f);
    numerator = fi_fma_f32(r, numerator, 0x1.c1ea42p-1f);
    numerator = fi_fma_f32(r, numerator, 0x1.a02cb0p+1f);
    numerator = fi_fma_f32(r, numerator, 0x1.d53054p+1f);
    float denominator = fi_fma_f32(r, 0x1.a7d484p-5f, 0x1.df5fbep-2f);
    denominator = fi_fma_f32(r, denominator, 1.0f);
    float outside = numerator / denominator;
    return w < 2.0f ? middle : (left < right ? -outside : outside);
}

/* A polynomial of degree 7, highest coefficient first. */
FI_INLINE double fi_horner(double x, double a7, double a6, double a5, double a4, double a3, double a2, double a1,
                           double a0) {
    double p = fi_fma_f64(a7, x, a6);
    p = fi_fma_f64(p, x, a5);
    p = fi_fma_f64(p, x, a4);
    p = fi_fma_f64(p, x, a3);
    p = fi_fma_f64(p, x, a2);
    p = fi_fma_f64(p, x, a1);
    return fi_fma_f64(p, x, a0);
}

/* The same in float64 by the three rationals of Wichura, Algorithm AS 241, Applied Statistics 37 (1988): 1e-16. */
FI_INLINE double fi_normal_quantile_f64(double left, double right, int tails) {
    double q = (left - right) * 0.5, tail = left < right ? left : right;
    double v = fi_fma_f64(-q, q, 0.180625);
    double middle = q *
        fi_horner(v, 2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
                    13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608) /
        fi_horner(v, 5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
                    5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0);
    double r = sqrt(fi_neglog_f64(tail)), near = r - 1.6, far = r - 5.0;
    double outside =
        fi_horner(near, 7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177,
                    1.27045825245236838258, 3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959,
                    1.42343711074968357734) /
        fi_horner(near, 1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966,
                    0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0);
    if (tails) {
        double beyond =
            fi_horner(far, 2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386,
                        0.026532189526576123093, 0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699,
                        6.6579046435011037772) /
            fi_horner(far, 2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5,
                        7.868691311456132591e-4, 0.0148753612908506148525, 0.13692988092273580531,
                        0.59983220655588793769, 1.0);
        outside = r <= 5.0 ? outside : beyond;
    }
    outside = left < right ? -outside : outside;
    return fi_from_bits_f64(fi_bits_f64(q) & 0x7fffffffffffffffu) <= 0.425 ? middle : outside;
}

#endif
