#include "base/poison.h"

void poison(const void *memory, size_t size_bytes)
{
    (void)memory;
    (void)size_bytes;
}

void poison_end(const void *memory, size_t size_bytes)
{
    (void)memory;
    (void)size_bytes;
}
