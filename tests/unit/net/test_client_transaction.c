/* Transactions of a producer of the client room before a real broker, in a simulated world that
 * cuts connections, holds frames back, and kills the broker: CTX-1 to CTX-6. */
#include "net/protocol/msg_offset_fetch.h"
#include "tests/unit/net/producer_rig.h"

TestSuite(client_transaction, .timeout = 600);

enum { TRANSACTIONS_MAX = 2000, WAIT_MS = 600000 };

enum outcome { OPEN, COMMITTED, ABORTED };

static uint8_t outcomes[TRANSACTIONS_MAX]; /* by number, from 1 */

static struct producer_rig *transactional(uint32_t index, const char *id)
{
    struct producer_rig *rig = producer_rig(index);

    rig->producing.transactional_id = id;
    rig->producing.linger_us = 1000;
    return rig;
}

static void start(struct producer_rig *rig)
{
    producer_rig_run(rig, 0, 0);
}

static enum err init(struct producer_rig *rig)
{
    client_transaction_init(rig->producer, producer_rig_op(rig));
    return producer_rig_wait_op(rig, WAIT_MS);
}

static enum err commit(struct producer_rig *rig)
{
    client_transaction_commit(rig->producer, producer_rig_op(rig));
    return producer_rig_wait_op(rig, WAIT_MS);
}

static enum err abort_it(struct producer_rig *rig)
{
    client_transaction_abort(rig->producer, producer_rig_op(rig));
    return producer_rig_wait_op(rig, WAIT_MS);
}

/* Records of a transaction, to every partition; the next token. */
static uint64_t put(struct producer_rig *rig, uint64_t token, uint32_t count, int32_t number)
{
    for (uint32_t i = 0; i < count; i++, token++)
        if (producer_rig_send(rig, token, (int32_t)(token % PRODUCER_PARTITIONS), number) != OK)
            break;
    return token;
}

/* All of a transaction that was committed is there, nothing of one that was aborted. */
static void check_outcomes(uint64_t count)
{
    producer_read_all();
    cr_assert(producer_read.is_order_kept);
    for (uint64_t token = 0; token < count; token++) {
        const struct producer_record *record = &producer_records[token];
        enum outcome outcome = outcomes[record->transaction];

        if (record->transaction == 0)
            continue;
        cr_assert(ne(int, record->fate, FATE_NONE), "%lu was not told of", token);
        if (outcome == COMMITTED)
            cr_assert(eq(int, record->seen_count, 1), "%lu of a commit", token);
        if (outcome == ABORTED)
            cr_assert(eq(int, record->seen_count, 0), "%lu of an abort", token);
    }
}

static enum client_transaction_state state(const struct producer_rig *rig)
{
    return client_transaction_state(rig->producer);
}

/* ---- both versions */

static void walk_states(bool is_version_1)
{
    struct producer_rig *rig;
    uint64_t token = 0;
    int16_t epoch;

    producer_rig_world(NULL);
    rig = transactional(0, "a");
    rig->force_version_1 = is_version_1;
    start(rig);
    cr_assert(eq(int, state(rig), CLIENT_TRANSACTION_UNINIT)); /* CTX-1 */
    cr_assert(eq(int, client_transaction_begin(rig->producer), ERR_REFUSED));
    cr_assert(eq(int, producer_rig_send(rig, 0, 0, 1), ERR_REFUSED)); /* CPR-5 */
    cr_assert(eq(int, init(rig), OK));
    cr_assert(eq(int, client_transaction_version(rig->producer), is_version_1 ? 1 : 2));
    cr_assert(eq(int, state(rig), CLIENT_TRANSACTION_READY));
    cr_assert(eq(int, producer_rig_send(rig, 0, 0, 1), ERR_REFUSED));
    for (int32_t number = 1; number <= 20; number++) {
        cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
        cr_assert(eq(int, state(rig), CLIENT_TRANSACTION_OPEN));
        token = put(rig, token, 50, number);
        epoch = client_producer_epoch(rig->producer);
        outcomes[number] = number % 3 == 0 ? ABORTED : COMMITTED;
        if (number % 2 == 0)
            sim_world_run_for(live.world, 20 * SIM_MS);
        cr_assert(eq(int, number % 3 == 0 ? abort_it(rig) : commit(rig), OK));
        cr_assert(eq(int, state(rig), CLIENT_TRANSACTION_READY));
        if (!is_version_1 && number % 3 != 0)
            cr_assert(lt(i16, epoch, client_producer_epoch(rig->producer))); /* CTX-5 */
        if (number % 3 != 0)
            cr_assert(lt(u64, 0, rig->op.asked_ns));
    }
    cr_assert(eq(u64, token, 1000));
    check_outcomes(token);
    cr_assert(lt(u64, 600, producer_read.seen_count));
    producer_rig_close(rig);
}

