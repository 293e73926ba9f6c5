/* scrape_private: the facts of a tour, and where it is; for scrape*.c alone. */
#ifndef LEVEE_BROKER_SCRAPE_PRIVATE_H
#define LEVEE_BROKER_SCRAPE_PRIVATE_H

#include "base/arena.h"
#include "broker/coordinator/group.h"
#include "broker/scrape.h"
#include "broker/shard.h"
#include "broker/topic_metrics.h"

enum {
    SCRAPE_SLICE_ROWS = 256,     /* in one turn of a loop */
    SCRAPE_NAME_BYTES_MAX = 512, /* of a group; a longer one is left out */
};

/* A topic whose partitions are told, in order of name. */
struct scrape_topic {
    const char *name; /* in the arena */
    struct uuid id;
    uint32_t first_row;
    uint32_t partition_count;
};

struct scrape_partition {
    bool is_there; /* its shard has told */
    bool is_preferred;
    bool is_under_min;
    int32_t leader;
    uint32_t replica_count;
    uint32_t isr_count;
    uint32_t segment_count;
    uint64_t size_bytes;
    int64_t log_start;
    int64_t high_watermark;
    int64_t log_end;
    uint64_t counts[TOPIC_METRIC_COUNT];
};

struct scrape_group {
    const char *id; /* in the arena */
    size_t id_bytes;
    uint32_t member_count;
};

/* A committed offset. */
struct scrape_offset {
    uint32_t group;    /* of scrape.groups */
    const char *topic; /* in the arena */
    struct uuid topic_id;
    int32_t partition;
    int64_t offset;
    bool has_topic; /* there is such a partition */
    bool has_lag;   /* its shard has told */
    int64_t lag;
    int64_t age_ms; /* of what is next; -1: unknown */
};

struct scrape_totals {
    uint64_t topics, partitions, brokers, leaderless;         /* of the cluster */
    uint64_t here, led, quarantined;                          /* of partitions */
    uint64_t under_replicated, under_min, at_min;             /* of those led */
    uint64_t groups, group_offsets, by_state[GROUP_DEAD + 1]; /* enum group_state */
    uint64_t transactional_ids, transactions_open;
    int64_t oldest_transaction_ms;                       /* its age */
    uint64_t left_partitions, left_offsets, left_groups; /* SCR-3 */
};

enum scrape_step { SCRAPE_PLAN, SCRAPE_GROUPS, SCRAPE_PARTITIONS, SCRAPE_OFFSETS, SCRAPE_END };
enum scrape_state { SCRAPE_IDLE, SCRAPE_RUNNING, SCRAPE_DONE };

struct scrape {
    const struct shards *shards;
    uint32_t rows_max;
    uint32_t state; /* atomic: enum scrape_state */
    bool told_limit;
    struct metrics_collector collector;
    void (*done)(void *context);
    void *context;
    /* where the tour is */
    struct mail mail;
    struct task task;
    struct shard *at;
    enum scrape_step step;
    char name[SCRAPE_NAME_BYTES_MAX + 1]; /* of the topic, or the group, that is next or was last */
    size_t name_bytes;
    bool is_inside;       /* the topic or group of that name has been begun */
    size_t cursor;        /* of groups, or a row */
    size_t inside_cursor; /* of a topic's partitions, or a group's offsets */
    uint32_t next_topic;  /* of topics, for the partitions */
    int64_t now_ms;
    /* the facts */
    struct arena arena;
    struct scrape_topic *topics;
    uint32_t topic_count;
    struct scrape_partition *partitions;
    uint32_t partition_count;
    struct scrape_group *groups;
    uint32_t group_count;
    struct scrape_offset *offsets;
    uint32_t offset_count;
    struct scrape_totals totals;
};

/* Each does a slice of its step on scrape->at; true: the step is done on this shard. */
bool scrape_plan(struct scrape *scrape);
bool scrape_partitions(struct scrape *scrape);
bool scrape_groups(struct scrape *scrape);
bool scrape_transactions(struct scrape *scrape); /* in one slice */
bool scrape_offsets(struct scrape *scrape);

/* On the thread that scrapes: the facts as samples. */
void scrape_tell(const struct scrape *scrape, struct metrics_scrape *samples);

#endif
