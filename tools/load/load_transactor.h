/* load_transactor: one transactional producer of a run: begin, records over some partitions, commit
 * or abort; sometimes a second producer takes its id in the middle, and it must be fenced.
 *
 * Owned by load_transactions; on its worker's loop.
 *   LTA-1  a transaction that was given ends, is aborted, or its end is told as unknown
 *   LTA-2  after a second producer has taken the id, a commit of the first that succeeds is an
 *          error
 *   LTA-3  the account hears of the end after the outcome of each record */
#ifndef LEVEE_TOOLS_LOAD_LOAD_TRANSACTOR_H
#define LEVEE_TOOLS_LOAD_LOAD_TRANSACTOR_H

#include "tools/load/load_sender.h"

enum load_transactor_state {
    LOAD_TRANSACTOR_CONNECTING,
    LOAD_TRANSACTOR_INIT, /* takes its id */
    LOAD_TRANSACTOR_IDLE,
    LOAD_TRANSACTOR_SENDING,
    LOAD_TRANSACTOR_FENCING, /* the second producer connects and takes the id */
    LOAD_TRANSACTOR_COMMITTING,
    LOAD_TRANSACTOR_ABORTING,
    LOAD_TRANSACTOR_BROKEN,
};

struct load_transactor {
    struct load_shared *shared;
    struct load_stats *stats;
    struct load_room *room;
    char id[64];
    enum load_transactor_state state;
    struct load_sender senders[2]; /* the other one was fenced, or is not opened */
    uint32_t active;
    bool is_other_open;
    struct client_transaction_op op;
    struct client_transaction_op other_op;
    struct prng prng;
    uint64_t number; /* of the transaction, from 1 */
    uint64_t intended_ns;
    uint64_t began_ns;
    uint32_t left; /* records to be sent */
    bool wants_abort;
    bool wants_zombie;
    bool is_fenced; /* the other has the id now */
};

/* number: of the run's producers.  ERR_NOMEM, ERR_INVALID; told. */
must_use enum err load_transactor_open(struct load_transactor *transactor,
                                       struct load_shared *shared, struct load_stats *stats,
                                       struct load_room *room, uint32_t number);

/* Begin a transaction that was intended then; only in IDLE. */
void load_transactor_give(struct load_transactor *transactor, uint64_t intended_ns);

/* Go on: connect, send, end. */
void load_transactor_turn(struct load_transactor *transactor);

static inline struct load_sender *load_transactor_sender(struct load_transactor *transactor)
{
    return &transactor->senders[transactor->active];
}

void load_transactor_close(struct load_transactor *transactor);
bool load_transactor_is_closed(const struct load_transactor *transactor);
void load_transactor_deinit(struct load_transactor *transactor);

#endif
