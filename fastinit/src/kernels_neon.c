#include "kernels.h"

#if FI_ARM
FI_TARGET_BEGIN("+crypto")

#define FI_FMA 1
#define KERNELS fi_kernels_neon
#define STREAM_LINES NULL
#define ABREAST 2
#define ROWS_ABREAST 4
#define LANES_ABREAST 2
#define MAP_BYTES 64

/* The instruction adds its round key first, and the AES rounds of ARS add theirs last: so each adds that of the round
   before. */
typedef uint64x2_t vector;
#define VECTOR_BLOCKS 1
#define BYTES vreinterpretq_u8_u64
#define QUADS vreinterpretq_u64_u8
#define ROUND_KEY(low, high) vcombine_u64(vcreate_u64(low), vcreate_u64(high))
#define COUNTERS(block, domain) vcombine_u64(vcreate_u64(block), vcreate_u64(domain))
#define AES_START(counters, key) (counters)
#define AES_ROUND(state, before, after) QUADS(vaesmcq_u8(vaeseq_u8(BYTES(state), BYTES(before))))
#define AES_LAST_ROUND(state, before, after) veorq_u64(QUADS(vaeseq_u8(BYTES(state), BYTES(before))), after)
#define STORE(words, state) vst1q_u32(words, vreinterpretq_u32_u64(state))
#define FI_F16_LANES 4
#define STORE_F16(out, value) vst1_u16(out, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(value))))

#include "ars_wide.inc"
#include "kernels.inc"
FI_TARGET_END
#endif
