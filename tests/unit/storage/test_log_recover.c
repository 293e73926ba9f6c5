#include "base/mem.h"
#include "record/batch_builder.h"
#include "storage/log/log_aborted.h"
#include "storage/log/log_recover.h"
#include "storage/log/log_roll.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LOGS = 2, CALLS_MAX = 4000 };

static const struct fixture_options small = {.seed = 1,
                                             .log_count = LOGS,
                                             .segment_bytes = 60000,
                                             .segment_write_bytes = 8192,
                                             .index_interval_bytes = 2000,
                                             .checkpoint_interval_ms = 40};

static void up_with_seed(uint64_t seed)
{
    struct fixture_options options = small;

    options.seed = seed;
    fixture_up(&options);
}

static void up(void)
{
    up_with_seed(1);
    cr_assert(fixture_start());
}

TestSuite(log_recover, .fini = fixture_down, .timeout = 300);

static void work(uint32_t append_count)
{
    for (uint32_t i = 0; i < append_count && fixture_is_alive(); i++) {
        enum err err = fixture_append_some(i % LOGS);
        cr_assert(err == OK || err == ERR_FULL || !fixture_is_alive() ||
                      store_state(fixture.store) == STORE_FAILED,
                  "%s", err_name(err));
        if (fixture_is_alive() && prng_chance(&fixture.chance, 1, 2))
            fixture_run_ms(3);
    }
    if (fixture_is_alive())
        fixture_run_ms(60);
}

static void check_all(void)
{
    for (uint32_t i = 0; i < LOGS; i++)
        fixture_check_prefix(i);
}

/* The whole life of a small store, dying at its n-th call: then nothing durable is missing, what is
 * there is a prefix, and what was shown after the start survives the next crash at once (DUR-L4).
 * */
static bool die_at(uint64_t call, enum sim_crash kind)
{
    bool died;

    up_with_seed(call * 2 + (kind == SIM_KILL));
    sim_node_crash_at_call(fixture.node, call, kind);
    if (fixture_start())
        work(24);
    died = !fixture_is_alive();
    if (!died)
        fixture_crash(kind);
    cr_assert(fixture_start());
    check_all();
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    check_all();
    work(6);
    fixture_stop();
    cr_assert(fixture_start());
    check_all();
    return died;
}

static void die_everywhere(enum sim_crash kind, uint64_t step)
{
    for (uint64_t call = 1; call < CALLS_MAX; call += step) {
        if (call > 1)
            fixture_down();
        if (!die_at(call, kind))
            return;
    }
    cr_assert(false, "the workload has more calls than were tried");
}

Test(log_recover, a_kill_at_any_call_loses_nothing_durable)
{
    die_everywhere(SIM_KILL, 1);
}

Test(log_recover, a_power_loss_at_any_call_loses_nothing_durable)
{
    die_everywhere(SIM_POWER_LOSS, 1);
}

/* ---- a recovery that dies itself (DUR-L12) */

static uint64_t content_hash(void)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < LOGS; i++) {
        struct log_offsets offsets = log_offsets(fixture.at[i].log);
        hash = hash * 31 + (uint64_t)offsets.log_start * 7 + (uint64_t)offsets.log_end;
    }
    return hash;
}

static void interrupt_recovery(enum sim_crash kind)
{
    for (uint64_t call = 1; call < CALLS_MAX; call++) {
        bool died;
        uint64_t hash;
        if (call > 1)
            fixture_down();
        up_with_seed(11);
        cr_assert(fixture_start());
        work(30);
        fixture_crash(SIM_KILL);
        sim_node_crash_at_call(fixture.node, call, kind);
        died = !fixture_start();
        if (died)
            cr_assert(fixture_start());
        sim_node_crash_at_call(fixture.node, 0, kind);
        check_all();
        hash = content_hash();
        fixture_crash(SIM_POWER_LOSS);
        cr_assert(fixture_start());
        check_all();
        cr_assert(eq(u64, content_hash(), hash));
        if (!died)
            return;
    }
    cr_assert(false, "the recovery has more calls than were tried");
}

Test(log_recover, a_recovery_killed_at_any_call_and_repeated_gives_the_same)
{
    interrupt_recovery(SIM_KILL);
}

Test(log_recover, a_recovery_that_loses_power_at_any_call_and_is_repeated_gives_the_same)
{
    interrupt_recovery(SIM_POWER_LOSS);
}

/* ---- cut logs */

static bool cut_is_done;

static void on_cut(void *context, enum err err)
{
    cut_is_done = true;
}

