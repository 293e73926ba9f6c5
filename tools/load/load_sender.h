/* load_sender: one producer of a run: a client of its own, and the records that it makes: key,
 * size, payload, partition, stamp; and what became of each.
 *
 * Owned by a worker, on whose loop it lives.
 *   LSN-1  each record that is made is accounted for once: stored, failed, or unknown
 *   LSN-2  the time of a record is counted from when it was intended, however late it was given
 *   LSN-3  a record that the client has no room for is kept, and given as soon as there is room; it
 *          is the only one, and no other is made before
 * Without a key records stay with one partition for a batch or for the linger time, then go on with
 * the next (as KIP-794 does, by turns). */
#ifndef LEVEE_TOOLS_LOAD_LOAD_SENDER_H
#define LEVEE_TOOLS_LOAD_LOAD_SENDER_H

#include "net/client/client_producer.h"
#include "net/client/client_transaction.h"
#include "tools/load/load_keys.h"
#include "tools/load/load_room.h"
#include "tools/load/load_shared.h"
#include "tools/load/load_stats.h"

enum { LOAD_KEY_BYTES_MAX = 1024, LOAD_HEADERS_MAX = 64 };

/* A record under way. */
struct load_slot {
    uint64_t intended_ns;
    uint64_t sequence;
    uint32_t size_bytes; /* of key and value */
    uint32_t next_free;  /* while it is free */
};

/* The record that was made last. */
struct load_made {
    uint64_t intended_ns;
    uint64_t sequence;
    int32_t partition;
    uint32_t value_bytes;
    bool is_held; /* the client had no room */
};

enum load_sender_state {
    LOAD_SENDER_CONNECTING, /* learns the topic */
    LOAD_SENDER_READY,
    LOAD_SENDER_RETIRING, /* takes no more, waits for what is under way, then begins anew */
    LOAD_SENDER_CLOSING,
    LOAD_SENDER_CLOSED,
    LOAD_SENDER_BROKEN, /* it cannot go on; the error is told */
};

struct load_sender {
    struct load_shared *shared;
    struct load_stats *stats;
    struct load_room *room;
    uint32_t number; /* of the run's producers */
    uint32_t topic_index;
    const char *topic_name;
    const char *transactional_id; /* NULL: none; the owner's */
    bool is_forwarding;           /* it writes what others made: who made it is told nothing */
    enum load_sender_state state;
    struct client_cluster *cluster;
    uint64_t failures_count; /* of its connections, as noted */
    struct client_producer *producer;
    struct client_topic *topic;
    struct client_wait wait;
    bool is_again; /* after closing: begin anew */
    bool has_room; /* as far as is known */
    uint32_t epoch;
    uint64_t sequence;
    uint64_t *partition_sequences;
    int32_t partitions_count;
    struct load_keys keys;
    struct load_size size;
    uint64_t payload_place;
    char key[LOAD_KEY_BYTES_MAX];
    struct record_header headers[LOAD_HEADERS_MAX];
    uint8_t *value;          /* room for the largest */
    int32_t partition;       /* of records without key */
    uint32_t partition_from; /* records go to partition_count partitions from here on; 0: to all */
    uint32_t partition_count;
    uint64_t partition_bytes;
    uint64_t partition_since_ns;
    uint64_t transaction; /* 0: none */
    uint32_t transaction_index;
    uint32_t transaction_size;
    uint64_t transaction_failed; /* records of it that were not stored */
    uint64_t transaction_stored;
    bool expects_fencing; /* another has its id: that its records are refused is no error */
    struct load_made made;
    struct load_slot *slots;
    uint32_t slots_count;
    uint32_t free_slot; /* UINT32_MAX: none */
    uint64_t flying_count;
};

/* Zeroed but for the first nine. ERR_NOMEM,
 * ERR_INVALID (the addresses; told). */
must_use enum err load_sender_open(struct load_sender *sender);

/* Give a record that was intended then.  OK also when it is held (LSN-3).  ERR_FULL: the account
 * has no memory for it: nothing was made; again when more was read.  Other errors are told, and the
 * sender is broken. */
must_use enum err load_sender_give(struct load_sender *sender, uint64_t intended_ns);

/* Write a record as it is, of a sender that forwards.  ERR_FULL: no room.  Other errors as
 * client_producer_send. */
must_use enum err load_sender_forward(struct load_sender *sender, int32_t partition,
                                      const struct record *record);

/* Give what is held, if there is room now. */
void load_sender_retry(struct load_sender *sender);

/* Its number in stamps and in the account. */
static inline uint32_t load_sender_producer(const struct load_sender *sender)
{
    return sender->shared->first_producer + sender->number;
}

/* READY, nothing held. */
static inline bool load_sender_is_free(const struct load_sender *sender)
{
    return sender->state == LOAD_SENDER_READY && !sender->made.is_held;
}

/* Nothing held, nothing under way. */
static inline bool load_sender_is_idle(const struct load_sender *sender)
{
    return !sender->made.is_held && sender->flying_count == 0;
}

/* Wait for what is under way, close the connections, and begin anew. */
void load_sender_retire(struct load_sender *sender);

/* Look after a sender that retires; cheap. */
void load_sender_turn(struct load_sender *sender);

/* What is under way is given up; state CLOSED comes from the loop. */
void load_sender_close(struct load_sender *sender);

/* CLOSED, or never opened. */
void load_sender_deinit(struct load_sender *sender);

#endif
