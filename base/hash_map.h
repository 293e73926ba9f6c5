/* hash_map: from byte strings to pointers; open addressing on seeded XXH3.
 *
 * The map owns neither keys nor values: a key lives in its value (or longer), and must stay where
 * it is, unchanged, while it is in the map.  Numbers are keys too: (&value->id, sizeof(id)).
 * Owned by one loop.
 *
 * Entries lie in one array in the order of insertion; a table of indexes points at them.  So the
 * order of a walk is the order of insertion, whatever the seed and the addresses are.
 *   MAP-1  used_count + hole_count <= entries_max <= half of slots_count
 *   MAP-2  slots_count is zero or a power of two
 *   MAP-3  while there are holes an insert needs no memory: what follows on a remove does not
 *          fail */
#ifndef LEVEE_BASE_HASH_MAP_H
#define LEVEE_BASE_HASH_MAP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_map_entry;

struct hash_map {
    struct hash_map_entry *entries; /* used and holes, oldest first */
    uint32_t *slots;                /* 0: empty, otherwise index of an entry + 1 */
    uint64_t seed;
    uint32_t slots_count;
    uint32_t entries_max;
    uint32_t used_count; /* entries in the map */
    uint32_t hole_count; /* entries removed and not yet squeezed out */
};

/* Takes no memory yet.  seed: from the prng, so that nobody outside can choose collisions. */
void hash_map_init(struct hash_map *map, uint64_t seed);

/* Gives the tables back, not the values.  A zeroed map is accepted. */
void hash_map_deinit(struct hash_map *map);

static inline size_t hash_map_count(const struct hash_map *map)
{
    return map->used_count;
}

/* The value, or NULL. */
void *hash_map_find(const struct hash_map *map, const void *key, size_t key_bytes);

/* value is not NULL; key stays the caller's (see above).  ERR_EXISTS: the map is unchanged.
 * ERR_NOMEM: the tables could not grow (MAP-3). */
must_use enum err hash_map_insert(struct hash_map *map, const void *key, size_t key_bytes,
                                  void *value);

/* The value that was taken out, or NULL. */
void *hash_map_remove(struct hash_map *map, const void *key, size_t key_bytes);

/* Walk: cursor starts at 0; the next value, or NULL at the end.  During a walk any element may be
 * removed, the current one too; after an insert the walk must start anew. */
void *hash_map_next(const struct hash_map *map, size_t *cursor);

#endif
