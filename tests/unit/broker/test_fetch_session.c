#include "base/mem.h"
#include "broker/fetch_session.h"
#include "net/protocol/kafka_errors.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct prng prng;
static struct fetch_sessions sessions;
static struct arena arena;
static struct budget budget;
static struct fetch_session_owner owners[8];
static struct fetch_session_owner *owner; /* who asks */
static uint64_t now_ms;
static bool all_known;

enum { SLOTS = 3, STALE_MS = FETCH_SESSION_STALE_MS };

static void setup(void)
{
    prng_init(&prng, 5);
    budget_init(&budget, "fetch_sessions", 1 << 20);
    fetch_sessions_init(&sessions, &prng, SLOTS, &budget);
    owner = &owners[0];
    all_known = true;
    arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    fetch_sessions_deinit(&sessions);
    arena_deinit(&arena);
    budget_deinit(&budget); /* checks that every byte is back */
    cr_assert(eq(u64, mem_used_count(), 0), "memory was not given back");
}

TestSuite(fetch_session, .init = setup, .fini = teardown);

enum { VERSION = 12, FULL = 0, LAST = -1 };

static enum err ask_plan(const struct fetch_request *request, int16_t version,
                         struct fetch_plan *out, int16_t *error_out)
{
    struct fetch_ask ask = {.request = request,
                            .version = version,
                            .all_known = all_known,
                            .owner = owner,
                            .arena = &arena,
                            .now_ns = now_ms * 1000000};

    return fetch_sessions_plan(&sessions, &ask, out, error_out);
}

/* Partitions first..first+count-1 of "t", from offset. */
static struct fetch_plan plan(int32_t id, int32_t epoch, int16_t version, int32_t first,
                              int32_t count, int64_t offset, int16_t *error_out)
{
    struct fetch_request_fetch_partition partitions[8] = {0};
    struct fetch_request_fetch_topic topic = {.partitions = {partitions, count}};
    struct fetch_request request = {
        .session_id = id, .session_epoch = epoch, .topics = {&topic, 1}};
    static struct fetch_plan out; /* what is returned points into it, until the next call */

    if (version >= 13)
        topic.topic_id.bytes[0] = 1;
    else
        topic.topic = wire_string("t");
    for (int32_t i = 0; i < count; i++) {
        partitions[i].partition = first + i;
        partitions[i].fetch_offset = offset;
    }
    cr_assert(eq(int, ask_plan(&request, version, &out, error_out), OK));
    return out;
}

static int32_t open_session(int32_t count)
{
    int16_t error_code;
    struct fetch_plan out = plan(0, FULL, VERSION, 0, count, 10, &error_code);

    cr_assert(eq(i16, error_code, KAFKA_NONE));
    cr_assert(ne(ptr, (void *)out.session, NULL));
    cr_assert(ne(i32, out.session->id, 0));
    cr_assert(not(out.incremental));
    return out.session->id;
}

static int32_t count_of(const struct fetch_plan *out)
{
    int32_t count = 0;

    list_for_each(node, out->order) count++;
    return count;
}

static struct fetch_interest *interest_at(const struct fetch_plan *out, int32_t index)
{
    struct list *node = out->order->next;

    while (index-- > 0)
        node = node->next;
    return container_of(node, struct fetch_interest, node);
}

Test(fetch_session, an_incremental_fetch_serves_what_was_asked_before)
{
    int16_t error_code;
    int32_t id = open_session(3);
    struct fetch_plan out = plan(id, 1, VERSION, 1, 1, 55, &error_code); /* one has moved on */

    cr_assert(eq(i16, error_code, KAFKA_NONE));
    cr_assert(out.incremental);
    cr_assert(eq(i32, count_of(&out), 3));
    cr_assert(eq(i64, interest_at(&out, 0)->fetch_offset, 10));
    cr_assert(eq(i64, interest_at(&out, 1)->fetch_offset, 55));
    out = plan(id, 2, VERSION, 7, 1, 0, &error_code); /* and one more */
    cr_assert(eq(i32, count_of(&out), 4));
}

