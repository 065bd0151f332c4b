#include "kernels.h"

#if FI_X86
FI_TARGET_BEGIN("avx2,fma,f16c,vaes")

#define FI_FMA 1
#define KERNELS fi_kernels_avx2_vaes
#define STREAM_LINES NULL
#define ABREAST 2
#define ROWS_ABREAST 2
#define LANES_ABREAST 4
#define MAP_BYTES 64

typedef __m256i vector;
#define VECTOR_BLOCKS 2
#define ROUND_KEY(low, high) _mm256_broadcastsi128_si256(_mm_set_epi64x((long long)(high), (long long)(low)))
#define COUNTERS(block, domain)                                                                              \
    _mm256_blend_epi32(_mm256_add_epi64(_mm256_set1_epi64x((long long)(block)), _mm256_set_epi64x(0, 1, 0, 0)), \
                       _mm256_set1_epi64x(domain), 0xcc)
#define AES_START _mm256_xor_si256
#define AES_ROUND(state, before, after) _mm256_aesenc_epi128(state, after)
#define AES_LAST_ROUND(state, before, after) _mm256_aesenclast_epi128(state, after)
#define STORE(words, state) _mm256_store_si256((vector *)(words), state)
#define FI_F16_LANES 8
#define STORE_F16(out, value)          \
    _mm_storeu_si128((__m128i *)(out), \
                     _mm256_cvtps_ph(_mm256_load_ps(value), _MM_FROUND_TO_NEAREST_INT))

#include "ars_wide.inc"
#include "kernels.inc"
FI_TARGET_END
#endif
