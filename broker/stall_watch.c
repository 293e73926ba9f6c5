#include "broker/stall_watch.h"

#include "base/metric_family.h"

static void on_turn(struct loop *loop, void *context)
{
    struct stall_watch *watch = context;
    uint64_t took_ns = clock_mono_ns(loop->clock) - loop_now_ns(loop);
    const struct stall_work *longest = &watch->longest;
    char peer[IO_ADDRESS_TEXT_MAX] = "";

    counter_add(&watch->busy_us, took_ns / 1000U);
    if (watch->limit_ns > 0 && took_ns >= watch->limit_ns) {
        if (longest->api != NULL)
            io_address_format(&longest->peer, peer);
        counter_add(&watch->stalls, 1);
        counter_add(&watch->stalled_ms, took_ns / 1000000U);
        log_line(watch->sink, LOG_WARN, "LVE-3107", "the loop was held",
                 log_u64("turn_ms", took_ns / 1000000U),
                 log_str("api", longest->api == NULL ? "" : longest->api), log_str("peer", peer),
                 log_u64("held_ms", longest->took_ns / 1000000U));
    }
    watch->longest.api = NULL;
    watch->longest.took_ns = 0;
}

void stall_watch_init(struct stall_watch *watch, struct loop *loop, struct log_sink *sink,
                      uint64_t limit_ms)
{
    *watch = (struct stall_watch){.loop = loop, .sink = sink, .limit_ns = limit_ms * 1000000U};
    loop_set_turn_end(loop, on_turn, watch);
}

uint64_t stall_watch_begin(const struct stall_watch *watch)
{
    return watch == NULL || watch->limit_ns == 0 ? 0 : clock_mono_ns(watch->loop->clock);
}

void stall_watch_note(struct stall_watch *watch, uint64_t took_ns, const char *api,
                      const struct io_address *peer)
{
    if (watch != NULL && took_ns > watch->longest.took_ns)
        watch->longest = (struct stall_work){api, *peer, took_ns};
}

void stall_watch_end(struct stall_watch *watch, uint64_t began_ns, const char *api,
                     const struct io_address *peer)
{
    if (watch == NULL || watch->limit_ns == 0)
        return;
    stall_watch_note(watch, clock_mono_ns(watch->loop->clock) - began_ns, api, peer);
}

void stall_watch_register_metrics(const struct stall_watch *watch, struct metrics *metrics)
{
    metrics_add_counter(metrics, metric_family(FAMILY_LOOP_STALLS), "", &watch->stalls);
    metrics_add_counter(metrics, metric_family(FAMILY_LOOP_STALLED), "", &watch->stalled_ms);
    metrics_add_counter(metrics, metric_family(FAMILY_LOOP_BUSY), "", &watch->busy_us);
}
