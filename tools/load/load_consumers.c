#include "tools/load/load_consumers.h"

#include "base/mem.h"

#include <stdio.h>

enum err load_consumers_open(struct load_consumers *consumers, struct load_shared *shared,
                             struct load_stats *stats, struct load_room *room, uint32_t worker)
{
    const struct load_workload *workload = shared->workload;
    uint32_t threads = workload->threads_count;
    uint32_t each = workload->subscriptions_count * workload->consumers_count;
    uint32_t total = workload->topics_count * each;
    enum err err = OK;

    *consumers = (struct load_consumers){.shared = shared, .churn_at_ns = UINT64_MAX};
    if (total <= worker)
        return OK;
    consumers->readers = mem_alloc(sizeof(*consumers->readers) * (total / threads + 1));
    for (uint32_t i = worker; i < total && err == OK; i += threads) {
        struct load_reader *reader = &consumers->readers[consumers->count++];
        *reader = (struct load_reader){.shared = shared,
                                       .stats = stats,
                                       .room = room,
                                       .topic_index = i / each,
                                       .subscription = i % each / workload->consumers_count,
                                       .index = i % workload->consumers_count};
        reader->topic_name = shared->outputs != NULL ? shared->outputs[reader->topic_index]
                                                     : shared->topics[reader->topic_index];
        if (workload->uses_groups)
            snprintf(reader->group_id, sizeof(reader->group_id), "levee-bench-%08x-%u-%u",
                     (unsigned)shared->run, (unsigned)reader->topic_index,
                     (unsigned)reader->subscription);
        err = load_reader_open(reader);
    }
    return err;
}

static void churn(struct load_consumers *consumers, uint64_t now)
{
    const struct load_workload *workload = consumers->shared->workload;
    double rate = workload->member_churn_rate / (double)workload->threads_count;

    if (rate <= 0 || consumers->count == 0 || !workload->uses_groups ||
        load_shared_phase(consumers->shared) != LOAD_PHASE_RUN)
        return;
    if (consumers->churn_at_ns == UINT64_MAX)
        consumers->churn_at_ns = now + (uint64_t)(1e9 / rate);
    if (now < consumers->churn_at_ns ||
        now >= atomic_load_explicit(&consumers->shared->end_ns, memory_order_relaxed))
        return;
    consumers->churn_at_ns += (uint64_t)(1e9 / rate);
    load_reader_retire(&consumers->readers[consumers->churn_next]);
    consumers->churn_next = (consumers->churn_next + 1) % consumers->count;
}

uint64_t load_consumers_turn(struct load_consumers *consumers, uint64_t now_ns)
{
    bool has_more = false;

    churn(consumers, now_ns);
    for (uint32_t i = 0; i < consumers->count; i++)
        has_more = load_reader_turn(&consumers->readers[i], now_ns) || has_more;
    return has_more ? 0 : UINT64_MAX;
}

bool load_consumers_are_ready(const struct load_consumers *consumers, bool *broken_out)
{
    bool is_ready = true;

    for (uint32_t i = 0; i < consumers->count; i++) {
        *broken_out = *broken_out || consumers->readers[i].state == LOAD_READER_BROKEN;
        is_ready = is_ready && consumers->readers[i].state == LOAD_READER_READY;
    }
    return is_ready;
}

bool load_consumers_are_at_end(struct load_consumers *consumers)
{
    for (uint32_t i = 0; i < consumers->count; i++)
        if (!load_reader_is_at_end(&consumers->readers[i]))
            return false;
    return true;
}

void load_consumers_close(struct load_consumers *consumers)
{
    for (uint32_t i = 0; i < consumers->count; i++)
        load_reader_close(&consumers->readers[i]);
}

bool load_consumers_are_closed(const struct load_consumers *consumers)
{
    for (uint32_t i = 0; i < consumers->count; i++)
        if (consumers->readers[i].state != LOAD_READER_CLOSED)
            return false;
    return true;
}

void load_consumers_deinit(struct load_consumers *consumers)
{
    for (uint32_t i = 0; i < consumers->count; i++)
        load_reader_deinit(&consumers->readers[i]);
    mem_free(consumers->readers);
}
