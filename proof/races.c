/* Threads that use the core at once, for the thread sanitizer: `python -m proof.races`. Each makes calls in an order of
   its own, most of them on several threads again: fills into memory of its own and into parts of one array, moments of
   an array that all read, updates of an accumulator that all share (under a lock, as the extension has it), sums of
   products. The bytes must be those of one thread: what is shared is looked at when all are done. Arguments: threads,
   calls of each, and a fault that must be found: "unlocked", an update without the lock; "part", where parts have other
   values; "sums", where the accumulator has other elements. Ends with 1 where bytes differ; what the sanitizer finds
   ends it with 66. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "fill.h"
#include "gram.h"
#include "key.h"
#include "streaming.h"

#define VALUES ((size_t)1 << 20)
#define SHARED ((size_t)1 << 18)
#define ROWS 8
#define MOST_THREADS 64
enum { WHOLE, BETWEEN, PART, MOMENTS, SUMS, PRODUCTS, KINDS };

static const fi_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
static const fi_parameters standard = {.scale = 1};
static const fi_parameters between = {.shift = -1, .scale = 4, .least = -1, .greatest = 0x1.7ffffep1};

static float expected[VALUES], shared[MOST_THREADS * SHARED], uniform[VALUES];
static double products[ROWS * ROWS];
static fi_statistics row_moments[ROWS];
static fi_accumulator sums;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fi_counter wrong;
static size_t calls;
static char fault; /* its first letter */

static void fill(enum fi_law law, const fi_parameters *p, size_t first, size_t count, void *out, int threads) {
    fi_region r = {.axes = 1, .shape = {(int64_t)count}, .source_step = {1}, .target_step = {sizeof(float)}};
    r.first = (int64_t)first;
    fi_fill(law, FI_F32, key, p, &r, 0, count, out, threads);
}

static fi_array array_of(const float *elements, int axes) {
    fi_array x = {.elements = (const char *)elements, .item = sizeof(float), .axes = axes};
    x.shape[0] = axes == 1 ? (int64_t)VALUES : ROWS, x.shape[1] = VALUES / ROWS;
    x.step[0] = axes == 1 ? (int64_t)sizeof(float) : (int64_t)(VALUES / ROWS * sizeof(float)), x.step[1] = sizeof(float);
    return x;
}

static void gram_of(double *out, int threads) {
    const fi_rows x = {(const char *)expected, ROWS, (int64_t)(VALUES / ROWS * sizeof(float))};
    if (fi_gram(FI_F32, &x, NULL, VALUES / ROWS, out, threads)) abort();
}

static void compare(const void *one, const void *other, size_t bytes) {
    if (memcmp(one, other, bytes)) fi_count_up(&wrong);
}

static void one_call(size_t thread, size_t call, float *own) {
    const fi_array x = array_of(fault == 's' ? uniform : expected, 1), rows = array_of(expected, 2);
    const size_t begin = thread * SHARED;
    const int threads = 1 + (int)(call % 4);
    double out[ROWS * ROWS];
    fi_statistics s[ROWS];
    uint8_t seed[FI_SEED_BYTES] = {0}, law[FI_LAW_BYTES] = "normal";
    switch ((call + thread) % KINDS) {
        case WHOLE: fill(FI_NORMAL, &standard, 0, VALUES, own, threads), compare(own, expected, sizeof expected); break;
        case BETWEEN: fill(FI_UNIFORM, &between, 0, VALUES, own, threads), compare(own, uniform, sizeof uniform); break;
        case PART: fill(FI_NORMAL, &standard, begin + (fault == 'p'), SHARED, shared + begin, 1); break;
        case MOMENTS:
            if (fi_moments_of_rows(4, FI_F32, &rows, 1, 0, ROWS, s, threads)) abort();
            compare(s, row_moments, sizeof s);
            break;
        case SUMS:
            if (fault != 'u') pthread_mutex_lock(&lock);
            if (fi_accumulator_update(&sums, FI_F32, &x, 0, VALUES, threads)) abort();
            if (fault != 'u') pthread_mutex_unlock(&lock);
            break;
        default: gram_of(out, threads), compare(out, products, sizeof out), fi_stream_key(seed, law, seed, 1);
    }
}

static size_t calls_of(size_t kind, size_t thread) {
    size_t found = 0;
    for (size_t call = 0; call < calls; call++) found += (call + thread) % KINDS == kind;
    return found;
}

static void compare_parts(size_t threads) {
    static float part[SHARED];
    for (size_t thread = 0; thread < threads; thread++) {
        if (!calls_of(PART, thread)) continue;
        fill(FI_NORMAL, &standard, thread * SHARED, SHARED, part, 1);
        compare(shared + thread * SHARED, part, sizeof part);
    }
}

/* All updates are of the same elements, so that their order changes nothing. How many there were. */
static size_t compare_sums(size_t threads) {
    static fi_accumulator alone;
    const fi_array x = array_of(expected, 1);
    fi_statistics s, one;
    size_t updates = 0;
    for (size_t thread = 0; thread < threads; thread++) updates += calls_of(SUMS, thread);
    fi_accumulator_start(&alone, 4);
    for (size_t update = 0; update < updates; update++)
        if (fi_accumulator_update(&alone, FI_F32, &x, 0, VALUES, 1)) abort();
    fi_accumulator_statistics(&sums, &s), fi_accumulator_statistics(&alone, &one);
    compare(&s, &one, sizeof s);
    if (s.count != (double)(updates * VALUES)) fi_count_up(&wrong);
    return updates;
}

static void *work(void *argument) {
    const size_t thread = (size_t)(uintptr_t)argument;
    float *own = malloc(sizeof expected);
    if (!own) abort();
    for (size_t call = 0; call < calls; call++) one_call(thread, call, own);
    free(own);
    return NULL;
}

int main(int count, char **arguments) {
    const size_t threads = count > 1 ? strtoul(arguments[1], NULL, 10) : 8;
    const fi_array rows = array_of(expected, 2);
    pthread_t started[MOST_THREADS];
    calls = count > 2 ? strtoul(arguments[2], NULL, 10) : 12;
    fault = count > 3 ? *arguments[3] : 0;
    fi_level_in_use(), fi_streamed_from();
    fi_stream_from((size_t)1 << 21); /* so that some of the memory is streamed */
    fill(FI_NORMAL, &standard, 0, VALUES, expected, 1), fill(FI_UNIFORM, &between, 0, VALUES, uniform, 1);
    gram_of(products, 1);
    if (fi_moments_of_rows(4, FI_F32, &rows, 1, 0, ROWS, row_moments, 1)) abort();
    fi_accumulator_start(&sums, 4);
    if (threads > MOST_THREADS) return 2;
    for (size_t i = 0; i < threads; i++)
        if (pthread_create(&started[i], NULL, work, (void *)(uintptr_t)i)) return 2;
    for (size_t i = 0; i < threads; i++) pthread_join(started[i], NULL);
    compare_parts(threads);
    const size_t updates = compare_sums(threads);
    printf("threads %zu calls %zu updates %zu wrong %zu\n", threads, threads * calls, updates, (size_t)wrong);
    return wrong != 0;
}
