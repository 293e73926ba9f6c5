/* One broker of a fetcher.  _look asks for all that is due -> on_fetched makes an answer of what
 * came, whose pieces wait in their partitions, and whose frame is kept as long as one does. */
#include "base/mem.h"
#include "net/client/client_fetcher_private.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"

enum { REQUEST_BYTES_MAX = 64 << 20, LEAVE_MS = 500 };

/* ---- failures */

static void retry_later(struct client_fetch_node *node, uint32_t pause_ms)
{
    struct client_fetcher *fetcher = node->fetcher;
    uint64_t at_ns = clock_deadline_ns(loop_now_ns(fetcher->env->loop), pause_ms);

    if (at_ns > node->retry_at_ns)
        node->retry_at_ns = at_ns;
    client_fetcher_wake_at(fetcher, node->retry_at_ns);
}

static void retry_with_backoff(struct client_fetch_node *node)
{
    retry_later(node, client_cluster_backoff_ms(node->fetcher->cluster, node->attempt++));
}

static void call_all_stale(struct client_fetch_node *node)
{
    const struct client_fetch_topic *last = NULL;

    list_for_each(at, &node->parts)
    {
        struct client_fetch_part *part = container_of(at, struct client_fetch_part, of_node);
        part->preferred_until_ns = 0; /* a follower that is gone: place looks again */
        if (part->topic != last)
            client_cluster_call_stale(node->fetcher->cluster, part->topic->topic);
        last = part->topic;
    }
}

static void place_followers(struct client_fetch_node *node)
{
    list_for_each_safe(at, &node->parts)
    {
        struct client_fetch_part *part = container_of(at, struct client_fetch_part, of_node);
        if (part->preferred_id == node->id)
            client_fetch_part_place(part);
    }
}

static void refuse_all(struct client_fetch_node *node, int16_t error_code)
{
    list_for_each(at, &node->parts)
    {
        struct client_fetch_part *part = container_of(at, struct client_fetch_part, of_node);
        client_fetch_part_stop(part, CLIENT_FETCHER_REFUSED, part->fetch_offset, error_code);
    }
}

/* Frames are kept for partitions that are paused, but not many (CFP-3): the oldest that nobody can
 * pull from goes, and is fetched again in time.  False: there is none. */
static bool drop_held(struct client_fetch_node *node)
{
    list_for_each(at, &node->answers)
    {
        struct client_fetch_answer *answer = container_of(at, struct client_fetch_answer, node);
        if (answer->active_count > 0)
            continue;
        answer->left_count++; /* this loop */
        for (uint32_t i = 0; i < answer->pieces_count; i++)
            if (list_is_linked(&answer->pieces[i].of_part))
                client_fetch_part_rewind(answer->pieces[i].part);
        if (--answer->left_count == 0)
            client_fetch_node_end_answer(answer);
        return true;
    }
    return false;
}

static void note_failure(struct client_fetch_node *node, int16_t error_code)
{
    if (node->failing_since_ns == 0)
        node->failing_since_ns = loop_now_ns(node->fetcher->env->loop);
    node->failing_code = error_code;
}

static void fail(struct client_fetch_node *node, enum err err)
{
    client_fetch_session_failed(&node->session);
    if (err == ERR_UNSUPPORTED) {
        refuse_all(node, KAFKA_UNSUPPORTED_VERSION);
        return;
    }
    while (drop_held(node)) {
        /* what they hold may be the room that the answer waits for */
    }
    note_failure(node, KAFKA_NONE);
    retry_with_backoff(node);
    call_all_stale(node);
    place_followers(node);
}

/* ---- answers */

void client_fetch_node_end_answer(struct client_fetch_answer *answer)
{
    list_remove(&answer->node);
    answer->owner->answers_count--;
    buf_unref(answer->frame);
    mem_free(answer);
}

static uint32_t count_parts(const struct fetch_response *response)
{
    uint32_t count = 0;

    for (int32_t t = 0; t < response->responses.count; t++)
        count += (uint32_t)response->responses.items[t].partitions.count;
    return count;
}

static struct client_fetch_topic *topic_of(
    const struct client_fetch_node *node,
    const struct fetch_response_fetchable_topic_response *topic)
{
    const struct client_fetcher *fetcher = node->fetcher;

    if (node->call.version > 12)
        return hash_map_find(&fetcher->by_id, &topic->topic_id, sizeof(topic->topic_id));
    return hash_map_find(&fetcher->by_name, topic->topic.text, (size_t)topic->topic.size_bytes);
}

