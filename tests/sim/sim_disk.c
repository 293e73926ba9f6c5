#include "tests/sim/sim_disk.h"

#include "base/check.h"
#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

enum { MILLION = 1000000 };

void sim_disk_options_init(struct sim_disk_options *options)
{
    *options = (struct sim_disk_options){
        .unit_bytes = SIM_SECTOR_BYTES,
        .read_time = {20 * SIM_US, 200 * SIM_US},
        .write_time = {20 * SIM_US, 300 * SIM_US},
        .sync_time = {100 * SIM_US, 3 * SIM_MS},
        .stall_time = {10 * SIM_MS, SIM_SECOND},
        .writeback_ppm = 250000,
        .loss = {.garbage_ppm = 300000},
    };
}

static uint32_t draw_rate(struct prng *prng, uint32_t max_ppm)
{
    uint32_t rate = 1 + (uint32_t)prng_below(prng, max_ppm);

    return prng_chance(prng, 1, 2) ? rate : 0;
}

void sim_disk_options_draw(struct sim_disk_options *options, struct prng *prng)
{
    uint64_t slowness = 1U << prng_below(prng, 6);

    sim_disk_options_init(options);
    options->unit_bytes = prng_chance(prng, 1, 2) ? SIM_SECTOR_BYTES : SIM_PAGE_BYTES;
    options->read_time.max_ns *= slowness;
    options->write_time.max_ns *= slowness;
    options->sync_time.max_ns *= slowness;
    options->stall_time.max_ns = SIM_SECOND << prng_below(prng, 6);
    options->stall_ppm = draw_rate(prng, 500);
    options->read_error_ppm = draw_rate(prng, 1000);
    options->write_error_ppm = draw_rate(prng, 500);
    options->sync_error_ppm = draw_rate(prng, 1000);
    options->space_error_ppm = draw_rate(prng, 500);
    options->other_error_ppm = draw_rate(prng, 500);
    options->short_read_ppm = draw_rate(prng, 50000);
    options->short_write_ppm = draw_rate(prng, 50000);
    options->transient_ppm = draw_rate(prng, 2000);
    options->evict_ppm = draw_rate(prng, 100000);
    options->loss.garbage_ppm = draw_rate(prng, MILLION);
    options->loss.damage_ppm = draw_rate(prng, 100000);
}

void sim_disk_init(struct sim_disk *disk, uint32_t id, struct sim_queue *queue, struct clock *clock,
                   const struct sim_disk_options *options, const struct prng *seed)
{
    *disk = (struct sim_disk){.queue = queue, .clock = clock, .id = id, .options = *options};
    if (disk->options.unit_bytes == 0)
        disk->options.unit_bytes = SIM_SECTOR_BYTES;
    if (disk->options.capacity_bytes == 0)
        disk->options.capacity_bytes = 1ULL << 40;
    prng_fork(seed, "disk time", &disk->time_prng);
    prng_fork(seed, "disk faults", &disk->fault_prng);
    prng_fork(seed, "disk images", &disk->image_prng);
    sim_tree_init(&disk->tree, disk->options.unit_bytes);
    disk->next_write_id = 1;
    list_init(&disk->held);
}

void sim_disk_deinit(struct sim_disk *disk)
{
    check(list_is_empty(&disk->held));
    sim_tree_deinit(&disk->tree);
}

/* --- faults --- */

void sim_disk_fail_nth(struct sim_disk *disk, enum sim_disk_op op, uint64_t skip, int error)
{
    disk->planned[op].error = error;
    disk->planned[op].skip = skip;
}

void sim_disk_fail_next(struct sim_disk *disk, enum sim_disk_op op, int error)
{
    sim_disk_fail_nth(disk, op, 0, error);
}

void sim_disk_cap_next(struct sim_disk *disk, enum sim_disk_op op, uint32_t size_bytes)
{
    disk->planned[op].capped = true;
    disk->planned[op].cap_bytes = size_bytes;
}

void sim_disk_set_read_only(struct sim_disk *disk, bool read_only)
{
    disk->read_only = read_only;
}

static bool by_chance(struct sim_disk *disk, uint32_t ppm)
{
    return ppm > 0 && prng_chance(&disk->fault_prng, ppm, MILLION);
}

