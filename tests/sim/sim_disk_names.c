/* Names of files and directories. */
#include "tests/sim/sim_disk_private.h"

#include <errno.h>

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
        res = sim_disk_fault_of(disk, SIM_UNLINK);
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
    res = sim_disk_fault_of(disk, SIM_RENAME);
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
        res = sim_disk_fault_of(disk, SIM_DIR_MAKE);
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
        res = sim_disk_fault_of(disk, SIM_DIR_REMOVE);
    if (res == 0)
        sim_tree_unlink(&disk->tree, &place);
    return res;
}

int sim_disk_dir_sync(struct sim_disk *disk, const char *path)
{
    struct sim_place place;
    int res = look_dir(disk, path, &place);

    if (res == 0)
        res = sim_disk_fault_of(disk, SIM_DIR_SYNC);
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
