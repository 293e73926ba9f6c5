#include "base/check.h"
#include "base/mem.h"
#include "base/metric_family.h"
#include "broker/scrape_private.h"

enum { ROW_TEXT_BYTES_MAX = 1024 };

/* ---- the facts */

static bool take_memory(struct scrape *scrape)
{
    uint32_t count = scrape->rows_max == 0 ? 1 : scrape->rows_max;

    arena_init(&scrape->arena, (size_t)count * 2 * ROW_TEXT_BYTES_MAX + (64 << 10));
    scrape->topics = mem_try_alloc(count * sizeof(*scrape->topics));
    scrape->partitions = mem_try_alloc(count * sizeof(*scrape->partitions));
    scrape->groups = mem_try_alloc(count * sizeof(*scrape->groups));
    scrape->offsets = mem_try_alloc(count * sizeof(*scrape->offsets));
    return scrape->topics != NULL && scrape->partitions != NULL && scrape->groups != NULL &&
           scrape->offsets != NULL;
}

static void forget_facts(struct scrape *scrape)
{
    arena_deinit(&scrape->arena);
    mem_free(scrape->topics);
    mem_free(scrape->partitions);
    mem_free(scrape->groups);
    mem_free(scrape->offsets);
    scrape->topics = NULL;
    scrape->partitions = NULL;
    scrape->groups = NULL;
    scrape->offsets = NULL;
    scrape->topic_count = 0;
    scrape->partition_count = 0;
    scrape->group_count = 0;
    scrape->offset_count = 0;
    scrape->totals = (struct scrape_totals){0};
}

/* ---- the tour */

static void begin_step(struct scrape *scrape)
{
    scrape->name[0] = '\0';
    scrape->name_bytes = 0;
    scrape->is_inside = false;
    scrape->cursor = 0;
    scrape->inside_cursor = 0;
    scrape->next_topic = 0;
    scrape->now_ms = clock_wall_ms(scrape->at->clock);
}

static void tell_limit(struct scrape *scrape)
{
    const struct scrape_totals *totals = &scrape->totals;

    if (scrape->told_limit ||
        totals->left_partitions + totals->left_offsets + totals->left_groups == 0)
        return;
    scrape->told_limit = true;
    log_line(scrape->at->sink, LOG_INFO, "LVE-1112", "metrics leave out what is beyond their limit",
             log_u64("rows_max", scrape->rows_max), log_u64("partitions", totals->left_partitions),
             log_u64("offsets", totals->left_offsets), log_u64("groups", totals->left_groups));
}

static void finish(struct scrape *scrape)
{
    void (*done)(void *context) = scrape->done;
    void *context = scrape->context;

    tell_limit(scrape);
    __atomic_store_n(&scrape->state, SCRAPE_DONE, __ATOMIC_RELEASE); /* SCR-1: not ours any more */
    done(context);
}

static bool do_slice(struct scrape *scrape)
{
    switch (scrape->step) {
    case SCRAPE_PLAN:
        return scrape_plan(scrape);
    case SCRAPE_GROUPS:
        return scrape_groups(scrape) && scrape_transactions(scrape);
    case SCRAPE_PARTITIONS:
        return scrape_partitions(scrape);
    case SCRAPE_OFFSETS:
        return scrape_offsets(scrape);
    case SCRAPE_END:
        break;
    }
    check(false);
}

/* The groups of all shards first, then the partitions, which their offsets are compared with. */
static void next_step(struct scrape *scrape)
{
    uint32_t next_index = scrape->at->index + 1;

    if (scrape->step == SCRAPE_PLAN) {
        scrape->step = SCRAPE_GROUPS;
    } else if (scrape->step == SCRAPE_PARTITIONS) {
        scrape->step = SCRAPE_OFFSETS;
    } else if (next_index < scrape->shards->count) {
        scrape->at = scrape->shards->at[next_index];
        if (scrape->step == SCRAPE_OFFSETS)
            scrape->step = SCRAPE_PARTITIONS;
    } else {
        scrape->at = scrape->shards->at[0];
        scrape->step = scrape->step == SCRAPE_GROUPS ? SCRAPE_PARTITIONS : SCRAPE_END;
    }
}

/* One slice; the next one follows in another turn, or on another loop. */
static void run(struct scrape *scrape)
{
    struct shard *at = scrape->at;

    if (!do_slice(scrape)) {
        loop_defer(&at->loop, &scrape->task);
        return;
    }
    next_step(scrape);
    if (scrape->step == SCRAPE_END) {
        scrape->at = at;
        finish(scrape);
        return;
    }
    begin_step(scrape);
    if (scrape->at == at)
        loop_defer(&at->loop, &scrape->task);
    else
        loop_post(&scrape->at->loop, &scrape->mail);
}

static void on_mail(struct mail *mail)
{
    run(container_of(mail, struct scrape, mail));
}

static void on_task(struct task *task)
{
    run(container_of(task, struct scrape, task));
}

bool scrape_start(struct scrape *scrape, void (*done)(void *context), void *context)
{
    if (__atomic_load_n(&scrape->state, __ATOMIC_ACQUIRE) == SCRAPE_RUNNING)
        return false;
    forget_facts(scrape); /* of a tour that nobody waited for */
    if (!take_memory(scrape)) {
        forget_facts(scrape);
        return false;
    }
    scrape->done = done;
    scrape->context = context;
    scrape->at = scrape->shards->at[0];
    scrape->step = SCRAPE_PLAN;
    begin_step(scrape);
    __atomic_store_n(&scrape->state, SCRAPE_RUNNING, __ATOMIC_RELEASE);
    loop_post(&scrape->at->loop, &scrape->mail);
    return true;
}

/* ---- life */

static void collect(struct metrics_collector *collector, struct metrics_scrape *samples)
{
    struct scrape *scrape = container_of(collector, struct scrape, collector);
    bool is_done = __atomic_load_n(&scrape->state, __ATOMIC_ACQUIRE) == SCRAPE_DONE;

    metrics_sample(samples, metric_family(FAMILY_METRICS_COMPLETE), "", is_done);
    if (!is_done)
        return;
    scrape_tell(scrape, samples);
    forget_facts(scrape);
    __atomic_store_n(&scrape->state, SCRAPE_IDLE, __ATOMIC_RELEASE);
}

struct scrape *scrape_create(const struct shards *shards, uint32_t rows_max)
{
    struct scrape *scrape = mem_alloc(sizeof(*scrape));

    scrape->shards = shards;
    scrape->rows_max = rows_max;
    scrape->mail.deliver = on_mail;
    scrape->task.run = on_task;
    scrape->collector.collect = collect;
    return scrape;
}

void scrape_destroy(struct scrape *scrape)
{
    if (scrape == NULL)
        return;
    if (list_is_linked(&scrape->task.node))
        list_remove(&scrape->task.node);
    forget_facts(scrape);
    mem_free(scrape);
}

void scrape_register(struct scrape *scrape, struct metrics *metrics)
{
    metrics_add_collector(metrics, &scrape->collector);
}
