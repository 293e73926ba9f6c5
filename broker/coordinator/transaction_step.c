/* start: decided, room taken for what is added → the record appended: applied (apply), then
 * on_appended → durable: on_done.  What writes nothing takes the same way with a write without
 * records (TCO-2).
 *
 * Between start and the append, where it may wait for room, the transaction is pending, and whoever
 * comes meanwhile is told CONCURRENT_TRANSACTIONS.  From the append on the next one is decided by
 * the new state. */
#include "broker/coordinator/transaction_step.h"

#include "base/check.h"
#include "broker/coordinator/transaction_completion.h"
#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/coordinator/transaction_records.h"
#include "broker/coordinator/transaction_timeouts.h"
#include "broker/metadata/image.h"

#include <string.h>

/* ---- after */

/* The entry may be gone afterwards, and so may the step. */
static void end(struct transaction_step *step, enum err err)
{
    struct transaction_entry *entry = step->of;
    bool was_prepared = entry->prepared == step;

    runtime_write_deinit(&step->write);
    transaction_partitions_deinit(&step->missing);
    budget_give(transaction_coordinator_budget(entry->coordinator), step->counted_bytes);
    if (step->is_pending && !step->is_applied)
        entry->transaction.is_pending = false; /* nothing has changed (DUR-T17) */
    if (was_prepared)
        entry->prepared = NULL;
    if (was_prepared && err == OK)
        transaction_completion_durable(entry);
    step->done(step, err);
    transaction_coordinator_release(entry);
}

static void on_done(struct runtime_write *write, enum err err)
{
    end(container_of(write, struct transaction_step, write), err);
}

static void on_appended(struct runtime_write *write)
{
    struct transaction_step *step = container_of(write, struct transaction_step, write);
    struct transaction_entry *entry = step->of;

    enum err err = OK;

    if (entry->prepared == step)
        err = transaction_completion_begin(entry);
    (void)err; /* without memory transaction_timeouts begins it again */
    if (step->appended != NULL)
        step->appended(step);
}

/* ---- the record is in the log */

static void tell_fenced(const struct transaction_entry *entry)
{
    const struct transaction_fields *fields = &entry->transaction.fields;

    counter_add(&entry->coordinator->fenced, 1);
    log_line(entry->coordinator->shard->sink, LOG_WARN, "LVE-5025",
             "a producer is fenced, and its open transaction aborted",
             log_text("transactional_id", entry->id, entry->id_bytes),
             log_i64("producer_id", fields->producer_id), log_i64("epoch", fields->epoch),
             log_i64("started_ms", fields->started_ms),
             log_u64("partitions", entry->partitions.count));
}

void transaction_step_apply(struct runtime_write *write)
{
    struct transaction_step *step = container_of(write, struct transaction_step, write);
    struct transaction_entry *entry = step->of;
    const struct transaction_fields *next = &step->decision.next;

    check(step->is_pending && !step->is_applied);
    step->is_applied = true;
    if (next->state == TRANSACTION_ONGOING)
        transaction_partitions_take(&entry->partitions, &step->missing);
    else if (next->state != TRANSACTION_PREPARE_COMMIT && next->state != TRANSACTION_PREPARE_ABORT)
        transaction_partitions_deinit(&entry->partitions);
    transaction_apply(&entry->transaction, next, step->decision.next_last_epoch);
    if (next->state == TRANSACTION_EMPTY) /* TGD-2 */
        transaction_guards_clear(entry);
    if (step->event.kind == TRANSACTION_INIT && next->state == TRANSACTION_PREPARE_ABORT)
        tell_fenced(entry);
    entry->transaction.partition_count = entry->partitions.count;
    entry->is_recorded = true;
    entry->prepared = transaction_is_ending(&entry->transaction) ? step : NULL;
    transaction_coordinator_recount(entry);
    if (next->state == TRANSACTION_DEAD)
        transaction_coordinator_unlink(entry);
    else
        transaction_timeouts_note(&entry->coordinator->timeouts, entry, false);
}

