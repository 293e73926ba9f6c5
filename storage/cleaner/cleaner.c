#include "storage/cleaner/cleaner.h"

#include <float.h>

enum {
    BACKOFF_MS = 15000,
    PUT_OFF_MS = 60000, /* CLN-4: the first time, then twice as long each */
    PUT_OFF_MAX_MS = 3600000,
    MAP_BYTES = 32 << 20,
    BATCH_BYTES = 256 << 20,
    TRANSACTIONS_MAX = 1 << 16, /* 1.5 MiB of them */
    LOADS_MAX = 4,              /* CLN-5 */
    LOOK_ON_MS = 10,
};

static void set_aside(struct cleaner *cleaner, struct log *log, enum err err)
{
    log->is_uncleanable = true;
    gauge_set(&cleaner->env->metrics->cleaner_uncleanable, ++cleaner->uncleanable_count);
    log_line(cleaner->env->sink, LOG_ERROR, "LVE-2230",
             "a partition cannot be compacted and is set aside until the next start",
             log_str("topic", log->name), log_i64("partition", log->id.partition), log_err(err));
}

/* It says nothing about the bytes: another pass may do better. */
static bool is_passing(enum err err)
{
    return err == ERR_AGAIN || err == ERR_CLOSED || err == ERR_NOMEM || err == ERR_NOSPACE ||
           err == ERR_NOT_FOUND;
}

static struct store_cleaning ask(struct cleaner *cleaner)
{
    struct store_cleaning cleaning = {0};

    cleaner->events->ask(cleaner->context, &cleaning);
    if (cleaning.backoff_ms == 0)
        cleaning.backoff_ms = BACKOFF_MS;
    if (cleaning.map_max_bytes == 0)
        cleaning.map_max_bytes = MAP_BYTES;
    if (cleaning.uncompressed_max_bytes == 0)
        cleaning.uncompressed_max_bytes = BATCH_BYTES;
    if (cleaning.transactions_max == 0)
        cleaning.transactions_max = TRANSACTIONS_MAX;
    if (!(cleaning.bytes_per_second > 0))
        cleaning.bytes_per_second = DBL_MAX;
    return cleaning;
}

static void expect(struct cleaner *cleaner, uint32_t delay_ms)
{
    if (cleaner->is_on)
        loop_set_timer_ms(cleaner->env->loop, &cleaner->timer, delay_ms);
}

static void note_result(struct cleaner *cleaner, const struct cleaner_pass_result *result)
{
    struct storage_metrics *metrics = cleaner->env->metrics;

    counter_add(&metrics->cleaner_read_bytes, result->read_bytes);
    counter_add(&metrics->cleaner_written_bytes, result->written_bytes);
    counter_add(&metrics->cleaner_records_in, result->counts.records_in);
    counter_add(&metrics->cleaner_records_out, result->counts.records_out);
    counter_add(&metrics->cleaner_keyless, result->counts.keyless);
    if (result->err == OK)
        counter_add(&metrics->cleaner_passes, 1);
    gauge_set(&metrics->cleaner_map_bytes, (int64_t)result->map_bytes);
}

/* CLN-4 */
static void put_off(struct cleaner *cleaner, struct log *log, enum err err)
{
    uint32_t before_ms = log->clean_wait_ms;

    if (err == OK)
        log->clean_wait_ms = 0;
    if (err != ERR_NOSPACE && err != ERR_NOT_FOUND && err != ERR_NOMEM)
        return;
    log->clean_wait_ms = before_ms == 0                    ? PUT_OFF_MS
                         : before_ms >= PUT_OFF_MAX_MS / 2 ? PUT_OFF_MAX_MS
                                                           : before_ms * 2;
    log->clean_after_ns = clock_deadline_ns(loop_now_ns(cleaner->env->loop), log->clean_wait_ms);
}

static void on_ended(void *context, struct log *log, const struct cleaner_pass_result *result)
{
    struct cleaner *cleaner = context;
    enum err err = result->err;

    cleaner->pass = NULL;
    note_result(cleaner, result);
    if (err == OK)
        log_line(cleaner->env->sink, LOG_INFO, "LVE-2231", "a partition was compacted",
                 log_str("topic", log->name), log_i64("partition", log->id.partition),
                 log_i64("clean_offset", log->cleaned_offset),
                 log_u64("read_bytes", result->read_bytes),
                 log_u64("written_bytes", result->written_bytes),
                 log_u64("keyless_records", result->counts.keyless));
    else if (log != NULL && !is_passing(err))
        set_aside(cleaner, log, err);
    if (log != NULL)
        put_off(cleaner, log, err);
    if (!cleaner->is_on)
        cleaner->events->idle(cleaner->context);
    else
        expect(cleaner, err == OK || log == NULL ? 0 : ask(cleaner).backoff_ms);
}

