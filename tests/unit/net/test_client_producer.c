/* A producer of the client room and a real broker, in a simulated world that cuts connections,
 * holds frames back, and kills the broker: CPR-1 to CPR-4. */
#include "tests/unit/net/producer_rig.h"

TestSuite(client_producer, .timeout = 600);

Test(client_producer, stores_every_record_once_in_order)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    producer_rig_run(rig, 0, 20000);
    producer_rig_wait(rig, 60000);
    cr_assert(eq(u64, producer_count_fate(0, 20000, FATE_STORED), 20000));
    cr_assert(ge(i64, client_producer_id(rig->producer), 0));
    producer_check(0, 20000);
    cr_assert(eq(u64, client_producer_pending_bytes(rig->producer), 0));
    producer_rig_close(rig);
}

/* A world in which connections are cut and pipes stand still all the time. */
static void storm(struct producer_rig *rig, uint64_t count, uint32_t cut_ppm, uint32_t hold_ppm)
{
    live.world->net.options.cut_ppm = cut_ppm;
    live.world->net.options.hold_ppm = hold_ppm;
    live.world->net.options.hold_time =
        (struct sim_span){.min_ns = SIM_MS, .max_ns = 8000 * SIM_MS};
    producer_rig_run(rig, 0, count);
    producer_rig_wait(rig, 3600000);
    sim_world_heal(live.world);
    producer_check(0, count);
    producer_rig_close(rig);
}

Test(client_producer, stores_every_record_once_where_connections_are_cut)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->producing.batch_bytes = 2000;
    storm(rig, 20000, 30000, 0);
    cr_assert(eq(u64, producer_count_fate(0, 20000, FATE_STORED), 20000));
}

Test(client_producer, stores_every_record_once_where_frames_are_late)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->options.request_timeout_ms = 500;
    rig->producing.batch_bytes = 1000;
    rig->producing.in_flight_max = 5;
    storm(rig, 10000, 3000, 10000);
    cr_assert(eq(u64, producer_count_fate(0, 10000, FATE_STORED), 10000));
}

Test(client_producer, tells_what_it_does_not_know_where_time_runs_out)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->options.request_timeout_ms = 300;
    rig->producing.delivery_timeout_ms = 700;
    rig->producing.batch_bytes = 1000;
    rig->is_random_partition = true;
    storm(rig, 20000, 5000, 20000);
    cr_assert(lt(u64, 0, producer_count_fate(0, 20000, FATE_AMBIGUOUS)));
    cr_assert(lt(u64, 1000, producer_count_fate(0, 20000, FATE_STORED)));
}

Test(client_producer, keeps_order_without_idempotence)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->producing.is_idempotent = false;
    rig->producing.acks = 1;
    rig->producing.batch_bytes = 1000;
    producer_rig_run(rig, 0, 10000);
    producer_rig_wait(rig, 60000);
    producer_check(0, 10000);
    cr_assert(eq(i64, client_producer_id(rig->producer), -1));
    producer_rig_close(rig);
}

Test(client_producer, needs_no_answer_with_acks_0)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->producing.is_idempotent = false;
    rig->producing.acks = 0;
    producer_rig_run(rig, 0, 5000);
    producer_rig_wait(rig, 60000);
    sim_world_run_for(live.world, SIM_SECOND);
    producer_check(0, 5000);
    cr_assert(eq(i64, producer_records[17].offset, -1));
    producer_rig_close(rig);
}

Test(client_producer, outlives_kills_of_the_broker)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->producing.batch_bytes = 3000;
    rig->tick_ms = 5;
    producer_rig_run(rig, 0, 40000);
    for (int i = 0; i < 6; i++) {
        sim_world_run_for(live.world, (100 + (uint64_t)i * 77) * SIM_MS);
        producer_rig_kill_broker(i % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS, 500);
    }
    producer_rig_wait(rig, 600000);
    cr_assert(eq(u64, producer_count_fate(0, 40000, FATE_STORED), 40000));
    producer_check(0, 40000);
    producer_rig_close(rig);
}

