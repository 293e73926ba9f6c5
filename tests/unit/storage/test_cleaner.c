/* The cleaner on a simulated disk: segments are replaced, whatever dies meanwhile. */
#include "base/crc32c.h"
#include "base/mem.h"
#include "record/batch_builder.h"
#include "record/batch_reader.h"
#include "record/big_endian.h"
#include "storage/cleaner/cleaner_pass_private.h"
#include "storage/log/log_aborted.h"
#include "storage/log/log_producers.h"
#include "storage/log/log_roll.h"
#include "storage/store_private.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 10, PRODUCERS = 4, RECORDS_MAX = 4000, UNCOMPRESSED_MAX = 1 << 20 };

/* What was appended, by offset. */
struct written {
    int key; /* -1: a marker */
    int value;
    int producer;
    bool committed;
    bool open;
};

static struct written written[RECORDS_MAX];
static int64_t end_offset;
static int32_t sequences[PRODUCERS];
static bool is_open[PRODUCERS];
static int next_value;

static void up(void)
{
    fixture_up(
        &(struct fixture_options){.seed = 11, .segment_bytes = 6000, .index_interval_bytes = 500});
    fixture.at[0].config.compact = true;
    fixture.at[0].config.retention_by_delete = false;
    fixture.at[0].config.min_cleanable_dirty_ratio = 0.01;
    fixture.at[0].config.max_compaction_lag_ms = INT64_MAX;
    fixture.at[0].config.delete_retention_ms = 60000;
    fixture.at[0].config.file_delete_delay_ms = 1000;
    end_offset = 0;
    next_value = 0;
    memset(sequences, 0, sizeof(sequences));
    memset(is_open, 0, sizeof(is_open));
    cr_assert(fixture_start());
}

TestSuite(cleaner, .init = up, .fini = fixture_down, .timeout = 600);

static void append(const uint8_t *bytes, uint32_t size_bytes, bool is_marker)
{
    struct log_append_result result;
    struct batch_header header;

    cr_assert(eq(int, batch_parse(bytes, size_bytes, &header), OK));
    cr_assert(eq(
        int,
        log_append_leader(fixture.at[0].log,
                          &(struct log_append){.bytes = bytes,
                                               .size_bytes = size_bytes,
                                               .max_timestamp_ms = header.max_timestamp_ms,
                                               .now_ms = clock_wall_ms(fixture.loops[0].clock),
                                               .rules = {.origin = is_marker ? PRODUCER_COORDINATOR
                                                                             : PRODUCER_CLIENT,
                                                         .is_registered = true}},
                          &result),
        OK));
    cr_assert(eq(i64, result.base_offset, end_offset));
}

/* Producer 0: none; 1: idempotent; 2, 3: transactional. */
static void put(int producer, int key, bool is_null)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;
    char value[200];

    options.codec = key % 2 == 0 ? COMPRESSION_NONE : COMPRESSION_LZ4;
    options.transactional = producer >= 2;
    if (producer >= 1) {
        options.producer_id = 50 + producer;
        options.producer_epoch = 0;
        options.base_sequence = sequences[producer];
        sequences[producer] += 2;
    }
    if (producer >= 2)
        is_open[producer] = true;
    batch_builder_init(&builder, &options);
    for (int i = 0; i < 2; i++) {
        written[end_offset + i] = (struct written){.key = (key + i * 3) % KEYS,
                                                   .value = is_null ? -1 : next_value,
                                                   .producer = producer,
                                                   .committed = producer < 2,
                                                   .open = producer >= 2};
        memset(value, 'x', sizeof(value));
        snprintf(value, sizeof(value), "%d", next_value++);
        cr_assert(
            eq(int,
               batch_builder_add_pair(&builder, &written[end_offset + i].key, sizeof(int),
                                      is_null ? NULL : value, is_null ? -1 : (int)sizeof(value),
                                      clock_wall_ms(fixture.loops[0].clock)),
               OK));
    }
    {
        struct compression_context *context = compression_context_create();
        cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
        append(bytes, size_bytes, false);
        compression_context_destroy(context);
    }
    end_offset += 2;
    batch_builder_deinit(&builder);
}

