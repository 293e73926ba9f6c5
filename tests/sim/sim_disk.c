/* A disk's data, its space and its crashes. */
#include "base/check.h"
#include "base/io.h"
#include "base/mem.h"
#include "tests/sim/sim_disk_private.h"
#include "tests/sim/sim_heap.h"

#include <errno.h>
#include <string.h>

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
    res = sim_disk_fault_of(disk, SIM_OPEN);
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
    int fault = sim_disk_fault_of(disk, SIM_READ);
    uint32_t moved;

    check(!direct || is_aligned(bytes, size_bytes, pos)); /* O_DIRECT: see enum io_open_flags */
    if (fault != 0)
        return fault;
    if (sim_disk_by_chance(disk, disk->options.evict_ppm))
        sim_file_evict(file);
    moved = sim_disk_short_of(disk, SIM_READ, size_bytes, direct);
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
    int fault = sim_disk_fault_of(disk, SIM_WRITE);

    check(size <= INT32_MAX);
    for (uint32_t i = 0; write->direct && i < write->vec_count; i++)
        check(is_aligned(write->vec[i].iov_base, write->vec[i].iov_len, write->pos)); /* O_DIRECT */
    if (fault == -EIO)
        apply_some(disk, &target->file, write);
    if (fault != 0)
        return fault;
    moved = fit(disk, &target->file, write->pos,
                sim_disk_short_of(disk, SIM_WRITE, (uint32_t)size, write->direct));
    if (moved == 0 && size > 0)
        return sim_disk_count_fault(disk, SIM_WRITE, ENOSPC);
    apply(disk, &target->file, write, moved);
    if (write->dsync)
        sim_file_persist_range(&target->file, write->pos, moved); /* SDK-4 */
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
    int fault = sim_disk_fault_of(disk, SIM_SYNC);

    if (fault != 0)
        sim_file_diverge(file, capture, &disk->image_prng); /* SDK-3 */
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
    out->captures = sim_heap_own_alloc(out->count * sizeof(struct sim_capture));
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
    int fault = sim_disk_fault_of(disk, SIM_SYNCFS);

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
        sim_tree_persist_until(&disk->tree, syncfs->change_sequence); /* SDK-6 */
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
    int fault = sim_disk_fault_of(disk, SIM_TRUNCATE);

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
