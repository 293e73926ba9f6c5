#include "broker/partition.h"

#include "base/check.h"
#include "broker/partition_trim.h"

void partition_count(struct partition *partition, enum topic_metric metric, uint64_t n)
{
    topic_metrics_count(&partition->metrics, metric, n);
    topic_metrics_count(&partition->shard->topic_metrics, metric, n);
}

void partition_init_waits(struct partition *partition)
{
    append_queue_init(&partition->appends, partition->shard->store, &partition->shard->append_load,
                      prng_u64(&partition->shard->prng));
    list_init(&partition->own_waiters);
    list_init(&partition->ack_waiters);
    list_init(&partition->durable_waiters);
    list_init(&partition->data_waiters);
    list_init(&partition->trims);
}

/* How far our own log counts, by its durability mode. */
static int64_t own_mark(const struct partition *partition, const struct log_offsets *offsets)
{
    return partition->config.log.relaxed ? offsets->accepted : offsets->durable;
}

/* What is acknowledged and on stable storage here. */
static int64_t durable_mark(const struct log_offsets *offsets)
{
    return offsets->durable < offsets->high_watermark ? offsets->durable : offsets->high_watermark;
}

/* Those of waiters, by rising offset, that have what they wait for. */
static void take_reached(struct list *waiters, int64_t offset, struct list *ready)
{
    while (!list_is_empty(waiters)) {
        struct list *node = waiters->next;
        if (container_of(node, struct partition_waiter, node)->offset > offset)
            break;
        list_remove(node);
        list_push_back(ready, node);
    }
}

static void wake_all(struct list *waiters, enum err err)
{
    for (struct list *node = list_pop_front(waiters); node != NULL;
         node = list_pop_front(waiters)) {
        struct partition_waiter *waiter = container_of(node, struct partition_waiter, node);
        waiter->wake(waiter, err);
    }
}

/* Up to where a waiter for data sees. */
static int64_t data_mark(const struct partition_waiter *waiter, const struct log_offsets *offsets)
{
    return waiter->is_committed ? offsets->last_stable : offsets->high_watermark;
}

static void take_data(struct partition *partition, const struct log_offsets *offsets,
                      struct list *ready)
{
    list_for_each_safe(node, &partition->data_waiters)
    {
        const struct partition_waiter *waiter = container_of(node, struct partition_waiter, node);
        if (waiter->offset <= data_mark(waiter, offsets)) {
            list_remove(node);
            list_push_back(ready, node);
        }
    }
    partition->told_stable = offsets->last_stable;
}

void partition_publish(struct partition *partition)
{
    struct log_offsets offsets = log_offsets(partition->log);
    int64_t own = own_mark(partition, &offsets);
    int64_t published = offsets.high_watermark;
    int64_t allowed;
    struct list ready;

    in_sync_tell_own(&partition->in_sync, own);
    allowed = in_sync_high_watermark(&partition->in_sync, published);
    list_init(&ready); /* onto a list of our own first: waking may add waiters */
    if (allowed > published) {
        log_set_high_watermark(partition->log, allowed); /* PRT-1 */
        take_reached(&partition->ack_waiters, allowed, &ready);
    }
    offsets = log_offsets(partition->log);
    if (allowed > published || offsets.last_stable != partition->told_stable)
        take_data(partition, &offsets, &ready);
    take_reached(&partition->durable_waiters, durable_mark(&offsets), &ready);
    take_reached(&partition->own_waiters, own, &ready);
    wake_all(&ready, OK);
}

void partition_start_moved(struct partition *partition)
{
    int64_t log_start = log_offsets(partition->log).log_start;
    struct list ready;

    list_init(&ready);
    list_for_each_safe(node, &partition->data_waiters)
    {
        if (container_of(node, struct partition_waiter, node)->from_offset < log_start) {
            list_remove(node);
            list_push_back(&ready, node);
        }
    }
    for (struct list *node = list_pop_front(&ready); node != NULL; node = list_pop_front(&ready)) {
        struct partition_waiter *waiter = container_of(node, struct partition_waiter, node);
        waiter->wake(waiter, OK);
    }
}

void partition_end_waits(struct partition *partition, enum err err)
{
    struct list ended;

    list_init(&ended);
    list_splice_back(&ended, &partition->own_waiters);
    list_splice_back(&ended, &partition->ack_waiters);
    list_splice_back(&ended, &partition->durable_waiters);
    list_splice_back(&ended, &partition->data_waiters);
    wake_all(&ended, err);
    append_queue_end(&partition->appends, err);
    partition_trim_end_all(partition, err);
}

/* There, and led here. */
static bool is_led(const struct partition *partition)
{
    return !partition->deleted && in_sync_leads(&partition->in_sync);
}

