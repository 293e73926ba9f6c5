#include "storage/dir/marks.h"

#include "base/check.h"
#include "base/hash_map.h"
#include "base/mem.h"
#include "base/whole_write.h"
#include "storage/dir/marks_format.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
    SLOT_BYTES_MAX = 1 << 30, /* 16 million partitions */
};

enum { KEY_BYTES = offsetof(struct mark, partition) + sizeof(int32_t) };
_Static_assert(KEY_BYTES == 20 && offsetof(struct mark, topic_id) == 0, "no gap in the key");

static char *path_of(const char *dir, uint32_t shard, uint32_t slot)
{
    size_t path_bytes = strlen(dir) + 1 + MARKS_NAME_MAX;
    char *path = mem_alloc(path_bytes);
    char name[MARKS_NAME_MAX];

    marks_format_name(name, shard, slot);
    snprintf(path, path_bytes, "%s/%s", dir, name);
    return path;
}

/* ---- reading */

enum slot_state {
    SLOT_MISSING, /* or never written: empty */
    SLOT_GOOD,
    SLOT_BAD,
};

struct slot {
    enum slot_state state;
    struct marks marks; /* when good */
};

static enum err read_all(struct io *io, int32_t fd, uint8_t *bytes, size_t size_bytes,
                         size_t *read_out)
{
    size_t done_bytes = 0;

    while (done_bytes < size_bytes) {
        uint32_t read_bytes = 0;
        enum err err =
            io->v->file_read(io, fd, bytes + done_bytes, (uint32_t)(size_bytes - done_bytes),
                             done_bytes, &read_bytes);
        if (err)
            return err;
        if (read_bytes == 0)
            break;
        done_bytes += read_bytes;
    }
    *read_out = done_bytes;
    return OK;
}

static enum err read_slot(struct io *io, int32_t fd, uint32_t shard, struct slot *out)
{
    uint64_t size_bytes = 0;
    size_t read_bytes = 0;
    uint8_t *bytes;
    enum err err = io->v->file_size(io, fd, &size_bytes);

    if (err)
        return err;
    *out = (struct slot){.state = size_bytes == 0 ? SLOT_MISSING : SLOT_BAD};
    if (size_bytes == 0)
        return OK;
    if (size_bytes > SLOT_BYTES_MAX)
        size_bytes = SLOT_BYTES_MAX;
    bytes = mem_try_alloc(size_bytes);
    if (bytes == NULL)
        return ERR_NOMEM;
    err = read_all(io, fd, bytes, size_bytes, &read_bytes);
    if (!err)
        err = marks_format_decode(bytes, read_bytes, &out->marks);
    mem_free(bytes);
    if (err == ERR_CORRUPT)
        return OK;
    if (err)
        return err;
    if (out->marks.shard == shard)
        out->state = SLOT_GOOD;
    else
        mem_free(out->marks.marks); /* another shard's file under this name */
    return OK;
}

static enum err open_and_read_slot(struct io *io, const char *dir, uint32_t shard, uint32_t slot,
                                   struct slot *out)
{
    char *path = path_of(dir, shard, slot);
    int32_t fd;
    enum err err = io->v->file_open(io, path, IO_READ, &fd);

    mem_free(path);
    *out = (struct slot){.state = SLOT_MISSING};
    if (err)
        return err == ERR_NOT_FOUND ? OK : err;
    err = read_slot(io, fd, shard, out);
    io->v->close(io, fd);
    return err;
}

static void free_slot(struct slot *slot)
{
    if (slot->state == SLOT_GOOD)
        mem_free(slot->marks.marks);
    slot->state = SLOT_MISSING;
}

/* The slot to believe: 0 or 1; -1: no marks were ever completed.  ERR_CORRUPT. */
static enum err choose_slot(const struct slot slots[static MARKS_SLOT_COUNT], int *out)
{
    bool good0 = slots[0].state == SLOT_GOOD;
    bool good1 = slots[1].state == SLOT_GOOD;

    if (good0 && good1)
        *out = slots[1].marks.generation > slots[0].marks.generation;
    else if (good0 || good1)
        *out = good1;
    else if (slots[1].state == SLOT_MISSING)
        *out = -1; /* slot 1 is written once slot 0 is durable: a first write that did not finish */
    else
        return ERR_CORRUPT;
    return OK;
}

