#include "base/prng.h"
#include "net/client/client_assignor.h"
#include "net/client/client_subscription.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum { MEMBERS_MAX = 12, TOPICS_MAX = 6, PARTITIONS_MAX = 200 };

static struct client_assignor_topic topics[TOPICS_MAX];
static struct client_assignor_member members[MEMBERS_MAX];
static struct client_assignor_group group = {.topics = topics, .members = members};
static struct client_assignor_place owned[MEMBERS_MAX][PARTITIONS_MAX];
static bool subscribes[MEMBERS_MAX][TOPICS_MAX];
static char ids[MEMBERS_MAX][16];
static struct arena arena;
static const int32_t *owners;

static void add_topic(const char *name, int32_t partitions_count)
{
    topics[group.topics_count++] = (struct client_assignor_topic){name, partitions_count};
}

/* topics_of: one letter a topic, in their order: 'x' subscribed. */
static struct client_assignor_member *add_member(const char *id, const char *topics_of)
{
    uint32_t m = group.members_count++;

    for (uint32_t t = 0; topics_of[t] != '\0'; t++)
        subscribes[m][t] = topics_of[t] == 'x';
    members[m] = (struct client_assignor_member){
        .id = wire_string(id), .subscribes = subscribes[m], .owned = owned[m], .generation = 1};
    return &members[m];
}

static void owns(struct client_assignor_member *member, uint32_t topic, int32_t partition)
{
    member->owned[member->owned_count++] = (struct client_assignor_place){topic, partition};
}

static void run(enum client_assignor assignor)
{
    if (arena.max_bytes == 0)
        arena_init(&arena, 1 << 20);
    arena_reset(&arena);
    cr_assert(eq(int, client_assignor_run(assignor, &group, &arena, &owners), OK));
}

/* As "001122-": the member of each partition, topic after topic. */
static const char *text(void)
{
    static char out[PARTITIONS_MAX + 1];
    uint32_t count = 0;

    for (uint32_t t = 0; t < group.topics_count; t++)
        for (int32_t p = 0; p < topics[t].partitions_count; p++, count++)
            out[count] = owners[count] < 0 ? '-' : (char)('0' + owners[count]);
    out[count] = '\0';
    return out;
}

/* The values are those of Kafka's RangeAssignorTest and RoundRobinAssignorTest. */
Test(client_assignor, range_gives_each_a_run_of_each_topic)
{
    add_topic("t1", 3);
    add_topic("t2", 3);
    add_member("consumer1", "xx");
    add_member("consumer2", "xx");
    run(CLIENT_ASSIGNOR_RANGE);
    cr_assert(eq(str, (char *)text(), "001001"));
}

Test(client_assignor, range_asks_who_has_subscribed)
{
    add_topic("t1", 3);
    add_topic("t2", 2);
    add_member("c1", "x-");
    add_member("c2", "xx");
    add_member("c3", "x-");
    run(CLIENT_ASSIGNOR_RANGE);
    cr_assert(eq(str, (char *)text(), "01211"));
}

Test(client_assignor, range_puts_static_members_first_by_their_instance)
{
    add_topic("t1", 3);
    add_member("a", "x");
    add_member("b", "x")->instance_id = wire_string("z");
    add_member("c", "x")->instance_id = wire_string("y");
    run(CLIENT_ASSIGNOR_RANGE);
    cr_assert(eq(str, (char *)text(), "210"));
}

Test(client_assignor, roundrobin_goes_in_a_circle_over_all_topics)
{
    add_topic("t1", 3);
    add_topic("t2", 3);
    add_member("consumer1", "xx");
    add_member("consumer2", "xx");
    run(CLIENT_ASSIGNOR_ROUNDROBIN);
    cr_assert(eq(str, (char *)text(), "010101"));
}

Test(client_assignor, roundrobin_passes_over_who_has_not_subscribed)
{
    add_topic("t1", 3);
    add_topic("t2", 2);
    add_member("c1", "x-");
    add_member("c2", "xx");
    add_member("c3", "x-");
    run(CLIENT_ASSIGNOR_ROUNDROBIN);
    cr_assert(eq(str, (char *)text(), "01211"));
}

