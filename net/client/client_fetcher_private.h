/* client_fetcher_private: the parts of a fetcher, for its own files alone.
 *
 *   client_fetcher.c      what is assigned, and the owner's pulls
 *   client_fetch_part.c   one partition: its positions, what waits of it, its troubles
 *   client_fetch_node.c   one broker: a request under way, answers that wait
 *
 *   CFP-1  fetch_offset is position, or behind the last batch of the newest piece
 *   CFP-2  a piece is taken from an answer only when its partition was asked for, in that request
 *          or before it in the session, from where it is to go on (asked_generation)
 *   CFP-3  of a node at most CLIENT_FETCH_ANSWERS_MAX answers wait with something that can be
 *          pulled, the one under way included */
#ifndef LEVEE_NET_CLIENT_CLIENT_FETCHER_PRIVATE_H
#define LEVEE_NET_CLIENT_CLIENT_FETCHER_PRIVATE_H

#include "base/hash_map.h"
#include "net/client/client_aborted.h"
#include "net/client/client_fetch_session.h"
#include "net/client/client_fetcher.h"
#include "record/batch_reader.h"

enum {
    CLIENT_FETCH_ANSWERS_MAX = 2,
    CLIENT_FETCH_HELD_MAX =
        4, /* answers of a node, those included that wait only for paused ones */
};

struct client_fetch_topic {
    struct client_topic *topic;
    struct uuid id; /* as asked for; key of client_fetcher.by_id unless zero */
    struct client_fetch_part **parts;
    int32_t parts_max;
};

/* What one answer brought of one partition. */
struct client_fetch_piece {
    struct list ready;   /* client_fetcher.ready, while it can be pulled */
    struct list of_part; /* client_fetch_part.pieces, oldest first */
    struct client_fetch_part *part;
    struct client_fetch_answer *answer;
    struct batch_walk walk;
    struct client_aborted aborted;
    int64_t high_watermark;
    int64_t last_stable_offset;
    int64_t log_start_offset;
    bool is_begun; /* a batch was pulled */
};

struct client_fetch_answer {
    struct list node; /* client_fetch_node.answers */
    struct client_fetch_node *owner;
    struct buf *frame;
    uint64_t received_ns;
    uint32_t pieces_count;
    uint32_t left_count;   /* pieces that wait */
    uint32_t active_count; /* of them, not paused */
    struct client_fetch_piece pieces[];
};

struct client_fetch_part {
    struct client_fetcher *fetcher;
    struct client_fetch_topic *topic;
    int32_t partition;
    struct list all;      /* client_fetcher.parts */
    struct list of_node;  /* client_fetch_node.parts, while node != NULL */
    struct list troubled; /* client_fetcher.troubled */
    struct list pieces;
    struct client_fetch_node *node; /* whom to ask; NULL: not known */
    struct client_fetch_entry entry;
    int64_t position; /* of the next batch to be pulled */
    int64_t fetch_offset;
    int32_t position_epoch; /* of the record before; -1: not known */
    int32_t fetch_epoch;
    int64_t high_watermark;
    int64_t last_stable_offset;
    uint32_t generation; /* of fetch_offset: rises when it is set anew */
    uint32_t asked_generation;
    uint32_t attempt; /* answers with an error that may pass, in a row */
    uint64_t retry_at_ns;
    uint64_t failing_since_ns; /* 0: not */
    uint64_t gone_since_ns;    /* the topic is not there; 0: it is */
    int16_t failing_code;
    int32_t preferred_id; /* a follower to read from (KIP-392); -1: the leader */
    uint64_t preferred_until_ns;
    bool is_paused;
    bool is_stopped; /* by a trouble, until assign */
    enum client_fetcher_trouble trouble;
    int64_t trouble_offset;
    int16_t trouble_code;
};

struct client_fetch_node {
    struct client_fetcher *fetcher;
    struct list all; /* client_fetcher.nodes */
    int32_t id;
    struct list parts;
    struct list answers;
    uint32_t answers_count;
    struct client_fetch_session session;
    struct client_call call;
    struct fetch_request request;
    struct arena arena; /* of the request */
    uint64_t retry_at_ns;
    uint64_t failing_since_ns; /* 0: not */
    int16_t failing_code;      /* KAFKA_NONE: no answer came */
    uint32_t attempt;
    bool in_flight;
};

struct client_fetcher {
    struct client_cluster *cluster;
    const struct client_env *env;
    struct client_fetcher_options options;
    const struct client_fetcher_events *events;
    void *context;
    char *rack;
    struct client_listener listener;
    struct list nodes;
    struct list parts;
    struct client_fetch_topic **topics; /* by client_topic.index */
    uint32_t topics_max;
    struct hash_map by_name;
    struct hash_map by_id;
    struct list ready;    /* pieces, in the order of their arrival */
    struct list troubled; /* parts whose trouble is to be told */
    struct task task;     /* look: send, tell */
    struct timer timer;   /* the next retry */
    struct compression_context *compression;
    struct batch_reader reader;
    struct buf *current; /* of the batch that was pulled last; NULL: none */
    const uint8_t *current_bytes;
    uint32_t current_size_bytes;
    int64_t current_from;
    bool is_open; /* reader is at that batch */
    bool is_told; /* ready, and nobody said ERR_AGAIN since */
    bool is_closing;
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- client_fetcher.c */

/* Look soon: who can be asked, what is to be told. */
void client_fetcher_wake(struct client_fetcher *fetcher);
/* ... and again at that time. */
void client_fetcher_wake_at(struct client_fetcher *fetcher, uint64_t at_ns);
/* NULL: not assigned. */
struct client_fetch_part *client_fetcher_find(const struct client_fetcher *fetcher,
                                              const struct client_fetch_topic *topic,
                                              int32_t partition);

/* ---- client_fetch_part.c */

/* Find out whom to ask. */
void client_fetch_part_place(struct client_fetch_part *part);
void client_fetch_part_leave_node(struct client_fetch_part *part);
/* Everything that waits is dropped, and the partition is read from position on. */
void client_fetch_part_rewind(struct client_fetch_part *part);
void client_fetch_part_seek(struct client_fetch_part *part, int64_t offset, int32_t leader_epoch);
void client_fetch_part_pause(struct client_fetch_part *part, bool is_paused);
void client_fetch_part_stop(struct client_fetch_part *part, enum client_fetcher_trouble trouble,
                            int64_t offset, int16_t error_code);
/* data: of the answer that answer is made of, whose frame the records point into.  Takes the next
 * piece of it, if there is something in it. */
void client_fetch_part_take(struct client_fetch_part *part, struct client_fetch_answer *answer,
                            const struct fetch_response_partition_data *data);
/* The piece was pulled to its end, or is not wanted any more; the answer may be gone after it. */
void client_fetch_part_end_piece(struct client_fetch_piece *piece);
/* Can it be asked for now? */
bool client_fetch_part_is_due(const struct client_fetch_part *part, uint64_t now_ns);

/* ---- client_fetch_node.c */

/* The node with this id, made if need be.  NULL: no memory. */
struct client_fetch_node *client_fetch_node_of(struct client_fetcher *fetcher, int32_t id);
/* Send the next request if there is room for its answer. */
void client_fetch_node_look(struct client_fetch_node *node);
void client_fetch_node_end_answer(struct client_fetch_answer *answer);
/* Tell the broker that its session is not needed any more (KIP-227), if it is there.  True: that is
 * under way. */
bool client_fetch_node_leave(struct client_fetch_node *node);
void client_fetch_node_destroy(struct client_fetch_node *node);

#endif
