/* journal_group: the entries that one write of a journal makes durable, and the memory they lie in.
 *
 * Owned by its journal.  Memory comes in bufs of the slab, each a multiple of IO_ALIGN and small as
 * long as the groups are; a group begins at the next multiple of IO_ALIGN of the newest buf and
 * goes on in another, larger one when that is full.  So bytes never move, and pointers into them
 * stay good as long as somebody references the buf.
 *   JGR-1  an entry lies in one piece of memory
 *   JGR-2  every piece but the last of an open group is a multiple of IO_ALIGN, filled up with
 *          zeros */
#ifndef LEVEE_STORAGE_JOURNAL_JOURNAL_GROUP_H
#define LEVEE_STORAGE_JOURNAL_JOURNAL_GROUP_H

#include "base/err.h"
#include "base/io.h"
#include "base/list.h"
#include "base/slab.h"
#include "base/whole_write.h"
#include "storage/journal/journal_entry.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct journal;

enum { JOURNAL_GROUP_PIECES_MAX = 16 };

/* Where groups take their memory from. */
struct journal_memory {
    struct slab *slab;
    struct buf *buf;     /* the newest; NULL: none yet */
    uint32_t used_bytes; /* of it */
    uint32_t hint_bytes; /* what a group needed lately */
    uint32_t hint_max_bytes;
};

struct journal_group {
    struct list node;
    struct journal *journal;
    uint64_t sequence;
    struct buf *bufs[JOURNAL_GROUP_PIECES_MAX]; /* one reference each */
    struct iovec vec[JOURNAL_GROUP_PIECES_MAX];
    uint32_t piece_count;
    uint32_t size_bytes; /* on disk so far, with header and gaps, without final padding */
    uint32_t entry_count;
    bool relaxed; /* no entry asks for a sync */
    bool started; /* its write is on its way, or done */
    bool written;
    uint64_t began_ns; /* its first entry */
    uint64_t write_began_ns;
    /* while it is written */
    struct whole_write write;
    int32_t fd;
    uint64_t pos;
};

void journal_memory_init(struct journal_memory *memory, struct slab *slab,
                         uint32_t group_max_bytes);
void journal_memory_deinit(struct journal_memory *memory);

/* An empty group. */
void journal_group_init(struct journal_group *group, struct journal *journal, uint64_t sequence);

/* Drops its memory. */
void journal_group_deinit(struct journal_group *group);

/* size_bytes that the group would have with one more entry of entry_bytes (with its head);
 * UINT64_MAX: it has no piece left. */
uint64_t journal_group_size_with(const struct journal_group *group,
                                 const struct journal_memory *memory, uint32_t entry_bytes);

/* See that memory has room for that entry in this group.  ERR_AGAIN: the slab is at its limit;
 * ERR_NOMEM: the process has no memory; nothing changed. */
must_use enum err journal_group_reserve(struct journal_group *group, struct journal_memory *memory,
                                        uint32_t entry_bytes);

/* Room for one more entry, after journal_group_reserve.  Its buf is the group's last. */
uint8_t *journal_group_add(struct journal_group *group, struct journal_memory *memory,
                           uint32_t entry_bytes);

/* No more entries: pad to IO_ALIGN. */
void journal_group_close(struct journal_group *group, struct journal_memory *memory);

/* Write it, durably unless relaxed; done as of whole_write. */
void journal_group_write(struct journal_group *group, struct io *io,
                         void (*done)(struct whole_write *write, enum err err));

/* Bytes that were written. */
uint64_t journal_group_written_bytes(const struct journal_group *group);

#endif
