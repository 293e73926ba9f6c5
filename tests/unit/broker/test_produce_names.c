/* A request that names a partition twice is refused, with few names (compared) and many (a map). */
#include "broker/produce_names.h"
#include "broker/shard.h"
#include "net/protocol/msg_produce.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum { MANY = 40, BY_NAME = 12, BY_ID = 13 };

static struct produce_request_topic_produce_data topics[MANY];
static struct produce_request_partition_produce_data parts[MANY];
static char names[MANY][16];

static enum err check_of(int32_t topic_count, int32_t part_count, int16_t version)
{
    struct produce_request body = {.topic_data = {.items = topics, .count = topic_count}};
    struct shard shard = {0};
    struct request request = {.home = &shard, .api_version = version, .body = &body};

    prng_init(&shard.prng, 1);
    for (int32_t i = 0; i < topic_count; i++) {
        topics[i].partition_data.items = parts;
        topics[i].partition_data.count = part_count;
    }
    return produce_names_check(&request);
}

static void setup(void)
{
    for (int i = 0; i < MANY; i++) {
        parts[i].index = i * 7;
        snprintf(names[i], sizeof(names[i]), "topic-%d", i);
        topics[i].name = wire_string(names[i]);
        memset(&topics[i].topic_id, i, sizeof(topics[i].topic_id));
    }
}

Test(produce_names, names_that_differ_are_taken, .init = setup)
{
    for (int32_t count = 0; count <= MANY; count++) {
        cr_assert(eq(int, check_of(count, 1, BY_NAME), OK));
        cr_assert(eq(int, check_of(count, 1, BY_ID), OK));
        cr_assert(eq(int, check_of(1, count, BY_NAME), OK));
    }
}

Test(produce_names, a_partition_that_is_named_again_is_refused, .init = setup)
{
    for (int32_t count = 2; count <= MANY; count++)
        for (int32_t other = 0; other < count - 1; other++) {
            parts[count - 1].index = parts[other].index;
            cr_assert(eq(int, check_of(1, count, BY_NAME), ERR_EXISTS), "%d %d", count, other);
            parts[count - 1].index = (count - 1) * 7;
        }
}

Test(produce_names, a_topic_that_is_named_again_is_refused, .init = setup)
{
    for (int32_t count = 2; count <= MANY; count++)
        for (int32_t other = 0; other < count - 1; other++) {
            topics[count - 1].name = topics[other].name;
            topics[count - 1].topic_id = topics[other].topic_id;
            cr_assert(eq(int, check_of(count, 1, BY_NAME), ERR_EXISTS), "%d %d", count, other);
            cr_assert(eq(int, check_of(count, 1, BY_ID), ERR_EXISTS), "%d %d", count, other);
            setup();
        }
}

/* "topic-1" and "topic-10": one is the beginning of the other. */
Test(produce_names, a_name_that_begins_another_is_another, .init = setup)
{
    topics[0].name = topics[10].name;
    topics[0].name.size_bytes--;
    cr_assert(eq(int, check_of(1, 1, BY_NAME), OK));
    topics[1].name = topics[10].name;
    cr_assert(eq(int, check_of(2, 1, BY_NAME), OK));
    topics[2].name = topics[0].name;
    topics[0].name = topics[1].name;
    topics[1].name = topics[2].name;
    cr_assert(eq(int, check_of(2, 1, BY_NAME), OK));
}
