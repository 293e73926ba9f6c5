/* Questions about offsets, and commits, against a whole broker in a simulated world. */
#include "net/client/client_offsets.h"
#include "tests/unit/net/client_live_rig.h"

TestSuite(client_offsets, .timeout = 600);

static struct rig_client *client;
static struct client_topic *topic;

struct op {
    struct client_offsets_op op;
    bool is_done;
    enum err err;
};

static void on_done(struct client_offsets_op *op, enum err err)
{
    struct op *of = container_of(op, struct op, op);

    cr_assert(not(of->is_done));
    of->is_done = true;
    of->err = err;
}

static struct op op_of(uint32_t timeout_ms)
{
    return (struct op){
        .op = {.done = on_done, .cluster = client->cluster, .timeout_ms = timeout_ms}};
}

static void begin(uint32_t shards_count, int32_t partitions)
{
    rig_start(shards_count, NULL);
    live_topic(live_client(0), "t", partitions);
    client = rig_client(0);
    topic = rig_topic(client, "t");
}

static void until_done(struct op *op)
{
    cr_assert(not(op->is_done)); /* never inside the starting call */
    rig_until(&op->is_done, 300 * SIM_SECOND);
}

Test(client_offsets, tells_begin_end_and_times_of_many_partitions)
{
    struct client_offset_question questions[12];
    struct op op;

    begin(2, 4);
    for (int32_t p = 0; p < 4; p++)
        rig_produce("t", p, 0, (uint32_t)(p + 1) * 2, COMPRESSION_NONE);
    for (int32_t i = 0; i < 12; i++) /* each partition three times */
        questions[i] = (struct client_offset_question){
            .topic = topic,
            .partition = i % 4,
            .timestamp_ms = i < 4   ? CLIENT_OFFSET_LATEST
                            : i < 8 ? CLIENT_OFFSET_EARLIEST
                                    : 1001,
        };
    op = op_of(30000);
    client_offsets_list(&op.op, questions, 12, false);
    until_done(&op);
    cr_assert(eq(int, op.err, OK));
    for (int32_t i = 0; i < 12; i++) {
        cr_assert(eq(i16, questions[i].error_code, KAFKA_NONE));
        cr_assert(eq(i64, questions[i].offset, i < 4 ? (i + 1) * 2 : i < 8 ? 0 : 1));
    }
    cr_assert(eq(i64, questions[8].found_timestamp_ms, 1001));
}

Test(client_offsets, asks_again_over_cut_connections_and_a_crash)
{
    struct client_offset_question questions[4];

    begin(1, 4);
    for (int32_t p = 0; p < 4; p++)
        rig_produce("t", p, 0, 3, COMPRESSION_NONE);
    rig_set_faults(200000, 100000);
    for (int round = 0; round < 20; round++) {
        struct op op = op_of(120000);
        for (int32_t p = 0; p < 4; p++)
            questions[p] = (struct client_offset_question){
                .topic = topic, .partition = p, .timestamp_ms = CLIENT_OFFSET_LATEST};
        client_offsets_list(&op.op, questions, 4, round % 2 == 0);
        if (round == 10)
            rig_kill_broker(2 * SIM_SECOND);
        if (!op.is_done)
            until_done(&op);
        cr_assert(eq(int, op.err, OK));
        for (int32_t p = 0; p < 4; p++)
            cr_assert(eq(i64, questions[p].offset, 3));
    }
}

Test(client_offsets, ends_in_time_when_nobody_answers)
{
    struct client_offset_question question = {.timestamp_ms = CLIENT_OFFSET_LATEST};
    struct op op;
    uint64_t begin_ns;

    begin(1, 1);
    question.topic = topic;
    op = op_of(5000);
    sim_node_crash(live.broker.node, SIM_KILL);
    begin_ns = sim_world_now_ns(live.world);
    client_offsets_list(&op.op, &question, 1, false);
    until_done(&op);
    cr_assert(eq(int, op.err, ERR_TIMEOUT));
    cr_assert(eq(i16, question.error_code, KAFKA_REQUEST_TIMED_OUT));
    cr_assert(le(u64, sim_world_now_ns(live.world) - begin_ns, 5100 * SIM_MS));
}

Test(client_offsets, keeps_the_brokers_word_about_a_partition_that_is_not_there)
{
    struct client_offset_question questions[2];
    struct op op;

    begin(1, 1);
    rig_produce("t", 0, 0, 3, COMPRESSION_NONE);
    rig_produce("t", 0, 3, 1, COMPRESSION_NONE);
    questions[0] = (struct client_offset_question){
        .topic = topic, .partition = 0, .timestamp_ms = CLIENT_OFFSET_LATEST};
    questions[1] = (struct client_offset_question){
        .topic = topic, .partition = 0, .timestamp_ms = 1000000000000000};
    op = op_of(3000);
    client_offsets_list(&op.op, questions, 2, false);
    until_done(&op);
    cr_assert(eq(int, op.err, OK));
    cr_assert(eq(i64, questions[0].offset, 4));
    cr_assert(eq(i64, questions[1].offset, -1));
    questions[1].partition = 7;
    op = op_of(3000);
    client_offsets_list(&op.op, questions, 2, false);
    until_done(&op);
    cr_assert(eq(int, op.err, ERR_TIMEOUT));
    cr_assert(eq(i64, questions[0].offset, 4));
    cr_assert(eq(i16, questions[1].error_code, KAFKA_REQUEST_TIMED_OUT));
}

