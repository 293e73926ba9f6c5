/* The parts of a store that act later: deletions, the sync of relaxed logs, looks at the space. */
#include "storage/file_deletion.h"
#include "storage/relaxed_timer.h"
#include "storage/space_monitor.h"
#include "tests/support/fake_io.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { MS = 1000000, RESERVE = 1 << 20 };

static struct {
    struct fake_io fake;
    struct io_vtable vtable;
    struct clock clock;
    uint64_t now_ns;
    struct loop loop;
    uint64_t free_bytes;
    uint32_t look_count;
} rig;

static uint64_t mono_ns(struct clock *clock)
{
    return rig.now_ns;
}

static int64_t wall_ms(struct clock *clock)
{
    return 0;
}

static enum err dir_space(struct io *io, const char *path, struct io_space *out)
{
    rig.look_count++;
    *out = (struct io_space){.free_bytes = rig.free_bytes};
    return OK;
}

static void setup(void)
{
    fake_io_init(&rig.fake);
    rig.vtable = *rig.fake.io.v;
    rig.vtable.dir_space = dir_space;
    rig.fake.io.v = &rig.vtable;
    rig.clock = (struct clock){.mono_ns = mono_ns, .wall_ms = wall_ms};
    rig.now_ns = MS;
    rig.free_bytes = 1 << 30;
    loop_init(&rig.loop, 0, &rig.fake.io, &rig.clock);
}

TestSuite(store_timers, .init = setup, .timeout = 30);

static void pass_ms(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        rig.now_ns += MS;
        cr_assert(eq(int, loop_turn(&rig.loop, 0), OK));
    }
}

/* ---- file_deletion */

static uint32_t ended_count;

static void on_ended(void *context)
{
    ended_count++;
}

static bool is_there(const char *path)
{
    return fake_io_file(&rig.fake, path) != NULL;
}

Test(store_timers, files_go_when_they_are_due_and_not_before_the_start)
{
    struct file_deletion deletion;

    fake_io_put(&rig.fake, "a.x", "a", 1);
    fake_io_put(&rig.fake, "b.x", "b", 1);
    file_deletion_init(&deletion, &rig.loop, on_ended, NULL);
    file_deletion_add(&deletion, "a.x", false, 10);
    pass_ms(50);
    cr_assert(is_there("a.x")); /* FDL-1 */
    file_deletion_start(&deletion);
    pass_ms(3);
    cr_assert(not(is_there("a.x")));
    cr_assert(eq(u32, ended_count, 1));
    file_deletion_add(&deletion, "b.x", false, 1000);
    pass_ms(500);
    cr_assert(is_there("b.x"));
    file_deletion_stop(&deletion);
    pass_ms(1000);
    cr_assert(is_there("b.x")); /* the next start finds it */
    file_deletion_deinit(&deletion);
}

Test(store_timers, a_deletion_in_flight_outlives_whoever_asked_for_it)
{
    struct file_deletion deletion;

    fake_io_put(&rig.fake, "a.x", "a", 1);
    rig.fake.hold[FAKE_UNLINK] = true;
    file_deletion_init(&deletion, &rig.loop, on_ended, NULL);
    file_deletion_start(&deletion);
    file_deletion_add(&deletion, "a.x", false, 0);
    pass_ms(3);
    cr_assert(eq(u32, deletion.in_flight_count, 1));
    file_deletion_deinit(&deletion);
    fake_io_complete(&rig.fake, 0);
    pass_ms(1);
    cr_assert(eq(u32, ended_count, 0)); /* FDL-2 */
    cr_assert(not(is_there("a.x")));
}

/* ---- relaxed_timer */

static uint32_t sync_count;
static bool is_over;

static bool on_sync(void *context)
{
    sync_count++;
    return !is_over;
}

