/* The end of a transaction on its way into a partition's log. */
#include "broker/partition_marker.h"
#include "record/batch_builder.h"
#include "tests/unit/broker/group_rig.h"

static struct partition *partition;

static void setup(void)
{
    struct uuid topic_id;

    rig_up(NULL);
    topic_id = rig_create_topic("t", 1);
    partition = topic_table_find(rig.shard.topics, &topic_id, 0);
    rig.holds = true;
}

TestSuite(partition_marker, .init = setup, .fini = rig_down, .timeout = 600);

struct marked {
    struct partition_marker marker;
    int times;
    enum err err;
};

static void on_marked(struct partition_marker *marker, enum err err)
{
    struct marked *marked = container_of(marker, struct marked, marker);

    marked->times++;
    marked->err = err;
}

static void mark(struct marked *marked, bool commit)
{
    *marked = (struct marked){.marker = {.producer_id = 7,
                                         .epoch = 4,
                                         .commit = commit,
                                         .txn_v2 = true,
                                         .coordinator_epoch = 9,
                                         .appended = on_marked}};
    partition_append_marker(partition, &marked->marker);
}

struct data {
    struct partition_append append;
    struct batch_builder builder;
    int times;
    enum err err;
};

static void on_data(struct partition_append *append, enum err err)
{
    struct data *data = container_of(append, struct data, append);

    data->times++;
    data->err = err;
}

/* One transactional record of producer 7. */
static void append_data(struct data *data, int32_t sequence)
{
    struct batch_builder_options options = batch_builder_options_default();

    *data = (struct data){0};
    options.transactional = true;
    options.producer_id = 7;
    options.producer_epoch = 3;
    options.base_sequence = sequence;
    batch_builder_init(&data->builder, &options);
    cr_assert(eq(int, batch_builder_add_pair(&data->builder, "k", 1, "v", 1, 1), OK));
    cr_assert(eq(
        int,
        batch_builder_finish(&data->builder, NULL, &data->append.bytes, &data->append.size_bytes),
        OK));
    data->append.done = on_data;
    partition_append(partition, &data->append);
}

static void a_marker_says(bool commit)
{
    struct control_marker said;
    struct marked marked;
    const struct kept_batch *batch;

    mark(&marked, commit);
    cr_assert(eq(int, marked.times, 1));
    cr_assert(eq(int, marked.err, OK));
    cr_assert(eq(i64, marked.marker.end_offset, 1));
    batch = &partition->log->batches[0];
    cr_assert(batch_is_control(&batch->header));
    cr_assert(batch_is_transactional(&batch->header));
    cr_assert(eq(i64, batch->header.producer_id, 7));
    cr_assert(eq(i16, batch->header.producer_epoch, 4));
    cr_assert(eq(i32, batch->header.base_sequence, -1));
    cr_assert(eq(int, control_parse_marker(batch->bytes, &batch->header, &said), OK));
    cr_assert(eq(int, said.commit, commit));
    cr_assert(eq(i32, said.coordinator_epoch, 9));
    cr_assert(eq(int, (int)disk.appended.rules.origin, PRODUCER_COORDINATOR));
    cr_assert(disk.appended.rules.txn_v2);
    cr_assert(disk.appended.urgent);
}

Test(partition_marker, a_commit_is_a_control_batch_by_the_coordinators_rules)
{
    a_marker_says(true);
}

Test(partition_marker, so_is_an_abort)
{
    a_marker_says(false);
}

Test(partition_marker, it_stays_behind_what_waits)
{
    struct data data;
    struct marked marked;

    disk.is_full = true;
    append_data(&data, 0);
    disk.is_full = false; /* there is room, but others were first */
    mark(&marked, true);
    cr_assert(eq(int, marked.times, 0));
    disk_give_room();
    cr_assert(eq(int, data.err, OK));
    cr_assert(eq(i64, data.append.result.base_offset, 0));
    cr_assert(eq(int, marked.err, OK));
    cr_assert(eq(i64, marked.marker.end_offset, 2));
    batch_builder_deinit(&data.builder);
}

/* The batch's producer may send no later one before it; its transaction ends all the same. */
Test(partition_marker, it_is_written_where_its_producers_batch_was_canceled)
{
    struct data data;
    struct data later;
    struct marked waiting;
    struct marked marked;

    disk.is_full = true;
    append_data(&data, 0);
    append_data(&later, 1);
    mark(&waiting, false);
    partition_cancel_append(&data.append);
    cr_assert(eq(int, later.err, ERR_SEQUENCE));
    cr_assert(eq(int, waiting.times, 0));
    disk_give_room();
    cr_assert(eq(int, waiting.err, OK));
    mark(&marked, false);
    cr_assert(eq(int, marked.err, OK));
    batch_builder_deinit(&data.builder);
    batch_builder_deinit(&later.builder);
}

/* A marker has no sequence: its refusal says nothing of the batches that follow. */
Test(partition_marker, one_that_is_refused_is_not_in_the_way_of_the_next_transaction)
{
    struct data data;
    struct marked marked;

    disk.refuse_with = ERR_NOMEM;
    mark(&marked, true);
    cr_assert(eq(int, marked.err, ERR_NOMEM));
    disk.refuse_with = OK;
    append_data(&data, 0);
    cr_assert(eq(int, data.err, OK));
    batch_builder_deinit(&data.builder);
}

Test(partition_marker, one_that_is_canceled_tells_nobody)
{
    struct marked marked;

    disk.is_full = true;
    mark(&marked, true);
    partition_cancel_marker(&marked.marker);
    disk_give_room();
    cr_assert(eq(int, marked.times, 0));
}

Test(partition_marker, it_is_waited_for_until_it_is_on_stable_storage)
{
    struct partition_waiter waiter = {.offset = 1, .wake = NULL};
    struct marked marked;

    mark(&marked, true);
    waiter.offset = marked.marker.end_offset;
    partition_wait_durable(partition, &waiter);
    cr_assert(list_is_linked(&waiter.node));
    partition_cancel_wait(&waiter);
}
