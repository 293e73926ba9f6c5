#include "broker/kafka_error.h"
#include "broker/partition_read.h"
#include "broker/partition_trim.h"
#include "net/protocol/msg_config_record.h"
#include "net/protocol/msg_partition_change_record.h"
#include "record/batch_builder.h"
#include "tests/unit/broker/group_rig.h"

#include <time.h>

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

TestSuite(partition, .init = setup, .fini = rig_down, .timeout = 600);

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

struct
try {
    struct partition_append append;
    struct batch_builder builder;
    int times;
    enum err err;
    uint32_t *order; /* of all that ended; may be NULL */
    uint32_t place;  /* in it */
};

static void on_tried(struct partition_append *append, enum err err)
{
    struct try *try = container_of(append, struct try, append);

    try->times++;
    try->err = err;
    if (try->order != NULL)
        try->place = (*try->order)++;
}

/* One record of a producer's (-1: none), on its way. */
static void start_append(struct try *try, bool for_all, int64_t producer_id, int32_t sequence)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_header header;

    options.producer_id = producer_id;
    options.producer_epoch = producer_id < 0 ? -1 : 0;
    options.base_sequence = producer_id < 0 ? -1 : sequence;
    batch_builder_init(&try->builder, &options);
    cr_assert(eq(int,
                 batch_builder_add_pair(&try->builder, (const uint8_t *)"k", 1,
                                        (const uint8_t *)"v", 1, INT64_C(1700000000000)),
                 OK));
    cr_assert(eq(
        int, batch_builder_finish(&try->builder, NULL, &try->append.bytes, &try->append.size_bytes),
        OK));
    cr_assert(eq(int, batch_parse(try->append.bytes, try->append.size_bytes, &header), OK));
    try->append.max_timestamp_ms = header.max_timestamp_ms;
    try->append.for_all = for_all;
    try->append.done = on_tried;
    partition_append(partition, &try->append);
}

/* One record of an idempotent producer, with an answer at once. */
static enum err append_of(int64_t producer_id, int32_t sequence, bool for_all)
{
    struct try try = {0};

    start_append(&try, for_all, producer_id, sequence);
    cr_assert(eq(int, try.times, 1));
    batch_builder_deinit(&try.builder);
    return try.err;
}

/* One record, with an answer at once. */
static enum err append(bool for_all)
{
    struct try try = {0};

    start_append(&try, for_all, -1, 0);
    cr_assert(eq(int, try.times, 1));
    batch_builder_deinit(&try.builder);
    return try.err;
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
    cr_assert(eq(int, append(true), OK));
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
    cr_assert(eq(int, append(true), OK));
    cr_assert(eq(int, append(true), OK));
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
    cr_assert(eq(int, append(true), OK));
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
    cr_assert(eq(int, append(true), OK));
    disk_commit();
    cr_assert(eq(i64, high_watermark(), 1));
    want_two();
    end = log_offsets(partition->log).log_end;
    cr_assert(eq(int, append(true), ERR_REPLICAS));
    cr_assert(eq(i64, log_offsets(partition->log).log_end, end));
    cr_assert(eq(i16, kafka_error(ERR_REPLICAS), KAFKA_NOT_ENOUGH_REPLICAS));
    cr_assert(eq(int, append(false), OK));
    disk_commit();
    cr_assert(eq(i64, high_watermark(), 1)); /* and nobody reads it meanwhile */
    replicate(2);
    cr_assert(eq(int, append(true), OK));
}