static void mark(int producer, bool commit)
{
    struct control_marker marker = {.commit = commit, .coordinator_epoch = 1};
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;

    options.producer_id = 50 + producer;
    options.producer_epoch = 0;
    options.transactional = true;
    options.control = true;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int,
                 batch_builder_add_marker(&builder, &marker, clock_wall_ms(fixture.loops[0].clock)),
                 OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    append(bytes, size_bytes, true);
    batch_builder_deinit(&builder);
    for (int64_t i = 0; i < end_offset; i++)
        if (written[i].producer == producer && written[i].open) {
            written[i].open = false;
            written[i].committed = commit;
        }
    is_open[producer] = false;
    written[end_offset++] = (struct written){.key = -1};
}

static void fill(uint32_t count, bool with_transactions)
{
    for (uint32_t i = 0; i < count; i++) {
        int producer = (int)prng_below(&fixture.chance, with_transactions ? PRODUCERS : 2);
        if (producer >= 2 && is_open[producer] && prng_below(&fixture.chance, 3) == 0)
            mark(producer, prng_below(&fixture.chance, 2) == 0);
        else
            put(producer, (int)prng_below(&fixture.chance, KEYS),
                prng_below(&fixture.chance, 5) == 0);
        if (i % 8 == 0)
            fixture_run_ms(1);
    }
    for (int p = 2; p < PRODUCERS; p++)
        if (is_open[p])
            mark(p, true);
    cr_assert(fixture_settle());
    fixture_checkpoint();
    fixture_checkpoint();
}

/* ---- what is there */

struct view {
    int last[KEYS];
    int64_t next_offset;
    uint32_t records;
    struct compression_context *context;
};

static bool look_at(void *context, const uint8_t *bytes, uint32_t size_bytes)
{
    struct view *view = context;
    struct batch_reader reader;
    struct record record;
    int64_t offset;
    enum err err;

    batch_reader_init(&reader, view->context, UNCOMPRESSED_MAX);
    cr_assert(eq(int, batch_reader_open(&reader, bytes, size_bytes), OK));
    cr_assert(ge(i64, reader.header.base_offset, view->next_offset));
    view->next_offset = batch_last_offset(&reader.header) + 1;
    while ((err = batch_reader_next(&reader, &record, &offset, NULL)) == OK) {
        const struct written *was = &written[offset];
        if (batch_is_control(&reader.header))
            continue;
        view->records++;
        cr_assert(eq(int, record.key_bytes, sizeof(int)));
        cr_assert(memcmp(record.key, &was->key, sizeof(int)) == 0);
        cr_assert(was->value < 0 ? record.value_bytes < 0
                                 : atoi((const char *)record.value) == was->value);
        if (was->committed)
            view->last[was->key] = was->value;
    }
    cr_assert(eq(int, err, ERR_NOT_FOUND));
    batch_reader_deinit(&reader);
    return true;
}

static void check_committed(void);

/* Of each key what was committed last (DUR-C1), in any number of records.  Returns that number. */
static uint32_t check_content(void)
{
    struct view view = {.context = compression_context_create()};
    int expected[KEYS];

    for (int k = 0; k < KEYS; k++)
        expected[k] = view.last[k] = -1;
    for (int64_t i = 0; i < end_offset; i++)
        if (written[i].key >= 0 && written[i].committed)
            expected[written[i].key] = written[i].value;
    cr_assert(eq(int, log_scan(fixture.at[0].log, 0, look_at, &view), OK));
    check_committed();
    for (int k = 0; k < KEYS; k++)
        cr_assert(eq(int, view.last[k], expected[k]));
    cr_assert(eq(i64, view.next_offset, end_offset));
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, end_offset));
    compression_context_destroy(view.context);
    return view.records;
}

/* The same through log_read, from every offset (DUR-L8). */
static void check_reads(void)
{
    for (int64_t offset = 0; offset < end_offset; offset += 1 + (int64_t)(end_offset / 50)) {
        int64_t at = offset;
        while (at < end_offset) {
            struct log_read read = {
                .offset = at, .bound = end_offset, .max_bytes = 3000, .at_least_one = true};
            struct batch_header header;
            cr_assert(eq(int, fixture_read(0, &read), OK));
            cr_assert(lt(u32, 0, read.size_bytes));
            cr_assert(eq(int, batch_parse(read.bytes, read.size_bytes, &header), OK));
            cr_assert(ge(i64, batch_last_offset(&header), at));
            at = read.end_offset;
            log_read_release(&read);
        }
    }
}

