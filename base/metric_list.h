/* metric_list: every metric that /metrics may tell.
 *
 * No include guard: included by whoever needs the list, with METRIC_FAMILY(id, type, name, unit,
 * help) defined.  docs/metrics.md is made from it (docs/metrics_doc.py), so it keeps its shape.
 *   id    of enum metric_id, without FAMILY_
 *   type  of enum metric_type, without METRIC_
 *   name  Kafka's as the JMX exporter tells it, or kafka_exporter's, where there is one; else
 *         levee_...  (without process_, which Prometheus gave)
 *   unit  struct metric_family; 0: the values are in the unit of the name
 *   help  one sentence; labels in braces at its end */

/* clang-format off */

/* process */
METRIC_FAMILY(CPU, COUNTER, "process_cpu_seconds_total", 0.000001,
    "Time of all processors that the process has used.")
METRIC_FAMILY(FDS, GAUGE, "process_open_fds", 0,
    "Open descriptors.")
METRIC_FAMILY(FDS_MAX, GAUGE, "process_max_fds", 0,
    "Descriptors that there may be.")
METRIC_FAMILY(VIRTUAL_MEMORY, GAUGE, "process_virtual_memory_bytes", 0,
    "Address space in use.")
METRIC_FAMILY(RESIDENT_MEMORY, GAUGE, "process_resident_memory_bytes", 0,
    "Memory in use.")
METRIC_FAMILY(START_TIME, GAUGE, "process_start_time_seconds", 0.001,
    "When the process started, since 1970.")
METRIC_FAMILY(BUILD_INFO, GAUGE, "levee_build_info", 0,
    "1; what runs {version, compiler}.")
METRIC_FAMILY(IO_BACKEND, GAUGE, "levee_io_backend_info", 0,
    "1; how files and sockets are reached {backend}.")
METRIC_FAMILY(BROKER_STATE, GAUGE, "kafka_server_kafkaserver_brokerstate", 0,
    "2 recovering, 3 serving clients, 6 stopping, 0 the data directory has failed.")
METRIC_FAMILY(SHARDS, GAUGE, "levee_shards", 0,
    "Loops, each a thread (levee.shards).")
METRIC_FAMILY(LOOP_STALLS, COUNTER, "levee_loop_stalls_total", 0,
    "Turns of a loop that took longer than levee.loop.stall.warn.ms.")
METRIC_FAMILY(LOOP_STALLED, COUNTER, "levee_loop_stalled_seconds_total", 0.001,
    "What those turns took.")
METRIC_FAMILY(LOOP_BUSY, COUNTER, "levee_loop_busy_seconds_total", 0.000001,
    "What all turns took: the rate by levee_shards is how busy the loops are.")

/* memory */
METRIC_FAMILY(MEMORY_USED, GAUGE, "levee_memory_used_bytes", 0,
    "Bytes in use, by purpose {budget}.")
METRIC_FAMILY(MEMORY_MAX, GAUGE, "levee_memory_max_bytes", 0,
    "The limit of a purpose {budget}.")
METRIC_FAMILY(MEMORY_REFUSALS, COUNTER, "levee_memory_refusals_total", 0,
    "Times that a purpose was at its limit {budget}.")
METRIC_FAMILY(BUFFERS_USED, GAUGE, "levee_buffer_pool_used_bytes", 0,
    "Pages of the recycled buffers that are in use, by the loop that owns the pool {shard}.")
METRIC_FAMILY(BUFFERS_IDLE, GAUGE, "levee_buffer_pool_idle_bytes", 0,
    "Pages that no buffer uses and that were not given back to the system {shard}.")
METRIC_FAMILY(BUFFERS_MAX, GAUGE, "levee_buffer_pool_max_bytes", 0,
    "Address space of the pool {shard}.")
METRIC_FAMILY(BUFFERS_OF_HEAP, COUNTER, "levee_buffer_pool_heap_buffers_total", 0,
    "Buffers that the heap gave: larger than 1 MiB, or the pool was full {shard}.")

/* connections */
METRIC_FAMILY(CONNECTIONS, UNTYPED, "kafka_server_socket_server_metrics_connection_count", 0,
    "Connections now, by listener {listener}.")
