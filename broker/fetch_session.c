#include "broker/fetch_session.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/metric_family.h"
#include "base/sometimes.h"
#include "net/protocol/kafka_errors.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

enum {
    EPOCH_FINAL = -1,
    EPOCH_INITIAL = 0,
    ENTRY_BYTES = 64, /* of a hash map, per value, at most about */
};

void fetch_sessions_init(struct fetch_sessions *sessions, struct prng *prng, uint32_t max_count,
                         struct budget *budget)
{
    sessions->prng = prng;
    sessions->budget = budget;
    sessions->max_count = max_count;
    sessions->stale_ms = FETCH_SESSION_STALE_MS;
    hash_map_init(&sessions->by_id, prng_u64(prng));
    list_init(&sessions->by_age);
}

static uint64_t cost_of_interest(int32_t name_bytes)
{
    return sizeof(struct fetch_interest) + ENTRY_BYTES + (uint64_t)name_bytes;
}

static uint64_t cost_of_session(void)
{
    return sizeof(struct fetch_session) + ENTRY_BYTES;
}

static void free_interest(struct fetch_session *session, struct fetch_interest *interest)
{
    budget_give(session->sessions->budget, cost_of_interest(interest->topic_name_bytes));
    gauge_add(&session->sessions->partitions, -1);
    list_remove(&interest->node);
    mem_free(interest->topic_name);
    mem_free(interest);
}

static void free_session(struct fetch_session *session)
{
    while (!list_is_empty(&session->order))
        free_interest(session, list_first(&session->order, struct fetch_interest, node));
    hash_map_deinit(&session->interests);
    budget_give(session->sessions->budget, cost_of_session());
    gauge_add(&session->sessions->sessions, -1);
    mem_free(session);
}

void fetch_session_hold(struct fetch_session *session)
{
    session->hold_count++;
}

void fetch_session_release(struct fetch_session *session)
{
    check(session->hold_count > 0);
    if (--session->hold_count == 0 && session->is_gone)
        free_session(session);
}

/* Out of the cache; who is being served goes on with it. */
static void drop_session(struct fetch_session *session)
{
    hash_map_remove(&session->sessions->by_id, &session->id, sizeof(session->id));
    list_remove(&session->by_age);
    list_remove(&session->of_owner);
    session->owner->count--;
    SOMETIMES("fetch_session: one gave way", true);
    session->is_gone = true;
    if (session->hold_count == 0)
        free_session(session);
}

void fetch_sessions_drop_owner(struct fetch_session_owner *owner)
{
    while (owner->count > 0)
        drop_session(list_first(&owner->sessions, struct fetch_session, of_owner));
}

void fetch_sessions_deinit(struct fetch_sessions *sessions)
{
    if (sessions->prng == NULL)
        return;
    while (!list_is_empty(&sessions->by_age))
        drop_session(list_first(&sessions->by_age, struct fetch_session, by_age));
    hash_map_deinit(&sessions->by_id);
}

void fetch_sessions_register_metrics(const struct fetch_sessions *sessions, struct metrics *metrics)
{
    metrics_add_gauge(metrics, metric_family(FAMILY_FETCH_SESSIONS), "", &sessions->sessions);
    metrics_add_gauge(metrics, metric_family(FAMILY_FETCH_SESSION_PARTITIONS), "",
                      &sessions->partitions);
    metrics_add_counter(metrics, metric_family(FAMILY_FETCH_SESSION_EVICTIONS), "",
                        &sessions->evictions);
}

struct fetch_session *fetch_sessions_find(struct fetch_sessions *sessions, int32_t id)
{
    return hash_map_find(&sessions->by_id, &id, sizeof(id));
}

/* ---- room for a new one (FSN-2, FSN-3) */

static bool is_past(const struct fetch_sessions *sessions, uint64_t now_ns, uint64_t then_ns)
{
    return now_ns - then_ns > sessions->stale_ms * 1000000;
}

/* The session that gives way to one of partition_count; NULL: none does. */
static struct fetch_session *find_victim(const struct fetch_sessions *sessions,
                                         uint64_t partition_count, uint64_t now_ns)
{
    struct fetch_session *victim = NULL;

    list_for_each(node, &sessions->by_age)
    {
        struct fetch_session *session = container_of(node, struct fetch_session, by_age);
        if (is_past(sessions, now_ns, session->used_ns))
            return session; /* the first is the stalest */
        if (is_past(sessions, now_ns, session->created_ns) &&
            hash_map_count(&session->interests) < partition_count &&
            (victim == NULL ||
             hash_map_count(&session->interests) < hash_map_count(&victim->interests)))
            victim = session;
    }
    return victim;
}

