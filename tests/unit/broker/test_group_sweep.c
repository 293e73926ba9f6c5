/* Offsets and groups that go away: with their topic, by time, or asked for; in slices, and never
 * what came later. */
#include "broker/coordinator/group_removal.h"
#include "net/protocol/msg_offset_delete.h"
#include "tests/unit/broker/group_asks.h"

#include <time.h>

enum { MINUTE_MS = 60 * 1000, GROUPS = 200, PARTITIONS = 100 };

static struct uuid topic_id;

static void setup(void)
{
    const char *sets[] = {"offsets.retention.minutes=60", NULL};

    rig_up(sets);
    topic_id = rig_create_topic("t", 4);
}

TestSuite(group_sweep, .init = setup, .fini = rig_down, .timeout = 600);

/* What GROUPS groups have committed for so many partitions each of a topic. */
static void fill(const char *topic, const struct uuid *id)
{
    char name[16];

    for (int g = 0; g < GROUPS; g++) {
        snprintf(name, sizeof(name), "g%d", g);
        for (int32_t p = 0; p < PARTITIONS; p++)
            put_offset(coordinator_get(rig.shard.groups, wire_string(name)), topic, id, p, 1, -1,
                       wire_string(""), rig.clock.wall_ms, -1);
    }
}

static uint32_t count_offsets(void)
{
    uint32_t count = 0;

    list_for_each(node, &rig.shard.groups->all)
    {
        count += container_of(node, struct group, node)->offset_count;
    }
    return count;
}

/* One task of those that are deferred; false: there is none. */
static bool run_one_task(void)
{
    struct list *node = list_pop_front(&rig.shard.loop.deferred);

    if (node == NULL)
        return false;
    container_of(node, struct task, node)->run(container_of(node, struct task, node));
    return true;
}

static void delete_unsettled(const struct uuid *id)
{
    rig_delete_topic(id, false);
    group_coordinator_topic_deleted(rig.shard.groups, "t");
}

/* ---- in slices */

enum { SLICE_MAX = 1000 };

/* Turn by turn, durable after each; the most tombstones that a turn wrote. */
static int64_t sweep_by_turns(void)
{
    int64_t most = 0;

    for (;;) {
        int64_t before = disk.logs[0].offsets.log_end;
        bool ran = run_one_task();
        int64_t written = disk.logs[0].offsets.log_end - before;
        most = written > most ? written : most;
        disk_commit();
        if (!ran && list_is_empty(&rig.shard.loop.deferred))
            return most;
    }
}

Test(group_sweep, offsets_of_a_deleted_topic_go_in_slices)
{
    fill("t", &topic_id);
    cr_assert(eq(u32, count_offsets(), GROUPS * PARTITIONS));
    delete_unsettled(&topic_id);
    cr_assert(le(i64, sweep_by_turns(), SLICE_MAX));
    cr_assert(eq(u32, count_offsets(), 0));
    cr_assert(eq(i32, listed_groups(), 0));
}

Test(group_sweep, tombstones_do_not_pile_up_while_the_disk_is_slow)
{
    int64_t end;

    fill("t", &topic_id);
    rig.holds = true;
    delete_unsettled(&topic_id);
    while (run_one_task())
        continue;
    end = disk.logs[0].offsets.log_end;
    cr_assert(lt(i64, end, GROUPS * PARTITIONS * 9 / 10)); /* it waits */
    rig.holds = false;
    rig_settle();
    cr_assert(eq(u32, count_offsets(), 0));
}

static uint64_t cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

Test(group_sweep, deleting_a_topic_costs_what_was_committed_for_it)
{
    uint64_t begin_ms;

    fill("t", &topic_id);
    begin_ms = cpu_ms();
    for (int i = 0; i < 20000; i++)
        group_coordinator_topic_deleted(rig.shard.groups, "another");
    cr_assert(lt(u64, cpu_ms() - begin_ms, 1000)); /* looking at all offsets takes minutes */
}

Test(group_sweep, what_has_expired_goes_in_slices)
{
    fill("t", &topic_id);
    rig.holds = true;
    rig.clock.mono_ns += (uint64_t)71 * MINUTE_MS * 1000000U;
    rig.clock.wall_ms += 71 * MINUTE_MS;
    rig.shard.loop.now_ns = rig.clock.mono_ns;
    timer_wheel_advance(&rig.shard.loop.timers, rig.clock.mono_ns);
    cr_assert(le(i64, sweep_by_turns(), SLICE_MAX));
    cr_assert(eq(u32, count_offsets(), 0));
    cr_assert(list_is_empty(&rig.shard.groups->all));
    rig.holds = false;
}

