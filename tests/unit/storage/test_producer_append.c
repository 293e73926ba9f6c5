/* Whichever way a batch comes, its log knows the same of producers afterwards. */
#include "record/batch_builder.h"
#include "storage/log/producer_append.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static void up(void)
{
    fixture_up(&(struct fixture_options){.seed = 11});
    cr_assert(fixture_start());
}

TestSuite(producer_append, .fini = fixture_down, .timeout = 300);

static const struct control_marker commit = {.commit = true, .coordinator_epoch = 3};
static const struct control_marker cancel = {.commit = false, .coordinator_epoch = 5};

static void append(int64_t producer_id, int32_t sequence, const struct control_marker *marker)
{
    cr_assert(eq(int,
                 fixture_append(
                     &(struct fixture_append){.verbatim = true,
                                              .base_offset = log_offsets(fixture.at[0].log).log_end,
                                              .has_producer = true,
                                              .producer_id = producer_id,
                                              .base_sequence = marker == NULL ? sequence : -1,
                                              .transactional = true,
                                              .marker = marker},
                     NULL),
                 OK));
}

static const struct producer_entry *known(int64_t producer_id)
{
    const struct producer_entry *entry =
        producer_state_find(log_producers(fixture.at[0].log), producer_id);

    cr_assert(ne(ptr, (void *)entry, NULL));
    return entry;
}

static void check_producers(void)
{
    cr_assert(eq(u32, producer_state_count(log_producers(fixture.at[0].log)), 3));
    cr_assert(eq(i64, known(7)->txn_first_offset, -1));
    cr_assert(eq(i32, known(7)->coordinator_epoch, 3));
    cr_assert(eq(i32, known(7)->batches[1].last_sequence, 1));
    cr_assert(eq(i64, known(8)->txn_first_offset, 1));
    cr_assert(eq(i64, known(9)->txn_first_offset, -1));
    cr_assert(eq(i32, known(9)->coordinator_epoch, 5));
    cr_assert(eq(u32, known(9)->batch_count, 0));
}

static void delete_window(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    static const char suffix[] = ".levee-window";
    size_t path_bytes = strlen(path);

    if (path_bytes > strlen(suffix) && strcmp(path + path_bytes - strlen(suffix), suffix) == 0)
        snprintf(context, 100, "%s", path);
}

Test(producer_append, appends_the_journal_the_window_and_the_segments_say_the_same, .init = up)
{
    char window[100] = "";

    append(7, 0, NULL);
    append(8, 0, NULL);
    append(7, 1, NULL);
    append(7, -1, &commit);
    append(9, -1, &cancel); /* its records are gone, if there were any */
    append(8, 1, NULL);
    check_producers();
    cr_assert(fixture_settle());
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start()); /* from the journal */
    check_producers();
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start()); /* from the window file */
    check_producers();
    fixture_crash(SIM_KILL);
    sim_image_walk(&fixture.node->disk, SIM_CACHED, delete_window, window);
    cr_assert(ne(i8, window[0], 0));
    cr_assert(eq(int, sim_disk_unlink(&fixture.node->disk, window), 0));
    cr_assert(fixture_start()); /* from the segments */
    cr_assert(fixture_has_line("LVE-2208"));
    check_producers();
}

/* A marker whose key has a version that none has. */
static uint32_t make_bad_marker(uint8_t *out, uint32_t max_bytes, struct batch_header *header)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;

    options.producer_id = 7;
    options.producer_epoch = 0;
    options.transactional = true;
    options.control = true;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_marker(&builder, &commit, 1), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    cr_assert(le(u32, size_bytes, max_bytes));
    memcpy(out, bytes, size_bytes);
    out[BATCH_HEADER_BYTES + 5] = 0x80; /* behind length, attributes, two deltas and key length */
    cr_assert(eq(int, batch_parse_header(out, size_bytes, header), OK));
    batch_builder_deinit(&builder);
    return size_bytes;
}

Test(producer_append, a_marker_that_cannot_be_read_is_refused_and_harms_no_start)
{
    struct producer_append verbatim = {.rules = {.origin = PRODUCER_VERBATIM}};
    struct producer_completed completed = {.producer_id = 1};
    struct producer_state producers;
    struct batch_header header;
    uint8_t bytes[200];

    (void)make_bad_marker(bytes, sizeof(bytes), &header);
    producer_state_init(&producers, 1, 10);
    cr_assert(eq(int, producer_append_check(&producers, bytes, &header, &verbatim), ERR_CORRUPT));
    cr_assert(eq(
        int, producer_append_replay(&producers, bytes, &header, PRODUCER_OWNER_NONE, 1, &completed),
        OK));
    cr_assert(eq(i64, completed.producer_id, -1));
    cr_assert(eq(u32, producer_state_count(&producers), 0));
    producer_state_deinit(&producers);
}
