/* group_asks: the requests of group members in one line each, over group_rig. */
#ifndef LEVEE_TESTS_GROUP_ASKS_H
#define LEVEE_TESTS_GROUP_ASKS_H

#include "broker/handlers.h"
#include "net/protocol/msg_delete_groups.h"
#include "net/protocol/msg_heartbeat.h"
#include "net/protocol/msg_join_group.h"
#include "net/protocol/msg_leave_group.h"
#include "net/protocol/msg_list_groups.h"
#include "net/protocol/msg_offset_commit.h"
#include "net/protocol/msg_offset_delete.h"
#include "net/protocol/msg_offset_fetch.h"
#include "net/protocol/msg_sync_group.h"
#include "tests/unit/broker/group_rig.h"

/* A member as its client sees it. */
struct client_member {
    char id[200];
    const char *instance; /* or NULL */
    int32_t generation;
    int32_t session_ms;
    int32_t rebalance_ms;
    const char *protocols;      /* comma-separated names; */
    struct wire_bytes metadata; /* of each; NULL: its name */
    struct ask join;
    struct ask sync;
};

static inline struct client_member a_client(void)
{
    return (struct client_member){
        .generation = -1, .session_ms = 10000, .rebalance_ms = 20000, .protocols = "range"};
}

static inline struct wire_string asked_text(struct ask *ask, const char *text)
{
    return wire_string(text == NULL ? NULL : rig_text(ask->request, wire_string(text)));
}

static inline void start_join(struct client_member *client, const char *group, int16_t version)
{
    struct join_group_request *body;
    char names[200];
    char *state = NULL;

    client->join = ask_new(API_JOIN_GROUP, version);
    body = client->join.body;
    body->group_id = asked_text(&client->join, group);
    body->session_timeout_ms = client->session_ms;
    body->rebalance_timeout_ms = client->rebalance_ms;
    body->member_id = asked_text(&client->join, client->id);
    body->group_instance_id = asked_text(&client->join, client->instance);
    body->protocol_type = wire_string("consumer");
    body->protocols.items =
        rig_array(client->join.request, &join_group_request_protocol_struct, 10);
    snprintf(names, sizeof(names), "%s", client->protocols);
    for (char *name = strtok_r(names, ",", &state); name != NULL;
         name = strtok_r(NULL, ",", &state)) {
        struct join_group_request_protocol *protocol =
            &body->protocols.items[body->protocols.count++];
        protocol->name = asked_text(&client->join, name);
        protocol->metadata = client->metadata;
        if (client->metadata.bytes == NULL)
            protocol->metadata = (struct wire_bytes){(const uint8_t *)protocol->name.text,
                                                     protocol->name.size_bytes};
    }
    ask_start(&client->join, handle_join_group);
}

/* What the answered join says; on success the client has its id and generation. */
static inline int16_t end_join(struct client_member *client)
{
    const struct join_group_response *response = client->join.response;
    int16_t error_code = response->error_code;

    if (error_code == KAFKA_NONE || error_code == KAFKA_MEMBER_ID_REQUIRED) {
        snprintf(client->id, sizeof(client->id), "%.*s", response->member_id.size_bytes,
                 response->member_id.text);
        client->generation = response->generation_id;
    }
    ask_end(&client->join);
    return error_code;
}

/* Joins and waits; a new dynamic member in two steps (KIP-394). */
static inline void start_joining(struct client_member *client, const char *group)
{
    bool is_new = client->id[0] == '\0' && client->instance == NULL;

    start_join(client, group, 9);
    if (!is_new || !client->join.answered)
        return;
    cr_assert(eq(i16, end_join(client), KAFKA_MEMBER_ID_REQUIRED));
    start_join(client, group, 9);
}

static inline bool is_told_leader(const struct client_member *client)
{
    const struct join_group_response *response = client->join.response;

    return wire_string_equal(response->leader, response->member_id);
}

/* assign: "member=assignment" pairs are made for these clients, each its own id as assignment. */
static inline void start_sync(struct client_member *client, const char *group,
                              struct client_member *const *assign, int32_t count)
{
    struct sync_group_request *body;

    client->sync = ask_new(API_SYNC_GROUP, 3);
    body = client->sync.body;
    body->group_id = asked_text(&client->sync, group);
    body->generation_id = client->generation;
    body->member_id = asked_text(&client->sync, client->id);
    body->group_instance_id = asked_text(&client->sync, client->instance);
    body->assignments.items =
        rig_array(client->sync.request, &sync_group_request_assignment_struct, count);
    body->assignments.count = count;
    for (int32_t i = 0; i < count; i++) {
        struct wire_string id = asked_text(&client->sync, assign[i]->id);
        body->assignments.items[i].member_id = id;
        body->assignments.items[i].assignment =
            (struct wire_bytes){(const uint8_t *)id.text, id.size_bytes};
    }
    ask_start(&client->sync, handle_sync_group);
}

