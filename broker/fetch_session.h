/* fetch_session: what a consumer asked for last time (KIP-227), so that it need not say it again.
 *
 * One cache per shard, of the connections that live there; bounded, the session that was idle
 * longest gives way.  A session id that another shard made is unknown here, which a client answers
 * with a full fetch, as after a restart.
 *   F1  the partitions of a session are kept in the order in which they are served; one that
 *       returned data moves to the end, so that none starves behind the others */
#ifndef LEVEE_BROKER_FETCH_SESSION_H
#define LEVEE_BROKER_FETCH_SESSION_H

#include "base/arena.h"
#include "base/hash_map.h"
#include "base/list.h"
#include "base/prng.h"
#include "base/uuid.h"
#include "net/protocol/msg_fetch.h"

enum { FETCH_SESSIONS_MAX = 1000 }; /* max.incremental.fetch.session.cache.slots */

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
    int32_t id;
    int32_t next_epoch;
    bool uses_ids;
    uint64_t used_ns;
    struct hash_map interests; /* by key */
    struct list order;         /* of fetch_interest.node: F1 */
};

struct fetch_sessions {
    struct prng *prng;
    struct hash_map by_id;
    struct list by_age; /* oldest first */
    uint32_t max_count;
};

void fetch_sessions_init(struct fetch_sessions *sessions, struct prng *prng, uint32_t max_count);
void fetch_sessions_deinit(struct fetch_sessions *sessions);

/* What one fetch is to serve. */
struct fetch_plan {
    struct fetch_session *session; /* NULL: sessionless, or closed by this request */
    struct list *order;            /* of fetch_interest.node */
    struct list own;               /* the list when there is no session */
    bool incremental;              /* leave out what has not changed */
};

/* Apply a request to the cache and say what to serve.  error_out: Kafka's code for the whole
 * request (FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR),
 * else 0.  ERR_NOMEM: the arena. */
must_use enum err fetch_sessions_plan(struct fetch_sessions *sessions,
                                      const struct fetch_request *request, int16_t version,
                                      struct arena *arena, uint64_t now_ns, struct fetch_plan *out,
                                      int16_t *error_out);

/* The session of an id, or NULL: a fetch that waits may outlive its session. */
struct fetch_session *fetch_sessions_find(struct fetch_sessions *sessions, int32_t id);

/* One of its partitions, or NULL. */
struct fetch_interest *fetch_session_find(struct fetch_session *session,
                                          const struct fetch_key *key);

/* The interest returned data: to the end of the line. */
void fetch_session_rotate(struct fetch_session *session, struct fetch_interest *interest);

#endif
