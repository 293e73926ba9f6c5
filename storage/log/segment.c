#include "storage/log/segment.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/small_file.h"
#include "base/sometimes.h"

#include <stdio.h>
#include <string.h>

enum {
    WALK_BYTES = 1 << 20,
    UNSAVED_ENTRIES_MAX = 16,
};

struct segment *segment_create(const struct segment_environment *of, int64_t base_offset)
{
    struct segment *segment = mem_alloc(sizeof(*segment));

    segment->of = of;
    segment->base_offset = base_offset;
    segment->end_offset = base_offset;
    segment->file.fd = -1;
    segment->first_timestamp_ms = -1;
    segment->newest_ms = -1;
    offset_index_init(&segment->index, base_offset, of->config->index_interval_bytes,
                      of->config->segment_index_bytes / OFFSET_INDEX_ENTRY_BYTES);
    time_index_init(&segment->times, base_offset,
                    of->config->segment_index_bytes / TIME_INDEX_ENTRY_BYTES);
    transaction_index_clear(&segment->aborted);
    return segment;
}

void segment_free(struct segment *segment)
{
    check(segment->file.io_count == 0);
    segment_close_file(segment);
    index_cache_forget(segment->of->indexes, &segment->cached);
    index_cache_forget(segment->of->aborted, &segment->aborted_cached);
    offset_index_deinit(&segment->index);
    time_index_deinit(&segment->times);
    transaction_index_deinit(&segment->aborted);
    mem_free(segment->head_block);
    mem_free(segment);
}

void segment_path(const struct segment *segment, enum log_file_kind kind, bool deleted, char *out)
{
    char name[LOG_FILE_NAME_MAX];

    bool is_swap = segment->is_swap && kind <= LOG_FILE_TXN_INDEX;

    log_names_format_file(name, segment->base_offset, kind);
    snprintf(out, LOG_PATH_MAX, "%s/%s%s", segment->of->dir, name,
             deleted   ? ".deleted"
             : is_swap ? ".swap"
                       : "");
}

enum err segment_open_file(struct segment *segment)
{
    char path[LOG_PATH_MAX];

    check(!segment->of->is_closing);
    if (segment->file.fd >= 0) {
        open_files_touch(segment->of->files, &segment->file);
        return OK;
    }
    segment_path(segment, LOG_FILE_LOG, false, path);
    return open_files_open(segment->of->files, &segment->file, path);
}

void segment_close_file(struct segment *segment)
{
    open_files_close(segment->of->files, &segment->file);
}

void segment_io_ended(struct segment *segment)
{
    open_files_io_ended(segment->of->files, &segment->file);
}

void segment_leave_store(struct segment *segment)
{
    index_cache_forget(segment->of->indexes, &segment->cached);
    index_cache_forget(segment->of->aborted, &segment->aborted_cached);
    open_files_leave(segment->of->files, &segment->file);
}

/* ---- reading, now */

static enum err open_to_read(const struct segment *segment, int32_t *fd_out)
{
    struct io *io = segment->of->io;
    char path[LOG_PATH_MAX];

    segment_path(segment, LOG_FILE_LOG, false, path);
    return io->v->file_open(io, path, IO_READ, fd_out);
}

static enum err read_whole(struct io *io, int32_t fd, uint64_t from, uint8_t *bytes,
                           uint32_t size_bytes)
{
    uint32_t done = 0;

    while (done < size_bytes) {
        uint32_t got;
        enum err err = io->v->file_read(io, fd, bytes + done, size_bytes - done, from + done, &got);
        if (err != OK)
            return err;
        if (got == 0)
            return ERR_TRUNCATED;
        done += got;
    }
    return OK;
}

enum err segment_read_now(struct segment *segment, uint64_t from, uint8_t *bytes,
                          uint32_t size_bytes)
{
    struct io *io = segment->of->io;
    int32_t fd;
    enum err err = open_to_read(segment, &fd);

    if (err != OK)
        return err;
    err = read_whole(io, fd, from, bytes, size_bytes);
    io->v->close(io, fd);
    return err;
}

enum err segment_need_head(struct segment *segment)
{
    uint32_t size_bytes = (uint32_t)(segment->written_pos % STORE_BLOCK);
    enum err err;

    if (size_bytes == 0 || segment->head_block != NULL)
        return OK;
    segment->head_block = mem_try_alloc(STORE_BLOCK);
    if (segment->head_block == NULL)
        return ERR_NOMEM;
    err = segment_read_now(segment, segment->written_pos - size_bytes, segment->head_block,
                           size_bytes);
    if (err != OK) {
        mem_free(segment->head_block);
        segment->head_block = NULL;
    }
    return err;
}

