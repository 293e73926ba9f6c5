/* oracle_private: what the parts of the oracle share: offsets, values, producers in an audit. */
#ifndef LEVEE_TESTS_ORACLE_PRIVATE_H
#define LEVEE_TESTS_ORACLE_PRIVATE_H

#include "base/err.h"
#include "tests/sim/oracle.h"

enum fate { FATE_NONE, FATE_OPEN, FATE_OK, FATE_INFO, FATE_FAIL };

struct oracle_slot {
    uint64_t value;
    uint64_t audit;       /* the last that saw it */
    uint64_t since_ns;    /* first seen */
    int64_t timestamp_ms; /* by append time: as first seen */
    bool known;
    bool acknowledged;
    bool read;
    bool timestamp_known;
    bool again;    /* the value stands lower too: its producer was forgotten meanwhile */
    bool in_doubt; /* the power was lost, and the topic may have lost it */
};

struct oracle_send {
    enum fate fate;
    uint32_t partition;
    uint32_t session;
    int32_t sequence;
    uint64_t sent_ns; /* the first time */
    int64_t offset;   /* -1: never seen; stored again: the highest */
    int64_t timestamp_ms;
    int32_t value_bytes;
    bool forbidden;
};

/* A producer id and epoch in an audit; or, without an id, a client and its session. */
struct oracle_run {
    int64_t producer_id;
    int32_t producer_epoch;
    int32_t next_sequence;
    uint32_t client;
    uint32_t session;
    uint64_t next_counter; /* above the last value that stood there */
};

struct oracle_doubt {
    uint32_t partition;
    int64_t offset;
};

printf_like(4, 5) void oracle_private_complain(struct oracle *oracle, const char *rule,
                                               const struct history_event *event,
                                               const char *format, ...);

/* items with room for needed ones, new ones zeroed. */
void *oracle_private_grown(void *items, uint64_t needed, uint64_t *capacity, size_t item_bytes);

/* NULL: nobody has sent this value. */
struct oracle_send *oracle_private_send(struct oracle *oracle, uint64_t value);

/* value stands at offset: DUR-L1, DUR-I1, DUR-L5.  NULL: it says nothing about the log as it is
 * now. */
struct oracle_slot *oracle_private_place(struct oracle *oracle, const struct history_event *event);

/* The larger of what is known and what was seen. */
void oracle_private_raise(int64_t *known, int64_t seen);

/* ---- events, by the part that judges them */

void oracle_audit_take(struct oracle *oracle, const struct history_event *event);
void oracle_audit_take_read(struct oracle *oracle, const struct history_event *event);
void oracle_audit_take_end(struct oracle *oracle, const struct history_event *event);

void oracle_commit_take(struct oracle *oracle, const struct history_event *event);
void oracle_commit_take_ok(struct oracle *oracle, const struct history_event *event);
void oracle_commit_take_info(struct oracle *oracle, const struct history_event *event);
void oracle_commit_take_fetched(struct oracle *oracle, const struct history_event *event);

#endif
