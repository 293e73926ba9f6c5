/* A whole broker in virtual time whose wall clock is set, and what goes by age meanwhile. */
#include "broker/clock_guard.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/image.h"
#include "broker/topic_table.h"
#include "record/batch_builder.h"
#include "tests/sim/sim_broker.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define DAY_MS INT64_C(86400000)

static struct sim_world *world;
static struct sim_disk_options disk;
static struct sim_broker node;

static bool is_ready(void *context)
{
    return node.ready;
}

static void pass_ms(int64_t ms)
{
    sim_world_run_for(world, (uint64_t)ms * SIM_MS);
}

static int64_t wall_ms(void)
{
    return clock_wall_ms(sim_node_clock(node.node));
}

static struct shard *shard(void)
{
    return broker_shard(node.broker, 0);
}

/* Retention looks each minute; a day's data and idle producers are kept. */
static void setup(void)
{
    struct sim_world_options options = {.seed = 7};
    struct sim_broker_options broker = {
        .shards_count = 1,
        .sets = (const char *[]){"log.dirs=data", "listeners=PLAINTEXT://:9092",
                                 "levee.http.listener=", "levee.disk.reserve.bytes=0",
                                 "levee.shards=1", "levee.journal.max.bytes=16777216",
                                 "log.retention.check.interval.ms=60000",
                                 "log.retention.ms=86400000", "producer.id.expiration.ms=86400000",
                                 "levee.clock.step.accept.ms=21600000", NULL},
        .disk = &disk,
    };

    world = sim_world_create(&options);
    sim_broker_init(&node, world, "broker", &broker);
    sim_disk_heal(&node.node->disk);
    sim_node_start(node.node);
    cr_assert(sim_world_run_until(world, is_ready, NULL, 30 * SIM_SECOND));
}

static void teardown(void)
{
    sim_world_destroy(world); /* the memory of a killed process is left where it is */
    sim_broker_deinit(&node);
}

TestSuite(clock_guard, .init = setup, .fini = teardown, .timeout = 600);

static void on_created(struct controller_call *call)
{
}

static struct log *create_topic(void)
{
    static struct controller_auto_create create;
    const struct image_topic *topic;

    create = (struct controller_auto_create){.call = {.done = on_created}, .name = "t"};
    controller_auto_create_topic(shard()->controller, &create);
    pass_ms(1000);
    cr_assert(eq(int, create.call.err, OK));
    topic = image_topic_by_name(shard()->image, "t", 1);
    cr_assert(ne(ptr, (void *)topic, NULL));
    return topic_table_find(shard()->topics, &topic->id, 0)->log;
}

/* One record of producer 9, now. */
static void append(struct log *log, int32_t sequence)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct log_append_result result;
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;

    options.producer_id = 9;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_pair(&builder, NULL, -1, "v", 1, wall_ms()), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    cr_assert(eq(int,
                 log_append_leader(log,
                                   &(struct log_append){.bytes = bytes,
                                                        .size_bytes = size_bytes,
                                                        .max_timestamp_ms = wall_ms(),
                                                        .leader_epoch = 1,
                                                        .now_ms = wall_ms()},
                                   &result),
                 OK));
    batch_builder_deinit(&builder);
    pass_ms(1000);
}

static bool is_kept(struct log *log)
{
    return log_offsets(log).log_start == 0 && producer_state_find(log_producers(log), 9) != NULL;
}

Test(clock_guard, what_is_a_day_old_goes)
{
    struct log *log = create_topic();

    append(log, 0);
    pass_ms(DAY_MS - 600000);
    cr_assert(is_kept(log));
    pass_ms(1200000);
    cr_assert(eq(i64, log_offsets(log).log_start, 1));
    cr_assert(eq(ptr, (void *)producer_state_find(log_producers(log), 9), NULL));
}

Test(clock_guard, a_clock_that_is_set_ahead_and_back_takes_nothing)
{
    struct log *log = create_topic();

    append(log, 0);
    sim_node_jump_wall(node.node, 3650 * DAY_MS);
    pass_ms(5 * 3600000);
    cr_assert(is_kept(log));
    sim_node_jump_wall(node.node, -3650 * DAY_MS);
    pass_ms(600000);
    cr_assert(is_kept(log));
    pass_ms(DAY_MS); /* by both clocks */
    cr_assert(eq(i64, log_offsets(log).log_start, 1));
    cr_assert(eq(ptr, (void *)producer_state_find(log_producers(log), 9), NULL));
}

/* Else a machine that slept, or whose clock was wrong at its start, would keep all for ever. */
Test(clock_guard, a_clock_that_keeps_its_new_time_is_believed)
{
    struct log *log = create_topic();

    append(log, 0);
    sim_node_jump_wall(node.node, 2 * DAY_MS);
    pass_ms(3 * 3600000);
    sim_node_jump_wall(node.node, 2 * DAY_MS); /* once more: the six hours begin anew */
    pass_ms(5 * 3600000);
    cr_assert(is_kept(log));
    pass_ms(2 * 3600000);
    cr_assert(eq(i64, log_offsets(log).log_start, 1));
}

Test(clock_guard, a_frozen_clock_is_not_believed)
{
    struct log *log = create_topic();

    append(log, 0);
    sim_node_freeze_wall(node.node, true);
    pass_ms(3600000);
    cr_assert(not(clock_guard_allows(shard())));
    pass_ms(12 * 3600000); /* it never goes on steadily */
    cr_assert(not(clock_guard_allows(shard())));
}

Test(clock_guard, slewing_is_no_step_and_many_small_steps_are_one)
{
    struct log *log = create_topic();

    append(log, 0);
    for (int i = 0; i < 10; i++) { /* 500 ppm for twenty days, more than ten minutes in all */
        for (int hour = 0; hour < 48; hour++) {
            sim_node_jump_wall(node.node, 1800);
            pass_ms(3600000);
        }
        cr_assert(clock_guard_allows(shard()));
        append(log, i + 1);
    }
    for (int i = 0; i < 12; i++) {
        sim_node_jump_wall(node.node, 60000);
        pass_ms(120000);
    }
    cr_assert(not(clock_guard_allows(shard())));
}
