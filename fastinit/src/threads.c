#include "threads.h"

#include <stdlib.h>

#if FI_WINDOWS
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
typedef HANDLE thread;
#define WORKER_RESULT DWORD WINAPI
#define START(thread, worker, argument) ((thread = CreateThread(NULL, 0, worker, argument, 0, NULL)) != NULL)
#define JOIN(thread) (WaitForSingleObject(thread, INFINITE), CloseHandle(thread))
#else
#include <pthread.h>
typedef pthread_t thread;
#define WORKER_RESULT void *
#define START(thread, worker, argument) (pthread_create(&thread, NULL, worker, argument) == 0)
#define JOIN(thread) pthread_join(thread, NULL)
#endif

typedef struct {
    fi_task *task;
    void *context;
    size_t items;
    fi_counter next;
} job;

static WORKER_RESULT work(void *argument) {
    job *j = argument;
    fi_fp_state caller = fi_fp_enter();
    for (size_t item; (item = fi_count_up(&j->next)) < j->items;) j->task(j->context, item);
    fi_fp_leave(caller);
    return 0;
}

void fi_run_parallel(fi_task *task, void *context, size_t items, int threads) {
    job j = {task, context, items, 0};
    size_t wanted = threads > 0 && (size_t)threads < items ? (size_t)threads : items;
    thread *helpers = wanted > 1 ? malloc((wanted - 1) * sizeof *helpers) : NULL;
    size_t started = 0;
    while (helpers && started < wanted - 1 && START(helpers[started], work, &j)) started++;
    work(&j);
    for (size_t i = 0; i < started; i++) JOIN(helpers[i]);
    free(helpers);
}