Test(group_sweep, a_group_with_more_than_a_slice_has_as_many_turns_as_it_needs)
{
    struct group *group = coordinator_get(rig.shard.groups, wire_string("g"));

    for (int32_t p = 0; p < 5 * SLICE_MAX; p++)
        put_offset(group, "t", &topic_id, p, 1, -1, wire_string(""), 1, -1);
    rig_pass_ms(11 * MINUTE_MS);
    for (int i = 0; i < 10; i++)
        rig_settle();
    cr_assert(eq(u32, count_offsets(), 0));
}

/* ---- and never what came later */

Test(group_sweep, what_is_committed_for_the_topic_of_the_same_name_stays)
{
    struct ask old;
    struct ask new;

    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 4), KAFKA_NONE));
    rig.holds = true;
    start_commit(&old, NULL, "g", "t", 0, 5, -1);
    rig_delete_topic(&topic_id, true);
    rig_create_topic("t", 4);
    start_commit(&new, NULL, "g", "t", 0, 7, -1);
    rig.holds = false;
    rig_settle();
    end_commit(&old);
    cr_assert(eq(i16, end_commit(&new), KAFKA_NONE));
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(i64, fetch_offset("g", "t", 0), 7));
        rig_restart();
    }
}

Test(group_sweep, so_does_the_first_commit_of_a_partition_behind_another)
{
    struct ask old;
    struct ask new;

    rig.holds = true;
    start_commit(&old, NULL, "g", "t", 0, 5, -1);
    rig_delete_topic(&topic_id, true);
    rig_create_topic("t", 4);
    start_commit(&new, NULL, "g", "t", 0, 7, -1);
    rig.holds = false;
    rig_settle();
    end_commit(&old);
    end_commit(&new);
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(i64, fetch_offset("g", "t", 0), 7));
        rig_restart();
    }
}

Test(group_sweep, nobody_is_told_offsets_of_a_topic_that_is_gone)
{
    fill("t", &topic_id);
    rig.holds = true;
    delete_unsettled(&topic_id);
    cr_assert(eq(i64, fetch_offset("g199", "t", 0), -1)); /* its tombstone is not written yet */
    rig_create_topic("t", 4);
    cr_assert(eq(i64, fetch_offset("g199", "t", 0), -1));
    rig.holds = false;
}

/* Of two topics, both deleted while it was recorded. */
Test(group_sweep, every_topic_of_a_commit_that_has_gone_meanwhile_is_forgotten)
{
    struct uuid other_id = rig_create_topic("u", 1);
    struct ask ask = ask_new(API_OFFSET_COMMIT, 9);
    struct offset_commit_request *body = ask.body;
    struct offset_commit_request_partition partitions[2] = {
        {.committed_offset = 5, .committed_metadata = wire_string("")},
        {.committed_offset = 6, .committed_metadata = wire_string("")}};
    struct offset_commit_request_topic topics[2];

    for (int i = 0; i < 2; i++) {
        topics[i] = (struct offset_commit_request_topic){.name = wire_string(i == 0 ? "t" : "u")};
        topics[i].partitions.items = &partitions[i];
        topics[i].partitions.count = 1;
    }
    body->group_id = wire_string("g");
    body->generation_id_or_member_epoch = -1;
    body->topics.items = topics;
    body->topics.count = 2;
    rig.holds = true;
    ask_start(&ask, handle_offset_commit);
    rig_delete_topic(&topic_id, true);
    rig_delete_topic(&other_id, true);
    rig.holds = false;
    rig_settle();
    ask_end(&ask);
    cr_assert(eq(u32, count_offsets(), 0));
    rig_restart();
    cr_assert(eq(u32, count_offsets(), 0));
}

Test(group_sweep, a_commit_that_fails_leaves_what_was_there)
{
    struct ask ask;

    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 4), KAFKA_NONE));
    disk.refuse_with = ERR_NOSPACE;
    start_commit(&ask, NULL, "g", "t", 0, 5, -1);
    end_commit(&ask);
    start_commit(&ask, NULL, "g", "t", 1, 5, -1);
    end_commit(&ask);
    disk.refuse_with = OK;
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 4));
    cr_assert(eq(i64, fetch_offset("g", "t", 1), -1));
    cr_assert(eq(u32, count_offsets(), 1));
}

/* ---- empty groups */

Test(group_sweep, an_empty_group_without_offsets_goes_with_the_next_check)
{
    struct client_member a = a_client();

    become_stable(&a, "h");
    cr_assert(eq(i16, leave(&a, "h"), KAFKA_NONE));
    cr_assert_not_null(the_group("h"));
    rig_restart();
    cr_assert_not_null(the_group("h")); /* its generation is remembered (GRP-1) */
    rig_pass_ms(10 * MINUTE_MS);        /* offsets.retention.check.interval.ms */
    cr_assert_null(the_group("h"));
    rig_restart();
    cr_assert_null(the_group("h"));
}

