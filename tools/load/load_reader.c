#include "tools/load/load_reader.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/kafka_errors.h"
#include "tools/load/load_reader_offsets.h"

#include <stdio.h>
#include <string.h>

enum { BATCHES_A_TURN = 64 };

static uint64_t now_ns(const struct load_reader *reader)
{
    return clock_mono_ns(reader->room->loop.clock);
}

static void fail(struct load_reader *reader, const char *what, enum err err)
{
    const char *problem = reader->cluster == NULL ? "" : client_cluster_problem(reader->cluster);

    if (reader->state == LOAD_READER_BROKEN)
        return;
    reader->state = LOAD_READER_BROKEN;
    load_stats_add(reader->stats, LOAD_COUNTER_ERRORS, 1);
    load_shared_error(reader->shared, "consumer of %s: %s: %s%s%s", reader->topic_name, what,
                      err_text(err), problem[0] == '\0' ? "" : "; ", problem);
}

/* ---- records */

/* Of a record of this run: when it was intended; 0: it is not ours. */
static uint64_t intended_of(struct load_reader *reader, const struct client_fetched *batch,
                            const struct client_fetched_record *record)
{
    struct load_shared *shared = reader->shared;
    struct load_stamp stamp;
    size_t size_bytes = record->record.value_bytes < 0 ? 0 : (size_t)record->record.value_bytes;
    enum err err;

    if (!shared->workload->is_stamped)
        return 0;
    if (shared->account != NULL && reader->subscription == 0) {
        load_shared_lock(shared);
        err = load_account_read(shared->account, reader->topic_index, batch->partition,
                                record->offset, record->record.key, record->record.key_bytes,
                                record->record.value, size_bytes, &stamp);
        load_shared_unlock(shared);
    } else {
        err = load_stamp_read(record->record.value, size_bytes, record->record.key,
                              record->record.key_bytes, &stamp);
    }
    if (err != OK || stamp.run != shared->run)
        return 0;
    return (uint64_t)((int64_t)stamp.intended_ns - shared->wall_ns);
}

static void take_record(struct load_reader *reader, const struct client_fetched *batch,
                        const struct client_fetched_record *record, uint64_t now)
{
    struct load_stats *stats = reader->stats;
    const struct record *fields = &record->record;
    uint64_t intended = intended_of(reader, batch, record);
    uint64_t size_bytes = (uint64_t)(fields->key_bytes < 0 ? 0 : fields->key_bytes) +
                          (uint64_t)(fields->value_bytes < 0 ? 0 : fields->value_bytes);

    reader->read_count++;
    if (reader->subscription == 0)
        load_stats_add(stats, LOAD_COUNTER_READ_ALL, 1);
    if (!load_shared_is_measured(reader->shared, intended == 0 ? now : intended))
        return;
    load_stats_add(stats, LOAD_COUNTER_READ, 1);
    load_stats_add(stats, LOAD_COUNTER_READ_BYTES, size_bytes);
    if (intended != 0)
        load_stats_time(stats, LOAD_HISTOGRAM_E2E, intended, now);
}

static void read_batch(struct load_reader *reader, const struct client_fetched *batch)
{
    struct client_fetched_record record;
    uint64_t now = now_ns(reader);
    enum err err;

    while ((err = client_fetcher_next_record(reader->fetcher, &record)) == OK)
        if (reader->take != NULL)
            reader->take(reader, batch, &record);
        else
            take_record(reader, batch, &record, now);
    if (err == ERR_NOT_FOUND)
        return;
    load_stats_add(reader->stats, LOAD_COUNTER_ERRORS, 1);
    load_shared_error(reader->shared, "%s/%d: a batch at %lld cannot be read: %s",
                      batch->topic->name, (int)batch->partition,
                      (long long)batch->header.base_offset, err_text(err));
}

/* May it read now?  A backlog is being made, it stays behind, partitions are being given up. */
static bool may_pull(const struct load_reader *reader, uint64_t now)
{
    struct load_shared *shared = reader->shared;

    if (reader->state != LOAD_READER_READY || !reader->can_pull || reader->is_leaving)
        return false;
    if (reader->takes != NULL && !reader->takes((struct load_reader *)reader))
        return false;
    if (load_shared_phase(shared) >= LOAD_PHASE_READ)
        return true;
    if (load_shared_phase(shared) < LOAD_PHASE_RUN ||
        now < atomic_load_explicit(&shared->start_ns, memory_order_relaxed))
        return false; /* what was there before is read while it is counted */
    if (atomic_load_explicit(&shared->holds_consumers, memory_order_relaxed))
        return false;
    return reader->subscription != 0 ||
           load_stats_get(reader->stats, LOAD_COUNTER_READ_ALL) <
               atomic_load_explicit(&shared->read_limit, memory_order_relaxed);
}

