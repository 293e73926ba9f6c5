/* Where a membership goes: _join (client_member_join.c) -> _take_assignment -> STABLE, until a
 * heartbeat or news of the topics say that there is a rebalance: rejoin.  What the owner gives up
 * on the way is told by tell_revoked, and waited for in REVOKING. */
#include "net/client/client_member.h"

#include "base/mem.h"
#include "net/client/client_member_private.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES_MAX = 64 << 20, LEAVE_MS = 5000 };

struct client_member_options client_member_options_default(void)
{
    return (struct client_member_options){
        .assignor = CLIENT_ASSIGNOR_COOPERATIVE_STICKY,
        .session_timeout_ms = 45000,
        .heartbeat_ms = 3000,
        .rebalance_timeout_ms = 300000,
    };
}

/* ---- sets */

static int compare(const struct client_member_partition *a, const struct client_member_partition *b)
{
    if (a->topic->index != b->topic->index)
        return a->topic->index < b->topic->index ? -1 : 1;
    return (a->partition > b->partition) - (a->partition < b->partition);
}

static int by_partition(const void *a, const void *b)
{
    return compare(a, b);
}

void client_member_sort(struct client_member_set *set)
{
    qsort(set->items, set->count, sizeof(*set->items), by_partition);
}

/* What of set is not in other.  False: no memory. */
static bool subtract(const struct client_member_set *set, const struct client_member_set *other,
                     struct client_member_set *out)
{
    uint32_t at = 0;

    mem_free(out->items);
    out->count = 0;
    out->items = mem_try_alloc(set->count * sizeof(*out->items));
    if (out->items == NULL)
        return false;
    for (uint32_t i = 0; i < set->count; i++) {
        while (at < other->count && compare(&other->items[at], &set->items[i]) < 0)
            at++;
        if (at == other->count || compare(&other->items[at], &set->items[i]) != 0)
            out->items[out->count++] = set->items[i];
    }
    return true;
}

/* Of set, keep what is in other. */
static void keep_common(struct client_member_set *set, const struct client_member_set *other)
{
    uint32_t count = 0;
    uint32_t at = 0;

    for (uint32_t i = 0; i < set->count; i++) {
        while (at < other->count && compare(&other->items[at], &set->items[i]) < 0)
            at++;
        if (at < other->count && compare(&other->items[at], &set->items[i]) == 0)
            set->items[count++] = set->items[i];
    }
    set->count = count;
}

static void move_set(struct client_member_set *to, struct client_member_set *from)
{
    mem_free(to->items);
    *to = *from;
    *from = (struct client_member_set){0};
}

bool client_member_set_id(struct client_member *member, const char *text, size_t size_bytes)
{
    char *copy = mem_try_strndup(text, size_bytes);

    if (copy == NULL)
        return false;
    mem_free(member->member_id);
    member->member_id = copy;
    return true;
}

/* ---- events */

static bool has_generation(const struct client_member *member)
{
    return (member->state == CLIENT_MEMBER_STABLE || member->state == CLIENT_MEMBER_REVOKING) &&
           member->generation >= 0;
}

static void stop_beating(struct client_member *member)
{
    loop_cancel_timer(member->env->loop, &member->beat_timer);
    loop_cancel_timer(member->env->loop, &member->session);
}

static void wake(struct client_member *member)
{
    loop_defer(member->env->loop, &member->task);
}

/* All of it is gone (is_lost), or wanted back. */
static void tell_revoked(struct client_member *member, bool is_lost)
{
    if (member->removed.count > 0 && !member->is_closing)
        member->events->revoked(member->context, member->removed.items, member->removed.count,
                                is_lost);
}

void client_member_end(struct client_member *member, int16_t error_code, enum err err)
{
    stop_beating(member);
    loop_cancel_timer(member->env->loop, &member->retry);
    member->generation = -1;
    member->state = CLIENT_MEMBER_FATAL;
    move_set(&member->removed, &member->owned);
    tell_revoked(member, true);
    if (!member->is_closing)
        member->events->fatal(member->context, error_code, err);
}

void client_member_lose(struct client_member *member, bool forgets_id)
{
    stop_beating(member);
    member->generation = -1;
    if (forgets_id)
        member->member_id[0] = '\0';
    if (member->is_beating)
        client_broker_cancel(&member->beat);
    if (member->state == CLIENT_MEMBER_REVOKING) {
        member->was_lost = true; /* once the event that is under way is answered */
        return;
    }
    member->state = CLIENT_MEMBER_LOST;
    move_set(&member->removed, &member->owned);
    tell_revoked(member, true);
    if (member->is_closing)
        return; /* it was destroyed meanwhile: no timer of it may be left */
    if (member->attempt > 0)
        client_member_join_later(member);
    else
        wake(member);
    member->attempt++;
}

