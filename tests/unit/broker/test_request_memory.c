/* Memory of requests: what they unfold to counts in a budget, those that find no room wait, those
 * that merely wait give theirs back, and an allocation that fails is an ordinary error everywhere.
 */
#include "broker/api_table.h"
#include "broker/request.h"
#include "net/protocol/msg_delete_groups.h"
#include "net/protocol/msg_delete_records.h"
#include "net/protocol/msg_describe_groups.h"
#include "net/protocol/msg_describe_topic_partitions.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_join_group.h"
#include "net/protocol/msg_leave_group.h"
#include "net/protocol/msg_list_offsets.h"
#include "net/protocol/msg_metadata.h"
#include "net/protocol/msg_offset_commit.h"
#include "net/protocol/msg_offset_delete.h"
#include "net/protocol/msg_offset_fetch.h"
#include "net/protocol/msg_offset_for_leader_epoch.h"
#include "net/protocol/msg_produce.h"
#include "tests/unit/broker/live_rig.h"

enum { ALLOCS_MAX = 80, PARTS = 4, MANY_PARTS = 1000 };

static void limit_allocs(size_t allocs_max)
{
    for (uint32_t i = 0; i < live.broker.shards_count; i++)
        request_pool_limit_allocs(broker_shard(live.broker.broker, i)->requests, allocs_max);
}

static struct budget *decoded(uint32_t shard)
{
    return memory_budget(&broker_shard(live.broker.broker, shard)->memory, MEMORY_DECODED);
}

/* The request's memory ends after n allocations, for each n: the client gets an answer or loses its
 * connection, and the broker serves on, holding nothing of it. */
static void fails_well(int16_t key, int16_t version, const void *request)
{
    struct live_ask ask = {0};
    uint32_t refused_count = 0;

    for (size_t n = 0; n <= ALLOCS_MAX; n++) {
        struct live_client *client = live_client(0);

        limit_allocs(n < ALLOCS_MAX ? n : SIZE_MAX);
        live_ask_start(&ask, client, key, version, request);
        cr_assert(live_ask_wait(&ask, 60000), "key %d: no answer after %zu", key, n);
        limit_allocs(SIZE_MAX);
        refused_count += ask.err != OK;
        cr_assert(not(live.broker.failed));
    }
    cr_assert(lt(u32, 0, refused_count), "key %d allocates nothing", key);
    cr_assert(eq(int, ask.err, OK), "key %d", key);
    sim_world_run_for(live.world, 100 * SIM_MS);
    for (uint32_t i = 0; i < live.broker.shards_count; i++)
        cr_assert(eq(u64, budget_used_bytes(decoded(i)), 0), "key %d", key);
}

/* ---- the buffers that it comes from */

static uint64_t idle_bytes(uint32_t shard)
{
    const struct memory *memory = &broker_shard(live.broker.broker, shard)->memory;

    return (uint64_t)gauge_read(&memory->buffers.idle_bytes);
}

Test(request_memory, what_buffers_keep_idle_goes_back_when_it_is_told_to)
{
    uint64_t before_bytes = 0;

    live_start(2, NULL);
    (void)live_topic(live_client(0), "t", PARTS);
    sim_world_run_for(live.world, 100 * SIM_MS);
    for (uint32_t i = 0; i < live.broker.shards_count; i++) {
        before_bytes += idle_bytes(i);
        memory_trim(&broker_shard(live.broker.broker, i)->memory);
        memory_trim(&broker_shard(live.broker.broker, i)->memory); /* once is enough */
    }
    cr_assert(lt(u64, 0, before_bytes));
    sim_world_run_for(live.world, 100 * SIM_MS);
    for (uint32_t i = 0; i < live.broker.shards_count; i++)
        cr_assert(eq(u64, idle_bytes(i), 0));
}

/* ---- every API with an empty request */

/* These have their connection closed, or wait for what never comes, with nothing in them. */
static bool is_asked_empty(int16_t key)
{
    return key != API_PRODUCE && key != API_SASL_AUTHENTICATE && key != API_SASL_HANDSHAKE;
}