METRIC_FAMILY(CONNECTIONS_OPENED, COUNTER, "kafka_server_socket_server_metrics_connection_creation_total", 0,
    "Connections accepted, by listener {listener}.")
METRIC_FAMILY(CONNECTIONS_ENDED, COUNTER, "kafka_server_socket_server_metrics_connection_close_total", 0,
    "Connections closed, for whatever reason, by listener {listener}.")
METRIC_FAMILY(CONNECTIONS_CLOSED, COUNTER, "levee_connections_closed_total", 0,
    "Connections closed, by reason {reason}.")
METRIC_FAMILY(CONNECTIONS_REFUSED, COUNTER, "levee_connections_refused_total", 0,
    "Connections not let in, by the limit that was reached {limit}.")
METRIC_FAMILY(CONNECTIONS_BLOCKED, COUNTER, "levee_connections_blocked_total", 0,
    "Times that a connection was not read any further for now.")
METRIC_FAMILY(NETWORK_IN, COUNTER, "kafka_server_socket_server_metrics_incoming_byte_total", 0,
    "Bytes received, by listener {listener}.")
METRIC_FAMILY(NETWORK_OUT, COUNTER, "kafka_server_socket_server_metrics_outgoing_byte_total", 0,
    "Bytes sent, by listener {listener}.")

/* requests */
METRIC_FAMILY(REQUESTS_RECEIVED, COUNTER, "levee_requests_total", 0,
    "Requests received, also those that cannot be read, by listener {listener}.")
METRIC_FAMILY(REQUESTS, COUNTER, "kafka_network_requestmetrics_requests_total", 0,
    "Requests that were answered, or needed no answer {request, version}.")
METRIC_FAMILY(REQUEST_ERRORS, COUNTER, "kafka_network_requestmetrics_errors_total", 0,
    "Error codes of answers, each as often as it stands there (for each partition), NONE too {request, error}.")
METRIC_FAMILY(REQUEST_QUEUE, SUMMARY, "kafka_network_requestmetrics_requestqueuetimems", 0.001,
    "Milliseconds from a whole request to the begin of its work, in the last minutes {request, quantile}.")
METRIC_FAMILY(REQUEST_LOCAL, SUMMARY, "kafka_network_requestmetrics_localtimems", 0.001,
    "Milliseconds that the loop of the connection worked on it, in the last minutes {request, quantile}.")
METRIC_FAMILY(REQUEST_REMOTE, SUMMARY, "kafka_network_requestmetrics_remotetimems", 0.001,
    "Milliseconds that it waited after that: for the device, for data, for members, for other loops; in the last minutes {request, quantile}.")
METRIC_FAMILY(REQUEST_SEND, SUMMARY, "kafka_network_requestmetrics_responsesendtimems", 0.001,
    "Milliseconds from the answer to its last byte given to the kernel, in the last minutes {request, quantile}.")
METRIC_FAMILY(REQUEST_TOTAL, SUMMARY, "kafka_network_requestmetrics_totaltimems", 0.001,
    "Milliseconds from a whole request to the end of its answer, in the last minutes {request, quantile}.")
METRIC_FAMILY(REQUEST_SECONDS, HISTOGRAM, "levee_request_seconds", 0.000001,
    "The same times as histograms: phase is queue, local, remote, send or total {request, phase, le}.")
METRIC_FAMILY(REQUESTS_IN_WORK, GAUGE, "levee_requests_in_work", 0,
    "Requests that have begun and are not answered: what they wait for follows from what they are {request}.")
METRIC_FAMILY(PURGATORY, GAUGE, "kafka_server_delayedoperationpurgatory_purgatorysize", 0,
    "The same by purpose: Produce waits for the device, Fetch for data, Rebalance for members {delayedoperation}.")
METRIC_FAMILY(FETCH_SESSIONS, GAUGE, "kafka_server_fetchsessioncache_numincrementalfetchsessions", 0,
    "Fetch sessions.")
METRIC_FAMILY(FETCH_SESSION_PARTITIONS, GAUGE, "kafka_server_fetchsessioncache_numincrementalfetchpartitionscached", 0,
    "Partitions that fetch sessions remember.")
