/* How far activations of the core are from their exact values: of float against double (by the vectors of libm), or if
   WIDE of double against long double. activations.py builds both, and says what is proved. */
#include "activations.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if WIDE
typedef double real;
typedef uint64_t word;
typedef long double wide;
typedef __float128 exact; /* holds the arguments of exponentials, whose errors they would magnify */
#define W(name) name##l
enum { DIGITS = 53, LEAST_EXPONENT = -1022, MOST_EXPONENT = 1023 };
#else
typedef float real;
typedef uint32_t word;
typedef double wide;
typedef double exact;
#define W(name) name
enum { DIGITS = 24, LEAST_EXPONENT = -126, MOST_EXPONENT = 127 };
#endif

typedef struct {
    wide value, slope;
} both;

typedef struct {
    wide above, below;
} parameters;

/* Of x; a is its magnitude. */
#define FORMULA(name) static inline both name##_of(parameters p, wide x, wide a)

/* exp(-x) of x >= 0. Nothing is left of it far before 2000. */
static inline wide decay(exact x) {
    const wide high = (wide)x, low = (wide)(x - high);
    return W(exp)(-(high < 2000 ? high : (wide)2000)) * (1 - low);
}

static inline wide positive(wide x) { return x > 0 ? x : 0; }

FORMULA(linear) { return (both){x, 1}; }
FORMULA(relu) { return (both){positive(x), x > 0}; }
FORMULA(leaky_relu) { return (both){x > 0 ? x : p.below * x, x > 0 ? 1 : p.below}; }
FORMULA(abs) { return (both){a, (x > 0) - (x < 0)}; }
FORMULA(relu2) { return (both){positive(x) * positive(x), 2 * positive(x)}; }
FORMULA(softsign) { return (both){x / (1 + a), 1 / (1 + a) / (1 + a)}; }
FORMULA(sin) { return (both){W(sin)(x), W(cos)(x)}; }

FORMULA(elu) {
    const wide b = x > 0 ? 0 : x < -2000 ? -2000 : x, less = W(expm1)(b), e = W(exp)(b);
    return (both){x > 0 ? p.above * x : p.below * less, x > 0 ? p.above : p.below * e};
}

/* sech^2 */
FORMULA(tanh) {
    const wide e = decay(2 * (exact)a);
    return (both){W(tanh)(x), 4 * e / ((1 + e) * (1 + e))};
}

/* x g(v) of the logistic function g, with v' = `steep`. */
static inline both gated(wide x, int up, exact magnitude, wide steep) {
    const wide e = decay(magnitude), share = (up ? 1 : e) / (1 + e), rest = (up ? e : 1) / (1 + e);
    return (both){x * share, share + share * rest * (x * steep)};
}

FORMULA(sigmoid) {
    const wide e = decay(a);
    return (both){(x > 0 ? 1 : e) / (1 + e), e / (1 + e) / (1 + e)};
}

FORMULA(silu) { return gated(x, x > 0, a, 1); }

FORMULA(gelu_tanh) {
    const exact c = 1.59576912160573071175978423973847Q, d = c * 0.044715Q; /* 2 sqrt(2 / pi) */
    const wide b = a < 1000 ? a : 1000;
    return gated(x, x > 0, b * (c + d * b * b), (wide)(c + 3 * d * b * b));
}

FORMULA(softplus) {
    const wide e = decay(a);
    return (both){positive(x) + W(log1p)(e), (x > 0 ? 1 : e) / (1 + e)};
}

/* tanh(log(1 + exp(x))) is n / d. */
FORMULA(mish) {
    const wide e = decay(a), n = x > 0 ? 1 + 2 * e : e * (2 + e), d = x > 0 ? 1 + 2 * e + 2 * e * e : 2 + e * (2 + e);
    const wide bend = 4 * (x > 0 ? e * e : e) * (1 + e) / (d * d);
    return (both){x * (n / d), n / d + x * bend};
}

FORMULA(erf) {
    const wide b = a < 100 ? a : 100;
    return (both){W(erf)(x), (wide)1.12837916709551257389615890312154517Q * decay((exact)b * b)};
}

