/* Loaded before everything else, it fails one allocation that code of the extension `_core` asks for itself, on any
   thread: the n-th of malloc and calloc after fail_allocation(n), which counts from 0. failed_and_over() says whether it
   came to that, and ends it. Memory that the core has of Python or NumPy is theirs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

static long left = -1; /* negative: none fails */
static int failed;

void fail_allocation(long number) {
    failed = 0;
    __atomic_store_n(&left, number, __ATOMIC_SEQ_CST);
}

int failed_and_over(void) {
    __atomic_store_n(&left, -1, __ATOMIC_SEQ_CST);
    return failed;
}

static int fails(const void *caller) {
    Dl_info where;
    if (__atomic_load_n(&left, __ATOMIC_SEQ_CST) < 0) return 0;
    if (!dladdr(caller, &where) || !where.dli_fname || !strstr(where.dli_fname, "fastinit/_core")) return 0;
    if (__atomic_fetch_sub(&left, 1, __ATOMIC_SEQ_CST) != 0) return 0;
    failed = 1;
    errno = ENOMEM;
    return 1;
}

/* dlsym asks for memory before there is any: of this. */
static char early[1 << 14];
static size_t used;

static void *early_memory(size_t bytes) {
    void *found = early + used;
    used += (bytes + 15) / 16 * 16;
    return used <= sizeof early ? found : NULL;
}

#define REAL(name, result, ...)                                                      \
    static result (*real)(__VA_ARGS__);                                              \
    static int asks;                                                                 \
    if (!real && !asks) asks = 1, *(void **)&real = dlsym(RTLD_NEXT, #name), asks = 0

void *malloc(size_t bytes) {
    REAL(malloc, void *, size_t);
    return !real ? early_memory(bytes) : fails(__builtin_return_address(0)) ? NULL : real(bytes);
}

void *calloc(size_t count, size_t bytes) {
    REAL(calloc, void *, size_t, size_t);
    return !real ? early_memory(count * bytes) : fails(__builtin_return_address(0)) ? NULL : real(count, bytes);
}

void free(void *memory) {
    REAL(free, void, void *);
    if ((char *)memory >= early && (char *)memory < early + sizeof early) return;
    real(memory);
}
