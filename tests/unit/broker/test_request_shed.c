/* Requests that wait for other clients hold nothing of what they asked, and the oldest of them make
 * way when nothing else can. */
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_heartbeat.h"
#include "net/protocol/msg_join_group.h"
#include "net/protocol/msg_sync_group.h"
#include "tests/unit/broker/live_rig.h"

enum { LARGE_BYTES = 1 << 20, REQUEST_COST_BYTES = 8192 };

static uint8_t large[LARGE_BYTES];

struct member {
    char id[200];
    int16_t error_code;
    int32_t generation;
    struct live_ask ask;
};

static struct budget *budget_of(uint32_t shard, enum memory_purpose purpose)
{
    return memory_budget(&broker_shard(live.broker.broker, shard)->memory, purpose);
}

static uint64_t used_bytes(enum memory_purpose purpose)
{
    uint64_t sum_bytes = 0;

    for (uint32_t i = 0; i < live.broker.shards_count; i++)
        sum_bytes += budget_used_bytes(budget_of(i, purpose));
    return sum_bytes;
}

static void look_error(struct live_ask *ask, const void *response)
{
    *(int16_t *)ask->context = ((const struct find_coordinator_response *)response)->error_code;
}

static void find_coordinator(struct live_client *client)
{
    int16_t error_code = -1;

    for (int i = 0; i < 100 && error_code != KAFKA_NONE; i++) {
        struct find_coordinator_request request;
        struct live_ask ask = {.look = look_error, .context = &error_code};
        codec_set_defaults(&find_coordinator_request_desc, &request);
        request.key = wire_string("g");
        live_ask(&ask, client, API_FIND_COORDINATOR, 3, &request);
        sim_world_run_for(live.world, 100 * SIM_MS);
    }
    cr_assert(eq(i16, error_code, KAFKA_NONE));
}

/* A broker whose groups wait so long for a first member's fellows. */
static void start(uint32_t shards_count, const char *initial_delay)
{
    const char *sets[] = {initial_delay, NULL};

    live_start(shards_count, sets);
    find_coordinator(live_client(0));
    sim_world_run_for(live.world, SIM_SECOND); /* now every shard knows */
}

static void look_joined(struct live_ask *ask, const void *response)
{
    const struct join_group_response *answer = response;
    struct member *member = ask->context;

    member->error_code = answer->error_code;
    member->generation = answer->generation_id;
    snprintf(member->id, sizeof(member->id), "%.*s", answer->member_id.size_bytes,
             answer->member_id.text);
}

static void start_join(struct member *member, uint32_t client, const char *group,
                       int32_t metadata_bytes)
{
    struct join_group_request_protocol protocol;
    struct join_group_request request;

    codec_set_defaults(&join_group_request_desc, &request);
    codec_set_struct_defaults(&join_group_request_protocol_struct, &protocol);
    protocol.name = wire_string("range");
    protocol.metadata = (struct wire_bytes){large, metadata_bytes};
    request.group_id = wire_string(group);
    request.session_timeout_ms = 30000;
    request.rebalance_timeout_ms = 600000;
    request.protocol_type = wire_string("consumer");
    request.protocols.items = &protocol;
    request.protocols.count = 1;
    member->ask = (struct live_ask){.look = look_joined, .context = member};
    live_ask_start(&member->ask, live_client(client), API_JOIN_GROUP, 3, &request);
}

static void look_synced(struct live_ask *ask, const void *response)
{
    ((struct member *)ask->context)->error_code =
        ((const struct sync_group_response *)response)->error_code;
}

/* With an assignment that nobody looks at: a follower's. */
static void start_sync(struct member *member, uint32_t client)
{
    struct sync_group_request_assignment assignment;
    struct sync_group_request request;

    codec_set_defaults(&sync_group_request_desc, &request);
    codec_set_struct_defaults(&sync_group_request_assignment_struct, &assignment);
    assignment.member_id = wire_string("nobody");
    assignment.assignment = (struct wire_bytes){large, LARGE_BYTES};
    request.group_id = wire_string("g");
    request.member_id = wire_string(member->id);
    request.generation_id = member->generation;
    request.assignments.items = &assignment;
    request.assignments.count = 1;
    member->ask = (struct live_ask){.look = look_synced, .context = member};
    live_ask_start(&member->ask, live_client(client), API_SYNC_GROUP, 3, &request);
}

/* Something that is answered at once, and holds little. */
static void start_beat(struct live_ask *ask, uint32_t client)
{
    struct heartbeat_request request;

    codec_set_defaults(&heartbeat_request_desc, &request);
    request.group_id = wire_string("nobody's");
    live_ask_start(ask, live_client(client), API_HEARTBEAT, 3, &request);
}

/* Some of their connections are on other shards than their groups. */
static void joins_hold_little(uint32_t shards_count)
{
    static const char *const groups[] = {"g", "h", "i"};
    struct member members[3] = {0};

    start(shards_count, "group.initial.rebalance.delay.ms=10000");
    for (uint32_t i = 0; i < 3; i++)
        start_join(&members[i], i, groups[i], LARGE_BYTES);
    sim_world_run_for(live.world, SIM_SECOND);
    cr_assert(eq(u64, used_bytes(MEMORY_REQUESTS), 0));
    cr_assert(lt(u64, used_bytes(MEMORY_DECODED), 3 * REQUEST_COST_BYTES));
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(not(members[i].ask.is_done));
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(live_ask_wait(&members[i].ask, 20000));
        cr_assert(eq(i16, members[i].error_code, KAFKA_NONE));
    }
    sim_world_run_for(live.world, SIM_SECOND);
    cr_assert(eq(u64, used_bytes(MEMORY_DECODED), 0));
    for (uint32_t i = 0; i < shards_count; i++) {
        const struct conn_server *server = broker_shard(live.broker.broker, i)->conns;
        cr_assert(eq(u64, server->queued_request_bytes, 0));
        for (int kind = 0; kind < CONN_KIND_COUNT; kind++)
            cr_assert(eq(u64, server->kind_bytes[kind], 0));
    }
}