Test(fetch_session, the_epoch_must_follow)
{
    int16_t error_code;
    int32_t id = open_session(1);

    plan(id, 2, VERSION, 0, 1, 10, &error_code);
    cr_assert(eq(i16, error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH));
    plan(id, 1, VERSION, 0, 1, 10, &error_code); /* the refusal changed nothing */
    cr_assert(eq(i16, error_code, KAFKA_NONE));
    plan(id, 1, VERSION, 0, 1, 10, &error_code);
    cr_assert(eq(i16, error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH));
    plan(id + 1, 1, VERSION, 0, 1, 10, &error_code);
    cr_assert(eq(i16, error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND));
}

Test(fetch_session, after_the_last_epoch_comes_one)
{
    int16_t error_code;
    int32_t id = open_session(1);

    fetch_sessions_find(&sessions, id)->next_epoch = INT32_MAX;
    plan(id, INT32_MAX, VERSION, 0, 1, 10, &error_code);
    cr_assert(eq(i16, error_code, KAFKA_NONE));
    plan(id, 1, VERSION, 0, 1, 10, &error_code);
    cr_assert(eq(i16, error_code, KAFKA_NONE));
}

Test(fetch_session, a_session_of_names_is_none_of_ids)
{
    int16_t error_code;
    int32_t id = open_session(1);

    plan(id, 1, 13, 0, 1, 10, &error_code);
    cr_assert(eq(i16, error_code, KAFKA_FETCH_SESSION_TOPIC_ID_ERROR));
}

Test(fetch_session, the_final_epoch_closes_and_serves_once_more)
{
    int16_t error_code;
    int32_t id = open_session(2);
    struct fetch_plan out = plan(id, LAST, VERSION, 0, 1, 10, &error_code);

    cr_assert(eq(ptr, (void *)out.session, NULL));
    cr_assert(eq(i32, count_of(&out), 1));
    cr_assert(eq(ptr, (void *)fetch_sessions_find(&sessions, id), NULL));
}

Test(fetch_session, forgotten_partitions_are_served_no_more)
{
    int32_t one[] = {1};
    struct fetch_request_forgotten_topic forgotten = {.topic = wire_string("t"),
                                                      .partitions = {one, 1}};
    int32_t id = open_session(3);
    struct fetch_request request = {
        .session_id = id, .session_epoch = 1, .forgotten_topics_data = {&forgotten, 1}};
    struct fetch_plan out;
    int16_t error_code;

    cr_assert(eq(int, ask_plan(&request, VERSION, &out, &error_code), OK));
    cr_assert(eq(i32, count_of(&out), 2));
    cr_assert(eq(i32, interest_at(&out, 1)->key.partition, 2));
}

Test(fetch_session, what_returned_data_goes_to_the_end_of_the_line)
{
    int16_t error_code;
    int32_t id = open_session(3);
    struct fetch_session *session = fetch_sessions_find(&sessions, id);
    struct fetch_plan out = plan(id, 1, VERSION, 0, 0, 0, &error_code);

    fetch_session_rotate(session, interest_at(&out, 0));
    cr_assert(eq(i32, interest_at(&out, 0)->key.partition, 1));
    cr_assert(eq(i32, interest_at(&out, 2)->key.partition, 0));
}

static bool is_there(int32_t id)
{
    return fetch_sessions_find(&sessions, id) != NULL;
}

/* The id of a new session of count partitions of the next connection; 0: none was made. */
static int32_t open_of(uint32_t owner_index, int32_t count)
{
    int16_t error_code;
    struct fetch_plan out;

    owner = &owners[owner_index];
    out = plan(0, FULL, VERSION, 0, count, 10, &error_code);
    cr_assert(eq(i16, error_code, KAFKA_NONE));
    cr_assert(eq(i32, count_of(&out), count));
    return out.session == NULL ? 0 : out.session->id;
}

