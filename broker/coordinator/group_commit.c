/* OffsetCommit: who may commit, the records, the answer when they are durable (G2, G3). */
#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/metadata/image.h"
#include "broker/topic_ref.h"
#include "net/protocol/msg_offset_commit.h"

#include <string.h>

typedef struct offset_commit_request_partition asked_partition;
typedef struct offset_commit_response_partition answered_partition;

struct commit_write {
    struct state_write write;
    struct request *request;
    struct group *group;
    const char *const *names; /* of the topics, by index; the request's memory */
    int64_t now_ms;
    int64_t expire_ms;
};

static int16_t check_member(struct group_coordinator *groups, struct request *request,
                            struct group **group_out)
{
    const struct offset_commit_request *body = request->body;
    int32_t generation = body->generation_id_or_member_epoch;
    struct group *group = coordinator_find(groups, body->group_id);
    struct group_member *member;
    int16_t error_code;

    *group_out = group;
    if (group == NULL) {
        if (generation >= 0)
            return request->api_version >= 9 ? KAFKA_GROUP_ID_NOT_FOUND : KAFKA_ILLEGAL_GENERATION;
        *group_out = coordinator_get(groups, body->group_id);
        return KAFKA_NONE;
    }
    if (generation < 0 && group->state == GROUP_EMPTY)
        return KAFKA_NONE; /* nobody is a member: whoever asks keeps its offsets here */
    error_code = group_identify(group, body->member_id, body->group_instance_id, &member);
    if (error_code != KAFKA_NONE)
        return error_code;
    if (generation != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    if (group->state == GROUP_COMPLETING)
        return KAFKA_REBALANCE_IN_PROGRESS;
    if (member->join == NULL && member->sync == NULL)
        group_touch(member); /* a commit is a sign of life */
    return KAFKA_NONE;
}

static void apply(struct commit_write *commit, enum err err)
{
    const struct offset_commit_request *body = commit->request->body;
    struct offset_commit_response *response = commit->request->response;

    for (int32_t t = 0; t < body->topics.count; t++)
        for (int32_t p = 0; p < body->topics.items[t].partitions.count; p++) {
            const asked_partition *asked = &body->topics.items[t].partitions.items[p];
            answered_partition *answer = &response->topics.items[t].partitions.items[p];
            if (answer->error_code != KAFKA_NONE)
                continue;
            answer->error_code = coordinator_write_error(err);
            if (err == OK)
                group_set_offset(commit->group, commit->names[t], asked->partition_index,
                                 asked->committed_offset, asked->committed_leader_epoch,
                                 asked->committed_metadata, commit->now_ms, commit->expire_ms);
        }
}

static void on_recorded(struct state_write *write, enum err err)
{
    struct commit_write *commit = container_of(write, struct commit_write, write);
    struct request *request = commit->request;

    apply(commit, err);
    commit->group->writes--;
    coordinator_drop_if_idle(commit->group);
    state_write_deinit(write);
    mem_free(commit);
    request_answer(request);
}

static int16_t check_partition(const struct group_coordinator *groups,
                               const struct image_topic *topic, const asked_partition *asked)
{
    if (!topic_ref_has(topic, asked->partition_index))
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (asked->committed_metadata.size_bytes > coordinator_i64(groups, "offset.metadata.max.bytes"))
        return KAFKA_OFFSET_METADATA_TOO_LARGE;
    return KAFKA_NONE;
}

/* Answers for every partition, those that are refused already with their error. */
static void prepare_answers(struct group_coordinator *groups, struct request *request,
                            int16_t error_code, const char **names)
{
    const struct offset_commit_request *body = request->body;
    struct offset_commit_response *response = request->response;

    response->topics.items =
        request_new_array(request, &offset_commit_response_topic_struct, body->topics.count);
    response->topics.count = body->topics.count;
    for (int32_t t = 0; t < body->topics.count; t++) {
        const struct offset_commit_request_topic *asked = &body->topics.items[t];
        struct offset_commit_response_topic *out = &response->topics.items[t];
        int16_t topic_error;
        const struct image_topic *topic =
            topic_ref_find(groups->shard->image, request->api_version >= 10, asked->name,
                           &asked->topic_id, &topic_error);
        out->name = asked->name;
        out->topic_id = asked->topic_id;
        out->partitions.items = request_new_array(request, &offset_commit_response_partition_struct,
                                                  asked->partitions.count);
        out->partitions.count = asked->partitions.count;
        names[t] = topic == NULL ? NULL : request_text(request, wire_string(topic->name));
        for (int32_t p = 0; p < asked->partitions.count; p++) {
            out->partitions.items[p].partition_index = asked->partitions.items[p].partition_index;
            out->partitions.items[p].error_code =
                error_code != KAFKA_NONE ? error_code
                : topic_error != KAFKA_NONE
                    ? topic_error
                    : check_partition(groups, topic, &asked->partitions.items[p]);
        }
    }
}

void group_offset_commit(struct group_coordinator *groups, struct request *request)
{
    const struct offset_commit_request *body = request->body;
    const struct offset_commit_response *response = request->response;
    const char **names = request_alloc(request, (size_t)body->topics.count, sizeof(*names));
    struct commit_write *commit;
    struct group *group = NULL;
    int32_t index;
    int16_t error_code = coordinator_check(groups, body->group_id, &index);

    if (error_code == KAFKA_NONE)
        error_code = check_member(groups, request, &group);
    prepare_answers(groups, request, error_code, names);
    if (error_code != KAFKA_NONE) {
        request_answer(request);
        return;
    }
    commit = mem_alloc(sizeof(*commit));
    commit->request = request;
    commit->group = group;
    commit->names = names;
    commit->now_ms = clock_wall_ms(groups->shard->clock);
    commit->expire_ms =
        body->retention_time_ms >= 0 ? commit->now_ms + body->retention_time_ms : -1;
    if (!coordinator_write_init(group, &commit->write, on_recorded)) {
        mem_free(commit);
        prepare_answers(groups, request, KAFKA_NOT_COORDINATOR, names);
        request_answer(request);
        return;
    }
    group->writes++;
    for (int32_t t = 0; t < body->topics.count; t++)
        for (int32_t p = 0; p < body->topics.items[t].partitions.count; p++) {
            const asked_partition *asked = &body->topics.items[t].partitions.items[p];
            if (response->topics.items[t].partitions.items[p].error_code == KAFKA_NONE)
                group_write_offset(group, &commit->write, names[t], asked->partition_index,
                                   asked->committed_offset, asked->committed_leader_epoch,
                                   asked->committed_metadata, commit->now_ms, commit->expire_ms);
        }
    state_write_start(&commit->write);
}
