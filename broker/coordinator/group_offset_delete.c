/* OffsetDelete: offsets that somebody wants to be gone; answered when they are (KIP-496). */
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_removal.h"
#include "broker/coordinator/group_subscription.h"
#include "broker/request.h"
#include "net/protocol/msg_offset_delete.h"

#include <string.h>

static int16_t check_deletion(struct group_coordinator *groups,
                              const struct offset_delete_request *body, struct group **group_out)
{
    int32_t index;
    int16_t error_code = coordinator_check(groups, body->group_id, &index);
    struct group *group = coordinator_find(groups, body->group_id);

    *group_out = group;
    if (error_code != KAFKA_NONE)
        return error_code;
    if (group == NULL || group->state == GROUP_DEAD)
        return KAFKA_GROUP_ID_NOT_FOUND;
    if (group->state != GROUP_EMPTY && !group_is_of_consumers(group))
        return KAFKA_NON_EMPTY_GROUP; /* nobody knows what it reads */
    return KAFKA_NONE;
}

enum { TOMBSTONE_BYTES = 64 }; /* with its place in the removal, but for the texts */

/* ERR_FULL: the groups' budget has no room for it.  ERR_NOMEM. */
static enum err add(struct group_removal *removal, struct group *group, struct group_offset *offset)
{
    uint64_t bytes = TOMBSTONE_BYTES + group->id_bytes + offset->of->name_bytes;

    if (!budget_take(group->budget, bytes))
        return ERR_FULL;
    group_removal_charge(removal, bytes);
    return group_removal_add(removal, offset);
}

/* Each of them once, however often it is named.  Errors as add: not all of them could be added. */
static enum err delete_offsets(struct group_removal *removal, struct group *group,
                               const struct offset_delete_request *body,
                               struct offset_delete_response *response)
{
    struct group_subscription subscription;
    uint64_t naming = group_begin_naming(group->coordinator);
    enum err err = OK;

    group_subscription_init(&subscription, group, prng_u64(&group->coordinator->shard->prng));
    for (int32_t t = 0; t < body->topics.count; t++) {
        const struct offset_delete_request_topic *asked = &body->topics.items[t];
        struct offset_delete_response_topic *out = &response->topics.items[t];
        char name[256] = "";
        const struct offset_topic *topic;
        bool is_subscribed;
        if (asked->name.size_bytes < (int32_t)sizeof(name))
            memcpy(name, asked->name.text, (size_t)asked->name.size_bytes);
        topic = offset_topic_find(group->coordinator, name);
        is_subscribed = group_subscription_has(&subscription, name);
        for (int32_t p = 0; p < asked->partitions.count && err == OK; p++) {
            struct group_offset *offset =
                group_find_entry(group, topic, asked->partitions.items[p].partition_index);
            if (out->partitions.items[p].error_code != KAFKA_NONE)
                continue;
            if (is_subscribed)
                out->partitions.items[p].error_code = KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
            else if (offset != NULL && group_offset_is_there(offset) &&
                     group_name_offset(offset, naming))
                err = add(removal, group, offset);
        }
    }
    group_subscription_deinit(&subscription);
    return err;
}

static void on_deleted(void *context, int16_t error_code)
{
    struct request *request = context;
    struct offset_delete_response *response = request->response;

    response->error_code = error_code;
    request_answer(request);
}

/* Nobody takes the answer, or the broker waits no longer: the removal goes on without us. */
static void on_cancel(struct request *request, enum request_cancel why)
{
    if (why == REQUEST_STOPPING)
        return;
    group_removal_forget(request->cancel_context);
    on_deleted(request, KAFKA_COORDINATOR_NOT_AVAILABLE);
}

void group_offset_delete(struct group_coordinator *groups, struct request *request)
{
    struct offset_delete_response *response = request->response;
    struct group_removal *removal = NULL;
    struct group *group;

    response->error_code = check_deletion(groups, request->body, &group);
    if (response->error_code == KAFKA_NONE) {
        enum err err = group_removal_begin(group, &removal);
        if (err == OK) {
            err = delete_offsets(removal, group, request->body, response);
            if (err != OK)
                group_removal_drop(removal);
        }
        response->error_code = coordinator_begin_error(err);
    }
    if (response->error_code != KAFKA_NONE) {
        response->topics.count = 0;
        request_answer(request);
        return;
    }
    request_on_cancel(request, on_cancel, removal);
    group_removal_start(removal, on_deleted, request);
}