static void cut(uint32_t log_index, int64_t offset)
{
    enum err err;

    cut_is_done = false;
    do {
        err = log_truncate(fixture.at[log_index].log, offset, on_cut, NULL);
        if (err == ERR_FULL)
            fixture_run_ms(5);
    } while (err == ERR_FULL && fixture_is_alive());
    cr_assert(err == OK || !fixture_is_alive(), "%s", err_name(err));
    fixture.at[log_index].durable = 0;
    fixture_forget_from(log_index, offset);
}

/* Marked, cut, appended to again, and then a crash before the next mark. */
static void cut_and_crash(uint64_t seed, enum sim_crash kind, uint32_t appends)
{
    struct fixture_log *at = &fixture.at[0];
    uint32_t keep;

    up_with_seed(seed);
    cr_assert(fixture_start());
    work(40);
    cr_assert(fixture_settle());
    fixture_checkpoint();
    keep = at->batch_count - 1 - (uint32_t)prng_below(&fixture.chance, at->batch_count - 1);
    cut(0, at->batches[keep].base_offset);
    for (uint32_t i = 0; i < appends; i++) {
        cr_assert(eq(int, fixture_append_some(0), OK));
        fixture_run_ms(1);
    }
    cr_assert(fixture_settle());
    fixture_run_ms(prng_below(&fixture.chance, 60));
    cr_assert(cut_is_done);
    fixture_crash(kind);
    cr_assert(fixture_start());
    check_all();
    cr_assert(eq(i64, log_offsets(at->log).log_end,
                 at->batch_count == 0 ? 0 : at->batches[at->batch_count - 1].end_offset));
}

Test(log_recover, a_log_that_was_cut_and_written_again_recovers_without_the_old_end)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        if (seed > 1)
            fixture_down();
        cut_and_crash(seed, seed % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS, (uint32_t)(seed % 12));
    }
}

/* ---- derived files (DUR-L11) */

static void delete_file(const char *path)
{
    cr_assert(eq(int, sim_disk_unlink(&fixture.node->disk, path), 0), "%s", path);
}

struct victims {
    char paths[64][128];
    uint64_t sizes[64];
    uint32_t count;
    const char *suffix;
};

static void on_seen(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    struct victims *victims = context;
    size_t suffix_bytes = strlen(victims->suffix);
    size_t path_bytes = strlen(path);

    while (*path == '/') {
        path++;
        path_bytes--;
    }
    if (is_dir || path_bytes < suffix_bytes || victims->count == 64 ||
        strcmp(path + path_bytes - suffix_bytes, victims->suffix) != 0)
        return;
    victims->sizes[victims->count] = size_bytes;
    snprintf(victims->paths[victims->count++], sizeof(victims->paths[0]), "%s", path);
}

static struct victims find_files(const char *suffix)
{
    struct victims victims = {.suffix = suffix};

    sim_image_walk(&fixture.node->disk, SIM_CACHED, on_seen, &victims);
    return victims;
}

static void fill_and_end(bool clean)
{
    for (int32_t i = 0; i < 40; i++) {
        struct fixture_append append = {.has_producer = true,
                                        .producer_id = 5,
                                        .base_sequence = i,
                                        .value_bytes = 1900,
                                        .leader_epoch = i / 10};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    }
    cr_assert(fixture_settle());
    fixture_checkpoint();
    if (clean)
        fixture_stop();
    else
        fixture_crash(SIM_KILL);
}

static void check_derived(void)
{
    cr_assert(fixture_start());
    fixture_check_prefix(0);
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 40));
    cr_assert(eq(u32, log_epochs(fixture.at[0].log)->count, 4));
    for (int32_t i = 35; i < 40; i++) {
        struct fixture_append append = {
            .has_producer = true, .producer_id = 5, .base_sequence = i, .value_bytes = 1900};
        struct log_append_result result;
        cr_assert(eq(int, fixture_append(&append, &result), OK));
        cr_assert(result.duplicate);
        cr_assert(eq(i64, result.base_offset, i));
    }
}

static void lose_and_compare(const char *suffix, bool clean)
{
    struct victims victims;

    up();
    fill_and_end(clean);
    victims = find_files(suffix);
    cr_assert(lt(u32, 0, victims.count), "%s", suffix);
    for (uint32_t i = 0; i < victims.count; i++)
        delete_file(victims.paths[i]);
    check_derived();
    fixture_down();
}

Test(log_recover, what_is_derived_may_be_deleted_and_nothing_changes)
{
    static const char *const suffixes[] = {".index", ".timeindex", ".levee-window",
                                           "leader-epoch-checkpoint"};

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        lose_and_compare(suffixes[i], false);
        lose_and_compare(suffixes[i], true);
    }
}

