/* Loops: the elements of an array, wherever they lie, one after the other in C order. */
#ifndef FI_GATHER_H
#define FI_GATHER_H

#include "dispatch.h"

/* Steps are in bytes. The caller answers for every element lying inside the memory. */
typedef struct {
    const char *elements;
    size_t item;
    int axes;
    int64_t shape[FI_MOST_AXES], step[FI_MOST_AXES];
} fi_array;

/* Whether the elements of axes [axis, axes) lie one after the other where they are. */
int fi_is_in_order(const fi_array *a, int axis);

/* Of each of `rows` rows, the first at `start` and the next `row_step` bytes on: elements [first, first + count) of the
   axes from `axis` on, into `out`, one row after the other. */
void fi_gather(const fi_array *a, int axis, const char *start, int64_t row_step, size_t rows, size_t first,
               size_t count, void *out);

#endif
