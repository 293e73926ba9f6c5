/* The last stable offset and the aborted transactions of a log, beside what a walk over all of its
 * batches says. */
#include "base/mem.h"
#include "record/batch_builder.h"
#include "storage/log/log_aborted.h"
#include "storage/log/log_roll.h"
#include "storage/log/producer_append.h"
#include "storage/log/segment_aborted.h"
#include "tests/unit/storage/trim_rig.h"

TestSuite(log_transactions, .fini = fixture_down, .timeout = 600);

enum { PRODUCERS = 6, TXNS_MAX = 4000 };

static const struct control_marker commit = {.commit = true};
static const struct control_marker cancel = {.commit = false};

/* ---- what the batches say */

struct txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t visible_first; /* the first one at or above the log's start; INT64_MAX: there is none */
    int64_t marker;        /* -1: it is open */
    bool aborted;
};

static struct {
    struct txn txns[TXNS_MAX]; /* by begin */
    uint32_t count;
} walked;

static struct txn *open_txn(int64_t producer_id)
{
    for (uint32_t i = walked.count; i-- > 0;)
        if (walked.txns[i].producer_id == producer_id)
            return walked.txns[i].marker < 0 ? &walked.txns[i] : NULL;
    return NULL;
}

static void walk_batch(const struct batch_header *header, const uint8_t *bytes, int64_t log_start)
{
    struct txn *txn = open_txn(header->producer_id);
    struct control_marker marker;

    if (!batch_has_producer(header) || !batch_is_transactional(header))
        return;
    if (batch_is_control(header)) {
        cr_assert(eq(int, control_parse_marker(bytes, header, &marker), OK));
        if (txn != NULL) {
            txn->marker = header->base_offset;
            txn->aborted = !marker.commit;
        }
        return;
    }
    if (txn == NULL) {
        cr_assert(lt(u32, walked.count, TXNS_MAX));
        txn = &walked.txns[walked.count++];
        *txn = (struct txn){.producer_id = header->producer_id,
                            .first_offset = header->base_offset,
                            .visible_first = INT64_MAX,
                            .marker = -1};
    }
    if (txn->visible_first == INT64_MAX && batch_last_offset(header) >= log_start)
        txn->visible_first = header->base_offset;
}

