#include "tools/load/load_reader_offsets.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/kafka_errors.h"

#include <stdio.h>

enum err load_reader_offsets_prepare(struct load_reader *reader)
{
    size_t count = (size_t)reader->topic->partitions_count;

    load_reader_offsets_forget(reader);
    reader->partitions_count = reader->topic->partitions_count;
    reader->partitions = mem_try_alloc(count * sizeof(*reader->partitions));
    reader->questions = mem_try_alloc(count * sizeof(*reader->questions));
    reader->committed = mem_try_alloc(count * sizeof(*reader->committed));
    reader->commits = mem_try_alloc(count * sizeof(*reader->commits));
    reader->commit_errors = mem_try_alloc(count * sizeof(*reader->commit_errors));
    return reader->partitions == NULL || reader->questions == NULL || reader->committed == NULL ||
                   reader->commits == NULL || reader->commit_errors == NULL
               ? ERR_NOMEM
               : OK;
}

void load_reader_offsets_forget(struct load_reader *reader)
{
    mem_free(reader->partitions);
    mem_free(reader->questions);
    mem_free(reader->committed);
    mem_free(reader->commits);
    mem_free(reader->commit_errors);
    reader->partitions = NULL;
    reader->questions = NULL;
    reader->committed = NULL;
    reader->commits = NULL;
    reader->commit_errors = NULL;
    reader->partitions_count = 0;
    reader->can_pull = false;
    reader->is_leaving = false;
    reader->was_assigned = false;
    reader->asked_ends = false;
    reader->knows_ends = false;
}

static uint32_t timeout_ms(const struct load_reader *reader)
{
    return (uint32_t)(reader->shared->workload->timeout_ns / 1000000);
}

static void cannot(struct load_reader *reader, const char *what, enum err err, int16_t error_code)
{
    if (err == ERR_CANCELED)
        return;
    load_stats_add(reader->stats, LOAD_COUNTER_ERRORS, 1);
    load_shared_error(reader->shared, "consumer of %s: %s: %s", reader->topic_name, what,
                      error_code != KAFKA_NONE ? kafka_error_name(error_code) : err_text(err));
}

/* ---- where they begin */

static void fetch_from(struct load_reader *reader, int32_t partition, int64_t offset,
                       int32_t leader_epoch)
{
    struct load_reader_partition *at = &reader->partitions[partition];
    enum err err;

    if (!at->is_owned || at->is_leaving)
        return; /* taken away meanwhile */
    err = client_fetcher_assign(reader->fetcher, reader->topic, partition, offset, leader_epoch);
    if (err != OK) {
        cannot(reader, "a partition cannot be fetched", err, KAFKA_NONE);
        return;
    }
    at->is_fetching = true;
    at->end_offset = -1;
    reader->can_pull = true;
}

/* Of those that are owned and not fetched. */
static uint32_t list_waiting(struct load_reader *reader)
{
    uint32_t count = 0;

    for (int32_t i = 0; i < reader->partitions_count; i++) {
        const struct load_reader_partition *at = &reader->partitions[i];
        if (!at->is_owned || at->is_fetching || at->is_leaving)
            continue;
        reader->questions[count] = (struct client_offset_question){
            .topic = reader->topic,
            .partition = i,
            .timestamp_ms = reader->shared->workload->start == LOAD_START_END
                                ? CLIENT_OFFSET_LATEST
                                : CLIENT_OFFSET_EARLIEST};
        reader->committed[count] =
            (struct client_offset_committed){.topic = reader->topic, .partition = i};
        count++;
    }
    return count;
}

static void started(struct load_reader *reader)
{
    reader->is_asking = false;
    if (reader->state == LOAD_READER_CLOSING) {
        load_reader_offsets_done(reader);
        return;
    }
    if (list_waiting(reader) > 0 && reader->state != LOAD_READER_BROKEN)
        load_reader_offsets_start(reader);
    else if (reader->state == LOAD_READER_STARTING)
        reader->state = LOAD_READER_READY;
}

static void on_listed(struct client_offsets_op *op, enum err err)
{
    struct load_reader *reader = container_of(op, struct load_reader, start_op);
    bool is_bad = err != OK;

    if (err != OK)
        cannot(reader, "where its partitions begin", err, KAFKA_NONE);
    for (uint32_t i = 0; err == OK && i < reader->questions_count; i++) {
        const struct client_offset_question *question = &reader->questions[i];
        if (question->error_code != KAFKA_NONE) {
            cannot(reader, "where a partition begins", ERR_IO, question->error_code);
            is_bad = true;
        } else if (reader->state != LOAD_READER_CLOSING) {
            fetch_from(reader, question->partition, question->offset, -1);
        }
    }
    if (is_bad && reader->state != LOAD_READER_CLOSING)
        reader->state = LOAD_READER_BROKEN;
    started(reader);
}

