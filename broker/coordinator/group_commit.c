/* Who may commit → the records → durable and applied → the answer. */
#include "broker/coordinator/group_commit.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_expiry.h"
#include "broker/coordinator/group_join.h"
#include "broker/coordinator/group_pending_offsets.h"
#include "broker/coordinator/group_rebalance.h"
#include "broker/coordinator/group_records.h"
#include "broker/coordinator/group_removal.h"
#include "broker/metadata/image.h"
#include "broker/request.h"
#include "broker/topic_ref.h"

#include <string.h>

typedef struct offset_commit_request_partition asked_partition;
typedef struct offset_commit_response_partition answered_partition;

/* One offset on its way into the log; of its own, because the request may be answered before. */
struct committed {
    struct group_commit_place place;
    const asked_partition *asked; /* while it is taken */
};

struct commit_write {
    struct group_write write;
    struct timer deadline;        /* offsets.commit.timeout.ms */
    struct group_commit_ask *ask; /* NULL: answered at the deadline */
    bool is_transactional;
    int64_t producer_id;
    uint64_t counted_bytes; /* of the groups' budget, until it is done */
    uint64_t growth_bytes;  /* by which its group holds more afterwards */
    int64_t now_ms;
    int64_t expire_ms;
    struct committed *offsets; /* each partition once */
    uint32_t count;
    uint32_t room_count;
};

/* ---- who may */

