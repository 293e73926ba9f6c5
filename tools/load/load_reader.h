/* load_reader: one consumer of a run: a client of its own, its partitions, where it begins, what it
 * reads, what it commits.
 *
 * Owned by a worker, on whose loop it lives.  Partitions are dealt out once (by number), or by a
 * group.
 *   LRD-1  what it has read is counted, told to the account (first subscription), then committed;
 *          never the other way round
 *   LRD-2  while partitions are being given up nothing is read */
#ifndef LEVEE_TOOLS_LOAD_LOAD_READER_H
#define LEVEE_TOOLS_LOAD_LOAD_READER_H

#include "net/client/client_fetcher.h"
#include "net/client/client_member.h"
#include "net/client/client_offsets.h"
#include "tools/load/load_room.h"
#include "tools/load/load_shared.h"
#include "tools/load/load_stats.h"

enum load_reader_state {
    LOAD_READER_CONNECTING,
    LOAD_READER_STARTING, /* where does each partition begin? */
    LOAD_READER_READY,
    LOAD_READER_CLOSING,
    LOAD_READER_CLOSED,
    LOAD_READER_BROKEN,
};

struct load_reader_partition {
    bool is_owned;      /* dealt to us */
    bool is_fetching;   /* the fetcher has it */
    bool is_leaving;    /* being given up */
    int64_t end_offset; /* LOAD_PHASE_READ: read up to there; -1: not known yet */
};

struct load_reader {
    struct load_shared *shared;
    struct load_stats *stats;
    struct load_room *room;
    uint32_t topic_index;
    const char *topic_name;
    uint32_t subscription; /* the first tells the account */
    uint32_t index;        /* of consumers_count in the subscription */
    char group_id[128];    /* "": none */
    /* Optional: whoever takes the records instead (a pipeline). */
    bool (*takes)(struct load_reader *reader);
    void (*take)(struct load_reader *reader, const struct client_fetched *batch,
                 const struct client_fetched_record *record);
    /* Optional: a group takes partitions away; call load_reader_leave_done. */
    void (*leave)(struct load_reader *reader);
    void *owner;
    enum load_reader_state state;
    struct client_cluster *cluster;
    struct client_topic *topic;
    struct client_fetcher *fetcher;
    struct client_member *member;
    struct client_wait wait;
    struct load_reader_partition *partitions;
    int32_t partitions_count;
    bool can_pull;      /* the fetcher has something, as far as is known */
    bool is_again;      /* after closing: begin anew */
    bool is_leaving;    /* the group waits for us */
    bool is_lost_since; /* lost_ns holds */
    uint64_t lost_ns;
    bool was_assigned;
    /* one question about offsets at a time */
    struct client_offsets_op start_op;
    bool is_asking;
    struct client_offset_question *questions;
    struct client_offset_committed *committed;
    uint32_t questions_count;
    struct client_offsets_op commit_op;
    bool is_committing;
    struct client_group_offset *commits;
    int16_t *commit_errors; /* of each */
    uint32_t commits_count;
    struct client_group_identity identity; /* of the commit under way */
    char member_id[256];                   /* its text */
    uint64_t commit_at_ns;
    bool asked_ends;
    bool knows_ends;
    uint64_t read_count;
};

/* Zeroed but for the first part.  ERR_NOMEM, ERR_INVALID; told. */
must_use enum err load_reader_open(struct load_reader *reader);

/* Read what is there, commit when it is time.  Returns whether more can be read at once. */
bool load_reader_turn(struct load_reader *reader, uint64_t now_ns);

/* LOAD_PHASE_READ: has it read up to the end? */
bool load_reader_is_at_end(struct load_reader *reader);

/* leave() is answered: what was read is committed by whoever took it. */
void load_reader_leave_done(struct load_reader *reader);

/* The positions of all partitions that it fetches, for a commit; at most partitions_count.  The
 * count. */
uint32_t load_reader_positions(struct load_reader *reader, struct client_group_offset *out);

/* Leave the group and come again. */
void load_reader_retire(struct load_reader *reader);

/* state CLOSED comes from the loop. */
void load_reader_close(struct load_reader *reader);
void load_reader_deinit(struct load_reader *reader);

#endif
