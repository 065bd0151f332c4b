#include "threads.h"

#include <stdlib.h>

#if FI_WINDOWS
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
typedef HANDLE thread;
#define WORKER_RESULT DWORD WINAPI
#define START(thread, worker, argument) ((thread = CreateThread(NULL, 0, worker, argument, 0, NULL)) != NULL)
#define JOIN(thread) (WaitForSingleObject(thread, INFINITE), CloseHandle(thread))
#define LEAVE(thread) CloseHandle(thread)
#else
#include <pthread.h>
#include <time.h>
typedef pthread_t thread;
#define WORKER_RESULT void *
#define START(thread, worker, argument) (pthread_create(&thread, NULL, worker, argument) == 0)
#define JOIN(thread) pthread_join(thread, NULL)
#define LEAVE(thread) pthread_detach(thread)
#endif

#if FI_WINDOWS
double fi_seconds(void) {
    LARGE_INTEGER ticks, each;
    QueryPerformanceCounter(&ticks), QueryPerformanceFrequency(&each);
    return (double)ticks.QuadPart / (double)each.QuadPart;
}
#else
double fi_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
#endif

typedef struct job job;

typedef struct {
    job *job;
    thread thread;
    fi_counter door; /* the first to count here decides: the helper to help, or the caller, done, to do without */
} helper;

/* Shared by the caller and the helpers, and freed by whoever is the last to leave it. */
struct job {
    fi_task *task;
    void *context;
    size_t items, parties;
    fi_counter next, gone;
    helper helpers[];
};

static void work(job *j) {
    fi_fp_state caller = fi_fp_enter();
    for (size_t item; (item = fi_count_up(&j->next)) < j->items;) j->task(j->context, item);
    fi_fp_leave(caller);
}

/* How many items were begun. Each is done when all that work have come to an end. */
static size_t work_for(job *j, double seconds) {
    if (seconds == (double)INFINITY) {
        work(j);
        return j->items;
    }
    const double end = fi_seconds() + seconds;
    size_t begun = j->items;
    fi_fp_state caller = fi_fp_enter();
    for (size_t item; (item = fi_count_up(&j->next)) < j->items;) {
        j->task(j->context, item);
        if (fi_seconds() < end) continue;
        begun = fi_fewer(fi_count_over(&j->next, j->items), j->items); /* and so nobody begins another */
        break;
    }
    fi_fp_leave(caller);
    return begun;
}

static void leave(job *j) {
    const size_t others = j->parties - 1; /* read while it surely lives */
    if (fi_count_up(&j->gone) == others) free(j);
}

static WORKER_RESULT help(void *argument) {
    helper *h = argument;
    if (fi_count_up(&h->door) == 0) work(h->job);
    leave(h->job);
    return 0;
}

void fi_run_parallel(fi_task *task, void *context, size_t items, int threads) {
    fi_run_parallel_for(task, context, items, threads, (double)INFINITY);
}

size_t fi_run_parallel_for(fi_task *task, void *context, size_t items, int threads, double seconds) {
    const size_t wanted = threads > 0 && (size_t)threads < items ? (size_t)threads : items;
    job alone = {task, context, items, .parties = 1};
    job *j = wanted > 1 ? calloc(1, sizeof *j + (wanted - 1) * sizeof *j->helpers) : NULL;
    if (!j) return work_for(&alone, seconds);
    *j = alone;
    j->parties = wanted;
    size_t started = 0;
    for (; started < wanted - 1; started++) {
        helper *h = &j->helpers[started];
        h->job = j;
        if (!START(h->thread, help, h)) break;
    }
    const size_t begun = work_for(j, seconds);
    for (helper *h = j->helpers; h < j->helpers + started; h++)
        if (fi_count_up(&h->door) == 0)
            LEAVE(h->thread);
        else
            JOIN(h->thread);
    for (size_t absent = started; absent < wanted; absent++) leave(j); /* for those not started, and for itself */
    return begun;
}

size_t fi_workers_for(size_t items, size_t work, size_t worth, int threads) {
    const size_t most = fi_fewer(items, work / worth);
    const size_t workers = threads > 0 ? fi_fewer(most, (size_t)threads) : most;
    return workers ? workers : 1;
}
