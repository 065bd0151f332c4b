/* Loops: which ISA levels this machine has, and which one is used. */
#ifndef FI_DISPATCH_H
#define FI_DISPATCH_H

#include "kernels.h"

typedef struct {
    const char *isa; /* portable, avx2, avx512 or neon */
    const char *aes; /* how the words are made: table, or the hardware's width in bits */
    int needs;       /* of fi_cpu_has() */
    const fi_kernels *kernels;
} fi_level;

#define FI_MOST_AXES 64

/* Bytes of an item of each dtype. */
extern const size_t fi_item_bytes[FI_DTYPES];

/* Levels this machine can run, best first; the last is portable. */
size_t fi_supported_levels(const fi_level *levels[]);
#define FI_MOST_LEVELS 8

/* The level in use: the best one, until another is chosen. The first call, as that of fi_streamed_from(), finds it out,
   and is made before there are threads: when the extension is imported. */
const fi_level *fi_level_in_use(void);

/* From how many bytes on memory that is not fresh is written past the caches, where values are made faster than lines
   are fetched; SIZE_MAX: never. fi_stream_from() sets it. */
size_t fi_streamed_from(void);
void fi_stream_from(size_t bytes);

/* By its AES too, unless that is NULL. 0, or -1 where this machine has no such level: then nothing changes. */
int fi_use_level(const char *isa, const char *aes);

#endif
