/* log_codes: every code that a log line may carry, in rising order.
 *
 * No include guard: included by whoever needs the list, with LOG_CODE(code, text, advice) defined.
 *   code    "LVE-" and four digits; never reused, never renumbered.
 *           1xxx process and base, 2xxx storage, 3xxx network, 4xxx topics and metadata,
 *           5xxx groups and transactions, 6xxx access, 7xxx replication, 8xxx tools
 *   text    what happened, one line
 *   advice  cause, effect and next step, as `levee explain` prints it and the manual has it */

LOG_CODE(
    "LVE-1001", "a check of our own code failed and the process stopped",
    "Cause: a defect in levee, or memory damaged by hardware. Effect: the broker ends at once, "
    "so that nothing wrong is written; records acknowledged as durable are safe. Next step: "
    "start it again, keep the log and the core file, and report both.")
LOG_CODE("LVE-1002", "the kernel refused memory and the process stopped",
         "Cause: the machine or the container has less memory than the configured limits add up "
         "to. Effect: the broker ends at once; records acknowledged as durable are safe. Next "
         "step: raise the memory limit or lower the configured ones, then start it again.")
LOG_CODE("LVE-1003", "log lines were suppressed",
         "Cause: one event happened very often. Effect: only some of its lines were written; the "
         "field suppressed has the number of the others, about_code their code. Next step: look "
         "at the lines of that code.")
LOG_CODE("LVE-1004", "the wall clock was set: nothing goes by age for now",
         "Cause: the system's clock moved by more than ten minutes against the time that really "
         "passed (step_ms). Effect: retention.ms, the expiry of idle producers and that of "
         "committed offsets stand still until the clock is set back, or has run on for "
         "levee.clock.step.accept.ms (accepted_in_ms), or the broker is started anew; "
         "retention.bytes acts. Next step: set the clock right; if it is right now, nothing, or "
         "restart.")
LOG_CODE("LVE-1005", "the wall clock is believed: age counts again",
         "Cause: the clock agrees with the time that passed (step_ms near 0), or has kept its new "
         "time for levee.clock.step.accept.ms. Effect: what is too old by it goes. Next step: "
         "none.")
LOG_CODE("LVE-1100", "ready: clients are served",
         "Cause: a start that is done; one line for each listener. Effect: clients are "
         "served at that address. Next step: none.")
LOG_CODE("LVE-1101", "the broker could not start",
         "Cause: opening the data directory, the metadata or a listener failed. Effect: "
         "nothing is served and the process ends with exit code 1. Next step: the lines "
         "before this one name the file, key or address; mend that and start again.")
LOG_CODE("LVE-1102", "log.dirs names more than one directory",
         "Cause: log.dirs (or log.dir) has a comma, and levee keeps everything in one "
         "directory. Effect: the broker does not start. Next step: name one directory.")
LOG_CODE("LVE-1103", "there is no I/O backend",
         "Cause: levee.io=ring, and the kernel gives no io_uring (why says what refuses it); or "
         "there are too few descriptors, or too little memory, for any backend. Effect: the broker "
         "does not start. Next step: to_do says what brings io_uring; levee.io=auto runs without "
         "it. `levee doctor io` tells more.")
LOG_CODE("LVE-1104", "metrics and health are served",
         "Cause: levee.http.listener names an address. Effect: /metrics, /livez and /readyz "
         "are answered there, also during recovery. Next step: none.")
LOG_CODE("LVE-1105", "levee.http.listener cannot be bound",
         "Cause: another process has the address, or it is no address of this machine. "
         "Effect: the broker does not start, and has not touched its data. Next step: choose "
         "another address, or set levee.http.listener empty.")
LOG_CODE("LVE-1106", "stopping",
         "Cause: SIGTERM or SIGINT. Effect: no new requests; what is under way is answered, "
         "and everything is put in order as long as it makes progress. Next step: none.")
LOG_CODE("LVE-1107", "stopped without order",
         "Cause: a second signal came, or an orderly stop made no progress for "
         "levee.stop.timeout.ms. Effect: the process ends with exit code 11, as kill -9 would end "
         "it: records that were "
         "acknowledged with acks=all are safe. Next step: start it again; it recovers.")