Test(partition, a_change_of_the_leader_ends_the_waits_and_the_appends)
{
    static const int32_t two[] = {2};
    struct woken before;
    struct woken after;
    int32_t leader_epoch = partition->leader_epoch;

    replicate(2);
    cr_assert(eq(int, append(true), OK));
    await(&before, 1);
    change_to.leader = 2;
    change_to.replica_count = -1;
    change_to.isr = two;
    change_to.isr_count = 1;
    publish_change();
    cr_assert(eq(int, before.times, 1));
    cr_assert(eq(int, before.err, ERR_NOT_FOUND));
    cr_assert(eq(i32, partition->leader_epoch, leader_epoch + 1));
    cr_assert(eq(int, append(true), ERR_NOT_FOUND));
    cr_assert(eq(int, append(false), ERR_NOT_FOUND));
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

/* ---- the order of appends while there is no room */

Test(partition, who_has_no_room_waits_and_nobody_overtakes_it)
{
    struct try tries[6] = {0};
    uint32_t order = 0;

    disk.is_full = true;
    for (int i = 0; i < 3; i++) {
        tries[i].order = &order;
        start_append(&tries[i], i % 2 == 0, -1, 0);
    }
    disk.is_full = false; /* room for a small one: but others were first */
    for (int i = 3; i < 6; i++) {
        tries[i].order = &order;
        start_append(&tries[i], true, -1, 0);
        cr_assert(eq(int, tries[i].times, 0));
    }
    disk_give_room();
    for (uint32_t i = 0; i < 6; i++) {
        cr_assert(eq(int, tries[i].times, 1));
        cr_assert(eq(int, tries[i].err, OK));
        cr_assert(eq(u32, tries[i].place, i));
        cr_assert(eq(i64, tries[i].append.result.base_offset, i));
        batch_builder_deinit(&tries[i].builder);
    }
    cr_assert(eq(int, append(true), OK)); /* and nobody waits any more */
}

Test(partition, an_append_that_is_canceled_is_never_written)
{
    struct try first = {0};
    struct try second = {0};

    disk.is_full = true;
    start_append(&first, true, -1, 0);
    start_append(&second, true, -1, 0);
    partition_cancel_append(&first.append);
    partition_cancel_append(&first.append);
    disk_give_room();
    cr_assert(eq(int, first.times, 0));
    cr_assert(eq(int, second.times, 1));
    cr_assert(eq(i64, log_offsets(partition->log).log_end, 1));
    partition_cancel_append(&second.append); /* too late: nothing happens */
    disk.is_full = true;
    batch_builder_deinit(&first.builder);
    first = (struct try){0};
    start_append(&first, true, -1, 0);
    partition_cancel_append(&first.append);
    cr_assert(list_is_empty(&disk.rooms)); /* the last one takes the queue's turn away */
    batch_builder_deinit(&first.builder);
    batch_builder_deinit(&second.builder);
}

/* A queue is as long as there are connections and requests of each; all may give up in one turn. */
Test(partition, giving_up_costs_no_walk_over_everybody_who_waits, .timeout = 600)
{
    enum { COUNT = 20000, CPU_MAX_MS = 1000 };
    struct try *tries = mem_alloc(COUNT * sizeof(*tries));
    clock_t begin;

    disk.is_full = true;
    for (int i = 0; i < COUNT; i++)
        start_append(&tries[i], true, i / 2, i % 2); /* two of each producer */
    begin = clock();
    for (int i = 0; i < COUNT; i += 2)
        partition_cancel_append(&tries[i].append);
    cr_assert(lt(i64, (int64_t)(clock() - begin) * 1000 / CLOCKS_PER_SEC, CPU_MAX_MS));
    for (int i = 0; i < COUNT; i++) {
        cr_assert(eq(int, tries[i].times, i % 2));
        if (i % 2 == 1)
            cr_assert(eq(int, tries[i].err, ERR_SEQUENCE)); /* it would overtake the other one */
        batch_builder_deinit(&tries[i].builder);
    }
    mem_free(tries);
}

Test(partition, whoever_waits_for_room_is_told_when_the_partition_is_not_led_any_more_or_fails)
{
    static const int32_t two[] = {2};
    struct try tries[4] = {0};

    replicate(2);
    disk.is_full = true;
    start_append(&tries[0], true, -1, 0);
    start_append(&tries[1], true, -1, 0);
    partition_end_waits(partition, ERR_STORAGE);
    cr_assert(eq(int, tries[0].err, ERR_STORAGE));
    cr_assert(eq(int, tries[1].err, ERR_STORAGE));
    start_append(&tries[2], true, -1, 0);
    change_to.leader = 2;
    change_to.replica_count = -1;
    change_to.isr = two;
    change_to.isr_count = 1;
    publish_change();
    cr_assert(eq(int, tries[2].times, 1));
    cr_assert(eq(int, tries[2].err, ERR_NOT_FOUND));
    disk_give_room();
    cr_assert(eq(i64, log_offsets(partition->log).log_end, 0));
    for (int i = 0; i < 3; i++)
        batch_builder_deinit(&tries[i].builder);
}

static enum err no_wait(struct append_op *op)
{
    return ERR_NOMEM;
}

Test(partition, who_cannot_wait_ends_and_leaves_the_others)
{
    struct try tries[2] = {0};

    tries[0].append.op.wait = no_wait;
    disk.is_full = true;
    for (int i = 0; i < 2; i++)
        start_append(&tries[i], true, -1, 0);
    cr_assert(eq(int, tries[0].err, ERR_NOMEM));
    disk_give_room();
    cr_assert(eq(int, tries[0].times, 1));
    cr_assert(eq(int, tries[1].times, 1));
    cr_assert(eq(i64, log_offsets(partition->log).log_end, 1));
    for (int i = 0; i < 2; i++)
        batch_builder_deinit(&tries[i].builder);
}

/* ---- acks=1 */

Test(partition, the_leaders_own_log_is_enough_where_no_more_is_asked)
{
    struct woken own = {.waiter = {.offset = 1, .wake = on_wake}};
    struct woken before = {.waiter = {.offset = 1, .wake = on_wake}};
    struct woken all;

    replicate(2);
    cr_assert(eq(int, append(false), OK));
    partition_wait_own(partition, &own.waiter);
    await(&all, 1);
    cr_assert(eq(int, own.times, 0)); /* not before it is durable */
    disk_commit();
    cr_assert(eq(int, own.times, 1));
    cr_assert(eq(int, own.err, OK));
    cr_assert(eq(int, all.times, 0)); /* the other replica lacks it */
    partition_wait_own(partition, &before.waiter);
    cr_assert(eq(int, before.times, 1));
    partition_end_waits(partition, ERR_STORAGE);
    cr_assert(eq(int, all.err, ERR_STORAGE));
}

/* ---- the order of appends while one of them is being looked at */

/* One that is not ready, and two that are, behind it. */
static void start_three(struct try tries[3], uint32_t *order)
{
    for (int i = 0; i < 3; i++) {
        tries[i].order = order;
        tries[i].append.op.is_preparing = i == 0;
        start_append(&tries[i], false, -1, 0);
        cr_assert(eq(int, tries[i].times, 0));
    }
    cr_assert(list_is_empty(&disk.rooms)); /* there is room, and nobody asks for some */
}

static void end_three(struct try tries[3])
{
    for (int i = 0; i < 3; i++)
        batch_builder_deinit(&tries[i].builder);
}

Test(partition, what_prepares_keeps_its_place_before_those_who_are_ready)
{
    struct try tries[3] = {0};
    uint32_t order = 0;

    start_three(tries, &order);
    partition_append_ready(&tries[0].append);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(eq(int, tries[i].times, 1));
        cr_assert(eq(int, tries[i].err, OK));
        cr_assert(eq(u32, tries[i].place, i));
        cr_assert(eq(i64, tries[i].append.result.base_offset, i));
    }
    end_three(tries);
}