METRIC_FAMILY(FETCH_SESSION_EVICTIONS, COUNTER, "kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total", 0,
    "Fetch sessions that gave way to another one.")

/* topics; without the label topic: of all topics together, also those that are gone or left out */
METRIC_FAMILY(TOPIC_BYTES_IN, COUNTER, "kafka_server_brokertopicmetrics_bytesin_total", 0,
    "Bytes of batches appended; offsets of groups count for their topic {topic}.")
METRIC_FAMILY(TOPIC_BYTES_OUT, COUNTER, "kafka_server_brokertopicmetrics_bytesout_total", 0,
    "Bytes of batches read for clients {topic}.")
METRIC_FAMILY(TOPIC_BYTES_REJECTED, COUNTER, "kafka_server_brokertopicmetrics_bytesrejected_total", 0,
    "Bytes of batches that were refused {topic}.")
METRIC_FAMILY(TOPIC_MESSAGES_IN, COUNTER, "kafka_server_brokertopicmetrics_messagesin_total", 0,
    "Records appended {topic}.")
METRIC_FAMILY(TOPIC_PRODUCES, COUNTER, "kafka_server_brokertopicmetrics_totalproducerequests_total", 0,
    "Partitions in Produce requests {topic}.")
METRIC_FAMILY(TOPIC_FETCHES, COUNTER, "kafka_server_brokertopicmetrics_totalfetchrequests_total", 0,
    "Reads for Fetch requests, one a partition; a request that waited reads again {topic}.")
METRIC_FAMILY(TOPIC_PRODUCES_FAILED, COUNTER, "kafka_server_brokertopicmetrics_failedproducerequests_total", 0,
    "Those of Produce that were answered with an error {topic}.")
METRIC_FAMILY(TOPIC_FETCHES_FAILED, COUNTER, "kafka_server_brokertopicmetrics_failedfetchrequests_total", 0,
    "Those of Fetch that were answered with an error {topic}.")
METRIC_FAMILY(TOPIC_PARTITIONS, GAUGE, "kafka_topic_partitions", 0,
    "Partitions of a topic {topic}.")

/* partitions */
METRIC_FAMILY(PARTITION_CURRENT, GAUGE, "kafka_topic_partition_current_offset", 0,
    "High watermark: what consumers see ends there {topic, partition}.")
METRIC_FAMILY(PARTITION_OLDEST, GAUGE, "kafka_topic_partition_oldest_offset", 0,
    "First offset that there is {topic, partition}.")
METRIC_FAMILY(PARTITION_LEADER, GAUGE, "kafka_topic_partition_leader", 0,
    "Broker id of the leader, -1: none {topic, partition}.")
METRIC_FAMILY(PARTITION_PREFERRED, GAUGE, "kafka_topic_partition_leader_is_preferred", 0,
    "1: the leader is the first replica {topic, partition}.")
METRIC_FAMILY(PARTITION_REPLICAS, GAUGE, "kafka_topic_partition_replicas", 0,
    "Replicas {topic, partition}.")
METRIC_FAMILY(PARTITION_IN_SYNC, GAUGE, "kafka_topic_partition_in_sync_replica", 0,
    "Replicas in sync {topic, partition}.")
METRIC_FAMILY(PARTITION_UNDER_REPLICATED, GAUGE, "kafka_topic_partition_under_replicated_partition", 0,
    "1: fewer are in sync than there are replicas {topic, partition}.")
METRIC_FAMILY(PARTITION_UNDER_MIN, GAUGE, "kafka_cluster_partition_underminisr", 0,
    "1: fewer are in sync than min.insync.replicas wants {topic, partition}.")
METRIC_FAMILY(LOG_SIZE, GAUGE, "kafka_log_log_size", 0,
    "Bytes of a partition {topic, partition}.")
METRIC_FAMILY(LOG_START, GAUGE, "kafka_log_log_logstartoffset", 0,
    "First offset of the log {topic, partition}.")
METRIC_FAMILY(LOG_END, GAUGE, "kafka_log_log_logendoffset", 0,
    "Next offset of the log, above the high watermark while something is not durable {topic, partition}.")
