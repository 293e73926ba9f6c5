/* probe_private: what the parts of a probe share: its life and set-up (probe), its records on their
 * way round (probe_round).  One loop. */
#ifndef LEVEE_TOOLS_LOAD_PROBE_PRIVATE_H
#define LEVEE_TOOLS_LOAD_PROBE_PRIVATE_H

#include "net/client/client_fetcher.h"
#include "net/client/client_offsets.h"
#include "net/client/client_producer.h"
#include "tools/load/probe.h"
#include "tools/load/probe_message.h"
#include "tools/load/probe_topic.h"

struct probe {
    struct probe_options options;
    struct probe_summary summary;
    struct probe_metrics metrics;
    struct probe_ledger ledger;
    struct uuid id;
    struct client_cluster *cluster;
    struct client_topic *topic;
    struct client_producer *producer; /* NULL: it is being renewed */
    struct client_fetcher *fetcher;
    int32_t partitions_count; /* that it uses; 0: not known yet */
    struct probe_counts *counts;
    int64_t *places; /* behind the last record that was read; -1: none */
    /* set-up */
    struct probe_topic made;
    struct client_wait wait;
    struct client_offsets_op list;
    struct client_offset_question *questions;
    struct timer retry;
    /* the round */
    struct timer tick;
    struct timer renewal;  /* of the producer */
    struct timer reassign; /* of a partition that stopped */
    uint64_t begun_ns;
    uint64_t intended_count; /* of the schedule, so far */
    uint64_t last_received_ns;
    int32_t next_partition;
    int64_t *stops; /* by partition: 0: its fetch goes on, else where it shall begin again, as
                     * CLIENT_OFFSET_EARLIEST or _LATEST */
    uint32_t listed_count; /* of questions */
    /* the commit */
    struct client_offsets_op commit;
    struct client_group_identity identity;
    struct client_group_offset *commits;
    int16_t *commit_errors;
    uint64_t commit_asked_ns;
    bool is_committing;
    bool has_uncommitted;
    /* ends */
    bool is_renewing;
    bool is_told; /* options.done */
    bool is_ending;
    bool is_listing;
    bool is_making;     /* the topic, while records are sent */
    uint64_t looked_ns; /* when that began last */
    bool wants_cluster_closed;
    void (*closed)(void *context);
    void *closed_context;
};

void probe_private_problem(struct probe *probe, enum err err, const char *format, ...)
    printf_like(3, 4);

/* Is the topic still there?  It is made if not; one question at a time. */
void probe_private_make_again(struct probe *probe);

/* Something happened: is a probe that runs once done? */
void probe_private_look(struct probe *probe);

/* The producer that was being renewed is gone. */
void probe_private_producer_closed(struct probe *probe);

/* An operation of the cluster is over: true, the probe ends, and nothing is to be done any more
 * (it may be freed). */
bool probe_private_is_held_up(struct probe *probe);

/* ---- probe_round */

void probe_private_init_timers(struct probe *probe);
void probe_private_cancel_timers(struct probe *probe);
must_use enum err probe_private_create_producer(struct probe *probe);
must_use enum err probe_private_create_fetcher(struct probe *probe);

/* All is set up: records leave. */
void probe_private_begin(struct probe *probe);

/* Each record has come to its end, and what was read is committed, or can't be. */
bool probe_private_round_is_over(const struct probe *probe);

#endif