Test(client_offsets, cancels)
{
    struct client_offset_question question = {.timestamp_ms = CLIENT_OFFSET_LATEST};
    struct client_offset_committed committed = {0};
    struct op op;

    begin(1, 1);
    question.topic = topic;
    committed.topic = topic;
    for (uint64_t after_us = 0; after_us < 3000; after_us += 100) {
        op = op_of(60000);
        client_offsets_list(&op.op, &question, 1, false);
        sim_world_run_for(live.world, after_us * 1000);
        if (!op.is_done) {
            client_offsets_cancel(&op.op);
            until_done(&op);
            cr_assert(eq(int, op.err, ERR_CANCELED));
        }
        op = op_of(60000);
        client_offsets_fetch(&op.op, "g", &committed, 1, true);
        sim_world_run_for(live.world, after_us * 3000);
        if (!op.is_done) {
            client_offsets_cancel(&op.op);
            until_done(&op);
            cr_assert(eq(int, op.err, ERR_CANCELED));
        }
    }
}

/* ---- groups */

static int64_t committed_at(int32_t partition)
{
    struct client_offset_committed committed = {.topic = topic, .partition = partition};
    struct op op = op_of(120000);

    client_offsets_fetch(&op.op, "g", &committed, 1, true);
    until_done(&op);
    cr_assert(eq(int, op.err, OK));
    cr_assert(eq(i16, committed.error_code, KAFKA_NONE));
    return committed.offset;
}

static enum err commit_as(const struct client_group_identity *identity, int64_t offset,
                          int16_t *error_codes)
{
    struct client_group_offset offsets[2] = {
        {.topic = topic, .partition = 0, .offset = offset, .leader_epoch = -1, .metadata = "m"},
        {.topic = topic, .partition = 1, .offset = offset + 1, .leader_epoch = 0}};
    struct op op = op_of(120000);

    client_offsets_commit(&op.op, identity, offsets, 2, error_codes);
    until_done(&op);
    return op.err;
}

Test(client_offsets, commits_and_reads_back_over_cut_connections_and_crashes)
{
    struct client_group_identity identity = {.group_id = "g", .member_id = "", .generation_id = -1};
    int16_t error_codes[2];

    begin(1, 2);
    cr_assert(eq(i64, committed_at(0), -1));
    rig_set_faults(200000, 100000);
    for (int64_t i = 0; i < 20; i++) {
        cr_assert(eq(int, commit_as(&identity, i, error_codes), OK));
        cr_assert(eq(i16, error_codes[0], KAFKA_NONE));
        cr_assert(eq(i16, error_codes[1], KAFKA_NONE));
        if (i % 7 == 6)
            rig_kill_broker(SIM_SECOND);
        cr_assert(eq(i64, committed_at(0), i));
        cr_assert(eq(i64, committed_at(1), i + 1));
    }
}

Test(client_offsets, a_stranger_does_not_commit)
{
    struct client_group_identity identity = {
        .group_id = "g", .member_id = "nobody", .generation_id = 3};
    int16_t error_codes[2];

    begin(1, 2);
    cr_assert(eq(int, commit_as(&identity, 5, error_codes), OK));
    cr_assert(ne(i16, error_codes[0], KAFKA_NONE));
    cr_assert(eq(i16, error_codes[1], error_codes[0]));
    cr_assert(eq(int, commit_as(&identity, 5, NULL), ERR_REFUSED));
    cr_assert(eq(i64, committed_at(0), -1));
}

Test(client_offsets, an_allocation_that_is_refused_is_an_error_or_asked_again)
{
    struct client_group_identity identity = {.group_id = "g", .member_id = "", .generation_id = -1};
    struct client_offset_question questions[4];
    int16_t error_codes[2];

    begin(1, 4);
    cr_assert(eq(int, commit_as(&identity, 1, error_codes), OK));
    for (uint64_t n = 1; n < 150; n++) {
        struct op op = op_of(120000);
        for (int32_t p = 0; p < 4; p++)
            questions[p] = (struct client_offset_question){
                .topic = topic, .partition = p, .timestamp_ms = CLIENT_OFFSET_EARLIEST};
        mem_fail_after(n);
        client_offsets_list(&op.op, questions, 4, false);
        until_done(&op);
        cr_assert(op.err == OK || op.err == ERR_NOMEM);
        for (int32_t p = 0; p < 4 && op.err == OK; p++)
            cr_assert(eq(i64, questions[p].offset, 0));
        mem_fail_after(n);
        op.err = commit_as(&identity, (int64_t)n, error_codes);
        cr_assert(op.err == OK || op.err == ERR_NOMEM);
        mem_fail_after(0);
        cr_assert(op.err == ERR_NOMEM || committed_at(0) == (int64_t)n);
    }
}
