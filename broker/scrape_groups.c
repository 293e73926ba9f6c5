/* The step of a scrape that looks at the groups of a shard: their states, members and offsets.
 *
 * A walk of a map goes on by its cursor: what is squeezed out meanwhile may make it pass something
 * over (scrape.h, SCR-4), never tell it twice. */
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_offsets.h"
#include "broker/metadata/image.h"
#include "broker/scrape_private.h"

#include <string.h>

static void leave_out(struct scrape *scrape, const struct group *group)
{
    scrape->totals.left_groups++;
    scrape->totals.left_offsets += group->offset_count;
}

/* True: its offsets are told, too. */
static bool begin_group(struct scrape *scrape, const struct group *group)
{
    struct scrape_totals *totals = &scrape->totals;
    const char *id = NULL;

    totals->groups++;
    totals->group_offsets += group->offset_count;
    totals->by_state[group->state]++;
    if (scrape->group_count < scrape->rows_max && group->id_bytes <= SCRAPE_NAME_BYTES_MAX)
        id = arena_strndup(&scrape->arena, group->id, group->id_bytes);
    if (id == NULL) {
        leave_out(scrape, group);
        return false;
    }
    scrape->groups[scrape->group_count++] = (struct scrape_group){
        .id = id, .id_bytes = group->id_bytes, .member_count = group->member_count};
    memcpy(scrape->name, group->id, group->id_bytes);
    scrape->name_bytes = group->id_bytes;
    scrape->is_inside = true;
    scrape->inside_cursor = 0;
    return true;
}

/* Which partition it is now: the topic may have been deleted, or made anew. */
static void resolve_topic(const struct scrape *scrape, const struct group_offset *offset,
                          struct scrape_offset *row)
{
    const struct image_topic *topic =
        image_topic_by_name(scrape->at->image, offset->topic, strlen(offset->topic));

    row->has_topic =
        topic != NULL && offset->partition >= 0 &&
        (uint32_t)offset->partition < topic->partition_count &&
        (uuid_is_zero(&offset->value.topic_id) || uuid_equal(&offset->value.topic_id, &topic->id));
    if (row->has_topic)
        row->topic_id = topic->id;
}

/* Offsets of one topic stand together mostly: their name is kept once. */
static const char *keep_topic(struct scrape *scrape, const char *topic)
{
    const struct scrape_offset *last =
        scrape->offset_count == 0 ? NULL : &scrape->offsets[scrape->offset_count - 1];

    return last != NULL && strcmp(last->topic, topic) == 0
               ? last->topic
               : arena_strndup(&scrape->arena, topic, strlen(topic));
}

static void tell_offset(struct scrape *scrape, const struct group_offset *offset)
{
    struct scrape_offset row = {.group = scrape->group_count - 1,
                                .partition = offset->partition,
                                .offset = offset->value.offset,
                                .age_ms = -1};

    if (scrape->offset_count < scrape->rows_max)
        row.topic = keep_topic(scrape, offset->topic);
    if (row.topic == NULL) {
        scrape->totals.left_offsets++;
        return;
    }
    resolve_topic(scrape, offset, &row);
    scrape->offsets[scrape->offset_count++] = row;
}

/* Some offsets of the group that the walk is inside of.  Returns how many. */
static uint32_t go_on_inside(struct scrape *scrape, uint32_t rows_left)
{
    const struct group *group =
        hash_map_find(&scrape->at->groups->groups, scrape->name, scrape->name_bytes);
    const struct group_offset *offset = NULL;
    uint32_t rows = 0;

    while (rows < rows_left) {
        offset = group == NULL ? NULL : group_next_offset(group, &scrape->inside_cursor);
        if (offset == NULL) {
            scrape->is_inside = false;
            break;
        }
        tell_offset(scrape, offset);
        rows++;
    }
    return rows;
}

bool scrape_groups(struct scrape *scrape)
{
    uint32_t rows = 0;

    while (rows < SCRAPE_SLICE_ROWS) {
        const struct group *group;
        if (scrape->is_inside) {
            rows += go_on_inside(scrape, SCRAPE_SLICE_ROWS - rows);
            continue;
        }
        group = hash_map_next(&scrape->at->groups->groups, &scrape->cursor);
        if (group == NULL)
            return true;
        (void)begin_group(scrape, group);
        rows++;
    }
    return false;
}