Test(client_producer, compressed_batches_are_the_same_records)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->has_keys = true;
    rig->producing.linger_us = 0;
    producer_rig_run(rig, 1, 3000);
    producer_rig_wait(rig, 60000);
    producer_rig_close(rig);
    rig->producing.codec = COMPRESSION_LZ4;
    cr_assert(eq(u64, producer_count_fate(1, 3000, FATE_STORED), 2999));
}

Test(client_producer, says_when_it_is_full_and_when_there_is_room)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->producing.buffer_memory_bytes = 100000;
    rig->producing.batch_bytes = 4000;
    rig->burst = 5000;
    producer_rig_run(rig, 0, 30000);
    producer_rig_wait(rig, 600000);
    cr_assert(lt(u64, 0, rig->full_count));
    cr_assert(rig->has_room);
    producer_check(0, 30000);
    producer_rig_close(rig);
}

/* However little memory it may use, it takes one batch. */
Test(client_producer, works_where_a_batch_is_all_that_it_may_hold)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->producing.buffer_memory_bytes = 16384;
    producer_rig_run(rig, 0, 1000);
    producer_rig_wait(rig, 600000);
    producer_check(0, 1000);
    producer_rig_close(rig);
}

static bool has_closed(void *context)
{
    return ((struct producer_rig *)context)->has_closed;
}

/* CPR-2: also where it is destroyed by who is told of room. */
Test(client_producer, may_be_destroyed_when_it_tells_of_room)
{
    struct producer_rig *rig;
    uint64_t token = 0;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->producing.buffer_memory_bytes = 100000;
    rig->producing.batch_bytes = 4000;
    rig->producing.delivery_timeout_ms = 2000;
    rig->ends_with_room = true;
    producer_rig_run(rig, 0, 0);
    sim_world_run_for(live.world, SIM_SECOND);
    sim_node_crash(live.broker.node, SIM_KILL);
    while (token < 200)
        cr_assert(eq(int, producer_rig_send(rig, token++, 0, 0), OK));
    sim_world_run_for(live.world, SIM_SECOND);
    rig->loop.now_ns = clock_mono_ns(rig->loop.clock);
    while (producer_rig_send(rig, token, 0, 0) == OK)
        token++;
    cr_assert(lt(u64, 400, token));
    cr_assert(sim_world_run_until(live.world, has_closed, rig, 60 * SIM_SECOND));
    cr_assert(eq(u64, producer_count_fate(0, token, FATE_FAILED), token));
}

/* CPR-4: what is refused for good costs an epoch, and what follows is stored all the same. */
Test(client_producer, what_is_too_large_fails_alone)
{
    static const char *const sets[] = {"message.max.bytes=20000", NULL};
    struct producer_rig *rig;

    producer_rig_world(sets);
    rig = producer_rig(0);
    rig->producing.batch_bytes = 100000;
    rig->producing.linger_us = 20000;
    rig->burst = 500;
    producer_rig_run(rig, 0, 5000);
    producer_rig_wait(rig, 60000);
    cr_assert(eq(u64, producer_count_fate(0, 5000, FATE_STORED), 5000)); /* in pieces */
    cr_assert(eq(i16, client_producer_epoch(rig->producer), 0));
    rig->value_bytes = 30000;
    producer_rig_run(rig, 5000, 5003);
    producer_rig_wait(rig, 60000);
    for (uint64_t token = 5000; token < 5003; token++) {
        cr_assert(eq(int, producer_records[token].fate, FATE_FAILED));
        cr_assert(eq(i16, producer_records[token].error_code, KAFKA_MESSAGE_TOO_LARGE));
    }
    rig->value_bytes = 100;
    producer_rig_run(rig, 5003, 9000);
    producer_rig_wait(rig, 60000);
    cr_assert(eq(u64, producer_count_fate(5003, 9000, FATE_STORED), 3997));
    cr_assert(lt(i16, 0, client_producer_epoch(rig->producer)));
    producer_check(0, 9000);
    producer_rig_close(rig);
}