/* ---- what is owned */

static void finish_assignment(struct client_member *member)
{
    bool gave_up = member->removed.count > 0;
    struct client_member_set *added = &member->removed; /* told already */

    if (!subtract(&member->next, &member->owned, added)) {
        member->state = CLIENT_MEMBER_LOST;
        client_member_lose(member, false);
        return;
    }
    move_set(&member->owned, &member->next);
    member->state = CLIENT_MEMBER_STABLE;
    member->attempt = 0;
    member->is_outdated = gave_up; /* what was given up can go to another now (KIP-429) */
    loop_set_timer_ms(member->env->loop, &member->beat_timer, member->options.heartbeat_ms);
    client_member_is_alive_since(member, member->alive_ns);
    wake(member);
    member->events->assigned(member->context, added->items, added->count);
}

void client_member_take_assignment(struct client_member *member)
{
    char *id = mem_try_strdup(member->member_id);

    if (id == NULL || !subtract(&member->owned, &member->next, &member->removed)) {
        mem_free(id);
        client_member_join_later(member);
        return;
    }
    keep_common(&member->owned, &member->next);
    mem_free(member->identity_id);
    member->identity_id = id;
    member->identity_generation = member->generation;
    if (member->removed.count == 0) {
        finish_assignment(member);
        return;
    }
    member->state = CLIENT_MEMBER_REVOKING;
    member->joins_after_revoked = false;
    member->was_revoked = false;
    member->was_lost = false;
    loop_set_timer_ms(member->env->loop, &member->beat_timer, member->options.heartbeat_ms);
    client_member_is_alive_since(member, member->alive_ns);
    tell_revoked(member, false);
}

static void rejoin(struct client_member *member)
{
    member->is_outdated = false;
    if (client_assignor_is_cooperative(member->options.assignor) || member->owned.count == 0) {
        stop_beating(member);
        client_member_join(member);
        return;
    }
    member->state = CLIENT_MEMBER_REVOKING;
    member->joins_after_revoked = true;
    member->was_revoked = false;
    member->was_lost = false;
    move_set(&member->removed, &member->owned);
    tell_revoked(member, false);
}

static void go_on_after_revoked(struct client_member *member)
{
    member->was_revoked = false;
    if (member->was_lost) {
        member->state = CLIENT_MEMBER_LOST;
        client_member_lose(member, false);
    } else if (member->joins_after_revoked) {
        mem_free(member->removed.items);
        member->removed = (struct client_member_set){0};
        stop_beating(member);
        client_member_join(member); /* CMB-4 */
    } else {
        finish_assignment(member);
    }
}

void client_member_revoked_done(struct client_member *member)
{
    if (member->state != CLIENT_MEMBER_REVOKING)
        return;
    member->was_revoked = true;
    wake(member);
}

/* ---- heartbeats */

void client_member_is_alive_since(struct client_member *member, uint64_t sent_ns)
{
    if (sent_ns > member->alive_ns)
        member->alive_ns = sent_ns;
    if (has_generation(member))
        timer_set(&member->env->loop->timers, &member->session,
                  clock_deadline_ns(member->alive_ns, member->options.session_timeout_ms));
}

static void on_session_over(struct timer *timer)
{
    struct client_member *member = container_of(timer, struct client_member, session);

    client_cluster_forget_coordinator(member->cluster, CLIENT_COORDINATOR_GROUP, member->group_id);
    client_member_lose(member, false); /* CMB-3 */
}

static void take_beat(struct client_member *member, int16_t error_code, uint64_t sent_ns)
{
    switch (error_code) {
    case KAFKA_NONE:
        client_member_is_alive_since(member, sent_ns);
        return;
    case KAFKA_REBALANCE_IN_PROGRESS:
        client_member_is_alive_since(member, sent_ns);
        member->is_outdated = true;
        wake(member);
        return;
    case KAFKA_UNKNOWN_MEMBER_ID:
        client_member_lose(member, true);
        return;
    case KAFKA_ILLEGAL_GENERATION:
        client_member_lose(member, false);
        return;
    default:
        if (!client_member_forgets_coordinator(member, error_code) &&
            !kafka_error_is_retriable(error_code))
            client_member_end(member, error_code, ERR_REFUSED);
    }
}

