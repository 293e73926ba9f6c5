#include "broker/dispatch.h"

#include "broker/handlers.h"
#include "broker/stall_watch.h"
#include "net/conn_server.h"
#include "net/protocol/kafka_tables.h"

struct handler {
    int16_t key;
    handler_fn *handle;
    bool is_long; /* its answer tells more than the request names */
};

static const struct handler handlers[] = {
    /* by rising key */
    {API_PRODUCE, handle_produce},
    {API_FETCH, handle_fetch},
    {API_LIST_OFFSETS, handle_list_offsets},
    {API_METADATA, handle_metadata, true},
    {API_OFFSET_COMMIT, handle_offset_commit},
    {API_OFFSET_FETCH, handle_offset_fetch, true},
    {API_FIND_COORDINATOR, handle_find_coordinator},
    {API_JOIN_GROUP, handle_join_group},
    {API_HEARTBEAT, handle_heartbeat},
    {API_LEAVE_GROUP, handle_leave_group},
    {API_SYNC_GROUP, handle_sync_group},
    {API_DESCRIBE_GROUPS, handle_describe_groups, true},
    {API_LIST_GROUPS, handle_list_groups, true},
    {API_SASL_HANDSHAKE, handle_sasl_handshake},
    {API_API_VERSIONS, handle_api_versions},
    {API_CREATE_TOPICS, handle_create_topics, true},
    {API_DELETE_TOPICS, handle_delete_topics},
    {API_DELETE_RECORDS, handle_delete_records},
    {API_INIT_PRODUCER_ID, handle_init_producer_id},
    {API_OFFSET_FOR_LEADER_EPOCH, handle_offset_for_leader_epoch},
    {API_DESCRIBE_ACLS, handle_describe_acls},
    {API_CREATE_ACLS, handle_create_acls},
    {API_DELETE_ACLS, handle_delete_acls},
    {API_DESCRIBE_CONFIGS, handle_describe_configs, true},
    {API_ALTER_CONFIGS, handle_alter_configs},
    {API_ALTER_REPLICA_LOG_DIRS, handle_alter_replica_log_dirs},
    {API_DESCRIBE_LOG_DIRS, handle_describe_log_dirs, true},
    {API_SASL_AUTHENTICATE, handle_sasl_authenticate},
    {API_CREATE_PARTITIONS, handle_create_partitions},
    {API_CREATE_DELEGATION_TOKEN, handle_create_delegation_token},
    {API_RENEW_DELEGATION_TOKEN, handle_renew_delegation_token},
    {API_EXPIRE_DELEGATION_TOKEN, handle_expire_delegation_token},
    {API_DESCRIBE_DELEGATION_TOKEN, handle_describe_delegation_token},
    {API_DELETE_GROUPS, handle_delete_groups},
    {API_ELECT_LEADERS, handle_elect_leaders, true},
    {API_INCREMENTAL_ALTER_CONFIGS, handle_incremental_alter_configs},
    {API_ALTER_PARTITION_REASSIGNMENTS, handle_alter_partition_reassignments},
    {API_LIST_PARTITION_REASSIGNMENTS, handle_list_partition_reassignments, true},
    {API_OFFSET_DELETE, handle_offset_delete},
    {API_DESCRIBE_CLIENT_QUOTAS, handle_describe_client_quotas, true},
    {API_DESCRIBE_USER_SCRAM_CREDENTIALS, handle_describe_user_scram_credentials, true},
    {API_DESCRIBE_QUORUM, handle_describe_quorum},
    {API_UPDATE_FEATURES, handle_update_features},
    {API_DESCRIBE_CLUSTER, handle_describe_cluster},
    {API_DESCRIBE_PRODUCERS, handle_describe_producers, true},
    {API_UNREGISTER_BROKER, handle_unregister_broker},
    {API_LIST_TRANSACTIONS, handle_list_transactions, true},
    {API_LIST_CONFIG_RESOURCES, handle_list_config_resources, true},
    {API_DESCRIBE_TOPIC_PARTITIONS, handle_describe_topic_partitions, true},
    {API_SHARE_GROUP_DESCRIBE, handle_share_group_describe},
    {API_ADD_RAFT_VOTER, handle_add_raft_voter},
    {API_REMOVE_RAFT_VOTER, handle_remove_raft_voter},
    {API_STREAMS_GROUP_DESCRIBE, handle_streams_group_describe},
    {API_DESCRIBE_SHARE_GROUP_OFFSETS, handle_describe_share_group_offsets},
    {API_ALTER_SHARE_GROUP_OFFSETS, handle_alter_share_group_offsets},
    {API_DELETE_SHARE_GROUP_OFFSETS, handle_delete_share_group_offsets},
};

