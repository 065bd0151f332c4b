#include "pages.h"

#if FI_LINUX
#include <sys/mman.h>
#include <unistd.h>

enum { POPULATE_WRITE = 23 }; /* of madvise since Linux 5.14; headers may be older */

static uintptr_t page_of(uintptr_t address) { return address & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1); }

int fi_is_fresh(const void *address) {
    unsigned char given = 1;
    return mincore((void *)page_of((uintptr_t)address), 1, &given) == 0 && !(given & 1);
}

void fi_give_pages(void *memory, size_t bytes) {
    const uintptr_t first = page_of((uintptr_t)memory);
    madvise((void *)first, (uintptr_t)memory + bytes - first, POPULATE_WRITE);
}
#else
int fi_is_fresh(const void *address) { return address == NULL; }

void fi_give_pages(void *memory, size_t bytes) { (void)memory, (void)bytes; }
#endif
