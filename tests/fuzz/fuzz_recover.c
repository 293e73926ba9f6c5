/* fuzz_recover: a data directory, damaged anyhow, and then a start.
 *
 * Our own store makes some directories in memory: stopped in order, killed behind a checkpoint, cut
 * and trimmed.  The input's first byte chooses one, the second which checksums are put right, the
 * rest are edits of its files.  Whatever a start makes of it, it either says so (an error, a
 * quarantine) or serves a log that the next start gives again. */
#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "record/batch_builder.h"
#include "record/little_endian.h"
#include "storage/dir/marks_format.h"
#include "storage/journal/journal_format.h"
#include "storage/journal/journal_scan.h"
#include "storage/log/log.h"
#include "storage/store.h"
#include "tests/fuzz/fuzz_seed.h"
#include "tests/support/fake_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum {
    DIRECTORY_COUNT = 4,
    FILES_MAX = 32,
    EDITS_MAX = 16,
    EDIT_BYTES = 5,
    SEGMENT_BYTES = 3000,
    TURNS = 64,
    ZEROS_BYTES = 64 << 10,
};

enum mend {
    MEND_JOURNAL = 1,
    MEND_MARKS = 2,
    MEND_BATCHES = 4,
    MEND_PRODUCERS = 8, /* windows */
};

enum edit {
    EDIT_OVERWRITE,
    EDIT_TRUNCATE,
    EDIT_APPEND,
    EDIT_REPLACE,
    EDIT_ADD, /* to a 64-bit number in either byte order */
    EDIT_REMOVE,
    EDIT_COUNT
};

/* ---- a kept directory */

struct kept_file {
    char path[FAKE_NAME_MAX];
    uint8_t *bytes;
    uint64_t size_bytes;
};

struct directory {
    struct kept_file files[FILES_MAX];
    uint32_t count;
};

static struct directory directories[DIRECTORY_COUNT];

/* Without the blocks of zeros at the end of files: extents are long. */
static void keep(struct directory *directory, const struct fake_io *fake)
{
    static const uint8_t zeros[IO_ALIGN];

    for (uint32_t i = 0; i < FAKE_FILES_MAX; i++) {
        const struct fake_file *file = &fake->files[i];
        struct kept_file *kept = &directory->files[directory->count];
        uint64_t size_bytes = file->size_bytes;
        if (!file->exists)
            continue;
        check(directory->count < FILES_MAX);
        directory->count++;
        while (size_bytes >= IO_ALIGN &&
               memcmp(file->bytes + size_bytes - IO_ALIGN, zeros, IO_ALIGN) == 0)
            size_bytes -= IO_ALIGN;
        kept->size_bytes = size_bytes;
        kept->bytes = mem_alloc(kept->size_bytes);
        if (kept->size_bytes > 0)
            memcpy(kept->bytes, file->bytes, kept->size_bytes);
        memcpy(kept->path, file->path, sizeof(kept->path));
    }
}

/* ---- a store over files in memory */

static uint64_t mono_ns(struct clock *clock)
{
    return 1000000000;
}

static int64_t wall_ms(struct clock *clock)
{
    return 1700000000000;
}

static struct clock clock = {.mono_ns = mono_ns, .wall_ms = wall_ms};

static enum err no_filesystem_sync(struct io *io, int32_t fd)
{
    return OK;
}

static enum err no_dir_remove(struct io *io, const char *path)
{
    return OK;
}

static enum err much_space(struct io *io, const char *path, struct io_space *out)
{
    *out = (struct io_space){.free_bytes = 1ull << 40, .total_bytes = 1ull << 41};
    return OK;
}

static enum err (*file_write)(struct io *io, int32_t fd, const void *bytes, uint32_t size_bytes,
                              uint64_t pos); /* fake_io's */

/* An extent of the journal is prepared with megabytes of zeros, which nobody reads here: a scan
 * takes what a shorter file lacks for zeros. */