const struct api_desc *dispatch_api_at(uint32_t index)
{
    return index < array_count(handlers) ? api_find(handlers[index].key) : NULL;
}

static const struct handler *find_handler(int16_t key)
{
    for (size_t i = 0; i < array_count(handlers); i++)
        if (handlers[i].key == key)
            return &handlers[i];
    return NULL;
}

/* A version of ApiVersions from the future: version 0, error 35, our range (KIP-511). */
static void answer_unknown_api_versions(struct request *request)
{
    request->api = api_find(API_API_VERSIONS);
    request->body = NULL;
    request->api_version = 0;
    request_measure(request);
    if (request_prepare_response(request))
        handle_api_versions(request);
    else
        request_refuse_memory(request);
}

/* The first field of every request header; -1: there is none. */
static int16_t peek_key(const uint8_t *bytes, uint32_t size_bytes)
{
    return size_bytes < 2 ? -1 : (int16_t)(bytes[0] << 8 | bytes[1]);
}

bool dispatch_is_long(const uint8_t *bytes, uint32_t size_bytes)
{
    int16_t key = peek_key(bytes, size_bytes);
    const struct handler *handler = find_handler(key);

    /* what is answered for each thing that a request names is about as long as its name */
    return (handler != NULL && handler->is_long) ||
           (size_bytes > CONN_STEP_BYTES && key != API_PRODUCE);
}

static void decode_and_handle(struct request *request)
{
    const struct handler *handler;
    struct request_header header = {0};
    struct wire_reader reader;
    void *body;
    enum err err;

    wire_reader_init(&reader, request->wire.bytes, request->wire.size_bytes);
    err = header_decode_request(&reader, &request->arena, &header, &request->api);
    request->api_key = header.request_api_key;
    request->api_version = header.request_api_version;
    request->correlation_id = header.correlation_id;
    request->client_id = header.client_id;
    if (err == ERR_UNSUPPORTED && request->api_key == API_API_VERSIONS) {
        answer_unknown_api_versions(request);
        return;
    }
    handler = err == OK ? find_handler(request->api_key) : NULL;
    if (handler == NULL) {
        request_refuse(request, err == OK ? ERR_UNSUPPORTED : err);
        return;
    }
    request_measure(request);
    body = arena_alloc(&request->arena, request->api->request->body->size_bytes);
    err = body == NULL ? ERR_NOMEM
                       : codec_decode_within(request->api->request, request->api_version, &reader,
                                             &request->arena,
                                             request_elements_max(request->home->requests), body);
    if (err != OK) {
        request_refuse(request, err);
        return;
    }
    request->body = body;
    if (request_prepare_response(request))
        handler->handle(request);
    else
        request_refuse_memory(request);
}

void dispatch(struct request *request)
{
    struct shard *home = request->home;
    struct io_address peer = request->wire.conn->peer; /* the request may be gone afterwards */
    const struct api_desc *api = api_find(peek_key(request->wire.bytes, request->wire.size_bytes));
    uint64_t began_ns = clock_mono_ns(home->clock);
    uint64_t ended_ns;

    request_begin_work(request, began_ns);
    decode_and_handle(request);
    ended_ns = clock_mono_ns(home->clock);
    request_end_work(home->requests, ended_ns);
    stall_watch_note(home->stalls, ended_ns - began_ns, api == NULL ? "?" : api->name, &peer);
}
