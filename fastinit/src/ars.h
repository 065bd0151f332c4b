/* Values: (counter, key) to 128 random bits. ARS-7 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
   as 1, 2, 3" (SC'11): seven AES rounds whose round keys are a Weyl sequence. The counter of block b in a domain is the
   four words (b mod 2^32, b div 2^32, domain, 0). */
#ifndef FI_ARS_H
#define FI_ARS_H

#include "portability.h"

#define FI_ARS_ROUNDS 7
#define FI_BLOCK_WORDS 4

/* Main words decide a value; fine words are the further bits that float64 and the far tails need. */
enum fi_domain { FI_MAIN, FI_FINE };

typedef struct {
    uint64_t low, high;
} fi_key;

FI_INLINE fi_key fi_round_key(fi_key key, int round) {
    return (fi_key){key.low + (uint64_t)round * 0x9e3779b97f4a7c15u, key.high + (uint64_t)round * 0xbb67ae8584caa73bu};
}

/* One block by table lookup, for any number of rounds. */
void fi_ars_block(fi_key key, const uint32_t counter[4], int rounds, uint32_t block[4]);

#endif
