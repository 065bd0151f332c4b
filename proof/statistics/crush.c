/* What TestU01 asks for one word after the other, from chunks that are made elsewhere: crush.py says where. */
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint32_t *words;
    size_t count;
} chunk;

typedef void fetch(chunk *next);

static fetch *more;
static chunk rest;

void begin(fetch *source) {
    more = source;
    rest.count = 0;
}

unsigned int next_word(void) {
    if (rest.count == 0) more(&rest);
    rest.count--;
    return *rest.words++;
}