/* ---- a consumer at read_committed */

struct filter {
    struct aborted_transaction aborted[64];
    uint32_t aborted_count;
    bool drops[PRODUCERS];
    struct compression_context *context;
};

static void on_aborted(struct log_aborted *aborted, enum err err)
{
    cr_assert(eq(int, err, OK));
    aborted->max = 0;
}

static bool is_found(void *context)
{
    return ((struct log_aborted *)context)->max == 0;
}

static bool filter_batch(void *context, const uint8_t *bytes, uint32_t size_bytes)
{
    struct filter *filter = context;
    struct control_marker marker;
    struct batch_header header;
    int producer;

    cr_assert(eq(int, batch_parse(bytes, size_bytes, &header), OK));
    producer = (int)header.producer_id - 50;
    if (producer < 2)
        return true;
    for (uint32_t i = 0; i < filter->aborted_count; i++)
        if (filter->aborted[i].producer_id == header.producer_id &&
            filter->aborted[i].first_offset <= batch_last_offset(&header)) {
            filter->drops[producer] = true;
            filter->aborted[i].first_offset = INT64_MAX;
        }
    if (batch_is_control(&header)) {
        if (control_parse_marker(bytes, &header, &marker) == OK && !marker.commit)
            filter->drops[producer] = false;
    } else if (header.record_count > 0) {
        cr_assert(eq(int, !filter->drops[producer], written[header.base_offset].committed));
    }
    return true;
}

/* What the transaction index says goes with what is left (DUR-T13, DUR-C5). */
static void check_committed(void)
{
    struct filter filter = {0};
    struct log_aborted aborted = {
        .from = 0, .bound = end_offset, .out = filter.aborted, .max = 64, .done = on_aborted};
    enum err err = log_aborted_find(fixture.at[0].log, &aborted);

    if (err == ERR_AGAIN)
        cr_assert(sim_world_run_until(fixture.world, is_found, &aborted, SIM_SECOND));
    else
        cr_assert(eq(int, err, OK));
    cr_assert(le(u32, aborted.count, 64));
    filter.aborted_count = aborted.count;
    cr_assert(eq(int, log_scan(fixture.at[0].log, 0, filter_batch, &filter), OK));
}

static void note_leftover(void *context, const char *name, bool is_dir)
{
    *(bool *)context =
        *(bool *)context || strstr(name, ".cleaned") != NULL || strstr(name, ".swap") != NULL;
}

static bool has_leftovers(void)
{
    struct io *io = fixture.loops[0].io;
    bool has = false;

    cr_assert(eq(int, io->v->dir_list(io, "data/topic0-0", note_leftover, &has), OK));
    return has;
}

static bool is_idle(void *context)
{
    return !fixture_is_alive() || fixture.store->cleaner.pass == NULL;
}

static void clean(void)
{
    cleaner_look(&fixture.store->cleaner);
    cr_assert(sim_world_run_until(fixture.world, is_idle, NULL, 60 * SIM_SECOND));
}

Test(cleaner, the_newest_record_of_each_key_is_left)
{
    uint32_t records;
    uint32_t segments;
    uint64_t bytes;

    fill(300, false);
    records = check_content();
    segments = log_segment_count(fixture.at[0].log);
    bytes = log_size_bytes(fixture.at[0].log);
    cr_assert(lt(u32, 8, segments));
    clean();
    cr_assert(lt(u32, check_content(), records / 2));
    cr_assert(lt(u64, log_size_bytes(fixture.at[0].log), bytes / 2));
    cr_assert(not(has_leftovers()));
    cr_assert(lt(i64, 0, fixture.at[0].log->cleaned_offset));
    check_reads();
    fill(60, false); /* what is left of several is one now */
    clean();
    cr_assert(lt(u32, log_segment_count(fixture.at[0].log), segments / 2));
    cr_assert(not(has_leftovers()));
    check_reads();
    records = check_content();
    fixture_stop();
    cr_assert(fixture_start());
    cr_assert(eq(u32, check_content(), records));
    cr_assert(lt(i64, 0, fixture.at[0].log->cleaned_offset));
    check_reads();
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    cr_assert(eq(u32, check_content(), records));
}

