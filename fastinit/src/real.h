/* Values: words to reals, reals to 16-bit reals, and the three operations (fma, bits, log) all laws are made of.
   Only + - * / fma sqrt, integer operations and exact or correctly rounded conversions appear, so that every compiler
   and every processor computes the same bits. */
#ifndef FI_REAL_H
#define FI_REAL_H

#include "portability.h"

FI_INLINE uint32_t fi_bits_f32(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

FI_INLINE float fi_from_bits_f32(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

FI_INLINE uint64_t fi_bits_f64(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

FI_INLINE double fi_from_bits_f64(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* sum + error, which is what lies between sum and the next double, rounded to odd: where that is inexact, of the two
   doubles around it the one whose last bit is one. Rounded once more, to fewer bits or after an addition, the result is
   as if rounded once only (Boldo and Melquiond, IEEE Trans. Comput. 57, 2008). */
FI_INLINE double fi_to_odd(double sum, double error) {
    uint64_t bits = fi_bits_f64(sum);
    uint64_t inexact_even = (uint64_t)(error != 0) & ~bits & 1;
    uint64_t outward = (uint64_t)((error > 0) == (sum > 0));
    return fi_from_bits_f64(bits + (inexact_even & outward) - (inexact_even & ~outward));
}

/* a + b and the part that rounding it lost (Knuth); a * b likewise (Dekker), far from overflow and underflow. */
FI_INLINE double fi_sum_error(double a, double b, double sum) {
    double part = sum - a;
    return (a - (sum - part)) + (b - part);
}

FI_INLINE double fi_product_error(double a, double b, double product) {
    double a_wide = a * 0x1.0000002p27, b_wide = b * 0x1.0000002p27;
    double a_high = a_wide - (a_wide - a), b_high = b_wide - (b_wide - b), a_low = a - a_high, b_low = b - b_high;
    return a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low);
}

#if !FI_FMA
/* product + c from their sum, which lies halfway between floats or is a subnormal one. */
static FI_COLD float fi_fma_exact_f32(double product, double c, double sum) {
    return (float)fi_to_odd(sum, fi_sum_error(product, c, sum));
}
#endif

/* a * b + c, rounded once; without the instruction by sums rounded to odd. In float only a sum that double puts halfway
   between two floats needs that, or one below the normal floats, whose steps are wider. In float64 only where it is
   used below: far from overflow and underflow. */
FI_INLINE float fi_fma_f32(float a, float b, float c) {
#if FI_FMA
    return __builtin_fmaf(a, b, c);
#else
    const double product = (double)a * b, sum = product + c;
    const int between = (fi_bits_f64(sum) & 0x1fffffffu) == 0x10000000u;
    return FI_RARELY(between || fabs(sum) < 0x1p-126) ? fi_fma_exact_f32(product, c, sum) : (float)sum;
#endif
}

FI_INLINE double fi_fma_f64(double a, double b, double c) {
#if FI_FMA
    return __builtin_fma(a, b, c);
#else
    double product = a * b, rest = fi_product_error(a, b, product);
    double low = c + rest, low_error = fi_sum_error(c, rest, low);
    double high = product + low, high_error = fi_sum_error(product, low, high);
    double both = low_error + high_error;
    return high + fi_to_odd(both, fi_sum_error(low_error, high_error, both));
#endif
}

/* The product of two floats is exact in double, so that fusing its addition changes no bit; that of doubles is not. */
FI_INLINE double fi_add_product_f32(double sum, double x, double y) {
#if FI_FMA
    return __builtin_fma(x, y, sum);
#else
    return sum + x * y;
#endif
}

FI_INLINE double fi_add_product_f64(double sum, double x, double y) { return sum + x * y; }

/* A uniform in (0, 1] from 31 bits k: k / 2^31 rounded to float. `rare`: where k is so small that its steps would show
   (one word in 2^17), 48 bits of (k, fine) speak, and the least value is 2^-48; the caller sees to it that k is not
   small elsewhere. */
#define FI_RARE_BELOW 0x4000u
FI_INLINE float fi_open_f32(uint32_t k, uint32_t fine, int rare) {
    float usual = (float)(int32_t)k * 0x1p-31f;
    if (!rare) return usual;
    float refined = (float)(int32_t)((k % FI_RARE_BELOW) << 17 | fine >> 15 | 1) * 0x1p-48f;
    return k < FI_RARE_BELOW ? refined : usual;
}

/* (n + 1/2) / 2^52 for the 52 bits n of (k, fine), exactly: in [2^-53, 1 - 2^-53]. */
FI_INLINE double fi_open_f64(uint32_t k, uint32_t fine, int rare) {
    (void)rare;
    return fi_from_bits_f64(0x3ff0000000000000u | (uint64_t)k << 21 | fine >> 11) - 0x1.fffffffffffffp-1;
}

/* n / 2^24 and n / 2^53, times `scale`, plus `shift`. The last of 53 bits, that of `fine`, is taken off the one that is
   subtracted: the double next below 1 is 1 - 2^-53. The difference is exact. */
FI_INLINE float fi_uniform_f32(uint32_t word, uint32_t fine, float scale, float shift) {
    (void)fine;
    return fi_fma_f32((float)(int32_t)(word >> 8) * 0x1p-24f, scale, shift);
}

FI_INLINE double fi_uniform_f64(uint32_t word, uint32_t fine, double scale, double shift) {
    const uint64_t one = 0x3ff0000000000000u;
    double above = fi_from_bits_f64(one | (uint64_t)word << 20 | fine >> 12), below = fi_from_bits_f64(one - (fine & 1));
    return (above - below) * scale + shift;
}

/* -log(u) for u in [2^-126, 1]. u = 2^e (1 + f), 1 + f in [sqrt(1/2), sqrt(2)); minus log1p(f)/f is a polynomial of
   degree 8 (minimax, rounded: relative error 3.1e-8). */
FI_INLINE float fi_neglog_f32(float u) {
    uint32_t bits = fi_bits_f32(u);
    uint32_t e = (bits - 0x3f3504f3u) & 0xff800000u;
    float f = fi_from_bits_f32(bits - e) - 1.0f;
    float p = -0x1.65f0e8p-4f;
    p = fi_fma_f32(p, f, 0x1.2505aap-3f);
    p = fi_fma_f32(p, f, -0x1.317ca8p-3f);
    p = fi_fma_f32(p, f, 0x1.535c2ap-3f);
    p = fi_fma_f32(p, f, -0x1.98d3a0p-3f);
    p = fi_fma_f32(p, f, 0x1.0004a8p-2f);
    p = fi_fma_f32(p, f, -0x1.5556f0p-2f);
    p = fi_fma_f32(p, f, 0x1.fffffap-2f);
    p = fi_fma_f32(p, f, -1.0f);
    return fi_fma_f32(p, f, (float)(int32_t)e * -0x1.62e430p-24f);
}

/* -log(u) for u in [2^-1022, 1]. As above with log(1 + f) = 2 atanh(s), s = f / (2 + f); (2 atanh(s) - 2 s) / s^3 is a
   polynomial of degree 6 in s^2 (minimax: error 3.1e-16, here times s^3 < 0.006). The exponent becomes a double through
   the bits of 2^52. */
FI_INLINE double fi_neglog_f64(double u) {
    uint64_t bits = fi_bits_f64(u);
    uint64_t e = (bits - 0x3fe6a09e667f3bcdu + 0x3ff0000000000000u) >> 52;
    double exponent = fi_from_bits_f64(0x4330000000000000u | e) - (0x1p52 + 1023.0);
    double m = fi_from_bits_f64(bits - (e << 52) + 0x3ff0000000000000u);
    double s = (m - 1.0) / (m + 1.0), z = s * s;
    double p = 0x1.2b584aae78a57p-3;
    p = fi_fma_f64(p, z, 0x1.39fe606542ddep-3);
    p = fi_fma_f64(p, z, 0x1.7462b4ab2ef6bp-3);
    p = fi_fma_f64(p, z, 0x1.c71c62e5800a1p-3);
    p = fi_fma_f64(p, z, 0x1.2492492df148dp-2);
    p = fi_fma_f64(p, z, 0x1.99999999952e2p-2);
    p = fi_fma_f64(p, z, 0x1.5555555555558p-1);
    return fi_fma_f64(exponent, -0x1.62e42fefa39efp-1, -fi_fma_f64(s * z, p, s + s));
}

/* shift + scale x: rounded once in float32, twice in float64. */
FI_INLINE float fi_affine_f32(float x, float scale, float shift) { return fi_fma_f32(x, scale, shift); }
FI_INLINE double fi_affine_f64(double x, double scale, double shift) { return x * scale + shift; }

FI_INLINE uint32_t fi_least(uint32_t a, uint32_t b) { return a < b ? a : b; }
FI_INLINE float fi_at_least_f32(float x, float least) { return x < least ? least : x; }
FI_INLINE double fi_at_least_f64(double x, double least) { return x < least ? least : x; }
FI_INLINE float fi_at_most_f32(float x, float greatest) { return x > greatest ? greatest : x; }
FI_INLINE double fi_at_most_f64(double x, double greatest) { return x > greatest ? greatest : x; }

FI_INLINE float fi_round_f32(float x) { return x; }
FI_INLINE double fi_round_f64(double x) { return x; }

/* To nearest, ties to even, by integers (the hardware's bfloat16 conversion would flush subnormal values). */
FI_INLINE uint16_t fi_round_bf16(float x) {
    uint32_t bits = fi_bits_f32(x);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

/* Likewise for |x| < 65520. Below 2^-14 adding 1/2 leaves the subnormal significand, rounded, in the last bits. */
FI_INLINE uint16_t fi_round_f16(float x) {
    uint32_t bits = fi_bits_f32(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    uint32_t subnormal = fi_bits_f32(fi_from_bits_f32(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t normal = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1)) >> 13;
    return (uint16_t)(sign | (magnitude < 0x38800000u ? subnormal : normal));
}

/* 16-bit reals to float, exactly; a float16 is scaled from its bits, infinity and NaN apart. */
FI_INLINE float fi_from_bf16(uint16_t bits) { return fi_from_bits_f32((uint32_t)bits << 16); }

FI_INLINE float fi_from_f16(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
    float scaled = fi_from_bits_f32(magnitude << 13) * 0x1p112f;
    uint32_t special = magnitude >= 0x7c00u ? 0x7f800000u : 0;
    return fi_from_bits_f32(fi_bits_f32(scaled) | special | sign);
}

#endif
