/* cleaner_map: the newest offset of each key, for one pass of the cleaner.
 *
 * Keys are known by 128 bits of a seeded hash.  Owned by a pass; one thread at a time.
 *   CLM-1  no key is forgotten, and an offset never falls
 *   CLM-2  its table takes at most memory_max_bytes (or 24 KiB), and half as much again while it
 *          grows; full is an ordinary answer: the pass ends there */
#ifndef LEVEE_STORAGE_CLEANER_CLEANER_MAP_H
#define LEVEE_STORAGE_CLEANER_CLEANER_MAP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLEANER_MAP_ENTRY_BYTES = 24 };

struct cleaner_map_slot {
    uint64_t low;
    uint64_t high;
    int64_t offset; /* + 1; 0: free */
};

struct cleaner_map {
    struct cleaner_map_slot *slots;
    uint64_t seed;
    uint32_t slot_count;     /* zero or a power of two */
    uint32_t slot_count_max; /* CLM-2 */
    uint32_t count;
};

/* Takes no memory yet.  seed: so that nobody outside can choose collisions; what comes out of a
 * pass does not depend on it. */
void cleaner_map_init(struct cleaner_map *map, uint64_t seed, uint64_t memory_max_bytes);
void cleaner_map_deinit(struct cleaner_map *map); /* a zeroed map is accepted */

/* A key's hash.  Its place is on its way to the processor's cache: a table is larger than that, so
 * whoever has many keys makes some before he looks for the first. */
struct cleaner_key {
    uint64_t low;
    uint64_t high;
};

struct cleaner_key cleaner_map_key(const struct cleaner_map *map, const void *key,
                                   size_t key_bytes);

/* offset >= 0.  ERR_FULL: nothing changed; so many keys there may not be, or no memory is to be
 * had for more. */
must_use enum err cleaner_map_put(struct cleaner_map *map, struct cleaner_key key, int64_t offset);

/* The newest offset of key; -1: it is not in the map. */
int64_t cleaner_map_find(const struct cleaner_map *map, struct cleaner_key key);

static inline uint64_t cleaner_map_memory_bytes(const struct cleaner_map *map)
{
    return (uint64_t)map->slot_count * sizeof(struct cleaner_map_slot);
}

#endif