Test(client_transaction, commits_and_aborts_in_version_2)
{
    walk_states(false);
}

Test(client_transaction, commits_and_aborts_in_version_1)
{
    walk_states(true);
}

/* ---- storms */

/* One transaction after the other until enough are committed. */
static void storm(bool is_version_1, uint32_t cut_ppm, uint32_t hold_ppm, int kills)
{
    struct producer_rig *rig;
    uint64_t token = 0;
    uint32_t failed_count = 0;
    int32_t number = 0;

    producer_rig_world(NULL);
    rig = transactional(0, "a");
    rig->options.request_timeout_ms = 400;
    rig->producing.delivery_timeout_ms = 3000;
    rig->producing.batch_bytes = 1000;
    rig->force_version_1 = is_version_1;
    start(rig);
    cr_assert(eq(int, init(rig), OK));
    live.world->net.options.cut_ppm = cut_ppm;
    live.world->net.options.hold_ppm = hold_ppm;
    live.world->net.options.hold_time =
        (struct sim_span){.min_ns = SIM_MS, .max_ns = 1500 * SIM_MS};
    while (number < 300) {
        enum err err;

        cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
        token = put(rig, token, 40, ++number);
        if (kills > 0 && number % 50 == 25) {
            kills--;
            sim_world_run_for(live.world, prng_below(&rig->prng, 20) * SIM_MS);
            producer_rig_kill_broker(SIM_POWER_LOSS, 300);
        }
        if (number % 5 != 0) {
            err = commit(rig);
            outcomes[number] = err == OK ? COMMITTED : ABORTED;
            if (err == OK)
                continue;
            failed_count++;
            cr_assert(eq(int, state(rig), CLIENT_TRANSACTION_FAILED), "%s", err_name(err));
        }
        outcomes[number] = ABORTED;
        cr_assert(eq(int, abort_it(rig), OK));
    }
    sim_world_heal(live.world);
    cr_assert(lt(u32, failed_count, 150));
    check_outcomes(token);
    producer_rig_close(rig);
}

Test(client_transaction, is_whole_where_connections_are_cut_in_version_2)
{
    storm(false, 20000, 0, 0);
}

Test(client_transaction, is_whole_where_connections_are_cut_in_version_1)
{
    storm(true, 20000, 0, 0);
}

Test(client_transaction, is_whole_where_frames_are_late_in_version_2)
{
    storm(false, 2000, 10000, 0);
}

Test(client_transaction, is_whole_where_frames_are_late_in_version_1)
{
    storm(true, 2000, 10000, 0);
}

Test(client_transaction, is_whole_where_the_broker_dies_in_version_2)
{
    storm(false, 0, 0, 6);
}

Test(client_transaction, is_whole_where_the_broker_dies_in_version_1)
{
    storm(true, 0, 0, 6);
}

/* ---- fencing */

