#include "base/err.h"
#include "base/mem.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_image.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNIT = SIM_SECTOR_BYTES, SEEDS = 200, UNITS_MAX = 64 };

static uint64_t zero_mono(struct clock *clock)
{
    return 0;
}

static int64_t fixed_wall(struct clock *clock)
{
    return 1234567;
}

static struct fixture {
    struct sim_queue queue;
    struct clock clock;
    struct sim_disk disk;
    uint64_t file; /* "f", open */
} f;

static void setup_with(uint64_t seed, const struct sim_disk_options *options)
{
    struct prng prng;

    memset(&f, 0, sizeof(f));
    prng_init(&prng, seed);
    sim_queue_init(&f.queue);
    f.clock = (struct clock){.mono_ns = zero_mono, .wall_ms = fixed_wall};
    sim_disk_init(&f.disk, 0, &f.queue, &f.clock, options, &prng);
    cr_assert(eq(int, sim_disk_open(&f.disk, "f", SIM_OPEN_CREATE, &f.file), 0));
    cr_assert(eq(int, sim_disk_dir_sync(&f.disk, "/"), 0));
}

static void setup(uint64_t seed)
{
    struct sim_disk_options options;

    sim_disk_options_init(&options);
    setup_with(seed, &options);
}

static void teardown(void)
{
    sim_disk_deinit(&f.disk);
    sim_queue_deinit(&f.queue);
}

static bool is_finished(void *context, uint64_t write_id)
{
    return false;
}

static bool is_unfinished(void *context, uint64_t write_id)
{
    return true;
}

static int32_t put(uint64_t pos, char byte, size_t size, bool dsync)
{
    char bytes[UNITS_MAX * UNIT];
    struct iovec vec = {.iov_base = bytes, .iov_len = size};
    struct sim_disk_write write = {.vec = &vec, .vec_count = 1, .pos = pos, .dsync = dsync};

    memset(bytes, byte, size);
    return sim_disk_write(&f.disk, f.file, &write);
}

static int sync_file(void)
{
    struct sim_capture capture;

    sim_disk_sync_begin(&f.disk, f.file, is_finished, NULL, &capture);
    return sim_disk_sync_end(&f.disk, f.file, &capture);
}

static void lose_power(void)
{
    sim_disk_release(&f.disk, f.file);
    sim_disk_power_lost(&f.disk);
    f.file = 0;
}

/* All of unit u of "f" is that byte. */
static bool unit_is(uint64_t u, char byte)
{
    char bytes[UNIT];

    if (sim_image_peek(&f.disk, SIM_CACHED, "f", u * UNIT, bytes, UNIT) != UNIT)
        return false;
    for (size_t i = 0; i < UNIT; i++) {
        if (bytes[i] != byte)
            return false;
    }
    return true;
}

static int64_t size_of(const char *path)
{
    struct sim_disk_stat stat;
    int result = sim_disk_stat(&f.disk, path, &stat);

    return result < 0 ? result : (int64_t)stat.size_bytes;
}

Test(sim_disk, unsynced_units_survive_a_power_loss_in_any_subset_and_synced_ones_always)
{
    int all_old = 0, all_new = 0, torn = 0, tail_lost = 0, tail_kept = 0, garbage = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        int kept = 0;
        setup(seed);
        put(0, 'a', 16 * UNIT, false);
        cr_assert(eq(int, sync_file(), 0));
        put(0, 'b', 8 * UNIT, false); /* units 8 to 15 stay as synced */
        put(16 * UNIT, 'c', 8 * UNIT, false);
        lose_power();
        for (uint64_t u = 0; u < 8; u++) {
            cr_assert(unit_is(u, 'a') || unit_is(u, 'b'), "seed %" PRIu64, seed);
            kept += unit_is(u, 'b');
        }
        for (uint64_t u = 8; u < 16; u++)
            cr_assert(unit_is(u, 'a'), "seed %" PRIu64 " lost a synced unit", seed);
        all_old += kept == 0;
        all_new += kept == 8;
        torn += kept > 0 && kept < 8;
        cr_assert(ge(i64, size_of("f"), 16 * UNIT));
        tail_lost += size_of("f") == 16 * UNIT;
        tail_kept += unit_is(23, 'c');
        for (int64_t u = 16; u < size_of("f") / UNIT; u++)
            garbage += !unit_is((uint64_t)u, 'c') && !unit_is((uint64_t)u, 0);
        teardown();
    }
    cr_assert(all_old > 10 && all_new > 10 && torn > 10, "%d %d %d", all_old, all_new, torn);
    cr_assert(tail_lost > 10 && tail_kept > 10, "%d %d", tail_lost, tail_kept);
    cr_assert(lt(int, 10, garbage));
}

