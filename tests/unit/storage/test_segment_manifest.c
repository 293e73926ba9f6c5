/* The manifest alone, and a log whose segment is replaced while it is read. */
#include "base/mem.h"
#include "base/small_file.h"
#include "storage/log/log_private.h"
#include "storage/store_private.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

TestSuite(segment_manifest, .timeout = 30);
TestSuite(replaced_segment, .fini = fixture_down, .timeout = 600);

/* ---- alone */

static const struct log_config config = {.segment_index_bytes = 4096, .index_interval_bytes = 4096};
static struct open_files files;
static struct index_cache indexes;
static struct gauge gauge;
static struct segment_environment of = {
    .config = &config, .files = &files, .indexes = &indexes, .dir = "nowhere"};
static struct segment_manifest manifest;

static void begin_alone(void)
{
    open_files_init(&files, NULL, 0, &gauge);
    index_cache_init(&indexes, 0, segment_unload_cached);
    segment_manifest_init(&manifest);
}

static struct segment *make(int64_t base_offset, int64_t end_offset, uint64_t size_bytes)
{
    struct segment *segment = segment_create(&of, base_offset);

    segment->end_offset = end_offset;
    segment->size_bytes = size_bytes;
    segment->written_pos = size_bytes;
    return segment;
}

static void fill(void)
{
    begin_alone();
    segment_manifest_add(&manifest, make(10, 20, 100));
    segment_manifest_add(&manifest, make(20, 30, 200));
    segment_manifest_add(&manifest, make(35, 40, 300));
}

static void empty(void)
{
    while (manifest.count > 0)
        segment_free(segment_manifest_take_last(&manifest));
    segment_manifest_deinit(&manifest);
}

Test(segment_manifest, finds_by_offset_and_sums_bytes)
{
    static const struct {
        int64_t offset;
        uint32_t index;
    } cases[] = {{10, 0}, {19, 0}, {20, 1}, {34, 1}, {35, 2}, {INT64_MAX, 2}};
    uint32_t index = 7;

    fill();
    cr_assert(eq(ptr, segment_manifest_find(&manifest, 9, &index), NULL));
    cr_assert(eq(u32, index, 7));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct segment *found = segment_manifest_find(&manifest, cases[i].offset, &index);
        cr_assert(eq(u32, index, cases[i].index), "offset %lld", (long long)cases[i].offset);
        cr_assert(eq(ptr, found, segment_manifest_at(&manifest, index)));
    }
    cr_assert(eq(u64, segment_manifest_bytes(&manifest), 600));
    empty();
}

Test(segment_manifest, the_last_one_is_active_and_no_other)
{
    struct segment *last;

    fill();
    for (uint32_t i = 0; i < manifest.count; i++)
        cr_assert(eq(int, segment_manifest_at(&manifest, i)->is_active, i == 2));
    last = segment_manifest_take_last(&manifest);
    cr_assert(not(last->is_active));
    cr_assert(segment_manifest_active(&manifest)->is_active);
    cr_assert(eq(i64, segment_manifest_active(&manifest)->base_offset, 20));
    segment_free(last);
    segment_free(segment_manifest_take_first(&manifest));
    cr_assert(eq(u32, manifest.count, 1));
    cr_assert(eq(i64, segment_manifest_at(&manifest, 0)->base_offset, 20));
    empty();
}

Test(segment_manifest, each_that_comes_in_has_a_newer_generation)
{
    uint64_t generation;

    fill();
    for (uint32_t i = 1; i < manifest.count; i++)
        cr_assert(lt(u64, segment_manifest_at(&manifest, i - 1)->generation,
                     segment_manifest_at(&manifest, i)->generation));
    generation = manifest.generation;
    segment_manifest_replace(&manifest, 0, 1, make(10, 20, 50));
    cr_assert(lt(u64, generation, segment_manifest_at(&manifest, 0)->generation));
    cr_assert(eq(u64, manifest.generation, segment_manifest_at(&manifest, 0)->generation));
    cr_assert(eq(u64, segment_manifest_bytes(&manifest), 550));
    cr_assert(not(segment_manifest_at(&manifest, 0)->is_active));
    empty();
}