Test(cleaner, transactions_are_told_apart_and_the_timer_begins_passes)
{
    for (int round = 0; round < 6; round++) {
        fill(150, true);
        fixture_run_ms(40000);
        (void)check_content();
        fixture_run_ms(70000); /* horizons are over */
    }
    cr_assert(lt(i64, 300, fixture.at[0].log->cleaned_offset));
    check_reads();
    fixture_crash(SIM_KILL);
    cr_assert(fixture_start());
    (void)check_content();
    cr_assert(not(fixture_has_line("LVE-2230")));
}

/* A replay of the cleaned log knows what the live state knows (DUR-I10, DUR-C6). */
Test(cleaner, producers_are_known_from_what_is_left)
{
    struct log *log = fixture.at[0].log;
    struct producer_state live;

    fill(300, true);
    clean();
    fixture_run_ms(100000);
    clean();
    producer_state_init(&live, 1, 1000);
    cr_assert(eq(int, producer_state_copy(&live, log_producers(log)), OK));
    producer_state_clear(&log->producers, 0);
    cr_assert(eq(int, log_rebuild_producers(log), OK));
    for (const struct producer_entry *entry = producer_state_next(&live, NULL); entry != NULL;
         entry = producer_state_next(&live, entry)) {
        const struct producer_entry *now =
            producer_state_find(log_producers(log), entry->producer_id);
        cr_assert(now != NULL);
        cr_assert(eq(int, now->epoch, entry->epoch));
        cr_assert(eq(int, now->batch_count, entry->batch_count));
        cr_assert(eq(i64, now->txn_first_offset, entry->txn_first_offset));
        for (int b = 0; b < entry->batch_count; b++)
            cr_assert(eq(i64, now->batches[b].last_offset, entry->batches[b].last_offset));
    }
    producer_state_deinit(&live);
}

/* What is appended behind a cut was never cleaned (SWP-4). */
Test(cleaner, a_cut_makes_a_log_dirty_again)
{
    const struct producer_entry *entry;
    int64_t cleaned_offset;
    enum err err;

    fill(120, false);
    clean();
    fixture_run_ms(5); /* it has looked for more */
    cleaned_offset = fixture.at[0].log->cleaned_offset;
    cr_assert(lt(i64, 10, cleaned_offset));
    while ((err = log_truncate(fixture.at[0].log, cleaned_offset - 4, NULL, NULL)) == ERR_FULL)
        fixture_run_ms(1);
    cr_assert(eq(int, err, OK));
    cr_assert(eq(i64, fixture.at[0].log->cleaned_offset, 0));
    end_offset = log_offsets(fixture.at[0].log).log_end;
    fixture.at[0].durable = 0;
    entry = producer_state_find(log_producers(fixture.at[0].log), 51);
    sequences[1] = entry->batches[entry->batch_count - 1].last_sequence + 1;
    fill(60, false);
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    cr_assert(eq(i64, fixture.at[0].log->cleaned_offset, 0));
    clean();
    (void)check_content();
}

/* A reader that has bytes of it asks for what is aborted in them afterwards (CLS-3). */
Test(cleaner, who_reads_what_was_replaced_is_waited_for)
{
    struct log *log = fixture.at[0].log;
    struct cleaner_section_look look = {.now_ms = clock_wall_ms(fixture.loops[0].clock)};
    struct cleaner_section section;
    struct segment *read;

    fill(120, true);
    read = segment_manifest_at(&log->segments, 0);
    read->file.io_count++;
    clean();
    cr_assert(segment_manifest_is_retired(read));
    fill(60, true);
    fixture_checkpoint();
    cr_assert(not(cleaner_section_find(log, &look, &section)));
    segment_manifest_io_ended(read);
    cr_assert(cleaner_section_find(log, &look, &section));
    clean();
    (void)check_content();
}

