#include "broker/fetch_session.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/kafka_errors.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

enum { EPOCH_FINAL = -1, EPOCH_INITIAL = 0 };

void fetch_sessions_init(struct fetch_sessions *sessions, struct prng *prng, uint32_t max_count)
{
    sessions->prng = prng;
    sessions->max_count = max_count;
    hash_map_init(&sessions->by_id, prng_u64(prng));
    list_init(&sessions->by_age);
}

static void free_interest(struct fetch_interest *interest)
{
    mem_free(interest->topic_name);
    mem_free(interest);
}

static void free_session(struct fetch_sessions *sessions, struct fetch_session *session)
{
    struct list *node;

    hash_map_remove(&sessions->by_id, &session->id, sizeof(session->id));
    list_remove(&session->by_age);
    while ((node = list_pop_front(&session->order)) != NULL)
        free_interest(container_of(node, struct fetch_interest, node));
    hash_map_deinit(&session->interests);
    mem_free(session);
}

void fetch_sessions_deinit(struct fetch_sessions *sessions)
{
    if (sessions->prng == NULL)
        return;
    while (!list_is_empty(&sessions->by_age))
        free_session(sessions, list_first(&sessions->by_age, struct fetch_session, by_age));
    hash_map_deinit(&sessions->by_id);
}

struct fetch_session *fetch_sessions_find(struct fetch_sessions *sessions, int32_t id)
{
    return hash_map_find(&sessions->by_id, &id, sizeof(id));
}

static struct fetch_session *create_session(struct fetch_sessions *sessions, bool uses_ids)
{
    struct fetch_session *session = mem_alloc(sizeof(*session));
    enum err err;

    if (hash_map_count(&sessions->by_id) >= sessions->max_count)
        free_session(sessions, list_first(&sessions->by_age, struct fetch_session, by_age));
    do
        session->id = (int32_t)(prng_u64(sessions->prng) & INT32_MAX);
    while (session->id == 0 || fetch_sessions_find(sessions, session->id) != NULL);
    session->uses_ids = uses_ids;
    session->next_epoch = 1;
    hash_map_init(&session->interests, prng_u64(sessions->prng));
    list_init(&session->order);
    err = hash_map_insert(&sessions->by_id, &session->id, sizeof(session->id), session);
    check(err == OK);
    list_push_back(&sessions->by_age, &session->by_age);
    return session;
}

/* Padding-free: the key is hashed as bytes. */
static struct fetch_key make_key(const struct uuid *id, struct wire_string name, int32_t partition)
{
    struct fetch_key key = {.topic = *id, .partition = partition};

    if (name.size_bytes > 0) {
        XXH128_hash_t hash = XXH3_128bits(name.text, (size_t)name.size_bytes);
        static_assert(sizeof(hash) == sizeof(key.topic), "a hash in place of an id");
        memcpy(&key.topic, &hash, sizeof(hash));
    }
    return key;
}

static void fill_interest(struct fetch_interest *interest,
                          const struct fetch_request_fetch_partition *asked)
{
    interest->max_bytes = asked->partition_max_bytes;
    interest->current_leader_epoch = asked->current_leader_epoch;
    interest->last_fetched_epoch = asked->last_fetched_epoch;
    interest->fetch_offset = asked->fetch_offset;
}

static void add_to_session(struct fetch_session *session,
                           const struct fetch_request_fetch_topic *topic,
                           const struct fetch_request_fetch_partition *asked)
{
    struct fetch_key key = make_key(&topic->topic_id, topic->topic, asked->partition);
    struct fetch_interest *interest = hash_map_find(&session->interests, &key, sizeof(key));

    if (interest == NULL) {
        enum err err;
        interest = mem_alloc(sizeof(*interest));
        interest->key = key;
        if (topic->topic.size_bytes > 0) {
            interest->topic_name = mem_strndup(topic->topic.text, (size_t)topic->topic.size_bytes);
            interest->topic_name_bytes = topic->topic.size_bytes;
        }
        interest->answer_due = true;
        err = hash_map_insert(&session->interests, &interest->key, sizeof(interest->key), interest);
        check(err == OK);
        list_push_back(&session->order, &interest->node);
    }
    fill_interest(interest, asked);
}

