#include "tests/sim/sim_image.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

int64_t sim_image_peek(const struct sim_disk *disk, enum sim_view view, const char *path,
                       uint64_t pos, void *bytes, size_t size_bytes)
{
    const struct sim_inode *inode;
    struct sim_place place;

    if (sim_tree_look(&disk->tree, view, path, &place) != 0 || place.inode == 0)
        return -ENOENT;
    inode = sim_tree_inode(&disk->tree, place.inode);
    return (int64_t)sim_file_read(&inode->file, view, pos, bytes, size_bytes);
}

static void walk_dir(const struct sim_disk *disk, enum sim_view view, uint64_t dir, char *path,
                     sim_image_seen_fn *seen, void *context)
{
    const struct sim_inode *here = sim_tree_inode(&disk->tree, dir);
    const struct sim_names *names = view == SIM_DURABLE ? &here->durable : &here->cached;
    size_t used = strlen(path);

    for (size_t i = 0; i < names->count; i++) {
        const struct sim_inode *inode = sim_tree_inode(&disk->tree, names->items[i].inode);
        int more = snprintf(path + used, SIM_PATH_MAX - used, "/%s", names->items[i].name);
        check(more > 0 && (size_t)more < SIM_PATH_MAX - used);
        seen(context, path, inode->is_dir,
             view == SIM_DURABLE ? inode->file.durable_size : inode->file.cached_size);
        if (inode->is_dir)
            walk_dir(disk, view, inode->number, path, seen, context);
        path[used] = '\0';
    }
}

void sim_image_walk(const struct sim_disk *disk, enum sim_view view, sim_image_seen_fn *seen,
                    void *context)
{
    char path[SIM_PATH_MAX] = "";

    walk_dir(disk, view, SIM_ROOT, path, seen, context);
}

struct dump {
    const struct sim_disk *disk;
    enum sim_view view;
    const char *real_dir;
    int result;
};

static int dump_file(const struct dump *dump, const char *path, const char *real_path,
                     uint64_t size_bytes)
{
    uint8_t bytes[SIM_PAGE_BYTES * 16];
    int fd = open(real_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int result = 0;

    if (fd < 0)
        return -errno;
    for (uint64_t pos = 0; pos < size_bytes && result == 0;) {
        int64_t part = sim_image_peek(dump->disk, dump->view, path, pos, bytes, sizeof(bytes));
        check(part > 0);
        if (pwrite(fd, bytes, (size_t)part, (off_t)pos) != part)
            result = errno != 0 ? -errno : -EIO;
        pos += (uint64_t)part;
    }
    if (close(fd) != 0 && result == 0)
        result = -errno;
    return result;
}

static void dump_one(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    struct dump *dump = context;
    char real_path[SIM_PATH_MAX * 2];

    if (dump->result != 0)
        return;
    snprintf(real_path, sizeof(real_path), "%s%s", dump->real_dir, path);
    if (!is_dir)
        dump->result = dump_file(dump, path, real_path, size_bytes);
    else if (mkdir(real_path, 0755) != 0 && errno != EEXIST)
        dump->result = -errno;
}

int sim_image_dump(const struct sim_disk *disk, enum sim_view view, const char *real_dir)
{
    struct dump dump = {.disk = disk, .view = view, .real_dir = real_dir};

    sim_image_walk(disk, view, dump_one, &dump);
    return dump.result;
}

int sim_image_flip(struct sim_disk *disk, const char *path, uint64_t pos, uint8_t mask)
{
    struct sim_place place;

    if (sim_tree_look(&disk->tree, SIM_CACHED, path, &place) != 0 || place.inode == 0)
        return -ENOENT;
    if (!sim_file_flip(&sim_tree_inode(&disk->tree, place.inode)->file, pos, mask))
        return -EINVAL;
    disk->queue->stats.bit_flips++;
    sim_queue_note(disk->queue, "bit rot", disk->id, place.inode, pos, mask);
    return 0;
}

struct hashing {
    const struct sim_disk *disk;
    enum sim_view view;
    XXH3_state_t *state;
};

static void hash_one(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    struct hashing *hashing = context;
    uint8_t bytes[SIM_PAGE_BYTES];

    XXH3_64bits_update(hashing->state, path, strlen(path) + 1);
    for (uint64_t pos = 0; !is_dir && pos < size_bytes;) {
        int64_t part =
            sim_image_peek(hashing->disk, hashing->view, path, pos, bytes, sizeof(bytes));
        check(part > 0);
        XXH3_64bits_update(hashing->state, bytes, (size_t)part);
        pos += (uint64_t)part;
    }
}

uint64_t sim_image_hash(const struct sim_disk *disk, enum sim_view view)
{
    struct hashing hashing = {.disk = disk, .view = view, .state = XXH3_createState()};
    uint64_t hash;

    check(hashing.state != NULL && XXH3_64bits_reset(hashing.state) == XXH_OK);
    sim_image_walk(disk, view, hash_one, &hashing);
    hash = XXH3_64bits_digest(hashing.state);
    XXH3_freeState(hashing.state);
    return hash;
}