/* The error, or KAFKA_NONE; assigned_out (may be NULL): was the assignment the client's own id? */
static inline int16_t end_sync(struct client_member *client, bool *assigned_out)
{
    const struct sync_group_response *response = client->sync.response;
    int16_t error_code = response->error_code;

    if (assigned_out != NULL)
        *assigned_out = (size_t)response->assignment.size_bytes == strlen(client->id) &&
                        memcmp(response->assignment.bytes, client->id, strlen(client->id)) == 0;
    ask_end(&client->sync);
    return error_code;
}

static inline int16_t beat(const struct client_member *client, const char *group)
{
    struct ask ask = ask_new(API_HEARTBEAT, 4);
    struct heartbeat_request *body = ask.body;
    int16_t error_code;

    body->group_id = asked_text(&ask, group);
    body->generation_id = client->generation;
    body->member_id = asked_text(&ask, client->id);
    body->group_instance_id = asked_text(&ask, client->instance);
    ask_start(&ask, handle_heartbeat);
    error_code = ((const struct heartbeat_response *)ask.response)->error_code;
    ask_end(&ask);
    return error_code;
}

static inline int16_t leave(const struct client_member *client, const char *group)
{
    struct ask ask = ask_new(API_LEAVE_GROUP, 5);
    struct leave_group_request *body = ask.body;
    const struct leave_group_response *response = ask.response;
    int16_t error_code;

    body->group_id = asked_text(&ask, group);
    body->members.items = rig_array(ask.request, &leave_group_request_member_identity_struct, 1);
    body->members.count = 1;
    body->members.items[0].member_id = asked_text(&ask, client->id);
    body->members.items[0].group_instance_id = asked_text(&ask, client->instance);
    ask_start(&ask, handle_leave_group);
    error_code = response->error_code != KAFKA_NONE ? response->error_code
                                                    : response->members.items[0].error_code;
    ask_end(&ask);
    return error_code;
}

/* A commit of one offset, to be started; client NULL: nobody's (generation -1). */
static inline void make_commit(struct ask *ask, const struct client_member *client,
                               const char *group, const char *topic, int32_t partition,
                               int64_t offset, int64_t retention_ms)
{
    struct offset_commit_request *body;

    *ask = ask_new(API_OFFSET_COMMIT, retention_ms >= 0 ? 4 : 9);
    body = ask->body;
    body->group_id = asked_text(ask, group);
    body->retention_time_ms = retention_ms;
    if (client != NULL) {
        body->generation_id_or_member_epoch = client->generation;
        body->member_id = asked_text(ask, client->id);
        body->group_instance_id = asked_text(ask, client->instance);
    }
    body->topics.items = rig_array(ask->request, &offset_commit_request_topic_struct, 1);
    body->topics.count = 1;
    body->topics.items[0].name = asked_text(ask, topic);
    body->topics.items[0].partitions.items =
        rig_array(ask->request, &offset_commit_request_partition_struct, 1);
    body->topics.items[0].partitions.count = 1;
    body->topics.items[0].partitions.items[0].partition_index = partition;
    body->topics.items[0].partitions.items[0].committed_offset = offset;
    body->topics.items[0].partitions.items[0].committed_metadata = wire_string("note");
}

static inline struct ask start_commit(struct ask *ask, const struct client_member *client,
                                      const char *group, const char *topic, int32_t partition,
                                      int64_t offset, int64_t retention_ms)
{
    make_commit(ask, client, group, topic, partition, offset, retention_ms);
    ask_start(ask, handle_offset_commit);
    return *ask;
}

static inline int16_t end_commit(struct ask *ask)
{
    const struct offset_commit_response *response = ask->response;
    int16_t error_code = response->topics.items[0].partitions.items[0].error_code;

    ask_end(ask);
    return error_code;
}

static inline int16_t commit(const struct client_member *client, const char *group,
                             const char *topic, int32_t partition, int64_t offset)
{
    struct ask ask;

    start_commit(&ask, client, group, topic, partition, offset, -1);
    return end_commit(&ask);
}

static inline int64_t fetch_offset(const char *group, const char *topic, int32_t partition)
{
    struct ask ask = ask_new(API_OFFSET_FETCH, 7);
    struct offset_fetch_request *body = ask.body;
    const struct offset_fetch_response *response = ask.response;
    int64_t offset;

    body->group_id = asked_text(&ask, group);
    body->topics.items = rig_array(ask.request, &offset_fetch_request_topic_struct, 1);
    body->topics.count = 1;
    body->topics.items[0].name = asked_text(&ask, topic);
    body->topics.items[0].partition_indexes.items = rig_alloc(ask.request, 1, sizeof(int32_t));
    body->topics.items[0].partition_indexes.items[0] = partition;
    body->topics.items[0].partition_indexes.count = 1;
    ask_start(&ask, handle_offset_fetch);
    cr_assert(eq(i16, response->error_code, KAFKA_NONE));
    offset = response->topics.items[0].partitions.items[0].committed_offset;
    ask_end(&ask);
    return offset;
}

