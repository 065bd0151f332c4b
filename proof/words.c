/* What a level of the core makes of given words. words.py builds this for each: LEVEL is the file of its kernels, whose
   target stays open to the end of this file. */
#include "portability.h"

#pragma push_macro("FI_TARGET_END")
#undef FI_TARGET_END
#define FI_TARGET_END
#include LEVEL
#pragma pop_macro("FI_TARGET_END")

/* Whole tiles, as OUT(make) of laws.inc has them computed once their words are made. */
#define MAKES(dtype, stored)                                                                                    \
    FI_INLINE void make_all_##dtype(enum fi_law law, const fi_parameters *p, const uint32_t *w, const uint32_t *x, \
                                    int rare, int tails, size_t tiles, stored *out) {                           \
        uint32_t smallest[FI_TILE] = {0};                                                                       \
        for (; tiles; tiles--, w += FI_TILE, x += FI_TILE, out += FI_TILE)                                      \
            make_values_##dtype(law, p, w, x, rare, tails, out, smallest);                                      \
    }                                                                                                           \
    void make_##dtype##_of_words(int law, const fi_parameters *p, const uint32_t *w, const uint32_t *x, int rare, \
                                 size_t tiles, stored *out) {                                                   \
        if (law == FI_NORMAL)                                                                                   \
            make_all_##dtype(FI_NORMAL, p, w, x, rare, 0, tiles, out);                                          \
        else if (law == FI_UNIFORM)                                                                             \
            make_all_##dtype(FI_UNIFORM, p, w, x, rare, 0, tiles, out);                                         \
        else if (p->tails)                                                                                      \
            make_all_##dtype(FI_TRUNCATED, p, w, x, rare, 1, tiles, out);                                       \
        else                                                                                                    \
            make_all_##dtype(FI_TRUNCATED, p, w, x, rare, 0, tiles, out);                                       \
    }

MAKES(f32, float)
MAKES(f64, double)
MAKES(f16, uint16_t)
MAKES(bf16, uint16_t)

#ifdef HAS_TARGET
FI_TARGET_END
#endif
