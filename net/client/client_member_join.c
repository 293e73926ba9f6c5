/* _join: FindCoordinator -> send_join -> on_joined -> the leader's work (client_leader.c), or
 * nothing -> send_sync -> on_synced -> client_member_take_assignment.  What fails on the way ends
 * in _join_later, with whatever is left of the membership. */
#include "base/mem.h"
#include "net/client/client_member_private.h"
#include "net/client/client_subscription.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"

#include <string.h>

enum { JOIN_LAPSE_MS = 5000 }; /* Kafka's JOIN_GROUP_TIMEOUT_LAPSE */

#define PROTOCOL_TYPE "consumer"

void client_member_join_later(struct client_member *member)
{
    member->state = CLIENT_MEMBER_LOST;
    loop_set_timer_ms(member->env->loop, &member->retry,
                      client_cluster_backoff_ms(member->cluster, member->attempt++));
}

bool client_member_forgets_coordinator(struct client_member *member, int16_t error_code)
{
    if (error_code != KAFKA_NOT_COORDINATOR && error_code != KAFKA_COORDINATOR_NOT_AVAILABLE)
        return false;
    client_cluster_forget_coordinator(member->cluster, CLIENT_COORDINATOR_GROUP, member->group_id);
    return true;
}

static void fail_call(struct client_member *member, enum err err)
{
    if (err == ERR_UNSUPPORTED) {
        client_member_end(member, KAFKA_UNSUPPORTED_VERSION, err);
        return;
    }
    client_cluster_forget_coordinator(member->cluster, CLIENT_COORDINATOR_GROUP, member->group_id);
    if (loop_now_ns(member->env->loop) >=
        clock_deadline_ns(member->alive_ns, member->options.session_timeout_ms)) {
        client_member_lose(member, false); /* CMB-3 */
        return;
    }
    client_member_join_later(member);
}

/* Of JoinGroup and SyncGroup: what Kafka's AbstractCoordinator does about it. */
static void fail_with(struct client_member *member, int16_t error_code)
{
    switch (error_code) {
    case KAFKA_UNKNOWN_MEMBER_ID:
        client_member_lose(member, true);
        return;
    case KAFKA_ILLEGAL_GENERATION:
        client_member_lose(member, false);
        return;
    case KAFKA_MEMBER_ID_REQUIRED:
    case KAFKA_REBALANCE_IN_PROGRESS:
    case KAFKA_UNKNOWN_SERVER_ERROR:
        client_member_join_later(member);
        return;
    default:
        if (!client_member_forgets_coordinator(member, error_code) &&
            !kafka_error_is_retriable(error_code))
            client_member_end(member, error_code, ERR_REFUSED);
        else
            client_member_join_later(member);
    }
}

static enum err start_call(struct client_member *member, int16_t key, const void *request,
                           void (*done)(struct client_call *, enum err, const void *))
{
    struct client_broker *broker =
        client_cluster_coordinator(member->cluster, CLIENT_COORDINATOR_GROUP, member->group_id);
    uint32_t timeout_ms = client_cluster_options(member->cluster)->request_timeout_ms;
    enum err err;

    if (timeout_ms < member->options.rebalance_timeout_ms + JOIN_LAPSE_MS)
        timeout_ms = member->options.rebalance_timeout_ms + JOIN_LAPSE_MS;
    member->call = (struct client_call){.key = key,
                                        .max_version = INT16_MAX,
                                        .timeout_ms = timeout_ms,
                                        .fails_with_connection = true,
                                        .request = request,
                                        .done = done};
    err = broker == NULL ? ERR_REFUSED : client_broker_call(broker, &member->call);
    member->is_calling = err == OK;
    return err;
}

/* ---- SyncGroup */

/* member->next: the partitions that the bytes name, of topics subscribed to. */
static enum err read_assignment(struct client_member *member, struct wire_bytes bytes)
{
    struct consumer_protocol_assignment assignment;
    size_t total = 0;
    enum err err = client_subscription_decode_assignment(bytes, &member->arena, &assignment);