Test(partition, what_became_ready_behind_another_that_prepares_waits_for_it)
{
    struct try tries[3] = {0};
    struct try last = {.append.op.is_preparing = true};
    uint32_t order = 0;

    start_three(tries, &order);
    last.order = &order;
    start_append(&last, false, -1, 0);
    partition_append_ready(&last.append);
    cr_assert(eq(u32, order, 0));
    partition_append_ready(&tries[0].append);
    cr_assert(eq(u32, order, 4));
    cr_assert(eq(u32, last.place, 3));
    batch_builder_deinit(&last.builder);
    end_three(tries);
}

Test(partition, what_was_refused_lets_the_others_go_on_at_once)
{
    struct try tries[3] = {0};
    uint32_t order = 0;

    start_three(tries, &order);
    partition_refuse_append(&tries[0].append);
    cr_assert(eq(int, tries[0].times, 0));
    cr_assert(eq(i64, tries[1].append.result.base_offset, 0));
    cr_assert(eq(i64, tries[2].append.result.base_offset, 1));
    end_three(tries);
}

Test(partition, so_does_one_that_is_canceled_while_it_prepares)
{
    struct try tries[3] = {0};
    uint32_t order = 0;

    start_three(tries, &order);
    partition_cancel_append(&tries[0].append);
    cr_assert(eq(int, tries[0].times, 0));
    cr_assert(eq(i64, tries[2].append.result.base_offset, 1));
    end_three(tries);
}