/* The next start gives it its name (CLS-4). */
Test(cleaner, no_pass_steps_over_a_segment_without_its_name)
{
    struct log *log = fixture.at[0].log;
    struct cleaner_section_look look = {.now_ms = clock_wall_ms(fixture.loops[0].clock)};
    struct cleaner_section section;

    fill(120, true);
    cr_assert(cleaner_section_find(log, &look, &section));
    segment_manifest_at(&log->segments, 1)->is_swap = true;
    cr_assert(not(cleaner_section_find(log, &look, &section)));
    segment_manifest_at(&log->segments, 1)->is_swap = false;
}

/* ---- what a pass remembers of transactions is bounded (CLT-3) */

static struct cleaner_events own_events;
static const struct cleaner_events *events_before;

static void ask_for_few(void *context, struct store_cleaning *cleaning)
{
    events_before->ask(context, cleaning);
    cleaning->transactions_max = 4;
}

static void remember_few(void)
{
    events_before = fixture.store->cleaner.events;
    own_events = *events_before;
    own_events.ask = ask_for_few;
    fixture.store->cleaner.events = &own_events;
}

/* What an earlier pass has emptied counts no more. */
Test(cleaner, more_aborted_transactions_than_a_pass_remembers_are_cleaned_in_several)
{
    int64_t end;

    fixture.at[0].log->config.delete_retention_ms = 3600000;
    remember_few();
    for (int i = 0; i < 12; i++) {
        put(2, i, false);
        mark(2, false);
    }
    end = end_offset;
    fill(60, false);
    for (int i = 0; i < 8; i++)
        clean();
    cr_assert(lt(i64, end, fixture.at[0].log->cleaned_offset));
    (void)check_content();
}

/* ---- ages (CLS-5) */

static void forget_ages(struct log *log)
{
    for (uint32_t i = 0; i + 1 < log->segments.count; i++) {
        segment_unload_indexes(segment_manifest_at(&log->segments, i));
        segment_manifest_at(&log->segments, i)->newest_ms = -1;
        segment_manifest_at(&log->segments, i)->first_timestamp_ms = -1;
    }
}

Test(cleaner, a_look_reads_few_indexes_and_believes_no_age_that_it_does_not_know)
{
    struct log *log = fixture.at[0].log;
    struct cleaner_section_look look = {.now_ms = clock_wall_ms(fixture.loops[0].clock)};
    struct cleaner_section section;

    fill(300, false);
    look.now_ms = clock_wall_ms(fixture.loops[0].clock) + 1000000;
    log->config.min_compaction_lag_ms = 1000;
    forget_ages(log);
    cr_assert(not(cleaner_section_find(log, &look, &section)), "it may be too young");
    cr_assert(look.is_cut);
    look.loads_left = 3;
    cr_assert(cleaner_section_find(log, &look, &section));
    cr_assert(eq(i64, section.end_offset, segment_manifest_at(&log->segments, 2)->end_offset));
    look.loads_left = 0;
    cr_assert(cleaner_section_find(log, &look, &section), "they stay known");
    cr_assert(eq(i64, section.end_offset, segment_manifest_at(&log->segments, 2)->end_offset));
    log->config.min_compaction_lag_ms = 0;
    log->config.max_compaction_lag_ms = 1000;
    forget_ages(log);
    cr_assert(cleaner_section_find(log, &look, &section));
    cr_assert(not(section.is_overdue));
    look.loads_left = 1;
    cr_assert(cleaner_section_find(log, &look, &section));
    cr_assert(section.is_overdue);
}

Test(cleaner, what_cannot_be_read_may_be_too_young)
{
    struct log *log = fixture.at[0].log;
    struct cleaner_section_look look = {.loads_left = 1};
    struct cleaner_section section;
    bool is_found;

    fill(120, false);
    look.now_ms = clock_wall_ms(fixture.loops[0].clock) + 1000000;
    log->config.min_compaction_lag_ms = 1000;
    forget_ages(log);
    mem_end_after(1);
    is_found = cleaner_section_find(log, &look, &section);
    mem_end_after(0);
    cr_assert(not(is_found));
    cr_assert(look.has_failed);
}

