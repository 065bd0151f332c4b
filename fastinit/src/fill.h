/* Loops: a part of a stream into memory of any layout, on any number of threads. */
#ifndef FI_FILL_H
#define FI_FILL_H

#include "dispatch.h"

/* out[i, j, ...] = value number first + i source_step[0] + j source_step[1] + ...; target steps are in bytes. The
   caller answers for every such number lying in [0, 2^63) and every such place lying inside the memory. */
typedef struct {
    int axes;
    int64_t shape[FI_MOST_AXES], source_step[FI_MOST_AXES], target_step[FI_MOST_AXES];
    int64_t first;
} fi_region;

/* At most `count` values of the region, in C order, after the first `done`. */
void fi_fill(enum fi_law law, enum fi_dtype dtype, fi_key key, const fi_parameters *parameters, const fi_region *region,
             size_t done, size_t count, void *out, int threads);

/* The same, but of the first of these values, as many as are begun within so many seconds: how many these are. */
size_t fi_fill_for(enum fi_law law, enum fi_dtype dtype, fi_key key, const fi_parameters *parameters,
                   const fi_region *region, size_t done, size_t count, void *out, int threads, double seconds);

#endif