static void walk(void)
{
    const struct fixture_log *at = &fixture.at[0];
    int64_t log_start = log_offsets(at->log).log_start;

    walked.count = 0;
    for (uint32_t i = 0; i < at->batch_count; i++) {
        struct batch_header header;

        cr_assert(
            eq(int, batch_parse(at->batches[i].bytes, at->batches[i].size_bytes, &header), OK));
        walk_batch(&header, at->batches[i].bytes, log_start);
    }
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* DUR-T12; of what lies below the log's start nobody needs to know (DUR-I10). */
static void check_stable(void)
{
    struct log_offsets offsets = log_offsets(fixture.at[0].log);
    int64_t settled = min_of(offsets.high_watermark, offsets.durable);
    int64_t low = offsets.high_watermark;
    int64_t high = offsets.high_watermark;

    for (uint32_t i = 0; i < walked.count; i++) {
        const struct txn *txn = &walked.txns[i];

        if (txn->marker >= 0 && txn->marker < settled)
            continue;
        low = min_of(low, txn->first_offset);
        high = min_of(high, txn->visible_first);
    }
    low = low < offsets.log_start ? offsets.log_start : low;
    high = high < offsets.log_start ? offsets.log_start : high;
    cr_assert(low <= offsets.last_stable && offsets.last_stable <= high,
              "last stable %" PRId64 ", not %" PRId64 " (to %" PRId64 "), high watermark %" PRId64
              ", durable %" PRId64 ", seed %" PRIu64,
              offsets.last_stable, low, high, offsets.high_watermark, offsets.durable,
              fixture.options.seed);
}

/* ---- what the log says */

struct answer {
    struct log_aborted aborted;
    bool done;
    enum err err;
};

static uint32_t waited_count; /* answers for which a file was read */

static void on_answer(struct log_aborted *aborted, enum err err)
{
    struct answer *answer = container_of(aborted, struct answer, aborted);

    answer->done = true;
    answer->err = err;
}

static bool is_answered(void *context)
{
    return ((struct answer *)context)->done;
}

static enum err ask(int64_t from, int64_t bound, struct aborted_transaction *out, uint32_t max,
                    uint32_t *count_out)
{
    struct answer answer = {
        .aborted = {.from = from, .bound = bound, .out = out, .max = max, .done = on_answer}};
    enum err err = log_aborted_find(fixture.at[0].log, &answer.aborted);

    if (err == ERR_AGAIN) {
        waited_count++;
        cr_assert(sim_world_run_until(fixture.world, is_answered, &answer, 10 * SIM_SECOND));
        err = answer.err;
    }
    *count_out = answer.aborted.count;
    return err;
}

static bool is_among(const struct aborted_transaction *found, uint32_t count, const struct txn *txn)
{
    for (uint32_t i = 0; i < count; i++)
        if (found[i].producer_id == txn->producer_id &&
            found[i].first_offset >= txn->first_offset &&
            found[i].first_offset <= txn->visible_first && found[i].first_offset < txn->marker)
            return true;
    return false;
}

/* DUR-T13 */
static void check_range(int64_t from, int64_t bound)
{
    static struct aborted_transaction found[TXNS_MAX];
    uint32_t count;
    uint32_t needed = 0;
    uint32_t allowed = 0;

    cr_assert(eq(int, ask(from, bound, found, TXNS_MAX, &count), OK));
    for (uint32_t i = 0; i < walked.count; i++) {
        const struct txn *txn = &walked.txns[i];
        bool is_found;

        if (txn->marker < 0 || !txn->aborted || txn->marker < from || txn->first_offset >= bound)
            continue;
        is_found = is_among(found, count, txn);
        allowed++;
        needed += txn->visible_first < bound;
        cr_assert(is_found || txn->visible_first >= bound,
                  "%" PRId64 " at %" PRId64 " is missing in [%" PRId64 ", %" PRId64
                  "), seed %" PRIu64,
                  txn->producer_id, txn->first_offset, from, bound, fixture.options.seed);
    }
    cr_assert(count >= needed && count <= allowed, "%u, not %u to %u, seed %" PRIu64, count, needed,
              allowed, fixture.options.seed);
}

/* DUR-I10, while nothing was taken from the begin */
static void check_producers(void)
{
    const struct fixture_log *at = &fixture.at[0];
    struct producer_state should;

    if (log_offsets(at->log).log_start > 0)
        return;
    producer_state_init(&should, 1, 1000);
    for (uint32_t i = 0; i < at->batch_count; i++) {
        const uint8_t *bytes = at->batches[i].bytes;
        struct batch_header header;

        cr_assert(eq(int, batch_parse(bytes, at->batches[i].size_bytes, &header), OK));
        cr_assert(eq(int, producer_append_replay(&should, bytes, &header, 0, 0, NULL), OK));
    }
    cr_assert(producer_state_equal(&should, log_producers(at->log)), "seed %" PRIu64,
              fixture.options.seed);
    producer_state_deinit(&should);
}

static void check_all(void)
{
    struct log_offsets offsets = log_offsets(fixture.at[0].log);
    int64_t span = offsets.log_end - offsets.log_start;

    walk();
    check_stable();
    if (prng_chance(&fixture.chance, 1, 4))
        check_producers();
    fixture_check_offsets(0);
    for (int i = 0; i < 3 && span > 0; i++) {
        int64_t from = offsets.log_start + (int64_t)prng_below(&fixture.chance, (uint64_t)span);
        int64_t most = offsets.log_end - from;

        check_range(from, from + 1 + (int64_t)prng_below(&fixture.chance, (uint64_t)most));
    }
    check_range(offsets.log_start, offsets.log_end);
}

/* ---- steps */

static const struct producer_entry *known(int64_t producer_id)
{
    return producer_state_find(log_producers(fixture.at[0].log), producer_id);
}

static enum err put(int64_t producer_id, const struct control_marker *marker, int16_t epoch,
                    bool transactional, bool txn_v2)
{
    const struct producer_entry *entry = known(producer_id);
    int32_t sequence = 0;

    if (entry != NULL && entry->batch_count > 0 && entry->epoch == epoch)
        sequence = entry->batches[entry->batch_count - 1].last_sequence + 1;
    return fixture_append(&(struct fixture_append){.has_producer = true,
                                                   .producer_id = producer_id,
                                                   .producer_epoch = epoch,
                                                   .base_sequence = marker == NULL ? sequence : -1,
                                                   .value_bytes = 300,
                                                   .transactional = transactional,
                                                   .txn_v2 = txn_v2,
                                                   .marker = marker},
                          NULL);
}

static void append_one(void)
{
    int64_t producer_id = (int64_t)prng_below(&fixture.chance, PRODUCERS);
    const struct producer_entry *entry = known(producer_id);
    int16_t epoch = entry != NULL ? entry->epoch : 0;
    bool is_open = entry != NULL && entry->txn_first_offset >= 0;
    bool txn_v2 = prng_chance(&fixture.chance, 1, 2);

    enum err err;

    if (prng_chance(&fixture.chance, 1, 6)) {
        err = fixture_append(&(struct fixture_append){.value_bytes = 700}, NULL);
    } else if (entry != NULL && prng_chance(&fixture.chance, is_open ? 2 : 1, 5)) {
        if (txn_v2)
            epoch++;
        err = put(producer_id, prng_chance(&fixture.chance, 1, 2) ? &commit : &cancel, epoch, true,
                  txn_v2);
    } else {
        bool transactional = is_open || prng_chance(&fixture.chance, 4, 5);

        err = put(producer_id, NULL, epoch, transactional, false);
    }
    cr_assert(err == OK || !fixture_is_alive(), "%s", err_name(err));
}

static void cut_somewhere(void)
{
    struct log_offsets offsets = log_offsets(fixture.at[0].log);
    uint64_t span = (uint64_t)(offsets.log_end - offsets.log_start);
    int64_t offset = offsets.log_end - (int64_t)prng_below(&fixture.chance, span / 4 + 1);
    struct waited waited = {0};
    enum err err;

    while ((err = log_truncate(fixture.at[0].log, offset, on_done, &waited)) == ERR_FULL)
        fixture_run_ms(1);
    cr_assert(eq(int, err, OK));
    fixture_forget_from(0, log_offsets(fixture.at[0].log).log_end);
    fixture.at[0].durable = 0;
    check_all(); /* at once in memory */
    cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
}

static void raise_start(void)
{
    struct log_offsets offsets = log_offsets(fixture.at[0].log);
    uint64_t span = (uint64_t)(offsets.high_watermark - offsets.log_start);
    int64_t offset = offsets.log_start + (int64_t)prng_below(&fixture.chance, span / 3 + 1);
    struct waited waited = {0};

    if (log_delete_records(fixture.at[0].log, offset, on_done, &waited) == OK)
        cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
}

struct victims {
    const char *suffix;
    char path[32][128];
    uint32_t count;
};

static void on_seen(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    struct victims *victims = context;
    size_t path_bytes = strlen(path);
    size_t suffix_bytes = strlen(victims->suffix);

    if (!is_dir && path_bytes > suffix_bytes && victims->count < array_count(victims->path) &&
        strcmp(path + path_bytes - suffix_bytes, victims->suffix) == 0)
        snprintf(victims->path[victims->count++], sizeof(victims->path[0]), "%s", path);
}

static uint32_t lose_files(const char *suffix)
{
    struct victims victims = {.suffix = suffix};

    sim_image_walk(&fixture.node->disk, SIM_CACHED, on_seen, &victims);
    for (uint32_t i = 0; i < victims.count; i++)
        cr_assert(eq(int, sim_disk_unlink(&fixture.node->disk, victims.path[i]), 0));
    return victims.count;
}

static void start_again(void)
{
    if (prng_chance(&fixture.chance, 1, 4))
        fixture_stop();
    else
        fixture_crash(prng_chance(&fixture.chance, 1, 2) ? SIM_KILL : SIM_POWER_LOSS);
    if (prng_chance(&fixture.chance, 1, 3))
        lose_files(".txnindex");
    if (prng_chance(&fixture.chance, 1, 4))
        lose_files(".levee-window");
    cr_assert(fixture_start());
    fixture_check_prefix(0);
}

static void step(void)
{
    uint64_t what = prng_below(&fixture.chance, 60);

    if (what == 0)
        start_again();
    else if (what == 1)
        cut_somewhere();
    else if (what == 2)
        raise_start();
    else if (what < 5)
        fixture_checkpoint();
    else if (what == 5)
        store_checkpoint(fixture.store, NULL, NULL);
    else if (what == 6)
        fixture.at[0].holds_watermark = !fixture.at[0].holds_watermark;
    else if (what < 20)
        fixture_run_ms(prng_below(&fixture.chance, 4));
    else
        append_one();
}

static void run_history(uint64_t seed, bool relaxed)
{
    struct fixture_options options = small;

    options.seed = seed;
    options.relaxed = relaxed;
    options.segment_bytes = 8000;
    fixture_up(&options);
    cr_assert(fixture_start());
    for (int i = 0; i < 400; i++) {
        step();
        check_all();
    }
    fixture_down();
}

/* DUR-I10, DUR-T12, DUR-T13 */
Test(log_transactions, a_history_leaves_what_a_walk_over_it_says)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        run_history(seed, false);
    cr_assert(lt(u32, 20, waited_count));
}