LOG_CODE("LVE-1108", "fewer files or connections than configured: the descriptor limit is low",
         "Cause: the process may have fewer descriptors (RLIMIT_NOFILE) than "
         "levee.open.files.max and max.connections ask for; fields limit, files_per_shard and "
         "connections say what there is and who gets how many. Effect: connections above that "
         "are not let in, and segment files are closed and opened more often. Next step: raise "
         "the limit (ulimit -n, LimitNOFILE= of systemd) and start again.")
LOG_CODE("LVE-1109", "a memory budget is spent",
         "Cause: one purpose (field budget) uses all the memory that it may; asked, used and max "
         "say how much. Effect: whoever asked waits or is refused, as an ordinary answer; other "
         "purposes are not touched. Next step: none if it is rare; otherwise look for the clients "
         "that cause it, or raise levee.memory.max.bytes.")
LOG_CODE("LVE-1110", "memory was shared out",
         "Cause: a start. Effect: the budgets of a shard in bytes, by purpose, as "
         "levee.memory.max.bytes, the limit of the cgroup or the machine's memory (field bytes) "
         "give them. Next step: none.")
LOG_CODE("LVE-1111", "the descriptor limit is too low to serve anybody",
         "Cause: RLIMIT_NOFILE (field limit) leaves fewer than 64 descriptors for connections "
         "once segment files and the broker's own are counted. Effect: the broker does not start. "
         "Next step: raise the limit (ulimit -n, LimitNOFILE= of systemd) to 1024 or more.")
LOG_CODE("LVE-1112", "metrics leave out what is beyond their limit",
         "Cause: there are more partitions, or more committed offsets of groups, than "
         "levee.metrics.rows.max (fields partitions, offsets and groups say how many are left "
         "out). Effect: /metrics has no rows for them; sums over all topics and groups are whole. "
         "Told once; levee_metrics_left_out goes on telling. Next step: raise the limit if the "
         "collector of the metrics can take so many series.")
LOG_CODE("LVE-1113", "runs on the plain I/O backend",
         "Cause: the kernel gives no io_uring, or refuses some operations on it (why says what "
         "refuses it), or levee.io=plain. Effect: files and sockets are reached through threads "
         "and epoll: as durable and in the same order, with more CPU and somewhat later answers. "
         "Next step: none is needed; to_do says what brings io_uring, and `levee doctor io` "
         "measures both.")
LOG_CODE("LVE-1114", "the system gives no thread",
         "Cause: the limit of processes and threads of the user (RLIMIT_NPROC) or of the cgroup "
         "(pids.max) is reached. Effect: the broker does not start, and serves nothing. Next step: "
         "raise the "
         "limit (ulimit -u, LimitNPROC= and TasksMax= of systemd, --pids-limit of a container); "
         "some twenty threads for each shard are enough.")
LOG_CODE("LVE-2001", "the data directory cannot be used",
         "Cause: another process has it locked, it belongs to another cluster or node, its "
         "format is newer than this version, or it cannot be created, read or written. "
         "Effect: the broker does not start; nothing that was there is changed. Next step: "
         "the field problem says which it is; stop the other process, or name the right "
         "directory, cluster.id and node.id.")
LOG_CODE("LVE-2002", "marks or journal cannot be read",
         "Cause: the device failed a read, both slots of the marks are damaged, or a newer "
         "version wrote them. Effect: the broker does not start; nothing is changed. Next "
         "step: look at error and at the kernel's log; start the version that wrote the "
         "files, or restore the directory from a copy.")
LOG_CODE("LVE-2003", "journal entries of a deleted topic were passed over",
         "Cause: the topic was deleted while the journal still held records of it. Effect: "
         "those records are not brought back. Next step: none.")
LOG_CODE("LVE-2004", "the journal has lost groups that were on stable storage",
         "Cause: the device lost or damaged blocks that it had reported as written, or "
         "files of the journal were removed. Effect: acknowledged records would be missing, "
         "so the broker does not start; nothing is changed. Next step: copy the directory "
         "away, look at the device, and restore the directory from a copy.")
LOG_CODE("LVE-2005", "marks are missing or older than the journal",
         "Cause: files marks-*.levee were removed or damaged, or the directory was put together "
         "from copies of different times. Effect: nobody knows any more what the segments hold, "
         "so the broker does not start; nothing is changed. Next step: copy the directory away, "
         "and restore the directory from one copy.")