enum err partition_follow(struct partition *partition, const struct in_sync_state *state)
{
    enum err err = in_sync_commit(&partition->in_sync, state, log_offsets(partition->log).log_end);

    if (err == ERR_FENCED_EPOCH)
        return err;
    if (state->leader_epoch > partition->leader_epoch) {
        partition->leader_epoch = state->leader_epoch; /* PRT-3 */
        log_begin_epoch(partition->log, state->leader_epoch);
    }
    if (!is_led(partition))
        partition_end_waits(partition, ERR_NOT_FOUND);
    return err;
}

void partition_maintain(struct partition *partition, int64_t now_ms, int64_t producer_idle_max_ms)
{
    if (log_is_quarantined(partition->log))
        return;
    (void)log_apply_retention(partition->log, now_ms);
    if (now_ms >= 0)
        log_expire_producers(partition->log, now_ms, producer_idle_max_ms);
}

void partition_follow_config(struct partition *partition)
{
    in_sync_set_min(&partition->in_sync, partition->config.min_insync_replicas);
    log_set_config(partition->log, &partition->config.log);
    partition_publish(partition); /* a change of durability, or of the minimum, may allow more */
}

enum err partition_check_epoch(const struct partition *partition, int32_t expected_epoch)
{
    if (expected_epoch < 0 || expected_epoch == partition->leader_epoch)
        return OK;
    return expected_epoch < partition->leader_epoch ? ERR_FENCED_EPOCH : ERR_UNKNOWN_EPOCH;
}

/* ---- appends */

/* Does it come behind one of its producer that was refused and has not come again? */
static bool overtakes_refused(const struct partition_append *append)
{
    struct partition *partition = append->partition;
    struct batch_header header;

    return append->op.has_key && partition->refused.items != NULL &&
           batch_parse_header(append->bytes, append->size_bytes, &header) == OK &&
           refused_batches_overtakes(&partition->refused, &header,
                                     loop_now_ns(&partition->shard->loop));
}

static enum err put(struct append_op *op)
{
    struct partition_append *append = container_of(op, struct partition_append, op);
    struct partition *partition = append->partition;
    struct log_append_result *result = &append->result;
    struct log_append batch = {.bytes = append->bytes,
                               .size_bytes = append->size_bytes,
                               .max_timestamp_ms = append->max_timestamp_ms,
                               .leader_epoch = partition->leader_epoch,
                               .now_ms = clock_wall_ms(partition->shard->clock),
                               .rules = append->rules,
                               .urgent = append->urgent};
    enum err err;

    if (!is_led(partition))
        return ERR_NOT_FOUND;
    if (overtakes_refused(append))
        return ERR_SEQUENCE; /* since it came */
    if (append->for_all && !in_sync_has_enough(&partition->in_sync))
        return ERR_REPLICAS;
    err = log_append_leader(partition->log, &batch, result);
    if (err == OK && !result->duplicate) {
        partition_count(partition, TOPIC_METRIC_BYTES_IN, append->size_bytes);
        partition_count(partition, TOPIC_METRIC_MESSAGES_IN,
                        (uint64_t)(result->last_offset - result->base_offset + 1));
    }
    return err;
}

/* What a coordinator writes has no place in a producer's sequence. */
static bool is_of_client(const struct partition_append *append, struct batch_header *header)
{
    return append->rules.origin == PRODUCER_CLIENT &&
           batch_parse_header(append->bytes, append->size_bytes, header) == OK &&
           batch_has_producer(header);
}

void partition_note_refused(struct partition *partition, const uint8_t *bytes, uint32_t size_bytes)
{
    struct batch_header header;

    if (batch_parse_header(bytes, size_bytes, &header) == OK && batch_has_producer(&header))
        refused_batches_note(&partition->refused, &header, loop_now_ns(&partition->shard->loop));
}

/* Does a client send the batch again that hears of it? */
static bool comes_again(enum err err)
{
    return err == ERR_NOMEM || err == ERR_REPLICAS || err == ERR_NOSPACE;
}

static void on_put(struct append_op *op, enum err err)
{
    struct partition_append *append = container_of(op, struct partition_append, op);

    if (append->op.has_key && comes_again(err))
        partition_note_refused(append->partition, append->bytes, append->size_bytes);
    append->done(append, err);
}

/* OK, or why it does not come into the queue. */
static enum err judge(struct partition *partition, struct partition_append *append)
{
    if (overtakes_refused(append))
        return ERR_SEQUENCE;
    if (!append_load_refuses(&partition->shard->append_load, &partition->appends,
                             append->op.held_bytes, append->op.is_preparing,
                             loop_now_ns(&partition->shard->loop)))
        return OK;
    if (append->op.has_key)
        partition_note_refused(partition, append->bytes, append->size_bytes);
    return ERR_TIMEOUT;
}