Test(log_transactions, so_it_does_in_a_log_that_does_not_wait_for_the_device)
{
    for (uint64_t seed = 1; seed <= 30; seed++)
        run_history(seed, true);
}

/* ---- a process that dies at its n-th call, also while it starts (DUR-L12) */

enum { CALLS_MAX = 4000 };

static void work(int append_count)
{
    for (int i = 0; i < append_count && fixture_is_alive(); i++) {
        append_one();
        if (fixture_is_alive() && prng_chance(&fixture.chance, 1, 2))
            fixture_run_ms(2);
        if (fixture_is_alive() && i % 16 == 15)
            store_checkpoint(fixture.store, NULL, NULL);
    }
    if (fixture_is_alive())
        fixture_run_ms(60);
}

static void up_with_small_segments(uint64_t seed)
{
    struct fixture_options options = small;

    options.seed = seed;
    options.segment_bytes = 4000;
    fixture_up(&options);
}

static void check_start(void)
{
    cr_assert(fixture_start());
    fixture_check_prefix(0);
    check_all();
}

/* False: the life has fewer calls. */
static bool die_at(uint64_t call, enum sim_crash kind)
{
    bool died;

    up_with_small_segments(call);
    sim_node_crash_at_call(fixture.node, call, kind);
    if (fixture_start())
        work(40);
    died = !fixture_is_alive();
    if (!died)
        fixture_crash(kind);
    check_start();
    fixture_crash(SIM_POWER_LOSS);
    check_start();
    fixture_down();
    return died;
}