static enum err write_without_zeros(struct io *io, int32_t fd, const void *bytes,
                                    uint32_t size_bytes, uint64_t pos)
{
    const uint8_t *first = bytes;

    if (size_bytes >= ZEROS_BYTES && first[0] == 0 && memcmp(first, first + 1, size_bytes - 1) == 0)
        return OK;
    return file_write(io, fd, bytes, size_bytes, pos);
}

static void on_line(struct log_sink *sink, enum log_level level, const char *line,
                    size_t size_bytes)
{
    if (getenv("FUZZ_RECOVER_TRACE") != NULL)
        fwrite(line, 1, size_bytes, stderr);
}

static void on_failed(void *context, enum err err)
{
    check(false); /* no device fails here */
}

static void on_space(void *context, bool short_of_space)
{
}

static void on_progress(void *context, struct log *log)
{
    if (log_offsets(log).durable > log_offsets(log).high_watermark)
        log_set_high_watermark(log, log_offsets(log).durable);
}

struct life {
    struct fake_io fake;
    struct io_vtable vtable;
    struct loop loop;
    struct prng prng;
    struct log_sink sink;
    struct log_dir dir;
    bool dir_is_open;
    struct slab slab; /* of the scan */
    struct store *store;
    struct log *log; /* NULL: the start failed, or the log is quarantined */
};

static struct life *life_create(void)
{
    struct life *life = mem_alloc(sizeof(*life));

    fake_io_init(&life->fake);
    life->vtable = *life->fake.io.v;
    life->vtable.filesystem_sync = no_filesystem_sync;
    life->vtable.dir_remove = no_dir_remove;
    life->vtable.dir_space = much_space;
    file_write = life->vtable.file_write;
    life->vtable.file_write = write_without_zeros;
    life->fake.io.v = &life->vtable;
    return life;
}

static enum err open_store(struct life *life, struct marks_set *marks, struct journal_scan *scan)
{
    static const struct store_events events = {.failed = on_failed, .space = on_space};
    const struct store_world world = {
        .loop = &life->loop, .prng = &life->prng, .sink = &life->sink, .dir = &life->dir};
    const struct store_options options = {
        .shard_count = 1,
        .journal_max_bytes = 64 << 20,
        .tail_cache_max_bytes = 64 << 20,
        .checkpoint_interval_ms = 5000,
        .segment_write_bytes = 4096,
        .segment_in_flight_max_bytes = 1 << 20,
        .relaxed_sync_interval_ms = 1000,
        .open_files_max = 64,
    };

    return store_open(&world, &options, marks, scan, &events, NULL, &life->store);
}

static enum err open_log(struct life *life)
{
    static const struct log_events events = {.progress = on_progress};
    static const struct log_config config = {
        .segment_bytes = SEGMENT_BYTES,
        .segment_ms = INT64_MAX,
        .retention_ms = -1,
        .retention_bytes = -1,
        .index_interval_bytes = 256,
        .segment_index_bytes = 4096,
        .file_delete_delay_ms = 60000,
        .retention_by_delete = true,
    };
    static const struct log_id id = {.topic_id.bytes = {0xaa, 1}};

    return log_open(life->store, &id, "t", &config, &events, NULL, &life->log);
}

/* As broker/serve starts; the process ends when this fails. */
static enum err life_start(struct life *life)
{
    struct io *io = &life->fake.io;
    struct marks_set *marks = NULL;
    struct journal_scan *scan = NULL;
    enum err err;

    prng_init(&life->prng, 1);
    log_sink_init(&life->sink, on_line, &clock, LOG_TRACE, LOG_FORMAT_TEXT);
    slab_init(&life->slab, 64 << 20);
    loop_init(&life->loop, 0, io, &clock);
    err = log_dir_open(&life->dir, io, &life->prng, "d", NULL, 1);
    life->dir_is_open = err == OK;
    if (err == OK)
        err = marks_load(io, "d", &marks);
    if (err == OK)
        err = journal_scan_open(io, "d", marks, &life->slab, 0, &scan);
    if (err == OK)
        err = open_store(life, marks, scan);
    if (err == OK)
        err = open_log(life);
    if (err == OK)
        err = store_recovered(life->store);
    journal_scan_close(scan);
    marks_set_free(marks);
    if (err == OK && log_is_quarantined(life->log))
        life->log = NULL;
    return err;
}