LOG_CODE("LVE-2101", "the data directory has failed and is stopped for good",
         "Cause: a write or sync failed; LVE-2104 says in which directory. Effect: nothing "
         "more is acknowledged, no write is tried again, and the process ends with exit "
         "code 10; what was acknowledged as durable is safe. Next step: look at the "
         "kernel's log and the device, then start it again.")
LOG_CODE("LVE-2102", "little space is left: produce requests are refused until there is more",
         "Cause: free space is below levee.disk.reserve.bytes, or the file system refused a "
         "write for lack of space. Effect: clients are refused to produce with "
         "KAFKA_STORAGE_ERROR, which they retry; reads, deletes and internal topics go on. "
         "Next step: lower the retention of topics, delete topics or records, or give the "
         "file system more space; no restart is needed.")
LOG_CODE("LVE-2103", "there is space again",
         "Cause: space was freed after LVE-2102. Effect: produce requests are accepted "
         "again. Next step: none.")
LOG_CODE("LVE-2104", "writing to the data directory failed",
         "Cause: the device or the file system failed a write or sync of the journal, a "
         "segment or a small file. Effect: final for this process: nothing more is "
         "acknowledged; LVE-2101 follows. Next step: as for LVE-2101.")
LOG_CODE("LVE-2105", "the file system refuses O_DIRECT",
         "Cause: the directory is on tmpfs or an overlay that has no direct input and "
         "output. Effect: each write of the journal is a buffered write and a sync: as "
         "durable, but slower. Next step: none for a test; otherwise put the directory on "
         "ext4 or XFS.")
LOG_CODE("LVE-2106", "recovery could not be made durable",
         "Cause: writing or syncing what was replayed from the journal failed. Effect: the "
         "broker does not start and serves nothing; journal and old marks are still there. "
         "Next step: look at error and at the device; start it again, and recovery begins "
         "anew.")
LOG_CODE("LVE-2107", "what the journal holds could not be taken over",
         "Cause: the journal could not be read a second time, or a segment not be written (error). "
         "Effect: the broker does not start and serves nothing; journal and marks are still there. "
         "Next step: look at error and at the device (space, too); start it again, and recovery "
         "begins anew.")
LOG_CODE(
    "LVE-2108", "a checkpoint waits for memory",
    "Cause: there was no memory to write down what partitions know of their producers. Effect: "
    "the checkpoint is tried again each second; the journal grows meanwhile, and when it is "
    "full, producers wait. Next step: give the process more memory (its ulimit, its cgroup), "
    "or set levee.memory.max.bytes to what it has.")
LOG_CODE("LVE-2201", "a partition could not be opened",
         "Cause: its directory or files cannot be made, opened or read, or memory or "
         "descriptors are lacking. Effect: at a start, the start ends; of a topic created "
         "while running, the partition is not served, and opening it is tried again each "
         "second until it goes well (LVE-2206) or the topic is deleted. Next step: look at "
         "error and mend that; after a start that ended, start again.")
LOG_CODE("LVE-2202", "a partition of no known topic was set aside",
         "Cause: a start found the directory of a partition whose topic id the metadata "
         "does not know: a deletion that was cut short, or files copied from elsewhere. "
         "Effect: it is renamed to <name>-stray; nothing in it is changed and it is not "
         "served. Next step: delete it, or keep it, as you like; the broker does not look "
         "at it again.")
LOG_CODE("LVE-2203", "there are partitions, but no metadata at all",
         "Cause: __cluster_metadata-0 is missing or empty: it was not copied along, or the "
         "directory is not one of levee's. Effect: the broker does not start; nothing is "
         "changed. Next step: bring __cluster_metadata-0 back, or name an empty directory.")
LOG_CODE("LVE-2204", "a partition is quarantined: its files contradict its durable mark",
         "Cause: bytes that were on stable storage are damaged, or files are missing, short "
         "or not readable, or it is one of Apache Kafka's that was not stopped in order; "
         "the field reason says which. Effect: this partition answers "
         "KAFKA_STORAGE_ERROR and nothing in it is cut; the others are served. Next step: "
         "stop, copy its directory away, look at it with levee log dump; bring the files "
         "back from a copy, or delete the topic.")
LOG_CODE("LVE-2205", "a partition of no known topic could not be set aside",
         "Cause: renaming its directory failed: there is a <name>-stray already, or the "
         "file system refused. Effect: the broker does not start. Next step: move the "
         "directory, or the older <name>-stray, out of the data directory and start again.")