/* A group that there is.  (Kafka's ClassicGroup.validateOffsetCommit.) */
static int16_t check_in_group(struct group *group, const struct group_commit_ask *ask)
{
    const struct offset_commit_request *body = ask->body;
    int32_t generation = body->generation_id_or_member_epoch;
    struct group_member *member;
    int16_t error_code;

    if (group->removal != NULL)
        return KAFKA_COORDINATOR_LOAD_IN_PROGRESS; /* soon it will be another group */
    if (generation < 0 && group->state == GROUP_EMPTY)
        return KAFKA_NONE; /* nobody is a member: whoever asks keeps its offsets here */
    if (ask->is_transactional && generation < 0 && body->member_id.size_bytes <= 0 &&
        body->group_instance_id.text == NULL)
        return KAFKA_NONE; /* versions below 3 cannot say who they are */
    error_code = group_identify(group, body->member_id, body->group_instance_id, &member);
    if (error_code != KAFKA_NONE)
        return error_code;
    if (generation != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    if (ask->is_transactional)
        return KAFKA_NONE;
    if (group->state == GROUP_COMPLETING)
        return KAFKA_REBALANCE_IN_PROGRESS;
    if (member->join == NULL && member->sync == NULL)
        group_touch(member); /* a commit is a sign of life */
    return KAFKA_NONE;
}

static int16_t check_member(struct group_coordinator *groups, const struct group_commit_ask *ask,
                            struct group **group_out)
{
    const struct offset_commit_request *body = ask->body;
    struct group *group = coordinator_find(groups, body->group_id);

    *group_out = group;
    if (group != NULL)
        return check_in_group(group, ask);
    if (body->generation_id_or_member_epoch >= 0)
        return ask->hears_no_group ? KAFKA_GROUP_ID_NOT_FOUND : KAFKA_ILLEGAL_GENERATION;
    *group_out = coordinator_get(groups, body->group_id);
    return *group_out == NULL ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS : KAFKA_NONE;
}

/* ---- the end of it */

void group_commit_refuse(struct group_commit_ask *ask, int16_t error_code)
{
    struct offset_commit_response *response = ask->response;

    for (int32_t t = 0; t < response->topics.count; t++)
        for (int32_t p = 0; p < response->topics.items[t].partitions.count; p++) {
            answered_partition *out = &response->topics.items[t].partitions.items[p];
            if (out->error_code == KAFKA_NONE)
                out->error_code = error_code;
        }
    ask->answer(ask);
}

/* What the log says of a write. */
static int16_t error_of(enum err err)
{
    switch (err) {
    case ERR_PRODUCER_EPOCH:
        return KAFKA_INVALID_PRODUCER_EPOCH;
    case ERR_TXN_STATE:
        return KAFKA_INVALID_TXN_STATE;
    default:
        return coordinator_write_error(err);
    }
}

/* The device is slow: the client hears that it does not know, the commit may still come (DUR-G3).
 */
static void on_deadline(struct timer *timer)
{
    struct commit_write *commit = container_of(timer, struct commit_write, deadline);
    struct group_commit_ask *ask = commit->ask;

    commit->ask = NULL;
    group_commit_refuse(ask, KAFKA_COORDINATOR_NOT_AVAILABLE);
}

static void free_commit(struct commit_write *commit)
{
    budget_give(commit->write.group->budget, commit->counted_bytes);
    for (uint32_t i = 0; i < commit->count; i++)
        mem_free(commit->offsets[i].place.metadata.bytes);
    mem_free(commit->offsets);
    group_write_end(&commit->write);
    mem_free(commit);
}

/* Topics that were deleted meanwhile: what was just recorded goes, too. */
static void forget_vanished(struct commit_write *commit)
{
    struct group_removal *removal = NULL;

    for (uint32_t i = 0; i < commit->count; i++)
        group_forget_vanished(commit->offsets[i].place.entry, &removal);
    if (removal != NULL)
        group_removal_start(removal, NULL, NULL);
}

static void end_offsets(struct commit_write *commit)
{
    for (uint32_t i = 0; i < commit->count; i++) {
        struct group_commit_place *place = &commit->offsets[i].place;
        if (place->pending != NULL)
            group_pending_offset_cancel(place->pending); /* it was not recorded */
        group_end_offset(place->entry);
    }
}

struct group_commit_place *group_commit_place(struct runtime_write *records, uint32_t index)
{
    struct group_write *write = container_of(records, struct group_write, records);
    struct commit_write *commit = container_of(write, struct commit_write, write);

    return &commit->offsets[index].place;
}

static void on_recorded(struct group_write *write, enum err err)
{
    struct commit_write *commit = container_of(write, struct commit_write, write);
    struct group *group = write->group;
    struct group_coordinator *groups = group->coordinator;
    struct group_commit_ask *ask = commit->ask;

    loop_cancel_timer(&groups->shard->loop, &commit->deadline);
    end_offsets(commit);
    if (err == OK)
        forget_vanished(commit);
    free_commit(commit);
    coordinator_drop_if_idle(group);
    if (ask != NULL && !groups->closing)
        group_commit_refuse(ask, error_of(err));
}

/* ---- what is asked for */

static int16_t check_partition(const struct image_topic *topic, const asked_partition *asked,
                               int64_t metadata_max_bytes)
{
    if (!topic_ref_has(topic, asked->partition_index))
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (asked->committed_metadata.size_bytes > metadata_max_bytes)
        return KAFKA_OFFSET_METADATA_TOO_LARGE;
    return KAFKA_NONE;
}

/* False: there is no memory. */
static bool make_answers(struct group_commit_ask *ask)
{
    const struct offset_commit_request *body = ask->body;
    struct offset_commit_response *response = ask->response;
    struct request *request = ask->request;

    ask->topics =
        request_try_alloc(request, (size_t)body->topics.count, sizeof(const struct image_topic *));
    response->topics.items =
        request_try_array(request, &offset_commit_response_topic_struct, body->topics.count);
    if (ask->topics == NULL || response->topics.items == NULL)
        return false;
    response->topics.count = body->topics.count;
    for (int32_t t = 0; t < body->topics.count; t++) {
        const struct offset_commit_request_topic *asked = &body->topics.items[t];
        struct offset_commit_response_topic *out = &response->topics.items[t];
        out->name = asked->name;
        out->topic_id = asked->topic_id;
        out->partitions.items = request_try_array(request, &offset_commit_response_partition_struct,
                                                  asked->partitions.count);
        if (out->partitions.items == NULL)
            return false;
        out->partitions.count = asked->partitions.count;
        for (int32_t p = 0; p < asked->partitions.count; p++)
            out->partitions.items[p].partition_index = asked->partitions.items[p].partition_index;
    }
    return true;
}

bool group_commit_judge(struct group_coordinator *groups, struct group_commit_ask *ask)
{
    const struct offset_commit_request *body = ask->body;
    int64_t metadata_max_bytes = coordinator_config(groups)->offset_metadata_max_bytes;

    if (ask->topics == NULL && !make_answers(ask))
        return false;
    ask->accepted_count = 0;
    for (int32_t t = 0; t < body->topics.count; t++) {
        const struct offset_commit_request_topic *asked = &body->topics.items[t];
        int16_t topic_error;
        ask->topics[t] = topic_ref_find(groups->shard->image, ask->by_id, asked->name,
                                        &asked->topic_id, &topic_error);
        if (ask->topic_errors != NULL && ask->topic_errors[t] != KAFKA_NONE)
            topic_error = ask->topic_errors[t];
        for (int32_t p = 0; p < asked->partitions.count; p++) {
            answered_partition *answered = &ask->response->topics.items[t].partitions.items[p];
            answered->error_code =
                topic_error != KAFKA_NONE
                    ? topic_error
                    : check_partition(ask->topics[t], &asked->partitions.items[p],
                                      metadata_max_bytes);
            ask->accepted_count += answered->error_code == KAFKA_NONE;
        }
    }
    return true;
}

/* ---- what is committed: each partition once, with what was said last of it; then the records */

enum { OFFSET_BYTES = 512 }; /* of a committed offset, and of its record, but for the texts */

static uint64_t bytes_of(const asked_partition *asked)
{
    int32_t metadata_bytes = asked->committed_metadata.size_bytes;

    return OFFSET_BYTES + (metadata_bytes > 0 ? 2 * (uint64_t)metadata_bytes : 0);
}

/* The same of one that is there. */
static uint64_t held_bytes(const struct commit_write *commit, const struct group_offset *entry)
{
    const struct pending_offset *staged;

    if (commit->is_transactional) {
        staged =
            group_pending_offset_find(entry, entry->group->partition_index, commit->producer_id);
        return staged == NULL ? 0 : OFFSET_BYTES + 2 * (uint64_t)staged->value.metadata.size_bytes;
    }
    if (!entry->is_recorded)
        return 0;
    return OFFSET_BYTES + 2 * (uint64_t)entry->value.metadata.size_bytes;
}

static bool may_grow(struct commit_write *commit, uint64_t had_bytes, uint64_t bytes)
{
    if (bytes <= had_bytes)
        return true;
    commit->growth_bytes += bytes - had_bytes;
    return coordinator_admit_offsets(commit->write.group->coordinator, commit->growth_bytes);
}

/* Room for one more.  False: there is no memory. */
static bool make_room(struct commit_write *commit)
{
    uint32_t room_count = commit->count == 0 ? 1 : commit->count * 2;
    struct committed *larger;

    if (commit->count < commit->room_count)
        return true;
    larger = mem_try_alloc(room_count * sizeof(*larger));
    if (larger == NULL)
        return false;
    if (commit->count > 0)
        memcpy(larger, commit->offsets, commit->count * sizeof(*larger));
    mem_free(commit->offsets);
    commit->offsets = larger;
    commit->room_count = room_count;
    return true;
}

/* Of a transaction.  False: there is no memory. */
static bool begin_pending(const struct commit_write *commit, struct group_offset *entry,
                          struct pending_offset **out)
{
    *out = NULL;
    if (!commit->is_transactional)
        return true;
    *out = group_pending_offset_begin(entry, commit->write.group->partition_index,
                                      commit->producer_id);
    return *out != NULL;
}

/* False: the group may not grow so much, or there is no memory. */
static bool name_one(struct commit_write *commit, const struct image_topic *topic,
                     const asked_partition *asked, uint64_t naming)
{
    struct group *group = commit->write.group;
    struct group_offset *entry = group_begin_offset(group, topic->name, asked->partition_index);
    struct pending_offset *pending;

    if (entry == NULL)
        return false;
    if (!group_name_offset(entry, naming)) {
        struct committed *named = &commit->offsets[entry->place];
        group_end_offset(entry); /* it is begun already */
        if (!may_grow(commit, bytes_of(named->asked), bytes_of(asked)))
            return false;
        named->asked = asked;
        return true;
    }
    if (!make_room(commit) || !may_grow(commit, held_bytes(commit, entry), bytes_of(asked)) ||
        !begin_pending(commit, entry, &pending)) {
        group_end_offset(entry);
        return false;
    }
    entry->place = commit->count++;
    commit->offsets[entry->place] = (struct committed){
        .place = {.entry = entry, .topic_id = topic->id, .pending = pending}, .asked = asked};
    return true;
}

/* What was not refused before.  Errors as name_one. */
static bool name_all(struct commit_write *commit)
{
    const struct offset_commit_request *body = commit->ask->body;
    const struct offset_commit_response *response = commit->ask->response;
    uint64_t naming = group_begin_naming(commit->write.group->coordinator);

    for (int32_t t = 0; t < body->topics.count; t++)
        for (int32_t p = 0; p < body->topics.items[t].partitions.count; p++)
            if (response->topics.items[t].partitions.items[p].error_code == KAFKA_NONE &&
                !name_one(commit, commit->ask->topics[t],
                          &body->topics.items[t].partitions.items[p], naming))
                return false;
    return true;
}

/* False: there is no memory for it. */
static bool write_one(struct commit_write *commit, struct committed *out)
{
    const asked_partition *asked = out->asked;
    struct wire_string metadata = asked->committed_metadata;

    out->asked = NULL; /* the request may be answered before */
    if (!group_bytes_copy((const uint8_t *)metadata.text, metadata.size_bytes,
                          &out->place.metadata))
        return false;
    group_records_offset(&commit->write, out->place.entry->topic, &out->place.topic_id,
                         asked->partition_index, asked->committed_offset,
                         commit->expire_ms >= 0 ? -1 : asked->committed_leader_epoch, metadata,
                         commit->now_ms, commit->expire_ms);
    return true;
}

/* False: the groups' budget has no room for what is under way, or there is no memory. */
static bool write_all(struct commit_write *commit)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < commit->count; i++)
        bytes += bytes_of(commit->offsets[i].asked);
    if (!budget_take(commit->write.group->budget, bytes))
        return false;
    commit->counted_bytes = bytes;
    for (uint32_t i = 0; i < commit->count; i++)
        if (!write_one(commit, &commit->offsets[i]))
            return false;
    return true; /* or too much for one batch, which its end says */
}