static void list_begins(struct load_reader *reader)
{
    if (reader->questions_count == 0) {
        started(reader);
        return;
    }
    reader->start_op = (struct client_offsets_op){
        .done = on_listed, .cluster = reader->cluster, .timeout_ms = timeout_ms(reader)};
    client_offsets_list(&reader->start_op, reader->questions, reader->questions_count, false);
}

/* A group's own offsets first; partitions without one as without a group. */
static void on_committed_known(struct client_offsets_op *op, enum err err)
{
    struct load_reader *reader = container_of(op, struct load_reader, start_op);
    uint32_t count = reader->questions_count;
    uint32_t left = 0;

    if (err != OK) {
        cannot(reader, "the offsets of its group", err, KAFKA_NONE);
        if (reader->state != LOAD_READER_CLOSING)
            reader->state = LOAD_READER_BROKEN;
        started(reader);
        return;
    }
    for (uint32_t i = 0; i < count && reader->state != LOAD_READER_CLOSING; i++) {
        const struct client_offset_committed *known = &reader->committed[i];
        if (known->error_code != KAFKA_NONE)
            cannot(reader, "the offset of its group", ERR_IO, known->error_code);
        if (known->error_code == KAFKA_NONE && known->offset >= 0)
            fetch_from(reader, known->partition, known->offset, known->leader_epoch);
        else if (reader->shared->has_new_topics)
            fetch_from(reader, known->partition, 0, -1);
        else
            reader->questions[left++] = reader->questions[i];
    }
    reader->questions_count = left;
    list_begins(reader);
}

/* Those whose begin nobody has to be asked for: of a topic of this run, or where the reader of an
 * account that was kept has stopped. */
static void fetch_known(struct load_reader *reader)
{
    struct load_shared *shared = reader->shared;
    uint32_t left = 0;

    for (uint32_t i = 0; i < reader->questions_count; i++) {
        int32_t partition = reader->questions[i].partition;
        int64_t offset = shared->has_new_topics ? 0 : -1;
        if (shared->account != NULL && reader->subscription == 0) {
            int64_t read_end;
            load_shared_lock(shared);
            read_end = load_account_read_end(shared->account, reader->topic_index, partition);
            load_shared_unlock(shared);
            if (read_end >= 0)
                offset = read_end;
        }
        if (offset >= 0)
            fetch_from(reader, partition, offset, -1);
        else
            reader->questions[left++] = reader->questions[i];
    }
    reader->questions_count = left;
}

void load_reader_offsets_start(struct load_reader *reader)
{
    if (reader->is_asking)
        return; /* started() looks again */
    reader->questions_count = list_waiting(reader);
    reader->is_asking = true;
    if (reader->group_id[0] != '\0' && reader->questions_count > 0) {
        reader->start_op = (struct client_offsets_op){.done = on_committed_known,
                                                      .cluster = reader->cluster,
                                                      .timeout_ms = timeout_ms(reader)};
        client_offsets_fetch(&reader->start_op, reader->group_id, reader->committed,
                             reader->questions_count, true);
        return;
    }
    fetch_known(reader);
    list_begins(reader);
}

/* ---- where they end */

static void on_ends(struct client_offsets_op *op, enum err err)
{
    struct load_reader *reader = container_of(op, struct load_reader, start_op);

    if (err != OK)
        cannot(reader, "where its partitions end", err, KAFKA_NONE);
    for (uint32_t i = 0; err == OK && i < reader->questions_count; i++)
        if (reader->questions[i].error_code == KAFKA_NONE)
            reader->partitions[reader->questions[i].partition].end_offset =
                reader->questions[i].offset;
        else
            cannot(reader, "where a partition ends", ERR_IO, reader->questions[i].error_code);
    reader->knows_ends = err == OK;
    reader->is_asking = false;
    load_reader_offsets_done(reader);
}

static void ask_ends(struct load_reader *reader)
{
    reader->questions_count = 0;
    for (int32_t i = 0; i < reader->partitions_count; i++)
        if (reader->partitions[i].is_fetching)
            reader->questions[reader->questions_count++] = (struct client_offset_question){
                .topic = reader->topic, .partition = i, .timestamp_ms = CLIENT_OFFSET_LATEST};
    reader->asked_ends = true;
    if (reader->questions_count == 0) {
        reader->knows_ends = true;
        return;
    }
    reader->is_asking = true;
    reader->start_op = (struct client_offsets_op){
        .done = on_ends, .cluster = reader->cluster, .timeout_ms = timeout_ms(reader)};
    client_offsets_list(&reader->start_op, reader->questions, reader->questions_count,
                        reader->shared->workload->isolation == LOAD_READ_COMMITTED);
}