Test(request_memory, every_api_answers_or_closes_without_memory)
{
    live_start(2, NULL);
    (void)live_topic(live_client(0), "t", PARTS);
    for (uint32_t i = 0; api_table_at(i) != NULL; i++) {
        const struct api_desc *api = api_find(api_table_at(i)->key);
        void *body = mem_alloc(api->request->body->size_bytes);

        codec_set_defaults(api->request, body);
        if (is_asked_empty(api->key))
            fails_well(api->key, api->max, body);
        mem_free(body);
    }
}

/* ---- those whose answers grow with their requests */

Test(request_memory, produce_without_memory)
{
    struct produce_request_partition_produce_data parts[PARTS] = {0};
    struct produce_request_topic_produce_data topic;
    struct produce_request request;

    live_start(2, NULL);
    (void)live_topic(live_client(0), "t", PARTS);
    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    for (int32_t i = 0; i < PARTS; i++)
        parts[i].index = i;
    topic.name = wire_string("t");
    topic.partition_data.items = parts;
    topic.partition_data.count = PARTS;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    request.acks = -1;
    request.timeout_ms = 1000;
    fails_well(API_PRODUCE, 9, &request);
}

Test(request_memory, list_offsets_without_memory)
{
    struct list_offsets_request_list_offsets_partition parts[PARTS];
    struct list_offsets_request_list_offsets_topic topic;
    struct list_offsets_request request;

    live_start(2, NULL);
    (void)live_topic(live_client(0), "t", PARTS);
    codec_set_defaults(&list_offsets_request_desc, &request);
    for (int32_t i = 0; i < PARTS; i++) {
        codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct, &parts[i]);
        parts[i].partition_index = i;
        parts[i].timestamp = -1;
    }
    topic.name = wire_string("t");
    topic.partitions.items = parts;
    topic.partitions.count = PARTS;
    request.topics.items = &topic;
    request.topics.count = 1;
    fails_well(API_LIST_OFFSETS, 6, &request);
}

Test(request_memory, delete_records_and_epochs_without_memory)
{
    struct delete_records_request_delete_records_partition parts[PARTS] = {0};
    struct delete_records_request_delete_records_topic topic = {.name = wire_string("t")};
    struct delete_records_request request;
    struct offset_for_leader_epoch_request_offset_for_leader_partition epochs[PARTS];
    struct offset_for_leader_epoch_request_offset_for_leader_topic epoch_topic;
    struct offset_for_leader_epoch_request epoch_request;

    live_start(2, NULL);
    (void)live_topic(live_client(0), "t", PARTS);
    codec_set_defaults(&delete_records_request_desc, &request);
    codec_set_defaults(&offset_for_leader_epoch_request_desc, &epoch_request);
    for (int32_t i = 0; i < PARTS; i++) {
        codec_set_struct_defaults(
            &offset_for_leader_epoch_request_offset_for_leader_partition_struct, &epochs[i]);
        parts[i].partition_index = i;
        epochs[i].partition = i;
    }
    topic.partitions.items = parts;
    topic.partitions.count = PARTS;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = 1000;
    fails_well(API_DELETE_RECORDS, 2, &request);
    epoch_topic.topic = wire_string("t");
    epoch_topic.partitions.items = epochs;
    epoch_topic.partitions.count = PARTS;
    epoch_request.topics.items = &epoch_topic;
    epoch_request.topics.count = 1;
    fails_well(API_OFFSET_FOR_LEADER_EPOCH, 4, &epoch_request);
}

static void look_error(struct live_ask *ask, const void *response)
{
    *(int16_t *)ask->context = ((const struct find_coordinator_response *)response)->error_code;
}

static void start_groups_with(const char *const *sets)
{
    int16_t error_code = -1;

    live_start(2, sets);
    (void)live_topic(live_client(0), "t", PARTS);
    for (int i = 0; i < 100 && error_code != KAFKA_NONE; i++) {
        struct find_coordinator_request request;
        struct live_ask ask = {.look = look_error, .context = &error_code};
        codec_set_defaults(&find_coordinator_request_desc, &request);
        request.key = wire_string("g");
        live_ask(&ask, live_client(0), API_FIND_COORDINATOR, 3, &request);
        sim_world_run_for(live.world, 100 * SIM_MS);
    }
    cr_assert(eq(i16, error_code, KAFKA_NONE));
}