static void on_sync_failed(void *context, enum err err)
{
    struct cleaner *cleaner = context;

    cleaner->events->failed(cleaner->context, err); /* CLN-3 */
}

static void on_replaced(void *context)
{
    struct cleaner *cleaner = context;

    cleaner->events->replaced(cleaner->context);
}

static const struct cleaner_pass_events pass_events = {
    .ended = on_ended,
    .sync_failed = on_sync_failed,
    .replaced = on_replaced,
};

/* Overdue ones first, then by the share that is dirty (Kafka: grabFilthiestCompactedLog). */
static bool is_better(const struct cleaner_section *section, const struct cleaner_section *best)
{
    if (section->is_overdue != best->is_overdue)
        return section->is_overdue;
    return cleaner_section_ratio(section) > cleaner_section_ratio(best);
}

static struct log *choose(struct cleaner *cleaner, struct cleaner_section_look *look,
                          struct cleaner_section *out)
{
    struct log *best = NULL;
    uint64_t dirty_bytes = 0;

    list_for_each(node, &cleaner->env->logs)
    {
        struct log *log = container_of(node, struct log, node);
        struct cleaner_section section;
        bool is_found;
        if (log->clean_after_ns > loop_now_ns(cleaner->env->loop))
            continue; /* CLN-4 */
        look->now_ms = log_wall_ms(log);
        look->has_failed = false;
        is_found = log->config.compact && cleaner_section_find(log, look, &section);
        if (look->has_failed)
            put_off(cleaner, log, ERR_NOT_FOUND);
        if (!is_found)
            continue;
        dirty_bytes += section.dirty_bytes;
        if (cleaner_section_is_due(log, &section) && (best == NULL || is_better(&section, out))) {
            best = log;
            *out = section;
        }
    }
    gauge_set(&cleaner->env->metrics->cleaner_dirty_bytes, (int64_t)dirty_bytes);
    return best;
}

void cleaner_look(struct cleaner *cleaner)
{
    struct store_cleaning cleaning = ask(cleaner);
    struct cleaner_section_look look = {.loads_left = LOADS_MAX};
    struct cleaner_section section;
    struct log *log;

    if (!cleaner->is_on || cleaner->pass != NULL || cleaner->env->state != STORE_RUNNING ||
        cleaner->env->stopping)
        return;
    log =
        cleaning.is_off || cleaner->env->space->is_short ? NULL : choose(cleaner, &look, &section);
    if (log != NULL)
        cleaner->pass = cleaner_pass_begin(log, &section, &cleaning, cleaner->offload,
                                           cleaner->dir_fd, &pass_events, cleaner);
    if (cleaner->pass == NULL)
        expect(cleaner, look.is_cut ? LOOK_ON_MS : cleaning.backoff_ms);
}

static void on_timer(struct timer *timer)
{
    cleaner_look(container_of(timer, struct cleaner, timer));
}

void cleaner_init(struct cleaner *cleaner, struct log_environment *env, struct offload *offload,
                  int32_t dir_fd, const struct cleaner_events *events, void *context)
{
    *cleaner = (struct cleaner){.env = env,
                                .events = events,
                                .context = context,
                                .offload = offload,
                                .dir_fd = dir_fd,
                                .timer = {.fire = on_timer}};
}

void cleaner_deinit(struct cleaner *cleaner)
{
    cleaner->is_on = false;
    loop_cancel_timer(cleaner->env->loop, &cleaner->timer);
    if (cleaner->pass != NULL)
        cleaner_pass_orphan(cleaner->pass);
    cleaner->pass = NULL;
}

void cleaner_start(struct cleaner *cleaner)
{
    cleaner->is_on = true;
    expect(cleaner, ask(cleaner).backoff_ms);
}

bool cleaner_stop(struct cleaner *cleaner)
{
    cleaner->is_on = false;
    loop_cancel_timer(cleaner->env->loop, &cleaner->timer);
    if (cleaner->pass != NULL)
        cleaner_pass_hurry(cleaner->pass);
    return cleaner->pass == NULL;
}

void cleaner_forget(struct cleaner *cleaner, struct log *log)
{
    if (log->is_uncleanable)
        gauge_set(&cleaner->env->metrics->cleaner_uncleanable, --cleaner->uncleanable_count);
    if (cleaner->pass != NULL && cleaner_pass_log(cleaner->pass) == log)
        cleaner_pass_forget_log(cleaner->pass);
}
