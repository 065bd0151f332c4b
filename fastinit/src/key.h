/* Values: (seed, law, name) to the key of a stream, and with it to all its values. The recipe is part of the stream. */
#ifndef FI_KEY_H
#define FI_KEY_H

#include "ars.h"

#define FI_SEED_BYTES 16
#define FI_LAW_BYTES 16

/* BLAKE2b-128 (RFC 7693, no key) of a tag, the seed (low byte first), the law (filled up with zeros) and the name,
   which may have any number of bytes. The key is its digest, low bytes first. */
fi_key fi_stream_key(const uint8_t seed[FI_SEED_BYTES], const uint8_t law[FI_LAW_BYTES], const uint8_t *name,
                     size_t bytes);

#endif
