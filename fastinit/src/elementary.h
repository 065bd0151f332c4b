/* Values: exp, expm1, log1p, the tail of the normal law, sine and cosine, in both precisions, in the parts that
   activations are put together from.

   A pair is high + low, unevaluated, low being a few roundings of high. Let u be half a unit in the last place of a
   number in [1, 2): a sum, product or quotient has a relative error of at most u. What comes as a pair is right to less
   than u / 2; so that what is made of pairs and rounded once is right to one unit in the last place, and what is rounded
   twice to two. No error of a polynomial, given with its coefficients, is above u / 4. */
#ifndef FI_ELEMENTARY_H
#define FI_ELEMENTARY_H

#include "real.h"

typedef uint32_t word_f32;
typedef uint64_t word_f64;

#define FI_PASTED(name, precision) name##_##precision
#define FI_IN(name, precision) FI_PASTED(name, precision)

#define REAL float
#define PRECISION f32
#define BITS uint32_t
#define FRACTION_BITS 23
#define BIAS 127
#define MAGIC 0x1.8p23f
#define LOG2E 0x1.715476p+0f
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define LIFT 64
#define LOWER 0x1p-64f
/* exp to 2^-27 on [-log(2) / 2, log(2) / 2], log1p to 2^-27, erf to 2^-29, the tail to 2^-25, sine to 2^-28 and cosine to 2^-30. */
#define EXP_TERMS 0x1p-1f, 0x1.5554dcp-3f, 0x1.5555p-5f, 0x1.120c8ep-7f, 0x1.6d30d2p-10f
#define LOG1P_TERMS 0x1.555556p-1f, 0x1.99992ep-2f, 0x1.246a42p-2f, 0x1.df8a76p-3f
#define ERF_TERMS \
    0x1.06eba8p-3f, -0x1.81274p-2f, 0x1.ce2d5p-4f, -0x1.b7fe8ep-6f, 0x1.542deep-8f, -0x1.a5099ep-11f, 0x1.4c2f4cp-14f
#define TAIL_CENTRE 3.0f
#define TAIL_FIRST 0x1.754a76p-1f
#define TAIL_TERMS \
    -0x1.04c72ap-1f, 0x1.d71328p-3f, -0x1.832d5cp-5f, -0x1.56ac42p-7f, 0x1.c8f1fcp-8f, 0x1.093b7cp-10f, \
        -0x1.120e28p-10f, -0x1.edbcap-13f, 0x1.335584p-13f, 0x1.f063b8p-15f
#define SIN_TERMS -0x1.555556p-3f, 0x1.111198p-7f, -0x1.a08322p-13f, 0x1.877deep-19f
#define COS_TERMS 0x1.555554p-5f, -0x1.6c129cp-10f, 0x1.9bc64ep-16f
#include "elementary.inc"

#define REAL double
#define PRECISION f64
#define BITS uint64_t
#define FRACTION_BITS 52
#define BIAS 1023
#define MAGIC 0x1.8p52
#define LOG2E 0x1.71547652b82fep+0
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define LIFT 512
#define LOWER 0x1p-512
#define EXP_TERMS \
    0x1p-1, 0x1.5555555555557p-3, 0x1.5555555554368p-5, 0x1.111111111002ep-7, 0x1.6c16c17738db2p-10, \
        0x1.a01a01ac3903ap-13, 0x1.a019bc7d94c17p-16, 0x1.71de014941736p-19, 0x1.288e8e7134f2cp-22, 0x1.af4fac011c7eep-26
#define LOG1P_TERMS \
    0x1.5555555555555p-1, 0x1.999999999a002p-2, 0x1.24924923cd84ep-2, 0x1.c71c72f052d9ap-3, 0x1.745ca7ecaea35p-3, \
        0x1.3b2a676e6bbe4p-3, 0x1.0e81ea0ef090ap-3, 0x1.16e57a44d3004p-3
#define ERF_TERMS \
    0x1.06eba8214db68p-3, -0x1.812746b0379b4p-2, 0x1.ce2f21a040a5ep-4, -0x1.b82ce311f49a9p-6, 0x1.565bccf8bd912p-8, \
        -0x1.c02db035571f1p-11, 0x1.f9a2ba5a675fap-14, -0x1.f4ca4de40ff53p-17, 0x1.b97ffcd589cc3p-20, \
        -0x1.5c08c58c8dedp-23, 0x1.d7298f0290a9p-27, -0x1.abe1004c263f1p-31
#define TAIL_CENTRE 4.0
#define TAIL_FIRST 0x1.82b4bb8c94dcep-1
#define TAIL_TERMS \
    -0x1.373e3a893c28ap-1, 0x1.8c6dbf2cfc284p-2, -0x1.7dff2bff683b2p-3, 0x1.eec4cc3e50647p-5, -0x1.ee2761047a94fp-8, \
        -0x1.c81719d880837p-9, 0x1.ab825fbfdb98ap-10, 0x1.17a4affa0cb74p-13, -0x1.e4a4251032237p-13, \
        -0x1.0020c2b333f1ep-19, 0x1.26d08f7d83cf6p-15, 0x1.80d4675a77361p-21, -0x1.8d49c3afedeb8p-18, \
        -0x1.52359b4b27089p-21, 0x1.12277c91ae1a2p-20, 0x1.243502a62bcap-22, -0x1.4c11518afdef2p-23, \
        -0x1.6fe45c9dc8f34p-24, 0x1.bf1c74e8465eep-27, 0x1.52aea761d3a22p-26, 0x1.1753477fbefacp-29, \
        -0x1.5c49aa998e438p-29, -0x1.994e4e1ef3b52p-31
#define SIN_TERMS \
    -0x1.5555555555555p-3, 0x1.1111111110c7fp-7, -0x1.a01a019ea0128p-13, 0x1.71de37b040fabp-19, -0x1.ae601f5cf1b6ap-26, \
        0x1.5e10f46459c91p-33
#define COS_TERMS \
    0x1.5555555555555p-5, -0x1.6c16c16c168cap-10, 0x1.a01a019f3824ep-16, -0x1.27e4fa02b1dfap-22, 0x1.1eeb578a27a15p-29, \
        -0x1.907344329409cp-37
#include "elementary.inc"

#endif