struct marks_set {
    struct marks *shards;
    uint32_t count;
    uint32_t *found; /* shards that have files */
    uint32_t found_count;
    struct hash_map by_partition; /* to struct mark */
};

static void on_entry(void *context, const char *name, bool is_dir)
{
    struct marks_set *set = context;
    uint32_t shard;
    uint32_t slot;

    if (is_dir || marks_format_parse_name(name, &shard, &slot))
        return;
    for (uint32_t i = 0; i < set->found_count; i++) {
        if (set->found[i] == shard)
            return;
    }
    set->found = mem_realloc(set->found, (set->found_count + 1) * sizeof(uint32_t));
    set->found[set->found_count++] = shard;
}

static enum err load_shard(struct marks_set *set, struct io *io, const char *dir, uint32_t shard)
{
    struct slot slots[MARKS_SLOT_COUNT] = {{0}};
    int chosen = -1;
    enum err err = open_and_read_slot(io, dir, shard, 0, &slots[0]);

    if (!err)
        err = open_and_read_slot(io, dir, shard, 1, &slots[1]);
    if (!err)
        err = choose_slot(slots, &chosen);
    if (!err && chosen >= 0) {
        set->shards = mem_realloc(set->shards, (set->count + 1) * sizeof(struct marks));
        set->shards[set->count++] = slots[chosen].marks;
        slots[chosen].state = SLOT_MISSING; /* the set's now */
    }
    free_slot(&slots[0]);
    free_slot(&slots[1]);
    return err;
}

/* By generation, so that of a partition's marks the newest is entered last; few shards. */
static void sort_by_generation(struct marks_set *set)
{
    for (uint32_t i = 1; i < set->count; i++) {
        struct marks marks = set->shards[i];
        uint32_t at = i;
        for (; at > 0 && (set->shards[at - 1].generation > marks.generation ||
                          (set->shards[at - 1].generation == marks.generation &&
                           set->shards[at - 1].shard > marks.shard));
             at--)
            set->shards[at] = set->shards[at - 1];
        set->shards[at] = marks;
    }
}

static enum err index_marks(struct marks_set *set)
{
    for (uint32_t s = 0; s < set->count; s++) {
        for (uint32_t i = 0; i < set->shards[s].count; i++) {
            struct mark *mark = &set->shards[s].marks[i];
            (void)hash_map_remove(&set->by_partition, mark, KEY_BYTES);
            if (hash_map_insert(&set->by_partition, mark, KEY_BYTES, mark))
                return ERR_NOMEM;
        }
    }
    return OK;
}

enum err marks_load(struct io *io, const char *dir, struct marks_set **out)
{
    struct marks_set *set = mem_alloc(sizeof(*set));
    enum err err;

    hash_map_init(&set->by_partition, 0);
    err = io->v->dir_list(io, dir, on_entry, set);
    for (uint32_t i = 0; !err && i < set->found_count; i++)
        err = load_shard(set, io, dir, set->found[i]);
    sort_by_generation(set);
    if (!err)
        err = index_marks(set);
    if (err) {
        marks_set_free(set);
        return err;
    }
    *out = set;
    return OK;
}

void marks_set_free(struct marks_set *set)
{
    if (set == NULL)
        return;
    hash_map_deinit(&set->by_partition);
    for (uint32_t i = 0; i < set->count; i++)
        mem_free(set->shards[i].marks);
    mem_free(set->shards);
    mem_free(set->found);
    mem_free(set);
}

bool marks_set_is_clean(const struct marks_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (!set->shards[i].clean)
            return false;
    return set->count > 0;
}

uint32_t marks_set_shard_count(const struct marks_set *set)
{
    return set->count;
}

const struct marks *marks_set_at(const struct marks_set *set, uint32_t index)
{
    check(index < set->count);
    return &set->shards[index];
}

const struct marks *marks_set_of(const struct marks_set *set, uint32_t shard)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->shards[i].shard == shard)
            return &set->shards[i];
    }
    return NULL;
}

uint64_t marks_set_generation(const struct marks_set *set)
{
    return set->count > 0 ? set->shards[set->count - 1].generation : 0;
}