static void on_beat(struct client_call *call, enum err err, const void *answer)
{
    struct client_member *member = container_of(call, struct client_member, beat);
    const struct heartbeat_response *response = answer;

    member->is_beating = false;
    if (member->is_closing) {
        wake(member);
        return;
    }
    if (!has_generation(member) || member->beat_request.generation_id != member->generation)
        return; /* of the past */
    if (err == OK)
        take_beat(member, response->error_code, call->sent_ns);
    else if (err == ERR_UNSUPPORTED)
        client_member_end(member, KAFKA_UNSUPPORTED_VERSION, err);
    else
        client_cluster_forget_coordinator(member->cluster, CLIENT_COORDINATOR_GROUP,
                                          member->group_id);
}

static void beat(struct client_member *member, struct client_broker *broker)
{
    struct heartbeat_request *request = &member->beat_request;
    uint32_t timeout_ms = client_cluster_options(member->cluster)->request_timeout_ms;

    codec_set_defaults(&heartbeat_request_desc, request);
    request->group_id = wire_string(member->group_id);
    request->generation_id = member->generation;
    request->member_id = wire_string(member->identity_id);
    request->group_instance_id = wire_string(member->instance_id);
    member->beat = (struct client_call){
        .key = API_HEARTBEAT,
        .max_version = INT16_MAX,
        .timeout_ms = timeout_ms < member->options.session_timeout_ms
                          ? timeout_ms
                          : member->options.session_timeout_ms,
        .fails_with_connection = true,
        .request = request,
        .done = on_beat,
    };
    member->is_beating = client_broker_call(broker, &member->beat) == OK;
}

static void on_found_again(struct client_wait *wait, enum err err)
{
    struct client_member *member = container_of(wait, struct client_member, wait);
    struct client_broker *broker = NULL;

    member->is_finding = false;
    if (member->is_closing)
        wake(member);
    else if (err == ERR_PERMISSION || err == ERR_INVALID)
        client_member_end(member, wait->kafka_error, err);
    else if (member->state == CLIENT_MEMBER_JOINING) /* it waited for this one */
        client_member_join_later(member);
    else if (err == OK && has_generation(member) && !member->is_beating)
        broker =
            client_cluster_coordinator(member->cluster, CLIENT_COORDINATOR_GROUP, member->group_id);
    if (broker != NULL)
        beat(member, broker);
}

static void on_beat_due(struct timer *timer)
{
    struct client_member *member = container_of(timer, struct client_member, beat_timer);
    struct client_broker *broker =
        client_cluster_coordinator(member->cluster, CLIENT_COORDINATOR_GROUP, member->group_id);

    loop_set_timer_ms(member->env->loop, timer, member->options.heartbeat_ms);
    if (!has_generation(member) || member->is_beating || member->is_finding)
        return;
    if (broker != NULL) {
        beat(member, broker);
        return;
    }
    member->is_finding = true;
    member->wait = (struct client_wait){.done = on_found_again};
    client_cluster_find_coordinator(member->cluster, &member->wait, CLIENT_COORDINATOR_GROUP,
                                    member->group_id, member->options.session_timeout_ms);
}

/* ---- life */

static void finish(struct client_member *member)
{
    void (*closed)(void *context) = member->closed;
    void *context = member->closed_context;

    client_leader_deinit(&member->leader);
    arena_deinit(&member->arena);
    mem_free(member->owned.items);
    mem_free(member->next.items);
    mem_free(member->removed.items);
    mem_free(member->topics);
    mem_free(member->group_id);
    mem_free(member->instance_id);
    mem_free(member->member_id);
    mem_free(member->identity_id);
    mem_free(member);
    if (closed != NULL)
        closed(context);
}

static void on_left(struct client_call *call, enum err err, const void *answer)
{
    struct client_member *member = container_of(call, struct client_member, call);

    member->is_calling = false;
    wake(member);
}

static void prepare_leave(struct client_call *call)
{
    struct client_member *member = container_of(call, struct client_member, call);
    struct leave_group_request *request = &member->request.leave;

    if (call->version >= 3)
        return;
    request->member_id = request->members.items[0].member_id;
    request->members.count = 0;
}

static void leave(struct client_member *member)
{
    struct leave_group_request *request = &member->request.leave;
    struct client_broker *broker =
        client_cluster_coordinator(member->cluster, CLIENT_COORDINATOR_GROUP, member->group_id);

    member->has_left = true;
    arena_reset(&member->arena);
    codec_set_defaults(&leave_group_request_desc, request);
    request->group_id = wire_string(member->group_id);
    request->members.items =
        codec_new_array(&leave_group_request_member_identity_struct, &member->arena, 1);
    if (broker == NULL || request->members.items == NULL)
        return;
    request->members.count = 1;
    request->members.items[0].member_id = wire_string(member->member_id);
    request->members.items[0].reason = wire_string("the consumer is being closed");
    member->call = (struct client_call){.key = API_LEAVE_GROUP,
                                        .max_version = INT16_MAX,
                                        .timeout_ms = LEAVE_MS,
                                        .fails_with_connection = true,
                                        .request = request,
                                        .prepare = prepare_leave,
                                        .done = on_left};
    member->is_calling = client_broker_call(broker, &member->call) == OK;
}

