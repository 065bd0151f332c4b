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

/* The same in float64: polynomial to 9.4e-17, rational to 3.6e-17. Outside, where tail < 0.0047, -log(tail) is
   w + 2 + log 4 + log(1 - tail), of which the last is the sum of -tail^k / k up to the sixth power. */
FI_INLINE double fi_normal_quantile_f64(double left, double right, int tails) {
    double difference = left - right, tail = left < right ? left : right;
    double w = fi_neglog_f64(4.0 * fi_fma_f64(-tail, tail, tail)) - 2.0;
    double z = w * w;
    double even = fi_fma_f64(z, 0x1.aa2fdea6dae6bp-52, -0x1.ee5e9009f9e45p-46);
    even = fi_fma_f64(z, even, 0x1.4ff97808a523dp-40);
    even = fi_fma_f64(z, even, -0x1.0819431c0ddc0p-35);
    even = fi_fma_f64(z, even, -0x1.8e969d0d0d0a9p-32);
    even = fi_fma_f64(z, even, 0x1.a37bcdac07d4ep-24);
    even = fi_fma_f64(z, even, -0x1.ce9e28e1f1f86p-18);
    even = fi_fma_f64(z, even, 0x1.40376591785adp-12);
    even = fi_fma_f64(z, even, -0x1.6cd293ae8139bp-9);
    even = fi_fma_f64(z, even, 0x1.f29aec2be3e76p+0);
    double odd = fi_fma_f64(z, 0x1.d34972b94e779p-51, 0x1.228a8faf360c6p-45);
    odd = fi_fma_f64(z, odd, -0x1.b1732f3fb6f08p-38);
    odd = fi_fma_f64(z, odd, 0x1.c9207e52a7d0fp-32);
    odd = fi_fma_f64(z, odd, -0x1.39532631857e2p-26);
    odd = fi_fma_f64(z, odd, 0x1.e1472a464e264p-22);
    odd = fi_fma_f64(z, odd, 0x1.67c4b04677d65p-17);
    odd = fi_fma_f64(z, odd, -0x1.39a9bdc7ad6aep-9);
    odd = fi_fma_f64(z, odd, 0x1.69b3eab04ee3ep-2);
    double middle = fi_fma_f64(w, odd, even) * difference;
    if (!tails) return middle;
    double series = fi_fma_f64(tail, 1.0 / 6.0, 1.0 / 5.0);
    series = fi_fma_f64(tail, series, 1.0 / 4.0);
    series = fi_fma_f64(tail, series, 1.0 / 3.0);
    series = fi_fma_f64(tail, series, 1.0 / 2.0);
    series = fi_fma_f64(tail, series, 1.0);
    double r = sqrt(fi_fma_f64(-tail, series, w) + 0x1.b17217f7d1cf8p+1) - 2.0;
    double numerator = fi_fma_f64(r, 0x1.3bfa698194f86p-16, 0x1.3f0a66796c105p-10);
    numerator = fi_fma_f64(r, numerator, 0x1.9bf1537c54e81p-6);
    numerator = fi_fma_f64(r, numerator, 0x1.e61dcfeaa25e9p-3);
    numerator = fi_fma_f64(r, numerator, 0x1.328b230d5ea59p+0);
    numerator = fi_fma_f64(r, numerator, 0x1.bd975a8cc5494p+1);
    numerator = fi_fma_f64(r, numerator, 0x1.7a7ad1639ba62p+2);
    numerator = fi_fma_f64(r, numerator, 0x1.5dc860561a2e4p+2);
    numerator = fi_fma_f64(r, numerator, 0x1.0b80344934a03p+1);
    double denominator = fi_fma_f64(r, 0x1.beda79f7f332fp-17, 0x1.b54224890a90fp-11);
    denominator = fi_fma_f64(r, denominator, 0x1.08a38c5d77af3p-6);
    denominator = fi_fma_f64(r, denominator, 0x1.19787308f7f26p-3);
    denominator = fi_fma_f64(r, denominator, 0x1.32eb87206afa4p-1);
    denominator = fi_fma_f64(r, denominator, 0x1.6f1a6f53f683bp+0);
    denominator = fi_fma_f64(r, denominator, 0x1.d5bdb71bd5d99p+0);
    denominator = fi_fma_f64(r, denominator, 1.0);
    double outside = numerator / denominator;
    return w < 2.0 ? middle : (left < right ? -outside : outside);
}

#endif
