/* Loops: what every ISA level offers. A tile is the smallest run of values computed together: 32 values i, i + 1, ...
   with i a multiple of 32, made of the 32 main words (and 32 fine words) of the same numbers. */
#ifndef FI_KERNELS_H
#define FI_KERNELS_H

#include "activations.h"
#include "ars.h"
#include "moments.h"

#define FI_LANES 16
#define FI_TILE 32
#define FI_TILE_BLOCKS (FI_TILE / FI_BLOCK_WORDS)

enum fi_law { FI_NORMAL, FI_UNIFORM, FI_TRUNCATED, FI_LAWS };
enum fi_dtype { FI_F32, FI_F64, FI_F16, FI_BF16, FI_DTYPES };

/* The value is `shift` + `scale` times the standard one (normal; normal between bounds; uniform in [0, 1)), then moved
   into [least, greatest] (not for the normal). `left`, `mass` and `right` are the probabilities of a standard normal
   below, between and above the truncation bounds; `tails`: whether |z| > 2.6 can occur. */
typedef struct {
    double shift, scale, least, greatest, left, mass, right;
    int tails;
} fi_parameters;

/* Values [first, first + count) of the stream into `out`, which is aligned to its items. */
typedef void fi_fill_fn(fi_key key, const fi_parameters *parameters, uint64_t first, size_t count, void *out);

/* `tiles` times 32 words of a domain from `block` on, into 64-byte aligned memory. */
typedef void fi_words_fn(fi_key key, enum fi_domain domain, uint64_t block, size_t tiles, uint32_t *words);

/* Whole lines of memory at their places, written past the caches: without being read first. */
typedef void fi_stream_fn(char *lines, const char *items, size_t bytes);
#define FI_LINE 64

/* phi and its slope of `count` numbers, each where it is not NULL; `value` may be x. All are aligned to their items. */
typedef void fi_activate_fn(const fi_activation_parameters *parameters, const void *x, size_t count, void *value,
                            void *slope);
#define FI_ACTIVATED 2 /* of the dtypes, the first so many */

typedef struct {
    fi_words_fn *words;
    fi_stream_fn *stream; /* NULL where no instruction writes a line */
    fi_block_fn *block[FI_DTYPES];
    fi_fill_fn *fill[FI_LAWS][FI_DTYPES];
    fi_activate_fn *activate[FI_ACTIVATED][FI_ACTIVATIONS];
} fi_kernels;

extern const fi_kernels fi_kernels_portable, fi_kernels_avx2, fi_kernels_avx2_vaes, fi_kernels_avx512, fi_kernels_neon;

#endif