Test(client_assignor, sticky_spreads_what_is_free)
{
    add_topic("t", 7);
    add_member("a", "x");
    add_member("b", "x");
    run(CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    cr_assert(eq(str, (char *)text(), "0101010"));
}

Test(client_assignor, sticky_takes_from_who_has_most_and_holds_it_back)
{
    struct client_assignor_member *a;

    add_topic("t", 4);
    a = add_member("a", "x");
    add_member("b", "x");
    for (int32_t p = 0; p < 4; p++)
        owns(a, 0, p);
    run(CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    cr_assert(eq(str, (char *)text(), "00--")); /* CAS-3 */
    a->owned_count = 2;
    run(CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    cr_assert(eq(str, (char *)text(), "0011"));
}

Test(client_assignor, sticky_believes_the_newest_claim)
{
    struct client_assignor_member *a;
    struct client_assignor_member *b;

    add_topic("t", 2);
    a = add_member("a", "x");
    b = add_member("b", "x");
    owns(a, 0, 0);
    owns(a, 0, 1);
    owns(b, 0, 1);
    a->generation = 4;
    b->generation = 5;
    run(CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    cr_assert(eq(str, (char *)text(), "01"));
    a->generation = 5; /* of two in one generation none */
    run(CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    cr_assert(eq(str, (char *)text(), "0-"));
}

Test(client_assignor,
     sticky_takes_back_what_is_not_subscribed_any_more_and_ignores_what_is_not_there)
{
    struct client_assignor_member *a;

    add_topic("t", 1);
    add_topic("u", 1);
    a = add_member("a", "x-");
    add_member("b", "xx");
    owns(a, 1, 0);
    owns(a, 1, 77);
    owns(a, 0, 0);
    run(CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    cr_assert(eq(str, (char *)text(), "0-"));
    a->owned_count = 0;
    owns(a, 0, 0);
    run(CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
    cr_assert(eq(str, (char *)text(), "01"));
}

/* ---- rounds as a group has them: each member then owns what it was given */

static void take_owned(void)
{
    uint32_t at = 0;

    for (uint32_t m = 0; m < group.members_count; m++)
        members[m].owned_count = 0;
    for (uint32_t t = 0; t < group.topics_count; t++)
        for (int32_t p = 0; p < topics[t].partitions_count; p++, at++)
            if (owners[at] >= 0)
                owns(&members[owners[at]], t, p);
    for (uint32_t m = 0; m < group.members_count; m++)
        members[m].generation++;
}

static bool is_owned(uint32_t member, uint32_t topic, int32_t partition)
{
    for (uint32_t i = 0; i < members[member].owned_count; i++)
        if (members[member].owned[i].topic == topic &&
            members[member].owned[i].partition == partition)
            return true;
    return false;
}

static void check_round(void)
{
    uint32_t at = 0;

    for (uint32_t t = 0; t < group.topics_count; t++)
        for (int32_t p = 0; p < topics[t].partitions_count; p++, at++) {
            if (owners[at] >= 0)
                cr_assert(subscribes[owners[at]][t]); /* CAS-2 */
            for (uint32_t m = 0; owners[at] >= 0 && m < group.members_count; m++)
                cr_assert(m == (uint32_t)owners[at] || !is_owned(m, t, p)); /* CAS-3 */
        }
}

/* Somebody waits for another to give up. */
static bool holds_back(void)
{
    uint32_t at = 0;

    for (uint32_t t = 0; t < group.topics_count; t++)
        for (int32_t p = 0; p < topics[t].partitions_count; p++, at++)
            for (uint32_t m = 0; owners[at] < 0 && m < group.members_count; m++)
                if (subscribes[m][t])
                    return true;
    return false;
}

static void check_balance(void)
{
    uint32_t loads[MEMBERS_MAX] = {0};
    uint32_t at = 0;

    for (uint32_t t = 0; t < group.topics_count; t++)
        for (int32_t p = 0; p < topics[t].partitions_count; p++, at++) {
            uint32_t readers = 0;
            for (uint32_t m = 0; m < group.members_count; m++)
                readers += subscribes[m][t];
            cr_assert(eq(int, owners[at] >= 0, readers > 0)); /* CAS-1 */
            if (owners[at] >= 0)
                loads[owners[at]]++;
        }
    at = 0;
    for (uint32_t t = 0; t < group.topics_count; t++)
        for (int32_t p = 0; p < topics[t].partitions_count; p++, at++)
            for (uint32_t m = 0; owners[at] >= 0 && m < group.members_count; m++)
                if (subscribes[m][t])
                    cr_assert(ge(u32, loads[m] + 1, loads[owners[at]]));
}

Test(client_assignor, sticky_settles_whoever_comes_and_goes)
{
    struct prng prng;

    for (uint64_t seed = 0; seed < 300; seed++) {
        prng_init(&prng, seed);
        group.topics_count = 0;
        group.members_count = 0;
        for (uint32_t t = 0; t < 1 + prng_below(&prng, TOPICS_MAX - 1); t++)
            add_topic("t", (int32_t)prng_below(&prng, 20));
        for (uint32_t step = 0; step < 5; step++) {
            uint32_t rounds = 0;
            bool all = prng_chance(&prng, 1, 2);
            group.members_count = 0;
            for (uint32_t m = 0; m < 1 + prng_below(&prng, MEMBERS_MAX - 1); m++) {
                uint32_t kept = members[m].owned_count;
                char of[TOPICS_MAX + 1] = {0};
                for (uint32_t t = 0; t < group.topics_count; t++)
                    of[t] = all || prng_chance(&prng, 2, 3) ? 'x' : '-';
                snprintf(ids[m], sizeof(ids[m]), "m%02u", m);
                add_member(ids[m], of)->owned_count = kept;
                for (uint32_t i = 0; i < kept; i++)
                    if (!subscribes[m][owned[m][i].topic])
                        owned[m][i--] = owned[m][--kept];
                members[m].owned_count = kept;
            }
            for (uint32_t m = group.members_count; m < MEMBERS_MAX; m++)
                members[m].owned_count = 0;
            do {
                run(CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
                check_round();
                take_owned();
                cr_assert(lt(u32, rounds, 5), "seed %llu", (unsigned long long)seed);
            } while (rounds++ == 0 || holds_back());
            run(CLIENT_ASSIGNOR_COOPERATIVE_STICKY);
            check_balance();
        }
    }
}

/* ---- bytes */

static const uint8_t subscription_bytes[] = {
    0,    3,                                /* version */
    0,    0,    0, 2, 0, 1, 'a', 0, 1, 'b', /* topics */
    0,    0,    0, 4, 0, 0, 0,   9,         /* user data: the generation */
    0,    0,    0, 1, 0, 1, 'a', 0, 0, 0,   2, 0, 0, 0, 0, 0, 0, 0, 5, /* owned: a-0, a-5 */
    0,    0,    0, 9,                                                  /* generation */
    0xff, 0xff,                                                        /* no rack */
};

Test(client_subscription, is_written_as_kafka_does)
{
    struct client_topic a = {.name = "a"};
    struct client_topic b = {.name = "b", .index = 1};
    struct client_topic *both[] = {&a, &b};
    struct client_member_partition of[] = {{&a, 0}, {&a, 5}};
    struct consumer_protocol_subscription read;
    struct wire_bytes bytes;

    arena_init(&arena, 1 << 20);
    cr_assert(eq(int, client_subscription_encode(both, 2, of, 2, 9, true, &arena, &bytes), OK));
    cr_assert(eq(i32, bytes.size_bytes, (int32_t)sizeof(subscription_bytes)));
    cr_assert(eq(int, memcmp(bytes.bytes, subscription_bytes, sizeof(subscription_bytes)), 0));
    cr_assert(eq(int, client_subscription_decode(bytes, true, &arena, &read), OK));
    cr_assert(eq(i32, read.generation_id, 9));
    cr_assert(eq(i32, read.owned_partitions.items[0].partitions.items[1], 5));
    arena_deinit(&arena);
}

Test(client_subscription, of_an_older_client_has_its_generation_in_the_user_data)
{
    uint8_t old[] = {0, 1, 0, 0, 0, 1, 0, 1, 'a', 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 0};
    struct consumer_protocol_subscription read;
    struct wire_bytes bytes = {old, sizeof(old)};

    arena_init(&arena, 1 << 20);
    cr_assert(eq(int, client_subscription_decode(bytes, true, &arena, &read), OK));
    cr_assert(eq(i32, read.generation_id, 7));
    bytes.size_bytes -= 5;
    cr_assert(eq(int, client_subscription_decode(bytes, true, &arena, &read), ERR_TRUNCATED));
    arena_deinit(&arena);
}

Test(client_subscription, no_bytes_are_an_empty_assignment)
{
    struct consumer_protocol_assignment read;

    arena_init(&arena, 1 << 20);
    cr_assert(
        eq(int, client_subscription_decode_assignment((struct wire_bytes){0}, &arena, &read), OK));
    cr_assert(eq(i32, read.assigned_partitions.count, 0));
    arena_deinit(&arena);
}