static void fence(bool is_version_1)
{
    struct producer_rig *old, *new;
    uint64_t token;

    producer_rig_world(NULL);
    old = transactional(0, "a");
    new = transactional(1, "a");
    old->force_version_1 = is_version_1;
    start(old);
    start(new);
    cr_assert(eq(int, init(old), OK));
    cr_assert(eq(int, client_transaction_begin(old->producer), OK));
    token = put(old, 0, 30, 1);
    sim_world_run_for(live.world, 100 * SIM_MS);
    cr_assert(eq(int, init(new), OK));
    outcomes[1] = ABORTED; /* by the new one's init */
    cr_assert(ne(int, commit(old), OK));
    if (state(old) == CLIENT_TRANSACTION_FAILED) /* KIP-588 */
        cr_assert(ne(int, abort_it(old), OK));
    cr_assert(eq(int, state(old), CLIENT_TRANSACTION_FATAL));
    cr_assert(old->has_failed);
    cr_assert(eq(i16, old->fatal_code, KAFKA_PRODUCER_FENCED));
    cr_assert(eq(int, producer_rig_send(old, token, 0, 1), ERR_REFUSED));
    cr_assert(ne(int, commit(old), OK));
    cr_assert(eq(int, client_transaction_begin(new->producer), OK));
    token = put(new, token, 30, 2);
    cr_assert(eq(int, commit(new), OK));
    outcomes[2] = COMMITTED;
    check_outcomes(token);
    producer_rig_close(old);
    producer_rig_close(new);
}

Test(client_transaction, another_with_its_id_fences_it_in_version_2)
{
    fence(false);
}

Test(client_transaction, another_with_its_id_fences_it_in_version_1)
{
    fence(true);
}

/* A zombie that goes on to produce is told by its batches, which were not stored. */
Test(client_transaction, a_fenced_one_that_sends_is_told)
{
    struct producer_rig *old, *new;
    uint64_t token;

    producer_rig_world(NULL);
    old = transactional(0, "a");
    new = transactional(1, "a");
    start(old);
    start(new);
    cr_assert(eq(int, init(old), OK));
    cr_assert(eq(int, client_transaction_begin(old->producer), OK));
    cr_assert(eq(int, init(new), OK));
    token = put(old, 0, 30, 1);
    sim_world_run_for(live.world, 100 * SIM_MS);
    cr_assert(ge(int, state(old), CLIENT_TRANSACTION_FAILED));
    outcomes[1] = ABORTED;
    cr_assert(eq(u64, producer_count_fate(0, token, FATE_FAILED), 30));
    check_outcomes(token);
    producer_rig_close(old);
    producer_rig_close(new);
}

/* ---- offsets */

static int64_t fetched_offset;

static void look_offset(struct live_ask *ask, const void *response)
{
    const struct offset_fetch_response *answer = response;

    fetched_offset = answer->groups.items[0].topics.items[0].partitions.items[0].committed_offset;
}

static int64_t committed_offset(int32_t partition)
{
    struct offset_fetch_request_group group;
    struct offset_fetch_request_topics topic;
    struct offset_fetch_request request;
    struct live_ask ask = {.look = look_offset};

    codec_set_defaults(&offset_fetch_request_desc, &request);
    codec_set_struct_defaults(&offset_fetch_request_group_struct, &group);
    codec_set_struct_defaults(&offset_fetch_request_topics_struct, &topic);
    topic.name = wire_string("t");
    topic.partition_indexes.items = &partition;
    topic.partition_indexes.count = 1;
    group.group_id = wire_string("g");
    group.topics.items = &topic;
    group.topics.count = 1;
    request.groups.items = &group;
    request.groups.count = 1;
    request.require_stable = false;
    live_ask(&ask, live_client(0), API_OFFSET_FETCH, 8, &request);
    return fetched_offset;
}

