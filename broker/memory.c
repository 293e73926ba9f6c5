#include "broker/memory.h"

#include "base/check.h"
#include "base/log_line.h"
#include "base/metric_family.h"

#include <stdio.h>
#include <string.h>

/* Of address space; whoever has larger budgets finds the rest in the heap. */
#define POOL_MAX_BYTES ((uint64_t)64 << 30)

static void on_refused(struct budget *budget, uint64_t asked_bytes)
{
    struct memory *memory = budget->context;

    log_line(memory->sink, LOG_WARN, "LVE-1109", "a memory budget is spent",
             log_str("budget", budget->name), log_u64("asked", asked_bytes),
             log_u64("used", budget_used_bytes(budget)), log_u64("max", budget->max_bytes));
}

void memory_init(struct memory *memory, const struct memory_limits *limits, struct loop *loop,
                 struct log_sink *sink)
{
    uint64_t max_bytes = 0;

    *memory = (struct memory){.sink = sink, .loop = loop};
    for (int purpose = 0; purpose < MEMORY_PURPOSE_COUNT; purpose++)
        max_bytes += limits->max_bytes[purpose] < POOL_MAX_BYTES - max_bytes
                         ? limits->max_bytes[purpose]
                         : POOL_MAX_BYTES - max_bytes;
    buffer_pool_init(&memory->buffers, max_bytes, limits->idle_bytes);
    for (int purpose = 0; purpose < MEMORY_PURPOSE_COUNT; purpose++) {
        struct slab *slab = &memory->slabs[purpose];
        slab_init_named(slab, memory_purpose_name((enum memory_purpose)purpose),
                        limits->max_bytes[purpose]);
        slab_set_pool(slab, &memory->buffers);
        budget_set_loop(&slab->budget, loop);
        slab->budget.refused = on_refused;
        slab->budget.context = memory;
    }
}

void memory_deinit(struct memory *memory)
{
    buffer_pool_deinit(&memory->buffers);
}

void memory_own(struct memory *memory)
{
    buffer_pool_own(&memory->buffers);
}

static void on_trim(struct task *task)
{
    struct memory *memory = container_of(task, struct memory, trim_task);

    if (buffer_pool_trim(&memory->buffers))
        loop_defer(memory->loop, &memory->trim_task);
    else
        __atomic_store_n(&memory->is_trimming, false, __ATOMIC_RELEASE);
}

static void on_trim_mail(struct mail *mail)
{
    struct memory *memory = container_of(mail, struct memory, trim_mail);

    memory->trim_task.run = on_trim;
    loop_defer(memory->loop, &memory->trim_task);
}

void memory_trim(struct memory *memory)
{
    if (__atomic_exchange_n(&memory->is_trimming, true, __ATOMIC_ACQ_REL))
        return;
    memory->trim_mail.deliver = on_trim_mail;
    loop_post(memory->loop, &memory->trim_mail);
}

static void register_buffers(const struct memory *memory, struct metrics *metrics)
{
    const struct buffer_pool *pool = &memory->buffers;
    char label[32];

    snprintf(label, sizeof(label), "shard=\"%u\"", memory->loop->index);
    metrics_add_gauge(metrics, metric_family(FAMILY_BUFFERS_USED), label, &pool->used_bytes);
    metrics_add_gauge(metrics, metric_family(FAMILY_BUFFERS_IDLE), label, &pool->idle_bytes);
    metrics_add_gauge(metrics, metric_family(FAMILY_BUFFERS_MAX), label, &pool->max_bytes);
    metrics_add_counter(metrics, metric_family(FAMILY_BUFFERS_OF_HEAP), label, &pool->heap_buffers);
}

void memory_register_metrics(const struct memory *memory, struct metrics *metrics)
{
    for (int purpose = 0; purpose < MEMORY_PURPOSE_COUNT; purpose++) {
        const struct budget *budget = &memory->slabs[purpose].budget;
        char label[64] = "";
        enum err err =
            metrics_label(label, sizeof(label), "budget", budget->name, strlen(budget->name));
        check(err == OK);
        metrics_add_gauge(metrics, metric_family(FAMILY_MEMORY_USED), label,
                          (const struct gauge *)(const void *)&budget->used_bytes);
        metrics_add_gauge(metrics, metric_family(FAMILY_MEMORY_MAX), label,
                          (const struct gauge *)(const void *)&budget->max_bytes);
        metrics_add_counter(metrics, metric_family(FAMILY_MEMORY_REFUSALS), label,
                            &budget->refusals);
    }
    register_buffers(memory, metrics);
}