bool load_reader_turn(struct load_reader *reader, uint64_t now)
{
    load_reader_offsets_turn(reader, now);
    for (int i = 0; i < BATCHES_A_TURN; i++) {
        struct client_fetched batch;
        enum err err;
        if (!may_pull(reader, now))
            return false;
        err = client_fetcher_next_batch(reader->fetcher, &batch);
        if (err == OK) {
            load_shared_success(reader->shared, LOAD_SUCCESS_READ, now);
            read_batch(reader, &batch);
            continue;
        }
        reader->can_pull = false;
        if (err != ERR_AGAIN)
            fail(reader, "nothing can be fetched", err);
        return false;
    }
    return true;
}

/* ---- the fetcher's news */

static void on_ready(void *context)
{
    struct load_reader *reader = context;

    reader->can_pull = true;
}

static void on_trouble(void *context, struct client_topic *topic, int32_t partition,
                       enum client_fetcher_trouble trouble, int64_t offset, int16_t error_code)
{
    static const char *const texts[] = {"offset out of range", "the log was truncated",
                                        "a batch with a wrong checksum", "refused"};
    struct load_reader *reader = context;

    load_stats_add(reader->stats, LOAD_COUNTER_ERRORS, 1);
    load_shared_error(reader->shared, "%s/%d at %lld: %s%s%s", topic->name, (int)partition,
                      (long long)offset, texts[trouble], error_code == KAFKA_NONE ? "" : ": ",
                      error_code == KAFKA_NONE ? "" : kafka_error_name(error_code));
}

/* ---- the group's news */

static void on_assigned(void *context, const struct client_member_partition *added, uint32_t count)
{
    struct load_reader *reader = context;

    for (uint32_t i = 0; i < count; i++)
        if (added[i].topic == reader->topic && added[i].partition < reader->partitions_count)
            reader->partitions[added[i].partition].is_owned = true;
    reader->was_assigned = true;
    if (reader->is_lost_since)
        load_stats_time(reader->stats, LOAD_HISTOGRAM_REJOIN, reader->lost_ns, now_ns(reader));
    reader->is_lost_since = false;
    load_reader_offsets_start(reader);
}

static void on_revoked(void *context, const struct client_member_partition *removed, uint32_t count,
                       bool is_lost)
{
    struct load_reader *reader = context;

    for (uint32_t i = 0; i < count; i++)
        if (removed[i].topic == reader->topic && removed[i].partition < reader->partitions_count)
            reader->partitions[removed[i].partition].is_leaving = true;
    reader->is_lost_since = true;
    reader->lost_ns = now_ns(reader);
    if (is_lost) {
        load_reader_offsets_leave(reader);
        return;
    }
    reader->is_leaving = true;
    if (reader->leave != NULL)
        reader->leave(reader);
    else
        load_reader_offsets_commit(reader);
}

void load_reader_leave_done(struct load_reader *reader)
{
    if (!reader->is_leaving)
        return;
    load_reader_offsets_leave(reader);
    reader->is_leaving = false;
    if (reader->member != NULL && reader->state != LOAD_READER_CLOSING)
        client_member_revoked_done(reader->member);
}

static void on_fatal(void *context, int16_t error_code, enum err err)
{
    struct load_reader *reader = context;

    fail(reader, error_code != KAFKA_NONE ? kafka_error_name(error_code) : "its group", err);
}

/* ---- opening */

static enum err make_client(struct load_reader *reader)
{
    static const struct client_fetcher_events fetch_events = {.ready = on_ready,
                                                              .trouble = on_trouble};
    static const struct client_member_events group_events = {
        .assigned = on_assigned, .revoked = on_revoked, .fatal = on_fatal};
    const struct load_workload *workload = reader->shared->workload;
    struct client_fetcher_options options = client_fetcher_options_default();
    struct client_member_options group = client_member_options_default();
    enum err err;

    options.is_committed = workload->isolation == LOAD_READ_COMMITTED || reader->take != NULL;
    options.min_bytes = (uint32_t)workload->fetch_min_bytes;
    options.max_bytes = (uint32_t)workload->fetch_max_bytes;
    options.partition_max_bytes = (uint32_t)workload->fetch_partition_bytes;
    options.max_wait_ms = (uint32_t)(workload->fetch_wait_ns / 1000000);
    err = client_fetcher_create(reader->cluster, &options, &fetch_events, reader, &reader->fetcher);
    if (err != OK || reader->group_id[0] == '\0')
        return err;
    group.group_id = reader->group_id;
    group.session_timeout_ms = (uint32_t)(workload->session_timeout_ns / 1000000);
    if (group.heartbeat_ms > group.session_timeout_ms / 3)
        group.heartbeat_ms = group.session_timeout_ms / 3;
    return client_member_create(reader->cluster, &group, &reader->topic, 1, &group_events, reader,
                                &reader->member);
}