static void start_groups(void)
{
    start_groups_with(NULL);
}

Test(request_memory, offsets_of_groups_without_memory)
{
    struct offset_commit_request_partition parts[PARTS];
    struct offset_commit_request_topic topic = {.name = wire_string("t")};
    struct offset_commit_request request;
    struct offset_fetch_request_topic old_topic = {.name = wire_string("t")};
    struct offset_fetch_request_group groups[2];
    struct offset_fetch_request fetch;
    struct offset_delete_request_partition gone[PARTS] = {0};
    struct offset_delete_request_topic gone_topic = {.name = wire_string("t")};
    struct offset_delete_request delete_request;
    int32_t indexes[PARTS] = {0, 1, 2, 3};

    start_groups();
    codec_set_defaults(&offset_commit_request_desc, &request);
    for (int32_t i = 0; i < PARTS; i++) {
        codec_set_struct_defaults(&offset_commit_request_partition_struct, &parts[i]);
        parts[i].partition_index = i;
        parts[i].committed_offset = 1;
        gone[i].partition_index = i;
    }
    topic.partitions.items = parts;
    topic.partitions.count = PARTS;
    request.group_id = wire_string("g");
    request.topics.items = &topic;
    request.topics.count = 1;
    fails_well(API_OFFSET_COMMIT, 8, &request);

    codec_set_defaults(&offset_fetch_request_desc, &fetch);
    old_topic.partition_indexes.items = indexes;
    old_topic.partition_indexes.count = PARTS;
    fetch.group_id = wire_string("g");
    fetch.topics.items = &old_topic;
    fetch.topics.count = 1;
    fails_well(API_OFFSET_FETCH, 1, &fetch);
    fails_well(API_OFFSET_FETCH, 7, &fetch);

    codec_set_defaults(&offset_fetch_request_desc, &fetch);
    for (int i = 0; i < 2; i++) {
        codec_set_struct_defaults(&offset_fetch_request_group_struct, &groups[i]);
        groups[i].group_id = wire_string(i == 0 ? "g" : "h");
        groups[i].topics.count = -1;
    }
    fetch.groups.items = groups;
    fetch.groups.count = 2;
    fails_well(API_OFFSET_FETCH, 9, &fetch);

    codec_set_defaults(&offset_delete_request_desc, &delete_request);
    gone_topic.partitions.items = gone;
    gone_topic.partitions.count = PARTS;
    delete_request.group_id = wire_string("g");
    delete_request.topics.items = &gone_topic;
    delete_request.topics.count = 1;
    fails_well(API_OFFSET_DELETE, 0, &delete_request);
}

Test(request_memory, groups_without_memory)
{
    static struct wire_string names[3];
    struct join_group_request_protocol protocols[3];
    struct join_group_request join;
    struct leave_group_request_member_identity members[3];
    struct leave_group_request leave;
    struct describe_groups_request describe;
    struct delete_groups_request delete_request;
    struct find_coordinator_request find;

    start_groups();
    codec_set_defaults(&join_group_request_desc, &join);
    for (int i = 0; i < 3; i++) {
        static const char *const texts[] = {"g", "h", "i"};
        names[i] = wire_string(texts[i]);
        codec_set_struct_defaults(&join_group_request_protocol_struct, &protocols[i]);
        codec_set_struct_defaults(&leave_group_request_member_identity_struct, &members[i]);
        protocols[i].name = names[i];
        members[i].member_id = names[i];
    }
    join.group_id = wire_string("g");
    join.session_timeout_ms = 30000;
    join.rebalance_timeout_ms = 1000;
    join.protocol_type = wire_string("consumer");
    join.protocols.items = protocols;
    join.protocols.count = 3;
    fails_well(API_JOIN_GROUP, 3, &join);

    codec_set_defaults(&leave_group_request_desc, &leave);
    leave.group_id = wire_string("g");
    leave.members.items = members;
    leave.members.count = 3;
    fails_well(API_LEAVE_GROUP, 4, &leave);

    codec_set_defaults(&describe_groups_request_desc, &describe);
    describe.groups.items = names;
    describe.groups.count = 3;
    describe.include_authorized_operations = true;
    fails_well(API_DESCRIBE_GROUPS, 5, &describe);

    codec_set_defaults(&delete_groups_request_desc, &delete_request);
    delete_request.groups_names.items = names;
    delete_request.groups_names.count = 3;
    fails_well(API_DELETE_GROUPS, 2, &delete_request);

    codec_set_defaults(&find_coordinator_request_desc, &find);
    find.coordinator_keys.items = names;
    find.coordinator_keys.count = 3;
    fails_well(API_FIND_COORDINATOR, 4, &find);
}