METRIC_FAMILY(LOG_SEGMENTS, GAUGE, "kafka_log_log_numlogsegments", 0,
    "Segments of a partition {topic, partition}.")

/* all partitions together */
METRIC_FAMILY(LEADERS, GAUGE, "kafka_server_replicamanager_leadercount", 0,
    "Partitions that this broker leads.")
METRIC_FAMILY(PARTITIONS, GAUGE, "kafka_server_replicamanager_partitioncount", 0,
    "Partitions that this broker has.")
METRIC_FAMILY(UNDER_REPLICATED, GAUGE, "kafka_server_replicamanager_underreplicatedpartitions", 0,
    "Led partitions with fewer replicas in sync than they have.")
METRIC_FAMILY(UNDER_MIN_ISR, GAUGE, "kafka_server_replicamanager_underminisrpartitioncount", 0,
    "Led partitions with fewer replicas in sync than min.insync.replicas wants.")
METRIC_FAMILY(AT_MIN_ISR, GAUGE, "kafka_server_replicamanager_atminisrpartitioncount", 0,
    "Led partitions with just as many.")
METRIC_FAMILY(OFFLINE_REPLICAS, GAUGE, "kafka_server_replicamanager_offlinereplicacount", 0,
    "Partitions that are not served: quarantined.")
METRIC_FAMILY(ACTIVE_CONTROLLER, GAUGE, "kafka_controller_kafkacontroller_activecontrollercount", 0,
    "1: the controller is here.")
METRIC_FAMILY(OFFLINE_PARTITIONS, GAUGE, "kafka_controller_kafkacontroller_offlinepartitionscount", 0,
    "Partitions without a leader.")
METRIC_FAMILY(TOPICS, GAUGE, "kafka_controller_kafkacontroller_globaltopiccount", 0,
    "Topics.")
METRIC_FAMILY(GLOBAL_PARTITIONS, GAUGE, "kafka_controller_kafkacontroller_globalpartitioncount", 0,
    "Partitions of all topics.")
METRIC_FAMILY(BROKERS, GAUGE, "kafka_brokers", 0,
    "Brokers of the cluster.")
METRIC_FAMILY(OFFLINE_LOG_DIRS, GAUGE, "kafka_log_logmanager_offlinelogdirectorycount", 0,
    "1: the data directory has failed.")

/* groups */
METRIC_FAMILY(GROUPS, GAUGE, "kafka_coordinator_group_groupmetadatamanager_numgroups", 0,
    "Consumer groups.")
METRIC_FAMILY(GROUP_OFFSETS, GAUGE, "kafka_coordinator_group_groupmetadatamanager_numoffsets", 0,
    "Offsets that groups have committed.")
METRIC_FAMILY(GROUPS_EMPTY, GAUGE, "kafka_coordinator_group_groupmetadatamanager_numgroupsempty", 0,
    "Groups without members.")
METRIC_FAMILY(GROUPS_PREPARING, GAUGE, "kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance", 0,
    "Groups whose members are to join anew.")
METRIC_FAMILY(GROUPS_COMPLETING, GAUGE, "kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance", 0,
    "Groups that wait for their assignment.")
METRIC_FAMILY(GROUPS_STABLE, GAUGE, "kafka_coordinator_group_groupmetadatamanager_numgroupsstable", 0,
    "Groups whose members have their assignment.")
METRIC_FAMILY(GROUPS_DEAD, GAUGE, "kafka_coordinator_group_groupmetadatamanager_numgroupsdead", 0,
    "Groups that are going away.")
METRIC_FAMILY(GROUP_MEMBERS, GAUGE, "kafka_consumergroup_members", 0,
    "Members of a group {consumergroup}.")
METRIC_FAMILY(GROUP_OFFSET, GAUGE, "kafka_consumergroup_current_offset", 0,
    "Committed offset {consumergroup, topic, partition}.")
METRIC_FAMILY(GROUP_LAG, GAUGE, "kafka_consumergroup_lag", 0,
    "Records between the committed offset and the high watermark {consumergroup, topic, partition}.")
