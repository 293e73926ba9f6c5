/* scan → look at the open ones, a slice in each turn → time_out: fence and abort, by the finalized
 * level → done.  expiry → likewise all ids → a tombstone. */
#include "broker/coordinator/transaction_timeouts.h"

#include "base/log_line.h"
#include "base/mem.h"
#include "broker/clock_guard.h"
#include "broker/coordinator/transaction_completion.h"
#include "broker/producer_id_draw.h"
#include "net/protocol/kafka_errors.h"

enum {
    LOOKS_MAX = 1024, /* in a turn */
    OWN_MAX = 256,    /* records on their way */
};

/* What the coordinator does by itself to one id. */
struct own_step {
    struct transaction_step step; /* step.entry NULL: it has gone */
    struct producer_id_draw draw;
    struct transaction_timeouts *timeouts;
    struct list node;
};

static struct shard *shard_of(const struct transaction_timeouts *timeouts)
{
    return transaction_coordinator_shard(timeouts->coordinator);
}

/* ---- one id */

static void free_own(struct own_step *own)
{
    struct transaction_timeouts *timeouts = own->timeouts;

    list_remove(&own->node);
    mem_free(own);
    timeouts->own_count--;
    if (timeouts->is_running &&
        (timeouts->expiry_next != NULL || !list_is_empty(&timeouts->looking)))
        loop_defer(&shard_of(timeouts)->loop, &timeouts->more);
}

static void tell_timed_out(struct own_step *own)
{
    const struct transaction_entry *entry = own->step.entry;
    const struct transaction_fields *next = &own->step.decision.next;

    counter_add(&own->timeouts->timed_out, 1);
    log_line(shard_of(own->timeouts)->sink, LOG_WARN, "LVE-5023",
             "a transaction was open for longer than its timeout, and is aborted",
             log_text("transactional_id", entry->id, entry->id_bytes),
             log_i64("producer_id", next->producer_id), log_i64("epoch", next->epoch),
             log_i64("timeout_ms", next->timeout_ms), log_i64("started_ms", next->started_ms));
}

static void on_id(struct producer_id_draw *draw, enum err err, int64_t producer_id)
{
    struct own_step *own = container_of(draw, struct own_step, draw);

    if (err != OK || own->step.entry == NULL) {
        free_own(own); /* the next scan begins again */
        return;
    }
    own->step.event.new_producer_id = producer_id;
    transaction_step_start(&own->step);
}

static void on_done(struct transaction_step *step, enum err err)
{
    struct own_step *own = container_of(step, struct own_step, step);

    if (err == OK && step->decision.needs_producer_id) {
        producer_id_draw_start(&own->draw, shard_of(own->timeouts));
        return;
    }
    if (err == OK && step->decision.writes && step->event.kind == TRANSACTION_TIMEOUT)
        tell_timed_out(own);
    else if (err == OK && step->decision.writes)
        counter_add(&own->timeouts->expired, 1);
    free_own(own);
}

/* False: there is no room for it now. */
static bool start_own(struct transaction_timeouts *timeouts, struct transaction_entry *entry,
                      enum transaction_event_kind kind)
{
    struct own_step *own = timeouts->own_count < OWN_MAX ? mem_try_alloc(sizeof(*own)) : NULL;

    if (own == NULL)
        return false;
    own->timeouts = timeouts;
    own->draw.done = on_id;
    own->step = (struct transaction_step){
        .entry = entry,
        .event = {.kind = kind,
                  .version = transaction_coordinator_version(timeouts->coordinator),
                  .epoch = TRANSACTION_NO_EPOCH,
                  .producer_id = TRANSACTION_NO_PRODUCER,
                  .now_ms = clock_wall_ms(shard_of(timeouts)->clock),
                  .new_producer_id = TRANSACTION_NO_PRODUCER},
        .done = on_done,
    };
    list_push_back(&timeouts->own, &own->node);
    timeouts->own_count++;
    transaction_step_start(&own->step);
    return true;
}

static bool is_served(const struct transaction_timeouts *timeouts,
                      const struct transaction_entry *entry)
{
    int32_t partition_index;

    return transaction_coordinator_check(timeouts->coordinator, entry->id, entry->id_bytes,
                                         &partition_index) == KAFKA_NONE;
}

/* One that waits for a producer id has nothing that says so. */
static bool is_on_its_way(const struct transaction_timeouts *timeouts,
                          const struct transaction_entry *entry)
{
    list_for_each(node, &timeouts->own)
    {
        if (container_of(node, struct own_step, node)->step.entry == entry)
            return true;
    }
    return false;
}