/* The batch at pos into a window that holds it whole. */
static enum err walk_window(struct io *io, int32_t fd, uint64_t pos, uint64_t end_pos,
                            uint8_t **window, uint32_t *capacity, uint32_t *size_out)
{
    uint64_t left = end_pos - pos;
    uint32_t want = left < *capacity ? (uint32_t)left : *capacity;
    struct batch_header header;
    uint8_t *larger;
    enum err err = read_whole(io, fd, pos, *window, want);

    if (err != OK)
        return err;
    err = batch_parse_header(*window, want, &header);
    if (err == OK && header.size_bytes > want) {
        if (header.size_bytes > left)
            return ERR_TRUNCATED;
        larger = mem_try_realloc(*window, header.size_bytes);
        if (larger == NULL)
            return ERR_NOMEM;
        *window = larger;
        *capacity = header.size_bytes;
        want = header.size_bytes;
        err = read_whole(io, fd, pos, *window, want);
    }
    *size_out = want;
    return err;
}

enum err segment_walk(struct segment *segment, uint64_t pos, uint64_t end_pos,
                      segment_visit_fn *visit, void *context)
{
    struct io *io = segment->of->io;
    uint32_t capacity = WALK_BYTES;
    uint8_t *window;
    int32_t fd;
    enum err err = OK;
    bool go_on = true;

    if (pos >= end_pos)
        return OK;
    err = open_to_read(segment, &fd);
    if (err != OK)
        return err;
    window = mem_try_alloc(capacity);
    if (window == NULL)
        err = ERR_NOMEM;
    while (err == OK && go_on && pos < end_pos) {
        struct batch_walk walk;
        struct batch_header header;
        const uint8_t *bytes;
        uint32_t size_bytes;
        err = walk_window(io, fd, pos, end_pos, &window, &capacity, &size_bytes);
        if (err != OK)
            break;
        batch_walk_init(&walk, window, size_bytes);
        while (go_on && (err = batch_next(&walk, &header, &bytes)) == OK)
            go_on = visit(context, &header, bytes, pos + (uint64_t)(bytes - window));
        if (err == ERR_NOT_FOUND || (err == ERR_TRUNCATED && walk.pos > 0))
            err = OK; /* the next window begins at what was cut */
        pos += walk.pos;
    }
    io->v->close(io, fd);
    mem_free(window);
    return err;
}

enum err segment_cut_padding(struct segment *segment)
{
    struct io *io = segment->of->io;
    char path[LOG_PATH_MAX];
    int32_t fd;
    enum err err;

    if (!segment->padded || segment->written_pos < segment->size_bytes)
        return OK;
    segment_path(segment, LOG_FILE_LOG, false, path);
    err = io->v->file_open(io, path, IO_WRITE | IO_CREATE, &fd);
    if (err != OK)
        return err;
    err = io->v->file_truncate(io, fd, segment->size_bytes);
    io->v->close(io, fd);
    segment->padded = err != OK;
    return err;
}

/* ---- indexes */

void segment_unload_indexes(struct segment *segment)
{
    check(!segment->indexes_dirty);
    index_cache_forget(segment->of->indexes, &segment->cached);
    offset_index_clear(&segment->index);
    time_index_clear(&segment->times);
    segment->indexes_loaded = false;
}

void segment_unload_cached(struct cached_indexes *indexes)
{
    struct segment *segment = container_of(indexes, struct segment, cached);

    if (!segment->is_active && segment->file.io_count == 0 && !segment->indexes_dirty)
        segment_unload_indexes(segment);
}

static void note_indexes_used(struct segment *segment)
{
    if (!segment->indexes_loaded || segment->indexes_dirty || segment->is_active)
        return;
    index_cache_use(segment->of->indexes, &segment->cached,
                    offset_index_size_bytes(&segment->index) +
                        time_index_size_bytes(&segment->times));
}

void segment_note_first_time(struct segment *segment, int64_t timestamp_ms, bool is_now)
{
    int64_t now_ms;

    if (segment->first_timestamp_ms >= 0 || timestamp_ms < 0)
        return;
    segment->first_timestamp_ms = timestamp_ms;
    now_ms = clock_wall_ms(segment->of->clock);
    if (is_now && timestamp_ms > now_ms)
        segment->first_timestamp_ms = now_ms;
    else if (timestamp_ms > now_ms && timestamp_ms - now_ms > segment->of->config->segment_ms)
        segment->first_timestamp_ms = 0;
}