static void evict(struct fetch_session *session)
{
    counter_add(&session->sessions->evictions, 1);
    drop_session(session);
}

static bool take_room(struct fetch_sessions *sessions, const struct fetch_ask *ask,
                      uint64_t partition_count)
{
    struct fetch_session *victim;

    if (sessions->max_count == 0)
        return false;
    if (ask->owner->count >= FETCH_SESSIONS_OWN_MAX)
        evict(list_first(&ask->owner->sessions, struct fetch_session, of_owner));
    if (hash_map_count(&sessions->by_id) < sessions->max_count)
        return true;
    victim = find_victim(sessions, partition_count, ask->now_ns);
    if (victim == NULL)
        return false;
    evict(victim);
    return true;
}

/* NULL: there is no room for it. */
static struct fetch_session *create_session(struct fetch_sessions *sessions,
                                            const struct fetch_ask *ask)
{
    struct fetch_session *session;

    if (!budget_take(sessions->budget, cost_of_session()))
        return NULL;
    session = mem_try_alloc(sizeof(*session));
    if (session == NULL)
        goto give_back;
    do
        session->id = (int32_t)(prng_u64(sessions->prng) & INT32_MAX);
    while (session->id == 0 || fetch_sessions_find(sessions, session->id) != NULL);
    if (hash_map_insert(&sessions->by_id, &session->id, sizeof(session->id), session) != OK)
        goto free_session;
    gauge_add(&sessions->sessions, 1);
    session->sessions = sessions;
    session->owner = ask->owner;
    session->uses_ids = ask->version >= 13;
    session->next_epoch = 1;
    session->created_ns = ask->now_ns;
    hash_map_init(&session->interests, prng_u64(sessions->prng));
    list_init(&session->order);
    if (ask->owner->sessions.next == NULL)
        list_init(&ask->owner->sessions);
    list_push_back(&ask->owner->sessions, &session->of_owner);
    ask->owner->count++;
    list_push_back(&sessions->by_age, &session->by_age);
    return session;

free_session:
    mem_free(session);
give_back:
    budget_give(sessions->budget, cost_of_session());
    return NULL;
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

/* NULL: there is no memory. */
static struct fetch_interest *make_interest(const struct fetch_key *key, const char *name,
                                            int32_t name_bytes)
{
    struct fetch_interest *interest = mem_try_alloc(sizeof(*interest));

    if (interest == NULL)
        return NULL;
    interest->key = *key;
    interest->topic_name_bytes = name_bytes;
    interest->answer_due = true;
    if (name_bytes > 0)
        interest->topic_name = mem_try_strndup(name, (size_t)name_bytes);
    if (name_bytes <= 0 || interest->topic_name != NULL)
        return interest;
    mem_free(interest);
    return NULL;
}

/* False: it cannot be remembered. */
static bool add_to_session(struct fetch_session *session,
                           const struct fetch_request_fetch_topic *topic,
                           const struct fetch_request_fetch_partition *asked)
{
    struct fetch_key key = make_key(&topic->topic_id, topic->topic, asked->partition);
    struct fetch_interest *interest = hash_map_find(&session->interests, &key, sizeof(key));
    int32_t name_bytes = topic->topic.size_bytes > 0 ? topic->topic.size_bytes : 0;

    if (interest == NULL) {
        if (!budget_take(session->sessions->budget, cost_of_interest(name_bytes)))
            return false;
        interest = make_interest(&key, topic->topic.text, name_bytes);
        if (interest == NULL || hash_map_insert(&session->interests, &interest->key,
                                                sizeof(interest->key), interest) != OK) {
            if (interest != NULL)
                mem_free(interest->topic_name);
            mem_free(interest);
            budget_give(session->sessions->budget, cost_of_interest(name_bytes));
            return false;
        }
        list_push_back(&session->order, &interest->node);
        gauge_add(&session->sessions->partitions, 1);
    }
    fill_interest(interest, asked);
    return true;
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
            if (interest != NULL)
                free_interest(session, interest);
        }
    }
}

static bool add_all(struct fetch_session *session, const struct fetch_request *request)
{
    for (int32_t t = 0; t < request->topics.count; t++) {
        const struct fetch_request_fetch_topic *topic = &request->topics.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++)
            if (!add_to_session(session, topic, &topic->partitions.items[p]))
                return false;
    }
    return true;
}

static uint64_t count_asked(const struct fetch_request *request)
{
    uint64_t count = 0;

    for (int32_t t = 0; t < request->topics.count; t++)
        count += (uint64_t)request->topics.items[t].partitions.count;
    return count;
}

