#include "broker/kept_memory.h"

bool kept_memory_goes(struct kept_memory *kept, uint64_t kept_bytes, uint64_t progress)
{
    bool is_quiet = progress - kept->progress < KEPT_MEMORY_QUIET_BYTES;

    kept->progress = progress;
    if (kept_bytes < kept->base_bytes)
        kept->base_bytes = kept_bytes;
    if (kept_bytes < kept->base_bytes + KEPT_MEMORY_MAX_BYTES) {
        kept->busy_looks = 0;
        return false;
    }
    return is_quiet || ++kept->busy_looks >= KEPT_MEMORY_BUSY_LOOKS;
}

void kept_memory_is_gone(struct kept_memory *kept, uint64_t kept_bytes)
{
    kept->base_bytes = kept_bytes;
    kept->busy_looks = 0;
}