uint32_t marks_set_missing_count(const struct marks_set *set)
{
    const struct marks *first = marks_set_of(set, 0);
    uint32_t expected = first != NULL ? first->shard_count : 0;
    uint32_t present = 0;

    for (uint32_t i = 0; i < set->count; i++)
        present += set->shards[i].shard < expected;
    return expected - present;
}

const struct mark *marks_find(const struct marks_set *set, const struct uuid *topic_id,
                              int32_t partition)
{
    struct mark key = {.topic_id = *topic_id, .partition = partition};

    return hash_map_find(&set->by_partition, &key, KEY_BYTES);
}

static enum err remove_slots(struct io *io, const char *dir, const struct marks_set *found,
                             uint32_t shard_count, uint32_t slot)
{
    bool removed = false;
    enum err err = OK;

    for (uint32_t i = 0; !err && i < found->found_count; i++) {
        char *path;
        if (found->found[i] < shard_count)
            continue;
        path = path_of(dir, found->found[i], slot);
        err = io->v->file_unlink(io, path);
        removed = removed || err == OK;
        if (err == ERR_NOT_FOUND)
            err = OK;
        mem_free(path);
    }
    return err || !removed ? err : io->v->dir_sync(io, dir);
}

enum err marks_remove_others(struct io *io, const char *dir, uint32_t shard_count)
{
    struct marks_set found = {0};
    enum err err = io->v->dir_list(io, dir, on_entry, &found);

    if (!err)
        err = remove_slots(io, dir, &found, shard_count, 1);
    if (!err)
        err = remove_slots(io, dir, &found, shard_count, 0);
    mem_free(found.found);
    return err;
}

/* ---- writing */

struct marks_writer {
    struct loop *loop;
    uint32_t shard;
    int32_t fds[MARKS_SLOT_COUNT];
    bool has_good[MARKS_SLOT_COUNT];
    uint32_t next_slot;
    uint64_t next_generation;
    enum err failed;       /* final */
    enum err refused_with; /* what refused is about to tell */
    struct whole_write write;
    uint8_t *bytes; /* while writing */
    size_t size_bytes;
    struct task refused; /* done after a failure, from the loop */
    void (*done)(void *context, enum err err);
    void *context;
};

static void on_refused(struct task *task)
{
    struct marks_writer *writer = container_of(task, struct marks_writer, refused);
    void (*done)(void *context, enum err err) = writer->done;

    writer->done = NULL;
    if (done != NULL)
        done(writer->context, writer->refused_with);
}

static enum err open_slot(struct marks_writer *writer, const char *dir, uint32_t slot,
                          struct slot *out)
{
    struct io *io = writer->loop->io;
    char *path = path_of(dir, writer->shard, slot);
    enum err err = io->v->file_open(io, path, IO_WRITE | IO_CREATE, &writer->fds[slot]);

    mem_free(path);
    return err ? err : read_slot(io, writer->fds[slot], writer->shard, out);
}

enum err marks_writer_open(struct loop *loop, const char *dir, uint32_t shard,
                           uint64_t next_generation, struct marks_writer **out)
{
    struct marks_writer *writer = mem_alloc(sizeof(*writer));
    struct slot slots[MARKS_SLOT_COUNT] = {{0}};
    int chosen = -1;
    enum err err;

    *writer = (struct marks_writer){
        .loop = loop,
        .shard = shard,
        .fds = {-1, -1},
        .next_generation = next_generation,
        .refused.run = on_refused,
    };
    err = open_slot(writer, dir, 0, &slots[0]);
    if (!err)
        err = open_slot(writer, dir, 1, &slots[1]);
    if (!err)
        err = loop->io->v->dir_sync(loop->io, dir);
    if (!err)
        err = choose_slot(slots, &chosen);
    if (!err && chosen >= 0 && slots[chosen].marks.generation >= next_generation)
        err = ERR_INVALID;
    writer->has_good[0] = slots[0].state == SLOT_GOOD;
    writer->has_good[1] = slots[1].state == SLOT_GOOD;
    writer->next_slot = chosen == 0 ? 1 : 0;
    free_slot(&slots[0]);
    free_slot(&slots[1]);
    if (err) {
        marks_writer_close(writer);
        return err;
    }
    *out = writer;
    return OK;
}

