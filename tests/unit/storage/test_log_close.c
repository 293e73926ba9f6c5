/* A log that is closed or deleted while its store works for it, and the files that a store keeps
 * open. */
#include "storage/log/log_private.h"
#include "storage/store_private.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

TestSuite(log_close, .fini = fixture_down, .timeout = 600);

struct reader {
    struct log_read read;
    uint32_t done_count;
    enum err err;
};

static void on_read(struct log_read *read, enum err err)
{
    struct reader *reader = container_of(read, struct reader, read);

    reader->done_count++;
    reader->err = err;
}

static void start_reader(struct reader *reader, int64_t bound)
{
    *reader = (struct reader){
        .read = {.bound = bound, .max_bytes = 100, .at_least_one = true, .done = on_read}};
    cr_assert(eq(int, log_read(fixture.at[0].log, &reader->read), ERR_AGAIN));
}

/* Two segments that lie in files alone. */
static void two_segments_in_files(uint32_t segment_write_bytes)
{
    fixture_up(&(struct fixture_options){.seed = 2,
                                         .log_count = 2,
                                         .segment_bytes = 100000,
                                         .segment_write_bytes = segment_write_bytes});
    cr_assert(fixture_start());
    for (int i = 0; i < 6; i++)
        cr_assert(
            eq(int, fixture_append(&(struct fixture_append){.value_bytes = 30000}, NULL), OK));
    cr_assert(fixture_settle());
    fixture_stop();
    cr_assert(fixture_start());
    cr_assert(lt(u32, 1, fixture.at[0].log->segments.count));
}

/* One old segment is being read and a group of the newest is on its way to the journal. */
static void delete_while_in_use(struct reader *reader)
{
    start_reader(reader, 6);
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 20000}, NULL), OK));
    fixture_run_ms(1);
    log_delete(fixture.at[0].log);
    fixture.at[0].log = NULL;
    fixture_forget_from(0, INT64_MIN);
    cr_assert(list_is_empty(&fixture.store->tail_cache.unwritten));
    cr_assert(list_is_empty(&fixture.store->tail_cache.evictable));
    cr_assert(eq(u64, fixture.store->tail_cache.dirty_bytes, 0));
}

/* The other log goes on as if nothing had been. */
static void check_the_store_runs(void)
{
    cr_assert(eq(int, store_state(fixture.store), STORE_RUNNING));
    cr_assert(eq(int,
                 fixture_append(&(struct fixture_append){.log_index = 1, .value_bytes = 500}, NULL),
                 OK));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    fixture_check_content(1, 1000);
    cr_assert(eq(int, store_state(fixture.store), STORE_RUNNING));
}

Test(log_close, a_group_that_commits_after_a_deletion_is_not_written_to_the_files_that_went)
{
    struct reader reader;

    two_segments_in_files(16384); /* the group is a chunk: due as soon as it is committed */
    sim_disk_hold(&fixture.node->disk, SIM_READ);
    sim_disk_hold(&fixture.node->disk, SIM_WRITE);
    delete_while_in_use(&reader);
    sim_disk_unhold(&fixture.node->disk, SIM_WRITE);
    fixture_run_ms(50);
    cr_assert(eq(int, store_state(fixture.store), STORE_RUNNING));
    sim_disk_unhold(&fixture.node->disk, SIM_READ);
    fixture_run_ms(50);
    cr_assert(eq(u32, reader.done_count, 1));
    cr_assert(eq(int, reader.err, ERR_NOT_FOUND));
    check_the_store_runs();
}

Test(log_close, a_deleted_log_is_not_told_of_progress_when_commit_and_read_end_in_one_turn)
{
    struct reader reader;

    two_segments_in_files(1 << 20);
    sim_disk_hold(&fixture.node->disk, SIM_READ);
    sim_disk_hold(&fixture.node->disk, SIM_WRITE);
    delete_while_in_use(&reader);
    sim_node_pause(fixture.node, 20 * SIM_MS);
    sim_disk_unhold(&fixture.node->disk, SIM_WRITE);
    fixture_run_ms(5);
    sim_disk_unhold(&fixture.node->disk, SIM_READ);
    fixture_run_ms(100);
    cr_assert(eq(u32, reader.done_count, 1));
    check_the_store_runs();
}

Test(log_close, a_deleted_log_that_is_read_is_in_no_list_of_the_store)
{
    struct reader reader;
    uint32_t open_before;

    two_segments_in_files(1 << 20);
    open_before = fixture.store->open_files.count;
    sim_disk_hold(&fixture.node->disk, SIM_READ);
    delete_while_in_use(&reader);
    cr_assert(eq(u32, fixture.store->open_files.count, open_before));
    list_for_each(node, &fixture.store->index_cache.unused)
    {
        const struct segment *segment = container_of(node, struct segment, cached.node);
        cr_assert(eq(ptr, (void *)(uintptr_t)segment->of, &fixture.at[1].log->segment_environment));
    }
    log_read_release(&reader.read); /* nobody waits for it any more */
    sim_disk_unhold(&fixture.node->disk, SIM_READ);
    fixture_run_ms(100);
    cr_assert(eq(u32, reader.done_count, 0));
    check_the_store_runs();
}

Test(log_close, a_file_that_was_opened_to_be_written_is_not_closed_at_once)
{
    struct reader reader;

    fixture_up(&(struct fixture_options){.seed = 3, .log_count = 2});
    cr_assert(fixture_start());
    for (int i = 0; i < 3; i++)
        cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 3000}, NULL), OK));
    cr_assert(fixture_settle());
    fixture_stop();
    cr_assert(fixture_start());
    fixture.store->open_files.max_count = 1;
    sim_disk_hold(&fixture.node->disk, SIM_READ);
    start_reader(&reader, 3);
    cr_assert(
        eq(int, fixture_append(&(struct fixture_append){.log_index = 1, .value_bytes = 3000}, NULL),
           OK));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    cr_assert(eq(int, store_state(fixture.store), STORE_RUNNING));
    cr_assert(eq(u64, fixture.store->tail_cache.dirty_bytes, 0));
    sim_disk_unhold(&fixture.node->disk, SIM_READ);
    fixture_run_ms(100);
    cr_assert(eq(int, reader.err, OK));
    log_read_release(&reader.read);
    check_the_store_runs();
    cr_assert(le(u32, fixture.store->open_files.count, 1));
}
