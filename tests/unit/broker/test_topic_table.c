/* What the metadata changes is followed in slices, and answered when all of it is there. */
#include "broker/topic_table.h"
#include "net/protocol/msg_incremental_alter_configs.h"
#include "net/protocol/msg_partition_record.h"
#include "net/protocol/msg_topic_record.h"
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

/* The image of the only shard has a topic that nobody has followed yet. */
static void put_into_image(struct image *image, const struct uuid *id, struct delta *delta)
{
    static int32_t one[] = {1};
    struct topic_record topic = {.name = wire_string("t"), .topic_id = *id};
    struct partition_record partition;
    struct metadata_record record = {.type = METADATA_TOPIC, .body = &topic};

    cr_assert(eq(int, image_apply(image, &record, delta), OK));
    codec_set_defaults(&partition_record_desc, &partition);
    partition.topic_id = *id;
    partition.partition_id = 0;
    partition.replicas.items = one;
    partition.replicas.count = 1;
    partition.isr.items = one;
    partition.isr.count = 1;
    partition.leader = 1;
    record = (struct metadata_record){.type = METADATA_PARTITION, .version = 1, .body = &partition};
    cr_assert(eq(int, image_apply(image, &record, delta), OK));
}

/* Neither for its entry nor to remember it among those that are tried again. */
Test(topic_table, a_partition_that_finds_no_memory_is_opened_when_there_is_some, .timeout = 600)
{
    struct uuid id = {.bytes = {1, 2, 3}};
    struct delta_cursor cursor = {0};
    uint32_t refused_count = 0;
    struct shard *shard;
    struct delta delta;
    bool done = false;

    live_start(1, NULL);
    (void)live_client(0);
    shard = broker_shard(live.broker.broker, 0);
    delta_init(&delta);
    put_into_image(shard->image, &id, &delta);
    for (uint64_t n = 1; !done; n++) {
        mem_end_after(n);
        done = topic_table_publish_some(shard->topics, &delta, &cursor);
        mem_fail_after(0);
        if (done)
            break;
        refused_count++;
        cr_assert(cursor.lacks_memory);
        cr_assert(eq(u32, cursor.partition, 0));
        cr_assert_null(topic_table_find(shard->topics, &id, 0));
        cr_assert(lt(u32, refused_count, 100));
    }
    delta_deinit(&delta);
    cr_assert(le(u32, 2, refused_count));
    sim_world_run_for(live.world, 2500 * SIM_MS); /* perhaps it is among those by now */
    cr_assert_not_null(topic_table_find(shard->topics, &id, 0));
    cr_assert(eq(i16, produce(), KAFKA_NONE));
    cr_assert(lt(u64, live_stop_ms(), 5000));
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
