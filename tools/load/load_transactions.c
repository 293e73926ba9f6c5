#include "tools/load/load_transactions.h"

#include "base/mem.h"

enum err load_transactions_open(struct load_transactions *transactions, struct load_shared *shared,
                                struct load_stats *stats, struct load_room *room, uint32_t worker)
{
    const struct load_workload *workload = shared->workload;
    struct pacer_options pacing = workload->pacing;
    uint32_t threads = workload->threads_count;
    uint32_t total = workload->transaction_records == 0 || workload->is_pipeline
                         ? 0
                         : workload->topics_count * workload->producers_count;
    uint32_t shares = load_workload_shares(workload);
    uint64_t things = load_workload_things(workload);
    enum err err = OK;

    *transactions = (struct load_transactions){.shared = shared, .left = UINT64_MAX};
    if (total <= worker)
        return OK;
    if (things != UINT64_MAX)
        transactions->left = load_workload_part(things, worker, shares);
    pacing.share = worker;
    pacing.shares = shares;
    if (workload->is_open_loop)
        err = pacer_init(&transactions->pacer, &pacing);
    transactions->transactors =
        mem_alloc(sizeof(*transactions->transactors) * (total / threads + 1));
    for (uint32_t i = worker; i < total && err == OK; i += threads)
        err = load_transactor_open(&transactions->transactors[transactions->count++], shared, stats,
                                   room, i);
    return err;
}

static uint64_t end_of(const struct load_transactions *transactions)
{
    return atomic_load_explicit(&transactions->shared->end_ns, memory_order_relaxed);
}

/* When the next one is intended; UINT64_MAX: none before the end. */
static uint64_t next_due(const struct load_transactions *transactions, uint64_t now)
{
    uint64_t start_ns = atomic_load_explicit(&transactions->shared->start_ns, memory_order_relaxed);
    uint64_t at_ns;

    if (transactions->left == 0)
        return UINT64_MAX;
    if (!transactions->shared->workload->is_open_loop)
        return now >= end_of(transactions) ? UINT64_MAX : now > start_ns ? now : start_ns;
    at_ns = pacer_peek_ns(&transactions->pacer);
    return at_ns > UINT64_MAX - start_ns || at_ns + start_ns >= end_of(transactions)
               ? UINT64_MAX
               : at_ns + start_ns;
}

static struct load_transactor *next_idle(struct load_transactions *transactions)
{
    for (uint32_t i = 0; i < transactions->count; i++) {
        struct load_transactor *transactor = &transactions->transactors[transactions->next];
        transactions->next = (transactions->next + 1) % transactions->count;
        if (transactor->state == LOAD_TRANSACTOR_IDLE)
            return transactor;
    }
    return NULL;
}

uint64_t load_transactions_turn(struct load_transactions *transactions, uint64_t now_ns)
{
    uint64_t due;

    for (uint32_t i = 0; i < transactions->count; i++)
        load_transactor_turn(&transactions->transactors[i]);
    if (transactions->count == 0 || load_shared_phase(transactions->shared) != LOAD_PHASE_RUN)
        return UINT64_MAX;
    while ((due = next_due(transactions, now_ns)) <= now_ns) {
        struct load_transactor *transactor = next_idle(transactions);
        if (transactor == NULL)
            return UINT64_MAX; /* it stays due */
        load_transactor_give(transactor, due);
        load_transactor_turn(transactor);
        if (transactions->shared->workload->is_open_loop)
            (void)pacer_next_ns(&transactions->pacer);
        if (transactions->left != UINT64_MAX)
            transactions->left--;
    }
    return due;
}

bool load_transactions_are_ready(const struct load_transactions *transactions, bool *broken_out)
{
    bool is_ready = true;

    for (uint32_t i = 0; i < transactions->count; i++) {
        enum load_transactor_state state = transactions->transactors[i].state;
        *broken_out = *broken_out || state == LOAD_TRANSACTOR_BROKEN;
        is_ready = is_ready && state == LOAD_TRANSACTOR_IDLE;
    }
    return is_ready;
}

bool load_transactions_are_done(const struct load_transactions *transactions, uint64_t now_ns)
{
    bool has_one = false;

    for (uint32_t i = 0; i < transactions->count; i++) {
        enum load_transactor_state state = transactions->transactors[i].state;
        if (state != LOAD_TRANSACTOR_IDLE && state != LOAD_TRANSACTOR_BROKEN)
            return false;
        has_one = has_one || state == LOAD_TRANSACTOR_IDLE;
    }
    return !has_one || next_due(transactions, now_ns) == UINT64_MAX;
}

void load_transactions_close(struct load_transactions *transactions)
{
    for (uint32_t i = 0; i < transactions->count; i++)
        load_transactor_close(&transactions->transactors[i]);
}

bool load_transactions_are_closed(const struct load_transactions *transactions)
{
    for (uint32_t i = 0; i < transactions->count; i++)
        if (!load_transactor_is_closed(&transactions->transactors[i]))
            return false;
    return true;
}

void load_transactions_deinit(struct load_transactions *transactions)
{
    for (uint32_t i = 0; i < transactions->count; i++)
        load_transactor_deinit(&transactions->transactors[i]);
    mem_free(transactions->transactors);
}