/* What was named before in the same request is named anew. */
static enum err plan_partition(struct hash_map *named,
                               const struct fetch_request_fetch_topic *topic,
                               const struct fetch_request_fetch_partition *asked,
                               struct arena *arena, struct list *order)
{
    struct fetch_key key = make_key(&topic->topic_id, topic->topic, asked->partition);
    struct fetch_interest *interest = hash_map_find(named, &key, sizeof(key));

    if (interest == NULL) {
        interest = arena_alloc(arena, sizeof(*interest));
        if (interest == NULL)
            return ERR_NOMEM;
        interest->key = key;
        interest->topic_name = (char *)(uintptr_t)topic->topic.text;
        interest->topic_name_bytes = topic->topic.size_bytes;
        interest->answer_due = true;
        list_push_back(order, &interest->node);
        if (hash_map_insert(named, &interest->key, sizeof(interest->key), interest) != OK)
            return ERR_NOMEM;
    }
    fill_interest(interest, asked);
    return OK;
}

static enum err plan_without_session(struct fetch_sessions *sessions, const struct fetch_ask *ask,
                                     struct fetch_plan *out)
{
    const struct fetch_request *request = ask->request;
    struct hash_map named;
    enum err err = OK;

    list_init(&out->own);
    out->order = &out->own;
    hash_map_init(&named, prng_u64(sessions->prng));
    for (int32_t t = 0; t < request->topics.count; t++) {
        const struct fetch_request_fetch_topic *topic = &request->topics.items[t];
        for (int32_t p = 0; p < topic->partitions.count && err == OK; p++)
            err = plan_partition(&named, topic, &topic->partitions.items[p], ask->arena, &out->own);
    }
    hash_map_deinit(&named);
    return err;
}

/* The next epoch: after 2^31-1 comes 1, since 0 and -1 mean something else (KIP-227). */
static int32_t epoch_after(int32_t epoch)
{
    return epoch == INT32_MAX ? 1 : epoch + 1;
}

static void serve(struct fetch_session *session, uint64_t now_ns, struct fetch_plan *out)
{
    session->used_ns = now_ns;
    list_remove(&session->by_age);
    list_push_back(&session->sessions->by_age, &session->by_age);
    list_remove(&session->of_owner);
    list_push_back(&session->owner->sessions, &session->of_owner);
    out->session = session;
    out->order = &session->order;
}

static enum err plan_full(struct fetch_sessions *sessions, const struct fetch_ask *ask,
                          struct fetch_plan *out)
{
    const struct fetch_request *request = ask->request;
    struct fetch_session *session =
        request->session_id == 0 ? NULL : fetch_sessions_find(sessions, request->session_id);

    if (session != NULL)
        drop_session(session); /* closed, or about to be replaced */
    if (request->session_epoch == EPOCH_FINAL || ask->version < 7 || !ask->all_known ||
        !take_room(sessions, ask, count_asked(request)))
        return plan_without_session(sessions, ask, out);
    session = create_session(sessions, ask);
    if (session == NULL)
        return plan_without_session(sessions, ask, out);
    if (!add_all(session, request)) {
        drop_session(session);
        return plan_without_session(sessions, ask, out);
    }
    serve(session, ask->now_ns, out);
    return OK;
}

static int16_t plan_next(struct fetch_sessions *sessions, const struct fetch_ask *ask,
                         struct fetch_plan *out)
{
    const struct fetch_request *request = ask->request;
    struct fetch_session *session = fetch_sessions_find(sessions, request->session_id);

    if (session == NULL)
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    if (session->next_epoch != request->session_epoch)
        return KAFKA_INVALID_FETCH_SESSION_EPOCH;
    if (session->uses_ids != (ask->version >= 13))
        return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    session->next_epoch = epoch_after(session->next_epoch);
    forget(session, request);
    if (!ask->all_known || !add_all(session, request)) {
        drop_session(session); /* FSN-4, FSN-2: the client says all again, and is told id 0 */
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    }
    serve(session, ask->now_ns, out);
    out->incremental = true;
    return KAFKA_NONE;
}

enum err fetch_sessions_plan(struct fetch_sessions *sessions, const struct fetch_ask *ask,
                             struct fetch_plan *out, int16_t *error_out)
{
    int32_t epoch = ask->request->session_epoch;

    *out = (struct fetch_plan){0};
    *error_out = KAFKA_NONE;
    if (epoch == EPOCH_INITIAL || epoch == EPOCH_FINAL)
        return plan_full(sessions, ask, out);
    *error_out = plan_next(sessions, ask, out);
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
