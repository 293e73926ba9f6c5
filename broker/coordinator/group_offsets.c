#include "broker/coordinator/group_offsets.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_pending_offsets.h"
#include "broker/metadata/image.h"

#include <string.h>

enum { ENTRY_BYTES = 128 }; /* of tables and the allocator's rounding, roughly */

static uint64_t bytes_of(const struct group_offset *offset)
{
    return sizeof(*offset) + (uint64_t)offset->value.metadata.size_bytes + ENTRY_BYTES;
}

static uint64_t bytes_of_old(const struct group_offset_value *old)
{
    return sizeof(*old) + (uint64_t)old->metadata.size_bytes;
}

static uint64_t bytes_of_topic(const struct offset_topic *topic)
{
    return sizeof(*topic) + topic->name_bytes + ENTRY_BYTES;
}

/* ---- names */

struct offset_topic *offset_topic_find(const struct group_coordinator *groups, const char *name)
{
    return hash_map_find(&groups->offset_topics, name, strlen(name));
}

static struct offset_topic *get_topic(struct group *group, const char *name)
{
    struct group_coordinator *groups = group->coordinator;
    struct offset_topic *topic = offset_topic_find(groups, name);
    enum err err;

    if (topic != NULL)
        return topic;
    topic = mem_try_alloc(sizeof(*topic));
    if (topic == NULL)
        return NULL;
    topic->name = mem_try_strdup(name);
    topic->name_bytes = strlen(name);
    list_init(&topic->offsets);
    err = topic->name == NULL
              ? ERR_NOMEM
              : hash_map_insert(&groups->offset_topics, topic->name, topic->name_bytes, topic);
    if (err != OK) {
        mem_free(topic->name);
        mem_free(topic);
        return NULL;
    }
    budget_force(group->budget, bytes_of_topic(topic));
    return topic;
}

static void drop_topic(struct group *group, struct offset_topic *topic)
{
    if (!list_is_empty(&topic->offsets))
        return;
    if (list_is_linked(&topic->forgotten))
        list_remove(&topic->forgotten);
    hash_map_remove(&group->coordinator->offset_topics, topic->name, topic->name_bytes);
    budget_give(group->budget, bytes_of_topic(topic));
    mem_free(topic->name);
    mem_free(topic);
}

/* ---- offsets */

struct group_offset *group_find_entry(const struct group *group, const struct offset_topic *topic,
                                      int32_t partition)
{
    struct offset_key key = {.topic = topic, .partition = partition};

    return topic == NULL ? NULL : hash_map_find(&group->offsets, &key, sizeof(key));
}

static struct group_offset *get_entry(struct group *group, const char *topic, int32_t partition)
{
    struct offset_topic *of = offset_topic_find(group->coordinator, topic);
    struct group_offset *entry = group_find_entry(group, of, partition);

    if (entry != NULL)
        return entry;
    of = get_topic(group, topic);
    if (of == NULL)
        return NULL;
    entry = mem_try_alloc(sizeof(*entry));
    if (entry == NULL) {
        drop_topic(group, of);
        return NULL;
    }
    entry->group = group;
    entry->of = of;
    entry->topic = entry->of->name;
    entry->partition = partition;
    entry->key = (struct offset_key){.topic = entry->of, .partition = partition};
    entry->value.offset = -1;
    list_init(&entry->staged);
    if (hash_map_insert(&group->offsets, &entry->key, sizeof(entry->key), entry) != OK) {
        mem_free(entry);
        drop_topic(group, of);
        return NULL;
    }
    list_push_back(&entry->of->offsets, &entry->node); /* GOF-1 */
    budget_force(group->budget, bytes_of(entry));
    return entry;
}

static void free_entry(struct group_offset *entry)
{
    struct group *group = entry->group;
    struct offset_topic *topic = entry->of;

    group->offset_count -= entry->is_recorded;
    list_remove(&entry->node);
    budget_give(group->budget, bytes_of(entry));
    mem_free(entry->value.metadata.bytes);
    mem_free(entry);
    drop_topic(group, topic);
}

/* Nothing is known of it any more. */
static void drop_if_unused(struct group_offset *entry)
{
    if (group_offset_is_there(entry) || entry->is_elsewhere || entry->pending_count > 0 ||
        entry->leaving_count > 0) /* GOF-4 */
        return;
    hash_map_remove(&entry->group->offsets, &entry->key, sizeof(entry->key));
    free_entry(entry);
}

struct group_offset *group_find_offset(const struct group *group, const char *topic,
                                       int32_t partition)
{
    struct group_offset *entry =
        group_find_entry(group, offset_topic_find(group->coordinator, topic), partition);

    return entry == NULL || !entry->is_recorded ? NULL : entry;
}

struct group_offset *group_next_offset(const struct group *group, size_t *cursor)
{
    struct group_offset *entry;

    while ((entry = hash_map_next(&group->offsets, cursor)) != NULL)
        if (entry->is_recorded)
            return entry;
    return NULL;
}

struct group_offset *group_next_entry(const struct group *group, size_t *cursor)
{
    return hash_map_next(&group->offsets, cursor);
}

struct group_offset *group_begin_offset(struct group *group, const char *topic, int32_t partition)
{
    struct group_offset *entry = get_entry(group, topic, partition);

