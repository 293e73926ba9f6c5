#include "net/client/client_part.h"

#include "base/check.h"
#include "record/batch.h"

void client_part_init(struct client_part *part, struct client_topic *topic, int32_t partition)
{
    *part = (struct client_part){.topic = topic,
                                 .partition = partition,
                                 .producer_id = BATCH_NO_PRODUCER_ID,
                                 .producer_epoch = BATCH_NO_PRODUCER_EPOCH};
    list_init(&part->waiting);
    list_init(&part->in_air);
}

static bool is_numbered(const struct client_batch *batch)
{
    return batch->base_sequence != BATCH_NO_SEQUENCE;
}

static struct client_batch *first_waiting(const struct client_part *part)
{
    return list_is_empty(&part->waiting) ? NULL
                                         : list_first(&part->waiting, struct client_batch, node);
}

static bool has_numbered_waiting(const struct client_part *part)
{
    const struct client_batch *first = first_waiting(part);

    return first != NULL && is_numbered(first); /* CPA-1 */
}

void client_part_push(struct client_part *part, struct client_batch *batch)
{
    batch->part = part;
    list_push_back(&part->waiting, &batch->node);
}

void client_part_close(struct client_part *part)
{
    if (part->open == NULL)
        return;
    part->open->is_due = true;
    part->open = NULL;
    if (list_is_linked(&part->linger_node))
        list_remove(&part->linger_node);
}

/* ---- settling */

static void forget_numbers(struct client_part *part)
{
    list_for_each(node, &part->waiting)
    {
        struct client_batch *batch = container_of(node, struct client_batch, node);

        batch->base_sequence = BATCH_NO_SEQUENCE;
        batch->may_be_stored = false;
        batch->is_half_in_doubt = false;
    }
}

/* Nothing is in the air.  True: what follows needs another epoch than the one of part. */
static bool settle(struct client_part *part)
{
    struct client_batch *first = first_waiting(part);

    if (part->must_renumber &&
        (first == NULL || !is_numbered(first) || first->serial >= part->renumber_serial)) {
        forget_numbers(part); /* CPA-3 */
        part->must_renumber = false;
        part->is_unresolved = false;
        return true;
    }
    if (part->is_unresolved && !has_numbered_waiting(part)) {
        part->is_unresolved = false;
        /* What came behind the failed one was stored, so it was, too. */
        return !part->has_acked || part->acked_sequence != part->next_sequence;
    }
    return false;
}

static bool has_epoch_of(const struct client_part *part, const struct client_numbering *numbering)
{
    return part->producer_id == numbering->producer_id &&
           part->producer_epoch == numbering->producer_epoch;
}

static void adopt(struct client_part *part, const struct client_numbering *numbering)
{
    part->producer_id = numbering->producer_id;
    part->producer_epoch = numbering->producer_epoch;
    part->next_sequence = 0;
    part->has_acked = false;
    part->must_renumber = false;
    part->is_unresolved = false;
}

/* CPA-5 */
static bool is_within_memory(const struct client_part *part,
                             const struct client_numbering *numbering)
{
    const struct client_batch *oldest = list_first(&part->in_air, struct client_batch, node);

    return part->in_air_count < numbering->in_air_max &&
           part->next_serial - oldest->serial < numbering->in_air_max;
}

enum client_part_step client_part_next(struct client_part *part,
                                       const struct client_numbering *numbering)
{
    const struct client_batch *first;

    if (list_is_empty(&part->in_air) && settle(part) && has_epoch_of(part, numbering))
        return CLIENT_PART_NEW_EPOCH;
    first = first_waiting(part);
    if (first == NULL || !first->is_due)
        return CLIENT_PART_NOTHING;
    if (!numbering->is_numbered || is_numbered(first)) /* CPA-2 */
        return list_is_empty(&part->in_air) ? CLIENT_PART_SEND : CLIENT_PART_NOTHING;
    if (part->is_unresolved || part->must_renumber || numbering->producer_id < 0)
        return CLIENT_PART_NOTHING;
    if (list_is_empty(&part->in_air))
        return CLIENT_PART_SEND;
    if (!part->has_acked && !numbering->is_transactional) /* CPA-4 */
        return CLIENT_PART_NOTHING;
    return is_within_memory(part, numbering) ? CLIENT_PART_SEND : CLIENT_PART_NOTHING;
}