Test(log_recover, a_flipped_byte_in_a_derived_file_changes_no_answer)
{
    static const char *const suffixes[] = {".index", ".timeindex", ".levee-window"};

    for (size_t s = 0; s < sizeof(suffixes) / sizeof(suffixes[0]); s++) {
        for (uint64_t pos = 0; pos < 200; pos += 3) {
            struct victims victims;
            up();
            fill_and_end(pos % 2 == 0);
            victims = find_files(suffixes[s]);
            for (uint32_t i = 0; i < victims.count; i++)
                if (pos < victims.sizes[i])
                    sim_image_flip(&fixture.node->disk, victims.paths[i], pos,
                                   (uint8_t)(1U << pos % 8));
            check_derived();
            fixture_down();
        }
    }
}

/* ---- damage below the mark (DUR-L13) */

static void check_quarantined(void)
{
    struct log_read read = {.bound = 1, .max_bytes = 100};

    cr_assert(fixture_start());
    cr_assert(log_is_quarantined(fixture.at[0].log));
    cr_assert(not(log_is_quarantined(fixture.at[1].log)));
    cr_assert(eq(int, fixture_append(&(struct fixture_append){0}, NULL), ERR_QUARANTINED));
    cr_assert(eq(int, fixture_read(0, &read), ERR_QUARANTINED));
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.log_index = 1}, NULL), OK));
}

Test(log_recover, a_missing_segment_quarantines_and_keeps_doing_so, .init = up)
{
    struct victims victims;

    fill_and_end(false);
    victims = find_files(".log");
    cr_assert(le(u32, 3, victims.count));
    delete_file(victims.paths[1]);
    check_quarantined();
    fixture_checkpoint();
    fixture_crash(SIM_KILL);
    check_quarantined();
    fixture_stop();
    check_quarantined();
}

static void shorten(const char *path, uint64_t size_bytes)
{
    uint64_t inode;

    cr_assert(eq(int, sim_disk_open(&fixture.node->disk, path, 0, &inode), 0), "%s", path);
    cr_assert(eq(int, sim_disk_truncate(&fixture.node->disk, inode, size_bytes), 0));
    sim_disk_release(&fixture.node->disk, inode);
}

/* The last segment of the first log. */
static uint32_t last_of(const struct victims *logs)
{
    const char *dir = fixture_path(0, "");
    uint32_t last = logs->count;

    for (uint32_t i = 0; i < logs->count; i++)
        if (strncmp(logs->paths[i], dir, strlen(dir)) == 0 &&
            (last == logs->count || strcmp(logs->paths[i], logs->paths[last]) > 0))
            last = i;
    cr_assert(lt(u32, last, logs->count));
    return last;
}

/* Kafka went on here, and its records may not be cut off as what a crash has left. */
Test(log_recover, what_another_broker_has_written_since_an_orderly_stop_is_kept, .init = up)
{
    struct victims logs;
    uint64_t size_bytes;
    uint32_t last;

    fill_and_end(true);
    logs = find_files(".log");
    last = last_of(&logs);
    size_bytes = logs.sizes[last] + 9000;
    shorten(logs.paths[last], size_bytes);
    check_quarantined();
    logs = find_files(".log");
    cr_assert(eq(u64, logs.sizes[last_of(&logs)], size_bytes));
}

/* No batch of it is bad: what is missing shows at where it ends. */
Test(log_recover, a_closed_segment_without_its_last_batches_or_with_none_quarantines)
{
    for (uint32_t kept = 0; kept < 4; kept++) {
        uint64_t size_bytes = 0;
        up();
        fill_and_end(kept % 2 == 0);
        for (uint32_t i = 0; i < kept; i++)
            size_bytes += fixture.at[0].batches[i].size_bytes;
        shorten(fixture_path(0, "00000000000000000000.log"), size_bytes);
        check_quarantined();
        fixture_crash(SIM_KILL);
        check_quarantined();
        fixture_down();
    }
}

Test(log_recover, an_entry_whose_prefix_begins_before_its_segment_is_damage, .init = up)
{
    uint8_t prefix[200] = {0};
    struct log *log = fixture.at[0].log;
    struct log_found found = {.log = log};
    struct mark mark = {.pos = sizeof(prefix) - 1, .window_offset = -1};
    const char *path = fixture_path(0, "00000000000000000000.log");
    struct sim_disk_stat before;
    struct sim_disk_stat after;

    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 900}, NULL), OK));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    cr_assert(eq(int, sim_disk_stat(&fixture.node->disk, path, &before), 0));
    cr_assert(eq(int, log_believe(log, &found, &mark, prefix, sizeof(prefix)), ERR_CORRUPT));
    cr_assert(eq(int, sim_disk_stat(&fixture.node->disk, path, &after), 0));
    cr_assert(eq(u64, after.size_bytes, before.size_bytes)); /* nothing was written anywhere */
}

