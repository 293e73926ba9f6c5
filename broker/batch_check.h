/* batch_check: may a client's batch be stored, and as which bytes?  Found out on the loop when that
 * is quick, beside it (base/offload) when it is not.
 *
 * What a look costs is known only when it is done: a few kB of compressed bytes may expand to what
 * levee.uncompressed.batch.max.bytes allows.  So the loop looks for some milliseconds a turn.  What
 * it does not come to goes on in the next turn; a batch that would take a whole turn for itself is
 * looked at from its beginning by a thread.
 *   CHK-1  what the checks of one turn cost the loop is bounded (TURN_NS)
 *   CHK-2  clients have their turns one after the other, and of a client its requests: one with
 *          many long checks does not hold up the others
 *   CHK-3  memory of checks under way is bounded: so many of a shard are (THREADS_BUSY_MAX)
 */
#ifndef LEVEE_BROKER_BATCH_CHECK_H
#define LEVEE_BROKER_BATCH_CHECK_H

#include "base/slab.h"
#include "broker/shard.h"
#include "broker/turn_lines.h"
#include "record/batch_validate.h"

struct batch_check_job;
struct batch_checks;

/* Owned by the caller until it has ended, and embedded in its struct. */
struct batch_check {
    /* in */
    struct batch_rules rules;
    int8_t codec;              /* what it is to be stored in; -1: as it came */
    uint64_t recode_max_bytes; /* what it may expand to when it is written anew */
    const uint8_t *bytes;      /* as it came; the frame's */
    uint32_t size_bytes;
    struct buf *frame;       /* a reference is taken while a thread looks */
    struct turn_owner owner; /* whose turn it is (CHK-2) */
    struct budget *budget; /* counts errors, of which it leaves half to others; NULL: nobody does */
    /* After ERR_AGAIN, from the loop, once: OK, or as batch_validate, or validation_recode.  On OK
     * stored and stored_bytes are what is to be stored. */
    void (*done)(struct batch_check *check, enum err err);
    /* out */
    struct batch_info info;
    const uint8_t *stored; /* bytes, memory of its own, or the shard's scratch: batch_check_keep */
    uint32_t stored_bytes;
    struct batch_record_error *errors; /* all of them, where info has no room, or NULL: not kept */
    int32_t error_count;
    uint64_t errors_bytes; /* of budget */
    /* inside */
    struct turn_waiter waiter;
    struct shard *at;
    struct batch_check_job *job; /* a thread looks */
    uint8_t *own_bytes;
};

/* The checks of one shard. */
/* Never NULL. */
must_use struct batch_checks *batch_checks_create(struct shard *shard);

/* Nobody waits any more, and no thread works any more (offload_destroy). */
void batch_checks_destroy(struct batch_checks *checks);

/* ERR_AGAIN: done follows; else that is the answer. */
must_use enum err batch_check_start(struct batch_check *check, struct shard *shard);

/* stored is to outlive the next check: ERR_NOMEM. */
must_use enum err batch_check_keep(struct batch_check *check);

/* done does not run any more.  Nothing happens to one that has ended. */
void batch_check_cancel(struct batch_check *check);

/* Give back what it holds; it has ended or was canceled. */
void batch_check_deinit(struct batch_check *check);

static inline bool batch_check_is_running(const struct batch_check *check)
{
    return check->waiter.line != NULL || check->job != NULL;
}

#endif