LOG_CODE("LVE-2206", "a partition was opened, later than it came",
         "Cause: what LVE-2201 told is over. Effect: the partition is served. Next step: "
         "none.")
LOG_CODE("LVE-2208", "a producer window file was lost",
         "Cause: the file named by path is missing, damaged, or ahead of the log. Effect: "
         "what is known of idempotent producers is made anew from the batches of the log; "
         "the start takes longer. Next step: none, unless it comes again: then look at the "
         "device.")
LOG_CODE("LVE-2209", "bytes of a segment cannot be served",
         "Cause: reading from a segment failed, or its bytes have a bad checksum also after "
         "its index was rebuilt. Effect: fetches at that offset fail; nothing is skipped. "
         "Next step: look at the kernel's log and, with levee log dump, at the segment; "
         "restore the partition from a copy, or delete records up to behind the damage.")
LOG_CODE("LVE-2210", "indexes of a segment were lost or wrong and were built anew",
         "Cause: an index file is missing, damaged, or does not match its segment. Effect: "
         "it was made again from the segment, and one of aborted transactions from all of the log, "
         "which takes longer; no record is affected. Next step: none, "
         "unless it comes again: then look at the device.")
LOG_CODE(
    "LVE-2211", "producers were forgotten for new ones",
    "Cause: more producer ids came to a partition (bound: partition) or to all of them (bound: "
    "all partitions) than are remembered. Effect: of the client address that holds most "
    "(address) the longest idle one was forgotten for one of new_of; if it sends a batch "
    "again, that is stored a second time. Told once a minute, since_last_line counts. Next "
    "step: look at what makes a new producer for each few records at these addresses; more "
    "levee.memory.max.bytes raises the bound of all partitions, a lower "
    "producer.id.expiration.ms lets idle ones go earlier.")
LOG_CODE(
    "LVE-2230", "a partition cannot be compacted and is set aside until the next start",
    "Cause: a batch of it cannot be read (ERR_CORRUPT, ERR_MALFORMED), expands to more than "
    "levee.uncompressed.batch.max.bytes (ERR_TOO_LARGE), or its files gave an error (ERR_IO). "
    "Effect: the partition is served as before and grows; its log was not changed by the pass that "
    "failed, or whole segments of it were compacted. Next step: look for LVE-2209 and errors of "
    "the "
    "device; raise the limit; then restart levee.")
LOG_CODE(
    "LVE-2231", "a partition was compacted",
    "Cause: cleanup.policy=compact, and as much of it was dirty as min.cleanable.dirty.ratio "
    "says, or max.compaction.lag.ms is over. Effect: of each key below clean_offset the newest "
    "record is left. Next step: none; keyless_records above 0 says that records without a key "
    "were dropped.")
LOG_CODE("LVE-3101", "request closed its connection: it cannot be answered",
         "Cause: a client sent an API or version that levee does not have, bytes that are "
         "no such request, one that names a partition twice, or (ERR_TOO_LARGE) one whose arrays "
         "have more elements than levee.request.elements.max. Effect: its connection is closed, "
         "as Kafka does. Next step: "
         "compare api_key and api_version with docs/compatibility.md; look for what is not "
         "a Kafka client.")
LOG_CODE("LVE-3102", "an answer could not be encoded",
         "Cause: no memory for the answer, or a defect in levee. Effect: the connection is "
         "closed; the request itself may have been carried out. Next step: if error is not "
         "about memory, report api, api_version and error.")
LOG_CODE("LVE-3103", "a connection was closed",
         "Cause: the field reason says it. Effect: the client connects again if it wants "
         "to. Next step: none for what is told at debug level; a warning is a request that "
         "is malformed, larger than socket.request.max.bytes, or found no memory: look at "
         "that client, or raise the limit.")
LOG_CODE("LVE-3104", "a connection was not let in",
         "Cause: max.connections, max.connections.per.ip or an override for the address is "
         "reached, or accept failed "
         "(descriptors, memory). Effect: the client cannot connect until others leave. Next "
         "step: look for clients that leak connections, or raise the limit that error and "
         "peer point to.")
LOG_CODE("LVE-3105", "a listener cannot be opened",
         "Cause: another process has the address, it is no address of this machine, or the "
         "port needs a privilege. Effect: the broker does not start. Next step: stop the "
         "other process, or change listeners.")
