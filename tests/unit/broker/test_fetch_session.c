#include "base/mem.h"
#include "broker/fetch_session.h"
#include "net/protocol/kafka_errors.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct prng prng;
static struct fetch_sessions sessions;
static struct arena arena;

static void setup(void)
{
    prng_init(&prng, 5);
    fetch_sessions_init(&sessions, &prng, 3);
    arena_init(&arena, 1 << 20);
}

static void teardown(void)
{
    fetch_sessions_deinit(&sessions);
    arena_deinit(&arena);
    cr_assert(eq(u64, mem_used_count(), 0), "memory was not given back");
}

TestSuite(fetch_session, .init = setup, .fini = teardown);

enum { VERSION = 12, FULL = 0, LAST = -1 };

/* Partitions first..first+count-1 of "t", from offset. */
static struct fetch_plan plan(int32_t id, int32_t epoch, int16_t version, int32_t first,
                              int32_t count, int64_t offset, int16_t *error_out)
{
    struct fetch_request_fetch_partition partitions[8] = {0};
    struct fetch_request_fetch_topic topic = {.partitions = {partitions, count}};
    struct fetch_request request = {
        .session_id = id, .session_epoch = epoch, .topics = {&topic, 1}};
    struct fetch_plan out;

    if (version >= 13)
        topic.topic_id.bytes[0] = 1;
    else
        topic.topic = wire_string("t");
    for (int32_t i = 0; i < count; i++) {
        partitions[i].partition = first + i;
        partitions[i].fetch_offset = offset;
    }
    cr_assert(
        eq(int, fetch_sessions_plan(&sessions, &request, version, &arena, 1, &out, error_out), OK));
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

    cr_assert(eq(
        int, fetch_sessions_plan(&sessions, &request, VERSION, &arena, 1, &out, &error_code), OK));
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

Test(fetch_session, the_one_that_was_idle_longest_gives_way)
{
    int16_t error_code;
    int32_t first = open_session(1);
    int32_t second = open_session(1);

    open_session(1);
    plan(first, 1, VERSION, 0, 0, 0, &error_code); /* used again */
    open_session(1);                               /* one too many */
    cr_assert(ne(ptr, (void *)fetch_sessions_find(&sessions, first), NULL));
    cr_assert(eq(ptr, (void *)fetch_sessions_find(&sessions, second), NULL));
}