static int count_fault(struct sim_disk *disk, enum sim_disk_op op, int error)
{
    struct sim_stats *stats = &disk->queue->stats;

    if (error == ENOSPC || error == EDQUOT)
        stats->space_errors++;
    else if (error == EINTR || error == EAGAIN)
        stats->transient_errors++;
    else if (op == SIM_READ)
        stats->read_errors++;
    else if (op == SIM_WRITE)
        stats->write_errors++;
    else if (op == SIM_SYNC || op == SIM_SYNCFS || op == SIM_DIR_SYNC)
        stats->sync_errors++;
    else
        stats->other_errors++;
    sim_queue_note(disk->queue, "disk fault", disk->id, op, (uint64_t)error, 0);
    return -error;
}

static int random_fault(struct sim_disk *disk, enum sim_disk_op op)
{
    const struct sim_disk_options *options = &disk->options;

    switch (op) {
    case SIM_READ:
        if (by_chance(disk, options->transient_ppm))
            return prng_chance(&disk->fault_prng, 1, 2) ? EINTR : EAGAIN;
        return by_chance(disk, options->read_error_ppm) ? EIO : 0;
    case SIM_WRITE:
        if (by_chance(disk, options->transient_ppm))
            return prng_chance(&disk->fault_prng, 1, 2) ? EINTR : EAGAIN;
        if (by_chance(disk, options->space_error_ppm))
            return ENOSPC;
        return by_chance(disk, options->write_error_ppm) ? EIO : 0;
    case SIM_SYNC:
    case SIM_SYNCFS:
    case SIM_DIR_SYNC:
        if (by_chance(disk, options->sync_error_ppm))
            return prng_chance(&disk->fault_prng, 1, 4) ? ENOSPC : EIO;
        return 0;
    default:
        return by_chance(disk, options->other_error_ppm) ? EIO : 0;
    }
}

/* 0, or the negative errno value that this operation ends with. */
static int fault_of(struct sim_disk *disk, enum sim_disk_op op)
{
    int error = disk->planned[op].error;

    if (disk->read_only && op != SIM_READ && op != SIM_SYNC && op != SIM_SYNCFS &&
        op != SIM_DIR_SYNC && op != SIM_OPEN)
        return -EROFS;
    if (error != 0 && disk->planned[op].skip-- == 0) {
        disk->planned[op].error = 0;
        return count_fault(disk, op, error);
    }
    error = random_fault(disk, op);
    return error != 0 ? count_fault(disk, op, error) : 0;
}

/* How many of size_bytes a read or write moves this time. */
static uint32_t short_of(struct sim_disk *disk, enum sim_disk_op op, uint32_t size_bytes,
                         bool direct)
{
    uint32_t ppm = op == SIM_READ ? disk->options.short_read_ppm : disk->options.short_write_ppm;
    uint32_t step = direct ? IO_ALIGN : 1; /* the rest must stay aligned */
    uint32_t moved = size_bytes;

    if (disk->planned[op].capped) {
        disk->planned[op].capped = false;
        if (disk->planned[op].cap_bytes < moved)
            moved = disk->planned[op].cap_bytes;
    } else if (size_bytes > step && by_chance(disk, ppm)) {
        moved = step * (1 + (uint32_t)prng_below(&disk->fault_prng, (size_bytes - 1) / step));
    }
    if (moved < size_bytes) {
        if (op == SIM_READ)
            disk->queue->stats.short_reads++;
        else
            disk->queue->stats.short_writes++;
    }
    return moved;
}

/* --- data --- */

void sim_disk_retain(struct sim_disk *disk, uint64_t inode)
{
    sim_tree_inode(&disk->tree, inode)->open_count++;
}

void sim_disk_release(struct sim_disk *disk, uint64_t inode)
{
    struct sim_inode *file = sim_tree_inode(&disk->tree, inode);

    check(file->open_count > 0);
    file->open_count--;
}

static void touch(struct sim_disk *disk, struct sim_inode *inode)
{
    inode->mtime_ms = clock_wall_ms(disk->clock);
}