struct client_batch *client_part_send(struct client_part *part,
                                      const struct client_numbering *numbering)
{
    struct client_batch *batch = first_waiting(part);

    check(batch != NULL && batch != part->open);
    list_remove(&batch->node);
    if (!numbering->is_numbered) {
        if (batch->attempts_count == 0)
            client_batch_number(batch, BATCH_NO_PRODUCER_ID, BATCH_NO_PRODUCER_EPOCH,
                                BATCH_NO_SEQUENCE, false);
    } else if (!is_numbered(batch)) {
        if (list_is_empty(&part->in_air) && !has_epoch_of(part, numbering))
            adopt(part, numbering);
        client_batch_number(batch, part->producer_id, part->producer_epoch, part->next_sequence,
                            numbering->is_transactional);
        part->next_sequence = batch_sequence_add(part->next_sequence, batch->records_count);
        batch->serial = part->next_serial++;
    } else if (batch->attempts_count == 0) { /* half of one that was split */
        client_batch_number(batch, batch->producer_id, batch->producer_epoch, batch->base_sequence,
                            numbering->is_transactional);
    }
    batch->attempts_count++;
    batch->is_in_air = true;
    list_push_back(&part->in_air, &batch->node);
    part->in_air_count++;
    return batch;
}

bool client_part_is_first(const struct client_part *part, const struct client_batch *batch)
{
    const struct client_batch *waiting = first_waiting(part);

    return part->in_air.next == &batch->node &&
           (waiting == NULL || !is_numbered(waiting) || waiting->serial > batch->serial);
}

static void take_off(struct client_part *part, struct client_batch *batch)
{
    check(batch->is_in_air);
    list_remove(&batch->node);
    batch->is_in_air = false;
    part->in_air_count--;
}

/* A half was taken with its numbers: the whole was not there, nor is the other half. */
static void end_doubt(struct client_batch *other, const struct client_batch *half)
{
    if (other->serial != half->serial)
        return;
    other->may_be_stored = false;
    other->is_half_in_doubt = false;
}

void client_part_stored(struct client_part *part, struct client_batch *batch)
{
    take_off(part, batch);
    if (!is_numbered(batch) || batch->producer_id != part->producer_id ||
        batch->producer_epoch != part->producer_epoch)
        return;
    part->has_acked = true;
    part->acked_sequence = batch_sequence_add(batch->base_sequence, batch->records_count);
    if (batch->is_half_in_doubt && has_numbered_waiting(part))
        end_doubt(first_waiting(part), batch);
}

/* CPA-1: behind those that were numbered before it; of one serial are later pieces of one batch. */
static void insert(struct client_part *part, struct client_batch *batch)
{
    struct list *after = &part->waiting;

    list_for_each(node, &part->waiting)
    {
        const struct client_batch *other = container_of(node, struct client_batch, node);

        if (!is_numbered(batch) || !is_numbered(other) || other->serial >= batch->serial)
            break;
        after = node;
    }
    list_insert_between(&batch->node, after, after->next);
}

void client_part_return(struct client_part *part, struct client_batch *batch)
{
    take_off(part, batch);
    insert(part, batch);
}

void client_part_renumber_from(struct client_part *part, const struct client_batch *batch)
{
    if (!part->must_renumber || batch->serial < part->renumber_serial)
        part->renumber_serial = batch->serial;
    part->must_renumber = true;
}

void client_part_failed(struct client_part *part, struct client_batch *batch)
{
    if (batch->is_in_air)
        take_off(part, batch);
    else
        list_remove(&batch->node);
    if (part->open == batch)
        client_part_close(part);
    if (!is_numbered(batch))
        return;
    if (batch->may_be_stored)
        part->is_unresolved = true;
    else
        client_part_renumber_from(part, batch);
}

void client_part_replace(struct client_part *part, struct client_batch *batch,
                         struct client_batch *first, struct client_batch *second)
{
    take_off(part, batch);
    first->attempts_count = 0;
    second->attempts_count = 0;
    insert(part, first);
    list_insert_between(&second->node, &first->node, first->node.next);
}