Test(sim_disk, units_of_4096_bytes_are_not_torn_inside)
{
    struct sim_disk_options options;
    int lost = 0;

    sim_disk_options_init(&options);
    options.unit_bytes = SIM_PAGE_BYTES;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        setup_with(seed, &options);
        put(0, 'a', 16 * UNIT, false);
        cr_assert(eq(int, sync_file(), 0));
        put(0, 'b', 16 * UNIT, false);
        lose_power();
        for (uint64_t page = 0; page < 2; page++) {
            for (uint64_t u = 1; u < 8; u++)
                cr_assert(eq(int, unit_is(page * 8 + u, 'a'), unit_is(page * 8, 'a')));
        }
        lost += unit_is(0, 'a') != unit_is(8, 'a');
        teardown();
    }
    cr_assert(lt(int, 5, lost));
}

Test(sim_disk, dsync_writes_survive_a_power_loss_once_they_completed)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        setup(seed);
        put(0, 'x', 10 * UNIT, false);
        cr_assert(eq(int, put(UNIT, 'd', 4 * UNIT, true), 4 * UNIT));
        put(20 * UNIT, 'y', UNIT, false);
        cr_assert(eq(int, put(12 * UNIT, 'e', UNIT, true), UNIT));
        lose_power();
        for (uint64_t u = 1; u < 5; u++)
            cr_assert(unit_is(u, 'd'), "seed %" PRIu64, seed);
        cr_assert(unit_is(12, 'e'), "seed %" PRIu64, seed);
        teardown();
    }
}

Test(sim_disk, a_dsync_write_in_flight_leaves_any_subset_of_its_units)
{
    int none = 0, all = 0, some = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        char bytes[8 * UNIT];
        struct iovec vec = {.iov_base = bytes, .iov_len = sizeof(bytes)};
        struct sim_disk_write write = {.vec = &vec, .vec_count = 1, .dsync = true, .direct = true};
        int kept = 0;
        setup(seed);
        put(0, 'a', 8 * UNIT, true);
        memset(bytes, 'n', sizeof(bytes));
        sim_disk_write_interrupted(&f.disk, f.file, &write);
        lose_power();
        for (uint64_t u = 0; u < 8; u++) {
            cr_assert(unit_is(u, 'a') || unit_is(u, 'n'));
            kept += unit_is(u, 'n');
        }
        none += kept == 0;
        all += kept == 8;
        some += kept > 0 && kept < 8;
        teardown();
    }
    cr_assert(none > 10 && all > 5 && some > 10, "%d %d %d", none, all, some);
}

Test(sim_disk, names_without_a_directory_sync_may_vanish_and_with_one_never)
{
    int kept = 0, undone = 0, removed = 0, back = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint64_t inode;
        setup(seed);
        cr_assert(eq(int, sim_disk_dir_make(&f.disk, "d"), 0));
        cr_assert(eq(int, sim_disk_open(&f.disk, "d/synced", SIM_OPEN_CREATE, &inode), 0));
        sim_disk_release(&f.disk, inode);
        cr_assert(eq(int, sim_disk_dir_sync(&f.disk, "d"), 0));
        cr_assert(eq(int, sim_disk_dir_sync(&f.disk, "/"), 0));
        cr_assert(eq(int, sim_disk_open(&f.disk, "d/new", SIM_OPEN_CREATE, &inode), 0));
        sim_disk_release(&f.disk, inode);
        cr_assert(eq(int, sim_disk_unlink(&f.disk, "f"), 0));
        lose_power();
        cr_assert(eq(i64, size_of("d/synced"), 0), "seed %" PRIu64, seed);
        kept += size_of("d/new") == 0;
        undone += size_of("d/new") == -ENOENT;
        removed += size_of("f") == -ENOENT;
        back += size_of("f") == 0;
        teardown();
    }
    cr_assert(kept > 20 && undone > 20, "%d %d", kept, undone);
    cr_assert(removed > 20 && back > 20, "%d %d", removed, back);
}