static void send_offsets(bool is_version_1)
{
    struct client_group_identity group = {.group_id = "g", .member_id = "", .generation_id = -1};
    struct client_group_offset offsets[2] = {{.partition = 0, .leader_epoch = -1, .metadata = ""},
                                             {.partition = 2, .leader_epoch = -1, .metadata = ""}};
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = transactional(0, "a");
    rig->force_version_1 = is_version_1;
    start(rig);
    cr_assert(eq(int, init(rig), OK));
    for (int32_t number = 1; number <= 6; number++) {
        cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
        (void)put(rig, (uint64_t)(number - 1) * 10, number == 5 ? 0 : 10, number);
        for (int i = 0; i < 2; i++) {
            offsets[i].topic = rig->topic;
            offsets[i].offset = number * 100 + i;
        }
        client_transaction_send_offsets(rig->producer, producer_rig_op(rig), &group, offsets, 2);
        cr_assert(eq(int, producer_rig_wait_op(rig, WAIT_MS), OK));
        outcomes[number] = number % 2 == 0 ? ABORTED : COMMITTED;
        cr_assert(eq(int, number % 2 == 0 ? abort_it(rig) : commit(rig), OK));
        sim_world_run_for(live.world, SIM_SECOND); /* until the markers are there */
        cr_assert(
            eq(i64, committed_offset(0), number % 2 == 0 ? number * 100 - 100 : number * 100));
        cr_assert(
            eq(i64, committed_offset(2), number % 2 == 0 ? number * 100 - 99 : number * 100 + 1));
    }
    group.generation_id = 3; /* of no member */
    group.member_id = "nobody";
    cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
    client_transaction_send_offsets(rig->producer, producer_rig_op(rig), &group, offsets, 2);
    cr_assert(ne(int, producer_rig_wait_op(rig, WAIT_MS), OK));
    cr_assert(eq(int, state(rig), CLIENT_TRANSACTION_FAILED));
    cr_assert(ne(int, commit(rig), OK));
    cr_assert(eq(int, abort_it(rig), OK));
    producer_rig_close(rig);
}

Test(client_transaction, commits_offsets_in_version_2)
{
    send_offsets(false);
}

Test(client_transaction, commits_offsets_in_version_1)
{
    send_offsets(true);
}

/* ---- limits */

/* CTX-3: one batch that fails, and nothing of it is committed. */
static void one_fails(bool is_version_1)
{
    static const char *const sets[] = {"message.max.bytes=20000", NULL};
    struct producer_rig *rig;
    uint64_t token;

    producer_rig_world(sets);
    rig = transactional(0, "a");
    rig->force_version_1 = is_version_1;
    start(rig);
    cr_assert(eq(int, init(rig), OK));
    cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
    token = put(rig, 0, 30, 1);
    rig->value_bytes = 30000;
    token = put(rig, token, 1, 1);
    rig->value_bytes = 100;
    token = put(rig, token, 30, 1);
    cr_assert(ne(int, commit(rig), OK));
    cr_assert(eq(i16, rig->op.error_code, KAFKA_MESSAGE_TOO_LARGE));
    cr_assert(eq(int, state(rig), CLIENT_TRANSACTION_FAILED));
    cr_assert(eq(int, producer_rig_send(rig, token, 0, 1), ERR_REFUSED));
    cr_assert(eq(int, client_transaction_begin(rig->producer), ERR_REFUSED));
    outcomes[1] = ABORTED;
    cr_assert(eq(int, abort_it(rig), OK));
    for (int32_t number = 2; number < 6; number++) {
        cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
        token = put(rig, token, 30, number);
        cr_assert(eq(int, commit(rig), OK));
        outcomes[number] = COMMITTED;
    }
    check_outcomes(token);
    producer_rig_close(rig);
}

Test(client_transaction, is_aborted_as_a_whole_where_a_batch_fails_in_version_2)
{
    one_fails(false);
}

Test(client_transaction, is_aborted_as_a_whole_where_a_batch_fails_in_version_1)
{
    one_fails(true);
}

Test(client_transaction, an_empty_one_asks_nobody)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = transactional(0, "a");
    start(rig);
    cr_assert(eq(int, init(rig), OK));
    for (int i = 0; i < 3; i++) {
        cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
        cr_assert(eq(int, i == 1 ? abort_it(rig) : commit(rig), OK));
        cr_assert(eq(u64, rig->op.asked_ns, 0));
    }
    producer_rig_close(rig);
}

