/* Waits end when whoever waits is gone, and when the broker stops. */
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_join_group.h"
#include "net/protocol/msg_sync_group.h"
#include "tests/unit/broker/live_rig.h"

enum { WAIT_MS = 300000 };

struct member {
    char id[200];
    int16_t error_code;
    int32_t generation;
    int32_t member_count;
    struct live_ask join;
};

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

/* ---- groups, whose shard is another one than the connection's for most */

static void look_error(struct live_ask *ask, const void *response)
{
    *(int16_t *)ask->context = ((const struct find_coordinator_response *)response)->error_code;
}

static void look_joined(struct live_ask *ask, const void *response)
{
    const struct join_group_response *answer = response;
    struct member *member = ask->context;

    member->error_code = answer->error_code;
    member->generation = answer->generation_id;
    member->member_count = answer->members.count;
    snprintf(member->id, sizeof(member->id), "%.*s", answer->member_id.size_bytes,
             answer->member_id.text);
}

static void find_coordinator(struct live_client *client, const char *group)
{
    int16_t error_code = -1;

    for (int i = 0; i < 100 && error_code != KAFKA_NONE; i++) {
        struct find_coordinator_request request;
        struct live_ask ask = {.look = look_error, .context = &error_code};
        codec_set_defaults(&find_coordinator_request_desc, &request);
        request.key = wire_string(group);
        live_ask(&ask, client, API_FIND_COORDINATOR, 3, &request);
        sim_world_run_for(live.world, 100 * SIM_MS);
    }
    cr_assert(eq(i16, error_code, KAFKA_NONE));
}

/* Version 3: an id comes with the first answer. */
static void start_join(struct member *member, struct live_client *client, const char *group)
{
    struct join_group_request_protocol protocol;
    struct join_group_request request;

    codec_set_defaults(&join_group_request_desc, &request);
    codec_set_struct_defaults(&join_group_request_protocol_struct, &protocol);
    protocol.name = wire_string("range");
    request.group_id = wire_string(group);
    request.member_id = wire_string(member->id);
    request.session_timeout_ms = 30000;
    request.rebalance_timeout_ms = 120000;
    request.protocol_type = wire_string("consumer");
    request.protocols.items = &protocol;
    request.protocols.count = 1;
    member->join = (struct live_ask){.look = look_joined, .context = member};
    live_ask_start(&member->join, client, API_JOIN_GROUP, 3, &request);
}

/* A member that leads, and does not come back to a rebalance by itself. */
static void form_group(struct member *member, const char *group)
{
    static const char *const sets[] = {"group.initial.rebalance.delay.ms=0", NULL};

    live_start(4, sets);
    find_coordinator(live_client(0), group);
    start_join(member, live_client(0), group);
    cr_assert(live_ask_wait(&member->join, 5000));
    cr_assert(eq(i16, member->error_code, KAFKA_NONE));
}

static void nameless_member_ends_with_its_peer(const char *group)
{
    struct member leader = {0};
    struct member guest = {0};
    uint32_t rest = 1;

    form_group(&leader, group);
    start_join(&guest, live_client(1), group);
    cr_assert(not(live_ask_wait(&guest.join, 1000))); /* until the leader joins again */
    sim_node_crash(live.clients[1].node, SIM_KILL);
    cr_assert(sim_world_run_until(live.world, no_connection_is_left, &rest, 2 * SIM_SECOND));
    start_join(&leader, live_client(0), group);
    cr_assert(live_ask_wait(&leader.join, 1000));
    cr_assert(eq(i16, leader.error_code, KAFKA_NONE));
    cr_assert(eq(i32, leader.member_count, 1));
}

Test(request_cancel, nameless_members_end_with_their_peer)
{
    nameless_member_ends_with_its_peer("a");
}

Test(request_cancel, nameless_members_end_with_their_peer_on_another_shard)
{
    nameless_member_ends_with_its_peer("b1");
}

Test(request_cancel, member_comes_back_after_its_join_was_cut)
{
    struct member leader = {0};
    struct member guest = {0};
    struct member third = {0};
    uint32_t rest = 2;

    form_group(&leader, "g");
    start_join(&guest, live_client(1), "g");
    cr_assert(not(live_ask_wait(&guest.join, 1000)));
    start_join(&leader, live_client(0), "g");
    cr_assert(live_ask_wait(&guest.join, 1000));
    cr_assert(eq(i16, guest.error_code, KAFKA_NONE));
    start_join(&third, live_client(2), "g"); /* a rebalance begins */
    cr_assert(not(live_ask_wait(&third.join, 1000)));
    start_join(&guest, live_client(1), "g"); /* with its id */
    cr_assert(not(live_ask_wait(&guest.join, 1000)));
    sim_node_crash(live.clients[1].node, SIM_KILL);
    cr_assert(sim_world_run_until(live.world, no_connection_is_left, &rest, 2 * SIM_SECOND));
    start_join(&leader, live_client(0), "g");
    cr_assert(not(live_ask_wait(&leader.join, 1000))); /* its session runs */
    start_join(&guest, live_client(1), "g");
    cr_assert(live_ask_wait(&leader.join, 1000));
    cr_assert(live_ask_wait(&guest.join, 1000));
    cr_assert(eq(i16, leader.error_code, KAFKA_NONE));
    cr_assert(eq(i16, guest.error_code, KAFKA_NONE));
    cr_assert(eq(i32, guest.generation, leader.generation));
}

Test(request_cancel, sync_ends_with_its_peer)
{
    struct sync_group_request request;
    struct member leader = {0};
    struct member guest = {0};
    struct live_ask sync = {0};
    uint32_t rest = 1;

    form_group(&leader, "g");
    start_join(&guest, live_client(1), "g");
    cr_assert(not(live_ask_wait(&guest.join, 1000)));
    start_join(&leader, live_client(0), "g");
    cr_assert(live_ask_wait(&guest.join, 1000));
    codec_set_defaults(&sync_group_request_desc, &request);
    request.group_id = wire_string("g");
    request.member_id = wire_string(guest.id);
    request.generation_id = guest.generation;
    live_ask_start(&sync, live_client(1), API_SYNC_GROUP, 2, &request);
    cr_assert(not(live_ask_wait(&sync, 1000))); /* the leader has not assigned */
    sim_node_crash(live.clients[1].node, SIM_KILL);
    cr_assert(sim_world_run_until(live.world, no_connection_is_left, &rest, 2 * SIM_SECOND));
}