Test(log_transactions, dying_at_any_call_leaves_what_a_walk_says)
{
    uint64_t call = 1;

    while (die_at(call, call % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS))
        cr_assert(lt(u64, call++, CALLS_MAX));
    cr_assert(lt(u64, 100, call));
}

/* As above, of a recovery that has lost the indexes. */
static bool die_recovering_at(uint64_t call, enum sim_crash kind)
{
    bool died;

    up_with_small_segments(11);
    cr_assert(fixture_start());
    work(60);
    fixture_checkpoint();
    work(5);
    fixture_crash(SIM_KILL);
    cr_assert(lt(u32, 1, lose_files(".txnindex")));
    sim_node_crash_at_call(fixture.node, call, kind);
    died = !fixture_start();
    if (died)
        cr_assert(fixture_start());
    sim_node_crash_at_call(fixture.node, 0, kind);
    fixture_check_prefix(0);
    check_all();
    fixture_crash(SIM_POWER_LOSS);
    check_start();
    fixture_down();
    return died;
}

Test(log_transactions, a_recovery_that_dies_at_any_call_makes_the_indexes_all_the_same)
{
    uint64_t call = 1;

    while (die_recovering_at(call, call % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS))
        cr_assert(lt(u64, call++, CALLS_MAX));
    cr_assert(lt(u64, 50, call));
}

/* ---- one by one */

static void up_small(void)
{
    struct fixture_options options = small;

    options.segment_bytes = 4000;
    fixture_up(&options);
    cr_assert(fixture_start());
}