Test(fetch_session, a_full_cache_of_sessions_in_use_makes_no_room)
{
    int32_t ids[SLOTS];

    for (uint32_t i = 0; i < SLOTS; i++)
        ids[i] = open_of(i, 2);
    now_ms = STALE_MS / 2;
    cr_assert(eq(i32, open_of(5, 8), 0)); /* however large it is */
    for (uint32_t i = 0; i < SLOTS; i++)
        cr_assert(is_there(ids[i]));
}

Test(fetch_session, one_that_was_not_used_for_two_minutes_gives_way)
{
    int16_t error_code;
    int32_t ids[SLOTS];

    for (uint32_t i = 0; i < SLOTS; i++)
        ids[i] = open_of(i, 5);
    now_ms = STALE_MS;
    plan(ids[0], 1, VERSION, 0, 0, 0, &error_code); /* used again */
    now_ms = STALE_MS + 1;
    cr_assert(ne(i32, open_of(5, 1), 0));
    cr_assert(is_there(ids[0]));
    cr_assert(not(is_there(ids[1])));
    cr_assert(is_there(ids[2]));
}

Test(fetch_session, an_old_one_in_use_gives_way_to_a_larger_one_only)
{
    int16_t error_code;
    int32_t ids[SLOTS];

    for (uint32_t i = 0; i < SLOTS; i++)
        ids[i] = open_of(i, 4 - (int32_t)i);
    now_ms = STALE_MS;
    for (uint32_t i = 0; i < SLOTS; i++)
        plan(ids[i], 1, VERSION, 0, 0, 0, &error_code);
    now_ms = STALE_MS + 1;
    cr_assert(eq(i32, open_of(5, 2), 0)); /* not larger than the smallest */
    cr_assert(ne(i32, open_of(5, 3), 0));
    cr_assert(is_there(ids[0]));
    cr_assert(is_there(ids[1]));
    cr_assert(not(is_there(ids[2])));
}

Test(fetch_session, without_slots_there_are_no_sessions)
{
    sessions.max_count = 0;
    cr_assert(eq(i32, open_of(0, 2), 0));
}

Test(fetch_session, a_connection_that_opens_many_pushes_out_its_own)
{
    int32_t victim;
    int32_t ids[FETCH_SESSIONS_OWN_MAX + 1];

    sessions.max_count = 100;
    victim = open_of(0, 1);
    for (uint32_t i = 0; i <= FETCH_SESSIONS_OWN_MAX; i++)
        ids[i] = open_of(1, 1);
    cr_assert(is_there(victim));
    cr_assert(not(is_there(ids[0])));
    cr_assert(is_there(ids[1]));
    fetch_sessions_drop_owner(&owners[1]); /* it is closed */
    for (uint32_t i = 0; i <= FETCH_SESSIONS_OWN_MAX; i++)
        cr_assert(not(is_there(ids[i])));
    cr_assert(is_there(victim));
}

Test(fetch_session, what_the_budget_does_not_hold_is_served_without_a_session)
{
    int16_t error_code;
    struct fetch_plan out;
    int32_t id;

    budget.max_bytes = 2000; /* of some partitions */
    id = open_of(0, 3);
    cr_assert(ne(i32, id, 0));
    cr_assert(eq(i32, open_of(1, 8), 0));
    cr_assert(le(u64, budget_used_bytes(&budget), 2000));
    owner = &owners[0];
    for (int32_t epoch = 1; is_there(id); epoch++) { /* it grows, until it cannot */
        out = plan(id, epoch, VERSION, epoch * 8, 8, 0, &error_code);
        cr_assert(lt(i32, epoch, 10));
    }
    cr_assert(eq(i16, error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND));
    cr_assert(eq(ptr, (void *)out.session, NULL));
    cr_assert(eq(u64, budget_used_bytes(&budget), 0));
}

