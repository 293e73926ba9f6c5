/* Waits end when whoever waits is gone, and when the broker stops. */
#include "net/protocol/msg_fetch.h"
#include "tests/unit/broker/live_rig.h"

enum { WAIT_MS = 300000 };

static void start_fetch(struct live_ask *ask, struct live_client *client, const char *topic,
                        int32_t partitions)
{
    struct fetch_request_fetch_partition parts[8];
    struct fetch_request_fetch_topic asked;
    struct fetch_request request;

    codec_set_defaults(&fetch_request_desc, &request);
    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, &asked);
    for (int32_t i = 0; i < partitions; i++) {
        codec_set_struct_defaults(&fetch_request_fetch_partition_struct, &parts[i]);
        parts[i].partition = i;
        parts[i].partition_max_bytes = 1000;
    }
    asked.topic = wire_string(topic);
    asked.partitions.items = parts;
    asked.partitions.count = partitions;
    request.topics.items = &asked;
    request.topics.count = 1;
    request.max_wait_ms = WAIT_MS;
    request.min_bytes = 1;
    request.max_bytes = 1 << 20;
    request.session_epoch = -1;
    live_ask_start(ask, client, API_FETCH, 12, &request);
}

static bool no_connection_is_left(void *context)
{
    return live_connections() == *(uint32_t *)context;
}

static void fetch_ends_with_its_peer(uint32_t shards_count)
{
    struct live_ask ask = {0};
    uint32_t rest = 1;

    live_start(shards_count, NULL);
    (void)live_topic(live_client(0), "t", 8);
    start_fetch(&ask, live_client(1), "t", 8);
    cr_assert(not(live_ask_wait(&ask, 2000)));
    cr_assert(eq(u32, live_connections(), 2));
    sim_node_crash(live.clients[1].node, SIM_KILL);
    cr_assert(sim_world_run_until(live.world, no_connection_is_left, &rest, 2 * SIM_SECOND));
}

Test(request_cancel, fetch_ends_with_its_peer)
{
    fetch_ends_with_its_peer(1);
}

Test(request_cancel, fetch_over_shards_ends_with_its_peer)
{
    fetch_ends_with_its_peer(4);
}

Test(request_cancel, stop_answers_a_waiting_fetch)
{
    struct live_ask ask = {0};

    live_start(4, NULL);
    (void)live_topic(live_client(0), "t", 8);
    start_fetch(&ask, live_client(0), "t", 8);
    cr_assert(not(live_ask_wait(&ask, 2000)));
    cr_assert(lt(u64, live_stop_ms(), 3000));
    cr_assert(ask.is_done);
    cr_assert(eq(int, ask.err, OK));
}
