/* Ground: running one task on several threads, made for the call (so nothing is left for a fork to break). One that the
   system lets run only when the work is done is not waited for: it finds its door shut, and ends. */
#ifndef FI_THREADS_H
#define FI_THREADS_H

#include "portability.h"

typedef void fi_task(void *context, size_t item);

/* Calls task(context, item) once for each item below `items`, in no order, on at most `threads` threads, the caller's
   among them; fewer if the system grants no more. Each thread rounds to nearest and keeps subnormal numbers. */
void fi_run_parallel(fi_task *task, void *context, size_t items, int threads);

/* The same of the first items only, as many as are begun within so many seconds, and at least one: how many these are.
   The caller's thread looks at the clock after each of its own. */
size_t fi_run_parallel_for(fi_task *task, void *context, size_t items, int threads, double seconds);

/* Of a clock that only goes on. */
double fi_seconds(void);

/* How many of at most `threads` threads (as many as there are items, where it is not positive) have so much work that
   each is worth starting; at least one. */
size_t fi_workers_for(size_t items, size_t work, size_t worth, int threads);

#endif