Test(request_shed, joins_that_wait_hold_nothing_of_their_frames)
{
    joins_hold_little(1);
}

Test(request_shed, joins_that_wait_on_another_shard_hold_nothing_of_their_frames)
{
    joins_hold_little(4);
}

static void form_group_of_three(struct member *members)
{
    for (uint32_t i = 0; i < 3; i++)
        start_join(&members[i], i, "g", 10);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(live_ask_wait(&members[i].ask, 20000));
        cr_assert(eq(i16, members[i].error_code, KAFKA_NONE));
    }
}

Test(request_shed, followers_that_wait_for_their_leader_hold_nothing_of_their_frames)
{
    struct member members[3] = {0};

    start(2, "group.initial.rebalance.delay.ms=3000");
    form_group_of_three(members);
    for (uint32_t i = 1; i < 3; i++)
        start_sync(&members[i], i);
    sim_world_run_for(live.world, SIM_SECOND);
    cr_assert(eq(u64, used_bytes(MEMORY_REQUESTS), 0));
    cr_assert(lt(u64, used_bytes(MEMORY_DECODED), 2 * REQUEST_COST_BYTES));
    cr_assert(not(members[1].ask.is_done));
    start_sync(&members[0], 0);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(live_ask_wait(&members[i].ask, 1000));
        cr_assert(eq(i16, members[i].error_code, KAFKA_NONE));
    }
}

/* Room for what is held now, and for no request more. */
static void leave_no_room(uint32_t held_count)
{
    struct budget *decoded = budget_of(0, MEMORY_DECODED);

    cr_assert(lt(u64, held_count * 4096, budget_used_bytes(decoded)));
    decoded->max_bytes = (budget_used_bytes(decoded) + 1000) * 8 / 7;
}

Test(request_shed, the_join_that_waits_longest_makes_way_when_nothing_else_can)
{
    struct member members[2] = {0};
    struct live_ask beat = {0};

    start(1, "group.initial.rebalance.delay.ms=600000");
    start_join(&members[0], 0, "g", 10);
    sim_world_run_for(live.world, SIM_SECOND);
    start_join(&members[1], 1, "g", 10);
    sim_world_run_for(live.world, 5 * SIM_SECOND);
    (void)live_client(2);
    leave_no_room(2);
    start_beat(&beat, 2);
    cr_assert(not(live_ask_wait(&beat, 500)));
    cr_assert(live_ask_wait(&beat, 5000));
    cr_assert(eq(int, beat.err, OK));
    sim_world_run_for(live.world, 100 * SIM_MS);
    cr_assert(members[0].ask.is_done);
    cr_assert(eq(i16, members[0].error_code, KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(not(members[1].ask.is_done));
    start_join(&members[0], 0, "g", 10); /* as its client does */
    sim_world_run_for(live.world, 500 * SIM_MS);
    cr_assert(not(members[0].ask.is_done));
}

Test(request_shed, the_sync_that_waits_longest_joins_again)
{
    struct member members[3] = {0};
    struct live_ask beat = {0};

    start(1, "group.initial.rebalance.delay.ms=3000");
    form_group_of_three(members);
    start_sync(&members[2], 2);
    sim_world_run_for(live.world, SIM_SECOND);
    start_sync(&members[1], 1);
    sim_world_run_for(live.world, 5 * SIM_SECOND);
    leave_no_room(2);
    start_beat(&beat, 0);
    cr_assert(live_ask_wait(&beat, 5000));
    sim_world_run_for(live.world, 100 * SIM_MS);
    cr_assert(members[2].ask.is_done);
    cr_assert(eq(i16, members[2].error_code, KAFKA_REBALANCE_IN_PROGRESS));
    cr_assert(not(members[1].ask.is_done));
}

/* What was taken by work that is under way does not come back by pressing; and members of groups
 * keep waiting when it is not their budget that is short. */

static uint32_t stuck_lines;
static void (*write_before)(struct log_sink *sink, enum log_level level, const char *line,
                            size_t size_bytes);

static void on_line(struct log_sink *sink, enum log_level level, const char *line,
                    size_t size_bytes)
{
    stuck_lines += memmem(line, size_bytes, "LVE-3108", 8) != NULL;
    write_before(sink, level, line, size_bytes);
}

Test(request_shed, nothing_to_press_is_told_and_members_wait_on)
{
    struct member member = {0};
    struct live_ask beat = {0};
    struct budget *requests;
    struct log_sink *sink;

    start(1, "group.initial.rebalance.delay.ms=600000");
    sink = broker_shard(live.broker.broker, 0)->sink;
    write_before = sink->write;
    sink->write = on_line;
    start_join(&member, 0, "g", 10);
    sim_world_run_for(live.world, 5 * SIM_SECOND);
    (void)live_client(1);
    requests = budget_of(0, MEMORY_REQUESTS);
    budget_force(requests, requests->max_bytes);
    start_beat(&beat, 1);
    cr_assert(not(live_ask_wait(&beat, 30000)));
    cr_assert(eq(u32, stuck_lines, 1));
    cr_assert(not(member.ask.is_done));
    budget_give(requests, requests->max_bytes);
    cr_assert(live_ask_wait(&beat, 2000));
}