FORMULA(gelu) {
    const wide b = x < -100 ? -100 : x > 100 ? 100 : x;
    const wide density = decay((exact)b * b / 2) * (wide)0.398942280401432677939946059934381868Q;
    const exact z = -(exact)b * 0.70710678118654752440084436210484903928Q;
    const wide high = (wide)z, low = (wide)(z - high); /* erfc' = -2 sqrt(2) density */
    const wide share = (W(erfc)(high) - low * (wide)2.82842712474619009760337744841939616Q * density) / 2;
    return (both){x * share, share + b * density};
}

/* The largest errors, and where: in units of the last place; the same where |x| >= 2; and in those of [1/2, 1). */
typedef struct {
    double ulp, ulp_at, far, far_at, absolute, absolute_at;
} worst;

/* The unit of the last place of reals as large as y. */
static inline double unit(wide y) {
    const double number = (double)y;
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    int exponent = (int)(bits >> 52 & 2047) - 1023;
    exponent = exponent < LEAST_EXPONENT ? LEAST_EXPONENT : exponent > MOST_EXPONENT ? MOST_EXPONENT : exponent;
    bits = (uint64_t)(exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power * (DIGITS == 24 ? 0x1p-23 : 0x1p-52);
}

/* Infinity of its sign is right beyond the largest real, to its last place. (Bits are asked: fast mathematics knows no
   infinity.) */
static inline wide error_of(real found, wide y) {
    word bits;
    memcpy(&bits, &found, sizeof bits);
    const word infinity = (word)(2 * MOST_EXPONENT + 1) << (DIGITS - 1);
    const int is_finite = (bits & ((word)-1 >> 1)) < infinity;
    const int is_right = bits == (y < 0 ? infinity | ~((word)-1 >> 1) : infinity);
    const wide most = ((wide)1 - (DIGITS == 24 ? 0x1p-24 : 0x1p-53)) * 2;
    const wide magnitude = W(fabs)(y) / (DIGITS == 24 ? 0x1p127 : 0x1p1023);
    return is_finite ? W(fabs)(found - y) : is_right && magnitude >= most ? 0 : 1e300;
}

enum { BLOCK = 1024 };

/* The largest of some errors, and its x, in place of a smaller one of before. */
static void keep_worst(const real *x, const double *errors, int count, double *worst_error, double *at) {
    double most = 0;
    for (int i = 0; i < count; i++) most = errors[i] > most ? errors[i] : most;
    if (most <= *worst_error) return;
    *worst_error = most;
    for (int i = 0; i < count; i++)
        if (errors[i] == most) *at = x[i];
}

static void compare(const real *x, const real *found, const wide *expected, int count, worst *w) {
    double ulp[BLOCK], far[BLOCK], absolute[BLOCK];
    for (int i = 0; i < count; i++) {
        const wide error = error_of(found[i], expected[i]);
        ulp[i] = (double)(error / unit(expected[i]));
        far[i] = W(fabs)(x[i]) >= 2 ? ulp[i] : 0;
        absolute[i] = (double)error * (DIGITS == 24 ? 0x1p24 : 0x1p53);
    }
    keep_worst(x, ulp, count, &w->ulp, &w->ulp_at);
    keep_worst(x, far, count, &w->far, &w->far_at);
    keep_worst(x, absolute, count, &w->absolute, &w->absolute_at);
}

#define REFERENCES(name)                                                                                \
    static void references_##name(parameters p, const real *x, int count, wide *value, wide *slope) {   \
        for (int i = 0; i < count; i++) {                                                               \
            const both y = name##_of(p, x[i], W(fabs)(x[i]));                                           \
            value[i] = y.value;                                                                         \
            slope[i] = y.slope;                                                                         \
        }                                                                                               \
    }
FI_EACH_ACTIVATION(REFERENCES, REFERENCES)

#define REFERENCE(name) references_##name,
static void (*const references[])(parameters, const real *, int, wide *, wide *) = {
    FI_EACH_ACTIVATION(REFERENCE, REFERENCE)};

/* Of finite x: the worst of value and slope so far, w[0] and w[1], are kept up. */
void measure(int activation, double above, double below, const real *x, const real *value, const real *slope,
             size_t count, worst *w) {
    const parameters p = {(real)above, (real)below};
    wide values[BLOCK], slopes[BLOCK];
    for (size_t i = 0; i < count; i += BLOCK) {
        const int here = count - i < BLOCK ? (int)(count - i) : BLOCK;
        references[activation](p, x + i, here, values, slopes);
        compare(x + i, value + i, values, here, &w[0]);
        compare(x + i, slope + i, slopes, here, &w[1]);
    }
}
