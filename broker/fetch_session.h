/* fetch_session: what a consumer asked for last time (KIP-227), so that it need not say it again.
 *
 * One cache per shard, of the connections that live there.  A session id that another shard made is
 * unknown here, which a client answers with a full fetch, as after a restart.
 *   FSN-1  the partitions of a session are kept in the order in which they are served; one that
 *       returned data moves to the end, so that none starves behind the others
 *   FSN-2  there are at most max_count sessions, within the budget.  A new one takes the place of
 *          one that was not used for FETCH_SESSION_STALE_MS; else of the smallest that is older
 *          than that and smaller than itself (Kafka: FetchSessionCache.tryEvict); else there is
 *          none: the client is told id 0 and says everything again
 *   FSN-3  a session belongs to the connection that made it and ends with it; a connection has at
 *          most FETCH_SESSIONS_OWN_MAX, and its new one takes the place of its own that is longest
 *          unused
 *   FSN-4  a partition that does not exist is in no session */
#ifndef LEVEE_BROKER_FETCH_SESSION_H
#define LEVEE_BROKER_FETCH_SESSION_H

#include "base/arena.h"
#include "base/budget.h"
#include "base/hash_map.h"
#include "base/list.h"
#include "base/metrics.h"
#include "base/prng.h"
#include "base/uuid.h"
#include "net/protocol/msg_fetch.h"

enum {
    FETCH_SESSION_STALE_MS = 120000, /* Kafka: MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS */
    FETCH_SESSIONS_OWN_MAX = 8,
};

/* One partition that is to be fetched, and what was answered last. */
struct fetch_interest {
    struct list node; /* of the session, or of the plan */
    struct fetch_key {
        struct uuid topic; /* the id, or (fetch below 13) XXH3-128 of the name */
        int32_t partition;
    } key;
    char *topic_name; /* as asked (fetch below 13), else empty; resolved when it is served */
    int32_t topic_name_bytes;
    int32_t max_bytes;
    int32_t current_leader_epoch;
    int32_t last_fetched_epoch;
    int64_t fetch_offset;
    /* the last answer: an incremental response leaves out what has not changed */
    int64_t answered_high_watermark;
    int64_t answered_log_start;
    bool answer_due; /* never answered in this session */
};

struct fetch_session {
    struct list by_age;
    struct list of_owner;
    struct fetch_sessions *sessions;
    struct fetch_session_owner *owner;
    int32_t id;
    int32_t next_epoch;
    uint32_t hold_count; /* fetches that are being served */
    bool uses_ids;
    bool is_gone; /* out of the cache: it ends with the last hold */
    uint64_t created_ns;
    uint64_t used_ns;
    struct hash_map interests; /* by key */
    struct list order;         /* of fetch_interest.node: FSN-1 */
};

/* A connection's; zeroed at first. */
struct fetch_session_owner {
    struct list sessions; /* of fetch_session.of_owner, longest unused first */
    uint32_t count;
};

struct fetch_sessions {
    struct prng *prng;
    struct budget *budget;
    struct hash_map by_id;
    struct list by_age; /* longest unused first */
    uint32_t max_count;
    struct gauge sessions;   /* in the cache, or held */
    struct gauge partitions; /* that they remember */
    struct counter evictions;
    uint64_t stale_ms; /* FETCH_SESSION_STALE_MS */
};

/* budget: of what sessions remember; the caller's. */
void fetch_sessions_init(struct fetch_sessions *sessions, struct prng *prng, uint32_t max_count,
                         struct budget *budget);
void fetch_sessions_deinit(struct fetch_sessions *sessions);
void fetch_sessions_register_metrics(const struct fetch_sessions *sessions,
                                     struct metrics *metrics);

/* The connection is over. */
void fetch_sessions_drop_owner(struct fetch_session_owner *owner);

struct fetch_ask {
    const struct fetch_request *request;
    int16_t version;
    bool all_known; /* every partition that the request names exists */
    struct fetch_session_owner *owner;
    struct arena *arena; /* for a plan without session */
    uint64_t now_ns;
};

/* What one fetch is to serve. */
struct fetch_plan {
    struct fetch_session *session; /* NULL: sessionless, or closed by this request */
    struct list *order;            /* of fetch_interest.node */
    struct list own;               /* the list when there is no session */
    bool incremental;              /* leave out what has not changed */
};

/* Apply a request to the cache and say what to serve: each partition once, as the request says last
 * (Kafka: FetchRequest.fetchData).  error_out: Kafka's code for the whole request
 * (FETCH_SESSION_ID_NOT_FOUND, also when something cannot be remembered: the client says all again;
 * INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR), else 0.  ERR_NOMEM: the arena. */
must_use enum err fetch_sessions_plan(struct fetch_sessions *sessions, const struct fetch_ask *ask,
                                      struct fetch_plan *out, int16_t *error_out);

/* A fetch that waits outlives its session's place in the cache. */
void fetch_session_hold(struct fetch_session *session);
void fetch_session_release(struct fetch_session *session);

/* The session of an id, or NULL. */
struct fetch_session *fetch_sessions_find(struct fetch_sessions *sessions, int32_t id);

/* One of its partitions, or NULL. */
struct fetch_interest *fetch_session_find(struct fetch_session *session,
                                          const struct fetch_key *key);

/* The interest returned data: to the end of the line. */
void fetch_session_rotate(struct fetch_session *session, struct fetch_interest *interest);

#endif