Test(log_recover, a_damaged_end_of_the_active_segment_quarantines_and_cuts_nothing, .init = up)
{
    struct victims victims;
    struct victims after;
    uint32_t active = 0;
    int64_t base_offset = 0;
    uint64_t end_pos = 0;

    fill_and_end(false);
    victims = find_files(".log");
    for (uint32_t i = 0; i < victims.count; i++)
        if (strncmp(victims.paths[i], "data/topic0", 11) == 0)
            active = i;
    sscanf(victims.paths[active], "data/topic0-0/%" SCNd64, &base_offset);
    for (uint32_t i = (uint32_t)base_offset; i < fixture.at[0].batch_count; i++)
        end_pos += fixture.at[0].batches[i].size_bytes;
    sim_image_flip(&fixture.node->disk, victims.paths[active], end_pos - 100, 1);
    check_quarantined();
    after = find_files(".log");
    cr_assert(eq(u32, after.count, victims.count));
    cr_assert(eq(u64, after.sizes[active], victims.sizes[active]));
}

Test(log_recover, a_block_that_was_torn_while_it_was_rewritten_is_mended_from_the_journal,
     .init = up)
{
    uint64_t end_pos = 0;

    for (int i = 0; i < 3; i++)
        cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 900}, NULL), OK));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    for (uint32_t i = 0; i < 3; i++)
        end_pos += fixture.at[0].batches[i].size_bytes;
    cr_assert(lt(u64, end_pos, 4096)); /* what follows stands in the same block */
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 900}, NULL), OK));
    cr_assert(fixture_settle());
    fixture_crash(SIM_POWER_LOSS);
    for (uint64_t pos = 20; pos < end_pos; pos += 200)
        sim_image_flip(&fixture.node->disk, fixture_path(0, "00000000000000000000.log"), pos, 0xff);
    cr_assert(fixture_start());
    fixture_check_prefix(0);
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 4));
    fixture_stop();
    cr_assert(fixture_start());
    fixture_check_prefix(0);
}

Test(log_recover, a_flipped_byte_anywhere_in_a_segment_is_never_served)
{
    for (uint64_t pos = 0; pos < 2500; pos += 97) {
        struct log_read read = {.bound = 40, .max_bytes = 1000, .at_least_one = true};
        struct victims victims;
        enum err err;
        up();
        fill_and_end(pos % 2 == 0);
        victims = find_files("00000000000000000000.log");
        sim_image_flip(&fixture.node->disk, victims.paths[0], pos, 0x10);
        cr_assert(fixture_start());
        read.offset = pos < (uint64_t)fixture.at[0].batches[0].size_bytes ? 0 : 1;
        err = fixture_read(0, &read);
        /* base offset and leader epoch are outside the checksum */
        if (err == OK && (pos % fixture.at[0].batches[0].size_bytes) >= 16)
            cr_assert(eq(int,
                         memcmp(read.bytes, fixture.at[0].batches[read.offset].bytes,
                                fixture.at[0].batches[read.offset].size_bytes),
                         0),
                      "pos %" PRIu64, pos);
        if (err == OK)
            log_read_release(&read);
        fixture_down();
    }
}

Test(log_recover, a_directory_of_another_topic_is_refused, .init = up)
{
    static const char path[] = "data/topic0-0/partition.metadata";

    work(4);
    fixture_crash(SIM_KILL);
    sim_image_flip(&fixture.node->disk, path, 25, 0x02); /* another letter of the id */
    fixture_try_start();
    cr_assert(eq(int, fixture.start_err, ERR_FOREIGN));
}

/* ---- adoption */

static void delete_all(const char *suffix)
{
    struct victims victims = find_files(suffix);

    cr_assert(lt(u32, 0, victims.count));
    for (uint32_t i = 0; i < victims.count; i++)
        delete_file(victims.paths[i]);
}

static const char *second_segment(const struct victims *logs)
{
    const char *path = NULL;

    for (uint32_t i = 0; i < logs->count; i++)
        if (strstr(logs->paths[i], "topic0-0/") != NULL &&
            strstr(logs->paths[i], "/00000000000000000000.log") == NULL &&
            (path == NULL || strcmp(logs->paths[i], path) < 0))
            path = logs->paths[i];
    return path;
}

