/* A Produce request of hundreds of partitions has a long answer, for which there must be room. */
#include "net/protocol/msg_produce.h"
#include "tests/unit/broker/live_rig.h"

enum { MANY = 1000, FEW = 100 };

static void look(struct live_ask *ask, const void *response)
{
    const struct produce_response *answer = response;
    int32_t *count = ask->context;

    *count = answer->responses.items[0].partition_responses.count;
    for (int32_t i = 0; i < *count; i++)
        cr_assert(eq(i16, answer->responses.items[0].partition_responses.items[i].error_code,
                     KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
}

/* The number of partitions that were answered; -1: the connection was closed. */
static int32_t produce_to(int32_t count)
{
    struct produce_request_partition_produce_data *parts =
        mem_alloc((size_t)count * sizeof(*parts));
    struct produce_request_topic_produce_data topic;
    struct produce_request request;
    int32_t answered = -1;
    struct live_ask ask = {.look = look, .context = &answered};

    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    for (int32_t i = 0; i < count; i++) {
        codec_set_struct_defaults(&produce_request_partition_produce_data_struct, &parts[i]);
        parts[i].index = i;
        parts[i].records.is_null = true;
    }
    topic.name = wire_string("nowhere");
    topic.partition_data.items = parts;
    topic.partition_data.count = count;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    request.acks = KAFKA_ACKS_ALL_ISR;
    request.timeout_ms = 1000;
    live_ask_start(&ask, live_client(0), API_PRODUCE, 9, &request);
    cr_assert(live_ask_wait(&ask, 60000));
    mem_free(parts);
    return answered;
}

Test(produce_answers_room, an_answer_for_hundreds_of_partitions_needs_room_among_the_long_ones)
{
    struct conn_server *server;
    struct budget *answers;
    uint64_t bytes;

    live_start(1, NULL);
    live_client(0);
    server = broker_shard(live.broker.broker, 0)->conns;
    answers = server->answers;
    cr_assert(eq(i32, produce_to(MANY), MANY));
    sim_world_run_until_idle(live.world, SIM_SECOND);
    cr_assert(eq(u64, server->long_answer_bytes, 0));
    cr_assert(eq(u64, budget_used_bytes(answers), 0));
    bytes = answers->max_bytes / 4 * 3; /* somebody does not take his */
    budget_force(answers, bytes);
    server->long_answer_bytes += bytes;
    cr_assert(eq(i32, produce_to(FEW), FEW));
    cr_assert(eq(i32, produce_to(MANY), -1));
    budget_give(answers, bytes);
    server->long_answer_bytes -= bytes;
    cr_assert(eq(i32, produce_to(MANY), MANY));
    sim_world_run_until_idle(live.world, SIM_SECOND);
    cr_assert(eq(u64, budget_used_bytes(answers), 0));
}