Test(client_transaction, a_timeout_that_is_not_allowed_is_fatal)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = transactional(0, "a");
    rig->producing.transaction_timeout_ms = 100000000;
    start(rig);
    cr_assert(ne(int, init(rig), OK));
    cr_assert(eq(i16, rig->op.error_code, KAFKA_INVALID_TRANSACTION_TIMEOUT));
    producer_rig_close(rig);
}

/* Nobody answers: an init has an end, and may be tried again. */
Test(client_transaction, an_init_that_nobody_answers_ends)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = transactional(0, "a");
    rig->producing.delivery_timeout_ms = 4000;
    start(rig);
    sim_net_hold(&live.world->net, live.broker.node->host, rig->node->host, true);
    cr_assert(eq(int, init(rig), ERR_TIMEOUT));
    cr_assert(eq(int, state(rig), CLIENT_TRANSACTION_UNINIT));
    sim_world_heal(live.world);
    cr_assert(eq(int, init(rig), OK));
    producer_rig_close(rig);
}

/* CTX-2: the operation that runs when the producer ends, ends. */
Test(client_transaction, an_operation_ends_with_its_producer)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = transactional(0, "a");
    start(rig);
    cr_assert(eq(int, init(rig), OK));
    cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
    (void)put(rig, 0, 30, 1);
    sim_world_run_for(live.world, 100 * SIM_MS);
    sim_net_hold(&live.world->net, live.broker.node->host, rig->node->host, true);
    client_transaction_commit(rig->producer, producer_rig_op(rig));
    sim_world_run_for(live.world, 100 * SIM_MS);
    cr_assert(not(rig->is_op_done));
    producer_rig_close(rig);
    cr_assert(rig->is_op_done);
    cr_assert(eq(int, rig->op_err, ERR_CANCELED));
}

/* What was not sent is told as failed, of every partition, and holds the abort up in no way. */
static void abort_at_once(bool is_version_1)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = transactional(0, "a");
    rig->force_version_1 = is_version_1;
    rig->producing.linger_us = 30000000;
    start(rig);
    cr_assert(eq(int, init(rig), OK));
    cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
    cr_assert(eq(u64, put(rig, 0, 30, 1), 30));
    client_transaction_abort(rig->producer, producer_rig_op(rig));
    cr_assert(eq(int, producer_rig_wait_op(rig, 1000), OK));
    cr_assert(eq(u64, producer_count_fate(0, 30, FATE_FAILED), 30));
    producer_rig_close(rig);
}

Test(client_transaction, an_abort_drops_every_partition_in_version_2)
{
    abort_at_once(false);
}

Test(client_transaction, an_abort_drops_every_partition_in_version_1)
{
    abort_at_once(true);
}

/* An answer that refuses is an end of the step, when the transaction has failed meanwhile. */
Test(client_transaction, a_partition_that_is_not_there_holds_no_abort_up)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = transactional(0, "a");
    rig->force_version_1 = true;
    rig->producing.delivery_timeout_ms = 3000;
    start(rig);
    cr_assert(eq(int, init(rig), OK));
    cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
    cr_assert(eq(u64, put(rig, 0, 30, 1), 30));
    sim_world_run_for(live.world, SIM_SECOND);
    {
        struct live_ask ask = {0};

        live_delete_start(&ask, live_client(0), "t", 60000);
        cr_assert(live_ask_wait(&ask, 60000));
    }
    cr_assert(eq(u64, put(rig, 30, 30, 1), 60));
    cr_assert(ne(int, commit(rig), OK));
    client_transaction_abort(rig->producer, producer_rig_op(rig));
    (void)producer_rig_wait_op(rig, 60000);
    producer_rig_close(rig);
}