    if (entry != NULL)
        entry->pending_count++;
    return entry;
}

void group_hold_offset(struct group_offset *entry)
{
    entry->pending_count++;
}

uint64_t group_begin_naming(struct group_coordinator *groups)
{
    return ++groups->naming;
}

bool group_name_offset(struct group_offset *entry, uint64_t naming)
{
    bool is_first = entry->naming != naming;

    entry->naming = naming;
    return is_first;
}

void group_apply_offset(struct group_offset *entry, struct group_offset_value *value)
{
    struct group *group = entry->group;

    check(entry->pending_count > 0);
    budget_give(group->budget, bytes_of(entry));
    group->offset_count += !entry->is_recorded;
    entry->is_recorded = true;
    mem_free(entry->value.metadata.bytes);
    entry->value = *value;
    value->metadata = (struct group_bytes){0};
    budget_force(group->budget, bytes_of(entry));
}

void group_end_offset(struct group_offset *entry)
{
    check(entry->pending_count > 0);
    entry->pending_count--;
    drop_if_unused(entry);
}

static void free_old(struct group_offset *entry)
{
    if (entry->old == NULL)
        return;
    budget_give(entry->group->budget, bytes_of_old(entry->old));
    mem_free(entry->old->metadata.bytes);
    mem_free(entry->old);
    entry->old = NULL;
}

/* value's metadata is its from now on.  ERR_NOMEM. */
static enum err set_old(struct group_offset *entry, struct group_offset_value *value)
{
    struct group_offset_value *old = mem_try_alloc(sizeof(*old));

    if (old == NULL)
        return ERR_NOMEM;
    free_old(entry);
    *old = *value;
    value->metadata = (struct group_bytes){0};
    entry->old = old;
    entry->group->elsewhere_count += !entry->is_elsewhere;
    entry->is_elsewhere = true;
    budget_force(entry->group->budget, bytes_of_old(old));
    return OK;
}

void group_resolve_offset(struct group_offset *entry)
{
    struct group_offset_value *old = entry->old;

    if (old == NULL)
        return;
    entry->old = NULL;
    budget_give(entry->group->budget, bytes_of_old(old));
    group_hold_offset(entry);
    if (!entry->is_recorded || old->commit_timestamp_ms > entry->value.commit_timestamp_ms)
        group_apply_offset(entry, old); /* GMV-2 */
    group_end_offset(entry);
    mem_free(old->metadata.bytes);
    mem_free(old);
}

enum err group_set_offset(struct group *group, const char *topic, int32_t partition,
                          const struct group_offset_value *value)
{
    struct group_offset_value copy = *value;
    struct group_offset *entry;
    enum err err = OK;

    if (!group_bytes_copy(value->metadata.bytes, value->metadata.size_bytes, &copy.metadata))
        return ERR_NOMEM;
    entry = group_begin_offset(group, topic, partition);
    if (entry == NULL) {
        mem_free(copy.metadata.bytes);
        return ERR_NOMEM;
    }
    if (value->is_foreign)
        err = set_old(entry, &copy);
    else
        group_apply_offset(entry, &copy);
    group_end_offset(entry);
    mem_free(copy.metadata.bytes);
    return err;
}

/* What a tombstone says. */
static void remove_recorded(struct group_offset *entry)
{
    entry->group->offset_count -= entry->is_recorded;
    entry->is_recorded = false;
    group_pending_offsets_drop(entry);
    drop_if_unused(entry);
}

void group_begin_leaving(struct group_offset *entry)
{
    entry->leaving_count++;
}

void group_end_leaving(struct group_offset *entry, bool is_gone)
{
    check(entry->leaving_count > 0);
    entry->leaving_count--;
    if (is_gone)
        remove_recorded(entry);
    else
        drop_if_unused(entry);
}

void group_left_offset(struct group *group, const char *topic, int32_t partition)
{
    struct group_offset *entry =
        group_find_entry(group, offset_topic_find(group->coordinator, topic), partition);

    check(entry != NULL); /* GOF-4 */
    group_end_leaving(entry, true);
}

void group_remove_offset(struct group *group, const char *topic, int32_t partition, bool is_foreign)
{
    struct group_offset *entry =
        group_find_entry(group, offset_topic_find(group->coordinator, topic), partition);

    if (entry == NULL)
        return;
    if (is_foreign)
        group_forget_elsewhere(entry);
    else
        remove_recorded(entry);
}

void group_forget_elsewhere(struct group_offset *entry)
{
    free_old(entry);
    entry->group->elsewhere_count -= entry->is_elsewhere;
    entry->is_elsewhere = false;
    drop_if_unused(entry);
}

bool group_offset_is_orphan(const struct group_offset_value *value, const struct image *image)
{
    return !uuid_is_zero(&value->topic_id) && image_topic_by_id(image, &value->topic_id) == NULL;
}

void group_drop_offsets(struct group *group)
{
    size_t cursor = 0;
    struct group_offset *entry;

    while ((entry = hash_map_next(&group->offsets, &cursor)) != NULL) {
        group_pending_offsets_drop(entry);
        free_old(entry);
        free_entry(entry);
    }
    hash_map_deinit(&group->offsets);
}