/* What one start takes, the next one takes: so a hole that nothing explains is refused at once. */
Test(log_recover, a_directory_without_marks_and_with_a_segment_missing_is_refused_at_each_start,
     .init = up)
{
    struct fixture_append append = {.value_bytes = 4000};
    struct victims logs;

    for (int i = 0; i < 60; i++)
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(fixture_settle());
    fixture_stop();
    delete_all(".levee");
    delete_all("recovery-point-offset-checkpoint");
    logs = find_files(".log");
    cr_assert(ge(u32, logs.count, 4)); /* an empty one of the other log, too */
    delete_file(second_segment(&logs));
    for (int start = 0; start < 3; start++) {
        cr_assert(fixture_start());
        cr_assert(log_is_quarantined(fixture.at[0].log));
        cr_assert(not(log_is_quarantined(fixture.at[1].log)));
        fixture_crash(SIM_KILL);
    }
}

/* Sixty records, of which the first three were deleted. */
static void leave_with_a_start(void)
{
    struct fixture_append append = {.value_bytes = 4000};

    for (int i = 0; i < 60; i++) {
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
        if (i == 49)
            cr_assert(fixture_settle());
        fixture.at[0].holds_watermark = i >= 49;
    }
    cr_assert(fixture_settle());
    cr_assert(eq(int, log_delete_records(fixture.at[0].log, 3, NULL, NULL), OK));
    fixture_run_ms(50);
    fixture_stop();
    delete_all(".levee");
}

/* What DeleteRecords took does not come back with a directory of Kafka's, and what replicas of its
 * lacked is not published. */
Test(log_recover, an_adopted_log_starts_where_kafka_says, .init = up)
{
    leave_with_a_start();
    for (int start = 0; start < 3; start++) {
        cr_assert(fixture_start());
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_start, 3));
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 60));
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).high_watermark, 50));
        fixture.at[0].log_start = 3;
        fixture_check_content(0, 20000);
        fixture_crash(SIM_POWER_LOSS);
    }
}

/* Nor when there is no memory to read what Kafka says. */
Test(log_recover, without_memory_a_log_is_not_adopted)
{
    uint32_t refused_count = 0;

    for (uint64_t n = 1; n <= 80; n++) {
        up();
        leave_with_a_start();
        mem_fail_after(n);
        fixture_try_start();
        mem_fail_after(0);
        refused_count += fixture.start_err == ERR_NOMEM;
        if (fixture.start_err == OK)
            cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_start, 3), "allocation %d",
                      (int)n);
        else
            cr_assert(eq(int, fixture.start_err, ERR_NOMEM), "allocation %d", (int)n);
        fixture_crash(SIM_KILL);
        cr_assert(fixture_start());
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_start, 3), "allocation %d", (int)n);
        fixture_down();
    }
    cr_assert(lt(u32, 20, refused_count));
    up();
}

/* ---- transactions of Kafka's */

enum piece { DATA, COMMIT, ABORT };

static void append_transactional(int64_t producer_id, int32_t sequence, enum piece piece)
{
    const struct control_marker marker = {.commit = piece == COMMIT};
    struct fixture_append append = {.verbatim = true,
                                    .base_offset = log_offsets(fixture.at[0].log).log_end,
                                    .has_producer = true,
                                    .producer_id = producer_id,
                                    .base_sequence = piece == DATA ? sequence : -1,
                                    .value_bytes = 1,
                                    .transactional = true,
                                    .marker = piece == DATA ? NULL : &marker};

    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(fixture_settle());
}

/* As Kafka's directory, at three starts. */
static void check_taken(void)
{
    fixture_stop();
    delete_all(".levee");
    for (int start = 0; start < 3; start++) {
        cr_assert(fixture_start());
        cr_assert(not(log_is_quarantined(fixture.at[0].log)));
        cr_assert(not(log_is_quarantined(fixture.at[1].log)));
        fixture_crash(SIM_KILL);
    }
    cr_assert(fixture_start());
}

Test(log_recover, a_log_of_kafka_with_committed_transactions_is_adopted, .init = up)
{
    append_transactional(7, 0, DATA);
    append_transactional(8, 0, DATA);
    append_transactional(7, 1, DATA);
    append_transactional(7, -1, COMMIT);
    append_transactional(8, -1, COMMIT);
    append_transactional(9, -1, ABORT); /* its records are gone, if there were any */
    check_taken();
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 6));
    cr_assert(eq(i64, producer_state_first_open_offset(log_producers(fixture.at[0].log)), -1));
}

static void check_aborted(int64_t from, int64_t bound, uint32_t count, int64_t first_offset)
{
    struct aborted_transaction found[4];
    struct log_aborted aborted = {
        .from = from, .bound = bound, .out = found, .max = array_count(found)};

    cr_assert(eq(int, log_aborted_find(fixture.at[0].log, &aborted), OK));
    cr_assert(eq(u32, aborted.count, count));
    if (count > 0)
        cr_assert(eq(i64, found[0].first_offset, first_offset));
}

