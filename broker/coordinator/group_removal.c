#include "broker/coordinator/group_removal.h"

#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"

#include <string.h>

struct group_removal {
    struct state_write write;
    struct group *group;
    struct removed_offset {
        struct removed_offset *next;
        int32_t partition;
        char topic[];
    } * offsets;
    bool whole;         /* the group too, */
    int32_t generation; /* unless it has moved on from this one */
    void (*done)(void *context, int16_t error_code);
    void *context;
    uint32_t count;      /* of offsets */
    uint32_t *in_flight; /* counts them until it has ended, or NULL */
};

/* The log has it, or has it not. */
static void end_offset(struct group *group, const struct removed_offset *removed, enum err err)
{
    struct group_offset *offset;

    if (err == OK) {
        group_remove_offset(group, removed->topic, removed->partition);
        return;
    }
    offset = group_find_offset(group, removed->topic, removed->partition);
    if (offset != NULL)
        offset->is_leaving = false;
}

static void on_recorded(struct state_write *write, enum err err)
{
    struct group_removal *removal = container_of(write, struct group_removal, write);
    struct group *group = removal->group;
    bool is_heard = removal->done != NULL && !group->coordinator->closing;

    group->writes--;
    if (removal->in_flight != NULL)
        *removal->in_flight -= removal->count;
    while (removal->offsets != NULL) {
        struct removed_offset *offset = removal->offsets;
        removal->offsets = offset->next;
        end_offset(group, offset, err);
        mem_free(offset);
    }
    if (err == OK && removal->whole && group->state == GROUP_EMPTY &&
        group->generation == removal->generation) {
        group_reset(group); /* as a start applies it */
        group_end_pending(group);
    }
    coordinator_drop_if_idle(group);
    if (is_heard)
        removal->done(removal->context, coordinator_write_error(err));
    state_write_deinit(write);
    mem_free(removal);
}

struct group_removal *group_removal_begin(struct group *group)
{
    struct group_removal *removal = mem_alloc(sizeof(*removal));

    removal->group = group;
    removal->generation = group->generation;
    if (!coordinator_write_init(group, &removal->write, on_recorded)) {
        mem_free(removal);
        return NULL;
    }
    group->writes++;
    return removal;
}

void group_removal_add(struct group_removal *removal, struct group_offset *offset)
{
    size_t topic_bytes = strlen(offset->topic) + 1;
    struct removed_offset *entry = mem_alloc(sizeof(*entry) + topic_bytes);

    memcpy(entry->topic, offset->topic, topic_bytes);
    entry->partition = offset->partition;
    entry->next = removal->offsets;
    removal->offsets = entry;
    offset->is_leaving = true;
    removal->count++;
    group_write_offset_tombstone(removal->group, &removal->write, offset->topic, offset->partition);
}

void group_removal_add_group(struct group_removal *removal)
{
    removal->whole = true;
    group_write_tombstone(removal->group, &removal->write);
}

void group_removal_count_in(struct group_removal *removal, uint32_t *in_flight)
{
    removal->in_flight = in_flight;
    *in_flight += removal->count;
}

void group_removal_start(struct group_removal *removal,
                         void (*done)(void *context, int16_t error_code), void *context)
{
    removal->done = done;
    removal->context = context;
    state_write_start(&removal->write);
}

struct group_removal *group_removal_begin_all(struct group *group)
{
    struct group_removal *removal = group_removal_begin(group);
    size_t cursor = 0;
    struct group_offset *offset;

    if (removal == NULL)
        return NULL;
    while ((offset = group_next_offset(group, &cursor)) != NULL)
        group_removal_add(removal, offset);
    group_removal_add_group(removal);
    return removal;
}

void group_removal_forget(struct group_removal *removal)
{
    removal->done = NULL;
}
