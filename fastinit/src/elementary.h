/* Values: exp of what is not above zero, the logistic function, log1p of what is in [-1/2, 1], the normal law, sine and
   cosine, in both precisions, in the parts that activations are put together from.

   A pair is high + low, unevaluated. A sum, product or quotient has a relative error of at most u, half a unit in the
   last place of one. What comes as a pair is right to about u, most of it the last step of a polynomial: so that what
   is made of pairs and rounded once is right to two units in the last place, as is what is then multiplied once. */
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
/* The largest relative errors of what fits at Chebyshev nodes, rounded, make: 2^-26.6 of exp, 2^-31.7 of log1p, 2^-27
   of P(0 < Z < a) up to sqrt(2), 2^-28.8 of the tail, 2^-30 of sine, 2^-29 of cosine; in float64 2^-55.7, 2^-57.6,
   2^-54.7, 2^-58.6, 2^-54.5 and 2^-59. */
#define EXP_TERMS 0x1p-1f, 0x1.5554dcp-3f, 0x1.5555p-5f, 0x1.120c8ep-7f, 0x1.6d30d2p-10f
#define LOG1P_TERMS 0x1.555556p-1f, 0x1.999868p-2f, 0x1.24d704p-2f, 0x1.bb3dc2p-3f, 0x1.e0e71p-3f
#define MIDDLE_TERMS \
    -0x1.105838p-4f, 0x1.46d038p-7f, -0x1.37386ep-10f, 0x1.e2c302p-14f, -0x1.30297ap-17f, 0x1.fa4226p-22f
#define TAIL_CENTRE 3.0f
#define TAIL_FIRST 0x1.754a76p-1f
#define TAIL_FIRST_LOW -0x1.c6491ap-26f
#define TAIL_TERMS \
    -0x1.04c72ap-1f, 0x1.d71386p-3f, -0x1.832ca6p-5f, -0x1.56d656p-7f, 0x1.c8aae2p-8f, 0x1.0c99aep-10f, \
        -0x1.0dfa98p-10f, -0x1.feec6ep-13f, 0x1.0ea6c8p-13f, 0x1.bccde6p-15f
#define SIN_TERMS -0x1.555556p-3f, 0x1.111198p-7f, -0x1.a08322p-13f, 0x1.877deep-19f
#define COS_TERMS 0x1.555554p-5f, -0x1.6c129cp-10f, 0x1.9bc64ep-16f
#define PER_QUARTER 0x1.45f306p-1f
#define QUARTER_1 0x1.921fb6p+0f
#define QUARTER_2 -0x1.777a5cp-25f
#define QUARTER_3 -0x1.ee59dap-50f
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
        0x1.a01a01ac3903ap-13, 0x1.a019bc7d94c17p-16, 0x1.71de014941736p-19, 0x1.288e8e7134f2cp-22, \
        0x1.af4fac011c7eep-26
#define LOG1P_TERMS \
    0x1.5555555555555p-1, 0x1.999999999a257p-2, 0x1.24924923e21cp-2, 0x1.c71c726a177dcp-3, 0x1.745cf1b47cbdfp-3, \
        0x1.3b189ce8ea464p-3, 0x1.10ad8ee937004p-3, 0x1.eb7f63175e669p-4, 0x1.68c27a4195d47p-4, 0x1.4ac9a2c05ef5ap-3
#define MIDDLE_TERMS \
    -0x1.1058377e2ceep-4, 0x1.46d042976906bp-7, -0x1.37403f6b92979p-10, 0x1.e42b0d4afc281p-14, \
        -0x1.3ce8f9dc5169dp-17, 0x1.6589ffc491ab6p-21, -0x1.621f5108fde41p-25, 0x1.3849adaf3c3d7p-29, \
        -0x1.ed6b6125b7ad7p-34, 0x1.516148791af71p-38, -0x1.3b12ae25ef07fp-43
#define TAIL_CENTRE 4.0
#define TAIL_FIRST 0x1.82b4bb8c94dcep-1
#define TAIL_FIRST_LOW -0x1.a3a3926e48abep-56
#define TAIL_TERMS \
    -0x1.373e3a893c28ap-1, 0x1.8c6dbf2cfc2b2p-2, -0x1.7dff2bff683bcp-3, 0x1.eec4cc3e4d675p-5, \
        -0x1.ee276104785dp-8, -0x1.c81719d59e7f8p-9, 0x1.ab825fbfa7c83p-10, 0x1.17a4ae6bfb418p-13, \
        -0x1.e4a4252069ce3p-13, -0x1.001eb221ee50cp-19, 0x1.26d0939c56c9fp-15, 0x1.80b802e54ee0bp-21, \
        -0x1.8d4a83c2b531ep-18, -0x1.51f51c3aae41dp-21, 0x1.12311339b4455p-20, 0x1.2374713d0efc5p-22, \
        -0x1.4ca3bf6b35e28p-23, -0x1.6d0cc75b61328p-24, 0x1.c988f522a7d24p-27, 0x1.4c844ae0736b5p-26, \
        0x1.fa41c7abc05b5p-30, -0x1.509432be992d8p-29, -0x1.7d5014b298915p-31
#define SIN_TERMS \
    -0x1.5555555555555p-3, 0x1.1111111110c7fp-7, -0x1.a01a019ea0128p-13, 0x1.71de37b040fabp-19, \
        -0x1.ae601f5cf1b6ap-26, 0x1.5e10f46459c91p-33
#define COS_TERMS \
    0x1.5555555555555p-5, -0x1.6c16c16c168cap-10, 0x1.a01a019f3824ep-16, -0x1.27e4fa02b1dfap-22, \
        0x1.1eeb578a27a15p-29, -0x1.907344329409cp-37
#define PER_QUARTER 0x1.45f306dc9c883p-1
#define QUARTER_1 0x1.921fb54442d18p+0
#define QUARTER_2 0x1.1a62633145c07p-54
#define QUARTER_3 -0x1.f1976b7ed8fbcp-110
#include "elementary.inc"

#endif
