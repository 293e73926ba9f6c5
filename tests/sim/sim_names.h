/* sim_names: the names in one directory and the inodes that they stand for, sorted by name.
 *
 * Owned by a sim_disk, which keeps two of them per directory: cached and durable. */
#ifndef LEVEE_TESTS_SIM_NAMES_H
#define LEVEE_TESTS_SIM_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct sim_name {
    char *name;
    uint64_t inode; /* never 0 */
};

struct sim_names {
    struct sim_name *items;
    size_t count;
    size_t capacity;
};

void sim_names_deinit(struct sim_names *names);

/* The inode, or 0.  name need not end with NUL. */
uint64_t sim_names_find(const struct sim_names *names, const char *name, size_t name_bytes);

/* Insert or replace. */
void sim_names_set(struct sim_names *names, const char *name, uint64_t inode);

/* Remove name, if it stands for inode. */
void sim_names_remove(struct sim_names *names, const char *name, uint64_t inode);

/* to becomes a copy of from. */
void sim_names_copy(struct sim_names *to, const struct sim_names *from);

#endif