static void turn(struct life *life)
{
    for (int i = 0; i < TURNS; i++)
        check(loop_turn(&life->loop, 0) == OK);
}

/* Killed, or stopped in order before.  The files stay. */
static void life_end(struct life *life, bool clean)
{
    store_close(life->store);
    life->store = NULL;
    life->log = NULL;
    if (life->dir_is_open)
        log_dir_close(&life->dir, clean, 1);
    life->dir_is_open = false;
    turn(life); /* what is in flight ends */
    check(life->fake.open_count == 0);
    slab_deinit(&life->slab);
    loop_deinit(&life->loop);
    for (uint32_t i = 0; i < FAKE_FILES_MAX; i++)
        life->fake.files[i].locked = false;
}

static void life_destroy(struct life *life)
{
    fake_io_deinit(&life->fake);
    mem_free(life);
}

/* ---- the directories */

static void append(struct life *life, int32_t number, int32_t leader_epoch)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct batch_header header;
    struct log_append_result result;
    struct log_append append;
    const uint8_t *bytes;
    uint32_t size_bytes;
    char value[300];

    memset(value, 'a' + number % 26, sizeof(value));
    options.producer_id = number % 2 == 0 ? -1 : 5;
    options.producer_epoch = number % 2 == 0 ? -1 : 0;
    options.base_sequence = number % 2 == 0 ? -1 : number / 2 * 2;
    batch_builder_init(&builder, &options);
    for (int i = 0; i < 2; i++)
        check(batch_builder_add_pair(&builder, NULL, -1, value, 50 + number * 37 % 250,
                                     1700000000000 + number) == OK);
    check(batch_builder_finish(&builder, NULL, &bytes, &size_bytes) == OK);
    check(batch_parse(bytes, size_bytes, &header) == OK);
    append = (struct log_append){.bytes = bytes,
                                 .size_bytes = size_bytes,
                                 .max_timestamp_ms = header.max_timestamp_ms,
                                 .leader_epoch = leader_epoch,
                                 .now_ms = wall_ms(&clock)};
    check(log_append_leader(life->log, &append, &result) == OK);
    batch_builder_deinit(&builder);
    turn(life);
}

static void on_done(void *context, enum err err)
{
    *(bool *)context = err == OK;
}

static void make_directory(uint32_t which)
{
    struct life *life = life_create();
    bool done = false;

    check(life_start(life) == OK);
    for (int32_t i = 0; i < 20; i++)
        append(life, i, i / 8);
    store_checkpoint(life->store, NULL, NULL);
    turn(life);
    for (int32_t i = 20; i < 24 && which > 0; i++)
        append(life, i, 3);
    if (which == 2) {
        check(log_truncate(life->log, 42, on_done, &done) == OK);
        turn(life);
        check(done);
        append(life, 24, 4);
        check(log_delete_records(life->log, 14, on_done, &done) == OK);
        turn(life);
    } else if (which == 0) {
        store_stop(life->store, on_done, &done);
        turn(life);
        check(done && store_stopped_all(&life->store, 1) == OK);
    }
    life_end(life, which == 0);
    if (which == 3) { /* a directory of another broker: no marks, no journal */
        for (uint32_t i = 0; i < FAKE_FILES_MAX; i++)
            if (strstr(life->fake.files[i].path, ".levee") != NULL ||
                strstr(life->fake.files[i].path, "levee.format") != NULL)
                life->fake.files[i].exists = false;
    }
    keep(&directories[which], &life->fake);
    life_destroy(life);
}

/* ---- damage */

