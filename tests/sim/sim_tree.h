/* sim_tree: the inodes of one file system, and the names that lead to them, cached and durable.
 *
 * Owned by a sim_disk.  Inodes have numbers, never reused; names are apart from them.  Each change
 * of names is kept until its directory is synced.
 *   STR-1  an inode lives while a name of either view, a change not yet durable, or an open count
 *       refers to it
 *   STR-2  changes become durable whole, and those of one directory in order, unless the power
 *          goes: then any subset does */
#ifndef LEVEE_TESTS_SIM_TREE_H
#define LEVEE_TESTS_SIM_TREE_H

#include "base/prng.h"
#include "tests/sim/sim_file.h"
#include "tests/sim/sim_names.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { SIM_ROOT = 1, SIM_PATH_MAX = 4096, SIM_NAME_MAX = 255 };

struct sim_inode {
    uint64_t number;
    uint64_t locked_by; /* 0: nobody */
    uint32_t open_count;
    bool is_dir;
    bool has_name; /* in the cached view; without it and not open, its space is free */
    int64_t mtime_ms;
    struct sim_file file;    /* of a file */
    struct sim_names cached; /* of a directory */
    struct sim_names durable;
};

struct sim_change;

struct sim_tree {
    struct sim_inode **inodes; /* by number; NULL: gone */
    uint64_t inodes_count;     /* the next number */
    uint64_t inodes_capacity;
    struct sim_change *changes; /* not yet durable, oldest first */
    size_t changes_count;
    size_t changes_capacity;
    uint64_t change_sequence; /* of the last change */
    uint64_t orphan_count;    /* names removed since the last collection */
    uint32_t unit_bytes;
    bool pinned; /* no collection now */
};

/* A name in a directory. */
struct sim_place {
    uint64_t dir;
    char name[SIM_NAME_MAX + 1];
    uint64_t inode; /* what it stands for now; 0: nothing */
};

void sim_tree_init(struct sim_tree *tree, uint32_t unit_bytes);
void sim_tree_deinit(struct sim_tree *tree);

/* It must exist. */
struct sim_inode *sim_tree_inode(const struct sim_tree *tree, uint64_t number);

/* NULL when it is gone, or number is beyond the last. */
struct sim_inode *sim_tree_inode_or_null(const struct sim_tree *tree, uint64_t number);

/* Where path leads in the cached view (SIM_CACHED) or the durable one.  0, -ENOENT when a directory
 * of it is missing (the last name may be), -ENOTDIR, -ENAMETOOLONG.  The root is its own place,
 * with an empty name. */
int sim_tree_look(const struct sim_tree *tree, enum sim_view view, const char *path,
                  struct sim_place *out);

/* The place must be free.  Returns the new inode. */
uint64_t sim_tree_create(struct sim_tree *tree, const struct sim_place *place, bool is_dir);

/* The place must be taken. */
void sim_tree_unlink(struct sim_tree *tree, const struct sim_place *place);

/* from must be taken; what `to` stood for loses that name. */
void sim_tree_rename(struct sim_tree *tree, const struct sim_place *from,
                     const struct sim_place *to);

/* Changes that touch that directory are durable. */
void sim_tree_persist_dir(struct sim_tree *tree, uint64_t dir);

/* Changes up to that sequence are durable. */
void sim_tree_persist_until(struct sim_tree *tree, uint64_t sequence);

/* Some changes up to that sequence are durable. */
void sim_tree_persist_some(struct sim_tree *tree, uint64_t sequence, struct prng *prng);

enum sim_change_fate {
    SIM_CHANGE_LOST,
    SIM_CHANGE_KEPT,
    SIM_CHANGE_KEPT_WITH_OLD, /* of a rename: the old name of a file stays beside the new one */
    SIM_CHANGE_FATE_COUNT
};

/* How many fates the change of that index (below changes_count) may have. */
uint32_t sim_tree_fates(const struct sim_tree *tree, size_t change_index);

/* What that change is, for people. */
void sim_tree_print_change(const struct sim_tree *tree, size_t change_index, FILE *to);

/* Reduce the names to the image in which each change has its fate; the caller has settled the
 * files. */
void sim_tree_settle(struct sim_tree *tree, const uint8_t *fates);

/* Reduce names and files to a legal image: only that is left, and all of it is durable. */
void sim_tree_lose_power(struct sim_tree *tree, const struct sim_loss *loss, struct prng *prng,
                         struct sim_stats *stats);

/* Free inodes that nothing refers to (STR-1), when that is worth the walk. */
void sim_tree_collect(struct sim_tree *tree);

#endif