bool load_reader_is_at_end(struct load_reader *reader)
{
    if (reader->state == LOAD_READER_BROKEN)
        return true;
    if (reader->state != LOAD_READER_READY || !reader->knows_ends || reader->is_leaving)
        return false;
    for (int32_t i = 0; i < reader->partitions_count; i++) {
        const struct load_reader_partition *at = &reader->partitions[i];
        if (at->is_fetching && at->end_offset >= 0 &&
            client_fetcher_position(reader->fetcher, reader->topic, i, NULL, NULL, NULL) <
                at->end_offset)
            return false;
    }
    return true;
}

/* ---- commits */

uint32_t load_reader_positions(struct load_reader *reader, struct client_group_offset *out)
{
    uint32_t count = 0;

    for (int32_t i = 0; i < reader->partitions_count; i++) {
        int32_t epoch = -1;
        int64_t offset;
        if (!reader->partitions[i].is_fetching)
            continue;
        offset = client_fetcher_position(reader->fetcher, reader->topic, i, NULL, NULL, &epoch);
        if (offset >= 0)
            out[count++] = (struct client_group_offset){.topic = reader->topic,
                                                        .partition = i,
                                                        .offset = offset,
                                                        .leader_epoch = epoch,
                                                        .metadata = ""};
    }
    return count;
}

/* While a group moves on, commits of its members are refused: what they read is read again. */
static bool is_refused(int16_t error_code)
{
    return error_code != KAFKA_NONE && error_code != KAFKA_REBALANCE_IN_PROGRESS &&
           error_code != KAFKA_ILLEGAL_GENERATION && error_code != KAFKA_UNKNOWN_MEMBER_ID;
}

static void on_commit_done(struct client_offsets_op *op, enum err err)
{
    struct load_reader *reader = container_of(op, struct load_reader, commit_op);

    reader->is_committing = false;
    if (err != OK)
        cannot(reader, "a commit", err, KAFKA_NONE);
    for (uint32_t i = 0; err == OK && i < reader->commits_count; i++)
        if (is_refused(reader->commit_errors[i])) {
            cannot(reader, "a commit", ERR_IO, reader->commit_errors[i]);
            break;
        }
    if (reader->state == LOAD_READER_CLOSING)
        load_reader_offsets_done(reader);
    else if (reader->is_leaving)
        load_reader_leave_done(reader);
}

void load_reader_offsets_commit(struct load_reader *reader)
{
    uint32_t count;

    if (reader->is_committing || reader->member == NULL)
        return; /* what is under way is of a moment ago: nothing was read since, when it leaves */
    count = load_reader_positions(reader, reader->commits);
    if (count == 0 || reader->shared->workload->commit_interval_ns == 0) {
        load_reader_leave_done(reader);
        return;
    }
    reader->identity = client_member_identity(reader->member);
    snprintf(reader->member_id, sizeof(reader->member_id), "%s", reader->identity.member_id);
    reader->identity.member_id = reader->member_id;
    reader->identity.group_id = reader->group_id;
    reader->is_committing = true;
    reader->commit_op = (struct client_offsets_op){
        .done = on_commit_done, .cluster = reader->cluster, .timeout_ms = timeout_ms(reader)};
    reader->commits_count = count;
    client_offsets_commit(&reader->commit_op, &reader->identity, reader->commits, count,
                          reader->commit_errors);
}

void load_reader_offsets_leave(struct load_reader *reader)
{
    for (int32_t i = 0; i < reader->partitions_count; i++) {
        struct load_reader_partition *at = &reader->partitions[i];
        if (!at->is_leaving)
            continue;
        if (at->is_fetching)
            client_fetcher_unassign(reader->fetcher, reader->topic, i);
        *at = (struct load_reader_partition){.end_offset = -1};
    }
}

void load_reader_offsets_turn(struct load_reader *reader, uint64_t now_ns)
{
    uint64_t interval_ns = reader->shared->workload->commit_interval_ns;

    if (reader->state != LOAD_READER_READY)
        return;
    if (reader->group_id[0] != '\0' && reader->take == NULL && interval_ns > 0 &&
        !reader->is_leaving) {
        if (reader->commit_at_ns == 0)
            reader->commit_at_ns = now_ns + interval_ns;
        if (now_ns >= reader->commit_at_ns && !reader->is_committing &&
            client_member_is_stable(reader->member)) {
            reader->commit_at_ns = now_ns + interval_ns;
            load_reader_offsets_commit(reader);
        }
    }
    if (load_shared_phase(reader->shared) >= LOAD_PHASE_READ && !reader->asked_ends &&
        !reader->is_asking)
        ask_ends(reader);
}