Test(log_recover, a_log_of_kafka_with_an_aborted_transaction_keeps_it_from_readers, .init = up)
{
    append_transactional(7, 0, DATA);
    append_transactional(7, -1, ABORT);
    append_transactional(7, 1, DATA);
    append_transactional(7, -1, COMMIT);
    check_taken();
    fixture_run_ms(50);
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).last_stable, 4));
    check_aborted(0, 4, 1, 0);
    check_aborted(2, 4, 0, 0);
}

Test(log_recover, a_log_of_kafka_with_an_open_transaction_is_stable_below_it, .init = up)
{
    append_transactional(7, 0, DATA);
    append_transactional(7, -1, COMMIT);
    append_transactional(8, 0, DATA);
    check_taken();
    fixture_run_ms(50);
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).high_watermark, 3));
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).last_stable, 2));
    append_transactional(8, -1, ABORT);
    fixture_run_ms(50);
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).last_stable, 4));
    check_aborted(0, 4, 1, 2);
}

Test(log_recover, an_aborted_transaction_below_kafkas_log_start_harms_nobody, .init = up)
{
    append_transactional(7, 0, DATA);
    append_transactional(7, -1, ABORT);
    append_transactional(7, 1, DATA);
    append_transactional(7, -1, COMMIT);
    fixture_run_ms(50);
    cr_assert(eq(int, log_delete_records(fixture.at[0].log, 2, NULL, NULL), OK));
    fixture_run_ms(50);
    check_taken();
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_start, 2));
}

/* ---- what Kafka's log cleaner leaves */

enum { COMPACTED_APPENDS = 70, SEGMENTS_MAX = 8 };

static int64_t segment_bases[SEGMENTS_MAX];

static int32_t next_sequence;

static enum err append_next(void)
{
    struct fixture_append append = {.has_producer = true,
                                    .producer_id = 5,
                                    .base_sequence = next_sequence,
                                    .value_bytes = 4000,
                                    .leader_epoch = next_sequence / 20};

    next_sequence++;
    return fixture_append(&append, NULL);
}

/* Stopped in order, without the files that only we have.  A batch is a record. */
static void leave_as_kafka(bool last_is_empty)
{
    struct log *log = fixture.at[0].log;

    next_sequence = 0;
    for (int32_t i = 0; i < COMPACTED_APPENDS; i++)
        cr_assert(eq(int, append_next(), OK));
    if (last_is_empty)
        cr_assert(eq(int, log_roll(log, COMPACTED_APPENDS, false),
                     OK)); /* by time, as for Kafka's max.compaction.lag.ms */
    cr_assert(fixture_settle());
    cr_assert(eq(u32, log->segments.count, last_is_empty ? 6 : 5));
    for (uint32_t i = 0; i < log->segments.count; i++)
        segment_bases[i] = segment_manifest_at(&log->segments, i)->base_offset;
    fixture_stop();
    delete_all(".levee");
    delete_all(".levee-window");
}

static const char *segment_file(int64_t base_offset)
{
    char name[LOG_FILE_NAME_MAX];

    log_names_format_file(name, base_offset, LOG_FILE_LOG);
    return fixture_path(0, name);
}

static void forget(int64_t from, int64_t to)
{
    struct fixture_log *at = &fixture.at[0];
    uint32_t kept = 0;

    for (uint32_t i = 0; i < at->batch_count; i++) {
        if (at->batches[i].base_offset >= from && at->batches[i].base_offset < to)
            mem_free(at->batches[i].bytes);
        else
            at->batches[kept++] = at->batches[i];
    }
    at->batch_count = kept;
}

/* The segment keeps that many batches of it. */
static void compact(uint32_t segment, int64_t kept)
{
    int64_t base_offset = segment_bases[segment];
    uint64_t size_bytes = 0;

    for (int64_t i = base_offset; i < base_offset + kept; i++)
        size_bytes += fixture.at[0].batches[i].size_bytes;
    shorten(segment_file(base_offset), size_bytes);
}

static bool nothing_is_unfinished(void *context, uint64_t write_id)
{
    return false;
}

static void sync_disk(void)
{
    struct sim_syncfs syncfs;

    sim_disk_syncfs_begin(&fixture.node->disk, nothing_is_unfinished, NULL, &syncfs);
    cr_assert(eq(int, sim_disk_syncfs_end(&fixture.node->disk, &syncfs), 0));
}