Test(cleaner, looks_follow_each_other_until_the_ages_are_known)
{
    struct log *log = fixture.at[0].log;

    fill(300, false);
    log->config.min_cleanable_dirty_ratio = 2; /* never */
    log->config.max_compaction_lag_ms = 3600000;
    forget_ages(log);
    cleaner_look(&fixture.store->cleaner);
    fixture_run_ms(1000);
    for (uint32_t i = 0; i + 1 < log->segments.count; i++)
        cr_assert(le(i64, 0, segment_manifest_at(&log->segments, i)->first_timestamp_ms));
}

/* ---- what goes wrong again and again (CLN-4) */

static void lose_aborted(void *context, const char *name, bool is_dir)
{
    char path[128];

    if (strstr(name, ".txnindex") == NULL)
        return;
    snprintf(path, sizeof(path), "data/topic0-0/%s", name);
    cr_assert(eq(int, fixture.loops[0].io->v->file_unlink(fixture.loops[0].io, path), OK));
    ++*(int *)context;
}

Test(cleaner, a_log_that_cannot_be_cleaned_leaves_others_their_turn_ever_longer)
{
    struct log *log = fixture.at[0].log;
    uint64_t put_off_ms = 60000;
    int lost = 0;

    fill(300, true);
    for (uint32_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = segment_manifest_at(&log->segments, i);
        if (!segment->is_active)
            segment->aborted.is_loaded = false; /* as the cache of indexes leaves it */
    }
    cr_assert(eq(
        int,
        fixture.loops[0].io->v->dir_list(fixture.loops[0].io, "data/topic0-0", lose_aborted, &lost),
        OK));
    cr_assert(lt(int, 0, lost));
    for (int i = 0; i < 8; i++) {
        uint64_t now_ns = loop_now_ns(&fixture.loops[0]);
        log->clean_after_ns = 0;
        clean();
        cr_assert(le(u64, now_ns + put_off_ms * SIM_MS, log->clean_after_ns));
        put_off_ms = put_off_ms * 2 < 3600000 ? put_off_ms * 2 : 3600000;
    }
    cr_assert(not(has_leftovers()));
}

/* ---- a crash soon after a swap */

/* The window file of the mark before it names indexes that are not there any more: all of the log
 * would be read to know its producers (LTX-3). */
static bool is_replaced(void *context)
{
    return segment_manifest_at(&fixture.at[0].log->segments, 0)->generation != *(uint64_t *)context;
}

Test(cleaner, what_was_replaced_is_marked_soon)
{
    uint64_t generation;

    fill(300, true);
    clean();
    fixture.at[0].log->config.compact = false;
    fixture_run_ms(100000); /* the time of markers is over: several segments become one */
    fill(60, true);
    fixture.at[0].log->config.compact = true;
    generation = segment_manifest_at(&fixture.at[0].log->segments, 0)->generation;
    cleaner_look(&fixture.store->cleaner);
    cr_assert(sim_world_run_until(fixture.world, is_replaced, &generation, 60 * SIM_SECOND));
    fixture_run_ms(200);
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    cr_assert(not(fixture_has_line("LVE-2208")));
    (void)check_content();
}

/* ---- a swap whose names could not be given */

Test(cleaner, what_retention_takes_does_not_come_back_under_the_name_of_a_swap)
{
    struct log *log = fixture.at[0].log;
    struct io *io = fixture.loops[0].io;
    struct segment *segment;
    char from[LOG_PATH_MAX];
    char to[LOG_PATH_MAX];

    fill(120, false);
    segment = segment_manifest_at(&log->segments, 0);
    segment_path(segment, LOG_FILE_LOG, false, from);
    segment->is_swap = true;
    segment_path(segment, LOG_FILE_LOG, false, to);
    cr_assert(eq(int, io->v->file_rename(io, from, to), OK));
    cr_assert(has_leftovers());
    log_delete_segment_files(log, segment->base_offset);
    cr_assert(not(has_leftovers()));
    segment->is_swap = false;
}

/* ---- batches that are much larger than they look (CPS-4) */

static void put_large(int32_t value_bytes, enum compression codec)
{
    static uint8_t value[24 << 20];
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct compression_context *context = compression_context_create();
    const uint8_t *bytes;
    uint32_t size_bytes;

    options.codec = codec;
    options.max_bytes = (uint32_t)value_bytes + 1000;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int,
                 batch_builder_add_pair(&builder, "large", 5, value, value_bytes,
                                        clock_wall_ms(fixture.loops[0].clock)),
                 OK));
    cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
    append(bytes, size_bytes, false);
    end_offset++;
    batch_builder_deinit(&builder);
    compression_context_destroy(context);
}

