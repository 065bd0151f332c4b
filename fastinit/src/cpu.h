/* Ground: what the processor and the operating system together let a program use. */
#ifndef FI_CPU_H
#define FI_CPU_H

#include "portability.h"

/* All that a level is compiled for, one bit for each. */
enum { FI_AVX2_AES = 1, FI_AVX2_VAES = 2, FI_AVX512_VAES = 4, FI_NEON_AES = 8 };

#if FI_X86
#include <cpuid.h>

/* Registers that XCR0 says are saved: the 256-bit ones; and the 512-bit ones, with their masks, which Apple's system
   begins to save when they are first used. */
#define FI_SAVED_256 0x06u
#define FI_SAVED_512 (FI_APPLE ? 0u : 0xe0u)

/* The compiler's own detection is not in every run-time library, and older ones have no name for F16C and VAES. */
FI_INLINE int fi_cpu_has(void) {
    const unsigned avx2 = bit_OSXSAVE | bit_FMA | bit_F16C | bit_AES;
    const unsigned avx512 = bit_AVX512F | bit_AVX512VL | bit_AVX512BW | bit_AVX512DQ;
    unsigned a, b, c, d, first, saved;
    if (!__get_cpuid(1, &a, &b, &first, &d) || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if ((first & avx2) != avx2 || !(b & bit_AVX2)) return 0;
    __asm__("xgetbv" : "=a"(saved), "=d"(d) : "c"(0));
    if ((saved & FI_SAVED_256) != FI_SAVED_256) return 0;
    if (!(c & bit_VAES)) return FI_AVX2_AES;
    if ((b & avx512) != avx512 || (saved & FI_SAVED_512) != FI_SAVED_512) return FI_AVX2_AES | FI_AVX2_VAES;
    return FI_AVX2_AES | FI_AVX2_VAES | FI_AVX512_VAES;
}

FI_INLINE int fi_cpu_is_intel(void) {
    unsigned a, b, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx;
}
#elif FI_ARM && FI_LINUX
#include <asm/hwcap.h>
#include <sys/auxv.h>
FI_INLINE int fi_cpu_has(void) { return getauxval(AT_HWCAP) & HWCAP_AES ? FI_NEON_AES : 0; }
#elif FI_ARM && FI_WINDOWS
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
FI_INLINE int fi_cpu_has(void) {
    return IsProcessorFeaturePresent(PF_ARM_V8_CRYPTO_INSTRUCTIONS_AVAILABLE) ? FI_NEON_AES : 0;
}
#else
FI_INLINE int fi_cpu_has(void) { return FI_ARM && FI_APPLE ? FI_NEON_AES : 0; } /* which every Apple processor has */
#endif

#if !FI_X86
FI_INLINE int fi_cpu_is_intel(void) { return 0; }
#endif

#endif
