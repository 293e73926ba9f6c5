/* client_fetch_session: what one broker remembers of our fetches (KIP-227): after a first request
 * that names every partition, each names only what has changed since.
 *
 * Owned by a fetcher's connection to that broker; as Kafka's FetchSessionHandler.  Holds no
 * partition: an entry lies in whoever wants it, and is linked while the session has it.
 *   CFS-1  the entries of the session are what the broker knows once it has answered
 *   CFS-2  an error of the session, and an answer that never came, make the next request a full
 *          one, which ends the old session */
#ifndef LEVEE_NET_CLIENT_CLIENT_FETCH_SESSION_H
#define LEVEE_NET_CLIENT_CLIENT_FETCH_SESSION_H

#include "base/list.h"
#include "net/protocol/msg_fetch.h"

/* Where a partition is to be read from. */
struct client_fetch_place {
    int64_t offset;
    int32_t leader_epoch; /* current one; -1: not known */
    int32_t last_epoch;   /* of the record before offset (KIP-320); -1: not known */
    int32_t max_bytes;
};

struct client_fetch_entry {
    struct list node; /* session->entries while linked */
    const char *name; /* of the topic, which outlives the entry */
    struct uuid id;   /* of the topic; zero: none */
    int32_t partition;
    struct client_fetch_place place; /* as the broker was told */
    bool is_wanted;                  /* in the request that is being built */
    bool is_changed;
};

struct client_fetch_forgotten {
    const char *name;
    struct uuid id;
    int32_t partition;
};

struct client_fetch_session {
    struct list entries;
    struct client_fetch_forgotten *forgotten; /* to be told with the next request; owned */
    uint32_t forgotten_count;
    uint32_t forgotten_max;
    uint32_t entries_count;
    uint32_t without_id_count; /* of them: Fetch version 12 at most (KIP-516) */
    int32_t id;                /* 0: none */
    int32_t epoch;             /* of the next request; 0: a full one */
    bool is_used;              /* false: every request is full and leaves no session behind */
    bool is_full;              /* the request under way is, or the last one was */
    bool is_under_way;         /* a request is */
};

void client_fetch_session_init(struct client_fetch_session *session, bool is_used);

/* Its entries are dropped. */
void client_fetch_session_deinit(struct client_fetch_session *session);

/* The next request asks for entry, whose name, id and partition are set, from place on.  What is
 * not wanted again before client_fetch_session_build is forgotten. */
void client_fetch_session_want(struct client_fetch_session *session,
                               struct client_fetch_entry *entry,
                               const struct client_fetch_place *place);

/* The entry's owner takes it away; also one that is not linked. */
void client_fetch_session_drop(struct client_fetch_session *session,
                               struct client_fetch_entry *entry);

/* Fill topics, what is forgotten, id and epoch of the request.  ERR_NOMEM: the arena's limit; the
 * next request is full. */
must_use enum err client_fetch_session_build(struct client_fetch_session *session,
                                             struct fetch_request *request, struct arena *arena);

/* Highest version that can name what is asked for. */
int16_t client_fetch_session_max_version(const struct client_fetch_session *session);

/* An answer came.  False: it is an error of the whole (error_code), or belongs to no session of
 * ours; nothing in it may be used. */
bool client_fetch_session_answered(struct client_fetch_session *session,
                                   const struct fetch_response *response);

/* No answer came: whether the broker took the request is not known. */
void client_fetch_session_failed(struct client_fetch_session *session);

#endif