int sim_disk_open(struct sim_disk *disk, const char *path, uint32_t flags, uint64_t *inode_out)
{
    struct sim_place place;
    int res = sim_tree_look(&disk->tree, SIM_CACHED, path, &place);

    if (res != 0)
        return res;
    if (place.inode == 0 && (flags & SIM_OPEN_CREATE) == 0)
        return -ENOENT;
    if (place.inode != 0 && (flags & SIM_OPEN_EXCLUSIVE) != 0)
        return -EEXIST;
    if (place.inode != 0 && sim_tree_inode(&disk->tree, place.inode)->is_dir)
        return -EISDIR;
    if (disk->read_only && (place.inode == 0 || (flags & SIM_OPEN_TRUNCATE) != 0))
        return -EROFS;
    res = fault_of(disk, SIM_OPEN);
    if (res != 0)
        return res;
    if (place.inode == 0) {
        place.inode = sim_tree_create(&disk->tree, &place, false);
        touch(disk, sim_tree_inode(&disk->tree, place.inode));
    } else if ((flags & SIM_OPEN_TRUNCATE) != 0) {
        sim_file_truncate(&sim_tree_inode(&disk->tree, place.inode)->file, 0);
    }
    sim_disk_retain(disk, place.inode);
    *inode_out = place.inode;
    return 0;
}

static bool is_aligned(const void *bytes, uint64_t size_bytes, uint64_t pos)
{
    return (uintptr_t)bytes % IO_ALIGN == 0 && size_bytes % IO_ALIGN == 0 && pos % IO_ALIGN == 0;
}

int32_t sim_disk_read(struct sim_disk *disk, uint64_t inode, bool direct, void *bytes,
                      uint32_t size_bytes, uint64_t pos)
{
    struct sim_file *file = &sim_tree_inode(&disk->tree, inode)->file;
    int fault = fault_of(disk, SIM_READ);
    uint32_t moved;

    check(!direct || is_aligned(bytes, size_bytes, pos)); /* O_DIRECT: see enum io_open_flags */
    if (fault != 0)
        return fault;
    if (by_chance(disk, disk->options.evict_ppm))
        sim_file_evict(file);
    moved = short_of(disk, SIM_READ, size_bytes, direct);
    return (int32_t)sim_file_read(file, direct ? SIM_DEVICE : SIM_CACHED, pos, bytes, moved);
}

static uint64_t used_pages(const struct sim_disk *disk)
{
    uint64_t pages = 0;

    for (uint64_t i = SIM_ROOT; i < disk->tree.inodes_count; i++) {
        const struct sim_inode *inode = disk->tree.inodes[i];
        if (inode != NULL && (inode->has_name || inode->open_count > 0))
            pages += inode->file.allocated_pages;
    }
    return pages;
}

uint64_t sim_disk_capacity_bytes(const struct sim_disk *disk)
{
    return disk->options.capacity_bytes;
}

uint64_t sim_disk_free_bytes(const struct sim_disk *disk)
{
    uint64_t used = used_pages(disk) * SIM_PAGE_BYTES;

    return used < disk->options.capacity_bytes ? disk->options.capacity_bytes - used : 0;
}

/* The part of size_bytes for which there is space. */
static uint64_t fit(const struct sim_disk *disk, const struct sim_file *file, uint64_t pos,
                    uint64_t size_bytes)
{
    uint64_t free_pages;

    if (disk->options.capacity_bytes >= 1ULL << 40)
        return size_bytes;
    free_pages = sim_disk_free_bytes(disk) / SIM_PAGE_BYTES;
    while (size_bytes > 0 && sim_file_pages_needed(file, pos, size_bytes) > free_pages) {
        uint64_t last = (pos + size_bytes - 1) % SIM_PAGE_BYTES + 1; /* bytes in the last page */
        size_bytes -= last < size_bytes ? last : size_bytes;
    }
    return size_bytes;
}

static uint64_t vec_bytes(const struct iovec *vec, uint32_t vec_count)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < vec_count; i++)
        sum += vec[i].iov_len;
    return sum;
}

/* The first size_bytes of the write into the cache. */
static void apply(struct sim_disk *disk, struct sim_file *file, const struct sim_disk_write *write,
                  uint64_t size_bytes)
{
    uint64_t pos = write->pos;

    for (uint32_t i = 0; i < write->vec_count && size_bytes > 0; i++) {
        size_t part = write->vec[i].iov_len;
        if (part > size_bytes)
            part = (size_t)size_bytes;
        sim_file_write(file, pos, write->vec[i].iov_base, part, write->write_id, &disk->image_prng,
                       disk->options.writeback_ppm);
        pos += part;
        size_bytes -= part;
    }
}