static void edit_file(struct fake_io *fake, struct fake_file *file, const uint8_t *edit,
                      const uint8_t *bytes, uint8_t size_bytes)
{
    enum edit kind = (enum edit)(edit[1] % EDIT_COUNT);
    uint64_t pos = (uint64_t)(edit[2] << 8 | edit[3]);
    uint64_t end = kind == EDIT_APPEND ? file->size_bytes + size_bytes : pos + size_bytes;
    uint8_t *all;

    if (kind == EDIT_REMOVE) {
        file->exists = false;
        return;
    }
    if (kind == EDIT_REPLACE) {
        fake_io_put(fake, file->path, bytes, size_bytes);
        return;
    }
    if (kind == EDIT_TRUNCATE) {
        file->size_bytes = pos < file->size_bytes ? pos : file->size_bytes;
        return;
    }
    if (kind == EDIT_ADD) {
        uint64_t delta = (uint64_t)(int64_t)(int8_t)(size_bytes > 0 ? bytes[0] : 1);
        if (pos + 8 > file->size_bytes)
            return;
        if (pos % 2 == 0)
            little_endian_put_u64(file->bytes + pos,
                                  little_endian_get_u64(file->bytes + pos) + delta);
        else
            for (uint64_t i = pos + 8; delta != 0 && i-- > pos; delta >>= 8)
                file->bytes[i] = (uint8_t)(file->bytes[i] + (uint8_t)delta);
        return;
    }
    if (kind == EDIT_APPEND)
        pos = file->size_bytes;
    if (end < file->size_bytes)
        end = file->size_bytes;
    all = mem_alloc(end);
    if (file->size_bytes > 0)
        memcpy(all, file->bytes, file->size_bytes);
    if (size_bytes > 0)
        memcpy(all + pos, bytes, size_bytes);
    fake_io_put(fake, file->path, all, end);
    mem_free(all);
}

static void mend_journal(struct fake_file *file)
{
    struct journal_group_head head;

    for (uint64_t pos = 0; pos + IO_ALIGN <= file->size_bytes;) {
        uint8_t *bytes = file->bytes + pos;
        if (journal_format_read_head(bytes, file->size_bytes - pos, &head) != OK)
            return;
        journal_format_seal(&head, &(struct iovec){.iov_base = bytes, .iov_len = head.size_bytes},
                            1);
        pos += journal_format_round_up(head.size_bytes);
    }
}

static void mend_marks(struct fake_file *file)
{
    uint64_t own_bytes;

    if (file->size_bytes < MARKS_OLD_HEAD_BYTES)
        return;
    own_bytes = little_endian_get_u64(file->bytes + 16);
    little_endian_put_u64(file->bytes + 8, 0);
    little_endian_put_u64(
        file->bytes + 8,
        XXH3_64bits(file->bytes, own_bytes < file->size_bytes ? own_bytes : file->size_bytes));
}

static void mend_batches(struct fake_file *file)
{
    struct batch_header header;

    for (uint64_t pos = 0; pos < file->size_bytes &&
                           batch_parse(file->bytes + pos, file->size_bytes - pos, &header) == OK;
         pos += header.size_bytes)
        batch_set_crc(file->bytes + pos, header.size_bytes);
}

static void mend_window(struct fake_file *file)
{
    if (file->size_bytes >= 16)
        little_endian_put_u32(file->bytes + 12, crc32c(0, file->bytes + 16, file->size_bytes - 16));
}

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static void mend(struct fake_io *fake, uint8_t choice)
{
    for (uint32_t i = 0; i < FAKE_FILES_MAX; i++) {
        struct fake_file *file = &fake->files[i];
        if (!file->exists)
            continue;
        if ((choice & MEND_JOURNAL) && strncmp(file->path, "d/journal-", 10) == 0)
            mend_journal(file);
        else if ((choice & MEND_MARKS) && strncmp(file->path, "d/marks-", 8) == 0)
            mend_marks(file);
        else if ((choice & MEND_BATCHES) && ends_with(file->path, ".log"))
            mend_batches(file);
        else if ((choice & MEND_PRODUCERS) && ends_with(file->path, ".levee-window"))
            mend_window(file);
    }
}

static void put_files(struct fake_io *fake, const struct directory *directory)
{
    for (uint32_t i = 0; i < directory->count; i++)
        fake_io_put(fake, directory->files[i].path, directory->files[i].bytes,
                    directory->files[i].size_bytes);
}