Test(group_sweep, one_that_has_offsets_stays_with_them)
{
    struct client_member a = a_client();

    become_stable(&a, "g");
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 5), KAFKA_NONE));
    cr_assert(eq(i16, leave(&a, "g"), KAFKA_NONE));
    rig_pass_ms(50 * MINUTE_MS);
    cr_assert_not_null(the_group("g"));
    rig_pass_ms(21 * MINUTE_MS);
    cr_assert_null(the_group("g"));
}

/* ---- whoever waits for a removal does not wait for ever */

static void end_of_patience(struct ask *ask)
{
    request_cancel(ask->request, REQUEST_STOPPING);
    rig_settle();
    cr_assert(not(ask->answered)); /* effects go on */
    request_cancel(ask->request, REQUEST_CUT);
    rig_settle();
    cr_assert(ask->answered);
}

Test(group_sweep, deleting_a_group_ends_with_the_patience_and_goes_on)
{
    struct ask ask;

    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 4), KAFKA_NONE));
    rig.holds = true;
    start_delete(&ask, "g");
    end_of_patience(&ask);
    cr_assert(eq(i16, end_delete(&ask), KAFKA_COORDINATOR_NOT_AVAILABLE));
    rig.holds = false;
    rig_settle();
    cr_assert_null(the_group("g"));
}

Test(group_sweep, so_does_deleting_an_offset)
{
    struct ask ask = ask_new(API_OFFSET_DELETE, 0);
    struct offset_delete_request *body = ask.body;
    struct offset_delete_request_partition asked = {.partition_index = 0};
    struct offset_delete_request_topic asked_topic = {.name = wire_string("t"),
                                                      .partitions = {.items = &asked, .count = 1}};

    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 4), KAFKA_NONE));
    body->group_id = wire_string("g");
    body->topics.items = &asked_topic;
    body->topics.count = 1;
    rig.holds = true;
    ask_start(&ask, handle_offset_delete);
    end_of_patience(&ask);
    ask_end(&ask);
    rig.holds = false;
    rig_settle();
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
}

/* ---- DeleteGroups of a large group: GRM-2 */

static uint32_t count_batches(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < disk.log_count; i++)
        count += disk.logs[i].batch_count;
    return count;
}

