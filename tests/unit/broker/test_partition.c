#include "broker/kafka_error.h"
#include "net/protocol/msg_config_record.h"
#include "net/protocol/msg_partition_change_record.h"
#include "storage/batch_builder.h"
#include "tests/unit/broker/group_rig.h"

/* One topic "t" whose partition 0 this broker leads; records of the metadata change it. */

static struct uuid topic_id;
static struct partition *partition;

static void setup(void)
{
    rig_up(NULL);
    topic_id = rig_create_topic("t", 1);
    partition = topic_table_find(rig.shard.topics, &topic_id, 0);
    rig.holds = true;
}

TestSuite(partition, .init = setup, .fini = rig_down, .timeout = 60);

static struct {
    int32_t leader; /* -2: as it is */
    const int32_t *replicas;
    int32_t replica_count; /* -1: as they are */
    const int32_t *isr;
    int32_t isr_count;
} change_to;

static void fill_change(void *body)
{
    struct partition_change_record *change = body;

    change->topic_id = topic_id;
    change->partition_id = 0;
    change->leader = change_to.leader;
    change->replicas.items = (int32_t *)change_to.replicas;
    change->replicas.count = change_to.replica_count;
    change->isr.items = (int32_t *)change_to.isr;
    change->isr.count = change_to.isr_count;
}

static void publish_change(void)
{
    struct delta delta;

    delta_init(&delta);
    rig_apply(METADATA_PARTITION_CHANGE, 1, fill_change, &delta);
    rig_publish(&delta);
}

/* The replicas are 1 2 3 from now on, and the first of them are in sync. */
static void replicate(int32_t isr_count)
{
    static const int32_t three[] = {1, 2, 3};

    change_to.leader = -2;
    change_to.replicas = three;
    change_to.replica_count = 3;
    change_to.isr = three;
    change_to.isr_count = isr_count;
    publish_change();
}

static void fill_minimum(void *body)
{
    struct config_record *config = body;

    config->resource_type = 2;
    config->resource_name = wire_string("t");
    config->name = wire_string("min.insync.replicas");
    config->value = wire_string("2");
}

static void want_two(void)
{
    struct delta delta;

    delta_init(&delta);
    rig_apply(METADATA_CONFIG, 0, fill_minimum, &delta);
    rig_publish(&delta);
}

typedef enum err append_fn(struct partition *partition, const uint8_t *bytes, uint32_t size_bytes,
                           int64_t max_timestamp_ms, int64_t now_ms, struct log_append_result *out);

