#include "tools/load/load_producers.h"

#include "base/mem.h"

enum { BURST = 1024 };

enum err load_producers_open(struct load_producers *producers, struct load_shared *shared,
                             struct load_stats *stats, struct load_room *room, uint32_t worker)
{
    const struct load_workload *workload = shared->workload;
    struct pacer_options pacing = workload->pacing;
    uint32_t total = workload->transaction_records > 0 && !workload->is_pipeline
                         ? 0
                         : workload->topics_count * workload->producers_count;
    uint32_t threads = workload->threads_count;
    uint32_t shares = load_workload_shares(workload);
    uint64_t things = load_workload_things(workload);
    enum err err = OK;

    *producers = (struct load_producers){.shared = shared, .churn_at_ns = UINT64_MAX};
    if (total <= worker)
        return OK;
    producers->records_left =
        things == UINT64_MAX ? UINT64_MAX : load_workload_part(things, worker, shares);
    pacing.share = worker;
    pacing.shares = shares;
    if (workload->is_open_loop)
        err = pacer_init(&producers->pacer, &pacing);
    producers->senders =
        mem_alloc(sizeof(*producers->senders) * load_workload_part(total, worker, threads));
    for (uint32_t i = worker; i < total && err == OK; i += threads) {
        struct load_sender *sender = &producers->senders[producers->count++];
        *sender = (struct load_sender){.shared = shared,
                                       .stats = stats,
                                       .room = room,
                                       .number = i,
                                       .topic_index = i % workload->topics_count};
        sender->topic_name = shared->topics[sender->topic_index];
        err = load_sender_open(sender);
    }
    return err;
}

/* The next sender in turn that has room; NULL: none. */
static struct load_sender *next_free(struct load_producers *producers)
{
    for (uint32_t i = 0; i < producers->count; i++) {
        struct load_sender *sender = &producers->senders[producers->next];
        producers->next = (producers->next + 1) % producers->count;
        if (load_sender_is_free(sender))
            return sender;
    }
    return NULL;
}

static uint64_t end_of(const struct load_producers *producers)
{
    return atomic_load_explicit(&producers->shared->end_ns, memory_order_relaxed);
}

static uint64_t start_of(const struct load_producers *producers)
{
    return atomic_load_explicit(&producers->shared->start_ns, memory_order_relaxed);
}

/* When the next record of the schedule is intended, monotonic; UINT64_MAX: none before the end. */
static uint64_t next_due(const struct load_producers *producers)
{
    uint64_t start_ns = start_of(producers);
    uint64_t at_ns = pacer_peek_ns(&producers->pacer);

    if (producers->records_left == 0 || at_ns > UINT64_MAX - start_ns ||
        at_ns + start_ns >= end_of(producers))
        return UINT64_MAX;
    return at_ns + start_ns;
}

static uint64_t turn_open(struct load_producers *producers, uint64_t now)
{
    uint64_t due = next_due(producers);

    for (uint32_t i = 0; i < BURST && due <= now; i++) {
        struct load_sender *sender = next_free(producers);
        if (sender == NULL || load_sender_give(sender, due) == ERR_FULL)
            return UINT64_MAX; /* it stays due */
        (void)pacer_next_ns(&producers->pacer);
        if (producers->records_left != UINT64_MAX)
            producers->records_left--;
        due = next_due(producers);
    }
    return due;
}

static uint64_t turn_closed(struct load_producers *producers, uint64_t now)
{
    uint32_t in_flight = producers->shared->workload->in_flight_count;
    bool has_more = false;

    if (now >= end_of(producers))
        return UINT64_MAX;
    if (now < start_of(producers))
        return start_of(producers);
    for (uint32_t i = 0; i < producers->count; i++) {
        struct load_sender *sender = &producers->senders[i];
        uint32_t given = 0;
        while (load_sender_is_free(sender) && producers->records_left > 0 && given < BURST &&
               (in_flight == 0 || sender->flying_count < in_flight)) {
            if (load_sender_give(sender, clock_mono_ns(sender->room->loop.clock)) != OK)
                break;
            given++;
            if (producers->records_left != UINT64_MAX)
                producers->records_left--;
        }
        has_more = has_more || given == BURST;
    }
    return has_more ? 0 : UINT64_MAX;
}

static void churn(struct load_producers *producers, uint64_t now)
{
    double rate = producers->shared->workload->churn_rate /
                  (double)producers->shared->workload->threads_count;

    if (rate <= 0 || producers->count == 0)
        return;
    if (producers->churn_at_ns == UINT64_MAX)
        producers->churn_at_ns = now;
    if (now < producers->churn_at_ns || now >= end_of(producers))
        return;
    producers->churn_at_ns += (uint64_t)(1e9 / rate);
    load_sender_retire(&producers->senders[producers->churn_next]);
    producers->churn_next = (producers->churn_next + 1) % producers->count;
}

uint64_t load_producers_turn(struct load_producers *producers, uint64_t now_ns)
{
    for (uint32_t i = 0; i < producers->count; i++)
        load_sender_turn(&producers->senders[i]);
    if (producers->count == 0 || load_shared_phase(producers->shared) != LOAD_PHASE_RUN)
        return UINT64_MAX;
    churn(producers, now_ns);
    return producers->shared->workload->is_open_loop ? turn_open(producers, now_ns)
                                                     : turn_closed(producers, now_ns);
}

bool load_producers_are_ready(const struct load_producers *producers, bool *broken_out)
{
    bool is_ready = true;

    for (uint32_t i = 0; i < producers->count; i++) {
        *broken_out = *broken_out || producers->senders[i].state == LOAD_SENDER_BROKEN;
        is_ready = is_ready && producers->senders[i].state == LOAD_SENDER_READY;
    }
    return is_ready;
}

bool load_producers_are_done(const struct load_producers *producers, uint64_t now_ns)
{
    bool has_sender = false;

    for (uint32_t i = 0; i < producers->count; i++) {
        if (!load_sender_is_idle(&producers->senders[i]))
            return false;
        has_sender = has_sender || producers->senders[i].state != LOAD_SENDER_BROKEN;
    }
    if (!has_sender)
        return true;
    if (producers->shared->workload->is_open_loop)
        return next_due(producers) == UINT64_MAX;
    return now_ns >= end_of(producers) || producers->records_left == 0;
}

void load_producers_close(struct load_producers *producers)
{
    for (uint32_t i = 0; i < producers->count; i++)
        load_sender_close(&producers->senders[i]);
}

bool load_producers_are_closed(const struct load_producers *producers)
{
    for (uint32_t i = 0; i < producers->count; i++)
        if (producers->senders[i].state != LOAD_SENDER_CLOSED)
            return false;
    return true;
}

void load_producers_deinit(struct load_producers *producers)
{
    for (uint32_t i = 0; i < producers->count; i++)
        load_sender_deinit(&producers->senders[i]);
    mem_free(producers->senders);
}
