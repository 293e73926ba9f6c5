/* client_offsets: questions about offsets, for one or many partitions: where a log begins and ends
 * (ListOffsets), what a group has committed (OffsetFetch), and commits (OffsetCommit).
 *
 * An operation, with all that it was given, stays as it is until done, which runs once, from the
 * loop, never inside the starting call; it is retried with back-off within timeout_ms where Kafka's
 * error says that it may pass.  When the time is over, what has an error of Kafka's keeps it
 * (done(OK)); when of something nothing was said at all: ERR_TIMEOUT, and its error_code is
 * KAFKA_REQUEST_TIMED_OUT.  Other ends: ERR_CANCELED, ERR_NOMEM, ERR_UNSUPPORTED; ERR_PERMISSION
 * and ERR_INVALID of the group's coordinator. */
#ifndef LEVEE_NET_CLIENT_CLIENT_OFFSETS_H
#define LEVEE_NET_CLIENT_CLIENT_OFFSETS_H

#include "net/client/client_cluster.h"
#include "net/client/client_transaction.h"

enum {
    CLIENT_OFFSET_LATEST = -1,
    CLIENT_OFFSET_EARLIEST = -2,
    CLIENT_OFFSET_MAX_TIMESTAMP = -3, /* KIP-734 */
};

struct client_offset_question {
    struct client_topic *topic;
    int32_t partition;
    int64_t timestamp_ms; /* or CLIENT_OFFSET_... */
    /* out */
    int16_t error_code; /* Kafka's */
    int64_t offset;     /* -1: no record as late */
    int64_t found_timestamp_ms;
    int32_t leader_epoch;
};

/* Zeroed but for done, cluster and timeout_ms. */
struct client_offsets_op {
    void (*done)(struct client_offsets_op *op, enum err err); /* OK: look at each error_code */
    struct client_cluster *cluster;
    uint32_t timeout_ms;
    /* inside: client_offsets.c's */
    const struct client_offsets_kind *kind;
    void *detail;
    struct task task;
    struct timer timer;
    uint64_t deadline_ns;
    uint32_t attempt;
    enum err err;
    bool is_busy; /* a call or a wait is under way, whose end goes on */
    bool is_ended;
};

/* The same partition may be asked about more than once.  is_committed: LATEST is the last stable
 * offset. */
void client_offsets_list(struct client_offsets_op *op, struct client_offset_question *questions,
                         uint32_t count, bool is_committed);

struct client_offset_committed {
    struct client_topic *topic;
    int32_t partition;
    /* out */
    int16_t error_code;
    int64_t offset; /* -1: none committed */
    int32_t leader_epoch;
};

/* require_stable: offsets of open transactions are waited for (KIP-447). */
void client_offsets_fetch(struct client_offsets_op *op, const char *group_id,
                          struct client_offset_committed *partitions, uint32_t count,
                          bool require_stable);

/* Commits are not ordered among each other: one at a time.  identity: of a member, or with a group
 * id alone (KAFKA_UNKNOWN_MEMBER_ID when the group has members).  error_codes: count of them,
 * filled before done; NULL: the first error makes it done(ERR_REFUSED). */
void client_offsets_commit(struct client_offsets_op *op,
                           const struct client_group_identity *identity,
                           const struct client_group_offset *offsets, uint32_t count,
                           int16_t *error_codes);

/* done(ERR_CANCELED) comes soon. */
void client_offsets_cancel(struct client_offsets_op *op);

#endif