Test(fetch_session, partitions_that_do_not_exist_are_in_no_session)
{
    int16_t error_code;
    int32_t id = open_of(0, 1);

    all_known = false;
    cr_assert(eq(i32, open_of(1, 3), 0));
    owner = &owners[0];
    plan(id, 1, VERSION, 5, 1, 0, &error_code);
    cr_assert(eq(i16, error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND));
    cr_assert(not(is_there(id)));
}

Test(fetch_session, who_is_being_served_keeps_a_session_that_gave_way)
{
    int16_t error_code;
    struct fetch_plan out = plan(0, FULL, VERSION, 0, 2, 10, &error_code);
    int32_t id = out.session->id;

    fetch_session_hold(out.session);
    fetch_sessions_drop_owner(owner);
    cr_assert(not(is_there(id)));
    cr_assert(eq(i32, out.session->id, id));
    cr_assert(ne(ptr, (void *)fetch_session_find(out.session, &interest_at(&out, 0)->key), NULL));
    fetch_session_release(out.session);
    cr_assert(eq(u64, budget_used_bytes(&budget), 0));
}

Test(fetch_session, a_partition_that_is_named_twice_is_served_once_as_it_is_named_last)
{
    struct fetch_request_fetch_partition partitions[] = {
        {.partition = 1, .fetch_offset = 5},
        {.partition = 2, .fetch_offset = 6},
        {.partition = 1, .fetch_offset = 7},
    };
    struct fetch_request_fetch_topic topics[] = {
        {.topic = wire_string("t"), .partitions = {partitions, 3}},
        {.topic = wire_string("t"), .partitions = {partitions, 2}},
    };
    struct fetch_request request = {.session_epoch = LAST, .topics = {topics, 1}};

    for (int32_t epoch = LAST; epoch <= FULL; epoch++) { /* without and with session */
        struct fetch_plan out;
        int16_t error_code;
        request.session_epoch = epoch;
        request.topics.count = 1;
        cr_assert(eq(int, ask_plan(&request, VERSION, &out, &error_code), OK));
        cr_assert(eq(i32, count_of(&out), 2));
        cr_assert(eq(i64, interest_at(&out, 0)->fetch_offset, 7));
        cr_assert(eq(i64, interest_at(&out, 1)->fetch_offset, 6));
        request.topics.count = 2;
        cr_assert(eq(int, ask_plan(&request, VERSION, &out, &error_code), OK));
        cr_assert(eq(i32, count_of(&out), 2));
        cr_assert(eq(i64, interest_at(&out, 0)->fetch_offset, 5));
    }
}

/* It is served without a session, or asked to say all again; nothing stays behind (teardown). */
Test(fetch_session, without_memory_it_is_served_and_not_remembered)
{
    uint32_t without_count = 0;

    for (uint64_t n = 1; n <= 20; n++) {
        int16_t error_code;
        struct fetch_plan out;
        int32_t id;
        mem_fail_after(n);
        out = plan(0, FULL, VERSION, 0, 2, 10, &error_code);
        mem_fail_after(0);
        cr_assert(eq(i16, error_code, KAFKA_NONE));
        cr_assert(eq(i32, count_of(&out), 2));
        without_count += out.session == NULL;
        if (out.session == NULL) {
            cr_assert(eq(u64, budget_used_bytes(&budget), 0));
            continue;
        }
        id = out.session->id;
        mem_fail_after(n);
        plan(id, 1, VERSION, 2, 6, 10, &error_code);
        mem_fail_after(0);
        if (error_code != KAFKA_NONE) {
            cr_assert(eq(i16, error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND));
            cr_assert_null(fetch_sessions_find(&sessions, id));
        } else {
            plan(id, LAST, VERSION, 0, 1, 10, &error_code);
        }
    }
    cr_assert(lt(u32, 3, without_count));
}
