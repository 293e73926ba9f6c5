/* handlers: one function per API, each in broker/handlers/<name>.c, named as in the schema.
 *
 * dispatch has decoded the request and set the response's defaults; the handler ends, now or
 * later, in exactly one of request_answer, request_answer_error, request_no_answer, request_close.
 * An API that has no row in api_table.c is not advertised. */
#ifndef LEVEE_BROKER_HANDLERS_H
#define LEVEE_BROKER_HANDLERS_H

struct request;

typedef void handler_fn(struct request *request);

handler_fn handle_add_offsets_to_txn;
handler_fn handle_add_partitions_to_txn;
handler_fn handle_add_raft_voter;
handler_fn handle_alter_configs;
handler_fn handle_alter_partition_reassignments;
handler_fn handle_alter_replica_log_dirs;
handler_fn handle_alter_share_group_offsets;
handler_fn handle_api_versions;
handler_fn handle_create_acls;
handler_fn handle_create_delegation_token;
handler_fn handle_create_partitions;
handler_fn handle_create_topics;
handler_fn handle_delete_acls;
handler_fn handle_delete_groups;
handler_fn handle_delete_records;
handler_fn handle_delete_share_group_offsets;
handler_fn handle_delete_topics;
handler_fn handle_describe_acls;
handler_fn handle_describe_client_quotas;
handler_fn handle_describe_cluster;
handler_fn handle_describe_configs;
handler_fn handle_describe_delegation_token;
handler_fn handle_describe_groups;
handler_fn handle_describe_log_dirs;
handler_fn handle_describe_producers;
handler_fn handle_describe_quorum;
handler_fn handle_describe_share_group_offsets;
handler_fn handle_describe_topic_partitions;
handler_fn handle_describe_user_scram_credentials;
handler_fn handle_elect_leaders;
handler_fn handle_end_txn;
handler_fn handle_expire_delegation_token;
handler_fn handle_fetch;
handler_fn handle_find_coordinator;
handler_fn handle_heartbeat;
handler_fn handle_incremental_alter_configs;
handler_fn handle_init_producer_id;
handler_fn handle_join_group;
handler_fn handle_leave_group;
handler_fn handle_list_config_resources;
handler_fn handle_list_groups;
handler_fn handle_list_offsets;
handler_fn handle_list_partition_reassignments;
handler_fn handle_list_transactions;
handler_fn handle_describe_transactions;
handler_fn handle_write_txn_markers;
handler_fn handle_metadata;
handler_fn handle_offset_commit;
handler_fn handle_offset_delete;
handler_fn handle_offset_fetch;
handler_fn handle_offset_for_leader_epoch;
handler_fn handle_produce;
handler_fn handle_remove_raft_voter;
handler_fn handle_renew_delegation_token;
handler_fn handle_sasl_authenticate;
handler_fn handle_sasl_handshake;
handler_fn handle_share_group_describe;
handler_fn handle_streams_group_describe;
handler_fn handle_sync_group;
handler_fn handle_txn_offset_commit;
handler_fn handle_unregister_broker;
handler_fn handle_update_features;

#endif
