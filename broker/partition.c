#include "broker/partition.h"

#include "base/check.h"

void partition_publish(struct partition *partition)
{
    struct log_offsets offsets = log_offsets(partition->log);
    int64_t allowed = partition->config.log.relaxed ? offsets.accepted : offsets.durable;
    struct list ready;

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

enum err partition_check_epoch(const struct partition *partition, int32_t expected_epoch)
{
    if (expected_epoch < 0 || expected_epoch == partition->leader_epoch)
        return OK;
    return expected_epoch < partition->leader_epoch ? ERR_FENCED_EPOCH : ERR_UNKNOWN_EPOCH;
}

enum err partition_append(struct partition *partition, const uint8_t *bytes, uint32_t size_bytes,
                          const struct batch_header *header, int64_t now_ms,
                          struct log_append_result *out)
{
    enum err err;

    if (partition->deleted)
        return ERR_NOT_FOUND;
    err = log_append_leader(partition->log, bytes, size_bytes, header, partition->leader_epoch,
                            now_ms, out);
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
