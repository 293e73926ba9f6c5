#include "broker/memory.h"

#include "base/check.h"
#include "base/log_line.h"
#include "base/metric_family.h"

#include <string.h>

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
    memory->sink = sink;
    for (int purpose = 0; purpose < MEMORY_PURPOSE_COUNT; purpose++) {
        struct slab *slab = &memory->slabs[purpose];
        slab_init_named(slab, memory_purpose_name((enum memory_purpose)purpose),
                        limits->max_bytes[purpose]);
        budget_set_loop(&slab->budget, loop);
        slab->budget.refused = on_refused;
        slab->budget.context = memory;
    }
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
}