LOG_CODE("LVE-3106", "request closed its connection: there is no memory for its answer",
         "Cause: what a client asked for at once is larger than one request may hold or than the "
         "budget of decoded requests has room for, or the process has no memory left. Effect: its "
         "connection is closed; an admin request may have been carried out. Next step: let the "
         "client ask for less at a time; compare held_bytes with the budget "
         "(levee_memory_used_bytes and levee_memory_max_bytes of decoded) and the memory of the "
         "machine, and raise levee.memory.max.bytes.")
LOG_CODE("LVE-3107", "the loop was held",
         "Cause: a turn of a shard's loop took longer than levee.loop.stall.warn.ms: a request "
         "that is very large (api and peer name the one that ran longest in that turn, held_ms "
         "its part), a file system call that hung, or a machine that is out of CPU or swaps. "
         "Effect: every client of that shard waited for turn_ms. Next step: if api is there, "
         "look at what that client asks for; if not, at the device and at the load of the "
         "machine.")
LOG_CODE("LVE-3108",
         "requests wait for memory, and nothing that waits for others can give any back",
         "Cause: for a second or more a request could not begin, because the budget of requests in "
         "work, of decoded requests or of answers is full, and all that they hold belongs to work "
         "that is under way: a device that is too slow for what is produced, peers that do not "
         "take their answers, or more at once than the memory is for. Told once a minute while it "
         "lasts. Effect: connections wait in their order and are not read meanwhile. Next step: "
         "compare requests_bytes, decoded_bytes and answers_bytes with the limits in LVE-1110; "
         "look at the latency of the journal's device; raise levee.memory.max.bytes.")
LOG_CODE("LVE-3109", "batches that wait for long checks are refused: others find no memory",
         "Cause: batches of topic and partition, and perhaps of others, take long to be checked: "
         "they expand to much, or compression.type has them written anew. What waits behind them "
         "holds so much of the memory of requests (held_bytes of that partition, all_held_bytes "
         "of the shard) that another client's request has waited for a second. Told once a minute "
         "while it lasts. Effect: what waits there beyond a part of that memory, and what comes, "
         "is answered with REQUEST_TIMED_OUT, which clients send again; that goes on until a "
         "minute has passed without it. Next step: look at who produces to that topic, and "
         "whether its compression.type is what the clients use; raise levee.memory.max.bytes.")
LOG_CODE(
    "LVE-4001", "the metadata log cannot be replayed",
    "Cause: __cluster_metadata-0 is damaged, has a gap between snapshot and log, or "
    "has a record that this version would have to act on and cannot read: a newer version of "
    "one, or a level of metadata.version above its highest. The field record names it. Effect: "
    "the broker does not start; nothing is cut. Next step: start the version that wrote it, or "
    "restore the data directory from a copy.")
LOG_CODE("LVE-4002", "a metadata snapshot cannot be used",
         "Cause: a .checkpoint file of __cluster_metadata-0 is damaged, cannot be read, or has a "
         "record that this version would have to act on and cannot read, which the field record "
         "names. Effect: an older snapshot and the "
         "log are used if they do; otherwise the start ends. Next step: if the broker "
         "started, none; otherwise restore the directory from a copy.")
LOG_CODE("LVE-4003", "a metadata snapshot was not written",
         "Cause: no space, or the file system refused. Effect: the metadata log keeps what "
         "the snapshot would have replaced; nothing is lost. Next step: look at error; the "
         "next snapshot is tried by itself.")
LOG_CODE("LVE-4004", "the metadata log was not cut",
         "Cause: deleting what snapshots have replaced failed. Effect: the log of the "
         "metadata is longer than need be; nothing is lost. Next step: look at error; the "
         "next snapshot tries again.")
LOG_CODE("LVE-4005", "an old metadata snapshot stays",
         "Cause: the file system refused to delete the file named by path. Effect: it takes "
         "space; newer ones count. Next step: look at error and at the rights of the "
         "directory.")
LOG_CODE("LVE-4010", "the replication factor of an internal topic was lowered to the live brokers",
         "Cause: offsets.topic.replication.factor asks for more brokers than there are. "
         "Effect: __consumer_offsets is created with as many copies as there are brokers: "
         "one. Next step: none; set the key to 1 if the line is unwelcome.")
LOG_CODE("LVE-4011", "metadata records could not be written",
         "Cause: the metadata log refused them: a failed or full disk, or too many or too "
         "large records in one request. Effect: the request is answered with an error and "
         "nothing of it is done. Next step: look at error and at the lines about the "
         "directory.")
