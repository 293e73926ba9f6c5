/* load_pipe: read, process, write: one member of a group that reads a topic, and one transactional
 * producer that writes what it read to another, with the group's offsets in the same transaction
 * (KIP-98, KIP-447).
 *
 * A record goes to the partition of its number, as it is, so that the account of who wrote it first
 * holds for who reads it last.  Owned by load_pipes; on its worker's loop.
 *   LPI-1  a transaction holds the records between two positions, and the second ones; or it is
 *          aborted, and they are read again
 *   LPI-2  partitions that the group takes away are given up between two transactions */
#ifndef LEVEE_TOOLS_LOAD_LOAD_PIPE_H
#define LEVEE_TOOLS_LOAD_LOAD_PIPE_H

#include "tools/load/load_reader.h"
#include "tools/load/load_sender.h"

enum load_pipe_state {
    LOAD_PIPE_CONNECTING,
    LOAD_PIPE_INIT,
    LOAD_PIPE_IDLE,
    LOAD_PIPE_OPEN,
    LOAD_PIPE_OFFSETS,
    LOAD_PIPE_COMMITTING,
    LOAD_PIPE_ABORTING,
    LOAD_PIPE_BROKEN,
};

struct load_pipe {
    struct load_shared *shared;
    struct load_stats *stats;
    struct load_room *room;
    char id[64];
    enum load_pipe_state state;
    struct load_reader reader;
    struct load_sender sender;
    struct client_transaction_op op;
    struct client_group_identity identity; /* of the offsets under way */
    char member_id[256];
    struct client_group_offset *offsets;
    int64_t *first_offsets; /* of each partition in this transaction; -1: none */
    int32_t partitions_count;
    struct prng prng;
    uint64_t began_ns;
    uint32_t records_count;
    bool wants_abort;
    bool is_spoilt; /* a record could not be written */
    bool wants_leave;
};

/* number: of the run's pipes; ERR_NOMEM, ERR_INVALID; told. */
must_use enum err load_pipe_open(struct load_pipe *pipe, struct load_shared *shared,
                                 struct load_stats *stats, struct load_room *room, uint32_t number);

/* Go on.  Returns whether more can be read at once. */
bool load_pipe_turn(struct load_pipe *pipe, uint64_t now_ns);

/* It can begin its first transaction. */
bool load_pipe_is_ready(const struct load_pipe *pipe);

void load_pipe_close(struct load_pipe *pipe);
bool load_pipe_is_closed(const struct load_pipe *pipe);
void load_pipe_deinit(struct load_pipe *pipe);

#endif