static bool note_for_index(void *context, const struct batch_header *header, const uint8_t *bytes,
                           uint64_t pos)
{
    struct segment *segment = context;

    time_index_note_batch(&segment->times, header->max_timestamp_ms, batch_last_offset(header));
    if (offset_index_add_batch(&segment->index, batch_last_offset(header), pos, header->size_bytes))
        time_index_add_entry(&segment->times, false);
    segment_note_first_time(segment, header->max_timestamp_ms, false);
    return true;
}

enum err segment_rebuild_indexes(struct segment *segment)
{
    enum err err;

    offset_index_clear(&segment->index);
    time_index_clear(&segment->times);
    segment->index_saved = 0;
    segment->times_saved = 0;
    segment->index_files_true = false;
    segment->indexes_dirty = true;
    err = segment_walk(segment, 0, segment->written_pos, note_for_index, segment);
    list_for_each(node, &segment->of->tail->entries)
    {
        struct tail_entry *entry = container_of(node, struct tail_entry, log_node);
        struct batch_header header;
        if (entry->segment == segment && !entry->written &&
            batch_parse_header(entry->bytes, entry->size_bytes, &header) == OK)
            note_for_index(segment, &header, entry->bytes, entry->pos);
    }
    segment->indexes_loaded = err == OK;
    segment->indexes_rebuilt = true;
    if (err == OK && segment->written_pos > 0) /* the active one's are written at a checkpoint */
        log_line(segment->of->sink, segment->is_active ? LOG_DEBUG : LOG_WARN, "LVE-2210",
                 "indexes of a segment were lost or wrong and were built anew",
                 log_str("dir", segment->of->dir), log_i64("base_offset", segment->base_offset));
    return err;
}

struct time_search {
    struct time_position position;
    bool found;
};

static bool find_time(void *context, const struct batch_header *header, const uint8_t *bytes,
                      uint64_t pos)
{
    struct time_search *search = context;

    search->found = batch_last_offset(header) == search->position.offset &&
                    header->max_timestamp_ms == search->position.timestamp_ms;
    return batch_last_offset(header) < search->position.offset;
}

bool segment_time_is_true(struct segment *segment, const struct time_position *position)
{
    struct time_search search = {.position = *position};

    if (position->timestamp_ms < 0)
        return true;
    return segment_walk(segment, offset_index_find(&segment->index, position->offset).pos,
                        segment->written_pos, find_time, &search) == OK &&
           search.found;
}

/* An index with entries and no time at all: only where no batch has a time. */
static bool last_time_is_true(struct segment *segment)
{
    struct time_position last = time_index_last(&segment->times);

    if (segment->times.count == 0 && segment->index.count > 0)
        return segment->times.max_timestamp_ms < 0 && segment->is_active;
    return segment_time_is_true(segment, &last);
}

/* Batches behind the last index entry, which the time index has not noted. */
static enum err note_rest(struct segment *segment)
{
    struct offset_position last;
    uint64_t pos = 0;

    if (offset_index_last(&segment->index, &last))
        pos = last.pos;
    if (segment->written_pos == 0)
        return OK;
    /* count from the entry on without adding it twice: entries behind it are new ones */
    if (pos > 0)
        offset_index_truncate(&segment->index, last.offset);
    /* the time index may know less than the other one */
    if (offset_index_find(&segment->index, time_index_last(&segment->times).offset).pos < pos)
        pos = offset_index_find(&segment->index, time_index_last(&segment->times).offset).pos;
    return segment_walk(segment, pos, segment->written_pos, note_for_index, segment);
}

static enum err read_first_timestamp(struct segment *segment)
{
    uint8_t bytes[BATCH_HEADER_BYTES];
    struct batch_header header;
    enum err err;

    if (segment->written_pos < BATCH_HEADER_BYTES)
        return OK;
    err = segment_read_now(segment, 0, bytes, sizeof(bytes));
    if (err == OK)
        err = batch_parse_header(bytes, sizeof(bytes), &header);
    if (err == OK)
        segment_note_first_time(segment, header.max_timestamp_ms, false);
    return err;
}

enum err segment_load_indexes(struct segment *segment)
{
    struct io *io = segment->of->io;
    char path[LOG_PATH_MAX];
    uint8_t *bytes = NULL;
    size_t size_bytes = 0;
    bool is_active = segment->is_active;
    bool was_cut = false;
    enum err err;

