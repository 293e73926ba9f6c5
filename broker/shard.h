/* shard: what one loop of the broker owns, as pointers to its rooms' faces.
 *
 * Built and ended by broker/serve.c, which alone knows everybody.  A handler finds here the two or
 * three parts that it needs; no part keeps a pointer to another shard's parts: work for another
 * shard travels in a shard_call or by request_run_on.
 *   SHD-1  partition p of topic t lives on shard_of_partition(t, p), for as long as the process
 *          runs
 *   SHD-2  the controller and the metadata log live on shard 0
 *   SHD-3  a group lives on the shard of its __consumer_offsets partition, a transactional id on
 *       that of its __transaction_state partition */
#ifndef LEVEE_BROKER_SHARD_H
#define LEVEE_BROKER_SHARD_H

#include "base/log_line.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/prng.h"
#include "base/uuid.h"
#include "broker/append_load.h"
#include "broker/clock_guard.h"
#include "broker/config/config_cache.h"
#include "broker/memory.h"
#include "broker/topic_metrics.h"

struct batch_checks;
struct conn_server;
struct config;
struct controller;
struct fetch_sessions;
struct group_coordinator;
struct image;
struct offload;
struct stall_watch;
struct store;
struct time_lookups;
struct topic_table;
struct produce_registrations;
struct transaction_coordinator;
struct request_metrics;
struct request_pool;
struct validation;

enum { SHARD_COUNT_MAX = 64 };

struct shards {
    uint32_t count;
    struct shard *at[SHARD_COUNT_MAX];
};

struct shard {
    uint32_t index;
    struct loop loop;
    struct io *io;
    struct clock *clock;
    struct clock_guard clock_guard;
    struct prng prng;
    struct log_sink *sink;
    struct memory memory;             /* budgets of this shard, by purpose */
    const struct shards *shards;      /* all of them, for posting only */
    const struct config *config;      /* read only after start; dynamic values are in the image */
    struct config_cache config_cache; /* ... and here, as shard_config tells them */
    struct image *image;              /* this shard's copy of the metadata */
    struct store *store;
    struct topic_table *topics;                   /* partitions that live here */
    struct group_coordinator *groups;             /* groups that live here */
    struct transaction_coordinator *transactions; /* transactional ids that live here */
    struct conn_server *conns;
    struct request_pool *requests;
    struct request_metrics *request_metrics;
    struct topic_metrics topic_metrics; /* of all its partitions, and of topics not found */
    struct fetch_sessions *fetch_sessions;
    struct stall_watch *stalls;    /* NULL: nobody measures */
    struct validation *validation; /* codecs and scratch for batches */
    struct append_load append_load;
    struct batch_checks *checks;                 /* batches that are looked at in turns */
    struct produce_registrations *registrations; /* batches that wait for a coordinator's word */
    struct time_lookups *lookups;                /* by time, in turns */
    struct offload *offload;       /* for what is too long for a turn; NULL: the loop does it */
    struct controller *controller; /* shard 0 only; else NULL */
};

/* The shard that a partition lives on: a hash of id and number, the same in every run. */
struct shard *shard_of_partition(const struct shards *shards, const struct uuid *topic_id,
                                 int32_t partition);

/* The effective values of the broker's keys, as of now. */
static inline const struct config_values *shard_config(struct shard *shard)
{
    return config_cache_values(&shard->config_cache, shard->config, shard->image);
}

/* ... and what a topic without values of its own has. */
static inline const struct topic_config_values *shard_topic_config(struct shard *shard)
{
    return config_cache_topics(&shard->config_cache, shard->config, shard->image);
}

static inline struct shard *shard_of_controller(const struct shards *shards)
{
    return shards->at[0];
}

/* A piece of work for another shard: run there, finished here.  Embedded in the caller's struct,
 * which must live until done.  On the same shard both happen by plain calls (done possibly inside
 * shard_call_start); otherwise by mail. */
struct shard_call {
    struct mail mail;
    struct shard *origin;
    struct shard *target;
    void (*run)(struct shard_call *call);  /* on target; ends, now or later, in shard_call_finish */
    void (*done)(struct shard_call *call); /* on origin */
};

void shard_call_start(struct shard_call *call, struct shard *origin, struct shard *target,
                      void (*run)(struct shard_call *), void (*done)(struct shard_call *));

/* On target, once. */
void shard_call_finish(struct shard_call *call);

#endif