    if (err != OK)
        return err;
    for (int32_t t = 0; t < assignment.assigned_partitions.count; t++)
        total += (size_t)assignment.assigned_partitions.items[t].partitions.count;
    mem_free(member->next.items);
    member->next.count = 0;
    member->next.items = mem_try_alloc(total * sizeof(*member->next.items));
    if (member->next.items == NULL)
        return ERR_NOMEM;
    for (int32_t t = 0; t < assignment.assigned_partitions.count; t++) {
        const struct consumer_protocol_assignment_topic_partition *of =
            &assignment.assigned_partitions.items[t];
        struct client_topic *topic = NULL;
        for (uint32_t i = 0; topic == NULL && i < member->topics_count; i++)
            if (wire_string_is(of->topic, member->topics[i]->name))
                topic = member->topics[i];
        for (int32_t p = 0; topic != NULL && p < of->partitions.count; p++)
            member->next.items[member->next.count++] =
                (struct client_member_partition){topic, of->partitions.items[p]};
    }
    client_member_sort(&member->next);
    return OK;
}

static void on_synced(struct client_call *call, enum err err, const void *answer)
{
    struct client_member *member = container_of(call, struct client_member, call);
    const struct sync_group_response *response = answer;

    member->is_calling = false;
    if (member->is_closing) {
        loop_defer(member->env->loop, &member->task);
    } else if (err != OK) {
        fail_call(member, err);
    } else if (response->error_code != KAFKA_NONE) {
        fail_with(member, response->error_code);
    } else {
        client_member_is_alive_since(member, call->sent_ns);
        arena_reset(&member->arena);
        err = read_assignment(member, response->assignment);
        if (err == OK)
            client_member_take_assignment(member);
        else if (err == ERR_NOMEM)
            client_member_join_later(member);
        else
            client_member_end(member, KAFKA_NONE, err);
    }
}

static void send_sync(struct client_member *member,
                      const struct sync_group_request_assignment *assignments, int32_t count)
{
    struct sync_group_request *request = &member->request.sync;
    enum err err;

    codec_set_defaults(&sync_group_request_desc, request);
    request->group_id = wire_string(member->group_id);
    request->generation_id = member->generation;
    request->member_id = wire_string(member->member_id);
    request->group_instance_id = wire_string(member->instance_id);
    request->protocol_type = wire_string(PROTOCOL_TYPE);
    request->protocol_name = wire_string(client_assignor_name(member->options.assignor));
    request->assignments.items = (struct sync_group_request_assignment *)(uintptr_t)assignments;
    request->assignments.count = count;
    err = start_call(member, API_SYNC_GROUP, request, on_synced);
    if (err != OK)
        client_member_join_later(member);
}

static void on_led(struct client_leader *leader, enum err err)
{
    struct client_member *member = container_of(leader, struct client_member, leader);

    member->is_leading = false;
    if (member->is_closing)
        loop_defer(member->env->loop, &member->task);
    else if (err == OK)
        send_sync(member, leader->assignments, leader->assignments_count);
    else if (err == ERR_NOMEM)
        client_member_join_later(member);
    else
        client_member_end(member, KAFKA_NONE, err);
}

/* ---- JoinGroup */

static void take_joined(struct client_member *member, const struct join_group_response *response)
{
    const char *name = client_assignor_name(member->options.assignor);

    if (response->protocol_name.text != NULL && !wire_string_is(response->protocol_name, name)) {
        client_member_end(member, KAFKA_INCONSISTENT_GROUP_PROTOCOL, ERR_REFUSED);
        return;
    }
    if (!client_member_set_id(member, response->member_id.text,
                              (size_t)response->member_id.size_bytes)) {
        client_member_join_later(member);
        return;
    }
    member->generation = response->generation_id;
    member->leads = wire_string_is(response->leader, member->member_id);
    if (member->leads && !response->skip_assignment) { /* KIP-814 */
        member->is_leading = true;
        client_leader_begin(&member->leader, response);
        return;
    }
    client_leader_forget(&member->leader);
    send_sync(member, NULL, 0);
}

