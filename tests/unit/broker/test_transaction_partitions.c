#include "base/mem.h"
#include "base/prng.h"
#include "broker/coordinator/transaction_partitions.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TOPICS = 20, INDEXES = 30, MANY = 10000 };

static struct transaction_partitions set;
static struct transaction_partitions other;

static void teardown(void)
{
    mem_fail_after(0);
    transaction_partitions_deinit(&set);
    transaction_partitions_deinit(&other);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(transaction_partitions, .fini = teardown);

static const char *name_of(uint32_t topic)
{
    static char name[32];

    snprintf(name, sizeof(name), "topic%.*u", topic % 3 == 0 ? 4 : 1, topic);
    return name;
}

static void add(struct transaction_partitions *to, uint32_t topic, int32_t index)
{
    const char *name = name_of(topic);

    cr_assert(eq(int, transaction_partitions_add(to, name, strlen(name), index), OK));
}

static bool has(const struct transaction_partitions *in, uint32_t topic, int32_t index)
{
    const char *name = name_of(topic);

    return transaction_partitions_has(in, name, strlen(name), index);
}

/* Gone through. */
static uint64_t bytes_of(const struct transaction_partitions *in)
{
    size_t gone = (size_t)(in->topics - in->block);
    uint64_t bytes = (in->topic_capacity + gone) * sizeof(in->topics[0]) + 16;

    for (uint32_t i = 0; i < in->topic_count; i++)
        bytes += strlen(in->topics[i].name) + 1 + 16 +
                 in->topics[i].capacity * sizeof(in->topics[i].indexes[0]) + 16;
    return in->topic_capacity + gone == 0 ? 0 : bytes;
}

static void check_order(const struct transaction_partitions *in)
{
    uint32_t count = 0;

    cr_assert(eq(u64, transaction_partitions_bytes(in), bytes_of(in)));
    for (uint32_t i = 0; i < in->topic_count; i++) {
        const struct transaction_topic *topic = &in->topics[i];
        cr_assert(i == 0 || strcmp(in->topics[i - 1].name, topic->name) < 0);
        cr_assert(lt(u32, 0, topic->count));
        for (uint32_t j = 1; j < topic->count; j++)
            cr_assert(lt(i32, topic->indexes[j - 1], topic->indexes[j]));
        count += topic->count;
    }
    cr_assert(eq(u32, count, in->count));
}

static void compare(bool model[TOPICS][INDEXES])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < TOPICS; i++)
        for (int32_t j = 0; j < INDEXES; j++) {
            cr_assert(eq(int, has(&set, i, j), model[i][j]), "%u/%d", i, j);
            count += model[i][j];
        }
    cr_assert(eq(u32, set.count, count));
    check_order(&set);
}

Test(transaction_partitions, holds_each_partition_once_in_whatever_order_they_come_and_go)
{
    bool model[TOPICS][INDEXES] = {0};
    struct prng prng;

    prng_init(&prng, 7);
    for (int round = 0; round < 4000; round++) {
        uint32_t topic = (uint32_t)prng_below(&prng, TOPICS);
        int32_t index = (int32_t)prng_below(&prng, INDEXES);
        if ((uint32_t)prng_below(&prng, 5) < 2) {
            const char *name = name_of(topic);
            transaction_partitions_remove(&set, name, strlen(name), index);
            model[topic][index] = false;
        } else {
            add(&set, topic, index);
            model[topic][index] = true;
        }
        if (round % 100 == 0)
            compare(model);
    }
    compare(model);
}

Test(transaction_partitions, what_is_missing_is_taken_into_reserved_room_without_memory)
{
    struct transaction_partitions missing = {0};
    struct prng prng;

    for (int round = 0; round < 200; round++) {
        bool model[TOPICS][INDEXES] = {0};
        prng_init(&prng, (uint64_t)round);
        for (int i = 0; i < 100; i++) {
            uint32_t topic = (uint32_t)prng_below(&prng, TOPICS);
            int32_t index = (int32_t)prng_below(&prng, INDEXES);
            add((uint32_t)prng_below(&prng, 2) == 0 ? &set : &other, topic, index);
            model[topic][index] = true;
        }
        cr_assert(eq(int, transaction_partitions_missing(&set, &other, &missing), OK));
        cr_assert(eq(int, transaction_partitions_reserve(&set, &missing), OK));
        mem_fail_after(1);
        transaction_partitions_take(&set, &missing);
        mem_fail_after(0);
        cr_assert(eq(u32, missing.count, 0));
        compare(model);
        cr_assert(eq(int, transaction_partitions_missing(&set, &other, &missing), OK));
        cr_assert(eq(u32, missing.count, 0));
        transaction_partitions_deinit(&set);
        transaction_partitions_deinit(&other);
    }
}

