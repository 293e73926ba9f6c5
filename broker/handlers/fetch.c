/* Fetch (key 1): KIP-74 size limits, KIP-227 sessions, KIP-320 epochs, KIP-516 topic ids.
 *
 * The walk: plan_fetch asks the session what to serve and copies it into parts → a round reads them
 * (fetch_round.c) → enough bytes, an error or the deadline: answer (fetch_answer.c); else every
 * part waits for its high watermark (fetch_wait.c), and counts what comes → enough has come, the
 * deadline or a cancel stirs: all watches end, and the next round reads again. */
#include "base/check.h"
#include "base/sometimes.h"
#include "broker/config.h"
#include "broker/fetch_session.h"
#include "broker/handlers.h"
#include "broker/handlers/fetch_private.h"
#include "broker/kafka_error.h"
#include "broker/request.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_fetch.h"

static void on_deadline(struct timer *timer)
{
    fetch_wait_expire(container_of(timer, struct fetch, deadline));
}

static void on_cancel(struct request *request, enum request_cancel why)
{
    struct fetch *fetch = request->cancel_context;

    fetch_round_give_up(fetch);
    fetch_wait_expire(fetch);
}

/* ---- the start */

/* Do all the partitions that the request names exist? */
static bool all_known(const struct request *request, const struct fetch_request *body)
{
    for (int32_t t = 0; t < body->topics.count; t++) {
        const struct fetch_request_fetch_topic *asked = &body->topics.items[t];
        int16_t error_code;
        const struct image_topic *topic =
            topic_ref_find(request->home->image, request->api_version >= 13, asked->topic,
                           &asked->topic_id, &error_code);
        if (topic == NULL)
            return false;
        for (int32_t p = 0; p < asked->partitions.count; p++)
            if (!topic_ref_has(topic, asked->partitions.items[p].partition))
                return false;
    }
    return true;
}

static int16_t plan_fetch(struct fetch *fetch)
{
    struct request *request = fetch->request;
    struct fetch_ask ask = {.request = fetch->body,
                            .version = request->api_version,
                            .all_known = all_known(request, fetch->body),
                            .owner = &request->client->fetch_sessions,
                            .arena = &request->arena,
                            .now_ns = loop_now_ns(&request->home->loop)};
    struct fetch_plan plan;
    int16_t error_code;
    enum err err = fetch_sessions_plan(request->home->fetch_sessions, &ask, &plan, &error_code);

    if (err != OK)
        return kafka_error(err);
    if (error_code != KAFKA_NONE)
        return error_code;
    fetch->session = plan.session;
    if (fetch->session != NULL)
        fetch_session_hold(fetch->session);
    fetch->incremental = plan.incremental;
    list_for_each(node, plan.order) fetch->part_count++;
    fetch->parts = arena_alloc_array(&request->arena, fetch->part_count, sizeof(*fetch->parts));
    fetch->part_count = 0;
    fetch->visits =
        arena_alloc_array(&request->arena, request->home->shards->count, sizeof(*fetch->visits));
    if (fetch->parts == NULL || fetch->visits == NULL)
        return kafka_error(ERR_NOMEM);
    list_for_each(node, plan.order)
    {
        const struct fetch_interest *interest = container_of(node, struct fetch_interest, node);
        struct fetch_part *part = &fetch->parts[fetch->part_count++];
        part->fetch = fetch;
        part->key = interest->key;
        /* the session may go while this fetch waits: take what is needed along */
        part->topic_name = wire_string("");
        if (interest->topic_name_bytes > 0)
            part->topic_name =
                (struct wire_string){arena_strndup(&request->arena, interest->topic_name,
                                                   (size_t)interest->topic_name_bytes),
                                     interest->topic_name_bytes};
        if (part->topic_name.text == NULL)
            return kafka_error(ERR_NOMEM);
        part->partition = interest->key.partition;
        part->max_bytes = interest->max_bytes < 0 ? 0 : interest->max_bytes;
        part->current_leader_epoch = interest->current_leader_epoch;
        part->last_fetched_epoch = interest->last_fetched_epoch;
        part->fetch_offset = interest->fetch_offset;
        part->was_answered = !interest->answer_due;
    }
    return KAFKA_NONE;
}

static void release(void *context)
{
    struct fetch *fetch = context;

    fetch_round_drop(fetch);
    if (fetch->session != NULL)
        fetch_session_release(fetch->session);
}

/* The client's limit, under the broker's fetch.max.bytes. */
static uint32_t max_bytes_of(const struct request *request, const struct fetch_request *body)
{
    int64_t limit = shard_config(request->home)->fetch_max_bytes;

    if (body->max_bytes < limit)
        limit = body->max_bytes;
    return limit < 0 ? 0 : (uint32_t)limit;
}

void handle_fetch(struct request *request)
{
    struct fetch *fetch = request_try_alloc(request, 1, sizeof(*fetch));
    struct fetch_response *response = request->response;

    if (fetch == NULL) {
        request_refuse_memory(request);
        return;
    }
    fetch->request = request;
    fetch->body = request->body;
    fetch->max_bytes = max_bytes_of(request, fetch->body);
    fetch->min_bytes = fetch->body->min_bytes < 0 ? 0 : (uint32_t)fetch->body->min_bytes;
    if (fetch->min_bytes > fetch->max_bytes)
        fetch->min_bytes = fetch->max_bytes; /* as in Kafka: more is never given */
    fetch->isolation = fetch->body->isolation_level == KAFKA_ISOLATION_LEVEL_READ_COMMITTED
                           ? PARTITION_COMMITTED
                           : PARTITION_UNCOMMITTED;
    fetch->next_round.run = fetch_wait_on_next_round;
    fetch->deadline.fire = on_deadline;
    request_on_release(request, release, fetch);
    response->error_code = plan_fetch(fetch);
    if (response->error_code != KAFKA_NONE) {
        request_answer(request);
        return;
    }
    if (fetch->body->max_wait_ms > 0)
        loop_set_timer_ms(&request->home->loop, &fetch->deadline,
                          (uint64_t)fetch->body->max_wait_ms);
    else
        fetch->expired = true;
    request_on_cancel(request, on_cancel, fetch);
    fetch_round_start(fetch);
}
