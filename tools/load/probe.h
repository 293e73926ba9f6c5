/* probe: a canary of a cluster: some records a second go through produce, fetch and commit, on a
 * topic of its own, and what that takes is counted (probe_metrics).
 *
 * One for a command; lives on the loop of its env.  It goes on whatever the cluster does: what
 * fails is counted and tried again.  Records carry the probe's own id: several may share a topic.
 *   PRB-1  a record's time counts from when it was intended, whatever delays it
 *   PRB-2  what the schedule had and the producer could not take is counted as failed
 *   PRB-4  the topic is made anew when nothing comes back and it is not there (somebody deleted it)
 *   PRB-3  at most one commit is under way; what was read meanwhile is in the next one */
#ifndef LEVEE_TOOLS_LOAD_PROBE_H
#define LEVEE_TOOLS_LOAD_PROBE_H

#include "net/client/client_cluster.h"
#include "tools/load/probe_metrics.h"

struct probe;

struct probe_options {
    const struct client_env *env;
    const char *brokers; /* "host:port,..." */
    const char *topic;
    const char *group_id; /* whose offsets are committed */
    double rate;          /* records a second, over all partitions */
    uint32_t sla_ms;      /* later is lost */
    bool is_once;         /* one record to each partition, then it is done */
    struct metrics *registry;
    /* Optional: is_once is done, or cannot go on. */
    void (*done)(void *context);
    void *context;
};

/* The texts stay the caller's.  ERR_INVALID: the addresses, told in problem.  ERR_NOMEM. */
must_use enum err probe_create(const struct probe_options *options, struct probe **out,
                               char *problem, size_t problem_max);

/* closed runs once, from the loop; the probe is freed then. */
void probe_destroy(struct probe *probe, void (*closed)(void *context), void *context);

/* What it came to so far. */
struct probe_summary {
    int32_t partitions_count;
    struct probe_counts counts; /* of all partitions */
    uint64_t commits_count, commits_failed;
    uint64_t produce_max_ns, roundtrip_max_ns, commit_max_ns;
    enum err err;      /* of what failed last; OK: nothing did */
    char problem[192]; /* the same for people */
    bool has_begun;    /* the topic is there, records are sent */
    bool is_up;        /* levee_probe_up */
};
struct probe_summary probe_summary_of(const struct probe *probe);

/* Is all well?  Of a probe that runs once each record has come back; of another one some may be
 * under way. */
bool probe_summary_is_good(const struct probe_summary *summary, bool is_once);

#endif