/* Some units of the write into the cache, each by chance. */
static void apply_some(struct sim_disk *disk, struct sim_file *file,
                       const struct sim_disk_write *write)
{
    uint64_t odds = prng_below(&disk->image_prng, 5);
    uint64_t pos = write->pos;

    for (uint32_t i = 0; i < write->vec_count; i++) {
        const uint8_t *bytes = write->vec[i].iov_base;
        size_t left = write->vec[i].iov_len;
        while (left > 0) {
            size_t part = file->unit_bytes - pos % file->unit_bytes;
            if (part > left)
                part = left;
            if (prng_chance(&disk->image_prng, odds, 4))
                sim_file_write(file, pos, bytes, part, 0, &disk->image_prng,
                               disk->options.writeback_ppm);
            bytes += part;
            pos += part;
            left -= part;
        }
    }
}

int32_t sim_disk_write(struct sim_disk *disk, uint64_t inode, const struct sim_disk_write *write)
{
    struct sim_inode *target = sim_tree_inode(&disk->tree, inode);
    uint64_t size = vec_bytes(write->vec, write->vec_count);
    uint64_t moved;
    int fault = fault_of(disk, SIM_WRITE);

    check(size <= INT32_MAX);
    for (uint32_t i = 0; write->direct && i < write->vec_count; i++)
        check(is_aligned(write->vec[i].iov_base, write->vec[i].iov_len, write->pos)); /* O_DIRECT */
    if (fault == -EIO)
        apply_some(disk, &target->file, write);
    if (fault != 0)
        return fault;
    moved = fit(disk, &target->file, write->pos,
                short_of(disk, SIM_WRITE, (uint32_t)size, write->direct));
    if (moved == 0 && size > 0)
        return count_fault(disk, SIM_WRITE, ENOSPC);
    apply(disk, &target->file, write, moved);
    if (write->dsync)
        sim_file_persist_range(&target->file, write->pos, moved); /* D4 */
    touch(disk, target);
    return (int32_t)moved;
}

void sim_disk_write_interrupted(struct sim_disk *disk, uint64_t inode,
                                const struct sim_disk_write *write)
{
    struct sim_file *file = &sim_tree_inode(&disk->tree, inode)->file;
    uint64_t size = fit(disk, file, write->pos, vec_bytes(write->vec, write->vec_count));
    uint64_t part;

    if (disk->settled)
        return;
    part = prng_below(&disk->image_prng, size + 1);
    if (write->direct)
        part -= part % file->unit_bytes; /* a device does not write half a unit */
    switch (prng_below(&disk->image_prng, 4)) {
    case 0:
        break;
    case 1:
        apply(disk, file, write, size);
        break;
    case 2:
        apply(disk, file, write, part);
        break;
    default:
        if (write->direct) /* the device may have done any part; the page cache goes in order */
            apply_some(disk, file, write);
        else
            apply(disk, file, write, size - size % SIM_PAGE_BYTES);
        break;
    }
}

void sim_disk_sync_begin(struct sim_disk *disk, uint64_t inode, sim_disk_unfinished_fn *unfinished,
                         void *context, struct sim_capture *out)
{
    sim_disk_retain(disk, inode);
    sim_file_capture(&sim_tree_inode(&disk->tree, inode)->file, &disk->image_prng, unfinished,
                     context, out);
}

int sim_disk_sync_end(struct sim_disk *disk, uint64_t inode, struct sim_capture *capture)
{
    struct sim_file *file = &sim_tree_inode(&disk->tree, inode)->file;
    int fault = fault_of(disk, SIM_SYNC);

    if (fault != 0)
        sim_file_diverge(file, capture, &disk->image_prng); /* D3 */
    else
        sim_file_persist(file, capture);
    sim_capture_deinit(capture);
    sim_disk_release(disk, inode);
    return fault;
}

void sim_disk_sync_interrupted(struct sim_disk *disk, uint64_t inode, struct sim_capture *capture)
{
    if (!disk->settled)
        sim_file_persist_some(&sim_tree_inode(&disk->tree, inode)->file, capture,
                              &disk->image_prng);
    sim_capture_deinit(capture);
    sim_disk_release(disk, inode);
}

