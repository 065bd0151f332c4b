/* How many values, REAL being float or double, lie in each bin. truncated.py says which. */
#include <stddef.h>
#include <stdint.h>

enum { PLACES = 1 << 13 };

/* `edges` ascend, between `bins` bins; a bin takes its lower edge. `start` has the first bin that reaches into each of
   PLACES equal places from `low` on. */
typedef struct {
    const double *edges;
    const uint16_t *start;
    uint64_t *counts;
    double low, places_per_unit;
    size_t bins;
} bin_counts;

void count_in_bins(const REAL *values, size_t count, const bin_counts *b) {
    for (size_t i = 0; i < count; i++) {
        const double x = (double)values[i], place = (x - b->low) * b->places_per_unit;
        size_t bin = b->start[place < 0 ? 0 : place > PLACES - 1 ? PLACES - 1 : (size_t)place];
        while (bin + 1 < b->bins && x >= b->edges[bin]) bin++;
        b->counts[bin]++;
    }
}
