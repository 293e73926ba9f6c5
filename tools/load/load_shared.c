#include "tools/load/load_shared.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

void load_shared_init(struct load_shared *shared, const struct load_workload *workload)
{
    *shared = (struct load_shared){.workload = workload};
    atomic_init(&shared->phase, LOAD_PHASE_SETUP);
    atomic_init(&shared->measure_ns, UINT64_MAX);
    atomic_init(&shared->end_ns, UINT64_MAX);
    atomic_init(&shared->read_limit, UINT64_MAX);
    pthread_mutex_init(&shared->lock, NULL);
}

void load_shared_deinit(struct load_shared *shared)
{
    for (uint32_t i = 0; i < shared->workload->topics_count; i++) {
        if (shared->topics != NULL)
            mem_free(shared->topics[i]);
        if (shared->outputs != NULL)
            mem_free(shared->outputs[i]);
    }
    mem_free(shared->topics);
    mem_free(shared->outputs);
    load_payload_deinit(&shared->payload);
    load_account_destroy(shared->account);
    pthread_mutex_destroy(&shared->lock);
}

uint64_t load_shared_unread(struct load_shared *shared)
{
    uint64_t count = 0;

    load_shared_lock(shared);
    if (shared->account != NULL)
        count = load_account_unread(shared->account);
    load_shared_unlock(shared);
    return count;
}

void load_shared_error(struct load_shared *shared, const char *format, ...)
{
    char text[LOAD_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    load_shared_lock(shared);
    load_result_error(shared->result, "%s", text);
    load_shared_unlock(shared);
}