static void edit_files(struct fake_io *fake, const struct directory *directory, const uint8_t *data,
                       size_t size_bytes)
{
    for (int i = 0; i < EDITS_MAX && size_bytes >= EDIT_BYTES; i++) {
        const uint8_t *edit = data;
        struct fake_file *file =
            fake_io_file(fake, directory->files[edit[0] % directory->count].path);
        uint8_t some_bytes = edit[4];
        data += EDIT_BYTES;
        size_bytes -= EDIT_BYTES;
        if (some_bytes > size_bytes)
            some_bytes = (uint8_t)size_bytes;
        if (file != NULL)
            edit_file(fake, file, edit, data, some_bytes);
        data += some_bytes;
        size_bytes -= some_bytes;
    }
}

/* ---- what a start makes of it */

struct content {
    struct log_offsets offsets;
    XXH64_hash_t hash;
    enum err err;
    uint32_t batches;
};

static bool add_batch(void *context, const uint8_t *batch, uint32_t size_bytes)
{
    struct content *content = context;
    struct batch_header header;

    check(batch_parse(batch, size_bytes, &header) == OK);
    check(header.size_bytes == size_bytes);
    content->hash = XXH3_64bits_withSeed(batch, size_bytes, content->hash);
    content->batches++;
    return true;
}

static struct content look(struct life *life)
{
    struct content content = {.offsets = log_offsets(life->log)};

    check(content.offsets.log_start >= 0);
    check(content.offsets.log_start <= content.offsets.log_end);
    check(content.offsets.high_watermark <= content.offsets.log_end);
    check(content.offsets.durable <= content.offsets.log_end);
    content.err = log_scan(life->log, content.offsets.log_start, add_batch, &content);
    return content;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    const struct directory *directory;
    struct life *life;

    if (directories[0].count == 0)
        for (uint32_t i = 0; i < DIRECTORY_COUNT; i++)
            make_directory(i);
    if (size_bytes < 2)
        return 0;
    directory = &directories[data[0] % DIRECTORY_COUNT];
    life = life_create();
    put_files(&life->fake, directory);
    edit_files(&life->fake, directory, data + 2, size_bytes - 2);
    mend(&life->fake, data[1]);
    if (life_start(life) == OK && life->log != NULL) {
        struct content first = look(life);
        struct content again;
        if (size_bytes == 2) { /* nothing was damaged */
            check(first.err == OK && first.batches > 0);
            check(first.offsets.log_end >= 40);
        }
        life_end(life, false);
        check(life_start(life) == OK);
        check(life->log != NULL); /* what was served once is served again */
        again = look(life);
        check(again.offsets.log_start == first.offsets.log_start);
        check(again.offsets.log_end == first.offsets.log_end);
        check(again.err == first.err);
        check(again.hash == first.hash);
    } else {
        check(size_bytes > 2);
    }
    life_end(life, false);
    life_destroy(life);
    return 0;
}

/* ---- seeds: few edits near the beginning of a file */

static size_t make_seed(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    uint64_t edits = prng_below(prng, 4);
    size_t pos = 2;

    if (max_bytes < 2 + 4 * (EDIT_BYTES + 8))
        return 0;
    out[0] = (uint8_t)prng_below(prng, DIRECTORY_COUNT);
    out[1] = prng_chance(prng, 3, 4) ? UINT8_MAX : (uint8_t)prng_below(prng, 16);
    for (uint64_t i = 0; i < edits; i++) {
        uint16_t at = (uint16_t)prng_below(prng, prng_chance(prng, 1, 2) ? 256 : 8192);
        out[pos++] = (uint8_t)prng_below(prng, FILES_MAX);
        out[pos++] = (uint8_t)prng_below(prng, EDIT_COUNT);
        out[pos++] = (uint8_t)(at >> 8);
        out[pos++] = (uint8_t)at;
        out[pos++] = 8;
        prng_fill(prng, out + pos, 8);
        pos += 8;
    }
    return pos;
}

FUZZ_SEEDS(make_seed)