Test(partition, one_that_is_ready_waits_for_room_like_any_other)
{
    struct try tries[3] = {0};
    uint32_t order = 0;

    start_three(tries, &order);
    disk.is_full = true;
    partition_append_ready(&tries[0].append);
    cr_assert(eq(u32, order, 0));
    disk_give_room();
    cr_assert(eq(u32, order, 3));
    end_three(tries);
}

Test(partition, what_prepares_ends_with_the_partition)
{
    struct try tries[3] = {0};
    uint32_t order = 0;

    start_three(tries, &order);
    partition_end_waits(partition, ERR_NOT_FOUND);
    for (int i = 0; i < 3; i++) {
        cr_assert(eq(int, tries[i].times, 1));
        cr_assert(eq(int, tries[i].err, ERR_NOT_FOUND));
    }
    end_three(tries);
}

static void start_verbatim(struct try *try, int64_t base_offset)
{
    struct batch_builder_options options = batch_builder_options_default();

    options.base_offset = base_offset;
    batch_builder_init(&try->builder, &options);
    cr_assert(eq(int,
                 batch_builder_add_pair(&try->builder, (const uint8_t *)"k", 1,
                                        (const uint8_t *)"v", 1, INT64_C(1700000000000)),
                 OK));
    cr_assert(eq(
        int, batch_builder_finish(&try->builder, NULL, &try->append.bytes, &try->append.size_bytes),
        OK));
    try->append.done = on_tried;
    partition_append_verbatim(partition, &try->append);
}

/* As a follower has it: led by another one, at the offsets that that one gave. */
Test(partition, what_comes_as_it_is_keeps_its_offsets_and_its_place)
{
    static const int32_t two[] = {2};
    struct try tries[4] = {0};
    uint32_t order = 0;

    replicate(2);
    change_to.leader = 2;
    change_to.replica_count = -1;
    change_to.isr = two;
    change_to.isr_count = 1;
    publish_change();
    start_verbatim(&tries[0], 4);
    cr_assert(eq(int, tries[0].err, OK));
    cr_assert(eq(i64, tries[0].append.result.base_offset, 4));
    disk.is_full = true;
    for (int i = 1; i < 4; i++) {
        tries[i].order = &order;
        start_verbatim(&tries[i], i == 3 ? 0 : 4 + i);
        cr_assert(eq(int, tries[i].times, 0));
    }
    disk_give_room();
    for (uint32_t i = 1; i < 4; i++) {
        cr_assert(eq(int, tries[i].times, 1));
        cr_assert(eq(u32, tries[i].place, i - 1));
        cr_assert(eq(int, tries[i].err, i == 3 ? ERR_OFFSET_RANGE : OK));
    }
    disk_commit();
    cr_assert(eq(i64, partition_offsets(partition).log_end, 7));
    cr_assert(eq(i64, high_watermark(), 0)); /* its leader says how far it goes */
    for (int i = 0; i < 4; i++)
        batch_builder_deinit(&tries[i].builder);
}

/* ---- what readers may see */

