#include "base/poison.h"

#include <sanitizer/asan_interface.h>

void poison(const void *memory, size_t size_bytes)
{
    __asan_poison_memory_region(memory, size_bytes);
}

void poison_end(const void *memory, size_t size_bytes)
{
    __asan_unpoison_memory_region(memory, size_bytes);
}
