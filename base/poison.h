/* poison: memory that is ours and that nobody may look at now.
 *
 * Tells the address sanitizer, where there is one (poison_asan.c; else poison_none.c), so that a
 * use after a buffer was given back is found although it did not go back to the heap. */
#ifndef LEVEE_BASE_POISON_H
#define LEVEE_BASE_POISON_H

#include <stddef.h>

void poison(const void *memory, size_t size_bytes);
void poison_end(const void *memory, size_t size_bytes);

#endif
