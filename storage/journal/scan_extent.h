/* scan_extent: one journal extent being read at start.
 *
 * Owned by a journal_scan; synchronous.  Its bytes come into memory only as far as somebody asks.
 */
#ifndef LEVEE_STORAGE_JOURNAL_SCAN_EXTENT_H
#define LEVEE_STORAGE_JOURNAL_SCAN_EXTENT_H

#include "base/err.h"
#include "base/io.h"
#include "base/slab.h"
#include "storage/journal/journal_format.h"

#include <stdbool.h>
#include <stdint.h>

/* Where extents come from; all the caller's. */
struct scan_source {
    struct io *io;
    const char *dir;
    struct slab *slab;
};

struct scan_extent {
    uint32_t shard;
    uint64_t number;
    uint64_t size_bytes;
    int32_t fd;      /* -1: closed */
    struct buf *buf; /* size_bytes; NULL: not needed */
    uint64_t loaded_bytes;
    struct journal_group_head head; /* of the first group */
    bool has_head;                  /* it looks like one */
    bool good;                      /* its checksum is right */
    bool used;                      /* groups of a run stand in it */
    bool kept;                      /* its groups in buf are as they were verified */
};

/* Open the file named by shard and number (fd is -1 before) and look at its first block: has_head.
 */
must_use enum err scan_extent_open(const struct scan_source *source, struct scan_extent *extent);

/* Open it again: nothing of it is in memory. */
must_use enum err scan_extent_reopen(const struct scan_source *source, struct scan_extent *extent);

/* The descriptor; what was read stays. */
void scan_extent_close(const struct scan_source *source, struct scan_extent *extent);

/* What was read. */
void scan_extent_drop(struct scan_extent *extent);

/* Read the first group (has_head) and give the memory back: good. */
must_use enum err scan_extent_verify(const struct scan_source *source, struct scan_extent *extent);

/* See that the first size_bytes are in buf, or all: loaded_bytes.  ERR_NOMEM: the slab is full. */
must_use enum err scan_extent_load(const struct scan_source *source, struct scan_extent *extent,
                                   uint64_t size_bytes);

/* The group at pos.  ERR_MALFORMED: there is none; ERR_CORRUPT: something like one with a wrong
 * checksum; ERR_NEWER_FORMAT; else as scan_extent_load.  *head is set for OK and ERR_CORRUPT. */
must_use enum err scan_extent_group(const struct scan_source *source, struct scan_extent *extent,
                                    uint64_t pos, struct journal_group_head *head);

#endif
