#include "ars.h"

#define FI_FMA FI_BASELINE_FMA
#define FI_F16_LANES 0
#define KERNELS fi_kernels_portable
#define STREAM_LINES NULL
#define ABREAST 1
#define ROWS_ABREAST 2
#define LANES_ABREAST 2
#define MAP_BYTES 64

typedef fi_key schedule;

FI_INLINE schedule expanded(fi_key key) { return key; }

FI_INLINE void make_words(const schedule *key, enum fi_domain domain, uint64_t block, uint32_t *words) {
    for (uint64_t part = 0; part < 8; part++) {
        const uint32_t counter[4] = {(uint32_t)(block + part), (uint32_t)((block + part) >> 32), domain, 0};
        fi_ars_block(*key, counter, FI_ARS_ROUNDS, words + FI_BLOCK_WORDS * part);
    }
}

#include "kernels.inc"
