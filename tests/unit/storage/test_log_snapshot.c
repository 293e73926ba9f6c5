#include "base/mem.h"
#include "base/small_file.h"
#include "storage/log/log_snapshot.h"
#include "storage/log/producer_files.h"
#include "storage/store_private.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static void up(void)
{
    fixture_up(&(struct fixture_options){.seed = 5,
                                         .segment_bytes = 20000,
                                         .segment_write_bytes = 8192,
                                         .index_interval_bytes = 1000,
                                         .checkpoint_interval_ms = 100000});
    cr_assert(fixture_start());
}

TestSuite(log_snapshot, .init = up, .fini = fixture_down, .timeout = 600);

static struct log *the_log(void)
{
    return fixture.at[0].log;
}

/* Of about a kilobyte each, by three producers in turn. */
static void fill(int32_t first, int32_t count)
{
    for (int32_t i = first; i < first + count; i++) {
        struct fixture_append append = {
            .has_producer = true, .producer_id = i % 3, .base_sequence = i / 3, .value_bytes = 900};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    }
    cr_assert(fixture_settle());
}

static bool is_there(int64_t offset, enum log_file_kind kind)
{
    char name[LOG_FILE_NAME_MAX];
    struct io_stat stat;

    log_names_format_file(name, offset, kind);
    return fixture.store->env.io->v->file_stat(fixture.store->env.io, fixture_path(0, name),
                                               &stat) == OK;
}

struct counts {
    uint32_t of[LOG_FILE_KIND_COUNT];
};

static void count_file(void *context, const char *name, bool is_dir)
{
    struct counts *counts = context;
    enum log_file_kind kind;
    int64_t offset;
    bool deleted;

    if (log_names_parse_file(name, &offset, &kind, &deleted) == OK && !deleted)
        counts->of[kind]++;
}

static struct counts count_files(void)
{
    struct counts counts = {0};

    cr_assert(eq(int,
                 fixture.store->env.io->v->dir_list(fixture.store->env.io, the_log()->dir,
                                                    count_file, &counts),
                 OK));
    return counts;
}

/* The file's bytes are those of a state that saw the batches below offset and no other. */
static void check_snapshot(int64_t offset)
{
    struct producer_rules rules = {.origin = PRODUCER_VERBATIM};
    struct producer_check unused;
    struct producer_state state;
    char name[LOG_FILE_NAME_MAX];
    uint8_t *expected;
    uint8_t *found;
    size_t found_bytes;

    producer_state_init(&state, 1, 100);
    for (uint32_t i = 0; i < fixture.at[0].batch_count; i++) {
        const struct fixture_batch *batch = &fixture.at[0].batches[i];
        struct batch_header header;
        if (batch->end_offset > offset)
            break;
        cr_assert(eq(int, batch_parse(batch->bytes, batch->size_bytes, &header), OK));
        cr_assert(eq(int, producer_state_check(&state, &header, NULL, &rules, &unused), OK));
        producer_state_update(&state, &header, NULL, 0, NULL);
    }
    log_names_format_file(name, offset, LOG_FILE_SNAPSHOT);
    cr_assert(
        eq(int, small_file_read(fixture.store->env.io, fixture_path(0, name), &found, &found_bytes),
           OK));
    cr_assert(eq(sz, found_bytes, producer_snapshot_size(&state)));
    expected = mem_alloc(found_bytes);
    producer_snapshot_encode(&state, expected);
    cr_assert(memcmp(found, expected, found_bytes) == 0);
    mem_free(expected);
    mem_free(found);
    producer_state_deinit(&state);
}

Test(log_snapshot, each_segment_begins_with_a_snapshot_of_what_is_below_it)
{
    for (int32_t i = 0; i < 100; i += 5) {
        fill(i, 5);
        fixture_checkpoint();
    }
    cr_assert(lt(u32, 4, the_log()->segments.count));
    for (uint32_t i = 1; i < the_log()->segments.count; i++)
        check_snapshot(segment_manifest_at(&the_log()->segments, i)->base_offset);
    cr_assert(eq(u32, count_files().of[LOG_FILE_SNAPSHOT], the_log()->segments.count - 1));
}

Test(log_snapshot, of_several_rolls_between_two_checkpoints_the_last_one_is_written)
{
    fill(0, 100);
    cr_assert(eq(u32, count_files().of[LOG_FILE_SNAPSHOT], 0)); /* no roll waits for a file */
    fixture_checkpoint();
    cr_assert(eq(u32, count_files().of[LOG_FILE_SNAPSHOT], 1));
    check_snapshot(log_active(the_log())->base_offset);
}

