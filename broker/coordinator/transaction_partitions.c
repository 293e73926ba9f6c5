#include "broker/coordinator/transaction_partitions.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"

#include <string.h>

enum { BLOCK_BYTES = 16 }; /* that the allocator adds to each block */

static uint64_t bytes_of(const struct transaction_topic *topic)
{
    return strlen(topic->name) + 1 + BLOCK_BYTES + topic->capacity * sizeof(topic->indexes[0]) +
           BLOCK_BYTES;
}

static void clear_topic(struct transaction_topic *topic)
{
    mem_free(topic->name);
    mem_free(topic->indexes);
}

void transaction_partitions_deinit(struct transaction_partitions *set)
{
    for (uint32_t i = 0; i < set->topic_count; i++)
        clear_topic(&set->topics[i]);
    mem_free(set->block);
    *set = (struct transaction_partitions){0};
}

/* ---- looking up */

/* Where the topic is, or would be.  Most are asked for in their order: the last one first. */
static uint32_t topic_place(const struct transaction_partitions *set, const char *topic,
                            size_t topic_bytes, bool *found_out)
{
    uint32_t low = 0;
    uint32_t high = set->topic_count;

    *found_out = false;
    if (high > 0 && text_compare(set->topics[high - 1].name, topic, topic_bytes) < 0)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = text_compare(set->topics[middle].name, topic, topic_bytes);
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

static uint32_t index_place(const struct transaction_topic *topic, int32_t index, bool *found_out)
{
    uint32_t low = 0;
    uint32_t high = topic->count;

    *found_out = false;
    if (high > 0 && topic->indexes[high - 1] < index)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (topic->indexes[middle] == index) {
            *found_out = true;
            return middle;
        }
        if (topic->indexes[middle] < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool transaction_partitions_has(const struct transaction_partitions *set, const char *topic,
                                size_t topic_bytes, int32_t index)
{
    bool found;
    uint32_t place = topic_place(set, topic, topic_bytes, &found);

    if (found)
        index_place(&set->topics[place], index, &found);
    return found;
}

bool transaction_partitions_has_all(const struct transaction_partitions *set,
                                    const struct transaction_partitions *others)
{
    for (uint32_t i = 0; i < others->topic_count; i++) {
        const struct transaction_topic *topic = &others->topics[i];
        size_t name_bytes = strlen(topic->name);
        for (uint32_t j = 0; j < topic->count; j++)
            if (!transaction_partitions_has(set, topic->name, name_bytes, topic->indexes[j]))
                return false;
    }
    return true;
}

/* ---- room */

/* One at a time doubles it; many at once, as a load has them, take what they need. */
static uint32_t grown(uint32_t capacity, uint32_t need)
{
    return need > capacity * 2 ? need : capacity * 2;
}

static enum err reserve_topics(struct transaction_partitions *set, uint32_t more)
{
    uint32_t need = set->topic_count + more;
    uint32_t capacity = grown(set->topic_capacity, need);
    struct transaction_topic *topics;

    if (need <= set->topic_capacity)
        return OK;
    topics = mem_try_alloc(capacity * sizeof(*topics));
    if (topics == NULL)
        return ERR_NOMEM;
    if (set->topic_count > 0)
        memcpy(topics, set->topics, set->topic_count * sizeof(*topics));
    mem_free(set->block);
    set->block = topics;
    set->topics = topics;
    set->topic_capacity = capacity;
    return OK;
}

/* *bytes grows with it. */
static enum err reserve_indexes(struct transaction_topic *topic, uint32_t more, uint64_t *bytes)
{
    uint32_t need = topic->count + more;
    uint32_t capacity = grown(topic->capacity, need);
    int32_t *indexes;

    if (need <= topic->capacity)
        return OK;
    indexes = mem_try_realloc(topic->indexes, capacity * sizeof(*indexes));
    if (indexes == NULL)
        return ERR_NOMEM;
    *bytes += (capacity - topic->capacity) * sizeof(*indexes);
    topic->indexes = indexes;
    topic->capacity = capacity;
    return OK;
}

/* ---- one */

static enum err insert_topic(struct transaction_partitions *set, uint32_t place, const char *name,
                             size_t name_bytes, int32_t index)
{
    struct transaction_topic topic = {.name = mem_try_strndup(name, name_bytes)};
    uint64_t bytes = 0;
    enum err err = topic.name == NULL ? ERR_NOMEM : reserve_indexes(&topic, 1, &bytes);

    if (err == OK)
        err = reserve_topics(set, 1);
    if (err != OK) {
        clear_topic(&topic);
        return err;
    }
    topic.indexes[topic.count++] = index;
    memmove(&set->topics[place + 1], &set->topics[place],
            (set->topic_count - place) * sizeof(topic));
    set->topics[place] = topic;
    set->topic_count++;
    set->topic_bytes += bytes_of(&topic);
    set->count++;
    return OK;
}

enum err transaction_partitions_add(struct transaction_partitions *set, const char *topic,
                                    size_t topic_bytes, int32_t index)
{
    bool found;
    uint32_t place = topic_place(set, topic, topic_bytes, &found);
    struct transaction_topic *of;
    enum err err;

    if (!found)
        return insert_topic(set, place, topic, topic_bytes, index);
    of = &set->topics[place];
    place = index_place(of, index, &found);
    if (found)
        return OK;
    err = reserve_indexes(of, 1, &set->topic_bytes);
    if (err != OK)
        return err;
    memmove(&of->indexes[place + 1], &of->indexes[place],
            (of->count - place) * sizeof(of->indexes[0]));
    of->indexes[place] = index;
    of->count++;
    set->count++;
    return OK;
}

void transaction_partitions_remove(struct transaction_partitions *set, const char *topic,
                                   size_t topic_bytes, int32_t index)
{
    bool found;
    uint32_t topic_at = topic_place(set, topic, topic_bytes, &found);
    struct transaction_topic *of;
    uint32_t place;

    if (!found)
        return;
    of = &set->topics[topic_at];
    place = index_place(of, index, &found);
    if (!found)
        return;
    of->count--;
    set->count--;
    memmove(&of->indexes[place], &of->indexes[place + 1],
            (of->count - place) * sizeof(of->indexes[0]));
    if (of->count > 0)
        return;
    set->topic_bytes -= bytes_of(of);
    clear_topic(of);
    set->topic_count--;
    if (topic_at < set->topic_count / 2) {
        memmove(set->topics + 1, set->topics, topic_at * sizeof(*of));
        set->topics++;
        set->topic_capacity--; /* the room at the end stays (TPS-2) */
    } else {
        memmove(of, of + 1, (set->topic_count - topic_at) * sizeof(*of));
    }
}

/* ---- all of another one */

enum err transaction_partitions_add_all(struct transaction_partitions *to,
                                        const struct transaction_partitions *from)
{
    for (uint32_t i = 0; i < from->topic_count; i++) {
        const struct transaction_topic *topic = &from->topics[i];
        size_t name_bytes = strlen(topic->name);
        for (uint32_t j = 0; j < topic->count; j++) {
            enum err err =
                transaction_partitions_add(to, topic->name, name_bytes, topic->indexes[j]);
            if (err != OK)
                return err;
        }
    }
    return OK;
}

enum err transaction_partitions_missing(const struct transaction_partitions *set,
                                        const struct transaction_partitions *from,
                                        struct transaction_partitions *missing_out)
{
    for (uint32_t i = 0; i < from->topic_count; i++) {
        const struct transaction_topic *topic = &from->topics[i];
        size_t name_bytes = strlen(topic->name);
        for (uint32_t j = 0; j < topic->count; j++) {
            enum err err = OK;
            if (!transaction_partitions_has(set, topic->name, name_bytes, topic->indexes[j]))
                err = transaction_partitions_add(missing_out, topic->name, name_bytes,
                                                 topic->indexes[j]);
            if (err != OK)
                return err;
        }
    }
    return OK;
}

enum err transaction_partitions_reserve(struct transaction_partitions *set,
                                        const struct transaction_partitions *from)
{
    enum err err = reserve_topics(set, from->topic_count);

    for (uint32_t i = 0; err == OK && i < from->topic_count; i++) {
        const struct transaction_topic *topic = &from->topics[i];
        bool found;
        uint32_t place = topic_place(set, topic->name, strlen(topic->name), &found);
        if (found)
            err = reserve_indexes(&set->topics[place], topic->count, &set->topic_bytes);
    }
    return err;
}

/* Both are in order: from the largest one down, into the room at the end. */
static void merge_indexes(struct transaction_topic *to, const struct transaction_topic *from)
{
    uint32_t left = to->count;
    uint32_t right = from->count;

    check(to->count + from->count <= to->capacity); /* TPS-2 */
    for (uint32_t end = left + right; right > 0; end--) {
        check(left == 0 || to->indexes[left - 1] != from->indexes[right - 1]); /* TPS-1 */
        if (left > 0 && to->indexes[left - 1] > from->indexes[right - 1])
            to->indexes[end - 1] = to->indexes[--left];
        else
            to->indexes[end - 1] = from->indexes[--right];
    }
    to->count += from->count;
}

/* How many of from's topics the set does not have. */
static uint32_t new_topic_count(const struct transaction_partitions *set,
                                const struct transaction_partitions *from)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < from->topic_count; i++) {
        bool found;
        topic_place(set, from->topics[i].name, strlen(from->topics[i].name), &found);
        count += !found;
    }
    return count;
}

void transaction_partitions_take(struct transaction_partitions *set,
                                 struct transaction_partitions *from)
{
    uint32_t left = set->topic_count;
    uint32_t right = from->topic_count;
    uint32_t end = left + new_topic_count(set, from);

    check(end <= set->topic_capacity); /* TPS-2 */
    set->topic_count = end;
    set->count += from->count;
    set->topic_bytes += from->topic_bytes;
    while (right > 0) {
        struct transaction_topic *topic = &from->topics[right - 1];
        int order = left == 0 ? -1 : strcmp(set->topics[left - 1].name, topic->name);
        if (order > 0) {
            set->topics[--end] = set->topics[--left];
            continue;
        }
        right--;
        if (order == 0) {
            merge_indexes(&set->topics[left - 1], topic);
            set->topic_bytes -= bytes_of(topic);
            clear_topic(topic);
        } else {
            set->topics[--end] = *topic;
        }
    }
    mem_free(from->block);
    *from = (struct transaction_partitions){0};
}

uint64_t transaction_partitions_bytes(const struct transaction_partitions *set)
{
    uint64_t gone = (uint64_t)(set->topics - set->block);

    return set->block == NULL ? 0
                              : (set->topic_capacity + gone) * sizeof(set->topics[0]) +
                                    BLOCK_BYTES + set->topic_bytes;
}