Test(group_sweep, a_large_group_is_deleted_in_slices_and_by_one_batch)
{
    enum { OFFSETS = 3500, SLICE = 1000 };
    struct uuid id = rig_create_topic("u", 1);
    struct group *group = coordinator_get(rig.shard.groups, wire_string("large"));
    struct ask deletion, again, commit_ask;
    uint32_t batches = count_batches();
    uint32_t turns = 0;

    for (int32_t p = 0; p < OFFSETS; p++)
        put_offset(group, "u", &id, p, 1, -1, wire_string(""), rig.clock.wall_ms, -1);
    make_delete(&deletion, "large");
    make_delete(&again, "large");
    make_commit(&commit_ask, NULL, "large", "u", 0, 7, -1);
    ask_begin(&deletion, handle_delete_groups);
    cr_assert(eq(u32, count_batches(), batches)); /* it is still being put together */
    ask_begin(&commit_ask, handle_offset_commit);
    ask_begin(&again, handle_delete_groups);
    while (run_one_task())
        turns++;
    cr_assert(le(u32, OFFSETS / SLICE, turns));
    cr_assert(eq(i16, end_commit(&commit_ask), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(eq(i16, end_delete(&again), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(eq(u32, count_batches(), batches + 1));
    cr_assert(eq(u32, group->offset_count, OFFSETS)); /* not durable yet */
    cr_assert(not(deletion.answered));
    disk_commit();
    cr_assert(eq(u32, group->offset_count, OFFSETS - SLICE));
    rig_run_tasks();
    cr_assert(eq(i16, end_delete(&deletion), KAFKA_NONE));
    cr_assert_null(the_group("large"));
    rig_restart();
    cr_assert_null(the_group("large"));
}

/* GRM-3 */
enum { LONG_OFFSETS = 2200, LONG_ID_BYTES = 8000 };

/* A group whose offsets do not fit in one batch of 16 MiB. */
static struct group *put_long_group(char *id)
{
    struct uuid topic_id = rig_create_topic("u", 1);
    struct group *group;

    memset(id, 'l', LONG_ID_BYTES);
    id[LONG_ID_BYTES] = '\0';
    group = coordinator_get(rig.shard.groups, wire_string(id));
    for (int32_t p = 0; p < LONG_OFFSETS; p++)
        put_offset(group, "u", &topic_id, p, 1, -1, wire_string(""), rig.clock.wall_ms, -1);
    return group;
}

Test(group_sweep, a_group_that_does_not_fit_in_a_batch_is_deleted_in_several)
{
    static char id[LONG_ID_BYTES + 1];
    struct group *group = put_long_group(id);
    struct ask deletion, commit_ask;
    uint32_t batches = count_batches();
    uint32_t left = group->offset_count;

    make_delete(&deletion, id);
    ask_begin(&deletion, handle_delete_groups);
    while (!deletion.answered) {
        while (run_one_task())
            continue;
        make_commit(&commit_ask, NULL, id, "u", 0, 7, -1);
        ask_begin(&commit_ask, handle_offset_commit);
        cr_assert(eq(i16, end_commit(&commit_ask), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
        disk_commit();
        rig_run_tasks();
        if (!deletion.answered) {
            cr_assert(lt(u32, group->offset_count, left));
            left = group->offset_count;
        }
    }
    cr_assert(eq(i16, end_delete(&deletion), KAFKA_NONE));
    cr_assert_null(the_group(id));
    cr_assert(lt(u32, LONG_OFFSETS * LONG_ID_BYTES >> 24, count_batches() - batches));
    rig_restart();
    cr_assert_null(the_group(id));
}

Test(group_sweep, what_is_left_of_such_a_group_is_deleted_by_who_asks_again)
{
    static char id[LONG_ID_BYTES + 1];
    struct group *group = put_long_group(id);
    struct ask deletion;

    make_delete(&deletion, id);
    ask_begin(&deletion, handle_delete_groups);
    disk_commit(); /* the first part */
    disk.refuse_with = ERR_STORAGE;
    disk_commit(); /* the second */
    disk.refuse_with = OK;
    rig_run_tasks();
    cr_assert(ne(i16, end_delete(&deletion), KAFKA_NONE));
    group = the_group(id);
    cr_assert_not_null(group);
    cr_assert(lt(u32, 0, group->offset_count));
    cr_assert(lt(u32, group->offset_count, LONG_OFFSETS));
    start_delete(&deletion, id);
    cr_assert(eq(i16, end_delete(&deletion), KAFKA_NONE));
    cr_assert_null(the_group(id));
}

Test(group_sweep, a_part_of_such_a_group_is_not_all_of_it_when_the_partition_goes)
{
    enum { OFFSETS = 60000 };
    struct uuid id = rig_create_topic("u", 1);
    struct group *group = coordinator_get(rig.shard.groups, wire_string("large"));
    struct ask deletion;

    for (int32_t p = 0; p < OFFSETS; p++)
        put_offset(group, "u", &id, p, 1, -1, wire_string(""), rig.clock.wall_ms, -1);
    make_delete(&deletion, "large");
    ask_begin(&deletion, handle_delete_groups);
    while (run_one_task())
        continue;
    disk_commit(); /* the first part, which is being applied now */
    cr_assert(not(deletion.answered));
    cr_assert(lt(u32, group->offset_count, OFFSETS));
    cr_assert(not(list_is_empty(&rig.shard.loop.deferred)));
    runtime_unload(&rig.shard.groups->runtime, 0);
    rig_run_tasks();
    cr_assert(eq(i16, end_delete(&deletion), KAFKA_NOT_COORDINATOR));
    rig_restart();
}

/* Put together, or being applied, when the partition or the process goes. */
Test(group_sweep, a_large_group_that_is_being_deleted_may_go_at_any_moment)
{
    enum { OFFSETS = 3500 };
    struct uuid id = rig_create_topic("u", 1);

    for (int stop_after = 0; stop_after < 8; stop_after++) {
        struct group *group = coordinator_get(rig.shard.groups, wire_string("large"));
        struct ask deletion;

        for (int32_t p = 0; p < OFFSETS; p++)
            put_offset(group, "u", &id, p, 1, -1, wire_string(""), rig.clock.wall_ms, -1);
        make_delete(&deletion, "large");
        ask_begin(&deletion, handle_delete_groups);
        for (int i = 0; i < stop_after; i++) {
            (void)run_one_task();
            if (i == 3)
                disk_commit();
        }
        runtime_unload(&rig.shard.groups->runtime, 0);
        rig_run_tasks();
        cr_assert(deletion.answered);
        cr_assert(
            eq(i16, end_delete(&deletion), stop_after <= 3 ? KAFKA_NOT_COORDINATOR : KAFKA_NONE));
        rig_restart();
        cr_assert_null(the_group("large")); /* it was in memory only */
    }
}
