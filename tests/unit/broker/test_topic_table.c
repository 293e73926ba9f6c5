/* What the metadata changes is followed in slices, and answered when all of it is there. */
#include "broker/topic_table.h"
#include "net/protocol/msg_incremental_alter_configs.h"
#include "tests/unit/broker/live_rig.h"

#include <errno.h>

enum { PARTITIONS = 600, SLICE_MAX = 100 /* partitions, opened or deleted */ };

struct watch {
    struct live_ask *ask;
    struct shard *shard;
    uint64_t turn;
    uint32_t count;
    uint32_t most;   /* changes in one turn */
    uint32_t slices; /* turns with changes */
};

/* After each event of the world. */
static bool watch_turns(void *context)
{
    struct watch *watch = context;
    uint32_t count = topic_table_count(watch->shard->topics);
    uint32_t changed = count > watch->count ? count - watch->count : watch->count - count;

    watch->most = changed > watch->most ? changed : watch->most;
    watch->slices += changed > 0;
    watch->count = count;
    return watch->ask->is_done;
}

static void follow(struct watch *watch, struct live_ask *ask)
{
    watch->ask = ask;
    watch->most = 0;
    watch->slices = 0;
    cr_assert(sim_world_run_until(live.world, watch_turns, watch, 60 * SIM_SECOND));
    cr_assert(eq(int, ask->err, OK));
    cr_assert(le(u32, watch->most, SLICE_MAX));
    cr_assert(le(u32, PARTITIONS / SLICE_MAX, watch->slices));
}

static struct watch start(uint32_t shards_count)
{
    struct watch watch;

    live_start(shards_count, NULL);
    live_client(0);
    watch = (struct watch){.shard = broker_shard(live.broker.broker, 0)};
    watch.count = topic_table_count(watch.shard->topics);
    return watch;
}

static void create(struct live_ask *ask, struct uuid *id)
{
    *ask = (struct live_ask){.look = live_look_created, .context = id};
    live_create_start(ask, live_client(0), "t", PARTITIONS, 60000);
}

/* ---- a log that cannot be opened */

/* One record to partition 0 of "t"; the answer's error. */
static int16_t produce(void)
{
    return live_produce_zeroes(live_client(0), "t", 0, 1, 1000);
}

static void delete_topic(void)
{
    struct live_ask ask = {0};

    live_delete_start(&ask, live_client(0), "t", 60000);
    cr_assert(live_ask_wait(&ask, 60000));
}

/* Its first tries fail. */
static void is_opened_later(uint32_t shards_count, enum sim_disk_op op, uint64_t skip, int error)
{
    live_start(shards_count, NULL);
    (void)live_client(0);
    sim_disk_fail_nth(&live.broker.node->disk, op, skip, error);
    (void)live_topic(live_client(0), "t", 3);
    cr_assert(eq(i16, produce(), KAFKA_UNKNOWN_TOPIC_OR_PARTITION)); /* clients try again */
    sim_disk_fail_nth(&live.broker.node->disk, op, skip, error);
    sim_world_run_for(live.world, 1500 * SIM_MS);
    cr_assert(eq(i16, produce(), KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    sim_world_run_for(live.world, 1500 * SIM_MS);
    cr_assert(eq(i16, produce(), KAFKA_NONE));
    cr_assert(lt(u64, live_stop_ms(), 5000));
}

Test(topic_table, a_log_without_space_for_its_directory_is_opened_later, .timeout = 600)
{
    is_opened_later(1, SIM_DIR_MAKE, 0, ENOSPC);
}

Test(topic_table, a_log_without_a_descriptor_is_opened_later, .timeout = 600)
{
    is_opened_later(1, SIM_OPEN, 0, EMFILE);
}

/* What the failed try has left does not stand in the way of the next topic of that name. */
static void is_deleted_and_created_anew(uint64_t skip)
{
    live_start(1, NULL);
    (void)live_client(0);
    sim_disk_fail_nth(&live.broker.node->disk, SIM_OPEN, skip, EMFILE);
    (void)live_topic(live_client(0), "t", 1);
    cr_assert(eq(i16, produce(), KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    delete_topic();
    (void)live_topic(live_client(0), "t", 1);
    cr_assert(eq(i16, produce(), KAFKA_NONE));
    cr_assert(lt(u64, live_stop_ms(), 5000));
}

Test(topic_table, a_topic_that_was_never_opened_can_be_deleted_and_created_anew, .timeout = 600)
{
    is_deleted_and_created_anew(0); /* its directory does not say yet whose it is */
}

Test(topic_table, so_can_one_whose_directory_has_its_name_already, .timeout = 600)
{
    is_deleted_and_created_anew(1);
}

/* ---- many */

static void delete (struct live_ask *ask)
{
    *ask = (struct live_ask){0};
    live_delete_start(ask, live_client(0), "t", 60000);
}

Test(topic_table, many_partitions_are_opened_and_deleted_in_slices, .timeout = 600)
{
    struct watch watch = start(1);
    uint32_t before = watch.count;
    struct live_ask ask;
    struct uuid id;

    create(&ask, &id);
    follow(&watch, &ask);
    cr_assert(eq(u32, watch.count, before + PARTITIONS)); /* all of it was there at the answer */
    cr_assert_not_null(topic_table_find(watch.shard->topics, &id, PARTITIONS - 1));
    delete (&ask);
    follow(&watch, &ask);
    cr_assert(eq(u32, watch.count, before));
}

Test(topic_table, a_change_behind_one_that_is_being_followed_waits_for_it, .timeout = 600)
{
    struct watch watch = start(1);
    uint32_t before = watch.count;
    struct live_ask first;
    struct live_ask second;
    struct live_ask third;
    struct uuid id;
    struct uuid again;

    create(&first, &id);
    delete (&second);
    create(&third, &again);
    cr_assert(live_ask_wait(&third, 60000));
    cr_assert(eq(u32, topic_table_count(watch.shard->topics), before + PARTITIONS));
    cr_assert_null(topic_table_find(watch.shard->topics, &id, 0));
    cr_assert_not_null(topic_table_find(watch.shard->topics, &again, 0));
}

Test(topic_table, a_stop_in_the_middle_comes_to_an_end, .timeout = 600)
{
    struct watch watch = start(2);
    struct live_ask ask;
    struct uuid id;

    create(&ask, &id);
    watch.ask = &ask;
    while (watch.slices < 2)
        sim_world_run_until(live.world, watch_turns, &watch, SIM_MS / 10);
    cr_assert(not(ask.is_done));
    cr_assert(lt(u64, live_stop_ms(), 5000));
}