METRIC_FAMILY(GROUP_LAG_SUM, UNTYPED, "kafka_consumergroup_lag_sum", 0,
    "The same of all partitions of a topic {consumergroup, topic}.")
METRIC_FAMILY(GROUP_LAG_SECONDS, GAUGE, "levee_group_lag_seconds", 0.001,
    "Age of the oldest record that the group has not passed, by its timestamp; 0: it is at the end {group, topic, partition}.")
METRIC_FAMILY(TRANSACTIONAL_IDS, GAUGE, "levee_transactional_ids", 0,
    "Transactional ids that are remembered.")
METRIC_FAMILY(TRANSACTIONS_OPEN, GAUGE, "levee_transactions_open", 0,
    "Transactions that are open: neither committed nor aborted.")
METRIC_FAMILY(TRANSACTION_OLDEST, GAUGE, "levee_transaction_oldest_seconds", 0.001,
    "Age of the oldest of them; 0: none is open.")
METRIC_FAMILY(TRANSACTIONS_TIMED_OUT, COUNTER, "levee_transactions_timed_out_total", 0,
    "Transactions that were aborted because they were open for longer than their timeout.")
METRIC_FAMILY(TRANSACTIONS_FENCED, COUNTER, "levee_transactions_fenced_total", 0,
    "Transactions that were aborted because another producer, or an administrator, took their transactional id.")
METRIC_FAMILY(TRANSACTIONAL_IDS_EXPIRED, COUNTER, "levee_transactional_ids_expired_total", 0,
    "Transactional ids that were forgotten because nobody used them (transactional.id.expiration.ms).")
METRIC_FAMILY(TRANSACTION_MARKERS, COUNTER, "levee_transaction_markers_total", 0,
    "Ends of transactions that were written, each into each of its partitions.")
METRIC_FAMILY(TRANSACTION_MARKERS_RETRIED, COUNTER, "levee_transaction_markers_retried_total", 0,
    "Times that one could not be written, and was written again later.")
METRIC_FAMILY(TRANSACTION_REFUSALS, COUNTER, "levee_transaction_refusals_total", 0,
    "Transactional ids, or partitions of a transaction, that were refused, because there were as many as there may be {limit}.")
METRIC_FAMILY(TRANSACTIONS_UNKNOWN, GAUGE, "levee_transactions_unknown", 0,
    "Open transactions of partitions that no coordinator knew after the start.")
METRIC_FAMILY(TRANSACTION_LATE, COUNTER, "levee_transaction_late_requests_total", 0,
    "Requests of a transaction that came from an earlier connection than one that was executed: not executed, and the connection closed.")

/* storage */
METRIC_FAMILY(APPENDED_BYTES, COUNTER, "levee_log_appended_bytes_total", 0,
    "Bytes of batches appended, those of internal topics too.")
METRIC_FAMILY(SEGMENT_BYTES, COUNTER, "levee_log_segment_bytes_total", 0,
    "Bytes written to segments.")
METRIC_FAMILY(SEGMENTS_OPEN, GAUGE, "levee_segment_files_open", 0,
    "Segment files that are open.")
METRIC_FAMILY(JOURNAL_GROUPS, COUNTER, "levee_journal_groups_total", 0,
    "Journal groups committed: appends for one group say how well they share a sync.")
METRIC_FAMILY(JOURNAL_USED, GAUGE, "levee_journal_used_bytes", 0,
    "Bytes of the journal that are not in segments and marks yet.")
METRIC_FAMILY(JOURNAL_CAPACITY, GAUGE, "levee_journal_capacity_bytes", 0,
    "Bytes of the journal's files.")
METRIC_FAMILY(JOURNAL_MAX, GAUGE, "levee_journal_max_bytes", 0,
    "What the journal may grow to (levee.journal.max.bytes, of all shards).")
METRIC_FAMILY(JOURNAL_COMMIT, HISTOGRAM, "levee_journal_commit_seconds", 0.000001,
    "From the first entry of a journal group to its being durable: what acks=all waits for {le}.")
METRIC_FAMILY(DEVICE_WRITE, HISTOGRAM, "levee_device_write_seconds", 0.000001,
    "Writes to the device; those of the journal include the sync where O_DSYNC is used {file, le}.")