Test(store_timers, what_relaxed_logs_append_is_synced_once_an_interval)
{
    struct relaxed_timer relaxed;

    relaxed_timer_init(&relaxed, &rig.loop, 100, on_sync, NULL);
    pass_ms(300);
    cr_assert(eq(u32, sync_count, 0));
    relaxed_timer_note(&relaxed);
    pass_ms(50);
    relaxed_timer_note(&relaxed);
    pass_ms(49);
    cr_assert(eq(u32, sync_count, 0));
    pass_ms(2);
    cr_assert(eq(u32, sync_count, 1));
    pass_ms(300); /* nothing new, and then no timer */
    cr_assert(eq(u32, sync_count, 1));
    cr_assert(eq(u64, rig.loop.timers.count, 0));
    is_over = true;
    relaxed_timer_note(&relaxed);
    pass_ms(300);
    cr_assert(eq(u32, sync_count, 2));
    cr_assert(eq(u64, rig.loop.timers.count, 0));
    relaxed_timer_deinit(&relaxed);
}

/* ---- space_monitor */

static struct {
    uint32_t told_count;
    bool is_short;
    uint32_t tick_count;
    bool goes_on;
    bool writes;
    uint64_t written_bytes;
    uint64_t dirty_bytes;
    struct storage_metrics metrics;
    struct space_monitor monitor;
} space;

static void on_told(void *context, bool is_short)
{
    space.told_count++;
    space.is_short = is_short;
}

static void on_tick(void *context)
{
    space.tick_count++;
}

static bool goes_on(void *context)
{
    return space.goes_on;
}

static bool writes(void *context)
{
    return space.writes;
}

static uint64_t written_bytes(void *context)
{
    return space.written_bytes;
}

static const struct space_monitor_events events = {
    .told = on_told,
    .tick = on_tick,
    .goes_on = goes_on,
    .writes = writes,
    .written_bytes = written_bytes,
};

static void begin_watch(uint64_t reserve_bytes)
{
    space_monitor_init(&space.monitor, &rig.loop, "d", reserve_bytes, &space.dirty_bytes,
                       &space.metrics, &events, NULL);
}

Test(store_timers, the_reserve_is_kept_beside_what_was_taken)
{
    begin_watch(RESERVE);
    rig.free_bytes = RESERVE;
    space_monitor_look(&space.monitor);
    cr_assert(eq(u32, space.told_count, 0));
    space.dirty_bytes = 1;
    space_monitor_look(&space.monitor);
    cr_assert(eq(u32, space.told_count, 1));
    cr_assert(space.is_short);
    space_monitor_look(&space.monitor);
    cr_assert(eq(u32, space.told_count, 1)); /* SPM-1 */
    rig.free_bytes = RESERVE + 1;
    space_monitor_look(&space.monitor);
    cr_assert(not(space.is_short));
    space_monitor_deinit(&space.monitor);
}

Test(store_timers, a_refused_write_counts_whatever_the_numbers_say)
{
    begin_watch(0);
    space.writes = true;
    space_monitor_refused(&space.monitor);
    cr_assert(space.is_short);
    pass_ms(2500); /* it looks each second while it is short */
    cr_assert(eq(u32, space.tick_count, 2));
    cr_assert(space.is_short);
    space_monitor_succeeded(&space.monitor);
    pass_ms(1001);
    cr_assert(not(space.is_short));
    space_monitor_refused(&space.monitor);
    space.writes = false; /* nothing is left that would try (SPM-2) */
    pass_ms(1001);
    cr_assert(not(space.is_short));
    pass_ms(2000);
    cr_assert(eq(u64, rig.loop.timers.count, 0));
}

Test(store_timers, a_part_of_a_small_reserve_written_is_reason_to_look)
{
    begin_watch(2 << 20);
    space_monitor_on_written(&space.monitor);
    cr_assert(eq(u32, rig.look_count, 0));
    space.written_bytes = (512 << 10) - 1;
    space_monitor_on_written(&space.monitor);
    cr_assert(eq(u32, rig.look_count, 0));
    space.written_bytes++;
    space_monitor_on_written(&space.monitor);
    cr_assert(eq(u32, rig.look_count, 1));
    space_monitor_on_written(&space.monitor);
    cr_assert(eq(u32, rig.look_count, 1));
    space.goes_on = true;
    space_monitor_touch(&space.monitor);
    pass_ms(3500);
    cr_assert(eq(u32, space.tick_count, 3));
    space_monitor_deinit(&space.monitor);
}