static void forget(struct fetch_session *session, const struct fetch_request *request)
{
    for (int32_t t = 0; t < request->forgotten_topics_data.count; t++) {
        const struct fetch_request_forgotten_topic *topic =
            &request->forgotten_topics_data.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            struct fetch_key key =
                make_key(&topic->topic_id, topic->topic, topic->partitions.items[p]);
            struct fetch_interest *interest =
                hash_map_remove(&session->interests, &key, sizeof(key));
            if (interest != NULL) {
                list_remove(&interest->node);
                free_interest(interest);
            }
        }
    }
}

static void add_all(struct fetch_session *session, const struct fetch_request *request)
{
    for (int32_t t = 0; t < request->topics.count; t++) {
        const struct fetch_request_fetch_topic *topic = &request->topics.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++)
            add_to_session(session, topic, &topic->partitions.items[p]);
    }
}

static enum err plan_without_session(const struct fetch_request *request, struct arena *arena,
                                     struct fetch_plan *out)
{
    list_init(&out->own);
    out->order = &out->own;
    for (int32_t t = 0; t < request->topics.count; t++) {
        const struct fetch_request_fetch_topic *topic = &request->topics.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            struct fetch_interest *interest = arena_alloc(arena, sizeof(*interest));
            if (interest == NULL)
                return ERR_NOMEM;
            interest->key =
                make_key(&topic->topic_id, topic->topic, topic->partitions.items[p].partition);
            interest->topic_name = (char *)(uintptr_t)topic->topic.text;
            interest->topic_name_bytes = topic->topic.size_bytes;
            interest->answer_due = true;
            fill_interest(interest, &topic->partitions.items[p]);
            list_push_back(&out->own, &interest->node);
        }
    }
    return OK;
}

/* The next epoch: after 2^31-1 comes 1, since 0 and -1 mean something else (KIP-227). */
static int32_t epoch_after(int32_t epoch)
{
    return epoch == INT32_MAX ? 1 : epoch + 1;
}

enum err fetch_sessions_plan(struct fetch_sessions *sessions, const struct fetch_request *request,
                             int16_t version, struct arena *arena, uint64_t now_ns,
                             struct fetch_plan *out, int16_t *error_out)
{
    struct fetch_session *session = NULL;

    *out = (struct fetch_plan){0};
    *error_out = KAFKA_NONE;
    if (request->session_epoch == EPOCH_INITIAL || request->session_epoch == EPOCH_FINAL) {
        if (request->session_id != 0 &&
            (session = fetch_sessions_find(sessions, request->session_id)) != NULL)
            free_session(sessions, session); /* closed, or about to be replaced */
        if (request->session_epoch == EPOCH_FINAL || version < 7)
            return plan_without_session(request, arena, out);
        session = create_session(sessions, version >= 13);
        add_all(session, request);
    } else {
        session = fetch_sessions_find(sessions, request->session_id);
        if (session == NULL) {
            *error_out = KAFKA_FETCH_SESSION_ID_NOT_FOUND;
            return OK;
        }
        if (session->next_epoch != request->session_epoch) {
            *error_out = KAFKA_INVALID_FETCH_SESSION_EPOCH;
            return OK;
        }
        if (session->uses_ids != (version >= 13)) {
            *error_out = KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
            return OK;
        }
        session->next_epoch = epoch_after(session->next_epoch);
        forget(session, request);
        add_all(session, request);
        out->incremental = true;
    }
    session->used_ns = now_ns;
    list_remove(&session->by_age);
    list_push_back(&sessions->by_age, &session->by_age);
    out->session = session;
    out->order = &session->order;
    return OK;
}

struct fetch_interest *fetch_session_find(struct fetch_session *session,
                                          const struct fetch_key *key)
{
    return hash_map_find(&session->interests, key, sizeof(*key));
}

void fetch_session_rotate(struct fetch_session *session, struct fetch_interest *interest)
{
    list_remove(&interest->node);
    list_push_back(&session->order, &interest->node);
}
