/* broker_private: what broker.c and broker_stop.c share. */
#ifndef LEVEE_BROKER_BROKER_PRIVATE_H
#define LEVEE_BROKER_BROKER_PRIVATE_H

#include "broker/broker.h"
#include "broker/descriptors.h"
#include "broker/request_summaries.h"
#include "broker/stall_watch.h"
#include "storage/dir/log_dir.h"

/* One shard and what the broker does with it in steps. */
struct station {
    struct shard shard;
    struct broker *broker;
    struct stall_watch stalls;
    struct request_metrics request_metrics;
    struct mail start_mail;
    struct mail serve_mail;
    struct mail drain_mail;
    struct mail store_mail;
    struct mail back; /* an answer to shard 0 */
    enum err result;
    bool store_failed;
};

struct broker {
    struct broker_options options;
    struct log_dir dir;
    struct marks_set *marks;
    struct journal_scan *scan;
    struct slab scan_slab;
    struct shards shards;
    struct station *stations;
    struct front *front;
    struct descriptors descriptors;
    struct memory_limits memory_limits; /* of a shard */
    struct loader *loader;
    struct controller *controller;
    struct broker_lifecycle *life;
    struct last_words *last_words;
    struct scrape *scrape;
    struct request_summaries summaries;
    struct mail stop_mail;
    uint32_t pending_count; /* shards that still work on the current step; shard 0's */
    enum err result;
    bool opened_dir;
    bool stopping;
};

#endif
