#include "storage/log/unreplicated.h"

#include "base/check.h"
#include "base/mem.h"

enum { FIRST_CAPACITY = 16 };

void unreplicated_deinit(struct unreplicated *un)
{
    mem_free(un->items);
    *un = (struct unreplicated){0};
}

struct unreplicated_txn unreplicated_at(const struct unreplicated *un, uint32_t index)
{
    check(index < un->count);
    return un->items[(un->first + index) & (un->capacity - 1)];
}

bool unreplicated_reserve(struct unreplicated *un)
{
    uint32_t capacity = un->capacity > 0 ? un->capacity * 2 : FIRST_CAPACITY;
    struct unreplicated_txn *items;

    if (un->count < un->capacity)
        return true;
    items = mem_try_alloc(capacity * sizeof(*items));
    if (items == NULL)
        return false;
    for (uint32_t i = 0; i < un->count; i++)
        items[i] = unreplicated_at(un, i);
    mem_free(un->items);
    un->items = items;
    un->first = 0;
    un->capacity = capacity;
    return true;
}

void unreplicated_add(struct unreplicated *un, int64_t first_offset, int64_t marker_offset)
{
    check(un->count < un->capacity && first_offset < marker_offset);
    check(un->count == 0 || unreplicated_at(un, un->count - 1).marker_offset < marker_offset);
    while (un->count > 0 && unreplicated_at(un, un->count - 1).first_offset >= first_offset)
        un->count--; /* UNR-1 */
    un->items[(un->first + un->count) & (un->capacity - 1)] =
        (struct unreplicated_txn){first_offset, marker_offset};
    un->count++;
}

void unreplicated_release(struct unreplicated *un, int64_t published_offset)
{
    while (un->count > 0 && unreplicated_at(un, 0).marker_offset < published_offset) {
        un->first = (un->first + 1) & (un->capacity - 1);
        un->count--;
    }
}

void unreplicated_clear(struct unreplicated *un)
{
    un->count = 0;
}

int64_t unreplicated_first_offset(const struct unreplicated *un)
{
    return un->count > 0 ? unreplicated_at(un, 0).first_offset : -1;
}
