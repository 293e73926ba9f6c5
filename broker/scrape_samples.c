/* The facts of a scrape as samples, on the thread that scrapes. */
#include "base/check.h"
#include "base/mem.h"
#include "base/metric_family.h"
#include "base/text.h"
#include "broker/scrape_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Names of a group and a topic, each byte written as four, twice because of the escaping, and keys.
 */
enum { LABEL_BYTES = 8 * (SCRAPE_NAME_BYTES_MAX + 256) + 256 };

static void sample(struct metrics_scrape *samples, enum metric_id id, const char *label_text,
                   double value)
{
    metrics_sample(samples, metric_family(id), label_text, value);
}

/* Prometheus takes UTF-8 alone, and C ends a text at NUL: such bytes are told as \x00. */
static void add_label(char label[LABEL_BYTES], const char *key, const char *text, size_t size_bytes)
{
    char plain[4 * SCRAPE_NAME_BYTES_MAX + 1];
    size_t plain_bytes = 0;
    enum err err;

    check(size_bytes <= SCRAPE_NAME_BYTES_MAX);
    for (size_t i = 0; i < size_bytes;) {
        uint32_t point = 0;
        size_t width = text_utf8_next(text + i, size_bytes - i, &point);
        if (width == 0 || point == 0) {
            plain_bytes += (size_t)snprintf(plain + plain_bytes, 5, "\\x%02x",
                                            (unsigned)(unsigned char)text[i]);
            i++;
            continue;
        }
        memcpy(plain + plain_bytes, text + i, width);
        plain_bytes += width;
        i += width;
    }
    err = metrics_label(label, LABEL_BYTES, key, plain, plain_bytes);
    check(err == OK);
}

static void add_number(char label[LABEL_BYTES], const char *key, int64_t number)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%" PRId64, number);

    add_label(label, key, text, (size_t)size);
}

/* ---- topics and partitions */

static void tell_partition(const struct scrape_partition *row, const char *label,
                           struct metrics_scrape *samples)
{
    const struct {
        enum metric_id id;
        int64_t value;
    } values[] = {
        {FAMILY_PARTITION_CURRENT, row->high_watermark},
        {FAMILY_PARTITION_OLDEST, row->log_start},
        {FAMILY_PARTITION_LEADER, row->leader},
        {FAMILY_PARTITION_PREFERRED, row->is_preferred},
        {FAMILY_PARTITION_REPLICAS, row->replica_count},
        {FAMILY_PARTITION_IN_SYNC, row->isr_count},
        {FAMILY_PARTITION_UNDER_REPLICATED, row->isr_count < row->replica_count},
        {FAMILY_PARTITION_UNDER_MIN, row->is_under_min},
        {FAMILY_LOG_SIZE, (int64_t)row->size_bytes},
        {FAMILY_LOG_START, row->log_start},
        {FAMILY_LOG_END, row->log_end},
        {FAMILY_LOG_SEGMENTS, row->segment_count},
    };

    for (size_t i = 0; i < array_count(values); i++)
        sample(samples, values[i].id, label, (double)values[i].value);
}

static void tell_topic(const struct scrape *scrape, const struct scrape_topic *topic,
                       struct metrics_scrape *samples)
{
    uint64_t counts[TOPIC_METRIC_COUNT] = {0};
    char label[LABEL_BYTES] = "";
    size_t topic_label_bytes;

    add_label(label, "topic", topic->name, strlen(topic->name));
    topic_label_bytes = strlen(label);
    sample(samples, FAMILY_TOPIC_PARTITIONS, label, topic->partition_count);
    for (uint32_t p = 0; p < topic->partition_count; p++) {
        const struct scrape_partition *row = &scrape->partitions[topic->first_row + p];
        if (!row->is_there)
            continue;
        label[topic_label_bytes] = '\0';
        add_number(label, "partition", p);
        tell_partition(row, label, samples);
        for (int i = 0; i < TOPIC_METRIC_COUNT; i++)
            counts[i] += row->counts[i];
    }
    label[topic_label_bytes] = '\0';
    for (int i = 0; i < TOPIC_METRIC_COUNT; i++)
        sample(samples, topic_metrics_id((enum topic_metric)i), label, (double)counts[i]);
}

/* ---- groups */