/* As markers come back: EndTxn of 20,000 topics took some seconds in all. */
Test(transaction_partitions, many_topics_go_from_the_front_and_are_counted_at_little_cost)
{
    enum { MANY_TOPICS = 20000 };
    char name[32];
    clock_t begin;
    uint64_t sum = 0;

    for (int i = 0; i < MANY_TOPICS; i++) {
        snprintf(name, sizeof(name), "a-topic-of-many-%05d", i);
        cr_assert(eq(int, transaction_partitions_add(&set, name, strlen(name), 1), OK));
    }
    begin = clock();
    for (int i = 0; i < MANY_TOPICS; i++) {
        snprintf(name, sizeof(name), "a-topic-of-many-%05d", i);
        transaction_partitions_remove(&set, name, strlen(name), 1);
        sum += transaction_partitions_bytes(&set);
    }
    cr_assert(lt(u64, 0, sum));
    cr_assert(lt(u64, (uint64_t)(clock() - begin) / (CLOCKS_PER_SEC / 1000), 200));
    cr_assert(eq(u32, set.count, 0));
}

Test(transaction_partitions, room_at_the_end_stays_while_topics_go_at_the_front)
{
    char name[32];

    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "b%d", i);
        cr_assert(eq(int, transaction_partitions_add(&set, name, strlen(name), i), OK));
        snprintf(name, sizeof(name), "c%d", i);
        cr_assert(eq(int, transaction_partitions_add(&other, name, strlen(name), i), OK));
    }
    cr_assert(eq(int, transaction_partitions_reserve(&set, &other), OK));
    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof(name), "b%d", i);
        transaction_partitions_remove(&set, name, strlen(name), i);
    }
    mem_fail_after(1);
    transaction_partitions_take(&set, &other);
    mem_fail_after(0);
    cr_assert(eq(u32, set.count, 11));
    check_order(&set);
}

Test(transaction_partitions, a_name_that_begins_another_one_is_another_one)
{
    cr_assert(eq(int, transaction_partitions_add(&set, "ab", 2, 1), OK));
    cr_assert(eq(int, transaction_partitions_add(&set, "abcd", 3, 1), OK));
    cr_assert(transaction_partitions_has(&set, "abc", 3, 1));
    cr_assert(not(transaction_partitions_has(&set, "a", 1, 1)));
    cr_assert(not(transaction_partitions_has(&set, "abcd", 4, 1)));
    transaction_partitions_remove(&set, "a", 1, 1);
    transaction_partitions_remove(&set, "ab", 2, 2);
    cr_assert(eq(u32, set.count, 2));
}

Test(transaction_partitions, without_memory_the_set_is_as_before)
{
    for (uint64_t fails = 1; fails < 4; fails++) {
        mem_fail_after(fails);
        enum err err = transaction_partitions_add(&set, "t", 1, 5);
        mem_fail_after(0);
        cr_assert(eq(int, err, fails < 4 ? ERR_NOMEM : OK));
        cr_assert(eq(u32, set.count, 0));
        cr_assert(eq(u32, set.topic_count, 0));
    }
    add(&other, 1, 1);
    cr_assert(eq(int, transaction_partitions_add(&set, "t", 1, 5), OK));
    mem_fail_after(1);
    cr_assert(eq(int, transaction_partitions_reserve(&set, &other), ERR_NOMEM));
    mem_fail_after(0);
    cr_assert(eq(u32, set.count, 1));
}

Test(transaction_partitions, ten_partitions_of_one_topic_fit_into_a_small_block)
{
    for (int32_t i = 0; i < 10; i++)
        add(&set, 1, i);
    cr_assert(lt(u64, transaction_partitions_bytes(&set), 200));
    add(&other, 1, 0);
    cr_assert(lt(u64, transaction_partitions_bytes(&other), 100));
}

Test(transaction_partitions, ten_thousand_cost_what_they_are)
{
    /* taken one by one, from both ends; a step that is as long as the set would show as minutes */
    for (uint32_t i = 0; i < MANY; i++) {
        struct transaction_partitions one = {0};
        add(&one, 1, (int32_t)(i % 2 == 0 ? MANY - i : i));
        cr_assert(eq(int, transaction_partitions_reserve(&set, &one), OK));
        transaction_partitions_take(&set, &one);
    }
    check_order(&set);
    cr_assert(eq(u32, set.count, MANY));
    cr_assert(eq(int, transaction_partitions_add_all(&other, &set), OK));
    cr_assert(eq(u32, other.count, MANY));
    cr_assert(lt(u64, transaction_partitions_bytes(&set), 2 * MANY * sizeof(int32_t) + 200));
}