Test(sim_disk, a_rename_over_a_name_shows_the_old_or_the_new_file_after_a_power_loss)
{
    int old = 0, new = 0, both_names = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        setup(seed);
        put(0, 'o', UNIT, true);
        sim_disk_release(&f.disk, f.file);
        cr_assert(eq(int, sim_disk_open(&f.disk, "tmp", SIM_OPEN_CREATE, &f.file), 0));
        put(0, 'n', UNIT, true);
        cr_assert(eq(int, sim_disk_rename(&f.disk, "tmp", "f"), 0));
        cr_assert(eq(i64, size_of("tmp"), -ENOENT));
        lose_power();
        cr_assert(unit_is(0, 'o') || unit_is(0, 'n'), "seed %" PRIu64, seed);
        old += unit_is(0, 'o');
        new += unit_is(0, 'n');
        both_names += unit_is(0, 'n') && size_of("tmp") == UNIT;
        teardown();
    }
    cr_assert(old > 20 && new > 20 && both_names > 2, "%d %d %d", old, new, both_names);
}

Test(sim_disk, a_killed_process_leaves_the_page_cache_as_it_was)
{
    setup(1);
    put(0, 'a', 10 * UNIT, false);
    sim_disk_release(&f.disk, f.file);
    sim_disk_process_killed(&f.disk);
    for (uint64_t u = 0; u < 10; u++)
        cr_assert(unit_is(u, 'a'));
    cr_assert(eq(i64, sim_image_peek(&f.disk, SIM_DURABLE, "f", 0, &(char){0}, 1), 0));
    teardown();
}

Test(sim_disk, a_failed_sync_is_told_once_and_its_data_may_never_reach_the_disk)
{
    int old = 0, new = 0, device_differs = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint8_t device[SIM_PAGE_BYTES] __attribute__((aligned(4096)));
        setup(seed);
        put(0, 'a', 8 * UNIT, true);
        put(0, 'b', 8 * UNIT, false);
        sim_disk_fail_next(&f.disk, SIM_SYNC, EIO);
        cr_assert(eq(int, sync_file(), -EIO));
        cr_assert(unit_is(0, 'b')); /* memory shows the new data */
        cr_assert(eq(int, sync_file(), 0));
        cr_assert(eq(int, sim_disk_read(&f.disk, f.file, true, device, sizeof(device), 0), 4096));
        device_differs += memchr(device, 'a', sizeof(device)) != NULL;
        lose_power();
        old += unit_is(0, 'a');
        new += unit_is(0, 'b');
        teardown();
    }
    cr_assert(old > 20 && new > 20 && device_differs > 20, "%d %d %d", old, new, device_differs);
}

Test(sim_disk, a_sync_covers_what_was_written_before_it_began)
{
    int late_lost = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_capture capture;
        setup(seed);
        put(0, 'a', 2 * UNIT, false);
        sim_disk_sync_begin(&f.disk, f.file, is_finished, NULL, &capture);
        put(UNIT, 'b', 2 * UNIT, false); /* over one covered unit, and behind */
        cr_assert(eq(int, sim_disk_sync_end(&f.disk, f.file, &capture), 0));
        lose_power();
        cr_assert(unit_is(0, 'a'), "seed %" PRIu64, seed);
        cr_assert(unit_is(1, 'a') || unit_is(1, 'b'), "seed %" PRIu64, seed);
        late_lost += unit_is(1, 'a');
        teardown();
    }
    cr_assert(lt(int, 20, late_lost));
}

