#include "storage/space_monitor.h"

enum {
    SPACE_CHECK_MS = 1000,
    SPACE_CHECK_BYTES = 4 << 20,
    SPACE_CHECK_BYTES_MIN = 256 << 10,
    SPACE_CHECK_SHARE = 4, /* of a small reserve */
};

static void tell(struct space_monitor *monitor, bool is_short)
{
    if (is_short == monitor->is_short)
        return; /* SPM-1 */
    monitor->is_short = is_short;
    gauge_set(&monitor->metrics->disk_is_short, is_short);
    monitor->events->told(monitor->context, is_short);
}

void space_monitor_look(struct space_monitor *monitor)
{
    struct io *io = monitor->loop->io;
    struct io_space space;
    uint64_t reserve_bytes = monitor->reserve_bytes;

    monitor->seen_bytes = monitor->events->written_bytes(monitor->context);
    if (!monitor->events->writes(monitor->context))
        monitor->write_refused = false; /* SPM-2 */
    if (io->v->dir_space(io, monitor->dir, &space) != OK)
        return;
    gauge_set(&monitor->metrics->disk_free_bytes, (int64_t)space.free_bytes);
    if (reserve_bytes > 0)
        reserve_bytes += *monitor->dirty_bytes;
    tell(monitor, monitor->write_refused || space.free_bytes < reserve_bytes);
}

bool space_monitor_has_room(struct space_monitor *monitor, uint64_t size_bytes)
{
    struct io *io = monitor->loop->io;
    uint64_t kept_bytes = monitor->reserve_bytes + *monitor->dirty_bytes;
    struct io_space space;

    if (monitor->is_short)
        return false;
    return io->v->dir_space(io, monitor->dir, &space) != OK ||
           (space.free_bytes >= kept_bytes && space.free_bytes - kept_bytes >= size_bytes);
}

static void on_timer(struct timer *timer)
{
    struct space_monitor *monitor = container_of(timer, struct space_monitor, timer);

    space_monitor_look(monitor);
    monitor->events->tick(monitor->context);
    if (monitor->is_short || monitor->events->goes_on(monitor->context))
        loop_set_timer_ms(monitor->loop, &monitor->timer, SPACE_CHECK_MS);
}

void space_monitor_on_written(struct space_monitor *monitor)
{
    uint64_t step_bytes = monitor->reserve_bytes / SPACE_CHECK_SHARE;

    if (step_bytes < SPACE_CHECK_BYTES_MIN)
        step_bytes = SPACE_CHECK_BYTES_MIN;
    if (monitor->reserve_bytes == 0 || step_bytes > SPACE_CHECK_BYTES)
        step_bytes = SPACE_CHECK_BYTES;
    if (monitor->events->written_bytes(monitor->context) - monitor->seen_bytes >= step_bytes)
        space_monitor_look(monitor);
}

void space_monitor_touch(struct space_monitor *monitor)
{
    if (!list_is_linked(&monitor->timer.node))
        loop_set_timer_ms(monitor->loop, &monitor->timer, SPACE_CHECK_MS);
}

void space_monitor_refused(struct space_monitor *monitor)
{
    monitor->write_refused = true;
    tell(monitor, true);
    space_monitor_touch(monitor);
}

void space_monitor_succeeded(struct space_monitor *monitor)
{
    monitor->write_refused = false; /* SPM-2 */
}

void space_monitor_init(struct space_monitor *monitor, struct loop *loop, const char *dir,
                        uint64_t reserve_bytes, const uint64_t *dirty_bytes,
                        struct storage_metrics *metrics, const struct space_monitor_events *events,
                        void *context)
{
    *monitor = (struct space_monitor){.loop = loop,
                                      .dir = dir,
                                      .reserve_bytes = reserve_bytes,
                                      .dirty_bytes = dirty_bytes,
                                      .metrics = metrics,
                                      .events = events,
                                      .context = context};
    monitor->timer.fire = on_timer;
    gauge_set(&metrics->disk_reserve_bytes, (int64_t)reserve_bytes);
}

void space_monitor_deinit(struct space_monitor *monitor)
{
    loop_cancel_timer(monitor->loop, &monitor->timer);
}