static uint64_t jobs;
static uint64_t decoded_before;
static void (*work_before)(struct offload_job *job);

static void count_work(struct offload_job *job)
{
    struct cleaner_pass *pass = container_of(job, struct cleaner_pass, job);
    uint64_t decoded;

    decoded_before = pass->batch.decoded_bytes;
    work_before(job);
    decoded = pass->batch.decoded_bytes - decoded_before;
    cr_assert(le(u64, decoded, (4 << 20) + 1000000));
    jobs++;
}

Test(cleaner, a_job_goes_through_a_few_mebibytes_of_records)
{
    fixture.at[0].log->config.segment_bytes = 1 << 20;
    for (int i = 0; i < 40; i++)
        put_large(900000, COMPRESSION_LZ4);
    fixture.at[0].log->config.segment_bytes = 6000;
    cr_assert(fixture_settle());
    for (int i = 0; i < 3; i++)
        put(0, 1, false);
    cr_assert(fixture_settle());
    fixture_checkpoint();
    fixture_checkpoint();
    cleaner_look(&fixture.store->cleaner);
    cr_assert_not_null(fixture.store->cleaner.pass);
    work_before = fixture.store->cleaner.pass->job.work;
    fixture.store->cleaner.pass->job.work = count_work;
    cr_assert(sim_world_run_until(fixture.world, is_idle, NULL, 60 * SIM_SECOND));
    cr_assert(le(u64, 16, jobs), "five of them a job, for the map and for what is left");
}

/* ---- what it holds of memory (CPS-5) */

static uint64_t most_between;

static void measure_work(struct offload_job *job)
{
    struct cleaner_pass *pass = container_of(job, struct cleaner_pass, job);
    uint64_t held = pass->in_capacity + pass->batch.records.capacity_bytes +
                    pass->batch.keep.capacity_bytes + pass->batch.space_bytes +
                    pass->out.capacity_bytes;

    jobs++;
    if (held > most_between && jobs > 3)
        most_between = held;
    work_before(job);
}

static void what_is_large_is_held_for_its_time(enum compression codec)
{
    for (int i = 0; i < 2; i++) {
        put_large(16 << 20, codec);
        cr_assert(fixture_settle());
        fixture_checkpoint();
    }
    fill(60, false);
    cleaner_look(&fixture.store->cleaner);
    cr_assert_not_null(fixture.store->cleaner.pass);
    work_before = fixture.store->cleaner.pass->job.work;
    fixture.store->cleaner.pass->job.work = measure_work;
    cr_assert(sim_world_run_until(fixture.world, is_idle, NULL, 60 * SIM_SECOND));
    cr_assert(lt(u64, 6, jobs));
    cr_assert(lt(u64, most_between, 8 << 20));
}

Test(cleaner, what_is_large_when_it_is_decoded_is_held_for_its_time)
{
    what_is_large_is_held_for_its_time(COMPRESSION_ZSTD);
}

Test(cleaner, tombstones_may_stay_for_ever)
{
    fixture.at[0].log->config.delete_retention_ms = INT64_MAX;
    fill(120, true);
    clean();
    (void)check_content();
    fill(60, true);
    clean();
    (void)check_content();
}

/* A batch with a good checksum, and with less in it than it says. */
static void put_cut(void)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct compression_context *context = compression_context_create();
    static char value[4000];
    uint8_t cut[4096];
    const uint8_t *bytes;
    uint32_t size_bytes;
    int key = 1;

    options.codec = COMPRESSION_LZ4;
    batch_builder_init(&builder, &options);
    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (char)prng_below(&fixture.chance, 4);
    cr_assert(eq(int,
                 batch_builder_add_pair(&builder, &key, sizeof(key), value, sizeof(value),
                                        clock_wall_ms(fixture.loops[0].clock)),
                 OK));
    cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
    cr_assert(lt(u32, size_bytes, sizeof(cut)));
    memcpy(cut, bytes, size_bytes);
    size_bytes -= 40;
    big_endian_put_u32(cut + 8, size_bytes - 12); /* KIP-98 */
    big_endian_put_u32(cut + BATCH_CRC_FROM_POS - 4,
                       crc32c(0, cut + BATCH_CRC_FROM_POS, size_bytes - BATCH_CRC_FROM_POS));
    append(cut, size_bytes, false);
    end_offset++;
    batch_builder_deinit(&builder);
    compression_context_destroy(context);
}

