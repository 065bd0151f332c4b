/* Values: an angle as a number of quarter turns, of which the last two bits are told, and the rest: of at most pi / 4
   but for rounding, and rounded once (no double is nearer than 2^-61 to a multiple of pi / 2). */
#ifndef FI_QUARTER_TURNS_H
#define FI_QUARTER_TURNS_H

#include "real.h"

/* Up to here fi_few_turns() of elementary.h does. */
#define FI_FEW_TURNS_f32 0x1p16f
#define FI_FEW_TURNS_f64 0x1p20

/* Of any x beyond 1: of its 53 bits m 2^e times 2 / pi only those bits of 2 / pi matter that are not above 2^(1 - e),
   which give whole turns, and of these 192 (Payne and Hanek, SIGNUM Newsletter 18, 1983). */
static FI_COLD uint32_t fi_many_turns(double x, double *rest) {
    static const uint32_t two_over_pi[] = {
        0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561,
        0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484,
        0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f,
        0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b,
        0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046,
    };
    const uint64_t bits = fi_bits_f64(x);
    const uint64_t m = (bits & 0xfffffffffffffu) | 0x10000000000000u;
    const int first = (int)(bits >> 52 & 0x7ff) - 1075 - 2; /* bits of 2 / pi before those that matter */
    uint32_t part[6], product[6];
    if (!(x - x == 0)) return *rest = x - x, 0;
    for (int i = 0; i < 6; i++) {
        const int at = first + 32 * i, word = (at + 64) / 32 - 2, bit = (at + 64) % 32;
        const uint64_t two = word < 0 ? 0 : two_over_pi[word], next = word < -1 ? 0 : two_over_pi[word + 1];
        part[i] = (uint32_t)((two << 32 | next) << bit >> 32);
    }
    uint64_t carry = 0;
    for (int i = 5; i >= 0; i--) { /* each sum has less than 64 bits: of two products their halves are added */
        const uint64_t a = (m & 0xffffffffu) * part[i], b = i < 5 ? (m >> 32) * part[i + 1] : 0;
        const uint64_t sum = (carry & 0xffffffffu) + (a & 0xffffffffu) + (b & 0xffffffffu);
        product[i] = (uint32_t)sum;
        carry = (carry >> 32) + (a >> 32) + (b >> 32) + (sum >> 32);
    }
    uint32_t turns = product[0] >> 30;
    for (int i = 0; i < 6; i++) product[i] = product[i] << 2 | (i < 5 ? product[i + 1] >> 30 : 0);
    const int back = (int)(product[0] >> 31); /* more than half a quarter: back from the next */
    turns += (uint32_t)back;
    uint32_t borrow = 1;
    for (int i = 5; back && i >= 0; i--) {
        product[i] = ~product[i] + borrow;
        borrow = borrow && !product[i];
    }
    int zeros = 0;
    while (zeros < 2 && !product[zeros]) zeros++;
    const uint64_t top = (uint64_t)product[zeros] << 32 | product[zeros + 1];
    const uint64_t next = (uint64_t)product[zeros + 2] << 32 | product[zeros + 3];
    const double unit = zeros == 0 ? 1 : zeros == 1 ? 0x1p-32 : 0x1p-64;
    const double a = (double)(int64_t)(top >> 11) * 0x1p-53 * unit;
    const double b = (double)(int64_t)((top & 0x7ff) << 42 | next >> 22) * 0x1p-106 * unit;
    const double high = a * 0x1.921fb54442d18p+0;
    const double lost = a * 0x1.1a62633145c07p-54 + b * 0x1.921fb54442d18p+0;
    const double sum = high + (fi_product_error(a, 0x1.921fb54442d18p+0, high) + lost);
    *rest = back ? -sum : sum;
    return turns;
}

#endif
