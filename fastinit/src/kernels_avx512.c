#include "kernels.h"

#if FI_X86
FI_TARGET_BEGIN("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,vaes" FI_WIDE_VECTORS)

#define FI_FMA 1
#define KERNELS fi_kernels_avx512
#define STREAM_LINES stream_lines
#define ABREAST 2
#define ROWS_ABREAST 4
#define LANES_ABREAST 8
#define MAP_BYTES 256

typedef __m512i vector;
#define VECTOR_BLOCKS 4
#define ROUND_KEY(low, high) _mm512_broadcast_i32x4(_mm_set_epi64x((long long)(high), (long long)(low)))
#define COUNTERS(block, domain)                                             \
    _mm512_add_epi64(_mm512_maskz_set1_epi64(0x55, (long long)(block)),     \
                     _mm512_set_epi64(domain, 3, domain, 2, domain, 1, domain, 0))
#define AES_START _mm512_xor_si512
#define AES_ROUND(state, before, after) _mm512_aesenc_epi128(state, after)
#define AES_LAST_ROUND(state, before, after) _mm512_aesenclast_epi128(state, after)
#define STORE(words, state) _mm512_store_si512(words, state)
#define FI_F16_LANES 16
#define STORE_F16(out, value)             \
    _mm256_storeu_si256((__m256i *)(out), \
                        _mm512_maskz_cvtps_ph(0xffff, _mm512_load_ps(value), _MM_FROUND_TO_NEAREST_INT))

static void stream_lines(char *lines, const char *items, size_t bytes) {
    for (size_t i = 0; i < bytes; i += FI_LINE)
        _mm512_stream_si512((vector *)(lines + i), _mm512_load_si512(items + i));
}

#include "ars_wide.inc"
#include "kernels.inc"
FI_TARGET_END
#endif