void marks_writer_close(struct marks_writer *writer)
{
    if (writer == NULL)
        return;
    check(!writer->write.op.in_flight); /* IO-2 of io.h */
    if (list_is_linked(&writer->refused.node))
        list_remove(&writer->refused.node);
    for (uint32_t i = 0; i < MARKS_SLOT_COUNT; i++) {
        if (writer->fds[i] >= 0)
            writer->loop->io->v->close(writer->loop->io, writer->fds[i]);
    }
    mem_free(writer->bytes);
    mem_free(writer);
}

/* Into writer->bytes, with the next generation.  ERR_NOMEM. */
static enum err encode(struct marks_writer *writer, const struct marks *content)
{
    struct marks marks = *content;

    marks.shard = writer->shard;
    check(marks.first_sequence >= 1);
    check(marks.count <= (SLOT_BYTES_MAX - MARKS_HEAD_BYTES) / MARKS_MARK_BYTES);
    writer->size_bytes = marks_format_size(marks.count);
    writer->bytes = mem_try_alloc(writer->size_bytes);
    if (writer->bytes == NULL)
        return ERR_NOMEM;
    marks_format_encode(&marks, writer->next_generation, writer->bytes);
    return OK;
}

/* The slot that was next is durable, or torn.  A lack of space is not final: the other slot counts,
 * and the next marks are written into this one from its beginning. */
static void finish_slot(struct marks_writer *writer, enum err err)
{
    writer->has_good[writer->next_slot] = err == OK;
    if (err == OK)
        writer->next_slot = 1 - writer->next_slot;
    else if (err != ERR_NOSPACE)
        writer->failed = err;
}

/* All slots that these marks go to are. */
static void finish_marks(struct marks_writer *writer)
{
    mem_free(writer->bytes);
    writer->bytes = NULL;
    writer->next_generation++;
}

static void on_written(struct whole_write *write, enum err err)
{
    struct marks_writer *writer = container_of(write, struct marks_writer, write);
    void (*done)(void *context, enum err err) = writer->done;

    finish_slot(writer, err);
    finish_marks(writer);
    writer->done = NULL;
    if (done != NULL)
        done(writer->context, err);
}

void marks_write(struct marks_writer *writer, const struct marks *content,
                 void (*done)(void *context, enum err err), void *context)
{
    check(!writer->write.op.in_flight && writer->done == NULL);
    check(writer->failed || writer->has_good[1 - writer->next_slot]); /* not the first write */
    writer->done = done;
    writer->context = context;
    writer->refused_with = writer->failed;
    if (writer->failed == OK)
        writer->refused_with = encode(writer, content);
    if (writer->refused_with == OK)
        whole_write_bytes(&writer->write, writer->loop->io, writer->fds[writer->next_slot],
                          writer->bytes, writer->size_bytes, 0, true, 1, on_written);
    else
        loop_defer(writer->loop, &writer->refused);
}

static enum err write_slot_now(struct marks_writer *writer)
{
    struct io *io = writer->loop->io;
    int32_t fd = writer->fds[writer->next_slot];
    enum err err = io->v->file_write(io, fd, writer->bytes, (uint32_t)writer->size_bytes, 0);

    if (!err)
        err = io->v->file_sync(io, fd);
    finish_slot(writer, err);
    return err;
}

/* There must be two when one is damaged.  They have one generation: with a second one they would be
 * as new as another shard's next marks, which know more. */
static enum err write_now(struct marks_writer *writer, const struct marks *content, bool both)
{
    enum err err;

    check(!writer->write.op.in_flight && writer->done == NULL);
    if (writer->failed)
        return writer->failed;
    err = encode(writer, content);
    if (err != OK)
        return err;
    err = write_slot_now(writer);
    if (err == OK && (both || !writer->has_good[writer->next_slot]))
        err = write_slot_now(writer);
    finish_marks(writer);
    return err;
}

enum err marks_write_now(struct marks_writer *writer, const struct marks *content)
{
    return write_now(writer, content, false);
}

enum err marks_write_last(struct marks_writer *writer, const struct marks *content)
{
    return write_now(writer, content, true);
}