Test(request_memory, describe_topic_partitions_without_memory)
{
    struct describe_topic_partitions_request_topic_request topics[2] = {
        {.name = wire_string("nope")}, {.name = wire_string("t")}};
    struct describe_topic_partitions_request request;

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", PARTS);
    codec_set_defaults(&describe_topic_partitions_request_desc, &request);
    request.topics.items = topics;
    request.topics.count = 2;
    fails_well(API_DESCRIBE_TOPIC_PARTITIONS, 0, &request);
}

/* ---- the budget */

static void start_fetch(struct live_ask *ask, struct live_client *client, int32_t count)
{
    struct fetch_request_fetch_partition *parts = mem_alloc((size_t)count * sizeof(*parts));
    struct fetch_request_fetch_topic topic;
    struct fetch_request request;

    codec_set_defaults(&fetch_request_desc, &request);
    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, &topic);
    for (int32_t i = 0; i < count; i++) {
        codec_set_struct_defaults(&fetch_request_fetch_partition_struct, &parts[i]);
        parts[i].partition = i;
        parts[i].partition_max_bytes = 1000;
    }
    topic.topic = wire_string("t");
    topic.partitions.items = parts;
    topic.partitions.count = count;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.max_wait_ms = 600000;
    request.min_bytes = 1;
    request.max_bytes = 1 << 20;
    request.session_epoch = -1;
    live_ask_start(ask, client, API_FETCH, 12, &request);
    mem_free(parts);
}

static void start_metadata(struct live_ask *ask, struct live_client *client)
{
    struct metadata_request request;

    codec_set_defaults(&metadata_request_desc, &request);
    request.topics.count = -1;
    live_ask_start(ask, client, API_METADATA, 9, &request);
}

/* Who wants to begin waits for room, and is not sent away; who only waits for records makes it. */
Test(request_memory, waiting_fetches_give_their_memory_to_those_that_find_none)
{
    struct live_ask fetches[2] = {0};
    struct live_ask metadata = {0};
    uint64_t taken_bytes;

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", PARTS);
    (void)live_client(1);
    for (uint32_t i = 0; i < 2; i++) {
        start_fetch(&fetches[i], live_client(i), PARTS);
        cr_assert(not(live_ask_wait(&fetches[i], 5000)));
    }
    (void)live_client(2);
    cr_assert(lt(u64, 2 * 4096, budget_used_bytes(decoded(0))));
    decoded(0)->max_bytes = 1 << 20; /* of which an eighth is for what has begun */
    taken_bytes = (1 << 20) / 8 * 7 - budget_used_bytes(decoded(0)) - 100;
    budget_force(decoded(0), taken_bytes);
    start_metadata(&metadata, live_client(2));
    cr_assert(not(live_ask_wait(&metadata, 500)));
    cr_assert(live_ask_wait(&metadata, 5000));
    cr_assert(eq(int, metadata.err, OK));
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert(fetches[i].is_done);
        cr_assert(eq(int, fetches[i].err, OK)); /* with nothing in it, before its time */
    }
    sim_world_run_for(live.world, 100 * SIM_MS);
    cr_assert(eq(u64, budget_used_bytes(decoded(0)), taken_bytes));
}