Test(sim_disk, a_sync_need_not_cover_a_write_whose_done_has_not_run)
{
    int lost = 0, kept = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        char bytes[UNIT];
        struct iovec vec = {.iov_base = bytes, .iov_len = UNIT};
        struct sim_disk_write write = {.vec = &vec, .vec_count = 1, .write_id = 7};
        struct sim_capture capture;
        setup(seed);
        memset(bytes, 'u', UNIT);
        cr_assert(eq(int, sim_disk_write(&f.disk, f.file, &write), UNIT));
        sim_disk_sync_begin(&f.disk, f.file, is_unfinished, NULL, &capture);
        cr_assert(eq(int, sim_disk_sync_end(&f.disk, f.file, &capture), 0));
        lose_power();
        kept += unit_is(0, 'u');
        lost += !unit_is(0, 'u');
        teardown();
    }
    cr_assert(lost > 20 && kept > 20, "%d %d", lost, kept);
}

Test(sim_disk, syncfs_makes_all_data_and_names_durable)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim_syncfs syncfs;
        setup(seed);
        cr_assert(eq(int, sim_disk_dir_make(&f.disk, "d"), 0));
        cr_assert(eq(int, sim_disk_rename(&f.disk, "f", "d/g"), 0));
        put(0, 'a', 4 * UNIT, false);
        sim_disk_syncfs_begin(&f.disk, is_finished, NULL, &syncfs);
        cr_assert(eq(int, sim_disk_syncfs_end(&f.disk, &syncfs), 0));
        lose_power();
        cr_assert(eq(i64, size_of("d/g"), 4 * UNIT));
        cr_assert(eq(i64, size_of("f"), -ENOENT));
        teardown();
    }
}

/* Beside the disk stands a list of what each unit may be after a power loss. */
struct model {
    char now[UNITS_MAX];
    char allowed[UNITS_MAX][64];
    int allowed_count[UNITS_MAX];
    uint64_t units;     /* length now */
    uint64_t units_min; /* lengths that a power loss may leave */
    uint64_t units_max;
};

static void model_allow(struct model *model, uint64_t u, char byte, bool only)
{
    if (only)
        model->allowed_count[u] = 0;
    model->allowed[u][model->allowed_count[u]++ % 64] = byte;
    model->now[u] = byte;
}

static void model_size(struct model *model, uint64_t units)
{
    for (uint64_t u = units; u < model->units; u++)
        model_allow(model, u, 0, false);
    model->units = units;
    if (units < model->units_min)
        model->units_min = units;
    if (units > model->units_max)
        model->units_max = units;
}

static void model_step(struct model *model, struct prng *prng, char byte)
{
    uint64_t from = prng_below(prng, UNITS_MAX - 8);
    uint64_t to = from + 1 + prng_below(prng, 8);
    bool dsync = prng_chance(prng, 1, 4);

    switch (prng_below(prng, 8)) {
    case 0:
        cr_assert(eq(int, sync_file(), 0));
        for (uint64_t u = 0; u < UNITS_MAX; u++)
            model_allow(model, u, model->now[u], true);
        model->units_min = model->units_max = model->units;
        break;
    case 1:
        cr_assert(eq(int, sim_disk_truncate(&f.disk, f.file, from * UNIT), 0));
        model_size(model, from);
        break;
    default:
        cr_assert(lt(int, 0, put(from * UNIT, byte, (to - from) * UNIT, dsync)));
        if (to > model->units)
            model_size(model, to);
        for (uint64_t u = from; u < to; u++)
            model_allow(model, u, byte, dsync);
        if (dsync && model->units_min < to)
            model->units_min = to;
        break;
    }
}

