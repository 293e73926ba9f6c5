"""Known defects, each as changes to a copy of the sources (run.py): a defect acts when the
environment says LEVEE_BUG=<its name>, so that one build has all of them.

The text that is replaced must stand exactly once in its file: when the code has moved on, run.py
says so, and the defect is to be written anew.  stages: where it may be caught, the fastest first.
"""
import collections

Defect = collections.namedtuple("Defect", "name what edits stages")

SIM = "sim"  # some seeds of the simulator
EXPLORE = "explore:"  # the crash explorer, with the sequence and the options that follow


def defect(name, what, stages, *edits):
    """edits: (path, text, the text instead; $BUG is true when the defect acts)."""
    return Defect(name, what, [
        (path, before, after.replace("$BUG", 'bug_is("%s")' % name)) for path, before, after in edits
    ], stages)


DEFECTS = [
    # ---- data
    defect("wrong_crc", "a batch whose header was changed is stored with its old checksum",
           ["test_log_append"],
           ("storage/log_append.c", "    return close_stamps(batch);\n",
            "    if ($BUG)\n        memcpy(batch->head + 17, batch->bytes + 17, 4);\n"
            "    return close_stamps(batch);\n"),
           ("storage/log_append.c", "    if (err == OK && changed &&\n",
            "    if (err == OK && changed && !$BUG &&\n")),
    defect("header_maximum", "the largest time that a client's header claims is believed",
           ["test_log_append", "test_log_age"],
           ("storage/log_append.c",
            "             batch->header.max_timestamp_ms != max_timestamp_ms)\n",
            "             (!$BUG && batch->header.max_timestamp_ms != max_timestamp_ms))\n")),
    defect("append_overtakes", "an append does not wait for those before it in its queue",
           ["test_partition", "test_produce_waits"],
           ("broker/append_queue.c", "    bool is_first = list_is_empty(&queue->waiting);\n",
            "    bool is_first = $BUG || list_is_empty(&queue->waiting);\n")),
    defect("small_passes_large", "a small batch passes a large one that waits for the journal",
           ["test_store"],
           ("storage/store.c", "    return store->room_refused && !store->giving_room",
            "    return !$BUG && store->room_refused && !store->giving_room")),
    defect("marks_without_salt", "the marks' salt of the journal is not looked at",
           ["test_journal_scan", "test_store"],
           ("storage/journal_scan.c", "        shard->has_salt = marks->salt != 0;\n",
            "        shard->has_salt = marks->salt != 0 && !$BUG;\n")),
    defect("newest_extent_only", "lost groups are looked for in the newest extent only",
           ["test_journal_scan", "test_store"],
           ("storage/journal_scan.c", "        if (extent != last && !extent->used)\n",
            "        if (extent != last && !extent->used && !$BUG)\n")),
    defect("internal_relaxed", "internal topics take levee.durability=cache from the broker",
           ["test_topic_config"],
           ("broker/topic_config.c",
            "    return topic != NULL && topic_is_internal(topic) && strcmp(name",
            "    return !$BUG && topic != NULL && topic_is_internal(topic) && strcmp(name")),
    defect("clock_believed", "a step of the wall clock lets things go by age at once",
           ["test_clock_guard"],
           ("broker/clock_guard.c",
            "    if (is_step(step_ms) && !is_accepted(shard, step_ms, now_ns))\n",
            "    if (!$BUG && is_step(step_ms) && !is_accepted(shard, step_ms, now_ns))\n")),
    defect("cut_without_journal", "a block that a mark covers is cut, and the journal has it not",
           ["test_segment_end", EXPLORE + "roll,checkpoint"],
           ("storage/segment_set.c",
            "    if (!log->prefix_pending || active->size_bytes % STORE_BLOCK == 0)\n",
            "    if ($BUG || !log->prefix_pending || active->size_bytes % STORE_BLOCK == 0)\n")),
    defect("prefix_forgotten", "the first append after a mark does not carry the block below it",
           ["test_log_recover", EXPLORE + "checkpoint,produce"],
           ("storage/log_append.c", "    if (log->prefix_pending) {\n",
            "    if (log->prefix_pending && !$BUG) {\n")),
    defect("failed_zeroes", "EIO of an extent's zeroes is taken for a lack of space",
           ["test_journal", "test_journal_sim"],
           ("storage/journal_extent.c", "    if (!transient && result <= 0) {\n",
            "    if (!transient && result <= 0 && $BUG) {\n        growth_failed(extents);\n"
            "        return;\n    }\n    if (!transient && result <= 0) {\n")),
    defect("failed_growth_sync", "a failed sync of a new extent is taken for a lack of space",
           ["test_store"],
           ("storage/journal_extent.c",
            "        fail(extents, err_from_errno(-result));\n        return;\n    }\n"
            "    if (extents->growing->size_bytes",
            "        if ($BUG)\n            growth_failed(extents);\n        else\n"
            "            fail(extents, err_from_errno(-result));\n        return;\n    }\n"
            "    if (extents->growing->size_bytes")),
    defect("newest_victim", "beyond the cap of producers the newest one is forgotten",
           ["test_producer_state", "test_producer_shares"],
           ("storage/producer_shares.c",
            "        if (!share->pinned)\n            return share;\n",
            "        if ($BUG)\n            share = container_of(held->prev, struct producer_share, "
            "node);\n        if (!share->pinned)\n            return share;\n")),
    defect("owner_unknown", "who brings a producer id is not told to the log",
           ["test_producer_owners"],
           ("broker/partition.c", "append->owner, result);\n",
            "$BUG ? PRODUCER_OWNER_NONE : append->owner, result);\n")),
    defect("recovered_give_way", "producers that a start has read give way to newcomers",
           ["test_producer_shares"],
           ("storage/producer_state.c",
            "        producer_shares_settle(&ps->shares, &entry->share);\n",
            "        if ($BUG)\n            continue;\n"
            "        producer_shares_settle(&ps->shares, &entry->share);\n")),
    defect("window_of_four", "duplicates are known for the newest four batches only",
           ["test_producer_state", SIM],
           ("storage/producer_state.c",
            "    for (uint8_t i = 0; i < entry->batch_count; i++) {\n"
            "        const struct producer_batch *batch = &entry->batches[i];\n\n"
            "        if (batch->first_sequence == header->base_sequence &&\n",
            "    for (uint8_t i = $BUG && entry->batch_count == PRODUCER_WINDOW; "
            "i < entry->batch_count;\n         i++) {\n"
            "        const struct producer_batch *batch = &entry->batches[i];\n\n"
            "        if (batch->first_sequence == header->base_sequence &&\n")),
    defect("size_ignored", "retention.bytes has no effect",
           [SIM],
           ("broker/topic_config.c", '.retention_bytes = number(&resolver, "retention.bytes"),',
            '.retention_bytes = $BUG ? -1 : number(&resolver, "retention.bytes"),')),
    defect("whole_journal_in_memory", "a start keeps what it replayed of an extent in memory",
           ["test_store_replay"],
           ("storage/journal_replay.c", "    if (err == OK)\n        err = replaying->to->rest(",
            "    if (err == OK && !$BUG)\n        err = replaying->to->rest(")),
    defect("adopted_aborts", "aborted transactions of a directory of Kafka's are adopted",
           ["test_log_recover"],
           ("storage/log_adopt.c",
            "        adoption->holds_aborted = adoption->holds_aborted || completed.aborted;\n",
            "        adoption->holds_aborted = !$BUG && "
            "(adoption->holds_aborted || completed.aborted);\n")),
    defect("journal_released_early", "the journal's space is given back before the marks are written",
           ["test_store"],
           ("storage/checkpointer.c",
            "    marks.extent_number = journal_extent_of(store->journal, marks.first_sequence);\n",
            "    marks.extent_number = journal_extent_of(store->journal, marks.first_sequence);\n"
            "    if ($BUG)\n        journal_release(store->journal, store->checkpoint_sequence);\n")),
    defect("commit_unsynced", "a committed offset is acknowledged before it is durable",
           ["test_group_offsets", EXPLORE + "commit"],
           ("broker/coordinator/state_log.c",
            "    partition_wait_ack(append->partition, &write->ack);\n",
            "    if ($BUG)\n        finish(write, OK);\n    else\n"
            "        partition_wait_ack(append->partition, &write->ack);\n")),
    defect("snapshot_unsynced", "a snapshot of the metadata has its name before it is synced",
           ["test_metadata_log", EXPLORE + "snapshot"],
           ("broker/metadata/metadata_log_snapshot.c",
            "        io_sync(log->world.io, op, log->writing.fd, on_synced);\n",
            "    {\n        if ($BUG)\n            on_synced(op, 0);\n        else\n"
            "            io_sync(log->world.io, op, log->writing.fd, on_synced);\n    }\n")),
    defect("no_dir_fsync", "a new file's directory is not synced",
           [SIM],
           ("storage/bug_bank.h",
            "    BUG_NO_DIR_FSYNC = LEVEE_BUG_NO_DIR_FSYNC, /* a new file's directory is not synced */\n",
            "#define BUG_NO_DIR_FSYNC $BUG\n")),
    defect("ack_on_submission", "a batch is committed when its write is handed over",
           [EXPLORE + "produce", SIM],
           ("storage/bug_bank.h",
            "    BUG_ACK_ON_SUBMISSION =\n        LEVEE_BUG_ACK_ON_SUBMISSION,                   "
            "/* committed when the write is handed over */\n",
            "#define BUG_ACK_ON_SUBMISSION $BUG\n")),
    defect("mark_before_sync", "marks are written before the syncfs that they speak of",
           [EXPLORE + "checkpoint", SIM],
           ("storage/bug_bank.h",
            "    BUG_MARK_BEFORE_SYNC = LEVEE_BUG_MARK_BEFORE_SYNC, "
            "/* marks are written before the syncfs */\n",
            "#define BUG_MARK_BEFORE_SYNC $BUG\n")),
    defect("serve_before_sync", "what a recovery has written is served unsynced",
           [EXPLORE + "produce", SIM],
           ("storage/bug_bank.h",
            "    BUG_SERVE_BEFORE_SYNC = LEVEE_BUG_SERVE_BEFORE_SYNC, "
            "/* recovered bytes are served unsynced */\n",
            "#define BUG_SERVE_BEFORE_SYNC $BUG\n")),
    # ---- the process
    defect("stop_beside_checkpoint", "a stop writes its marks beside those of a checkpoint",
           ["test_segment_end"],
           ("storage/store_stop.c", "    if (store->step != CHECKPOINT_IDLE) {\n",
            "    if (store->step != CHECKPOINT_IDLE && !$BUG) {\n")),
    defect("closed_log_in_lists", "a closing log leaves its batches in the store's cache",
           ["test_log_close"],
           ("storage/log.c", "    log_tail_drop_all(log);\n    for (uint32_t i = 0;",
            "    if (!$BUG)\n        log_tail_drop_all(log);\n    for (uint32_t i = 0;")),
    defect("segment_closed_early", "the bound of open files closes what was just opened",
           ["test_log_close", "test_store", SIM],
           ("storage/segment.c", "    store->open_segment_count++;\n",
            "    store->open_segment_count++;\n    if ($BUG && store->options.open_files_max > 0)\n"
            "        keep_open_files_bounded(store, store->options.open_files_max - 1);\n")),
    defect("no_journal_reserve", "a full journal keeps nothing for entries that let space go",
           ["test_journal", "test_store"],
           ("storage/journal_extent.c", "    uint64_t kept_bytes = urgent ? 0 :",
            "    uint64_t kept_bytes = urgent || $BUG ? 0 :")),
    defect("marks_without_space", "no space for the marks ends the process",
           ["test_store"],
           ("storage/checkpointer.c",
            "    if (err == ERR_NOSPACE && store->state == STORE_RUNNING) { /* S5: once more",
            "    if (!$BUG && err == ERR_NOSPACE && store->state == STORE_RUNNING) { /* S5: once")),
    defect("nomem_waits", "an append for which the process has no memory waits for the journal",
           ["test_store"],
           ("storage/journal_group.c",
            "        return budget_room_bytes(&memory->slab->budget) < need_bytes ?",
            "        return $BUG || budget_room_bytes(&memory->slab->budget) < need_bytes ?")),
    defect("passed_over", "a metadata record that found no memory is not applied any more",
           ["test_image_no_memory", "test_controller_no_memory"],
           ("broker/metadata/image_replay.c",
            "            replay->applied_count = count;\n",
            "            replay->applied_count = count + ($BUG ? 1 : 0);\n")),
    defect("never_opened", "a log that could not be opened when its topic came is not tried again",
           ["test_topic_table"],
           ("broker/topic_table.c",
            "    tell_unopened(table, topic->name, state->index, err);\n    if (!timer_is_set(",
            "    tell_unopened(table, topic->name, state->index, err);\n"
            "    if (!$BUG && !timer_is_set(")),
    defect("budget_kept", "memory is not given back to its budget",
           ["test_budget", "test_conn"],
           ("base/budget.c",
            "    /* in one order with budget_wait, which sets awaited before it looks at used_bytes */\n"
            "    uint64_t before = __atomic_fetch_sub(&budget->used_bytes, size_bytes, "
            "__ATOMIC_SEQ_CST);\n",
            "    uint64_t before = $BUG ? size_bytes\n"
            "        : __atomic_fetch_sub(&budget->used_bytes, size_bytes, __ATOMIC_SEQ_CST);\n")),
    defect("named_twice", "a partition that one Produce names twice is walked twice",
           ["test_request_cost"],
           ("broker/produce_names.c", "    if (asked->partition_data.count <= 1)\n",
            "    if ($BUG || asked->partition_data.count <= 1)\n")),
    defect("rest_of_turn", "a batch that does not fit the rest of a turn is looked at again at once",
           ["test_batch_check"],
           ("broker/batch_check.c", "        else if (rest_is_short)\n",
            "        else if (rest_is_short && !$BUG)\n")),
    defect("empty_blocks_free", "blocks without output cost nothing",
           ["test_compression", "test_batch_check"],
           ("storage/compression_private.h",
            "    reader->work_bytes += compression_block_price_bytes[reader->codec] + used_bytes + made_bytes;\n",
            "    reader->work_bytes += $BUG ? made_bytes\n"
            "        : compression_block_price_bytes[reader->codec] + used_bytes + made_bytes;\n")),
    defect("lookup_unbounded", "a lookup by time looks into a batch for as long as it takes",
           ["test_time_lookup"],
           ("broker/time_lookup.c",
            "    search->work_max_bytes =\n        lookup->stage",
            "    search->work_max_bytes = $BUG ? UINT64_MAX :\n        lookup->stage")),
    defect("lookup_below_start", "what a thread has found is given though the log start is above it",
           ["test_log_trim"],
           ("storage/log_lookup.c",
            "    if (search->found && search->found_offset >= log->offsets.log_start) {\n",
            "    if (search->found && ($BUG || search->found_offset >= log->offsets.log_start)) {\n")),
    defect("names_squared", "Metadata answers a name as often as it is asked for",
           ["test_request_cost"],
           ("broker/handlers/metadata.c", "        err = hash_map_insert(&seen, key, key_bytes, asked);\n",
            "        err = $BUG ? OK : hash_map_insert(&seen, key, key_bytes, asked);\n")),
    # ---- what clients see
    defect("lanes_ignored", "requests of one connection overtake each other",
           ["test_conn"],
           ("net/conn_input.c", "    if (conn->outbox.working_count > 0 && (lane == CONN_LANE_ALONE",
            "    if (!$BUG && conn->outbox.working_count > 0 && (lane == CONN_LANE_ALONE")),
    defect("closed_before_executed", "what arrived before the peer closed is not executed",
           ["test_conn"],
           ("net/conn.c", "    if (conn->state == CONN_OPEN)\n        begin_end(conn, CONN_LAPSED, reason);\n",
            "    if (conn->state == CONN_OPEN && $BUG)\n        conn_close(conn, reason);\n"
            "    else if (conn->state == CONN_OPEN)\n        begin_end(conn, CONN_LAPSED, reason);\n")),
    defect("cancel_unheard", "a wait does not hear that its peer is gone",
           ["test_request_cancel"],
           ("broker/request_wait.c", "    if (request->on_cancel == NULL || why <= request->passed_on)\n",
            "    if ($BUG || request->on_cancel == NULL || why <= request->passed_on)\n")),
    defect("session_evicted", "a fetch session in use gives way to a larger one",
           ["test_fetch_session"],
           ("broker/fetch_session.c", "        if (is_past(sessions, now_ns, session->created_ns) &&\n",
            "        if (($BUG || is_past(sessions, now_ns, session->created_ns)) &&\n")),
    defect("aligned_window", "a window that ends where a batch ends is a dead end",
           ["test_log_read"],
           ("storage/log_read.c",
            "            return read->size_bytes > 0 ? OK : read_on(file, valid, "
            "window_bytes(file->log, read));\n        err = parse_batch",
            "            return read->size_bytes > 0 || $BUG ? OK\n"
             "                : read_on(file, valid, window_bytes(file->log, read));\n"
             "        err = parse_batch")),
    defect("trim_unheard", "a log start that moves does not wake who waits below it",
           ["test_fetch"],
           ("storage/log_trim.c", "        if (waiter->log->events != NULL &&",
            "        if (!$BUG && waiter->log->events != NULL &&")),
    defect("deadline_unheard", "a call of the controller goes on beyond its time",
           ["test_timeouts"],
           ("broker/ask_controller.c", "    if (ask->timeout_ms > 0)", "    if (ask->timeout_ms > 0 && !$BUG)")),
    defect("pending_instance", "a pending member id is taken over by an instance",
           ["test_group", "test_group_members"],
           ("broker/coordinator/group_join.c",
            "        if (pending != NULL && body->group_instance_id.text != NULL)\n",
            "        if (pending != NULL && body->group_instance_id.text != NULL && !$BUG)\n")),
    defect("unknown_producer", "a producer that is unknown to a partition must begin at 0",
           ["test_producer_state"],
           ("storage/producer_state.c", "    return rules->txn_v2 ? ERR_UNKNOWN_PRODUCER : OK;\n",
            "    return rules->txn_v2 || $BUG ? ERR_UNKNOWN_PRODUCER : OK;\n")),
    defect("acks_1_early", "acks=1 is answered before the batch is durable",
           ["test_produce_waits"],
           ("broker/handlers/produce.c", "    if (acks == KAFKA_ACKS_NO_RESPONSE) {\n",
            "    if (acks == KAFKA_ACKS_NO_RESPONSE || (acks == KAFKA_ACKS_LEADER && $BUG)) {\n")),
    defect("sixty_four_batches", "a read from memory gives 64 batches at most",
           ["test_log_read"],
           ("storage/log_read.c", "    for (node = &first->log_node; node != end; node = node->next) {\n"
            "        const struct tail_entry *entry = container_of(node, struct tail_entry, log_node);\n"
            "        if (entry->end_offset",
            "    uint32_t batches = 0;\n"
            "    for (node = &first->log_node; node != end; node = node->next) {\n"
            "        const struct tail_entry *entry = container_of(node, struct tail_entry, log_node);\n"
            "        if ($BUG && ++batches > 64)\n            break;\n"
            "        if (entry->end_offset")),

    # ---- memory, and what others wait for
    defect("parked_holds_the_queue", "a join that waits for others holds the budget they need",
           ["test_request_memory"],
           ("broker/request.c", "    conn_request_park(&request->wire,",
            "    if (!$BUG)\n        conn_request_park(&request->wire,")),
    defect("half_a_commit", "a commit that finds no memory leaves the offsets that found some",
           ["test_group_no_memory"],
           ("broker/coordinator/group_commit.c", "    end_offsets(commit);\n    commit->group->writes--;",
            "    if (!$BUG)\n        end_offsets(commit);\n    commit->group->writes--;")),
    defect("groups_not_read_again", "groups that found no memory are not served until a start",
           ["test_group_no_memory"],
           ("broker/coordinator/group_coordinator.c", "    if (err == ERR_NOMEM)\n",
            "    if (err == ERR_NOMEM && !$BUG)\n")),
    defect("tombstone_given_up", "a deleted topic's offset whose tombstone was not written stays",
           ["test_group_no_memory"],
           ("broker/coordinator/group_expiry.c", "    offset->round = 0;\n",
            "    offset->round = $BUG ? topic->forget_round : 0;\n")),
    defect("place_kept", "the end of a peer that has pipelined much is never noticed",
           ["test_conn"],
           ("net/conn.c", "    return conn->block != CONN_GOES && !conn->recv.op.in_flight",
            "    return !$BUG && conn->block != CONN_GOES && !conn->recv.op.in_flight")),
]
