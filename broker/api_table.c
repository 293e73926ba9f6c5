#include "broker/api_table.h"

#include "base/check.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/kafka_tables.h"

#include <stddef.h>

/* ---- who may: Kafka's documentation, "Operations and Resources on Protocols", and KafkaApis,
 * AclApis, ControllerApis */

#define ANYBODY API_RULE_NONE, 0, 0, false
#define BEFORE_AUTHENTICATION API_RULE_NONE, 0, 0, true
#define CLUSTER(operation) \
    API_RULE_WHOLE, KAFKA_ACL_OPERATION_##operation, KAFKA_ACL_RESOURCE_TYPE_CLUSTER, false
#define EACH(operation, type) \
    API_RULE_EACH, KAFKA_ACL_OPERATION_##operation, KAFKA_ACL_RESOURCE_TYPE_##type, false

enum { SHORT = false, LONG = true }; /* is_long */

#define ROW(name, handler, where, who, length)                       \
    {                                                                \
        handle_##handler, API_##name, API_ROUTE_##where, who, length \
    }

static const struct api_row rows[] = {
    /* clang-format off */
    ROW(PRODUCE, produce, PARTITIONS, EACH(WRITE, TOPIC), SHORT),
    ROW(FETCH, fetch, PARTITIONS, EACH(READ, TOPIC), SHORT),
    ROW(LIST_OFFSETS, list_offsets, PARTITIONS, EACH(DESCRIBE, TOPIC), SHORT),
    ROW(METADATA, metadata, HOME, EACH(DESCRIBE, TOPIC), LONG),
    ROW(OFFSET_COMMIT, offset_commit, GROUP, EACH(READ, GROUP), SHORT),
    ROW(OFFSET_FETCH, offset_fetch, GROUP, EACH(DESCRIBE, GROUP), LONG),
    ROW(FIND_COORDINATOR, find_coordinator, HOME, EACH(DESCRIBE, GROUP), SHORT),
    ROW(JOIN_GROUP, join_group, GROUP, EACH(READ, GROUP), SHORT),
    ROW(HEARTBEAT, heartbeat, GROUP, EACH(READ, GROUP), SHORT),
    ROW(LEAVE_GROUP, leave_group, GROUP, EACH(READ, GROUP), SHORT),
    ROW(SYNC_GROUP, sync_group, GROUP, EACH(READ, GROUP), SHORT),
    ROW(DESCRIBE_GROUPS, describe_groups, GROUP, EACH(DESCRIBE, GROUP), LONG),
    ROW(LIST_GROUPS, list_groups, EVERYWHERE, EACH(DESCRIBE, CLUSTER), LONG),
    ROW(SASL_HANDSHAKE, sasl_handshake, HOME, BEFORE_AUTHENTICATION, SHORT),
    ROW(API_VERSIONS, api_versions, HOME, BEFORE_AUTHENTICATION, SHORT),
    ROW(CREATE_TOPICS, create_topics, CONTROLLER, EACH(CREATE, CLUSTER), LONG),
    ROW(DELETE_TOPICS, delete_topics, CONTROLLER, EACH(DELETE, TOPIC), SHORT),
    ROW(DELETE_RECORDS, delete_records, PARTITIONS, EACH(DELETE, TOPIC), SHORT),
    ROW(INIT_PRODUCER_ID, init_producer_id, CONTROLLER, EACH(IDEMPOTENT_WRITE, CLUSTER), SHORT),
    ROW(OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch, PARTITIONS, EACH(DESCRIBE, TOPIC), SHORT),
    ROW(ADD_PARTITIONS_TO_TXN, add_partitions_to_txn, TRANSACTION, EACH(WRITE, TRANSACTIONAL_ID),
        SHORT),
    ROW(ADD_OFFSETS_TO_TXN, add_offsets_to_txn, TRANSACTION, EACH(WRITE, TRANSACTIONAL_ID), SHORT),
    ROW(END_TXN, end_txn, TRANSACTION, EACH(WRITE, TRANSACTIONAL_ID), SHORT),
    ROW(WRITE_TXN_MARKERS, write_txn_markers, PARTITIONS, EACH(ALTER, CLUSTER), SHORT),
    ROW(TXN_OFFSET_COMMIT, txn_offset_commit, GROUP, EACH(WRITE, TRANSACTIONAL_ID), SHORT),
    ROW(DESCRIBE_ACLS, describe_acls, HOME, CLUSTER(DESCRIBE), SHORT),
    ROW(CREATE_ACLS, create_acls, HOME, CLUSTER(ALTER), SHORT),
    ROW(DELETE_ACLS, delete_acls, HOME, CLUSTER(ALTER), SHORT),
    ROW(DESCRIBE_CONFIGS, describe_configs, HOME, EACH(DESCRIBE_CONFIGS, TOPIC), LONG),
    ROW(ALTER_CONFIGS, alter_configs, CONTROLLER, EACH(ALTER_CONFIGS, TOPIC), SHORT),
    ROW(ALTER_REPLICA_LOG_DIRS, alter_replica_log_dirs, HOME, CLUSTER(ALTER), SHORT),
    ROW(DESCRIBE_LOG_DIRS, describe_log_dirs, EVERYWHERE, CLUSTER(DESCRIBE), LONG),
    ROW(SASL_AUTHENTICATE, sasl_authenticate, HOME, BEFORE_AUTHENTICATION, SHORT),
    ROW(CREATE_PARTITIONS, create_partitions, CONTROLLER, EACH(ALTER, TOPIC), SHORT),
    ROW(CREATE_DELEGATION_TOKEN, create_delegation_token, HOME, ANYBODY, SHORT),
    ROW(RENEW_DELEGATION_TOKEN, renew_delegation_token, HOME, ANYBODY, SHORT),
    ROW(EXPIRE_DELEGATION_TOKEN, expire_delegation_token, HOME, ANYBODY, SHORT),
    ROW(DESCRIBE_DELEGATION_TOKEN, describe_delegation_token, HOME,
        EACH(DESCRIBE, DELEGATION_TOKEN), SHORT),
    ROW(DELETE_GROUPS, delete_groups, GROUP, EACH(DELETE, GROUP), SHORT),
    ROW(ELECT_LEADERS, elect_leaders, HOME, CLUSTER(ALTER), LONG),
    ROW(INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, CONTROLLER,
        EACH(ALTER_CONFIGS, TOPIC), SHORT),
    ROW(ALTER_PARTITION_REASSIGNMENTS, alter_partition_reassignments, HOME, CLUSTER(ALTER), SHORT),
    ROW(LIST_PARTITION_REASSIGNMENTS, list_partition_reassignments, HOME, CLUSTER(DESCRIBE), LONG),
    ROW(OFFSET_DELETE, offset_delete, GROUP, EACH(DELETE, GROUP), SHORT),
    ROW(DESCRIBE_CLIENT_QUOTAS, describe_client_quotas, HOME, CLUSTER(DESCRIBE_CONFIGS), LONG),
    ROW(DESCRIBE_USER_SCRAM_CREDENTIALS, describe_user_scram_credentials, HOME,
        CLUSTER(DESCRIBE), LONG),
    ROW(DESCRIBE_QUORUM, describe_quorum, HOME, CLUSTER(DESCRIBE), SHORT),
    ROW(UPDATE_FEATURES, update_features, CONTROLLER, CLUSTER(ALTER), SHORT),
    ROW(DESCRIBE_CLUSTER, describe_cluster, HOME, ANYBODY, SHORT),
    ROW(DESCRIBE_PRODUCERS, describe_producers, PARTITIONS, EACH(READ, TOPIC), LONG),
    ROW(UNREGISTER_BROKER, unregister_broker, HOME, CLUSTER(ALTER), SHORT),
    ROW(DESCRIBE_TRANSACTIONS, describe_transactions, TRANSACTION,
        EACH(DESCRIBE, TRANSACTIONAL_ID), LONG),
    ROW(LIST_TRANSACTIONS, list_transactions, EVERYWHERE, EACH(DESCRIBE, TRANSACTIONAL_ID), LONG),
    ROW(LIST_CONFIG_RESOURCES, list_config_resources, HOME, CLUSTER(DESCRIBE_CONFIGS), LONG),
    ROW(DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions, HOME, EACH(DESCRIBE, TOPIC), LONG),
    ROW(SHARE_GROUP_DESCRIBE, share_group_describe, GROUP, EACH(DESCRIBE, GROUP), SHORT),
    ROW(ADD_RAFT_VOTER, add_raft_voter, HOME, CLUSTER(ALTER), SHORT),
    ROW(REMOVE_RAFT_VOTER, remove_raft_voter, HOME, CLUSTER(ALTER), SHORT),
    ROW(STREAMS_GROUP_DESCRIBE, streams_group_describe, GROUP, EACH(DESCRIBE, GROUP), SHORT),
    ROW(DESCRIBE_SHARE_GROUP_OFFSETS, describe_share_group_offsets, HOME,
        EACH(DESCRIBE, GROUP), SHORT),
    ROW(ALTER_SHARE_GROUP_OFFSETS, alter_share_group_offsets, HOME, EACH(READ, GROUP), SHORT),
    ROW(DELETE_SHARE_GROUP_OFFSETS, delete_share_group_offsets, GROUP, EACH(DELETE, GROUP), SHORT),
    /* clang-format on */
};

const struct api_row *api_table_at(uint32_t index)
{
    return index < array_count(rows) ? &rows[index] : NULL;
}

const struct api_row *api_table_find(int16_t key)
{
    size_t low = 0;
    size_t high = array_count(rows);

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rows[middle].key == key)
            return &rows[middle];
        if (rows[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