Test(partition, each_reader_has_its_bound)
{
    struct log_read read = {.offset = 1, .max_bytes = 1000};
    struct log_read past = {.offset = 3, .max_bytes = 1000};

    for (int i = 0; i < 2; i++)
        cr_assert(eq(int, append(false), OK));
    cr_assert(eq(i64, partition_read_bound(partition, PARTITION_FOLLOWER), 2));
    cr_assert(eq(i64, partition_read_bound(partition, PARTITION_UNCOMMITTED), 0));
    cr_assert(eq(i64, partition_read_bound(partition, PARTITION_COMMITTED), 0));
    /* there, and nobody's to see: nothing is read (the log of this rig would refuse it) */
    cr_assert(eq(int, partition_read(partition, PARTITION_UNCOMMITTED, &read), OK));
    cr_assert(eq(i64, read.bound, 0));
    cr_assert(eq(i64, read.end_offset, 1));
    cr_assert(eq(u32, read.size_bytes, 0));
    cr_assert(eq(int, partition_read(partition, PARTITION_FOLLOWER, &read), ERR_UNSUPPORTED));
    cr_assert(eq(i64, read.bound, 2));
    cr_assert(eq(int, partition_read(partition, PARTITION_FOLLOWER, &past), ERR_OFFSET_RANGE));
    disk_commit();
    cr_assert(eq(i64, partition_read_bound(partition, PARTITION_UNCOMMITTED), 2));
}

/* ---- trims while there is no room */

struct trimming {
    struct partition_trim trim;
    int times;
    enum err err;
};

static void on_trimmed(struct partition_trim *trim, enum err err)
{
    struct trimming *trimming = container_of(trim, struct trimming, trim);

    trimming->times++;
    trimming->err = err;
}

static void start_trim(struct trimming *trimming, int64_t offset)
{
    *trimming = (struct trimming){.trim = {.offset = offset, .done = on_trimmed}};
    partition_trim(partition, &trimming->trim);
}

static void write_three(void)
{
    for (int i = 0; i < 3; i++)
        cr_assert(eq(int, append(true), OK));
    disk_commit();
}

Test(partition, a_trim_waits_for_room_inside_and_takes_it_when_it_is_there)
{
    struct trimming trimming;

    write_three();
    disk.is_full = true;
    start_trim(&trimming, PARTITION_TRIM_TO_HIGH_WATERMARK);
    cr_assert(not(partition_trim_has_begun(&trimming.trim)));
    rig_pass_ms(1000);
    cr_assert(eq(int, trimming.times, 0));
    disk.is_full = false;
    rig_pass_ms(1000);
    cr_assert(partition_trim_has_begun(&trimming.trim));
    cr_assert(eq(int, trimming.times, 0));
    disk_end_trim();
    cr_assert(eq(int, trimming.times, 1));
    cr_assert(eq(int, trimming.err, OK));
    cr_assert(eq(i64, trimming.trim.offset, 3));
    start_trim(&trimming, 2); /* gone already */
    cr_assert(eq(int, trimming.err, OK));
    cr_assert(eq(i64, trimming.trim.offset, 3));
    start_trim(&trimming, 4);
    cr_assert(eq(int, trimming.err, ERR_OFFSET_RANGE));
    start_trim(&trimming, -2);
    cr_assert(eq(int, trimming.err, ERR_OFFSET_RANGE));
    cr_assert(eq(int, trimming.times, 1));
}

Test(partition, a_trim_that_waits_for_room_ends_with_its_partition)
{
    static const int32_t two[] = {2};
    struct trimming trimming;

    write_three();
    replicate(2);
    disk.is_full = true;
    start_trim(&trimming, 2);
    change_to.leader = 2;
    change_to.replica_count = -1;
    change_to.isr = two;
    change_to.isr_count = 1;
    publish_change();
    cr_assert(eq(int, trimming.times, 1));
    cr_assert(eq(int, trimming.err, ERR_NOT_FOUND));
    disk.is_full = false;
    rig_pass_ms(1000);
    cr_assert(eq(int, trimming.times, 1));
    cr_assert(disk.trim.done == NULL);
}