void sim_disk_syncfs_begin(struct sim_disk *disk, sim_disk_unfinished_fn *unfinished, void *context,
                           struct sim_syncfs *out)
{
    out->count = disk->tree.inodes_count;
    out->captures = mem_alloc(out->count * sizeof(struct sim_capture));
    out->change_sequence = disk->tree.change_sequence;
    disk->syncfs_count++;
    disk->tree.pinned = true;
    for (uint64_t i = SIM_ROOT; i < out->count; i++) {
        if (disk->tree.inodes[i] != NULL)
            sim_file_capture(&disk->tree.inodes[i]->file, &disk->image_prng, unfinished, context,
                             &out->captures[i]);
    }
}

static void syncfs_free(struct sim_disk *disk, struct sim_syncfs *syncfs)
{
    for (uint64_t i = 0; i < syncfs->count; i++)
        sim_capture_deinit(&syncfs->captures[i]);
    mem_free(syncfs->captures);
    *syncfs = (struct sim_syncfs){0};
    if (--disk->syncfs_count == 0)
        disk->tree.pinned = false;
}

int sim_disk_syncfs_end(struct sim_disk *disk, struct sim_syncfs *syncfs)
{
    int fault = fault_of(disk, SIM_SYNCFS);

    for (uint64_t i = SIM_ROOT; i < syncfs->count; i++) {
        struct sim_inode *inode = disk->tree.inodes[i];
        if (inode == NULL)
            continue;
        if (fault != 0)
            sim_file_diverge(&inode->file, &syncfs->captures[i], &disk->image_prng);
        else
            sim_file_persist(&inode->file, &syncfs->captures[i]);
    }
    if (fault == 0)
        sim_tree_persist_until(&disk->tree, syncfs->change_sequence); /* D6 */
    syncfs_free(disk, syncfs);
    return fault;
}

void sim_disk_syncfs_interrupted(struct sim_disk *disk, struct sim_syncfs *syncfs)
{
    for (uint64_t i = SIM_ROOT; i < syncfs->count && !disk->settled; i++) {
        if (disk->tree.inodes[i] != NULL)
            sim_file_persist_some(&disk->tree.inodes[i]->file, &syncfs->captures[i],
                                  &disk->image_prng);
    }
    if (!disk->settled)
        sim_tree_persist_some(&disk->tree, syncfs->change_sequence, &disk->image_prng);
    syncfs_free(disk, syncfs);
}

int sim_disk_truncate(struct sim_disk *disk, uint64_t inode, uint64_t size_bytes)
{
    int fault = fault_of(disk, SIM_TRUNCATE);

    if (fault != 0)
        return fault;
    sim_file_truncate(&sim_tree_inode(&disk->tree, inode)->file, size_bytes);
    touch(disk, sim_tree_inode(&disk->tree, inode));
    return 0;
}

uint64_t sim_disk_size(const struct sim_disk *disk, uint64_t inode)
{
    return sim_tree_inode(&disk->tree, inode)->file.cached_size;
}

/* --- names --- */

/* A file's place that exists (-ENOENT, -EISDIR). */
static int look_file(struct sim_disk *disk, const char *path, struct sim_place *out)
{
    int res = sim_tree_look(&disk->tree, SIM_CACHED, path, out);

    if (res != 0)
        return res;
    if (out->inode == 0)
        return -ENOENT;
    return sim_tree_inode(&disk->tree, out->inode)->is_dir ? -EISDIR : 0;
}

/* A directory that exists (-ENOENT, -ENOTDIR). */
static int look_dir(const struct sim_disk *disk, const char *path, struct sim_place *out)
{
    int res = sim_tree_look(&disk->tree, SIM_CACHED, path, out);

    if (res != 0)
        return res;
    if (out->inode == 0)
        return -ENOENT;
    return sim_tree_inode(&disk->tree, out->inode)->is_dir ? 0 : -ENOTDIR;
}

int sim_disk_unlink(struct sim_disk *disk, const char *path)
{
    struct sim_place place;
    int res = look_file(disk, path, &place);

    if (res == 0)
        res = fault_of(disk, SIM_UNLINK);
    if (res == 0)
        sim_tree_unlink(&disk->tree, &place);
    return res;
}