/* Holes behind the first segment, where the third was merged into the second, and where nothing is
 * left in the fourth. */
static void leave_compacted(void)
{
    leave_as_kafka(false);
    compact(0, 10);
    delete_file(segment_file(segment_bases[2]));
    compact(3, 0);
    forget(segment_bases[0] + 10, segment_bases[1]);
    forget(segment_bases[2], segment_bases[4]);
    sync_disk();
}

/* The last records are gone, too: the last segment is empty and does not begin where they end. */
static void leave_compacted_to_the_end(void)
{
    leave_as_kafka(true);
    compact(1, 0);
    compact(4, 9);
    next_sequence = (int32_t)segment_bases[4] + 9; /* of the last batch that is left, + 1 */
    forget(segment_bases[1], segment_bases[2]);
    forget(segment_bases[4] + 9, COMPACTED_APPENDS);
    sync_disk();
}

static int64_t log_end(void)
{
    return log_offsets(fixture.at[0].log).log_end;
}

/* It is read as what is left, goes on at its end, and holds at each later start. */
static void check_adopted(enum sim_crash kind)
{
    cr_assert(not(log_is_quarantined(fixture.at[0].log)));
    cr_assert(eq(i64, log_end(), COMPACTED_APPENDS));
    fixture_crash(kind);
    cr_assert(fixture_start());
    cr_assert(not(log_is_quarantined(fixture.at[0].log)));
    cr_assert(eq(i64, log_end(), COMPACTED_APPENDS));
    cr_assert(eq(int, append_next(), OK));
    fixture_checkpoint();
    fixture_check_content(0, 20000);
    for (int32_t i = 1; i < 30; i++)
        cr_assert(eq(int, append_next(), OK)); /* rolls */
    cr_assert(fixture_settle());
    fixture_checkpoint();
    for (int life = 0; life < 2; life++) {
        fixture_crash(kind);
        cr_assert(fixture_start());
        fixture_check_prefix(0);
    }
    fixture_stop();
    cr_assert(fixture_start());
    check_all();
    cr_assert(eq(i64, log_end(), COMPACTED_APPENDS + 30));
}

Test(log_recover, a_compacted_directory_of_kafka_is_adopted_with_its_holes)
{
    static void (*const leave[])(void) = {leave_compacted, leave_compacted_to_the_end};

    for (uint32_t i = 0; i < 4; i++) {
        up();
        leave[i / 2]();
        cr_assert(fixture_start());
        check_adopted(i % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS);
        fixture_down();
    }
}

/* DUR-L12: files were renamed, and the marks that know it are not there yet. */
static void interrupt_adoption(void (*leave)(void), enum sim_crash kind)
{
    for (uint64_t call = 1; call < CALLS_MAX; call++) {
        bool died;
        up();
        leave();
        sim_node_crash_at_call(fixture.node, call, kind);
        died = !fixture_start();
        if (died)
            cr_assert(fixture_start());
        sim_node_crash_at_call(fixture.node, 0, kind);
        check_adopted(kind);
        fixture_down();
        if (!died)
            return;
    }
    cr_assert(false, "the adoption has more calls than were tried");
}

Test(log_recover, an_adoption_killed_at_any_call_and_repeated_gives_the_same)
{
    interrupt_adoption(leave_compacted, SIM_KILL);
    interrupt_adoption(leave_compacted_to_the_end, SIM_KILL);
}

Test(log_recover, an_adoption_that_loses_power_at_any_call_and_is_repeated_gives_the_same)
{
    interrupt_adoption(leave_compacted, SIM_POWER_LOSS);
    interrupt_adoption(leave_compacted_to_the_end, SIM_POWER_LOSS);
}

Test(log_recover, where_an_adopted_log_has_no_batch_up_to_its_end_a_read_finds_nothing, .init = up)
{
    struct log_read read = {.bound = COMPACTED_APPENDS, .max_bytes = 100, .at_least_one = true};

    leave_compacted_to_the_end();
    cr_assert(fixture_start());
    for (read.offset = segment_bases[4] + 9; read.offset < COMPACTED_APPENDS; read.offset++) {
        cr_assert(eq(int, fixture_read(0, &read), OK));
        cr_assert(eq(u32, read.size_bytes, 0));
        cr_assert(eq(i64, read.end_offset, read.offset));
    }
}