/* A partition that waited for its leader when a transaction was aborted waits there still: what the
 * next one sends to it belongs to that one all the same. */
static void wait_at_the_leader(bool is_version_1)
{
    struct producer_rig *rig;
    uint64_t token;

    producer_rig_world(NULL);
    rig = transactional(0, "a");
    rig->force_version_1 = is_version_1;
    start(rig);
    cr_assert(eq(int, init(rig), OK));
    cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
    token = put(rig, 0, 30, 1);
    cr_assert(eq(int, commit(rig), OK));
    outcomes[1] = COMMITTED;
    cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
    token = put(rig, token, 30, 2);
    sim_world_run_for(live.world, 200 * SIM_MS); /* it has joined */
    sim_node_crash(live.broker.node, SIM_KILL);
    sim_world_run_for(live.world, 200 * SIM_MS);
    rig->loop.now_ns = clock_mono_ns(rig->loop.clock);
    token = put(rig, token, 30, 2);
    sim_world_run_for(live.world, 100 * SIM_MS);
    client_transaction_abort(rig->producer, producer_rig_op(rig));
    sim_node_start(live.broker.node);
    cr_assert(sim_world_run_until(live.world, live_is_ready, NULL, 60 * SIM_SECOND));
    cr_assert(eq(int, producer_rig_wait_op(rig, WAIT_MS), OK));
    outcomes[2] = ABORTED;
    cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
    token = put(rig, token, 30, 3);
    cr_assert(eq(int, commit(rig), OK));
    cr_assert(lt(u64, 0, rig->op.asked_ns));
    outcomes[3] = COMMITTED;
    check_outcomes(token);
    producer_rig_close(rig);
}

Test(client_transaction, what_waited_at_its_leader_is_in_the_next_one_in_version_2)
{
    wait_at_the_leader(false);
}

Test(client_transaction, what_waited_at_its_leader_is_in_the_next_one_in_version_1)
{
    wait_at_the_leader(true);
}

/* ---- an answer that never came */

/* Version 1: the group may be in the transaction when AddOffsetsToTxn is given up, so the abort
 * asks; where the coordinator has not heard of it, that is no error.  is_lost: nothing arrives. */
static void abort_in_doubt(bool is_lost)
{
    struct client_group_identity group = {.group_id = "g", .member_id = "", .generation_id = -1};
    struct client_group_offset offset = {.leader_epoch = -1, .metadata = "", .offset = 7};
    struct producer_rig *rig;
    uint64_t token;

    producer_rig_world(NULL);
    rig = transactional(0, "a");
    rig->force_version_1 = true;
    rig->options.request_timeout_ms = 1000;
    rig->producing.delivery_timeout_ms = 3000;
    start(rig);
    cr_assert(eq(int, init(rig), OK));
    cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
    offset.topic = rig->topic;
    sim_net_hold(&live.world->net, is_lost ? rig->node->host : live.broker.node->host,
                 is_lost ? live.broker.node->host : rig->node->host, true);
    client_transaction_send_offsets(rig->producer, producer_rig_op(rig), &group, &offset, 1);
    cr_assert(eq(int, producer_rig_wait_op(rig, WAIT_MS), ERR_TIMEOUT));
    cr_assert(eq(int, state(rig), CLIENT_TRANSACTION_FAILED));
    sim_world_heal(live.world);
    cr_assert(eq(int, abort_it(rig), OK));
    cr_assert(lt(u64, 0, rig->op.asked_ns));
    cr_assert(eq(int, client_transaction_begin(rig->producer), OK));
    token = put(rig, 0, 30, 1);
    cr_assert(eq(int, commit(rig), OK));
    outcomes[1] = COMMITTED;
    check_outcomes(token);
    producer_rig_close(rig);
}

Test(client_transaction, an_abort_asks_where_offsets_may_have_begun_it)
{
    abort_in_doubt(false);
}

Test(client_transaction, an_abort_of_what_may_not_have_begun_ends)
{
    abort_in_doubt(true);
}
