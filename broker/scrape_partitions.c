/* The steps of a scrape that look at topics: the plan, and what each shard knows of its partitions.
 *
 * Both walk the shard's own image by name, so that a topic that comes or goes between two slices
 * moves nothing. */
#include "base/check.h"
#include "broker/metadata/image.h"
#include "broker/scrape_private.h"
#include "broker/topic_table.h"

#include <string.h>

/* The topic that the walk is inside of, else the first one behind the name; NULL: there is none. */
static const struct image_topic *topic_at(struct scrape *scrape)
{
    const struct image *image = scrape->at->image;
    const struct image_topic *topic = NULL;

    if (scrape->is_inside)
        topic = image_topic_by_name(image, scrape->name, scrape->name_bytes);
    if (topic != NULL)
        return topic;
    topic = image_topic_after(image, scrape->name);
    scrape->is_inside = topic != NULL;
    scrape->inside_cursor = 0;
    if (topic == NULL)
        return NULL;
    scrape->name_bytes = strlen(topic->name);
    check(scrape->name_bytes < sizeof(scrape->name)); /* 249 bytes at most */
    memcpy(scrape->name, topic->name, scrape->name_bytes + 1);
    return topic;
}

/* ---- the plan, on shard 0 */

static void plan_topic(struct scrape *scrape, const struct image_topic *topic)
{
    struct scrape_topic *planned = &scrape->topics[scrape->topic_count];
    const char *name = NULL;

    for (uint32_t i = 0; i < topic->partition_count; i++)
        scrape->totals.leaderless += topic->partitions[i].leader < 0;
    if (topic->partition_count <= scrape->rows_max - scrape->partition_count &&
        scrape->topic_count < scrape->rows_max)
        name = arena_strndup(&scrape->arena, topic->name, strlen(topic->name));
    if (name == NULL) {
        scrape->totals.left_partitions += topic->partition_count;
        return;
    }
    *planned = (struct scrape_topic){.name = name,
                                     .id = topic->id,
                                     .first_row = scrape->partition_count,
                                     .partition_count = topic->partition_count};
    scrape->topic_count++;
    scrape->partition_count += topic->partition_count;
}

bool scrape_plan(struct scrape *scrape)
{
    const struct image *image = scrape->at->image;
    const struct image_topic *topic;

    scrape->totals.topics = image_topic_count(image);
    scrape->totals.partitions = image_partition_count(image);
    scrape->totals.brokers = image_broker_count(image);
    for (uint32_t rows = 0; rows < SCRAPE_SLICE_ROWS; rows += 1 + topic->partition_count) {
        topic = topic_at(scrape);
        if (topic == NULL)
            return true;
        plan_topic(scrape, topic);
        scrape->is_inside = false; /* the next one */
    }
    return false;
}

/* ---- partitions, on each shard */

/* The plan's entry of a topic, both being walked in order of name; NULL: it is left out. */
static const struct scrape_topic *planned_topic(struct scrape *scrape,
                                                const struct image_topic *topic)
{
    while (scrape->next_topic < scrape->topic_count &&
           strcmp(scrape->topics[scrape->next_topic].name, topic->name) < 0)
        scrape->next_topic++;
    if (scrape->next_topic == scrape->topic_count ||
        !uuid_equal(&scrape->topics[scrape->next_topic].id, &topic->id))
        return NULL;
    return &scrape->topics[scrape->next_topic];
}

static void fill_row(struct scrape_partition *row, const struct image_partition *state,
                     const struct partition *partition)
{
    struct log_offsets offsets = partition_offsets(partition);

    *row = (struct scrape_partition){
        .is_there = true,
        .is_preferred = state->replica_count > 0 && state->leader == state->replicas[0],
        .is_under_min = !in_sync_has_enough(&partition->in_sync),
        .leader = state->leader,
        .replica_count = state->replica_count,
        .isr_count = state->isr_count,
        .segment_count = partition_segment_count(partition),
        .size_bytes = partition_size_bytes(partition),
        .log_start = offsets.log_start,
        .high_watermark = offsets.high_watermark,
        .log_end = offsets.log_end,
    };
    for (int i = 0; i < TOPIC_METRIC_COUNT; i++)
        row->counts[i] = counter_read(&partition->metrics.counters[i]);
}

static void count_partition(struct scrape_totals *totals, const struct partition *partition)
{
    const struct in_sync *in_sync = &partition->in_sync;

    totals->here++;
    totals->quarantined += partition_is_quarantined(partition);
    if (!in_sync_leads(in_sync))
        return;
    totals->led++;
    totals->under_replicated += in_sync->isr_count < in_sync->replica_count;
    totals->under_min += !in_sync_has_enough(in_sync);
    totals->at_min += in_sync->isr_count == in_sync_effective_min(in_sync);
}

static void look_at_partition(struct scrape *scrape, const struct image_topic *topic,
                              const struct scrape_topic *planned, uint32_t index)
{
    struct shard *at = scrape->at;
    const struct partition *partition;

    if (shard_of_partition(at->shards, &topic->id, (int32_t)index) != at)
        return;
    partition = topic_table_find(at->topics, &topic->id, (int32_t)index);
    if (partition == NULL)
        return; /* it could not be opened */
    count_partition(&scrape->totals, partition);
    if (planned != NULL && index < planned->partition_count)
        fill_row(&scrape->partitions[planned->first_row + index], &topic->partitions[index],
                 partition);
}

bool scrape_partitions(struct scrape *scrape)
{
    uint32_t rows = 0;

    while (rows < SCRAPE_SLICE_ROWS) {
        const struct image_topic *topic = topic_at(scrape);
        const struct scrape_topic *planned;
        if (topic == NULL)
            return true;
        planned = planned_topic(scrape, topic);
        for (; rows < SCRAPE_SLICE_ROWS && scrape->inside_cursor < topic->partition_count; rows++)
            look_at_partition(scrape, topic, planned, (uint32_t)scrape->inside_cursor++);
        scrape->is_inside = scrape->inside_cursor < topic->partition_count;
        rows++;
    }
    return false;
}

/* ---- how far behind the groups are, on the shards of what they read */

static void look_at_offset(struct scrape *scrape, struct scrape_offset *row)
{
    struct shard *at = scrape->at;
    const struct partition *partition;
    int64_t high_watermark;
    int64_t timestamp_ms;

    if (!row->has_topic || shard_of_partition(at->shards, &row->topic_id, row->partition) != at)
        return;
    partition = topic_table_find(at->topics, &row->topic_id, row->partition);
    if (partition == NULL)
        return;
    high_watermark = partition_offsets(partition).high_watermark;
    row->has_lag = true;
    row->lag = high_watermark > row->offset ? high_watermark - row->offset : 0;
    row->age_ms = 0;
    if (row->lag == 0)
        return;
    timestamp_ms = partition_timestamp_near(partition, row->offset);
    row->age_ms = timestamp_ms < 0                ? -1
                  : timestamp_ms < scrape->now_ms ? scrape->now_ms - timestamp_ms
                                                  : 0; /* dated ahead */
}

bool scrape_offsets(struct scrape *scrape)
{
    for (uint32_t rows = 0; rows < SCRAPE_SLICE_ROWS; rows++) {
        if (scrape->cursor == scrape->offset_count)
            return true;
        look_at_offset(scrape, &scrape->offsets[scrape->cursor++]);
    }
    return false;
}
