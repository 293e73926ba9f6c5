/* transaction_world: a small world around the real transaction_decide, as a value: clients, a
 * coordinator, partitions, a journal that a crash cuts.
 *
 * For the enumeration: a state is copied, one step is taken, and what must hold is checked.  The
 * coordinator and the partitions share one journal and apply at the append; what a client is told
 * waits until it is durable (transaction_coordinator.h).
 *   TWO-1  a state is zeroed at first, copied whole, and has no pointers, so that its bytes tell it
 *          apart: what an assignment may leave in padding costs a state more, and hides none */
#ifndef LEVEE_TESTS_SUPPORT_TRANSACTION_WORLD_H
#define LEVEE_TESTS_SUPPORT_TRANSACTION_WORLD_H

#include "broker/coordinator/transaction_decide.h"

enum {
    WORLD_IDS = 2,
    WORLD_PARTITIONS = 2,
    WORLD_CLIENTS = 3,
    WORLD_TXNS = 4,
};

enum world_outcome { OUTCOME_NONE, OUTCOME_OPEN, OUTCOME_COMMITTED, OUTCOME_ABORTED };

enum client_phase {
    CLIENT_NEW,    /* asks for its epoch */
    CLIENT_READY,  /* between transactions */
    CLIENT_IN,     /* in one */
    CLIENT_ENDING, /* has asked for its end */
    CLIENT_OVER,   /* has done all, or was told that it is fenced */
};

/* What a client has asked for and not heard of. */
enum client_ask { ASK_NOTHING, ASK_INIT, ASK_ADD, ASK_PRODUCE, ASK_END };

/* What a partition knows of one transactional id. */
struct world_producer {
    int8_t producer_id; /* 0: nobody */
    int8_t open;        /* the transaction whose records are open, + 1; 0: none */
    int16_t epoch;      /* the newest that it has seen */
    int16_t open_epoch;
};

/* All that a crash cuts back to what is durable. */
struct world_log {
    struct world_id {
        int8_t is_known;
        int8_t state;
        int8_t client_version;
        int8_t set; /* a bit for each partition that is in the transaction */
        int16_t epoch;
        int8_t producer_id, previous_producer_id, next_producer_id;
        int8_t unused;
    } ids[WORLD_IDS];
    struct world_producer producers[WORLD_PARTITIONS][WORLD_IDS];
    int8_t outcomes[WORLD_TXNS][WORLD_PARTITIONS];
};

struct world_client {
    int8_t phase;
    int8_t ask;
    int8_t ask_partition;
    int8_t has_answer; /* it is on its way */
    int8_t is_durable; /* so that it may be delivered */
    int8_t txn;        /* that it is in; -1 */
    int8_t txns_left;
    int8_t added; /* a bit a partition: TV1 has asked for it */
    int8_t written;
    int8_t commits; /* ENDING: else aborts */
    int8_t must_abort;
    int8_t producer_id; /* that it has; 0: none */
    int16_t epoch;
    int16_t answer_error;
    int16_t answer_epoch;
    int8_t answer_producer_id;
    int8_t connection; /* grows with each new one */
};

struct world {
    struct world_log log, durable;
    int16_t last_epochs[WORLD_IDS]; /* the coordinator's memory, not recorded */
    int8_t lanes[WORLD_CLIENTS];    /* likewise: the newest connection that a client was heard on */
    int8_t next_producer_id;
    struct world_client clients[WORLD_CLIENTS];
    /* A frame that the network holds back: EndTxn. */
    struct world_delayed {
        int8_t is_there;
        int8_t client;
        int8_t commit;
        int8_t producer_id;
        int16_t epoch;
        int8_t connection;
        int8_t unused;
    } delayed;
    /* What may still happen. */
    int8_t crashes, timeouts, losses, delays;
    /* What was meant and told, for the rules; no part of the broker. */
    int8_t txn_client[WORLD_TXNS];
    int8_t asked_commit[WORLD_TXNS];
    int8_t told[WORLD_TXNS];         /* 1: committed, 2: aborted */
    int8_t told_written[WORLD_TXNS]; /* a bit a partition */
    int8_t txn_count;
    int8_t unused;
};

struct world_rules {
    int8_t versions[WORLD_CLIENTS]; /* TRANSACTION_V1, TRANSACTION_V2 */
    int8_t ids[WORLD_CLIENTS];      /* whose transactional id */
    int8_t txns[WORLD_CLIENTS];
    int8_t partitions[WORLD_CLIENTS]; /* that it writes to: so many of them */
    int8_t server_version;
    int16_t first_epoch; /* the epoch before the first one that is handed out */
    int8_t crashes, timeouts, losses, delays;
    bool reinits; /* after an abort a client asks for the next epoch, giving its own (KIP-360) */
    bool aborts_nothing; /* TV2: also a transaction in which nothing was written is ended */
    bool guards_lanes;   /* a frame of an older connection is not executed (TV1) */
};

void world_init(struct world *world, const struct world_rules *rules);

/* The next states, by steps 0, 1, ...: false when there is no such step; *out is the state after it
 * (perhaps an equal one).  NULL in *broken_out, or which rule the step broke. */
bool world_step(const struct world *world, const struct world_rules *rules, unsigned step,
                bool *happened_out, struct world *out, const char **broken_out);

/* What must hold in every state: NULL, or what does not. */
const char *world_check(const struct world *world, const struct world_rules *rules);

/* From here on no client does anything: all that is open ends.  NULL, or what does not hold
 * then. */
const char *world_check_drained(const struct world *world, const struct world_rules *rules);

#endif