Test(partition, a_trim_that_is_canceled_is_never_written_or_never_told)
{
    struct trimming waiting;
    struct trimming begun;

    write_three();
    disk.is_full = true;
    start_trim(&waiting, 2);
    partition_trim_cancel(&waiting.trim);
    disk.is_full = false;
    rig_pass_ms(1000);
    cr_assert(disk.trim.done == NULL);
    start_trim(&begun, 2);
    cr_assert(partition_trim_has_begun(&begun.trim));
    partition_trim_cancel(&begun.trim);
    disk_end_trim(); /* it counts */
    cr_assert(eq(i64, partition_offsets(partition).log_start, 2));
    cr_assert(eq(int, waiting.times + begun.times, 0));
    partition_trim_cancel(&begun.trim); /* nothing happens */
}

/* ---- what is refused and comes again (refused_batches.h) */

Test(partition, what_follows_a_batch_that_found_no_memory_does_not_overtake_it)
{
    disk.refuse_with = ERR_NOMEM;
    cr_assert(eq(int, append_of(7, 0, false), ERR_NOMEM));
    disk.refuse_with = OK;
    cr_assert(eq(int, append_of(7, 1, false), ERR_SEQUENCE));
    cr_assert(eq(int, append_of(8, 5, false), OK), "another producer");
    cr_assert(eq(int, append_of(7, 0, false), OK));
    cr_assert(eq(int, append_of(7, 1, false), OK));
}

/* Space that was lacking for one is there for the next. */
Test(partition, nor_one_that_found_no_space)
{
    disk.refuse_with = ERR_NOSPACE;
    cr_assert(eq(int, append_of(7, 0, false), ERR_NOSPACE));
    disk.refuse_with = OK;
    cr_assert(eq(int, append_of(7, 1, false), ERR_SEQUENCE));
    cr_assert(eq(int, append_of(7, 0, false), OK));
    cr_assert(eq(int, append_of(7, 1, false), OK));
}

Test(partition, nor_does_what_waits_behind_it)
{
    struct try first = {.append.op.is_preparing = true};
    struct try second = {0};

    start_append(&first, false, 7, 0);
    start_append(&second, false, 7, 1);
    disk.refuse_with = ERR_NOMEM;
    partition_append_ready(&first.append);
    disk.refuse_with = OK;
    cr_assert(eq(int, first.err, ERR_NOMEM));
    cr_assert(eq(int, second.times, 1));
    cr_assert(eq(int, second.err, ERR_SEQUENCE));
    cr_assert(eq(int, append_of(7, 0, false), OK));
    cr_assert(eq(int, append_of(7, 1, false), OK));
    batch_builder_deinit(&first.builder);
    batch_builder_deinit(&second.builder);
}

Test(partition, nor_what_follows_one_for_which_too_few_were_in_sync)
{
    want_two();
    replicate(1);
    cr_assert(eq(int, append_of(7, 0, true), ERR_REPLICAS));
    replicate(2);
    cr_assert(eq(int, append_of(7, 1, true), ERR_SEQUENCE));
    cr_assert(eq(int, append_of(7, 0, true), OK));
    cr_assert(eq(int, append_of(7, 1, true), OK));
}

Test(partition, nor_what_follows_one_for_which_too_much_waits)
{
    struct append_load *load = &rig.shard.append_load;
    struct try blocker = {.append.op = {.is_preparing = true, .held_bytes = 60}};
    struct try first = {.append.op.held_bytes = 60};

    load->all_max_bytes = load->queue_max_bytes = 100;
    load->strict_until_ns = UINT64_MAX;
    start_append(&blocker, false, -1, 0);
    start_append(&first, false, 7, 0);
    cr_assert(eq(int, first.times, 1));
    cr_assert(eq(int, first.err, ERR_TIMEOUT));
    partition_append_ready(&blocker.append);
    cr_assert(eq(u64, load->held_bytes, 0));
    cr_assert(eq(int, append_of(7, 1, false), ERR_SEQUENCE));
    cr_assert(eq(int, append_of(7, 0, false), OK));
    cr_assert(eq(int, append_of(7, 1, false), OK));
    batch_builder_deinit(&blocker.builder);
    batch_builder_deinit(&first.builder);
}
