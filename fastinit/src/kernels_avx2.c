#include "kernels.h"

#if FI_X86
FI_TARGET_BEGIN("avx2,fma,f16c,aes")

#define FI_FMA 1
#define KERNELS fi_kernels_avx2
#define STREAM_LINES NULL
#define ABREAST 1
#define ROWS_ABREAST 2
#define LANES_ABREAST 4
#define MAP_BYTES 64

typedef __m128i vector;
#define VECTOR_BLOCKS 1
#define ROUND_KEY(low, high) _mm_set_epi64x((long long)(high), (long long)(low))
#define COUNTERS(block, domain) _mm_set_epi64x(domain, (long long)(block))
#define AES_START _mm_xor_si128
#define AES_ROUND(state, before, after) _mm_aesenc_si128(state, after)
#define AES_LAST_ROUND(state, before, after) _mm_aesenclast_si128(state, after)
#define STORE(words, state) _mm_store_si128((vector *)(words), state)
#define FI_F16_LANES 8
#define STORE_F16(out, value)          \
    _mm_storeu_si128((__m128i *)(out), \
                     _mm256_cvtps_ph(_mm256_load_ps(value), _MM_FROUND_TO_NEAREST_INT))

#include "ars_wide.inc"
#include "kernels.inc"
FI_TARGET_END
#endif
