#include "tests/sim/sim_names.h"

#include "base/mem.h"
#include "tests/sim/sim_heap.h"

#include <stdbool.h>
#include <string.h>

static int compare(const char *stored, const char *name, size_t name_bytes)
{
    int order = strncmp(stored, name, name_bytes);

    return order != 0 ? order : stored[name_bytes] != '\0';
}

/* The place of name, or where it would be inserted. */
static size_t place_of(const struct sim_names *names, const char *name, size_t name_bytes,
                       bool *found_out)
{
    size_t low = 0;
    size_t high = names->count;

    *found_out = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(names->items[middle].name, name, name_bytes);
        if (order == 0) {
            *found_out = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void sim_names_deinit(struct sim_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        mem_free(names->items[i].name);
    mem_free(names->items);
    *names = (struct sim_names){0};
}

uint64_t sim_names_find(const struct sim_names *names, const char *name, size_t name_bytes)
{
    bool found;
    size_t place = place_of(names, name, name_bytes, &found);

    return found ? names->items[place].inode : 0;
}

void sim_names_set(struct sim_names *names, const char *name, uint64_t inode)
{
    bool found;
    size_t place = place_of(names, name, strlen(name), &found);

    if (found) {
        names->items[place].inode = inode;
        return;
    }
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 8 : names->capacity * 2;
        names->items =
            sim_heap_own_realloc(names->items, names->capacity * sizeof(struct sim_name));
    }
    memmove(names->items + place + 1, names->items + place,
            (names->count - place) * sizeof(struct sim_name));
    names->items[place] = (struct sim_name){.name = sim_heap_own_strdup(name), .inode = inode};
    names->count++;
}

void sim_names_remove(struct sim_names *names, const char *name, uint64_t inode)
{
    bool found;
    size_t place = place_of(names, name, strlen(name), &found);

    if (!found || names->items[place].inode != inode)
        return;
    mem_free(names->items[place].name); /* name itself, perhaps: not used any more */
    names->count--;
    memmove(names->items + place, names->items + place + 1,
            (names->count - place) * sizeof(struct sim_name));
}

void sim_names_copy(struct sim_names *to, const struct sim_names *from)
{
    sim_names_deinit(to);
    for (size_t i = 0; i < from->count; i++)
        sim_names_set(to, from->items[i].name, from->items[i].inode);
}
