/* Ground: what the processor and the operating system together let a program use. */
#ifndef FI_CPU_H
#define FI_CPU_H

#include "portability.h"

#if FI_X86
#include <cpuid.h>

FI_INLINE int fi_cpu_is_intel(void) {
    __builtin_cpu_init();
    return __builtin_cpu_is("intel");
}

/* The compiler's own detection also asks XCR0 whether the system saves the wide registers. Older ones have no name for
   F16C and VAES, whose registers are those of AVX2. */
FI_INLINE int fi_cpu_has_avx2_aes(void) {
    unsigned a, b, c, d;
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("aes") &&
           __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}

FI_INLINE int fi_cpu_has_avx2_vaes(void) {
    unsigned a, b, c, d;
    return fi_cpu_has_avx2_aes() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_VAES) != 0;
}

FI_INLINE int fi_cpu_has_avx512_vaes(void) {
    return fi_cpu_has_avx2_vaes() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
#else
FI_INLINE int fi_cpu_is_intel(void) { return 0; }
#endif

#if FI_ARM
#if defined __linux__
#include <asm/hwcap.h>
#include <sys/auxv.h>
FI_INLINE int fi_cpu_has_neon_aes(void) { return (getauxval(AT_HWCAP) & HWCAP_AES) != 0; }
#else
FI_INLINE int fi_cpu_has_neon_aes(void) { return FI_WINDOWS == 0; } /* every Apple processor has it */
#endif
#endif

#endif