static inline void make_delete(struct ask *ask, const char *group)
{
    struct delete_groups_request *body;

    *ask = ask_new(API_DELETE_GROUPS, 2);
    body = ask->body;
    body->groups_names.items = rig_alloc(ask->request, 1, sizeof(struct wire_string));
    body->groups_names.items[0] = asked_text(ask, group);
    body->groups_names.count = 1;
}

static inline void start_delete(struct ask *ask, const char *group)
{
    make_delete(ask, group);
    ask_start(ask, handle_delete_groups);
}

static inline int16_t end_delete(struct ask *ask)
{
    int16_t error_code =
        ((const struct delete_groups_response *)ask->response)->results.items[0].error_code;

    ask_end(ask);
    return error_code;
}

static inline int16_t delete_group(const char *group)
{
    struct ask ask;

    start_delete(&ask, group);
    return end_delete(&ask);
}

static inline int32_t listed_groups(void)
{
    struct ask ask = ask_new(API_LIST_GROUPS, 5);
    int32_t count;

    ask_start(&ask, handle_list_groups);
    count = ((const struct list_groups_response *)ask.response)->groups.count;
    ask_end(&ask);
    return count;
}

static inline struct group *the_group(const char *id)
{
    return coordinator_find(rig.shard.groups, wire_string(id));
}

/* Append one record as another broker may have written it; value NULL: a tombstone. */
static inline void append_record(struct log *log, int16_t type, const void *key, int16_t version,
                                 const void *value, bool transactional)
{
    struct batch_builder_options options = batch_builder_options_default();
    const struct record_desc *desc = record_find(RECORD_GROUP, type);
    struct batch_builder builder;
    struct wire_writer key_writer;
    struct wire_writer value_writer;
    struct wire_bytes key_bytes;
    struct wire_bytes value_bytes = {.size_bytes = -1};
    struct log_append_result result;
    struct log_append append;
    struct batch_header header;
    const uint8_t *bytes;
    uint32_t size_bytes;

    options.transactional = transactional;
    wire_writer_init(&key_writer, &rig.arena);
    wire_writer_init(&value_writer, &rig.arena);
    cr_assert(eq(int, record_encode_key(desc, key, &key_writer), OK));
    cr_assert(eq(int, wire_writer_flatten(&key_writer, &key_bytes), OK));
    if (value != NULL) {
        cr_assert(eq(int, record_encode_value(desc, version, value, &value_writer), OK));
        cr_assert(eq(int, wire_writer_flatten(&value_writer, &value_bytes), OK));
    }
    batch_builder_init(&builder, &options);
    cr_assert(eq(int,
                 batch_builder_add_pair(&builder, key_bytes.bytes, key_bytes.size_bytes,
                                        value_bytes.bytes, value_bytes.size_bytes, 1),
                 OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    cr_assert(eq(int, batch_parse(bytes, size_bytes, &header), OK));
    append = (struct log_append){.bytes = bytes, .size_bytes = size_bytes, .max_timestamp_ms = 1};
    cr_assert(eq(int, log_append_leader(log, &append, &result), OK));
    batch_builder_deinit(&builder);
    rig_settle();
}

/* A committed offset in memory, and in no log. */
static inline void put_offset(struct group *group, const char *topic, const struct uuid *topic_id,
                              int32_t partition, int64_t offset, int32_t leader_epoch,
                              struct wire_string metadata, int64_t commit_ms, int64_t expire_ms)
{
    struct group_offset_value value = {
        .topic_id = *topic_id,
        .offset = offset,
        .leader_epoch = leader_epoch,
        .metadata = {(uint8_t *)(uintptr_t)metadata.text, metadata.size_bytes},
        .commit_timestamp_ms = commit_ms,
        .expire_timestamp_ms = expire_ms};

    cr_assert(eq(int, group_set_offset(group, topic, partition, &value), OK));
}

/* One member joins an empty group and gets its assignment. */
static inline void become_stable(struct client_member *client, const char *group)
{
    struct client_member *all[] = {client};
    bool assigned;

    start_joining(client, group);
    rig_pass_ms(4000); /* the initial delay */
    cr_assert(client->join.answered);
    cr_assert(eq(i16, end_join(client), KAFKA_NONE));
    start_sync(client, group, all, 1);
    cr_assert(eq(i16, end_sync(client, &assigned), KAFKA_NONE));
    cr_assert(assigned);
}

#endif