/* One record. */
static enum err append(append_fn *how)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct batch_header header;
    struct log_append_result result;
    const uint8_t *bytes;
    uint32_t size_bytes;
    enum err err;

    batch_builder_init(&builder, &options);
    cr_assert(eq(int,
                 batch_builder_add_pair(&builder, (const uint8_t *)"k", 1, (const uint8_t *)"v", 1,
                                        INT64_C(1700000000000)),
                 OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    cr_assert(eq(int, batch_parse(bytes, size_bytes, &header), OK));
    err =
        how(partition, bytes, size_bytes, header.max_timestamp_ms, INT64_C(1700000000000), &result);
    batch_builder_deinit(&builder);
    return err;
}

struct woken {
    struct partition_waiter waiter;
    int times;
    enum err err;
};

static void on_wake(struct partition_waiter *waiter, enum err err)
{
    struct woken *woken = container_of(waiter, struct woken, waiter);

    woken->times++;
    woken->err = err;
}

static void await(struct woken *woken, int64_t offset)
{
    *woken = (struct woken){.waiter = {.offset = offset, .wake = on_wake}};
    partition_wait_ack(partition, &woken->waiter);
}

static int64_t high_watermark(void)
{
    return log_offsets(partition->log).high_watermark;
}

Test(partition, one_replica_is_acknowledged_by_its_own_durability_whatever_the_minimum)
{
    struct woken woken;

    want_two();
    cr_assert(eq(int, append(partition_append), OK));
    await(&woken, 1);
    cr_assert(eq(int, woken.times, 0));
    disk_commit();
    cr_assert(eq(i64, high_watermark(), 1));
    cr_assert(eq(int, woken.times, 1));
    cr_assert(eq(int, woken.err, OK));
}

Test(partition, what_is_durable_here_waits_for_the_other_members_of_the_set)
{
    struct woken woken;

    replicate(2);
    cr_assert(eq(int, append(partition_append), OK));
    cr_assert(eq(int, append(partition_append), OK));
    await(&woken, 2);
    disk_commit();
    cr_assert(eq(i64, high_watermark(), 0));
    cr_assert(eq(int, in_sync_tell(&partition->in_sync, 2, 1), OK));
    partition_publish(partition);
    cr_assert(eq(i64, high_watermark(), 1));
    cr_assert(eq(int, woken.times, 0));
    cr_assert(eq(int, in_sync_tell(&partition->in_sync, 2, 9), OK)); /* further than ours is safe */
    partition_publish(partition);
    cr_assert(eq(i64, high_watermark(), 2));
    cr_assert(eq(int, woken.times, 1));
}

Test(partition, a_set_that_shrinks_lets_the_watermark_go_on)
{
    struct woken woken;

    replicate(3);
    cr_assert(eq(int, append(partition_append), OK));
    await(&woken, 1);
    disk_commit();
    cr_assert(eq(int, woken.times, 0));
    replicate(1); /* by committed metadata alone */
    cr_assert(eq(i64, high_watermark(), 1));
    cr_assert(eq(int, woken.times, 1));
    cr_assert(eq(int, woken.err, OK));
}

Test(partition, too_few_in_sync_refuse_acks_all_and_take_the_rest)
{
    int64_t end;

    replicate(1);
    cr_assert(eq(int, append(partition_append), OK));
    disk_commit();
    cr_assert(eq(i64, high_watermark(), 1));
    want_two();
    end = log_offsets(partition->log).log_end;
    cr_assert(eq(int, append(partition_append), ERR_REPLICAS));
    cr_assert(eq(i64, log_offsets(partition->log).log_end, end));
    cr_assert(eq(i16, kafka_error(ERR_REPLICAS), KAFKA_NOT_ENOUGH_REPLICAS));
    cr_assert(eq(int, append(partition_append_leader), OK));
    disk_commit();
    cr_assert(eq(i64, high_watermark(), 1)); /* and nobody reads it meanwhile */
    replicate(2);
    cr_assert(eq(int, append(partition_append), OK));
}

Test(partition, a_change_of_the_leader_ends_the_waits_and_the_appends)
{
    static const int32_t two[] = {2};
    struct woken before;
    struct woken after;
    int32_t leader_epoch = partition->leader_epoch;

    replicate(2);
    cr_assert(eq(int, append(partition_append), OK));
    await(&before, 1);
    change_to.leader = 2;
    change_to.replica_count = -1;
    change_to.isr = two;
    change_to.isr_count = 1;
    publish_change();
    cr_assert(eq(int, before.times, 1));
    cr_assert(eq(int, before.err, ERR_NOT_FOUND));
    cr_assert(eq(i32, partition->leader_epoch, leader_epoch + 1));
    cr_assert(eq(int, append(partition_append), ERR_NOT_FOUND));
    cr_assert(eq(int, append(partition_append_leader), ERR_NOT_FOUND));
    await(&after, 1);
    cr_assert(eq(int, after.err, ERR_NOT_FOUND));
    disk_commit();
    cr_assert(eq(i64, high_watermark(), 0)); /* not ours to move */
}

Test(partition, the_epochs_of_the_metadata_are_the_sets)
{
    int32_t leader_epoch = partition->leader_epoch;
    int32_t partition_epoch = partition->in_sync.partition_epoch;

    replicate(2);
    cr_assert(eq(i32, partition->in_sync.partition_epoch, partition_epoch + 1));
    cr_assert(eq(i32, partition->leader_epoch, leader_epoch));
    for (int i = 0; i < 2; i++) {
        change_to.leader = 1; /* the same again: a new epoch of it */
        publish_change();
    }
    cr_assert(eq(i32, partition->in_sync.partition_epoch, partition_epoch + 3));
    cr_assert(eq(i32, partition->in_sync.leader_epoch, leader_epoch + 2));
    cr_assert(eq(i32, partition->leader_epoch, leader_epoch + 2));
    cr_assert(eq(int, partition_check_epoch(partition, leader_epoch + 1), ERR_FENCED_EPOCH));
    cr_assert(eq(int, partition_check_epoch(partition, leader_epoch + 2), OK));
}