static void close_on(struct client_member *member)
{
    if (member->is_calling || member->is_beating || member->is_finding || member->is_leading)
        return;
    if (!member->has_left && member->instance_id == NULL && member->member_id[0] != '\0' &&
        member->state != CLIENT_MEMBER_FATAL)
        leave(member);
    member->state = CLIENT_MEMBER_LEFT;
    if (!member->is_calling)
        finish(member);
}

static void on_task(struct task *task)
{
    struct client_member *member = container_of(task, struct client_member, task);

    if (member->is_closing)
        close_on(member);
    else if (member->state == CLIENT_MEMBER_REVOKING && member->was_revoked)
        go_on_after_revoked(member);
    else if (member->state == CLIENT_MEMBER_STABLE && member->is_outdated)
        rejoin(member);
    else if (member->state == CLIENT_MEMBER_LOST && !timer_is_set(&member->retry))
        client_member_join(member);
}

static void on_retry(struct timer *timer)
{
    wake(container_of(timer, struct client_member, retry));
}

/* The leader has others join when there are partitions that nobody reads (Kafka's
 * ConsumerCoordinator.rejoinNeededOrPending). */
static void on_changed(struct client_listener *listener)
{
    struct client_member *member = container_of(listener, struct client_member, listener);

    if (member->state != CLIENT_MEMBER_STABLE || !member->leads ||
        !client_leader_is_outdated(&member->leader))
        return;
    member->is_outdated = true;
    wake(member);
}

static bool copy_options(struct client_member *member, const struct client_member_options *options,
                         struct client_topic *const *topics, uint32_t topics_count)
{
    member->group_id = mem_try_strdup(options->group_id);
    member->member_id = mem_try_strdup("");
    member->identity_id = mem_try_strdup("");
    if (options->group_instance_id != NULL)
        member->instance_id = mem_try_strdup(options->group_instance_id);
    member->topics = mem_try_alloc(topics_count * sizeof(struct client_topic *));
    if (member->group_id == NULL || member->member_id == NULL || member->identity_id == NULL ||
        member->topics == NULL ||
        (options->group_instance_id != NULL && member->instance_id == NULL))
        return false;
    memcpy(member->topics, topics, topics_count * sizeof(struct client_topic *));
    member->topics_count = topics_count;
    return true;
}

enum err client_member_create(struct client_cluster *cluster,
                              const struct client_member_options *options,
                              struct client_topic *const *topics, uint32_t topics_count,
                              const struct client_member_events *events, void *context,
                              struct client_member **out)
{
    struct client_member *member = mem_try_alloc(sizeof(*member));

    if (member == NULL)
        return ERR_NOMEM;
    member->cluster = cluster;
    member->env = client_cluster_env(cluster);
    member->events = events;
    member->context = context;
    member->generation = -1;
    member->identity_generation = -1;
    arena_init(&member->arena, ARENA_BYTES_MAX);
    member->options = *options;
    client_member_join_init(member);
    if (!copy_options(member, options, topics, topics_count)) {
        finish(member);
        return ERR_NOMEM;
    }
    member->task.run = on_task;
    timer_init(&member->retry, on_retry);
    timer_init(&member->beat_timer, on_beat_due);
    timer_init(&member->session, on_session_over);
    member->listener.changed = on_changed;
    client_cluster_listen(cluster, &member->listener);
    wake(member);
    *out = member;
    return OK;
}

void client_member_destroy(struct client_member *member, void (*closed)(void *context),
                           void *context)
{
    stop_beating(member);
    loop_cancel_timer(member->env->loop, &member->retry);
    client_cluster_unlisten(&member->listener);
    member->is_closing = true;
    member->closed = closed;
    member->closed_context = context;
    if (member->is_calling)
        client_broker_cancel(&member->call);
    if (member->is_beating)
        client_broker_cancel(&member->beat);
    if (member->is_finding)
        client_cluster_cancel(&member->wait);
    if (member->is_leading)
        client_leader_cancel(&member->leader);
    wake(member);
}

struct client_group_identity client_member_identity(const struct client_member *member)
{
    return (struct client_group_identity){
        .group_id = member->group_id,
        .member_id = member->identity_id,
        .group_instance_id = member->instance_id,
        .generation_id = member->identity_generation < 0 ? 0 : member->identity_generation,
    };
}

bool client_member_is_stable(const struct client_member *member)
{
    return member->state == CLIENT_MEMBER_STABLE && !member->is_outdated;
}
