#include "base/hash_map.h"

#include "base/check.h"
#include "base/mem.h"

#include <string.h>
#include <xxhash.h>

enum {
    SLOTS_COUNT_MIN = 16,
};

struct hash_map_entry {
    uint64_t hash;
    const void *key;
    size_t key_bytes;
    void *value; /* NULL: a hole, removed */
};

void hash_map_init(struct hash_map *map, uint64_t seed)
{
    *map = (struct hash_map){.seed = seed};
}

void hash_map_deinit(struct hash_map *map)
{
    mem_free(map->entries);
    mem_free(map->slots);
    *map = (struct hash_map){.seed = map->seed};
}

static uint64_t hash_of(const struct hash_map *map, const void *key, size_t key_bytes)
{
    return XXH3_64bits_withSeed(key, key_bytes, map->seed);
}

/* The slot of the key, or the empty slot where a search for it ends. */
static uint32_t find_slot(const struct hash_map *map, uint64_t hash, const void *key,
                          size_t key_bytes)
{
    uint32_t mask = map->slots_count - 1;
    uint32_t at = (uint32_t)hash & mask;

    for (; map->slots[at] != 0; at = (at + 1) & mask) {
        const struct hash_map_entry *entry = &map->entries[map->slots[at] - 1];
        if (entry->hash == hash && entry->key_bytes == key_bytes &&
            (key_bytes == 0 || memcmp(entry->key, key, key_bytes) == 0))
            return at;
    }
    return at;
}

void *hash_map_find(const struct hash_map *map, const void *key, size_t key_bytes)
{
    uint32_t index;

    if (map->used_count == 0)
        return NULL;
    index = map->slots[find_slot(map, hash_of(map, key, key_bytes), key, key_bytes)];
    return index == 0 ? NULL : map->entries[index - 1].value;
}

/* Squeeze the holes out into new tables that have room for as many entries again. */
static enum err rebuild(struct hash_map *map)
{
    uint32_t slots_count = SLOTS_COUNT_MIN;
    struct hash_map_entry *entries;
    uint32_t *slots;
    uint32_t count = 0;

    check(map->used_count < UINT32_MAX / 8);
    while (slots_count / 2 < map->used_count * 2)
        slots_count *= 2;
    entries = mem_try_alloc(slots_count / 2 * sizeof(*entries));
    if (entries == NULL)
        return ERR_NOMEM;
    slots = mem_try_alloc(slots_count * sizeof(*slots));
    if (slots == NULL) {
        mem_free(entries);
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < map->used_count + map->hole_count; i++) {
        uint32_t at;
        if (map->entries[i].value == NULL)
            continue;
        at = (uint32_t)map->entries[i].hash & (slots_count - 1);
        while (slots[at] != 0)
            at = (at + 1) & (slots_count - 1);
        entries[count++] = map->entries[i];
        slots[at] = count;
    }
    check(count == map->used_count);
    mem_free(map->entries);
    mem_free(map->slots);
    map->entries = entries;
    map->slots = slots;
    map->slots_count = slots_count;
    map->entries_max = slots_count / 2; /* MAP-1 */
    map->hole_count = 0;
    return OK;
}

/* The same where they are, without memory and without more room. */
static void squeeze(struct hash_map *map)
{
    uint32_t mask = map->slots_count - 1;
    uint32_t count = 0;

    memset(map->slots, 0, map->slots_count * sizeof(*map->slots));
    for (uint32_t i = 0; i < map->used_count + map->hole_count; i++) {
        uint32_t at;
        if (map->entries[i].value == NULL)
            continue;
        map->entries[count] = map->entries[i];
        at = (uint32_t)map->entries[count++].hash & mask;
        while (map->slots[at] != 0)
            at = (at + 1) & mask;
        map->slots[at] = count;
    }
    check(count == map->used_count);
    map->hole_count = 0;
}

enum err hash_map_insert(struct hash_map *map, const void *key, size_t key_bytes, void *value)
{
    uint64_t hash = hash_of(map, key, key_bytes);
    uint32_t at;
    uint32_t index;

    check(value != NULL);
    if (map->slots_count > 0 && map->slots[find_slot(map, hash, key, key_bytes)] != 0)
        return ERR_EXISTS;
    if (map->used_count + map->hole_count == map->entries_max) {
        enum err err = rebuild(map);
        if (err && map->hole_count == 0)
            return err;
        if (err)
            squeeze(map); /* MAP-3 */
    }
    index = map->used_count + map->hole_count;
    at = find_slot(map, hash, key, key_bytes);
    map->entries[index] =
        (struct hash_map_entry){.hash = hash, .key = key, .key_bytes = key_bytes, .value = value};
    map->slots[at] = index + 1;
    map->used_count++;
    return OK;
}

/* Empty a slot, and move later ones of its cluster up so that no search stops short of them. */
static void empty_slot(struct hash_map *map, uint32_t at)
{
    uint32_t mask = map->slots_count - 1;
    uint32_t next = at;

    for (;;) {
        uint32_t home;
        next = (next + 1) & mask;
        if (map->slots[next] == 0)
            break;
        home = (uint32_t)map->entries[map->slots[next] - 1].hash & mask;
        if (((next - home) & mask) >= ((next - at) & mask)) {
            map->slots[at] = map->slots[next];
            at = next;
        }
    }
    map->slots[at] = 0;
}

void *hash_map_remove(struct hash_map *map, const void *key, size_t key_bytes)
{
    uint32_t at;
    uint32_t index;
    void *value;

    if (map->used_count == 0)
        return NULL;
    at = find_slot(map, hash_of(map, key, key_bytes), key, key_bytes);
    if (map->slots[at] == 0)
        return NULL;
    index = map->slots[at] - 1;
    value = map->entries[index].value;
    empty_slot(map, at);
    map->entries[index] = (struct hash_map_entry){0};
    map->used_count--;
    map->hole_count++;
    return value;
}

void *hash_map_next(const struct hash_map *map, size_t *cursor)
{
    while (*cursor < map->used_count + map->hole_count) {
        void *value = map->entries[(*cursor)++].value;
        if (value != NULL)
            return value;
    }
    return NULL;
}