static void write_file(const char *path, const char *text)
{
    struct iovec vec = {(void *)(uintptr_t)text, strlen(text)};
    struct sim_disk_write write = {.vec = &vec, .vec_count = 1, .write_id = UINT64_MAX};
    uint64_t inode;

    cr_assert(eq(int, sim_disk_open(&fixture.node->disk, path, SIM_OPEN_CREATE, &inode), 0));
    cr_assert(eq(int, sim_disk_truncate(&fixture.node->disk, inode, 0), 0));
    if (text[0] != '\0')
        cr_assert(
            eq(i32, sim_disk_write(&fixture.node->disk, inode, &write), (int32_t)vec.iov_len));
    sim_disk_release(&fixture.node->disk, inode);
}

/* A hole counts as one of the cleaner's up to where Kafka had synced this partition. */
Test(log_recover, a_hole_above_kafkas_recovery_point_is_refused)
{
    static const struct {
        const char *recovery_points;
        bool is_adopted;
    } cases[] = {
        {"0\n2\ntopic1 0 0\ntopic0 0 56\n",
         true}, /* where the segment behind the last one begins */
        {"0\n1\ntopic0 0 55\n", false},
        {"0\n2\ntopic0 1 70\ntopic 0 70\n", false},
        {"0\n3\ntopic0 0 70\n", false}, /* cut off */
        {"0\n1\ntopic0 0 7O\n", false},
        {"", false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        up();
        leave_compacted();
        cr_assert(eq(i64, segment_bases[4], 56));
        write_file("data/recovery-point-offset-checkpoint", cases[i].recovery_points);
        for (int life = 0; life < 2; life++) {
            cr_assert(fixture_start());
            cr_assert(eq(int, log_is_quarantined(fixture.at[0].log), !cases[i].is_adopted));
            cr_assert(not(log_is_quarantined(fixture.at[1].log)));
            fixture_crash(SIM_KILL);
        }
        fixture_down();
    }
}

Test(log_recover, a_compaction_that_kafka_had_not_finished_is_refused, .init = up)
{
    char path[128];

    leave_compacted();
    snprintf(path, sizeof(path), "%s.swap", segment_file(segment_bases[2]));
    write_file(path, "");
    check_quarantined();
}

/* DUR-L13: that recovery point is Kafka's durable mark. */
Test(log_recover, damage_below_kafkas_recovery_point_cuts_nothing, .init = up)
{
    struct sim_disk_stat before;
    struct sim_disk_stat after;
    const char *path;

    leave_as_kafka(false);
    path = segment_file(segment_bases[1]);
    sim_image_flip(&fixture.node->disk, path, 300, 0x10);
    cr_assert(eq(int, sim_disk_stat(&fixture.node->disk, path, &before), 0));
    check_quarantined();
    cr_assert(
        eq(int, sim_disk_stat(&fixture.node->disk, segment_file(segment_bases[1]), &after), 0));
    cr_assert(eq(u64, after.size_bytes, before.size_bytes));
    cr_assert(
        eq(int, sim_disk_stat(&fixture.node->disk, segment_file(segment_bases[2]), &after), 0));
}

Test(log_recover, damage_above_kafkas_recovery_point_ends_the_log, .init = up)
{
    leave_as_kafka(false);
    write_file("data/recovery-point-offset-checkpoint", "0\n1\ntopic0 0 14\n");
    sim_image_flip(&fixture.node->disk, segment_file(segment_bases[1]), 300, 0x10);
    fixture.at[0].durable = 14;
    cr_assert(fixture_start());
    cr_assert(eq(i64, log_end(), 14));
    fixture_check_prefix(0);
}

/* ---- producers */

static bool sends_again(uint64_t owner, int64_t producer_id)
{
    const struct fixture_append append = {
        .has_producer = true, .producer_id = producer_id, .owner = owner};
    struct log_append_result result;

    cr_assert(eq(int, fixture_append(&append, &result), OK));
    return result.duplicate;
}

/* Whose they were is not known any more: the others' new ones must not be their end. */
Test(log_recover, recovered_producers_do_not_lose_to_newcomers)
{
    struct fixture_options options = small;

    options.log_producers_max = 20;
    options.checkpoint_interval_ms = 100000;
    fixture_up(&options);
    cr_assert(fixture_start());
    cr_assert(not(sends_again(1, 7)));
    for (int64_t id = 0; id < 30; id++)
        cr_assert(not(sends_again(2, 1000 + id)));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    cr_assert(not(sends_again(1, 8))); /* stands in the journal alone */
    cr_assert(fixture_settle());
    fixture_crash(SIM_KILL);
    cr_assert(fixture_start());
    for (int64_t id = 0; id < 100; id++)
        cr_assert(not(sends_again(2, 2000 + id)));
    cr_assert(sends_again(1, 7), "it is stored a second time");
    cr_assert(sends_again(1, 8), "it is stored a second time");
    fixture_settle();
    check_all();
}
