#include "broker/metadata/snapshot_file.h"
#include "net/protocol/msg_begin_transaction_record.h"
#include "net/protocol/msg_topic_record.h"
#include "record/batch_builder.h"
#include "tests/unit/broker/controller_rig.h"

static void setup(void)
{
    const char *sets[] = {"log.dirs=data", NULL};

    rig_up(sets);
}

TestSuite(metadata_log, .init = setup, .fini = rig_down, .timeout = 600);

/* ---- a log of its own, beside no controller */

static struct metadata_log *open_log(struct image *image, uint64_t interval_bytes,
                                     enum err expected)
{
    struct metadata_log_world world = {
        .io = rig.at[0].io, .clock = rig.at[0].clock, .sink = &rig.sink, .dir = "data"};
    struct metadata_log_options options = {.segment_bytes = 1 << 30,
                                           .snapshot_interval_bytes = interval_bytes};
    struct metadata_log *log = NULL;

    cr_assert(eq(int, metadata_log_open(&world, &options, image, &log), expected));
    return log;
}

static bool appended;

static void on_appended(struct metadata_append *append, enum err err)
{
    cr_assert(eq(int, err, OK));
    appended = true;
}

struct topics {
    struct arena arena;
    struct metadata_records records;
    struct metadata_append append;
};

static void begin(struct topics *topics)
{
    *topics = (struct topics){.append.done = on_appended};
    arena_init(&topics->arena, 1 << 20);
    metadata_records_init(&topics->records, &topics->arena);
}

static void add_topic(struct topics *topics, const char *name, uint8_t id)
{
    struct topic_record *record = metadata_records_add(&topics->records, METADATA_TOPIC, 0);

    record->name = wire_string(name);
    record->topic_id.bytes[0] = id;
}

static void put(struct metadata_log *log, struct topics *topics)
{
    appended = false;
    cr_assert(eq(int, metadata_log_append(log, &topics->records, &topics->append), OK));
    cr_assert(not(appended)); /* never inside the call */
    kept_log_commit();
    cr_assert(appended);
    arena_deinit(&topics->arena);
}

static void put_topic(struct metadata_log *log, const char *name, uint8_t id)
{
    struct topics topics;

    begin(&topics);
    add_topic(&topics, name, id);
    put(log, &topics);
}

static bool has_topic(const struct image *image, const char *name)
{
    return image_topic_by_name(image, name, strlen(name)) != NULL;
}

Test(metadata_log, what_was_appended_is_there_after_a_start)
{
    struct image *image = image_create();
    struct metadata_log *log = open_log(image, 1 << 20, OK);

    cr_assert(eq(i32, metadata_log_last_epoch(log), 0));
    cr_assert(eq(int, metadata_log_begin(log, 1), OK));
    put_topic(log, "a", 1);
    put_topic(log, "b", 2);
    cr_assert(eq(i64, kept_log.offsets.high_watermark, 2));
    metadata_log_close(log);
    image_destroy(image);

    image = image_create();
    log = open_log(image, 1 << 20, OK);
    cr_assert(has_topic(image, "a"));
    cr_assert(has_topic(image, "b"));
    cr_assert(eq(i64, image_offset(image), 1));
    cr_assert(eq(i32, metadata_log_last_epoch(log), 1));
    metadata_log_close(log);
    image_destroy(image);
}

Test(metadata_log, a_transaction_that_was_never_ended_is_dropped_and_aborted)
{
    struct image *image = image_create();
    struct metadata_log *log = open_log(image, 1 << 20, OK);
    struct topics topics;

    cr_assert(eq(int, metadata_log_begin(log, 1), OK));
    begin(&topics);
    cr_assert(ne(ptr, metadata_records_add(&topics.records, METADATA_BEGIN_TRANSACTION, 0), NULL));
    add_topic(&topics, "half", 1);
    put(log, &topics);
    metadata_log_close(log);
    image_destroy(image);

    image = image_create();
    log = open_log(image, 1 << 20, OK);
    cr_assert(not(has_topic(image, "half")));
    cr_assert(eq(int, metadata_log_begin(log, 2), OK));
    cr_assert(eq(i64, metadata_log_end(log), 3)); /* the abort */
    put_topic(log, "whole", 2);
    metadata_log_close(log);
    image_destroy(image);

    image = image_create();
    log = open_log(image, 1 << 20, OK);
    cr_assert(not(has_topic(image, "half")));
    cr_assert(has_topic(image, "whole"));
    metadata_log_close(log);
    image_destroy(image);
}

Test(metadata_log, a_transaction_becomes_visible_at_its_end_across_batches)
{
    struct image *image = image_create();
    struct metadata_log *log = open_log(image, 1 << 20, OK);
    struct topics topics;

    cr_assert(eq(int, metadata_log_begin(log, 1), OK));
    begin(&topics);
    cr_assert(ne(ptr, metadata_records_add(&topics.records, METADATA_BEGIN_TRANSACTION, 0), NULL));
    add_topic(&topics, "a", 1);
    put(log, &topics);
    begin(&topics);
    add_topic(&topics, "b", 2);
    cr_assert(ne(ptr, metadata_records_add(&topics.records, METADATA_END_TRANSACTION, 0), NULL));
    put(log, &topics);
    metadata_log_close(log);
    image_destroy(image);

    image = image_create();
    log = open_log(image, 1 << 20, OK);
    cr_assert(has_topic(image, "a"));
    cr_assert(has_topic(image, "b"));
    metadata_log_close(log);
    image_destroy(image);
}

/* ---- snapshots */

static bool written;