static void tell_offset(const struct scrape *scrape, const struct scrape_offset *row,
                        struct metrics_scrape *samples)
{
    const struct scrape_group *group = &scrape->groups[row->group];
    char label[LABEL_BYTES] = "";

    add_label(label, "consumergroup", group->id, group->id_bytes);
    add_label(label, "topic", row->topic, strlen(row->topic));
    if (row->has_lag)
        sample(samples, FAMILY_GROUP_LAG_SUM, label, (double)row->lag);
    add_number(label, "partition", row->partition);
    sample(samples, FAMILY_GROUP_OFFSET, label, (double)row->offset);
    if (row->has_lag)
        sample(samples, FAMILY_GROUP_LAG, label, (double)row->lag);
    if (row->age_ms < 0)
        return;
    label[0] = '\0';
    add_label(label, "group", group->id, group->id_bytes);
    add_label(label, "topic", row->topic, strlen(row->topic));
    add_number(label, "partition", row->partition);
    sample(samples, FAMILY_GROUP_LAG_SECONDS, label, (double)row->age_ms);
}

static void tell_members(const struct scrape_group *group, struct metrics_scrape *samples)
{
    char label[LABEL_BYTES] = "";

    add_label(label, "consumergroup", group->id, group->id_bytes);
    sample(samples, FAMILY_GROUP_MEMBERS, label, group->member_count);
}

/* ---- all together */

static void tell_totals(const struct scrape_totals *totals, struct metrics_scrape *samples)
{
    const struct {
        enum metric_id id;
        uint64_t value;
    } values[] = {
        {FAMILY_TOPICS, totals->topics},
        {FAMILY_GLOBAL_PARTITIONS, totals->partitions},
        {FAMILY_BROKERS, totals->brokers},
        {FAMILY_ACTIVE_CONTROLLER, 1},
        {FAMILY_OFFLINE_PARTITIONS, totals->leaderless},
        {FAMILY_PARTITIONS, totals->here},
        {FAMILY_LEADERS, totals->led},
        {FAMILY_OFFLINE_REPLICAS, totals->quarantined},
        {FAMILY_UNDER_REPLICATED, totals->under_replicated},
        {FAMILY_UNDER_MIN_ISR, totals->under_min},
        {FAMILY_AT_MIN_ISR, totals->at_min},
        {FAMILY_GROUPS, totals->groups},
        {FAMILY_GROUP_OFFSETS, totals->group_offsets},
        {FAMILY_GROUPS_EMPTY, totals->by_state[GROUP_EMPTY]},
        {FAMILY_GROUPS_PREPARING, totals->by_state[GROUP_PREPARING]},
        {FAMILY_GROUPS_COMPLETING, totals->by_state[GROUP_COMPLETING]},
        {FAMILY_GROUPS_STABLE, totals->by_state[GROUP_STABLE]},
        {FAMILY_GROUPS_DEAD, totals->by_state[GROUP_DEAD]},
        {FAMILY_TRANSACTIONAL_IDS, totals->transactional_ids},
        {FAMILY_TRANSACTIONS_OPEN, totals->transactions_open},
        {FAMILY_TRANSACTION_OLDEST, (uint64_t)totals->oldest_transaction_ms},
    };

    for (size_t i = 0; i < array_count(values); i++)
        sample(samples, values[i].id, "", (double)values[i].value);
    sample(samples, FAMILY_METRICS_LEFT_OUT, "kind=\"partitions\"",
           (double)totals->left_partitions);
    sample(samples, FAMILY_METRICS_LEFT_OUT, "kind=\"offsets\"", (double)totals->left_offsets);
    sample(samples, FAMILY_METRICS_LEFT_OUT, "kind=\"groups\"", (double)totals->left_groups);
}

void scrape_tell(const struct scrape *scrape, struct metrics_scrape *samples)
{
    tell_totals(&scrape->totals, samples);
    for (uint32_t i = 0; i < scrape->topic_count; i++)
        tell_topic(scrape, &scrape->topics[i], samples);
    for (uint32_t i = 0; i < scrape->group_count; i++)
        tell_members(&scrape->groups[i], samples);
    for (uint32_t i = 0; i < scrape->offset_count; i++)
        tell_offset(scrape, &scrape->offsets[i], samples);
}