Test(sim_disk, every_image_after_a_power_loss_is_one_that_the_history_allows)
{
    struct sim_disk_options options;

    sim_disk_options_init(&options);
    options.loss.garbage_ppm = 0;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        static struct model model;
        struct prng prng;
        uint64_t steps;
        setup_with(seed, &options);
        prng_init(&prng, seed);
        memset(&model, 0, sizeof(model));
        for (uint64_t u = 0; u < UNITS_MAX; u++)
            model_allow(&model, u, 0, true);
        steps = 1 + prng_below(&prng, 40);
        for (uint64_t i = 0; i < steps; i++)
            model_step(&model, &prng, (char)(1 + i));
        for (uint64_t u = 0; u < model.units; u++)
            cr_assert(unit_is(u, model.now[u]), "seed %" PRIu64, seed);
        lose_power();
        cr_assert(size_of("f") % UNIT == 0 && size_of("f") / UNIT >= (int64_t)model.units_min &&
                      size_of("f") / UNIT <= (int64_t)model.units_max,
                  "seed %" PRIu64 " length %" PRId64, seed, size_of("f"));
        for (int64_t u = 0; u < size_of("f") / UNIT; u++) {
            bool legal = false;
            for (int i = 0; i < model.allowed_count[u]; i++)
                legal = legal || unit_is((uint64_t)u, model.allowed[u][i]);
            cr_assert(legal, "seed %" PRIu64 " unit %" PRId64, seed, u);
        }
        teardown();
    }
}

Test(sim_disk, a_full_disk_takes_what_fits_then_refuses_and_gives_space_back)
{
    struct sim_disk_options options;

    sim_disk_options_init(&options);
    options.capacity_bytes = 3 * SIM_PAGE_BYTES;
    setup_with(1, &options);
    cr_assert(eq(int, put(0, 'a', 4 * SIM_PAGE_BYTES, false), 3 * SIM_PAGE_BYTES));
    cr_assert(eq(int, put(3 * SIM_PAGE_BYTES, 'a', 1, false), -ENOSPC));
    cr_assert(eq(int, put(0, 'b', SIM_PAGE_BYTES, false), SIM_PAGE_BYTES)); /* in place */
    cr_assert(eq(u64, sim_disk_free_bytes(&f.disk), 0));
    cr_assert(eq(int, sim_disk_truncate(&f.disk, f.file, SIM_PAGE_BYTES), 0));
    cr_assert(eq(u64, sim_disk_free_bytes(&f.disk), 2 * SIM_PAGE_BYTES));
    cr_assert(eq(int, sim_disk_unlink(&f.disk, "f"), 0));
    cr_assert(eq(u64, sim_disk_free_bytes(&f.disk), 2 * SIM_PAGE_BYTES)); /* still open */
    sim_disk_release(&f.disk, f.file);
    cr_assert(eq(u64, sim_disk_free_bytes(&f.disk), 3 * SIM_PAGE_BYTES));
    teardown();
}

Test(sim_disk, planned_faults_hit_the_operation_that_was_named)
{
    char bytes[100];

    setup(1);
    sim_disk_fail_nth(&f.disk, SIM_WRITE, 1, ENOSPC);
    cr_assert(eq(int, put(0, 'a', 100, false), 100));
    cr_assert(eq(int, put(0, 'b', 100, false), -ENOSPC));
    cr_assert(eq(int, put(0, 'c', 100, false), 100));
    sim_disk_cap_next(&f.disk, SIM_WRITE, 30);
    cr_assert(eq(int, put(0, 'd', 100, false), 30));
    sim_disk_cap_next(&f.disk, SIM_READ, 40);
    cr_assert(eq(int, sim_disk_read(&f.disk, f.file, false, bytes, 100, 0), 40));
    cr_assert(bytes[29] == 'd' && bytes[30] == 'c');
    sim_disk_fail_next(&f.disk, SIM_READ, EIO);
    cr_assert(eq(int, sim_disk_read(&f.disk, f.file, false, bytes, 100, 0), -EIO));
    cr_assert(eq(int, sim_disk_read(&f.disk, f.file, false, bytes, 100, 0), 100));
    sim_disk_fail_next(&f.disk, SIM_RENAME, EIO);
    cr_assert(eq(int, sim_disk_rename(&f.disk, "f", "g"), -EIO));
    cr_assert(eq(i64, size_of("f"), 100));
    sim_disk_set_read_only(&f.disk, true);
    cr_assert(eq(int, put(0, 'e', 10, false), -EROFS));
    cr_assert(eq(int, sim_disk_unlink(&f.disk, "f"), -EROFS));
    cr_assert(eq(u64, sim_stats_faults(&f.queue.stats), 5));
    teardown();
}