/* Some name their partition, some do not: all wait together (CBT-2), and go in their order. */
Test(client_producer, what_waits_for_a_topic_goes_wherever_it_is_to_go)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    producer_rig_run(rig, 0, 0);
    for (uint64_t token = 0; token < 201; token++)
        cr_assert(eq(
            int, producer_rig_send(rig, token, token % 2 == 0 ? (int32_t)(token % 3) : -1, 0), OK));
    producer_rig_wait(rig, 60000);
    cr_assert(eq(u64, producer_count_fate(0, 201, FATE_STORED), 201));
    for (uint64_t token = 0; token < 201; token += 2)
        cr_assert(eq(int, producer_records[token].partition, (int)(token % 3)));
    producer_check(0, 201);
    producer_rig_close(rig);
}

Test(client_producer, waits_for_a_topic_and_gives_it_up)
{
    static const char *const sets[] = {"auto.create.topics.enable=false", NULL};
    struct producer_rig *rig;

    producer_rig_world(sets);
    rig = producer_rig(0);
    rig->producing.delivery_timeout_ms = 5000;
    producer_rig_run(rig, 0, 0);
    rig->topic = client_cluster_topic(rig->cluster, "later");
    rig->has_keys = true;
    producer_rig_run(rig, 0, 100);
    sim_world_run_for(live.world, 2 * SIM_SECOND);
    cr_assert(eq(u64, rig->delivered_count, 0));
    (void)live_topic(live_client(0), "later", 5);
    producer_rig_wait(rig, 4000);
    cr_assert(eq(u64, producer_count_fate(0, 100, FATE_STORED), 100));
    for (uint64_t token = 0; token < 100; token++)
        cr_assert(
            eq(int, producer_records[token].partition, client_producer_partition_of(&token, 8, 5)));
    rig->topic = client_cluster_topic(rig->cluster, "never");
    producer_rig_run(rig, 100, 200);
    producer_rig_wait(rig, 8000);
    cr_assert(eq(u64, producer_count_fate(100, 200, FATE_FAILED), 100));
    cr_assert(eq(int, producer_records[150].err, ERR_TIMEOUT));
    cr_assert(eq(i16, producer_records[150].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    producer_rig_close(rig);
}

Test(client_producer, refuses_what_it_cannot_take)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->producing.request_max_bytes = 10000;
    rig->producing.buffer_memory_bytes = 8000;
    rig->producing.batch_bytes = 2000;
    producer_rig_run(rig, 0, 10);
    producer_rig_wait(rig, 60000);
    rig->value_bytes = 10001;
    cr_assert(eq(int, producer_rig_send(rig, 10, 0, 0), ERR_TOO_LARGE));
    rig->value_bytes = 8001; /* there will never be room for it */
    cr_assert(eq(int, producer_rig_send(rig, 10, 0, 0), ERR_TOO_LARGE));
    rig->value_bytes = 100;
    cr_assert(eq(int, producer_rig_send(rig, 10, PRODUCER_PARTITIONS, 0), ERR_NOT_FOUND));
    cr_assert(eq(int, producer_rig_send(rig, 10, -2, 0), ERR_NOT_FOUND));
    producer_rig_close(rig);
}

/* CPR-2: also of those that it still has when it ends. */
Test(client_producer, tells_of_every_record_when_it_ends)
{
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->burst = 4000;
    producer_rig_run(rig, 0, 8000);
    sim_world_run_for(live.world, 20 * SIM_MS);
    rig->end_token = rig->next_token;
    producer_rig_close(rig);
    cr_assert(eq(u64, rig->delivered_count, rig->end_token));
    producer_check(0, rig->end_token);
}

Test(client_producer, options_that_contradict_each_other_are_refused)
{
    struct client_producer_events events = {.delivered = producer_rig_delivered};
    struct client_producer_options options = client_producer_options_default();
    struct client_producer *out = NULL;
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    producer_rig_run(rig, 0, 0);
    options.acks = 1;
    cr_assert(
        eq(int, client_producer_create(rig->cluster, &options, &events, NULL, &out), ERR_INVALID));
    options.acks = -1;
    options.in_flight_max = 6;
    cr_assert(
        eq(int, client_producer_create(rig->cluster, &options, &events, NULL, &out), ERR_INVALID));
    options.is_idempotent = false;
    cr_assert(eq(int, client_producer_create(rig->cluster, &options, &events, NULL, &out), OK));
    rig->has_closed = false;
    client_producer_destroy(out, producer_rig_closed, rig);
    cr_assert(sim_world_run_until(live.world, producer_rig_is_closed, rig, SIM_SECOND));
    producer_rig_close(rig);
}

/* Nothing is pending whose end would make room: it is told all the same. */
Test(client_producer, memory_that_is_refused_may_be_there_later)
{
    struct producer_rig *rig;
    uint64_t token = 0;
    uint32_t full_count = 0;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->producing.linger_us = 0;
    producer_rig_run(rig, 0, 0);
    for (uint64_t n = 1; n < 12; n++) {
        enum err err;

        rig->loop.now_ns = clock_mono_ns(rig->loop.clock);
        rig->has_room = false;
        mem_fail_after(n);
        err = producer_rig_send(rig, token, (int32_t)(n % PRODUCER_PARTITIONS), 0);
        mem_fail_after(0);
        cr_assert(err == OK || err == ERR_FULL || err == ERR_NOMEM, "%s", err_name(err));
        token += err == OK;
        if (err != ERR_FULL)
            continue;
        full_count++;
        sim_world_run_for(live.world, SIM_SECOND);
        cr_assert(rig->has_room);
    }
    cr_assert(lt(u32, 0, full_count));
    cr_assert(lt(u64, 3, token));
    producer_rig_wait(rig, 60000);
    cr_assert(eq(u64, producer_count_fate(0, token, FATE_STORED), token));
    producer_rig_close(rig);
}

static void close_when_told(void *context, const struct client_delivery *delivery)
{
    struct producer_rig *rig = context;

    producer_rig_delivered(context, delivery);
    if (rig->closes_when_told) {
        rig->closes_when_told = false;
        loop_cancel_timer(&rig->loop, &rig->tick);
        client_producer_destroy(rig->producer, producer_rig_closed, rig);
    }
}

/* From inside of a delivery that its own timer brought: nothing of it runs later. */
Test(client_producer, may_be_destroyed_by_a_delivery)
{
    struct client_producer_events events = {.delivered = close_when_told};
    struct producer_rig *rig;

    producer_rig_world(NULL);
    rig = producer_rig(0);
    rig->options.request_timeout_ms = 20000;
    rig->producing.delivery_timeout_ms = 500;
    producer_rig_run(rig, 0, 0);
    client_producer_destroy(rig->producer, producer_rig_closed, rig);
    cr_assert(sim_world_run_until(live.world, producer_rig_is_closed, rig, SIM_SECOND));
    rig->has_closed = false;
    rig->loop.now_ns = clock_mono_ns(rig->loop.clock);
    cr_assert(
        eq(int, client_producer_create(rig->cluster, &rig->producing, &events, rig, &rig->producer),
           OK));
    producer_rig_run(rig, 0, 100);
    producer_rig_wait(rig, 60000);
    sim_net_hold(&live.world->net, live.broker.node->host, rig->node->host, true);
    rig->closes_when_told = true;
    producer_rig_run(rig, 100, 5000);
    rig->tick_ms = 1;
    cr_assert(sim_world_run_until(live.world, producer_rig_is_closed, rig, 60 * SIM_SECOND));
    sim_world_run_for(live.world, 30 * SIM_SECOND); /* what a timer left behind would run */
    cr_assert(eq(u64, rig->delivered_count, rig->next_token));
    cr_assert(lt(u64, 0, producer_count_fate(100, rig->next_token, FATE_AMBIGUOUS)));
}
