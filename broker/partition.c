#include "broker/partition.h"

#include "base/check.h"

void partition_publish(struct partition *partition)
{
    struct log_offsets offsets = log_offsets(partition->log);
    int64_t allowed;
    struct list ready;

    in_sync_tell_own(&partition->in_sync,
                     partition->config.log.relaxed ? offsets.accepted : offsets.durable);
    allowed = in_sync_high_watermark(&partition->in_sync, offsets.high_watermark);
    if (allowed <= offsets.high_watermark)
        return;
    log_set_high_watermark(partition->log, allowed); /* P1 */

    list_init(&ready); /* onto a list of our own first: waking may add waiters */
    while (!list_is_empty(&partition->ack_waiters)) {
        struct list *node = partition->ack_waiters.next;
        if (container_of(node, struct partition_waiter, node)->offset > allowed)
            break;
        list_remove(node);
        list_push_back(&ready, node);
    }
    list_for_each_safe(node, &partition->data_waiters)
    {
        if (container_of(node, struct partition_waiter, node)->offset <= allowed) {
            list_remove(node);
            list_push_back(&ready, node);
        }
    }
    for (struct list *node = list_pop_front(&ready); node != NULL; node = list_pop_front(&ready)) {
        struct partition_waiter *waiter = container_of(node, struct partition_waiter, node);
        waiter->wake(waiter, OK);
    }
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
    list_splice_back(&ended, &partition->ack_waiters);
    list_splice_back(&ended, &partition->data_waiters);
    for (struct list *node = list_pop_front(&ended); node != NULL; node = list_pop_front(&ended)) {
        struct partition_waiter *waiter = container_of(node, struct partition_waiter, node);
        waiter->wake(waiter, err);
    }
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
        partition->leader_epoch = state->leader_epoch; /* P3 */
        log_begin_epoch(partition->log, state->leader_epoch);
    }
    if (!is_led(partition))
        partition_end_waits(partition, ERR_NOT_FOUND);
    return err;
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

enum err partition_append(struct partition *partition, const uint8_t *bytes, uint32_t size_bytes,
                          int64_t max_timestamp_ms, int64_t now_ms, struct log_append_result *out)
{
    if (is_led(partition) && !in_sync_has_enough(&partition->in_sync))
        return ERR_REPLICAS;
    return partition_append_leader(partition, bytes, size_bytes, max_timestamp_ms, now_ms, out);
}

enum err partition_append_leader(struct partition *partition, const uint8_t *bytes,
                                 uint32_t size_bytes, int64_t max_timestamp_ms, int64_t now_ms,
                                 struct log_append_result *out)
{
    enum err err;

    if (!is_led(partition))
        return ERR_NOT_FOUND;
    err = log_append_leader(partition->log, bytes, size_bytes, max_timestamp_ms,
                            partition->leader_epoch, now_ms, out);
    if (err == OK && !out->duplicate) {
        counter_add(&partition->bytes_in, size_bytes);
        counter_add(&partition->messages_in, (uint64_t)(out->last_offset - out->base_offset + 1));
    }
    return err;
}

static bool is_reached(struct partition *partition, struct partition_waiter *waiter)
{
    if (partition->deleted) {
        waiter->wake(waiter, ERR_NOT_FOUND);
        return true;
    }
    if (store_state(partition->shard->store) == STORE_FAILED) {
        waiter->wake(waiter, ERR_STORAGE);
        return true;
    }
    if (log_offsets(partition->log).high_watermark >= waiter->offset) {
        waiter->wake(waiter, OK);
        return true;
    }
    return false;
}

void partition_wait_ack(struct partition *partition, struct partition_waiter *waiter)
{
    struct list *before = partition->ack_waiters.prev;

    if (!is_led(partition)) {
        waiter->wake(waiter, ERR_NOT_FOUND);
        return;
    }
    if (is_reached(partition, waiter))
        return;
    /* a duplicate waits for an offset older than the newest: walk back to its place */
    while (before != &partition->ack_waiters &&
           container_of(before, struct partition_waiter, node)->offset > waiter->offset)
        before = before->prev;
    list_insert_between(&waiter->node, before, before->next);
}

void partition_wait_data(struct partition *partition, struct partition_waiter *waiter)
{
    if (!is_reached(partition, waiter))
        list_push_back(&partition->data_waiters, &waiter->node);
}

void partition_cancel_wait(struct partition_waiter *waiter)
{
    if (list_is_linked(&waiter->node))
        list_remove(&waiter->node);
}