/* ---- open for too long */

/* Some of looking.  What is timed out stays in open until a record says otherwise. */
static void look_at_open(struct transaction_timeouts *timeouts, uint32_t *looks)
{
    uint64_t now_ns = loop_now_ns(&shard_of(timeouts)->loop);

    while (*looks < LOOKS_MAX && !list_is_empty(&timeouts->looking)) {
        struct transaction_entry *entry =
            list_first(&timeouts->looking, struct transaction_entry, open_node);
        *looks += 1;
        if (entry->deadline_ns <= now_ns && is_served(timeouts, entry) &&
            !is_on_its_way(timeouts, entry)) {
            if (timeouts->own_count >= OWN_MAX)
                return; /* free_own goes on */
            list_remove(&entry->open_node);
            list_push_back(&timeouts->open, &entry->open_node); /* before it may be moved */
            if (!start_own(timeouts, entry, TRANSACTION_TIMEOUT))
                return;
        } else {
            list_remove(&entry->open_node);
            list_push_back(&timeouts->open, &entry->open_node);
        }
    }
}

static void begin_again(struct transaction_timeouts *timeouts)
{
    list_for_each_safe(node, &timeouts->ending)
    {
        struct transaction_entry *entry = container_of(node, struct transaction_entry, open_node);
        if (entry->completion == NULL && is_served(timeouts, entry) &&
            transaction_completion_begin_again(entry) == ERR_NOMEM)
            return; /* the next scan */
    }
}

/* ---- not used for too long */

static bool is_expired(const struct transaction_timeouts *timeouts,
                       const struct transaction_entry *entry)
{
    struct shard *shard = shard_of(timeouts);
    const struct transaction *transaction = &entry->transaction;
    int64_t age_ms;

    if (transaction->is_pending || transaction->fields.state == TRANSACTION_ONGOING ||
        transaction->fields.state == TRANSACTION_DEAD || transaction_is_ending(transaction))
        return false;
    if (__builtin_sub_overflow(clock_wall_ms(shard->clock), transaction->fields.updated_ms,
                               &age_ms))
        return false;
    return age_ms >= shard_config(shard)->transactional_id_expiration_ms;
}

static void look_at_ids(struct transaction_timeouts *timeouts, uint32_t *looks)
{
    while (timeouts->expiry_next != NULL && *looks < LOOKS_MAX) {
        struct transaction_entry *entry = timeouts->expiry_next;
        struct transaction_entry *next =
            transaction_coordinator_next(timeouts->coordinator, entry); /* it goes inside */
        *looks += 1;
        if (is_expired(timeouts, entry) && is_served(timeouts, entry) &&
            !start_own(timeouts, entry, TRANSACTION_EXPIRE))
            return; /* free_own goes on, or the next scan */
        timeouts->expiry_next = next;
    }
}

/* ---- turns */

static void on_more(struct task *task)
{
    struct transaction_timeouts *timeouts = container_of(task, struct transaction_timeouts, more);
    uint32_t looks = 0;

    if (!timeouts->is_running)
        return;
    look_at_open(timeouts, &looks);
    look_at_ids(timeouts, &looks);
    if (looks >= LOOKS_MAX)
        loop_defer(&shard_of(timeouts)->loop, &timeouts->more);
}

static void on_scan(struct timer *timer)
{
    struct transaction_timeouts *timeouts = container_of(timer, struct transaction_timeouts, scan);
    struct shard *shard = shard_of(timeouts);

    list_splice_back(&timeouts->looking, &timeouts->open);
    begin_again(timeouts);
    loop_defer(&shard->loop, &timeouts->more);
    loop_set_timer_ms(
        &shard->loop, timer,
        (uint64_t)shard_config(shard)->transaction_abort_timed_out_transaction_cleanup_interval_ms);
}

static void on_expiry(struct timer *timer)
{
    struct transaction_timeouts *timeouts =
        container_of(timer, struct transaction_timeouts, expiry);
    struct shard *shard = shard_of(timeouts);

    if (timeouts->expiry_next == NULL && clock_guard_allows(shard)) {
        timeouts->expiry_next = transaction_coordinator_next(timeouts->coordinator, NULL);
        loop_defer(&shard->loop, &timeouts->more);
    }
    loop_set_timer_ms(
        &shard->loop, timer,
        (uint64_t)shard_config(shard)->transaction_remove_expired_transaction_cleanup_interval_ms);
}

/* ---- */