int sim_disk_rename(struct sim_disk *disk, const char *from, const char *to)
{
    struct sim_place source;
    struct sim_place target;
    int res = sim_tree_look(&disk->tree, SIM_CACHED, from, &source);

    if (res != 0 || source.inode == 0 || source.inode == SIM_ROOT)
        return res != 0 ? res : -ENOENT;
    res = sim_tree_look(&disk->tree, SIM_CACHED, to, &target);
    if (res != 0)
        return res;
    if (target.inode != 0 && target.inode != source.inode) {
        const struct sim_inode *victim = sim_tree_inode(&disk->tree, target.inode);
        if (victim->is_dir != sim_tree_inode(&disk->tree, source.inode)->is_dir)
            return victim->is_dir ? -EISDIR : -ENOTDIR;
        if (victim->is_dir && victim->cached.count > 0)
            return -ENOTEMPTY;
    }
    res = fault_of(disk, SIM_RENAME);
    if (res == 0)
        sim_tree_rename(&disk->tree, &source, &target);
    return res;
}

int sim_disk_dir_make(struct sim_disk *disk, const char *path)
{
    struct sim_place place;
    int res = sim_tree_look(&disk->tree, SIM_CACHED, path, &place);

    if (res == 0 && place.inode != 0)
        res = -EEXIST;
    if (res == 0)
        res = fault_of(disk, SIM_DIR_MAKE);
    if (res == 0)
        (void)sim_tree_create(&disk->tree, &place, true);
    return res;
}

int sim_disk_dir_remove(struct sim_disk *disk, const char *path)
{
    struct sim_place place;
    int res = look_dir(disk, path, &place);

    if (res == 0 &&
        (place.inode == SIM_ROOT || sim_tree_inode(&disk->tree, place.inode)->cached.count > 0))
        res = -ENOTEMPTY;
    if (res == 0)
        res = fault_of(disk, SIM_DIR_REMOVE);
    if (res == 0)
        sim_tree_unlink(&disk->tree, &place);
    return res;
}

int sim_disk_dir_sync(struct sim_disk *disk, const char *path)
{
    struct sim_place place;
    int res = look_dir(disk, path, &place);

    if (res == 0)
        res = fault_of(disk, SIM_DIR_SYNC);
    if (res == 0)
        sim_tree_persist_dir(&disk->tree, place.inode);
    return res;
}

int sim_disk_dir_list(struct sim_disk *disk, const char *path,
                      void (*entry)(void *context, const char *name, bool is_dir), void *context)
{
    struct sim_names names = {0};
    struct sim_place place;
    int res = look_dir(disk, path, &place);

    if (res != 0)
        return res;
    sim_names_copy(&names, &sim_tree_inode(&disk->tree, place.inode)->cached);
    for (size_t left = names.count; left > 0; left--) {
        size_t i = (size_t)prng_below(&disk->time_prng, left);
        struct sim_name name = names.items[i];
        names.items[i] = names.items[left - 1];
        names.items[left - 1] = name;
        if (sim_tree_inode_or_null(&disk->tree, name.inode) != NULL) /* entry() may lose power */
            entry(context, name.name, sim_tree_inode(&disk->tree, name.inode)->is_dir);
    }
    sim_names_deinit(&names);
    return 0;
}

int sim_disk_stat(const struct sim_disk *disk, const char *path, struct sim_disk_stat *out)
{
    const struct sim_inode *inode;
    struct sim_place place;
    int res = sim_tree_look(&disk->tree, SIM_CACHED, path, &place);

    if (res != 0 || place.inode == 0)
        return res != 0 ? res : -ENOENT;
    inode = sim_tree_inode(&disk->tree, place.inode);
    *out = (struct sim_disk_stat){.size_bytes = inode->file.cached_size,
                                  .mtime_ms = inode->mtime_ms,
                                  .is_dir = inode->is_dir};
    return 0;
}

int sim_disk_lock(struct sim_disk *disk, uint64_t inode, uint64_t owner)
{
    struct sim_inode *file = sim_tree_inode(&disk->tree, inode);

    if (file->locked_by != 0 && file->locked_by != owner)
        return -EWOULDBLOCK;
    file->locked_by = owner;
    return 0;
}

void sim_disk_unlock(struct sim_disk *disk, uint64_t inode, uint64_t owner)
{
    struct sim_inode *file = sim_tree_inode(&disk->tree, inode);

    if (file->locked_by == owner)
        file->locked_by = 0;
}

/* --- time --- */

static uint64_t draw_time(struct sim_disk *disk, const struct sim_span *span)
{
    uint64_t low = span->min_ns;
    uint64_t high = span->max_ns > low ? span->max_ns : low;

    if (!prng_chance(&disk->time_prng, 1, 16)) /* mostly near the fast end */
        high = low + (high - low) / 8;
    return low + prng_below(&disk->time_prng, high - low + 1);
}

