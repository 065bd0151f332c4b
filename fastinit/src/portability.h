/* Ground: the one file with compiler and platform conditionals. The rest of the core tests FI_* macros only. */
#ifndef FI_PORTABILITY_H
#define FI_PORTABILITY_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Equal bits need every operation as it is written, rounded to its own type. (16 says that half precision is too.) */
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "float must be computed as float: on 32-bit x86, compile with -msse2 -mfpmath=sse"
#endif
#if defined __FAST_MATH__ || (defined __FINITE_MATH_ONLY__ && __FINITE_MATH_ONLY__)
#error "fastinit must be compiled without -ffast-math, -Ofast and -ffinite-math-only"
#endif

/* The language of GCC; clang-cl speaks it and calls itself MSVC. */
#if defined __GNUC__ || defined __clang__
#define FI_GNU 1
#else
#define FI_GNU 0
#endif

/* GCC does not align the stack for wide registers on Windows: setup.py has the assembler make no aligned moves, and
   says so. */
#if FI_GNU && defined __x86_64__ && (!defined _WIN32 || defined __clang__ || defined FI_UNALIGNED_MOVES)
#define FI_X86 1
#include <immintrin.h>
#if defined _MSC_VER /* where older Clang leaves out what the whole file is not compiled for */
#include <smmintrin.h>
#include <wmmintrin.h>
#include <avxintrin.h>
#include <avx2intrin.h>
#include <f16cintrin.h>
#include <avx512fintrin.h>
#include <vaesintrin.h>
#endif
#else
#define FI_X86 0
#endif

/* Clang offers the AES instructions to functions compiled for them since version 16; before, to whole files only. */
#if FI_GNU && defined __aarch64__ && \
    (!defined __clang__ || __clang_major__ >= 16 || defined __ARM_FEATURE_AES)
#define FI_ARM 1
#include <arm_neon.h>
#else
#define FI_ARM 0
#endif

#if defined _WIN32
#define FI_WINDOWS 1
#else
#define FI_WINDOWS 0
#endif

#if defined __linux__
#define FI_LINUX 1
#else
#define FI_LINUX 0
#endif

#if defined __APPLE__
#define FI_APPLE 1
#else
#define FI_APPLE 0
#endif

#define FI_QUOTED(text) #text
#define FI_NUMBER(number) FI_QUOTED(number)
#if defined __SANITIZE_ADDRESS__
#define FI_SANITIZER " (address sanitizer)"
#elif defined __SANITIZE_THREAD__
#define FI_SANITIZER " (thread sanitizer)"
#else
#define FI_SANITIZER
#endif
#if defined __clang__
#define FI_COMPILER "Clang " __clang_version__ FI_SANITIZER
#elif defined __GNUC__
#define FI_COMPILER "GCC " __VERSION__ FI_SANITIZER
#else
#define FI_COMPILER "MSVC " FI_NUMBER(_MSC_VER)
#endif

#if FI_GNU
#define FI_INLINE static inline __attribute__((always_inline))
#define FI_ALIGNED(bytes) __attribute__((aligned(bytes)))
#define FI_RESTRICT __restrict__
#define FI_COLD __attribute__((cold, noinline))
#define FI_RARELY(condition) __builtin_expect(condition, 0)
#else
#define FI_INLINE static __forceinline
#define FI_ALIGNED(bytes) __declspec(align(bytes))
#define FI_RESTRICT __restrict
#define FI_COLD __declspec(noinline)
#define FI_RARELY(condition) (condition)
#endif

/* Everything between FI_TARGET_BEGIN(features) and FI_TARGET_END is compiled for those features. GCC also has to be
   told to use whole 512-bit vectors, which it can be from version 10 on; Clang does so unless tuned for a certain
   processor. */
#define FI_PRAGMA(text) _Pragma(#text)
#if defined __clang__
#define FI_TARGET_BEGIN(features) \
    FI_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define FI_TARGET_END FI_PRAGMA(clang attribute pop)
#define FI_WIDE_VECTORS
#elif defined __GNUC__
#define FI_TARGET_BEGIN(features) FI_PRAGMA(GCC push_options) FI_PRAGMA(GCC target(features))
#define FI_TARGET_END FI_PRAGMA(GCC pop_options)
#if __GNUC__ >= 10
#define FI_WIDE_VECTORS ",prefer-vector-width=512"
#else
#define FI_WIDE_VECTORS
#endif
#endif

FI_INLINE size_t fi_fewer(size_t a, size_t b) { return a < b ? a : b; }