Test(cleaner, a_batch_that_holds_less_than_it_says_is_left_alone)
{
    fill(60, false);
    put_cut();
    fill(60, false);
    clean();
    cr_assert(fixture.at[0].log->is_uncleanable);
    cr_assert(not(has_leftovers()));
    clean();
}

Test(cleaner, no_pass_takes_what_is_kept_free)
{
    struct space_monitor *space = &fixture.store->space;
    uint64_t reserve_bytes = space->reserve_bytes;

    fill(120, false);
    space->reserve_bytes = UINT64_MAX / 2;
    clean();
    cr_assert(not(has_leftovers()));
    cr_assert(eq(i64, fixture.at[0].log->cleaned_offset, 0));
    cr_assert(not(fixture.at[0].log->is_uncleanable));
    space->reserve_bytes = reserve_bytes;
    cleaner_look(&fixture.store->cleaner);
    cr_assert(fixture.store->cleaner.pass == NULL); /* it had its turn (CLN-4) */
    fixture_run_ms(61000);
    space->is_short = true;
    cleaner_look(&fixture.store->cleaner);
    cr_assert(fixture.store->cleaner.pass == NULL);
    space->is_short = false;
    clean();
    cr_assert(lt(i64, 0, fixture.at[0].log->cleaned_offset));
    (void)check_content();
}

/* Segments that are to go wait for a swap that is under way (SWP-3). */
Test(cleaner, a_log_that_loses_its_beginning_meanwhile)
{
    for (uint64_t step = 0; step < 120; step++) {
        int64_t start;
        if (step > 0) {
            fixture_down();
            up();
        }
        fixture.at[0].config.retention_by_delete = true;
        fill(120, false);
        start = end_offset / 2;
        cleaner_look(&fixture.store->cleaner);
        sim_world_run_for(fixture.world, step * SIM_SECOND / 20000);
        cr_assert(eq(int, log_delete_records(fixture.at[0].log, start, NULL, NULL), OK));
        cr_assert(sim_world_run_until(fixture.world, is_idle, NULL, 60 * SIM_SECOND));
        fixture_checkpoint();
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_start, start));
        cr_assert(not(has_leftovers()));
        fixture_crash(SIM_POWER_LOSS);
        cr_assert(fixture_start());
        cr_assert(not(log_is_quarantined(fixture.at[0].log)));
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_start, start));
    }
}

/* ---- it dies at any call (DUR-C8) */

static void die_everywhere(enum sim_crash kind, bool with_transactions)
{
    bool died = true;
    uint64_t call = 1;

    for (; died; call++) {
        if (call > 1) {
            fixture_down();
            up();
        }
        fill(120, with_transactions);
        clean();
        fixture_run_ms(2000);
        fill(40, with_transactions);
        sim_node_crash_at_call(fixture.node, call, kind);
        cleaner_look(&fixture.store->cleaner);
        (void)sim_world_run_until(fixture.world, is_idle, NULL, 60 * SIM_SECOND);
        died = !fixture_is_alive();
        if (!died)
            sim_node_crash_at_call(fixture.node, 0, kind);
        else
            cr_assert(fixture_start());
        cr_assert(not(log_is_quarantined(fixture.at[0].log)), "call %llu",
                  (unsigned long long)call);
        (void)check_content();
        cr_assert(not(has_leftovers()));
        fill(4, false);
        clean();
        (void)check_content();
        check_reads();
    }
    cr_assert(lt(u64, 40, call));
}

Test(cleaner, a_pass_that_is_killed_leaves_the_old_or_the_new)
{
    die_everywhere(SIM_KILL, false);
}

Test(cleaner, a_pass_that_loses_power_leaves_the_old_or_the_new)
{
    die_everywhere(SIM_POWER_LOSS, true);
}
