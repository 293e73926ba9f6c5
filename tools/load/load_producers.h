/* load_producers: the producers of one worker that know no transactions, and the schedule that
 * feeds them.
 *
 * Open loop: each record of the schedule goes to the next producer in turn that has room; when none
 * has, records stay due (they are late), and the schedule goes on.  Closed loop: a producer is
 * given the next record when one of its own was answered. Owned by a worker; its thread alone. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_PRODUCERS_H
#define LEVEE_TOOLS_LOAD_LOAD_PRODUCERS_H

#include "base/pacer.h"
#include "tools/load/load_sender.h"

struct load_producers {
    struct load_shared *shared;
    struct load_sender *senders;
    uint32_t count;
    uint32_t next; /* whose turn it is */
    struct pacer pacer;
    uint64_t records_left; /* of --records, of this worker */
    uint64_t churn_at_ns;  /* when the next producer begins anew; UINT64_MAX: never */
    uint32_t churn_next;
    bool has_more; /* the last turn ended with records that could be given at once */
};

/* Every threads_count-th producer of the run, from worker on.  ERR_NOMEM, ERR_INVALID. */
must_use enum err load_producers_open(struct load_producers *producers, struct load_shared *shared,
                                      struct load_stats *stats, struct load_room *room,
                                      uint32_t worker);

/* Give what is due.  Returns when it wants to be called again (monotonic): 0 at once, UINT64_MAX:
 * after the loop has turned. */
uint64_t load_producers_turn(struct load_producers *producers, uint64_t now_ns);

/* All can take records; *broken_out: one can't any more. */
bool load_producers_are_ready(const struct load_producers *producers, bool *broken_out);

/* Nothing is due any more, nothing under way. */
bool load_producers_are_done(const struct load_producers *producers, uint64_t now_ns);

/* What is under way is given up. */
void load_producers_close(struct load_producers *producers);
bool load_producers_are_closed(const struct load_producers *producers);
void load_producers_deinit(struct load_producers *producers);

#endif