LOG_CODE(
    "LVE-4012", "the controller has stopped: the metadata log has failed",
    "Cause: the data directory failed, or __cluster_metadata-0 is quarantined. Effect: "
    "topics and configurations cannot be changed any more, and no new block of "
    "producer ids is taken. Next step: look at the lines before (LVE-2104, LVE-2204), mend that, "
    "and start again.")
LOG_CODE("LVE-4013", "the metadata is up",
         "Cause: a start has replayed the metadata. Effect: topics and partitions are "
         "known; their counts are in the line. Next step: none.")
LOG_CODE("LVE-4014", "the segments of an internal topic are made as large as a topic's must be",
         "Cause: offsets.topic.segment.bytes is below 1 MiB, the least that segment.bytes of a "
         "topic may be. Effect: __consumer_offsets is created with 1 MiB. Next step: none; set "
         "the key to 1048576 or more if the line is unwelcome.")
LOG_CODE("LVE-4015", "no memory to take in a change of the metadata: it is tried again",
         "Cause: a change of topics, configurations or brokers is durable, and the system had no "
         "memory to apply it in this shard. Told once a change. Effect: it is tried again ten "
         "times a second until it is applied; meanwhile this shard follows the older metadata, "
         "and requests that change metadata wait or time out. Nothing is lost. Next step: raise "
         "the memory limit of the process, or lower levee.memory.max.bytes.")
LOG_CODE("LVE-4016", "metadata records that this version does not act on are kept",
         "Cause: the data directory was Kafka's, or a newer version's, and its metadata has access "
         "control entries, quotas, SCRAM credentials, delegation tokens, or records of types that "
         "this version does not know; types names them. Told once a start. Effect: nobody is "
         "refused, slowed down or let in by them; they stay in the metadata, in their order, and "
         "are there for the version that acts on them. Next step: none; where you count on access "
         "control or quotas, do not let clients in.")
LOG_CODE("LVE-4102", "a batch was refused",
         "Cause: a producer sent a batch that breaks a rule; the field reason says which. "
         "Told at debug level only. Effect: the producer has the error in its answer and "
         "nothing was written. Next step: look at that producer and at the settings of the "
         "topic.")
LOG_CODE(
    "LVE-5001", "a partition of a coordinator is not served",
    "Cause: a partition of __consumer_offsets is quarantined, or holds a record that cannot be "
    "read or is of a kind that this version does not know (transactional commits); or there was "
    "no memory for its groups. Effect: its groups are answered COORDINATOR_NOT_AVAILABLE; "
    "without memory COORDINATOR_LOAD_IN_PROGRESS, and it is read again each second. Nothing in "
    "it is changed. Next step: without memory raise its limit; else look at the lines about that "
    "partition, and at the log with the dump tool; restore it "
    "from a copy, or delete and re-create the topic if its offsets may be lost.")
LOG_CODE(
    "LVE-5003", "a member was not heard of for its session timeout",
    "Cause: the client ended without leaving, is stuck, or cannot reach the broker. Effect: it "
    "is out of its group, whose partitions are dealt out anew. Next step: none if the client "
    "was meant to end; otherwise look at the client, or raise its session.timeout.ms.")
LOG_CODE("LVE-5004", "time passed without a turn of the loop",
         "Cause: the process was stopped, its machine was frozen, or it was without CPU time. "
         "Effect: no member is put out for what it could not say meanwhile; every session begins "
         "anew, once until the member is heard of. Next step: look at the machine if this was not "
         "intended.")
LOG_CODE("LVE-5005", "members did not ask for their assignment",
         "Cause: clients joined a group and did not send SyncGroup within the rebalance timeout. "
         "Effect: they are out of the group, which rebalances. Next step: look at those clients.")
LOG_CODE("LVE-5006", "groups were read without their members: the budget has no room for them",
         "Cause: the records of a partition of __consumer_offsets tell of members whose metadata "
         "and assignments do not fit in the budget of groups: it was larger when they came. "
         "Effect: such a group is empty when it is served again; its members are told so and join "
         "again, as far as there is room. Offsets and generations are all there. Next step: "
         "compare used with max; raise levee.memory.max.bytes.")
