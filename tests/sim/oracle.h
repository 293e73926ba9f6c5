/* oracle: judges a history: what no correct broker lets its clients see.
 *
 * Listens to a history, event by event.  It knows a map from offset to value for each partition
 * (from answers to sends, from reads, from audits) and the fate of each value.  Complaints carry
 * the name of the rule (docs/rules.md):
 *   DUR-L1   one offset, two values
 *   DUR-L2   an audit finds a hole
 *   DUR-L3   an acknowledged value is gone
 *   DUR-L4   a value that somebody read is gone
 *   DUR-L5   a value that nobody sent, or that was certainly refused
 *   DUR-L6   a watermark went back, or they are out of order
 *   DUR-L7   sent a, b, both acknowledged, stored b, a
 *   DUR-L8   a fetch jumped over offsets
 *   DUR-L14  the log start moved over records that neither age nor size nor a request lets go
 *   DUR-I1   one value at two offsets
 *   DUR-I2   sequences of a producer have a gap
 *   DUR-I4   the next sequence in order was refused
 *   DUR-I8   a producer id was handed out twice
 *   DUR-G1, DUR-G2, DUR-G9, DUR-G10: of groups' members, oracle_group
 *   DUR-G3   a committed offset is older than one acknowledged before
 *   DUR-G4   an offset that nobody committed
 *   ORDER    a request was overtaken by one behind it on the same connection
 *   WIRE, LATE: what the client itself complained about
 * What goes by age (records, committed offsets, what is known of a producer, which DUR-I1 to
 * DUR-I4 rest on) may go when the broker's clock said so, and not before: oracle_age. DUR-L1
 * compares key, headers (the client does that) and times.  DUR-L7 holds for everything that an
 * audit reads, acknowledged or not.  Of a topic in the mode cache, a power loss may take the
 * newest records; then others may take their offsets.  The rules for holes assume topics without
 * compaction and transactions. */
#ifndef LEVEE_TESTS_ORACLE_H
#define LEVEE_TESTS_ORACLE_H

#include "base/check.h"
#include "tests/sim/history.h"
#include "tests/sim/oracle_age.h"

#include <stdarg.h>

enum { ORACLE_COMPLAINTS_MAX = 16 };

struct oracle_complaint {
    char rule[8];
    char text[256];
    uint32_t partition;
    int64_t offset;
    uint64_t value;
    uint64_t time_ns;
};

struct oracle_slot;  /* one offset */
struct oracle_send;  /* one value */
struct oracle_run;   /* one producer in an audit */
struct oracle_doubt; /* one commit whose fate nobody knows */

/* What may go, and what the broker writes over. */
struct oracle_rules {
    bool cache; /* levee.durability */
    bool append_time;
    int64_t retention_ms; /* -1: for ever */
    int64_t retention_bytes;
};

struct oracle_partition {
    struct oracle_rules rules;
    int64_t delete_asked;      /* everything below may be gone */
    uint64_t power_lost_ns;    /* 0: never */
    int64_t audit_start;       /* where the audit that runs began */
    struct oracle_slot *slots; /* by offset */
    int64_t slots_count;
    int64_t slots_capacity;
    int64_t low, stable, high; /* the largest that anybody saw */
    int64_t audit_next;        /* the next offset of the audit that runs */
    uint64_t audit;            /* its number */
    struct oracle_run *runs;   /* of this audit */
    uint32_t runs_count;
    uint32_t runs_capacity;
};

struct oracle_client {
    struct oracle_send *sends; /* by counter */
    uint64_t sends_count;
    uint64_t sends_capacity;
    int64_t committed[HISTORY_PARTITIONS_MAX];     /* acknowledged last; -1: none */
    uint64_t attempted_ns[HISTORY_PARTITIONS_MAX]; /* when the newest was asked for */
    uint64_t committed_ns[HISTORY_PARTITIONS_MAX]; /* when the acknowledged one was asked for */
    int64_t attempted[HISTORY_PARTITIONS_MAX];     /* the largest ever asked for; -1: none */
    struct oracle_doubt *doubts;                   /* commits that may still take effect */
    uint64_t doubts_count;
    uint64_t doubts_capacity;
};

struct oracle_groups; /* members and generations */

struct oracle {
    struct oracle_partition partitions[HISTORY_PARTITIONS_MAX];
    struct oracle_client clients[HISTORY_CLIENTS_MAX];
    struct oracle_groups *groups;
    int64_t *producer_ids;
    uint32_t producer_ids_count;
    uint32_t producer_ids_capacity;
    struct oracle_complaint complaints[ORACLE_COMPLAINTS_MAX];
    uint64_t complaints_count;    /* all; the first are kept */
    int64_t offsets_retention_ms; /* 0: for ever */
    int64_t producers_idle_ms;    /* producer.id.expiration.ms; 0: for ever */
    uint32_t producers_max;       /* that a partition remembers; 0: all */
    struct oracle_age age;        /* of the broker's clock */
    bool rotten;         /* bytes at rest were changed: what cannot be read is no complaint */
    bool garbled;        /* something that nobody sent was read */
    int64_t wall_min_ms; /* the earliest time that the broker ever had; 0: not known */
    uint64_t acknowledged_count;
    uint64_t reads_count;
};

struct oracle *oracle_create(void);

/* The broker finds no memory now and then.  What it could not load it reads again, and meanwhile
 * answers heartbeats without a look, as Kafka's coordinator while it loads. */
void oracle_tell_memory_ends(struct oracle *oracle);
void oracle_destroy(struct oracle *oracle);

/* Before anything of the partition happens; without it nothing may go. */
void oracle_set_rules(struct oracle *oracle, uint32_t partition, const struct oracle_rules *rules);

/* Look at the next event; what history.listen wants (context: the oracle). */
void oracle_take(void *oracle, const struct history_event *event);

/* What must be true of an answer to a question asked now (DUR-L6): filled into the event of the
 * answer.
 */
void oracle_floors(const struct oracle *oracle, uint32_t partition, struct history_event *out);

/* The offset that a client's group has for a partition at least, when it is asked now (DUR-G3). */
int64_t oracle_committed(const struct oracle *oracle, uint32_t client, uint32_t partition);

/* A complaint of the scenario itself, about no partition (rule "WIRE", "MEM" and the like). */
void oracle_complain(struct oracle *oracle, const char *rule, uint64_t time_ns, const char *text);

/* A complaint about what an event tells. */
void oracle_complain_about(struct oracle *oracle, const char *rule,
                           const struct history_event *event, const char *format, va_list args);

/* The first complaint, or NULL. */
const struct oracle_complaint *oracle_first(const struct oracle *oracle);

#endif