/* What only waits and holds little is left alone while something large can go. */
Test(request_memory, the_large_ones_make_way_first)
{
    struct live_ask small = {0};
    struct live_ask large = {0};
    struct live_ask metadata = {0};

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", MANY_PARTS);
    (void)live_client(1);
    (void)live_client(2);
    start_fetch(&small, live_client(0), PARTS);
    start_fetch(&large, live_client(1), MANY_PARTS);
    cr_assert(not(live_ask_wait(&small, 5000)));
    cr_assert(not(large.is_done));
    decoded(0)->max_bytes = budget_used_bytes(decoded(0)) + 100;
    start_metadata(&metadata, live_client(2));
    cr_assert(live_ask_wait(&metadata, 5000));
    cr_assert(large.is_done);
    cr_assert(not(small.is_done));
}

static void start_join(struct live_ask *ask, struct live_client *client)
{
    struct join_group_request_protocol protocol;
    struct join_group_request join;

    codec_set_defaults(&join_group_request_desc, &join);
    codec_set_struct_defaults(&join_group_request_protocol_struct, &protocol);
    protocol.name = wire_string("range");
    join.group_id = wire_string("g");
    join.session_timeout_ms = 60000;
    join.rebalance_timeout_ms = 600000;
    join.protocol_type = wire_string("consumer");
    join.protocols.items = &protocol;
    join.protocols.count = 1;
    live_ask_start(ask, client, API_JOIN_GROUP, 3, &join);
}

/* A join waits for the other member, whose request must find room: in Kafka a request leaves
 * queued.max.request.bytes when it is taken from the queue (KIP-72). */
Test(request_memory, who_waits_for_other_clients_does_not_hold_up_their_requests)
{
    static const char *const sets[] = {"queued.max.request.bytes=1",
                                       "group.initial.rebalance.delay.ms=0", NULL};
    struct live_ask first = {0};
    struct live_ask second = {0};
    struct live_ask metadata = {0};
    struct live_ask fetch = {0};

    start_groups_with(sets);
    (void)live_client(1);
    (void)live_client(2);
    start_join(&first, live_client(0));
    cr_assert(live_ask_wait(&first, 5000));
    cr_assert(eq(int, first.err, OK));
    start_join(&second, live_client(1)); /* until the first one joins again, or is out */
    cr_assert(not(live_ask_wait(&second, 1000)));
    start_metadata(&metadata, live_client(0));
    cr_assert(live_ask_wait(&metadata, 500));
    start_fetch(&fetch, live_client(2), PARTS);
    cr_assert(not(live_ask_wait(&fetch, 100)));
    start_metadata(&metadata, live_client(0)); /* before those that wait are pressed */
    cr_assert(live_ask_wait(&metadata, 500));
    cr_assert(not(second.is_done));
    cr_assert(not(fetch.is_done));
}

/* It would unfold to more than there can be: an ordinary end, and nothing stays. */
Test(request_memory, a_request_that_never_fits_is_refused)
{
    enum { MANY = 100000 };
    struct list_offsets_request_list_offsets_partition *parts = mem_alloc(MANY * sizeof(*parts));
    struct list_offsets_request_list_offsets_topic topic = {.name = wire_string("t")};
    struct list_offsets_request request;
    struct live_ask ask = {0};
    uint64_t refusals;

    live_start(1, NULL);
    (void)live_topic(live_client(0), "t", PARTS);
    codec_set_defaults(&list_offsets_request_desc, &request);
    for (int32_t i = 0; i < MANY; i++)
        parts[i].partition_index = i;
    topic.partitions.items = parts;
    topic.partitions.count = MANY;
    request.topics.items = &topic;
    request.topics.count = 1;
    decoded(0)->max_bytes = 1 << 20;
    refusals = counter_read(&decoded(0)->refusals);
    live_ask_start(&ask, live_client(0), API_LIST_OFFSETS, 6, &request);
    cr_assert(live_ask_wait(&ask, 10000));
    cr_assert(ne(int, ask.err, OK));
    cr_assert(lt(u64, refusals, counter_read(&decoded(0)->refusals)));
    sim_world_run_for(live.world, 100 * SIM_MS);
    cr_assert(eq(u64, budget_used_bytes(decoded(0)), 0));
    mem_free(parts);
    start_metadata(&ask, live_client(0));
    cr_assert(live_ask_wait(&ask, 10000));
    cr_assert(eq(int, ask.err, OK));
}