LOG_CODE(
    "LVE-5009", "groups were found in a partition that is not theirs, and stay there",
    "Cause: an earlier version wrote groups whose id has a negative Java hash into another "
    "partition of __consumer_offsets than Apache Kafka does; a start moves them, but not where the "
    "two partitions are on different shards. Effect: clients do not find these groups and their "
    "offsets. Next step: start the broker once with levee.shards=1, then as before.")
LOG_CODE(
    "LVE-5020", "a marker is written again later",
    "Cause: the end of a transaction could not be written into one of its partitions (err says "
    "why: it is being moved, the device has no room, too few replicas are in sync). Effect: "
    "the transaction is decided and stays so; consumers with read_committed wait at that "
    "partition, and the transactional id cannot begin the next one, until it is written: it is "
    "tried again, at most five seconds later, as long as the partition exists. Next step: none "
    "if it ends by itself; else mend what err says.")
LOG_CODE(
    "LVE-5021", "a transaction cannot end: one of its partitions is quarantined",
    "Cause: a partition of a transaction that was decided is quarantined, so that its marker "
    "cannot be written. Effect: the other partitions have theirs; the transactional id is "
    "answered CONCURRENT_TRANSACTIONS meanwhile. Next step: look at the lines about that "
    "partition; restore it from a copy, or delete the topic: then the transaction ends without "
    "it.")
LOG_CODE("LVE-5022", "a partition has a newer epoch than the transaction that ends",
         "Cause: somebody has written with a newer epoch of the same producer id, or an operator "
         "has ended the transaction in that partition (kafka-transactions.sh abort). Effect: that "
         "partition gets no marker, because nothing of the transaction is open there; the others "
         "get theirs. Next step: none if it was an operator; else look for a producer whose id was "
         "made by other means.")
LOG_CODE("LVE-5023", "a transaction was open for longer than its timeout, and is aborted",
         "Cause: its producer ended without saying so, is stuck, or does more in one transaction "
         "than its transaction.timeout.ms lets it. Effect: nothing of it is committed, consumers "
         "with read_committed go on, and the producer is fenced: what it sends is refused until it "
         "begins anew. Next step: look at the client, or raise its transaction.timeout.ms (at most "
         "transaction.max.timeout.ms).")
LOG_CODE(
    "LVE-5024", "a request that was late is not executed, and its connection is closed",
    "Cause: of a transactional producer of the first protocol version, a request came from an "
    "earlier connection than one that was executed already: it was on its way for long, or the "
    "client uses several connections in turn. Effect: it could have ended the next "
    "transaction, so it is not executed; a client that is alive dials again and repeats it. "
    "Next step: none; where it is often, let the client have one connection to the "
    "coordinator, or use one that speaks transaction.version 2.")
LOG_CODE("LVE-5025", "a producer is fenced, and its open transaction aborted",
         "Cause: another producer began with the same transactional id (the application was "
         "started anew, or runs twice), or an administrator fenced it. Effect: nothing of the open "
         "transaction is committed, and what the earlier producer sends is refused "
         "(PRODUCER_FENCED). Next step: none after a restart; where it comes again and again, two "
         "processes have one transactional.id: give each its own.")
LOG_CODE(
    "LVE-5030", "a transactional id was refused: there are as many as there may be",
    "Cause: a producer asked for a transactional id that is not known, and "
    "levee.transactional.ids.max are (of all shards together; each has an equal part). Effect: "
    "it is told COORDINATOR_LOAD_IN_PROGRESS and asks again; nothing else changes. Next step: "
    "if programs make a new id at each start, give them fixed ones; else raise the limit, or "
    "lower transactional.id.expiration.ms, after which ids without use are forgotten.")
LOG_CODE("LVE-5031", "partitions were not added to a transaction: it has as many as it may have",
         "Cause: a producer writes to more than levee.transaction.partitions.max partitions in one "
         "transaction. Effect: it is told to try again, until the transaction is aborted by its "
         "producer or its timeout. Next step: have the program commit more often, or raise the "
         "limit.")
LOG_CODE(
    "LVE-5032", "a partition has an open transaction that no coordinator knows",
    "Cause: the records of its transactional id are gone, which a partition's own records do "
    "not replace: __transaction_state was deleted or quarantined, or the directory was put "
    "together from others. Effect: consumers with read_committed wait at first_offset for "
    "ever; others read on. Nobody can know whether it was to be committed, so nothing is done. "
    "Next step: end it yourself, as aborted: kafka-transactions.sh abort --topic T --partition "
    "P --start-offset FIRST_OFFSET.")