/* How many of the session's partitions it tells of. */
static uint32_t take_all(struct client_fetch_node *node, struct client_fetch_answer *answer,
                         const struct fetch_response *response)
{
    uint32_t count = 0;

    for (int32_t t = 0; t < response->responses.count; t++) {
        const struct fetch_response_fetchable_topic_response *one = &response->responses.items[t];
        const struct client_fetch_topic *topic = topic_of(node, one);
        for (int32_t p = 0; topic != NULL && p < one->partitions.count; p++) {
            struct client_fetch_part *part =
                client_fetcher_find(node->fetcher, topic, one->partitions.items[p].partition_index);
            if (part == NULL || part->node != node || !list_is_linked(&part->entry.node))
                continue;
            count++;
            if (part->asked_generation == part->generation && !part->is_stopped) /* CFP-2 */
                client_fetch_part_take(part, answer, &one->partitions.items[p]);
        }
    }
    return count;
}

static void take_answer(struct client_fetch_node *node, const struct fetch_response *response)
{
    uint32_t pieces_max = count_parts(response);
    struct client_fetch_answer *answer;

    if (!client_fetch_session_answered(&node->session, response)) {
        if (response->error_code != KAFKA_FETCH_SESSION_ID_NOT_FOUND &&
            response->error_code != KAFKA_INVALID_FETCH_SESSION_EPOCH)
            call_all_stale(node);
        if (node->attempt > 0) {
            note_failure(node, response->error_code);
            retry_with_backoff(node);
        }
        node->attempt++;
        return;
    }
    answer = mem_try_alloc(sizeof(*answer) + pieces_max * sizeof(answer->pieces[0]));
    if (answer == NULL) {
        fail(node, ERR_NOMEM);
        return;
    }
    answer->owner = node;
    answer->frame = buf_ref(node->call.frame);
    answer->received_ns = loop_now_ns(node->fetcher->env->loop);
    answer->left_count = 1; /* this function */
    list_push_back(&node->answers, &answer->node);
    node->answers_count++;
    if (take_all(node, answer, response) < node->session.entries_count && node->session.is_full) {
        client_fetch_session_failed(&node->session); /* it does not tell of all: ask anew */
        retry_with_backoff(node);
    } else {
        node->attempt = 0;
        node->failing_since_ns = 0;
    }
    if (--answer->left_count == 0)
        client_fetch_node_end_answer(answer);
}

static void on_fetched(struct client_call *call, enum err err, const void *response)
{
    struct client_fetch_node *node = container_of(call, struct client_fetch_node, call);
    const struct fetch_response *answer = response;

    node->in_flight = false;
    if (!node->fetcher->is_closing && err == OK) {
        take_answer(node, answer);
        if (answer->throttle_time_ms > 0) /* KIP-219 */
            retry_later(node, (uint32_t)answer->throttle_time_ms);
    } else if (!node->fetcher->is_closing) {
        fail(node, err);
    }
    client_fetcher_wake(node->fetcher);
}

/* ---- asking */

static void prepare(struct client_call *call)
{
    struct client_fetch_node *node = container_of(call, struct client_fetch_node, call);

    if (call->version >= 12)
        return;
    for (int32_t t = 0; t < node->request.topics.count; t++)
        for (int32_t p = 0; p < node->request.topics.items[t].partitions.count; p++)
            node->request.topics.items[t].partitions.items[p].last_fetched_epoch = -1;
}

static uint32_t active_answers(const struct client_fetch_node *node)
{
    uint32_t count = 0;

    list_for_each(at, &node->answers) count +=
        container_of(at, struct client_fetch_answer, node)->active_count > 0;
    return count;
}

/* All that is due.  False: nothing is. */
static bool want_parts(struct client_fetch_node *node)
{
    uint64_t now_ns = loop_now_ns(node->fetcher->env->loop);
    bool any = false;

    list_for_each(at, &node->parts)
    {
        struct client_fetch_part *part = container_of(at, struct client_fetch_part, of_node);
        const struct client_topic *topic = part->topic->topic;
        struct client_fetch_place place = {
            .offset = part->fetch_offset,
            .last_epoch = part->fetch_epoch,
            .leader_epoch = part->partition < topic->partitions_count
                                ? topic->partitions[part->partition].leader_epoch
                                : -1,
            .max_bytes = (int32_t)node->fetcher->options.partition_max_bytes,
        };
        if (part->retry_at_ns > now_ns)
            client_fetcher_wake_at(node->fetcher, part->retry_at_ns);
        if (!client_fetch_part_is_due(part, now_ns))
            continue;
        client_fetch_session_want(&node->session, &part->entry, &place);
        part->asked_generation = part->generation;
        any = true;
    }
    return any;
}