void partition_append(struct partition *partition, struct partition_append *append)
{
    struct batch_header header = {0};
    enum err err;

    append->partition = partition;
    append->op.put = put;
    append->op.done = on_put;
    append->op.has_key = is_of_client(append, &header);
    append->op.key.key = (uint64_t)header.producer_id;
    append->op.queue = NULL;
    err = judge(partition, append);
    if (err != OK)
        append->done(append, err);
    else
        append_queue_add(&partition->appends, &append->op);
}

static enum err put_verbatim(struct append_op *op)
{
    struct partition_append *append = container_of(op, struct partition_append, op);
    struct partition *partition = append->partition;

    if (partition->deleted)
        return ERR_NOT_FOUND;
    return log_append_verbatim(partition->log, append->bytes, append->size_bytes, &append->result);
}

void partition_append_verbatim(struct partition *partition, struct partition_append *append)
{
    append->partition = partition;
    append->op.put = put_verbatim;
    append->op.done = on_put;
    append->op.has_key = false; /* its leader has judged the producer's order */
    append->op.queue = NULL;
    append_queue_add(&partition->appends, &append->op);
}

/* What the same producer sent after it would overtake it: where the log does not know the producer,
 * it takes any sequence (DUR-I11).  They have the answer that the log gives where it does; so have
 * those that are still to come. */
static void refuse_followers(const struct append_op *op)
{
    struct append_op *follower;
    struct list refused;
    struct list *node;

    list_init(&refused);
    while ((follower = append_queue_next(op)) != NULL) {
        append_queue_cancel(follower);
        list_push_back(&refused, &follower->node);
    }
    while ((node = list_pop_front(&refused)) != NULL) {
        follower = container_of(node, struct append_op, node);
        follower->done(follower, ERR_SEQUENCE);
    }
}

void partition_cancel_append(struct partition_append *append)
{
    if (append->op.queue == NULL)
        return;
    if (append->op.has_key) {
        partition_note_refused(append->partition, append->bytes, append->size_bytes);
        refuse_followers(&append->op);
    }
    append_queue_drop(&append->op);
}

bool partition_presses_append(const struct partition_append *append)
{
    struct partition *partition = append->partition;

    return append->op.queue != NULL &&
           append_load_ends(&partition->shard->append_load, append->op.queue, partition->topic_name,
                            partition->index, loop_now_ns(&partition->shard->loop));
}

void partition_refuse_append(struct partition_append *append)
{
    append_queue_drop(&append->op);
}

/* ---- waits */

/* Why the wait is over before it began; false: it is not. */
static bool is_over(struct partition *partition, int64_t mark, struct partition_waiter *waiter)
{
    enum err err = OK;

    if (partition->deleted)
        err = ERR_NOT_FOUND;
    else if (store_state(partition->shard->store) == STORE_FAILED)
        err = ERR_STORAGE;
    else if (mark < waiter->offset)
        return false;
    waiter->wake(waiter, err);
    return true;
}

/* A duplicate waits for an offset older than the newest: walk back to its place. */
static void insert_by_offset(struct list *waiters, struct partition_waiter *waiter)
{
    struct list *before = waiters->prev;

    while (before != waiters &&
           container_of(before, struct partition_waiter, node)->offset > waiter->offset)
        before = before->prev;
    list_insert_between(&waiter->node, before, before->next);
}

void partition_wait_own(struct partition *partition, struct partition_waiter *waiter)
{
    struct log_offsets offsets = log_offsets(partition->log);

    if (!is_led(partition))
        waiter->wake(waiter, ERR_NOT_FOUND);
    else if (!is_over(partition, own_mark(partition, &offsets), waiter))
        insert_by_offset(&partition->own_waiters, waiter);
}

void partition_wait_ack(struct partition *partition, struct partition_waiter *waiter)
{
    if (!is_led(partition))
        waiter->wake(waiter, ERR_NOT_FOUND);
    else if (!is_over(partition, log_offsets(partition->log).high_watermark, waiter))
        insert_by_offset(&partition->ack_waiters, waiter);
}

void partition_wait_durable(struct partition *partition, struct partition_waiter *waiter)
{
    struct log_offsets offsets = log_offsets(partition->log);

    if (!is_led(partition))
        waiter->wake(waiter, ERR_NOT_FOUND);
    else if (!is_over(partition, durable_mark(&offsets), waiter))
        insert_by_offset(&partition->durable_waiters, waiter);
}

void partition_wait_data(struct partition *partition, struct partition_waiter *waiter)
{
    struct log_offsets offsets = log_offsets(partition->log);

    if (!is_over(partition, data_mark(waiter, &offsets), waiter))
        list_push_back(&partition->data_waiters, &waiter->node);
}

void partition_cancel_wait(struct partition_waiter *waiter)
{
    if (list_is_linked(&waiter->node))
        list_remove(&waiter->node);
}