Test(log_snapshot, a_roll_above_what_the_checkpoint_covers_waits_for_the_next)
{
    int64_t base;

    fill(0, 30);
    base = log_active(the_log())->base_offset;
    cr_assert(lt(i64, 0, base));
    cr_assert(eq(int, log_write_frozen_snapshot(the_log(), base - 1), OK));
    cr_assert(not(is_there(base, LOG_FILE_SNAPSHOT)));
    cr_assert(eq(int, log_write_frozen_snapshot(the_log(), base), OK));
    check_snapshot(base);
}

Test(log_snapshot, a_log_without_producers_has_none)
{
    for (int i = 0; i < 50; i++)
        cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 900}, NULL), OK));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    cr_assert(lt(u32, 1, the_log()->segments.count));
    cr_assert(eq(u32, count_files().of[LOG_FILE_SNAPSHOT], 0));
}

Test(log_snapshot, it_goes_with_its_segment)
{
    int64_t base;

    for (int32_t i = 0; i < 100; i += 5) {
        fill(i, 5);
        fixture_checkpoint();
    }
    base = segment_manifest_at(&the_log()->segments, 1)->base_offset;
    cr_assert(is_there(base, LOG_FILE_SNAPSHOT));
    cr_assert(
        eq(int,
           log_delete_records(the_log(), segment_manifest_at(&the_log()->segments, 3)->base_offset,
                              NULL, NULL),
           OK));
    fixture_run_ms(50);
    fixture.at[0].log_start = log_offsets(the_log()).log_start;
    cr_assert(not(is_there(base, LOG_FILE_SNAPSHOT)));
    cr_assert(
        is_there(segment_manifest_at(&the_log()->segments, 0)->base_offset, LOG_FILE_SNAPSHOT));
    cr_assert(eq(u32, count_files().of[LOG_FILE_SNAPSHOT], the_log()->segments.count));
}

Test(log_snapshot, a_cut_takes_those_above_it)
{
    fill(0, 50);
    fixture_checkpoint();
    fill(50, 30); /* rolls, too: frozen, not written */
    fixture_run_ms(50);
    cr_assert(eq(int, log_truncate(the_log(), 10, NULL, NULL), OK));
    fixture_forget_from(0, 10);
    fixture.at[0].durable = 10;
    fixture_run_ms(50);
    fixture_checkpoint();
    cr_assert(eq(u32, count_files().of[LOG_FILE_SNAPSHOT], 0));
    cr_assert(eq(i64, log_offsets(the_log()).log_end, 10));
    fixture_check_content(0, 5000);
}

static void write_file(int64_t offset, enum log_file_kind kind)
{
    char name[LOG_FILE_NAME_MAX];

    log_names_format_file(name, offset, kind);
    cr_assert(eq(int, small_file_write(fixture.store->env.io, fixture_path(0, name), "x", 1), OK));
}

Test(log_snapshot, what_belongs_to_no_segment_and_no_mark_goes_when_the_log_goes_on)
{
    int64_t base;

    fill(0, 30);
    fixture_checkpoint();
    base = log_active(the_log())->base_offset;
    write_file(7, LOG_FILE_SNAPSHOT);
    write_file(3000, LOG_FILE_SNAPSHOT);
    write_file(9, LOG_FILE_WINDOW);
    fixture_stop(); /* writes one at the end */
    cr_assert(fixture_start());
    cr_assert(is_there(30, LOG_FILE_SNAPSHOT));
    fill(30, 1);
    fixture_checkpoint();
    cr_assert(eq(u32, count_files().of[LOG_FILE_SNAPSHOT], 1));
    check_snapshot(base);
    cr_assert(eq(u32, count_files().of[LOG_FILE_WINDOW], 1));
    fixture_crash(SIM_KILL);
    cr_assert(fixture_start());
    cr_assert(not(fixture_has_line("LVE-2208"))); /* the window that the mark names is there */
    fixture_check_prefix(0);
}

Test(log_snapshot, nothing_is_believed_that_a_snapshot_says)
{
    struct fixture_append again = {
        .has_producer = true, .producer_id = 2, .base_sequence = 9, .value_bytes = 900};
    struct log_append_result result;
    int64_t base;

    fill(0, 30);
    fixture_checkpoint();
    base = log_active(the_log())->base_offset;
    write_file(base, LOG_FILE_SNAPSHOT); /* not one */
    fixture_crash(SIM_KILL);
    cr_assert(fixture_start());
    cr_assert(eq(int, fixture_append(&again, &result), OK));
    cr_assert(result.duplicate);
    cr_assert(eq(i64, result.base_offset, 29));
    again.base_sequence = 11;
    cr_assert(eq(int, fixture_append(&again, &result), ERR_SEQUENCE));
}
