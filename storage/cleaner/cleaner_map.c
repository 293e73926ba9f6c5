#include "storage/cleaner/cleaner_map.h"

#include "base/mem.h"

#include <xxhash.h>

_Static_assert(sizeof(struct cleaner_map_slot) == CLEANER_MAP_ENTRY_BYTES, "as it is counted");

enum {
    FIRST_SLOTS = 1024,
    FULL_QUARTERS = 3, /* of four, so that a search stays short */
};

void cleaner_map_init(struct cleaner_map *map, uint64_t seed, uint64_t memory_max_bytes)
{
    uint64_t most = memory_max_bytes / sizeof(struct cleaner_map_slot);
    uint32_t slot_count_max = FIRST_SLOTS;

    while (slot_count_max <= UINT32_MAX / 4 && (uint64_t)slot_count_max * 2 <= most)
        slot_count_max *= 2;
    *map = (struct cleaner_map){.seed = seed, .slot_count_max = slot_count_max};
}

void cleaner_map_deinit(struct cleaner_map *map)
{
    mem_free(map->slots);
    *map = (struct cleaner_map){0};
}

/* Where it is, or would be. */
static struct cleaner_map_slot *place_of(struct cleaner_map_slot *slots, uint32_t slot_count,
                                         uint64_t low, uint64_t high)
{
    uint32_t at = (uint32_t)high & (slot_count - 1);

    while (slots[at].offset != 0 && (slots[at].low != low || slots[at].high != high))
        at = (at + 1) & (slot_count - 1);
    return &slots[at];
}

static bool is_full(const struct cleaner_map *map)
{
    return map->count >= map->slot_count / 4 * FULL_QUARTERS;
}

static bool grow(struct cleaner_map *map)
{
    uint32_t slot_count = map->slot_count == 0 ? FIRST_SLOTS : map->slot_count * 2;
    struct cleaner_map_slot *slots;

    if (map->slot_count >= map->slot_count_max)
        return false;
    slots = mem_try_alloc(slot_count * sizeof(*slots)); /* zeroed */
    if (slots == NULL)
        return false;
    for (uint32_t i = 0; i < map->slot_count; i++)
        if (map->slots[i].offset != 0)
            *place_of(slots, slot_count, map->slots[i].low, map->slots[i].high) = map->slots[i];
    mem_free(map->slots);
    map->slots = slots;
    map->slot_count = slot_count;
    return true;
}

struct cleaner_key cleaner_map_key(const struct cleaner_map *map, const void *key, size_t key_bytes)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(key, key_bytes, map->seed);

    if (map->slot_count > 0) {
        const struct cleaner_map_slot *slot =
            &map->slots[(uint32_t)hash.high64 & (map->slot_count - 1)];
        __builtin_prefetch(slot);
        __builtin_prefetch(slot + 1);
    }
    return (struct cleaner_key){hash.low64, hash.high64};
}

enum err cleaner_map_put(struct cleaner_map *map, struct cleaner_key key, int64_t offset)
{
    struct cleaner_map_slot *slot = NULL;

    if (map->slot_count > 0)
        slot = place_of(map->slots, map->slot_count, key.low, key.high);
    if (slot == NULL || (slot->offset == 0 && is_full(map))) {
        if (!grow(map))
            return ERR_FULL; /* CLM-2 */
        slot = place_of(map->slots, map->slot_count, key.low, key.high);
    }
    if (slot->offset == 0)
        map->count++;
    if (offset + 1 > slot->offset)
        *slot = (struct cleaner_map_slot){key.low, key.high, offset + 1}; /* CLM-1 */
    return OK;
}

int64_t cleaner_map_find(const struct cleaner_map *map, struct cleaner_key key)
{
    if (map->count == 0)
        return -1;
    return place_of(map->slots, map->slot_count, key.low, key.high)->offset - 1;
}