Test(sim_disk, a_failed_write_leaves_some_of_its_bytes)
{
    int none = 0, some = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        int written = 0;
        setup(seed);
        put(0, 'a', 8 * UNIT, true);
        sim_disk_fail_next(&f.disk, SIM_WRITE, EIO);
        cr_assert(eq(int, put(0, 'b', 8 * UNIT, false), -EIO));
        for (uint64_t u = 0; u < 8; u++)
            written += unit_is(u, 'b');
        none += written == 0;
        some += written > 0 && written < 8;
        teardown();
    }
    cr_assert(none > 10 && some > 10);
}

Test(sim_disk, names_follow_the_rules_of_a_file_system)
{
    uint64_t inode;

    setup(1);
    cr_assert(eq(int, sim_disk_open(&f.disk, "none", 0, &inode), -ENOENT));
    cr_assert(eq(int, sim_disk_open(&f.disk, "no/where", SIM_OPEN_CREATE, &inode), -ENOENT));
    cr_assert(eq(int, sim_disk_open(&f.disk, "f/x", SIM_OPEN_CREATE, &inode), -ENOTDIR));
    cr_assert(eq(int, sim_disk_open(&f.disk, "f", SIM_OPEN_CREATE | SIM_OPEN_EXCLUSIVE, &inode),
                 -EEXIST));
    cr_assert(eq(int, sim_disk_dir_make(&f.disk, "/d"), 0));
    cr_assert(eq(int, sim_disk_dir_make(&f.disk, "d"), -EEXIST));
    cr_assert(eq(int, sim_disk_open(&f.disk, "d", 0, &inode), -EISDIR));
    cr_assert(eq(int, sim_disk_rename(&f.disk, "f", "d"), -EISDIR));
    cr_assert(eq(int, sim_disk_rename(&f.disk, "f", "./d//g"), 0));
    cr_assert(eq(int, sim_disk_dir_remove(&f.disk, "d"), -ENOTEMPTY));
    cr_assert(eq(int, sim_disk_unlink(&f.disk, "d"), -EISDIR));
    cr_assert(eq(int, sim_disk_rename(&f.disk, "d", "e"), 0));
    cr_assert(eq(int, sim_disk_unlink(&f.disk, "e/g"), 0));
    cr_assert(eq(int, sim_disk_dir_remove(&f.disk, "e"), 0));
    cr_assert(eq(int, put(0, 'a', 10, false), 10)); /* open, though without a name */
    cr_assert(eq(int, sim_disk_lock(&f.disk, f.file, 1), 0));
    cr_assert(eq(int, sim_disk_lock(&f.disk, f.file, 2), -EWOULDBLOCK));
    sim_disk_unlock(&f.disk, f.file, 1);
    cr_assert(eq(int, sim_disk_lock(&f.disk, f.file, 2), 0));
    teardown();
}

Test(sim_disk, many_creations_and_removals_give_their_memory_back)
{
    uint64_t before = mem_used_count();

    setup(1);
    for (int i = 0; i < 1000; i++) {
        uint64_t inode;
        cr_assert(eq(int, sim_disk_open(&f.disk, "x", SIM_OPEN_CREATE, &inode), 0));
        sim_disk_release(&f.disk, inode);
        cr_assert(eq(int, sim_disk_unlink(&f.disk, "x"), 0));
        cr_assert(eq(int, sim_disk_dir_sync(&f.disk, "/"), 0));
    }
    cr_assert(lt(u64, mem_used_count() - before, 200));
    teardown();
    cr_assert(eq(u64, mem_used_count(), before));
}

