/* ask → on_turn: those of one id are one step → on_appended, for partitions of the same shard, or
 * on_done → answered.
 *
 * On the coordinator's own shard the word is given at the append: what is appended then stands
 * behind the record in the same journal.  On another one it waits until the record is durable, and
 * travels as the markers do, so it is there before them. */
#include "broker/coordinator/transaction_registrations.h"

#include "base/mem.h"
#include "broker/coordinator/transaction_coordinator_private.h"
#include "net/protocol/kafka_errors.h"

#include <string.h>

/* What is asked for one transaction in one turn. */
struct registration_batch {
    struct list node; /* of all batches, or of those that are about to start */
    struct transaction_registrations *all;
    struct transaction_step step;
    struct transaction_partitions adds;
    struct list waiting; /* of transaction_registration.node */
};

/* ---- answers, on the coordinator's shard */

static void answer(struct transaction_registration *registration, int16_t error)
{
    registration->error = error;
    shard_call_finish(&registration->hop);
}

/* Those of this shard, or all. */
static void answer_batch(struct registration_batch *batch, int16_t error, bool only_here)
{
    const struct shard *here = batch->all->coordinator->shard;
    struct list told;
    struct list *node;

    list_init(&told);
    list_for_each_safe(each, &batch->waiting)
    {
        const struct transaction_registration *registration =
            container_of(each, struct transaction_registration, node);
        if (only_here && registration->hop.origin != here)
            continue;
        list_remove(each);
        list_push_back(&told, each);
    }
    while ((node = list_pop_front(&told)) != NULL)
        answer(container_of(node, struct transaction_registration, node), error);
}

static void on_appended(struct transaction_step *step)
{
    if (step->decision.error == KAFKA_NONE) /* TXR-2 */
        answer_batch(container_of(step, struct registration_batch, step), KAFKA_NONE, true);
}

static void on_done(struct transaction_step *step, enum err err)
{
    struct registration_batch *batch = container_of(step, struct registration_batch, step);
    int16_t error = err == OK ? step->decision.error : transaction_coordinator_error(err);

    list_remove(&batch->node);
    if (!batch->all->coordinator->closing) /* else nobody is there */
        answer_batch(batch, error, false);
    mem_free(batch);
}

/* ---- a turn */

static bool is_of(const struct registration_batch *batch,
                  const struct transaction_registration *registration)
{
    return batch->step.event.kind == TRANSACTION_ADD && registration->version >= TRANSACTION_V2 &&
           batch->step.event.producer_id == registration->producer_id &&
           batch->step.event.epoch == registration->epoch;
}

static struct registration_batch *make_batch(struct transaction_registrations *all,
                                             struct transaction_entry *entry,
                                             const struct transaction_registration *registration)
{
    struct registration_batch *batch = mem_try_alloc(sizeof(*batch));

    if (batch == NULL)
        return NULL;
    list_init(&batch->waiting);
    batch->all = all;
    entry->step_count++; /* until its step has begun */
    batch->step = (struct transaction_step){
        .entry = entry,
        .event = {.kind = registration->version >= TRANSACTION_V2 ? TRANSACTION_ADD
                                                                  : TRANSACTION_VERIFY,
                  .version = registration->version,
                  .producer_id = registration->producer_id,
                  .epoch = registration->epoch,
                  .now_ms = clock_wall_ms(all->coordinator->shard->clock),
                  .new_producer_id = TRANSACTION_NO_PRODUCER},
        .adds = &batch->adds,
        .appended = on_appended,
        .done = on_done,
    };
    return batch;
}

static enum err add(struct registration_batch *batch, struct transaction_registration *registration)
{
    enum err err = transaction_partitions_add(&batch->adds, registration->topic,
                                              strlen(registration->topic), registration->partition);

    if (err == OK)
        list_push_back(&batch->waiting, &registration->node);
    return err;
}

/* Into the batch of its transaction; each that is only verified has one of its own, because the
 * answer is of its partition. */
static void collect(struct transaction_registrations *all, struct list *batches,
                    struct transaction_registration *registration)
{
    struct transaction_coordinator *coordinator = all->coordinator;
    struct transaction_entry *entry =
        transaction_coordinator_find(coordinator, registration->id, registration->id_bytes);
    struct registration_batch *batch;
    int32_t index;
    int16_t error = transaction_coordinator_check(coordinator, registration->id,
                                                  registration->id_bytes, &index);

    if (error == KAFKA_NONE && entry == NULL)
        error = KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (error == KAFKA_NONE)
        registration->is_late = transaction_guard_is_late_commit(entry, registration);
    if (error != KAFKA_NONE || registration->is_late) {
        answer(registration, error);
        return;
    }
    batch = entry->batch;
    if (batch == NULL || !is_of(batch, registration)) {
        batch = make_batch(all, entry, registration);
        if (batch == NULL) {
            answer(registration, transaction_coordinator_error(ERR_NOMEM));
            return;
        }
        entry->batch = batch;
        list_push_back(batches, &batch->node);
    }
    if (add(batch, registration) != OK)
        answer(registration, transaction_coordinator_error(ERR_NOMEM));
}

static void on_turn(struct task *task)
{
    struct transaction_registrations *all =
        container_of(task, struct transaction_registrations, turn);
    struct list asked;
    struct list batches;
    struct list *node;

    list_init(&asked);
    list_init(&batches);
    list_splice_back(&asked, &all->asked);
    while ((node = list_pop_front(&asked)) != NULL)
        collect(all, &batches, container_of(node, struct transaction_registration, node));
    list_for_each(each, &batches)
    {
        container_of(each, struct registration_batch, node)->step.entry->batch = NULL;
    }
    while ((node = list_pop_front(&batches)) != NULL) {
        struct registration_batch *batch = container_of(node, struct registration_batch, node);
        struct transaction_entry *entry = batch->step.entry;
        struct transaction_partitions adds = batch->adds; /* the batch may be gone before */
        batch->step.adds = &adds;
        list_push_back(&all->batches, &batch->node);
        transaction_step_start(&batch->step);
        transaction_partitions_deinit(&adds);
        transaction_coordinator_release(entry);
    }
}

void transaction_registrations_ask(struct transaction_registrations *registrations,
                                   struct transaction_registration *registration)
{
    list_push_back(&registrations->asked, &registration->node);
    loop_defer(&registrations->coordinator->shard->loop, &registrations->turn);
}

/* ---- of a coordinator */

void transaction_registrations_init(struct transaction_registrations *registrations,
                                    struct transaction_coordinator *coordinator)
{
    *registrations =
        (struct transaction_registrations){.coordinator = coordinator, .turn = {.run = on_turn}};
    list_init(&registrations->asked);
    list_init(&registrations->batches);
}

void transaction_registrations_deinit(struct transaction_registrations *registrations)
{
    loop_undefer(&registrations->turn);
}