/* As if it had never begun. */
static void drop(struct commit_write *commit)
{
    end_offsets(commit);
    free_commit(commit);
}

/* KAFKA_NONE, or why it cannot begin. */
static int16_t begin(struct group *group, struct group_commit_ask *ask, struct commit_write **out)
{
    int64_t retention_ms = ask->body->retention_time_ms;
    struct group_coordinator *groups = group->coordinator;
    struct commit_write *commit = mem_try_alloc(sizeof(*commit));

    if (commit == NULL)
        return KAFKA_COORDINATOR_LOAD_IN_PROGRESS; /* the client tries again */
    if (!group_write_begin(&commit->write, group, on_recorded)) {
        mem_free(commit);
        return KAFKA_NOT_COORDINATOR;
    }
    commit->ask = ask;
    commit->is_transactional = ask->is_transactional;
    commit->producer_id = ask->producer_id;
    if (ask->is_transactional)
        runtime_write_set_transaction(&commit->write.records, ask->producer_id,
                                      ask->producer_epoch);
    commit->now_ms = clock_wall_ms(groups->shard->clock);
    commit->expire_ms = -1;
    if (retention_ms >= 0 &&
        __builtin_add_overflow(commit->now_ms, retention_ms, &commit->expire_ms))
        commit->expire_ms = INT64_MAX;
    timer_init(&commit->deadline, on_deadline);
    *out = commit;
    return KAFKA_NONE;
}

