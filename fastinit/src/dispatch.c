#include "dispatch.h"

#include "cpu.h"

const size_t fi_item_bytes[FI_DTYPES] = {4, 8, 2, 2};

static const fi_level levels[] = {
#if FI_X86
    {"avx512", "512-bit", FI_AVX512_VAES, &fi_kernels_avx512},
    {"avx2", "256-bit", FI_AVX2_VAES, &fi_kernels_avx2_vaes},
    {"avx2", "128-bit", FI_AVX2_AES, &fi_kernels_avx2},
#endif
#if FI_ARM
    {"neon", "128-bit", FI_NEON_AES, &fi_kernels_neon},
#endif
    {"portable", "table", 0, &fi_kernels_portable},
};

static const fi_level *in_use;

/* Looked at once: a virtual machine takes tens of microseconds to say what its processor has. */
size_t fi_supported_levels(const fi_level *supported[]) {
    static const fi_level *found[FI_MOST_LEVELS];
    static size_t count;
    if (!count) {
        const int has = fi_cpu_has();
        size_t now = 0;
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
            if (!(levels[i].needs & ~has)) found[now++] = &levels[i];
        count = now;
    }
    memcpy(supported, found, count * sizeof *found);
    return count;
}

const fi_level *fi_level_in_use(void) {
    if (!in_use) {
        const fi_level *supported[FI_MOST_LEVELS];
        fi_supported_levels(supported);
        in_use = supported[0];
    }
    return in_use;
}

/* Where lines are fetched before they are overwritten, and uniform values are made faster than that: on Emerald Rapids
   streaming makes them 1.4 to 2.3 times as fast from 16 MiB on, on one thread as on sixteen. On Zen 4 it takes 1.2 to
   1.6 times as long. */
static size_t streamed_from;

size_t fi_streamed_from(void) {
    if (!streamed_from) streamed_from = fi_cpu_is_intel() ? (size_t)1 << 25 : SIZE_MAX;
    return streamed_from;
}

void fi_stream_from(size_t bytes) { streamed_from = bytes; }

int fi_use_level(const char *isa, const char *aes) {
    const fi_level *supported[FI_MOST_LEVELS];
    size_t count = fi_supported_levels(supported);
    for (size_t i = 0; i < count; i++)
        if (strcmp(supported[i]->isa, isa) == 0 && (!aes || strcmp(supported[i]->aes, aes) == 0)) {
            in_use = supported[i];
            return 0;
        }
    return -1;
}
