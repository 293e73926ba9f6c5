#include "storage/journal/journal_extent.h"

#include "base/check.h"
#include "base/mem.h"
#include "storage/journal/journal_entry.h"
#include "storage/journal/journal_format.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE_BYTES = 1 << 20,
    FIRST_BYTES_MAX = 4 << 20,
    RETRY_MS = 5000,
    FRUITLESS_MAX = 16,
    RESERVE_SHARE = 32, /* of an extent that is kept (EXT-4) */
};

/* Never written: its pages are the kernel's zero page. */
static uint8_t zeros[PIECE_BYTES] __attribute__((aligned(IO_ALIGN)));

static char *set_path(struct journal_extents *extents, uint64_t number)
{
    char name[JOURNAL_NAME_MAX];

    journal_format_name(name, extents->options.shard, number);
    snprintf(extents->path, strlen(extents->options.dir) + 1 + JOURNAL_NAME_MAX, "%s/%s",
             extents->options.dir, name);
    return extents->path;
}

static enum err open_file(struct journal_extents *extents, uint64_t number, uint32_t flags,
                          int32_t *fd_out)
{
    struct io *io = extents->loop->io;
    const char *path = set_path(extents, number);
    enum err err;

    if (!extents->direct)
        return io->v->file_open(io, path, flags, fd_out);
    err = io->v->file_open(io, path, flags | IO_DIRECT, fd_out);
    if (err != ERR_INVALID && err != ERR_UNSUPPORTED)
        return err;
    /* refused after the file was created, or before */
    extents->direct = false;
    return io->v->file_open(io, path, flags & ~(uint32_t)IO_EXCLUSIVE, fd_out);
}

static struct journal_extent *extent_create(struct journal_extents *extents, uint64_t number,
                                            uint64_t size_bytes, int32_t fd)
{
    struct journal_extent *extent = mem_alloc(sizeof(*extent));

    *extent = (struct journal_extent){.number = number, .size_bytes = size_bytes, .fd = fd};
    if (number >= extents->next_number)
        extents->next_number = number + 1;
    return extent;
}

static void extent_free(struct journal_extents *extents, struct journal_extent *extent)
{
    extents->loop->io->v->close(extents->loop->io, extent->fd);
    mem_free(extent);
}

static void add_free(struct journal_extents *extents, struct journal_extent *extent)
{
    list_push_back(&extents->free, &extent->node);
    extents->capacity_bytes += extent->size_bytes;
}

/* ---- opening */

struct numbers {
    uint32_t shard;
    uint64_t *numbers;
    uint32_t count;
};