/* Of a group that it may commit to. */
static void write_commit(struct group *group, struct group_commit_ask *ask)
{
    struct group_coordinator *groups = group->coordinator;
    struct commit_write *commit;
    int16_t error_code = begin(group, ask, &commit);

    if (error_code == KAFKA_NONE && (!name_all(commit) || !write_all(commit))) {
        drop(commit);
        error_code = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    }
    if (error_code != KAFKA_NONE) {
        coordinator_drop_if_idle(group);
        group_commit_refuse(ask, error_code);
        return;
    }
    loop_set_timer_ms(&groups->shard->loop, &commit->deadline,
                      (uint64_t)coordinator_config(groups)->offsets_commit_timeout_ms);
    runtime_write_start(&commit->write.records);
}

void group_commit_start(struct group_coordinator *groups, struct group_commit_ask *ask)
{
    struct group *group = NULL;
    int32_t index;
    int16_t error_code = coordinator_check(groups, ask->body->group_id, &index);

    if (!group_commit_judge(groups, ask)) {
        request_refuse_memory(ask->request);
        return;
    }
    if (error_code == KAFKA_NONE && ask->accepted_count > 0) {
        error_code = check_member(groups, ask, &group);
        if (error_code == KAFKA_NONE) {
            write_commit(group, ask);
            return;
        }
    }
    if (group != NULL)
        coordinator_drop_if_idle(group);
    group_commit_refuse(ask, error_code);
}

/* ---- OffsetCommit */

static void answer_offset_commit(struct group_commit_ask *ask)
{
    request_answer(ask->request);
}

void group_offset_commit(struct group_coordinator *groups, struct request *request)
{
    struct group_commit_ask *ask = request_try_alloc(request, 1, sizeof(*ask));

    if (ask == NULL) {
        request_refuse_memory(request);
        return;
    }
    ask->request = request;
    ask->body = request->body;
    ask->response = request->response;
    ask->by_id = request->api_version >= 10;
    ask->hears_no_group = request->api_version >= 9;
    ask->answer = answer_offset_commit;
    group_commit_start(groups, ask);
}