static void job_due(struct sim_event *event)
{
    struct sim_disk_job *job = container_of(event, struct sim_disk_job, event);
    struct sim_disk *disk = job->disk;

    if ((disk->held_ops & 1U << job->op) != 0) {
        list_push_back(&disk->held, &job->node);
        return;
    }
    if (disk->stalled_until_ns > disk->queue->now_ns) {
        uint64_t wait = disk->stalled_until_ns - disk->queue->now_ns;
        sim_queue_add(disk->queue, event, wait + prng_below(&disk->time_prng, SIM_MS));
        return;
    }
    job->run(job);
}

void sim_disk_submit(struct sim_disk *disk, struct sim_disk_job *job, enum sim_disk_op op,
                     bool dsync, void (*run)(struct sim_disk_job *job))
{
    const struct sim_span *span = &disk->options.write_time;

    if (op == SIM_READ)
        span = &disk->options.read_time;
    else if (op == SIM_SYNC || op == SIM_SYNCFS || dsync)
        span = &disk->options.sync_time;
    *job = (struct sim_disk_job){.event.fire = job_due, .disk = disk, .op = op, .run = run};
    if (by_chance(disk, disk->options.stall_ppm))
        sim_disk_stall(disk, draw_time(disk, &disk->options.stall_time));
    sim_queue_add(disk->queue, &job->event, draw_time(disk, span));
}

void sim_disk_forget(struct sim_disk *disk, struct sim_disk_job *job)
{
    sim_queue_remove(disk->queue, &job->event);
    if (list_is_linked(&job->node))
        list_remove(&job->node);
}

void sim_disk_stall(struct sim_disk *disk, uint64_t time_ns)
{
    uint64_t until = disk->queue->now_ns + time_ns;

    if (until > disk->stalled_until_ns)
        disk->stalled_until_ns = until;
    disk->queue->stats.stalls++;
    sim_queue_note(disk->queue, "disk stall", disk->id, time_ns, 0, 0);
}

void sim_disk_hold(struct sim_disk *disk, enum sim_disk_op op)
{
    disk->held_ops |= 1U << op;
}

void sim_disk_unhold(struct sim_disk *disk, enum sim_disk_op op)
{
    disk->held_ops &= ~(1U << op);
    list_for_each_safe(node, &disk->held)
    {
        struct sim_disk_job *job = container_of(node, struct sim_disk_job, node);
        if (job->op != op)
            continue;
        list_remove(node);
        sim_queue_add(disk->queue, &job->event, prng_below(&disk->time_prng, 100 * SIM_US));
    }
}

void sim_disk_heal(struct sim_disk *disk)
{
    struct sim_disk_options *options = &disk->options;

    options->stall_ppm = 0;
    options->read_error_ppm = 0;
    options->write_error_ppm = 0;
    options->sync_error_ppm = 0;
    options->space_error_ppm = 0;
    options->other_error_ppm = 0;
    options->short_read_ppm = 0;
    options->short_write_ppm = 0;
    options->transient_ppm = 0;
    memset(disk->planned, 0, sizeof(disk->planned));
    disk->stalled_until_ns = 0;
    disk->read_only = false;
    for (int op = 0; op < SIM_DISK_OP_COUNT; op++)
        sim_disk_unhold(disk, (enum sim_disk_op)op);
}

/* --- crashes --- */

void sim_disk_process_killed(struct sim_disk *disk)
{
    check(disk->syncfs_count == 0);
    for (uint64_t i = SIM_ROOT; i < disk->tree.inodes_count; i++) {
        struct sim_inode *inode = disk->tree.inodes[i];
        if (inode == NULL)
            continue;
        check(inode->open_count == 0);
        inode->locked_by = 0;
        if (!inode->is_dir && prng_chance(&disk->image_prng, 1, 2))
            sim_file_evict(&inode->file); /* by the time of the restart */
    }
}

void sim_disk_power_lost(struct sim_disk *disk)
{
    sim_disk_process_killed(disk);
    sim_tree_lose_power(&disk->tree, &disk->options.loss, &disk->image_prng, &disk->queue->stats);
    disk->stalled_until_ns = 0;
    memset(disk->planned, 0, sizeof(disk->planned));
}
