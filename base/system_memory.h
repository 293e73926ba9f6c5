/* system_memory: how much memory the system lets this process have.
 *
 * The smallest of what the machine has and of the limits of the cgroup and its parents, as the
 * files of cgroup v2 (memory.max) and v1 (memory.limit_in_bytes) tell them; in a container, which
 * does not see its own path, the files at the mount point count.  Asked once, at the start. */
#ifndef LEVEE_BASE_SYSTEM_MEMORY_H
#define LEVEE_BASE_SYSTEM_MEMORY_H

#include <stdint.h>

struct system_memory {
    uint64_t machine_bytes; /* 0: unknown */
    uint64_t cgroup_bytes;  /* 0: no limit */
};

/* root: "" for the machine itself; tests put a directory with proc/ and sys/ there. */
void system_memory_read(const char *root, struct system_memory *out);

/* The cgroup's limit where there is one that the machine can hold, else three quarters of the
 * machine's memory.  0: unknown. */
uint64_t system_memory_share(const struct system_memory *memory);

#endif
