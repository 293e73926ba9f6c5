/* coordinator_rig: a transaction coordinator beside group_rig's, over logs in memory, with
 * completions and timeouts that the test plays.  Included by one test file at a time: it defines
 * their functions. */
#ifndef LEVEE_TESTS_COORDINATOR_RIG_H
#define LEVEE_TESTS_COORDINATOR_RIG_H

#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/coordinator/transaction_route.h"
#include "broker/producer_id_draw.h"
#include "tests/unit/broker/group_rig.h"

static struct transaction_coordinator *coordinator;

/* ---- completions and timeouts, as the coordinator sees them */

struct transaction_completion {
    bool is_durable;
};

static struct {
    uint32_t begun_count;
    uint32_t durable_count;
    uint32_t ended_count;
    bool has_no_memory;
    uint32_t note_count;
    uint32_t loaded_note_count;
    uint32_t forgotten_count;
} seen;

enum err transaction_completion_begin(struct transaction_entry *entry)
{
    cr_assert_null(entry->completion);
    cr_assert(transaction_is_ending(&entry->transaction));
    if (seen.has_no_memory)
        return ERR_NOMEM;
    entry->completion = mem_alloc(sizeof(*entry->completion));
    seen.begun_count++;
    return OK;
}

void transaction_completion_durable(struct transaction_entry *entry)
{
    if (entry->completion == NULL)
        return;
    entry->completion->is_durable = true;
    seen.durable_count++;
}

void transaction_completion_end(struct transaction_completion *completion)
{
    if (completion == NULL)
        return;
    seen.ended_count++;
    mem_free(completion);
}

void transaction_markers_init(struct transaction_markers *markers, struct shard *shard)
{
}

void transaction_markers_deinit(struct transaction_markers *markers)
{
}

void transaction_timeouts_init(struct transaction_timeouts *timeouts,
                               struct transaction_coordinator *of)
{
}

void transaction_timeouts_deinit(struct transaction_timeouts *timeouts)
{
}

void transaction_timeouts_start(struct transaction_timeouts *timeouts)
{
}

void transaction_timeouts_stop(struct transaction_timeouts *timeouts)
{
}

void transaction_timeouts_note(struct transaction_timeouts *timeouts,
                               struct transaction_entry *entry, bool loaded)
{
    seen.note_count++;
    seen.loaded_note_count += loaded;
}

void transaction_timeouts_forget(struct transaction_timeouts *timeouts,
                                 struct transaction_entry *entry)
{
    seen.forgotten_count++;
}

/* ---- producer ids */

static int64_t next_producer_id;
static enum err no_producer_id; /* what a draw says instead */

void producer_id_draw_start(struct producer_id_draw *draw, struct shard *from)
{
    draw->done(draw, no_producer_id, no_producer_id == OK ? next_producer_id++ : -1);
}

/* ---- life */

static inline void make_coordinator(void)
{
    cr_assert(eq(int, transaction_coordinator_create(&rig.shard, &coordinator), OK));
    transaction_coordinator_observe(coordinator);
    rig.shard.transactions = coordinator;
}

static inline void end_coordinator(void)
{
    transaction_coordinator_stop(coordinator);
    rig_settle();
    transaction_coordinator_destroy(coordinator);
}

/* The topics' table tells of what it opens to who is there before. */
static inline void make_all(void)
{
    rig_make_parts();
    make_coordinator();
    rig_open_topics();
    group_coordinator_start(rig.shard.groups);
    transaction_coordinator_start(coordinator);
    rig_settle();
}

static inline void transactions_up(const char *const *sets)
{
    memset(&seen, 0, sizeof(seen));
    next_producer_id = 1000;
    no_producer_id = OK;
    rig_up(sets);
    rig_close_parts();
    make_all();
    rig_create_topic("__transaction_state", 1);
}

/* Stop and start again over the same logs. */
static inline void transactions_restart(void)
{
    end_coordinator();
    rig_close_parts();
    make_all();
}

static inline void transactions_down(void)
{
    end_coordinator();
    cr_assert(eq(u64, budget_used_bytes(memory_budget(&rig.shard.memory, MEMORY_TRANSACTIONS)), 0));
    rig_down();
}

static inline struct transaction_entry *entry_of(const char *id)
{
    return transaction_coordinator_find(coordinator, id, strlen(id));
}

#endif
