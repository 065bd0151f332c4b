/* Ground: memory that the system has promised but not yet given. Writing it interrupts at each page, for longer than a
   fill takes; asking for many pages in one call, or for large ones, does not. */
#ifndef FI_PAGES_H
#define FI_PAGES_H

#include "portability.h"

/* Whether the page of an address has not been given yet; 0 too where the system does not tell. */
int fi_is_fresh(const void *address);

/* Has the system give all pages that hold any of `bytes` (at least 1) here. What it refuses, the first writes get. */
void fi_give_pages(void *memory, size_t bytes);

/* Asks for large pages of 2 MiB wherever a whole one lies within `bytes` from an address; nothing below 4 MiB, where
   there is hardly one. The bytes must end within the address space. What has been written stays as it is. A system that
   has no large pages refuses, which is no matter. */
void fi_advise_large_pages(uintptr_t address, size_t bytes);

#endif