static void on_entry(void *context, const char *name, bool is_dir)
{
    struct numbers *found = context;
    uint32_t shard;
    uint64_t number;

    if (is_dir || journal_format_parse_name(name, &shard, &number) || shard != found->shard)
        return;
    found->numbers = mem_realloc(found->numbers, (found->count + 1) * sizeof(uint64_t));
    found->numbers[found->count++] = number;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* An existing file becomes a free extent; one that is too small (its making was cut short) or too
 * much is removed. */
static enum err adopt(struct journal_extents *extents, uint64_t number)
{
    struct io *io = extents->loop->io;
    uint64_t size_bytes = 0;
    int32_t fd;
    enum err err = open_file(extents, number, IO_WRITE, &fd);

    if (err)
        return err;
    err = io->v->file_size(io, fd, &size_bytes);
    size_bytes = size_bytes / IO_ALIGN * IO_ALIGN;
    if (!err && (size_bytes < extents->first_bytes ||
                 extents->capacity_bytes + size_bytes > extents->options.max_bytes)) {
        io->v->close(io, fd);
        if (number >= extents->next_number)
            extents->next_number = number + 1;
        return io->v->file_unlink(io, extents->path);
    }
    if (!err)
        err = io->v->file_sync(io, fd); /* its size may have been in memory only */
    if (err) {
        io->v->close(io, fd);
        return err;
    }
    add_free(extents, extent_create(extents, number, size_bytes, fd));
    return OK;
}

static enum err create_first(struct journal_extents *extents)
{
    struct io *io = extents->loop->io;
    uint64_t number = extents->next_number;
    int32_t fd;
    enum err err = open_file(extents, number, IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &fd);

    if (err)
        return err;
    for (uint64_t pos = 0; !err && pos < extents->first_bytes; pos += PIECE_BYTES) {
        uint64_t left_bytes = extents->first_bytes - pos;
        err = io->v->file_write(io, fd, zeros,
                                left_bytes < PIECE_BYTES ? (uint32_t)left_bytes : PIECE_BYTES, pos);
    }
    if (!err)
        err = io->v->file_sync(io, fd);
    if (err) {
        io->v->close(io, fd);
        return err;
    }
    add_free(extents, extent_create(extents, number, extents->first_bytes, fd));
    return OK;
}

static enum err adopt_all(struct journal_extents *extents)
{
    struct io *io = extents->loop->io;
    struct numbers found = {.shard = extents->options.shard};
    enum err err = io->v->dir_list(io, extents->options.dir, on_entry, &found);

    if (found.count > 0)
        qsort(found.numbers, found.count, sizeof(uint64_t), compare_numbers);
    for (uint32_t i = 0; !err && i < found.count; i++)
        err = adopt(extents, found.numbers[i]);
    mem_free(found.numbers);
    return err;
}

static void on_retry(struct timer *timer)
{
    journal_extents_tend(container_of(timer, struct journal_extents, retry));
}

enum err journal_extents_open(struct journal_extents *extents, struct loop *loop,
                              const struct journal_extents_options *options,
                              struct journal_stats *stats,
                              void (*changed)(struct journal_extents *extents),
                              void (*failed)(struct journal_extents *extents, enum err err))
{
    uint64_t first_bytes = FIRST_BYTES_MAX;
    enum err err;

    if (options->extent_bytes < first_bytes)
        first_bytes = options->extent_bytes;
    if (options->max_bytes < first_bytes)
        first_bytes = options->max_bytes;
    first_bytes = first_bytes / IO_ALIGN * IO_ALIGN;
    check(first_bytes > 0);
    *extents = (struct journal_extents){
        .loop = loop,
        .options = *options,
        .first_bytes = first_bytes,
        .next_number = 1,
        .direct = true,
        .changed = changed,
        .failed = failed,
        .stats = stats,
        .path = mem_alloc(strlen(options->dir) + 1 + JOURNAL_NAME_MAX),
    };
    list_init(&extents->used);
    list_init(&extents->free);
    timer_init(&extents->retry, on_retry);
    err = adopt_all(extents);
    if (!err && list_is_empty(&extents->free))
        err = create_first(extents);
    if (!err)
        err = loop->io->v->dir_sync(loop->io, options->dir);
    if (err)
        journal_extents_close(extents);
    return err;
}

static void free_all(struct journal_extents *extents, struct list *list)
{
    struct list *node;

    while ((node = list_pop_front(list)) != NULL)
        extent_free(extents, container_of(node, struct journal_extent, node));
}

void journal_extents_close(struct journal_extents *extents)
{
    if (extents->loop == NULL)
        return;
    check(journal_extents_is_idle(extents)); /* IO-2 of io.h */
    loop_cancel_timer(extents->loop, &extents->retry);
    if (extents->growing != NULL) {
        struct io *io = extents->loop->io;
        enum err err = io->v->file_unlink(io, set_path(extents, extents->growing->number));
        (void)err; /* else the next opening finds it too small, or useful */
        extent_free(extents, extents->growing);
    }
    free_all(extents, &extents->used);
    free_all(extents, &extents->free);
    mem_free(extents->path);
    *extents = (struct journal_extents){0};
}

/* ---- placing and releasing */

struct journal_extent *journal_extents_current(struct journal_extents *extents)
{
    return list_is_empty(&extents->used)
               ? NULL
               : container_of(extents->used.prev, struct journal_extent, node);
}

uint64_t journal_extents_reserve_bytes(uint64_t extent_bytes)
{
    uint64_t share_bytes = extent_bytes / RESERVE_SHARE / IO_ALIGN * IO_ALIGN;

    return share_bytes < JOURNAL_RESERVE_BYTES_MAX ? share_bytes : JOURNAL_RESERVE_BYTES_MAX;
}

/* Behind pos, of an extent. */
static bool takes(const struct journal_extent *extent, uint64_t pos, uint64_t size_bytes,
                  bool urgent)
{
    uint64_t kept_bytes = urgent ? 0 : journal_extents_reserve_bytes(extent->size_bytes);

    return extent->size_bytes - pos >= size_bytes + kept_bytes; /* EXT-4 */
}

static struct journal_extent *find_free(const struct journal_extents *extents, uint64_t size_bytes,
                                        bool urgent)
{
    list_for_each(node, &extents->free)
    {
        struct journal_extent *extent = container_of(node, struct journal_extent, node);
        if (takes(extent, 0, size_bytes, urgent))
            return extent;
    }
    return NULL;
}

bool journal_extents_has_room_here(const struct journal_extents *extents, uint64_t size_bytes,
                                   bool urgent)
{
    const struct journal_extent *current;

    if (list_is_empty(&extents->used))
        return false;
    current = container_of(extents->used.prev, struct journal_extent, node);
    return takes(current, current->pos, size_bytes, urgent);
}

bool journal_extents_has_room(const struct journal_extents *extents, uint64_t open_bytes,
                              uint64_t size_bytes, bool urgent)
{
    return journal_extents_has_room_here(extents, open_bytes + size_bytes, urgent) ||
           find_free(extents, size_bytes, urgent) != NULL;
}

uint64_t journal_extents_largest_bytes(const struct journal_extents *extents)
{
    uint64_t max_bytes = extents->options.max_bytes / IO_ALIGN * IO_ALIGN;

    return max_bytes - journal_extents_reserve_bytes(max_bytes);
}

struct journal_extent *journal_extents_place(struct journal_extents *extents, uint64_t size_bytes,
                                             bool urgent)
{
    struct journal_extent *current = journal_extents_current(extents);
    struct journal_extent *next;

    if (journal_extents_has_room_here(extents, size_bytes, urgent)) {
        extents->reserved = true;
        return current;
    }
    next = find_free(extents, size_bytes, urgent);
    if (next == NULL)
        return NULL;
    if (current != NULL)
        extents->used_bytes += current->size_bytes - current->pos; /* EXT-3 */
    list_remove(&next->node);
    next->pos = 0;
    next->last_sequence = 0;
    next->synced_sequence = 0;
    list_push_back(&extents->used, &next->node);
    extents->reserved = true;
    return next;
}

void journal_extents_take(struct journal_extents *extents, uint64_t size_bytes, uint64_t sequence)
{
    struct journal_extent *current = journal_extents_current(extents);

    check(size_bytes % IO_ALIGN == 0 && size_bytes <= current->size_bytes - current->pos);
    check(sequence >= current->last_sequence);
    extents->reserved = false;
    current->pos += size_bytes;
    current->last_sequence = sequence;
    extents->used_bytes += size_bytes;
}

bool journal_extents_release(struct journal_extents *extents, uint64_t sequence)
{
    struct journal_extent *current = journal_extents_current(extents);
    bool freed = false;

    list_for_each_safe(node, &extents->used)
    {
        struct journal_extent *extent = container_of(node, struct journal_extent, node);
        if (extent->last_sequence > sequence || extent == current)
            break;
        list_remove(&extent->node);
        list_push_back(&extents->free, &extent->node); /* EXT-2 */
        extents->used_bytes -= extent->size_bytes;
        freed = true;
    }
    if (current != NULL && current->pos > 0 && current->last_sequence <= sequence) {
        extents->used_bytes -= current->pos;
        current->pos = 0;
        freed = true;
    }
    return freed;
}

struct journal_extent *journal_extents_find(struct journal_extents *extents, uint64_t sequence)
{
    list_for_each(node, &extents->used)
    {
        struct journal_extent *extent = container_of(node, struct journal_extent, node);
        if (extent->last_sequence >= sequence)
            return extent;
    }
    check_failed("a group that is not released stands in an extent", __FILE__, __LINE__);
}

uint64_t journal_extents_limit_bytes(const struct journal_extents *extents)
{
    return extents->stopped || timer_is_set(&extents->retry) ? extents->capacity_bytes
                                                             : extents->options.max_bytes;
}

/* ---- growth: zeros, piece by piece -> syncfs -> free.  What fails is removed. */

void journal_extents_want(struct journal_extents *extents, uint64_t size_bytes)
{
    uint64_t extent_bytes = size_bytes;

    list_for_each(node, &extents->used)
    {
        if (takes(container_of(node, struct journal_extent, node), 0, size_bytes, false))
            return;
    }
    while (extent_bytes - journal_extents_reserve_bytes(extent_bytes) < size_bytes)
        extent_bytes += IO_ALIGN;
    if (find_free(extents, size_bytes, false) == NULL && extent_bytes > extents->wanted_bytes)
        extents->wanted_bytes = extent_bytes;
}

static void on_removed(struct io_op *op, int32_t result)
{
    struct journal_extents *extents = container_of(op, struct journal_extents, op);

    (void)result; /* what stays is adopted or removed by the next opening */
    extents->growth = JOURNAL_GROWTH_NONE;
    journal_extents_tend(extents);
    extents->changed(extents);
}

static void remove_file(struct journal_extents *extents, struct journal_extent *extent)
{
    extents->growth = JOURNAL_GROWTH_REMOVAL;
    set_path(extents, extent->number);
    extent_free(extents, extent);
    io_unlink(extents->loop->io, &extents->op, extents->path, on_removed);
}

static void refuse(struct journal_extents *extents)
{
    extents->stats->extents_refused++;
    if (!extents->stopped)
        loop_set_timer_ms(extents->loop, &extents->retry, RETRY_MS);
}

static void growth_failed(struct journal_extents *extents)
{
    struct journal_extent *extent = extents->growing;

    extents->growing = NULL;
    refuse(extents);
    remove_file(extents, extent);
}

/* Final, as for any write or sync (DUR-F4, DUR-F5).  The file stays until the journal closes:
 * nothing touches the device any more. */
static void fail(struct journal_extents *extents, enum err err)
{
    extents->growth = JOURNAL_GROWTH_NONE;
    journal_extents_stop(extents);
    extents->failed(extents, err);
}

static void on_named(struct io_op *op, int32_t result)
{
    struct journal_extents *extents = container_of(op, struct journal_extents, op);

    if (result < 0) {
        /* It says that some bytes of this file system are lost, and says it once: perhaps those of
         * a segment, which the next mark would vouch for. */
        fail(extents, err_from_errno(-result));
        return;
    }
    if (extents->growing->size_bytes >= extents->wanted_bytes)
        extents->wanted_bytes = 0;
    add_free(extents, extents->growing);
    extents->growing = NULL;
    extents->growth = JOURNAL_GROWTH_NONE;
    extents->stats->extents_made++;
    journal_extents_tend(extents);
    extents->changed(extents);
}

static void on_piece(struct io_op *op, int32_t result)
{
    struct journal_extents *extents = container_of(op, struct journal_extents, op);
    bool transient = result == -EINTR || result == -EAGAIN || (result > 0 && result < IO_ALIGN);

    if (transient ? ++extents->fruitless_count == FRUITLESS_MAX
                  : result == -ENOSPC || result == -EDQUOT || result == -ENOMEM) {
        growth_failed(extents);
        return;
    }
    if (!transient && result <= 0) {
        fail(extents, result == 0 ? ERR_IO : err_from_errno(-result));
        return;
    }
    if (!transient) {
        extents->fruitless_count = 0;
        extents->written_bytes += (uint32_t)result / IO_ALIGN * IO_ALIGN;
    }
    if (extents->written_bytes < extents->growing->size_bytes) {
        journal_extents_tend(extents);
        extents->changed(extents);
        return;
    }
    extents->growth = JOURNAL_GROWTH_NAMING;
    io_syncfs(extents->loop->io, op, extents->growing->fd, on_named);
}

static void write_piece(struct journal_extents *extents)
{
    uint64_t left_bytes = extents->growing->size_bytes - extents->written_bytes;

    extents->vec.iov_base = zeros;
    extents->vec.iov_len = left_bytes < PIECE_BYTES ? left_bytes : PIECE_BYTES;
    io_writev(extents->loop->io, &extents->op, extents->growing->fd, &extents->vec, 1,
              extents->written_bytes, false, on_piece);
}

static uint64_t room_bytes(const struct journal_extents *extents)
{
    return extents->capacity_bytes - extents->used_bytes;
}

/* The size of the extent to make now; 0: none.  Nothing is made before the journal is used. */
static uint64_t size_to_make(const struct journal_extents *extents)
{
    uint64_t budget_bytes = extents->capacity_bytes < extents->options.max_bytes
                                ? extents->options.max_bytes - extents->capacity_bytes
                                : 0;
    uint64_t size_bytes = extents->options.extent_bytes;

    if (extents->wanted_bytes > 0)
        return extents->wanted_bytes > size_bytes || budget_bytes < size_bytes
                   ? extents->wanted_bytes
                   : size_bytes / IO_ALIGN * IO_ALIGN;
    if (extents->used_bytes == 0 || room_bytes(extents) >= extents->options.extent_bytes)
        return 0;
    if (budget_bytes < size_bytes)
        size_bytes = budget_bytes;
    return size_bytes < extents->first_bytes ? 0 : size_bytes / IO_ALIGN * IO_ALIGN;
}

/* A free extent that must go so that a larger one can be made; false: none needs to, or can. */
static bool make_budget(struct journal_extents *extents, uint64_t size_bytes)
{
    struct list *node;

    if (extents->capacity_bytes + size_bytes <= extents->options.max_bytes)
        return false;
    node = list_pop_front(&extents->free);
    if (node == NULL) {
        /* the current one, when it begins anew, is as good as free */
        struct journal_extent *current = journal_extents_current(extents);
        if (current == NULL || current->pos > 0 || extents->reserved)
            return false;
        node = &current->node;
        list_remove(node);
    }
    extents->capacity_bytes -= container_of(node, struct journal_extent, node)->size_bytes;
    remove_file(extents, container_of(node, struct journal_extent, node));
    return true;
}

static void begin_growth(struct journal_extents *extents)
{
    uint64_t size_bytes = size_to_make(extents);
    uint64_t number = extents->next_number;
    int32_t fd;

    if (size_bytes == 0 || make_budget(extents, size_bytes))
        return; /* when that file is gone we come again */
    if (extents->capacity_bytes + size_bytes > extents->options.max_bytes)
        return; /* a release makes room */
    if (open_file(extents, number, IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &fd)) {
        extents->next_number++; /* not twice the same obstacle */
        refuse(extents);
        return;
    }
    extents->growing = extent_create(extents, number, size_bytes, fd);
    extents->growth = JOURNAL_GROWTH_ZEROS;
    extents->written_bytes = 0;
    extents->fruitless_count = 0;
}

void journal_extents_tend(struct journal_extents *extents)
{
    bool urgent =
        extents->wanted_bytes > 0 || room_bytes(extents) < extents->options.extent_bytes / 4;

    if (extents->stopped || extents->op.in_flight || timer_is_set(&extents->retry))
        return;
    if (extents->growth == JOURNAL_GROWTH_NONE)
        begin_growth(extents);
    if (extents->growth == JOURNAL_GROWTH_ZEROS && (!extents->busy || urgent))
        write_piece(extents);
}

void journal_extents_stop(struct journal_extents *extents)
{
    extents->stopped = true;
    loop_cancel_timer(extents->loop, &extents->retry);
}