static void check_aborted(int64_t from, int64_t bound, uint32_t count)
{
    uint32_t found;

    cr_assert(eq(int, ask(from, bound, NULL, 0, &found), OK));
    cr_assert(eq(u32, found, count));
}

static void put_ok(int64_t producer_id, const struct control_marker *marker, bool transactional)
{
    cr_assert(eq(int, put(producer_id, marker, 0, transactional, false), OK));
}

Test(log_transactions, the_last_stable_offset_waits_for_the_marker_to_be_published,
     .init = up_small)
{
    put_ok(1, NULL, true);  /* 0 */
    put_ok(2, NULL, false); /* 1 */
    cr_assert(fixture_settle());
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).high_watermark, 2));
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).last_stable, 0));
    put_ok(1, &commit, true); /* 2 */
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).last_stable, 0));
    fixture.at[0].holds_watermark = true;
    cr_assert(fixture_settle());
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).last_stable, 0));
    log_set_high_watermark(fixture.at[0].log, 3);
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).last_stable, 3));
    check_aborted(0, 3, 0);
}

Test(log_transactions, a_marker_asks_for_its_sync_where_records_do_not)
{
    struct fixture_options options = small;

    options.relaxed = true;
    fixture_up(&options);
    cr_assert(fixture_start());
    put_ok(1, NULL, true);
    fixture_run_ms(20);
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).high_watermark, 1));
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).durable, 0));
    put_ok(1, &commit, true);
    put_ok(2, NULL, true);
    fixture_run_ms(20);
    cr_assert(le(i64, 2, log_offsets(fixture.at[0].log).durable));
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).last_stable, 2));
}

static uint32_t count_index_files(void)
{
    struct victims victims = {.suffix = ".txnindex"};

    sim_image_walk(&fixture.node->disk, SIM_CACHED, on_seen, &victims);
    return victims.count;
}

/* Aborted ones in several segments, each of a few records. */
static void fill_aborted(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        for (int record = 0; record < 4; record++)
            put_ok(1, NULL, true);
        put_ok(1, i % 2 == 0 ? &cancel : &commit, true);
    }
    cr_assert(fixture_settle());
}

Test(log_transactions, an_index_that_is_lost_is_made_anew, .init = up_small)
{
    fill_aborted(20);
    fixture_checkpoint();
    cr_assert(lt(u32, 3, count_index_files()));
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(lt(u32, 3, lose_files(".txnindex")));
    cr_assert(fixture_start());
    cr_assert(fixture_has_line("LVE-2210"));
    walk();
    check_range(0, 100);
    check_aborted(0, 100, 10);
    fixture_checkpoint();
    cr_assert(lt(u32, 3, count_index_files()));
}

Test(log_transactions, an_index_that_is_wrong_is_made_anew, .init = up_small)
{
    struct victims victims = {.suffix = ".txnindex"};
    struct sim_disk *disk;
    uint8_t byte = 0x55;
    struct iovec vec = {&byte, 1};
    uint64_t inode;

    fill_aborted(20);
    fixture_checkpoint();
    fixture_crash(SIM_KILL);
    disk = &fixture.node->disk;
    sim_image_walk(disk, SIM_CACHED, on_seen, &victims);
    cr_assert(eq(int, sim_disk_open(disk, victims.path[0], IO_WRITE, &inode), 0));
    cr_assert(eq(i32,
                 sim_disk_write(disk, inode,
                                &(struct sim_disk_write){.vec = &vec, .vec_count = 1, .pos = 9}),
                 1));
    sim_disk_release(disk, inode);
    cr_assert(fixture_start());
    cr_assert(fixture_has_line("LVE-2210"));
    walk();
    check_range(0, 100);
}