    if (segment->indexes_loaded) {
        note_indexes_used(segment);
        return OK;
    }
    segment_path(segment, LOG_FILE_INDEX, false, path);
    err = small_file_read(io, path, &bytes, &size_bytes);
    if (err == OK)
        err = offset_index_decode(&segment->index, bytes, size_bytes);
    mem_free(bytes);
    bytes = NULL;
    if (err == OK) {
        segment_path(segment, LOG_FILE_TIME_INDEX, false, path);
        err = small_file_read(io, path, &bytes, &size_bytes);
    }
    if (err == OK)
        err = time_index_decode(&segment->times, bytes, size_bytes);
    mem_free(bytes);
    if (err == OK) {
        /* a checkpoint may have saved entries of batches that are above its mark */
        uint32_t count = segment->index.count + segment->times.count;
        offset_index_truncate(&segment->index, segment->end_offset);
        time_index_truncate(&segment->times, segment->end_offset);
        was_cut = segment->index.count + segment->times.count < count;
    }
    if (err != OK || (was_cut && !is_active) ||
        !offset_index_fits(&segment->index, segment->size_bytes, segment->end_offset - 1) ||
        !time_index_fits(&segment->times, segment->end_offset - 1))
        return segment_rebuild_indexes(segment);
    segment->index_saved = segment->index.count;
    segment->times_saved = segment->times.count;
    segment->index_files_true = true;
    if (segment->first_timestamp_ms < 0)
        err = read_first_timestamp(segment);
    if (err == OK && !last_time_is_true(segment))
        return segment_rebuild_indexes(segment);
    if (err == OK && is_active) {
        if (note_rest(segment) != OK)
            return segment_rebuild_indexes(segment);
        segment->indexes_dirty = true;
        segment->index_saved = 0; /* written whole at the next checkpoint: an entry was redone */
        segment->times_saved = 0;
    }
    segment->indexes_loaded = err == OK;
    note_indexes_used(segment);
    return err;
}

static enum err save(struct io *io, const char *path, const uint8_t *bytes, size_t size_bytes,
                     size_t from)
{
    int32_t fd;
    enum err err =
        io->v->file_open(io, path, IO_WRITE | IO_CREATE | (from == 0 ? IO_TRUNCATE : 0), &fd);

    if (err != OK)
        return err;
    if (size_bytes > from)
        err = io->v->file_write(io, fd, bytes + from, (uint32_t)(size_bytes - from), from);
    if (err == OK)
        err = io->v->file_truncate(io, fd, size_bytes);
    io->v->close(io, fd);
    return err;
}

/* The start walks over the batches behind the last entry of the active segment: a few more of them
 * cost less than two files written at each checkpoint. */
static bool may_wait(const struct segment *segment)
{
    return segment->index_files_true && segment->is_active &&
           segment->index.count < segment->index_saved + UNSAVED_ENTRIES_MAX;
}

enum err segment_save_indexes(struct segment *segment, bool at_end)
{
    struct io *io = segment->of->io;
    char path[LOG_PATH_MAX];
    uint8_t *bytes;
    size_t size_bytes;
    enum err err;

    if (!segment->indexes_loaded || !segment->indexes_dirty || (!at_end && may_wait(segment)))
        return OK;
    if (at_end)
        time_index_add_entry(&segment->times, true);
    size_bytes = offset_index_size_bytes(&segment->index);
    bytes = mem_try_alloc(size_bytes);
    if (bytes == NULL)
        return ERR_NOMEM;
    offset_index_encode(&segment->index, bytes);
    segment_path(segment, LOG_FILE_INDEX, false, path);
    err =
        save(io, path, bytes, size_bytes, (size_t)segment->index_saved * OFFSET_INDEX_ENTRY_BYTES);
    mem_free(bytes);
    if (err != OK)
        return err;
    segment->index_saved = segment->index.count;
    size_bytes = time_index_size_bytes(&segment->times);
    bytes = mem_try_alloc(size_bytes);
    if (bytes == NULL)
        return ERR_NOMEM;
    time_index_encode(&segment->times, bytes);
    segment_path(segment, LOG_FILE_TIME_INDEX, false, path);
    err = save(io, path, bytes, size_bytes, (size_t)segment->times_saved * TIME_INDEX_ENTRY_BYTES);
    mem_free(bytes);
    if (err == OK) {
        segment->times_saved = segment->times.count;
        segment->index_files_true = true;
        segment->indexes_dirty = false;
        note_indexes_used(segment);
    }
    return err;
}