void transaction_timeouts_init(struct transaction_timeouts *timeouts,
                               struct transaction_coordinator *coordinator)
{
    *timeouts = (struct transaction_timeouts){.coordinator = coordinator, .more = {.run = on_more}};
    list_init(&timeouts->open);
    list_init(&timeouts->looking);
    list_init(&timeouts->ending);
    list_init(&timeouts->own);
    timer_init(&timeouts->scan, on_scan);
    timer_init(&timeouts->expiry, on_expiry);
}

void transaction_timeouts_start(struct transaction_timeouts *timeouts)
{
    struct shard *shard = shard_of(timeouts);
    const struct config_values *values = shard_config(shard);

    timeouts->is_running = true;
    loop_set_timer_ms(
        &shard->loop, &timeouts->scan,
        (uint64_t)values->transaction_abort_timed_out_transaction_cleanup_interval_ms);
    loop_set_timer_ms(&shard->loop, &timeouts->expiry,
                      (uint64_t)values->transaction_remove_expired_transaction_cleanup_interval_ms);
}

void transaction_timeouts_stop(struct transaction_timeouts *timeouts)
{
    struct loop *loop = &shard_of(timeouts)->loop;

    timeouts->is_running = false;
    loop_cancel_timer(loop, &timeouts->scan);
    loop_cancel_timer(loop, &timeouts->expiry);
    loop_undefer(&timeouts->more);
}

void transaction_timeouts_deinit(struct transaction_timeouts *timeouts)
{
    if (timeouts->coordinator == NULL)
        return;
    transaction_timeouts_stop(timeouts);
    for (struct list *node = list_pop_front(&timeouts->own); node != NULL;
         node = list_pop_front(&timeouts->own))
        mem_free(container_of(node, struct own_step, node)); /* they wait for an id */
}

/* TMO-1 */
static uint64_t deadline_of(const struct transaction_timeouts *timeouts,
                            const struct transaction_fields *fields, bool loaded)
{
    struct shard *shard = shard_of(timeouts);
    int64_t left_ms = fields->timeout_ms;
    int64_t age_ms;

    if (fields->timeout_ms == TRANSACTION_TIMEOUT_NEVER)
        return TIMER_NEVER;
    if (loaded) {
        if (__builtin_sub_overflow(clock_wall_ms(shard->clock), fields->started_ms, &age_ms) ||
            age_ms < 0)
            age_ms = 0;
        left_ms = age_ms < left_ms ? left_ms - age_ms : 0;
    }
    return clock_deadline_ns(loop_now_ns(&shard->loop), (uint64_t)(left_ms < 0 ? 0 : left_ms));
}

void transaction_timeouts_note(struct transaction_timeouts *timeouts,
                               struct transaction_entry *entry, bool loaded)
{
    const struct transaction *transaction = &entry->transaction;
    bool is_open = transaction->fields.state == TRANSACTION_ONGOING;

    if (is_open && !loaded && list_is_linked(&entry->open_node))
        return; /* it was before: time runs from its begin */
    if (list_is_linked(&entry->open_node))
        list_remove(&entry->open_node);
    if (is_open) {
        entry->deadline_ns = deadline_of(timeouts, &transaction->fields, loaded);
        list_push_back(&timeouts->open, &entry->open_node);
    } else if (transaction_is_ending(transaction)) {
        list_push_back(&timeouts->ending, &entry->open_node);
    }
}

void transaction_timeouts_forget(struct transaction_timeouts *timeouts,
                                 struct transaction_entry *entry)
{
    if (list_is_linked(&entry->open_node))
        list_remove(&entry->open_node);
    if (timeouts->expiry_next == entry)
        timeouts->expiry_next = transaction_coordinator_next(timeouts->coordinator, entry);
    list_for_each(node, &timeouts->own)
    {
        struct own_step *own = container_of(node, struct own_step, node);
        if (own->step.entry == entry)
            own->step.entry = NULL;
    }
}

int64_t transaction_timeouts_oldest_ms(const struct transaction_timeouts *timeouts,
                                       uint32_t *count_out)
{
    const struct list *lists[] = {&timeouts->open, &timeouts->looking};
    int64_t oldest_ms = TRANSACTION_NO_TIME;

    *count_out = 0;
    for (uint32_t i = 0; i < 2; i++) {
        list_for_each(node, lists[i])
        {
            const struct transaction_entry *entry =
                container_of(node, struct transaction_entry, open_node);
            int64_t started_ms = entry->transaction.fields.started_ms;
            *count_out += 1;
            if (oldest_ms == TRANSACTION_NO_TIME || started_ms < oldest_ms)
                oldest_ms = started_ms;
        }
    }
    return oldest_ms;
}