/* ---- before */

/* Are all of them in this shard's image?  What is not there when the transaction ends counts as
 * deleted (TCM-3): so what it has not heard of yet cannot come in. */
static bool are_known(const struct transaction_coordinator *coordinator,
                      const struct transaction_partitions *set)
{
    for (uint32_t t = 0; t < set->topic_count; t++) {
        const struct transaction_topic *topic = &set->topics[t];
        const struct image_topic *image =
            image_topic_by_name(coordinator->shard->image, topic->name, strlen(topic->name));
        if (image == NULL || (uint32_t)topic->indexes[topic->count - 1] >= image->partition_count)
            return false;
    }
    return true;
}

/* Memory for what is added, so that apply needs none.  ERR_FULL: there would be too many;
 * ERR_AGAIN: they are not known here yet. */
static enum err take_room(struct transaction_step *step)
{
    struct transaction_entry *entry = step->of;
    struct transaction_coordinator *coordinator = entry->coordinator;
    int32_t max = config_values(coordinator->shard->config)->levee_transaction_partitions_max;
    enum err err = transaction_partitions_missing(&entry->partitions, step->adds, &step->missing);
    uint64_t bytes = transaction_partitions_bytes(&step->missing);

    if (err != OK)
        return err;
    if (!are_known(coordinator, &step->missing))
        return ERR_AGAIN;
    if (entry->partitions.count + step->missing.count > (uint32_t)max) {
        counter_add(&coordinator->refused_partitions, 1);
        log_line(coordinator->shard->sink, LOG_WARN, "LVE-5031",
                 "partitions were not added to a transaction: it has as many as it may have",
                 log_text("transactional_id", entry->id, entry->id_bytes),
                 log_u64("partitions", entry->partitions.count),
                 log_u64("more", step->missing.count));
        return ERR_FULL;
    }
    if (!budget_take(transaction_coordinator_budget(coordinator), bytes))
        return ERR_NOMEM;
    step->counted_bytes = bytes;
    return transaction_partitions_reserve(&entry->partitions, &step->missing);
}

static void record(struct transaction_step *step)
{
    struct transaction_entry *entry = step->of;
    const struct transaction_fields *next = &step->decision.next;
    enum err err = OK;

    entry->transaction.is_pending = true;
    step->is_pending = true;
    if (step->event.kind == TRANSACTION_ADD)
        err = take_room(step);
    if (err != OK)
        runtime_write_fail(&step->write, err);
    else if (next->state == TRANSACTION_DEAD)
        transaction_records_add_tombstone(&step->write, entry->id, entry->id_bytes);
    else
        transaction_records_add(&step->write, entry->id, entry->id_bytes, next, &entry->partitions,
                                &step->missing,
                                transaction_coordinator_version(entry->coordinator));
}

void transaction_step_start(struct transaction_step *step)
{
    struct transaction_entry *entry = step->entry;
    struct runtime_partition *partition =
        runtime_served(&entry->coordinator->runtime, entry->partition_index);

    step->of = entry; /* whoever waits may forget it meanwhile */
    step->missing = (struct transaction_partitions){0};
    step->counted_bytes = 0;
    step->is_pending = false;
    step->is_applied = false;
    step->write = (struct runtime_write){0};
    step->decision = (struct transaction_decision){0};
    entry->step_count++;
    if (partition == NULL || !list_is_linked(&entry->node)) {
        end(step, ERR_NOT_FOUND);
        return;
    }
    step->event.has_all =
        step->adds != NULL && transaction_partitions_has_all(&entry->partitions, step->adds);
    step->decision = transaction_decide(&entry->transaction, &step->event);
    if (step->decision.needs_producer_id) {
        end(step, OK);
        return;
    }
    runtime_write_init(&step->write, partition, on_done);
    step->write.appended = on_appended;
    if (step->decision.writes)
        record(step);
    runtime_write_start(&step->write);
}