Test(segment_manifest, one_that_is_in_use_lives_on_when_it_is_replaced)
{
    struct segment *old;

    fill();
    old = segment_manifest_at(&manifest, 1);
    old->file.io_count = 2;
    segment_manifest_replace(&manifest, 1, 1, make(20, 25, 50));
    cr_assert(segment_manifest_is_retired(old));
    cr_assert(segment_manifest_is_in_use(&manifest));
    segment_manifest_io_ended(old);
    cr_assert(segment_manifest_is_retired(old));
    segment_manifest_io_ended(old); /* gone */
    cr_assert(not(segment_manifest_is_in_use(&manifest)));
    empty();
}

/* ---- of a log */

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

/* Its first segment is being read, and another file has its name meanwhile. */
static void replace_while_it_is_read(struct reader *reader)
{
    struct log *log;
    struct segment *old;
    struct segment *by;
    char path[LOG_PATH_MAX];
    uint8_t *bytes;
    size_t size_bytes;

    fixture_up(&(struct fixture_options){.seed = 2, .log_count = 2, .segment_bytes = 100000});
    cr_assert(fixture_start());
    for (int i = 0; i < 6; i++)
        cr_assert(
            eq(int, fixture_append(&(struct fixture_append){.value_bytes = 30000}, NULL), OK));
    cr_assert(fixture_settle());
    fixture_stop();
    cr_assert(fixture_start());
    log = fixture.at[0].log;
    cr_assert(lt(u32, 1, log->segments.count));
    old = segment_manifest_at(&log->segments, 0);
    segment_path(old, LOG_FILE_LOG, false, path);
    cr_assert(eq(int, small_file_read(fixture.store->env.io, path, &bytes, &size_bytes), OK));
    sim_disk_hold(&fixture.node->disk, SIM_READ);
    *reader = (struct reader){
        .read = {.bound = 6, .max_bytes = 100, .at_least_one = true, .done = on_read}};
    cr_assert(eq(int, log_read(log, &reader->read), ERR_AGAIN));
    cr_assert(eq(int, small_file_write(fixture.store->env.io, path, bytes, size_bytes), OK));
    mem_free(bytes);
    by = segment_create(&log->segment_environment, old->base_offset);
    by->end_offset = old->end_offset;
    by->size_bytes = old->size_bytes;
    by->written_pos = old->written_pos;
    segment_manifest_replace(&log->segments, 0, 1, by);
    cr_assert(segment_manifest_is_retired(old));
    cr_assert(not(list_is_linked(&old->file.node))); /* it is in no list of the store any more */
    cr_assert(not(list_is_linked(&old->cached.node)));
    cr_assert(eq(u32, reader->done_count, 0));
}

Test(replaced_segment, is_read_to_the_end_by_who_began)
{
    struct reader reader;

    replace_while_it_is_read(&reader);
    sim_disk_unhold(&fixture.node->disk, SIM_READ);
    fixture_run_ms(50);
    cr_assert(eq(u32, reader.done_count, 1));
    cr_assert(eq(int, reader.err, OK));
    cr_assert(eq(i64, reader.read.end_offset, 1));
    log_read_release(&reader.read);
    cr_assert(not(segment_manifest_is_in_use(&fixture.at[0].log->segments)));
    fixture_check_content(0, 100000); /* from the new one */
    fixture_stop();
}

Test(replaced_segment, keeps_a_deleted_log_until_it_was_read)
{
    struct reader reader;

    replace_while_it_is_read(&reader);
    log_delete(fixture.at[0].log);
    fixture.at[0].log = NULL;
    fixture_forget_from(0, INT64_MIN);
    fixture_run_ms(10);
    cr_assert(eq(u32, reader.done_count, 0));
    sim_disk_unhold(&fixture.node->disk, SIM_READ);
    fixture_run_ms(50);
    cr_assert(eq(u32, reader.done_count, 1));
    cr_assert(eq(int, reader.err, ERR_NOT_FOUND));
    cr_assert(eq(int, store_state(fixture.store), STORE_RUNNING));
}
