/* kept_memory: memory that the allocator keeps though nobody uses it: when does it go back?
 *
 * Giving it back locks the allocator, and a loop that wants memory meanwhile stands still: some
 * fifty milliseconds for a gigabyte.  So it is done while it is quiet, or else rarely.  Pure; of
 * the main thread. */
#ifndef LEVEE_BROKER_KEPT_MEMORY_H
#define LEVEE_BROKER_KEPT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

enum {
    KEPT_MEMORY_MAX_BYTES = 16 << 20,   /* more than after the last time is worth the trouble */
    KEPT_MEMORY_QUIET_BYTES = 64 << 10, /* done between two looks: nobody feels a pause */
    KEPT_MEMORY_BUSY_LOOKS = 60,        /* so many with work at hand, and it goes all the same */
};

/* Zeroed at first. */
struct kept_memory {
    uint64_t base_bytes; /* what stays with the allocator whatever is done */
    uint64_t progress;   /* at the last look */
    uint32_t busy_looks; /* since memory was worth giving back */
};

/* A look: kept_bytes are kept now; progress grows with what the broker does (broker_progress).
 * True: give it back, and tell what is kept then. */
bool kept_memory_goes(struct kept_memory *kept, uint64_t kept_bytes, uint64_t progress);
void kept_memory_is_gone(struct kept_memory *kept, uint64_t kept_bytes);

#endif
