#include "key.h"

#define BLOCK 128
#define ROUNDS 12

/* RFC 7693, section 2.6 and 2.7. */
static const uint64_t start[8] = {0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
                                  0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};
static const uint8_t order[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

static uint64_t turned(uint64_t word, int bits) { return word >> bits | word << (64 - bits); }

static uint64_t word_at(const uint8_t *bytes) {
    uint64_t word = 0;
    for (int i = 0; i < 8; i++) word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

FI_INLINE void mix(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d, uint64_t x, uint64_t y) {
    *a += *b + x, *d = turned(*d ^ *a, 32);
    *c += *d, *b = turned(*b ^ *c, 24);
    *a += *b + y, *d = turned(*d ^ *a, 16);
    *c += *d, *b = turned(*b ^ *c, 63);
}

/* Takes in a block, up to whose end the message has `bytes` bytes. */
static void compress(uint64_t h[8], const uint8_t block[BLOCK], uint64_t bytes, int is_last) {
    uint64_t m[16], v[16];
    for (int i = 0; i < 16; i++) m[i] = word_at(block + 8 * i);
    for (int i = 0; i < 8; i++) v[i] = h[i], v[8 + i] = start[i];
    v[12] ^= bytes;
    if (is_last) v[14] = ~v[14];
    FI_UNROLL
    for (int round = 0; round < ROUNDS; round++) {
        const uint8_t *s = order[round % 10];
        for (int i = 0; i < 4; i++) mix(&v[i], &v[4 + i], &v[8 + i], &v[12 + i], m[s[2 * i]], m[s[2 * i + 1]]);
        for (int i = 0; i < 4; i++)
            mix(&v[i], &v[4 + (i + 1) % 4], &v[8 + (i + 2) % 4], &v[12 + (i + 3) % 4], m[s[8 + 2 * i]],
                m[s[9 + 2 * i]]);
    }
    for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[8 + i];
}

fi_key fi_stream_key(const uint8_t seed[FI_SEED_BYTES], const uint8_t law[FI_LAW_BYTES], const uint8_t *name,
                     size_t bytes) {
    uint8_t block[BLOCK] = "fastinit/stream0";
    uint64_t h[8], before = 0;
    size_t held = 16;
    memcpy(h, start, sizeof h);
    h[0] ^= 0x01010000u ^ sizeof(fi_key); /* no key, one leaf, 16 bytes of digest */
    memcpy(block + held, seed, FI_SEED_BYTES), held += FI_SEED_BYTES;
    memcpy(block + held, law, FI_LAW_BYTES), held += FI_LAW_BYTES;
    while (bytes > BLOCK - held) {
        memcpy(block + held, name, BLOCK - held);
        name += BLOCK - held, bytes -= BLOCK - held, before += BLOCK, held = 0;
        compress(h, block, before, 0);
    }
    if (bytes) memcpy(block + held, name, bytes);
    memset(block + held + bytes, 0, BLOCK - held - bytes);
    compress(h, block, before + held + bytes, 1);
    return (fi_key){h[0], h[1]};
}