/* The segment before an empty one is the active one again (SGA-1). */
static void a_cut_between_segments(bool is_lost)
{
    struct log *log = fixture.at[0].log;
    struct segment *closed;
    int64_t end;
    enum err err;

    fill_aborted(20);
    end = log_offsets(log).log_end;
    cr_assert(eq(int, log_roll(log, end, true), OK));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    fixture_checkpoint();
    closed = segment_manifest_at(&log->segments, log->segments.count - 2);
    cr_assert(lt(u32, 0, closed->aborted.count));
    segment_aborted_unload(&closed->aborted_cached);
    cr_assert(not(closed->aborted.is_loaded));
    if (is_lost)
        cr_assert(lt(u32, 3, lose_files(".txnindex")));
    while ((err = log_truncate(log, end, NULL, NULL)) == ERR_FULL)
        fixture_run_ms(1);
    cr_assert(eq(int, err, OK));
    cr_assert(log_active(log) == closed);
    log->config.segment_bytes = 1 << 20; /* what follows has room in it */
    put_ok(1, NULL, true);
    put_ok(1, &cancel, true);
    cr_assert(fixture_settle());
    walk();
    check_range(0, end + 2);
    check_aborted(0, end + 2, 11);
    fixture_checkpoint();
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    check_aborted(0, end + 2, 11);
}

Test(log_transactions, a_cut_between_segments_goes_on_with_the_index_of_the_one_before,
     .init = up_small)
{
    a_cut_between_segments(false);
}

Test(log_transactions, so_it_does_where_that_index_is_lost, .init = up_small)
{
    a_cut_between_segments(true);
}

Test(log_transactions, retention_keeps_what_an_open_transaction_reaches_into, .init = up_small)
{
    put_ok(2, NULL, true);
    fill_aborted(10);
    fixture_checkpoint();
    fixture.at[0].config.retention_bytes = 1;
    fixture.at[0].config.retention_by_delete = true;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    cr_assert(eq(u32, log_apply_retention(fixture.at[0].log, -1), 0));
    put_ok(2, &commit, true);
    cr_assert(fixture_settle());
    cr_assert(lt(u32, 0, log_apply_retention(fixture.at[0].log, -1)));
}

Test(log_transactions, deleting_records_of_an_open_transaction_moves_the_last_stable_offset,
     .init = up_small)
{
    struct waited waited = {0};

    put_ok(2, NULL, true);
    put_ok(1, NULL, false);
    put_ok(1, NULL, false);
    cr_assert(fixture_settle());
    cr_assert(eq(int, log_delete_records(fixture.at[0].log, 2, on_done, &waited), OK));
    cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_start, 2));
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).last_stable, 2));
    put_ok(2, &cancel, true);
    cr_assert(fixture_settle());
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).last_stable, 4));
}

Test(log_transactions, a_reader_may_go_while_the_file_is_read, .init = up_small)
{
    struct answer answer = {.aborted = {.from = 0, .bound = 100, .done = on_answer}};

    fill_aborted(60); /* more than stay in memory */
    fixture_checkpoint();
    cr_assert(eq(int, log_aborted_find(fixture.at[0].log, &answer.aborted), ERR_AGAIN));
    log_aborted_release(&answer.aborted);
    fixture_run_ms(100);
    cr_assert(not(answer.done));
    cr_assert(eq(int, log_aborted_find(fixture.at[0].log, &answer.aborted), ERR_AGAIN));
    fixture_stop(); /* the log goes, too */
    fixture_run_ms(100);
}

Test(log_transactions, no_memory_for_a_marker_is_an_error_and_changes_nothing, .init = up_small)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct log_append append = {.rules.origin = PRODUCER_COORDINATOR};
    struct log_append_result result;
    uint32_t refused = 0;

    put_ok(1, NULL, true);
    cr_assert(fixture_settle());
    options.producer_id = 1;
    options.producer_epoch = 0;
    options.transactional = true;
    options.control = true;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_marker(&builder, &cancel, base_ms), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &append.bytes, &append.size_bytes), OK));
    append.max_timestamp_ms = base_ms;
    walk();
    for (uint64_t n = 1; n <= 30 && known(1)->txn_first_offset >= 0; n++) {
        enum err err;

        mem_fail_after(n);
        err = log_append_leader(fixture.at[0].log, &append, &result);
        mem_fail_after(0);
        cr_assert(err == OK || err == ERR_NOMEM, "%s", err_name(err));
        refused += err != OK;
        check_stable();
    }
    batch_builder_deinit(&builder);
    cr_assert(lt(u32, 1, refused)); /* what is held, and what is indexed */
    cr_assert(eq(i64, known(1)->txn_first_offset, -1));
    fixture_run_ms(50);
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).last_stable, 2));
    check_aborted(0, 2, 1);
}