static void on_topic(struct client_wait *wait, enum err err)
{
    struct load_reader *reader = container_of(wait, struct load_reader, wait);
    uint32_t consumers = reader->shared->workload->consumers_count;

    if (reader->state != LOAD_READER_CONNECTING)
        return;
    if (err == OK)
        err = load_reader_offsets_prepare(reader);
    if (err == OK)
        err = make_client(reader);
    if (err != OK) {
        fail(reader,
             wait->kafka_error != KAFKA_NONE ? kafka_error_name(wait->kafka_error)
                                             : "cannot be made",
             err);
        return;
    }
    reader->state = LOAD_READER_STARTING;
    if (reader->group_id[0] != '\0')
        return; /* the group deals */
    for (int32_t i = 0; i < reader->partitions_count; i++)
        reader->partitions[i].is_owned = (uint32_t)i % consumers == reader->index;
    reader->was_assigned = true;
    load_reader_offsets_start(reader);
}

enum err load_reader_open(struct load_reader *reader)
{
    const struct load_workload *workload = reader->shared->workload;
    struct client_options options = client_options_default();
    char problem[512];
    enum err err;

    options.bootstrap_servers = workload->brokers;
    options.request_timeout_ms = (uint32_t)(workload->request_timeout_ns / 1000000);
    options.allow_auto_create = false;
    err = client_cluster_create(&reader->room->env, &options, &reader->cluster, problem,
                                sizeof(problem));
    if (err != OK) {
        load_shared_error(reader->shared, "%s", err == ERR_INVALID ? problem : err_text(err));
        return err;
    }
    reader->state = LOAD_READER_CONNECTING;
    reader->topic = client_cluster_topic(reader->cluster, reader->topic_name);
    if (reader->topic == NULL)
        return ERR_NOMEM;
    reader->wait = (struct client_wait){.done = on_topic};
    client_cluster_wait_topic(reader->cluster, &reader->wait, reader->topic,
                              (uint32_t)(workload->timeout_ns / 1000000));
    return OK;
}

/* ---- closing */

static void close_step(void *context);

/* In order: questions, group, fetcher, cluster. */
static void close_step(void *context)
{
    struct load_reader *reader = context;

    if (reader->is_asking || reader->is_committing)
        return; /* again when they are done */
    if (reader->member != NULL) {
        struct client_member *member = reader->member;
        reader->member = NULL;
        client_member_destroy(member, close_step, reader);
    } else if (reader->fetcher != NULL) {
        struct client_fetcher *fetcher = reader->fetcher;
        reader->fetcher = NULL;
        client_fetcher_destroy(fetcher, close_step, reader);
    } else if (reader->cluster != NULL) {
        struct client_cluster *cluster = reader->cluster;
        reader->cluster = NULL;
        client_cluster_destroy(cluster, close_step, reader);
    } else {
        reader->state = LOAD_READER_CLOSED;
        load_reader_offsets_forget(reader);
        if (!reader->is_again)
            return;
        reader->is_again = false;
        if (load_reader_open(reader) != OK)
            reader->state = LOAD_READER_BROKEN;
    }
}

void load_reader_offsets_done(struct load_reader *reader)
{
    if (reader->state == LOAD_READER_CLOSING)
        close_step(reader);
}

void load_reader_retire(struct load_reader *reader)
{
    if (reader->state != LOAD_READER_READY || reader->is_leaving)
        return;
    reader->is_again = true;
    reader->is_lost_since = true;
    reader->lost_ns = now_ns(reader);
    reader->state = LOAD_READER_CLOSING;
    load_reader_offsets_commit(reader); /* LRD-1; then close_step */
    if (!reader->is_committing)
        close_step(reader);
}

void load_reader_close(struct load_reader *reader)
{
    reader->is_again = false;
    if (reader->state == LOAD_READER_CLOSING || reader->state == LOAD_READER_CLOSED)
        return;
    reader->state = LOAD_READER_CLOSING;
    if (reader->is_asking)
        client_offsets_cancel(&reader->start_op);
    if (reader->is_committing)
        client_offsets_cancel(&reader->commit_op);
    close_step(reader);
}

void load_reader_deinit(struct load_reader *reader)
{
    check(reader->cluster == NULL);
    load_reader_offsets_forget(reader);
}