static void on_joined(struct client_call *call, enum err err, const void *answer)
{
    struct client_member *member = container_of(call, struct client_member, call);
    const struct join_group_response *response = answer;

    member->is_calling = false;
    if (member->is_closing) {
        loop_defer(member->env->loop, &member->task);
    } else if (err != OK) {
        fail_call(member, err);
    } else if (response->error_code == KAFKA_MEMBER_ID_REQUIRED) { /* KIP-394 */
        if (client_member_set_id(member, response->member_id.text,
                                 (size_t)response->member_id.size_bytes))
            client_member_join(member);
        else
            client_member_join_later(member);
    } else if (response->error_code != KAFKA_NONE) {
        fail_with(member, response->error_code);
    } else {
        client_member_is_alive_since(member, loop_now_ns(member->env->loop));
        take_joined(member, response);
    }
}

static enum err fill_join(struct client_member *member)
{
    struct join_group_request *request = &member->request.join;
    bool is_cooperative = client_assignor_is_cooperative(member->options.assignor);

    arena_reset(&member->arena);
    codec_set_defaults(&join_group_request_desc, request);
    request->group_id = wire_string(member->group_id);
    request->session_timeout_ms = (int32_t)member->options.session_timeout_ms;
    request->rebalance_timeout_ms = (int32_t)member->options.rebalance_timeout_ms;
    request->member_id = wire_string(member->member_id);
    request->group_instance_id = wire_string(member->instance_id);
    request->protocol_type = wire_string(PROTOCOL_TYPE);
    request->protocols.items =
        codec_new_array(&join_group_request_protocol_struct, &member->arena, 1);
    if (request->protocols.items == NULL)
        return ERR_NOMEM;
    request->protocols.count = 1;
    request->protocols.items[0].name = wire_string(client_assignor_name(member->options.assignor));
    return client_subscription_encode(
        member->topics, member->topics_count, member->owned.items, member->owned.count,
        member->generation < 0 ? -1 : member->identity_generation, is_cooperative, &member->arena,
        &request->protocols.items[0].metadata);
}

static void on_found(struct client_wait *wait, enum err err)
{
    struct client_member *member = container_of(wait, struct client_member, wait);

    member->is_finding = false;
    if (member->is_closing)
        loop_defer(member->env->loop, &member->task);
    else if (err == ERR_PERMISSION || err == ERR_INVALID)
        client_member_end(member, wait->kafka_error, err);
    else if (err == OK)
        client_member_join(member);
    else
        fail_call(member, err);
}

void client_member_join_init(struct client_member *member)
{
    client_leader_init(&member->leader, member->cluster, member->options.assignor, on_led);
}

void client_member_join(struct client_member *member)
{
    enum err err;

    member->state = CLIENT_MEMBER_JOINING;
    if (member->is_beating) /* it reads identity_id, which goes with the next assignment (CAL-2) */
        client_broker_cancel(&member->beat);
    if (member->is_finding) /* for a heartbeat: its end goes on */
        return;
    if (client_cluster_coordinator(member->cluster, CLIENT_COORDINATOR_GROUP, member->group_id) ==
        NULL) {
        member->is_finding = true;
        member->wait = (struct client_wait){.done = on_found};
        client_cluster_find_coordinator(
            member->cluster, &member->wait, CLIENT_COORDINATOR_GROUP, member->group_id,
            client_cluster_options(member->cluster)->request_timeout_ms);
        return;
    }
    err = fill_join(member);
    if (err == OK)
        err = start_call(member, API_JOIN_GROUP, &member->request.join, on_joined);
    if (err != OK)
        client_member_join_later(member);
}