METRIC_FAMILY(DEVICE_SYNC, HISTOGRAM, "levee_fsync_seconds", 0.000001,
    "Syncs by themselves: of the journal, where O_DIRECT is refused or topics are relaxed, and of checkpoints {file, le}.")
METRIC_FAMILY(CHECKPOINTS, COUNTER, "levee_checkpoints_total", 0,
    "Checkpoints completed.")
METRIC_FAMILY(CHECKPOINT, HISTOGRAM, "levee_checkpoint_seconds", 0.000001,
    "What a checkpoint took {le}.")
METRIC_FAMILY(TAIL_CACHE_HITS, COUNTER, "levee_tail_cache_hits_total", 0,
    "Reads served from memory.")
METRIC_FAMILY(TAIL_CACHE_MISSES, COUNTER, "levee_tail_cache_misses_total", 0,
    "Reads served from files.")
METRIC_FAMILY(PRODUCERS, GAUGE, "levee_producer_ids", 0,
    "Idempotent producers that partitions remember, each in each of its partitions.")
METRIC_FAMILY(PRODUCERS_MAX, GAUGE, "levee_producer_ids_max", 0,
    "What that may grow to, a part of levee.memory.max.bytes: a third is for those that wrote since the start.")
METRIC_FAMILY(PRODUCERS_FORGOTTEN, COUNTER, "levee_producer_ids_forgotten_total", 0,
    "Producers that were forgotten for new ones: what they send again would be stored again.")
METRIC_FAMILY(CLEANER_PASSES, COUNTER, "levee_cleaner_passes_total", 0,
    "Compactions of a partition that went through.")
METRIC_FAMILY(CLEANER_READ_BYTES, COUNTER, "levee_cleaner_read_bytes_total", 0,
    "Bytes of segments that compaction has read.")
METRIC_FAMILY(CLEANER_WRITTEN_BYTES, COUNTER, "levee_cleaner_written_bytes_total", 0,
    "Bytes of segments that compaction has written.")
METRIC_FAMILY(CLEANER_RECORDS_READ, COUNTER, "levee_cleaner_records_read_total", 0,
    "Records that compaction has looked at one by one, to keep or to drop them.")
METRIC_FAMILY(CLEANER_RECORDS_KEPT, COUNTER, "levee_cleaner_records_kept_total", 0,
    "Records that compaction has kept.")
METRIC_FAMILY(CLEANER_KEYLESS, COUNTER, "levee_cleaner_keyless_records_total", 0,
    "Records without a key that compaction has dropped.")
METRIC_FAMILY(CLEANER_DIRTY_BYTES, GAUGE, "levee_cleaner_dirty_bytes", 0,
    "Bytes of closed segments that wait for compaction: how far it is behind.")
METRIC_FAMILY(CLEANER_UNCLEANABLE, GAUGE, "levee_cleaner_uncleanable_partitions", 0,
    "Partitions that compaction has set aside (LVE-2230).")
METRIC_FAMILY(CLEANER_MAP_BYTES, GAUGE, "levee_cleaner_map_bytes", 0,
    "Memory that the keys of the last compaction took, at most.")
METRIC_FAMILY(DISK_FREE, GAUGE, "levee_disk_free_bytes", 0,
    "Free space of the data directory, as last looked at.")
METRIC_FAMILY(DISK_RESERVE, GAUGE, "levee_disk_reserve_bytes", 0,
    "Below it produce is refused (levee.disk.reserve.bytes).")
METRIC_FAMILY(DISK_SHORT, GAUGE, "levee_disk_is_short", 0,
    "1: produce is refused for want of space.")

/* metrics themselves */
METRIC_FAMILY(METRICS_COMPLETE, GAUGE, "levee_metrics_complete", 0,
    "1: the loops were asked and have answered; 0: they had no time, or do not run, and topics, partitions and groups are missing.")
METRIC_FAMILY(METRICS_LEFT_OUT, GAUGE, "levee_metrics_left_out", 0,
    "Partitions, and committed offsets of groups, beyond levee.metrics.rows.max, that are not told one by one {kind}.")

/* clang-format on */