Test(sim_disk, a_dump_writes_the_image_byte_for_byte_and_rot_changes_one)
{
    char dir[] = "/tmp/sim_image_XXXXXX";
    char path[64];
    char bytes[3 * UNIT];
    int fd;

    setup(1);
    cr_assert(ne(ptr, mkdtemp(dir), NULL));
    cr_assert(eq(int, sim_disk_dir_make(&f.disk, "d"), 0));
    cr_assert(eq(int, sim_disk_rename(&f.disk, "f", "d/f"), 0));
    put(0, 'a', 3 * UNIT, false);
    cr_assert(eq(int, sim_image_flip(&f.disk, "d/f", 5, 0x01), 0));
    cr_assert(eq(int, sim_image_flip(&f.disk, "d/f", 3 * UNIT, 0x01), -EINVAL));
    cr_assert(eq(int, sim_image_flip(&f.disk, "d/g", 0, 0x01), -ENOENT));
    cr_assert(eq(int, sim_image_dump(&f.disk, SIM_CACHED, dir), 0));
    snprintf(path, sizeof(path), "%s/d/f", dir);
    fd = open(path, O_RDONLY);
    cr_assert(ge(int, fd, 0));
    cr_assert(eq(i64, read(fd, bytes, sizeof(bytes)), sizeof(bytes)));
    close(fd);
    for (size_t i = 0; i < sizeof(bytes); i++)
        cr_assert(eq(chr, bytes[i], i == 5 ? 'a' ^ 1 : 'a'));
    unlink(path);
    snprintf(path, sizeof(path), "%s/d", dir);
    rmdir(path);
    rmdir(dir);
    /* the durable image still has the file under its first name, without data */
    cr_assert(eq(i64, sim_image_peek(&f.disk, SIM_DURABLE, "f", 0, bytes, 1), 0));
    cr_assert(eq(i64, sim_image_peek(&f.disk, SIM_DURABLE, "d/f", 0, bytes, 1), -ENOENT));
    teardown();
}

Test(sim_disk, an_unaligned_direct_write_stops_the_run, .signal = SIGABRT)
{
    static char bytes[SIM_PAGE_BYTES] __attribute__((aligned(4096)));
    struct iovec vec = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct sim_disk_write write = {.vec = &vec, .vec_count = 1, .pos = 512, .direct = true};

    setup(1);
    (void)sim_disk_write(&f.disk, f.file, &write);
}

static struct sim_disk_job *ran[3];
static int ran_count;

static void job_ran(struct sim_disk_job *job)
{
    ran[ran_count++] = job;
}

Test(sim_disk, operations_complete_in_any_order_and_not_while_held_or_stalled)
{
    int first[3] = {0};

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk_job jobs[3];
        uint64_t released_ns;
        setup(seed);
        ran_count = 0;
        for (int i = 0; i < 3; i++)
            sim_disk_submit(&f.disk, &jobs[i], i == 2 ? SIM_SYNC : SIM_WRITE, false, job_ran);
        if (seed % 2 == 0)
            sim_disk_hold(&f.disk, SIM_WRITE);
        while (sim_queue_next_ns(&f.queue) != SIM_NEVER)
            sim_queue_fire_next(&f.queue);
        if (seed % 2 == 0) {
            cr_assert(ran_count == 1 && ran[0] == &jobs[2]);
            sim_disk_stall(&f.disk, SIM_SECOND);
            released_ns = f.queue.now_ns;
            sim_disk_unhold(&f.disk, SIM_WRITE);
            while (sim_queue_next_ns(&f.queue) != SIM_NEVER)
                sim_queue_fire_next(&f.queue);
            cr_assert(ge(u64, f.queue.now_ns, released_ns + SIM_SECOND));
        }
        cr_assert(eq(int, ran_count, 3));
        for (int i = 0; i < 3; i++)
            first[i] += ran[seed % 2 == 0] == &jobs[i];
        teardown();
    }
    cr_assert(first[0] > 20 && first[1] > 20, "%d %d %d", first[0], first[1], first[2]);
}
