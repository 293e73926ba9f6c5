/* probe_ledger: the bookkeeping of a canary: which of its records are under way, what became of
 * each, and how long it took.
 *
 * Owned by one probe; holds numbers alone; times are handed in.  Bounded: PROBE_RECORDS_MAX records
 * under way.
 *   PRL-1  each record that was sent is counted once: received, lost or failed
 *   PRL-2  one that was acknowledged and not received within sla_ns of when it was sent is lost; if
 *          it comes later than that it is late, and stays lost
 *   PRL-3  one that nobody knows to be stored (a time-out) is failed, and no longer awaited */
#ifndef LEVEE_TOOLS_LOAD_PROBE_LEDGER_H
#define LEVEE_TOOLS_LOAD_PROBE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

enum { PROBE_RECORDS_MAX = 1 << 16 };

enum probe_state {
    PROBE_FREE,
    PROBE_SENT,
    PROBE_ACKNOWLEDGED,
    PROBE_RECEIVED, /* before it was acknowledged */
};

struct probe_record {
    uint64_t sequence;
    uint64_t sent_ns;
    int32_t partition;
    uint8_t state;
};

/* Of one partition. */
struct probe_counts {
    uint64_t produced; /* answered, either way */
    uint64_t failed;
    uint64_t received;
    uint64_t lost;
    uint64_t late;
    uint64_t in_flight; /* not answered yet */
};

struct probe_ledger {
    struct probe_record *records; /* a ring, by sequence */
    uint64_t first;               /* the oldest that may be under way */
    uint64_t next;                /* the next sequence */
    uint64_t sla_ns;
    struct probe_counts *counts; /* by partition; the caller's */
    int32_t partitions_count;
};

/* What an event meant. */
struct probe_event {
    bool is_known; /* one of ours that was awaited */
    int32_t partition;
    uint64_t latency_ns; /* since it was sent */
};

/* counts: partitions_count of them, zeroed, the caller's until deinit.  False: no memory. */
bool probe_ledger_init(struct probe_ledger *ledger, uint64_t sla_ns, struct probe_counts *counts,
                       int32_t partitions_count);
void probe_ledger_deinit(struct probe_ledger *ledger);

/* Is there room for another one? */
bool probe_ledger_has_room(const struct probe_ledger *ledger);

/* A record leaves; returns its sequence.  There is room. */
uint64_t probe_ledger_sent(struct probe_ledger *ledger, int32_t partition, uint64_t now_ns);

struct probe_event probe_ledger_acknowledged(struct probe_ledger *ledger, uint64_t sequence,
                                             uint64_t now_ns);
struct probe_event probe_ledger_failed(struct probe_ledger *ledger, uint64_t sequence,
                                       uint64_t now_ns);
struct probe_event probe_ledger_received(struct probe_ledger *ledger, uint64_t sequence,
                                         uint64_t now_ns);

/* Those whose time is over are lost: how many. */
uint64_t probe_ledger_expire(struct probe_ledger *ledger, uint64_t now_ns);

/* Not answered, or not received yet. */
uint64_t probe_ledger_awaited_count(const struct probe_ledger *ledger);

#endif
