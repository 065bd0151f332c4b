#include "pages.h"

#if FI_LINUX
#include <sys/mman.h>
#include <unistd.h>

enum { POPULATE_WRITE = 23 }; /* of madvise since Linux 5.14; headers may be older */

#define LARGE_PAGE ((uintptr_t)1 << 21)
#define LEAST_FOR_LARGE_PAGES ((size_t)1 << 22)

static uintptr_t page_of(uintptr_t address) { return address & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1); }

int fi_is_fresh(const void *address) {
    unsigned char given = 1;
    return mincore((void *)page_of((uintptr_t)address), 1, &given) == 0 && !(given & 1);
}

void fi_give_pages(void *memory, size_t bytes) {
    const uintptr_t first = page_of((uintptr_t)memory);
    madvise((void *)first, (uintptr_t)memory + bytes - first, POPULATE_WRITE);
}

void fi_advise_large_pages(uintptr_t address, size_t bytes) {
    const uintptr_t first = (address + (LARGE_PAGE - 1)) & ~(LARGE_PAGE - 1);
    const uintptr_t end = (address + bytes) & ~(LARGE_PAGE - 1);
    if (bytes >= LEAST_FOR_LARGE_PAGES && first < end) madvise((void *)first, end - first, MADV_HUGEPAGE);
}
#else
int fi_is_fresh(const void *address) { return address == NULL; }

void fi_give_pages(void *memory, size_t bytes) { (void)memory, (void)bytes; }

void fi_advise_large_pages(uintptr_t address, size_t bytes) { (void)address, (void)bytes; }
#endif