static enum err ask(struct client_fetch_node *node, struct client_broker *broker)
{
    const struct client_fetcher *fetcher = node->fetcher;
    enum err err;

    arena_reset(&node->arena);
    codec_set_defaults(&fetch_request_desc, &node->request);
    node->request.max_wait_ms = (int32_t)fetcher->options.max_wait_ms;
    node->request.min_bytes = (int32_t)fetcher->options.min_bytes;
    node->request.max_bytes = (int32_t)fetcher->options.max_bytes;
    node->request.isolation_level = fetcher->options.is_committed
                                        ? KAFKA_ISOLATION_LEVEL_READ_COMMITTED
                                        : KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED;
    node->request.rack_id = wire_string(fetcher->rack);
    err = client_fetch_session_build(&node->session, &node->request, &node->arena);
    if (err != OK)
        return err;
    node->call = (struct client_call){
        .key = API_FETCH,
        .max_version = client_fetch_session_max_version(&node->session),
        .timeout_ms = client_cluster_options(fetcher->cluster)->request_timeout_ms +
                      fetcher->options.max_wait_ms,
        .request = &node->request,
        .prepare = prepare,
        .done = on_fetched,
        .fails_with_connection = true,
    };
    return client_broker_call(broker, &node->call);
}

void client_fetch_node_look(struct client_fetch_node *node)
{
    struct client_fetcher *fetcher = node->fetcher;
    struct client_broker *broker;
    enum err err;

    if (node->in_flight)
        return;
    if (node->retry_at_ns > loop_now_ns(fetcher->env->loop)) {
        client_fetcher_wake_at(fetcher, node->retry_at_ns);
        return;
    }
    if (active_answers(node) >= CLIENT_FETCH_ANSWERS_MAX || !want_parts(node))
        return;
    if (node->answers_count >= CLIENT_FETCH_HELD_MAX)
        (void)drop_held(node);
    broker = client_cluster_node(fetcher->cluster, node->id, CLIENT_LANE_FETCH);
    err = broker == NULL ? ERR_REFUSED : ask(node, broker);
    if (err == OK)
        node->in_flight = true;
    else
        fail(node, err);
}

bool client_fetch_node_leave(struct client_fetch_node *node)
{
    struct client_fetcher *fetcher = node->fetcher;
    struct client_broker *broker =
        client_cluster_node(fetcher->cluster, node->id, CLIENT_LANE_FETCH);

    if (node->session.id == 0 || broker == NULL || !client_broker_is_up(broker))
        return false;
    codec_set_defaults(&fetch_request_desc, &node->request);
    node->request.session_id = node->session.id;
    node->request.session_epoch = KAFKA_FETCH_SESSION_EPOCH_SESSIONLESS; /* with an id: its end */
    node->session.id = 0;
    node->call = (struct client_call){
        .key = API_FETCH,
        .max_version = INT16_MAX,
        .timeout_ms = fetcher->options.max_wait_ms + LEAVE_MS,
        .request = &node->request,
        .done = on_fetched,
        .fails_with_connection = true,
    };
    node->in_flight = client_broker_call(broker, &node->call) == OK;
    return node->in_flight;
}

struct client_fetch_node *client_fetch_node_of(struct client_fetcher *fetcher, int32_t id)
{
    struct client_fetch_node *node;

    list_for_each(at, &fetcher->nodes)
    {
        node = container_of(at, struct client_fetch_node, all);
        if (node->id == id)
            return node;
    }
    node = mem_try_alloc(sizeof(*node));
    if (node == NULL)
        return NULL;
    node->fetcher = fetcher;
    node->id = id;
    list_init(&node->parts);
    list_init(&node->answers);
    client_fetch_session_init(&node->session, fetcher->options.uses_sessions);
    arena_init(&node->arena, REQUEST_BYTES_MAX);
    list_push_back(&fetcher->nodes, &node->all);
    return node;
}

void client_fetch_node_destroy(struct client_fetch_node *node)
{
    list_remove(&node->all);
    client_fetch_session_deinit(&node->session);
    arena_deinit(&node->arena);
    mem_free(node);
}