/* Before a loop over the lanes of a tile, whose trips are independent. */
#if defined __clang__
#define FI_LANE_LOOP FI_PRAGMA(clang loop vectorize(enable))
#elif defined __GNUC__
#define FI_LANE_LOOP FI_PRAGMA(GCC ivdep)
#else
#define FI_LANE_LOOP
#endif

/* Before an inner loop of at most 16 trips; and before one that takes so many trips together. */
#if FI_GNU
#define FI_UNROLL_BY(trips) FI_PRAGMA(GCC unroll trips)
#else
#define FI_UNROLL_BY(trips)
#endif
#define FI_UNROLL FI_UNROLL_BY(16)

/* A hint that memory will be read; it may lie anywhere. */
#if FI_GNU
#define FI_PREFETCH(address) __builtin_prefetch(address)
#else
#define FI_PREFETCH(address) ((void)(address))
#endif

/* After it other threads see what was written past the caches. */
#if FI_X86
#define FI_END_STREAM() _mm_sfence()
#else
#define FI_END_STREAM() ((void)0)
#endif

/* The pointer, after which the compiler knows nothing of what it points to: words made into a buffer and read back by a
   lane loop stay a loop. */
#if FI_GNU
FI_INLINE uint32_t *fi_opaque(uint32_t *words) {
    __asm__("" : "+r"(words) : : "memory");
    return words;
}
#define FI_OPAQUE(words) fi_opaque(words)
#else
#define FI_OPAQUE(words) (words)
#endif

/* Where every processor of the architecture has a fused multiply-add, the portable level uses it too. */
#define FI_BASELINE_FMA FI_ARM

/* A counter shared by threads: each call gives the next number, and sees what was done before those that came first. The
   other one passes over so many. */
#if FI_GNU
typedef size_t fi_counter;
FI_INLINE size_t fi_count_over(fi_counter *counter, size_t numbers) {
    return __atomic_fetch_add(counter, numbers, __ATOMIC_ACQ_REL);
}
#else
#include <intrin.h>
typedef volatile __int64 fi_counter;
FI_INLINE size_t fi_count_over(fi_counter *counter, size_t numbers) {
    return (size_t)(_InterlockedExchangeAdd64(counter, (__int64)numbers));
}
#endif
FI_INLINE size_t fi_count_up(fi_counter *counter) { return fi_count_over(counter, 1); }

/* Rounding to nearest and gradual underflow, whatever the caller had set; the caller's state is put back after. Whether
   it is another one matters to those who compute outside the core: fi_fp_is_foreign(). */
#if defined __x86_64__ || defined _M_X64
#include <immintrin.h>
#define FI_USUAL_CONTROL 0x1f80u /* no more than that all exceptions are masked */
#define FI_CONTROL_BITS 0xffc0u  /* the others are flags that exceptions have left */
typedef unsigned fi_fp_state;
FI_INLINE int fi_fp_is_foreign(void) { return (_mm_getcsr() & FI_CONTROL_BITS) != FI_USUAL_CONTROL; }
FI_INLINE void fi_fp_leave(fi_fp_state caller) { _mm_setcsr(caller); }
FI_INLINE fi_fp_state fi_fp_enter(void) {
    fi_fp_state caller = _mm_getcsr();
    _mm_setcsr(FI_USUAL_CONTROL);
    return caller;
}
#elif FI_ARM
typedef uint64_t fi_fp_state;
FI_INLINE fi_fp_state fi_fp_control(void) {
    fi_fp_state control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control) : : "memory");
    return control;
}
FI_INLINE int fi_fp_is_foreign(void) { return fi_fp_control() != 0; }
FI_INLINE void fi_fp_leave(fi_fp_state caller) { __asm__ volatile("msr fpcr, %0" : : "r"(caller) : "memory"); }
FI_INLINE fi_fp_state fi_fp_enter(void) {
    fi_fp_state caller = fi_fp_control();
    fi_fp_leave(0);
    return caller;
}
#else
#include <fenv.h>
typedef fenv_t fi_fp_state;
FI_INLINE int fi_fp_is_foreign(void) {
    volatile double least = DBL_MIN;
    return fegetround() != FE_TONEAREST || least * 0.5 == 0;
}
FI_INLINE void fi_fp_leave(fi_fp_state caller) { fesetenv(&caller); }
FI_INLINE fi_fp_state fi_fp_enter(void) {
    fi_fp_state caller;
    fegetenv(&caller);
    fesetenv(FE_DFL_ENV);
    return caller;
}
#endif

#endif
