#include "base/check.h"
#include "net/client/client_produce_call.h"
#include "net/client/client_sender_private.h"
#include "net/client/client_verdict.h"
#include "net/protocol/kafka_errors.h"

static struct loop *loop_of(const struct client_sender *sender)
{
    return client_cluster_env(sender->cluster)->loop;
}

/* ---- ends of batches */

/* batch is on no list of its part. */
static void finish(struct client_sender *sender, struct client_batch *batch, int16_t error_code,
                   enum err err)
{
    if (batch->is_told) { /* CSN-3 */
        client_batches_give(sender->batches, batch);
        return;
    }
    batch->error_code = error_code;
    batch->err = err;
    if (list_is_linked(&batch->age_node))
        list_remove(&batch->age_node);
    list_push_back(&sender->finished, &batch->node);
}

void client_sender_fail(struct client_sender *sender, struct client_batch *batch,
                        int16_t error_code, enum err err, bool is_fatal)
{
    client_part_failed(batch->part, batch);
    if (!batch->is_told)
        sender->events->failed(sender->context, batch, error_code, err, is_fatal);
    finish(sender, batch, error_code, err);
    sender->events->ended(sender->context);
}

void client_sender_tell(struct client_sender *sender, struct client_batch *batch,
                        int16_t error_code, enum err err)
{
    if (batch->is_told)
        return;
    batch->is_told = true;
    batch->may_be_stored = true;
    batch->error_code = error_code;
    batch->err = err;
    list_remove(&batch->age_node);
    sender->events->failed(sender->context, batch, error_code, err, false);
    sender->events->tell(sender->context, batch);
}

void client_sender_drop_part(struct client_sender *sender, struct client_part *part,
                             int16_t error_code, enum err err)
{
    while (!list_is_empty(&part->waiting))
        client_sender_fail(sender, list_first(&part->waiting, struct client_batch, node),
                           error_code, err, false);
}

void client_sender_drop_waiting(struct client_sender *sender, int16_t error_code, enum err err)
{
    struct client_batches_cursor cursor = {0};
    struct client_part *part;

    while ((part = client_batches_next_part(sender->batches, &cursor)) != NULL)
        client_sender_drop_part(sender, part, error_code, err);
}

void client_sender_drop_all(struct client_sender *sender, int16_t error_code, enum err err)
{
    client_sender_drop_waiting(sender, error_code, err);
    list_for_each(node, &sender->in_flight)
    {
        struct client_produce_call *call = container_of(node, struct client_produce_call, node);

        for (uint32_t i = 0; i < call->count; i++)
            client_sender_tell(sender, call->batches[i], error_code, err);
    }
}

/* ---- answers */

static void act_on_retry(struct client_sender *sender, struct client_batch *batch,
                         const struct client_verdict *verdict, int16_t error_code, enum err err)
{
    struct client_part *part = batch->part;
    uint64_t deadline_ns =
        clock_deadline_ns(batch->created_ns, sender->options->delivery_timeout_ms);

    if (sender->events->gives_up(sender->context, &error_code, &err) || batch->is_told ||
        deadline_ns <= loop_now_ns(loop_of(sender))) {
        client_sender_fail(sender, batch, error_code, err, false);
        return;
    }
    client_part_return(part, batch);
    if (verdict->must_renumber)
        client_part_renumber_from(part, batch);
    client_sender_back_off(sender, part,
                           client_cluster_backoff_ms(sender->cluster, batch->attempts_count - 1));
}

static void act(struct client_sender *sender, struct client_batch *batch,
                const struct client_verdict *verdict, int16_t error_code, enum err err)
{
    batch->may_be_stored = verdict->may_be_stored;
    switch (verdict->what) {
    case CLIENT_VERDICT_STORED:
        client_part_stored(batch->part, batch);
        finish(sender, batch, KAFKA_NONE, OK);
        break;
    case CLIENT_VERDICT_RETRY:
        act_on_retry(sender, batch, verdict, error_code, err);
        break;
    case CLIENT_VERDICT_SPLIT:
        if (sender->events->gives_up(sender->context, &error_code, &err) || batch->is_told ||
            client_batches_split(sender->batches, batch) != OK)
            client_sender_fail(sender, batch, error_code, err, false);
        break;
    case CLIENT_VERDICT_FAIL:
        client_sender_fail(sender, batch, error_code, err, verdict->is_fatal);
        break;
    }
}

static void on_batch(struct client_sender *sender, struct client_produce_call *call, uint32_t index,
                     enum err err, const struct produce_response *response)
{
    struct client_batch *batch = call->batches[index];
    struct client_part *part = batch->part;
    const struct produce_response_partition_produce_response *answer =
        response == NULL ? NULL : client_produce_call_answer(call, response, index);
    struct client_attempt attempt = {.err = err,
                                     .was_sent = call->call.was_sent,
                                     .may_be_stored = batch->may_be_stored,
                                     .is_numbered = sender->is_numbered,
                                     .is_transactional = sender->is_transactional,
                                     .is_first = client_part_is_first(part, batch),
                                     .is_divisible = batch->records_count > 1,
                                     .is_half_in_doubt = batch->is_half_in_doubt};
    struct client_verdict verdict;

    if (response != NULL && answer == NULL)
        attempt.err = ERR_MALFORMED; /* not a word of it */
    if (answer != NULL) {
        attempt.error_code = answer->error_code;
        batch->base_offset = answer->error_code == KAFKA_NONE ? answer->base_offset : -1;
        batch->append_time_ms = answer->log_append_time_ms;
    }
    batch->sent_ns = call->call.sent_ns;
    verdict = client_verdict_of(&attempt);
    if (verdict.is_stale)
        client_cluster_call_stale(sender->cluster, part->topic);
    act(sender, batch, &verdict, attempt.error_code, attempt.err);
    client_sender_make_ready(sender, part);
}

void client_sender_on_produced(struct client_call *done, enum err err, const void *response)
{
    struct client_produce_call *call = container_of(done, struct client_produce_call, call);
    struct client_sender_node *node = call->to;
    struct client_sender *sender = node->sender;
    const struct produce_response *answer = err == OK ? response : NULL;

    node->in_flight_count--;
    list_remove(&call->node);
    if (answer != NULL && answer->throttle_time_ms > 0)
        node->throttled_until_ns =
            clock_deadline_ns(loop_now_ns(loop_of(sender)), (uint64_t)answer->throttle_time_ms);
    for (uint32_t i = 0; i < call->count; i++)
        on_batch(sender, call, i, err, answer);
    client_produce_call_reset(call);
    list_push_front(&sender->spare, &call->node);
    client_sender_pump_soon(sender);
    sender->events->ended(sender->context);
}