static void on_written(void *context, enum err err)
{
    cr_assert(eq(int, err, OK));
    written = true;
}

static void write_snapshot(struct metadata_log *log, struct image *image)
{
    written = false;
    metadata_log_snapshot(log, image, on_written, NULL);
    sim_world_run_until_idle(rig.world, SIM_SECOND);
    cr_assert(written);
}

static struct image *reopen(struct metadata_log **log, struct image *image, enum err expected)
{
    metadata_log_close(*log);
    image_destroy(image);
    image = image_create();
    *log = open_log(image, 64, expected);
    return image;
}

static bool exists(const char *path)
{
    struct io_stat stat;

    return rig.at[0].io->v->file_stat(rig.at[0].io, path, &stat) == OK;
}

#define SNAPSHOT(offset, epoch) \
    "data/__cluster_metadata-0/0000000000000000000" #offset "-000000000" #epoch ".checkpoint"

/* Three topics, a snapshot behind each; the image is what a start reads. */
static struct image *three_snapshots(struct metadata_log **log)
{
    struct image *image = image_create();

    *log = open_log(image, 64, OK);
    for (uint8_t i = 1; i <= 3; i++) {
        char name[2] = {(char)('a' + i - 1), '\0'};
        cr_assert(eq(int, metadata_log_begin(*log, i), OK));
        put_topic(*log, name, i);
        image = reopen(log, image, OK);
        cr_assert(metadata_log_wants_snapshot(*log));
        cr_assert(metadata_log_has_news(*log, image));
        write_snapshot(*log, image);
        cr_assert(not(metadata_log_wants_snapshot(*log)));
        cr_assert(not(metadata_log_has_news(*log, image)));
    }
    return image;
}

Test(metadata_log, two_snapshots_stay_and_the_log_is_cut_at_the_older)
{
    struct metadata_log *log;
    struct image *image = three_snapshots(&log);

    cr_assert(not(exists(SNAPSHOT(1, 1))));
    cr_assert(exists(SNAPSHOT(2, 2)));
    cr_assert(exists(SNAPSHOT(3, 3)));
    cr_assert(eq(i64, kept_log.offsets.log_start, 2));
    image = reopen(&log, image, OK);
    cr_assert(has_topic(image, "a"));
    cr_assert(has_topic(image, "c"));
    cr_assert(eq(i64, image_offset(image), 2));
    cr_assert(eq(i32, metadata_log_last_epoch(log), 3));
    metadata_log_close(log);
    image_destroy(image);
}

static void damage(const char *path)
{
    struct io *io = rig.at[0].io;
    uint8_t byte;
    uint32_t read_bytes;
    uint64_t size_bytes;
    int32_t fd;

    cr_assert(eq(int, io->v->file_open(io, path, IO_WRITE, &fd), OK));
    cr_assert(eq(int, io->v->file_size(io, fd, &size_bytes), OK));
    cr_assert(eq(int, io->v->file_read(io, fd, &byte, 1, size_bytes / 2, &read_bytes), OK));
    byte ^= 0x40;
    cr_assert(eq(int, io->v->file_write(io, fd, &byte, 1, size_bytes / 2), OK));
    io->v->close(io, fd);
}

Test(metadata_log, a_damaged_snapshot_gives_way_to_the_one_before_and_the_log)
{
    struct metadata_log *log;
    struct image *image = three_snapshots(&log);

    damage(SNAPSHOT(3, 3));
    image = reopen(&log, image, OK);
    cr_assert(has_topic(image, "a"));
    cr_assert(has_topic(image, "b"));
    cr_assert(has_topic(image, "c"));
    metadata_log_close(log);
    image_destroy(image);
}

Test(metadata_log, without_a_good_snapshot_a_cut_log_is_refused)
{
    struct metadata_log *log;
    struct image *image = three_snapshots(&log);

    damage(SNAPSHOT(3, 3));
    damage(SNAPSHOT(2, 2));
    image = reopen(&log, image, ERR_CORRUPT);
    cr_assert(eq(ptr, (void *)log, NULL));
    image_destroy(image);
}

Test(metadata_log, a_snapshot_file_is_refused_when_cut_short_anywhere)
{
    struct metadata_log *log;
    struct image *image = three_snapshots(&log);
    struct snapshot_id id = {.end_offset = 3, .epoch = 3};
    uint8_t *bytes;
    size_t size_bytes;

    cr_assert(eq(int, snapshot_encode(image, &id, 1234, &bytes, &size_bytes), OK));
    cr_assert(eq(int, snapshot_check(bytes, size_bytes), OK));
    for (size_t i = 0; i < size_bytes; i++)
        cr_assert(ne(int, snapshot_check(bytes, i), OK));
    mem_free(bytes);
    metadata_log_close(log);
    image_destroy(image);
}

Test(metadata_log, names_of_snapshots_are_kafkas)
{
    char name[SNAPSHOT_NAME_MAX];
    struct snapshot_id id;

    snapshot_format_name(&(struct snapshot_id){.end_offset = 42, .epoch = 3}, name);
    cr_assert(eq(str, name, "00000000000000000042-0000000003.checkpoint"));
    cr_assert(eq(int, snapshot_parse_name(name, &id), OK));
    cr_assert(eq(i64, id.end_offset, 42));
    cr_assert(eq(i32, id.epoch, 3));
    cr_assert(eq(int, snapshot_parse_name("00000000000000000042.log", &id), ERR_NOT_FOUND));
    cr_assert(eq(int, snapshot_parse_name("99999999999999999999-0000000003.checkpoint", &id),
                 ERR_NOT_FOUND));
}
